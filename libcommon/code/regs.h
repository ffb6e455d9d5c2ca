/*
 * regs.h: the registers whose values a micro-trace holds, by the names they have in the text of
 * instructions: one table a processor.
 *
 * A name is a part of a register: `bytes` bytes from byte `lo` of register `index` of a bank. So
 * al, ax, eax and rax are parts of (REGS_GENERAL, 0), w0 is the lower half of x0, and s1 the upper
 * half of d0. What a trace says of a name is these bytes as a number, the lowest 8 if there are
 * more.
 *
 * No names of registers here, as they have no value of their own: what is always zero (xzr, wzr,
 * $zero), the program counter, flags and other registers that control the processor.
 */
#ifndef REGS_H
#define REGS_H

#include "code/insn.h"

enum regs_bank {
	REGS_GENERAL, /* x86: in the order of encoding, 0 rax, 4 rsp; AArch64: x0 to x30, 31 sp;
		       * ARM: r0 to r12, 13 sp, 14 lr; MIPS: 1 $at to 31 $ra, 29 $sp */
	REGS_VECTOR,  /* x86: zmm0 to zmm31; AArch64: v0 to v31; ARM: d0 to d31, of which a q is
		       * two; MIPS: $f0 to $f31 of 4 bytes each, of which a double is two */
	REGS_MASK,    /* x86: k0 to k7 */
	REGS_X87,     /* x86: st(0) to st(7), counted from the top */
	REGS_MMX,     /* x86: mm0 to mm7 */
};

enum { REGS_MAX = 256 }; /* names of a processor */

struct reg_info {
	char name[6];  /* as capstone prints it */
	uint8_t bank;  /* enum regs_bank */
	uint8_t index; /* of the whole register */
	uint8_t lo;    /* first byte of the part, */
	uint8_t bytes; /* and how many */
};

/* How many there are; 0 for no architecture. */
int regs_count(enum arch a);
/* Number i, counted from 0, or NULL. */
const struct reg_info *regs_info(enum arch a, int i);
/* The number of the register named by n characters, aliases (r11 for fp) among them, or -1. */
int regs_find(enum arch a, const char *word, size_t n);
/* x86: the number of a decoded register, or -1. */
int regs_x86(struct insn_reg r);

#endif
