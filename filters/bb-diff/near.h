/*
 * near.h: which functions of a set share rare expressions with another function.
 *
 * Only expressions that at most NEAR_COMMON functions of the set have lead to a candidate: what is
 * more common says little and would make the work quadratic. All of them count in the score.
 */
#ifndef NEAR_H
#define NEAR_H

#include "book.h"

enum { NEAR_COMMON = 512 };

struct near;

/* An index of the set, which must stay as it is, as must the book. */
struct near *near_new(const struct book *b, const struct fns *of);
void near_free(struct near *s);

struct near_hit {
	size_t fn; /* in the set */
	double score;
};

/*
 * The k best (fewer if there are fewer) that are not `taken` (NULL: none is) and score at least
 * `least`, best first, of equal scores the first. The result is good until the next call.
 */
const struct near_hit *near_find(
	struct near *s, const struct fn *to, const bool *taken, double least, size_t k, size_t *n);

#endif
