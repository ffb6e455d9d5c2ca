/*
 * a64_float.c: scalar floating point (Arm ARM, C4.1.90): named operations (sem/simd.h) on the bits
 * of their arguments, rounding and exceptions being the default ones. Conversions to integers,
 * whose results out of range are not x86's, minima and maxima are unknowns.
 */
#include "sem/a64_ops.h"
#include "sem/simd.h"

static bool is_double(const struct a64 *x)
{
	return a64_bits(x, 22, 1);
}

static const struct expr *number(struct a64 *x, unsigned at)
{
	return a64_get_vec(x, a64_bits(x, at, 5), is_double(x) ? 8 : 4);
}

static void put(struct a64 *x, const struct expr *v)
{
	a64_put_vec(x, a64_bits(x, 0, 5), v);
}

/* op is the operation on singles; the one on doubles follows it. */
static const struct expr *operation(
	struct a64 *x, unsigned op, const struct expr *const *arg, unsigned n)
{
	return expr_simd(x->p, op + is_double(x), is_double(x) ? 64 : 32, arg, n);
}

static const struct expr *sign_bit(struct a64 *x)
{
	return is_double(x) ? a64_const(x, 64, UINT64_C(1) << 63) : a64_const(x, 32, 0x80000000);
}

/* How: as in the manual, 0 to nearest, 1 up, 2 down, 3 to zero; or 4, as usual. */
static const struct expr *rounded(struct a64 *x, const struct expr *v, unsigned how)
{
	static const uint8_t of_x86[5] = {0, 2, 1, 3, 4};
	const struct expr *arg[2] = {v, a64_const(x, 8, of_x86[how])};

	return operation(x, SIMD_ROUNDSS, arg, 2);
}

void a64_float_one(struct a64 *x)
{
	const struct expr *v = number(x, 5);
	unsigned op = a64_bits(x, 15, 6);

	switch (op) {
	case 0: put(x, v); break;
	case 1: put(x, expr_and(x->p, v, expr_not(x->p, sign_bit(x)))); break;
	case 2: put(x, expr_xor(x->p, v, sign_bit(x))); break;
	case 3: put(x, operation(x, SIMD_SQRTSS, &v, 1)); break;
	case 4: put(x, expr_simd(x->p, SIMD_CVTSD2SS, 32, &v, 1)); break;
	case 5: put(x, expr_simd(x->p, SIMD_CVTSS2SD, 64, &v, 1)); break;
	case 8:
	case 9:
	case 10:
	case 11: put(x, rounded(x, v, op & 3)); break; /* frintn, p, m, z */
	case 14:
	case 15: put(x, rounded(x, v, 4)); break; /* frintx, frinti: as FPCR says */
	default: a64_text_unknown(x); break;
	}
}

void a64_float_two(struct a64 *x)
{
	static const uint16_t of[4] = {SIMD_MULSS, SIMD_DIVSS, SIMD_ADDSS, SIMD_SUBSS};
	const struct expr *arg[2] = {number(x, 5), number(x, 16)}, *r;
	unsigned op = a64_bits(x, 12, 4);

	if (op == 8) {
		r = operation(x, SIMD_MULSS, arg, 2);
		put(x, expr_xor(x->p, r, sign_bit(x)));
	} else if (op < COUNT_OF(of)) {
		put(x, operation(x, of[op], arg, 2));
	} else {
		a64_text_unknown(x);
	}
}

/* a + n * m with the signs of either changed: fmadd, fmsub, fnmadd, fnmsub. */
void a64_float_three(struct a64 *x)
{
	static const uint16_t of[4] = {SIMD_FMADDSS, SIMD_FNMADDSS, SIMD_FNMSUBSS, SIMD_FMSUBSS};
	const struct expr *arg[3] = {number(x, 5), number(x, 16), number(x, 10)};

	put(x, operation(x, of[a64_bits(x, 21, 1) * 2 + a64_bits(x, 15, 1)], arg, 3));
}

void a64_float_compare(struct a64 *x)
{
	const struct expr *a = number(x, 5);
	const struct expr *b = a64_bits(x, 3, 1) ? a64_const(x, a->width, 0) : number(x, 16);

	flags_set(x->s, A64_NZCV, FLAGS_FCMP, a, b, NULL);
}

void a64_float_cond_compare(struct a64 *x)
{
	const struct expr *holds = state_cond(x->s, a64_cc(a64_bits(x, 12, 4)));

	flags_set(x->s, A64_NZCV, FLAGS_FCMP, number(x, 5), number(x, 16), NULL);
	flags_unless(x->s, A64_NZCV, holds, a64_nzcv(a64_bits(x, 0, 4)));
}

void a64_float_select(struct a64 *x)
{
	const struct expr *c = state_cond(x->s, a64_cc(a64_bits(x, 12, 4)));

	x->s->cond = c;
	put(x, expr_ite(x->p, c, number(x, 5), number(x, 16)));
}

uint64_t a64_float_expand(unsigned imm, unsigned bits)
{
	uint64_t sign = imm >> 7, b = imm >> 6 & 1, low = imm & 63;

	if (bits == 64)
		return sign << 63 | (b ^ 1) << 62 | (b ? UINT64_C(0xff) << 54 : 0) | low << 48;
	return sign << 31 | (b ^ 1) << 30 | (b ? UINT64_C(0x1f) << 25 : 0) | low << 19;
}

void a64_float_imm(struct a64 *x)
{
	unsigned bits = is_double(x) ? 64 : 32;

	put(x, a64_const(x, bits, a64_float_expand(a64_bits(x, 13, 8), bits)));
}

/* fmov between the kinds of registers, scvtf, ucvtf. */
void a64_float_integer(struct a64 *x)
{
	bool wide = x->w >> 31;
	unsigned n = a64_bits(x, 5, 5), d = a64_bits(x, 0, 5), bits = is_double(x) ? 64 : 32;
	const struct expr *v;

	switch (a64_bits(x, 16, 5)) { /* rounding and operation */
	case 2:
	case 3:
		v = a64_get(x, n, wide);
		put(x, operation(x, a64_bits(x, 16, 1) ? SIMD_CVTUSI2SS : SIMD_CVTSI2SS, &v, 1));
		return;
	case 6:
		if (wide == is_double(x)) {
			a64_put(x, d, a64_get_vec(x, n, bits / 8));
			return;
		}
		break;
	case 7:
		if (wide == is_double(x)) {
			put(x, a64_get(x, n, wide));
			return;
		}
		break;
	default: break;
	}
	a64_text_unknown(x);
}

/* fmov x0, v1.d[1] and back */
void a64_float_upper(struct a64 *x)
{
	unsigned n = a64_bits(x, 5, 5), d = a64_bits(x, 0, 5);

	if (a64_bits(x, 16, 1))
		a64_put_lane(x, d, 1, a64_get(x, n, true));
	else
		a64_put(x, d, a64_get_lane(x, n, 1, 64));
}
