/*
 * archive.h: the members of an archive of object files (.a), in both the GNU and the BSD form; or
 * their names, where it is GNU's thin form: its members are files of their own.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "base/map.h"

struct archive {
	const uint8_t *p; /* the file, borrowed */
	size_t n;
	bool thin;         /* all members are outside */
	size_t at;         /* of the next member's header */
	const char *names; /* GNU's table of long names */
	size_t nnames;
	struct arena *arena; /* for names */
};

struct archive_member {
	const char *name; /* in the arena; of a thin archive a path that starts at its folder */
	const uint8_t *p; /* NULL: outside */
	size_t n;
	bool nested; /* outside, within the archive of that name */
	bool cut;    /* the name was longer */
};

bool archive_is(const uint8_t *p, size_t n);
/* Starts before the first member. */
struct archive archive_open(const uint8_t *p, size_t n, struct arena *a);
/*
 * The next member that is a file (not a symbol table): 1, 0 at the end, -1 with the reason when the
 * rest cannot be read.
 */
int archive_next(struct archive *a, struct archive_member *m, struct err *e) MUST_CHECK;
/* Puts the names that members define, as GNU's index tells them, into `names`. */
void archive_defines(const uint8_t *p, size_t n, struct map *names);

#endif
