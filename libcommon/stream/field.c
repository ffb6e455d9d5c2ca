/*
 * field.c: records to CBOR and back, driven by the field tables; see field.h. Text forms (JSON,
 * CDDL) are in field_text.c.
 */
#include "stream/field.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include "stream/cbor.h"
#include "stream/halves.h"

/* RFC 8746, section 2.1: tags of little-endian typed arrays. */
enum {
	TAG_U8 = 64,
	TAG_U16 = 69,
	TAG_U32 = 70,
	TAG_U64 = 71,
	TAG_F32 = 85,
};

const char *field_label(const struct labels *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->p[i].key, key))
			return l->p[i].value;
	return NULL;
}

void field_clear(const struct fields *fs, void *rec)
{
	memset(rec, 0, fs->size);
	for (size_t i = 0; i < fs->n; i++) {
		void *m = (char *)rec + fs->f[i].offset;

		if (fs->f[i].type == FIELD_TEXT)
			*(const char **)m = "";
		else if (fs->f[i].type == FIELD_RECORD)
			field_clear(fs->f[i].sub, m);
	}
}

/* ---- encoding ---- */

/*
 * A field is written through a pointer into room that was made for all of it: first its key, by
 * begin, then the item, then `end` tells the buffer. An optional field that is empty is not
 * written.
 */

/* The most bytes of the heads of a typed array, its tag and its length. */
enum { HEADS = 2 * CBOR_HEAD_MAX };

/* Makes room for the field with n bytes of content and puts its key there. */
static uint8_t *begin(struct buf *b, const struct field *f, size_t n)
{
	uint8_t *p = buf_reserve(b, 1 + FIELD_KEY_MAX + HEADS + n);

	*p = (uint8_t)(CBOR_TEXT << 5 | f->nkey);
	memcpy(p + 1, f->key, FIELD_KEY_MAX);
	return p + 1 + f->nkey;
}

static bool end(struct buf *b, const uint8_t *p)
{
	b->n = (size_t)(p - b->p);
	return true;
}

static bool is_optional(const struct field *f)
{
	return !(f->flags & FIELD_REQUIRED);
}

static uint8_t *put_bytes(uint8_t *p, const void *from, size_t n)
{
	if (n)
		memcpy(p, from, n);
	return p + n;
}

static void put_le(uint8_t *to, uint64_t v, size_t width)
{
	for (size_t k = 0; k < width; k++)
		to[k] = (uint8_t)(v >> 8 * k);
}

/* The narrowest width that holds all bits of the items. */
static size_t width_of(uint64_t all)
{
	return all <= UINT8_MAX ? 1 : all <= UINT16_MAX ? 2 : all <= UINT32_MAX ? 4 : 8;
}

static uint64_t tag_of(size_t width)
{
	return width == 1 ? TAG_U8 : width == 2 ? TAG_U16 : width == 4 ? TAG_U32 : TAG_U64;
}

/* Key and heads of a typed array of n items of `width` bytes; they go to where it points. */
static uint8_t *begin_typed(
	struct buf *b, const struct field *f, uint64_t tag, size_t n, size_t width)
{
	uint8_t *p = cbor_head(begin(b, f, n * width), CBOR_TAG, tag);

	return cbor_head(p, CBOR_BYTES, n * width);
}

static bool put_u32s(struct buf *b, const struct field *f, const struct u32s *v)
{
	uint32_t all = 0;
	size_t width;
	uint8_t *to;

	for (size_t i = 0; i < v->n; i++)
		all |= v->p[i];
	width = width_of(all);
	to = begin_typed(b, f, tag_of(width), v->n, width);
	for (size_t i = 0; width == 1 && i < v->n; i++)
		to[i] = (uint8_t)v->p[i];
	for (size_t i = 0; width > 1 && i < v->n; i++)
		put_le(to + i * width, v->p[i], width);
	return end(b, to + v->n * width);
}

static bool put_halves(struct buf *b, const struct field *f, const void *m)
{
	uint8_t *to = begin(b, f, halves_room(((const struct u8s *)m)->n));

	switch (f->type) {
	case FIELD_NUMBERS: return end(b, halves_put_numbers(to, m));
	case FIELD_STEPS: return end(b, halves_put_steps(to, m));
	case FIELD_SIGNED: return end(b, halves_put_signed(to, m));
	default: return end(b, halves_put(to, m));
	}
}

static bool put_addrs(struct buf *b, const struct field *f, const struct u64s *v)
{
	uint64_t all = 0;
	size_t width;
	uint8_t *to;

	for (size_t i = 0; i < v->n; i++)
		all |= v->p[i];
	width = width_of(all);
	to = begin_typed(b, f, tag_of(width), v->n, width);
	for (size_t i = 0; i < v->n; i++)
		put_le(to + i * width, v->p[i], width);
	return end(b, to + v->n * width);
}

static bool put_f32s(struct buf *b, const struct field *f, const struct f32s *v)
{
	uint8_t *to = begin_typed(b, f, TAG_F32, v->n, 4);

	for (size_t i = 0; i < v->n; i++) {
		uint32_t bits;

		memcpy(&bits, &v->p[i], 4);
		put_le(to + 4 * i, bits, 4);
	}
	return end(b, to + 4 * v->n);
}

static bool put_texts(struct buf *b, const struct field *f, const struct texts *v)
{
	end(b, cbor_head(begin(b, f, 0), CBOR_ARRAY, v->n));
	for (size_t i = 0; i < v->n; i++)
		cbor_put_text(b, v->p[i]);
	return true;
}

static bool put_labels(struct buf *b, const struct field *f, const struct labels *v)
{
	end(b, cbor_head(begin(b, f, 0), CBOR_MAP, v->n));
	for (size_t i = 0; i < v->n; i++) {
		cbor_put_text(b, v->p[i].key);
		cbor_put_text(b, v->p[i].value);
	}
	return true;
}

static size_t encode(struct buf *b, const struct fields *fs, const void *rec);

/* A nested record is empty when all of its fields are. */
static bool put_record(struct buf *b, const struct field *f, const void *rec)
{
	size_t before = b->n;

	end(b, begin(b, f, 0));
	if (encode(b, f->sub, rec) || !is_optional(f))
		return true;
	b->n = before;
	return false;
}

static bool put_records(struct buf *b, const struct field *f, const struct records *v)
{
	end(b, cbor_head(begin(b, f, 0), CBOR_ARRAY, v->n));
	for (size_t i = 0; i < v->n; i++)
		encode(b, f->sub, (const char *)v->p + i * f->sub->size);
	return true;
}

static bool put_f32(struct buf *b, const struct field *f, float v)
{
	end(b, begin(b, f, 0));
	cbor_put_f32(b, v);
	return true;
}

static bool put_uint(struct buf *b, const struct field *f, uint64_t v)
{
	return end(b, cbor_head(begin(b, f, 0), CBOR_UINT, v));
}

static bool put_text(struct buf *b, const struct field *f, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return end(b, put_bytes(cbor_head(begin(b, f, n), CBOR_TEXT, n), s, n));
}

static bool put_u8s(struct buf *b, const struct field *f, const struct u8s *v)
{
	return end(b, put_bytes(begin_typed(b, f, TAG_U8, v->n, 1), v->p, v->n));
}

static bool put_string(struct buf *b, const struct field *f, const struct u8s *v)
{
	uint8_t *to = cbor_head(begin(b, f, v->n), CBOR_BYTES, v->n);

	return end(b, put_bytes(to, v->p, v->n));
}

/* Is it an optional field with nothing to write? Of nested records only put_record can say. */
static inline bool is_absent(const struct field *f, const void *m)
{
	if (!is_optional(f))
		return false;
	switch (f->type) {
	case FIELD_U64:
	case FIELD_ADDR: return !*(const uint64_t *)m;
	case FIELD_F32: return *(const float *)m == 0;
	case FIELD_TEXT: return !*(const char *const *)m || !**(const char *const *)m;
	case FIELD_RECORD: return false;
	default: return !((const struct u8s *)m)->n; /* the arrays are alike in this */
	}
}

/* Writes the field whose member is at m, and says whether it did. */
static bool put_present(struct buf *b, const struct field *f, const void *m)
{
	switch (f->type) {
	case FIELD_U64:
	case FIELD_ADDR: return put_uint(b, f, *(const uint64_t *)m);
	case FIELD_F32: return put_f32(b, f, *(const float *)m);
	case FIELD_TEXT: return put_text(b, f, *(const char *const *)m);
	case FIELD_RECORD: return put_record(b, f, m);
	case FIELD_BYTES: return put_string(b, f, m);
	case FIELD_U8S: return put_u8s(b, f, m);
	case FIELD_U32S: return put_u32s(b, f, m);
	case FIELD_HALVES:
	case FIELD_NUMBERS:
	case FIELD_STEPS:
	case FIELD_SIGNED: return put_halves(b, f, m);
	case FIELD_ADDRS: return put_addrs(b, f, m);
	case FIELD_F32S: return put_f32s(b, f, m);
	case FIELD_TEXTS: return put_texts(b, f, m);
	case FIELD_LABELS: return put_labels(b, f, m);
	case FIELD_RECORDS: return put_records(b, f, m);
	default: return false;
	}
}

static inline bool put_field(struct buf *b, const struct field *f, const void *m)
{
	return !is_absent(f, m) && put_present(b, f, m);
}

/* The number of fields, known at last, takes more room than the byte that was left for it. */
static void put_long_count(struct buf *b, size_t head, size_t n)
{
	uint8_t text[CBOR_HEAD_MAX];
	size_t more = (size_t)(cbor_head(text, CBOR_MAP, n) - text) - 1;

	buf_reserve(b, more);
	memmove(b->p + head + 1 + more, b->p + head + 1, b->n - head - 1);
	b->n += more;
	memcpy(b->p + head, text, 1 + more);
}

/*
 * Writes the fields from number i on and then the number of all, n of them being there already,
 * into the byte at `head`. Returns how many there are.
 */
static size_t encode_from(
	struct buf *b, const struct fields *fs, const void *rec, size_t i, size_t n, size_t head)
{
	for (; i < fs->n; i++)
		n += put_field(b, &fs->f[i], (const char *)rec + fs->f[i].offset);
	if (n < 24)
		b->p[head] = (uint8_t)(CBOR_MAP << 5 | n);
	else
		put_long_count(b, head, n);
	return n;
}

/* Returns how many fields were written. */
static size_t encode(struct buf *b, const struct fields *fs, const void *rec)
{
	size_t head = b->n;

	buf_putc(b, 0);
	return encode_from(b, fs, rec, 0, 0, head);
}

void field_encode(struct buf *b, const struct fields *fs, const void *rec)
{
	encode(b, fs, rec);
}

static bool leads_to(const struct field *f, size_t offset)
{
	return f->type == FIELD_RECORD ? offset - f->offset < f->sub->size : offset == f->offset;
}

void field_share(struct field_shared *s, const struct fields *fs, const void *rec, size_t offset)
{
	struct buf *b = &s->text;

	buf_reset(b);
	for (s->depth = 0;;) {
		struct field_level *l = &s->level[s->depth++];
		const struct field *f = fs->f;

		*l = (struct field_level){.fs = fs, .head = b->n};
		buf_putc(b, 0);
		for (; l->i < fs->n && !leads_to(f, offset); l->i++, f++)
			l->n += put_field(b, f, (const char *)rec + f->offset);
		if (l->i == fs->n || f->type != FIELD_RECORD)
			return;
		end(b, begin(b, f, 0));
		rec = (const char *)rec + f->offset;
		offset -= f->offset;
		fs = f->sub;
	}
}

/* What follows in the records of level k and deeper ones; the shared part begins at `base`. */
static void encode_level(
	struct buf *b, const struct field_shared *s, unsigned k, const void *rec, size_t base)
{
	const struct field_level *l = &s->level[k];
	size_t inner = k + 1 < s->depth;

	if (inner)
		encode_level(b, s, k + 1, (const char *)rec + l->fs->f[l->i].offset, base);
	encode_from(b, l->fs, rec, l->i + inner, l->n + inner, base + l->head);
}

void field_encode_shared(struct buf *b, const struct field_shared *s, const void *rec)
{
	size_t base = b->n;

	buf_put(b, s->text.p, s->text.n);
	encode_level(b, s, 0, rec, base);
}

void field_shared_free(struct field_shared *s)
{
	buf_free(&s->text);
}

/* ---- decoding ---- */

enum typed { TYPED_UINT, TYPED_FLOAT };

/* The bytes of an item, or 0 if the tag is none of this type. */
static size_t width_of_tag(enum typed type, uint64_t tag)
{
	switch (type) {
	case TYPED_UINT:
		return tag == TAG_U8    ? 1
		       : tag == TAG_U16 ? 2
		       : tag == TAG_U32 ? 4
		       : tag == TAG_U64 ? 8
					: 0;
	default: return tag == TAG_F32 ? 4 : 0;
	}
}

/* A typed array: its width in bytes and its content. */
static int get_typed(struct cbor *c, enum typed type, size_t *width, const uint8_t **p, size_t *n)
{
	uint64_t tag;

	if (cbor_get(c, CBOR_TAG, &tag) < 0)
		return -1;
	*width = width_of_tag(type, tag);
	if (!*width || cbor_get_string(c, CBOR_BYTES, p, n) < 0 || *n % *width)
		return -1;
	*n /= *width;
	return 0;
}

static uint64_t get_le(const uint8_t *p, size_t width)
{
	uint64_t v = 0;

	for (size_t k = width; k--;)
		v = v << 8 | p[k];
	return v;
}

static int get_u8s(const uint8_t *p, size_t n, struct u8s *v, struct arena *a)
{
	v->n = n;
	v->p = arena_get(a, n, 1);
	if (n)
		memcpy(v->p, p, n);
	return 0;
}

/* Integers into items of `size` bytes, 4 or 8. */
static int get_ints(struct cbor *c, size_t size, void **to, size_t *count, struct arena *a)
{
	const uint8_t *p;
	size_t width, n;

	if (get_typed(c, TYPED_UINT, &width, &p, &n) < 0)
		return -1;
	*count = n;
	*to = arena_get(a, n, size);
	for (size_t i = 0; i < n; i++, p += width) {
		uint64_t v = width == 1 ? *p : get_le(p, width);

		if (size == 8)
			((uint64_t *)*to)[i] = v;
		else if (v <= UINT32_MAX)
			((uint32_t *)*to)[i] = (uint32_t)v;
		else
			return -1;
	}
	return 0;
}

static int get_f32s(struct cbor *c, struct f32s *v, struct arena *a)
{
	const uint8_t *p;
	size_t width;

	if (get_typed(c, TYPED_FLOAT, &width, &p, &v->n) < 0)
		return -1;
	v->p = arena_get(a, v->n, sizeof(*v->p));
	for (size_t i = 0; i < v->n; i++) {
		uint32_t bits = (uint32_t)get_le(p + 4 * i, 4);

		memcpy(&v->p[i], &bits, 4);
		if (!isfinite(v->p[i]))
			return -1;
	}
	return 0;
}

static int get_halves(struct cbor *c, enum field_type type, void *m, struct arena *a)
{
	const uint8_t *p;
	size_t n;

	if (cbor_get_string(c, CBOR_BYTES, &p, &n) < 0)
		return -1;
	switch (type) {
	case FIELD_NUMBERS: return halves_get_numbers(p, n, m, a);
	case FIELD_STEPS: return halves_get_steps(p, n, m, a);
	case FIELD_SIGNED: return halves_get_signed(p, n, m, a);
	default: halves_get(p, n, m, a); return 0;
	}
}

static int get_text(struct cbor *c, const char **s, struct arena *a)
{
	const uint8_t *p;
	size_t n;

	if (cbor_get_string(c, CBOR_TEXT, &p, &n) < 0 || !cbor_is_text(p, n))
		return -1;
	*s = arena_str(a, p, n);
	return 0;
}

static int get_labels(struct cbor *c, struct labels *v, struct arena *a)
{
	uint64_t n;

	if (cbor_get(c, CBOR_MAP, &n) < 0 || n > (uint64_t)(c->end - c->p) / 2)
		return -1;
	v->n = (size_t)n;
	v->p = arena_get(a, v->n, sizeof(*v->p));
	for (size_t i = 0; i < v->n; i++)
		if (get_text(c, &v->p[i].key, a) < 0 || get_text(c, &v->p[i].value, a) < 0 ||
			(i && strcmp(v->p[i - 1].key, v->p[i].key) >= 0))
			return -1;
	return 0;
}

static int decode(struct cbor *c, const struct fields *fs, void *rec, struct arena *a,
	unsigned depth, struct err *e);

static int get_value(struct cbor *c, const struct field *f, void *m, struct arena *a,
	unsigned depth, struct err *e)
{
	struct texts *texts = m;
	struct records *records = m;
	size_t width, len;
	const uint8_t *p;
	uint64_t n;

	switch (f->type) {
	case FIELD_U64: return cbor_get(c, CBOR_UINT, m) < 0 || *(uint64_t *)m >> 63 ? -1 : 0;
	case FIELD_ADDR: return cbor_get(c, CBOR_UINT, m);
	case FIELD_F32: return cbor_get_f32(c, m) < 0 || !isfinite(*(float *)m) ? -1 : 0;
	case FIELD_TEXT: return get_text(c, m, a);
	case FIELD_BYTES:
		if (cbor_get_string(c, CBOR_BYTES, &p, &len) < 0 || (f->exact && len != f->exact))
			return -1;
		return get_u8s(p, len, m, a);
	case FIELD_U8S:
		if (get_typed(c, TYPED_UINT, &width, &p, &len) < 0 || width != 1)
			return -1;
		return get_u8s(p, len, m, a);
	case FIELD_U32S:
		return get_ints(c, 4, (void **)&((struct u32s *)m)->p, &((struct u32s *)m)->n, a);
	case FIELD_HALVES:
	case FIELD_NUMBERS:
	case FIELD_STEPS:
	case FIELD_SIGNED: return get_halves(c, f->type, m, a);
	case FIELD_ADDRS:
		return get_ints(c, 8, (void **)&((struct u64s *)m)->p, &((struct u64s *)m)->n, a);
	case FIELD_F32S: return get_f32s(c, m, a);
	case FIELD_LABELS: return get_labels(c, m, a);
	case FIELD_RECORD: return decode(c, f->sub, m, a, depth - 1, e);
	case FIELD_TEXTS:
		if (cbor_get(c, CBOR_ARRAY, &n) < 0 || n > (uint64_t)(c->end - c->p))
			return -1;
		texts->n = (size_t)n;
		texts->p = arena_get(a, texts->n, sizeof(*texts->p));
		for (size_t i = 0; i < texts->n; i++)
			if (get_text(c, &texts->p[i], a) < 0)
				return -1;
		return 0;
	case FIELD_RECORDS: break;
	}
	/* An empty map takes one byte but its struct hundreds: what a record may blow up to is
	 * bounded. */
	if (cbor_get(c, CBOR_ARRAY, &n) < 0 || n > (uint64_t)(c->end - c->p) || n > 1 << 20)
		return -1;
	records->n = (size_t)n;
	records->p = arena_zget(a, records->n, f->sub->size);
	for (size_t i = 0; i < records->n; i++)
		if (decode(c, f->sub, (char *)records->p + i * f->sub->size, a, depth - 1, e) < 0)
			return -1;
	return 0;
}

/* `room` bytes can be read at key. A short key is compared as a number: it is filled with zeros. */
static bool is_key(const struct field *f, const uint8_t *key, size_t n, size_t room)
{
	uint64_t a, b;

	if (f->nkey != n)
		return false;
	if (n >= sizeof(a) || room < sizeof(a))
		return !memcmp(f->key, key, n);
	memcpy(&a, f->key, sizeof(a));
	memcpy(&b, key, sizeof(b));
	return le64toh(a) == (le64toh(b) & ((UINT64_C(1) << 8 * n) - 1));
}

static int decode(struct cbor *c, const struct fields *fs, void *rec, struct arena *a,
	unsigned depth, struct err *e)
{
	uint64_t n, seen = 0;
	size_t next = 0;

	field_clear(fs, rec);
	if (!depth || cbor_get(c, CBOR_MAP, &n) < 0)
		return err_set(e, "%s: not a map", fs->name);
	for (; n; n--) {
		const uint8_t *key;
		size_t len, i, room;

		if (cbor_get_string(c, CBOR_TEXT, &key, &len) < 0)
			return err_set(e, "%s: bad key", fs->name);
		room = (size_t)(c->end - key);
		/* Keys come in table order, so the next field is nearly always the one. */
		for (i = next; i < fs->n; i++)
			if (is_key(&fs->f[i], key, len, room))
				break;
		if (i == fs->n) {
			for (i = 0; i < next; i++)
				if (is_key(&fs->f[i], key, len, room))
					return err_set(e, "%s: key \"%s\" out of order", fs->name,
						fs->f[i].key);
			if (cbor_skip(c) < 0)
				return err_set(e, "%s: bad value of an unknown key", fs->name);
			continue;
		}
		e->text[0] = '\0';
		if (get_value(c, &fs->f[i], (char *)rec + fs->f[i].offset, a, depth, e) < 0)
			return e->text[0] ? -1
					  : err_set(e, "%s: bad value of \"%s\"", fs->name,
						    fs->f[i].key);
		seen |= (uint64_t)1 << i;
		next = i + 1;
	}
	for (size_t i = 0; i < fs->n; i++)
		if ((fs->f[i].flags & FIELD_REQUIRED) && !(seen >> i & 1))
			return err_set(e, "%s: no \"%s\"", fs->name, fs->f[i].key);
	return 0;
}

ptrdiff_t field_decode(const struct fields *fs, const uint8_t *p, size_t n, void *rec,
	struct arena *a, struct err *e)
{
	struct cbor c = {p, p + n};

	if (decode(&c, fs, rec, a, CBOR_DEPTH, e) < 0)
		return -1;
	return c.p - p;
}
