/*
 * insn_opaque.c: see insn_opaque.h. Half-precision arithmetic, CET and other newcomers follow the
 * rules of their encoding space (Intel SDM volume 2, chapter 2), so that length and operands are
 * known without knowing what they do. They have mnemonics such as evex.0f3a.c2 and are written by
 * their first operand, read by the others.
 */
#include "code/insn_opaque.h"

#include <stdio.h>
#include <string.h>

#include "code/insn_operand.h"

static const char *name_of(struct map *names, const struct x86_fields *f)
{
	static const char *const codings[] = {"op", "vex", "evex", "xop"};
	static const char *const maps[] = {"", ".0f", ".0f38", ".0f3a", "", ".map5", ".map6"};
	static const char *const prefixes[] = {"", ".66", ".f3", ".f2"};
	char text[32];

	snprintf(text, sizeof(text), "%s%s%s.%02x", codings[f->coding], prefixes[f->pp],
		maps[f->map], f->opcode);
	return map_put(names, text, strlen(text), NULL)->key;
}

/* The encoding spaces where instructions are still being added. */
static bool is_plausible(const struct x86_fields *f)
{
	switch (f->coding) {
	case X86_VEX: return f->map <= X86_MAP_0F3A;
	case X86_EVEX: return !(f->vex[0] & 8) && (f->vex[1] & 4);
	case X86_LEGACY: break;
	default: return false;
	}
	switch (f->map) {
	case X86_MAP_0F:
		return f->opcode == 0x01 || f->opcode == 0x0d || f->opcode == 0xae ||
		       f->opcode == 0xc7 || (f->opcode >= 0x18 && f->opcode <= 0x1f);
	case X86_MAP_0F38: return f->opcode >= 0xc8;
	case X86_MAP_0F3A: return f->opcode >= 0xcc;
	default: return false;
	}
}

/* Half-precision compares write a mask register. */
static bool writes_mask(const struct x86_fields *f)
{
	return f->coding == X86_EVEX && f->map == X86_MAP_0F3A &&
	       (f->opcode == 0xc2 || (f->opcode & 0xfe) == 0x66);
}

static void vector_operands(struct insn *o, const uint8_t *p, const struct x86_fields *f)
{
	bool evex = f->coding == X86_EVEX;
	unsigned size = 16u << MIN(f->vlen, 2), v = f->vvvv;
	unsigned reg = (f->modrm >> 3 & 7) | (f->rex & 4) << 1, rm = (f->modrm & 7) | (f->rex & 1)
											      << 3;

	if (evex) {
		reg |= (~(unsigned)f->vex[0] & 0x10);
		v |= (~(unsigned)f->vex[2] & 8) << 1;
		rm |= (f->rex & 2) << 3;
	}
	if (writes_mask(f))
		insn_operand_reg(o, X86_K0 + (reg & 7), 8, INSN_WRITE);
	else
		insn_operand_reg(o, X86_V0 + reg, size, INSN_WRITE);
	if (v)
		insn_operand_reg(o, X86_V0 + v, size, INSN_READ);
	if (f->modrm >> 6 == 3)
		insn_operand_reg(o, X86_V0 + rm, size, INSN_READ);
	else
		insn_operand_mem(o, p, f, size, evex ? size : 1, INSN_READ);
	if (evex && (f->vex[2] & 7))
		o->reads[o->nreads++] =
			(struct insn_reg){(uint8_t)(X86_K0 + (f->vex[2] & 7)), 0, 8};
}

/* Instructions of the old spaces that have names. */
static bool named(struct insn *o, const struct x86_fields *f)
{
	unsigned reg = f->modrm >> 3 & 7;
	bool f3 = f->prefix & X86_PF3, direct = f->modrm >> 6 == 3, wide = f->rex & 8;

	if (f->map != X86_MAP_0F)
		return false;
	if (f->opcode == 0x1e && f3 && reg == 1 && direct)
		o->mnemonic = wide ? "rdsspq" : "rdsspd";
	else if (f->opcode >= 0x18 && f->opcode <= 0x1f)
		o->mnemonic = "nop", o->mn = X86_NOP;
	else if (f->opcode == 0x0d && !direct)
		o->mnemonic = "prefetch", o->mn = X86_PREFETCH;
	else if (f->opcode == 0xae && f3 && reg == 5 && direct)
		o->mnemonic = wide ? "incsspq" : "incsspd";
	else if (f->opcode == 0xc7 && f3 && reg == 7 && direct)
		o->mnemonic = "rdpid";
	return o->mnemonic;
}

static void plain_operands(struct insn *o, const uint8_t *p, const struct x86_fields *f)
{
	unsigned size = f->rex & 8 ? 8 : 4;
	unsigned access = o->mn == X86_NOP ? 0 : INSN_READ | INSN_WRITE;

	if (f->map != X86_MAP_0F)
		insn_operand_reg(o, (f->modrm >> 3 & 7) | (f->rex & 4) << 1, size, access);
	if (f->modrm >> 6 == 3)
		insn_operand_reg(o, (f->modrm & 7) | (f->rex & 1) << 3, size, access);
	else
		insn_operand_mem(o, p, f, o->mn == X86_PREFETCH ? 1 : size, 1, access);
}

int insn_opaque_decode(
	struct map *names, const uint8_t *p, const struct x86_fields *f, struct insn *out)
{
	if (!is_plausible(f))
		return 0;
	insn_operand_start(out, f);
	if (!(f->coding == X86_LEGACY && named(out, f)))
		out->mnemonic = name_of(names, f);
	if (f->prefix & X86_PLOCK)
		return 0;
	if (!f->has_modrm)
		return 1;
	if (f->coding == X86_LEGACY)
		plain_operands(out, p, f);
	else
		vector_operands(out, p, f);
	if (f->imm_len == 1)
		insn_operand_imm8(out, p, f);
	return 1;
}
