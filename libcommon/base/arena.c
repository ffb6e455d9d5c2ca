/* arena.c: a bump allocator over a list of chunks; see arena.h. */
#include "base/arena.h"

#include <string.h>

#include "base/mem.h"

enum { CHUNK = 64 << 10 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* bytes of data */
	_Alignas(16) char data[];
};

static void use(struct arena *a, struct arena_chunk *c)
{
	a->cur = c;
	a->p = c->data;
	a->end = c->data + c->size;
}

static void add_chunk(struct arena *a, size_t need)
{
	struct arena_chunk *c, **link = a->cur ? &a->cur->next : &a->first;

	/*
	 * A kept chunk that is too small is given back: were it only passed over, batches that
	 * grow slowly would leave a chunk of every size behind.
	 */
	while ((c = *link) != NULL) {
		if (c->size >= need) {
			use(a, c);
			return;
		}
		*link = c->next;
		mem_free(c);
	}
	c = mem_alloc(1, sizeof(*c) + MAX(need, (size_t)CHUNK));
	c->size = MAX(need, (size_t)CHUNK);
	c->next = NULL;
	*link = c;
	use(a, c);
}

void *arena_more(struct arena *a, size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX - 64)
		bytes = PTRDIFF_MAX - 64; /* mem_alloc refuses it */
	bytes = (bytes + 15) & ~(size_t)15;
	if (bytes > (size_t)(a->end - a->p) || !a->cur)
		add_chunk(a, bytes);
	p = a->p;
	a->p += bytes;
	return p;
}

void *arena_zget(struct arena *a, size_t n, size_t size)
{
	void *p = arena_get(a, n, size);

	return memset(p, 0, n * size);
}

char *arena_str(struct arena *a, const void *p, size_t n)
{
	char *s = arena_get(a, n + 1, 1);

	if (n)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

void arena_reset(struct arena *a)
{
	if (a->first)
		use(a, a->first);
}

void arena_free(struct arena *a)
{
	struct arena_chunk *c = a->first, *next;

	for (; c; c = next) {
		next = c->next;
		mem_free(c);
	}
	*a = (struct arena){0};
}
