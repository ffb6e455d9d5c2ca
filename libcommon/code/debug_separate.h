/*
 * debug_separate.h: debugging information that was put into a file of its own, found as GDB finds
 * it (GDB's manual, section 18.3): by build id, then by the name and checksum in .gnu_debuglink.
 * As for debug_dwarf.h: in a process of its own.
 */
#ifndef DEBUG_SEPARATE_H
#define DEBUG_SEPARATE_H

#include <libelf.h>

#include "base/base.h"

/*
 * The file that belongs to e and passes `fits`, or NULL. It is looked for in folder/.build-id; then
 * beside `path`, where e came from, in .debug beside it, and in the same place below folder. Close
 * *fd after elf_end.
 */
Elf *debug_separate_open(
	Elf *e, const char *path, const char *folder, bool (*fits)(Elf *), int *fd);

#endif
