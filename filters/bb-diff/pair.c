/* pair.c: see pair.h. */
#include "pair.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "near.h"

enum {
	CANDIDATES = 16, /* of each old function in the last step */
	RENAMED = 8,     /* two of different names need so many expressions to be one renamed */
};

struct pairing {
	const struct book *book;
	const struct fns *old, *new;
	struct pairs p;
};

static void join(struct pairing *s, size_t old, size_t new)
{
	s->p.of_old[old] = (uint32_t) new;
	s->p.of_new[new] = (uint32_t)old;
	s->p.score[old] = book_score(s->book, &s->old->fn[old], &s->new->fn[new]);
}

/* Whether two functions may be one although they are called differently. */
static bool may_be(const struct fn *x, const struct fn *y)
{
	const char *a = x->origin.name, *b = y->origin.name;

	return !*a || !*b || !strcmp(a, b) || (x->n >= RENAMED && y->n >= RENAMED);
}

/* ---- by a key that is equal ---- */

/* The functions of one key, on either side. */
struct bin {
	uint32_t n[2];    /* how many */
	uint32_t last[2]; /* the last of them; each knows the one before */
};

struct bins {
	struct map keys; /* key -> number of its bin */
	struct bin *bin;
	size_t cap;
	uint32_t *before[2]; /* [functions of the side] */
};

static void bins_add(struct bins *s, int side, size_t i, const void *key, size_t n)
{
	bool made;
	struct map_entry *e = map_put(&s->keys, key, n, &made);
	struct bin *bin;

	if (made) {
		e->value = s->keys.count - 1;
		s->bin = mem_grow(s->bin, &s->cap, s->keys.count, sizeof(*s->bin));
		s->bin[e->value] = (struct bin){{0, 0}, {PAIR_NONE, PAIR_NONE}};
	}
	bin = &s->bin[e->value];
	s->before[side][i] = bin->last[side];
	bin->last[side] = (uint32_t)i;
	bin->n[side]++;
}

/* Pairs those of bins that hold as many of both sides, at most `most`, in their order. */
static void bins_pair(struct bins *b, struct pairing *s, uint32_t most)
{
	for (size_t i = 0; i < b->keys.count; i++) {
		const struct bin *bin = &b->bin[i];
		uint32_t x = bin->last[0], y = bin->last[1];

		if (bin->n[0] != bin->n[1] || bin->n[0] > most)
			continue;
		for (; x != PAIR_NONE; x = b->before[0][x], y = b->before[1][y])
			if (may_be(&s->old->fn[x], &s->new->fn[y]))
				join(s, x, y);
	}
	map_free(&b->keys);
	mem_free(b->bin);
	mem_free(b->before[0]);
	mem_free(b->before[1]);
}

static struct bins bins_new(const struct pairing *s)
{
	return (struct bins){.before = {mem_alloc(s->old->n, sizeof(uint32_t)),
				     mem_alloc(s->new->n, sizeof(uint32_t))}};
}

static void by_name(struct pairing *s)
{
	struct bins b = bins_new(s);

	for (int side = 0; side < 2; side++) {
		const struct fns *of = side ? s->new : s->old;

		for (size_t i = 0; i < of->n; i++) {
			const char *name = of->fn[i].origin.name;

			if (*name)
				bins_add(&b, side, i, name, strlen(name));
		}
	}
	bins_pair(&b, s, 1);
}

/* By all expressions and the number of instructions. */
static void by_content(struct pairing *s)
{
	struct bins b = bins_new(s);
	struct buf key = {0};

	for (int side = 0; side < 2; side++) {
		const struct fns *of = side ? s->new : s->old;
		const uint32_t *partner = side ? s->p.of_new : s->p.of_old;

		for (size_t i = 0; i < of->n; i++) {
			const struct fn *f = &of->fn[i];

			if (partner[i] != PAIR_NONE)
				continue;
			buf_reset(&key);
			buf_put(&key, &f->insns, sizeof(f->insns));
			buf_put(&key, f->id, f->n * sizeof(*f->id));
			bins_add(&b, side, i, key.p, key.n);
		}
	}
	bins_pair(&b, s, UINT32_MAX);
	buf_free(&key);
}

/* ---- by likeness ---- */

struct candidate {
	uint32_t old, new;
	bool is_namesake;
	double score;
};

static int best_first(const void *x, const void *y)
{
	const struct candidate *a = x, *b = y;

	if (a->is_namesake != b->is_namesake)
		return a->is_namesake ? -1 : 1;
	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	if (a->old != b->old)
		return a->old < b->old ? -1 : 1;
	return (a->new > b->new) - (a->new < b->new);
}

static void by_likeness(struct pairing *s, double least)
{
	struct near *near = near_new(s->book, s->new);
	bool *taken = mem_alloc(s->new->n, sizeof(*taken));
	struct candidate *c = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < s->new->n; i++)
		taken[i] = s->p.of_new[i] != PAIR_NONE;
	for (size_t i = 0; i < s->old->n; i++) {
		const struct fn *f = &s->old->fn[i];
		const struct near_hit *hit;
		size_t hits;

		if (s->p.of_old[i] != PAIR_NONE)
			continue;
		hit = near_find(near, f, taken, least, CANDIDATES, &hits);
		for (size_t k = 0; k < hits; k++) {
			const struct fn *g = &s->new->fn[hit[k].fn];

			if (!may_be(f, g))
				continue;
			c = mem_grow(c, &cap, n + 1, sizeof(*c));
			c[n++] = (struct candidate){(uint32_t)i, (uint32_t)hit[k].fn,
				*f->origin.name && !strcmp(f->origin.name, g->origin.name),
				hit[k].score};
		}
	}
	if (n)
		qsort(c, n, sizeof(*c), best_first);
	for (size_t i = 0; i < n; i++)
		if (s->p.of_old[c[i].old] == PAIR_NONE && s->p.of_new[c[i].new] == PAIR_NONE)
			join(s, c[i].old, c[i].new);
	mem_free(c);
	mem_free(taken);
	near_free(near);
}

static uint32_t *nobody(size_t n)
{
	uint32_t *p = mem_alloc(n, sizeof(*p));

	for (size_t i = 0; i < n; i++)
		p[i] = PAIR_NONE;
	return p;
}

struct pairs pair_find(
	const struct book *b, const struct fns *old, const struct fns *new, double least)
{
	struct pairing s = {
		b, old, new, {nobody(old->n), nobody(new->n), mem_zalloc(old->n, sizeof(double))}};

	by_name(&s);
	by_content(&s);
	by_likeness(&s, least);
	return s.p;
}

void pair_free(struct pairs *p)
{
	mem_free(p->of_old);
	mem_free(p->of_new);
	mem_free(p->score);
}
