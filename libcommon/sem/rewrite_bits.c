/*
 * rewrite_bits.c: rules for NOT, AND, OR and XOR.
 *
 * The one idea: a bitwise operation that a constant or a zero extension decides piece by piece is
 * no operation but a Concat of pieces: `x and 0xff` is 0 Concat x[7:0] (paper, Table 1).
 */
#include <string.h>

#include "sem/rewrite.h"

/* Masks with more runs of ones than this stay masks. */
enum { MAX_RUNS = 4 };

static unsigned words_of(unsigned width)
{
	return (width + 63) / 64;
}

static bool bit(const uint64_t *w, unsigned i)
{
	return w[i / 64] >> i % 64 & 1;
}

const struct expr *rewrite_bits_not(struct expr_pool *p, const struct expr *a)
{
	const struct expr *e, *piece[EXPR_MAX_ARGS];

	if (a->width == 1) {
		e = rewrite_cmp_opposite(p, a);
		if (e) {
			RULE(p, NOT_CMP);
			return e;
		}
		RULE(p, NOT_BIT);
		return expr_eq(p, a, expr_const(p, 1, 0));
	}
	switch (a->op) {
	case EXPR_NOT: RULE(p, NOT_NOT); return a->arg[0];
	case EXPR_SEXT: RULE(p, NOT_SEXT); return expr_sext(p, expr_not(p, a->arg[0]), a->width);
	case EXPR_CONCAT:
		RULE(p, NOT_CONCAT);
		for (unsigned i = 0; i < a->nargs; i++)
			piece[i] = expr_not(p, a->arg[i]);
		return expr_concatn(p, piece, a->nargs);
	case EXPR_MUL:
		if (a->arg[0]->op != EXPR_CONST)
			break;
		/* fall through */
	case EXPR_ADD:
		if (a->width > 64)
			break;
		RULE(p, NOT_SUM);
		return expr_sub(p, expr_const(p, a->width, UINT64_MAX), a);
	}
	return expr_raw(p, EXPR_NOT, a->width, 0, &a, 1);
}

/* The arguments of an n-ary bitwise operator while they are put in order. */
struct args {
	const struct expr *e[EXPR_MAX_ARGS]; /* no constants */
	unsigned n;
	uint64_t c[EXPR_WORDS]; /* all constants taken together */
};

static void join_const(enum expr_op op, struct args *l, const struct expr *e)
{
	for (unsigned i = 0; i < words_of(e->width); i++) {
		uint64_t w = expr_words(e)[i];

		l->c[i] = op == EXPR_AND ? l->c[i] & w : op == EXPR_OR ? l->c[i] | w : l->c[i] ^ w;
	}
}

/* Inserts e at its place. x and x is x; x xor x is nothing. */
static void insert(struct expr_pool *p, enum expr_op op, struct args *l, const struct expr *e)
{
	unsigned i = l->n;
	int order = 1;

	while (i > 0 && (order = rewrite_order(l->e[i - 1], e)) > 0)
		i--;
	if (i > 0 && order == 0) {
		if (op == EXPR_AND) {
			RULE(p, AND_SAME);
		} else if (op == EXPR_OR) {
			RULE(p, OR_SAME);
		} else {
			RULE(p, XOR_SAME);
			memmove(l->e + i - 1, l->e + i, (l->n - i) * sizeof(l->e[0]));
			l->n--;
		}
		return;
	}
	memmove(l->e + i + 1, l->e + i, (l->n - i) * sizeof(l->e[0]));
	l->e[i] = e;
	l->n++;
}

static void gather(struct expr_pool *p, enum expr_op op, struct args *l, const struct expr *e);

/* An argument of XOR: negations move into the constant. */
static bool gather_xor(struct expr_pool *p, struct args *l, const struct expr *e)
{
	const struct expr *one;

	if (e->op == EXPR_NOT) {
		RULE(p, XOR_NOT);
		gather(p, EXPR_XOR, l, e->arg[0]);
		for (unsigned i = 0; i < words_of(e->width); i++)
			l->c[i] = ~l->c[i];
		return true;
	}
	if (e->width != 1 || (e->op != EXPR_EQ && e->op != EXPR_NE) || e->arg[0]->width != 1)
		return false;
	/* 1 bit: x ne y is x xor y */
	RULE(p, XOR_BIT);
	gather(p, EXPR_XOR, l, e->arg[0]);
	gather(p, EXPR_XOR, l, e->arg[1]);
	if (e->op == EXPR_EQ) {
		one = expr_const(p, 1, 1);
		join_const(EXPR_XOR, l, one);
	}
	return true;
}

static void gather(struct expr_pool *p, enum expr_op op, struct args *l, const struct expr *e)
{
	if (e->op == EXPR_CONST) {
		join_const(op, l, e);
	} else if (e->op == op && l->n + e->nargs < EXPR_MAX_ARGS / 2) {
		RULE(p, FLAT);
		for (unsigned i = 0; i < e->nargs; i++)
			gather(p, op, l, e->arg[i]);
	} else if (op != EXPR_XOR || l->n + 2 > EXPR_MAX_ARGS / 2 || !gather_xor(p, l, e)) {
		insert(p, op, l, e);
	}
}

/* Is there an x and a not x in the list? */
static bool opposite(struct expr_pool *p, const struct args *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		const struct expr *e = l->e[i]->op == EXPR_NOT ? l->e[i]->arg[0] : NULL;

		if (l->e[i]->width == 1)
			e = expr_not(p, l->e[i]);
		for (unsigned k = 0; e && k < l->n; k++)
			if (l->e[k] == e)
				return true;
	}
	return false;
}

/* (a ult b) or (a eq b) -> a ule b, for two arguments of OR; NULL when it is not that. */
static const struct expr *less_or_equal(struct expr_pool *p, const struct args *l)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct expr *lt = l->e[i], *eq = l->e[1 - i];

		if ((lt->op != EXPR_ULT && lt->op != EXPR_SLT) || eq->op != EXPR_EQ)
			continue;
		if ((lt->arg[0] == eq->arg[0] && lt->arg[1] == eq->arg[1]) ||
			(lt->arg[0] == eq->arg[1] && lt->arg[1] == eq->arg[0])) {
			RULE(p, OR_LESS);
			return lt->op == EXPR_ULT ? expr_ule(p, lt->arg[0], lt->arg[1])
						  : expr_sle(p, lt->arg[0], lt->arg[1]);
		}
	}
	return NULL;
}

/* Marks in cut (a bit for each position) where a CONCAT with constant pieces is divided. */
static void mark_cuts(const struct expr *e, uint64_t *cut)
{
	unsigned at = 0;
	bool any = false;

	if (e->op != EXPR_CONCAT)
		return;
	for (unsigned i = 0; i < e->nargs; i++)
		any |= e->arg[i]->op == EXPR_CONST;
	if (!any)
		return;
	for (unsigned i = e->nargs; i-- > 1;) {
		at += e->arg[i]->width;
		/* Only the ends of constant pieces matter. */
		if (e->arg[i]->op == EXPR_CONST || e->arg[i - 1]->op == EXPR_CONST)
			cut[at / 64] |= UINT64_C(1) << at % 64;
	}
}

/* The constant that e is in bits lo to lo + width - 1, if its form says so: -1 no, 0, 1 ones. */
static int uniform_bits(const struct expr *e, unsigned lo, unsigned width)
{
	unsigned at = e->width;

	if (e->op == EXPR_CONST) {
		const uint64_t *w = expr_words(e);
		bool first = bit(w, lo);

		for (unsigned i = lo + 1; i < lo + width; i++)
			if (bit(w, i) != first)
				return 2; /* a constant, but not uniform */
		return first;
	}
	if (e->op != EXPR_CONCAT)
		return -1;
	for (unsigned i = 0; i < e->nargs; i++) {
		at -= e->arg[i]->width;
		if (lo >= at && lo < at + e->arg[i]->width) /* segments do not cross const pieces */
			return e->arg[i]->op == EXPR_CONST ? uniform_bits(e->arg[i], lo - at, width)
							   : -1;
	}
	return -1;
}

/* Does the op of these arguments in that segment cost a new node? */
static bool costs(
	enum expr_op op, const struct expr *const *args, unsigned n, unsigned lo, unsigned width)
{
	unsigned open = 0;
	bool odd = false;

	for (unsigned i = 0; i < n; i++) {
		int u = uniform_bits(args[i], lo, width);

		if (u == -1)
			open++;
		else if ((op == EXPR_AND && u == 0) || (op == EXPR_OR && u == 1))
			return false; /* decided */
		else if (u == 2 || (op == EXPR_XOR && u == 1))
			odd = true;
	}
	return open > 1 || (open == 1 && odd);
}

/*
 * Distributes op over the pieces of its arguments if that leaves at most one operation; NULL if
 * not. Arguments may include one constant.
 */
static const struct expr *by_pieces(struct expr_pool *p, enum expr_op op, unsigned width,
	const struct expr *const *args, unsigned n)
{
	uint64_t cut[EXPR_WORDS + 1] = {0};
	const struct expr *piece[EXPR_MAX_ARGS], *part[EXPR_MAX_ARGS];
	unsigned lo, hi, cost = 0, segments = 0, at;

	for (unsigned i = 0; i < n; i++)
		mark_cuts(args[i], cut);
	for (lo = 0; lo < width; lo = hi) {
		for (hi = lo + 1; hi < width && !bit(cut, hi); hi++)
			;
		if (hi == width && lo == 0)
			return NULL; /* no cuts */
		cost += costs(op, args, n, lo, hi - lo);
		if (cost > 1 || ++segments > 64)
			return NULL;
	}
	RULE(p, PIECES);
	at = segments;
	for (lo = 0; lo < width; lo = hi) {
		for (hi = lo + 1; hi < width && !bit(cut, hi); hi++)
			;
		for (unsigned i = 0; i < n; i++)
			part[i] = expr_extract(p, args[i], lo, hi - lo);
		piece[--at] = rewrite_make(p, op, hi - lo, 0, part, n);
	}
	return expr_concatn(p, piece, segments);
}

/* Distributes the constant c over the pieces of the CONCAT e. */
static const struct expr *const_by_pieces(
	struct expr_pool *p, enum expr_op op, const struct expr *c, const struct expr *e)
{
	const struct expr *piece[EXPR_MAX_ARGS];
	unsigned at = e->width;

	if (op == EXPR_AND)
		RULE(p, AND_PIECES);
	else
		RULE(p, OR_PIECES);
	for (unsigned i = 0; i < e->nargs; i++) {
		const struct expr *part[2];

		at -= e->arg[i]->width;
		part[0] = expr_extract(p, c, at, e->arg[i]->width);
		part[1] = e->arg[i];
		piece[i] = rewrite_make(p, op, e->arg[i]->width, 0, part, 2);
	}
	return expr_concatn(p, piece, e->nargs);
}

/* c and x, or c or x, as a Concat of the runs of c, or NULL when c has too many. */
static const struct expr *by_runs(
	struct expr_pool *p, enum expr_op op, const struct expr *c, const struct expr *x)
{
	const uint64_t *w = expr_words(c);
	const struct expr *piece[2 * MAX_RUNS + 1];
	unsigned n = 0, ones = 0, lo, hi = x->width;

	for (unsigned i = 0; i < x->width; i++)
		ones += bit(w, i) && (i == 0 || !bit(w, i - 1));
	if (ones > MAX_RUNS)
		return NULL;
	if (op == EXPR_AND)
		RULE(p, AND_MASK);
	else
		RULE(p, OR_MASK);
	for (; hi > 0; hi = lo) {
		bool one = bit(w, hi - 1);

		for (lo = hi - 1; lo > 0 && bit(w, lo - 1) == one; lo--)
			;
		if (one == (op == EXPR_AND)) {
			piece[n++] = expr_extract(p, x, lo, hi - lo);
		} else {
			const struct expr *z = expr_const(p, hi - lo, 0);

			piece[n++] = op == EXPR_AND ? z : expr_not(p, z);
		}
	}
	return expr_concatn(p, piece, n);
}

/* The node op(c, args of x if it is the same op, else x). */
static const struct expr *with_const(
	struct expr_pool *p, enum expr_op op, const struct expr *c, const struct expr *x)
{
	const struct expr *args[EXPR_MAX_ARGS];
	unsigned n = 0;

	args[n++] = c;
	if (x->op == op && x->nargs < EXPR_MAX_ARGS - 1)
		for (unsigned i = 0; i < x->nargs; i++)
			args[n++] = x->arg[i];
	else
		args[n++] = x;
	return expr_raw(p, op, x->width, 0, args, n);
}

/* A mask that stays one is as narrow as its ones. */
static const struct expr *narrow_mask(
	struct expr_pool *p, const struct expr *c, const struct expr *x)
{
	const uint64_t *w = expr_words(c);
	unsigned lo = 0, hi = x->width;
	const struct expr *e;

	while (!bit(w, lo))
		lo++;
	while (!bit(w, hi - 1))
		hi--;
	if (hi - lo == x->width)
		return with_const(p, EXPR_AND, c, x);
	RULE(p, AND_NARROW);
	e = expr_and(p, expr_extract(p, c, lo, hi - lo), expr_extract(p, x, lo, hi - lo));
	if (lo)
		e = expr_concat(p, e, expr_const(p, lo, 0));
	return expr_zext(p, e, x->width);
}

/* op(c, x) for a constant c that decides nothing by itself; x is no constant. */
static const struct expr *apply_const(
	struct expr_pool *p, enum expr_op op, const struct expr *c, const struct expr *x)
{
	const struct expr *args[2] = {c, x}, *e;

	if (op == EXPR_XOR) {
		e = by_pieces(p, op, x->width, args, 2);
		return e ? e : with_const(p, op, c, x);
	}
	if (x->op == EXPR_CONCAT)
		return const_by_pieces(p, op, c, x);
	e = by_runs(p, op, c, x);
	if (e)
		return e;
	return op == EXPR_AND ? narrow_mask(p, c, x) : with_const(p, op, c, x);
}

/* op of the arguments that are no constants; at least one. */
static const struct expr *combine(
	struct expr_pool *p, enum expr_op op, unsigned width, const struct args *l)
{
	const struct expr *e = NULL;

	if (l->n == 1)
		return l->e[0];
	if (op == EXPR_XOR && width == 1 && l->n == 2) {
		RULE(p, XOR_BIT);
		return expr_ne(p, l->e[0], l->e[1]);
	}
	if (op == EXPR_OR && width == 1 && l->n == 2)
		e = less_or_equal(p, l);
	if (!e)
		e = by_pieces(p, op, width, l->e, l->n);
	return e ? e : expr_raw(p, op, width, 0, l->e, l->n);
}

const struct expr *rewrite_bits_op(struct expr_pool *p, enum expr_op op, unsigned width,
	const struct expr *const *args, unsigned n)
{
	const struct expr *c, *x;
	struct args l;

	l.n = 0;
	memset(l.c, op == EXPR_AND ? 0xff : 0, sizeof(l.c));
	for (unsigned i = 0; i < n; i++)
		gather(p, op, &l, args[i]);
	c = expr_wide(p, width, l.c);
	if (l.n == 0)
		return c;
	if (expr_is_const(c, 0)) {
		if (op == EXPR_AND) {
			RULE(p, AND_ZERO);
			return c;
		}
		if (op == EXPR_OR)
			RULE(p, OR_ZERO);
		else
			RULE(p, XOR_ZERO);
	} else if (expr_is_ones(c) && op == EXPR_OR) {
		RULE(p, OR_ONES);
		return c;
	}
	if (op != EXPR_XOR && l.n > 1 && opposite(p, &l)) {
		if (op == EXPR_AND)
			RULE(p, AND_OPPOSITE);
		else
			RULE(p, OR_OPPOSITE);
		x = expr_const(p, width, 0);
		return op == EXPR_AND ? x : expr_not(p, x);
	}
	x = combine(p, op, width, &l);
	if (op == EXPR_AND ? expr_is_ones(c) : expr_is_const(c, 0)) {
		if (op == EXPR_AND)
			RULE(p, AND_ONES);
		return x;
	}
	if (op == EXPR_XOR && expr_is_ones(c)) {
		RULE(p, XOR_ONES);
		return expr_not(p, x);
	}
	if (x->op == EXPR_CONST || (x->op == op && x->arg[0]->op == EXPR_CONST)) {
		const struct expr *again[2] = {c, x};

		return rewrite_make(p, op, width, 0, again, 2);
	}
	return apply_const(p, op, c, x);
}
