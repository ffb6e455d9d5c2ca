/*
 * x86_values.c: see x86_values.h. The instructions before an indirect jump are run on abstract
 * values: a constant, an index, an index scaled, a table's entry, an entry added to a base.
 */
#include "code/x86_values.h"

#include "base/hash.h"

bool x86_values_is_gpr(const struct insn_op *o)
{
	return o->kind == INSN_OP_REG && o->reg.id < 16 && o->reg.lo == 0;
}

static void forget(struct x86_state *s, unsigned r)
{
	if (r < 16)
		s->reg[r] = (struct value){.kind = UNKNOWN, .origin = s->next++};
}

void x86_values_forget(struct x86_state *s)
{
	for (unsigned r = 0; r < 16; r++)
		forget(s, r);
	s->comparing = false;
}

/* What the relocation in an instruction of an object file stands for; 0 if there is none. */
uint64_t x86_values_relocated(const struct image *im, const struct insn *i, uint64_t addr)
{
	const struct elf *elf = im->elf;
	uint64_t end = addr + i->len;
	size_t k = elf->object ? elf_reloc_from(elf, addr) : elf->nrelocs;

	if (k == elf->nrelocs || elf->relocs[k].addr >= end)
		return 0;
	return image_reloc(im, &elf->relocs[k], (unsigned)(end - elf->relocs[k].addr), false)
		.target;
}

/* The address of a memory operand that is one by itself, or 0. */
uint64_t x86_values_fixed_address(
	const struct image *im, const struct insn *i, const struct insn_op *o, uint64_t addr)
{
	uint64_t r = x86_values_relocated(im, i, addr);

	if (r)
		return r;
	if (o->mem.base == X86_RIP)
		return addr + i->len + (uint64_t)o->mem.disp;
	return im->elf->movable ? 0 : (uint64_t)o->mem.disp & im->elf->mask;
}

/* An operand of 32-bit code that is relative to the GOT. */
static uint64_t got_relative(
	const struct x86_state *s, const struct insn *i, const struct insn_op *o, uint64_t addr)
{
	uint64_t r = x86_values_relocated(s->im, i, addr);

	return r || !s->got ? r : (s->got + (uint64_t)o->mem.disp) & s->im->elf->mask;
}

/* A number for the place [base + displacement]. */
static uint64_t variable(const struct x86_state *s, const struct insn_op *o)
{
	uint64_t base = s->reg[o->mem.base].origin;

	return UINT64_C(1) << 63 | hash_mix(base + ((uint64_t)o->mem.disp << 32));
}

/* The same by the base's name, which is no register's: it is not known where it changes. */
uint32_t x86_values_variable(const struct insn_op *o)
{
	return (uint32_t)hash_mix(o->mem.base + ((uint64_t)o->mem.disp << 8)) | 1u << 31;
}

/* mov to memory: code that is not optimised keeps there what it jumps to. */
static void store(struct x86_state *s, const struct insn_op *o, const struct insn_op *from)
{
	if (o->mem.base >= 16 || o->mem.index != X86_NOREG || !x86_values_is_gpr(from))
		return;
	if (o->size == s->word && s->reg[from->reg.id].kind != UNKNOWN) {
		s->kept_at = variable(s, o);
		s->kept = s->reg[from->reg.id];
	} else if (s->kept_at == variable(s, o)) {
		s->kept.kind = UNKNOWN;
	}
}

/* What is loaded from memory. */
struct value x86_values_load(
	struct x86_state *s, const struct insn *i, const struct insn_op *o, uint64_t addr)
{
	const struct value none = {.kind = UNKNOWN, .origin = s->next++};
	const struct value *base = o->mem.base < 16 ? &s->reg[o->mem.base] : NULL;
	const struct value *index = o->mem.index < 16 ? &s->reg[o->mem.index] : NULL;
	struct value v = {.kind = ENTRY, .scale = o->size, .holder = X86_NOREG};

	if (o->mem.seg == X86_FS || o->mem.seg == X86_GS)
		return none;
	if (base && !index && base->kind == SCALED && base->scale == o->size && s->word == 4) {
		v.base = x86_values_relocated(s->im, i, addr);
		if (!v.base && (base->base || !s->im->elf->movable))
			v.base = (base->base + (uint64_t)o->mem.disp) & s->im->elf->mask;
		v.origin = base->origin;
		return v.base ? v : none;
	}
	if (base && !index && s->kept.kind != UNKNOWN && s->kept_at == variable(s, o))
		return s->kept;
	if (base && !index) /* the same place holds the same value for a while */
		return (struct value){.kind = UNKNOWN,
			.origin = variable(s, o),
			.holder = x86_values_variable(o)};
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
		else if (s->word == 4 && base->kind == UNKNOWN && s->im->elf->movable)
			v.base = got_relative(s, i, o, addr);
		if (!v.base)
			return none;
	} else if (index && o->mem.scale == o->size) {
		if (!base)
			v.base = x86_values_fixed_address(s->im, i, o, addr);
		else if (base->kind == CONSTANT)
			v.base = base->base + (uint64_t)o->mem.disp;
		else if (s->word == 4 && s->im->elf->movable && o->mem.disp)
			v.base = got_relative(s, i, o, addr);
		else if (s->word == 4 && s->im->elf->movable && !s->got)
			v.base = x86_values_relocated(s->im, i, addr);
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
	struct x86_state *s, const struct value *x, unsigned rx, const struct value *y, unsigned ry)
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

static struct value address(struct x86_state *s, const struct insn *i, uint64_t addr)
{
	const struct insn_op *o = &i->op[1];
	struct value v = {.kind = UNKNOWN, .origin = s->next++};

	if (o->mem.index == X86_NOREG && (o->mem.base == X86_RIP || o->mem.base == X86_NOREG)) {
		v.base = x86_values_fixed_address(s->im, i, o, addr);
		v.kind = v.base ? CONSTANT : UNKNOWN;
	} else if (o->mem.index < 16 && o->mem.base < 16 && o->mem.scale == 1 && o->mem.disp == 0) {
		v = sum(s, &s->reg[o->mem.base], o->mem.base, &s->reg[o->mem.index], o->mem.index);
	} else if (s->got && o->mem.index == X86_NOREG && o->mem.base < 16 &&
		   s->reg[o->mem.base].kind == UNKNOWN) {
		v.base = got_relative(s, i, o, addr);
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
static struct value moved(struct x86_state *s, const struct insn *i, uint64_t addr)
{
	const struct insn_op *o = &i->op[1];
	struct value v = {.kind = UNKNOWN, .origin = s->next++};

	if (o->kind == INSN_OP_MEM)
		return x86_values_load(s, i, o, addr);
	if (o->kind == INSN_OP_IMM) {
		v.kind = CONSTANT;
		v.base = x86_values_relocated(s->im, i, addr);
		if (!v.base)
			v.base = (uint64_t)o->imm & s->im->elf->mask;
		return v;
	}
	if (!x86_values_is_gpr(o))
		return v;
	if (o->size < 4) /* movzx: bounded by its size, and the same index */
		v.origin = s->reg[o->reg.id].origin;
	else
		v = s->reg[o->reg.id];
	return v;
}

/* Compares with constants, and masks, bound an index. */
static void note_compare(struct x86_state *s, const struct insn *i, uint64_t addr)
{
	const struct insn_op *a = &i->op[0], *b = &i->op[1];
	uint64_t mask = a->size < 8 ? (UINT64_C(1) << 8 * a->size) - 1 : UINT64_MAX;

	s->comparing = false;
	if (i->nops != 2 || b->kind != INSN_OP_IMM)
		return;
	if (x86_values_is_gpr(a))
		s->compared = s->reg[a->reg.id].origin;
	else if (a->kind == INSN_OP_MEM)
		s->compared = x86_values_load(s, i, a, addr).origin;
	else
		return;
	s->limit = (uint64_t)b->imm & mask;
	s->comparing = true;
}

static void note_branch(struct x86_state *s, const struct insn *i, bool taken)
{
	uint8_t cc = taken ? i->cc ^ 1 : i->cc; /* the condition under which we would not be here */

	if (!s->comparing || i->cc == X86_CC_NONE || (cc != X86_CC_A && cc != X86_CC_AE))
		return;
	s->bounded = s->compared;
	s->bound = s->limit + (cc == X86_CC_A);
}

static void clobber(struct x86_state *s, const struct insn *i)
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
void x86_values_step(struct x86_state *s, const struct insn *i, uint64_t addr, bool taken)
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
		if (!x86_values_is_gpr(a) || a->size < 4)
			break;
		v = moved(s, i, addr);
		s->reg[a->reg.id] = v;
		return;
	case X86_CDQE: return; /* an entry stays one */
	case X86_LEA:
		if (!x86_values_is_gpr(a) || a->size != s->word)
			break;
		v = address(s, i, addr);
		s->reg[a->reg.id] = v;
		return;
	case X86_ADD:
		if (!x86_values_is_gpr(a) || a->size != s->word)
			break;
		if (x86_values_is_gpr(b)) {
			v = sum(s, &s->reg[a->reg.id], a->reg.id, &s->reg[b->reg.id], b->reg.id);
		} else if (b->kind == INSN_OP_MEM) {
			v = x86_values_load(s, i, b, addr);
			v = sum(s, &s->reg[a->reg.id], a->reg.id, &v, X86_NOREG);
		} else if (b->kind == INSN_OP_IMM && s->word == 4 &&
			   s->reg[a->reg.id].kind == SCALED) {
			v = s->reg[a->reg.id]; /* the table is added to an index */
			v.base = x86_values_relocated(s->im, i, addr);
			if (!v.base)
				v.base = (uint64_t)b->imm & s->im->elf->mask;
		} else {
			break;
		}
		s->reg[a->reg.id] = v;
		return;
	case X86_AND:
		clobber(s, i);
		if (x86_values_is_gpr(a) && i->op[1].kind == INSN_OP_IMM && i->op[1].imm > 0 &&
			i->op[1].imm < 256) {
			s->bounded = s->reg[a->reg.id].origin;
			s->bound = (uint64_t)i->op[1].imm + 1;
		}
		return;
	case X86_SHL:
		if (!x86_values_is_gpr(a) || a->size != s->word || b->kind != INSN_OP_IMM ||
			b->imm > 3 || s->reg[a->reg.id].kind != UNKNOWN)
			break;
		v = (struct value){.kind = SCALED,
			.scale = (uint8_t)(1u << (b->imm & 3)),
			.origin = s->reg[a->reg.id].origin};
		s->reg[a->reg.id] = v;
		return;
	case X86_CMP: note_compare(s, i, addr); return;
	case X86_NOP: return;
	default: break;
	}
	if (i->flow == INSN_COND)
		note_branch(s, i, taken);
	clobber(s, i);
}
