/*
 * x86_ops.h: how handlers see an instruction; private to the x86_*.c files.
 *
 * A handler is the meaning of a mnemonic, or of a family of them told apart by `arg`. It reads
 * operands, builds values, writes operands; everything goes through the state, which notes what
 * was read and written. All reads come before the first write, but for what the manual says.
 */
#ifndef X86_OPS_H
#define X86_OPS_H

#include "sem/flags.h"
#include "sem/x86.h"

struct step {
	struct state *s;
	struct expr_pool *p;
	const struct insn *i;
	unsigned arg;                          /* from the table: which of the family */
	const struct expr *addr[INSN_MAX_OPS]; /* addresses of memory operands, once computed */
	bool known; /* false: the form turned out to have no meaning here, see x86_ops_unknown */
};

/* A row of the table: the meaning of a mnemonic. */
struct x86_op {
	void (*fn)(struct step *x);
	unsigned arg;
};
/* The row of mnemonic mn; fn is NULL when it has no meaning of its own. */
const struct x86_op *x86_table_get(unsigned mn);

/* Operands, by number. */

/* Bits of operand k; an immediate is as wide as operand 0. */
unsigned x86_ops_width(const struct step *x, unsigned k);
/* Value of operand k. */
const struct expr *x86_ops_get(struct step *x, unsigned k);
/* Its low `width` bits. */
const struct expr *x86_ops_low(struct step *x, unsigned k, unsigned width);
/* Writes operand k: 32 bits to a general register extend to 64; other parts leave the rest. */
void x86_ops_put(struct step *x, unsigned k, const struct expr *v);
/* Effective address of memory operand k. */
const struct expr *x86_ops_addr(struct step *x, unsigned k);
/* Are operands k and l the same register? */
bool x86_ops_same(const struct step *x, unsigned k, unsigned l);
bool x86_ops_is_mem(const struct step *x, unsigned k);
bool x86_ops_is_imm(const struct step *x, unsigned k);

/* General registers by number, their low `size` bytes. Writing four bytes extends to eight. */
const struct expr *x86_ops_reg(struct step *x, enum x86_reg r, unsigned size);
void x86_ops_set_reg(struct step *x, enum x86_reg r, const struct expr *v);

const struct expr *x86_ops_const(struct step *x, unsigned width, uint64_t v);
/* The stack. */
void x86_ops_push(struct step *x, const struct expr *v);
const struct expr *x86_ops_pop(struct step *x, unsigned size);
/* The handler for what has none: unknown results of everything the instruction reads. */
void x86_ops_unknown(struct step *x);

/* The handlers, by file. x86_int.c: moves and integer arithmetic. */
void x86_int_mov(struct step *x);
void x86_int_movbe(struct step *x);
void x86_int_movsx(struct step *x);
void x86_int_movzx(struct step *x);
void x86_int_lea(struct step *x);
void x86_int_xchg(struct step *x);
void x86_int_bswap(struct step *x);
void x86_int_cmov(struct step *x);
void x86_int_setcc(struct step *x);
void x86_int_push(struct step *x);
void x86_int_pop(struct step *x);
void x86_int_leave(struct step *x);
void x86_int_enter(struct step *x);
void x86_int_add(struct step *x);
void x86_int_sub(struct step *x);
void x86_int_cmp(struct step *x);
void x86_int_adc(struct step *x);
void x86_int_sbb(struct step *x);
void x86_int_adcx(struct step *x); /* arg: the flag */
void x86_int_inc(struct step *x);  /* arg: 1: dec */
void x86_int_neg(struct step *x);
void x86_int_not(struct step *x);
void x86_int_logic(struct step *x); /* arg: enum expr_op */
void x86_int_test(struct step *x);
void x86_int_imul(struct step *x);
void x86_int_mul(struct step *x);
void x86_int_mulx(struct step *x);
void x86_int_div(struct step *x);   /* arg: 1: signed */
void x86_int_widen(struct step *x); /* cbw ...: arg: bytes of the source */
void x86_int_sign(struct step *x);  /* cwd ...: arg: bytes */
void x86_int_xadd(struct step *x);
void x86_int_cmpxchg(struct step *x);
void x86_int_cmpxchg_pair(struct step *x); /* arg: bytes of a half */
/* x86_flow.c: branches, calls, flags, what does nothing. */
void x86_flow_nop(struct step *x);
void x86_flow_jmp(struct step *x);
void x86_flow_jcc(struct step *x);
void x86_flow_jcxz(struct step *x); /* arg: bytes of the counter */
void x86_flow_loop(struct step *x); /* arg: 0, or with ZF: 1 equal, 2 not equal */
void x86_flow_call(struct step *x);
void x86_flow_ret(struct step *x);
void x86_flow_flag(struct step *x); /* arg: 2 * flag + value */
void x86_flow_cmc(struct step *x);
void x86_flow_lahf(struct step *x);
void x86_flow_sahf(struct step *x);
void x86_flow_pushf(struct step *x);
void x86_flow_popf(struct step *x);
/* x86_shift.c: shifts, rotations, bits. */
void x86_shift_shift(struct step *x);  /* arg: EXPR_SHL, EXPR_LSHR, EXPR_ASHR */
void x86_shift_rotate(struct step *x); /* arg: EXPR_ROL, EXPR_ROR */
void x86_shift_rotate_carry(struct step *x);
void x86_shift_double(struct step *x);   /* arg: EXPR_SHL, EXPR_LSHR */
void x86_shift_no_flags(struct step *x); /* shlx ...: arg: enum expr_op */
void x86_shift_rorx(struct step *x);
void x86_shift_bit_test(struct step *x); /* arg: 0, or EXPR_OR set, EXPR_AND reset, EXPR_XOR */
void x86_shift_scan(struct step *x);     /* bsf, bsr: arg: EXPR_CTZ, EXPR_CLZ */
void x86_shift_count(struct step *x);    /* arg: EXPR_CTZ, EXPR_CLZ */
void x86_shift_popcnt(struct step *x);
void x86_shift_andn(struct step *x);
void x86_shift_lowest(struct step *x); /* arg: 0 blsi, 1 blsr, 2 blsmsk */
void x86_shift_bextr(struct step *x);
void x86_shift_bzhi(struct step *x);
void x86_shift_deposit(struct step *x); /* arg: EXPR_PDEP, EXPR_PEXT */
/* x86_string.c; arg: bytes of an element. */
void x86_string_movs(struct step *x);
void x86_string_stos(struct step *x);
void x86_string_lods(struct step *x);
void x86_string_scas(struct step *x);
void x86_string_cmps(struct step *x);
void x86_string_xlat(struct step *x);

#endif
