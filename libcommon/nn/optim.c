/* optim.c: AdamW; see optim.h. */
#include "nn/optim.h"

#include <math.h>

struct optim optim_new(struct model *m, float lr)
{
	struct optim o = {.lr = lr, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f};

	o.decay = 0.01f;
	o.clip = 1;
	o.m = m->nn->op->alloc(m->nn, m->nparam);
	o.v = m->nn->op->alloc(m->nn, m->nparam);
	return o;
}

void optim_free(struct optim *o, struct model *m)
{
	m->nn->op->free(m->nn, o->m);
	m->nn->op->free(m->nn, o->v);
	o->m = o->v = NULL;
}

float optim_rate(const struct optim *o)
{
	double s = (double)o->step, w = (double)o->warmup, t = (double)o->total;

	if (o->step < o->warmup)
		return (float)(o->lr * (s + 1) / (w + 1));
	if (!o->total)
		return o->lr;
	if (o->step >= o->total)
		return 0;
	return (float)(o->lr * (t - s) / (t - w));
}

double optim_step(struct optim *o, struct model *m)
{
	const struct nn_backend *op = m->nn->op;
	double size = sqrt(op->sumsq(m->nn, m->nparam, m->grad));
	size_t n = m->nmatrix;
	struct nn_adamw a = {.lr = optim_rate(o), .beta1 = o->beta1, .beta2 = o->beta2};

	if (!isfinite(size))
		return size;
	a.eps = o->eps;
	a.scale = o->clip > 0 && size > o->clip ? (float)(o->clip / (size + 1e-6)) : 1;
	a.step = ++o->step;
	a.decay = o->decay;
	op->adamw(m->nn, n, &a, m->param, m->grad, o->m, o->v);
	a.decay = 0;
	op->adamw(m->nn, m->nparam - n, &a, m->param + n, m->grad + n, o->m + n, o->v + n);
	model_update(m);
	return size;
}
