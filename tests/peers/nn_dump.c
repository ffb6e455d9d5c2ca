/*
 * nn_dump.c: what the encoder computes, for nn.py and trex.py to compare with PyTorch and
 * transformers.
 *
 *	nn_dump MODEL BATCH OUT STEPS
 *
 * BATCH is a safetensors file of whole numbers (cu ids types row want label; of a Trex also pos op
 * value bytes vrow vwant), OUT gets hidden states, losses, every gradient, pooled vectors and, in
 * OUT.model, the model after STEPS steps. For a model with a classifier: the probabilities, its
 * loss and every gradient; for one with a projection: the vectors, the cosine loss of neighbours,
 * of which every other pair is alike, and every gradient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "nn/checkpoint.h"
#include "nn/loss.h"
#include "nn/safetensors.h"

static struct err e;

static _Noreturn void fail(void)
{
	fprintf(stderr, "nn_dump: %s\n", e.text);
	exit(1);
}

static uint32_t *numbers(struct safetensors *s, const char *name, size_t *n)
{
	const struct safetensors_entry *t = safetensors_find(s, name);
	float *f;
	uint32_t *v;

	if (!t)
		fail();
	*n = t->n;
	f = mem_alloc(t->n, sizeof(*f));
	v = mem_alloc(t->n, sizeof(*v));
	if (safetensors_read(s, t, f, &e) < 0)
		fail();
	for (size_t i = 0; i < t->n; i++)
		v[i] = (uint32_t)f[i];
	mem_free(f);
	return v;
}

static struct safetensors_entry out[4096];
static size_t nout;

static void put(const char *prefix, const char *name, size_t n, const float *v)
{
	struct buf b = {0};

	buf_printf(&b, "%s%s", prefix, name);
	out[nout] = (struct safetensors_entry){.name = buf_text(&b), .rank = 1, .n = n};
	out[nout].shape[0] = n;
	out[nout++].data = v;
}

static float *copy(const float *p, size_t n)
{
	return memcpy(mem_alloc(n, sizeof(*p)), p, n * sizeof(*p));
}

static void put_gradients(const struct model *m)
{
	float *grad = copy(m->grad, m->nparam);

	for (size_t i = 0; i < m->ntensors; i++)
		put("grad.", m->tensor[i].name, m->tensor[i].n, grad + m->tensor[i].at);
}

static void classifier(struct model *m, const struct nn_batch *b, const struct model_targets *t)
{
	bool by_token = m->config.head == MODEL_TOKENS;
	struct model_classes c = {by_token ? t->masked : b->seqs, by_token ? t->row : NULL,
		by_token ? t->want : t->label, 0};
	float *p = mem_alloc(c.n * m->config.classes, sizeof(*p));
	float *loss = mem_alloc(1, sizeof(*loss));
	const uint32_t *best;

	c.scale = 1.0f / (float)c.n;
	model_predict(m, b, c.n, c.row, p);
	put("", "probabilities", c.n * m->config.classes, p);
	model_zero_grad(m);
	*loss = (float)(model_classify(m, b, &c, true, &best) / (double)c.n);
	put("", "loss", 1, loss);
	put_gradients(m);
}

static void projected(struct model *m, const struct nn_batch *b)
{
	size_t h = m->config.hidden, pairs = b->seqs - 1;
	float *v = mem_alloc(b->seqs * h, sizeof(*v)), *dv = mem_zalloc(b->seqs * h, sizeof(*dv));
	float *loss = mem_alloc(1, sizeof(*loss));
	double sum = 0;

	model_zero_grad(m);
	model_embed(m, b, m->config.layers, true, v);
	for (size_t i = 0; i < pairs; i++)
		sum += loss_cosine_margin(h, v + i * h, v + i * h + h, i % 2 == 0, 0.1,
			1 / (double)pairs, dv + i * h, dv + i * h + h);
	model_embed_back(m, b, m->config.layers, dv);
	*loss = (float)sum;
	put("", "pooled", b->seqs * h, v);
	put("", "losses", 1, loss);
	put_gradients(m);
}

static void states(struct model *m, const struct nn_batch *b)
{
	size_t h = m->config.hidden;
	float *x;

	for (unsigned k = 0; k <= m->config.layers; k++) {
		char name[32];

		x = mem_alloc(b->tokens * h, sizeof(*x));
		model_hidden(m, b, k, x);
		snprintf(name, sizeof(name), "hidden.%u", k);
		put("", name, b->tokens * h, x);
	}
	x = mem_alloc(b->seqs * h, sizeof(*x));
	model_embed(m, b, m->config.layers, false, x);
	put("", "pooled", b->seqs * h, x);
}

/* Both losses as they are added up: of masked tokens, and of sequences or of values. */
static void step(
	struct model *m, const struct nn_batch *b, const struct model_targets *t, float sum[2])
{
	struct model_losses l;

	model_zero_grad(m);
	model_pretrain(m, b, t, true, &l);
	sum[0] = (float)(l.elm * (double)t->elm_scale);
	sum[1] = (float)(l.ssm * (double)t->ssm_scale + l.value * (double)t->value_scale);
}

static void pretraining(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	size_t steps, const char *path)
{
	float *sums = mem_alloc(2, sizeof(*sums)), *track = mem_alloc(steps + 1, sizeof(*track));
	struct buf to = {0};
	struct optim o;

	step(m, b, t, sums);
	put("", "losses", 2, sums);
	put_gradients(m);
	o = optim_new(m, 1e-3f);
	for (size_t i = 0; i < steps; i++) {
		float now[2];

		step(m, b, t, now);
		track[i] = now[0] + now[1];
		optim_step(&o, m);
	}
	put("", "track", steps, track);
	buf_printf(&to, "%s.model", path);
	if (checkpoint_save(buf_text(&to), m, false, &e) < 0)
		fail();
}

/* What only a batch for a Trex has. */
static void read_trex(struct safetensors *s, struct nn_batch *b, struct model_targets *t)
{
	size_t n;
	uint32_t *wide = numbers(s, "bytes", &n), *want;
	uint16_t *bytes = mem_alloc(n, sizeof(*bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint16_t)wide[i];
	b->bytes = bytes;
	b->nvalues = n / 8;
	b->pos = numbers(s, "pos", &n);
	b->op = numbers(s, "op", &n);
	b->value = numbers(s, "value", &n);
	t->value = numbers(s, "vrow", &t->values);
	want = numbers(s, "vwant", &n);
	for (size_t k = 0; k < 8; k++)
		t->byte[k] = want + k * t->values;
	t->value_scale = 0.125f / (float)t->values;
	t->label = NULL;
	t->ssm_scale = 0;
}

static void read_batch(struct safetensors *s, struct nn_batch *b, struct model_targets *t)
{
	size_t n;
	uint32_t *types, *pos;
	uint8_t *t8;

	b->cu = numbers(s, "cu", &n);
	b->seqs = n - 1;
	b->ids = numbers(s, "ids", &b->tokens);
	types = numbers(s, "types", &n);
	pos = mem_alloc(b->tokens, sizeof(*pos));
	t8 = mem_alloc(b->tokens, 1);
	for (size_t i = 0; i < b->seqs; i++)
		for (uint32_t k = b->cu[i]; k < b->cu[i + 1]; k++) {
			pos[k] = k - b->cu[i];
			t8[k] = (uint8_t)types[k];
		}
	b->pos = pos;
	b->types = t8;
	t->row = numbers(s, "row", &t->masked);
	t->want = numbers(s, "want", &n);
	t->label = numbers(s, "label", &n);
	t->elm_scale = 1.0f / (float)t->masked;
	t->ssm_scale = 1.0f / (float)b->seqs;
}

int main(int argc, char **argv)
{
	struct nn *nn = nn_cpu_open(0);
	struct model *m = argc == 5 ? checkpoint_load(argv[1], nn, 0, NULL, &e) : NULL;
	struct safetensors *s = m ? safetensors_open(argv[2], &e) : NULL;
	struct nn_batch b = {0};
	struct model_targets t = {0};

	if (!s)
		fail();
	read_batch(s, &b, &t);
	if (model_is_trex(&m->config))
		read_trex(s, &b, &t);
	if (m->config.classes) {
		classifier(m, &b, &t);
	} else if (m->config.projection) {
		projected(m, &b);
	} else {
		states(m, &b);
		pretraining(m, &b, &t, (size_t)strtoul(argv[4], NULL, 10), argv[3]);
	}
	if (safetensors_write(argv[3], &(struct safetensors_file){.t = out, .n = nout}, &e) < 0)
		fail();
	return 0;
}
