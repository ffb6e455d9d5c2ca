/*
 * merge.h: one expression for all expressions that are equal, beyond what the rewriter finds.
 *
 * Values that agree in MERGE_STATES states of registers and memory, random ones and corners, are
 * candidates; z3 then proves that they are equal for all inputs (sem/prove.h, bounded by its count
 * of resources, never by time), and the one seen first stands for the others. So the answer
 * depends on the values before it, and on nothing else.
 *
 * Memory is bounded: a struct merge keeps at most MERGE_NODES nodes; when they are used up it
 * forgets all and begins anew.
 */
#ifndef MERGE_H
#define MERGE_H

#include "sem/expr.h"

enum { MERGE_STATES = 64, MERGE_NODES = 1 << 20 };

struct merge_counts {
	uint64_t values;    /* distinct canonical values that came */
	uint64_t merged;    /* of these: proved equal to one before */
	uint64_t different; /* questions to z3 with this answer */
	uint64_t unknown;   /* questions that needed more than the effort */
};

struct merge;

/* effort is z3's rlimit for each question; 0: a default. */
struct merge *merge_new(unsigned effort);
void merge_free(struct merge *m);
/* The expression of pool p that stands for e, of the same width: e itself or an equal one. */
const struct expr *merge_value(struct merge *m, struct expr_pool *p, const struct expr *e);
const struct merge_counts *merge_counts(const struct merge *m);

#endif
