/*
 * nn_cpu_int8.c: products with weights of 8 bits by oneDNN; see nn_cpu_int8.h.
 *
 * One idea: as in nn_cpu.c a tile is NN_ROWS rows in one thread: its rows become bytes, are
 * multiplied (oneDNN takes AMX or VNNI where the processor has them), and the sums become numbers
 * again or, between the two products of the feed-forward half, bytes again.
 *
 * Without VNNI the processor adds pairs of products of bytes in 16 bits, with saturation. Bytes
 * below 128 then keep the sums exact.
 */
#include "nn/nn_cpu_int8.h"

#include <dnnl.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/nn_cpu_bytes.h"

struct nn_int8 {
	size_t n, k;
	unsigned top; /* largest byte of x */
	float *scale; /* [n] */
	float *sum;   /* [n] sums of the bytes of each row of W */
	dnnl_engine_t engine;
	dnnl_primitive_t product; /* sums[64,n] = x[64,k] W^T */
	dnnl_memory_desc_t mx, my;
	dnnl_memory_t w;
	dnnl_stream_t *stream; /* [threads] */
	size_t scratch;        /* bytes that the product needs */
};

/* The shapes are ours: it has no memory left, or cannot do what it does on every processor. */
static void must(dnnl_status_t s)
{
	if (s != dnnl_success)
		nn_cpu_give_up();
}

static dnnl_memory_desc_t describe(
	size_t rows, size_t cols, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
	dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
	dnnl_memory_desc_t d;

	must(dnnl_memory_desc_init_by_tag(&d, 2, dims, type, tag));
	return d;
}

/* Fills scale and sum, and b[k,n] with the bytes of w transposed. */
static void round_weights(struct nn_int8 *q, const float *w, int8_t *b)
{
	for (size_t i = 0; i < q->n; i++) {
		float top = 0;
		int32_t sum = 0;

		for (size_t j = 0; j < q->k; j++)
			top = fmaxf(top, fabsf(w[i * q->k + j]));
		q->scale[i] = top > 0 ? top / 127 : 1;
		for (size_t j = 0; j < q->k; j++) {
			int8_t v = (int8_t)lrintf(w[i * q->k + j] / q->scale[i]);

			b[j * q->n + i] = v;
			sum += v;
		}
		q->sum[i] = (float)sum;
	}
}

/* The weights in the order the product wants. */
static void reorder(struct nn_int8 *q, int8_t *b, const dnnl_memory_desc_t *to)
{
	dnnl_memory_desc_t from = describe(q->k, q->n, dnnl_s8, dnnl_ab);
	dnnl_primitive_desc_t pd;
	dnnl_primitive_t p;
	dnnl_memory_t m;

	must(dnnl_memory_create(&q->w, to, q->engine, DNNL_MEMORY_ALLOCATE));
	must(dnnl_memory_create(&m, &from, q->engine, b));
	must(dnnl_reorder_primitive_desc_create(&pd, &from, q->engine, to, q->engine, NULL));
	must(dnnl_primitive_create(&p, pd));
	{
		dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, q->w}};

		must(dnnl_primitive_execute(p, q->stream[0], 2, arg));
		must(dnnl_stream_wait(q->stream[0]));
	}
	dnnl_primitive_destroy(p);
	dnnl_primitive_desc_destroy(pd);
	dnnl_memory_destroy(m);
}

/* The primitive for tiles of NN_ROWS rows, and the weights as it wants them. */
static void make_product(struct nn_int8 *q, int8_t *b)
{
	dnnl_memory_desc_t any = describe(q->k, q->n, dnnl_s8, dnnl_format_tag_any);
	dnnl_primitive_attr_t attr;
	dnnl_primitive_desc_t pd;
	dnnl_matmul_desc_t d;

	q->mx = describe(NN_ROWS, q->k, dnnl_u8, dnnl_ab);
	q->my = describe(NN_ROWS, q->n, dnnl_s32, dnnl_ab);
	must(dnnl_primitive_attr_create(&attr));
	must(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
	must(dnnl_matmul_desc_init(&d, &q->mx, &any, NULL, &q->my));
	must(dnnl_primitive_desc_create(&pd, &d, attr, q->engine, NULL));
	must(dnnl_primitive_create(&q->product, pd));
	q->scratch = dnnl_memory_desc_get_size(
		dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
	reorder(q, b, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
	dnnl_primitive_desc_destroy(pd);
	dnnl_primitive_attr_destroy(attr);
}

struct nn_int8 *nn_cpu_int8_new(struct nn *nn, const float *w, size_t n, size_t k)
{
	struct nn_cpu *cpu = (struct nn_cpu *)nn;
	unsigned threads = par_threads(cpu->par), isa = (unsigned)dnnl_get_effective_cpu_isa();
	struct nn_int8 *q = mem_zalloc(1, sizeof(*q));
	int8_t *b = mem_alloc(n * k, 1);

	q->n = n;
	q->k = k;
	q->top = (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni ? 255 : 127;
	q->scale = mem_alloc(n, sizeof(*q->scale));
	q->sum = mem_alloc(n, sizeof(*q->sum));
	must(dnnl_engine_create(&q->engine, dnnl_cpu, 0));
	q->stream = mem_alloc(threads, sizeof(*q->stream));
	for (unsigned i = 0; i < threads; i++)
		must(dnnl_stream_create(&q->stream[i], q->engine, dnnl_stream_default_flags));
	round_weights(q, w, b);
	nn_cpu_alone();
	make_product(q, b);
	mem_free(b);
	return q;
}

void nn_cpu_int8_free(struct nn *nn, struct nn_int8 *q)
{
	struct nn_cpu *cpu = (struct nn_cpu *)nn;

	if (!q)
		return;
	dnnl_primitive_destroy(q->product);
	dnnl_memory_destroy(q->w);
	for (unsigned i = 0; i < par_threads(cpu->par); i++)
		dnnl_stream_destroy(q->stream[i]);
	dnnl_engine_destroy(q->engine);
	mem_free(q->stream);
	mem_free(q->scale);
	mem_free(q->sum);
	mem_free(q);
}

/* sums[64,n] of the bytes x[64,k]. */
static void multiply(
	const struct nn_int8 *q, unsigned worker, uint8_t *x, int32_t *sums, void *scratch)
{
	dnnl_dims_t bytes = {(dnnl_dim_t)q->scratch};
	dnnl_memory_desc_t ms;
	dnnl_memory_t m[3];

	must(dnnl_memory_desc_init_by_tag(&ms, 1, bytes, dnnl_u8, dnnl_a));
	must(dnnl_memory_create(&m[0], &q->mx, q->engine, x));
	must(dnnl_memory_create(&m[1], &q->my, q->engine, sums));
	must(dnnl_memory_create(&m[2], &ms, q->engine, scratch));
	{
		dnnl_exec_arg_t arg[] = {{DNNL_ARG_SRC, m[0]}, {DNNL_ARG_WEIGHTS, q->w},
			{DNNL_ARG_DST, m[1]}, {DNNL_ARG_SCRATCHPAD, m[2]}};

		nn_cpu_alone();
		must(dnnl_primitive_execute(q->product, q->stream[worker], COUNT_OF(arg), arg));
		must(dnnl_stream_wait(q->stream[worker]));
	}
	for (size_t i = 0; i < COUNT_OF(m); i++)
		dnnl_memory_destroy(m[i]);
}

/* The worker's memory for a tile, in this order. */
struct tile {
	int32_t *sums; /* [64,n], as are the next two; the largest n of the products */
	float *buf;    /* [n] */
	struct nn_cpu_bytes_row *row; /* [64] */
	uint8_t *bytes;               /* [64,k] */
	void *scratch;
};

static struct tile tile_of(
	struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *a, const struct nn_int8 *b)
{
	size_t n = MAX(a->n, b->n), k = MAX(a->k, b->k), scratch = MAX(a->scratch, b->scratch);
	size_t words = NN_ROWS * n + nn_rows(n) + 2 * NN_ROWS + NN_ROWS * k / 4 + scratch / 4 + 1;
	float *p = nn_cpu_scratch(&cpu->own8[worker], words);
	struct tile t;

	t.sums = (int32_t *)p;
	t.buf = p + NN_ROWS * n;
	t.row = (struct nn_cpu_bytes_row *)(t.buf + nn_rows(n));
	t.bytes = (uint8_t *)(t.row + NN_ROWS);
	t.scratch = t.bytes + NN_ROWS * k;
	return t;
}

void nn_cpu_int8_product(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *q,
	const float *x, const float *bias, float *y)
{
	struct tile t = tile_of(cpu, worker, q, q);
	const struct nn_cpu_bytes_col col = {q->scale, q->sum};

	nn_cpu_bytes_put(NN_ROWS, q->k, q->top, x, t.bytes, t.row);
	multiply(q, worker, t.bytes, t.sums, t.scratch);
	nn_cpu_bytes_get(NN_ROWS, q->n, t.sums, t.row, &col, bias, y);
}

void nn_cpu_int8_ffn(struct nn_cpu *cpu, unsigned worker, const struct nn_int8 *up, const float *b1,
	const struct nn_int8 *down, const float *x, float *y)
{
	struct tile t = tile_of(cpu, worker, up, down);
	const struct nn_cpu_bytes_col cu = {up->scale, up->sum}, cd = {down->scale, down->sum};

	nn_cpu_bytes_put(NN_ROWS, up->k, up->top, x, t.bytes, t.row);
	multiply(up, worker, t.bytes, t.sums, t.scratch);
	nn_cpu_bytes_gelu(NN_ROWS, up->n, down->top, t.sums, t.row, &cu, b1, t.buf, t.bytes);
	multiply(down, worker, t.bytes, t.sums, t.scratch);
	nn_cpu_bytes_get(NN_ROWS, down->n, t.sums, t.row, &cd, NULL, y);
}
