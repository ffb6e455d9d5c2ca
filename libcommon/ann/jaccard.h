/*
 * jaccard.h: sets of numbers and their Jaccard similarity |A and B| / |A or B|: the comparison
 * that has learned nothing, to be printed beside those that have. Either all members count the
 * same, or each by how rare it is: its inverse document frequency (idf) among the items.
 *
 * Queries are numbered by the sets they will be compared with (`like`): a number that occurs in
 * none of those adds to the size of a query and to nothing else.
 */
#ifndef JACCARD_H
#define JACCARD_H

#include "base/map.h"

/* Zero-initialise; then set `like` for a matrix of queries. */
struct jaccard {
	const struct jaccard *like; /* numbers as there; NULL: by own numbers */
	struct map64 number;        /* member of a set -> 0, 1, ... */
	uint32_t *id;               /* members of all sets, renumbered, one set after another */
	size_t nid, id_cap;
	struct jaccard_set {
		size_t start, n; /* its part of id */
		size_t size;     /* with the members that have no number */
	} * set;
	size_t n, cap;
	double *weight;   /* of each number, after jaccard_weigh; NULL: all count 1 */
	double *total;    /* [n] the weight of each set */
	double unknown;   /* weight of a member that no set has */
	uint64_t *sorted; /* scratch of jaccard_add */
	size_t sorted_cap;
};

/* Appends the set of the n numbers at v, in any order, with any repetition. */
void jaccard_add(struct jaccard *s, const uint64_t *v, size_t n);
/*
 * After the last item: from now on a member that d of the n items have counts
 * log((1 + n) / (1 + d)). Nothing may be added any more.
 */
void jaccard_weigh(struct jaccard *items);
/* Forgets the sets and weights; keeps the memory. */
void jaccard_reset(struct jaccard *s);
void jaccard_free(struct jaccard *s);

/* Bytes of scratch memory that jaccard_scores needs; they must be 0 and are 0 again after it. */
size_t jaccard_scratch(const struct jaccard *items);
/*
 * out[i * n + j] = the similarity of query q + i and item which[j], or first + j when which is
 * NULL; i < nq, j < n. Two sets that are empty, or of no weight, have nothing in common: 0.
 */
void jaccard_scores(const struct jaccard *queries, size_t q, size_t nq, const struct jaccard *items,
	const uint32_t *which, size_t first, size_t n, float *out, uint8_t *scratch);

#endif
