/*
 * insn_simple.h: the moves, arithmetic and compares of general-purpose registers that most code
 * consists of, without capstone: 50 times as fast, for a decoder that has just begun. Private to
 * insn.c.
 */
#ifndef INSN_SIMPLE_H
#define INSN_SIMPLE_H

#include "code/insn.h"
#include "code/x86_fields.h"

/* The instruction with the layout f, all of whose bytes are at p: 1, or 0 when it is none of these.
 */
int insn_simple_decode(const uint8_t *p, const struct x86_fields *f, struct insn *out) MUST_CHECK;

#endif
