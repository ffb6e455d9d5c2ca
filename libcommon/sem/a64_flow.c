/* a64_flow.c: branches and what a program does not see (Arm ARM, C4.1.87). */
#include "sem/a64_ops.h"

void a64_flow_jump(struct a64 *x)
{
	(void)x;
}

void a64_flow_nop(struct a64 *x)
{
	(void)x;
}

void a64_flow_cond(struct a64 *x)
{
	x->s->cond = state_branch(x->s, a64_cc(a64_bits(x, 0, 4)));
}

/* cbz, cbnz */
void a64_flow_compare_zero(struct a64 *x)
{
	const struct expr *v = a64_get(x, a64_bits(x, 0, 5), x->w >> 31);
	const struct expr *zero = a64_const(x, v->width, 0);

	x->s->cond = a64_bits(x, 24, 1) ? expr_ne(x->p, v, zero) : expr_eq(x->p, v, zero);
}

/* tbz, tbnz */
void a64_flow_test_bit(struct a64 *x)
{
	unsigned bit = a64_bits(x, 31, 1) << 5 | a64_bits(x, 19, 5);
	const struct expr *v = a64_get(x, a64_bits(x, 0, 5), bit > 31);

	v = expr_extract(x->p, v, bit, 1);
	x->s->cond = a64_bits(x, 24, 1) ? v : expr_not(x->p, v);
}

/* br, blr, ret and their relatives that authenticate; those for exceptions say no register. */
void a64_flow_register(struct a64 *x)
{
	unsigned op = a64_bits(x, 21, 4) & 7;

	if (op < 3)
		x->s->target = a64_get(x, a64_bits(x, 5, 5), true);
}

/* mrs and msr of nzcv: the flags are the highest four bits. */
void a64_flow_flags(struct a64 *x)
{
	static const uint8_t flag[4] = {X86_SF, X86_ZF, X86_CF, X86_OF};
	unsigned t = a64_bits(x, 0, 5);
	const struct expr *piece[5], *v;

	if (a64_bits(x, 21, 1)) {
		for (unsigned i = 0; i < 4; i++)
			piece[i] = state_flag(x->s, flag[i]);
		piece[4] = a64_const(x, 28, 0);
		a64_put(x, t, expr_zext(x->p, expr_concatn(x->p, piece, 5), 64));
		return;
	}
	v = a64_get(x, t, true);
	for (unsigned i = 0; i < 4; i++)
		flags_put(x->s, flag[i], expr_extract(x->p, v, 31 - i, 1));
}

/* svc: what Linux says of it. */
void a64_flow_system_call(struct a64 *x)
{
	const struct expr *arg[7];

	arg[0] = a64_get(x, 8, true);
	for (unsigned i = 0; i < 6; i++)
		arg[i + 1] = a64_get(x, i, true);
	x->known = false;
	a64_put(x, 0, expr_fn(x->p, x->i->mnemonic, 0, 64, arg, COUNT_OF(arg)));
}
