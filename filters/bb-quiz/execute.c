/*
 * execute.c: strand execution (BinBert, arXiv 2208.06692, section 6.2.4): given the inputs' values,
 * what does an output of the strand hold?
 *
 * The question stands in `exprs`: the assignments `* ( rbp add -180 ) = 9 , rdi = 3`, then the
 * register that is asked for, `rax`; a condition, which a strand has one of at most, is asked for
 * by no second part. The label `answer` is the value, 0 to ANSWER_MAX. Values are those of the
 * symbolic expression, so they are what the code computes (sem/example.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "quiz.h"
#include "sem/example.h"
#include "sem/print.h"
#include "sem/symex.h"

enum {
	INPUT_MAX = 100, /* inputs are 0 to this */
	ANSWER_MAX = 200,
	TRIES = 8, /* draws of inputs until the answer is small enough */
};

struct worker {
	const struct options *o;
	struct insn_decoder *dec;
	struct symex *symex;
	struct example *example;
	struct insn *insn;
	size_t cap;
	struct buf text;
	struct arena arena;
};

void *execute_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->dec = insn_open(ARCH_X86_64);
	w->symex = symex_new();
	w->example = example_new();
	return w;
}

void execute_free(void *worker)
{
	struct worker *w = worker;

	insn_close(w->dec);
	symex_free(w->symex);
	example_free(w->example);
	mem_free(w->insn);
	buf_free(&w->text);
	arena_free(&w->arena);
	mem_free(w);
}

static bool is_askable(const struct symex_output *o)
{
	return o->value && (o->kind == DEFUSE_COND || (o->kind == DEFUSE_REG && o->reg <= X86_R15 &&
							      o->value->width == 64));
}

/* Takes the blank behind the last token away; a copy of the text in the arena. */
static const char *finish(struct worker *w)
{
	const char *text = arena_str(&w->arena, w->text.p, w->text.n - 1);

	buf_reset(&w->text);
	return text;
}

static void emit(struct worker *w, const struct sequence *s, const struct symex_output *o,
	const struct example_input *in, size_t n, uint64_t value, struct filter_out *out)
{
	struct sequence q = *s;
	const char *part[2];
	uint64_t hash[2];
	char answer[24];

	buf_reset(&w->text);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_puts(&w->text, ", ");
		print_value(&w->text, symex_pool(w->symex), in[i].e);
		buf_printf(&w->text, "= %" PRIu64 " ", in[i].value);
	}
	part[0] = finish(w);
	q.exprs = (struct texts){part, 1};
	if (o->kind == DEFUSE_REG) {
		print_register(&w->text, o->reg, 64);
		part[q.exprs.n++] = finish(w);
	}
	for (size_t i = 0; i < q.exprs.n; i++)
		hash[i] = hash_64(part[i], strlen(part[i]));
	q.hashes = (struct u64s){hash, q.exprs.n};
	snprintf(answer, sizeof(answer), "%" PRIu64, value);
	q.labels = quiz_label(&w->arena, &s->labels, "answer", answer);
	filter_emit(out, &q);
}

/* One question about one of the askable outputs; false when none was found. */
static bool ask(struct worker *w, const struct sequence *s, const struct symex_output *o,
	struct rng *r, struct filter_out *out)
{
	for (int i = 0; i < TRIES; i++) {
		const struct example_input *in;
		uint64_t value;
		int n = example_draw(w->example, o->value, INPUT_MAX, r, &in, &value);

		if (n > 0 && value <= ANSWER_MAX) {
			emit(w, s, o, in, (size_t)n, value, out);
			return true;
		}
	}
	return false;
}

void execute(void *worker, const struct kind *kind UNUSED, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	const struct sequence *s = rec;
	const struct symex_output *o;
	struct rng r = quiz_rng(w->o, s);
	size_t n, askable = 0, *which;

	if (strcmp(s->unit, "function") == 0) {
		filter_skip(out, "%s: 0x%" PRIx64 ": a function, not a strand", s->origin.file,
			s->origin.addr);
		return;
	}
	if (quiz_decode(w->dec, s, &w->insn, &w->cap) < 0) {
		filter_skip(out, "%s: 0x%" PRIx64 ": a %s that does not decode", s->origin.file,
			s->origin.addr, s->unit);
		return;
	}
	arena_reset(&w->arena);
	n = symex_run(w->symex, w->insn, s->len.n, &s->refs, &o, NULL);
	which = arena_get(&w->arena, n, sizeof(*which));
	for (size_t i = 0; i < n; i++)
		if (is_askable(&o[i]))
			which[askable++] = i;
	for (uint64_t k = 0; k < w->o->each; k++) {
		size_t left = askable;

		while (left) { /* in random order, until one of them can be asked */
			size_t i = rng_below(&r, left), x = which[i];

			if (ask(w, s, &o[x], &r, out))
				break;
			which[i] = which[--left];
			which[left] = x;
		}
	}
}
