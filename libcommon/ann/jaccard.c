/*
 * jaccard.c: sets as rows of small numbers; see jaccard.h.
 *
 * One idea: a query marks its members in a table of bytes; then the size of an intersection is a
 * sum over the item's members without a branch.
 */
#include "ann/jaccard.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void jaccard_add(struct jaccard *s, const uint32_t *v, size_t n)
{
	struct jaccard_set *set;

	s->set = mem_grow(s->set, &s->cap, s->n + 1, sizeof(*s->set));
	set = &s->set[s->n++];
	*set = (struct jaccard_set){.start = s->nid};
	s->sorted = mem_grow(s->sorted, &s->sorted_cap, n, sizeof(*s->sorted));
	s->id = mem_grow(s->id, &s->id_cap, s->nid + n, sizeof(*s->id));
	if (n) {
		memcpy(s->sorted, v, n * sizeof(*v));
		qsort(s->sorted, n, sizeof(*s->sorted), by_value);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t *number;
		bool made = false;

		if (i && s->sorted[i] == s->sorted[i - 1])
			continue;
		set->size++;
		number = s->like ? map64_get(&s->like->number, s->sorted[i])
				 : map64_put(&s->number, s->sorted[i], &made);
		if (!number)
			continue;
		if (made)
			*number = s->number.count - 1;
		s->id[s->nid++] = (uint32_t)*number;
		set->n++;
	}
}

void jaccard_reset(struct jaccard *s)
{
	s->n = s->nid = 0;
	map64_reset(&s->number);
}

void jaccard_free(struct jaccard *s)
{
	map64_free(&s->number);
	mem_free(s->id);
	mem_free(s->set);
	mem_free(s->sorted);
	*s = (struct jaccard){0};
}

size_t jaccard_scratch(const struct jaccard *items)
{
	return items->number.count;
}

static void mark(const struct jaccard *s, size_t i, uint8_t *marked, uint8_t value)
{
	for (size_t k = 0; k < s->set[i].n; k++)
		marked[s->id[s->set[i].start + k]] = value;
}

void jaccard_scores(const struct jaccard *queries, size_t q, size_t nq, const struct jaccard *items,
	const uint32_t *which, size_t first, size_t n, float *out, uint8_t *scratch)
{
	for (size_t i = 0; i < nq; i++) {
		mark(queries, q + i, scratch, 1);
		for (size_t j = 0; j < n; j++) {
			const struct jaccard_set *set = &items->set[which ? which[j] : first + j];
			const uint32_t *id = items->id + set->start;
			uint32_t both = 0;
			size_t all;

			for (size_t k = 0; k < set->n; k++)
				both += scratch[id[k]];
			all = set->size + queries->set[q + i].size - both;
			out[i * n + j] = all ? (float)((double)both / (double)all) : 0;
		}
		mark(queries, q + i, scratch, 0);
	}
}
