/*
 * optim.h: AdamW with clipping by the global norm, and the learning rate over time.
 *
 * Decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), on matrices only; bias
 * correction as in Adam. The state is two flat arrays beside the model's parameters and the number
 * of steps, so it is saved and restored as it is.
 */
#ifndef OPTIM_H
#define OPTIM_H

#include "nn/model.h"

struct optim {
	float lr; /* peak learning rate */
	float beta1, beta2, eps, decay;
	float clip;      /* largest norm of the gradient; 0: any */
	uint64_t warmup; /* steps from 0 to lr */
	uint64_t total;  /* steps at which the rate is 0 again; 0: it stays at lr */
	uint64_t step;   /* steps done */
	float *m, *v;    /* moments, device memory, owned */
};

/* The usual constants (beta 0.9 0.999, eps 1e-8, decay 0.01, clip 1) and zero moments. */
struct optim optim_new(struct model *m, float lr);
void optim_free(struct optim *o, struct model *m);
/* The rate of the step after o->step steps: linear warm-up, then linear decay. */
float optim_rate(const struct optim *o);
/*
 * One step with m->grad. Returns the norm of the gradient before clipping; if that is not finite
 * nothing is changed.
 */
double optim_step(struct optim *o, struct model *m);

#endif
