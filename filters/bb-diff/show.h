/*
 * show.h: what both reports print: functions, and expressions, those that say most first.
 */
#ifndef SHOW_H
#define SHOW_H

#include "book.h"

struct show {
	const struct book *book;
	struct buf out;
	bool json;
	bool shared;    /* show also what both functions have */
	uint64_t lines; /* most expressions of a function and side */
};

/* "name file:0xaddress", or the object of that. */
void show_origin(struct show *s, const struct origin *o);
/* The expressions of x that y lacks, and those that both have. */
size_t show_missing(const struct fn *x, const struct fn *y, uint32_t *id);
size_t show_shared(const struct fn *x, const struct fn *y, uint32_t *id);
/*
 * The n expressions, the largest `rank` (by number) first: in text a line each behind `mark`, in
 * JSON an array. Their order changes.
 */
void show_exprs(struct show *s, const char *mark, uint32_t *id, size_t n, const double *rank);

#endif
