/*
 * risc_code.c: see risc_code.h. Reading instructions, and stubs; risc_follow.c is the rest of it.
 */
#include "code/risc_code.h"

#include "base/mem.h"
#include "base/sort.h"
#include "code/isa.h"
#include "code/risc_values.h"
#include "code/stubs.h"

enum { STUB_INSNS = 6 };

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

	risc_values_start(&w);
	for (size_t k = 0; k < STUB_INSNS && at < left && !slot; k++) {
		struct risc *i = &insn[k];
		struct value v;

		offset[k] = (uint32_t)at;
		w.ops->read(p + at, left - at, addr + at, i);
		at += i->len;
		v = get(&w, i->ra);
		risc_values_step(&w, k);
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
