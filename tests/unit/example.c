/*
 * example.c: drawn inputs give the values they should: each expression is computed again by hand.
 */
#include "tests/unit.h"

#include "code/insn.h"
#include "sem/example.h"
#include "sem/state.h"

static struct expr_pool *pool;
static struct example *x;

static const struct expr *reg(unsigned r)
{
	return expr_input(pool, r, 64);
}

static const struct expr *num(uint64_t v)
{
	return expr_const(pool, 64, v);
}

static const struct expr *at(const struct expr *base, int64_t offset, unsigned width)
{
	return expr_load(pool, NULL, expr_add(pool, base, num((uint64_t)offset)), width);
}

/* The drawn value of an input, which must be there. */
static uint64_t value_of(const struct example_input *in, int n, const struct expr *e)
{
	for (int i = 0; i < n; i++)
		if (in[i].e == e)
			return in[i].value;
	CHECK(!"input not there");
	return 0;
}

static void arithmetic(void)
{
	/* mov eax, [rbp - 180]; sub eax, 1; add rax, rdi */
	const struct expr *load = at(reg(X86_RBP), -180, 32);
	const struct expr *e = expr_add(pool,
		expr_zext(pool, expr_sub(pool, load, expr_const(pool, 32, 1)), 64), reg(X86_RDI));
	unsigned differ = 0;

	for (uint64_t i = 0; i < 200; i++) {
		struct rng r = rng_new(1, i);
		const struct example_input *in;
		uint64_t v, m, d;
		int n = example_draw(x, e, 100, &r, &in, &v);

		CHECK(n == 2); /* rbp makes up an address and is no input */
		m = value_of(in, n, load);
		d = value_of(in, n, reg(X86_RDI));
		CHECK(m <= 100 && d <= 100);
		CHECK(v == (uint32_t)(m - 1) + d);
		differ += m != d;
	}
	CHECK(differ > 150);
}

/* A register that is a number and an index, a pointer in memory, a flag. */
static void roles(void)
{
	const struct expr *index = reg(X86_RSI);
	const struct expr *item = expr_load(
		pool, NULL, expr_add(pool, reg(X86_RDI), expr_mul(pool, index, num(4))), 8);
	const struct expr *behind = at(at(reg(X86_RBX), 24, 64), 8, 16);
	const struct expr *flag = expr_input(pool, STATE_FLAG_INPUT + X86_CF, 1);
	const struct expr *e = expr_add(pool, index, expr_zext(pool, item, 64));

	e = expr_add(pool, e, expr_zext(pool, behind, 64));
	e = expr_ite(pool, flag, e, num(7));
	for (uint64_t i = 0; i < 50; i++) {
		struct rng r = rng_new(2, i);
		const struct example_input *in;
		uint64_t v, f;
		int n = example_draw(x, e, 100, &r, &in, &v);

		CHECK(n == 4);
		f = value_of(in, n, flag);
		CHECK(f <= 1);
		CHECK(v == (f ? value_of(in, n, index) + value_of(in, n, item) +
						   value_of(in, n, behind)
			      : 7));
	}
}

static int draws(const struct expr *e)
{
	struct rng r = rng_new(3, 0);
	const struct example_input *in;
	uint64_t v;

	return example_draw(x, e, 100, &r, &in, &v);
}

static void refusals(void)
{
	const struct expr *args[] = {reg(X86_RDI)};
	const struct expr *a = at(reg(X86_RDI), 0, 64), *b = at(reg(X86_RDI), 4, 64);

	CHECK(draws(num(5)) == 0);
	CHECK(draws(expr_fn(pool, "aesenc", 0, 64, args, 1)) == -1);
	CHECK(draws(expr_extract(pool, expr_input(pool, X86_V0, 512), 0, 64)) == -1);
	CHECK(draws(expr_add(pool, a, b)) == -1); /* they overlap */
	CHECK(draws(at(num(16), 0, 8)) == -1);    /* no place for data */
	CHECK(draws(expr_add(pool, reg(X86_RDI), at(reg(X86_RDI), 0, 64))) == -1); /* too low */
}

int main(void)
{
	pool = expr_pool_new(0);
	x = example_new();
	arithmetic();
	roles();
	refusals();
	example_free(x);
	expr_pool_free(pool);
	return unit_done();
}
