/*
 * memory.h: the memory of a machine that has no program: whatever was not written is random.
 *
 * A byte that was never written is a pure function of (seed, step, its address), Philox as in
 * base/rng.h, so nothing has to be mapped or filled before it is touched, and no order of accesses
 * changes what they find. What is written is kept in lines of 16 bytes.
 *
 * Bounded: MEMORY_LINES lines are remembered in a run; what is written beyond them is forgotten.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "base/base.h"

enum { MEMORY_LINE = 16, MEMORY_LINES = 1 << 16 };

struct memory;

/* One for each thread. */
struct memory *memory_new(void);
void memory_free(struct memory *m);
/* Another memory: nothing is written. Costs nothing. */
void memory_reset(struct memory *m, uint64_t seed, uint64_t step);
/* n bytes from addr on; addresses wrap at 2^64. */
void memory_read(struct memory *m, uint64_t addr, uint8_t *out, size_t n);
void memory_write(struct memory *m, uint64_t addr, const uint8_t *p, size_t n);

#endif
