/*
 * walk.h: a stream read by one thread, record by record, without losing sight of its members.
 *
 * stream_read gives records only. A filter that remembers (and so cannot be a filter_map) also has
 * to begin and end a member of its output where one of the input begins and ends:
 *
 *	while ((got = walk_next(w)) > 0)
 *		switch (walk_type(w)) { case STREAM_HEADER: ... case STREAM_RECORDS: ... }
 */
#ifndef WALK_H
#define WALK_H

#include "stream/stream.h"

struct walk;

/* Walks over what the reader reads; the reader stays the caller's. */
struct walk *walk_new(struct stream_reader *in);
void walk_free(struct walk *w);
/* The next header, record or trailer: 1, 0 at the end of all files, -1 (ask walk_error). */
int walk_next(struct walk *w) MUST_CHECK;
/* "file: what: why" of the last -1. */
const char *walk_error(const struct walk *w);

/* What walk_next found, good until it is called again. STREAM_RECORDS means: one record. */
enum stream_type walk_type(const struct walk *w);
const struct stream_header *walk_header(const struct walk *w);   /* of a STREAM_HEADER */
const struct stream_trailer *walk_trailer(const struct walk *w); /* of a STREAM_TRAILER */
const void *walk_record(const struct walk *w, const struct kind **kind);
/* The bytes of the record. */
void walk_raw(const struct walk *w, const uint8_t **p, size_t *n);
/* Name of the file being read, and the record's number in its member, from 1: for messages. */
const char *walk_file(const struct walk *w);
uint64_t walk_number(const struct walk *w);

#endif
