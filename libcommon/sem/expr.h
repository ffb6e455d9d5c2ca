/*
 * expr.h: symbolic expressions over bit vectors: a hash-consed DAG.
 *
 * Every value of symbolic execution (BinBert section 3.3) is an immutable node of a pool. A node is
 * built once: equal operator, width and arguments give the same pointer, so equality of canonical
 * expressions is equality of pointers within a pool and of `hash` between pools. The constructors
 * simplify at once (sem/rewrite.c), so what a caller sees is always in canonical form:
 *
 * - Constants are folded. In ADD, MUL, AND, OR, XOR the constant is arg[0], the other arguments
 *   follow in canonical order; these five are n-ary and flat.
 * - There is no subtraction, negation or zero extension: x - y is ADD(x, MUL(-1, y)), and zext is
 *   CONCAT(0, x). A shift by a constant is MUL by a power of two (left), CONCAT(0, EXTRACT) (right)
 *   or SEXT(EXTRACT) (arithmetic); a mask of ones is CONCAT of zeros and EXTRACTs.
 * - CONCAT is flat, arg[0] the highest piece.
 * - Comparisons are 1 bit wide: EQ, NE, ULT, ULE, SLT, SLE. In EQ and NE a constant is arg[1].
 *   Their operands have no common zero extension: the `test al, 2; jne` of the paper's Table 1 is
 *   the 1-bit EXTRACT x[1:1] itself, and its opposite EQ(x[1:1], 0). expr_cond tells how
 *   to show such a truth value as a comparison.
 *
 * A pool holds at most `cap` nodes. When it is full, constructors return the EXPR_TRUNC node of the
 * right width instead of a new node, and expr_pool_full says so: memory stays bounded, nothing
 * fails, and what depends on a missing value is recognisable (`trunc`).
 */
#ifndef EXPR_H
#define EXPR_H

#include "base/base.h"
#include "base/map.h"

enum {
	EXPR_MAX_WIDTH = 512, /* bits of the widest value (zmm0) */
	EXPR_WORDS = 8,       /* 64-bit words of it */
	EXPR_MAX_ARGS = 200,  /* most arguments of one node */
};

/* The operators; columns: NAME, "word in the printed form". */
/* clang-format off */
#define EXPR_OPS(O) \
	O(CONST, "const")     /* val, or words when wider than 64 */ \
	O(INPUT, "input")     /* value of register `lo` (enum x86_reg, or flag: see state.h) on entry */ \
	O(LOAD, "load")       /* memory at address arg[0]; arg[1], if there: the memory, else on entry */ \
	O(STORE, "store")     /* a memory: arg[0] address, arg[1] value, arg[2], if there: memory before */ \
	O(FN, "fn")           /* uninterpreted: output `lo` of function `name` of the arguments */ \
	O(SIMD, "simd")       /* named lane-wise operation `lo` (sem/simd.h), known to eval */ \
	O(TRUNC, "trunc")     /* a value the full pool had no room for */ \
	O(NOT, "not") \
	O(AND, "and") \
	O(OR, "or") \
	O(XOR, "xor") \
	O(ADD, "add") \
	O(MUL, "mul") \
	O(UDIV, "udiv")       /* SMT-LIB: x udiv 0 is all ones */ \
	O(UREM, "urem")       /* x urem 0 is x */ \
	O(SDIV, "sdiv") \
	O(SREM, "srem")       /* sign of the dividend */ \
	O(SHL, "shl")         /* amounts have the width of the value; >= width gives 0 */ \
	O(LSHR, "lshr") \
	O(ASHR, "ashr")       /* >= width gives the sign everywhere */ \
	O(ROL, "rol")         /* amount modulo the width */ \
	O(ROR, "ror") \
	O(CONCAT, "Concat")   /* arg[0] highest */ \
	O(EXTRACT, "extract") /* arg[0] bits lo + width - 1 down to lo */ \
	O(SEXT, "sext")       /* arg[0] sign-extended to width */ \
	O(EQ, "eq") \
	O(NE, "ne") \
	O(ULT, "ult") \
	O(ULE, "ule") \
	O(SLT, "slt") \
	O(SLE, "sle") \
	O(ITE, "ite")         /* arg[0] (1 bit) ? arg[1] : arg[2] */ \
	O(POPCNT, "popcnt") \
	O(CLZ, "clz")         /* leading zeros; width of the value for 0 */ \
	O(CTZ, "ctz") \
	O(PDEP, "pdep")       /* arg[0] scattered to the ones of arg[1] */ \
	O(PEXT, "pext")
/* clang-format on */

#define EXPR_OP_ENUM(name, text) EXPR_##name,
enum expr_op { EXPR_OPS(EXPR_OP_ENUM) EXPR_OP_COUNT };
#undef EXPR_OP_ENUM

struct expr {
	uint64_t hash;  /* canonical: the same in every pool and build order */
	uint32_t id;    /* number in the pool; arguments have smaller ones */
	uint32_t size;  /* nodes as a tree, UINT32_MAX when more */
	uint16_t width; /* bits, 1 to EXPR_MAX_WIDTH; 0 for a STORE (a memory) */
	uint16_t lo;    /* EXTRACT: lowest bit; INPUT: register; FN: output; SIMD: enum simd_op */
	uint8_t op;     /* enum expr_op */
	uint8_t nargs;
	union {
		uint64_t val;          /* CONST up to 64 bits, bits above width zero */
		const uint64_t *words; /* CONST wider than 64, lowest word first */
		const char *name;      /* FN; interned in the pool */
	};
	const struct expr *arg[];
};

struct expr_pool;
/* A pool of at most cap nodes (0: a default of 65,536); freed with expr_pool_free. */
struct expr_pool *expr_pool_new(uint32_t cap);
void expr_pool_free(struct expr_pool *p);
/* Forgets all nodes (every pointer to them is dead) and keeps the memory. */
void expr_pool_reset(struct expr_pool *p);
/* True once a node was refused since the last reset: some value is EXPR_TRUNC. */
bool expr_pool_full(const struct expr_pool *p);
/* Nodes in the pool, and the node with number id. */
uint32_t expr_pool_count(const struct expr_pool *p);
const struct expr *expr_pool_node(const struct expr_pool *p, uint32_t id);

/* "add"; static text. */
const char *expr_op_name(enum expr_op op);

/* "paddb": the name of the operation of a SIMD node; static text. */
const char *expr_simd_name(const struct expr *e);

/* Leaves. v is cut to the width; words has (width + 63) / 64 items. */
const struct expr *expr_const(struct expr_pool *p, unsigned width, uint64_t v);
const struct expr *expr_wide(struct expr_pool *p, unsigned width, const uint64_t *words);
const struct expr *expr_input(struct expr_pool *p, unsigned reg, unsigned width);
/* width bits (a multiple of 8) at address addr of memory mem; NULL is the memory on entry. */
const struct expr *expr_load(
	struct expr_pool *p, const struct expr *mem, const struct expr *addr, unsigned width);
/* The memory mem (NULL: on entry) with val at address addr. */
const struct expr *expr_store(struct expr_pool *p, const struct expr *mem, const struct expr *addr,
	const struct expr *val);
/* Output number out of the uninterpreted function `name`; the name is copied. Width 0: a memory. */
const struct expr *expr_fn(struct expr_pool *p, const char *name, unsigned out, unsigned width,
	const struct expr *const *args, unsigned n);
const struct expr *expr_simd(struct expr_pool *p, unsigned simd_op, unsigned width,
	const struct expr *const *args, unsigned n);

/*
 * Operators. Arguments of one operator have one width unless it says otherwise. The result is the
 * canonical form, which may be any node of that width.
 */
const struct expr *expr_not(struct expr_pool *p, const struct expr *a);
const struct expr *expr_neg(struct expr_pool *p, const struct expr *a);
const struct expr *expr_and(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_or(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_xor(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_add(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_sub(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_mul(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_udiv(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_urem(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_sdiv(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_srem(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_shl(struct expr_pool *p, const struct expr *a, const struct expr *n);
const struct expr *expr_lshr(struct expr_pool *p, const struct expr *a, const struct expr *n);
const struct expr *expr_ashr(struct expr_pool *p, const struct expr *a, const struct expr *n);
const struct expr *expr_rol(struct expr_pool *p, const struct expr *a, const struct expr *n);
const struct expr *expr_ror(struct expr_pool *p, const struct expr *a, const struct expr *n);
/* hi above lo, of any widths. */
const struct expr *expr_concat(struct expr_pool *p, const struct expr *hi, const struct expr *lo);
/* n pieces, the highest first. */
const struct expr *expr_concatn(struct expr_pool *p, const struct expr *const *piece, unsigned n);
/* Bits lo to lo + width - 1 of a. */
const struct expr *expr_extract(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width);
/* To `width` bits: extended, or cut when it is smaller. */
const struct expr *expr_zext(struct expr_pool *p, const struct expr *a, unsigned width);
const struct expr *expr_sext(struct expr_pool *p, const struct expr *a, unsigned width);
/* 1-bit results. */
const struct expr *expr_eq(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_ne(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_ult(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_ule(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_slt(struct expr_pool *p, const struct expr *a, const struct expr *b);
const struct expr *expr_sle(struct expr_pool *p, const struct expr *a, const struct expr *b);
/* c is 1 bit wide. */
const struct expr *expr_ite(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b);
const struct expr *expr_popcnt(struct expr_pool *p, const struct expr *a);
const struct expr *expr_clz(struct expr_pool *p, const struct expr *a);
const struct expr *expr_ctz(struct expr_pool *p, const struct expr *a);
const struct expr *expr_pdep(struct expr_pool *p, const struct expr *a, const struct expr *mask);
const struct expr *expr_pext(struct expr_pool *p, const struct expr *a, const struct expr *mask);

/*
 * The same expression in pool p, e being of any pool. `done` (empty before the first call) keeps
 * what was copied, for more expressions of that pool.
 */
const struct expr *expr_copy(struct expr_pool *p, const struct expr *e, struct map64 *done);

/* Looking at nodes. */

/* The words of a constant of any width. */
const uint64_t *expr_words(const struct expr *e);
bool expr_is_const(const struct expr *e, uint64_t v); /* is it the constant v, zero-extended? */
bool expr_is_ones(const struct expr *e);              /* is it the constant with all bits set? */
/* Splits addr, of up to 64 bits, = base + offset; base is NULL for a constant address. */
void expr_split(
	struct expr_pool *p, const struct expr *addr, const struct expr **base, int64_t *offset);

/* How to show a truth value. */
enum expr_rel {
	EXPR_REL_EQ,
	EXPR_REL_NE,
	EXPR_REL_ULT,
	EXPR_REL_ULE,
	EXPR_REL_UGT,
	EXPR_REL_UGE,
	EXPR_REL_SLT,
	EXPR_REL_SLE,
	EXPR_REL_SGT,
	EXPR_REL_SGE,
};

/* A comparison: a rel b, a constant always being b. */
struct expr_cond {
	enum expr_rel rel;
	const struct expr *a, *b;
};
/*
 * The 1-bit value e as a comparison: EQ, NE, ULT ... with constants moved to the right
 * (5 slt x is x sgt 5); the sign bit of an 8, 16, 32 or 64 bit part is `part slt 0`; any other
 * 1-bit value v is `v ne 0`.
 */
struct expr_cond expr_cond(struct expr_pool *p, const struct expr *e);
const char *expr_rel_name(enum expr_rel rel); /* "eq", "ugt" ... */

#endif
