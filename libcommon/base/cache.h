/*
 * cache.h: remembers results by key, in bounded memory.
 *
 * A direct-mapped table: a key has one slot, and the newest result in a slot stays. What is found
 * is exactly what was put; that something is not found means nothing. For results that are a pure
 * function of their key, so that a program's output does not depend on what was remembered.
 */
#ifndef CACHE_H
#define CACHE_H

#include "base/base.h"

enum { CACHE_ENTRY = 2048 }; /* a key and value longer than this together are not kept */

struct cache;

/* A cache of 2^bits slots: at most 2^bits times CACHE_ENTRY bytes. Free with cache_free. */
struct cache *cache_new(unsigned bits);
void cache_free(struct cache *c);
/*
 * The hash of a key, for what follows. It asks the memory for the key's slot, and cache_fetch,
 * called later, for what is in it: whoever has several keys does not wait for each.
 */
uint64_t cache_hash(const struct cache *c, const void *key, size_t nkey);
void cache_fetch(const struct cache *c, uint64_t hash);
/* The value of the key, *n bytes on an 8-byte boundary, or NULL. Good until the next cache_put. */
const void *cache_get(
	const struct cache *c, uint64_t hash, const void *key, size_t nkey, size_t *n);
/* Keeps the value under the key. */
void cache_put(
	struct cache *c, uint64_t hash, const void *key, size_t nkey, const void *value, size_t n);

#endif
