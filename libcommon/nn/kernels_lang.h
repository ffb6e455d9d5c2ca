/*
 * kernels_lang.h: the few words that the kernels use beyond C: how a kernel is written and
 * launched.
 *
 * The kernels are written in what C11 and C++14 have in common. nvcc compiles them for the device
 * with what stands below; the tests compile the same text for the host, where tests/cuda/device.h
 * gives these words, and CUDA's own (threadIdx, __syncthreads, ...), another meaning: the threads
 * of a block are run one after another up to each barrier.
 *
 *	struct half_args {
 *		size_t n;
 *		float *x;
 *	};
 *	KERNEL(half, half_args, 256, 2)
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
#define DEVICE    static __device__ __forceinline__
#define UNROLL    _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
/*
 * The kernel's arguments are the members of `a`. It is launched with at most so many threads, and
 * its registers are to leave room for so many blocks on a multiprocessor.
 */
#define KERNEL(name, args, threads, blocks) \
	static __global__ void __launch_bounds__(threads, blocks) name(const struct args a)
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

/*
 * 16 bytes from device memory to shared memory, both at multiples of 16, which the thread does not
 * wait for; and the end of all that it has begun. After a barrier others see them too.
 */
DEVICE void copy_16(void *shared, const void *p)
{
	asm volatile(
		"cp.async.cg.shared.global [%0], [%1], 16;"
		:
		: "r"((uint32_t)__cvta_generic_to_shared(shared)), "l"(__cvta_generic_to_global(p))
		: "memory");
}

DEVICE void copies_done(void)
{
	asm volatile("cp.async.wait_all;" : : : "memory");
}

/*
 * Tensor cores: by a whole warp; how the numbers of a matrix are spread over its lanes is said in
 * the PTX manual, mma.m16n8k16 and ldmatrix. sum[16,8] += a[16,16] b[16,8], bf16 by bf16 to fp32.
 */
DEVICE void multiply_16x8x16(float sum[4], const uint32_t a[4], const uint32_t b[2])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
		     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
		     : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/*
 * Four matrices of 8 by 8 16-bit numbers from shared memory: lane i gives the address of row i%8 of
 * matrix i/8 and gets of each the numbers 2(i%4) and one on of row i/4; turned: of its transposed.
 */
DEVICE void load_matrices(uint32_t to[4], const uint16_t *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
		     : "r"((uint32_t)__cvta_generic_to_shared(row))
		     : "memory");
}

DEVICE void load_matrices_turned(uint32_t to[4], const uint16_t *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
		     : "r"((uint32_t)__cvta_generic_to_shared(row))
		     : "memory");
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

/* The floats from i to i+8, 0 for those from `end` on. At once where the address allows. */
DEVICE struct eight floats_get8(const float *p, size_t i, size_t end)
{
	struct eight e;
	uint32_t w[4];

	if (((uintptr_t)(p + i) & 15) == 0 && i + 8 <= end) {
		UNROLL
		for (int q = 0; q < 2; q++) {
			load_16(p + i + 4 * q, w);
			UNROLL
			for (int k = 0; k < 4; k++)
				e.v[4 * q + k] = __uint_as_float(w[k]);
		}
	} else {
		UNROLL
		for (int k = 0; k < 8; k++)
			e.v[k] = i + (size_t)k < end ? p[i + (size_t)k] : 0;
	}
	return e;
}

/* The same of activations. */
DEVICE struct eight act_get8(struct kernels_act a, size_t i, size_t end)
{
	struct eight e;
	uint32_t w[4];

	if (!a.half)
		return floats_get8((const float *)a.p, i, end);
	if (i % 8 == 0 && i + 8 <= end && ((uintptr_t)a.p & 15) == 0) {
		load_16((const uint16_t *)a.p + i, w);
		UNROLL
		for (int k = 0; k < 4; k++) {
			e.v[2 * k] = __uint_as_float(w[k] << 16);
			e.v[2 * k + 1] = __uint_as_float(w[k] & 0xffff0000u);
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

/* The same of bf16 numbers as they are, two a word. */
DEVICE void act_words8(struct kernels_act a, size_t i, size_t end, uint32_t w[4])
{
	const uint16_t *h = (const uint16_t *)a.p;

	if (i % 8 == 0 && i + 8 <= end && ((uintptr_t)a.p & 15) == 0) {
		load_16(h + i, w);
		return;
	}
	UNROLL
	for (size_t k = 0; k < 4; k++)
		w[k] = (i + 2 * k < end ? (uint32_t)h[i + 2 * k] : 0) |
		       (i + 2 * k + 1 < end ? (uint32_t)h[i + 2 * k + 1] << 16 : 0);
}

/* The bf16 numbers i and i + 1, those before `end`. */
DEVICE void act_put2(struct kernels_act a, size_t i, size_t end, float x, float y)
{
	uint16_t *h = (uint16_t *)a.p + i;

	if (((uintptr_t)h & 3) == 0 && i + 1 < end) {
		*(uint32_t *)h = pair_bf16(x, y);
		return;
	}
	h[0] = to_bf16(x);
	if (i + 1 < end)
		h[1] = to_bf16(y);
}

#endif
