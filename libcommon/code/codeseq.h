/*
 * codeseq.h: code as records carry it, columns of bytes and lengths: decoded, and as a key.
 */
#ifndef CODESEQ_H
#define CODESEQ_H

#include "base/buf.h"
#include "code/insn.h"

/*
 * Decodes n instructions. Where the bytes are none of that length (a record says so for bytes that
 * do not decode) the result is a stand-in: length as said, no operands, mnemonic "(bad)", flow
 * INSN_STOP. Returns how many of these there are.
 */
size_t codeseq_decode(struct insn_decoder *d, const uint8_t *code, const uint8_t *len, size_t n,
	struct insn *out);
bool codeseq_is_bad(const struct insn *i);
/* Whether an item of a record is data between code: its instructions are longer. */
bool codeseq_is_data(enum arch a, size_t len);

/*
 * Appends a key for memos: equal keys, equal instructions up to where direct branches go. Where
 * they go is in no strand and no expression, and would make almost every call different.
 */
void codeseq_key(struct buf *b, const uint8_t *code, const uint8_t *len, size_t n);

#endif
