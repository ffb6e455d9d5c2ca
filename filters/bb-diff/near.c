/* near.c: see near.h. */
#include "near.h"

#include <stdlib.h>

#include "base/mem.h"

struct near {
	const struct book *book;
	const struct fns *of;
	uint32_t *start; /* [expressions + 1] where each one's list begins */
	uint32_t *list;  /* functions that have it */
	uint32_t *seen;  /* [of->n] number of the call that saw it */
	uint32_t call;
	struct near_hit *hit;
	size_t cap;
};

struct near *near_new(const struct book *b, const struct fns *of)
{
	struct near *s = mem_zalloc(1, sizeof(*s));
	size_t ids = b->number.count;
	uint32_t *next;

	s->book = b;
	s->of = of;
	s->start = mem_zalloc(ids + 1, sizeof(*s->start));
	s->seen = mem_zalloc(of->n, sizeof(*s->seen));
	for (size_t i = 0; i < of->n; i++)
		for (size_t k = 0; k < of->fn[i].n; k++)
			s->start[of->fn[i].id[k] + 1]++;
	for (size_t i = 0; i < ids; i++) {
		uint32_t n = s->start[i + 1];

		s->start[i + 1] = s->start[i] + (n > NEAR_COMMON ? 0 : n);
	}
	s->list = mem_alloc(s->start[ids], sizeof(*s->list));
	next = mem_alloc(ids, sizeof(*next));
	for (size_t i = 0; i < ids; i++)
		next[i] = s->start[i];
	for (size_t i = 0; i < of->n; i++)
		for (size_t k = 0; k < of->fn[i].n; k++) {
			uint32_t id = of->fn[i].id[k];

			if (s->start[id] != s->start[id + 1])
				s->list[next[id]++] = (uint32_t)i;
		}
	mem_free(next);
	return s;
}

void near_free(struct near *s)
{
	mem_free(s->start);
	mem_free(s->list);
	mem_free(s->seen);
	mem_free(s->hit);
	mem_free(s);
}

static int best_first(const void *x, const void *y)
{
	const struct near_hit *a = x, *b = y;

	if (a->score != b->score)
		return a->score < b->score ? 1 : -1;
	return (a->fn > b->fn) - (a->fn < b->fn);
}

const struct near_hit *near_find(
	struct near *s, const struct fn *to, const bool *taken, double least, size_t k, size_t *n)
{
	size_t found = 0;

	s->call++;
	for (size_t i = 0; i < to->n; i++)
		for (uint32_t at = s->start[to->id[i]]; at < s->start[to->id[i] + 1]; at++) {
			uint32_t f = s->list[at];
			double score;

			if (s->seen[f] == s->call || (taken && taken[f]))
				continue;
			s->seen[f] = s->call;
			score = book_score(s->book, to, &s->of->fn[f]);
			if (score < least)
				continue;
			s->hit = mem_grow(s->hit, &s->cap, found + 1, sizeof(*s->hit));
			s->hit[found++] = (struct near_hit){f, score};
		}
	if (found)
		qsort(s->hit, found, sizeof(*s->hit), best_first);
	*n = MIN(found, k);
	return s->hit;
}
