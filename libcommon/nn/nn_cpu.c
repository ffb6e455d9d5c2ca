/*
 * nn_cpu.c: the table of nn.h on the CPU; the only home of oneDNN.
 *
 * One idea: work is cut into tiles that depend on the shapes alone, and each tile is one oneDNN
 * product in one thread with its elementwise work done while the tile is in that core's cache.
 * Forward and input gradients: NN_ROWS rows of the batch, always exactly that many, so that the
 * product has the same shape, and a row the same bits, in any batch. Weight gradients: blocks of
 * the weight matrix, each the sum over all rows, piece by piece. So results do not depend on the
 * number of threads.
 */
#include "nn/nn_cpu.h"

#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "nn/nn_cpu_bf16.h"
#include "nn/nn_cpu_int8.h"
#include "nn/nn_cpu_vec.h"

enum {
	BLOCK_N = 96,     /* rows of a weight-gradient block */
	BLOCK_K = 384,    /* its columns */
	BLOCK_ROWS = 256, /* rows of the batch that go into all blocks before the next ones do */
	BLOCK_COL = 64,   /* columns of an embedding table done together */
	HEAD_ROWS = 1024, /* rows of logits held at once */
	GROUP_ROWS = 256, /* of each thread, in passes that are best cut */
	CHUNK = 16384     /* floats of a task over flat arrays */
};

/* From libgomp, which oneDNN runs on. */
void omp_set_num_threads(int n);

float *nn_cpu_scratch(struct nn_cpu_space *s, size_t n)
{
	if (s->n < n) {
		mem_free(s->p);
		s->p = mem_aligned(n, sizeof(float));
		s->n = n;
	}
	return s->p;
}

struct stoppable {
	void (*fn)(void *ctx, size_t i, unsigned worker);
	void *ctx;
	const volatile sig_atomic_t *stop;
};

static void unless_stopped(void *ctx, size_t i, unsigned worker)
{
	const struct stoppable *s = ctx;

	if (!*s->stop)
		s->fn(s->ctx, i, worker);
}

void nn_cpu_for(
	struct nn_cpu *cpu, size_t n, void (*fn)(void *ctx, size_t i, unsigned worker), void *ctx)
{
	struct stoppable s = {fn, ctx, cpu->nn.stop};

	if (s.stop)
		par_for(cpu->par, n, unless_stopped, &s);
	else
		par_for(cpu->par, n, fn, ctx);
}

void nn_cpu_alone(void)
{
	static _Thread_local bool alone;

	if (!alone) {
		omp_set_num_threads(1); /* a setting of the calling thread */
		alone = true;
	}
}

void nn_cpu_give_up(void)
{
	abort();
}

void nn_cpu_gemm(char ta, char tb, size_t m, size_t n, size_t k, const float *a, size_t lda,
	const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
	nn_cpu_alone();
	if (dnnl_sgemm(ta, tb, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a,
		    (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, beta, c, (dnnl_dim_t)ldc) != dnnl_success)
		nn_cpu_give_up(); /* the shapes are ours */
}

static struct nn_cpu *cpu_of(struct nn *nn)
{
	return (struct nn_cpu *)nn;
}

static float *cpu_alloc(struct nn *nn UNUSED, size_t n)
{
	return mem_aligned(n, sizeof(float));
}

static void cpu_free(struct nn *nn UNUSED, float *p)
{
	mem_free(p);
}

static void cpu_put(struct nn *nn UNUSED, float *dst, const float *host, size_t n)
{
	memcpy(dst, host, n * sizeof(float));
}

static void cpu_get(struct nn *nn UNUSED, float *host, const float *src, size_t n)
{
	memcpy(host, src, n * sizeof(float));
}

static void cpu_zero(struct nn *nn UNUSED, float *p, size_t n)
{
	memset(p, 0, n * sizeof(float));
}

/* What the tasks of one operation need; each operation sets what it uses. */
struct job {
	struct nn_cpu *cpu;
	const struct nn_batch *b;
	size_t rows, n, k;
	const struct nn_dense *d, *d2;
	const struct nn_dense_grad *gd, *gd2;
	const struct nn_norm *norm;
	const struct nn_embed *e;
	const struct nn_embed_grad *ge;
	const struct nn_kept *kept;
	const struct nn_adamw *o;
	enum nn_act act;
	const uint32_t *index;
	const float *x, *r, *y, *dy, *w;
	float *u, *z, *dx, *out, *part, *m, *v;
	float scale;
	float *loss;
	uint32_t *best;
	double *sum;
};

static void tiles(struct job *j, void (*fn)(void *, size_t, unsigned))
{
	nn_cpu_for(j->cpu, nn_rows(j->rows) / NN_ROWS, fn, j);
}

/*
 * Matrices are multiplied fastest when the second one is stored by rows of its outputs (oneDNN
 * then reads it in place), so wt[k,n] is w[n,k] transposed.
 */
static void prepare_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t k0 = i * 16, k1 = MIN(k0 + 16, j->k);

	for (size_t n0 = 0; n0 < j->n; n0 += 16) {
		size_t n1 = MIN(n0 + 16, j->n);

		for (size_t k = k0; k < k1; k++)
			for (size_t n = n0; n < n1; n++)
				j->out[k * j->n + n] = j->w[n * j->k + k];
	}
}

static void cpu_prepare(struct nn *nn, const float *w, float *wt, size_t n, size_t k)
{
	struct job j = {.cpu = cpu_of(nn), .n = n, .k = k, .w = w, .out = wt};

	if (j.cpu->bf16)
		nn_cpu_bf16_prepare(j.cpu, w, wt, n, k);
	else
		par_for(j.cpu->par, (k + 15) / 16, prepare_task, &j);
}

/* x and out: tile i of NN_ROWS rows, out[64,n] = x[64,k] W^T. */
static void product(
	const struct job *j, unsigned worker, const struct nn_dense *d, const float *x, float *out)
{
	if (j->cpu->bf16)
		nn_cpu_bf16_product(j->cpu, worker, d, x, out);
	else
		nn_cpu_gemm('N', 'N', NN_ROWS, d->n, d->k, x, d->k, d->wt, d->n, 0, out, d->n);
}

/* dx[64,k] = dy[64,n] W. */
static void product_back(
	const struct job *j, unsigned worker, const struct nn_dense *d, const float *dy, float *dx)
{
	if (j->cpu->bf16)
		nn_cpu_bf16_product_back(j->cpu, worker, d, dy, dx);
	else
		nn_cpu_gemm('N', 'N', NN_ROWS, d->k, d->n, dy, d->n, d->w, d->k, 0, dx, d->k);
}

/* Weight gradients of one or two layers: the blocks of both are one list of tasks. */
struct wgrad {
	const struct nn_dense *d;
	const struct nn_dense_grad *g;
	const float *x, *dy; /* [T,k], [T,n] */
};

struct wgrad_job {
	struct wgrad l[2];
	size_t tasks[2];
	size_t at, rows; /* the piece of the batch that is added now */
};

static size_t blocks(size_t n, size_t block)
{
	return (n + block - 1) / block;
}

static void wgrad_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct wgrad_job *j = ctx;
	const struct wgrad *l = &j->l[i >= j->tasks[0]];
	size_t t = i >= j->tasks[0] ? i - j->tasks[0] : i;
	size_t nb = blocks(l->d->n, BLOCK_N), n = l->d->n, k = l->d->k;
	size_t n0 = t % nb * BLOCK_N, k0 = t / nb * BLOCK_K;
	size_t dn = MIN((size_t)BLOCK_N, n - n0), dk = MIN((size_t)BLOCK_K, k - k0);

	if (k0 == 0)
		nn_cpu_vec_colsum(j->rows, dn, n, l->dy + j->at * n + n0, l->g->b + n0);
	nn_cpu_gemm('T', 'N', dn, dk, j->rows, l->dy + j->at * n + n0, n, l->x + j->at * k + k0, k,
		1, l->g->w + n0 * k + k0, k);
}

static void wgrad(struct nn_cpu *cpu, size_t rows, struct wgrad a, struct wgrad b)
{
	struct wgrad_job j = {.l = {a, b}};

	if (cpu->bf16) {
		struct nn_cpu_bf16_grad l[2] = {0};

		for (int i = 0; i < 2; i++)
			if (j.l[i].d)
				l[i] = (struct nn_cpu_bf16_grad){j.l[i].x, j.l[i].dy, j.l[i].g->w,
					j.l[i].g->b, j.l[i].d->n, j.l[i].d->k};
		nn_cpu_bf16_wgrad(cpu, rows, l);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (j.l[i].d)
			j.tasks[i] = blocks(j.l[i].d->n, BLOCK_N) * blocks(j.l[i].d->k, BLOCK_K);
	for (; j.at < rows; j.at += BLOCK_ROWS) {
		j.rows = MIN((size_t)BLOCK_ROWS, rows - j.at);
		nn_cpu_for(cpu, j.tasks[0] + j.tasks[1], wgrad_task, &j);
	}
}

static void dense_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t at = i * NN_ROWS * j->d->n;
	float *y = j->z + at, *u = j->u ? j->u + at : y;

	if (j->d->int8 && j->act == NN_LINEAR) {
		nn_cpu_int8_product(
			j->cpu, worker, j->d->int8, j->x + i * NN_ROWS * j->d->k, j->d->b, y);
		return;
	}
	product(j, worker, j->d, j->x + i * NN_ROWS * j->d->k, u);
	switch (j->act) {
	case NN_GELU: nn_cpu_vec_bias_gelu(NN_ROWS, j->d->n, j->d->b, u, y); break;
	case NN_TANH: nn_cpu_vec_bias_tanh(NN_ROWS, j->d->n, j->d->b, y); break;
	case NN_LINEAR: nn_cpu_vec_bias(NN_ROWS, j->d->n, j->d->b, y); break;
	}
}

static void cpu_dense(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const float *x, float *u, float *y)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = d, .act = act, .x = x, .z = y};

	j.u = act == NN_GELU ? u : NULL;
	tiles(&j, dense_task);
}

static void dense_back_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t n = j->d->n, at = i * NN_ROWS * n;

	if (j->act == NN_GELU)
		nn_cpu_vec_gelu_grad(NN_ROWS * n, j->u + at, j->z + at);
	else if (j->act == NN_TANH)
		nn_cpu_vec_tanh_grad(NN_ROWS * n, j->y + at, j->z + at);
	if (j->dx)
		product_back(j, worker, j->d, j->z + at, j->dx + i * NN_ROWS * j->d->k);
}

static void cpu_dense_back(struct nn *nn, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, enum nn_act act, const float *x, const float *u,
	const float *y, float *dy, float *dx)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = d, .act = act, .y = y, .z = dy};

	j.u = (float *)u;
	j.dx = dx;
	tiles(&j, dense_back_task);
	wgrad(j.cpu, rows, (struct wgrad){d, g, x, dy}, (struct wgrad){0});
}

/* Normalises a tile of sums y into z, keeping what the backward pass needs. */
static void norm_tile(
	const struct job *j, size_t i, size_t n, const float *bias, const float *r, float *y)
{
	size_t at = i * NN_ROWS * n;
	float *xhat = j->kept->xhat, *rstd = j->kept->rstd;

	nn_cpu_vec_norm(NN_ROWS, n, bias, r, j->norm->g, j->norm->b, j->norm->eps, y, j->z + at,
		xhat ? xhat + at : NULL, xhat ? rstd + i * NN_ROWS : NULL);
}

static void dense_norm_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t n = j->d->n, at = i * NN_ROWS * n;
	float *own = nn_cpu_scratch(&j->cpu->own[worker], NN_ROWS * n);
	float *u = j->u ? j->u + at : own;

	if (j->d->int8)
		nn_cpu_int8_product(
			j->cpu, worker, j->d->int8, j->x + i * NN_ROWS * j->d->k, NULL, u);
	else
		product(j, worker, j->d, j->x + i * NN_ROWS * j->d->k, u);
	if (j->act == NN_GELU)
		nn_cpu_vec_bias_gelu(NN_ROWS, n, j->d->b, u, own);
	norm_tile(j, i, n, j->act == NN_GELU ? NULL : j->d->b, j->r ? j->r + at : NULL, own);
}

static void cpu_dense_norm(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const struct nn_norm *norm, const float *x, const float *r, float *u, float *z,
	const struct nn_kept *kept)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = d, .act = act, .norm = norm};

	j.x = x;
	j.r = r;
	j.u = act == NN_GELU ? u : NULL;
	j.z = z;
	j.kept = kept;
	tiles(&j, dense_norm_task);
}

/* Each tile sums the gradients of gain and offset apart; they are added in the tiles' order. */
static void norm_back_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t n = j->n, at = i * NN_ROWS * n, rows = MIN((size_t)NN_ROWS, j->rows - i * NN_ROWS);
	float *part = j->part + i * 2 * n;

	memset(part, 0, 2 * n * sizeof(*part));
	nn_cpu_vec_norm_back(rows, n, j->norm->g, j->dy + at, j->kept->xhat + at,
		j->kept->rstd + i * NN_ROWS, j->dx + at, part, part + n);
	memset(j->dx + at + rows * n, 0, (NN_ROWS - rows) * n * sizeof(float));
}

static void cpu_norm_back(struct nn *nn, size_t rows, size_t n, const struct nn_norm *norm,
	const struct nn_norm_grad *g, const float *dz, const struct nn_kept *kept, float *ds)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .n = n, .norm = norm, .kept = kept};
	size_t ntiles = nn_rows(rows) / NN_ROWS;

	j.dy = dz;
	j.dx = ds;
	j.part = nn_cpu_scratch(&j.cpu->part, ntiles * 2 * n);
	tiles(&j, norm_back_task);
	for (size_t i = 0; i < ntiles; i++) {
		nn_cpu_vec_axpy(n, 1, j.part + i * 2 * n, g->g);
		nn_cpu_vec_axpy(n, 1, j.part + i * 2 * n + n, g->b);
	}
}

static void ffn_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t f = j->d->n, h = j->d->k;
	const float *x = j->x + i * NN_ROWS * h;
	float *act = nn_cpu_scratch(&j->cpu->own[worker], NN_ROWS * (f + h));
	float *y = act + NN_ROWS * f, *u = j->u ? j->u + i * NN_ROWS * f : act;

	if (j->d->int8) {
		nn_cpu_int8_ffn(j->cpu, worker, j->d->int8, j->d->b, j->d2->int8, x, y);
	} else {
		product(j, worker, j->d, x, u);
		nn_cpu_vec_bias_gelu(NN_ROWS, f, j->d->b, u, act);
		product(j, worker, j->d2, act, y);
	}
	norm_tile(j, i, h, j->d2->b, x, y);
}

static void cpu_ffn(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_norm *norm, const float *x, float *u, float *z,
	const struct nn_kept *kept)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = up, .d2 = down, .norm = norm};

	j.x = x;
	j.u = u;
	j.z = z;
	j.kept = kept;
	tiles(&j, ffn_task);
}

static void ffn_back_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t f = j->d->n, h = j->d->k, at = i * NN_ROWS * h;
	float *u = j->u + i * NN_ROWS * f, *du = j->out + i * NN_ROWS * f;

	product_back(j, worker, j->d2, j->dy + at, du);
	nn_cpu_vec_gelu_back(NN_ROWS * f, u, du); /* du, and u becomes gelu(u) */
	product_back(j, worker, j->d, du, j->dx + at);
	nn_cpu_vec_axpy(NN_ROWS * h, 1, j->dy + at, j->dx + at);
}

static void cpu_ffn_back(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_dense_grad *gup,
	const struct nn_dense_grad *gdown, const float *x, float *u, const float *ds, float *dx)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = up, .d2 = down, .u = u};

	j.dy = ds;
	j.dx = dx;
	j.out = nn_cpu_scratch(&j.cpu->wide, nn_rows(rows) * up->n);
	tiles(&j, ffn_back_task);
	wgrad(j.cpu, rows, (struct wgrad){up, gup, x, j.out}, (struct wgrad){down, gdown, u, ds});
}

static void embed_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	const struct nn_embed *e = j->e;
	const struct nn_batch *b = j->b;
	size_t h = e->h, t0 = i * NN_ROWS, t1 = MIN(t0 + NN_ROWS, b->tokens);

	for (size_t t = t0; t < t1; t++)
		nn_cpu_vec_sum3(h, e->word + b->ids[t] * h, e->pos + b->pos[t] * h,
			e->type + b->types[t] * h, j->z + t * h);
	memset(j->z + t1 * h, 0, (t0 + NN_ROWS - t1) * h * sizeof(float));
	norm_tile(j, i, h, NULL, NULL, j->z + t0 * h);
}

static void cpu_embed(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e, float *x,
	const struct nn_kept *kept)
{
	struct job j = {.cpu = cpu_of(nn), .b = b, .rows = b->tokens, .e = e, .kept = kept};

	j.norm = &e->norm;
	j.z = x;
	tiles(&j, embed_task);
}

/* All tokens, a few columns: several tokens may add to one row of a table. */
static void embed_back_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	const struct nn_batch *b = j->b;
	size_t h = j->e->h, c = i * BLOCK_COL, n = MIN((size_t)BLOCK_COL, h - c);

	for (size_t t = 0; t < b->tokens; t++) {
		const float *d = j->dx + t * h + c;

		nn_cpu_vec_axpy(n, 1, d, j->ge->word + b->ids[t] * h + c);
		nn_cpu_vec_axpy(n, 1, d, j->ge->pos + b->pos[t] * h + c);
		nn_cpu_vec_axpy(n, 1, d, j->ge->type + b->types[t] * h + c);
	}
}

static void cpu_embed_back(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
	const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept)
{
	struct job j = {.cpu = cpu_of(nn), .b = b, .e = e, .ge = g, .dx = dx};

	cpu_norm_back(nn, b->tokens, e->h, &e->norm, &g->norm, dx, kept, dx);
	par_for(j.cpu->par, blocks(e->h, BLOCK_COL), embed_back_task, &j);
}

static void cpu_gather(
	struct nn *nn UNUSED, size_t n, size_t h, const uint32_t *row, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		memcpy(y + i * h, x + row[i] * h, h * sizeof(*y));
	memset(y + n * h, 0, (nn_rows(n) - n) * h * sizeof(*y));
}

static void cpu_scatter(
	struct nn *nn UNUSED, size_t n, size_t h, const uint32_t *row, const float *y, float *x)
{
	for (size_t i = 0; i < n; i++)
		nn_cpu_vec_axpy(h, 1, y + i * h, x + row[i] * h);
}

static void pool_task(void *ctx, size_t s, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t t = j->b->cu[s], n = j->b->cu[s + 1] - t;

	memset(j->out + s * j->n, 0, j->n * sizeof(float));
	if (j->b->share) {
		for (size_t i = t; i < t + n; i++)
			nn_cpu_vec_axpy(j->n, j->b->share[i], j->x + i * j->n, j->out + s * j->n);
		return;
	}
	nn_cpu_vec_colsum(n, j->n, j->n, j->x + t * j->n, j->out + s * j->n);
	nn_cpu_vec_scale(j->n, 1.0f / (float)n, j->out + s * j->n);
}

static void cpu_pool(struct nn *nn, const struct nn_batch *b, size_t h, const float *x, float *v)
{
	struct job j = {.cpu = cpu_of(nn), .b = b, .n = h, .x = x, .out = v};

	par_for(j.cpu->par, b->seqs, pool_task, &j);
}

static void pool_back_task(void *ctx, size_t s, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t t0 = j->b->cu[s], t1 = j->b->cu[s + 1];

	memset(j->dx + t0 * j->n, 0, (t1 - t0) * j->n * sizeof(float));
	for (size_t t = t0; t < t1; t++)
		nn_cpu_vec_axpy(j->n, j->b->share ? j->b->share[t] : 1.0f / (float)(t1 - t0),
			j->dy + s * j->n, j->dx + t * j->n);
}

static void cpu_pool_back(
	struct nn *nn, const struct nn_batch *b, size_t h, const float *dv, float *dx)
{
	struct job j = {.cpu = cpu_of(nn), .b = b, .n = h, .dy = dv, .dx = dx};

	par_for(j.cpu->par, b->seqs, pool_back_task, &j);
	memset(dx + b->tokens * h, 0, (nn_rows(b->tokens) - b->tokens) * h * sizeof(*dx));
}

static void classify_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t n = j->d->n, k = j->d->k, r0 = i * NN_ROWS, r1 = MIN(r0 + NN_ROWS, j->rows);
	float *s = j->dx ? j->out + r0 * n : nn_cpu_scratch(&j->cpu->own[worker], NN_ROWS * n);

	product(j, worker, j->d, j->x + r0 * k, s);
	for (size_t r = r0; r < r1; r++)
		j->loss[r] = nn_cpu_vec_xent(n, j->d->b, j->index[r], j->dx ? j->scale : 0,
			s + (r - r0) * n, &j->best[r]);
	if (j->dx) {
		memset(s + (r1 - r0) * n, 0, (r0 + NN_ROWS - r1) * n * sizeof(*s));
		product_back(j, worker, j->d, s, j->dx + r0 * k);
	}
}

static void cpu_classify(struct nn *nn, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	struct nn_cpu *cpu = cpu_of(nn);

	for (size_t r = 0; r < m; r += HEAD_ROWS) {
		struct job j = {.cpu = cpu, .rows = MIN(m - r, (size_t)HEAD_ROWS), .d = d};

		j.index = want + r;
		j.scale = scale;
		j.x = x + r * d->k;
		j.loss = loss + r;
		j.best = best + r;
		if (dx) {
			j.dx = dx + r * d->k;
			j.out = nn_cpu_scratch(&cpu->wide, HEAD_ROWS * d->n);
		}
		tiles(&j, classify_task);
		if (dx)
			wgrad(cpu, j.rows, (struct wgrad){d, g, j.x, j.out}, (struct wgrad){0});
	}
}

static void add_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t at = i * CHUNK;

	nn_cpu_vec_axpy(MIN((size_t)CHUNK, j->n - at), 1, j->x + at, j->out + at);
}

static void cpu_add(struct nn *nn, size_t n, const float *x, float *y)
{
	struct job j = {.cpu = cpu_of(nn), .n = n, .x = x, .out = y};

	par_for(j.cpu->par, blocks(n, CHUNK), add_task, &j);
}

static void sumsq_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t end = MIN((i + 1) * CHUNK, j->n);
	double sum = 0;

	for (size_t at = i * CHUNK; at < end; at += 256) {
		size_t n = MIN((size_t)256, end - at);

		sum += nn_cpu_vec_dot(n, j->x + at, j->x + at);
	}
	j->sum[i] = sum;
}

static double cpu_sumsq(struct nn *nn, size_t n, const float *x)
{
	struct job j = {.cpu = cpu_of(nn), .n = n, .x = x};
	size_t count = blocks(n, CHUNK);
	double sum = 0;

	j.sum = mem_alloc(count, sizeof(*j.sum));
	par_for(j.cpu->par, count, sumsq_task, &j);
	for (size_t i = 0; i < count; i++)
		sum += j.sum[i];
	mem_free(j.sum);
	return sum;
}

static void adamw_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t at = i * CHUNK, n = MIN((size_t)CHUNK, j->n - at);
	double t = (double)j->o->step;

	nn_cpu_vec_adamw(n, j->o, (float)(1 - pow(j->o->beta1, t)),
		(float)(1 - pow(j->o->beta2, t)), j->out + at, j->x + at, j->m + at, j->v + at);
}

static void cpu_adamw(struct nn *nn, size_t n, const struct nn_adamw *o, float *p, const float *g,
	float *m, float *v)
{
	struct job j = {.cpu = cpu_of(nn), .n = n, .o = o, .out = p, .x = g, .m = m, .v = v};

	par_for(j.cpu->par, blocks(n, CHUNK), adamw_task, &j);
}

static void cpu_close(struct nn *nn)
{
	struct nn_cpu *cpu = cpu_of(nn);

	for (unsigned i = 0; i < par_threads(cpu->par); i++) {
		mem_free(cpu->own[i].p);
		mem_free(cpu->own8[i].p);
	}
	mem_free(cpu->own);
	mem_free(cpu->own8);
	nn_cpu_bf16_free(cpu->bf16);
	mem_free(cpu->wide.p);
	mem_free(cpu->part.p);
	par_free(cpu->par);
	mem_free(cpu);
}

static const struct nn_backend table = {
	.name = "cpu",
	.alloc = cpu_alloc,
	.free = cpu_free,
	.put = cpu_put,
	.get = cpu_get,
	.zero = cpu_zero,
	.room = cpu_alloc,
	.give = cpu_put,
	.take = cpu_get,
	.clear = cpu_zero,
	.prepare = cpu_prepare,
	.int8_new = nn_cpu_int8_new,
	.int8_free = nn_cpu_int8_free,
	.embed = cpu_embed,
	.embed_back = cpu_embed_back,
	.dense = cpu_dense,
	.dense_back = cpu_dense_back,
	.dense_norm = cpu_dense_norm,
	.norm_back = cpu_norm_back,
	.attend = nn_cpu_attn,
	.attend_back = nn_cpu_attn_back,
	.ffn = cpu_ffn,
	.ffn_back = cpu_ffn_back,
	.gather = cpu_gather,
	.scatter = cpu_scatter,
	.pool = cpu_pool,
	.pool_back = cpu_pool_back,
	.classify = cpu_classify,
	.add = cpu_add,
	.sumsq = cpu_sumsq,
	.adamw = cpu_adamw,
	.close = cpu_close,
};

struct nn *nn_cpu_open(unsigned threads)
{
	struct nn_cpu *cpu = mem_zalloc(1, sizeof(*cpu));

	cpu->nn.op = &table;
	cpu->par = par_new(threads);
	cpu->nn.group = (size_t)GROUP_ROWS * par_threads(cpu->par);
	cpu->own = mem_zalloc(par_threads(cpu->par), sizeof(*cpu->own));
	cpu->own8 = mem_zalloc(par_threads(cpu->par), sizeof(*cpu->own8));
	snprintf(cpu->nn.about, sizeof(cpu->nn.about), "cpu, %u threads", par_threads(cpu->par));
	return &cpu->nn;
}

struct nn *nn_cpu_open_bf16(unsigned threads, struct err *e)
{
	struct nn *nn = nn_cpu_open(threads);
	struct nn_cpu *cpu = cpu_of(nn);

	cpu->bf16 = nn_cpu_bf16_new(cpu);
	if (!cpu->bf16) {
		cpu_close(nn);
		(void)err_set(e, "this processor has no products of bf16 numbers (AVX512-BF16)");
		return NULL;
	}
	strcat(nn->about, ", bf16");
	return nn;
}
