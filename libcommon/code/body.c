/*
 * body.c: see body.h. One pass decodes and resolves; targets inside the function become
 * instruction numbers when all of it is decoded, then the graph is built.
 */
#include "code/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "code/names.h"

struct builder {
	struct body *b;
	const struct image *im;
	const struct func *f;
	size_t reloc; /* next relocation of an object file */
	uint32_t got; /* position-independent 32-bit x86: registers that hold the GOT's address */
	bool track_got;
	uint64_t after_call; /* and the address after the last call */
};

static uint32_t name_number(struct body *b, const char *name)
{
	struct map_entry *e;
	bool made;

	if (!name[0])
		return 0;
	name = names_utf8(&b->arena, name);
	e = map_put(&b->name_index, name, strlen(name), &made);
	if (made) {
		b->names = mem_grow(b->names, &b->cap_names, b->nnames + 1, sizeof(*b->names));
		b->names[b->nnames++] = name;
		e->value = b->nnames;
	}
	return (uint32_t)e->value;
}

static void add_ref(struct body *b, const struct image_ref *r)
{
	size_t n = b->nrefs;

	if (!r->kind)
		return;
	if (n == b->cap_refs) {
		size_t cap = n ? 2 * n : 64;

		b->ref_insn = mem_realloc(b->ref_insn, cap, sizeof(*b->ref_insn));
		b->ref_kind = mem_realloc(b->ref_kind, cap, sizeof(*b->ref_kind));
		b->ref_target = mem_realloc(b->ref_target, cap, sizeof(*b->ref_target));
		b->ref_name = mem_realloc(b->ref_name, cap, sizeof(*b->ref_name));
		b->cap_refs = cap;
	}
	b->ref_insn[n] = (uint32_t)b->ninsns;
	b->ref_kind[n] = r->kind;
	b->ref_target[n] = r->target;
	b->ref_name[n] = name_number(b, r->name);
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

/* A branch to an address: inside the function its offset is kept in flow.target for now. */
static void branch_to(
	struct builder *w, const struct insn_brief *i, uint64_t next, struct image_ref r)
{
	struct cfg_insn *c = &w->b->flow[w->b->ninsns];
	bool inside = r.kind == REF_CALL && r.target >= w->f->addr && r.target < w->f->end;

	if (inside && i->flow != INSN_CALL) {
		c->target = (uint32_t)(r.target - w->f->addr);
		if ((i->has & INSN_HAS_REL) && branch_target(w, i, next) == r.target)
			return; /* bytes and edges say it: a reference would only cost space */
		r = (struct image_ref){.kind = REF_JUMP, .target = r.target, .name = ""};
	}
	if (i->flow == INSN_CALL && r.no_return)
		c->flow = INSN_STOP;
	add_ref(w->b, &r);
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
		add_ref(w->b, &r);
}

/* A branch to an address in the function itself. */
static struct image_ref inner_ref(const struct builder *w, uint64_t target)
{
	bool start = target == w->f->addr;

	return (struct image_ref){.kind = REF_CALL,
		.target = target,
		.name = start ? w->f->name : "",
		.no_return = start && w->f->no_return};
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

		add_ref(w->b, &r);
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
			add_ref(w->b, &t);
	}
	return any;
}

/* Jumps that may go through a table: to a register, or to memory with an index. */
static void note_jump(struct body *b, const struct insn_brief *i, size_t at)
{
	if (i->flow != INSN_JUMP || !(i->has & (INSN_HAS_REG | INSN_HAS_INDEX)))
		return;
	b->jumps = mem_grow(b->jumps, &b->cap_jumps, b->njumps + 1, sizeof(*b->jumps));
	b->jumps[b->njumps++] = (struct tables_jump){(uint32_t)b->ninsns, (uint32_t)at};
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

/* The next instruction, at the offset; i is NULL for a byte that is none. */
static void add_insn(struct builder *w, size_t at, const struct insn_brief *i)
{
	struct body *b = w->b;
	uint64_t addr = w->f->addr + at;

	if (b->ninsns == b->cap_insns) {
		size_t cap = b->ninsns ? 2 * b->ninsns : 256;

		b->len = mem_realloc(b->len, cap, sizeof(*b->len));
		b->flow = mem_realloc(b->flow, cap, sizeof(*b->flow));
		b->cap_insns = cap;
	}
	b->flow[b->ninsns] = (struct cfg_insn){CFG_NOWHERE, i ? i->flow : INSN_FALL};
	b->index_at[at] = (uint32_t)b->ninsns;
	b->len[b->ninsns] = i ? i->len : 1;
	if (i && (i->has || w->im->elf->object)) {
		if (!w->im->elf->object || !relocations(w, i, addr, addr + i->len))
			operands(w, i, addr + i->len);
		if (w->track_got)
			follow_got(w, i, addr + i->len);
		note_jump(b, i, at);
	}
	b->ninsns++;
}

/* n bytes are there from the start of the function on, more than are its own. */
static void decode(struct builder *w, struct insn_decoder *d, size_t n)
{
	struct body *b = w->b;
	const struct func *f = w->f;
	bool in_step = true; /* with the lengths that are known */
	size_t at = 0;

	memset(b->index_at, 0xff, b->ncode * sizeof(*b->index_at));
	while (at < b->ncode) {
		struct insn_brief i[64];
		const uint8_t *len = NULL;
		size_t most = COUNT_OF(i), got, k;

		if (in_step && b->ninsns < f->ninsns) {
			len = w->im->functions.len + f->first + b->ninsns;
			most = MIN(most, f->ninsns - b->ninsns);
		}
		got = insn_look_many(d, b->code + at, n - at, len, i, most);
		for (k = 0; k < got && at + i[k].len <= b->ncode; k++) {
			in_step = in_step && len && i[k].len == len[k];
			add_insn(w, at, &i[k]);
			at += i[k].len;
		}
		if (k < most && at < b->ncode) {
			add_insn(w, at++, NULL);
			in_step = false;
		}
	}
}

/* From offsets to instructions; a jump into the middle of an instruction leads nowhere. */
static void number_targets(struct body *b)
{
	for (size_t i = 0; i < b->ninsns; i++) {
		if (b->flow[i].target != CFG_NOWHERE)
			b->flow[i].target = b->index_at[b->flow[i].target];
	}
}

static void find_tables(struct body *b, struct insn_decoder *d, const struct builder *w)
{
	const struct tables_code c = {
		w->im, w->f->addr, b->code, b->ncode, b->len, b->flow, b->ninsns, b->index_at};

	tables_find(&b->tables, d, &c, b->jumps, b->njumps, b->ref_target, b->nrefs);
}

/* A function that is one jump to somewhere else, after an endbr64 perhaps. */
static void find_thunk(struct body *b)
{
	size_t last = b->ninsns - 1, k;

	b->thunk = "";
	if (b->ninsns > 2 || b->flow[last].flow != INSN_JUMP || b->flow[last].target != CFG_NOWHERE)
		return;
	if (last == 1 && !(b->len[0] == 4 && !memcmp(b->code, "\xf3\x0f\x1e", 3)))
		return;
	for (k = 0; k < b->nrefs && b->ref_insn[k] != last; k++)
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

int body_build(struct body *b, struct insn_decoder *d, const struct image *im, const struct func *f)
{
	struct builder w = {.b = b, .im = im, .f = f};
	size_t n;

	arena_reset(&b->arena);
	map_reset(&b->name_index);
	b->ninsns = b->nrefs = b->nnames = b->njumps = 0;
	if (insn_use(d, im->elf->arch) < 0)
		return -1;
	w.track_got = im->elf->word == 4 && im->elf->movable && im->elf->got;
	if (w.track_got && (f->from & FUNC_PART))
		w.got = 1u << X86_RBX; /* as its function left it */
	b->code = elf_bytes(im->elf, f->addr, &n);
	b->ncode = (size_t)(f->end - f->addr);
	if (!b->code || b->ncode > n || b->ncode > BODY_MAX || !b->ncode)
		return -1;
	b->index_at = mem_grow(b->index_at, &b->cap_index, b->ncode, sizeof(*b->index_at));
	if (im->elf->object)
		w.reloc = elf_reloc_from(im->elf, f->addr);
	decode(&w, d, n);
	number_targets(b);
	find_thunk(b);
	find_tables(b, d, &w);
	cfg_build(&b->cfg, b->flow, b->ninsns, b->tables.t, b->tables.n);
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
	mem_free(b->flow);
	mem_free(b->index_at);
	mem_free(b->jumps);
	tables_free(&b->tables);
	map_free(&b->name_index);
	arena_free(&b->arena);
	*b = (struct body){0};
}
