/*
 * model_pass.c: the encoder and its heads as a sequence of operations of nn.h; see model.h.
 *
 * One idea: the backward pass is the forward pass read upwards, so each pair stands together.
 * Shapes: T tokens, S sequences, M masked (or classified) tokens, h hidden, f intermediate.
 */
#include "nn/model_pass.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "nn/model.h"

struct model_acts *model_pass_new(void)
{
	return mem_zalloc(1, sizeof(struct model_acts));
}

static void acts_free(struct model *m)
{
	struct model_acts *a = m->acts;

	for (size_t i = 0; i < a->nall; i++)
		m->nn->op->free(m->nn, a->all[i]);
	mem_free(a->all);
	mem_free(a->x);
	mem_free(a->layer);
	mem_free(a->loss);
	mem_free(a->best);
	mem_free(a->sbest);
	mem_free(a->bbest);
	mem_free(a->share);
	mem_free(a->times);
	*a = (struct model_acts){0};
}

void model_pass_free(struct model *m)
{
	acts_free(m);
	mem_free(m->acts);
}

/* A device buffer of activations. */
static float *room(struct model *m, size_t n)
{
	struct model_acts *a = m->acts;

	return a->all[a->nall++] = m->nn->op->room(m->nn, n);
}

/* The same of floats. */
static float *floats(struct model *m, size_t n)
{
	struct model_acts *a = m->acts;

	return a->all[a->nall++] = m->nn->op->alloc(m->nn, n);
}

static struct nn_kept room_kept(struct model *m, size_t rows)
{
	struct nn_kept k;

	k.xhat = room(m, rows * m->config.hidden);
	k.rstd = floats(m, rows);
	return k;
}

/* Makes the activations large enough; grows by halves so that it is seldom done. */
static struct model_acts *acts(struct model *m, const struct nn_batch *b, size_t masked, bool keep)
{
	struct model_acts *a = m->acts;
	size_t h = m->config.hidden, f = m->config.intermediate, nl = m->config.layers;
	size_t rows, seqs, mrows;

	if (a->rows >= b->tokens && a->seqs >= b->seqs && a->masked >= masked && a->keep >= keep)
		return a;
	rows = nn_rows(b->tokens > a->rows ? b->tokens + b->tokens / 8 : a->rows);
	seqs = nn_rows(b->seqs > a->seqs ? b->seqs + b->seqs / 2 : a->seqs);
	mrows = nn_rows(masked > a->masked ? masked + masked / 4 : a->masked);
	keep |= a->keep;
	acts_free(m);
	a->keep = keep;
	a->rows = rows;
	a->seqs = seqs;
	a->masked = mrows;
	a->all = mem_alloc(12 * nl + 35, sizeof(*a->all));
	a->x = mem_alloc(nl + 1, sizeof(*a->x));
	a->layer = mem_zalloc(nl, sizeof(*a->layer));
	for (size_t l = 0; l <= nl; l++)
		a->x[l] = l < 2 || keep ? room(m, rows * h) : a->x[l - 2];
	for (size_t l = 0; l < nl; l++) {
		struct kept_layer *k = &a->layer[l];

		if (l > 0 && !keep) {
			*k = a->layer[0];
			continue;
		}
		k->qkv = room(m, rows * 3 * h);
		k->o = room(m, rows * h);
		k->z1 = room(m, rows * h);
		if (!keep)
			continue;
		k->lse = floats(m, rows * m->config.heads);
		k->u = room(m, rows * f);
		k->n1 = room_kept(m, rows);
		k->n2 = room_kept(m, rows);
	}
	a->vec = floats(m, seqs * h);
	a->hs = room(m, seqs * h);
	a->ps = room(m, seqs * h);
	if (m->config.projection)
		a->os = room(m, seqs * h);
	if (keep) {
		a->n0 = room_kept(m, rows);
		a->d = room(m, rows * h);
		a->e = room(m, rows * h);
		a->dqkv = room(m, rows * 3 * h);
		a->ds = room(m, seqs * h);
		a->es = room(m, seqs * h);
	}
	if (mrows) {
		a->hm = room(m, mrows * h);
		a->zm = room(m, mrows * h);
		a->um = room(m, mrows * h);
		a->dm = room(m, mrows * h);
		a->nm = room_kept(m, mrows);
		if (model_is_trex(&m->config))
			a->vm = room(m, mrows * h);
	}
	a->loss = mem_alloc(MAX(mrows, seqs), sizeof(*a->loss));
	a->best = mem_alloc(mrows, sizeof(*a->best));
	a->sbest = mem_alloc(seqs, sizeof(*a->sbest));
	if (model_is_trex(&m->config))
		a->bbest = mem_alloc(mrows, MODEL_VALUE_BYTES * sizeof(*a->bbest));
	return a;
}

static struct nn_embed embeddings(const struct model *m)
{
	return (struct nn_embed){.word = m->param + m->word,
		.pos = m->param + m->pos,
		.type = m->param + m->type,
		.norm = model_norm(m, m->norm_g, m->norm_b),
		.h = m->config.hidden};
}

/* Rounded weights of a layer's products. */
struct model_int8 {
	struct nn_int8 *qkv, *out, *up, *down;
};

/* One layer's four products and two normalisations. */
struct parts {
	struct nn_dense qkv, out, up, down;
	struct nn_norm norm1, norm2;
};

static struct parts parts(const struct model *m, unsigned i)
{
	const struct model_layer *l = &m->layer[i];
	size_t h = m->config.hidden, f = m->config.intermediate;
	struct parts p = {model_dense(m, l->qkv_w, l->qkv_b, 3 * h, h),
		model_dense(m, l->out_w, l->out_b, h, h), model_dense(m, l->up_w, l->up_b, f, h),
		model_dense(m, l->down_w, l->down_b, h, f), model_norm(m, l->norm1_g, l->norm1_b),
		model_norm(m, l->norm2_g, l->norm2_b)};

	if (m->int8) {
		p.qkv.int8 = m->int8[i].qkv;
		p.out.int8 = m->int8[i].out;
		p.up.int8 = m->int8[i].up;
		p.down.int8 = m->int8[i].down;
	}
	return p;
}

int model_round(struct model *m)
{
	const struct nn_backend *op = m->nn->op;

	if (!op->int8_new)
		return -1;
	model_pass_unround(m);
	m->int8 = mem_alloc(m->config.layers, sizeof(*m->int8));
	for (unsigned i = 0; i < m->config.layers; i++) {
		const struct model_layer *l = &m->layer[i];
		size_t h = m->config.hidden, f = m->config.intermediate;

		m->int8[i].qkv = op->int8_new(m->nn, m->param + l->qkv_w, 3 * h, h);
		m->int8[i].out = op->int8_new(m->nn, m->param + l->out_w, h, h);
		m->int8[i].up = op->int8_new(m->nn, m->param + l->up_w, f, h);
		m->int8[i].down = op->int8_new(m->nn, m->param + l->down_w, h, f);
	}
	return 0;
}

void model_pass_unround(struct model *m)
{
	const struct nn_backend *op = m->nn->op;

	for (unsigned i = 0; m->int8 && i < m->config.layers; i++) {
		op->int8_free(m->nn, m->int8[i].qkv);
		op->int8_free(m->nn, m->int8[i].out);
		op->int8_free(m->nn, m->int8[i].up);
		op->int8_free(m->nn, m->int8[i].down);
	}
	mem_free(m->int8);
	m->int8 = NULL;
}

/* Hidden states up to x[layers]. */
static void forward(struct model *m, const struct nn_batch *b, unsigned layers, bool keep)
{
	static const struct nn_kept none = {0};
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	struct nn_embed e = embeddings(m);
	size_t t = b->tokens, h = m->config.hidden;

	if (model_is_trex(&m->config))
		model_trex_embed(m, b, keep, &e);
	op->embed(m->nn, b, &e, a->x[0], keep ? &a->n0 : &none);
	for (unsigned i = 0; i < layers && !(m->nn->stop && *m->nn->stop); i++) {
		struct kept_layer *k = &a->layer[i];
		struct parts p = parts(m, i);

		op->dense(m->nn, t, &p.qkv, NN_LINEAR, a->x[i], NULL, k->qkv);
		op->attend(m->nn, b, m->config.heads, h, k->qkv, k->o, keep ? k->lse : NULL);
		op->dense_norm(m->nn, t, &p.out, NN_LINEAR, &p.norm1, k->o, a->x[i], NULL, k->z1,
			keep ? &k->n1 : &none);
		op->ffn(m->nn, t, &p.up, &p.down, &p.norm2, k->z1, keep ? k->u : NULL, a->x[i + 1],
			keep ? &k->n2 : &none);
	}
}

/* From a->d, the gradient of x[layers], to the gradients of everything below. */
static void backward(struct model *m, const struct nn_batch *b, unsigned layers)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	struct nn_embed e = embeddings(m);
	struct nn_embed_grad ge = {.word = m->grad + m->word,
		.pos = m->grad + m->pos,
		.type = m->grad + m->type,
		.norm = model_norm_grad(m, m->norm_g, m->norm_b)};
	size_t t = b->tokens, h = m->config.hidden;

	for (unsigned i = layers; i-- > 0 && !(m->nn->stop && *m->nn->stop);) {
		const struct model_layer *l = &m->layer[i];
		struct kept_layer *k = &a->layer[i];
		struct parts p = parts(m, i);
		struct nn_dense_grad qkv = model_dense_grad(m, l->qkv_w, l->qkv_b);
		struct nn_dense_grad out = model_dense_grad(m, l->out_w, l->out_b);
		struct nn_dense_grad up = model_dense_grad(m, l->up_w, l->up_b);
		struct nn_dense_grad down = model_dense_grad(m, l->down_w, l->down_b);
		struct nn_norm_grad n1 = model_norm_grad(m, l->norm1_g, l->norm1_b);
		struct nn_norm_grad n2 = model_norm_grad(m, l->norm2_g, l->norm2_b);

		op->norm_back(m->nn, t, h, &p.norm2, &n2, a->d, &k->n2, a->d);
		op->ffn_back(m->nn, t, &p.up, &p.down, &up, &down, k->z1, k->u, a->d, a->e);
		op->norm_back(m->nn, t, h, &p.norm1, &n1, a->e, &k->n1, a->e);
		op->dense_back(m->nn, t, &p.out, &out, NN_LINEAR, k->o, NULL, NULL, a->e, a->d);
		op->attend_back(m->nn, b, m->config.heads, h, k->qkv, k->o, k->lse, a->d, a->dqkv);
		op->dense_back(
			m->nn, t, &p.qkv, &qkv, NN_LINEAR, a->x[i], NULL, NULL, a->dqkv, a->d);
		op->add(m->nn, nn_rows(t) * h, a->e, a->d); /* the residual path */
	}
	if (model_is_trex(&m->config))
		model_trex_embed_grad(m, &ge);
	op->embed_back(m->nn, b, &e, &ge, a->d, &a->n0);
	if (model_is_trex(&m->config))
		model_trex_embed_back(m, b, &ge);
}

/* The masked-token head: transform (GELU, normalisation), then the tied decoder. */
static void elm(
	struct model *m, const struct model_targets *t, bool train, struct model_losses *out)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden, n = t->masked;
	struct nn_dense tr = model_dense(m, m->tr_w, m->tr_b, h, h);
	struct nn_dense dec = model_dense(m, m->word, m->dec_b, m->config.vocab, h);
	struct nn_norm nm = model_norm(m, m->tr_norm_g, m->tr_norm_b);
	struct nn_dense_grad gtr, gdec;
	struct nn_norm_grad gnm;

	op->gather(m->nn, n, h, t->row, a->x[m->config.layers], a->hm);
	op->dense_norm(m->nn, n, &tr, NN_GELU, &nm, a->hm, NULL, a->um, a->zm, &a->nm);
	if (train) {
		gtr = model_dense_grad(m, m->tr_w, m->tr_b);
		gdec = model_dense_grad(m, m->word, m->dec_b);
		gnm = model_norm_grad(m, m->tr_norm_g, m->tr_norm_b);
	}
	op->classify(m->nn, n, &dec, train ? &gdec : NULL, t->want, t->elm_scale, a->zm,
		train ? a->dm : NULL, a->loss, a->best);
	for (size_t i = 0; i < n; i++)
		out->elm += a->loss[i];
	if (!train)
		return;
	op->norm_back(m->nn, n, h, &nm, &gnm, a->dm, &a->nm, a->dm);
	op->dense_back(m->nn, n, &tr, &gtr, NN_GELU, a->hm, a->um, NULL, a->dm, a->zm);
	op->scatter(m->nn, n, h, t->row, a->zm, a->d);
}

/*
 * The classifier on the pooler (tanh of a layer on [CLS]), or SSM, which is one of two classes.
 * Returns the sum of the losses.
 */
static double sequences(
	struct model *m, const struct nn_batch *b, const uint32_t *want, float scale, bool train)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden, n = b->seqs;
	struct nn_dense pool = model_dense(m, m->pooler_w, m->pooler_b, h, h);
	struct nn_dense cls = model_dense(m, m->cls_w, m->cls_b, model_classes_of(&m->config), h);
	struct nn_dense_grad gpool, gcls;
	float *loss = mem_alloc(n, sizeof(*loss));
	double sum = 0;

	if (train) {
		gpool = model_dense_grad(m, m->pooler_w, m->pooler_b);
		gcls = model_dense_grad(m, m->cls_w, m->cls_b);
	}
	op->gather(m->nn, n, h, b->cu, a->x[m->config.layers], a->hs);
	op->dense(m->nn, n, &pool, NN_TANH, a->hs, NULL, a->ps);
	op->classify(m->nn, n, &cls, train ? &gcls : NULL, want, scale, a->ps, train ? a->ds : NULL,
		loss, a->sbest);
	for (size_t i = 0; i < n; i++)
		sum += loss[i];
	mem_free(loss);
	if (!train)
		return sum;
	op->dense_back(m->nn, n, &pool, &gpool, NN_TANH, a->hs, NULL, a->ps, a->ds, a->es);
	op->scatter(m->nn, n, h, b->cu, a->es, a->d);
	return sum;
}

/* The classifier on the hidden states of some tokens. */
static double tokens(struct model *m, const struct model_classes *c, bool train)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden;
	struct nn_dense cls = model_dense(m, m->cls_w, m->cls_b, m->config.classes, h);
	struct nn_dense_grad gcls;
	double sum = 0;

	if (train)
		gcls = model_dense_grad(m, m->cls_w, m->cls_b);
	op->gather(m->nn, c->n, h, c->row, a->x[m->config.layers], a->hm);
	op->classify(m->nn, c->n, &cls, train ? &gcls : NULL, c->want, c->scale, a->hm,
		train ? a->dm : NULL, a->loss, a->best);
	for (size_t i = 0; i < c->n; i++)
		sum += a->loss[i];
	if (train)
		op->scatter(m->nn, c->n, h, c->row, a->dm, a->d);
	return sum;
}

void model_pretrain(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	bool train, struct model_losses *out)
{
	struct model_acts *a = acts(m, b, MAX(t->masked, (size_t)1), train);

	*out = (struct model_losses){.loss = a->loss, .best = a->best, .ssm_best = a->sbest};
	forward(m, b, m->config.layers, train);
	if (train)
		m->nn->op->clear(m->nn, a->d, nn_rows(b->tokens) * m->config.hidden);
	if (t->masked)
		elm(m, t, train, out);
	if (t->label)
		out->ssm = sequences(m, b, t->label, t->ssm_scale, train);
	if (t->values)
		model_trex_values(m, t, train, out);
	if (train)
		backward(m, b, m->config.layers);
}

double model_classify(struct model *m, const struct nn_batch *b, const struct model_classes *c,
	bool train, const uint32_t **best)
{
	bool by_token = m->config.head == MODEL_TOKENS;
	struct model_acts *a = acts(m, b, by_token ? MAX(c->n, (size_t)1) : 0, train);
	double sum = 0;

	*best = by_token ? a->best : a->sbest;
	forward(m, b, m->config.layers, train);
	if (train)
		m->nn->op->clear(m->nn, a->d, nn_rows(b->tokens) * m->config.hidden);
	if (!by_token)
		sum = sequences(m, b, c->want, c->scale, train);
	else if (c->n)
		sum = tokens(m, c, train);
	if (train)
		backward(m, b, m->config.layers);
	return sum;
}

/* Logits to probabilities, in place. */
static void softmax(size_t n, float *x)
{
	double top = x[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		top = MAX(top, (double)x[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(exp(x[i] - top) / sum);
}

void model_predict(
	struct model *m, const struct nn_batch *b, size_t n, const uint32_t *row, float *p)
{
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden, classes = m->config.classes;
	bool by_token = m->config.head == MODEL_TOKENS;
	struct model_acts *a = acts(m, b, by_token ? MAX(n, (size_t)1) : 0, false);
	struct nn_dense cls = model_dense(m, m->cls_w, m->cls_b, classes, h);
	float *logit = op->room(m->nn, nn_rows(n) * classes);

	forward(m, b, m->config.layers, false);
	op->gather(m->nn, n, h, by_token ? row : b->cu, a->x[m->config.layers],
		by_token ? a->hm : a->hs);
	if (!by_token) {
		struct nn_dense pool = model_dense(m, m->pooler_w, m->pooler_b, h, h);

		op->dense(m->nn, n, &pool, NN_TANH, a->hs, NULL, a->ps);
	}
	op->dense(m->nn, n, &cls, NN_LINEAR, by_token ? a->hm : a->ps, NULL, logit);
	op->take(m->nn, p, logit, n * classes);
	op->free(m->nn, logit);
	for (size_t i = 0; i < n; i++)
		softmax(classes, p + i * classes);
}

/* The batch with the share of each token: its rarity over its occurrences; they add up to 1. */
static struct nn_batch weighted(struct model *m, const struct nn_batch *b)
{
	struct model_acts *a = m->acts;
	struct nn_batch w = *b;

	if (!m->rarity)
		return w;
	if (!a->times)
		a->times = mem_zalloc(m->config.vocab, sizeof(*a->times));
	if (!a->share)
		a->share = mem_alloc(a->rows, sizeof(*a->share));
	for (size_t s = 0; s < b->seqs; s++) {
		float sum = 0;

		for (uint32_t t = b->cu[s]; t < b->cu[s + 1]; t++)
			sum += a->times[b->ids[t]]++ ? 0 : m->rarity[b->ids[t]];
		for (uint32_t t = b->cu[s]; t < b->cu[s + 1]; t++)
			a->share[t] = m->rarity[b->ids[t]] / (sum * (float)a->times[b->ids[t]]);
		for (uint32_t t = b->cu[s]; t < b->cu[s + 1]; t++)
			a->times[b->ids[t]] = 0;
	}
	w.share = a->share;
	return w;
}

static void embed(struct model *m, const struct nn_batch *b, unsigned layer, bool keep, float *vec)
{
	struct model_acts *a = acts(m, b, 0, keep);
	struct nn_batch w = weighted(m, b);
	size_t h = m->config.hidden;

	forward(m, b, layer, keep);
	m->nn->op->pool(m->nn, &w, h, a->x[layer], a->vec);
	m->nn->op->get(m->nn, vec, a->vec, b->seqs * h);
	if (m->config.projection)
		model_trex_project(m, b->seqs, vec);
}

/*
 * Where a group of the sequences from `from` ends: of those that fill a group by half to whole, the
 * one with the smallest share of rows in no sequence.
 */
static size_t group_end(const struct nn_batch *b, size_t from, size_t group)
{
	size_t best = from + 1;
	double least = 2;

	for (size_t s = from + 1; s <= b->seqs && b->cu[s] - b->cu[from] <= group; s++) {
		size_t n = b->cu[s] - b->cu[from];
		double waste = 1 - (double)n / (double)nn_rows(n);

		if (2 * n >= group && waste < least) {
			least = waste;
			best = s;
		} else if (least > 1) {
			best = s;
		}
	}
	return best;
}

void model_embed(struct model *m, const struct nn_batch *b, unsigned layer, bool keep, float *vec)
{
	size_t group = m->nn->group;
	uint32_t *cu;

	if (keep || !m->int8 || !group || b->tokens <= group) {
		embed(m, b, layer, keep, vec);
		return;
	}
	cu = mem_alloc(b->seqs + 1, sizeof(*cu));
	for (size_t s = 0, end; s < b->seqs; s = end) {
		size_t t = b->cu[s];
		struct nn_batch g = *b;

		end = group_end(b, s, group);
		g.cu = cu;
		g.ids += t;
		g.pos += t;
		g.types += t;
		if (model_is_trex(&m->config)) {
			g.op += t;
			g.value += t;
		}
		g.tokens = b->cu[end] - t;
		g.seqs = end - s;
		g.longest = 0;
		for (size_t i = s; i <= end; i++) {
			cu[i - s] = (uint32_t)(b->cu[i] - t);
			g.longest = MAX(g.longest, i > s ? (size_t)(b->cu[i] - b->cu[i - 1]) : 0);
		}
		embed(m, &g, layer, false, vec + s * m->config.hidden);
		m->trex.held = true;
	}
	m->trex.held = false;
	mem_free(cu);
}

void model_embed_inner(struct model *m, const struct nn_batch *b, unsigned layer, float *vec)
{
	const struct nn_backend *op = m->nn->op;
	struct model_acts *a = acts(m, b, 0, false);
	size_t h = m->config.hidden, n = 0, seqs = 0;
	uint32_t *row = mem_alloc(b->tokens, sizeof(*row));
	uint32_t *cu = mem_alloc(b->seqs + 1, sizeof(*cu)); /* of the sequences that keep a token */
	struct nn_batch inner = {.cu = cu};
	float *x = op->room(m->nn, nn_rows(b->tokens) * h), *mean;

	forward(m, b, layer, false);
	for (size_t s = 0; s < b->seqs; s++) {
		if (b->cu[s] + 2 >= b->cu[s + 1])
			continue;
		cu[seqs++] = (uint32_t)n;
		for (uint32_t t = b->cu[s] + 1; t + 1 < b->cu[s + 1]; t++)
			row[n++] = t;
	}
	cu[seqs] = (uint32_t)n;
	inner.tokens = n;
	inner.seqs = seqs;
	op->gather(m->nn, n, h, row, a->x[layer], x);
	op->pool(m->nn, &inner, h, x, a->vec);
	mean = mem_alloc(seqs * h, sizeof(*mean));
	op->get(m->nn, mean, a->vec, seqs * h);
	if (m->config.projection)
		model_trex_project(m, seqs, mean);
	for (size_t s = 0, k = 0; s < b->seqs; s++) {
		bool is_empty = b->cu[s] + 2 >= b->cu[s + 1];

		if (is_empty)
			memset(vec + s * h, 0, h * sizeof(*vec));
		else
			memcpy(vec + s * h, mean + k++ * h, h * sizeof(*vec));
	}
	op->free(m->nn, x);
	mem_free(mean);
	mem_free(row);
	mem_free(cu);
}

void model_embed_back(struct model *m, const struct nn_batch *b, unsigned layer, const float *dvec)
{
	struct model_acts *a = m->acts;
	struct nn_batch w = weighted(m, b);
	size_t h = m->config.hidden;
	float *d = NULL;

	if (m->config.projection) {
		d = mem_alloc(b->seqs * h, sizeof(*d));
		memcpy(d, dvec, b->seqs * h * sizeof(*d));
		model_trex_project_back(m, b->seqs, d);
	}
	m->nn->op->put(m->nn, a->vec, d ? d : dvec, b->seqs * h);
	mem_free(d);
	m->nn->op->pool_back(m->nn, &w, h, a->vec, a->d);
	backward(m, b, layer);
}

void model_hidden(struct model *m, const struct nn_batch *b, unsigned layer, float *x)
{
	struct model_acts *a = acts(m, b, 0, false);

	forward(m, b, layer, false);
	m->nn->op->take(m->nn, x, a->x[layer], b->tokens * m->config.hidden);
}
