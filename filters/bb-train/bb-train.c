/*
 * bb-train.c: trains the encoder: pre-training, or fine-tuning of a pre-trained model.
 *
 * This file is options and wiring. elm.c and trex.c, with pretrain.c leading them and pairs.c
 * drawing their samples, and similar.c and classify.c, with tune.c leading them, are the tasks;
 * run.c keeps model, checkpoints and log.
 */
#include <string.h>

#include "filters/bb-train/run.h"

/* The tasks, and what differs between them. */
static const struct task {
	const char *name;
	enum run_next (*train)(struct run *r);
	double lr, mask;
	uint64_t epochs;
} tasks[] = {{"elm", pretrain, 5e-4, 0.3, 1}, {"mlm", pretrain, 5e-4, 0.3, 1},
	{"trex", pretrain, 5e-4, 0.2, 1}, {"similarity", similar, 1e-4, 0.3, 20},
	{"classify", classify, 1e-4, 0.3, 20}, {"execute", classify, 1e-4, 0.3, 20},
	{"recover", classify, 1e-4, 0.3, 20}};

static const struct task *find_task(const struct prog *p, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(tasks); i++)
		if (strcmp(name, tasks[i].name) == 0)
			return &tasks[i];
	prog_usage(p,
		"--task: '%s' is not elm, mlm, trex, similarity, classify, execute or recover",
		name);
}

static const struct task *check(struct prog *p, struct options *o)
{
	const struct task *t = find_task(p, o->task);

	o->folder = p->output;
	if (!o->folder)
		prog_usage(p, "-o DIR is needed: the model folder");
	if (!strcmp(o->task, "classify") != !!o->label)
		prog_usage(p, "--task classify and --label KEY go together");
	if (o->pool && strcmp(o->pool, "mean") != 0 && strcmp(o->pool, "rare") != 0)
		prog_usage(p, "--pool: '%s' is not mean or rare", o->pool);
	if (strcmp(o->loss, "mse") != 0 && strcmp(o->loss, "infonce") != 0 &&
		strcmp(o->loss, "cosine") != 0)
		prog_usage(p, "--loss: '%s' is not mse, infonce or cosine", o->loss);
	if (strcmp(o->dtype, "f32") != 0 && strcmp(o->dtype, "bf16") != 0)
		prog_usage(p, "--dtype: '%s' is not f32 or bf16", o->dtype);
	if (!(o->mask >= 0 && o->mask < 1))
		prog_usage(p, "--mask must be between 0 and 1");
	if (!(o->valid >= 0 && o->valid < 1))
		prog_usage(p, "--valid must be 0 or more and less than 1");
	if (!(o->temperature > 0))
		prog_usage(p, "--temperature must be positive");
	if (!(o->lr >= 0 && o->decay >= 0 && o->clip >= 0))
		prog_usage(p, "--lr, --decay and --clip must not be negative");
	if (strcmp(o->device, "cpu") != 0 && strcmp(o->device, "cuda") != 0 &&
		strcmp(o->device, "auto") != 0)
		prog_usage(p, "--device: '%s' is not cpu, cuda or auto", o->device);
	if (o->init && o->config)
		prog_usage(p, "--config and --init exclude each other: --init brings its own");
	if (o->scratch && !o->init)
		prog_usage(
			p, "--scratch goes with --init: its size and vocabulary, not its weights");
	if (!o->config)
		o->config = "small";
	if (o->lr == 0)
		o->lr = t->lr;
	if (o->mask == 0)
		o->mask = t->mask;
	if (!o->epochs && o->steps == UINT64_MAX)
		o->epochs = t->epochs;
	return t;
}

int main(int argc, char **argv)
{
	struct options o = {.task = "elm",
		.device = "cpu",
		.loss = "mse",
		.split = "group",
		.dtype = "f32",
		.steps = UINT64_MAX,
		.warmup = UINT64_MAX,
		.batch_tokens = 8192,
		.save_every = 500,
		.buffer = 1024,
		.layer = -1,
		.decay = 0.01,
		.clip = 1,
		.valid = 0.05,
		.temperature = 0.07};
	const struct opt opts[] = {
		{0, "task", OPT_TEXT, OPT_CONTENT, &o.task, "NAME",
			"elm (default), mlm (code alone), trex, similarity, classify, execute, "
			"recover",
			0, 0},
		{'l', "label", OPT_TEXT, OPT_CONTENT, &o.label, "KEY",
			"of classify: the label of the records to be learnt", 0, 0},
		{0, "vocab", OPT_TEXT, 0, &o.vocab, "PATH",
			"vocabulary: a folder or vocab.txt; copied into the model", 0, 0},
		{0, "config", OPT_TEXT, OPT_CONTENT, &o.config, "SIZE",
			"tiny, small (default), base, FILE.json, layers=6,hidden=384,...", 0, 0},
		{0, "init", OPT_TEXT, 0, &o.init, "DIR",
			"start from this model instead of random weights", 0, 0},
		{0, "scratch", OPT_FLAG, OPT_CONTENT, &o.scratch, NULL,
			"with --init: take its size and vocabulary, not its weights", 0, 0},
		{'s', "seed", OPT_UINT, OPT_CONTENT, &o.seed, "N",
			"seed of all random choices (default 0)", 0, 0},
		{0, "epochs", OPT_UINT, OPT_CONTENT, &o.epochs, "N",
			"passes through the input (default 1; fine-tuning 20)", 1, 1000000},
		{0, "steps", OPT_UINT, OPT_CONTENT, &o.steps, "N",
			"stop after N steps; 0 writes the untrained model", 0, 0},
		{0, "batch-tokens", OPT_UINT, OPT_CONTENT, &o.batch_tokens, "N",
			"tokens of a step (default 8192)", 16, 1 << 26},
		{0, "lr", OPT_REAL, OPT_CONTENT, &o.lr, "X",
			"peak learning rate (default 5e-4; fine-tuning 1e-4)", 0, 0},
		{0, "warmup", OPT_UINT, OPT_CONTENT, &o.warmup, "N",
			"steps of linear warm-up (default: a 16th of all)", 0, 0},
		{0, "decay", OPT_REAL, OPT_CONTENT, &o.decay, "X",
			"weight decay of matrices (default 0.01)", 0, 0},
		{0, "clip", OPT_REAL, OPT_CONTENT, &o.clip, "X",
			"largest norm of the gradient, 0 for any (default 1)", 0, 0},
		{0, "mask", OPT_REAL, OPT_CONTENT, &o.mask, "X",
			"share of tokens to be guessed (default 0.3, trex 0.2)", 0, 0},
		{0, "loss", OPT_TEXT, OPT_CONTENT, &o.loss, "NAME",
			"of similarity: mse (default), infonce, or cosine: Trex's", 0, 0},
		{0, "temperature", OPT_REAL, OPT_CONTENT, &o.temperature, "X",
			"of infonce (default 0.07)", 0, 0},
		{0, "pool", OPT_TEXT, OPT_CONTENT, &o.pool, "NAME",
			"of similarity: mean (default), or rare: each token once, by rarity", 0, 0},
		{0, "layer", OPT_INT, OPT_CONTENT, &o.layer, "N",
			"layer that similarity averages (default -1, the last)", 0, 0},
		{0, "valid", OPT_REAL, OPT_CONTENT, &o.valid, "X",
			"share of the groups kept for validation (default 0.05)", 0, 0},
		{0, "split", OPT_TEXT, OPT_CONTENT, &o.split, "KEY",
			"validation by values of this label, as project (default group)", 0, 0},
		{0, "buffer", OPT_UINT, OPT_CONTENT, &o.buffer, "MIB",
			"memory in which pre-training shuffles (default 1024)", 1, 1 << 20},
		{0, "device", OPT_TEXT, 0, &o.device, "NAME",
			"cpu (default), cuda, or auto: cuda if there is one", 0, 0},
		{0, "fp32", OPT_FLAG, 0, &o.fp32, NULL,
			"on cuda: multiply fp32 numbers instead of bf16 ones", 0, 0},
		{0, "bf16", OPT_FLAG, 0, &o.bf16, NULL,
			"on cpu: multiply bf16 numbers instead of fp32 ones", 0, 0},
		{0, "save-every", OPT_UINT, 0, &o.save_every, "N",
			"steps between checkpoints, 0 for none (default 500)", 0, 0},
		{0, "dtype", OPT_TEXT, OPT_CONTENT, &o.dtype, "TYPE",
			"numbers of model.safetensors: f32 (default), bf16 (half the size)", 0, 0},
		{0, "keep", OPT_UINT, 0, &o.keep, "N",
			"keep the models of the last N checkpoints and the best", 0, 1000},
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
	const struct task *task;

	prog_start(&p, argc, argv);
	task = check(&p, &o);
	run_open(&r);
	return run_close(&r, task->train(&r));
}
