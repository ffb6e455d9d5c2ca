/*
 * producer.h: what DW_AT_producer says of the compiler, in the short form that labels have.
 */
#ifndef PRODUCER_H
#define PRODUCER_H

#include "base/buf.h"

/*
 * Appends gcc-12, clang-14, rustc-1.63 and the like; nothing if the text is not understood. The
 * assembler is no compiler.
 */
void producer_compiler(struct buf *b, const char *text);
/* Appends O0, O1, O2, O3, Os, Oz, Og or Ofast; nothing if the text does not tell. */
void producer_level(struct buf *b, const char *text);

#endif
