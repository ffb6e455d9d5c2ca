/*
 * rewrite_arith.c: rules for ADD, MUL, division and shifts.
 *
 * The one idea: up to 64 bits every sum is a linear combination k + c1 t1 + c2 t2 ... modulo 2^w
 * with distinct terms in canonical order, so that address arithmetic by lea, by shifts and by
 * multiplications comes out the same. Shifts by constants are multiplications and Concats.
 */
#include <string.h>

#include "sem/rewrite.h"

enum { MAX_TERMS = 64 };

static uint64_t mask(unsigned width)
{
	return UINT64_MAX >> (64 - width);
}

struct sum {
	unsigned width, n;
	uint64_t k;                      /* the constant */
	uint64_t c[MAX_TERMS];           /* coefficients, modulo 2^width */
	const struct expr *t[MAX_TERMS]; /* terms in canonical order */
	bool overflow;                   /* more terms than fit: the sum is unusable */
};

static void add_plain(struct expr_pool *p, struct sum *s, const struct expr *t, uint64_t c)
{
	unsigned i = s->n;
	int order = 1;

	while (i > 0 && (order = rewrite_order(s->t[i - 1], t)) > 0)
		i--;
	if (i > 0 && order == 0) {
		RULE(p, ADD_COLLECT);
		s->c[i - 1] = (s->c[i - 1] + c) & mask(s->width);
		if (!s->c[i - 1]) {
			s->n--;
			memmove(s->t + i - 1, s->t + i, (s->n - i + 1) * sizeof(s->t[0]));
			memmove(s->c + i - 1, s->c + i, (s->n - i + 1) * sizeof(s->c[0]));
		}
		return;
	}
	if (s->n == MAX_TERMS) {
		s->overflow = true;
		return;
	}
	memmove(s->t + i + 1, s->t + i, (s->n - i) * sizeof(s->t[0]));
	memmove(s->c + i + 1, s->c + i, (s->n - i) * sizeof(s->c[0]));
	s->t[i] = t;
	s->c[i] = c;
	s->n++;
}

/* Is e a CONCAT(x, c), a multiple of a power of two plus a constant? */
static bool is_scaled(const struct expr *e)
{
	return e->op == EXPR_CONCAT && e->arg[e->nargs - 1]->op == EXPR_CONST;
}

/* The CONCAT e of is_scaled without its low constant, as wide as before. */
static const struct expr *unscaled(struct expr_pool *p, const struct expr *e)
{
	unsigned k = e->arg[e->nargs - 1]->width;

	return expr_zext(p, expr_extract(p, e, k, e->width - k), e->width);
}

static void add_term(struct expr_pool *p, struct sum *s, const struct expr *e, uint64_t c)
{
	c &= mask(s->width);
	if (!c)
		return;
	switch (e->op) {
	case EXPR_CONST: s->k += c * e->val; return;
	case EXPR_ADD:
		for (unsigned i = 0; i < e->nargs; i++)
			add_term(p, s, e->arg[i], c);
		return;
	case EXPR_NOT:
		RULE(p, ADD_NOT);
		s->k -= c;
		add_term(p, s, e->arg[0], -c);
		return;
	case EXPR_MUL:
		if (e->arg[0]->op != EXPR_CONST)
			break;
		c *= e->arg[0]->val;
		e = e->nargs == 2 ? e->arg[1]
				  : expr_raw(p, EXPR_MUL, e->width, 0, e->arg + 1, e->nargs - 1u);
		add_term(p, s, e, c);
		return;
	case EXPR_CONCAT:
		if (!is_scaled(e))
			break;
		RULE(p, ADD_CONCAT);
		s->k += c * e->arg[e->nargs - 1]->val;
		add_term(p, s, unscaled(p, e), c << e->arg[e->nargs - 1]->width);
		return;
	}
	add_plain(p, s, e, c);
}

/* c * t as an argument of a sum. */
static const struct expr *term(struct expr_pool *p, const struct expr *t, uint64_t c)
{
	const struct expr *args[EXPR_MAX_ARGS];
	unsigned n = 0;

	if (c == 1)
		return t;
	args[n++] = expr_const(p, t->width, c);
	if (t->op == EXPR_MUL && t->nargs < EXPR_MAX_ARGS - 1)
		for (unsigned i = 0; i < t->nargs; i++)
			args[n++] = t->arg[i];
	else
		args[n++] = t;
	return expr_raw(p, EXPR_MUL, t->width, 0, args, n);
}

/* c * t + k standing alone: a power of two times a CONCAT, with a k below it, is a CONCAT. */
static const struct expr *lone_term(
	struct expr_pool *p, const struct expr *t, uint64_t c, uint64_t k)
{
	unsigned n = (unsigned)__builtin_ctzll(c);
	const struct expr *args[2];

	if (t->op == EXPR_CONCAT && c > 1 && !(c & (c - 1)) && k < c) {
		RULE(p, MUL_CONCAT);
		t = expr_extract(p, t, 0, t->width - n);
		return expr_concat(p, t, expr_const(p, n, k));
	}
	t = term(p, t, c);
	if (!k)
		return t;
	args[0] = expr_const(p, t->width, k);
	args[1] = t;
	return expr_raw(p, EXPR_ADD, t->width, 0, args, 2);
}

/* 2^k * t does not depend on the top k bits of t: a CONCAT with these cleared, or what it extends.
 */
static const struct expr *without_top(struct expr_pool *p, const struct expr *t, uint64_t c)
{
	unsigned k = (unsigned)__builtin_ctzll(c);
	const struct expr *low;

	if (t->op != EXPR_CONCAT || !k)
		return t;
	if (rewrite_zeros(t) < k)
		t = expr_zext(p, expr_extract(p, t, 0, t->width - k), t->width);
	low = t->op == EXPR_CONCAT && t->nargs == 2 ? t->arg[1] : t;
	if (low->op == EXPR_EXTRACT && low->lo == 0 && low->arg[0]->width == t->width &&
		low->width >= t->width - k)
		return low->arg[0];
	return t;
}

/* Brings terms with even coefficients into their one form; these may collect again. */
static void settle(struct expr_pool *p, struct sum *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct expr *t = without_top(p, s->t[i], s->c[i]);
		uint64_t c = s->c[i];

		if (t == s->t[i])
			continue;
		RULE(p, MUL_TOP);
		s->n--;
		memmove(s->t + i, s->t + i + 1, (s->n - i) * sizeof(s->t[0]));
		memmove(s->c + i, s->c + i + 1, (s->n - i) * sizeof(s->c[0]));
		add_term(p, s, t, c);
		i = (unsigned)-1; /* from the start */
	}
}

static const struct expr *from_sum(struct expr_pool *p, struct sum *s)
{
	const struct expr *args[MAX_TERMS + 1];
	uint64_t k, ones = mask(s->width);
	unsigned n = 0;

	settle(p, s);
	k = s->k & ones;
	if (s->n == 0)
		return expr_const(p, s->width, k);
	if (s->n == 1 && k == ones && s->c[0] == ones) {
		RULE(p, NEG_TO_NOT);
		return expr_not(p, s->t[0]);
	}
	if (s->n == 1)
		return lone_term(p, s->t[0], s->c[0], k);
	if (k)
		args[n++] = expr_const(p, s->width, k);
	for (unsigned i = 0; i < s->n; i++)
		args[n++] = term(p, s->t[i], s->c[i]);
	return expr_raw(p, EXPR_ADD, s->width, 0, args, n);
}

/*
 * Products, and sums wider than 64 bits: flat, sorted, constants taken together. Factors of powers
 * of two come out of CONCATs. The constant is a number for widths up to 64.
 */
struct args {
	const struct expr *e[EXPR_MAX_ARGS];
	unsigned n;
	const struct expr *c; /* NULL: none */
};

static void gather(struct expr_pool *p, enum expr_op op, struct args *l, const struct expr *e)
{
	unsigned i = l->n;

	if (e->op == EXPR_CONST) {
		const struct expr *both[2] = {l->c, e};

		l->c = l->c ? rewrite_make(p, op, e->width, 0, both, 2) : e;
	} else if (e->op == op && l->n + e->nargs < EXPR_MAX_ARGS / 2) {
		RULE(p, FLAT);
		for (i = 0; i < e->nargs; i++)
			gather(p, op, l, e->arg[i]);
	} else if (op == EXPR_MUL && e->width <= 64 && is_scaled(e) &&
		   expr_is_const(e->arg[e->nargs - 1], 0)) {
		RULE(p, MUL_FACTOR);
		gather(p, op, l,
			expr_const(p, e->width, UINT64_C(1) << e->arg[e->nargs - 1]->width));
		gather(p, op, l, unscaled(p, e));
	} else {
		while (i > 0 && rewrite_order(l->e[i - 1], e) > 0)
			i--;
		memmove(l->e + i + 1, l->e + i, (l->n - i) * sizeof(l->e[0]));
		l->e[i] = e;
		l->n++;
	}
}

static const struct expr *from_args(
	struct expr_pool *p, enum expr_op op, unsigned width, const struct args *l)
{
	const struct expr *args[EXPR_MAX_ARGS + 1];
	unsigned n = 0;

	if (l->c)
		args[n++] = l->c;
	for (unsigned i = 0; i < l->n; i++)
		args[n++] = l->e[i];
	return n == 1 ? args[0] : expr_raw(p, op, width, 0, args, n);
}

/* A term of which a sum is nothing but it and a constant. */
static bool is_plain(const struct expr *e)
{
	return e->op == EXPR_INPUT || e->op == EXPR_LOAD || e->op == EXPR_EXTRACT;
}

/* c + e, which is most of all sums (addresses), without taking e apart. NULL: not that simple. */
static const struct expr *add_const(struct expr_pool *p, const struct expr *c, const struct expr *e)
{
	const struct expr *args[EXPR_MAX_ARGS];
	bool sum = e->op == EXPR_ADD && e->arg[0]->op == EXPR_CONST;
	uint64_t k = c->val;
	unsigned n = 0;

	if (!is_plain(sum ? e->arg[1] : e) || (sum && e->nargs > 2))
		return NULL;
	if (sum)
		k = (k + e->arg[0]->val) & mask(e->width);
	if (k)
		args[n++] = c->val == k ? c : expr_const(p, e->width, k);
	args[n++] = sum ? e->arg[1] : e;
	return n == 1 ? args[0] : expr_raw(p, EXPR_ADD, e->width, 0, args, n);
}

const struct expr *rewrite_arith_add(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n)
{
	struct args l;
	struct sum s;

	if (width == 1) {
		RULE(p, ADD_BIT);
		return rewrite_make(p, EXPR_XOR, 1, 0, args, n);
	}
	if (n == 2 && width <= 64 && (args[0]->op == EXPR_CONST || args[1]->op == EXPR_CONST)) {
		bool first = args[0]->op == EXPR_CONST;
		const struct expr *e = add_const(p, args[!first], args[first]);

		if (e)
			return e;
	}
	if (width <= 64) {
		s.width = width;
		s.n = 0;
		s.k = 0;
		s.overflow = false;
		for (unsigned i = 0; i < n; i++)
			add_term(p, &s, args[i], 1);
		if (!s.overflow)
			return from_sum(p, &s);
	}
	l.n = 0;
	l.c = NULL;
	for (unsigned i = 0; i < n; i++)
		gather(p, EXPR_ADD, &l, args[i]);
	if (l.c && expr_is_const(l.c, 0))
		l.c = l.n ? NULL : l.c;
	return from_args(p, EXPR_ADD, width, &l);
}

const struct expr *rewrite_arith_mul(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n)
{
	struct args l;
	struct sum s;

	if (width == 1) {
		RULE(p, MUL_BIT);
		return rewrite_make(p, EXPR_AND, 1, 0, args, n);
	}
	l.n = 0;
	l.c = NULL;
	for (unsigned i = 0; i < n; i++)
		gather(p, EXPR_MUL, &l, args[i]);
	if (l.c && (l.n == 0 || expr_is_const(l.c, 0))) {
		RULE(p, MUL_ZERO);
		return l.c;
	}
	if (l.c && expr_is_const(l.c, 1)) {
		RULE(p, MUL_ONE);
		l.c = NULL;
	}
	if (width <= 64 && l.n == 1 && l.c) {
		s.width = width;
		s.n = 0;
		s.k = 0;
		s.overflow = false;
		if (l.e[0]->op == EXPR_ADD)
			RULE(p, MUL_SUM);
		add_term(p, &s, l.e[0], l.c->val);
		if (!s.overflow)
			return from_sum(p, &s);
	}
	return from_args(p, EXPR_MUL, width, &l);
}

/* Is c = 2^k? */
static bool is_power(const struct expr *c, unsigned *k)
{
	if (c->op != EXPR_CONST || c->width > 64 || !c->val || (c->val & (c->val - 1)))
		return false;
	*k = (unsigned)__builtin_ctzll(c->val);
	return true;
}

const struct expr *rewrite_arith_div(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b)
{
	const struct expr *args[2] = {a, b};
	unsigned w = a->width, k, zeros, bits;

	if (expr_is_const(b, 1) && w > 1) {
		RULE(p, DIV_ONE);
		return op == EXPR_UDIV || op == EXPR_SDIV ? a : expr_const(p, w, 0);
	}
	if (op == EXPR_UDIV || op == EXPR_UREM) {
		if (is_power(b, &k) && k > 0) {
			RULE(p, DIV_POWER);
			return expr_zext(p,
				op == EXPR_UDIV ? expr_extract(p, a, k, w - k)
						: expr_extract(p, a, 0, k),
				w);
		}
		zeros = MIN(rewrite_zeros(a), rewrite_zeros(b));
		/* x udiv 0 is all ones: the quotient is no zero extension then. */
		if (zeros && (op == EXPR_UREM || (b->op == EXPR_CONST && !expr_is_const(b, 0)))) {
			RULE(p, DIV_NARROW);
			args[0] = expr_extract(p, a, 0, w - zeros);
			args[1] = expr_extract(p, b, 0, w - zeros);
			return expr_zext(p, rewrite_make(p, op, w - zeros, 0, args, 2), w);
		}
	} else if (op == EXPR_SREM) {
		bits = MAX(rewrite_signed_bits(a), rewrite_signed_bits(b));
		if (bits < w) {
			RULE(p, REM_NARROW);
			args[0] = expr_extract(p, a, 0, bits);
			args[1] = expr_extract(p, b, 0, bits);
			return expr_sext(p, rewrite_make(p, op, bits, 0, args, 2), w);
		}
	}
	return expr_raw(p, op, w, 0, args, 2);
}

/* Rotations: by constants a CONCAT; else the amount is as narrow as it can be. */
static const struct expr *rotate(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *n)
{
	const struct expr *args[2] = {a, n};
	unsigned w = a->width, k;

	if (n->op == EXPR_CONST) {
		RULE(p, ROT_CONST);
		k = (unsigned)(expr_words(n)[0] % w);
		if (op == EXPR_ROR)
			k = (w - k) % w;
		return k ? expr_concat(
				   p, expr_extract(p, a, 0, w - k), expr_extract(p, a, w - k, k))
			 : a;
	}
	if (w > 1 && !(w & (w - 1))) {
		k = (unsigned)__builtin_ctz(w);
		args[1] = expr_zext(p, expr_extract(p, n, 0, k), w);
		if (args[1] != n) {
			RULE(p, ROT_AMOUNT);
			return rewrite_make(p, op, w, 0, args, 2);
		}
	}
	return expr_raw(p, op, w, 0, args, 2);
}

const struct expr *rewrite_arith_shift(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *n)
{
	const struct expr *args[2] = {a, n};
	unsigned w = a->width, k;

	if (op == EXPR_ROL || op == EXPR_ROR)
		return rotate(p, op, a, n);
	if (expr_is_const(n, 0) || expr_is_const(a, 0)) {
		RULE(p, SHIFT_ZERO);
		return a;
	}
	if (n->op != EXPR_CONST)
		return expr_raw(p, op, w, 0, args, 2);
	k = expr_is_const(n, expr_words(n)[0]) ? (unsigned)MIN(expr_words(n)[0], w) : w;
	if (k == w && op != EXPR_ASHR) {
		RULE(p, SHIFT_OUT);
		return expr_const(p, w, 0);
	}
	switch (op) {
	case EXPR_SHL:
		RULE(p, SHL_CONST);
		if (w <= 64)
			return expr_mul(p, expr_const(p, w, UINT64_C(1) << k), a);
		return expr_concat(p, expr_extract(p, a, 0, w - k), expr_const(p, k, 0));
	case EXPR_LSHR: RULE(p, LSHR_CONST); return expr_zext(p, expr_extract(p, a, k, w - k), w);
	default:
		RULE(p, ASHR_CONST);
		k = MIN(k, w - 1);
		return expr_sext(p, expr_extract(p, a, k, w - k), w);
	}
}

bool rewrite_arith_balance(struct expr_pool *p, const struct expr *a, const struct expr *b,
	const struct expr **x, const struct expr **y)
{
	struct sum s = {.width = a->width}, side[2] = {s, s}, half = s;
	uint64_t top = UINT64_C(1) << (a->width - 1u) % 64;
	unsigned first;

	if (a->width > 64 || a->width == 1)
		return false;
	add_term(p, &s, a, 1);
	add_term(p, &s, b, UINT64_MAX);
	settle(p, &s);
	if (s.overflow)
		return false;
	/* Negative coefficients become positive on side 1; one of 2^(w-1) is its own negative. */
	for (unsigned i = 0; i < s.n; i++) {
		bool negative = s.c[i] > top;
		struct sum *to = s.c[i] == top ? &half : &side[negative];

		to->t[to->n] = s.t[i];
		to->c[to->n++] = negative ? -s.c[i] & mask(s.width) : s.c[i];
	}
	/* Of the sides, the one that is first in canonical order comes first, and takes the halves.
	 */
	*x = from_sum(p, &side[0]);
	*y = from_sum(p, &side[1]);
	first = side[0].n == 0 || (side[1].n > 0 && rewrite_order(*x, *y) > 0);
	for (unsigned i = 0; i < half.n; i++)
		add_plain(p, &side[first], half.t[i], half.c[i]);
	/* side[0] + k eq side[1]; the constant goes to the second. */
	side[!first].k = first ? s.k : -s.k;
	*x = from_sum(p, &side[first]);
	*y = from_sum(p, &side[!first]);
	return true;
}
