/* cfg.c: blocks and edges of hand-made flows; what names say. */
#include <string.h>

#include "code/cfg.h"
#include "code/insn.h"
#include "code/names.h"
#include "tests/unit.h"

#define AT(flow, target)     \
	{                    \
		target, flow \
	}
#define NOT CFG_NOWHERE

static bool has_edge(const struct cfg *c, uint32_t from, uint32_t to, enum edge_kind kind)
{
	for (size_t i = 0; i < c->nedges; i++) {
		if (c->from[i] == from && c->to[i] == to && c->kind[i] == kind)
			return true;
	}
	return false;
}

static bool blocks_are(const struct cfg *c, const uint32_t *want, size_t n)
{
	return c->nblocks == n && !memcmp(c->blocks, want, n * sizeof(*want));
}

static void straight(struct cfg *c)
{
	const struct cfg_insn i[] = {AT(INSN_FALL, NOT), AT(INSN_TRAP, NOT), AT(INSN_RET, NOT)};

	cfg_build(c, i, 3, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0}, 1));
	CHECK(c->nedges == 0);
}

static void loop_and_branch(struct cfg *c)
{
	const struct cfg_insn i[] = {
		AT(INSN_FALL, NOT), /* 0 */
		AT(INSN_COND, 4),   /* 1: loop head */
		AT(INSN_FALL, NOT), /* 2 */
		AT(INSN_JUMP, 1),   /* 3 */
		AT(INSN_RET, NOT),  /* 4 */
	};

	cfg_build(c, i, 5, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0, 1, 2, 4}, 4));
	CHECK(c->nedges == 4);
	CHECK(has_edge(c, 0, 1, EDGE_FALL));
	CHECK(has_edge(c, 1, 2, EDGE_FALL));
	CHECK(has_edge(c, 1, 3, EDGE_JUMP));
	CHECK(has_edge(c, 2, 1, EDGE_JUMP));
}

static void calls(struct cfg *c)
{
	const struct cfg_insn i[] = {
		AT(INSN_CALL, NOT), /* 0: returns */
		AT(INSN_FALL, NOT), /* 1 */
		AT(INSN_STOP, NOT), /* 2: a call that does not return */
		AT(INSN_FALL, NOT), /* 3: not reached from there */
		AT(INSN_JUMP, NOT), /* 4: tail call */
		AT(INSN_COND, NOT), /* 5: conditional tail call, at the end of the function */
	};

	cfg_build(c, i, 6, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0, 1, 3, 5}, 4));
	CHECK(c->nedges == 1);
	CHECK(has_edge(c, 0, 1, EDGE_FALL));
}

static void tables(struct cfg *c)
{
	const uint32_t targets[] = {2, 4, 3};
	const struct cfg_table t[] = {{1, 3, targets}};
	const struct cfg_insn i[] = {AT(INSN_FALL, NOT), AT(INSN_JUMP, NOT), AT(INSN_FALL, NOT),
		AT(INSN_JUMP, 0), AT(INSN_RET, NOT)};

	cfg_build(c, i, 5, t, 1);
	CHECK(blocks_are(c, (uint32_t[]){0, 2, 3, 4}, 4));
	CHECK(c->nedges == 5);
	CHECK(has_edge(c, 0, 1, EDGE_TABLE));
	CHECK(has_edge(c, 0, 2, EDGE_TABLE));
	CHECK(has_edge(c, 0, 3, EDGE_TABLE));
	CHECK(has_edge(c, 1, 2, EDGE_FALL));
	CHECK(has_edge(c, 2, 0, EDGE_JUMP));
	for (size_t k = 1; k < c->nedges; k++)
		CHECK(c->from[k - 1] <= c->from[k]);
}

static void names(void)
{
	static const char *const stop[] = {"_Exit", "_Unwind_Resume", "_ZSt9terminatev", "__assert",
		"__assert_fail", "__stack_chk_fail", "_exit", "abort", "exit", "longjmp",
		"xalloc_die", "__cxa_throw", "_ZSt17__throw_bad_allocv",
		"_ZSt20__throw_length_errorPKc", "_ZN4core9panicking5panic17h0123456789abcdefE",
		"_ZN4core9panicking18panic_bounds_check17h0123456789abcdefE"};
	static const char *const go[] = {"", "printf", "exit2", "exi", "__assert_failure", "abort_",
		"_ZSt4cout", "_ZN3std9panicking11panic_count8is_zero", "error", "aaa", "zzz"};
	struct arena a = {0};

	for (size_t i = 0; i < COUNT_OF(stop); i++)
		CHECK(names_no_return(stop[i]));
	for (size_t i = 0; i < COUNT_OF(go); i++)
		CHECK(!names_no_return(go[i]));
	CHECK(!strcmp(names_utf8(&a, "plain"), "plain"));
	CHECK(!strcmp(names_utf8(&a, "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"),
		"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"));
	CHECK(!strcmp(names_utf8(&a, "a\xff\x62"), "a\\xffb"));
	CHECK(!strcmp(names_utf8(&a, "\xc3"), "\\xc3"));
	CHECK(!strcmp(names_utf8(&a, "\xc0\x80"), "\\xc0\\x80"));
	CHECK(!strcmp(names_utf8(&a, "\xed\xa0\x80"), "\\xed\\xa0\\x80"));
	CHECK(!strcmp(names_utf8(&a, "\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"));
	arena_free(&a);
}

int main(void)
{
	struct cfg c = {0};

	straight(&c);
	loop_and_branch(&c);
	calls(&c);
	tables(&c);
	cfg_free(&c);
	names();
	return unit_done();
}
