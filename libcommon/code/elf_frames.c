/*
 * elf_frames.c: ranges of code from .eh_frame (LSB, "Exception Frames"; DWARF 4, section 6.4),
 * starts of functions from .ARM.exidx.
 *
 * A damaged entry ends the walk: what was found until then stands.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/elf_raw.h"

struct cursor {
	const uint8_t *start, *p, *end;
	uint64_t addr; /* of start */
	uint8_t word;  /* bytes of an address */
	uint8_t entry; /* bytes from the stack pointer to the CFA where a function starts */
	bool bad, big;
};

struct cie {
	uint8_t encoding; /* of addresses in its FDEs, DW_EH_PE_* */
	bool augmented;   /* "z": FDEs carry an augmentation length */
};

static uint64_t number(struct cursor *c, unsigned size)
{
	uint64_t v;

	if ((size_t)(c->end - c->p) < size) {
		c->bad = true;
		return 0;
	}
	if (size == 1)
		return *c->p++;
	v = c->big || size != 4 ? elf_number_any(c->big, c->p, size)
				: (uint32_t)c->p[0] | (uint32_t)c->p[1] << 8 |
					  (uint32_t)c->p[2] << 16 | (uint32_t)c->p[3] << 24;
	c->p += size;
	return v;
}

static uint64_t uleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0, b;

	do {
		b = (unsigned)number(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while ((b & 0x80) && !c->bad);
	return v;
}

static void skip(struct cursor *c, uint64_t n)
{
	if (n > (uint64_t)(c->end - c->p))
		c->bad = true;
	else
		c->p += n;
}

/* The bytes of a value in the encoding; 0: variable or unknown. */
static unsigned encoded_size(const struct cursor *c, uint8_t encoding)
{
	switch (encoding & 15) {
	case 0: return c->word;
	case 4:
	case 12: return 8;
	case 2:
	case 10: return 2;
	case 3:
	case 11: return 4;
	default: return 0;
	}
}

static int64_t encoded(struct cursor *c, uint8_t encoding)
{
	unsigned size = encoded_size(c, encoding);
	uint64_t v;

	if (!size) {
		c->bad = true;
		return 0;
	}
	v = number(c, size);
	if ((encoding & 8) && size < 8) /* signed */
		v = (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
	return (int64_t)v;
}

/* The address an FDE starts at. */
static uint64_t location(const struct elf *f, struct cursor *c, uint8_t encoding)
{
	uint64_t at = c->addr + (uint64_t)(c->p - c->start);
	const struct elf_reloc *r = f->object ? elf_reloc_at(f, at) : NULL;
	uint64_t v = (uint64_t)encoded(c, encoding);

	if (r)
		return elf_reloc_value(f, r);
	return ((encoding & 0x70) == 0x10 ? v + at : v) & f->mask;
}

static int read_cie(struct cursor c, struct cie *cie)
{
	const char *augmentation;
	unsigned version = (unsigned)number(&c, 1);

	*cie = (struct cie){0};
	augmentation = (const char *)c.p;
	if (c.bad || !memchr(c.p, 0, (size_t)(c.end - c.p)))
		return -1;
	c.p += strlen(augmentation) + 1;
	if (version != 1 && version != 3)
		return -1;
	uleb(&c); /* code alignment */
	uleb(&c); /* data alignment */
	if (version == 1)
		number(&c, 1);
	else
		uleb(&c); /* return address register */
	if (augmentation[0] != 'z')
		return augmentation[0] || c.bad ? -1 : 0;
	cie->augmented = true;
	uleb(&c);
	for (const char *a = augmentation + 1; *a && !c.bad; a++) {
		uint8_t e;

		switch (*a) {
		case 'R': cie->encoding = (uint8_t)number(&c, 1); break;
		case 'L': number(&c, 1); break;
		case 'P':
			e = (uint8_t)number(&c, 1);
			encoded(&c, e);
			break;
		case 'S':
		case 'B': break;
		default: return -1;
		}
	}
	return c.bad ? -1 : 0;
}

/* Whether the frame is set up already at the first instruction: a part split off a function. */
static bool starts_inside(struct cursor c)
{
	while (c.p < c.end && !c.bad) {
		unsigned op = (unsigned)number(&c, 1);

		if (op >> 6 == 2) /* a register is saved */
			return true;
		switch (op) {
		case 0x00: break;           /* nop */
		case 0x07: uleb(&c); break; /* undefined, as of rip in _start */
		case 0x0c:                  /* def_cfa and its relatives */
		case 0x0d:
		case 0x0f:
		case 0x12: return true;
		case 0x0e: return uleb(&c) != c.entry;
		default: return false; /* the location moves on */
		}
	}
	return false;
}

static void read_fde(struct elf *f, struct cursor c, const struct cie *cie, size_t *cap)
{
	struct elf_frame r = {0};
	const struct elf_section *s;

	r.addr = location(f, &c, cie->encoding);
	r.size = (uint64_t)encoded(&c, cie->encoding & 0x0f);
	if (cie->augmented)
		skip(&c, uleb(&c));
	s = elf_section_at(f, r.addr);
	if (c.bad || !s || !s->exec || !s->data || !r.size || r.size > s->size - (r.addr - s->addr))
		return;
	r.part = starts_inside(c);
	f->frames = mem_grow(f->frames, cap, f->nframes + 1, sizeof(*f->frames));
	f->frames[f->nframes++] = r;
}

static void read_section(struct elf *f, const struct elf_section *s, size_t *cap)
{
	struct cursor c = {s->data, s->data, s->data + s->size, s->addr, f->word,
		arch_info(f->arch)->entry_cfa, false, f->big};
	const uint8_t *last_cie = NULL;
	struct cie cie = {0};
	bool usable = false;

	while (c.end - c.p >= 4) {
		uint64_t len = number(&c, 4), back;
		unsigned width = len == 0xffffffff ? 8 : 4;
		struct cursor body = c;
		const uint8_t *at;

		if (width == 8)
			len = number(&c, 8);
		if (!len)
			continue; /* a terminator; more may follow in linked files */
		if (c.bad || len > (uint64_t)(c.end - c.p) || len < width)
			return;
		body = c;
		body.end = c.p + len;
		c.p += len;
		at = body.p;
		back = number(&body, width);
		if (!back) /* a CIE: FDEs find it by its place */
			continue;
		if (back > (uint64_t)(at - s->data))
			return;
		if (at - back != last_cie) {
			struct cursor k = c;
			uint64_t n;
			unsigned w;

			k.p = at - back;
			n = number(&k, 4);
			w = n == 0xffffffff ? 8 : 4;
			if (w == 8)
				n = number(&k, 8);
			last_cie = at - back;
			usable = !k.bad && n >= w && n <= (uint64_t)(k.end - k.p);
			if (usable) {
				k.end = k.p + n;
				usable = number(&k, w) == 0 && read_cie(k, &cie) == 0;
			}
		}
		if (usable)
			read_fde(f, body, &cie, cap);
	}
}

/* What entry `at` of an index is for; one of Thumb has no lowest bit any more. */
static uint64_t index_address(const struct elf *f, const struct elf_section *s, uint64_t at)
{
	const struct elf_reloc *r = f->object ? elf_reloc_at(f, s->addr + at) : NULL;
	uint64_t v = elf_number(f, s->data + at, 4) << 33;

	v = r ? elf_reloc_value(f, r) : s->addr + at + (uint64_t)((int64_t)v >> 33);
	return v & f->mask & ~UINT64_C(1);
}

/*
 * .ARM.exidx: pairs of where a function is, relative to the place, and how it is unwound (EHABI,
 * section 6). Neighbours that are unwound alike may have one entry, but not those with a table of
 * their own, which may say of code that only the unwinder goes to: they reach to the next one.
 * Entries for code that is not unwound at all, which are 1, are for the gaps between.
 */
static void read_index(struct elf *f, const struct elf_section *s, size_t *cap)
{
	for (uint64_t at = 0; s->size - at >= 8; at += 8) {
		uint64_t addr = index_address(f, s, at), how, next = 0;
		const struct elf_section *code = elf_section_at(f, addr);

		how = elf_number(f, s->data + at + 4, 4);
		if (how == 1 || !code || !code->exec || !code->data)
			continue;
		if (!(how >> 31) && s->size - at >= 16)
			next = index_address(f, s, at + 8);
		if (next <= addr || next - code->addr > code->size)
			next = addr;
		f->frames = mem_grow(f->frames, cap, f->nframes + 1, sizeof(*f->frames));
		f->frames[f->nframes++] = (struct elf_frame){.addr = addr, .reach = next - addr};
	}
}

static int by_address(const void *a, const void *b)
{
	const struct elf_frame *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->size > y->size ? -1 : x->size < y->size;
}

void elf_frames_read(struct elf_raw *r)
{
	struct elf *f = r->f;
	size_t cap = 0, n = 0;

	for (size_t i = 0; i < f->nsections; i++) {
		if (!strcmp(f->sections[i].name, ".eh_frame") && f->sections[i].data)
			read_section(f, &f->sections[i], &cap);
		if (!strncmp(f->sections[i].name, ".ARM.exidx", 10) && f->sections[i].data)
			read_index(f, &f->sections[i], &cap);
	}
	if (!f->nframes)
		return;
	sort_items(f->frames, f->nframes, sizeof(*f->frames), offsetof(struct elf_frame, addr),
		by_address);
	for (size_t i = 0; i < f->nframes; i++) {
		if (!n || f->frames[i].addr != f->frames[n - 1].addr)
			f->frames[n++] = f->frames[i];
	}
	f->nframes = n;
}
