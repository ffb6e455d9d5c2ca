/*
 * sort.c: see sort.h. Runs that are sorted already are merged, if they are few or the first is most
 * of it. If not, numbers and the places of their items are sorted byte by byte, the lowest first
 * (radix sort); bytes that are the same in all numbers are left out.
 */
#include "base/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FEW = 16, DIGITS = 256, RUNS = 32 };

struct key {
	uint64_t v;
	uint32_t i;
};

static uint64_t number(const char *item, size_t offset)
{
	uint64_t v;

	memcpy(&v, item + offset, sizeof(v));
	return v;
}

/* Whether a need not come after b. */
static inline bool in_order(
	const char *a, const char *b, size_t offset, int (*cmp)(const void *, const void *))
{
	uint64_t x = number(a, offset), y = number(b, offset);

	return x != y ? x < y : cmp(a, b) <= 0;
}

/* Where the ascending runs start, at[0] to at[*runs - 1], and n; false: there are more than RUNS.
 */
static bool find_runs(const char *p, size_t n, size_t size, size_t offset,
	int (*cmp)(const void *, const void *), size_t *at, size_t *runs)
{
	*runs = 1;
	at[0] = 0;
	for (size_t i = 1; i < n; i++) {
		if (in_order(p + (i - 1) * size, p + i * size, offset, cmp))
			continue;
		if (*runs == RUNS)
			return false;
		at[(*runs)++] = i;
	}
	at[*runs] = n;
	return true;
}

/* The na items at a and the nb behind them, both sorted, into `to`. */
static void merge(const char *a, size_t na, size_t nb, size_t size, size_t offset, char *to,
	int (*cmp)(const void *, const void *))
{
	const char *b = a + na * size, *end_a = b, *end_b = b + nb * size;

	for (; a < end_a && b < end_b; to += size) {
		bool first = in_order(a, b, offset, cmp);

		memcpy(to, first ? a : b, size);
		a += first ? size : 0;
		b += first ? 0 : size;
	}
	memcpy(to, a, (size_t)(end_a - a));
	memcpy(to + (end_a - a), b, (size_t)(end_b - b));
}

/* Neighbours first, until there is one run. */
static void merge_runs(char *p, size_t size, size_t offset, size_t *at, size_t runs,
	int (*cmp)(const void *, const void *))
{
	size_t n = at[runs];
	char *copy = mem_alloc(n, size), *from = p, *to = copy, *swap;

	while (runs > 1) {
		size_t k = 0;

		for (size_t r = 0; r < runs; r += 2) {
			size_t mid = at[r + 1], end = r + 1 < runs ? at[r + 2] : mid;

			merge(from + at[r] * size, mid - at[r], end - mid, size, offset,
				to + at[r] * size, cmp);
			at[k++] = at[r];
		}
		at[k] = n;
		runs = k;
		swap = from, from = to, to = swap;
	}
	if (from != p)
		memcpy(p, from, n * size);
	mem_free(copy);
}

/* Sorts by 8 bits from `shift` on into `to`; equal ones keep their order. */
static void pass(const struct key *k, struct key *to, size_t n, unsigned shift)
{
	size_t at[DIGITS] = {0}, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[k[i].v >> shift & (DIGITS - 1)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t count = at[d];

		at[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[k[i].v >> shift & (DIGITS - 1)]++] = k[i];
}

/* Sorted keys of the items; free with mem_free. */
static struct key *sorted_keys(const char *p, size_t n, size_t size, size_t offset)
{
	struct key *k = mem_alloc(n, sizeof(*k)), *other = mem_alloc(n, sizeof(*other)), *swap;
	uint64_t differ = 0;

	for (size_t i = 0; i < n; i++) {
		k[i] = (struct key){number(p + i * size, offset), (uint32_t)i};
		differ |= k[i].v ^ k[0].v;
	}
	for (unsigned shift = 0; shift < 64; shift += 8) {
		if (!(differ >> shift & (DIGITS - 1)))
			continue;
		pass(k, other, n, shift);
		swap = k, k = other, other = swap;
	}
	mem_free(other);
	return k;
}

/* Few items, in place. */
static void insert(
	char *p, size_t n, size_t size, char *room, int (*cmp)(const void *, const void *))
{
	for (size_t i = 1; i < n; i++) {
		size_t k = i;

		while (k && cmp(p + (k - 1) * size, p + i * size) > 0)
			k--;
		if (k == i)
			continue;
		memcpy(room, p + i * size, size);
		memmove(p + (k + 1) * size, p + k * size, (i - k) * size);
		memcpy(p + k * size, room, size);
	}
}

/* The sorted m items at p, and the sorted ones behind them up to n, from the end on. */
static void merge_tail(char *p, size_t m, size_t n, size_t size, size_t offset,
	int (*cmp)(const void *, const void *))
{
	size_t left = n - m;
	char *copy = mem_alloc(left, size), *to = p + n * size;

	memcpy(copy, p + m * size, left * size);
	while (left && m) {
		bool tail = in_order(p + (m - 1) * size, copy + (left - 1) * size, offset, cmp);

		to -= size;
		memcpy(to, tail ? copy + --left * size : p + --m * size, size);
	}
	memcpy(p, copy, left * size);
	mem_free(copy);
}

static void sort_by_bytes(
	char *p, size_t n, size_t size, size_t offset, int (*cmp)(const void *, const void *))
{
	struct key *k = sorted_keys(p, n, size, offset);
	char *copy = mem_alloc(n, size);

	memcpy(copy, p, n * size);
	for (size_t i = 0; i < n; i++)
		memcpy(p + i * size, copy + k[i].i * size, size);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && k[end].v == k[i].v; end++)
			;
		if (end - i <= FEW)
			insert(p + i * size, end - i, size, copy, cmp);
		else
			qsort(p + i * size, end - i, size, cmp);
	}
	mem_free(copy);
	mem_free(k);
}

void sort_items(
	void *items, size_t n, size_t size, size_t offset, int (*cmp)(const void *, const void *))
{
	char *p = items;
	size_t at[RUNS + 1], runs;

	if (n < 2)
		return;
	if (find_runs(p, n, size, offset, cmp, at, &runs)) {
		if (runs > 1)
			merge_runs(p, size, offset, at, runs, cmp);
	} else if (at[1] >= n / 2) {
		sort_items(p + at[1] * size, n - at[1], size, offset, cmp);
		merge_tail(p, at[1], n, size, offset, cmp);
	} else {
		sort_by_bytes(p, n, size, offset, cmp);
	}
}
