/* a64_mem.c: loads and stores (Arm ARM, C4.1.88). */
#include "sem/a64_ops.h"

/* What is loaded or stored, and where. */
struct access {
	bool vector, load, sign;
	unsigned size; /* bytes */
	bool wide;     /* general register: 64 bits */
};

static const struct expr *offset(struct a64 *x, const struct expr *base, int64_t by)
{
	return expr_add(x->p, base, a64_const(x, 64, (uint64_t)by));
}

static const struct expr *base_of(struct a64 *x)
{
	return a64_get_sp(x, a64_bits(x, 5, 5), true);
}

/* ---- one register ---- */

/* Loads, or stores, register r. */
static void transfer(struct a64 *x, const struct access *a, unsigned r, const struct expr *addr)
{
	unsigned bits = a->wide ? 64 : 32;
	const struct expr *v;

	if (!a->load) {
		v = a->vector ? a64_get_vec(x, r, a->size)
			      : expr_extract(x->p, a64_get(x, r, a->size == 8), 0, a->size * 8);
		state_save(x->s, addr, v);
		return;
	}
	v = state_load(x->s, addr, a->size);
	if (a->vector)
		a64_put_vec(x, r, v);
	else
		a64_put(x, r, a->sign ? expr_sext(x->p, v, bits) : expr_zext(x->p, v, bits));
}

/* False: a prefetch. */
static bool access_of(const struct a64 *x, struct access *a)
{
	unsigned size = a64_bits(x, 30, 2), opc = a64_bits(x, 22, 2);

	a->vector = a64_bits(x, 26, 1);
	if (a->vector) {
		size |= (opc & 2) << 1;
		a->load = opc & 1;
		a->sign = a->wide = false;
	} else {
		if (size == 3 && opc == 2)
			return false;
		a->load = opc != 0;
		a->sign = opc >= 2;
		a->wide = opc >= 2 ? opc == 2 : size == 3;
	}
	a->size = 1u << size;
	return true;
}

/* Base and index register, which is extended and shifted. */
static const struct expr *indexed(struct a64 *x, const struct access *a)
{
	unsigned option = a64_bits(x, 13, 3);
	const struct expr *n = a64_get(x, a64_bits(x, 16, 5), option & 1);

	n = option & 4 ? expr_sext(x->p, n, 64) : expr_zext(x->p, n, 64);
	if (a64_bits(x, 12, 1))
		n = expr_mul(x->p, n, a64_const(x, 64, a->size));
	return expr_add(x->p, base_of(x), n);
}

void a64_mem_one(struct a64 *x)
{
	unsigned mode = a64_bits(x, 10, 2), n = a64_bits(x, 5, 5), t = a64_bits(x, 0, 5);
	const struct expr *base, *moved;
	struct access a;

	if (!access_of(x, &a))
		return;
	if (a64_bits(x, 24, 1)) {
		moved = offset(x, base_of(x), (int64_t)(a64_bits(x, 10, 12) * a.size));
		transfer(x, &a, t, x->s->address ? x->s->address : moved);
		return;
	}
	if (a64_bits(x, 21, 1)) {
		transfer(x, &a, t, indexed(x, &a));
		return;
	}
	base = base_of(x);
	moved = offset(x, base, a64_signed(x, 12, 9));
	transfer(x, &a, t, mode == 1 ? base : moved);
	if (mode & 1)
		a64_put_sp(x, n, moved);
}

void a64_mem_literal(struct a64 *x)
{
	unsigned opc = a64_bits(x, 30, 2);
	struct access a = {.vector = a64_bits(x, 26, 1), .load = true};
	const struct expr *addr;

	if (!a.vector && opc == 3)
		return; /* a prefetch */
	a.size = a.vector ? 4u << opc : opc == 1 ? 8 : 4;
	a.sign = !a.vector && opc == 2;
	a.wide = opc != 0;
	addr = offset(x, a64_get_sp(x, A64_PC, true), a64_signed(x, 5, 19) * 4 - 4);
	transfer(x, &a, a64_bits(x, 0, 5), x->s->address ? x->s->address : addr);
}

void a64_mem_pair(struct a64 *x)
{
	unsigned opc = a64_bits(x, 30, 2), mode = a64_bits(x, 23, 2);
	struct access a = {.vector = a64_bits(x, 26, 1), .load = a64_bits(x, 22, 1)};
	const struct expr *base, *moved, *at, *first;

	if (opc == 3 || (!a.vector && opc == 1 && (!a.load || !mode))) { /* stgp */
		a64_text_unknown(x);
		return;
	}
	a.sign = !a.vector && opc == 1;
	a.wide = opc != 0;
	a.size = a.vector ? 4u << opc : opc == 2 ? 8 : 4;
	base = base_of(x);
	moved = offset(x, base, a64_signed(x, 15, 7) * (int64_t)a.size);
	at = mode == 1 ? base : moved;
	first = at;
	if (a.load && a64_bits(x, 0, 5) == a64_bits(x, 10, 5)) { /* the second one counts */
		(void)state_load(x->s, at, a.size);
		first = NULL;
	}
	if (first)
		transfer(x, &a, a64_bits(x, 0, 5), at);
	transfer(x, &a, a64_bits(x, 10, 5), offset(x, at, a.size));
	if (mode & 1)
		a64_put_sp(x, a64_bits(x, 5, 5), moved);
}

/* ---- of several threads: what one of them sees ---- */

/* ldxr, stxr, ldar, stlr. That an exclusive store succeeds is not known. */
void a64_mem_ordered(struct a64 *x)
{
	unsigned size = 1u << a64_bits(x, 30, 2), t = a64_bits(x, 0, 5), s = a64_bits(x, 16, 5);
	bool ordered = a64_bits(x, 23, 1), load = a64_bits(x, 22, 1), two = a64_bits(x, 21, 1);
	struct access a = {.load = load, .size = size, .wide = size == 8};
	const struct expr *addr, *v, *failed;

	if (two && (ordered || !load || size < 4)) { /* cas, stxp, casp */
		a64_text_unknown(x);
		return;
	}
	addr = base_of(x);
	if (ordered || load) {
		transfer(x, &a, t, addr);
		if (two)
			transfer(x, &a, a64_bits(x, 10, 5), offset(x, addr, size));
		return;
	}
	v = expr_extract(x->p, a64_get(x, t, a.wide), 0, size * 8);
	failed = expr_fn(x->p, x->i->mnemonic, 0, 1, &addr, 1);
	state_save(x->s, addr, expr_ite(x->p, failed, state_load(x->s, addr, size), v));
	a64_put(x, s, expr_zext(x->p, failed, 32));
	x->known = false;
}

/* ---- several vectors ---- */

/* The base moves by register m, or by the bytes of the access. */
static void move_base(struct a64 *x, const struct expr *base, unsigned bytes)
{
	unsigned m = a64_bits(x, 16, 5);
	const struct expr *by = m == 31 ? a64_const(x, 64, bytes) : a64_get(x, m, true);

	if (a64_bits(x, 23, 1))
		a64_put_sp(x, a64_bits(x, 5, 5), expr_add(x->p, base, by));
}

/*
 * ld1 to ld4, st1 to st4 of whole vectors. Lane e of register k is element e * step + k of memory,
 * or the registers lie one after another.
 */
void a64_mem_vectors(struct a64 *x)
{
	static const uint8_t count[16] = {
		[0] = 4, [2] = 4, [4] = 3, [6] = 3, [7] = 1, [8] = 2, [10] = 2};
	unsigned op = a64_bits(x, 12, 4), n = count[op], bits = 8u << a64_bits(x, 10, 2);
	unsigned bytes = a64_bits(x, 30, 1) ? 16 : 8, lanes = bytes * 8 / bits;
	unsigned t = a64_bits(x, 0, 5);
	bool apart = op == 0 || op == 4 || op == 8;
	const struct expr *base, *all, *piece[64];

	if (!n || (apart && lanes == 1)) {
		a64_text_unknown(x);
		return;
	}
	base = base_of(x);
	if (a64_bits(x, 22, 1)) {
		all = state_load(x->s, base, n * bytes);
		for (unsigned k = 0; k < n; k++) {
			for (unsigned e = 0; e < lanes; e++)
				piece[lanes - 1 - e] = expr_extract(x->p, all,
					(apart ? e * n + k : k * lanes + e) * bits, bits);
			a64_put_vec(x, (t + k) % 32, expr_concatn(x->p, piece, lanes));
		}
	} else {
		for (unsigned k = 0; k < n; k++)
			for (unsigned e = 0; e < lanes; e++)
				piece[n * lanes - 1 - (apart ? e * n + k : k * lanes + e)] =
					expr_extract(x->p, a64_get_vec(x, (t + k) % 32, bytes),
						e * bits, bits);
		state_save(x->s, base, expr_concatn(x->p, piece, n * lanes));
	}
	move_base(x, base, n * bytes);
}

/* The same of one lane, and ld1r to ld4r, which put it into all lanes. */
void a64_mem_lane(struct a64 *x)
{
	unsigned op = a64_bits(x, 13, 3), n = ((op & 1) << 1 | a64_bits(x, 21, 1)) + 1;
	unsigned at = a64_bits(x, 30, 1) << 3 | a64_bits(x, 12, 1) << 2 | a64_bits(x, 10, 2);
	unsigned scale = op >> 1, t = a64_bits(x, 0, 5), bits, lanes;
	bool all = scale == 3, load = a64_bits(x, 22, 1);
	const struct expr *base, *v, *piece[16];

	if (all)
		scale = a64_bits(x, 10, 2);
	else if (scale == 2 && (at & 1))
		scale = 3;
	bits = 8u << scale;
	lanes = (a64_bits(x, 30, 1) ? 128 : 64) / bits;
	at >>= scale;
	base = base_of(x);
	if (load) {
		const struct expr *memory = state_load(x->s, base, n * bits / 8);

		for (unsigned k = 0; k < n; k++) {
			v = expr_extract(x->p, memory, k * bits, bits);
			for (unsigned e = 0; e < lanes; e++)
				piece[e] = v;
			if (all)
				a64_put_vec(x, (t + k) % 32, expr_concatn(x->p, piece, lanes));
			else
				a64_put_lane(x, (t + k) % 32, at, v);
		}
	} else {
		for (unsigned k = 0; k < n; k++)
			piece[n - 1 - k] = a64_get_lane(x, (t + k) % 32, at, bits);
		state_save(x->s, base, expr_concatn(x->p, piece, n));
	}
	move_base(x, base, n * bits / 8);
}
