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
	uint32_t *seen; /* [n] the draw that took it last */
	uint32_t draw;  /* number of the current draw */
};

struct pool *pool_new(const struct items *corpus)
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
	p->seen = mem_zalloc(p->n, sizeof(*p->seen));
	mem_free(next);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	mem_free(p->item);
	mem_free(p->start);
	mem_free(p->seen);
	mem_free(p);
}

/* A new number for `seen`. */
static uint32_t next_draw(struct pool *p)
{
	if (++p->draw == 0) {
		memset(p->seen, 0, p->n * sizeof(*p->seen));
		p->draw = 1;
	}
	return p->draw;
}

size_t pool_draw(
	struct pool *p, uint64_t seed, const struct item *query, size_t size, uint32_t *drawn)
{
	struct relation to = items_relate(p->corpus, query);
	struct rng r = rng_new(seed, query->id);
	uint32_t draw = next_draw(p);
	size_t from, end, others, n = 0;
	uint64_t positive;

	if (!to.relevant)
		return 0;
	from = p->start[to.group];
	end = p->start[to.group + 1];
	positive = rng_below(&r, to.relevant);
	for (size_t i = from; i < end; i++)
		if (p->corpus->owner[p->item[i]] != to.owner && positive-- == 0)
			drawn[n++] = p->item[i];
	/*
	 * Robert Floyd's sample without repetition of the `others`, the items before and after
	 * the group (J. Bentley, Programming Pearls, Comm. ACM 30/9, 1987).
	 */
	others = p->n - (end - from);
	for (size_t top = others - MIN(others, size - 1); top < others; top++) {
		size_t i = rng_below(&r, top + 1);

		for (int again = 0; again < 2; again++) {
			size_t at = i < from ? i : i + (end - from);

			if (p->seen[at] != draw) {
				p->seen[at] = draw;
				if (p->corpus->owner[p->item[at]] != to.owner)
					drawn[n++] = p->item[at];
				break;
			}
			i = top;
		}
	}
	return n;
}
