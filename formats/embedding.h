/*
 * embedding.h: a sequence as a vector. man 5 bb-embedding.
 */
#ifndef EMBEDDING_H
#define EMBEDDING_H

#include "formats/origin.h"

struct embedding {
	const char *unit;
	struct origin origin;
	struct labels labels;
	const char *group;
	uint64_t insns;  /* instructions that went into it: very short code is alike by chance */
	struct f32s vec; /* hidden-size numbers, not normalised */
};

extern const struct kind embedding_kind;

#endif
