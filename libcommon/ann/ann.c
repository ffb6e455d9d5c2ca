/*
 * ann.c: the search split into tasks; see ann.h.
 *
 * One idea: a task is a block of queries times a chunk of items, and keeps the k best of each of
 * its queries. With many queries there is one chunk, with few the items are split so that all
 * threads have work; as the order of hits is total, merging the chunks gives the same result.
 */
#include "ann/ann.h"

#include "base/mem.h"

enum {
	BLOCK = 64, /* queries of a task: with their panel they stay in the second-level cache */
	TILE = 256, /* items scored before their scores are looked at */
	CHUNK_MIN = 4096, /* fewer items are not worth a task of their own */
};

size_t ann_count(const struct ann *a)
{
	return a->measure == ANN_COSINE ? a->cosine.n : a->set.n;
}

void ann_reset(struct ann *a)
{
	cosine_reset(&a->cosine);
	jaccard_reset(&a->set);
}

void ann_free(struct ann *a)
{
	cosine_free(&a->cosine);
	jaccard_free(&a->set);
}

/* The memory of one thread. */
struct worker {
	float *scores;  /* [BLOCK, TILE] */
	float *panel;   /* for cosine_scores */
	uint8_t *marks; /* for jaccard_scores */
};

struct search {
	const struct ann *queries, *items;
	size_t q, n;             /* queries q .. q+n-1 */
	size_t chunks, chunk;    /* how many chunks, items in each */
	const uint32_t *owner;   /* [items] */
	struct ann_query *query; /* [n] */
	struct topk *part;       /* [n, chunks]: the best of each chunk */
	struct worker *worker;   /* [threads] */
};

static void score(const struct search *s, struct worker *w, size_t q, size_t nq,
	const uint32_t *which, size_t first, size_t n)
{
	if (s->items->measure == ANN_COSINE)
		cosine_scores(&s->queries->cosine, q, nq, &s->items->cosine, which, first, n,
			w->scores, w->panel);
	else
		jaccard_scores(&s->queries->set, q, nq, &s->items->set, which, first, n, w->scores,
			w->marks);
}

/* Looks at the n scores of one query. */
static void keep(const struct search *s, const struct ann_query *query, struct topk *best,
	const float *scores, const uint32_t *which, size_t first, size_t n)
{
	for (size_t j = 0; j < n; j++) {
		struct topk_hit hit = {scores[j], which ? which[j] : (uint32_t)(first + j)};

		/* Nearly all hits end here. */
		if (best->n == best->k && !topk_before(hit, best->hit[0]))
			continue;
		if (query->self == ANN_NOBODY || s->owner[hit.item] != query->self)
			topk_put(best, hit);
	}
}

/* Task i of a search among all items. */
static void search_chunk(void *ctx, size_t i, unsigned worker)
{
	struct search *s = ctx;
	struct worker *w = &s->worker[worker];
	size_t block = i / s->chunks * BLOCK, nq = MIN(s->n - block, (size_t)BLOCK);
	size_t chunk = i % s->chunks, from = chunk * s->chunk,
	       to = MIN(from + s->chunk, ann_count(s->items));

	for (; from < to; from += TILE) {
		size_t some = MIN(to - from, (size_t)TILE);

		score(s, w, s->q + block, nq, NULL, from, some);
		for (size_t k = 0; k < nq; k++)
			keep(s, &s->query[block + k], &s->part[(block + k) * s->chunks + chunk],
				w->scores + k * some, NULL, from, some);
	}
}

/* Query i of a search among chosen items. */
static void search_chosen(void *ctx, size_t i, unsigned worker)
{
	struct search *s = ctx;
	struct worker *w = &s->worker[worker];
	struct ann_query *query = &s->query[i];

	for (size_t from = 0; from < query->nwhich; from += TILE) {
		size_t some = MIN(query->nwhich - from, (size_t)TILE);

		score(s, w, s->q + i, 1, query->which + from, 0, some);
		keep(s, query, &query->best, w->scores, query->which + from, 0, some);
	}
	topk_sort(&query->best);
}

/* Query i: the best of its chunks become its hits. */
static void merge(void *ctx, size_t i, UNUSED unsigned worker)
{
	struct search *s = ctx;
	struct topk *best = &s->query[i].best;

	for (size_t c = 0; c < s->chunks; c++) {
		const struct topk *part = &s->part[i * s->chunks + c];

		for (size_t k = 0; k < part->n; k++)
			topk_put(best, part->hit[k]);
	}
	topk_sort(best);
}

static void search_all(struct par *par, struct search *s)
{
	size_t blocks = (s->n + BLOCK - 1) / BLOCK, count = ann_count(s->items), room = 0, at = 0;
	size_t want = par_threads(par) > 1 ? (4 * par_threads(par) + blocks - 1) / blocks : 1;
	struct topk_hit *hits;

	s->chunk = MAX((count + want - 1) / want, (size_t)CHUNK_MIN);
	s->chunks = MAX((count + s->chunk - 1) / s->chunk, (size_t)1);
	for (size_t i = 0; i < s->n; i++)
		room += MIN(s->query[i].best.k, s->chunk);
	hits = mem_alloc(room * s->chunks, sizeof(*hits));
	s->part = mem_zalloc(s->n * s->chunks, sizeof(*s->part));
	for (size_t i = 0; i < s->n * s->chunks; i++) {
		s->part[i] =
			(struct topk){hits + at, MIN(s->query[i / s->chunks].best.k, s->chunk), 0};
		at += s->part[i].k;
	}
	par_for(par, blocks * s->chunks, search_chunk, s);
	par_for(par, s->n, merge, s);
	mem_free(s->part);
	mem_free(hits);
}

void ann_search(struct par *par, const struct ann *queries, size_t q, size_t n,
	const struct ann *items, const uint32_t *owner, struct ann_query *query)
{
	struct search s = {
		.queries = queries, .items = items, .q = q, .n = n, .owner = owner, .query = query};
	unsigned threads = par_threads(par);

	for (size_t i = 0; i < n; i++)
		query[i].best.n = 0;
	if (!n || !ann_count(items))
		return;
	s.worker = mem_zalloc(threads, sizeof(*s.worker));
	for (unsigned i = 0; i < threads; i++) {
		s.worker[i].scores = mem_aligned((size_t)BLOCK * TILE, sizeof(float));
		s.worker[i].panel = mem_aligned(cosine_scratch(&items->cosine), sizeof(float));
		s.worker[i].marks = mem_zalloc(jaccard_scratch(&items->set), 1);
	}
	if (query[0].which)
		par_for(par, n, search_chosen, &s);
	else
		search_all(par, &s);
	for (unsigned i = 0; i < threads; i++) {
		mem_free(s.worker[i].scores);
		mem_free(s.worker[i].panel);
		mem_free(s.worker[i].marks);
	}
	mem_free(s.worker);
}
