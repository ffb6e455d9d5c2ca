/*
 * gaps_x86.c: the instructions of a gap in x86 code; see gaps_items.h.
 */
#include "base/base.h"
#include "code/gaps_items.h"
#include "code/names.h"
#include "code/stubs.h"

static bool is_padding(const struct insn *i, const uint8_t *p)
{
	if (i->mn == X86_NOP || i->mn == X86_INT3)
		return true;
	if (i->mn == X86_LEA && i->op[1].mem.base == i->op[0].reg.id && i->op[0].size == 4 &&
		i->op[1].mem.index == X86_NOREG && !i->op[1].mem.disp)
		return true; /* in 32-bit code */
	return i->len == 2 && p[0] == 0 && p[1] == 0;
}

static bool is_epilogue(const struct insn *i)
{
	if (i->mn == X86_LEAVE || i->mn == X86_POP)
		return true;
	return i->mn == X86_ADD && i->op[0].kind == INSN_OP_REG && i->op[0].reg.id == X86_RSP;
}

/* Instructions of system code and of old times: in a gap rather bytes of data. */
static bool is_rare(const struct insn *i, uint8_t word)
{
	switch (i->mn) {
	case X86_IN:
	case X86_INSB:
	case X86_INSD:
	case X86_OUT:
	case X86_OUTSB:
	case X86_OUTSD:
	case X86_CLI:
	case X86_STI:
	case X86_HLT:
	case X86_IRETD:
	case X86_IRETQ:
	case X86_RETF:
	case X86_RETFQ:
	case X86_LCALL:
	case X86_LJMP:
	case X86_ENTER:
	case X86_XLATB:
	case X86_LOOP:
	case X86_LOOPE:
	case X86_LOOPNE:
	case X86_JRCXZ:
	case X86_CMC:
	case X86_STC:
	case X86_CLC:
	case X86_LAHF:
	case X86_SAHF:
	case X86_WAIT:
	case X86_LFS:
	case X86_LGS:
	case X86_LSS:
	case X86_INT:
	case X86_INT1:
	case X86_POPF:
	case X86_POPFQ:
	case X86_CMPSD:
	case X86_FBLD:
	case X86_FBSTP:
	case X86_FICOMP:
	case X86_FISUBR:
	case X86_FIDIVR: return true;
	case X86_NONE: return i->mnemonic[0] == 'o'; /* op.*: opaque.c's guess */
	default:
		for (unsigned k = 0; k < i->nops; k++) {
			if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.addr_size < word)
				return true;
			if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.id >= X86_ES &&
				i->op[k].reg.id <= X86_GS)
				return true;
		}
		return i->prefix && i->flow != INSN_FALL &&
		       !(i->prefix & (INSN_BND | INSN_NOTRACK));
	}
}

/* Whether a call or jump goes to an imported function that does not return. */
static bool is_dead_end(const struct gap *g, const struct insn *i, uint64_t next)
{
	const struct insn_op *o = &i->op[0];
	uint64_t slot = 0;
	const char *name;

	if (o->kind == INSN_OP_REL)
		slot = stubs_slot(g->f, (next + (uint64_t)o->imm) & g->f->mask);
	else if (o->kind == INSN_OP_MEM && o->mem.base == X86_RIP)
		slot = next + (uint64_t)o->mem.disp;
	else if (o->kind == INSN_OP_MEM && g->f->word == 4) /* relative to the GOT, or absolute */
		slot = ((o->mem.base != X86_NOREG ? g->f->got : 0) + (uint64_t)o->mem.disp) &
		       g->f->mask;
	name = slot ? stubs_import(g->f, slot) : NULL;
	return name && names_no_return(name);
}

static void branch(struct gap *g, struct item *t, const struct insn *i, uint64_t next)
{
	uint64_t target = (next + (uint64_t)i->op[0].imm) & g->f->mask;

	if (i->flow == INSN_CALL && is_dead_end(g, i, next))
		t->flow = INSN_STOP;
	if (i->op[0].kind != INSN_OP_REL) {
		t->what |= i->flow == INSN_JUMP ? INDIRECT : 0;
		return;
	}
	/* in object files the bytes say nothing about targets in other sections */
	if (g->f->object && elf_reloc_from(g->f, next - i->len) != elf_reloc_from(g->f, next))
		t->what |= LEAVES;
	else if (target >= g->range.addr && target < g->range.end)
		t->target = (uint32_t)(target - g->range.addr); /* an offset for now */
	else
		t->what |= LEAVES;
	if (i->flow == INSN_CALL && (t->what & LEAVES) && gaps_items_is_dead(g, target))
		t->flow = INSN_STOP;
	if (i->flow == INSN_CALL && i->op[0].imm == 0)
		t->target = CFG_NOWHERE; /* how old code learns where it is */
}

/* Code whose address an instruction takes. */
static void note_address(struct gap *g, const struct insn *i, uint64_t next)
{
	const struct insn_op *o = &i->op[1];

	if (i->mn == X86_LEA && o->mem.base == X86_RIP)
		gaps_items_point(g, next + (uint64_t)o->mem.disp);
	else if (i->mn == X86_LEA && g->f->word == 4 && g->f->movable)
		gaps_items_point(g, (g->f->got + (uint64_t)o->mem.disp) & g->f->mask);
	else if (i->mn == X86_MOV && o->kind == INSN_OP_IMM && !g->f->movable)
		gaps_items_point(g, (uint64_t)o->imm & g->f->mask);
}

void gaps_x86_read(struct gap *g, struct insn_decoder *d, const struct gaps_addresses *seeds)
{
	uint64_t at = g->range.addr;
	size_t left, s = 0;
	const uint8_t *p = elf_bytes(g->f, at, &left);

	while (at < g->range.end) {
		uint64_t limit = g->range.end;
		uint32_t offset = (uint32_t)(at - g->range.addr);
		struct item *t;
		struct insn i;

		while (s < seeds->n && seeds->p[s] <= at)
			s++;
		if (s < seeds->n)
			limit = MIN(limit, seeds->p[s]);
		if (insn_decode(d, p, (size_t)(limit - at), &i)) {
			t = gaps_items_add(g, offset, i.len, i.flow, 0);
			if (is_padding(&i, p))
				t->what = PADDING;
			else if (is_epilogue(&i))
				t->what = EPILOGUE;
			else if (is_rare(&i, g->f->word))
				t->what = RARE;
			if (i.flow == INSN_CALL || i.flow == INSN_JUMP || i.flow == INSN_COND)
				branch(g, t, &i, at + i.len);
			note_address(g, &i, at + i.len);
		} else {
			t = gaps_items_add(g, offset, 1, INSN_STOP, *p ? BAD : PADDING);
		}
		at += t->len;
		p += t->len;
	}
}
