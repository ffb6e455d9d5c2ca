/*
 * topk.h: the k best of many scored items.
 *
 * The order is total: higher score first, of equal scores the lower item number first. So the
 * result depends on what was put, never on when or in which pieces.
 */
#ifndef TOPK_H
#define TOPK_H

#include "base/base.h"

struct topk_hit {
	float score;
	uint32_t item;
};

/* A heap with the worst kept hit on top. The caller owns the memory. */
struct topk {
	struct topk_hit *hit; /* room for k */
	size_t k, n;          /* k > 0 */
};

/* Whether a comes before b. */
static inline bool topk_before(struct topk_hit a, struct topk_hit b)
{
	return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/* Keeps the hit if it is among the k best so far. */
void topk_put(struct topk *t, struct topk_hit hit);
/* Puts the kept hits in order, best first; then nothing may be put any more. */
void topk_sort(struct topk *t);

#endif
