/* run.c: the model, checkpoints and the log of a training; see run.h. */
#include "filters/bb-train/run.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/sandbox.h"
#include "code/arch.h"
#include "nn/nn_open.h"
#include "nn/sample.h"

enum {
	TOGETHER = 65536 /* tokens of a pass on a GPU: at 12 layers of 768 about 15 GB of
			    activations */
};

static volatile sig_atomic_t stop_asked;

/*
 * Signals that ask to stop go to a thread of their own: oneDNN's AVX-512 products keep data below
 * the stack's red zone, where the frame of a handler would overwrite it.
 */
static void *wait_for_signal(void *varg)
{
	const sigset_t *asking = varg;
	int sig;

	for (;;)
		if (sigwait(asking, &sig) == 0)
			stop_asked = 1;
	return NULL;
}

static void catch_signals(struct run *r)
{
	static sigset_t asking;
	pthread_t thread;
	int error;

	sigemptyset(&asking);
	sigaddset(&asking, SIGTERM);
	sigaddset(&asking, SIGINT);
	pthread_sigmask(SIG_BLOCK, &asking, NULL); /* threads to come inherit it */
	error = pthread_create(&thread, NULL, wait_for_signal, &asking);
	if (error)
		prog_fail(r->p, "cannot start a thread: %s", strerror(error));
	pthread_detach(thread);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *in_folder(const struct run *r, struct buf *b, const char *name)
{
	buf_reset(b);
	buf_printf(b, "%s/%s", r->o->folder, name);
	return buf_text(b);
}

/*
 * "small", "FILE.json", "layers=6,hidden=384", or several of them: later ones win. How many tokens
 * and classes there are is not known yet.
 */
static void parse_config(struct run *r)
{
	struct model_config *c = &r->config;
	static const struct {
		const char *key;
		size_t at;
	} keys[] = {
		{"layers", offsetof(struct model_config, layers)},
		{"hidden", offsetof(struct model_config, hidden)},
		{"heads", offsetof(struct model_config, heads)},
		{"intermediate", offsetof(struct model_config, intermediate)},
		{"max_len", offsetof(struct model_config, max_len)},
	};
	char *text = mem_strdup(r->o->config), *save = NULL;
	struct err e;

	(void)!model_config_named(c, "small");
	for (char *w = strtok_r(text, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		char *eq = strchr(w, '='), *end;
		size_t n = strlen(w), k = 0;

		if (!eq && n > 5 && strcmp(w + n - 5, ".json") == 0) {
			if (checkpoint_read_config(w, c, &e) < 0)
				prog_fail(r->p, "%s", e.text);
			continue;
		}
		if (!eq && model_config_named(c, w) < 0)
			prog_usage(r->p,
				"--config: '%s' is not tiny, small, base, FILE.json or "
				"KEY=VALUE",
				w);
		if (!eq)
			continue;
		*eq = '\0';
		while (k < COUNT_OF(keys) && strcmp(keys[k].key, w) != 0)
			k++;
		errno = 0;
		*(uint32_t *)((char *)c + keys[k % COUNT_OF(keys)].at) =
			(uint32_t)strtoul(eq + 1, &end, 10);
		if (k == COUNT_OF(keys) || eq[1] < '0' || eq[1] > '9' || *end || errno)
			prog_usage(r->p,
				"--config: '%s=%s': keys are layers, hidden, heads, "
				"intermediate, max_len, with whole numbers",
				w, eq + 1);
	}
	mem_free(text);
	c->vocab = MODEL_SPECIALS;
	c->head = MODEL_BARE;
	if (model_config_check(c, &e) < 0)
		prog_usage(r->p, "--config: %s", e.text);
	if (c->max_len < 8 || c->types < 2)
		prog_usage(r->p, "--config: a model must take 8 positions and 2 token types");
}

static void open_vocab(struct run *r)
{
	const struct options *o = r->o;
	struct buf b = {0};
	struct err e;

	if (o->vocab)
		buf_puts(&b, o->vocab);
	else if (o->init)
		buf_puts(&b, o->init);
	else
		prog_usage(r->p, "--vocab is needed (or --init, which brings its own)");
	r->words = wordpiece_open(buf_text(&b), &e);
	if (!r->words)
		prog_fail(r->p, "%s", e.text);
	buf_free(&b);
}

/*
 * Whether the model is a Trex: that of --init says it, a new one's vocabulary, which is of traced
 * text then, or the task.
 */
static void find_type(struct run *r)
{
	static const char *const of_bert[] = {"elm", "mlm", "execute", "recover"};
	bool is_task = strcmp(r->o->task, "trex") == 0, is_bert = false;
	enum wordpiece_reads reads = wordpiece_reads(r->words);
	struct buf path = {0};
	struct err e;

	for (size_t i = 0; i < COUNT_OF(of_bert); i++)
		is_bert |= strcmp(r->o->task, of_bert[i]) == 0;
	if (r->o->init) {
		buf_printf(&path, "%s/config.json", r->o->init);
		if (checkpoint_read_config(buf_text(&path), &r->config, &e) < 0)
			prog_fail(r->p, "%s", e.text);
		buf_free(&path);
		r->is_trex = model_is_trex(&r->config);
	} else {
		r->is_trex = is_task || reads == WORDPIECE_TRACED;
	}
	if (r->is_trex && reads != WORDPIECE_TRACED && reads != WORDPIECE_ANY)
		prog_fail(r->p,
			"a Trex needs a vocabulary of traced text, and this one is of %s: "
			"bb-vocab makes one of what bb-trace writes",
			reads == WORDPIECE_CODE ? "code" : "expressions");
	if (!r->is_trex && reads == WORDPIECE_TRACED)
		prog_fail(r->p, "%s is no Trex, and its vocabulary is of traced text", r->o->init);
	if (r->is_trex && is_bert)
		prog_fail(r->p,
			"--task %s is not for a Trex, which the %s is of: --task trex, "
			"similarity or classify are",
			r->o->task, r->o->init ? "model" : "vocabulary");
	if (!r->is_trex && is_task)
		prog_fail(r->p, "--task trex: the model in %s is no Trex", r->o->init);
	if (!r->is_trex && model_is_trex(&r->config))
		prog_fail(r->p, "--config is that of a Trex, but the vocabulary is not of traced "
				"text");
	if (r->is_trex && !model_is_trex(&r->config)) {
		r->config.max_op = MODEL_MAX_OP;
		r->config.types = ARCH_COUNT;
	}
}

int run_arch(const struct run *r, const struct tokens *t)
{
	enum arch a = arch_find(t->arch);

	if (!r->is_trex)
		return SAMPLE_CODE;
	return (uint32_t)a < r->config.types ? (int)a : ARCH_NONE;
}

static void load_model(struct run *r, enum model_head head, uint32_t classes)
{
	const struct options *o = r->o;
	size_t n = wordpiece_count(r->words);
	struct buf path = {0};
	struct err e;

	r->m = checkpoint_load_as(o->init, r->nn, head, classes, o->seed, &e);
	if (!r->m)
		prog_fail(r->p, "%s", e.text);
	buf_printf(&path, "%s/model.safetensors", o->init);
	if (prog_content_file(r->p, "init", buf_text(&path)) < 0)
		prog_fail(r->p, "%s: %s", buf_text(&path), strerror(errno));
	buf_free(&path);
	if (r->m->config.vocab != n)
		prog_fail(r->p, "the vocabulary has %zu tokens, the model in %s has %u", n, o->init,
			r->m->config.vocab);
	if (r->m->config.max_len < 8 || (r->m->config.types < 2 && !r->is_trex))
		prog_fail(r->p, "%s: the model must take 8 positions and 2 token types", o->init);
}

static void open_model(struct run *r, enum model_head head, uint32_t classes)
{
	size_t n = wordpiece_count(r->words);
	struct err e;

	if (r->o->init) {
		load_model(r, head, classes);
	} else {
		r->config.vocab = (uint32_t)n;
		r->config.head = head;
		r->config.classes = classes;
		r->config.projection = r->is_trex && head == MODEL_BARE;
		if (model_config_check(&r->config, &e) < 0)
			prog_fail(r->p, "%s", e.text);
		r->m = model_new(r->nn, &r->config);
	}
	if (!r->m->config.layers && strcmp(r->o->task, "similarity") != 0)
		prog_warn(r->p,
			"a model without layers does not see what is beside a token: it can "
			"learn --task similarity, and little of %s",
			r->o->task);
	if (!r->o->init || r->o->scratch) {
		model_init(r->m, r->o->seed);
		model_update(r->m);
	}
}

/* What a training was started with, for comparison: all options that change the weights. */
static void note_options(struct run *r)
{
	struct buf b = {0};

	for (size_t i = 0; i < r->p->content.n; i++)
		buf_printf(&b, "%s%s", i ? "; " : "", r->p->content.p[i]);
	r->options_text = mem_strdup(buf_text(&b));
	buf_free(&b);
}

static _Noreturn void other_input(const struct run *r)
{
	prog_fail(r->p,
		"%s: this training began with another input; give the same, another folder, or "
		"remove its optimizer.safetensors",
		r->o->folder);
}

void run_input(struct run *r, const uint8_t digest[HASH_BYTES])
{
	struct buf b = {0};

	for (size_t i = 0; i < HASH_BYTES; i++)
		buf_printf(&b, "%02x", digest[i]);
	if (r->input && strcmp(r->input, buf_text(&b)) != 0)
		other_input(r);
	mem_free(r->input);
	r->input = mem_strdup(buf_text(&b));
	buf_free(&b);
}

/* The part of the list "a=1; b=2" that begins at *at, without its end; moves on. NULL behind it. */
static char *next_option(const char **at)
{
	size_t n = strcspn(*at, ";");
	struct buf b = {0};

	if (!**at)
		return NULL;
	buf_put(&b, *at, n);
	*at += n;
	*at += strspn(*at, "; ");
	return buf_text(&b);
}

/* Appends what is in the list and not in the other, behind a word, if there is anything. */
static void only_in(struct buf *b, const char *word, const char *list, const char *other)
{
	const char *last = "";
	char *option, *there;

	while ((option = next_option(&list))) {
		bool is_there = false;

		for (const char *at = other; !is_there && (there = next_option(&at));) {
			is_there = !strcmp(option, there);
			mem_free(there);
		}
		if (!is_there) {
			buf_printf(b, "%s%s%s",
				*last  ? ", "
				: b->n ? "; "
				       : "",
				*last ? "" : word, option);
			last = ",";
		}
		mem_free(option);
	}
}

/* What two lists of options differ in. */
static const char *differences(const char *before, const char *now)
{
	struct buf b = {0};

	only_in(&b, "then ", before, now);
	only_in(&b, "now ", now, before);
	return buf_text(&b); /* the program ends with it */
}

static uint64_t number(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

/* Restores the state in the folder, if there is one. Returns the length of the log then. */
static uint64_t restore(struct run *r)
{
	const char *options, *input;
	char *text = NULL;
	struct err e;
	json_t *j;
	uint64_t log;
	int got = checkpoint_read_state(r->o->folder, &text, &e);

	if (got < 0)
		prog_fail(r->p, "%s", e.text);
	if (got == 0)
		return 0;
	j = json_loads(text, 0, NULL);
	options = json_string_value(json_object_get(j, "options"));
	if (!options)
		prog_fail(r->p, "%s/optimizer.safetensors: not a state of bb-train", r->o->folder);
	if (strcmp(options, r->options_text) != 0)
		prog_fail(r->p,
			"%s: holds a training with other options (%s); give the same, another "
			"folder, or remove its optimizer.safetensors",
			r->o->folder, differences(options, r->options_text));
	input = json_string_value(json_object_get(j, "input"));
	if (input && r->input && strcmp(input, r->input) != 0)
		other_input(r);
	if (input && !r->input)
		r->input = mem_strdup(input);
	if (checkpoint_load_state(r->o->folder, r->m, &r->optim, &e) < 0)
		prog_fail(r->p, "%s", e.text);
	r->at = (struct place){
		number(j, "step"), number(j, "epoch"), number(j, "draws"), number(j, "tokens")};
	r->best = json_number_value(json_object_get(j, "best"));
	r->best_step = number(j, "best_step");
	r->judged = number(j, "judged");
	r->done = json_is_true(json_object_get(j, "done"));
	log = number(j, "log");
	json_decref(j);
	mem_free(text);
	if (r->done)
		prog_warn(r->p, "%s: this training is complete", r->o->folder);
	else
		prog_warn(r->p, "%s: resuming after step %llu", r->o->folder,
			(unsigned long long)r->at.step);
	return log;
}

static void open_log(struct run *r, uint64_t length)
{
	struct buf path = {0};
	const char *file = in_folder(r, &path, "metrics.jsonl");

	r->log = fopen(file, "ae");
	if (!r->log || ftruncate(fileno(r->log), (off_t)length) < 0 ||
		fseeko(r->log, 0, SEEK_END) < 0)
		prog_fail(r->p, "%s: cannot write: %s", file, strerror(errno));
	buf_free(&path);
}

static void device_failed(void *ctx, bool memory, const char *why)
{
	const struct run *r = ctx;

	if (memory)
		prog_fail(r->p, "device: %s; a lower --batch-tokens needs less", why);
	prog_fail(r->p,
		"device: %s; if %s has a checkpoint it is whole, and the same command goes on from "
		"there",
		why, r->o->folder);
}

/* Before the sandbox: the driver needs more rights to begin than to go on. */
static void open_device(struct run *r)
{
	struct nn_request q = {.fp32 = r->o->fp32, .fail = device_failed, .ctx = r};
	struct err said;

	if (nn_open_device(r->o->device, &q, &r->nn, &said) < 0)
		prog_fail(r->p, "%s", said.text);
	if (*said.text)
		prog_warn(r->p, "%s", said.text);
	r->p->gpu = r->nn != NULL;
}

static void open_cpu(struct run *r)
{
	struct err e;

	if (!r->o->bf16)
		r->nn = nn_cpu_open((unsigned)r->p->threads);
	else if (!(r->nn = nn_cpu_open_bf16((unsigned)r->p->threads, &e)))
		prog_fail(r->p, "--bf16: %s", e.text);
}

void run_open(struct run *r)
{
	if (!r->o->init)
		parse_config(r);
	if (mkdir(r->o->folder, 0777) < 0 && errno != EEXIST)
		prog_fail(r->p, "%s: cannot make the folder: %s", r->o->folder, strerror(errno));
	catch_signals(r); /* before the driver starts threads */
	open_device(r);
	sandbox_enter(r->p);
	open_vocab(r);
	find_type(r);
	if (!r->nn)
		open_cpu(r);
}

void run_model(struct run *r, enum model_head head, uint32_t classes)
{
	struct err e;
	uint64_t log;

	open_model(r, head, classes);
	note_options(r);
	r->optim = optim_new(r->m, (float)r->o->lr);
	r->optim.decay = (float)r->o->decay;
	r->optim.clip = (float)r->o->clip;
	log = restore(r);
	r->began_at = r->shown_at = now();
	r->began_tokens = r->at.tokens;
	if (r->done)
		return;
	r->nn->stop = &stop_asked;
	if (wordpiece_save(r->words, r->o->folder, &e) < 0)
		prog_fail(r->p, "%s", e.text);
	open_log(r, log);
}

void run_plan(struct run *r, uint64_t tokens, uint64_t longest)
{
	const struct options *o = r->o;
	uint64_t batch = o->batch_tokens > 2 * longest ? o->batch_tokens - longest / 2
						       : MAX(o->batch_tokens / 2, (uint64_t)1);

	r->total = o->steps;
	if (o->steps == UINT64_MAX)
		r->total = o->epochs * (tokens / batch + 1);
	r->optim.total = r->total;
	r->optim.warmup = o->warmup == UINT64_MAX ? r->total / 16 : o->warmup;
}

void run_cut(struct run *r, uint64_t n)
{
	if (n)
		prog_warn(r->p, "%llu sequences are longer than the model's %u tokens and are cut",
			(unsigned long long)n, r->m->config.max_len);
}

void run_log(struct run *r, const char *fields)
{
	if (fprintf(r->log, "{%s}\n", fields) < 0 || fflush(r->log) != 0)
		prog_fail(
			r->p, "%s/metrics.jsonl: cannot write: %s", r->o->folder, strerror(errno));
}

bool run_bf16(const struct run *r)
{
	return strcmp(r->o->dtype, "bf16") == 0;
}

void run_save_model(struct run *r)
{
	struct err e;

	if (checkpoint_save(r->o->folder, r->m, run_bf16(r), &e) < 0)
		prog_fail(r->p, "%s", e.text);
}

void run_save_state(struct run *r)
{
	struct buf b = {0};
	struct err e;

	buf_printf(&b,
		"{\n  \"step\": %llu,\n  \"epoch\": %llu,\n  \"draws\": %llu,\n"
		"  \"tokens\": %llu,\n  \"total\": %llu,\n  \"best\": %.17g,\n"
		"  \"best_step\": %llu,\n  \"judged\": %llu,\n  \"done\": %s,\n"
		"  \"log\": %llu,\n",
		(unsigned long long)r->at.step, (unsigned long long)r->at.epoch,
		(unsigned long long)r->at.draws, (unsigned long long)r->at.tokens,
		(unsigned long long)r->total, r->best, (unsigned long long)r->best_step,
		(unsigned long long)r->judged, r->done ? "true" : "false",
		(unsigned long long)ftello(r->log));
	if (r->input)
		buf_printf(&b, "  \"input\": \"%s\",\n", r->input);
	buf_puts(&b, "  \"options\": ");
	field_json_text(&b, r->options_text);
	buf_puts(&b, "\n}\n");
	if (checkpoint_save_state(r->o->folder, r->m, &r->optim, buf_text(&b), &e) < 0)
		prog_fail(r->p, "%s", e.text);
	buf_free(&b);
}

/* At most a line a second on a terminal, every ten seconds with -v. */
static void show(struct run *r, double loss)
{
	bool live = !r->p->quiet && isatty(STDERR_FILENO);
	double t = now(), rate, left;

	if ((!live && !r->p->verbose) || t - r->shown_at < (live ? 1 : 10))
		return;
	rate = (double)(r->at.tokens - r->began_tokens) / (t - r->began_at);
	left = (double)r->at.tokens / (double)r->at.step *
	       (double)(r->total - MIN(r->at.step, r->total)) / rate;
	fprintf(stderr, "%s%s: step %llu/%llu, loss %.4f, %.0f tokens/s, %.0f s left%s",
		live ? "\r\033[K" : "", r->p->name, (unsigned long long)r->at.step,
		(unsigned long long)r->total, loss, rate, left, live ? "" : "\n");
	r->shown_at = t;
}

enum run_next run_next(const struct run *r)
{
	return r->at.step >= r->o->steps ? RUN_DONE : stop_asked ? RUN_STOP : RUN_GO;
}

size_t run_together(const struct run *r, size_t cpu)
{
	return r->nn->group ? cpu : TOGETHER;
}

bool run_stopping(void)
{
	return stop_asked;
}

bool run_judge(struct run *r, double score)
{
	if (isfinite(score) && r->best_step && score <= r->best)
		return false;
	r->best = isfinite(score) ? score : 0;
	r->best_step = r->at.step;
	return true;
}

enum run_next run_step(struct run *r, const struct place *at, double loss, const char *fields)
{
	double rate = (double)optim_rate(&r->optim), size = optim_step(&r->optim, r->m);
	struct buf b = {0};

	if (!isfinite(size) || !isfinite(loss))
		prog_fail(r->p,
			"step %llu: the loss is not finite (%g, gradient %g); the last good "
			"checkpoint is in %s; a lower --lr may help",
			(unsigned long long)at->step, loss, size, r->o->folder);
	r->at = *at;
	buf_printf(&b, "\"step\":%llu,\"epoch\":%llu,\"tokens\":%llu,\"lr\":%.6g,\"grad\":%.6g,%s",
		(unsigned long long)at->step, (unsigned long long)at->epoch,
		(unsigned long long)at->tokens, rate, size, fields);
	run_log(r, buf_text(&b));
	buf_free(&b);
	show(r, loss);
	return run_next(r);
}

int run_close(struct run *r, enum run_next why)
{
	double t = now() - r->began_at;

	if (r->done)
		return EXIT_OK; /* it was when it was opened */
	r->done = why == RUN_DONE;
	run_save_state(r);
	if (isatty(STDERR_FILENO) && !r->p->quiet)
		fprintf(stderr, "\r\033[K");
	if (why == RUN_STOP)
		prog_warn(r->p, "stopped after step %llu of about %llu; the same command goes on",
			(unsigned long long)r->at.step, (unsigned long long)r->total);
	else
		prog_note(r->p, "%llu steps, %llu tokens in %.1f s (%.0f tokens/s)",
			(unsigned long long)r->at.step,
			(unsigned long long)(r->at.tokens - r->began_tokens), t,
			(double)(r->at.tokens - r->began_tokens) / (t > 0 ? t : 1));
	fclose(r->log);
	mem_free(r->input);
	mem_free(r->options_text);
	optim_free(&r->optim, r->m);
	model_free(r->m);
	r->nn->op->close(r->nn);
	wordpiece_free(r->words);
	return why == RUN_STOP ? EXIT_STOPPED : EXIT_OK;
}
