/*
 * x86_float.c: SSE and AVX floating point. What is computed is a named operation (sem/simd.h) on
 * the bits of its arguments; rounding and exceptions are the default ones.
 */
#include "sem/simd.h"
#include "sem/x86_ops.h"

/* Bits of a number, by the last letter of the operation: addss, addsd. */
static unsigned bits_of(unsigned op)
{
	const char *name = simd_name(op);
	unsigned n = 0;

	while (name[n])
		n++;
	return name[n - 1] == 's' ? 32 : 64;
}

static unsigned scalar_bits(const struct step *x)
{
	return bits_of(x->arg);
}

static bool is_scalar(unsigned op)
{
	const char *name = simd_name(op);
	unsigned n = 0;

	while (name[n])
		n++;
	return name[n - 2] == 's';
}

void x86_float_scalar(struct step *x)
{
	unsigned bits = scalar_bits(x);
	const struct expr *args[2];

	args[0] = x86_ops_low(x, x86_vec_src(x, 0), bits);
	args[1] = x86_ops_low(x, x86_vec_src(x, 1), bits);
	x86_vec_put_low(x, expr_simd(x->p, x->arg, bits, args, 2));
}

void x86_float_scalar1(struct step *x)
{
	unsigned bits = scalar_bits(x);
	const struct expr *a = x86_ops_low(x, x86_vec_src(x, 1), bits);

	x86_vec_put_low(x, expr_simd(x->p, x->arg, bits, &a, 1));
}

/* The predicate is part of the mnemonic (cmpltsd) or the immediate. */
void x86_float_cmp(struct step *x)
{
	bool scalar = x->arg == SIMD_CMPSS || x->arg == SIMD_CMPSD;
	unsigned bits = scalar ? scalar_bits(x) : x86_vec_width(x);
	unsigned pred = x->i->pred != 255 ? x->i->pred : (unsigned)x86_vec_imm(x);
	const struct expr *args[3], *r;

	if (x86_ops_is_mem(x, 0) && x86_ops_is_mem(x, 1)) { /* cmpsd, the string instruction */
		x->arg = 4;
		x86_string_cmps(x);
		return;
	}
	args[0] = x86_ops_low(x, x86_vec_src(x, 0), bits);
	args[1] = x86_ops_low(x, x86_vec_src(x, 1), bits);
	args[2] = x86_ops_const(x, 8, pred & (x86_vec_is_vex(x) ? 31 : 7));
	r = expr_simd(x->p, x->arg, bits, args, 3);
	if (scalar)
		x86_vec_put_low(x, r);
	else
		x86_vec_put(x, r);
}

/* The digits say which operands are multiplied and which is added. */
void x86_float_fma(struct step *x)
{
	static const uint8_t order[4][3] = {
		{0, 2, 1}, {1, 0, 2}, {0}, {1, 2, 0}}; /* 132, 213, 231 */
	const uint8_t *k = order[x->arg % 4];
	unsigned op = x->arg / 4, bits = is_scalar(op) ? bits_of(op) : x86_ops_width(x, 0);
	const struct expr *args[3], *r;

	for (unsigned i = 0; i < 3; i++)
		args[i] = x86_ops_low(x, k[i], bits);
	r = expr_simd(x->p, op, bits, args, 3);
	if (is_scalar(op)) {
		x86_vec_put_under(x, 0, r);
		return;
	}
	x86_vec_put(x, r);
}

void x86_float_comis(struct step *x)
{
	const struct expr *a = x86_ops_low(x, 0, x->arg), *b = x86_ops_low(x, 1, x->arg);

	flags_set(x->s, FLAG_ALL6, FLAGS_FLOAT, a, b, NULL);
}

void x86_float_round(struct step *x)
{
	bool scalar = x->arg == SIMD_ROUNDSS || x->arg == SIMD_ROUNDSD;
	unsigned bits = scalar ? scalar_bits(x) : x86_ops_width(x, 0);
	const struct expr *args[2];

	args[0] = x86_ops_low(x, scalar ? x86_vec_src(x, 1) : 1, bits);
	args[1] = x86_ops_const(x, 8, x86_vec_imm(x) & 7);
	if (scalar)
		x86_vec_put_low(x, expr_simd(x->p, x->arg, bits, args, 2));
	else
		x86_vec_put(x, expr_simd(x->p, x->arg, bits, args, 2));
}

/* ---- conversions ---- */

void x86_float_from_int(struct step *x)
{
	unsigned src = x->i->nops - 1u;
	const struct expr *a;

	a = x86_ops_low(x, src, x->i->op[src].size == 8 ? 64 : 32);
	x86_vec_put_low(x, expr_simd(x->p, x->arg, bits_of(x->arg), &a, 1));
}

void x86_float_to_int(struct step *x)
{
	bool is_double = x->arg == SIMD_CVTSD2SI || x->arg == SIMD_CVTTSD2SI ||
			 x->arg == SIMD_CVTSD2USI || x->arg == SIMD_CVTTSD2USI;
	const struct expr *a = x86_ops_low(x, 1, is_double ? 64 : 32);

	x86_ops_put(x, 0, expr_simd(x->p, x->arg, x86_ops_width(x, 0), &a, 1));
}

void x86_float_resize(struct step *x)
{
	unsigned to = x->arg == SIMD_CVTSS2SD ? 64 : 32;
	const struct expr *a = x86_ops_low(x, x86_vec_src(x, 1), 96 - to);

	x86_vec_put_low(x, expr_simd(x->p, x->arg, to, &a, 1));
}

/* Lanes of one width to lanes of another; what is left of a vector is cleared. */
void x86_float_convert(struct step *x)
{
	unsigned op = x->arg & 1023, from = x->arg >> 10 & 127, to = x->arg >> 17, n;
	const struct expr *a, *e[2], *lane[16];

	if (x86_vec_is_mmx(x)) {
		x86_ops_unknown(x);
		return;
	}
	/* The wider of the two sides says how many lanes there are. */
	n = to > from ? x86_ops_width(x, 0) / to : x86_ops_width(x, 1) / from;
	a = x86_ops_low(x, 1, n * from);
	if (op == SIMD_CVTPS2PH) /* the rounding */
		e[1] = x86_ops_const(x, 8, x86_vec_imm(x) & 7);
	for (unsigned i = 0; i < n; i++) {
		e[0] = expr_extract(x->p, a, (n - 1 - i) * from, from);
		lane[i] = expr_simd(x->p, op, to, e, op == SIMD_CVTPS2PH ? 2 : 1);
	}
	a = expr_concatn(x->p, lane, n);
	x86_vec_put(x, a->width < 128 && !x86_vec_is_vex(x) ? expr_zext(x->p, a, 128) : a);
}

/* With a scale it has no meaning here. */
void x86_float_scale(struct step *x)
{
	if (x86_vec_imm(x) & 0xf0)
		x86_ops_unknown(x);
	else
		x86_float_round(x);
}
