/*
 * insn_simple.c: see insn_simple.h. 64-bit mode without other prefixes than REX; opcodes after
 * Intel SDM volume 2, appendix A. The answers are those of insn_capstone.c: tests/unit/insn.c
 * compares them.
 */
#include "code/insn_simple.h"

#include "code/insn_operand.h"

enum order { RM_REG, REG_RM, REG_MEM, RM_IMM };

/* What an opcode means. */
struct form {
	uint16_t mn;      /* X86_NONE: not one of these */
	uint8_t order;    /* enum order: its operands, */
	uint8_t size[2];  /* their bytes, */
	uint8_t access;   /* and what it does with the first; the second is read */
	bool flags;       /* are written */
	bool conditional; /* they are read: the opcode says which */
};

enum { READ = INSN_READ, WRITE = INSN_WRITE, CHANGE = INSN_READ | INSN_WRITE };

static const uint16_t arithmetic[8] = {
	X86_ADD, X86_OR, X86_NONE, X86_NONE, X86_AND, X86_SUB, X86_XOR, X86_CMP};

static struct form one_byte(const struct x86_fields *f)
{
	uint8_t op = f->opcode, wide = f->rex & 8 ? 8 : 4, size = op & 1 ? wide : 1;
	unsigned reg = f->modrm >> 3 & 7;

	if (op < 0x40 && (op & 7) < 4)
		return (struct form){arithmetic[op >> 3], op & 2 ? REG_RM : RM_REG, {size, size},
			op >> 3 == 7 ? READ : CHANGE, true, false};
	switch (op) {
	case 0x63: return (struct form){X86_MOVSXD, REG_RM, {wide, 4}, WRITE, false, false};
	case 0x80:
	case 0x81:
	case 0x83:
		return (struct form){arithmetic[reg], RM_IMM, {size, size},
			reg == 7 ? READ : CHANGE, true, false};
	case 0x84:
	case 0x85: return (struct form){X86_TEST, RM_REG, {size, size}, READ, true, false};
	case 0x88:
	case 0x89: return (struct form){X86_MOV, RM_REG, {size, size}, WRITE, false, false};
	case 0x8a:
	case 0x8b: return (struct form){X86_MOV, REG_RM, {size, size}, WRITE, false, false};
	case 0x8d: return (struct form){X86_LEA, REG_MEM, {wide, wide}, WRITE, false, false};
	case 0xc6:
	case 0xc7:
		return (struct form){
			reg ? X86_NONE : X86_MOV, RM_IMM, {size, size}, WRITE, false, false};
	case 0xf6:
	case 0xf7:
		return (struct form){
			reg ? X86_NONE : X86_TEST, RM_IMM, {size, size}, READ, true, false};
	default: return (struct form){.mn = X86_NONE};
	}
}

static struct form two_bytes(const struct x86_fields *f)
{
	static const uint16_t moves[16] = {X86_CMOVO, X86_CMOVNO, X86_CMOVB, X86_CMOVAE, X86_CMOVE,
		X86_CMOVNE, X86_CMOVBE, X86_CMOVA, X86_CMOVS, X86_CMOVNS, X86_CMOVP, X86_CMOVNP,
		X86_CMOVL, X86_CMOVGE, X86_CMOVLE, X86_CMOVG};
	uint8_t op = f->opcode, wide = f->rex & 8 ? 8 : 4, part = op & 1 ? 2 : 1;

	if (op >> 4 == 4)
		return (struct form){moves[op & 15], REG_RM, {wide, wide}, CHANGE, false, true};
	switch (op) {
	case 0xa3: return (struct form){X86_BT, RM_REG, {wide, wide}, READ, true, false};
	case 0xaf: return (struct form){X86_IMUL, REG_RM, {wide, wide}, CHANGE, true, false};
	case 0xb6:
	case 0xb7: return (struct form){X86_MOVZX, REG_RM, {wide, part}, WRITE, false, false};
	case 0xbe:
	case 0xbf: return (struct form){X86_MOVSX, REG_RM, {wide, part}, WRITE, false, false};
	default: return (struct form){.mn = X86_NONE};
	}
}

/* Register number id; without REX, ah to bh are where the last four would be. */
static void put_reg(struct insn *o, unsigned id, unsigned size, unsigned access, bool rex)
{
	bool high = size == 1 && !rex && id >= 4;

	insn_operand_reg(o, high ? id - 4 : id, size, access);
	o->op[o->nops - 1].reg.lo = high;
}

/* The register or memory operand of ModRM. */
static void put_rm(struct insn *o, const uint8_t *p, const struct x86_fields *f, unsigned size,
	unsigned access, bool rex)
{
	if (f->modrm >= 0xc0)
		put_reg(o, (f->modrm & 7) | (f->rex & 1) << 3, size, access, rex);
	else
		insn_operand_mem(o, p, f, size, 1, access);
}

/*
 * The immediate, sign-extended to the size of the operand it is used with; capstone extends those
 * of one byte further where they are added or subtracted.
 */
static void put_imm(struct insn *o, const uint8_t *p, const struct x86_fields *f, unsigned size)
{
	bool further = f->opcode == 0x83 && o->mn != X86_AND && o->mn != X86_OR && o->mn != X86_XOR;
	const uint8_t *q = p + f->len - f->imm_len;
	int64_t v = f->imm_len == 1
			    ? (int8_t)q[0]
			    : (int32_t)(q[0] | q[1] << 8 | q[2] << 16 | (uint32_t)q[3] << 24);

	o->op[o->nops++] = (struct insn_op){.kind = INSN_OP_IMM,
		.size = (uint8_t)size,
		.access = INSN_READ,
		.imm = size == 1               ? (uint8_t)v
		       : size == 4 && !further ? (uint32_t)v
					       : v};
}

static void operands(
	struct insn *o, const struct form *m, const uint8_t *p, const struct x86_fields *f)
{
	bool rex = (p[0] & 0xf0) == 0x40;
	unsigned reg = (f->modrm >> 3 & 7) | (f->rex & 4) << 1;

	switch (m->order) {
	case RM_REG:
		put_rm(o, p, f, m->size[0], m->access, rex);
		put_reg(o, reg, m->size[1], READ, rex);
		break;
	case RM_IMM:
		put_rm(o, p, f, m->size[0], m->access, rex);
		put_imm(o, p, f, m->size[1]);
		break;
	default:
		put_reg(o, reg, m->size[0], m->access, rex);
		put_rm(o, p, f, m->size[1], m->order == REG_RM ? READ : 0, rex);
		break;
	}
}

/* A scale without an index: nobody writes it. */
static bool scales_nothing(const uint8_t *p, const struct x86_fields *f)
{
	bool sib = f->modrm < 0xc0 && (f->modrm & 7) == 4;

	return sib && (p[f->head - 1] & 0x38) == 0x20 && !(f->rex & 2) && p[f->head - 1] >> 6;
}

int insn_simple_decode(const uint8_t *p, const struct x86_fields *f, struct insn *out)
{
	struct form m;

	if (f->is32 || f->prefix || f->coding != X86_LEGACY || f->map > X86_MAP_0F)
		return 0;
	m = f->map == X86_MAP_1 ? one_byte(f) : two_bytes(f);
	if (m.mn == X86_NONE || (m.order == REG_MEM && f->modrm >= 0xc0) || scales_nothing(p, f))
		return 0;
	insn_operand_start(out, f);
	out->mn = m.mn;
	out->mnemonic = x86_mnemonics_text(m.mn);
	operands(out, &m, p, f);
	if (m.flags)
		out->writes[out->nwrites++] = (struct insn_reg){X86_FLAGS, 0, 8};
	if (m.conditional) {
		out->cc = f->opcode & 15;
		out->reads[out->nreads++] = (struct insn_reg){X86_FLAGS, 0, 8};
	}
	return 1;
}
