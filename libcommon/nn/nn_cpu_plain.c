/* nn_cpu_plain.c: products of dense layers in fp32 by oneDNN; see nn_cpu.h. */
#include "nn/nn_cpu.h"
#include "nn/nn_cpu_vec.h"

enum {
	BLOCK_N = 96,    /* rows of a weight-gradient block */
	BLOCK_K = 384,   /* its columns */
	BLOCK_ROWS = 256 /* rows of the batch that go into all blocks before the next ones do */
};

static size_t prepared(size_t n, size_t k)
{
	return n * k;
}

struct transposition {
	const float *w; /* [n,k] */
	float *wt;      /* [k,n] */
	size_t n, k;
};

/*
 * Matrices are multiplied fastest when the second one is stored by rows of its outputs (oneDNN
 * then reads it in place), so wt[k,n] is w[n,k] transposed.
 */
static void transpose_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct transposition *t = ctx;
	size_t k0 = i * 16, k1 = MIN(k0 + 16, t->k);

	for (size_t n0 = 0; n0 < t->n; n0 += 16) {
		size_t n1 = MIN(n0 + 16, t->n);

		for (size_t k = k0; k < k1; k++)
			for (size_t n = n0; n < n1; n++)
				t->wt[k * t->n + n] = t->w[n * t->k + k];
	}
}

static void prepare(struct nn_cpu *cpu, const float *w, float *wt, size_t n, size_t k)
{
	struct transposition t = {w, wt, n, k};

	par_for(cpu->par, (k + 15) / 16, transpose_task, &t);
}

static void forward(struct nn_cpu *cpu UNUSED, unsigned worker UNUSED, size_t rows,
	const struct nn_dense *d, const float *x, float *y)
{
	nn_cpu_gemm('N', 'N', rows, d->n, d->k, x, d->k, d->wt, d->n, 0, y, d->n);
}

static const void *turn(struct nn_cpu *cpu UNUSED, int slot UNUSED, const struct nn_dense *d)
{
	return d->w;
}

static void back(struct nn_cpu *cpu UNUSED, unsigned worker UNUSED, size_t rows,
	const struct nn_dense *d, const void *turned, const float *dy, float *dx)
{
	nn_cpu_gemm('N', 'N', rows, d->k, d->n, dy, d->n, turned, d->k, 0, dx, d->k);
}

/* The blocks of both layers are one list of tasks. */
struct grad_job {
	const struct nn_cpu_grad *l;
	size_t tasks[2];
	size_t at, rows; /* the piece of the batch that is added now */
};

static size_t blocks(size_t n, size_t block)
{
	return (n + block - 1) / block;
}

static void grad_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct grad_job *j = ctx;
	const struct nn_cpu_grad *l = &j->l[i >= j->tasks[0]];
	size_t t = i >= j->tasks[0] ? i - j->tasks[0] : i;
	size_t nb = blocks(l->n, BLOCK_N), n = l->n, k = l->k;
	size_t n0 = t % nb * BLOCK_N, k0 = t / nb * BLOCK_K;
	size_t dn = MIN((size_t)BLOCK_N, n - n0), dk = MIN((size_t)BLOCK_K, k - k0);

	if (k0 == 0)
		nn_cpu_vec_colsum(j->rows, dn, n, l->dy + j->at * n + n0, l->bias + n0);
	nn_cpu_gemm('T', 'N', dn, dk, j->rows, l->dy + j->at * n + n0, n, l->x + j->at * k + k0, k,
		1, l->g + n0 * k + k0, k);
}

static void gradients(struct nn_cpu *cpu, size_t rows, const struct nn_cpu_grad l[2])
{
	struct grad_job j = {.l = l};

	for (int i = 0; i < 2; i++)
		j.tasks[i] = blocks(l[i].n, BLOCK_N) * blocks(l[i].k, BLOCK_K);
	for (; j.at < rows; j.at += BLOCK_ROWS) {
		j.rows = MIN((size_t)BLOCK_ROWS, rows - j.at);
		nn_cpu_for(cpu, j.tasks[0] + j.tasks[1], grad_task, &j);
	}
}

void nn_cpu_ffn(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const float *x, float *u, float *y)
{
	float *act = nn_cpu_scratch(&cpu->ownf[worker], rows * up->n);

	if (!u)
		u = act;
	cpu->how->forward(cpu, worker, rows, up, x, u);
	nn_cpu_vec_bias_gelu(rows, up->n, up->b, u, act);
	cpu->how->forward(cpu, worker, rows, down, act, y);
}

void nn_cpu_ffn_back(struct nn_cpu *cpu, unsigned worker, size_t rows, const struct nn_dense *up,
	const struct nn_dense *down, const void *turned_up, const void *turned_down,
	const float *dy, float *u, float *du, float *dx)
{
	cpu->how->back(cpu, worker, rows, down, turned_down, dy, du);
	nn_cpu_vec_gelu_back(rows * up->n, u, du);
	cpu->how->back(cpu, worker, rows, up, turned_up, du, dx);
}

const struct nn_cpu_products nn_cpu_plain = {
	NN_ROWS, prepared, prepare, forward, turn, back, nn_cpu_ffn, nn_cpu_ffn_back, gradients};
