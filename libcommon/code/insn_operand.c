/*
 * insn_operand.c: see insn_operand.h. ModRM and SIB after Intel SDM volume 2, chapter 2.
 */
#include "code/insn_operand.h"

#include <string.h>

void insn_operand_start(struct insn *o, const struct x86_fields *f)
{
	memset(o, 0, sizeof(*o));
	o->len = f->len;
	o->flow = INSN_FALL;
	o->cc = X86_CC_NONE;
	o->pred = 255;
}

void insn_operand_reg(struct insn *o, unsigned id, unsigned size, unsigned access)
{
	o->op[o->nops++] = (struct insn_op){.kind = INSN_OP_REG,
		.size = (uint8_t)size,
		.access = (uint8_t)access,
		.reg = {(uint8_t)id, 0, (uint8_t)size}};
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

void insn_operand_mem(struct insn *o, const uint8_t *p, const struct x86_fields *f, unsigned size,
	unsigned scale, unsigned access)
{
	unsigned mod = f->modrm >> 6, rm = f->modrm & 7, b = (f->rex & 1) << 3;
	struct insn_op m = {.kind = INSN_OP_MEM, .size = (uint8_t)size, .access = (uint8_t)access};

	m.mem.base = (uint8_t)(rm | b);
	m.mem.index = X86_NOREG;
	m.mem.scale = 1;
	m.mem.seg = f->seg == 0x64 ? X86_FS : f->seg == 0x65 ? X86_GS : X86_NOREG;
	m.mem.addr_size = f->is32 || f->prefix & X86_P67 ? 4 : 8;
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
		m.mem.base = f->is32 ? X86_NOREG : X86_RIP;
	}
	m.mem.index_size = m.mem.addr_size;
	o->op[o->nops++] = m;
}

void insn_operand_imm8(struct insn *o, const uint8_t *p, const struct x86_fields *f)
{
	o->op[o->nops++] = (struct insn_op){
		.kind = INSN_OP_IMM, .size = 1, .access = INSN_READ, .imm = p[f->len - 1]};
}
