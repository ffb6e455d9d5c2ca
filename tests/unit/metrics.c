/*
 * metrics.c: the measures of rankings against values worked out by hand and against the formulas
 * written out plainly; of classifications against counting all pairs.
 */
#include <math.h>
#include <string.h>

#include "ann/metrics.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit.h"

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-12;
}

/* Two queries, by hand. Logarithms to the base 2: the base cancels. */
static void test_by_hand(void)
{
	static const uint32_t k[] = {1, 2, 4};
	static const bool a[] = {false, true, true, false}, b[] = {true, false, false, false};
	struct metrics_ranking m = {.k = k, .nk = 3};
	struct metrics_ideal ideal = {0};
	double l3 = 1 / log2(3), ideal3 = 1 + l3 + 0.5, ideal1 = 1;
	struct metrics_at at;
	struct err e;

	CHECK(metrics_ranking_add(&m, &ideal, a, 4, 100, 3, &e) == 0);
	CHECK(metrics_ranking_add(&m, &ideal, b, 4, 50, 1, &e) == 0);
	CHECK(metrics_ranking_add(&m, &ideal, b + 1, 3, 50, 0, &e) == 0); /* not averaged */
	CHECK(m.queries == 2 && m.without == 1 && m.depth == 4);
	CHECK(m.pool_min == 50 && m.pool_max == 100 && m.pool_sum == 150);
	CHECK(near(m.mrr / 2, (0.5 + 1) / 2));

	at = metrics_ranking_get(&m, 0);
	CHECK(near(at.hit, 0.5) && near(at.precision, 0.5) && near(at.recall, 0.5));
	CHECK(near(at.ndcg, 0.5 * (0 / ideal3 + 1 / ideal1)) && near(at.ndcg_cut, 0.5));
	at = metrics_ranking_get(&m, 1);
	CHECK(near(at.hit, 1) && near(at.precision, 0.5) && near(at.recall, (1.0 / 3 + 1) / 2));
	CHECK(near(at.ndcg, 0.5 * (l3 / ideal3 + 1)));
	CHECK(near(at.ndcg_cut, 0.5 * (l3 / (1 + l3) + 1)));
	at = metrics_ranking_get(&m, 2);
	CHECK(near(at.hit, 1) && near(at.precision, (0.5 + 0.25) / 2));
	CHECK(near(at.recall, (2.0 / 3 + 1) / 2));
	CHECK(near(at.ndcg, 0.5 * ((l3 + 0.5) / ideal3 + 1)) && near(at.ndcg, at.ndcg_cut));

	/* A query that claims more than there is. */
	CHECK(metrics_ranking_add(&m, &ideal, a, 4, 100, 1, &e) < 0);
	CHECK(metrics_ranking_add(&m, &ideal, a, 4, UINT64_MAX, UINT64_MAX, &e) < 0);
	CHECK(m.queries == 2);
	metrics_ideal_free(&ideal);
}

/* The paper's remark: (1,1,0,0) and (0,0,1,1) have one precision and two nDCGs. */
static void test_paper_example(void)
{
	static const uint32_t k[] = {4};
	static const bool early[] = {true, true, false, false}, late[] = {false, false, true, true};
	struct metrics_ranking x = {.k = k, .nk = 1}, y = {.k = k, .nk = 1};
	struct metrics_ideal ideal = {0};
	struct err e;

	CHECK(metrics_ranking_add(&x, &ideal, early, 4, 9, 2, &e) == 0);
	CHECK(metrics_ranking_add(&y, &ideal, late, 4, 9, 2, &e) == 0);
	CHECK(near(metrics_ranking_get(&x, 0).precision, 0.5));
	CHECK(near(metrics_ranking_get(&y, 0).precision, 0.5));
	CHECK(near(metrics_ranking_get(&x, 0).ndcg, 1));
	CHECK(metrics_ranking_get(&y, 0).ndcg < 0.7);
	metrics_ideal_free(&ideal);
}

/* The formulas, written out for one query, against the running sums. */
static void test_formulas(void)
{
	static const uint32_t k[] = {1, 3, 10, 25, 70};
	struct rng r = rng_new(3, 0);
	struct metrics_ideal ideal = {0};

	for (int round = 0; round < 300; round++) {
		struct metrics_ranking m = {.k = k, .nk = COUNT_OF(k)};
		size_t n = 1 + rng_below(&r, 60), pool = n + rng_below(&r, 50), found = 0;
		uint64_t relevant;
		bool sim[60];
		struct err e;

		for (size_t i = 0; i < n; i++)
			found += sim[i] = rng_below(&r, 3) == 0;
		relevant = MAX(found + rng_below(&r, 5), (uint64_t)1);
		CHECK(metrics_ranking_add(&m, &ideal, sim, n, pool, relevant, &e) == 0);
		CHECK(m.depth == (n < pool ? n : UINT64_MAX));
		for (size_t a = 0; a < COUNT_OF(k); a++) {
			struct metrics_at at = metrics_ranking_get(&m, a);
			double hits = 0, dcg = 0, all = 0, cut = 0;

			for (size_t i = 1; i <= MIN(n, (size_t)k[a]); i++) {
				hits += sim[i - 1];
				dcg += sim[i - 1] / log2(1 + (double)i);
			}
			for (size_t i = 1; i <= relevant; i++)
				all += 1 / log2(1 + (double)i);
			for (size_t i = 1; i <= MIN(relevant, k[a]); i++)
				cut += 1 / log2(1 + (double)i);
			CHECK(near(at.hit, hits > 0));
			CHECK(near(at.precision, hits / k[a]));
			CHECK(near(at.recall, hits / (double)relevant));
			CHECK(near(at.ndcg, dcg / all) && near(at.ndcg_cut, dcg / cut));
		}
	}
	metrics_ideal_free(&ideal);
}

static void test_classes_by_hand(void)
{
	static const char *const names[] = {"O0", "O1", "O2"};
	static const struct {
		const char *truth;
		float score[3];
	} rec[] = {
		{"O0", {0.8f, 0.1f, 0.1f}}, {"O0", {0.3f, 0.6f, 0.1f}}, {"O1", {0.2f, 0.7f, 0.1f}},
		{"O2", {0.5f, 0.5f, 0.0f}}, /* a tie: the first is the prediction */
		{"O9", {0.1f, 0.1f, 0.8f}}, /* no class of the model */
		{"", {1, 0, 0}},            /* unknown */
	};
	struct metrics_classes m = {0};
	struct metrics_f1 f;
	struct err e;

	for (size_t i = 0; i < COUNT_OF(rec); i++)
		CHECK(metrics_classes_add(&m, rec[i].truth, names, rec[i].score, 3, &e) == 0);
	CHECK(m.records == 5 && m.right == 2 && m.unknown == 1 && m.n == 4);
	f = metrics_class_f1(&m.c[0]);
	CHECK(near(f.precision, 0.5) && near(f.recall, 0.5) && near(f.f1, 0.5));
	f = metrics_class_f1(&m.c[1]);
	CHECK(near(f.precision, 0.5) && near(f.recall, 1) && near(f.f1, 2.0 / 3));
	f = metrics_class_f1(&m.c[2]);
	CHECK(f.precision == 0 && f.recall == 0 && f.f1 == 0);
	f = metrics_macro_f1(&m);
	CHECK(near(f.precision, 0.25) && near(f.recall, 1.5 / 4));
	CHECK(near(f.f1, (0.5 + 2.0 / 3) / 4));
	CHECK(metrics_confusion(&m, 0, 0) == 1 && metrics_confusion(&m, 0, 1) == 1);
	CHECK(metrics_confusion(&m, 2, 0) == 1 && metrics_confusion(&m, 3, 2) == 1);
	/* O0: positives .8 .3; the rest .2 .5 .1: 5 of 6 pairs in order. */
	CHECK(near(metrics_class_auc(&m, 0), 5.0 / 6));
	CHECK(isnan(metrics_class_auc(&m, 3)));
	metrics_classes_free(&m);
}

/* Scores in steps far wider than a bin: the histogram must give the count over all pairs. */
static void test_auc(void)
{
	static const char *const names[] = {"no", "yes"};
	struct rng r = rng_new(4, 0);

	for (int round = 0; round < 50; round++) {
		struct metrics_classes m = {0};
		float s[80];
		bool yes[80];
		size_t n = 2 + rng_below(&r, 78);
		double pairs = 0, order = 0;
		struct err e;

		for (size_t i = 0; i < n; i++) {
			s[i] = (float)rng_below(&r, 65) / 64;
			if (round & 1) /* crowd at the ends, as probabilities do */
				s[i] = s[i] < 0.5f ? s[i] / 1e5f : 1 - (1 - s[i]) / 64;
			yes[i] = i < 2 ? i : rng_below(&r, 2);
			CHECK(metrics_classes_add(&m, names[yes[i]], names,
				      (float[]){1 - s[i], s[i]}, 2, &e) == 0);
		}
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++) {
				if (!yes[i] || yes[j])
					continue;
				pairs++;
				order += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
			}
		CHECK(near(metrics_class_auc(&m, m.c[0].name[0] == 'y' ? 0 : 1), order / pairs));
		metrics_classes_free(&m);
	}
}

/* Scores of both signs, and beyond what a cosine can be. */
static void test_roc(void)
{
	static const float rising[] = {
		-3e38f, -1, -0.9f, -0.5f, -0.01f, -1e-6f, 0, 1e-6f, 0.01f, 0.5f, 0.9f, 1, 3e38f};
	struct metrics_roc r = {0};

	CHECK(isnan(metrics_roc_auc(&r)));
	for (size_t i = 1; i < COUNT_OF(rising); i++) {
		bool tied = i == 1 || i == COUNT_OF(rising) - 1; /* all beyond 1 is 1 */

		r = (struct metrics_roc){0};
		metrics_roc_add(&r, true, rising[i]);
		CHECK(isnan(metrics_roc_auc(&r)));
		metrics_roc_add(&r, false, rising[i - 1]);
		CHECK(near(metrics_roc_auc(&r), tied ? 0.5 : 1));
		metrics_roc_add(&r, false, rising[i]);
		CHECK(near(metrics_roc_auc(&r), tied ? 0.5 : 0.75));
		metrics_roc_free(&r);
	}
}

static void test_many_classes(void)
{
	struct metrics_classes m = {0};
	const float one = 1;
	struct err e;

	for (int i = 0; i <= METRICS_CLASSES_MAX; i++) {
		char name[16];
		const char *names[] = {name};

		snprintf(name, sizeof(name), "c%d", i);
		CHECK((metrics_classes_add(&m, name, names, &one, 1, &e) == 0) ==
			(i < METRICS_CLASSES_MAX));
	}
	CHECK(m.right == METRICS_CLASSES_MAX && isnan(metrics_macro_auc(&m)));
	CHECK(metrics_confusion(&m, 700, 700) == 1 && metrics_confusion(&m, 700, 701) == 0);
	/* Scores that are no probabilities are put at the ends. */
	CHECK(metrics_classes_add(&m, "c0", (const char *[]){"c0"}, (float[]){-3e38f}, 1, &e) == 0);
	metrics_classes_free(&m);
	CHECK(metrics_classes_add(
		      &m, "a", (const char *[]){"a", "b"}, (float[]){-3e38f, 3e38f}, 2, &e) == 0);
	CHECK(m.right == 0);
	metrics_classes_free(&m);
}

int main(void)
{
	test_by_hand();
	test_paper_example();
	test_formulas();
	test_classes_by_hand();
	test_auc();
	test_roc();
	test_many_classes();
	return unit_done();
}
