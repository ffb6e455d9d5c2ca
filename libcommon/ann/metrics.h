/*
 * metrics.h: how good a ranking or a classification is, accumulated one query at a time.
 *
 * Rankings, after BinBert section 6.1.2 (formula 6 is the nDCG). For a query q with answers
 * r1 .. rk, sim(r) 1 if r is similar to q and else 0, and #sim(q) similar items among all
 * candidates:
 *
 *	precision@k = (sum over i <= k of sim(ri)) / k
 *	recall@k    = (sum over i <= k of sim(ri)) / #sim(q)
 *	ndcg@k      = (sum over i <= k of sim(ri) / log(1 + i)) /
 *	              (sum over i <= #sim(q) of 1 / log(1 + i))
 *	hit@k       = 1 if any sim(ri) is 1, i <= k
 *	mrr         = 1 / (the lowest i with sim(ri) = 1), 0 if there is none
 *
 * This is the formula as printed: with k < #sim(q) even a perfect answer has ndcg@k < 1. The
 * paper's tables hold values that it cannot give (functions, top 5: 95.7 at a recall of 45.3), so
 * they must have been made with the usual form, where the second sum ends at min(k, #sim(q)). That
 * one is ndcg_cut@k here.
 *
 * Everything is a mean over the queries with #sim(q) > 0.
 */
#ifndef METRICS_H
#define METRICS_H

#include "base/map.h"

enum {
	METRICS_K_MAX = 64,             /* values of k at a time */
	METRICS_RELEVANT_MAX = 1 << 24, /* largest #sim(q) */
	METRICS_CLASSES_MAX = 1024,     /* classes of a classification */
	METRICS_AUC_CLASSES_MAX = 64,   /* more: no AUC (512 KiB each) */
};

/* ---- the area under a ROC curve ---- */

/* Histograms of the scores, from -1 to 1, of what is right and of what is not. Zero-initialise. */
struct metrics_roc {
	uint64_t *positive, *negative;
	uint64_t npositive, nnegative; /* what they hold */
};

void metrics_roc_add(struct metrics_roc *r, bool is_right, float score);
/*
 * The probability that something right has a higher score than something that is not, ties
 * counting a half; NAN without both. Scores that differ by less than 0.4% of their distance to -1,
 * 0 or 1 count as tied.
 */
double metrics_roc_auc(const struct metrics_roc *r);
void metrics_roc_free(struct metrics_roc *r);

/* ---- rankings ---- */

/* sums[n] = sum over i <= n of 1 / log(1 + i): shared by all rankings. Zero-initialise. */
struct metrics_ideal {
	double *sum;
	size_t n, cap; /* sum[0 .. n-1] are there */
};

void metrics_ideal_free(struct metrics_ideal *d);

/* Sums over queries; metrics_ranking_get divides. */
struct metrics_at {
	double hit, precision, recall, ndcg, ndcg_cut;
};

/* Zero-initialise, then set k and nk. */
struct metrics_ranking {
	const uint32_t *k; /* ascending, each > 0 */
	size_t nk;         /* at most METRICS_K_MAX */
	struct metrics_at at[METRICS_K_MAX];
	double mrr;
	uint64_t queries;            /* with #sim(q) > 0 */
	uint64_t without;            /* with #sim(q) = 0: in nothing but this count */
	uint64_t pool_min, pool_max; /* candidates of a query */
	double pool_sum;
	uint64_t depth; /* the largest k that all queries have answers for */
};

/*
 * Adds a query: sim[i] says whether answer i + 1 of n is similar. 0, or -1 when relevant is over
 * METRICS_RELEVANT_MAX or lower than what is among the answers.
 */
int metrics_ranking_add(struct metrics_ranking *m, struct metrics_ideal *ideal, const bool *sim,
	size_t n, uint64_t pool, uint64_t relevant, struct err *e) MUST_CHECK;
/* The means at k[i]. */
struct metrics_at metrics_ranking_get(const struct metrics_ranking *m, size_t i);

/* ---- classifications ---- */

struct metrics_class {
	const char *name;
	uint64_t truth, predicted, right; /* records of it, said to be it, both */
	struct metrics_roc roc;           /* of its score */
};

/* Zero-initialise. */
struct metrics_classes {
	struct map names; /* class -> its number, in order of appearance */
	struct metrics_class *c;
	size_t n, cap;
	uint64_t *confusion; /* [room, room]: truth, predicted */
	size_t room;
	uint64_t records, right;
	uint64_t unknown; /* without a truth: in nothing but this count */
};

/*
 * Adds a record: the right class (empty: unknown) and the probabilities of n classes; the first
 * of the largest is the prediction. 0, or -1 when there are more than METRICS_CLASSES_MAX classes.
 */
int metrics_classes_add(struct metrics_classes *m, const char *truth, const char *const *name,
	const float *score, size_t n, struct err *e) MUST_CHECK;
void metrics_classes_free(struct metrics_classes *m);
/* Times that class `truth` was said to be class `predicted`. */
uint64_t metrics_confusion(const struct metrics_classes *m, size_t truth, size_t predicted);

struct metrics_f1 {
	double precision, recall, f1; /* 0 where undefined */
};

struct metrics_f1 metrics_class_f1(const struct metrics_class *c);
/* The mean over all classes that occur as truth or prediction. */
struct metrics_f1 metrics_macro_f1(const struct metrics_classes *m);
/*
 * Area under the ROC curve of a class against the rest: the probability that a record of the class
 * has a higher score for it than one of another. NAN when undefined, when not all records have a
 * score for the class, or with too many classes.
 */
double metrics_class_auc(const struct metrics_classes *m, size_t class);
/* The mean over the classes that have one: one versus rest. */
double metrics_macro_auc(const struct metrics_classes *m);

#endif
