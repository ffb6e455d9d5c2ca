/*
 * device.h: CUDA's words for the kernels, when the tests compile them as C for the host: see
 * libcommon/nn/kernels_lang.h. Put before the kernels' own text with -include.
 *
 * device.c runs the threads of a block as coroutines of one thread, each up to the next barrier,
 * so __shared__ variables are static ones. The order is another one in each block, and with another
 * number in the environment variable BB_ORDER. Compiled with DEVICE_WATCH and -fsanitize=thread,
 * each access to memory is checked: see watch.h.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct CUstream_st;

struct device_index {
	unsigned x, y;
};

/* What CUDA's own variables are: of the thread that runs. */
extern struct device {
	struct device_index thread, block, block_size;
	float *shared;
} device_now;

/*
 * Puts a kernel into the stream: thread(args), args of `size` bytes, for all threads of a grid of x
 * by y blocks of `threads`, which may be `most`, with `bytes` of shared memory.
 */
void device_launch(const char *name, void (*thread)(const void *args), size_t most,
	const void *args, size_t size, size_t x, size_t y, size_t threads, size_t bytes);
/* runtime.c: run(a copy of the arguments) when the stream gets to it. */
void device_later(void (*run)(const void *args), const void *args, size_t size);
/* The calling thread waits until all of its block, or those lanes of its warp, wait. */
void device_wait_block(void);
void device_wait_warp(uint32_t lanes);
uint32_t device_shuffle(uint32_t lanes, uint32_t v, unsigned lane);

#define DEVICE static inline __attribute__((unused))
#define UNROLL
#define NO_UNROLL
#define KERNEL(name, args, threads, blocks)      \
	enum { name##_most = threads };          \
	static void name(const struct args a);   \
	static void name##_thread(const void *p) \
	{                                        \
		name(*(const struct args *)p);   \
	}                                        \
	static void name(const struct args a)
#define LAUNCH(name, x, y, threads, bytes, stream, args)                                         \
	((void)(stream), device_launch(#name, name##_thread, name##_most, &(args), sizeof(args), \
				 x, y, threads, bytes))
#define SHARED(p) float *p = device_now.shared

/* Where accesses are watched the section tells shared memory from the rest. */
#ifdef DEVICE_WATCH
#define __shared__ static __attribute__((section("device_shared")))
#else
#define __shared__ static
#endif
#define threadIdx     device_now.thread
#define blockIdx      device_now.block
#define blockDim      device_now.block_size
#define __syncthreads device_wait_block
#define __syncwarp    device_wait_warp

static inline uint32_t __float_as_uint(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return u;
}

static inline __attribute__((unused)) float __uint_as_float(uint32_t u)
{
	float x;

	memcpy(&x, &u, sizeof(x));
	return x;
}

/* 16 bytes at once. */
void load_16(const void *p, uint32_t w[4]);
void store_16(void *p, const uint32_t w[4]);

/* As PTX's cp.async of 16 bytes, and cp.async.wait_all. */
void copy_16(void *shared, const void *p);
void copies_done(void);

/* As PTX's mma.m16n8k16 and ldmatrix .x4, with .trans. */
void device_multiply(float sum[4], const uint32_t a[4], const uint32_t b[2]);
void device_load_matrices(uint32_t to[4], const uint16_t *row, int turned);
#define multiply_16x8x16              device_multiply
#define load_matrices(to, row)        device_load_matrices(to, row, 0)
#define load_matrices_turned(to, row) device_load_matrices(to, row, 1)

/* As PTX's cvt.rn.bf16.f32. */
static inline __attribute__((unused)) uint16_t to_bf16(float x)
{
	uint32_t u = __float_as_uint(x);

	if ((u & 0x7fffffff) > 0x7f800000)
		return 0x7fff;
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline __attribute__((unused)) float device_shuffle_float(
	uint32_t lanes, float v, unsigned lane)
{
	return __uint_as_float(device_shuffle(lanes, __float_as_uint(v), lane));
}

#define __shfl_xor_sync(lanes, v, mask)           \
	_Generic((v), float                       \
		 : device_shuffle_float, uint32_t \
		 : device_shuffle)(lanes, v, (device_now.thread.x % 32) ^ (unsigned)(mask))

#endif
