/*
 * names.h: what names say.
 */
#ifndef NAMES_H
#define NAMES_H

#include "base/arena.h"

/* The name as valid UTF-8: itself, or a copy in which other bytes are written \xNN. */
const char *names_utf8(struct arena *a, const char *name);
/* Whether a function of this name is known never to return. */
bool names_no_return(const char *name);

#endif
