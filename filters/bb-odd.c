/*
 * bb-odd.c: which of the vectors of a group is the odd one: the one farthest from the others
 * (BinBert, arXiv 2208.06692, section 6.1.1).
 *
 * One idea: a group is a run of neighbouring records with one group text, so a set of five is all
 * that is remembered.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/embedding.h"
#include "formats/prediction.h"

enum { GROUP_MAX = 1000 }; /* vectors of a group */

struct odd {
	struct prog *p;
	const char *task;
	struct embedding first; /* of the group at hand; texts in the arena */
	float **vec;            /* [n] of dim, in the arena */
	double *far;            /* [n] */
	size_t n, cap, cap_far, dim;
	int truth; /* which has the label odd=1; -1: none */
	struct arena arena;
	struct output *out;
	uint64_t groups, skipped;
};

static const char *copy(struct arena *a, const char *s)
{
	return arena_str(a, s, strlen(s));
}

static void start(struct odd *x, const struct embedding *e)
{
	struct embedding *f = &x->first;

	arena_reset(&x->arena);
	*f = *e;
	f->unit = copy(&x->arena, e->unit);
	f->group = copy(&x->arena, e->group);
	f->origin.bin.p = (uint8_t *)arena_str(&x->arena, e->origin.bin.p, e->origin.bin.n);
	f->origin.file = copy(&x->arena, e->origin.file);
	f->origin.name = copy(&x->arena, e->origin.name);
	f->labels = (struct labels){NULL, 0};
	x->dim = e->vec.n;
	x->n = 0;
	x->truth = -1;
}

static void add(struct odd *x, const struct embedding *e)
{
	const char *odd = field_label(&e->labels, "odd");
	float *v = arena_get(&x->arena, x->dim, sizeof(*v));

	memcpy(v, e->vec.p, x->dim * sizeof(*v));
	x->vec = mem_grow(x->vec, &x->cap, x->n + 1, sizeof(*x->vec));
	x->vec[x->n] = v;
	if (odd && !strcmp(odd, "1"))
		x->truth = (int)x->n;
	x->n++;
}

static double distance(size_t n, const float *a, const float *b)
{
	double ab = 0, aa = 0, bb = 0;

	for (size_t i = 0; i < n; i++) {
		ab += (double)a[i] * b[i];
		aa += (double)a[i] * a[i];
		bb += (double)b[i] * b[i];
	}
	return aa > 0 && bb > 0 ? 1 - ab / sqrt(aa * bb) : 1;
}

/* The prediction for the group: its members' shares of all distances. 0 or -1. */
static int finish(struct odd *x)
{
	struct prediction p = {.unit = x->first.unit,
		.origin = x->first.origin,
		.group = x->first.group,
		.task = x->task,
		.truth = ""};
	double sum = 0;

	if (!x->n)
		return 0;
	if (x->n < 3) {
		x->skipped++;
		prog_warn(x->p, "%s: a group of %zu has no odd one", x->first.group, x->n);
		return x->p->strict ? -1 : 0;
	}
	x->far = mem_grow(x->far, &x->cap_far, x->n, sizeof(*x->far));
	for (size_t i = 0; i < x->n; i++) {
		x->far[i] = 0;
		for (size_t k = 0; k < x->n; k++)
			if (k != i)
				x->far[i] += MAX(distance(x->dim, x->vec[i], x->vec[k]), 0.0);
		sum += x->far[i];
	}
	p.classes = (struct texts){arena_get(&x->arena, x->n, sizeof(char *)), x->n};
	p.scores = (struct f32s){arena_get(&x->arena, x->n, sizeof(float)), x->n};
	for (size_t i = 0; i < x->n; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", i);
		p.classes.p[i] = copy(&x->arena, number);
		p.scores.p[i] = (float)(sum > 0 ? x->far[i] / sum : 1.0 / (double)x->n);
	}
	if (x->truth >= 0)
		p.truth = p.classes.p[x->truth];
	x->groups++;
	return stream_write(output_stream(x->out), &prediction_kind, &p) < 0
	       ? output_failed(x->out),
	       -1 : 0;
}

static int take(struct odd *x, const struct embedding *e)
{
	if (!x->n || strcmp(e->group, x->first.group) != 0) {
		if (finish(x) < 0)
			return -1;
		start(x, e);
	}
	if (e->vec.n == x->dim && x->n < GROUP_MAX) {
		add(x, e);
		return 0;
	}
	if (x->n == GROUP_MAX)
		prog_error(x->p, "%s: more than %d records of one group", e->group, GROUP_MAX);
	else
		prog_error(x->p, "%s: vectors of %zu and of %zu numbers in one group", e->group,
			x->dim, e->vec.n);
	return -1;
}

static int run(struct odd *x, struct stream_reader *in)
{
	struct stream_writer *w = output_stream(x->out);
	struct progress *progress = progress_new(x->p, "groups");
	uint8_t digest[HASH_BYTES];
	uint64_t done, total;
	struct embedding e;
	bool begun = false;
	int got, r = 0;

	while (r == 0 && (got = stream_read(in, &e)) == 1) {
		if (!begun && stream_begin(w, &prediction_kind, stream_header(in),
				      output_step(x->out)) < 0)
			r = output_failed(x->out);
		begun = true;
		if (r == 0)
			r = take(x, &e);
		stream_position(in, &done, &total);
		progress_tick(progress, x->groups, done, total);
	}
	if (r == 0 && got < 0) {
		prog_error(x->p, "%s", stream_error(in));
		r = -1;
	}
	if (r == 0)
		r = finish(x);
	progress_free(progress, x->skipped);
	if (r != 0)
		return EXIT_FAILED;
	stream_digest(in, digest);
	if ((!begun && stream_begin(w, &prediction_kind, stream_header(in), output_step(x->out)) <
			       0) ||
		stream_end(w, x->skipped, digest, 1) < 0)
		return output_failed(x->out);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct odd x = {.task = "odd"};
	const struct opt opts[] = {
		{0, "task", OPT_TEXT, OPT_CONTENT, &x.task, "NAME",
			"name of the task in the predictions (default: odd)", 0, 0},
	};
	struct prog p = {
		.name = "bb-odd",
		.operands = "[FILE...]",
		.brief = "predict the odd one of each group of vectors",
		.detail = "Neighbouring records with one group are a set. The odd one is the "
			  "farthest from the\n"
			  "others by cosine; the label odd=1 is the truth.",
		.example = "  bb-quiz -k opcode blocks.bb | bb-tok -m model |\n"
			   "      bb-embed -m model -l -2 --code-only | bb-odd | bb-eval",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	struct stream_reader *in;
	int status;

	x.p = &p;
	prog_start(&p, argc, argv);
	x.out = output_open(&p);
	in = filter_open(&p, &embedding_kind);
	sandbox_enter(&p);
	status = run(&x, in);
	stream_close(in);
	status = output_close(x.out, status);
	arena_free(&x.arena);
	mem_free(x.vec);
	mem_free(x.far);
	return status;
}
