/*
 * jaccard.c: sets as rows of small numbers; see jaccard.h.
 *
 * One idea: a query marks its members in a table of bytes; then the size of an intersection is a
 * sum over the item's members without a branch.
 */
#include "ann/jaccard.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void jaccard_add(struct jaccard *s, const uint64_t *v, size_t n)
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

void jaccard_weigh(struct jaccard *s)
{
	size_t numbers = s->number.count;

	s->weight = mem_zalloc(numbers, sizeof(*s->weight));
	s->total = mem_zalloc(s->n, sizeof(*s->total));
	s->unknown = log(1 + (double)s->n);
	for (size_t k = 0; k < s->nid; k++)
		s->weight[s->id[k]]++;
	for (size_t i = 0; i < numbers; i++)
		s->weight[i] = log((1 + (double)s->n) / (1 + s->weight[i]));
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->set[i].n; k++)
			s->total[i] += s->weight[s->id[s->set[i].start + k]];
}

static void forget_weights(struct jaccard *s)
{
	mem_free(s->weight);
	mem_free(s->total);
	s->weight = s->total = NULL;
}

void jaccard_reset(struct jaccard *s)
{
	s->n = s->nid = 0;
	map64_reset(&s->number);
	forget_weights(s);
}

void jaccard_free(struct jaccard *s)
{
	forget_weights(s);
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

/* Of the set and the marked one, which has `size` members. */
static float plain(const struct jaccard *s, size_t i, size_t size, const uint8_t *marked)
{
	const struct jaccard_set *set = &s->set[i];
	const uint32_t *id = s->id + set->start;
	uint32_t both = 0;
	size_t all;

	for (size_t k = 0; k < set->n; k++)
		both += marked[id[k]];
	all = set->size + size - both;
	return all ? (float)((double)both / (double)all) : 0;
}

/* The same by weight. Members are summed in one order in all sets, so equal sets give just 1. */
static float weighted(const struct jaccard *s, size_t i, double total, const uint8_t *marked)
{
	const struct jaccard_set *set = &s->set[i];
	const uint32_t *id = s->id + set->start;
	double both = 0, all;

	for (size_t k = 0; k < set->n; k++)
		both += marked[id[k]] * s->weight[id[k]];
	all = s->total[i] + total - both;
	return all > 0 ? (float)(both / all) : 0;
}

/* What a query weighs by the weights of the items. */
static double query_total(const struct jaccard *items, const struct jaccard *queries, size_t q)
{
	const struct jaccard_set *set = &queries->set[q];
	double total = 0;

	for (size_t k = 0; k < set->n; k++)
		total += items->weight[queries->id[set->start + k]];
	return total + (double)(set->size - set->n) * items->unknown;
}

void jaccard_scores(const struct jaccard *queries, size_t q, size_t nq, const struct jaccard *items,
	const uint32_t *which, size_t first, size_t n, float *out, uint8_t *scratch)
{
	for (size_t i = 0; i < nq; i++) {
		double total = items->weight ? query_total(items, queries, q + i) : 0;

		mark(queries, q + i, scratch, 1);
		for (size_t j = 0; j < n; j++) {
			size_t item = which ? which[j] : first + j;

			out[i * n + j] = items->weight ? weighted(items, item, total, scratch)
						       : plain(items, item,
								 queries->set[q + i].size, scratch);
		}
		mark(queries, q + i, scratch, 0);
	}
}
