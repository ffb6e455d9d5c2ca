/* a64_vec.c: vectors: constants, copies, logic, what is done lane by lane (Arm ARM, C4.1.90). */
#include "sem/a64_ops.h"
#include "sem/simd.h"

/* Bytes of the vectors: 8 or 16. */
static unsigned bytes_of(const struct a64 *x)
{
	return a64_bits(x, 30, 1) ? 16 : 8;
}

static const struct expr *vector(struct a64 *x, unsigned at)
{
	return a64_get_vec(x, a64_bits(x, at, 5), bytes_of(x));
}

static void put(struct a64 *x, const struct expr *v)
{
	a64_put_vec(x, a64_bits(x, 0, 5), v);
}

/* v again and again, as far as the vectors go. */
static const struct expr *repeat(struct a64 *x, const struct expr *v)
{
	const struct expr *lane[16];
	unsigned n = bytes_of(x) * 8 / v->width;

	for (unsigned i = 0; i < n; i++)
		lane[i] = v;
	return expr_concatn(x->p, lane, n);
}

/* The 64 bits of an immediate; see the manual, AdvSIMDExpandImm. */
static uint64_t expand(unsigned op, unsigned cmode, unsigned imm)
{
	uint64_t v = imm, r = 0;

	if (cmode < 8)
		return (v << 8 * (cmode >> 1)) * UINT64_C(0x100000001);
	if (cmode < 12)
		return (v << 8 * (cmode >> 1 & 1)) * UINT64_C(0x1000100010001);
	if (cmode < 14)
		return (cmode & 1 ? v << 16 | 0xffff : v << 8 | 0xff) * UINT64_C(0x100000001);
	if (cmode == 15)
		return op ? a64_float_expand(imm, 64)
			  : a64_float_expand(imm, 32) * UINT64_C(0x100000001);
	if (!op)
		return v * UINT64_C(0x101010101010101);
	for (unsigned i = 0; i < 8; i++)
		r |= imm >> i & 1 ? UINT64_C(0xff) << 8 * i : 0;
	return r;
}

/* movi, mvni, fmov, and orr, bic with what is there. */
void a64_vec_imm(struct a64 *x)
{
	unsigned op = a64_bits(x, 29, 1), cmode = a64_bits(x, 12, 4);
	unsigned imm = a64_bits(x, 16, 3) << 5 | a64_bits(x, 5, 5);
	const struct expr *v;

	if (a64_bits(x, 11, 1) || (cmode == 15 && op && bytes_of(x) == 8)) { /* halves */
		a64_text_unknown(x);
		return;
	}
	v = repeat(x, a64_const(x, 64, expand(op, cmode, imm)));
	if (op && cmode < 14)
		v = expr_not(x->p, v);
	if (cmode < 12 && (cmode & 1))
		v = op ? expr_and(x->p, vector(x, 0), v) : expr_or(x->p, vector(x, 0), v);
	put(x, v);
}

/* dup, ins, smov, umov: a lane, or a general register. */
void a64_vec_copy(struct a64 *x)
{
	unsigned imm = a64_bits(x, 16, 5), scale = (unsigned)__builtin_ctz(imm | 32);
	unsigned bits = 8u << scale, lane = imm >> (scale + 1), op = a64_bits(x, 11, 4);
	unsigned n = a64_bits(x, 5, 5), d = a64_bits(x, 0, 5);
	bool wide = a64_bits(x, 30, 1);
	const struct expr *v;

	if (scale > 3) {
		a64_text_unknown(x);
		return;
	}
	if (a64_bits(x, 29, 1)) { /* ins from another lane */
		a64_put_lane(x, d, lane, a64_get_lane(x, n, op >> scale, bits));
		return;
	}
	switch (op) {
	case 0: put(x, repeat(x, a64_get_lane(x, n, lane, bits))); break;
	case 1:
		v = expr_extract(x->p, a64_get(x, n, bits == 64), 0, bits);
		put(x, repeat(x, v));
		break;
	case 3:
		v = expr_extract(x->p, a64_get(x, n, bits == 64), 0, bits);
		a64_put_lane(x, d, lane, v);
		break;
	case 5:
		v = a64_get_lane(x, n, lane, bits);
		a64_put(x, d, expr_sext(x->p, v, wide ? 64 : 32));
		break;
	case 7:
		v = a64_get_lane(x, n, lane, bits);
		a64_put(x, d, expr_zext(x->p, v, wide ? 64 : 32));
		break;
	default: a64_text_unknown(x); break;
	}
}

void a64_vec_scalar(struct a64 *x)
{
	unsigned imm = a64_bits(x, 16, 5), scale = (unsigned)__builtin_ctz(imm | 32);

	if (scale > 3)
		a64_text_unknown(x);
	else
		put(x, a64_get_lane(x, a64_bits(x, 5, 5), imm >> (scale + 1), 8u << scale));
}

static const struct expr *choose(
	struct a64 *x, const struct expr *mask, const struct expr *yes, const struct expr *no)
{
	return expr_or(x->p, expr_and(x->p, yes, mask), expr_and(x->p, no, expr_not(x->p, mask)));
}

void a64_vec_logic(struct a64 *x)
{
	unsigned op = a64_bits(x, 29, 1) * 4 + a64_bits(x, 22, 2);
	bool same = a64_bits(x, 5, 5) == a64_bits(x, 16, 5);
	const struct expr *n, *m;

	if (op == 4 && same) { /* eor with itself reads nothing */
		put(x, a64_const(x, 64, 0));
		return;
	}
	n = vector(x, 5);
	m = vector(x, 16);
	switch (op) {
	case 0: put(x, expr_and(x->p, n, m)); break;
	case 1: put(x, expr_and(x->p, n, expr_not(x->p, m))); break;
	case 2: put(x, expr_or(x->p, n, m)); break;
	case 3: put(x, expr_or(x->p, n, expr_not(x->p, m))); break;
	case 4: put(x, expr_xor(x->p, n, m)); break;
	case 5: put(x, choose(x, vector(x, 0), n, m)); break;  /* bsl */
	case 6: put(x, choose(x, m, n, vector(x, 0))); break;  /* bit */
	default: put(x, choose(x, m, vector(x, 0), n)); break; /* bif */
	}
}

/* ---- lanes ---- */

/* Operations of two vectors, by opcode and U, for lanes of 8, 16, 32, 64 bits; 0: none. */
struct lanes {
	uint8_t opcode, u;
	bool swap, complement;
	uint16_t op[4]; /* 1 + enum simd_op */
};
#define FOUR(b, w, d, q)                                               \
	{                                                              \
		SIMD_##b + 1, SIMD_##w + 1, SIMD_##d + 1, SIMD_##q + 1 \
	}
#define THREE(b, w, d)                                      \
	{                                                   \
		SIMD_##b + 1, SIMD_##w + 1, SIMD_##d + 1, 0 \
	}

static const struct lanes operations[] = {
	{0x10, 0, false, false, FOUR(PADDB, PADDW, PADDD, PADDQ)},
	{0x10, 1, false, false, FOUR(PSUBB, PSUBW, PSUBD, PSUBQ)},
	{0x11, 1, false, false, FOUR(PCMPEQB, PCMPEQW, PCMPEQD, PCMPEQQ)},
	{0x06, 0, false, false, FOUR(PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ)},
	{0x06, 1, false, false, FOUR(PCMPGTUB, PCMPGTUW, PCMPGTUD, PCMPGTUQ)},
	{0x07, 0, true, true, FOUR(PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ)}, /* cmge */
	{0x07, 1, true, true, FOUR(PCMPGTUB, PCMPGTUW, PCMPGTUD, PCMPGTUQ)},
	{0x0c, 0, false, false, THREE(PMAXSB, PMAXSW, PMAXSD)},
	{0x0c, 1, false, false, THREE(PMAXUB, PMAXUW, PMAXUD)},
	{0x0d, 0, false, false, THREE(PMINSB, PMINSW, PMINSD)},
	{0x0d, 1, false, false, THREE(PMINUB, PMINUW, PMINUD)},
	{0x13, 0, false, false, {0, SIMD_PMULLW + 1, SIMD_PMULLD + 1, 0}},
};

/* Floating point: bit 23 is part of the operation. */
static unsigned float_operation(const struct a64 *x)
{
	unsigned key = a64_bits(x, 29, 1) << 6 | a64_bits(x, 23, 1) << 5 | a64_bits(x, 11, 5);

	switch (key) {
	case 0x1a: return SIMD_ADDPS;
	case 0x3a: return SIMD_SUBPS;
	case 0x5b: return SIMD_MULPS;
	case 0x5f: return SIMD_DIVPS;
	default: return SIMD_COUNT;
	}
}

static const struct expr *apply(struct a64 *x, unsigned op, bool swap)
{
	const struct expr *arg[2] = {vector(x, swap ? 16 : 5), vector(x, swap ? 5 : 16)}, *r;

	for (unsigned i = 0; i < 2; i++)
		arg[i] = expr_zext(x->p, arg[i], 128);
	r = expr_simd(x->p, op, 128, arg, 2);
	return expr_extract(x->p, r, 0, bytes_of(x) * 8);
}

void a64_vec_lanes(struct a64 *x)
{
	unsigned opcode = a64_bits(x, 11, 5), u = a64_bits(x, 29, 1), size = a64_bits(x, 22, 2);
	unsigned op = float_operation(x);
	const struct expr *r;

	if (op != SIMD_COUNT) { /* of lanes of 64 bits there are two */
		if (!a64_bits(x, 22, 1))
			put(x, apply(x, op, false));
		else if (bytes_of(x) == 16)
			put(x, apply(x, op + 1, false));
		else
			a64_text_unknown(x);
		return;
	}
	for (unsigned i = 0; i < COUNT_OF(operations); i++) {
		const struct lanes *l = &operations[i];

		if (l->opcode != opcode || l->u != u || !l->op[size] ||
			(size == 3 && bytes_of(x) == 8))
			continue;
		r = apply(x, l->op[size] - 1u, l->swap);
		put(x, l->complement ? expr_not(x->p, r) : r);
		return;
	}
	a64_text_unknown(x);
}

/* ext: the bytes of two vectors from one on. */
void a64_vec_extract(struct a64 *x)
{
	unsigned at = a64_bits(x, 11, 4);

	if (at >= bytes_of(x)) {
		a64_text_unknown(x);
		return;
	}
	put(x, expr_extract(x->p, expr_concat(x->p, vector(x, 16), vector(x, 5)), at * 8,
		       bytes_of(x) * 8));
}
