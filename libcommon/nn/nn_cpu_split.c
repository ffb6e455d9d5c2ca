/*
 * nn_cpu_split.c: see nn_cpu_split.h.
 *
 * One idea: the forms that AMX reads are made where each number is used most often: those of the
 * weights once for each change of them (forward) or each pass (backward), those of a tile of rows
 * in the worker that multiplies them, and those of a piece of the batch once for a gradient.
 */
#include "nn/nn_cpu_split.h"

#include "base/mem.h"
#include "nn/nn_cpu_amx.h"
#include "nn/nn_cpu_vec.h"

enum {
	PIECE_ROWS = 256, /* rows of the batch that go into all blocks before the next ones do */
	TILE_ROWS = 256,
	BLOCK_DEPTH = 384, /* of the depth of a product */
	BLOCK_F = 128,     /* columns of the feed-forward half's activations */
	BLOCK_N = 128,     /* rows of a weight-gradient block */
	BLOCK_K = 384,     /* its columns */
	AHEAD = 4,         /* rows of u that are fetched before they are wanted */
	LINE = 16          /* floats fetched together */
};

struct nn_cpu_split {
	struct nn_cpu_space turned[2]; /* weights for the backward pass */
	struct nn_cpu_space piece;     /* a piece of both factors of both gradients */
};

struct nn_cpu_split *nn_cpu_split_new(void)
{
	return nn_cpu_amx_has() ? mem_zalloc(1, sizeof(struct nn_cpu_split)) : NULL;
}

void nn_cpu_split_free(struct nn_cpu_split *s)
{
	if (!s)
		return;
	mem_free(s->turned[0].p);
	mem_free(s->turned[1].p);
	mem_free(s->piece.p);
	mem_free(s);
}

/* Numbers of all panels of a factor. */
static size_t room(size_t n, size_t k)
{
	return nn_cpu_amx_count(n) * nn_cpu_amx_panel(k);
}

static uint16_t *scratch(struct nn_cpu_space *s, size_t n)
{
	return (uint16_t *)nn_cpu_scratch(s, n / 2);
}

static size_t prepared(size_t n, size_t k)
{
	return room(n, k) / 2;
}

struct right {
	struct nn_cpu_amx_factor f;
	uint16_t *to;
};

static void right_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct right *r = ctx;

	for (size_t step = 0; step < nn_cpu_amx_count(r->f.k); step++)
		nn_cpu_amx_right(&r->f, i, step, r->to + i * nn_cpu_amx_panel(r->f.k));
}

static void prepare(struct nn_cpu *cpu, const float *w, float *wt, size_t n, size_t k)
{
	struct right r = {{w, n, k, k, false}, (uint16_t *)wt};

	par_for(cpu->par, nn_cpu_amx_count(n), right_task, &r);
}

static const void *turn(struct nn_cpu *cpu, int slot, const struct nn_dense *d)
{
	uint16_t *to = scratch(&cpu->split->turned[slot], room(d->k, d->n));
	struct right r = {{d->w, d->k, d->n, d->k, true}, to};

	nn_cpu_for(cpu, nn_cpu_amx_count(d->k), right_task, &r);
	return to;
}

/* x[rows,n], rows ld apart, as panels of a left factor, into `to`. */
static struct nn_cpu_amx_panels left(size_t rows, size_t n, const float *x, size_t ld, uint16_t *to)
{
	const struct nn_cpu_amx_factor f = {x, rows, n, ld, false};
	size_t panel = nn_cpu_amx_panel(n);

	for (size_t i = 0; i < nn_cpu_amx_count(rows); i++)
		for (size_t step = 0; step < nn_cpu_amx_count(n); step++)
			nn_cpu_amx_left(&f, i, step, to + i * panel);
	return (struct nn_cpu_amx_panels){to, panel};
}

/* The panels of a factor of depth k from row or column n0 on, and from depth k0 on. */
static struct nn_cpu_amx_panels from(const void *p, size_t k, size_t n0, size_t k0)
{
	size_t panel = nn_cpu_amx_panel(k);

	return (struct nn_cpu_amx_panels){
		(const uint16_t *)p + n0 / NN_CPU_AMX_SIDE * panel + nn_cpu_amx_panel(k0), panel};
}

/* y[rows,n] = x[rows,k] times the panels of a right factor. */
static void multiply(struct nn_cpu *cpu, unsigned worker, size_t rows, size_t n, size_t k,
	const float *x, const void *panels, float *y)
{
	uint16_t *own = scratch(&cpu->own8[worker], room(rows, BLOCK_DEPTH));

	for (size_t k0 = 0; k0 < k; k0 += BLOCK_DEPTH) {
		size_t depth = MIN((size_t)BLOCK_DEPTH, k - k0);

		nn_cpu_amx_multiply(rows, n, depth, left(rows, depth, x + k0, k, own),
			from(panels, k, 0, k0), k0 > 0, y, n);
	}
}

static void forward(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *d,
	const float *x, float *y)
{
	multiply(cpu, worker, rows, d->n, d->k, x, d->wt, y);
}

static void back(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *d,
	const void *turned, const float *dy, float *dx)
{
	multiply(cpu, worker, rows, d->k, d->n, dy, turned, dx);
}

/*
 * The feed-forward half goes over some columns of the wide activations at a time, from both sides,
 * while they are in the cache.
 */
static void ffn(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const float *x, float *u, float *y)
{
	size_t h = up->k, f = up->n;
	uint16_t *own = scratch(&cpu->own8[worker], room(rows, h) + room(rows, BLOCK_F));
	struct nn_cpu_amx_panels xs = left(rows, h, x, h, own), as;
	float *act = nn_cpu_scratch(&cpu->ownf[worker], rows * BLOCK_F);

	for (size_t f0 = 0; f0 < f; f0 += BLOCK_F) {
		size_t n = MIN((size_t)BLOCK_F, f - f0), ld = u ? f : n;
		float *z = u ? u + f0 : act;

		nn_cpu_amx_multiply(rows, n, h, xs, from(up->wt, h, f0, 0), false, z, ld);
		for (size_t r = 0; r < rows; r++)
			nn_cpu_vec_bias_gelu(1, n, up->b + f0, z + r * ld, act + r * n);
		as = left(rows, n, act, n, own + room(rows, h));
		nn_cpu_amx_multiply(rows, h, n, as, from(down->wt, f, 0, f0), f0 > 0, y, h);
	}
}

static void ffn_back(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down UNUSED, const void *turned_up, const void *turned_down,
	const float *dy, float *u, float *du, float *dx)
{
	size_t h = up->k, f = up->n;
	uint16_t *own = scratch(&cpu->own8[worker], room(rows, h) + room(rows, BLOCK_F));
	struct nn_cpu_amx_panels dys = left(rows, h, dy, h, own), dus;

	for (size_t f0 = 0; f0 < f; f0 += BLOCK_F) {
		size_t n = MIN((size_t)BLOCK_F, f - f0);

		nn_cpu_amx_multiply(
			rows, n, h, dys, from(turned_down, h, f0, 0), false, du + f0, f);
		for (size_t r = 0; r < rows; r++) {
			for (size_t i = 0; i < n && r + AHEAD < rows; i += LINE)
				__builtin_prefetch(u + (r + AHEAD) * f + f0 + i, 1);
			nn_cpu_vec_gelu_back(n, u + r * f + f0, du + r * f + f0);
		}
		dus = left(rows, n, du + f0, f, own + room(rows, h));
		nn_cpu_amx_multiply(rows, h, n, dus, from(turned_up, f, 0, f0), f0 > 0, dx, h);
	}
}

/* One piece of the rows: the panels of both layers' factors, and the blocks of both gradients. */
struct piece {
	const struct nn_cpu_grad *l;
	uint16_t *dy[2], *x[2];
	size_t tasks[2];
	size_t at, rows;
};

/* The i-th 32 rows of the piece, of all four factors. */
static void step_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct piece *p = ctx;
	size_t panel = nn_cpu_amx_panel(p->rows);

	for (int j = 0; j < 2; j++) {
		const struct nn_cpu_grad *l = &p->l[j];
		const struct nn_cpu_amx_factor dy = {
			l->dy + p->at * l->n, l->n, p->rows, l->n, true};
		const struct nn_cpu_amx_factor x = {l->x + p->at * l->k, l->k, p->rows, l->k, true};

		for (size_t k = 0; k < nn_cpu_amx_count(l->n); k++)
			nn_cpu_amx_left(&dy, k, i, p->dy[j] + k * panel);
		for (size_t k = 0; k < nn_cpu_amx_count(l->k); k++)
			nn_cpu_amx_right(&x, k, i, p->x[j] + k * panel);
	}
}

static size_t blocks(size_t n, size_t block)
{
	return (n + block - 1) / block;
}

static void block_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct piece *p = ctx;
	int j = i >= p->tasks[0];
	size_t t = j ? i - p->tasks[0] : i;
	const struct nn_cpu_grad *l = &p->l[j];
	size_t nb = blocks(l->n, BLOCK_N), n0 = t % nb * BLOCK_N, k0 = t / nb * BLOCK_K;
	size_t n = MIN((size_t)BLOCK_N, l->n - n0), k = MIN((size_t)BLOCK_K, l->k - k0);

	if (k0 == 0)
		nn_cpu_vec_colsum(p->rows, n, l->n, l->dy + p->at * l->n + n0, l->bias + n0);
	nn_cpu_amx_multiply(n, k, p->rows, from(p->dy[j], p->rows, n0, 0),
		from(p->x[j], p->rows, k0, 0), true, l->g + n0 * l->k + k0, l->k);
}

static void gradients(struct nn_cpu *cpu, size_t rows, const struct nn_cpu_grad l[2])
{
	size_t panel = nn_cpu_amx_panel(MIN(rows, (size_t)PIECE_ROWS)), panels = 0;
	struct piece p = {.l = l};
	uint16_t *at;

	for (int j = 0; j < 2; j++)
		panels += nn_cpu_amx_count(l[j].n) + nn_cpu_amx_count(l[j].k);
	at = scratch(&cpu->split->piece, panels * panel);
	for (int j = 0; j < 2; j++) {
		p.dy[j] = at;
		p.x[j] = at + nn_cpu_amx_count(l[j].n) * panel;
		at = p.x[j] + nn_cpu_amx_count(l[j].k) * panel;
		p.tasks[j] = blocks(l[j].n, BLOCK_N) * blocks(l[j].k, BLOCK_K);
	}
	for (; p.at < rows; p.at += PIECE_ROWS) {
		p.rows = MIN((size_t)PIECE_ROWS, rows - p.at);
		nn_cpu_for(cpu, nn_cpu_amx_count(p.rows), step_task, &p);
		nn_cpu_for(cpu, p.tasks[0] + p.tasks[1], block_task, &p);
	}
}

const struct nn_cpu_products nn_cpu_split_products = {
	TILE_ROWS, prepared, prepare, forward, turn, back, ffn, ffn_back, gradients};
