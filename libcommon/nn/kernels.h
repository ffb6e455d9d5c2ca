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

/* Where a result goes: as fp32, as bf16 (an operand of a product), or both; NULL: not wanted. */
struct kernels_out {
	float *f;
	uint16_t *h;
};

enum { KERNELS_CHUNK = 128 }; /* rows of a partial sum */

/* ---- kernels_dense.cu: elementwise ---- */

/* h = x as bf16. */
void kernels_cast(struct CUstream_st *s, size_t n, const float *x, uint16_t *h);
/* y += x. */
void kernels_add(struct CUstream_st *s, size_t n, const float *x, float *y);
/* v = in + b on each row; u = v if not NULL; y = act(v), act as in nn.h. u and y.f may be in. */
void kernels_bias_act(struct CUstream_st *s, size_t rows, size_t n, const float *b, int act,
	const float *in, float *u, struct kernels_out y);
/* dy *= act'; uy is u for GELU, y for TANH. */
void kernels_act_back(struct CUstream_st *s, size_t n, int act, const float *uy, float *dy);
/* y = gelu(u), dy *= gelu'(u); y.f may be u; dh is dy as bf16 if not NULL. */
void kernels_gelu_back(struct CUstream_st *s, size_t n, const float *u, float *dy, uint16_t *dh,
	struct kernels_out y);

/* ---- kernels_norm.cu: rows: normalisation, column sums ---- */

struct kernels_norm {
	size_t rows, n;
	const float *bias, *r; /* [n], [rows,n]: added first; each may be NULL */
	const float *g, *b;    /* [n] gain, offset */
	float eps;
	float *y;           /* [rows,n] overwritten with the sum */
	float *z;           /* [rows,n] result; may be y */
	float *xhat, *rstd; /* [rows,n], [rows]: kept; both may be NULL */
};

void kernels_norm(struct CUstream_st *s, struct kernels_norm n);
/* The same with y = word[ids] + position[pos] + type[types]; bias and r are not looked at. */
void kernels_embed(struct CUstream_st *s, struct kernels_norm n, const uint32_t *ids,
	const uint32_t *pos, const uint8_t *types, const float *word, const float *position,
	const float *type);
/* ds from dz; ds may be dz. */
void kernels_norm_back(struct CUstream_st *s, size_t rows, size_t n, const float *g,
	const float *dz, const float *xhat, const float *rstd, float *ds);
/*
 * y[j] += the sum over rows of x[i,j], or of x[i,j] times[i,j] if times is not NULL.
 * part: scratch of kernels_chunks(rows) n floats.
 */
void kernels_colsum(struct CUstream_st *s, size_t rows, size_t n, const float *x,
	const float *times, float *part, float *y);

static inline size_t kernels_chunks(size_t rows)
{
	return (rows + KERNELS_CHUNK - 1) / KERNELS_CHUNK;
}

/* ---- kernels_table.cu: rows by index ---- */

/* y[i] = x[row[i]] for i < n; rows of h. */
void kernels_gather(
	struct CUstream_st *s, size_t n, size_t h, const uint32_t *row, const float *x, float *y);
/* x[row[i]] += y[i]; the rows are distinct. */
void kernels_scatter(
	struct CUstream_st *s, size_t n, size_t h, const uint32_t *row, const float *y, float *x);
/*
 * v[s] = the mean of the rows cu[s] to cu[s+1] of x or, with share[T] not NULL, the sum of share
 * times row; and back: dx of each row.
 */
void kernels_pool(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *x, float *v);
void kernels_pool_back(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *dv, float *dx);

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
void kernels_sum_lists(struct CUstream_st *s, struct kernels_lists l, size_t h, const float *x,
	float *part, float *table);

/* ---- kernels_attn.cu: self-attention ---- */

enum {
	KERNELS_ATTN_ROWS = 16,   /* rows of a tile */
	KERNELS_ATTN_WIDTH = 128, /* widest head */
};

struct kernels_attn {
	size_t tiles;
	const uint32_t *tile; /* [2 tiles] sequence and its first row of each tile of rows */
	const uint32_t *cu;   /* [S+1] */
	size_t tokens, heads, h;
	const float *qkv; /* [T,3h] */
	float *o;         /* [T,h] */
	float *lse;       /* [T,heads]; forward: may be NULL */
	/* backward */
	const float *dout; /* [T,h] */
	float *delta;      /* [T,heads] scratch */
	float *dqkv;       /* [T,3h] */
};

void kernels_attn(struct CUstream_st *s, struct kernels_attn j);
void kernels_attn_back(struct CUstream_st *s, struct kernels_attn j);

/* ---- kernels_loss.cu ---- */

/*
 * Row by row, softmax and cross entropy of the n logits x + b with class want[i]: loss[i], best[i]
 * (the first of the largest); with grad, x becomes scale (softmax - onehot).
 */
struct kernels_xent {
	size_t rows, n;
	const float *b;
	const uint32_t *want;
	bool grad;
	float scale;
	float *x;     /* [rows,n], overwritten */
	uint16_t *dh; /* the gradient as bf16, if not NULL */
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
