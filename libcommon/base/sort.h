/*
 * sort.h: sorting by a number, faster than qsort, and finding one among sorted ones.
 */
#ifndef SORT_H
#define SORT_H

#include <string.h>

#include "base/base.h"

/*
 * Sorts n items (fewer than 2^32) of `size` bytes as qsort would with cmp, which compares the
 * uint64_t at `offset` of each item before anything else.
 */
void sort_items(
	void *items, size_t n, size_t size, size_t offset, int (*cmp)(const void *, const void *));

/* Index of the first of n items, ascending by the uint64_t at `offset`, that is not below v; or n.
 */
static inline size_t sort_first(const void *items, size_t n, size_t size, size_t offset, uint64_t v)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		uint64_t x;

		memcpy(&x, (const char *)items + mid * size + offset, sizeof(x));
		if (x < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The same, of the first that is above v. */
static inline size_t sort_after(const void *items, size_t n, size_t size, size_t offset, uint64_t v)
{
	return v == UINT64_MAX ? n : sort_first(items, n, size, offset, v + 1);
}

/* The same as sort_first for numbers of 32 bits. */
static inline size_t sort_first_u32(const uint32_t *p, size_t n, uint64_t v)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p[mid] < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

#endif
