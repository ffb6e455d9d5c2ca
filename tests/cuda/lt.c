/*
 * lt.c: NVIDIA's own cuBLASLt takes what nn_cuda_gemm.c tells it of a product: the part of it that
 * needs no device. Prints how many descriptions it took; exits 1 if it refused one.
 */
#include "libcommon/nn/nn_cuda_gemm.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static jmp_buf failed;
static char why[256];

_Noreturn void nn_cuda_fail(struct nn_cuda *c, bool memory, const char *fmt, ...)
{
	va_list ap;

	(void)c, (void)memory;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	longjmp(failed, 1);
}

void nn_cuda_mark(struct nn_cuda *c, enum nn_time now)
{
	(void)c, (void)now;
}

void *nn_cuda_scratch(struct nn_cuda *c, enum nn_cuda_spaces s, size_t bytes)
{
	(void)c, (void)s, (void)bytes;
	return NULL;
}

void kernels_product(struct CUstream_st *s, struct kernels_product p)
{
	(void)s, (void)p;
}

/* The plan can be described; without a handle only the last step, the choice itself, may fail. */
static bool taken(struct nn_cuda *c, struct nn_cuda_plan p)
{
	char last[64];

	snprintf(last, sizeof(last), "error %d ", (int)CUBLAS_STATUS_NOT_INITIALIZED);
	if (setjmp(failed) == 0)
		choose(c, &p);
	else if (!strstr(why, last))
		return false;
	return true;
}

int main(void)
{
	static const size_t sizes[][3] = {/* m, n, k; the last: of an LSTM, forward and both back */
		{1, 1, 1}, {33, 31, 127}, {16384, 3072, 768}, {8, 4097, 384}, {1, 768, 192},
		{777, 768, 192}, {4099, 1536, 384}, {4099, 384, 1536}, {1536, 384, 4099}};
	size_t all = 0, good = 0;

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		for (unsigned way = 0; way < 32; way++) {
			struct nn_cuda c = {.q = {.fp32 = way & 1}};
			struct nn_cuda_plan p = {.ta = way & 2, .tb = way & 4};

			p.floats = (way & 8) || c.q.fp32;
			p.align = way & 16 ? 256 : 2;
			p.m = sizes[i][0];
			p.n = sizes[i][1];
			p.k = sizes[i][2];
			p.lda = (p.ta ? p.m : p.k) + 5;
			p.ldto = p.n;
			all++;
			if (taken(&c, p))
				good++;
			else
				printf("  way %u of %zu %zu %zu: %s\n", way, p.m, p.n, p.k, why);
		}
	}
	printf("%zu of %zu descriptions taken by cuBLASLt %zu\n", good, all, cublasLtGetVersion());
	return good != all;
}
