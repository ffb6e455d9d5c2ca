/*
 * print.h: expressions as text, in the language of BinBert's Table 1.
 *
 * The grammar, which a normaliser and a tokenizer read, is in man 5 bb-sequence. Tokens are
 * separated by one blank; numbers are decimal, signed in the width they have (-168), unsigned in
 * unsigned comparisons. Widths are not printed, as in the paper: the text is for people and
 * models, the canonical hash tells what is equal.
 *
 * Every function appends tokens to b, each followed by a blank. The length is bounded by
 * expr.size, so a caller looks at that first. The pool is needed to show truth values as
 * comparisons.
 */
#ifndef PRINT_H
#define PRINT_H

#include "base/buf.h"
#include "sem/expr.h"

/* The value: `-1 add ( 0 Concat rsi [1:0] )`. */
void print_value(struct buf *b, struct expr_pool *p, const struct expr *e);
/* Memory at the address: `* ( rbp add -168 )`. */
void print_memory(struct buf *b, struct expr_pool *p, const struct expr *addr);
/* A truth value as a comparison: `0 Concat rax [1:1] ne 0`. */
void print_cond(struct buf *b, struct expr_pool *p, const struct expr *e);
/* A call: `fprintf ( * ( rbp ) , 4202500 )`; name NULL: an indirect one, to target. */
void print_call(struct buf *b, struct expr_pool *p, const char *name, const struct expr *target,
	const struct expr *const *args, size_t n);
/* A register as a whole, by its number as an input: rax, xmm0, zf; bits is how wide a vector
 * register is shown. */
void print_register(struct buf *b, unsigned reg, unsigned bits);

#endif
