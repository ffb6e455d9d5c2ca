/* given.c: see given.h. */
#include "sem/given.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sem/rewrite.h"
#include "sem/state.h"
#include "sem/processor.h"

enum { PLACE = 8 };

struct given {
	bool *known; /* by number of the input */
	uint64_t *value;
	struct map64 byte; /* address to value */
};

/* ---- reading ---- */

/* A number that ends at a comma or the end; *s is left behind it. */
static bool read_number(const char **s, int stop, uint64_t *v)
{
	bool minus = **s == '-';
	const char *p = *s + minus;
	char *end;

	if (*p < '0' || *p > '9')
		return false;
	errno = 0;
	*v = strtoull(p, &end, p[0] == '0' && (p[1] | 32) == 'x' ? 16 : 10);
	if (errno || (*end != stop && *end))
		return false;
	if (minus)
		*v = -*v;
	*s = end;
	return true;
}

static bool read_register(struct given *g, const char **s)
{
	size_t n = strcspn(*s, "=");
	const char *end = *s + n + 1;
	bool found = false;
	uint64_t v;

	if (!(*s)[n] || !read_number(&end, ',', &v))
		return false;
	for (unsigned r = 0; r < processor_inputs(); r++) { /* processors may share a name */
		const char *name = processor_input_name(r);

		if (*name == '?' || strlen(name) != n || memcmp(name, *s, n) != 0)
			continue;
		g->known[r] = found = true;
		g->value[r] = v;
	}
	if (found)
		*s = end;
	return found;
}

static bool read_memory(struct given *g, const char **s)
{
	const char *p = *s + 1;
	uint64_t addr, v;

	if (!read_number(&p, '=', &addr) || *p++ != '=' || !read_number(&p, ',', &v))
		return false;
	for (unsigned i = 0; i < PLACE; i++)
		*map64_put(&g->byte, addr + i, NULL) = v >> 8 * i & 0xff;
	*s = p;
	return true;
}

struct given *given_new(const char *text, const char **at)
{
	struct given *g = mem_zalloc(1, sizeof(*g));

	g->known = mem_zalloc(processor_inputs(), sizeof(*g->known));
	g->value = mem_zalloc(processor_inputs(), sizeof(*g->value));
	for (*at = text;; ++*at) {
		if (**at == '*' ? !read_memory(g, at) : !read_register(g, at)) {
			given_free(g);
			return NULL;
		}
		if (!**at)
			return g;
	}
}

void given_free(struct given *g)
{
	if (!g)
		return;
	map64_free(&g->byte);
	mem_free(g->known);
	mem_free(g->value);
	mem_free(g);
}

/* ---- putting in ---- */

static const struct expr *known_load(const struct given *g, struct expr_pool *p, unsigned width,
	const struct expr *const *args, unsigned n)
{
	uint64_t w[EXPR_WORDS] = {0};

	if (n > 1 || args[0]->op != EXPR_CONST)
		return expr_load(p, n > 1 ? args[1] : NULL, args[0], width);
	for (unsigned i = 0; i < width / 8; i++) {
		const uint64_t *b = map64_get(&g->byte, args[0]->val + i);

		if (!b)
			return expr_load(p, NULL, args[0], width);
		w[i / 8] |= *b << i % 8 * 8;
	}
	return expr_wide(p, width, w);
}

/* The node e with these arguments. */
static const struct expr *put_in(const struct given *g, struct expr_pool *p, const struct expr *e,
	const struct expr *const *args)
{
	uint64_t w[EXPR_WORDS] = {0};

	switch (e->op) {
	case EXPR_CONST:
	case EXPR_TRUNC: return e;
	case EXPR_INPUT:
		if (!g->known[e->lo])
			return e;
		w[0] = g->value[e->lo];
		return expr_wide(p, e->width, w);
	case EXPR_LOAD: return known_load(g, p, e->width, args, e->nargs);
	case EXPR_STORE: return expr_store(p, e->nargs > 2 ? args[2] : NULL, args[0], args[1]);
	case EXPR_FN: return expr_fn(p, e->name, e->lo, e->width, args, e->nargs);
	default: return rewrite_make(p, e->op, e->width, e->lo, args, e->nargs);
	}
}

const struct expr *given_value(const struct given *g, struct expr_pool *p, const struct expr *root)
{
	const struct expr **stack = NULL, *args[EXPR_MAX_ARGS], *r;
	struct map64 done = {0};
	size_t n = 0, cap = 0;

	stack = mem_grow(stack, &cap, 1, sizeof(*stack));
	stack[n++] = root;
	while (n) {
		const struct expr *e = stack[n - 1];
		size_t before = n;

		if (map64_get(&done, (uint64_t)(uintptr_t)e)) {
			n--;
			continue;
		}
		stack = mem_grow(stack, &cap, n + e->nargs, sizeof(*stack));
		for (unsigned i = 0; i < e->nargs; i++) {
			uint64_t *to = map64_get(&done, (uint64_t)(uintptr_t)e->arg[i]);

			if (to)
				args[i] = (const struct expr *)(uintptr_t)*to;
			else
				stack[n++] = e->arg[i];
		}
		if (n > before)
			continue;
		n--;
		*map64_put(&done, (uint64_t)(uintptr_t)e, NULL) =
			(uint64_t)(uintptr_t)put_in(g, p, e, args);
	}
	r = (const struct expr *)(uintptr_t)*map64_get(&done, (uint64_t)(uintptr_t)root);
	map64_free(&done);
	mem_free(stack);
	return r;
}
