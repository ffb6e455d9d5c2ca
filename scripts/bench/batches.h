/*
 * batches.h: the batches that nn_peer.py and trex_peer.py write for nn.c and gpu.c: 32-bit numbers,
 * how many batches; for each S sequences, T tokens, M masked ones, V values (0: for a BERT), N
 * masked tokens that have one, cu[S+1], ids[T], types[T], row[M], want[M], label[S]; for a Trex
 * then pos[T], op[T], value[T], bytes[V,8], vrow[N], vwant[8,N].
 */
#ifndef BATCHES_H
#define BATCHES_H

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "nn/model.h"

struct batch {
	struct nn_batch b;
	struct model_targets t;
};

static inline const uint32_t *take(const uint32_t **p, size_t n)
{
	const uint32_t *at = *p;

	*p += n;
	return at;
}

static inline void parse_trex(struct batch *x, const uint32_t **p, size_t t, size_t v, size_t n)
{
	uint16_t *bytes = mem_alloc(v * 8, sizeof(*bytes));
	const uint32_t *wide;

	x->b.pos = take(p, t);
	x->b.op = take(p, t);
	x->b.value = take(p, t);
	wide = take(p, v * 8);
	for (size_t i = 0; i < v * 8; i++)
		bytes[i] = (uint16_t)wide[i];
	x->b.nvalues = v;
	x->b.bytes = bytes;
	x->t.values = n;
	x->t.value = take(p, n);
	for (size_t k = 0; k < 8; k++)
		x->t.byte[k] = take(p, n);
	x->t.value_scale = 0.125f / (float)MAX(n, (size_t)1);
	x->t.label = NULL;
}

static inline void parse(struct batch *x, const uint32_t **p)
{
	size_t s = *take(p, 1), t = *take(p, 1), m = *take(p, 1), v = *take(p, 1), n = *take(p, 1);
	uint32_t *pos = v ? NULL : mem_alloc(t, sizeof(*pos));
	uint8_t *types = mem_alloc(t, 1);
	const uint32_t *wide;

	x->b = (struct nn_batch){.tokens = t, .seqs = s, .cu = take(p, s + 1)};
	x->b.ids = take(p, t);
	wide = take(p, t);
	for (size_t i = 0; i < s; i++) {
		x->b.longest = MAX(x->b.longest, (size_t)(x->b.cu[i + 1] - x->b.cu[i]));
		for (uint32_t k = x->b.cu[i]; k < x->b.cu[i + 1]; k++) {
			if (!v)
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
	if (v)
		parse_trex(x, p, t, v, n);
}

/* All batches of the file, *n of them, which stay; ends the program if it cannot be read. */
static inline struct batch *read_batches(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	long size = -1;
	const uint32_t *p;
	uint32_t *all;
	struct batch *x;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 4) {
		fprintf(stderr, "cannot read the batches\n");
		exit(1);
	}
	rewind(f);
	all = mem_alloc((size_t)size, 1);
	if (fread(all, 1, (size_t)size, f) != (size_t)size) {
		fprintf(stderr, "cannot read the batches\n");
		exit(1);
	}
	fclose(f);
	p = all;
	*n = *take(&p, 1);
	x = mem_zalloc(*n, sizeof(*x));
	for (size_t i = 0; i < *n; i++)
		parse(&x[i], &p);
	return x;
}

#endif
