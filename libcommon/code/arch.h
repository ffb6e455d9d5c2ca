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
	ARCH_MIPS,   /* big-endian, 32 bits */
	ARCH_MIPSEL, /* little-endian */
	ARCH_ARM,    /* A32, and */
	ARCH_THUMB,  /* T32, in the same files */
	ARCH_ARMEB,  /* the same with big-endian code */
	ARCH_THUMBEB,
	ARCH_COUNT,
};

/* A relocation type of the psABI, as elf.h sees it. */
/* Where a relocation without an addend of its own has it. */
enum arch_addend {
	ADDEND_PLACE, /* in the bytes it changes */
	ADDEND_NONE,  /* nowhere: 0, whatever the relocation says */
	ADDEND_LOW16, /* in their lower 16 bits, signed */
	ADDEND_JUMP,  /* in their lower 26 bits, in words */
	/* with the distance from the instruction to its delay slot */
	ADDEND_NEAR, /* in their lower 16 bits, in words */
	/* ARM: with the distance from the instruction to its program counter, for branches */
	ADDEND_ARM_BRANCH,   /* in their lower 24 bits, in words */
	ADDEND_ARM_MOVE,     /* 16 bits of movw, signed */
	ADDEND_THUMB_BRANCH, /* bl, b.w */
	ADDEND_THUMB_COND,   /* b<c>.w */
	ADDEND_THUMB_SHORT,  /* b.n: lower 11 bits, in halfwords; b<c>.n is taken for it */
	ADDEND_THUMB_MOVE,
};

struct arch_reloc {
	uint32_t type;  /* R_* */
	uint8_t kind;   /* enum elf_reloc_kind */
	uint8_t size;   /* bytes it changes */
	uint8_t addend; /* enum arch_addend */
};

struct arch_info {
	const char *name;  /* in records */
	uint16_t machine;  /* EM_* of its files, */
	bool is64, is_big; /* their class and byte order */
	uint8_t word;      /* bytes of an address */
	uint8_t entry_cfa; /* bytes from the stack pointer to the CFA where functions start */
	uint16_t got_bias; /* from the start of .got to what its register holds */
	uint8_t other;     /* enum arch of code with the other instruction set in the same file */
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
