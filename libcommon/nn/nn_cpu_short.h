/*
 * nn_cpu_short.h: the two products of attention for a head of a short sequence.
 *
 * A general product takes longer to begin than such a one to be done: most strands have a dozen
 * tokens. Heads are d wide, a multiple of NN_CPU_SHORT_D.
 */
#ifndef NN_CPU_SHORT_H
#define NN_CPU_SHORT_H

#include "base/base.h"

enum {
	NN_CPU_SHORT_N = 64, /* longest sequence for which these are the faster ones */
	NN_CPU_SHORT_D = 16
};

/*
 * p[n,ld] = q k^T for q[n,d] and k[n,d] in rows `step` apart, ld a multiple of 16 and at least n;
 * the columns beyond n become 0. kt: room for d ld numbers.
 */
void nn_cpu_short_scores(size_t n, size_t d, size_t step, size_t ld, const float *q, const float *k,
	float *kt, float *p);
/* o[n,d] = p v for v[n,d] in rows `step` apart and o in rows h apart. */
void nn_cpu_short_values(size_t n, size_t d, size_t step, size_t ld, size_t h, const float *p,
	const float *v, float *o);

#endif
