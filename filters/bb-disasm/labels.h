/*
 * labels.h: labels of a file, from -l key=value and from its path.
 *
 * A template such as {project}/{compiler}-{opt}/{file} is matched against as many last components
 * of a path as it has itself. {name} stands for one or more characters, the first one in a
 * component for as many as possible; {file} is thrown away, the others become labels.
 */
#ifndef LABELS_H
#define LABELS_H

#include "base/arena.h"
#include "stream/field.h"

/* Checks one key=value, or a template. 0, or -1 with the reason. */
int labels_check_pair(const char *pair, struct err *e) MUST_CHECK;
int labels_check_template(const char *template, struct err *e) MUST_CHECK;
/*
 * The labels of a file: those of the path, replaced by those of the n checked pairs. template may
 * be NULL. 0, or -1 when the path does not fit the template; *out is set in both cases.
 */
int labels_of(struct labels *out, const char *template, const char *path, const char *const *pairs,
	size_t n, struct arena *a) MUST_CHECK;
/*
 * The labels `l`, and `compiler` and `opt` if they are not among them and the producer of a
 * compilation unit (DW_AT_producer) tells.
 */
void labels_of_producer(
	struct labels *out, const struct labels *l, const char *producer, struct arena *a);

#endif
