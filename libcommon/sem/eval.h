/*
 * eval.h: the value of an expression for given registers and memory.
 *
 * The caller answers what is asked: input registers and bytes of the memory on entry. Uninterpreted
 * functions are answered by the caller too or, by default, are a fixed hash of name, output number
 * and argument values, so that equal calls give equal values and different ones, most likely, do
 * not. A struct eval keeps the values of nodes between calls: eval_reset starts a new assignment.
 */
#ifndef EVAL_H
#define EVAL_H

#include "base/arena.h"
#include "sem/expr.h"

struct eval {
	void *ctx; /* handed to the functions */
	/* Writes the value of input register reg (or flag: state.h), (width + 63) / 64 words. */
	void (*input)(void *ctx, unsigned reg, unsigned width, uint64_t *out);
	/* Writes the n bytes of the memory on entry from address addr on. */
	void (*load)(void *ctx, uint64_t addr, unsigned n, uint8_t *out);

	/* Private. */
	struct arena arena;
	uint64_t **value; /* by node id: words, or NULL while unknown */
	size_t nvalues;
	const struct expr **stack;
	size_t capstack;
};

/* Forgets all values: to be called before another assignment, and after expr_pool_reset. */
void eval_reset(struct eval *v);
void eval_free(struct eval *v);
/*
 * Writes the value of e, (width + 63) / 64 words, the bits above width zero. Returns 0, or -1 when
 * e depends on a truncated value.
 */
int eval_expr(struct eval *v, const struct expr *e, uint64_t *out) MUST_CHECK;

/* A value with its width, for eval_apply. */
struct eval_arg {
	const uint64_t *words; /* lowest first; the bits above width are zero */
	unsigned width;
};
/* The operator (any but leaves, LOAD, STORE and FN) applied to values. */
void eval_apply(enum expr_op op, unsigned width, unsigned lo, const struct eval_arg *arg,
	unsigned nargs, uint64_t *out);

#endif
