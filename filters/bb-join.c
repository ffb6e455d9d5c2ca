/*
 * bb-join.c: what was said of the strands of a block, or of a function, said of the whole: the mean
 * of their vectors (BinBert, arXiv 2208.06692, section 6.1.3), the union of their expressions.
 *
 * One idea: the parts of a whole are neighbours, so one whole is all that is remembered.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/embedding.h"
#include "formats/kinds.h"
#include "formats/sequence.h"
#include "stream/walk.h"
#include "text/shape.h"

struct expr {
	uint64_t hash;
	const char *text; /* in the arena */
};

/* What both kinds say of a part; pointers into the record, or copies in the arena. */
struct part {
	const char *unit;
	struct origin origin;
	struct labels labels;
	const char *group, *arch; /* arch: of a sequence */
};

struct join {
	struct prog *p;
	const char *unit; /* block or function */
	bool by_block, shape;
	struct part first; /* of the whole at hand, in the arena */
	size_t n;          /* its parts; 0: there is none */
	struct arena arena;
	double *sum; /* embedding: [dim] */
	float *mean; /* [dim] */
	size_t dim, cap_sum, cap_mean;
	uint64_t insns;
	struct {
		uint64_t addr, insns;
	} block;           /* sequence: the last part's, whose instructions are not in insns yet */
	struct expr *expr; /* sequence: of all parts, then each once */
	size_t exprs, cap_expr;
	struct buf text; /* scratch */
	struct output *out;
	struct progress *progress;
	uint64_t wholes;
};

/* ---- whose part is it ---- */

static struct part part_of(const struct kind *k, const void *rec)
{
	const struct embedding *m = rec;
	const struct sequence *s = rec;

	if (k == &embedding_kind)
		return (struct part){m->unit, m->origin, m->labels, m->group, NULL};
	return (struct part){s->unit, s->origin, s->labels, s->group, s->arch};
}

static bool is_same(const struct join *j, const struct part *v)
{
	const struct origin *a = &j->first.origin, *b = &v->origin;

	return a->bin.n == b->bin.n && !memcmp(a->bin.p, b->bin.p, a->bin.n) && a->fn == b->fn &&
	       (!j->by_block || a->addr == b->addr) && !strcmp(a->name, b->name) &&
	       !strcmp(a->file, b->file);
}

static const char *copy(struct arena *a, const char *s)
{
	return s ? arena_str(a, s, strlen(s)) : NULL;
}

static void start(struct join *j, const struct part *v)
{
	struct arena *a = &j->arena;
	struct part *f = &j->first;

	arena_reset(a);
	*f = *v;
	f->origin.bin.p = (uint8_t *)arena_str(a, v->origin.bin.p, v->origin.bin.n);
	f->origin.file = copy(a, v->origin.file);
	f->origin.name = copy(a, v->origin.name);
	f->labels.p = arena_get(a, v->labels.n, sizeof(*f->labels.p));
	for (size_t i = 0; i < v->labels.n; i++) {
		f->labels.p[i].key = copy(a, v->labels.p[i].key);
		f->labels.p[i].value = copy(a, v->labels.p[i].value);
	}
	f->group = copy(a, v->group);
	f->arch = copy(a, v->arch);
	f->unit = j->unit;
	if (!j->by_block)
		f->origin.addr = v->origin.fn;
	j->n = j->exprs = j->dim = 0;
	j->insns = 0;
	j->block.addr = v->origin.addr;
	j->block.insns = 0;
}

/* ---- what the parts say ---- */

/* 0, or -1 when the vectors have different lengths. */
static int add_vector(struct join *j, const struct embedding *e)
{
	if (j->n && e->vec.n != j->dim) {
		prog_error(j->p, "%s: %s: vectors of %zu and of %zu numbers", e->origin.file,
			e->origin.name, j->dim, e->vec.n);
		return -1;
	}
	if (!j->n) {
		j->dim = e->vec.n;
		j->sum = mem_grow(j->sum, &j->cap_sum, j->dim, sizeof(*j->sum));
		memset(j->sum, 0, j->dim * sizeof(*j->sum));
	}
	for (size_t i = 0; i < j->dim; i++)
		j->sum[i] += e->vec.p[i];
	j->insns += e->insns;
	return 0;
}

static struct expr shape_of(struct join *j, const char *text)
{
	buf_reset(&j->text);
	shape_expr(&j->text, text);
	return (struct expr){
		hash_64(j->text.p, j->text.n), arena_str(&j->arena, j->text.p, j->text.n)};
}

static void add_exprs(struct join *j, const struct sequence *s)
{
	j->expr = mem_grow(j->expr, &j->cap_expr, j->exprs + s->hashes.n, sizeof(*j->expr));
	for (size_t i = 0; i < s->hashes.n; i++)
		j->expr[j->exprs++] =
			j->shape ? shape_of(j, s->exprs.p[i])
				 : (struct expr){s->hashes.p[i], copy(&j->arena, s->exprs.p[i])};
}

/*
 * Strands of a block are neighbours and share instructions, so a block counts up to the last
 * instruction of any: all but a jump or return that computes nothing.
 */
static void add_insns(struct join *j, const struct sequence *s)
{
	uint64_t insns = s->pos.n ? (uint64_t)s->pos.p[s->pos.n - 1] + 1 : sequence_insns(s);

	if (j->block.addr != s->origin.addr) {
		j->insns += j->block.insns;
		j->block.addr = s->origin.addr;
		j->block.insns = 0;
	}
	j->block.insns = MAX(j->block.insns, insns);
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct expr *)a)->hash, y = ((const struct expr *)b)->hash;

	return (x > y) - (x < y);
}

/* ---- the whole ---- */

static int write_vector(struct join *j)
{
	const struct part *f = &j->first;
	struct embedding e = {f->unit, f->origin, f->labels, f->group, j->insns, {NULL, j->dim}};

	j->mean = mem_grow(j->mean, &j->cap_mean, j->dim, sizeof(*j->mean));
	for (size_t i = 0; i < j->dim; i++)
		j->mean[i] = (float)(j->sum[i] / (double)j->n);
	e.vec.p = j->mean;
	return stream_write(output_stream(j->out), &embedding_kind, &e);
}

static int write_exprs(struct join *j)
{
	const struct part *f = &j->first;
	struct sequence s = {.unit = f->unit,
		.origin = f->origin,
		.labels = f->labels,
		.group = f->group,
		.arch = f->arch,
		.insns = j->insns + j->block.insns};
	size_t n = 0;

	if (j->exprs)
		qsort(j->expr, j->exprs, sizeof(*j->expr), by_hash);
	s.exprs.p = arena_get(&j->arena, j->exprs, sizeof(*s.exprs.p));
	s.hashes.p = arena_get(&j->arena, j->exprs, sizeof(*s.hashes.p));
	for (size_t i = 0; i < j->exprs; i++) {
		if (i && j->expr[i].hash == j->expr[i - 1].hash)
			continue;
		s.exprs.p[n] = j->expr[i].text;
		s.hashes.p[n++] = j->expr[i].hash;
	}
	s.exprs.n = s.hashes.n = n;
	return stream_write(output_stream(j->out), &sequence_kind, &s);
}

/* Writes the whole at hand, if there is one. 0 or -1. */
static int finish(struct join *j, const struct kind *k)
{
	if (!j->n)
		return 0;
	if ((k == &embedding_kind ? write_vector(j) : write_exprs(j)) < 0) {
		output_failed(j->out);
		return -1;
	}
	j->n = 0;
	j->wholes++;
	return 0;
}

/* ---- the stream ---- */

static int take_part(struct join *j, const struct kind *k, const void *rec)
{
	struct part v = part_of(k, rec);

	if (!j->n || !is_same(j, &v)) {
		if (finish(j, k) < 0)
			return -1;
		start(j, &v);
	}
	if (k == &embedding_kind && add_vector(j, rec) < 0)
		return -1;
	if (k == &sequence_kind) {
		add_exprs(j, rec);
		add_insns(j, rec);
	}
	j->n++;
	return 0;
}

static int begin_member(struct join *j, const struct walk *w, const struct kind *k)
{
	if (k != &embedding_kind && k != &sequence_kind) {
		prog_error(j->p,
			"%s: holds records of kind '%s', need 'embedding' of bb-embed or "
			"'sequence' of bb-sym",
			walk_file(w), k->name);
		return -1;
	}
	if (k == &embedding_kind && j->shape) {
		prog_error(j->p, "%s: --shape is about expressions, and vectors have none",
			walk_file(w));
		return -1;
	}
	return stream_begin(output_stream(j->out), k, walk_header(w), output_step(j->out)) < 0
		       ? (output_failed(j->out), -1)
		       : 0;
}

/* One header, record or trailer: a member of the input becomes one of the output. */
static int take(struct join *j, const struct walk *w)
{
	const struct kind *k;
	const void *rec = walk_record(w, &k);

	switch (walk_type(w)) {
	case STREAM_HEADER: return begin_member(j, w, k);
	case STREAM_RECORDS: return take_part(j, k, rec);
	case STREAM_TRAILER: break;
	}
	if (finish(j, k) < 0)
		return -1;
	return stream_end(output_stream(j->out), 0, walk_trailer(w)->digest.p, 1) < 0
		       ? (output_failed(j->out), -1)
		       : 0;
}

static int run(struct join *j, struct stream_reader *in)
{
	struct walk *w = walk_new(in);
	uint64_t done, total;
	int got, r = 0;

	j->progress = progress_new(j->p, j->by_block ? "blocks" : "functions");
	while (r == 0 && (got = walk_next(w)) > 0) {
		r = take(j, w);
		stream_position(in, &done, &total);
		progress_tick(j->progress, j->wholes, done, total);
	}
	if (r == 0 && got < 0) {
		prog_error(j->p, "%s", walk_error(w));
		r = -1;
	}
	progress_free(j->progress, 0);
	walk_free(w);
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct join j = {.unit = "function"};
	const struct opt opts[] = {
		{'u', "unit", OPT_TEXT, OPT_CONTENT, &j.unit, "UNIT",
			"block or function (default: function)", 0, 0},
		{0, "shape", OPT_FLAG, OPT_CONTENT, &j.shape, NULL,
			"expressions without the registers and stack slots of their values", 0, 0},
	};
	struct prog p = {
		.name = "bb-join",
		.operands = "[FILE...]",
		.brief = "join strands to blocks or functions",
		.detail =
			"Neighbouring records of one function, or block, become one: of embedding "
			"the mean of\n"
			"the vectors, of sequence the union of the expressions.",
		.example =
			"  bb-strands f.bb | bb-tok -m model | bb-embed -m model | bb-join -u "
			"block\n"
			"  bb-strands f.bb | bb-sym | bb-join --shape | bb-knn -m idf | bb-cat -t",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	struct stream_reader *in;
	int status;

	j.p = &p;
	prog_start(&p, argc, argv);
	j.by_block = !strcmp(j.unit, "block");
	if (!j.by_block && strcmp(j.unit, "function"))
		prog_usage(&p, "--unit: '%s' is not block or function", j.unit);
	j.out = output_open(&p);
	in = filter_open(&p, NULL);
	sandbox_enter(&p);
	status = run(&j, in);
	stream_close(in);
	status = output_close(j.out, status);
	arena_free(&j.arena);
	mem_free(j.sum);
	mem_free(j.mean);
	mem_free(j.expr);
	buf_free(&j.text);
	return status;
}
