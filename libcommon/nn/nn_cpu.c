/*
 * nn_cpu.c: the table of nn.h on the CPU; the only home of oneDNN.
 *
 * One idea: work is cut into tiles that depend on the shapes alone, and each tile is one product
 * in one thread with its elementwise work done while the tile is in that core's cache. Forward and
 * input gradients: some rows of the batch; a row has the same bits in any tile and any batch, with
 * oneDNN because a tile then always has NN_ROWS rows. Weight gradients: blocks of the weight
 * matrix, each the sum over all rows, piece by piece. So results do not depend on the number of
 * threads.
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
#include "nn/nn_cpu_split.h"
#include "nn/nn_cpu_vec.h"

enum {
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
	size_t tile; /* rows of a tile */
	const struct nn_dense *d, *d2;
	const void *turned, *turned2; /* their weights for the way back */
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

static size_t blocks(size_t n, size_t block)
{
	return (n + block - 1) / block;
}

/* A task for each NN_ROWS rows. */
static void tiles(struct job *j, void (*fn)(void *, size_t, unsigned))
{
	j->tile = NN_ROWS;
	nn_cpu_for(j->cpu, nn_rows(j->rows) / NN_ROWS, fn, j);
}

/* A task for each tile of products with d: of as many rows as they like, if all threads get one. */
static void product_tiles(struct job *j, void (*fn)(void *, size_t, unsigned))
{
	size_t rows = nn_rows(j->rows);

	j->tile = j->d->int8 ? (size_t)NN_ROWS : j->cpu->how->tile;
	while (j->tile > NN_ROWS && rows < j->tile * par_threads(j->cpu->par))
		j->tile /= 2;
	nn_cpu_for(j->cpu, blocks(rows, j->tile), fn, j);
}

/* Rows of tile i, which begins at row i * tile. */
static size_t tile_rows(const struct job *j, size_t i)
{
	return MIN(j->tile, nn_rows(j->rows) - i * j->tile);
}

static size_t cpu_prepared(struct nn *nn, size_t n, size_t k)
{
	return cpu_of(nn)->how->prepared(n, k);
}

static void cpu_prepare(struct nn *nn, const float *w, float *wt, size_t n, size_t k)
{
	cpu_of(nn)->how->prepare(cpu_of(nn), w, wt, n, k);
}

/* What the gradient of one layer is made from. */
static struct nn_cpu_grad grad(
	const struct nn_dense *d, const struct nn_dense_grad *g, const float *x, const float *dy)
{
	return (struct nn_cpu_grad){x, dy, g->w, g->b, d->n, d->k};
}

static void wgrad(struct nn_cpu *cpu, size_t rows, struct nn_cpu_grad a, struct nn_cpu_grad b)
{
	const struct nn_cpu_grad l[2] = {a, b};

	if (rows)
		cpu->how->gradients(cpu, rows, l);
}

static void dense_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	const struct nn_dense *d = j->d;
	size_t rows = tile_rows(j, i), at = i * j->tile * d->n;
	const float *x = j->x + i * j->tile * d->k;
	float *y = j->z + at, *u = j->u ? j->u + at : y;

	if (d->int8 && j->act == NN_LINEAR) {
		nn_cpu_int8_product(j->cpu, worker, d->int8, x, d->b, y);
		return;
	}
	j->cpu->how->forward(j->cpu, worker, rows, d, x, u);
	switch (j->act) {
	case NN_GELU: nn_cpu_vec_bias_gelu(rows, d->n, d->b, u, y); break;
	case NN_TANH: nn_cpu_vec_bias_tanh(rows, d->n, d->b, y); break;
	case NN_LINEAR: nn_cpu_vec_bias(rows, d->n, d->b, y); break;
	}
}

static void cpu_dense(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
	const float *x, float *u, float *y)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = d, .act = act, .x = x, .z = y};

	j.u = act == NN_GELU ? u : NULL;
	product_tiles(&j, dense_task);
}

static void dense_back_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t n = j->d->n, rows = tile_rows(j, i), at = i * j->tile * n;

	if (j->act == NN_GELU)
		nn_cpu_vec_gelu_grad(rows * n, j->u + at, j->z + at);
	else if (j->act == NN_TANH)
		nn_cpu_vec_tanh_grad(rows * n, j->y + at, j->z + at);
	if (j->dx)
		j->cpu->how->back(j->cpu, worker, rows, j->d, j->turned, j->z + at,
			j->dx + i * j->tile * j->d->k);
}

static void cpu_dense_back(struct nn *nn, size_t rows, const struct nn_dense *d,
	const struct nn_dense_grad *g, enum nn_act act, const float *x, const float *u,
	const float *y, float *dy, float *dx)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = d, .act = act, .y = y, .z = dy};

	j.u = (float *)u;
	j.dx = dx;
	if (dx)
		j.turned = j.cpu->how->turn(j.cpu, 0, d);
	product_tiles(&j, dense_back_task);
	wgrad(j.cpu, rows, grad(d, g, x, dy), (struct nn_cpu_grad){0});
}

/* Normalises a tile of sums y into z, keeping what the backward pass needs. */
static void norm_tile(
	const struct job *j, size_t i, size_t n, const float *bias, const float *r, float *y)
{
	size_t at = i * j->tile * n;
	float *xhat = j->kept->xhat, *rstd = j->kept->rstd;

	nn_cpu_vec_norm(tile_rows(j, i), n, bias, r, j->norm->g, j->norm->b, j->norm->eps, y,
		j->z + at, xhat ? xhat + at : NULL, xhat ? rstd + i * j->tile : NULL);
}

static void dense_norm_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	const struct nn_dense *d = j->d;
	size_t n = d->n, rows = tile_rows(j, i), at = i * j->tile * n;
	const float *x = j->x + i * j->tile * d->k;
	float *own = nn_cpu_scratch(&j->cpu->own[worker], rows * n);
	float *u = j->u ? j->u + at : own;

	if (d->int8)
		nn_cpu_int8_product(j->cpu, worker, d->int8, x, NULL, u);
	else
		j->cpu->how->forward(j->cpu, worker, rows, d, x, u);
	if (j->act == NN_GELU)
		nn_cpu_vec_bias_gelu(rows, n, d->b, u, own);
	norm_tile(j, i, n, j->act == NN_GELU ? NULL : d->b, j->r ? j->r + at : NULL, own);
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
	product_tiles(&j, dense_norm_task);
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
	size_t rows = tile_rows(j, i), f = j->d->n, h = j->d->k;
	const float *x = j->x + i * j->tile * h;
	float *y = nn_cpu_scratch(&j->cpu->own[worker], rows * h);

	if (j->d->int8)
		nn_cpu_int8_ffn(j->cpu, worker, j->d->int8, j->d->b, j->d2->int8, x, y);
	else
		j->cpu->how->ffn(j->cpu, worker, rows, j->d, j->d2, x,
			j->u ? j->u + i * j->tile * f : NULL, y);
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
	product_tiles(&j, ffn_task);
}

static void ffn_back_task(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t rows = tile_rows(j, i), f = j->d->n, h = j->d->k;
	size_t at = i * j->tile * h, atf = i * j->tile * f;

	j->cpu->how->ffn_back(j->cpu, worker, rows, j->d, j->d2, j->turned, j->turned2, j->dy + at,
		j->u + atf, j->out + atf, j->dx + at);
	nn_cpu_vec_axpy(rows * h, 1, j->dy + at, j->dx + at);
}

static void cpu_ffn_back(struct nn *nn, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const struct nn_dense_grad *gup,
	const struct nn_dense_grad *gdown, const float *x, float *u, const float *ds, float *dx)
{
	struct job j = {.cpu = cpu_of(nn), .rows = rows, .d = up, .d2 = down, .u = u};

	j.dy = ds;
	j.dx = dx;
	j.out = nn_cpu_scratch(&j.cpu->wide, nn_rows(rows) * up->n);
	j.turned = j.cpu->how->turn(j.cpu, 0, up);
	j.turned2 = j.cpu->how->turn(j.cpu, 1, down);
	product_tiles(&j, ffn_back_task);
	wgrad(j.cpu, rows, grad(up, gup, x, j.out), grad(down, gdown, u, ds));
}

static void embed_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	const struct nn_embed *e = j->e;
	const struct nn_batch *b = j->b;
	size_t h = e->h, t0 = i * NN_ROWS, t1 = MIN(t0 + NN_ROWS, b->tokens);

	for (size_t t = t0; t < t1; t++) {
		float *z = j->z + t * h;

		nn_cpu_vec_sum3(h, e->word + b->ids[t] * h, e->pos + b->pos[t] * h,
			e->type + b->types[t] * h, z);
		if (e->op)
			nn_cpu_vec_axpy(h, 1, e->op + b->op[t] * h, z);
		for (size_t s = 0; s < 2 && e->value[s]; s++)
			nn_cpu_vec_axpy(
				h / 2, 1, e->value[s] + b->value[t] * (h / 2), z + s * (h / 2));
	}
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
		if (j->ge->op)
			nn_cpu_vec_axpy(n, 1, d, j->ge->op + b->op[t] * h + c);
	}
}

/* All tokens, a few columns of one half of the values' vectors. */
static void value_back_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	const struct nn_batch *b = j->b;
	size_t d = j->e->h / 2, each = blocks(d, BLOCK_COL), half = i / each;
	size_t c = i % each * BLOCK_COL, n = MIN((size_t)BLOCK_COL, d - c);
	float *sum = j->ge->value[half] + c;

	for (size_t v = 0; v < nn_rows(b->nvalues); v++)
		memset(sum + v * d, 0, n * sizeof(*sum));
	for (size_t t = 0; t < b->tokens; t++)
		nn_cpu_vec_axpy(n, 1, j->dx + t * 2 * d + half * d + c, sum + b->value[t] * d);
}

static void cpu_embed_back(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
	const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept)
{
	struct job j = {.cpu = cpu_of(nn), .b = b, .e = e, .ge = g, .dx = dx};

	cpu_norm_back(nn, b->tokens, e->h, &e->norm, &g->norm, dx, kept, dx);
	par_for(j.cpu->par, blocks(e->h, BLOCK_COL), embed_back_task, &j);
	if (g->value[0])
		par_for(j.cpu->par, 2 * blocks(e->h / 2, BLOCK_COL), value_back_task, &j);
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
	size_t n = j->d->n, k = j->d->k, rows = tile_rows(j, i);
	size_t r0 = i * j->tile, r1 = MIN(r0 + rows, j->rows);
	float *s = j->dx ? j->out + r0 * n : nn_cpu_scratch(&j->cpu->own[worker], rows * n);

	j->cpu->how->forward(j->cpu, worker, rows, j->d, j->x + r0 * k, s);
	for (size_t r = r0; r < r1; r++)
		j->loss[r] = nn_cpu_vec_xent(n, j->d->b, j->index[r], j->dx ? j->scale : 0,
			s + (r - r0) * n, &j->best[r]);
	if (j->dx) {
		memset(s + (r1 - r0) * n, 0, (r0 + rows - r1) * n * sizeof(*s));
		j->cpu->how->back(j->cpu, worker, rows, j->d, j->turned, s, j->dx + r0 * k);
	}
}

static void cpu_classify(struct nn *nn, size_t m, const struct nn_dense *d,
	const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x, float *dx,
	float *loss, uint32_t *best)
{
	struct nn_cpu *cpu = cpu_of(nn);
	const void *turned = dx ? cpu->how->turn(cpu, 0, d) : NULL;

	for (size_t r = 0; r < m; r += HEAD_ROWS) {
		struct job j = {.cpu = cpu, .rows = MIN(m - r, (size_t)HEAD_ROWS), .d = d};

		j.index = want + r;
		j.scale = scale;
		j.x = x + r * d->k;
		j.loss = loss + r;
		j.best = best + r;
		if (dx) {
			j.turned = turned;
			j.dx = dx + r * d->k;
			j.out = nn_cpu_scratch(&cpu->wide, HEAD_ROWS * d->n);
		}
		product_tiles(&j, classify_task);
		if (dx)
			wgrad(cpu, j.rows, grad(d, g, j.x, j.out), (struct nn_cpu_grad){0});
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
		mem_free(cpu->ownf[i].p);
	}
	mem_free(cpu->own);
	mem_free(cpu->own8);
	mem_free(cpu->ownf);
	nn_cpu_bf16_free(cpu->bf16);
	nn_cpu_split_free(cpu->split);
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
	.prepared = cpu_prepared,
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
	.cell = nn_cpu_cell,
	.cell_back = nn_cpu_cell_back,
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

static struct nn_cpu *open_cpu(unsigned threads)
{
	struct nn_cpu *cpu = mem_zalloc(1, sizeof(*cpu));

	cpu->nn.op = &table;
	cpu->how = &nn_cpu_plain;
	cpu->par = par_new(threads);
	cpu->nn.group = (size_t)GROUP_ROWS * par_threads(cpu->par);
	cpu->own = mem_zalloc(par_threads(cpu->par), sizeof(*cpu->own));
	cpu->own8 = mem_zalloc(par_threads(cpu->par), sizeof(*cpu->own8));
	cpu->ownf = mem_zalloc(par_threads(cpu->par), sizeof(*cpu->ownf));
	snprintf(cpu->nn.about, sizeof(cpu->nn.about), "cpu, %u threads", par_threads(cpu->par));
	return cpu;
}

struct nn *nn_cpu_open(unsigned threads)
{
	struct nn_cpu *cpu = open_cpu(threads);

	cpu->split = nn_cpu_split_new();
	if (cpu->split)
		cpu->how = &nn_cpu_split_products;
	return &cpu->nn;
}

struct nn *nn_cpu_open_bf16(unsigned threads, struct err *e)
{
	struct nn_cpu *cpu = open_cpu(threads);

	cpu->bf16 = nn_cpu_bf16_new(cpu);
	if (!cpu->bf16) {
		cpu_close(&cpu->nn);
		(void)err_set(e, "this processor has no products of bf16 numbers (AVX512-BF16)");
		return NULL;
	}
	cpu->how = &nn_cpu_bf16_products;
	strcat(cpu->nn.about, ", bf16");
	return &cpu->nn;
}
