/*
 * regs.c: tables of registers; see regs.h.
 *
 * Names that differ in a number stand in a row, in order, so that a name is found by its letters
 * (struct span) and its number.
 */
#include "code/regs.h"

#include <string.h>

#define ROW(name, bank, index, lo, bytes)                 \
	{                                                 \
		name, REGS_##bank, (index), (lo), (bytes) \
	}
/* Row i of registers that are all alike. */
#define EACH(pre, i, post, bank, bytes) ROW(pre #i post, bank, i, 0, bytes)
#define EACH_8(pre, post, bank, bytes)                                            \
	EACH(pre, 0, post, bank, bytes), EACH(pre, 1, post, bank, bytes),         \
		EACH(pre, 2, post, bank, bytes), EACH(pre, 3, post, bank, bytes), \
		EACH(pre, 4, post, bank, bytes), EACH(pre, 5, post, bank, bytes), \
		EACH(pre, 6, post, bank, bytes), EACH(pre, 7, post, bank, bytes)
#define EACH_16(pre, post, bank, bytes)                                             \
	EACH_8(pre, post, bank, bytes), EACH(pre, 8, post, bank, bytes),            \
		EACH(pre, 9, post, bank, bytes), EACH(pre, 10, post, bank, bytes),  \
		EACH(pre, 11, post, bank, bytes), EACH(pre, 12, post, bank, bytes), \
		EACH(pre, 13, post, bank, bytes), EACH(pre, 14, post, bank, bytes), \
		EACH(pre, 15, post, bank, bytes)
#define EACH_31(pre, bank, bytes)                                               \
	EACH_16(pre, "", bank, bytes), EACH(pre, 16, "", bank, bytes),          \
		EACH(pre, 17, "", bank, bytes), EACH(pre, 18, "", bank, bytes), \
		EACH(pre, 19, "", bank, bytes), EACH(pre, 20, "", bank, bytes), \
		EACH(pre, 21, "", bank, bytes), EACH(pre, 22, "", bank, bytes), \
		EACH(pre, 23, "", bank, bytes), EACH(pre, 24, "", bank, bytes), \
		EACH(pre, 25, "", bank, bytes), EACH(pre, 26, "", bank, bytes), \
		EACH(pre, 27, "", bank, bytes), EACH(pre, 28, "", bank, bytes), \
		EACH(pre, 29, "", bank, bytes), EACH(pre, 30, "", bank, bytes)
#define EACH_32(pre, bank, bytes) EACH_31(pre, bank, bytes), EACH(pre, 31, "", bank, bytes)

/* x86: the eight old registers by name, the others by number. */
#define X86_ROW(name, i, bytes) ROW(name, GENERAL, i, 0, bytes)
#define X86_NEW(i, post, bytes) ROW("r" #i post, GENERAL, i, 0, bytes)
#define X86_SIZE(ax, cx, dx, bx, sp, bp, si, di, post, bytes)                                 \
	X86_ROW(ax, 0, bytes), X86_ROW(cx, 1, bytes), X86_ROW(dx, 2, bytes),                  \
		X86_ROW(bx, 3, bytes), X86_ROW(sp, 4, bytes), X86_ROW(bp, 5, bytes),          \
		X86_ROW(si, 6, bytes), X86_ROW(di, 7, bytes), X86_NEW(8, post, bytes),        \
		X86_NEW(9, post, bytes), X86_NEW(10, post, bytes), X86_NEW(11, post, bytes),  \
		X86_NEW(12, post, bytes), X86_NEW(13, post, bytes), X86_NEW(14, post, bytes), \
		X86_NEW(15, post, bytes)

/* Where the parts of x86 registers begin: sizes 8, 4, 2, 1, then ah and its like. */
enum {
	X86_HIGH = 64,
	X86_XMM = 68,
	X86_YMM = 100,
	X86_ZMM = 132,
	X86_MASK = 164,
	X86_X87 = 172,
	X86_MMX = 180
};

static const struct reg_info x86[] = {
	X86_SIZE("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "", 8),
	X86_SIZE("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "d", 4),
	X86_SIZE("ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "w", 2),
	X86_SIZE("al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "b", 1),
	ROW("ah", GENERAL, 0, 1, 1),
	ROW("ch", GENERAL, 1, 1, 1),
	ROW("dh", GENERAL, 2, 1, 1),
	ROW("bh", GENERAL, 3, 1, 1),
	EACH_32("xmm", VECTOR, 16),
	EACH_32("ymm", VECTOR, 32),
	EACH_32("zmm", VECTOR, 64),
	EACH_8("k", "", MASK, 8),
	EACH_8("st(", ")", X87, 10),
	EACH_8("mm", "", MMX, 8),
};
static const struct reg_info aarch64[] = {
	EACH_31("x", GENERAL, 8),
	ROW("sp", GENERAL, 31, 0, 8),
	EACH_31("w", GENERAL, 4),
	ROW("wsp", GENERAL, 31, 0, 4),
	EACH_32("v", VECTOR, 16),
	EACH_32("q", VECTOR, 16),
	EACH_32("d", VECTOR, 8),
	EACH_32("s", VECTOR, 4),
	EACH_32("h", VECTOR, 2),
	EACH_32("b", VECTOR, 1),
};

#define ARM_S2(a, b, d) ROW("s" #a, VECTOR, d, 0, 4), ROW("s" #b, VECTOR, d, 4, 4)
#define ARM_Q2(a, b, d) ROW("q" #a, VECTOR, d, 0, 16), ROW("q" #b, VECTOR, d + 2, 0, 16)
static const struct reg_info arm[] = {
	EACH_8("r", "", GENERAL, 4),
	ROW("r8", GENERAL, 8, 0, 4),
	ROW("sb", GENERAL, 9, 0, 4),
	ROW("sl", GENERAL, 10, 0, 4),
	ROW("fp", GENERAL, 11, 0, 4),
	ROW("ip", GENERAL, 12, 0, 4),
	ROW("sp", GENERAL, 13, 0, 4),
	ROW("lr", GENERAL, 14, 0, 4),
	ARM_S2(0, 1, 0),
	ARM_S2(2, 3, 1),
	ARM_S2(4, 5, 2),
	ARM_S2(6, 7, 3),
	ARM_S2(8, 9, 4),
	ARM_S2(10, 11, 5),
	ARM_S2(12, 13, 6),
	ARM_S2(14, 15, 7),
	ARM_S2(16, 17, 8),
	ARM_S2(18, 19, 9),
	ARM_S2(20, 21, 10),
	ARM_S2(22, 23, 11),
	ARM_S2(24, 25, 12),
	ARM_S2(26, 27, 13),
	ARM_S2(28, 29, 14),
	ARM_S2(30, 31, 15),
	EACH_32("d", VECTOR, 8),
	ARM_Q2(0, 1, 0),
	ARM_Q2(2, 3, 4),
	ARM_Q2(4, 5, 8),
	ARM_Q2(6, 7, 12),
	ARM_Q2(8, 9, 16),
	ARM_Q2(10, 11, 20),
	ARM_Q2(12, 13, 24),
	ARM_Q2(14, 15, 28),
};

#define MIPS_ROW(name, i) ROW("$" name, GENERAL, i, 0, 4)
static const struct reg_info mips[] = {
	MIPS_ROW("at", 1),
	MIPS_ROW("v0", 2),
	MIPS_ROW("v1", 3),
	MIPS_ROW("a0", 4),
	MIPS_ROW("a1", 5),
	MIPS_ROW("a2", 6),
	MIPS_ROW("a3", 7),
	MIPS_ROW("t0", 8),
	MIPS_ROW("t1", 9),
	MIPS_ROW("t2", 10),
	MIPS_ROW("t3", 11),
	MIPS_ROW("t4", 12),
	MIPS_ROW("t5", 13),
	MIPS_ROW("t6", 14),
	MIPS_ROW("t7", 15),
	MIPS_ROW("s0", 16),
	MIPS_ROW("s1", 17),
	MIPS_ROW("s2", 18),
	MIPS_ROW("s3", 19),
	MIPS_ROW("s4", 20),
	MIPS_ROW("s5", 21),
	MIPS_ROW("s6", 22),
	MIPS_ROW("s7", 23),
	MIPS_ROW("t8", 24),
	MIPS_ROW("t9", 25),
	MIPS_ROW("k0", 26),
	MIPS_ROW("k1", 27),
	MIPS_ROW("gp", 28),
	MIPS_ROW("sp", 29),
	MIPS_ROW("fp", 30),
	MIPS_ROW("ra", 31),
	EACH_32("$f", VECTOR, 4),
};

/*
 * Names from row `first` on: `before` a number from `low`, one row each, and `after`; if n is 0,
 * `before` alone.
 */
struct span {
	char before[5], after[2];
	uint8_t first, low, n;
};
#define X86_SPANS(ax, cx, dx, bx, sp, bp, si, di, post, at)                             \
	{ax, "", at, 0, 0}, {cx, "", at + 1, 0, 0}, {dx, "", at + 2, 0, 0},             \
		{bx, "", at + 3, 0, 0}, {sp, "", at + 4, 0, 0}, {bp, "", at + 5, 0, 0}, \
		{si, "", at + 6, 0, 0}, {di, "", at + 7, 0, 0},                         \
	{                                                                               \
		"r", post, at + 8, 8, 8                                                 \
	}
static const struct span x86_spans[] = {
	X86_SPANS("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "", 0),
	X86_SPANS("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "d", 16),
	X86_SPANS("ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "w", 32),
	X86_SPANS("al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "b", 48),
	{"ah", "", X86_HIGH, 0, 0},
	{"ch", "", X86_HIGH + 1, 0, 0},
	{"dh", "", X86_HIGH + 2, 0, 0},
	{"bh", "", X86_HIGH + 3, 0, 0},
	{"xmm", "", X86_XMM, 0, 32},
	{"ymm", "", X86_YMM, 0, 32},
	{"zmm", "", X86_ZMM, 0, 32},
	{"k", "", X86_MASK, 0, 8},
	{"st(", ")", X86_X87, 0, 8},
	{"mm", "", X86_MMX, 0, 8},
};
static const struct span aarch64_spans[] = {
	{"x", "", 0, 0, 31},
	{"sp", "", 31, 0, 0},
	{"w", "", 32, 0, 31},
	{"wsp", "", 63, 0, 0},
	{"v", "", 64, 0, 32},
	{"q", "", 96, 0, 32},
	{"d", "", 128, 0, 32},
	{"s", "", 160, 0, 32},
	{"h", "", 192, 0, 32},
	{"b", "", 224, 0, 32},
	/* as assemblers write them */
	{"fp", "", 29, 0, 0},
	{"lr", "", 30, 0, 0},
};
static const struct span arm_spans[] = {
	{"r", "", 0, 0, 15},
	{"sb", "", 9, 0, 0},
	{"sl", "", 10, 0, 0},
	{"fp", "", 11, 0, 0},
	{"ip", "", 12, 0, 0},
	{"sp", "", 13, 0, 0},
	{"lr", "", 14, 0, 0},
	{"s", "", 15, 0, 32},
	{"d", "", 47, 0, 32},
	{"q", "", 79, 0, 16},
};
static const struct span mips_spans[] = {
	{"$at", "", 0, 0, 0}, {"$v", "", 1, 0, 2}, {"$a", "", 3, 0, 4}, {"$t", "", 7, 0, 8},
	{"$s", "", 15, 0, 8}, {"$t", "", 23, 8, 2}, {"$k", "", 25, 0, 2}, {"$gp", "", 27, 0, 0},
	{"$sp", "", 28, 0, 0}, {"$fp", "", 29, 0, 0}, {"$ra", "", 30, 0, 0}, {"$f", "", 31, 0, 32},
	{"$s", "", 29, 8, 1}, /* $s8 is $fp */
};

static const struct table {
	const struct reg_info *reg;
	const struct span *span;
	int n;
	unsigned nspans;
} tables[ARCH_COUNT] = {
#define TABLE(t)                                               \
	{                                                      \
		t, t##_spans, COUNT_OF(t), COUNT_OF(t##_spans) \
	}
	[ARCH_X86_64] = TABLE(x86),
	[ARCH_I386] = TABLE(x86),
	[ARCH_AARCH64] = TABLE(aarch64),
	[ARCH_MIPS] = TABLE(mips),
	[ARCH_MIPSEL] = TABLE(mips),
	[ARCH_ARM] = TABLE(arm),
	[ARCH_THUMB] = TABLE(arm),
	[ARCH_ARMEB] = TABLE(arm),
	[ARCH_THUMBEB] = TABLE(arm),
};
_Static_assert(COUNT_OF(aarch64) == REGS_MAX, "numbers of registers fit into a byte");

int regs_count(enum arch a)
{
	return tables[a].n;
}

const struct reg_info *regs_info(enum arch a, int i)
{
	return i >= 0 && i < tables[a].n ? &tables[a].reg[i] : NULL;
}

/* The row of a word in the span, or -1. */
static int find(const struct span *s, const char *word, size_t n)
{
	size_t before = strlen(s->before), after = strlen(s->after);
	unsigned v = 0;

	if (n < before + after || memcmp(word, s->before, before) ||
		memcmp(word + n - after, s->after, after))
		return -1;
	word += before;
	n -= before + after;
	if (!s->n)
		return n ? -1 : s->first;
	if (!n || n > 2 || (n == 2 && *word == '0'))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (word[i] < '0' || word[i] > '9')
			return -1;
		v = 10 * v + (unsigned)(word[i] - '0');
	}
	return v >= s->low && v - s->low < s->n ? (int)(s->first + v - s->low) : -1;
}

int regs_find(enum arch a, const char *word, size_t n)
{
	const struct table *t = &tables[a];

	for (unsigned k = 0; n && k < t->nspans; k++) {
		const struct span *s = &t->span[k];
		int i = s->before[0] == word[0] ? find(s, word, n) : -1;

		if (i >= 0)
			return i;
	}
	return -1;
}

int regs_x86(struct insn_reg r)
{
	if (r.lo)
		return r.lo == 1 && r.size == 1 && r.id < 4 ? X86_HIGH + r.id : -1;
	if (r.id < X86_RIP) {
		switch (r.size) {
		case 8: return r.id;
		case 4: return 16 + r.id;
		case 2: return 32 + r.id;
		case 1: return 48 + r.id;
		default: return -1;
		}
	}
	if (r.id >= X86_V0 && r.id < X86_ST0) {
		switch (r.size) {
		case 64: return X86_ZMM + r.id - X86_V0;
		case 32: return X86_YMM + r.id - X86_V0;
		case 16: return X86_XMM + r.id - X86_V0;
		default: return -1;
		}
	}
	if (r.id >= X86_ST0 && r.id < X86_MM0)
		return X86_X87 + r.id - X86_ST0;
	if (r.id >= X86_MM0 && r.id < X86_K0)
		return X86_MMX + r.id - X86_MM0;
	if (r.id >= X86_K0 && r.id < X86_CR0)
		return X86_MASK + r.id - X86_K0;
	return -1;
}
