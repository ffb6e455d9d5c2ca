/*
 * rewrite_range.c: comparisons with constants.
 *
 * The one idea: each says that a value x is in a range of numbers modulo 2^w, from lo up to hi,
 * maybe past 2^w - 1 and on from 0. As a range it moves through sums, negations and extensions to
 * what they are made of; then it is written in one of the four ways there are.
 */
#include "sem/rewrite.h"

static uint64_t mask(unsigned width)
{
	return UINT64_MAX >> (64 - width);
}

static const struct expr *truth(struct expr_pool *p, bool v)
{
	return expr_const(p, 1, v);
}

/* The range past the other: x is not in [lo, hi]. */
static const struct expr *outside(
	struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi)
{
	return expr_not(p, rewrite_range_make(p, x, lo, hi));
}

/* ---- the four ways ---- */

/* c + x below d, or with `above` d below c + x; signed or not. */
struct way {
	bool is_signed, above;
	uint64_t c, d;
};

static uint64_t magnitude(uint64_t v, unsigned width)
{
	uint64_t top = UINT64_C(1) << (width - 1);

	v &= mask(width);
	return v > top ? (-v & mask(width)) : v;
}

/* Is a shorter to say than b? No sum is best, then small numbers. */
static bool is_shorter(const struct way *a, const struct way *b, unsigned width)
{
	uint64_t ca = magnitude(a->c, width), cb = magnitude(b->c, width);

	if (!ca != !cb)
		return !ca;
	return MAX(ca, magnitude(a->d, width)) < MAX(cb, magnitude(b->d, width));
}

static const struct expr *write(struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi)
{
	uint64_t top = UINT64_C(1) << (x->width - 1), n = hi - lo + 1;
	const struct way ways[] = {
		{false, false, -lo, n},
		{false, true, -(hi + 1), -n - 1},
		{true, false, top - lo, top + n},
		{true, true, top - (hi + 1), top - n - 1},
	};
	const struct way *best = ways;
	const struct expr *args[2];

	for (unsigned i = 1; i < COUNT_OF(ways); i++)
		if (is_shorter(&ways[i], best, x->width))
			best = &ways[i];
	args[best->above] = expr_add(p, expr_const(p, x->width, best->c), x);
	args[!best->above] = expr_const(p, x->width, best->d);
	return expr_raw(p, best->is_signed ? EXPR_SLT : EXPR_ULT, 1, 0, args, 2);
}

/* ---- what x is made of ---- */

/* Is the first factor in the sum x, which has no constant, negative? */
static bool is_negative(const struct expr *x)
{
	const struct expr *t = x->op == EXPR_ADD ? x->arg[0] : x;

	return t->op == EXPR_MUL && t->arg[0]->op == EXPR_CONST &&
	       t->arg[0]->val > UINT64_C(1) << (t->width - 1);
}

/* x = y Concat c: the range of y. */
static const struct expr *scaled(
	struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi)
{
	const struct expr *low = x->arg[x->nargs - 1], *y;
	unsigned k = low->width;
	uint64_t c = low->val, from, to;

	if (lo > hi)
		return outside(p, x, hi + 1, lo - 1);
	y = expr_extract(p, x, k, x->width - k);
	from = (lo >> k) + ((lo & mask(k)) > c);
	to = (hi >> k) - ((hi & mask(k)) < c); /* may be -1, below any from */
	if ((int64_t)from > (int64_t)to)
		return truth(p, false);
	return rewrite_range_make(p, y, from, to);
}

/*
 * x is an extension of its low n bits y; first: the smallest number it can be. Numbers are counted
 * from there, so that y has the first 2^n.
 */
static const struct expr *extended(struct expr_pool *p, const struct expr *x, unsigned n,
	uint64_t first, uint64_t lo, uint64_t hi)
{
	uint64_t ones = mask(x->width), last = mask(n), a = (lo - first) & ones,
		 b = (hi - first) & ones;

	if (a <= b ? a > last : b >= last)
		return truth(p, a > b);
	if (a <= b)
		b = MIN(b, last);
	else if (a > last)
		a = 0;
	return rewrite_range_make(p, expr_extract(p, x, 0, n), a + first, b + first);
}

/* The same of what x is made of; NULL when there is nothing to take off. */
static const struct expr *inner(struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi)
{
	unsigned zeros = rewrite_zeros(x), n;

	if (x->op == EXPR_CONST)
		return truth(p, ((x->val - lo) & mask(x->width)) <= ((hi - lo) & mask(x->width)));
	if (x->op == EXPR_NOT)
		return rewrite_range_make(p, x->arg[0], ~hi, ~lo);
	if (x->op == EXPR_ADD && x->arg[0]->op == EXPR_CONST)
		return rewrite_range_make(
			p, expr_sub(p, x, x->arg[0]), lo - x->arg[0]->val, hi - x->arg[0]->val);
	if (is_negative(x))
		return rewrite_range_make(p, expr_neg(p, x), -hi, -lo);
	if (zeros)
		return extended(p, x, x->width - zeros, 0, lo, hi);
	if (x->op == EXPR_SEXT) {
		n = x->arg[0]->width;
		return extended(p, x, n, -(UINT64_C(1) << (n - 1)), lo, hi);
	}
	if (x->op == EXPR_CONCAT && x->arg[x->nargs - 1]->op == EXPR_CONST)
		return scaled(p, x, lo, hi);
	return NULL;
}

const struct expr *rewrite_range_make(
	struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi)
{
	unsigned w = x->width;
	uint64_t top = UINT64_C(1) << (w - 1);
	const struct expr *e;

	lo &= mask(w);
	hi &= mask(w);
	if (lo == ((hi + 1) & mask(w))) {
		RULE(p, CMP_BOUND);
		return truth(p, true);
	}
	if (lo == hi || ((lo - hi) & mask(w)) == 2) { /* all but hi + 1 */
		RULE(p, CMP_EDGE);
		return lo == hi ? expr_eq(p, x, expr_const(p, w, lo))
				: expr_ne(p, x, expr_const(p, w, hi + 1));
	}
	e = inner(p, x, lo, hi);
	if (e) {
		RULE(p, CMP_RANGE);
		return e;
	}
	if (lo == top && hi == mask(w)) {
		RULE(p, CMP_SIGN);
		return expr_extract(p, x, w - 1, 1);
	}
	if (lo == 0 && hi == top - 1) {
		RULE(p, CMP_SIGN);
		return expr_not(p, expr_extract(p, x, w - 1, 1));
	}
	return write(p, x, lo, hi);
}
