/* risc_arm.c: A32 instructions (Arm ARM, F4: the encoding index) of either byte order. See risc.h.
 */
#include "code/risc_arm.h"

static int64_t sext(uint32_t v, unsigned bits)
{
	return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
}

/* An immediate of data processing: 8 bits, turned right by an even number. */
static uint32_t turned(uint32_t w)
{
	unsigned by = w >> 8 & 15, v = w & 0xff;

	return by ? v >> 2 * by | v << (32 - 2 * by) : v;
}

/* A direct branch, `imm` from this instruction. */
static void direct(struct risc *i, enum insn_flow flow, int64_t imm)
{
	i->flow = (uint8_t)flow;
	i->what |= RISC_DIRECT;
	i->imm = imm;
}

void risc_arm_if(struct risc *i, unsigned cond)
{
	static const uint8_t bounds[16] = {
		[2] = RISC_HS, [3] = RISC_LO, [8] = RISC_HI, [9] = RISC_LS};

	if (cond >= 14)
		return;
	i->what |= RISC_MAYBE;
	i->what &= (uint8_t)~RISC_PADDING;
	i->cond = bounds[cond];
	if (i->flow == INSN_JUMP || i->flow == INSN_RET)
		i->flow = INSN_COND;
}

uint8_t risc_arm_it(uint8_t it, struct risc *i)
{
	if (it & 15)
		risc_arm_if(i, it >> 4);
	if (i->op == RISC_IF)
		it = (uint8_t)i->imm;
	else
		it = (uint8_t)((it & 0xe0) | (it << 1 & 0x1f));
	return it & 15 ? it : 0;
}

void risc_arm_to_pc(struct risc *i, uint8_t from)
{
	i->rd = RISC_ARM_PC;
	i->flow = from == RISC_ARM_LR ? INSN_RET : INSN_JUMP;
	i->ra = from;
}

/* ---- loads and stores ---- */

void risc_arm_memory(struct risc *i, const struct risc_arm_memory *m)
{
	i->size = m->size;
	i->what |= m->is_signed ? RISC_SIGNED : 0;
	i->imm = m->after ? 0 : m->imm;
	i->ra = risc_arm_reg(m->rn);
	if (m->back || m->after)
		i->writes = risc_arm_bit(m->rn);
	if (!m->load) {
		i->op = m->rm == RISC_NOREG ? RISC_STORE : RISC_OTHER;
		i->rb = risc_arm_reg(m->rt);
		return;
	}
	i->rd = risc_arm_reg(m->rt);
	i->op = RISC_LOAD;
	if (m->rn == 15) {
		i->op = RISC_LITERAL;
		i->ra = RISC_NOREG;
		i->imm = m->base + m->imm;
	}
	if (m->rm != RISC_NOREG) {
		i->op = m->shift == RISC_NOREG || m->after ? RISC_OTHER : RISC_LOAD_SUM;
		i->rb = risc_arm_reg(m->rm);
		i->shift = m->shift == RISC_NOREG ? 0 : m->shift;
		i->ra = m->rn == 15 ? RISC_HERE : i->ra;
		i->imm = m->rn == 15 ? m->base : 0;
	}
	if (m->rt == 15) {
		i->rd = RISC_ARM_PC;
		i->flow = m->rn == 13 ? INSN_RET : INSN_JUMP;
	} else if (m->rn == 13 && m->after && m->imm > 0) {
		i->what |= RISC_EPILOGUE;
	}
}

void risc_arm_block(struct risc *i, unsigned rn, uint32_t list, bool load, bool back)
{
	i->writes = back ? risc_arm_bit(rn) : 0;
	if (!load && rn == 13 && back && (list >> RISC_ARM_LR & 1))
		i->what |= RISC_PROLOGUE;
	if (!load)
		return;
	i->writes |= list & 0x5fff;
	if (list >> 15 & 1)
		i->flow = rn == 13 || !(back || rn != 11) ? INSN_RET : INSN_JUMP;
	else if (rn == 13 && back)
		i->what |= RISC_EPILOGUE;
}

static void word_or_byte(struct risc *i, uint32_t w)
{
	bool reg = w >> 25 & 1, up = w >> 23 & 1, before = w >> 24 & 1;
	unsigned type = w >> 5 & 3, imm = w & 0xfff;
	struct risc_arm_memory m = {.rn = w >> 16 & 15,
		.rt = w >> 12 & 15,
		.rm = RISC_NOREG,
		.base = 8,
		.size = w >> 22 & 1 ? 1 : 4,
		.load = w >> 20 & 1,
		.after = !before,
		.back = before && (w >> 21 & 1)};

	m.imm = up ? (int)imm : -(int)imm;
	if (reg) {
		m.rm = w & 15;
		m.imm = up;
		m.shift = up && type == 0 ? (uint8_t)(w >> 7 & 31) : RISC_NOREG;
	}
	risc_arm_memory(i, &m);
}

/* Halfwords, signed bytes, pairs of words. */
static void extra(struct risc *i, uint32_t w)
{
	unsigned op = w >> 5 & 3, imm = (w >> 4 & 0xf0) | (w & 15);
	bool up = w >> 23 & 1, before = w >> 24 & 1, load = w >> 20 & 1, pair = !load && op >= 2;
	struct risc_arm_memory m = {.rn = w >> 16 & 15,
		.rt = w >> 12 & 15,
		.rm = RISC_NOREG,
		.base = 8,
		.size = pair      ? 8
			: op == 2 ? 1
				  : 2,
		.load = load || op == 2,
		.is_signed = load && op >= 2,
		.after = !before,
		.back = before && (w >> 21 & 1)};

	m.imm = up ? (int)imm : -(int)imm;
	if (!(w >> 22 & 1)) {
		m.rm = w & 15;
		m.imm = up;
		m.shift = up ? 0 : RISC_NOREG;
	}
	risc_arm_memory(i, &m);
	if (pair && m.load)
		i->writes |= risc_arm_bit((m.rt + 1) & 15);
}

/* ---- data processing ---- */

static void special(struct risc *i, uint32_t w)
{
	uint8_t rm = w & 15;

	switch (w & 0x0ff000f0) {
	case 0x01200010: /* bx */
		risc_arm_to_pc(i, rm);
		i->rd = RISC_NOREG;
		return;
	case 0x01200030: /* blx */
		i->flow = INSN_CALL;
		i->ra = rm;
		return;
	case 0x01200070: i->flow = INSN_STOP; return; /* bkpt */
	default: break;
	}
	if ((w & 0x0fb000f0) == 0x01000000 || (w & 0x0ff000f0) == 0x01600010)
		i->rd = risc_arm_reg(w >> 12 & 15); /* mrs, clz */
	else if (w & 0x80)
		i->rd = risc_arm_reg(w >> 16 & 15); /* smulxy and the like */
	else if ((w & 0x0f9000f0) == 0x01000050)
		i->rd = risc_arm_reg(w >> 12 & 15); /* qadd */
	if ((w & 0x0ff00090) == 0x01400080)
		i->writes = risc_arm_bit(w >> 12 & 15);
}

static void multiply(struct risc *i, uint32_t w)
{
	if (w >> 24 & 1) { /* swp, ldrex, strex */
		i->rd = risc_arm_reg(w >> 12 & 15);
		return;
	}
	i->rd = risc_arm_reg(w >> 16 & 15);
	if (w >> 23 & 1 || (w >> 21 & 7) == 2)
		i->writes = risc_arm_bit(w >> 12 & 15);
}

static void compute(struct risc *i, uint32_t w)
{
	bool immediate = w >> 25 & 1, flags = w >> 20 & 1, lsl = !(w & 0x70);
	unsigned op = w >> 21 & 15, rn = w >> 16 & 15, rd = w >> 12 & 15, rm = w & 15;
	uint32_t imm = turned(w);
	unsigned shift = w >> 7 & 31;

	i->rd = risc_arm_reg(rd);
	if (op >= 8 && op <= 11) { /* tst, teq, cmp, cmn: sets flags only */
		i->rd = RISC_NOREG;
		i->op = op == 10 || op == 8 ? RISC_COMPARE : RISC_OTHER;
		i->ra = op == 10 && immediate ? risc_arm_reg(rn) : RISC_NOREG;
		i->imm = imm;
		return;
	}
	if (op == 13 && immediate) {
		i->op = RISC_SET;
		i->imm = imm;
	} else if (op == 15 && immediate) {
		i->op = RISC_SET;
		i->imm = (int64_t)~imm;
	} else if (op == 13 && lsl && !shift) {
		i->op = rm == 15 ? RISC_PC : RISC_ADD;
		i->ra = risc_arm_reg(rm);
		i->imm = rm == 15 ? 8 : 0;
		i->what |= rm == rd && !flags ? RISC_PADDING : 0; /* mov r0, r0 */
	} else if (op == 13 && lsl) {
		i->op = RISC_SHIFT;
		i->rb = risc_arm_reg(rm);
		i->shift = (uint8_t)shift;
	} else if (op == 0 && immediate) { /* and */
		i->op = RISC_MASK;
		i->imm = imm;
	} else if ((op == 4 || op == 2) && immediate) {
		i->op = rn == 15 ? RISC_PC : RISC_ADD;
		i->ra = risc_arm_reg(rn);
		i->imm = (op == 4 ? (int64_t)imm : -(int64_t)imm) + (rn == 15 ? 8 : 0);
		if (op == 4 && rn == 13 && rd == 13)
			i->what |= RISC_EPILOGUE;
	} else if (op == 4 && lsl) {
		i->op = RISC_SUM;
		i->size = 4;
		i->shift = (uint8_t)shift;
		i->ra = rn == 15 ? RISC_HERE : risc_arm_reg(rn);
		i->rb = risc_arm_reg(rm);
		i->imm = rn == 15 ? 8 : 0;
		if (rm == 15 && !shift) {
			i->ra = RISC_HERE;
			i->rb = risc_arm_reg(rn);
			i->imm = 8;
		}
	}
	if (rd != 15)
		return;
	i->rd = RISC_ARM_PC;
	i->flow = (op == 13 && !immediate && rm == 14) || flags ? INSN_RET : INSN_JUMP;
	if (op == 13) {
		i->op = RISC_OTHER;
		i->ra = (uint8_t)rm;
	}
}

static void processing(struct risc *i, uint32_t w)
{
	bool immediate = w >> 25 & 1;

	if (!immediate && (w & 0x90) == 0x90) {
		if (w & 0x60)
			extra(i, w);
		else
			multiply(i, w);
	} else if ((w & 0x0fb00000) == 0x03000000) { /* movw, movt */
		i->op = w >> 22 & 1 ? RISC_TOP : RISC_SET;
		i->rd = risc_arm_reg(w >> 12 & 15);
		i->imm = (w >> 4 & 0xf000) | (w & 0xfff);
	} else if ((w & 0x0ff00000) == 0x03200000) { /* hints, msr */
		i->what = (w & 0xfffff) == 0xf000 ? RISC_PADDING : 0;
	} else if ((w & 0x01900000) == 0x01000000) {
		special(i, w);
	} else {
		compute(i, w);
		if (!immediate && (w & 0x10)) { /* shifted by a register */
			i->op = i->op == RISC_COMPARE ? RISC_COMPARE : RISC_OTHER;
			i->ra = RISC_NOREG;
			i->what &= (uint8_t)~RISC_PADDING;
		}
	}
}

/* ---- coprocessors, where VFP and NEON are ---- */

void risc_arm_coprocessor(struct risc *i, uint32_t w, int64_t base)
{
	unsigned cp = w >> 8 & 15, rn = w >> 16 & 15, rt = w >> 12 & 15;
	bool load = w >> 20 & 1, vector = cp == 10 || cp == 11, up = w >> 23 & 1;
	int imm = (int)(w & 0xff) * 4;

	if (!vector && cp < 14)
		i->what |= RISC_ODD;
	if ((w & 0x0fe00000) == 0x0c400000) { /* two registers at once */
		i->rd = load ? risc_arm_reg(rt) : RISC_NOREG;
		i->writes = load ? risc_arm_bit(rn) : 0;
	} else if ((w & 0x0e000000) == 0x0c000000) { /* vldr, vldm */
		if (w >> 21 & 1)
			i->writes = risc_arm_bit(rn);
		if (!vector || (w & 0x01200000) != 0x01000000) {
			if (rn == 13 && load && up)
				i->what |= RISC_EPILOGUE; /* vpop */
			return;
		}
		i->size = cp == 11 ? 8 : 4;
		i->imm = (up ? imm : -imm) + (rn == 15 ? base : 0);
		i->ra = rn == 15 ? RISC_NOREG : risc_arm_reg(rn);
		i->op = !load ? RISC_STORE : rn == 15 ? RISC_LITERAL : RISC_LOAD;
	} else if ((w & 0x0f000010) == 0x0e000010 && load) {
		i->rd = rt == 15 ? RISC_NOREG : risc_arm_reg(rt); /* vmov, mrc; vmrs to the flags */
	}
}

/* Instructions without a condition. */
static void unconditional(struct risc *i, uint32_t w)
{
	if ((w & 0x0e000000) == 0x0a000000) { /* blx */
		direct(i, INSN_CALL, 8 + sext(w & 0xffffff, 24) * 4 + (w >> 24 & 1) * 2);
		i->what |= RISC_SWITCH;
	} else if ((w & 0x0c000000) == 0x0c000000) {
		i->what = RISC_ODD; /* coprocessors, except for some of ARMv8's */
		if ((w & 0x0f000e00) == 0x0e000a00)
			i->what = 0;
	} else if ((w & 0x0e000000) == 0x08000000) {
		i->what = RISC_ODD; /* srs, rfe */
	}
}

static void media(struct risc *i, uint32_t w)
{
	unsigned op = w >> 20 & 31;

	if ((w & 0x0ff000f0) == 0x07f000f0) { /* udf */
		i->flow = INSN_STOP;
		return;
	}
	i->rd = risc_arm_reg(op >= 16 && op < 24 ? w >> 16 & 15 : w >> 12 & 15);
	if ((op & 0x1c) == 0x14)
		i->writes = risc_arm_bit(w >> 12 & 15); /* smlald */
}

static void read_word(uint32_t w, struct risc *i)
{
	unsigned cond = w >> 28;

	if (!w) { /* andeq r0, r0, r0 */
		i->what = RISC_PADDING;
		return;
	}
	if (cond == 15) {
		unconditional(i, w);
		return;
	}
	switch (w >> 25 & 7) {
	case 0:
	case 1: processing(i, w); break;
	case 2: word_or_byte(i, w); break;
	case 3:
		if (w >> 4 & 1)
			media(i, w);
		else
			word_or_byte(i, w);
		break;
	case 4: risc_arm_block(i, w >> 16 & 15, w & 0xffff, w >> 20 & 1, w >> 21 & 1); break;
	case 5:
		direct(i, w >> 24 & 1 ? INSN_CALL : INSN_JUMP, 8 + sext(w & 0xffffff, 24) * 4);
		break;
	default:
		if ((w & 0x0f000000) == 0x0f000000)
			i->flow = INSN_TRAP; /* svc */
		else
			risc_arm_coprocessor(i, w, 8);
		break;
	}
	risc_arm_if(i, cond);
}

void risc_arm_start(struct risc *i, unsigned len)
{
	*i = (struct risc){.len = (uint8_t)len,
		.what = len < 2 ? RISC_ODD : 0,
		.rd = RISC_NOREG,
		.ra = RISC_NOREG,
		.rb = RISC_NOREG};
}

void risc_arm_read(const uint8_t *p, size_t n, UNUSED uint64_t addr, struct risc *out)
{
	risc_arm_start(out, n < 4 ? 1 : 4);
	if (n >= 4)
		read_word(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24, out);
}

void risc_arm_read_big(const uint8_t *p, size_t n, UNUSED uint64_t addr, struct risc *out)
{
	risc_arm_start(out, n < 4 ? 1 : 4);
	if (n >= 4)
		read_word((uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3], out);
}
