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

#include "nn/kernels.h"

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

/* 16 bytes at once; the address is a multiple of 16. */
DEVICE void load_16(const void *p, uint32_t w[4])
{
	uint4 u = *(const uint4 *)p;

	w[0] = u.x;
	w[1] = u.y;
	w[2] = u.z;
	w[3] = u.w;
}

DEVICE void store_16(void *p, const uint32_t w[4])
{
	*(uint4 *)p = make_uint4(w[0], w[1], w[2], w[3]);
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

/* ---- activations: bf16 or fp32 numbers; see kernels.h ---- */

DEVICE float from_bf16(uint16_t h)
{
	return __uint_as_float((uint32_t)h << 16);
}

DEVICE float act_get(struct kernels_act a, size_t i)
{
	return a.half ? from_bf16(((const uint16_t *)a.p)[i]) : ((const float *)a.p)[i];
}

DEVICE void act_put(struct kernels_act a, size_t i, float v)
{
	if (a.half)
		((uint16_t *)a.p)[i] = to_bf16(v);
	else
		((float *)a.p)[i] = v;
}

/* Two bf16 numbers, the first in the low half. */
DEVICE uint32_t pair_bf16(float a, float b)
{
	return (uint32_t)to_bf16(a) | (uint32_t)to_bf16(b) << 16;
}

/* Eight numbers, what a thread takes at once. */
struct eight {
	float v[8];
};

/* The numbers from i to i+8, 0 for those from `end` on. At once where the address allows. */
DEVICE struct eight act_get8(struct kernels_act a, size_t i, size_t end)
{
	struct eight e;
	uint32_t w[4];
	bool whole = i % 8 == 0 && i + 8 <= end && ((uintptr_t)a.p & 15) == 0;

	if (whole && a.half) {
		load_16((const uint16_t *)a.p + i, w);
		UNROLL
		for (int k = 0; k < 4; k++) {
			e.v[2 * k] = __uint_as_float(w[k] << 16);
			e.v[2 * k + 1] = __uint_as_float(w[k] & 0xffff0000u);
		}
	} else if (whole) {
		UNROLL
		for (int q = 0; q < 2; q++) {
			load_16((const float *)a.p + i + 4 * q, w);
			UNROLL
			for (int k = 0; k < 4; k++)
				e.v[4 * q + k] = __uint_as_float(w[k]);
		}
	} else {
		UNROLL
		for (int k = 0; k < 8; k++)
			e.v[k] = i + (size_t)k < end ? act_get(a, i + (size_t)k) : 0;
	}
	return e;
}

DEVICE void act_put8(struct kernels_act a, size_t i, size_t end, struct eight e)
{
	uint32_t w[4];
	bool whole = i % 8 == 0 && i + 8 <= end && ((uintptr_t)a.p & 15) == 0;

	if (whole && a.half) {
		UNROLL
		for (int k = 0; k < 4; k++)
			w[k] = pair_bf16(e.v[2 * k], e.v[2 * k + 1]);
		store_16((uint16_t *)a.p + i, w);
	} else if (whole) {
		UNROLL
		for (int q = 0; q < 2; q++) {
			UNROLL
			for (int k = 0; k < 4; k++)
				w[k] = __float_as_uint(e.v[4 * q + k]);
			store_16((float *)a.p + i + 4 * q, w);
		}
	} else {
		UNROLL
		for (int k = 0; k < 8; k++)
			if (i + (size_t)k < end)
				act_put(a, i + (size_t)k, e.v[k]);
	}
}

/* The same of floats, which may begin anywhere. */
DEVICE struct eight floats_get8(const float *p, size_t i, size_t end)
{
	struct eight e;

	UNROLL
	for (int k = 0; k < 8; k++)
		e.v[k] = i + (size_t)k < end ? p[i + (size_t)k] : 0;
	return e;
}

#endif
