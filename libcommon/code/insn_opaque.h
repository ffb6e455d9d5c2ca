/*
 * insn_opaque.h: instructions that capstone 4 does not know. Private to insn.c.
 */
#ifndef INSN_OPAQUE_H
#define INSN_OPAQUE_H

#include "base/map.h"
#include "code/insn.h"
#include "code/x86_fields.h"

/*
 * Describes the instruction at p as far as its encoding says: length, operands, and a name made of
 * the opcode. 1, or 0 when the encoding is none that newer processors have. Names are kept in
 * `names`.
 */
int insn_opaque_decode(struct map *names, const uint8_t *p, const struct x86_fields *f,
	struct insn *out) MUST_CHECK;

#endif
