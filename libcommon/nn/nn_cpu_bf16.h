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

extern const struct nn_cpu_products nn_cpu_bf16_products;

/* y[i] = x[i] as bf16. */
void nn_cpu_bf16_round(size_t n, const float *x, uint16_t *y);

#endif
