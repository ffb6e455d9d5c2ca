/* a64_int.c: integer arithmetic and logic, fields, selects (Arm ARM, C4.1.86 and C4.1.89). */
#include "sem/a64_ops.h"

static bool is_wide(const struct a64 *x)
{
	return x->w >> 31;
}

static unsigned width(const struct a64 *x)
{
	return is_wide(x) ? 64 : 32;
}

static const struct expr *rn(struct a64 *x)
{
	return a64_get(x, a64_bits(x, 5, 5), is_wide(x));
}

static const struct expr *rm(struct a64 *x)
{
	return a64_get(x, a64_bits(x, 16, 5), is_wide(x));
}

static void put_rd(struct a64 *x, const struct expr *v)
{
	a64_put(x, a64_bits(x, 0, 5), v);
}

/* ---- addresses ---- */

void a64_int_adr(struct a64 *x)
{
	const struct expr *pc = a64_get_sp(x, A64_PC, true), *r;
	int64_t by = (int64_t)((uint64_t)a64_signed(x, 5, 19) << 2 | a64_bits(x, 29, 2));

	pc = expr_sub(x->p, pc, a64_const(x, 64, 4));
	if (is_wide(x)) { /* adrp: pages */
		by = (int64_t)((uint64_t)by << 12);
		pc = expr_concat(x->p, expr_extract(x->p, pc, 12, 52), a64_const(x, 12, 0));
	}
	r = expr_add(x->p, pc, a64_const(x, 64, (uint64_t)by));
	put_rd(x, x->s->address ? x->s->address : r);
}

/* ---- sums ---- */

/* The flags of a + b = r: cmn a, 5 says what cmp a, -5 does. */
static void sum_flags(
	struct a64 *x, const struct expr *a, const struct expr *b, const struct expr *r)
{
	bool has_opposite =
		b->op == EXPR_CONST && b->val && b->val != UINT64_C(1) << (a->width - 1);

	if (has_opposite)
		a64_compare(x, a, expr_neg(x->p, b));
	else
		flags_set(x->s, A64_NZCV, FLAGS_ADD, a, b, r);
}

/* a + b, or a - b; sets the flags as the instruction says. */
static const struct expr *sum(struct a64 *x, const struct expr *a, const struct expr *b)
{
	bool subtract = a64_bits(x, 30, 1), sets = a64_bits(x, 29, 1);
	const struct expr *r = subtract ? expr_sub(x->p, a, b) : expr_add(x->p, a, b);

	if (sets && subtract)
		a64_compare(x, a, b);
	else if (sets)
		sum_flags(x, a, b, r);
	return r;
}

void a64_int_add_imm(struct a64 *x)
{
	uint64_t imm = (uint64_t)a64_bits(x, 10, 12) << (a64_bits(x, 22, 1) ? 12 : 0);
	const struct expr *a = a64_get_sp(x, a64_bits(x, 5, 5), is_wide(x)), *r;

	r = sum(x, a, a64_const(x, width(x), imm));
	if (x->s->address && is_wide(x))
		r = x->s->address;
	if (a64_bits(x, 29, 1))
		put_rd(x, r);
	else
		a64_put_sp(x, a64_bits(x, 0, 5), r);
}

/* Register m shifted by a constant; 3 rotates. */
static const struct expr *shifted(struct a64 *x)
{
	const struct expr *v = rm(x), *n = a64_const(x, v->width, a64_bits(x, 10, 6));

	switch (a64_bits(x, 22, 2)) {
	case 0: return expr_shl(x->p, v, n);
	case 1: return expr_lshr(x->p, v, n);
	case 2: return expr_ashr(x->p, v, n);
	default: return expr_ror(x->p, v, n);
	}
}

void a64_int_add(struct a64 *x)
{
	unsigned n = a64_bits(x, 5, 5);
	const struct expr *a, *b;

	if (a64_bits(x, 30, 1) && n == a64_bits(x, 16, 5) && !a64_bits(x, 10, 6)) {
		a = a64_const(x, width(x), 0); /* x - x reads nothing, as on x86 */
		b = a;
	} else {
		a = rn(x);
		b = shifted(x);
	}
	put_rd(x, sum(x, a, b));
}

void a64_int_add_extended(struct a64 *x)
{
	unsigned option = a64_bits(x, 13, 3), bits = 8u << (option & 3);
	const struct expr *a = a64_get_sp(x, a64_bits(x, 5, 5), is_wide(x)), *b, *r;

	b = a64_get(x, a64_bits(x, 16, 5), bits == 64);
	b = expr_extract(x->p, b, 0, MIN(bits, width(x)));
	b = option & 4 ? expr_sext(x->p, b, width(x)) : expr_zext(x->p, b, width(x));
	b = expr_shl(x->p, b, a64_const(x, width(x), a64_bits(x, 10, 3)));
	r = sum(x, a, b);
	if (a64_bits(x, 29, 1))
		put_rd(x, r);
	else
		a64_put_sp(x, a64_bits(x, 0, 5), r);
}

void a64_int_add_carry(struct a64 *x)
{
	const struct expr *a = rn(x), *b = rm(x), *c = state_flag(x->s, X86_CF), *r;

	if (a64_bits(x, 30, 1))
		b = expr_not(x->p, b);
	r = expr_add(x->p, expr_add(x->p, a, b), expr_zext(x->p, c, width(x)));
	if (a64_bits(x, 29, 1))
		flags_set(x->s, A64_NZCV, FLAGS_ADC, a, b, r);
	put_rd(x, r);
}

/* ---- logic ---- */

static void put_logic(struct a64 *x, const struct expr *r)
{
	bool sets = a64_bits(x, 29, 2) == 3;

	if (sets)
		flags_set(x->s, A64_NZCV, FLAGS_LOGIC, NULL, NULL, r);
	/* Immediates may be for the stack pointer. */
	if (!sets && a64_bits(x, 24, 5) == 0x12)
		a64_put_sp(x, a64_bits(x, 0, 5), r);
	else
		put_rd(x, r);
}

static const struct expr *logic(struct a64 *x, const struct expr *a, const struct expr *b)
{
	switch (a64_bits(x, 29, 2)) {
	case 1: return expr_or(x->p, a, b);
	case 2: return expr_xor(x->p, a, b);
	default: return expr_and(x->p, a, b);
	}
}

uint64_t a64_int_mask(unsigned n, unsigned immr, unsigned imms, bool wide)
{
	unsigned code = n << 6 | (~imms & 63), size, ones, turn;
	uint64_t element, all, r = 0;

	if (code < 2 || (n && !wide))
		return 0;
	size = 1u << (31 - __builtin_clz(code)); /* bits of the element that is repeated */
	ones = (imms & (size - 1)) + 1;
	turn = immr & (size - 1);
	if (ones == size)
		return 0;
	all = UINT64_MAX >> (64 - size);
	element = (UINT64_C(1) << ones) - 1;
	if (turn)
		element = (element >> turn | element << (size - turn)) & all;
	for (unsigned at = 0; at < 64; at += size)
		r |= element << at;
	return wide ? r : r & UINT32_MAX;
}

void a64_int_logic_imm(struct a64 *x)
{
	uint64_t m = a64_int_mask(
		a64_bits(x, 22, 1), a64_bits(x, 16, 6), a64_bits(x, 10, 6), is_wide(x));

	put_logic(x, logic(x, rn(x), a64_const(x, width(x), m)));
}

void a64_int_logic(struct a64 *x)
{
	bool same = a64_bits(x, 5, 5) == a64_bits(x, 16, 5) && !a64_bits(x, 10, 6);
	const struct expr *a, *b;

	if (a64_bits(x, 29, 2) == 2 && same && !a64_bits(x, 21, 1)) {
		put_rd(x, a64_const(x, width(x), 0)); /* x ^ x reads nothing */
		return;
	}
	a = rn(x);
	b = shifted(x);
	put_logic(x, logic(x, a, a64_bits(x, 21, 1) ? expr_not(x->p, b) : b));
}

/* movn, movz, movk */
void a64_int_move_wide(struct a64 *x)
{
	unsigned at = a64_bits(x, 21, 2) * 16, w = width(x);
	uint64_t v = (uint64_t)a64_bits(x, 5, 16) << at, hole = ~(UINT64_C(0xffff) << at);
	const struct expr *r;

	switch (a64_bits(x, 29, 2)) {
	case 0: r = a64_const(x, w, ~v); break;
	case 2: r = a64_const(x, w, v); break;
	default:
		r = a64_get(x, a64_bits(x, 0, 5), is_wide(x));
		r = expr_or(x->p, expr_and(x->p, r, a64_const(x, w, hole)), a64_const(x, w, v));
	}
	put_rd(x, r);
}

/* ---- fields ---- */

/* sbfm, bfm, ubfm: a field of n bits from bit `from` of the source goes to bit `to`. */
void a64_int_bitfield(struct a64 *x)
{
	unsigned r = a64_bits(x, 16, 6), s = a64_bits(x, 10, 6), w = width(x);
	unsigned from = s >= r ? r : 0, to = s >= r ? 0 : w - r, n = s >= r ? s - r + 1 : s + 1;
	unsigned above = w - to - n;
	const struct expr *v, *old, *piece[3];
	unsigned k = 0;

	v = expr_extract(x->p, rn(x), from, n);
	switch (a64_bits(x, 29, 2)) {
	case 1: /* the rest stays */
		old = n == w ? NULL : a64_get(x, a64_bits(x, 0, 5), is_wide(x));
		if (above)
			piece[k++] = expr_extract(x->p, old, to + n, above);
		piece[k++] = v;
		if (to)
			piece[k++] = expr_extract(x->p, old, 0, to);
		put_rd(x, expr_concatn(x->p, piece, k));
		return;
	case 0: v = expr_sext(x->p, v, w - to); break;
	default: v = expr_zext(x->p, v, w - to); break;
	}
	if (to)
		v = expr_concat(x->p, v, a64_const(x, to, 0));
	put_rd(x, v);
}

void a64_int_extract(struct a64 *x)
{
	unsigned lsb = a64_bits(x, 10, 6);

	if (a64_bits(x, 5, 5) == a64_bits(x, 16, 5)) /* ror */
		put_rd(x, expr_ror(x->p, rn(x), a64_const(x, width(x), lsb)));
	else
		put_rd(x, expr_extract(x->p, expr_concat(x->p, rn(x), rm(x)), lsb, width(x)));
}

/* ---- conditions ---- */

void a64_int_cond_compare(struct a64 *x)
{
	const struct expr *holds = state_cond(x->s, a64_cc(a64_bits(x, 12, 4)));
	const struct expr *a = rn(x), *b;
	unsigned w = width(x);

	b = a64_bits(x, 11, 1) ? a64_const(x, w, a64_bits(x, 16, 5)) : rm(x);
	if (a64_bits(x, 30, 1))
		a64_compare(x, a, b);
	else
		sum_flags(x, a, b, expr_add(x->p, a, b));
	flags_unless(x->s, A64_NZCV, holds, a64_nzcv(a64_bits(x, 0, 4)));
}

/* csel, csinc, csinv, csneg */
void a64_int_cond_select(struct a64 *x)
{
	const struct expr *c = state_cond(x->s, a64_cc(a64_bits(x, 12, 4)));
	const struct expr *a = rn(x), *b = rm(x);
	unsigned kind = a64_bits(x, 30, 1) * 2 + a64_bits(x, 10, 1);

	x->s->cond = c;
	switch (kind) {
	case 1: b = expr_add(x->p, b, a64_const(x, width(x), 1)); break;
	case 2: b = expr_not(x->p, b); break;
	case 3: b = expr_neg(x->p, b); break;
	default: break;
	}
	put_rd(x, expr_ite(x->p, c, a, b));
}

/* ---- of one, two, three registers ---- */

/* Division by zero is zero. */
static const struct expr *divide(
	struct a64 *x, const struct expr *a, const struct expr *b, bool sign)
{
	const struct expr *zero = a64_const(x, a->width, 0);

	return expr_ite(x->p, expr_eq(x->p, b, zero), zero,
		sign ? expr_sdiv(x->p, a, b) : expr_udiv(x->p, a, b));
}

void a64_int_two(struct a64 *x)
{
	const struct expr *a = rn(x), *b = rm(x), *n;

	/* Amounts are taken modulo the width. */
	n = expr_and(x->p, b, a64_const(x, width(x), width(x) - 1));
	switch (a64_bits(x, 10, 6)) {
	case 2: put_rd(x, divide(x, a, b, false)); break;
	case 3: put_rd(x, divide(x, a, b, true)); break;
	case 8: put_rd(x, expr_shl(x->p, a, n)); break;
	case 9: put_rd(x, expr_lshr(x->p, a, n)); break;
	case 10: put_rd(x, expr_ashr(x->p, a, n)); break;
	default: put_rd(x, expr_ror(x->p, a, n)); break;
	}
}

const struct expr *a64_int_reverse(
	struct a64 *x, const struct expr *v, unsigned unit, unsigned piece)
{
	const struct expr *to[64];
	unsigned n = 0, each = unit / piece;

	for (unsigned hi = v->width; hi; hi -= unit) /* the highest first */
		for (unsigned k = 0; k < each; k++)
			to[n++] = expr_extract(x->p, v, hi - unit + k * piece, piece);
	return expr_concatn(x->p, to, n);
}

/* Leading bits that are as the sign, without it. */
static const struct expr *count_sign(struct a64 *x, const struct expr *v)
{
	unsigned w = v->width;
	const struct expr *d =
		expr_xor(x->p, expr_extract(x->p, v, 1, w - 1u), expr_extract(x->p, v, 0, w - 1u));

	/* A one at the end stops the count where all are as the sign. */
	return expr_clz(x->p, expr_concat(x->p, d, a64_const(x, 1, 1)));
}

/* Leading zeros of what was reversed just before, rbit, are trailing ones of that. */
static const struct expr *count_zeros(struct a64 *x, const struct expr *v)
{
	const struct expr *back = a64_int_reverse(x, v, v->width, 1);

	return back->size < v->size ? expr_ctz(x->p, back) : expr_clz(x->p, v);
}

void a64_int_one(struct a64 *x)
{
	const struct expr *v = rn(x);

	switch (a64_bits(x, 10, 6)) {
	case 0: put_rd(x, a64_int_reverse(x, v, v->width, 1)); break;
	case 1: put_rd(x, a64_int_reverse(x, v, 16, 8)); break;
	case 2: put_rd(x, a64_int_reverse(x, v, 32, 8)); break;
	case 3: put_rd(x, a64_int_reverse(x, v, 64, 8)); break;
	case 4: put_rd(x, count_zeros(x, v)); break;
	case 5: put_rd(x, count_sign(x, v)); break;
	default: a64_text_unknown(x); break;
	}
}

void a64_int_three(struct a64 *x)
{
	unsigned op = a64_bits(x, 21, 3), a = a64_bits(x, 10, 5);
	bool subtract = a64_bits(x, 15, 1), is_unsigned = op & 4;
	const struct expr *n, *m, *r;

	if (op) { /* of 32 bits or, for the high half, 64 */
		unsigned half = op & 2 ? 64 : 32, full = 2 * half;

		n = a64_get(x, a64_bits(x, 5, 5), half == 64);
		m = a64_get(x, a64_bits(x, 16, 5), half == 64);
		n = is_unsigned ? expr_zext(x->p, n, full) : expr_sext(x->p, n, full);
		m = is_unsigned ? expr_zext(x->p, m, full) : expr_sext(x->p, m, full);
		r = expr_mul(x->p, n, m);
		if (op & 2) {
			put_rd(x, expr_extract(x->p, r, 64, 64));
			return;
		}
	} else {
		r = expr_mul(x->p, rn(x), rm(x));
	}
	n = a64_get(x, a, is_wide(x));
	put_rd(x, subtract ? expr_sub(x->p, n, r) : expr_add(x->p, n, r));
}
