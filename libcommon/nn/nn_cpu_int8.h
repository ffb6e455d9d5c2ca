/*
 * nn_cpu_int8.h: products with weights of 8 bits, for inference.
 *
 * Each row of W has a scale of its own and becomes signed bytes; each row of x gets a scale and a
 * zero point when it is multiplied and becomes unsigned bytes. Sums of products of bytes are exact,
 * so a result depends on its row alone.
 */
#ifndef NN_CPU_INT8_H
#define NN_CPU_INT8_H

#include "nn/nn_cpu.h"

/* The table's quantise and quantise_free. */
struct nn_int8 *nn_cpu_int8_new(struct nn *nn, const float *w, size_t n, size_t k);
void nn_cpu_int8_free(struct nn *nn, struct nn_int8 *q);

/* y[64,n] = x[64,k] W^T, + bias if it is not NULL: one tile, in the calling worker. */
void nn_cpu_int8_product(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *q,
	const float *x, const float *bias, float *y);
/* y[64,h] = gelu(x[64,h] W1^T + b1) W2^T. */
void nn_cpu_int8_ffn(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *up, const float *b1,
	const struct nn_int8 *down, const float *x, float *y);

#endif
