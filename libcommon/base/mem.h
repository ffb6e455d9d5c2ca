/*
 * mem.h: heap memory that is there or the process is not.
 *
 * Sizes that come from input are checked by the code that reads the input, before it asks for
 * memory; what is left is the machine running out, where a filter cannot do anything useful. So
 * these functions never return NULL: they write one line to stderr and end the process with
 * status 1, and the output, having no trailer, is known to be incomplete.
 */
#ifndef MEM_H
#define MEM_H

#include "base/base.h"

/* `n` items of `size` bytes, not cleared. The product is checked for overflow. Free with mem_free.
 */
void *mem_alloc(size_t n, size_t size);
/* The same, cleared to zero. */
void *mem_zalloc(size_t n, size_t size);
/* Changes a block to n items of size bytes; p may be NULL. */
void *mem_realloc(void *p, size_t n, size_t size);
/* Cleared memory on a 64-byte boundary (a cache line, an AVX-512 register). Free with mem_free. */
void *mem_aligned(size_t n, size_t size);
/* A copy of the text s. Free with mem_free. */
char *mem_strdup(const char *s);
void mem_free(void *p);
/* Grows *p, an array of items of `size` bytes with room for *cap, to hold at least `need`. */
void *mem_grow(void *p, size_t *cap, size_t need, size_t size);

#endif
