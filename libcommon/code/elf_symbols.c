/*
 * elf_symbols.c: symbol tables and relocations of an ELF file; see elf.h.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "code/elf_raw.h"

/* The table that gives symbols their section where 16 bits do not do, or NULL. */
static const struct elf_raw_section *extended_indices(const struct elf_raw *r, size_t table)
{
	for (size_t i = 0; i < r->nsections; i++) {
		if (r->sections[i].type == SHT_SYMTAB_SHNDX && r->sections[i].link == table)
			return &r->sections[i];
	}
	return NULL;
}

/* Names in .symtab may carry a version: memcpy@GLIBC_2.2.5. */
static const char *without_version(struct elf *f, const char *name)
{
	const char *at = strchr(name, '@');

	return at && at != name ? arena_str(&f->arena, name, (size_t)(at - name)) : name;
}

static uint8_t type_of(unsigned info)
{
	switch (info & 15) {
	case STT_NOTYPE: return ELF_NOTYPE;
	case STT_OBJECT:
	case STT_COMMON: return ELF_OBJECT;
	case STT_FUNC: return ELF_FUNC;
	case STT_GNU_IFUNC: return ELF_IFUNC;
	default: return ELF_OTHER; /* section, file, TLS */
	}
}

static void symbol(const struct elf_raw *r, const struct elf_raw_section *table,
	const struct elf_raw_section *extended, size_t i, struct elf_symbol *s)
{
	const uint8_t *p = r->p + table->offset + i * sizeof(Elf64_Sym);
	uint64_t name = elf_raw_get(r, p, 4), value = elf_raw_get(r, p + 8, 8);
	uint32_t shndx = (uint32_t)elf_raw_get(r, p + 6, 2);
	unsigned info = p[4];

	if (shndx == SHN_XINDEX && extended && (i + 1) * 4 <= extended->size)
		shndx = (uint32_t)elf_raw_get(r, r->p + extended->offset + i * 4, 4);
	else if (shndx >= SHN_LORESERVE)
		shndx = SHN_ABS;
	*s = (struct elf_symbol){.name = elf_raw_string(r, table->link, name),
		.addr = value,
		.size = elf_raw_get(r, p + 16, 8),
		.section = ELF_NONE,
		.type = type_of(info),
		.bind = info >> 4 == STB_LOCAL  ? ELF_LOCAL
			: info >> 4 == STB_WEAK ? ELF_WEAK
						: ELF_GLOBAL};
	s->name = without_version(r->f, s->name);
	if (shndx != SHN_UNDEF && shndx < r->nsections && r->sections[shndx].section != ELF_NONE) {
		s->section = r->sections[shndx].section;
		s->defined = true;
		if (r->f->object)
			s->addr += r->sections[shndx].addr;
	}
}

static size_t count_of(const struct elf_raw *r, size_t table)
{
	return table ? r->sections[table].size / sizeof(Elf64_Sym) : 0;
}

static void symbol_table(struct elf_raw *r, size_t table, bool dynamic)
{
	const struct elf_raw_section *x = extended_indices(r, table);
	struct elf *f = r->f;

	for (size_t i = 0; i < count_of(r, table); i++) {
		struct elf_symbol *s = &f->symbols[f->nsymbols++];

		symbol(r, &r->sections[table], x, i, s);
		s->dynamic = dynamic;
	}
}

int elf_symbols_read(struct elf_raw *r, struct err *e)
{
	struct elf *f = r->f;

	for (size_t i = 1; i < r->nsections; i++) {
		const struct elf_raw_section *s = &r->sections[i];

		if (s->type != SHT_SYMTAB && s->type != SHT_DYNSYM)
			continue;
		if (s->entsize != sizeof(Elf64_Sym))
			return err_set(e,
				"has a damaged symbol table: entries of %" PRIu64 " bytes",
				s->entsize);
		if (s->type == SHT_SYMTAB && !r->symtab)
			r->symtab = i;
		if (s->type == SHT_DYNSYM && !r->dynsym)
			r->dynsym = i;
	}
	f->symbols = arena_get(
		&f->arena, count_of(r, r->symtab) + count_of(r, r->dynsym), sizeof(*f->symbols));
	if (r->symtab)
		symbol_table(r, r->symtab, false);
	r->dynsym_base = f->nsymbols;
	if (r->dynsym)
		symbol_table(r, r->dynsym, true);
	return 0;
}

/* ---- relocations ---- */

static void set_kind(struct elf_reloc *r, uint32_t type)
{
	static const struct {
		uint8_t type, kind, size;
	} kinds[] = {
		{R_X86_64_64, ELF_R_ADDR, 8},
		{R_X86_64_PC32, ELF_R_REL, 4},
		{R_X86_64_PLT32, ELF_R_REL, 4},
		{R_X86_64_GLOB_DAT, ELF_R_ADDR, 8},
		{R_X86_64_JUMP_SLOT, ELF_R_ADDR, 8},
		{R_X86_64_RELATIVE, ELF_R_ADDR, 8},
		{R_X86_64_GOTPCREL, ELF_R_GOT, 4},
		{R_X86_64_32, ELF_R_ADDR, 4},
		{R_X86_64_32S, ELF_R_ADDR, 4},
		{R_X86_64_PC64, ELF_R_REL, 8},
		{R_X86_64_IRELATIVE, ELF_R_IFUNC, 8},
		{R_X86_64_GOTPCRELX, ELF_R_GOT, 4},
		{R_X86_64_REX_GOTPCRELX, ELF_R_GOT, 4},
	};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (kinds[i].type == type) {
			r->kind = kinds[i].kind;
			r->size = kinds[i].size;
			return;
		}
	}
	r->kind = ELF_R_OTHER;
	r->size = 4;
}

static struct elf_reloc *add(struct elf *f, size_t *cap)
{
	f->relocs = mem_grow(f->relocs, cap, f->nrelocs + 1, sizeof(*f->relocs));
	return &f->relocs[f->nrelocs++];
}

/* One table of Elf64_Rela. `base` is added to the offsets; symbols start at first, are n. */
static void rela_table(struct elf_raw *r, const struct elf_raw_section *s, uint64_t base,
	size_t first, size_t n, size_t *cap)
{
	for (uint64_t at = 0; s->size - at >= sizeof(Elf64_Rela); at += sizeof(Elf64_Rela)) {
		const uint8_t *p = r->p + s->offset + at;
		uint64_t info = elf_raw_get(r, p + 8, 8), sym = info >> 32;
		uint32_t type = (uint32_t)info;
		struct elf_reloc *q;

		if (type == R_X86_64_NONE)
			continue;
		q = add(r->f, cap);
		*q = (struct elf_reloc){.addr = base + elf_raw_get(r, p, 8),
			.addend = (int64_t)elf_raw_get(r, p + 16, 8),
			.sym = sym && sym < n ? (uint32_t)(first + sym) : ELF_NONE};
		set_kind(q, type);
		if (type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT)
			q->addend = 0;
	}
}

/* DT_RELR: an address, then bitmaps of the 63 words that follow. */
static void relr_table(struct elf_raw *r, const struct elf_raw_section *s, size_t *cap)
{
	struct elf *f = r->f;
	uint64_t where = 0;

	for (uint64_t at = 0; s->size - at >= 8; at += 8) {
		uint64_t w = elf_raw_get(r, r->p + s->offset + at, 8);
		unsigned count = w & 1 ? 63 : 1;

		if (!(w & 1))
			where = w;
		for (unsigned i = 0; i < count; i++, where += 8) {
			size_t left;
			const uint8_t *p;

			if ((w & 1) && !(w >> (i + 1) & 1))
				continue;
			p = elf_bytes(f, where, &left);
			if (!p || left < 8)
				continue;
			*add(f, cap) = (struct elf_reloc){.addr = where,
				.addend = (int64_t)elf_raw_get(r, p, 8),
				.sym = ELF_NONE,
				.kind = ELF_R_ADDR,
				.size = 8};
			if (f->nrelocs > r->n) /* more than there are words: hostile */
				return;
		}
	}
}

static int by_address(const void *a, const void *b)
{
	const struct elf_reloc *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind > y->kind ? -1 : 1; /* ELF_R_OTHER last */
	if (x->sym != y->sym)
		return x->sym < y->sym ? -1 : 1;
	return x->addend < y->addend ? -1 : x->addend > y->addend;
}

int elf_symbols_relocs(struct elf_raw *r, struct err *e)
{
	struct elf *f = r->f;
	size_t cap = 0;
	bool sorted = true;

	for (size_t i = 0; i < r->nsections; i++) {
		const struct elf_raw_section *s = &r->sections[i];
		size_t first = 0, n = 0;
		uint64_t base = 0;

		if (s->type == SHT_RELR && (s->flags & SHF_ALLOC))
			relr_table(r, s, &cap);
		if (s->type != SHT_RELA)
			continue;
		if (s->entsize != sizeof(Elf64_Rela))
			return err_set(e,
				"has a damaged relocation table: entries of %" PRIu64 " bytes",
				s->entsize);
		if (f->object) {
			if (s->info >= r->nsections || r->sections[s->info].section == ELF_NONE)
				continue;
			base = r->sections[s->info].addr;
		} else if (!(s->flags & SHF_ALLOC)) {
			continue; /* left by --emit-relocs */
		}
		if (s->link && s->link == r->symtab)
			n = r->dynsym_base;
		else if (s->link && s->link == r->dynsym)
			first = r->dynsym_base, n = f->nsymbols - first;
		rela_table(r, s, base, first, n, &cap);
	}
	for (size_t i = 1; i < f->nrelocs && sorted; i++)
		sorted = by_address(&f->relocs[i - 1], &f->relocs[i]) <= 0;
	if (!sorted)
		qsort(f->relocs, f->nrelocs, sizeof(*f->relocs), by_address);
	return 0;
}
