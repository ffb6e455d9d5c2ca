/*
 * x86_shuffle.c: SSE, AVX and AVX-512 instructions that only move parts of vectors about: all are
 * Concats of extracts but where a register says which parts. Forms of 256 and 512 bits do in each
 * 128 bits what SSE forms do.
 */
#include "sem/simd.h"
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

/* A named operation: the operand with numbers of lanes, and the one with the lanes. */
static void permuted(struct step *x, enum simd_op op, unsigned index, unsigned table)
{
	unsigned w = x86_ops_width(x, 0);
	const struct expr *args[2] = {x86_ops_low(x, index, w), x86_ops_low(x, table, w)};

	x86_vec_put(x, expr_simd(x->p, op, w, args, 2));
}

void x86_shuffle_dwords(struct step *x)
{
	struct lanes l = {.n = 0};
	unsigned imm = (unsigned)x86_vec_imm(x);
	const struct expr *a;

	if (!x86_ops_is_imm(x, 2)) { /* vpermilps by a register */
		permuted(x, SIMD_PERMILPS, 2, 1);
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
		permuted(x, SIMD_PERMILPD, 2, 1);
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

/* ---- halves and quarters ---- */

void x86_shuffle_part(struct step *x)
{
	unsigned whole = x86_ops_width(x, x->arg ? 0 : 1), part = x86_ops_width(x, x->arg ? 2 : 0);
	unsigned lo = ((unsigned)x86_vec_imm(x) & (whole / part - 1)) * part;
	const struct expr *a = x86_ops_low(x, 1, whole);

	if (x->arg)
		x86_vec_put(x, replaced(x, a, lo, x86_ops_low(x, 2, part)));
	else
		x86_vec_put(x, expr_extract(x->p, a, lo, part));
}

void x86_shuffle_quarters(struct step *x)
{
	const struct expr *a = source(x, 0), *b = source(x, 1);
	unsigned imm = (unsigned)x86_vec_imm(x), n = a->width / 128u;
	struct lanes l = {.n = 0};

	for (unsigned i = 0; i < n; i++, imm /= n)
		append(x, &l, i < n / 2 ? a : b, imm % n * 128, 128);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_valign(struct step *x)
{
	const struct expr *a = source(x, 0), *b = source(x, 1);
	unsigned bits = x->arg, n = a->width / bits, imm = (unsigned)x86_vec_imm(x) & (n - 1);
	struct lanes l = {.n = 0};

	for (unsigned i = imm; i < imm + n; i++)
		append(x, &l, i < n ? b : a, i % n * bits, bits);
	x86_vec_put(x, joined(x, &l));
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
		permuted(x, SIMD_PERMQ, 1, 2);
		return;
	}
	a = x86_ops_low(x, 1, x86_ops_width(x, 0));
	for (unsigned i = 0; i < a->width / 64u; i++)
		append(x, &l, a, i / 4 * 256 + (imm >> 2 * (i % 4) & 3) * 64, 64);
	x86_vec_put(x, joined(x, &l));
}

void x86_shuffle_permute(struct step *x)
{
	permuted(x, x->arg, 1, 2);
}

void x86_shuffle_perm2x(struct step *x)
{
	unsigned w = x86_ops_width(x, 0), index = x->arg & 1 ? 0 : 1;
	const struct expr *args[3];

	args[0] = x86_ops_low(x, index, w);
	args[1] = x86_ops_low(x, 1 - index, w);
	args[2] = x86_ops_low(x, 2, w);
	x86_vec_put(x, expr_simd(x->p, x->arg / 2, w, args, 3));
}

/* ---- one lane to many, many to fewer ---- */

void x86_shuffle_broadcast(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 1, x->arg);
	unsigned bits = x->arg;
	struct lanes l = {.n = 0};

	if (x->i->op[1].kind == INSN_OP_REG && x->i->op[1].reg.id >= X86_K0) {
		bits = x->i->lane * 8u; /* a mask: vpbroadcastmb2q */
		a = expr_zext(x->p, a, bits);
	}
	for (unsigned i = 0; i < x86_ops_width(x, 0) / bits; i++)
		append(x, &l, a, 0, bits);
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

/* A vector of lanes of one constant. */
static const struct expr *all_lanes(struct step *x, unsigned width, unsigned bits, uint64_t v)
{
	struct lanes l = {.n = 0};
	const struct expr *e = x86_ops_const(x, bits, v);

	for (unsigned i = 0; i < width; i += bits)
		append(x, &l, e, 0, bits);
	return joined(x, &l);
}

/* What is out of range becomes the nearest number: lanes are limited from both sides, then cut. */
static const struct expr *limited(
	struct step *x, const struct expr *a, unsigned from, unsigned to, bool is_signed)
{
	unsigned lane = (unsigned)__builtin_ctz(from / 8);
	uint64_t max = (UINT64_C(1) << (is_signed ? to - 1 : to)) - 1;
	const struct expr *args[2] = {a, all_lanes(x, a->width, from, max)};

	args[0] =
		expr_simd(x->p, (is_signed ? SIMD_PMINSB : SIMD_PMINUB) + lane, a->width, args, 2);
	if (!is_signed)
		return args[0];
	args[1] = all_lanes(x, a->width, from, ~max);
	return expr_simd(x->p, SIMD_PMAXSB + lane, a->width, args, 2);
}

void x86_shuffle_narrow(struct step *x)
{
	unsigned from = x->arg / 256, to = x->arg / 4 % 64, how = x->arg % 4;
	const struct expr *a = x86_ops_get(x, 1);
	struct lanes l = {.n = 0};

	if (how)
		a = limited(x, a, from, to, how == 1);
	for (unsigned i = 0; i < a->width; i += from)
		append(x, &l, a, i, to);
	x86_vec_put(x, joined(x, &l));
}
