/*
 * codekey.h: code as a key for memos: equal keys, equal instructions up to where direct branches
 * go. Where they go is in no strand and no expression, and would make almost every call different.
 */
#ifndef CODEKEY_H
#define CODEKEY_H

#include "base/buf.h"

/*
 * Appends a key of n instructions: their lengths (ended by a 0) and bytes, without displacements
 * of direct calls and jumps. code has as many bytes as the lengths say.
 */
void codekey_put(struct buf *b, const uint8_t *code, const uint8_t *len, size_t n);

#endif
