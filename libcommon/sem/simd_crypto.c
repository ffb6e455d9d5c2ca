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
