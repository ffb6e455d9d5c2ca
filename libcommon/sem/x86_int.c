/*
 * x86_int.c: moves, the stack, integer arithmetic and logic. Each function is the meaning of one
 * mnemonic or of a family of them; after Intel's Software Developer's Manual, volume 2.
 */
#include "sem/simd.h"
#include "sem/x86_ops.h"

static const struct expr *zero(struct step *x, unsigned width)
{
	return x86_ops_const(x, width, 0);
}

/* ---- moves ---- */

void x86_int_mov(struct step *x)
{
	const struct insn_op *o = x->i->op;
	unsigned w = x86_ops_width(x, 0);

	/* Selectors and control registers are not what the state keeps under their numbers. */
	for (unsigned k = 0; k < 2; k++)
		if (o[k].kind == INSN_OP_REG && o[k].reg.id > X86_R15) {
			x86_ops_unknown(x);
			return;
		}
	x86_ops_put(x, 0, x86_ops_low(x, 1, w));
}

static const struct expr *bytes_swapped(struct step *x, const struct expr *a)
{
	const struct expr *piece[8];
	unsigned n = a->width / 8u;

	for (unsigned i = 0; i < n; i++)
		piece[i] = expr_extract(x->p, a, i * 8, 8);
	return expr_concatn(x->p, piece, n);
}

void x86_int_movbe(struct step *x)
{
	x86_ops_put(x, 0, bytes_swapped(x, x86_ops_get(x, 1)));
}

void x86_int_bswap(struct step *x)
{
	if (x86_ops_width(x, 0) == 16) /* undefined */
		x86_ops_unknown(x);
	else
		x86_ops_put(x, 0, bytes_swapped(x, x86_ops_get(x, 0)));
}

void x86_int_movsx(struct step *x)
{
	x86_ops_put(x, 0, expr_sext(x->p, x86_ops_get(x, 1), x86_ops_width(x, 0)));
}

void x86_int_movzx(struct step *x)
{
	x86_ops_put(x, 0, expr_zext(x->p, x86_ops_get(x, 1), x86_ops_width(x, 0)));
}

void x86_int_lea(struct step *x)
{
	x86_ops_put(x, 0, expr_zext(x->p, x86_ops_addr(x, 1), x86_ops_width(x, 0)));
}

void x86_int_xchg(struct step *x)
{
	const struct expr *a, *b;

	if (x86_ops_same(x, 0, 1) && x86_ops_width(x, 0) != 32)
		return;
	a = x86_ops_get(x, 0);
	b = x86_ops_get(x, 1);
	x86_ops_put(x, 0, b);
	x86_ops_put(x, 1, a);
}

void x86_int_cmov(struct step *x)
{
	const struct expr *c = state_cond(x->s, x->i->cc), *a = x86_ops_get(x, 1);

	x->s->cond = c;
	x86_ops_put(x, 0, expr_ite(x->p, c, a, x86_ops_get(x, 0)));
}

void x86_int_setcc(struct step *x)
{
	x->s->cond = state_cond(x->s, x->i->cc);
	x86_ops_put(x, 0, expr_zext(x->p, x->s->cond, 8));
}

/* cbw, cwde, cdqe: the low `arg` bytes of rax sign-extended to twice as many. */
void x86_int_widen(struct step *x)
{
	const struct expr *a = x86_ops_reg(x, X86_RAX, x->arg);

	x86_ops_set_reg(x, X86_RAX, expr_sext(x->p, a, x->arg * 16));
}

/* cwd, cdq, cqo: the sign of rax in every bit of rdx. */
void x86_int_sign(struct step *x)
{
	const struct expr *a = x86_ops_reg(x, X86_RAX, x->arg);

	x86_ops_set_reg(
		x, X86_RDX, expr_sext(x->p, expr_extract(x->p, a, x->arg * 8 - 1, 1), x->arg * 8));
}

/* ---- the stack ---- */

/* Immediates and segment registers are pushed as a word but for an operand-size prefix. */
static unsigned stack_width(struct step *x)
{
	return x->i->op[0].size == 2 ? 16 : 8 * x->word;
}

void x86_int_push(struct step *x)
{
	if (x->i->op[0].kind == INSN_OP_REG && x->i->op[0].reg.id > X86_R15) {
		x86_ops_push(
			x, expr_fn(x->p, x->i->mnemonic, x->i->op[0].reg.id, 8 * x->word, NULL, 0));
		x->known = false;
		return;
	}
	if (x86_ops_is_imm(x, 0)) /* 32 bits at most, sign-extended */
		x86_ops_push(x, x86_ops_const(x, stack_width(x),
					(uint64_t)(int64_t)(int32_t)x->i->op[0].imm));
	else
		x86_ops_push(x, x86_ops_low(x, 0, stack_width(x)));
}

void x86_int_pop(struct step *x)
{
	const struct expr *v;

	if (x->i->op[0].kind == INSN_OP_REG && x->i->op[0].reg.id > X86_R15) {
		v = x86_ops_pop(x, x->word);
		x86_ops_put(x, 0, expr_fn(x->p, x->i->mnemonic, 0, 8 * x->word, &v, 1));
		x->known = false;
		return;
	}
	v = x86_ops_pop(x, stack_width(x) / 8);
	x86_ops_put(x, 0, v); /* an address by rsp is taken after the pop */
}

void x86_int_leave(struct step *x)
{
	x86_ops_set_reg(x, X86_RSP, x86_ops_reg(x, X86_RBP, x->word));
	x86_ops_set_reg(x, X86_RBP, x86_ops_pop(x, x->word));
}

void x86_int_enter(struct step *x)
{
	const struct expr *sp;

	if (x->i->op[1].imm & 31) {
		x86_ops_unknown(x);
		return;
	}
	x86_ops_push(x, x86_ops_reg(x, X86_RBP, x->word));
	sp = x86_ops_reg(x, X86_RSP, x->word);
	x86_ops_set_reg(x, X86_RBP, sp);
	sp = expr_sub(x->p, sp, x86_ops_const(x, sp->width, (uint64_t)x->i->op[0].imm & 0xffff));
	x86_ops_set_reg(x, X86_RSP, sp);
}

/* ---- addition ---- */

void x86_int_add(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_low(x, 1, a->width);
	const struct expr *r = expr_add(x->p, a, b);

	flags_set(x->s, FLAG_ALL6, FLAGS_ADD, a, b, r);
	x86_ops_put(x, 0, r);
}

/* Nothing is read when the result does not depend on it. */
static bool clears(struct step *x)
{
	const struct expr *z;

	if (!x86_ops_same(x, 0, 1))
		return false;
	z = zero(x, x86_ops_width(x, 0));
	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, z, z, z);
	x86_ops_put(x, 0, z);
	return true;
}

void x86_int_sub(struct step *x)
{
	const struct expr *a, *b, *r;

	if (clears(x))
		return;
	a = x86_ops_get(x, 0);
	b = x86_ops_low(x, 1, a->width);
	r = expr_sub(x->p, a, b);
	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, a, b, r);
	x86_ops_put(x, 0, r);
}

void x86_int_cmp(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_low(x, 1, a->width);

	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, a, b, NULL);
}

void x86_int_adc(struct step *x)
{
	const struct expr *c = state_flag(x->s, X86_CF);
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_low(x, 1, a->width), *r;

	r = expr_add(x->p, expr_add(x->p, a, b), expr_zext(x->p, c, a->width));
	flags_set(x->s, FLAG_ALL6, FLAGS_ADC, a, b, r);
	x86_ops_put(x, 0, r);
}

void x86_int_sbb(struct step *x)
{
	const struct expr *c = state_flag(x->s, X86_CF), *a, *b, *r;
	unsigned w = x86_ops_width(x, 0);

	if (x86_ops_same(x, 0, 1)) { /* -1 or 0: only the carry matters */
		a = b = zero(x, w);
	} else {
		a = x86_ops_get(x, 0);
		b = x86_ops_low(x, 1, w);
	}
	r = expr_sub(x->p, expr_sub(x->p, a, b), expr_zext(x->p, c, w));
	flags_set(x->s, FLAG_ALL6, FLAGS_SBB, a, b, r);
	x86_ops_put(x, 0, r);
}

void x86_int_adcx(struct step *x)
{
	const struct expr *c = state_flag(x->s, x->arg);
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_get(x, 1), *r;
	unsigned w = a->width;

	c = expr_zext(x->p, c, w + 1);
	r = expr_add(x->p, expr_add(x->p, expr_zext(x->p, a, w + 1), expr_zext(x->p, b, w + 1)), c);
	flags_put(x->s, x->arg, expr_extract(x->p, r, w, 1));
	x86_ops_put(x, 0, expr_extract(x->p, r, 0, w));
}

void x86_int_inc(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *one = x86_ops_const(x, a->width, 1), *r;

	r = x->arg ? expr_sub(x->p, a, one) : expr_add(x->p, a, one);
	flags_set(x->s, FLAG_ALL6 & ~FLAG_C, x->arg ? FLAGS_SUB : FLAGS_ADD, a, one, r);
	x86_ops_put(x, 0, r);
}

void x86_int_neg(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *r = expr_neg(x->p, a);

	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, zero(x, a->width), a, r);
	x86_ops_put(x, 0, r);
}

void x86_int_xadd(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_get(x, 1);
	const struct expr *r = expr_add(x->p, a, b);

	flags_set(x->s, FLAG_ALL6, FLAGS_ADD, a, b, r);
	x86_ops_put(x, 1, a);
	x86_ops_put(x, 0, r);
}

/* ---- compare and exchange ---- */

void x86_int_crc32(struct step *x)
{
	const struct expr *args[2] = {x86_ops_low(x, 0, 32), x86_ops_get(x, 1)};

	x86_ops_set_reg(x, x->i->op[0].reg.id, expr_simd(x->p, SIMD_CRC32, 32, args, 2));
}

void x86_int_cmpxchg(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), whole = 8 * x->word;
	const struct expr *rax = x86_ops_reg(x, X86_RAX, x->word),
			  *acc = expr_extract(x->p, rax, 0, w);
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_get(x, 1);
	const struct expr *equal = expr_eq(x->p, acc, a), *loaded;

	/* Where they differ the accumulator is loaded, as a mov would; else rax stays whole. */
	loaded = w >= 32 ? expr_zext(x->p, a, whole)
			 : expr_concat(x->p, expr_extract(x->p, rax, w, whole - w), a);
	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, acc, a, NULL);
	if (x86_ops_is_mem(x, 0)) {
		x86_ops_put(x, 0, expr_ite(x->p, equal, b, a));
	} else { /* a register is not extended either where they differ */
		enum x86_reg r = x->i->op[0].reg.id;
		const struct expr *old = x86_ops_reg(x, r, x->word);

		x86_ops_put(x, 0, b);
		x86_ops_set_reg(x, r, expr_ite(x->p, equal, x86_ops_reg(x, r, x->word), old));
		if (r == X86_RAX && x->i->op[0].reg.lo == 0)
			return;                         /* the accumulator itself: always equal */
		rax = x86_ops_reg(x, X86_RAX, x->word); /* it may have been ah */
	}
	x86_ops_set_reg(x, X86_RAX, expr_ite(x->p, equal, rax, loaded));
}

void x86_int_cmpxchg_pair(struct step *x)
{
	unsigned n = x->arg, w = n * 8, whole = 8 * x->word;
	const struct expr *rax = x86_ops_reg(x, X86_RAX, x->word);
	const struct expr *rdx = x86_ops_reg(x, X86_RDX, x->word);
	const struct expr *b =
		expr_concat(x->p, x86_ops_reg(x, X86_RCX, n), x86_ops_reg(x, X86_RBX, n));
	const struct expr *a = x86_ops_low(x, 0, 2 * w), *acc, *equal;

	acc = expr_concat(x->p, expr_extract(x->p, rdx, 0, w), expr_extract(x->p, rax, 0, w));
	equal = expr_eq(x->p, acc, a);
	flags_put(x->s, X86_ZF, equal);
	x86_ops_put(x, 0, expr_ite(x->p, equal, b, a));
	x86_ops_set_reg(x, X86_RAX,
		expr_ite(x->p, equal, rax, expr_zext(x->p, expr_extract(x->p, a, 0, w), whole)));
	x86_ops_set_reg(x, X86_RDX,
		expr_ite(x->p, equal, rdx, expr_zext(x->p, expr_extract(x->p, a, w, w), whole)));
}

/* ---- logic ---- */

static void logic_flags(struct step *x, const struct expr *r)
{
	flags_set(x->s, FLAG_ALL6 & ~FLAG_A, FLAGS_LOGIC, NULL, NULL, r);
	flags_undefined(x->s, FLAG_A, x->i->mnemonic, r, NULL);
}

void x86_int_logic(struct step *x)
{
	const struct expr *args[2], *r;
	unsigned w = x86_ops_width(x, 0);

	if (x->arg == EXPR_XOR && x86_ops_same(x, 0, 1)) { /* clears; reads nothing */
		r = zero(x, w);
	} else {
		args[0] = x86_ops_get(x, 0);
		args[1] = x86_ops_low(x, 1, w);
		r = x->arg == EXPR_AND  ? expr_and(x->p, args[0], args[1])
		    : x->arg == EXPR_OR ? expr_or(x->p, args[0], args[1])
					: expr_xor(x->p, args[0], args[1]);
	}
	logic_flags(x, r);
	x86_ops_put(x, 0, r);
}

void x86_int_test(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0);

	logic_flags(x, expr_and(x->p, a, x86_ops_low(x, 1, a->width)));
}

void x86_int_not(struct step *x)
{
	x86_ops_put(x, 0, expr_not(x->p, x86_ops_get(x, 0)));
}

/* ---- multiplication and division ---- */

static void product_flags(
	struct step *x, enum flags_kind kind, const struct expr *a, const struct expr *b)
{
	flags_set(x->s, FLAG_C | FLAG_O, kind, a, b, NULL);
	flags_undefined(x->s, FLAG_ALL6 & ~(FLAG_C | FLAG_O), x->i->mnemonic, a, b);
}

/* The double-wide product r into rdx:rax, or ax for bytes. */
static void put_double(struct step *x, const struct expr *r)
{
	unsigned w = r->width / 2u;

	if (w == 8) {
		x86_ops_set_reg(x, X86_RAX, r);
		return;
	}
	x86_ops_set_reg(x, X86_RAX, expr_extract(x->p, r, 0, w));
	x86_ops_set_reg(x, X86_RDX, expr_extract(x->p, r, w, w));
}

void x86_int_mul(struct step *x)
{
	const struct expr *b = x86_ops_get(x, 0), *a = x86_ops_reg(x, X86_RAX, b->width / 8u);
	unsigned w = b->width;

	product_flags(x, FLAGS_MUL, a, b);
	put_double(x, expr_mul(x->p, expr_zext(x->p, a, 2 * w), expr_zext(x->p, b, 2 * w)));
}

void x86_int_imul(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), first = x->i->nops == 3 ? 1 : 0;
	const struct expr *a, *b;

	if (x->i->nops == 1) {
		b = x86_ops_get(x, 0);
		a = x86_ops_reg(x, X86_RAX, w / 8);
		product_flags(x, FLAGS_IMUL, a, b);
		put_double(x, expr_mul(x->p, expr_sext(x->p, a, 2 * w), expr_sext(x->p, b, 2 * w)));
		return;
	}
	a = x86_ops_low(x, first, w);
	b = x86_ops_low(x, first + 1, w);
	product_flags(x, FLAGS_IMUL, a, b);
	x86_ops_put(x, 0, expr_mul(x->p, a, b));
}

void x86_int_mulx(struct step *x)
{
	const struct expr *b = x86_ops_get(x, 2), *a = x86_ops_reg(x, X86_RDX, b->width / 8u), *r;
	unsigned w = b->width;

	r = expr_mul(x->p, expr_zext(x->p, a, 2 * w), expr_zext(x->p, b, 2 * w));
	x86_ops_put(x, 1, expr_extract(x->p, r, 0, w)); /* the high half wins if both are one */
	x86_ops_put(x, 0, expr_extract(x->p, r, w, w));
}

void x86_int_div(struct step *x)
{
	const struct expr *b = x86_ops_get(x, 0), *a, *q, *r;
	unsigned w = b->width;

	if (w == 8)
		a = x86_ops_reg(x, X86_RAX, 2);
	else
		a = expr_concat(
			x->p, x86_ops_reg(x, X86_RDX, w / 8), x86_ops_reg(x, X86_RAX, w / 8));
	if (x->arg) {
		q = expr_sdiv(x->p, a, expr_sext(x->p, b, 2 * w));
		r = expr_srem(x->p, a, expr_sext(x->p, b, 2 * w));
	} else {
		q = expr_udiv(x->p, a, expr_zext(x->p, b, 2 * w));
		r = expr_urem(x->p, a, expr_zext(x->p, b, 2 * w));
	}
	flags_undefined(x->s, FLAG_ALL6, x->i->mnemonic, a, b);
	put_double(x, expr_concat(x->p, expr_extract(x->p, r, 0, w), expr_extract(x->p, q, 0, w)));
}
