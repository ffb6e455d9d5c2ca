/*
 * inputs.h: the files to take apart, one after another: operands, or names from a list.
 */
#ifndef INPUTS_H
#define INPUTS_H

#include <stdio.h>

#include "base/base.h"

struct inputs {
	char *const *paths; /* operands; NULL when there is a list */
	size_t n, next;
	FILE *list; /* names, one a line */
	char *line;
	size_t cap;
};

/* Names from the operands; if there are none, "-". */
void inputs_open(struct inputs *in, char *const *paths, size_t n);
/* Names from a file, or from stdin if it is "-". 0, or -1 with the reason. */
int inputs_open_list(struct inputs *in, const char *path, struct err *e) MUST_CHECK;
/* The next name: 1, 0 at the end, -1 with the reason. Good until the next call. */
int inputs_next(struct inputs *in, const char **path, struct err *e) MUST_CHECK;
void inputs_close(struct inputs *in);

/* Bytes of the file, for planning; 0 when it is not known. */
uint64_t inputs_size(const char *path);
/* Whether the file begins like an archive, or cannot be told without reading it. */
bool inputs_may_be_archive(const char *path);
/* The bytes of a file. */
struct inputs_bytes {
	uint8_t *p;
	size_t n;
	int mapped; /* a large file is not copied: 1 + its place among those; 0: copied */
};

/* Reads a whole file ("-": stdin). 0, or -1 with the reason. */
int inputs_read(const char *path, struct inputs_bytes *b, struct err *e) MUST_CHECK;
/*
 * Reads the file `name` below the folder that `beside` is in (below.h), if it has n bytes. 0, or -1
 * with the reason.
 */
int inputs_read_below(const char *beside, const char *name, uint64_t n, struct inputs_bytes *b,
	struct err *e) MUST_CHECK;
void inputs_free(struct inputs_bytes *b);
/*
 * From now on a mapped file that is cut short meanwhile goes on as zeros, from where it is touched;
 * before anything is read from there, inputs_cut becomes true for it.
 */
void inputs_guard(void);
bool inputs_cut(const struct inputs_bytes *b);

#endif
