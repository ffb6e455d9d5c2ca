/*
 * functions.c: see functions.h. Candidates are gathered with the trust they deserve, sorted, and
 * settled in one pass. When all calls are known, gaps.c looks at the code that nobody claimed.
 */
#include "code/functions.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/gaps.h"
#include "code/isa.h"
#include "code/risc.h"
#include "code/stubs.h"
#include "code/x86_fields.h"

enum { /* of names: the smallest wins */
	RANK_GLOBAL,
	RANK_LOCAL,
	RANK_LABEL, /* of assembly code, not declared a function */
	RANK_NONE,
};

enum { AHEAD = 8 }; /* functions whose padding is fetched before it is looked at */
enum { GAP_ROUNDS = 3 };

struct candidate {
	uint64_t addr, size; /* size 0: not known */
	const char *name;
	uint32_t from;
	uint8_t rank; /* RANK_GLOBAL ... */
};

struct finder {
	const struct elf *elf;
	unsigned flags;
	struct candidate *c;
	size_t n, cap;
	const struct elf_section *last; /* that a candidate was in */
};

/* The section a function may start in at addr, or NULL. */
static const struct elf_section *code_at(const struct elf *f, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(f, addr);

	return s && s->exec && s->data && !stubs_section(s) ? s : NULL;
}

static void add(struct finder *f, struct candidate c)
{
	const struct elf_section *s = f->last;

	if (!s || c.addr - s->addr >= s->size)
		s = code_at(f->elf, c.addr);
	if (!s)
		return;
	f->last = s;
	c.size = MIN(c.size, s->size - (c.addr - s->addr));
	f->c = mem_grow(f->c, &f->cap, f->n + 1, sizeof(*f->c));
	f->c[f->n++] = c;
}

/* Index of the first function at or after addr. */
static size_t first_from(const struct functions *fs, uint64_t addr)
{
	return sort_first(fs->f, fs->n, sizeof(*fs->f), offsetof(struct func, addr), addr);
}

/*
 * The same by the index. Most pages have no more than two functions: these are passed over without
 * a branch. Behind every page but the last there is another function.
 */
static size_t indexed_from(const struct functions *fs, uint64_t addr)
{
	uint64_t at = addr - fs->f[0].addr, k = at >> fs->shift;
	size_t lo, hi = fs->n;

	if (addr <= fs->f[0].addr)
		return 0;
	if (k + 1 >= fs->npages) {
		lo = fs->page[fs->npages - 1];
	} else {
		lo = fs->page[k], hi = fs->page[k + 1];
		lo += fs->start[lo] < at;
		lo += fs->start[lo] < at;
		if (fs->start[lo] >= at)
			return lo;
	}
	return lo + sort_first_u32(fs->start + lo, hi - lo, at);
}

/* Makes functions_at fast: some two pages for each function, little memory to miss the cache on. */
static void index_functions(struct functions *fs)
{
	uint64_t span = fs->n ? fs->f[fs->n - 1].addr - fs->f[0].addr : UINT64_MAX;

	mem_free(fs->start);
	mem_free(fs->page);
	fs->start = fs->page = NULL;
	fs->shift = 0;
	if (span > UINT32_MAX)
		return;
	while (span >> fs->shift > 2 * fs->n)
		fs->shift++;
	fs->start = mem_alloc(fs->n, sizeof(*fs->start));
	for (size_t i = 0; i < fs->n; i++)
		fs->start[i] = (uint32_t)(fs->f[i].addr - fs->f[0].addr);
	fs->npages = (size_t)(span >> fs->shift) + 1;
	fs->page = mem_alloc(fs->npages, sizeof(*fs->page));
	for (size_t k = 0, i = 0; k < fs->npages; k++) {
		while (fs->start[i] < (uint64_t)k << fs->shift)
			i++;
		fs->page[k] = (uint32_t)i;
	}
}

/* ---- candidates ---- */

static bool is_cold_name(const char *name)
{
	for (const char *p = name; (p = strchr(p, '.')) != NULL; p++) {
		if (!strncmp(p, ".cold", 5))
			return !p[5] || p[5] == '.';
	}
	return false;
}

static void add_symbols(struct finder *f)
{
	for (size_t i = 0; i < f->elf->nsymbols; i++) {
		const struct elf_symbol *s = &f->elf->symbols[i];
		bool function = s->type == ELF_FUNC || s->type == ELF_IFUNC;
		bool label = s->type == ELF_NOTYPE && s->bind != ELF_LOCAL && !f->elf->object;

		if (!s->defined || !(function || label))
			continue;
		if ((f->flags & FUNCTIONS_IGNORE_SYMBOLS) && !s->dynamic)
			continue;
		add(f, (struct candidate){.addr = s->addr,
			       .size = s->size,
			       .name = s->name,
			       .rank = label                  ? RANK_LABEL
				       : s->bind == ELF_LOCAL ? RANK_LOCAL
							      : RANK_GLOBAL,
			       .from = FUNC_SYMBOL | (is_cold_name(s->name) ? FUNC_PART : 0u)});
	}
}

static void add_frames(struct finder *f)
{
	for (size_t i = 0; i < f->elf->nframes; i++) {
		const struct elf_frame *r = &f->elf->frames[i];

		add(f, (struct candidate){.addr = r->addr,
			       .size = r->size,
			       .name = "",
			       .rank = RANK_NONE,
			       .from = FUNC_FRAME | (r->part ? FUNC_PART : 0u)});
	}
}

static void add_address(struct finder *f, uint64_t addr, uint32_t from)
{
	add(f, (struct candidate){.addr = addr, .name = "", .rank = RANK_NONE, .from = from});
}

/* ---- settling ---- */

/* The shorter one first, in the time that it takes to see its end. */
static int by_length(const char *x, const char *y)
{
	while (*x && *y)
		x++, y++;
	return (*x != 0) - (*y != 0);
}

static int by_address(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int longer;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	longer = by_length(x->name, y->name);
	return longer ? longer : strcmp(x->name, y->name);
}

/*
 * Merges candidates of one address, names by rank; known ends are cut at the next start. Labels,
 * unwind ranges and targets of calls inside a function with a known end belong to it.
 */
static void settle(struct finder *f, struct functions *fs)
{
	fs->f = mem_alloc(f->n, sizeof(*fs->f));
	sort_items(f->c, f->n, sizeof(*f->c), offsetof(struct candidate, addr), by_address);
	for (size_t i = 0, k; i < f->n; i = k) {
		struct func *last = fs->n ? &fs->f[fs->n - 1] : NULL;
		const struct candidate *best = &f->c[i];
		uint64_t size = 0;
		uint32_t from = 0;
		bool strong = false;

		for (k = i; k < f->n && f->c[k].addr == best->addr; k++) {
			size = MAX(size, f->c[k].size);
			strong = strong || f->c[k].rank < RANK_LABEL || (f->c[k].from & FUNC_ROOT);
			from |= f->c[k].from;
		}
		if (last && best->addr < last->end && !strong)
			continue;
		if (last)
			last->end = MIN(last->end, best->addr);
		if (from & FUNC_SYMBOL) /* its name says whether it is a part */
			from = (from & ~(uint32_t)FUNC_PART) | (best->from & FUNC_PART);
		fs->f[fs->n++] = (struct func){.addr = best->addr,
			.end = best->addr + size,
			.name = best->name,
			.from = from};
	}
}

static int fields(const struct elf *f, struct x86_fields *x, const uint8_t *p, size_t n)
{
	return f->word == 4 ? x86_fields_get32(x, p, n) : x86_fields_get(x, p, n);
}

static bool is_padding(const uint8_t *p, const struct x86_fields *x)
{
	if (x->coding != X86_LEGACY)
		return false;
	if (x->map == X86_MAP_1)
		return x->opcode == 0x90 || x->opcode == 0xcc ||
		       (x->opcode == 0 && x->len == 2 && p[0] == 0 && p[1] == 0);
	return x->map == X86_MAP_0F && x->opcode == 0x1f;
}

/* The length of a nop as assemblers write them, of which there is one for most functions, or 0. */
static unsigned nop(const uint8_t *p, size_t n)
{
	unsigned k = 0, len;

	while (k < n && k < 6 && (p[k] == 0x66 || p[k] == 0x2e))
		k++;
	if (k < n && p[k] == 0x90)
		return k + 1;
	if (n < k + 3 || p[k] != 0x0f || p[k + 1] != 0x1f)
		return 0;
	switch (p[k + 2]) { /* ModRM of rax or of rax + rax, a displacement of 0, 1 or 4 bytes */
	case 0x00: len = k + 3; break;
	case 0x40: len = k + 4; break;
	case 0x44: len = k + 5; break;
	case 0x80: len = k + 7; break;
	case 0x84: len = k + 8; break;
	default: return 0;
	}
	return len <= n ? len : 0;
}

/* lea esi, [esi + 0], as assemblers fill 32-bit code. */
static bool is_lea_padding(const uint8_t *p, const struct x86_fields *x)
{
	unsigned rm = x->modrm & 7, mod = x->modrm >> 6, reg = x->modrm >> 3 & 7;

	if (x->map != X86_MAP_1 || x->opcode != 0x8d || mod == 3)
		return false;
	for (unsigned i = 0; i < x->disp_len; i++) {
		if (p[x->head + i])
			return false;
	}
	return rm == 4 ? (p[x->head - 1] & 7) == reg && (p[x->head - 1] >> 3 & 7) == 4 : rm == reg;
}

/*
 * The bytes of the instruction, or what it is, at p; whether it is padding. *slot says whether it
 * is in a delay slot, then whether the next one is.
 */
static unsigned skip(
	const struct elf *f, const uint8_t *p, size_t n, uint64_t addr, bool *slot, bool *pad)
{
	struct x86_fields x;
	struct risc i;
	unsigned len;

	if (risc_ops(f->arch)) {
		enum arch a = isa_at(f, addr);

		if (a == ARCH_NONE) { /* data, which is padding at the end of a function */
			*pad = true;
			return 1;
		}
		risc_ops(a)->read(p, n, addr, &i);
		*pad = (i.what & RISC_PADDING) && !*slot;
		*slot = i.what & RISC_SLOT;
		return i.len;
	}
	*pad = true;
	if ((len = nop(p, n)) != 0)
		return len;
	if (fields(f, &x, p, n)) {
		*pad = *p == 0;
		return 1;
	}
	*pad = is_padding(p, &x) || (f->word == 4 && is_lea_padding(p, &x));
	return x.len;
}

/* The end of the last instruction in [addr, end) that is no padding; addr if there is none. */
static uint64_t trim(const struct elf *f, uint64_t addr, uint64_t end)
{
	uint64_t at = addr, last = addr;
	bool slot = false;
	size_t n;
	const uint8_t *p = elf_bytes(f, addr, &n);

	n = MIN(n, (size_t)(end - addr));
	while (n) {
		bool pad;
		unsigned len = skip(f, p, n, at, &slot, &pad);

		if (!pad)
			last = at + len;
		at += len, p += len, n -= len;
	}
	return last;
}

/* What is called a function may be data, or go on into constants behind it. */
static void cut_data(const struct elf *f, struct functions *fs)
{
	for (size_t i = 0; f->nmarks && i < fs->n; i++) {
		struct func *u = &fs->f[i];

		u->end = isa_at(f, u->addr) == ARCH_NONE ? u->addr : trim(f, u->addr, u->end);
	}
}

/* Functions without a known end go to the next one, less the padding; none overlaps the next. */
static void find_ends(const struct elf *f, struct functions *fs)
{
	for (size_t i = 0; i < fs->n; i++) {
		struct func *u = &fs->f[i];
		uint64_t limit = i + 1 < fs->n ? fs->f[i + 1].addr : UINT64_MAX;
		const struct elf_section *s;

		u->end = MIN(u->end, limit);
		if (u->end != u->addr)
			continue;
		s = elf_section_at(f, u->addr);
		u->end = trim(f, u->addr, MIN(limit, s->addr + s->size));
	}
}

static void drop_empty(struct functions *fs)
{
	size_t n = 0;

	for (size_t i = 0; i < fs->n; i++) {
		if (fs->f[i].end == fs->f[i].addr)
			continue;
		if (n < i)
			fs->f[n] = fs->f[i];
		n++;
	}
	fs->n = n;
}

/* ---- code that nobody claimed ---- */

static void add_gap(
	struct functions *fs, size_t *cap, const struct elf *f, uint64_t addr, uint64_t end)
{
	if (addr >= end || trim(f, addr, end) == addr)
		return;
	fs->gap = mem_grow(fs->gap, cap, fs->ngaps + 1, sizeof(*fs->gap));
	fs->gap[fs->ngaps++] = (struct gaps_range){addr, end};
}

/*
 * What lies between functions and is not padding. A function without a known end is part of the
 * gap behind it.
 */
static void list_gaps(struct functions *fs, const struct elf *f)
{
	size_t cap = 0;

	for (size_t k = 0; k < f->nsections; k++) {
		const struct elf_section *s = &f->sections[k];
		uint64_t at = s->addr, end = s->addr + s->size;

		if (!s->exec || !s->data || stubs_section(s))
			continue;
		for (size_t i = first_from(fs, at); i < fs->n && fs->f[i].addr < end; i++) {
			if (i + AHEAD < fs->n && fs->f[i + AHEAD].end <= end)
				__builtin_prefetch(s->data + (fs->f[i + AHEAD].end - s->addr));
			if (fs->f[i].end == fs->f[i].addr)
				continue;
			add_gap(fs, &cap, f, at, fs->f[i].addr);
			at = fs->f[i].end;
		}
		add_gap(fs, &cap, f, at, end);
	}
}

bool functions_in_gap(const struct functions *fs, uint64_t addr)
{
	size_t i = sort_after(
		fs->gap, fs->ngaps, sizeof(*fs->gap), offsetof(struct gaps_range, end), addr);

	return i < fs->ngaps && fs->gap[i].addr <= addr;
}

static int by_start(const void *a, const void *b)
{
	const struct gaps_range *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void put(struct gaps_addresses *a, uint64_t addr)
{
	a->p = mem_grow(a->p, &a->cap, a->n + 1, sizeof(*a->p));
	a->p[a->n++] = addr;
}

/* Code in gaps whose address is in data that is relocated. */
static void add_pointers(
	struct gaps_addresses *out, const struct functions *fs, const struct elf *f)
{
	for (size_t i = 0; i < f->nrelocs; i++) {
		uint64_t addr;

		if (f->relocs[i].kind != ELF_R_ADDR || f->relocs[i].size != f->word)
			continue;
		addr = elf_reloc_value(f, &f->relocs[i]);
		if (functions_in_gap(fs, addr))
			put(out, addr);
	}
	gaps_sort(out);
}

/* Whether a function goes over the address. */
static bool is_reached(const struct elf *f, uint64_t addr)
{
	size_t i = sort_first(
		f->frames, f->nframes, sizeof(*f->frames), offsetof(struct elf_frame, addr), addr);

	return i && addr - f->frames[i - 1].addr < f->frames[i - 1].reach;
}

/* What starts inside of functions is none: code that the unwinder goes to. */
static void drop_reached(struct gaps_found *found, size_t first, const struct elf *f)
{
	size_t n = first;

	for (size_t i = first; i < found->n; i++) {
		if (!is_reached(f, found->r[i].addr))
			found->r[n++] = found->r[i];
	}
	found->n = n;
}

/* The functions in gaps: those that are called, and what gaps.c finds; ascending. */
static void search_gaps(struct gaps_found *found, const struct functions *fs, const struct elf *f,
	struct insn_decoder *d, const struct gaps_addresses *called)
{
	struct gaps_addresses seeds = {0}, pointers = {0}, dead = {0}, never = {0}, other;
	size_t first = called->n;

	for (size_t i = 0; i < called->n; i++) {
		found->r = mem_grow(found->r, &found->cap, found->n + 1, sizeof(*found->r));
		found->r[found->n++] = (struct gaps_range){called->p[i], called->p[i]};
		put(&seeds, called->p[i]);
	}
	for (size_t i = 0; i < fs->n; i++) {
		if (fs->f[i].end == fs->f[i].addr) /* no other is in a gap */
			put(&seeds, fs->f[i].addr);
	}
	gaps_sort(&seeds);
	add_pointers(&pointers, fs, f);
	for (unsigned round = 0; round < GAP_ROUNDS; round++) {
		found->n = first;
		never.n = 0;
		for (size_t i = 0; i < fs->ngaps; i++)
			gaps_find(found, f, d, fs->gap[i], &seeds, &pointers, &dead, &never);
		if (fs->ngaps < 2 || never.n == dead.n)
			break; /* nothing that one says is news for another */
		gaps_sort(&never);
		other = dead;
		dead = never;
		never = other;
	}
	drop_reached(found, first, f);
	sort_items(found->r, found->n, sizeof(*found->r), 0, by_start);
	mem_free(seeds.p);
	mem_free(pointers.p);
	mem_free(dead.p);
	mem_free(never.p);
}

/* Notes what was found of functions already there. What is left in `found` are others. */
static void merge_known(struct functions *fs, struct gaps_found *found)
{
	size_t n = 0;

	for (size_t k = 0; k < found->n; k++) {
		const struct gaps_range r = found->r[k];
		struct gaps_range *last = n ? &found->r[n - 1] : NULL;
		size_t i = first_from(fs, r.addr);

		if (i < fs->n && fs->f[i].addr == r.addr) {
			fs->f[i].end = MAX(fs->f[i].end, r.end);
			fs->f[i].from |= FUNC_GAP;
		} else if (last && last->addr == r.addr) {
			last->end = MAX(last->end, r.end);
		} else {
			found->r[n++] = r;
		}
	}
	found->n = n;
}

/* Puts what was found between the functions that are there, from the last on. */
static void insert(struct functions *fs, const struct gaps_found *found)
{
	size_t end = fs->n;

	fs->f = mem_realloc(fs->f, fs->n + found->n, sizeof(*fs->f));
	for (size_t k = found->n; k--;) {
		size_t i = first_from(fs, found->r[k].addr);

		memmove(fs->f + i + k + 1, fs->f + i, (end - i) * sizeof(*fs->f));
		fs->f[i + k] = (struct func){.addr = found->r[k].addr,
			.end = found->r[k].end,
			.name = "",
			.from = FUNC_GAP};
		end = i;
		fs->n = i;
	}
}

uint32_t *functions_fill(struct functions *fs, const struct elf *f, struct insn_decoder *d,
	const struct gaps_addresses *called)
{
	struct gaps_found found = {0};
	uint64_t *before = mem_alloc(fs->n, sizeof(*before));
	uint32_t *now = mem_alloc(fs->n, sizeof(*now));
	size_t n = fs->n;

	for (size_t i = 0; i < n; i++)
		before[i] = fs->f[i].addr;
	if (fs->ngaps)
		search_gaps(&found, fs, f, d, called);
	merge_known(fs, &found);
	if (found.n)
		insert(fs, &found);
	fs->n = n + found.n;
	find_ends(f, fs);
	cut_data(f, fs);
	drop_empty(fs);
	index_functions(fs);
	for (size_t i = 0, k = 0; i < n; i++) {
		while (k < fs->n && fs->f[k].addr < before[i])
			k++;
		now[i] = k < fs->n && fs->f[k].addr == before[i] ? (uint32_t)k : FUNC_NOBODY;
	}
	mem_free(before);
	mem_free(found.r);
	mem_free(fs->gap);
	fs->gap = NULL;
	fs->ngaps = 0;
	return now;
}

void functions_find(struct functions *fs, const struct elf *elf, unsigned flags)
{
	struct finder f = {.elf = elf, .flags = flags};

	*fs = (struct functions){0};
	add_frames(&f); /* in order, and the most: the rest is sorted alone and merged */
	add_symbols(&f);
	for (size_t i = 0; i < elf->nroots; i++)
		add_address(&f, isa_code(elf, elf->roots[i]), FUNC_ROOT);
	settle(&f, fs);
	list_gaps(fs, elf);
	cut_data(elf, fs);
	index_functions(fs);
	mem_free(f.c);
}

void functions_free(struct functions *fs)
{
	mem_free(fs->f);
	mem_free(fs->start);
	mem_free(fs->page);
	mem_free(fs->data);
	mem_free(fs->gap);
	for (size_t i = 0; i < fs->nmemory; i++)
		mem_free(fs->memory[i]);
	mem_free(fs->memory);
	*fs = (struct functions){0};
}

/* By the index if there is one: the function itself is often not in the cache. */
bool functions_starts(const struct functions *fs, size_t i, uint64_t addr)
{
	return fs->start ? fs->start[i] == addr - fs->f[0].addr : fs->f[i].addr == addr;
}

uint32_t functions_index(const struct functions *fs, uint64_t addr)
{
	size_t i = fs->start ? indexed_from(fs, addr) : first_from(fs, addr);

	if (i < fs->n && functions_starts(fs, i, addr))
		return (uint32_t)i;
	return i && addr < fs->f[i - 1].end ? (uint32_t)(i - 1) : (uint32_t)FUNC_NOBODY;
}

const struct func *functions_at(const struct functions *fs, uint64_t addr)
{
	uint32_t i = functions_index(fs, addr);

	return i != (uint32_t)FUNC_NOBODY ? &fs->f[i] : NULL;
}
