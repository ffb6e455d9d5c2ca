/*
 * nn_dump.c: what the encoder computes, for nn.py to compare with PyTorch and transformers.
 *
 *	nn_dump MODEL BATCH OUT STEPS
 *
 * BATCH is a safetensors file of whole numbers (cu ids types row want label), OUT gets hidden
 * states, losses, every gradient, pooled vectors and, in OUT.model, the model after STEPS steps.
 *For a model with a classifier: the probabilities, its loss and every gradient.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "nn/checkpoint.h"
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

int main(int argc, char **argv)
{
	struct nn *nn = nn_cpu_open(0);
	struct model *m = argc == 5 ? checkpoint_load(argv[1], nn, 0, NULL, &e) : NULL;
	struct safetensors *s = m ? safetensors_open(argv[2], &e) : NULL;
	struct nn_batch b = {0};
	struct model_targets t = {0};
	struct model_losses l;
	struct optim o;
	struct buf path = {0};
	uint32_t *types, *pos;
	uint8_t *t8;
	size_t n, h;
	float *x, sums[2], *track;
	long steps = argc == 5 ? strtol(argv[4], NULL, 10) : 0;

	if (!s)
		fail();
	h = m->config.hidden;
	b.cu = numbers(s, "cu", &n);
	b.seqs = n - 1;
	b.ids = numbers(s, "ids", &b.tokens);
	types = numbers(s, "types", &n);
	pos = mem_alloc(b.tokens, sizeof(*pos));
	t8 = mem_alloc(b.tokens, 1);
	for (size_t i = 0; i < b.seqs; i++)
		for (uint32_t k = b.cu[i]; k < b.cu[i + 1]; k++) {
			pos[k] = k - b.cu[i];
			t8[k] = (uint8_t)types[k];
		}
	b.pos = pos;
	b.types = t8;
	t.row = numbers(s, "row", &t.masked);
	t.want = numbers(s, "want", &n);
	t.label = numbers(s, "label", &n);
	t.elm_scale = 1.0f / (float)t.masked;
	t.ssm_scale = 1.0f / (float)b.seqs;
	if (m->config.classes) {
		classifier(m, &b, &t);
		if (safetensors_write(
			    argv[3], &(struct safetensors_file){.t = out, .n = nout}, &e) < 0)
			fail();
		return 0;
	}
	for (unsigned k = 0; k <= m->config.layers; k++) {
		char name[32];

		x = mem_alloc(b.tokens * h, sizeof(*x));
		model_hidden(m, &b, k, x);
		snprintf(name, sizeof(name), "hidden.%u", k);
		put("", name, b.tokens * h, x);
	}
	x = mem_alloc(b.seqs * h, sizeof(*x));
	model_embed(m, &b, m->config.layers, false, x);
	put("", "pooled", b.seqs * h, x);
	model_zero_grad(m);
	model_pretrain(m, &b, &t, true, &l);
	sums[0] = (float)(l.elm / (double)t.masked);
	sums[1] = (float)(l.ssm / (double)b.seqs);
	put("", "losses", 2, sums);
	put_gradients(m);
	o = optim_new(m, 1e-3f);
	track = mem_alloc((size_t)steps + 1, sizeof(*track));
	for (long i = 0; i < steps; i++) {
		model_zero_grad(m);
		model_pretrain(m, &b, &t, true, &l);
		track[i] = (float)(l.elm / (double)t.masked + l.ssm / (double)b.seqs);
		optim_step(&o, m);
	}
	put("", "track", (size_t)steps, track);
	buf_printf(&path, "%s.model", argv[3]);
	if (safetensors_write(argv[3], &(struct safetensors_file){.t = out, .n = nout}, &e) < 0 ||
		checkpoint_save(buf_text(&path), m, false, &e) < 0)
		fail();
	return 0;
}
