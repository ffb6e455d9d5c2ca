/* mem.c: heap memory that is there or the process is not; see mem.h. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void die(void)
{
	static const char text[] = "bb: out of memory\n";
	ssize_t r = write(STDERR_FILENO, text, sizeof(text) - 1);

	_exit(r == 0 ? 1 : 1);
}

void *mem_realloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX)
		die();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		die();
	return p;
}

void *mem_alloc(size_t n, size_t size)
{
	return mem_realloc(NULL, n, size);
}

void *mem_zalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die();
	return p;
}

void *mem_aligned(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX - 64)
		die();
	bytes = (bytes + 64) & ~(size_t)63;
	p = aligned_alloc(64, bytes);
	if (!p)
		die();
	return memset(p, 0, bytes);
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_alloc(n, 1), s, n);
}

void mem_free(void *p)
{
	free(p);
}

void *mem_grow(void *p, size_t *cap, size_t need, size_t size)
{
	if (need > *cap) {
		size_t n = *cap < 8 ? 8 : *cap + *cap / 2;

		*cap = MAX(n, need);
		p = mem_realloc(p, *cap, size);
	}
	return p;
}
