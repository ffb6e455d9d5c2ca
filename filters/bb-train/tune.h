/*
 * tune.h: fine-tuning: epochs over records that are kept in memory; after each the validation score
 * is measured, and the folder holds the model of the best epoch (BinBert, arXiv 2208.06692,
 * section 6.2).
 *
 * A task begins with a struct tune and fills in what differs: its order, its batches, its loss, its
 * score. Choices are functions of (seed, epoch, draw), so a training that was stopped goes on from
 * r->at.
 */
#ifndef TUNE_H
#define TUNE_H

#include "filters/bb-train/run.h"

struct tune {
	struct run *r;
	/* The order of the samples of this epoch. */
	void (*shuffle)(struct tune *t, uint64_t epoch);
	/* Draws a batch; `at` is moved to its end. 0 at the end of the epoch. */
	int (*gather)(struct tune *t, struct place *at);
	/*
	 * The loss of the gathered batch, its gradient left in the model; JSON members for the log
	 * are appended to `fields`. 0, or -1: asked to stop.
	 */
	int (*compute)(struct tune *t, double *loss, struct buf *fields);
	/* The score, higher is better, NAN with nothing to measure by. 0, or -1: asked to stop. */
	int (*validate)(struct tune *t, double *score);
};

/* Trains to the end. The task has read its input and set the schedule (run_plan). */
enum run_next tune(struct tune *t);

/* Puts p[n] in a random order (Fisher and Yates). */
void tune_shuffle(uint32_t *p, size_t n, uint64_t seed, uint64_t epoch);

#endif
