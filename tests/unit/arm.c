/*
 * arm.c: what T32 instructions do, against Unicorn: random encodings of each class in random and
 * corner states, half of them under a condition, executed there and, by evaluating what arm_step
 * says, here. Instructions without a meaning of their own must not write, or depend on, a register
 * that they do not say.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sem/arm.h"
#include "sem/eval.h"
#include "sem/print.h"
#include "tests/emulated.h"

enum {
	CASES = 2000, /* of each row below, if the command line does not say */
	CODE = 0xfffe0,
	RAM = 0x100000, /* right behind the code */
	ROOM = 0x20000, /* bytes of RAM */
	MIDDLE = RAM + 0x4000,
	REGS = 15 + 1 + 1 + 32, /* r0 to lr, flags, fpscr, d0 to d31 */
	FLAGS = 15,
};

enum {
	MEMORY = 1, /* registers hold addresses */
	FREE = 2,   /* never under a condition */
	HIGH = 4,   /* sp and pc may be among its registers */
	LOOSE = 8,  /* some have no meaning of their own */
	TEXT = 16,  /* none has */
};

/*
 * Encodings, the first halfword of two the higher one: the bits of `fixed` are as in `value`, the
 * others are random.
 */
struct row {
	const char *name;
	unsigned len;
	uint32_t fixed, value;
	unsigned kind;
	uint32_t regs;  /* bit n: bits n to n + 3 are a register, neither sp nor pc */
	uint32_t clear; /* bits that are 0 */
};

enum { N = 1 << 16, M = 1 << 0, D = 1 << 8, T = 1 << 12 };

static const struct row rows[] = {
	{"short shift, sum", 2, 0xe000, 0x0000, 0, 0, 0},
	{"short imm", 2, 0xe000, 0x2000, 0, 0, 0},
	{"short processing", 2, 0xfc00, 0x4000, 0, 0, 0},
	{"short add, mov", 2, 0xfd00, 0x4400, 0, 1 << 3, 0x80},
	{"short add, mov of high", 2, 0xfd80, 0x4480, 0, 1 << 3, 4},
	{"short cmp", 2, 0xff80, 0x4580, 0, 1 << 3, 4},
	{"short bx", 2, 0xff87, 0x4700, 0, 1 << 3, 0},
	{"short ldr literal", 2, 0xf800, 0x4800, MEMORY, 0, 0},
	{"short ldr index", 2, 0xf000, 0x5000, MEMORY, 0, 0},
	{"short ldr", 2, 0xe000, 0x6000, MEMORY, 0, 0},
	{"short ldrh", 2, 0xf000, 0x8000, MEMORY, 0, 0},
	{"short ldr sp", 2, 0xf000, 0x9000, MEMORY, 0, 0},
	{"short adr", 2, 0xf000, 0xa000, 0, 0, 0},
	{"short add sp", 2, 0xff00, 0xb000, 0, 0, 0},
	{"cbz", 2, 0xf500, 0xb100, FREE, 0, 0},
	{"short extend", 2, 0xff00, 0xb200, 0, 0, 0},
	{"short rev", 2, 0xff80, 0xba00, 0, 0, 0},
	{"short revsh", 2, 0xffc0, 0xbac0, 0, 0, 0},
	{"push", 2, 0xfe00, 0xb400, MEMORY, 0, 0},
	{"pop", 2, 0xfe00, 0xbc00, MEMORY, 0, 0},
	{"short ldm", 2, 0xf000, 0xc000, MEMORY, 0, 0},
	{"short b.cond", 2, 0xf800, 0xd000, FREE, 0, 0},
	{"short b.cond, signed", 2, 0xfe00, 0xda00, FREE, 0, 0},
	{"short b", 2, 0xf800, 0xe000, 0, 0, 0},
	{"logic imm", 4, 0xfa808000, 0xf0000000, LOOSE, N | D, 0},
	{"sum imm", 4, 0xfa808000, 0xf0800000, LOOSE, N | D, 0x0400000},
	{"carry imm", 4, 0xfbc08000, 0xf1400000, LOOSE, N | D, 0},
	{"mov imm", 4, 0xfbcf8000, 0xf04f0000, 0, D, 0},
	{"tst imm", 4, 0xfb708f00, 0xf0100f00, LOOSE, N, 0},
	{"cmp imm", 4, 0xfbf08f00, 0xf1b00f00, 0, N, 0},
	{"cmn imm", 4, 0xfbf08f00, 0xf1100f00, 0, N, 0},
	{"rsb imm", 4, 0xfbe08000, 0xf1c00000, 0, N | D, 0},
	{"addw", 4, 0xfbf08000, 0xf2000000, 0, N | D, 0},
	{"subw", 4, 0xfbf08000, 0xf2a00000, 0, N | D, 0},
	{"adr", 4, 0xfbff8000, 0xf20f0000, 0, D, 0},
	{"adr before", 4, 0xfbff8000, 0xf2af0000, 0, D, 0},
	{"movw, movt", 4, 0xfb708000, 0xf2400000, 0, D, 0},
	{"sbfx", 4, 0xfff08020, 0xf3400000, LOOSE, N | D, 0},
	{"ubfx", 4, 0xfff08020, 0xf3c00000, LOOSE, N | D, 0},
	{"bfi", 4, 0xfff08020, 0xf3600000, LOOSE, N | D, 0},
	{"bfc", 4, 0xffff8020, 0xf36f0000, LOOSE, D, 0},
	{"logic", 4, 0xff808000, 0xea000000, LOOSE, N | D | M, 0},
	{"sum", 4, 0xff808000, 0xea800000, LOOSE, N | D | M, 0},
	{"add", 4, 0xffe08000, 0xeb000000, 0, N | D | M, 0},
	{"adc", 4, 0xffe08000, 0xeb400000, 0, N | D | M, 0},
	{"sub", 4, 0xffe08000, 0xeba00000, 0, N | D | M, 0},
	{"mov", 4, 0xffcf8000, 0xea4f0000, 0, D | M, 0},
	{"pkh", 4, 0xfff08010, 0xeac00000, 0, N | D | M, 0},
	{"tst", 4, 0xff708f00, 0xea100f00, LOOSE, N | M, 0},
	{"cmp", 4, 0xfff08f00, 0xebb00f00, 0, N | M, 0},
	{"shift", 4, 0xff80f0f0, 0xfa00f000, 0, N | D | M, 0},
	{"extend", 4, 0xffe0f0c0, 0xfa00f080, 0, D | M, 0},
	{"extend byte", 4, 0xffe0f0c0, 0xfa40f080, 0, D | M, 0},
	{"rev", 4, 0xfff0f0c0, 0xfa90f080, 0, D | M, 0},
	{"clz", 4, 0xfff0f0f0, 0xfab0f080, 0, D | M, 0},
	{"mla", 4, 0xfff000f0, 0xfb000000, 0, N | T | D | M, 0},
	{"mul", 4, 0xfff0f0f0, 0xfb00f000, 0, N | D | M, 0},
	{"mls", 4, 0xfff000f0, 0xfb000010, 0, N | T | D | M, 0},
	{"smulbb", 4, 0xfff0f0c0, 0xfb10f000, 0, N | D | M, 0},
	{"umull", 4, 0xffd000f0, 0xfb800000, 0, N | T | D | M, 0},
	{"umlal", 4, 0xffd000f0, 0xfbc00000, 0, N | T | D | M, 0},
	{"div", 4, 0xffd0f0f0, 0xfb90f0f0, 0, N | D | M, 0},
	{"ldr imm", 4, 0xfe800800, 0xf8000800, MEMORY | LOOSE, N | T, 0},
	{"ldr long", 4, 0xfe800000, 0xf8800000, MEMORY | LOOSE, N | T, 0},
	{"ldr index", 4, 0xfe800fc0, 0xf8000000, MEMORY | LOOSE, N | T | M, 0},
	{"ldr literal", 4, 0xfe9f0000, 0xf89f0000, MEMORY | LOOSE, T, 0},
	{"ldr pc", 4, 0xfff0f800, 0xf850f800, MEMORY | LOOSE | FREE, N, 0},
	{"ldrd", 4, 0xff600000, 0xe9400000, MEMORY, N | T | D, 0},
	{"ldrd back", 4, 0xff600000, 0xe9600000, MEMORY, N | T | D, 0},
	{"ldrd after", 4, 0xff600000, 0xe8600000, MEMORY, N | T | D, 0},
	{"ldrex", 4, 0xfff00f00, 0xe8500f00, MEMORY, N | T, 0},
	{"lda, stl", 4, 0xffe00fcf, 0xe8c00f8f, MEMORY | LOOSE, N | T, 0},
	{"ldm", 4, 0xffc0a000, 0xe8800000, MEMORY, N, 0},
	{"ldmdb", 4, 0xffc0a000, 0xe9000000, MEMORY, N, 0},
	{"ldm pc", 4, 0xffd0a000, 0xe8908000, MEMORY | FREE, N, 0},
	{"tbb", 4, 0xfff0ffe0, 0xe8d0f000, MEMORY | FREE, N | M, 0},
	{"b.cond", 4, 0xfc00d000, 0xf0008000, FREE | LOOSE, 0, 0},
	/* Under a condition, and to where there is nothing, it changes Unicorn's flags. */
	{"b", 4, 0xf800d000, 0xf0009000, FREE, 0, 0},
	{"vldr", 4, 0xff200e00, 0xed000a00, MEMORY, N, 0},
	{"vldm", 4, 0xff800e00, 0xec800a00, MEMORY | LOOSE, N, 0xf2},
	{"vldmdb", 4, 0xffa00e00, 0xed200a00, MEMORY | LOOSE, N, 0xf2},
	{"vmov core", 4, 0xffe00f7f, 0xee000a10, 0, T, 0},
	{"vmov pair", 4, 0xffe00fd0, 0xec400b10, 0, N | T, 0},
	{"vmov two", 4, 0xffe00fd0, 0xec400a10, 0, N | T, 0},
	{"vmov", 4, 0xffbf0ed0, 0xeeb00a40, 0, 0, 0},
	{"vmrs", 4, 0xffffffff, 0xeef1fa10, 0, 0, 0},
	{"float", 4, 0xff800e10, 0xee000a00, TEXT | FREE, 0, 0},
	{"float, divide", 4, 0xff800e10, 0xee800a00, TEXT | FREE, 0, 0},
	{"float, immediate, convert", 4, 0xffb00e10, 0xeeb00a00, TEXT | FREE, 0, 0},
	{"NEON", 4, 0xff000000, 0xef000000, TEXT | FREE, 0, 0},
	{"NEON, unsigned", 4, 0xff000000, 0xff000000, TEXT | FREE, 0, 0},
	{"saturate", 4, 0xffd08020, 0xf3000000, TEXT | FREE, N | D, 0},
	{"qadd", 4, 0xfff0f0c0, 0xfa80f080, TEXT | FREE, N | D | M, 0},
	{"smlabb", 4, 0xfff000c0, 0xfb100000, TEXT | FREE, N | T | D | M, 0},
	{"smmul", 4, 0xfff000e0, 0xfb500000, TEXT | FREE, N | T | D | M, 0},
	{"smlalbb", 4, 0xfff000c0, 0xfbc00080, TEXT | FREE, N | T | D | M, 0},
	{"umaal", 4, 0xfff000f0, 0xfbe00060, TEXT | FREE, N | T | D | M, 0},
};

struct machine {
	uint64_t reg[REGS];
	uint8_t ram[ROOM];
};

struct test {
	uc_engine *uc;
	struct insn_decoder *dec;
	struct expr_pool *p;
	struct state s;
	struct eval eval;
	struct x86_effects fx;
	struct machine before, after;
	int id[REGS]; /* of Unicorn */
	uint32_t mode;
	bool missed; /* an address outside RAM was asked for */
};

static const uint8_t flag_bit[X86_FLAG_COUNT] = {
	[X86_CF] = 29, [X86_ZF] = 30, [X86_SF] = 31, [X86_OF] = 28};

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	const struct test *t = ctx;
	unsigned r = reg - arm_processor.input;

	if (r >= STATE_FLAG_INPUT)
		*out = t->before.reg[FLAGS] >> flag_bit[r - STATE_FLAG_INPUT] & 1;
	else if (r < 15)
		*out = (uint32_t)t->before.reg[r];
	else if (r == ARM_FPSCR)
		*out = (uint32_t)t->before.reg[FLAGS + 1];
	else
		*out = t->before.reg[FLAGS + 2 + (r - ARM_D0)];
	CHECK(r != ARM_PC && width <= 64);
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	struct test *t = ctx;

	memset(out, 0, n);
	if (addr - RAM <= ROOM - n)
		memcpy(out, t->before.ram + (addr - RAM), n);
	else
		t->missed = true;
}

static void put_registers(struct test *t)
{
	/* A fault in an it block would leave the block's conditions behind. */
	check_uc(uc_reg_write(t->uc, UC_ARM_REG_CPSR, &t->mode));
	for (unsigned k = 0; k < REGS; k++)
		check_uc(uc_reg_write(t->uc, t->id[k], &t->before.reg[k]));
}

static void get_registers(struct test *t)
{
	memset(t->after.reg, 0, sizeof(t->after.reg));
	for (unsigned k = 0; k < REGS; k++)
		check_uc(uc_reg_read(t->uc, t->id[k], &t->after.reg[k]));
	t->after.reg[FLAGS] &= 0xf0000000;
	t->after.reg[FLAGS + 1] &= 0xf0000000;
}

static void set_up(struct test *t)
{
	static const int core[17] = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3,
		UC_ARM_REG_R4, UC_ARM_REG_R5, UC_ARM_REG_R6, UC_ARM_REG_R7, UC_ARM_REG_R8,
		UC_ARM_REG_R9, UC_ARM_REG_R10, UC_ARM_REG_R11, UC_ARM_REG_R12, UC_ARM_REG_SP,
		UC_ARM_REG_LR, UC_ARM_REG_APSR_NZCV, UC_ARM_REG_FPSCR};
	uint32_t on = 1u << 30, all = 0xf << 20;
	struct rng r;

	t->dec = insn_open(ARCH_THUMB);
	t->p = expr_pool_new(0);
	t->s.cpu = &arm_processor;
	t->eval = (struct eval){.ctx = t, .input = input, .load = load};
	check_uc(uc_open(UC_ARCH_ARM, UC_MODE_THUMB, &t->uc));
	check_uc(uc_ctl_set_cpu_model(t->uc, UC_CPU_ARM_MAX));
	check_uc(uc_reg_write(t->uc, UC_ARM_REG_C1_C0_2, &all));
	check_uc(uc_reg_write(t->uc, UC_ARM_REG_FPEXC, &on));
	check_uc(uc_mem_map(t->uc, CODE & ~0xfffu, 0x1000, UC_PROT_ALL));
	check_uc(uc_mem_map(t->uc, RAM, ROOM, UC_PROT_READ | UC_PROT_WRITE));
	check_uc(uc_reg_read(t->uc, UC_ARM_REG_CPSR, &t->mode));
	r = rng_new(1, 2);
	for (size_t i = 0; i < ROOM; i++)
		t->before.ram[i] = (uint8_t)rng_u64(&r);
	check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (int k = 0; k < REGS; k++)
		t->id[k] = k < 17 ? core[k] : UC_ARM_REG_D0 + k - 17;
}

static void tear_down(struct test *t)
{
	uc_close(t->uc);
	insn_close(t->dec);
	state_free(&t->s);
	eval_free(&t->eval);
	expr_pool_free(t->p);
}

/* ---- states ---- */

static uint64_t corner(struct rng *r)
{
	static const uint32_t of[] = {0, 1, 2, UINT32_MAX, UINT32_C(1) << 31, INT32_MAX, 0x8000,
		0x7fff, 0xff, 0x80, 31, 32, 33, 0x100, 0x120};

	switch (rng_below(r, 4)) {
	case 0: return of[rng_below(r, COUNT_OF(of))];
	case 1: return rng_below(r, 256);
	default: return (uint32_t)rng_u64(r);
	}
}

static void draw_state(struct test *t, const struct row *row, uint32_t w, struct rng *r)
{
	uint64_t *reg = t->before.reg;
	unsigned base = row->len == 4 ? w >> 16 & 15 : w >> 12 == 12 ? w >> 8 & 7 : w >> 3 & 7;
	unsigned index = row->len == 4 ? w & 15 : w >> 6 & 7;

	for (unsigned k = 0; k < FLAGS; k++)
		reg[k] = corner(r);
	for (unsigned k = FLAGS + 2; k < REGS; k++)
		reg[k] = rng_u64(r);
	for (unsigned k = 0; k < 13 && rng_below(r, 3) == 0; k++) /* equal ones compare equal */
		reg[rng_below(r, 13)] = reg[k];
	reg[ARM_SP] = MIDDLE + 16 * rng_below(r, 64);
	if ((row->kind & MEMORY) && base < 15)
		reg[base] = MIDDLE + 16 * rng_below(r, 64);
	if ((row->kind & MEMORY) && index != base && index < 13)
		reg[index] = rng_below(r, 200);
	reg[FLAGS] = (rng_u64(r) & 15) << 28;
	reg[FLAGS + 1] = (rng_u64(r) & 15) << 28;
}

/* ---- one case ---- */

/* Executes the n bytes there; false: they may not be executed, or fault. */
static bool execute(struct test *t, const uint8_t *code, unsigned n, unsigned insns, uint64_t *pc)
{
	uint32_t at = 0;
	uc_err e;

	check_uc(uc_mem_write(t->uc, CODE, code, n));
	put_registers(t);
	e = uc_emu_start(t->uc, CODE | 1, CODE + n, 0, insns);
	check_uc(uc_reg_read(t->uc, UC_ARM_REG_PC, &at));
	*pc = at;
	/* Where a jump goes there is nothing. */
	if (e != UC_ERR_OK &&
		((e != UC_ERR_FETCH_UNMAPPED && e != UC_ERR_FETCH_PROT) || at == CODE))
		return false;
	get_registers(t);
	return true;
}

static uint64_t value(struct test *t, const struct expr *e)
{
	uint64_t out[EXPR_WORDS] = {0};

	CHECK(eval_expr(&t->eval, e, out) == 0);
	return out[0];
}

/* The number of register k of the machine. */
static unsigned register_of(unsigned k)
{
	return k < FLAGS        ? k
	       : k == FLAGS     ? ARM_PC
	       : k == FLAGS + 1 ? ARM_FPSCR
				: k - FLAGS - 2 + ARM_D0;
}

/* What is different after the case: its register, or -1. */
static int differs(struct test *t)
{
	uint64_t flags = 0;

	for (unsigned k = 0; k < REGS; k++) {
		unsigned r = register_of(k);

		if (k == FLAGS)
			continue;
		if (t->after.reg[k] != (t->s.reg[r] ? value(t, t->s.reg[r]) : t->before.reg[k]))
			return (int)k;
	}
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		if (flag_bit[f])
			flags |= value(t, state_peek_flag(&t->s, f)) << flag_bit[f];
	return flags == t->after.reg[FLAGS] ? -1 : FLAGS;
}

/* Where the program goes on; `end` is the address behind the instruction. */
static uint64_t next(struct test *t, const struct insn *i, uint64_t end)
{
	uint64_t there = end;
	bool jumps = i->flow == INSN_JUMP || i->flow == INSN_RET || i->flow == INSN_CALL;

	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REL)
			there = end + (uint64_t)i->op[k].imm;
	if (t->s.target)
		there = value(t, t->s.target) & ~UINT64_C(1);
	if (i->flow == INSN_COND)
		jumps = value(t, t->s.cond);
	return jumps ? (uint32_t)there : end;
}

/* Whether memory is as the stores say; then it is made as it was. */
static bool same_memory(struct test *t)
{
	uint64_t out[EXPR_WORDS];

	if (!t->s.nstores)
		return true;
	check_uc(uc_mem_read(t->uc, RAM, t->after.ram, ROOM));
	check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (size_t k = 0; k < t->s.nstores; k++) {
		const struct state_store *m = &t->s.store[k];
		uint64_t addr = value(t, m->addr) - RAM;

		CHECK(eval_expr(&t->eval, m->val, out) == 0);
		if (addr > ROOM - m->size || memcmp(t->after.ram + addr, out, m->size) != 0)
			return false;
		memcpy(t->after.ram + addr, t->before.ram + addr, m->size);
	}
	return memcmp(t->after.ram, t->before.ram, ROOM) == 0;
}

/* What the manual calls unpredictable, besides the registers of the rows. */
static bool is_unpredictable(const struct row *row, uint32_t w, bool it)
{
	unsigned rn = w >> 16 & 15, rt = w >> 12 & 15, rd = w >> 8 & 15;

	for (unsigned at = 0; at < 32; at++)
		if ((row->regs >> at & 1) && ((w >> at & 15) == 13 || (w >> at & 15) == 15))
			return true;
	if (row->len == 2) {
		if (w >> 12 == 12 && ((w & 0xff) == 0 || ((w >> 8 & 7) && !(w >> 11 & 1) &&
								 (w >> (w >> 8 & 7) & 1))))
			return true;
		if ((w & 0xf600) == 0xb400)
			return !(w & 0x1ff) || (it && (w & 0xf00) == 0xd00);
		return it && (w >> 11 == 0);
	}
	switch (w >> 24) {
	case 0xf8:
	case 0xf9: /* written back over itself */
		return !(w >> 23 & 1) && (w >> 11 & 1) && (w >> 8 & 1) && rn == rt;
	case 0xe8:
	case 0xe9:
		if (w >> 22 & 1)
			return (w & 0x01200000) &&
			       (rt == rd || (w >> 21 & 1 && (rn == rt || rn == rd)));
		return __builtin_popcount(w & 0xffff) < 2 || (w >> 21 & 1 && (w >> rn & 1)) ||
		       (w & 0xc000) == 0xc000;
	case 0xfb: return w >> 23 & 1 && rt == rd;
	case 0xec:
		if ((w & 0xffe00fd0) == 0xec400a10 && (w & 15) == 15 && (w >> 5 & 1))
			return true;
		if ((w & 0xffe00000) == 0xec400000)
			return rn == rt && (w >> 20 & 1);
		return !(w & 0xff) || (w & 0x101) == 0x101;
	case 0xed: return (w >> 21 & 1) && (!(w & 0xff) || (w & 0x101) == 0x101);
	default: return false;
	}
}

/* ---- instructions without a meaning ---- */

static bool is_listed(const struct insn_reg *list, unsigned n, unsigned reg)
{
	for (unsigned k = 0; k < n; k++)
		if (list[k].id == reg)
			return true;
	return false;
}

/*
 * It must not write a register, or read one, that is not among its effects: those not read are
 * changed, and the results may not be. The register that is, or -1.
 */
static int unsaid(struct test *t, const uint8_t *code, unsigned n, struct rng *r)
{
	static struct machine first;
	uint64_t pc;

	for (unsigned k = 0; k < REGS; k++)
		if (!is_listed(t->fx.write, t->fx.nwrite, register_of(k)) &&
			!(k == FLAGS && t->fx.flags_written) && t->before.reg[k] != t->after.reg[k])
			return (int)k;
	first = t->after;
	for (unsigned k = 0; k < REGS; k++)
		if (k != FLAGS && k != FLAGS + 1 && k != ARM_SP &&
			!is_listed(t->fx.read, t->fx.nread, register_of(k)))
			t->before.reg[k] = k < FLAGS ? rng_u32(r) : rng_u64(r);
	if (!execute(t, code, n, 1, &pc))
		return -1;
	for (unsigned k = 0; k < REGS; k++)
		for (unsigned j = 0; j < t->fx.nwrite; j++) {
			const struct insn_reg *w = &t->fx.write[j];

			if (w->id == register_of(k) &&
				memcmp((char *)&first.reg[k] + w->lo,
					(char *)&t->after.reg[k] + w->lo, w->size) != 0)
				return (int)k;
		}
	return -1;
}

/* 2: executed and the same, 1: has no meaning, 0: not executed. */
static int compare(struct test *t, const struct row *row, uint32_t w, struct rng *r)
{
	unsigned cond = (unsigned)rng_below(r, 14), n = row->len + 2;
	bool it = !(row->kind & FREE) && rng_below(r, 2);
	uint32_t h[2] = {row->len == 4 ? w >> 16 : w, w & 0xffff};
	uint8_t code[8] = {it ? 8 : 0, 0xbf, (uint8_t)h[0], (uint8_t)(h[0] >> 8), (uint8_t)h[1],
		(uint8_t)(h[1] >> 8)};
	struct insn i;
	uint64_t pc;
	bool known;
	int wrong;

	if (it)
		code[0] |= (uint8_t)(cond << 4);
	if (is_unpredictable(row, w, it) || !insn_decode(t->dec, code, n, &i) ||
		!insn_decode(t->dec, code + 2, row->len, &i))
		return 0;
	CHECK(!i.it == !it);
	draw_state(t, row, w, r);
	expr_pool_reset(t->p);
	state_reset(&t->s, t->p, STATE_STRICT);
	eval_reset(&t->eval);
	t->missed = false;
	t->s.fx = &t->fx;
	t->s.rip = expr_const(t->p, 32, CODE + n);
	known = arm_step(&t->s, &i);
	CHECK(known == arm_known(&i));
	t->s.fx = NULL;
	if (!known && (!(row->kind & TEXT) || t->fx.overflow))
		return 1;
	if (!execute(t, code, n, 2, &pc))
		return 0;
	wrong = known ? differs(t) : unsaid(t, code + 2, row->len, r);
	if (!known && wrong < 0)
		return 2;
	if (known && wrong < 0 && next(t, &i, CODE + n) != pc)
		wrong = REGS;
	if (!same_memory(t))
		wrong = REGS + 1;
	if (t->missed)
		return 0;
	CHECK(wrong < 0);
	if (wrong < 0)
		return 2;
	fprintf(stderr, "%s: %08x %s %s: register %d\n", row->name, w, i.mnemonic, i.text, wrong);
	return -1;
}

static void test_classes(struct test *t, unsigned cases)
{
	for (size_t k = 0; k < COUNT_OF(rows); k++) {
		const struct row *row = &rows[k];
		unsigned same = 0, unknown = 0, failed = 0;
		struct rng r;

		r = rng_new(3, k);
		for (unsigned i = 0; i < 40 * cases && same < cases && failed < 3; i++) {
			uint32_t w = (uint32_t)rng_u64(&r);

			w = ((w & ~row->fixed) | row->value) & ~row->clear;
			if (row->len == 2)
				w &= 0xffff;
			switch (compare(t, row, w, &r)) {
			case 2: same++; break;
			case 1: unknown++; break;
			case -1: failed++; break;
			default: break;
			}
		}
		CHECK(same >= cases / 2 && (!unknown || (row->kind & (LOOSE | TEXT))));
		if (same < cases || getenv("VERBOSE"))
			fprintf(stderr, "%s: %u cases, %u unknown\n", row->name, same, unknown);
	}
}

int main(int argc, char **argv)
{
	static struct test t;

	set_up(&t);
	test_classes(&t, argc > 1 ? (unsigned)atoi(argv[1]) : CASES);
	tear_down(&t);
	return unit_done();
}
