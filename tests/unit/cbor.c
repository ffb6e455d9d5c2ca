/*
 * cbor.c: the codec against libcbor: the same bytes for the same items, the same verdict on
 * damaged ones. Texts against a table of good and bad UTF-8.
 */
#include <cbor.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/cbor.h"
#include "tests/unit.h"

/* libcbor allocates what an input declares and copes with NULL; AddressSanitizer must let it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* A random item, written by us; what it holds follows from the numbers drawn. */
static void put_random(struct buf *b, struct rng *r, unsigned depth)
{
	uint64_t arg = rng_u64(r) >> rng_below(r, 64), n = rng_below(r, 4);
	char text[16];

	switch (rng_below(r, depth ? 9 : 5)) {
	case 0: cbor_put_head(b, CBOR_UINT, arg); break;
	case 1: cbor_put_head(b, CBOR_NINT, arg); break;
	case 2: cbor_put_bytes(b, &arg, rng_below(r, 9)); break;
	case 3:
		snprintf(text, sizeof(text), "%x", rng_u32(r) >> rng_below(r, 32));
		cbor_put_text(b, text);
		break;
	case 4: cbor_put_head(b, CBOR_SIMPLE, 20 + n); break; /* false, true, null, undefined */
	case 5: cbor_put_f32(b, rng_normal(r)); break;
	case 6:
		cbor_put_head(b, CBOR_ARRAY, n);
		while (n--)
			put_random(b, r, depth - 1);
		break;
	case 7:
		cbor_put_head(b, CBOR_MAP, n);
		for (n *= 2; n--;)
			put_random(b, r, depth - 1);
		break;
	case 8:
		cbor_put_head(b, CBOR_TAG, arg | 32); /* libcbor 0.8 refuses 6 to 20 */
		put_random(b, r, depth - 1);
		break;
	}
}

/* What libcbor reads from the bytes and writes again. */
static void test_write(void)
{
	enum { ITEMS = 20000 };
	struct buf b = {0};
	unsigned same = 0, skipped = 0, cut = 0;

	for (uint64_t i = 0; i < ITEMS; i++) {
		struct rng r = rng_new(21, i);
		struct cbor_load_result res;
		unsigned char *out = NULL;
		size_t cap = 0, n;
		cbor_item_t *item;
		struct cbor c;

		buf_reset(&b);
		put_random(&b, &r, CBOR_DEPTH - 1);
		item = cbor_load(b.p, b.n, &res);
		if (!item) {
			fprintf(stderr, "libcbor refuses item %d\n", (int)i);
			continue;
		}
		n = cbor_serialize_alloc(item, &out, &cap);
		same += res.read == b.n && n == b.n && !memcmp(out, b.p, n);
		free(out);
		cbor_decref(&item);
		c = (struct cbor){b.p, b.p + b.n};
		skipped += cbor_skip(&c) == 0 && c.p == c.end;
		for (size_t k = 0; k < b.n; k++) {
			c = (struct cbor){b.p, b.p + k};
			cut += cbor_skip(&c) == 0 || c.p != b.p;
		}
	}
	CHECK(same == ITEMS);
	CHECK(skipped == ITEMS);
	CHECK(cut == 0);
	buf_free(&b);
}

/* Whether the item is of the subset, by libcbor's reading of it. */
static bool in_subset(cbor_item_t *item, unsigned depth)
{
	if (!depth)
		return false;
	switch (cbor_typeof(item)) {
	case CBOR_TYPE_UINT:
	case CBOR_TYPE_NEGINT: return true;
	case CBOR_TYPE_BYTESTRING: return cbor_bytestring_is_definite(item);
	case CBOR_TYPE_STRING: return cbor_string_is_definite(item);
	case CBOR_TYPE_ARRAY:
		for (size_t i = 0; i < cbor_array_size(item); i++)
			if (!in_subset(cbor_array_handle(item)[i], depth - 1))
				return false;
		return cbor_array_is_definite(item);
	case CBOR_TYPE_MAP:
		for (size_t i = 0; i < cbor_map_size(item); i++)
			if (!in_subset(cbor_map_handle(item)[i].key, depth - 1) ||
				!in_subset(cbor_map_handle(item)[i].value, depth - 1))
				return false;
		return cbor_map_is_definite(item);
	case CBOR_TYPE_TAG: {
		cbor_item_t *inner = cbor_tag_item(item);
		bool ok = in_subset(inner, depth - 1);

		cbor_decref(&inner);
		return ok;
	}
	case CBOR_TYPE_FLOAT_CTRL: return true;
	}
	return false;
}

/* Whether a string, array or map declares more than all of the input: both must refuse, but
 * libcbor would allocate it first, so it is not asked. */
static bool declares_much(const uint8_t *p, size_t n)
{
	uint64_t items = 1; /* that the outermost one still needs */

	for (size_t i = 0; i < n && items; items--) {
		unsigned major = p[i] >> 5, low = p[i] & 31;
		size_t more = low < 24 || low > 27 ? 0 : (size_t)1 << (low - 24);
		uint64_t arg = low;

		if (++i + more > n)
			return false;
		for (size_t k = 0; k < more; k++)
			arg = (k ? arg << 8 : 0) | p[i + k];
		i += more;
		if (major >= CBOR_BYTES && major <= CBOR_MAP && low < 28 && arg > n)
			return true;
		if (major == CBOR_BYTES || major == CBOR_TEXT)
			i += arg;
		else if (major >= CBOR_ARRAY && major <= CBOR_TAG)
			items += major == CBOR_ARRAY ? arg : major == CBOR_MAP ? 2 * arg : 1;
	}
	return false;
}

/* Damaged items: both take them, to the same length, or both refuse. */
static void test_read(void)
{
	enum { ITEMS = 200000 };
	struct buf b = {0};
	unsigned agreed = 0, taken = 0;

	for (uint64_t i = 0; i < ITEMS; i++) {
		struct rng r = rng_new(22, i);
		struct cbor_load_result res;
		cbor_item_t *item;
		struct cbor c;
		bool ours, theirs;

		buf_reset(&b);
		put_random(&b, &r, CBOR_DEPTH - 1);
		for (uint64_t k = 1 + rng_below(&r, 3); k; k--)
			b.p[rng_below(&r, b.n)] ^= (uint8_t)(1 << rng_below(&r, 8));
		if (declares_much(b.p, b.n)) {
			c = (struct cbor){b.p, b.p + b.n};
			agreed += cbor_skip(&c) < 0;
			continue;
		}
		item = cbor_load(b.p, b.n, &res);
		theirs = item && in_subset(item, CBOR_DEPTH);
		c = (struct cbor){b.p, b.p + b.n};
		ours = cbor_skip(&c) == 0;
		taken += ours;
		/* libcbor also refuses low tags and simple values without a meaning and, as a
		 * "syntax error", text that is not UTF-8: harmless in a value that is skipped. */
		if (ours == theirs && (!ours || (size_t)(c.p - b.p) == res.read))
			agreed++;
		else if (ours && !item &&
			 (res.error.code == CBOR_ERR_MALFORMATED ||
				 res.error.code == CBOR_ERR_SYNTAXERROR))
			agreed++;
		else
			fprintf(stderr, "item %d: ours %d, libcbor %d (error %d)\n", (int)i, ours,
				theirs, (int)res.error.code);
		if (item)
			cbor_decref(&item);
	}
	CHECK(agreed == ITEMS);
	CHECK(taken > ITEMS / 10 && taken < ITEMS);
	buf_free(&b);
}

/* All half floats, and floats and doubles at random. */
static void test_floats(void)
{
	unsigned bad = 0;
	struct rng r = rng_new(23, 0);
	struct cbor c;
	float v;

	for (unsigned h = 0; h < 0x10000; h++) {
		uint8_t b[3] = {0xf9, (uint8_t)(h >> 8), (uint8_t)h};
		struct cbor_load_result res;
		cbor_item_t *item = cbor_load(b, sizeof(b), &res);
		float want = item ? cbor_float_get_float2(item) : 0;

		c = (struct cbor){b, b + sizeof(b)};
		bad += !item || cbor_get_f32(&c, &v) < 0 || c.p != c.end ||
		       (isnan(want) ? !isnan(v) : memcmp(&v, &want, sizeof(v)) != 0);
		if (item)
			cbor_decref(&item);
	}
	CHECK(!bad);
	for (int i = 0; i < 10000; i++) {
		uint64_t bits = rng_u64(&r);
		struct buf b = {0};
		double d;
		float f, want;
		uint32_t low = (uint32_t)bits;

		memcpy(&f, &low, sizeof(f));
		cbor_put_f32(&b, f);
		c = (struct cbor){b.p, b.p + b.n};
		bad += cbor_get_f32(&c, &v) < 0 || memcmp(&v, &f, sizeof(f));
		buf_reset(&b);
		memcpy(&d, &bits, sizeof(d));
		want = (float)d;
		buf_putc(&b, 0xfb);
		for (int k = 56; k >= 0; k -= 8)
			buf_putc(&b, (int)(bits >> k & 255));
		c = (struct cbor){b.p, b.p + b.n};
		bad += cbor_get_f32(&c, &v) < 0 || (!isnan(d) && v != want);
		buf_free(&b);
	}
	CHECK(!bad);
	c = (struct cbor){(const uint8_t *)"\xf5", (const uint8_t *)"\xf5" + 1};
	CHECK(cbor_get_f32(&c, &v) < 0); /* true is no float */
}

static void test_get(void)
{
	static const uint8_t b[] = {0x63, 'a', 'b', 'c', 0x0a};
	struct cbor c = {b, b + sizeof(b)};
	const uint8_t *p;
	uint64_t v;
	size_t n;

	CHECK(cbor_get(&c, CBOR_UINT, &v) < 0 && c.p == b);
	CHECK(cbor_get_string(&c, CBOR_BYTES, &p, &n) < 0 && c.p == b);
	CHECK(cbor_get_string(&c, CBOR_TEXT, &p, &n) == 0 && n == 3 && p == b + 1);
	CHECK(cbor_get(&c, CBOR_UINT, &v) == 0 && v == 10 && c.p == c.end);
	CHECK(cbor_get(&c, CBOR_UINT, &v) < 0);
	CHECK(cbor_skip(&c) < 0);
	c = (struct cbor){b, b + 3};
	CHECK(cbor_get_string(&c, CBOR_TEXT, &p, &n) < 0 && c.p == b);
}

static void test_text(void)
{
	static const struct {
		const char *s;
		bool good;
	} t[] = {{"", true}, {"abc", true}, {"\x7f", true}, {"\xc2\x80", true}, {"\xdf\xbf", true},
		{"\xe0\xa0\x80", true}, {"\xed\x9f\xbf", true}, {"\xee\x80\x80", true},
		{"\xef\xbf\xbf", true}, {"\xf0\x90\x80\x80", true}, {"\xf4\x8f\xbf\xbf", true},
		{"\x80", false}, {"\xbf", false}, {"\xc0\x80", false}, {"\xc1\xbf", false},
		{"\xc2", false}, {"\xc2\x41", false}, {"\xe0\x9f\xbf", false}, {"\xe0\xa0", false},
		{"\xed\xa0\x80", false}, {"\xed\xbf\xbf", false}, {"\xf0\x8f\xbf\xbf", false},
		{"\xf0\x90\x80", false}, {"\xf4\x90\x80\x80", false}, {"\xf5\x80\x80\x80", false},
		{"\xff", false}, {"ok\xff", false}};

	for (size_t i = 0; i < COUNT_OF(t); i++) {
		size_t n = strlen(t[i].s);
		uint8_t *copy = memcpy(mem_alloc(n, 1), t[i].s, n);

		CHECK(cbor_is_text(copy, n) == t[i].good);
		mem_free(copy);
	}
	CHECK(!cbor_is_text((const uint8_t *)"a\0b", 3));
}

int main(void)
{
	test_write();
	test_read();
	test_floats();
	test_get();
	test_text();
	return unit_done();
}
