/*
 * arm.h: the meaning of 32-bit ARM instructions (Arm Architecture Reference Manual for A-profile,
 * part F): T32. What an encoding says is read into a struct arm_insn (sem/arm_ops.h); each
 * operation is written once on that, against the expression builder, as in sem/x86.h.
 *
 * An instruction with a condition makes of each output what it was, or what it is now:
 * ite(condition, new, old). What has no meaning of its own, as arithmetic of VFP and NEON, is an
 * explicit unknown: the registers its text names as written become uninterpreted functions of all
 * it names as read.
 *
 * Faults are not modelled, nor is what the manual calls unpredictable. An address loaded into the
 * program counter, or jumped to, keeps its lowest bit.
 *
 * Registers: 0 to 15 as in the encoding, the status register of floating point, d0 to d31.
 */
#ifndef ARM_H
#define ARM_H

#include "sem/state.h"

enum { ARM_SP = 13, ARM_LR = 14, ARM_PC = 15, ARM_FPSCR = 16, ARM_D0 = 32 };

/* As x86_step and x86_known. Calls do nothing but set s->target if it is a register. */
int arm_step(struct state *s, const struct insn *i);
bool arm_known(const struct insn *i);

extern const struct processor arm_processor;

#endif
