/*
 * example.c: see example.h. Loads are given their places in the order of the nodes: the address of
 * one can then depend on the values of those before it.
 */
#include "sem/example.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sem/eval.h"
#include "sem/state.h"

enum {
	LEAVES = 64,       /* inputs and pointers of one expression */
	NEAR = 1 << 16,    /* no address is below this: small numbers are no pointers */
	POINTER_BITS = 46, /* pointers are below 2^46, */
	POINTER_STEP = 12, /* and a page apart */
};

struct leaf {
	const struct expr *e; /* INPUT or LOAD */
	bool is_input;        /* else a pointer: it only makes up addresses */
	bool placed;          /* LOAD: addr is known */
	uint64_t value, addr;
};

struct example {
	struct eval eval;
	struct leaf leaf[LEAVES];
	size_t n;
	struct example_input input[EXAMPLE_INPUTS];
	struct visit {
		const struct expr *e;
		bool in_address;
	} * stack; /* nodes to look at */
	size_t capstack;
	uint8_t *seen; /* by node id: 1 seen in a value, 2 in an address */
	size_t capseen;
};

static const struct leaf *leaf_of_register(const struct example *x, unsigned reg)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->leaf[i].e->op == EXPR_INPUT && x->leaf[i].e->lo == reg)
			return &x->leaf[i];
	return NULL;
}

static void input_value(void *ctx, unsigned reg, unsigned width UNUSED, uint64_t *out)
{
	*out = leaf_of_register(ctx, reg)->value; /* all registers of the expression are leaves */
}

static void load_value(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	const struct example *x = ctx;

	memset(out, 0, n);
	for (unsigned k = 0; k < n; k++)
		for (size_t i = 0; i < x->n; i++) {
			const struct leaf *l = &x->leaf[i];
			uint64_t at = addr + k - l->addr;

			if (l->placed && at < l->e->width / 8u)
				out[k] = (uint8_t)(l->value >> at * 8);
		}
}

struct example *example_new(void)
{
	struct example *x = mem_zalloc(1, sizeof(*x));

	x->eval.ctx = x;
	x->eval.input = input_value;
	x->eval.load = load_value;
	return x;
}

void example_free(struct example *x)
{
	if (!x)
		return;
	eval_free(&x->eval);
	mem_free(x->stack);
	mem_free(x->seen);
	mem_free(x);
}

static int add_leaf(struct example *x, const struct expr *e, bool in_address)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->leaf[i].e == e) {
			x->leaf[i].is_input |= !in_address;
			return 0;
		}
	if (x->n == LEAVES || e->width > 64)
		return -1;
	x->leaf[x->n++] = (struct leaf){.e = e, .is_input = !in_address};
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct leaf *)a)->e->id, y = ((const struct leaf *)b)->e->id;

	return (x > y) - (x < y);
}

/* Fills the leaves. -1 when something in e has no number, or there are too many. */
static int find_leaves(struct example *x, const struct expr *root)
{
	size_t n = 0;

	x->n = 0;
	x->seen = mem_grow(x->seen, &x->capseen, root->id + 1u, sizeof(*x->seen));
	memset(x->seen, 0, root->id + 1u); /* arguments have smaller ids */
	x->stack = mem_grow(x->stack, &x->capstack, 1, sizeof(*x->stack));
	x->stack[n++] = (struct visit){root, false};
	while (n) {
		struct visit v = x->stack[--n];
		uint8_t mark = v.in_address ? 2 : 1;

		if (x->seen[v.e->id] & mark)
			continue;
		x->seen[v.e->id] |= mark;
		if (v.e->op == EXPR_FN || v.e->op == EXPR_TRUNC || v.e->op == EXPR_STORE ||
			(v.e->op == EXPR_LOAD && v.e->nargs > 1))
			return -1;
		if ((v.e->op == EXPR_INPUT || v.e->op == EXPR_LOAD) &&
			add_leaf(x, v.e, v.in_address) < 0)
			return -1;
		x->stack = mem_grow(x->stack, &x->capstack, n + v.e->nargs, sizeof(*x->stack));
		for (unsigned i = v.e->nargs; i-- > 0;)
			x->stack[n++] =
				(struct visit){v.e->arg[i], v.in_address || v.e->op == EXPR_LOAD};
	}
	qsort(x->leaf, x->n, sizeof(*x->leaf), by_id);
	return 0;
}

static uint64_t draw(const struct leaf *l, uint64_t most, struct rng *r)
{
	if (!l->is_input)
		return (NEAR + rng_below(r, UINT64_C(1) << (POINTER_BITS - 1 - POINTER_STEP)))
		       << POINTER_STEP;
	return rng_below(r, l->e->width == 1 ? 2 : most + 1);
}

/* Whether the load's bytes are apart from all others and nowhere near 0. */
static bool is_apart(const struct example *x, const struct leaf *l)
{
	uint64_t size = l->e->width / 8u;

	if (l->addr < NEAR || l->addr + size < NEAR)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		const struct leaf *o = &x->leaf[i];

		if (o->placed && (l->addr - o->addr < o->e->width / 8u || o->addr - l->addr < size))
			return false;
	}
	return true;
}

int example_draw(struct example *x, const struct expr *e, uint64_t most, struct rng *r,
	const struct example_input **input, uint64_t *value)
{
	int n = 0;

	if (e->width > 64 || find_leaves(x, e) < 0)
		return -1;
	eval_reset(&x->eval);
	for (size_t i = 0; i < x->n; i++)
		x->leaf[i].value = draw(&x->leaf[i], most, r);
	for (size_t i = 0; i < x->n; i++) {
		struct leaf *l = &x->leaf[i];

		if (l->e->op == EXPR_LOAD) {
			if (eval_expr(&x->eval, l->e->arg[0], &l->addr) < 0 || !is_apart(x, l))
				return -1;
			l->placed = true;
		}
		if (!l->is_input)
			continue;
		if (n == EXAMPLE_INPUTS)
			return -1;
		x->input[n++] = (struct example_input){l->e, l->value};
	}
	if (eval_expr(&x->eval, e, value) < 0)
		return -1;
	*input = x->input;
	return n;
}
