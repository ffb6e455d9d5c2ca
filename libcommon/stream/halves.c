/*
 * halves.c: see halves.h. Eight numbers at a time, or one without a branch: which number takes how
 * many halves would be guessed wrongly all the time.
 */
#include "stream/halves.h"

#include <string.h>

#include "stream/cbor.h"

/* ---- bytes of 64-bit words ---- */

static uint64_t load_le(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

static void store_le(uint8_t *p, uint64_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
	p[4] = (uint8_t)(v >> 32);
	p[5] = (uint8_t)(v >> 40);
	p[6] = (uint8_t)(v >> 48);
	p[7] = (uint8_t)(v >> 56);
}

/* ---- halves ---- */

uint8_t *halves_put(uint8_t *to, const struct u8s *v)
{
	size_t n = (v->n + 1) / 2, i = 0;

	to = cbor_head(to, CBOR_BYTES, n);
	for (; i + 8 <= v->n; i += 8) {
		uint64_t w = load_le(v->p + i);

		w = (w | w >> 4) & UINT64_C(0x00ff00ff00ff00ff);
		w = (w | w >> 8) & UINT64_C(0x0000ffff0000ffff);
		store_le(to + i / 2, w | w >> 16); /* 4 bytes of it count */
	}
	for (; i < v->n; i += 2)
		to[i / 2] = (uint8_t)(v->p[i] | (i + 1 < v->n ? v->p[i + 1] << 4 : 0));
	return to + n;
}

void halves_get(const uint8_t *p, size_t n, struct u8s *v, struct arena *a)
{
	size_t i = 0;

	v->n = 2 * n - (n && !(p[n - 1] >> 4));
	v->p = arena_get(a, 2 * n, 1);
	for (; i + 8 <= n; i += 4) {
		uint64_t w = load_le(p + i) & UINT32_MAX;

		w = (w | w << 16) & UINT64_C(0x0000ffff0000ffff);
		w = (w | w << 8) & UINT64_C(0x00ff00ff00ff00ff);
		store_le(v->p + 2 * i, (w | w << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f));
	}
	for (; i < n; i++) {
		v->p[2 * i] = p[i] & 15;
		v->p[2 * i + 1] = p[i] >> 4;
	}
}

/* ---- numbers ---- */

struct writer {
	uint8_t *to;
	uint64_t halves; /* not yet written, the first one lowest */
	unsigned bits;   /* of them: less than 8 between two numbers */
};

static void put_large(struct writer *w, uint32_t v)
{
	for (;; v >>= 3) {
		w->halves |= (uint64_t)((v & 7) | (v > 7 ? 8 : 0)) << w->bits;
		w->bits += 4;
		if (v <= 7)
			return;
	}
}

static inline __attribute__((always_inline)) void put(struct writer *w, uint32_t v)
{
	if (v < 512) {
		unsigned two = v > 7, three = v > 63;
		unsigned groups =
			(v & 7) | (v & 070) << 1 | (v & 0700) << 2 | two << 3 | three << 7;

		w->halves |= (uint64_t)groups << w->bits;
		w->bits += 4 * (1 + two + three);
	} else {
		put_large(w, v);
	}
	store_le(w->to, w->halves);
	w->to += w->bits / 8;
	w->halves >>= w->bits & ~7u;
	w->bits &= 7;
}

/* How long the head will be is only known at the end. */
static struct writer begin(uint8_t *to)
{
	return (struct writer){.to = to + CBOR_HEAD_MAX};
}

static uint8_t *end(uint8_t *to, struct writer *w)
{
	const uint8_t *from = to + CBOR_HEAD_MAX;
	size_t n;

	if (w->bits)
		*w->to++ = (uint8_t)(w->halves | 0x80);
	n = (size_t)(w->to - from);
	to = cbor_head(to, CBOR_BYTES, n);
	memmove(to, from, n);
	return to + n;
}

uint8_t *halves_put_numbers(uint8_t *to, const struct u32s *v)
{
	struct writer w = begin(to);

	for (size_t i = 0; i < v->n; i++)
		put(&w, v->p[i]);
	return end(to, &w);
}

uint8_t *halves_put_steps(uint8_t *to, const struct u32s *v)
{
	struct writer w = begin(to);
	uint32_t last = 0;

	for (size_t i = 0; i < v->n; last = v->p[i++])
		put(&w, v->p[i] - last);
	return end(to, &w);
}

uint8_t *halves_put_signed(uint8_t *to, const struct i32s *v)
{
	struct writer w = begin(to);

	for (size_t i = 0; i < v->n; i++)
		put(&w, (uint32_t)v->p[i] << 1 ^ (uint32_t)(v->p[i] >> 31));
	return end(to, &w);
}

int halves_get_numbers(const uint8_t *p, size_t n, struct u32s *v, struct arena *a)
{
	uint64_t now = 0, all = 0;
	unsigned shift = 0;
	size_t count = 0;

	v->p = arena_get(a, 2 * n, sizeof(*v->p));
	for (size_t i = 0; i < 2 * n; i++) {
		unsigned half = i & 1 ? p[i / 2] >> 4 : p[i / 2] & 15, more = half >> 3;

		if (shift > 30)
			return -1;
		now |= (uint64_t)(half & 7) << shift;
		v->p[count] = (uint32_t)now; /* kept if it is complete: no branch */
		all |= now;
		count += !more;
		now &= 0 - (uint64_t)more;
		shift = more ? shift + 3 : 0;
	}
	v->n = count;
	/* What is left is the half that makes the bytes whole. */
	return all >> 32 || (shift && (shift != 3 || p[n - 1] >> 4 != 8)) ? -1 : 0;
}

int halves_get_steps(const uint8_t *p, size_t n, struct u32s *v, struct arena *a)
{
	if (halves_get_numbers(p, n, v, a) < 0)
		return -1;
	for (size_t i = 1; i < v->n; i++) {
		if (__builtin_add_overflow(v->p[i], v->p[i - 1], &v->p[i]))
			return -1;
	}
	return 0;
}

int halves_get_signed(const uint8_t *p, size_t n, struct i32s *v, struct arena *a)
{
	struct u32s u;

	if (halves_get_numbers(p, n, &u, a) < 0)
		return -1;
	*v = (struct i32s){(int32_t *)u.p, u.n};
	for (size_t i = 0; i < u.n; i++)
		u.p[i] = u.p[i] >> 1 ^ (0 - (u.p[i] & 1));
	return 0;
}
