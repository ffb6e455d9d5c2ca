/* walk.c: frames unpacked one after another; see walk.h. */
#include "stream/walk.h"

#include "base/mem.h"

struct walk {
	struct stream_reader *in;
	struct stream_item item; /* the current frame */
	struct buf raw;          /* its records */
	size_t from, to;         /* the current record in raw */
	uint64_t number;         /* of the current record in its member */
	uint64_t count;          /* records of the frame so far */
	bool open;               /* the frame has not been accounted for */
	void *rec;               /* the current record, a struct of the member's kind */
	size_t rec_size;
	struct arena arena; /* what rec points to */
	void *scratch;
	struct err err;
};

struct walk *walk_new(struct stream_reader *in)
{
	struct walk *w = mem_zalloc(1, sizeof(*w));

	w->in = in;
	return w;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	stream_item_free(&w->item);
	stream_unpack_free(w->scratch);
	arena_free(&w->arena);
	buf_free(&w->raw);
	mem_free(w->rec);
	mem_free(w);
}

static int fail(struct walk *w, const char *why)
{
	return err_set(&w->err, "%s", why);
}

/* Tells the reader what the frame held, once all of it was decoded. */
static int account(struct walk *w)
{
	w->open = false;
	return stream_account(w->in, &w->item, &w->raw, w->count, &w->err);
}

static int decode(struct walk *w)
{
	const struct kind *k = stream_kind(w->in);
	ptrdiff_t took;
	struct err e;

	w->number++;
	arena_reset(&w->arena);
	took = field_decode(
		k->fields, w->raw.p + w->from, w->raw.n - w->from, w->rec, &w->arena, &e);
	if (took < 0 || k->check(w->rec, &e) < 0)
		return err_set(&w->err, "%.120s: record %llu: %.100s", w->item.file,
			(unsigned long long)w->number, e.text);
	w->to = w->from + (size_t)took;
	w->count++;
	return 1;
}

/* A frame of records was read: unpacks it. */
static int open_frame(struct walk *w)
{
	size_t size = stream_kind(w->in)->fields->size;
	struct err e;

	if (stream_unpack(&w->item, &w->scratch, &w->raw, &e) < 0)
		return err_set(&w->err, "%.120s: %.100s", w->item.file, e.text);
	w->rec = mem_grow(w->rec, &w->rec_size, size, 1);
	w->count = 0;
	w->open = true;
	return 0;
}

int walk_next(struct walk *w)
{
	int got;

	w->from = w->to;
	while (w->from == w->raw.n) {
		if (w->open && account(w) < 0)
			return -1;
		buf_reset(&w->raw);
		w->from = w->to = 0;
		got = stream_next(w->in, &w->item);
		if (got < 0)
			return fail(w, stream_error(w->in));
		if (!got)
			return 0;
		if (w->item.type != STREAM_RECORDS) {
			w->number = 0;
			return account(w) < 0 ? -1 : 1;
		}
		if (open_frame(w) < 0)
			return -1;
	}
	return decode(w);
}

const char *walk_error(const struct walk *w)
{
	return w->err.text;
}

enum stream_type walk_type(const struct walk *w)
{
	return w->item.type;
}

const struct stream_header *walk_header(const struct walk *w)
{
	return &w->item.header;
}

const struct stream_trailer *walk_trailer(const struct walk *w)
{
	return &w->item.trailer;
}

const void *walk_record(const struct walk *w, const struct kind **kind)
{
	if (kind)
		*kind = stream_kind(w->in);
	return w->rec;
}

void walk_raw(const struct walk *w, const uint8_t **p, size_t *n)
{
	*p = w->raw.p + w->from;
	*n = w->to - w->from;
}

const char *walk_file(const struct walk *w)
{
	return w->item.file;
}

uint64_t walk_number(const struct walk *w)
{
	return w->number;
}
