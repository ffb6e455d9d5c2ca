/* kernels_loss.cu: softmax and cross entropy, one block to a row; see kernels.h. */
#include "nn/kernels.h"

#include <float.h>

#include "nn/kernels_lang.h"

enum { THREADS = 256, WARPS = THREADS / 32 };

struct xent_args {
	struct kernels_xent x;
};

/* The largest v of the block, and of all that have it the least `at`, in all threads. */
DEVICE float block_best(float v, uint32_t *at)
{
	__shared__ float top[WARPS];
	__shared__ uint32_t where[WARPS];
	uint32_t i = *at;

	for (int k = 16; k; k /= 2) {
		float w = __shfl_xor_sync(ALL_LANES, v, k);
		uint32_t j = __shfl_xor_sync(ALL_LANES, i, k);

		if (w > v || (w == v && j < i)) {
			v = w;
			i = j;
		}
	}
	if (LANE == 0) {
		top[threadIdx.x / 32] = v;
		where[threadIdx.x / 32] = i;
	}
	__syncthreads();
	v = top[0];
	i = where[0];
	for (int w = 1; w < WARPS; w++) {
		if (top[w] > v || (top[w] == v && where[w] < i)) {
			v = top[w];
			i = where[w];
		}
	}
	*at = i;
	return v;
}

/* The sum of v over the block, in all threads; a barrier. */
DEVICE float block_sum(float v)
{
	__shared__ float sums[WARPS];
	float sum = 0;

	v = warp_sum(v);
	if (LANE == 0)
		sums[threadIdx.x / 32] = v;
	__syncthreads();
	for (int w = 0; w < WARPS; w++)
		sum += sums[w];
	return sum;
}

KERNEL(xent, xent_args, THREADS, 6)
{
	size_t row = blockIdx.x, n = a.x.n, at = row * a.x.ld;
	const float *x = a.x.x + at, *b = a.x.b;
	uint32_t want = a.x.want[row], best = UINT32_MAX;
	float top = -FLT_MAX, target = x[want] + b[want], total, sum = 0;

	for (size_t i = threadIdx.x; i < n; i += THREADS) {
		float v = x[i] + b[i];

		if (v > top || best == UINT32_MAX) {
			top = v;
			best = (uint32_t)i;
		}
	}
	top = block_best(top, &best);
	for (size_t i = threadIdx.x; i < n; i += THREADS)
		sum += expf(x[i] + b[i] - top);
	total = block_sum(
		sum); /* its barrier: the target was read by all before it is overwritten */
	if (threadIdx.x == 0) {
		a.x.loss[row] = top + logf(total) - target;
		a.x.best[row] = best;
	}
	if (!a.x.grad.p)
		return;
	for (size_t i = threadIdx.x; i < n; i += THREADS) {
		float d = expf(x[i] + b[i] - top) * (a.x.scale / total);

		act_put(a.x.grad, at + i, i == want ? d - a.x.scale : d);
	}
}

void kernels_xent(struct CUstream_st *s, struct kernels_xent x)
{
	struct xent_args a = {x};

	LAUNCH(xent, x.rows, 1, THREADS, 0, s, a);
}
