/*
 * book.h: functions as sets of expressions, and how much each expression says.
 *
 * All sets of a run share one numbering of expressions, by canonical hash. An expression that d of
 * the n counted functions have weighs log((1 + n) / (1 + d)) / log(1 + n): 1 for one that is
 * nowhere, 0 for one that all have.
 */
#ifndef BOOK_H
#define BOOK_H

#include "base/map.h"
#include "formats/sequence.h"

struct fn {
	struct origin origin; /* texts are the book's */
	uint64_t insns;
	const uint32_t *id; /* [n] its expressions, ascending, each once */
	size_t n;
	double weight; /* of all of them, after book_weigh */
};

/* Functions in the order they were read. Zero-initialise. */
struct fns {
	struct fn *fn;
	size_t n, cap;
};

/* Zero-initialise. */
struct book {
	struct map64 number; /* canonical hash -> 0, 1, ... */
	const char **text;   /* [number.count] */
	double *weight;      /* [number.count], after book_weigh */
	size_t text_cap;
	struct map texts; /* file and function names, binary ids */
	struct arena arena;
	uint32_t *scratch;
	size_t scratch_cap;
};

/* Appends the function; the record need not stay. */
void book_add(struct book *b, struct fns *to, const struct sequence *s);
/* Counts in `counted` (nsets of them) and weighs those, and the `others`. Nothing may be added. */
void book_weigh(struct book *b, struct fns *const *counted, size_t nsets, struct fns *const *others,
	size_t nothers);
void book_free(struct book *b);
/* Frees a set of functions; what they point to is the book's. */
void book_forget(struct fns *s);

/* The weight that two functions share, by what they have in all; 1 for two without any. */
double book_score(const struct book *b, const struct fn *x, const struct fn *y);

#endif
