/* hash.c: content digests; the only home of xxHash. */
#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

uint64_t hash_64(const void *p, size_t n)
{
	return n ? XXH3_64bits(p, n) : XXH3_64bits("", 0);
}

void hash_128(const void *p, size_t n, uint8_t digest[HASH_BYTES])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits(n ? p : "", n));
	memcpy(digest, c.digest, HASH_BYTES);
}

struct hash *hash_new(void)
{
	struct hash *h = (struct hash *)XXH3_createState();

	if (!h)
		return mem_alloc(SIZE_MAX, 1); /* out of memory: ends the process */
	hash_reset(h);
	return h;
}

void hash_reset(struct hash *h)
{
	XXH3_128bits_reset((XXH3_state_t *)h);
}

void hash_put(struct hash *h, const void *p, size_t n)
{
	if (n)
		XXH3_128bits_update((XXH3_state_t *)h, p, n);
}

void hash_get(const struct hash *h, uint8_t digest[HASH_BYTES])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits_digest((const XXH3_state_t *)h));
	memcpy(digest, c.digest, HASH_BYTES);
}

void hash_free(struct hash *h)
{
	XXH3_freeState((XXH3_state_t *)h);
}
