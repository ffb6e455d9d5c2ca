/*
 * eval.c: concrete evaluation: a depth-first walk with its own stack, so that no expression is too
 * deep for it, and the operators on bit vectors of up to 512 bits.
 */
#include "sem/eval.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sem/simd.h"

typedef unsigned __int128 u128; /* the one arithmetic type C11 has no name for */
typedef __int128 s128;

static unsigned words_of(unsigned width)
{
	return (width + 63) / 64;
}

static void cut(uint64_t *w, unsigned width)
{
	if (width % 64)
		w[words_of(width) - 1] &= (UINT64_C(1) << width % 64) - 1;
}

static bool bit(const uint64_t *w, unsigned i)
{
	return w[i / 64] >> i % 64 & 1;
}

/* Values up to 128 bits as numbers. */

static u128 get(const struct eval_arg *a)
{
	return a->width > 64 ? (u128)a->words[1] << 64 | a->words[0] : a->words[0];
}

static s128 get_signed(const struct eval_arg *a)
{
	unsigned shift = 128 - a->width;

	return (s128)(get(a) << shift) >> shift;
}

static void put(uint64_t *out, unsigned width, u128 v)
{
	memset(out, 0, words_of(width) * sizeof(*out));
	out[0] = (uint64_t)v;
	if (width > 64)
		out[1] = (uint64_t)(v >> 64);
	cut(out, width);
}

/* Bits lo to lo + width - 1 of w, which has at least that many. */
static void extract(uint64_t *out, const uint64_t *w, unsigned lo, unsigned width, unsigned from)
{
	unsigned n = words_of(width), last = words_of(from);

	for (unsigned i = 0; i < n; i++) {
		unsigned k = lo / 64 + i;

		out[i] = k < last ? w[k] >> lo % 64 : 0;
		if (lo % 64 && k + 1 < last)
			out[i] |= w[k + 1] << (64 - lo % 64);
	}
	cut(out, width);
}

/* Puts the width bits of w at bit lo of out, which is zero there. */
static void insert(uint64_t *out, const uint64_t *w, unsigned lo, unsigned width)
{
	for (unsigned i = 0; i < words_of(width); i++) {
		unsigned k = lo / 64 + i;

		out[k] |= w[i] << lo % 64;
		if (lo % 64 && lo % 64 + MIN(width - i * 64, 64u) > 64)
			out[k + 1] |= w[i] >> (64 - lo % 64);
	}
}

static void add(uint64_t *out, const uint64_t *w, unsigned n)
{
	unsigned char carry = 0;

	for (unsigned i = 0; i < n; i++) {
		u128 sum = (u128)out[i] + w[i] + carry;

		out[i] = (uint64_t)sum;
		carry = (unsigned char)(sum >> 64);
	}
}

static void mul(uint64_t *out, const uint64_t *w, unsigned n)
{
	uint64_t r[EXPR_WORDS] = {0};

	for (unsigned i = 0; i < n; i++) {
		uint64_t carry = 0;

		for (unsigned k = 0; i + k < n; k++) {
			u128 t = (u128)out[i] * w[k] + r[i + k] + carry;

			r[i + k] = (uint64_t)t;
			carry = (uint64_t)(t >> 64);
		}
	}
	memcpy(out, r, n * sizeof(*out));
}

static void fold(
	enum expr_op op, unsigned width, const struct eval_arg *arg, unsigned nargs, uint64_t *out)
{
	unsigned n = words_of(width);

	memcpy(out, arg[0].words, n * sizeof(*out));
	for (unsigned k = 1; k < nargs; k++) {
		const uint64_t *w = arg[k].words;

		if (op == EXPR_ADD)
			add(out, w, n);
		else if (op == EXPR_MUL)
			mul(out, w, n);
		else
			for (unsigned i = 0; i < n; i++)
				out[i] = op == EXPR_AND  ? out[i] & w[i]
					 : op == EXPR_OR ? out[i] | w[i]
							 : out[i] ^ w[i];
	}
	cut(out, width);
}

static u128 divide(enum expr_op op, const struct eval_arg *a, const struct eval_arg *b)
{
	u128 x = get(a), y = get(b);
	s128 sx = get_signed(a), sy = get_signed(b);

	switch (op) {
	case EXPR_UDIV: return y ? x / y : ~(u128)0;
	case EXPR_UREM: return y ? x % y : x;
	case EXPR_SDIV:
		if (!y)
			return sx < 0 ? 1 : ~(u128)0;
		return sy == -1 ? -x : (u128)(sx / sy);
	default: /* SREM */
		if (!y)
			return x;
		return sy == -1 ? 0 : (u128)(sx % sy);
	}
}

static u128 shift(enum expr_op op, const struct eval_arg *a, u128 n)
{
	u128 x = get(a);
	unsigned w = a->width;

	if (op == EXPR_ROL || op == EXPR_ROR) {
		unsigned k = (unsigned)(n % w);

		if (op == EXPR_ROR)
			k = (w - k) % w;
		return k ? x << k | x >> (w - k) : x;
	}
	if (n >= w)
		return op == EXPR_ASHR && get_signed(a) < 0 ? ~(u128)0 : 0;
	switch (op) {
	case EXPR_SHL: return x << n;
	case EXPR_LSHR: return x >> n;
	default: return (u128)(get_signed(a) >> n);
	}
}

static unsigned count(enum expr_op op, const struct eval_arg *a)
{
	unsigned n = 0, w = a->width;

	switch (op) {
	case EXPR_POPCNT:
		for (unsigned i = 0; i < words_of(w); i++)
			n += (unsigned)__builtin_popcountll(a->words[i]);
		return n;
	case EXPR_CLZ:
		while (n < w && !bit(a->words, w - 1 - n))
			n++;
		return n;
	default:
		while (n < w && !bit(a->words, n))
			n++;
		return n;
	}
}

static uint64_t deposit(enum expr_op op, uint64_t x, uint64_t mask)
{
	uint64_t r = 0;
	unsigned k = 0;

	for (unsigned i = 0; i < 64; i++)
		if (mask >> i & 1) {
			if (op == EXPR_PDEP)
				r |= (x >> k & 1) << i;
			else
				r |= (x >> i & 1) << k;
			k++;
		}
	return r;
}

static bool compare(enum expr_op op, const struct eval_arg *a, const struct eval_arg *b)
{
	if (op == EXPR_EQ || op == EXPR_NE)
		return !memcmp(a->words, b->words, words_of(a->width) * sizeof(*a->words)) ==
		       (op == EXPR_EQ);
	switch (op) {
	case EXPR_ULT: return get(a) < get(b);
	case EXPR_ULE: return get(a) <= get(b);
	case EXPR_SLT: return get_signed(a) < get_signed(b);
	default: return get_signed(a) <= get_signed(b);
	}
}

void eval_apply(enum expr_op op, unsigned width, unsigned lo, const struct eval_arg *arg,
	unsigned nargs, uint64_t *out)
{
	unsigned n = words_of(width), at = width;

	switch (op) {
	case EXPR_NOT:
		for (unsigned i = 0; i < n; i++)
			out[i] = ~arg[0].words[i];
		cut(out, width);
		return;
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_XOR:
	case EXPR_ADD:
	case EXPR_MUL: fold(op, width, arg, nargs, out); return;
	case EXPR_UDIV:
	case EXPR_UREM:
	case EXPR_SDIV:
	case EXPR_SREM: put(out, width, divide(op, &arg[0], &arg[1])); return;
	case EXPR_SHL:
	case EXPR_LSHR:
	case EXPR_ASHR:
	case EXPR_ROL:
	case EXPR_ROR: put(out, width, shift(op, &arg[0], get(&arg[1]))); return;
	case EXPR_CONCAT:
		memset(out, 0, n * sizeof(*out));
		for (unsigned i = 0; i < nargs; i++) {
			at -= arg[i].width;
			insert(out, arg[i].words, at, arg[i].width);
		}
		return;
	case EXPR_EXTRACT: extract(out, arg[0].words, lo, width, arg[0].width); return;
	case EXPR_SEXT:
		memset(out, bit(arg[0].words, arg[0].width - 1) ? 0xff : 0, n * sizeof(*out));
		if (arg[0].width % 64)
			out[arg[0].width / 64] &= ~((UINT64_C(1) << arg[0].width % 64) - 1);
		for (unsigned i = 0; i < words_of(arg[0].width); i++)
			out[i] = arg[0].width / 64 > i ? arg[0].words[i] : out[i] | arg[0].words[i];
		cut(out, width);
		return;
	case EXPR_EQ:
	case EXPR_NE:
	case EXPR_ULT:
	case EXPR_ULE:
	case EXPR_SLT:
	case EXPR_SLE: out[0] = compare(op, &arg[0], &arg[1]); return;
	case EXPR_ITE: memcpy(out, arg[arg[0].words[0] ? 1 : 2].words, n * sizeof(*out)); return;
	case EXPR_POPCNT:
	case EXPR_CLZ:
	case EXPR_CTZ: put(out, width, count(op, &arg[0])); return;
	case EXPR_PDEP:
	case EXPR_PEXT:
		out[0] = deposit(op, arg[0].words[0], arg[1].words[0]);
		cut(out, width);
		return;
	case EXPR_SIMD: simd_apply(lo, width, arg, nargs, out); return;
	default: memset(out, 0, n * sizeof(*out)); return; /* leaves have no operation */
	}
}

void eval_reset(struct eval *v)
{
	arena_reset(&v->arena);
	if (v->nvalues)
		memset(v->value, 0, v->nvalues * sizeof(*v->value));
}

void eval_free(struct eval *v)
{
	arena_free(&v->arena);
	mem_free(v->value);
	mem_free(v->stack);
	*v = (struct eval){0};
}

static uint64_t hash_words(uint64_t h, const uint64_t *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		h = hash_mix(h + w[i] + 0x9e3779b97f4a7c15u);
	return h;
}

/* An uninterpreted function: numbers from a hash; a memory (width 0) is one number. */
static void apply_fn(struct eval *v, const struct expr *e, uint64_t *out)
{
	uint64_t h = hash_mix(hash_64(e->name, strlen(e->name)) + e->lo);

	for (unsigned i = 0; i < e->nargs; i++)
		h = hash_words(h + e->arg[i]->width, v->value[e->arg[i]->id],
			MAX(words_of(e->arg[i]->width), 1u));
	for (unsigned i = 0; i < MAX(words_of(e->width), 1u); i++)
		out[i] = hash_mix(h + i);
	cut(out, e->width);
}

/* One byte of memory mem at addr. The parts of a chain of stores have their values already. */
static uint8_t load_byte(struct eval *v, const struct expr *mem, uint64_t addr)
{
	uint8_t b;

	for (; mem && mem->op == EXPR_STORE; mem = mem->nargs > 2 ? mem->arg[2] : NULL) {
		uint64_t k = addr - v->value[mem->arg[0]->id][0];

		if (k < mem->arg[1]->width / 8u)
			return (uint8_t)(v->value[mem->arg[1]->id][k / 8] >> k % 8 * 8);
	}
	if (mem)
		return (uint8_t)hash_mix(v->value[mem->id][0] + addr);
	v->load(v->ctx, addr, 1, &b);
	return b;
}

static void apply(struct eval *v, const struct expr *e, uint64_t *out)
{
	struct eval_arg arg[EXPR_MAX_ARGS];

	switch (e->op) {
	case EXPR_CONST: memcpy(out, expr_words(e), words_of(e->width) * sizeof(*out)); return;
	case EXPR_INPUT:
		v->input(v->ctx, e->lo, e->width, out);
		cut(out, e->width);
		return;
	case EXPR_LOAD:
		memset(out, 0, words_of(e->width) * sizeof(*out));
		for (unsigned i = 0; i < e->width / 8u; i++)
			out[i / 8] |= (uint64_t)load_byte(v, e->nargs > 1 ? e->arg[1] : NULL,
					      v->value[e->arg[0]->id][0] + i)
				      << i % 8 * 8;
		return;
	case EXPR_STORE: return; /* only a link between its parts */
	case EXPR_FN: apply_fn(v, e, out); return;
	}
	for (unsigned i = 0; i < e->nargs; i++)
		arg[i] = (struct eval_arg){v->value[e->arg[i]->id], e->arg[i]->width};
	eval_apply(e->op, e->width, e->lo, arg, e->nargs, out);
}

int eval_expr(struct eval *v, const struct expr *root, uint64_t *out)
{
	size_t n = 0;

	if (root->op == EXPR_TRUNC)
		return -1;
	if (root->id >= v->nvalues) { /* arguments have smaller ids */
		size_t old = v->nvalues;

		v->value = mem_grow(v->value, &v->nvalues, root->id + 1u, sizeof(*v->value));
		memset(v->value + old, 0, (v->nvalues - old) * sizeof(*v->value));
	}
	v->stack = mem_grow(v->stack, &v->capstack, 1, sizeof(*v->stack));
	v->stack[n++] = root;
	while (n) {
		const struct expr *e = v->stack[n - 1];
		size_t before = n;

		if (v->value[e->id]) {
			n--;
			continue;
		}
		v->stack = mem_grow(v->stack, &v->capstack, n + e->nargs, sizeof(*v->stack));
		for (unsigned i = 0; i < e->nargs; i++)
			if (!v->value[e->arg[i]->id])
				v->stack[n++] = e->arg[i];
		if (n > before)
			continue;
		n--;
		v->value[e->id] =
			arena_get(&v->arena, MAX(words_of(e->width), 1u), sizeof(uint64_t));
		apply(v, e, v->value[e->id]);
	}
	memcpy(out, v->value[root->id], words_of(root->width) * sizeof(*out));
	return 0;
}
