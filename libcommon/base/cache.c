/* cache.c: see cache.h. */
#include "base/cache.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { LINE = 64 }; /* bytes memory is read in */

struct slot {
	uint64_t hash;
	uint16_t nkey, nvalue;
	uint32_t cap;
	uint8_t *p; /* the value, then the key */
};

struct cache {
	struct slot *slot;
	unsigned bits;
};

struct cache *cache_new(unsigned bits)
{
	struct cache *c = mem_zalloc(1, sizeof(*c));

	c->slot = mem_zalloc((size_t)1 << bits, sizeof(*c->slot));
	c->bits = bits;
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < (size_t)1 << c->bits; i++)
		mem_free(c->slot[i].p);
	mem_free(c->slot);
	mem_free(c);
}

static struct slot *slot_of(const struct cache *c, uint64_t hash)
{
	return &c->slot[hash >> (64 - c->bits)];
}

uint64_t cache_hash(const struct cache *c, const void *key, size_t nkey)
{
	uint64_t hash = hash_64(key, nkey);

	__builtin_prefetch(slot_of(c, hash));
	return hash;
}

void cache_fetch(const struct cache *c, uint64_t hash)
{
	const struct slot *s = slot_of(c, hash);

	if (!s->p || s->hash != hash)
		return;
	for (size_t k = 0; k < (size_t)s->nkey + s->nvalue; k += LINE)
		__builtin_prefetch(s->p + k);
}

const void *cache_get(const struct cache *c, uint64_t hash, const void *key, size_t nkey, size_t *n)
{
	const struct slot *s = slot_of(c, hash);

	if (!s->p || s->hash != hash || s->nkey != nkey || memcmp(s->p + s->nvalue, key, nkey))
		return NULL;
	*n = s->nvalue;
	return s->p;
}

void cache_put(
	struct cache *c, uint64_t hash, const void *key, size_t nkey, const void *value, size_t n)
{
	struct slot *s = slot_of(c, hash);

	if (nkey > CACHE_ENTRY || n > CACHE_ENTRY - nkey)
		return;
	if (nkey + n > s->cap) {
		mem_free(s->p);
		s->cap = (uint32_t)(nkey + n + 63) & ~63u; /* the next one may be a bit longer */
		s->p = mem_alloc(s->cap, 1);
	}
	s->hash = hash;
	s->nkey = (uint16_t)nkey;
	s->nvalue = (uint16_t)n;
	memcpy(s->p, value, n);
	memcpy(s->p + n, key, nkey);
}
