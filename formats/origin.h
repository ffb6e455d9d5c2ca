/*
 * origin.h: where a record comes from; nested in most kinds. man 5 bb-sequence describes it.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include "stream/field.h"

struct origin {
	struct u8s bin;   /* XXH3-128 of the file, 16 bytes */
	const char *file; /* base name; members of archives as libx.a(member.o) */
	uint64_t fn;      /* address of the function */
	const char *name; /* linkage name of the function, empty if there is none */
	uint64_t addr;    /* address of the unit: of the block for strands and blocks */
};

extern const struct fields origin_fields;

/* Fills o with random valid values. */
void origin_sample(struct origin *o, struct arena *a, struct rng *r);
/* A random short identifier, for the samples of other kinds. */
const char *origin_sample_word(struct arena *a, struct rng *r);
/* Random labels (compiler, opt), for the samples of other kinds. */
struct labels origin_sample_labels(struct arena *a, struct rng *r);

#endif
