/* ranking.c: see ranking.h; the measures are in ann/metrics.h. */
#include "ranking.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

/* All queries, or those with one value of the label. */
struct part {
	struct metrics_ranking m;
	struct metrics_roc
		roc; /* of all pairs of query and candidate, while their scores are known */
};

struct ranking {
	const uint32_t *k;
	size_t nk;
	bool only_known;
	const char *by;
	struct part all;
	struct part *part; /* one for each value of the label */
	size_t cap;
	struct map values; /* value -> index into part */
	struct metrics_ideal ideal;
	struct varies varies;
	bool *sim; /* scratch: which answers are similar */
	size_t sim_cap;
};

struct ranking *ranking_new(const uint32_t *k, size_t nk, bool only_known, const char *by)
{
	struct ranking *r = mem_zalloc(1, sizeof(*r));

	r->k = r->all.m.k = k;
	r->nk = r->all.m.nk = nk;
	r->only_known = only_known;
	r->by = by;
	return r;
}

void ranking_free(struct ranking *r)
{
	for (size_t i = 0; i < r->values.count; i++)
		metrics_roc_free(&r->part[i].roc);
	metrics_roc_free(&r->all.roc);
	mem_free(r->part);
	map_free(&r->values);
	metrics_ideal_free(&r->ideal);
	varies_free(&r->varies);
	mem_free(r->sim);
	mem_free(r);
}

/* The part the match belongs to, or NULL when there are too many. */
static struct part *part_of(struct ranking *r, const struct match *m)
{
	const char *value = field_label(&m->labels, r->by);
	struct map_entry *entry;
	bool made;

	value = value ? value : "";
	entry = map_put(&r->values, value, strlen(value), &made);
	if (made && r->values.count > RANKING_VALUES)
		return NULL;
	if (made) {
		entry->value = r->values.count - 1;
		r->part = mem_grow(r->part, &r->cap, r->values.count, sizeof(*r->part));
		r->part[entry->value] = (struct part){.m = {.k = r->k, .nk = r->nk}};
	}
	return &r->part[entry->value];
}

/* Adds the match to the part: its ranks, and its scores if none is missing so far. */
static int add(struct ranking *r, struct part *part, const struct match *m, struct err *e)
{
	const struct hit *hit = m->hits.p;
	size_t n = m->hits.n;

	if (metrics_ranking_add(&part->m, &r->ideal, r->sim, n, m->pool, m->relevant, e) < 0)
		return -1;
	if (part->m.depth != UINT64_MAX)
		metrics_roc_free(&part->roc);
	else if (m->relevant)
		for (size_t i = 0; i < n; i++)
			metrics_roc_add(&part->roc, r->sim[i], hit[i].score);
	return 0;
}

int ranking_add(struct ranking *r, const struct match *m, struct err *e)
{
	const struct hit *hit = m->hits.p;
	size_t n = m->hits.n;
	struct part *part;

	r->sim = mem_grow(r->sim, &r->sim_cap, n, sizeof(*r->sim));
	for (size_t i = 0; i < n; i++)
		r->sim[i] = *m->group && !strcmp(hit[i].group, m->group);
	if (add(r, &r->all, m, e) < 0)
		return -1;
	varies_add(&r->varies, m);
	if (!r->by)
		return 0;
	part = part_of(r, m);
	if (!part)
		return err_set(e, "label '%.100s' has more than %d values", r->by, RANKING_VALUES);
	return add(r, part, m, e);
}

/* ---- text ---- */

static void pool_text(const struct metrics_ranking *m, struct buf *b)
{
	if (!m->queries)
		buf_puts(b, "no pool");
	else if (m->pool_min == m->pool_max)
		buf_printf(b, "pool %" PRIu64, m->pool_min);
	else
		buf_printf(b, "pool %.1f (%" PRIu64 " to %" PRIu64 ")",
			m->pool_sum / (double)m->queries, m->pool_min, m->pool_max);
}

static void table(const struct part *part, bool only_known, struct buf *b)
{
	const struct metrics_ranking *m = &part->m;
	double auc = metrics_roc_auc(&part->roc);
	size_t i = 0;

	pool_text(m, b);
	buf_printf(b, ", %" PRIu64 " queries", m->queries);
	if (m->without)
		buf_printf(b, " (%" PRIu64 " more have nothing similar in it)", m->without);
	if (!m->queries) {
		buf_putc(b, '\n');
		return;
	}
	buf_printf(b, ", mrr %.4f", m->mrr / (double)m->queries);
	if (!isnan(auc))
		buf_printf(b, ", auc %.4f", auc);
	if (m->depth != UINT64_MAX)
		buf_printf(b, " (first %" PRIu64 " answers)", m->depth);
	buf_puts(b, "\n      k      hit  precision   recall     ndcg  ndcg_cut\n");
	for (; i < m->nk && m->k[i] <= m->depth; i++) {
		struct metrics_at at = metrics_ranking_get(m, i);

		buf_printf(b, "%7" PRIu32 "  %7.4f    %7.4f  %7.4f  %7.4f   %7.4f\n", m->k[i],
			at.hit, at.precision, at.recall, at.ndcg, at.ndcg_cut);
	}
	for (; i < m->nk && !only_known; i++)
		buf_printf(b, "%7" PRIu32 "  unknown: a match holds only %" PRIu64 " answers\n",
			m->k[i], m->depth);
}

/* The places of the values in alphabetic order. */
static void order(const struct map *values, uint32_t at[RANKING_VALUES])
{
	for (size_t i = 0; i < values->count; i++) {
		size_t j = i;

		for (; j && strcmp(values->e[at[j - 1]].key, values->e[i].key) > 0; j--)
			at[j] = at[j - 1];
		at[j] = (uint32_t)i;
	}
}

void ranking_text(const struct ranking *r, struct buf *b)
{
	uint32_t at[RANKING_VALUES];

	table(&r->all, r->only_known, b);
	varies_text(&r->varies, b);
	order(&r->values, at);
	for (size_t i = 0; i < r->values.count; i++) {
		const struct map_entry *value = &r->values.e[at[i]];

		buf_printf(b, "\n%s=%s: ", r->by, value->n ? (const char *)value->key : "(none)");
		table(&r->part[value->value], r->only_known, b);
	}
}

/* ---- JSON ---- */

/* ,"name@k":value for each k; the member at `offset` of struct metrics_at. */
static void at_json(const struct metrics_ranking *m, bool only_known, const char *name,
	size_t offset, struct buf *b)
{
	for (size_t i = 0; i < m->nk; i++) {
		struct metrics_at at = metrics_ranking_get(m, i);
		bool is_known = m->queries && m->k[i] <= m->depth;

		if (only_known && m->queries && !is_known)
			break;
		buf_printf(b, ",\"%s@%" PRIu32 "\":", name, m->k[i]);
		if (is_known)
			buf_printf(b, "%.10g", *(const double *)((const char *)&at + offset));
		else
			buf_puts(b, "null");
	}
}

/* The members of an object, without its braces. */
static void members(const struct part *part, bool only_known, struct buf *b)
{
	const struct metrics_ranking *m = &part->m;
	double n = (double)m->queries, auc = metrics_roc_auc(&part->roc);

	if (!n)
		buf_puts(b, "\"pool\":null");
	else if (m->pool_min == m->pool_max)
		buf_printf(b, "\"pool\":%" PRIu64, m->pool_min);
	else
		buf_printf(b, "\"pool\":%.10g,\"pool_min\":%" PRIu64 ",\"pool_max\":%" PRIu64,
			m->pool_sum / n, m->pool_min, m->pool_max);
	buf_printf(b, ",\"queries\":%" PRIu64 ",\"without\":%" PRIu64, m->queries, m->without);
	if (n && m->depth != UINT64_MAX)
		buf_printf(b, ",\"answers\":%" PRIu64, m->depth);
	if (n)
		buf_printf(b, ",\"mrr\":%.10g", m->mrr / n);
	else
		buf_puts(b, ",\"mrr\":null");
	if (!isnan(auc))
		buf_printf(b, ",\"auc\":%.10g", auc);
	at_json(m, only_known, "hit", offsetof(struct metrics_at, hit), b);
	at_json(m, only_known, "precision", offsetof(struct metrics_at, precision), b);
	at_json(m, only_known, "recall", offsetof(struct metrics_at, recall), b);
	at_json(m, only_known, "ndcg", offsetof(struct metrics_at, ndcg), b);
	at_json(m, only_known, "ndcg_cut", offsetof(struct metrics_at, ndcg_cut), b);
}

void ranking_json(const struct ranking *r, struct buf *b)
{
	uint32_t at[RANKING_VALUES];

	buf_putc(b, '{');
	members(&r->all, r->only_known, b);
	buf_puts(b, ",\"labels\":");
	varies_json(&r->varies, b);
	if (r->by) {
		buf_puts(b, ",\"by\":{");
		field_json_text(b, r->by);
		buf_puts(b, ":{");
		order(&r->values, at);
		for (size_t i = 0; i < r->values.count; i++) {
			const struct map_entry *value = &r->values.e[at[i]];

			buf_puts(b, i ? "," : "");
			field_json_text(b, value->key);
			buf_puts(b, ":{");
			members(&r->part[value->value], r->only_known, b);
			buf_putc(b, '}');
		}
		buf_puts(b, "}}");
	}
	buf_puts(b, "}\n");
}
