/*
 * pretrain.h: pre-training: epochs over samples that are drawn from the input in bounded memory,
 * with a validation at each checkpoint.
 *
 * A task is a struct pretrain_task: what a sample looks like, what is guessed, what is measured.
 * All choices are functions of (seed, epoch, draw), so a training that was stopped goes on from
 * r->at.
 */
#ifndef PRETRAIN_H
#define PRETRAIN_H

#include "base/rng.h"
#include "filters/bb-train/pairs.h"
#include "filters/bb-train/run.h"

/* One pass through the model: sequences and what is to be guessed. Zero-initialise. */
struct micro {
	struct pack pack;
	uint32_t *row, *want;              /* [masked] tokens, what they were */
	uint32_t *label;                   /* [seqs] elm: code and expression belong together */
	uint32_t *value;                   /* [values] trex: masked tokens that have a value, */
	uint32_t *byte[MODEL_VALUE_BYTES]; /* and its bytes */
	size_t masked, values, cap_masked, cap_labels, cap_values;
};

/* Sums over a batch or the validation set; [0] code, [1] expressions. */
struct score {
	double elm, ssm, value;
	uint64_t masked[2], hit[2], samples, ssm_hit, tokens;
	uint64_t values, byte_hit[MODEL_VALUE_BYTES], value_hit; /* trex; value_hit: all bytes */
};

struct pretrain {
	struct run *r;
	struct pairs *s;
	const struct pretrain_task *task;
	struct micro *micro; /* of the batch being gathered */
	size_t n, cap;
	struct pair held; /* drawn, but had no room in the last batch */
	bool has_held;
};

struct pretrain_task {
	bool code_only; /* expressions are not looked at */
	/* The most tokens the sample may take. */
	size_t (*size)(const struct pretrain *t, const struct pair *p);
	/* Adds the sample; g decides what is masked and whatever else is random. */
	void (*add)(struct pretrain *t, struct micro *u, const struct pair *p, struct rng g);
	/*
	 * The losses of u, added to sum, and with train its share of the gradient, when the batch
	 * has so many masked tokens and samples.
	 */
	void (*compute)(struct pretrain *t, struct micro *u, uint64_t masked, uint64_t samples,
		bool train, struct score *sum);
	/* The losses, with `rates` the accuracies too, as JSON members; returns the loss. */
	double (*print)(struct buf *b, const struct score *s, bool rates);
	/* One line about a validation. */
	void (*say)(struct buf *b, const struct score *s);
};

extern const struct pretrain_task elm_task, elm_task_mlm, trex_task;

/* a / b, 0 for 0 of 0. */
double pretrain_ratio(double a, uint64_t b);
/* Notes that token `row` of u was `want`, and has to be guessed. */
void pretrain_want(struct micro *u, uint32_t row, uint32_t want);

#endif
