/*
 * body.c: see body.h. One pass over what scan.c found looks at the instructions that matter and
 * resolves what they refer to; then the graph is built.
 */
#include "code/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "code/isa.h"
#include "code/names.h"
#include "code/scan.h"

enum {                    /* to fetch before they are needed: */
	AHEAD = 8,        /* callees, */
	CODE_AHEAD = 768, /* and bytes of code */
};

static const uint32_t nobody = FUNC_NOBODY;

struct builder {
	struct body *b;
	const struct image *im;
	const struct func *f;
	struct insn_decoder *d;
	size_t there;  /* bytes from the start of the function on that may be read */
	size_t reloc;  /* next relocation of an object file */
	uint32_t insn; /* the instruction looked at, */
	size_t at;     /* and its offset */
	uint32_t got;  /* position-independent 32-bit x86: registers that hold the GOT's address */
	bool track_got;
	size_t callee;       /* next of the function's */
	uint64_t after_call; /* and the address after the last call */
};

/* Number of the name of the image in the function. */
static uint32_t name_number(struct body *b, const struct image *im, uint32_t name)
{
	struct body_name *known = &b->known[name];

	if (!name)
		return 0;
	if (known->round != b->round) {
		b->names = mem_grow(b->names, &b->cap_names, b->nnames + 1, sizeof(*b->names));
		b->names[b->nnames++] = im->names.name[name];
		*known = (struct body_name){b->round, (uint32_t)b->nnames};
	}
	return known->number;
}

static void add_ref(struct builder *w, struct image_ref r)
{
	struct body *b = w->b;
	size_t n = b->nrefs;

	if (!r.kind)
		return;
	if (n == b->cap_refs) {
		size_t cap = n ? 2 * n : 64;

		b->ref_insn = mem_realloc(b->ref_insn, cap, sizeof(*b->ref_insn));
		b->ref_kind = mem_realloc(b->ref_kind, cap, sizeof(*b->ref_kind));
		b->ref_target = mem_realloc(b->ref_target, cap, sizeof(*b->ref_target));
		b->ref_name = mem_realloc(b->ref_name, cap, sizeof(*b->ref_name));
		b->cap_refs = cap;
	}
	b->ref_insn[n] = w->insn;
	b->ref_kind[n] = r.kind;
	b->ref_target[n] = r.target;
	b->ref_name[n] = name_number(b, w->im, r.name);
	b->nrefs++;
}

static bool is_branch(const struct insn_brief *i)
{
	return i->flow == INSN_CALL || i->flow == INSN_JUMP || i->flow == INSN_COND;
}

static uint64_t branch_target(const struct builder *w, const struct insn_brief *i, uint64_t next)
{
	return (next + (uint64_t)i->imm) & w->im->elf->mask;
}

/* A branch to an address. */
static void branch_to(
	struct builder *w, const struct insn_brief *i, uint64_t next, struct image_ref r)
{
	struct cfg_end *c = &w->b->end[w->b->nends - 1];
	bool inside = r.kind == REF_CALL && r.target >= w->f->addr && r.target < w->f->end;

	if (inside && i->flow != INSN_CALL) {
		c->target = (uint32_t)(r.target - w->f->addr);
		if ((i->has & INSN_HAS_REL) && branch_target(w, i, next) == r.target)
			return; /* bytes and edges say it: a reference would only cost space */
		r = (struct image_ref){.kind = REF_JUMP, .target = r.target};
	}
	if (i->flow == INSN_CALL && r.no_return)
		c->flow = INSN_STOP;
	add_ref(w, r);
}

/* Whether the immediates of this instruction may be addresses in a file that is not movable. */
static bool takes_address(const struct insn_brief *i)
{
	switch (i->mn) {
	case X86_MOV:
	case X86_MOVABS:
	case X86_PUSH:
	case X86_CMP:
	case X86_ADD:
	case X86_SUB: return true;
	default: return false;
	}
}

static void memory_operand(struct builder *w, const struct insn_brief *i, uint64_t next)
{
	const struct elf *f = w->im->elf;
	bool got = (i->has & INSN_HAS_BASE) && (w->got >> i->base & 1);
	bool rip = i->has & INSN_HAS_RIP, plain = (i->has & INSN_HAS_ABS) && !f->movable;
	uint64_t addr = ((uint64_t)i->disp + (rip ? next : got ? f->got : 0)) & f->mask;
	struct image_ref r;

	if (!rip && !got && !plain)
		return;
	if ((rip || got || (f->word == 4 && is_branch(i))) && i->mn != X86_LEA)
		r = image_slot(w->im, addr, is_branch(i));
	else
		r = image_address(w->im, addr);
	if (is_branch(i) && (r.kind == REF_CALL || r.kind == REF_IMPORT))
		branch_to(w, i, next, r);
	else
		add_ref(w, r);
}

/* A branch to an address in the function itself. */
static struct image_ref inner_ref(const struct builder *w, uint64_t target)
{
	if (target == w->f->addr)
		return w->im->function[w->f - w->im->functions.f];
	return (struct image_ref){.kind = REF_CALL, .target = target};
}

static void operands(struct builder *w, const struct insn_brief *i, uint64_t next)
{
	if (i->has & INSN_HAS_REL) {
		uint64_t target = branch_target(w, i, next);

		if (target >= w->f->addr && target < w->f->end)
			branch_to(w, i, next, inner_ref(w, target));
		else
			branch_to(w, i, next, image_code(w->im, target));
	}
	if (i->has & (INSN_HAS_RIP | INSN_HAS_ABS | INSN_HAS_BASE))
		memory_operand(w, i, next);
	if ((i->has & INSN_HAS_IMM) && !w->im->elf->movable && takes_address(i)) {
		struct image_ref r = image_address(w->im, (uint64_t)i->imm & w->im->elf->mask);

		add_ref(w, r);
	}
}

/* The relocations inside an instruction of an object file. Whether there were any. */
static bool relocations(struct builder *w, const struct insn_brief *i, uint64_t at, uint64_t next)
{
	const struct elf *f = w->im->elf;
	bool any = false;

	while (w->reloc < f->nrelocs && f->relocs[w->reloc].addr < at)
		w->reloc++;
	for (size_t k = w->reloc; k < f->nrelocs && f->relocs[k].addr < next; k++) {
		const struct elf_reloc *r = &f->relocs[k];
		struct image_ref t =
			image_reloc(w->im, r, (unsigned)(next - r->addr), is_branch(i));

		any = true;
		if (is_branch(i) && (t.kind == REF_CALL || t.kind == REF_IMPORT))
			branch_to(w, i, next, t);
		else
			add_ref(w, t);
	}
	return any;
}

/* Jumps that may go through a table: to a register, or to memory with an index. */
static void note_jump(struct builder *w, const struct insn_brief *i)
{
	struct body *b = w->b;

	if (i->flow != INSN_JUMP || !(i->has & (INSN_HAS_REG | INSN_HAS_INDEX)))
		return;
	b->jumps = mem_grow(b->jumps, &b->cap_jumps, b->njumps + 1, sizeof(*b->jumps));
	b->jumps[b->njumps++] =
		(struct tables_jump){w->insn, (uint32_t)w->at, (uint32_t)b->nends - 1};
}

/*
 * Position-independent 32-bit code calls a helper that returns its return address, and adds the
 * distance to the GOT.
 */
static void follow_got(struct builder *w, const struct insn_brief *i, uint64_t next)
{
	const struct elf *f = w->im->elf;

	if (i->flow == INSN_CALL) {
		w->got &= ~(1u << X86_RAX | 1u << X86_RCX | 1u << X86_RDX);
		w->after_call = next;
	} else if ((i->has & INSN_HAS_REG) && i->reg < 8) {
		bool set = i->mn == X86_ADD && (i->has & INSN_HAS_IMM) &&
			   ((w->after_call + (uint64_t)i->imm) & f->mask) == f->got;

		if (set)
			w->got |= 1u << i->reg;
		else if (i->mn != X86_CMP && i->mn != X86_TEST && i->mn != X86_PUSH &&
			 i->mn != X86_POP) /* what follows the end of a path is another's */
			w->got &= ~(1u << i->reg);
	}
}

static void note_end(struct builder *w, unsigned len, uint32_t target, uint8_t flow)
{
	struct body *b = w->b;

	b->end[b->nends++] = (struct cfg_end){w->insn, (uint32_t)w->at + len, target, flow};
}

/* A direct branch that is a call or leaves the function. */
static void outer_branch(struct builder *w, unsigned len, int64_t distance, enum insn_flow flow)
{
	struct insn_brief i = {
		.has = INSN_HAS_REL, .len = (uint8_t)len, .flow = (uint8_t)flow, .imm = distance};
	uint64_t next = w->f->addr + w->at + len, target = next + (uint64_t)distance;
	const uint32_t *callee = w->f->callee;
	size_t k = w->callee, n = w->f->ncallees;

	if (k + AHEAD < n && callee[k + AHEAD] != nobody)
		__builtin_prefetch(&w->im->function[callee[k + AHEAD]]);
	w->callee += k < n;
	branch_to(w, &i, next,
		k < n ? image_callee(w->im, callee[k], target) : image_code(w->im, target));
}

/* A direct branch: most stay in the function, and need no reference. */
static inline void direct_branch(struct builder *w, struct scan_hit h, unsigned what)
{
	struct body *b = w->b;
	unsigned len = what & SCAN_LEN;
	int64_t distance = scan_branch(b->code + h.offset, len);
	uint64_t offset = h.offset + len + (uint64_t)distance;
	bool inside = what < SCAN_CALL && offset < b->ncode;
	struct cfg_end *end = &b->end[b->nends++];

	end->insn = h.insn;
	end->next = h.offset + len;
	end->target = inside ? (uint32_t)offset : CFG_NOWHERE;
	end->flow = (uint8_t)scan_flow(what);
	if (!inside)
		outer_branch(w, len, distance, end->flow);
}

/*
 * The same without insn_look, for most instructions of x86-64 code that can be moved: no number in
 * it is an address. Whether it is one of these.
 */
static bool glance(struct builder *w, unsigned what)
{
	const uint8_t *p = w->b->code + w->at;
	unsigned len = what & SCAN_LEN;
	uint64_t next = w->f->addr + w->at + len;
	enum insn_flow flow;
	int64_t disp;
	bool lea;

	if ((what & SCAN_WHAT) == SCAN_PLACE) {
		if (!scan_place(p, &disp, &lea))
			return false;
		next += (uint64_t)disp;
		add_ref(w, lea ? image_address(w->im, next) : image_slot(w->im, next, false));
		return true;
	}
	flow = what < SCAN_NONE ? scan_other(p, len) : INSN_FALL;
	if (flow == INSN_FALL)
		return false;
	note_end(w, len, CFG_NOWHERE, (uint8_t)flow);
	return true;
}

/* An instruction that has to be looked at; `what` is its byte from scan.c. */
static void look(struct builder *w, unsigned what)
{
	const uint8_t *p = w->b->code + w->at;
	uint64_t addr = w->f->addr + w->at, next = addr + (what & SCAN_LEN);
	struct insn_brief i = {.has = INSN_HAS_REL, .len = what & SCAN_LEN};

	if (what >= SCAN_NONE)
		return;
	if (scan_is_branch(what)) {
		i.imm = scan_branch(p, i.len);
		i.flow = (uint8_t)scan_flow(what);
	} else if (!insn_look(w->d, p, w->there - w->at, &i)) {
		return;
	}
	if (i.flow != INSN_FALL && i.flow != INSN_TRAP)
		note_end(w, i.len, CFG_NOWHERE, i.flow);
	if (!w->im->elf->object || !relocations(w, &i, addr, next))
		operands(w, &i, next);
	if (w->track_got)
		follow_got(w, &i, next);
	note_jump(w, &i);
}

/* Offset of the next relocation of an object file. */
static size_t next_reloc(const struct builder *w)
{
	const struct elf *f = w->im->elf;
	size_t k = w->reloc;

	while (k < f->nrelocs && f->relocs[k].addr < w->f->addr + w->at)
		k++;
	return k < f->nrelocs ? f->relocs[k].addr - w->f->addr : SIZE_MAX;
}

/* Object files: the bytes do not say where relocations are. */
static void walk_object(struct builder *w, unsigned least)
{
	const uint8_t *scan = w->f->scan;
	struct body *b = w->b;
	size_t reloc = next_reloc(w);

	for (size_t i = 0, at = 0; i < b->ninsns; at += scan[i++] & SCAN_LEN) {
		if (scan[i] < least && reloc >= at + (scan[i] & SCAN_LEN))
			continue;
		w->insn = (uint32_t)i;
		w->at = at;
		b->end = mem_grow(b->end, &b->cap_ends, b->nends + 1, sizeof(*b->end));
		look(w, scan[i]);
		if (reloc != SIZE_MAX) {
			w->at += scan[i] & SCAN_LEN;
			reloc = next_reloc(w);
		}
	}
}

/* The instructions that were found. */
static void visit(struct builder *w)
{
	const struct scan_walk *s = &w->b->walk;
	bool plain = w->im->elf->arch == ARCH_X86_64 && w->im->elf->movable;

	for (size_t k = 0; k < s->nhits; k++) {
		struct scan_hit h = s->hit[k];
		unsigned what = s->scan[h.insn];

		w->insn = h.insn;
		w->at = h.offset;
		__builtin_prefetch(w->b->code + h.offset + CODE_AHEAD);
		if (scan_is_branch(what))
			direct_branch(w, h, what);
		else if (!plain || !glance(w, what))
			look(w, what);
	}
}

static void walk(struct builder *w)
{
	struct body *b = w->b;
	struct scan_walk *s = &b->walk;
	unsigned least = w->im->elf->movable ? SCAN_PLACE : SCAN_NUMBER;

	b->len = mem_grow(b->len, &b->cap_len, b->ninsns + SCAN_SPARE, 1);
	scan_lengths(w->f->scan, b->ninsns, b->len);
	if (w->im->elf->object) {
		walk_object(w, least);
		return;
	}
	s->scan = w->f->scan;
	s->n = b->ninsns;
	s->next = s->at = 0;
	while (scan_find(s, least)) {
		b->end = mem_grow(b->end, &b->cap_ends, b->nends + s->nhits, sizeof(*b->end));
		visit(w);
	}
}

static void find_tables(struct builder *w)
{
	struct body *b = w->b;
	struct tables_code c = {
		w->im, w->f->addr, b->code, b->ncode, b->len, b->ninsns, b->end, b->nends, NULL};

	b->tables.n = 0;
	if (!b->njumps)
		return;
	b->starts = mem_grow(b->starts, &b->cap_starts, b->ncode, 1);
	memset(b->starts, 0, b->ncode);
	for (size_t i = 0, at = 0; i < b->ninsns; at += b->len[i++])
		b->starts[at] = 1;
	c.starts = b->starts;
	tables_find(&b->tables, w->d, &c, b->jumps, b->njumps, b->ref_target, b->nrefs);
}

/* ---- instructions of fixed size ---- */

/* A branch of instruction k to r; it takes effect at instruction `at`. */
static void risc_branch(struct builder *w, const struct risc *i, size_t at, struct image_ref r)
{
	if (i->flow == INSN_CALL && r.no_return && !(i->what & RISC_MAYBE))
		w->b->risc.flow[at].flow = INSN_STOP;
	add_ref(w, r);
}

/* Where a direct branch goes: a jump within the function needs no reference. */
static void risc_direct(struct builder *w, const struct risc *i, size_t at, uint64_t target)
{
	if (i->flow != INSN_CALL && w->b->risc.flow[at].target != CFG_NOWHERE)
		return;
	if (target >= w->f->addr && target < w->f->end)
		risc_branch(w, i, at, inner_ref(w, target));
	else
		risc_branch(w, i, at, image_code(w->im, target));
}

/* A distance to a place in this file: what uses it says what is there. */
static bool is_distance(const struct builder *w, const struct elf_reloc *r)
{
	return r->kind == ELF_R_REL && elf_reloc_value(w->im->elf, r);
}

/* The relocation of the constant that an instruction of an object file loads. */
static bool risc_literal(struct builder *w, const struct risc *i, size_t at, uint64_t addr)
{
	const struct elf_reloc *r = elf_reloc_at(w->im->elf, addr + (uint64_t)i->imm);

	if (!r || is_distance(w, r))
		return false;
	risc_branch(w, i, at, image_reloc(w->im, r, 0, false));
	return true;
}

/* The relocations of an instruction of an object file. Whether there were any. */
static bool risc_relocations(struct builder *w, const struct risc *i, size_t at, uint64_t addr)
{
	const struct elf *f = w->im->elf;
	bool any = false,
	     branch = i->flow == INSN_CALL || i->flow == INSN_JUMP || i->flow == INSN_COND;

	if (i->op == RISC_LITERAL)
		return risc_literal(w, i, at, addr);
	while (w->reloc < f->nrelocs && f->relocs[w->reloc].addr < addr)
		w->reloc++;
	for (size_t k = w->reloc; k < f->nrelocs && f->relocs[k].addr < addr + i->len; k++) {
		struct image_ref t = image_reloc(w->im, &f->relocs[k], 0, branch);
		bool inside = t.target >= w->f->addr && t.target < w->f->end;

		if (!branch && is_distance(w, &f->relocs[k]))
			continue;
		any = true;
		if (branch)
			w->b->risc.flow[at].target = CFG_NOWHERE; /* the bytes do not say */
		if (!branch || t.kind == REF_IMPORT || i->flow == INSN_CALL || !inside) {
			risc_branch(w, i, at, t);
			continue;
		}
		w->b->risc.flow[at].target = risc_code_at(&w->b->risc, t.target);
		t = (struct image_ref){.kind = REF_JUMP, .target = t.target};
		add_ref(w, t);
	}
	return any;
}

static void risc_use(struct builder *w, const struct risc *i, size_t at, const struct risc_use *u)
{
	struct image_ref r;

	switch (u->kind) {
	case RISC_USE_START: return;
	case RISC_USE_ADDRESS: r = image_address(w->im, u->addr); break;
	case RISC_USE_SLOT: r = image_slot(w->im, u->addr, false); break;
	case RISC_USE_BRANCH: r = image_code(w->im, u->addr); break;
	default: r = image_slot(w->im, u->addr, true); break;
	}
	risc_branch(w, i, at, r);
}

/* Data are blocks of their own. */
static void data_ends(struct risc_code *c)
{
	for (size_t k = 0; k + 1 < c->n; k++) {
		bool data = c->insn[k].op == RISC_DATA, next = c->insn[k + 1].op == RISC_DATA;

		if (data != next && c->flow[k].flow == INSN_FALL)
			c->flow[k].flow = INSN_STOP;
	}
}

static void risc_ends(struct body *b)
{
	struct risc_code *c = &b->risc;

	data_ends(c);
	for (size_t k = 0; k < c->n; k++) {
		const struct risc_flow *f = &c->flow[k];

		if (f->flow == INSN_FALL || f->flow == INSN_TRAP)
			continue;
		if (b->nends == b->cap_ends)
			b->end = mem_grow(b->end, &b->cap_ends, b->nends + 1, sizeof(*b->end));
		b->end[b->nends++] = (struct cfg_end){(uint32_t)k, c->offset[k] + c->insn[k].len,
			f->target == CFG_NOWHERE ? CFG_NOWHERE : c->offset[f->target], f->flow};
	}
}

static void risc_decode(struct builder *w)
{
	struct body *b = w->b;
	struct risc_code *c = &b->risc;
	size_t u = 0;

	risc_code_read(
		c, w->im->elf, isa_at(w->im->elf, w->f->addr), w->f->addr, b->code, b->ncode);
	c->data = w->im->functions.data;
	c->ndata = w->im->functions.ndata;
	risc_code_follow(c, w->im->elf);
	b->ninsns = c->n;
	b->len = mem_grow(b->len, &b->cap_len, c->n, 1);
	for (size_t k = 0; k < c->n; k++) {
		size_t at = (c->insn[k].what & RISC_SLOT) && k + 1 < c->n ? k + 1 : k;
		uint64_t addr = risc_code_addr(c, k);
		const struct risc *i = &c->insn[k];
		bool known;

		w->insn = (uint32_t)k;
		known = w->im->elf->object && risc_relocations(w, i, at, addr);
		b->len[k] = i->len;
		if ((i->what & RISC_DIRECT) && !known)
			risc_direct(w, i, at, (addr + (uint64_t)i->imm) & w->im->elf->mask);
		for (; u < c->nuses && c->use[u].insn <= k; u++) {
			if (c->use[u].insn == k && !known)
				risc_use(w, i, at, &c->use[u]);
		}
	}
	risc_ends(b);
}

/* A function that is one jump to somewhere else, after an endbr64 perhaps. */
static void find_thunk(struct body *b)
{
	size_t last = b->ninsns - 1, jump = last, k;
	const struct cfg_end *e = b->nends ? &b->end[b->nends - 1] : NULL;

	b->thunk = "";
	if (b->ninsns > 2 || !e || e->insn != last || e->flow != INSN_JUMP ||
		e->target != CFG_NOWHERE)
		return;
	if (last == 1 && b->risc.n == 2 && (b->risc.insn[0].what & RISC_SLOT))
		jump = 0;
	else if (last == 1 && !(b->len[0] == 4 && !memcmp(b->code, "\xf3\x0f\x1e", 3)))
		return;
	for (k = 0; k < b->nrefs && b->ref_insn[k] != jump; k++)
		;
	if (k == b->nrefs || (b->ref_kind[k] != REF_CALL && b->ref_kind[k] != REF_IMPORT))
		return;
	if (b->ref_name[k]) {
		b->thunk = b->names[b->ref_name[k] - 1];
	} else {
		char *t = arena_get(&b->arena, 19, 1);

		snprintf(t, 19, "0x%" PRIx64, b->ref_target[k]);
		b->thunk = t;
	}
}

/* None of the image's names is the function's yet. */
static void start_names(struct body *b, const struct image *im)
{
	if (im->names.n > b->cap_known || ++b->round == 0) {
		mem_free(b->known);
		b->cap_known = MAX(b->cap_known, im->names.n);
		b->known = mem_zalloc(b->cap_known, sizeof(*b->known));
		b->round = 1;
	}
}

int body_build(struct body *b, struct insn_decoder *d, const struct image *im, const struct func *f)
{
	struct builder w = {.b = b, .im = im, .f = f, .d = d};

	arena_reset(&b->arena);
	start_names(b, im);
	b->nends = b->nrefs = b->nnames = b->njumps = b->risc.n = 0;
	b->code = elf_bytes(im->elf, f->addr, &w.there);
	b->ncode = (size_t)(f->end - f->addr);
	b->ninsns = f->ninsns;
	if (!b->ninsns || insn_use(d, isa_at(im->elf, f->addr)) < 0)
		return -1;
	w.track_got = im->elf->word == 4 && im->elf->movable && im->elf->got;
	if (w.track_got && (f->from & FUNC_PART))
		w.got = 1u << X86_RBX; /* as its function left it */
	if (im->elf->object)
		w.reloc = elf_reloc_from(im->elf, f->addr);
	if (risc_ops(im->elf->arch)) {
		risc_decode(&w);
		find_thunk(b);
		cfg_build(&b->cfg, &(struct cfg_code){b->len, b->ninsns, b->ncode, b->end, b->nends,
					   b->risc.table, b->risc.ntables});
		return 0;
	}
	walk(&w);
	find_thunk(b);
	find_tables(&w);
	cfg_build(&b->cfg, &(struct cfg_code){b->len, b->ninsns, b->ncode, b->end, b->nends,
				   b->tables.t, b->tables.n});
	return 0;
}

void body_free(struct body *b)
{
	mem_free(b->len);
	cfg_free(&b->cfg);
	mem_free(b->ref_insn);
	mem_free(b->ref_kind);
	mem_free(b->ref_target);
	mem_free(b->ref_name);
	mem_free(b->names);
	mem_free(b->end);
	mem_free(b->starts);
	mem_free(b->jumps);
	tables_free(&b->tables);
	risc_code_free(&b->risc);
	mem_free(b->known);
	arena_free(&b->arena);
	*b = (struct body){0};
}
