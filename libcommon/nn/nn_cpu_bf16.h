/*
 * nn_cpu_bf16.h: products of bf16 numbers with sums in fp32, for nn_cpu.c.
 *
 * Both factors of a product are rounded to bf16 (to nearest, ties to even) each time; all else is
 * fp32. The products of dense layers are done so, forward and backward; attention's are not.
 */
#ifndef NN_CPU_BF16_H
#define NN_CPU_BF16_H

#include "nn/nn_cpu.h"

struct nn_cpu_bf16;

/* NULL if the processor does not multiply bf16 numbers. */
struct nn_cpu_bf16 *nn_cpu_bf16_new(struct nn_cpu *cpu);
void nn_cpu_bf16_free(struct nn_cpu_bf16 *b);

/* The two rounded forms of w[n,k], for the product and for its input gradient, into wt. */
void nn_cpu_bf16_prepare(struct nn_cpu *cpu, const float *w, float *wt, size_t n, size_t k);

/* y[64,n] = x[64,k] W^T; y may not be x. */
void nn_cpu_bf16_product(
	struct nn_cpu *cpu, unsigned worker, const struct nn_dense *d, const float *x, float *y);
/* dx[64,k] = dy[64,n] W. */
void nn_cpu_bf16_product_back(
	struct nn_cpu *cpu, unsigned worker, const struct nn_dense *d, const float *dy, float *dx);

/* One layer's weight gradient: g += dy^T x over the rows, in blocks. */
struct nn_cpu_bf16_grad {
	const float *x, *dy; /* [T,k], [T,n] */
	float *g;            /* [n,k] */
	float *bias;         /* [n], the sums of the columns of dy are added */
	size_t n, k;         /* n = 0: none */
};

void nn_cpu_bf16_wgrad(struct nn_cpu *cpu, size_t rows, const struct nn_cpu_bf16_grad l[2]);

/* y[i] = x[i] as bf16. */
void nn_cpu_bf16_round(size_t n, const float *x, uint16_t *y);

#endif
