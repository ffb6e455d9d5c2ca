/*
 * map.h: hash tables from bytes, or from numbers, to numbers.
 *
 * Zero-initialise. Keys and values are kept until map_reset or map_free; iteration order is
 * insertion order, so nothing that is printed from a map depends on the hash function.
 */
#ifndef MAP_H
#define MAP_H

#include "base/arena.h"

struct map_entry {
	const void *key; /* n bytes, then a 0 byte; owned by the map */
	size_t n;
	uint64_t hash;
	uint64_t value;
};

struct map {
	struct map_entry *e; /* count entries in insertion order */
	size_t count, cap;
	uint32_t *slot; /* index into e plus 1, or 0; nslots is a power of two */
	size_t nslots;
	struct arena keys;
};

/* The entry of the key, or NULL. The pointer is good until the next map_put. */
struct map_entry *map_get(const struct map *m, const void *key, size_t n);
/* The entry of the key, made with value 0 if it was not there; *made (may be NULL) says which. */
struct map_entry *map_put(struct map *m, const void *key, size_t n, bool *made);
void map_reset(struct map *m);
void map_free(struct map *m);

/* The same for 64-bit keys, smaller and faster; no order, no iteration. */
struct map64 {
	uint64_t *kv; /* pairs key, value; nslots of them */
	uint8_t *used;
	size_t count, nslots;
};

/* The value's place, or NULL; good until the next map64_put. */
uint64_t *map64_get(const struct map64 *m, uint64_t key);
/* The value's place, made with value 0 if it was not there. */
uint64_t *map64_put(struct map64 *m, uint64_t key, bool *made);
void map64_reset(struct map64 *m);
void map64_free(struct map64 *m);

#endif
