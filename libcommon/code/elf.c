/*
 * elf.c: headers and sections of an ELF file (System V gABI, chapter 4).
 *
 * Read by hand rather than by libelf: a few hundred lines in which every offset is compared with
 * the size of the file before it is used, and one address space for all kinds of files.
 */
#include "code/elf.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/sort.h"
#include "code/elf_raw.h"

enum { TEXT_LEAST = 1 << 20, TEXT_MOST = 8 }; /* bytes of names in all, for each byte of the file */

uint64_t elf_number_any(bool big, const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * (big ? size - 1 - i : i);
	return v;
}

/* Reads one number and moves on. */
static uint64_t take(const struct elf_raw *r, const uint8_t **p, unsigned size)
{
	uint64_t v = elf_raw_get(r, *p, size);

	*p += size;
	return v;
}

const char *elf_raw_string(struct elf_raw *r, size_t table, uint64_t at)
{
	const struct elf_raw_section *s = &r->sections[table];
	const char *text, *end;
	size_t most;

	if (table >= r->nsections || s->type != SHT_STRTAB || at >= s->size)
		return "";
	text = (const char *)r->p + s->offset + at;
	most = (size_t)MIN(s->size - at, r->text);
	end = memchr(text, 0, most);
	r->text -= end ? (size_t)(end - text) : most;
	return end ? text : "";
}

const char *elf_raw_name(struct elf_raw *r, const struct elf_raw_section *s)
{
	return r->names == ELF_NONE ? "" : elf_raw_string(r, r->names, s->name);
}

/* ---- the file header ---- */

static const char *machine_name(uint16_t m)
{
	static const struct {
		uint16_t number;
		const char *name;
	} names[] = {{EM_X86_64, "x86-64"}, {EM_386, "i386"}, {EM_ARM, "ARM"},
		{EM_AARCH64, "AArch64"}, {EM_MIPS, "MIPS"}, {EM_PPC, "PowerPC"},
		{EM_PPC64, "PowerPC64"}, {EM_S390, "S/390"}, {EM_SPARC, "SPARC"},
		{EM_SPARCV9, "SPARC64"}, {EM_RISCV, "RISC-V"}, {EM_SH, "SuperH"},
		{EM_IA_64, "IA-64"}, {EM_68K, "m68k"}, {EM_LOONGARCH, "LoongArch"}, {EM_BPF, "BPF"},
		{EM_AVR, "AVR"}, {EM_XTENSA, "Xtensa"}, {EM_ALPHA, "Alpha"}};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (names[i].number == m)
			return names[i].name;
	}
	return NULL;
}

static int wrong_machine(const struct elf_raw *r, struct err *e)
{
	const char *name = machine_name(r->machine);
	char number[32];

	snprintf(number, sizeof(number), "machine number %u", r->machine);
	return err_set(e,
		"is for %s with %u-bit addresses and %s-endian data, which bb does not read",
		name ? name : number, r->is64 ? 64 : 32, r->f->big ? "big" : "little");
}

struct file_header {
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t phentsize, phnum, shentsize, shnum, shstrndx;
};

static int file_header(struct elf_raw *r, struct file_header *h, struct err *e)
{
	const uint8_t *p;
	unsigned word;

	if (r->n == 0)
		return err_set(e, "is empty");
	if (r->n >= 4 && !memcmp(r->p, "\x28\xb5\x2f\xfd", 4))
		return err_set(e, "is not an ELF file but zstd, as a bb stream is");
	if (r->n < 4 || memcmp(r->p, ELFMAG, 4))
		return err_set(e, "is not an ELF file");
	if (r->n < EI_NIDENT)
		return err_set(e, "is cut short: no ELF header");
	p = r->p + EI_NIDENT;
	if ((r->p[EI_CLASS] != ELFCLASS32 && r->p[EI_CLASS] != ELFCLASS64) ||
		(r->p[EI_DATA] != ELFDATA2LSB && r->p[EI_DATA] != ELFDATA2MSB))
		return err_set(e, "has a damaged ELF header: class %u, data %u", r->p[EI_CLASS],
			r->p[EI_DATA]);
	r->is64 = r->p[EI_CLASS] == ELFCLASS64;
	r->f->big = r->p[EI_DATA] == ELFDATA2MSB;
	if (r->n < (r->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return err_set(e, "is cut short: no ELF header");
	word = r->is64 ? 8 : 4;
	r->type = (uint16_t)take(r, &p, 2);
	r->machine = (uint16_t)take(r, &p, 2);
	p += 4; /* version */
	h->entry = take(r, &p, word);
	h->phoff = take(r, &p, word);
	h->shoff = take(r, &p, word);
	h->flags = (uint32_t)take(r, &p, 4);
	p += 2; /* size of this header */
	h->phentsize = (uint16_t)take(r, &p, 2);
	h->phnum = (uint16_t)take(r, &p, 2);
	h->shentsize = (uint16_t)take(r, &p, 2);
	h->shnum = (uint16_t)take(r, &p, 2);
	h->shstrndx = (uint16_t)take(r, &p, 2);
	r->f->arch = arch_of_elf(r->machine, r->is64, r->f->big);
	if (r->f->arch == ARCH_NONE)
		return wrong_machine(r, e);
	if (r->f->arch == ARCH_ARMEB && (h->flags & EF_ARM_BE8))
		r->f->arch = ARCH_ARM; /* only data are big-endian */
	if (r->type == ET_CORE)
		return err_set(e, "is a core dump");
	if (r->type != ET_EXEC && r->type != ET_DYN && r->type != ET_REL)
		return err_set(e, "has unknown ELF type %u", r->type);
	return 0;
}

/* ---- section headers ---- */

static struct elf_raw_section section_header(const struct elf_raw *r, const uint8_t *p)
{
	unsigned word = r->is64 ? 8 : 4;
	struct elf_raw_section s = {.section = ELF_NONE};

	s.name = (uint32_t)take(r, &p, 4);
	s.type = (uint32_t)take(r, &p, 4);
	s.flags = take(r, &p, word);
	s.addr = take(r, &p, word);
	s.offset = take(r, &p, word);
	s.size = take(r, &p, word);
	s.link = (uint32_t)take(r, &p, 4);
	s.info = (uint32_t)take(r, &p, 4);
	s.align = take(r, &p, word);
	s.entsize = take(r, &p, word);
	return s;
}

static int section_table(struct elf_raw *r, const struct file_header *h, struct err *e)
{
	size_t size = r->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	struct elf_raw_section zero;
	uint64_t n = h->shnum;
	uint32_t names = h->shstrndx;

	r->names = ELF_NONE;
	if (!h->shoff)
		return 0;
	if (h->shentsize != size)
		return err_set(
			e, "has a damaged ELF header: section headers of %u bytes", h->shentsize);
	if (!elf_raw_has(r, h->shoff, size))
		return err_set(e, "is cut short: no section table at offset %" PRIu64, h->shoff);
	zero = section_header(r, r->p + h->shoff);
	if (n == 0) /* more than fit into the header */
		n = zero.size;
	if (names == SHN_XINDEX)
		names = zero.link;
	if (n > (r->n - h->shoff) / size)
		return err_set(e, "is cut short: %" PRIu64 " section headers at offset %" PRIu64, n,
			h->shoff);
	r->nsections = (size_t)n;
	r->sections = arena_get(&r->f->arena, r->nsections, sizeof(*r->sections));
	for (size_t i = 0; i < r->nsections; i++) {
		struct elf_raw_section *s = &r->sections[i];

		*s = section_header(r, r->p + h->shoff + i * size);
		if (s->type == SHT_NULL || s->type == SHT_NOBITS)
			continue;
		if (!elf_raw_has(r, s->offset, s->size))
			return err_set(
				e, "is cut short: section %zu ends after the end of the file", i);
	}
	if (names && names < r->nsections && r->sections[names].type == SHT_STRTAB)
		r->names = names;
	return 0;
}

/* ---- sections in memory ---- */

static int by_address(const void *a, const void *b)
{
	const struct elf_section *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(x->name, y->name);
}

void elf_raw_settle(struct elf *f)
{
	size_t n = 0;

	sort_items(f->sections, f->nsections, sizeof(*f->sections),
		offsetof(struct elf_section, addr), by_address);
	for (size_t i = 0; i < f->nsections; i++) {
		struct elf_section *s = &f->sections[i], *last = &f->sections[n ? n - 1 : 0];

		if (!n || s->addr - last->addr >= last->size)
			f->sections[n++] = *s;
	}
	f->nsections = n;
}

/* Where a section of an object file goes; moves *next on. Nothing sane is near 2^48. */
static int lay_out(uint64_t *next, const struct elf_raw_section *s, uint64_t *addr)
{
	uint64_t align = MAX(s->align, (uint64_t)16);

	if ((align & (align - 1)) || align > 1u << 20 || s->size >> 47 || *next >> 47)
		return -1;
	*addr = (*next + align - 1) & ~(align - 1);
	*next = *addr + s->size;
	return 0;
}

static void sections_in_memory(struct elf_raw *r)
{
	struct elf *f = r->f;
	uint64_t next = ELF_OBJECT_BASE;

	f->sections = arena_get(&f->arena, r->nsections, sizeof(*f->sections));
	for (size_t i = 0; i < r->nsections; i++) {
		struct elf_raw_section *s = &r->sections[i];
		bool bits = s->type != SHT_NOBITS, tls = s->flags & SHF_TLS;

		if (!(s->flags & SHF_ALLOC) || s->type == SHT_NULL || !s->size || (tls && !bits))
			continue;
		if (f->object && lay_out(&next, s, &s->addr) < 0)
			continue;
		if (s->addr + s->size < s->addr)
			continue;
		f->sections[f->nsections++] = (struct elf_section){.name = elf_raw_name(r, s),
			.addr = s->addr,
			.size = s->size,
			.data = bits ? r->p + s->offset : NULL,
			.align = (uint32_t)MIN(s->align, (uint64_t)1 << 31),
			.exec = s->flags & SHF_EXECINSTR,
			.write = s->flags & SHF_WRITE,
			.tls = tls};
	}
	elf_raw_settle(f);
}

/* Headers to sections: index of each in elf.sections. */
static void number_sections(struct elf_raw *r)
{
	for (size_t i = 0; i < r->nsections; i++) {
		struct elf_raw_section *s = &r->sections[i];
		const struct elf_section *m = elf_section_at(r->f, s->addr);

		if ((s->flags & SHF_ALLOC) && m && m->addr == s->addr && m->size == s->size)
			s->section = (uint32_t)(m - r->f->sections);
	}
}

/* ---- init and fini ---- */

static void add_root(struct elf *f, size_t *cap, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(f, addr);

	if (!s || !s->exec)
		return;
	f->roots = mem_grow(f->roots, cap, f->nroots + 1, sizeof(*f->roots));
	f->roots[f->nroots++] = addr;
}

static void roots(struct elf_raw *r)
{
	struct elf *f = r->f;
	size_t cap = 0;

	if (!f->object)
		add_root(f, &cap, f->entry);
	for (size_t i = 0; i < r->nsections; i++) {
		const struct elf_raw_section *s = &r->sections[i];
		const char *name = elf_raw_name(r, s);
		uint64_t v;

		if (s->section == ELF_NONE)
			continue;
		if (!strcmp(name, ".init") || !strcmp(name, ".fini"))
			add_root(f, &cap, s->addr);
		if (s->type != SHT_INIT_ARRAY && s->type != SHT_FINI_ARRAY &&
			s->type != SHT_PREINIT_ARRAY)
			continue;
		for (uint64_t at = 0; s->size - at >= f->word; at += f->word) {
			if (!elf_pointer(f, s->addr + at, &v))
				add_root(f, &cap, v);
		}
	}
}

/* The lazily bound part of the GOT, if it has one: there _GLOBAL_OFFSET_TABLE_ points. */
static void find_got(struct elf *f)
{
	for (size_t i = 0; i < f->nsections && !f->object; i++) {
		const char *name = f->sections[i].name;

		if ((!strcmp(name, ".got.plt") && !arch_info(f->arch)->got_bias) ||
			(!f->got && !strcmp(name, ".got")))
			f->got = f->sections[i].addr + arch_info(f->arch)->got_bias;
	}
}

struct elf *elf_new(const uint8_t *p, size_t n, struct err *e)
{
	struct elf *f = mem_zalloc(1, sizeof(*f));
	struct elf_raw r = {.f = f, .p = p, .n = n, .text = TEXT_LEAST + TEXT_MOST * (uint64_t)n};
	struct file_header h = {0};

	f->p = p;
	f->n = n;
	if (file_header(&r, &h, e) < 0)
		goto fail;
	f->word = arch_info(f->arch)->word;
	f->mask = f->word == 8 ? UINT64_MAX : UINT32_MAX;
	f->object = r.type == ET_REL;
	f->movable = r.type != ET_EXEC;
	f->entry = h.entry;
	if (section_table(&r, &h, e) < 0)
		goto fail;
	if (r.nsections)
		sections_in_memory(&r);
	else if (elf_segments_read(&r, h.phoff, h.phnum, h.phentsize, e) < 0)
		goto fail;
	number_sections(&r);
	if (elf_symbols_read(&r, e) < 0 || elf_symbols_relocs(&r, e) < 0)
		goto fail;
	find_got(f);
	elf_frames_read(&r);
	roots(&r);
	return f;
fail:
	elf_free(f);
	return NULL;
}

void elf_free(struct elf *f)
{
	if (!f)
		return;
	mem_free(f->relocs);
	mem_free(f->frames);
	mem_free(f->roots);
	mem_free(f->marks);
	arena_free(&f->arena);
	mem_free(f);
}

const struct elf_section *elf_section_at(const struct elf *f, uint64_t addr)
{
	const struct elf_section *s = f->sections;

	/* The last section that is not after addr; the same steps wherever it is, no branch. */
	for (size_t n = f->nsections; n > 1; n -= n / 2)
		s = s[n / 2].addr <= addr ? s + n / 2 : s;
	return f->nsections && addr - s->addr < s->size ? s : NULL;
}

const uint8_t *elf_bytes(const struct elf *f, uint64_t addr, size_t *n)
{
	const struct elf_section *s = elf_section_at(f, addr);

	*n = 0;
	if (!s || !s->data)
		return NULL;
	*n = (size_t)(s->size - (addr - s->addr));
	return s->data + (addr - s->addr);
}

size_t elf_reloc_from(const struct elf *f, uint64_t addr)
{
	return sort_first(
		f->relocs, f->nrelocs, sizeof(*f->relocs), offsetof(struct elf_reloc, addr), addr);
}

const struct elf_reloc *elf_reloc_at(const struct elf *f, uint64_t addr)
{
	size_t i = elf_reloc_from(f, addr);

	return i < f->nrelocs && f->relocs[i].addr == addr ? &f->relocs[i] : NULL;
}

uint64_t elf_reloc_value(const struct elf *f, const struct elf_reloc *r)
{
	if (r->sym == ELF_NONE)
		return (uint64_t)r->addend & f->mask;
	if (!f->symbols[r->sym].defined)
		return 0;
	return (f->symbols[r->sym].addr + (uint64_t)r->addend) & f->mask;
}

int elf_pointer(const struct elf *f, uint64_t addr, uint64_t *value)
{
	const struct elf_reloc *r = elf_reloc_at(f, addr);
	const uint8_t *p;
	size_t n;

	if (r) {
		*value = elf_reloc_value(f, r);
		return r->kind == ELF_R_ADDR && r->size == f->word && *value ? 0 : -1;
	}
	p = elf_bytes(f, addr, &n);
	if (!p || n < f->word)
		return -1;
	*value = elf_number(f, p, f->word);
	return 0;
}
