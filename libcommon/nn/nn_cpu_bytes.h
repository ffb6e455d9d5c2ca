/*
 * nn_cpu_bytes.h: loops over rows for nn_cpu_int8.c: numbers to bytes and back; see nn_cpu_vec.h.
 *
 * A row x[n] becomes bytes q[n] with x = scale (q - zero). Everything is a pure function of one
 * row.
 */
#ifndef NN_CPU_BYTES_H
#define NN_CPU_BYTES_H

#include "base/base.h"

/* What the bytes of a row mean. */
struct nn_cpu_bytes_row {
	float scale, zero;
};

/* What the columns of a product of bytes mean. */
struct nn_cpu_bytes_col {
	const float *scale; /* [n] of the weights */
	const float *sum;   /* [n] sum of the weights' bytes */
};

/* q[rows,n], ld apart, with values up to `top`, and what they mean, from x[rows,n]. */
void nn_cpu_bytes_put(size_t rows, size_t n, unsigned top, const float *x, uint8_t *q, size_t ld,
	struct nn_cpu_bytes_row *row);
/* y[rows,n] = the product's sums, in rows ld apart, as numbers, plus the bias if it is not NULL. */
void nn_cpu_bytes_get(size_t rows, size_t n, const int32_t *sum, size_t ld,
	const struct nn_cpu_bytes_row *row, const struct nn_cpu_bytes_col *col, const float *bias,
	float *y);
/*
 * From the sums of one product to the bytes for the next: q = bytes of gelu(numbers + bias), gelu
 * within 2e-4. `row` is of the sums and becomes that of q; buf[n] is scratch.
 */
void nn_cpu_bytes_gelu(size_t rows, size_t n, unsigned top, const int32_t *sum, size_t ld,
	struct nn_cpu_bytes_row *row, const struct nn_cpu_bytes_col *col, const float *bias,
	float *buf, uint8_t *q, size_t ldq);

#endif
