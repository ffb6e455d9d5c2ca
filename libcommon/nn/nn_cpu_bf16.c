/*
 * nn_cpu_bf16.c: products of bf16 numbers by oneDNN; see nn_cpu_bf16.h.
 *
 * One idea: the tiles are those of nn_cpu.c, so results depend on the shapes alone. Products with
 * weights read them in the order that oneDNN wants, made once for each change of the weights.
 * Weight gradients go over the rows in pieces of CHUNK_ROWS, so that the rounded copies of both
 * factors stay small, and each block of the gradient adds one piece after another.
 */
#include "nn/nn_cpu_bf16.h"

#include <string.h>

#include "base/mem.h"
#include "nn/nn_cpu_matmul.h"
#include "nn/nn_cpu_vec.h"

#include "nn/nn_cpu_lanes.h"

enum {
	CHUNK_ROWS = 1024,
	BLOCK_N = 128, /* rows of a weight-gradient block */
	BLOCK_K = 256  /* its columns */
};

typedef uint32_t u16 __attribute__((vector_size(64)));
typedef int16_t h16u __attribute__((vector_size(32), aligned(2), may_alias));

WIDE void nn_cpu_bf16_round(size_t n, const float *x, uint16_t *y)
{
	for (size_t i = 0; i < n; i += L) {
		v16 v;
		u16 b;

		LOAD(v, x, i, n);
		b = (u16)v;
		b = (b + 0x7fff + (b >> 16 & 1)) >> 16;
		if (i + L <= n)
			*(h16u *)(y + i) = __builtin_convertvector((i16)b, h16u);
		else
			for (size_t j = 0; j < n - i; j++)
				y[i + j] = (uint16_t)b[j];
	}
}

/* A product that has been prepared: [m,k] by [k,n]; for gradients with the widths of rows. */
struct plan {
	size_t m, n, k, lda, ldb;
	struct nn_cpu_matmul *p;
};

struct nn_cpu_bf16 {
	struct nn_cpu_matmul_place *place;
	struct plan *plan; /* owned */
	size_t plans, cap;
	struct nn_cpu_space rounded; /* of a whole weight matrix, or of pieces of both factors */
};

struct nn_cpu_bf16 *nn_cpu_bf16_new(struct nn_cpu *cpu)
{
	struct nn_cpu_bf16 *b;

	if (!nn_cpu_matmul_has_bf16())
		return NULL;
	b = mem_zalloc(1, sizeof(*b));
	b->place = nn_cpu_matmul_place_new(par_threads(cpu->par));
	return b;
}

void nn_cpu_bf16_free(struct nn_cpu_bf16 *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->plans; i++)
		nn_cpu_matmul_free(b->plan[i].p);
	mem_free(b->plan);
	mem_free(b->rounded.p);
	nn_cpu_matmul_place_free(b->place);
	mem_free(b);
}

static const struct plan *find(const struct nn_cpu_bf16 *b, const struct plan *want)
{
	for (size_t i = 0; i < b->plans; i++) {
		const struct plan *p = &b->plan[i];

		if (p->m == want->m && p->n == want->n && p->k == want->k && p->lda == want->lda &&
			p->ldb == want->ldb)
			return p;
	}
	return NULL;
}

static struct plan *add(struct nn_cpu_bf16 *b, const struct plan *want)
{
	b->plan = mem_grow(b->plan, &b->cap, b->plans + 1, sizeof(*b->plan));
	b->plan[b->plans] = *want;
	return &b->plan[b->plans++];
}

/*
 * y[64,n] = x[64,k] w[k,n]. The order that suits oneDNN may need more room than w has, if its sizes
 * are odd; then w stays as it is.
 */
static void plan_product(struct nn_cpu_bf16 *b, size_t n, size_t k)
{
	const struct plan want = {.m = NN_ROWS, .n = n, .k = k};
	const struct nn_cpu_matrix x = {NN_CPU_BF16, NN_ROWS, k, k, false};
	const struct nn_cpu_matrix y = {NN_CPU_F32, NN_ROWS, n, n, false};
	struct nn_cpu_matrix w = {NN_CPU_BF16, k, n, 0, false};
	struct plan *p;

	if (find(b, &want))
		return;
	p = add(b, &want);
	p->p = nn_cpu_matmul_new(b->place, &x, &w, &y, false);
	if (nn_cpu_matmul_weights(p->p) > n * k * sizeof(uint16_t)) {
		nn_cpu_matmul_free(p->p);
		w.ld = n;
		p->p = nn_cpu_matmul_new(b->place, &x, &w, &y, false);
	}
}

/* c[m,n] += a^T b with a[rows,m] in rows of lda, b[rows,n] and c in rows of ldb. */
static const struct plan *plan_gradient(
	struct nn_cpu_bf16 *b, size_t m, size_t n, size_t rows, size_t lda, size_t ldb)
{
	const struct plan want = {.m = m, .n = n, .k = rows, .lda = lda, .ldb = ldb};
	const struct plan *old = find(b, &want);
	const struct nn_cpu_matrix x = {NN_CPU_BF16, m, rows, lda, true};
	const struct nn_cpu_matrix w = {NN_CPU_BF16, rows, n, ldb, false};
	const struct nn_cpu_matrix y = {NN_CPU_F32, m, n, ldb, false};
	struct plan *p;

	if (old)
		return old;
	p = add(b, &want);
	p->p = nn_cpu_matmul_new(b->place, &x, &w, &y, true);
	return p;
}

static const struct nn_cpu_matmul *product_of(const struct nn_cpu_bf16 *b, size_t n, size_t k)
{
	return find(b, &(struct plan){.m = NN_ROWS, .n = n, .k = k})->p;
}

struct rounding {
	const float *x;
	uint16_t *y;
	size_t n;
};

enum { PIECE = 16384 }; /* numbers of a rounding task */

static void round_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct rounding *r = ctx;
	size_t at = i * PIECE;

	nn_cpu_bf16_round(MIN((size_t)PIECE, r->n - at), r->x + at, r->y + at);
}

static size_t prepared(size_t n, size_t k)
{
	return n * k;
}

/* The two rounded forms of w[n,k], for the product and for its input gradient, into wt. */
static void prepare(struct nn_cpu *cpu, const float *w, float *wt, size_t n, size_t k)
{
	struct nn_cpu_bf16 *b = cpu->bf16;
	uint16_t *rounded = (uint16_t *)nn_cpu_scratch(&b->rounded, n * k / 2 + 1);
	struct rounding r = {w, rounded, n * k};
	/* w[n,k] stands for [k,n] stored by columns, and for itself. */
	const struct nn_cpu_matrix forward = {NN_CPU_BF16, k, n, k, true};
	const struct nn_cpu_matrix backward = {NN_CPU_BF16, n, k, k, false};

	par_for(cpu->par, (n * k + PIECE - 1) / PIECE, round_task, &r);
	plan_product(b, n, k);
	plan_product(b, k, n);
	nn_cpu_matmul_pack(product_of(b, n, k), &forward, rounded, wt);
	nn_cpu_matmul_pack(product_of(b, k, n), &backward, rounded, (uint16_t *)wt + n * k);
}

/* y[64,n] = x[64,k] w[k,n]. */
static void multiply(struct nn_cpu *cpu, unsigned worker, size_t n, size_t k, const float *x,
	const uint16_t *w, float *y)
{
	const struct nn_cpu_matmul *p = product_of(cpu->bf16, n, k);
	size_t words = nn_rows(NN_ROWS * k / 2);
	float *own = nn_cpu_scratch(&cpu->own8[worker], words + nn_cpu_matmul_scratch(p) / 4 + 1);

	nn_cpu_bf16_round(NN_ROWS * k, x, (uint16_t *)own);
	nn_cpu_matmul_run(p, worker, own, w, y, own + words);
}

static void forward(struct nn_cpu *cpu, unsigned worker, size_t rows UNUSED,
	const struct nn_dense *d, const float *x, float *y)
{
	multiply(cpu, worker, d->n, d->k, x, (const uint16_t *)d->wt, y);
}

static const void *turn(struct nn_cpu *cpu UNUSED, int slot UNUSED, const struct nn_dense *d)
{
	return (const uint16_t *)d->wt + d->n * d->k;
}

static void back(struct nn_cpu *cpu, unsigned worker, size_t rows UNUSED, const struct nn_dense *d,
	const void *turned, const float *dy, float *dx)
{
	multiply(cpu, worker, d->k, d->n, dy, turned, dx);
}

/* One piece of the rows: its rounded factors, and the blocks of both gradients. */
struct chunk {
	struct nn_cpu *cpu;
	const struct nn_cpu_grad *l;
	uint16_t *x[2], *dy[2]; /* [nn_rows(rows), k], [.., n] */
	size_t tasks[2];
	size_t at, rows;
};

static size_t blocks(size_t n, size_t block)
{
	return (n + block - 1) / block;
}

/* Rows beyond the last count as 0. */
static void round_rows(size_t rows, size_t n, const float *x, uint16_t *y)
{
	nn_cpu_bf16_round(rows * n, x, y);
	memset(y + rows * n, 0, (NN_ROWS - rows) * n * sizeof(*y));
}

static void chunk_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct chunk *c = ctx;
	size_t r0 = i * NN_ROWS, rows = MIN((size_t)NN_ROWS, c->rows - r0);

	for (int j = 0; j < 2; j++) {
		const struct nn_cpu_grad *l = &c->l[j];

		if (!l->n)
			continue;
		round_rows(rows, l->k, l->x + (c->at + r0) * l->k, c->x[j] + r0 * l->k);
		round_rows(rows, l->n, l->dy + (c->at + r0) * l->n, c->dy[j] + r0 * l->n);
	}
}

static void block_task(void *ctx, size_t i, unsigned worker)
{
	const struct chunk *c = ctx;
	int j = i >= c->tasks[0];
	size_t t = j ? i - c->tasks[0] : i;
	const struct nn_cpu_grad *l = &c->l[j];
	size_t nb = blocks(l->n, BLOCK_N), n0 = t % nb * BLOCK_N, k0 = t / nb * BLOCK_K;
	const struct plan *p =
		find(c->cpu->bf16, &(struct plan){.m = MIN((size_t)BLOCK_N, l->n - n0),
					   .n = MIN((size_t)BLOCK_K, l->k - k0),
					   .k = nn_rows(c->rows),
					   .lda = l->n,
					   .ldb = l->k});
	float *own = nn_cpu_scratch(&c->cpu->own8[worker], nn_cpu_matmul_scratch(p->p) / 4 + 1);

	if (k0 == 0)
		nn_cpu_vec_colsum(c->rows, p->m, l->n, l->dy + c->at * l->n + n0, l->bias + n0);
	nn_cpu_matmul_run(p->p, worker, c->dy[j] + n0, c->x[j] + k0, l->g + n0 * l->k + k0, own);
}

/* The products that the blocks of one layer take: whole ones and those at the edges. */
static void plan_blocks(struct nn_cpu_bf16 *b, const struct nn_cpu_grad *l, size_t rows)
{
	for (size_t n = l->n; n; n = n > BLOCK_N ? n % BLOCK_N : 0)
		for (size_t k = l->k; k; k = k > BLOCK_K ? k % BLOCK_K : 0)
			(void)plan_gradient(b, MIN((size_t)BLOCK_N, n), MIN((size_t)BLOCK_K, k),
				rows, l->n, l->k);
}

static void gradients(struct nn_cpu *cpu, size_t rows, const struct nn_cpu_grad l[2])
{
	size_t width = l[0].n + l[0].k + l[1].n + l[1].k,
	       most = nn_rows(MIN(rows, (size_t)CHUNK_ROWS));
	struct chunk c = {.cpu = cpu, .l = l};
	uint16_t *p;

	if (!rows)
		return;
	p = (uint16_t *)nn_cpu_scratch(&cpu->bf16->rounded, most * width / 2);
	for (int j = 0; j < 2; j++) {
		c.x[j] = p;
		c.dy[j] = p + most * l[j].k;
		p = c.dy[j] + most * l[j].n;
		c.tasks[j] = blocks(l[j].n, BLOCK_N) * blocks(l[j].k, BLOCK_K);
	}
	for (; c.at < rows; c.at += CHUNK_ROWS) {
		c.rows = MIN((size_t)CHUNK_ROWS, rows - c.at);
		for (int j = 0; j < 2; j++)
			plan_blocks(cpu->bf16, &l[j], nn_rows(c.rows));
		nn_cpu_for(cpu, nn_rows(c.rows) / NN_ROWS, chunk_task, &c);
		nn_cpu_for(cpu, c.tasks[0] + c.tasks[1], block_task, &c);
	}
}

const struct nn_cpu_products nn_cpu_bf16_products = {
	NN_ROWS, prepared, prepare, forward, turn, back, nn_cpu_ffn, nn_cpu_ffn_back, gradients};
