/*
 * stubs.h: what calls reach through the procedure linkage table and the global offset table.
 */
#ifndef STUBS_H
#define STUBS_H

#include "code/elf.h"

/* Whether the section holds stubs and nothing else. */
bool stubs_section(const struct elf_section *s);
/* Whether the address is in such a section, or in one without a name. */
bool stubs_section_at(const struct elf *f, uint64_t addr);
/* Address of the GOT slot that the stub at addr jumps through; 0 if there is no stub. */
uint64_t stubs_slot(const struct elf *f, uint64_t addr);
/* In a file without section headers: makes sections, named .plt, of what is stubs. */
void stubs_find(struct elf *f);
/* Name of the imported function whose address is put into the slot, or NULL. */
const char *stubs_import(const struct elf *f, uint64_t slot);

#endif
