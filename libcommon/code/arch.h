/*
 * arch.h: the processors bb knows. What is different between them stands in one table, a row each;
 * code that depends on a processor asks the row and never names one.
 */
#ifndef ARCH_H
#define ARCH_H

#include "base/base.h"

enum arch {
	ARCH_NONE,
	ARCH_X86_64,
	ARCH_I386,
	ARCH_AARCH64,
	ARCH_COUNT,
};

/* A relocation type of the psABI, as elf.h sees it. */
struct arch_reloc {
	uint32_t type; /* R_* */
	uint8_t kind;  /* enum elf_reloc_kind */
	uint8_t size;  /* bytes it changes */
	bool whole;    /* stores the symbol's address whatever was there: GOT slots */
};

struct arch_info {
	const char *name;  /* in records */
	uint16_t machine;  /* EM_* of its files, */
	bool is64, is_big; /* their class and byte order */
	uint8_t word;      /* bytes of an address */
	uint8_t entry_cfa; /* bytes from the stack pointer to the CFA where functions start */
	const struct arch_reloc *relocs;
	size_t nrelocs;
};

/* The row of a known architecture. */
const struct arch_info *arch_info(enum arch a);
/* "x86-64", the name used in records; NULL for a number that is no architecture. */
const char *arch_name(enum arch a);
/* ARCH_NONE for a name nobody knows. */
enum arch arch_find(const char *name);
/* The architecture of ELF files with this machine, class and byte order, or ARCH_NONE. */
enum arch arch_of_elf(uint16_t machine, bool is64, bool is_big);

#endif
