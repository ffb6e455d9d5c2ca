/* cbor.c: items of CBOR, RFC 8949; see cbor.h. */
#include "stream/cbor.h"

#include <math.h>
#include <string.h>

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t get_be(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t *cbor_long_head(uint8_t *p, enum cbor_major major, uint64_t arg)
{
	unsigned low = arg < 24            ? (unsigned)arg
		       : arg <= UINT8_MAX  ? 24
		       : arg <= UINT16_MAX ? 25
		       : arg <= UINT32_MAX ? 26
					   : 27;
	size_t n = low < 24 ? 0 : (size_t)1 << (low - 24);

	*p = (uint8_t)(major << 5 | low);
	put_be(p + 1, arg, n);
	return p + 1 + n;
}

void cbor_put_head(struct buf *b, enum cbor_major major, uint64_t arg)
{
	b->n = (size_t)(cbor_head(buf_reserve(b, CBOR_HEAD_MAX), major, arg) - b->p);
}

void cbor_put_bytes(struct buf *b, const void *p, size_t n)
{
	cbor_put_head(b, CBOR_BYTES, n);
	buf_put(b, p, n);
}

void cbor_put_text(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	cbor_put_head(b, CBOR_TEXT, n);
	buf_put(b, s, n);
}

void cbor_put_f32(struct buf *b, float v)
{
	uint8_t *p = buf_reserve(b, 5);
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	p[0] = CBOR_SIMPLE << 5 | 26;
	put_be(p + 1, bits, 4);
	b->n += 5;
}

int cbor_get_head(struct cbor *c, enum cbor_major *major, uint64_t *arg)
{
	unsigned low;
	size_t n;

	if (c->p == c->end)
		return -1;
	low = *c->p & 31;
	n = low < 24 ? 0 : (size_t)1 << (low - 24);
	if (low > 27 || (size_t)(c->end - c->p) < 1 + n)
		return -1;
	*major = *c->p >> 5;
	*arg = n ? get_be(c->p + 1, n) : low;
	c->p += 1 + n;
	return 0;
}

int cbor_get_long(struct cbor *c, uint64_t *arg)
{
	enum cbor_major major;

	return cbor_get_head(c, &major, arg);
}

static double half(uint64_t h)
{
	int e = h >> 10 & 31;
	double m = (double)(h & 1023);
	double v = e == 0    ? ldexp(m, -24)
		   : e == 31 ? (m != 0 ? NAN : INFINITY)
			     : ldexp(m + 1024, e - 25);

	return h & 0x8000 ? -v : v;
}

int cbor_get_f32(struct cbor *c, float *v)
{
	struct cbor at = *c;
	enum cbor_major m;
	uint64_t bits;
	unsigned low;

	if (at.p == at.end)
		return -1;
	low = *at.p & 31;
	if (cbor_get_head(&at, &m, &bits) < 0 || m != CBOR_SIMPLE || low < 25)
		return -1;
	if (low == 25) {
		*v = (float)half(bits);
	} else if (low == 26) {
		uint32_t b = (uint32_t)bits;

		memcpy(v, &b, sizeof(b));
	} else {
		double d;

		memcpy(&d, &bits, sizeof(d));
		*v = (float)d;
	}
	*c = at;
	return 0;
}

static int skip(struct cbor *c, unsigned depth)
{
	enum cbor_major m;
	uint64_t arg;

	if (!depth || cbor_get_head(c, &m, &arg) < 0)
		return -1;
	switch (m) {
	case CBOR_UINT:
	case CBOR_NINT:
	case CBOR_SIMPLE: return 0;
	case CBOR_BYTES:
	case CBOR_TEXT:
		if (arg > (uint64_t)(c->end - c->p))
			return -1;
		c->p += arg;
		return 0;
	case CBOR_TAG: return skip(c, depth - 1);
	case CBOR_ARRAY:
	case CBOR_MAP: break;
	}
	/* An item takes a byte at least. */
	if (arg > (uint64_t)(c->end - c->p))
		return -1;
	for (uint64_t i = 0; i < (m == CBOR_MAP ? 2 * arg : arg); i++)
		if (skip(c, depth - 1) < 0)
			return -1;
	return 0;
}

int cbor_skip(struct cbor *c)
{
	struct cbor at = *c;

	if (skip(&at, CBOR_DEPTH) < 0)
		return -1;
	*c = at;
	return 0;
}

/* How many of the n bytes at p, in steps of eight, are ASCII without NUL, if all before are. */
static size_t plain_bytes(const uint8_t *p, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	size_t i = 0;
	uint64_t w;

	for (; i + 8 <= n; i += 8) {
		memcpy(&w, p + i, 8);
		if ((w | (w - ones)) & tops) /* above 127, or 0 less 1 */
			break;
	}
	return i;
}

bool cbor_is_text(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	p += plain_bytes(p, n);
	while (p < end) {
		unsigned c = *p++, more = c < 0x80   ? 0
					  : c < 0xc2 ? 9
					  : c < 0xe0 ? 1
					  : c < 0xf0 ? 2
					  : c < 0xf5 ? 3
						     : 9;

		if (c == 0 || more == 9 || more > (size_t)(end - p))
			return false;
		if (!more)
			continue;
		/* Shortest form only, no surrogates, nothing above U+10FFFF. */
		if ((c == 0xe0 && *p < 0xa0) || (c == 0xed && *p > 0x9f) ||
			(c == 0xf0 && *p < 0x90) || (c == 0xf4 && *p > 0x8f))
			return false;
		while (more--)
			if ((*p++ & 0xc0) != 0x80)
				return false;
	}
	return true;
}
