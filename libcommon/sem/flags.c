/*
 * flags.c: what operations say about flags, and conditions; see flags.h. After Intel's Software
 * Developer's Manual, volume 1, appendix A and B.
 */
#include "sem/flags.h"

#include <string.h>

#include "sem/simd.h"

static void note_write(struct state *s, unsigned mask)
{
	s->flags_written |= (uint8_t)mask;
	if (s->fx)
		s->fx->flags_written |= (uint8_t)mask;
}

static void note_read(struct state *s, unsigned mask)
{
	s->flags_read |= (uint8_t)(mask & ~(unsigned)s->flags_written);
	if (s->fx)
		s->fx->flags_read |= (uint8_t)mask;
}

void flags_set_named(struct state *s, unsigned mask, enum flags_kind kind, const char *name,
	const struct expr *a, const struct expr *b, const struct expr *r)
{
	struct flags *f = arena_zget(&s->arena, 1, sizeof(*f));

	f->kind = kind;
	f->name = name;
	f->a = a;
	f->b = b;
	f->r = r;
	for (unsigned i = 0; i < X86_FLAG_COUNT; i++)
		if (mask >> i & 1)
			s->flag[i] = f;
	note_write(s, mask);
}

void flags_set(struct state *s, unsigned mask, enum flags_kind kind, const struct expr *a,
	const struct expr *b, const struct expr *r)
{
	flags_set_named(s, mask, kind, NULL, a, b, r);
}

void flags_put(struct state *s, enum x86_flag f, const struct expr *v)
{
	flags_set(s, 1u << f, FLAGS_VALUE, v, NULL, NULL);
}

static void note_undefined(struct state *s, unsigned mask)
{
	if (s->fx)
		s->fx->flags_undefined |= (uint8_t)mask;
}

void flags_undefined(struct state *s, unsigned mask, const char *name, const struct expr *a,
	const struct expr *b)
{
	flags_set_named(s, mask, FLAGS_UNKNOWN, name, a, b, NULL);
	note_undefined(s, mask);
}

void flags_keep(struct state *s, unsigned mask, const struct expr *keep,
	struct flags *const before[X86_FLAG_COUNT])
{
	struct flags **old = arena_get(&s->arena, X86_FLAG_COUNT, sizeof(*old));

	memcpy(old, before, X86_FLAG_COUNT * sizeof(*old));
	for (unsigned i = 0; i < X86_FLAG_COUNT; i++)
		if (mask >> i & 1) {
			s->flag[i]->keep = keep;
			s->flag[i]->old = old;
		}
	if (s->fx)
		s->fx->flags_kept |= (uint8_t)mask;
}

void flags_unless(struct state *s, unsigned mask, const struct expr *holds, unsigned bits)
{
	struct flags *before[X86_FLAG_COUNT];

	memcpy(before, s->flag, sizeof(before));
	for (unsigned i = 0; i < X86_FLAG_COUNT; i++)
		if (mask >> i & 1) {
			before[i] = arena_zget(&s->arena, 1, sizeof(*before[i]));
			before[i]->kind = FLAGS_VALUE;
			before[i]->a = expr_const(s->pool, 1, bits >> i & 1);
		}
	flags_keep(s, mask, expr_not(s->pool, holds), before);
	if (s->fx)
		s->fx->flags_kept &= (uint8_t)~mask; /* they are always set */
}

/* ---- one flag ---- */

static const struct expr *top(struct expr_pool *p, const struct expr *e)
{
	return expr_extract(p, e, e->width - 1u, 1);
}

/* The carry out of each bit of a + b + c = r is in a & b | (a | b) & ~r: the top one. */
static const struct expr *carry_out(
	struct expr_pool *p, const struct expr *a, const struct expr *b, const struct expr *r)
{
	a = top(p, a);
	b = top(p, b);
	r = expr_not(p, top(p, r));
	return expr_or(p, expr_and(p, a, b), expr_and(p, expr_or(p, a, b), r));
}

/* Bit n of a; n is an expression. */
static const struct expr *bit_at(
	struct expr_pool *p, enum flags_kind kind, const struct expr *a, const struct expr *n)
{
	a = kind == FLAGS_SAR ? expr_ashr(p, a, n) : expr_lshr(p, a, n);
	return expr_extract(p, a, 0, 1);
}

/* The part of a product that does not fit says whether it fits. */
static const struct expr *product_overflows(struct expr_pool *p, const struct flags *f)
{
	unsigned w = f->a->width;
	const struct expr *full, *low;

	if (f->kind == FLAGS_MUL) {
		full = expr_mul(p, expr_zext(p, f->a, 2 * w), expr_zext(p, f->b, 2 * w));
		return expr_ne(p, expr_extract(p, full, w, w), expr_const(p, w, 0));
	}
	full = expr_mul(p, expr_sext(p, f->a, 2 * w), expr_sext(p, f->b, 2 * w));
	low = expr_extract(p, full, 0, w);
	return expr_ne(p, full, expr_sext(p, low, 2 * w));
}

static const struct expr *carry(struct expr_pool *p, const struct flags *f)
{
	unsigned w = f->a ? f->a->width : 0;

	switch (f->kind) {
	case FLAGS_ADD: return expr_ult(p, f->r, f->a);
	case FLAGS_ADC: return carry_out(p, f->a, f->b, f->r);
	case FLAGS_SUB: return expr_ult(p, f->a, f->b);
	case FLAGS_SUBC: return expr_ule(p, f->b, f->a);
	/* a - b - c borrows when ~a + b + c carries; its result is ~r. */
	case FLAGS_SBB: return carry_out(p, expr_not(p, f->a), f->b, expr_not(p, f->r));
	case FLAGS_MUL:
	case FLAGS_IMUL: return product_overflows(p, f);
	case FLAGS_SHL:
	case FLAGS_SHLD: /* the last bit shifted out */
		return bit_at(p, f->kind, f->a, expr_sub(p, expr_const(p, w, w), f->b));
	case FLAGS_SHR:
	case FLAGS_SAR:
	case FLAGS_SHRD: return bit_at(p, f->kind, f->a, expr_sub(p, f->b, expr_const(p, w, 1)));
	case FLAGS_ROL: return expr_extract(p, f->r, 0, 1);
	case FLAGS_ROR: return top(p, f->r);
	default: return expr_const(p, 1, 0);
	}
}

/* O of a shift or rotation by one. */
static const struct expr *shift_overflow(struct expr_pool *p, const struct flags *f)
{
	unsigned w = f->a->width;

	switch (f->kind) {
	case FLAGS_SHR: return top(p, f->a);
	case FLAGS_SAR: return expr_const(p, 1, 0);
	case FLAGS_ROL: return expr_xor(p, top(p, f->r), expr_extract(p, f->r, 0, 1));
	case FLAGS_ROR: return expr_xor(p, top(p, f->r), expr_extract(p, f->r, w - 2, 1));
	default: return expr_xor(p, top(p, f->r), top(p, f->a)); /* the sign changed */
	}
}

static const struct expr *unknown(struct expr_pool *p, const struct flags *f, enum x86_flag flag)
{
	const struct expr *args[2] = {f->a, f->b};

	/* Numbers of outputs of the instruction proper are below 100. */
	return expr_fn(p, f->name, 100 + flag, 1, args, f->b ? 2 : f->a ? 1 : 0);
}

static const struct expr *overflow(struct expr_pool *p, const struct flags *f)
{
	const struct expr *a, *b, *r;

	switch (f->kind) {
	case FLAGS_MUL:
	case FLAGS_IMUL: return product_overflows(p, f);
	case FLAGS_ADD:
	case FLAGS_ADC:
	case FLAGS_SUB:
	case FLAGS_SUBC:
	case FLAGS_SBB: break;
	case FLAGS_LOGIC: return expr_const(p, 1, 0);
	default:
		a = expr_eq(p, f->b, expr_const(p, f->b->width, 1));
		return expr_ite(p, a, shift_overflow(p, f), unknown(p, f, X86_OF));
	}
	/* The operands' signs say one thing (equal for +, different for -), the result another. */
	a = top(p, f->a);
	b = top(p, f->b);
	r = top(p, f->r);
	if (f->kind == FLAGS_ADD || f->kind == FLAGS_ADC)
		return expr_and(p, expr_xor(p, a, r), expr_xor(p, b, r));
	return expr_and(p, expr_xor(p, a, b), expr_xor(p, a, r));
}

/* The carry into bit 4. */
static const struct expr *half_carry(struct expr_pool *p, const struct flags *f)
{
	const struct expr *x = expr_xor(p, f->a, f->b);

	return expr_extract(p, expr_xor(p, x, f->r), 4, 1);
}

/* True when the low byte has an even number of ones. */
static const struct expr *parity(struct expr_pool *p, const struct expr *r)
{
	const struct expr *ones = expr_popcnt(p, expr_extract(p, r, 0, 8));

	return expr_not(p, expr_extract(p, ones, 0, 1));
}

/* The comparisons of floating-point numbers, by the width of a. */
static const struct expr *compare_floats(
	struct expr_pool *p, unsigned op, const struct expr *a, const struct expr *b)
{
	const struct expr *args[2] = {a, b};

	return expr_simd(p, a->width == 64 ? op + 1 : op, 1, args, 2);
}

static const struct expr *float_flag(struct expr_pool *p, const struct flags *f, enum x86_flag flag)
{
	const struct expr *unordered = compare_floats(p, SIMD_UNORDSS, f->a, f->b);

	switch (flag) {
	case X86_CF: return expr_or(p, unordered, compare_floats(p, SIMD_LTSS, f->a, f->b));
	case X86_ZF: return expr_or(p, unordered, compare_floats(p, SIMD_EQSS, f->a, f->b));
	case X86_PF: return unordered;
	default: return expr_const(p, 1, 0);
	}
}

/* As Arm's manual says it of fcmp: 1000 less, 0110 equal, 0010 greater, 0011 unordered. */
static const struct expr *fcmp_flag(struct expr_pool *p, const struct flags *f, enum x86_flag flag)
{
	switch (flag) {
	case X86_SF: return compare_floats(p, SIMD_LTSS, f->a, f->b);
	case X86_ZF: return compare_floats(p, SIMD_EQSS, f->a, f->b);
	case X86_CF: return expr_not(p, compare_floats(p, SIMD_LTSS, f->a, f->b));
	default: return compare_floats(p, SIMD_UNORDSS, f->a, f->b);
	}
}

static bool subtracts(const struct flags *f)
{
	return f->kind == FLAGS_SUB || f->kind == FLAGS_SUBC;
}

static const struct expr *make(struct expr_pool *p, struct flags *f, enum x86_flag flag)
{
	if (subtracts(f) && !f->r && flag != X86_CF && flag != X86_ZF)
		f->r = expr_sub(p, f->a, f->b);
	switch (f->kind) {
	case FLAGS_VALUE: return f->a;
	case FLAGS_UNKNOWN: return unknown(p, f, flag);
	case FLAGS_FLOAT: return float_flag(p, f, flag);
	case FLAGS_FCMP: return fcmp_flag(p, f, flag);
	default: break;
	}
	switch (flag) {
	case X86_CF: return carry(p, f);
	case X86_PF: return parity(p, f->r);
	case X86_AF: return half_carry(p, f);
	case X86_ZF:
		if (subtracts(f))
			return expr_eq(p, f->a, f->b);
		return expr_eq(p, f->r, expr_const(p, f->r->width, 0));
	case X86_SF: return top(p, f->r);
	default: return overflow(p, f);
	}
}

static const struct expr *value(struct state *s, struct flags *f, enum x86_flag flag)
{
	if (!f)
		return expr_input(s->pool, s->cpu->input + STATE_FLAG_INPUT + flag, 1);
	if (!f->bit[flag]) {
		f->bit[flag] = make(s->pool, f, flag);
		if (f->keep)
			f->bit[flag] = expr_ite(
				s->pool, f->keep, value(s, f->old[flag], flag), f->bit[flag]);
	}
	return f->bit[flag];
}

const struct expr *state_peek_flag(struct state *s, enum x86_flag f)
{
	return value(s, s->flag[f], f);
}

const struct expr *state_flag(struct state *s, enum x86_flag f)
{
	note_read(s, 1u << f);
	return state_peek_flag(s, f);
}

/* ---- conditions ---- */

/* The flags each pair of conditions looks at: cc / 2. */
static const uint8_t looks_at[] = {FLAG_O, FLAG_C, FLAG_Z, FLAG_C | FLAG_Z, FLAG_S, FLAG_P,
	FLAG_S | FLAG_O, FLAG_Z | FLAG_S | FLAG_O, 0, FLAG_C | FLAG_Z};

/* The operation that set all flags of mask, or NULL. */
static struct flags *common(const struct state *s, unsigned mask)
{
	struct flags *f = s->flag[__builtin_ctz(mask)];

	for (unsigned i = 0; i < X86_FLAG_COUNT; i++)
		if (mask >> i & 1 && s->flag[i] != f)
			return NULL;
	return f;
}

/* The condition as a comparison of the operands of f; NULL when it is not one. cc is even. */
static const struct expr *compared(struct expr_pool *p, const struct flags *f, unsigned cc)
{
	const struct expr *zero;

	switch (f->kind) {
	case FLAGS_SUB:
		switch (cc) {
		case X86_CC_BE: return expr_ule(p, f->a, f->b);
		case X86_CC_L: return expr_slt(p, f->a, f->b);
		case X86_CC_LE: return expr_sle(p, f->a, f->b);
		default: return NULL;
		}
	case FLAGS_SUBC:
		switch (cc) {
		case STATE_CC_LS: return expr_ule(p, f->a, f->b);
		case X86_CC_L: return expr_slt(p, f->a, f->b);
		case X86_CC_LE: return expr_sle(p, f->a, f->b);
		default: return NULL;
		}
	case FLAGS_FCMP: /* l, le also hold for NaN */
		switch (cc) {
		case STATE_CC_LS: return compare_floats(p, SIMD_LESS, f->a, f->b);
		case X86_CC_L: return expr_not(p, compare_floats(p, SIMD_LESS, f->b, f->a));
		case X86_CC_LE: return expr_not(p, compare_floats(p, SIMD_LTSS, f->b, f->a));
		default: return NULL;
		}
	case FLAGS_LOGIC:
		zero = expr_const(p, f->r->width, 0);
		switch (cc) {
		case X86_CC_L: return expr_slt(p, f->r, zero);
		case X86_CC_LE: return expr_sle(p, f->r, zero);
		default: return NULL;
		}
	case FLAGS_FLOAT: /* b and be also hold for NaN: the opposite of an ordered comparison */
		switch (cc) {
		case X86_CC_B: return expr_not(p, compare_floats(p, SIMD_LESS, f->b, f->a));
		case X86_CC_BE: return expr_not(p, compare_floats(p, SIMD_LTSS, f->b, f->a));
		default: return NULL;
		}
	default: return NULL;
	}
}

/* The condition from the flags, as these records say them, one by one. cc is even. */
static const struct expr *from_flags(struct state *s, struct flags *const *rec, unsigned cc)
{
	struct expr_pool *p = s->pool;
	const struct expr *less, *zero;

	switch (cc) {
	case X86_CC_O: return value(s, rec[X86_OF], X86_OF);
	case X86_CC_B: return value(s, rec[X86_CF], X86_CF);
	case X86_CC_E: return value(s, rec[X86_ZF], X86_ZF);
	case X86_CC_S: return value(s, rec[X86_SF], X86_SF);
	case X86_CC_P: return value(s, rec[X86_PF], X86_PF);
	case X86_CC_BE:
		zero = value(s, rec[X86_ZF], X86_ZF);
		return expr_or(p, value(s, rec[X86_CF], X86_CF), zero);
	case STATE_CC_LS:
		zero = value(s, rec[X86_ZF], X86_ZF);
		return expr_or(p, expr_not(p, value(s, rec[X86_CF], X86_CF)), zero);
	default:
		less = expr_xor(p, value(s, rec[X86_SF], X86_SF), value(s, rec[X86_OF], X86_OF));
		zero = value(s, rec[X86_ZF], X86_ZF);
		return cc == X86_CC_L ? less : expr_or(p, less, zero);
	}
}

const struct expr *state_branch(struct state *s, unsigned cc)
{
	if (!(s->options & STATE_BLIND) || cc == X86_CC_NONE)
		return state_cond(s, cc);
	note_read(s, looks_at[cc / 2]);
	return expr_const(s->pool, 1, 1);
}

const struct expr *state_cond(struct state *s, unsigned cc)
{
	const struct expr *e = NULL;
	unsigned mask;
	struct flags *f;

	if (cc == X86_CC_NONE)
		return expr_const(s->pool, 1, 1);
	mask = looks_at[cc / 2];
	f = common(s, mask);
	note_read(s, mask);
	if (f)
		e = compared(s->pool, f, cc & ~1u);
	if (e && f->keep)
		e = expr_ite(s->pool, f->keep, from_flags(s, f->old, cc & ~1u), e);
	if (!e)
		e = from_flags(s, s->flag, cc & ~1u);
	return cc & 1 ? expr_not(s->pool, e) : e;
}
