/*
 * slice.c: see slice.h.
 *
 * One idea: a strand is a bit set of instructions closed under def-use. Because they are closed,
 * one is part of another as soon as the instructions it started from are.
 */
#include "sem/slice.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sem/defuse.h"
#include "sem/x86.h"

enum { WORDS = DEFUSE_MAX / 64, FEW = 32 };

struct candidate {
	uint32_t last; /* its last instruction; for the order */
	uint64_t set[WORDS];
};

struct strand {
	size_t first, n; /* in `index` */
};

struct slice {
	const struct processor *cpu;
	struct defuse *du;
	struct candidate *cand;
	uint64_t *order; /* of the candidates: last << 32 | number */
	size_t capcand, caporder;
	struct strand *strand;
	size_t nstrands, capstrands;
	uint32_t *index;
	size_t nindex, capindex;
};

struct slice *slice_new(void)
{
	struct slice *s = mem_zalloc(1, sizeof(*s));

	s->cpu = &x86_processor;
	s->du = defuse_new();
	defuse_blind(s->du);
	return s;
}

void slice_free(struct slice *s)
{
	if (!s)
		return;
	defuse_free(s->du);
	mem_free(s->cand);
	mem_free(s->order);
	mem_free(s->strand);
	mem_free(s->index);
	mem_free(s);
}

static int compare(const void *va, const void *vb)
{
	uint64_t a = *(const uint64_t *)va, b = *(const uint64_t *)vb;

	return a < b ? -1 : a > b;
}

/* Candidates are few, as a rule. */
static void sort(uint64_t *v, size_t n)
{
	if (n > FEW) {
		qsort(v, n, sizeof(*v), compare);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		uint64_t x = v[i];
		size_t k = i;

		for (; k && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

static const struct candidate *nth(const struct slice *s, size_t i)
{
	return &s->cand[(uint32_t)s->order[i]];
}

static bool contains(const struct candidate *a, const struct candidate *b, size_t words)
{
	if (!(a->set[b->last / 64] >> b->last % 64 & 1))
		return false;
	for (size_t w = 0; w < words; w++)
		if (b->set[w] & ~a->set[w])
			return false;
	return true;
}

/* A larger set ends later, or at the same instruction; of equal sets the first one stays. */
static bool is_covered(const struct slice *s, size_t n, size_t i, size_t words)
{
	const struct candidate *c = nth(s, i);
	size_t k = i;

	while (k && nth(s, k - 1)->last == c->last)
		k--;
	for (; k < n; k++)
		if (k != i && contains(nth(s, k), c, words) &&
			(k < i || !contains(c, nth(s, k), words)))
			return true;
	return false;
}

static void add_strand(struct slice *s, const struct candidate *c, size_t words, size_t offset)
{
	struct strand t = {s->nindex, 0};

	for (size_t w = 0; w < words; w++)
		t.n += (size_t)__builtin_popcountll(c->set[w]);
	s->index = mem_grow(s->index, &s->capindex, s->nindex + t.n, sizeof(*s->index));
	for (size_t w = 0; w < words; w++)
		for (uint64_t left = c->set[w]; left; left &= left - 1)
			s->index[s->nindex++] =
				(uint32_t)(offset + 64 * w + (size_t)__builtin_ctzll(left));
	s->strand = mem_grow(s->strand, &s->capstrands, s->nstrands + 1, sizeof(*s->strand));
	s->strand[s->nstrands++] = t;
}

/* An instruction of an it block stays with the others, and with the `it`: whether it has to. */
static bool join(const struct insn *insn, size_t n, uint64_t *set)
{
	bool changed = false;

	for (size_t i = 1; i < n; i++) {
		uint64_t a = UINT64_C(1) << (i - 1) % 64, b = UINT64_C(1) << i % 64;

		if (!insn[i].it || !(set[(i - 1) / 64] & a) == !(set[i / 64] & b))
			continue;
		set[(i - 1) / 64] |= a;
		set[i / 64] |= b;
		changed = true;
	}
	return changed;
}

/*
 * The stretch of n instructions that was stepped, from insn on; its first one is number `offset` of
 * the block.
 */
static void slice_stretch(struct slice *s, const struct insn *insn, size_t n, size_t offset)
{
	const struct defuse_output *out;
	size_t nout = defuse_outputs(s->du, &out), words = (n + 63) / 64;

	s->cand = mem_grow(s->cand, &s->capcand, nout, sizeof(*s->cand));
	s->order = mem_grow(s->order, &s->caporder, nout, sizeof(*s->order));
	for (size_t i = 0; i < nout; i++) {
		struct candidate *c = &s->cand[i];
		size_t top = words;

		memset(c->set, 0, words * sizeof(*c->set));
		defuse_seeds(s->du, &out[i], c->set);
		do
			defuse_close(s->du, c->set);
		while (join(insn, n, c->set));
		while (!c->set[top - 1])
			top--;
		c->last = (uint32_t)(64 * top - 1 - (size_t)__builtin_clzll(c->set[top - 1]));
		s->order[i] = (uint64_t)c->last << 32 | i;
	}
	sort(s->order, nout);
	for (size_t i = 0; i < nout; i++)
		if (!is_covered(s, nout, i, words))
			add_strand(s, nth(s, i), words, offset);
}

void slice_use(struct slice *s, const struct processor *cpu)
{
	s->cpu = cpu;
	defuse_use(s->du, cpu);
}

size_t slice_block(struct slice *s, const struct insn *insn, size_t n, bool tail_call)
{
	struct expr_pool *p = defuse_pool(s->du);
	uint64_t next = 0; /* offset in the block of the instruction after this one */
	size_t start = 0;
	unsigned bits = 8 * s->cpu->word;

	s->nstrands = s->nindex = 0;
	for (size_t i = 0; i < n; i++) {
		const struct expr *rip = NULL;
		int64_t distance;
		bool goes_on;

		if (i == start)
			defuse_start(s->du);
		next += insn[i].len;
		if (s->cpu->use(&insn[i], &distance) != PROCESSOR_NONE)
			rip = expr_add(p, expr_input(p, s->cpu->input + s->cpu->pc, bits),
				expr_const(p, bits, next));
		goes_on = defuse_step(s->du, &insn[i], rip, tail_call && i + 1 == n);
		if (!goes_on || i + 1 == n) {
			slice_stretch(s, insn + start, i + 1 - start, start);
			start = i + 1;
		}
	}
	return s->nstrands;
}

const uint32_t *slice_strand(const struct slice *s, size_t k, size_t *n)
{
	*n = s->strand[k].n;
	return s->index + s->strand[k].first;
}
