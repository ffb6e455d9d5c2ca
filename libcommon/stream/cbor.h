/*
 * cbor.h: the subset of CBOR (RFC 8949) that streams use: integers, byte and text strings,
 * definite arrays and maps, bool, null, floats, tags. No indefinite lengths; depth at most 8.
 *
 * Readers take what is there or fail: every declared length is compared with the bytes that
 * remain before it is believed.
 */
#ifndef CBOR_H
#define CBOR_H

#include "base/buf.h"

enum { CBOR_DEPTH = 8, CBOR_HEAD_MAX = 9 };

enum cbor_major {
	CBOR_UINT,
	CBOR_NINT,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
	CBOR_MAP,
	CBOR_TAG,
	CBOR_SIMPLE
};

/* What is left to read. */
struct cbor {
	const uint8_t *p, *end;
};

/* The same for any argument. */
uint8_t *cbor_long_head(uint8_t *p, enum cbor_major major, uint64_t arg);
/* Writes the head of an item to p, CBOR_HEAD_MAX bytes at most; returns its end. */
static inline uint8_t *cbor_head(uint8_t *p, enum cbor_major major, uint64_t arg)
{
	if (arg >= 24)
		return cbor_long_head(p, major, arg);
	*p = (uint8_t)(major << 5 | (unsigned)arg);
	return p + 1;
}

void cbor_put_head(struct buf *b, enum cbor_major major, uint64_t arg);
void cbor_put_bytes(struct buf *b, const void *p, size_t n);
void cbor_put_text(struct buf *b, const char *s);
void cbor_put_f32(struct buf *b, float v);

/* All get functions: 0, or -1 when the next item is another or is cut; nothing is consumed then. */
int cbor_get_head(struct cbor *c, enum cbor_major *major, uint64_t *arg) MUST_CHECK;
/* The argument of a head, whatever its major type. */
int cbor_get_long(struct cbor *c, uint64_t *arg) MUST_CHECK;
/* The argument of a head that must have this major type. */
MUST_CHECK static inline int cbor_get(struct cbor *c, enum cbor_major major, uint64_t *arg)
{
	unsigned low;

	if (c->p == c->end || *c->p >> 5 != (int)major)
		return -1;
	low = *c->p & 31;
	if (low >= 24)
		return cbor_get_long(c, arg);
	*arg = low;
	c->p++;
	return 0;
}
/* A byte or text string: its place in the input. */
MUST_CHECK static inline int cbor_get_string(
	struct cbor *c, enum cbor_major major, const uint8_t **p, size_t *n)
{
	struct cbor at = *c;
	uint64_t len;

	if (cbor_get(&at, major, &len) < 0 || len > (uint64_t)(at.end - at.p))
		return -1;
	*p = at.p;
	*n = (size_t)len;
	c->p = at.p + len;
	return 0;
}
/* A float of any width, rounded to the nearest (too large a number gives infinity). */
int cbor_get_f32(struct cbor *c, float *v) MUST_CHECK;
/* Passes over one item of any type, to the depth limit. */
int cbor_skip(struct cbor *c) MUST_CHECK;
/* Whether the n bytes are UTF-8 text without NUL. */
bool cbor_is_text(const uint8_t *p, size_t n);

#endif
