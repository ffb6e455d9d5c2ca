/*
 * kernels_lang.h: the few words that the kernels use beyond C: how a kernel is written and
 *launched.
 *
 * The kernels are written in what C11 and C++14 have in common. nvcc compiles them for the device
 * with what stands below; the tests compile the same text for the host, where tests/cuda/device.h
 * gives these words, and CUDA's own (threadIdx, __syncthreads, ...), another meaning: the threads
 *of a block are run one after another up to each barrier.
 *
 *	struct half_args {
 *		size_t n;
 *		float *x;
 *	};
 *	KERNEL(half, half_args)
 *	{
 *		size_t i = THREAD;
 *
 *		if (i < a.n)
 *			a.x[i] *= 0.5f;
 *	}
 *	...
 *	LAUNCH(half, BLOCKS(n, 256), 1, 256, 0, stream, args);
 */
#ifndef KERNELS_LANG_H
#define KERNELS_LANG_H

#include "base/base.h"

#ifdef __CUDACC__
#define DEVICE static __device__ __forceinline__
#define UNROLL _Pragma("unroll")
/* The kernel's arguments are the members of `a`. */
#define KERNEL(name, args) static __global__ void name(const struct args a)
/* A grid of x by y blocks; `bytes` of dynamic shared memory, which SHARED names. */
#define LAUNCH(name, x, y, threads, bytes, stream, args)                                          \
	do {                                                                                      \
		if ((bytes) > 48 << 10)                                                           \
			cudaFuncSetAttribute((const void *)name,                                  \
				cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(bytes));       \
		name<<<dim3((unsigned)(x), (unsigned)(y)), (unsigned)(threads), bytes, stream>>>( \
			args);                                                                    \
	} while (0)
#define SHARED(p) extern __shared__ __align__(16) float p[]

/* x as bf16, rounded to the nearest, ties to even; NaN stays NaN. */
DEVICE uint16_t to_bf16(float x)
{
	uint16_t h;

	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(x));
	return h;
}
#endif

#define BLOCKS(n, per) (((n) + (per)-1) / (per))
/* The number of this thread in the grid, of the warp in it, and of the lane in the warp. */
#define THREAD    ((size_t)blockIdx.x * blockDim.x + threadIdx.x)
#define WARP      (THREAD / 32)
#define LANE      (threadIdx.x % 32)
#define ALL_LANES 0xffffffffu

/*
 * Sums and maxima over the lanes of a warp, the same bits in each: always added in this order, and
 * a + b is b + a.
 */
DEVICE float warp_sum(float v)
{
	for (int i = 16; i; i /= 2)
		v += __shfl_xor_sync(ALL_LANES, v, i);
	return v;
}

DEVICE float warp_max(float v)
{
	for (int i = 16; i; i /= 2)
		v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, i));
	return v;
}

#endif
