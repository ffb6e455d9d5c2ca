/* book.c: see book.h. */
#include "book.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *keep_text(struct book *b, const char *s)
{
	return map_put(&b->texts, s, strlen(s), NULL)->key;
}

static int ascending(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* The number of an expression. */
static uint32_t number_of(struct book *b, uint64_t hash, const char *text)
{
	bool made;
	uint64_t *number = map64_put(&b->number, hash, &made);

	if (made) {
		*number = b->number.count - 1;
		b->text = mem_grow(b->text, &b->text_cap, b->number.count, sizeof(*b->text));
		b->text[*number] = arena_str(&b->arena, text, strlen(text));
	}
	return (uint32_t)*number;
}

void book_add(struct book *b, struct fns *to, const struct sequence *s)
{
	size_t n = 0;
	struct fn *f;
	uint32_t *id;

	b->scratch = mem_grow(b->scratch, &b->scratch_cap, s->exprs.n, sizeof(*b->scratch));
	for (size_t i = 0; i < s->exprs.n; i++)
		b->scratch[i] = number_of(b, s->hashes.p[i], s->exprs.p[i]);
	if (s->exprs.n)
		qsort(b->scratch, s->exprs.n, sizeof(*b->scratch), ascending);
	id = arena_get(&b->arena, s->exprs.n, sizeof(*id));
	for (size_t i = 0; i < s->exprs.n; i++)
		if (!i || b->scratch[i] != b->scratch[i - 1])
			id[n++] = b->scratch[i];
	to->fn = mem_grow(to->fn, &to->cap, to->n + 1, sizeof(*to->fn));
	f = &to->fn[to->n++];
	*f = (struct fn){.origin = s->origin, .insns = sequence_insns(s), .id = id, .n = n};
	f->origin.bin.p =
		(uint8_t *)map_put(&b->texts, s->origin.bin.p, s->origin.bin.n, NULL)->key;
	f->origin.file = keep_text(b, s->origin.file);
	f->origin.name = keep_text(b, s->origin.name);
}

static void weigh(const struct book *b, struct fns *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->fn[i].n; k++)
			s->fn[i].weight += b->weight[s->fn[i].id[k]];
}

void book_weigh(struct book *b, struct fns *const *counted, size_t nsets, struct fns *const *others,
	size_t nothers)
{
	double n = 0;

	b->weight = mem_zalloc(b->number.count, sizeof(*b->weight));
	for (size_t s = 0; s < nsets; s++) {
		n += (double)counted[s]->n;
		for (size_t i = 0; i < counted[s]->n; i++)
			for (size_t k = 0; k < counted[s]->fn[i].n; k++)
				b->weight[counted[s]->fn[i].id[k]]++;
	}
	for (size_t i = 0; i < b->number.count; i++)
		b->weight[i] = n > 0 ? log((1 + n) / (1 + b->weight[i])) / log(1 + n) : 1;
	for (size_t s = 0; s < nsets; s++)
		weigh(b, counted[s]);
	for (size_t s = 0; s < nothers; s++)
		weigh(b, others[s]);
}

void book_free(struct book *b)
{
	map64_free(&b->number);
	map_free(&b->texts);
	mem_free(b->text);
	mem_free(b->weight);
	mem_free(b->scratch);
	arena_free(&b->arena);
}

void book_forget(struct fns *s)
{
	mem_free(s->fn);
}

double book_score(const struct book *b, const struct fn *x, const struct fn *y)
{
	double both = 0, all;
	size_t i = 0, k = 0;

	if (x->n == y->n && (!x->n || !memcmp(x->id, y->id, x->n * sizeof(*x->id))))
		return 1;
	while (i < x->n && k < y->n) {
		if (x->id[i] == y->id[k])
			both += b->weight[x->id[i]];
		if (x->id[i] <= y->id[k]) {
			k += x->id[i] == y->id[k];
			i++;
		} else {
			k++;
		}
	}
	all = x->weight + y->weight - both;
	return all > 0 ? MIN(both / all, 1.0) : 0;
}
