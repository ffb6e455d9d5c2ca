/*
 * name_index.h: the names of an image, each of them once: who has its number needs its text no
 * more.
 */
#ifndef NAME_INDEX_H
#define NAME_INDEX_H

#include "base/arena.h"

/* Zero-initialise, free with name_index_free. */
struct name_index {
	const char **name; /* by number: valid UTF-8 as names_utf8 makes it; those that need no */
	size_t n;          /* change are not copied. Number 0 is "" */
	/* working memory */
	uint64_t *slot; /* open addressing: high half of the hash, then the number; 0: none */
	size_t nslots, cap;
	struct arena arena;
};

/* The number of the name, which must stay; equal names have equal numbers. */
uint32_t name_index_put(struct name_index *x, const char *name);
void name_index_free(struct name_index *x);

#endif
