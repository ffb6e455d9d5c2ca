/*
 * ann.h: exact nearest-neighbour search: all items scored, the k best of each query kept.
 *
 * Items and queries are both a struct ann of the same measure. Scores, and the order of equal
 * scores, depend on the two compared and their numbers alone, so results are the same at any
 * number of threads. At most 2^32 - 1 items.
 */
#ifndef ANN_H
#define ANN_H

#include "ann/cosine.h"
#include "ann/jaccard.h"
#include "ann/topk.h"
#include "base/par.h"

enum ann_measure {
	ANN_COSINE,  /* of vectors */
	ANN_JACCARD, /* of sets of numbers; by rarity after jaccard_weigh of the items */
};

/* Zero-initialise, then set the measure; for queries of sets also set.like to the items' set. */
struct ann {
	enum ann_measure measure;
	struct cosine cosine; /* one of the two is used */
	struct jaccard set;
};

size_t ann_count(const struct ann *a);
void ann_reset(struct ann *a);
void ann_free(struct ann *a);

enum { ANN_NOBODY = UINT32_MAX };

/* What one query is compared with and where its hits go. */
struct ann_query {
	const uint32_t *which; /* the nwhich items to compare with; NULL: all items */
	size_t nwhich;
	uint32_t self;    /* items with this owner are left out; ANN_NOBODY: none */
	struct topk best; /* the caller gives memory for k hits; then the hits, best first */
};

/*
 * Finds the best items for queries q .. q+n-1, described by query[0 .. n-1]. Either all of them
 * have a `which` or none. owner[i] is a number of the caller's for item i. The measures and, for
 * vectors, the dimensions must agree; with no items or no queries there is nothing to agree.
 */
void ann_search(struct par *par, const struct ann *queries, size_t q, size_t n,
	const struct ann *items, const uint32_t *owner, struct ann_query *query);

#endif
