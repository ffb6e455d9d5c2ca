/*
 * classes.h: the tables of a stream of predictions, one for each task.
 */
#ifndef CLASSES_H
#define CLASSES_H

#include "ann/metrics.h"
#include "formats/prediction.h"

enum { CLASSES_PARTS = 256 }; /* most tasks times values of the label of --by */

struct classes;

/* `by`: also split by this label, or NULL; stays the caller's. */
struct classes *classes_new(const char *by);
void classes_free(struct classes *c);
/* 0, or -1 when the record cannot be evaluated. */
int classes_add(struct classes *c, const struct prediction *p, struct err *e) MUST_CHECK;
void classes_text(const struct classes *c, struct buf *b);
/* One object a line for each task. */
void classes_json(const struct classes *c, struct buf *b);

#endif
