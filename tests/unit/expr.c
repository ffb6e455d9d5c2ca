/* expr.c: pools, canonical hashes and forms, truncation, evaluation. */
#include <string.h>

#include "code/insn.h"
#include "sem/eval.h"
#include "sem/rewrite.h"
#include "sem/simd.h"
#include "tests/unit.h"

static const struct expr *reg(struct expr_pool *p, unsigned r)
{
	return expr_input(p, r, 64);
}

static const struct expr *num(struct expr_pool *p, uint64_t v)
{
	return expr_const(p, 64, v);
}

/* Streams hold canonical hashes, and the order of operands goes by them: no build may change them.
 */
static void test_pinned(void)
{
	struct expr_pool *p = expr_pool_new(0);
	const struct expr *args[] = {expr_const(p, 128, 7), expr_const(p, 128, 9)};
	const struct expr *lanes = expr_raw(p, EXPR_SIMD, 128, SIMD_PADDD, args, 2);

	CHECK(lanes->hash == UINT64_C(0xc922ec555249b4f8));
	CHECK(expr_add(p, reg(p, X86_RAX), num(p, 1))->hash == UINT64_C(0x7e5898febedc8ce6));
	expr_pool_free(p);
}

/* rax * 5 + rcx - 3 in two ways, with something else in the pool before one of them. */
static void test_hash(void)
{
	struct expr_pool *p = expr_pool_new(0), *q = expr_pool_new(0);
	const struct expr *a, *b;

	for (unsigned i = 0; i < 100; i++)
		expr_mul(q, reg(q, i), num(q, i + 2));
	a = expr_add(p, expr_mul(p, reg(p, X86_RAX), num(p, 4)), reg(p, X86_RAX));
	a = expr_sub(p, expr_add(p, a, reg(p, X86_RCX)), num(p, 3));
	b = expr_add(q, reg(q, X86_RCX), num(q, (uint64_t)-2));
	b = expr_add(q, b, expr_shl(q, reg(q, X86_RAX), num(q, 2)));
	b = expr_add(q, expr_sub(q, b, num(q, 1)), reg(q, X86_RAX));
	CHECK(a->hash == b->hash);
	CHECK(a->op == EXPR_ADD && a->nargs == 3 && expr_is_const(a->arg[0], (uint64_t)-3));
	CHECK(a->hash != expr_add(p, a, num(p, 1))->hash);
	CHECK(expr_add(p, a, num(p, 0)) == a);
	expr_pool_reset(q);
	CHECK(expr_pool_count(q) == 0);
	CHECK(expr_mul(q, num(q, 6), num(q, 7)) == num(q, 42));
	expr_pool_free(p);
	expr_pool_free(q);
}

/* The surface forms of the paper's Table 1, and forms that must meet. */
static void test_canonical(void)
{
	struct expr_pool *p = expr_pool_new(0);
	const struct expr *a = reg(p, X86_RAX), *b = reg(p, X86_RBX), *e;
	const struct expr *low = expr_extract(p, a, 0, 32), *zero = expr_const(p, 32, 0);

	/* and ecx, 3 */
	e = expr_zext(p, expr_and(p, low, expr_const(p, 32, 3)), 64);
	CHECK(e->op == EXPR_CONCAT && e->nargs == 2 && expr_is_const(e->arg[0], 0));
	CHECK(e->arg[1]->op == EXPR_EXTRACT && e->arg[1]->lo == 0 && e->arg[1]->width == 2);
	/* test al, 2; jne */
	e = expr_ne(p, expr_and(p, low, expr_const(p, 32, 2)), zero);
	CHECK(e == expr_extract(p, a, 1, 1));
	CHECK(expr_eq(p, expr_and(p, low, expr_const(p, 32, 2)), zero) == expr_not(p, e));
	/* one value written in several ways */
	CHECK(expr_xor(p, a, a) == num(p, 0));
	CHECK(expr_sub(p, a, a) == num(p, 0));
	CHECK(expr_mul(p, a, num(p, 8)) == expr_shl(p, a, num(p, 3)));
	CHECK(expr_add(p, a, a) == expr_shl(p, a, num(p, 1)));
	CHECK(expr_not(p, a) == expr_sub(p, num(p, (uint64_t)-1), a));
	CHECK(expr_neg(p, a) == expr_add(p, expr_not(p, a), num(p, 1)));
	CHECK(expr_extract(p, expr_add(p, a, b), 0, 32) ==
		expr_add(p, low, expr_extract(p, b, 0, 32)));
	CHECK(expr_concat(p, expr_extract(p, a, 32, 32), low) == a);
	CHECK(expr_eq(p, expr_sub(p, a, b), num(p, 0)) == expr_eq(p, b, a));
	CHECK(expr_eq(p, expr_add(p, a, num(p, 5)), num(p, 7)) == expr_eq(p, a, num(p, 2)));
	CHECK(expr_ule(p, a, num(p, 4)) == expr_ult(p, a, num(p, 5)));
	CHECK(expr_sle(p, num(p, 5), a) == expr_slt(p, num(p, 4), a));
	CHECK(expr_or(p, expr_shl(p, a, num(p, 8)), expr_and(p, b, num(p, 255))) ==
		expr_concat(p, expr_extract(p, a, 0, 56), expr_extract(p, b, 0, 8)));
	CHECK(expr_and(p, a, num(p, (uint64_t)-16)) ==
		expr_shl(p, expr_lshr(p, a, num(p, 4)), num(p, 4)));
	/* neighbours in memory */
	e = expr_load(p, NULL, a, 64);
	CHECK(expr_extract(p, e, 16, 8) == expr_load(p, NULL, expr_add(p, a, num(p, 2)), 8));
	CHECK(expr_concat(p, expr_extract(p, e, 32, 32), expr_extract(p, e, 0, 32)) == e);
	expr_pool_free(p);
}

static void test_cond(void)
{
	struct expr_pool *p = expr_pool_new(0);
	const struct expr *a = reg(p, X86_RAX);
	struct expr_cond c;

	c = expr_cond(p, expr_slt(p, num(p, 5), a));
	CHECK(c.rel == EXPR_REL_SGT && c.a == a && expr_is_const(c.b, 5));
	c = expr_cond(p, expr_slt(p, expr_extract(p, a, 0, 32), expr_const(p, 32, 0)));
	CHECK(c.rel == EXPR_REL_SLT && c.a == expr_extract(p, a, 0, 32) && expr_is_const(c.b, 0));
	c = expr_cond(p, expr_sle(p, num(p, 0), a));
	CHECK(c.rel == EXPR_REL_SGE && c.a == a && expr_is_const(c.b, 0));
	c = expr_cond(p, expr_extract(p, a, 3, 1));
	CHECK(c.rel == EXPR_REL_NE && c.a->op == EXPR_EXTRACT && expr_is_const(c.b, 0));
	CHECK(!strcmp(expr_rel_name(EXPR_REL_UGE), "uge"));
	expr_pool_free(p);
}

/* A full pool: no more nodes, no crash, and what is missing can be told. */
static void test_full(void)
{
	struct expr_pool *p = expr_pool_new(100);
	const struct expr *e = reg(p, X86_RAX);

	for (unsigned i = 0; i < 1000; i++)
		e = expr_xor(p, expr_mul(p, e, e), expr_not(p, reg(p, i)));
	CHECK(expr_pool_full(p));
	CHECK(e->op == EXPR_TRUNC && e->width == 64);
	CHECK(expr_pool_count(p) <= 101);
	CHECK(expr_eq(p, e, e)->op == EXPR_TRUNC);
	CHECK(expr_extract(p, e, 3, 7)->width == 7);
	expr_pool_reset(p);
	CHECK(!expr_pool_full(p));
	expr_pool_free(p);
}

static void input(void *ctx, unsigned r, unsigned width, uint64_t *out)
{
	(void)ctx;
	(void)width;
	out[0] = 1000 + r;
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	(void)ctx;
	for (unsigned i = 0; i < n; i++)
		out[i] = (uint8_t)(addr + i);
}

static void test_eval(void)
{
	struct expr_pool *p = expr_pool_new(1 << 20);
	struct eval v = {.input = input, .load = load};
	const struct expr *e = reg(p, 7), *mem, *call;
	uint64_t out[EXPR_WORDS], again[EXPR_WORDS];

	/* as deep as a hostile block can make it */
	for (unsigned i = 0; i < 200000; i++)
		e = expr_lshr(p, expr_mul(p, e, e), reg(p, 2));
	CHECK(eval_expr(&v, e, out) == 0);
	e = expr_load(p, NULL, num(p, 0x10), 32);
	CHECK(eval_expr(&v, e, out) == 0 && out[0] == 0x13121110);
	/* a store of four bytes under a load of eight that begins two bytes before it */
	mem = expr_store(p, NULL, num(p, 0x12), expr_const(p, 32, 0xaabbccdd));
	CHECK(eval_expr(&v, expr_load(p, mem, num(p, 0x10), 64), out) == 0);
	CHECK(out[0] == 0x1716aabbccdd1110);
	call = expr_fn(p, "f", 0, 64, &e, 1);
	CHECK(eval_expr(&v, call, out) == 0);
	CHECK(eval_expr(&v, expr_fn(p, "f", 1, 64, &e, 1), again) == 0 && out[0] != again[0]);
	CHECK(eval_expr(&v, expr_fn(p, "g", 0, 64, &e, 1), again) == 0 && out[0] != again[0]);
	/* the high half of a product */
	e = expr_mul(p, expr_zext(p, reg(p, 1), 128), expr_wide(p, 128, (uint64_t[]){0, 3}));
	CHECK(eval_expr(&v, expr_extract(p, e, 64, 64), out) == 0 && out[0] == 3003);
	eval_free(&v);
	expr_pool_free(p);
}

int main(void)
{
	test_hash();
	test_pinned();
	test_canonical();
	test_cond();
	test_full();
	test_eval();
	return unit_done();
}
