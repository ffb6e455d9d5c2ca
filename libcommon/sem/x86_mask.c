/*
 * x86_mask.c: AVX-512: write masks, compares into mask registers, and the instructions on these
 * (Intel's Software Developer's Manual, volume 2). A masked vector is one named operation,
 * selectd(mask, value, other), and a mask of a compare is one, pmovd2m(value).
 */
#include "sem/simd.h"
#include "sem/x86_ops.h"

/* The operation of the family that begins with `first` for lanes of so many bytes: b, w, d, q. */
static unsigned of_lane(enum simd_op first, unsigned lane)
{
	return first + (unsigned)__builtin_ctz(lane);
}

static bool is_mask(const struct insn_op *o)
{
	return o->kind == INSN_OP_REG && o->reg.id >= X86_K0 && o->reg.id < X86_K0 + 8;
}

bool x86_mask_is_result(const struct step *x)
{
	return is_mask(&x->i->op[0]);
}

/* The n lowest bits of the write mask. */
static const struct expr *bits(struct step *x, unsigned n)
{
	struct insn_reg k = {(uint8_t)(X86_K0 + x->i->mask), 0, (uint8_t)((n + 7) / 8)};

	return expr_extract(x->p, state_get(x->s, k), 0, n);
}

const struct expr *x86_mask_select(struct step *x, const struct expr *v, const struct expr *other)
{
	unsigned lane = x->i->lane, n = v->width / (lane * 8u);
	const struct expr *args[3] = {bits(x, n), v, other};

	if (n == 1)
		return expr_ite(x->p, args[0], v, other);
	if (expr_is_ones(args[0]))
		return v;
	if (expr_is_const(args[0], 0))
		return other;
	return expr_simd(x->p, of_lane(SIMD_SELECTB, lane), v->width, args, 3);
}

const struct expr *x86_mask_merge(struct step *x, const struct expr *v)
{
	if (!x->i->mask)
		return v;
	return x86_mask_select(
		x, v, x->i->zeroing ? x86_ops_const(x, v->width, 0) : x86_ops_low(x, 0, v->width));
}

void x86_mask_put(struct step *x, const struct expr *v)
{
	unsigned lane = x->i->lane, n = v->width / (lane * 8u);

	v = n == 1 ? expr_extract(x->p, v, v->width - 1u, 1)
		   : expr_simd(x->p, of_lane(SIMD_PMOVB2M, lane), n, &v, 1);
	if (x->i->mask)
		v = expr_and(x->p, v, bits(x, n));
	x86_ops_set_reg(x, x->i->op[0].reg.id, expr_zext(x->p, v, 64));
}

/* ---- vectors and masks ---- */

static const struct expr *all_or_none(struct step *x, unsigned width, bool all)
{
	const struct expr *none = x86_ops_const(x, width, 0);

	return all ? expr_not(x->p, none) : none;
}

void x86_mask_compare(struct step *x)
{
	unsigned w = x86_vec_width(x), imm = (unsigned)x86_vec_imm(x) & 7, lane = x->i->lane;
	enum simd_op gt = x->arg ? SIMD_PCMPGTUB : SIMD_PCMPGTB;
	const struct expr *a[2], *r;

	if (imm == 3 || imm == 7) {
		x86_vec_put(x, all_or_none(x, w, imm == 7));
		return;
	}
	a[0] = x86_ops_low(x, 1, w);
	a[1] = x86_ops_low(x, 2, w);
	if (imm % 4 == 1) { /* less */
		r = a[0];
		a[0] = a[1];
		a[1] = r;
	}
	r = expr_simd(x->p, of_lane(imm % 4 ? gt : SIMD_PCMPEQB, lane), w, a, 2);
	x86_vec_put(x, imm == 2 || imm == 4 || imm == 5 ? expr_not(x->p, r) : r);
}

void x86_mask_test(struct step *x)
{
	unsigned w = x86_vec_width(x);
	const struct expr *a[2];

	a[0] = expr_and(x->p, x86_ops_low(x, 1, w), x86_ops_low(x, 2, w));
	a[1] = x86_ops_const(x, w, 0);
	a[0] = expr_simd(x->p, of_lane(SIMD_PCMPEQB, x->i->lane), w, a, 2);
	x86_vec_put(x, x->arg ? a[0] : expr_not(x->p, a[0]));
}

void x86_mask_spread(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *k = x86_ops_low(x, 1, 64);

	k = expr_extract(x->p, k, 0, w / (x->i->lane * 8u));
	x86_vec_put(x, expr_simd(x->p, of_lane(SIMD_PMOVM2B, x->i->lane), w, &k, 1));
}

void x86_mask_blend(struct step *x)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *b = x86_ops_low(x, 2, w), *other = x86_ops_const(x, w, 0);

	if (x->i->mask && !x->i->zeroing)
		other = x86_ops_low(x, 1, w);
	x86_vec_put_whole(x, x->i->mask ? x86_mask_select(x, b, other) : b);
}

void x86_mask_pack(struct step *x)
{
	unsigned w = x86_vec_width(x), lane = x->i->lane;
	const struct expr *args[3];

	args[1] = x86_ops_low(x, 1, w);
	if (x->i->mask) {
		args[0] = bits(x, w / (lane * 8u));
		args[2] = x->i->zeroing ? x86_ops_const(x, w, 0) : x86_ops_low(x, 0, w);
		args[1] = expr_simd(x->p, of_lane(x->arg, lane), w, args, 3);
	}
	x86_vec_put_whole(x, args[1]);
}

/* Operand 1 is the mask: the highest bit of each lane. Lanes not loaded are 0, not stored stay. */
void x86_mask_vex(struct step *x)
{
	unsigned w = x86_ops_width(x, 1), n = w / (x->arg * 8);
	const struct expr *k = x86_ops_low(x, 1, w), *args[3];

	args[0] = expr_simd(x->p, of_lane(SIMD_PMOVB2M, x->arg), n, &k, 1);
	args[1] = x86_ops_low(x, 2, w);
	args[2] = x86_ops_is_mem(x, 0) ? x86_ops_low(x, 0, w) : x86_ops_const(x, w, 0);
	x86_vec_put_whole(x, expr_simd(x->p, of_lane(SIMD_SELECTB, x->arg), w, args, 3));
}

/* ---- mask registers; arg: their bits ---- */

static void put(struct step *x, const struct expr *v)
{
	x86_ops_put(x, 0, expr_zext(x->p, v, 64));
}

void x86_mask_mov(struct step *x)
{
	const struct expr *v = x86_ops_low(x, 1, x->arg);

	if (is_mask(&x->i->op[0]))
		put(x, v);
	else
		x86_ops_put(x, 0, x86_ops_is_mem(x, 0) ? v : expr_zext(x->p, v, MAX(x->arg, 32u)));
}

/* The operator is in the bits of arg above the low 8. */
void x86_mask_logic(struct step *x)
{
	unsigned w = x->arg & 255, op = x->arg >> 8;
	const struct expr *a, *b;

	if (op != EXPR_AND && op != EXPR_OR && op != EXPR_ADD && x86_ops_same(x, 1, 2)) {
		put(x, all_or_none(x, w, op == EXPR_EQ)); /* reads nothing */
		return;
	}
	a = x86_ops_low(x, 1, w);
	b = x86_ops_low(x, 2, w);
	switch (op) {
	case EXPR_AND: a = expr_and(x->p, a, b); break;
	case EXPR_OR: a = expr_or(x->p, a, b); break;
	case EXPR_XOR: a = expr_xor(x->p, a, b); break;
	case EXPR_EQ: a = expr_not(x->p, expr_xor(x->p, a, b)); break;
	case EXPR_ADD: a = expr_add(x->p, a, b); break;
	default: a = expr_and(x->p, expr_not(x->p, a), b); break;
	}
	put(x, a);
}

void x86_mask_not(struct step *x)
{
	put(x, expr_not(x->p, x86_ops_low(x, 1, x->arg)));
}

void x86_mask_unpack(struct step *x)
{
	put(x, expr_concat(x->p, x86_ops_low(x, 1, x->arg), x86_ops_low(x, 2, x->arg)));
}

void x86_mask_shift(struct step *x)
{
	unsigned w = x->arg & 255, n = (unsigned)x86_vec_imm(x);
	const struct expr *a = x86_ops_low(x, 1, w);

	if (n >= w)
		a = x86_ops_const(x, w, 0);
	else if (x->arg >> 8 == EXPR_SHL)
		a = expr_shl(x->p, a, x86_ops_const(x, w, n));
	else
		a = expr_lshr(x->p, a, x86_ops_const(x, w, n));
	put(x, a);
}

void x86_mask_ortest(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 0, x->arg);

	if (!x86_ops_same(x, 0, 1))
		a = expr_or(x->p, a, x86_ops_low(x, 1, x->arg));
	flags_set(x->s, FLAG_ALL6, FLAGS_VALUE, x86_ops_const(x, 1, 0), NULL, NULL);
	flags_put(x->s, X86_ZF, expr_eq(x->p, a, all_or_none(x, x->arg, false)));
	flags_put(x->s, X86_CF, expr_eq(x->p, a, all_or_none(x, x->arg, true)));
}

void x86_mask_andtest(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 0, x->arg), *b = x86_ops_low(x, 1, x->arg);
	const struct expr *none = all_or_none(x, x->arg, false);

	flags_set(x->s, FLAG_ALL6, FLAGS_VALUE, x86_ops_const(x, 1, 0), NULL, NULL);
	flags_put(x->s, X86_ZF, expr_eq(x->p, expr_and(x->p, a, b), none));
	flags_put(x->s, X86_CF, expr_eq(x->p, expr_and(x->p, expr_not(x->p, a), b), none));
}
