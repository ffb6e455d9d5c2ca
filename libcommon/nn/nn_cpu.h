/*
 * nn_cpu.h: what the files of the CPU backend share.
 */
#ifndef NN_CPU_H
#define NN_CPU_H

#include "base/par.h"
#include "nn/nn.h"

struct nn_cpu_space {
	float *p; /* owned */
	size_t n;
};

struct nn_cpu_bf16;

struct nn_cpu {
	struct nn nn;
	struct par *par;
	struct nn_cpu_space *own;       /* [threads] scratch of each thread */
	struct nn_cpu_space *own8;      /* the same, within products of bytes and of bf16 */
	struct nn_cpu_space wide, part; /* shared scratch: [T,f], sums per tile */
	struct nn_cpu_bf16 *bf16;       /* NULL: products in fp32 */
};

/* At least n floats; the content is not kept when it grows. */
float *nn_cpu_scratch(struct nn_cpu_space *s, size_t n);

/* par_for for the work of a pass, which nn.stop ends. */
void nn_cpu_for(
	struct nn_cpu *cpu, size_t n, void (*fn)(void *ctx, size_t i, unsigned worker), void *ctx);

/* To be called before oneDNN is: each of our threads is to do its product alone. */
void nn_cpu_alone(void);
/* oneDNN failed where it cannot but for want of memory. */
_Noreturn void nn_cpu_give_up(void);

/*
 * c[m,n] = op(a) op(b) + beta c, where op transposes if 'T' and leaves if 'N'; row-major, rows
 * lda, ldb and ldc apart. In the calling thread alone.
 */
void nn_cpu_gemm(char ta, char tb, size_t m, size_t n, size_t k, const float *a, size_t lda,
	const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* The two rows of the table that are in nn_cpu_attn.c. */
void nn_cpu_attn(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h, const float *qkv,
	float *o, float *lse);
void nn_cpu_attn_back(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv);

#endif
