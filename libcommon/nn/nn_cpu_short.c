/*
 * nn_cpu_short.c: see nn_cpu_short.h.
 *
 * One idea: one factor's numbers are spread over a vector that multiplies sixteen columns of the
 * other, eight rows at a time, so that a vector of the other is read once for eight products, whose
 * sums do not wait for each other.
 */
#include "nn/nn_cpu_short.h"

#include <string.h>

#include "nn/nn_cpu_lanes.h"

enum { ROWS = 8 };

/* Of two rows w apart, in the lanes (those of the second are 16 on): the upper right and the lower
 * left block of w by w change places. */
#define UPPER(w, l) ((l) & (w) ? 16 + (l) - (w) : (l))
#define LOWER(w, l) ((l) & (w) ? 16 + (l) : (l) + (w))
#define LANES(f, w)                                                                               \
	f(w, 0), f(w, 1), f(w, 2), f(w, 3), f(w, 4), f(w, 5), f(w, 6), f(w, 7), f(w, 8), f(w, 9), \
		f(w, 10), f(w, 11), f(w, 12), f(w, 13), f(w, 14), f(w, 15)
#define CHANGE(x, w)                                                                 \
	do {                                                                         \
		for (int i = 0; i < L; i++) {                                        \
			v16 a, b;                                                    \
                                                                                     \
			if (i & (w))                                                 \
				continue;                                            \
			a = x[i];                                                    \
			b = x[i + (w)];                                              \
			x[i] = __builtin_shufflevector(a, b, LANES(UPPER, w));       \
			x[i + (w)] = __builtin_shufflevector(a, b, LANES(LOWER, w)); \
		}                                                                    \
	} while (0)

/* kt[d,ld] = k[n,d] transposed, then columns of 0. */
INLINE void transpose(size_t n, size_t d, size_t step, size_t ld, const float *k, float *kt)
{
	for (size_t j = 0; j < ld; j += L) {
		for (size_t t = 0; t < d; t += L) {
			v16 x[L];

			for (size_t i = 0; i < L; i++) {
				x[i] = SPLAT(0);
				if (j + i < n)
					x[i] = CAT(k + (j + i) * step + t);
			}
			CHANGE(x, 8);
			CHANGE(x, 4);
			CHANGE(x, 2);
			CHANGE(x, 1);
			for (size_t i = 0; i < L; i++)
				AT(kt + (t + i) * ld + j) = x[i];
		}
	}
}

/*
 * c[8,16] = a[8,k] b[k,16] with rows of a, b and c lda, ldb and ldc apart. Rows that are not there
 * are the last one again.
 */
INLINE void eight(size_t rows, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
	float *c, size_t ldc)
{
	const float *row[ROWS];
	v16 sum[ROWS];

	for (size_t r = 0; r < ROWS; r++) {
		row[r] = a + MIN(r, rows - 1) * lda;
		sum[r] = SPLAT(0);
	}
	for (size_t i = 0; i < k; i++) {
		v16 v = CAT(b + i * ldb);

		for (size_t r = 0; r < ROWS; r++)
			sum[r] += v * row[r][i];
	}
	for (size_t r = 0; r < ROWS; r++)
		if (r < rows)
			AT(c + r * ldc) = sum[r];
}

WIDE void nn_cpu_short_scores(size_t n, size_t d, size_t step, size_t ld, const float *q,
	const float *k, float *kt, float *p)
{
	transpose(n, d, step, ld, k, kt);
	for (size_t j = 0; j < ld; j += L)
		for (size_t i = 0; i < n; i += ROWS)
			eight(n - i, d, q + i * step, step, kt + j, ld, p + i * ld + j, ld);
}

WIDE void nn_cpu_short_values(size_t n, size_t d, size_t step, size_t ld, size_t h, const float *p,
	const float *v, float *o)
{
	for (size_t j = 0; j < d; j += L)
		for (size_t i = 0; i < n; i += ROWS)
			eight(n - i, n, p + i * ld, ld, v + j, step, o + i * h + j, h);
}
