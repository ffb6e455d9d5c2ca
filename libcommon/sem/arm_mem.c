/* arm_mem.c: loads and stores, and what moves between registers of VFP and others. */
#include "sem/arm_ops.h"

static const struct expr *plus(struct arm *x, const struct expr *base, uint32_t by)
{
	return expr_add(x->p, base, arm_const(x, by));
}

/* The program counter is rounded down to a word. */
static const struct expr *base_of(struct arm *x)
{
	const struct expr *v = arm_get(x, x->d.rn);

	if (x->d.rn != ARM_PC)
		return v;
	return expr_concat(x->p, expr_extract(x->p, v, 2, 30), expr_const(x->p, 2, 0));
}

/* Where it loads or stores; *moved: what the base becomes, or NULL. */
static const struct expr *place(struct arm *x, const struct expr **moved)
{
	const struct expr *base = base_of(x), *by = arm_operand(x, NULL), *at;

	at = x->d.minus ? expr_sub(x->p, base, by) : expr_add(x->p, base, by);
	*moved = x->d.back ? at : NULL;
	if (x->s->address)
		return x->s->address;
	return x->d.before ? at : base;
}

static void save(struct arm *x, const struct expr *at, const struct expr *v)
{
	if (x->holds)
		v = expr_ite(x->p, x->holds, v, state_load(x->s, at, v->width / 8u));
	state_save(x->s, at, v);
}

static void one(struct arm *x)
{
	const struct expr *moved, *at, *v;

	if (x->d.rn == ARM_PC && x->s->address) { /* of what is loaded */
		arm_put(x, x->d.rd, x->s->address);
		return;
	}
	at = place(x, &moved);
	if (x->d.load) {
		v = state_load(x->s, at, x->d.size);
		v = x->d.sign ? expr_sext(x->p, v, 32) : expr_zext(x->p, v, 32);
		arm_put(x, x->d.rd, v);
	} else {
		save(x, at, expr_extract(x->p, arm_get(x, x->d.rd), 0, x->d.size * 8));
	}
	if (moved)
		arm_put(x, x->d.rn, moved);
}

static void two(struct arm *x)
{
	const struct expr *moved, *at = place(x, &moved), *a, *b;

	if (x->d.load) {
		a = state_load(x->s, at, 4);
		b = state_load(x->s, plus(x, at, 4), 4);
		arm_put(x, x->d.rd, a);
		arm_put(x, x->d.ra, b);
	} else {
		save(x, at, arm_get(x, x->d.rd));
		save(x, plus(x, at, 4), arm_get(x, x->d.ra));
	}
	if (moved)
		arm_put(x, x->d.rn, moved);
}

static void block(struct arm *x)
{
	unsigned n = (unsigned)__builtin_popcount(x->d.list);
	const struct expr *base = arm_get(x, x->d.rn), *moved, *at, *v[16];

	moved = plus(x, base, x->d.minus ? -4 * n : 4 * n);
	at = x->d.minus ? moved : base;
	n = 0;
	for (unsigned left = x->d.list; left; left &= left - 1, n++) {
		if (x->d.load)
			v[n] = state_load(x->s, plus(x, at, 4 * n), 4);
		else
			save(x, plus(x, at, 4 * n), arm_get(x, (unsigned)__builtin_ctz(left)));
	}
	if (x->d.back)
		arm_put(x, x->d.rn, moved);
	n = 0;
	for (unsigned left = x->d.load ? x->d.list : 0; left; left &= left - 1)
		arm_put(x, (unsigned)__builtin_ctz(left), v[n++]);
}

/* ---- VFP ---- */

static void transfer(struct arm *x, unsigned r, const struct expr *at)
{
	struct insn_reg reg = arm_vfp(r, x->d.size);

	if (x->d.load)
		arm_set(x, reg, state_load(x->s, at, x->d.size));
	else
		save(x, at, state_get(x->s, reg));
}

static void vfp_one(struct arm *x)
{
	const struct expr *moved;

	transfer(x, x->d.rd, place(x, &moved));
}

static void vfp_block(struct arm *x)
{
	uint32_t size = x->d.size, n = x->d.imm;
	const struct expr *base = arm_get(x, x->d.rn), *moved, *at;

	moved = plus(x, base, x->d.minus ? -size * n : size * n);
	at = x->d.minus ? moved : base;
	for (uint32_t k = 0; k < n; k++)
		transfer(x, x->d.rd + k, plus(x, at, size * k));
	if (x->d.back)
		arm_put(x, x->d.rn, moved);
}

/* Two general registers, and two of 4 bytes or one of 8. */
static void vfp_pair(struct arm *x)
{
	struct insn_reg lo = arm_vfp(x->d.rd, x->d.size), hi = arm_vfp(x->d.rd + 1, 4);
	const struct expr *a, *b;

	if (x->d.size == 8) {
		hi = lo;
		hi.lo = 4;
		lo.size = hi.size = 4;
	}
	if (x->d.load) {
		a = state_get(x->s, lo);
		b = state_get(x->s, hi);
		arm_put(x, x->d.rn, a);
		arm_put(x, x->d.ra, b);
	} else {
		a = arm_get(x, x->d.rn);
		b = arm_get(x, x->d.ra);
		arm_set(x, lo, a);
		arm_set(x, hi, b);
	}
}

static void vfp_core(struct arm *x)
{
	struct insn_reg reg = arm_vfp(x->d.rd, 4);

	if (x->d.load)
		arm_put(x, x->d.rn, state_get(x->s, reg));
	else
		arm_set(x, reg, arm_get(x, x->d.rn));
}

static void vfp_flags(struct arm *x)
{
	static const uint8_t flag[4] = {X86_SF, X86_ZF, X86_CF, X86_OF};
	const struct expr *v = state_get(x->s, (struct insn_reg){ARM_FPSCR, 0, 4});

	for (unsigned i = 0; i < 4; i++)
		flags_put(x->s, flag[i], expr_extract(x->p, v, 31 - i, 1));
}

bool arm_mem(struct arm *x)
{
	switch (x->d.op) {
	case ARM_MEM: one(x); break;
	case ARM_DUAL: two(x); break;
	case ARM_BLOCK: block(x); break;
	case ARM_VMEM: vfp_one(x); break;
	case ARM_VBLOCK: vfp_block(x); break;
	case ARM_VPAIR: vfp_pair(x); break;
	case ARM_VCORE: vfp_core(x); break;
	case ARM_VMOV:
		arm_set(x, arm_vfp(x->d.rd, x->d.size),
			state_get(x->s, arm_vfp(x->d.rm, x->d.size)));
		break;
	case ARM_VMRS: vfp_flags(x); break;
	default: return false;
	}
	return true;
}
