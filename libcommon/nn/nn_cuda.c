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

enum {
	HEAD_FLOATS = 1 << 26, /* of logits held at once */
	TOGETHER = 64          /* tokens of a long sequence, in attention */
};

static float *cuda_alloc(struct nn *nn, size_t n)
{
	return nn_cuda_alloc(nn_cuda_of(nn), n * sizeof(float));
}

static void cuda_free(struct nn *nn, float *p)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (p && !c->failed)
		nn_cuda_free(c, p);
}

static void cuda_put(struct nn *nn, float *dst, const float *host, size_t n)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	nn_cuda_check(c, cudaMemcpyAsync(dst, host, n * sizeof(float), cudaMemcpyHostToDevice,
				 nn_cuda_on(c, NN_TIME_COPY)));
	nn_cuda_check(c, cudaStreamSynchronize(c->stream));
}

static void cuda_get(struct nn *nn, float *host, const float *src, size_t n)
{
	nn_cuda_download(nn_cuda_of(nn), host, src, n * sizeof(float));
}

static void cuda_zero(struct nn *nn, float *p, size_t n)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	nn_cuda_check(c, cudaMemsetAsync(p, 0, n * sizeof(float), nn_cuda_on(c, NN_TIME_COPY)));
	nn_cuda_launched(c);
}

/* ---- activations: bf16 numbers, or fp32 ones if the products are of those ---- */

/* The activation `at` numbers further; a multiple of 8. */
static float *act_at(const struct nn_cuda *c, const float *x, size_t at)
{
	return (float *)((char *)x + nn_cuda_act_bytes(c, at));
}

static float *cuda_room(struct nn *nn, size_t n)
{
	return nn_cuda_alloc(nn_cuda_of(nn), nn_cuda_act_bytes(nn_cuda_of(nn), n));
}

static void cuda_clear(struct nn *nn, float *p, size_t n)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	nn_cuda_check(
		c, cudaMemsetAsync(p, 0, nn_cuda_act_bytes(c, n), nn_cuda_on(c, NN_TIME_COPY)));
	nn_cuda_launched(c);
}

static void cuda_give(struct nn *nn, float *dst, const float *host, size_t n)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	float *there;

	if (!n)
		return;
	there = nn_cuda_floats(c, SPACE_WIDE, n);
	cuda_put(nn, there, host, n);
	kernels_cast(nn_cuda_on(c, NN_TIME_ELEMENT), n, (struct kernels_act){there, 0},
		nn_cuda_act(c, dst));
	nn_cuda_launched(c);
}

static void cuda_take(struct nn *nn, float *host, const float *src, size_t n)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	float *there;

	if (!n)
		return;
	there = nn_cuda_floats(c, SPACE_WIDE, n);
	kernels_cast(nn_cuda_on(c, NN_TIME_ELEMENT), n, nn_cuda_act(c, src),
		(struct kernels_act){there, 0});
	nn_cuda_launched(c);
	cuda_get(nn, host, there, n);
}

/* ---- products ---- */

static size_t cuda_prepared(struct nn *nn UNUSED, size_t n, size_t k)
{
	return (n * k + 1) / 2;
}

/* wt is w as bf16; with fp32 the products take w itself. */
static void cuda_prepare(struct nn *nn, const float *w, float *wt, size_t n, size_t k)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (!c->q.fp32)
		kernels_cast(nn_cuda_on(c, NN_TIME_OPTIM), n * k,
			(struct kernels_act){(void *)w, 0}, (struct kernels_act){wt, 1});
	nn_cuda_launched(c);
}

static const void *weights(const struct nn_cuda *c, const struct nn_dense *d)
{
	return c->q.fp32 ? d->w : d->wt;
}

/* y[rows,n] = x W^T. */
static void product(
	struct nn_cuda *c, size_t rows, const struct nn_dense *d, const void *x, float *y)
{
	nn_cuda_gemm(c, (struct nn_cuda_gemm){.tb = true,
				.m = rows,
				.n = d->n,
				.k = d->k,
				.a = x,
				.b = weights(c, d),
				.to = y});
}

/* dx[rows,k] = dy W, plus more[rows,k] if that is not NULL; rows of dy are ld apart. */
static void product_back(struct nn_cuda *c, size_t rows, const struct nn_dense *d, const void *dy,
	size_t ld, const float *more, float *dx)
{
	nn_cuda_gemm(c, (struct nn_cuda_gemm){.m = rows,
				.n = d->k,
				.k = d->n,
				.lda = ld,
				.a = dy,
				.b = weights(c, d),
				.more = more,
				.to = dx});
}

/*
 * sum[n] += the columns' sums of x[rows,n], and if times is there with[n] those of x times; rows
 * are ld apart.
 */
static void colsum(struct nn_cuda *c, size_t rows, size_t n, size_t ld, const float *x,
	const float *times, float *sum, float *with)
{
	float *part = nn_cuda_floats(c, SPACE_PART, 2 * kernels_chunks(rows) * n);

	kernels_colsum(nn_cuda_on(c, NN_TIME_SUM), rows, n, ld, nn_cuda_act(c, x),
		nn_cuda_act(c, times), part, sum, with);
}

/* The gradients of W and b from dy[rows,n], with rows ld apart, and x[rows,k]. */
static void wgrad(struct nn_cuda *c, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, const float *x, const float *dy, size_t ld)
{
	nn_cuda_gemm(c, (struct nn_cuda_gemm){.ta = true,
				.m = d->n,
				.n = d->k,
				.k = rows,
				.a = dy,
				.b = x,
				.more = g->w,
				.to = g->w,
				.floats = true,
				.lda = ld});
	colsum(c, rows, d->n, ld, dy, NULL, g->b, NULL);
}

/* ---- dense layers ---- */

static void cuda_dense(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const float *x, float *u, float *y)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (!rows)
		return;
	product(c, rows, d, x, y);
	kernels_bias_act(nn_cuda_on(c, NN_TIME_ELEMENT), rows, d->n, d->b, (int)act,
		nn_cuda_act(c, y), nn_cuda_act(c, act == NN_GELU ? u : NULL), nn_cuda_act(c, y));
	nn_cuda_launched(c);
}

static void cuda_dense_back(struct nn *nn, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, enum nn_act act, const float *x, const float *u,
	const float *y, float *dy, float *dx)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (!rows)
		return;
	if (act != NN_LINEAR)
		kernels_act_back(nn_cuda_on(c, NN_TIME_ELEMENT), rows * d->n, (int)act,
			nn_cuda_act(c, act == NN_GELU ? u : y), nn_cuda_act(c, dy));
	wgrad(c, rows, d, g, x, dy, d->n);
	if (dx)
		product_back(c, rows, d, dy, d->n, NULL, dx);
	nn_cuda_launched(c);
}

/* ---- normalisation ---- */

static void cuda_dense_norm(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const struct nn_norm *norm, const float *x, const float *r, float *u, float *z,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	struct kernels_norm k = nn_cuda_norm(c, rows, d->n, norm, z, kept);
	float *sum;

	if (!rows)
		return;
	sum = nn_cuda_acts(c, SPACE_SUM, rows * d->n);
	k.y = nn_cuda_act(c, sum);
	k.r = nn_cuda_act(c, r);
	product(c, rows, d, x, sum);
	if (act == NN_GELU)
		kernels_bias_act(nn_cuda_on(c, NN_TIME_ELEMENT), rows, d->n, d->b, (int)act, k.y,
			nn_cuda_act(c, u), k.y);
	else
		k.bias = d->b;
	kernels_norm(nn_cuda_on(c, NN_TIME_NORM), k);
	nn_cuda_launched(c);
}

void nn_cuda_norm_back(struct nn *nn, size_t rows, size_t n, const struct nn_norm *norm,
	const struct nn_norm_grad *g, const float *dz, const struct nn_kept *kept, float *ds)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (!rows)
		return;
	colsum(c, rows, n, n, dz, kept->xhat, g->b, g->g); /* before ds, which may be dz */
	kernels_norm_back(nn_cuda_on(c, NN_TIME_NORM), rows, n, norm->g, nn_cuda_act(c, dz),
		nn_cuda_act(c, kept->xhat), kept->rstd, nn_cuda_act(c, ds));
	nn_cuda_launched(c);
}

/* ---- the feed-forward half of a layer ---- */

static void cuda_ffn(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_norm *norm, const float *x, float *u, float *z,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	struct kernels_norm k = nn_cuda_norm(c, rows, down->n, norm, z, kept);
	float *wide, *sum;

	if (!rows)
		return;
	wide = nn_cuda_acts(c, SPACE_WIDE, rows * up->n);
	sum = nn_cuda_acts(c, SPACE_SUM, rows * down->n);
	k.y = nn_cuda_act(c, sum);
	k.bias = down->b;
	k.r = nn_cuda_act(c, x);
	product(c, rows, up, x, wide);
	kernels_bias_act(nn_cuda_on(c, NN_TIME_ELEMENT), rows, up->n, up->b, NN_GELU,
		nn_cuda_act(c, wide), nn_cuda_act(c, u), nn_cuda_act(c, wide));
	product(c, rows, down, wide, sum);
	kernels_norm(nn_cuda_on(c, NN_TIME_NORM), k);
	nn_cuda_launched(c);
}

static void cuda_ffn_back(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_dense_grad *gup,
	const struct nn_dense_grad *gdown, const float *x, float *u, const float *ds, float *dx)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	float *du;

	if (!rows)
		return;
	du = nn_cuda_acts(c, SPACE_WIDE, rows * up->n);
	product_back(c, rows, down, ds, down->n, NULL, du);
	kernels_gelu_back(nn_cuda_on(c, NN_TIME_ELEMENT), rows * up->n, nn_cuda_act(c, u),
		nn_cuda_act(c, du));
	wgrad(c, rows, down, gdown, u, ds, down->n); /* u is gelu(u) now */
	wgrad(c, rows, up, gup, x, du, up->n);
	product_back(c, rows, up, du, up->n, ds, dx);
	nn_cuda_launched(c);
}

/* ---- attention ---- */

static const uint32_t *upload_cu(struct nn_cuda *c, const struct nn_batch *b)
{
	const uint32_t *there;
	bool fresh;

	there = nn_cuda_upload(c, UP_CU, b->cu, (b->seqs + 1) * sizeof(*b->cu), &fresh);
	c->tiled = c->tiled && !fresh;
	return there;
}

/*
 * Whether warps work together: then tiles are of more rows. It pays where the average token is in
 * a long sequence.
 */
static bool together(const struct nn_cuda *c, const struct nn_batch *b)
{
	double sum = 0;

	for (size_t s = 0; s < b->seqs; s++) {
		double n = b->cu[s + 1] - b->cu[s];

		sum += n * n;
	}
	return !c->q.fp32 && sum > TOGETHER * (double)b->tokens;
}

/* Each sequence is cut into tiles of rows; see kernels_attn. */
static const uint32_t *upload_tiles(struct nn_cuda *c, const struct nn_batch *b)
{
	size_t n = 0, cap = b->tokens / KERNELS_ATTN_ROWS + b->seqs;
	uint32_t *tile = mem_alloc(2 * cap, sizeof(*tile)), rows = KERNELS_ATTN_ROWS;
	const uint32_t *there;

	c->together = together(c, b);
	if (c->together)
		rows *= KERNELS_ATTN_WARPS;
	for (uint32_t s = 0; s < b->seqs; s++) {
		for (uint32_t r = 0; r < b->cu[s + 1] - b->cu[s]; r += rows) {
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
	struct kernels_attn j = {.tokens = b->tokens, .heads = heads, .h = h};

	if (h / heads > KERNELS_ATTN_WIDTH)
		nn_cuda_fail(c, false, "heads of %zu numbers: the CUDA backend takes at most %d",
			h / heads, KERNELS_ATTN_WIDTH);
	j.qkv = nn_cuda_act(c, qkv);
	j.cu = upload_cu(c, b);
	j.tile = c->tiled ? c->up[UP_TILES].device.p : upload_tiles(c, b);
	j.tiles = c->tiles;
	j.together = c->together;
	return j;
}

static void cuda_attend(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, float *o, float *lse)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	struct kernels_attn j;

	if (!b->tokens)
		return;
	j = attention(c, b, heads, h, qkv);
	j.o = nn_cuda_act(c, o);
	j.lse = lse;
	kernels_attn(nn_cuda_on(c, NN_TIME_ATTEND), j);
	nn_cuda_launched(c);
}

static void cuda_attend_back(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	struct kernels_attn j;

	if (!b->tokens)
		return;
	j = attention(c, b, heads, h, qkv);
	j.o = nn_cuda_act(c, o);
	j.lse = (float *)lse;
	j.dout = nn_cuda_act(c, dout);
	j.dqkv = nn_cuda_act(c, dqkv);
	j.delta = nn_cuda_floats(c, SPACE_PART, b->tokens * heads);
	kernels_attn_back(nn_cuda_on(c, NN_TIME_ATTEND_BACK), j);
	nn_cuda_launched(c);
}

/* ---- rows by index, means ---- */

static void cuda_gather(
	struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *x, float *y)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	const uint32_t *there;

	if (!n)
		return;
	there = nn_cuda_upload(c, UP_ROW, row, n * sizeof(*row), NULL);
	kernels_gather(
		nn_cuda_on(c, NN_TIME_ROWS), n, h, there, nn_cuda_act(c, x), nn_cuda_act(c, y));
	nn_cuda_launched(c);
}

static void cuda_scatter(
	struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *y, float *x)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	const uint32_t *there;

	if (!n)
		return;
	there = nn_cuda_upload(c, UP_ROW, row, n * sizeof(*row), NULL);
	kernels_scatter(
		nn_cuda_on(c, NN_TIME_ROWS), n, h, there, nn_cuda_act(c, y), nn_cuda_act(c, x));
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
	struct nn_cuda *c = nn_cuda_of(nn);
	const uint32_t *cu;
	const float *share;

	if (!b->seqs)
		return;
	cu = upload_cu(c, b);
	share = upload_share(c, b);
	kernels_pool(nn_cuda_on(c, NN_TIME_ROWS), b->seqs, h, cu, share, nn_cuda_act(c, x), v);
	nn_cuda_launched(c);
}

static void cuda_pool_back(
	struct nn *nn, const struct nn_batch *b, size_t h, const float *dv, float *dx)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	const uint32_t *cu;
	const float *share;

	if (!b->seqs)
		return;
	cu = upload_cu(c, b);
	share = upload_share(c, b);
	kernels_pool_back(
		nn_cuda_on(c, NN_TIME_ROWS), b->seqs, h, cu, share, dv, nn_cuda_act(c, dx));
	nn_cuda_launched(c);
}

/* ---- loss ---- */

/*
 * From row to row of n logits and their gradients: with a vocabulary of an odd size cuBLASLt would
 * have no fast way for rows with no gaps, whose addresses are a multiple of two bytes only.
 */
static size_t logits_pitch(size_t n)
{
	return (n + 7) / 8 * 8;
}

/* As classify in nn.h for as many rows as fit; loss and best are on the device. */
static void classify(struct nn_cuda *c, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	size_t ld = logits_pitch(d->n);
	struct kernels_xent e = {.rows = m, .n = d->n, .ld = ld, .b = d->b, .want = want};
	float *logit = nn_cuda_floats(c, SPACE_WIDE, m * ld), *grad = NULL;

	if (dx)
		grad = c->q.fp32 ? logit : nn_cuda_acts(c, SPACE_GRAD, m * ld);
	e.grad = nn_cuda_act(c, grad);
	e.scale = scale;
	e.x = logit;
	e.loss = loss;
	e.best = best;
	nn_cuda_gemm(c, (struct nn_cuda_gemm){.tb = true,
				.m = m,
				.n = d->n,
				.k = d->k,
				.a = x,
				.b = weights(c, d),
				.to = logit,
				.ldto = ld,
				.floats = true});
	kernels_xent(nn_cuda_on(c, NN_TIME_LOSS), e);
	if (!dx)
		return;
	product_back(c, m, d, grad, ld, NULL, dx);
	wgrad(c, m, d, g, x, grad, ld);
}

static void cuda_classify(struct nn *nn, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	size_t most = MAX((size_t)HEAD_FLOATS / logits_pitch(d->n) / NN_ROWS, (size_t)1) * NN_ROWS;
	const uint32_t *wanted;
	float *result, *host;

	if (!m)
		return;
	wanted = nn_cuda_upload(c, UP_WANT, want, m * sizeof(*want), NULL);
	result = nn_cuda_floats(c, SPACE_LOSS, 2 * m);
	for (size_t r = 0; r < m; r += most)
		classify(c, MIN(most, m - r), d, g, wanted + r, scale, act_at(c, x, r * d->k),
			dx ? act_at(c, dx, r * d->k) : NULL, result + r,
			(uint32_t *)(result + m) + r);
	nn_cuda_launched(c);
	host = mem_alloc(2 * m, sizeof(*host)); /* the device is waited for once */
	nn_cuda_download(c, host, result, 2 * m * sizeof(*host));
	memcpy(loss, host, m * sizeof(*loss));
	memcpy(best, host + m, m * sizeof(*best));
	mem_free(host);
}

/* ---- flat arrays ---- */

static void cuda_add(struct nn *nn, size_t n, const float *x, float *y)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (n)
		kernels_add(
			nn_cuda_on(c, NN_TIME_ELEMENT), n, nn_cuda_act(c, x), nn_cuda_act(c, y));
	nn_cuda_launched(c);
}

static double cuda_sumsq(struct nn *nn, size_t n, const float *x)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	double *sum, result;

	if (!n)
		return 0;
	sum = nn_cuda_scratch(c, SPACE_PART, (1 + kernels_sumsq_parts(n)) * sizeof(*sum));
	kernels_sumsq(nn_cuda_on(c, NN_TIME_OPTIM), n, x, sum);
	nn_cuda_launched(c);
	nn_cuda_download(c, &result, sum, sizeof(result));
	return result;
}

static void cuda_adamw(struct nn *nn, size_t n, const struct nn_adamw *o, float *p, const float *g,
	float *m, float *v)
{
	struct nn_cuda *c = nn_cuda_of(nn);
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
	kernels_adamw(nn_cuda_on(c, NN_TIME_OPTIM), k);
	nn_cuda_launched(c);
}

/* ---- opening and closing ---- */

static void cuda_close(struct nn *nn)
{
	struct nn_cuda *c = nn_cuda_of(nn);

	if (c->stream)
		(void)cudaStreamSynchronize(c->stream); /* the device may have been lost */
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
	.room = cuda_room,
	.give = cuda_give,
	.take = cuda_take,
	.clear = cuda_clear,
	.prepared = cuda_prepared,
	.prepare = cuda_prepare,
	.embed = nn_cuda_embed,
	.embed_back = nn_cuda_embed_back,
	.cell = nn_cuda_cell,
	.cell_back = nn_cuda_cell_back,
	.dense = cuda_dense,
	.dense_back = cuda_dense_back,
	.dense_norm = cuda_dense_norm,
	.norm_back = nn_cuda_norm_back,
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
