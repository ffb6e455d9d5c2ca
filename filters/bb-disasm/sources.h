/*
 * sources.h: what debugging information says of one function, as the columns of its record. Made
 * again and again in the same memory, one for each thread.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include "base/map.h"
#include "code/body.h"
#include "code/debug.h"
#include "formats/source.h"

struct sources {
	const char **files, **inlined;
	uint32_t *bfile, *bline, *binline;
	size_t cap_files, cap_inlined, cap_bfile, cap_bline, cap_binline;
	size_t nfiles, ninlined;
	struct map64 file_index, inline_index; /* places of text to numbers from 1 on */
	const struct debug_inline **stack;     /* what a block is in, the innermost on top */
	size_t cap_stack;
};

/*
 * What is known of the function that was taken apart into b: empty columns and texts if it is
 * nothing. Texts are put into the arena, or are the debug's. Returns the compilation unit, or NULL.
 */
const struct debug_unit *sources_make(struct sources *m, struct source *s, const struct debug *d,
	const struct func *f, const struct body *b, struct arena *a);
void sources_free(struct sources *m);

#endif
