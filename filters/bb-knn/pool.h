/*
 * pool.h: small pools drawn from a corpus, as evaluations use them: for each query one item of its
 * group and a number of items of other groups, all equally likely.
 *
 * A draw depends on the seed, on who the query is, and on the groups and the order of the corpus;
 * not on vectors or tokens. So embeddings and tokens of the same functions get the same pools.
 */
#ifndef POOL_H
#define POOL_H

#include "items.h"

struct pool;

/* The corpus must stay as it is; so many threads may draw at a time. */
struct pool *pool_new(const struct items *corpus, unsigned workers);
void pool_free(struct pool *p);
/*
 * Draws at most `size` items for a query: the positive and as many negatives as there are, up to
 * size - 1; none is the query itself. Items without a group are never drawn: nobody knows what
 * they are. Returns how many, 0 when there is no positive.
 */
size_t pool_draw(const struct pool *p, unsigned worker, uint64_t seed, const struct item *query,
	size_t size, uint32_t *drawn);

#endif
