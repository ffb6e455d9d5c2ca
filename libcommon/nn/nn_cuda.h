/*
 * nn_cuda.h: what the files of the CUDA backend share.
 *
 * Everything runs in one stream, in the order it was asked for. Parameters, their gradients and all
 * sums are fp32; activations, and the weights that products take, are bf16, unless fp32 is asked
 * for: then all is fp32.
 */
#ifndef NN_CUDA_H
#define NN_CUDA_H

#include <cublasLt.h>
#include <cuda_runtime.h>

#include "nn/kernels.h"
#include "nn/nn_open.h"

/* Device memory that grows and is used again by each operation. */
struct nn_cuda_space {
	void *p;
	size_t bytes;
};

enum nn_cuda_spaces {
	SPACE_WIDE, /* [T,f] activations, or [M,V] logits */
	SPACE_GRAD, /* [M,V] their gradients */
	SPACE_SUM,  /* [T,h] before a normalisation */
	SPACE_PART, /* partial sums */
	SPACE_LOSS, /* [M] losses, then best classes */
	SPACE_GEMM, /* of cuBLASLt */
	SPACES
};

/* Steps of an LSTM whose symbols the device holds: the bytes of a value. */
enum { NN_CUDA_STEPS = 8 };

/* Host arrays that were copied to the device. */
enum nn_cuda_uploads {
	UP_CU,
	UP_TILES, /* of attention, made from cu */
	UP_IDS,
	UP_POS,
	UP_TYPES,
	UP_OPS,
	UP_VALUES,
	UP_ROW,
	UP_WANT,
	UP_SHARE,
	UP_WORDS, /* lists of the rows that are added to each row of a table */
	UP_POSITIONS,
	UP_TOKEN_TYPES,
	UP_OPERANDS,
	UP_VECTORS,
	UP_SYMBOLS, /* of some steps of an LSTM, and their lists */
	UP_SYMBOL_LISTS = UP_SYMBOLS + NN_CUDA_STEPS,
	UPLOADS = UP_SYMBOL_LISTS + NN_CUDA_STEPS
};

struct nn_cuda_upload {
	struct nn_cuda_space device;
	uint8_t *host; /* what it holds, pinned: the device fetches it by itself; owned */
	size_t bytes, cap;
	cudaEvent_t sent; /* NULL until the first copy */
};

/* The way cuBLASLt does a product of these sizes. */
struct nn_cuda_plan {
	bool ta, tb, floats;
	size_t m, n, k, lda, ldto;
	unsigned align; /* bytes, of all matrices */
	bool plain;     /* it has none: kernels_product */
	cublasLtMatmulAlgo_t algo;
};

struct nn_cuda {
	struct nn nn;
	struct nn_request q;
	bool failed; /* fail was called: nothing more is asked of the device */
	cudaStream_t stream;
	cublasLtHandle_t lt;
	struct nn_cuda_space space[SPACES];
	struct nn_cuda_upload up[UPLOADS];
	size_t tiles;   /* in UP_TILES */
	bool tiled;     /* they are those of what is in UP_CU */
	bool together;  /* they are of more rows; see kernels_attn */
	unsigned steps; /* of LSTMs, whose symbols were copied */
	struct nn_cuda_plan *plan;
	size_t plans, cap_plans;
	struct nn_cuda_mark *mark; /* [marks] in the stream, [made_marks] events */
	size_t marks, made_marks, cap_marks;
};

static inline struct nn_cuda *nn_cuda_of(struct nn *nn)
{
	return (struct nn_cuda *)nn;
}

/* ---- nn_cuda_mem.c: memory, copies, failures ---- */

/* Reports an error of the device through q.fail, which does not return; nothing if all is well. */
void nn_cuda_check(struct nn_cuda *c, cudaError_t e);
/* After kernels were launched. */
void nn_cuda_launched(struct nn_cuda *c);
_Noreturn void nn_cuda_fail(struct nn_cuda *c, bool memory, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Device memory, zeroed, at least one byte. */
void *nn_cuda_alloc(struct nn_cuda *c, size_t bytes);
/* Waits for the device, which may still use it. */
void nn_cuda_free(struct nn_cuda *c, void *p);
/* At least so many bytes; the content is not kept when it grows. */
void *nn_cuda_scratch(struct nn_cuda *c, enum nn_cuda_spaces s, size_t bytes);
/*
 * Copies an array to the device, unless it is there already; does not wait. *fresh, if not NULL,
 * says if it was not.
 */
const void *nn_cuda_upload(
	struct nn_cuda *c, enum nn_cuda_uploads u, const void *p, size_t bytes, bool *fresh);
/* The array was the last to be copied there. */
bool nn_cuda_is_there(const struct nn_cuda *c, enum nn_cuda_uploads u, const void *p, size_t bytes);
/* Copies to the host, and waits for it. */
void nn_cuda_download(struct nn_cuda *c, void *host, const void *p, size_t bytes);
/* Releases spaces and uploads, which the device uses no more. */
void nn_cuda_release(struct nn_cuda *c);

/* ---- nn_cuda_time.c: where the time goes, if q.times asks for it ---- */

/* What is put into the stream from here on. */
void nn_cuda_mark(struct nn_cuda *c, enum nn_time now);
/* Adds up the marks; the device has reached the last of them. */
void nn_cuda_times(struct nn_cuda *c);
void nn_cuda_time_free(struct nn_cuda *c);

/* The stream, for work of this kind. */
static inline cudaStream_t nn_cuda_on(struct nn_cuda *c, enum nn_time what)
{
	nn_cuda_mark(c, what);
	return c->stream;
}

/* ---- activations: bf16 numbers, or fp32 ones if the products are of those ---- */

static inline size_t nn_cuda_act_bytes(const struct nn_cuda *c, size_t n)
{
	return n * (c->q.fp32 ? sizeof(float) : sizeof(uint16_t));
}

static inline struct kernels_act nn_cuda_act(const struct nn_cuda *c, const float *x)
{
	return (struct kernels_act){(void *)x, !c->q.fp32};
}

/* Scratch memory for n activations, and for n floats. */
static inline float *nn_cuda_acts(struct nn_cuda *c, enum nn_cuda_spaces s, size_t n)
{
	return nn_cuda_scratch(c, s, nn_cuda_act_bytes(c, n));
}

static inline float *nn_cuda_floats(struct nn_cuda *c, enum nn_cuda_spaces s, size_t n)
{
	return nn_cuda_scratch(c, s, n * sizeof(float));
}

static inline struct kernels_norm nn_cuda_norm(const struct nn_cuda *c, size_t rows, size_t n,
	const struct nn_norm *norm, float *z, const struct nn_kept *kept)
{
	return (struct kernels_norm){.rows = rows,
		.n = n,
		.g = norm->g,
		.b = norm->b,
		.eps = norm->eps,
		.z = nn_cuda_act(c, z),
		.xhat = nn_cuda_act(c, kept->xhat),
		.rstd = kept->rstd};
}

/* ---- nn_cuda_gemm.c: products ---- */

/*
 * to[m,n] = op(a) op(b) + more, where op transposes if ta, tb; row-major; a, b, more and `to` are
 * activations, or the last two floats. more: NULL, or [m,n], perhaps `to` itself. The bits of a row
 * of `to` do not depend on the other rows unless ta.
 */
struct nn_cuda_gemm {
	bool ta, tb, floats;
	size_t m, n, k;
	size_t lda, ldto; /* from row to row of a, of more and `to`; 0: there are no gaps */
	const void *a, *b, *more;
	void *to;
};

void nn_cuda_gemm(struct nn_cuda *c, struct nn_cuda_gemm g);

/* ---- operations: as in nn.h ---- */

void nn_cuda_norm_back(struct nn *nn, size_t rows, size_t n, const struct nn_norm *norm,
	const struct nn_norm_grad *g, const float *dz, const struct nn_kept *kept, float *ds);

/* nn_cuda_table.c */
void nn_cuda_embed(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e, float *x,
	const struct nn_kept *kept);
void nn_cuda_embed_back(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
	const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept);
void nn_cuda_cell(struct nn *nn, size_t rows, size_t d, const uint16_t *in, const float *table,
	const float *z, const float *c0, float *gates, float *c, float *y);
void nn_cuda_cell_back(struct nn *nn, size_t rows, size_t d, const uint16_t *in, const float *gates,
	const float *c0, const float *c, const float *dy, float *dc, float *dz, float *dtable);

#endif
