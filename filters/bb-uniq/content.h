/*
 * content.h: what makes two records duplicates.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include "base/hash.h"
#include "stream/field.h"

enum content_by {
	CONTENT_ALL,    /* what the record says of the code, not where the code was found */
	CONTENT_CODE,   /* of that the code alone */
	CONTENT_EXPRS,  /* of that the expressions alone */
	CONTENT_RECORD, /* every byte of the record */
};

/* "content", "code", "exprs", "record": 0, or -1 when it is none of these. */
int content_find(const char *name, enum content_by *by) MUST_CHECK;
/* Whether records of the kind have what `by` compares. */
bool content_has(const struct kind *k, enum content_by by);
/*
 * The digest of that part of a record whose bytes are the n at raw. False when this record has
 * nothing to compare (no expressions); it is then no duplicate of anything. `key` is scratch.
 */
bool content_digest(const struct kind *k, const void *rec, const uint8_t *raw, size_t n,
	enum content_by by, struct buf *key, uint8_t digest[HASH_BYTES]);

#endif
