/*
 * names.h: what names say.
 */
#ifndef NAMES_H
#define NAMES_H

#include "base/arena.h"

enum { NAMES_MAX = 4096 }; /* bytes; the longest that compilers make have about a thousand */

/*
 * The name as valid UTF-8: itself, or a copy in which other bytes are written \xNN. What is longer
 * than NAMES_MAX is cut there and ends in "...": a file of few bytes could otherwise have a long
 * name in each of very many records.
 */
const char *names_utf8(struct arena *a, const char *name);
/* Whether it is valid UTF-8. */
bool names_is_utf8(const char *name);
/* Whether a function of this name is known never to return. */
bool names_no_return(const char *name);

#endif
