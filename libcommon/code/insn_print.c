/*
 * insn_print.c: an instruction as text, x86 in Intel syntax, in capstone's spelling: numbers above
 * 9 in hexadecimal, branch targets absolute.
 */
#include <inttypes.h>
#include <string.h>

#include "code/insn.h"

#define GPR_LOW(name)                                          \
	{                                                      \
		"r" name "x", "e" name "x", name "x", name "l" \
	}
#define GPR_PTR(name)                              \
	{                                          \
		"r" name, "e" name, name, name "l" \
	}
#define GPR_NUM(name)                              \
	{                                          \
		name, name "d", name "w", name "b" \
	}

static const char *const gpr[16][4] = {
	GPR_LOW("a"),
	GPR_LOW("c"),
	GPR_LOW("d"),
	GPR_LOW("b"),
	GPR_PTR("sp"),
	GPR_PTR("bp"),
	GPR_PTR("si"),
	GPR_PTR("di"),
	GPR_NUM("r8"),
	GPR_NUM("r9"),
	GPR_NUM("r10"),
	GPR_NUM("r11"),
	GPR_NUM("r12"),
	GPR_NUM("r13"),
	GPR_NUM("r14"),
	GPR_NUM("r15"),
};

#define EIGHT(a, z)                                                                    \
	{                                                                              \
		a "0" z, a "1" z, a "2" z, a "3" z, a "4" z, a "5" z, a "6" z, a "7" z \
	}
#define THIRTY_TWO(r)                                                                           \
	{                                                                                       \
		r "0", r "1", r "2", r "3", r "4", r "5", r "6", r "7", r "8", r "9", r "10",   \
			r "11", r "12", r "13", r "14", r "15", r "16", r "17", r "18", r "19", \
			r "20", r "21", r "22", r "23", r "24", r "25", r "26", r "27", r "28", \
			r "29", r "30", r "31"                                                  \
	}

static const char *const vector[3][32] = {THIRTY_TWO("xmm"), THIRTY_TWO("ymm"), THIRTY_TWO("zmm")};
static const char *const st[8] = EIGHT("st(", ")");
static const char *const mm[8] = EIGHT("mm", "");
static const char *const k[8] = EIGHT("k", "");
static const char *const cr[32] = THIRTY_TWO("cr");
static const char *const dr[32] = THIRTY_TWO("dr");
static const char *const bnd[32] = THIRTY_TWO("bnd");
static const char *const segment[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

const char *insn_reg_name(struct insn_reg r)
{
	static const char *const high[4] = {"ah", "ch", "dh", "bh"};
	unsigned id = r.id;

	if (r.lo)
		return r.lo == 1 && r.size == 1 && id < 4 ? high[id] : "?";
	if (id < 16) {
		switch (r.size) {
		case 8: return gpr[id][0];
		case 4: return gpr[id][1];
		case 2: return gpr[id][2];
		case 1: return gpr[id][3];
		default: return "?";
		}
	}
	if (id == X86_RIP)
		return r.size == 4 ? "eip" : r.size == 2 ? "ip" : "rip";
	if (id == X86_FLAGS)
		return "rflags";
	if (id >= X86_ES && id <= X86_GS)
		return segment[id - X86_ES];
	if (id >= X86_V0 && id < X86_V0 + 32)
		return r.size == 16   ? vector[0][id - X86_V0]
		       : r.size == 32 ? vector[1][id - X86_V0]
		       : r.size == 64 ? vector[2][id - X86_V0]
				      : "?";
	if (id >= X86_ST0 && id < X86_ST0 + 8)
		return st[id - X86_ST0];
	if (id >= X86_MM0 && id < X86_MM0 + 8)
		return mm[id - X86_MM0];
	if (id >= X86_K0 && id < X86_K0 + 8)
		return k[id - X86_K0];
	if (id >= X86_CR0 && id < X86_CR0 + 16)
		return cr[id - X86_CR0];
	if (id >= X86_DR0 && id < X86_DR0 + 16)
		return dr[id - X86_DR0];
	if (id >= X86_BND0 && id < X86_BND0 + 4)
		return bnd[id - X86_BND0];
	return id == X86_FPSW ? "fpsw" : id == X86_MXCSR ? "mxcsr" : "?";
}

static void put_unsigned(struct buf *b, uint64_t v)
{
	buf_printf(b, v > 9 ? "0x%" PRIx64 : "%" PRIu64, v);
}

static void put_signed(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_putc(b, '-');
	put_unsigned(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static const char *pointer(const struct insn *i, unsigned size)
{
	switch (i->mn) {
	case X86_LEA:
	case X86_FXSAVE:
	case X86_FXSAVE64:
	case X86_FXRSTOR:
	case X86_FXRSTOR64:
	case X86_LGDT:
	case X86_LIDT:
	case X86_SGDT:
	case X86_SIDT:
	case X86_LCALL:
	case X86_LJMP: return "";
	case X86_LFS:
	case X86_LGS:
	case X86_LSS: return "ptr ";
	default: break;
	}
	switch (size) {
	case 1: return "byte ptr ";
	case 2: return "word ptr ";
	case 4: return "dword ptr ";
	case 8: return "qword ptr ";
	case 10: return i->mn == X86_FBLD || i->mn == X86_FBSTP ? "tbyte ptr " : "xword ptr ";
	case 16: return "xmmword ptr ";
	case 32: return "ymmword ptr ";
	case 64: return "zmmword ptr ";
	default: return "";
	}
}

const char *insn_mask_text(const struct insn *i)
{
	static const char *const merging[] = EIGHT(" {k", "}");
	static const char *const zeroing[] = EIGHT(" {k", "} {z}");

	return !i->mask ? "" : i->zeroing ? zeroing[i->mask & 7] : merging[i->mask & 7];
}

const char *insn_broadcast_text(const struct insn *i)
{
	switch (i->bcast) {
	case 2: return "{1to2}";
	case 4: return "{1to4}";
	case 8: return "{1to8}";
	case 16: return "{1to16}";
	default: return "";
	}
}

const char *insn_rounding_text(const struct insn *i)
{
	static const char *const texts[] = {
		"", ", {sae}", ", {rn-sae}", ", {rd-sae}", ", {ru-sae}", ", {rz-sae}"};

	return texts[i->rounding];
}

static void put_mem(struct buf *b, const struct insn *i, const struct insn_op *o)
{
	bool first = true;

	buf_puts(b, pointer(i, o->size));
	if (o->mem.seg != X86_NOREG) {
		buf_puts(b, insn_reg_name((struct insn_reg){o->mem.seg, 0, 2}));
		buf_putc(b, ':');
	}
	buf_putc(b, '[');
	if (o->mem.base != X86_NOREG) {
		buf_puts(b, insn_reg_name((struct insn_reg){o->mem.base, 0, o->mem.addr_size}));
		first = false;
	}
	if (o->mem.index != X86_NOREG) {
		buf_puts(b, first ? "" : " + ");
		buf_puts(b, insn_reg_name((struct insn_reg){o->mem.index, 0, o->mem.index_size}));
		if (o->mem.scale != 1)
			buf_printf(b, "*%u", o->mem.scale);
		first = false;
	}
	if (first) {
		put_unsigned(b, (uint64_t)o->mem.disp);
	} else if (o->mem.disp) {
		buf_puts(b, o->mem.disp < 0 ? " - " : " + ");
		put_unsigned(
			b, o->mem.disp < 0 ? 0 - (uint64_t)o->mem.disp : (uint64_t)o->mem.disp);
	}
	buf_putc(b, ']');
}

static void put_imm(struct buf *b, const struct insn *i, const struct insn_op *o)
{
	uint64_t v = (uint64_t)o->imm;

	switch (i->mn) {
	case X86_AND:
	case X86_OR:
	case X86_XOR:
		if (o->size < 8)
			v &= (1ull << 8 * o->size) - 1;
		put_unsigned(b, v);
		break;
	case X86_MOVABS:
	case X86_IN:
	case X86_OUT:
	case X86_INT:
	case X86_RET:
	case X86_RETF: put_unsigned(b, v); break;
	default: put_signed(b, o->imm); break;
	}
}

static const char *repeat(const struct insn *i)
{
	switch (i->mn) {
	case X86_CMPSB:
	case X86_CMPSW:
	case X86_CMPSD:
	case X86_CMPSQ:
	case X86_SCASB:
	case X86_SCASW:
	case X86_SCASD:
	case X86_SCASQ: return "repe ";
	default: return "rep ";
	}
}

static void put_prefixes(struct buf *b, const struct insn *i)
{
	bool elide = (i->prefix & INSN_LOCK) || i->mn == X86_XCHG || i->mn == X86_MOV;

	if (i->prefix & INSN_REPNE)
		buf_puts(b, elide ? "xacquire " : "repne ");
	if (i->prefix & INSN_REP)
		buf_puts(b, elide ? "xrelease " : repeat(i));
	if (i->prefix & INSN_LOCK)
		buf_puts(b, "lock ");
	if (i->prefix & INSN_BND)
		buf_puts(b, "bnd ");
}

/* The address that an operand means. */
static uint64_t address(const struct insn *i, const struct insn_op *o, uint64_t addr)
{
	switch (o->kind) {
	case INSN_OP_REL: return addr + i->len + (uint64_t)o->imm;
	case INSN_OP_PAGE: return (addr & ~UINT64_C(0xfff)) + (uint64_t)o->imm;
	case INSN_OP_WORD:
	case INSN_OP_REL_WORD: return (addr & ~UINT64_C(3)) + (uint64_t)o->imm;
	default: return addr + (uint64_t)o->imm;
	}
}

static void put_text(struct buf *b, const struct insn *i, uint64_t addr)
{
	const struct insn_op *o = i->op;

	if (i->text[0])
		buf_putc(b, ' ');
	for (const char *t = i->text; *t; t++) {
		if (*t != INSN_HOLE)
			buf_putc(b, *t);
		else if (o->kind == INSN_OP_IMM)
			put_signed(b, o++->imm);
		else
			put_unsigned(b, address(i, o++, addr));
	}
}

void insn_print(struct buf *b, const struct insn *i, uint64_t addr)
{
	put_prefixes(b, i);
	buf_puts(b, i->mnemonic);
	if (i->text) {
		put_text(b, i, addr);
		return;
	}
	for (unsigned n = 0; n < i->nops; n++) {
		const struct insn_op *o = &i->op[n];

		buf_puts(b, n ? ", " : " ");
		switch (o->kind) {
		case INSN_OP_REG: buf_puts(b, insn_reg_name(o->reg)); break;
		case INSN_OP_IMM: put_imm(b, i, o); break;
		case INSN_OP_REL: put_unsigned(b, address(i, o, addr)); break;
		case INSN_OP_MEM: put_mem(b, i, o); break;
		default: break;
		}
		if (n == 0)
			buf_puts(b, insn_mask_text(i));
		if (o->kind == INSN_OP_MEM)
			buf_puts(b, insn_broadcast_text(i));
	}
	buf_puts(b, insn_rounding_text(i));
}
