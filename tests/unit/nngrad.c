/*
 * nngrad.c: every tensor's gradient against central differences, for both uses of the encoder.
 *
 * For each tensor a random direction u: (L(p + h u) - L(p - h u)) / 2h must be g.u. The model is
 * small but odd in every size, so that no vector loop or tile is ever full.
 */
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/loss.h"
#include "nn/model.h"

enum { S = 5, H = 24, V = 37 };

static const uint32_t cu[S + 1] = {0, 1, 8, 25, 60, 77};
static uint32_t ids[77], pos[77], row[20], want[20], label[S];
static uint8_t types[77];
static const struct nn_batch batch = {
	.tokens = 77, .seqs = S, .longest = 35, .cu = cu, .ids = ids, .pos = pos, .types = types};
/* The same tokens as a Trex sees them, N of those to be guessed with a value. */
enum { VALUES = 9, N = 7, OPS = 6 };
static uint32_t op[77], value[77], bytes_of[MODEL_VALUE_BYTES][N];
static uint16_t bytes[VALUES * MODEL_VALUE_BYTES];
static struct nn_batch traced;
static const uint32_t kind[S] = {2, 0, 1, 2, 2};
static uint32_t part[20];
static const uint32_t group[S] = {0, 1, 0, 2, 1};

static void fill(void)
{
	struct rng r = rng_new(1, 2);

	for (unsigned s = 0; s < S; s++) {
		label[s] = s & 1;
		for (uint32_t t = cu[s]; t < cu[s + 1]; t++) {
			ids[t] = (uint32_t)rng_below(&r, V - 1) + 1;
			pos[t] = t - cu[s];
			types[t] = t - cu[s] > 4;
		}
	}
	for (unsigned i = 0; i < 20; i++) {
		row[i] = i * 3 + 2;
		want[i] = (uint32_t)rng_below(&r, V);
		part[i] = want[i] & 1;
	}
	for (unsigned t = 0; t < 77; t++) {
		op[t] = (uint32_t)rng_below(&r, OPS);
		value[t] = (uint32_t)rng_below(&r, VALUES);
	}
	for (unsigned i = 0; i < VALUES * MODEL_VALUE_BYTES; i++)
		bytes[i] = (uint16_t)(i < 16 ? NN_BYTE_NONE + i / 8 : rng_below(&r, 256));
	for (unsigned i = 0; i < MODEL_VALUE_BYTES * N; i++)
		bytes_of[i / N][i % N] = (uint32_t)rng_below(&r, 256);
	traced = batch;
	traced.op = op;
	traced.value = value;
	traced.nvalues = VALUES;
	traced.bytes = bytes;
}

/*
 * The losses under test: 0 pre-training, 1 cosine MSE of pairs, 2 InfoNCE (once more with weighted
 * vectors), 3 classes of sequences, 4 classes of tokens, 5 PyTorch's cosine loss of pairs. A Trex
 * has no SSM, but bytes of values.
 */
static double loss(struct model *m, int what, bool train)
{
	static const struct model_targets t = {
		.masked = 20, .row = row, .want = want, .label = label, 0.05f, 0.2f};
	bool is_trex = model_is_trex(&m->config);
	const struct nn_batch *b = is_trex ? &traced : &batch;
	struct model_targets own = t;
	struct model_losses l;
	float vec[S * H], dvec[S * H];
	double v = 0;

	if (is_trex) {
		own.label = NULL;
		own.values = N;
		own.value = row + 3;
		own.value_scale = 0.02f;
		for (int i = 0; i < MODEL_VALUE_BYTES; i++)
			own.byte[i] = bytes_of[i];
	}
	if (what == 3 || what == 4) {
		struct model_classes c = {.n = what == 3 ? S : 20, .want = what == 3 ? kind : part};
		const uint32_t *best;

		c.row = what == 3 ? NULL : row;
		c.scale = 0.2f;
		return model_classify(m, b, &c, train, &best) * (double)c.scale;
	}
	if (what == 0) {
		model_pretrain(m, b, &own, train, &l);
		return l.elm * (double)0.05f + l.ssm * (double)0.2f +
		       l.value * (double)own.value_scale;
	}
	model_embed(m, b, 2, train, vec);
	memset(dvec, 0, sizeof(dvec));
	if (what == 5) {
		for (unsigned i = 0; i + 1 < S; i++)
			v += loss_cosine_margin(H, vec + i * H, vec + i * H + H, i & 1, -0.9, 0.5,
				dvec + i * H, dvec + i * H + H);
	} else if (what == 1) {
		for (unsigned i = 0; i + 1 < S; i++)
			v += loss_cosine_mse(H, vec + i * H, vec + i * H + H, i & 1 ? 1 : -1, 1,
				dvec + i * H, dvec + i * H + H);
	} else {
		v = loss_infonce(S, H, vec, group, 0.3f, dvec);
	}
	if (train)
		model_embed_back(m, b, 2, dvec);
	return v;
}

static void check(struct model *m, int what)
{
	double worst = 0;

	model_zero_grad(m);
	loss(m, what, true);
	for (size_t i = 0; i < m->ntensors; i++) {
		const struct model_tensor *t = &m->tensor[i];
		float *keep = mem_alloc(t->n, sizeof(*keep)), *p = m->param + t->at;
		double dot = 0, gg = 0, num[2], rel;

		memcpy(keep, p, t->n * sizeof(*p));
		for (size_t k = 0; k < t->n; k++)
			gg += (double)m->grad[t->at + k] * m->grad[t->at + k];
		/* a head that is not used, or a key bias */
		CHECK(gg > 0 || !model_is_trex(&m->config) || strstr(t->name, "key.bias") ||
			(what && !strncmp(t->name, "cls.", 4)));
		if (gg == 0) {
			mem_free(keep);
			continue;
		}
		for (int side = 0; side < 2; side++) {
			struct rng r = rng_new(9, i);
			double h = 2e-2 / sqrt(gg);

			/* along the gradient, mixed with noise */
			dot = 0;
			h = MIN(h, 5e-3 / sqrt(gg / (double)t->n + 1e-30));
			for (size_t k = 0; k < t->n; k++) {
				double g = m->grad[t->at + k];
				double u = g + 0.5 * rng_normal(&r) * sqrt(gg / (double)t->n);
				volatile float moved = (float)(keep[k] + (side ? -h : h) * u);

				dot += g * u * h;
				p[k] = moved;
			}
			model_update(m);
			num[side] = loss(m, what, false);
		}
		memcpy(p, keep, t->n * sizeof(*p));
		mem_free(keep);
		rel = fabs((num[0] - num[1]) / 2 - dot) / (fabs(dot) + 2e-5);
		worst = MAX(worst, rel);
		CHECK(rel < 0.02);
		if (rel >= 0.02)
			fprintf(stderr, "%d %s: %g against %g\n", what, t->name,
				(num[0] - num[1]) / 2, dot);
	}
	model_update(m);
	printf("loss %d: worst relative difference %.4f\n", what, worst);
}

static void check_head(
	struct nn *nn, enum model_head head, uint32_t classes, uint32_t max_op, int from, int to)
{
	struct model_config c = {V, H, 2, 3, 40, 64, 2, 1e-12f, 0.25f, head, classes, max_op,
		max_op && head == MODEL_BARE};
	struct model *m = model_new(nn, &c);
	struct err e;

	CHECK(model_config_check(&c, &e) == 0);
	model_init(m, 3);
	for (size_t i = 0; i < m->ntensors; i++) { /* biases and gains away from 0 and 1 */
		struct rng r = rng_new(4, i);

		for (size_t k = 0; m->tensor[i].rank == 1 && k < m->tensor[i].n; k++)
			m->param[m->tensor[i].at + k] += 0.2f * rng_normal(&r);
	}
	model_update(m);
	for (int what = from; what < to; what++)
		check(m, what);
	if (head == MODEL_PRETRAINING) {
		float rarity[V];

		for (unsigned i = 0; i < V; i++)
			rarity[i] = 1 / (1 + (float)i);
		model_weigh(m, rarity);
		check(m, 2);
	}
	model_free(m);
}

int main(void)
{
	struct nn *nn = nn_cpu_open(2);

	fill();
	check_head(nn, MODEL_PRETRAINING, 0, 0, 0, 3);
	check_head(nn, MODEL_SEQUENCES, 3, 0, 3, 4);
	check_head(nn, MODEL_TOKENS, 2, 0, 4, 5);
	check_head(nn, MODEL_BARE, 0, 0, 5, 6);
	check_head(nn, MODEL_PRETRAINING, 0, OPS, 0, 1);
	check_head(nn, MODEL_BARE, 0, OPS, 1, 3);
	check_head(nn, MODEL_BARE, 0, OPS, 5, 6);
	check_head(nn, MODEL_SEQUENCES, 3, OPS, 3, 4);
	check_head(nn, MODEL_TOKENS, 2, OPS, 4, 5);
	nn->op->close(nn);
	return unit_done();
}
