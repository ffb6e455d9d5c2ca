/*
 * simd_crypto.c: see simd_crypto.h. The S-box is computed as FIPS 197 defines it: speed does not
 * matter here.
 */
#include "sem/simd_crypto.h"

#include <string.h>

/* Bytes of GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t times(uint8_t a, uint8_t b)
{
	uint8_t r = 0;

	for (; b; b >>= 1) {
		r ^= b & 1 ? a : 0;
		a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
	}
	return r;
}

static uint8_t inverse(uint8_t x)
{
	uint8_t r = 1;

	for (unsigned i = 0; i < 254; i++)
		r = times(r, x);
	return r;
}

static uint8_t rotate(uint8_t x, unsigned n)
{
	return (uint8_t)(x << n | x >> (8 - n));
}

uint8_t simd_crypto_sub(uint8_t x)
{
	uint8_t y = inverse(x);

	return y ^ rotate(y, 1) ^ rotate(y, 2) ^ rotate(y, 3) ^ rotate(y, 4) ^ 0x63;
}

static uint8_t unsub(uint8_t x)
{
	return inverse(rotate(x, 1) ^ rotate(x, 3) ^ rotate(x, 6) ^ 0x05);
}

/* Each column times the polynomial with these coefficients, the lowest first. */
static void mix(uint8_t s[16], const uint8_t by[4])
{
	for (unsigned c = 0; c < 16; c += 4) {
		uint8_t old[4];

		memcpy(old, s + c, 4);
		for (unsigned r = 0; r < 4; r++) {
			s[c + r] = 0;
			for (unsigned k = 0; k < 4; k++)
				s[c + r] ^= times(old[k], by[(4 + r - k) % 4]);
		}
	}
}

static const uint8_t forward[4] = {2, 1, 1, 3}, backward[4] = {14, 9, 13, 11};

void simd_crypto_aesenc(const uint64_t in[2], const uint64_t key[2], bool last, uint64_t out[2])
{
	uint8_t a[16], s[16];
	uint64_t words[2];

	memcpy(a, in, 16);
	for (unsigned i = 0; i < 16; i++) /* row r moves by r columns */
		s[i] = simd_crypto_sub(a[(i + 4 * (i % 4)) % 16]);
	if (!last)
		mix(s, forward);
	memcpy(words, s, 16);
	out[0] = words[0] ^ key[0];
	out[1] = words[1] ^ key[1];
}

void simd_crypto_aesdec(const uint64_t in[2], const uint64_t key[2], bool last, uint64_t out[2])
{
	uint8_t a[16], s[16];
	uint64_t words[2];

	memcpy(a, in, 16);
	for (unsigned i = 0; i < 16; i++)
		s[i] = unsub(a[(i + 16 - 4 * (i % 4)) % 16]);
	if (!last)
		mix(s, backward);
	memcpy(words, s, 16);
	out[0] = words[0] ^ key[0];
	out[1] = words[1] ^ key[1];
}

void simd_crypto_aesimc(const uint64_t in[2], uint64_t out[2])
{
	uint8_t s[16];

	memcpy(s, in, 16);
	mix(s, backward);
	memcpy(out, s, 16);
}

/* ---- SHA: vectors of four words ---- */

static void words_of(uint32_t w[4], const uint64_t v[2])
{
	memcpy(w, v, 16);
}

static uint32_t left(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t right(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

void simd_crypto_sha1msg1(const uint64_t a[2], const uint64_t b[2], uint64_t out[2])
{
	uint32_t x[4], y[4];

	words_of(x, a);
	words_of(y, b);
	memcpy(out, (uint32_t[4]){x[0] ^ y[2], x[1] ^ y[3], x[2] ^ x[0], x[3] ^ x[1]}, 16);
}

void simd_crypto_sha1msg2(const uint64_t a[2], const uint64_t b[2], uint64_t out[2])
{
	uint32_t x[4], y[4];

	words_of(x, a);
	words_of(y, b);
	for (unsigned i = 3; i > 0; i--)
		x[i] = left(x[i] ^ y[i - 1], 1);
	x[0] = left(x[0] ^ x[3], 1);
	memcpy(out, x, 16);
}

void simd_crypto_sha1nexte(const uint64_t a[2], const uint64_t b[2], uint64_t out[2])
{
	uint32_t x[4], y[4];

	words_of(x, a);
	words_of(y, b);
	y[3] += left(x[3], 30);
	memcpy(out, y, 16);
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
	return (x & y) ^ (~x & z);
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
	return (x & y) ^ (x & z) ^ (y & z);
}

void simd_crypto_sha1rnds4(
	const uint64_t a[2], const uint64_t b[2], unsigned which, uint64_t out[2])
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t s[4], w[4], e = 0; /* s: d, c, b, a; w[3]: the first word, with e in it */

	words_of(s, a);
	words_of(w, b);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t f = which == 0   ? choose(s[2], s[1], s[0])
			     : which == 2 ? majority(s[2], s[1], s[0])
					  : s[2] ^ s[1] ^ s[0];
		uint32_t t = f + left(s[3], 5) + w[3 - i] + e + k[which];

		e = s[0];
		s[0] = s[1];
		s[1] = left(s[2], 30);
		s[2] = s[3];
		s[3] = t;
	}
	memcpy(out, s, 16);
}

void simd_crypto_sha256msg1(const uint64_t a[2], const uint64_t b[2], uint64_t out[2])
{
	uint32_t x[4], y[4];

	words_of(x, a);
	words_of(y, b);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t w = i < 3 ? x[i + 1] : y[0];

		x[i] += right(w, 7) ^ right(w, 18) ^ w >> 3;
	}
	memcpy(out, x, 16);
}

void simd_crypto_sha256msg2(const uint64_t a[2], const uint64_t b[2], uint64_t out[2])
{
	uint32_t x[4], y[4];

	words_of(x, a);
	words_of(y, b);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t w = i < 2 ? y[2 + i] : x[i - 2];

		x[i] += right(w, 17) ^ right(w, 19) ^ w >> 10;
	}
	memcpy(out, x, 16);
}

void simd_crypto_sha256rnds2(
	const uint64_t cdgh[2], const uint64_t abef[2], const uint64_t wk[2], uint64_t out[2])
{
	uint32_t x[4], y[4], w[4], s[8];

	words_of(x, cdgh); /* h, g, d, c */
	words_of(y, abef); /* f, e, b, a */
	words_of(w, wk);
	memcpy(s, (uint32_t[8]){y[3], y[2], x[3], x[2], y[1], y[0], x[1], x[0]}, sizeof(s));
	for (unsigned i = 0; i < 2; i++) {
		uint32_t t = choose(s[4], s[5], s[6]) + w[i] + s[7] +
			     (right(s[4], 6) ^ right(s[4], 11) ^ right(s[4], 25));
		uint32_t u = majority(s[0], s[1], s[2]) +
			     (right(s[0], 2) ^ right(s[0], 13) ^ right(s[0], 22));

		memmove(s + 1, s, 7 * sizeof(*s));
		s[4] += t;
		s[0] = t + u;
	}
	memcpy(out, (uint32_t[4]){s[5], s[4], s[1], s[0]}, 16);
}

uint32_t simd_crypto_crc32(uint32_t crc, uint64_t data, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		crc = crc >> 1 ^ ((crc ^ data >> i) & 1 ? 0x82f63b78 : 0);
	return crc;
}

/* ---- polynomials ---- */

void simd_crypto_clmul(uint64_t a, uint64_t b, uint64_t out[2])
{
	out[0] = out[1] = 0;
	for (unsigned i = 0; i < 64; i++) {
		if (!(b >> i & 1))
			continue;
		out[0] ^= a << i;
		out[1] ^= i ? a >> (64 - i) : 0;
	}
}
