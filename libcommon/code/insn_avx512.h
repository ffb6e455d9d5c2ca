/*
 * insn_avx512.h: AVX-512, which capstone 4.0.2 does not know well. Private to insn.c.
 */
#ifndef INSN_AVX512_H
#define INSN_AVX512_H

#include "code/insn.h"
#include "code/x86_fields.h"

/*
 * Decodes the instruction at p with layout f if it is one of EVEX, or one of VEX that works on mask
 * registers or came with AVX-512: 1, or 0 when it is none of these.
 */
int insn_avx512_decode(const uint8_t *p, const struct x86_fields *f, struct insn *out) MUST_CHECK;
/* Is it for this table alone to say what encodings like f are? */
bool insn_avx512_owns(const struct x86_fields *f);

#endif
