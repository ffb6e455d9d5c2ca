/* risc_aarch64.c: A64 instructions (Arm ARM, C4: the encoding index). See risc.h. */
#include "code/risc.h"

static int64_t sext(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

/* Register 31 is the stack pointer or zero: neither is followed. */
static uint8_t reg(uint32_t w, unsigned at)
{
	unsigned r = w >> at & 31;

	return r == 31 ? RISC_NOREG : (uint8_t)r;
}

static uint32_t bit(uint8_t r)
{
	return r == RISC_NOREG ? 0 : UINT32_C(1) << r;
}

static void direct(struct risc *i, enum insn_flow flow, int64_t words)
{
	i->flow = (uint8_t)flow;
	i->what = RISC_DIRECT;
	i->imm = words * 4;
	i->rd = RISC_NOREG;
}

static uint8_t condition(unsigned c)
{
	switch (c) {
	case 2: return RISC_HS;
	case 3: return RISC_LO;
	case 8: return RISC_HI;
	case 9: return RISC_LS;
	default: return RISC_ANY;
	}
}

/* Branches, exceptions and system instructions. Whether it is one. */
static bool branch(struct risc *i, uint32_t w)
{
	if ((w & 0x7c000000) == 0x14000000) {
		direct(i, w >> 31 ? INSN_CALL : INSN_JUMP, sext(w & 0x3ffffff, 26));
	} else if ((w & 0xff000000) == 0x54000000) {
		direct(i, (w & 15) >= 14 ? INSN_JUMP : INSN_COND, sext(w >> 5 & 0x7ffff, 19));
		i->cond = condition(w & 15);
	} else if ((w & 0x7e000000) == 0x34000000) { /* cbz, cbnz */
		direct(i, INSN_COND, sext(w >> 5 & 0x7ffff, 19));
	} else if ((w & 0x7e000000) == 0x36000000) { /* tbz, tbnz */
		direct(i, INSN_COND, sext(w >> 5 & 0x3fff, 14));
	} else if ((w & 0xfe000000) == 0xd6000000) { /* br, blr, ret and their relatives */
		unsigned op = w >> 21 & 7;

		i->ra = reg(w, 5);
		i->rd = RISC_NOREG;
		i->flow = op == 0 ? INSN_JUMP : op == 1 ? INSN_CALL : INSN_RET;
	} else if ((w & 0xff000000) == 0xd4000000) { /* svc, brk, hlt */
		i->rd = RISC_NOREG;
		i->flow = (w >> 21 & 7) == 0 ? INSN_TRAP : INSN_STOP;
	} else if ((w & 0xffc00000) == 0xd5000000) { /* hints, system registers */
		i->what = w == 0xd503201f ? RISC_PADDING : 0;
		if (!(w >> 21 & 1))
			i->rd = RISC_NOREG;
	} else if (w >> 16 == 0) { /* udf */
		i->rd = RISC_NOREG;
		i->flow = INSN_STOP;
		i->what = w ? RISC_ODD : RISC_PADDING;
	} else {
		return false;
	}
	return true;
}

static void immediate(struct risc *i, uint32_t w)
{
	if ((w & 0x1f000000) == 0x10000000) { /* adr, adrp */
		i->imm = sext((uint64_t)(w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3), 21);
		i->op = w >> 31 ? RISC_PAGE : RISC_PC;
		i->imm *= w >> 31 ? 4096 : 1;
	} else if ((w & 0x1f800000) == 0x11000000) { /* add, sub */
		i->imm = (int64_t)(w >> 10 & 0xfff) << (w >> 22 & 1 ? 12 : 0);
		i->ra = reg(w, 5);
		if ((w & 0x60000000) == 0x60000000) {
			i->op = RISC_COMPARE;
		} else if (w >> 31) {
			i->op = RISC_ADD;
			i->imm = w >> 30 & 1 ? -i->imm : i->imm;
			if ((w & 31) == 31 && (w >> 5 & 31) == 31 && !(w >> 30 & 1))
				i->what = RISC_EPILOGUE; /* add sp, sp, ... */
		}
	} else if ((w & 0x7fa00000) == 0x12000000 && (w >> 16 & 63) == 0 && (w >> 10 & 63) < 31) {
		i->op = RISC_MASK; /* and, of the lowest bits */
		i->imm = (int64_t)(UINT64_C(2) << (w >> 10 & 63)) - 1;
	} else if ((w & 0x7f800000) == 0x53000000) { /* ubfm: ubfx, lsr */
		unsigned first = w >> 16 & 63, last = w >> 10 & 63;

		if (last >= first && last - first < 32) {
			i->op = RISC_MASK;
			i->imm = (int64_t)(UINT64_C(2) << (last - first)) - 1;
		}
	} else if ((w & 0x7f800000) == 0x52800000) { /* movz */
		i->op = RISC_SET;
		i->imm = (int64_t)((uint64_t)(w >> 5 & 0xffff) << (w >> 21 & 3) * 16);
	}
}

static void registers(struct risc *i, uint32_t w)
{
	if ((w & 0x7fe0ffe0) == 0x2a0003e0) { /* mov */
		i->op = RISC_ADD;
		i->ra = reg(w, 16);
	} else if ((w & 0x7fe00000) == 0x0b000000) { /* add, lsl */
		i->op = RISC_SUM;
		i->ra = reg(w, 5), i->rb = reg(w, 16);
		i->shift = w >> 10 & 63;
		i->size = 8;
	} else if ((w & 0x7fe00000) == 0x0b200000) { /* add, extended */
		i->op = RISC_SUM;
		i->ra = reg(w, 5), i->rb = reg(w, 16);
		i->shift = w >> 10 & 7;
		i->size = (uint8_t)(1u << (w >> 13 & 3));
		i->what = w >> 15 & 1 ? RISC_SIGNED : 0;
	}
}

/* The register loaded is one that functions save before they use it. */
static bool restores(uint32_t w)
{
	return !(w >> 26 & 1) && (w & 31) >= 19 && (w & 31) <= 30;
}

/* Loads and stores of one register; bits 23 and 22 say which. */
static void memory(struct risc *i, uint32_t w)
{
	bool vector = w >> 26 & 1, load;
	unsigned size = w >> 30, opc = w >> 22 & 3;

	if (vector)
		size |= (opc & 2) << 1;
	load = vector ? opc & 1 : opc != 0;
	i->ra = reg(w, 5);
	i->rd = load && !vector ? reg(w, 0) : RISC_NOREG;
	i->rb = load || vector ? RISC_NOREG : reg(w, 0);
	i->size = (uint8_t)(1u << size);
	i->what = !vector && opc >= 2 ? RISC_SIGNED : 0;
	if (w >> 24 & 1) {
		i->op = load ? RISC_LOAD : RISC_STORE;
		i->imm = (int64_t)(w >> 10 & 0xfff) << size;
		if (load && (w & 0x3e0) == 0x3e0 && size == 3 && restores(w))
			i->what |= RISC_EPILOGUE;
	} else if ((w & 0x00200c00) == 0x00200800) {
		i->op = load && !vector ? RISC_LOAD_SUM : RISC_OTHER;
		i->rb = reg(w, 16);
		i->shift = w >> 12 & 1 ? (uint8_t)size : 0;
	} else if (!(w >> 21 & 1)) {
		bool back = w >> 10 & 1; /* before or after: the base is written */

		i->op = load ? RISC_LOAD : RISC_STORE;
		i->imm = back ? 0 : sext(w >> 12 & 0x1ff, 9);
		i->writes = back ? bit(i->ra) : 0;
		if (back && i->ra == RISC_NOREG && load && !(w >> 11 & 1))
			i->what |= RISC_EPILOGUE; /* ldr x30, [sp], 16 */
	}
}

static void loads_and_stores(struct risc *i, uint32_t w)
{
	if ((w & 0x3b000000) == 0x18000000) { /* of a literal */
		bool vector = w >> 26 & 1;

		i->op = RISC_LITERAL;
		i->imm = sext(w >> 5 & 0x7ffff, 19) * 4;
		i->size = (uint8_t)(4u << (vector ? w >> 30 : w >> 30 & 1));
		if (vector || w >> 30 == 3)
			i->rd = RISC_NOREG;
		i->what = w >> 30 == 2 ? RISC_SIGNED : 0;
	} else if ((w & 0x3a000000) == 0x28000000) { /* pairs */
		bool load = w >> 22 & 1, vector = w >> 26 & 1;

		i->rd = load && !vector ? reg(w, 0) : RISC_NOREG;
		i->writes = load && !vector ? bit(reg(w, 10)) : 0;
		i->writes |= w >> 23 & 1 ? bit(reg(w, 5)) : 0;
		if (load && (w & 0x3e0) == 0x3e0 && ((w >> 23 & 3) == 1 || restores(w)))
			i->what = RISC_EPILOGUE; /* ldp x29, x30, [sp], 16 */
	} else if ((w & 0x3a000000) == 0x38000000) {
		memory(i, w);
	}
}

void risc_aarch64_read(const uint8_t *p, size_t n, UNUSED uint64_t addr, struct risc *out)
{
	uint32_t w = n < 4 ? 0 : p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;

	*out = (struct risc){
		.len = n < 4 ? 1 : 4, .rd = reg(w, 0), .ra = RISC_NOREG, .rb = RISC_NOREG};
	if (branch(out, w))
		return;
	switch (w >> 25 & 15) {
	case 8:
	case 9: immediate(out, w); break;
	case 5:
	case 13: registers(out, w); break;
	case 4:
	case 6:
	case 12:
	case 14: loads_and_stores(out, w); break;
	case 0:
	case 1:
	case 3: out->what = RISC_ODD; break; /* not allocated, or of coprocessors (SME) */
	default: break;
	}
}
