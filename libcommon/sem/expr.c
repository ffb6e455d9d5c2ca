/*
 * expr.c: the pool: hash-consed nodes, leaves, and the public names of the constructors.
 *
 * The canonical hash of a node is computed from its operator and the canonical hashes of its
 * arguments, never from pointers, and doubles as the key of the pool's table. Simplification is
 * sem/rewrite.c; this file only keeps nodes unique.
 */
#include "sem/expr.h"

#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "sem/rewrite.h"
#include "sem/simd.h"

enum { DEFAULT_CAP = 1 << 16, FIRST_SLOTS = 1 << 10 };

struct expr_pool {
	struct arena arena;
	const struct expr **node; /* by id; count of them */
	uint32_t *place; /* the slot of each node, to empty the table without clearing it */
	size_t capnodes;
	uint32_t count, cap;
	uint32_t *slot; /* id + 1, or 0; nslots is a power of two */
	size_t nslots;
	bool full;
	const struct expr *trunc[EXPR_MAX_WIDTH + 1]; /* made when first needed */
	bool any_trunc;
	struct map names;              /* interned names of FN nodes */
	uint64_t fired[REWRITE_COUNT]; /* how often each rule was used */
};

struct expr_pool *expr_pool_new(uint32_t cap)
{
	struct expr_pool *p = mem_zalloc(1, sizeof(*p));

	p->cap = cap ? cap : DEFAULT_CAP;
	p->nslots = FIRST_SLOTS;
	p->slot = mem_zalloc(p->nslots, sizeof(*p->slot));
	return p;
}

void expr_pool_free(struct expr_pool *p)
{
	if (!p)
		return;
	arena_free(&p->arena);
	map_free(&p->names);
	mem_free(p->node);
	mem_free(p->place);
	mem_free(p->slot);
	mem_free(p);
}

void expr_pool_reset(struct expr_pool *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		p->slot[p->place[i]] = 0;
	p->count = 0;
	p->full = false;
	if (p->any_trunc)
		memset(p->trunc, 0, sizeof(p->trunc));
	p->any_trunc = false;
	if (p->names.count)
		map_reset(&p->names);
	arena_reset(&p->arena);
}

bool expr_pool_full(const struct expr_pool *p)
{
	return p->full;
}

uint32_t expr_pool_count(const struct expr_pool *p)
{
	return p->count;
}

const struct expr *expr_pool_node(const struct expr_pool *p, uint32_t id)
{
	return p->node[id];
}

const char *expr_op_name(enum expr_op op)
{
	static const char *const name[] = {
#define NAME(op, text) text,
		EXPR_OPS(NAME)
#undef NAME
	};

	return (unsigned)op < EXPR_OP_COUNT ? name[op] : "?";
}

const char *expr_simd_name(const struct expr *e)
{
	return simd_name(e->lo);
}

uint64_t *expr_rule_counts(struct expr_pool *p)
{
	return p->fired;
}

static void grow_table(struct expr_pool *p)
{
	size_t n = p->nslots * 2;

	mem_free(p->slot);
	p->slot = mem_zalloc(n, sizeof(*p->slot));
	p->nslots = n;
	for (uint32_t k = 0; k < p->count; k++) {
		size_t i = p->node[k]->hash & (n - 1);

		while (p->slot[i])
			i = (i + 1) & (n - 1);
		p->slot[i] = k + 1;
		p->place[k] = (uint32_t)i;
	}
}

static const struct expr *trunc_node(struct expr_pool *p, unsigned width)
{
	struct expr *e;

	if (p->trunc[width])
		return p->trunc[width];
	e = arena_zget(&p->arena, 1, sizeof(*e));
	e->op = EXPR_TRUNC;
	e->width = (uint16_t)width;
	e->size = 1;
	e->id = UINT32_MAX - width; /* outside the numbers of real nodes */
	e->hash = hash_mix(EXPR_TRUNC * 1024u + width + 1);
	p->trunc[width] = e;
	p->any_trunc = true;
	return e;
}

static uint64_t mix2(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Words of a constant of that width. */
static unsigned words_of(unsigned width)
{
	return (width + 63) / 64;
}

static bool same(const struct expr *e, const struct expr *key, const struct expr *const *args)
{
	if (e->hash != key->hash || e->op != key->op || e->width != key->width ||
		e->lo != key->lo || e->nargs != key->nargs)
		return false;
	if (e->op == EXPR_CONST && e->width > 64)
		return !memcmp(e->words, key->words, words_of(e->width) * sizeof(*e->words));
	/* Names are interned, so that the pointer decides. */
	if ((e->op == EXPR_CONST && e->val != key->val) ||
		(e->op == EXPR_FN && e->name != key->name))
		return false;
	for (unsigned i = 0; i < e->nargs; i++)
		if (e->arg[i] != args[i])
			return false;
	return true;
}

/* The node with the fields of key (all but id and size) and these arguments. */
static const struct expr *intern(
	struct expr_pool *p, const struct expr *key, const struct expr *const *args)
{
	size_t i = key->hash & (p->nslots - 1);
	uint64_t size = 1;
	struct expr *e;

	for (; p->slot[i]; i = (i + 1) & (p->nslots - 1))
		if (same(p->node[p->slot[i] - 1], key, args))
			return p->node[p->slot[i] - 1];
	/* Constants are few (each comes from an instruction), and rules must be able to count. */
	if (p->count >= p->cap && key->op != EXPR_CONST) {
		p->full = true;
		return trunc_node(p, key->width);
	}
	e = arena_get(&p->arena, 1, sizeof(*e) + key->nargs * sizeof(e->arg[0]));
	memcpy(e, key, sizeof(*e));
	for (unsigned k = 0; k < key->nargs; k++) {
		e->arg[k] = args[k];
		size += args[k]->size;
	}
	e->size = (uint32_t)MIN(size, UINT32_MAX);
	if (e->op == EXPR_CONST && e->width > 64) {
		size_t n = words_of(e->width);
		uint64_t *w = arena_get(&p->arena, n, sizeof(*w));

		e->words = memcpy(w, key->words, n * sizeof(*w));
	}
	e->id = p->count;
	if (p->count == p->capnodes) {
		size_t cap = p->capnodes;

		p->node = mem_grow(p->node, &p->capnodes, p->count + 1, sizeof(*p->node));
		p->place = mem_grow(p->place, &cap, p->capnodes, sizeof(*p->place));
	}
	p->node[p->count] = e;
	p->place[p->count] = (uint32_t)i;
	p->slot[i] = ++p->count;
	if (p->count * 2 > p->nslots)
		grow_table(p);
	return e;
}

/* What tells the operator from others; of SIMD the name, for the numbers are another in each build.
 */
static uint64_t operator_hash(enum expr_op op, unsigned width, unsigned lo)
{
	const char *name = op == EXPR_SIMD ? simd_name(lo) : NULL;

	return mix2(mix2(op + 1, width), name ? hash_64(name, strlen(name)) : lo);
}

const struct expr *expr_raw(struct expr_pool *p, enum expr_op op, unsigned width, unsigned lo,
	const struct expr *const *args, unsigned n)
{
	struct expr key = {.op = (uint8_t)op,
		.width = (uint16_t)width,
		.lo = (uint16_t)lo,
		.nargs = (uint8_t)n};

	key.hash = operator_hash(op, width, lo);
	for (unsigned i = 0; i < n; i++) {
		if (args[i]->op == EXPR_TRUNC)
			return trunc_node(p, width);
		key.hash = mix2(key.hash, args[i]->hash);
	}
	return intern(p, &key, args);
}

const struct expr *expr_const(struct expr_pool *p, unsigned width, uint64_t v)
{
	struct expr key = {.op = EXPR_CONST, .width = (uint16_t)width};

	if (width > 64) {
		uint64_t w[EXPR_WORDS] = {v};

		return expr_wide(p, width, w);
	}
	key.val = width < 64 ? v & ((UINT64_C(1) << width) - 1) : v;
	key.hash = mix2(mix2(EXPR_CONST + 1, width), hash_mix(key.val + 1));
	return intern(p, &key, NULL);
}

const struct expr *expr_wide(struct expr_pool *p, unsigned width, const uint64_t *words)
{
	struct expr key = {.op = EXPR_CONST, .width = (uint16_t)width};
	uint64_t w[EXPR_WORDS];
	unsigned n = words_of(width);

	if (width <= 64)
		return expr_const(p, width, words[0]);
	memcpy(w, words, n * sizeof(*w));
	if (width % 64)
		w[n - 1] &= (UINT64_C(1) << width % 64) - 1;
	key.words = w;
	key.hash = mix2(EXPR_CONST + 1, width);
	for (unsigned i = 0; i < n; i++)
		key.hash = mix2(key.hash, hash_mix(w[i] + 1));
	return intern(p, &key, NULL);
}

const struct expr *expr_input(struct expr_pool *p, unsigned reg, unsigned width)
{
	return expr_raw(p, EXPR_INPUT, width, reg, NULL, 0);
}

const struct expr *expr_load(
	struct expr_pool *p, const struct expr *mem, const struct expr *addr, unsigned width)
{
	const struct expr *args[2] = {addr, mem};

	return expr_raw(p, EXPR_LOAD, width, 0, args, mem ? 2 : 1);
}

const struct expr *expr_store(struct expr_pool *p, const struct expr *mem, const struct expr *addr,
	const struct expr *val)
{
	const struct expr *args[3] = {addr, val, mem};

	return expr_raw(p, EXPR_STORE, 0, 0, args, mem ? 3 : 2);
}

const struct expr *expr_fn(struct expr_pool *p, const char *name, unsigned out, unsigned width,
	const struct expr *const *args, unsigned n)
{
	struct expr key = {.op = EXPR_FN, .width = (uint16_t)width, .lo = (uint16_t)out};
	struct map_entry *e = map_put(&p->names, name, strlen(name), NULL);

	n = MIN(n, (unsigned)EXPR_MAX_ARGS);
	key.nargs = (uint8_t)n;
	key.name = e->key;
	key.hash = mix2(mix2(mix2(EXPR_FN + 1, width), out), e->hash);
	for (unsigned i = 0; i < n; i++) {
		if (args[i]->op == EXPR_TRUNC)
			return trunc_node(p, width);
		key.hash = mix2(key.hash, args[i]->hash);
	}
	return intern(p, &key, args);
}

static const struct expr *copied(const struct map64 *done, const struct expr *e)
{
	uint64_t *to = map64_get(done, (uint64_t)(uintptr_t)e);

	return to ? (const struct expr *)(uintptr_t)*to : NULL;
}

/* A node whose arguments are copied. */
static const struct expr *copy_node(
	struct expr_pool *p, const struct expr *e, const struct map64 *done)
{
	const struct expr *args[EXPR_MAX_ARGS];

	for (unsigned i = 0; i < e->nargs; i++)
		args[i] = copied(done, e->arg[i]);
	switch (e->op) {
	case EXPR_CONST: return expr_wide(p, e->width, expr_words(e));
	case EXPR_FN: return expr_fn(p, e->name, e->lo, e->width, args, e->nargs);
	case EXPR_TRUNC: return trunc_node(p, e->width);
	default: return expr_raw(p, e->op, e->width, e->lo, args, e->nargs);
	}
}

const struct expr *expr_copy(struct expr_pool *p, const struct expr *root, struct map64 *done)
{
	const struct expr **stack = NULL;
	size_t n = 0, cap = 0;

	stack = mem_grow(stack, &cap, 1, sizeof(*stack));
	stack[n++] = root;
	while (n) {
		const struct expr *e = stack[n - 1];
		size_t before = n;

		stack = mem_grow(stack, &cap, n + e->nargs, sizeof(*stack));
		for (unsigned i = 0; i < e->nargs; i++)
			if (!copied(done, e->arg[i]))
				stack[n++] = e->arg[i];
		if (n > before)
			continue;
		n--;
		*map64_put(done, (uint64_t)(uintptr_t)e, NULL) =
			(uint64_t)(uintptr_t)copy_node(p, e, done);
	}
	mem_free(stack);
	return copied(done, root);
}

/* The public names of what rewrite.c does. */

#define UNARY(name, OP)                                                           \
	const struct expr *expr_##name(struct expr_pool *p, const struct expr *a) \
	{                                                                         \
		return rewrite_make(p, EXPR_##OP, a->width, 0, &a, 1);            \
	}
#define BINARY(name, OP, bits)                                                   \
	const struct expr *expr_##name(                                          \
		struct expr_pool *p, const struct expr *a, const struct expr *b) \
	{                                                                        \
		const struct expr *args[] = {a, b};                              \
                                                                                 \
		return rewrite_make(p, EXPR_##OP, bits, 0, args, 2);             \
	}

UNARY(not, NOT)
UNARY(popcnt, POPCNT)
UNARY(clz, CLZ)
UNARY(ctz, CTZ)
BINARY(and, AND, a->width)
BINARY(or, OR, a->width)
BINARY(xor, XOR, a->width)
BINARY(add, ADD, a->width)
BINARY(mul, MUL, a->width)
BINARY(udiv, UDIV, a->width)
BINARY(urem, UREM, a->width)
BINARY(sdiv, SDIV, a->width)
BINARY(srem, SREM, a->width)
BINARY(shl, SHL, a->width)
BINARY(lshr, LSHR, a->width)
BINARY(ashr, ASHR, a->width)
BINARY(rol, ROL, a->width)
BINARY(ror, ROR, a->width)
BINARY(pdep, PDEP, a->width)
BINARY(pext, PEXT, a->width)
BINARY(eq, EQ, 1)
BINARY(ne, NE, 1)
BINARY(ult, ULT, 1)
BINARY(ule, ULE, 1)
BINARY(slt, SLT, 1)
BINARY(sle, SLE, 1)
BINARY(concat, CONCAT, a->width + b->width)

const struct expr *expr_neg(struct expr_pool *p, const struct expr *a)
{
	return expr_sub(p, expr_const(p, a->width, 0), a);
}

const struct expr *expr_sub(struct expr_pool *p, const struct expr *a, const struct expr *b)
{
	uint64_t ones[EXPR_WORDS];

	if (b->op == EXPR_CONST && b->width <= 64)
		return expr_add(p, a, expr_const(p, b->width, 0 - b->val));
	memset(ones, 0xff, sizeof(ones));
	return expr_add(p, a, expr_mul(p, expr_wide(p, a->width, ones), b));
}

const struct expr *expr_concatn(struct expr_pool *p, const struct expr *const *piece, unsigned n)
{
	unsigned width = 0;

	for (unsigned i = 0; i < n; i++)
		width += piece[i]->width;
	return rewrite_make(p, EXPR_CONCAT, width, 0, piece, n);
}

const struct expr *expr_extract(
	struct expr_pool *p, const struct expr *a, unsigned lo, unsigned width)
{
	if (width == a->width) { /* most often */
		RULE(p, EXTRACT_ALL);
		return a;
	}
	return rewrite_make(p, EXPR_EXTRACT, width, lo, &a, 1);
}

const struct expr *expr_zext(struct expr_pool *p, const struct expr *a, unsigned width)
{
	const struct expr *piece[2];

	if (width <= a->width)
		return expr_extract(p, a, 0, width);
	piece[0] = expr_const(p, width - a->width, 0);
	piece[1] = a;
	if (a->op == EXPR_CONST || a->op == EXPR_CONCAT || a->op == EXPR_ITE)
		return rewrite_make(p, EXPR_CONCAT, width, 0, piece, 2);
	return expr_raw(p, EXPR_CONCAT, width, 0, piece, 2); /* there is no rule for it */
}

const struct expr *expr_sext(struct expr_pool *p, const struct expr *a, unsigned width)
{
	if (width <= a->width)
		return expr_extract(p, a, 0, width);
	return rewrite_make(p, EXPR_SEXT, width, 0, &a, 1);
}

const struct expr *expr_ite(
	struct expr_pool *p, const struct expr *c, const struct expr *a, const struct expr *b)
{
	const struct expr *args[] = {c, a, b};

	return rewrite_make(p, EXPR_ITE, a->width, 0, args, 3);
}

const struct expr *expr_simd(struct expr_pool *p, unsigned simd_op, unsigned width,
	const struct expr *const *args, unsigned n)
{
	return rewrite_make(p, EXPR_SIMD, width, simd_op, args, n);
}

/* Looking at nodes. */

const uint64_t *expr_words(const struct expr *e)
{
	return e->width > 64 ? e->words : &e->val;
}

bool expr_is_const(const struct expr *e, uint64_t v)
{
	if (e->op != EXPR_CONST)
		return false;
	for (unsigned i = 1; i < words_of(e->width); i++)
		if (e->words[i])
			return false;
	return expr_words(e)[0] == v;
}

bool expr_is_ones(const struct expr *e)
{
	unsigned n = words_of(e->width);

	if (e->op != EXPR_CONST)
		return false;
	for (unsigned i = 0; i < n; i++) {
		unsigned bits = i + 1 < n || e->width % 64 == 0 ? 64 : e->width % 64;

		if (expr_words(e)[i] != UINT64_MAX >> (64 - bits))
			return false;
	}
	return true;
}

/* Of a constant of up to 64 bits. */
static int64_t signed_value(const struct expr *e)
{
	unsigned shift = 64u - e->width;

	return (int64_t)(e->val << shift) >> shift;
}

void expr_split(
	struct expr_pool *p, const struct expr *addr, const struct expr **base, int64_t *offset)
{
	*base = addr;
	*offset = 0;
	if (addr->op == EXPR_CONST) {
		*base = NULL;
		*offset = signed_value(addr);
	} else if (addr->op == EXPR_ADD && addr->arg[0]->op == EXPR_CONST && addr->width <= 64) {
		*offset = signed_value(addr->arg[0]);
		*base = addr->nargs == 2 ? addr->arg[1]
					 : expr_raw(p, EXPR_ADD, addr->width, 0, addr->arg + 1,
						   addr->nargs - 1u);
	}
}

const char *expr_rel_name(enum expr_rel rel)
{
	static const char *const name[] = {
		"eq", "ne", "ult", "ule", "ugt", "uge", "slt", "sle", "sgt", "sge"};

	return name[rel];
}

/* Is e the sign bit of a part of a register, of memory or of another whole value? */
static bool is_sign(const struct expr *e)
{
	unsigned hi = e->lo + 1u;

	return e->op == EXPR_EXTRACT && (hi == 8 || hi == 16 || hi == 32 || hi == 64);
}

struct expr_cond expr_cond(struct expr_pool *p, const struct expr *e)
{
	static const enum expr_rel plain[] = {
		EXPR_REL_EQ, EXPR_REL_NE, EXPR_REL_ULT, EXPR_REL_ULE, EXPR_REL_SLT, EXPR_REL_SLE};
	static const enum expr_rel turned[] = {
		EXPR_REL_EQ, EXPR_REL_NE, EXPR_REL_UGT, EXPR_REL_UGE, EXPR_REL_SGT, EXPR_REL_SGE};
	bool no = e->op == EXPR_EQ && e->arg[0]->width == 1 && expr_is_const(e->arg[1], 0);
	const struct expr *bit = no ? e->arg[0] : e;

	if (is_sign(bit)) {
		const struct expr *part = expr_extract(p, bit->arg[0], 0, bit->lo + 1u);

		return (struct expr_cond){
			no ? EXPR_REL_SGE : EXPR_REL_SLT, part, expr_const(p, part->width, 0)};
	}
	if (e->op >= EXPR_EQ && e->op <= EXPR_SLE) {
		unsigned i = e->op - EXPR_EQ;

		if (e->arg[0]->op == EXPR_CONST)
			return (struct expr_cond){turned[i], e->arg[1], e->arg[0]};
		return (struct expr_cond){plain[i], e->arg[0], e->arg[1]};
	}
	return (struct expr_cond){EXPR_REL_NE, e, expr_const(p, 1, 0)};
}
