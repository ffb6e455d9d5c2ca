/*
 * nnvalues.c: what only Trex has of the CPU backend: the embedding layer with operand positions and
 * values, a step of an LSTM, and the bi-LSTM over the bytes of values, each against its definition
 * in double precision, gradients against central differences of that; and equal bits with any
 * number of threads.
 */
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/values.h"

static float *normal(size_t n, double scale, uint64_t stream)
{
	float *p = mem_aligned(n, sizeof(*p));
	struct rng r = rng_new(21, stream);

	for (size_t i = 0; i < n; i++)
		p[i] = (float)(scale * (double)rng_normal(&r));
	return p;
}

static float *copy(const float *p, size_t n)
{
	return memcpy(mem_aligned(n, sizeof(*p)), p, n * sizeof(*p));
}

static bool equal(const float *a, const float *b, size_t n)
{
	return memcmp(a, b, n * sizeof(*a)) == 0;
}

/* Half of the values are small numbers, a few are no values. */
static uint16_t *values(size_t n)
{
	uint16_t *b = mem_alloc(n * VALUES_STEPS, sizeof(*b));
	struct rng r = rng_new(22, n);

	for (size_t i = 0; i < n; i++) {
		uint64_t v = (uint64_t)rng_below(&r, UINT32_MAX) << 32 | rng_below(&r, UINT32_MAX);

		for (size_t s = 0; s < VALUES_STEPS; s++) {
			uint64_t x = i % 2 ? v : v % 1000;

			b[i * VALUES_STEPS + s] = (uint16_t)(x >> (56 - 8 * s) & 255);
			if (i % 7 == 0)
				b[i * VALUES_STEPS + s] = i % 2 ? NN_BYTE_MASK : NN_BYTE_NONE;
		}
	}
	return b;
}

/* ---- the definition ---- */

struct exact {
	size_t n, d;
	double *table, *u, *b; /* [258,4d] [4d,d] [4d] */
};

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* One step of one row: y and c become the next ones; a: room for 4d. */
static void exact_step(const struct exact *e, unsigned in, double *c, double *y, double *a)
{
	size_t d = e->d;

	for (size_t k = 0; k < 4 * d; k++) {
		a[k] = e->table[in * 4 * d + k] + e->b[k];
		for (size_t j = 0; j < d; j++)
			a[k] += e->u[k * d + j] * y[j];
	}
	for (size_t k = 0; k < d; k++) {
		c[k] = sigmoid(a[d + k]) * c[k] + sigmoid(a[k]) * tanh(a[2 * d + k]);
		y[k] = sigmoid(a[3 * d + k]) * tanh(c[k]);
	}
}

/* y[n,d]: the last states. */
static void exact_lstm(const struct exact *e, bool reverse, const uint16_t *bytes, double *y)
{
	double *c = mem_alloc(5 * e->d, sizeof(*c));

	memset(y, 0, e->n * e->d * sizeof(*y));
	for (size_t r = 0; r < e->n; r++) {
		memset(c, 0, e->d * sizeof(*c));
		for (size_t s = 0; s < VALUES_STEPS; s++)
			exact_step(e,
				bytes[r * VALUES_STEPS + (reverse ? VALUES_STEPS - 1 - s : s)], c,
				y + r * e->d, c + e->d);
	}
	mem_free(c);
}

static double *doubles(const float *p, size_t n)
{
	double *d = mem_alloc(n, sizeof(*d));

	for (size_t i = 0; i < n; i++)
		d[i] = (double)p[i];
	return d;
}

/* ---- the bi-LSTM ---- */

/* Everything that one run of it takes and gives. */
struct lstm {
	struct nn *nn;
	size_t n, d;
	uint16_t *bytes;
	float *table[2], *u[2], *b[2], *dout[2]; /* given */
	float *y[2], *dtable[2], *du[2], *db[2]; /* got; gradients were given before */
};

static void run(struct lstm *l, bool back)
{
	const struct nn_backend *op = l->nn->op;
	struct values *v = values_new(l->nn, l->d);
	size_t d = l->d;
	struct values_param p[2];
	struct values_grad g[2];
	const float *out[2];
	float *dout[2], *wt[2];

	for (int w = 0; w < 2; w++) {
		wt[w] = op->alloc(l->nn, op->prepared(l->nn, 4 * d, d));
		op->prepare(l->nn, l->u[w], wt[w], 4 * d, d);
		p[w].table = l->table[w];
		p[w].u = (struct nn_dense){
			.w = l->u[w], .wt = wt[w], .b = l->b[w], .n = 4 * d, .k = d};
		l->dtable[w] = normal(NN_BYTES * 4 * d, 1, 30);
		l->du[w] = normal(4 * d * d, 1, 31);
		l->db[w] = normal(4 * d, 1, 32);
		g[w] = (struct values_grad){l->dtable[w], {l->du[w], l->db[w]}};
	}
	/* a small batch first: buffers grow, and nothing of it is left */
	values_forward(v, p, 1, l->bytes, back, out);
	values_forward(v, p, l->n, l->bytes, back, out);
	for (int w = 0; w < 2; w++) {
		l->y[w] = mem_alloc(l->n * d, sizeof(float));
		op->take(l->nn, l->y[w], out[w], l->n * d);
	}
	if (back) {
		values_room(v, dout);
		for (int w = 0; w < 2; w++)
			op->give(l->nn, dout[w], l->dout[w], l->n * d);
		values_back(v, p, g, l->n, l->bytes, dout);
	}
	for (int w = 0; w < 2; w++)
		op->free(l->nn, wt[w]);
	values_free(v);
}

static void forget(struct lstm *l)
{
	for (int w = 0; w < 2; w++) {
		mem_free(l->y[w]);
		mem_free(l->dtable[w]);
		mem_free(l->du[w]);
		mem_free(l->db[w]);
	}
}

static struct lstm lstm(size_t n, size_t d)
{
	struct lstm l = {.n = n, .d = d, .bytes = values(n)};

	for (uint64_t w = 0; w < 2; w++) {
		l.table[w] = normal(NN_BYTES * 4 * d, 0.7, 40 + w);
		l.u[w] = normal(4 * d * d, 1 / sqrt((double)d), 42 + w);
		l.b[w] = normal(4 * d, 0.3, 44 + w);
		l.dout[w] = normal(n * d, 1, 46 + w);
	}
	return l;
}

static void lstm_free(struct lstm *l)
{
	for (int w = 0; w < 2; w++) {
		mem_free(l->table[w]);
		mem_free(l->u[w]);
		mem_free(l->b[w]);
		mem_free(l->dout[w]);
	}
	mem_free(l->bytes);
}

static double loss(const struct exact *e, bool reverse, const struct lstm *l)
{
	double *y = mem_alloc(e->n * e->d, sizeof(*y)), sum = 0;

	exact_lstm(e, reverse, l->bytes, y);
	for (size_t i = 0; i < e->n * e->d; i++)
		sum += y[i] * (double)l->dout[reverse][i];
	mem_free(y);
	return sum;
}

/* The gradient got, less what was there before, along a random direction of p: relative error. */
static double along(const struct exact *e, bool reverse, const struct lstm *l, double *p, size_t n,
	const float *got, uint64_t before, uint64_t stream)
{
	const double step = 1e-5;
	float *was = normal(n, 1, before), *dir = normal(n, 1, stream);
	double *keep = memcpy(mem_alloc(n, sizeof(*keep)), p, n * sizeof(*p));
	double dot = 0, all = 0, side[2];

	for (size_t i = 0; i < n; i++) {
		double g = (double)got[i] - (double)was[i];

		dot += g * (double)dir[i];
		all += g * g;
	}
	for (int s = 0; s < 2; s++) {
		for (size_t i = 0; i < n; i++)
			p[i] = keep[i] + (s ? -step : step) * (double)dir[i];
		side[s] = loss(e, reverse, l);
	}
	memcpy(p, keep, n * sizeof(*p));
	mem_free(keep);
	mem_free(was);
	mem_free(dir);
	return fabs((side[0] - side[1]) / (2 * step) - dot) / (sqrt(all) + 1e-3);
}

/* What a run gave, against the definition; `near`: how far products may be off. */
static void compare(const struct lstm *l, double near)
{
	size_t n = l->n, d = l->d;
	double worst = 0, grad = 0;

	for (int w = 0; w < 2; w++) {
		struct exact e = {n, d, doubles(l->table[w], NN_BYTES * 4 * d),
			doubles(l->u[w], 4 * d * d), doubles(l->b[w], 4 * d)};
		double *y = mem_alloc(n * d, sizeof(*y));

		exact_lstm(&e, w, l->bytes, y);
		for (size_t i = 0; i < n * d; i++)
			worst = fmax(worst, fabs(y[i] - (double)l->y[w][i]));
		for (uint64_t k = 0; k < 2; k++) {
			grad = fmax(grad, along(&e, w, l, e.table, NN_BYTES * 4 * d, l->dtable[w],
						  30, 50 + k));
			grad = fmax(grad, along(&e, w, l, e.u, 4 * d * d, l->du[w], 31, 60 + k));
			grad = fmax(grad, along(&e, w, l, e.b, 4 * d, l->db[w], 32, 70 + k));
		}
		mem_free(y);
		mem_free(e.table);
		mem_free(e.u);
		mem_free(e.b);
	}
	printf("%zu values, %zu cells: states %.2g, gradients %.2g\n", n, d, worst, grad);
	CHECK(worst < near);
	CHECK(grad < 20 * near);
}

/* A value has the same bits alone and among others. */
static void alone(const struct lstm *l, const struct lstm *all)
{
	for (size_t i = 0; i < l->n; i += l->n / 3 + 1) {
		struct lstm one = *l;

		one.n = 1;
		one.bytes = l->bytes + i * VALUES_STEPS;
		run(&one, false);
		for (int w = 0; w < 2; w++)
			CHECK(equal(one.y[w], all->y[w] + i * l->d, l->d));
		forget(&one);
	}
}

static void bi_lstm(size_t n, size_t d)
{
	static const unsigned threads[] = {1, 2, 5};
	struct lstm l = lstm(n, d), first = {0};
	struct err e;

	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		l.nn = nn_cpu_open(threads[i]);
		run(&l, true);
		if (i == 0) {
			first = l;
			compare(&l, 2e-6);
			alone(&l, &first);
		}
		for (int w = 0; w < 2; w++) {
			CHECK(equal(l.y[w], first.y[w], n * d));
			CHECK(equal(l.dtable[w], first.dtable[w], NN_BYTES * 4 * d));
			CHECK(equal(l.du[w], first.du[w], 4 * d * d));
			CHECK(equal(l.db[w], first.db[w], 4 * d));
		}
		if (i > 0)
			forget(&l);
		run(&l, false);
		for (int w = 0; w < 2; w++)
			CHECK(equal(l.y[w], first.y[w], n * d));
		forget(&l);
		l.nn->op->close(l.nn);
	}
	l.nn = nn_cpu_open_bf16(2, &e);
	if (l.nn) {
		run(&l, true);
		compare(&l, 2e-2);
		forget(&l);
		l.nn->op->close(l.nn);
	}
	forget(&first);
	lstm_free(&l);
}

/* ---- one step: results in the place of what they are made from, and numbers far from 0 ---- */

static void cell(size_t n, size_t d)
{
	struct nn *nn = nn_cpu_open(2);
	const struct nn_backend *op = nn->op;
	size_t rows = nn_rows(n);
	float *table = normal(NN_BYTES * 4 * d, 30, 1), *z = normal(rows * 4 * d, 1, 2);
	float *c0 = normal(rows * d, 1, 3), *dy = normal(rows * d, 1, 4);
	float *gates = mem_aligned(rows * 4 * d, sizeof(float));
	float *c = mem_aligned(rows * d, sizeof(float)), *y = mem_aligned(rows * d, sizeof(float));
	float *dc = normal(rows * d, 1, 5), *dtable = mem_aligned(NN_BYTES * 4 * d, sizeof(float));
	float *z2 = copy(z, rows * 4 * d), *c2 = copy(c0, rows * d), *dc2 = copy(dc, rows * d);
	float *y2 = mem_aligned(rows * d, sizeof(float)),
	      *dz = mem_aligned(rows * 4 * d, sizeof(float));
	float *dtable2 = mem_aligned(NN_BYTES * 4 * d, sizeof(float));
	uint16_t *in = mem_alloc(n, sizeof(*in));
	double worst = 0;

	for (size_t r = 0; r < n; r++)
		in[r] = (uint16_t)(r % 5 ? r * 37 % NN_BYTES : 7); /* one of them often */
	op->cell(nn, n, d, in, table, z, c0, gates, c, y);
	for (size_t r = 0; r < n; r++) {
		for (size_t k = 0; k < d; k++) {
			double a[4];

			for (size_t j = 0; j < 4; j++)
				a[j] = (double)table[in[r] * 4 * d + j * d + k] +
				       (double)z[(r * 4 + j) * d + k];
			a[0] = sigmoid(a[1]) * (double)c0[r * d + k] + sigmoid(a[0]) * tanh(a[2]);
			worst = fmax(worst, fabs(a[0] - (double)c[r * d + k]));
			a[0] = sigmoid(a[3]) * tanh(a[0]);
			worst = fmax(worst, fabs(a[0] - (double)y[r * d + k]));
		}
	}
	printf("a step of %zu values, %zu cells: %.2g\n", n, d, worst);
	CHECK(worst < 2e-6);
	for (size_t i = n * d; i < rows * d; i++)
		CHECK(isfinite(y[i]) && isfinite(c[i]));
	op->cell(nn, n, d, in, table, z2, c2, z2, c2, y2);
	CHECK(equal(z2, gates, n * 4 * d) && equal(c2, c, n * d) && equal(y2, y, n * d));
	op->cell(nn, n, d, in, table, z, c0, NULL, c2, y2);
	CHECK(equal(c2, c, n * d) && equal(y2, y, n * d));
	op->cell_back(nn, n, d, in, gates, c0, c, dy, dc, dz, dtable);
	op->cell_back(nn, n, d, in, gates, c0, c, dy, dc2, gates, dtable2);
	CHECK(equal(gates, dz, n * 4 * d) && equal(dc, dc2, n * d));
	CHECK(equal(dtable, dtable2, NN_BYTES * 4 * d));
	for (size_t i = n * 4 * d; i < rows * 4 * d; i++)
		CHECK(isfinite(dz[i]));
	nn->op->close(nn);
	float *all[] = {table, z, c0, dy, gates, c, y, dc, dtable, z2, c2, dc2, y2, dz, dtable2};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		mem_free(all[i]);
	mem_free(in);
}

/* ---- the embedding layer ---- */

enum { MAXT = 513, WORDS = 50, OPS = 9 };

struct layer {
	size_t t, n, h; /* tokens, values, width */
	uint32_t ids[MAXT], pos[MAXT], op[MAXT], value[MAXT];
	uint8_t types[MAXT];
	struct nn_batch b;
	struct nn_embed e;
	struct nn_embed_grad g;
	struct nn_kept kept;
	float *x, *dx;
};

static void embed_fill(struct layer *l)
{
	struct rng r = rng_new(23, l->t);

	for (uint32_t i = 0; i < l->t; i++) {
		l->ids[i] = (uint32_t)rng_below(&r, WORDS);
		l->pos[i] = i / 3;
		l->op[i] = i % OPS;
		l->types[i] = (uint8_t)(i & 1);
		l->value[i] = i % 3 ? 0 : (uint32_t)rng_below(&r, l->n);
	}
	l->b = (struct nn_batch){.tokens = l->t, .ids = l->ids, .pos = l->pos, .types = l->types};
	l->b.op = l->op;
	l->b.value = l->value;
	l->b.nvalues = l->n;
}

/* Forward and backward with random tables and gradients. */
static void embed_run(struct nn *nn, struct layer *l)
{
	size_t h = l->h, rows = nn_rows(l->t), nv = nn_rows(l->n) * (h / 2);
	struct nn_embed *e = &l->e;
	struct nn_embed_grad *g = &l->g;

	*e = (struct nn_embed){normal(WORDS * h, 1, 1), normal(MAXT * h, 1, 2), normal(2 * h, 1, 3),
		{normal(h, 1, 4), normal(h, 1, 5), 1e-6f}, h, normal(OPS * h, 1, 6),
		{normal(nv, 1, 7), normal(nv, 1, 8)}};
	*g = (struct nn_embed_grad){mem_aligned(WORDS * h, 4), mem_aligned(MAXT * h, 4),
		mem_aligned(2 * h, 4), {mem_aligned(h, 4), mem_aligned(h, 4)},
		normal(OPS * h, 1, 9), {normal(nv, 1, 10), normal(nv, 1, 11)}};
	l->kept = (struct nn_kept){normal(rows * h, 1, 12), normal(rows, 1, 13)};
	l->x = normal(rows * h, 1, 14);
	l->dx = normal(rows * h, 1, 15);
	nn->op->embed(nn, &l->b, e, l->x, &l->kept);
	nn->op->embed_back(nn, &l->b, e, g, l->dx, &l->kept);
}

static void embed_free(struct layer *l)
{
	const struct nn_embed *e = &l->e;
	const struct nn_embed_grad *g = &l->g;
	const float *all[] = {e->word, e->pos, e->type, e->norm.g, e->norm.b, e->op, e->value[0],
		e->value[1], g->word, g->pos, g->type, g->norm.g, g->norm.b, g->op, g->value[0],
		g->value[1], l->kept.xhat, l->kept.rstd, l->x, l->dx};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		mem_free((float *)all[i]);
}

/* One token: its sum s[h] normalised, and what its gradient dz is before that. */
static double embed_token(const struct layer *l, size_t t, const float *dz, double *ds)
{
	const struct nn_embed *e = &l->e;
	size_t h = l->h, d = h / 2;
	double mean = 0, var = 0, m1 = 0, m2 = 0, worst = 0;

	for (size_t i = 0; i < h; i++) {
		ds[i] = (double)e->word[l->ids[t] * h + i] + (double)e->pos[l->pos[t] * h + i] +
			(double)e->type[l->types[t] * h + i] + (double)e->op[l->op[t] * h + i] +
			(double)e->value[i / d][l->value[t] * d + i % d];
		mean += ds[i] / (double)h;
	}
	for (size_t i = 0; i < h; i++)
		var += (ds[i] - mean) * (ds[i] - mean) / (double)h;
	for (size_t i = 0; i < h; i++) {
		double x = (ds[i] - mean) / sqrt(var + (double)e->norm.eps);
		double y = (double)e->norm.g[i] * x + (double)e->norm.b[i];

		worst = fmax(worst, fabs(y - (double)l->x[t * h + i]) / (1 + fabs(x)));
		ds[i] = x;
		m1 += (double)e->norm.g[i] * (double)dz[i] / (double)h;
		m2 += (double)e->norm.g[i] * (double)dz[i] * x / (double)h;
	}
	for (size_t i = 0; i < h; i++)
		ds[i] = ((double)e->norm.g[i] * (double)dz[i] - m1 - ds[i] * m2) /
			sqrt(var + (double)e->norm.eps);
	return worst;
}

static void embed_compare(const struct layer *l)
{
	size_t h = l->h, d = h / 2;
	float *dz = normal(nn_rows(l->t) * h, 1, 15), *was = normal(OPS * h, 1, 9);
	double *ds = mem_alloc(h, sizeof(*ds)), worst = 0, off = 0;
	double *op = doubles(was, OPS * h), *value = mem_zalloc(2 * l->n * d, sizeof(*value));

	for (size_t t = 0; t < l->t; t++) {
		worst = fmax(worst, embed_token(l, t, dz + t * h, ds));
		for (size_t i = 0; i < h; i++) {
			op[l->op[t] * h + i] += ds[i];
			value[(i / d * l->n + l->value[t]) * d + i % d] += ds[i];
		}
	}
	for (size_t i = 0; i < OPS * h; i++)
		off = fmax(off, fabs(op[i] - (double)l->g.op[i]));
	for (size_t i = 0; i < 2 * l->n * d; i++)
		off = fmax(
			off, fabs(value[i] - (double)l->g.value[i / (l->n * d)][i % (l->n * d)]));
	printf("%zu tokens, %zu values, %zu wide: %.2g, sums %.2g\n", l->t, l->n, h, worst, off);
	CHECK(worst < 1e-5);
	CHECK(off < 1e-4 * sqrt((double)l->t));
	for (size_t i = l->n * d; i < nn_rows(l->n) * d; i++)
		CHECK(isfinite(l->g.value[0][i]) && isfinite(l->g.value[1][i]));
	mem_free(dz);
	mem_free(was);
	mem_free(ds);
	mem_free(op);
	mem_free(value);
}

static void embedding(size_t t, size_t n, size_t h)
{
	static const unsigned threads[] = {1, 2, 5};
	struct layer *first = mem_zalloc(1, sizeof(*first)), *l = mem_zalloc(1, sizeof(*l));

	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		struct nn *nn = nn_cpu_open(threads[i]);
		struct layer *x = i ? l : first;

		x->t = t;
		x->n = n;
		x->h = h;
		embed_fill(x);
		embed_run(nn, x);
		if (i == 0)
			embed_compare(x);
		for (size_t w = 0; w < 2; w++)
			CHECK(equal(x->g.value[w], first->g.value[w], n * (h / 2)));
		CHECK(equal(x->g.op, first->g.op, OPS * h));
		CHECK(equal(x->x, first->x, t * h));
		if (i)
			embed_free(x);
		nn->op->close(nn);
	}
	embed_free(first);
	mem_free(first);
	mem_free(l);
}

int main(void)
{
	static const size_t sizes[][2] = {
		{1, 16}, {31, 33}, {33, 1}, {127, 17}, {513, 24}, {64, 64}, {37, 127}, {5, 384}};
	static const size_t tokens[][3] = {{1, 1, 2}, {31, 513, 34}, {33, 5, 66}, {127, 31, 128},
		{513, 127, 254}, {64, 64, 6}, {513, 1, 768}};

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		cell(sizes[i][0], sizes[i][1]);
		bi_lstm(sizes[i][0], sizes[i][1]);
	}
	for (size_t i = 0; i < COUNT_OF(tokens); i++)
		embedding(tokens[i][0], tokens[i][1], tokens[i][2]);
	return unit_done();
}
