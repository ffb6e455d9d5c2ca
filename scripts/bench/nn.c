/*
 * nn.c: the encoder without the filters around it, for train and embed beside it.
 *
 *	nn MODEL BATCHES THREADS train|embed|int8 OUT
 *
 * BATCHES holds 32-bit numbers: how many batches; for each S sequences, T tokens, M masked ones,
 * cu[S+1], ids[T], types[T], row[M], want[M], label[S]. Writes to OUT, as 32-bit floats, the loss
 *of each step or the vectors; prints the seconds of all batches (of the processor, of the clock)
 *and the peak of memory in KiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "nn/checkpoint.h"

struct batch {
	struct nn_batch b;
	struct model_targets t;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const uint32_t *take(const uint32_t **p, size_t n)
{
	const uint32_t *at = *p;

	*p += n;
	return at;
}

static void parse(struct batch *x, const uint32_t **p)
{
	size_t s = *take(p, 1), t = *take(p, 1), m = *take(p, 1);
	uint32_t *pos = mem_alloc(t, sizeof(*pos));
	uint8_t *types = mem_alloc(t, 1);
	const uint32_t *wide;

	x->b = (struct nn_batch){.tokens = t, .seqs = s, .cu = take(p, s + 1)};
	x->b.ids = take(p, t);
	wide = take(p, t);
	for (size_t i = 0; i < s; i++) {
		x->b.longest = MAX(x->b.longest, (size_t)(x->b.cu[i + 1] - x->b.cu[i]));
		for (uint32_t k = x->b.cu[i]; k < x->b.cu[i + 1]; k++) {
			pos[k] = k - x->b.cu[i];
			types[k] = (uint8_t)wide[k];
		}
	}
	x->b.pos = pos;
	x->b.types = types;
	x->t.masked = m;
	x->t.row = take(p, m);
	x->t.want = take(p, m);
	x->t.label = take(p, s);
	x->t.elm_scale = 1.0f / (float)MAX(m, (size_t)1);
	x->t.ssm_scale = 1.0f / (float)s;
}

static uint32_t *read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	long n = -1;
	uint32_t *p;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (n = ftell(f)) < 0)
		exit(1);
	rewind(f);
	p = mem_alloc((size_t)n, 1);
	if (fread(p, 1, (size_t)n, f) != (size_t)n)
		exit(1);
	fclose(f);
	return p;
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
	return (float)(l.elm * (double)x->t.elm_scale + l.ssm * (double)x->t.ssm_scale);
}

int main(int argc, char **argv)
{
	struct nn *nn = nn_cpu_open(argc == 6 ? (unsigned)atoi(argv[3]) : 1);
	const uint32_t *p = argc == 6 ? read_all(argv[2]) : NULL;
	struct batch *x;
	struct model *m;
	struct optim o;
	struct err e;
	double cpu, wall;
	size_t n, seqs = 0, at = 0;
	bool train;
	float *out;
	FILE *f;

	if (!p)
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
	n = *take(&p, 1);
	x = mem_zalloc(n, sizeof(*x));
	for (size_t i = 0; i < n; i++) {
		parse(&x[i], &p);
		seqs += x[i].b.seqs;
	}
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
