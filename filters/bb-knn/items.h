/*
 * items.h: records to be searched, or searched for: the numbers to compare and who they are.
 *
 * The record kinds that bb-knn reads become the same items: embedding a vector, tokens the set of
 * its tokens, sequence the set of its expressions' hashes. Texts are kept once, so a corpus takes
 * its vectors or sets and about 200 bytes for each item.
 */
#ifndef ITEMS_H
#define ITEMS_H

#include "ann/ann.h"
#include "formats/origin.h"

/* What all kinds say of a record; pointers into the record. */
struct view {
	const char *unit;
	const struct origin *origin;
	const struct labels *labels;
	const char *group;
	uint64_t insns;
};

enum { ITEMS_NONE = ANN_NOBODY }; /* no group, no owner */

struct item {
	const char *unit;
	struct origin origin;
	const struct labels *labels;
	const char *group;
	uint32_t group_number; /* of its group, by first appearance; ITEMS_NONE without one */
	uint64_t id;           /* items_id */
};

struct items {
	struct ann index; /* measure, and like, set by the owner */
	struct item *item;
	uint32_t *owner; /* of each item: a number for its id, by first appearance */
	size_t n, item_cap, owner_cap;
	uint32_t *group_size; /* items in each group */
	size_t group_cap;
	struct map groups; /* group -> its number */

	/* Nearly every id has one item; what has more is counted apart. */
	struct map64 ids; /* id -> owner */
	uint32_t *first;  /* first item of each owner */
	size_t first_cap;
	struct map64 more;    /* owner -> further items */
	struct map64 more_of; /* owner << 32 | group number -> further items in that group */

	struct map texts;      /* file, name, unit, binary id */
	struct map label_sets; /* "key 0 value 0 ..." -> struct labels * */
	struct arena arena;
	struct buf key, set; /* scratch */
	uint64_t vocab;      /* that the tokens are from */
};

struct view items_view(const struct kind *k, const void *rec);
/*
 * A hash of who the record is: binary, function, unit and name. Records that agree in these are
 * the same unit and are never matched with each other.
 */
uint64_t items_id(struct items *s, const struct view *v);

/* Adds a record of the kind. 0, or -1 when it cannot be compared with the others. */
int items_add(struct items *s, const struct kind *k, const void *rec, struct err *e) MUST_CHECK;
/* Forgets all items; keeps the memory. */
void items_reset(struct items *s);
void items_free(struct items *s);

/* How an item of another set relates to these. */
struct relation {
	uint32_t owner;    /* number of its id here, or ITEMS_NONE */
	uint32_t group;    /* number of its group here, or ITEMS_NONE */
	uint64_t pool;     /* items that are not the same unit */
	uint64_t relevant; /* of these, how many are of its group */
};

struct relation items_relate(const struct items *s, const struct item *to);

#endif
