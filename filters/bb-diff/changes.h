/*
 * changes.h: the report of what became of each function: the same, changed, gone or new.
 */
#ifndef CHANGES_H
#define CHANGES_H

#include "pair.h"
#include "show.h"

/* In the order of the old build, what is new behind it, and the counts. */
void changes_show(struct show *s, const struct fns *old, const struct fns *new,
	const struct pairs *p, bool all);

#endif
