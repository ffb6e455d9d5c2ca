/* nn_cpu_split.h: products of dense layers in fp32 by AMX, see nn_cpu_amx.h, for nn_cpu.c. */
#ifndef NN_CPU_SPLIT_H
#define NN_CPU_SPLIT_H

#include "nn/nn_cpu.h"

struct nn_cpu_split;

/* NULL if the processor has no AMX. */
struct nn_cpu_split *nn_cpu_split_new(void);
void nn_cpu_split_free(struct nn_cpu_split *s);

extern const struct nn_cpu_products nn_cpu_split_products;

#endif
