/* risc_thumb.c: T32 instructions (Arm ARM, F3: the encoding index) of either byte order. See
 * risc.h. */
#include "code/risc_arm.h"

static int64_t sext(uint32_t v, unsigned bits)
{
	return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
}

/* From the instruction to its program counter, rounded down to 4 bytes. */
static int64_t aligned(uint64_t addr)
{
	return 4 - (int64_t)(addr & 2);
}

static void direct(struct risc *i, enum insn_flow flow, int64_t imm)
{
	i->flow = (uint8_t)flow;
	i->what |= RISC_DIRECT;
	i->imm = imm;
	i->rd = RISC_NOREG;
}

static void conditional(struct risc *i, unsigned cond, int64_t imm)
{
	direct(i, INSN_JUMP, imm);
	risc_arm_if(i, cond);
	i->what &= (uint8_t)~RISC_MAYBE;
}

/* ---- 16 bits ---- */

static void shift_add(struct risc *i, unsigned h)
{
	unsigned op = h >> 11 & 3, ra = h >> 3 & 7;

	i->rd = h & 7;
	if (op == 0) {
		i->op = RISC_SHIFT;
		i->rb = (uint8_t)ra;
		i->shift = h >> 6 & 31;
		i->what = h ? 0 : RISC_PADDING;
	} else if (op == 3) {
		i->ra = (uint8_t)ra;
		if (h >> 10 & 1) {
			i->op = RISC_ADD;
			i->imm = h >> 9 & 1 ? -(int)(h >> 6 & 7) : (int)(h >> 6 & 7);
		} else if (!(h >> 9 & 1)) {
			i->op = RISC_SUM;
			i->size = 4;
			i->rb = h >> 6 & 7;
		}
	}
}

static void immediate(struct risc *i, unsigned h)
{
	unsigned r = h >> 8 & 7, imm = h & 0xff;

	i->rd = i->ra = (uint8_t)r;
	i->imm = imm;
	switch (h >> 11 & 3) {
	case 0: i->op = RISC_SET; break;
	case 1:
		i->op = RISC_COMPARE;
		i->rd = RISC_NOREG;
		break;
	case 2: i->op = RISC_ADD; break;
	default:
		i->op = RISC_ADD;
		i->imm = -(int)imm;
		break;
	}
}

/* Of all 16 registers: add, cmp, mov, bx. */
static void high(struct risc *i, unsigned h)
{
	unsigned rd = (h & 7) | (h >> 4 & 8), rm = h >> 3 & 15;

	i->rd = risc_arm_reg(rd);
	switch (h >> 8 & 3) {
	case 0:
		i->op = RISC_SUM;
		i->size = 4;
		i->ra = rm == 15 || rd == 15 ? RISC_HERE : risc_arm_reg(rd);
		i->rb = risc_arm_reg(rm == 15 ? rd : rm);
		i->imm = i->ra == RISC_HERE ? 4 : 0;
		break;
	case 1:
		i->op = RISC_COMPARE;
		i->rd = RISC_NOREG;
		return;
	case 2:
		i->op = rm == 15 ? RISC_PC : RISC_ADD;
		i->ra = risc_arm_reg(rm);
		i->imm = rm == 15 ? 4 : 0;
		i->what = rd == rm ? RISC_PADDING : 0;
		break;
	default:
		i->rd = RISC_NOREG;
		i->ra = (uint8_t)rm;
		i->flow = h >> 7 & 1 ? INSN_CALL : rm == RISC_ARM_LR ? INSN_RET : INSN_JUMP;
		return;
	}
	if (rd != 15)
		return;
	i->rd = RISC_ARM_PC;
	i->flow = INSN_JUMP;
	if ((h >> 8 & 3) == 2) {
		i->op = RISC_OTHER;
		risc_arm_to_pc(i, (uint8_t)rm);
	}
}

static void memory16(struct risc *i, unsigned h)
{
	static const uint8_t sizes[8] = {4, 2, 1, 1, 4, 2, 1, 2};
	struct risc_arm_memory m = {.rn = h >> 3 & 7, .rt = h & 7, .rm = RISC_NOREG};
	unsigned op = h >> 9 & 7, imm = h >> 6 & 31;

	if (h >> 12 == 5) {
		m.rm = h >> 6 & 7;
		m.size = sizes[op];
		m.load = op >= 3;
		m.is_signed = op == 3 || op == 7;
	} else if (h >> 12 == 9) {
		m.rn = 13;
		m.rt = h >> 8 & 7;
		m.size = 4;
		m.imm = (h & 0xff) * 4;
		m.load = h >> 11 & 1;
	} else {
		m.size = h >> 12 == 6 ? 4 : h >> 12 == 7 ? 1 : 2;
		m.imm = (int)(imm * m.size);
		m.load = h >> 11 & 1;
	}
	risc_arm_memory(i, &m);
}

static void miscellaneous(struct risc *i, unsigned h)
{
	unsigned rn = h & 7;

	if ((h & 0xff00) == 0xb000) { /* add, sub sp */
		i->what = h >> 7 & 1 ? 0 : RISC_EPILOGUE;
	} else if ((h & 0xf500) == 0xb100) { /* cbz, cbnz */
		direct(i, INSN_COND, 4 + (int)((h >> 3 & 0x40) | (h >> 2 & 0x3e)));
		i->cond = h >> 11 & 1 ? RISC_NONZERO : RISC_ZERO;
		i->ra = (uint8_t)rn;
	} else if ((h & 0xfe00) == 0xbc00) { /* pop */
		risc_arm_block(i, 13, (h & 0xff) | (h >> 8 & 1) << 15, true, true);
	} else if ((h & 0xff00) == 0xb500) {
		i->what = RISC_PROLOGUE; /* push with lr */
	} else if ((h & 0xff00) == 0xbe00) {
		i->flow = INSN_STOP; /* bkpt */
	} else if ((h & 0xff00) == 0xbf00) {
		i->what = h == 0xbf00 ? RISC_PADDING : 0;
		if (h & 15) {
			i->op = RISC_IF;
			i->imm = h & 0xff;
		}
	} else if ((h & 0xff00) == 0xb200 || (h & 0xff00) == 0xba00) {
		i->rd = (uint8_t)rn; /* extensions, reversals */
	} else if ((h & 0xfe00) != 0xb400 && (h & 0xff00) != 0xb600) {
		i->what = RISC_ODD;
	}
}

static void read16(unsigned h, uint64_t addr, struct risc *i)
{
	unsigned r = h >> 8 & 7, cond = h >> 8 & 15;

	switch (h >> 12) {
	case 0:
	case 1: shift_add(i, h); break;
	case 2:
	case 3: immediate(i, h); break;
	case 4:
		if (h >> 11 & 1) { /* ldr of a literal */
			i->op = RISC_LITERAL;
			i->rd = (uint8_t)r;
			i->size = 4;
			i->imm = aligned(addr) + (h & 0xff) * 4;
		} else if (h >> 10 & 1) {
			high(i, h);
		} else {
			unsigned op = h >> 6 & 15;

			i->op = op == 8 || op == 10 || op == 11 ? RISC_COMPARE : RISC_OTHER;
			i->rd = i->op == RISC_COMPARE ? RISC_NOREG : h & 7;
		}
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9: memory16(i, h); break;
	case 10: /* adr, add of sp */
		i->rd = (uint8_t)r;
		if (!(h >> 11 & 1)) {
			i->op = RISC_PC;
			i->imm = aligned(addr) + (h & 0xff) * 4;
		}
		break;
	case 11: miscellaneous(i, h); break;
	case 12:
		risc_arm_block(i, r, h & 0xff, h >> 11 & 1, !(h >> r & 1) || !(h >> 11 & 1));
		break;
	case 13:
		if (cond == 14)
			i->flow = INSN_STOP; /* udf */
		else if (cond == 15)
			i->flow = INSN_TRAP; /* svc */
		else
			conditional(i, cond, 4 + sext(h & 0xff, 8) * 2);
		i->what |= h == 0xd4d4 ? RISC_PADDING : 0; /* what lld fills with */
		break;
	default: direct(i, INSN_JUMP, 4 + sext(h & 0x7ff, 11) * 2); break;
	}
}

/* ---- 32 bits ---- */

/* A modified immediate constant, imm12 of 12 bits. */
static uint32_t expand(unsigned imm12)
{
	unsigned v = imm12 & 0xff, by = imm12 >> 7;

	switch (imm12 >> 8) {
	case 0: return v;
	case 1: return v | v << 16;
	case 2: return v << 8 | v << 24;
	case 3: return v * 0x01010101u;
	default: v |= 0x80; return v >> by | v << (32 - by);
	}
}

static unsigned imm12_of(unsigned a, unsigned b)
{
	return (a << 1 & 0x800) | (b >> 4 & 0x700) | (b & 0xff);
}

/* tst, teq, cmn, cmp: only the flags are written. */
static bool is_test(unsigned op, unsigned a, unsigned b)
{
	return (b >> 8 & 15) == 15 && (a >> 4 & 1) && (op == 0 || op == 4 || op == 8 || op == 13);
}

static void processing_immediate(struct risc *i, unsigned a, unsigned b, uint64_t addr)
{
	unsigned op = a >> 5 & 15, rn = a & 15, rd = b >> 8 & 15;
	uint32_t imm = expand(imm12_of(a, b));

	i->rd = risc_arm_reg(rd);
	if (a >> 9 & 1) { /* plain */
		imm = imm12_of(a, b);
		op = a >> 4 & 31;
		if (op == 0 || op == 10) {
			i->op = rn == 15 ? RISC_PC : RISC_ADD;
			i->ra = risc_arm_reg(rn);
			i->imm = (op ? -(int64_t)imm : (int64_t)imm) +
				 (rn == 15 ? aligned(addr) : 0);
		} else if (op == 4 || op == 12) {
			i->op = op == 4 ? RISC_SET : RISC_TOP;
			i->imm = rn << 12 | imm;
		} else if (op == 28) { /* ubfx */
			i->op = RISC_MASK;
			i->imm = (int64_t)(UINT64_C(2) << (b & 31)) - 1;
		}
		return;
	}
	if (is_test(op, a, b)) {
		i->op = RISC_COMPARE;
		i->ra = op == 13 ? risc_arm_reg(rn) : RISC_NOREG;
		i->imm = imm;
	} else if ((op == 2 || op == 3) && rn == 15) {
		i->op = RISC_SET;
		i->imm = op == 2 ? (int64_t)imm : (int64_t)~imm;
	} else if (op == 2 && imm == 1) { /* orr: an address of Thumb code */
		i->op = RISC_ADD;
		i->ra = risc_arm_reg(rn);
	} else if (op == 0) { /* and */
		i->op = RISC_MASK;
		i->imm = imm;
	} else if (op == 8 || op == 13) {
		i->op = RISC_ADD;
		i->ra = risc_arm_reg(rn);
		i->imm = op == 8 ? (int64_t)imm : -(int64_t)imm;
		if (op == 8 && rn == 13 && rd == 13)
			i->what = RISC_EPILOGUE;
	}
}

static void processing_shifted(struct risc *i, unsigned a, unsigned b)
{
	unsigned op = a >> 5 & 15, rn = a & 15, rm = b & 15;
	unsigned shift = (b >> 10 & 28) | (b >> 6 & 3);

	i->rd = risc_arm_reg(b >> 8 & 15);
	if (is_test(op, a, b)) {
		i->op = RISC_COMPARE;
		return;
	}
	if (b >> 4 & 3) /* not to the left */
		return;
	if (op == 2 && rn == 15) {
		i->op = shift ? RISC_SHIFT : RISC_ADD;
		*(shift ? &i->rb : &i->ra) = risc_arm_reg(rm);
		i->shift = (uint8_t)shift;
	} else if (op == 8) {
		i->op = RISC_SUM;
		i->size = 4;
		i->ra = rn == 15 ? RISC_HERE : risc_arm_reg(rn);
		i->imm = rn == 15 ? 4 : 0;
		i->rb = risc_arm_reg(rm);
		i->shift = (uint8_t)shift;
	}
}

/* Pairs, exclusive accesses, tables of branches. */
static void double_word(struct risc *i, unsigned a, unsigned b, uint64_t addr)
{
	unsigned rn = a & 15;
	int imm = (int)(b & 0xff) * 4;
	bool load = a >> 4 & 1;

	if ((a & 0xfff0) == 0xe8d0 && (b & 0xffe0) == 0xf000) { /* tbb, tbh */
		i->op = RISC_TABLE;
		i->flow = INSN_JUMP;
		i->rd = RISC_ARM_PC;
		i->ra = rn == 15 ? RISC_HERE : risc_arm_reg(rn);
		i->rb = risc_arm_reg(b & 15);
		i->size = b >> 4 & 1 ? 2 : 1;
		i->shift = 1;
		i->imm = 4;
	} else if (a & 0x0120) {
		struct risc_arm_memory m = {.rn = (uint8_t)rn,
			.rt = b >> 12 & 15,
			.rm = RISC_NOREG,
			.size = 8,
			.imm = a >> 7 & 1 ? imm : -imm,
			.base = aligned(addr),
			.load = load,
			.after = !(a >> 8 & 1),
			.back = (a >> 8 & 1) && (a >> 5 & 1)};

		risc_arm_memory(i, &m);
		i->writes |= load ? risc_arm_bit(b >> 8 & 15) : 0;
	} else {
		i->rd = risc_arm_reg(load ? b >> 12 & 15 : (a & 0xc0) ? b & 15 : b >> 8 & 15);
		i->writes = load ? risc_arm_bit(b >> 8 & 15) : 0;
	}
}

static void branches(struct risc *i, unsigned a, unsigned b, uint64_t addr)
{
	unsigned s = a >> 10 & 1, j1 = b >> 13 & 1, j2 = b >> 11 & 1;
	uint32_t near = s << 20 | j2 << 19 | j1 << 18 | (a & 63) << 12 | (b & 0x7ff) << 1;
	uint32_t far = s << 24 | (j1 ^ s ^ 1) << 23 | (j2 ^ s ^ 1) << 22 | (a & 0x3ff) << 12 |
		       (b & 0x7ff) << 1;

	switch (b & 0xd000) {
	case 0x9000: direct(i, INSN_JUMP, 4 + sext(far, 25)); return;
	case 0xd000: direct(i, INSN_CALL, 4 + sext(far, 25)); return;
	case 0xc000:
		direct(i, INSN_CALL, aligned(addr) + sext(far & ~3u, 25));
		i->what |= RISC_SWITCH;
		return;
	default: break;
	}
	if ((a & 0x0380) != 0x0380)
		conditional(i, a >> 6 & 15, 4 + sext(near, 21));
	else if (a == 0xf3af)
		i->what = b == 0x8000 ? RISC_PADDING : 0;
	else if ((a & 0xfff0) == 0xf7f0 && (b & 0xf000) == 0xa000)
		i->flow = INSN_STOP; /* udf */
	else if (a == 0xf3de)
		i->flow = INSN_RET;
	else if ((a & 0xffe0) == 0xf3e0)
		i->rd = risc_arm_reg(b >> 8 & 15); /* mrs */
}

static void memory32(struct risc *i, unsigned a, unsigned b, uint64_t addr)
{
	unsigned size = a >> 5 & 3;
	bool plain = a >> 7 & 1 || (a & 15) == 15;
	struct risc_arm_memory m = {.rn = a & 15,
		.rt = b >> 12 & 15,
		.rm = RISC_NOREG,
		.size = (uint8_t)(1u << size),
		.base = aligned(addr),
		.load = a >> 4 & 1,
		.is_signed = a >> 8 & 1};

	if (size == 3) {
		i->what = RISC_ODD;
		return;
	}
	m.imm = b & 0xfff;
	if (m.rn == 15 && !(a >> 7 & 1))
		m.imm = -m.imm;
	if (!plain && (b & 0x0800)) {
		m.imm = b >> 9 & 1 ? (int)(b & 0xff) : -(int)(b & 0xff);
		m.after = !(b >> 10 & 1);
		m.back = !m.after && (b >> 8 & 1);
	} else if (!plain) {
		m.rm = b & 15;
		m.imm = 0;
		m.shift = b >> 4 & 3;
	}
	if (m.load && m.rt == 15 && size < 2) /* pld, pli: no register is written */
		return;
	risc_arm_memory(i, &m);
}

static void read32(unsigned a, unsigned b, uint64_t addr, struct risc *i)
{
	unsigned rd = b >> 8 & 15, hi = b >> 12 & 15;

	switch (a >> 8) {
	case 0xe8:
	case 0xe9:
		if (a >> 6 & 1)
			double_word(i, a, b, addr);
		else
			risc_arm_block(i, a & 15, b, a >> 4 & 1, a >> 5 & 1);
		break;
	case 0xea:
	case 0xeb: processing_shifted(i, a, b); break;
	case 0xec:
	case 0xed:
	case 0xee: risc_arm_coprocessor(i, (uint32_t)a << 16 | b, aligned(addr)); break;
	case 0xef: break; /* NEON */
	case 0xf8:
	case 0xf9:
		if ((a & 0xff10) == 0xf900) /* NEON */
			i->writes = (b & 15) == 15 ? 0 : risc_arm_bit(a & 15);
		else
			memory32(i, a, b, addr);
		break;
	case 0xfa: i->rd = risc_arm_reg(rd); break;
	case 0xfb:
		i->rd = risc_arm_reg(rd);
		if ((a & 0x80) && (a & 0xd0) != 0x90)
			i->writes = risc_arm_bit(hi); /* of 64 bits */
		break;
	case 0xfc:
	case 0xfd: i->what = RISC_ODD; break;
	case 0xfe: i->what = (b & 0x0e00) == 0x0a00 ? 0 : RISC_ODD; break;
	case 0xff: break; /* NEON */
	default:
		if (b >> 15)
			branches(i, a, b, addr);
		else
			processing_immediate(i, a, b, addr);
		break;
	}
}

static void read(unsigned a, unsigned b, size_t n, uint64_t addr, struct risc *out)
{
	bool wide = a >> 11 >= 0x1d;

	risc_arm_start(out, n < 2 || (wide && n < 4) ? 1 : wide ? 4 : 2);
	if (out->len == 4)
		read32(a, b, addr, out);
	else if (out->len == 2)
		read16(a, addr, out);
}

void risc_thumb_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out)
{
	read(n < 2 ? 0 : p[0] | p[1] << 8, n < 4 ? 0 : p[2] | p[3] << 8, n, addr, out);
}

void risc_thumb_read_big(const uint8_t *p, size_t n, uint64_t addr, struct risc *out)
{
	read(n < 2 ? 0 : p[0] << 8 | p[1], n < 4 ? 0 : p[2] << 8 | p[3], n, addr, out);
}
