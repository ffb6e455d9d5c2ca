/*
 * kernels.h: what runs on the device besides matrix products, for nn_cuda.c.
 *
 * Each function puts kernels into a stream and returns at once; whether they could be launched is
 * asked from cudaGetLastError. Pointers are to device memory unless it says host. Shapes: rows of n
 * floats, one after another. No sum depends on the order in which blocks run: there are no atomics,
 * and partial sums are added in a fixed order.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include "base/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct CUstream_st; /* CUDA's cudaStream_t points to it */

/* Numbers as bf16 or as fp32, fastest at a multiple of 16 bytes; p NULL: there are none. */
struct kernels_act {
	void *p;
	int half; /* bf16 */
};

enum { KERNELS_CHUNK = 128 }; /* rows of a partial sum */

/* ---- kernels_dense.cu: elementwise ---- */

/* to = from, rounded if need be. */
void kernels_cast(struct CUstream_st *s, size_t n, struct kernels_act from, struct kernels_act to);
/* y += x. */
void kernels_add(struct CUstream_st *s, size_t n, struct kernels_act x, struct kernels_act y);
/*
 * v = in + b on each row of n; u = v if it is there; y = act(v), act as in nn.h. u and y may be in.
 */
void kernels_bias_act(struct CUstream_st *s, size_t rows, size_t n, const float *b, int act,
	struct kernels_act in, struct kernels_act u, struct kernels_act y);
/* dy *= act'; uy is u for GELU, y for TANH. */
void kernels_act_back(
	struct CUstream_st *s, size_t n, int act, struct kernels_act uy, struct kernels_act dy);
/* dy *= gelu'(u), then u = gelu(u). */
void kernels_gelu_back(
	struct CUstream_st *s, size_t n, struct kernels_act u, struct kernels_act dy);

/*
 * to[m,n] = op(a) op(b) + more, as nn_cuda_gemm in nn_cuda.h, one thread to a sum: for sizes that
 * cuBLASLt does not take.
 */
struct kernels_product {
	int ta, tb;
	size_t m, n, k, lda, ldto;
	struct kernels_act a, b, more, to;
};

void kernels_product(struct CUstream_st *s, struct kernels_product p);

/* ---- kernels_norm.cu: rows: normalisation, column sums ---- */

struct kernels_norm {
	size_t rows, n;
	struct kernels_act y; /* [rows,n] */
	const float *bias;    /* [n] added to it, or NULL */
	struct kernels_act r; /* [rows,n] likewise */
	const float *g, *b;   /* [n] gain, offset */
	float eps;
	struct kernels_act z, xhat; /* [rows,n]; z may be y; xhat: kept, */
	float *rstd;                /* [rows], with it */
};

void kernels_norm(struct CUstream_st *s, struct kernels_norm n);

/* What the rows of the embedding layer are the sums of: rows of tables, and vectors of values. */
struct kernels_embed {
	const uint32_t *ids, *pos, *op, *value; /* [rows]; op, value: with operand, vector */
	const uint8_t *types;                   /* [rows] */
	const float *word, *position, *type;    /* tables; rows of n */
	const float *operand;                   /* likewise, or NULL */
	struct kernels_act vector[2]; /* [values,n/2] each, the halves of a vector, or none */
};

/* The same with y = word[ids] + position[pos] + ...; y, bias and r are not looked at. */
void kernels_embed(struct CUstream_st *s, struct kernels_norm n, struct kernels_embed e);
/* ds from dz; ds may be dz. */
void kernels_norm_back(struct CUstream_st *s, size_t rows, size_t n, const float *g,
	struct kernels_act dz, struct kernels_act xhat, const float *rstd, struct kernels_act ds);
/*
 * y[j] += the sum over rows of x[i,j], and if `times` is there yt[j] += that of x[i,j] times[i,j];
 * their rows are ld apart. part: scratch of 2 kernels_chunks(rows) n floats.
 */
void kernels_colsum(struct CUstream_st *s, size_t rows, size_t n, size_t ld, struct kernels_act x,
	struct kernels_act times, float *part, float *y, float *yt);

static inline size_t kernels_chunks(size_t rows)
{
	return (rows + KERNELS_CHUNK - 1) / KERNELS_CHUNK;
}

/* ---- kernels_table.cu: rows by index ---- */

/* y[i] = x[row[i]] for i < n; rows of h. */
void kernels_gather(struct CUstream_st *s, size_t n, size_t h, const uint32_t *row,
	struct kernels_act x, struct kernels_act y);
/* x[row[i]] += y[i]; the rows are distinct. */
void kernels_scatter(struct CUstream_st *s, size_t n, size_t h, const uint32_t *row,
	struct kernels_act y, struct kernels_act x);
/*
 * v[s] = the mean of the rows cu[s] to cu[s+1] of x or, with share[T] not NULL, the sum of share
 * times row; and back: dx of each row.
 */
void kernels_pool(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, struct kernels_act x, float *v);
void kernels_pool_back(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *dv, struct kernels_act dx);

/*
 * Many rows are added to few: list i says what row[i] of a table gets. Its items are those of the
 * chunks first[i] to first[i+1]; chunk c has the items order[start[c]] to order[start[c+1]], at
 * most KERNELS_CHUNK.
 */
struct kernels_lists {
	size_t lists, chunks;
	const uint32_t *row;   /* [lists] distinct */
	const uint32_t *first; /* [lists+1] */
	const uint32_t *start; /* [chunks+1] */
	const uint32_t *order; /* rows of x */
};

/* table[row[i]] += the sum of the rows of x in list i; part: scratch of chunks h floats. */
void kernels_sum_lists(struct CUstream_st *s, struct kernels_lists l, size_t h,
	struct kernels_act x, float *part, float *table);
/* The sum itself: its first h/2 numbers to row row[i] of half[0], the others to that of half[1]. */
void kernels_sum_halves(struct CUstream_st *s, struct kernels_lists l, size_t h,
	struct kernels_act x, float *part, const struct kernels_act half[2]);

/* ---- kernels_cell.cu: one step of an LSTM; what it computes is said in nn.h ---- */

struct kernels_cell {
	size_t rows, d;
	const uint16_t *in;       /* [rows] rows of table */
	const float *table;       /* [symbols,4d] */
	struct kernels_act z;     /* [rows,4d]; back: its gradient, overwritten */
	const float *c0;          /* [rows,d], or NULL: zeros */
	struct kernels_act gates; /* [rows,4d]; forward: may be none */
	float *c;                 /* [rows,d] */
	struct kernels_act y;     /* [rows,d]; back: its gradient, read */
	float *dc;                /* [rows,d] back: in: of c; out: of c0 */
};

void kernels_cell(struct CUstream_st *s, struct kernels_cell j);
/* All but the gradient of the table, which is the sum of z by `in`. */
void kernels_cell_back(struct CUstream_st *s, struct kernels_cell j);

/* ---- kernels_attn.cu, and for bf16 kernels_flash.cu: self-attention ---- */

enum {
	KERNELS_ATTN_ROWS = 16,   /* rows of a tile, */
	KERNELS_ATTN_WARPS = 4,   /* or so many times that, with `together` */
	KERNELS_ATTN_WIDTH = 128, /* widest head */
};

struct kernels_attn {
	size_t tiles;
	int together;         /* bf16: tiles of 64 rows, which is faster where sequences are long */
	const uint32_t *tile; /* [2 tiles] sequence and its first row of each tile of rows */
	const uint32_t *cu;   /* [S+1] */
	size_t tokens, heads, h;
	struct kernels_act qkv; /* [T,3h] */
	struct kernels_act o;   /* [T,h] */
	float *lse;             /* [T,heads]; forward: may be NULL */
	/* backward */
	struct kernels_act dout; /* [T,h] */
	float *delta;            /* [T,heads] scratch */
	struct kernels_act dqkv; /* [T,3h] */
};

void kernels_attn(struct CUstream_st *s, struct kernels_attn j);
void kernels_attn_back(struct CUstream_st *s, struct kernels_attn j);
/* What they do with bf16, on tensor cores; delta is ready. */
void kernels_flash(struct CUstream_st *s, const struct kernels_attn *j);
void kernels_flash_back(struct CUstream_st *s, const struct kernels_attn *j);

/* ---- kernels_loss.cu ---- */

/*
 * Row by row, softmax and cross entropy of the n logits x + b with class want[i]: loss[i], best[i]
 * (the first of the largest), and grad = scale (softmax - onehot) if it is there; it may be x.
 */
struct kernels_xent {
	size_t rows, n, ld; /* ld: from row to row of x and grad */
	const float *b;
	const uint32_t *want;
	float scale;
	const float *x; /* [rows,n] */
	struct kernels_act grad;
	float *loss;
	uint32_t *best;
};

void kernels_xent(struct CUstream_st *s, struct kernels_xent x);

/* ---- kernels_optim.cu ---- */

struct kernels_adamw {
	size_t n;
	float keep; /* 1 - lr decay */
	float rate; /* lr / (1 - beta1^t) */
	float inv;  /* 1 / sqrt(1 - beta2^t) */
	float b1, b2, eps, scale;
	float *p, *m, *v;
	const float *g;
};

void kernels_adamw(struct CUstream_st *s, struct kernels_adamw o);
/* sum[0] = the sum of squares; sum has room for 1 + kernels_sumsq_parts(n). */
void kernels_sumsq(struct CUstream_st *s, size_t n, const float *x, double *sum);

static inline size_t kernels_sumsq_parts(size_t n)
{
	return (n + 16383) / 16384;
}

#ifdef __cplusplus
}
#endif

#endif
