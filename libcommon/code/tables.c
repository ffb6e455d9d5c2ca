/*
 * tables.c: see tables.h.
 *
 * The instructions before an indirect jump are run on abstract values (x86_values.h). What the
 * jump goes to is then a table whose base, kind of entry and, by a compare with the index, length
 * are known. Where the length is not, the table goes as far as its entries are instructions of the
 * function.
 */
#include "code/tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/x86_values.h"

enum {
	WINDOW = 48,         /* instructions looked at before a jump */
	NEAR_STORE = 3,      /* from an address to where it is stored */
	ENTRIES_MAX = 65536, /* of one table */
	FEW = 8,             /* searches through cuts that are not sorted */
	FEW_NUMBERS = 24,    /* sorted by insertion */
	TOGETHER = 16,       /* instructions decoded */
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
static void run(struct x86_state *s, const struct search *f, uint32_t first, uint32_t end,
	uint32_t offset, bool taken)
{
	const struct tables_code *c = f->c;
	struct insn i[TOGETHER];

	for (uint32_t n; first < end; first += n) {
		n = MIN(end - first, (uint32_t)TOGETHER);
		insn_decode_all(f->d, c->code + offset, c->ncode - offset, c->len + first, n, i);
		for (uint32_t k = 0; k < n; k++) {
			if (i[k].len)
				x86_values_step(
					s, &i[k], c->addr + offset, taken && first + k + 1 == end);
			else
				x86_values_forget(s);
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
		return x86_values_fixed_address(f->c->im, i, o, addr);
	if (elf->word != 4 || !elf->movable)
		return 0;
	return elf->object ? x86_values_relocated(f->c->im, i, addr)
			   : (elf->got + (uint64_t)o->mem.disp) & elf->mask;
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
		if (i.mn == X86_MOV && i.op[0].kind == INSN_OP_MEM && x86_values_is_gpr(&i.op[1]) &&
			i.op[1].reg.id == h.what && k - h.insn <= NEAR_STORE)
			add_holder(t,
				(struct tables_holder){h.addr, k, x86_values_variable(&i.op[0])});
		addr = x86_values_is_gpr(&i.op[0]) ? held(f, &i, f->c->addr + at) : 0;
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
	struct x86_state s = {.im = f->c->im, .next = 1, .word = elf->word};
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
	x86_values_forget(&s);
	if (from)
		run(&s, f, start, from->insn + 1, back, true);
	run(&s, f, first, j->insn, offset, false);
	if (o->kind == INSN_OP_MEM)
		v = x86_values_load(&s, &i, o, f->c->addr + j->offset);
	else if (x86_values_is_gpr(o))
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
