/* pretrain.c: see pretrain.h. */
#include "filters/bb-train/pretrain.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum {
	MICRO = 4096, /* tokens that the CPU takes together; a batch is several of these */
	SEED_MASK = 0x6d61736b,
	SEED_VALID = 0x76616c69
};

double pretrain_ratio(double a, uint64_t b)
{
	return b ? a / (double)b : 0;
}

void pretrain_want(struct micro *u, uint32_t row, uint32_t want)
{
	if (u->masked == u->cap_masked) {
		u->row = mem_grow(u->row, &u->cap_masked, u->masked + 1, sizeof(*u->row));
		u->want = mem_realloc(u->want, u->cap_masked, sizeof(*u->want));
	}
	u->row[u->masked] = row;
	u->want[u->masked++] = want;
}

static struct micro *micro_new(struct pretrain *t)
{
	struct micro *u;

	if (t->n == t->cap) {
		size_t had = t->cap;

		t->micro = mem_grow(t->micro, &t->cap, t->n + 1, sizeof(*t->micro));
		memset(t->micro + had, 0, (t->cap - had) * sizeof(*t->micro));
	}
	u = &t->micro[t->n++];
	pack_reset(&u->pack);
	u->masked = u->values = 0;
	return u;
}

/* Draws a batch of at most --batch-tokens; `at` is moved to its end. 0 at the end of the epoch. */
static int gather(struct pretrain *t, struct place *at)
{
	uint64_t seed = t->r->o->seed ^ (uint64_t)SEED_MASK << 32;
	size_t tokens = 0, most = run_together(t->r, MICRO);
	struct micro *u = NULL;

	t->n = 0;
	for (;; t->has_held = false) {
		size_t need;

		if (!t->has_held && !pairs_next(t->s, &t->held))
			break;
		t->has_held = true;
		need = t->task->size(t, &t->held);
		if (tokens && tokens + need > t->r->o->batch_tokens)
			break;
		if (!u || (u->pack.tokens && u->pack.tokens + need > most))
			u = micro_new(t);
		t->task->add(t, u, &t->held, rng_new(seed, at->epoch << 40 | at->draws++));
		tokens += need;
	}
	for (size_t i = 0; i < t->n; i++)
		at->tokens += t->micro[i].pack.tokens;
	return tokens > 0;
}

/*
 * Runs the gathered batch; if train, the gradient is left in the model. 0, or -1 if a signal asks
 * to stop: the batch is given up.
 */
static int compute(struct pretrain *t, bool train, struct score *sum)
{
	uint64_t masked = 0, samples = 0;

	for (size_t i = 0; i < t->n; i++) {
		masked += t->micro[i].masked;
		samples += t->micro[i].pack.seqs;
	}
	if (train)
		model_zero_grad(t->r->m);
	for (size_t i = 0; i < t->n; i++) {
		struct micro *u = &t->micro[i];

		t->task->compute(t, u, masked, samples, train, sum);
		if (run_stopping())
			return -1;
		sum->tokens += u->pack.tokens;
	}
	sum->samples += samples;
	return 0;
}

/* 0, or -1: asked to stop, and nothing is measured. */
static int validate(struct pretrain *t)
{
	struct score sum = {0};
	struct buf b = {0};
	size_t n = pairs_valid_count(t->s);
	double loss;

	for (size_t i = 0; i < n;) {
		struct micro *u;

		t->n = 0;
		u = micro_new(t);
		while (i < n && u->pack.tokens < run_together(t->r, MICRO)) {
			struct pair p;

			pairs_valid(t->s, i, &p);
			t->task->add(t, u, &p, rng_new(SEED_VALID, i++));
		}
		if (compute(t, false, &sum) < 0)
			return -1;
	}
	t->r->judged = t->r->at.step;
	if (!n) {
		(void)run_judge(t->r, NAN);
		return 0;
	}
	buf_printf(&b, "\"step\":%llu,\"valid\":true,", (unsigned long long)t->r->at.step);
	loss = t->task->print(&b, &sum, true);
	run_log(t->r, buf_text(&b));
	buf_reset(&b);
	t->task->say(&b, &sum);
	prog_note(t->r->p, "step %llu: validation loss %.4f, %s", (unsigned long long)t->r->at.step,
		loss, buf_text(&b));
	buf_free(&b);
	(void)run_judge(t->r, -loss);
	return 0;
}

/* What is due every --save-every steps, if it has not been done. 0, or -1: asked to stop. */
static int save(struct pretrain *t)
{
	struct run *r = t->r;

	if (!r->o->save_every || !r->at.step || r->at.step % r->o->save_every != 0 ||
		r->judged == r->at.step)
		return 0;
	if (validate(t) < 0)
		return -1;
	run_save_model(r);
	keep_checkpoint(r);
	run_save_state(r);
	return 0;
}

/* The whole input must be the one this training began with. */
static void check_input(struct pretrain *t)
{
	uint8_t digest[HASH_BYTES];

	if (pairs_digest(t->s, digest))
		run_input(t->r, digest);
}

/* The learning rate needs to know how long the training is. */
static void plan(struct pretrain *t)
{
	uint64_t tokens = 0;

	if (t->r->o->steps == UINT64_MAX) {
		tokens = pairs_tokens(t->s);
		if (!tokens && pairs_whole(t->s))
			prog_fail(t->r->p, "the input has nothing to train on");
		if (!tokens)
			prog_fail(t->r->p, "the input is a pipe larger than --buffer: give "
					   "--steps, files, or a larger --buffer");
	}
	run_plan(t->r, tokens, pairs_longest(t->s));
}

/* One epoch from r->at on. */
static enum run_next epoch(struct pretrain *t)
{
	struct run *r = t->r;
	enum run_next next = run_next(r);

	if (next != RUN_DONE && save(t) < 0) /* a signal may have come before it was done */
		return RUN_STOP;
	while (next == RUN_GO) {
		struct score sum = {0};
		struct place at = r->at;
		struct buf b = {0};
		double loss;

		if (!gather(t, &at))
			break;
		at.step++;
		if (compute(t, true, &sum) < 0)
			return RUN_STOP;
		loss = t->task->print(&b, &sum, false);
		next = run_step(r, &at, loss, buf_text(&b));
		buf_free(&b);
		if (next != RUN_DONE && save(t) < 0)
			return RUN_STOP;
	}
	return next;
}

/* All epochs from r->at on. */
static enum run_next epochs(struct pretrain *t)
{
	struct run *r = t->r;
	enum run_next next = RUN_GO;
	struct pair skip;

	for (; !r->o->epochs || r->at.epoch < r->o->epochs; r->at.epoch++, r->at.draws = 0) {
		if (pairs_epoch(t->s, r->at.epoch) < 0) {
			prog_warn(r->p, "the input is a pipe larger than --buffer: one epoch only");
			break;
		}
		for (uint64_t i = 0; i < r->at.draws; i++)
			if (!pairs_next(t->s, &skip))
				prog_fail(
					r->p, "the input is shorter than when this training began");
		t->has_held = false;
		next = epoch(t);
		if (next != RUN_GO)
			return next;
		if (!r->at.draws)
			prog_fail(r->p, "the input has nothing to train on");
		check_input(t);
	}
	return RUN_DONE;
}

static void free_all(struct pretrain *t)
{
	for (size_t i = 0; i < t->cap; i++) {
		pack_free(&t->micro[i].pack);
		mem_free(t->micro[i].row);
		mem_free(t->micro[i].want);
		mem_free(t->micro[i].label);
		mem_free(t->micro[i].value);
		for (int k = 0; k < MODEL_VALUE_BYTES; k++)
			mem_free(t->micro[i].byte[k]);
	}
	mem_free(t->micro);
	pairs_free(t->s);
}

static const struct pretrain_task *find_task(const char *name)
{
	return strcmp(name, "trex") == 0  ? &trex_task
	       : strcmp(name, "mlm") == 0 ? &elm_task_mlm
					  : &elm_task;
}

enum run_next pretrain(struct run *r)
{
	struct pretrain t = {.r = r, .task = find_task(r->o->task)};
	struct pairs_options po = {.p = r->p, .seed = r->o->seed};
	enum run_next next;

	run_model(r, MODEL_PRETRAINING, 0);
	if (r->done)
		return RUN_DONE;
	if (r->o->steps == 0) {
		run_save_model(r);
		return RUN_DONE;
	}
	po.code_only = t.task->code_only;
	po.traced = r->is_trex ? r : NULL;
	po.vocab = wordpiece_hash(r->words);
	po.tokens = r->m->config.vocab;
	po.max_len = r->m->config.max_len;
	po.bytes = (size_t)r->o->buffer << 20;
	po.valid = r->o->valid;
	po.split = r->o->split;
	t.s = pairs_open(&po);
	plan(&t);
	check_input(&t);
	next = epochs(&t);
	if (next == RUN_DONE && validate(&t) < 0)
		next = RUN_STOP;
	if (pairs_skipped(t.s))
		prog_warn(r->p,
			"%llu records skipped (empty, without expression, or unknown tokens)",
			(unsigned long long)pairs_skipped(t.s));
	run_cut(r, pairs_cut(t.s));
	if (next == RUN_DONE) { /* a stopped one goes on from its state alone */
		run_save_model(r);
		keep_checkpoint(r);
	}
	free_all(&t);
	return next;
}
