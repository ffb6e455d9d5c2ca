/*
 * nn_cpu_cell.c: a step of an LSTM whose input is one of a few symbols; see cell in nn.h.
 *
 * One idea: rows do not depend on each other, so they are done in tiles; only the gradient of the
 * table is a sum over rows, which is done by columns, each over all rows in their order.
 */
#include <string.h>

#include "nn/nn_cpu.h"
#include "nn/nn_cpu_vec.h"

enum { BLOCK_COL = 128 /* columns of the table done together */ };

struct job {
	size_t n, d;
	const uint16_t *in;
	const float *table, *z, *c0, *cells, *dy;
	float *gates, *c, *y, *dc, *dz, *dtable;
};

/* p + n, or NULL. */
static float *past(const float *p, size_t n)
{
	return p ? (float *)p + n : NULL;
}

static void zero(float *p, size_t rows, size_t n, size_t width)
{
	if (p)
		memset(p + rows * width, 0, (n - rows) * width * sizeof(*p));
}

static void cell_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t r0 = i * NN_ROWS, rows = MIN((size_t)NN_ROWS, j->n - r0), d = j->d, at = r0 * d;
	float *gates = past(j->gates, 4 * at);

	for (size_t r = 0; r < rows; r++)
		nn_cpu_vec_cell(d, j->table + j->in[r0 + r] * 4 * d, j->z + 4 * at + r * 4 * d,
			past(j->c0, at + r * d), past(gates, r * 4 * d), j->c + at + r * d,
			j->y + at + r * d);
	zero(gates, rows, NN_ROWS, 4 * d);
	zero(j->c + at, rows, NN_ROWS, d);
	zero(j->y + at, rows, NN_ROWS, d);
}

void nn_cpu_cell(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *table,
	const float *z, const float *c0, float *gates, float *c, float *y)
{
	struct job j = {.n = n, .d = d, .in = in, .table = table, .z = z, .c0 = c0};

	j.gates = gates;
	j.c = c;
	j.y = y;
	nn_cpu_for((struct nn_cpu *)nn, nn_rows(n) / NN_ROWS, cell_task, &j);
}

static void cell_back_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t r0 = i * NN_ROWS, rows = MIN((size_t)NN_ROWS, j->n - r0), d = j->d, at = r0 * d;

	for (size_t r = 0; r < rows; r++, at += d)
		nn_cpu_vec_cell_back(d, j->gates + 4 * at, past(j->c0, at), j->cells + at,
			j->dy + at, j->dc + at, j->dz + 4 * at);
	zero(j->dc + r0 * d, rows, NN_ROWS, d);
	zero(j->dz + r0 * 4 * d, rows, NN_ROWS, 4 * d);
}

static void table_task(void *ctx, size_t i, unsigned worker UNUSED)
{
	const struct job *j = ctx;
	size_t width = 4 * j->d, c = i * BLOCK_COL, n = MIN((size_t)BLOCK_COL, width - c);

	for (size_t r = 0; r < j->n; r++)
		nn_cpu_vec_axpy(n, 1, j->dz + r * width + c, j->dtable + j->in[r] * width + c);
}

void nn_cpu_cell_back(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *gates,
	const float *c0, const float *c, const float *dy, float *dc, float *dz, float *dtable)
{
	struct job j = {.n = n, .d = d, .in = in, .c0 = c0, .cells = c, .dy = dy, .dc = dc};
	struct nn_cpu *cpu = (struct nn_cpu *)nn;

	j.gates = (float *)gates;
	j.dz = dz;
	j.dtable = dtable;
	nn_cpu_for(cpu, nn_rows(n) / NN_ROWS, cell_back_task, &j);
	nn_cpu_for(cpu, (4 * d + BLOCK_COL - 1) / BLOCK_COL, table_task, &j);
}
