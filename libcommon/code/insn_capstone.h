/*
 * insn_capstone.h: struct insn from capstone's answer, with what capstone 4 gets wrong set right.
 * Private to insn.c.
 */
#ifndef INSN_CAPSTONE_H
#define INSN_CAPSTONE_H

#include "base/map.h"
#include "code/insn.h"
#include "code/x86_fields.h"

struct insn_capstone;

struct insn_capstone *insn_capstone_open(enum arch a); /* of the x86 family */
void insn_capstone_close(struct insn_capstone *c);
/* Decodes the bytes whose layout is f (NULL if it could not be found): 1 or 0. */
int insn_capstone_decode(struct insn_capstone *c, const uint8_t *p, size_t n,
	const struct x86_fields *f, struct insn *out) MUST_CHECK;

#endif
