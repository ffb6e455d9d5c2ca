/*
 * rewrite.c: the rewriter keeps the value of every expression.
 *
 * Random expressions are built as they stand (expr_raw), then brought into canonical form. Both
 * forms are evaluated on random and corner values, and proved equal by z3 until each rule has been
 * part of PROOFS proofs at each width it is used at. Usage: rewrite [EXPRESSIONS [SEED]].
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/rng.h"
#include "sem/eval.h"
#include "sem/prove.h"
#include "sem/rewrite.h"
#include "tests/unit.h"

enum {
	PROOFS = 3, /* for each rule and width */
	TRIES = 12, /* questions to z3 for them at most; products and quotients are hard for it */
	NODES = 40, /* nodes of an expression that may be asked about */
	POOL = 24,  /* values of one width to choose from */
	STATES = 8, /* values each expression is evaluated on */
	WIDTHS = 6,
};

static const unsigned widths[WIDTHS] = {1, 8, 16, 32, 64, 128};

struct test {
	struct rng rng;
	struct expr_pool *pool;
	struct eval eval;
	struct prove *prove;
	uint64_t value[8][2]; /* of the inputs */
	uint64_t memory;      /* seed of the memory's bytes */
	unsigned base;        /* which of widths */
	const struct expr *node[POOL * 8];
	unsigned n;
	uint64_t before[REWRITE_COUNT];
	unsigned fired[REWRITE_COUNT][WIDTHS], proofs[REWRITE_COUNT][WIDTHS];
	unsigned tries[REWRITE_COUNT][WIDTHS];
	unsigned long expressions, proved, unknown;
};

static unsigned pick(struct test *t, unsigned n)
{
	return (unsigned)rng_below(&t->rng, n);
}

/* ---- expressions ---- */

static uint64_t corner(struct test *t, unsigned width)
{
	uint64_t top = UINT64_C(1) << ((width - 1) & 63);

	switch (pick(t, 12)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return UINT64_MAX;
	case 3: return top;
	case 4: return top - 1;
	case 5: return UINT64_C(1) << pick(t, MIN(width, 64u));
	case 6: return (UINT64_C(1) << pick(t, MIN(width, 64u))) - 1;
	case 7: return top + 1;
	case 8: return UINT64_MAX - 1;
	case 9: return top - 2;
	case 10: return pick(t, 2 * width);
	default: return rng_u64(&t->rng);
	}
}

static const struct expr *constant(struct test *t, unsigned width)
{
	uint64_t w[EXPR_WORDS];

	for (unsigned i = 0; i < EXPR_WORDS; i++)
		w[i] = i ? (pick(t, 2) ? 0 : corner(t, 64)) : corner(t, width);
	if (!pick(t, 4))
		memset(w + 1, 0xff, sizeof(w) - sizeof(w[0]));
	return expr_wide(t->pool, width, w);
}

/* A value of that width: one there is, a part or extension of another, or a constant. */
static const struct expr *value(struct test *t, unsigned width)
{
	const struct expr *e, *args[2];

	if (!pick(t, 5))
		return constant(t, width);
	for (unsigned i = 0; i < 12; i++) {
		e = t->node[pick(t, t->n)];
		if (e->width == width)
			return e;
	}
	e = t->node[pick(t, t->n)];
	if (e->width > width)
		return expr_raw(t->pool, EXPR_EXTRACT, width,
			pick(t, 2) ? 0 : pick(t, e->width - width + 1u), &e, 1);
	if (e->width == width)
		return e;
	if (pick(t, 2))
		return expr_raw(t->pool, EXPR_SEXT, width, 0, &e, 1);
	args[0] = pick(t, 4) ? expr_const(t->pool, width - e->width, 0)
			     : constant(t, width - e->width);
	args[1] = e;
	if (pick(t, 4) == 0) {
		args[1] = args[0];
		args[0] = e;
	}
	return expr_raw(t->pool, EXPR_CONCAT, width, 0, args, 2);
}

static const struct expr *loaded(struct test *t, unsigned width)
{
	const struct expr *args[2] = {
		expr_const(t->pool, 64, pick(t, 9)), expr_input(t->pool, 7, 64)};

	args[0] = expr_raw(t->pool, EXPR_ADD, 64, 0, args, 2);
	return expr_load(t->pool, NULL, args[0], (width + 7) / 8 * 8);
}

/* A Concat of neighbours and constants, `width` bits. */
static const struct expr *concat(struct test *t, unsigned width)
{
	const struct expr *piece[4], *e = t->node[pick(t, t->n)];
	unsigned n = 2 + pick(t, 2), left = width, lo;

	if (width < 4)
		return value(t, width);
	for (unsigned i = 0; i < n; i++) {
		unsigned w = i + 1 == n ? left : 1 + pick(t, left - (n - i - 1));

		left -= w;
		if (e->width >= width && pick(t, 3)) { /* the bits that belong there, maybe moved */
			lo = left + (pick(t, 4) ? 0 : pick(t, e->width - width + 1u));
			lo = MIN(lo, e->width - w);
			piece[i] = expr_raw(t->pool, EXPR_EXTRACT, w, lo, &e, 1);
		} else {
			piece[i] = pick(t, 2) ? constant(t, w) : value(t, w);
		}
	}
	return expr_raw(t->pool, EXPR_CONCAT, width, 0, piece, n);
}

/* (a < b) or (a eq b), which chance does not make. */
static const struct expr *less_or_equal(struct test *t)
{
	const struct expr *ab[2], *args[2];
	unsigned w = widths[t->base];

	ab[0] = value(t, w);
	ab[1] = value(t, w);
	args[0] = expr_raw(t->pool, pick(t, 2) ? EXPR_ULT : EXPR_SLT, 1, 0, ab, 2);
	args[1] = expr_raw(t->pool, EXPR_EQ, 1, 0, ab, 2);
	return expr_raw(t->pool, EXPR_OR, 1, 0, args, 2);
}

/* The low half of a quotient of extended numbers, as idiv and div have it. */
static const struct expr *narrow_division(struct test *t)
{
	unsigned w = MIN(MAX(widths[t->base], 2u), 16u), op = pick(t, 2) ? EXPR_SDIV : EXPR_UDIV;
	const struct expr *args[2], *piece[2];

	for (unsigned i = 0; i < 2; i++) {
		piece[0] = expr_const(t->pool, w / 2, 0);
		piece[1] = value(t, w / 2);
		args[i] = op == EXPR_SDIV ? expr_raw(t->pool, EXPR_SEXT, w, 0, piece + 1, 1)
					  : expr_raw(t->pool, EXPR_CONCAT, w, 0, piece, 2);
	}
	args[0] = expr_raw(t->pool, op, w, 0, args, 2);
	return expr_raw(t->pool, EXPR_EXTRACT, w / 2, 0, args, 1);
}

/* The smaller or larger of two values, one maybe a constant, which may be compared one beside. */
static const struct expr *extreme(struct test *t)
{
	const struct expr *ab[2], *args[3];
	unsigned w = MIN(widths[t->base], 64u), side = pick(t, 2), swap = pick(t, 2);

	ab[!side] = value(t, w);
	ab[side] = pick(t, 2) ? value(t, w) : expr_const(t->pool, w, corner(t, w));
	args[1 + swap] = ab[0];
	args[2 - swap] = ab[1];
	if (ab[side]->op == EXPR_CONST && pick(t, 2))
		ab[side] = expr_const(t->pool, w, ab[side]->val + (pick(t, 2) ? 1 : -1u));
	args[0] = expr_raw(t->pool, pick(t, 2) ? EXPR_ULT : EXPR_SLT, 1, 0, ab, 2);
	return expr_raw(t->pool, EXPR_ITE, w, 0, args, 3);
}

/* A sum compared with a constant. */
static const struct expr *range(struct test *t)
{
	static const uint8_t ops[] = {EXPR_ULT, EXPR_ULE, EXPR_SLT, EXPR_SLE};
	const struct expr *ab[2], *args[2];
	unsigned w = MIN(widths[t->base], 64u), side = pick(t, 2);

	args[0] = constant(t, w);
	args[1] = value(t, w);
	ab[side] = pick(t, 4) ? expr_raw(t->pool, EXPR_ADD, w, 0, args, 2) : args[1];
	if (!pick(t, 4))
		ab[side] = expr_raw(t->pool, EXPR_NOT, w, 0, &ab[side], 1);
	ab[!side] = constant(t, w);
	return expr_raw(t->pool, ops[pick(t, COUNT_OF(ops))], 1, 0, ab, 2);
}

/* A new node from those there are. */
static const struct expr *grow(struct test *t)
{
	static const uint8_t ops[] = {EXPR_NOT, EXPR_AND, EXPR_OR, EXPR_XOR, EXPR_ADD, EXPR_MUL,
		EXPR_UDIV, EXPR_UREM, EXPR_SDIV, EXPR_SREM, EXPR_SHL, EXPR_LSHR, EXPR_ASHR,
		EXPR_ROL, EXPR_ROR, EXPR_EQ, EXPR_NE, EXPR_ULT, EXPR_ULE, EXPR_SLT, EXPR_SLE,
		EXPR_ITE, EXPR_POPCNT, EXPR_CLZ, EXPR_CTZ, EXPR_AND, EXPR_OR, EXPR_XOR, EXPR_ADD,
		EXPR_MUL, EXPR_EQ, EXPR_EQ, EXPR_ULT, EXPR_SLT, EXPR_ITE};
	unsigned w = widths[t->base], op = ops[pick(t, COUNT_OF(ops))], n = 2;
	const struct expr *args[3], *e = t->node[pick(t, t->n)];

	switch (pick(t, 8)) {
	case 0:
		switch (pick(t, 16)) {
		case 0: return less_or_equal(t);
		case 1: return narrow_division(t);
		case 2: return extreme(t);
		case 3: return range(t);
		default: return concat(t, w);
		}
	case 1:
		if (e->width > 1 && !pick(t, 2))
			return expr_raw(t->pool, EXPR_EXTRACT, 1, e->width - 1u, &e, 1);
		if (e->width > 1) {
			unsigned part = 1 + pick(t, e->width - 1u);

			return expr_raw(t->pool, EXPR_EXTRACT, part,
				pick(t, 2) ? 0 : pick(t, e->width - part + 1u), &e, 1);
		}
		break;
	case 2:
		if (e->width < w)
			return expr_raw(t->pool, EXPR_SEXT, w, 0, &e, 1);
		break;
	case 3: return value(t, w);
	default: break;
	}
	if (pick(t, 4) == 0) /* comparisons of truth values, additions of parts ... */
		w = e->width;
	if (w > 128)
		w = 128;
	args[0] = value(t, w);
	args[1] = pick(t, 6) ? value(t, w) : args[0];
	if (op >= EXPR_EQ && op <= EXPR_SLE)
		return expr_raw(t->pool, op, 1, 0, args, 2);
	if (op == EXPR_ITE) {
		args[2] = args[1];
		args[1] = args[0];
		args[0] = value(t, 1);
		n = 3;
	} else if (op == EXPR_NOT || op == EXPR_POPCNT || op == EXPR_CLZ || op == EXPR_CTZ) {
		n = 1;
	} else if (op >= EXPR_SHL && op <= EXPR_ROR && pick(t, 3)) {
		args[1] = expr_const(t->pool, w, pick(t, w + 2));
	}
	return expr_raw(t->pool, op, w, 0, args, n);
}

static void start(struct test *t)
{
	unsigned w = widths[t->base];

	expr_pool_reset(t->pool);
	t->n = 0;
	for (unsigned i = 0; i < 3; i++)
		t->node[t->n++] = expr_input(t->pool, i, w);
	if (w >= 8) {
		t->node[t->n++] = expr_input(t->pool, 3, w / 2);
		t->node[t->n++] = loaded(t, w);
		t->node[t->n++] = loaded(t, w / 2);
	}
	t->node[t->n++] = expr_input(t->pool, 4, 1);
	t->node[t->n++] = constant(t, w);
}

/* ---- checks ---- */

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	const struct test *t = ctx;

	out[0] = t->value[reg][0];
	if (width > 64)
		out[1] = t->value[reg][1];
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	const struct test *t = ctx;
	uint32_t r[4];

	for (unsigned i = 0; i < n; i++) {
		rng_at(t->memory, 1, addr + i, r);
		out[i] = (uint8_t)r[0];
	}
}

static void complain(struct test *t, const char *what, const struct expr *raw)
{
	unit_failed++;
	fprintf(stderr, "%s: %s, width %u, rules:", what, expr_op_name(raw->op), raw->width);
	for (unsigned r = 0; r < REWRITE_COUNT; r++)
		if (expr_rule_counts(t->pool)[r] != t->before[r])
			fprintf(stderr, " %s", rewrite_name(r));
	fprintf(stderr, "\n");
}

static void check_values(struct test *t, const struct expr *raw, const struct expr *e)
{
	uint64_t a[EXPR_WORDS], b[EXPR_WORDS];

	for (unsigned k = 0; k < STATES; k++) {
		for (unsigned i = 0; i < COUNT_OF(t->value); i++)
			for (unsigned j = 0; j < 2; j++)
				t->value[i][j] =
					k % 2 ? rng_u64(&t->rng) : corner(t, widths[t->base]);
		t->memory = rng_u64(&t->rng);
		eval_reset(&t->eval);
		if (eval_expr(&t->eval, raw, a) < 0 || eval_expr(&t->eval, e, b) < 0 ||
			memcmp(a, b, (raw->width + 63) / 64 * sizeof(*a)) != 0) {
			complain(t, "other value", raw);
			return;
		}
	}
	unit_passed++;
}

/* Has a rule that was used here not been proved often enough? */
static bool is_wanted(struct test *t)
{
	bool wanted = false;

	for (unsigned r = 0; r < REWRITE_COUNT; r++) {
		if (expr_rule_counts(t->pool)[r] == t->before[r])
			continue;
		t->fired[r][t->base]++;
		if (t->proofs[r][t->base] < PROOFS && t->tries[r][t->base] < TRIES)
			wanted = true;
	}
	return wanted;
}

static void check_proof(struct test *t, const struct expr *raw, const struct expr *e)
{
	enum prove_answer answer = prove_equal(t->prove, raw, e);

	if (answer == PROVE_DIFFERENT)
		complain(t, "refuted by z3", raw);
	t->proved += answer == PROVE_EQUAL;
	t->unknown += answer == PROVE_UNKNOWN;
	for (unsigned r = 0; r < REWRITE_COUNT; r++)
		if (expr_rule_counts(t->pool)[r] != t->before[r]) {
			t->tries[r][t->base]++;
			t->proofs[r][t->base] += answer == PROVE_EQUAL;
		}
}

static void check(struct test *t, const struct expr *raw)
{
	const struct expr *e;

	memcpy(t->before, expr_rule_counts(t->pool), sizeof(t->before));
	e = rewrite_all(t->pool, raw);
	CHECK(e->width == raw->width);
	t->expressions++;
	check_values(t, raw, e);
	if (raw->size <= NODES && is_wanted(t))
		check_proof(t, raw, e);
	/* Canonical means that there is nothing left to do. */
	if (rewrite_all(t->pool, e) != e)
		complain(t, "not stable", raw);
}

static void summary(const struct test *t)
{
	unsigned used = 0, proved = 0;

	for (unsigned r = 0; r < REWRITE_COUNT; r++) {
		unsigned any = 0;

		for (unsigned w = 0; w < WIDTHS; w++) {
			used += t->fired[r][w] != 0;
			proved += t->proofs[r][w] != 0;
			any += t->proofs[r][w];
			if (t->fired[r][w] >= 20 && !t->proofs[r][w])
				printf("%s, %u bits: used %u times, not proved\n", rewrite_name(r),
					widths[w], t->fired[r][w]);
		}
		if (!any) {
			fprintf(stderr, "rule %s was never proved: %s\n", rewrite_name(r),
				rewrite_text(r));
			unit_failed++;
		}
	}
	printf("%lu expressions; %u of %u pairs of a rule and a width proved; z3: %lu equal, %lu "
	       "unknown\n",
		t->expressions, proved, used, t->proved, t->unknown);
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 150000;
	struct test t = {.rng = rng_new(argc > 2 ? strtoul(argv[2], NULL, 10) : 1, 0)};

	t.pool = expr_pool_new(0);
	t.prove = prove_new(300000);
	t.eval.ctx = &t;
	t.eval.input = input;
	t.eval.load = load;
	while (t.expressions < count) {
		t.base = pick(&t, WIDTHS);
		start(&t);
		for (unsigned i = 0; i < 10; i++) {
			const struct expr *e = grow(&t);

			check(&t, e);
			t.node[t.n++] = e;
		}
	}
	summary(&t);
	prove_free(t.prove);
	eval_free(&t.eval);
	expr_pool_free(t.pool);
	return unit_done();
}
