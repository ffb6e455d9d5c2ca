/*
 * arena.h: many small blocks with one lifetime.
 *
 * Blocks are taken one after another and given back all at once by arena_reset, which keeps the
 * memory for the next batch. Zero-initialise, or `struct arena a = {0}`.
 */
#ifndef ARENA_H
#define ARENA_H

#include "base/base.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *first; /* kept chunks, in the order they are filled */
	struct arena_chunk *cur;   /* the chunk being filled */
	char *p, *end;             /* free part of cur */
};

/* The slow part of arena_get. */
void *arena_more(struct arena *a, size_t n, size_t size);
/* `n` items of `size` bytes on a 16-byte boundary, not cleared; never NULL. */
static inline void *arena_get(struct arena *a, size_t n, size_t size)
{
	size_t bytes, left = (size_t)(a->end - a->p);
	void *p = a->p;

	if (!p || __builtin_mul_overflow(n, size, &bytes) || bytes > left)
		return arena_more(a, n, size);
	a->p += (bytes + 15) & ~(size_t)15;
	return p;
}
/* The same, cleared to zero. */
void *arena_zget(struct arena *a, size_t n, size_t size);
/* A terminated copy of n bytes. */
char *arena_str(struct arena *a, const void *p, size_t n);
/* Makes all memory of the arena free for reuse. */
void arena_reset(struct arena *a);
/* Returns all memory to the system. */
void arena_free(struct arena *a);

#endif
