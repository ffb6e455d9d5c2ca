/*
 * x86_shuffle.c: SSE and AVX instructions that only move parts of vectors about: all are Concats
 * of extracts. AVX forms of 256 bits do in each half what SSE forms do in 128 bits.
 */
#include "sem/x86_ops.h"

enum { MAX_LANES = 64 };

/* A vector that is put together lane by lane, the lowest first. */
struct lanes {
	const struct expr *e[MAX_LANES];
	unsigned n;
};

static void append(
	struct step *x, struct lanes *l, const struct expr *v, unsigned lo, unsigned bits)
{
	l->e[MAX_LANES - ++l->n] = expr_extract(x->p, v, lo, bits);
}

static const struct expr *joined(struct step *x, const struct lanes *l)
{
	return expr_concatn(x->p, l->e + MAX_LANES - l->n, l->n);
}

/* Source k (0 or 1) of a two-source operation, as wide as the destination. */
static const struct expr *source(struct step *x, unsigned k)
{
	return x86_ops_low(x, x86_vec_src(x, k), x86_ops_width(x, 0));
}

static bool no_meaning(struct step *x)
{
	if (!x86_vec_is_mmx(x))
		return false;
	x86_ops_unknown(x);
	return true;
}

void x86_shuffle_dwords(struct step *x)
{
	struct lanes l = {.n = 0};
	unsigned imm = (unsigned)x86_vec_imm(x);
	const struct expr *a;

	if (!x86_ops_is_imm(x, 2)) { /* vpermilps by a register */
		x86_ops_unknown(x);
		return;
	}
	a = x86_ops_low(x, 1, x86_ops_width(x, 0));
	for (unsigned half = 0; half < a->width; half += 128)
		for (unsigned i = 0; i < 4; i++)
			append(x, &l, a, half + (imm >> 2 * i & 3) * 32, 32);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_permilpd(struct step *x)
{
	struct lanes l = {.n = 0};
	unsigned imm = (unsigned)x86_vec_imm(x);
	const struct expr *a;

	if (!x86_ops_is_imm(x, 2)) {
		x86_ops_unknown(x);
		return;
	}
	a = x86_ops_low(x, 1, x86_ops_width(x, 0));
	for (unsigned i = 0; i < a->width / 64u; i++)
		append(x, &l, a, i / 2 * 128 + (imm >> i & 1) * 64, 64);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_words(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 1, x86_ops_width(x, 0));
	struct lanes l = {.n = 0};
	unsigned imm = (unsigned)x86_vec_imm(x);

	for (unsigned half = 0; half < a->width; half += 128) {
		if (x->arg)
			append(x, &l, a, half, 64);
		for (unsigned i = 0; i < 4; i++)
			append(x, &l, a, half + x->arg + (imm >> 2 * i & 3) * 16, 16);
		if (!x->arg)
			append(x, &l, a, half + 64, 64);
	}
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_two(struct step *x)
{
	const struct expr *a = source(x, 0), *b = source(x, 1);
	unsigned imm = (unsigned)x86_vec_imm(x), bits = x->arg;
	struct lanes l = {.n = 0};

	for (unsigned half = 0; half < a->width; half += 128)
		for (unsigned i = 0; i < 128 / bits; i++) {
			const struct expr *v = i < 64 / bits ? a : b;
			unsigned pick = bits == 32 ? imm >> 2 * i & 3 : imm >> (half / 64 + i) & 1;

			append(x, &l, v, half + pick * bits, bits);
		}
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_unpack(struct step *x)
{
	unsigned bits = x->arg & ~1u, from = x->arg & 1 ? 64 : 0;
	const struct expr *a, *b;
	struct lanes l = {.n = 0};

	if (no_meaning(x))
		return;
	a = source(x, 0);
	b = source(x, 1);
	for (unsigned half = 0; half < a->width; half += 128)
		for (unsigned i = 0; i < 64; i += bits) {
			append(x, &l, a, half + from + i, bits);
			append(x, &l, b, half + from + i, bits);
		}
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_align(struct step *x)
{
	unsigned n = (unsigned)x86_vec_imm(x) * 8;
	const struct expr *a, *b;
	struct lanes l = {.n = 0};

	if (no_meaning(x))
		return;
	a = source(x, 0);
	b = source(x, 1);
	for (unsigned half = 0; half < a->width; half += 128) {
		const struct expr *v = expr_concat(
			x->p, expr_extract(x->p, a, half, 128), expr_extract(x->p, b, half, 128));

		v = n < 256 ? expr_extract(x->p, v, n, 256 - n) : x86_ops_const(x, 128, 0);
		append(x, &l, expr_zext(x->p, v, 128), 0, 128);
	}
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_bytes(struct step *x)
{
	const struct expr *a = x86_ops_low(x, x86_vec_src(x, 0), x86_ops_width(x, 0));
	unsigned n = MIN((unsigned)x86_vec_imm(x), 16u) * 8;
	struct lanes l = {.n = 0};

	for (unsigned half = 0; half < a->width; half += 128) {
		const struct expr *none = x86_ops_const(x, MAX(n, 1u), 0);

		if (!x->arg && n)
			append(x, &l, none, 0, n);
		if (n < 128)
			append(x, &l, a, half + (x->arg ? n : 0), 128 - n);
		if (x->arg && n)
			append(x, &l, none, 0, n);
	}
	x86_vec_put(x, joined(x, &l));
}

/* ---- single lanes ---- */

/* v with its `bits` bits at lo replaced. */
static const struct expr *replaced(
	struct step *x, const struct expr *v, unsigned lo, const struct expr *part)
{
	struct lanes l = {.n = 0};
	unsigned hi = lo + part->width;

	if (lo)
		append(x, &l, v, 0, lo);
	append(x, &l, part, 0, part->width);
	if (hi < v->width)
		append(x, &l, v, hi, v->width - hi);
	return joined(x, &l);
}

void x86_shuffle_insert(struct step *x)
{
	unsigned bits = x->arg, lane = (unsigned)x86_vec_imm(x) & (128 / bits - 1);
	const struct expr *a;

	if (no_meaning(x))
		return;
	a = x86_ops_low(x, x86_vec_src(x, 0), 128);
	x86_vec_put(x, replaced(x, a, lane * bits, x86_ops_low(x, x86_vec_src(x, 1), bits)));
}

void x86_shuffle_extract(struct step *x)
{
	unsigned bits = x->arg, lane = (unsigned)x86_vec_imm(x) & (128 / bits - 1);
	const struct expr *v;

	if (no_meaning(x))
		return;
	v = expr_extract(x->p, x86_ops_low(x, 1, 128), lane * bits, bits);
	if (!x86_ops_is_mem(x, 0))
		v = expr_zext(x->p, v, MAX(bits, 32u));
	x86_ops_put(x, 0, v);
}

void x86_shuffle_insertps(struct step *x)
{
	const struct expr *a = x86_ops_low(x, x86_vec_src(x, 0), 128), *b;
	unsigned imm = (unsigned)x86_vec_imm(x), src = x86_vec_src(x, 1);

	if (x86_ops_is_mem(x, src))
		b = x86_ops_low(x, src, 32);
	else
		b = expr_extract(x->p, x86_ops_low(x, src, 128), (imm >> 6) * 32, 32);
	a = replaced(x, a, (imm >> 4 & 3) * 32, b);
	for (unsigned i = 0; i < 4; i++)
		if (imm >> i & 1)
			a = replaced(x, a, i * 32, x86_ops_const(x, 32, 0));
	x86_vec_put(x, a);
}

void x86_shuffle_blend(struct step *x)
{
	const struct expr *a = source(x, 0), *b = source(x, 1);
	unsigned imm = (unsigned)x86_vec_imm(x), bits = x->arg;
	struct lanes l = {.n = 0};

	for (unsigned i = 0; i < a->width / bits; i++)
		append(x, &l, imm >> i % 8 & 1 ? b : a, i * bits, bits);
	x86_vec_put(x, joined(x, &l));
}

/* ---- halves of 256 bits ---- */

void x86_shuffle_half(struct step *x)
{
	unsigned lo = ((unsigned)x86_vec_imm(x) & 1) * 128;

	if (x->arg)
		x86_vec_put(x, replaced(x, x86_ops_low(x, 1, 256), lo, x86_ops_low(x, 2, 128)));
	else
		x86_vec_put(x, expr_extract(x->p, x86_ops_low(x, 1, 256), lo, 128));
}

void x86_shuffle_perm2(struct step *x)
{
	unsigned imm = (unsigned)x86_vec_imm(x);
	const struct expr *v[3] = {source(x, 0), source(x, 1), x86_ops_const(x, 256, 0)};
	struct lanes l = {.n = 0};

	for (unsigned i = 0; i < 2; i++) {
		unsigned pick = imm >> 4 * i;

		append(x, &l, v[pick & 8 ? 2 : pick >> 1 & 1], (pick & 1) * 128, 128);
	}
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_permq(struct step *x)
{
	unsigned imm = (unsigned)x86_vec_imm(x);
	struct lanes l = {.n = 0};
	const struct expr *a;

	if (!x86_ops_is_imm(x, 2)) {
		x86_ops_unknown(x);
		return;
	}
	a = x86_ops_low(x, 1, 256);
	for (unsigned i = 0; i < 4; i++)
		append(x, &l, a, (imm >> 2 * i & 3) * 64, 64);
	x86_vec_put(x, joined(x, &l));
}

/* ---- one lane to many, many to fewer ---- */

void x86_shuffle_broadcast(struct step *x)
{
	const struct expr *a;
	struct lanes l = {.n = 0};

	if (x->i->op[1].kind == INSN_OP_REG && x->i->op[1].reg.id <= X86_R15) {
		x86_ops_unknown(x); /* AVX-512 */
		return;
	}
	a = x86_ops_low(x, 1, x->arg);
	for (unsigned i = 0; i < x86_ops_width(x, 0) / x->arg; i++)
		append(x, &l, a, 0, x->arg);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_dup(struct step *x)
{
	unsigned bits = x->arg ? 32 : 64, odd = x->arg == 2, w = x86_ops_width(x, 0);
	/* movddup of 128 bits reads 64 */
	const struct expr *a = x86_ops_low(x, 1, !x->arg && w == 128 ? 64 : w);
	struct lanes l = {.n = 0};

	for (unsigned i = 0; i < w / bits; i++)
		append(x, &l, a, (i / 2 * 2 + odd) * bits, bits);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_extend(struct step *x)
{
	unsigned from = x->arg / 128, to = x->arg % 128 & ~1u, n = x86_ops_width(x, 0) / to;
	const struct expr *a = x86_ops_low(x, 1, MAX(from * n, 8u)), *e;
	struct lanes l = {.n = 0};

	for (unsigned i = 0; i < n; i++) {
		e = expr_extract(x->p, a, i * from, from);
		e = x->arg & 1 ? expr_sext(x->p, e, to) : expr_zext(x->p, e, to);
		append(x, &l, e, 0, to);
	}
	x86_vec_put(x, joined(x, &l));
}
