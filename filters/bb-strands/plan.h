/*
 * plan.h: which instructions make the strands of each block of a function.
 *
 * What is cut is remembered by the code of the block: equal code, equal strands. A batch of blocks
 * goes together through that memory and through the decoder, so that nobody waits for what memory
 * gives one after another.
 */
#ifndef PLAN_H
#define PLAN_H

#include "code/arch.h"
#include "formats/function.h"

enum {
	PLAN_BLOCKS = 32, /* blocks of a batch, */
	PLAN_INSNS = 256, /* and their instructions, but for one long block */
};

struct plan_block {
	size_t number;   /* of the block in its function */
	size_t first, n; /* its instructions */
	size_t ref;      /* first reference that can be of it */
	bool calls_last; /* its last instruction, if a jump, calls a function */
	/* Result: number of strands; for each the number of its instructions, and these as
	 * ascending indices from `first` on. Good until the next batch. */
	const uint32_t *strands;
};

struct plan;
/* One for each thread. */
struct plan *plan_new(void);
void plan_free(struct plan *p);
/* From now on the code is of this architecture. 0, or -1 when nobody knows what it does. */
int plan_use(struct plan *p, enum arch a) MUST_CHECK;
/* Cuts n blocks of f, at most PLAN_BLOCKS; at[i] is where
 * instruction i begins in its code. */
void plan_blocks(struct plan *p, const struct function *f, const uint32_t *at,
	struct plan_block *block, size_t n);

#endif
