/*
 * pair.h: which function of a new build is which of the old one: at most one each.
 *
 * First, names that both builds have once. Then, equal sets of expressions of as many instructions,
 * when there are as many of them in both. Then the most alike first, by weight of what they share.
 */
#ifndef PAIR_H
#define PAIR_H

#include "book.h"

enum { PAIR_NONE = UINT32_MAX };

struct pairs {
	uint32_t *of_old, *of_new; /* [functions] its partner, or PAIR_NONE */
	double *score;             /* [old functions] that has a partner */
};

/* Two of equal names pair at any score, others from `least` on. Free with pair_free. */
struct pairs pair_find(
	const struct book *b, const struct fns *old, const struct fns *new, double least);
void pair_free(struct pairs *p);

#endif
