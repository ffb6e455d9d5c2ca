/*
 * ann.c: the k best against sorting everything, cosine against a plain loop bit for bit, Jaccard
 * against counting by hand, searches against each other at several thread counts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ann/ann.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit.h"

static int by_order(const void *a, const void *b)
{
	const struct topk_hit *x = a, *y = b;

	return topk_before(*x, *y) ? -1 : topk_before(*y, *x);
}

/* Many equal scores, every size and k: the heap keeps what a full sort puts first. */
static void test_topk(void)
{
	struct rng r = rng_new(1, 0);
	struct topk_hit all[60], kept[60];

	for (int round = 0; round < 400; round++) {
		size_t n = rng_below(&r, 60), k = 1 + rng_below(&r, 60);
		struct topk t = {kept, k, 0};

		for (size_t i = 0; i < n; i++) {
			all[i] = (struct topk_hit){(float)rng_below(&r, 7), (uint32_t)i};
			if (i) { /* put in any order of the items */
				size_t j = rng_below(&r, i + 1);
				struct topk_hit swap = all[i];

				all[i] = all[j];
				all[j] = swap;
			}
		}
		for (size_t i = 0; i < n; i++)
			topk_put(&t, all[i]);
		topk_sort(&t);
		qsort(all, n, sizeof(*all), by_order);
		CHECK(t.n == MIN(n, k));
		for (size_t i = 0; i < t.n; i++)
			CHECK(kept[i].item == all[i].item && kept[i].score == all[i].score);
	}
}

static void fill(struct cosine *c, size_t n, size_t dim, uint64_t seed)
{
	struct rng r = rng_new(seed, dim);
	float *v = mem_alloc(dim, sizeof(*v));
	struct err e;

	cosine_reset(c);
	for (size_t i = 0; i < n; i++) {
		for (size_t d = 0; d < dim; d++)
			v[d] = rng_normal(&r);
		CHECK(cosine_add(c, v, dim, &e) == 0);
	}
	mem_free(v);
}

static float plain(const struct cosine *a, size_t i, const struct cosine *b, size_t j)
{
	volatile float sum = 0; /* volatile: nothing may be fused */

	for (size_t d = 0; d < a->dim; d++) {
		volatile float p = a->row[i * a->dim + d] * b->row[j * b->dim + d];

		sum = sum + p;
	}
	return sum;
}

/* Every pair has the bits of the plain loop, wherever it falls in blocks and panels. */
static void test_cosine(void)
{
	static const size_t dims[] = {1, 3, 16, 64, 100};
	struct cosine a = {0}, b = {0};
	struct err e;

	for (size_t t = 0; t < COUNT_OF(dims); t++) {
		float *scratch, *out = mem_alloc(11 * 53, sizeof(*out));
		uint32_t which[37];

		fill(&a, 13, dims[t], 1);
		fill(&b, 61, dims[t], 2);
		scratch = mem_aligned(cosine_scratch(&b), sizeof(*scratch));
		for (size_t nq = 1; nq <= 11; nq += 2)
			for (size_t n = 1; n <= 53; n += 4) {
				cosine_scores(&a, 2, nq, &b, NULL, 5, n, out, scratch);
				for (size_t i = 0; i < nq; i++)
					for (size_t j = 0; j < n; j++)
						CHECK(out[i * n + j] ==
							plain(&a, 2 + i, &b, 5 + j));
			}
		for (size_t j = 0; j < COUNT_OF(which); j++)
			which[j] = (uint32_t)(j * 29 % 61);
		cosine_scores(&a, 7, 1, &b, which, 0, COUNT_OF(which), out, scratch);
		for (size_t j = 0; j < COUNT_OF(which); j++)
			CHECK(out[j] == plain(&a, 7, &b, which[j]));
		mem_free(scratch);
		mem_free(out);
	}
	cosine_reset(&a);
	CHECK(cosine_add(&a, (float[]){3, 4}, 2, &e) == 0);
	CHECK(a.row[0] == 0.6f && a.row[1] == 0.8f);
	CHECK(cosine_add(&a, (float[]){0, 0}, 2, &e) == 0);
	CHECK(a.row[2] == 0 && a.row[3] == 0);
	CHECK(cosine_add(&a, (float[]){3e38f, -3e38f}, 2, &e) == 0);
	CHECK(fabsf(a.row[4] - 0.70710678f) < 1e-6f && a.row[5] == -a.row[4]);
	CHECK(cosine_add(&a, (float[]){1e-45f, 0}, 2, &e) == 0);
	CHECK(a.row[6] == 1);
	CHECK(cosine_add(&a, (float[]){1, 2, 3}, 3, &e) < 0);
	CHECK(!strcmp(e.text, "a vector of 3 numbers, the others have 2"));
	CHECK(cosine_add(&a, NULL, 0, &e) < 0 && cosine_add(&a, NULL, 1 << 17, &e) < 0);
	CHECK(a.n == 4);
	cosine_free(&a);
	cosine_free(&b);
}

static void test_jaccard(void)
{
	struct jaccard items = {0}, queries = {.like = &items};
	uint8_t *scratch;
	float s[4];

	jaccard_add(&items, (uint64_t[]){7, 7, 0, 1ull << 60, 7}, 5); /* {0, 7, 2^60} */
	jaccard_add(&items, (uint64_t[]){7}, 1);
	jaccard_add(&items, NULL, 0);
	jaccard_add(&items, (uint64_t[]){1, 2, 3}, 3);
	jaccard_add(&queries, (uint64_t[]){0, 7, 99, 99}, 4); /* {0, 7, 99} */
	jaccard_add(&queries, NULL, 0);
	CHECK(jaccard_scratch(&items) == 6);
	scratch = mem_zalloc(jaccard_scratch(&items), 1);
	jaccard_scores(&queries, 0, 1, &items, NULL, 0, 4, s, scratch);
	CHECK(s[0] == 0.5f && s[1] == (float)(1.0 / 3) && s[2] == 0 && s[3] == 0);
	jaccard_scores(&queries, 1, 1, &items, NULL, 2, 2, s, scratch);
	CHECK(s[0] == 0 && s[1] == 0);
	jaccard_scores(&items, 0, 1, &items, (uint32_t[]){3, 0}, 0, 2, s, scratch);
	CHECK(s[0] == 0 && s[1] == 1);
	for (size_t i = 0; i < jaccard_scratch(&items); i++)
		CHECK(scratch[i] == 0);
	mem_free(scratch);
	jaccard_reset(&queries);
	jaccard_add(&queries, (uint64_t[]){1, 2, 3}, 3);
	CHECK(queries.n == 1 && queries.set[0].n == 3);
	jaccard_free(&queries);
	jaccard_free(&items);
}

/* By rarity: of 3 items, 7 is in two, 0 and 5 are in one, 9 in none. */
static void test_weighted(void)
{
	struct jaccard items = {0}, queries = {.like = &items};
	double once = log(4.0 / 2), twice = log(4.0 / 3), never = log(4.0);
	uint8_t *scratch;
	float s[3];

	jaccard_add(&items, (uint64_t[]){7, 0, 7}, 3);
	jaccard_add(&items, (uint64_t[]){5, 7}, 2);
	jaccard_add(&items, NULL, 0);
	jaccard_weigh(&items);
	jaccard_add(&queries, (uint64_t[]){9, 7, 0, 9}, 4);
	jaccard_add(&queries, (uint64_t[]){0, 7}, 2);
	scratch = mem_zalloc(jaccard_scratch(&items), 1);
	jaccard_scores(&queries, 0, 1, &items, NULL, 0, 3, s, scratch);
	CHECK(fabs(s[0] - (once + twice) / (once + twice + never)) < 1e-6);
	CHECK(fabs(s[1] - twice / (2 * once + twice + never)) < 1e-6);
	CHECK(s[2] == 0);
	jaccard_scores(&queries, 1, 1, &items, (uint32_t[]){0, 2}, 0, 2, s, scratch);
	CHECK(s[0] == 1 && s[1] == 0);
	jaccard_scores(&items, 2, 1, &items, NULL, 0, 3, s, scratch);
	CHECK(s[0] == 0 && s[1] == 0 && s[2] == 0);
	mem_free(scratch);
	/* What all items have says nothing: two sets of it alone have no weight. */
	jaccard_reset(&items);
	jaccard_add(&items, (uint64_t[]){3}, 1);
	jaccard_add(&items, (uint64_t[]){3, 4}, 2);
	jaccard_weigh(&items);
	CHECK(items.weight[0] == 0 && items.total[0] == 0 && items.total[1] > 0);
	scratch = mem_zalloc(jaccard_scratch(&items), 1);
	jaccard_scores(&items, 0, 1, &items, NULL, 0, 2, s, scratch);
	CHECK(s[0] == 0 && s[1] == 0);
	mem_free(scratch);
	jaccard_free(&queries);
	jaccard_free(&items);
}

/* One query by hand: all items scored, sorted, its own left out. */
static void expect(const struct ann *q, size_t i, const struct ann *items,
	const struct ann_query *found, size_t pool)
{
	size_t n = 0;
	struct topk_hit *all = mem_alloc(pool, sizeof(*all));

	for (size_t j = 0; j < pool; j++) {
		uint32_t item = found->which ? found->which[j] : (uint32_t)j;

		if (item % 100 == found->self)
			continue;
		all[n++] = (struct topk_hit){plain(&q->cosine, i, &items->cosine, item), item};
	}
	qsort(all, n, sizeof(*all), by_order);
	CHECK(found->best.n == MIN(found->best.k, n));
	for (size_t k = 0; k < found->best.n; k++)
		CHECK(found->best.hit[k].item == all[k].item &&
			found->best.hit[k].score == all[k].score);
	mem_free(all);
}

/*
 * Enough items for several chunks, enough queries for several blocks, repeated vectors for equal
 * scores: the same hits at any thread count, and those of a full sort.
 */
static void test_search(size_t nq, size_t n, size_t k, bool chosen)
{
	struct ann items = {.measure = ANN_COSINE}, queries = {.measure = ANN_COSINE};
	struct ann_query *query = mem_zalloc(nq, sizeof(*query));
	struct topk_hit *hit = mem_alloc(nq * k, sizeof(*hit)), *first = NULL;
	uint32_t which[300], *owner = mem_alloc(n, sizeof(*owner));
	float v[8] = {0};
	struct err e;

	for (size_t i = 0; i < n; i++) {
		struct rng r = rng_new(5, i % 1000);

		for (size_t d = 0; d < 8; d++)
			v[d] = rng_normal(&r);
		CHECK(cosine_add(&items.cosine, v, 8, &e) == 0);
		owner[i] = (uint32_t)i % 100;
	}
	fill(&queries.cosine, nq + 2, 8, 9);
	for (size_t j = 0; j < COUNT_OF(which); j++)
		which[j] = (uint32_t)(j * 7 % n);
	for (unsigned threads = 1; threads <= 4; threads++) {
		struct par *par = par_new(threads);

		for (size_t i = 0; i < nq; i++)
			query[i] = (struct ann_query){.which = chosen ? which : NULL,
				.nwhich = COUNT_OF(which),
				.self = i & 1 ? 3 : ANN_NOBODY,
				.best = {hit + i * k, k, 0}};
		ann_search(par, &queries, 2, nq, &items, owner, query);
		for (size_t i = 0; threads == 1 && i < nq; i += 17)
			expect(&queries, 2 + i, &items, &query[i], chosen ? COUNT_OF(which) : n);
		if (!first) {
			first = mem_alloc(nq * k, sizeof(*hit));
			memcpy(first, hit, nq * k * sizeof(*hit));
		}
		CHECK(!memcmp(first, hit, nq * k * sizeof(*hit)));
		par_free(par);
	}
	mem_free(first);
	mem_free(hit);
	mem_free(query);
	mem_free(owner);
	ann_free(&items);
	ann_free(&queries);
}

static void test_empty(void)
{
	struct ann items = {.measure = ANN_JACCARD}, queries = {.measure = ANN_JACCARD};
	struct topk_hit hit[2];
	struct ann_query query = {.self = ANN_NOBODY, .best = {hit, 2, 0}};
	struct par *par = par_new(2);

	queries.set.like = &items.set;
	jaccard_add(&queries.set, (uint64_t[]){1}, 1);
	ann_search(par, &queries, 0, 1, &items, NULL, &query);
	CHECK(query.best.n == 0);
	jaccard_add(&items.set, NULL, 0); /* a set without members: no number at all */
	ann_search(par, &queries, 0, 1, &items, NULL, &query);
	CHECK(query.best.n == 1 && hit[0].score == 0);
	CHECK(ann_count(&items) == 1);
	ann_reset(&items);
	CHECK(ann_count(&items) == 0);
	par_free(par);
	ann_free(&items);
	ann_free(&queries);
}

int main(void)
{
	test_topk();
	test_cosine();
	test_jaccard();
	test_weighted();
	test_search(1, 20000, 10, false);
	test_search(200, 9000, 7, false);
	test_search(70, 1200, 2000, false);
	test_search(70, 1200, 5, true);
	test_empty();
	return unit_done();
}
