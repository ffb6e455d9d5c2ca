/*
 * nn_cpu_matmul.h: products y = x w of other numbers than fp32, each done by the calling thread
 * alone; weights may be kept in the order that the product reads fastest.
 */
#ifndef NN_CPU_MATMUL_H
#define NN_CPU_MATMUL_H

#include "nn/nn_cpu.h"

enum nn_cpu_number { NN_CPU_F32, NN_CPU_BF16, NN_CPU_S32, NN_CPU_S8, NN_CPU_U8 };

struct nn_cpu_matrix {
	enum nn_cpu_number type;
	size_t rows, cols;
	size_t ld;       /* from row to row; 0: in the order that suits the product */
	bool transposed; /* stored by columns, ld from column to column */
};

/* What the processor has products for, unless ONEDNN_MAX_CPU_ISA says less. */
bool nn_cpu_matmul_has_bf16(void);
bool nn_cpu_matmul_has_amx(void);
bool nn_cpu_matmul_has_vnni(void);

/* What the products of a backend run in: something for each of its threads. */
struct nn_cpu_matmul_place;
struct nn_cpu_matmul_place *nn_cpu_matmul_place_new(unsigned threads);
void nn_cpu_matmul_place_free(struct nn_cpu_matmul_place *p);

/* A product made ready: y = x w or, with add, y += x w. It needs the place while it lives. */
struct nn_cpu_matmul;
struct nn_cpu_matmul *nn_cpu_matmul_new(struct nn_cpu_matmul_place *p,
	const struct nn_cpu_matrix *x, const struct nn_cpu_matrix *w, const struct nn_cpu_matrix *y,
	bool add);
void nn_cpu_matmul_free(struct nn_cpu_matmul *m);
/* Bytes of w in its order, and of the memory that it works in. */
size_t nn_cpu_matmul_weights(const struct nn_cpu_matmul *m);
size_t nn_cpu_matmul_scratch(const struct nn_cpu_matmul *m);

/* Brings the matrix w into the product's order. */
void nn_cpu_matmul_pack(
	const struct nn_cpu_matmul *m, const struct nn_cpu_matrix *from, const void *w, void *to);
void nn_cpu_matmul_run(const struct nn_cpu_matmul *m, unsigned worker, const void *x, const void *w,
	void *y, void *scratch);

#endif
