/*
 * bb-uniq: drops records whose content was there before, keeps the first of each.
 *
 * Frames are read in order, decoded and digested by all threads, and filtered in order: only the
 * look-up of the digests is one after another. Kept records pass as the bytes they are. The files
 * of --except go the same way first, but nothing of them is written.
 */
#include <string.h>

#include "base/mem.h"
#include "base/par.h"
#include "base/seen.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "content.h"
#include "formats/kinds.h"

/* A record of a frame. */
struct entry {
	size_t n;         /* its bytes; they follow those of the one before */
	bool has_content; /* else it is kept whatever was there before */
	uint8_t digest[HASH_BYTES];
};

/* One frame on its way through. */
struct job {
	struct stream_item item;
	const struct kind *kind;
	struct buf raw;
	struct entry *entry;
	size_t n, cap;
	struct arena arena;
	struct buf key;
	void *scratch;
	struct err bad; /* why the frame is damaged */
	bool is_bad;
	uint64_t done, total; /* bytes of the input when it was read */
};

struct options {
	const char *by_name;
	enum content_by by;
	uint64_t memory; /* MiB */
	struct opt_list except;
};

struct uniq {
	struct prog *p;
	const struct options *o;
	struct stream_reader *in;
	struct output *out;
	struct progress *progress;
	struct seen *seen;
	uint64_t records, dropped;

	const struct kind *except_kind; /* NULL: no --except, or of no kind yet */
	uint8_t inputs[2][HASH_BYTES];  /* digests of an input's member and of all of --except */
};

static int read_job(void *ctx, void *vjob)
{
	struct uniq *u = ctx;
	struct job *j = vjob;
	int got = stream_next(u->in, &j->item);

	if (got < 0)
		prog_error(u->p, "%s", stream_error(u->in));
	if (got <= 0)
		return got;
	j->kind = stream_kind(u->in);
	stream_position(u->in, &j->done, &j->total);
	if (content_has(j->kind, u->o->by))
		return 1;
	prog_error(u->p, "%s: records of kind '%s' have nothing for --by %s", j->item.file,
		j->kind->name, u->o->by_name);
	return -1;
}

/* Decodes the record at `at`, checks it and takes its digest. 0 or -1. */
static int digest_record(const struct uniq *u, struct job *j, void *rec, size_t at)
{
	const uint8_t *p = j->raw.p + at;
	struct entry *e;
	ptrdiff_t took;

	arena_reset(&j->arena);
	took = field_decode(j->kind->fields, p, j->raw.n - at, rec, &j->arena, &j->bad);
	if (took < 0 || j->kind->check(rec, &j->bad) < 0)
		return -1;
	j->entry = mem_grow(j->entry, &j->cap, j->n + 1, sizeof(*j->entry));
	e = &j->entry[j->n++];
	e->n = (size_t)took;
	e->has_content =
		content_digest(j->kind, rec, p, (size_t)took, u->o->by, &j->key, e->digest);
	return 0;
}

static void work_job(void *ctx, void *vjob, UNUSED unsigned worker)
{
	struct uniq *u = ctx;
	struct job *j = vjob;
	void *rec;

	j->n = 0;
	j->is_bad = false;
	buf_reset(&j->raw);
	if (j->item.type != STREAM_RECORDS)
		return;
	if (stream_unpack(&j->item, &j->scratch, &j->raw, &j->bad) < 0) {
		j->is_bad = true;
		return;
	}
	rec = mem_alloc(1, j->kind->fields->size);
	for (size_t at = 0; at < j->raw.n && !j->is_bad; at += j->entry[j->n - 1].n)
		if (digest_record(u, j, rec, at) < 0) {
			j->is_bad = true;
			break;
		}
	mem_free(rec);
}

/* Whether the frame is whole: nothing of a damaged one is used. 0 or -1. */
static int check_job(struct uniq *u, const struct job *j)
{
	struct err e;

	if (j->is_bad) {
		prog_error(u->p, "%s: %s", j->item.file, j->bad.text);
		return -1;
	}
	if (stream_account(u->in, &j->item, &j->raw, j->n, &e) < 0) {
		prog_error(u->p, "%s", e.text);
		return -1;
	}
	return 0;
}

/* A frame of --except: its records are there before all others. 0 or -1. */
static int note_job(void *ctx, void *vjob)
{
	struct uniq *u = ctx;
	const struct job *j = vjob;

	if (check_job(u, j) < 0)
		return -1;
	u->except_kind = j->kind;
	for (size_t i = 0; j->item.type == STREAM_RECORDS && i < j->n; i++)
		if (j->entry[i].has_content)
			seen_add(u->seen, j->entry[i].digest);
	return 0;
}

/* Writes the records of a frame that are new. 0 or -1. */
static int write_records(struct uniq *u, const struct job *j)
{
	const uint8_t *p = j->raw.p;

	for (size_t i = 0; i < j->n; p += j->entry[i++].n) {
		const struct entry *e = &j->entry[i];

		if (e->has_content && !seen_add(u->seen, e->digest))
			u->dropped++;
		else if (stream_write_raw(output_stream(u->out), p, e->n) < 0)
			return output_failed(u->out), -1;
	}
	u->records += j->n;
	progress_tick(u->progress, u->records, j->done, j->total);
	return 0;
}

static int write_job(void *ctx, void *vjob)
{
	struct uniq *u = ctx;
	struct job *j = vjob;
	struct stream_writer *w = output_stream(u->out);
	int r = 0;

	if (check_job(u, j) < 0)
		return -1;
	if (u->except_kind && u->except_kind != j->kind) {
		prog_error(u->p, "%s: holds records of kind '%s', those of --except are '%s'",
			j->item.file, j->kind->name, u->except_kind->name);
		return -1;
	}
	if (j->item.type == STREAM_RECORDS && write_records(u, j) < 0)
		return -1;
	if (j->item.type == STREAM_HEADER)
		r = stream_begin(w, j->kind, &j->item.header, output_step(u->out));
	else if (j->item.type == STREAM_TRAILER) {
		memcpy(u->inputs[0], j->item.trailer.digest.p, HASH_BYTES);
		r = stream_end(w, 0, u->inputs[0], u->except_kind ? 2 : 1);
	}
	if (r < 0)
		output_failed(u->out);
	return r;
}

static void free_job(void *vjob)
{
	struct job *j = vjob;

	stream_item_free(&j->item);
	stream_unpack_free(j->scratch);
	buf_free(&j->raw);
	buf_free(&j->key);
	mem_free(j->entry);
	arena_free(&j->arena);
}

/* Reads the files of --except. 0 or -1. */
static int read_except(struct uniq *u)
{
	static const struct par_flow flow = {
		sizeof(struct job), read_job, work_job, note_job, free_job};
	int r;

	u->in = stream_open((char *const *)u->o->except.p, u->o->except.n, NULL, kinds_all);
	r = par_flow(&flow, u, (unsigned)u->p->threads);
	stream_digest(u->in, u->inputs[1]);
	stream_close(u->in);
	return r;
}

static int run(struct prog *p, const struct options *o)
{
	static const struct par_flow flow = {
		sizeof(struct job), read_job, work_job, write_job, free_job};
	struct uniq u = {.p = p, .o = o};
	int status;

	u.out = output_open(p);
	sandbox_enter(p);
	u.seen = seen_new((size_t)o->memory << 20);
	if (o->except.n && read_except(&u) < 0) {
		seen_free(u.seen);
		return output_close(u.out, EXIT_FAILED);
	}
	u.in = filter_open(p, NULL);
	u.progress = progress_new(p, "records");
	status = par_flow(&flow, &u, (unsigned)p->threads) < 0 ? EXIT_FAILED : EXIT_OK;
	progress_free(u.progress, 0);
	if (status == EXIT_OK)
		prog_note(p, "%llu of %llu records were there before",
			(unsigned long long)u.dropped, (unsigned long long)u.records);
	if (status == EXIT_OK && seen_forgotten(u.seen))
		prog_warn(p,
			"--memory is full: a duplicate more than %zu different records after "
			"the one before it may have passed",
			seen_window(u.seen));
	seen_free(u.seen);
	stream_close(u.in);
	return output_close(u.out, status);
}

int main(int argc, char **argv)
{
	struct options o = {.by_name = "content", .memory = 1024};
	const struct opt opts[] = {
		{'b', "by", OPT_TEXT, OPT_CONTENT, &o.by_name, "WHAT",
			"compare content (default), code, exprs or the whole record", 0, 0},
		{'x', "except", OPT_LIST, 0, &o.except, "FILE",
			"drop also what is in FILE; may be given again", 0, 0},
		{'m', "memory", OPT_UINT, OPT_CONTENT, &o.memory, "MIB",
			"memory for what was there before (default 1024)", 1, 1 << 20},
	};
	struct prog p = {
		.name = "bb-uniq",
		.operands = "[FILE...]",
		.brief = "drop records whose content was there before",
		.detail = "Reads and writes records of any kind; keeps the first of those with the "
			  "same content,\n"
			  "wherever they come from and whatever their labels are.",
		.example = "  bb-disasm *.so | bb-strands | bb-uniq | bb-sym > strands.bb\n"
			   "  bb-uniq --by exprs a.bb b.bb > different-meanings.bb\n"
			   "  bb-uniq --except train.bb test.bb > unseen.bb",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};

	prog_start(&p, argc, argv);
	if (content_find(o.by_name, &o.by) < 0)
		prog_usage(&p, "--by: '%s' is not content, code, exprs or record", o.by_name);
	return run(&p, &o);
}
