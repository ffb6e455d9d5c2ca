/* name_index.c: see name_index.h. */
#include "code/name_index.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "code/names.h"

enum { SLOTS_FIRST = 64 };

static void rehash(struct name_index *x, size_t nslots)
{
	uint64_t *old = x->slot;
	size_t n = x->nslots;

	x->slot = mem_zalloc(nslots, sizeof(*x->slot));
	x->nslots = nslots;
	for (size_t k = 0; k < n; k++) {
		size_t i = old[k] >> 32 & (nslots - 1);

		if (!old[k])
			continue;
		while (x->slot[i])
			i = (i + 1) & (nslots - 1);
		x->slot[i] = old[k];
	}
	mem_free(old);
}

uint32_t name_index_put(struct name_index *x, const char *name)
{
	const char *text = names_utf8(&x->arena, name);
	uint64_t high = hash_64(text, strlen(text)) >> 32;
	size_t i;

	if (2 * (x->n + 1) > x->nslots)
		rehash(x, x->nslots ? 2 * x->nslots : SLOTS_FIRST);
	x->name = mem_grow(x->name, &x->cap, x->n + 2, sizeof(*x->name));
	if (!x->n)
		x->name[x->n++] = "";
	if (!text[0])
		return 0;
	for (i = high & (x->nslots - 1); x->slot[i]; i = (i + 1) & (x->nslots - 1)) {
		uint32_t number = (uint32_t)x->slot[i];

		if (x->slot[i] >> 32 == high && !strcmp(x->name[number], text))
			return number;
	}
	x->slot[i] = high << 32 | x->n;
	x->name[x->n] = text;
	return (uint32_t)x->n++;
}

void name_index_free(struct name_index *x)
{
	mem_free(x->name);
	mem_free(x->slot);
	arena_free(&x->arena);
	*x = (struct name_index){0};
}
