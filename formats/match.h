/*
 * match.h: a query and its nearest neighbours, best first. man 5 bb-match.
 */
#ifndef MATCH_H
#define MATCH_H

#include "formats/origin.h"

struct hit {
	struct origin origin;
	struct labels labels;
	const char *group;
	float score; /* cosine similarity, or what the search was asked for; higher is closer */
};

struct match {
	const char *unit;
	struct origin origin; /* of the query, as the next two */
	struct labels labels;
	const char *group;
	uint64_t pool;       /* candidates the query was compared with */
	uint64_t relevant;   /* of these, how many share the query's group: #sim(q) of the paper */
	struct records hits; /* struct hit, score descending */
};

extern const struct fields match_hit_fields;
extern const struct kind match_kind;

#endif
