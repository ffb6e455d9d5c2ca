/*
 * x86_shift.c: shifts, rotations, bit tests and scans, BMI1 and BMI2.
 *
 * Counts are taken modulo 32, or 64 for operands of 64 bits. A count of zero leaves the flags as
 * they were: known at once for a constant, else a choice that is made when a flag is read.
 */
#include <string.h>

#include "sem/x86_ops.h"

/* The count in operand k as a number of w bits; shifts by one have no such operand. */
static const struct expr *get_count(struct step *x, unsigned k, unsigned w)
{
	uint64_t mask = w == 64 ? 63 : 31;
	const struct expr *n;

	if (k >= x->i->nops)
		return x86_ops_const(x, w, 1);
	if (x86_ops_is_imm(x, k))
		return x86_ops_const(x, w, (uint64_t)x->i->op[k].imm & mask);
	n = x86_ops_low(x, k, 8);
	n = expr_and(x->p, n, x86_ops_const(x, 8, mask));
	return expr_zext(x->p, n, w);
}

/* Sets flags by shift or rotation of a by n to r; a variable n may be zero and keeps them then. */
static void shift_flags(struct step *x, enum flags_kind kind, const struct expr *a,
	const struct expr *n, const struct expr *r)
{
	bool rotates = kind == FLAGS_ROL || kind == FLAGS_ROR;
	unsigned mask = rotates ? FLAG_C | FLAG_O : FLAG_ALL6;
	struct flags *before[X86_FLAG_COUNT];

	memcpy(before, x->s->flag, sizeof(before));
	flags_set_named(x->s, mask & ~FLAG_A, kind, x->i->mnemonic, a, n, r);
	if (mask & FLAG_A)
		flags_undefined(x->s, FLAG_A, x->i->mnemonic, a, n);
	if (n->op != EXPR_CONST)
		flags_keep(x->s, mask, expr_eq(x->p, n, x86_ops_const(x, n->width, 0)), before);
	if (x->s->fx && !expr_is_const(n, 1))
		x->s->fx->flags_undefined |= FLAG_O;
}

/* A count of zero: nothing happens but the zero extension of a 32-bit register. */
static bool no_count(struct step *x, const struct expr *n, const struct expr *a)
{
	if (!expr_is_const(n, 0))
		return false;
	x86_ops_put(x, 0, a);
	return true;
}

void x86_shift_shift(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *n = get_count(x, 1, a->width), *r;
	enum flags_kind kind = x->arg == EXPR_SHL    ? FLAGS_SHL
			       : x->arg == EXPR_LSHR ? FLAGS_SHR
						     : FLAGS_SAR;

	if (no_count(x, n, a))
		return;
	r = kind == FLAGS_SHL   ? expr_shl(x->p, a, n)
	    : kind == FLAGS_SHR ? expr_lshr(x->p, a, n)
				: expr_ashr(x->p, a, n);
	shift_flags(x, kind, a, n, r);
	x86_ops_put(x, 0, r);
}

void x86_shift_rotate(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *n = get_count(x, 1, a->width), *r;

	if (no_count(x, n, a))
		return;
	r = x->arg == EXPR_ROL ? expr_rol(x->p, a, n) : expr_ror(x->p, a, n);
	shift_flags(x, x->arg == EXPR_ROL ? FLAGS_ROL : FLAGS_ROR, a, n, r);
	x86_ops_put(x, 0, r);
}

/* rcl, rcr: a rotation of CF and the operand as one value of w + 1 bits. */
void x86_shift_rotate_carry(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *n = get_count(x, 1, a->width), *r, *c, *o;
	struct flags *before[X86_FLAG_COUNT];
	unsigned w = a->width;

	if (no_count(x, n, a))
		return;
	r = expr_concat(x->p, state_flag(x->s, X86_CF), a);
	o = expr_zext(x->p, n, w + 1);
	r = x->arg == EXPR_ROL ? expr_rol(x->p, r, o) : expr_ror(x->p, r, o);
	c = expr_extract(x->p, r, w, 1);
	r = expr_extract(x->p, r, 0, w);
	memcpy(before, x->s->flag, sizeof(before));
	/* O: rcl by one compares the top bit with the new carry, rcr the two top bits. */
	o = x->arg == EXPR_ROL ? c : expr_extract(x->p, r, w - 2, 1);
	flags_put(x->s, X86_CF, c);
	o = expr_xor(x->p, expr_extract(x->p, r, w - 1, 1), o);
	if (!expr_is_const(n, 1)) {
		flags_undefined(x->s, FLAG_O, x->i->mnemonic, a, n);
		o = expr_ite(x->p, expr_eq(x->p, n, x86_ops_const(x, w, 1)), o,
			state_peek_flag(x->s, X86_OF));
	}
	flags_put(x->s, X86_OF, o);
	if (n->op != EXPR_CONST)
		flags_keep(x->s, FLAG_C | FLAG_O, expr_eq(x->p, n, x86_ops_const(x, w, 0)), before);
	x86_ops_put(x, 0, r);
}

/* shld, shrd: the bits that come in are those of operand 1. */
void x86_shift_double(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_get(x, 1), *r, *rest;
	unsigned w = a->width;
	const struct expr *n = get_count(x, 2, w);

	if (no_count(x, n, a))
		return;
	rest = expr_sub(x->p, x86_ops_const(x, w, w), n);
	r = x->arg == EXPR_SHL ? expr_or(x->p, expr_shl(x->p, a, n), expr_lshr(x->p, b, rest))
			       : expr_or(x->p, expr_lshr(x->p, a, n), expr_shl(x->p, b, rest));
	shift_flags(x, x->arg == EXPR_SHL ? FLAGS_SHLD : FLAGS_SHRD, a, n, r);
	x86_ops_put(x, 0, r);
}

void x86_shift_no_flags(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *n = get_count(x, 2, a->width);

	x86_ops_put(x, 0,
		x->arg == EXPR_SHL    ? expr_shl(x->p, a, n)
		: x->arg == EXPR_LSHR ? expr_lshr(x->p, a, n)
				      : expr_ashr(x->p, a, n));
}

void x86_shift_rorx(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1);

	x86_ops_put(x, 0, expr_ror(x->p, a, get_count(x, 2, a->width)));
}

/* ---- single bits ---- */

/* bt, bts, btr, btc. A register counts bits from memory operand 0 on, as far as it will. */
void x86_shift_bit_test(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), log = w == 16 ? 4 : w == 32 ? 5 : 6;
	const struct expr *n = x86_ops_low(x, 1, w), *a, *r, *bit;

	if (x86_ops_is_mem(x, 0) && !x86_ops_is_imm(x, 1)) {
		const struct expr *far = expr_ashr(x->p, n, x86_ops_const(x, w, log));

		far = expr_sext(x->p, far, 8 * x->word);
		far = expr_mul(x->p, far, x86_ops_const(x, far->width, w / 8));
		x->addr[0] = expr_add(x->p, x86_ops_addr(x, 0), far);
	}
	a = x86_ops_get(x, 0);
	n = expr_and(x->p, n, x86_ops_const(x, w, w - 1));
	flags_put(x->s, X86_CF, expr_extract(x->p, expr_lshr(x->p, a, n), 0, 1));
	flags_undefined(x->s, FLAG_ALL6 & ~(FLAG_C | FLAG_Z), x->i->mnemonic, a, n);
	if (!x->arg)
		return;
	bit = expr_shl(x->p, x86_ops_const(x, w, 1), n);
	r = x->arg == EXPR_OR    ? expr_or(x->p, a, bit)
	    : x->arg == EXPR_XOR ? expr_xor(x->p, a, bit)
				 : expr_and(x->p, a, expr_not(x->p, bit));
	x86_ops_put(x, 0, r);
}

/* bsf, bsr: of zero the result stays as it was. */
void x86_shift_scan(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *none, *r, *old;
	unsigned w = a->width;

	none = expr_eq(x->p, a, x86_ops_const(x, w, 0));
	r = x->arg == EXPR_CTZ ? expr_ctz(x->p, a)
			       : expr_sub(x->p, x86_ops_const(x, w, w - 1), expr_clz(x->p, a));
	flags_put(x->s, X86_ZF, none);
	flags_undefined(x->s, FLAG_ALL6 & ~FLAG_Z, x->i->mnemonic, a, NULL);
	/* All 64 bits stay, so that a 32-bit result is extended before the choice. */
	old = x86_ops_reg(x, x->i->op[0].reg.id, w == 16 ? 2 : x->word);
	x86_ops_set_reg(
		x, x->i->op[0].reg.id, expr_ite(x->p, none, old, expr_zext(x->p, r, old->width)));
}

/* tzcnt, lzcnt */
void x86_shift_count(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *r;
	const struct expr *zero = x86_ops_const(x, a->width, 0);

	r = x->arg == EXPR_CTZ ? expr_ctz(x->p, a) : expr_clz(x->p, a);
	flags_put(x->s, X86_CF, expr_eq(x->p, a, zero));
	flags_put(x->s, X86_ZF, expr_eq(x->p, r, zero));
	flags_undefined(x->s, FLAG_ALL6 & ~(FLAG_C | FLAG_Z), x->i->mnemonic, a, NULL);
	x86_ops_put(x, 0, r);
}

void x86_shift_popcnt(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1);

	flags_set(x->s, FLAG_ALL6 & ~FLAG_Z, FLAGS_VALUE, x86_ops_const(x, 1, 0), NULL, NULL);
	flags_put(x->s, X86_ZF, expr_eq(x->p, a, x86_ops_const(x, a->width, 0)));
	x86_ops_put(x, 0, expr_popcnt(x->p, a));
}

/* ---- BMI1, BMI2 ---- */

/* Z and S of r, C as given, O clear, A and P undefined. */
static void bmi_flags(struct step *x, const struct expr *c, const struct expr *r)
{
	flags_set(x->s, FLAG_Z | FLAG_S | FLAG_O, FLAGS_LOGIC, NULL, NULL, r);
	flags_put(x->s, X86_CF, c);
	flags_undefined(x->s, FLAG_A | FLAG_P, x->i->mnemonic, r, NULL);
}

void x86_shift_andn(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *b = x86_ops_get(x, 2);
	const struct expr *r = expr_and(x->p, expr_not(x->p, a), b);

	bmi_flags(x, x86_ops_const(x, 1, 0), r);
	x86_ops_put(x, 0, r);
}

/* blsi: x & -x; blsr: x & (x - 1); blsmsk: x ^ (x - 1). */
void x86_shift_lowest(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *zero = x86_ops_const(x, a->width, 0), *r, *c;
	const struct expr *less = expr_sub(x->p, a, x86_ops_const(x, a->width, 1));

	c = expr_eq(x->p, a, zero);
	switch (x->arg) {
	case 0:
		r = expr_and(x->p, a, expr_neg(x->p, a));
		c = expr_not(x->p, c);
		break;
	case 1: r = expr_and(x->p, a, less); break;
	default: r = expr_xor(x->p, a, less); break;
	}
	bmi_flags(x, c, r);
	x86_ops_put(x, 0, r);
}

/* Ones in the low n bits; n has w bits and is below 256. */
static const struct expr *low_ones(struct step *x, const struct expr *n)
{
	const struct expr *one = x86_ops_const(x, n->width, 1);

	return expr_sub(x->p, expr_shl(x->p, one, n), one); /* shl by w or more gives 0 - 1 */
}

void x86_shift_bextr(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *control = x86_ops_low(x, 2, 16), *r;
	unsigned w = a->width;

	r = expr_lshr(x->p, a, expr_zext(x->p, expr_extract(x->p, control, 0, 8), w));
	r = expr_and(x->p, r, low_ones(x, expr_zext(x->p, expr_extract(x->p, control, 8, 8), w)));
	flags_set(x->s, FLAG_Z | FLAG_O | FLAG_C, FLAGS_LOGIC, NULL, NULL, r);
	flags_undefined(x->s, FLAG_A | FLAG_P | FLAG_S, x->i->mnemonic, r, NULL);
	x86_ops_put(x, 0, r);
}

void x86_shift_bzhi(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *n = x86_ops_low(x, 2, 8), *r;
	unsigned w = a->width;

	r = expr_and(x->p, a, low_ones(x, expr_zext(x->p, n, w)));
	bmi_flags(x, expr_ult(x->p, x86_ops_const(x, 8, w - 1), n), r);
	x86_ops_put(x, 0, r);
}

void x86_shift_deposit(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *mask = x86_ops_get(x, 2);

	x86_ops_put(
		x, 0, x->arg == EXPR_PDEP ? expr_pdep(x->p, a, mask) : expr_pext(x->p, a, mask));
}
