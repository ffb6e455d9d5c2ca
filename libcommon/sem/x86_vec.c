/*
 * x86_vec.c: SSE and AVX: moves, logic, and operations on packed integers, which are named
 * operations of sem/simd.h; after Intel's Software Developer's Manual, volume 2.
 */
#include "sem/simd.h"
#include "sem/x86_ops.h"

bool x86_vec_is_vex(const struct step *x)
{
	return x->i->mnemonic[0] == 'v'; /* of the mnemonics that come here */
}

bool x86_vec_is_mmx(const struct step *x)
{
	for (unsigned k = 0; k < x->i->nops; k++)
		if (x->i->op[k].kind == INSN_OP_REG && x->i->op[k].reg.id >= X86_MM0 &&
			x->i->op[k].reg.id < X86_MM0 + 8)
			return true;
	return false;
}

unsigned x86_vec_src(const struct step *x, unsigned k)
{
	return x86_vec_is_vex(x) ? k + 1 : k;
}

uint64_t x86_vec_imm(const struct step *x)
{
	return (uint64_t)x->i->op[x->i->nops - 1].imm & 0xff;
}

static bool is_vector(const struct insn_op *o)
{
	return o->kind == INSN_OP_REG && o->reg.id >= X86_V0 && o->reg.id < X86_ST0;
}

unsigned x86_vec_width(const struct step *x)
{
	return x86_ops_width(x, x86_mask_is_result(x) ? 1 : 0);
}

void x86_vec_put_whole(struct step *x, const struct expr *v)
{
	if (is_vector(&x->i->op[0]) && x86_vec_is_vex(x))
		x86_ops_set_reg(x, x->i->op[0].reg.id, expr_zext(x->p, v, EXPR_MAX_WIDTH));
	else
		x86_ops_put(x, 0, v);
}

void x86_vec_put(struct step *x, const struct expr *v)
{
	if (x86_mask_is_result(x))
		x86_mask_put(x, v);
	else
		x86_vec_put_whole(x, x86_mask_merge(x, v));
}

void x86_vec_put_under(struct step *x, unsigned rest, const struct expr *v)
{
	const struct expr *above = x86_ops_low(x, rest, 128);

	above = expr_extract(x->p, above, v->width, 128u - v->width);
	x86_vec_put_whole(x, expr_concat(x->p, above, x86_mask_merge(x, v)));
}

void x86_vec_put_low(struct step *x, const struct expr *v)
{
	if (x86_mask_is_result(x))
		x86_mask_put(x, v);
	else if (x86_vec_is_vex(x))
		x86_vec_put_under(x, 1, v);
	else
		x86_ops_set_reg(x, x->i->op[0].reg.id, v);
}

/* ---- moves ---- */

void x86_vec_mov(struct step *x)
{
	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	x86_vec_put(x, x86_ops_get(x, 1));
}

void x86_vec_mov_low(struct step *x)
{
	const struct insn *i = x->i;
	const struct expr *v;

	if (x86_ops_is_mem(x, 0) && x86_ops_is_mem(x, 1)) { /* movsd, the string instruction */
		x->arg = 4;
		x86_string_movs(x);
		return;
	}
	v = x86_ops_low(x, i->nops - 1u, x->arg);
	if (x86_ops_is_mem(x, 0))
		x86_vec_put(x, v);
	else if (x86_ops_is_mem(x, 1)) /* a load clears the rest of 128 bits */
		x86_vec_put_whole(x, expr_zext(x->p, x86_mask_merge(x, v), 128));
	else
		x86_vec_put_low(x, v);
}

/* To a vector register the value is zero-extended; from one the low bits are taken. */
void x86_vec_movd(struct step *x)
{
	const struct insn_op *o = x->i->op;
	unsigned width = x->arg;

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	if (!is_vector(&o[0]))
		width = o[0].size * 8u;
	else if (!is_vector(&o[1]))
		width = o[1].size * 8u;
	if (is_vector(&o[0]))
		x86_vec_put(x, expr_zext(x->p, x86_ops_low(x, 1, width), 128));
	else
		x86_ops_put(x, 0, x86_ops_low(x, 1, width));
}

void x86_vec_mov_half(struct step *x)
{
	const struct expr *v, *old;
	unsigned src = x->i->nops - 1u;

	if (x86_ops_is_mem(x, 0)) {
		v = x86_ops_low(x, src, x->arg + 64);
		x86_ops_put(x, 0, expr_extract(x->p, v, x->arg, 64));
		return;
	}
	v = x86_ops_low(x, src, 64);
	old = x86_ops_low(x, src - 1, 128);
	if (x->arg)
		v = expr_concat(x->p, v, expr_extract(x->p, old, 0, 64));
	else
		v = expr_concat(x->p, expr_extract(x->p, old, 64, 64), v);
	x86_vec_put(x, v);
}

void x86_vec_mov_across(struct step *x)
{
	const struct expr *a = x86_ops_low(x, x86_vec_src(x, 0), 128);
	const struct expr *b = x86_ops_low(x, x86_vec_src(x, 1), 128);

	if (x->arg)
		a = expr_concat(x->p, expr_extract(x->p, b, 0, 64), expr_extract(x->p, a, 0, 64));
	else
		a = expr_concat(x->p, expr_extract(x->p, a, 64, 64), expr_extract(x->p, b, 64, 64));
	x86_vec_put(x, a);
}

void x86_vec_movmsk(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 1), *bit[32];
	unsigned n = a->width / x->arg;

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		bit[i] = expr_extract(x->p, a, a->width - i * x->arg - 1, 1);
	/* A destination of 32 bits is extended as always. */
	x86_ops_put(x, 0, expr_zext(x->p, expr_concatn(x->p, bit, n), x86_ops_width(x, 0)));
}

/* ---- logic and lanes ---- */

static const struct expr *zero(struct step *x, unsigned width)
{
	return x86_ops_const(x, width, 0);
}

void x86_vec_logic(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), first = x86_vec_src(x, 0), second = x86_vec_src(x, 1);
	const struct expr *a, *b, *r;

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	if ((x->arg == EXPR_XOR || x->arg == EXPR_NOT) && x86_ops_same(x, first, second)) {
		x86_vec_put(x, zero(x, w)); /* reads nothing */
		return;
	}
	a = x86_ops_low(x, first, w);
	b = x86_ops_low(x, second, w);
	switch (x->arg) {
	case EXPR_AND: r = expr_and(x->p, a, b); break;
	case EXPR_OR: r = expr_or(x->p, a, b); break;
	case EXPR_XOR: r = expr_xor(x->p, a, b); break;
	default: r = expr_and(x->p, expr_not(x->p, a), b); break;
	}
	x86_vec_put(x, r);
}

/*
 * The function of n operands whose value for each combination of bits is in `table`: the first
 * operand is the highest bit of the combination.
 */
static const struct expr *of_table(
	struct step *x, const struct expr *const *v, unsigned n, unsigned table)
{
	unsigned half = 1u << (n - 1), ones = (1u << half) - 1, lo = table & ones,
		 hi = table >> half;
	const struct expr *a, *b;

	if (lo == hi && n > 1)
		return of_table(x, v + 1, n - 1, lo);
	if (n == 1)
		return table == 2   ? v[0]
		       : table == 1 ? expr_not(x->p, v[0])
		       : table      ? expr_not(x->p, zero(x, v[0]->width))
				    : zero(x, v[0]->width);
	a = of_table(x, v + 1, n - 1, hi);
	b = of_table(x, v + 1, n - 1, lo);
	if (hi == (lo ^ ones))
		return expr_xor(x->p, v[0], b);
	if (lo == ones)
		return expr_or(x->p, expr_not(x->p, v[0]), a);
	if (hi == ones)
		return expr_or(x->p, v[0], b);
	return expr_or(x->p, expr_and(x->p, v[0], a), expr_and(x->p, expr_not(x->p, v[0]), b));
}

/* Does operand k (the first of three is the highest bit) change the function? */
static bool depends(unsigned table, unsigned k)
{
	static const uint8_t without[3] = {0x0f, 0x33, 0x55};
	unsigned shift = 4u >> k;

	return (table & without[k]) != (table >> shift & without[k]);
}

void x86_vec_ternary(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), table = (unsigned)x86_vec_imm(x);
	const struct expr *v[3];

	for (unsigned k = 0; k < 3; k++) /* what does not matter is not read */
		v[k] = depends(table, k) ? x86_ops_low(x, k, w) : zero(x, w);
	x86_vec_put(x, of_table(x, v, 3, table));
}

/* What an operation gives for two equal arguments: 0, 1 for all ones, -1 it depends. */
static int of_equal(unsigned op)
{
	switch (op) {
	case SIMD_PSUBB:
	case SIMD_PSUBW:
	case SIMD_PSUBD:
	case SIMD_PSUBQ:
	case SIMD_PCMPGTB:
	case SIMD_PCMPGTW:
	case SIMD_PCMPGTD:
	case SIMD_PCMPGTQ: return 0;
	case SIMD_PCMPEQB:
	case SIMD_PCMPEQW:
	case SIMD_PCMPEQD:
	case SIMD_PCMPEQQ: return 1;
	default: return -1;
	}
}

void x86_vec_lanes(struct step *x)
{
	unsigned w = x86_vec_width(x), first = x86_vec_src(x, 0), second = x86_vec_src(x, 1);
	const struct expr *args[2];

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	if (of_equal(x->arg) >= 0 && x86_ops_same(x, first, second)) {
		args[0] = zero(x, w);
		x86_vec_put(x, of_equal(x->arg) ? expr_not(x->p, args[0]) : args[0]);
		return;
	}
	args[0] = x86_ops_low(x, first, w);
	args[1] = x86_ops_low(x, second, w);
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 2));
}

void x86_vec_unary(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 1, x86_ops_width(x, 0));

	if (x86_vec_is_mmx(x))
		x86_ops_unknown(x);
	else
		x86_vec_put(x, expr_simd(x->p, x->arg, a->width, &a, 1));
}

/* The first source is the destination. */
void x86_vec_dot(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[3];

	for (unsigned k = 0; k < 3; k++)
		args[k] = x86_ops_low(x, k, w);
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 3));
}

/* The sources are operands 1 and 2, the count the immediate. */
void x86_vec_double_shift(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[3];

	args[0] = x86_ops_low(x, 1, w);
	args[1] = x86_ops_low(x, 2, w);
	args[2] = x86_ops_const(x, 64, x86_vec_imm(x));
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 3));
}

void x86_vec_unary_imm(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[2];

	args[0] = x86_ops_low(x, 1, w);
	args[1] = x86_ops_const(x, 8, x86_vec_imm(x));
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 2));
}

void x86_vec_binary_imm(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[3];

	args[0] = x86_ops_low(x, x86_vec_src(x, 0), w);
	args[1] = x86_ops_low(x, x86_vec_src(x, 1), w);
	args[2] = x86_ops_const(x, 8, x86_vec_imm(x) & x->arg >> 10);
	x86_vec_put(x, expr_simd(x->p, x->arg & 1023, w, args, 3));
}

void x86_vec_shift(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), last = x->i->nops - 1u;
	const struct expr *args[2];

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	args[0] = x86_ops_low(x, x86_vec_src(x, 0), w);
	args[1] = x86_ops_is_imm(x, last) ? x86_ops_const(x, 64, x86_vec_imm(x))
					  : x86_ops_low(x, last, 64);
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 2));
}

/* The selector is operand 3 of VEX forms, else xmm0. */
void x86_vec_blendv(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[3];

	args[0] = x86_ops_low(x, x86_vec_src(x, 0), w);
	args[1] = x86_ops_low(x, x86_vec_src(x, 1), w);
	args[2] = x86_vec_is_vex(x) ? x86_ops_low(x, 3, w) : x86_ops_reg(x, X86_V0, w / 8);
	x86_vec_put(x, expr_simd(x->p, x->arg, w, args, 3));
}

void x86_vec_ptest(struct step *x)
{
	const struct expr *a = x86_ops_get(x, 0), *b = x86_ops_low(x, 1, a->width);
	const struct expr *none = zero(x, a->width);

	flags_set(x->s, FLAG_ALL6, FLAGS_VALUE, x86_ops_const(x, 1, 0), NULL, NULL);
	flags_put(x->s, X86_ZF, expr_eq(x->p, expr_and(x->p, a, b), none));
	flags_put(x->s, X86_CF, expr_eq(x->p, expr_and(x->p, expr_not(x->p, a), b), none));
}

void x86_vec_zero(struct step *x)
{
	for (unsigned i = 0; i < MIN(x->s->cpu->nvec, 16); i++) {
		unsigned r = X86_V0 + i, lo = x->arg ? 0 : 16;

		state_set(x->s, (struct insn_reg){(uint8_t)r, (uint8_t)lo, (uint8_t)(64 - lo)},
			zero(x, (64 - lo) * 8));
	}
}

void x86_vec_mxcsr(struct step *x)
{
	if (x->arg)
		x86_ops_set_reg(x, X86_MXCSR, x86_ops_low(x, 0, 32));
	else
		x86_ops_put(x, 0, x86_ops_reg(x, X86_MXCSR, 4));
}
