/*
 * model.c: the encoder as a sequence of operations of nn.h; see model.h.
 *
 * One idea: the backward pass is the forward pass read upwards, so each pair stands together.
 * Shapes: T tokens, S sequences, M masked tokens, h hidden, f intermediate.
 */
#include "nn/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"

/* Activations of one layer. Without a backward pass all layers share the first one's. */
struct kept_layer {
	float *qkv; /* [T,3h] */
	float *o;   /* [T,h] attention output */
	float *lse; /* [T,heads] */
	float *z1;  /* [T,h] after the first normalisation */
	float *u;   /* [T,f] */
	struct nn_kept n1, n2;
};

struct model_acts {
	bool keep;                 /* the layers have their own buffers */
	size_t rows, seqs, masked; /* what there is room for */
	float **x; /* [layers+1] of [T,h]: hidden states; x[l] is the input of layer l */
	struct kept_layer *layer;
	struct nn_kept n0;        /* of the embeddings */
	float *d, *e, *dqkv;      /* [T,h] [T,h] [T,3h] gradients */
	float *hm, *um, *zm, *dm; /* [M,h] head: masked rows, before GELU, transformed, gradient */
	struct nn_kept nm;
	float *hs, *ps, *ds, *es; /* [S,h] [CLS] rows or pooled vectors, and their gradients */
	float *loss;              /* host [max(M,S)] */
	uint32_t *best, *sbest;   /* host [M], [S] */
	float **all;              /* every device buffer above, to be freed */
	size_t nall;
};

int model_config_named(struct model_config *c, const char *name)
{
	static const struct {
		const char *name;
		struct model_config c;
	} known[] = {
		{"tiny", {0, 128, 2, 2, 512, 512, 2, 1e-12f, 0.02f}},
		{"small", {0, 256, 4, 4, 1024, 512, 2, 1e-12f, 0.02f}},
		{"base", {0, 768, 12, 12, 3072, 512, 2, 1e-12f, 0.02f}},
	};

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (strcmp(name, known[i].name) == 0) {
			*c = known[i].c;
			return 0;
		}
	}
	return -1;
}

/* The limits keep every size, in floats, far below 2^40. */
int model_config_check(const struct model_config *c, struct err *e)
{
	const struct {
		const char *name;
		uint32_t v, max;
	} range[] = {
		{"vocab_size", c->vocab, 1 << 20},
		{"hidden_size", c->hidden, 1 << 14},
		{"num_hidden_layers", c->layers, 256},
		{"num_attention_heads", c->heads, 1 << 10},
		{"intermediate_size", c->intermediate, 1 << 16},
		{"max_position_embeddings", c->max_len, 1 << 16},
		{"type_vocab_size", c->types, 256},
	};

	for (size_t i = 0; i < COUNT_OF(range); i++)
		if (range[i].v < 1 || range[i].v > range[i].max)
			return err_set(e, "%s is %u: must be 1 to %u", range[i].name, range[i].v,
				range[i].max);
	if (c->vocab <= MODEL_MASK)
		return err_set(e, "vocab_size is %u: no room for the special tokens", c->vocab);
	if (c->hidden % c->heads != 0)
		return err_set(e, "hidden_size %u is not a multiple of num_attention_heads %u",
			c->hidden, c->heads);
	if (!(c->norm_eps > 0 && c->norm_eps < 1))
		return err_set(e, "layer_norm_eps must be between 0 and 1");
	if (!(c->init_range >= 0 && c->init_range < 10))
		return err_set(e, "initializer_range must be between 0 and 10");
	return 0;
}

/* Adds a tensor of n rows of k (k = 0: a vector of n); returns its place. */
PRINTF_LIKE(4, 5)
static size_t add(struct model *m, size_t n, size_t k, const char *fmt, ...)
{
	struct model_tensor *t = &m->tensor[m->ntensors++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->name, sizeof(t->name), fmt, ap);
	va_end(ap);
	t->rank = k ? 2 : 1;
	t->shape[0] = n;
	t->shape[1] = k;
	t->n = n * (k ? k : 1);
	t->at = m->nparam;
	m->nparam += t->n;
	return t->at;
}

#define LAYER "bert.encoder.layer.%u."

/* Matrices, which decay, come first; query, key and value adjoin, as one matrix of 3h rows. */
static void lay_out(struct model *m)
{
	const struct model_config *c = &m->config;
	size_t h = c->hidden, f = c->intermediate;

	m->tensor = mem_zalloc(16u * c->layers + 16, sizeof(*m->tensor));
	m->layer = mem_zalloc(c->layers, sizeof(*m->layer));
	m->word = add(m, c->vocab, h, "bert.embeddings.word_embeddings.weight");
	m->pos = add(m, c->max_len, h, "bert.embeddings.position_embeddings.weight");
	m->type = add(m, c->types, h, "bert.embeddings.token_type_embeddings.weight");
	for (unsigned i = 0; i < c->layers; i++) {
		struct model_layer *l = &m->layer[i];

		l->qkv_w = add(m, h, h, LAYER "attention.self.query.weight", i);
		add(m, h, h, LAYER "attention.self.key.weight", i);
		add(m, h, h, LAYER "attention.self.value.weight", i);
		l->out_w = add(m, h, h, LAYER "attention.output.dense.weight", i);
		l->up_w = add(m, f, h, LAYER "intermediate.dense.weight", i);
		l->down_w = add(m, h, f, LAYER "output.dense.weight", i);
	}
	m->pooler_w = add(m, h, h, "bert.pooler.dense.weight");
	m->tr_w = add(m, h, h, "cls.predictions.transform.dense.weight");
	m->ssm_w = add(m, 2, h, "cls.seq_relationship.weight");
	m->nmatrix = m->nparam;
	m->norm_g = add(m, h, 0, "bert.embeddings.LayerNorm.weight");
	m->norm_b = add(m, h, 0, "bert.embeddings.LayerNorm.bias");
	for (unsigned i = 0; i < c->layers; i++) {
		struct model_layer *l = &m->layer[i];

		l->qkv_b = add(m, h, 0, LAYER "attention.self.query.bias", i);
		add(m, h, 0, LAYER "attention.self.key.bias", i);
		add(m, h, 0, LAYER "attention.self.value.bias", i);
		l->out_b = add(m, h, 0, LAYER "attention.output.dense.bias", i);
		l->norm1_g = add(m, h, 0, LAYER "attention.output.LayerNorm.weight", i);
		l->norm1_b = add(m, h, 0, LAYER "attention.output.LayerNorm.bias", i);
		l->up_b = add(m, f, 0, LAYER "intermediate.dense.bias", i);
		l->down_b = add(m, h, 0, LAYER "output.dense.bias", i);
		l->norm2_g = add(m, h, 0, LAYER "output.LayerNorm.weight", i);
		l->norm2_b = add(m, h, 0, LAYER "output.LayerNorm.bias", i);
	}
	m->pooler_b = add(m, h, 0, "bert.pooler.dense.bias");
	m->tr_b = add(m, h, 0, "cls.predictions.transform.dense.bias");
	m->tr_norm_g = add(m, h, 0, "cls.predictions.transform.LayerNorm.weight");
	m->tr_norm_b = add(m, h, 0, "cls.predictions.transform.LayerNorm.bias");
	m->dec_b = add(m, c->vocab, 0, "cls.predictions.bias");
	m->ssm_b = add(m, 2, 0, "cls.seq_relationship.bias");
}

struct model *model_new(struct nn *nn, const struct model_config *c)
{
	struct model *m = mem_zalloc(1, sizeof(*m));

	m->config = *c;
	m->nn = nn;
	lay_out(m);
	m->param = nn->op->alloc(nn, m->nparam);
	m->wt = nn->op->alloc(nn, m->nmatrix);
	m->acts = mem_zalloc(1, sizeof(*m->acts));
	return m;
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
	*a = (struct model_acts){0};
}

void model_free(struct model *m)
{
	if (!m)
		return;
	acts_free(m);
	mem_free(m->acts);
	m->nn->op->free(m->nn, m->param);
	m->nn->op->free(m->nn, m->wt);
	m->nn->op->free(m->nn, m->grad);
	mem_free(m->tensor);
	mem_free(m->layer);
	mem_free(m);
}

void model_init_tensor(struct model *m, size_t tensor, uint64_t seed)
{
	const struct model_tensor *t = &m->tensor[tensor];
	struct rng r = rng_new(seed, tensor);
	float *v = mem_zalloc(t->n, sizeof(*v));

	if (t->rank == 2) {
		for (size_t i = 0; i < t->n; i++)
			v[i] = rng_normal(&r) * m->config.init_range;
		if (t->at == m->word) /* [PAD] is nothing */
			memset(v + MODEL_PAD * t->shape[1], 0, t->shape[1] * sizeof(*v));
	} else if (strstr(t->name, "LayerNorm.weight")) {
		for (size_t i = 0; i < t->n; i++)
			v[i] = 1;
	}
	m->nn->op->put(m->nn, m->param + t->at, v, t->n);
	mem_free(v);
}

void model_init(struct model *m, uint64_t seed)
{
	for (size_t i = 0; i < m->ntensors; i++)
		model_init_tensor(m, i, seed);
}

const struct model_tensor *model_find(const struct model *m, const char *name)
{
	for (size_t i = 0; i < m->ntensors; i++)
		if (strcmp(m->tensor[i].name, name) == 0)
			return &m->tensor[i];
	return NULL;
}

int model_layer(const struct model *m, long layer, unsigned *out)
{
	long n = m->config.layers, l = layer < 0 ? n + 1 + layer : layer;

	if (l < 0 || l > n)
		return -1;
	*out = (unsigned)l;
	return 0;
}

static struct nn_dense dense(const struct model *m, size_t w, size_t b, size_t n, size_t k)
{
	return (struct nn_dense){m->param + w, m->wt + w, m->param + b, n, k};
}

static struct nn_dense_grad dense_grad(const struct model *m, size_t w, size_t b)
{
	return (struct nn_dense_grad){m->grad + w, m->grad + b};
}

static struct nn_norm norm(const struct model *m, size_t g, size_t b)
{
	return (struct nn_norm){m->param + g, m->param + b, m->config.norm_eps};
}

static struct nn_norm_grad norm_grad(const struct model *m, size_t g, size_t b)
{
	return (struct nn_norm_grad){m->grad + g, m->grad + b};
}

void model_update(struct model *m)
{
	const struct model_config *c = &m->config;
	size_t h = c->hidden, f = c->intermediate;
	struct nn *nn = m->nn;

#define PREPARE(at, n, k) nn->op->prepare(nn, m->param + (at), m->wt + (at), n, k)
	PREPARE(m->word, c->vocab, h);
	for (unsigned i = 0; i < c->layers; i++) {
		PREPARE(m->layer[i].qkv_w, 3 * h, h);
		PREPARE(m->layer[i].out_w, h, h);
		PREPARE(m->layer[i].up_w, f, h);
		PREPARE(m->layer[i].down_w, h, f);
	}
	PREPARE(m->pooler_w, h, h);
	PREPARE(m->tr_w, h, h);
	PREPARE(m->ssm_w, 2, h);
#undef PREPARE
}

void model_zero_grad(struct model *m)
{
	if (!m->grad)
		m->grad = m->nn->op->alloc(m->nn, m->nparam);
	else
		m->nn->op->zero(m->nn, m->grad, m->nparam);
}

/* A device buffer of the activations. */
static float *room(struct model *m, size_t n)
{
	struct model_acts *a = m->acts;

	return a->all[a->nall++] = m->nn->op->alloc(m->nn, n);
}

static struct nn_kept room_kept(struct model *m, size_t rows)
{
	struct nn_kept k;

	k.xhat = room(m, rows * m->config.hidden);
	k.rstd = room(m, rows);
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
	a->all = mem_alloc(12 * nl + 32, sizeof(*a->all));
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
		k->lse = room(m, rows * m->config.heads);
		k->u = room(m, rows * f);
		k->n1 = room_kept(m, rows);
		k->n2 = room_kept(m, rows);
	}
	a->hs = room(m, seqs * h);
	a->ps = room(m, seqs * h);
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
	}
	a->loss = mem_alloc(MAX(mrows, seqs), sizeof(*a->loss));
	a->best = mem_alloc(mrows, sizeof(*a->best));
	a->sbest = mem_alloc(seqs, sizeof(*a->sbest));
	return a;
}

static struct nn_embed embeddings(const struct model *m)
{
	return (struct nn_embed){m->param + m->word, m->param + m->pos, m->param + m->type,
		norm(m, m->norm_g, m->norm_b), m->config.hidden};
}

/* One layer's four products and two normalisations. */
struct parts {
	struct nn_dense qkv, out, up, down;
	struct nn_norm norm1, norm2;
};

static struct parts parts(const struct model *m, unsigned i)
{
	const struct model_layer *l = &m->layer[i];
	size_t h = m->config.hidden, f = m->config.intermediate;

	return (struct parts){dense(m, l->qkv_w, l->qkv_b, 3 * h, h),
		dense(m, l->out_w, l->out_b, h, h), dense(m, l->up_w, l->up_b, f, h),
		dense(m, l->down_w, l->down_b, h, f), norm(m, l->norm1_g, l->norm1_b),
		norm(m, l->norm2_g, l->norm2_b)};
}

/* Hidden states up to x[layers]. */
static void forward(struct model *m, const struct nn_batch *b, unsigned layers, bool keep)
{
	static const struct nn_kept none = {0};
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	struct nn_embed e = embeddings(m);
	size_t t = b->tokens, h = m->config.hidden;

	op->embed(m->nn, b, &e, a->x[0], keep ? &a->n0 : &none);
	for (unsigned i = 0; i < layers; i++) {
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
	struct nn_embed_grad ge = {m->grad + m->word, m->grad + m->pos, m->grad + m->type,
		norm_grad(m, m->norm_g, m->norm_b)};
	size_t t = b->tokens, h = m->config.hidden;

	for (unsigned i = layers; i-- > 0;) {
		const struct model_layer *l = &m->layer[i];
		struct kept_layer *k = &a->layer[i];
		struct parts p = parts(m, i);
		struct nn_dense_grad qkv = dense_grad(m, l->qkv_w, l->qkv_b);
		struct nn_dense_grad out = dense_grad(m, l->out_w, l->out_b);
		struct nn_dense_grad up = dense_grad(m, l->up_w, l->up_b);
		struct nn_dense_grad down = dense_grad(m, l->down_w, l->down_b);
		struct nn_norm_grad n1 = norm_grad(m, l->norm1_g, l->norm1_b);
		struct nn_norm_grad n2 = norm_grad(m, l->norm2_g, l->norm2_b);

		op->norm_back(m->nn, t, h, &p.norm2, &n2, a->d, &k->n2, a->d);
		op->ffn_back(m->nn, t, &p.up, &p.down, &up, &down, k->z1, k->u, a->d, a->e);
		op->norm_back(m->nn, t, h, &p.norm1, &n1, a->e, &k->n1, a->e);
		op->dense_back(m->nn, t, &p.out, &out, NN_LINEAR, k->o, NULL, NULL, a->e, a->d);
		op->attend_back(m->nn, b, m->config.heads, h, k->qkv, k->o, k->lse, a->d, a->dqkv);
		op->dense_back(
			m->nn, t, &p.qkv, &qkv, NN_LINEAR, a->x[i], NULL, NULL, a->dqkv, a->d);
		op->add(m->nn, nn_rows(t) * h, a->e, a->d); /* the residual path */
	}
	op->embed_back(m->nn, b, &e, &ge, a->d, &a->n0);
}

/* The masked-token head: transform (GELU, normalisation), then the tied decoder. */
static void elm(
	struct model *m, const struct model_targets *t, bool train, struct model_losses *out)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden, n = t->masked;
	struct nn_dense tr = dense(m, m->tr_w, m->tr_b, h, h);
	struct nn_dense dec = dense(m, m->word, m->dec_b, m->config.vocab, h);
	struct nn_norm nm = norm(m, m->tr_norm_g, m->tr_norm_b);
	struct nn_dense_grad gtr, gdec;
	struct nn_norm_grad gnm;

	op->gather(m->nn, n, h, t->row, a->x[m->config.layers], a->hm);
	op->dense_norm(m->nn, n, &tr, NN_GELU, &nm, a->hm, NULL, a->um, a->zm, &a->nm);
	if (train) {
		gtr = dense_grad(m, m->tr_w, m->tr_b);
		gdec = dense_grad(m, m->word, m->dec_b);
		gnm = norm_grad(m, m->tr_norm_g, m->tr_norm_b);
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

/* The pooler (tanh of a layer on [CLS]) and the two classes of SSM. */
static void ssm(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	bool train, struct model_losses *out)
{
	struct model_acts *a = m->acts;
	const struct nn_backend *op = m->nn->op;
	size_t h = m->config.hidden, n = b->seqs;
	struct nn_dense pool = dense(m, m->pooler_w, m->pooler_b, h, h);
	struct nn_dense cls = dense(m, m->ssm_w, m->ssm_b, 2, h);
	struct nn_dense_grad gpool, gcls;
	float *loss = mem_alloc(n, sizeof(*loss));

	if (train) {
		gpool = dense_grad(m, m->pooler_w, m->pooler_b);
		gcls = dense_grad(m, m->ssm_w, m->ssm_b);
	}
	op->gather(m->nn, n, h, b->cu, a->x[m->config.layers], a->hs);
	op->dense(m->nn, n, &pool, NN_TANH, a->hs, NULL, a->ps);
	op->classify(m->nn, n, &cls, train ? &gcls : NULL, t->label, t->ssm_scale, a->ps,
		train ? a->ds : NULL, loss, a->sbest);
	for (size_t i = 0; i < n; i++)
		out->ssm += loss[i];
	mem_free(loss);
	if (!train)
		return;
	op->dense_back(m->nn, n, &pool, &gpool, NN_TANH, a->hs, NULL, a->ps, a->ds, a->es);
	op->scatter(m->nn, n, h, b->cu, a->es, a->d);
}

void model_pretrain(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	bool train, struct model_losses *out)
{
	struct model_acts *a = acts(m, b, MAX(t->masked, (size_t)1), train);

	*out = (struct model_losses){.loss = a->loss, .best = a->best, .ssm_best = a->sbest};
	forward(m, b, m->config.layers, train);
	if (train)
		m->nn->op->zero(m->nn, a->d, nn_rows(b->tokens) * m->config.hidden);
	if (t->masked)
		elm(m, t, train, out);
	if (t->label)
		ssm(m, b, t, train, out);
	if (train)
		backward(m, b, m->config.layers);
}

void model_embed(struct model *m, const struct nn_batch *b, unsigned layer, bool keep, float *vec)
{
	struct model_acts *a = acts(m, b, 0, keep);
	size_t h = m->config.hidden;

	forward(m, b, layer, keep);
	m->nn->op->pool(m->nn, b, h, a->x[layer], a->hs);
	m->nn->op->get(m->nn, vec, a->hs, b->seqs * h);
}

void model_embed_back(struct model *m, const struct nn_batch *b, unsigned layer, const float *dvec)
{
	struct model_acts *a = m->acts;
	size_t h = m->config.hidden;

	m->nn->op->put(m->nn, a->ds, dvec, b->seqs * h);
	m->nn->op->pool_back(m->nn, b, h, a->ds, a->d);
	backward(m, b, layer);
}

void model_hidden(struct model *m, const struct nn_batch *b, unsigned layer, float *x)
{
	struct model_acts *a = acts(m, b, 0, false);

	forward(m, b, layer, false);
	m->nn->op->get(m->nn, x, a->x[layer], b->tokens * m->config.hidden);
}
