/*
 * rewrite_parts.c: rules for CONCAT, EXTRACT and SEXT.
 *
 * The one idea: EXTRACT is pushed down to what it selects from, CONCAT puts together what belongs
 * together, so that a value cut into parts and joined again is the value itself.
 */
#include "sem/rewrite.h"

/* The pieces of a CONCAT while it is built, the highest first. */
struct pieces {
	const struct expr *e[EXPR_MAX_ARGS];
	unsigned n;
};

/* A run of bits in memory: bit `lo` of the bytes at base + offset in memory mem. */
struct memory_bits {
	const struct expr *mem, *base;
	int64_t bit;
};

static bool memory_bits(struct expr_pool *p, const struct expr *e, struct memory_bits *m)
{
	const struct expr *load = e->op == EXPR_EXTRACT ? e->arg[0] : e;

	if (load->op != EXPR_LOAD || load->arg[0]->width > 64)
		return false;
	expr_split(p, load->arg[0], &m->base, &m->bit);
	if (m->base && m->base->op == EXPR_TRUNC)
		return false;
	if (m->bit > INT64_MAX / 16 || m->bit < INT64_MIN / 16)
		return false;
	m->bit = m->bit * 8 + (e->op == EXPR_EXTRACT ? e->lo : 0);
	m->mem = load->nargs > 1 ? load->arg[1] : NULL;
	return true;
}

static bool memory_neighbours(struct expr_pool *p, const struct expr *hi, const struct expr *lo)
{
	struct memory_bits h, l;

	return hi->width + lo->width + 14u <= EXPR_MAX_WIDTH && memory_bits(p, hi, &h) &&
	       memory_bits(p, lo, &l) && h.base == l.base && h.mem == l.mem &&
	       h.bit == l.bit + lo->width;
}

/* The bits of hi and lo, neighbours in memory, as one. */
static const struct expr *join_memory(
	struct expr_pool *p, const struct expr *hi, const struct expr *lo)
{
	const struct expr *load = lo->op == EXPR_EXTRACT ? lo->arg[0] : lo;
	unsigned at = lo->op == EXPR_EXTRACT ? lo->lo : 0, width = hi->width + lo->width;
	const struct expr *e;

	e = expr_load(
		p, load->nargs > 1 ? load->arg[1] : NULL, load->arg[0], (at + width + 7) / 8 * 8);
	return expr_extract(p, e, at, width);
}

/* Is hi nothing but copies of the top bit of lo? */
static bool is_sign_of(struct expr_pool *p, const struct expr *hi, const struct expr *lo)
{
	const struct expr *sign = hi->op == EXPR_SEXT ? hi->arg[0] : hi;

	return sign->width == 1 && sign->op != EXPR_CONST && lo->op != EXPR_CONST &&
	       lo->width > 1 && expr_extract(p, lo, lo->width - 1u, 1) == sign;
}

/* One piece for the neighbours hi and lo, or NULL. */
static const struct expr *join(struct expr_pool *p, const struct expr *hi, const struct expr *lo)
{
	if (hi->op == EXPR_CONST && lo->op == EXPR_CONST) {
		const struct expr *both[2] = {hi, lo};

		RULE(p, CONCAT_CONST);
		return rewrite_make(p, EXPR_CONCAT, hi->width + lo->width, 0, both, 2);
	}
	if (hi->op == EXPR_EXTRACT && lo->op == EXPR_EXTRACT && hi->arg[0] == lo->arg[0] &&
		hi->lo == lo->lo + lo->width) {
		RULE(p, CONCAT_EXTRACT);
		return expr_extract(p, lo->arg[0], lo->lo, hi->width + lo->width);
	}
	if (memory_neighbours(p, hi, lo)) {
		RULE(p, CONCAT_LOAD);
		return join_memory(p, hi, lo);
	}
	if ((hi->op == EXPR_SEXT || hi->width == 1) && is_sign_of(p, hi, lo)) {
		RULE(p, CONCAT_SIGN);
		return expr_sext(p, lo, hi->width + lo->width);
	}
	return NULL;
}

static void push(struct expr_pool *p, struct pieces *l, const struct expr *e)
{
	const struct expr *both;

	if (e->op == EXPR_CONCAT && l->n + e->nargs < EXPR_MAX_ARGS / 2) {
		RULE(p, FLAT);
		for (unsigned i = 0; i < e->nargs; i++)
			push(p, l, e->arg[i]);
		return;
	}
	both = l->n ? join(p, l->e[l->n - 1], e) : NULL;
	if (both) {
		l->n--;
		push(p, l, both);
	} else {
		l->e[l->n++] = e;
	}
}

/* x[w-1-k:0] Concat c is what a shift to the left leaves, with the sum of what came in. */
static bool is_shift(const struct pieces *l, unsigned width)
{
	const struct expr *hi = l->e[0];

	return l->n == 2 && width <= 64 && l->e[1]->op == EXPR_CONST && hi->op == EXPR_EXTRACT &&
	       hi->lo == 0 && hi->arg[0]->width == width;
}

static bool is_const_ite(const struct expr *e)
{
	return e->op == EXPR_ITE && e->arg[1]->op == EXPR_CONST && e->arg[2]->op == EXPR_CONST;
}

const struct expr *rewrite_parts_concat(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n)
{
	struct pieces l;
	const struct expr *x;

	l.n = 0;
	for (unsigned i = 0; i < n; i++)
		push(p, &l, args[i]);
	if (l.n == 1)
		return l.e[0];
	if (is_shift(&l, width)) {
		RULE(p, CONCAT_SHIFT);
		x = expr_mul(p, expr_const(p, width, UINT64_C(1) << l.e[1]->width), l.e[0]->arg[0]);
		return expr_add(p, expr_const(p, width, l.e[1]->val), x);
	}
	if (l.n == 2 && l.e[0]->op == EXPR_CONST && is_const_ite(l.e[1])) {
		RULE(p, CONCAT_ITE);
		x = l.e[1];
		return expr_ite(p, x->arg[0], expr_concat(p, l.e[0], x->arg[1]),
			expr_concat(p, l.e[0], x->arg[2]));
	}
	return expr_raw(p, EXPR_CONCAT, width, 0, l.e, l.n);
}

static const struct expr *extract_concat(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	const struct expr *piece[EXPR_MAX_ARGS];
	unsigned n = 0, at = a->width, hi = lo + width;

	RULE(p, EXTRACT_CONCAT);
	for (unsigned i = 0; i < a->nargs; i++) {
		const struct expr *e = a->arg[i];
		unsigned top = at, from, to;

		at -= e->width;
		from = MAX(lo, at);
		to = MIN(hi, top);
		if (from < to)
			piece[n++] = expr_extract(p, e, from - at, to - from);
	}
	return n == 1 ? piece[0] : expr_concatn(p, piece, n);
}

static const struct expr *extract_sext(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	const struct expr *x = a->arg[0];

	RULE(p, EXTRACT_SEXT);
	if (lo + width <= x->width)
		return expr_extract(p, x, lo, width);
	lo = MIN(lo, x->width - 1u);
	return expr_sext(p, expr_extract(p, x, lo, x->width - lo), width);
}

/* The same operator on the extracts of the arguments. */
static const struct expr *extract_args(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	const struct expr *args[EXPR_MAX_ARGS];

	for (unsigned i = 0; i < a->nargs; i++)
		args[i] = expr_extract(p, a->arg[i], lo, width);
	return rewrite_make(p, a->op, width, 0, args, a->nargs);
}

/* Memory is read by the bytes that are needed. NULL when it already is. */
static const struct expr *extract_load(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	unsigned need = (lo % 8 + width + 7) / 8 * 8;
	const struct expr *addr = a->arg[0];

	if (need >= a->width || addr->width > 64)
		return NULL;
	RULE(p, EXTRACT_LOAD);
	addr = expr_add(p, addr, expr_const(p, addr->width, lo / 8));
	return expr_extract(
		p, expr_load(p, a->nargs > 1 ? a->arg[1] : NULL, addr, need), lo % 8, width);
}

/* Bits of a MUL or ADD above bit 0: of the shift itself, or of the narrowest sum. NULL if as is. */
static const struct expr *extract_sum(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	const struct expr *c = a->arg[0];
	unsigned k;

	if (lo == 0) {
		RULE(p, EXTRACT_SUM);
		return extract_args(p, a, 0, width);
	}
	if (a->op == EXPR_MUL && a->nargs == 2 && c->op == EXPR_CONST && c->width <= 64 &&
		!(c->val & (c->val - 1))) {
		k = (unsigned)__builtin_ctzll(c->val);
		if (lo >= k) {
			RULE(p, EXTRACT_SHIFT);
			return expr_extract(p, a->arg[1], lo - k, width);
		}
	}
	if (lo + width == a->width)
		return NULL;
	RULE(p, EXTRACT_CUT);
	return expr_extract(p, expr_extract(p, a, 0, lo + width), lo, width);
}

/* Is x, an argument of the division a, a number of `width` bits? */
static bool fits(const struct expr *a, const struct expr *x, unsigned width)
{
	if (a->op == EXPR_SDIV)
		return rewrite_signed_bits(x) <= width;
	return x->width - rewrite_zeros(x) <= width;
}

const struct expr *rewrite_parts_extract(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	bool push_down = a->size <= REWRITE_PUSH_MAX;
	const struct expr *e = NULL;

	switch (a->op) {
	case EXPR_EXTRACT:
		RULE(p, EXTRACT_EXTRACT);
		return expr_extract(p, a->arg[0], a->lo + lo, width);
	case EXPR_CONCAT: return extract_concat(p, a, lo, width);
	case EXPR_SEXT: return extract_sext(p, a, lo, width);
	case EXPR_LOAD: e = extract_load(p, a, lo, width); break;
	case EXPR_NOT:
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_XOR:
		if (push_down) {
			RULE(p, EXTRACT_BITS);
			e = extract_args(p, a, lo, width);
		}
		break;
	case EXPR_ADD:
	case EXPR_MUL:
		if (push_down)
			e = extract_sum(p, a, lo, width);
		break;
	case EXPR_ITE:
		if (push_down) {
			RULE(p, EXTRACT_ITE);
			e = expr_ite(p, a->arg[0], expr_extract(p, a->arg[1], lo, width),
				expr_extract(p, a->arg[2], lo, width));
		}
		break;
	case EXPR_UDIV:
	case EXPR_SDIV:
		if (lo == 0 && push_down && fits(a, a->arg[0], width) &&
			fits(a, a->arg[1], width)) {
			RULE(p, EXTRACT_DIV);
			e = extract_args(p, a, 0, width);
		}
		break;
	}
	return e ? e : expr_raw(p, EXPR_EXTRACT, width, lo, &a, 1);
}

const struct expr *rewrite_parts_sext(struct expr_pool *p, const struct expr *a, unsigned width)
{
	if (width == a->width)
		return a;
	if (a->op == EXPR_SEXT) {
		RULE(p, SEXT_SEXT);
		return expr_sext(p, a->arg[0], width);
	}
	if (a->op == EXPR_CONCAT && a->arg[0]->op == EXPR_CONST) {
		RULE(p, SEXT_ZERO);
		return expr_concat(p, expr_sext(p, a->arg[0], width - a->width + a->arg[0]->width),
			expr_extract(p, a, 0, a->width - a->arg[0]->width));
	}
	if (is_const_ite(a)) {
		RULE(p, SEXT_ITE);
		return expr_ite(p, a->arg[0], expr_sext(p, a->arg[1], width),
			expr_sext(p, a->arg[2], width));
	}
	return expr_raw(p, EXPR_SEXT, width, 0, &a, 1);
}
