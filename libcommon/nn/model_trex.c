/*
 * model_trex.c: what a Trex has besides the encoder: values in the embedding layer, the head that
 * guesses their bytes, and the projection of vectors (Trex, arXiv 2012.08680, section IV).
 *
 * Shapes: V distinct values, N masked tokens that have one, S sequences, h hidden, d = h/2.
 */
#include "base/mem.h"
#include "nn/model_pass.h"
#include "nn/values.h"

/* ---- values ---- */

static void directions(const struct model *m, struct values_param p[2])
{
	size_t d = m->config.hidden / 2;

	for (int i = 0; i < 2; i++) {
		p[i].table = m->param + m->trex.lstm[i].table;
		p[i].u = model_dense(m, m->trex.lstm[i].u_w, m->trex.lstm[i].u_b, 4 * d, d);
	}
}

void model_trex_embed(struct model *m, const struct nn_batch *b, bool keep, struct nn_embed *e)
{
	struct values_param p[2];

	directions(m, p);
	e->op = m->param + m->trex.op;
	if (!m->trex.held)
		values_forward(m->trex.values, p, b->nvalues, b->bytes, keep, m->trex.vector);
	e->value[0] = m->trex.vector[0];
	e->value[1] = m->trex.vector[1];
}

void model_trex_embed_grad(struct model *m, struct nn_embed_grad *g)
{
	g->op = m->grad + m->trex.op;
	values_room(m->trex.values, g->value);
}

void model_trex_embed_back(struct model *m, const struct nn_batch *b, const struct nn_embed_grad *g)
{
	struct values_param p[2];
	struct values_grad gp[2];

	directions(m, p);
	for (int i = 0; i < 2; i++) {
		gp[i].table = m->grad + m->trex.lstm[i].table;
		gp[i].u = model_dense_grad(m, m->trex.lstm[i].u_w, m->trex.lstm[i].u_b);
	}
	values_back(m->trex.values, p, gp, b->nvalues, b->bytes, g->value);
}

/* ---- the head: transform (GELU, normalisation), then a classifier for each byte ---- */

void model_trex_values(
	struct model *m, const struct model_targets *t, bool train, struct model_losses *out)
{
	const struct nn_backend *op = m->nn->op;
	const struct model_trex *x = &m->trex;
	struct model_acts *a = m->acts;
	size_t h = m->config.hidden, n = t->values;
	struct nn_dense tr = model_dense(m, x->tr_w, x->tr_b, h, h);
	struct nn_norm nm = model_norm(m, x->tr_norm_g, x->tr_norm_b);
	float *loss = mem_alloc(n, sizeof(*loss));
	struct nn_dense_grad g;
	struct nn_norm_grad gnm;

	op->gather(m->nn, n, h, t->value, a->x[m->config.layers], a->hm);
	op->dense_norm(m->nn, n, &tr, NN_GELU, &nm, a->hm, NULL, a->um, a->zm, &a->nm);
	for (size_t k = 0; k < MODEL_VALUE_BYTES; k++) {
		struct nn_dense c = model_dense(m, x->byte_w[k], x->byte_b[k], NN_BYTE_NONE, h);

		if (train)
			g = model_dense_grad(m, x->byte_w[k], x->byte_b[k]);
		out->byte_best[k] = a->bbest + k * n;
		op->classify(m->nn, n, &c, train ? &g : NULL, t->byte[k], t->value_scale, a->zm,
			!train ? NULL
			: k    ? a->dm
			       : a->vm,
			loss, a->bbest + k * n);
		if (train && k)
			op->add(m->nn, nn_rows(n) * h, a->dm, a->vm);
		for (size_t i = 0; i < n; i++)
			out->value += loss[i];
	}
	mem_free(loss);
	if (!train)
		return;
	g = model_dense_grad(m, x->tr_w, x->tr_b);
	gnm = model_norm_grad(m, x->tr_norm_g, x->tr_norm_b);
	op->norm_back(m->nn, n, h, &nm, &gnm, a->vm, &a->nm, a->vm);
	op->dense_back(m->nn, n, &tr, &g, NN_GELU, a->hm, a->um, NULL, a->vm, a->zm);
	op->scatter(m->nn, n, h, t->value, a->zm, a->d);
}

/* ---- the projection: W2 tanh(W1 v + b1) + b2 ---- */

void model_trex_project(struct model *m, size_t n, float *vec)
{
	const struct nn_backend *op = m->nn->op;
	const struct model_trex *x = &m->trex;
	struct model_acts *a = m->acts;
	size_t h = m->config.hidden;
	struct nn_dense first = model_dense(m, x->projection_w[0], x->projection_b[0], h, h);
	struct nn_dense second = model_dense(m, x->projection_w[1], x->projection_b[1], h, h);

	op->give(m->nn, a->hs, vec, n * h);
	op->dense(m->nn, n, &first, NN_TANH, a->hs, NULL, a->ps);
	op->dense(m->nn, n, &second, NN_LINEAR, a->ps, NULL, a->os);
	op->take(m->nn, vec, a->os, n * h);
}

void model_trex_project_back(struct model *m, size_t n, float *dvec)
{
	const struct nn_backend *op = m->nn->op;
	const struct model_trex *x = &m->trex;
	struct model_acts *a = m->acts;
	size_t h = m->config.hidden;
	struct nn_dense first = model_dense(m, x->projection_w[0], x->projection_b[0], h, h);
	struct nn_dense second = model_dense(m, x->projection_w[1], x->projection_b[1], h, h);
	struct nn_dense_grad gfirst = model_dense_grad(m, x->projection_w[0], x->projection_b[0]);
	struct nn_dense_grad gsecond = model_dense_grad(m, x->projection_w[1], x->projection_b[1]);

	op->give(m->nn, a->ds, dvec, n * h);
	op->dense_back(m->nn, n, &second, &gsecond, NN_LINEAR, a->ps, NULL, NULL, a->ds, a->es);
	op->dense_back(m->nn, n, &first, &gfirst, NN_TANH, a->hs, NULL, a->ps, a->es, a->ds);
	op->take(m->nn, dvec, a->ds, n * h);
}
