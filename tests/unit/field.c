/*
 * field.c: for every record kind, thousands of samples: encode, decode and encode again give the
 * same bytes, so do JSON and back; what is cut, flipped or wrong is refused or harmless.
 */
#include <string.h>

#include "base/mem.h"
#include "formats/function.h"
#include "formats/kinds.h"
#include "formats/match.h"
#include "formats/prediction.h"
#include "formats/sequence.h"
#include "formats/embedding.h"
#include "formats/tokens.h"
#include "stream/cbor.h"
#include "tests/unit.h"

static void test_round_trip(const struct kind *k)
{
	enum { SAMPLES = 3000 };
	struct arena made = {0}, read = {0};
	struct buf a = {0}, b = {0}, json = {0}, again = {0};
	void *rec = mem_alloc(1, k->fields->size), *back = mem_alloc(1, k->fields->size);
	unsigned valid = 0, decoded = 0, same = 0, json_same = 0, json_again = 0;
	struct err e;

	for (uint64_t i = 0; i < SAMPLES; i++) {
		struct rng r = rng_new(11, i);

		arena_reset(&made);
		arena_reset(&read);
		buf_reset(&a);
		buf_reset(&b);
		buf_reset(&json);
		buf_reset(&again);
		k->sample(rec, &made, &r);
		valid += k->check(rec, &e) == 0;
		field_encode(&a, k->fields, rec);
		buf_putc(&a, 0xff); /* the decoder must stop before this */
		decoded +=
			field_decode(k->fields, a.p, a.n, back, &read, &e) == (ptrdiff_t)a.n - 1 &&
			k->check(back, &e) == 0;
		a.n--;
		field_encode(&b, k->fields, back);
		same += a.n == b.n && !memcmp(a.p, b.p, a.n);

		field_json(&json, k->fields, rec);
		buf_reset(&b);
		arena_reset(&read);
		if (field_from_json(k->fields, (char *)json.p, json.n, back, &read, &e) == 0) {
			field_encode(&b, k->fields, back);
			field_json(&again, k->fields, back);
		}
		json_same += a.n == b.n && !memcmp(a.p, b.p, a.n);
		json_again += json.n == again.n && !memcmp(json.p, again.p, json.n);
		CHECK(!memchr(json.p, '\n', json.n));
	}
	CHECK(valid == SAMPLES);
	CHECK(decoded == SAMPLES);
	CHECK(same == SAMPLES);
	CHECK(json_same == SAMPLES);
	CHECK(json_again == SAMPLES);
	mem_free(rec);
	mem_free(back);
	buf_free(&a);
	buf_free(&b);
	buf_free(&json);
	buf_free(&again);
	arena_free(&made);
	arena_free(&read);
}

/* Every prefix is refused; every flipped bit is refused or gives a record that can be encoded. */
static void test_damage(const struct kind *k)
{
	struct arena made = {0}, read = {0};
	struct buf a = {0}, b = {0};
	void *rec = mem_alloc(1, k->fields->size);
	unsigned whole = 0, refused = 0;
	struct err e;

	for (uint64_t i = 0; i < 20; i++) {
		struct rng r = rng_new(12, i);
		uint8_t *copy;

		arena_reset(&made);
		buf_reset(&a);
		k->sample(rec, &made, &r);
		field_encode(&a, k->fields, rec);
		for (size_t n = 0; n < a.n; n++) {
			/* A block of its own, so that the sanitizer sees a read past its end. */
			copy = memcpy(mem_alloc(n, 1), a.p, n);
			arena_reset(&read);
			whole += field_decode(k->fields, copy, n, rec, &read, &e) >= 0;
			mem_free(copy);
		}
		copy = memcpy(mem_alloc(a.n, 1), a.p, a.n);
		for (size_t bit = 0; bit < 8 * a.n; bit++) {
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
			arena_reset(&read);
			if (field_decode(k->fields, copy, a.n, rec, &read, &e) < 0) {
				refused += e.text[0] != '\0';
			} else if (k->check(rec, &e) == 0) {
				buf_reset(&b);
				field_encode(&b, k->fields, rec);
				field_json(&b, k->fields, rec);
			}
			copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		mem_free(copy);
	}
	CHECK(whole == 0);
	CHECK(refused > 0);
	mem_free(rec);
	buf_free(&a);
	buf_free(&b);
	arena_free(&made);
	arena_free(&read);
}

/* Takes a record apart into its keys: each required one must be missed, the others not; an unknown
 * key is passed over; keys out of order and keys that come twice are refused. */
static void test_keys(const struct kind *k)
{
	struct arena made = {0}, read = {0};
	struct buf a = {0}, b = {0};
	void *rec = mem_alloc(1, k->fields->size);
	struct rng r = rng_new(13, 0);
	const uint8_t *at[32];
	uint64_t n;
	struct cbor c;
	struct err e;

	k->sample(rec, &made, &r);
	field_encode(&a, k->fields, rec);
	c = (struct cbor){a.p, a.p + a.n};
	CHECK(cbor_get(&c, CBOR_MAP, &n) == 0 && n < COUNT_OF(at));
	for (size_t i = 0; i < k->fields->n; i++)
		CHECK(strlen(k->fields->f[i].key) == k->fields->f[i].nkey);
	for (size_t i = 0; i < n; i++) {
		at[i] = c.p;
		CHECK(cbor_skip(&c) == 0 && cbor_skip(&c) == 0);
	}
	at[n] = c.p;
	for (size_t drop = 0; drop < n; drop++) {
		struct cbor key = {at[drop], a.p + a.n};
		const struct field *f = NULL;
		const uint8_t *s = NULL;
		size_t len = 0;

		CHECK(cbor_get_string(&key, CBOR_TEXT, &s, &len) == 0);
		for (size_t i = 0; i < k->fields->n; i++)
			if (strlen(k->fields->f[i].key) == len &&
				!memcmp(k->fields->f[i].key, s, len))
				f = &k->fields->f[i];
		CHECK(f != NULL);
		buf_reset(&b);
		cbor_put_head(&b, CBOR_MAP, n - 1);
		for (size_t i = 0; i < n; i++)
			if (i != drop)
				buf_put(&b, at[i], (size_t)(at[i + 1] - at[i]));
		CHECK((field_decode(k->fields, b.p, b.n, rec, &read, &e) < 0) ==
			(f && f->flags & FIELD_REQUIRED));

		buf_reset(&b); /* an unknown key before it: [null, {1: h'00'}] */
		cbor_put_head(&b, CBOR_MAP, n + 1);
		for (size_t i = 0; i < n; i++) {
			if (i == drop) {
				cbor_put_text(&b, "later");
				buf_put(&b, "\x82\xf6\xa1\x01\x41\x00", 6);
			}
			buf_put(&b, at[i], (size_t)(at[i + 1] - at[i]));
		}
		CHECK(field_decode(k->fields, b.p, b.n, rec, &read, &e) == (ptrdiff_t)b.n);

		buf_reset(&b); /* twice */
		cbor_put_head(&b, CBOR_MAP, n + 1);
		buf_put(&b, at[0], (size_t)(at[n] - at[0]));
		buf_put(&b, at[drop], (size_t)(at[drop + 1] - at[drop]));
		CHECK(field_decode(k->fields, b.p, b.n, rec, &read, &e) < 0);
	}
	mem_free(rec);
	buf_free(&a);
	buf_free(&b);
	arena_free(&made);
	arena_free(&read);
}

/* One record with a field of each type, for the values that a sample never holds. */
struct inner {
	const char *name;
	uint64_t v;
};
struct outer {
	uint64_t u, addr;
	float f;
	const char *text;
	struct u8s bytes, fixed, u8, halves;
	struct u32s u32, numbers, steps;
	struct i32s sint;
	struct u64s u64;
	struct f32s f32;
	struct texts texts;
	struct labels labels;
	struct inner one;
	struct records many;
};
static const struct field inner_f[] = {
	{FIELD_KEY("name"), FIELD_TEXT, FIELD_REQUIRED, offsetof(struct inner, name), 0, NULL, ""},
	{FIELD_KEY("v"), FIELD_U64, 0, offsetof(struct inner, v), 0, NULL, ""},
};
static const struct fields inner_fields = {
	"inner", sizeof(struct inner), inner_f, COUNT_OF(inner_f)};
#define O(member, type)                                                                  \
	{                                                                                \
		FIELD_KEY(#member), type, 0, offsetof(struct outer, member), 0, NULL, "" \
	}
static const struct field outer_f[] = {
	O(u, FIELD_U64),
	O(addr, FIELD_ADDR),
	O(f, FIELD_F32),
	O(text, FIELD_TEXT),
	O(bytes, FIELD_BYTES),
	{FIELD_KEY("fixed"), FIELD_BYTES, 0, offsetof(struct outer, fixed), 2, NULL, ""},
	O(u8, FIELD_U8S),
	O(u32, FIELD_U32S),
	O(halves, FIELD_HALVES),
	O(numbers, FIELD_NUMBERS),
	O(steps, FIELD_STEPS),
	O(sint, FIELD_SIGNED),
	O(u64, FIELD_ADDRS),
	O(f32, FIELD_F32S),
	O(texts, FIELD_TEXTS),
	O(labels, FIELD_LABELS),
	{FIELD_KEY("one"), FIELD_RECORD, 0, offsetof(struct outer, one), 0, &inner_fields, ""},
	{FIELD_KEY("many"), FIELD_RECORDS, 0, offsetof(struct outer, many), 0, &inner_fields, ""},
};
static const struct fields outer_fields = {
	"outer", sizeof(struct outer), outer_f, COUNT_OF(outer_f)};

/* Decodes {key: value}; the value is given as CBOR bytes. */
static int decode_one(
	struct outer *o, struct arena *a, const char *key, const char *value, size_t n)
{
	struct buf b = {0};
	struct err e;
	ptrdiff_t r;

	cbor_put_head(&b, CBOR_MAP, 1);
	cbor_put_text(&b, key);
	buf_put(&b, value, n);
	r = field_decode(&outer_fields, b.p, b.n, o, a, &e);
	if (r >= 0 && (size_t)r != b.n)
		r = -2;
	buf_free(&b);
	return r < 0 ? (int)r : 0;
}

#define GOOD(key, bytes) CHECK(decode_one(&o, &a, key, bytes, sizeof(bytes) - 1) == 0)
#define BAD(key, bytes)  CHECK(decode_one(&o, &a, key, bytes, sizeof(bytes) - 1) == -1)

static void test_values(void)
{
	struct arena a = {0};
	struct outer o;

	GOOD("u", "\x1b\x7f\xff\xff\xff\xff\xff\xff\xff");
	CHECK(o.u == INT64_MAX);
	BAD("u", "\x1b\x80\x00\x00\x00\x00\x00\x00\x00");
	BAD("u", "\x20");         /* -1 */
	BAD("u", "\xf9\x3c\x00"); /* 1.0 */
	GOOD("u", "\x18\x05");    /* not the shortest form, but plain */
	CHECK(o.u == 5);
	GOOD("addr", "\x1b\xff\xff\xff\xff\xff\xff\xff\xff");
	CHECK(o.addr == UINT64_MAX);
	GOOD("f", "\xf9\x3c\x00");
	CHECK(o.f == 1);
	GOOD("f", "\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a"); /* 0.1 as a double */
	CHECK(o.f == 0.1f);
	BAD("f", "\xfb\x7f\xef\xff\xff\xff\xff\xff\xff"); /* too large for a float */
	BAD("f", "\xf9\x7e\x00");                         /* NaN */
	BAD("f", "\xfa\x7f\x80\x00\x00");                 /* infinity */
	BAD("f", "\x01");
	GOOD("text", "\x63\xe6\xbc\xa2");
	CHECK(!strcmp(o.text, "\xe6\xbc\xa2"));
	BAD("text", "\x61\x00");         /* NUL */
	BAD("text", "\x61\xff");         /* not UTF-8 */
	BAD("text", "\x63\xed\xa0\x80"); /* a surrogate */
	BAD("text", "\x62\xc0\x80");     /* not the shortest */
	BAD("text", "\x7f\x61\x61\xff"); /* indefinite length */
	BAD("text", "\x5b\xff\xff\xff\xff\xff\xff\xff\xff");
	BAD("text", "\x7b\xff\xff\xff\xff\xff\xff\xff\xff");
	GOOD("fixed", "\x42\x01\x02");
	BAD("fixed", "\x41\x01");
	BAD("fixed", "\x43\x01\x02\x03");
	GOOD("u8", "\xd8\x40\x42\x01\x02");
	CHECK(o.u8.n == 2 && o.u8.p[1] == 2);
	BAD("u8", "\xd8\x45\x42\x01\x02"); /* 16 bits wide */
	BAD("u8", "\x42\x01\x02");         /* no tag */
	GOOD("u32", "\xd8\x45\x42\x01\x02");
	CHECK(o.u32.n == 1 && o.u32.p[0] == 0x201);
	GOOD("u32", "\xd8\x47\x48\x01\x02\x03\x04\x00\x00\x00\x00");
	CHECK(o.u32.n == 1 && o.u32.p[0] == 0x4030201);
	BAD("u32", "\xd8\x47\x48\x01\x02\x03\x04\x01\x00\x00\x00"); /* over 32 bits */
	BAD("u32", "\xd8\x45\x43\x01\x02\x03");                     /* half an item */
	BAD("u32", "\xd8\x41\x42\x01\x02");                         /* big-endian */
	GOOD("halves", "\x42\x21\x03");
	CHECK(o.halves.n == 3 && o.halves.p[0] == 1 && o.halves.p[1] == 2 && o.halves.p[2] == 3);
	GOOD("halves", "\x45\x21\x43\x65\x87\xf9"); /* more than eight */
	CHECK(o.halves.n == 10 && o.halves.p[4] == 5 && o.halves.p[7] == 8 && o.halves.p[9] == 15);
	BAD("halves", "\xd8\x40\x42\x21\x03"); /* a tag */
	GOOD("numbers", "\x42\xf9\x03");       /* 1 + 7 * 8 + 3 * 64, and 0 */
	CHECK(o.numbers.n == 2 && o.numbers.p[0] == 249 && o.numbers.p[1] == 0);
	GOOD("numbers", "\x40");
	CHECK(o.numbers.n == 0);
	GOOD("numbers", "\x41\x87");
	CHECK(o.numbers.n == 1 && o.numbers.p[0] == 7);
	GOOD("numbers", "\x46\xff\xff\xff\xff\xff\x83");
	CHECK(o.numbers.n == 1 && o.numbers.p[0] == UINT32_MAX);
	BAD("numbers", "\x46\xff\xff\xff\xff\xff\x84"); /* over 32 bits */
	BAD("numbers", "\x46\xff\xff\xff\xff\xff\xff"); /* too many groups */
	BAD("numbers", "\x41\xf1");                     /* another group follows */
	BAD("numbers", "\x41\x99");                     /* none does, but not as it should be */
	BAD("numbers", "\x41\x88");
	BAD("numbers", "\xd8\x40\x41\x11"); /* a tag */
	GOOD("steps", "\x43\x01\xff\x83");
	CHECK(o.steps.n == 3 && o.steps.p[0] == 1 && o.steps.p[1] == 1 && o.steps.p[2] == 256);
	BAD("steps", "\x46\xff\xff\xff\xff\xff\x13"); /* over 32 bits */
	GOOD("sint", "\x45\x12\xf0\xff\x8b\x80");
	CHECK(o.sint.n == 4 && o.sint.p[0] == 1 && o.sint.p[1] == -1 && o.sint.p[2] == 0);
	GOOD("sint", "\x46\xff\xff\xff\xff\xff\x83");
	CHECK(o.sint.n == 1 && o.sint.p[0] == INT32_MIN);
	GOOD("u64", "\xd8\x47\x48\x01\x00\x00\x00\x00\x00\x00\x80");
	CHECK(o.u64.n == 1 && o.u64.p[0] == (((uint64_t)1 << 63) | 1));
	GOOD("f32", "\xd8\x55\x44\x00\x00\x80\x3f");
	CHECK(o.f32.n == 1 && o.f32.p[0] == 1);
	BAD("f32", "\xd8\x55\x44\x00\x00\x80\x7f");
	GOOD("texts", "\x82\x61\x61\x60");
	CHECK(o.texts.n == 2 && !strcmp(o.texts.p[0], "a") && !strcmp(o.texts.p[1], ""));
	BAD("texts", "\x82\x61\x61");
	BAD("texts", "\x9b\xff\xff\xff\xff\xff\xff\xff\xff");
	GOOD("labels", "\xa2\x61\x61\x60\x61\x62\x60");
	CHECK(o.labels.n == 2 && !strcmp(field_label(&o.labels, "b"), ""));
	CHECK(!field_label(&o.labels, "c"));
	BAD("labels", "\xa2\x61\x62\x60\x61\x61\x60"); /* not in order */
	BAD("labels", "\xa2\x61\x61\x60\x61\x61\x60"); /* twice */
	BAD("labels", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff");
	GOOD("one", "\xa1\x64name\x61x");
	CHECK(!strcmp(o.one.name, "x") && o.one.v == 0);
	BAD("one", "\xa0"); /* no name */
	GOOD("many", "\x82\xa1\x64name\x61x\xa2\x64name\x61y\x61v\x07");
	CHECK(o.many.n == 2 && ((struct inner *)o.many.p)[1].v == 7);
	BAD("many", "\x9b\x00\x00\x00\x00\x7f\xff\xff\xff");
	GOOD("unknown", "\x87\xf6\xf4\xf5\xfb\0\0\0\0\0\0\0\0\xc1\x00\x20\x18\x18");
	BAD("unknown", "\x9f\xff"); /* indefinite */
	/* Seven nested arrays in the map are as deep as one may go; eight are not. */
	GOOD("unknown", "\x81\x81\x81\x81\x81\x81\x81\x00");
	BAD("unknown", "\x81\x81\x81\x81\x81\x81\x81\x81\x81\x00");
	CHECK(!strcmp(o.text, "") && !strcmp(o.one.name, "")); /* never NULL */
	arena_free(&a);
}

/* Maps of so many fields that their number takes a byte of its own. */
static void test_many(void)
{
	enum { MOST = 40 };
	struct field f[MOST];
	struct fields fs = {"many", MOST * sizeof(uint64_t), f, 0};
	uint64_t rec[MOST], back[MOST];
	struct buf b = {0};
	struct arena a = {0};
	struct err e;

	for (unsigned i = 0; i < MOST; i++) {
		f[i] = (struct field){.type = FIELD_U64, .offset = i * sizeof(uint64_t)};
		f[i].nkey = (uint8_t)snprintf(f[i].key, FIELD_KEY_MAX, "key%u", i);
		rec[i] = i % 5 ? 100 * i : 0;
	}
	for (fs.n = 0; fs.n <= MOST; fs.n++) {
		uint64_t n = 0, counted = 0;
		struct cbor c;

		buf_reset(&b);
		field_encode(&b, &fs, rec);
		for (size_t i = 0; i < fs.n; i++)
			n += rec[i] != 0;
		c = (struct cbor){b.p, b.p + b.n};
		CHECK(cbor_get(&c, CBOR_MAP, &counted) == 0 && counted == n);
		CHECK(c.p - b.p == (n < 24 ? 1 : 2));
		memset(back, 1, sizeof(back));
		CHECK(field_decode(&fs, b.p, b.n, back, &a, &e) == (ptrdiff_t)b.n);
		CHECK(!memcmp(rec, back, fs.n * sizeof(*rec)));
	}
	buf_free(&b);
	arena_free(&a);
}

/* Records that share what stands before the member at `offset` are encoded as if they did not. */
static void shared_until(size_t offset)
{
	struct sequence a, b;
	struct arena made = {0};
	struct field_shared share = {0};
	struct buf plain = {0}, copied = {0};
	struct rng r = rng_new(23, offset);
	unsigned wrong = 0;

	for (unsigned i = 0; i < 200; i++) {
		arena_reset(&made);
		sequence_kind.sample(&a, &made, &r);
		sequence_kind.sample(&b, &made, &r);
		a.origin.addr = i % 4 ? a.origin.addr : 0; /* not written */
		if (i % 3 == 0)
			a.refs = (struct refs){0};
		memcpy(&b, &a, offset);
		buf_reset(&plain);
		buf_reset(&copied);
		field_encode(&plain, sequence_kind.fields, &a);
		field_share(&share, sequence_kind.fields, &b, offset);
		field_encode_shared(&copied, &share, &a);
		wrong += plain.n != copied.n || memcmp(plain.p, copied.p, plain.n);
	}
	CHECK(wrong == 0);
	field_shared_free(&share);
	buf_free(&plain);
	buf_free(&copied);
	arena_free(&made);
}

static int json_one(struct outer *o, struct arena *a, const char *text)
{
	struct err e;

	return field_from_json(&outer_fields, text, strlen(text), o, a, &e);
}

static void test_json(void)
{
	static const char *const bad[] = {"", "[]", "null", "{\"u\":-1}", "{\"u\":1.5}",
		"{\"u\":9223372036854775808}", "{\"u\":\"1\"}", "{\"addr\":1}", "{\"addr\":\"0x\"}",
		"{\"addr\":\"1\"}", "{\"addr\":\"0x12345678123456781\"}", "{\"addr\":\"0x-1\"}",
		"{\"f\":1e99}", "{\"f\":\"1\"}", "{\"f\":NaN}", "{\"text\":1}",
		"{\"text\":\"\\u0000\"}", "{\"text\":\"\\ud800\"}", "{\"text\":\"\xff\"}",
		"{\"bytes\":\"0\"}", "{\"bytes\":\"0g\"}", "{\"fixed\":\"01\"}", "{\"u8\":[256]}",
		"{\"u8\":\"00\"}", "{\"u32\":[4294967296]}", "{\"u64\":[1]}", "{\"texts\":[1]}",
		"{\"labels\":{\"a\":1}}", "{\"labels\":[]}", "{\"one\":{}}", "{\"one\":[]}",
		"{\"many\":[{}]}", "{\"u\":1,\"u\":2}", "{\"u\":1} x", "{\"u\":1"};
	struct arena a = {0};
	struct buf b = {0}, again = {0};
	struct outer o;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		int r = json_one(&o, &a, bad[i]);

		CHECK(r < 0);
		if (r >= 0)
			fprintf(stderr, "taken: %s\n", bad[i]);
	}
	CHECK(json_one(&o, &a, "{}") == 0);
	CHECK(!strcmp(o.text, "") && !strcmp(o.one.name, "") && !o.many.n);
	field_json(&b, &outer_fields, &o);
	buf_text(&b);
	CHECK(json_one(&o, &a,
		      " {\"later\":[1,{}],\"u\":9223372036854775807,\"addr\":"
		      "\"0xFFFFffffFFFFffff\","
		      "\"f\":-0.1,\"text\":\"\\u0001\\\"\\\\\\n\\u007f\\ud83d\\ude00\",\"bytes\":"
		      "\"00fF\",\"labels\":{\"b\":\"1\",\"a\":\"2\"},\"many\":[{\"name\":\"\"}]}"
		      "\n") == 0);
	CHECK(o.u == INT64_MAX && o.addr == UINT64_MAX && o.f == -0.1f);
	CHECK(!strcmp(o.text, "\x01\"\\\n\x7f\xf0\x9f\x98\x80"));
	CHECK(o.labels.n == 2 && !strcmp(o.labels.p[0].key, "a"));
	o.f = -0.0f;
	buf_reset(&b);
	field_json(&b, &outer_fields, &o);
	CHECK(json_one(&o, &a, buf_text(&b)) == 0);
	field_json(&again, &outer_fields, &o);
	CHECK(b.n == again.n && !memcmp(b.p, again.p, b.n));
	buf_free(&b);
	buf_free(&again);
	arena_free(&a);
}

/* What the tables cannot say: each kind's check finds what is broken, one thing at a time. */
#define BREAKS(kind, type, ...)                              \
	do {                                                 \
		struct rng r_ = rng_new(14, 0);              \
		struct arena a_ = {0};                       \
		struct type *x;                              \
		unsigned seen = 0, caught = 0;               \
		struct err e_;                               \
		for (int i_ = 0; i_ < 300; i_++) {           \
			bool usable = true;                  \
			arena_reset(&a_);                    \
			x = arena_get(&a_, 1, sizeof(*x));   \
			(kind)->sample(x, &a_, &r_);         \
			__VA_ARGS__;                         \
			if (!usable)                         \
				continue;                    \
			seen++;                              \
			caught += (kind)->check(x, &e_) < 0; \
		}                                            \
		CHECK(seen > 10);                            \
		CHECK(caught == seen);                       \
		arena_free(&a_);                             \
	} while (0)

static void test_checks(void)
{
	BREAKS(&function_kind, function, x->code.n++);
	BREAKS(&function_kind, function, x->len.p[0] = 0);
	BREAKS(&function_kind, function, x->len.p[x->len.n - 1] = 16);
	BREAKS(&function_kind, function, x->arch = "");
	BREAKS(&function_kind, function, x->blocks.n = 0);
	BREAKS(&function_kind, function, x->blocks.p[0] = 1);
	BREAKS(&function_kind, function, x->blocks.p[x->blocks.n - 1] = (uint32_t)x->len.n);
	BREAKS(&function_kind, function, usable = x->blocks.n > 1;
		x->blocks.p[x->blocks.n - 1] = 0);
	BREAKS(&function_kind, function, x->exits.n--);
	BREAKS(&function_kind, function, x->exits.p[0] += 1 << EXIT_SHIFT);
	BREAKS(&function_kind, function, x->exits.p[x->exits.n - 1] |= EXIT_NEXT);
	BREAKS(&function_kind, function, x->exits.p[0] = EXIT_TABLE | (x->exits.p[0] & EXIT_NEXT));
	BREAKS(&function_kind, function, usable = x->jumps.n; if (usable) x->jumps.n--);
	BREAKS(&function_kind, function, usable = x->jumps.n;
		if (usable) x->jumps.p[0] = (int32_t)x->blocks.n);
	BREAKS(&function_kind, function, usable = x->jumps.n;
		if (usable) x->jumps.p[x->jumps.n - 1] = INT32_MIN);
	BREAKS(&function_kind, function, usable = x->refs.insn.n;
		if (usable) x->refs.insn.p[0] = (uint32_t)x->len.n);
	BREAKS(&function_kind, function, usable = x->refs.insn.n;
		if (usable) x->refs.kind.p[0] = REF_SLOT + 1);
	BREAKS(&function_kind, function, usable = x->refs.insn.n;
		if (usable) x->refs.name.p[0] = (uint32_t)x->refs.names.n + 1);
	BREAKS(&function_kind, function, x->refs.kind.n++);
	BREAKS(&function_kind, function, x->refs.target.n++);
	BREAKS(&function_kind, function, x->refs.name.n++);
	BREAKS(&sequence_kind, sequence, x->code.n++);
	BREAKS(&sequence_kind, sequence, x->arch = "");
	BREAKS(&sequence_kind, sequence, usable = x->pos.n; x->pos.n++);
	BREAKS(&sequence_kind, sequence, usable = x->pos.n > 1;
		if (usable) x->pos.p[1] = x->pos.p[0]);
	BREAKS(&sequence_kind, sequence, x->hashes.n++);
	BREAKS(&sequence_kind, sequence, x->refs.kind.n++);
	BREAKS(&tokens_kind, tokens, usable = x->starts.n;
		if (usable) x->starts.p[x->starts.n - 1] = (uint32_t)x->ids.n);
	BREAKS(&tokens_kind, tokens, usable = x->starts.n > 1;
		if (usable) x->starts.p[1] = x->starts.p[0]);
	BREAKS(&tokens_kind, tokens, x->eids.n++);
	BREAKS(&embedding_kind, embedding, x->vec.n = 0);
	BREAKS(&match_kind, match, usable = x->hits.n; x->pool = x->hits.n - 1);
	BREAKS(&match_kind, match, x->relevant = x->pool + 1);
	BREAKS(&match_kind, match, usable = x->hits.n > 1;
		if (usable)((struct hit *)x->hits.p)[1].score = 2);
	BREAKS(&prediction_kind, prediction, x->classes.n++);
	BREAKS(&prediction_kind, prediction, x->classes.n = x->scores.n = 0);
}

int main(void)
{
	CHECK(kinds_find("function") == &function_kind);
	CHECK(!kinds_find("functions"));
	for (size_t i = 0; kinds_all[i]; i++) {
		test_round_trip(kinds_all[i]);
		test_damage(kinds_all[i]);
		test_keys(kinds_all[i]);
	}
	test_values();
	test_many();
	shared_until(offsetof(struct sequence, unit));
	shared_until(offsetof(struct sequence, origin.bin));
	shared_until(offsetof(struct sequence, origin.addr));
	shared_until(offsetof(struct sequence, code));
	shared_until(offsetof(struct sequence, hashes));
	test_json();
	test_checks();
	return unit_done();
}
