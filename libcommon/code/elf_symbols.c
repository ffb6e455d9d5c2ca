/*
 * elf_symbols.c: symbol tables and relocations of an ELF file; see elf.h.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sort.h"
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

static size_t symbol_size(const struct elf_raw *r)
{
	return r->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static void symbol(struct elf_raw *r, const struct elf_raw_section *table,
	const struct elf_raw_section *extended, size_t i, struct elf_symbol *s)
{
	const uint8_t *p = r->p + table->offset + i * symbol_size(r);
	unsigned word = r->is64 ? 8 : 4;
	/* 64: name info other section value size; 32: name value size info other section */
	const uint8_t *value = p + word, *rest = r->is64 ? p + 4 : p + 12;
	uint32_t shndx = (uint32_t)elf_raw_get(r, rest + 2, 2);
	unsigned info = rest[0];

	if (shndx == SHN_XINDEX && extended && (i + 1) * 4 <= extended->size)
		shndx = (uint32_t)elf_raw_get(r, r->p + extended->offset + i * 4, 4);
	else if (shndx >= SHN_LORESERVE)
		shndx = SHN_ABS;
	*s = (struct elf_symbol){.name = elf_raw_string(r, table->link, elf_raw_get(r, p, 4)),
		.addr = elf_raw_get(r, value, word),
		.size = elf_raw_get(r, value + word, word),
		.section = ELF_NONE,
		.type = type_of(info),
		.bind = info >> 4 == STB_LOCAL  ? ELF_LOCAL
			: info >> 4 == STB_WEAK ? ELF_WEAK
						: ELF_GLOBAL};
	s->name = without_version(r->f, s->name);
	if (r->machine == EM_ARM && (s->type == ELF_FUNC || s->type == ELF_IFUNC)) {
		s->thumb = s->addr & 1;
		s->addr -= s->thumb;
	}
	if (r->bare) { /* by the address: the numbers are of headers that are gone */
		const struct elf_section *at = elf_section_at(r->f, s->addr);

		s->defined = at && shndx != SHN_UNDEF && shndx != SHN_ABS;
		if (s->defined)
			s->section = (uint32_t)(at - r->f->sections);
		return;
	}
	if (shndx != SHN_UNDEF && shndx < r->nsections && r->sections[shndx].section != ELF_NONE) {
		s->section = r->sections[shndx].section;
		s->defined = true;
		if (r->f->object)
			s->addr += r->sections[shndx].addr;
	}
}

static size_t count_of(const struct elf_raw *r, size_t table)
{
	return table ? r->sections[table].size / symbol_size(r) : 0;
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
		if (s->entsize != symbol_size(r))
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

static const struct arch_reloc *find_type(const struct elf *f, uint32_t type)
{
	static const struct arch_reloc other = {.kind = ELF_R_OTHER, .size = 4};
	const struct arch_info *a = arch_info(f->arch);

	for (size_t i = 0; i < a->nrelocs; i++) {
		if (a->relocs[i].type == type)
			return &a->relocs[i];
	}
	return &other;
}

static struct elf_reloc *add(struct elf *f, size_t *cap)
{
	f->relocs = mem_grow(f->relocs, cap, f->nrelocs + 1, sizeof(*f->relocs));
	return &f->relocs[f->nrelocs++];
}

static size_t reloc_size(const struct elf_raw *r, bool has_addend)
{
	return (r->is64 ? 8 : 4) * (has_addend ? 3u : 2u);
}

static int64_t sign_extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

/* What a branch or move of ARM has for the place itself, v, or its two halfwords a and b. */
static int64_t addend_of_arm(enum arch_addend where, uint32_t v, uint32_t a, uint32_t b)
{
	uint32_t s = a >> 10 & 1, j1 = b >> 13 & 1, j2 = b >> 11 & 1, low = (b & 0x7ff) << 1;

	switch (where) {
	case ADDEND_ARM_BRANCH: return sign_extend((uint64_t)v << 2, 26) + 8;
	case ADDEND_ARM_MOVE: return (int16_t)((v >> 4 & 0xf000) | (v & 0xfff));
	case ADDEND_THUMB_BRANCH:
		return sign_extend((s << 24 | (j1 ^ s ^ 1) << 23 | (j2 ^ s ^ 1) << 22 |
					   (a & 0x3ff) << 12 | low),
			       25) +
		       4;
	case ADDEND_THUMB_COND:
		return sign_extend(s << 20 | j2 << 19 | j1 << 18 | (a & 63) << 12 | low, 21) + 4;
	case ADDEND_THUMB_SHORT: return sign_extend((a & 0x7ff) << 1, 12) + 4;
	default: return (int16_t)(a << 12 | (a & 0x400) << 1 | (b >> 4 & 0x700) | (b & 0xff));
	}
}

/* The addend of Elf_Rel: what is in the bytes that are relocated. */
static int64_t addend_in_place(
	const struct elf *f, const struct elf_reloc *q, enum arch_addend where)
{
	size_t n;
	const uint8_t *p = elf_bytes(f, q->addr, &n);
	unsigned shift = 64 - 8 * q->size;
	uint64_t v;

	if (!p || n < q->size || !q->size)
		return 0;
	v = elf_number(f, p, q->size);
	if (where >= ADDEND_ARM_BRANCH)
		return addend_of_arm(where, (uint32_t)v, (uint32_t)elf_number(f, p, 2),
			q->size == 4 ? (uint32_t)elf_number(f, p + 2, 2) : 0);
	if (where == ADDEND_LOW16)
		return (int16_t)v;
	if (where == ADDEND_NEAR)
		return (int16_t)v * 4 + 4;
	if (where == ADDEND_JUMP)
		return (int64_t)(v & 0x3ffffff) << 2;
	return (int64_t)(v << shift) >> shift;
}

/* One table of Elf_Rela or Elf_Rel. `base` is added to the offsets; symbols start at first, are n.
 */
static void reloc_table(struct elf_raw *r, const struct elf_raw_section *s, uint64_t base,
	size_t first, size_t n, size_t *cap)
{
	bool has_addend = s->type == SHT_RELA;
	unsigned word = r->is64 ? 8 : 4;
	size_t size = reloc_size(r, has_addend);

	r->f->relocs =
		mem_grow(r->f->relocs, cap, r->f->nrelocs + s->size / size, sizeof(*r->f->relocs));
	for (uint64_t at = 0; s->size - at >= size; at += size) {
		const uint8_t *p = r->p + s->offset + at;
		uint64_t info = elf_raw_get(r, p + word, word);
		uint64_t sym = r->is64 ? info >> 32 : info >> 8;
		const struct arch_reloc *t =
			find_type(r->f, r->is64 ? (uint32_t)info : (uint32_t)(info & 255));
		struct elf_reloc *q;

		if (t->kind == ELF_R_NONE)
			continue;
		q = add(r->f, cap);
		*q = (struct elf_reloc){.addr = base + elf_raw_get(r, p, word),
			.sym = sym && sym < n ? (uint32_t)(first + sym) : ELF_NONE,
			.kind = t->kind,
			.size = t->size};
		if (t->addend != ADDEND_NONE)
			q->addend = has_addend ? (int64_t)elf_raw_get(r, p + 2 * word, word)
					       : addend_in_place(r->f, q, t->addend);
	}
}

/* DT_RELR: an address, then bitmaps of the 63 (31) words that follow. */
static void relr_table(struct elf_raw *r, const struct elf_raw_section *s, size_t *cap)
{
	struct elf *f = r->f;
	unsigned word = r->is64 ? 8 : 4;
	uint64_t where = 0;

	for (uint64_t at = 0; s->size - at >= word; at += word) {
		uint64_t w = elf_raw_get(r, r->p + s->offset + at, word);
		unsigned count = w & 1 ? 8 * word - 1 : 1;

		if (!(w & 1))
			where = w;
		for (unsigned i = 0; i < count; i++, where += word) {
			size_t left;
			const uint8_t *p;

			if ((w & 1) && !(w >> (i + 1) & 1))
				continue;
			p = elf_bytes(f, where, &left);
			if (!p || left < word)
				continue;
			*add(f, cap) = (struct elf_reloc){.addr = where,
				.addend = (int64_t)elf_raw_get(r, p, word),
				.sym = ELF_NONE,
				.kind = ELF_R_ADDR,
				.size = (uint8_t)word};
			if (f->nrelocs > r->n) /* more than there are words: hostile */
				return;
		}
	}
}

/*
 * MIPS has no relocations for its GOT: behind LOCAL_GOTNO entries that are addresses of this file
 * come those of the dynamic symbols from GOTSYM on (System V ABI, MIPS supplement, chapter 5).
 */
static void mips_got(struct elf_raw *r, const struct elf_raw_section *dynamic, size_t *cap)
{
	struct elf *f = r->f;
	uint64_t got = 0, local = 0, first = 0, n = f->nsymbols - r->dynsym_base;

	for (uint64_t at = 0; dynamic->size - at >= 8; at += 8) {
		const uint8_t *p = r->p + dynamic->offset + at;
		uint64_t v = elf_raw_get(r, p + 4, 4);

		switch (elf_raw_get(r, p, 4)) {
		case DT_PLTGOT: got = v; break;
		case DT_MIPS_LOCAL_GOTNO: local = v; break;
		case DT_MIPS_GOTSYM: first = v; break;
		default: break;
		}
	}
	for (uint64_t i = first; got && first && i < n; i++) {
		uint64_t at = got + 4 * (local + i - first);

		if (!elf_section_at(f, at))
			return;
		*add(f, cap) = (struct elf_reloc){.addr = at,
			.sym = (uint32_t)(r->dynsym_base + i),
			.kind = ELF_R_ADDR,
			.size = 4};
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

	for (size_t i = 0; i < r->nsections; i++) {
		const struct elf_raw_section *s = &r->sections[i];
		size_t first = 0, n = 0;
		uint64_t base = 0;

		if (s->type == SHT_DYNAMIC && r->machine == EM_MIPS)
			mips_got(r, s, &cap);
		if (s->type == SHT_RELR && (s->flags & SHF_ALLOC))
			relr_table(r, s, &cap);
		if (s->type != SHT_RELA && s->type != SHT_REL)
			continue;
		if (s->entsize != reloc_size(r, s->type == SHT_RELA))
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
		reloc_table(r, s, base, first, n, &cap);
	}
	sort_items(f->relocs, f->nrelocs, sizeof(*f->relocs), offsetof(struct elf_reloc, addr),
		by_address);
	return 0;
}
