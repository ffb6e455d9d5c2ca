/*
 * simd_crypto.h: what the instructions for AES (FIPS 197) and for polynomials over GF(2) compute,
 * on 128 bits, the low word first. Private to simd.c.
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
/* The product without carries. */
void simd_crypto_clmul(uint64_t a, uint64_t b, uint64_t out[2]);

#endif
