/* tune.c: see tune.h. */
#include "filters/bb-train/tune.h"

#include "base/rng.h"

enum { SEED_ORDER = 0x6f726472 };

void tune_shuffle(uint32_t *p, size_t n, uint64_t seed, uint64_t epoch)
{
	struct rng r = rng_new(seed ^ (uint64_t)SEED_ORDER << 32, epoch);

	for (size_t i = n; i > 1; i--) {
		size_t j = rng_below(&r, i);
		uint32_t x = p[j];

		p[j] = p[i - 1];
		p[i - 1] = x;
	}
}

static enum run_next epoch(struct tune *t)
{
	struct run *r = t->r;
	enum run_next next = run_next(r);

	while (next == RUN_GO) {
		struct place at = r->at;
		struct buf fields = {0};
		double loss;

		if (!t->gather(t, &at))
			break;
		at.step++;
		if (t->compute(t, &loss, &fields) < 0) {
			buf_free(&fields);
			return RUN_STOP;
		}
		next = run_step(r, &at, loss, buf_text(&fields));
		buf_free(&fields);
		if (r->o->save_every && at.step % r->o->save_every == 0 && next != RUN_DONE)
			run_save_state(r);
	}
	return next;
}

/* Measures, and saves the model if it is the best yet. 0, or -1: asked to stop. */
static int judge(struct tune *t)
{
	double score;

	if (t->validate(t, &score) < 0)
		return -1;
	if (run_judge(t->r, score))
		run_save_model(t->r);
	keep_checkpoint(t->r);
	return 0;
}

enum run_next tune(struct tune *t)
{
	struct run *r = t->r;

	for (; !r->o->epochs || r->at.epoch < r->o->epochs; r->at.epoch++, r->at.draws = 0) {
		enum run_next next;

		t->shuffle(t, r->at.epoch);
		next = epoch(t);
		if (next == RUN_STOP || judge(t) < 0)
			return RUN_STOP;
		if (next == RUN_DONE)
			break;
	}
	return RUN_DONE;
}
