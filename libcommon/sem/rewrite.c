/*
 * rewrite.c: the entrance of the rewriter: constant folding, dispatch by operator, and what the
 * other files of it share. The rules stand in rewrite_bits.c, rewrite_arith.c, rewrite_parts.c and
 * rewrite_cmp.c; rewrite.h lists them all.
 */
#include "sem/rewrite.h"

#include "sem/eval.h"

const char *rewrite_text(enum rewrite_rule r)
{
	static const char *const text[] = {
#define TEXT(name, text) text,
		REWRITE_RULES(TEXT)
#undef TEXT
	};

	return text[r];
}

const char *rewrite_name(enum rewrite_rule r)
{
	static const char *const name[] = {
#define NAME(name, text) #name,
		REWRITE_RULES(NAME)
#undef NAME
	};

	return name[r];
}

/* Registers and parts of them first, then memory, then all else. */
static unsigned rank(const struct expr *e)
{
	switch (e->op) {
	case EXPR_CONST: return 0;
	case EXPR_INPUT: return 1;
	case EXPR_EXTRACT: return e->arg[0]->op == EXPR_INPUT ? 1 : 3;
	case EXPR_LOAD: return 2;
	default: return 3;
	}
}

/* The register of an INPUT or of a part of one, and the part. */
static unsigned register_key(const struct expr *e)
{
	return e->op == EXPR_INPUT ? e->lo * 1024u : e->arg[0]->lo * 1024u + e->lo + 1;
}

int rewrite_order(const struct expr *a, const struct expr *b)
{
	unsigned ra = rank(a), rb = rank(b);

	if (a == b)
		return 0;
	if (ra != rb)
		return ra < rb ? -1 : 1;
	if (ra == 1 && register_key(a) != register_key(b))
		return register_key(a) < register_key(b) ? -1 : 1;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->id < b->id ? -1 : 1;
}

unsigned rewrite_zeros(const struct expr *e)
{
	unsigned n = 0;

	if (e->op == EXPR_CONCAT) {
		while (n < e->nargs - 1u && expr_is_const(e->arg[n], 0))
			n++; /* adjacent constants are one piece: n is 0 or 1 */
		return n ? e->arg[0]->width : 0;
	}
	if (e->op != EXPR_CONST)
		return 0;
	while (n < e->width &&
		!(expr_words(e)[(e->width - 1 - n) / 64] >> (e->width - 1 - n) % 64 & 1))
		n++;
	return n;
}

unsigned rewrite_signed_bits(const struct expr *e)
{
	if (e->op == EXPR_SEXT)
		return e->arg[0]->width;
	if (e->op == EXPR_CONST && e->width <= 64) {
		int64_t v = (int64_t)(e->val << (64 - e->width)) >> (64 - e->width);

		for (unsigned n = 1; n < e->width; n++)
			if (v >> (n - 1) == 0 || v >> (n - 1) == -1)
				return n;
		return e->width;
	}
	return rewrite_zeros(e) ? e->width - rewrite_zeros(e) + 1 : e->width;
}

/* What is folded most, up to 64 bits: false for all else. */
static bool fold_small(enum expr_op op, unsigned width, unsigned lo, const struct expr *const *args,
	unsigned n, uint64_t *v)
{
	if (width > 64 || args[0]->width > 64)
		return false;
	*v = args[0]->val;
	if (op == EXPR_EXTRACT)
		*v >>= lo;
	else if (op != EXPR_ADD && op != EXPR_MUL && op != EXPR_CONCAT)
		return false;
	for (unsigned i = 1; i < n; i++)
		*v = op == EXPR_ADD   ? *v + args[i]->val
		     : op == EXPR_MUL ? *v * args[i]->val
				      : *v << args[i]->width | args[i]->val;
	return true;
}

static const struct expr *fold(struct expr_pool *p, enum expr_op op, unsigned width, unsigned lo,
	const struct expr *const *args, unsigned n)
{
	struct eval_arg arg[EXPR_MAX_ARGS];
	uint64_t out[EXPR_WORDS], v;

	RULE(p, FOLD);
	if (fold_small(op, width, lo, args, n, &v))
		return expr_const(p, width, v);
	for (unsigned i = 0; i < n; i++)
		arg[i] = (struct eval_arg){expr_words(args[i]), args[i]->width};
	eval_apply(op, width, lo, arg, n, out);
	return expr_wide(p, width, out);
}

static bool all_const(const struct expr *const *args, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (args[i]->op != EXPR_CONST)
			return false;
	return true;
}

const struct expr *rewrite_make(struct expr_pool *p, enum expr_op op, unsigned width, unsigned lo,
	const struct expr *const *args, unsigned n)
{
	if (op >= EXPR_SIMD && n && all_const(args, n))
		return fold(p, op, width, lo, args, n);
	if (expr_pool_full(p)) /* a missing value is no value: no rule may compare it */
		return expr_raw(p, op, width, lo, args, n);
	switch (op) {
	case EXPR_NOT: return rewrite_bits_not(p, args[0]);
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_XOR: return rewrite_bits_op(p, op, width, args, n);
	case EXPR_ADD: return rewrite_arith_add(p, width, args, n);
	case EXPR_MUL: return rewrite_arith_mul(p, width, args, n);
	case EXPR_UDIV:
	case EXPR_UREM:
	case EXPR_SDIV:
	case EXPR_SREM: return rewrite_arith_div(p, op, args[0], args[1]);
	case EXPR_SHL:
	case EXPR_LSHR:
	case EXPR_ASHR:
	case EXPR_ROL:
	case EXPR_ROR: return rewrite_arith_shift(p, op, args[0], args[1]);
	case EXPR_CONCAT: return rewrite_parts_concat(p, width, args, n);
	case EXPR_EXTRACT: return rewrite_parts_extract(p, args[0], lo, width);
	case EXPR_SEXT: return rewrite_parts_sext(p, args[0], width);
	case EXPR_EQ:
	case EXPR_NE:
	case EXPR_ULT:
	case EXPR_ULE:
	case EXPR_SLT:
	case EXPR_SLE: return rewrite_cmp_make(p, op, args[0], args[1]);
	case EXPR_ITE: return rewrite_cmp_ite(p, args[0], args[1], args[2]);
	default: return expr_raw(p, op, width, lo, args, n);
	}
}

const struct expr *rewrite_all(struct expr_pool *p, const struct expr *e)
{
	const struct expr *args[EXPR_MAX_ARGS];

	for (unsigned i = 0; i < e->nargs; i++)
		args[i] = rewrite_all(p, e->arg[i]);
	switch (e->op) {
	case EXPR_CONST:
	case EXPR_INPUT:
	case EXPR_TRUNC: return e;
	case EXPR_FN: return expr_fn(p, e->name, e->lo, e->width, args, e->nargs);
	default: return rewrite_make(p, e->op, e->width, e->lo, args, e->nargs);
	}
}
