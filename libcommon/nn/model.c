/*
 * model.c: what a model consists of: its sizes, its tensors by name, fresh values; see model.h.
 * What it computes is in model_pass.c.
 */
#include "nn/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/model_pass.h"
#include "nn/values.h"

int model_config_named(struct model_config *c, const char *name)
{
	static const struct {
		const char *name;
		struct model_config c;
	} known[] = {
		{"tiny", {0, 128, 2, 2, 512, 512, 2, 1e-12f, 0.02f, MODEL_PRETRAINING, 0, 0, 0}},
		{"small", {0, 256, 4, 4, 1024, 512, 2, 1e-12f, 0.02f, MODEL_PRETRAINING, 0, 0, 0}},
		{"base", {0, 768, 12, 12, 3072, 512, 2, 1e-12f, 0.02f, MODEL_PRETRAINING, 0, 0, 0}},
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
		uint32_t v, min, max;
	} range[] = {
		{"vocab_size", c->vocab, 1, 1 << 20},
		{"hidden_size", c->hidden, 1, 1 << 14},
		{"num_hidden_layers", c->layers, 0, 256},
		{"num_attention_heads", c->heads, 1, 1 << 10},
		{"intermediate_size", c->intermediate, 1, 1 << 16},
		{"max_position_embeddings", c->max_len, 1, 1 << 16},
		{"type_vocab_size", c->types, 1, 256},
	};

	for (size_t i = 0; i < COUNT_OF(range); i++)
		if (range[i].v < range[i].min || range[i].v > range[i].max)
			return err_set(e, "%s is %u: must be %u to %u", range[i].name, range[i].v,
				range[i].min, range[i].max);
	if (c->vocab <= MODEL_MASK)
		return err_set(e, "vocab_size is %u: no room for the special tokens", c->vocab);
	if (c->hidden % c->heads != 0)
		return err_set(e, "hidden_size %u is not a multiple of num_attention_heads %u",
			c->hidden, c->heads);
	if (!(c->norm_eps > 0 && c->norm_eps < 1))
		return err_set(e, "layer_norm_eps must be between 0 and 1");
	if (!(c->init_range >= 0 && c->init_range < 10))
		return err_set(e, "initializer_range must be between 0 and 10");
	if ((unsigned)c->head >= MODEL_HEADS)
		return err_set(e, "an unknown head");
	if ((c->head == MODEL_SEQUENCES || c->head == MODEL_TOKENS) &&
		(c->classes < 2 || c->classes > MODEL_CLASSES_MAX))
		return err_set(e, "%u classes: must be 2 to %d", c->classes, MODEL_CLASSES_MAX);
	if (c->max_op > 1 << 16)
		return err_set(
			e, "max_operand_positions is %u: must be 1 to %d", c->max_op, 1 << 16);
	if (c->projection && (c->projection > 1 || !model_is_trex(c) || c->head != MODEL_BARE))
		return err_set(e, "a projection where there can be none");
	if (model_is_trex(c) && c->hidden % 2)
		return err_set(e, "hidden_size %u is odd: a Trex has half of it in each direction",
			c->hidden);
	return 0;
}

uint64_t model_config_floats(const struct model_config *c)
{
	uint64_t h = c->hidden, f = c->intermediate;
	uint64_t layer = 3 * (h * h + h) + h * h + h + 2 * f * h + f + h + 4 * h;

	uint64_t d = h / 2, lstm = model_is_trex(c) ? 2 * 4 * d * (NN_BYTES + d + 1) : 0;

	return ((uint64_t)c->vocab + c->max_len + c->types + c->max_op + 2) * h +
	       c->layers * layer + lstm;
}

/* Whether the head looks at [CLS] through a layer of its own. */
static bool has_pooler(const struct model_config *c)
{
	return c->head == MODEL_SEQUENCES || (c->head != MODEL_TOKENS && !model_is_trex(c));
}

/*
 * Adds a tensor of n rows of k (k = 0: a vector of n); returns its place. What is "bert.*" in the
 * encoder of a BERT is "trex.*" in that of a Trex.
 */
PRINTF_LIKE(4, 5)
static size_t add(struct model *m, size_t n, size_t k, const char *fmt, ...)
{
	struct model_tensor *t = &m->tensor[m->ntensors++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->name, sizeof(t->name), fmt, ap);
	va_end(ap);
	if (strncmp(t->name, "bert.", 5) == 0 && model_is_trex(&m->config))
		memcpy(t->name, "trex", 4);
	t->rank = k ? 2 : 1;
	t->shape[0] = n;
	t->shape[1] = k;
	t->n = n * (k ? k : 1);
	t->at = m->nparam;
	m->nparam += t->n;
	return t->at;
}

#define LAYER         "bert.encoder.layer.%u."
#define VALUE         "bert.embeddings.value."
#define VALUE_OF_TREX "trex.embeddings.value."

/* What only a Trex has. */
static void lay_out_trex_matrices(struct model *m)
{
	const struct model_config *c = &m->config;
	struct model_trex *x = &m->trex;
	size_t h = c->hidden, d = h / 2;

	x->op = add(m, c->max_op, h, "bert.embeddings.operand_embeddings.weight");
	for (int i = 0; i < 2; i++) {
		const char *way = i ? "_reverse" : "";

		x->lstm[i].table = add(m, 4 * d, NN_BYTES, VALUE "weight_ih_l0%s", way);
		m->tensor[m->ntensors - 1].turned = true;
		x->lstm[i].u_w = add(m, 4 * d, d, VALUE "weight_hh_l0%s", way);
	}
}

static void lay_out_trex_vectors(struct model *m)
{
	size_t d = m->config.hidden / 2;

	for (int i = 0; i < 2; i++)
		m->trex.lstm[i].u_b = add(m, 4 * d, 0, VALUE "bias_hh_l0%s", i ? "_reverse" : "");
}

/* Its heads but the classifiers, which are BERT's. */
static void lay_out_trex_head(struct model *m, bool matrices)
{
	const struct model_config *c = &m->config;
	struct model_trex *x = &m->trex;
	size_t h = c->hidden;

	if (c->head == MODEL_PRETRAINING && matrices) {
		x->tr_w = add(m, h, h, "cls.values.transform.dense.weight");
		for (int i = 0; i < MODEL_VALUE_BYTES; i++)
			x->byte_w[i] = add(m, NN_BYTE_NONE, h, "cls.values.decoder.%d.weight", i);
	} else if (c->head == MODEL_PRETRAINING) {
		x->tr_b = add(m, h, 0, "cls.values.transform.dense.bias");
		x->tr_norm_g = add(m, h, 0, "cls.values.transform.LayerNorm.weight");
		x->tr_norm_b = add(m, h, 0, "cls.values.transform.LayerNorm.bias");
		for (int i = 0; i < MODEL_VALUE_BYTES; i++)
			x->byte_b[i] = add(m, NN_BYTE_NONE, 0, "cls.values.decoder.%d.bias", i);
	}
	for (int i = 0; i < 2 && c->projection; i++) {
		if (matrices)
			x->projection_w[i] = add(m, h, h, "projection.%d.weight", 2 * i);
		else
			x->projection_b[i] = add(m, h, 0, "projection.%d.bias", 2 * i);
	}
}

/* Matrices, which decay, come first; query, key and value adjoin, as one matrix of 3h rows. */
static void lay_out(struct model *m)
{
	const struct model_config *c = &m->config;
	size_t h = c->hidden, f = c->intermediate;
	bool is_trex = model_is_trex(c);

	m->tensor = mem_zalloc(16u * c->layers + 48, sizeof(*m->tensor));
	m->layer = mem_zalloc(c->layers, sizeof(*m->layer));
	m->word = add(m, c->vocab, h, "bert.embeddings.word_embeddings.weight");
	m->pos = add(m, c->max_len, h, "bert.embeddings.position_embeddings.weight");
	m->type = add(m, c->types, h,
		is_trex ? "bert.embeddings.architecture_embeddings.weight"
			: "bert.embeddings.token_type_embeddings.weight");
	if (is_trex)
		lay_out_trex_matrices(m);
	for (unsigned i = 0; i < c->layers; i++) {
		struct model_layer *l = &m->layer[i];

		l->qkv_w = add(m, h, h, LAYER "attention.self.query.weight", i);
		add(m, h, h, LAYER "attention.self.key.weight", i);
		add(m, h, h, LAYER "attention.self.value.weight", i);
		l->out_w = add(m, h, h, LAYER "attention.output.dense.weight", i);
		l->up_w = add(m, f, h, LAYER "intermediate.dense.weight", i);
		l->down_w = add(m, h, f, LAYER "output.dense.weight", i);
	}
	if (has_pooler(c))
		m->pooler_w = add(m, h, h, "bert.pooler.dense.weight");
	if (c->head == MODEL_PRETRAINING)
		m->tr_w = add(m, h, h, "cls.predictions.transform.dense.weight");
	if (is_trex)
		lay_out_trex_head(m, true);
	else if (c->head == MODEL_PRETRAINING)
		m->cls_w = add(m, 2, h, "cls.seq_relationship.weight");
	if (c->classes)
		m->cls_w = add(m, c->classes, h, "classifier.weight");
	m->nmatrix = m->nparam;
	m->norm_g = add(m, h, 0, "bert.embeddings.LayerNorm.weight");
	m->norm_b = add(m, h, 0, "bert.embeddings.LayerNorm.bias");
	if (is_trex)
		lay_out_trex_vectors(m);
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
	if (has_pooler(c))
		m->pooler_b = add(m, h, 0, "bert.pooler.dense.bias");
	if (c->head == MODEL_PRETRAINING) {
		m->tr_b = add(m, h, 0, "cls.predictions.transform.dense.bias");
		m->tr_norm_g = add(m, h, 0, "cls.predictions.transform.LayerNorm.weight");
		m->tr_norm_b = add(m, h, 0, "cls.predictions.transform.LayerNorm.bias");
		m->dec_b = add(m, c->vocab, 0, "cls.predictions.bias");
	}
	if (is_trex)
		lay_out_trex_head(m, false);
	else if (c->head == MODEL_PRETRAINING)
		m->cls_b = add(m, 2, 0, "cls.seq_relationship.bias");
	if (c->classes)
		m->cls_b = add(m, c->classes, 0, "classifier.bias");
}

static void multiply_by(struct model *m, size_t w, size_t n, size_t k)
{
	m->product[m->nproducts++] = (struct model_product){w, n, k, 0};
}

/* The matrices of products, in their order in param, and room for their prepared forms. */
static void lay_out_products(struct model *m)
{
	const struct model_config *c = &m->config;
	size_t h = c->hidden, f = c->intermediate, room = 0;
	bool is_trex = model_is_trex(c);

	m->product = mem_alloc(4u * c->layers + 16, sizeof(*m->product));
	if (c->head == MODEL_PRETRAINING)
		multiply_by(m, m->word, c->vocab, h);
	for (int i = 0; i < 2 && is_trex; i++)
		multiply_by(m, m->trex.lstm[i].u_w, 2 * h, h / 2);
	for (unsigned i = 0; i < c->layers; i++) {
		multiply_by(m, m->layer[i].qkv_w, 3 * h, h);
		multiply_by(m, m->layer[i].out_w, h, h);
		multiply_by(m, m->layer[i].up_w, f, h);
		multiply_by(m, m->layer[i].down_w, h, f);
	}
	if (has_pooler(c))
		multiply_by(m, m->pooler_w, h, h);
	if (c->head == MODEL_PRETRAINING)
		multiply_by(m, m->tr_w, h, h);
	if (is_trex && c->head == MODEL_PRETRAINING) {
		multiply_by(m, m->trex.tr_w, h, h);
		for (int i = 0; i < MODEL_VALUE_BYTES; i++)
			multiply_by(m, m->trex.byte_w[i], NN_BYTE_NONE, h);
	}
	for (int i = 0; i < 2 && c->projection; i++)
		multiply_by(m, m->trex.projection_w[i], h, h);
	if (model_classes_of(c))
		multiply_by(m, m->cls_w, model_classes_of(c), h);
	for (size_t i = 0; i < m->nproducts; i++) {
		struct model_product *p = &m->product[i];

		p->wt = room;
		room += nn_rows(m->nn->op->prepared(m->nn, p->n, p->k));
	}
	m->wt = m->nn->op->alloc(m->nn, room);
}

struct model *model_new(struct nn *nn, const struct model_config *c)
{
	struct model *m = mem_zalloc(1, sizeof(*m));

	m->config = *c;
	m->nn = nn;
	lay_out(m);
	m->param = nn->op->alloc(nn, m->nparam);
	lay_out_products(m);
	m->acts = model_pass_new();
	if (model_is_trex(c))
		m->trex.values = values_new(nn, c->hidden / 2);
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	model_pass_free(m);
	model_pass_unround(m);
	values_free(m->trex.values);
	model_name(m, NULL, NULL, NULL);
	mem_free(m->rarity);
	m->nn->op->free(m->nn, m->param);
	m->nn->op->free(m->nn, m->wt);
	m->nn->op->free(m->nn, m->grad);
	mem_free(m->tensor);
	mem_free(m->layer);
	mem_free(m->product);
	mem_free(m);
}

void model_init_tensor(struct model *m, size_t tensor, uint64_t seed)
{
	const struct model_tensor *t = &m->tensor[tensor];
	struct rng r = rng_new(seed, tensor);
	float *v = mem_zalloc(t->n, sizeof(*v));
	float range = m->config.init_range;

	/* Small beside the words: until training says otherwise a sequence is a bag of words. */
	if (t->at == m->pos || t->at == m->type || (t->at && t->at == m->trex.op))
		range *= 0.1f;
	if (strncmp(t->name, VALUE_OF_TREX, strlen(VALUE_OF_TREX)) == 0) { /* as PyTorch's LSTM */
		float bound = sqrtf(2 / (float)m->config.hidden);

		for (size_t i = 0; i < t->n; i++)
			v[i] = (2 * rng_f32(&r) - 1) * bound;
	} else if (t->rank == 2) {
		for (size_t i = 0; i < t->n; i++)
			v[i] = rng_normal(&r) * range;
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

void model_name(struct model *m, const char *task, const char *label, const char *const *names)
{
	for (uint32_t i = 0; m->class && i < m->config.classes; i++)
		mem_free(m->class[i]);
	mem_free(m->class);
	mem_free(m->task);
	mem_free(m->label);
	m->task = task ? mem_strdup(task) : NULL;
	m->label = label ? mem_strdup(label) : NULL;
	m->class = names ? mem_alloc(m->config.classes, sizeof(*m->class)) : NULL;
	for (uint32_t i = 0; names && i < m->config.classes; i++)
		m->class[i] = mem_strdup(names[i]);
}

void model_weigh(struct model *m, const float *rarity)
{
	size_t n = m->config.vocab;

	mem_free(m->rarity);
	m->rarity = NULL;
	if (!rarity)
		return;
	m->rarity = mem_alloc(n, sizeof(*m->rarity));
	memcpy(m->rarity, rarity, n * sizeof(*m->rarity));
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

void model_update(struct model *m)
{
	for (size_t i = 0; i < m->nproducts; i++) {
		const struct model_product *p = &m->product[i];

		m->nn->op->prepare(m->nn, m->param + p->w, m->wt + p->wt, p->n, p->k);
	}
}

void model_zero_grad(struct model *m)
{
	if (!m->grad)
		m->grad = m->nn->op->alloc(m->nn, m->nparam);
	else
		m->nn->op->zero(m->nn, m->grad, m->nparam);
}
