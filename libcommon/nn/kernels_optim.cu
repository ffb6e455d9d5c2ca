/* kernels_optim.cu: AdamW and the norm of the gradient, over flat arrays; see kernels.h. */
#include "nn/kernels.h"

#include "nn/kernels_lang.h"

enum { THREADS = 256, CHUNK = 16384 };

struct adamw_args {
	struct kernels_adamw o;
};

KERNEL(adamw, adamw_args, THREADS, 8)
{
	size_t i = THREAD;
	float d, m, v;

	if (i >= a.o.n)
		return;
	d = a.o.g[i] * a.o.scale;
	m = a.o.b1 * a.o.m[i] + (1.0f - a.o.b1) * d;
	v = a.o.b2 * a.o.v[i] + (1.0f - a.o.b2) * d * d;
	a.o.m[i] = m;
	a.o.v[i] = v;
	a.o.p[i] = a.o.p[i] * a.o.keep - a.o.rate * m / (sqrtf(v) * a.o.inv + a.o.eps);
}

struct sum_args {
	size_t n;
	const float *x;
	double *part; /* of each block of sumsq */
	double *sum;
};

/* The sum of v over the block, in the order of a tree; in thread 0. */
DEVICE double block_sum(double v)
{
	__shared__ double sums[THREADS];

	sums[threadIdx.x] = v;
	for (unsigned i = THREADS / 2; i; i /= 2) {
		__syncthreads();
		if (threadIdx.x < i)
			sums[threadIdx.x] += sums[threadIdx.x + i];
	}
	return sums[threadIdx.x];
}

KERNEL(sumsq, sum_args, THREADS, 6)
{
	size_t from = (size_t)blockIdx.x * CHUNK, to = MIN(from + CHUNK, a.n);
	double sum = 0;

	for (size_t i = from + threadIdx.x; i < to; i += THREADS)
		sum += (double)a.x[i] * a.x[i];
	sum = block_sum(sum);
	if (threadIdx.x == 0)
		a.part[blockIdx.x] = sum;
}

/* One block adds up what the others found. */
KERNEL(sum_parts, sum_args, THREADS, 8)
{
	double sum = 0;

	for (size_t i = threadIdx.x; i < a.n; i += THREADS)
		sum += a.part[i];
	sum = block_sum(sum);
	if (threadIdx.x == 0)
		a.sum[0] = sum;
}

void kernels_adamw(struct CUstream_st *s, struct kernels_adamw o)
{
	struct adamw_args a = {o};

	LAUNCH(adamw, BLOCKS(o.n, THREADS), 1, THREADS, 0, s, a);
}

void kernels_sumsq(struct CUstream_st *s, size_t n, const float *x, double *sum)
{
	struct sum_args a = {n, x, sum + 1, sum};

	LAUNCH(sumsq, kernels_sumsq_parts(n), 1, THREADS, 0, s, a);
	a.n = kernels_sumsq_parts(n);
	LAUNCH(sum_parts, 1, 1, THREADS, 0, s, a);
}
