/*
 * similar.c: siamese fine-tuning for similarity (BinBert, arXiv 2208.06692, sections 6.2.1, 6.3.1).
 *
 * Units of one `group` are alike. A sample is an anchor and a partner, both [CLS] code [SEP]; their
 * vectors are the means of the hidden states. --loss mse: the partner is of the anchor's group or,
 * for half of the samples, of another, and (cosine - +-1)^2 is the loss. --loss infonce: always of
 * the group, and the rest of the batch are the negatives. --loss cosine: the same samples, and for
 * each of them 1 - cosine of the two, and max(0, cosine - 0.1) of the anchor and OTHERS others of
 * the batch (Trex, arXiv 2012.08680, section IV: one pair alike for five that are not). A Trex's
 * vectors go through its projection. With --pool rare the mean is weighted
 * (model_weigh) by a / (a + p), p the token's share of all tokens of the training units: smooth
 * inverse frequency (Arora, Liang and Ma, ICLR 2017). After each epoch the AUC over validation
 * pairs is measured, and the folder holds the model of the best epoch.
 *
 * Tokens are small, so all records are kept in memory. All choices are functions of
 * (seed, epoch, draw).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "nn/pack.h"
#include "base/rng.h"
#include "filters/bb-train/pairs.h"
#include "filters/bb-train/tune.h"
#include "nn/loss.h"
#include "nn/sample.h"

enum {
	MICRO = 8192, /* tokens that the CPU takes together */
	TRIES = 16,
	COMMON = 1000,    /* 1/a: a token that is one in so many weighs a half */
	OTHERS = 5,       /* cosine: pairs that are not alike for one that is */
	VALID_MAX = 4000, /* validation units */
	SEED_OTHER = 0x6f746872,
	SEED_PAIR = 0x70616972,
	SEED_VALID = 0x76616c69
};

static const double MARGIN = 0.1; /* of cosine */

enum loss { MSE, INFONCE, COSINE };

struct unit {
	uint32_t *ids; /* owned; of a Trex: what traced points to */
	uint32_t n, group;
	struct pack_traced traced; /* Trex */
};

/* Units sorted by group; first[g] is where group g begins, first[ngroups] = n. */
struct side {
	struct unit *u;
	size_t n, cap;
	uint32_t *first;
	uint32_t *anchor; /* units whose group has others, in this epoch's order */
	size_t anchors;
};

struct task {
	struct tune tune;
	struct side train, valid;
	struct map groups; /* text to number */
	uint64_t skipped, tokens, cut;
	unsigned layer;
	enum loss loss;
	/* the batch: vectors 2i and 2i+1 are a sample */
	struct pack *pack;
	size_t npacks, cap_packs;
	uint32_t *group;
	int8_t *want; /* +1, -1 of each sample */
	float *vec, *dvec;
	size_t n, cap, cap_want, cap_vec, cap_dvec;
};

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* Traced texts of as many tokens. */
static int by_text(const struct pack_traced *x, const struct pack_traced *y)
{
	int by = compare(x->arch, y->arch);

	by = by ? by : compare(x->nstarts, y->nstarts);
	by = by ? by : compare(x->nvalues, y->nvalues);
	by = by ? by : memcmp(x->ids, y->ids, x->n * sizeof(*x->ids));
	by = by ? by : memcmp(x->starts, y->starts, x->nstarts * sizeof(*x->starts));
	by = by ? by : memcmp(x->vat, y->vat, x->nvalues * sizeof(*x->vat));
	return by ? by : memcmp(x->values, y->values, x->nvalues * sizeof(*x->values));
}

static int by_group(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	if (x->traced.n)
		return by_text(&x->traced, &y->traced);
	return memcmp(x->ids, y->ids, x->n * sizeof(*x->ids));
}

static void sort(struct task *t, struct side *s)
{
	s->first = mem_zalloc(t->groups.count + 1, sizeof(*s->first));
	s->anchor = mem_alloc(s->n, sizeof(*s->anchor));
	if (s->n)
		qsort(s->u, s->n, sizeof(*s->u), by_group);
	for (size_t i = 0; i < s->n; i++)
		s->first[s->u[i].group + 1]++;
	for (size_t g = 0; g < t->groups.count; g++)
		s->first[g + 1] += s->first[g];
	for (size_t i = 0; i < s->n; i++)
		if (s->first[s->u[i].group + 1] - s->first[s->u[i].group] > 1)
			s->anchor[s->anchors++] = (uint32_t)i;
}

static void add(struct task *t, const struct tokens *k)
{
	bool valid = pairs_is_valid(k, t->tune.r->o->valid, t->tune.r->o->split);
	struct side *s = valid ? &t->valid : &t->train;
	struct map_entry *g;
	struct unit *u;
	bool made;

	if (valid && s->n >= VALID_MAX)
		return;
	g = map_put(&t->groups, k->group, strlen(k->group), &made);
	if (made)
		g->value = t->groups.count - 1;
	s->u = mem_grow(s->u, &s->cap, s->n + 1, sizeof(*s->u));
	u = &s->u[s->n++];
	u->group = (uint32_t)g->value;
	t->cut += pack_is_cut(t->tune.r->m->config.max_len, k->ids.n, false, 0);
	u->n = (uint32_t)MIN(k->ids.n, (size_t)t->tune.r->m->config.max_len);
	u->traced = (struct pack_traced){0};
	if (t->tune.r->is_trex) {
		u->traced = sample_traced(k, run_arch(t->tune.r, k));
		pack_trim(&u->traced, t->tune.r->m->config.max_len);
		u->n = u->traced.n;
		u->ids = mem_alloc(pack_words(&u->traced), sizeof(*u->ids));
		pack_store(&u->traced, u->ids);
		return;
	}
	u->ids = mem_alloc(u->n, sizeof(*u->ids));
	memcpy(u->ids, k->ids.p, u->n * sizeof(*u->ids));
}

static void read_all(struct task *t)
{
	struct prog *p = t->tune.r->p;
	struct stream_reader *in = filter_open(p, &tokens_kind);
	uint64_t vocab = wordpiece_hash(t->tune.r->words);
	uint8_t digest[HASH_BYTES];
	struct tokens k;
	int got;

	while ((got = stream_read(in, &k)) == 1) {
		if (!pairs_fits(p, &k, vocab, t->tune.r->m->config.vocab) || !k.ids.n || !k.group ||
			!*k.group)
			t->skipped++;
		else
			add(t, &k);
	}
	if (got < 0)
		prog_fail(p, "%s", stream_error(in));
	stream_digest(in, digest);
	run_input(t->tune.r, digest);
	stream_close(in);
	if (t->skipped)
		prog_warn(p, "%llu records skipped (empty, without group, or unknown tokens)",
			(unsigned long long)t->skipped);
	run_cut(t->tune.r, t->cut);
	sort(t, &t->train);
	sort(t, &t->valid);
	if (t->train.anchors < 2)
		prog_fail(p, "no two records to train on have the same group");
}

/* Every token's weight from how often the training units have it. */
static void weigh(struct task *t)
{
	uint32_t n = t->tune.r->m->config.vocab;
	uint64_t *times = mem_zalloc(n, sizeof(*times)), all = 0;
	float *rarity = mem_alloc(n, sizeof(*rarity));

	for (size_t i = 0; i < t->train.n; i++) {
		const struct unit *u = &t->train.u[i];
		const uint32_t *ids = u->traced.n ? u->traced.ids : u->ids;

		times[MODEL_CLS]++;
		times[MODEL_SEP]++;
		for (uint32_t k = 0; k < u->n; k++)
			times[ids[k]]++;
		all += u->n + 2;
	}
	for (uint32_t i = 0; i < n; i++)
		rarity[i] = (float)(1 / (1 + COMMON * (double)times[i] / (double)all));
	model_weigh(t->tune.r->m, rarity);
	mem_free(rarity);
	mem_free(times);
}

/* The anchors in the order of this epoch. */
static void shuffle(struct tune *tune, uint64_t epoch)
{
	struct task *t = (struct task *)tune;
	struct side *s = &t->train;
	size_t k = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->first[s->u[i].group + 1] - s->first[s->u[i].group] > 1)
			s->anchor[k++] = (uint32_t)i;
	tune_shuffle(s->anchor, k, tune->r->o->seed, epoch);
}

/* Another unit of the same group. */
static uint32_t alike(const struct side *s, uint32_t i, struct rng *r)
{
	uint32_t from = s->first[s->u[i].group], n = s->first[s->u[i].group + 1] - from;
	uint32_t k = from + (uint32_t)rng_below(r, n - 1);

	return k >= i ? k + 1 : k;
}

/* A unit of another group, or i itself if none was met. */
static uint32_t unlike(const struct side *s, uint32_t i, struct rng *r)
{
	for (int n = 0; n < TRIES; n++) {
		uint32_t k = (uint32_t)rng_below(r, s->n);

		if (s->u[k].group != s->u[i].group)
			return k;
	}
	return i;
}

static size_t size(const struct task *t, const struct unit *u)
{
	return pack_size(t->tune.r->m->config.max_len, u->n, false, 0);
}

static void put(struct task *t, const struct unit *u)
{
	struct pack *p = t->npacks ? &t->pack[t->npacks - 1] : NULL;

	if (!p || (p->tokens && p->tokens + size(t, u) > run_together(t->tune.r, MICRO))) {
		if (t->npacks == t->cap_packs) {
			size_t had = t->cap_packs;

			t->pack = mem_grow(t->pack, &t->cap_packs, t->npacks + 1, sizeof(*t->pack));
			memset(t->pack + had, 0, (t->cap_packs - had) * sizeof(*t->pack));
		}
		p = &t->pack[t->npacks++];
		pack_reset(p);
	}
	if (u->traced.n)
		pack_add_traced(
			p, t->tune.r->m->config.max_len, t->tune.r->m->config.max_op, &u->traced);
	else
		pack_add(p, t->tune.r->m->config.max_len, u->ids, u->n, NULL, 0);
	t->group = mem_grow(t->group, &t->cap, t->n + 1, sizeof(*t->group));
	t->group[t->n++] = u->group;
}

static void empty(struct task *t)
{
	t->n = t->npacks = 0;
}

/* Draws a batch; `at` is moved to its end. 0 at the end of the epoch. */
static int gather(struct tune *tune, struct place *at)
{
	struct task *t = (struct task *)tune;
	const struct side *s = &t->train;
	size_t tokens = 0;

	empty(t);
	while (at->draws < s->anchors) {
		struct rng r = rng_new(t->tune.r->o->seed ^ (uint64_t)SEED_PAIR << 32,
			at->epoch << 40 | at->draws);
		uint32_t a = s->anchor[at->draws], b;
		bool yes = t->loss != MSE || (rng_u32(&r) & 1);
		size_t need;

		b = yes ? alike(s, a, &r) : unlike(s, a, &r);
		need = size(t, &s->u[a]) + size(t, &s->u[b]);
		if (tokens && tokens + need > t->tune.r->o->batch_tokens)
			break;
		at->draws++;
		tokens += need;
		t->want = mem_grow(t->want, &t->cap_want, t->n / 2 + 1, sizeof(*t->want));
		t->want[t->n / 2] = s->u[a].group == s->u[b].group ? 1 : -1;
		put(t, &s->u[a]);
		put(t, &s->u[b]);
	}
	at->tokens += tokens;
	return tokens > 0;
}

/* The vectors of all packs, in t->vec. */
static void embed(struct task *t, bool keep)
{
	size_t h = t->tune.r->m->config.hidden, at = 0;

	t->vec = mem_grow(t->vec, &t->cap_vec, t->n * h, sizeof(*t->vec));
	for (size_t i = 0; i < t->npacks; i++) {
		model_embed(t->tune.r->m, pack_batch(&t->pack[i]), t->layer, keep, t->vec + at * h);
		at += t->pack[i].seqs;
	}
}

/* Another vector of the batch, of another group; or i itself if none was met. */
static size_t other_vector(const struct task *t, size_t i, struct rng *r)
{
	for (int n = 0; n < TRIES; n++) {
		size_t k = rng_below(r, t->n);

		if (t->group[k] != t->group[i])
			return k;
	}
	return i;
}

/* Vectors that are alike, and OTHERS that are not for each anchor: the mean over all pairs. */
static double cosine(struct task *t, size_t h)
{
	struct rng r = rng_new(t->tune.r->o->seed ^ (uint64_t)SEED_OTHER << 32, t->tune.r->at.step);
	double scale = 1.0 / (double)(t->n / 2 * (1 + OTHERS)), loss = 0;

	for (size_t i = 0; i < t->n; i += 2) {
		loss += loss_cosine_margin(h, t->vec + i * h, t->vec + (i + 1) * h, true, MARGIN,
			scale, t->dvec + i * h, t->dvec + (i + 1) * h);
		for (int n = 0; n < OTHERS; n++) {
			size_t k = other_vector(t, i, &r);

			if (k != i)
				loss += loss_cosine_margin(h, t->vec + i * h, t->vec + k * h, false,
					MARGIN, scale, t->dvec + i * h, t->dvec + k * h);
		}
	}
	return loss;
}

/* The loss of the gathered batch, its gradient left in the model. 0, or -1: asked to stop. */
static int compute(struct tune *tune, double *out, struct buf *fields)
{
	struct task *t = (struct task *)tune;
	size_t h = tune->r->m->config.hidden, at = 0, pairs = t->n / 2;
	double loss = 0;

	/* A pass can be followed by its backward pass only until the next; so with several packs
	 * vectors come first and each pack is run again when its gradient is known. */
	embed(t, t->npacks == 1);
	t->dvec = mem_grow(t->dvec, &t->cap_dvec, t->n * h, sizeof(*t->dvec));
	memset(t->dvec, 0, t->n * h * sizeof(*t->dvec));
	if (t->loss == INFONCE)
		loss = loss_infonce(t->n, h, t->vec, t->group, t->tune.r->o->temperature, t->dvec);
	else if (t->loss == COSINE)
		loss = cosine(t, h);
	for (size_t i = 0; i < pairs && t->loss == MSE; i++)
		loss += loss_cosine_mse(h, t->vec + 2 * i * h, t->vec + (2 * i + 1) * h, t->want[i],
			1.0 / (double)pairs, t->dvec + 2 * i * h, t->dvec + (2 * i + 1) * h);
	model_zero_grad(t->tune.r->m);
	for (size_t i = 0; i < t->npacks; i++) {
		const struct nn_batch *b = pack_batch(&t->pack[i]);

		if (t->npacks > 1)
			model_embed(tune->r->m, b, t->layer, true, t->vec + at * h);
		model_embed_back(tune->r->m, b, t->layer, t->dvec + at * h);
		at += t->pack[i].seqs;
		if (run_stopping())
			return -1;
	}
	*out = loss;
	buf_printf(fields, "\"loss\":%.6g,\"pairs\":%zu", loss, pairs);
	return 0;
}

/* The score is the AUC over one positive and one negative pair for each validation unit. */
static int validate(struct tune *tune, double *out)
{
	struct task *t = (struct task *)tune;
	const struct side *s = &t->valid;
	size_t h = t->tune.r->m->config.hidden, n = 0;
	float *vec, *score;
	uint8_t *yes;
	struct buf b = {0};
	double auc;

	*out = NAN;
	if (!s->anchors)
		return 0;
	empty(t);
	for (size_t i = 0; i < s->n; i++)
		put(t, &s->u[i]);
	embed(t, false);
	if (run_stopping())
		return -1;
	vec = t->vec;
	score = mem_alloc(2 * s->anchors, sizeof(*score));
	yes = mem_alloc(2 * s->anchors, 1);
	for (size_t i = 0; i < s->anchors; i++) {
		struct rng r = rng_new(SEED_VALID, i);
		uint32_t a = s->anchor[i], k = alike(s, a, &r), u = unlike(s, a, &r);

		score[n] = (float)loss_cosine(h, vec + a * h, vec + k * h);
		yes[n++] = 1;
		if (u == a)
			continue;
		score[n] = (float)loss_cosine(h, vec + a * h, vec + u * h);
		yes[n++] = 0;
	}
	auc = loss_auc(n, score, yes);
	mem_free(score);
	mem_free(yes);
	buf_printf(&b, "\"step\":%llu,\"valid\":true,\"pairs\":%zu,\"auc\":%.6g",
		(unsigned long long)t->tune.r->at.step, n, auc);
	run_log(t->tune.r, buf_text(&b));
	buf_free(&b);
	prog_note(t->tune.r->p, "step %llu: validation AUC %.4f over %zu pairs",
		(unsigned long long)t->tune.r->at.step, auc, n);
	*out = auc;
	return 0;
}

static void plan(struct task *t)
{
	uint64_t tokens = 0, longest = 0;

	for (size_t i = 0; i < t->train.anchors; i++) {
		uint64_t n = 2 * size(t, &t->train.u[t->train.anchor[i]]);

		tokens += n;
		longest = MAX(longest, n);
	}
	run_plan(t->tune.r, tokens, longest);
}

static void side_free(struct side *s)
{
	for (size_t i = 0; i < s->n; i++)
		mem_free(s->u[i].ids);
	mem_free(s->u);
	mem_free(s->first);
	mem_free(s->anchor);
}

static enum loss find_loss(const char *name)
{
	return strcmp(name, "infonce") == 0 ? INFONCE : strcmp(name, "cosine") == 0 ? COSINE : MSE;
}

enum run_next similar(struct run *r)
{
	struct task t = {.tune = {.r = r,
				 .shuffle = shuffle,
				 .gather = gather,
				 .compute = compute,
				 .validate = validate},
		.loss = find_loss(r->o->loss)};
	bool rare = r->o->pool && strcmp(r->o->pool, "rare") == 0;
	enum run_next next;

	run_model(r, MODEL_BARE, 0);
	if (r->done)
		return RUN_DONE;
	if (model_layer(r->m, (long)r->o->layer, &t.layer) < 0)
		prog_usage(r->p, "--layer %lld: the model has %u layers", (long long)r->o->layer,
			r->m->config.layers);
	if (r->o->steps || rare)
		read_all(&t);
	if (rare)
		weigh(&t);
	else if (r->o->pool)
		model_weigh(r->m, NULL);
	if (r->o->steps == 0) {
		run_save_model(r);
		return RUN_DONE;
	}
	plan(&t);
	prog_note(r->p, "%zu units, %zu with others alike; %zu for validation", t.train.n,
		t.train.anchors, t.valid.n);
	next = tune(&t.tune);
	for (size_t i = 0; i < t.cap_packs; i++)
		pack_free(&t.pack[i]);
	mem_free(t.pack);
	mem_free(t.group);
	mem_free(t.want);
	mem_free(t.vec);
	mem_free(t.dvec);
	map_free(&t.groups);
	side_free(&t.train);
	side_free(&t.valid);
	return next;
}
