/*
 * faults.c: kernels with one fault each, which the emulated device must find, and beside each the
 * same without the fault, which it must let pass.
 *
 *	faults           prints the names, and what must be said of each: nothing of a sound one
 *	faults NAME      runs it; the device stops the program when it finds the fault
 *	faults layouts   compares the tensor-core instructions with the layouts of another source
 *	faults order     prints the order in which blocks and threads run
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_runtime.h"
#include "cublasLt.h"
#include "nn/kernels_lang.h"

enum { N = 64 }; /* threads of a block, two warps, unless it says other */

struct fault_args {
	uint32_t *g; /* device memory, [1024] */
	bool sound;
	size_t n; /* words of shared memory */
};

/* ---- shared memory ---- */

KERNEL(write_read, fault_args, N, 1)
{
	SHARED(s);

	s[threadIdx.x] = 0;
	__syncthreads();
	s[threadIdx.x] = 1;
	if (a.sound)
		__syncthreads();
	a.g[threadIdx.x] = (uint32_t)s[(threadIdx.x + 1) % N];
}

/* The lanes of a warp, which a barrier of the warp is enough for; a shuffle is not. */
KERNEL(warp_write_read, fault_args, N, 1)
{
	SHARED(s);

	s[threadIdx.x] = 1;
	if (a.sound)
		__syncwarp(ALL_LANES);
	else
		a.g[threadIdx.x] = __shfl_xor_sync(ALL_LANES, threadIdx.x, 1);
	a.g[threadIdx.x] = (uint32_t)s[threadIdx.x ^ 1];
}

/* Between two warps it is not. */
KERNEL(warps_write_read, fault_args, N, 1)
{
	SHARED(s);

	s[threadIdx.x] = 0;
	__syncthreads();
	s[threadIdx.x] = 1;
	if (a.sound)
		__syncthreads();
	else
		__syncwarp(ALL_LANES);
	a.g[threadIdx.x] = (uint32_t)s[threadIdx.x ^ 32];
}

/* Static shared memory, read by all, then written again. */
KERNEL(read_write, fault_args, N, 1)
{
	__shared__ uint32_t s[N];

	s[threadIdx.x] = threadIdx.x;
	__syncthreads();
	a.g[threadIdx.x] = s[(threadIdx.x + 1) % N];
	if (a.sound)
		__syncthreads();
	s[threadIdx.x] = 7;
}

KERNEL(write_write, fault_args, N, 1)
{
	SHARED(s);

	s[a.sound ? threadIdx.x : threadIdx.x / 2] = 1;
}

/* Two halves of a word may be of two threads. */
KERNEL(half_words, fault_args, N, 1)
{
	SHARED(s);
	uint16_t *h = (uint16_t *)s;

	h[threadIdx.x] = 0;
	__syncthreads();
	h[threadIdx.x] = (uint16_t)threadIdx.x;
	if (!a.sound)
		a.g[threadIdx.x] = h[threadIdx.x ^ 1];
}

KERNEL(unwritten, fault_args, N, 1)
{
	SHARED(s);

	if (threadIdx.x || a.sound)
		s[threadIdx.x] = 1;
	__syncthreads();
	a.g[threadIdx.x] = (uint32_t)s[(threadIdx.x + 1) % N];
}

/* What another block left there is nothing written either. */
KERNEL(left_by_block, fault_args, N, 1)
{
	SHARED(s);

	if (blockIdx.x == 0 || a.sound)
		s[threadIdx.x] = 1;
	a.g[blockIdx.x * N + threadIdx.x] = (uint32_t)s[threadIdx.x];
}

KERNEL(beyond_shared, fault_args, N, 1)
{
	SHARED(s);

	s[threadIdx.x + (a.sound ? 0 : 1)] = 1;
}

/* A thread that waits for its copies sees its own; what others copied it sees after a barrier. */
KERNEL(copy_read, fault_args, N, 1)
{
	SHARED(s);
	size_t i = threadIdx.x * 4;

	for (size_t k = threadIdx.x; k < a.n; k += N)
		s[k] = 0;
	__syncthreads();
	if (i < a.n)
		copy_16(s + i, a.g + i);
	copies_done();
	if (a.sound)
		__syncthreads();
	a.g[512 + threadIdx.x] = (uint32_t)s[threadIdx.x];
}

/* A copy goes where others still read. */
KERNEL(copy_over, fault_args, N, 1)
{
	SHARED(s);
	size_t i = threadIdx.x * 4;

	s[threadIdx.x] = 1;
	__syncthreads();
	a.g[512 + threadIdx.x] = (uint32_t)s[threadIdx.x];
	if (a.sound)
		__syncthreads();
	if (i < a.n)
		copy_16(s + i, a.g + i);
	copies_done();
}

KERNEL(copy_misaligned, fault_args, N, 1)
{
	SHARED(s);

	if (threadIdx.x == 0)
		copy_16(s, a.g + (a.sound ? 4 : 2));
	copies_done();
}

KERNEL(copy_never_done, fault_args, N, 1)
{
	SHARED(s);

	if (threadIdx.x == 0)
		copy_16(s, a.g);
	if (a.sound)
		copies_done();
}

/* What a thread copies is not there before it has waited, barrier or not. */
KERNEL(copy_too_early, fault_args, N, 1)
{
	SHARED(s);

	if (threadIdx.x == 0)
		copy_16(s, a.g);
	if (a.sound)
		copies_done();
	__syncthreads();
	if (threadIdx.x < 4)
		a.g[512 + threadIdx.x] = (uint32_t)s[threadIdx.x];
	copies_done();
}

/* ---- device memory ---- */

KERNEL(blocks_write, fault_args, N, 1)
{
	a.g[(a.sound ? blockIdx.x : 0) * N + threadIdx.x] = 1;
}

KERNEL(blocks_read, fault_args, N, 1)
{
	uint32_t v = a.g[(a.sound ? blockIdx.x : 1 - blockIdx.x) * N + threadIdx.x];

	a.g[blockIdx.x * N + threadIdx.x] = v + 1;
}

KERNEL(threads_write, fault_args, N, 1)
{
	a.g[a.sound ? threadIdx.x : 0] = 1;
}

KERNEL(beyond_global, fault_args, N, 1)
{
	a.g[1024 - N + threadIdx.x + (a.sound ? 0 : 1)] = 1;
}

KERNEL(before_global, fault_args, N, 1)
{
	a.g[(int)threadIdx.x - (a.sound ? 0 : 1)] = 1;
}

KERNEL(touch, fault_args, 1024, 1)
{
	a.g[threadIdx.x] = 1;
}

KERNEL(misaligned_word, fault_args, N, 1)
{
	uint32_t *p = (uint32_t *)((uint16_t *)a.g + (a.sound ? 0 : 1));

	p[threadIdx.x] = 1;
}

KERNEL(misaligned_16, fault_args, N, 1)
{
	uint32_t w[4];

	load_16(a.g + (a.sound ? 4 : 2) + 4 * threadIdx.x, w);
	store_16(a.g + 512 + 4 * (threadIdx.x % 32) + 256 * (threadIdx.x / 32), w);
}

KERNEL(misaligned_16_store, fault_args, N, 1)
{
	const uint32_t w[4] = {1, 2, 3, 4};

	store_16(a.g + (a.sound ? 4 : 3) + 4 * threadIdx.x, w);
}

KERNEL(misaligned_matrices, fault_args, N, 1)
{
	SHARED(s);
	uint32_t w[4];

	for (size_t i = threadIdx.x; i < a.n; i += N)
		s[i] = 0;
	__syncthreads();
	load_matrices(w, (const uint16_t *)s + LANE % 8 * 8 + (a.sound ? 0 : 4));
}

/* ---- meetings ---- */

KERNEL(block_diverges, fault_args, N, 1)
{
	if (a.sound || threadIdx.x < 32)
		__syncthreads();
}

KERNEL(warp_diverges, fault_args, N, 1)
{
	if (a.sound || threadIdx.x != 5)
		__syncthreads();
	__syncwarp(ALL_LANES);
}

/* What the compiler may not move or join with another. */
#define APART(n) __asm__ volatile("# " n)

/* Both halves come to a barrier, but not to the same one. */
KERNEL(other_barrier, fault_args, N, 1)
{
	if (a.sound || LANE < 16) {
		APART("one");
		__syncthreads();
		APART("one");
	} else {
		APART("two");
		__syncthreads();
		APART("two");
	}
	a.g[threadIdx.x] = 1;
}

KERNEL(lane_ended, fault_args, N, 1)
{
	if (!a.sound && threadIdx.x == 40)
		return;
	a.g[threadIdx.x] = __shfl_xor_sync(ALL_LANES, threadIdx.x, 1);
}

KERNEL(half_shuffles, fault_args, N, 1)
{
	uint32_t v = threadIdx.x;

	if (LANE < 16)
		v = __shfl_xor_sync(a.sound ? 0xffffu : ALL_LANES, v, 1);
	a.g[threadIdx.x] = v;
}

KERNEL(not_of_the_lanes, fault_args, N, 1)
{
	uint32_t v = threadIdx.x;

	if (LANE < 16)
		v = __shfl_xor_sync(a.sound ? 0xffffu : 0xffff0000u, v, 1);
	a.g[threadIdx.x] = v;
}

KERNEL(asks_beyond, fault_args, N, 1)
{
	if (LANE < 16)
		a.g[threadIdx.x] = __shfl_xor_sync(0xffffu, threadIdx.x, a.sound ? 1 : 16);
}

KERNEL(shuffle_and_barrier, fault_args, N, 1)
{
	if (a.sound || LANE < 16)
		a.g[threadIdx.x] = __shfl_xor_sync(ALL_LANES, threadIdx.x, 1);
	else
		__syncwarp(ALL_LANES);
}

KERNEL(half_multiplies, fault_args, N, 1)
{
	const uint32_t x[4] = {0, 0, 0, 0}, y[2] = {0, 0};
	float sum[4] = {0, 0, 0, 0}, other[4] = {0, 0, 0, 0};

	if (a.sound || LANE < 16) {
		APART("one");
		multiply_16x8x16(sum, x, y);
	} else {
		APART("two");
		multiply_16x8x16(other, x, y);
	}
	a.g[threadIdx.x] = __float_as_uint(sum[0] + other[0]);
}

/* ---- launches, copies, products ---- */

struct put {
	uint32_t *g;
	cudaStream_t stream;
};

static struct fault_args args_of(const struct put *p, bool sound)
{
	return (struct fault_args){p->g, sound, 0};
}

static void too_many_threads(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	LAUNCH(touch, 1, 1, sound ? 1024 : 1056, 0, p->stream, a);
}

/* More than the kernel was compiled for. */
static void unforeseen_threads(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	LAUNCH(threads_write, 1, 1, sound ? N : 2 * N, 0, p->stream, a);
}

static void too_many_blocks(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	LAUNCH(write_write, 1, sound ? 65535 : 65536, 32, 128, p->stream, a);
	cudaStreamSynchronize(p->stream);
}

static void no_blocks(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	LAUNCH(touch, sound, 1, 32, 0, p->stream, a);
}

static void too_much_shared(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	LAUNCH(touch, 1, 1, 32, sound ? 99 << 10 : 100 << 10, p->stream, a);
}

static void freed(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	cudaMalloc((void **)&a.g, 4096);
	cudaStreamSynchronize(p->stream);
	if (!sound)
		cudaFree(a.g);
	LAUNCH(touch, 1, 1, N, 0, p->stream, a);
	cudaStreamSynchronize(p->stream);
	if (sound)
		cudaFree(a.g);
}

/* While the device may still use it. */
static void freed_early(const struct put *p, bool sound)
{
	struct fault_args a = args_of(p, sound);

	cudaMalloc((void **)&a.g, 4096);
	LAUNCH(touch, 1, 1, N, 0, p->stream, a);
	if (sound)
		cudaStreamSynchronize(p->stream);
	cudaFree(a.g);
}

static void host_memory(const struct put *p, bool sound)
{
	static uint32_t host[N];
	struct fault_args a = args_of(p, sound);

	if (!sound)
		a.g = host;
	LAUNCH(touch, 1, 1, N, 0, p->stream, a);
}

static void pinned_changed(const struct put *p, bool sound)
{
	uint32_t *host;

	cudaMallocHost((void **)&host, 64);
	cudaMemcpyAsync(p->g, host, 64, cudaMemcpyHostToDevice, p->stream);
	if (sound)
		cudaStreamSynchronize(p->stream);
	host[3] = 1;
	cudaStreamSynchronize(p->stream);
	cudaFreeHost(host);
}

static void pinned_freed(const struct put *p, bool sound)
{
	uint32_t *host;

	cudaMallocHost((void **)&host, 64);
	cudaMemcpyAsync(p->g, host, 64, cudaMemcpyHostToDevice, p->stream);
	if (sound)
		cudaStreamSynchronize(p->stream);
	cudaFreeHost(host);
}

static void copy_beyond(const struct put *p, bool sound)
{
	static const uint32_t host[1025];

	cudaMemcpyAsync(p->g, host, sound ? 4096 : sizeof(host), cudaMemcpyHostToDevice, p->stream);
}

/* c[16,8] = a[16,4] b[4,8] in p->g, by columns; `at`: where c begins. */
static void product_to(const struct put *p, size_t at)
{
	float one = 1, zero = 0, *g = (float *)p->g;
	cublasLtHandle_t h;
	cublasLtMatmulDesc_t d;
	cublasLtMatrixLayout_t l[3];
	cublasLtMatmulPreference_t pref;
	cublasLtMatmulHeuristicResult_t r;
	uint32_t align = 4;
	int found;

	cublasLtCreate(&h);
	cublasLtMatmulDescCreate(&d, CUBLAS_COMPUTE_32F, CUDA_R_32F);
	cublasLtMatrixLayoutCreate(&l[0], CUDA_R_32F, 16, 4, 16);
	cublasLtMatrixLayoutCreate(&l[1], CUDA_R_32F, 4, 8, 4);
	cublasLtMatrixLayoutCreate(&l[2], CUDA_R_32F, 16, 8, 16);
	cublasLtMatmulPreferenceCreate(&pref);
	for (int i = 0; i < 4; i++)
		cublasLtMatmulPreferenceSetAttribute(pref,
			(cublasLtMatmulPreferenceAttributes_t)(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES +
							       i),
			&align, sizeof(align));
	cublasLtMatmulAlgoGetHeuristic(h, d, l[0], l[1], l[2], l[2], pref, 1, &r, &found);
	cublasLtMatmul(h, d, &one, g, l[0], g + 64, l[1], &zero, g + at, l[2], g + at, l[2],
		&r.algo, g + 512, 256, p->stream);
	cudaStreamSynchronize(p->stream);
	for (int i = 0; i < 3; i++)
		cublasLtMatrixLayoutDestroy(l[i]);
	cublasLtMatmulPreferenceDestroy(pref);
	cublasLtMatmulDescDestroy(d);
	cublasLtDestroy(h);
}

static void product_over_factor(const struct put *p, bool sound)
{
	product_to(p, sound ? 96 : 95);
}

static void product_beyond(const struct put *p, bool sound)
{
	product_to(p, sound ? 1024 - 128 : 1024 - 127);
}

/* ---- layouts, orders ---- */

struct layout_args {
	const uint16_t *a; /* [16,16], bf16 */
	const uint16_t *b; /* [8,16]: b transposed */
	float *sum;        /* [16,8] */
	int turned;        /* b comes as it is, [16,8], and is turned when it is loaded */
};

/*
 * Where lane l has its number v, as CUTLASS says it (cute/atom/mma_traits_sm80.hpp, the row
 * SM80_16x8x16_F32BF16BF16F32_TN): strides over (l%4, l/4) and the bits of v, of places counted
 * down the columns.
 */
static size_t place_a(size_t l, size_t v)
{
	return l % 4 * 32 + l / 4 + v % 2 * 16 + v / 2 % 2 * 8 + v / 4 * 128; /* [16,16] */
}

static size_t place_b(size_t l, size_t v)
{
	return l % 4 * 16 + l / 4 + v % 2 * 8 + v / 2 * 64; /* [8,16] */
}

static size_t place_c(size_t l, size_t v)
{
	return l % 4 * 32 + l / 4 + v % 2 * 16 + v / 2 * 8; /* [16,8] */
}

KERNEL(multiply_once, layout_args, N, 1)
{
	uint32_t x[4] = {0, 0, 0, 0}, y[2] = {0, 0};
	float sum[4] = {0, 0, 0, 0};

	for (size_t v = 0; v < 8; v++)
		x[v / 2] |= (uint32_t)a.a[place_a(LANE, v) % 16 * 16 + place_a(LANE, v) / 16]
			    << 16 * (v % 2);
	for (size_t v = 0; v < 4; v++)
		y[v / 2] |= (uint32_t)a.b[place_b(LANE, v) % 8 * 16 + place_b(LANE, v) / 8]
			    << 16 * (v % 2);
	multiply_16x8x16(sum, x, y);
	for (size_t v = 0; v < 4; v++)
		a.sum[place_c(LANE, v) % 16 * 8 + place_c(LANE, v) / 16] = sum[v];
}

/* The same with what ldmatrix gives to lanes: four 8x8 matrices of a, two of b in each half of 4.
 */
KERNEL(load_and_multiply, layout_args, N, 1)
{
	SHARED(s);
	uint16_t *x = (uint16_t *)s, *y = x + 256;
	uint32_t wx[4], wy[4];
	float sum[4] = {0, 0, 0, 0};

	for (size_t i = LANE; i < 256; i += 32)
		x[i] = a.a[i];
	for (size_t i = LANE; i < 128; i += 32)
		y[i] = a.b[i];
	__syncwarp(ALL_LANES);
	/* Matrices 0 to 3 of a: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15. */
	load_matrices(wx, x + LANE % 16 * 16 + LANE / 16 * 8);
	if (a.turned)
		load_matrices_turned(wy, y + LANE % 16 * 8);
	else
		load_matrices(wy, y + LANE % 8 * 16 + LANE / 8 % 2 * 8);
	multiply_16x8x16(sum, wx, wy);
	for (size_t v = 0; v < 4; v++)
		a.sum[place_c(LANE, v) % 16 * 8 + place_c(LANE, v) / 16] = sum[v];
}

static int layouts(cudaStream_t stream)
{
	uint16_t ha[256], hb[128], hb_turned[128], *d;
	float got[128];
	int wrong = 0;

	for (unsigned i = 0; i < 256; i++) /* small whole numbers: sums are exact */
		ha[i] = to_bf16((float)(i * 37 % 23) - 11);
	for (unsigned i = 0; i < 128; i++) {
		hb[i] = to_bf16((float)(i * 29 % 19) - 9);
		hb_turned[i % 16 * 8 + i / 16] = hb[i];
	}
	cudaMalloc((void **)&d, 2048);
	for (int way = 0; way < 3; way++) {
		struct layout_args a = {d, d + 256, (float *)(d + 512), way == 2};

		cudaMemcpyAsync(d, ha, sizeof(ha), cudaMemcpyHostToDevice, stream);
		cudaMemcpyAsync(d + 256, a.turned ? hb_turned : hb, sizeof(hb),
			cudaMemcpyHostToDevice, stream);
		if (way)
			LAUNCH(load_and_multiply, 1, 1, 32, 1024, stream, a);
		else
			LAUNCH(multiply_once, 1, 1, 32, 0, stream, a);
		cudaMemcpyAsync(got, a.sum, sizeof(got), cudaMemcpyDeviceToHost, stream);
		for (unsigned i = 0; i < 128; i++) {
			float want = 0;

			for (unsigned k = 0; k < 16; k++)
				want += from_bf16(ha[i / 8 * 16 + k]) *
					from_bf16(hb[i % 8 * 16 + k]);
			wrong += got[i] != want;
		}
	}
	cudaFree(d);
	printf("%d numbers are wrong\n", wrong);
	return wrong != 0;
}

__attribute__((no_sanitize("thread"))) static void note(size_t thread)
{
	printf("%zu ", thread);
}

KERNEL(note_order, fault_args, N, 1)
{
	a.g[THREAD] = 1;
	note(THREAD);
}

static const struct {
	const char *name, *said; /* of the faulty one */
	void (*kernel)(const void *args);
	unsigned blocks;
	void (*host)(const struct put *p, bool sound);
} faults[] = {
	{"write-read", "with no barrier between", write_read_thread, 1, NULL},
	{"warp-write-read", "with no barrier between", warp_write_read_thread, 1, NULL},
	{"warps-write-read", "with no barrier between", warps_write_read_thread, 1, NULL},
	{"read-write", "with no barrier between", read_write_thread, 1, NULL},
	{"write-write", "with no barrier between", write_write_thread, 1, NULL},
	{"half-words", "with no barrier between", half_words_thread, 1, NULL},
	{"unwritten", "which nothing wrote", unwritten_thread, 1, NULL},
	{"left-by-block", "which nothing wrote", left_by_block_thread, 2, NULL},
	{"beyond-shared", "of shared memory of 256 bytes", beyond_shared_thread, 1, NULL},
	{"copy-read", "with no barrier between", copy_read_thread, 1, NULL},
	{"copy-over", "with no barrier between", copy_over_thread, 1, NULL},
	{"copy-misaligned", "not aligned", copy_misaligned_thread, 1, NULL},
	{"copy-never-done", "before its copies", copy_never_done_thread, 1, NULL},
	{"copy-too-early", "with no barrier between", copy_too_early_thread, 1, NULL},
	{"blocks-write", "as another block of the launch did", blocks_write_thread, 2, NULL},
	{"blocks-read", "as another block of the launch did", blocks_read_thread, 2, NULL},
	{"threads-write", "as thread", threads_write_thread, 1, NULL},
	{"beyond-global", "byte 4096 of device memory of 4096", beyond_global_thread, 1, NULL},
	{"before-global", "writes: ", before_global_thread, 1, NULL},
	{"misaligned-word", "not aligned", misaligned_word_thread, 1, NULL},
	{"misaligned-16", "not aligned", misaligned_16_thread, 1, NULL},
	{"misaligned-16-store", "not aligned", misaligned_16_store_thread, 1, NULL},
	{"misaligned-matrices", "not aligned", misaligned_matrices_thread, 1, NULL},
	{"block-diverges", "some threads of a block ended", block_diverges_thread, 1, NULL},
	{"warp-diverges", "__syncthreads waits for thread", warp_diverges_thread, 1, NULL},
	{"other-barrier", "at another one", other_barrier_thread, 1, NULL},
	{"lane-ended", "thread 40, which has ended", lane_ended_thread, 1, NULL},
	{"half-shuffles", "which has ended", half_shuffles_thread, 1, NULL},
	{"not-of-the-lanes", "not one of", not_of_the_lanes_thread, 1, NULL},
	{"asks-beyond", "asks lane", asks_beyond_thread, 1, NULL},
	{"shuffle-and-barrier", "waits for thread", shuffle_and_barrier_thread, 1, NULL},
	{"half-multiplies", "at another one", half_multiplies_thread, 1, NULL},
	{"too-many-threads", "no device takes", NULL, 0, too_many_threads},
	{"unforeseen-threads", "no device takes", NULL, 0, unforeseen_threads},
	{"too-many-blocks", "no device takes", NULL, 0, too_many_blocks},
	{"no-blocks", "no device takes", NULL, 0, no_blocks},
	{"too-much-shared", "no device takes", NULL, 0, too_much_shared},
	{"freed", "writes: ", NULL, 0, freed},
	{"freed-early", "may still use it", NULL, 0, freed_early},
	{"host-memory", "not the device's", NULL, 0, host_memory},
	{"pinned-changed", "the host changed", NULL, 0, pinned_changed},
	{"pinned-freed", "has not read it", NULL, 0, pinned_freed},
	{"copy-beyond", "of device memory of 4096", NULL, 0, copy_beyond},
	{"product-over-factor", "over a factor", NULL, 0, product_over_factor},
	{"product-beyond", "of device memory of 4096", NULL, 0, product_beyond},
};

/* Runs one; sound: without its fault. */
static void run(size_t i, bool sound)
{
	struct put p;
	struct fault_args a = {.sound = sound, .n = N};

	cudaStreamCreateWithFlags(&p.stream, cudaStreamNonBlocking);
	cudaMalloc((void **)&p.g, 4096);
	cudaMemsetAsync(p.g, 0, 4096, p.stream);
	a.g = p.g;
	if (faults[i].host)
		faults[i].host(&p, sound);
	else
		device_launch(faults[i].name, faults[i].kernel, N, &a, sizeof(a), faults[i].blocks,
			1, N, N * 4);
	cudaStreamSynchronize(p.stream);
	cudaFree(p.g);
}

static int run_named(const char *name)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		if (strcmp(name, faults[i].name) == 0) {
			run(i, true);
			puts("passed without its fault");
			fflush(stdout);
			run(i, false);
			puts("passed with its fault");
			return 0;
		}
	}
	return 2;
}

static int print_order(void)
{
	struct fault_args a = {0};

	cudaMalloc((void **)&a.g, 4096);
	LAUNCH(note_order, 8, 1, N, 0, NULL, a);
	cudaStreamSynchronize(NULL);
	cudaFree(a.g);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "layouts") == 0)
		return layouts(NULL);
	if (argc == 2 && strcmp(argv[1], "order") == 0)
		return print_order();
	if (argc == 2)
		return run_named(argv[1]);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		printf("%s\t%s\n", faults[i].name, faults[i].said);
	return 0;
}
