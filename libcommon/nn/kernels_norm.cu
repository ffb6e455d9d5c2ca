/*
 * kernels_norm.cu: layer normalisation, one warp to a row, and sums over columns; see kernels.h.
 *
 * A lane has the same columns of its row in all passes, so what one pass stores the next may read
 * without a barrier.
 */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { WARPS = 8 }; /* rows of a block */

struct norm_args {
	struct kernels_norm n;
	/* embed */
	const uint32_t *ids, *pos;
	const uint8_t *types;
	const float *word, *position, *type;
};

/*
 * z = (y - mean) / sqrt(var + eps) g + b for the row y, of which this lane has stored its columns;
 * sum is over those. The variance is that of the differences from the mean.
 */
DEVICE void normalise(const struct kernels_norm *k, size_t row, float sum)
{
	size_t n = k->n, at = row * n;
	float mean = warp_sum(sum) / (float)n, var = 0, rstd;

	for (size_t i = LANE; i < n; i += 32) {
		float d = k->y[at + i] - mean;

		var += d * d;
	}
	rstd = 1.0f / sqrtf(warp_sum(var) / (float)n + k->eps);
	for (size_t i = LANE; i < n; i += 32) {
		float x = (k->y[at + i] - mean) * rstd;

		if (k->xhat)
			k->xhat[at + i] = x;
		k->z[at + i] = x * k->g[i] + k->b[i];
	}
	if (k->xhat && LANE == 0)
		k->rstd[row] = rstd;
}

KERNEL(norm_rows, norm_args)
{
	size_t row = WARP, n = a.n.n;
	float sum = 0;

	if (row >= a.n.rows)
		return;
	for (size_t i = LANE; i < n; i += 32) {
		float v = a.n.y[row * n + i];

		if (a.n.bias)
			v += a.n.bias[i];
		if (a.n.r)
			v += a.n.r[row * n + i];
		a.n.y[row * n + i] = v;
		sum += v;
	}
	normalise(&a.n, row, sum);
}

KERNEL(embed_rows, norm_args)
{
	size_t row = WARP, n = a.n.n;
	const float *w, *p, *t;
	float sum = 0;

	if (row >= a.n.rows)
		return;
	w = a.word + a.ids[row] * n;
	p = a.position + a.pos[row] * n;
	t = a.type + a.types[row] * n;
	for (size_t i = LANE; i < n; i += 32) {
		float v = w[i] + p[i] + t[i];

		a.n.y[row * n + i] = v;
		sum += v;
	}
	normalise(&a.n, row, sum);
}

struct norm_back_args {
	size_t rows, n;
	const float *g, *dz, *xhat, *rstd;
	float *ds;
};

/* With d = g dz: ds = rstd (d - mean(d) - xhat mean(d xhat)). */
KERNEL(norm_back_rows, norm_back_args)
{
	size_t row = WARP, n = a.n, at = row * n;
	float sum = 0, dot = 0;

	if (row >= a.rows)
		return;
	for (size_t i = LANE; i < n; i += 32) {
		float d = a.g[i] * a.dz[at + i];

		sum += d;
		dot += d * a.xhat[at + i];
	}
	sum = warp_sum(sum) / (float)n;
	dot = warp_sum(dot) / (float)n;
	for (size_t i = LANE; i < n; i += 32) {
		float d = a.g[i] * a.dz[at + i];

		a.ds[at + i] = (d - sum - a.xhat[at + i] * dot) * a.rstd[row];
	}
}

struct colsum_args {
	size_t rows, n;
	const float *x, *times;
	float *part, *y;
};

/* A block sums 32 columns of a chunk: each warp every eighth row, then the first warp their sums.
 */
KERNEL(colsum_chunk, colsum_args)
{
	__shared__ float sums[WARPS][32];
	size_t warp = threadIdx.x / 32, col = (size_t)blockIdx.y * 32 + LANE;
	size_t from = (size_t)blockIdx.x * KERNELS_CHUNK;
	size_t to = MIN(from + KERNELS_CHUNK, a.rows);
	float sum = 0;

	for (size_t r = from + warp; r < to && col < a.n; r += WARPS) {
		float v = a.x[r * a.n + col];

		sum += a.times ? v * a.times[r * a.n + col] : v;
	}
	sums[warp][LANE] = sum;
	__syncthreads();
	if (warp == 0 && col < a.n) {
		for (int w = 1; w < WARPS; w++)
			sum += sums[w][LANE];
		a.part[blockIdx.x * a.n + col] = sum;
	}
}

/* Adds up the chunks in their order. */
KERNEL(colsum_all, colsum_args)
{
	size_t col = THREAD, chunks = BLOCKS(a.rows, (size_t)KERNELS_CHUNK);
	float sum = 0;

	if (col >= a.n)
		return;
	for (size_t c = 0; c < chunks; c++)
		sum += a.part[c * a.n + col];
	a.y[col] += sum;
}

void kernels_norm(struct CUstream_st *s, struct kernels_norm n)
{
	struct norm_args a = {n, NULL, NULL, NULL, NULL, NULL, NULL};

	LAUNCH(norm_rows, BLOCKS(n.rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_embed(struct CUstream_st *s, struct kernels_norm n, const uint32_t *ids,
	const uint32_t *pos, const uint8_t *types, const float *word, const float *position,
	const float *type)
{
	struct norm_args a = {n, ids, pos, types, word, position, type};

	LAUNCH(embed_rows, BLOCKS(n.rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_norm_back(struct CUstream_st *s, size_t rows, size_t n, const float *g,
	const float *dz, const float *xhat, const float *rstd, float *ds)
{
	struct norm_back_args a = {rows, n, g, dz, xhat, rstd, ds};

	LAUNCH(norm_back_rows, BLOCKS(rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_colsum(struct CUstream_st *s, size_t rows, size_t n, const float *x,
	const float *times, float *part, float *y)
{
	struct colsum_args a = {rows, n, x, times, part, y};

	LAUNCH(colsum_chunk, kernels_chunks(rows), BLOCKS(n, 32), WARPS * 32, 0, s, a);
	LAUNCH(colsum_all, BLOCKS(n, 256), 1, 256, 0, s, a);
}
