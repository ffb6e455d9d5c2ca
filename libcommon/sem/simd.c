/*
 * simd.c: what the named vector and floating-point operations compute, lane by lane; see simd.h.
 * After Intel's Software Developer's Manual, volume 2.
 */
#include "sem/simd.h"

#include <math.h>
#include <string.h>

#include "sem/simd_crypto.h"

/* One lane of up to three arguments, zero-extended; bits is the lane's width. */
typedef uint64_t lane_fn(uint64_t a, uint64_t b, uint64_t c, unsigned bits);

/* 128 bits, or less, of each argument. */
struct whole {
	unsigned op, bits, width; /* enum simd_op, bits of a lane, width of the whole result */
	const struct eval_arg *arg;
	unsigned nargs, at; /* the first bit of this part in arguments as wide as the result */
};
typedef void whole_fn(const struct whole *w, uint64_t *out);

static uint64_t ones(unsigned bits)
{
	return UINT64_MAX >> (64 - bits);
}

static int64_t sign_extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

/* Lanes of a value. */

static uint64_t get(const uint64_t *w, unsigned lo, unsigned bits)
{
	return w[lo / 64] >> lo % 64 & ones(bits);
}

static void put(uint64_t *w, unsigned lo, unsigned bits, uint64_t v)
{
	w[lo / 64] = (w[lo / 64] & ~(ones(bits) << lo % 64)) | (v & ones(bits)) << lo % 64;
}

/* Integers. */

static uint64_t clamp_signed(int64_t v, unsigned bits)
{
	int64_t max = (int64_t)(ones(bits) >> 1);

	return (uint64_t)(v > max ? max : v < -max - 1 ? -max - 1 : v);
}

static uint64_t clamp_unsigned(int64_t v, unsigned bits)
{
	return v < 0 ? 0 : MIN((uint64_t)v, ones(bits));
}

#define LANE_FN(name)                \
	static uint64_t lane_##name( \
		uint64_t a UNUSED, uint64_t b UNUSED, uint64_t c UNUSED, unsigned bits UNUSED)
/* a and b as signed numbers */
#define SA sign_extend(a, bits)
#define SB sign_extend(b, bits)

LANE_FN(add)
{
	return a + b;
}
LANE_FN(sub)
{
	return a - b;
}
LANE_FN(adds)
{
	return clamp_signed(SA + SB, bits);
}
LANE_FN(subs)
{
	return clamp_signed(SA - SB, bits);
}
LANE_FN(addus)
{
	return MIN(a + b, ones(bits));
}
LANE_FN(subus)
{
	return a > b ? a - b : 0;
}
LANE_FN(mull)
{
	return a * b;
}
LANE_FN(mulh)
{
	return (uint64_t)(SA * SB >> bits);
}
LANE_FN(mulhu)
{
	return a * b >> bits;
}
LANE_FN(mulhrs)
{
	return (uint64_t)(((SA * SB >> 14) + 1) >> 1);
}
LANE_FN(muludq)
{
	return (a & ones(32)) * (b & ones(32));
}
LANE_FN(muldq)
{
	return (uint64_t)(sign_extend(a, 32) * sign_extend(b, 32));
}
LANE_FN(avg)
{
	return (a + b + 1) >> 1;
}
LANE_FN(minu)
{
	return MIN(a, b);
}
LANE_FN(maxu)
{
	return MAX(a, b);
}
LANE_FN(mins)
{
	return SA < SB ? a : b;
}
LANE_FN(maxs)
{
	return SA > SB ? a : b;
}
LANE_FN(cmpeq)
{
	return a == b ? UINT64_MAX : 0;
}
LANE_FN(cmpgt)
{
	return SA > SB ? UINT64_MAX : 0;
}
LANE_FN(cmpgtu)
{
	return a > b ? UINT64_MAX : 0;
}
LANE_FN(sign)
{
	return SB < 0 ? -a : b ? a : 0;
}
LANE_FN(abs)
{
	return SA < 0 ? -a : a;
}
LANE_FN(sll)
{
	return b < bits ? a << b : 0;
}
LANE_FN(srl)
{
	return b < bits ? a >> b : 0;
}
LANE_FN(sra)
{
	return (uint64_t)(SA >> MIN(b, bits - 1));
}
LANE_FN(blendv)
{
	return c >> (bits - 1) ? b : a;
}

LANE_FN(maddwd)
{
	return (uint64_t)(sign_extend(a, 16) * sign_extend(b, 16) +
			  sign_extend(a >> 16, 16) * sign_extend(b >> 16, 16));
}

LANE_FN(maddubs)
{
	return clamp_signed((int64_t)(a & 0xff) * sign_extend(b, 8) +
				    (int64_t)(a >> 8) * sign_extend(b >> 8, 8),
		16);
}

LANE_FN(sad)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < 64; i += 8) {
		uint64_t x = a >> i & 0xff, y = b >> i & 0xff;

		sum += x > y ? x - y : y - x;
	}
	return sum;
}

LANE_FN(rol)
{
	unsigned n = b & (bits - 1);

	return n ? a << n | a >> (bits - n) : a;
}
LANE_FN(ror)
{
	unsigned n = b & (bits - 1);

	return n ? a >> n | a << (bits - n) : a;
}
/* Of a above b, and of b above a, shifted by c. */
LANE_FN(shld)
{
	unsigned n = c & (bits - 1);

	return n ? a << n | b >> (bits - n) : a;
}
LANE_FN(shrd)
{
	unsigned n = c & (bits - 1);

	return n ? a >> n | b << (bits - n) : a;
}
LANE_FN(popcnt)
{
	return (uint64_t)__builtin_popcountll(a);
}
LANE_FN(lzcnt)
{
	return a ? (uint64_t)__builtin_clzll(a) - (64 - bits) : bits;
}

/* The sum of products of bytes of b, unsigned, and of c, signed. */
static int64_t dot_bytes(uint64_t b, uint64_t c)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < 32; i += 8)
		sum += (int64_t)(b >> i & 0xff) * sign_extend(c >> i, 8);
	return sum;
}

static int64_t dot_words(uint64_t b, uint64_t c)
{
	return sign_extend(b, 16) * sign_extend(c, 16) +
	       sign_extend(b >> 16, 16) * sign_extend(c >> 16, 16);
}

LANE_FN(dpbusd)
{
	return (uint64_t)(SA + dot_bytes(b, c));
}
LANE_FN(dpbusds)
{
	return clamp_signed(SA + dot_bytes(b, c), bits);
}
LANE_FN(dpwssd)
{
	return (uint64_t)(SA + dot_words(b, c));
}
LANE_FN(dpwssds)
{
	return clamp_signed(SA + dot_words(b, c), bits);
}

static unsigned __int128 product52(uint64_t b, uint64_t c)
{
	return (unsigned __int128)(b & ones(52)) * (c & ones(52));
}

LANE_FN(madd52lu)
{
	return a + (uint64_t)(product52(b, c) & ones(52));
}
LANE_FN(madd52hu)
{
	return a + (uint64_t)(product52(b, c) >> 52);
}

/* Each byte of a says which 8 bits of b, turned around. */
LANE_FN(multishift)
{
	uint64_t r = 0;

	for (unsigned i = 0; i < 64; i += 8)
		r |= (lane_ror(b, a >> i & 63, 0, 64) & 0xff) << i;
	return r;
}

/* Every lane by one count: the low 64 bits of the second argument. */
static void shift_all(const struct whole *w, uint64_t *out)
{
	uint64_t n = w->arg[1].words[0];

	for (unsigned i = 0; i < 128; i += w->bits) {
		uint64_t a = get(w->arg[0].words, w->at + i, w->bits);
		int64_t s = sign_extend(a, w->bits);

		switch (w->op) {
		case SIMD_PSLLW:
		case SIMD_PSLLD:
		case SIMD_PSLLQ: a = n < w->bits ? a << n : 0; break;
		case SIMD_PSRAW:
		case SIMD_PSRAD:
		case SIMD_PSRAQ: a = (uint64_t)(s >> MIN(n, w->bits - 1)); break;
		default: a = n < w->bits ? a >> n : 0; break;
		}
		put(out, w->at + i, w->bits, a);
	}
}

static void pack(const struct whole *w, uint64_t *out)
{
	unsigned half = w->bits / 2, at = w->at;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 128; i += w->bits, at += half) {
			int64_t v = sign_extend(get(w->arg[k].words, w->at + i, w->bits), w->bits);

			put(out, at, half,
				w->op == SIMD_PACKSSWB || w->op == SIMD_PACKSSDW
					? clamp_signed(v, half)
					: clamp_unsigned(v, half));
		}
}

static void horizontal(const struct whole *w, uint64_t *out)
{
	unsigned bits = w->bits, at = w->at;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 128; i += 2 * bits, at += bits) {
			int64_t x = sign_extend(get(w->arg[k].words, w->at + i, bits), bits);
			int64_t y = sign_extend(get(w->arg[k].words, w->at + i + bits, bits), bits);
			bool minus = w->op == SIMD_PHSUBW || w->op == SIMD_PHSUBD ||
				     w->op == SIMD_PHSUBSW;
			int64_t v = minus ? x - y : x + y;

			if (w->op == SIMD_PHADDSW || w->op == SIMD_PHSUBSW)
				v = (int64_t)clamp_signed(v, bits);
			put(out, at, bits, (uint64_t)v);
		}
}

static void shuffle(const struct whole *w, uint64_t *out)
{
	for (unsigned i = 0; i < 128; i += 8) {
		uint64_t k = get(w->arg[1].words, w->at + i, 8);

		put(out, w->at + i, 8,
			k & 0x80 ? 0 : get(w->arg[0].words, w->at + (unsigned)(k & 15) * 8, 8));
	}
}

/* Lanes of the second argument where the mask, the first, has a 1, else of the third. */
static void select_lanes(const struct whole *w, uint64_t *out)
{
	for (unsigned at = w->at; at < MIN(w->at + 128, w->width); at += w->bits) {
		bool set = get(w->arg[0].words, at / w->bits, 1);

		put(out, at, w->bits, get(w->arg[set ? 1 : 2].words, at, w->bits));
	}
}

static void to_mask(const struct whole *w, uint64_t *out)
{
	for (unsigned i = 0; i < w->width; i++)
		put(out, i, 1, get(w->arg[0].words, (i + 1) * w->bits - 1, 1));
}

static void from_mask(const struct whole *w, uint64_t *out)
{
	for (unsigned at = w->at; at < w->at + 128; at += w->bits)
		put(out, at, w->bits, get(w->arg[0].words, at / w->bits, 1) ? UINT64_MAX : 0);
}

/* The first argument has the number of a lane of the others for each lane. */
static void permute(const struct whole *w, uint64_t *out)
{
	unsigned n = w->width / w->bits;

	for (unsigned at = w->at; at < w->at + 128; at += w->bits) {
		unsigned k = (unsigned)get(w->arg[0].words, at, w->bits) & (n * (w->nargs - 1) - 1);

		put(out, at, w->bits, get(w->arg[1 + k / n].words, k % n * w->bits, w->bits));
	}
}

/* The same within 128 bits; of 64-bit lanes bit 1 is the number. */
static void permute_four(const struct whole *w, uint64_t *out)
{
	for (unsigned at = w->at; at < w->at + 128; at += w->bits) {
		unsigned k = (unsigned)get(w->arg[0].words, at, w->bits);

		k = w->bits == 64 ? k >> 1 & 1 : k & 3;
		put(out, at, w->bits, get(w->arg[1].words, w->at + k * w->bits, w->bits));
	}
}

static void aes(const struct whole *w, uint64_t *out)
{
	static const uint64_t none[2];
	const uint64_t *in = w->arg[0].words + w->at / 64;
	const uint64_t *key = w->nargs > 1 ? w->arg[1].words + w->at / 64 : none;

	switch (w->op) {
	case SIMD_AESENC: simd_crypto_aesenc(in, key, false, out + w->at / 64); break;
	case SIMD_AESENCLAST: simd_crypto_aesenc(in, key, true, out + w->at / 64); break;
	case SIMD_AESDEC: simd_crypto_aesdec(in, key, false, out + w->at / 64); break;
	case SIMD_AESDECLAST: simd_crypto_aesdec(in, key, true, out + w->at / 64); break;
	default: simd_crypto_aesimc(in, out + w->at / 64); break;
	}
}

/* Two of the words of the first argument, substituted; the second is the round's constant. */
static void aes_key(const struct whole *w, uint64_t *out)
{
	for (unsigned half = 0; half < 2; half++) {
		uint32_t v = (uint32_t)(w->arg[0].words[half] >> 32), s = 0;

		for (unsigned i = 0; i < 32; i += 8)
			s |= (uint32_t)simd_crypto_sub(v >> i & 0xff) << i;
		out[half] = s | (uint64_t)((s >> 8 | s << 24) ^ w->arg[1].words[0]) << 32;
	}
}

/* The third argument's bits 0 and 4 say which halves are multiplied. */
static void clmul(const struct whole *w, uint64_t *out)
{
	uint64_t which = w->arg[2].words[0];

	simd_crypto_clmul(get(w->arg[0].words, w->at + (which & 1) * 64, 64),
		get(w->arg[1].words, w->at + (which >> 4 & 1) * 64, 64), out + w->at / 64);
}

/* Instructions for SHA-1 and SHA-256; the third argument is xmm0, or the immediate. */
static void sha(const struct whole *w, uint64_t *out)
{
	const uint64_t *a = w->arg[0].words, *b = w->arg[1].words;

	switch (w->op) {
	case SIMD_SHA1MSG1: simd_crypto_sha1msg1(a, b, out); break;
	case SIMD_SHA1MSG2: simd_crypto_sha1msg2(a, b, out); break;
	case SIMD_SHA1NEXTE: simd_crypto_sha1nexte(a, b, out); break;
	case SIMD_SHA1RNDS4: simd_crypto_sha1rnds4(a, b, w->arg[2].words[0] & 3, out); break;
	case SIMD_SHA256MSG1: simd_crypto_sha256msg1(a, b, out); break;
	case SIMD_SHA256MSG2: simd_crypto_sha256msg2(a, b, out); break;
	default: simd_crypto_sha256rnds2(a, b, w->arg[2].words, out); break;
	}
}

static void crc32(const struct whole *w, uint64_t *out)
{
	out[0] = simd_crypto_crc32(
		(uint32_t)w->arg[0].words[0], w->arg[1].words[0], w->arg[1].width);
}

/* Sums of four differences: of bytes from a place on, and of four bytes; bits of the immediate. */
static void sads(const struct whole *w, uint64_t *out)
{
	unsigned imm = (unsigned)w->arg[2].words[0] >> (w->at ? 3 : 0);
	unsigned from = w->at + (imm & 4) * 8, four = w->at + (imm & 3) * 32;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < 4; k++) {
			uint64_t x = get(w->arg[0].words, from + 8 * (i + k), 8);
			uint64_t y = get(w->arg[1].words, four + 8 * k, 8);

			sum += x > y ? x - y : y - x;
		}
		put(out, w->at + 16 * i, 16, sum);
	}
}

/* The least word, and its number above it. */
static void minpos(const struct whole *w, uint64_t *out)
{
	unsigned best = 0;

	for (unsigned i = 1; i < 8; i++)
		if (get(w->arg[0].words, 16 * i, 16) < get(w->arg[0].words, 16 * best, 16))
			best = i;
	out[0] = get(w->arg[0].words, 16 * best, 16) | best << 16;
}

/* Lanes whose bit in the mask, the first argument, is set: they move together to the low end, */
static void compress(const struct whole *w, uint64_t *out)
{
	unsigned n = w->width / w->bits, to = 0;

	if (w->at)
		return; /* all was done at once */
	for (unsigned i = 0; i < n; i++)
		if (get(w->arg[0].words, i, 1))
			put(out, w->bits * to++, w->bits,
				get(w->arg[1].words, w->bits * i, w->bits));
	for (; to < n; to++)
		put(out, w->bits * to, w->bits, get(w->arg[2].words, w->bits * to, w->bits));
}

/* or come from there; the others are those of the third argument. */
static void expand(const struct whole *w, uint64_t *out)
{
	unsigned from = 0;

	if (w->at)
		return;
	for (unsigned i = 0; i < w->width / w->bits; i++) {
		bool set = get(w->arg[0].words, i, 1);
		unsigned lane = set ? from++ : i;

		put(out, w->bits * i, w->bits,
			get(w->arg[set ? 1 : 2].words, w->bits * lane, w->bits));
	}
}

/* Floating point: numbers of 32 or 64 bits as their bit patterns. */

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

static const struct op {
	const char *name;
	unsigned bits;
	lane_fn *lane;
	whole_fn *whole;
} ops[SIMD_COUNT] = {
#define LANE(op, name, bits, fn)  [SIMD_##op] = {name, bits, lane_##fn, NULL},
#define WHOLE(op, name, bits, fn) [SIMD_##op] = {name, bits, NULL, fn},
	SIMD_OPS(LANE, WHOLE)
#undef LANE
#undef WHOLE
};

const char *simd_name(unsigned op)
{
	return op < SIMD_COUNT ? ops[op].name : NULL;
}

/* A lane of argument i; an argument narrower than the result is the same for every lane. */
static uint64_t lane_of(const struct eval_arg *arg, unsigned nargs, unsigned i, unsigned at,
	unsigned bits, unsigned width)
{
	if (i >= nargs)
		return 0;
	return arg[i].width < width ? arg[i].words[0] : get(arg[i].words, at, bits);
}

void simd_apply(
	unsigned op, unsigned width, const struct eval_arg *arg, unsigned nargs, uint64_t *out)
{
	const struct op *o = &ops[op];
	struct whole w = {op, o->bits, width, arg, nargs, 0};

	memset(out, 0, (width + 63) / 64 * sizeof(*out));
	if (o->whole) {
		for (w.at = 0; w.at < width; w.at += 128)
			o->whole(&w, out);
		return;
	}
	for (unsigned at = 0; at < width; at += o->bits)
		put(out, at, o->bits,
			o->lane(lane_of(arg, nargs, 0, at, o->bits, width),
				lane_of(arg, nargs, 1, at, o->bits, width),
				lane_of(arg, nargs, 2, at, o->bits, width), o->bits));
}
