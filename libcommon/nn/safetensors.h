/*
 * safetensors.h: named tensors in a file (the Hugging Face safetensors format).
 *
 * A file is: length of the header (8 bytes, little-endian), the header (JSON: name to dtype, shape,
 * data_offsets; and __metadata__, a map of texts), then the data. Reading trusts nothing: lengths,
 * offsets, shapes and overlaps are checked before anything is allocated by them. F32 and BF16
 * are written; F16 is read as well.
 */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "base/base.h"

enum { SAFETENSORS_RANK = 8 };

struct safetensors_entry {
	const char *name;
	unsigned rank;
	size_t shape[SAFETENSORS_RANK];
	size_t n;          /* floats */
	const float *data; /* for writing: n floats, host, or what the writer's get takes */
	bool bf16;         /* for writing: as BF16, rounded to nearest, ties to even */
};

struct safetensors_text {
	const char *key, *value;
};

/* What a file is made of. */
struct safetensors_file {
	const struct safetensors_entry *t;
	size_t n;
	const struct safetensors_text *meta;
	size_t nmeta;
	/* Copies n floats to the host from `src`, somewhere in an entry's data; NULL: they are
	 * there. */
	void (*get)(void *ctx, float *dst, const float *src, size_t n);
	void *ctx;
};

/*
 * Writes the file beside `path`, flushes it to the disk and renames it. It takes little memory
 * whatever the size. 0, or -1 with the old file untouched.
 */
int safetensors_write(const char *path, const struct safetensors_file *f, struct err *e) MUST_CHECK;
/* The same discipline for a small text file. */
int safetensors_write_text(const char *path, const void *p, size_t n, struct err *e) MUST_CHECK;

struct safetensors;
/* Opens and checks a file. NULL on failure. */
struct safetensors *safetensors_open(const char *path, struct err *e);
void safetensors_close(struct safetensors *s);
/* Shape of a tensor (data is NULL), or NULL if there is none of that name. */
const struct safetensors_entry *safetensors_find(const struct safetensors *s, const char *name);
/* Floats of all tensors that can be read. */
uint64_t safetensors_floats(const struct safetensors *s);
/* Reads the values of a found tensor into out (its n floats). 0 or -1. */
int safetensors_read(struct safetensors *s, const struct safetensors_entry *t, float *out,
	struct err *e) MUST_CHECK;
/* A text of __metadata__, or NULL. */
const char *safetensors_meta(const struct safetensors *s, const char *key);

#endif
