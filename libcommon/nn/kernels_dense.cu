/* kernels_dense.cu: elementwise kernels: one thread, eight numbers; see kernels.h. */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"
#include "nn/nn.h"

enum { THREADS = 256, PER = 8 };

struct flat_args {
	size_t n;
	struct kernels_act x, y;
};

KERNEL(cast, flat_args, THREADS, 8)
{
	size_t i = THREAD * PER;

	if (i < a.n)
		act_put8(a.y, i, a.n, act_get8(a.x, i, a.n));
}

KERNEL(add, flat_args, THREADS, 8)
{
	size_t i = THREAD * PER;
	struct eight x, y;

	if (i >= a.n)
		return;
	x = act_get8(a.x, i, a.n);
	y = act_get8(a.y, i, a.n);
	UNROLL
	for (int k = 0; k < PER; k++)
		y.v[k] += x.v[k];
	act_put8(a.y, i, a.n, y);
}

/* Phi(u), the normal distribution function. */
DEVICE float normal(float u)
{
	return 0.5f * (1.0f + erff(u * 0.707106781f));
}

/* gelu'(u) = Phi(u) + u phi(u). */
DEVICE float gelu_slope(float u, float phi)
{
	return phi + u * expf(-0.5f * u * u) * 0.398942280f;
}

struct bias_args {
	size_t n;
	int act;
	const float *b;
	struct kernels_act in, u, y;
};

/* A block has a row, or part of it. */
KERNEL(bias_act, bias_args, THREADS, 6)
{
	size_t c = ((size_t)blockIdx.y * blockDim.x + threadIdx.x) * PER, at, end;
	struct eight v, b;

	if (c >= a.n)
		return;
	at = blockIdx.x * a.n + c;
	end = (blockIdx.x + (size_t)1) * a.n;
	v = act_get8(a.in, at, end);
	b = floats_get8(a.b, c, a.n);
	UNROLL
	for (int k = 0; k < PER; k++)
		v.v[k] += b.v[k];
	if (a.u.p)
		act_put8(a.u, at, end, v);
	UNROLL
	for (int k = 0; k < PER; k++) {
		if (a.act == NN_GELU)
			v.v[k] *= normal(v.v[k]);
		else if (a.act == NN_TANH)
			v.v[k] = tanhf(v.v[k]);
	}
	act_put8(a.y, at, end, v);
}

struct back_args {
	size_t n;
	int act;
	struct kernels_act uy, dy;
};

KERNEL(act_back, back_args, THREADS, 6)
{
	size_t i = THREAD * PER;
	struct eight v, d;

	if (i >= a.n)
		return;
	v = act_get8(a.uy, i, a.n);
	d = act_get8(a.dy, i, a.n);
	UNROLL
	for (int k = 0; k < PER; k++)
		d.v[k] *= a.act == NN_GELU ? gelu_slope(v.v[k], normal(v.v[k]))
					   : 1.0f - v.v[k] * v.v[k];
	act_put8(a.dy, i, a.n, d);
}

KERNEL(gelu_back, back_args, THREADS, 5)
{
	size_t i = THREAD * PER;
	struct eight u, d;

	if (i >= a.n)
		return;
	u = act_get8(a.uy, i, a.n);
	d = act_get8(a.dy, i, a.n);
	UNROLL
	for (int k = 0; k < PER; k++) {
		float phi = normal(u.v[k]);

		d.v[k] *= gelu_slope(u.v[k], phi);
		u.v[k] *= phi;
	}
	act_put8(a.dy, i, a.n, d);
	act_put8(a.uy, i, a.n, u);
}

struct product_args {
	struct kernels_product p;
};

KERNEL(product, product_args, THREADS, 6)
{
	size_t i = THREAD, row = i / a.p.n, col = i % a.p.n;
	size_t down = a.p.ta ? a.p.lda : 1, across = a.p.tb ? 1 : a.p.n; /* steps along k */
	size_t x = a.p.ta ? row : row * a.p.lda, at = row * a.p.ldto + col,
	       y = a.p.tb ? col * a.p.k : col;
	float sum = 0;

	if (row >= a.p.m)
		return;
	for (size_t k = 0; k < a.p.k; k++)
		sum += act_get(a.p.a, x + k * down) * act_get(a.p.b, y + k * across);
	if (a.p.more.p)
		sum += act_get(a.p.more, at);
	act_put(a.p.to, at, sum);
}

void kernels_product(struct CUstream_st *s, struct kernels_product p)
{
	struct product_args a = {p};

	LAUNCH(product, BLOCKS(p.m * p.n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_cast(struct CUstream_st *s, size_t n, struct kernels_act from, struct kernels_act to)
{
	struct flat_args a = {n, from, to};

	LAUNCH(cast, BLOCKS(n, THREADS * PER), 1, THREADS, 0, s, a);
}

void kernels_add(struct CUstream_st *s, size_t n, struct kernels_act x, struct kernels_act y)
{
	struct flat_args a = {n, x, y};

	LAUNCH(add, BLOCKS(n, THREADS * PER), 1, THREADS, 0, s, a);
}

/* Threads for a row of n, at most THREADS. */
static size_t row_threads(size_t n)
{
	size_t warps = BLOCKS(n, 32 * PER);

	return 32 * MIN(warps, (size_t)THREADS / 32);
}

void kernels_bias_act(struct CUstream_st *s, size_t rows, size_t n, const float *b, int act,
	struct kernels_act in, struct kernels_act u, struct kernels_act y)
{
	struct bias_args a = {n, act, b, in, u, y};
	size_t threads = row_threads(n);

	LAUNCH(bias_act, rows, BLOCKS(n, threads * PER), threads, 0, s, a);
}

void kernels_act_back(
	struct CUstream_st *s, size_t n, int act, struct kernels_act uy, struct kernels_act dy)
{
	struct back_args a = {n, act, uy, dy};

	LAUNCH(act_back, BLOCKS(n, THREADS * PER), 1, THREADS, 0, s, a);
}

void kernels_gelu_back(struct CUstream_st *s, size_t n, struct kernels_act u, struct kernels_act dy)
{
	struct back_args a = {n, NN_GELU, u, dy};

	LAUNCH(gelu_back, BLOCKS(n, THREADS * PER), 1, THREADS, 0, s, a);
}
