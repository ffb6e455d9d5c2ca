/*
 * kernels_cell.cu: one step of an LSTM whose input is a symbol, and back; see kernels.h.
 *
 * One idea: a thread has eight of the d units of a row, and of each gate the same eight, so nothing
 * is shared and all that is read and written is 16 bytes at once. What is kept is rounded as the
 * device holds it; the state c is fp32 from step to step.
 */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { THREADS = 128, PER = 8 };

enum gate { IN, FORGET, NEW, OUT, GATES };

struct cell_args {
	struct kernels_cell j;
};

/* The row of this thread and the first of its units; false: there is none. */
DEVICE bool find(const struct kernels_cell *j, size_t *row, size_t *at)
{
	unsigned per = (unsigned)BLOCKS(j->d, (size_t)PER), i = blockIdx.x * THREADS + threadIdx.x;

	*row = i / per;
	*at = (size_t)(i % per) * PER;
	return *row < j->rows;
}

/* Eight units of gate k of a row, in gates or z. */
DEVICE struct eight gate_get(
	const struct kernels_cell *j, struct kernels_act x, size_t row, enum gate k, size_t at)
{
	size_t from = (row * GATES + (size_t)k) * j->d;

	return act_get8(x, from + at, from + j->d);
}

DEVICE void gate_put(const struct kernels_cell *j, struct kernels_act x, size_t row, enum gate k,
	size_t at, struct eight e)
{
	size_t from = (row * GATES + (size_t)k) * j->d;

	act_put8(x, from + at, from + j->d, e);
}

/* The floats of a state, as activations of a device that holds floats. */
DEVICE struct kernels_act floats_of(const float *p)
{
	struct kernels_act a;

	a.p = (void *)p;
	a.half = 0;
	return a;
}

DEVICE float sigmoid(float x)
{
	return 1.0f / (1.0f + expf(-x));
}

/* A gate: what the symbol and the state before say of it, squashed. */
DEVICE struct eight gate_of(const struct kernels_cell *j, size_t row, enum gate k, size_t at)
{
	struct eight a = gate_get(j, j->z, row, k, at);
	const float *t = j->table + (size_t)j->in[row] * GATES * j->d + (size_t)k * j->d;
	struct eight e = floats_get8(t, at, j->d);

	UNROLL
	for (int u = 0; u < PER; u++)
		e.v[u] = k == NEW ? tanhf(a.v[u] + e.v[u]) : sigmoid(a.v[u] + e.v[u]);
	if (j->gates.p)
		gate_put(j, j->gates, row, k, at, e);
	return e;
}

/* c = f c0 + i g, y = o tanh(c). */
KERNEL(cell, cell_args, THREADS, 8)
{
	const struct kernels_cell *j = &a.j;
	size_t row, at, end;
	struct eight c, e;

	if (!find(j, &row, &at))
		return;
	end = (row + 1) * j->d;
	c = gate_of(j, row, IN, at);
	e = gate_of(j, row, NEW, at);
	UNROLL
	for (int u = 0; u < PER; u++)
		c.v[u] *= e.v[u];
	e = gate_of(j, row, FORGET, at); /* it is kept even where there is nothing to forget */
	if (j->c0) {
		struct eight c0 = floats_get8(j->c0, row * j->d + at, end);

		UNROLL
		for (int u = 0; u < PER; u++)
			c.v[u] += e.v[u] * c0.v[u];
	}
	act_put8(floats_of(j->c), row * j->d + at, end, c);
	e = gate_of(j, row, OUT, at);
	UNROLL
	for (int u = 0; u < PER; u++)
		c.v[u] = e.v[u] * tanhf(c.v[u]);
	act_put8(j->y, row * j->d + at, end, c);
}

/*
 * With D the gradient of c by way of y and of what comes after it, D = dc + dy o (1 - tanh(c)^2):
 * dc = D f, and of what was squashed dzi = D g i (1 - i), dzf = D c0 f (1 - f), dzg = D i (1 -
 * g^2), dzo = dy tanh(c) o (1 - o).
 */
KERNEL(cell_back, cell_args, THREADS, 6)
{
	const struct kernels_cell *j = &a.j;
	size_t row, at, from, end;
	struct eight c, d, e, x;

	if (!find(j, &row, &at))
		return;
	from = row * j->d + at;
	end = (row + 1) * j->d;
	c = floats_get8(j->c, from, end);
	d = floats_get8(j->dc, from, end);
	x = act_get8(j->y, from, end);
	e = gate_get(j, j->gates, row, OUT, at);
	UNROLL
	for (int u = 0; u < PER; u++) {
		float t = tanhf(c.v[u]), o = e.v[u];

		d.v[u] += x.v[u] * o * (1.0f - t * t);
		x.v[u] *= t * o * (1.0f - o);
	}
	gate_put(j, j->z, row, OUT, at, x);
	c = gate_get(j, j->gates, row, IN, at);
	e = gate_get(j, j->gates, row, NEW, at);
	UNROLL
	for (int u = 0; u < PER; u++) {
		float i = c.v[u], g = e.v[u];

		x.v[u] = d.v[u] * g * i * (1.0f - i);
		e.v[u] = d.v[u] * i * (1.0f - g * g);
	}
	gate_put(j, j->z, row, IN, at, x);
	gate_put(j, j->z, row, NEW, at, e);
	e = gate_get(j, j->gates, row, FORGET, at);
	UNROLL
	for (int u = 0; u < PER; u++)
		x.v[u] = 0;
	if (j->c0)
		x = floats_get8(j->c0, from, end);
	UNROLL
	for (int u = 0; u < PER; u++) {
		float f = e.v[u];

		x.v[u] *= d.v[u] * f * (1.0f - f);
		d.v[u] *= f;
	}
	gate_put(j, j->z, row, FORGET, at, x);
	act_put8(floats_of(j->dc), from, end, d);
}

static size_t blocks_of(const struct kernels_cell *j)
{
	return BLOCKS(j->rows * BLOCKS(j->d, (size_t)PER), THREADS);
}

void kernels_cell(struct CUstream_st *s, struct kernels_cell j)
{
	struct cell_args a = {j};

	LAUNCH(cell, blocks_of(&j), 1, THREADS, 0, s, a);
}

void kernels_cell_back(struct CUstream_st *s, struct kernels_cell j)
{
	struct cell_args a = {j};

	LAUNCH(cell_back, blocks_of(&j), 1, THREADS, 0, s, a);
}
