/*
 * merge.c: see merge.h.
 *
 * Classes of equal values are found by a fingerprint of what they evaluate to. A class is a list of
 * values taken for different; a new one is compared with those that use the same registers first.
 * Comparisons agree in nearly all random states, so before z3 is asked, which takes milliseconds,
 * two values are evaluated where they may differ: near the constants they contain.
 */
#include "sem/merge.h"

#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "sem/eval.h"
#include "sem/prove.h"

enum {
	ROOM = 4096,       /* nodes one value may need; begun anew when fewer are left */
	CANDIDATES = 64,   /* values that one is compared with */
	QUESTIONS = 8,     /* of these, by z3 */
	CONSTANTS = 6,     /* of two values that are looked at */
	NUMBERS = 96,      /* made of them */
	NEAR_STATES = 256, /* near these two values are compared in, at least */
	NEAR = 8,          /* a state near constants, among the kinds of random ones */
	MEMORIES = 4,      /* each number as a byte, word, double word or quad word of memory */
};

/* A value that stands for all equal to it. */
struct value {
	const struct expr *e; /* in `kept` */
	uint64_t registers;   /* hash of the set of inputs */
	uint32_t next;        /* the next of this fingerprint: 1 + index, or 0 */
};

struct merge {
	struct expr_pool *kept, *scratch;
	struct prove *prove;
	struct eval eval;
	unsigned state; /* the one being evaluated: up to MERGE_STATES by number, then with: */
	uint64_t number[NUMBERS]; /* what registers and memory hold where they are no pointers */
	unsigned nnumbers;
	struct value *value;
	size_t n, cap;
	struct map64 first;   /* fingerprint to 1 + index of a value */
	struct map64 by_hash; /* canonical hash to 1 + index of what stands for it */
	struct map64 copied;  /* of expr_copy */
	struct merge_counts counts;
};

/* ---- states: random ones and corners, by number ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a + 0x9e3779b97f4a7c15u) + b);
}

static uint64_t word(unsigned state, uint64_t x)
{
	static const uint64_t corners[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, INT64_MAX,
		0x80000000, 0x7fffffff, 0xffffffff, 0x100000000, 0xffffffff80000000, 0x80, 0xff,
		0x7fff, 0x8000, 0xffff, 2};
	uint64_t h = mix(state, x);

	switch (state % 8) {
	case 4: return h & 3;
	case 5: return (uint64_t)(int64_t)(int8_t)h;
	case 6: return h & UINT32_MAX;
	case 7: return corners[h % COUNT_OF(corners)];
	default: return h;
	}
}

/* The number of a state near constants, most often; h says where in the state. */
static uint64_t near_number(const struct merge *m, uint64_t h)
{
	unsigned k = (m->state - MERGE_STATES) / MEMORIES;

	return m->number[(h & 3 ? k : k + (unsigned)(h >> 32)) % m->nnumbers];
}

/* A number, or one with other bits above 31, or an address, aligned: see load(). */
static uint64_t near_word(const struct merge *m, uint64_t x)
{
	uint64_t h = mix(m->state, x);

	switch (h >> 8 & 7) {
	case 0: return (h >> 20) << 12;
	case 1: return h << 32 | (near_number(m, h) & UINT32_MAX);
	default: return near_number(m, h);
	}
}

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	const struct merge *m = ctx;

	for (unsigned i = 0; i < (width + 63) / 64; i++)
		out[i] = m->state < MERGE_STATES ? word(m->state, reg * 16u + i)
						 : near_word(m, reg * 16u + i);
}

/* Memory as an array of numbers of 1, 2, 4 or 8 bytes. */
static uint8_t near_byte(const struct merge *m, uint64_t addr)
{
	unsigned log = m->state % MEMORIES;
	uint64_t v = near_number(m, mix(m->state, addr >> log));

	return (uint8_t)(v >> 8 * (addr & ((1u << log) - 1)));
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	const struct merge *m = ctx;

	for (unsigned i = 0; i < n; i++) {
		uint64_t h = mix(m->state, addr + i + (UINT64_C(1) << 32));

		switch (m->state < MERGE_STATES ? m->state % 8 : NEAR) {
		case NEAR: out[i] = near_byte(m, addr + i); break;
		case 4: out[i] = h % 4 ? 0 : (uint8_t)(h >> 8 & 3); break;
		case 5: out[i] = h % 4 ? 0xff : (uint8_t)(h >> 8); break;
		case 7: out[i] = h % 4 ? 0 : 0x80; break;
		default: out[i] = (uint8_t)h; break;
		}
	}
}

/* A hash of what e, of the scratch pool, is in all states. */
static uint64_t fingerprint(struct merge *m, const struct expr *e)
{
	uint64_t h = e->width, out[EXPR_WORDS];

	for (m->state = 0; m->state < MERGE_STATES; m->state++) {
		eval_reset(&m->eval);
		if (eval_expr(&m->eval, e, out) < 0)
			return 0; /* truncated: merge_value asks for none of these */
		for (unsigned i = 0; i < (e->width + 63u) / 64; i++)
			h = mix(h, out[i]);
	}
	return h;
}

/* A hash of the set of registers that the scratch pool, which holds one value, begins from. */
static uint64_t registers(const struct expr_pool *p)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < expr_pool_count(p); i++)
		if (expr_pool_node(p, i)->op == EXPR_INPUT)
			h += hash_mix(expr_pool_node(p, i)->lo + 1u);
	return h;
}

/* ---- values ---- */

static void forget(struct merge *m)
{
	expr_pool_reset(m->kept);
	map64_reset(&m->first);
	map64_reset(&m->by_hash);
	m->n = 0;
}

struct merge *merge_new(unsigned effort)
{
	struct merge *m = mem_zalloc(1, sizeof(*m));

	m->kept = expr_pool_new(MERGE_NODES);
	m->scratch = expr_pool_new(0);
	m->prove = prove_new(effort);
	m->eval.ctx = m;
	m->eval.input = input;
	m->eval.load = load;
	return m;
}

void merge_free(struct merge *m)
{
	if (!m)
		return;
	expr_pool_free(m->kept);
	expr_pool_free(m->scratch);
	prove_free(m->prove);
	eval_free(&m->eval);
	mem_free(m->value);
	map64_free(&m->first);
	map64_free(&m->by_hash);
	map64_free(&m->copied);
	mem_free(m);
}

const struct merge_counts *merge_counts(const struct merge *m)
{
	return &m->counts;
}

/* The first constants of the pool's nodes, as signed numbers, and 0. */
static unsigned constants(const struct expr_pool *p, uint64_t *c)
{
	unsigned n = 0;

	c[n++] = 0;
	for (uint32_t i = 0; i < expr_pool_count(p) && n < CONSTANTS; i++) {
		const struct expr *e = expr_pool_node(p, i);
		uint64_t v;
		unsigned k = 0;

		if (e->op != EXPR_CONST || e->width < 8 || e->width > 64)
			continue;
		v = (uint64_t)((int64_t)(e->val << (64 - e->width)) >> (64 - e->width));
		while (k < n && c[k] != v)
			k++;
		if (k == n)
			c[n++] = v;
	}
	return n;
}

/* Sums and differences of the constants, and their neighbours. */
static unsigned numbers(const struct expr_pool *p, uint64_t *number)
{
	uint64_t c[CONSTANTS];
	unsigned nc = constants(p, c), n = 0;

	for (unsigned i = 0; i < nc; i++)
		for (unsigned k = 0; k < nc && n + 3 <= NUMBERS; k++)
			if (i != k || i == 0)
				for (uint64_t d = 0; d < 3; d++)
					number[n++] = c[i] - c[k] + d - 1;
	return n;
}

/* Is there a state near the constants of a and b where they differ? */
static bool separated(struct merge *m, const struct expr *a, const struct expr *b)
{
	uint64_t x[EXPR_WORDS], y[EXPR_WORDS];

	expr_pool_reset(m->scratch);
	map64_reset(&m->copied);
	a = expr_copy(m->scratch, a, &m->copied);
	map64_reset(&m->copied);
	b = expr_copy(m->scratch, b, &m->copied);
	m->nnumbers = numbers(m->scratch, m->number);
	for (unsigned i = 0; i < MAX(NEAR_STATES, m->nnumbers * MEMORIES); i++) {
		m->state = MERGE_STATES + i;
		eval_reset(&m->eval);
		if (eval_expr(&m->eval, a, x) < 0 || eval_expr(&m->eval, b, y) < 0)
			return false;
		if (memcmp(x, y, (a->width + 63u) / 64 * sizeof(*x)) != 0)
			return true;
	}
	return false;
}

/* The value equal to e in the list that begins at `at`: 1 + its index, or 0. */
static uint32_t find(struct merge *m, uint32_t at, const struct expr *e, uint64_t regs)
{
	for (unsigned other = 0; other < 2; other++) {
		unsigned left = CANDIDATES, questions = QUESTIONS;

		for (uint32_t i = at; i && left && questions; i = m->value[i - 1].next) {
			const struct value *v = &m->value[i - 1];

			if ((v->registers != regs) != other || v->e->width != e->width)
				continue;
			left--;
			if (separated(m, v->e, e))
				continue;
			questions--;
			switch (prove_equal(m->prove, v->e, e)) {
			case PROVE_EQUAL: return i;
			case PROVE_DIFFERENT: m->counts.different++; break;
			default: m->counts.unknown++; break;
			}
		}
	}
	return 0;
}

static uint32_t add(struct merge *m, const struct expr *e, uint64_t regs, uint64_t *list)
{
	m->value = mem_grow(m->value, &m->cap, m->n + 1, sizeof(*m->value));
	map64_reset(&m->copied);
	m->value[m->n] = (struct value){expr_copy(m->kept, e, &m->copied), regs, (uint32_t)*list};
	*list = ++m->n;
	return (uint32_t)m->n;
}

static uint32_t place(struct merge *m, const struct expr *e)
{
	uint64_t print, regs;
	uint64_t *list;
	uint32_t i;

	expr_pool_reset(m->scratch);
	map64_reset(&m->copied);
	print = fingerprint(m, expr_copy(m->scratch, e, &m->copied));
	regs = registers(m->scratch);
	list = map64_put(&m->first, print, NULL);
	m->counts.values++;
	i = find(m, (uint32_t)*list, e, regs);
	m->counts.merged += i != 0;
	return i ? i : add(m, e, regs, list);
}

const struct expr *merge_value(struct merge *m, struct expr_pool *p, const struct expr *e)
{
	const struct expr *r;
	bool made;
	uint64_t *at;

	if (e->op == EXPR_TRUNC || !e->width || e->size > ROOM)
		return e;
	if (expr_pool_count(m->kept) + ROOM > MERGE_NODES)
		forget(m);
	at = map64_put(&m->by_hash, e->hash, &made);
	if (made)
		*at = place(m, e);
	r = m->value[*at - 1].e;
	if (r->hash == e->hash)
		return e;
	map64_reset(&m->copied);
	return expr_copy(p, r, &m->copied);
}
