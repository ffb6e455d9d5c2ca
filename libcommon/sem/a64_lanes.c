/*
 * a64_lanes.c: vectors: what only moves lanes about, shifts by constants, conversions from integers
 * (Arm ARM, C4.1.90).
 */
#include "sem/a64_ops.h"
#include "sem/simd.h"

static unsigned width_of(const struct a64 *x)
{
	return a64_bits(x, 30, 1) ? 128 : 64;
}

static const struct expr *lane(struct a64 *x, unsigned at, unsigned number, unsigned bits)
{
	return a64_get_lane(x, a64_bits(x, at, 5), number, bits);
}

/* Lane 0 of the result is to[0]. */
static void put(struct a64 *x, const struct expr **to, unsigned n)
{
	for (unsigned i = 0; i < n / 2; i++) {
		const struct expr *e = to[i];

		to[i] = to[n - 1 - i];
		to[n - 1 - i] = e;
	}
	a64_put_vec(x, a64_bits(x, 0, 5), expr_concatn(x->p, to, n));
}

/* uzp, trn, zip: lanes of two vectors, every other one, or by turns. */
void a64_lanes_permute(struct a64 *x)
{
	unsigned bits = 8u << a64_bits(x, 22, 2), n = width_of(x) / bits;
	unsigned op = a64_bits(x, 12, 2), second = a64_bits(x, 14, 1);
	const struct expr *to[16];

	if (!op || n < 2) {
		a64_text_unknown(x);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned k = op == 1   ? 2 * i + second
			     : op == 2 ? (i & ~1u) + second
				       : i / 2 + second * (n / 2);
		unsigned from = op == 1 ? (k >= n ? 16 : 5) : i & 1 ? 16 : 5;

		to[i] = lane(x, from, k % n, bits);
	}
	put(x, to, n);
}

/* rev64, rev32, rev16 */
void a64_lanes_reverse(struct a64 *x)
{
	unsigned bits = 8u << a64_bits(x, 22, 2);
	unsigned unit = a64_bits(x, 12, 1) ? 16 : a64_bits(x, 29, 1) ? 32 : 64;
	const struct expr *v = a64_get_vec(x, a64_bits(x, 5, 5), width_of(x) / 8);

	if (bits >= unit)
		a64_text_unknown(x);
	else
		a64_put_vec(x, a64_bits(x, 0, 5), a64_int_reverse(x, v, unit, bits));
}

void a64_lanes_not(struct a64 *x)
{
	const struct expr *v = a64_get_vec(x, a64_bits(x, 5, 5), width_of(x) / 8);

	a64_put_vec(x, a64_bits(x, 0, 5), expr_not(x->p, v));
}

/* Shifts of all lanes but those of bytes have x86's names. */
static const struct expr *shift(struct a64 *x, unsigned bits, unsigned op, unsigned by)
{
	const struct expr *arg[2];

	arg[0] = expr_zext(x->p, a64_get_vec(x, a64_bits(x, 5, 5), width_of(x) / 8), 128);
	arg[1] = a64_const(x, 64, by);
	op += bits == 16 ? 0 : bits == 32 ? 1 : 2;
	return expr_extract(x->p, expr_simd(x->p, op, 128, arg, 2), 0, width_of(x));
}

/* By the constant immh:immb: sshr, ushr, shl, sshll, ushll. */
void a64_lanes_shift(struct a64 *x)
{
	unsigned imm = a64_bits(x, 16, 7), bits, n, op = a64_bits(x, 11, 5);
	bool is_unsigned = a64_bits(x, 29, 1), second = a64_bits(x, 30, 1);
	const struct expr *to[16], *v;

	bits = imm & 64 ? 64 : imm & 32 ? 32 : imm & 16 ? 16 : 8;
	n = width_of(x) / bits;
	if (op == 0x14 && bits < 64) { /* each of the lower, or upper, half to twice as many bits */
		n = 64 / bits;
		for (unsigned i = 0; i < n; i++) {
			v = lane(x, 5, i + second * n, bits);
			v = is_unsigned ? expr_zext(x->p, v, 2 * bits)
					: expr_sext(x->p, v, 2 * bits);
			to[i] = expr_shl(x->p, v, a64_const(x, 2 * bits, imm - bits));
		}
		put(x, to, n);
	} else if ((op == 0 || (op == 10 && !is_unsigned)) && bits > 8 && n > 1) {
		v = op == 10
			    ? shift(x, bits, SIMD_PSLLW, imm - bits)
			    : shift(x, bits, is_unsigned ? SIMD_PSRLW : SIMD_PSRAW, 2 * bits - imm);
		a64_put_vec(x, a64_bits(x, 0, 5), v);
	} else {
		a64_text_unknown(x);
	}
}

/* scvtf, ucvtf of lanes, or of the lowest one. */
void a64_lanes_from_int(struct a64 *x)
{
	unsigned bits = a64_bits(x, 22, 1) ? 64 : 32, n = width_of(x) / bits;
	unsigned op = a64_bits(x, 29, 1) ? SIMD_CVTUSI2SS : SIMD_CVTSI2SS;
	bool scalar = a64_bits(x, 28, 1);
	const struct expr *to[4], *v;

	if (!scalar && n < 2) {
		a64_text_unknown(x);
		return;
	}
	n = scalar ? 1 : n;
	for (unsigned i = 0; i < n; i++) {
		v = lane(x, 5, i, bits);
		to[i] = expr_simd(x->p, op + (bits == 64), bits, &v, 1);
	}
	put(x, to, n);
}
