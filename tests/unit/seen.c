/* seen.c: the set of digests against a plain list, within and beyond its memory. */
#include "base/seen.h"

#include <string.h>

#include "base/map.h"
#include "base/rng.h"
#include "tests/unit.h"

static void digest_of(uint64_t i, uint8_t d[HASH_BYTES])
{
	hash_128(&i, sizeof(i), d);
}

/* With enough memory: exactly what a map says. */
static void test_exact(void)
{
	struct seen *s = seen_new(1 << 24);
	struct map64 m = {0};
	struct rng r = rng_new(1, 0);
	uint8_t d[HASH_BYTES];

	for (int i = 0; i < 200000; i++) {
		uint64_t v = rng_below(&r, 100000);
		bool made;

		map64_put(&m, v, &made);
		digest_of(v, d);
		CHECK(seen_add(s, d) == made);
	}
	CHECK(seen_forgotten(s) == 0);
	memset(d, 0, sizeof(d)); /* a digest like an empty slot */
	CHECK(seen_add(s, d) && !seen_add(s, d));
	map64_free(&m);
	seen_free(s);
}

/* With too little: within the window always known; never "seen" what was not. */
static void test_window(void)
{
	struct seen *s = seen_new(1 << 17), *again = seen_new(1 << 17);
	size_t window = seen_window(s);
	uint8_t d[HASH_BYTES];
	bool forgot = false;

	CHECK(window >= 1000 && window * 2 * 16 <= 1 << 17);
	for (uint64_t i = 0; i < 10 * window; i++) {
		digest_of(i, d);
		CHECK(seen_add(s, d));
		CHECK(seen_add(again, d));
		if (i >= window) {
			digest_of(i - window / 2, d);
			CHECK(!seen_add(s, d) && !seen_add(again, d));
		}
	}
	CHECK(seen_forgotten(s) > 0 && seen_forgotten(s) == seen_forgotten(again));
	digest_of(0, d);
	forgot = seen_add(s, d);
	CHECK(forgot && seen_add(again, d));
	seen_free(s);
	seen_free(again);
}

/* What is met again and again is never forgotten. */
static void test_frequent(void)
{
	struct seen *s = seen_new(0);
	uint8_t d[HASH_BYTES];
	uint64_t missed = 0;

	for (uint64_t i = 1; i < 50000; i++) {
		digest_of(0, d);
		missed += seen_add(s, d);
		digest_of(i, d);
		CHECK(seen_add(s, d));
	}
	CHECK(missed == 1);
	seen_free(s);
}

int main(void)
{
	test_exact();
	test_window();
	test_frequent();
	return unit_done();
}
