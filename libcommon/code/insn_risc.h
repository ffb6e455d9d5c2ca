/*
 * insn_risc.h: the text of instructions of fixed size, by capstone. Private to insn.c.
 */
#ifndef INSN_RISC_H
#define INSN_RISC_H

#include "code/insn.h"
#include "code/risc.h"

struct insn_risc;

struct insn_risc *insn_risc_open(enum arch a);
void insn_risc_close(struct insn_risc *r);
/* As insn_decode; the operands are out->text with the numbers in out->op. */
int insn_risc_decode(struct insn_risc *r, const uint8_t *p, size_t n, struct insn *out) MUST_CHECK;

#endif
