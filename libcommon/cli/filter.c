/*
 * filter.c: the loop of filters that turn each record into some records: frames are read in
 * order, worked on in parallel, written in order. Every member of the input becomes one of the
 * output, so f(a);f(b) is f(a b).
 */
#include "cli/filter.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/par.h"
#include "cli/sandbox.h"
#include "formats/kinds.h"

/* One frame on its way through. */
struct filter_out {
	struct stream_item item;
	const struct kind *kind;  /* of the input member */
	const struct kind *write; /* of the output */
	struct buf raw;
	struct arena arena;
	struct stream_pack pack;
	uint64_t records, skipped;
	uint64_t done, total; /* bytes of the input when this frame was read */
	struct buf messages;  /* one line for each skipped record */
	struct err bad;       /* the frame is damaged: why */
	bool is_bad;
	const uint8_t *now; /* the record being worked on */
	size_t now_n;
	void *scratch;
};

struct run {
	struct prog *p;
	const struct filter *f;
	void **worker;
	struct stream_reader *in;
	struct output *out;
	struct progress *progress;
	uint64_t skipped, all_skipped, records;
	struct buf alike; /* the last message of filter_skip_alike, and for how many records */
	uint64_t nalike;
};

enum { ALIKE = 1 }; /* begins the line of a message that is counted */

static void emitted(struct filter_out *out, int status)
{
	if (status < 0)
		filter_skip(out, "a record over the limit of %u MiB", STREAM_RECORD_MAX >> 20);
}

void filter_emit(struct filter_out *out, const void *rec)
{
	emitted(out, stream_pack_record(&out->pack, out->write, rec));
}

void filter_emit_shared(struct filter_out *out, const struct field_shared *s, const void *rec)
{
	emitted(out, stream_pack_shared(&out->pack, s, rec));
}

void filter_pass(struct filter_out *out)
{
	stream_pack_raw(&out->pack, out->now, out->now_n);
}

/* A line of the messages. */
static void add_line(struct filter_out *out, const char *fmt, va_list ap)
{
	size_t start = out->messages.n;

	buf_vprintf(&out->messages, fmt, ap);
	for (size_t i = start; i < out->messages.n; i++) /* a name with a line break is no line */
		if (out->messages.p[i] == '\n' || out->messages.p[i] == ALIKE)
			out->messages.p[i] = '?';
	buf_putc(&out->messages, '\n');
}

void filter_skip(struct filter_out *out, const char *fmt, ...)
{
	va_list ap;

	out->skipped++;
	va_start(ap, fmt);
	add_line(out, fmt, ap);
	va_end(ap);
}

void filter_skip_alike(struct filter_out *out, const char *fmt, ...)
{
	va_list ap;

	out->skipped++;
	buf_putc(&out->messages, ALIKE);
	va_start(ap, fmt);
	add_line(out, fmt, ap);
	va_end(ap);
}

static int read_job(void *ctx, void *job)
{
	struct run *run = ctx;
	struct filter_out *o = job;
	int got = stream_next(run->in, &o->item);

	if (got < 0)
		prog_error(run->p, "%s", stream_error(run->in));
	o->kind = stream_kind(run->in);
	o->write = run->f->out ? run->f->out : o->kind;
	stream_position(run->in, &o->done, &o->total);
	return got;
}

static void work_job(void *ctx, void *job, unsigned worker)
{
	struct run *run = ctx;
	struct filter_out *o = job;
	void *rec;

	o->records = o->skipped = 0;
	o->is_bad = false;
	buf_reset(&o->messages);
	buf_reset(&o->raw);
	if (o->item.type != STREAM_RECORDS)
		return;
	if (stream_unpack(&o->item, &o->scratch, &o->raw, &o->bad) < 0) {
		o->is_bad = true;
		return;
	}
	rec = mem_alloc(1, o->kind->fields->size);
	for (size_t at = 0; at < o->raw.n; at += o->now_n) {
		ptrdiff_t took;

		arena_reset(&o->arena);
		took = field_decode(
			o->kind->fields, o->raw.p + at, o->raw.n - at, rec, &o->arena, &o->bad);
		if (took < 0 || o->kind->check(rec, &o->bad) < 0) {
			o->is_bad = true;
			break;
		}
		o->now = o->raw.p + at;
		o->now_n = (size_t)took;
		o->records++;
		run->f->work(run->worker[worker], o->kind, rec, o);
	}
	mem_free(rec);
	stream_pack_finish(&o->pack);
}

/* Prints the message that was counted, if there is one. */
static void tell_alike(struct run *run)
{
	if (run->nalike)
		(run->p->strict ? prog_error : prog_warn)(run->p, "%s: %" PRIu64 " record%s",
			buf_text(&run->alike), run->nalike, run->nalike > 1 ? "s" : "");
	run->nalike = 0;
}

static void tell(struct run *run, const char *line, size_t n)
{
	if (line[0] != ALIKE) {
		(run->p->strict ? prog_error : prog_warn)(run->p, "%.*s", (int)n, line);
		return;
	}
	if (n - 1 != run->alike.n || memcmp(run->alike.p, line + 1, n - 1)) {
		tell_alike(run);
		buf_reset(&run->alike);
		buf_put(&run->alike, line + 1, n - 1);
	}
	run->nalike++;
}

static int write_records(struct run *run, struct filter_out *o)
{
	struct stream_writer *w = output_stream(run->out);
	char *line = buf_text(&o->messages);

	for (size_t left = o->messages.n; left;) {
		size_t n = (size_t)((char *)memchr(line, '\n', left) - line);

		tell(run, line, n);
		line += n + 1;
		left -= n + 1;
	}
	if (o->is_bad) {
		prog_error(run->p, "%s: %s", o->item.file, o->bad.text);
		return -1;
	}
	if (o->skipped && run->p->strict)
		return -1;
	run->skipped += o->skipped;
	run->records += o->records;
	progress_tick(run->progress, run->records, o->done, o->total);
	if (stream_put(w, &o->pack) < 0) {
		output_failed(run->out);
		return -1;
	}
	return 0;
}

static int write_job(void *ctx, void *job)
{
	struct run *run = ctx;
	struct filter_out *o = job;
	const struct stream_trailer *t = &o->item.trailer;
	struct stream_writer *w = output_stream(run->out);
	int r = 0;

	if (o->item.type == STREAM_RECORDS && write_records(run, o) < 0)
		return -1;
	if (stream_account(run->in, &o->item, &o->raw, o->records, &o->bad) < 0) {
		prog_error(run->p, "%s", o->bad.text);
		return -1;
	}
	if (o->item.type == STREAM_HEADER)
		r = stream_begin(
			w, o->write, &o->item.header, run->f->same ? NULL : output_step(run->out));
	else if (o->item.type == STREAM_TRAILER && run->f->same)
		r = stream_end(w, t->skipped, t->inputs.p, t->inputs.n / HASH_BYTES);
	else if (o->item.type == STREAM_TRAILER)
		r = stream_end(w, run->skipped, t->digest.p, 1);
	if (o->item.type == STREAM_TRAILER) {
		run->all_skipped += run->skipped;
		run->skipped = 0;
	}
	if (r < 0) {
		output_failed(run->out);
		return -1;
	}
	return 0;
}

static void free_job(void *job)
{
	struct filter_out *o = job;

	stream_item_free(&o->item);
	buf_free(&o->raw);
	buf_free(&o->messages);
	arena_free(&o->arena);
	stream_pack_free(&o->pack);
	stream_unpack_free(o->scratch);
}

struct stream_reader *filter_open(struct prog *p, const struct kind *want)
{
	return stream_open(p->args, p->nargs, want, kinds_all);
}

int filter_map(struct prog *p, const struct filter *f, void *ctx)
{
	static const struct par_flow flow = {
		sizeof(struct filter_out), read_job, work_job, write_job, free_job};
	struct run run = {.p = p, .f = f};
	int status;

	run.out = output_open(p);
	run.in = filter_open(p, f->in);
	sandbox_enter(p);
	run.progress = progress_new(p, "records");
	run.worker = mem_zalloc(p->threads, sizeof(*run.worker));
	for (uint64_t i = 0; i < p->threads && f->worker_new; i++)
		run.worker[i] = f->worker_new(ctx);
	status = par_flow(&flow, &run, (unsigned)p->threads) < 0 ? EXIT_FAILED : EXIT_OK;
	for (uint64_t i = 0; i < p->threads && f->worker_free; i++)
		f->worker_free(run.worker[i]);
	mem_free(run.worker);
	tell_alike(&run);
	buf_free(&run.alike);
	progress_free(run.progress, run.all_skipped + run.skipped);
	stream_close(run.in);
	return output_close(run.out, status);
}
