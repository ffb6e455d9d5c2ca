/*
 * simd.c: what the named vector operations compute, lane by lane; see simd.h. After Intel's
 * Software Developer's Manual, volume 2.
 */
#include <string.h>

#include "sem/simd_crypto.h"
#include "sem/simd_lanes.h"

static uint64_t clamp_signed(int64_t v, unsigned bits)
{
	int64_t max = (int64_t)(ones(bits) >> 1);

	return (uint64_t)(v > max ? max : v < -max - 1 ? -max - 1 : v);
}

static uint64_t clamp_unsigned(int64_t v, unsigned bits)
{
	return v < 0 ? 0 : MIN((uint64_t)v, ones(bits));
}

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

static const struct simd_row int_ops[SIMD_COUNT] = {SIMD_INT_OPS(SIMD_LANE, SIMD_WHOLE)};

static const struct simd_row *op_of(unsigned op)
{
	return int_ops[op].name ? &int_ops[op] : &simd_float_ops[op];
}

const char *simd_name(unsigned op)
{
	return op < SIMD_COUNT ? op_of(op)->name : NULL;
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
	const struct simd_row *o = op_of(op);
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
