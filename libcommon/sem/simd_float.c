/*
 * simd_float.c: what the floating-point operations compute; see simd.h. Numbers of 32 or 64 bits
 * are their bit patterns. After Intel's Software Developer's Manual, volume 2.
 */
#include <math.h>
#include <string.h>

#include "sem/simd_lanes.h"

static double to_double(uint64_t v, unsigned bits)
{
	uint32_t v32 = (uint32_t)v;
	double d;
	float f;

	if (bits == 64) {
		memcpy(&d, &v, sizeof(d));
		return d;
	}
	memcpy(&f, &v32, sizeof(f));
	return (double)f;
}

static uint64_t from_double(double d)
{
	uint64_t v;

	memcpy(&v, &d, sizeof(v));
	return v;
}

static uint64_t from_float(float f)
{
	uint32_t v;

	memcpy(&v, &f, sizeof(v));
	return v;
}

static bool is_nan(uint64_t v, unsigned bits)
{
	return bits == 64 ? (v << 1) > UINT64_C(0xffe0000000000000) : (v & 0x7fffffff) > 0x7f800000;
}

static uint64_t quiet(uint64_t v, unsigned bits)
{
	return v | (bits == 64 ? UINT64_C(1) << 51 : UINT64_C(1) << 22);
}

/* The NaN that an invalid operation gives. */
static uint64_t default_nan(unsigned bits)
{
	return bits == 64 ? UINT64_C(0xfff8000000000000) : UINT64_C(0xffc00000);
}

/* The result of an operation on a and b that computed v. */
static uint64_t settle(uint64_t v, uint64_t a, uint64_t b, unsigned bits)
{
	if (is_nan(a, bits))
		return quiet(a, bits);
	if (is_nan(b, bits))
		return quiet(b, bits);
	return is_nan(v, bits) ? default_nan(bits) : v;
}

/* A float operation done in float: double rounding never comes in. */
#define FLOAT_FN(name, expr)                                                            \
	LANE_FN(name)                                                                   \
	{                                                                               \
		uint64_t r;                                                             \
                                                                                        \
		if (bits == 64) {                                                       \
			double x = to_double(a, 64), y = to_double(b, 64);              \
			r = from_double(expr);                                          \
			(void)y;                                                        \
		} else {                                                                \
			float x = (float)to_double(a, 32), y = (float)to_double(b, 32); \
			r = from_float((float)(expr));                                  \
			(void)y;                                                        \
		}                                                                       \
		return settle(r, a, b, bits);                                           \
	}

FLOAT_FN(fadd, x + y)
FLOAT_FN(fsub, x - y)
FLOAT_FN(fmul, x *y)
FLOAT_FN(fdiv, x / y)

LANE_FN(fsqrt)
{
	double x = to_double(a, bits);

	/* The root of a float computed in double and rounded is the rounded root. */
	return settle(bits == 64 ? from_double(sqrt(x)) : from_float((float)sqrt(x)), a, a, bits);
}

/* The second argument unless the first is strictly less (greater). */
LANE_FN(fmin_x86)
{
	return to_double(a, bits) < to_double(b, bits) ? a : b;
}
LANE_FN(fmax_x86)
{
	return to_double(a, bits) > to_double(b, bits) ? a : b;
}

/* a * b + c with one rounding; flip has the sign bits to turn of the product and of c. */
static uint64_t fused(uint64_t a, uint64_t b, uint64_t c, unsigned bits, unsigned flip)
{
	uint64_t sign = UINT64_C(1) << (bits - 1), r;
	uint64_t x = flip & 1 ? a ^ sign : a, z = flip & 2 ? c ^ sign : c;

	if (bits == 64)
		r = from_double(fma(to_double(x, 64), to_double(b, 64), to_double(z, 64)));
	else
		r = from_float(fmaf(
			(float)to_double(x, 32), (float)to_double(b, 32), (float)to_double(z, 32)));
	if (is_nan(a, bits) || is_nan(b, bits))
		return settle(r, a, b, bits);
	return settle(r, c, c, bits);
}

LANE_FN(fmadd)
{
	return fused(a, b, c, bits, 0);
}
LANE_FN(fmsub)
{
	return fused(a, b, c, bits, 2);
}
LANE_FN(fnmadd)
{
	return fused(a, b, c, bits, 1);
}
LANE_FN(fnmsub)
{
	return fused(a, b, c, bits, 3);
}

/* Lanes 0, 2 ... have the third argument subtracted by fmaddsub, added by fmsubadd; 1, 3 ... not.
 */
static void falternate(const struct whole *w, uint64_t *out)
{
	bool subtracts = w->op == SIMD_FMADDSUBPS || w->op == SIMD_FMADDSUBPD;

	for (unsigned i = 0; i < 128; i += w->bits, subtracts = !subtracts)
		put(out, w->at + i, w->bits,
			fused(get(w->arg[0].words, w->at + i, w->bits),
				get(w->arg[1].words, w->at + i, w->bits),
				get(w->arg[2].words, w->at + i, w->bits), w->bits,
				subtracts ? 2 : 0));
}

/* The predicates of cmpps and vcmpps; c is the immediate. */
LANE_FN(fcmp)
{
	double x = to_double(a, bits), y = to_double(b, bits);
	bool unordered = is_nan(a, bits) || is_nan(b, bits), r;

	switch (c & 7) {
	case 0: r = x == y; break;
	case 1: r = x < y; break;
	case 2: r = x <= y; break;
	case 3: r = unordered; break;
	case 4: r = !(x == y); break;
	case 5: r = !(x < y); break;
	case 6: r = !(x <= y); break;
	default: r = !unordered; break;
	}
	if (c & 8) {
		switch (c & 7) {
		case 0: r = unordered || x == y; break;
		case 1: r = unordered || x < y; break;
		case 2: r = unordered || x <= y; break;
		case 3: r = false; break;
		case 4: r = !unordered && x != y; break;
		case 5: r = x >= y; break;
		case 6: r = x > y; break;
		default: r = true; break;
		}
	}
	return r ? UINT64_MAX : 0;
}

/* b is the immediate: rounding mode in bits 1:0, bit 2: as MXCSR says (nearest). */
LANE_FN(fround)
{
	double x = to_double(a, bits), r;

	if (is_nan(a, bits))
		return quiet(a, bits);
	switch (b & 4 ? 0 : b & 3) {
	case 0: r = rint(x); break;
	case 1: r = floor(x); break;
	case 2: r = ceil(x); break;
	default: r = trunc(x); break;
	}
	return bits == 64 ? from_double(r) : from_float((float)r);
}

/* A rounded number as an integer of so many bits; what does not fit is the smallest integer. */
static uint64_t integer(double r, unsigned bits)
{
	double limit = bits == 64 ? 0x1p63 : 0x1p31;

	return r >= -limit && r < limit ? (uint64_t)(int64_t)r : UINT64_C(1) << (bits - 1);
}

LANE_FN(lane_from_int)
{
	return from_float((float)(int32_t)a);
}
LANE_FN(lane_to_int)
{
	return integer(rint(to_double(a, 32)), 32);
}
LANE_FN(lane_trunc_int)
{
	return integer(trunc(to_double(a, 32)), 32);
}

/* Integer arg[0] of 32 or 64 bits to a float of w->bits. */
static void from_int(const struct whole *w, uint64_t *out)
{
	int64_t v = sign_extend(w->arg[0].words[0], w->arg[0].width);

	out[0] = w->bits == 64 ? from_double((double)v) : from_float((float)v);
}

/* Float arg[0] of w->bits to an integer as wide as the result. */
static void to_int(const struct whole *w, uint64_t *out)
{
	double x = to_double(w->arg[0].words[0], w->bits);

	x = w->op == SIMD_CVTTSS2SI || w->op == SIMD_CVTTSD2SI ? trunc(x) : rint(x);
	out[0] = integer(x, w->width) & ones(w->width);
}

static void from_uint(const struct whole *w, uint64_t *out)
{
	uint64_t v = w->arg[0].words[0];

	out[0] = w->bits == 64 ? from_double((double)v) : from_float((float)v);
}

/* What is no such number is the largest. */
static void to_uint(const struct whole *w, uint64_t *out)
{
	double x = to_double(w->arg[0].words[0], w->bits), limit = w->width == 64 ? 0x1p64 : 0x1p32;

	x = w->op == SIMD_CVTTSS2USI || w->op == SIMD_CVTTSD2USI ? trunc(x) : rint(x);
	out[0] = x >= 0 && x < limit ? (uint64_t)x : ones(w->width);
}

static void resize(const struct whole *w, uint64_t *out)
{
	uint64_t a = w->arg[0].words[0];

	if (w->bits == 64) {
		out[0] = from_double(to_double(a, 32));
		if (is_nan(a, 32))
			out[0] = (a >> 31) << 63 | UINT64_C(0x7ff8) << 48 | (a & 0x7fffff) << 29;
	} else {
		out[0] = from_float((float)to_double(a, 64));
		if (is_nan(a, 64))
			out[0] = a >> 63 << 31 | 0x7fc00000 | (a >> 29 & 0x7fffff);
	}
}

/* A number of 16 bits as one of 32. */
static void from_half(const struct whole *w, uint64_t *out)
{
	uint64_t a = w->arg[0].words[0], m = a & 0x3ff, e = a >> 10 & 31;
	uint64_t sign = a >> 15 << 31;

	if (e == 31)
		out[0] = sign | 0x7f800000 | m << 13 | (m ? 0x400000 : 0);
	else if (e)
		out[0] = sign | (e + 112) << 23 | m << 13;
	else
		out[0] = sign | from_float((float)m * 0x1p-24f);
}

/* Whether a rounded magnitude grows by one; lost: of `half` twice. */
static bool rounds_up(unsigned mode, bool negative, bool odd, uint64_t lost, uint64_t half)
{
	switch (mode) {
	case 0: return lost > half || (lost == half && odd);
	case 1: return negative && lost;
	case 2: return !negative && lost;
	default: return false;
	}
}

/* A number of 32 bits as one of 16; the second argument is the immediate, as of roundps. */
static void to_half(const struct whole *w, uint64_t *out)
{
	uint64_t a = w->arg[0].words[0], m = a & 0x7fffff, h, lost, imm = w->arg[1].words[0];
	unsigned e = a >> 23 & 255, mode = imm & 4 ? 0 : imm & 3, shift;
	bool negative = a >> 31 & 1;

	if (e == 255) {
		h = 0x7c00 | (m ? 0x200 | m >> 13 : 0);
	} else if (e > 127 + 15) { /* too large, unless it is rounded towards zero */
		h = mode == 3 || mode == (negative ? 2 : 1) ? 0x7bff : 0x7c00;
	} else {
		m |= e ? 0x800000 : 0;
		e = MAX(e, 1u);
		shift = e > 112 ? 13 : MIN(13 + 113 - e, 25u);
		h = (e > 112 ? (uint64_t)(e - 113) << 10 : 0) + (m >> shift);
		lost = m & ones(shift);
		h += rounds_up(mode, negative, h & 1, lost, UINT64_C(1) << (shift - 1));
	}
	out[0] = (uint64_t)negative << 15 | h;
}

/* 1-bit results of an ordered comparison. */
static void forder(const struct whole *w, uint64_t *out)
{
	uint64_t a = w->arg[0].words[0], b = w->arg[1].words[0];
	double x = to_double(a, w->bits), y = to_double(b, w->bits);

	switch (w->op) {
	case SIMD_LTSS:
	case SIMD_LTSD: out[0] = x < y; return;
	case SIMD_LESS:
	case SIMD_LESD: out[0] = x <= y; return;
	case SIMD_EQSS:
	case SIMD_EQSD: out[0] = x == y; return;
	default: out[0] = is_nan(a, w->bits) || is_nan(b, w->bits); return;
	}
}

static void fhorizontal(const struct whole *w, uint64_t *out)
{
	unsigned bits = w->bits, at = w->at;
	bool minus = w->op == SIMD_HSUBPS || w->op == SIMD_HSUBPD;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 128; i += 2 * bits, at += bits) {
			uint64_t x = get(w->arg[k].words, w->at + i, bits);
			uint64_t y = get(w->arg[k].words, w->at + i + bits, bits);

			put(out, at, bits,
				minus ? lane_fsub(x, y, 0, bits) : lane_fadd(x, y, 0, bits));
		}
}

static void faddsub(const struct whole *w, uint64_t *out)
{
	for (unsigned i = 0; i < 128; i += w->bits) {
		uint64_t x = get(w->arg[0].words, w->at + i, w->bits);
		uint64_t y = get(w->arg[1].words, w->at + i, w->bits);

		put(out, w->at + i, w->bits,
			i / w->bits % 2 ? lane_fadd(x, y, 0, w->bits)
					: lane_fsub(x, y, 0, w->bits));
	}
}

const struct simd_row simd_float_ops[SIMD_COUNT] = {SIMD_FLOAT_OPS(SIMD_LANE, SIMD_WHOLE)};
