/*
 * risc_arm.h: what A32 (risc_arm.c) and T32 (risc_thumb.c) have in common: the same instructions
 * behind two encodings.
 */
#ifndef RISC_ARM_H
#define RISC_ARM_H

#include "code/risc.h"

enum { RISC_ARM_LR = 14, RISC_ARM_PC = 15 };

/* The stack pointer is not followed; the program counter is where branches go. */
static inline uint8_t risc_arm_reg(unsigned r)
{
	return r == 13 || r == 15 ? RISC_NOREG : (uint8_t)r;
}

static inline uint32_t risc_arm_bit(unsigned r)
{
	return r == 13 || r == 15 ? 0 : UINT32_C(1) << r;
}

struct risc_arm_memory {     /* a load or store of one register, or of two from it on */
	uint8_t rn, rt, rm;  /* base; moved; index, or RISC_NOREG */
	uint8_t size, shift; /* shift of the index, or RISC_NOREG: one that is not followed */
	int imm;
	int64_t base; /* from the instruction to what rn is if it is the program counter */
	bool load, is_signed;
	bool after, back; /* the base changes after or before */
};

void risc_arm_memory(struct risc *i, const struct risc_arm_memory *m);
/* Loads or stores the registers in list at rn; back: rn is changed. */
void risc_arm_block(struct risc *i, unsigned rn, uint32_t list, bool load, bool back);
/* w without its condition; base: from the instruction to what the program counter reads as. */
void risc_arm_coprocessor(struct risc *i, uint32_t w, int64_t base);
/* A branch to what register `from` holds. */
void risc_arm_to_pc(struct risc *i, uint8_t from);
/* It is executed under a condition, in A32's numbers; 14 and 15: always. */
void risc_arm_if(struct risc *i, unsigned cond);
void risc_arm_start(struct risc *i, unsigned len);

#endif
