/* cache.c: see cache.h. */
#include "base/cache.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct slot {
	uint64_t hash;
	uint16_t nkey, nvalue;
	uint32_t cap;
	uint8_t *p; /* the value, then the key */
};

struct cache {
	struct slot *slot;
	unsigned bits;
	uint64_t hash; /* of the key that was asked for last */
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

static struct slot *slot_of(const struct cache *c)
{
	return &c->slot[c->hash >> (64 - c->bits)];
}

const void *cache_get(struct cache *c, const void *key, size_t nkey, size_t *n)
{
	const struct slot *s;

	c->hash = hash_64(key, nkey);
	s = slot_of(c);
	if (!s->p || s->hash != c->hash || s->nkey != nkey || memcmp(s->p + s->nvalue, key, nkey))
		return NULL;
	*n = s->nvalue;
	return s->p;
}

void cache_put(struct cache *c, const void *key, size_t nkey, const void *value, size_t n)
{
	struct slot *s = slot_of(c);

	if (nkey > CACHE_ENTRY || n > CACHE_ENTRY - nkey)
		return;
	if (nkey + n > s->cap) {
		mem_free(s->p);
		s->cap = (uint32_t)(nkey + n + 63) & ~63u; /* the next one may be a bit longer */
		s->p = mem_alloc(s->cap, 1);
	}
	s->hash = c->hash;
	s->nkey = (uint16_t)nkey;
	s->nvalue = (uint16_t)n;
	memcpy(s->p, value, n);
	memcpy(s->p + n, key, nkey);
}
