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

/* Host arrays that were copied to the device. */
enum nn_cuda_uploads {
	UP_CU,
	UP_TILES, /* of attention, made from cu */
	UP_IDS,
	UP_POS,
	UP_TYPES,
	UP_ROW,
	UP_WANT,
	UP_SHARE,
	UP_WORDS, /* lists of the rows that are added to each row of a table */
	UP_POSITIONS,
	UP_TOKEN_TYPES,
	UPLOADS
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
	size_t tiles;  /* in UP_TILES */
	bool tiled;    /* they are those of what is in UP_CU */
	bool together; /* they are of more rows; see kernels_attn */
	struct nn_cuda_plan *plan;
	size_t plans, cap_plans;
	struct nn_cuda_mark *mark; /* [marks] in the stream, [made_marks] events */
	size_t marks, made_marks, cap_marks;
};

/* ---- nn_cuda_mem.c: memory, copies, failures ---- */

/* Reports an error of the device through q.fail, which does not return; nothing if all is well. */
void nn_cuda_check(struct nn_cuda *c, cudaError_t e);
/* After kernels were launched. */
void nn_cuda_launched(struct nn_cuda *c);
_Noreturn void nn_cuda_fail(struct nn_cuda *c, bool memory, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Device memory, zeroed, at least one byte. */
void *nn_cuda_alloc(struct nn_cuda *c, size_t bytes);
/* At least so many bytes; the content is not kept when it grows. */
void *nn_cuda_scratch(struct nn_cuda *c, enum nn_cuda_spaces s, size_t bytes);
/*
 * Copies an array to the device, unless it is there already; does not wait. *fresh, if not NULL,
 * says if it was not.
 */
const void *nn_cuda_upload(
	struct nn_cuda *c, enum nn_cuda_uploads u, const void *p, size_t bytes, bool *fresh);
/* Copies to the host, and waits for it. */
void nn_cuda_download(struct nn_cuda *c, void *host, const void *p, size_t bytes);
/* Releases spaces and uploads. */
void nn_cuda_release(struct nn_cuda *c);

/* ---- nn_cuda_time.c: where the time goes, if q.times asks for it ---- */

/* What is put into the stream from here on. */
void nn_cuda_mark(struct nn_cuda *c, enum nn_time now);
/* Adds up the marks; the device has reached the last of them. */
void nn_cuda_times(struct nn_cuda *c);
void nn_cuda_time_free(struct nn_cuda *c);

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

#endif
