/*
 * debug.h: what debugging information says of code: compilation units, functions, source lines,
 * what was inlined where. Truth for experiments: nothing of it is used to find or decode code.
 *
 * Reading DWARF (debug_dwarf.h) and asking for it are apart: the reader makes a block of bytes,
 * debug_open checks them and looks them up. So hostile files can be read in a process of their own.
 * Texts are offsets into one heap; 0 is the empty text.
 */
#ifndef DEBUG_H
#define DEBUG_H

#include "base/buf.h"

struct debug_function { /* one range of code of a function; it may have several */
	uint64_t addr, end;
	uint32_t name, file; /* linkage name; where it is declared */
	uint32_t line;
	uint32_t unit;
};

struct debug_row { /* code from here to the next row; line 0: nothing is known of it */
	uint64_t addr;
	uint32_t file, line;
};

struct debug_inline { /* one range of a function that was inlined; ranges nest */
	uint64_t addr, end;
	uint32_t name, depth;
};

struct debug_unit {
	uint32_t name, language, producer; /* DW_AT_name, C11 and the like, DW_AT_producer */
};

struct debug {
	struct buf bytes;                       /* owned; all below is in it */
	const struct debug_function *functions; /* ascending by address */
	size_t nfunctions;
	const struct debug_row *rows; /* ascending by address; of equal ones the last counts */
	size_t nrows;
	const struct debug_inline *inlines; /* ascending by address, the outer one first */
	size_t ninlines;
	const struct debug_unit *units;
	size_t nunits;
	const char *text;
};

/* Counts of the arrays above, in this order, then bytes of text: the head of the bytes. */
struct debug_head {
	uint64_t functions, rows, inlines, units, text;
};

/* Takes the bytes that debug_dwarf_read made, and trusts none of them. 0, or -1 when damaged. */
int debug_open(struct debug *d, struct buf *bytes) MUST_CHECK;
void debug_free(struct debug *d);

/* The function whose code is at the address, or NULL. */
const struct debug_function *debug_function_at(const struct debug *d, uint64_t addr);
/* The row for the code from addr to end: the first one that knows a line; NULL if none does. */
const struct debug_row *debug_row_at(const struct debug *d, uint64_t addr, uint64_t end);
/* The first inlined range that starts at or after addr: an index up to ninlines. */
size_t debug_inline_from(const struct debug *d, uint64_t addr);

#endif
