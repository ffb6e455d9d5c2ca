/*
 * a64_ops.h: how handlers see an AArch64 instruction; private to the a64*.c files. Numbers of
 * registers are those of the encoding; `wide` says 64 bits, else 32.
 */
#ifndef A64_OPS_H
#define A64_OPS_H

#include "sem/a64.h"
#include "sem/flags.h"

struct a64 {
	struct state *s;
	struct expr_pool *p;
	const struct insn *i;
	uint32_t w; /* the instruction */
	bool known; /* false: see a64_text_unknown */
};

/* A class of encodings: w & mask == value. */
struct a64_class {
	uint32_t mask, value;
	void (*fn)(struct a64 *x);
};
/* The class of the instruction, or NULL. */
const struct a64_class *a64_class(uint32_t w);

/* Bits of the instruction: n from bit lo on. */
static inline unsigned a64_bits(const struct a64 *x, unsigned lo, unsigned n)
{
	return x->w >> lo & ((UINT32_C(1) << n) - 1);
}
/* The same, signed. */
static inline int64_t a64_signed(const struct a64 *x, unsigned lo, unsigned n)
{
	return (int64_t)((uint64_t)a64_bits(x, lo, n) << (64 - n)) >> (64 - n);
}
static inline const struct expr *a64_const(const struct a64 *x, unsigned width, uint64_t v)
{
	return expr_const(x->p, width, v);
}

/* General register r; 31 is zero, or with a64_get_sp the stack pointer. */
const struct expr *a64_get(struct a64 *x, unsigned r, bool wide);
const struct expr *a64_get_sp(struct a64 *x, unsigned r, bool wide);
/* Writes 32 or 64 bits; 32 extend. */
void a64_put(struct a64 *x, unsigned r, const struct expr *v);
void a64_put_sp(struct a64 *x, unsigned r, const struct expr *v);
/* The low `size` bytes of vector register r; a write clears the rest. */
const struct expr *a64_get_vec(struct a64 *x, unsigned r, unsigned size);
void a64_put_vec(struct a64 *x, unsigned r, const struct expr *v);
/* Lane number `lane` of `bits` bits of the vector register. */
const struct expr *a64_get_lane(struct a64 *x, unsigned r, unsigned lane, unsigned bits);
void a64_put_lane(struct a64 *x, unsigned r, unsigned lane, const struct expr *v);

/* The condition c of the encoding, as a 1-bit value; for state_cond. */
unsigned a64_cc(unsigned c);
/* The flags: N, Z, C and V. */
enum { A64_NZCV = FLAG_S | FLAG_Z | FLAG_C | FLAG_O };
/* The four bits nzcv of an instruction as a mask of FLAG_. */
unsigned a64_nzcv(unsigned bits);
/* Sets the flags of a compare of a with b. */
void a64_compare(struct a64 *x, const struct expr *a, const struct expr *b);

/* The handler for what has no class. */
void a64_text_unknown(struct a64 *x);

/* a64_int.c */
void a64_int_adr(struct a64 *x);
void a64_int_add_imm(struct a64 *x);
void a64_int_logic_imm(struct a64 *x);
void a64_int_move_wide(struct a64 *x);
void a64_int_bitfield(struct a64 *x);
void a64_int_extract(struct a64 *x);
void a64_int_logic(struct a64 *x);
void a64_int_add(struct a64 *x);
void a64_int_add_extended(struct a64 *x);
void a64_int_add_carry(struct a64 *x);
void a64_int_cond_compare(struct a64 *x);
void a64_int_cond_select(struct a64 *x);
void a64_int_two(struct a64 *x);
void a64_int_one(struct a64 *x);
void a64_int_three(struct a64 *x);
/* The bits of a logical immediate; see the manual, DecodeBitMasks. 0: none. */
uint64_t a64_int_mask(unsigned n, unsigned immr, unsigned imms, bool wide);
/* v with its bytes in the opposite order, within units of `unit` bits. */
const struct expr *a64_int_reverse(
	struct a64 *x, const struct expr *v, unsigned unit, unsigned piece);
/* a64_flow.c */
void a64_flow_jump(struct a64 *x);
void a64_flow_cond(struct a64 *x);
void a64_flow_compare_zero(struct a64 *x);
void a64_flow_test_bit(struct a64 *x);
void a64_flow_register(struct a64 *x);
void a64_flow_nop(struct a64 *x);
void a64_flow_flags(struct a64 *x);
void a64_flow_system_call(struct a64 *x);
/* a64_mem.c */
void a64_mem_literal(struct a64 *x);
void a64_mem_pair(struct a64 *x);
void a64_mem_one(struct a64 *x);
void a64_mem_ordered(struct a64 *x);
void a64_mem_vectors(struct a64 *x);
void a64_mem_lane(struct a64 *x);
/* a64_float.c */
void a64_float_one(struct a64 *x);
void a64_float_two(struct a64 *x);
void a64_float_three(struct a64 *x);
void a64_float_compare(struct a64 *x);
void a64_float_cond_compare(struct a64 *x);
void a64_float_select(struct a64 *x);
void a64_float_imm(struct a64 *x);
void a64_float_integer(struct a64 *x);
void a64_float_upper(struct a64 *x);
/* The number of 32 or 64 bits that an immediate of eight is; see the manual, VFPExpandImm. */
uint64_t a64_float_expand(unsigned imm, unsigned bits);
/* a64_vec.c */
void a64_vec_imm(struct a64 *x);
void a64_vec_copy(struct a64 *x);
void a64_vec_logic(struct a64 *x);
void a64_vec_lanes(struct a64 *x);
void a64_vec_extract(struct a64 *x);
void a64_vec_scalar(struct a64 *x);
/* a64_lanes.c */
void a64_lanes_permute(struct a64 *x);
void a64_lanes_reverse(struct a64 *x);
void a64_lanes_not(struct a64 *x);
void a64_lanes_shift(struct a64 *x);
void a64_lanes_from_int(struct a64 *x);

#endif
