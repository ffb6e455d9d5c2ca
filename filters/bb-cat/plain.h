/*
 * plain.h: records with their linkage names demangled, for -C.
 */
#ifndef PLAIN_H
#define PLAIN_H

#include "stream/field.h"

/* Replaces all linkage names in the record; texts are put into the arena. */
void plain_names(const struct kind *k, void *rec, struct arena *a);

#endif
