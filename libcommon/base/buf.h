/*
 * buf.h: a growing byte string.
 *
 * Zero-initialise. Everything appends; buf_reset empties it and keeps the memory.
 */
#ifndef BUF_H
#define BUF_H

#include <stdarg.h>

#include "base/base.h"

struct buf {
	uint8_t *p; /* owned; NULL when nothing was ever put */
	size_t n;   /* bytes used */
	size_t cap;
};

/* The slow part of buf_reserve. */
void buf_grow(struct buf *b, size_t n);
/* Makes room for n more bytes and returns where they go; the caller then adds to b->n. */
static inline void *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->cap - b->n || !b->p) /* never NULL, even for nothing */
		buf_grow(b, n);
	return b->p + b->n;
}

void buf_put(struct buf *b, const void *p, size_t n);
static inline void buf_putc(struct buf *b, int c)
{
	*(uint8_t *)buf_reserve(b, 1) = (uint8_t)c;
	b->n++;
}

void buf_puts(struct buf *b, const char *s);
/* The decimal text of v. */
void buf_putu(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* The content as terminated text (the terminator is not counted in n). */
char *buf_text(struct buf *b);
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

/* Sets the text of e; always returns -1, so that `return err_set(e, ...)` reads well. */
int err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
