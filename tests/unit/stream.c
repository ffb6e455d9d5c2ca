/*
 * stream.c: streams of every kind, written and read in both ways; cuts, flipped bits, wrong kinds,
 * lying trailers; memory of the writer; several members, several files.
 */
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "formats/embedding.h"
#include "formats/function.h"
#include "formats/kinds.h"
#include "formats/tokens.h"
#include "stream/cbor.h"
#include "stream/frame.h"
#include "tests/unit.h"

/* A file in memory, by a name that can be opened. */
struct file {
	int fd;
	char path[40];
};

static struct file file_new(void)
{
	struct file f = {.fd = memfd_create("stream", MFD_CLOEXEC)};

	if (f.fd < 0)
		abort();
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	return f;
}

static struct file file_of(const void *p, size_t n)
{
	struct file f = file_new();

	if (write(f.fd, p, n) != (ssize_t)n)
		abort();
	return f;
}

static void file_bytes(const struct file *f, struct buf *b)
{
	struct stat st;

	buf_reset(b);
	if (fstat(f->fd, &st) < 0 || pread(f->fd, buf_reserve(b, (size_t)st.st_size),
					     (size_t)st.st_size, 0) != st.st_size)
		abort();
	b->n = (size_t)st.st_size;
}

static const char *const step_options[] = {"a=1", "b"};
static const struct provenance step = {"test", "7", {(const char **)step_options, 2}};

/* Writes a member of n samples; the encoded records are added to `raw`. */
static void put_member(int fd, const struct kind *k, size_t n, uint64_t seed, struct buf *raw)
{
	struct stream_writer *w = stream_create(fd);
	static const uint8_t input[HASH_BYTES] = "fifteen letters";
	void *rec = mem_alloc(1, k->fields->size);
	struct arena a = {0};

	CHECK(stream_begin(w, k, NULL, &step) == 0);
	for (size_t i = 0; i < n; i++) {
		struct rng r = rng_new(seed, i);

		arena_reset(&a);
		k->sample(rec, &a, &r);
		CHECK(stream_write(w, k, rec) == 0);
		field_encode(raw, k->fields, rec);
	}
	CHECK(stream_end(w, 3, input, 1) == 0);
	stream_free(w);
	mem_free(rec);
	arena_free(&a);
}

/* Reads all records of the files: the number, or -1; their bytes in raw. */
static int read_all(
	const struct file *f, size_t n, const struct kind *want, struct buf *raw, struct err *e)
{
	char *paths[4];
	struct stream_reader *r;
	void *rec = mem_alloc(1, kinds_largest());
	int count = 0, got;

	for (size_t i = 0; i < n; i++)
		paths[i] = (char *)f[i].path;
	r = stream_open(paths, n, want, kinds_all);
	buf_reset(raw);
	while ((got = stream_read(r, rec)) > 0) {
		const uint8_t *p;
		size_t size;

		stream_raw(r, &p, &size);
		buf_put(raw, p, size);
		count++;
		/* Encoding reads all that the record points to. */
		field_encode(raw, stream_kind(r)->fields, rec);
		raw->n -= size;
	}
	if (got < 0)
		err_set(e, "%s", stream_error(r));
	else
		CHECK(stream_count(r) == (uint64_t)count);
	stream_close(r);
	mem_free(rec);
	return got < 0 ? -1 : count;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

static void test_kinds(void)
{
	static const size_t counts[] = {0, 1, 2, 5000};
	struct buf raw = {0}, got = {0};
	struct err e;

	for (size_t k = 0; kinds_all[k]; k++) {
		for (size_t i = 0; i < COUNT_OF(counts); i++) {
			struct file f = file_new();

			buf_reset(&raw);
			put_member(f.fd, kinds_all[k], counts[i], i, &raw);
			CHECK(read_all(&f, 1, kinds_all[k], &got, &e) == (int)counts[i]);
			CHECK(same(&raw, &got));
			CHECK(read_all(&f, 1, NULL, &got, &e) == (int)counts[i]);
			CHECK(read_all(&f, 1, kinds_all[kinds_all[k + 1] ? k + 1 : 0], &got, &e) ==
				-1);
			CHECK(strstr(e.text, kinds_all[k]->name) &&
				strstr(e.text, kinds_all[kinds_all[k + 1] ? k + 1 : 0]->name));
			close(f.fd);
		}
	}
	buf_free(&raw);
	buf_free(&got);
}

/* The parallel way: frames, unpacked and accounted for by the caller. */
static void test_frames(void)
{
	struct buf want = {0}, raw = {0}, got = {0};
	struct file f = file_new();
	char *path = f.path;
	struct stream_reader *r;
	struct stream_item item = {0};
	uint8_t digest[HASH_BYTES], all[HASH_BYTES];
	void *scratch = NULL;
	int headers = 0, trailers = 0, frames = 0, more;
	struct err e;

	put_member(f.fd, &function_kind, 3000, 1, &want);
	r = stream_open(&path, 1, &function_kind, kinds_all);
	CHECK(!stream_kind(r) && !stream_header(r));
	while ((more = stream_next(r, &item)) > 0) {
		const struct provenance *p = item.header.prov.p;
		uint64_t count = 0;

		if (item.type == STREAM_HEADER) {
			headers++;
			CHECK(item.header.bb == 1 && !strcmp(item.header.kind, "function"));
			CHECK(item.header.prov.n == 1 && !strcmp(p->tool, "test") &&
				!strcmp(p->version, "7") && p->options.n == 2 &&
				!strcmp(p->options.p[1], "b"));
			CHECK(stream_kind(r) == &function_kind);
		} else if (item.type == STREAM_TRAILER) {
			trailers++;
			hash_128(want.p, want.n, digest);
			CHECK(item.trailer.records == 3000 && item.trailer.skipped == 3);
			CHECK(!memcmp(item.trailer.digest.p, digest, HASH_BYTES));
			CHECK(item.trailer.inputs.n == HASH_BYTES &&
				!memcmp(item.trailer.inputs.p, "fifteen letters", HASH_BYTES));
		} else {
			struct cbor c;

			frames++;
			CHECK(stream_unpack(&item, &scratch, &raw, &e) == 0);
			CHECK(raw.n > 0 && raw.n <= STREAM_FRAME);
			for (c = (struct cbor){raw.p, raw.p + raw.n}; c.p < c.end; count++)
				if (cbor_skip(&c) < 0)
					break;
			CHECK(c.p == c.end); /* whole records only */
			buf_put(&got, raw.p, raw.n);
		}
		CHECK(stream_account(r, &item, &raw, count, &e) == 0);
	}
	CHECK(more == 0 && headers == 1 && trailers == 1 && frames > 1);
	CHECK(same(&want, &got));
	stream_digest(r, all);
	hash_128(digest, HASH_BYTES, digest);
	CHECK(!memcmp(all, digest, HASH_BYTES));
	stream_close(r);

	/* The caller's count is compared too. */
	r = stream_open(&path, 1, NULL, kinds_all);
	while ((more = stream_next(r, &item)) > 0) {
		raw.n = 0;
		if (item.type == STREAM_RECORDS)
			CHECK(stream_unpack(&item, &scratch, &raw, &e) == 0);
		if (stream_account(r, &item, &raw, item.type == STREAM_RECORDS, &e) < 0)
			break;
	}
	CHECK(more > 0 && item.type == STREAM_TRAILER && strstr(e.text, "3000"));
	stream_close(r);
	stream_item_free(&item);
	stream_unpack_free(scratch);
	buf_free(&want);
	buf_free(&raw);
	buf_free(&got);
	close(f.fd);
}

/* Every cut of a stream fails, also one between frames or members' parts. Every flipped bit fails
 * or changes nothing. */
static void test_damage(const struct kind *k)
{
	struct buf raw = {0}, bytes = {0}, got = {0};
	struct file f = file_new();
	unsigned cut = 0, silent = 0, unsaid = 0;
	struct err e;

	put_member(f.fd, k, 2, 9, &raw);
	put_member(f.fd, k, 1, 10, &raw); /* a second member */
	file_bytes(&f, &bytes);
	CHECK(read_all(&f, 1, k, &got, &e) == 3 && same(&raw, &got));
	for (size_t n = 0; n < bytes.n; n++) {
		struct file part = file_of(bytes.p, n);
		int r = read_all(&part, 1, k, &got, &e);

		/* Between the members it is one whole member. */
		cut += r != -1 && r != 2;
		unsaid += r == -1 && !strstr(e.text, "cut short") && !strstr(e.text, "empty");
		if (r == 2)
			CHECK(got.n < raw.n && !memcmp(got.p, raw.p, got.n));
		close(part.fd);
	}
	CHECK(!cut);
	CHECK(!unsaid);
	for (size_t bit = 0; bit < 8 * bytes.n; bit++) {
		struct file part;

		bytes.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		part = file_of(bytes.p, bytes.n);
		if (read_all(&part, 1, k, &got, &e) != -1)
			silent += !same(&raw, &got);
		close(part.fd);
		bytes.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(!silent);
	buf_free(&raw);
	buf_free(&bytes);
	buf_free(&got);
	close(f.fd);
}

/* Parts of streams put together in ways that must not pass. */
static void test_forged(void)
{
	struct buf raw = {0}, one = {0}, all = {0}, head = {0}, records = {0}, trailer = {0},
		   got = {0};
	struct buf frame = {0}, text = {0};
	struct file f = file_new(), other = file_new(), pair[2];
	struct frame_file file;
	void *scratch = NULL;
	size_t size;
	struct err e;
	static const struct {
		const char *parts; /* h header, r records, t trailer, of the stream */
		int count;
	} t[] = {{"hrt", 2}, {"hrthrt", 4}, {"hrrt", -1}, {"ht", -1}, {"hr", -1}, {"rt", -1},
		{"h", -1}, {"t", -1}, {"r", -1}, {"hhrt", -1}, {"hrtt", -1}, {"hrtr", -1},
		{"hrth", -1}, {"hrthr", -1}, {"", -1}};

	put_member(f.fd, &function_kind, 2, 9, &raw);
	file_bytes(&f, &one);
	lseek(f.fd, 0, SEEK_SET);
	frame_open(&file, f.fd);
	CHECK(frame_read(&file, STREAM_FRAME, &head, &size, &e) == 1);
	CHECK(frame_read(&file, STREAM_FRAME, &records, &size, &e) == 1);
	CHECK(frame_read(&file, STREAM_FRAME, &trailer, &size, &e) == 1);
	CHECK(frame_read(&file, STREAM_FRAME, &got, &size, &e) == 0);
	frame_close(&file);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct file forged;
		int r;

		buf_reset(&all);
		for (const char *s = t[i].parts; *s; s++) {
			const struct buf *b = *s == 'h' ? &head : *s == 'r' ? &records : &trailer;

			buf_put(&all, b->p, b->n);
		}
		forged = file_of(all.p, all.n);
		r = read_all(&forged, 1, NULL, &got, &e);
		CHECK(r == t[i].count);
		if (r != t[i].count)
			fprintf(stderr, "%s: %d\n", t[i].parts, r);
		close(forged.fd);
	}

	/* The trailer of other records, as many: only the digest tells. */
	put_member(other.fd, &function_kind, 2, 10, &raw);
	lseek(other.fd, 0, SEEK_SET);
	frame_open(&file, other.fd);
	for (int i = 0; i < 3; i++)
		CHECK(frame_read(&file, STREAM_FRAME, &got, &size, &e) == 1);
	frame_close(&file);
	buf_reset(&all);
	buf_put(&all, head.p, head.n);
	buf_put(&all, records.p, records.n);
	buf_put(&all, got.p, got.n);
	close(other.fd);
	other = file_of(all.p, all.n);
	CHECK(read_all(&other, 1, NULL, &got, &e) == -1 && strstr(e.text, "digest"));
	close(other.fd);
	other = file_new();

	/* Two members, or two files, of different kinds. */
	put_member(other.fd, &tokens_kind, 2, 9, &raw);
	pair[0] = f;
	pair[1] = other;
	CHECK(read_all(pair, 2, NULL, &got, &e) == -1);
	CHECK(strstr(e.text, "function") && strstr(e.text, "tokens"));
	pair[1] = f;
	CHECK(read_all(pair, 2, NULL, &got, &e) == 4);
	pair[1] = file_new(); /* an empty file after a good one */
	CHECK(read_all(pair, 2, NULL, &got, &e) == -1 && strstr(e.text, "empty"));
	snprintf(pair[1].path, sizeof(pair[1].path), "/nowhere/at/all");
	CHECK(read_all(pair, 2, NULL, &got, &e) == -1 &&
		strstr(e.text, "/nowhere/at/all: No such"));
	snprintf(pair[1].path, sizeof(pair[1].path), "/proc/self");
	CHECK(read_all(pair, 2, NULL, &got, &e) == -1 && strstr(e.text, "/proc/self: Is a dir"));

	/* Headers that say something else: an unknown kind, a newer kind and an older one, a newer
	 * container. */
	for (int i = 0; i < 5; i++) {
		static const char *const says[] = {
			"widget", "version 4", "version 2", "container version 2", NULL};
		struct stream_header h = {i == 3 ? 2 : 1, i == 0 ? "widget" : "function",
			i == 1   ? 4
			: i == 2 ? 2
				 : 3,
			{NULL, 0}};
		struct file forged;

		buf_reset(&text);
		buf_reset(&frame);
		cbor_put_head(&text, CBOR_TAG, 55799);
		field_encode(&text, &stream_header_fields, &h);
		frame_pack(&scratch, text.p, text.n, &frame);
		buf_put(&frame, records.p, records.n);
		buf_put(&frame, trailer.p, trailer.n);
		forged = file_of(frame.p, frame.n);
		CHECK(read_all(&forged, 1, NULL, &got, &e) == (says[i] ? -1 : 2));
		if (says[i])
			CHECK(strstr(e.text, says[i]));
		close(forged.fd);
	}
	/* A record that decodes but does not pass its check, under a fitting trailer. */
	{
		struct stream_writer *w;
		struct file broken = file_new();
		struct embedding m = {.unit = "function"};
		uint8_t bin[HASH_BYTES] = {0};

		m.origin.bin = (struct u8s){bin, HASH_BYTES};
		w = stream_create(broken.fd);
		CHECK(stream_begin(w, &embedding_kind, NULL, NULL) == 0);
		CHECK(stream_write(w, &embedding_kind, &m) == 0);
		CHECK(stream_end(w, 0, NULL, 0) == 0);
		stream_free(w);
		CHECK(read_all(&broken, 1, NULL, &got, &e) == -1);
		CHECK(strstr(e.text, "record 1: empty vector"));
		close(broken.fd);
	}
	frame_pack_free(scratch);
	buf_free(&raw);
	buf_free(&one);
	buf_free(&all);
	buf_free(&head);
	buf_free(&records);
	buf_free(&trailer);
	buf_free(&got);
	buf_free(&frame);
	buf_free(&text);
	close(f.fd);
	close(other.fd);
}

static void big_record(struct embedding *m, float *v, size_t n)
{
	static uint8_t bin[HASH_BYTES];

	*m = (struct embedding){.unit = "function", .origin.bin = {bin, HASH_BYTES}};
	m->vec = (struct f32s){v, n};
}

/* A large record has a frame of its own; a writer keeps about a frame in memory; one over the
 * limit is refused and leaves the stream as it was. */
static void test_large(void)
{
	size_t n = STREAM_RECORD_MAX / 4;
	float *v = mem_zalloc(n, sizeof(*v));
	struct file f = file_new();
	struct stream_writer *w = stream_create(f.fd);
	struct stream_reader *r;
	char *path = f.path;
	struct embedding m;
	struct stat st;
	uint64_t i = 0;
	int got;

	for (size_t k = 0; k < n; k += 3) /* so that it does not vanish when packed */
		v[k] = (float)(k % 1001);
	CHECK(stream_begin(w, &embedding_kind, NULL, NULL) == 0);
	for (; i < 40; i++) {
		big_record(&m, v, 75000); /* 300 kB: no frame ends on a record */
		CHECK(stream_write(w, &embedding_kind, &m) == 0);
		CHECK(fstat(f.fd, &st) == 0 && (i < 2 || st.st_size > (off_t)(i - 1) * 1000));
	}
	big_record(&m, v, n);
	CHECK(stream_write(w, &embedding_kind, &m) == -1);
	CHECK(strlen(stream_write_error(w)) > 0);
	big_record(&m, v, n - 100);
	CHECK(stream_write(w, &embedding_kind, &m) == 0);
	big_record(&m, v, 1);
	CHECK(stream_write(w, &embedding_kind, &m) == 0);
	CHECK(stream_end(w, 0, NULL, 0) == 0);
	stream_free(w);
	r = stream_open(&path, 1, NULL, kinds_all);
	for (i = 0; (got = stream_read(r, &m)) > 0; i++)
		CHECK(m.vec.n == (i < 40 ? 75000 : i == 40 ? n - 100 : 1));
	CHECK(got == 0 && i == 42);
	stream_close(r);
	mem_free(v);
	close(f.fd);
}

/* Packs made apart and put in order are what one writer would have written. */
static void test_packs(void)
{
	struct file a = file_new(), b = file_new();
	struct stream_writer *w = stream_create(b.fd);
	struct stream_pack pack[3] = {0};
	struct buf raw = {0}, again = {0}, got = {0};
	struct arena arena = {0};
	struct function rec;
	struct err e;

	put_member(a.fd, &function_kind, 300, 4, &raw);
	CHECK(stream_begin(w, &function_kind, NULL, &step) == 0);
	for (size_t i = 0; i < 300; i++) {
		struct rng r = rng_new(4, i);
		struct stream_pack *p = &pack[i / 100];

		function_kind.sample(&rec, &arena, &r);
		buf_reset(&again);
		field_encode(&again, function_kind.fields, &rec);
		if (i % 2)
			stream_pack_raw(p, again.p, again.n);
		else
			CHECK(stream_pack_record(p, &function_kind, &rec) == 0);
	}
	for (size_t i = 0; i < 3; i++) {
		stream_pack_finish(&pack[i]);
		CHECK(pack[i].count == 100);
		CHECK(stream_put(w, &pack[i]) == 0);
		stream_pack_free(&pack[i]);
	}
	CHECK(stream_end(w, 0, NULL, 0) == 0);
	stream_free(w);
	CHECK(read_all(&b, 1, NULL, &got, &e) == 300 && same(&raw, &got));

	/* Provenance grows by a step. */
	{
		char *path = b.path;
		struct stream_reader *r = stream_open(&path, 1, NULL, kinds_all);
		struct file c = file_new();

		CHECK(stream_read(r, &rec) == 1);
		w = stream_create(c.fd);
		CHECK(stream_begin(w, &function_kind, stream_header(r), &step) == 0);
		CHECK(stream_end(w, 0, NULL, 0) == 0);
		stream_free(w);
		stream_close(r);
		path = c.path;
		r = stream_open(&path, 1, NULL, kinds_all);
		CHECK(stream_read(r, &rec) == 0);
		CHECK(stream_header(r)->prov.n == 2);
		stream_close(r);
		close(c.fd);
	}
	arena_free(&arena);
	buf_free(&raw);
	buf_free(&again);
	buf_free(&got);
	close(a.fd);
	close(b.fd);
}

static void test_write_error(void)
{
	struct stream_writer *w = stream_create(-1);

	CHECK(stream_begin(w, &function_kind, NULL, NULL) == -1);
	CHECK(!strcmp(stream_write_error(w), "Bad file descriptor"));
	stream_free(w);
}

int main(void)
{
	test_kinds();
	test_frames();
	for (size_t k = 0; kinds_all[k]; k++)
		test_damage(kinds_all[k]);
	test_forged();
	test_large();
	test_packs();
	test_write_error();
	return unit_done();
}
