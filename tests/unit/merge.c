/*
 * merge.c: equal values that the rewriter leaves apart get one form, the first; different ones
 * that agree nearly everywhere do not; what the memory's bound makes it forget does no harm.
 */
#include "sem/merge.h"

#include "code/insn.h"
#include "tests/unit.h"

static struct expr_pool *p;
static const struct expr *x, *y, *z;

/* The pairs (a, b), equal or not. */
static void pair(struct merge *m, const struct expr *a, const struct expr *b, bool equal)
{
	CHECK(a != b); /* else it is the rewriter that is tested */
	CHECK(merge_value(m, p, a) == a);
	CHECK(merge_value(m, p, b) == (equal ? a : b));
	CHECK(merge_value(m, p, b) == (equal ? a : b)); /* remembered */
}

static void equal_values(struct merge *m)
{
	const struct expr *and = expr_and(p, x, y), *one = expr_const(p, 64, 1), *a, *b;

	pair(m, expr_mul(p, x, expr_add(p, y, z)),
		expr_add(p, expr_mul(p, x, y), expr_mul(p, x, z)), true);
	pair(m, expr_add(p, x, y), expr_add(p, and, expr_or(p, x, y)), true);
	pair(m, expr_xor(p, x, y), expr_sub(p, expr_or(p, x, y), and), true);
	pair(m, expr_eq(p, and, x), expr_eq(p, expr_or(p, x, y), y), true);
	/* the lowest one of x */
	pair(m, expr_and(p, x, expr_neg(p, x)), expr_xor(p, x, expr_and(p, x, expr_sub(p, x, one))),
		true);
	/* memory at one place by two names */
	a = expr_load(p, NULL, expr_add(p, x, y), 32);
	b = expr_load(p, NULL, expr_add(p, and, expr_or(p, x, y)), 32);
	pair(m, a, b, true);
}

static void different_values(struct merge *m)
{
	const struct expr *load = expr_load(p, NULL, x, 32);

	pair(m, expr_eq(p, x, expr_const(p, 64, 123456)), expr_eq(p, x, expr_const(p, 64, 123457)),
		false);
	pair(m, expr_eq(p, load, expr_const(p, 32, 77)), expr_eq(p, load, expr_const(p, 32, 78)),
		false);
	pair(m, expr_eq(p, expr_extract(p, y, 0, 32), expr_const(p, 32, 9)),
		expr_eq(p, y, expr_const(p, 64, 9)), false);
	pair(m, expr_ult(p, z, expr_const(p, 64, 1000)), expr_ult(p, z, expr_const(p, 64, 1001)),
		false);
	/* apart at one of 2^64 points, which no constant shows */
	pair(m, expr_eq(p, expr_mul(p, y, y), expr_const(p, 64, 0xfffffffe00000001u)),
		expr_ult(p, expr_mul(p, z, z), expr_const(p, 64, 1)), false);
}

/* The first form stands for its class whatever the pool does in between. */
static void forms_last(struct merge *m)
{
	const struct expr *a, *b;
	uint64_t hash;

	a = expr_sub(p, expr_or(p, x, z), expr_and(p, x, z));
	hash = merge_value(m, p, a)->hash;
	CHECK(hash == a->hash);
	expr_pool_reset(p);
	x = expr_input(p, X86_RAX, 64);
	y = expr_input(p, X86_RCX, 64);
	z = expr_input(p, X86_RDX, 64);
	b = expr_xor(p, x, z);
	CHECK(b->hash != hash);
	CHECK(merge_value(m, p, b)->hash == hash);
}

/* More values than are kept. */
static void bounded(struct merge *m)
{
	enum { VALUES = 200000 };
	uint64_t before = merge_counts(m)->values;
	const struct expr *e, *k;

	for (uint64_t i = 0; i <= VALUES; i++) {
		k = expr_const(p, 64, (i % VALUES + 2) * 0x9e3779b97f4a7c15u);
		e = expr_add(p, expr_mul(p, x, k), expr_mul(p, y, k));
		e = expr_add(p, e, expr_load(p, NULL, e, 64));
		if (merge_value(m, p, e) != e) {
			CHECK(!"a value of its own");
			return;
		}
		if (i % 4096 == 0) {
			expr_pool_reset(p);
			x = expr_input(p, X86_RAX, 64);
			y = expr_input(p, X86_RCX, 64);
		}
	}
	/* The first one was forgotten, and counts again. */
	CHECK(merge_counts(m)->values == before + VALUES + 1);
}

int main(void)
{
	struct merge *m = merge_new(5000000);

	p = expr_pool_new(0);
	x = expr_input(p, X86_RAX, 64);
	y = expr_input(p, X86_RCX, 64);
	z = expr_input(p, X86_RDX, 64);
	equal_values(m);
	CHECK(merge_counts(m)->merged == 6);
	different_values(m);
	CHECK(merge_counts(m)->merged == 6);
	forms_last(m);
	bounded(m);
	merge_free(m);
	expr_pool_free(p);
	return unit_done();
}
