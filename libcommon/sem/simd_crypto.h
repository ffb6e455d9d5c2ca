/*
 * simd_crypto.h: what the instructions for AES (FIPS 197), SHA (FIPS 180-4), CRC-32C and
 * polynomials over GF(2) compute, on 128 bits, the low word first. Private to simd.c.
 */
#ifndef SIMD_CRYPTO_H
#define SIMD_CRYPTO_H

#include "base/base.h"

/* A round; the last one does not mix columns. */
void simd_crypto_aesenc(const uint64_t in[2], const uint64_t key[2], bool last, uint64_t out[2]);
void simd_crypto_aesdec(const uint64_t in[2], const uint64_t key[2], bool last, uint64_t out[2]);
/* Inverse MixColumns. */
void simd_crypto_aesimc(const uint64_t in[2], uint64_t out[2]);
/* The S-box. */
uint8_t simd_crypto_sub(uint8_t x);
/* SHA-1: words of the message, the next e, and four rounds, 0 to 19, 20 to 39 and so on by `which`.
 */
void simd_crypto_sha1msg1(const uint64_t a[2], const uint64_t b[2], uint64_t out[2]);
void simd_crypto_sha1msg2(const uint64_t a[2], const uint64_t b[2], uint64_t out[2]);
void simd_crypto_sha1nexte(const uint64_t a[2], const uint64_t b[2], uint64_t out[2]);
void simd_crypto_sha1rnds4(
	const uint64_t a[2], const uint64_t b[2], unsigned which, uint64_t out[2]);
/* SHA-256: words of the message, and two rounds on cdgh and abef with words and constants added. */
void simd_crypto_sha256msg1(const uint64_t a[2], const uint64_t b[2], uint64_t out[2]);
void simd_crypto_sha256msg2(const uint64_t a[2], const uint64_t b[2], uint64_t out[2]);
void simd_crypto_sha256rnds2(
	const uint64_t cdgh[2], const uint64_t abef[2], const uint64_t wk[2], uint64_t out[2]);
/* CRC-32C of `bits` bits more of data, without the inversions at begin and end. */
uint32_t simd_crypto_crc32(uint32_t crc, uint64_t data, unsigned bits);
/* The product without carries. */
void simd_crypto_clmul(uint64_t a, uint64_t b, uint64_t out[2]);

#endif
