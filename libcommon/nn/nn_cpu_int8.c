/*
 * nn_cpu_int8.c: products with weights of 8 bits; see nn_cpu_int8.h.
 *
 * One idea: as in nn_cpu.c a tile is NN_ROWS rows in one thread: its rows become bytes, are
 * multiplied (by AMX or else by oneDNN, which takes VNNI where it is), and the sums become numbers
 * again or, between the two products of the feed-forward half, bytes again. Rows of bytes and of
 * sums are apart in whole 64.
 *
 * Without VNNI the processor adds pairs of products of bytes in 16 bits, with saturation. Bytes
 * below 128 then keep the sums exact.
 */
#include "nn/nn_cpu_int8.h"

#include <math.h>

#include "base/mem.h"
#include "nn/nn_cpu_amx.h"
#include "nn/nn_cpu_bytes.h"
#include "nn/nn_cpu_matmul.h"

struct nn_int8 {
	size_t n, k;
	unsigned top; /* largest byte of x */
	float *scale; /* [n] */
	float *sum;   /* [n] sums of the bytes of each row of W */
	struct nn_cpu_matmul_place *place;
	struct nn_cpu_matmul *product; /* sums[64,n] = x[64,k] W^T; NULL, as place, with AMX */
	void *w;                       /* W in the order of the product; panels for AMX */
};

/* Fills scale and sum, and b[n,k] with the bytes of w. */
static void round_weights(struct nn_int8 *q, const float *w, int8_t *b)
{
	for (size_t i = 0; i < q->n; i++, w += q->k, b += q->k) {
		float top = 0;
		int32_t sum = 0;

		for (size_t j = 0; j < q->k; j++)
			top = fmaxf(top, fabsf(w[j]));
		q->scale[i] = top > 0 ? top / 127 : 1;
		for (size_t j = 0; j < q->k; j++) {
			b[j] = (int8_t)lrintf(w[j] / q->scale[i]);
			sum += b[j];
		}
		q->sum[i] = (float)sum;
	}
}

/* oneDNN's product for tiles of NN_ROWS rows, and the weights b[n,k] as it wants them. */
static void make_product(struct nn_int8 *q, const int8_t *b)
{
	const struct nn_cpu_matrix x = {NN_CPU_U8, NN_ROWS, q->k, nn_rows(q->k), false};
	const struct nn_cpu_matrix w = {NN_CPU_S8, q->k, q->n, 0, false};
	const struct nn_cpu_matrix y = {NN_CPU_S32, NN_ROWS, q->n, nn_rows(q->n), false};
	const struct nn_cpu_matrix from = {NN_CPU_S8, q->k, q->n, q->k, true};

	q->product = nn_cpu_matmul_new(q->place, &x, &w, &y, false);
	q->w = mem_aligned(nn_cpu_matmul_weights(q->product), 1);
	nn_cpu_matmul_pack(q->product, &from, b, q->w);
}

static void make_panels(struct nn_int8 *q, const int8_t *b)
{
	size_t panel = nn_cpu_amx_byte_panel(q->k), panels = nn_cpu_amx_count(q->n);

	q->w = mem_aligned(panels * panel, 1);
	for (size_t i = 0; i < panels; i++)
		nn_cpu_amx_right_bytes(b, q->n, q->k, i, (int8_t *)q->w + i * panel);
}

struct nn_int8 *nn_cpu_int8_new(struct nn *nn, const float *w, size_t n, size_t k)
{
	struct nn_cpu *cpu = (struct nn_cpu *)nn;
	struct nn_int8 *q = mem_zalloc(1, sizeof(*q));
	int8_t *b = mem_alloc(n * k, 1);

	q->n = n;
	q->k = k;
	q->top = nn_cpu_matmul_has_vnni() ? 255 : 127;
	q->scale = mem_alloc(n, sizeof(*q->scale));
	q->sum = mem_alloc(n, sizeof(*q->sum));
	round_weights(q, w, b);
	if (nn_cpu_amx_has()) {
		make_panels(q, b);
	} else {
		q->place = nn_cpu_matmul_place_new(par_threads(cpu->par));
		make_product(q, b);
	}
	mem_free(b);
	return q;
}

void nn_cpu_int8_free(struct nn *nn UNUSED, struct nn_int8 *q)
{
	if (!q)
		return;
	nn_cpu_matmul_free(q->product);
	nn_cpu_matmul_place_free(q->place);
	mem_free(q->w);
	mem_free(q->scale);
	mem_free(q->sum);
	mem_free(q);
}

/* sums[64,n] of the bytes x[64,k]. */
static void multiply(
	const struct nn_int8 *q, unsigned worker, const uint8_t *x, int32_t *sums, void *scratch)
{
	if (q->product)
		nn_cpu_matmul_run(q->product, worker, x, q->w, sums, scratch);
	else
		nn_cpu_amx_multiply_bytes(
			NN_ROWS, q->n, q->k, x, nn_rows(q->k), q->w, sums, nn_rows(q->n));
}

/* The worker's memory for a tile, in this order. */
struct tile {
	int32_t *sums;                /* [64,n], as is the next; the largest n of the products */
	float *buf;                   /* [n] */
	struct nn_cpu_bytes_row *row; /* [64] */
	uint8_t *bytes;               /* [64,k] */
	void *scratch;
};

static size_t scratch_of(const struct nn_int8 *q)
{
	return q->product ? nn_cpu_matmul_scratch(q->product) : 0;
}

static struct tile tile_of(
	struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *a, const struct nn_int8 *b)
{
	size_t n = nn_rows(MAX(a->n, b->n)), k = nn_rows(MAX(a->k, b->k)),
	       scratch = MAX(scratch_of(a), scratch_of(b));
	size_t words = NN_ROWS * n + n + 2 * NN_ROWS + NN_ROWS * k / 4 + scratch / 4 + 1;
	float *p = nn_cpu_scratch(&cpu->own8[worker], words);
	struct tile t;

	t.sums = (int32_t *)p;
	t.buf = p + NN_ROWS * n;
	t.row = (struct nn_cpu_bytes_row *)(t.buf + n);
	t.bytes = (uint8_t *)(t.row + NN_ROWS);
	t.scratch = t.bytes + NN_ROWS * k;
	return t;
}

static void put(const struct nn_int8 *q, const struct tile *t, const float *x)
{
	nn_cpu_bytes_put(NN_ROWS, q->k, q->top, x, t->bytes, nn_rows(q->k), t->row);
}

static void get(const struct nn_int8 *q, const struct tile *t, const float *bias, float *y)
{
	const struct nn_cpu_bytes_col col = {q->scale, q->sum};

	nn_cpu_bytes_get(NN_ROWS, q->n, t->sums, nn_rows(q->n), t->row, &col, bias, y);
}

void nn_cpu_int8_product(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *q,
	const float *x, const float *bias, float *y)
{
	struct tile t = tile_of(cpu, worker, q, q);

	put(q, &t, x);
	multiply(q, worker, t.bytes, t.sums, t.scratch);
	get(q, &t, bias, y);
}

void nn_cpu_int8_ffn(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *up, const float *b1,
	const struct nn_int8 *down, const float *x, float *y)
{
	struct tile t = tile_of(cpu, worker, up, down);
	const struct nn_cpu_bytes_col col = {up->scale, up->sum};

	put(up, &t, x);
	multiply(up, worker, t.bytes, t.sums, t.scratch);
	nn_cpu_bytes_gelu(NN_ROWS, up->n, down->top, t.sums, nn_rows(up->n), t.row, &col, b1, t.buf,
		t.bytes, nn_rows(down->k));
	multiply(down, worker, t.bytes, t.sums, t.scratch);
	get(down, &t, NULL, y);
}
