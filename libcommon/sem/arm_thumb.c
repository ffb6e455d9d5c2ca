/* arm_thumb.c: what T32 instructions say (Arm ARM, F3: the encoding index). See arm_ops.h. */
#include "sem/arm_ops.h"

/* ---- 16 bits ---- */

static void set_shift(struct arm_insn *d, unsigned rm, unsigned type, unsigned by)
{
	d->rm = (uint8_t)rm;
	d->shift = (uint8_t)type;
	d->by = (uint8_t)by;
	if (type == ARM_ROR && !by)
		d->shift = ARM_RRX;
	else if ((type == ARM_LSR || type == ARM_ASR) && !by)
		d->by = 32;
}

static void registers(struct arm_insn *d, enum arm_op op, unsigned rd, unsigned rn, unsigned rm)
{
	d->op = (uint8_t)op;
	d->rd = (uint8_t)rd;
	d->rn = (uint8_t)rn;
	d->rm = (uint8_t)rm;
}

static void immediate(struct arm_insn *d, enum arm_op op, unsigned rd, unsigned rn, uint32_t imm)
{
	registers(d, op, rd, rn, ARM_NOREG);
	d->imm = imm;
}

/* Shifts by constants; sums of three operands; an operand of 8 bits. */
static void short_sums(unsigned h, struct arm_insn *d)
{
	static const uint8_t of_imm[] = {ARM_MOV, ARM_CMP, ARM_ADD, ARM_SUB};
	unsigned op = h >> 11 & 3, r = h >> 8 & 7;

	if (h >> 13) {
		immediate(d, of_imm[op], r, r, h & 0xff);
	} else if (op < 3) {
		d->op = ARM_MOV;
		d->rd = h & 7;
		set_shift(d, h >> 3 & 7, op, h >> 6 & 31);
	} else {
		registers(d, h >> 9 & 1 ? ARM_SUB : ARM_ADD, h & 7, h >> 3 & 7, h >> 6 & 7);
		if (h >> 10 & 1) {
			d->imm = d->rm;
			d->rm = ARM_NOREG;
		}
	}
}

static void short_processing(unsigned h, struct arm_insn *d)
{
	static const uint8_t ops[16] = {ARM_AND, ARM_EOR, ARM_MOV, ARM_MOV, ARM_MOV, ARM_ADC,
		ARM_SBC, ARM_MOV, ARM_TST, ARM_RSB, ARM_CMP, ARM_CMN, ARM_ORR, ARM_MUL, ARM_BIC,
		ARM_MVN};
	unsigned op = h >> 6 & 15, rd = h & 7, rm = h >> 3 & 7;

	registers(d, ops[op], rd, rd, rm);
	if (op == 9) { /* 0 - rm */
		immediate(d, ARM_RSB, rd, rm, 0);
	} else if (ops[op] == ARM_MOV) {
		d->rm = (uint8_t)rd;
		d->rs = (uint8_t)rm;
		d->shift = op == 7 ? ARM_ROR : op == 4 ? ARM_ASR : op == 3 ? ARM_LSR : ARM_LSL;
	}
}

static void short_high(unsigned h, struct arm_insn *d)
{
	static const uint8_t ops[4] = {ARM_ADD, ARM_CMP, ARM_MOV, ARM_BX};
	unsigned op = h >> 8 & 3, rd = (h & 7) | (h >> 4 & 8);

	registers(d, ops[op], rd, rd, h >> 3 & 15);
	d->sets = false;
}

static void access_at(struct arm_insn *d, unsigned rd, unsigned rn, unsigned size, bool load)
{
	d->op = ARM_MEM;
	d->rd = (uint8_t)rd;
	d->rn = (uint8_t)rn;
	d->size = (uint8_t)size;
	d->load = load;
	d->before = true;
}

static void short_memory(unsigned h, struct arm_insn *d)
{
	static const uint8_t sizes[8] = {4, 2, 1, 1, 4, 2, 1, 2};
	unsigned op = h >> 9 & 7, size;

	switch (h >> 12) {
	case 4:
		access_at(d, h >> 8 & 7, ARM_PC, 4, true);
		d->imm = (h & 0xff) * 4;
		return;
	case 5:
		access_at(d, h & 7, h >> 3 & 7, sizes[op], op >= 3);
		d->sign = op == 3 || op == 7;
		d->rm = h >> 6 & 7;
		return;
	case 9:
		access_at(d, h >> 8 & 7, ARM_SP, 4, h >> 11 & 1);
		d->imm = (h & 0xff) * 4;
		return;
	default:
		size = h >> 12 == 6 ? 4 : h >> 12 == 7 ? 1 : 2;
		access_at(d, h & 7, h >> 3 & 7, size, h >> 11 & 1);
		d->imm = (h >> 6 & 31) * size;
	}
}

static void block(struct arm_insn *d, unsigned rn, unsigned list, bool load, bool back, bool down)
{
	d->op = ARM_BLOCK;
	d->rn = (uint8_t)rn;
	d->list = (uint16_t)list;
	d->load = load;
	d->back = back;
	d->minus = down;
}

static void short_others(unsigned h, struct arm_insn *d)
{
	static const uint8_t reversals[4] = {ARM_REV, ARM_REV16, ARM_UNKNOWN, ARM_REVSH};
	unsigned r = h & 7, m = h >> 3 & 7;

	if ((h & 0xff00) == 0xb000) {
		immediate(d, h >> 7 & 1 ? ARM_SUB : ARM_ADD, ARM_SP, ARM_SP, (h & 0x7f) * 4);
	} else if ((h & 0xf500) == 0xb100) {
		immediate(d, ARM_CBZ, 0, r, h >> 11 & 1);
	} else if ((h & 0xff00) == 0xb200) {
		registers(d, ARM_EXTEND, r, ARM_NOREG, m);
		d->size = h >> 6 & 1 ? 1 : 2;
		d->sign = !(h >> 7 & 1);
	} else if ((h & 0xfe00) == 0xb400) {
		block(d, ARM_SP, (h & 0xff) | (h >> 8 & 1) << ARM_LR, false, true, true);
	} else if ((h & 0xfe00) == 0xbc00) {
		block(d, ARM_SP, (h & 0xff) | (h >> 8 & 1) << ARM_PC, true, true, false);
	} else if ((h & 0xff00) == 0xba00) {
		registers(d, reversals[h >> 6 & 3], r, 0, m);
	} else if ((h & 0xff00) == 0xbf00 || (h & 0xff00) == 0xbe00) {
		d->op = ARM_NOP; /* hints, it, bkpt */
	}
	d->sets = false;
}

static void decode16(unsigned h, struct arm_insn *d)
{
	unsigned cond = h >> 8 & 15, r = h >> 8 & 7;

	switch (h >> 12) {
	case 0:
	case 1:
	case 2:
	case 3: short_sums(h, d); return;
	case 4:
		if (!(h >> 10 & 3))
			short_processing(h, d);
		else if (h >> 11 & 1)
			short_memory(h, d);
		else
			short_high(h, d);
		return;
	case 10:
		immediate(d, h >> 11 & 1 ? ARM_ADD : ARM_ADR, r, ARM_SP, (h & 0xff) * 4);
		d->sets = false;
		return;
	case 11: short_others(h, d); return;
	case 12: block(d, r, h & 0xff, h >> 11 & 1, !(h >> 11 & 1) || !(h >> r & 1), false); return;
	case 13:
		d->op = cond == 15 ? ARM_SVC : ARM_NOP;
		if (cond < 14)
			d->cond = (uint8_t)cond;
		return;
	case 14: d->op = ARM_NOP; return;
	default: short_memory(h, d); return;
	}
}

/* ---- 32 bits: data ---- */

static unsigned imm12_of(unsigned a, unsigned b)
{
	return (a << 1 & 0x800) | (b >> 4 & 0x700) | (b & 0xff);
}

/* A modified immediate constant; see the manual, T32ExpandImm. */
static uint32_t expand(unsigned imm12)
{
	uint32_t v = imm12 & 0xff;
	unsigned by = imm12 >> 7;

	switch (imm12 >> 8) {
	case 0: return v;
	case 1: return v | v << 16;
	case 2: return v << 8 | v << 24;
	case 3: return v * 0x01010101u;
	default: v |= 0x80; return v >> by | v << (32 - by);
	}
}

/* The operation of data processing; its operand is there already. */
static void processing(unsigned a, unsigned b, struct arm_insn *d)
{
	static const uint8_t ops[16] = {ARM_AND, ARM_BIC, ARM_ORR, ARM_ORN, ARM_EOR, 0, 0, 0,
		ARM_ADD, 0, ARM_ADC, ARM_SBC, 0, ARM_SUB, ARM_RSB, 0};
	unsigned op = a >> 5 & 15, rd = b >> 8 & 15, rn = a & 15;

	d->op = ops[op];
	d->rd = (uint8_t)rd;
	d->rn = (uint8_t)rn;
	d->sets = a >> 4 & 1;
	if (rn == 15 && (op == 2 || op == 3))
		d->op = op == 2 ? ARM_MOV : ARM_MVN;
	if (rd != 15)
		return;
	switch (d->sets ? op : 15) {
	case 0: d->op = ARM_TST; break;
	case 4: d->op = ARM_TEQ; break;
	case 8: d->op = ARM_CMN; break;
	case 13: d->op = ARM_CMP; break;
	default: d->op = ARM_UNKNOWN; break;
	}
}

static unsigned imm5_of(unsigned b)
{
	return (b >> 10 & 28) | (b >> 6 & 3);
}

static void plain_immediate(unsigned a, unsigned b, struct arm_insn *d)
{
	unsigned rn = a & 15, rd = b >> 8 & 15, imm = imm12_of(a, b), lsb = imm5_of(b);

	switch (a >> 4 & 31) {
	case 0: immediate(d, rn == 15 ? ARM_ADR : ARM_ADD, rd, rn, imm); break;
	case 10: immediate(d, rn == 15 ? ARM_ADR : ARM_SUB, rd, rn, rn == 15 ? -imm : imm); break;
	case 4: immediate(d, ARM_MOV, rd, 0, rn << 12 | imm); break;
	case 12: immediate(d, ARM_MOVT, rd, rd, rn << 12 | imm); break;
	case 20: immediate(d, ARM_SBFX, rd, rn, lsb); break;
	case 28: immediate(d, ARM_UBFX, rd, rn, lsb); break;
	case 22: immediate(d, ARM_BFI, rd, rn == 15 ? ARM_NOREG : rn, lsb); break;
	default: return;
	}
	d->width = (uint8_t)((b & 31) + 1);
	if (d->op == ARM_BFI)
		d->width = (uint8_t)(d->width - lsb);
	if ((d->op == ARM_BFI || d->op == ARM_SBFX || d->op == ARM_UBFX) &&
		(!d->width || d->width + lsb > 32))
		d->op = ARM_UNKNOWN;
}

static void processing_immediate(unsigned a, unsigned b, struct arm_insn *d)
{
	if (a >> 9 & 1) {
		plain_immediate(a, b, d);
		return;
	}
	processing(a, b, d);
	d->imm = expand(imm12_of(a, b));
	d->carry = imm12_of(a, b) >> 10;
}

static void processing_shifted(unsigned a, unsigned b, struct arm_insn *d)
{
	processing(a, b, d);
	set_shift(d, b & 15, b >> 4 & 3, imm5_of(b));
	if ((a >> 4 & 31) == 12) {
		d->op = b >> 5 & 1 ? ARM_PKHTB : ARM_PKHBT;
		d->rd = b >> 8 & 15;
	}
}

static void processing_registers(unsigned a, unsigned b, struct arm_insn *d)
{
	static const uint8_t reversals[4] = {ARM_REV, ARM_REV16, ARM_RBIT, ARM_REVSH};
	unsigned rd = b >> 8 & 15, rn = a & 15, rm = b & 15, op = a >> 4 & 15;

	if (b >> 12 != 15)
		return;
	if (op < 8 && !(b >> 4 & 15)) {
		registers(d, ARM_MOV, rd, 0, rn);
		d->rs = (uint8_t)rm;
		d->shift = op >> 1;
		d->sets = op & 1;
	} else if (op < 6 && (op & 6) != 2 && (b & 0xc0) == 0x80) {
		registers(d, ARM_EXTEND, rd, rn == 15 ? ARM_NOREG : rn, rm);
		d->size = op < 2 ? 2 : 1;
		d->sign = !(op & 1);
		d->imm = (b >> 4 & 3) * 8;
	} else if (op == 9 && (b & 0xc0) == 0x80) {
		registers(d, reversals[b >> 4 & 3], rd, 0, rm);
	} else if (op == 11 && (b & 0xf0) == 0x80) {
		registers(d, ARM_CLZ, rd, 0, rm);
	}
}

static void multiply(unsigned a, unsigned b, struct arm_insn *d)
{
	unsigned hi = b >> 8 & 15, lo = b >> 12, kind = (a & 0xf0) | (b >> 4 & 15);

	registers(d, ARM_UNKNOWN, hi, a & 15, b & 15);
	d->ra = (uint8_t)lo;
	switch (kind) {
	case 0x00:
		d->op = ARM_MUL;
		d->ra = lo == 15 ? ARM_NOREG : (uint8_t)lo;
		break;
	case 0x01: d->op = ARM_MLS; break;
	case 0x10:
	case 0x11:
	case 0x12:
	case 0x13:
		if (lo == 15) { /* smlabb sets Q, which nobody looks at */
			d->op = ARM_SMLAXY;
			d->imm = kind & 3;
			d->ra = ARM_NOREG;
		}
		break;
	case 0x80: d->op = ARM_SMULL; break;
	case 0x9f: d->op = ARM_SDIV; break;
	case 0xa0: d->op = ARM_UMULL; break;
	case 0xbf: d->op = ARM_UDIV; break;
	case 0xc0: d->op = ARM_SMLAL; break;
	case 0xe0: d->op = ARM_UMLAL; break;
	default: break;
	}
}

/* ---- 32 bits: memory ---- */

static void memory(unsigned a, unsigned b, struct arm_insn *d)
{
	unsigned size = a >> 5 & 3, rt = b >> 12;
	bool long_offset = a >> 7 & 1, literal = (a & 15) == 15;

	if (size == 3 || (literal && !(a >> 4 & 1)) || (size == 2 && a >> 8 & 1))
		return;
	access_at(d, rt, a & 15, 1u << size, a >> 4 & 1);
	d->sign = a >> 8 & 1;
	d->imm = b & 0xfff;
	if (literal) {
		d->minus = !long_offset;
	} else if (!long_offset && (b >> 11 & 1)) {
		d->imm = b & 0xff;
		d->before = b >> 10 & 1;
		d->minus = !(b >> 9 & 1);
		d->back = b >> 8 & 1;
		if (!d->before && !d->back)
			d->op = ARM_UNKNOWN;
	} else if (!long_offset) {
		set_shift(d, b & 15, ARM_LSL, b >> 4 & 3);
		d->imm = 0;
		if (b >> 6 & 31)
			d->op = ARM_UNKNOWN;
	}
	if (d->load && rt == 15 && (size < 2 || d->sign))
		d->op = ARM_NOP; /* pld, pli */
}

/* Pairs, exclusive and ordered accesses, tables of branches. */
static void pairs(unsigned a, unsigned b, struct arm_insn *d)
{
	unsigned op = b >> 4 & 15;
	bool load = a >> 4 & 1;

	if (a & 0x0120) {
		access_at(d, b >> 12, a & 15, 4, load);
		d->op = ARM_DUAL;
		d->ra = b >> 8 & 15;
		d->imm = (b & 0xff) * 4;
		d->before = a >> 8 & 1;
		d->minus = !(a >> 7 & 1);
		d->back = a >> 5 & 1;
	} else if ((a & 0xfff0) == 0xe8d0 && op < 2) {
		access_at(d, 0, a & 15, op + 1, true);
		d->op = ARM_TABLE;
		set_shift(d, b & 15, ARM_LSL, op);
	} else if ((a & 0xfff0) == 0xe850) { /* ldrex */
		access_at(d, b >> 12, a & 15, 4, true);
		d->imm = (b & 0xff) * 4;
	} else if ((a & 0xffe0) == 0xe8c0 && (load || op < 12) && op >= 4 && (op & 3) < 3 &&
		   (load || op >= 8)) {
		access_at(d, b >> 12, a & 15, 1u << (op & 3), load);
	}
}

static void blocks(unsigned a, unsigned b, struct arm_insn *d)
{
	unsigned mode = a >> 7 & 3;

	if (mode == 1 || mode == 2)
		block(d, a & 15, b, a >> 4 & 1, a >> 5 & 1, mode == 2);
}

/* ---- VFP ---- */

/* The number of a register: four bits and one that is its highest, or lowest. */
static uint8_t vfp(unsigned four, unsigned one, bool is_double)
{
	return (uint8_t)(is_double ? one << 4 | four : four << 1 | one);
}

static void vfp_memory(unsigned a, unsigned b, struct arm_insn *d)
{
	bool is_double = b >> 8 & 1, up = a >> 7 & 1, before = a >> 8 & 1, back = a >> 5 & 1;
	unsigned n = b & 0xff;

	if ((a & 0xffe0) == 0xec40) {
		if ((b & 0xd0) != 0x10)
			return;
		registers(d, ARM_VPAIR, vfp(b & 15, b >> 5 & 1, is_double), b >> 12, 0);
		d->ra = a & 15;
		d->load = a >> 4 & 1;
		d->size = is_double ? 8 : 4;
		return;
	}
	access_at(d, vfp(b >> 12, a >> 6 & 1, is_double), a & 15, is_double ? 8 : 4, a >> 4 & 1);
	d->minus = !up;
	d->back = back;
	d->op = ARM_VMEM;
	d->imm = n * 4;
	if (before && !back)
		return;
	d->op = before == up || !n ? ARM_UNKNOWN : ARM_VBLOCK;
	d->imm = is_double ? n / 2 : n;
	if ((is_double && (n & 1)) || d->rd + d->imm > 32)
		d->op = ARM_UNKNOWN; /* fldmx */
}

static void vfp_moves(unsigned a, unsigned b, struct arm_insn *d)
{
	bool is_double = b >> 8 & 1;

	if ((a & 0xffe0) == 0xee00 && (b & 0x0f7f) == 0x0a10) {
		registers(d, ARM_VCORE, vfp(a & 15, b >> 7 & 1, false), b >> 12, 0);
		d->load = a >> 4 & 1;
		d->size = 4;
	} else if ((a & 0xffbf) == 0xeeb0 && (b & 0x0ed0) == 0x0a40) {
		registers(d, ARM_VMOV, vfp(b >> 12, a >> 6 & 1, is_double), 0,
			vfp(b & 15, b >> 5 & 1, is_double));
		d->size = is_double ? 8 : 4;
	} else if (a == 0xeef1 && b == 0xfa10) {
		d->op = ARM_VMRS;
	}
}

/* ---- 32 bits ---- */

static void branches(unsigned a, unsigned b, struct arm_insn *d)
{
	if ((b & 0xd000) != 0x8000) {
		d->op = ARM_NOP;
	} else if ((a & 0x0380) != 0x0380) {
		d->op = ARM_NOP;
		d->cond = a >> 6 & 15;
	} else if (a == 0xf3af || a == 0xf3bf || (a & 0xfff0) == 0xf7f0) {
		d->op = ARM_NOP; /* hints, barriers, udf */
	}
}

static void decode32(unsigned a, unsigned b, struct arm_insn *d)
{
	d->sets = false;
	switch (a >> 8) {
	case 0xe8:
	case 0xe9:
		if (a >> 6 & 1)
			pairs(a, b, d);
		else
			blocks(a, b, d);
		return;
	case 0xea:
	case 0xeb:
		if (!(b >> 15))
			processing_shifted(a, b, d);
		return;
	case 0xec:
	case 0xed:
		if ((b & 0x0e00) == 0x0a00)
			vfp_memory(a, b, d);
		return;
	case 0xee: vfp_moves(a, b, d); return;
	case 0xf8:
	case 0xf9:
		if ((a & 0xff10) != 0xf900)
			memory(a, b, d);
		return;
	case 0xfa: processing_registers(a, b, d); return;
	case 0xfb: multiply(a, b, d); return;
	default:
		if (a >> 11 != 0x1e)
			return; /* NEON */
		if (b >> 15)
			branches(a, b, d);
		else
			processing_immediate(a, b, d);
	}
}

void arm_thumb_decode(uint32_t word, unsigned len, unsigned it, struct arm_insn *d)
{
	*d = (struct arm_insn){.cond = it ? (uint8_t)(it >> 4) : ARM_ALWAYS,
		.ra = ARM_NOREG,
		.rm = ARM_NOREG,
		.rs = ARM_NOREG,
		.sets = !it};
	if (len == 2)
		decode16(word & 0xffff, d);
	else
		decode32(word & 0xffff, word >> 16, d);
}
