/* nn_cpu_matmul.c: oneDNN's matrix products; see nn_cpu_matmul.h. */
#include "nn/nn_cpu_matmul.h"

#include <dnnl.h>

#include "base/mem.h"

struct nn_cpu_matmul_place {
	dnnl_engine_t engine;
	dnnl_stream_t *stream; /* [threads], owned */
	unsigned threads;
};

struct nn_cpu_matmul {
	struct nn_cpu_matmul_place *place;
	dnnl_primitive_t product;
	dnnl_memory_desc_t x, w, y;
	size_t scratch;
};

/* The shapes are ours: it has no memory left, or cannot do what it does on every processor. */
static void must(dnnl_status_t s)
{
	if (s != dnnl_success)
		nn_cpu_give_up();
}

static bool has(unsigned isa)
{
	return ((unsigned)dnnl_get_effective_cpu_isa() & isa) == isa;
}

bool nn_cpu_matmul_has_bf16(void)
{
	return has(dnnl_cpu_isa_avx512_core_bf16);
}

bool nn_cpu_matmul_has_amx(void)
{
	return has(dnnl_cpu_isa_avx512_core_amx);
}

bool nn_cpu_matmul_has_vnni(void)
{
	return has(dnnl_cpu_isa_avx512_core_vnni);
}

struct nn_cpu_matmul_place *nn_cpu_matmul_place_new(unsigned threads)
{
	struct nn_cpu_matmul_place *p = mem_zalloc(1, sizeof(*p));

	p->threads = threads;
	p->stream = mem_alloc(threads, sizeof(*p->stream));
	must(dnnl_engine_create(&p->engine, dnnl_cpu, 0));
	for (unsigned i = 0; i < threads; i++)
		must(dnnl_stream_create(&p->stream[i], p->engine, dnnl_stream_default_flags));
	return p;
}

void nn_cpu_matmul_place_free(struct nn_cpu_matmul_place *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->threads; i++)
		dnnl_stream_destroy(p->stream[i]);
	dnnl_engine_destroy(p->engine);
	mem_free(p->stream);
	mem_free(p);
}

static dnnl_memory_desc_t describe(const struct nn_cpu_matrix *m)
{
	static const dnnl_data_type_t type[] = {dnnl_f32, dnnl_bf16, dnnl_s32, dnnl_s8, dnnl_u8};
	dnnl_dims_t dims = {(dnnl_dim_t)m->rows, (dnnl_dim_t)m->cols};
	dnnl_dims_t apart = {(dnnl_dim_t)m->ld, 1}, along = {1, (dnnl_dim_t)m->ld};
	dnnl_memory_desc_t d;

	if (m->ld)
		must(dnnl_memory_desc_init_by_strides(
			&d, 2, dims, type[m->type], m->transposed ? along : apart));
	else
		must(dnnl_memory_desc_init_by_tag(&d, 2, dims, type[m->type], dnnl_format_tag_any));
	return d;
}

static dnnl_primitive_attr_t attributes(bool add)
{
	dnnl_primitive_attr_t attr;
	dnnl_post_ops_t ops;

	must(dnnl_primitive_attr_create(&attr));
	must(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
	must(dnnl_post_ops_create(&ops));
	if (add)
		must(dnnl_post_ops_append_sum(ops, 1));
	must(dnnl_primitive_attr_set_post_ops(attr, ops));
	dnnl_post_ops_destroy(ops);
	return attr;
}

struct nn_cpu_matmul *nn_cpu_matmul_new(struct nn_cpu_matmul_place *p,
	const struct nn_cpu_matrix *x, const struct nn_cpu_matrix *w, const struct nn_cpu_matrix *y,
	bool add)
{
	struct nn_cpu_matmul *m = mem_zalloc(1, sizeof(*m));
	dnnl_primitive_attr_t attr = attributes(add);
	dnnl_primitive_desc_t pd;
	dnnl_matmul_desc_t d;

	nn_cpu_alone();
	m->place = p;
	m->x = describe(x);
	m->w = describe(w);
	m->y = describe(y);
	must(dnnl_matmul_desc_init(&d, &m->x, &m->w, NULL, &m->y));
	must(dnnl_primitive_desc_create(&pd, &d, attr, p->engine, NULL));
	must(dnnl_primitive_create(&m->product, pd));
	m->w = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
	m->scratch = dnnl_memory_desc_get_size(
		dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0));
	dnnl_primitive_desc_destroy(pd);
	dnnl_primitive_attr_destroy(attr);
	return m;
}

void nn_cpu_matmul_free(struct nn_cpu_matmul *m)
{
	if (m)
		dnnl_primitive_destroy(m->product);
	mem_free(m);
}

size_t nn_cpu_matmul_weights(const struct nn_cpu_matmul *m)
{
	return dnnl_memory_desc_get_size(&m->w);
}

size_t nn_cpu_matmul_scratch(const struct nn_cpu_matmul *m)
{
	return m->scratch;
}

void nn_cpu_matmul_pack(
	const struct nn_cpu_matmul *m, const struct nn_cpu_matrix *from, const void *w, void *to)
{
	const struct nn_cpu_matmul_place *p = m->place;
	dnnl_memory_desc_t d = describe(from);
	dnnl_primitive_desc_t pd;
	dnnl_primitive_t reorder;
	dnnl_memory_t a, b;

	nn_cpu_alone();
	must(dnnl_memory_create(&a, &d, p->engine, (void *)w));
	must(dnnl_memory_create(&b, &m->w, p->engine, to));
	must(dnnl_reorder_primitive_desc_create(&pd, &d, p->engine, &m->w, p->engine, NULL));
	must(dnnl_primitive_create(&reorder, pd));
	{
		dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};

		must(dnnl_primitive_execute(reorder, p->stream[0], COUNT_OF(arg), arg));
		must(dnnl_stream_wait(p->stream[0]));
	}
	dnnl_primitive_destroy(reorder);
	dnnl_primitive_desc_destroy(pd);
	dnnl_memory_destroy(a);
	dnnl_memory_destroy(b);
}

void nn_cpu_matmul_run(const struct nn_cpu_matmul *m, unsigned worker, const void *x, const void *w,
	void *y, void *scratch)
{
	const struct nn_cpu_matmul_place *p = m->place;
	dnnl_dims_t bytes = {(dnnl_dim_t)m->scratch};
	dnnl_memory_desc_t ms;
	dnnl_memory_t at[4];

	must(dnnl_memory_desc_init_by_tag(&ms, 1, bytes, dnnl_u8, dnnl_a));
	must(dnnl_memory_create(&at[0], &m->x, p->engine, (void *)x));
	must(dnnl_memory_create(&at[1], &m->w, p->engine, (void *)w));
	must(dnnl_memory_create(&at[2], &m->y, p->engine, y));
	must(dnnl_memory_create(&at[3], &ms, p->engine, scratch));
	{
		dnnl_exec_arg_t arg[] = {{DNNL_ARG_SRC, at[0]}, {DNNL_ARG_WEIGHTS, at[1]},
			{DNNL_ARG_DST, at[2]}, {DNNL_ARG_SCRATCHPAD, at[3]}};

		nn_cpu_alone();
		must(dnnl_primitive_execute(m->product, p->stream[worker], COUNT_OF(arg), arg));
		must(dnnl_stream_wait(p->stream[worker]));
	}
	for (size_t i = 0; i < COUNT_OF(at); i++)
		dnnl_memory_destroy(at[i]);
}
