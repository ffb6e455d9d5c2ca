/*
 * rewrite.h: the rules that bring expressions into canonical form.
 *
 * rewrite_make builds a node and applies the rules at its root; arguments are canonical already, so
 * one look at the root and what the rules themselves build is all there is. A rule is the line of
 * code that says RULE(p, NAME) when it applies; the table below says what it does. The names are
 * there so that the tests can demand that each rule was proved by z3 at each width (tests/unit).
 *
 * Rules that push an operation into a whole expression apply up to REWRITE_PUSH_MAX nodes only:
 * without that bound their cost would be exponential in the depth of a shared graph.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include "sem/expr.h"

enum { REWRITE_PUSH_MAX = 100 };

/* NAME, "left side -> right side"; c, d constants; w the width. */
/* clang-format off */
#define REWRITE_RULES(R) \
	R(FOLD, "operator of constants -> constant") \
	R(FLAT, "op(op(a, b), c) -> op(a, b, c)") \
	R(NOT_NOT, "not not x -> x") \
	R(NOT_CMP, "not (a ult b) -> b ule a, and so on") \
	R(NOT_BIT, "not x -> x eq 0, 1 bit") \
	R(NOT_CONCAT, "not (x Concat y) -> (not x) Concat (not y)") \
	R(NOT_SEXT, "not sext x -> sext not x") \
	R(NOT_SUM, "not (c add x) -> (-1 - c) add (-1 mul x)") \
	R(AND_ZERO, "0 and x -> 0") \
	R(AND_ONES, "-1 and x -> x") \
	R(AND_SAME, "x and x -> x") \
	R(AND_OPPOSITE, "x and not x -> 0") \
	R(AND_MASK, "c and x -> Concat of zeros and extracts of x, few runs of ones") \
	R(AND_NARROW, "c and x -> 0 Concat (c' and x[hi:lo]) Concat 0") \
	R(AND_PIECES, "c and (x Concat y) -> (c1 and x) Concat (c0 and y)") \
	R(OR_ONES, "-1 or x -> -1") \
	R(OR_ZERO, "0 or x -> x") \
	R(OR_SAME, "x or x -> x") \
	R(OR_OPPOSITE, "x or not x -> -1") \
	R(OR_MASK, "c or x -> Concat of ones and extracts of x, few runs of ones") \
	R(OR_PIECES, "c or (x Concat y) -> (c1 or x) Concat (c0 or y)") \
	R(OR_LESS, "(a ult b) or (a eq b) -> a ule b") \
	R(XOR_ZERO, "0 xor x -> x") \
	R(XOR_ONES, "-1 xor x -> not x") \
	R(XOR_SAME, "x xor x -> 0") \
	R(XOR_NOT, "(not x) xor y -> not (x xor y)") \
	R(XOR_BIT, "x xor y -> x ne y, 1 bit") \
	R(PIECES, "bitwise op of Concats -> Concat of the op of their pieces, one op at most") \
	R(ADD_COLLECT, "c x add d x -> (c + d) x") \
	R(ADD_NOT, "c add not x -> (c - 1) add (-1 mul x)") \
	R(ADD_CONCAT, "(x Concat c) add y -> 2^k mul (0 Concat x) add c add y") \
	R(ADD_BIT, "x add y -> x xor y, 1 bit") \
	R(NEG_TO_NOT, "-1 add (-1 mul x) -> not x") \
	R(MUL_ZERO, "0 mul x -> 0") \
	R(MUL_ONE, "1 mul x -> x") \
	R(MUL_SUM, "c mul (x add y) -> (c mul x) add (c mul y)") \
	R(MUL_CONCAT, "c add (2^k mul (x Concat y)) -> x' Concat y Concat c, c < 2^k") \
	R(MUL_TOP, "2^k mul (x Concat y) -> 2^k mul (0 Concat y), x of k bits; " \
		   "2^k mul (0 Concat x[w-1-k:0]) -> 2^k mul x") \
	R(MUL_FACTOR, "(x Concat 0) mul y -> 2^k mul (0 Concat x) mul y") \
	R(MUL_BIT, "x mul y -> x and y, 1 bit") \
	R(DIV_ONE, "x udiv 1 -> x") \
	R(DIV_POWER, "x udiv 2^k -> 0 Concat x[w-1:k]; x urem 2^k -> 0 Concat x[k-1:0]") \
	R(DIV_NARROW, "(0 Concat x) udiv (0 Concat y) -> 0 Concat (x udiv y)") \
	R(REM_NARROW, "(sext x) srem (sext y) -> sext (x srem y)") \
	R(SHIFT_ZERO, "0 shl x -> 0; x shl 0 -> x") \
	R(SHIFT_OUT, "x shl c -> 0, c >= w") \
	R(SHL_CONST, "x shl c -> 2^c mul x") \
	R(LSHR_CONST, "x lshr c -> 0 Concat x[w-1:c]") \
	R(ASHR_CONST, "x ashr c -> sext x[w-1:c]") \
	R(ROT_CONST, "x rol c -> x[w-1-c:0] Concat x[w-1:w-c]") \
	R(ROT_AMOUNT, "x rol n -> x rol (0 Concat n[k-1:0]), w = 2^k") \
	R(CONCAT_CONST, "c Concat d -> constant") \
	R(CONCAT_EXTRACT, "x[a:b+1] Concat x[b:c] -> x[a:c]") \
	R(CONCAT_LOAD, "*(a + 1) Concat *(a) -> *(a), longer") \
	R(CONCAT_SIGN, "(sext x[k:k]) Concat x[k:0] -> sext x[k:0]") \
	R(CONCAT_SHIFT, "x[w-1-k:0] Concat c -> c add (2^k mul x)") \
	R(CONCAT_ITE, "c Concat ite(b, d, e) -> ite(b, c Concat d, c Concat e)") \
	R(EXTRACT_ALL, "x[w-1:0] -> x") \
	R(EXTRACT_EXTRACT, "x[a:b][c:d] -> x[b+c:b+d]") \
	R(EXTRACT_CONCAT, "(x Concat y)[a:b] -> pieces of x and y") \
	R(EXTRACT_SEXT, "(sext x)[a:b] -> sext x[..] or x[a:b]") \
	R(EXTRACT_BITS, "(x and y)[a:b] -> x[a:b] and y[a:b]; or, xor, not") \
	R(EXTRACT_SUM, "(x add y)[a:0] -> x[a:0] add y[a:0]; mul") \
	R(EXTRACT_CUT, "(x add y)[a:b] -> (x add y)[a:0][a:b]; mul") \
	R(EXTRACT_SHIFT, "(2^k mul x)[a:b] -> x[a-k:b-k], b >= k") \
	R(EXTRACT_ITE, "ite(c, x, y)[a:b] -> ite(c, x[a:b], y[a:b])") \
	R(EXTRACT_LOAD, "*(a)[15:8] -> *(a + 1)") \
	R(EXTRACT_DIV, "((sext x) sdiv (sext y))[n-1:0] -> x sdiv y; zero-extended: udiv") \
	R(SEXT_SEXT, "sext sext x -> sext x") \
	R(SEXT_ZERO, "sext (0 Concat x) -> 0 Concat x") \
	R(SEXT_ITE, "sext ite(c, constants) -> ite(c, constants)") \
	R(CMP_SAME, "x eq x -> 1, x ult x -> 0, and so on") \
	R(CMP_BOUND, "x ult 0 -> 0; x ule -1 -> 1, and so on") \
	R(CMP_EDGE, "x ult 1 -> x eq 0; 0 ult x -> x ne 0, and so on") \
	R(CMP_STRICT, "x ule c -> x ult c + 1; c ule x -> c - 1 ult x; sle") \
	R(CMP_RANGE, "c add x ult d: x in a range, in the way with the smallest numbers; " \
		     "of -x, not x, x Concat c and extensions: of what they are made of") \
	R(CMP_BIT, "x ult y -> (not x) and y, 1 bit") \
	R(CMP_ZEXT, "(0 Concat x) ult (0 Concat y) -> x ult y") \
	R(CMP_SEXT, "(sext x) slt (sext y) -> x slt y") \
	R(CMP_SIGNED, "(0 Concat x) slt (0 Concat y) -> x ult y") \
	R(CMP_SIGN, "x slt 0 -> x[w-1:w-1]") \
	R(EQ_NE, "x ne y -> not (x eq y), when eq rewrites") \
	R(EQ_BIT, "x eq 1 -> x, 1 bit; x eq 0 -> opposite comparison") \
	R(EQ_SUM, "c add x eq d -> x eq d - c; x add (-1 mul y) eq 0 -> x eq y") \
	R(EQ_SCALE, "c mul x eq d -> x eq d / c, c odd") \
	R(EQ_EVEN, "2^k mul x eq d -> x[w-1-k:0] eq d / 2^k, or 0") \
	R(EQ_PIECES, "(c Concat x) eq (c Concat d) -> x eq d, or 0") \
	R(EQ_SEXT, "(sext x) eq (sext y) -> x eq y; (sext x) eq c -> x eq c' or 0") \
	R(EQ_XOR, "x xor y eq 0 -> x eq y; c xor x eq d -> x eq c xor d") \
	R(EQ_HIGH, "x[w-1:k] eq c -> x in a range") \
	R(EQ_ITE, "ite(b, c, d) eq c -> b, and so on") \
	R(ITE_CONST, "ite(1, x, y) -> x") \
	R(ITE_SAME, "ite(c, x, x) -> x") \
	R(ITE_NOT, "ite(not c, x, y) -> ite(c, y, x)") \
	R(ITE_BIT, "ite(c, 1, 0) -> 0 Concat c; ite(c, -1, 0) -> sext c") \
	R(ITE_LESS, "ite(y ult x, y, x) -> ite(x ult y, x, y); ite(x ult c + 1, x, c) -> " \
		    "ite(x ult c, x, c), and so on") \
	R(ITE_BOOL, "ite(c, 1, x) -> c or x, and so on, 1 bit")
/* clang-format on */

#define REWRITE_ENUM(name, text) REWRITE_##name,
enum rewrite_rule { REWRITE_RULES(REWRITE_ENUM) REWRITE_COUNT };
#undef REWRITE_ENUM

/* The node op(args) with its width and lo, in canonical form; args are canonical. */
const struct expr *rewrite_make(struct expr_pool *p, enum expr_op op, unsigned width, unsigned lo,
	const struct expr *const *args, unsigned n);
/* e, however it was built, in canonical form; for tests (recursive: for small expressions). */
const struct expr *rewrite_all(struct expr_pool *p, const struct expr *e);
/* "x and x -> x": what the rule does; its name; static text. */
const char *rewrite_text(enum rewrite_rule r);
const char *rewrite_name(enum rewrite_rule r);

/* How often each rule was used in the pool's life: REWRITE_COUNT numbers (kept in sem/expr.c). */
uint64_t *expr_rule_counts(struct expr_pool *p);
/* The node as it stands, no rule applied: what the rules end in. Same contract as rewrite_make. */
const struct expr *expr_raw(struct expr_pool *p, enum expr_op op, unsigned width, unsigned lo,
	const struct expr *const *args, unsigned n);

/* Shared by the files of the rewriter. */

#define RULE(p, name) (void)(expr_rule_counts(p)[REWRITE_##name]++)

/* The canonical order of arguments: registers by number, then memory, then the rest by hash. */
int rewrite_order(const struct expr *a, const struct expr *b);
/* Leading zero bits that are certain from the form of e. */
unsigned rewrite_zeros(const struct expr *e);
/* The bits of e that carry its value as a signed number, from its form: 8 for SEXT of 8 bits. */
unsigned rewrite_signed_bits(const struct expr *e);
/* rewrite_bits.c: NOT, AND, OR, XOR. */
const struct expr *rewrite_bits_not(struct expr_pool *p, const struct expr *a);
const struct expr *rewrite_bits_op(struct expr_pool *p, enum expr_op op, unsigned width,
	const struct expr *const *args, unsigned n);
/* rewrite_arith.c: ADD, MUL, division, shifts. */
const struct expr *rewrite_arith_add(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n);
const struct expr *rewrite_arith_mul(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n);
const struct expr *rewrite_arith_div(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b);
const struct expr *rewrite_arith_shift(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *n);
/* x and y to a sum and a constant so that (a eq b) is (*x eq *y); false when there is no change. */
bool rewrite_arith_balance(struct expr_pool *p, const struct expr *a, const struct expr *b,
	const struct expr **x, const struct expr **y);
/* rewrite_parts.c: CONCAT, EXTRACT, SEXT. */
const struct expr *rewrite_parts_concat(
	struct expr_pool *p, unsigned width, const struct expr *const *args, unsigned n);
const struct expr *rewrite_parts_extract(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width);
const struct expr *rewrite_parts_sext(struct expr_pool *p, const struct expr *a, unsigned width);
/* rewrite_cmp.c: comparisons and ITE. */
const struct expr *rewrite_cmp_make(
	struct expr_pool *p, enum expr_op op, const struct expr *a, const struct expr *b);
const struct expr *rewrite_cmp_ite(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b);
/* rewrite_range.c: is x, of up to 64 bits, in [lo, hi] modulo 2^w? Not empty: lo = hi + 1 is all.
 */
const struct expr *rewrite_range_make(
	struct expr_pool *p, const struct expr *x, uint64_t lo, uint64_t hi);
/* The opposite of a comparison, or NULL when e is none. */
const struct expr *rewrite_cmp_opposite(struct expr_pool *p, const struct expr *e);

#endif
