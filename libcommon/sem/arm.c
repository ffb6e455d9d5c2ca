/*
 * arm.c: one 32-bit ARM instruction on a state: registers, the operand, the condition, and what the
 * rest of the suite asks of the processor.
 */
#include "sem/arm.h"

#include <string.h>

#include "sem/arm_ops.h"

/* ---- registers ---- */

static struct insn_reg general(unsigned r)
{
	return (struct insn_reg){(uint8_t)r, 0, 4};
}

/* v where the condition, or its opposite, holds: of what the same condition chose, that part. */
static const struct expr *where(struct arm *x, const struct expr *v, bool opposite)
{
	if (!x->holds || v->op != EXPR_ITE)
		return v;
	if (v->arg[0] == x->holds)
		return v->arg[opposite ? 2 : 1];
	return v->arg[0] == expr_not(x->p, x->holds) ? v->arg[opposite ? 1 : 2] : v;
}

const struct expr *arm_get(struct arm *x, unsigned r)
{
	const struct expr *v = where(x, state_get(x->s, general(r)), false);

	return r == ARM_PC ? expr_add(x->p, v, arm_const(x, 4u - x->i->len)) : v;
}

void arm_set(struct arm *x, struct insn_reg r, const struct expr *v)
{
	if (x->holds)
		v = expr_ite(x->p, x->holds, v, where(x, state_get(x->s, r), true));
	state_set(x->s, r, v);
}

void arm_put(struct arm *x, unsigned r, const struct expr *v)
{
	if (r == ARM_PC)
		x->s->target = v;
	else
		arm_set(x, general(r), v);
}

struct insn_reg arm_vfp(unsigned r, unsigned size)
{
	if (size == 8)
		return (struct insn_reg){(uint8_t)(ARM_D0 + r), 0, 8};
	return (struct insn_reg){(uint8_t)(ARM_D0 + r / 2), (uint8_t)(r % 2 * 4), 4};
}

/* ---- the operand ---- */

/* v with 33 bits: one more above, or below. */
static const struct expr *with_bit(struct arm *x, const struct expr *v, bool above)
{
	const struct expr *zero = expr_const(x->p, 1, 0);

	return above ? expr_concat(x->p, zero, v) : expr_concat(x->p, v, zero);
}

/* v shifted by n, which is not 0 when the last bit that was shifted out is asked for. */
static const struct expr *shifted(struct arm *x, const struct expr *v, const struct expr *n,
	enum arm_shift how, const struct expr **carry)
{
	const struct expr *n33 = expr_zext(x->p, n, 33), *r;

	switch (how) {
	case ARM_LSL:
		if (carry)
			*carry = expr_extract(
				x->p, expr_shl(x->p, with_bit(x, v, true), n33), 32, 1);
		return expr_shl(x->p, v, n);
	case ARM_LSR:
		if (carry)
			*carry = expr_extract(
				x->p, expr_lshr(x->p, with_bit(x, v, false), n33), 0, 1);
		return expr_lshr(x->p, v, n);
	case ARM_ASR:
		if (carry)
			*carry = expr_extract(
				x->p, expr_ashr(x->p, with_bit(x, v, false), n33), 0, 1);
		return expr_ashr(x->p, v, n);
	case ARM_ROR:
		r = expr_ror(x->p, v, n);
		if (carry)
			*carry = expr_extract(x->p, r, 31, 1);
		return r;
	default:
		r = state_flag(x->s, X86_CF);
		if (carry)
			*carry = expr_extract(x->p, v, 0, 1);
		return expr_concat(x->p, r, expr_extract(x->p, v, 1, 31));
	}
}

const struct expr *arm_operand(struct arm *x, const struct expr **carry)
{
	const struct arm_insn *d = &x->d;
	const struct expr *v, *n, *c;

	if (carry)
		*carry = NULL;
	if (d->rm == ARM_NOREG) {
		if (carry && d->carry)
			*carry = expr_const(x->p, 1, d->imm >> 31);
		return arm_const(x, d->imm);
	}
	v = arm_get(x, d->rm);
	if (d->rs != ARM_NOREG) {
		n = expr_zext(x->p, expr_extract(x->p, arm_get(x, d->rs), 0, 8), 32);
		v = shifted(x, v, n, d->shift, carry);
		if (carry) { /* by 0: as it was */
			c = expr_eq(x->p, n, arm_const(x, 0));
			*carry = expr_ite(x->p, c, state_flag(x->s, X86_CF), *carry);
		}
		return v;
	}
	if (d->shift != ARM_RRX && !d->by)
		return v;
	return shifted(x, v, arm_const(x, d->by), d->shift, carry);
}

/* ---- one instruction ---- */

static unsigned condition(unsigned c)
{
	static const uint8_t of[16] = {X86_CC_E, X86_CC_NE, X86_CC_B, X86_CC_AE, X86_CC_S,
		X86_CC_NS, X86_CC_O, X86_CC_NO, STATE_CC_HI, STATE_CC_LS, X86_CC_GE, X86_CC_L,
		X86_CC_G, X86_CC_LE, X86_CC_NONE, X86_CC_NONE};

	return of[c]; /* hs is the carry itself, which x86 calls b */
}

static void execute(struct arm *x)
{
	struct flags *before[X86_FLAG_COUNT];
	unsigned changed = 0;

	if (x->d.cond < ARM_ALWAYS && x->i->flow == INSN_COND)
		x->s->cond = state_branch(x->s, condition(x->d.cond));
	if (x->d.op == ARM_NOP)
		return;
	if (x->d.cond < ARM_ALWAYS)
		x->holds = state_cond(x->s, condition(x->d.cond));
	memcpy(before, x->s->flag, sizeof(before));
	if (x->d.op == ARM_UNKNOWN || (!arm_int(x) && !arm_mem(x)))
		arm_text_unknown(x);
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		changed |= (unsigned)(x->s->flag[f] != before[f]) << f;
	if (x->holds && changed)
		flags_keep(x->s, changed, expr_not(x->p, x->holds), before);
}

int arm_step(struct state *s, const struct insn *i)
{
	struct arm x = {.s = s, .p = s->pool, .i = i, .known = true};

	state_begin(s);
	if (i->text) {
		arm_thumb_decode(i->word, i->len, i->it, &x.d);
		execute(&x);
	} else { /* these bytes are no instruction */
		x.known = false;
	}
	if (s->fx)
		s->fx->known = x.known;
	return x.known;
}

bool arm_known(const struct insn *i)
{
	struct arm_insn d;

	arm_thumb_decode(i->word, i->len, i->it, &d);
	return i->text && d.op != ARM_UNKNOWN && d.op != ARM_SVC;
}

/* ---- the processor ---- */

/* blx r3, and bx ip where it is a call. */
static struct insn_op callee(const struct insn *i)
{
	struct insn_op o = {.kind = INSN_OP_REL, .size = 4, .access = INSN_READ};
	struct arm_insn d;

	arm_thumb_decode(i->word, i->len, i->it, &d);
	if (d.op == ARM_BX) {
		o.kind = INSN_OP_REG;
		o.reg = general(d.rm);
	}
	return o;
}

/* The reference of a load from the code itself is of what it loads. */
static enum processor_use use(const struct insn *i, int64_t *distance)
{
	struct arm_insn d;

	*distance = 0;
	arm_thumb_decode(i->word, i->len, i->it, &d);
	switch (d.op) {
	case ARM_ADD:
	case ARM_ADR:
	case ARM_MOV:
	case ARM_MOVT:
	case ARM_TABLE: return PROCESSOR_ADDRESS;
	case ARM_MEM: return d.rn == ARM_PC ? PROCESSOR_ADDRESS : PROCESSOR_MEMORY;
	case ARM_DUAL:
	case ARM_VMEM: return PROCESSOR_MEMORY;
	default: return PROCESSOR_NONE;
	}
}

#define TEN(l, t) \
	l t "0", l t "1", l t "2", l t "3", l t "4", l t "5", l t "6", l t "7", l t "8", l t "9"

static const char *reg_name(struct insn_reg r)
{
	static const char *const general_name[17] = {
		TEN("r", ""), "r10", "r11", "r12", "sp", "lr", "pc", "fpscr"};
	static const char *const name[2][32] = {
		{TEN("d", ""), TEN("d", "1"), TEN("d", "2"), "d30", "d31"},
		{TEN("s", ""), TEN("s", "1"), TEN("s", "2"), "s30", "s31"}};
	unsigned d = r.id - ARM_D0;

	if (r.id < COUNT_OF(general_name))
		return !r.lo && r.size == 4 ? general_name[r.id] : "?";
	if (d >= 32 || (r.lo && (r.lo != 4 || r.size != 4)))
		return "?";
	if (r.size == 4 && d < 16)
		return name[1][2 * d + r.lo / 4];
	return r.size == 8 ? name[0][d] : "?";
}

const struct processor arm_processor = {
	.input = 4 * PROCESSOR_INPUTS,
	.word = 4,
	.pc = ARM_PC,
	.sp = ARM_SP,
	.fp = 7,
	.vec = ARM_D0,
	.nvec = 32,
	.size = {PROCESSOR_EIGHT(0, 4), PROCESSOR_EIGHT(8, 4), [ARM_FPSCR] = 4,
		PROCESSOR_EIGHT(ARM_D0, 8), PROCESSOR_EIGHT(ARM_D0 + 8, 8),
		PROCESSOR_EIGHT(ARM_D0 + 16, 8), PROCESSOR_EIGHT(ARM_D0 + 24, 8)},
	/* Procedure Call Standard for the Arm Architecture, sections 6.1 and 7.1. */
	.kept = {UINT64_C(0xff) << 4 | PROCESSOR_BIT(ARM_SP) | UINT64_C(0xff) << (ARM_D0 + 8)},
	.hidden = {PROCESSOR_BIT(ARM_PC) | PROCESSOR_BIT(ARM_FPSCR)},
	.frame = {PROCESSOR_BIT(ARM_SP) | PROCESSOR_BIT(7)},
	.nargs = 4,
	.arg = {0, 1, 2, 3},
	.nvec_args = 8,
	.vec_count = PROCESSOR_NOREG,
	.implicit = false,
	.step = arm_step,
	.known = arm_known,
	.callee = callee,
	.use = use,
	.reg_name = reg_name,
	.flag_name = processor_nzcv_name,
};
