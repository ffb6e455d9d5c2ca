/*
 * cosine.h: a matrix of unit vectors and exact cosine similarity.
 *
 * The score of a pair is the sum over the dimensions, in order, of the rounded products, each sum
 * rounded: plain single-precision arithmetic without fused operations. It has the same bits
 * wherever the pair stands in its matrices and on every processor.
 */
#ifndef COSINE_H
#define COSINE_H

#include "base/base.h"

enum { COSINE_DIM_MAX = 1 << 16 };

/* Zero-initialise. */
struct cosine {
	float *row; /* [n, dim], each row of length 1, or 0 for a zero vector */
	size_t n, dim, cap;
};

/* Appends v / |v|. 0, or -1 when its length is not that of the others, or too long. */
int cosine_add(struct cosine *c, const float *v, size_t dim, struct err *e) MUST_CHECK;
/* Forgets the vectors and their length; keeps the memory. */
void cosine_reset(struct cosine *c);
void cosine_free(struct cosine *c);

/* Floats of scratch memory that cosine_scores needs, on a 64-byte boundary. */
size_t cosine_scratch(const struct cosine *c);
/*
 * out[i * n + j] = the cosine of query q + i and item which[j], or first + j when which is NULL;
 * i < nq, j < n. Both matrices must have the same dim.
 */
void cosine_scores(const struct cosine *queries, size_t q, size_t nq, const struct cosine *items,
	const uint32_t *which, size_t first, size_t n, float *out, float *scratch);

#endif
