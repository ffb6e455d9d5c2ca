/*
 * source.h: what debugging information says of a function; nested in function records, only when
 * bb-disasm was asked for it. man 5 bb-function.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "stream/field.h"

struct source {
	const char *name;     /* linkage name, also where symbols are ignored */
	const char *file;     /* where the function is declared, */
	uint64_t line;        /* 0 if that is not known */
	const char *unit;     /* the file that was compiled */
	const char *language; /* C11 and the like */
	const char *producer; /* the compiler in its own words, with options if it says them */
	struct texts files;   /* of the lines */
	struct u32s bfile;    /* of each block: 0, or 1 + index into files, */
	struct u32s bline;    /* line of its first instruction, 0 if none is known, */
	struct u32s binline;  /* function it was inlined from: 0, or 1 + index into inlined */
	struct texts inlined; /* linkage names of all functions inlined here */
};

extern const struct fields source_fields;

/* Checks the columns against each other and against a record of nblocks blocks. 0 or -1. */
int source_check(const struct source *s, size_t nblocks, struct err *e);
void source_sample(struct source *s, size_t nblocks, struct arena *a, struct rng *rng);

#endif
