/*
 * cosine.c: a blocked matrix product with a fixed order of sums; see cosine.h.
 *
 * One idea: the sixteen lanes of a vector hold sixteen different items, so each pair's sum runs in
 * one lane from the first dimension to the last, and blocking changes which pairs are worked on
 * together but never the arithmetic of one. Sixteen items are packed into a panel[dim, 16] that
 * stays in the first-level cache while all queries of the block pass by, four at a time.
 *
 * Fused multiply-add would be faster on some processors, but others do not have it and would give
 * other last bits; -std=c11 keeps gcc from fusing, the pragma clang.
 */
#include "ann/cosine.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#if defined(__x86_64__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

enum { LANES = 16, ROWS = 4 }; /* items in a panel; queries that share a pass over it */

typedef float v16 __attribute__((vector_size(4 * LANES)));
typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));
typedef float v16_any __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

int cosine_add(struct cosine *c, const float *v, size_t dim, struct err *e)
{
	double sum = 0, scale;
	float *to;

	if (dim == 0 || dim > COSINE_DIM_MAX)
		return err_set(
			e, "a vector of %zu numbers; 1 to %d are possible", dim, COSINE_DIM_MAX);
	if (c->n && dim != c->dim)
		return err_set(e, "a vector of %zu numbers, the others have %zu", dim, c->dim);
	c->dim = dim;
	c->row = mem_grow(c->row, &c->cap, (c->n + 1) * dim, sizeof(*c->row));
	to = c->row + c->n++ * dim;
	for (size_t i = 0; i < dim; i++)
		sum += (double)v[i] * v[i]; /* cannot overflow: the largest float squared is 1e77 */
	scale = sum > 0 ? 1 / sqrt(sum) : 0;
	for (size_t i = 0; i < dim; i++)
		to[i] = (float)(v[i] * scale);
	return 0;
}

void cosine_reset(struct cosine *c)
{
	c->n = c->dim = 0;
}

void cosine_free(struct cosine *c)
{
	mem_free(c->row);
	*c = (struct cosine){0};
}

size_t cosine_scratch(const struct cosine *c)
{
	return c->dim * LANES;
}

/*
 * out[i * ldo + lane] = q[i, :] . panel[:, lane] for i < nq; q[nq, dim], panel[dim, LANES].
 * out must have room for LANES floats in each row.
 */
WIDE void cosine_panel(
	size_t dim, size_t nq, const float *q, const float *panel, float *out, size_t ldo);

WIDE void cosine_panel(
	size_t dim, size_t nq, const float *q, const float *panel, float *out, size_t ldo)
{
	size_t i = 0;

	for (; i + ROWS <= nq; i += ROWS) {
		const float *q0 = q + i * dim, *q1 = q0 + dim, *q2 = q1 + dim, *q3 = q2 + dim;
		v16 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};

		for (size_t d = 0; d < dim; d++) {
			v16 p = *(const v16 *)(panel + d * LANES);

			s0 += p * q0[d];
			s1 += p * q1[d];
			s2 += p * q2[d];
			s3 += p * q3[d];
		}
		*(v16_any *)(out + i * ldo) = s0;
		*(v16_any *)(out + (i + 1) * ldo) = s1;
		*(v16_any *)(out + (i + 2) * ldo) = s2;
		*(v16_any *)(out + (i + 3) * ldo) = s3;
	}
	for (; i < nq; i++) {
		v16 s = {0};

		for (size_t d = 0; d < dim; d++)
			s += *(const v16 *)(panel + d * LANES) * q[i * dim + d];
		*(v16_any *)(out + i * ldo) = s;
	}
}

/* panel[d, lane] = row[lane][d] for all d < dim, by transposing four by four. */
static void pack(size_t dim, const float *const row[LANES], float *panel)
{
	size_t d = 0;

	for (; d + 4 <= dim; d += 4) {
		for (size_t lane = 0; lane < LANES; lane += 4) {
			float *to = panel + d * LANES + lane;
			v4 a = *(const v4_any *)(row[lane] + d);
			v4 b = *(const v4_any *)(row[lane + 1] + d);
			v4 c = *(const v4_any *)(row[lane + 2] + d);
			v4 e = *(const v4_any *)(row[lane + 3] + d);
			v4 ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
			v4 ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
			v4 ce01 = __builtin_shufflevector(c, e, 0, 4, 1, 5);
			v4 ce23 = __builtin_shufflevector(c, e, 2, 6, 3, 7);

			*(v4 *)to = __builtin_shufflevector(ab01, ce01, 0, 1, 4, 5);
			*(v4 *)(to + LANES) = __builtin_shufflevector(ab01, ce01, 2, 3, 6, 7);
			*(v4 *)(to + 2 * LANES) = __builtin_shufflevector(ab23, ce23, 0, 1, 4, 5);
			*(v4 *)(to + 3 * LANES) = __builtin_shufflevector(ab23, ce23, 2, 3, 6, 7);
		}
	}
	for (; d < dim; d++)
		for (size_t lane = 0; lane < LANES; lane++)
			panel[d * LANES + lane] = row[lane][d];
}

void cosine_scores(const struct cosine *queries, size_t q, size_t nq, const struct cosine *items,
	const uint32_t *which, size_t first, size_t n, float *out, float *scratch)
{
	size_t dim = items->dim;

	for (size_t j = 0; j < n; j += LANES) {
		size_t some = MIN(n - j, (size_t)LANES);
		const float *row[LANES];

		for (size_t lane = 0; lane < LANES; lane++) {
			/* The last panel is filled up with its last item. */
			size_t at = j + MIN(lane, some - 1);

			row[lane] = items->row + (which ? which[at] : first + at) * dim;
		}
		pack(dim, row, scratch);
		if (some == LANES) {
			cosine_panel(dim, nq, queries->row + q * dim, scratch, out + j, n);
			continue;
		}
		for (size_t i = 0; i < nq; i++) { /* a whole row would not fit into out */
			float score[LANES];

			cosine_panel(dim, 1, queries->row + (q + i) * dim, scratch, score, LANES);
			memcpy(out + i * n + j, score, some * sizeof(*score));
		}
	}
}
