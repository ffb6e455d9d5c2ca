/*
 * text.h: records as text for people.
 */
#ifndef TEXT_H
#define TEXT_H

#include "stream/field.h"

struct text;
/* A printer; it holds a disassembler once code was printed. */
struct text *text_new(void);
void text_free(struct text *t);
/* Appends the record of the kind as one or more lines. */
void text_record(struct text *t, struct buf *b, const struct kind *k, const void *rec);

#endif
