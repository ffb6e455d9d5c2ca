/* cfg.c: blocks and edges of hand-made flows; what names say. */
#include <string.h>

#include "code/cfg.h"
#include "code/insn.h"
#include "code/name_index.h"
#include "code/names.h"
#include "tests/unit.h"

/* An instruction of one byte, so that offsets are numbers of instructions. */
struct at {
	uint8_t flow;
	uint32_t target;
};
#define NOT CFG_NOWHERE

static void graph(struct cfg *c, const struct at *i, size_t n, const struct cfg_table *t, size_t nt)
{
	static const uint8_t len[] = {1, 1, 1, 1, 1, 1, 1, 1};
	struct cfg_end end[8];
	struct cfg_code code = {len, n, n, end, 0, t, nt};

	for (uint32_t k = 0; k < n; k++) {
		if (i[k].flow != INSN_FALL && i[k].flow != INSN_TRAP)
			end[code.nends++] = (struct cfg_end){k, k + 1, i[k].target, i[k].flow};
	}
	cfg_build(c, &code);
}

static struct function_walk edges(const struct cfg *c)
{
	return function_edges(
		(struct u32s){c->exits, c->nblocks}, (struct i32s){c->jumps, c->njumps});
}

static bool has_edge(const struct cfg *c, uint32_t from, uint32_t to, enum edge_kind kind)
{
	struct function_walk w = edges(c);
	struct function_edge e;

	while (function_next(&w, &e)) {
		if (e.from == from && e.to == to && e.kind == kind)
			return true;
	}
	return false;
}

static size_t count(const struct cfg *c)
{
	struct function_walk w = edges(c);
	struct function_edge e;
	size_t n = 0;

	while (function_next(&w, &e))
		n++;
	return n;
}

static bool blocks_are(const struct cfg *c, const uint32_t *want, size_t n)
{
	return c->nblocks == n && !memcmp(c->blocks, want, n * sizeof(*want));
}

static void straight(struct cfg *c)
{
	const struct at i[] = {{INSN_FALL, NOT}, {INSN_TRAP, NOT}, {INSN_RET, NOT}};

	graph(c, i, 3, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0}, 1));
	CHECK(count(c) == 0);
}

static void loop_and_branch(struct cfg *c)
{
	const struct at i[] = {
		{INSN_FALL, NOT}, /* 0 */
		{INSN_COND, 4},   /* 1: loop head */
		{INSN_FALL, NOT}, /* 2 */
		{INSN_JUMP, 1},   /* 3 */
		{INSN_RET, NOT},  /* 4 */
	};

	graph(c, i, 5, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0, 1, 2, 4}, 4));
	CHECK(count(c) == 4);
	CHECK(has_edge(c, 0, 1, EDGE_FALL));
	CHECK(has_edge(c, 1, 2, EDGE_FALL));
	CHECK(has_edge(c, 1, 3, EDGE_JUMP));
	CHECK(has_edge(c, 2, 1, EDGE_JUMP));
}

static void calls(struct cfg *c)
{
	const struct at i[] = {
		{INSN_CALL, NOT}, /* 0: returns */
		{INSN_FALL, NOT}, /* 1 */
		{INSN_STOP, NOT}, /* 2: a call that does not return */
		{INSN_FALL, NOT}, /* 3: not reached from there */
		{INSN_JUMP, NOT}, /* 4: tail call */
		{INSN_COND, NOT}, /* 5: conditional tail call, at the end of the function */
	};

	graph(c, i, 6, NULL, 0);
	CHECK(blocks_are(c, (uint32_t[]){0, 1, 3, 5}, 4));
	CHECK(count(c) == 1);
	CHECK(has_edge(c, 0, 1, EDGE_FALL));
}

static void tables(struct cfg *c)
{
	const uint32_t targets[] = {2, 4, 3};
	const struct cfg_table t[] = {{1, 3, targets}};
	const struct at i[] = {{INSN_FALL, NOT}, {INSN_JUMP, NOT}, {INSN_FALL, NOT}, {INSN_JUMP, 0},
		{INSN_RET, NOT}};

	graph(c, i, 5, t, 1);
	CHECK(blocks_are(c, (uint32_t[]){0, 2, 3, 4}, 4));
	CHECK(count(c) == 5);
	CHECK(has_edge(c, 0, 1, EDGE_TABLE));
	CHECK(has_edge(c, 0, 2, EDGE_TABLE));
	CHECK(has_edge(c, 0, 3, EDGE_TABLE));
	CHECK(has_edge(c, 1, 2, EDGE_FALL));
	CHECK(has_edge(c, 2, 0, EDGE_JUMP));
}

/* Instructions of different lengths; a jump into the middle of one leads nowhere. */
static void offsets(struct cfg *c)
{
	static const uint8_t len[] = {2, 5, 1, 3};
	const struct cfg_end end[] = {
		{0, 2, 8, INSN_COND}, {1, 7, 3, INSN_COND}, {3, 11, 0, INSN_JUMP}};

	cfg_build(c, &(struct cfg_code){len, 4, 11, end, 3, NULL, 0});
	CHECK(blocks_are(c, (uint32_t[]){0, 1, 2, 3}, 4));
	CHECK(count(c) == 5);
	CHECK(has_edge(c, 0, 1, EDGE_FALL));
	CHECK(has_edge(c, 0, 3, EDGE_JUMP));
	CHECK(has_edge(c, 1, 2, EDGE_FALL));
	CHECK(has_edge(c, 2, 3, EDGE_FALL));
	CHECK(has_edge(c, 3, 0, EDGE_JUMP));
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
	char name[NAMES_MAX + 2] = "";
	const char *cut;
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
	memset(name, 'n', sizeof(name) - 1);
	name[NAMES_MAX] = 0;
	CHECK(names_utf8(&a, name) == name);
	name[NAMES_MAX] = 'n';
	memcpy(name + NAMES_MAX - 5, "\xe2\x82\xac", 3); /* across the cut */
	cut = names_utf8(&a, name);
	CHECK(strlen(cut) == NAMES_MAX - 2 && !memcmp(cut, name, NAMES_MAX - 5));
	CHECK(!strcmp(cut + NAMES_MAX - 5, "..."));
	CHECK(!strcmp(names_utf8(&a, "\xed\xa0\x80"), "\\xed\\xa0\\x80"));
	CHECK(!strcmp(names_utf8(&a, "\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"));
	arena_free(&a);
}

/* Each name once, by its text as valid UTF-8. */
static void name_numbers(void)
{
	enum { MANY = 1000 };
	static char text[MANY][8];
	struct name_index x = {0};
	bool right = true;

	CHECK(name_index_put(&x, "") == 0 && x.n == 1 && !x.name[0][0]);
	CHECK(name_index_put(&x, "a") == 1 && name_index_put(&x, "b\xff") == 2);
	CHECK(name_index_put(&x, (char[]){"a"}) == 1 && name_index_put(&x, "b\\xff") == 2);
	CHECK(!strcmp(x.name[2], "b\\xff"));
	for (unsigned k = 0; k < 2 * MANY; k++) {
		snprintf(text[k % MANY], sizeof(text[0]), "n%u", k % MANY);
		right = right && name_index_put(&x, text[k % MANY]) == 3 + k % MANY;
	}
	CHECK(right && x.n == 3 + MANY && !strcmp(x.name[3 + 77], "n77"));
	name_index_free(&x);
}

int main(void)
{
	struct cfg c = {0};

	straight(&c);
	loop_and_branch(&c);
	calls(&c);
	tables(&c);
	offsets(&c);
	cfg_free(&c);
	names();
	name_numbers();
	return unit_done();
}
