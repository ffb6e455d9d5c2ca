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

struct nn_cpu;
struct nn_cpu_bf16;
struct nn_cpu_split;

/* One layer's weight gradient: g += dy^T x over the rows, bias += the sums of dy's columns. */
struct nn_cpu_grad {
	const float *x, *dy; /* [T,k], [T,n] */
	float *g, *bias;     /* [n,k], [n] */
	size_t n, k;         /* n = 0: none */
};

/*
 * A way to make the products of dense layers. A tile of `rows` rows is the calling worker's; a
 * result may not be a factor.
 */
struct nn_cpu_products {
	size_t tile; /* rows of a tile that suit it; it takes NN_ROWS too */
	/* Floats that prepare, see nn.h, writes. */
	size_t (*prepared)(size_t n, size_t k);
	void (*prepare)(struct nn_cpu *cpu, const float *w, float *wt, size_t n, size_t k);
	/* y[rows,n] = x[rows,k] W^T. */
	void (*forward)(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *d,
		const float *x, float *y);
	/* W as back wants it, good until it is asked for again with this slot, 0 or 1. */
	const void *(*turn)(struct nn_cpu *cpu, int slot, const struct nn_dense *d);
	/* dx[rows,k] = dy[rows,n] W. */
	void (*back)(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *d,
		const void *turned, const float *dy, float *dx);
	/* y[rows,h] = gelu(x[rows,h] W1^T + b1) W2^T; u[rows,f], before gelu, may be NULL. */
	void (*ffn)(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
		const struct nn_dense *down, const float *x, float *u, float *y);
	/* du[rows,f] and dx[rows,h] from dy[rows,h]; u becomes gelu(u). */
	void (*ffn_back)(struct nn_cpu *cpu, unsigned worker, size_t rows,
		const struct nn_dense *up, const struct nn_dense *down, const void *turned_up,
		const void *turned_down, const float *dy, float *u, float *du, float *dx);
	/* Both gradients over all rows. */
	void (*gradients)(struct nn_cpu *cpu, size_t rows, const struct nn_cpu_grad l[2]);
};

/* ffn and ffn_back as one whole product after the other. */
void nn_cpu_ffn(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const float *x, float *u, float *y);
void nn_cpu_ffn_back(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const void *turned_up, const void *turned_down,
	const float *dy, float *u, float *du, float *dx);

struct nn_cpu {
	struct nn nn;
	const struct nn_cpu_products *how;
	struct par *par;
	struct nn_cpu_space *own;       /* [threads] scratch of each thread */
	struct nn_cpu_space *own8;      /* the same, within products */
	struct nn_cpu_space *ownf;      /* the same, between the two of the feed-forward half */
	struct nn_cpu_space wide, part; /* shared scratch: [T,f], sums per tile */
	/* What the ways of making products keep; NULL with another one. */
	struct nn_cpu_bf16 *bf16;
	struct nn_cpu_split *split;
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

/* In fp32 by oneDNN. */
extern const struct nn_cpu_products nn_cpu_plain;

/* The two rows of the table that are in nn_cpu_attn.c. */
void nn_cpu_attn(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h, const float *qkv,
	float *o, float *lse);
void nn_cpu_attn_back(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv);

/* The two that are in nn_cpu_cell.c. */
void nn_cpu_cell(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *table,
	const float *z, const float *c0, float *gates, float *c, float *y);
void nn_cpu_cell_back(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *gates,
	const float *c0, const float *c, const float *dy, float *dc, float *dz, float *dtable);

#endif
