/*
 * a64.h: the meaning of AArch64 instructions (Arm Architecture Reference Manual, part C).
 *
 * Operands are read from the bits of the instruction, whose classes stand in a table; each class'
 * meaning is written once against the expression builder, as in sem/x86.h. What is in no class, as
 * most of SIMD, is an explicit unknown: the registers its text names as written become
 * uninterpreted functions, named by the mnemonic and the kind of lanes, of all it names as read.
 *
 * Faults are not modelled, nor is pointer authentication, which is as on a processor without it.
 * Floating-point operations have the names and the meaning of x86's (sem/simd.h) where they differ
 * at most in which NaN a NaN is.
 *
 * Registers: 0 to 30 are x0 to x30, 31 is sp; the zero register is none.
 */
#ifndef A64_H
#define A64_H

#include "sem/state.h"

enum { A64_SP = 31, A64_V0 = 32, A64_PC = 64 };

/* As x86_step and x86_known. Calls do nothing but set s->target if it is a register. */
int a64_step(struct state *s, const struct insn *i);
bool a64_known(const struct insn *i);

extern const struct processor a64_processor;

#endif
