/*
 * seen.h: which digests were seen before, in bounded memory.
 *
 * There are two tables. New digests go into the young one; when it is full and may not grow, the
 * old one is forgotten, the young one becomes the old and an empty one the young. A digest found in
 * the old table is put into the young one again. So what was seen among the last seen_window()
 * different digests is always known, and what is forgotten depends on the digests and their order
 * alone.
 */
#ifndef SEEN_H
#define SEEN_H

#include "base/hash.h"

struct seen;

/* Takes at most `memory` bytes, at least 64 KiB; takes little while it holds little. */
struct seen *seen_new(size_t memory);
void seen_free(struct seen *s);
/* Remembers the digest. Whether it is new, or so old that it was forgotten. */
bool seen_add(struct seen *s, const uint8_t digest[HASH_BYTES]);
/* How many different digests are remembered at least. */
size_t seen_window(const struct seen *s);
/* How many digests were forgotten so far. */
uint64_t seen_forgotten(const struct seen *s);

#endif
