/* kernels_table.cu: rows by index: gather, scatter, means, gradients of tables; see kernels.h. */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { THREADS = 128 };

struct row_args {
	size_t h;
	const uint32_t *row, *cu;
	const float *share;
	struct kernels_act x, y;
	float *v; /* of pool */
};

/* A block has THREADS columns of row blockIdx.x; those of the last block may be beyond the row. */
#define COLUMN ((size_t)blockIdx.y * THREADS + threadIdx.x)

KERNEL(gather, row_args, THREADS, 12)
{
	size_t c = COLUMN;

	if (c < a.h)
		act_put(a.y, blockIdx.x * a.h + c, act_get(a.x, a.row[blockIdx.x] * a.h + c));
}

KERNEL(scatter, row_args, THREADS, 12)
{
	size_t c = COLUMN, to = a.row[blockIdx.x] * a.h + c;

	if (c < a.h)
		act_put(a.y, to, act_get(a.y, to) + act_get(a.x, blockIdx.x * a.h + c));
}

KERNEL(pool, row_args, THREADS, 12)
{
	size_t c = COLUMN, from = a.cu[blockIdx.x], to = a.cu[blockIdx.x + 1];
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t t = from; t < to; t++)
		sum += act_get(a.x, t * a.h + c) * (a.share ? a.share[t] : 1.0f);
	a.v[blockIdx.x * a.h + c] = a.share ? sum : sum * (1.0f / (float)(to - from));
}

KERNEL(pool_back, row_args, THREADS, 12)
{
	size_t c = COLUMN, from = a.cu[blockIdx.x], to = a.cu[blockIdx.x + 1];
	float v, part = 1.0f / (float)(to - from);

	if (c >= a.h)
		return;
	v = a.v[blockIdx.x * a.h + c];
	for (size_t t = from; t < to; t++)
		act_put(a.y, t * a.h + c, v * (a.share ? a.share[t] : part));
}

struct list_args {
	struct kernels_lists l;
	size_t h;
	struct kernels_act x;
	float *part, *table;
	struct kernels_act half[2];
};

KERNEL(sum_chunk, list_args, THREADS, 12)
{
	size_t c = COLUMN, from = a.l.start[blockIdx.x], to = a.l.start[blockIdx.x + 1];
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t i = from; i < to; i++)
		sum += act_get(a.x, a.l.order[i] * a.h + c);
	a.part[blockIdx.x * a.h + c] = sum;
}

KERNEL(sum_list, list_args, THREADS, 12)
{
	size_t c = COLUMN, from = a.l.first[blockIdx.x], to = a.l.first[blockIdx.x + 1];
	size_t row = a.l.row[blockIdx.x], half = a.h / 2;
	float sum = 0;

	if (c >= a.h)
		return;
	for (size_t i = from; i < to; i++)
		sum += a.part[i * a.h + c];
	if (a.table)
		a.table[row * a.h + c] += sum;
	else if (c < half)
		act_put(a.half[0], row * half + c, sum);
	else if (c < 2 * half)
		act_put(a.half[1], row * half + c - half, sum);
}

static const struct kernels_act none = {NULL, 0};

void kernels_gather(struct CUstream_st *s, size_t n, size_t h, const uint32_t *row,
	struct kernels_act x, struct kernels_act y)
{
	struct row_args a = {h, row, NULL, NULL, x, y, NULL};

	LAUNCH(gather, n, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_scatter(struct CUstream_st *s, size_t n, size_t h, const uint32_t *row,
	struct kernels_act y, struct kernels_act x)
{
	struct row_args a = {h, row, NULL, NULL, y, x, NULL};

	LAUNCH(scatter, n, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_pool(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, struct kernels_act x, float *v)
{
	struct row_args a = {h, NULL, cu, share, x, none, v};

	LAUNCH(pool, seqs, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_pool_back(struct CUstream_st *s, size_t seqs, size_t h, const uint32_t *cu,
	const float *share, const float *dv, struct kernels_act dx)
{
	struct row_args a = {h, NULL, cu, share, none, dx, (float *)dv};

	LAUNCH(pool_back, seqs, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_sum_lists(struct CUstream_st *s, struct kernels_lists l, size_t h,
	struct kernels_act x, float *part, float *table)
{
	struct list_args a = {l, h, x, part, table, {none, none}};

	LAUNCH(sum_chunk, l.chunks, BLOCKS(h, THREADS), THREADS, 0, s, a);
	LAUNCH(sum_list, l.lists, BLOCKS(h, THREADS), THREADS, 0, s, a);
}

void kernels_sum_halves(struct CUstream_st *s, struct kernels_lists l, size_t h,
	struct kernels_act x, float *part, const struct kernels_act half[2])
{
	struct list_args a = {l, h, x, part, NULL, {half[0], half[1]}};

	LAUNCH(sum_chunk, l.chunks, BLOCKS(h, THREADS), THREADS, 0, s, a);
	LAUNCH(sum_list, l.lists, BLOCKS(h, THREADS), THREADS, 0, s, a);
}
