/* base.c: memory, buffers, maps, hashes and random numbers of libcommon/base. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/sort.h"
#include "tests/unit.h"

static void test_arena(void)
{
	struct arena a = {0};
	struct rng r = rng_new(1, 0);
	bool aligned = true, kept = true, cleared = true;

	for (int batch = 0; batch < 50; batch++) {
		struct {
			uint8_t *p;
			size_t n;
		} block[200];

		for (size_t i = 0; i < COUNT_OF(block); i++) {
			/* Mostly small, a few larger than a chunk. */
			block[i].n = rng_below(&r, rng_below(&r, 40) ? 300 : 200000);
			block[i].p = arena_get(&a, block[i].n, 1);
			aligned &= (uintptr_t)block[i].p % 16 == 0;
			if (block[i].n)
				memset(block[i].p, (int)i, block[i].n);
		}
		for (size_t i = 0; i < COUNT_OF(block); i++)
			for (size_t k = 0; k < block[i].n; k++)
				kept &= block[i].p[k] == (uint8_t)i;
		arena_reset(&a);
		for (int i = 0; i < 20; i++) {
			const uint8_t *z = arena_zget(&a, 7, 100);

			for (size_t k = 0; k < 700; k++)
				cleared &= z[k] == 0;
		}
		arena_reset(&a);
	}
	CHECK(aligned);
	CHECK(kept);
	CHECK(cleared);
	CHECK(!strcmp(arena_str(&a, "abc", 2), "ab"));
	CHECK(!strcmp(arena_str(&a, NULL, 0), ""));
	arena_free(&a);
	arena_reset(&a);
	CHECK(arena_get(&a, 0, 1) != NULL);
	arena_free(&a);
}

static void test_buf(void)
{
	struct buf b = {0};
	struct err e;

	buf_putu(&b, 0);
	buf_putc(&b, ' ');
	buf_putu(&b, UINT64_MAX);
	buf_puts(&b, " x");
	buf_put(&b, "yz", 2);
	buf_put(&b, NULL, 0);
	buf_printf(&b, " %d %s", -5, "s");
	CHECK(!strcmp(buf_text(&b), "0 18446744073709551615 xyz -5 s"));
	CHECK(b.n == 31);
	buf_reset(&b);
	CHECK(!strcmp(buf_text(&b), ""));
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%0100d", i);
	CHECK(b.n == 100000 && !memcmp(b.p + 99900 + 97, "999", 3));
	buf_free(&b);
	CHECK(err_set(&e, "%02000d", 1) == -1 && strlen(e.text) == sizeof(e.text) - 1);
}

/* The maps against a plain array: keys are numbers below KEYS, as text or as they are. */
static void test_map(void)
{
	enum { KEYS = 3000 };
	static uint64_t value[KEYS];
	static bool there[KEYS];
	struct map m = {0};
	struct map64 m64 = {0};
	struct rng r = rng_new(2, 0);
	char key[32];

	CHECK(!map_get(&m, "a", 1));
	CHECK(!map64_get(&m64, 1));
	for (int round = 0; round < 3; round++) {
		size_t count = 0, order = 0, bad = 0;

		memset(there, 0, sizeof(there));
		for (int i = 0; i < 20000; i++) {
			size_t k = rng_below(&r, KEYS);
			size_t n = (size_t)snprintf(key, sizeof(key), "%zu", k);
			/* Multiples of a large power of two meet in the low bits. */
			uint64_t k64 = (uint64_t)k << 40;
			struct map_entry *e = map_get(&m, key, n);
			uint64_t *v = map64_get(&m64, k64);
			bool made, made64;

			bad += there[k] != (e != NULL) || there[k] != (v != NULL);
			bad += there[k] && (e->value != value[k] || *v != value[k]);
			e = map_put(&m, key, n, &made);
			v = map64_put(&m64, k64, &made64);
			bad += made == there[k] || made64 == there[k];
			bad += made && (e->value || *v);
			count += !there[k];
			there[k] = true;
			e->value = *v = value[k] = rng_u64(&r);
		}
		CHECK(!bad);
		CHECK(m.count == count && m64.count == count);
		for (size_t i = 0; i < m.count; i++) /* insertion order, keys terminated */
			order += ((const char *)m.e[i].key)[m.e[i].n] != '\0' ||
				 map_get(&m, m.e[i].key, m.e[i].n) != &m.e[i];
		CHECK(!order);
		map_reset(&m);
		map64_reset(&m64);
		CHECK(!map_get(&m, "1", 1) && !map64_get(&m64, 0));
	}
	CHECK(map_put(&m, "", 0, NULL) == map_get(&m, NULL, 0));
	CHECK(map_put(&m, "a\0b", 3, NULL) != map_put(&m, "a", 1, NULL));
	map_free(&m);
	map64_free(&m64);
}

static bool is_hex(const uint8_t *p, size_t n, const char *hex)
{
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (sscanf(hex + 2 * i, "%2x", &v) != 1 || v != p[i])
			return false;
	}
	return true;
}

/* Published values of XXH3 with seed 0; pieces give what the whole gives. */
static void test_hash(void)
{
	struct hash *h = hash_new();
	uint8_t a[HASH_BYTES], b[HASH_BYTES], data[5000];
	struct rng r = rng_new(3, 0);
	bool same = true;

	CHECK(hash_64("", 0) == 0x2d06800538d394c2u);
	CHECK(hash_64(NULL, 0) == hash_64("", 0));
	hash_128(NULL, 0, a);
	CHECK(is_hex(a, sizeof(a), "99aa06d3014798d86001c324468d497f"));
	hash_get(h, b);
	CHECK(!memcmp(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rng_u32(&r);
	for (size_t n = 0; n < sizeof(data); n += 1 + rng_below(&r, 40)) {
		hash_reset(h);
		for (size_t at = 0; at < n;) {
			size_t take = rng_below(&r, 700);

			take = MIN(take, n - at);
			hash_put(h, data + at, take);
			at += take;
		}
		hash_128(data, n, a);
		hash_get(h, b);
		same &= !memcmp(a, b, sizeof(a));
		hash_get(h, b);
		same &= !memcmp(a, b, sizeof(a));
	}
	CHECK(same);
	hash_free(h);
}

/* The known-answer vectors of Random123 for philox4x32-10. */
static void test_philox(void)
{
	static const struct {
		uint32_t ctr[4], key[2], out[4];
	} kat[] = {
		{{0}, {0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
			{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
			{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	for (size_t i = 0; i < COUNT_OF(kat); i++) {
		const uint32_t *c = kat[i].ctr, *k = kat[i].key;
		uint32_t out[4];

		rng_at((uint64_t)k[1] << 32 | k[0], (uint64_t)c[3] << 32 | c[2],
			(uint64_t)c[1] << 32 | c[0], out);
		CHECK(!memcmp(out, kat[i].out, sizeof(out)));
	}
}

static void test_rng(void)
{
	enum { N = 200000 };
	struct rng r = rng_new(7, 3), s = rng_new(7, 3), t = rng_new(7, 4);
	unsigned count[6] = {0};
	double sum = 0, squares = 0, fsum = 0;
	bool same = true, differ = false, inside = true;
	uint64_t big = ((uint64_t)1 << 63) + 1;

	for (int i = 0; i < 100; i++) {
		uint32_t v = rng_u32(&r);

		same &= v == rng_u32(&s);
		differ |= v != rng_u32(&t);
	}
	CHECK(same);
	CHECK(differ);
	for (int i = 0; i < N; i++) {
		float f = rng_f32(&r);
		double g = (double)rng_normal(&r);

		inside &= f >= 0 && f < 1 && isfinite(g) && rng_below(&r, big) < big;
		inside &= rng_below(&r, 1) == 0;
		count[rng_below(&r, COUNT_OF(count))]++;
		fsum += (double)f;
		sum += g;
		squares += g * g;
	}
	CHECK(inside);
	/* Six standard deviations of each estimate. */
	CHECK(fabs(fsum / N - 0.5) < 6 * 0.2887 / sqrt(N));
	CHECK(fabs(sum / N) < 6 / sqrt(N));
	CHECK(fabs(squares / N - 1) < 6 * sqrt(2) / sqrt(N));
	for (size_t i = 0; i < COUNT_OF(count); i++)
		CHECK(fabs(count[i] - N / 6.0) < 6 * sqrt(N / 6.0));
}

static void test_mem(void)
{
	size_t cap = 0;
	uint32_t *p = NULL;
	char *s = mem_strdup("text");
	double *d = mem_aligned(3, sizeof(*d));

	for (size_t i = 0; i < 10000; i++) {
		p = mem_grow(p, &cap, i + 1, sizeof(*p));
		p[i] = (uint32_t)i;
	}
	CHECK(cap >= 10000 && cap < 20000 && p[0] == 0 && p[9999] == 9999);
	CHECK(!strcmp(s, "text"));
	CHECK((uintptr_t)d % 64 == 0 && d[0] == 0 && d[2] == 0);
	mem_free(p);
	mem_free(s);
	mem_free(d);
}

struct thing {
	uint32_t id;
	uint64_t v;
	uint8_t w;
};

static int by_number(const void *a, const void *b)
{
	const struct thing *x = a, *y = b;

	if (x->v != y->v)
		return x->v < y->v ? -1 : 1;
	return x->w < y->w ? -1 : x->w > y->w;
}

/* In order, and the same things as before; numbers of all sizes, few or many of them equal. */
static void test_sort(void)
{
	static struct thing t[3000];
	struct rng r = rng_new(5, 0);
	bool ordered = true, kept = true;

	for (unsigned round = 0; round < 200; round++) {
		size_t n = (size_t)rng_below(&r, round % 8 ? 40 : COUNT_OF(t));
		uint64_t mask = UINT64_MAX >> rng_below(&r, 64), ids = 0;

		for (size_t i = 0; i < n; i++)
			t[i] = (struct thing){
				(uint32_t)i, rng_u64(&r) & mask, (uint8_t)rng_u64(&r)};
		for (size_t i = 0; round % 3 == 0 && i < n / 2 + n / 8; i++) /* most is in order */
			t[i].v = i * (mask / (n + 1));
		sort_items(t, n, sizeof(*t), offsetof(struct thing, v), by_number);
		for (size_t i = 0; i < n; i++) {
			ordered &= !i || by_number(&t[i - 1], &t[i]) <= 0;
			ids += t[i].id;
		}
		kept &= ids == (uint64_t)n * (n - !!n) / 2;
	}
	CHECK(ordered);
	CHECK(kept);
	sort_items(NULL, 0, sizeof(*t), 0, by_number);
}

static void test_first(void)
{
	const uint32_t p[] = {2, 4, 4, 4, 9, UINT32_MAX};

	for (size_t n = 0; n <= COUNT_OF(p); n++) {
		for (uint64_t v = 0; v < 12; v++) {
			size_t i = sort_first_u32(p, n, v);

			CHECK(i <= n && (i == n || p[i] >= v) && (i == 0 || p[i - 1] < v));
		}
		CHECK(sort_first_u32(p, n, UINT64_MAX) == n);
	}
}

static void test_first_item(void)
{
	const struct {
		uint32_t other;
		uint64_t v;
	} p[] = {{9, 2}, {8, 4}, {7, 4}, {6, 4}, {5, 9}, {4, UINT64_MAX}};
	const uint64_t ask[] = {0, 1, 2, 3, 4, 5, 9, 10, UINT64_MAX - 1, UINT64_MAX};
	const size_t size = sizeof(p[0]),
		     offset = (size_t)((const char *)&p[0].v - (const char *)p);

	for (size_t n = 0; n <= COUNT_OF(p); n++) {
		for (size_t k = 0; k < COUNT_OF(ask); k++) {
			uint64_t v = ask[k];
			size_t i = sort_first(p, n, size, offset, v);
			size_t j = sort_after(p, n, size, offset, v);

			CHECK(i <= n && (i == n || p[i].v >= v) && (i == 0 || p[i - 1].v < v));
			CHECK(j <= n && (j == n || p[j].v > v) && (j == 0 || p[j - 1].v <= v));
		}
	}
	CHECK(sort_first(NULL, 0, size, offset, 1) == 0 && sort_after(NULL, 0, size, 0, 1) == 0);
}

int main(void)
{
	test_sort();
	test_first();
	test_first_item();
	test_mem();
	test_arena();
	test_buf();
	test_map();
	test_hash();
	test_philox();
	test_rng();
	return unit_done();
}
