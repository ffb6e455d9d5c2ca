/*
 * values.c: see values.h.
 *
 * One idea: both directions are the same steps over the bytes in another order, and the backward
 * pass is the forward pass read upwards. Shapes: n values, d cells.
 */
#include "nn/values.h"

#include <string.h>

#include "base/mem.h"

enum { STEPS = VALUES_STEPS };

/* One direction's activations. Without a backward pass the steps take turns with two of them. */
struct way {
	float *y[STEPS];     /* [n,d] */
	float *c[STEPS];     /* [n,d] floats */
	float *gates[STEPS]; /* [n,4d]; without a backward pass one for all */
	float *dy;           /* [n,d] of the last state, and of those before it */
};

struct values {
	struct nn *nn;
	size_t d, rows; /* rows: what there is room for */
	bool keep;      /* the steps have their own buffers */
	struct way way[2];
	float *start;     /* [n,d] zeros: the state before the first step */
	float *dc;        /* [n,d] floats */
	uint16_t *symbol; /* [8,n] host: bytes by step */
	float **all;      /* every device buffer above, to be freed */
	size_t nall;
};

struct values *values_new(struct nn *nn, size_t d)
{
	struct values *v = mem_zalloc(1, sizeof(*v));

	v->nn = nn;
	v->d = d;
	return v;
}

static void clear(struct values *v)
{
	for (size_t i = 0; i < v->nall; i++)
		v->nn->op->free(v->nn, v->all[i]);
	mem_free(v->all);
	mem_free(v->symbol);
	*v = (struct values){.nn = v->nn, .d = v->d};
}

void values_free(struct values *v)
{
	if (!v)
		return;
	clear(v);
	mem_free(v);
}

/* A buffer of activations, or of floats. */
static float *room(struct values *v, size_t width)
{
	return v->all[v->nall++] = v->nn->op->room(v->nn, v->rows * width);
}

static float *floats(struct values *v, size_t width)
{
	return v->all[v->nall++] = v->nn->op->alloc(v->nn, v->rows * width);
}

/* Makes the activations large enough; grows by quarters so that it is seldom done. */
static void grow(struct values *v, size_t n, bool keep)
{
	size_t rows = nn_rows(n > v->rows ? n + n / 4 : v->rows);

	if (v->rows >= nn_rows(n) && v->keep >= keep)
		return;
	keep |= v->keep;
	clear(v);
	v->rows = rows;
	v->keep = keep;
	v->all = mem_alloc(2 * (3 * STEPS + 1) + 2, sizeof(*v->all));
	for (int w = 0; w < 2; w++) {
		struct way *y = &v->way[w];

		for (int s = 0; s < STEPS; s++) {
			bool own = keep || s < 2;

			y->y[s] = own ? room(v, v->d) : y->y[s - 2];
			y->c[s] = own ? floats(v, v->d) : y->c[s - 2];
			y->gates[s] = keep || s < 1 ? room(v, 4 * v->d) : y->gates[0];
		}
		if (keep)
			y->dy = room(v, v->d);
	}
	v->start = room(v, v->d);
	v->nn->op->clear(v->nn, v->start, v->rows * v->d);
	if (keep)
		v->dc = floats(v, v->d);
	v->symbol = mem_alloc(STEPS * v->rows, sizeof(*v->symbol));
}

/* The symbols that step s of a direction reads. */
static const uint16_t *symbols(const struct values *v, size_t n, int way, int s)
{
	return v->symbol + (size_t)(way ? STEPS - 1 - s : s) * n;
}

static void by_step(struct values *v, size_t n, const uint16_t *bytes)
{
	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < STEPS; s++)
			v->symbol[s * n + i] = bytes[i * STEPS + s];
}

void values_forward(struct values *v, const struct values_param p[2], size_t n,
	const uint16_t *bytes, bool keep, const float *out[2])
{
	const struct nn_backend *op = v->nn->op;

	grow(v, n, keep);
	by_step(v, n, bytes);
	for (int w = 0; w < 2; w++) {
		struct way *y = &v->way[w];

		for (int s = 0; s < STEPS; s++) {
			float *z = y->gates[s];

			op->dense(
				v->nn, n, &p[w].u, NN_LINEAR, s ? y->y[s - 1] : v->start, NULL, z);
			op->cell(v->nn, n, v->d, symbols(v, n, w, s), p[w].table, z,
				s ? y->c[s - 1] : NULL, keep ? z : NULL, y->c[s], y->y[s]);
		}
		out[w] = y->y[STEPS - 1];
	}
}

void values_room(struct values *v, float *dout[2])
{
	dout[0] = v->way[0].dy;
	dout[1] = v->way[1].dy;
}

void values_back(struct values *v, const struct values_param p[2], const struct values_grad g[2],
	size_t n, const uint16_t *bytes, float *const dout[2])
{
	const struct nn_backend *op = v->nn->op;

	by_step(v, n, bytes);
	for (int w = 0; w < 2; w++) {
		struct way *y = &v->way[w];

		op->zero(v->nn, v->dc, v->rows * v->d);
		for (int s = STEPS - 1; s >= 0; s--) {
			float *dz = y->gates[s];

			op->cell_back(v->nn, n, v->d, symbols(v, n, w, s), y->gates[s],
				s ? y->c[s - 1] : NULL, y->c[s], dout[w], v->dc, dz, g[w].table);
			op->dense_back(v->nn, n, &p[w].u, &g[w].u, NN_LINEAR,
				s ? y->y[s - 1] : v->start, NULL, NULL, dz, s ? dout[w] : NULL);
		}
	}
}
