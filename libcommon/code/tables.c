/*
 * tables.c: see tables.h.
 *
 * The instructions before an indirect jump are run on abstract values: a constant, an index, an
 * index scaled, a table's entry, an entry added to a base. What the jump goes to is then a table
 * whose base, kind of entry and, by a compare with the index, length are known. Where the length
 * is not, the table goes as far as its entries are instructions of the function.
 */
#include "code/tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/sort.h"

enum {
	WINDOW = 48,         /* instructions looked at before a jump */
	NEAR_STORE = 3,      /* from an address to where it is stored */
	ENTRIES_MAX = 65536, /* of one table */
	FEW = 8,             /* searches through cuts that are not sorted */
	FEW_NUMBERS = 24,    /* sorted by insertion */
	TOGETHER = 16,       /* instructions decoded */
};

enum value_kind { UNKNOWN, CONSTANT, SCALED, ENTRY, TARGET };

struct value {
	uint8_t kind;    /* enum value_kind */
	uint8_t scale;   /* SCALED: factor; ENTRY, TARGET: bytes of an entry */
	uint32_t holder; /* UNKNOWN: the variable it was loaded from, or 0; ENTRY, TARGET: the */
			 /* register or variable that holds the table's address, if base is 0 */
	uint64_t base; /* CONSTANT: itself; SCALED: added; ENTRY, TARGET: the table's address, or 0
			*/
	uint64_t add;  /* TARGET: what entries are relative to; 0: the table itself */
	uint64_t origin; /* where the index comes from: equal numbers are equal values */
};

struct state {
	struct value reg[16];
	uint64_t next;            /* unused origin */
	uint64_t compared, limit; /* the last compare: origin and constant */
	unsigned word;            /* bytes of an address */
	uint64_t got;             /* position-independent 32-bit code: the address it keeps in a */
				  /* register, mostly ebx; a register not known is taken for it */
	bool comparing;           /* a compare of an index with a constant was the last one */
	uint64_t bounded, bound;  /* origin known to be less than bound */
	uint64_t kept_at; /* a variable, by what its place is hashed to, and what was put there last
			   */
	struct value kept;
};

struct search {
	struct tables *t;
	struct insn_decoder *d;
	const struct tables_code *c;
	size_t entries;       /* that may still be read, */
	size_t steps;         /* and addresses tried: hostile code has no end of jumps */
	bool listed;          /* list_holders was called */
	const uint64_t *cuts; /* in any order, */
	size_t ncuts;
	unsigned searches;                 /* and how often one was looked for */
	const struct elf_section *section; /* the last one read from */
};

static bool is_gpr(const struct insn_op *o)
{
	return o->kind == INSN_OP_REG && o->reg.id < 16 && o->reg.lo == 0;
}

static void forget(struct state *s, unsigned r)
{
	if (r < 16)
		s->reg[r] = (struct value){.kind = UNKNOWN, .origin = s->next++};
}

static void forget_all(struct state *s)
{
	for (unsigned r = 0; r < 16; r++)
		forget(s, r);
	s->comparing = false;
}

/* What the relocation in an instruction of an object file stands for; 0 if there is none. */
static uint64_t relocated(const struct search *f, const struct insn *i, uint64_t addr)
{
	const struct elf *elf = f->c->im->elf;
	uint64_t end = addr + i->len;
	size_t k = elf->object ? elf_reloc_from(elf, addr) : elf->nrelocs;

	if (k == elf->nrelocs || elf->relocs[k].addr >= end)
		return 0;
	return image_reloc(f->c->im, &elf->relocs[k], (unsigned)(end - elf->relocs[k].addr), false)
		.target;
}

/* The address of a memory operand that is one by itself, or 0. */
static uint64_t fixed_address(
	const struct search *f, const struct insn *i, const struct insn_op *o, uint64_t addr)
{
	uint64_t r = relocated(f, i, addr);

	if (r)
		return r;
	if (o->mem.base == X86_RIP)
		return addr + i->len + (uint64_t)o->mem.disp;
	return f->c->im->elf->movable ? 0 : (uint64_t)o->mem.disp & f->c->im->elf->mask;
}

/* An operand of 32-bit code that is relative to the GOT. */
static uint64_t got_relative(const struct state *s, const struct search *f, const struct insn *i,
	const struct insn_op *o, uint64_t addr)
{
	uint64_t r = relocated(f, i, addr);

	return r || !s->got ? r : (s->got + (uint64_t)o->mem.disp) & f->c->im->elf->mask;
}

/* A number for the place [base + displacement]. */
static uint64_t variable(const struct state *s, const struct insn_op *o)
{
	uint64_t base = s->reg[o->mem.base].origin;

	return UINT64_C(1) << 63 | hash_mix(base + ((uint64_t)o->mem.disp << 32));
}

/* The same by the base's name, which is no register's: it is not known where it changes. */
static uint32_t holding_variable(const struct insn_op *o)
{
	return (uint32_t)hash_mix(o->mem.base + ((uint64_t)o->mem.disp << 8)) | 1u << 31;
}

/* mov to memory: code that is not optimised keeps there what it jumps to. */
static void store(struct state *s, const struct insn_op *o, const struct insn_op *from)
{
	if (o->mem.base >= 16 || o->mem.index != X86_NOREG || !is_gpr(from))
		return;
	if (o->size == s->word && s->reg[from->reg.id].kind != UNKNOWN) {
		s->kept_at = variable(s, o);
		s->kept = s->reg[from->reg.id];
	} else if (s->kept_at == variable(s, o)) {
		s->kept.kind = UNKNOWN;
	}
}

/* What is loaded from memory. */
static struct value load(struct state *s, const struct search *f, const struct insn *i,
	const struct insn_op *o, uint64_t addr)
{
	const struct value none = {.kind = UNKNOWN, .origin = s->next++};
	const struct value *base = o->mem.base < 16 ? &s->reg[o->mem.base] : NULL;
	const struct value *index = o->mem.index < 16 ? &s->reg[o->mem.index] : NULL;
	struct value v = {.kind = ENTRY, .scale = o->size, .holder = X86_NOREG};

	if (o->mem.seg == X86_FS || o->mem.seg == X86_GS)
		return none;
	if (base && !index && base->kind == SCALED && base->scale == o->size && s->word == 4) {
		v.base = relocated(f, i, addr);
		if (!v.base && (base->base || !f->c->im->elf->movable))
			v.base = (base->base + (uint64_t)o->mem.disp) & f->c->im->elf->mask;
		v.origin = base->origin;
		return v.base ? v : none;
	}
	if (base && !index && s->kept.kind != UNKNOWN && s->kept_at == variable(s, o))
		return s->kept;
	if (base && !index) /* the same place holds the same value for a while */
		return (struct value){
			.kind = UNKNOWN, .origin = variable(s, o), .holder = holding_variable(o)};
	if (o->size != 4 && o->size != 8)
		return none;
	if (index && o->mem.scale == 1 && base) {
		/* [address + scaled], in either order */
		if (index->kind == CONSTANT) {
			const struct value *t = base;

			base = index;
			index = t;
		}
		if (base->kind == SCALED && index->kind == UNKNOWN) {
			const struct value *t = base;

			base = index;
			index = t;
		}
		if (index->kind != SCALED || index->scale != o->size || index->base)
			return none;
		if (base->kind == CONSTANT)
			v.base = base->base + (uint64_t)o->mem.disp;
		else if (s->word == 4 && base->kind == UNKNOWN && f->c->im->elf->movable)
			v.base = got_relative(s, f, i, o, addr);
		if (!v.base)
			return none;
	} else if (index && o->mem.scale == o->size) {
		if (!base)
			v.base = fixed_address(f, i, o, addr);
		else if (base->kind == CONSTANT)
			v.base = base->base + (uint64_t)o->mem.disp;
		else if (s->word == 4 && f->c->im->elf->movable && o->mem.disp)
			v.base = got_relative(s, f, i, o, addr);
		else if (s->word == 4 && f->c->im->elf->movable && !s->got)
			v.base = relocated(f, i, addr);
		if (!v.base && o->mem.disp == 0 && base && base->kind != CONSTANT)
			v.holder = base->holder ? base->holder : o->mem.base;
		if (!v.base && v.holder == X86_NOREG)
			return none;
	} else {
		return none;
	}
	v.origin = index->origin;
	return v;
}

/* x + y; rx and ry are the registers they are in, or X86_NOREG. */
static struct value sum(
	struct state *s, const struct value *x, unsigned rx, const struct value *y, unsigned ry)
{
	unsigned holder = ry;
	struct value v;

	if (x->kind != ENTRY) {
		const struct value *t = x;

		x = y;
		y = t;
		holder = rx;
	}
	v = *x;
	v.kind = TARGET;
	if (x->kind == ENTRY && x->scale == 4) {
		if (y->kind == CONSTANT) {
			v.add = y->base;
			return v;
		}
		if (!x->base && x->holder == holder)
			return v;
		if (s->word == 4 && y->kind == UNKNOWN) {
			v.add = s->got;
			return v;
		}
	}
	return (struct value){.kind = UNKNOWN, .origin = s->next++};
}

static struct value address(
	struct state *s, const struct search *f, const struct insn *i, uint64_t addr)
{
	const struct insn_op *o = &i->op[1];
	struct value v = {.kind = UNKNOWN, .origin = s->next++};

	if (o->mem.index == X86_NOREG && (o->mem.base == X86_RIP || o->mem.base == X86_NOREG)) {
		v.base = fixed_address(f, i, o, addr);
		v.kind = v.base ? CONSTANT : UNKNOWN;
	} else if (o->mem.index < 16 && o->mem.base < 16 && o->mem.scale == 1 && o->mem.disp == 0) {
		v = sum(s, &s->reg[o->mem.base], o->mem.base, &s->reg[o->mem.index], o->mem.index);
	} else if (s->got && o->mem.index == X86_NOREG && o->mem.base < 16 &&
		   s->reg[o->mem.base].kind == UNKNOWN) {
		v.base = got_relative(s, f, i, o, addr);
		v.kind = CONSTANT;
	} else if (o->mem.index < 16 && o->mem.base == X86_NOREG && o->mem.disp == 0 &&
		   s->reg[o->mem.index].kind == UNKNOWN) {
		v.kind = SCALED;
		v.scale = o->mem.scale;
		v.origin = s->reg[o->mem.index].origin;
	}
	return v;
}

/* mov, movsxd, movzx into a general register. */
static struct value moved(
	struct state *s, const struct search *f, const struct insn *i, uint64_t addr)
{
	const struct insn_op *o = &i->op[1];
	struct value v = {.kind = UNKNOWN, .origin = s->next++};

	if (o->kind == INSN_OP_MEM)
		return load(s, f, i, o, addr);
	if (o->kind == INSN_OP_IMM) {
		v.kind = CONSTANT;
		v.base = relocated(f, i, addr);
		if (!v.base)
			v.base = (uint64_t)o->imm & f->c->im->elf->mask;
		return v;
	}
	if (!is_gpr(o))
		return v;
	if (o->size < 4) /* movzx: bounded by its size, and the same index */
		v.origin = s->reg[o->reg.id].origin;
	else
		v = s->reg[o->reg.id];
	return v;
}

/* Compares with constants, and masks, bound an index. */
static void note_compare(
	struct state *s, const struct insn *i, const struct search *f, uint64_t addr)
{
	const struct insn_op *a = &i->op[0], *b = &i->op[1];
	uint64_t mask = a->size < 8 ? (UINT64_C(1) << 8 * a->size) - 1 : UINT64_MAX;

	s->comparing = false;
	if (i->nops != 2 || b->kind != INSN_OP_IMM)
		return;
	if (is_gpr(a))
		s->compared = s->reg[a->reg.id].origin;
	else if (a->kind == INSN_OP_MEM)
		s->compared = load(s, f, i, a, addr).origin;
	else
		return;
	s->limit = (uint64_t)b->imm & mask;
	s->comparing = true;
}

static void note_branch(struct state *s, const struct insn *i, bool taken)
{
	uint8_t cc = taken ? i->cc ^ 1 : i->cc; /* the condition under which we would not be here */

	if (!s->comparing || i->cc == X86_CC_NONE || (cc != X86_CC_A && cc != X86_CC_AE))
		return;
	s->bounded = s->compared;
	s->bound = s->limit + (cc == X86_CC_A);
}

static void clobber(struct state *s, const struct insn *i)
{
	static const uint8_t by_calls[] = {
		X86_RAX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_R8, X86_R9, X86_R10, X86_R11};

	for (unsigned k = 0; k < i->nops; k++) {
		if (i->op[k].kind == INSN_OP_REG && (i->op[k].access & INSN_WRITE))
			forget(s, i->op[k].reg.id);
	}
	for (unsigned k = 0; k < i->nwrites; k++)
		forget(s, i->writes[k].id);
	for (unsigned k = 0; i->flow == INSN_CALL && k < (s->word == 8 ? sizeof(by_calls) : 3); k++)
		forget(s, by_calls[k]);
}

/* Runs one instruction on the abstract state. */
static void step(
	struct state *s, const struct search *f, const struct insn *i, uint64_t addr, bool taken)
{
	const struct insn_op *a = &i->op[0], *b = &i->op[1];
	struct value v;

	switch (i->mn) {
	case X86_MOV:
	case X86_MOVABS:
	case X86_MOVSXD:
	case X86_MOVZX:
		if (a->kind == INSN_OP_MEM)
			store(s, a, &i->op[1]);
		if (!is_gpr(a) || a->size < 4)
			break;
		v = moved(s, f, i, addr);
		s->reg[a->reg.id] = v;
		return;
	case X86_CDQE: return; /* an entry stays one */
	case X86_LEA:
		if (!is_gpr(a) || a->size != s->word)
			break;
		v = address(s, f, i, addr);
		s->reg[a->reg.id] = v;
		return;
	case X86_ADD:
		if (!is_gpr(a) || a->size != s->word)
			break;
		if (is_gpr(b)) {
			v = sum(s, &s->reg[a->reg.id], a->reg.id, &s->reg[b->reg.id], b->reg.id);
		} else if (b->kind == INSN_OP_MEM) {
			v = load(s, f, i, b, addr);
			v = sum(s, &s->reg[a->reg.id], a->reg.id, &v, X86_NOREG);
		} else if (b->kind == INSN_OP_IMM && s->word == 4 &&
			   s->reg[a->reg.id].kind == SCALED) {
			v = s->reg[a->reg.id]; /* the table is added to an index */
			v.base = relocated(f, i, addr);
			if (!v.base)
				v.base = (uint64_t)b->imm & f->c->im->elf->mask;
		} else {
			break;
		}
		s->reg[a->reg.id] = v;
		return;
	case X86_AND:
		clobber(s, i);
		if (is_gpr(a) && i->op[1].kind == INSN_OP_IMM && i->op[1].imm > 0 &&
			i->op[1].imm < 256) {
			s->bounded = s->reg[a->reg.id].origin;
			s->bound = (uint64_t)i->op[1].imm + 1;
		}
		return;
	case X86_SHL:
		if (!is_gpr(a) || a->size != s->word || b->kind != INSN_OP_IMM || b->imm > 3 ||
			s->reg[a->reg.id].kind != UNKNOWN)
			break;
		v = (struct value){.kind = SCALED,
			.scale = (uint8_t)(1u << (b->imm & 3)),
			.origin = s->reg[a->reg.id].origin};
		s->reg[a->reg.id] = v;
		return;
	case X86_CMP: note_compare(s, i, f, addr); return;
	case X86_NOP: return;
	default: break;
	}
	if (i->flow == INSN_COND)
		note_branch(s, i, taken);
	clobber(s, i);
}

/* ---- reading tables ---- */

struct table {
	uint64_t base, add; /* entries are relative to add */
	unsigned size;
	bool absolute;  /* or addresses */
	uint64_t bound; /* entries, if known, else 0 */
};

static uint64_t distance(const uint8_t *p)
{
	return (uint64_t)(int64_t)(int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
}

/* Where entry k leads. 0 or -1. */
static int entry(struct search *f, const struct table *w, uint64_t k, uint64_t *target)
{
	const struct elf *elf = f->c->im->elf;
	uint64_t at = w->base + k * w->size;
	const struct elf_section *s = f->section;
	const struct elf_reloc *r;
	const uint8_t *p;

	if (!s || at - s->addr >= s->size)
		s = f->section = elf_section_at(elf, at);
	if (!s || !s->data || (s->write && strncmp(s->name, ".data.rel.ro", 12)))
		return -1;
	if (w->absolute)
		return elf_pointer(elf, at, target);
	r = elf->object ? elf_reloc_at(elf, at) : NULL;
	if (r) { /* relative to the entry, not to the table */
		*target = elf_reloc_value(elf, r);
		if (r->kind == ELF_R_REL)
			*target -= at - w->add;
		return r->kind == ELF_R_REL || r->kind == ELF_R_BASE ? 0 : -1;
	}
	if (s->size - (at - s->addr) < 4)
		return -1;
	p = s->data + (at - s->addr);
	*target = (w->add + distance(p)) & elf->mask;
	return 0;
}

/* Whether an instruction starts at the offset. */
static bool starts(const struct tables_code *c, uint64_t offset)
{
	return offset < c->ncode && c->starts[offset];
}

/* Entries may also lead to a part of the function that lies elsewhere. */
static bool leads_to_part(const struct search *f, uint64_t addr)
{
	const struct func *u = functions_at(&f->c->im->functions, addr);

	return u && (u->from & FUNC_PART);
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The first cut after addr, or UINT64_MAX. They are sorted when it pays. */
static uint64_t next_cut(struct search *f, uint64_t addr)
{
	struct tables *t = f->t;
	uint64_t next = UINT64_MAX;
	size_t at;

	if (f->searches++ < FEW) {
		for (size_t k = 0; k < f->ncuts; k++)
			next = f->cuts[k] > addr && f->cuts[k] < next ? f->cuts[k] : next;
		return next;
	}
	if (f->cuts != t->cuts) {
		t->cuts = mem_grow(t->cuts, &t->cap_cuts, f->ncuts, sizeof(*t->cuts));
		if (f->ncuts)
			memcpy(t->cuts, f->cuts, f->ncuts * sizeof(*t->cuts));
		sort_items(t->cuts, f->ncuts, sizeof(*t->cuts), 0, by_address);
		f->cuts = t->cuts;
	}
	at = sort_after(f->cuts, f->ncuts, sizeof(*f->cuts), 0, addr);
	return at < f->ncuts ? f->cuts[at] : UINT64_MAX;
}

/* *p becomes room for a number for each of n bytes: cleared once, then as it was left. */
static void make_room(uint32_t **p, size_t *cap, size_t n)
{
	if (n <= *cap)
		return;
	mem_free(*p);
	*cap = n + n / 2;
	*p = mem_zalloc(*cap, sizeof(**p));
}

/* Sorts numbers: few by insertion, others byte by byte, the lowest first. */
static void sort_numbers(struct tables *t, uint32_t *p, size_t n)
{
	uint32_t most = 0;

	for (size_t i = 1, k; n <= FEW_NUMBERS && i < n; i++) {
		uint32_t v = p[i];

		for (k = i; k && p[k - 1] > v; k--)
			p[k] = p[k - 1];
		p[k] = v;
	}
	if (n <= FEW_NUMBERS)
		return;
	t->sorting = mem_grow(t->sorting, &t->cap_sorting, n, sizeof(*t->sorting));
	for (size_t i = 0; i < n; i++)
		most = MAX(most, p[i]);
	for (unsigned shift = 0; shift < 32 && most >> shift; shift += 8) {
		uint32_t at[257] = {0};

		for (size_t i = 0; i < n; i++)
			at[(p[i] >> shift & 255) + 1]++;
		for (unsigned k = 1; k < 256; k++)
			at[k] += at[k - 1];
		for (size_t i = 0; i < n; i++)
			t->sorting[at[p[i] >> shift & 255]++] = p[i];
		memcpy(p, t->sorting, n * sizeof(*p));
	}
}

/* The entries of a table that are nothing but distances in one section, *n of them, or NULL. */
static const uint8_t *distances(const struct search *f, const struct table *w, uint64_t *n)
{
	const struct elf *elf = f->c->im->elf;
	const struct elf_section *s = elf_section_at(elf, w->base);

	*n = 0;
	if (w->absolute || elf->object || !s || !s->data ||
		(s->write && strncmp(s->name, ".data.rel.ro", 12)))
		return NULL;
	*n = (s->size - (w->base - s->addr)) / 4;
	return s->data + (w->base - s->addr);
}

/*
 * Reads the table of the jump. Whether it is one. clang lets entries for what cannot happen lead to
 * the end of the function; they are passed over.
 */
static bool read_table(struct search *f, uint32_t jump, const struct table *w)
{
	struct tables *t = f->t;
	uint64_t limit = w->bound ? w->bound : (next_cut(f, w->base) - w->base) / w->size, k;
	uint64_t simple, mask = f->c->im->elf->mask;
	const uint8_t *p = distances(f, w, &simple);
	size_t first = t->ntargets, n = first;

	make_room(&t->seen, &t->cap_seen, f->c->ncode);
	t->round++;
	limit = MIN(limit, (uint64_t)MIN(f->entries, (size_t)ENTRIES_MAX));
	for (k = 0; k < limit; k++) {
		uint64_t target, offset;

		if (k < simple)
			target = (w->add + distance(p + 4 * k)) & mask;
		else if (entry(f, w, k, &target) < 0)
			break;
		offset = target - f->c->addr;
		if (!starts(f->c, offset)) {
			if (offset != f->c->ncode && !leads_to_part(f, target))
				break;
			continue;
		}
		if (t->seen[offset] == t->round)
			continue;
		t->seen[offset] = t->round;
		t->targets = mem_grow(t->targets, &t->cap_targets, n + 1, sizeof(*t->targets));
		t->targets[n++] = (uint32_t)offset;
	}
	f->entries -= (size_t)k;
	if (n == first || (k < 2 && w->bound != 1))
		return false;
	t->ntargets = n;
	sort_numbers(t, t->targets + first, n - first);
	t->t = mem_grow(t->t, &t->cap_t, t->n + 1, sizeof(*t->t));
	t->t[t->n++] = (struct cfg_table){jump, (uint32_t)(t->ntargets - first), NULL};
	return true;
}

/* ---- finding them ---- */

/* Instruction i of the function, at the offset. Whether it decodes. */
static bool decode(const struct search *f, size_t offset, struct insn *i)
{
	return insn_decode(f->d, f->c->code + offset, f->c->ncode - offset, i) == 1;
}

/*
 * Steps back from an instruction with `end` ends before it, WINDOW instructions at most and not
 * over the end of a path; the index reached, and *offset.
 */
static uint32_t window_start(
	const struct tables_code *c, uint32_t insn, size_t end, uint32_t *offset)
{
	uint32_t first = insn > WINDOW ? insn - WINDOW : 0;

	while (end-- && c->end[end].insn >= first) {
		const struct cfg_end *e = &c->end[end];

		if (e->flow == INSN_JUMP || e->flow == INSN_RET || e->flow == INSN_STOP) {
			*offset = e->next;
			return e->insn + 1;
		}
	}
	for (uint32_t k = insn; k > first;)
		*offset -= c->len[--k];
	return first;
}

static bool is_prefix(uint8_t b)
{
	return (b & 0xf0) == 0x40 || b == 0x66 || b == 0x67 || (b & 0xe7) == 0x26 ||
	       (b & 0xfe) == 0x64 || b == 0xf0 || (b & 0xfe) == 0xf2;
}

/* Where the opcode of the len bytes of 64-bit code is. */
static unsigned opcode_at(const uint8_t *p, unsigned len)
{
	unsigned i = 0;

	while (i < len && is_prefix(p[i]))
		i++;
	return i;
}

/*
 * Whether one of the instructions first to end-1, of 64-bit code, may load an entry: mov, movsxd or
 * add from memory with an index. If there is none, none need be run: most indirect jumps are calls
 * at the end of a function.
 */
static bool may_load(const struct tables_code *c, uint32_t first, uint32_t end, uint32_t offset)
{
	for (uint32_t k = first; k < end; offset += c->len[k++]) {
		const uint8_t *p = c->code + offset;
		unsigned len = c->len[k], i = opcode_at(p, len);

		if (i + 2 >= len || (p[i] != 0x8b && p[i] != 0x63 && p[i] != 0x03))
			continue;
		if (p[i + 1] < 0xc0 && (p[i + 1] & 7) == 4 &&
			((p[i + 2] & 0x38) != 0x20 || (i && (p[i - 1] & 0xf2) == 0x42)))
			return true;
	}
	return false;
}

/* Runs instructions first to end-1; `taken`: the last one is a branch that is taken. */
static void run(struct state *s, const struct search *f, uint32_t first, uint32_t end,
	uint32_t offset, bool taken)
{
	const struct tables_code *c = f->c;
	struct insn i[TOGETHER];

	for (uint32_t n; first < end; first += n) {
		n = MIN(end - first, (uint32_t)TOGETHER);
		insn_decode_all(f->d, c->code + offset, c->ncode - offset, c->len + first, n, i);
		for (uint32_t k = 0; k < n; k++) {
			if (i[k].len)
				step(s, f, &i[k], c->addr + offset, taken && first + k + 1 == end);
			else
				forget_all(s);
			offset += c->len[first + k];
		}
	}
}

static bool is_jump(const struct cfg_end *e)
{
	return e->flow == INSN_COND || e->flow == INSN_JUMP;
}

/* For each byte the first of the jumps to it. */
static void list_sources(struct search *f)
{
	const struct tables_code *c = f->c;
	struct tables *t = f->t;

	make_room(&t->source, &t->cap_source, c->ncode);
	for (size_t k = c->nends; k-- > 0;) {
		if (c->end[k].target != CFG_NOWHERE && is_jump(&c->end[k]))
			t->source[c->end[k].target] = (uint32_t)k;
	}
}

/* The first jump to the offset, or NULL. */
static const struct cfg_end *source(const struct search *f, uint32_t offset)
{
	const struct cfg_end *e;

	if (f->t->source[offset] >= f->c->nends) /* left there for another function */
		return NULL;
	e = &f->c->end[f->t->source[offset]];
	return e->target == offset && is_jump(e) ? e : NULL;
}

static void add_holder(struct tables *t, struct tables_holder h)
{
	t->holder = mem_grow(t->holder, &t->cap_holder, t->nholders + 1, sizeof(*t->holder));
	t->holder[t->nholders++] = h;
}

/* The address that the instruction puts into a register, or 0. */
static uint64_t held(const struct search *f, const struct insn *i, uint64_t addr)
{
	const struct elf *elf = f->c->im->elf;
	const struct insn_op *o = &i->op[1];

	if (i->mn == X86_MOV && o->kind == INSN_OP_IMM && !elf->movable)
		return (uint64_t)o->imm & elf->mask;
	if (i->mn != X86_LEA || o->mem.index != X86_NOREG)
		return 0;
	if (o->mem.base == X86_RIP || o->mem.base == X86_NOREG)
		return fixed_address(f, i, o, addr);
	if (elf->word != 4 || !elf->movable)
		return 0;
	return elf->object ? relocated(f, i, addr) : (elf->got + (uint64_t)o->mem.disp) & elf->mask;
}

/* Whether the instruction may be a lea, or a mov to memory or of a constant. */
static bool may_hold(const struct search *f, const uint8_t *p, unsigned len)
{
	unsigned i = opcode_at(p, len);

	if (f->c->im->elf->word == 4 || i == len)
		return true;
	return p[i] == 0x8d || (p[i] & 0xfe) == 0x88 || (p[i] & 0xfc) == 0xa0 ||
	       (p[i] & 0xf0) == 0xb0 || (p[i] & 0xfe) == 0xc6;
}

/* All addresses that are put into registers, and from there into variables, in the order of the
 * code. */
static void list_holders(struct search *f)
{
	struct tables *t = f->t;
	struct tables_holder h = {.what = X86_NOREG};
	size_t at = 0;

	f->listed = true;
	t->nholders = 0;
	for (uint32_t k = 0; k < f->c->ninsns; at += f->c->len[k], k++) {
		struct insn i;
		uint64_t addr;

		if (f->c->len[k] < 5 && k - h.insn > NEAR_STORE)
			continue;
		if (!may_hold(f, f->c->code + at, f->c->len[k]) || !decode(f, at, &i))
			continue;
		if (i.mn == X86_MOV && i.op[0].kind == INSN_OP_MEM && is_gpr(&i.op[1]) &&
			i.op[1].reg.id == h.what && k - h.insn <= NEAR_STORE)
			add_holder(
				t, (struct tables_holder){h.addr, k, holding_variable(&i.op[0])});
		addr = is_gpr(&i.op[0]) ? held(f, &i, f->c->addr + at) : 0;
		if (!addr)
			continue;
		h = (struct tables_holder){addr, k, i.op[0].reg.id};
		add_holder(t, h);
	}
}

static bool try_holder(
	struct search *f, const struct tables_jump *j, struct table *w, uint32_t r, size_t k)
{
	const struct tables_holder *h = &f->t->holder[k];

	if (!f->steps)
		return false;
	f->steps--;
	if (h->what != r)
		return false;
	w->base = w->add = h->addr;
	return read_table(f, j->insn, w);
}

/*
 * The table's address is in a register that was set far away: tries every address the function
 * loads into that register, the last one before the jump first.
 */
static bool try_holders(struct search *f, const struct tables_jump *j, struct table *w, uint32_t r)
{
	size_t before = 0;

	if (!f->listed)
		list_holders(f);
	while (before < f->t->nholders && f->t->holder[before].insn < j->insn)
		before++;
	for (size_t k = before; k-- > 0;) {
		if (try_holder(f, j, w, r, k))
			return true;
	}
	for (size_t k = before; k < f->t->nholders; k++) {
		if (try_holder(f, j, w, r, k))
			return true;
	}
	return false;
}

/* The first jump to an instruction from `first` on, up to `jump`; which one, and its offset. */
static const struct cfg_end *entrance(
	const struct search *f, uint32_t first, uint32_t jump, uint32_t *to, uint32_t *offset)
{
	for (uint32_t k = first; k <= jump; *offset += f->c->len[k], k++) {
		const struct cfg_end *e = source(f, *offset);

		if (e) {
			*to = k;
			return e;
		}
		if (f->c->code[*offset] != 0x0f && f->c->code[*offset] != 0x66 &&
			f->c->code[*offset] != 0x90 && f->c->code[*offset] != 0x2e)
			return NULL; /* not the padding in front of a block */
	}
	return NULL;
}

static void find_one(struct search *f, const struct tables_jump *j)
{
	const struct elf *elf = f->c->im->elf;
	struct state s = {.next = 1, .word = elf->word};
	uint32_t offset = j->offset, first = window_start(f->c, j->insn, j->end, &offset);
	uint32_t skipped = offset, to = 0, back = 0, start = 0;
	const struct cfg_end *from = entrance(f, first, j->insn, &to, &skipped);
	const struct insn_op *o;
	struct table w;
	struct value v;
	struct insn i;

	if (!decode(f, j->offset, &i))
		return;
	if (!first || j->insn - first >= WINDOW)
		from = NULL;
	if (from) { /* nothing falls into this path */
		back = from->next - f->c->len[from->insn];
		start = window_start(f->c, from->insn, (size_t)(from - f->c->end), &back);
		first = to, offset = skipped;
	}
	o = &i.op[0];
	if (elf->word == 8 && o->kind != INSN_OP_MEM && !may_load(f->c, first, j->insn, offset) &&
		!(from && may_load(f->c, start, from->insn + 1, back)))
		return;
	if (elf->word == 4 && elf->movable)
		s.got = elf->got;
	forget_all(&s);
	if (from)
		run(&s, f, start, from->insn + 1, back, true);
	run(&s, f, first, j->insn, offset, false);
	if (o->kind == INSN_OP_MEM)
		v = load(&s, f, &i, o, f->c->addr + j->offset);
	else if (is_gpr(o))
		v = s.reg[o->reg.id];
	else
		return;
	if (!(v.kind == ENTRY && v.scale == s.word) && !(v.kind == TARGET && v.scale == 4))
		return;
	w = (struct table){v.base, v.add ? v.add : v.base, v.scale, v.kind == ENTRY, 0};
	if (s.bound && s.bounded == v.origin)
		w.bound = s.bound;
	if (w.base)
		read_table(f, j->insn, &w);
	else
		try_holders(f, j, &w, v.holder);
}

void tables_find(struct tables *t, struct insn_decoder *d, const struct tables_code *c,
	const struct tables_jump *jumps, size_t njumps, const uint64_t *cuts, size_t ncuts)
{
	struct search f = {.t = t,
		.d = d,
		.c = c,
		.entries = 4 * c->ninsns + 4 * ENTRIES_MAX,
		.steps = 64 * c->ninsns,
		.cuts = cuts,
		.ncuts = ncuts};
	size_t at = 0;

	t->n = t->ntargets = 0;
	if (!njumps)
		return;
	list_sources(&f);
	for (size_t k = 0; k < njumps; k++)
		find_one(&f, &jumps[k]);
	for (size_t k = 0; k < t->n; at += t->t[k].n, k++)
		t->t[k].targets = t->targets + at;
}

void tables_free(struct tables *t)
{
	mem_free(t->t);
	mem_free(t->targets);
	mem_free(t->cuts);
	mem_free(t->source);
	mem_free(t->holder);
	mem_free(t->seen);
	mem_free(t->sorting);
	*t = (struct tables){0};
}
