/*
 * elf_raw.h: bytes of an ELF file in either class and byte order, read with bounds. Private to
 * elf*.c.
 */
#ifndef ELF_RAW_H
#define ELF_RAW_H

#include "code/elf.h"

struct elf_raw_section {
	uint32_t name, type, link, info;
	uint64_t flags, addr, offset, size, align, entsize;
	uint32_t section; /* index into elf.sections, or ELF_NONE */
};

struct elf_raw {
	struct elf *f;
	const uint8_t *p;
	size_t n;
	bool is64;
	bool bare; /* the file has no section headers */
	uint16_t type, machine;
	struct elf_raw_section *sections; /* the whole header table */
	size_t nsections;
	uint32_t names; /* section that holds the section names, or ELF_NONE */
	uint64_t text;  /* bytes of names that may still be read: hostile tables share a long one */
	size_t symtab, dynsym;           /* sections, or 0 */
	size_t symtab_base, dynsym_base; /* index of their first symbol in elf.symbols */
};

/* The unsigned number of 1, 2, 4 or 8 bytes at p. */
static inline uint64_t elf_raw_get(const struct elf_raw *r, const uint8_t *p, unsigned size)
{
	return elf_number(r->f, p, size);
}
/* Whether the n bytes at offset are in the file. */
static inline bool elf_raw_has(const struct elf_raw *r, uint64_t offset, uint64_t n)
{
	return offset <= r->n && n <= r->n - offset;
}
/* Name of a section; "" if there is none. */
const char *elf_raw_name(struct elf_raw *r, const struct elf_raw_section *s);
/* The text at `at` of string table number `table`; "" if it does not end there. */
const char *elf_raw_string(struct elf_raw *r, size_t table, uint64_t at);

/* Sorts f->sections and drops those that begin inside another. */
void elf_raw_settle(struct elf *f);

/*
 * elf_segments.c: fills f->sections and, as far as it can tell, r->sections of a file that has
 * none, from its n program headers of `size` bytes.
 */
int elf_segments_read(
	struct elf_raw *r, uint64_t phoff, size_t n, size_t size, struct err *e) MUST_CHECK;
/* elf_symbols.c: fills f->symbols, f->relocs. */
int elf_symbols_read(struct elf_raw *r, struct err *e) MUST_CHECK;
int elf_symbols_relocs(struct elf_raw *r, struct err *e) MUST_CHECK;
/* elf_frames.c: fills f->frames from the sections that look like .eh_frame. */
void elf_frames_read(struct elf_raw *r);

#endif
