/*
 * elf_segments.c: a file without section headers: what it loads, by its program headers, and the
 * tables that the dynamic linker and the unwinder need, as if there were headers of them.
 */
#include <elf.h>
#include <string.h>

#include "code/elf_raw.h"

enum {
	CARVED_MAX = 32, /* pieces cut out of segments */
	TABLES_MAX = 16, /* sections made */
	DYNAMIC_MAX = 1024,
	DT_MIPS_COUNT = 0x70000011, /* DT_MIPS_SYMTABNO */
	PCREL_SDATA4 = 0x1b,
};

struct segments {
	struct elf_raw *r;
	uint64_t dt[DT_RELRENT + 1]; /* values of the dynamic section by tag, 0: none */
	uint64_t count;              /* of symbols, as MIPS tells it */
};

static uint64_t get(const struct segments *m, const uint8_t *p, unsigned size)
{
	return elf_raw_get(m->r, p, size);
}

bool elf_segments_carve(struct elf *f, uint64_t addr, uint64_t n, const char *name, bool exec)
{
	const struct elf_section *at = elf_section_at(f, addr);
	size_t i = at ? (size_t)(at - f->sections) : 0, k = i;
	struct elf_section whole, *s = f->sections;

	if (!f->room || !at || !at->data || !n || n > at->size - (addr - at->addr))
		return false;
	f->room--;
	whole = *at;
	memmove(s + i + 3, s + i + 1, (f->nsections - i - 1) * sizeof(*s));
	if (addr > whole.addr) {
		s[k] = whole;
		s[k++].size = addr - whole.addr;
	}
	s[k] = whole;
	s[k].name = name;
	s[k].addr = addr;
	s[k].size = n;
	s[k].data = whole.data + (addr - whole.addr);
	s[k++].exec = exec;
	if (addr + n < whole.addr + whole.size) {
		s[k] = whole;
		s[k].addr = addr + n;
		s[k].size = whole.addr + whole.size - addr - n;
		s[k++].data = whole.data + (addr + n - whole.addr);
	}
	memmove(s + k, s + i + 3, (f->nsections - i - 1) * sizeof(*s));
	f->nsections += k - i - 1;
	return true;
}

/* The header of a table of n bytes at the address, if there is one. */
static void add_table(struct segments *m, uint32_t type, uint64_t addr, uint64_t n, uint64_t each)
{
	struct elf_raw *r = m->r;
	size_t left;
	const uint8_t *p = elf_bytes(r->f, addr, &left);

	if (!addr || !n || !p || n > left || r->nsections == TABLES_MAX)
		return;
	if (!elf_segments_carve(r->f, addr, n, "", false))
		return;
	r->sections[r->nsections++] = (struct elf_raw_section){.type = type,
		.link = type == SHT_DYNSYM                    ? 1
			: type == SHT_REL || type == SHT_RELA ? 2
							      : 0,
		.flags = SHF_ALLOC,
		.addr = addr,
		.offset = (uint64_t)(p - r->p),
		.size = n,
		.entsize = each,
		.section = ELF_NONE};
}

/* How many symbols GNU's hash table is for: the highest one that a chain ends with. */
static uint64_t count_hashed(const struct segments *m, uint64_t addr)
{
	unsigned word = m->r->is64 ? 8 : 4;
	size_t n;
	const uint8_t *p = elf_bytes(m->r->f, addr, &n);
	uint64_t buckets, first, skip, most = 0;

	if (!p || n < 16)
		return 0;
	buckets = get(m, p, 4);
	first = get(m, p + 4, 4);
	skip = 16 + word * get(m, p + 8, 4);
	if (skip > n || buckets > (n - skip) / 4)
		return 0;
	for (uint64_t i = 0; i < buckets; i++)
		most = MAX(most, get(m, p + skip + 4 * i, 4));
	for (uint64_t at = skip + 4 * (buckets + most - first); most >= first && at <= n - 4;
		at += 4, most++) {
		if (get(m, p + at, 4) & 1)
			return most + 1;
	}
	return first;
}

static uint64_t count_symbols(const struct segments *m)
{
	size_t n;
	const uint8_t *p = m->dt[DT_HASH] ? elf_bytes(m->r->f, m->dt[DT_HASH], &n) : NULL;

	return m->count ? m->count : p && n >= 8 ? get(m, p + 4, 4) : 0;
}

static void read_dynamic(struct segments *m, uint64_t gnu_hash)
{
	const uint64_t *dt = m->dt;
	bool is64 = m->r->is64;
	uint64_t each = is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym), n = count_symbols(m);
	uint64_t rel = is64 ? sizeof(Elf64_Rel) : sizeof(Elf32_Rel);
	uint64_t rela = is64 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rela);

	if (!n && gnu_hash)
		n = count_hashed(m, gnu_hash);
	if (n > m->r->n / each)
		n = 0;
	m->r->nsections = 1;
	add_table(m, SHT_STRTAB, dt[DT_STRTAB], dt[DT_STRSZ], 0);
	if (m->r->nsections == 2)
		add_table(m, SHT_DYNSYM, dt[DT_SYMTAB], n * each, each);
	if (m->r->nsections != 3)
		return;
	add_table(m, SHT_REL, dt[DT_REL], dt[DT_RELSZ], rel);
	add_table(m, SHT_RELA, dt[DT_RELA], dt[DT_RELASZ], rela);
	add_table(m, dt[DT_PLTREL] == DT_RELA ? SHT_RELA : SHT_REL, dt[DT_JMPREL], dt[DT_PLTRELSZ],
		dt[DT_PLTREL] == DT_RELA ? rela : rel);
	add_table(m, SHT_RELR, dt[DT_RELR], dt[DT_RELRSZ], is64 ? 8 : 4);
	add_table(m, SHT_INIT_ARRAY, dt[DT_INIT_ARRAY], dt[DT_INIT_ARRAYSZ], is64 ? 8 : 4);
	add_table(m, SHT_FINI_ARRAY, dt[DT_FINI_ARRAY], dt[DT_FINI_ARRAYSZ], is64 ? 8 : 4);
}

/* The dynamic section: what it says by tag, and the tables of it. */
static void dynamic(struct segments *m, uint64_t addr, uint64_t n)
{
	unsigned word = m->r->is64 ? 8 : 4;
	size_t left;
	const uint8_t *p = elf_bytes(m->r->f, addr, &left);
	uint64_t gnu_hash = 0;
	struct elf *f = m->r->f;

	if (!p || n > left)
		return;
	for (uint64_t at = 0, k = 0; k < DYNAMIC_MAX && n - at >= 2 * word; at += 2 * word, k++) {
		uint64_t tag = get(m, p + at, word), v = get(m, p + at + word, word);

		if (tag == DT_NULL)
			break;
		if (tag < COUNT_OF(m->dt))
			m->dt[tag] = v;
		else if (tag == DT_GNU_HASH)
			gnu_hash = v;
		else if (tag == DT_MIPS_COUNT && m->r->machine == EM_MIPS)
			m->count = v;
	}
	read_dynamic(m, gnu_hash);
	add_table(m, SHT_DYNAMIC, addr, n, 2 * word);
	if (m->dt[DT_PLTGOT])
		f->got = m->dt[DT_PLTGOT] + arch_info(f->arch)->got_bias;
}

/* The unwind tables, by the header of their index; they end with a length of 0. */
static void unwind_tables(struct segments *m, uint64_t addr)
{
	size_t n;
	const uint8_t *p = elf_bytes(m->r->f, addr, &n);
	uint64_t at, size = 0;

	if (!p || n < 8 || p[0] != 1 || p[1] != PCREL_SDATA4)
		return;
	at = (addr + 4 + (uint64_t)(int64_t)(int32_t)get(m, p + 4, 4)) & m->r->f->mask;
	p = elf_bytes(m->r->f, at, &n);
	while (p && n - size >= 4) {
		uint64_t length = get(m, p + size, 4);

		if (!length || length > n - size - 4)
			break;
		size += 4 + length;
	}
	elf_segments_carve(m->r->f, at, size, ".eh_frame", false);
}

/* One program header; `loaded`: what is in memory is known. */
static int segment(struct segments *m, size_t i, const uint8_t *p, bool loaded, struct err *e)
{
	struct elf_raw *r = m->r;
	struct elf *f = r->f;
	unsigned word = r->is64 ? 8 : 4;
	uint32_t type = (uint32_t)elf_raw_get(r, p, 4);
	uint32_t flags = (uint32_t)elf_raw_get(r, p + (r->is64 ? 4 : 24), 4);
	uint64_t offset = elf_raw_get(r, p + word, word);
	uint64_t addr = elf_raw_get(r, p + 2 * word, word);
	uint64_t n = elf_raw_get(r, p + 4 * word, word);
	uint64_t space = elf_raw_get(r, p + 5 * word, word);

	if (!n || addr + n < addr)
		return 0;
	if (loaded && type == PT_DYNAMIC && !r->nsections)
		dynamic(m, addr, n);
	else if (loaded && type == PT_GNU_EH_FRAME)
		unwind_tables(m, addr);
	else if (loaded && type == PT_ARM_EXIDX && r->machine == EM_ARM)
		elf_segments_carve(f, addr, n, ".ARM.exidx", false);
	if (loaded || type != PT_LOAD)
		return 0;
	if (!elf_raw_has(r, offset, n))
		return err_set(e, "is cut short: segment %zu ends after the end of the file", i);
	f->sections[f->nsections++] = (struct elf_section){.name = "",
		.addr = addr,
		.size = n,
		.data = r->p + offset,
		.align = 1,
		.exec = flags & PF_X,
		.write = flags & PF_W};
	if (space > n && addr + space > addr)
		f->sections[f->nsections++] = (struct elf_section){
			.name = "", .addr = addr + n, .size = space - n, .align = 1, .write = true};
	return 0;
}

int elf_segments_read(struct elf_raw *r, uint64_t phoff, size_t n, size_t size, struct err *e)
{
	struct segments m = {.r = r};

	if (size != (r->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
		!elf_raw_has(r, phoff, (uint64_t)n * size))
		return err_set(e, "is cut short or damaged: neither section nor program headers");
	r->f->sections =
		arena_get(&r->f->arena, 2 * n + 2 * CARVED_MAX + 2, sizeof(*r->f->sections));
	r->f->room = CARVED_MAX;
	r->bare = true;
	r->sections = arena_get(&r->f->arena, TABLES_MAX, sizeof(*r->sections));
	for (size_t i = 0; i < n; i++) {
		if (segment(&m, i, r->p + phoff + i * size, false, e) < 0)
			return -1;
	}
	elf_raw_settle(r->f);
	for (size_t i = 0; i < n; i++) {
		if (segment(&m, i, r->p + phoff + i * size, true, e) < 0)
			return -1;
	}
	return 0;
}
