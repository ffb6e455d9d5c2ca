/*
 * stream.c: reading streams: members, their checks, records one by one; see stream.h. Writing is
 * in stream_write.c.
 */
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "stream/cbor.h"
#include "stream/frame.h"

static const struct field provenance_f[] = {
	{FIELD_KEY("tool"), FIELD_TEXT, FIELD_REQUIRED, offsetof(struct provenance, tool), 0, NULL,
		"program"},
	{FIELD_KEY("version"), FIELD_TEXT, FIELD_REQUIRED, offsetof(struct provenance, version), 0,
		NULL, "of the program"},
	{FIELD_KEY("options"), FIELD_TEXTS, 0, offsetof(struct provenance, options), 0, NULL,
		"options that change the output"},
};
static const struct fields provenance_fields = {
	"provenance", sizeof(struct provenance), provenance_f, COUNT_OF(provenance_f)};

static const struct field header_f[] = {
	{FIELD_KEY("bb"), FIELD_U64, FIELD_REQUIRED, offsetof(struct stream_header, bb), 0, NULL,
		"container version: 1"},
	{FIELD_KEY("kind"), FIELD_TEXT, FIELD_REQUIRED, offsetof(struct stream_header, kind), 0,
		NULL, "record kind"},
	{FIELD_KEY("version"), FIELD_U64, FIELD_REQUIRED, offsetof(struct stream_header, version),
		0, NULL, "version of the kind"},
	{FIELD_KEY("prov"), FIELD_RECORDS, FIELD_REQUIRED, offsetof(struct stream_header, prov), 0,
		&provenance_fields, "how the member came to be, first step first"},
};
const struct fields stream_header_fields = {
	"header", sizeof(struct stream_header), header_f, COUNT_OF(header_f)};

static const struct field trailer_f[] = {
	{FIELD_KEY("end"), FIELD_U64, FIELD_REQUIRED, offsetof(struct stream_trailer, end), 0, NULL,
		"1"},
	{FIELD_KEY("records"), FIELD_U64, FIELD_REQUIRED, offsetof(struct stream_trailer, records),
		0, NULL, "records in this member"},
	{FIELD_KEY("skipped"), FIELD_U64, FIELD_REQUIRED, offsetof(struct stream_trailer, skipped),
		0, NULL, "inputs that could not be used"},
	{FIELD_KEY("digest"), FIELD_BYTES, FIELD_REQUIRED, offsetof(struct stream_trailer, digest),
		HASH_BYTES, NULL, "XXH3-128 of the bytes of all records"},
	{FIELD_KEY("inputs"), FIELD_BYTES, 0, offsetof(struct stream_trailer, inputs), 0, NULL,
		"digests of the members this one was made from"},
};
const struct fields stream_trailer_fields = {
	"trailer", sizeof(struct stream_trailer), trailer_f, COUNT_OF(trailer_f)};

/* RFC 8949, 3.4.6: tag 55799 marks what follows as CBOR; it stands before a header. */
static const uint8_t magic[3] = {0xd9, 0xd9, 0xf7};

struct stream_reader {
	char *const *paths;
	size_t npaths, next; /* next file to open */
	const struct kind *want;
	const struct kind *const *kinds;
	struct frame_file file;
	int fd; /* -1: no file is open */
	const char *name;
	uint64_t before, total; /* bytes of earlier files; of all files */
	struct err err;

	/* The member being read. */
	bool inside, any; /* between header and trailer; a member of this file was seen */
	const struct kind *kind;
	struct stream_header header;
	struct arena header_arena;
	void *scratch;
	struct buf small; /* an unpacked header or trailer */

	/* What has been accounted for. */
	struct hash *hash;    /* of the records of the member */
	struct hash *digests; /* of the digests of finished members */
	uint64_t count;       /* records of the member */
	uint64_t all;         /* records of finished members */

	/* For stream_read. */
	struct stream_item item;
	struct buf raw;
	size_t at, from; /* in raw: next record; the one given last */
	struct arena arena;
	void *raw_scratch;
};

static char *const only_stdin[] = {"-"};

struct stream_reader *stream_open(
	char *const *paths, size_t n, const struct kind *want, const struct kind *const *kinds)
{
	struct stream_reader *r = mem_zalloc(1, sizeof(*r));

	r->paths = n ? paths : only_stdin;
	r->npaths = n ? n : 1;
	r->want = want;
	r->kinds = kinds;
	r->fd = -1;
	r->hash = hash_new();
	r->digests = hash_new();
	for (size_t i = 0; i < r->npaths; i++) {
		struct stat st;
		int bad = strcmp(r->paths[i], "-") ? stat(r->paths[i], &st)
						   : fstat(STDIN_FILENO, &st);

		if (bad < 0 || !S_ISREG(st.st_mode)) {
			r->total = 0;
			break;
		}
		r->total += (uint64_t)st.st_size;
	}
	return r;
}

static void close_file(struct stream_reader *r)
{
	if (r->fd < 0)
		return;
	r->before += r->file.done;
	frame_close(&r->file);
	if (r->fd != STDIN_FILENO)
		close(r->fd);
	r->fd = -1;
}

void stream_close(struct stream_reader *r)
{
	if (!r)
		return;
	close_file(r);
	arena_free(&r->header_arena);
	arena_free(&r->arena);
	buf_free(&r->small);
	buf_free(&r->raw);
	stream_item_free(&r->item);
	frame_unpack_free(r->scratch);
	frame_unpack_free(r->raw_scratch);
	hash_free(r->hash);
	hash_free(r->digests);
	mem_free(r);
}

void stream_item_free(struct stream_item *item)
{
	buf_free(&item->packed);
	arena_free(&item->arena);
}

const char *stream_error(const struct stream_reader *r)
{
	return r->err.text;
}

const struct kind *stream_kind(const struct stream_reader *r)
{
	return r->kind;
}

const struct stream_header *stream_header(const struct stream_reader *r)
{
	return r->kind ? &r->header : NULL;
}

const char *stream_step_option(const struct stream_header *h, const char *tool, const char *option)
{
	const struct provenance *step = h->prov.p;
	const char *found = "";

	for (size_t i = 0; i < h->prov.n; i++) {
		if (strcmp(step[i].tool, tool) != 0)
			continue;
		found = NULL;
		for (size_t k = 0; k < step[i].options.n; k++)
			if (!strncmp(step[i].options.p[k], option, strlen(option)))
				found = step[i].options.p[k];
	}
	return found;
}

void stream_position(const struct stream_reader *r, uint64_t *done, uint64_t *total)
{
	*done = r->before + (r->fd >= 0 ? r->file.done : 0);
	*total = r->total;
}

void stream_digest(const struct stream_reader *r, uint8_t digest[HASH_BYTES])
{
	hash_get(r->digests, digest);
}

uint64_t stream_count(const struct stream_reader *r)
{
	return r->all + r->count;
}

/* Puts the file's name before the reason in r->err. */
static int fail(struct stream_reader *r, const char *why)
{
	return err_set(&r->err, "%.600s: %s", r->name, why);
}

static int open_next(struct stream_reader *r)
{
	const char *path = r->paths[r->next++];
	bool in = !strcmp(path, "-");

	r->name = in ? "stdin" : path;
	r->fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return fail(r, strerror(errno));
	frame_open(&r->file, r->fd);
	r->any = false;
	return 0;
}

/* The only form a header or trailer can have: one item that fills its frame. */
static int decode_whole(const struct fields *fs, const uint8_t *p, size_t n, void *rec,
	struct arena *a, struct err *e)
{
	ptrdiff_t took;

	arena_reset(a);
	took = field_decode(fs, p, n, rec, a, e);
	if (took < 0)
		return -1;
	return (size_t)took == n ? 0 : err_set(e, "%s: bytes left over", fs->name);
}

static int read_header(struct stream_reader *r, struct stream_item *item)
{
	const struct stream_header *h = &item->header;
	struct err e;

	if (r->small.n < sizeof(magic) || memcmp(r->small.p, magic, sizeof(magic)))
		return fail(r, "not a bb stream (no header)");
	for (int copy = 0; copy < 2; copy++) /* once for the item, once to keep */
		if (decode_whole(&stream_header_fields, r->small.p + sizeof(magic),
			    r->small.n - sizeof(magic), copy ? &r->header : &item->header,
			    copy ? &r->header_arena : &item->arena, &e) < 0)
			return fail(r, e.text);
	if (h->bb != STREAM_VERSION)
		return err_set(&r->err, "%.600s: container version %llu is not known", r->name,
			(unsigned long long)h->bb);
	if (r->want && strcmp(h->kind, r->want->name))
		return err_set(&r->err, "%.600s: holds records of kind '%.40s', need '%s'%s%s",
			r->name, h->kind, r->want->name, r->want->maker ? " of " : "",
			r->want->maker ? r->want->maker : "");
	if (r->kind && strcmp(h->kind, r->kind->name))
		return err_set(&r->err,
			"%.600s: holds records of kind '%.40s', what came before '%s'", r->name,
			h->kind, r->kind->name);
	r->kind = r->want;
	for (size_t i = 0; !r->want && r->kinds[i]; i++)
		if (!strcmp(r->kinds[i]->name, h->kind))
			r->kind = r->kinds[i];
	if (!r->kind)
		return err_set(&r->err, "%.600s: holds records of an unknown kind '%.40s'", r->name,
			h->kind);
	if (h->version != r->kind->version)
		return err_set(&r->err,
			"%.600s: holds version %llu of kind '%s', this program reads %u: make it "
			"again%s%s",
			r->name, (unsigned long long)h->version, r->kind->name, r->kind->version,
			r->kind->maker ? " by " : "", r->kind->maker ? r->kind->maker : "");
	item->type = STREAM_HEADER;
	r->inside = r->any = true;
	return 1;
}

/* Whether the frame just read, of `raw` bytes, is a trailer; then item holds it. */
static int read_trailer(struct stream_reader *r, struct stream_item *item)
{
	static const uint8_t key[4] = {0x63, 'e', 'n', 'd'};
	struct err e;

	if (item->raw > STREAM_TRAILER_MAX)
		return 0;
	if (frame_unpack(&r->scratch, &item->packed, item->raw, &r->small, &e) < 0)
		return fail(r, e.text);
	if (r->small.n < 5 || memcmp(r->small.p + 1, key, sizeof(key)))
		return 0;
	if (decode_whole(&stream_trailer_fields, r->small.p, r->small.n, &item->trailer,
		    &item->arena, &e) < 0)
		return fail(r, e.text);
	item->type = STREAM_TRAILER;
	r->inside = false;
	return 1;
}

int stream_next(struct stream_reader *r, struct stream_item *item)
{
	struct err e;
	int got;

	for (;;) {
		if (r->fd < 0) {
			if (r->next == r->npaths)
				return 0;
			if (open_next(r) < 0)
				return -1;
		}
		got = frame_read(&r->file, STREAM_RECORD_MAX, &item->packed, &item->raw, &e);
		if (got < 0)
			return fail(r, e.text);
		if (got)
			break;
		if (r->inside)
			return fail(r, "cut short: no trailer");
		if (!r->any)
			return fail(r, "empty: not even a header");
		close_file(r);
	}
	item->file = r->name;
	if (!r->inside) {
		if (frame_unpack(&r->scratch, &item->packed, item->raw, &r->small, &e) < 0)
			return fail(r, e.text);
		return read_header(r, item);
	}
	got = read_trailer(r, item);
	if (got)
		return got;
	item->type = STREAM_RECORDS;
	return 1;
}

int stream_unpack(const struct stream_item *item, void **scratch, struct buf *raw, struct err *e)
{
	return frame_unpack(scratch, &item->packed, item->raw, raw, e);
}

void stream_unpack_free(void *scratch)
{
	frame_unpack_free(scratch);
}

int stream_account(struct stream_reader *r, const struct stream_item *item, const struct buf *raw,
	uint64_t count, struct err *e)
{
	const struct stream_trailer *t = &item->trailer;
	uint8_t digest[HASH_BYTES];

	switch (item->type) {
	case STREAM_HEADER:
		hash_reset(r->hash);
		r->count = 0;
		return 0;
	case STREAM_RECORDS:
		hash_put(r->hash, raw->p, raw->n);
		r->count += count;
		return 0;
	case STREAM_TRAILER: break;
	}
	hash_get(r->hash, digest);
	if (t->end != 1 || t->records != r->count)
		return err_set(e, "%.600s: trailer says %llu records, there are %llu", item->file,
			(unsigned long long)t->records, (unsigned long long)r->count);
	if (memcmp(t->digest.p, digest, HASH_BYTES))
		return err_set(
			e, "%.600s: content does not match the trailer's digest", item->file);
	hash_put(r->digests, digest, HASH_BYTES);
	r->all += r->count;
	r->count = 0;
	return 0;
}

int stream_read(struct stream_reader *r, void *rec)
{
	ptrdiff_t took;
	struct err e;
	int got;

	while (r->at == r->raw.n) {
		r->at = 0;
		buf_reset(&r->raw);
		got = stream_next(r, &r->item);
		if (got <= 0)
			return got;
		if (r->item.type == STREAM_RECORDS) {
			/* Records are counted as they are read; the frame's bytes are hashed now.
			 */
			if (stream_unpack(&r->item, &r->raw_scratch, &r->raw, &e) < 0)
				return fail(r, e.text);
		}
		if (stream_account(r, &r->item, &r->raw, 0, &r->err) < 0)
			return -1;
	}
	arena_reset(&r->arena);
	took = field_decode(
		r->kind->fields, r->raw.p + r->at, r->raw.n - r->at, rec, &r->arena, &e);
	if (took < 0 || r->kind->check(rec, &e) < 0)
		return err_set(&r->err, "%.600s: record %llu: %.100s", r->name,
			(unsigned long long)stream_count(r) + 1, e.text);
	r->from = r->at;
	r->at += (size_t)took;
	r->count++;
	return 1;
}

void stream_raw(const struct stream_reader *r, const uint8_t **p, size_t *n)
{
	*p = r->raw.p + r->from;
	*n = r->at - r->from;
}
