/*
 * nn_cpu_short.c: see nn_cpu_short.h.
 *
 * One idea: one factor's numbers are spread over a vector that multiplies sixteen columns of the
 * other, four rows at a time, so that a vector of the other is read once for four products.
 */
#include "nn/nn_cpu_short.h"

#include <string.h>

#include "nn/nn_cpu_lanes.h"

/* kt[d,ld] = k[n,d] transposed, then columns of 0. */
INLINE void transpose(size_t n, size_t d, size_t step, size_t ld, const float *k, float *kt)
{
	for (size_t t = 0; t < d; t++)
		AT(kt + t * ld + ld - L) = SPLAT(0);
	for (size_t j = 0; j < n; j++)
		for (size_t t = 0; t < d; t++)
			kt[t * ld + j] = k[j * step + t];
}

/*
 * c[4,16] = a[4,k] b[k,16] with rows of a, b and c lda, ldb and ldc apart. Rows that are not there
 * are the last one again.
 */
INLINE void four(size_t rows, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
	float *c, size_t ldc)
{
	const float *a1 = a + (rows > 1 ? lda : 0), *a2 = a1 + (rows > 2 ? lda : 0);
	const float *a3 = a2 + (rows > 3 ? lda : 0);
	v16 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};

	for (size_t i = 0; i < k; i++) {
		v16 v = CAT(b + i * ldb);

		s0 += v * a[i];
		s1 += v * a1[i];
		s2 += v * a2[i];
		s3 += v * a3[i];
	}
	AT(c) = s0;
	if (rows > 1)
		AT(c + ldc) = s1;
	if (rows > 2)
		AT(c + 2 * ldc) = s2;
	if (rows > 3)
		AT(c + 3 * ldc) = s3;
}

WIDE void nn_cpu_short_scores(size_t n, size_t d, size_t step, size_t ld, const float *q,
	const float *k, float *kt, float *p)
{
	transpose(n, d, step, ld, k, kt);
	for (size_t j = 0; j < ld; j += L)
		for (size_t i = 0; i < n; i += 4)
			four(n - i, d, q + i * step, step, kt + j, ld, p + i * ld + j, ld);
}

WIDE void nn_cpu_short_values(size_t n, size_t d, size_t step, size_t ld, size_t h, const float *p,
	const float *v, float *o)
{
	for (size_t j = 0; j < d; j += L)
		for (size_t i = 0; i < n; i += 4)
			four(n - i, n, p + i * ld, ld, v + j, step, o + i * h + j, h);
}
