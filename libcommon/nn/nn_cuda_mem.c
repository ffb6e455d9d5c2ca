/* nn_cuda_mem.c: device memory, copies, and what is said when the device fails; see nn_cuda.h. */
#include "nn/nn_cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

_Noreturn void nn_cuda_fail(struct nn_cuda *c, bool memory, const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	c->failed = true;
	c->q.fail(c->q.ctx, memory, e.text);
	abort(); /* it must not return */
}

void nn_cuda_check(struct nn_cuda *c, cudaError_t e)
{
	if (e != cudaSuccess)
		nn_cuda_fail(
			c, false, "it failed: %s (%s)", cudaGetErrorString(e), cudaGetErrorName(e));
}

void nn_cuda_launched(struct nn_cuda *c)
{
	nn_cuda_check(c, cudaGetLastError());
	nn_cuda_mark(c, NN_TIME_WAIT);
}

static double gib(size_t bytes)
{
	return (double)bytes / (1 << 30);
}

void *nn_cuda_alloc(struct nn_cuda *c, size_t bytes)
{
	size_t n = MAX(bytes, (size_t)1), left = 0, all = 0;
	cudaError_t e;
	void *p;

	e = cudaMalloc(&p, n);
	if (e == cudaErrorMemoryAllocation) {
		(void)cudaGetLastError(); /* it is no failure of the device */
		nn_cuda_check(c, cudaMemGetInfo(&left, &all));
		nn_cuda_fail(c, true,
			"too little device memory: %.2f GiB more are needed, and of its %.2f GiB "
			"%.2f are free",
			gib(n), gib(all), gib(left));
	}
	nn_cuda_check(c, e);
	nn_cuda_check(c, cudaMemsetAsync(p, 0, n, c->stream));
	return p;
}

/* That cudaFree itself waits is not promised: it "may". */
void nn_cuda_free(struct nn_cuda *c, void *p)
{
	nn_cuda_check(c, cudaStreamSynchronize(c->stream));
	nn_cuda_check(c, cudaFree(p));
}

static void *grow(struct nn_cuda *c, struct nn_cuda_space *s, size_t bytes)
{
	if (s->bytes < bytes || !s->p) {
		if (s->p)
			nn_cuda_free(c, s->p);
		s->p = NULL;
		s->bytes = bytes + bytes / 8;
		s->p = nn_cuda_alloc(c, s->bytes);
	}
	return s->p;
}

void *nn_cuda_scratch(struct nn_cuda *c, enum nn_cuda_spaces s, size_t bytes)
{
	return grow(c, &c->space[s], bytes);
}

/* Pinned memory of at least so many bytes, which the device has read. */
static void make_room(struct nn_cuda *c, struct nn_cuda_upload *up, size_t bytes)
{
	if (up->sent)
		nn_cuda_check(c, cudaEventSynchronize(up->sent));
	else
		nn_cuda_check(c, cudaEventCreateWithFlags(&up->sent, cudaEventDisableTiming));
	if (up->cap >= bytes)
		return;
	nn_cuda_check(c, cudaFreeHost(up->host));
	up->host = NULL;
	up->cap = bytes + bytes / 2;
	nn_cuda_check(c, cudaMallocHost((void **)&up->host, up->cap));
}

bool nn_cuda_is_there(const struct nn_cuda *c, enum nn_cuda_uploads u, const void *p, size_t bytes)
{
	const struct nn_cuda_upload *up = &c->up[u];

	return up->host && up->bytes == bytes && memcmp(up->host, p, bytes) == 0;
}

/*
 * A copy of pageable memory could make the host wait for all that is in the stream, so it is of
 * pinned memory, which is not written again before the copy is done. The stream orders it after the
 * kernels that still read what was there.
 */
const void *nn_cuda_upload(
	struct nn_cuda *c, enum nn_cuda_uploads u, const void *p, size_t bytes, bool *fresh)
{
	struct nn_cuda_upload *up = &c->up[u];
	bool same = nn_cuda_is_there(c, u, p, bytes);

	if (fresh)
		*fresh = !same;
	if (same)
		return up->device.p;
	grow(c, &up->device, bytes);
	make_room(c, up, bytes);
	memcpy(up->host, p, bytes);
	up->bytes = bytes;
	nn_cuda_mark(c, NN_TIME_COPY);
	nn_cuda_check(c,
		cudaMemcpyAsync(up->device.p, up->host, bytes, cudaMemcpyHostToDevice, c->stream));
	nn_cuda_check(c, cudaEventRecord(up->sent, c->stream));
	return up->device.p;
}

void nn_cuda_download(struct nn_cuda *c, void *host, const void *p, size_t bytes)
{
	nn_cuda_mark(c, NN_TIME_COPY);
	nn_cuda_check(c, cudaMemcpyAsync(host, p, bytes, cudaMemcpyDeviceToHost, c->stream));
	nn_cuda_mark(c, NN_TIME_WAIT);
	nn_cuda_check(c, cudaStreamSynchronize(c->stream));
	nn_cuda_times(c);
}

void nn_cuda_release(struct nn_cuda *c)
{
	for (int i = 0; i < SPACES; i++)
		cudaFree(c->space[i].p);
	for (int i = 0; i < UPLOADS; i++) {
		cudaFree(c->up[i].device.p);
		cudaFreeHost(c->up[i].host);
		if (c->up[i].sent)
			cudaEventDestroy(c->up[i].sent);
	}
}
