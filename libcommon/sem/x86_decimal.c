/*
 * x86_decimal.c: what only 32-bit code has: decimal adjustments, and the stack of all general
 * registers. After Intel's Software Developer's Manual, volume 2.
 */
#include "sem/x86_ops.h"

static const struct expr *number(struct step *x, unsigned width, uint64_t v)
{
	return x86_ops_const(x, width, v);
}

/* Flags of the result in al; the others are put or undefined. */
static void set_al(struct step *x, const struct expr *al)
{
	flags_set(x->s, FLAG_S | FLAG_Z | FLAG_P, FLAGS_LOGIC, NULL, NULL, al);
	x86_ops_set_reg(x, X86_RAX, al);
}

/* Whether the low digit of al is none, or the last operation carried out of it. */
static const struct expr *digit_wrong(struct step *x, const struct expr *al)
{
	const struct expr *digit = expr_and(x->p, al, number(x, 8, 15));

	return expr_or(x->p, expr_ult(x->p, number(x, 8, 9), digit), state_flag(x->s, X86_AF));
}

/* aaa, aas; arg: 1: aas. */
void x86_decimal_ascii(struct step *x)
{
	const struct expr *ax = x86_ops_reg(x, X86_RAX, 2), *al = expr_extract(x->p, ax, 0, 8);
	const struct expr *c = digit_wrong(x, al), *step = number(x, 16, 0x106), *r;

	step = x->arg ? expr_sub(x->p, ax, step) : expr_add(x->p, ax, step);
	r = expr_ite(x->p, c, step, ax);
	flags_put(x->s, X86_AF, c);
	flags_put(x->s, X86_CF, c);
	flags_undefined(x->s, FLAG_S | FLAG_Z | FLAG_P | FLAG_O, x->i->mnemonic, ax, NULL);
	x86_ops_set_reg(x, X86_RAX, expr_and(x->p, r, number(x, 16, 0xff0f)));
}

/* daa, das; arg: 1: das. */
void x86_decimal_packed(struct step *x)
{
	const struct expr *al = x86_ops_reg(x, X86_RAX, 1), *cf = state_flag(x->s, X86_CF);
	const struct expr *low = digit_wrong(x, al), *six = number(x, 8, 6), *r, *high, *carry;

	high = expr_or(x->p, expr_ult(x->p, number(x, 8, 0x99), al), cf);
	carry = high;
	if (x->arg) /* a borrow of the first step stays */
		carry = expr_or(x->p, high, expr_and(x->p, low, expr_ult(x->p, al, six)));
	r = expr_ite(x->p, low, x->arg ? expr_sub(x->p, al, six) : expr_add(x->p, al, six), al);
	six = number(x, 8, 0x60);
	r = expr_ite(x->p, high, x->arg ? expr_sub(x->p, r, six) : expr_add(x->p, r, six), r);
	flags_put(x->s, X86_AF, low);
	flags_put(x->s, X86_CF, carry);
	flags_undefined(x->s, FLAG_O, x->i->mnemonic, al, cf);
	set_al(x, r);
}

/* aam, aad; arg: 1: aad. The base is the immediate, or ten. */
void x86_decimal_base(struct step *x)
{
	const struct expr *al = x86_ops_reg(x, X86_RAX, 1), *ah = NULL, *r;
	const struct expr *base = number(x, 8, x->i->nops ? (uint64_t)x->i->op[0].imm : 10);

	if (x->arg) {
		ah = state_get(x->s, (struct insn_reg){X86_RAX, 1, 1});
		r = expr_add(x->p, al, expr_mul(x->p, ah, base));
	} else {
		r = expr_urem(x->p, al, base);
	}
	flags_undefined(x->s, FLAG_C | FLAG_A | FLAG_O, x->i->mnemonic, al, ah);
	set_al(x, r);
	state_set(x->s, (struct insn_reg){X86_RAX, 1, 1},
		x->arg ? number(x, 8, 0) : expr_udiv(x->p, al, base));
}

void x86_decimal_salc(struct step *x)
{
	x86_ops_set_reg(x, X86_RAX, expr_sext(x->p, state_flag(x->s, X86_CF), 8));
}

/* arg: bytes of each register. */
void x86_decimal_pusha(struct step *x)
{
	const struct expr *sp = x86_ops_reg(x, X86_RSP, x->arg);

	for (unsigned r = X86_RAX; r <= X86_RDI; r++)
		x86_ops_push(x, r == X86_RSP ? sp : x86_ops_reg(x, r, x->arg));
}

void x86_decimal_popa(struct step *x)
{
	for (unsigned r = X86_RDI + 1; r-- > X86_RAX;) {
		const struct expr *v = x86_ops_pop(x, x->arg);

		if (r != X86_RSP)
			x86_ops_set_reg(x, r, v);
	}
}
