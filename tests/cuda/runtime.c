/*
 * runtime.c: CUDA's runtime and cuBLASLt for the tests: a device that is not there, with products
 * by their definition.
 *
 * The environment says what is wrong with the device, so that the programs' messages can be tested:
 *	BB_DEVICE=none     there is none        old   the driver is too old       absent   no driver
 *	         =small    memory for 1 MiB     weak  compute capability 7.5
 *	         =picky    cuBLASLt takes no product
 *	         =splits   it has no way that does not split sums
 *	         =aligned  none of matrices whose rows do not begin at a multiple of 16 bytes
 *	         =strict   a way to do a product is good for matrices of exactly those sizes
 *	         =lost:N   fails at the N-th synchronisation, and from then on
 * What is put into the stream is done when the host waits for it, in its order, and not before: a
 * buffer of the host that is used again too early gives wrong results.
 * Memory is filled with NaN when it is allocated, and watch.c knows of it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cublasLt.h"
#include "base/base.h"
#include "tests/cuda/device.h"
#include "tests/cuda/watch.h"

static struct {
	bool lost;
	long syncs;
	size_t held;
} dev;

enum { ALIGN = 256 }; /* of each block; its size is before it */

static bool is(const char *trouble)
{
	const char *e = getenv("BB_DEVICE");

	return e && strcmp(e, trouble) == 0;
}

static cudaError_t health(void)
{
	return dev.lost ? cudaErrorLaunchFailure : cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
	*version = is("absent") ? 0 : is("old") ? 12020 : CUDART_VERSION;
	return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
	*count = 1;
	return is("old") || is("absent") ? cudaErrorInsufficientDriver
	       : is("none")              ? cudaErrorNoDevice
					 : cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}

static size_t memory(void)
{
	return is("small") ? 1 << 20 : (size_t)8 << 30;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device)
{
	*prop = (struct cudaDeviceProp){.name = "emulated device", .totalGlobalMem = memory()};
	prop->major = is("weak") ? 7 : 9;
	prop->minor = is("weak") ? 5 : 0;
	return cudaSetDevice(device);
}

/* ---- the stream: a list of what is to be done, done when the host waits for it ---- */

struct task {
	struct task *next;
	void (*run)(const void *args);
	max_align_t args[];
};

static struct task *first, **last = &first;

void device_later(void (*run)(const void *args), const void *args, size_t size)
{
	struct task *t = malloc(sizeof(*t) + size);

	*t = (struct task){NULL, run};
	memcpy(t->args, args, size);
	*last = t;
	last = &t->next;
}

static cudaError_t catch_up(void)
{
	while (first) {
		struct task *t = first;

		if (!dev.lost)
			t->run(t->args);
		first = t->next;
		free(t);
	}
	last = &first;
	return health();
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
	*stream = NULL;
	return flags == cudaStreamNonBlocking ? health() : cudaErrorInvalidValue;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
	(void)stream;
	return catch_up();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
	const char *e = getenv("BB_DEVICE");

	(void)stream;
	if (e && strncmp(e, "lost:", 5) == 0 && ++dev.syncs >= atol(e + 5))
		dev.lost = true;
	return catch_up();
}

/* ---- events ---- */

struct device_event {
	struct timespec at;
	bool asked, done, untimed;
};

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
	*event = calloc(1, sizeof(**event));
	(*event)->untimed = flags == cudaEventDisableTiming;
	return health();
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
	return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	cudaError_t e = catch_up();

	free(event);
	return e;
}

static void happen(const void *p)
{
	cudaEvent_t event = *(const cudaEvent_t *)p;

	clock_gettime(CLOCK_MONOTONIC, &event->at);
	event->done = true;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	(void)stream;
	event->asked = true;
	event->done = false;
	device_later(happen, &event, sizeof(event));
	return health();
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	return event->asked && !event->done ? catch_up() : health();
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
	if (!from->done || !to->done || from->untimed || to->untimed)
		return dev.lost ? cudaErrorLaunchFailure : cudaErrorInvalidValue;
	*ms = (float)(1e3 * (double)(to->at.tv_sec - from->at.tv_sec) +
		      1e-6 * (double)(to->at.tv_nsec - from->at.tv_nsec));
	return health();
}

/* ---- memory ---- */

/* CUDA may wait for the device before it frees memory, and it may not. */
static void idle(const char *what)
{
	if (first && !dev.lost)
		device_die("%s: the device may still use it", what);
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
	char *block;

	if (dev.lost || !bytes)
		return dev.lost ? cudaErrorLaunchFailure : cudaErrorInvalidValue;
	if (dev.held + bytes > memory())
		return cudaErrorMemoryAllocation;
	if (posix_memalign((void **)&block, ALIGN, ALIGN + bytes) != 0)
		return cudaErrorMemoryAllocation;
	memcpy(block, &bytes, sizeof(bytes));
	*p = memset(block + ALIGN, 0xff, bytes);
	watch_alloc(*p, bytes);
	dev.held += bytes;
	return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
	size_t bytes;

	if (!p)
		return health();
	idle("cudaFree");
	watch_free(p);
	memcpy(&bytes, (char *)p - ALIGN, sizeof(bytes));
	dev.held -= bytes;
	free((char *)p - ALIGN);
	return health();
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
	*all = memory();
	*left = *all - dev.held;
	return health();
}

/* Memory of the host that the device reads and writes by itself, later. */
static struct {
	char *from, *to;
} pinned[64];

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
	*p = malloc(bytes);
	memset(*p, 0xff, bytes);
	for (int i = 0; i < 64; i++) {
		if (!pinned[i].from) {
			pinned[i].from = *p;
			pinned[i].to = pinned[i].from + bytes;
			return health();
		}
	}
	return cudaErrorMemoryAllocation;
}

static bool is_pinned(const void *p, size_t bytes)
{
	const char *c = p;

	for (int i = 0; i < 64; i++)
		if (pinned[i].from && c >= pinned[i].from && c + bytes <= pinned[i].to)
			return true;
	return false;
}

struct set {
	void *p;
	int value;
	size_t bytes;
};

static void run_set(const void *p)
{
	const struct set *s = p;

	watch_range(s->p, s->bytes, "cudaMemsetAsync");
	memset(s->p, s->value, s->bytes);
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t stream)
{
	struct set s = {p, value, bytes};

	(void)stream;
	device_later(run_set, &s, sizeof(s));
	return health();
}

struct move {
	void *to;
	const void *from; /* NULL: what follows */
	size_t bytes;
	cudaMemcpyKind kind;
	uint64_t sum; /* of pinned memory when the copy was asked for */
	char data[];
};

static uint64_t checksum(const void *p, size_t bytes)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * 1099511628211u;
	return h;
}

static void run_move(const void *p)
{
	const struct move *m = p;
	const void *from = m->from ? m->from : m->data;

	watch_range(m->kind == cudaMemcpyHostToDevice ? m->to : from, m->bytes, "cudaMemcpyAsync");
	if (m->kind == cudaMemcpyHostToDevice && checksum(from, m->bytes) != m->sum)
		device_die("cudaMemcpyAsync: the host changed what the device had not read yet");
	memcpy(m->to, from, m->bytes);
}

/* A copy that is still to be done would read the memory. */
static bool awaited(const char *p)
{
	for (const struct task *t = first; t; t = t->next) {
		const void *args = t->args;
		const struct move *m = args;

		if (t->run == run_move && m->from == p)
			return true;
	}
	return false;
}

cudaError_t cudaFreeHost(void *p)
{
	if (p && awaited(p) && !dev.lost)
		device_die("cudaFreeHost: the device has not read it yet");
	for (int i = 0; i < 64; i++)
		if (p && pinned[i].from == p)
			pinned[i].from = pinned[i].to = NULL;
	free(p);
	return health();
}

/* Pageable memory of the host is read at once, and written before the call returns. */
cudaError_t cudaMemcpyAsync(
	void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
	bool whole = kind == cudaMemcpyHostToDevice && !is_pinned(from, bytes);
	size_t size = sizeof(struct move) + (whole ? bytes : 0);
	struct move *m = malloc(size);

	(void)stream;
	*m = (struct move){to, whole ? NULL : from, bytes, kind, 0};
	if (kind == cudaMemcpyHostToDevice)
		m->sum = checksum(from, bytes);
	if (whole)
		memcpy(m->data, from, bytes);
	device_later(run_move, m, size);
	free(m);
	if (kind == cudaMemcpyDeviceToHost && !is_pinned(to, bytes))
		return catch_up();
	return health();
}

cudaError_t cudaGetLastError(void)
{
	return health();
}

const char *cudaGetErrorName(cudaError_t e)
{
	return e == cudaErrorLaunchFailure ? "cudaErrorLaunchFailure" : "cudaError";
}

const char *cudaGetErrorString(cudaError_t e)
{
	return e == cudaErrorLaunchFailure ? "unspecified launch failure" : "an error";
}

/* ---- cuBLASLt: matrices are stored by columns, ld apart ---- */

struct cublas_desc {
	cublasOperation_t a, b;
};

struct cublas_layout {
	cudaDataType_t type;
	uint64_t rows, cols;
	int64_t ld;
};

struct cublas_pref {
	uint64_t value[8];
};

struct cublas_handle {
	int nothing;
};

/* A copy of *from that `free` releases. */
static void *copy(const void *from, size_t size)
{
	return memcpy(malloc(size), from, size);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
	*h = copy(&(struct cublas_handle){0}, sizeof(**h));
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
	free(h);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(
	cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType_t scale)
{
	if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F)
		return CUBLAS_STATUS_INVALID_VALUE;
	*d = copy(&(struct cublas_desc){CUBLAS_OP_N, CUBLAS_OP_N}, sizeof(**d));
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(
	cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void *p, size_t size)
{
	if (size != sizeof(cublasOperation_t))
		return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(a == CUBLASLT_MATMUL_DESC_TRANSA ? &d->a : &d->b, p, size);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
	free(d);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(
	cublasLtMatrixLayout_t *l, cudaDataType_t type, uint64_t rows, uint64_t cols, int64_t ld)
{
	if (!rows || !cols || ld < (int64_t)rows)
		return CUBLAS_STATUS_INVALID_VALUE;
	*l = copy(&(struct cublas_layout){type, rows, cols, ld}, sizeof(**l));
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
	free(l);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
	*p = copy(&(struct cublas_pref){{0}}, sizeof(**p));
	(*p)->value[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK] = UINT32_MAX;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
	cublasLtMatmulPreferenceAttributes_t a, const void *v, size_t size)
{
	if (size != (a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4))
		return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(&p->value[a], v, size);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
	free(p);
	return CUBLAS_STATUS_SUCCESS;
}

/* Rows and columns after the transposition. */
static uint64_t rows_of(const struct cublas_layout *l, cublasOperation_t op)
{
	return op == CUBLAS_OP_N ? l->rows : l->cols;
}

static uint64_t cols_of(const struct cublas_layout *l, cublasOperation_t op)
{
	return op == CUBLAS_OP_N ? l->cols : l->rows;
}

static bool fit(const struct cublas_desc *d, const struct cublas_layout *a,
	const struct cublas_layout *b, const struct cublas_layout *c)
{
	return rows_of(a, d->a) == c->rows && cols_of(b, d->b) == c->cols &&
	       cols_of(a, d->a) == rows_of(b, d->b) && a->type == b->type &&
	       (c->type == CUDA_R_32F || c->type == a->type);
}

static bool unaligned(const struct cublas_layout *l)
{
	return l->ld * (l->type == CUDA_R_32F ? 4 : 2) % 16 != 0;
}

/* One number of the sizes of a product. */
static uint64_t sizes(
	const struct cublas_desc *d, const struct cublas_layout *a, const struct cublas_layout *to)
{
	return (to->rows * 1000003 + to->cols) * 1000003 + cols_of(a, d->a);
}

/* An algorithm is good for exactly the alignment it was asked for, or more. */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
	cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
	cublasLtMatrixLayout_t to, cublasLtMatmulPreference_t p, int want,
	cublasLtMatmulHeuristicResult_t *results, int *found)
{
	if (!h || want < 1 || !fit(d, a, b, c) || !fit(d, a, b, to))
		return CUBLAS_STATUS_INVALID_VALUE;
	*found = 0;
	if (is("picky")) /* there are two ways to say so */
		return to->rows % 2 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
	if (is("splits") && !p->value[CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK])
		return to->rows % 2 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
	if (is("aligned") && (unaligned(a) || unaligned(b) || unaligned(c) || unaligned(to)))
		return CUBLAS_STATUS_SUCCESS;
	memset(results, 0, sizeof(*results));
	results->algo.data[5] = sizes(d, a, to);
	results->algo.data[0] = 1;
	for (int i = 0; i < 4; i++)
		results->algo.data[1 + i] =
			p->value[CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i];
	*found = 1;
	return CUBLAS_STATUS_SUCCESS;
}

static float element(const void *p, const struct cublas_layout *l, uint64_t i)
{
	uint32_t u;
	float v;

	if (l->type == CUDA_R_32F)
		return ((const float *)p)[i];
	u = (uint32_t)((const uint16_t *)p)[i] << 16;
	memcpy(&v, &u, sizeof(v));
	return v;
}

/* op(x) as floats, row after row [rows,cols]; to be freed. */
static float *rows(const void *p, const struct cublas_layout *l, cublasOperation_t op)
{
	uint64_t m = rows_of(l, op), n = cols_of(l, op), ld = (uint64_t)l->ld;
	float *x = malloc(m * n * sizeof(*x));

	for (uint64_t i = 0; i < m; i++)
		for (uint64_t j = 0; j < n; j++)
			x[i * n + j] = element(p, l, op == CUBLAS_OP_N ? j * ld + i : i * ld + j);
	return x;
}

static void put_element(void *p, const struct cublas_layout *l, uint64_t i, float v)
{
	if (l->type == CUDA_R_32F)
		((float *)p)[i] = v;
	else
		((uint16_t *)p)[i] = to_bf16(v);
}

struct matmul {
	float f, g;
	const void *pa, *pb, *pc;
	void *to;
	struct cublas_desc d;
	struct cublas_layout a, b, c;
	void *workspace;
	size_t bytes;
};

static size_t bytes_of(const struct cublas_layout *l)
{
	return ((l->cols - 1) * (uint64_t)l->ld + l->rows) * (l->type == CUDA_R_32F ? 4 : 2);
}

static bool overlap(const void *p, size_t n, const void *q, size_t m)
{
	return (uintptr_t)p < (uintptr_t)q + m && (uintptr_t)q < (uintptr_t)p + n;
}

static void check_matmul(const struct matmul *j)
{
	size_t a = bytes_of(&j->a), b = bytes_of(&j->b), c = bytes_of(&j->c);

	watch_range(j->pa, a, "cublasLtMatmul, a");
	watch_range(j->pb, b, "cublasLtMatmul, b");
	watch_range(j->to, c, "cublasLtMatmul, d");
	watch_range(j->workspace, j->bytes, "cublasLtMatmul, workspace");
	if (j->g != 0)
		watch_range(j->pc, c, "cublasLtMatmul, c");
	if (overlap(j->to, c, j->pa, a) || overlap(j->to, c, j->pb, b) ||
		(j->pc != j->to && overlap(j->to, c, j->pc, c)))
		device_die("cublasLtMatmul: the result lies over a factor");
}

static void run_matmul(const void *p)
{
	const struct matmul *j = p;
	float *x, *y;
	uint64_t k = cols_of(&j->a, j->d.a);

	check_matmul(j);
	memset(j->workspace, 0xff, MIN(j->bytes, (size_t)4096)); /* it is cuBLASLt's own */
	x = rows(j->pa, &j->a, j->d.a);
	y = rows(j->pb, &j->b, j->d.b == CUBLAS_OP_N ? CUBLAS_OP_T : CUBLAS_OP_N); /* columns */
	for (uint64_t i = 0; i < j->c.rows; i++) {
		for (uint64_t c = 0; c < j->c.cols; c++) {
			uint64_t at = c * (uint64_t)j->c.ld + i;
			float sum = 0;

			for (uint64_t l = 0; l < k; l++)
				sum += x[i * k + l] * y[c * k + l];
			sum *= j->f;
			if (j->g != 0)
				sum += j->g * element(j->pc, &j->c, at);
			put_element(j->to, &j->c, at, sum);
		}
	}
	free(x);
	free(y);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha,
	const void *pa, cublasLtMatrixLayout_t a, const void *pb, cublasLtMatrixLayout_t b,
	const void *beta, const void *pc, cublasLtMatrixLayout_t c, void *pto,
	cublasLtMatrixLayout_t to, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes,
	cudaStream_t stream)
{
	const void *all[4] = {pa, pb, pc, pto};
	struct matmul j = {*(const float *)alpha, *(const float *)beta, pa, pb, pc, pto, *d, *a, *b,
		*to, workspace, bytes};

	(void)stream;
	if (!h || !workspace || !bytes || algo->data[0] != 1 || !fit(d, a, b, c) ||
		c->type != to->type || !fit(d, a, b, to))
		return CUBLAS_STATUS_INVALID_VALUE;
	if (is("strict") && algo->data[5] != sizes(d, a, to))
		return to->rows % 2 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_INVALID_VALUE;
	for (int i = 0; i < 4; i++)
		if ((uintptr_t)all[i] % algo->data[1 + i])
			return CUBLAS_STATUS_INVALID_VALUE;
	device_later(run_matmul, &j, sizeof(j));
	return CUBLAS_STATUS_SUCCESS;
}
