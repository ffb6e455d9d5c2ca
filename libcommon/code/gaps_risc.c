/*
 * gaps_risc.c: the instructions of a gap in code of fixed size; see gaps_items.h.
 */
#include "base/base.h"
#include "code/gaps_items.h"
#include "code/names.h"
#include "code/risc_code.h"
#include "code/stubs.h"

static uint16_t risc_what(const struct risc *i)
{
	uint16_t what = 0;

	if (i->what & RISC_PADDING)
		what = PADDING;
	else if (i->what & RISC_EPILOGUE)
		what = EPILOGUE;
	else if (i->what & RISC_ODD || i->len == 1)
		what = BAD;
	if ((i->flow == INSN_JUMP || i->flow == INSN_COND) && !(i->what & RISC_DIRECT))
		what |= INDIRECT;
	if (i->what & RISC_MAYBE)
		what |= MAYBE;
	if (i->what & RISC_PROLOGUE)
		what |= PROLOGUE;
	return what;
}

/* Branch k of the code, which takes effect at item t. */
static void risc_branch(struct gap *g, const struct risc_code *c, size_t k, struct item *t)
{
	const struct risc *i = &c->insn[k];
	uint64_t target = (risc_code_addr(c, k) + (uint64_t)i->imm) & g->f->mask, slot;
	const char *name;

	if (!(i->what & RISC_DIRECT))
		return;
	if (g->f->object && elf_reloc_at(g->f, risc_code_addr(c, k)))
		t->what |= LEAVES;
	else if (target >= g->range.addr && target < g->range.end)
		t->target = (uint32_t)(target - g->range.addr); /* an offset for now */
	else
		t->what |= LEAVES;
	slot = i->flow == INSN_CALL && (t->what & LEAVES) ? stubs_slot(g->f, target) : 0;
	name = slot ? stubs_import(g->f, slot) : NULL;
	if (i->flow == INSN_CALL && !(t->what & MAYBE) &&
		((name && names_no_return(name)) || gaps_items_is_dead(g, target)))
		t->flow = INSN_STOP;
}

/* An address the code uses: a pointer, or where an indirect call goes. */
static void risc_use(struct gap *g, const struct risc_code *c, const struct risc_use *u)
{
	size_t at =
		(c->insn[u->insn].what & RISC_SLOT) && u->insn + 1 < c->n ? u->insn + 1 : u->insn;
	struct item *t = &g->item[at];
	const char *name;

	if (u->kind == RISC_USE_START) {
		uint32_t start = risc_code_at(c, u->addr);

		if (start != CFG_NOWHERE)
			g->item[start].what |= START | SURE;
	} else if (u->kind == RISC_USE_ADDRESS) {
		gaps_items_point(g, u->addr);
	} else if (u->kind == RISC_USE_BRANCH) {
		t->what &= (uint16_t)~INDIRECT;
		if (u->addr >= g->range.addr && u->addr < g->range.end)
			t->target = (uint32_t)(u->addr - g->range.addr);
		else
			t->what |= LEAVES;
		if (t->flow == INSN_CALL && (t->what & LEAVES) && gaps_items_is_dead(g, u->addr))
			t->flow = INSN_STOP;
	} else if (u->kind == RISC_USE_BRANCH_SLOT) {
		name = stubs_import(g->f, u->addr);
		if (name && names_no_return(name) && !(t->what & MAYBE))
			t->flow = INSN_STOP;
	}
}

void gaps_risc_read(struct gap *g)
{
	struct risc_code c = {0};
	size_t n;
	const uint8_t *p = elf_bytes(g->f, g->range.addr, &n);

	risc_code_read(
		&c, g->f, ARCH_NONE, g->range.addr, p, (size_t)(g->range.end - g->range.addr));
	risc_code_follow(&c, g->f);
	for (size_t k = 0; k < c.n; k++)
		gaps_items_add(
			g, c.offset[k], c.insn[k].len, c.flow[k].flow, risc_what(&c.insn[k]));
	for (size_t k = 0; k < c.n; k++) {
		size_t at = (c.insn[k].what & RISC_SLOT) && k + 1 < c.n ? k + 1 : k;

		if (at != k) {
			g->item[at].what &= (uint16_t)~PADDING;
			g->item[at].what |= g->item[k].what & INDIRECT;
		}
		risc_branch(g, &c, k, &g->item[at]);
		if (at != k)
			g->item[k].what &= (uint16_t) ~(INDIRECT | LEAVES);
	}
	for (size_t u = 0; u < c.nuses; u++)
		risc_use(g, &c, &c.use[u]);
	for (size_t t = 0; t < c.ntables; t++) {
		g->item[c.table[t].insn].what &= (uint16_t)~INDIRECT;
		for (uint32_t m = 0; m < c.table[t].n; m++)
			gaps_items_link(g, c.table[t].insn,
				risc_code_at(&c, c.addr + c.table[t].targets[m]));
	}
	risc_code_free(&c);
}
