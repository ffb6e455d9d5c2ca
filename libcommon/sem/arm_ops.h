/*
 * arm_ops.h: how handlers see a 32-bit ARM instruction; private to the arm*.c files. Numbers of
 * registers are those of the encoding.
 */
#ifndef ARM_OPS_H
#define ARM_OPS_H

#include "sem/arm.h"
#include "sem/flags.h"

enum arm_op {
	ARM_UNKNOWN, /* no meaning of its own */
	ARM_NOP,     /* also: direct branches and calls, whose condition is all there is to say */
	/* rd = rn op operand: */
	ARM_AND,
	ARM_EOR,
	ARM_SUB,
	ARM_RSB,
	ARM_ADD,
	ARM_ADC,
	ARM_SBC,
	ARM_ORR,
	ARM_ORN,
	ARM_BIC,
	ARM_MOV,
	ARM_MVN,
	/* The same, for the flags alone: */
	ARM_TST,
	ARM_TEQ,
	ARM_CMP,
	ARM_CMN,
	ARM_ADR,  /* rd = program counter, aligned, + imm */
	ARM_MOVT, /* upper half of rd = imm */
	ARM_PKHBT,
	ARM_PKHTB,
	ARM_MUL,    /* rd = ra + rn * rm; ra may be ARM_NOREG */
	ARM_MLS,    /* rd = ra - rn * rm */
	ARM_SMLAXY, /* of halves: imm bit 1 the upper one of rn, bit 0 of rm */
	ARM_SMULL,  /* rd:ra = rn * rm, ra the lower half */
	ARM_UMULL,
	ARM_SMLAL,
	ARM_UMLAL,
	ARM_SDIV,
	ARM_UDIV,
	ARM_UBFX, /* `width` bits from bit imm on */
	ARM_SBFX,
	ARM_BFI,    /* rn may be ARM_NOREG: zeros */
	ARM_EXTEND, /* size bytes of rm, turned right by imm, sign or zero; rn added, if any */
	ARM_CLZ,
	ARM_RBIT,
	ARM_REV,
	ARM_REV16,
	ARM_REVSH,
	ARM_MEM,   /* loads or stores one register */
	ARM_DUAL,  /* rd and ra */
	ARM_BLOCK, /* registers of list */
	ARM_CBZ,   /* rn; imm: cbnz */
	ARM_BX,    /* rm */
	ARM_TABLE, /* tbb, tbh */
	ARM_SVC,
	ARM_VMEM,   /* one register of VFP, size 4 or 8 */
	ARM_VBLOCK, /* imm of them, from rd on */
	ARM_VCORE,  /* rd: of VFP, rn: general; load: from VFP */
	ARM_VPAIR,  /* rd, and if size is 4 the next: of VFP; rn, ra: general */
	ARM_VMOV,   /* rd = rm */
	ARM_VMRS,   /* flags */
};

enum arm_shift { ARM_LSL, ARM_LSR, ARM_ASR, ARM_ROR, ARM_RRX };
enum { ARM_NOREG = 255, ARM_ALWAYS = 14 };

struct arm_insn {
	uint8_t op;   /* enum arm_op */
	uint8_t cond; /* of the encoding */
	bool sets;    /* the flags */
	uint8_t rd, rn, ra;
	/* The operand: imm if rm is ARM_NOREG, else rm shifted by `by`, or by rs if there is one.
	 */
	uint8_t rm, rs, shift, by;
	uint32_t imm;
	bool carry; /* the carry becomes bit 31 of imm */
	/* Loads and stores: at rn plus, or minus, the operand. */
	uint8_t size; /* bytes */
	bool load, sign, minus;
	bool before; /* the sum is the address; else rn is */
	bool back;   /* rn becomes the sum */
	uint16_t list;
	uint8_t width;
};

struct arm {
	struct state *s;
	struct expr_pool *p;
	const struct insn *i;
	struct arm_insn d;
	const struct expr *holds; /* the condition; NULL: always */
	bool known;
};

/* What the bits of a T32 instruction say; it: the condition of an it block << 4, | 1, or 0. */
void arm_thumb_decode(uint32_t word, unsigned len, unsigned it, struct arm_insn *d);

static inline const struct expr *arm_const(const struct arm *x, uint64_t v)
{
	return expr_const(x->p, 32, v);
}

/* General register r. The program counter is the address of the instruction + 4. */
const struct expr *arm_get(struct arm *x, unsigned r);
/* The program counter is jumped to. */
void arm_put(struct arm *x, unsigned r, const struct expr *v);
/* Register number r of VFP, of 4 or 8 bytes. */
struct insn_reg arm_vfp(unsigned r, unsigned size);
/* Any register, under the condition. */
void arm_set(struct arm *x, struct insn_reg r, const struct expr *v);
/* The second operand; *carry: what it makes of the carry, or NULL. */
const struct expr *arm_operand(struct arm *x, const struct expr **carry);
/* Executes what arm_int.c, or arm_mem.c, has: whether it does. */
bool arm_int(struct arm *x);
bool arm_mem(struct arm *x);
/* The instruction has no meaning. */
void arm_text_unknown(struct arm *x);

#endif
