/*
 * parity.c: the table of nn.h on CUDA against the CPU, row by row, then whole trainings (the row
 * "training") and what does not depend on the rest of a batch ("packing").
 *
 *	parity [bf16] [quick] [FIRST-ROW...]
 *
 * With bf16 the other side is the CPU with products in bf16. quick: small shapes only, for tools
 * that make everything slow. Prints a line for each row of the table and exits 1 if one is too far
 * off, 77 if there is no device (no such processor). Beside a program of the folder emu the device
 * is emulated (tests/cuda/runtime.c).
 *
 * Each row runs on both with equal random input in odd sizes; what it writes is NaN before, what it
 * adds to is not 0. fp32: the largest difference by the largest number of the CPU's result; bf16:
 * the norm of the difference by the norm of the result, for products against double precision.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/nn_open.h"
#include "nn/model.h"
#include "nn/optim.h"
#include "nn/values.h"

static unsigned long failed, passed;
static bool quick;

/* ---- one side of a comparison ---- */

enum { RESULTS = 16, ARRAYS = 64, T_MAX = 2048, OPS = 9 };

struct result {
	const char *name;
	float *v; /* host, owned */
	size_t n;
};

struct side {
	struct nn *nn;
	uint64_t next; /* counts the random arrays */
	float *array[ARRAYS];
	size_t arrays;
	struct result r[RESULTS];
	size_t n;
};

/* What all rows of the table are tried with. */
struct shape {
	struct nn_batch b;
	size_t h, f, heads, vocab;
};

static float *array(struct side *s, size_t n, const float *host)
{
	float *p = s->nn->op->alloc(s->nn, n);

	s->nn->op->put(s->nn, p, host, n);
	return s->array[s->arrays++] = p;
}

/* Random numbers, the same on each side. */
static float *given(struct side *s, size_t n, float scale)
{
	float *host = mem_alloc(n, sizeof(*host)), *p;
	struct rng r = rng_new(77, s->next++);

	for (size_t i = 0; i < n; i++)
		host[i] = scale * rng_normal(&r);
	p = array(s, n, host);
	mem_free(host);
	return p;
}

static float *acts(struct side *s, size_t n, const float *host)
{
	float *p = s->nn->op->room(s->nn, n);

	s->nn->op->give(s->nn, p, host, n);
	return s->array[s->arrays++] = p;
}

/* Activations [rows,n] with zeros in the rows beyond; bf16 numbers, which any device can hold. */
static float *rows_given(struct side *s, size_t rows, size_t n, float scale)
{
	float *host = mem_zalloc(nn_rows(rows) * n, sizeof(*host)), *p;
	struct rng r = rng_new(78, s->next++);

	for (size_t i = 0; i < rows * n; i++) {
		float v = scale * rng_normal(&r);
		uint32_t bits;

		memcpy(&bits, &v, sizeof(bits));
		bits &= 0xffff0000;
		memcpy(&host[i], &bits, sizeof(bits));
	}
	p = acts(s, nn_rows(rows) * n, host);
	mem_free(host);
	return p;
}

/* Activations to be written: NaN. */
static float *rows_blank(struct side *s, size_t rows, size_t n)
{
	float *host = mem_alloc(nn_rows(rows) * n, sizeof(*host)), *p;

	for (size_t i = 0; i < nn_rows(rows) * n; i++)
		host[i] = NAN;
	p = acts(s, nn_rows(rows) * n, host);
	mem_free(host);
	return p;
}

/* Floats to be written: NaN. */
static float *blank(struct side *s, size_t n)
{
	float *host = mem_alloc(n, sizeof(*host)), *p;

	for (size_t i = 0; i < n; i++)
		host[i] = NAN;
	p = array(s, n, host);
	mem_free(host);
	return p;
}

static float *keep_host(struct side *s, const char *name, size_t n)
{
	float *v = mem_alloc(n, sizeof(*v));

	s->r[s->n++] = (struct result){name, v, n};
	return v;
}

static void keep(struct side *s, const char *name, const float *p, size_t n)
{
	s->nn->op->get(s->nn, keep_host(s, name, n), p, n);
}

static void keep_rows(struct side *s, const char *name, const float *p, size_t n)
{
	s->nn->op->take(s->nn, keep_host(s, name, n), p, n);
}

static void keep_best(struct side *s, const uint32_t *best, size_t n)
{
	float *v = keep_host(s, "best", n);

	for (size_t i = 0; i < n; i++)
		v[i] = (float)best[i];
}

static void clear(struct side *s)
{
	for (size_t i = 0; i < s->arrays; i++)
		s->nn->op->free(s->nn, s->array[i]);
	for (size_t i = 0; i < s->n; i++)
		mem_free(s->r[i].v);
	s->arrays = s->n = s->next = 0;
}

static struct nn_dense dense(struct side *s, size_t n, size_t k)
{
	struct nn_dense d = {.n = n, .k = k};

	d.w = given(s, n * k, 1 / sqrtf((float)k));
	d.wt = blank(s, s->nn->op->prepared(s->nn, n, k));
	d.b = given(s, n, 0.5f);
	s->nn->op->prepare(s->nn, d.w, (float *)d.wt, n, k);
	return d;
}

static struct nn_dense_grad dense_grad(struct side *s, size_t n, size_t k)
{
	return (struct nn_dense_grad){given(s, n * k, 1), given(s, n, 1)};
}

static void keep_grad(struct side *s, const struct nn_dense_grad *g, size_t n, size_t k)
{
	keep(s, "dW", g->w, n * k);
	keep(s, "db", g->b, n);
}

static struct nn_norm norm(struct side *s, size_t n)
{
	return (struct nn_norm){given(s, n, 1), given(s, n, 0.5f), 1e-6f};
}

static struct nn_kept kept(struct side *s, size_t rows, size_t n)
{
	return (struct nn_kept){rows_blank(s, rows, n), blank(s, nn_rows(rows))};
}

static void keep_kept(struct side *s, const struct nn_kept *k, size_t rows, size_t n)
{
	keep_rows(s, "xhat", k->xhat, rows * n);
	keep(s, "rstd", k->rstd, rows);
}

/* ---- the rows of the table ---- */

static void dense_all(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, n = x->f, k = x->h;
	struct nn_dense d = dense(s, n, k);
	float *in = rows_given(s, t, k, 1);

	for (int act = NN_LINEAR; act <= NN_TANH; act++) {
		float *y = rows_blank(s, t, n), *u = rows_blank(s, t, n);

		op->dense(s->nn, t, &d, (enum nn_act)act, in, act == NN_GELU ? u : NULL, y);
		keep_rows(s, "y", y, t * n);
		if (act == NN_GELU)
			keep_rows(s, "u", u, t * n);
	}
}

static void dense_back_as(struct side *s, const struct shape *x, enum nn_act act, bool dx_wanted)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, n = x->f, k = x->h;
	struct nn_dense d = dense(s, n, k);
	struct nn_dense_grad g = dense_grad(s, n, k);
	float *in = rows_given(s, t, k, 1), *uy = rows_given(s, t, n, 0.7f);
	float *dy = rows_given(s, t, n, 1), *dx = dx_wanted ? rows_blank(s, t, k) : NULL;

	op->dense_back(s->nn, t, &d, &g, act, in, act == NN_GELU ? uy : NULL,
		act == NN_TANH ? uy : NULL, dy, dx);
	keep_grad(s, &g, n, k);
	if (dx)
		keep_rows(s, "dx", dx, t * k);
}

static void dense_back_linear(struct side *s, const struct shape *x)
{
	dense_back_as(s, x, NN_LINEAR, false);
	dense_back_as(s, x, NN_LINEAR, true);
}

static void dense_back_gelu(struct side *s, const struct shape *x)
{
	dense_back_as(s, x, NN_GELU, true);
}

static void dense_back_tanh(struct side *s, const struct shape *x)
{
	dense_back_as(s, x, NN_TANH, true);
}

static void dense_norm_linear(struct side *s, const struct shape *x)
{
	size_t t = x->b.tokens, n = x->h, k = x->f;
	struct nn_dense d = dense(s, n, k);
	struct nn_norm m = norm(s, n);
	struct nn_kept kp = kept(s, t, n);
	float *in = rows_given(s, t, k, 1), *r = rows_given(s, t, n, 1);
	float *z = rows_blank(s, t, n);

	s->nn->op->dense_norm(s->nn, t, &d, NN_LINEAR, &m, in, r, NULL, z, &kp);
	keep_rows(s, "z", z, t * n);
	keep_kept(s, &kp, t, n);
}

static void dense_norm_gelu(struct side *s, const struct shape *x)
{
	static const struct nn_kept none = {0};
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, n = x->h, k = x->f;
	struct nn_dense d = dense(s, n, k);
	struct nn_norm m = norm(s, n);
	float *in = rows_given(s, t, k, 1), *u = rows_blank(s, t, n);
	float *z = rows_blank(s, t, n), *z2 = rows_blank(s, t, n);

	op->dense_norm(s->nn, t, &d, NN_GELU, &m, in, NULL, u, z, &none);
	op->dense_norm(s->nn, t, &d, NN_GELU, &m, in, NULL, NULL, z2, &none);
	keep_rows(s, "z", z, t * n);
	keep_rows(s, "z without u", z2, t * n);
	keep_rows(s, "u", u, t * n);
}

static void norm_back(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, n = x->h;
	struct nn_norm m = norm(s, n);
	struct nn_kept kp = {rows_given(s, t, n, 1), given(s, nn_rows(t), 1)};
	struct nn_norm_grad g = {given(s, n, 1), given(s, n, 1)};
	float *dz = rows_given(s, t, n, 1), *ds = rows_blank(s, t, n);

	op->norm_back(s->nn, t, n, &m, &g, dz, &kp, ds);
	op->norm_back(s->nn, t, n, &m, &g, dz, &kp, dz); /* in place */
	keep_rows(s, "ds", ds, t * n);
	keep_rows(s, "ds in place", dz, t * n);
	keep(s, "dg", g.g, n);
	keep(s, "db", g.b, n);
}

static void ffn(struct side *s, const struct shape *x)
{
	static const struct nn_kept none = {0};
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h, f = x->f;
	struct nn_dense up = dense(s, f, h), down = dense(s, h, f);
	struct nn_norm m = norm(s, h);
	struct nn_kept kp = kept(s, t, h);
	float *in = rows_given(s, t, h, 1), *u = rows_blank(s, t, f);
	float *z = rows_blank(s, t, h), *z2 = rows_blank(s, t, h);

	op->ffn(s->nn, t, &up, &down, &m, in, u, z, &kp);
	op->ffn(s->nn, t, &up, &down, &m, in, NULL, z2, &none);
	keep_rows(s, "z", z, t * h);
	keep_rows(s, "z without u", z2, t * h);
	keep_rows(s, "u", u, t * f);
	keep_kept(s, &kp, t, h);
}

static void ffn_back(struct side *s, const struct shape *x)
{
	size_t t = x->b.tokens, h = x->h, f = x->f;
	struct nn_dense up = dense(s, f, h), down = dense(s, h, f);
	struct nn_dense_grad gu = dense_grad(s, f, h), gd = dense_grad(s, h, f);
	float *in = rows_given(s, t, h, 1), *u = rows_given(s, t, f, 1);
	float *ds = rows_given(s, t, h, 1), *dx = rows_blank(s, t, h);

	s->nn->op->ffn_back(s->nn, t, &up, &down, &gu, &gd, in, u, ds, dx);
	keep_rows(s, "dx", dx, t * h);
	keep_grad(s, &gu, f, h);
	keep_grad(s, &gd, h, f);
}

static struct nn_embed tables(struct side *s, const struct shape *x)
{
	struct nn_embed e = {.h = x->h};

	e.word = given(s, x->vocab * x->h, 1);
	e.pos = given(s, T_MAX * x->h, 1);
	e.type = given(s, 3 * x->h, 1);
	e.norm = norm(s, x->h);
	return e;
}

static void embed(struct side *s, const struct shape *x)
{
	static const struct nn_kept none = {0};
	size_t t = x->b.tokens, h = x->h;
	struct nn_embed e = tables(s, x);
	struct nn_kept kp = kept(s, t, h);
	float *y = rows_blank(s, t, h), *y2 = rows_blank(s, t, h);

	s->nn->op->embed(s->nn, &x->b, &e, y, &kp);
	s->nn->op->embed(s->nn, &x->b, &e, y2, &none);
	keep_rows(s, "x", y, t * h);
	keep_rows(s, "x, nothing kept", y2, t * h);
	keep_kept(s, &kp, t, h);
}

static void embed_back(struct side *s, const struct shape *x)
{
	size_t t = x->b.tokens, h = x->h;
	struct nn_embed e = tables(s, x);
	struct nn_kept kp = {rows_given(s, t, h, 1), given(s, nn_rows(t), 1)};
	float *word = given(s, x->vocab * h, 1), *pos = given(s, T_MAX * h, 1);
	float *type = given(s, 3 * h, 1), *dx = rows_given(s, t, h, 1);
	struct nn_embed_grad g = {.word = word, .pos = pos, .type = type};

	g.norm = (struct nn_norm_grad){given(s, h, 1), given(s, h, 1)};
	s->nn->op->embed_back(s->nn, &x->b, &e, &g, dx, &kp);
	keep(s, "word", word, x->vocab * h);
	keep(s, "position", pos, T_MAX * h);
	keep(s, "type", type, 3 * h);
	keep(s, "dg", g.norm.g, h);
	keep(s, "db", g.norm.b, h);
}

/* The same with operand positions and values: as many as there are words. */
static struct nn_batch traced(struct side *s, const struct shape *x, struct nn_embed *e)
{
	static uint32_t op[T_MAX], value[T_MAX];
	struct nn_batch b = x->b;

	for (uint32_t t = 0; t < b.tokens; t++) {
		op[t] = t % OPS;
		value[t] = t % 5 ? b.ids[t] : 0;
	}
	b.op = op;
	b.value = value;
	b.nvalues = x->vocab;
	*e = tables(s, x);
	e->op = given(s, OPS * x->h, 1);
	e->value[0] = rows_given(s, x->vocab, x->h / 2, 1);
	e->value[1] = rows_given(s, x->vocab, x->h / 2, 1);
	return b;
}

static struct shape even(const struct shape *x)
{
	struct shape y = *x;

	y.h += y.h % 2;
	return y;
}

static void embed_values(struct side *s, const struct shape *shape)
{
	struct shape x = even(shape);
	size_t t = x.b.tokens, h = x.h;
	struct nn_embed e;
	struct nn_batch b = traced(s, &x, &e);
	struct nn_kept kp = kept(s, t, h);
	float *y = rows_blank(s, t, h), *y2 = rows_blank(s, t, h);

	s->nn->op->embed(s->nn, &b, &e, y, &kp);
	keep_rows(s, "x", y, t * h);
	keep_kept(s, &kp, t, h);
	e.op = NULL;
	s->nn->op->embed(s->nn, &b, &e, y2, &kp);
	keep_rows(s, "x, values alone", y2, t * h);
}

static void embed_back_values(struct side *s, const struct shape *shape)
{
	struct shape x = even(shape);
	size_t t = x.b.tokens, h = x.h, v = x.vocab;
	struct nn_embed e;
	struct nn_batch b = traced(s, &x, &e);
	struct nn_kept kp = {rows_given(s, t, h, 1), given(s, nn_rows(t), 1)};
	float *word = given(s, v * h, 1), *pos = given(s, T_MAX * h, 1);
	float *type = given(s, 3 * h, 1), *dx = rows_given(s, t, h, 1);
	struct nn_embed_grad g = {.word = word, .pos = pos, .type = type};

	g.norm = (struct nn_norm_grad){given(s, h, 1), given(s, h, 1)};
	g.op = given(s, OPS * h, 1);
	g.value[0] = rows_blank(s, v, h / 2);
	g.value[1] = rows_blank(s, v, h / 2);
	e.op = e.value[0] = e.value[1] = NULL; /* the way back needs no vectors */
	s->nn->op->embed_back(s->nn, &b, &e, &g, dx, &kp);
	keep(s, "word", word, v * h);
	keep(s, "operand", g.op, OPS * h);
	keep_rows(s, "dvalue", g.value[0], v * (h / 2));
	keep_rows(s, "dvalue", g.value[1], v * (h / 2));
}

/* A symbol for each of n values, some of them often. */
static const uint16_t *symbols(size_t n)
{
	static uint16_t in[T_MAX];

	for (size_t i = 0; i < n; i++)
		in[i] = (uint16_t)(i % 3 ? i * 37 % NN_BYTES : 0);
	return in;
}

static void cell(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t n = x->b.tokens, d = x->h;
	const uint16_t *in = symbols(n);
	float *table = given(s, NN_BYTES * 4 * d, 1), *z = rows_given(s, n, 4 * d, 1);
	float *c0 = given(s, nn_rows(n) * d, 1), *gates = rows_blank(s, n, 4 * d);
	float *c = blank(s, nn_rows(n) * d), *y = rows_blank(s, n, d), *y2 = rows_blank(s, n, d);

	op->cell(s->nn, n, d, in, table, z, NULL, gates, c, y);
	keep(s, "first c", c, n * d);
	keep_rows(s, "first y", y, n * d);
	op->cell(s->nn, n, d, in, table, z, c0, gates, c, y);
	keep(s, "c", c, n * d);
	keep_rows(s, "gates", gates, n * 4 * d);
	keep_rows(s, "y", y, n * d);
	op->cell(s->nn, n, d, in, table, z, c0, z, c0, y2);
	keep(s, "c in place", c0, n * d);
	keep_rows(s, "gates in place", z, n * 4 * d);
	op->cell(s->nn, n, d, in, table, z, c, NULL, c, y2);
	keep_rows(s, "y, nothing kept", y2, n * d);
}

static void cell_back(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t n = x->b.tokens, d = x->h;
	const uint16_t *in = symbols(n);
	float *gates = rows_given(s, n, 4 * d, 0.5f), *c0 = given(s, nn_rows(n) * d, 1);
	float *c = given(s, nn_rows(n) * d, 1), *dy = rows_given(s, n, d, 1);
	float *dc = given(s, nn_rows(n) * d, 1), *dz = rows_blank(s, n, 4 * d);
	float *dtable = given(s, NN_BYTES * 4 * d, 1);

	op->cell_back(s->nn, n, d, in, gates, c0, c, dy, dc, dz, dtable);
	keep_rows(s, "dz", dz, n * 4 * d);
	keep(s, "dc", dc, n * d);
	op->cell_back(s->nn, n, d, in, gates, NULL, c, dy, dc, gates, dtable);
	keep_rows(s, "dz in place", gates, n * 4 * d);
	keep(s, "dtable", dtable, NN_BYTES * 4 * d);
}

/* The whole bi-LSTM and back; parameters small enough that no cell is sure of itself. */
static void bi_lstm(struct side *s, const struct shape *x)
{
	static uint16_t bytes[T_MAX * VALUES_STEPS];
	size_t n = x->b.tokens, d = (x->h + 1) / 2;
	struct values *v = values_new(s->nn, d);
	struct values_param p[2];
	struct values_grad g[2];
	struct rng r = rng_new(9, n);
	const float *out[2];
	float *dout[2];

	for (size_t i = 0; i < n * VALUES_STEPS; i++)
		bytes[i] = (uint16_t)(i % 16 < 5 ? 0 : rng_below(&r, NN_BYTES));
	for (int w = 0; w < 2; w++) {
		p[w] = (struct values_param){given(s, NN_BYTES * 4 * d, 0.5f), dense(s, 4 * d, d)};
		g[w] = (struct values_grad){given(s, NN_BYTES * 4 * d, 1), dense_grad(s, 4 * d, d)};
	}
	values_forward(v, p, n, bytes, true, out);
	keep_rows(s, "y", out[0], n * d);
	keep_rows(s, "y reversed", out[1], n * d);
	values_room(v, dout);
	for (int w = 0; w < 2; w++) {
		float *given_dout = rows_given(s, n, d, 1);

		s->nn->op->clear(s->nn, dout[w], nn_rows(n) * d);
		s->nn->op->add(s->nn, nn_rows(n) * d, given_dout, dout[w]);
	}
	values_back(v, p, g, n, bytes, dout);
	for (int w = 0; w < 2; w++) {
		keep(s, "dtable", g[w].table, NN_BYTES * 4 * d);
		keep_grad(s, &g[w].u, 4 * d, d);
	}
	values_forward(v, p, n, bytes, false, out);
	keep_rows(s, "y, nothing kept", out[1], n * d);
	values_free(v);
}

static void attend(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h;
	float *qkv = rows_given(s, t, 3 * h, 1.5f), *o = rows_blank(s, t, h);
	float *o2 = rows_blank(s, t, h), *lse = blank(s, nn_rows(t) * x->heads);

	op->attend(s->nn, &x->b, x->heads, h, qkv, o, lse);
	op->attend(s->nn, &x->b, x->heads, h, qkv, o2, NULL);
	keep_rows(s, "o", o, t * h);
	keep_rows(s, "o without lse", o2, t * h);
	keep(s, "lse", lse, t * x->heads);
}

static void attend_back(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h;
	float *qkv = rows_given(s, t, 3 * h, 1.5f), *o = rows_given(s, t, h, 1);
	float *lse = given(s, nn_rows(t) * x->heads, 1), *dout = rows_given(s, t, h, 1);
	float *dqkv = rows_blank(s, t, 3 * h);

	op->attend(s->nn, &x->b, x->heads, h, qkv, o, lse);
	op->attend_back(s->nn, &x->b, x->heads, h, qkv, o, lse, dout, dqkv);
	keep_rows(s, "dqkv", dqkv, t * 3 * h);
}

static void by_index(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h, n = (t + 1) / 2;
	uint32_t *row = mem_alloc(n, sizeof(*row));
	float *in = rows_given(s, t, h, 1), *y = rows_blank(s, n, h);

	for (size_t i = 0; i < n; i++)
		row[i] = (uint32_t)(t - 1 - 2 * i);
	op->gather(s->nn, n, h, row, in, y);
	keep_rows(s, "gathered", y, n * h);
	op->scatter(s->nn, n, h, row, y, in);
	keep_rows(s, "scattered", in, t * h);
	mem_free(row);
}

static void pool(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h;
	float *in = rows_given(s, t, h, 1), *v = blank(s, nn_rows(x->b.seqs) * h);
	float *dx = rows_blank(s, t, h);

	float *v2 = blank(s, nn_rows(x->b.seqs) * h), *dx2 = rows_blank(s, t, h), share[T_MAX];
	struct nn_batch weighted = x->b;
	struct rng r = rng_new(7, 7);

	for (size_t i = 0; i < t; i++)
		share[i] = (float)rng_below(&r, 100) / 100;
	weighted.share = share;
	op->pool(s->nn, &x->b, h, in, v);
	op->pool_back(s->nn, &x->b, h, v, dx);
	op->pool(s->nn, &weighted, h, in, v2);
	op->pool_back(s->nn, &weighted, h, v2, dx2);
	keep(s, "v", v, x->b.seqs * h);
	keep_rows(s, "dx", dx, t * h);
	keep(s, "v by shares", v2, x->b.seqs * h);
	keep_rows(s, "dx by shares", dx2, t * h);
}

static void classify(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t m = x->b.tokens, n = x->vocab, k = x->h;
	struct nn_dense d = dense(s, n, k);
	struct nn_dense_grad g = dense_grad(s, n, k);
	float *in = rows_given(s, m, k, 1), *dx = rows_blank(s, m, k);
	uint32_t *want = mem_alloc(m, sizeof(*want)), *best = mem_alloc(m, sizeof(*best));
	struct rng r = rng_new(6, 6);

	for (size_t i = 0; i < m; i++)
		want[i] = (uint32_t)rng_below(&r, n);
	op->classify(s->nn, m, &d, NULL, want, 1, in, NULL, keep_host(s, "loss", m), best);
	op->classify(s->nn, m, &d, &g, want, 0.3f, in, dx, keep_host(s, "loss", m), best);
	keep_best(s, best, m);
	keep_rows(s, "dx", dx, m * k);
	keep_grad(s, &g, n, k);
	mem_free(want);
	mem_free(best);
}

static void add(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t t = x->b.tokens, h = x->h, n = t * h;
	float *a = rows_given(s, t, h, 1), *b = rows_given(s, t, h, 1);

	op->add(s->nn, n, a, b);
	keep_rows(s, "sum", b, n);
	op->clear(s->nn, a, n);
	keep_rows(s, "cleared", a, n);
}

static void flat(struct side *s, const struct shape *x)
{
	const struct nn_backend *op = s->nn->op;
	size_t n = x->b.tokens * x->h + 1;
	struct nn_adamw o = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.5f, 3};
	float *p = given(s, n, 1), *g = given(s, n, 1), *m = given(s, n, 1), *v = given(s, n, 1);
	float *host = mem_alloc(n, sizeof(*host));

	keep_host(s, "sum of squares", 1)[0] = (float)op->sumsq(s->nn, n, p);
	op->get(s->nn, host, v, n);
	for (size_t i = 0; i < n; i++)
		host[i] = fabsf(host[i]);
	op->put(s->nn, v, host, n);
	op->adamw(s->nn, n, &o, p, g, m, v);
	keep(s, "p", p, n);
	keep(s, "m", m, n);
	keep(s, "v", v, n);
	op->zero(s->nn, p + n / 2, n - n / 2);
	keep(s, "half zeroed", p, n);
	mem_free(host);
}

static const struct row {
	const char *name;
	void (*run)(struct side *s, const struct shape *x);
	float bf16; /* largest normalised error */
} table[] = {
	{"dense", dense_all, 5e-3f},
	{"dense_back", dense_back_linear, 5e-3f},
	{"dense_back, GELU", dense_back_gelu, 1e-2f},
	{"dense_back, tanh", dense_back_tanh, 1e-2f},
	{"dense_norm", dense_norm_linear, 2e-2f},
	{"dense_norm, GELU", dense_norm_gelu, 2e-2f},
	{"norm_back", norm_back, 1e-2f},
	{"ffn", ffn, 2e-2f},
	{"ffn_back", ffn_back, 1e-2f},
	{"embed", embed, 5e-3f},
	{"embed_back", embed_back, 5e-3f},
	{"values: embed", embed_values, 5e-3f},
	{"values: embed_back", embed_back_values, 5e-3f},
	{"values: cell", cell, 5e-3f},
	{"values: cell_back", cell_back, 5e-3f},
	{"values: bi-LSTM", bi_lstm, 2e-2f},
	{"attend", attend, 1e-2f},
	{"attend_back", attend_back, 2e-2f},
	{"gather, scatter", by_index, 5e-3f},
	{"pool, pool_back", pool, 5e-3f},
	{"classify", classify, 1e-2f},
	{"add, clear", add, 5e-3f},
	{"flat: sumsq, adamw, zero", flat, 1e-5f},
};

/* ---- shapes ---- */

static uint32_t cu[64], ids[T_MAX], pos[T_MAX];
static uint8_t types[T_MAX];

static struct nn_batch batch(const unsigned *len, size_t n, size_t vocab)
{
	struct rng r = rng_new(5, n);

	for (size_t s = 0; s < n; s++) {
		cu[s + 1] = cu[s] + len[s];
		for (uint32_t t = cu[s]; t < cu[s + 1]; t++) {
			ids[t] = (uint32_t)rng_below(&r, vocab);
			if (t % 3 == 0)
				ids[t] = 0; /* often the same */
			pos[t] = t - cu[s];
			types[t] = (uint8_t)(pos[t] > len[s] / 2);
		}
	}
	return (struct nn_batch){
		.tokens = cu[n], .seqs = n, .cu = cu, .ids = ids, .pos = pos, .types = types};
}

static bool is_sum(const struct result *a)
{
	return !strcmp(a->name, "dW") || !strcmp(a->name, "db") || !strcmp(a->name, "dg");
}

/*
 * Largest difference by the largest number; any NaN is infinitely wrong. Gradients are added to
 * numbers of about 1, and their sum may happen to be near 0.
 */
static double worst(const struct result *a, const struct result *b)
{
	double d = 0, top = is_sum(a) ? 1 : 0;

	for (size_t i = 0; i < a->n; i++) {
		if (!isfinite(a->v[i]) || !isfinite(b->v[i]))
			return INFINITY;
		d = fmax(d, fabs((double)a->v[i] - b->v[i]));
		top = fmax(top, fabs((double)a->v[i]));
	}
	return d > 0 ? d / top : 0;
}

/*
 * Norm of the difference by the norm; for gradients, sums over the rows of numbers of about 1 that
 * may cancel, by at least what those would have.
 */
static double normalised(const struct result *a, const struct result *b, size_t rows)
{
	double d = 0, all = 0, least = is_sum(a) ? (double)(a->n * rows) : 0;

	for (size_t i = 0; i < a->n; i++) {
		double e = (double)a->v[i] - b->v[i];

		d += e * e;
		all += (double)a->v[i] * a->v[i];
	}
	if (!isfinite(d))
		return INFINITY;
	return d > 0 ? sqrt(d / fmax(all, least)) : 0;
}

/* Classes may differ where two are nearly as probable. */
static double disagreement(const struct result *a, const struct result *b, bool fp32)
{
	size_t differ = 0;

	for (size_t i = 0; i < a->n; i++)
		differ += a->v[i] != b->v[i];
	return differ <= (fp32 ? 0 : a->n / 20 + 1) ? 0 : INFINITY;
}

static double try_row(
	const struct row *r, struct side *cpu, struct side *cuda, const struct shape *x, bool fp32)
{
	double most = 0;

	r->run(cpu, x);
	r->run(cuda, x);
	for (size_t i = 0; i < cpu->n; i++) {
		const struct result *a = &cpu->r[i], *b = &cuda->r[i];
		double e = !strcmp(a->name, "best") ? disagreement(a, b, fp32)
			   : fp32                   ? worst(a, b)
						    : normalised(a, b, x->b.tokens);
		double limit = fp32 ? 1e-5 : (double)r->bf16;

		if (!(e <= limit))
			printf("  %s: %s is off by %.2g (%zu tokens, h %zu, f %zu, %zu heads)\n",
				r->name, a->name, e, x->b.tokens, x->h, x->f, x->heads);
		most = fmax(most, e);
		e <= limit ? passed++ : failed++;
	}
	clear(cpu);
	clear(cuda);
	return most;
}

/* No row is named, or this one is. */
static bool wanted(const char *name, int argc, char **argv)
{
	bool is = argc < 2;

	for (int i = 1; i < argc; i++)
		is |= strncmp(argv[i], name, strlen(argv[i])) == 0;
	return is;
}

static void rows(struct nn *c, struct nn *g, bool fp32, int argc, char **argv)
{
	static const unsigned lens[][8] = {
		{1}, {31}, {33, 1, 2}, {127}, {5, 31, 64, 1, 33, 17}, {513}};
	static const size_t sizes[][4] = {/* h, f, heads, vocab */
		{1, 1, 1, 1000}, {31, 33, 1, 127}, {33, 127, 3, 31}, {127, 31, 1, 513},
		{128, 64, 2, 300}, {256, 33, 2, 33}, {513, 127, 9, 127}, {64, 513, 2, 2}};
	struct side cpu = {.nn = c}, cuda = {.nn = g};

	for (size_t k = 0; k < COUNT_OF(table); k++) {
		double most = 0;
		bool now = wanted(table[k].name, argc, argv);

		for (size_t i = 0; i < COUNT_OF(lens) && now; i++) {
			for (size_t j = i % 3; j < COUNT_OF(sizes); j += 3) {
				if (quick && (lens[i][0] > 100 || sizes[j][0] * sizes[j][1] > 8192))
					continue;
				struct shape x = {.h = sizes[j][0],
					.f = sizes[j][1],
					.heads = sizes[j][2],
					.vocab = sizes[j][3]};
				size_t n = 0;

				while (n < 8 && lens[i][n])
					n++;
				x.b = batch(lens[i], n, x.vocab);
				most = fmax(most, try_row(&table[k], &cpu, &cuda, &x, fp32));
			}
		}
		if (now)
			printf("%-24s %s %.2g\n", table[k].name, fp32 ? "fp32" : "bf16", most);
	}
}

static void check(bool good, const char *what)
{
	good ? passed++ : failed++;
	if (!good)
		printf("  failed: %s\n", what);
}

/* ---- products in bf16 against double precision ---- */

static void exact(struct nn *g, bool fp32)
{
	static const size_t sizes[][3] = {{1, 1, 1}, {33, 31, 127}, {127, 513, 33}, {64, 128, 768}};

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		size_t t = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
		struct side s = {.nn = g};
		struct nn_dense d = dense(&s, n, k);
		float *x = rows_given(&s, t, k, 1), *y = rows_blank(&s, t, n);
		double off = 0, all = 0;

		g->op->dense(g, t, &d, NN_LINEAR, x, NULL, y);
		keep_rows(&s, "x", x, t * k);
		keep(&s, "w", d.w, n * k);
		keep(&s, "b", d.b, n);
		keep_rows(&s, "y", y, t * n);
		for (size_t a = 0; a < t; a++) {
			for (size_t o = 0; o < n; o++) {
				double sum = s.r[2].v[o];

				for (size_t j = 0; j < k; j++)
					sum += (double)s.r[0].v[a * k + j] * s.r[1].v[o * k + j];
				off += (sum - s.r[3].v[a * n + o]) * (sum - s.r[3].v[a * n + o]);
				all += sum * sum;
			}
		}
		check(sqrt(off / all) < (fp32 ? 1e-6 : 5e-3), "a product against double precision");
		clear(&s);
	}
}

/* ---- whole trainings ---- */

enum { STEPS = 8 };

struct training {
	double loss[STEPS];
	float *p; /* parameters at the end, owned */
	size_t n;
};

enum { VALUES = 70, PLACES = 8 };

/* Makes a batch one of a Trex: some of its tokens have one of VALUES values. */
static struct nn_batch with_values(struct nn_batch b)
{
	static uint32_t op[T_MAX], value[T_MAX];
	static uint16_t bytes[VALUES * VALUES_STEPS];
	struct rng r = rng_new(11, b.tokens);

	for (uint32_t i = 0; i < VALUES * VALUES_STEPS; i++)
		bytes[i] = i / VALUES_STEPS < 2   ? NN_BYTE_NONE + i / VALUES_STEPS
			   : i % VALUES_STEPS < 5 ? 0
						  : (uint16_t)rng_below(&r, NN_BYTE_NONE);
	for (uint32_t t = 0; t < b.tokens; t++) {
		op[t] = t % PLACES;
		value[t] = t % 2 ? (uint32_t)rng_below(&r, VALUES) : 0;
	}
	b.op = op;
	b.value = value;
	b.nvalues = VALUES;
	b.bytes = bytes;
	return b;
}

/* The masked tokens with a value, whose bytes are to be guessed. */
static void want_values(const struct nn_batch *b, struct model_targets *t)
{
	static uint32_t row[T_MAX], byte[VALUES_STEPS][T_MAX];

	t->values = 0;
	for (size_t i = 0; i < t->masked; i++) {
		const uint16_t *of = b->bytes + b->value[t->row[i]] * VALUES_STEPS;

		if (b->value[t->row[i]] < 2)
			continue;
		row[t->values] = t->row[i];
		for (size_t k = 0; k < VALUES_STEPS; k++)
			byte[k][t->values] = of[k];
		t->values++;
	}
	t->value = row;
	for (size_t k = 0; k < VALUES_STEPS; k++)
		t->byte[k] = byte[k];
	t->value_scale = 0.125f / (float)t->values;
}

static struct training train(struct nn *nn, bool trex)
{
	static const unsigned len[] = {3, 33, 17, 1, 2, 31};
	struct model_config c = {.vocab = 90,
		.hidden = 48,
		.layers = 2,
		.heads = 4,
		.intermediate = 100,
		.max_len = 512,
		.types = 2,
		.norm_eps = 1e-12f,
		.init_range = 0.05f,
		.head = MODEL_PRETRAINING,
		.max_op = trex ? PLACES : 0};
	struct model *m = model_new(nn, &c);
	struct optim o = optim_new(m, 2e-3f);
	struct nn_batch b = batch(len, COUNT_OF(len), c.vocab);
	uint32_t row[T_MAX], want[T_MAX], label[COUNT_OF(len)];
	struct model_targets t = {.row = row, .want = want, .label = label};
	struct training r;
	struct model_losses l;

	for (uint32_t i = 1; i < b.tokens; i += 3) {
		row[t.masked] = i;
		want[t.masked++] = i % c.vocab;
	}
	for (uint32_t i = 0; i < b.seqs; i++)
		label[i] = i & 1;
	t.elm_scale = 1.0f / (float)t.masked;
	t.ssm_scale = 1.0f / (float)b.seqs;
	if (trex) {
		b = with_values(b);
		t.label = NULL;
		want_values(&b, &t);
	}
	model_init(m, 5);
	model_update(m);
	for (int i = 0; i < STEPS; i++) {
		model_zero_grad(m);
		model_pretrain(m, &b, &t, true, &l);
		r.loss[i] = l.elm * (double)t.elm_scale + l.ssm * (double)t.ssm_scale +
			    l.value * (double)t.value_scale;
		check(isfinite(optim_step(&o, m)), "a finite gradient");
	}
	r.n = m->nparam;
	r.p = mem_alloc(r.n, sizeof(*r.p));
	nn->op->get(nn, r.p, m->param, r.n);
	optim_free(&o, m);
	model_free(m);
	return r;
}

static void trainings(struct nn *c, struct nn *g, bool fp32, bool trex)
{
	struct training a = train(c, trex), b = train(g, trex), again;
	double most = 0;

	for (int i = 0; i < STEPS; i++)
		most = fmax(most, fabs(a.loss[i] - b.loss[i]) / a.loss[i]);
	printf("%-24s %s %.2g of the loss, %.4f to %.4f\n", trex ? "training, Trex" : "training",
		fp32 ? "fp32" : "bf16", most, a.loss[0], a.loss[STEPS - 1]);
	check(most < (fp32 ? 1e-4 : 5e-3), "the loss curves agree");
	check(b.loss[STEPS - 1] < b.loss[0] - 0.1, "the loss falls");
	for (int i = 0; i < (quick ? 1 : 2); i++) {
		again = train(g, trex);
		check(memcmp(again.p, b.p, b.n * sizeof(*b.p)) == 0, "equal bits each time");
		mem_free(again.p);
	}
	mem_free(a.p);
	mem_free(b.p);
}

/* The values of the tokens from `from` on as the only ones, one for each token. */
static void own_values(const struct nn_batch *b, uint32_t from, struct nn_batch *alone)
{
	static uint32_t value[T_MAX];
	static uint16_t bytes[T_MAX * VALUES_STEPS];

	for (uint32_t i = 0; i < alone->tokens; i++) {
		memcpy(bytes + i * VALUES_STEPS, b->bytes + b->value[from + i] * VALUES_STEPS,
			VALUES_STEPS * sizeof(*bytes));
		value[i] = i;
	}
	alone->op = b->op + from;
	alone->value = value;
	alone->bytes = bytes;
	alone->nvalues = alone->tokens;
}

/* A sequence's vector has the same bits alone and among others. */
static void packing(struct nn *g, bool trex)
{
	static const unsigned len[] = {3, 64, 1, 130, 33};
	struct model_config c = {
		90, 96, 2, 3, 130, 512, 2, 1e-12f, 0.05f, MODEL_BARE, 0, trex ? PLACES : 0, trex};
	struct model *m = model_new(g, &c);
	struct nn_batch b = batch(len, COUNT_OF(len), c.vocab);
	float all[COUNT_OF(len) * 96], one[96];

	if (trex)
		b = with_values(b);
	model_init(m, 5);
	model_update(m);
	model_embed(m, &b, 2, false, all);
	for (size_t s = 0; s < b.seqs; s++) {
		const uint32_t whole[2] = {0, len[s]};
		struct nn_batch alone = {.tokens = len[s], .seqs = 1, .cu = whole};

		alone.ids = ids + cu[s];
		alone.pos = pos + cu[s];
		alone.types = types + cu[s];
		if (trex)
			own_values(&b, cu[s], &alone);
		model_embed(m, &alone, 2, false, one);
		check(memcmp(one, all + s * 96, sizeof(one)) == 0, "equal bits alone");
	}
	model_free(m);
}

/*
 * What is copied to the device and kept there belongs to its batch: the vectors of one batch do not
 * depend on what was computed before, here a batch of which only some tokens were averaged.
 */
static void leftovers(struct nn *g)
{
	static const unsigned first[] = {2, 36}, then[] = {34};
	struct model_config c = {90, 48, 1, 4, 60, 512, 2, 1e-12f, 0.05f, MODEL_BARE, 0, 0, 0};
	struct model *m = model_new(g, &c);
	float fresh[48], later[48], other[2 * 48];
	struct nn_batch b;

	model_init(m, 5);
	model_update(m);
	b = batch(then, 1, c.vocab);
	model_embed(m, &b, 1, false, fresh);
	b = batch(first, 2, c.vocab);
	model_embed_inner(m, &b, 1, other);
	b = batch(then, 1, c.vocab);
	model_embed(m, &b, 1, false, later);
	check(memcmp(fresh, later, sizeof(fresh)) == 0, "equal bits after another batch");
	model_free(m);
}

/* What is not a number on one side of a product is not one on the other, whatever its bits. */
static void not_a_number(struct nn *g)
{
	static const uint32_t bits[] = {0x7fffffff, 0xffffffff, 0x7f800001, 0x7fc00000};

	for (size_t i = 0; i < COUNT_OF(bits); i++) {
		struct side s = {.nn = g};
		struct nn_dense d = dense(&s, 8, 16);
		float *x = rows_given(&s, 8, 16, 1), *y = rows_blank(&s, 8, 8);
		float host[8 * 16], out[8 * 8];

		g->op->take(g, host, x, 8 * 16);
		memcpy(&host[16], &bits[i], sizeof(host[16]));
		g->op->give(g, x, host, 8 * 16);
		g->op->dense(g, 8, &d, NN_LINEAR, x, NULL, y);
		g->op->take(g, out, y, 8 * 8);
		for (size_t k = 0; k < 8 * 8; k++)
			check(isnan(out[k]) == (k / 8 == 1), "NaN comes through, in its row alone");
		clear(&s);
	}
}

static void fail(void *ctx, bool memory, const char *why)
{
	(void)ctx, (void)memory;
	printf("%s\n", why);
	exit(1);
}

static void compare(struct nn *cpu, struct nn *g, bool fp32, int argc, char **argv)
{
	rows(cpu, g, fp32, argc, argv);
	if (wanted("training", argc, argv)) {
		exact(g, fp32);
		trainings(cpu, g, fp32, false);
		trainings(cpu, g, fp32, true);
	}
	if (wanted("packing", argc, argv)) {
		packing(g, false);
		packing(g, true);
		leftovers(g);
	}
}

static int finish(struct nn *cpu)
{
	cpu->op->close(cpu);
	printf("%lu passed, %lu failed\n", passed, failed);
	return failed || !passed;
}

/* The CPU with products in bf16: also the same bits with any number of threads. */
static int bf16(int argc, char **argv)
{
	struct nn *cpu = nn_cpu_open(0), *g;
	struct training one, other;
	struct err e;

	for (unsigned threads = 1; threads <= 3; threads++) {
		g = nn_cpu_open_bf16(threads, &e);
		if (!g) {
			printf("%s\n", e.text);
			return 77;
		}
		if (threads == 1)
			compare(cpu, g, false, argc, argv);
		other = train(g, true);
		if (threads == 1)
			one = other;
		check(memcmp(one.p, other.p, one.n * sizeof(*one.p)) == 0, "equal bits at any -t");
		if (threads > 1)
			mem_free(other.p);
		g->op->close(g);
	}
	mem_free(one.p);
	return finish(cpu);
}

int main(int argc, char **argv)
{
	bool cpu_bf16 = argc > 1 && strcmp(argv[1], "bf16") == 0;
	struct nn *cpu;

	setlinebuf(stdout);
	argc -= cpu_bf16;
	argv += cpu_bf16;
	quick = argc > 1 && strcmp(argv[1], "quick") == 0;
	argc -= quick;
	argv += quick;
	if (cpu_bf16)
		return bf16(argc, argv);
	cpu = nn_cpu_open(0);
	for (int fp32 = 1; fp32 >= 0; fp32--) {
		struct nn_request q = {.fp32 = fp32, .fail = fail};
		struct err e;
		struct nn *g = nn_open_cuda(&q, &e);

		if (!g) {
			printf("%s\n", e.text);
			return 77;
		}
		if (fp32)
			printf("%s\n", g->about);
		compare(cpu, g, fp32, argc, argv);
		not_a_number(g);
		g->op->close(g);
	}
	return finish(cpu);
}
