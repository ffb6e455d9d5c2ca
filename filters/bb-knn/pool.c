/* pool.c: see pool.h. */
#include "pool.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct pool {
	const struct items *corpus;
	uint32_t *item;  /* [n] items that have a group, by group, then in order */
	uint32_t *start; /* [groups + 1] where each group starts in item */
	size_t n;
	uint64_t **taken; /* for each worker: n bits, all 0 between draws */
	unsigned workers;
};

struct pool *pool_new(const struct items *corpus, unsigned workers)
{
	struct pool *p = mem_zalloc(1, sizeof(*p));
	size_t groups = corpus->groups.count;
	uint32_t *next = mem_alloc(groups + 1, sizeof(*next));

	p->corpus = corpus;
	p->start = mem_zalloc(groups + 1, sizeof(*p->start));
	for (size_t g = 0; g < groups; g++)
		p->start[g + 1] = p->start[g] + corpus->group_size[g];
	p->n = p->start[groups];
	memcpy(next, p->start, (groups + 1) * sizeof(*next));
	p->item = mem_alloc(p->n, sizeof(*p->item));
	for (size_t i = 0; i < corpus->n; i++)
		if (corpus->item[i].group_number != ITEMS_NONE)
			p->item[next[corpus->item[i].group_number]++] = (uint32_t)i;
	p->taken = mem_alloc(workers, sizeof(uint64_t *));
	for (p->workers = 0; p->workers < workers; p->workers++)
		p->taken[p->workers] = mem_zalloc(p->n / 64 + 1, sizeof(uint64_t));
	mem_free(next);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	mem_free(p->item);
	mem_free(p->start);
	for (unsigned i = 0; i < p->workers; i++)
		mem_free(p->taken[i]);
	mem_free(p->taken);
	mem_free(p);
}

/* Marks a place: whether it was free. */
static bool take(uint64_t *taken, size_t at)
{
	uint64_t bit = (uint64_t)1 << at % 64;
	bool was_free = !(taken[at / 64] & bit);

	taken[at / 64] |= bit;
	return was_free;
}

/*
 * Draws n different places out of p->item, none of them in [from, end): Robert Floyd's sample
 * without repetition (J. Bentley, Programming Pearls, Comm. ACM 30/9, 1987).
 */
static void draw_others(const struct pool *p, unsigned worker, struct rng *r, size_t from,
	size_t end, size_t n, uint32_t *place)
{
	uint64_t *taken = p->taken[worker];
	size_t others = p->n - (end - from);

	for (size_t k = 0; k < n; k++) {
		size_t top = others - n + k, i = rng_below(r, top + 1);
		size_t at = i < from ? i : i + (end - from);

		if (!take(taken, at)) {
			at = top < from ? top : top + (end - from);
			take(taken, at); /* top was out of reach so far, so it is free */
		}
		place[k] = (uint32_t)at;
	}
	for (size_t k = 0; k < n; k++)
		taken[place[k] / 64] = 0;
}

size_t pool_draw(const struct pool *p, unsigned worker, uint64_t seed, const struct item *query,
	size_t size, uint32_t *drawn)
{
	struct relation to = items_relate(p->corpus, query);
	struct rng r = rng_new(seed, query->id);
	size_t from, end, others, n = 0;
	uint64_t positive;

	if (!to.relevant)
		return 0;
	from = p->start[to.group];
	end = p->start[to.group + 1];
	positive = rng_below(&r, to.relevant);
	for (size_t i = from; i < end && !n; i++)
		if (p->corpus->owner[p->item[i]] != to.owner && positive-- == 0)
			drawn[n++] = p->item[i];
	others = MIN(p->n - (end - from), size - 1);
	draw_others(p, worker, &r, from, end, others, drawn + 1);
	for (size_t k = 1; k <= others; k++) {
		uint32_t item = p->item[drawn[k]];

		/* The query may be in the corpus under another group. */
		if (p->corpus->owner[item] != to.owner)
			drawn[n++] = item;
	}
	return n;
}
