/*
 * nn.c: the encoder without the filters around it, for train and embed beside it.
 *
 *	nn MODEL BATCHES THREADS train|embed|int8 OUT
 *
 * BATCHES is a file as in batches.h. Writes to OUT, as 32-bit floats, the loss of each step or the
 * vectors; prints the seconds of all batches (of the processor, of the clock) and the peak of
 *memory in KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "nn/checkpoint.h"
#include "scripts/bench/batches.h"

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Not ru_maxrss: that of the process that forked counts there. */
static long peak_memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static float train_step(struct model *m, struct optim *o, const struct batch *x)
{
	struct model_losses l;

	model_zero_grad(m);
	model_pretrain(m, &x->b, &x->t, true, &l);
	(void)optim_step(o, m);
	return (float)(l.elm * (double)x->t.elm_scale + l.ssm * (double)x->t.ssm_scale +
		       l.value * (double)x->t.value_scale);
}

int main(int argc, char **argv)
{
	struct nn *nn = nn_cpu_open(argc == 6 ? (unsigned)atoi(argv[3]) : 1);
	struct batch *x;
	struct model *m;
	struct optim o;
	struct err e;
	double cpu, wall;
	size_t n, seqs = 0, at = 0;
	bool train;
	float *out;
	FILE *f;

	if (argc != 6)
		return 2;
	train = strcmp(argv[4], "train") == 0;
	if (!train && strcmp(argv[4], "embed") != 0 && strcmp(argv[4], "int8") != 0)
		return 2;
	m = checkpoint_load(argv[1], nn, 0, NULL, &e);
	if (!m) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (strcmp(argv[4], "int8") == 0 && model_round(m) < 0)
		return 1;
	x = read_batches(argv[2], &n);
	for (size_t i = 0; i < n; i++)
		seqs += x[i].b.seqs;
	out = mem_alloc(train ? n : seqs * m->config.hidden, sizeof(*out));
	if (train) {
		o = optim_new(m, 1e-4f);
		o.warmup = o.total = 0;
		o.decay = 0.01f;
	} else { /* once, so that no buffer is new */
		model_embed(m, &x[0].b, m->config.layers, false, out);
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	for (size_t i = 0; i < n; i++) {
		if (train) {
			out[at++] = train_step(m, &o, &x[i]);
		} else {
			model_embed(m, &x[i].b, m->config.layers, false, out + at);
			at += x[i].b.seqs * m->config.hidden;
		}
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	f = fopen(argv[5], "wb");
	if (!f || fwrite(out, sizeof(*out), at, f) != at || fclose(f) != 0)
		return 1;
	printf("%.6f %.6f %ld\n", cpu, wall, peak_memory());
	return 0;
}
