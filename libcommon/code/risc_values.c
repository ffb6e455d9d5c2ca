/*
 * risc_values.c: see risc_values.h.
 */
#include "code/risc_values.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "code/isa.h"

enum { NEAR_START = 64 };

static struct value constant(uint64_t v, bool is_address)
{
	return (struct value){.kind = CONSTANT, .base = v, .is_address = is_address};
}

void risc_values_forget(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++)
		set(w, r, unknown(&w->s));
	w->s.compared = w->s.bounded = w->s.kept_at = 0;
}

void risc_values_doubt(struct follow *w, bool back)
{
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		if (r == w->ops->fixed)
			continue;
		w->s.reg[r].stale = true;
		if (w->s.reg[r].kind == CONSTANT)
			w->s.reg[r].self = w->s.next++;
		if (w->s.reg[r].kind == UNKNOWN && !back)
			w->s.reg[r].holder = 0;
	}
}

void risc_values_start(struct follow *w)
{
	w->s = (struct risc_state){.next = 2};
	risc_values_forget(w);
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
	if (v.kind == ENTRY || (v.kind == SCALED && v.holder) || (v.kind == CONSTANT && v.stale))
		return (struct value){.kind = UNKNOWN, .origin = v.self};
	return v;
}

void risc_values_use(struct follow *w, size_t k, enum risc_use_kind kind, uint64_t addr)
{
	struct risc_code *c = w->c;

	addr &= w->f->mask;
	if (kind == RISC_USE_ADDRESS || kind == RISC_USE_BRANCH)
		addr = isa_code(w->f, addr);
	c->use = mem_grow(c->use, &c->cap_use, c->nuses + 1, sizeof(*c->use));
	c->use[c->nuses++] = (struct risc_use){addr, (uint32_t)k, (uint8_t)kind, w->stale};
}

/* A constant that was put together: a use if it is an address. */
static struct value address(struct follow *w, size_t k, uint64_t v, bool sure)
{
	v &= w->f->mask;
	if (sure && elf_section_at(w->f, v))
		risc_values_use(w, k, RISC_USE_ADDRESS, v);
	return constant(v, sure);
}

/* size bytes at a known address are loaded. */
static struct value loaded(struct follow *w, size_t k, uint64_t at, const struct risc *i)
{
	const struct elf_section *s = elf_section_at(w->f, at);
	const struct elf_reloc *r;
	uint64_t v;

	if (!s)
		return unknown(&w->s);
	risc_values_use(w, k, RISC_USE_SLOT, at);
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
	struct value v = *index, *b = &v;

	if (b->kind != CONSTANT || (a->is_address && b->is_address))
		v = as_index(v);
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
			risc_values_use(w, k, RISC_USE_START, w->f->got - a.base);
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
		risc_values_use(w, k, RISC_USE_ADDRESS, b.base + (uint64_t)i->imm);
	if (b.kind == UNKNOWN && i->rb < RISC_REGS)
		keep_value(&w->s, place(&b, i->imm), &v);
}

static void compare(struct follow *w, const struct risc *i)
{
	struct value a = as_index(get(w, i->ra));

	w->s.compared = a.kind == UNKNOWN ? a.origin : 0;
	w->s.limit = (uint64_t)i->imm & UINT32_MAX;
}

void risc_values_bound(struct risc_state *s, uint32_t origin, uint64_t n)
{
	s->bounded = origin;
	s->bound = n;
	s->masked = false;
}

void risc_values_step(struct follow *w, size_t k)
{
	const struct risc *i = &w->c->insn[k];
	uint64_t at = risc_code_addr(w->c, k);
	struct value v = unknown(&w->s), a = get(w, i->ra);
	bool known = relocated(w, k, &v);
	struct risc there;

	w->stale = a.stale || (i->rb < RISC_REGS && w->s.reg[i->rb].stale);
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
		risc_values_bound(&w->s, v.origin, (uint64_t)i->imm + 1);
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
	if (i->op == RISC_ADD || i->op == RISC_SUM)
		v.stale = w->stale;
	w->stale = false;
	set(w, i->rd, v);
	if (i->rd < RISC_REGS)
		add_holder(w, k, in_register(i->rd), &v);
	for (uint8_t r = 0; i->writes >> r && r < RISC_REGS; r++) {
		if (i->writes >> r & 1)
			set(w, r, unknown(&w->s));
	}
}
