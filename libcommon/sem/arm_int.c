/* arm_int.c: integer arithmetic and logic, fields, branches. */
#include "sem/arm_ops.h"

enum { NZCV = FLAG_S | FLAG_Z | FLAG_C | FLAG_O, NZ = FLAG_S | FLAG_Z };

static const struct expr *rn(struct arm *x)
{
	return arm_get(x, x->d.rn);
}

static const struct expr *rm(struct arm *x)
{
	return arm_get(x, x->d.rm);
}

/* ---- data processing ---- */

static void logic_flags(struct arm *x, const struct expr *r, const struct expr *carry)
{
	flags_set(x->s, NZ, FLAGS_LOGIC, NULL, NULL, r);
	if (carry)
		flags_put(x->s, X86_CF, carry);
}

static void logic(struct arm *x)
{
	bool tests = x->d.op == ARM_TST || x->d.op == ARM_TEQ, sets = tests || x->d.sets;
	const struct expr *carry, *a = NULL, *b, *r;

	if (x->d.op == ARM_EOR && x->d.rn == x->d.rm && !x->d.by && x->d.shift == ARM_LSL) {
		a = b = arm_const(x, 0); /* x ^ x reads nothing, as on x86 */
		carry = NULL;
	} else {
		a = x->d.op == ARM_MOV || x->d.op == ARM_MVN ? NULL : rn(x);
		b = arm_operand(x, sets ? &carry : NULL);
	}
	switch (x->d.op) {
	case ARM_AND:
	case ARM_TST: r = expr_and(x->p, a, b); break;
	case ARM_EOR:
	case ARM_TEQ: r = expr_xor(x->p, a, b); break;
	case ARM_ORR: r = expr_or(x->p, a, b); break;
	case ARM_ORN: r = expr_or(x->p, a, expr_not(x->p, b)); break;
	case ARM_BIC: r = expr_and(x->p, a, expr_not(x->p, b)); break;
	case ARM_MVN: r = expr_not(x->p, b); break;
	default: r = x->d.rm == ARM_NOREG && x->s->address ? x->s->address : b; break;
	}
	if (sets)
		logic_flags(x, r, carry);
	if (!tests)
		arm_put(x, x->d.rd, r);
}

/* The flags of a + b = r: cmn a, 5 says what cmp a, -5 does. */
static void sum_flags(
	struct arm *x, const struct expr *a, const struct expr *b, const struct expr *r)
{
	if (b->op == EXPR_CONST && b->val && b->val != UINT32_C(1) << 31)
		flags_set(x->s, NZCV, FLAGS_SUBC, a, expr_neg(x->p, b), NULL);
	else
		flags_set(x->s, NZCV, FLAGS_ADD, a, b, r);
}

static void sum(struct arm *x)
{
	bool compares = x->d.op == ARM_CMP || x->d.op == ARM_CMN, sets = compares || x->d.sets;
	bool subtracts = x->d.op == ARM_SUB || x->d.op == ARM_CMP || x->d.op == ARM_RSB;
	const struct expr *a, *b, *r;

	if (x->d.op == ARM_SUB && x->d.rn == x->d.rm && !x->d.by && x->d.shift == ARM_LSL) {
		a = b = arm_const(x, 0);
	} else {
		a = rn(x);
		b = arm_operand(x, NULL);
	}
	if (x->d.op == ARM_RSB) {
		const struct expr *first = a;

		a = b;
		b = first;
	}
	r = subtracts ? expr_sub(x->p, a, b) : expr_add(x->p, a, b);
	if (sets && subtracts)
		flags_set(x->s, NZCV, FLAGS_SUBC, a, b, NULL);
	else if (sets)
		sum_flags(x, a, b, r);
	if (!compares)
		arm_put(x, x->d.rd, x->d.op == ARM_ADD && x->s->address ? x->s->address : r);
}

static void sum_with_carry(struct arm *x)
{
	const struct expr *a = rn(x), *b = arm_operand(x, NULL), *c, *r;

	c = state_flag(x->s, X86_CF);
	if (x->d.op == ARM_SBC)
		b = expr_not(x->p, b);
	r = expr_add(x->p, expr_add(x->p, a, b), expr_zext(x->p, c, 32));
	if (x->d.sets)
		flags_set(x->s, NZCV, FLAGS_ADC, a, b, r);
	arm_put(x, x->d.rd, r);
}

static void address(struct arm *x)
{
	const struct expr *pc = arm_get(x, ARM_PC), *r;

	pc = expr_concat(x->p, expr_extract(x->p, pc, 2, 30), expr_const(x->p, 2, 0));
	r = expr_add(x->p, pc, arm_const(x, x->d.imm));
	arm_put(x, x->d.rd, x->s->address ? x->s->address : r);
}

/* hi above lo, 16 bits each from where they lie. */
static const struct expr *halves(
	struct arm *x, const struct expr *hi, unsigned from, const struct expr *lo, unsigned at)
{
	return expr_concat(x->p, expr_extract(x->p, hi, from, 16), expr_extract(x->p, lo, at, 16));
}

static void upper_half(struct arm *x)
{
	const struct expr *r = halves(x, arm_const(x, x->d.imm), 0, arm_get(x, x->d.rd), 0);

	arm_put(x, x->d.rd, x->s->address ? x->s->address : r);
}

/* ---- products ---- */

static void product(struct arm *x)
{
	const struct expr *r = expr_mul(x->p, rn(x), rm(x));

	if (x->d.op == ARM_MLS)
		r = expr_sub(x->p, arm_get(x, x->d.ra), r);
	else if (x->d.ra != ARM_NOREG)
		r = expr_add(x->p, r, arm_get(x, x->d.ra));
	if (x->d.sets)
		logic_flags(x, r, NULL);
	arm_put(x, x->d.rd, r);
}

static void product_of_halves(struct arm *x)
{
	const struct expr *a = expr_extract(x->p, rn(x), x->d.imm & 2 ? 16 : 0, 16);
	const struct expr *b = expr_extract(x->p, rm(x), x->d.imm & 1 ? 16 : 0, 16);

	arm_put(x, x->d.rd, expr_mul(x->p, expr_sext(x->p, a, 32), expr_sext(x->p, b, 32)));
}

static void long_product(struct arm *x)
{
	bool sign = x->d.op == ARM_SMULL || x->d.op == ARM_SMLAL;
	const struct expr *a = rn(x), *b = rm(x), *r;

	a = sign ? expr_sext(x->p, a, 64) : expr_zext(x->p, a, 64);
	b = sign ? expr_sext(x->p, b, 64) : expr_zext(x->p, b, 64);
	r = expr_mul(x->p, a, b);
	if (x->d.op == ARM_SMLAL || x->d.op == ARM_UMLAL)
		r = expr_add(x->p, r, expr_concat(x->p, arm_get(x, x->d.rd), arm_get(x, x->d.ra)));
	arm_put(x, x->d.ra, expr_extract(x->p, r, 0, 32));
	arm_put(x, x->d.rd, expr_extract(x->p, r, 32, 32));
}

static void quotient(struct arm *x)
{
	const struct expr *a = rn(x), *b = rm(x), *zero = arm_const(x, 0), *r;

	r = x->d.op == ARM_SDIV ? expr_sdiv(x->p, a, b) : expr_udiv(x->p, a, b);
	arm_put(x, x->d.rd, expr_ite(x->p, expr_eq(x->p, b, zero), zero, r));
}

/* ---- fields ---- */

static void insert(struct arm *x)
{
	unsigned lo = x->d.imm, n = x->d.width, k = 0;
	const struct expr *v = x->d.rn == ARM_NOREG ? arm_const(x, 0) : rn(x);
	const struct expr *old = n == 32 ? v : arm_get(x, x->d.rd), *piece[3];

	if (lo + n < 32)
		piece[k++] = expr_extract(x->p, old, lo + n, 32 - lo - n);
	piece[k++] = expr_extract(x->p, v, 0, n);
	if (lo)
		piece[k++] = expr_extract(x->p, old, 0, lo);
	arm_put(x, x->d.rd, expr_concatn(x->p, piece, k));
}

static void field(struct arm *x)
{
	const struct expr *v = expr_extract(x->p, rn(x), x->d.imm, x->d.width);

	v = x->d.op == ARM_SBFX ? expr_sext(x->p, v, 32) : expr_zext(x->p, v, 32);
	arm_put(x, x->d.rd, v);
}

static void extend(struct arm *x)
{
	const struct expr *v = rm(x);

	if (x->d.imm)
		v = expr_ror(x->p, v, arm_const(x, x->d.imm));
	v = expr_extract(x->p, v, 0, x->d.size * 8);
	v = x->d.sign ? expr_sext(x->p, v, 32) : expr_zext(x->p, v, 32);
	if (x->d.rn != ARM_NOREG)
		v = expr_add(x->p, rn(x), v);
	arm_put(x, x->d.rd, v);
}

/* v with its pieces of `bits` in the opposite order within units. */
static const struct expr *reversed(
	struct arm *x, const struct expr *v, unsigned unit, unsigned bits)
{
	const struct expr *piece[32];
	unsigned k = 0;

	for (unsigned hi = v->width; hi; hi -= unit)
		for (unsigned at = hi - unit; at < hi; at += bits)
			piece[k++] = expr_extract(x->p, v, at, bits);
	return expr_concatn(x->p, piece, k);
}

static void one(struct arm *x)
{
	const struct expr *v = rm(x);

	switch (x->d.op) {
	case ARM_CLZ: v = expr_clz(x->p, v); break;
	case ARM_RBIT: v = reversed(x, v, 32, 1); break;
	case ARM_REV: v = reversed(x, v, 32, 8); break;
	case ARM_REV16: v = reversed(x, v, 16, 8); break;
	default:
		v = reversed(x, expr_extract(x->p, v, 0, 16), 16, 8);
		v = expr_sext(x->p, v, 32);
		break;
	}
	arm_put(x, x->d.rd, v);
}

static void pack(struct arm *x)
{
	const struct expr *a = rn(x), *b = arm_operand(x, NULL);

	if (x->d.op == ARM_PKHBT)
		arm_put(x, x->d.rd, halves(x, b, 16, a, 0));
	else
		arm_put(x, x->d.rd, halves(x, a, 16, b, 0));
}

/* ---- branches ---- */

static void compare_zero(struct arm *x)
{
	const struct expr *v = rn(x), *zero = arm_const(x, 0);

	x->s->cond = x->d.imm ? expr_ne(x->p, v, zero) : expr_eq(x->p, v, zero);
}

static void table(struct arm *x)
{
	const struct expr *at = expr_add(x->p, rn(x), arm_operand(x, NULL)), *v;

	v = expr_zext(x->p, state_load(x->s, at, x->d.size), 32);
	v = expr_mul(x->p, v, arm_const(x, 2));
	arm_put(x, ARM_PC, expr_add(x->p, arm_get(x, ARM_PC), v));
}

/* svc: what Linux says of it. */
static void system_call(struct arm *x)
{
	const struct expr *arg[7];

	arg[0] = arm_get(x, 7);
	for (unsigned i = 0; i < 6; i++)
		arg[i + 1] = arm_get(x, i);
	x->known = false;
	arm_put(x, 0, expr_fn(x->p, "svc", 0, 32, arg, COUNT_OF(arg)));
}

bool arm_int(struct arm *x)
{
	switch (x->d.op) {
	case ARM_AND:
	case ARM_EOR:
	case ARM_ORR:
	case ARM_ORN:
	case ARM_BIC:
	case ARM_MOV:
	case ARM_MVN:
	case ARM_TST:
	case ARM_TEQ: logic(x); break;
	case ARM_SUB:
	case ARM_RSB:
	case ARM_ADD:
	case ARM_CMP:
	case ARM_CMN: sum(x); break;
	case ARM_ADC:
	case ARM_SBC: sum_with_carry(x); break;
	case ARM_ADR: address(x); break;
	case ARM_MOVT: upper_half(x); break;
	case ARM_PKHBT:
	case ARM_PKHTB: pack(x); break;
	case ARM_MUL:
	case ARM_MLS: product(x); break;
	case ARM_SMLAXY: product_of_halves(x); break;
	case ARM_SMULL:
	case ARM_UMULL:
	case ARM_SMLAL:
	case ARM_UMLAL: long_product(x); break;
	case ARM_SDIV:
	case ARM_UDIV: quotient(x); break;
	case ARM_UBFX:
	case ARM_SBFX: field(x); break;
	case ARM_BFI: insert(x); break;
	case ARM_EXTEND: extend(x); break;
	case ARM_CLZ:
	case ARM_RBIT:
	case ARM_REV:
	case ARM_REV16:
	case ARM_REVSH: one(x); break;
	case ARM_CBZ: compare_zero(x); break;
	case ARM_BX: arm_put(x, ARM_PC, rm(x)); break;
	case ARM_TABLE: table(x); break;
	case ARM_SVC: system_call(x); break;
	default: return false;
	}
	return true;
}
