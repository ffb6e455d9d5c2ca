/*
 * kinds.h: the table of contents: every record kind a stream can hold.
 */
#ifndef KINDS_H
#define KINDS_H

#include "stream/field.h"

/* All kinds, ended by NULL. */
extern const struct kind *const kinds_all[];
/* The kind of that name, or NULL. */
const struct kind *kinds_find(const char *name);
/* Bytes that hold a record of any kind. */
size_t kinds_largest(void);
/* Appends the CDDL (RFC 8610) of header, trailer and all kinds: the text of formats/bb.cddl. */
void kinds_cddl(struct buf *b);

#endif
