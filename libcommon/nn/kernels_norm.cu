/*
 * kernels_norm.cu: layer normalisation, one warp to a row, and sums over columns; see kernels.h.
 *
 * A lane has eight columns of its row, then the eight 256 columns further, and so on. Rows of up to
 * HELD numbers stay in registers; of longer ones the rest is read again.
 */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { WARPS = 8 /* rows of a block */, PER = 8, STEP = 32 * PER, STEPS = 4, HELD = STEPS * STEP };

struct norm_args {
	struct kernels_norm n;
	struct kernels_embed e; /* ids NULL: it is not the embedding layer */
};

DEVICE void more(struct eight *y, struct eight x)
{
	UNROLL
	for (int k = 0; k < PER; k++)
		y->v[k] += x.v[k];
}

/* The columns c to c+8 of the vector of a value; its halves meet at n/2, perhaps among them. */
DEVICE struct eight value_get8(const struct kernels_embed *e, size_t value, size_t c, size_t n)
{
	size_t half = n / 2, at = value * half;
	struct eight x;

	if (c >= half)
		return act_get8(e->vector[1], at + c - half, at + half);
	if (c + PER <= half)
		return act_get8(e->vector[0], at + c, at + half);
	UNROLL
	for (int k = 0; k < PER; k++) {
		size_t col = c + (size_t)k;

		x.v[k] = col < half       ? act_get(e->vector[0], at + col)
			 : col < 2 * half ? act_get(e->vector[1], at + col - half)
					  : 0;
	}
	return x;
}

/* The columns c to c+8 of what the embedding layer normalises. */
DEVICE struct eight embedded(const struct kernels_embed *e, size_t row, size_t c, size_t n)
{
	struct eight y = floats_get8(e->word + e->ids[row] * n, c, n);

	more(&y, floats_get8(e->position + e->pos[row] * n, c, n));
	more(&y, floats_get8(e->type + e->types[row] * n, c, n));
	if (e->operand)
		more(&y, floats_get8(e->operand + e->op[row] * n, c, n));
	if (e->vector[0].p)
		more(&y, value_get8(e, e->value[row], c, n));
	return y;
}

/* The columns c to c+8 of a row before normalisation. */
DEVICE struct eight summed(const struct norm_args *a, size_t row, size_t c)
{
	size_t n = a->n.n, at = row * n + c, end = row * n + n;
	struct eight y;

	if (a->e.ids)
		return embedded(&a->e, row, c, n);
	y = act_get8(a->n.y, at, end);
	if (a->n.bias)
		more(&y, floats_get8(a->n.bias, c, n));
	if (a->n.r.p)
		more(&y, act_get8(a->n.r, at, end));
	return y;
}

DEVICE float sum_of(struct eight e)
{
	float s = 0;

	UNROLL
	for (int k = 0; k < PER; k++)
		s += e.v[k];
	return s;
}

/* The sum of the squared differences from the mean, of the columns before n. */
DEVICE float spread_of(struct eight e, float mean, size_t c, size_t n)
{
	float s = 0;

	UNROLL
	for (int k = 0; k < PER; k++) {
		float d = c + (size_t)k < n ? e.v[k] - mean : 0;

		s += d * d;
	}
	return s;
}

/* z = x g + b and x itself, x = (e - mean) rstd. */
DEVICE void normalise(
	const struct kernels_norm *k, size_t row, size_t c, struct eight e, float mean, float rstd)
{
	size_t at = row * k->n + c, end = row * k->n + k->n;
	struct eight g = floats_get8(k->g, c, k->n), b = floats_get8(k->b, c, k->n);

	UNROLL
	for (int i = 0; i < PER; i++)
		e.v[i] = (e.v[i] - mean) * rstd;
	if (k->xhat.p)
		act_put8(k->xhat, at, end, e);
	UNROLL
	for (int i = 0; i < PER; i++)
		e.v[i] = e.v[i] * g.v[i] + b.v[i];
	act_put8(k->z, at, end, e);
}

/*
 * z = (y - mean) / sqrt(var + eps) g + b for each row y. The variance is that of the differences
 * from the mean. z may be y: a lane has read its columns before it writes them, for the columns
 * that it does not hold in each pass.
 */
KERNEL(norm_rows, norm_args, WARPS * 32, 2)
{
	size_t row = WARP, n = a.n.n, first = (size_t)LANE * PER;
	struct eight held[STEPS];
	float sum = 0, var = 0, mean, rstd;

	if (row >= a.n.rows)
		return;
	UNROLL
	for (int i = 0; i < STEPS; i++) {
		size_t c = first + (size_t)i * STEP;

		if (c < n) {
			held[i] = summed(&a, row, c);
			sum += sum_of(held[i]);
		}
	}
	for (size_t c = first + HELD; c < n; c += STEP)
		sum += sum_of(summed(&a, row, c));
	mean = warp_sum(sum) / (float)n;
	UNROLL
	for (int i = 0; i < STEPS; i++) {
		size_t c = first + (size_t)i * STEP;

		if (c < n)
			var += spread_of(held[i], mean, c, n);
	}
	for (size_t c = first + HELD; c < n; c += STEP)
		var += spread_of(summed(&a, row, c), mean, c, n);
	rstd = 1.0f / sqrtf(warp_sum(var) / (float)n + a.n.eps);
	UNROLL
	for (int i = 0; i < STEPS; i++) {
		size_t c = first + (size_t)i * STEP;

		if (c < n)
			normalise(&a.n, row, c, held[i], mean, rstd);
	}
	for (size_t c = first + HELD; c < n; c += STEP)
		normalise(&a.n, row, c, summed(&a, row, c), mean, rstd);
	if (a.n.xhat.p && LANE == 0)
		a.n.rstd[row] = rstd;
}

struct norm_back_args {
	size_t rows, n;
	const float *g, *rstd;
	struct kernels_act dz, xhat, ds;
};

/* d = g dz and xhat of eight columns. */
struct slope {
	struct eight d, x;
};

DEVICE struct slope slope_of(const struct norm_back_args *a, size_t row, size_t c)
{
	size_t at = row * a->n + c, end = row * a->n + a->n;
	struct eight g = floats_get8(a->g, c, a->n);
	struct slope s = {act_get8(a->dz, at, end), act_get8(a->xhat, at, end)};

	UNROLL
	for (int k = 0; k < PER; k++)
		s.d.v[k] *= g.v[k];
	return s;
}

DEVICE float dot_of(const struct slope *s)
{
	float sum = 0;

	UNROLL
	for (int k = 0; k < PER; k++)
		sum += s->d.v[k] * s->x.v[k];
	return sum;
}

/* ds = rstd (d - mean(d) - xhat mean(d xhat)). */
DEVICE void put_slope(
	const struct norm_back_args *a, size_t row, size_t c, struct slope s, float mean, float dot)
{
	float rstd = a->rstd[row];

	UNROLL
	for (int k = 0; k < PER; k++)
		s.d.v[k] = (s.d.v[k] - mean - s.x.v[k] * dot) * rstd;
	act_put8(a->ds, row * a->n + c, row * a->n + a->n, s.d);
}

KERNEL(norm_back_rows, norm_back_args, WARPS * 32, 2)
{
	size_t row = WARP, n = a.n, first = (size_t)LANE * PER;
	struct slope held[STEPS];
	float sum = 0, dot = 0;

	if (row >= a.rows)
		return;
	UNROLL
	for (int i = 0; i < STEPS; i++) {
		size_t c = first + (size_t)i * STEP;

		if (c < n) {
			held[i] = slope_of(&a, row, c);
			sum += sum_of(held[i].d);
			dot += dot_of(&held[i]);
		}
	}
	for (size_t c = first + HELD; c < n; c += STEP) {
		struct slope s = slope_of(&a, row, c);

		sum += sum_of(s.d);
		dot += dot_of(&s);
	}
	sum = warp_sum(sum) / (float)n;
	dot = warp_sum(dot) / (float)n;
	UNROLL
	for (int i = 0; i < STEPS; i++) {
		size_t c = first + (size_t)i * STEP;

		if (c < n)
			put_slope(&a, row, c, held[i], sum, dot);
	}
	for (size_t c = first + HELD; c < n; c += STEP)
		put_slope(&a, row, c, slope_of(&a, row, c), sum, dot);
}

struct colsum_args {
	size_t rows, n, ld, chunks;
	struct kernels_act x, times;
	float *part; /* [chunks,n], then the same of the products with times */
	float *y, *yt;
};

/* part[c] = the sum over the warps of their eight columns; both barriers are the block's. */
DEVICE void gather_columns(float sums[WARPS][STEP], struct eight own, size_t n, float *part)
{
	size_t warp = threadIdx.x / 32;

	UNROLL
	for (int k = 0; k < PER; k++)
		sums[warp][LANE * PER + (unsigned)k] = own.v[k];
	__syncthreads();
	for (size_t c = threadIdx.x; c < STEP; c += WARPS * 32) {
		size_t col = (size_t)blockIdx.y * STEP + c;
		float sum = 0;

		for (int w = 0; w < WARPS; w++)
			sum += sums[w][c];
		if (col < n)
			part[blockIdx.x * n + col] = sum;
	}
	__syncthreads();
}

/* A block sums 256 columns of a chunk of rows: each warp every eighth row. */
KERNEL(colsum_chunk, colsum_args, WARPS * 32, 4)
{
	__shared__ float sums[WARPS][STEP];
	size_t c = (size_t)blockIdx.y * STEP + (size_t)LANE * PER;
	size_t from = (size_t)blockIdx.x * KERNELS_CHUNK;
	size_t to = MIN(from + KERNELS_CHUNK, a.rows);
	struct eight sum = {{0, 0, 0, 0, 0, 0, 0, 0}}, with = sum;

	for (size_t r = from + threadIdx.x / 32; r < to && c < a.n; r += WARPS) {
		size_t end = r * a.ld + a.n;
		struct eight x = act_get8(a.x, r * a.ld + c, end);

		UNROLL
		for (int k = 0; k < PER; k++)
			sum.v[k] += x.v[k];
		if (a.times.p) {
			struct eight t = act_get8(a.times, r * a.ld + c, end);

			UNROLL
			for (int k = 0; k < PER; k++)
				with.v[k] += x.v[k] * t.v[k];
		}
	}
	gather_columns(sums, sum, a.n, a.part);
	if (a.times.p)
		gather_columns(sums, with, a.n, a.part + a.chunks * a.n);
}

/* Adds up the chunks: a block has 32 columns, each warp every eighth chunk. */
KERNEL(colsum_all, colsum_args, WARPS * 32, 8)
{
	__shared__ float sums[WARPS][32];
	const float *part = a.part + blockIdx.y * a.chunks * a.n;
	size_t col = (size_t)blockIdx.x * 32 + LANE, warp = threadIdx.x / 32;
	float sum = 0, *y = blockIdx.y ? a.yt : a.y;

	for (size_t c = warp; c < a.chunks && col < a.n; c += WARPS)
		sum += part[c * a.n + col];
	sums[warp][LANE] = sum;
	__syncthreads();
	if (warp == 0 && col < a.n) {
		for (int w = 1; w < WARPS; w++)
			sum += sums[w][LANE];
		y[col] += sum;
	}
}

void kernels_norm(struct CUstream_st *s, struct kernels_norm n)
{
	const struct kernels_act no = {NULL, 0};
	const struct kernels_embed none = {
		NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {no, no}};
	struct norm_args a = {n, none};

	LAUNCH(norm_rows, BLOCKS(n.rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_embed(struct CUstream_st *s, struct kernels_norm n, struct kernels_embed e)
{
	struct norm_args a = {n, e};

	LAUNCH(norm_rows, BLOCKS(n.rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_norm_back(struct CUstream_st *s, size_t rows, size_t n, const float *g,
	struct kernels_act dz, struct kernels_act xhat, const float *rstd, struct kernels_act ds)
{
	struct norm_back_args a = {rows, n, g, rstd, dz, xhat, ds};

	LAUNCH(norm_back_rows, BLOCKS(rows, WARPS), 1, WARPS * 32, 0, s, a);
}

void kernels_colsum(struct CUstream_st *s, size_t rows, size_t n, size_t ld, struct kernels_act x,
	struct kernels_act times, float *part, float *y, float *yt)
{
	struct colsum_args a = {rows, n, ld, kernels_chunks(rows), x, times, part, y, yt};

	LAUNCH(colsum_chunk, a.chunks, BLOCKS(n, STEP), WARPS * 32, 0, s, a);
	LAUNCH(colsum_all, BLOCKS(n, 32), times.p ? 2 : 1, WARPS * 32, 0, s, a);
}
