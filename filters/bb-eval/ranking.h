/*
 * ranking.h: the table of a stream of matches.
 */
#ifndef RANKING_H
#define RANKING_H

#include "ann/metrics.h"
#include "varies.h"

enum { RANKING_VALUES = 256 }; /* most values of the label of --by */

struct ranking;

/*
 * k[nk] ascending; only_known: say nothing of those that go beyond the answers in the matches;
 * `by`: also split by this label of the query, or NULL. k and by stay the caller's.
 */
struct ranking *ranking_new(const uint32_t *k, size_t nk, bool only_known, const char *by);
void ranking_free(struct ranking *r);
/* 0, or -1 when the record cannot be evaluated. */
int ranking_add(struct ranking *r, const struct match *m, struct err *e) MUST_CHECK;
void ranking_text(const struct ranking *r, struct buf *b);
void ranking_json(const struct ranking *r, struct buf *b);

#endif
