/*
 * insn_opaque.c: see insn_opaque.h. Most of AVX-512 beyond its foundation, FP16, GFNI, CET and
 * other newcomers follow the rules of their encoding space (Intel SDM volume 2, chapter 2), so that
 * length and operands are known without knowing what they do. They have mnemonics such as
 * evex.66.0f38.50 and are written by their first operand, read by the others.
 */
#include "code/insn_opaque.h"

#include <stdio.h>
#include <string.h>

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

static void add(struct insn *o, struct insn_op op)
{
	o->op[o->nops++] = op;
}

static void add_reg(struct insn *o, unsigned id, unsigned size, unsigned access)
{
	add(o, (struct insn_op){.kind = INSN_OP_REG,
		       .size = (uint8_t)size,
		       .access = (uint8_t)access,
		       .reg = {(uint8_t)id, 0, (uint8_t)size}});
}

static int64_t displacement(const uint8_t *p, const struct x86_fields *f, unsigned scale)
{
	const uint8_t *q = p + f->head;

	if (f->disp_len == 1)
		return (int8_t)q[0] * (int64_t)scale;
	if (f->disp_len == 4)
		return (int32_t)(q[0] | q[1] << 8 | q[2] << 16 | (uint32_t)q[3] << 24);
	return 0;
}

/* The memory operand of ModRM; `size` bytes, 8-bit displacements count `scale` bytes. */
static void add_mem(struct insn *o, const uint8_t *p, const struct x86_fields *f, unsigned size,
	unsigned scale, unsigned access)
{
	unsigned mod = f->modrm >> 6, rm = f->modrm & 7, b = (f->rex & 1) << 3;
	struct insn_op m = {.kind = INSN_OP_MEM, .size = (uint8_t)size, .access = (uint8_t)access};

	m.mem.base = (uint8_t)(rm | b);
	m.mem.index = X86_NOREG;
	m.mem.scale = 1;
	m.mem.seg = f->seg == 0x64 ? X86_FS : f->seg == 0x65 ? X86_GS : X86_NOREG;
	m.mem.addr_size = f->prefix & X86_P67 ? 4 : 8;
	m.mem.disp = displacement(p, f, scale);
	if (rm == 4) {
		unsigned sib = p[f->head - 1], index = (sib >> 3 & 7) | (f->rex & 2) << 2;

		m.mem.base = (uint8_t)((sib & 7) | b);
		if (mod == 0 && (sib & 7) == 5)
			m.mem.base = X86_NOREG;
		if (index != 4) {
			m.mem.index = (uint8_t)index;
			m.mem.scale = (uint8_t)(1 << (sib >> 6));
		}
	} else if (mod == 0 && rm == 5) {
		m.mem.base = X86_RIP;
	}
	add(o, m);
}

/* Compares and tests of AVX-512 write a mask register. */
static bool writes_mask(const struct x86_fields *f)
{
	if (f->coding != X86_EVEX)
		return false;
	if (f->map == X86_MAP_0F38)
		return f->opcode == 0x26 || f->opcode == 0x27;
	return f->map == X86_MAP_0F3A && (f->opcode & 0xde) == 0x1e;
}

/* vbroadcasti128, which capstone 4.0.2 does not know. */
static bool is_broadcast(const struct x86_fields *f)
{
	return f->coding == X86_VEX && f->map == X86_MAP_0F38 && f->pp == 1 && f->opcode == 0x5a &&
	       f->vlen == 1 && !(f->rex & 8) && !f->vvvv && f->modrm >> 6 != 3;
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
		add_reg(o, X86_K0 + (reg & 7), 8, INSN_WRITE);
	else
		add_reg(o, X86_V0 + reg, size, INSN_WRITE);
	if (v)
		add_reg(o, X86_V0 + v, size, INSN_READ);
	if (f->modrm >> 6 == 3)
		add_reg(o, X86_V0 + rm, size, INSN_READ);
	else
		add_mem(o, p, f, is_broadcast(f) ? 16 : size, evex ? size : 1, INSN_READ);
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
		add_reg(o, (f->modrm >> 3 & 7) | (f->rex & 4) << 1, size, access);
	if (f->modrm >> 6 == 3)
		add_reg(o, (f->modrm & 7) | (f->rex & 1) << 3, size, access);
	else
		add_mem(o, p, f, o->mn == X86_PREFETCH ? 1 : size, 1, access);
}

int insn_opaque_decode(
	struct map *names, const uint8_t *p, const struct x86_fields *f, struct insn *out)
{
	if (!is_plausible(f))
		return 0;
	memset(out, 0, sizeof(*out));
	out->len = f->len;
	out->flow = INSN_FALL;
	out->cc = X86_CC_NONE;
	out->pred = 255;
	if (!(f->coding == X86_LEGACY && named(out, f)))
		out->mnemonic = name_of(names, f);
	if (f->prefix & X86_PLOCK)
		return 0;
	if (!f->has_modrm)
		return 1;
	if (is_broadcast(f)) {
		out->mnemonic = "vbroadcasti128";
		out->mn = X86_VBROADCASTI128;
	}
	if (f->coding == X86_LEGACY)
		plain_operands(out, p, f);
	else
		vector_operands(out, p, f);
	if (f->imm_len == 1)
		add(out, (struct insn_op){.kind = INSN_OP_IMM,
				 .size = 1,
				 .access = INSN_READ,
				 .imm = p[f->len - 1]});
	return 1;
}
