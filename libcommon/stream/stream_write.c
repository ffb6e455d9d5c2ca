/*
 * stream_write.c: writing streams; see stream.h.
 */
#include "stream/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "stream/cbor.h"
#include "stream/frame.h"

static void close_frame(struct stream_pack *p)
{
	if (p->open == p->raw.n)
		return;
	frame_pack(&p->zstd, p->raw.p + p->open, p->raw.n - p->open, &p->packed);
	p->open = p->raw.n;
}

/* After a record that began at `start` was added: no frame may pass the limit, few be small. */
static void added(struct stream_pack *p, size_t start)
{
	size_t end = p->raw.n;

	p->count++;
	if (end - p->open > STREAM_FRAME && start > p->open) {
		p->raw.n = start; /* the record goes into the next frame */
		close_frame(p);
		p->raw.n = end;
	}
	if (end - p->open >= STREAM_FRAME)
		close_frame(p);
}

/* The record that was encoded at `start`: 0, or -1 and it is gone. */
static int add_record(struct stream_pack *p, size_t start)
{
	if (p->raw.n - start > STREAM_RECORD_MAX) {
		p->raw.n = start;
		return -1;
	}
	added(p, start);
	return 0;
}

int stream_pack_record(struct stream_pack *p, const struct kind *k, const void *rec)
{
	size_t start = p->raw.n;

	field_encode(&p->raw, k->fields, rec);
	return add_record(p, start);
}

int stream_pack_shared(struct stream_pack *p, const struct field_shared *s, const void *rec)
{
	size_t start = p->raw.n;

	field_encode_shared(&p->raw, s, rec);
	return add_record(p, start);
}

void stream_pack_raw(struct stream_pack *p, const uint8_t *rec, size_t n)
{
	size_t start = p->raw.n;

	buf_put(&p->raw, rec, n);
	added(p, start);
}

void stream_pack_finish(struct stream_pack *p)
{
	close_frame(p);
}

void stream_pack_reset(struct stream_pack *p)
{
	buf_reset(&p->raw);
	buf_reset(&p->packed);
	p->open = 0;
	p->count = 0;
}

void stream_pack_free(struct stream_pack *p)
{
	buf_free(&p->raw);
	buf_free(&p->packed);
	frame_pack_free(p->zstd);
	*p = (struct stream_pack){0};
}

struct stream_writer {
	int fd;
	int error; /* errno of the last failed write */
	struct hash *hash;
	uint64_t count;
	struct stream_pack pack; /* for stream_write, header and trailer */
};

struct stream_writer *stream_create(int fd)
{
	struct stream_writer *w = mem_zalloc(1, sizeof(*w));

	w->fd = fd;
	w->hash = hash_new();
	return w;
}

void stream_free(struct stream_writer *w)
{
	if (!w)
		return;
	hash_free(w->hash);
	stream_pack_free(&w->pack);
	mem_free(w);
}

const char *stream_write_error(const struct stream_writer *w)
{
	return strerror(w->error);
}

static int write_all(struct stream_writer *w, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t done = write(w->fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			w->error = errno;
			return -1;
		}
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int stream_put(struct stream_writer *w, struct stream_pack *p)
{
	int r;

	hash_put(w->hash, p->raw.p, p->raw.n);
	w->count += p->count;
	r = write_all(w, p->packed.p, p->packed.n);
	stream_pack_reset(p);
	return r;
}

/* Writes the closed frames of stream_write; the records of the open one stay. */
static int send(struct stream_writer *w)
{
	struct stream_pack *p = &w->pack;
	int r;

	if (!p->packed.n)
		return 0;
	hash_put(w->hash, p->raw.p, p->open);
	r = write_all(w, p->packed.p, p->packed.n);
	buf_reset(&p->packed);
	memmove(p->raw.p, p->raw.p + p->open, p->raw.n - p->open);
	p->raw.n -= p->open;
	p->open = 0;
	return r;
}

/* A frame that holds no records: a header or a trailer. */
static int put_alone(struct stream_writer *w, const struct fields *fs, const void *rec, bool tag)
{
	int r;

	if (tag)
		cbor_put_head(&w->pack.raw, CBOR_TAG, 55799);
	field_encode(&w->pack.raw, fs, rec);
	close_frame(&w->pack);
	r = write_all(w, w->pack.packed.p, w->pack.packed.n);
	stream_pack_reset(&w->pack);
	return r;
}

int stream_begin(struct stream_writer *w, const struct kind *k, const struct stream_header *from,
	const struct provenance *step)
{
	size_t n = from ? from->prov.n : 0;
	struct provenance *all = mem_alloc(n + 1, sizeof(*all));
	struct stream_header h = {STREAM_VERSION, k->name, k->version, {all, n + (step != NULL)}};
	int r;

	if (n)
		memcpy(all, from->prov.p, n * sizeof(*all));
	if (step)
		all[n] = *step;
	hash_reset(w->hash);
	w->count = 0;
	r = put_alone(w, &stream_header_fields, &h, true);
	mem_free(all);
	return r;
}

int stream_write(struct stream_writer *w, const struct kind *k, const void *rec)
{
	if (stream_pack_record(&w->pack, k, rec) < 0) {
		w->error = EFBIG;
		return -1;
	}
	return send(w);
}

int stream_write_raw(struct stream_writer *w, const uint8_t *rec, size_t n)
{
	stream_pack_raw(&w->pack, rec, n);
	return send(w);
}

int stream_end(struct stream_writer *w, uint64_t skipped, const uint8_t *inputs, size_t ninputs)
{
	uint8_t digest[HASH_BYTES];
	struct stream_trailer t = {.end = 1, .skipped = skipped};

	stream_pack_finish(&w->pack);
	if (stream_put(w, &w->pack) < 0)
		return -1;
	hash_get(w->hash, digest);
	t.records = w->count;
	t.digest = (struct u8s){digest, HASH_BYTES};
	t.inputs = (struct u8s){
		(uint8_t *)inputs, MIN(ninputs, (size_t)STREAM_INPUTS_MAX) * HASH_BYTES};
	return put_alone(w, &stream_trailer_fields, &t, false);
}
