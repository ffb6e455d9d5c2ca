/*
 * sort.h: sorting by a number, faster than qsort.
 */
#ifndef SORT_H
#define SORT_H

#include "base/base.h"

/*
 * Sorts n items (fewer than 2^32) of `size` bytes as qsort would with cmp, which compares the
 * uint64_t at `offset` of each item before anything else.
 */
void sort_items(
	void *items, size_t n, size_t size, size_t offset, int (*cmp)(const void *, const void *));

#endif
