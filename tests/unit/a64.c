/*
 * a64.c: what AArch64 instructions do, against Unicorn: random encodings of each class in random
 * and corner states, executed there and, by evaluating what a64_step says, here. Instructions
 * without a meaning of their own must not write, or depend on, a register that they do not say.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sem/a64.h"
#include "sem/eval.h"
#include "sem/print.h"
#include "tests/emulated.h"

enum {
	CASES = 3000, /* of each row below, if the command line does not say */
	CODE = 0xff100,
	RAM = 0x100000, /* right behind the code */
	ROOM = 0x20000, /* bytes of RAM */
	MIDDLE = RAM + 0x4000,
	SKIPPED = 100,
	REGS = 32 + 64 + 1, /* x0 to sp, halves of vectors, flags */
};

enum {
	MEMORY = 1, /* registers hold addresses */
	FLOATS = 2, /* a NaN is any NaN */
	LOOSE = 4,  /* most have no meaning of their own */
};

/* Encodings: the bits of `fixed` are as in `value`, those of neither mask are random. */
struct row {
	const char *name;
	uint32_t fixed, value;
	uint32_t clear; /* bits that are 0, so that addresses stay near */
	unsigned kind;
};

static const struct row rows[] = {
	{"mrs, msr nzcv", 0xffdfffe0, 0xd51b4200, 0, 0},
	{"adr", 0x1f000000, 0x10000000, 0, 0},
	{"add imm", 0x1f800000, 0x11000000, 0, 0},
	{"logic imm", 0x1f800000, 0x12000000, 0, 0},
	{"move wide", 0x1f800000, 0x12800000, 0, 0},
	{"bitfield", 0x1f800000, 0x13000000, 0, 0},
	{"bitfield 64", 0x9fc00000, 0x93400000, 0, 0},
	{"extract", 0x1f800000, 0x13800000, 0, 0},
	{"extract 64", 0x9fe00000, 0x93c00000, 0, 0},
	{"logic", 0x1f000000, 0x0a000000, 0, 0},
	{"add", 0x1f200000, 0x0b000000, 0, 0},
	{"add extended", 0x1fe00000, 0x0b200000, 0, 0},
	{"add carry", 0x1fe0fc00, 0x1a000000, 0, 0},
	{"ccmp", 0x3fe00410, 0x3a400000, 0, 0},
	{"csel", 0x3fe00800, 0x1a800000, 0, 0},
	{"div", 0x7fe0f800, 0x1ac00800, 0, 0},
	{"shift", 0x7fe0f000, 0x1ac02000, 0, 0},
	{"one", 0x7fffe000, 0x5ac00000, 0, 0},
	{"madd", 0x7fe00000, 0x1b000000, 0, 0},
	{"maddl", 0xff600000, 0x9b200000, 0, 0},
	{"mulh", 0xff608000, 0x9b400000, 0, 0},
	{"b", 0xfc000000, 0x14000000, 0, 0},
	{"b.cond", 0xff000010, 0x54000000, 0, 0},
	{"cbz", 0x7e000000, 0x34000000, 0, 0},
	{"tbz", 0x7e000000, 0x36000000, 0, 0},
	{"br", 0xff9ffc1f, 0xd61f0000, 0x00200000, 0},
	{"ldr literal", 0x3b000000, 0x18000000, 0x00f80000, 0},
	{"ldp", 0x3a000000, 0x28000000, 0, MEMORY},
	{"ldr imm9", 0x3b200000, 0x38000000, 0, MEMORY},
	{"ldr index", 0x3b200c00, 0x38200800, 0, MEMORY},
	{"ldr imm12", 0x3b000000, 0x39000000, 0, MEMORY},
	{"ordered", 0x3f000000, 0x08000000, 0, MEMORY},
	{"ld1 to ld4", 0xbfbf0000, 0x0c000000, 0, MEMORY},
	{"ld1 to ld4, after", 0xbfa00000, 0x0c800000, 0, MEMORY},
	{"ld1 lane", 0xbf9f0000, 0x0d000000, 0, MEMORY},
	{"ld1 lane, after", 0xbf800000, 0x0d800000, 0, MEMORY},
	{"float integer", 0x7fa0fc00, 0x1e200000, 0, FLOATS},
	{"float upper", 0xfffefc00, 0x9eae0000, 0, 0},
	{"float one", 0xffa07c00, 0x1e204000, 0, FLOATS},
	{"float compare", 0xffa0fc07, 0x1e202000, 0, FLOATS},
	{"float imm", 0xffa01fe0, 0x1e201000, 0, 0},
	{"float ccmp", 0xffa00c00, 0x1e200400, 0, FLOATS},
	{"float two", 0xffa00c00, 0x1e200800, 0, FLOATS},
	{"float csel", 0xffa00c00, 0x1e200c00, 0, 0},
	{"float three", 0xff800000, 0x1f000000, 0, FLOATS},
	{"vector imm", 0x9ff80400, 0x0f000400, 0, 0},
	{"vector copy", 0x9fe08400, 0x0e000400, 0, 0},
	{"vector scalar", 0xffe0fc00, 0x5e000400, 0, 0},
	{"vector logic", 0x9f20fc00, 0x0e201c00, 0, 0},
	{"vector lanes", 0x9f200400, 0x0e200400, 0, FLOATS},
	{"vector ext", 0xbfe08400, 0x2e000000, 0, 0},
	{"vector shift", 0x9f800400, 0x0f000400, 0, 0},
	{"vector permute", 0xbf208c00, 0x0e000800, 0, 0},
	{"vector rev64", 0xbf3ffc00, 0x0e200800, 0, 0},
	{"vector rev32", 0xbf3ffc00, 0x2e200800, 0, 0},
	{"vector rev16", 0xbf3ffc00, 0x0e201800, 0, 0},
	{"vector not", 0xbffffc00, 0x2e205800, 0, 0},
	{"vector from int", 0x9fbffc00, 0x0e21d800, 0, FLOATS},
	{"scalar from int", 0xdfbffc00, 0x5e21d800, 0, FLOATS},
	{"vectors", 0x9e000000, 0x0e000000, 0, FLOATS | LOOSE},
	{"scalars", 0xde000000, 0x5e000000, 0, FLOATS | LOOSE},
	{"floats", 0x7e000000, 0x1e000000, 0, FLOATS | LOOSE},
	{"crc", 0x7fe0e000, 0x1ac04000, 0, LOOSE},
	{"loads and stores", 0x0a000000, 0x08000000, 0, MEMORY | FLOATS | LOOSE},
};

/* Registers: x0 to x30, sp, two halves of each vector, nzcv in bits 31 to 28. */
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
	int id[65]; /* of Unicorn */
	void *at[65], *to[65];
	bool missed; /* an address outside RAM was asked for */
};

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	static const uint8_t bit[X86_FLAG_COUNT] = {
		[X86_CF] = 29, [X86_ZF] = 30, [X86_SF] = 31, [X86_OF] = 28};
	const struct test *t = ctx;
	unsigned r = reg - a64_processor.input;

	if (r >= STATE_FLAG_INPUT) {
		*out = t->before.reg[REGS - 1] >> bit[r - STATE_FLAG_INPUT] & 1;
	} else if (r < 32) {
		*out = t->before.reg[r];
	} else {
		CHECK(width == 128 && r < 64);
		memcpy(out, &t->before.reg[32 + 2 * (r - 32)], 16);
	}
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

static void set_up(struct test *t)
{
	struct rng r;

	t->dec = insn_open(ARCH_AARCH64);
	t->p = expr_pool_new(0);
	t->s.cpu = &a64_processor;
	t->eval = (struct eval){.ctx = t, .input = input, .load = load};
	check_uc(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &t->uc));
	check_uc(uc_ctl_set_cpu_model(t->uc, UC_CPU_ARM64_MAX));
	check_uc(uc_mem_map(t->uc, CODE & ~0xfffu, 0x1000, UC_PROT_ALL));
	check_uc(uc_mem_map(t->uc, RAM, ROOM, UC_PROT_READ | UC_PROT_WRITE));
	check_uc(uc_mem_write(t->uc, CODE - 4, "\x5f\x3f\x03\xd5", 4));
	r = rng_new(1, 2);
	for (size_t i = 0; i < ROOM; i++)
		t->before.ram[i] = (uint8_t)rng_u64(&r);
	check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (int i = 0; i < 65; i++) {
		t->id[i] = i < 29    ? UC_ARM64_REG_X0 + i
			   : i < 31  ? UC_ARM64_REG_X29 + i - 29
			   : i == 31 ? UC_ARM64_REG_SP
			   : i < 64  ? UC_ARM64_REG_V0 + i - 32
				     : UC_ARM64_REG_NZCV;
		t->at[i] = &t->before.reg[i < 32 ? i : 32 + 2 * (i - 32)];
		t->to[i] = &t->after.reg[i < 32 ? i : 32 + 2 * (i - 32)];
	}
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
	static const uint64_t of[] = {0, 1, 2, UINT64_MAX, UINT64_C(1) << 63, INT64_MAX, 0x80000000,
		0x7fffffff, 0xffffffff, 0x100000000, 0x7fff, 0x8000, 0xff, 0x80, 63, 64,
		0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0x3f8000003f800000,
		0x7f800000, 0x7ff8000000000000, 0x0010000000000000};

	switch (rng_below(r, 4)) {
	case 0: return of[rng_below(r, COUNT_OF(of))];
	case 1: return rng_below(r, 256);
	default: return rng_u64(r);
	}
}

static void draw_state(struct test *t, const struct row *row, uint32_t w, struct rng *r)
{
	for (unsigned i = 0; i < REGS; i++)
		t->before.reg[i] = corner(r);
	for (unsigned i = 0; i < 32 && rng_below(r, 3) == 0; i++) /* equal ones compare equal */
		t->before.reg[rng_below(r, 32)] = t->before.reg[i];
	t->before.reg[31] = MIDDLE + 16 * rng_below(r, 64);
	if (row->kind & MEMORY)
		t->before.reg[w >> 5 & 31] = MIDDLE + 16 * rng_below(r, 64);
	if ((row->kind & MEMORY) && (w >> 16 & 31) != (w >> 5 & 31) && (w >> 16 & 31) != 31)
		t->before.reg[w >> 16 & 31] = rng_below(r, 200);
	t->before.reg[REGS - 1] = (rng_u64(r) & 15) << 28;
}

/* ---- one case ---- */

/* Executes it there; false: it may not be executed, or faults. */
static bool execute(struct test *t, uint32_t w, uint64_t *pc)
{
	uint8_t code[4] = {(uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24)};
	uc_err e;

	check_uc(uc_mem_write(t->uc, CODE, code, 4));
	check_uc(uc_reg_write_batch(t->uc, t->id, t->at, 65));
	/* Before it clrex, so that exclusive stores do not depend on the case before. */
	e = uc_emu_start(t->uc, CODE - 4, CODE + 4, 0, 2);
	check_uc(uc_reg_read(t->uc, UC_ARM64_REG_PC, pc));
	/* Where a jump goes there is nothing. */
	if (e != UC_ERR_OK &&
		((e != UC_ERR_FETCH_UNMAPPED && e != UC_ERR_FETCH_PROT) || *pc == CODE))
		return false;
	check_uc(uc_reg_read_batch(t->uc, t->id, t->to, 65));
	return true;
}

static uint64_t value(struct test *t, const struct expr *e, uint64_t *high)
{
	uint64_t out[EXPR_WORDS] = {0};

	CHECK(eval_expr(&t->eval, e, out) == 0);
	*high = out[1];
	return out[0];
}

static bool agrees(const struct row *row, uint64_t a, uint64_t b)
{
	return row->kind & FLOATS ? same_floats(a, b) : a == b;
}

/* What is different after the case: its register, or -1. */
static int differs(struct test *t, const struct row *row)
{
	static const uint8_t bit[4] = {X86_OF, X86_CF, X86_ZF, X86_SF};
	uint64_t flags = 0, high;

	for (unsigned r = 0; r < 64; r++) {
		uint64_t *now = t->to[r], low;

		if (!t->s.reg[r]) {
			if (memcmp(now, t->at[r], r < 32 ? 8 : 16) != 0)
				return (int)r;
			continue;
		}
		low = value(t, t->s.reg[r], &high);
		if (!agrees(row, low, now[0]) || (r >= 32 && !agrees(row, high, now[1])))
			return (int)r;
	}
	for (unsigned f = 0; f < 4; f++)
		flags |= value(t, state_peek_flag(&t->s, bit[f]), &high) << (28 + f);
	return flags == t->after.reg[REGS - 1] ? -1 : 64;
}

/* Where the program goes on. */
static uint64_t next(struct test *t, const struct insn *i)
{
	uint64_t high, there = CODE + 4;

	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REL)
			there = CODE + 4 + (uint64_t)i->op[k].imm;
	if (t->s.target)
		return value(t, t->s.target, &high);
	if (i->flow == INSN_COND)
		return value(t, t->s.cond, &high) ? there : CODE + 4;
	return i->flow == INSN_JUMP ? there : CODE + 4;
}

/* Whether memory is as the stores say; then it is made as it was. */
static bool same_memory(struct test *t)
{
	uint64_t out[EXPR_WORDS];
	bool same;

	if (!t->s.nstores)
		return true;
	check_uc(uc_mem_read(t->uc, RAM, t->after.ram, ROOM));
	check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (size_t k = 0; k < t->s.nstores; k++) {
		const struct state_store *m = &t->s.store[k];
		uint64_t high, addr = value(t, m->addr, &high) - RAM;

		CHECK(eval_expr(&t->eval, m->val, out) == 0 && addr <= ROOM - m->size);
		if (memcmp(t->after.ram + addr, out, m->size) != 0)
			return false;
		memcpy(t->after.ram + addr, t->before.ram + addr, m->size);
	}
	same = memcmp(t->after.ram, t->before.ram, ROOM) == 0;
	return same;
}

/* ---- instructions without a meaning ---- */

static bool is_listed(const struct insn_reg *list, unsigned n, unsigned reg)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].id == reg)
			return true;
	return false;
}

/*
 * It must not write a register, or read one, that is not among its effects: those not read are
 * changed, and the results may not be. The register that is, or -1.
 */
static int unsaid(struct test *t, uint32_t w, struct rng *r)
{
	static struct machine first;
	const struct x86_effects *fx = &t->fx;
	uint64_t pc;

	if (t->s.nstores || fx->overflow) /* memory may not be as it was */
		check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (unsigned k = 0; k < 65; k++)
		if (!is_listed(fx->write, fx->nwrite, k) && !(k == 64 && fx->flags_written) &&
			memcmp(t->at[k], t->to[k], k < 32 || k == 64 ? 8 : 16) != 0)
			return (int)k;
	first = t->after;
	for (unsigned k = 0; k < 64; k++)
		if (!is_listed(fx->read, fx->nread, k) && k != 31) {
			uint64_t *reg = t->at[k];

			reg[0] = rng_u64(r);
			if (k >= 32)
				reg[1] = rng_u64(r);
		}
	if (!execute(t, w, &pc))
		return SKIPPED;
	if (fx->overflow)
		check_uc(uc_mem_write(t->uc, RAM, t->before.ram, ROOM));
	for (unsigned k = 0; k < 64; k++) {
		uint64_t *was =
			(uint64_t *)((char *)t->to[k] + ((char *)&first - (char *)&t->after));

		if (is_listed(fx->write, fx->nwrite, k) &&
			memcmp(was, t->to[k], k < 32 ? 8 : 16) != 0)
			return (int)k;
	}
	return -1;
}

/* Unicorn 2.0.1 aborts on some half-precision encodings. */
static bool kills_unicorn(uint32_t w)
{
	return (w & 0x8f60c400) == 0x0e400400 || (w & 0x8f7e0c00) == 0x0e780800;
}

/* 2: executed and the same, 1: and nothing written but what it said, 0: not executed. */
static int compare(struct test *t, const struct row *row, uint32_t w, struct rng *r)
{
	uint8_t code[4] = {(uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24)};
	uint64_t pc;
	struct insn i;
	bool known;
	int wrong;

	if (!insn_decode(t->dec, code, 4, &i) || kills_unicorn(w))
		return 0;
	draw_state(t, row, w, r);
	expr_pool_reset(t->p);
	state_reset(&t->s, t->p, STATE_STRICT);
	eval_reset(&t->eval);
	t->missed = false;
	t->s.fx = &t->fx;
	t->s.rip = expr_const(t->p, 64, CODE + 4);
	known = a64_step(&t->s, &i);
	CHECK(known == a64_known(&i));
	t->s.fx = NULL;
	if (!execute(t, w, &pc))
		return 0;
	wrong = known ? differs(t, row) : unsaid(t, w, r);
	if (t->missed || wrong == SKIPPED)
		return 0;
	if (wrong < 0 && known && next(t, &i) != pc)
		wrong = 65;
	if (known && !same_memory(t))
		wrong = 66;
	CHECK(wrong < 0);
	if (wrong < 0)
		return 1 + known;
	fprintf(stderr, "%s: %08x %s %s: register %d\n", row->name, w, i.mnemonic, i.text, wrong);
	return -1;
}

static void test_classes(struct test *t, unsigned cases)
{
	for (size_t k = 0; k < COUNT_OF(rows); k++) {
		const struct row *row = &rows[k];
		unsigned same = 0, known = 0, failed = 0;
		struct rng r;

		r = rng_new(3, k);
		for (unsigned i = 0; i < 20 * cases && same < cases && failed < 3; i++) {
			uint32_t w = (uint32_t)rng_u64(&r);

			w = ((w & ~row->fixed) | row->value) & ~row->clear;
			switch (compare(t, row, w, &r)) {
			case 2: known++; /* fall through */
			case 1: same++; break;
			case -1: failed++; break;
			default: break;
			}
		}
		CHECK(same >= cases / 2 && known >= (row->kind & LOOSE ? 0 : cases / 10));
		if (same < cases || getenv("VERBOSE"))
			fprintf(stderr, "%s: %u cases, %u known\n", row->name, same, known);
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
