/*
 * risc_tables.c: jumps through tables: where they lie, how long they are, where they lead.
 *
 * The length comes from what bounds the index. A table for which nothing does, or whose address is
 * not known at the jump, is read after the pass over the code, to the next address in use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/isa.h"
#include "code/risc_values.h"

enum {
	ENTRIES_MAX = 65536, /* of one table */
	SHORT_MAX = 256,     /* of one of small entries whose length is not known */
};

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

/* Whether what is stored in the section stays as it is in the file. */
static bool is_constant(const struct elf_section *s)
{
	return s && s->data && (!s->write || !strncmp(s->name, ".data.rel.ro", 12));
}

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

void risc_tables_find(struct follow *w, size_t k, const struct value *v)
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
	size_t lo = first_behind(c->cuts, c->ncuts, t.base);

	if (!t.bound)
		t.bound = t.size < 4 ? SHORT_MAX : ENTRIES_MAX;
	if (lo < c->ncuts)
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
	c->ncuts = 0;
	for (size_t u = 0; u < c->nuses; u++) {
		if (!c->use[u].stale)
			c->cuts[c->ncuts++] = c->use[u].addr;
	}
	if (c->ncuts)
		qsort(c->cuts, c->ncuts, sizeof(*c->cuts), by_address);
	for (size_t k = 0; k < c->nlater; k++) {
		if (c->later[k].holder)
			try_holders(w, &c->later[k]);
		else
			read_to_cut(w, c->later[k]);
	}
}

void risc_tables_finish(struct follow *w)
{
	struct risc_code *c = w->c;
	size_t at = 0;

	if (c->nlater)
		read_later(w);
	for (size_t k = 0; k < c->ntables; at += c->table[k].n, k++)
		c->table[k].targets = c->targets + at;
	for (size_t k = 0; k < c->ntargets; k++)
		c->targets[k] = c->offset[c->targets[k]];
	if (c->nlater && c->ntables)
		qsort(c->table, c->ntables, sizeof(*c->table), by_jump);
}
