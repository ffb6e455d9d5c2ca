/*
 * tokens.h: a sequence as vocabulary numbers. man 5 bb-tokens.
 *
 * No special tokens inside: [CLS] and [SEP] are put in by whoever feeds a model.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include "formats/origin.h"

struct tokens {
	const char *unit;
	struct origin origin;
	struct labels labels;
	const char *group;
	uint64_t vocab;     /* wordpiece_hash of the vocabulary the numbers are from */
	uint64_t cut;       /* code tokens dropped by the length limit */
	struct u32s ids;    /* tokens of the code */
	struct u32s starts; /* index into ids of the first token of each instruction */
	struct u8s marks;   /* enum mark (sequence.h) of each instruction in starts; or empty */
	struct u32s eids;   /* tokens of all expressions, one after another */
	struct u32s elens;  /* tokens of each expression; they add up to eids.n */
	uint64_t insns;     /* when starts are those of expressions, instructions; else 0 */
	const char *arch;   /* of traced text: the architecture; else empty */
	struct u32s vat;    /* of traced text: index into ids of each token that has a value, */
	struct u64s values; /* and the values: of registers, if it was traced, and of numbers */
};

/* How many instructions it is of. */
static inline uint64_t tokens_insns(const struct tokens *t)
{
	return t->insns ? t->insns : t->starts.n;
}

extern const struct kind tokens_kind;

#endif
