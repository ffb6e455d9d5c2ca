/*
 * cache.c: what the cache gives back is what was put, whatever was put in between; code keys are
 * equal exactly for equal instructions up to where direct branches go.
 */
#include "base/cache.h"

#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "code/codeseq.h"
#include "tests/unit.h"

/* The value of a key: some bytes made from its hash. */
static size_t value_of(const uint8_t *key, size_t n, uint8_t *out)
{
	uint64_t h = hash_64(key, n);
	size_t len = h % 300;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(h >> i % 8 * 8);
	return len;
}

static const void *get(struct cache *c, const void *key, size_t nkey, size_t *n)
{
	uint64_t h = cache_hash(c, key, nkey);

	cache_fetch(c, h);
	return cache_get(c, h, key, nkey, n);
}

static void put(struct cache *c, const void *key, size_t nkey, const void *value, size_t n)
{
	cache_put(c, cache_hash(c, key, nkey), key, nkey, value, n);
}

static void results(void)
{
	enum { KEYS = 500, ASKED = 100000 };
	struct cache *c = cache_new(6);
	struct rng r = rng_new(5, 0);
	unsigned long hits = 0, wrong = 0;
	uint8_t big[CACHE_ENTRY + 1] = {1};
	size_t n;

	CHECK(!get(c, "", 0, &n));
	put(c, "", 0, "x", 1);
	CHECK(get(c, "", 0, &n) && n == 1);
	for (unsigned i = 0; i < ASKED; i++) {
		uint8_t key[40], want[300];
		uint64_t k =
			rng_below(&r, KEYS) * rng_below(&r, KEYS) / KEYS; /* some are frequent */
		size_t nkey = 8 + k % 32, nwant;
		const void *got;

		memset(key, 'k', sizeof(key));
		memcpy(key, &k, sizeof(k));
		nwant = value_of(key, nkey, want);
		got = get(c, key, nkey, &n);
		if (!got) {
			put(c, key, nkey, want, nwant);
			got = get(c, key, nkey, &n);
			wrong += !got;
		} else {
			hits++;
		}
		wrong += got && (n != nwant || memcmp(got, want, n) || (uintptr_t)got % 8);
	}
	CHECK(wrong == 0);
	CHECK(hits > ASKED / 100 && hits < ASKED);
	CHECK(!get(c, big, sizeof(big), &n));
	put(c, big, sizeof(big), "x", 1); /* too long: not kept, nothing broken */
	CHECK(!get(c, big, sizeof(big), &n));
	CHECK(!get(c, "big", 3, &n));
	put(c, "big", 3, big, sizeof(big));
	CHECK(!get(c, "big", 3, &n));
	cache_free(c);
}

static bool same_key(const char *a, const uint8_t *alen, size_t na, const char *b,
	const uint8_t *blen, size_t nb)
{
	struct buf x = {0}, y = {0};
	bool same;

	codeseq_key(&x, (const uint8_t *)a, alen, na);
	codeseq_key(&y, (const uint8_t *)b, blen, nb);
	same = x.n == y.n && !memcmp(x.p, y.p, x.n);
	buf_free(&x);
	buf_free(&y);
	return same;
}

static void keys(void)
{
	/* mov eax, ecx; call: anywhere; jne: anywhere; mov eax, [rip + x] and mov eax, imm: exactly
	 */
	CHECK(same_key("\x89\xc8\xe8\1\2\3\4", (const uint8_t[]){2, 5}, 2, "\x89\xc8\xe8\5\6\7\1",
		(const uint8_t[]){2, 5}, 2));
	CHECK(same_key("\x75\x10", (const uint8_t[]){2}, 1, "\x75\x20", (const uint8_t[]){2}, 1));
	CHECK(same_key("\x0f\x85\1\2\3\4", (const uint8_t[]){6}, 1, "\x0f\x85\1\2\3\5",
		(const uint8_t[]){6}, 1));
	CHECK(!same_key("\x75\x10", (const uint8_t[]){2}, 1, "\x74\x10", (const uint8_t[]){2}, 1));
	CHECK(!same_key("\x0f\x85\1\2\3\4", (const uint8_t[]){6}, 1, "\x0f\x84\1\2\3\4",
		(const uint8_t[]){6}, 1));
	CHECK(!same_key(
		"\xb8\1\2\3\4", (const uint8_t[]){5}, 1, "\xb8\1\2\3\5", (const uint8_t[]){5}, 1));
	CHECK(!same_key("\x8b\x05\1\2\3\4", (const uint8_t[]){6}, 1, "\x8b\x05\1\2\3\5",
		(const uint8_t[]){6}, 1));
	CHECK(!same_key(
		"\x90\x90", (const uint8_t[]){1, 1}, 2, "\x90\x90", (const uint8_t[]){2}, 1));
}

int main(void)
{
	results();
	keys();
	return unit_done();
}
