/*
 * metrics.c: see metrics.h. Memory does not grow with the number of queries or records: rankings
 * are sums, and the area under a ROC curve comes from histograms of the scores.
 */
#include "ann/metrics.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* ---- the area under a ROC curve ---- */

/*
 * Bins for scores of one sign: below 0.5 by the float's exponent and the eight bits after it, from
 * 2^-32 on; above, the mirror image, as probabilities crowd at both ends. Those of negative scores
 * come first, in reverse.
 */
enum { HALF = 31 << 8, BINS = 2 * HALF, ROC_BINS = 2 * BINS };

static size_t bin_of(float s)
{
	float t = s < 0.5f ? s : 1 - s; /* exact */
	uint32_t bits, base = (127 - 32) << 8;
	size_t i;

	if (!(t > 0x1p-32f))
		t = 0x1p-32f; /* too small, or beyond 1 by rounding */
	memcpy(&bits, &t, sizeof(bits));
	i = MIN((bits >> 15) - base, (uint32_t)HALF - 1);
	return s < 0.5f ? i : BINS - 1 - i;
}

void metrics_roc_add(struct metrics_roc *r, bool is_right, float score)
{
	size_t bin = score < 0 ? BINS - 1 - bin_of(-score) : BINS + bin_of(score);

	if (!r->positive) {
		r->positive = mem_zalloc(ROC_BINS, sizeof(*r->positive));
		r->negative = mem_zalloc(ROC_BINS, sizeof(*r->negative));
	}
	(is_right ? r->positive : r->negative)[bin]++;
	r->npositive += is_right;
	r->nnegative += !is_right;
}

double metrics_roc_auc(const struct metrics_roc *r)
{
	double below = 0, area = 0; /* negatives in lower bins; pairs in the right order */

	if (!r->npositive || !r->nnegative)
		return NAN;
	for (size_t i = 0; i < ROC_BINS; i++) {
		area += (double)r->positive[i] * (below + 0.5 * (double)r->negative[i]);
		below += (double)r->negative[i];
	}
	return area / (double)r->npositive / (double)r->nnegative;
}

void metrics_roc_free(struct metrics_roc *r)
{
	mem_free(r->positive);
	mem_free(r->negative);
	*r = (struct metrics_roc){0};
}

/* ---- rankings ---- */

static double discount(size_t rank)
{
	return 1 / log(1 + (double)rank);
}

static double ideal_sum(struct metrics_ideal *d, size_t n)
{
	d->sum = mem_grow(d->sum, &d->cap, n + 1, sizeof(*d->sum));
	for (; d->n <= n; d->n++)
		d->sum[d->n] = d->n ? d->sum[d->n - 1] + discount(d->n) : 0;
	return d->sum[n];
}

void metrics_ideal_free(struct metrics_ideal *d)
{
	mem_free(d->sum);
	*d = (struct metrics_ideal){0};
}

/* How many candidates a query had, and how many of them have a rank: n. */
static void add_pool(struct metrics_ranking *m, size_t n, uint64_t pool)
{
	bool is_first = !m->queries;

	m->pool_min = is_first ? pool : MIN(m->pool_min, pool);
	m->pool_max = is_first ? pool : MAX(m->pool_max, pool);
	m->pool_sum += (double)pool;
	if (is_first)
		m->depth = UINT64_MAX;
	if (n < pool) /* more answers exist than were kept */
		m->depth = MIN(m->depth, n);
}

int metrics_ranking_add(struct metrics_ranking *m, struct metrics_ideal *ideal, const bool *sim,
	size_t n, uint64_t pool, uint64_t relevant, struct err *e)
{
	uint64_t found = 0;
	size_t first = 0;
	double dcg = 0;

	for (size_t i = 0; i < n; i++)
		found += sim[i];
	if (found > relevant)
		return err_set(e, "%llu similar answers but only %llu similar candidates",
			(unsigned long long)found, (unsigned long long)relevant);
	if (relevant > METRICS_RELEVANT_MAX)
		return err_set(e, "more than %d similar candidates", METRICS_RELEVANT_MAX);
	if (!relevant) {
		m->without++;
		return 0;
	}
	add_pool(m, n, pool);
	m->queries++;
	while (first < n && !sim[first])
		first++;
	if (first < n)
		m->mrr += 1 / (double)(first + 1);
	found = 0;
	for (size_t a = 0, i = 0; a < m->nk; a++) {
		struct metrics_at *at = &m->at[a];
		uint32_t k = m->k[a];

		for (; i < n && i < k; i++) {
			found += sim[i];
			dcg += sim[i] ? discount(i + 1) : 0;
		}
		at->hit += found > 0;
		at->precision += (double)found / k;
		at->recall += (double)found / (double)relevant;
		at->ndcg += dcg / ideal_sum(ideal, relevant);
		at->ndcg_cut += dcg / ideal_sum(ideal, MIN(k, relevant));
	}
	return 0;
}

struct metrics_at metrics_ranking_get(const struct metrics_ranking *m, size_t i)
{
	double n = (double)m->queries;
	struct metrics_at at = m->at[i];

	return (struct metrics_at){
		at.hit / n, at.precision / n, at.recall / n, at.ndcg / n, at.ndcg_cut / n};
}

/* ---- classifications ---- */

/* Room for n classes in the confusion matrix. */
static void widen(struct metrics_classes *m, size_t n)
{
	size_t room = MAX(2 * m->room, n);
	uint64_t *to;

	if (n <= m->room)
		return;
	to = mem_zalloc(room * room, sizeof(*to));
	for (size_t i = 0; i < m->room; i++)
		memcpy(to + i * room, m->confusion + i * m->room, m->room * sizeof(*to));
	mem_free(m->confusion);
	m->confusion = to;
	m->room = room;
}

/* The number of the class, or -1 when there are too many. */
static int number_of(struct metrics_classes *m, const char *name, struct err *e)
{
	bool made;
	struct map_entry *entry = map_put(&m->names, name, strlen(name), &made);

	if (!made)
		return (int)entry->value;
	if (m->n == METRICS_CLASSES_MAX)
		return err_set(e, "more than %d classes", METRICS_CLASSES_MAX);
	entry->value = m->n;
	m->c = mem_grow(m->c, &m->cap, m->n + 1, sizeof(*m->c));
	m->c[m->n] = (struct metrics_class){.name = entry->key};
	widen(m, m->n + 1);
	return (int)m->n++;
}

static void put_score(struct metrics_classes *m, int c, bool is_it, float score)
{
	if (m->n <=
		METRICS_AUC_CLASSES_MAX) /* else metrics_class_auc sees that records are missing */
		metrics_roc_add(&m->c[c].roc, is_it, score);
}

int metrics_classes_add(struct metrics_classes *m, const char *truth, const char *const *name,
	const float *score, size_t n, struct err *e)
{
	int right, said = 0;
	size_t best = 0;

	if (!*truth) {
		m->unknown++;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		int c = number_of(m, name[i], e);

		if (c < 0)
			return -1;
		put_score(m, c, !strcmp(name[i], truth), score[i]);
		if (i == 0 || score[i] > score[best]) {
			best = i;
			said = c;
		}
	}
	right = number_of(m, truth, e);
	if (right < 0)
		return -1;
	m->records++;
	m->right += right == said;
	m->c[right].truth++;
	m->c[said].predicted++;
	m->c[right].right += right == said;
	m->confusion[(size_t)right * m->room + (size_t)said]++;
	return 0;
}

void metrics_classes_free(struct metrics_classes *m)
{
	for (size_t i = 0; i < m->n; i++)
		metrics_roc_free(&m->c[i].roc);
	mem_free(m->c);
	mem_free(m->confusion);
	map_free(&m->names);
	*m = (struct metrics_classes){0};
}

uint64_t metrics_confusion(const struct metrics_classes *m, size_t truth, size_t predicted)
{
	return m->confusion[truth * m->room + predicted];
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

struct metrics_f1 metrics_class_f1(const struct metrics_class *c)
{
	return (struct metrics_f1){ratio(c->right, c->predicted), ratio(c->right, c->truth),
		ratio(2 * c->right, c->predicted + c->truth)};
}

struct metrics_f1 metrics_macro_f1(const struct metrics_classes *m)
{
	struct metrics_f1 sum = {0};
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct metrics_f1 f = metrics_class_f1(&m->c[i]);

		n += m->c[i].truth || m->c[i].predicted;
		sum.precision += f.precision;
		sum.recall += f.recall;
		sum.f1 += f.f1;
	}
	if (n)
		sum = (struct metrics_f1){
			sum.precision / (double)n, sum.recall / (double)n, sum.f1 / (double)n};
	return sum;
}

double metrics_class_auc(const struct metrics_classes *m, size_t class)
{
	const struct metrics_class *c = &m->c[class];

	if (c->roc.npositive != c->truth || c->roc.npositive + c->roc.nnegative != m->records)
		return NAN;
	return metrics_roc_auc(&c->roc);
}

double metrics_macro_auc(const struct metrics_classes *m)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		double auc = metrics_class_auc(m, i);

		if (isnan(auc))
			continue;
		sum += auc;
		n++;
	}
	return n ? sum / (double)n : NAN;
}
