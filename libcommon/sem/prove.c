/*
 * prove.c: expressions as z3 terms over bit vectors, memory as an array of bytes.
 *
 * One context and solver serve many questions; as z3 keeps every term it ever saw, they are made
 * anew after a while.
 */
#include "sem/prove.h"

#include <stdio.h>
#include <z3.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "sem/simd.h"

enum { DEFAULT_EFFORT = 2000000, QUESTIONS = 2000 };

struct prove {
	Z3_context c;
	Z3_solver solver;
	unsigned effort, asked;
	struct map64 term; /* address of a node to 1 + index into ast; for one question */
	Z3_ast *ast;
	size_t n, cap;
};

static void ignore(Z3_context c, Z3_error_code e)
{
	(void)c; /* the answer is then unknown: see Z3_get_error_code below */
	(void)e;
}

static void start(struct prove *v)
{
	Z3_config config = Z3_mk_config();
	Z3_params params;

	v->c = Z3_mk_context(config);
	Z3_del_config(config);
	Z3_set_error_handler(v->c, ignore);
	v->solver = Z3_mk_solver_for_logic(v->c, Z3_mk_string_symbol(v->c, "QF_AUFBV"));
	Z3_solver_inc_ref(v->c, v->solver);
	params = Z3_mk_params(v->c);
	Z3_params_inc_ref(v->c, params);
	Z3_params_set_uint(v->c, params, Z3_mk_string_symbol(v->c, "rlimit"), v->effort);
	Z3_solver_set_params(v->c, v->solver, params);
	Z3_params_dec_ref(v->c, params);
	v->asked = 0;
}

static void stop(struct prove *v)
{
	Z3_solver_dec_ref(v->c, v->solver);
	Z3_del_context(v->c);
}

struct prove *prove_new(unsigned effort)
{
	struct prove *v = mem_zalloc(1, sizeof(*v));

	v->effort = effort ? effort : DEFAULT_EFFORT;
	start(v);
	return v;
}

void prove_free(struct prove *v)
{
	if (!v)
		return;
	stop(v);
	map64_free(&v->term);
	mem_free(v->ast);
	mem_free(v);
}

/* ---- terms ---- */

static Z3_sort bits(struct prove *v, unsigned width)
{
	return Z3_mk_bv_sort(v->c, width);
}

static Z3_sort memory(struct prove *v)
{
	return Z3_mk_array_sort(v->c, bits(v, 64), bits(v, 8));
}

static Z3_ast named(struct prove *v, const char *name, Z3_sort sort)
{
	return Z3_mk_const(v->c, Z3_mk_string_symbol(v->c, name), sort);
}

static Z3_ast number(struct prove *v, uint64_t n, unsigned width)
{
	return Z3_mk_unsigned_int64(v->c, n, bits(v, width));
}

static Z3_ast get(const struct prove *v, const struct expr *e)
{
	return v->ast[*map64_get(&v->term, (uint64_t)(uintptr_t)e) - 1];
}

static Z3_ast truth(struct prove *v, Z3_ast boolean)
{
	return Z3_mk_ite(v->c, boolean, number(v, 1, 1), number(v, 0, 1));
}

static Z3_ast constant(struct prove *v, const struct expr *e)
{
	const uint64_t *w = expr_words(e);
	Z3_ast r = NULL;

	for (unsigned lo = 0; lo < e->width; lo += 64) {
		Z3_ast part = number(v, w[lo / 64], MIN(e->width - lo, 64u));

		r = r ? Z3_mk_concat(v->c, part, r) : part;
	}
	return r;
}

/* An uninterpreted function of the arguments; its name says all that tells it from others. */
static Z3_ast apply(struct prove *v, const struct expr *e, const char *name)
{
	Z3_ast arg[EXPR_MAX_ARGS];
	Z3_sort sort[EXPR_MAX_ARGS], range = e->width ? bits(v, e->width) : memory(v);
	struct buf b = {0};
	Z3_func_decl f;

	buf_printf(&b, "%s.%u.%u", name, (unsigned)e->lo, e->nargs);
	for (unsigned i = 0; i < e->nargs; i++) {
		arg[i] = get(v, e->arg[i]);
		sort[i] = Z3_get_sort(v->c, arg[i]);
		buf_printf(&b, ".%u", (unsigned)e->arg[i]->width);
	}
	f = Z3_mk_func_decl(v->c, Z3_mk_string_symbol(v->c, buf_text(&b)), e->nargs, sort, range);
	buf_free(&b);
	return Z3_mk_app(v->c, f, e->nargs, arg);
}

/* The address of byte i of what e loads or stores, as memory is addressed: in 64 bits. */
static Z3_ast place(struct prove *v, const struct expr *e, unsigned i)
{
	unsigned width = e->arg[0]->width;
	Z3_ast at = Z3_mk_bvadd(v->c, get(v, e->arg[0]), number(v, i, width));

	return width < 64 ? Z3_mk_zero_ext(v->c, 64 - width, at) : at;
}

static Z3_ast load(struct prove *v, const struct expr *e)
{
	Z3_ast mem = e->nargs > 1 ? get(v, e->arg[1]) : named(v, "memory", memory(v)), r = NULL;

	for (unsigned i = 0; i < e->width / 8u; i++) {
		Z3_ast at = place(v, e, i);
		Z3_ast byte = Z3_mk_select(v->c, mem, at);

		r = r ? Z3_mk_concat(v->c, byte, r) : byte;
	}
	return r;
}

static Z3_ast store(struct prove *v, const struct expr *e)
{
	Z3_ast mem = e->nargs > 2 ? get(v, e->arg[2]) : named(v, "memory", memory(v));

	for (unsigned i = 0; i < e->arg[1]->width / 8u; i++) {
		Z3_ast at = place(v, e, i);
		Z3_ast byte = Z3_mk_extract(v->c, 8 * i + 7, 8 * i, get(v, e->arg[1]));

		mem = Z3_mk_store(v->c, mem, at, byte);
	}
	return mem;
}

/* popcnt, clz, ctz by their definitions. */
static Z3_ast count(struct prove *v, const struct expr *e)
{
	Z3_ast a = get(v, e->arg[0]), r = number(v, e->op == EXPR_POPCNT ? 0 : e->width, e->width);

	for (unsigned i = 0; i < e->width; i++) {
		/* clz: from the lowest bit on, so that the highest one decides last */
		unsigned at = e->op == EXPR_CTZ ? e->width - 1 - i : i;
		Z3_ast bit = Z3_mk_extract(v->c, at, at, a);
		Z3_ast n = number(v, e->op == EXPR_CTZ ? at : e->width - 1u - at, e->width);

		if (e->op == EXPR_POPCNT)
			r = Z3_mk_bvadd(v->c, r,
				e->width > 1 ? Z3_mk_zero_ext(v->c, e->width - 1u, bit) : bit);
		else
			r = Z3_mk_ite(v->c, Z3_mk_eq(v->c, bit, number(v, 1, 1)), n, r);
	}
	return r;
}

typedef Z3_ast binary_fn(Z3_context c, Z3_ast a, Z3_ast b);

static binary_fn *binary(enum expr_op op)
{
	switch (op) {
	case EXPR_AND: return Z3_mk_bvand;
	case EXPR_OR: return Z3_mk_bvor;
	case EXPR_XOR: return Z3_mk_bvxor;
	case EXPR_ADD: return Z3_mk_bvadd;
	case EXPR_MUL: return Z3_mk_bvmul;
	case EXPR_UDIV: return Z3_mk_bvudiv;
	case EXPR_UREM: return Z3_mk_bvurem;
	case EXPR_SDIV: return Z3_mk_bvsdiv;
	case EXPR_SREM: return Z3_mk_bvsrem;
	case EXPR_SHL: return Z3_mk_bvshl;
	case EXPR_LSHR: return Z3_mk_bvlshr;
	case EXPR_ASHR: return Z3_mk_bvashr;
	case EXPR_ROL: return Z3_mk_ext_rotate_left;
	case EXPR_ROR: return Z3_mk_ext_rotate_right;
	case EXPR_CONCAT: return Z3_mk_concat;
	default: return NULL;
	}
}

static Z3_ast comparison(struct prove *v, const struct expr *e)
{
	Z3_ast a = get(v, e->arg[0]), b = get(v, e->arg[1]);

	switch (e->op) {
	case EXPR_EQ: return truth(v, Z3_mk_eq(v->c, a, b));
	case EXPR_NE: return truth(v, Z3_mk_not(v->c, Z3_mk_eq(v->c, a, b)));
	case EXPR_ULT: return truth(v, Z3_mk_bvult(v->c, a, b));
	case EXPR_ULE: return truth(v, Z3_mk_bvule(v->c, a, b));
	case EXPR_SLT: return truth(v, Z3_mk_bvslt(v->c, a, b));
	default: return truth(v, Z3_mk_bvsle(v->c, a, b));
	}
}

/* The term of a node whose arguments have theirs. */
static Z3_ast make(struct prove *v, const struct expr *e)
{
	char name[32];
	Z3_ast r;

	switch (e->op) {
	case EXPR_CONST: return constant(v, e);
	case EXPR_INPUT:
		snprintf(name, sizeof(name), "r%u", (unsigned)e->lo);
		return named(v, name, bits(v, e->width));
	case EXPR_LOAD: return load(v, e);
	case EXPR_STORE: return store(v, e);
	case EXPR_FN: return apply(v, e, e->name);
	case EXPR_SIMD: return apply(v, e, simd_name(e->lo));
	case EXPR_PDEP:
	case EXPR_PEXT: return apply(v, e, expr_op_name(e->op));
	case EXPR_TRUNC: /* a value of its own, never equal to another */
		snprintf(name, sizeof(name), "trunc%zu", v->n);
		return named(v, name, bits(v, e->width));
	case EXPR_NOT: return Z3_mk_bvnot(v->c, get(v, e->arg[0]));
	case EXPR_EXTRACT:
		return Z3_mk_extract(v->c, e->lo + e->width - 1u, e->lo, get(v, e->arg[0]));
	case EXPR_SEXT:
		return Z3_mk_sign_ext(
			v->c, (unsigned)(e->width - e->arg[0]->width), get(v, e->arg[0]));
	case EXPR_ITE:
		return Z3_mk_ite(v->c, Z3_mk_eq(v->c, get(v, e->arg[0]), number(v, 1, 1)),
			get(v, e->arg[1]), get(v, e->arg[2]));
	case EXPR_POPCNT:
	case EXPR_CLZ:
	case EXPR_CTZ: return count(v, e);
	default: break;
	}
	if (e->op >= EXPR_EQ && e->op <= EXPR_SLE)
		return comparison(v, e);
	r = get(v, e->arg[0]);
	for (unsigned i = 1; i < e->nargs; i++)
		r = binary(e->op)(v->c, r, get(v, e->arg[i]));
	return r;
}

/* The term of e. The walk has its own stack: expressions may be deep. */
static Z3_ast term(struct prove *v, const struct expr *root)
{
	const struct expr **stack = NULL;
	size_t n = 0, cap = 0;

	stack = mem_grow(stack, &cap, 1, sizeof(*stack));
	stack[n++] = root;
	while (n) {
		const struct expr *e = stack[n - 1];
		size_t before = n;
		bool made;
		uint64_t *at;

		stack = mem_grow(stack, &cap, n + e->nargs, sizeof(*stack));
		if (!map64_get(&v->term, (uint64_t)(uintptr_t)e))
			for (unsigned i = 0; i < e->nargs; i++)
				if (!map64_get(&v->term, (uint64_t)(uintptr_t)e->arg[i]))
					stack[n++] = e->arg[i];
		if (n > before)
			continue;
		n--;
		at = map64_put(&v->term, (uint64_t)(uintptr_t)e, &made);
		if (!made)
			continue;
		v->ast = mem_grow(v->ast, &v->cap, v->n + 1, sizeof(*v->ast));
		v->ast[v->n] = make(v, e);
		*at = ++v->n;
	}
	mem_free(stack);
	return get(v, root);
}

enum prove_answer prove_equal(struct prove *v, const struct expr *a, const struct expr *b)
{
	Z3_ast x, y;
	Z3_lbool differ;

	if (a == b && a->op != EXPR_TRUNC)
		return PROVE_EQUAL;
	if (++v->asked > QUESTIONS) {
		stop(v);
		start(v);
	}
	map64_reset(&v->term);
	v->n = 0;
	x = term(v, a);
	y = term(v, b);
	Z3_solver_push(v->c, v->solver);
	Z3_solver_assert(v->c, v->solver, Z3_mk_not(v->c, Z3_mk_eq(v->c, x, y)));
	differ = Z3_solver_check(v->c, v->solver);
	Z3_solver_pop(v->c, v->solver, 1);
	if (Z3_get_error_code(v->c) != Z3_OK) {
		stop(v);
		start(v);
		return PROVE_UNKNOWN;
	}
	return differ == Z3_L_FALSE  ? PROVE_EQUAL
	       : differ == Z3_L_TRUE ? PROVE_DIFFERENT
				     : PROVE_UNKNOWN;
}
