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
	unsigned arg;  /* from the table: which of the family */
	unsigned word; /* bytes of a general register, an address, a slot of the stack: 8, 4 */
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
/* Writes operand k: 32 bits to a general register extend to all; other parts leave the rest. */
void x86_ops_put(struct step *x, unsigned k, const struct expr *v);
/* Effective address of memory operand k. */
const struct expr *x86_ops_addr(struct step *x, unsigned k);
/* Are operands k and l the same register? */
bool x86_ops_same(const struct step *x, unsigned k, unsigned l);
bool x86_ops_is_mem(const struct step *x, unsigned k);
bool x86_ops_is_imm(const struct step *x, unsigned k);

/* General registers by number, their low `size` bytes. Writing four bytes extends to all. */
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
void x86_int_crc32(struct step *x);
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
/* x86_decimal.c: what only 32-bit code has. */
void x86_decimal_ascii(struct step *x);  /* arg: 1: aas */
void x86_decimal_packed(struct step *x); /* arg: 1: das */
void x86_decimal_base(struct step *x);   /* arg: 0 aam, 1 aad */
void x86_decimal_salc(struct step *x);
void x86_decimal_pusha(struct step *x); /* arg: bytes of a register */
void x86_decimal_popa(struct step *x);
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

/*
 * Vectors. VEX forms have their sources in operands 1 and 2 and clear the rest of the register;
 * others have them in 0 and 1 and leave it. x86_vec.c: access, moves, logic, lane-wise operations.
 */
bool x86_vec_is_vex(const struct step *x);
/* Is some operand an MMX register? These forms have no meaning here. */
bool x86_vec_is_mmx(const struct step *x);
/* The number of the operand that is source k (0 or 1) of a two-source operation. */
unsigned x86_vec_src(const struct step *x, unsigned k);
/* Bits of the vectors that are worked on. */
unsigned x86_vec_width(const struct step *x);
/*
 * Writes vector register or memory operand 0, as the write mask says; of a mask register the bit
 * of each lane is the lane's highest.
 */
void x86_vec_put(struct step *x, const struct expr *v);
/* The same without a write mask. */
void x86_vec_put_whole(struct step *x, const struct expr *v);
/* Writes the low bits of vector register 0; the rest of 128 bits comes from source 0, */
void x86_vec_put_low(struct step *x, const struct expr *v);
/* or from operand `rest`. */
void x86_vec_put_under(struct step *x, unsigned rest, const struct expr *v);
/* The immediate, the last operand. */
uint64_t x86_vec_imm(const struct step *x);
void x86_vec_mov(struct step *x);
void x86_vec_mov_low(struct step *x);      /* movss, movsd: arg: bits; movsd of strings too */
void x86_vec_movd(struct step *x);         /* movd, movq */
void x86_vec_mov_half(struct step *x);     /* arg: 0 low, 64 high */
void x86_vec_mov_across(struct step *x);   /* arg: 0 movhlps, 1 movlhps */
void x86_vec_movmsk(struct step *x);       /* arg: bits of a lane */
void x86_vec_logic(struct step *x);        /* arg: EXPR_AND, OR, XOR, NOT for and-not */
void x86_vec_lanes(struct step *x);        /* arg: enum simd_op of two sources */
void x86_vec_unary(struct step *x);        /* arg: enum simd_op of one source */
void x86_vec_shift(struct step *x);        /* arg: enum simd_op; by one count */
void x86_vec_blendv(struct step *x);       /* arg: enum simd_op */
void x86_vec_ternary(struct step *x);      /* vpternlogd */
void x86_vec_dot(struct step *x);          /* vpdpbusd ...: arg: enum simd_op of three sources */
void x86_vec_double_shift(struct step *x); /* vpshldd ...: arg: enum simd_op */
void x86_vec_binary_imm(struct step *x);   /* arg: enum simd_op + 1024 * bits of imm that count */
void x86_vec_unary_imm(struct step *x);    /* arg: enum simd_op of one source and the immediate */
void x86_vec_ptest(struct step *x);
void x86_vec_zero(struct step *x);  /* vzeroupper; arg: 1: vzeroall */
void x86_vec_mxcsr(struct step *x); /* arg: 0 stmxcsr, 1 ldmxcsr */
/* x86_mask.c: AVX-512's masks; arg: bits of a mask where nothing else stands. */
bool x86_mask_is_result(const struct step *x); /* Is operand 0 a mask register? */
/* Lanes of v where the write mask says so, else of other. */
const struct expr *x86_mask_select(struct step *x, const struct expr *v, const struct expr *other);
/* v, or where there is a write mask v and what operand 0 has or 0. */
const struct expr *x86_mask_merge(struct step *x, const struct expr *v);
/* Writes mask register 0: the highest bit of each lane of v. */
void x86_mask_put(struct step *x, const struct expr *v);
void x86_mask_compare(struct step *x); /* vpcmpd ...: arg: 1: unsigned */
void x86_mask_test(struct step *x);    /* arg: 1: vptestnm */
void x86_mask_spread(struct step *x);  /* vpmovm2d ... */
void x86_mask_blend(struct step *x);   /* vpblendmd ... */
void x86_mask_pack(struct step *x);    /* vpcompressd ...: arg: enum simd_op for bytes */
void x86_mask_vex(struct step *x);     /* vpmaskmovd ...: arg: bytes of a lane */
void x86_mask_mov(struct step *x);
void x86_mask_logic(struct step *x); /* arg: bits + 256 * EXPR_; EQ is xnor, NOT andn */
void x86_mask_not(struct step *x);
void x86_mask_unpack(struct step *x); /* arg: bits of a half */
void x86_mask_shift(struct step *x);  /* arg: bits + 256 * EXPR_SHL, LSHR */
void x86_mask_ortest(struct step *x);
void x86_mask_andtest(struct step *x);
/* x86_shuffle.c: what only moves lanes about; arg: bits of a lane where there is one. */
void x86_shuffle_dwords(struct step *x); /* pshufd, permilps */
void x86_shuffle_words(struct step *x);  /* arg: 0 pshuflw, 64 pshufhw */
void x86_shuffle_two(struct step *x);    /* shufps, shufpd */
void x86_shuffle_permilpd(struct step *x);
void x86_shuffle_unpack(struct step *x); /* arg: bits, + 1 for the high halves */
void x86_shuffle_align(struct step *x);
void x86_shuffle_bytes(struct step *x); /* pslldq, psrldq: arg: 0 left, 1 right */
void x86_shuffle_insert(struct step *x);
void x86_shuffle_extract(struct step *x);
void x86_shuffle_insertps(struct step *x);
void x86_shuffle_part(struct step *x);  /* vextractf128 ...: arg: 0; vinsertf128 ...: 1 */
void x86_shuffle_perm2(struct step *x); /* vperm2f128 */
void x86_shuffle_permq(struct step *x);
void x86_shuffle_permute(struct step *x);  /* arg: enum simd_op */
void x86_shuffle_perm2x(struct step *x);   /* vpermt2d: arg: 2 * enum simd_op; vpermi2d: + 1 */
void x86_shuffle_quarters(struct step *x); /* vshufi32x4 ... */
void x86_shuffle_valign(struct step *x);
/* vpmovdb ...: arg: 4 * (from * 64 + to), + 1 signed saturation, + 2 unsigned */
void x86_shuffle_narrow(struct step *x);
void x86_shuffle_blend(struct step *x);
void x86_shuffle_broadcast(struct step *x);
void x86_shuffle_dup(struct step *x);    /* arg: 0 movddup, 1 movsldup, 2 movshdup */
void x86_shuffle_extend(struct step *x); /* pmovzx, pmovsx: arg: from * 128 + to, + 1 signed */
/* x86_float.c: floating point. */
void x86_float_scalar(struct step *x);   /* arg: enum simd_op of two sources */
void x86_float_scalar1(struct step *x);  /* of one */
void x86_float_cmp(struct step *x);      /* arg: enum simd_op; scalar or packed */
void x86_float_fma(struct step *x);      /* arg: 4 * enum simd_op + order (132, 213, 231) % 4 */
void x86_float_comis(struct step *x);    /* arg: bits */
void x86_float_round(struct step *x);    /* arg: enum simd_op */
void x86_float_from_int(struct step *x); /* cvtsi2sd: arg: enum simd_op */
void x86_float_to_int(struct step *x);
void x86_float_resize(struct step *x);
/* Packed: arg: enum simd_op of a lane + 1024 * its bits before + 131072 * after. */
void x86_float_convert(struct step *x);
void x86_float_scale(struct step *x); /* vrndscale: arg: enum simd_op */

/* x86_x87.c: the floating-point stack; the meaning of arg stands there. */
void x86_x87_load(struct step *x); /* arg: 1: an integer */
void x86_x87_constant(struct step *x);
void x86_x87_store(struct step *x);
void x86_x87_exchange(struct step *x);
void x86_x87_arith(struct step *x);
void x86_x87_sign(struct step *x);
void x86_x87_unary(struct step *x);
void x86_x87_binary(struct step *x);
void x86_x87_compare(struct step *x);
void x86_x87_cmov(struct step *x);
void x86_x87_control(struct step *x);

#endif
