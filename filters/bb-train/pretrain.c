/*
 * pretrain.c: ELM and SSM, or MLM on code alone (BinBert, arXiv 2208.06692, section 3.4).
 *
 * A sample is [CLS] code [SEP] expression [SEP]; for half of the samples the expression is another
 * record's (SSM label 0). --mask of its code and expression tokens are to be guessed: of these 80%
 * become [MASK], 10% a random token, 10% stay. All choices are functions of (seed, epoch, draw).
 * The loss is the mean over the batch's masked tokens plus the mean over its samples.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "filters/bb-train/pairs.h"
#include "filters/bb-train/run.h"

enum {
	MICRO = 4096, /* tokens that the CPU takes together; a batch is several of these */
	SEED_MASK = 0x6d61736b,
	SEED_VALID = 0x76616c69
};

/* One pass through the model: sequences and what is to be guessed. */
struct micro {
	struct pack pack;
	uint32_t *row, *want, *label;
	size_t masked, cap_masked, cap_labels;
};

struct task {
	struct run *r;
	struct pairs *s;
	struct micro *micro; /* of the batch being gathered */
	size_t n, cap;
	bool code_only;
	struct pair held; /* drawn, but had no room in the last batch */
	bool has_held;
};

/* Sums over a batch or the validation set; [0] code, [1] expressions. */
struct score {
	double elm, ssm;
	uint64_t masked[2], hit[2], samples, ssm_hit, tokens;
};

static void mask(struct task *t, struct micro *u, struct rng *g)
{
	const struct options *o = t->r->o;
	uint32_t vocab = t->r->m->config.vocab;
	size_t s = u->pack.seqs - 1;

	for (uint32_t i = u->pack.cu[s]; i < u->pack.cu[s + 1]; i++) {
		uint32_t id = u->pack.ids[i];
		double how;

		if (id == MODEL_CLS || id == MODEL_SEP || (double)rng_f32(g) >= o->mask)
			continue;
		if (u->masked == u->cap_masked) {
			u->row = mem_grow(u->row, &u->cap_masked, u->masked + 1, sizeof(*u->row));
			u->want = mem_realloc(u->want, u->cap_masked, sizeof(*u->want));
		}
		u->row[u->masked] = i;
		u->want[u->masked++] = id;
		how = (double)rng_f32(g);
		if (how < 0.8)
			u->pack.ids[i] = MODEL_MASK;
		else if (how < 0.9)
			u->pack.ids[i] = MODEL_SPECIALS +
					 (uint32_t)rng_below(g, MAX(vocab - MODEL_SPECIALS, 1u));
		if (u->pack.ids[i] >= vocab) /* a vocabulary of special tokens alone */
			u->pack.ids[i] = MODEL_MASK;
	}
}

/* Adds the sample; g decides whether it is a negative one and what is masked. */
static void add(struct task *t, struct micro *u, const struct pair *p, struct rng g)
{
	bool other = (rng_u32(&g) & 1) && p->other;

	u->label = mem_grow(u->label, &u->cap_labels, u->pack.seqs + 1, sizeof(*u->label));
	u->label[u->pack.seqs] = !other;
	pack_add(&u->pack, t->r->m->config.max_len, p->code, p->ncode,
		t->code_only ? NULL
		: other      ? p->other
			     : p->expr,
		other ? p->nother : p->nexpr);
	mask(t, u, &g);
}

/* The most tokens the sample may take: which expression it gets is not decided yet. */
static size_t size(const struct task *t, const struct pair *p)
{
	return pack_size(t->r->m->config.max_len, p->ncode, !t->code_only,
		p->other ? MAX(p->nexpr, p->nother) : p->nexpr);
}

static struct micro *micro_new(struct task *t)
{
	struct micro *u;

	if (t->n == t->cap) {
		size_t had = t->cap;

		t->micro = mem_grow(t->micro, &t->cap, t->n + 1, sizeof(*t->micro));
		memset(t->micro + had, 0, (t->cap - had) * sizeof(*t->micro));
	}
	u = &t->micro[t->n++];
	pack_reset(&u->pack);
	u->masked = 0;
	return u;
}

/* Draws a batch of at most --batch-tokens; `at` is moved to its end. 0 at the end of the epoch. */
static int gather(struct task *t, struct place *at)
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
		need = size(t, &t->held);
		if (tokens && tokens + need > t->r->o->batch_tokens)
			break;
		if (!u || (u->pack.tokens && u->pack.tokens + need > most))
			u = micro_new(t);
		add(t, u, &t->held, rng_new(seed, at->epoch << 40 | at->draws++));
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
static int compute(struct task *t, bool train, struct score *sum)
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
		struct model_targets want = {
			u->masked, u->row, u->want, t->code_only ? NULL : u->label, 0, 0};
		struct model_losses l;

		want.elm_scale = 1.0f / (float)MAX(masked, (uint64_t)1);
		want.ssm_scale = 1.0f / (float)samples;
		model_pretrain(t->r->m, pack_batch(&u->pack), &want, train, &l);
		if (run_stopping())
			return -1;
		sum->elm += l.elm;
		sum->ssm += l.ssm;
		for (size_t k = 0; k < u->masked; k++) {
			unsigned part = u->pack.types[u->row[k]];

			sum->masked[part]++;
			sum->hit[part] += l.best[k] == u->want[k];
		}
		for (size_t k = 0; k < u->pack.seqs && !t->code_only; k++)
			sum->ssm_hit += l.ssm_best[k] == u->label[k];
		sum->tokens += u->pack.tokens;
	}
	sum->samples += samples;
	return 0;
}

static double ratio(double a, uint64_t b)
{
	return b ? a / (double)b : 0;
}

/* The losses, and for the validation set the accuracies, as JSON members; returns the loss. */
static double print(struct buf *b, const struct score *s, bool code_only, bool rates)
{
	double elm = ratio(s->elm, s->masked[0] + s->masked[1]);
	double ssm = code_only ? 0 : ratio(s->ssm, s->samples);

	buf_printf(b, "\"loss\":%.6g,\"elm\":%.6g", elm + ssm, elm);
	if (!code_only)
		buf_printf(b, ",\"ssm\":%.6g", ssm);
	if (!rates)
		return elm + ssm;
	buf_printf(b, ",\"samples\":%llu,\"acc_code\":%.6g", (unsigned long long)s->samples,
		ratio((double)s->hit[0], s->masked[0]));
	if (!code_only)
		buf_printf(b, ",\"acc_expr\":%.6g,\"acc_ssm\":%.6g",
			ratio((double)s->hit[1], s->masked[1]),
			ratio((double)s->ssm_hit, s->samples));
	return elm + ssm;
}

/* 0, or -1: asked to stop, and nothing is measured. */
static int validate(struct task *t)
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
			add(t, u, &p, rng_new(SEED_VALID, i++));
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
	loss = print(&b, &sum, t->code_only, true);
	run_log(t->r, buf_text(&b));
	prog_note(t->r->p,
		"step %llu: validation loss %.4f, masked code %.3f, expressions %.3f, SSM %.3f",
		(unsigned long long)t->r->at.step, loss, ratio((double)sum.hit[0], sum.masked[0]),
		ratio((double)sum.hit[1], sum.masked[1]), ratio((double)sum.ssm_hit, sum.samples));
	buf_free(&b);
	(void)run_judge(t->r, -loss);
	return 0;
}

/* What is due every --save-every steps, if it has not been done. 0, or -1: asked to stop. */
static int save(struct task *t)
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
static void check_input(struct task *t)
{
	uint8_t digest[HASH_BYTES];

	if (pairs_digest(t->s, digest))
		run_input(t->r, digest);
}

/* The learning rate needs to know how long the training is. */
static void plan(struct task *t)
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
static enum run_next epoch(struct task *t)
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
		loss = print(&b, &sum, t->code_only, false);
		next = run_step(r, &at, loss, buf_text(&b));
		buf_free(&b);
		if (next != RUN_DONE && save(t) < 0)
			return RUN_STOP;
	}
	return next;
}

/* All epochs from r->at on. */
static enum run_next epochs(struct task *t)
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

static void free_all(struct task *t)
{
	for (size_t i = 0; i < t->cap; i++) {
		pack_free(&t->micro[i].pack);
		mem_free(t->micro[i].row);
		mem_free(t->micro[i].want);
		mem_free(t->micro[i].label);
	}
	mem_free(t->micro);
	pairs_free(t->s);
}

enum run_next pretrain(struct run *r)
{
	struct task t = {.r = r, .code_only = strcmp(r->o->task, "mlm") == 0};
	struct pairs_options po = {.p = r->p, .seed = r->o->seed, .code_only = t.code_only};
	enum run_next next;

	run_model(r, MODEL_PRETRAINING, 0);
	if (r->done)
		return RUN_DONE;
	if (r->o->steps == 0) {
		run_save_model(r);
		return RUN_DONE;
	}
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
