/*
 * machine.c: Unicorn as the machine of machine.h.
 *
 * One idea: the emulator is left alone. The code is copied, what must not be executed becomes a
 * no-op, and the translator sees a straight line; a function called before each instruction notes
 * registers. All addresses but those of the code are a device, not memory: Unicorn asks us for each
 * access, so nothing is mapped or cleared between runs, and a hash table is the whole memory.
 *
 * The translator's buffer of 1 GiB grows until it is full, and is then cleared as a whole, so it
 * is given up (the emulator is started anew) when some MiB of it are used.
 */
#include "emu/machine.h"

#include <string.h>
#include <unicorn/unicorn.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "emu/machine_regs.h"
#include "emu/memory.h"
#include "emu/plan.h"

enum {
	PAGE = 4096,
	WORD = 4,           /* bytes that RISC code is aligned to */
	RENEW = 1 << 17,    /* instructions translated until Unicorn is started anew */
	BLOCK = 512,        /* most instructions that Unicorn translates at a time */
	WINDOWS = 4,        /* pieces of the address space between the areas */
	SEED_OF_REGS = 'r', /* so that registers and memory are different */
};
#define STACK64 0x7fff00000000u
#define STACK32 0x7fff0000u

/* Where code lies, by its size. */
static const struct {
	uint64_t addr;
	size_t size;
} areas[] = {
	{0x10000000, PAGE},
	{0x20000000, 1 << 16},
	{0x30000000, 1 << 20},
};

struct area {
	uint8_t *memory, *at; /* as allocated, and from a page's boundary on */
	size_t low;           /* from here on there is code in it */
};

struct window {
	struct machine *m;
	uint64_t addr;
};

struct machine {
	enum arch a;
	bool is64, is_big, thumb; /* is_big: data */
	uc_engine *uc;
	uc_context *fresh;             /* as opened */
	uc_context *now;               /* scratch: see on_insn and read_reg */
	size_t float_at[MACHINE_BANK]; /* where each of them lies */
	struct area area[COUNT_OF(areas)];
	struct window window[WINDOWS];
	struct memory *memory;
	size_t translated; /* instructions since Unicorn was started, at most */
	struct machine_counts counts;
	uint64_t initial[MACHINE_BANKS][MACHINE_BANK][2];
	int id[MACHINE_BANKS][MACHINE_BANK]; /* Unicorn's numbers */

	/* The code. */
	struct machine_code code;
	size_t n; /* instructions to be run, of code.n */
	struct plan *plan;
	uint64_t *addr; /* of each, and of the end; [n + 1] */
	size_t capplan, capaddr;

	/* The run. */
	size_t next;      /* the instruction that comes next */
	size_t it;        /* Thumb: index of the last it instruction + 1, or 0 */
	bool stopped;     /* by ourselves */
	uint64_t *values; /* where the next value goes */
	int undo;         /* Unicorn's number of a register to be set right, or 0, */
	uint32_t undo_to;
};

static bool is_mips(enum arch a)
{
	return a == ARCH_MIPS || a == ARCH_MIPSEL;
}

/* ---- registers ---- */

static void read_reg(struct machine *m, unsigned bank, unsigned index, uint64_t out[2])
{
	int id = m->id[bank][index];
	uint64_t value[8] = {0}; /* more than any register Unicorn may write */

	if (m->float_at[index] && bank == REGS_VECTOR) {
		uint32_t word;

		uc_context_save(m->uc, m->now);
		memcpy(&word, (const uint8_t *)m->now + m->float_at[index], sizeof(word));
		value[0] = word;
	} else if (id) {
		uc_reg_read(m->uc, id, value);
	} else {
		memcpy(value, m->initial[bank][index], sizeof(m->initial[bank][index]));
	}
	out[0] = value[0];
	out[1] = value[1];
}

/* The part's bytes as a number, the lowest 8 if there are more. */
static uint64_t reg_value(struct machine *m, unsigned reg)
{
	const struct reg_info *r = regs_info(m->a, (int)reg);
	uint64_t v[2];

	read_reg(m, r->bank, r->index, v);
	v[0] >>= 8 * r->lo;
	return r->bytes < 8 ? v[0] & (((uint64_t)1 << 8 * r->bytes) - 1) : v[0];
}

static void note(struct machine *m, size_t i)
{
	const struct machine_code *c = &m->code;

	for (uint32_t k = c->first[i]; k < c->first[i + 1]; k++)
		*m->values++ = reg_value(m, c->reg[k]);
}

static void write_reg(struct machine *m, int id, uint64_t value)
{
	uint64_t v[8] = {value};

	uc_reg_write(m->uc, id, v);
}

/* ---- memory ---- */

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned size, void *ctx)
{
	const struct window *w = ctx;
	uint8_t byte[8];
	uint64_t v = 0;

	(void)uc;
	memory_read(w->m->memory, w->addr + offset, byte, size);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)byte[i] << 8 * (w->m->a == ARCH_MIPS ? size - 1 - i : i);
	return v;
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *ctx)
{
	const struct window *w = ctx;
	uint8_t byte[8];

	(void)uc;
	for (unsigned i = 0; i < size; i++)
		byte[i] = (uint8_t)(value >> 8 * (w->m->a == ARCH_MIPS ? size - 1 - i : i));
	if (!w->m->stopped)
		memory_write(w->m->memory, w->addr + offset, byte, size);
}

/* ---- what is different between processors ---- */

/* Which emulator it is, and which model of the processor: the one that knows most. */
static uc_err open_emulator(enum arch a, uc_engine **uc)
{
	uc_err e;
	int model;

	switch (a) {
	case ARCH_X86_64:
	case ARCH_I386:
		e = uc_open(UC_ARCH_X86, a == ARCH_X86_64 ? UC_MODE_64 : UC_MODE_32, uc);
		model = UC_CPU_X86_EPYC_ROME;
		break;
	case ARCH_AARCH64:
		e = uc_open(UC_ARCH_ARM64, UC_MODE_ARM, uc);
		model = UC_CPU_ARM64_MAX;
		break;
	case ARCH_ARM:
	case ARCH_ARMEB:
	case ARCH_THUMB:
	case ARCH_THUMBEB:
		/* Big-endian code is turned round, big-endian data are a bit of the state. */
		e = uc_open(UC_ARCH_ARM, UC_MODE_ARM, uc);
		model = UC_CPU_ARM_MAX;
		break;
	case ARCH_MIPS:
		e = uc_open(UC_ARCH_MIPS, UC_MODE_MIPS32 | UC_MODE_BIG_ENDIAN, uc);
		model = UC_CPU_MIPS32_74KF;
		break;
	case ARCH_MIPSEL:
		e = uc_open(UC_ARCH_MIPS, UC_MODE_MIPS32 | UC_MODE_LITTLE_ENDIAN, uc);
		model = UC_CPU_MIPS32_74KF;
		break;
	default: return UC_ERR_ARCH;
	}
	return e ? e : uc_ctl_set_cpu_model(*uc, model);
}

enum { ARM_USER = 0x10, ARM_THUMB = 1 << 5, ARM_BIG = 1 << 9 };

static uint32_t arm_state(const struct machine *m, uint32_t flags)
{
	return (flags & 0xf80f0000) | ARM_USER | (m->thumb ? ARM_THUMB : 0) |
	       (m->is_big ? ARM_BIG : 0);
}

/* Turns the floating-point unit on. */
static void prepare(struct machine *m)
{
	switch (m->a) {
	case ARCH_AARCH64: write_reg(m, UC_ARM64_REG_CPACR_EL1, 3 << 20); break;
	case ARCH_ARM:
	case ARCH_ARMEB:
	case ARCH_THUMB:
	case ARCH_THUMBEB: {
		uc_arm_cp_reg cpacr = {.cp = 15, .crn = 1, .opc2 = 2, .val = 15 << 20};

		uc_reg_write(m->uc, UC_ARM_REG_CP_REG, &cpacr);
		write_reg(m, UC_ARM_REG_FPEXC, 1 << 30);
		write_reg(m, UC_ARM_REG_CPSR, arm_state(m, 0));
		break;
	}
	case ARCH_MIPS:
	case ARCH_MIPSEL: {
		uint64_t status[8] = {0}; /* as after a reset: addresses are not translated */

		uc_reg_read(m->uc, UC_MIPS_REG_CP0_STATUS, status);
		write_reg(m, UC_MIPS_REG_CP0_STATUS, status[0] | 1 << 29);
		break;
	}
	default: break;
	}
}

static void write_flags(struct machine *m, uint32_t random)
{
	switch (m->a) {
	case ARCH_X86_64:
	case ARCH_I386: write_reg(m, UC_X86_REG_EFLAGS, (random & 0x8d5) | 2); break;
	case ARCH_AARCH64: write_reg(m, UC_ARM64_REG_NZCV, random & 0xf0000000); break;
	case ARCH_ARM:
	case ARCH_ARMEB:
	case ARCH_THUMB:
	case ARCH_THUMBEB: write_reg(m, UC_ARM_REG_CPSR, arm_state(m, random)); break;
	case ARCH_MIPS:
	case ARCH_MIPSEL:
		write_reg(m, UC_MIPS_REG_HI, random);
		write_reg(m, UC_MIPS_REG_LO, hash_mix(random) & UINT32_MAX);
		break;
	default: break;
	}
}

/*
 * Thumb: the conditions that it instructions give to those behind them, for a run that begins in
 * the middle.
 */
static void write_conditions(struct machine *m)
{
	uint64_t state = 0;
	unsigned it = 0;

	if (!m->thumb)
		return;
	if (m->it && m->next - m->it < 4) {
		it = m->code.bytes[m->addr[m->it - 1] - m->addr[0] + (m->a == ARCH_THUMBEB)];
		for (size_t k = m->it; k < m->next && it; k++)
			it = it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
	}
	uc_reg_read(m->uc, UC_ARM_REG_CPSR, &state);
	state = (state & ~(uint64_t)0x0600fc00) | (it & 3) << 25 | (it >> 2) << 10;
	write_reg(m, UC_ARM_REG_CPSR, state | ARM_THUMB);
}

/* ---- the hook before each instruction ---- */

static void set_right(struct machine *m)
{
	if (m->undo)
		write_reg(m, m->undo, m->undo_to);
	m->undo = 0;
}

static void bound_repeats(struct machine *m)
{
	int id = m->id[REGS_GENERAL][1];
	uint64_t count[8] = {0};

	uc_reg_read(m->uc, id, count);
	if (count[0] > MACHINE_REPEATS)
		write_reg(m, id, MACHINE_REPEATS);
}

/* MIPS: lets the base register be such that the address is aligned, and of those not translated. */
static void suit_access(struct machine *m, const struct plan *p)
{
	int id = m->id[REGS_GENERAL][p->base];
	uint64_t v[8] = {0};
	uint32_t base, addr, good;

	if (!id)
		return;
	uc_reg_read(m->uc, id, v);
	base = (uint32_t)v[0];
	addr = base + (uint32_t)p->offset;
	good = (addr & INT32_MAX) >> p->align << p->align;
	if (addr == good)
		return;
	write_reg(m, id, base - (addr - good));
	if (!p->is_load || p->to != p->base) {
		m->undo = id;
		m->undo_to = base;
	}
}

static void on_insn(uc_engine *uc, uint64_t addr, uint32_t size, void *ctx)
{
	struct machine *m = ctx;
	const struct plan *p = &m->plan[m->next];

	(void)size;
	if (m->stopped)
		return;
	if (m->next && addr == m->addr[m->next - 1] && p[-1].repeats)
		return;
	if (m->next == m->n || addr != m->addr[m->next] || p->kind == PLAN_HOLE) {
		/* Unicorn may still execute some instructions: what they do is undone. */
		m->stopped = true;
		uc_context_save(uc, m->now);
		uc_emu_stop(uc);
		return;
	}
	set_right(m);
	note(m, m->next);
	if (p->repeats)
		bound_repeats(m);
	if (p->is_access)
		suit_access(m, p);
	if (p->gives_conditions)
		m->it = m->next + 1;
	m->next++;
}

/* ---- opening and closing ---- */

static int map(struct machine *m)
{
	uint64_t from = 0, end = m->is64 ? (uint64_t)0 - PAGE : (uint64_t)1 << 32;
	uc_err e = UC_ERR_OK;

	for (size_t i = 0; i <= COUNT_OF(areas); i++) {
		bool last = i == COUNT_OF(areas);
		uint64_t to = last ? end : areas[i].addr;

		m->window[i] = (struct window){m, from};
		e |= uc_mmio_map(
			m->uc, from, to - from, on_read, &m->window[i], on_write, &m->window[i]);
		if (last)
			break;
		e |= uc_mem_map_ptr(
			m->uc, to, areas[i].size, UC_PROT_READ | UC_PROT_EXEC, m->area[i].at);
		from = to + areas[i].size;
	}
	return e ? -1 : 0;
}

static int start(struct machine *m)
{
	uc_hook hook;

	m->translated = 0;
	if (open_emulator(m->a, &m->uc) || map(m) < 0 ||
		uc_hook_add(m->uc, &hook, UC_HOOK_CODE, (void *)on_insn, m, 1, 0) ||
		uc_context_alloc(m->uc, &m->fresh) || uc_context_alloc(m->uc, &m->now))
		return -1;
	prepare(m);
	uc_context_save(m->uc, m->fresh);
	return 0;
}

static void stop(struct machine *m)
{
	if (m->fresh)
		uc_context_free(m->fresh);
	if (m->now)
		uc_context_free(m->now);
	if (m->uc)
		uc_close(m->uc);
	m->fresh = m->now = NULL;
	m->uc = NULL;
}

/*
 * Unicorn 2.0 shows no floating-point registers of MIPS, but they are in the state it saves. Where:
 * loads each with a random number from memory and looks for these numbers.
 */
static int find_floats(struct machine *m)
{
	enum { N = MACHINE_BANK, LWC1 = 0x31, SP = 29 };
	uint8_t code[N * 4];
	struct insn insn[N];
	uint32_t first[N + 1] = {0};
	struct machine_code c = {code, insn, N, 0, NULL, first};
	size_t size = uc_context_size(m->uc);

	for (uint32_t i = 0; i < N; i++) {
		uint32_t w = (uint32_t)LWC1 << 26 | SP << 21 | i << 16 | 4 * i;

		for (unsigned k = 0; k < 4; k++)
			code[4 * i + k] = (uint8_t)(w >> 8 * (m->is_big ? 3 - k : k));
		insn[i] = (struct insn){.mnemonic = "lwc1", .len = 4};
	}
	if (machine_load(m, &c) < 0)
		return -1;
	machine_run(m, 0, 0, NULL);
	uc_context_save(m->uc, m->now);
	for (unsigned i = 0; i < N; i++) {
		struct window w = {m, 0};
		uint32_t v = (uint32_t)on_read(m->uc, STACK32 + 4 * i, 4, &w), in;
		unsigned found = 0;

		for (size_t at = 0; at + sizeof(in) <= size; at += sizeof(in)) {
			memcpy(&in, (const uint8_t *)m->now + at, sizeof(in));
			if (in == v) {
				m->float_at[i] = at;
				found++;
			}
		}
		if (found != 1)
			return -1;
	}
	return 0;
}

static uint8_t *page_boundary(uint8_t *p)
{
	return (uint8_t *)(((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
}

struct machine *machine_open(enum arch a)
{
	const struct arch_info *info = arch_info(a);
	struct machine *m = mem_zalloc(1, sizeof(*m));

	m->a = a;
	m->is64 = info->is64;
	m->is_big = info->is_big || a == ARCH_THUMBEB;
	m->thumb = a == ARCH_THUMB || a == ARCH_THUMBEB;
	m->memory = memory_new();
	for (size_t i = 0; i < COUNT_OF(areas); i++) {
		m->area[i].memory = mem_zalloc(areas[i].size + PAGE, 1);
		m->area[i].at = page_boundary(m->area[i].memory);
		m->area[i].low = areas[i].size;
	}
	for (unsigned b = 0; b < MACHINE_BANKS; b++)
		for (unsigned i = 0; i < MACHINE_BANK; i++)
			m->id[b][i] = machine_regs_id(a, b, i);
	if (start(m) < 0 || (is_mips(a) && find_floats(m) < 0)) {
		machine_close(m);
		return NULL;
	}
	m->counts = (struct machine_counts){0};
	return m;
}

void machine_close(struct machine *m)
{
	if (!m)
		return;
	stop(m);
	memory_free(m->memory);
	for (size_t i = 0; i < COUNT_OF(areas); i++)
		mem_free(m->area[i].memory);
	mem_free(m->plan);
	mem_free(m->addr);
	mem_free(m);
}

const struct machine_counts *machine_counts(const struct machine *m)
{
	return &m->counts;
}

/* ---- loading ---- */

/* Bytes of the first instructions that fit, and how many these are. */
static size_t size_of(const struct machine_code *c, size_t *n)
{
	size_t size = 0, most = areas[COUNT_OF(areas) - 1].size - WORD;

	for (*n = 0; *n < MIN(c->n, (size_t)MACHINE_INSNS); ++*n) {
		if (size + c->insn[*n].len > most)
			break;
		size += c->insn[*n].len;
	}
	return size;
}

/* ARM's big-endian code as little-endian code; data among it stay what they are. */
static void turn(enum arch a, uint8_t *p, size_t n)
{
	size_t unit = a == ARCH_ARMEB ? 4 : a == ARCH_THUMBEB ? 2 : 1;

	for (size_t i = 0; i + unit <= n; i += unit)
		for (size_t k = 0; k < unit / 2; k++) {
			uint8_t b = p[i + k];

			p[i + k] = p[i + unit - 1 - k];
			p[i + unit - 1 - k] = b;
		}
}

static void forget_code(struct machine *m)
{
	for (size_t i = 0; i < COUNT_OF(areas); i++) {
		struct area *a = &m->area[i];

		if (a->low == areas[i].size)
			continue;
		uc_ctl_remove_cache(m->uc, areas[i].addr + a->low, areas[i].addr + areas[i].size);
		memset(a->at + a->low, 0, areas[i].size - a->low);
		a->low = areas[i].size;
	}
}

/* Where code begins that cannot begin behind `at`. */
static size_t place(const struct machine *m, size_t at, uint64_t addr)
{
	if (m->a == ARCH_X86_64 || m->a == ARCH_I386)
		return at;
	if (m->thumb && addr % WORD) /* constants are found by the word an instruction is in */
		return (at - 2) / WORD * WORD + 2;
	return at / WORD * WORD;
}

int machine_load(struct machine *m, const struct machine_code *c)
{
	size_t size = size_of(c, &m->n), area = 0, at;
	uint8_t *p;

	if (m->translated > RENEW) {
		stop(m);
		if (start(m) < 0)
			return -1;
	}
	forget_code(m);
	m->code = *c;
	m->plan = mem_grow(m->plan, &m->capplan, m->n + 1, sizeof(*m->plan));
	m->addr = mem_grow(m->addr, &m->capaddr, m->n + 1, sizeof(*m->addr));
	while (areas[area].size < size + WORD)
		area++;
	at = place(m, areas[area].size - size, c->addr);
	m->area[area].low = at;
	p = m->area[area].at + at;
	memcpy(p, c->bytes, size);
	for (size_t i = 0; i < m->n; i++) {
		size_t len = c->insn[i].len;

		m->plan[i] = plan_insn(m->a, &c->insn[i], p);
		m->addr[i] = areas[area].addr + (size_t)(p - m->area[area].at);
		if (m->plan[i].kind == PLAN_SKIP)
			(void)plan_nop(m->a, p, len);
		else if (m->plan[i].kind == PLAN_RUN)
			turn(m->a, p, len);
		p += len;
	}
	m->plan[m->n] = (struct plan){.kind = PLAN_HOLE};
	m->addr[m->n] = areas[area].addr + (size_t)(p - m->area[area].at);
	return 0;
}

/* ---- a run ---- */

/* Registers from `index` of Philox on; 16 bytes each. */
static void draw(struct machine *m, uint64_t seed, uint64_t step)
{
	for (unsigned b = 0; b < MACHINE_BANKS; b++)
		for (unsigned i = 0; i < MACHINE_BANK; i++) {
			uint32_t r[4];

			if (b == REGS_MMX && m->id[b][i])
				continue; /* the same as those of x87 */
			rng_at(seed ^ SEED_OF_REGS, step, MACHINE_BANK * b + i, r);
			m->initial[b][i][0] = (uint64_t)r[1] << 32 | r[0];
			m->initial[b][i][1] = (uint64_t)r[3] << 32 | r[2];
			if (b == REGS_X87) { /* a number from 1 to 2 */
				m->initial[b][i][0] |= (uint64_t)1 << 63;
				m->initial[b][i][1] = 0x3fff;
			}
		}
}

static void begin(struct machine *m, uint64_t seed, uint64_t step)
{
	unsigned sp = m->a == ARCH_X86_64 || m->a == ARCH_I386 ? 4
		      : m->a == ARCH_AARCH64                   ? 31
		      : is_mips(m->a)                          ? 29
							       : 13;
	uint32_t flags[4];

	memory_reset(m->memory, seed, step);
	draw(m, seed, step);
	m->initial[REGS_GENERAL][sp][0] = m->is64 ? STACK64 : STACK32;
	for (unsigned i = 0; i < MACHINE_BANK; i++)
		if (m->float_at[i])
			memcpy((uint8_t *)m->fresh + m->float_at[i], m->initial[REGS_VECTOR][i], 4);
	uc_context_restore(m->uc, m->fresh);
	for (unsigned b = 0; b < MACHINE_BANKS; b++)
		for (unsigned i = 0; i < MACHINE_BANK; i++)
			if (m->id[b][i] && b != REGS_MMX)
				uc_reg_write(m->uc, m->id[b][i], m->initial[b][i]);
	rng_at(seed ^ SEED_OF_REGS, step, MACHINE_BANK * MACHINE_BANKS, flags);
	write_flags(m, flags[0]);
}

/* Where the code that begins with instruction i ends: data behind it must not be translated. */
static size_t end_of(const struct machine *m, size_t i)
{
	while (i < m->n && m->plan[i].kind != PLAN_HOLE)
		i++;
	return i;
}

/* From the next instruction on, as far as it goes without a fault, a hole or the end. */
static void go(struct machine *m)
{
	size_t from = m->next, end = end_of(m, from);
	uc_err e;

	m->stopped = false;
	m->undo = 0;
	m->translated += MIN(end - from, (size_t)BLOCK);
	write_conditions(m);
	e = uc_emu_start(m->uc, m->addr[from] | m->thumb, m->addr[end], 0, 0);
	if (m->stopped)
		uc_context_restore(m->uc, m->now);
	set_right(m);
	if (m->next == from) /* not even begun */
		note(m, m->next++);
	/*
	 * Behind all code there is nothing that can be executed, which is no fault. After some
	 * faults of x86 Unicorn stops at the next one without an error.
	 */
	if (!m->stopped && (m->next != end || (e && !(e == UC_ERR_FETCH_PROT && m->next == m->n))))
		m->counts.faulted++;
}

void machine_run(struct machine *m, uint64_t seed, uint64_t step, uint64_t *values)
{
	uint64_t faults = m->counts.faulted;

	begin(m, seed, step);
	m->values = values;
	m->next = m->it = 0;
	while (m->next < m->n && m->counts.faulted - faults < MACHINE_FAULTS) {
		if (m->plan[m->next].kind == PLAN_HOLE) {
			m->counts.holes++;
			note(m, m->next++);
		} else {
			go(m);
		}
	}
	for (size_t i = 0; i < m->next; i++)
		m->counts.skipped += m->plan[i].kind == PLAN_SKIP;
	m->counts.insns += m->code.n;
	m->counts.beyond += m->code.n - m->next;
	while (m->next < m->code.n)
		note(m, m->next++);
}
