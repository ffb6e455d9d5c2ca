/*
 * field_text.c: records as JSON and from JSON, field tables as CDDL; see field.h.
 */
#include "stream/field.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stream/cbor.h"

void field_json_text(struct buf *b, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	buf_putc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, c);
		} else if (c < 0x20 || c == 0x7f) {
			buf_puts(b, "\\u00");
			buf_putc(b, hex[c >> 4]);
			buf_putc(b, hex[c & 15]);
		} else {
			buf_putc(b, c);
		}
	}
	buf_putc(b, '"');
}

static void json_hex(struct buf *b, const struct u8s *v)
{
	static const char hex[] = "0123456789abcdef";

	buf_putc(b, '"');
	for (size_t i = 0; i < v->n; i++) {
		buf_putc(b, hex[v->p[i] >> 4]);
		buf_putc(b, hex[v->p[i] & 15]);
	}
	buf_putc(b, '"');
}

static void json_f32(struct buf *b, float v)
{
	/* Nine digits give the same float back; JSON readers take -0 for a whole number. */
	if (v == 0 && signbit(v))
		buf_puts(b, "-0.0");
	else
		buf_printf(b, "%.9g", (double)v);
}

static void json_value(struct buf *b, const struct field *f, const void *m)
{
	const struct u8s *u8 = m;
	const struct u32s *u32 = m;
	const struct i32s *i32 = m;
	const struct u64s *u64 = m;
	const struct f32s *f32 = m;
	const struct texts *texts = m;
	const struct labels *labels = m;
	const struct records *records = m;
	const char *text;

	switch (f->type) {
	case FIELD_U64: buf_putu(b, *(const uint64_t *)m); return;
	case FIELD_ADDR: buf_printf(b, "\"0x%" PRIx64 "\"", *(const uint64_t *)m); return;
	case FIELD_F32: json_f32(b, *(const float *)m); return;
	case FIELD_TEXT:
		text = *(const char *const *)m;
		field_json_text(b, text ? text : "");
		return;
	case FIELD_BYTES: json_hex(b, u8); return;
	case FIELD_RECORD: field_json(b, f->sub, m); return;
	case FIELD_LABELS:
		buf_putc(b, '{');
		for (size_t i = 0; i < labels->n; i++) {
			if (i)
				buf_putc(b, ',');
			field_json_text(b, labels->p[i].key);
			buf_putc(b, ':');
			field_json_text(b, labels->p[i].value);
		}
		buf_putc(b, '}');
		return;
	default: break;
	}
	buf_putc(b, '[');
	for (size_t i = 0; i < u8->n; i++) { /* n has the same place in all array structs */
		if (i)
			buf_putc(b, ',');
		switch (f->type) {
		case FIELD_U8S:
		case FIELD_HALVES: buf_putu(b, u8->p[i]); break;
		case FIELD_U32S:
		case FIELD_NUMBERS:
		case FIELD_STEPS: buf_putu(b, u32->p[i]); break;
		case FIELD_SIGNED: buf_printf(b, "%" PRId32, i32->p[i]); break;
		case FIELD_ADDRS: buf_printf(b, "\"0x%" PRIx64 "\"", u64->p[i]); break;
		case FIELD_F32S: json_f32(b, f32->p[i]); break;
		case FIELD_TEXTS: field_json_text(b, texts->p[i]); break;
		case FIELD_RECORDS:
			field_json(b, f->sub, (const char *)records->p + i * f->sub->size);
			break;
		default: break;
		}
	}
	buf_putc(b, ']');
}

void field_json(struct buf *b, const struct fields *fs, const void *rec)
{
	buf_putc(b, '{');
	for (size_t i = 0; i < fs->n; i++) {
		if (i)
			buf_putc(b, ',');
		field_json_text(b, fs->f[i].key);
		buf_putc(b, ':');
		json_value(b, &fs->f[i], (const char *)rec + fs->f[i].offset);
	}
	buf_putc(b, '}');
}

static int from_uint(const json_t *j, uint64_t max, uint64_t *v)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0 ||
		(uint64_t)json_integer_value(j) > max)
		return -1;
	*v = (uint64_t)json_integer_value(j);
	return 0;
}

static int from_sint(const json_t *j, int32_t *v)
{
	if (!json_is_integer(j) || json_integer_value(j) < INT32_MIN ||
		json_integer_value(j) > INT32_MAX)
		return -1;
	*v = (int32_t)json_integer_value(j);
	return 0;
}

static int from_addr(const json_t *j, uint64_t *v)
{
	const char *s = json_string_value(j);
	char *end;

	/* "0x" and one to sixteen digits: nothing that strtoull would take besides. */
	if (!s || s[0] != '0' || s[1] != 'x' || !s[2] || strlen(s) > 18 ||
		strspn(s + 2, "0123456789abcdefABCDEF") != strlen(s + 2))
		return -1;
	*v = strtoull(s + 2, &end, 16);
	return 0;
}

static int from_f32(const json_t *j, float *v)
{
	if (!json_is_number(j))
		return -1;
	*v = (float)json_number_value(j);
	return isfinite(*v) ? 0 : -1;
}

static int from_text(const json_t *j, const char **s, struct arena *a)
{
	if (!json_is_string(j))
		return -1;
	*s = arena_str(a, json_string_value(j), json_string_length(j));
	return cbor_is_text((const uint8_t *)*s, json_string_length(j)) ? 0 : -1;
}

/* Of a fixed length, unless it is optional and empty. */
static int from_hex(const json_t *j, const struct field *f, struct u8s *v, struct arena *a)
{
	const char *s = json_string_value(j);
	size_t n = s ? strlen(s) : 1;

	bool any = !f->exact || (!n && !(f->flags & FIELD_REQUIRED));

	if (!s || n % 2 || strspn(s, "0123456789abcdefABCDEF") != n || (!any && n != 2 * f->exact))
		return -1;
	v->n = n / 2;
	v->p = arena_get(a, v->n, 1);
	for (size_t i = 0; i < v->n; i++) {
		char digits[3] = {s[2 * i], s[2 * i + 1], '\0'};

		v->p[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return 0;
}

static int by_key(const void *va, const void *vb)
{
	const struct label *a = va, *b = vb;

	return strcmp(a->key, b->key);
}

static int from_labels(json_t *j, struct labels *v, struct arena *a)
{
	const char *key;
	json_t *item;

	if (!json_is_object(j))
		return -1;
	v->n = 0;
	v->p = arena_get(a, json_object_size(j), sizeof(*v->p));
	json_object_foreach(j, key, item)
	{
		v->p[v->n].key = arena_str(a, key, strlen(key));
		if (from_text(item, &v->p[v->n++].value, a) < 0)
			return -1;
	}
	qsort(v->p, v->n, sizeof(*v->p), by_key);
	return 0;
}

static int from_object(
	json_t *j, const struct fields *fs, void *rec, struct arena *a, struct err *e);

static int from_value(json_t *j, const struct field *f, void *m, struct arena *a, struct err *e)
{
	struct u8s *array = m; /* n and p have the same places in all array structs */
	size_t n = json_array_size(j), size;

	switch (f->type) {
	case FIELD_U64: return from_uint(j, INT64_MAX, m);
	case FIELD_ADDR: return from_addr(j, m);
	case FIELD_F32: return from_f32(j, m);
	case FIELD_TEXT: return from_text(j, m, a);
	case FIELD_BYTES: return from_hex(j, f, m, a);
	case FIELD_LABELS: return from_labels(j, m, a);
	case FIELD_RECORD: return from_object(j, f->sub, m, a, e);
	case FIELD_U8S:
	case FIELD_HALVES: size = 1; break;
	case FIELD_U32S:
	case FIELD_NUMBERS:
	case FIELD_STEPS:
	case FIELD_SIGNED: size = 4; break;
	case FIELD_ADDRS: size = 8; break;
	case FIELD_F32S: size = sizeof(float); break;
	case FIELD_TEXTS: size = sizeof(char *); break;
	case FIELD_RECORDS: size = f->sub->size; break;
	default: return -1;
	}
	if (!json_is_array(j))
		return -1;
	array->n = n;
	array->p = arena_zget(a, n, size);
	for (size_t i = 0; i < n; i++) {
		void *item = array->p + i * size;
		json_t *v = json_array_get(j, i);
		uint64_t u = 0;
		int r;

		switch (f->type) {
		case FIELD_U8S:
		case FIELD_HALVES:
			r = from_uint(v, f->type == FIELD_U8S ? UINT8_MAX : 15, &u);
			if (f->type == FIELD_HALVES && !u)
				r = -1;
			*(uint8_t *)item = (uint8_t)u;
			break;
		case FIELD_U32S:
		case FIELD_NUMBERS:
		case FIELD_STEPS:
			r = from_uint(v, UINT32_MAX, &u);
			*(uint32_t *)item = (uint32_t)u;
			if (f->type == FIELD_STEPS && i &&
				u < ((uint32_t *)(void *)array->p)[i - 1])
				r = -1;
			break;
		case FIELD_SIGNED: r = from_sint(v, item); break;
		case FIELD_ADDRS: r = from_addr(v, item); break;
		case FIELD_F32S: r = from_f32(v, item); break;
		case FIELD_TEXTS: r = from_text(v, item, a); break;
		default: r = from_object(v, f->sub, item, a, e); break;
		}
		if (r < 0)
			return -1;
	}
	return 0;
}

static int from_object(
	json_t *j, const struct fields *fs, void *rec, struct arena *a, struct err *e)
{
	if (!json_is_object(j))
		return err_set(e, "%s: not an object", fs->name);
	field_clear(fs, rec);
	for (size_t i = 0; i < fs->n; i++) {
		const struct field *f = &fs->f[i];
		json_t *v = json_object_get(j, f->key);

		if (!v && (f->flags & FIELD_REQUIRED))
			return err_set(e, "%s: no \"%s\"", fs->name, f->key);
		if (!v)
			continue;
		e->text[0] = '\0';
		if (from_value(v, f, (char *)rec + f->offset, a, e) < 0)
			return e->text[0] ? -1
					  : err_set(e, "%s: bad value of \"%s\"", fs->name, f->key);
	}
	return 0;
}

int field_from_json(const struct fields *fs, const char *text, size_t n, void *rec, struct arena *a,
	struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	int r;

	if (!j)
		return err_set(e, "%s at column %d", why.text, why.column);
	r = from_object(j, fs, rec, a, e);
	json_decref(j);
	return r;
}

static const char *cddl_type(const struct field *f)
{
	switch (f->type) {
	case FIELD_U64: return "count";
	case FIELD_ADDR: return "uint";
	case FIELD_F32: return "float";
	case FIELD_TEXT: return "tstr";
	case FIELD_BYTES: return "bstr";
	case FIELD_U8S: return "ta-uint8";
	case FIELD_U32S: return "ta-uint8 / ta-uint16le / ta-uint32le";
	case FIELD_HALVES: return "halves";
	case FIELD_NUMBERS: return "numbers";
	case FIELD_STEPS: return "steps";
	case FIELD_SIGNED: return "signed";
	case FIELD_ADDRS: return "ta-uint8 / ta-uint16le / ta-uint32le / ta-uint64le";
	case FIELD_F32S: return "ta-float32le";
	case FIELD_TEXTS: return "[* tstr]";
	case FIELD_LABELS: return "{* tstr => tstr}";
	case FIELD_RECORD:
	case FIELD_RECORDS: break;
	}
	return "any";
}

void field_cddl(struct buf *b, const struct fields *fs)
{
	buf_printf(b, "%s = {\n", fs->name);
	for (size_t i = 0; i < fs->n; i++) {
		const struct field *f = &fs->f[i];

		buf_printf(b, "  %s%s: ", f->flags & FIELD_REQUIRED ? "" : "? ", f->key);
		if (f->type == FIELD_RECORD)
			buf_puts(b, f->sub->name);
		else if (f->type == FIELD_RECORDS)
			buf_printf(b, "[* %s]", f->sub->name);
		else
			buf_puts(b, cddl_type(f));
		if (f->type == FIELD_BYTES && f->exact)
			buf_printf(b, " .size %zu", f->exact);
		buf_printf(b, ", ; %s\n", f->doc);
	}
	buf_puts(b, "  * tstr => any\n}\n");
}
