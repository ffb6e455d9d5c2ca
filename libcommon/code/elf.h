/*
 * elf.h: an ELF file as plain tables: sections in one address space, symbols, relocations, unwind
 * ranges. Everything is checked when the file is read; what is in the tables may be used blindly.
 *
 * Executables and shared objects keep their addresses. The sections of a relocatable file (.o),
 * which have none, are laid out one after another from ELF_OBJECT_BASE in section order, each
 * aligned as it asks, at least to 16 bytes; symbols and relocations follow them.
 */
#ifndef ELF_H
#define ELF_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"
#include "code/insn.h"

enum { ELF_OBJECT_BASE = 0x10000 };

struct elf_section {         /* only those that are in memory when the program runs */
	const char *name;    /* "" if the file has no names */
	uint64_t addr, size; /* bytes */
	const uint8_t *data; /* size bytes, or NULL for .bss */
	uint32_t align;
	bool exec, write, tls;
};

enum elf_type { ELF_NOTYPE, ELF_OBJECT, ELF_FUNC, ELF_IFUNC, ELF_OTHER };
enum elf_bind { ELF_LOCAL, ELF_GLOBAL, ELF_WEAK };

struct elf_symbol {
	const char *name; /* without version; may be "" */
	uint64_t addr, size;
	uint32_t section; /* index into sections, or ELF_NONE: undefined or absolute */
	uint8_t type;     /* enum elf_type */
	uint8_t bind;     /* enum elf_bind */
	bool defined;     /* in this file */
	bool dynamic;     /* from .dynsym: there even in a stripped file */
	bool thumb;       /* code for Thumb: the lowest bit, which is not in addr, said so */
};

enum elf_reloc_kind {
	ELF_R_OTHER,
	ELF_R_ADDR,  /* the symbol's address (or the addend alone) is stored: pointers, GOT slots */
	ELF_R_REL,   /* distance to the symbol: calls, rip-relative operands */
	ELF_R_GOT,   /* distance to a GOT slot of the symbol, or the slot's place in the GOT */
	ELF_R_BASE,  /* distance of the symbol to the GOT */
	ELF_R_PAGE,  /* the upper part of an address, or of that of a GOT slot */
	ELF_R_IFUNC, /* what the resolver at addend returns is stored */
	ELF_R_NONE,  /* none at all */
};

enum { ELF_NONE = 0xffffffff };

struct elf_reloc {
	uint64_t addr;
	int64_t addend;
	uint32_t sym; /* index into symbols, or ELF_NONE */
	uint8_t kind; /* enum elf_reloc_kind */
	uint8_t size; /* bytes it changes */
};

struct elf_frame {           /* one FDE of .eh_frame, or one entry of .ARM.exidx */
	uint64_t addr, size; /* size 0: not known */
	uint64_t reach;      /* no other function starts in these bytes, 0: not known */
	bool part; /* does not start with a return address on top of the stack: not an entry */
};

struct elf_mark { /* where code of an instruction set, or data among code, begins */
	uint64_t addr;
	uint8_t arch; /* enum arch, ARCH_NONE: data */
};

struct elf {
	const uint8_t *p; /* the file, borrowed */
	size_t n;
	enum arch arch;
	uint8_t word;   /* bytes of an address */
	bool big;       /* byte order */
	uint64_t mask;  /* the bits of an address */
	uint64_t got;   /* what code takes addresses in the GOT relative to; 0: none */
	bool object;    /* relocatable file */
	bool movable;   /* position-independent: immediates are never addresses */
	uint64_t entry; /* 0 if there is none */
	struct elf_section *sections; /* ascending by address, none over another */
	size_t nsections;
	struct elf_symbol *symbols; /* in file order, .symtab then .dynsym */
	size_t nsymbols;
	struct elf_reloc *relocs; /* ascending by address */
	size_t nrelocs;
	struct elf_frame *frames; /* ascending by address, none twice */
	size_t nframes;
	uint64_t *roots; /* entry point, init and fini functions, as the file has them: isa_code */
	size_t nroots;
	unsigned room; /* sections that may still be cut out of others: elf_segments_carve */
	struct elf_mark *marks; /* ascending by address, filled by isa_find; none: all is arch */
	size_t nmarks;
	struct arena arena;
};

/*
 * Reads the n bytes at p, which must stay as long as the elf does. NULL, with the reason in e, for
 * what is no ELF file, is cut short or damaged, or is of a machine bb does not know.
 */
struct elf *elf_new(const uint8_t *p, size_t n, struct err *e);
void elf_free(struct elf *f);

/* The section that holds the address, or NULL. */
const struct elf_section *elf_section_at(const struct elf *f, uint64_t addr);
/* The bytes at addr and how many there are to the end of the section; NULL if there are none. */
const uint8_t *elf_bytes(const struct elf *f, uint64_t addr, size_t *n);
/* Index of the first relocation at or after addr. */
size_t elf_reloc_from(const struct elf *f, uint64_t addr);
/* The relocation that starts at addr, or NULL. */
const struct elf_reloc *elf_reloc_at(const struct elf *f, uint64_t addr);
/*
 * Reads an address at addr as it is when the program runs: 0, or -1 when there are no
 * bytes or it is not known before.
 */
int elf_pointer(const struct elf *f, uint64_t addr, uint64_t *value) MUST_CHECK;
/* The unsigned number of `size` bytes (1, 2, 4 or 8) at p, in either byte order. */
uint64_t elf_number_any(bool big, const uint8_t *p, unsigned size);
static inline uint64_t elf_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}
/* The same in the byte order of the file: by far the most are little-endian ones of 4 and 8. */
static inline uint64_t elf_number(const struct elf *f, const uint8_t *p, unsigned size)
{
	if (f->big || (size != 8 && size != 4))
		return elf_number_any(f->big, p, size);
	if (size == 4)
		return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}
/* Address a relocation stands for: symbol + addend; 0 when the symbol is of another file. */
uint64_t elf_reloc_value(const struct elf *f, const struct elf_reloc *r);

/*
 * elf_segments.c: in a file without section headers, makes a section of its own of bytes that are
 * within one. Whether it could.
 */
bool elf_segments_carve(struct elf *f, uint64_t addr, uint64_t n, const char *name, bool exec);

#endif
