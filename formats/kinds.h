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

#endif
