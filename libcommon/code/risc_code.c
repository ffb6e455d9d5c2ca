/*
 * risc_code.c: see risc_code.h.
 *
 * One pass over the code in the order of addresses. At a branch ahead to a place that nothing
 * falls into, the state is kept for that place; elsewhere the state is that of the instruction
 * before, whatever else leads there: compilers set registers before loops and branches.
 */
#include "code/risc_code.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/sort.h"
#include "code/isa.h"
#include "code/stubs.h"

enum {
	STATES_MAX = 4096,   /* kept at the same time */
	ENTRIES_MAX = 65536, /* of all tables of a range beside 4 for each instruction */
	SHORT_MAX = 256,     /* of one table of small entries whose length is not known */
	NEAR_START = 64,
	NO_ADDRESS = 65536, /* numbers below are none */
	STUB_INSNS = 6,
};

#define CALLED UINT32_MAX /* a snapshot: none, a function starts here */

enum value_kind { UNKNOWN, CONSTANT, SCALED, ENTRY, TARGET, SLOT, LESS };

struct value {
	uint8_t kind;    /* enum value_kind */
	uint8_t shift;   /* SCALED: of the index; TARGET: of the entry */
	uint8_t size;    /* ENTRY, TARGET: bytes of an entry */
	bool is_signed;  /* the same */
	bool is_address; /* CONSTANT: not just a number */
	bool by_itself;  /* TARGET: entries are relative to the table, which is in the holder */
	uint32_t origin; /* where an index comes from: equal numbers are equal values */
	uint32_t self;   /* SCALED, ENTRY: the same of the value itself */
	uint32_t holder; /* UNKNOWN: the variable it was loaded from; SCALED, ENTRY, TARGET: what */
			 /* holds the address that base is added to; 0: nothing */
	uint64_t base;   /* CONSTANT: itself; SCALED: added; ENTRY, TARGET: the table; SLOT: its */
			 /* address; LESS: the limit */
	uint64_t add;    /* TARGET: what entries are relative to */
};

struct risc_state {
	struct value reg[RISC_REGS];
	struct value fixed; /* what the code itself puts into the fixed register */
	uint32_t next;      /* unused origin */
	uint32_t compared;  /* the last compare: origin and constant */
	uint32_t bounded;   /* origin known to be less than bound; 0: none */
	uint64_t limit, bound;
	bool masked;      /* no compare: the bound is more than there may be */
	uint32_t kept_at; /* the variable that an entry was put into last, 0: none, */
	struct value kept;
};

struct follow {
	struct risc_code *c;
	const struct elf *f;
	const struct risc_ops *ops;
	struct risc_state s;
	size_t entries;  /* of tables that may still be read, */
	size_t steps;    /* and addresses tried: hostile code has no end of jumps */
	uint32_t got_in; /* the variable that the GOT's address was put into, or 0 */
};

static bool is_branch(const struct risc *i)
{
	return i->flow != INSN_FALL && i->flow != INSN_TRAP;
}

static struct value unknown(struct risc_state *s)
{
	return (struct value){.kind = UNKNOWN, .origin = s->next++};
}

static struct value constant(uint64_t v, bool is_address)
{
	return (struct value){.kind = CONSTANT, .base = v, .is_address = is_address};
}

static struct value get(struct follow *w, uint8_t r)
{
	if (r == w->ops->fixed && w->s.fixed.kind == CONSTANT && !w->s.fixed.is_address)
		return w->s.fixed; /* not complete yet */
	return r < RISC_REGS ? w->s.reg[r] : (struct value){.kind = UNKNOWN, .origin = 1};
}

static void set(struct follow *w, uint8_t r, struct value v)
{
	if (r < RISC_REGS && r == w->ops->fixed)
		w->s.fixed = v;
	else if (r < RISC_REGS)
		w->s.reg[r] = v;
}

static void forget_all(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++)
		set(w, r, unknown(&w->s));
	w->s.compared = w->s.bounded = w->s.kept_at = 0;
}

static void start(struct follow *w)
{
	w->s = (struct risc_state){.next = 2};
	forget_all(w);
	if (w->ops->fixed < RISC_REGS)
		w->s.reg[w->ops->fixed] = constant(w->f->got, true);
}

/* The origin of what is at a place that depends on a register not known. */
static uint32_t place(const struct value *base, int64_t offset)
{
	return (uint32_t)hash_mix(base->origin + ((uint64_t)offset << 32)) | 1u << 31;
}

/* The same for what holds a table: a register, */
static uint32_t in_register(uint8_t r)
{
	return 1u + r;
}

/* or a variable, by the register its place is relative to. */
static uint32_t in_variable(uint8_t r, int64_t offset)
{
	return (uint32_t)hash_mix(r + ((uint64_t)offset << 8)) | 1u << 31;
}

/* What holds the unknown value in register r. */
static uint32_t holder_of(const struct value *v, uint8_t r)
{
	return v->holder ? v->holder : in_register(r);
}

static void add_holder(struct follow *w, size_t k, uint32_t key, const struct value *v)
{
	struct risc_code *c = w->c;

	if (v->kind != CONSTANT || (!v->is_address && (w->f->movable || v->base < NO_ADDRESS)))
		return;
	c->holder = mem_grow(c->holder, &c->cap_holder, c->nholders + 1, sizeof(*c->holder));
	c->holder[c->nholders++] = (struct risc_holder){v->base, key, (uint32_t)k};
}

/* What a value is as an index. */
static struct value as_index(struct value v)
{
	if (v.kind == ENTRY || (v.kind == SCALED && v.holder))
		return (struct value){.kind = UNKNOWN, .origin = v.self};
	return v;
}

static void add_use(struct follow *w, size_t k, enum risc_use_kind kind, uint64_t addr)
{
	struct risc_code *c = w->c;

	addr &= w->f->mask;
	if (kind == RISC_USE_ADDRESS || kind == RISC_USE_BRANCH)
		addr = isa_code(w->f, addr);
	c->use = mem_grow(c->use, &c->cap_use, c->nuses + 1, sizeof(*c->use));
	c->use[c->nuses++] = (struct risc_use){addr, (uint32_t)k, (uint8_t)kind};
}

/* A constant that was put together: a use if it is an address. */
static struct value address(struct follow *w, size_t k, uint64_t v, bool sure)
{
	v &= w->f->mask;
	if (sure && elf_section_at(w->f, v))
		add_use(w, k, RISC_USE_ADDRESS, v);
	return constant(v, sure);
}

/* Whether what is stored in the section stays as it is in the file. */
static bool is_constant(const struct elf_section *s)
{
	return s && s->data && (!s->write || !strncmp(s->name, ".data.rel.ro", 12));
}

/* size bytes at a known address are loaded. */
static struct value loaded(struct follow *w, size_t k, uint64_t at, const struct risc *i)
{
	const struct elf_section *s = elf_section_at(w->f, at);
	const struct elf_reloc *r;
	uint64_t v;

	if (!s)
		return unknown(&w->s);
	add_use(w, k, RISC_USE_SLOT, at);
	if (i->size != w->f->word)
		return unknown(&w->s);
	r = elf_reloc_at(w->f, at);
	if (r && r->sym != ELF_NONE && !w->f->symbols[r->sym].defined)
		return (struct value){.kind = SLOT, .base = at};
	if ((r || !strncmp(s->name, ".got", 4)) && !elf_pointer(w->f, at, &v))
		return constant(v, true);
	return (struct value){.kind = SLOT, .base = at};
}

/* The constant in the code that an instruction loads: an address, or a distance to one. */
static struct value literal(struct follow *w, size_t k, uint64_t at, const struct risc *i)
{
	const struct elf_reloc *r = w->f->object ? elf_reloc_at(w->f, at) : NULL;
	size_t n;
	const uint8_t *p = elf_bytes(w->f, at, &n);
	uint64_t v;

	if (i->rd == RISC_NOREG || !p || n < i->size || i->size > 8)
		return unknown(&w->s);
	v = elf_number(w->f, p, i->size);
	if (i->what & RISC_SIGNED)
		v = (uint64_t)((int64_t)(v << (64 - 8 * i->size)) >> (64 - 8 * i->size));
	if (i->size < w->f->word && i->size < 4)
		return unknown(&w->s);
	if (r && r->kind == ELF_R_REL && elf_reloc_value(w->f, r))
		return constant((elf_reloc_value(w->f, r) - at) & w->f->mask, false);
	if (r)
		return r->kind == ELF_R_ADDR ? address(w, k, elf_reloc_value(w->f, r), true)
					     : unknown(&w->s);
	return address(w, k, v, !w->f->movable && i->size == w->f->word);
}

/* Where code has fixed addresses, numbers put together are some. */
static bool is_place(const struct follow *w, const struct value *v)
{
	return v->kind == CONSTANT && (v->is_address || !w->f->movable);
}

static struct value load(struct follow *w, size_t k, const struct risc *i)
{
	struct value b = get(w, i->ra);

	if (is_place(w, &b))
		return loaded(w, k, (b.base + (uint64_t)i->imm) & w->f->mask, i);
	if (b.kind == SCALED)
		return (struct value){.kind = ENTRY,
			.base = b.base + (uint64_t)i->imm,
			.origin = b.origin,
			.self = w->s.next++,
			.holder = b.holder,
			.shift = b.shift,
			.size = i->size,
			.is_signed = i->what & RISC_SIGNED};
	if (b.kind == UNKNOWN && w->got_in == in_variable(i->ra, i->imm) && i->size == w->f->word)
		return constant(w->f->got, true);
	if (b.kind == UNKNOWN && w->s.kept_at == place(&b, i->imm))
		return w->s.kept;
	if (b.kind == UNKNOWN)
		return (struct value){.kind = UNKNOWN,
			.origin = place(&b, i->imm),
			.holder = in_variable(i->ra, i->imm)};
	return unknown(&w->s);
}

/* Whether a constant is too small to be an address, as what is subtracted from an index is. */
static bool is_small(const struct follow *w, const struct value *v)
{
	return !v->is_address &&
	       (w->f->movable || v->base < NO_ADDRESS || (uint32_t)-v->base < NO_ADDRESS);
}

/* a + (b << shift), where b is a number or an index. */
static struct value scaled(
	struct follow *w, const struct value *a, const struct value *index, unsigned shift)
{
	struct value v = as_index(*index), *b = &v;

	if (b->kind == CONSTANT)
		return constant((a->base + (b->base << shift)) & w->f->mask,
			a->is_address || b->is_address);
	if (b->kind == SCALED && !b->base)
		return (struct value){.kind = SCALED,
			.base = a->base,
			.origin = b->origin,
			.shift = (uint8_t)(b->shift + shift)};
	if (b->kind == UNKNOWN && !shift && is_small(w, a))
		return unknown(&w->s);
	if (b->kind == UNKNOWN)
		return (struct value){.kind = SCALED,
			.base = a->base,
			.origin = b->origin,
			.shift = (uint8_t)shift};
	return unknown(&w->s);
}

/* The same, where what is not known in register ra is taken for the address of a table. */
static struct value held(struct follow *w, const struct value *a, uint8_t ra,
	const struct value *index, unsigned shift)
{
	struct value zero = constant(0, true), v = scaled(w, &zero, index, shift);

	if (a->kind != UNKNOWN || v.kind != SCALED || ra >= RISC_REGS)
		return unknown(&w->s);
	v.holder = holder_of(a, ra);
	v.self = w->s.next++;
	return v;
}

static struct value target(const struct value *entry, uint64_t add, const struct risc *i)
{
	struct value v = *entry;

	v.kind = TARGET;
	v.add = add;
	v.shift = i->shift;
	if (i->op == RISC_SUM && i->size < entry->size)
		v.kind = UNKNOWN;
	if (i->op == RISC_SUM && i->size == entry->size)
		v.is_signed = i->what & RISC_SIGNED;
	return v;
}

static struct value shifted(struct follow *w, const struct risc *i)
{
	struct value zero = constant(0, false), b = get(w, i->rb);

	return scaled(w, &zero, &b, i->shift);
}

/* ra + (rb << shift), or an address of the code instead of ra. */
static struct value sum(struct follow *w, size_t k, const struct risc *i, struct value a)
{
	struct value b = get(w, i->rb);
	uint64_t here = risc_code_addr(w->c, k);

	/* the distance to the GOT and where the function starts, not far from here */
	if (w->ops->fixed < RISC_REGS && a.kind == CONSTANT && b.kind == UNKNOWN &&
		((here - (w->f->got - a.base)) & w->f->mask) < NEAR_START) {
		if (i->rb == w->ops->called)
			add_use(w, k, RISC_USE_START, w->f->got - a.base);
		return constant(w->f->got, true);
	}
	if (a.kind == ENTRY && b.kind == CONSTANT && !i->shift)
		return target(&a, b.base, i);
	if (a.kind == CONSTANT && b.kind == ENTRY)
		return target(&b, a.base, i);
	/* in object files of position-independent code the GOT's address is not known yet */
	if (w->f->object && w->ops->fixed < RISC_REGS && a.kind == ENTRY && b.kind == UNKNOWN)
		return target(&a, w->f->got, i);
	if (a.kind == UNKNOWN && b.kind == ENTRY && b.holder == holder_of(&a, i->ra) && !b.base) {
		b = target(&b, 0, i);
		b.by_itself = true;
		return b;
	}
	if (a.kind == ENTRY && b.kind == UNKNOWN && a.holder == holder_of(&b, i->rb) && !a.base &&
		!i->shift) {
		a = target(&a, 0, i);
		a.by_itself = true;
		return a;
	}
	if (a.kind == CONSTANT && b.kind == CONSTANT)
		return address(w, k, a.base + (b.base << i->shift), a.is_address || b.is_address);
	if (a.kind == CONSTANT)
		return scaled(w, &a, &b, i->shift);
	if (b.kind == CONSTANT && !i->shift)
		return scaled(w, &b, &a, 0);
	if (i->shift || (b.kind == SCALED && !b.base && !b.holder))
		return held(w, &a, i->ra, &b, i->shift);
	if (a.kind == SCALED && !a.base && !a.holder)
		return held(w, &b, i->rb, &a, 0);
	return unknown(&w->s);
}

static struct value load_sum(struct follow *w, size_t k, const struct risc *i, struct value a)
{
	struct value b = get(w, i->rb), v;

	if (a.kind != CONSTANT && b.kind == CONSTANT && !i->shift) {
		v = a;
		a = b;
		b = v;
	}
	v = a.kind == CONSTANT ? scaled(w, &a, &b, i->shift) : held(w, &a, i->ra, &b, i->shift);
	if (v.kind == CONSTANT && v.is_address)
		return loaded(w, k, v.base, i);
	if (v.kind != SCALED)
		return unknown(&w->s);
	v.kind = ENTRY;
	v.self = w->s.next++;
	v.size = i->size;
	v.is_signed = i->what & RISC_SIGNED;
	return v;
}

/* What a relocation in an object file makes of the instruction. Whether it does. */
static bool relocated(struct follow *w, size_t k, struct value *v)
{
	const struct elf_reloc *r =
		w->f->object ? elf_reloc_at(w->f, risc_code_addr(w->c, k)) : NULL;
	bool local;

	if (!r)
		return false;
	local = r->sym != ELF_NONE && w->f->symbols[r->sym].defined &&
		w->f->symbols[r->sym].bind == ELF_LOCAL;
	if (r->kind == ELF_R_ADDR && elf_reloc_value(w->f, r)) /* all of it, or the lower part */
		*v = constant(elf_reloc_value(w->f, r), true);
	else if (r->kind == ELF_R_PAGE || (r->kind == ELF_R_GOT && local))
		*v = constant(0, true); /* the upper part: it comes with the lower */
	else if (r->kind == ELF_R_REL && w->c->insn[k].op == RISC_SET && elf_reloc_value(w->f, r))
		*v = constant((elf_reloc_value(w->f, r) - r->addr) & w->f->mask, false);
	else
		*v = unknown(&w->s);
	if (w->c->insn[k].op == RISC_TOP) /* of ARM: it came with the lower */
		*v = get(w, w->c->insn[k].rd);
	return true;
}

/* A jump by a table of distances from `from`. */
static struct value by_table(
	struct follow *w, const struct risc *i, const struct value *base, uint64_t from)
{
	struct value b = as_index(get(w, i->rb));

	if ((base->kind != CONSTANT && base->kind != UNKNOWN) || b.kind != UNKNOWN)
		return unknown(&w->s);
	return (struct value){.kind = TARGET,
		.base = base->kind == CONSTANT ? base->base : 0,
		.holder = base->kind == CONSTANT ? 0 : holder_of(base, i->ra),
		.add = from,
		.origin = b.origin,
		.size = i->size,
		.shift = i->shift};
}

/* What is loaded later from the variable at `at` is the same as v, which is put there. */
static void keep_value(struct risc_state *s, uint32_t at, const struct value *v)
{
	if (s->kept_at == at)
		s->kept_at = 0;
	if (v->kind == ENTRY || v->kind == TARGET) {
		s->kept_at = at;
		s->kept = *v;
	}
	if (v->kind != UNKNOWN)
		return;
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		if (s->reg[r].kind == UNKNOWN && s->reg[r].origin == v->origin)
			s->reg[r].origin = at;
	}
	if (s->compared == v->origin)
		s->compared = at;
	if (s->bounded == v->origin)
		s->bounded = at;
}

static void store(struct follow *w, size_t k, const struct risc *i)
{
	struct value b = get(w, i->ra), v = get(w, i->rb);

	if (b.kind == UNKNOWN && i->rb < RISC_REGS) {
		uint32_t key = in_variable(i->ra, i->imm);

		add_holder(w, k, key, &v);
		if (w->ops->fixed < RISC_REGS && v.kind == CONSTANT && v.base == w->f->got)
			w->got_in = key;
		else if (w->got_in == key)
			w->got_in = 0;
	}
	if (is_place(w, &b) && elf_section_at(w->f, (b.base + (uint64_t)i->imm) & w->f->mask))
		add_use(w, k, RISC_USE_ADDRESS, b.base + (uint64_t)i->imm);
	if (b.kind == UNKNOWN && i->rb < RISC_REGS)
		keep_value(&w->s, place(&b, i->imm), &v);
}

static void compare(struct follow *w, const struct risc *i)
{
	struct value a = as_index(get(w, i->ra));

	w->s.compared = a.kind == UNKNOWN ? a.origin : 0;
	w->s.limit = (uint64_t)i->imm & UINT32_MAX;
}

static void bound(struct risc_state *s, uint32_t origin, uint64_t n)
{
	s->bounded = origin;
	s->bound = n;
	s->masked = false;
}

/* What instruction k, which is no branch, does to its destination. */
static void step(struct follow *w, size_t k)
{
	const struct risc *i = &w->c->insn[k];
	uint64_t at = risc_code_addr(w->c, k);
	struct value v = unknown(&w->s), a = get(w, i->ra);
	bool known = relocated(w, k, &v);
	struct risc there;

	if (i->ra == RISC_HERE)
		a = constant((at + (uint64_t)i->imm) & w->f->mask, true);

	if (known && i->op == RISC_LOAD && v.kind == CONSTANT && v.base) {
		there = *i; /* the address is in the relocation */
		there.imm = (int64_t)v.base;
		i = &there;
		known = false;
	}
	switch (known && i->op != RISC_STORE && i->op != RISC_COMPARE ? RISC_OTHER : i->op) {
	case RISC_SET: v = constant((uint64_t)i->imm & w->f->mask, false); break;
	case RISC_PC: v = address(w, k, at + (uint64_t)i->imm, true); break;
	case RISC_PAGE: v = constant((at & ~(uint64_t)0xfff) + (uint64_t)i->imm, true); break;
	case RISC_ADD:
		if (!i->imm)
			v = a;
		else if (a.kind == CONSTANT)
			v = address(
				w, k, a.base + (uint64_t)i->imm, a.is_address || !w->f->movable);
		else if (a.kind == SCALED)
			v = a, v.base += (uint64_t)i->imm;
		break;
	case RISC_TOP:
		v = get(w, i->rd);
		if (v.kind == CONSTANT)
			v = address(
				w, k, (v.base & 0xffff) | (uint64_t)i->imm << 16, !w->f->movable);
		break;
	case RISC_SHIFT: v = shifted(w, i); break;
	case RISC_SUM: v = sum(w, k, i, a); break;
	case RISC_LOAD: v = load(w, k, i); break;
	case RISC_LOAD_SUM: v = load_sum(w, k, i, a); break;
	case RISC_TABLE: v = by_table(w, i, &a, at + (uint64_t)i->imm); break;
	case RISC_MASK:
		bound(&w->s, v.origin, (uint64_t)i->imm + 1);
		w->s.masked = true;
		break;
	case RISC_LITERAL: v = literal(w, k, at + (uint64_t)i->imm, i); break;
	case RISC_STORE: store(w, k, i); break;
	case RISC_COMPARE: compare(w, i); break;
	case RISC_LESS:
		a = as_index(a);
		if (a.kind == UNKNOWN)
			v = (struct value){
				.kind = LESS, .origin = a.origin, .base = (uint64_t)i->imm};
		break;
	default: break;
	}
	if ((i->what & RISC_MAYBE) && !is_branch(i))
		v = unknown(&w->s);
	set(w, i->rd, v);
	if (i->rd < RISC_REGS)
		add_holder(w, k, in_register(i->rd), &v);
	for (uint8_t r = 0; i->writes >> r && r < RISC_REGS; r++) {
		if (i->writes >> r & 1)
			set(w, r, unknown(&w->s));
	}
}

/* ---- tables ---- */

struct risc_table {
	size_t jump; /* where it takes effect */
	uint64_t base, add;
	unsigned stride, size, shift;
	bool is_signed, absolute;
	bool by_itself;  /* relative to the table */
	bool code;       /* a table of instructions: to base and every 2^stride bytes from there */
	uint32_t holder; /* of the address that base is added to, or 0, */
	size_t before;   /* and how many such addresses were known */
	uint64_t bound;  /* entries, if known, else 0 */
	bool masked;     /* it may have fewer */
};

/* Where entry k leads. 0 or -1. */
static int entry(const struct elf *f, const struct risc_table *t, uint64_t k, uint64_t *to)
{
	uint64_t at = (t->base + (k << t->stride)) & f->mask, v;
	const struct elf_reloc *r = f->object ? elf_reloc_at(f, at) : NULL;
	size_t n;
	const uint8_t *p = elf_bytes(f, at, &n);

	if (t->code) {
		*to = at;
		return 0;
	}
	if (!is_constant(elf_section_at(f, at)) || !p || n < t->size)
		return -1;
	if (t->absolute && elf_pointer(f, at, to) < 0)
		return -1;
	if (t->absolute) {
		*to = isa_code(f, *to);
		return 0;
	}
	if (r) {
		*to = elf_reloc_value(f, r) - (r->kind == ELF_R_REL ? at - t->add : 0);
		return r->kind == ELF_R_REL || r->kind == ELF_R_BASE ? 0 : -1;
	}
	v = elf_number(f, p, t->size);
	if (t->is_signed)
		v = (uint64_t)((int64_t)(v << (64 - 8 * t->size)) >> (64 - 8 * t->size));
	*to = isa_code(f, (t->add + (v << t->shift)) & f->mask);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Reads the table, of t->bound entries at most, and `whole`: of no less. Whether it is one. Entries
 * for what cannot happen may lead to the end of the code; they are passed over.
 */
static bool read_table(struct follow *w, const struct risc_table *t, bool whole)
{
	struct risc_code *c = w->c;
	uint64_t limit = t->bound, m;
	uint64_t end = risc_code_addr(c, c->n - 1) + c->insn[c->n - 1].len;
	size_t first = c->ntargets, n = first;

	limit = MIN(limit, (uint64_t)w->entries);
	for (m = 0; m < limit; m++) {
		uint64_t to;
		uint32_t i;

		if (entry(w->f, t, m, &to) < 0)
			break;
		if (!t->code && to - t->base < (m + 1) << t->stride)
			break; /* into the table */
		i = risc_code_at(c, to);
		if (i == CFG_NOWHERE && to == end)
			continue;
		if (i == CFG_NOWHERE)
			break;
		if (!t->code && to > t->base) /* a table between code ends where that goes on */
			limit = MIN(limit, (to - t->base) >> t->stride);
		c->targets = mem_grow(c->targets, &c->cap_targets, n + 1, sizeof(*c->targets));
		c->targets[n++] = i;
	}
	w->entries -= (size_t)m;
	if (n == first || (m < 2 && t->bound != 1) || (whole && m < limit))
		return false;
	qsort(c->targets + first, n - first, sizeof(*c->targets), by_number);
	c->ntargets = first + 1;
	for (size_t i = first + 1; i < n; i++) {
		if (c->targets[i] != c->targets[c->ntargets - 1])
			c->targets[c->ntargets++] = c->targets[i];
	}
	c->table = mem_grow(c->table, &c->cap_table, c->ntables + 1, sizeof(*c->table));
	c->table[c->ntables++] =
		(struct cfg_table){(uint32_t)t->jump, (uint32_t)(c->ntargets - first), NULL};
	return true;
}

/* An indirect jump to v; it takes effect at instruction k. */
static void find_table(struct follow *w, size_t k, const struct value *v)
{
	struct risc_table t = {.jump = k,
		.base = v->base,
		.add = v->add,
		.size = v->size,
		.shift = v->shift,
		.is_signed = v->is_signed,
		.by_itself = v->by_itself,
		.holder = v->holder,
		.before = w->c->nholders};
	struct risc_code *c = w->c;

	if (v->kind == SCALED && v->shift && !v->holder) {
		t.code = true;
		t.stride = v->shift;
	} else if (v->kind == ENTRY && v->size == w->f->word)
		t.absolute = true;
	else if (v->kind != TARGET)
		return;
	while (!t.code && 1u << t.stride < v->size)
		t.stride++;
	if (v->kind == ENTRY && v->shift != t.stride)
		return;
	if (w->s.bounded && w->s.bounded == v->origin)
		t.bound = w->s.bound, t.masked = w->s.masked;
	if (t.bound && !t.holder && !t.masked) {
		read_table(w, &t, false);
		return;
	}
	if (t.code)
		return;
	c->later = mem_grow(c->later, &c->cap_later, c->nlater + 1, sizeof(*c->later));
	c->later[c->nlater++] = t;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_jump(const void *a, const void *b)
{
	const struct cfg_table *x = a, *y = b;

	return x->insn < y->insn ? -1 : x->insn > y->insn;
}

/* Index of the first of the ascending addresses that is above base. */
static size_t first_behind(const uint64_t *p, size_t n, uint64_t base)
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (p[mid] <= base)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

/* A table without a known length goes to the next address that the code uses. */
static bool read_to_cut(struct follow *w, struct risc_table t)
{
	struct risc_code *c = w->c;
	size_t lo = first_behind(c->cuts, c->nuses, t.base);

	if (!t.bound)
		t.bound = t.size < 4 ? SHORT_MAX : ENTRIES_MAX;
	if (lo < c->nuses)
		t.bound = MIN(t.bound, (c->cuts[lo] - t.base) >> t.stride);
	lo = t.size < 4 ? first_behind(c->data, c->ndata, t.base) : c->ndata;
	if (lo < c->ndata)
		t.bound = MIN(t.bound, (c->data[lo] - t.base) >> t.stride);
	return t.bound > 1 && read_table(w, &t, false);
}

static bool try_holder(struct follow *w, struct risc_table t, const struct risc_holder *h)
{
	if (h->key != t.holder || !w->steps)
		return false;
	t.base = (t.base + h->addr) & w->f->mask;
	if (t.by_itself)
		t.add = t.base;
	return t.bound && !t.masked ? read_table(w, &t, true) : read_to_cut(w, t);
}

/* The table's address was put elsewhere into what holds it: the last one before the jump first. */
static void try_holders(struct follow *w, const struct risc_table *t)
{
	const struct risc_code *c = w->c;

	for (size_t k = t->before; k-- > 0 && w->steps; w->steps--) {
		if (try_holder(w, *t, &c->holder[k]))
			return;
	}
	for (size_t k = t->before; k < c->nholders && w->steps; k++, w->steps--) {
		if (try_holder(w, *t, &c->holder[k]))
			return;
	}
}

static void read_later(struct follow *w)
{
	struct risc_code *c = w->c;

	c->cuts = mem_grow(c->cuts, &c->cap_cuts, c->nuses, sizeof(*c->cuts));
	for (size_t u = 0; u < c->nuses; u++)
		c->cuts[u] = c->use[u].addr;
	if (c->nuses)
		qsort(c->cuts, c->nuses, sizeof(*c->cuts), by_address);
	for (size_t k = 0; k < c->nlater; k++) {
		if (c->later[k].holder)
			try_holders(w, &c->later[k]);
		else
			read_to_cut(w, c->later[k]);
	}
}

/* ---- branches ---- */

/* Keeps the state for instruction `to`, if nothing but branches lead there. */
static void keep(struct follow *w, size_t k, uint32_t to)
{
	struct risc_code *c = w->c;
	uint8_t before;

	if (to == CFG_NOWHERE || to <= k + 1 || c->snapshot[to] || c->nstates >= STATES_MAX)
		return;
	before = c->flow[to - 1].flow;
	if (c->insn[to - 1].op == RISC_DATA)
		before = INSN_STOP;
	if (before != INSN_JUMP && before != INSN_RET && before != INSN_STOP && before != INSN_CALL)
		return;
	c->state = mem_grow(c->state, &c->cap_state, c->nstates + 1, sizeof(*c->state));
	c->state[c->nstates++] = w->s;
	c->snapshot[to] = (uint32_t)c->nstates;
}

/* What a conditional branch that is taken says of an index. */
static void when_taken(struct risc_state *s, const struct risc *i, const struct value *v)
{
	if (i->cond == RISC_LS && s->compared)
		bound(s, s->compared, s->limit + 1);
	else if (i->cond == RISC_LO && s->compared)
		bound(s, s->compared, s->limit);
	else if (i->cond == RISC_NONZERO && v->kind == LESS)
		bound(s, v->origin, v->base);
}

/* What a conditional branch says of an index, when it is taken and when not. */
static void conditional(struct follow *w, size_t k, const struct risc *i, const struct value *v)
{
	struct risc_state before = w->s;

	when_taken(&w->s, i, v);
	keep(w, k, w->c->flow[k].target);
	w->s = before;
	if (i->cond == RISC_HI && before.compared)
		bound(&w->s, before.compared, before.limit + 1);
	else if (i->cond == RISC_HS && before.compared)
		bound(&w->s, before.compared, before.limit);
	else if (i->cond == RISC_ZERO && v->kind == LESS)
		bound(&w->s, v->origin, v->base);
}

static void after_call(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		if (!(w->ops->preserved >> r & 1))
			set(w, r, unknown(&w->s));
	}
	w->s.compared = w->s.bounded = 0;
}

/* Where an indirect branch goes, if that is an address. */
static void note_branch(struct follow *w, size_t k, const struct value *v)
{
	const struct risc *i = &w->c->insn[k];

	if ((i->what & RISC_DIRECT) || i->flow == INSN_RET || i->flow == INSN_STOP)
		return;
	if (v->kind == CONSTANT && v->is_address)
		add_use(w, k, RISC_USE_BRANCH, v->base);
	else if (v->kind == SLOT)
		add_use(w, k, RISC_USE_BRANCH_SLOT, v->base);
}

/* Branch k takes effect at instruction `at`; v is where an indirect one goes. */
static void branch(struct follow *w, size_t k, size_t at, const struct value *v)
{
	const struct risc *i = &w->c->insn[k];
	size_t tables = w->c->ntables;

	if (!(i->what & RISC_DIRECT) && (i->flow == INSN_JUMP || i->flow == INSN_COND)) {
		struct risc_state before = w->s;

		if (i->flow == INSN_COND)
			when_taken(&w->s, i, v);
		find_table(w, at, v);
		w->s = before;
	}
	if (w->c->ntables > tables) {
		const struct cfg_table *t = &w->c->table[tables];

		for (uint32_t m = 0; m < t->n; m++)
			keep(w, at, w->c->targets[w->c->ntargets - t->n + m]);
	}
	if (i->flow == INSN_COND)
		conditional(w, at, i, v);
	else if (i->flow == INSN_JUMP)
		keep(w, at, w->c->flow[at].target);
	else if (i->flow == INSN_CALL)
		after_call(w);
	else if (i->flow == INSN_RET || i->flow == INSN_STOP)
		forget_all(w);
}

/* Where a call leads a function starts: nothing is known of registers. */
static void find_called(struct risc_code *c, const struct elf *f)
{
	for (size_t k = 0; k < c->n && !f->object; k++) {
		const struct risc *i = &c->insn[k];
		uint64_t to = (risc_code_addr(c, k) + (uint64_t)i->imm) & f->mask;
		uint32_t at;

		if (i->flow != INSN_CALL || !(i->what & RISC_DIRECT))
			continue;
		at = risc_code_at(c, to);
		if (at != CFG_NOWHERE)
			c->snapshot[at] = CALLED;
	}
}

static void find_joins(struct risc_code *c)
{
	for (size_t k = 0; k < c->n; k++) {
		if (c->flow[k].target != CFG_NOWHERE)
			c->flow[c->flow[k].target].join = true;
	}
}

/* Where paths meet, numbers differ by the path; addresses hardly do. */
static void forget_numbers(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		const struct value *v = &w->s.reg[r];

		if (v->kind == CONSTANT && !v->is_address &&
			(v->base < NO_ADDRESS || (uint32_t)-v->base < NO_ADDRESS))
			w->s.reg[r] = unknown(&w->s);
	}
}

void risc_code_follow(struct risc_code *c, const struct elf *f)
{
	struct follow w = {.c = c,
		.f = f,
		.ops = risc_ops(c->arch),
		.entries = 4 * c->n + ENTRIES_MAX,
		.steps = 64 * c->n};
	size_t at = 0;

	c->nuses = c->ntables = c->ntargets = c->nstates = c->nlater = c->nholders = 0;
	c->snapshot = mem_grow(c->snapshot, &c->cap_snapshot, c->n, sizeof(*c->snapshot));
	memset(c->snapshot, 0, c->n * sizeof(*c->snapshot));
	find_called(c, f);
	find_joins(c);
	start(&w);
	for (size_t k = 0; k < c->n; k++) {
		const struct risc *i = &c->insn[k];
		bool slot = (i->what & RISC_SLOT) && k + 1 < c->n;
		struct value v;

		if (c->snapshot[k] == CALLED) {
			forget_all(&w);
			w.got_in = 0;
		} else if (c->snapshot[k])
			w.s = c->state[c->snapshot[k] - 1];
		if (c->flow[k].join)
			forget_numbers(&w);
		if (!is_branch(i)) {
			step(&w, k);
			continue;
		}
		v = get(&w, i->ra);
		if (i->op != RISC_OTHER) { /* a load to the program counter, or a sum */
			struct risc_state s = w.s;

			step(&w, k);
			v = get(&w, i->rd);
			w.s = s;
		}
		note_branch(&w, k, &v);
		if (slot)
			step(&w, k + 1);
		branch(&w, k, k + slot, &v);
		k += slot;
	}
	if (c->nlater)
		read_later(&w);
	for (size_t k = 0; k < c->ntables; at += c->table[k].n, k++)
		c->table[k].targets = c->targets + at;
	for (size_t k = 0; k < c->ntargets; k++)
		c->targets[k] = c->offset[c->targets[k]];
	if (c->nlater && c->ntables)
		qsort(c->table, c->ntables, sizeof(*c->table), by_jump);
}

/* ---- reading ---- */

uint32_t risc_code_at(const struct risc_code *c, uint64_t addr)
{
	uint64_t offset = addr - c->addr;
	size_t i = sort_first_u32(c->offset, c->n, offset);

	return i < c->n && c->offset[i] == offset ? (uint32_t)i : CFG_NOWHERE;
}

static void resolve(struct risc_code *c, const struct elf *f)
{
	for (size_t k = 0; k < c->n; k++) {
		const struct risc *i = &c->insn[k];
		size_t at = (i->what & RISC_SLOT) && k + 1 < c->n ? k + 1 : k;
		uint64_t to = (risc_code_addr(c, k) + (uint64_t)i->imm) & f->mask;
		const struct elf_reloc *r;

		if (f->object && (i->what & RISC_DIRECT) && i->flow == INSN_JUMP) {
			r = elf_reloc_at(f, risc_code_addr(c, k));
			to = r && r->kind == ELF_R_REL ? elf_reloc_value(f, r) : to;
		}
		c->flow[k] = (struct risc_flow){CFG_NOWHERE, INSN_FALL, false};
		c->flow[at] = (struct risc_flow){CFG_NOWHERE, i->flow, false};
		if ((i->what & RISC_DIRECT) && (i->flow == INSN_JUMP || i->flow == INSN_COND))
			c->flow[at].target = risc_code_at(c, to);
		k = at;
	}
}

/* Bytes that are no instruction. */
static void none(struct risc *i)
{
	*i = (struct risc){.len = 1,
		.op = RISC_DATA,
		.what = RISC_PADDING,
		.rd = RISC_NOREG,
		.ra = RISC_NOREG,
		.rb = RISC_NOREG};
}

void risc_code_read(struct risc_code *c, const struct elf *f, enum arch a, uint64_t addr,
	const uint8_t *p, size_t n)
{
	size_t mark = isa_after(f, addr);
	enum arch now = mark ? f->marks[mark - 1].arch : f->arch;
	const struct risc_ops *ops = risc_ops(now);
	uint8_t it = 0;

	c->addr = addr;
	c->arch = a == ARCH_NONE ? f->arch : a;
	c->n = c->nuses = c->ntables = 0;
	for (size_t at = 0; at < n; at += c->insn[c->n++].len) {
		if (c->n == c->cap_offset) {
			c->offset =
				mem_grow(c->offset, &c->cap_offset, c->n + 1, sizeof(*c->offset));
			c->insn = mem_grow(c->insn, &c->cap_insn, c->n + 1, sizeof(*c->insn));
			c->flow = mem_grow(c->flow, &c->cap_flow, c->n + 1, sizeof(*c->flow));
		}
		for (; mark < f->nmarks && f->marks[mark].addr <= addr + at; mark++) {
			now = f->marks[mark].arch;
			ops = risc_ops(now);
			it = 0;
		}
		c->offset[c->n] = (uint32_t)at;
		if (!ops || (a != ARCH_NONE && now != a))
			none(&c->insn[c->n]);
		else
			ops->read(p + at, n - at, addr + at, &c->insn[c->n]);
		if (it || c->insn[c->n].op == RISC_IF)
			it = risc_arm_it(it, &c->insn[c->n]);
	}
	resolve(c, f);
}

void risc_code_free(struct risc_code *c)
{
	mem_free(c->insn);
	mem_free(c->offset);
	mem_free(c->flow);
	mem_free(c->use);
	mem_free(c->table);
	mem_free(c->targets);
	mem_free(c->snapshot);
	mem_free(c->state);
	mem_free(c->later);
	mem_free(c->cuts);
	mem_free(c->holder);
	*c = (struct risc_code){0};
}

static uint64_t stub(const struct elf *f, uint64_t addr, bool again)
{
	enum arch a = isa_of_stub(f, &addr);
	struct risc insn[STUB_INSNS];
	uint32_t offset[STUB_INSNS];
	struct risc_code c = {.addr = addr, .arch = a, .insn = insn, .offset = offset};
	struct follow w = {.c = &c, .f = f, .ops = risc_ops(a)};
	size_t left, at = 0;
	const uint8_t *p = elf_bytes(f, addr, &left);
	uint64_t slot = 0, next = 0;

	start(&w);
	for (size_t k = 0; k < STUB_INSNS && at < left && !slot; k++) {
		struct risc *i = &insn[k];
		struct value v;

		offset[k] = (uint32_t)at;
		w.ops->read(p + at, left - at, addr + at, i);
		at += i->len;
		v = get(&w, i->ra);
		step(&w, k);
		if (i->op != RISC_OTHER)
			v = get(&w, i->rd);
		if (!is_branch(i))
			continue;
		if (i->flow == INSN_JUMP && v.kind == SLOT)
			slot = v.base;
		else if (i->flow == INSN_JUMP && v.kind == CONSTANT && v.is_address)
			next = isa_code(f, v.base);
		break;
	}
	mem_free(c.use);
	mem_free(c.holder);
	return next && again && stubs_section_at(f, next) ? stub(f, next, false) : slot;
}

uint64_t risc_code_stub(const struct elf *f, uint64_t addr)
{
	return stub(f, addr, true);
}
