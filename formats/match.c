/* match.c: see match.h. */
#include "formats/match.h"

#include "formats/field_table.h"

static const struct field hit_table[] = {
	F_SUB(struct hit, origin, FIELD_RECORD, REQ, &origin_fields, "where it comes from"),
	F(struct hit, labels, FIELD_LABELS, OPT, "its labels"),
	F(struct hit, group, FIELD_TEXT, OPT, "its group"),
	F(struct hit, score, FIELD_F32, REQ, "similarity, higher is closer"),
};
const struct fields match_hit_fields = FIELDS("hit", struct hit, hit_table);

static const struct field table[] = {
	F(struct match, unit, FIELD_TEXT, REQ, "strand, block or function"),
	F_SUB(struct match, origin, FIELD_RECORD, REQ, &origin_fields,
		"where the query comes from"),
	F(struct match, labels, FIELD_LABELS, OPT, "labels of the query"),
	F(struct match, group, FIELD_TEXT, OPT, "group of the query"),
	F(struct match, pool, FIELD_U64, REQ, "candidates the query was compared with"),
	F(struct match, relevant, FIELD_U64, REQ, "candidates of the query's group"),
	F_SUB(struct match, hits, FIELD_RECORDS, REQ, &match_hit_fields, "nearest first"),
};
static const struct fields fields = FIELDS("match", struct match, table);

static int check(const void *rec, struct err *e)
{
	const struct match *m = rec;
	const struct hit *h = m->hits.p;

	if (m->hits.n > m->pool || m->relevant > m->pool)
		return err_set(e, "more hits than candidates");
	for (size_t i = 1; i < m->hits.n; i++)
		if (h[i].score > h[i - 1].score)
			return err_set(e, "hits are not in order of their scores");
	return 0;
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	struct match *m = rec;
	size_t n = rng_below(r, 5);
	struct hit *h = arena_zget(a, n, sizeof(*h));
	float score = 1;

	*m = (struct match){.unit = "function",
		.labels = origin_sample_labels(a, r),
		.group = origin_sample_word(a, r),
		.pool = n + rng_below(r, 100),
		.hits = {h, n}};
	m->relevant = rng_below(r, m->pool + 1);
	origin_sample(&m->origin, a, r);
	for (size_t i = 0; i < n; i++) {
		origin_sample(&h[i].origin, a, r);
		h[i].labels = origin_sample_labels(a, r);
		h[i].group = origin_sample_word(a, r);
		h[i].score = score -= rng_f32(r);
	}
}

const struct kind match_kind = {
	"match", 1, &fields, "a query and its nearest neighbours", check, sample, "bb-knn"};
