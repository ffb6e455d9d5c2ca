/*
 * functions.c: see functions.h. Candidates are gathered with the trust they deserve, sorted, and
 * settled in one pass; then code that nobody claimed is searched for targets of calls.
 */
#include "code/functions.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/x86_fields.h"

enum { /* of names: the smallest wins */
	RANK_GLOBAL,
	RANK_LOCAL,
	RANK_LABEL, /* of assembly code, not declared a function */
	RANK_NONE,
};

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
};

static bool is_stub_section(const struct elf_section *s)
{
	return !strncmp(s->name, ".plt", 4) || !strcmp(s->name, ".iplt");
}

/* The section a function may start in at addr, or NULL. */
static const struct elf_section *code_at(const struct elf *f, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(f, addr);

	return s && s->exec && s->data && !is_stub_section(s) ? s : NULL;
}

static void add(struct finder *f, struct candidate c)
{
	const struct elf_section *s = code_at(f->elf, c.addr);

	if (!s)
		return;
	c.size = MIN(c.size, s->size - (c.addr - s->addr));
	f->c = mem_grow(f->c, &f->cap, f->n + 1, sizeof(*f->c));
	f->c[f->n++] = c;
}

/* ---- candidates ---- */

static bool is_cold_name(const char *name)
{
	const char *p = strstr(name, ".cold");

	return p && (!p[5] || p[5] == '.');
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

static int by_address(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	size_t nx, ny;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	nx = strlen(x->name), ny = strlen(y->name);
	if (nx != ny)
		return nx < ny ? -1 : 1;
	return strcmp(x->name, y->name);
}

/*
 * Merges candidates of one address, names by rank; known ends are cut at the next start. Labels,
 * unwind ranges and targets of calls inside a function with a known end belong to it.
 */
static void settle(struct finder *f, struct functions *fs)
{
	size_t cap = 0;

	fs->n = 0;
	fs->f = NULL;
	if (f->n)
		qsort(f->c, f->n, sizeof(*f->c), by_address);
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
		fs->f = mem_grow(fs->f, &cap, fs->n + 1, sizeof(*fs->f));
		fs->f[fs->n++] = (struct func){best->addr, best->addr + size, best->name, from};
	}
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

/* The end of the last instruction in [addr, end) that is no padding; addr if there is none. */
static uint64_t trim(const struct elf *f, uint64_t addr, uint64_t end)
{
	uint64_t at = addr, last = addr;
	size_t n;
	const uint8_t *p = elf_bytes(f, addr, &n);

	n = MIN(n, (size_t)(end - addr));
	while (n) {
		struct x86_fields x;
		unsigned len = x86_fields_get(&x, p, n) ? 1 : x.len;
		bool pad = len > 1 || x.len ? is_padding(p, &x) : *p == 0;

		if (!pad)
			last = at + len;
		at += len, p += len, n -= len;
	}
	return last;
}

/* Functions without a known end go to the next one, less the padding. */
static void find_ends(const struct elf *f, struct functions *fs)
{
	for (size_t i = 0; i < fs->n; i++) {
		struct func *u = &fs->f[i];
		const struct elf_section *s = elf_section_at(f, u->addr);
		uint64_t limit = s->addr + s->size;

		if (u->end != u->addr)
			continue;
		if (i + 1 < fs->n)
			limit = MIN(limit, fs->f[i + 1].addr);
		u->end = trim(f, u->addr, limit);
	}
}

static void drop_empty(struct functions *fs)
{
	size_t n = 0;

	for (size_t i = 0; i < fs->n; i++) {
		if (fs->f[i].end > fs->f[i].addr)
			fs->f[n++] = fs->f[i];
	}
	fs->n = n;
}

/* ---- code that nobody claimed ---- */

/* Index of the first function at or after addr. */
static size_t first_from(const struct functions *fs, uint64_t addr)
{
	size_t lo = 0, hi = fs->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (fs->f[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Whether there is anything but padding between the functions of section s. */
static bool has_gaps(const struct elf *f, const struct functions *fs, const struct elf_section *s)
{
	uint64_t at = s->addr, end = s->addr + s->size;

	for (size_t i = first_from(fs, at); i < fs->n && fs->f[i].addr < end; i++) {
		if (fs->f[i].addr > at && trim(f, at, fs->f[i].addr) > at)
			return true;
		at = fs->f[i].end;
	}
	return at < end && trim(f, at, end) > at;
}

/* Targets of direct calls in section s that are in no function. */
static void add_called(struct finder *f, const struct functions *fs, const struct elf_section *s)
{
	uint64_t at = s->addr;
	const uint8_t *p = s->data;
	uint64_t n = s->size;
	size_t next = first_from(fs, at);

	while (n) {
		struct x86_fields x;
		unsigned len = x86_fields_get(&x, p, n) ? 1 : x.len;

		while (next < fs->n && fs->f[next].addr <= at)
			next++;
		/* in step with the functions that are known */
		if (next < fs->n && fs->f[next].addr - at < len)
			len = (unsigned)(fs->f[next].addr - at);
		else if (len >= 5 && x.map == X86_MAP_1 && x.coding == X86_LEGACY &&
			 x.opcode == 0xe8 && x.imm_len == 4) {
			const uint8_t *q = p + len - 4;
			int32_t rel =
				(int32_t)(q[0] | q[1] << 8 | q[2] << 16 | (uint32_t)q[3] << 24);
			uint64_t target = at + len + (uint64_t)(int64_t)rel;

			if (rel && !functions_at(fs, target))
				add_address(f, target, FUNC_CALLED);
		}
		at += len, p += len, n -= len;
	}
}

void functions_find(struct functions *fs, const struct elf *elf, unsigned flags)
{
	struct finder f = {.elf = elf, .flags = flags};
	size_t before;

	add_symbols(&f);
	add_frames(&f);
	for (size_t i = 0; i < elf->nroots; i++)
		add_address(&f, elf->roots[i], FUNC_ROOT);
	settle(&f, fs);
	before = f.n;
	for (size_t i = 0; i < elf->nsections && !elf->object; i++) {
		const struct elf_section *s = &elf->sections[i];

		if (s->exec && s->data && !is_stub_section(s) && has_gaps(elf, fs, s))
			add_called(&f, fs, s);
	}
	if (f.n > before) {
		mem_free(fs->f);
		settle(&f, fs);
	}
	find_ends(elf, fs);
	drop_empty(fs);
	mem_free(f.c);
}

void functions_free(struct functions *fs)
{
	mem_free(fs->f);
	*fs = (struct functions){0};
}

const struct func *functions_at(const struct functions *fs, uint64_t addr)
{
	size_t i = first_from(fs, addr);

	if (i < fs->n && fs->f[i].addr == addr)
		return addr < fs->f[i].end ? &fs->f[i] : NULL;
	return i && addr < fs->f[i - 1].end ? &fs->f[i - 1] : NULL;
}
