/*
 * hash.h: content digests (XXH3). Not for secrets: an attacker can make collisions.
 */
#ifndef HASH_H
#define HASH_H

#include "base/base.h"

enum { HASH_BYTES = 16 }; /* a 128-bit digest in canonical (big-endian) order */

uint64_t hash_64(const void *p, size_t n);
void hash_128(const void *p, size_t n, uint8_t digest[HASH_BYTES]);

/* The same digest over pieces: new, put any number of times, get (may be asked again), free. */
struct hash;
struct hash *hash_new(void);
void hash_reset(struct hash *h);
void hash_put(struct hash *h, const void *p, size_t n);
void hash_get(const struct hash *h, uint8_t digest[HASH_BYTES]);
void hash_free(struct hash *h);

/* Spreads the bits of x (a bijection): for tables keyed by numbers. */
static inline uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

#endif
