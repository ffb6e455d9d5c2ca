/*
 * varies.h: which labels differ between queries and their answers. A result says little without
 * it: finding a function again across optimisation levels is harder than within one.
 */
#ifndef VARIES_H
#define VARIES_H

#include "base/map.h"
#include "formats/match.h"

enum {
	VARIES_KEYS = 64,   /* labels looked at; further ones are not */
	VARIES_VALUES = 16, /* values remembered of each; then `more` */
};

struct varies_label {
	const char *key;
	bool differs;             /* in at least one pair of query and answer */
	struct map queries, hits; /* values, by first appearance; "" for none */
	bool more_queries, more_hits;
};

/* Zero-initialise. */
struct varies {
	struct map keys; /* key -> index into label */
	struct varies_label *label;
	size_t n, cap;
};

void varies_add(struct varies *v, const struct match *m);
void varies_free(struct varies *v);
/* "varies: opt (O0 against O3)" and a newline; nothing when there are no labels. */
void varies_text(const struct varies *v, struct buf *b);
/* {"opt":{"varies":true,"queries":["O0"],"hits":["O3"]}} */
void varies_json(const struct varies *v, struct buf *b);

#endif
