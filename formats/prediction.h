/*
 * prediction.h: what a fine-tuned head says of a sequence. man 5 bb-prediction.
 */
#ifndef PREDICTION_H
#define PREDICTION_H

#include "formats/origin.h"

struct prediction {
	const char *unit;
	struct origin origin;
	struct labels labels;
	const char *group;
	const char *task;     /* what is predicted: "compiler", "opt", "recover", "execute", ... */
	const char *truth;    /* the right class, empty if unknown */
	struct texts classes; /* names of the classes */
	struct f32s scores;   /* probability of each class */
};

extern const struct kind prediction_kind;

#endif
