/*
 * nn_cuda.c: the table of nn.h on an NVIDIA GPU, built as a shared object (see nn_open.h).
 *
 * One idea: an operation is a list of matrix products (nn_cuda_gemm.c) and kernels (kernels.h) put
 * into one stream; the host waits only for results that it wants. No float is added by two blocks
 * at once, so equal input gives equal bits. Shapes as in nn.h; rows beyond T are neither read nor
 * written.
 */
#include "nn/nn_cuda.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { HEAD_FLOATS = 1 << 26 /* of logits held at once */ };

static struct nn_cuda *cuda_of(struct nn *nn)
{
	return (struct nn_cuda *)nn;
}

/* The stream, for work of this kind. */
static cudaStream_t on(struct nn_cuda *c, enum nn_time what)
{
	nn_cuda_mark(c, what);
	return c->stream;
}

static float *cuda_alloc(struct nn *nn, size_t n)
{
	return nn_cuda_alloc(cuda_of(nn), n * sizeof(float));
}

static void cuda_free(struct nn *nn, float *p)
{
	struct nn_cuda *c = cuda_of(nn);

	if (p && !c->failed)
		nn_cuda_check(c, cudaFree(p));
}

static void cuda_put(struct nn *nn, float *dst, const float *host, size_t n)
{
	struct nn_cuda *c = cuda_of(nn);

	nn_cuda_check(c, cudaMemcpyAsync(dst, host, n * sizeof(float), cudaMemcpyHostToDevice,
				 on(c, NN_TIME_COPY)));
	nn_cuda_check(c, cudaStreamSynchronize(c->stream));
}

static void cuda_get(struct nn *nn, float *host, const float *src, size_t n)
{
	nn_cuda_download(cuda_of(nn), host, src, n * sizeof(float));
}

static void cuda_zero(struct nn *nn, float *p, size_t n)
{
	struct nn_cuda *c = cuda_of(nn);

	nn_cuda_check(c, cudaMemsetAsync(p, 0, n * sizeof(float), on(c, NN_TIME_COPY)));
	nn_cuda_launched(c);
}

/* ---- operands ---- */

/* wt is w as bf16; with fp32 the products take w itself. */
static void cuda_prepare(struct nn *nn, const float *w, float *wt, size_t n, size_t k)
{
	struct nn_cuda *c = cuda_of(nn);

	if (!c->q.fp32)
		kernels_cast(on(c, NN_TIME_OPTIM), n * k, w, (uint16_t *)wt);
	nn_cuda_launched(c);
}

static const void *weights(const struct nn_cuda *c, const struct nn_dense *d)
{
	return c->q.fp32 ? d->w : d->wt;
}

/* n numbers as a factor of a product: themselves, or as bf16 in the scratch memory s. */
static const void *operand(struct nn_cuda *c, enum nn_cuda_spaces s, size_t n, const float *x)
{
	uint16_t *h;

	if (c->q.fp32)
		return x;
	h = nn_cuda_scratch(c, s, n * sizeof(*h));
	kernels_cast(on(c, NN_TIME_ELEMENT), n, x, h);
	return h;
}

/* Where a kernel puts n numbers that are only a factor: in `own` if they are fp32, or in s. */
static struct kernels_out factor(struct nn_cuda *c, enum nn_cuda_spaces s, size_t n, float *own)
{
	struct kernels_out o = {.f = own};

	if (!c->q.fp32)
		o = (struct kernels_out){.h = nn_cuda_scratch(c, s, n * sizeof(uint16_t))};
	return o;
}

static const void *factor_of(struct kernels_out o)
{
	return o.h ? (const void *)o.h : o.f;
}

static float *floats(struct nn_cuda *c, enum nn_cuda_spaces s, size_t n)
{
	return nn_cuda_scratch(c, s, n * sizeof(float));
}

/* y[rows,n] = x W^T. */
static void product(
	struct nn_cuda *c, size_t rows, const struct nn_dense *d, const void *x, float *y)
{
	nn_cuda_gemm(c, false, true, rows, d->n, d->k, x, weights(c, d), 0, y);
}

/* dx[rows,k] = dy W. */
static void product_back(
	struct nn_cuda *c, size_t rows, const struct nn_dense *d, const void *dy, float *dx)
{
	nn_cuda_gemm(c, false, false, rows, d->k, d->n, dy, weights(c, d), 0, dx);
}

/* sum[n] += the columns' sums of x[rows,n], or of x times. */
static void colsum(
	struct nn_cuda *c, size_t rows, size_t n, const float *x, const float *times, float *sum)
{
	float *part = floats(c, SPACE_PART, kernels_chunks(rows) * n);

	kernels_colsum(on(c, NN_TIME_SUM), rows, n, x, times, part, sum);
}

/* The gradients of W and b from dy[rows,n], given also as a factor, and the factor x[rows,k]. */
static void wgrad(struct nn_cuda *c, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, const void *x, const float *dy, const void *dyo)
{
	nn_cuda_gemm(c, true, false, d->n, d->k, rows, dyo, x, 1, g->w);
	colsum(c, rows, d->n, dy, NULL, g->b);
}

/* ---- dense layers ---- */

static void cuda_dense(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const float *x, float *u, float *y)
{
	struct nn_cuda *c = cuda_of(nn);

	if (!rows)
		return;
	if (act != NN_GELU)
		u = NULL;
	product(c, rows, d, operand(c, SPACE_A, rows * d->k, x), y);
	kernels_bias_act(on(c, NN_TIME_ELEMENT), rows, d->n, d->b, (int)act, y, u,
		(struct kernels_out){.f = y});
	nn_cuda_launched(c);
}

static void cuda_dense_back(struct nn *nn, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, enum nn_act act, const float *x, const float *u,
	const float *y, float *dy, float *dx)
{
	struct nn_cuda *c = cuda_of(nn);
	const void *dyo;

	if (!rows)
		return;
	if (act != NN_LINEAR)
		kernels_act_back(
			on(c, NN_TIME_ELEMENT), rows * d->n, (int)act, act == NN_GELU ? u : y, dy);
	dyo = operand(c, SPACE_A, rows * d->n, dy);
	wgrad(c, rows, d, g, operand(c, SPACE_B, rows * d->k, x), dy, dyo);
	if (dx)
		product_back(c, rows, d, dyo, dx);
	nn_cuda_launched(c);
}

/* ---- normalisation ---- */

static struct kernels_norm norm_of(
	size_t rows, size_t n, const struct nn_norm *norm, float *z, const struct nn_kept *kept)
{
	return (struct kernels_norm){.rows = rows,
		.n = n,
		.g = norm->g,
		.b = norm->b,
		.eps = norm->eps,
		.z = z,
		.xhat = kept->xhat,
		.rstd = kept->rstd};
}

static void cuda_dense_norm(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const struct nn_norm *norm, const float *x, const float *r, float *u, float *z,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_norm k = norm_of(rows, d->n, norm, z, kept);

	if (!rows)
		return;
	k.y = floats(c, SPACE_SUM, rows * d->n);
	k.r = r;
	product(c, rows, d, operand(c, SPACE_A, rows * d->k, x), k.y);
	if (act == NN_GELU)
		kernels_bias_act(on(c, NN_TIME_ELEMENT), rows, d->n, d->b, (int)act, k.y, u,
			(struct kernels_out){.f = k.y});
	else
		k.bias = d->b;
	kernels_norm(on(c, NN_TIME_NORM), k);
	nn_cuda_launched(c);
}

static void cuda_norm_back(struct nn *nn, size_t rows, size_t n, const struct nn_norm *norm,
	const struct nn_norm_grad *g, const float *dz, const struct nn_kept *kept, float *ds)
{
	struct nn_cuda *c = cuda_of(nn);

	if (!rows)
		return;
	colsum(c, rows, n, dz, kept->xhat, g->g); /* before ds, which may be dz */
	colsum(c, rows, n, dz, NULL, g->b);
	kernels_norm_back(on(c, NN_TIME_NORM), rows, n, norm->g, dz, kept->xhat, kept->rstd, ds);
	nn_cuda_launched(c);
}

/* ---- the feed-forward half of a layer ---- */

static void cuda_ffn(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_norm *norm, const float *x, float *u, float *z,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_norm k = norm_of(rows, down->n, norm, z, kept);
	size_t n = rows * up->n;
	struct kernels_out act;
	float *wide;

	if (!rows)
		return;
	wide = floats(c, SPACE_WIDE, n);
	act = factor(c, SPACE_B, n, wide);
	k.y = floats(c, SPACE_SUM, rows * down->n);
	k.bias = down->b;
	k.r = x;
	product(c, rows, up, operand(c, SPACE_A, rows * up->k, x), wide);
	kernels_bias_act(on(c, NN_TIME_ELEMENT), rows, up->n, up->b, NN_GELU, wide, u, act);
	product(c, rows, down, factor_of(act), k.y);
	kernels_norm(on(c, NN_TIME_NORM), k);
	nn_cuda_launched(c);
}

static void cuda_ffn_back(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_dense_grad *gup,
	const struct nn_dense_grad *gdown, const float *x, float *u, const float *ds, float *dx)
{
	struct nn_cuda *c = cuda_of(nn);
	size_t n = rows * up->n;
	const void *dso, *duo;
	struct kernels_out act;
	uint16_t *dh = NULL;
	float *du;

	if (!rows)
		return;
	du = floats(c, SPACE_WIDE, n);
	dso = operand(c, SPACE_A, rows * down->n, ds);
	act = factor(c, SPACE_B, n, u);
	if (!c->q.fp32)
		dh = nn_cuda_scratch(c, SPACE_C, n * sizeof(*dh));
	duo = dh ? (const void *)dh : du;
	product_back(c, rows, down, dso, du);
	kernels_gelu_back(on(c, NN_TIME_ELEMENT), n, u, du, dh, act);
	wgrad(c, rows, down, gdown, factor_of(act), ds, dso);
	wgrad(c, rows, up, gup, operand(c, SPACE_D, rows * up->k, x), du, duo);
	product_back(c, rows, up, duo, dx);
	kernels_add(on(c, NN_TIME_ELEMENT), rows * up->k, ds, dx);
	nn_cuda_launched(c);
}

/* ---- embeddings ---- */

static const uint32_t *upload_cu(struct nn_cuda *c, const struct nn_batch *b)
{
	const uint32_t *there;
	bool fresh;

	there = nn_cuda_upload(c, UP_CU, b->cu, (b->seqs + 1) * sizeof(*b->cu), &fresh);
	c->tiled = c->tiled && !fresh;
	return there;
}

static void cuda_embed(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e, float *x,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_norm k = norm_of(b->tokens, e->h, &e->norm, x, kept);
	size_t t = b->tokens;
	const uint32_t *ids, *pos;
	const uint8_t *types;

	if (!t)
		return;
	k.y = x;
	ids = nn_cuda_upload(c, UP_IDS, b->ids, t * sizeof(*b->ids), NULL);
	pos = nn_cuda_upload(c, UP_POS, b->pos, t * sizeof(*b->pos), NULL);
	types = nn_cuda_upload(c, UP_TYPES, b->types, t, NULL);
	kernels_embed(on(c, NN_TIME_NORM), k, ids, pos, types, e->word, e->pos, e->type);
	nn_cuda_launched(c);
}

/* Counts the parts that the lists of rows will be cut into; count[i]: items of row i. */
static struct kernels_lists lists_size(const uint32_t *count, size_t rows)
{
	struct kernels_lists l = {0};

	for (size_t i = 0; i < rows; i++) {
		l.lists += count[i] > 0;
		l.chunks += (count[i] + KERNELS_CHUNK - 1) / KERNELS_CHUNK;
	}
	return l;
}

/*
 * The items 0 to n of each row that index names, in their order (a counting sort), as lists on the
 * device; see kernels.h.
 */
static struct kernels_lists lists_make(
	struct nn_cuda *c, enum nn_cuda_uploads u, size_t n, const uint32_t *index)
{
	uint32_t rows = 0, *count, *all, *row, *first, *start, *order, at = 0;
	struct kernels_lists l;
	const uint32_t *there;
	size_t size, list = 0, chunk = 0;

	for (size_t i = 0; i < n; i++)
		rows = MAX(rows, index[i] + 1);
	count = mem_zalloc(rows, sizeof(*count));
	for (size_t i = 0; i < n; i++)
		count[index[i]]++;
	l = lists_size(count, rows);
	size = l.lists + (l.lists + 1) + (l.chunks + 1) + n;
	all = mem_alloc(size, sizeof(*all));
	row = all;
	first = row + l.lists;
	start = first + l.lists + 1;
	order = start + l.chunks + 1;
	for (uint32_t r = 0; r < rows; r++) {
		uint32_t end = at + count[r];

		if (!count[r])
			continue;
		row[list] = r;
		first[list++] = (uint32_t)chunk;
		for (uint32_t i = at; i < end; i += KERNELS_CHUNK)
			start[chunk++] = i;
		count[r] = at; /* from here on: where the next item goes */
		at = end;
	}
	first[list] = (uint32_t)chunk;
	start[chunk] = at;
	for (size_t i = 0; i < n; i++)
		order[count[index[i]]++] = (uint32_t)i;
	there = nn_cuda_upload(c, u, all, size * sizeof(*all), NULL);
	l.row = there;
	l.first = there + (first - all);
	l.start = there + (start - all);
	l.order = there + (order - all);
	mem_free(count);
	mem_free(all);
	return l;
}

/* table[index[i]] += x[i] for i < n; rows of h. u: where the lists go. */
static void add_rows(struct nn_cuda *c, enum nn_cuda_uploads u, size_t n, size_t h,
	const uint32_t *index, const float *x, float *table)
{
	struct kernels_lists l = lists_make(c, u, n, index);
	float *part = floats(c, SPACE_PART, l.chunks * h);

	kernels_sum_lists(on(c, NN_TIME_SUM), l, h, x, part, table);
}

static void cuda_embed_back(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
	const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept)
{
	struct nn_cuda *c = cuda_of(nn);
	size_t t = b->tokens;
	uint32_t *types;

	if (!t)
		return;
	cuda_norm_back(nn, t, e->h, &e->norm, &g->norm, dx, kept, dx);
	types = mem_alloc(t, sizeof(*types));
	for (size_t i = 0; i < t; i++)
		types[i] = b->types[i];
	add_rows(c, UP_WORDS, t, e->h, b->ids, dx, g->word);
	add_rows(c, UP_POSITIONS, t, e->h, b->pos, dx, g->pos);
	add_rows(c, UP_TOKEN_TYPES, t, e->h, types, dx, g->type);
	mem_free(types);
	nn_cuda_launched(c);
}

/* ---- attention ---- */

/* Each sequence is cut into tiles of rows; see kernels_attn. */
static const uint32_t *upload_tiles(struct nn_cuda *c, const struct nn_batch *b)
{
	size_t n = 0, cap = b->tokens / KERNELS_ATTN_ROWS + b->seqs;
	uint32_t *tile = mem_alloc(2 * cap, sizeof(*tile));
	const uint32_t *there;

	for (uint32_t s = 0; s < b->seqs; s++) {
		for (uint32_t r = 0; r < b->cu[s + 1] - b->cu[s]; r += KERNELS_ATTN_ROWS) {
			tile[2 * n] = s;
			tile[2 * n++ + 1] = r;
		}
	}
	c->tiles = n;
	c->tiled = true;
	there = nn_cuda_upload(c, UP_TILES, tile, 2 * n * sizeof(*tile), NULL);
	mem_free(tile);
	return there;
}

static struct kernels_attn attention(
	struct nn_cuda *c, const struct nn_batch *b, size_t heads, size_t h, const float *qkv)
{
	struct kernels_attn j = {.tokens = b->tokens, .heads = heads, .h = h, .qkv = qkv};

	if (h / heads > KERNELS_ATTN_WIDTH)
		nn_cuda_fail(c, false, "heads of %zu numbers: the CUDA backend takes at most %d",
			h / heads, KERNELS_ATTN_WIDTH);
	j.cu = upload_cu(c, b);
	j.tile = c->tiled ? c->up[UP_TILES].device.p : upload_tiles(c, b);
	j.tiles = c->tiles;
	return j;
}

static void cuda_attend(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, float *o, float *lse)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_attn j;

	if (!b->tokens)
		return;
	j = attention(c, b, heads, h, qkv);
	j.o = o;
	j.lse = lse;
	kernels_attn(on(c, NN_TIME_ATTEND), j);
	nn_cuda_launched(c);
}

static void cuda_attend_back(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_attn j;

	if (!b->tokens)
		return;
	j = attention(c, b, heads, h, qkv);
	j.o = (float *)o;
	j.lse = (float *)lse;
	j.dout = dout;
	j.dqkv = dqkv;
	j.delta = floats(c, SPACE_PART, b->tokens * heads);
	kernels_attn_back(on(c, NN_TIME_ATTEND_BACK), j);
	nn_cuda_launched(c);
}

/* ---- rows by index, means ---- */

static void cuda_gather(
	struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *x, float *y)
{
	struct nn_cuda *c = cuda_of(nn);
	const uint32_t *there;

	if (!n)
		return;
	there = nn_cuda_upload(c, UP_ROW, row, n * sizeof(*row), NULL);
	kernels_gather(on(c, NN_TIME_ROWS), n, h, there, x, y);
	nn_cuda_launched(c);
}

static void cuda_scatter(
	struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *y, float *x)
{
	struct nn_cuda *c = cuda_of(nn);
	const uint32_t *there;

	if (!n)
		return;
	there = nn_cuda_upload(c, UP_ROW, row, n * sizeof(*row), NULL);
	kernels_scatter(on(c, NN_TIME_ROWS), n, h, there, y, x);
	nn_cuda_launched(c);
}

static const float *upload_share(struct nn_cuda *c, const struct nn_batch *b)
{
	if (!b->share)
		return NULL;
	return nn_cuda_upload(c, UP_SHARE, b->share, b->tokens * sizeof(*b->share), NULL);
}

static void cuda_pool(struct nn *nn, const struct nn_batch *b, size_t h, const float *x, float *v)
{
	struct nn_cuda *c = cuda_of(nn);
	const uint32_t *cu;
	const float *share;

	if (!b->seqs)
		return;
	cu = upload_cu(c, b);
	share = upload_share(c, b);
	kernels_pool(on(c, NN_TIME_ROWS), b->seqs, h, cu, share, x, v);
	nn_cuda_launched(c);
}

static void cuda_pool_back(
	struct nn *nn, const struct nn_batch *b, size_t h, const float *dv, float *dx)
{
	struct nn_cuda *c = cuda_of(nn);
	const uint32_t *cu;
	const float *share;

	if (!b->seqs)
		return;
	cu = upload_cu(c, b);
	share = upload_share(c, b);
	kernels_pool_back(on(c, NN_TIME_ROWS), b->seqs, h, cu, share, dv, dx);
	nn_cuda_launched(c);
}

/* ---- loss ---- */

/* As classify in nn.h for as many rows as fit; loss and best are on the device. */
static void classify(struct nn_cuda *c, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	const void *xo = operand(c, SPACE_A, m * d->k, x), *dyo;
	struct kernels_xent e = {.rows = m, .n = d->n, .b = d->b, .want = want};

	e.grad = dx != NULL;
	e.scale = scale;
	e.x = floats(c, SPACE_WIDE, m * d->n);
	if (dx && !c->q.fp32)
		e.dh = nn_cuda_scratch(c, SPACE_B, m * d->n * sizeof(*e.dh));
	e.loss = loss;
	e.best = best;
	product(c, m, d, xo, e.x);
	kernels_xent(on(c, NN_TIME_LOSS), e);
	if (!dx)
		return;
	dyo = e.dh ? (const void *)e.dh : e.x;
	product_back(c, m, d, dyo, dx);
	wgrad(c, m, d, g, xo, e.x, dyo);
}

static void cuda_classify(struct nn *nn, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	struct nn_cuda *c = cuda_of(nn);
	size_t most = MAX((size_t)HEAD_FLOATS / d->n, (size_t)NN_ROWS);
	const uint32_t *wanted;
	float *result;

	if (!m)
		return;
	wanted = nn_cuda_upload(c, UP_WANT, want, m * sizeof(*want), NULL);
	result = floats(c, SPACE_LOSS, 2 * m);
	for (size_t r = 0; r < m; r += most)
		classify(c, MIN(most, m - r), d, g, wanted + r, scale, x + r * d->k,
			dx ? dx + r * d->k : NULL, result + r, (uint32_t *)(result + m) + r);
	nn_cuda_launched(c);
	nn_cuda_download(c, loss, result, m * sizeof(*loss));
	nn_cuda_download(c, best, result + m, m * sizeof(*best));
}

/* ---- flat arrays ---- */

static void cuda_add(struct nn *nn, size_t n, const float *x, float *y)
{
	struct nn_cuda *c = cuda_of(nn);

	if (n)
		kernels_add(on(c, NN_TIME_ELEMENT), n, x, y);
	nn_cuda_launched(c);
}

static double cuda_sumsq(struct nn *nn, size_t n, const float *x)
{
	struct nn_cuda *c = cuda_of(nn);
	double *sum, result;

	if (!n)
		return 0;
	sum = nn_cuda_scratch(c, SPACE_PART, (1 + kernels_sumsq_parts(n)) * sizeof(*sum));
	kernels_sumsq(on(c, NN_TIME_OPTIM), n, x, sum);
	nn_cuda_launched(c);
	nn_cuda_download(c, &result, sum, sizeof(result));
	return result;
}

static void cuda_adamw(struct nn *nn, size_t n, const struct nn_adamw *o, float *p, const float *g,
	float *m, float *v)
{
	struct nn_cuda *c = cuda_of(nn);
	struct kernels_adamw k = {.n = n, .p = p, .g = g, .m = m, .v = v};
	double t = (double)o->step;

	if (!n)
		return;
	k.keep = 1.0f - o->lr * o->decay;
	k.rate = o->lr / (float)(1 - pow(o->beta1, t));
	k.inv = 1.0f / sqrtf((float)(1 - pow(o->beta2, t)));
	k.b1 = o->beta1;
	k.b2 = o->beta2;
	k.eps = o->eps;
	k.scale = o->scale;
	kernels_adamw(on(c, NN_TIME_OPTIM), k);
	nn_cuda_launched(c);
}

/* ---- opening and closing ---- */

static void cuda_close(struct nn *nn)
{
	struct nn_cuda *c = cuda_of(nn);

	nn_cuda_release(c);
	nn_cuda_time_free(c);
	if (c->lt)
		cublasLtDestroy(c->lt);
	if (c->stream)
		cudaStreamDestroy(c->stream);
	mem_free(c->plan);
	mem_free(c);
}

static const struct nn_backend table = {
	.name = "cuda",
	.alloc = cuda_alloc,
	.free = cuda_free,
	.put = cuda_put,
	.get = cuda_get,
	.zero = cuda_zero,
	.prepare = cuda_prepare,
	.embed = cuda_embed,
	.embed_back = cuda_embed_back,
	.dense = cuda_dense,
	.dense_back = cuda_dense_back,
	.dense_norm = cuda_dense_norm,
	.norm_back = cuda_norm_back,
	.attend = cuda_attend,
	.attend_back = cuda_attend_back,
	.ffn = cuda_ffn,
	.ffn_back = cuda_ffn_back,
	.gather = cuda_gather,
	.scatter = cuda_scatter,
	.pool = cuda_pool,
	.pool_back = cuda_pool_back,
	.classify = cuda_classify,
	.add = cuda_add,
	.sumsq = cuda_sumsq,
	.adamw = cuda_adamw,
	.close = cuda_close,
};

/* CUDA 12020 is version 12.2. */
#define VERSION(v) (v) / 1000, (v) % 1000 / 10

static int no_device(cudaError_t why, struct err *e)
{
	int driver = 0;

	(void)cudaDriverGetVersion(&driver);
	if (why == cudaErrorInsufficientDriver && driver == 0)
		return err_set(e, "no NVIDIA driver is installed");
	if (why == cudaErrorInsufficientDriver)
		return err_set(e,
			"the NVIDIA driver is too old: it serves CUDA up to %d.%d, and bb was "
			"built with CUDA %d.%d",
			VERSION(driver), VERSION(CUDART_VERSION));
	if (why == cudaErrorNoDevice || why == cudaSuccess)
		return err_set(e, "there is no CUDA device");
	return err_set(e, "%s (%s)", cudaGetErrorString(why), cudaGetErrorName(why));
}

static int open_device(struct nn_cuda *c, struct err *e)
{
	int count = 0, major = 0, minor = 0;
	cudaError_t why = cudaGetDeviceCount(&count);
	struct cudaDeviceProp prop;

	if (why != cudaSuccess || count == 0)
		return no_device(why, e);
	if ((why = cudaSetDevice(0)) != cudaSuccess ||
		(why = cudaGetDeviceProperties(&prop, 0)) != cudaSuccess)
		return no_device(why, e);
	major = prop.major;
	minor = prop.minor;
	if (major < 8)
		return err_set(e, "%s has compute capability %d.%d; 8.0 or more is needed",
			prop.name, major, minor);
	if ((why = cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking)) != cudaSuccess)
		return no_device(why, e);
	if (cublasLtCreate(&c->lt) != CUBLAS_STATUS_SUCCESS)
		return err_set(e, "cuBLASLt cannot be used");
	snprintf(c->nn.about, sizeof(c->nn.about), "%.60s, %.0f GiB, %s", prop.name,
		(double)prop.totalGlobalMem / (1 << 30), c->q.fp32 ? "fp32" : "bf16");
	return 0;
}

__attribute__((visibility("default"))) struct nn *nn_cuda_open(
	const struct nn_request *q, struct err *e)
{
	struct nn_cuda *c = mem_zalloc(1, sizeof(*c));

	c->nn.op = &table;
	c->q = *q;
	if (open_device(c, e) == 0)
		return &c->nn;
	cuda_close(&c->nn);
	return NULL;
}
