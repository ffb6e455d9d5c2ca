/* kernels_dense.cu: elementwise kernels: one thread, one number; see kernels.h. */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"
#include "nn/nn.h"

enum { THREADS = 256 };

struct flat_args {
	size_t n;
	const float *x;
	float *y;
	uint16_t *h;
};

KERNEL(cast, flat_args)
{
	size_t i = THREAD;

	if (i < a.n)
		a.h[i] = to_bf16(a.x[i]);
}

KERNEL(add, flat_args)
{
	size_t i = THREAD;

	if (i < a.n)
		a.y[i] += a.x[i];
}

/* Phi(u), the normal distribution function. */
DEVICE float normal(float u)
{
	return 0.5f * (1.0f + erff(u * 0.707106781f));
}

/* gelu'(u) = Phi(u) + u phi(u). */
DEVICE float gelu_slope(float u)
{
	return normal(u) + u * expf(-0.5f * u * u) * 0.398942280f;
}

DEVICE void put(struct kernels_out o, size_t i, float v)
{
	if (o.f)
		o.f[i] = v;
	if (o.h)
		o.h[i] = to_bf16(v);
}

struct bias_args {
	size_t n, all; /* columns, numbers */
	int act;
	const float *b, *in;
	float *u;
	struct kernels_out y;
};

KERNEL(bias_act, bias_args)
{
	size_t i = THREAD;
	float v;

	if (i >= a.all)
		return;
	v = a.in[i] + a.b[i % a.n];
	if (a.u)
		a.u[i] = v;
	if (a.act == NN_GELU)
		v *= normal(v);
	else if (a.act == NN_TANH)
		v = tanhf(v);
	put(a.y, i, v);
}

struct back_args {
	size_t n;
	int act;
	const float *uy;
	float *dy;
	uint16_t *dh;
	struct kernels_out y;
};

KERNEL(act_back, back_args)
{
	size_t i = THREAD;
	float v;

	if (i >= a.n)
		return;
	v = a.uy[i];
	a.dy[i] *= a.act == NN_GELU ? gelu_slope(v) : 1.0f - v * v;
}

KERNEL(gelu_back, back_args)
{
	size_t i = THREAD;
	float u, d;

	if (i >= a.n)
		return;
	u = a.uy[i];
	d = a.dy[i] * gelu_slope(u);
	a.dy[i] = d;
	if (a.dh)
		a.dh[i] = to_bf16(d);
	put(a.y, i, u * normal(u));
}

void kernels_cast(struct CUstream_st *s, size_t n, const float *x, uint16_t *h)
{
	struct flat_args a = {n, x, NULL, h};

	LAUNCH(cast, BLOCKS(n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_add(struct CUstream_st *s, size_t n, const float *x, float *y)
{
	struct flat_args a = {n, x, y, NULL};

	LAUNCH(add, BLOCKS(n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_bias_act(struct CUstream_st *s, size_t rows, size_t n, const float *b, int act,
	const float *in, float *u, struct kernels_out y)
{
	struct bias_args a = {n, rows * n, act, b, in, u, y};

	LAUNCH(bias_act, BLOCKS(rows * n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_act_back(struct CUstream_st *s, size_t n, int act, const float *uy, float *dy)
{
	struct back_args a = {n, act, uy, dy, NULL, {NULL, NULL}};

	LAUNCH(act_back, BLOCKS(n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_gelu_back(struct CUstream_st *s, size_t n, const float *u, float *dy, uint16_t *dh,
	struct kernels_out y)
{
	struct back_args a = {n, NN_GELU, u, dy, dh, y};

	LAUNCH(gelu_back, BLOCKS(n, THREADS), 1, THREADS, 0, s, a);
}
