/* kernels_table.cu: rows by index: gather, scatter, means, gradients of tables; see kernels.h. */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { THREADS = 128 };

struct row_args {
	size_t h;
	const uint32_t *row, *cu;
	const float *share, *x;
	float *y;
};

/* A block has THREADS columns of row blockIdx.x; those of the last block may be beyond the row. */
#define COLUMN ((size_t)blockIdx.y * THREADS + threadIdx.x)

KERNEL(gather, row_args)
{
	size_t c = COLUMN;

	if (c < a.h)
		a.y[blockIdx.x * a.h + c] = a.x[a.row[blockIdx.x] * a.h + c];
}

KERNEL(scatter, row_args)
{
	size_t c = COLUMN;

	if (c < a.h)
		a.y[a.row[blockIdx.x] * a.h + c] += a.x[blockIdx.x * a.h + c];
}

KERNEL(pool, row_args)
{
	size_t c = COLUMN, from = a.cu[blockIdx.x], to = a.cu[blockIdx.x + 1];
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t t = from; t < to; t++)
		sum += a.share ? a.x[t * a.h + c] * a.share[t] : a.x[t * a.h + c];
	a.y[blockIdx.x * a.h + c] = a.share ? sum : sum * (1.0f / (float)(to - from));
}

KERNEL(pool_back, row_args)
{
	size_t c = COLUMN, from = a.cu[blockIdx.x], to = a.cu[blockIdx.x + 1];
	float v, part = 1.0f / (float)(to - from);

	if (c >= a.h)
		return;
	v = a.x[blockIdx.x * a.h + c];
	for (size_t t = from; t < to; t++)
		a.y[t * a.h + c] = v * (a.share ? a.share[t] : part);
}

struct list_args {
	struct kernels_lists l;
	size_t h;
	const float *x;
	float *part, *table;
};

KERNEL(sum_chunk, list_args)
{
	size_t c = COLUMN, from = a.l.start[blockIdx.x], to = a.l.start[blockIdx.x + 1];
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t i = from; i < to; i++)
		sum += a.x[a.l.order[i] * a.h + c];
	a.part[blockIdx.x * a.h + c] = sum;
}

KERNEL(sum_list, list_args)
{
	size_t c = COLUMN, from = a.l.first[blockIdx.x], to = a.l.first[blockIdx.x + 1];
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t i = from; i < to; i++)
		sum += a.part[i * a.h + c];
	a.table[a.l.row[blockIdx.x] * a.h + c] += sum;
}

void kernels_gather(
	struct CUstream_st *s, size_t n, size_t h, const uint32_t *row, const float *x, float *y)
{
	struct row_args a = {h, row, NULL, NULL, x, y};

	LAUNCH(gather, n, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_scatter(
	struct CUstream_st *s, size_t n, size_t h, const uint32_t *row, const float *y, float *x)
{
	struct row_args a = {h, row, NULL, NULL, y, x};

	LAUNCH(scatter, n, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_pool(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *x, float *v)
{
	struct row_args a = {h, NULL, cu, share, x, v};

	LAUNCH(pool, seqs, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_pool_back(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *dv, float *dx)
{
	struct row_args a = {h, NULL, cu, share, dv, dx};

	LAUNCH(pool_back, seqs, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_sum_lists(struct CUstream_st *s, struct kernels_lists l, size_t h, const float *x,
	float *part, float *table)
{
	struct list_args a = {l, h, x, part, table};

	LAUNCH(sum_chunk, l.chunks, BLOCKS(h, THREADS), THREADS, 0, s, a);
	LAUNCH(sum_list, l.lists, BLOCKS(h, THREADS), THREADS, 0, s, a);
}
