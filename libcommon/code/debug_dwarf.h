/*
 * debug_dwarf.h: reads DWARF (versions 2 to 5), in the file or in a separate one, by libdw.
 *
 * libdw was not made for hostile files: it may crash, loop or take all memory. Call it in a process
 * of its own (cli/child.h).
 */
#ifndef DEBUG_DWARF_H
#define DEBUG_DWARF_H

#include "code/elf.h"

/*
 * Appends to `out` what debug_open takes. If the file has no DWARF of its own, it is looked for in
 * another file (debug_separate.h; path: where f came from; folder NULL: nowhere); if it is not
 * there either, nothing has units and functions.
 * 0, or -1 with the reason when it is damaged.
 */
int debug_dwarf_read(const struct elf *f, const char *path, const char *folder, struct buf *out,
	struct err *e) MUST_CHECK;

#endif
