/*
 * gpu.c: what a device makes of the encoder, without the filters around it, for gpu beside it.
 *
 *	gpu matmul N ROUNDS            a dense layer of N rows and N by N weights
 *	gpu train MODEL BATCHES SECONDS    pre-training steps, then some with the device's own times
 *	gpu embed MODEL BATCHES SECONDS    vectors of sequences
 *	gpu pack MODEL BATCHES         vectors alone and among others: equal bits?
 *
 * MODEL is LAYERS,HIDDEN,HEADS,VOCAB, or LAYERS,HIDDEN,HEADS,VOCAB,trex. BATCHES is a file as in
 * batches.h, with values for a Trex. Prints one object of JSON; exits 1 with a line on stderr if it
 * fails, 77 if there is no device.
 *
 * Operations are counted by formula, a product of [m,k] and [k,n] as 2 m k n, attention as two
 * products of each sequence with itself, an LSTM as eight products for each distinct value; a
 * backward pass is twice its forward pass. Nothing is counted for normalisation, softmax and the
 * optimiser, nor for what is computed again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"
#include "code/arch.h"
#include "nn/model.h"
#include "nn/nn_open.h"
#include "nn/optim.h"
#include "nn/values.h"
#include "scripts/bench/batches.h"

enum { WARM = 4 /* steps before the clock starts */ };

struct bench {
	struct nn *nn;
	struct model *m;
	struct optim o;
	struct batch *x;
	size_t n;
	double until; /* seconds */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "gpu: %s\n", what);
	exit(1);
}

static void device_failed(void *ctx, bool memory, const char *why)
{
	(void)ctx, (void)memory;
	die(why);
}

static struct nn *open_device(struct nn_times *times)
{
	struct nn_request q = {.fail = device_failed, .times = times};
	struct err e;
	struct nn *nn = nn_open_cuda(&q, &e);

	if (!nn) {
		fprintf(stderr, "gpu: %s\n", e.text);
		exit(77);
	}
	return nn;
}

static void open_bench(struct bench *x, struct nn_times *times, char **argv)
{
	struct model_config c;
	struct err e;
	unsigned v[4];

	if (sscanf(argv[2], "%u,%u,%u,%u", &v[0], &v[1], &v[2], &v[3]) != 4)
		die("MODEL is LAYERS,HIDDEN,HEADS,VOCAB or LAYERS,HIDDEN,HEADS,VOCAB,trex");
	if (model_config_named(&c, "base") < 0)
		die("no such model");
	c.layers = v[0];
	c.hidden = v[1];
	c.heads = v[2];
	c.vocab = v[3];
	c.intermediate = 4 * v[1];
	if (strstr(argv[2], ",trex")) {
		c.max_op = MODEL_MAX_OP;
		c.types = ARCH_COUNT;
	}
	if (model_config_check(&c, &e) < 0)
		die(e.text);
	x->nn = open_device(times);
	x->m = model_new(x->nn, &c);
	model_init(x->m, 1);
	model_update(x->m);
	if (!x->x)
		x->x = read_batches(argv[3], &x->n);
}

static void close_bench(struct bench *x)
{
	model_free(x->m);
	x->nn->op->close(x->nn);
}

/* ---- operations by formula ---- */

/* Of the encoder's forward pass over a batch; two directions of d = h/2 read its values. */
static double encoder_flop(const struct model_config *c, const struct nn_batch *b)
{
	double h = c->hidden, f = c->intermediate, d = h / 2, all = 0;

	for (size_t s = 0; s < b->seqs; s++) {
		double n = b->cu[s + 1] - b->cu[s];

		all += n * (8 * h * h + 4 * h * f) + 4 * n * n * h;
	}
	return c->layers * all + 2 * VALUES_STEPS * (double)b->nvalues * 2 * 4 * d * d;
}

/* Of a training step. */
static double step_flop(const struct model_config *c, const struct batch *x)
{
	double h = c->hidden, m = (double)x->t.masked, s = (double)x->b.seqs;
	double n = (double)x->t.values, heads = m * (2 * h * h + 2 * h * c->vocab);

	if (model_is_trex(c))
		heads += n * (2 * h * h + MODEL_VALUE_BYTES * 2 * h * NN_BYTE_NONE);
	else
		heads += s * (2 * h * h + 4 * h);
	return 3 * (encoder_flop(c, &x->b) + heads);
}

/* ---- training ---- */

static double step(struct bench *x, size_t i)
{
	const struct batch *b = &x->x[i % x->n];
	struct model_losses l;

	model_zero_grad(x->m);
	model_pretrain(x->m, &b->b, &b->t, true, &l);
	(void)optim_step(&x->o, x->m);
	return l.elm * (double)b->t.elm_scale + l.ssm * (double)b->t.ssm_scale +
	       l.value * (double)b->t.value_scale;
}

/* The device has done all it was asked for. */
static void settle(struct bench *x)
{
	float f;

	x->nn->op->get(x->nn, &f, x->m->param, 1);
	if (!isfinite(f))
		die("a weight is not finite");
}

static uint64_t digest(struct bench *x)
{
	float *p = mem_alloc(x->m->nparam, sizeof(*p));
	uint64_t d;

	x->nn->op->get(x->nn, p, x->m->param, x->m->nparam);
	d = hash_64(p, x->m->nparam * sizeof(*p));
	mem_free(p);
	return d;
}

static void begin_training(struct bench *x)
{
	x->o = optim_new(x->m, 1e-4f);
	x->o.warmup = 10;
}

struct training {
	size_t steps, tokens, seqs, masked;
	double seconds, flop, first, last, first_step;
	uint64_t digest; /* of the weights after the steps before the clock started */
};

static struct training run_steps(struct bench *x)
{
	struct training r = {0};
	double start = now();
	size_t i = 0;

	begin_training(x);
	for (; i < MAX(x->n, (size_t)WARM); i++) {
		r.last = step(x, i);
		if (i == 0) {
			settle(x);
			r.first_step = now() - start;
			r.first = r.last;
		}
	}
	r.digest = digest(x);
	start = now();
	do {
		const struct batch *b = &x->x[i % x->n];

		r.last = step(x, i++);
		r.steps++;
		r.tokens += b->b.tokens;
		r.seqs += b->b.seqs;
		r.masked += b->t.masked;
		r.flop += step_flop(&x->m->config, b);
	} while (now() - start < x->until);
	settle(x);
	r.seconds = now() - start;
	optim_free(&x->o, x->m);
	return r;
}

static const char *const time_names[NN_TIMES] = {
	[NN_TIME_WAIT] = "gaps",
	[NN_TIME_PRODUCT] = "products",
	[NN_TIME_WGRAD] = "products, weight gradients",
	[NN_TIME_ATTEND] = "attention",
	[NN_TIME_ATTEND_BACK] = "attention, backward",
	[NN_TIME_CELL] = "LSTM",
	[NN_TIME_NORM] = "normalisation",
	[NN_TIME_ELEMENT] = "elementwise",
	[NN_TIME_SUM] = "sums over rows",
	[NN_TIME_ROWS] = "gather, scatter, pool",
	[NN_TIME_LOSS] = "loss",
	[NN_TIME_OPTIM] = "optimiser",
	[NN_TIME_COPY] = "copies",
};

/* Milliseconds of each kind of work in a pass or step. */
static void print_times(const struct nn_times *t, size_t passes)
{
	printf(", \"ms\": {");
	for (int i = 0; i < NN_TIMES; i++)
		printf("%s\"%s\": %.4f", i ? ", " : "", time_names[i],
			1e3 * t->seconds[i] / (double)passes);
	printf("}, \"plain\": %llu", (unsigned long long)t->plain);
}

/* The same steps on a device that counts its time. */
static void time_steps(struct bench *x, char **argv, bool train)
{
	struct nn_times times = {0};
	float *vec = NULL;
	size_t most = 0;

	for (size_t i = 0; i < x->n; i++)
		most = MAX(most, x->x[i].b.seqs);
	open_bench(x, &times, argv);
	vec = mem_alloc(most * x->m->config.hidden, sizeof(*vec));
	if (train)
		begin_training(x);
	for (size_t round = 0; round < 2; round++) {
		settle(x);
		times = (struct nn_times){0}; /* the first round is not counted */
		for (size_t i = 0; i < x->n; i++) {
			if (train)
				(void)step(x, i);
			else
				model_embed(x->m, &x->x[i].b, x->m->config.layers, false, vec);
		}
		settle(x);
	}
	print_times(&times, x->n);
	mem_free(vec);
	if (train)
		optim_free(&x->o, x->m);
	close_bench(x);
}

static void train(struct bench *x, char **argv)
{
	double start = now(), opened;
	struct training r;

	open_bench(x, NULL, argv);
	opened = now() - start;
	r = run_steps(x);
	printf("{\"device\": \"%s\", \"tokens\": %zu, \"seqs\": %zu, \"masked\": %zu, \"steps\": "
	       "%zu, \"seconds\": %.6f, \"tokens_s\": %.1f, \"tflops\": %.4f, \"open_s\": %.2f, "
	       "\"first_step_s\": %.3f, \"loss\": [%.6f, %.6f], \"digest\": \"%016llx\"",
		x->nn->about, r.tokens, r.seqs, r.masked, r.steps, r.seconds,
		(double)r.tokens / r.seconds, 1e-12 * r.flop / r.seconds, opened, r.first_step,
		r.first, r.last, (unsigned long long)r.digest);
	close_bench(x);
	time_steps(x, argv, true);
	printf("}\n");
}

/* ---- embedding ---- */

static void embed(struct bench *x, char **argv)
{
	size_t seqs = 0, tokens = 0, most = 0, i = 0;
	double start, seconds, flop = 0;
	float *vec;

	open_bench(x, NULL, argv);
	for (size_t k = 0; k < x->n; k++)
		most = MAX(most, x->x[k].b.seqs);
	vec = mem_alloc(most * x->m->config.hidden, sizeof(*vec));
	for (size_t k = 0; k < MAX(x->n, (size_t)WARM); k++)
		model_embed(x->m, &x->x[k % x->n].b, x->m->config.layers, false, vec);
	start = now();
	do {
		const struct nn_batch *b = &x->x[i++ % x->n].b;

		model_embed(x->m, b, x->m->config.layers, false, vec);
		seqs += b->seqs;
		tokens += b->tokens;
		flop += encoder_flop(&x->m->config, b);
	} while (now() - start < x->until);
	seconds = now() - start;
	printf("{\"device\": \"%s\", \"tokens\": %zu, \"seqs\": %zu, \"passes\": %zu, \"seconds\": "
	       "%.6f, \"strands_s\": %.1f, \"tokens_s\": %.1f, \"tflops\": %.4f",
		x->nn->about, tokens, seqs, i, seconds, (double)seqs / seconds,
		(double)tokens / seconds, 1e-12 * flop / seconds);
	mem_free(vec);
	close_bench(x);
	time_steps(x, argv, false);
	printf("}\n");
}

/* The tokens `from` to `to` of a batch as a batch, each with a value of its own; to be freed. */
static struct nn_batch *part_of(const struct nn_batch *b, uint32_t from, uint32_t to)
{
	size_t n = to - from, at = n * VALUES_STEPS;
	struct nn_batch *x = mem_zalloc(1, sizeof(*x));
	uint16_t *bytes = mem_alloc(at, sizeof(*bytes));
	uint32_t *cu = mem_alloc(2 + n, sizeof(*cu)), *value = cu + 2;

	cu[0] = 0;
	cu[1] = (uint32_t)n;
	*x = (struct nn_batch){.tokens = n, .seqs = 1, .longest = n, .cu = cu};
	x->ids = b->ids + from;
	x->pos = b->pos + from;
	x->types = b->types + from;
	x->bytes = bytes;
	if (!b->nvalues)
		return x;
	x->op = b->op + from;
	x->value = value;
	x->nvalues = n;
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t *of = b->bytes + b->value[from + i] * (size_t)VALUES_STEPS;

		value[i] = i;
		memcpy(bytes + i * (size_t)VALUES_STEPS, of, VALUES_STEPS * sizeof(*of));
	}
	return x;
}

static void free_part(struct nn_batch *x)
{
	mem_free((void *)x->bytes);
	mem_free((void *)x->cu);
	mem_free(x);
}

/* The sequences of the first batch in batches of their own; their vectors' bits. */
static void pack(struct bench *x, char **argv)
{
	const struct nn_batch *b;
	size_t h, differ = 0, some;
	float *all, *one;

	open_bench(x, NULL, argv);
	b = &x->x[0].b;
	h = x->m->config.hidden;
	all = mem_alloc(b->seqs * h, sizeof(*all));
	one = mem_alloc(h, sizeof(*one));
	model_embed(x->m, b, x->m->config.layers, false, all);
	some = MIN(b->seqs, (size_t)200);
	for (size_t s = 0; s < some; s++) {
		struct nn_batch *alone = part_of(b, b->cu[s], b->cu[s + 1]);

		model_embed(x->m, alone, x->m->config.layers, false, one);
		differ += memcmp(one, all + s * h, h * sizeof(*one)) != 0;
		free_part(alone);
	}
	printf("{\"device\": \"%s\", \"seqs\": %zu, \"differ\": %zu}\n", x->nn->about, some,
		differ);
	mem_free(all);
	mem_free(one);
	close_bench(x);
	if (differ)
		exit(1);
}

/* ---- matrix products ---- */

/* Random numbers, not zeros: a device is faster with those. */
static float *noise(struct nn *nn, size_t n, bool activations)
{
	float *p = activations ? nn->op->room(nn, n) : nn->op->alloc(nn, n),
	      *host = mem_alloc(n, sizeof(*host));
	uint64_t r = 1;

	for (size_t i = 0; i < n; i++) {
		r = r * 6364136223846793005u + 1442695040888963407u;
		host[i] = (float)(int32_t)(r >> 32) / (float)INT32_MAX;
	}
	if (activations)
		nn->op->give(nn, p, host, n);
	else
		nn->op->put(nn, p, host, n);
	mem_free(host);
	return p;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median over the rounds of the products' own time. */
static void matmul(size_t n, size_t rounds)
{
	struct nn_times times = {0};
	struct nn *nn = open_device(&times);
	struct nn_dense d = {
		.w = noise(nn, n * n, false), .b = noise(nn, n, false), .n = n, .k = n};
	float *x = noise(nn, n * n, true), *y = nn->op->room(nn, n * n),
	      *wt = nn->op->alloc(nn, n * n);
	double *s = mem_alloc(rounds, sizeof(*s)), nd = (double)n;

	nn->op->prepare(nn, d.w, wt, n, n);
	d.wt = wt;
	for (size_t i = 0; i < WARM + rounds; i++) {
		float f;

		times = (struct nn_times){0};
		nn->op->dense(nn, n, &d, NN_LINEAR, x, NULL, y);
		nn->op->take(nn, &f, y, 1);
		if (i >= WARM)
			s[i - WARM] = times.seconds[NN_TIME_PRODUCT];
	}
	qsort(s, rounds, sizeof(*s), by_size);
	printf("{\"device\": \"%s\", \"n\": %zu, \"rounds\": %zu, \"seconds\": %.9f, \"tflops\": "
	       "%.4f, \"best_tflops\": %.4f}\n",
		nn->about, n, rounds, s[rounds / 2], 2e-12 * nd * nd * nd / s[rounds / 2],
		2e-12 * nd * nd * nd / s[0]);
	mem_free(s);
	nn->op->free(nn, (float *)d.w);
	nn->op->free(nn, (float *)d.b);
	nn->op->free(nn, wt);
	nn->op->free(nn, x);
	nn->op->free(nn, y);
	nn->op->close(nn);
}

static void free_batches(struct bench *x)
{
	for (size_t i = 0; i < x->n; i++) {
		if (!x->x[i].b.nvalues)
			mem_free((void *)x->x[i].b.pos);
		mem_free((void *)x->x[i].b.types);
		mem_free((void *)x->x[i].b.bytes);
	}
	if (x->n)
		mem_free((void *)(x->x[0].b.cu - 6)); /* where the file begins */
	mem_free(x->x);
}

int main(int argc, char **argv)
{
	struct bench x = {0};

	if (argc == 4 && strcmp(argv[1], "matmul") == 0) {
		matmul((size_t)atol(argv[2]), (size_t)atol(argv[3]));
		return 0;
	}
	if (argc < 4)
		return 2;
	x.until = argc > 4 ? atof(argv[4]) : 0;
	if (strcmp(argv[1], "train") == 0)
		train(&x, argv);
	else if (strcmp(argv[1], "embed") == 0)
		embed(&x, argv);
	else if (strcmp(argv[1], "pack") == 0)
		pack(&x, argv);
	else
		return 2;
	free_batches(&x);
	return 0;
}
