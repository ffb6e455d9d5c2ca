/*
 * risc_mips.c: MIPS32 instructions (MIPS32 Architecture volume II) of either byte order. See
 * risc.h. Branches take effect after the instruction behind them.
 */
#include "code/risc.h"

enum { SP = 29, RA = 31 };

/* Register 0 is zero and not followed. */
static uint8_t reg(uint32_t w, unsigned at)
{
	unsigned r = w >> at & 31;

	return r ? (uint8_t)r : RISC_NOREG;
}

static int64_t signed16(uint32_t w)
{
	return (int16_t)w;
}

static void branch(struct risc *i, enum insn_flow flow)
{
	i->flow = (uint8_t)flow;
	i->what |= RISC_SLOT;
	i->rd = RISC_NOREG;
}

/* Relative to the delay slot. */
static void near(struct risc *i, uint32_t w, enum insn_flow flow)
{
	branch(i, flow);
	i->what |= RISC_DIRECT;
	i->imm = 4 + signed16(w) * 4;
}

/* Within the 256 MiB of the delay slot. */
static void far(struct risc *i, uint32_t w, uint64_t addr, enum insn_flow flow)
{
	branch(i, flow);
	i->what |= RISC_DIRECT;
	i->imm = (int64_t)(((addr + 4) & 0xf0000000) + ((w & 0x3ffffff) << 2) - addr);
}

static void special(struct risc *i, uint32_t w)
{
	i->rd = reg(w, 11);
	switch (w & 63) {
	case 0x00: /* sll */
		i->what = w ? 0 : RISC_PADDING;
		i->op = RISC_SHIFT;
		i->rb = reg(w, 16);
		i->shift = w >> 6 & 31;
		break;
	case 0x08: /* jr */
		i->ra = reg(w, 21);
		branch(i, i->ra == RA ? INSN_RET : INSN_JUMP);
		break;
	case 0x09: /* jalr */
		i->ra = reg(w, 21);
		branch(i, w >> 11 & 31 ? INSN_CALL : INSN_JUMP);
		break;
	case 0x0c: i->flow = INSN_TRAP; break;
	case 0x0d: i->flow = INSN_STOP; break; /* break */
	case 0x21:                             /* addu */
	case 0x25:                             /* or */
		i->ra = reg(w, 21), i->rb = reg(w, 16);
		if (i->rb == RISC_NOREG) {
			i->op = RISC_ADD; /* move */
		} else if (i->ra == RISC_NOREG) {
			i->op = RISC_ADD;
			i->ra = i->rb;
		} else if ((w & 63) == 0x21) {
			i->op = RISC_SUM;
			i->size = 4;
		}
		break;
	default: break;
	}
}

static void by_sign(struct risc *i, uint32_t w)
{
	unsigned op = w >> 16 & 31;

	i->rd = RISC_NOREG;
	if (op < 4)
		near(i, w, INSN_COND);
	if (op < 16 || op >= 20)
		return;
	if (signed16(w) == 1) { /* to the next but one: where am I? */
		i->op = RISC_PC;
		i->rd = RA;
		i->imm = 8;
	} else { /* bltzal and the like, bal */
		near(i, w, INSN_CALL);
	}
}

static void equal(struct risc *i, uint32_t w, bool if_equal)
{
	bool same = (w >> 21 & 31) == (w >> 16 & 31);

	i->ra = reg(w, 21);
	near(i, w, same && if_equal ? INSN_JUMP : INSN_COND);
	if (!(w >> 16 & 31))
		i->cond = if_equal ? RISC_ZERO : RISC_NONZERO;
}

static void immediate(struct risc *i, uint32_t w)
{
	i->rd = reg(w, 16);
	i->ra = reg(w, 21);
	i->imm = signed16(w);
	switch (w >> 26) {
	case 0x09: /* addiu */
		i->op = i->ra == RISC_NOREG ? RISC_SET : RISC_ADD;
		if (i->ra == SP && i->rd == SP && i->imm > 0)
			i->what = RISC_EPILOGUE;
		break;
	case 0x0b: i->op = RISC_LESS; break; /* sltiu */
	case 0x0c:                           /* andi */
		i->op = RISC_MASK;
		i->imm = w & 0xffff;
		break;
	case 0x0d: /* ori */
		i->imm = w & 0xffff;
		i->op = i->ra == RISC_NOREG ? RISC_SET : RISC_ADD;
		break;
	case 0x0f: /* lui */
		i->op = RISC_SET;
		i->imm = (int64_t)(w & 0xffff) << 16;
		break;
	default: break;
	}
}

static void memory(struct risc *i, uint32_t w)
{
	static const uint8_t sizes[8] = {1, 2, 4, 4, 1, 2, 4, 4};
	unsigned op = w >> 26;
	bool vector = op >= 0x30, load = op < 0x28 || (op >= 0x30 && op < 0x38);

	i->op = load ? RISC_LOAD : RISC_STORE;
	i->ra = reg(w, 21);
	i->imm = signed16(w);
	i->size = vector ? (op & 7) == 5 ? 8 : 4 : sizes[op & 7];
	i->what = op < 0x24 ? RISC_SIGNED : 0;
	i->rd = load && !vector ? reg(w, 16) : RISC_NOREG;
	i->rb = load || vector ? RISC_NOREG : reg(w, 16);
	if ((op & 7) == 2 || (op & 7) == 6) { /* lwl, lwr: a part of the register */
		i->op = RISC_OTHER;
		i->what = op == 0x27 || op == 0x2c || op == 0x2d ? RISC_ODD : 0;
	}
	if (load && i->ra == SP && i->rd == RA)
		i->what |= RISC_EPILOGUE;
}

static void coprocessor(struct risc *i, uint32_t w)
{
	unsigned op = w >> 21 & 31;

	i->rd = op == 0 || op == 2 || op == 3 ? reg(w, 16) : RISC_NOREG;
	if (w >> 26 == 0x11 && op == 8) /* bc1f, bc1t */
		near(i, w, INSN_COND);
}

static void read_word(uint32_t w, uint64_t addr, struct risc *i)
{
	unsigned op = w >> 26;

	switch (op) {
	case 0x00: special(i, w); break;
	case 0x01: by_sign(i, w); break;
	case 0x02: far(i, w, addr, INSN_JUMP); break;
	case 0x03: far(i, w, addr, INSN_CALL); break;
	case 0x04:
	case 0x14: equal(i, w, true); break;
	case 0x05:
	case 0x15: equal(i, w, false); break;
	case 0x06:
	case 0x07:
	case 0x16:
	case 0x17: near(i, w, INSN_COND); break; /* blez, bgtz */
	case 0x10:
	case 0x11: coprocessor(i, w); break;
	case 0x12:
	case 0x18:
	case 0x19:
	case 0x1a:
	case 0x1b:
	case 0x1d:
	case 0x1e:
	case 0x27:
	case 0x2c:
	case 0x2d:
	case 0x37:
	case 0x3f: i->what = RISC_ODD; break; /* of other coprocessors, or of 64 bits */
	case 0x13: break;                     /* COP1X */
	case 0x1c: i->rd = reg(w, 11); break;
	case 0x1f:
		i->rd = (w & 63) <= 7 || (w & 63) == 0x3b ? reg(w, 16) : reg(w, 11);
		if (!(w & 63)) { /* ext */
			i->op = RISC_MASK;
			i->imm = (int64_t)(UINT64_C(2) << (w >> 11 & 31)) - 1;
		}
		break;
	default:
		if (op < 0x10)
			immediate(i, w);
		else
			memory(i, w);
		break;
	}
}

static void start(size_t n, struct risc *out)
{
	*out = (struct risc){.len = n < 4 ? 1 : 4,
		.what = n < 4 ? RISC_ODD : 0,
		.rd = RISC_NOREG,
		.ra = RISC_NOREG,
		.rb = RISC_NOREG};
}

void risc_mips_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out)
{
	start(n, out);
	if (n >= 4)
		read_word((uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3], addr, out);
}

void risc_mips_read_little(const uint8_t *p, size_t n, uint64_t addr, struct risc *out)
{
	start(n, out);
	if (n >= 4)
		read_word(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24, addr, out);
}
