/*
 * bb-train.c: trains the encoder: pre-training, or fine-tuning of a pre-trained model.
 *
 * This file is options and wiring. pairs.c draws samples, pretrain.c and similar.c are the tasks,
 * run.c keeps model, checkpoints and log.
 */
#include <string.h>

#include "base/mem.h"
#include "filters/bb-train/run.h"

static void check(struct prog *p, struct options *o)
{
	bool similar = strcmp(o->task, "similarity") == 0;

	o->folder = p->output;
	if (!o->folder)
		prog_usage(p, "-o DIR is needed: the model folder");
	if (!similar && strcmp(o->task, "elm") != 0 && strcmp(o->task, "mlm") != 0)
		prog_usage(p, "--task: '%s' is not elm, mlm or similarity", o->task);
	if (strcmp(o->loss, "mse") != 0 && strcmp(o->loss, "infonce") != 0)
		prog_usage(p, "--loss: '%s' is not mse or infonce", o->loss);
	if (!(o->mask > 0 && o->mask < 1))
		prog_usage(p, "--mask must be between 0 and 1");
	if (!(o->valid >= 0 && o->valid < 1))
		prog_usage(p, "--valid must be 0 or more and less than 1");
	if (!(o->temperature > 0))
		prog_usage(p, "--temperature must be positive");
	if (!(o->lr >= 0 && o->decay >= 0 && o->clip >= 0))
		prog_usage(p, "--lr, --decay and --clip must not be negative");
	if (o->init && o->config)
		prog_usage(p, "--config and --init exclude each other: --init brings its own");
	if (!o->config)
		o->config = "small";
	if (o->lr == 0)
		o->lr = similar ? 1e-4 : 5e-4;
	if (!o->epochs && o->steps == UINT64_MAX)
		o->epochs = similar ? 20 : 1;
}

int main(int argc, char **argv)
{
	struct options o = {.task = "elm",
		.loss = "mse",
		.steps = UINT64_MAX,
		.warmup = UINT64_MAX,
		.batch_tokens = 8192,
		.save_every = 500,
		.buffer = 1024,
		.layer = -1,
		.decay = 0.01,
		.clip = 1,
		.mask = 0.3,
		.valid = 0.05,
		.temperature = 0.07};
	const struct opt opts[] = {
		{0, "task", OPT_TEXT, OPT_CONTENT, &o.task, "NAME",
			"elm (default), mlm (code alone) or similarity", 0, 0},
		{0, "vocab", OPT_TEXT, 0, &o.vocab, "PATH",
			"vocabulary: a folder or vocab.txt; copied into the model", 0, 0},
		{0, "config", OPT_TEXT, OPT_CONTENT, &o.config, "SIZE",
			"tiny, small (default), base, FILE.json, layers=6,hidden=384,...", 0, 0},
		{0, "init", OPT_TEXT, 0, &o.init, "DIR",
			"start from this model instead of random weights", 0, 0},
		{'s', "seed", OPT_UINT, OPT_CONTENT, &o.seed, "N",
			"seed of all random choices (default 0)", 0, 0},
		{0, "epochs", OPT_UINT, OPT_CONTENT, &o.epochs, "N",
			"passes through the input (default 1; similarity 20)", 1, 1000000},
		{0, "steps", OPT_UINT, OPT_CONTENT, &o.steps, "N",
			"stop after N steps; 0 writes the untrained model", 0, 0},
		{0, "batch-tokens", OPT_UINT, OPT_CONTENT, &o.batch_tokens, "N",
			"tokens of a step (default 8192)", 16, 1 << 26},
		{0, "lr", OPT_REAL, OPT_CONTENT, &o.lr, "X",
			"peak learning rate (default 5e-4; similarity 1e-4)", 0, 0},
		{0, "warmup", OPT_UINT, OPT_CONTENT, &o.warmup, "N",
			"steps of linear warm-up (default: a 16th of all)", 0, 0},
		{0, "decay", OPT_REAL, OPT_CONTENT, &o.decay, "X",
			"weight decay of matrices (default 0.01)", 0, 0},
		{0, "clip", OPT_REAL, OPT_CONTENT, &o.clip, "X",
			"largest norm of the gradient, 0 for any (default 1)", 0, 0},
		{0, "mask", OPT_REAL, OPT_CONTENT, &o.mask, "X",
			"share of tokens to be guessed (default 0.3)", 0, 0},
		{0, "loss", OPT_TEXT, OPT_CONTENT, &o.loss, "NAME",
			"of similarity: mse (default) or infonce", 0, 0},
		{0, "temperature", OPT_REAL, OPT_CONTENT, &o.temperature, "X",
			"of infonce (default 0.07)", 0, 0},
		{0, "layer", OPT_INT, OPT_CONTENT, &o.layer, "N",
			"layer that similarity averages (default -1, the last)", 0, 0},
		{0, "valid", OPT_REAL, OPT_CONTENT, &o.valid, "X",
			"share of the groups kept for validation (default 0.05)", 0, 0},
		{0, "buffer", OPT_UINT, OPT_CONTENT, &o.buffer, "MIB",
			"memory in which pre-training shuffles (default 1024)", 1, 1 << 20},
		{0, "save-every", OPT_UINT, 0, &o.save_every, "N",
			"steps between checkpoints, 0 for none (default 500)", 0, 0},
	};
	struct prog p = {.name = "bb-train",
		.operands = "[FILE...]",
		.brief = "train the encoder",
		.detail = "Reads records of kind tokens and writes a model folder (-o DIR). "
			  "Stopped by\n"
			  "a signal it saves its state and exits 75; the same command goes on from "
			  "there.",
		.example = "  bb-train --vocab vocab.txt -o model pairs.tok\n"
			   "  bb-train --task similarity --init model -o tuned functions.tok",
		.opts = opts,
		.nopts = COUNT_OF(opts)};
	struct run r = {.p = &p, .o = &o};
	enum run_next why = RUN_DONE;

	prog_start(&p, argc, argv);
	check(&p, &o);
	run_open(&r);
	if (r.done) {
		prog_warn(&p, "%s: this training is complete", o.folder);
		return EXIT_OK;
	}
	if (o.steps == 0)
		run_save_model(&r);
	else
		why = strcmp(o.task, "similarity") == 0 ? similar(&r) : pretrain(&r);
	return run_close(&r, why);
}
