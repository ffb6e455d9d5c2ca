/*
 * insn_operand.h: operands read from the bytes of an x86 instruction, for what capstone does not
 * know. Private to insn_*.c.
 */
#ifndef INSN_OPERAND_H
#define INSN_OPERAND_H

#include "code/insn.h"
#include "code/x86_fields.h"

/* Each appends one operand, INSN_MAX_OPS at most in all; access is INSN_READ | INSN_WRITE. */
void insn_operand_reg(struct insn *o, unsigned id, unsigned size, unsigned access);
/* The memory operand of ModRM; `size` bytes, 8-bit displacements count `scale` bytes. */
void insn_operand_mem(struct insn *o, const uint8_t *p, const struct x86_fields *f, unsigned size,
	unsigned scale, unsigned access);
/* The immediate of one byte at the end. */
void insn_operand_imm8(struct insn *o, const uint8_t *p, const struct x86_fields *f);

/* A cleared instruction that falls through, of f's length. */
void insn_operand_start(struct insn *o, const struct x86_fields *f);

#endif
