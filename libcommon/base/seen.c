/* seen.c: open addressing over 16-byte slots, three quarters full at most; see seen.h. */
#include "base/seen.h"

#include <string.h>

#include "base/mem.h"

enum { SLOTS_MIN = 1 << 10 };

/* A digest as two words; both 0 is an empty slot. */
struct slot {
	uint64_t a, b;
};

struct table {
	struct slot *slot;
	size_t nslots, n; /* nslots is a power of two, or 0 */
};

struct seen {
	struct table young, old;
	size_t max; /* slots of a table */
	uint64_t forgotten;
};

static size_t room(size_t nslots)
{
	return nslots / 4 * 3;
}

struct seen *seen_new(size_t memory)
{
	struct seen *s = mem_zalloc(1, sizeof(*s));

	/*
	 * At the end there are two full-sized tables; while the first grows to its full size there
	 * is one and a half.
	 */
	s->max = SLOTS_MIN;
	while (2 * 2 * s->max * sizeof(struct slot) <= memory)
		s->max *= 2;
	return s;
}

void seen_free(struct seen *s)
{
	if (!s)
		return;
	mem_free(s->young.slot);
	mem_free(s->old.slot);
	mem_free(s);
}

/* The slot of the digest, or the empty one where it belongs. */
static struct slot *find(const struct table *t, struct slot d)
{
	size_t i = d.a & (t->nslots - 1);

	while ((t->slot[i].a | t->slot[i].b) && (t->slot[i].a != d.a || t->slot[i].b != d.b))
		i = (i + 1) & (t->nslots - 1);
	return &t->slot[i];
}

static bool holds(const struct table *t, struct slot d)
{
	const struct slot *at = t->n ? find(t, d) : NULL;

	return at && (at->a | at->b);
}

static void grow(struct table *t)
{
	struct table to = {.nslots = t->nslots ? 2 * t->nslots : SLOTS_MIN, .n = t->n};

	to.slot = mem_zalloc(to.nslots, sizeof(*to.slot));
	for (size_t i = 0; i < t->nslots; i++)
		if (t->slot[i].a | t->slot[i].b)
			*find(&to, t->slot[i]) = t->slot[i];
	mem_free(t->slot);
	*t = to;
}

/* Forgets the old table; its memory becomes the new young one. */
static void turn(struct seen *s)
{
	struct table young = s->old;

	s->forgotten += young.n;
	s->old = s->young;
	if (!young.slot) {
		young.nslots = s->max;
		young.slot = mem_zalloc(young.nslots, sizeof(*young.slot));
	} else {
		memset(young.slot, 0, young.nslots * sizeof(*young.slot));
	}
	young.n = 0;
	s->young = young;
}

bool seen_add(struct seen *s, const uint8_t digest[HASH_BYTES])
{
	struct slot d;
	bool is_new;

	memcpy(&d, digest, sizeof(d));
	if (!(d.a | d.b))
		d.a = 1;
	if (holds(&s->young, d))
		return false;
	is_new = !holds(&s->old, d);
	if (s->young.n == room(s->young.nslots)) {
		if (s->young.nslots < s->max)
			grow(&s->young);
		else
			turn(s);
	}
	*find(&s->young, d) = d;
	s->young.n++;
	return is_new;
}

size_t seen_window(const struct seen *s)
{
	return room(s->max);
}

uint64_t seen_forgotten(const struct seen *s)
{
	return s->forgotten;
}
