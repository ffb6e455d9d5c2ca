/*
 * rewrite_cmp.c: rules for comparisons and ITE.
 *
 * The one idea: a comparison keeps only the bits that decide it. Equal extensions of both sides
 * fall away, sums are balanced, `<=` a constant becomes `<` the next one, and a comparison of the
 * sign is the sign bit.
 */
#include "sem/rewrite.h"

static const struct expr *truth(struct expr_pool *p, bool v)
{
	return expr_const(p, 1, v);
}

static const struct expr *raw2(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	const struct expr *args[2] = {a, b};

	return expr_raw(p, op, 1, 0, args, 2);
}

static const struct expr *make2(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	const struct expr *args[2] = {a, b};

	return rewrite_make(p, op, 1, 0, args, 2);
}

const struct expr *rewrite_cmp_opposite(struct expr_pool *p, const struct expr *e)
{
	switch (e->op) {
	case EXPR_EQ:
		if (e->arg[0]->width == 1 && expr_is_const(e->arg[1], 0))
			return e->arg[0]; /* x eq 0 is how `not x` looks */
		return make2(p, EXPR_NE, e->arg[0], e->arg[1]);
	case EXPR_NE: return make2(p, EXPR_EQ, e->arg[0], e->arg[1]);
	case EXPR_ULT: return make2(p, EXPR_ULE, e->arg[1], e->arg[0]);
	case EXPR_ULE: return make2(p, EXPR_ULT, e->arg[1], e->arg[0]);
	case EXPR_SLT: return make2(p, EXPR_SLE, e->arg[1], e->arg[0]);
	case EXPR_SLE: return make2(p, EXPR_SLT, e->arg[1], e->arg[0]);
	default: return NULL;
	}
}

/* Equality. All rules for x eq y, where a constant is y; NULL when none applies. */

/* A CONCAT with constant pieces against a constant: these agree, or nothing does. */
static const struct expr *eq_pieces(struct expr_pool *p, const struct expr *a, const struct expr *c)
{
	const struct expr *left[EXPR_MAX_ARGS], *right[EXPR_MAX_ARGS];
	unsigned n = 0, at = a->width;

	for (unsigned i = 0; i < a->nargs; i++) {
		const struct expr *e = a->arg[i], *part;

		at -= e->width;
		part = expr_extract(p, c, at, e->width);
		if (e->op != EXPR_CONST) {
			left[n] = e;
			right[n++] = part;
		} else if (e != part) {
			RULE(p, EQ_PIECES);
			return truth(p, false);
		}
	}
	if (n == a->nargs)
		return NULL;
	RULE(p, EQ_PIECES);
	return expr_eq(p, expr_concatn(p, left, n), expr_concatn(p, right, n));
}

/* c mul x eq d */
static const struct expr *eq_scaled(struct expr_pool *p, const struct expr *a, const struct expr *d)
{
	uint64_t c = a->arg[0]->val, inverse = c;
	unsigned w = a->width, k = (unsigned)__builtin_ctzll(c);
	const struct expr *rest =
		a->nargs == 2 ? a->arg[1] : expr_raw(p, EXPR_MUL, w, 0, a->arg + 1, a->nargs - 1u);

	if (k == 0) {
		RULE(p, EQ_SCALE);
		for (unsigned i = 0; i < 5; i++) /* Newton: the number of correct bits doubles */
			inverse *= 2 - c * inverse;
		return expr_eq(p, rest, expr_const(p, w, d->val * inverse));
	}
	RULE(p, EQ_EVEN);
	if (d->val & ((UINT64_C(1) << k) - 1))
		return truth(p, false);
	rest = expr_mul(p, expr_const(p, w, c >> k), rest);
	return expr_eq(p, expr_extract(p, rest, 0, w - k), expr_const(p, w - k, d->val >> k));
}

/* Is e the upper bits of a value that stands by itself, as after a shift? */
static bool is_high(const struct expr *e)
{
	unsigned top = e->lo + e->width;

	return e->lo && e->width > 1 &&
	       (top == 8 || top == 16 || top == 32 || (top == e->arg[0]->width && top <= 64));
}

static const struct expr *eq_const(struct expr_pool *p, const struct expr *a, const struct expr *c)
{
	switch (a->op) {
	case EXPR_CONCAT: return eq_pieces(p, a, c);
	case EXPR_SEXT:
		RULE(p, EQ_SEXT);
		if (expr_sext(p, expr_extract(p, c, 0, a->arg[0]->width), a->width) != c)
			return truth(p, false);
		return expr_eq(p, a->arg[0], expr_extract(p, c, 0, a->arg[0]->width));
	case EXPR_MUL:
		if (a->arg[0]->op == EXPR_CONST && a->width <= 64)
			return eq_scaled(p, a, c);
		break;
	case EXPR_XOR:
		if (a->arg[0]->op == EXPR_CONST) {
			const struct expr *k = expr_xor(p, a->arg[0], c);

			RULE(p, EQ_XOR);
			return expr_eq(p, expr_xor(p, a, a->arg[0]), k);
		}
		if (expr_is_const(c, 0) && a->nargs == 2) {
			RULE(p, EQ_XOR);
			return expr_eq(p, a->arg[0], a->arg[1]);
		}
		break;
	case EXPR_NOT:
		if (a->width > 64) {
			RULE(p, EQ_XOR);
			return expr_eq(p, a->arg[0], expr_not(p, c));
		}
		break;
	case EXPR_EXTRACT:
		if (is_high(a)) {
			const struct expr *x = expr_extract(p, a->arg[0], 0, a->lo + a->width);
			uint64_t lo = c->val << a->lo;

			RULE(p, EQ_HIGH);
			return rewrite_range_make(p, x, lo, lo | ((UINT64_C(1) << a->lo) - 1));
		}
		break;
	case EXPR_ITE:
		if (a->arg[1]->op == EXPR_CONST && a->arg[2]->op == EXPR_CONST) {
			RULE(p, EQ_ITE);
			return expr_ite(
				p, a->arg[0], truth(p, a->arg[1] == c), truth(p, a->arg[2] == c));
		}
		break;
	}
	return NULL;
}

/* One bit against a constant. */
static const struct expr *eq_bit(struct expr_pool *p, const struct expr *a, const struct expr *c)
{
	const struct expr *e;

	if (expr_is_const(c, 1)) {
		RULE(p, EQ_BIT);
		return a;
	}
	e = rewrite_cmp_opposite(p, a);
	if (e)
		RULE(p, EQ_BIT);
	return e;
}

static bool is_linear(const struct expr *e)
{
	return e->op == EXPR_ADD || e->op == EXPR_NOT ||
	       (e->op == EXPR_MUL && e->arg[0]->op == EXPR_CONST);
}

static const struct expr *make_eq(struct expr_pool *p, enum expr_op op, const struct expr *a,
	const struct expr *b, bool balanced);

/* balanced: the sums of both sides have been compared. */
static const struct expr *eq_rules(
	struct expr_pool *p, const struct expr *a, const struct expr *b, bool balanced)
{
	const struct expr *x, *y, *e;
	unsigned zeros;

	if (a->width == 1 && b->op == EXPR_CONST)
		return eq_bit(p, a, b);
	if (!balanced && (is_linear(a) || is_linear(b)) && rewrite_arith_balance(p, a, b, &x, &y) &&
		!(x == a && y == b) && !(x == b && y == a)) {
		RULE(p, EQ_SUM);
		return make_eq(p, EXPR_EQ, x, y, true);
	}
	if (b->op == EXPR_CONST) {
		e = eq_const(p, a, b);
		if (e)
			return e;
	}
	zeros = MIN(rewrite_zeros(a), rewrite_zeros(b));
	if (zeros && zeros < a->width) {
		RULE(p, CMP_ZEXT);
		return expr_eq(p, expr_extract(p, a, 0, a->width - zeros),
			expr_extract(p, b, 0, b->width - zeros));
	}
	if (a->op == EXPR_SEXT && b->op == EXPR_SEXT && a->arg[0]->width == b->arg[0]->width) {
		RULE(p, EQ_SEXT);
		return expr_eq(p, a->arg[0], b->arg[0]);
	}
	return NULL;
}

static const struct expr *make_eq(struct expr_pool *p, enum expr_op op, const struct expr *a,
	const struct expr *b, bool balanced)
{
	const struct expr *e;

	/* A constant is on the right, else the order is the canonical one. */
	if (a->op == EXPR_CONST || (b->op != EXPR_CONST && rewrite_order(a, b) > 0)) {
		e = a;
		a = b;
		b = e;
	}
	if (a == b) {
		RULE(p, CMP_SAME);
		return truth(p, op == EXPR_EQ);
	}
	if (a->op == EXPR_CONST) /* two different constants, left over by a rule */
		return truth(p, op == EXPR_NE);
	e = eq_rules(p, a, b, balanced);
	if (!e)
		return a->width == 1 && op == EXPR_NE && b->op == EXPR_CONST ? a
									     : raw2(p, op, a, b);
	if (op == EXPR_EQ)
		return e;
	RULE(p, EQ_NE);
	return expr_not(p, e);
}

/* Inequalities. */

/* a < b or a <= b where one side is a constant of up to 64 bits: a range of the other. */
static const struct expr *with_bound(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	uint64_t top = UINT64_C(1) << (a->width - 1u), lo = 0, hi = 2 * top - 1;
	bool strict = op == EXPR_ULT || op == EXPR_SLT;

	if (op == EXPR_SLT || op == EXPR_SLE) {
		lo = top;
		hi = top - 1;
	}
	if (strict ? expr_is_const(b, lo) || expr_is_const(a, hi) : false) {
		RULE(p, CMP_BOUND);
		return truth(p, false);
	}
	if (!strict)
		RULE(p, CMP_STRICT);
	if (b->op == EXPR_CONST)
		return rewrite_range_make(p, a, lo, b->val - strict);
	return rewrite_range_make(p, b, a->val + strict, hi);
}

/* Zero extensions of both sides fall away; one that outgrows a constant decides. */
static const struct expr *with_zeros(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	bool is_signed = op == EXPR_SLT || op == EXPR_SLE;
	unsigned za = rewrite_zeros(a), zb = rewrite_zeros(b), zeros = MIN(za, zb);

	if (zeros && zeros < a->width) {
		if (is_signed)
			RULE(p, CMP_SIGNED);
		else
			RULE(p, CMP_ZEXT);
		op = op == EXPR_SLT ? EXPR_ULT : op == EXPR_SLE ? EXPR_ULE : op;
		return make2(p, op, expr_extract(p, a, 0, a->width - zeros),
			expr_extract(p, b, 0, b->width - zeros));
	}
	if (is_signed && ((za && b->op == EXPR_CONST) || (zb && a->op == EXPR_CONST))) {
		RULE(p, CMP_SIGNED); /* a negative constant against a positive number */
		return truth(p, a->op == EXPR_CONST);
	}
	if (is_signed || zeros || !(za ? b->op == EXPR_CONST : zb && a->op == EXPR_CONST))
		return NULL;
	RULE(p, CMP_ZEXT); /* a constant above anything the other side can be */
	return truth(p, za != 0);
}

/* Sign extensions from one width fall away: they keep both orders. */
static const struct expr *with_signs(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	const struct expr *c = a->op == EXPR_CONST ? a : b, *x = a->op == EXPR_CONST ? b : a;
	unsigned bits;

	if (x->op != EXPR_SEXT)
		return NULL;
	bits = x->arg[0]->width;
	if (c->op == EXPR_SEXT ? c->arg[0]->width == bits
			       : c->op == EXPR_CONST && rewrite_signed_bits(c) <= bits) {
		RULE(p, CMP_SEXT);
		return make2(p, op, expr_extract(p, a, 0, bits), expr_extract(p, b, 0, bits));
	}
	return NULL;
}

static const struct expr *make_less(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	bool strict = op == EXPR_ULT || op == EXPR_SLT;
	const struct expr *e = NULL;

	if (a == b) {
		RULE(p, CMP_SAME);
		return truth(p, !strict);
	}
	if (a->width == 1) {
		bool swap = op == EXPR_SLT || op == EXPR_SLE; /* as a signed number 1 is -1 */
		const struct expr *x = swap ? b : a, *y = swap ? a : b;

		RULE(p, CMP_BIT);
		return strict ? expr_and(p, expr_not(p, x), y) : expr_or(p, expr_not(p, x), y);
	}
	if (a->width <= 64 && (a->op == EXPR_CONST || b->op == EXPR_CONST))
		return with_bound(p, op, a, b);
	e = with_zeros(p, op, a, b);
	if (!e)
		e = with_signs(p, op, a, b);
	return e ? e : raw2(p, op, a, b);
}

const struct expr *rewrite_cmp_make(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	return op == EXPR_EQ || op == EXPR_NE ? make_eq(p, op, a, b, false)
					      : make_less(p, op, a, b);
}

/* Is c the negation of something shorter to say? Then that. */
static const struct expr *positive(struct expr_pool *p, const struct expr *c)
{
	bool bit = c->op == EXPR_EQ && c->arg[0]->width == 1 && expr_is_const(c->arg[1], 0);

	if (!bit && c->op != EXPR_NE && c->op != EXPR_ULE && c->op != EXPR_SLE)
		return NULL;
	return rewrite_cmp_opposite(p, c);
}

/* One-bit values with a constant branch are AND and OR. */
static const struct expr *ite_bool(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b)
{
	if (a->op != EXPR_CONST && b->op != EXPR_CONST)
		return NULL;
	RULE(p, ITE_BOOL);
	if (a->op == EXPR_CONST)
		return a->val ? expr_or(p, c, b) : expr_and(p, expr_not(p, c), b);
	return b->val ? expr_or(p, expr_not(p, c), a) : expr_and(p, c, a);
}

/* An inequality of two values as a < b; the sign of x is x < 0. */
struct less {
	bool is_signed;
	const struct expr *a, *b;
};

static bool is_less(struct expr_pool *p, const struct expr *c, struct less *l)
{
	if (c->op == EXPR_EXTRACT && c->lo + 1 == c->arg[0]->width) {
		*l = (struct less){true, c->arg[0], expr_const(p, c->arg[0]->width, 0)};
		return c->lo < 64;
	}
	if (c->op != EXPR_ULT && c->op != EXPR_SLT)
		return false;
	*l = (struct less){c->op == EXPR_SLT, c->arg[0], c->arg[1]};
	return true;
}

static bool differ_by_one(const struct expr *above, const struct expr *below)
{
	return above->op == EXPR_CONST && below->op == EXPR_CONST && above->width <= 64 &&
	       above->val - below->val == 1;
}

/*
 * The smaller or the larger of x and y: written as x < y, a constant being y, else x being first in
 * canonical order. It does not matter what is chosen when they are equal, so x < y is as good as
 * x <= y. NULL when it is none, or stands like that already.
 */
static const struct expr *ite_less(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b)
{
	const struct expr *x, *y, *e;
	bool first; /* a is chosen if it is the smaller one */
	struct less l;

	if (!is_less(p, c, &l) || l.a->width != a->width)
		return NULL;
	first = a == l.a || b == l.b || (a->op == EXPR_CONST && b == l.b) ||
		(b->op == EXPR_CONST && a == l.a);
	x = first ? a : b;
	y = first ? b : a;
	/* The comparison is of x and y themselves, or of x with y + 1, or of x - 1 with y. */
	if ((l.a != x && !differ_by_one(x, l.a)) || (l.b != y && !differ_by_one(l.b, y)) ||
		(l.a != x && l.b != y))
		return NULL;
	if (x->op == EXPR_CONST || (y->op != EXPR_CONST && rewrite_order(x, y) > 0)) {
		e = x;
		x = y;
		y = e;
	}
	e = l.is_signed ? expr_slt(p, x, y) : expr_ult(p, x, y);
	if (e == c)
		return NULL;
	RULE(p, ITE_LESS);
	/* In the order of before the smaller one was chosen if `first`; it still is. */
	return first ? expr_ite(p, e, x, y) : expr_ite(p, e, y, x);
}

const struct expr *rewrite_cmp_ite(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b)
{
	const struct expr *args[3], *e;

	if (c->op == EXPR_CONST) {
		RULE(p, ITE_CONST);
		return c->val ? a : b;
	}
	if (a == b) {
		RULE(p, ITE_SAME);
		return a;
	}
	e = positive(p, c);
	if (e) {
		RULE(p, ITE_NOT);
		return expr_ite(p, e, b, a);
	}
	e = ite_less(p, c, a, b);
	if (e)
		return e;
	if (a->width == 1) {
		e = ite_bool(p, c, a, b);
		if (e)
			return e;
	} else if (expr_is_const(b, 0) && (expr_is_const(a, 1) || expr_is_ones(a))) {
		RULE(p, ITE_BIT);
		return expr_is_ones(a) ? expr_sext(p, c, a->width) : expr_zext(p, c, a->width);
	} else if (expr_is_const(a, 0) && (expr_is_const(b, 1) || expr_is_ones(b))) {
		RULE(p, ITE_BIT);
		c = expr_not(p, c);
		return expr_is_ones(b) ? expr_sext(p, c, a->width) : expr_zext(p, c, a->width);
	}
	args[0] = c;
	args[1] = a;
	args[2] = b;
	return expr_raw(p, EXPR_ITE, a->width, 0, args, 3);
}
