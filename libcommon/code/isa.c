/*
 * isa.c: see isa.h.
 *
 * Without mapping symbols all code is read from end to end, in the instruction set of the function
 * it is in as far as that is known, again and again until nothing new is found: calls say what is
 * at their target, loads of constants and jumps through tables that it is data there.
 */
#include "code/isa.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/risc.h"
#include "code/stubs.h"

enum {
	ROUNDS = 8,
	NEAR = 16,        /* instructions from a compare or an address to the jump they are for */
	WORDS = 32,       /* that are looked at to tell the instruction sets apart, */
	FEW_WORDS = 4,    /* and of which the first have to tell the same */
	TABLE_MAX = 4096, /* entries of a table in the code */
	TABLE_REACH = 1 << 20,
};

enum {           /* what is known of a halfword */
	ARM = 1, /* an instruction of this set starts here */
	THUMB = 2,
	START = 4, /* a function, of either set */
	DATA = 8,  /* ahead of what uses it, found in this round */
	/* by code that was read: found in this round, and in the last one */
	NOW_ARM = 16,
	NOW_THUMB = 32,
	NOW_DATA = 64, /* behind what uses it */
	NOW = NOW_ARM | NOW_THUMB | NOW_DATA,
	SHIFT = 3,
	WAS_ARM = NOW_ARM << SHIFT,
	WAS_THUMB = NOW_THUMB << SHIFT,
	WAS_DATA = NOW_DATA << SHIFT,
};

struct sweep {
	struct elf *f;
	const struct risc_ops *ops[2]; /* ARM, Thumb */
	uint8_t arch[2];
	uint16_t **what; /* of each section, for each halfword, or NULL */
	size_t cap;      /* of f->marks */
	/* the section that is read */
	const struct elf_section *s;
	uint16_t *w;
	uint64_t at; /* offset */
	bool thumb, emit;
	bool ended;                        /* nothing goes on to this place */
	uint64_t limit, table;             /* of the last compare; the last address of code */
	unsigned since_limit, since_table; /* instructions */
};

size_t isa_after(const struct elf *f, uint64_t addr)
{
	return sort_after(
		f->marks, f->nmarks, sizeof(*f->marks), offsetof(struct elf_mark, addr), addr);
}

enum arch isa_at(const struct elf *f, uint64_t addr)
{
	size_t k = f->nmarks ? isa_after(f, addr) : 0;

	return k ? f->marks[k - 1].arch : f->arch;
}

static bool has_two(const struct elf *f)
{
	return arch_info(f->arch)->other != ARCH_NONE;
}

uint64_t isa_code(const struct elf *f, uint64_t pointer)
{
	const struct elf_section *s;

	if (!(pointer & 1) || !has_two(f))
		return pointer;
	s = elf_section_at(f, pointer);
	return s && s->exec ? pointer - 1 : pointer;
}

/* Thumb's stubs begin with "bx pc", and go on as ARM's, or load an address by movw. */
enum arch isa_of_stub(const struct elf *f, uint64_t *addr)
{
	enum arch other = arch_info(f->arch)->other;
	struct risc i;
	size_t n;
	const uint8_t *p;

	if (!has_two(f))
		return f->arch;
	p = elf_bytes(f, *addr, &n);
	if (!p)
		return f->arch;
	if (!stubs_section(elf_section_at(f, *addr)))
		return isa_at(f, *addr) == other ? other : f->arch;
	risc_ops(other)->read(p, n, *addr, &i);
	if (i.len == 2 && i.flow == INSN_JUMP && i.ra == 15)
		*addr += 4;
	else if (*addr % 4 || (i.len == 4 && i.op == RISC_SET))
		return other;
	return f->arch;
}

static void add_mark(struct elf *f, size_t *cap, uint64_t addr, uint8_t arch)
{
	f->marks = mem_grow(f->marks, cap, f->nmarks + 1, sizeof(*f->marks));
	f->marks[f->nmarks++] = (struct elf_mark){addr, arch};
}

/* ---- mapping symbols ---- */

static int by_address(const void *a, const void *b)
{
	const struct elf_mark *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->arch < y->arch ? -1 : x->arch > y->arch;
}

static void read_symbols(struct elf *f)
{
	size_t cap = 0, n = 0;

	for (size_t i = 0; i < f->nsymbols; i++) {
		const struct elf_symbol *s = &f->symbols[i];
		const char *name = s->name;

		if (name[0] != '$' || !name[1] || (name[2] && name[2] != '.') || !s->defined ||
			!f->sections[s->section].exec)
			continue;
		if (name[1] == 'd')
			add_mark(f, &cap, s->addr, ARCH_NONE);
		else if (name[1] == 't' && has_two(f))
			add_mark(f, &cap, s->addr, arch_info(f->arch)->other);
		else if (name[1] == (has_two(f) ? 'a' : 'x'))
			add_mark(f, &cap, s->addr, (uint8_t)f->arch);
	}
	if (!f->nmarks)
		return;
	qsort(f->marks, f->nmarks, sizeof(*f->marks), by_address);
	for (size_t i = 0; i < f->nmarks; i++) { /* of one address the last; nothing twice */
		if (n && f->marks[n - 1].addr == f->marks[i].addr)
			n--;
		if (!n || f->marks[n - 1].arch != f->marks[i].arch)
			f->marks[n++] = f->marks[i];
	}
	f->nmarks = n;
}

/* ---- what is known beforehand ---- */

static uint16_t *halfword(const struct sweep *m, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(m->f, addr);
	uint16_t *w = s ? m->what[s - m->f->sections] : NULL;

	return w ? &w[(addr - s->addr) / 2] : NULL;
}

/* An instruction is at the address; `arm` or `thumb` says how that is known. */
static void hint(struct sweep *m, uint64_t addr, bool is_thumb, uint16_t arm, uint16_t thumb)
{
	uint16_t *q = halfword(m, addr);

	if (q && (is_thumb || addr % 4 == 0))
		*q |= is_thumb ? thumb : arm;
}

/*
 * What the words at an offset look like: A32 words mostly begin with 14, the condition that always
 * holds, words of T32 hardly. 1: Thumb, 0: ARM, -1: hard to say of so few.
 */
static int looks(const struct sweep *m, const struct elf_section *s, uint64_t at, unsigned words)
{
	const uint16_t *w = m->what[s - m->f->sections];
	bool big = m->arch[0] == ARCH_ARMEB;
	unsigned n = 0, always = 0;

	if ((s->addr + at) % 4)
		return 1;
	for (; n < words && s->size - at >= 4; at += 4, n++) {
		const uint8_t *p = s->data + at;

		if (n && (w[at / 2] & START))
			break;
		always += p[big ? 0 : 3] >> 4 == 14;
	}
	if (words > WORDS)
		return 2 * always < n;
	return n && 4 * always >= 3 * n ? 0 : 3 * always <= n ? 1 : -1;
}

static void known(struct sweep *m, bool ignore_symbols)
{
	struct elf *f = m->f;

	for (size_t i = 0; i < f->nframes; i++) {
		uint16_t *q = halfword(m, f->frames[i].addr);

		if (q)
			*q |= START;
	}
	for (size_t i = 0; i < f->nsymbols; i++) {
		const struct elf_symbol *s = &f->symbols[i];

		if (s->defined && (s->dynamic || !ignore_symbols) &&
			(s->type == ELF_FUNC || s->type == ELF_IFUNC))
			hint(m, s->addr, s->thumb, ARM, THUMB);
	}
	for (size_t i = 0; i < f->nroots; i++) {
		if (f->roots[i] & 1)
			hint(m, f->roots[i] - 1, true, ARM, THUMB);
	}
	for (size_t i = 0; i < f->nrelocs; i++) {
		const struct elf_reloc *r = &f->relocs[i];
		uint64_t v = elf_reloc_value(f, r);

		if (r->kind != ELF_R_ADDR || r->size != f->word || r->sym != ELF_NONE)
			continue;
		if (v & 1)
			hint(m, v - 1, true, ARM, THUMB);
	}
}

/* ---- data ---- */

static void data(struct sweep *m, uint64_t at, uint64_t n)
{
	for (uint64_t end = at + n; at < end && at < m->s->size; at += 2) {
		uint16_t *q = &m->w[at / 2];

		if (*q & (ARM | THUMB))
			return; /* known better */
		*q |= at >= m->at ? DATA : NOW_DATA;
	}
}

/* How many entries a table has that is bounded by the last compare. */
static uint64_t bound(const struct sweep *m)
{
	return m->since_limit < NEAR ? MIN(m->limit + 1, (uint64_t)TABLE_MAX) : TABLE_MAX;
}

/* Distances, in units of 2 bytes, from the table, which is behind the jump. No code is before what
 * they lead to. */
static void short_table(struct sweep *m, const struct risc *i)
{
	uint64_t base = m->at + i->len, at = base, code = m->s->size, n = bound(m);

	for (; n && at + i->size <= code; n--, at += i->size) {
		uint64_t to = base + 2 * elf_number(m->f, m->s->data + at, i->size);

		if (to < at + i->size || to > m->s->size)
			break;
		code = MIN(code, to);
	}
	data(m, base, at - base);
}

/* Addresses, or distances from the table, which the code before the jump has computed. */
static void long_table(struct sweep *m, uint64_t base)
{
	const struct elf_section *s = m->s;
	uint64_t at = base, code = s->size;

	for (unsigned n = 0; n < TABLE_MAX && at + 4 <= code; n++, at += 4) {
		uint64_t v = elf_number(m->f, s->data + at, 4) & ~UINT64_C(1);
		uint64_t to = v - s->addr;

		if (to >= s->size)
			to = base + (uint64_t)(int64_t)(int32_t)v;
		if (to > s->size || (to < base ? base - to : to - base) > TABLE_REACH ||
			(to >= base && to < at + 4))
			break;
		if (to >= base)
			code = MIN(code, to);
	}
	data(m, base, at - base);
}

/* What an instruction says of other places. */
static void note(struct sweep *m, const struct risc *i)
{
	uint64_t target = m->at + (uint64_t)i->imm, next = m->at + i->len;
	bool direct = i->what & RISC_DIRECT;

	m->since_limit++;
	m->since_table++;
	if (i->op == RISC_COMPARE && i->ra != RISC_NOREG) {
		m->limit = (uint64_t)i->imm;
		m->since_limit = 0;
	} else if (i->op == RISC_PC) {
		m->table = target;
		m->since_table = 0;
	} else if (i->op == RISC_LITERAL) {
		if (target < m->s->size)
			data(m, target, i->size);
	} else if (i->op == RISC_TABLE && i->ra == RISC_HERE) {
		short_table(m, i);
	} else if (i->op == RISC_LOAD_SUM && i->ra == RISC_HERE && i->rd == 15) {
		if (target < m->s->size)
			long_table(m, target);
	} else if (!direct && (i->flow == INSN_JUMP || i->flow == INSN_COND) &&
		   m->since_table < NEAR && m->table - next <= 8 && m->table < m->s->size) {
		long_table(m, m->table);
	}
	if (direct && (i->flow == INSN_CALL || i->flow == INSN_JUMP || i->flow == INSN_COND))
		hint(m, (m->s->addr + target) & m->f->mask, m->thumb != !!(i->what & RISC_SWITCH),
			NOW_ARM, NOW_THUMB);
}

/* ---- reading ---- */

static void put(struct sweep *m, uint64_t at, uint8_t arch)
{
	struct elf *f = m->f;

	if (m->emit && (!f->nmarks || f->marks[f->nmarks - 1].arch != arch ||
			       f->marks[f->nmarks - 1].addr < m->s->addr))
		add_mark(f, &m->cap, m->s->addr + at, arch);
}

static void choose(struct sweep *m, uint16_t q)
{
	bool arm = q & (ARM | NOW_ARM | WAS_ARM), thumb = q & (THUMB | NOW_THUMB | WAS_THUMB);
	int seems;

	if (q & (ARM | THUMB)) {
		arm = q & ARM;
		thumb = q & THUMB;
	}
	if (arm != thumb) {
		m->thumb = thumb;
	} else if (arm || (q & START)) {
		seems = looks(m, m->s, m->at, WORDS);
		m->thumb = seems < 0 ? m->thumb : seems;
	} else if (m->ended && (m->s->addr + m->at) % 4 == 0) { /* another function, perhaps */
		seems = looks(m, m->s, m->at, FEW_WORDS);
		if (seems >= 0 && looks(m, m->s, m->at, WORDS) == seems)
			m->thumb = seems;
	}
	m->ended = false;
}

static void read_section(struct sweep *m, const struct elf_section *s)
{
	m->s = s;
	m->w = m->what[s - m->f->sections];
	m->thumb = looks(m, s, 0, 2 * WORDS) != 0;
	m->since_limit = m->since_table = NEAR;
	m->ended = false;
	for (m->at = 0; s->size - m->at >= 2;) {
		uint16_t *q = &m->w[m->at / 2];
		bool ended = m->ended, data = *q & (DATA | WAS_DATA);
		struct risc i;

		if (!data)
			choose(m, *q);
		*q &= (uint16_t)~DATA;
		if (data || (!m->thumb && (s->addr + m->at) % 4)) {
			put(m, m->at, ARCH_NONE);
			m->at += 2;
			continue;
		}
		m->ops[m->thumb]->read(
			s->data + m->at, (size_t)(s->size - m->at), s->addr + m->at, &i);
		if (i.len < 2 || (i.len == 4 && (q[1] & (DATA | WAS_DATA | ARM | THUMB)))) {
			put(m, m->at, ARCH_NONE); /* cut off */
			m->at += 2;
			continue;
		}
		put(m, m->at, m->arch[m->thumb]);
		note(m, &i);
		m->ended = i.flow == INSN_JUMP || i.flow == INSN_RET || i.flow == INSN_STOP ||
			   (ended && (i.what & RISC_PADDING));
		m->at += i.len;
	}
	if (m->at < s->size)
		put(m, m->at, ARCH_NONE);
}

static void read_all(struct sweep *m)
{
	for (size_t i = 0; i < m->f->nsections; i++) {
		if (m->what[i])
			read_section(m, &m->f->sections[i]);
	}
}

/* What was found in this round is known in the next. Whether it is not the same as before. */
static bool next_round(struct sweep *m)
{
	bool news = false;

	for (size_t i = 0; i < m->f->nsections; i++) {
		uint16_t *w = m->what[i];

		for (size_t k = 0; w && k < m->f->sections[i].size / 2; k++) {
			uint16_t was = w[k] & (NOW << SHIFT),
				 now = (uint16_t)((w[k] & NOW) << SHIFT);

			news = news || now != was;
			w[k] = (uint16_t)((w[k] & ~(NOW | was)) | now);
		}
	}
	return news;
}

static void make_marks(struct elf *f, bool ignore_symbols)
{
	uint8_t other = arch_info(f->arch)->other;
	uint64_t bytes = 0;
	struct sweep m = {.f = f,
		.ops = {risc_ops(f->arch), risc_ops(other)},
		.arch = {(uint8_t)f->arch, other}};

	m.what = mem_zalloc(f->nsections, sizeof(*m.what));
	for (size_t i = 0; i < f->nsections; i++) {
		const struct elf_section *s = &f->sections[i];

		if (!s->exec || !s->data || stubs_section(s) || s->size > f->n - bytes)
			continue; /* or the sections share bytes: hostile */
		m.what[i] = mem_zalloc((size_t)s->size / 2 + 2, sizeof(**m.what));
		bytes += s->size;
	}
	known(&m, ignore_symbols);
	for (unsigned round = 0; round < ROUNDS; round++) {
		read_all(&m);
		if (!next_round(&m))
			break;
	}
	m.emit = true;
	read_all(&m);
	for (size_t i = 0; i < f->nsections; i++)
		mem_free(m.what[i]);
	mem_free(m.what);
}

void isa_find(struct elf *f, bool ignore_symbols)
{
	if (!ignore_symbols)
		read_symbols(f);
	if (!f->nmarks && has_two(f))
		make_marks(f, ignore_symbols);
}
