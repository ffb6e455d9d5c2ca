/*
 * run.h: what all tasks of bb-train share: the model, its optimiser, checkpoints, the log.
 *
 * A task draws batches and calls run_step after each gradient; run keeps the count, writes the log
 * and the checkpoints, and says when to stop. Everything that a resumed training needs is in
 * `struct place` and in the model folder.
 */
#ifndef RUN_H
#define RUN_H

#include <stdio.h>

#include "base/hash.h"
#include "cli/filter.h"
#include "formats/tokens.h"
#include "nn/checkpoint.h"
#include "nn/pack.h"
#include "text/wordpiece.h"

struct options {
	const char *folder, *config, *task, *init, *vocab, *loss, *pool, *label, *split, *device;
	const char *dtype;
	uint64_t seed, epochs, steps, batch_tokens, warmup, save_every, buffer, keep;
	int64_t layer;
	double lr, decay, clip, mask, valid, temperature;
	bool scratch, fp32, bf16;
};

/* Where in the data a training is. */
struct place {
	uint64_t step;   /* optimiser steps done */
	uint64_t epoch;  /* the current one, from 0 */
	uint64_t draws;  /* samples of this epoch that are in finished steps */
	uint64_t tokens; /* trained on so far */
};

struct run {
	struct prog *p;
	const struct options *o;
	struct nn *nn;
	struct model *m;
	struct optim optim;
	struct wordpiece *words;
	struct model_config config; /* of a new model, or of that of --init */
	bool is_trex;               /* it is one, or will be */
	struct place at;
	uint64_t total;     /* steps there will be, perhaps an estimate: for the learning rate */
	double best;        /* best validation score, of pre-training minus the loss, */
	uint64_t best_step; /* and the step it was reached at; 0: none yet */
	uint64_t judged;    /* step of the last validation of pre-training */
	char *input;        /* digest of the whole input as text, NULL until it is known */
	bool done;          /* the state says that all steps are done */
	FILE *log;          /* metrics.jsonl */
	char *options_text; /* what must be equal when resuming */
	uint64_t shown;     /* tokens at the last progress line */
	double shown_at, began_at;
	uint64_t began_tokens;
};

enum run_next { RUN_GO, RUN_DONE, RUN_STOP };

/* Opens folder, vocabulary and device; from here on in the sandbox. Exits on failure. */
void run_open(struct run *r);
/*
 * Opens or makes the model under that head, restores a state if the folder has one. Exits on
 * failure. After it r->done says whether there is anything left to do.
 */
void run_model(struct run *r, enum model_head head, uint32_t classes);
/* The digest of the whole input is known: exits when the training began with another input. */
void run_input(struct run *r, const uint8_t digest[HASH_BYTES]);
/* What a sample of the record needs to know of its architecture (nn/sample.h). */
int run_arch(const struct run *r, const struct tokens *t);
/*
 * Sets the schedule of the learning rate, before the first step: --steps or, if that is not given,
 * as many as `tokens` an epoch in samples of at most `longest` tokens will be.
 */
void run_plan(struct run *r, uint64_t tokens, uint64_t longest);
/* Says how many sequences of the input are longer than the model takes, if any. */
void run_cut(struct run *r, uint64_t n);
/*
 * After the gradient of a batch: optimiser step, log line (`fields`: JSON members of the task),
 * progress, checkpoint if it is time. `at` is where the data are after this batch. Stops the
 * program with status 1 if the loss or gradient is not finite.
 */
enum run_next run_step(struct run *r, const struct place *at, double loss, const char *fields);
/* Whether a signal asks to stop, or --steps are done. */
enum run_next run_next(const struct run *r);
/*
 * Whether a signal asks to stop: a batch may be given up, it will be drawn again. Passes of the
 * model then end early with no result, so this is asked after each.
 */
bool run_stopping(void);
/* Adds a line to the log. */
void run_log(struct run *r, const char *fields);
/*
 * How many tokens go through the model together: `cpu` on the CPU; a GPU wants more, all of the
 * batch if it has the memory.
 */
size_t run_together(const struct run *r, size_t cpu);
/* Whether --dtype asks for BF16. */
bool run_bf16(const struct run *r);
/* Saves the model for its users: config.json, model.safetensors. */
void run_save_model(struct run *r);
/*
 * A validation gave this score (higher is better): remembers the best one. Returns whether this is
 * it; a score that is not a number, for nothing to measure by, always is.
 */
bool run_judge(struct run *r, double score);
/* With --keep: saves the model as checkpoint-STEP as well, and removes what is not to be kept. */
void keep_checkpoint(struct run *r);
/* Commits the state. */
void run_save_state(struct run *r);
/* Writes what is to be written at the end or when stopped; returns the exit status. */
int run_close(struct run *r, enum run_next why);

/* The tasks: train to the end. */
enum run_next pretrain(struct run *r);
enum run_next similar(struct run *r);
enum run_next classify(struct run *r);

#endif
