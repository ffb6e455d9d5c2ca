/*
 * native.c: the meaning of instructions (sem/x86) against the processor this runs on.
 *
 * Instructions are generated here, form by form (opcode map, prefix, opcode, ModRM extension, VEX
 * fields, register or memory), with random registers and immediates; the decoder says which are
 * instructions. Each is executed symbolically once and natively on several random and corner
 * states: registers, flags, a page of memory and vector registers must be what the expressions
 * evaluate to. Flags the manual leaves undefined are masked by a table of this file.
 *
 * Only what is generated here is run natively, never code from elsewhere. Usage: native [CASES].
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/rng.h"
#include "code/insn.h"
#include "sem/eval.h"
#include "sem/x86.h"
#include "tests/unit.h"

#ifdef __x86_64__

enum {
	PAGE = 4096,
	WINDOW = 1024,   /* bytes of memory that are compared, in the middle of two pages */
	INSN_END = 2048, /* where in the code page the instruction ends */
	STATES = 8,      /* states for each encoding */
	VECTORS = 16,
};

/* What the stub loads and stores. */
struct machine {
	uint64_t gpr[16];
	uint64_t flags;
	uint64_t vec[VECTORS][4];
};

/* The second page of the area: addressed from the code page by rip. */
struct data {
	struct machine in, out;
	uint64_t stack, taken;
};

static struct area {
	uint8_t code[PAGE];
	struct data data;
	uint8_t pad[PAGE - sizeof(struct data) % PAGE];
	uint8_t memory[2 * PAGE];
} * area;

static bool has_avx;
static sigjmp_buf fault_env;
static volatile sig_atomic_t running; /* is it the instruction that faults? */

static uint8_t *window(void)
{
	return area->memory + PAGE - WINDOW / 2;
}

/* ---- the stub ---- */

struct emitter {
	uint8_t *p;
};

static void bytes(struct emitter *e, const char *hex)
{
	for (unsigned v; sscanf(hex, "%2x", &v) == 1; hex += hex[2] ? 3 : 2)
		*e->p++ = (uint8_t)v;
}

/* The 32-bit distance from behind the field (and n more bytes) to the address. */
static void rel(struct emitter *e, const void *to, int n)
{
	int32_t d = (int32_t)((const uint8_t *)to - (e->p + 4 + n));

	memcpy(e->p, &d, 4);
	e->p += 4;
}

/* mov between register r and memory: opcode 8b loads, 89 stores. */
static void move(struct emitter *e, unsigned opcode, unsigned r, const void *at)
{
	*e->p++ = (uint8_t)(0x48 | (r >> 3) << 2);
	*e->p++ = (uint8_t)opcode;
	*e->p++ = (uint8_t)(5 | (r & 7) << 3);
	rel(e, at, 0);
}

/* movdqu or vmovdqu between vector register r and memory: opcode 6f loads, 7f stores. */
static void move_vec(struct emitter *e, unsigned opcode, unsigned r, const void *at)
{
	if (has_avx) {
		*e->p++ = 0xc5;
		*e->p++ = (uint8_t)((r < 8 ? 0x80 : 0) | 0x7e); /* 256 bits, prefix f3 */
	} else {
		*e->p++ = 0xf3;
		*e->p++ = (uint8_t)(0x40 | (r >> 3) << 2);
		*e->p++ = 0x0f;
	}
	*e->p++ = (uint8_t)opcode;
	*e->p++ = (uint8_t)(5 | (r & 7) << 3);
	rel(e, at, 0);
}

static void jump(struct emitter *e, const void *to)
{
	*e->p++ = 0xe9;
	rel(e, to, 0);
}

/* Everything but the instruction, which ends at INSN_END. */
static void make_stub(void)
{
	struct emitter e = {area->code};
	struct data *d = &area->data;
	uint8_t *taken, *done;

	bytes(&e, "53 55 41 54 41 55 41 56 41 57"); /* push rbx, rbp, r12 to r15 */
	move(&e, 0x89, 4, &d->stack);
	for (unsigned i = 0; i < VECTORS; i++)
		move_vec(&e, 0x6f, i, d->in.vec[i]);
	bytes(&e, "ff 35"); /* push [flags] */
	rel(&e, &d->in.flags, 0);
	bytes(&e, "9d"); /* popfq */
	for (unsigned i = 0; i < 16; i++)
		move(&e, 0x8b, i, &d->in.gpr[i]);
	memset(e.p, 0x90, (size_t)(area->code + INSN_END - e.p));

	e.p = area->code + INSN_END + 10;
	taken = e.p;
	bytes(&e, "48 c7 05"); /* mov qword [taken], 1 */
	rel(&e, &d->taken, 4);
	bytes(&e, "01 00 00 00");
	done = e.p;
	for (unsigned i = 0; i < 16; i++)
		move(&e, 0x89, i, &d->out.gpr[i]);
	move(&e, 0x8b, 4, &d->stack);
	bytes(&e, "9c 8f 05"); /* pushfq; pop [flags] */
	rel(&e, &d->out.flags, 0);
	bytes(&e, "fc"); /* cld */
	for (unsigned i = 0; i < VECTORS; i++)
		move_vec(&e, 0x7f, i, d->out.vec[i]);
	if (has_avx)
		bytes(&e, "c5 f8 77"); /* vzeroupper */
	bytes(&e, "41 5f 41 5e 41 5d 41 5c 5d 5b c3");
	/* A branch has a displacement of 5: it skips the first of these jumps. */
	e.p = area->code + INSN_END;
	jump(&e, done);
	jump(&e, taken);
}

static void on_fault(int sig)
{
	if (!running) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	siglongjmp(fault_env, sig);
}

/* Runs the instruction in place: 0, or the signal it raised. */
static int run_native(void)
{
	int sig = sigsetjmp(fault_env, 0);

	if (!sig) {
		running = 1;
		area->data.taken = 0;
		((void (*)(void))(void *)area->code)();
	} else {
		__asm__ volatile("cld");
	}
	running = 0;
	return sig;
}

static void catch_faults(void)
{
	static uint8_t stack[64 << 10];
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
	const int sigs[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP};

	sigaltstack(&alt, NULL);
	for (size_t i = 0; i < COUNT_OF(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

/* ---- encodings ---- */

/* A form: everything of an encoding but registers, addressing mode and immediates. */
struct form {
	uint8_t vex, map, prefix, w, l, opcode, reg, mem;
};

static const uint8_t prefixes[6][2] = {{0}, {0x66}, {0xf3}, {0xf2}, {0x66, 0xf3}, {0x66, 0xf2}};

struct code {
	uint8_t b[32];
	unsigned n;
	struct insn insn;
};

static unsigned pick(struct rng *r, unsigned n)
{
	return (unsigned)rng_below(r, n);
}

/* ModRM and what belongs to it; then bytes for an immediate. */
static void operands(struct code *c, const struct form *f, struct rng *r)
{
	static const uint8_t corner[] = {0, 1, 2, 0x7f, 0x80, 0xff, 31, 32, 63, 64};
	unsigned mod = f->mem ? pick(r, 3) : 3, rm = pick(r, 8), imm = rng_u32(r);

	c->b[c->n++] = (uint8_t)(mod << 6 | f->reg << 3 | rm);
	if (mod != 3 && rm == 4)
		c->b[c->n++] = (uint8_t)rng_u32(r);
	if (pick(r, 2))
		imm = corner[pick(r, COUNT_OF(corner))];
	for (unsigned i = 0; i < 12; i++)
		c->b[c->n + i] = (uint8_t)rng_u32(r);
	memcpy(c->b + c->n + (mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0), &imm, 4);
	c->n += 12;
}

static void encode(struct code *c, const struct form *f, struct rng *r)
{
	unsigned rexb = pick(r, 8);

	c->n = 0;
	/* Not for loop and jrcxz; with REX.W capstone 4.0.2 takes 67 for 66. */
	if (f->mem && !f->w && !pick(r, 16) && (f->map || (f->opcode & 0xfc) != 0xe0))
		c->b[c->n++] = 0x67;
	if (f->vex) {
		static const uint8_t pp[] = {0, 1, 2, 3, 0, 0};

		c->b[c->n++] = 0xc4;
		c->b[c->n++] = (uint8_t)(rexb << 5 | (f->map & 3));
		c->b[c->n++] = (uint8_t)(f->w << 7 | pick(r, 16) << 3 | f->l << 2 | pp[f->prefix]);
	} else {
		for (unsigned i = 0; i < 2; i++)
			if (prefixes[f->prefix][i])
				c->b[c->n++] = prefixes[f->prefix][i];
		if (f->w || pick(r, 2))
			c->b[c->n++] = (uint8_t)(0x40 | f->w << 3 | rexb);
		if (f->map)
			c->b[c->n++] = 0x0f;
		if (f->map >= 2)
			c->b[c->n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	c->b[c->n++] = f->opcode;
	operands(c, f, r);
}

/* What cannot be run here, though it has a meaning. */
static bool excluded(const struct insn *i)
{
	switch (i->mn) {
	case X86_HLT:
	case X86_UD2:
	case X86_INT3:
	case X86_STMXCSR: /* has the exceptions of all instructions before */
	case X86_LDMXCSR:
	case X86_VSTMXCSR:
	case X86_VLDMXCSR:
	case X86_POPF: /* would set the trap and alignment flags */
	case X86_POPFQ: return true;
	default: break;
	}
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.seg != X86_NOREG &&
			i->op[k].mem.seg >= X86_FS)
			return true;
	return i->flow != INSN_FALL && i->flow != INSN_COND;
}

static int decode(struct insn_decoder *d, struct code *c)
{
	if (!insn_decode(d, c->b, MIN(c->n, 15u), &c->insn) || !x86_known(&c->insn) ||
		excluded(&c->insn))
		return 0;
	c->n = c->insn.len;
	return 1;
}

/* ---- states ---- */

static uint64_t corner(struct rng *r)
{
	static const uint64_t v[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xffffffffffffffff, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
		0x7ff8000000000000, 0xfff0000000000001, 0x3f8000003f800000, 0x7f800000ff800000,
		0x7fc000017f800001, 0x41f0000000000000, 0xc1e0000000000000, 0x43e0000000000000,
		0x4f000000cf000000, 0x0000000100000001, 0x4059000042c80000};

	switch (pick(r, 6)) {
	case 0: return v[pick(r, COUNT_OF(v))];
	case 1: return v[pick(r, COUNT_OF(v))] + pick(r, 5) - 2;
	case 2: return rng_u64(r) >> pick(r, 64);
	case 3: return pick(r, 70);
	default: return rng_u64(r);
	}
}

static void random_state(struct machine *m, struct rng *r)
{
	for (unsigned i = 0; i < 16; i++)
		m->gpr[i] = i && !pick(r, 8) ? m->gpr[pick(r, i)] : corner(r);
	m->flags = 2 | (rng_u32(r) & 0x8d5);
	for (unsigned i = 0; i < VECTORS; i++)
		for (unsigned k = 0; k < 4; k++)
			m->vec[i][k] = i && !pick(r, 8) ? m->vec[pick(r, i)][k] : corner(r);
	for (unsigned i = 0; i < WINDOW; i += 8) {
		uint64_t v = corner(r);

		memcpy(window() + i, &v, 8);
	}
}

/* The inverse of odd x modulo 2^64. */
static uint64_t inverse(uint64_t x)
{
	uint64_t y = x;

	for (unsigned i = 0; i < 5; i++)
		y *= 2 - x * y;
	return y;
}

/* Sets a register so that memory operand o lies at address to; false if that cannot be. */
static bool aim(struct machine *m, const struct insn_op *o, uint64_t to)
{
	uint64_t rest = to - (uint64_t)o->mem.disp, high = 0;
	uint64_t *base;

	if (o->mem.base == X86_NOREG || o->mem.base == X86_RIP)
		return true; /* the displacement was set to that end */
	base = &m->gpr[o->mem.base];
	if (o->mem.addr_size == 4)
		high = *base & 0xffffffff00000000;
	if (o->mem.index == o->mem.base) {
		if (o->mem.scale == 1 && rest & 1)
			return false;
		rest = o->mem.scale == 1 ? rest / 2 : rest * inverse(1 + o->mem.scale);
	} else if (o->mem.index != X86_NOREG) {
		rest -= m->gpr[o->mem.index] * o->mem.scale;
	}
	*base = o->mem.addr_size == 4 ? high | (rest & 0xffffffff) : rest;
	return true;
}

static uint64_t target(struct rng *r)
{
	uint64_t align = pick(r, 2) ? 64 : 1;

	return ((uint64_t)(uintptr_t)window() + 256 + pick(r, WINDOW - 512)) & ~(align - 1);
}

/* Makes the state one in which the instruction can run. */
static bool prepare(struct machine *m, const struct insn *i, struct rng *r)
{
	m->gpr[X86_RSP] = target(r) & ~UINT64_C(7);
	if (i->mn == X86_LEAVE)
		m->gpr[X86_RBP] = target(r);
	if (i->mn == X86_XLATB)
		m->gpr[X86_RBX] = target(r) - (m->gpr[X86_RAX] & 0xff);
	if (i->prefix & (INSN_REP | INSN_REPNE) && i->mn != X86_PAUSE)
		m->gpr[X86_RCX] = 1; /* the meaning is one step of the loop */
	if ((i->mn == X86_DIV || i->mn == X86_IDIV) && pick(r, 4))
		m->gpr[X86_RDX] =
			i->mn == X86_IDIV && (int64_t)m->gpr[X86_RAX] < 0 ? UINT64_MAX : 0;
	if (i->nops > 1 && i->op[0].kind == INSN_OP_MEM && i->op[1].kind == INSN_OP_REG &&
		(i->mn == X86_BT || i->mn == X86_BTS || i->mn == X86_BTR || i->mn == X86_BTC) &&
		i->op[1].reg.id <= X86_R15)
		m->gpr[i->op[1].reg.id] = (m->gpr[i->op[1].reg.id] & 0x3ff) - 512;
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_MEM && !aim(m, &i->op[k], target(r)))
			return false;
	return true;
}

/* Operands without a base get their address by the displacement, which follows ModRM and SIB. */
static bool set_displacement(struct code *c, const struct form *f, struct rng *r)
{
	for (unsigned k = 0; k < c->insn.nops; k++) {
		const struct insn_op *o = &c->insn.op[k];
		int64_t to;
		int32_t old = (int32_t)o->mem.disp, new;

		if (o->kind != INSN_OP_MEM || (o->mem.base != X86_NOREG && o->mem.base != X86_RIP))
			continue;
		if (o->mem.index != X86_NOREG)
			return false; /* the index would have to be small */
		to = (int64_t)target(r);
		if (o->mem.base == X86_RIP)
			to -= (int64_t)(uintptr_t)(area->code + INSN_END);
		new = (int32_t)to;
		for (unsigned at = c->n - 4; at > 1; at--)
			if (!memcmp(c->b + at, &old, 4)) {
				memcpy(c->b + at, &new, 4);
				return true;
			}
		return false;
	}
	(void)f;
	return true;
}

/* ---- comparison ---- */

/* Flags that are undefined after i with that input, from the manual. */
static unsigned undefined_flags(const struct insn *i, const struct machine *in)
{
	const struct insn_op *last = &i->op[i->nops - 1];
	unsigned bits = i->nops ? i->op[0].size * 8u : 0, n, result = 0;

	switch (i->mn) {
	case X86_AND:
	case X86_OR:
	case X86_XOR:
	case X86_TEST: return FLAG_A;
	case X86_MUL:
	case X86_IMUL: return FLAG_S | FLAG_Z | FLAG_A | FLAG_P;
	case X86_DIV:
	case X86_IDIV: return FLAG_ALL6;
	case X86_BT:
	case X86_BTS:
	case X86_BTR:
	case X86_BTC: return FLAG_O | FLAG_S | FLAG_A | FLAG_P;
	case X86_BSF:
	case X86_BSR: return FLAG_ALL6 & ~FLAG_Z;
	case X86_TZCNT:
	case X86_LZCNT: return FLAG_O | FLAG_S | FLAG_A | FLAG_P;
	case X86_ANDN:
	case X86_BLSI:
	case X86_BLSR:
	case X86_BLSMSK:
	case X86_BZHI: return FLAG_A | FLAG_P;
	case X86_BEXTR: return FLAG_A | FLAG_P | FLAG_S;
	case X86_SHL:
	case X86_SAL:
	case X86_SHR:
	case X86_SAR:
	case X86_SHLD:
	case X86_SHRD: result = FLAG_A; break;
	case X86_ROL:
	case X86_ROR:
	case X86_RCL:
	case X86_RCR: break;
	default: return 0;
	}
	n = i->nops < 2 || (last->kind == INSN_OP_REG && last->reg.id != X86_RCX) ? 1
	    : last->kind == INSN_OP_IMM ? (unsigned)last->imm
					: (unsigned)in->gpr[X86_RCX];
	n &= bits == 64 ? 63 : 31;
	if (n == 0)
		return 0;
	if (n != 1)
		result |= FLAG_O;
	if (n >= bits && (i->mn == X86_SHL || i->mn == X86_SAL || i->mn == X86_SHR))
		result |= FLAG_C;
	if (n > bits && (i->mn == X86_SHLD || i->mn == X86_SHRD))
		result |= FLAG_ALL6;
	return result;
}

/* Is the result itself undefined for that input? */
static bool undefined_result(const struct insn *i, const struct machine *in)
{
	unsigned n;

	if ((i->mn != X86_SHLD && i->mn != X86_SHRD) || i->op[0].size != 2)
		return false;
	n = i->op[2].kind == INSN_OP_IMM ? (unsigned)i->op[2].imm : (unsigned)in->gpr[X86_RCX];
	return (n & 31) > 16;
}

struct world {
	struct machine in;
	uint8_t before[2 * PAGE];
};

static const uint8_t flag_place[X86_FLAG_COUNT] = {0, 2, 4, 6, 7, 11, 10};

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	const struct world *w = ctx;

	memset(out, 0, (width + 63) / 64 * 8);
	if (reg < 16)
		out[0] = w->in.gpr[reg];
	else if (reg >= X86_V0 && reg < X86_V0 + VECTORS)
		memcpy(out, w->in.vec[reg - X86_V0], 32);
	else if (reg >= STATE_FLAG_INPUT)
		out[0] = w->in.flags >> flag_place[reg - STATE_FLAG_INPUT] & 1;
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	const struct world *w = ctx;
	uint64_t at = addr - (uint64_t)(uintptr_t)area->memory;

	for (unsigned i = 0; i < n; i++)
		out[i] = at + i < sizeof(w->before) ? w->before[at + i] : 0;
}

struct test {
	struct insn_decoder *decoder;
	struct expr_pool *pool;
	struct state state;
	struct x86_effects fx;
	struct eval eval;
	struct world world;
	struct rng rng;
	unsigned long cases, skipped, faults, mismatches;
	unsigned long ran[X86_MN_COUNT];
	unsigned reported[X86_MN_COUNT];
	bool unsupported[X86_MN_COUNT];
};

static uint64_t value(struct test *t, const struct expr *e, uint64_t *out)
{
	uint64_t v[EXPR_WORDS];

	if (eval_expr(&t->eval, e, out ? out : v) < 0)
		CHECK(!"an expression was truncated");
	return out ? 0 : v[0];
}

static void report(
	struct test *t, const struct code *c, const char *what, uint64_t got, uint64_t want)
{
	struct buf b = {0};

	if (t->mismatches++ < 1000 && t->reported[c->insn.mn]++ < 3) {
		for (unsigned i = 0; i < c->n; i++)
			buf_printf(&b, "%02x ", c->b[i]);
		insn_print(&b, &c->insn, 0);
		fprintf(stderr, "%s: %s is %llx, the processor says %llx\n", buf_text(&b), what,
			(unsigned long long)got, (unsigned long long)want);
	}
	buf_free(&b);
}

static void compare_registers(struct test *t, const struct code *c)
{
	const struct machine *out = &area->data.out;
	uint64_t v[EXPR_WORDS];

	for (unsigned r = 0; r < 16; r++) {
		const struct expr *e = t->state.written[r] ? t->state.reg[r] : NULL;
		uint64_t got = e ? value(t, e, NULL) : t->world.in.gpr[r];

		if (got != out->gpr[r])
			report(t, c, insn_reg_name((struct insn_reg){(uint8_t)r, 0, 8}), got,
				out->gpr[r]);
	}
	for (unsigned r = 0; r < VECTORS; r++) {
		const struct expr *e =
			t->state.written[X86_V0 + r] ? t->state.reg[X86_V0 + r] : NULL;
		unsigned n = has_avx ? 4 : 2;

		memcpy(v, t->world.in.vec[r], 32);
		if (e)
			value(t, e, v);
		for (unsigned k = 0; k < n; k++)
			if (v[k] != out->vec[r][k])
				report(t, c,
					insn_reg_name(
						(struct insn_reg){(uint8_t)(X86_V0 + r), 0, 16}),
					v[k], out->vec[r][k]);
	}
}

static void compare_flags(struct test *t, const struct code *c)
{
	unsigned undefined = undefined_flags(&c->insn, &t->world.in);

	for (unsigned f = 0; f < X86_FLAG_COUNT; f++) {
		uint64_t want = area->data.out.flags >> flag_place[f] & 1, got;

		if (undefined >> f & 1)
			continue;
		got = value(t, state_peek_flag(&t->state, f), NULL) & 1;
		if (got != want)
			report(t, c, state_flag_name(f), got, want);
	}
}

static void compare_memory(struct test *t, const struct code *c)
{
	static uint8_t want[2 * PAGE];
	uint64_t v[EXPR_WORDS];

	memcpy(want, t->world.before, sizeof(want));
	for (uint32_t seq = 1; seq <= t->state.seq; seq++)
		for (size_t k = 0; k < t->state.nstores; k++) {
			const struct state_store *s = &t->state.store[k];

			if (s->seq != seq)
				continue;
			value(t, s->val, v);
			memcpy(want + (value(t, s->addr, NULL) - (uint64_t)(uintptr_t)area->memory),
				v, s->size);
		}
	for (size_t i = 0; i < WINDOW; i++) {
		size_t at = (size_t)(window() - area->memory) + i;

		if (want[at] != area->memory[at]) {
			report(t, c, "memory", want[at], area->memory[at]);
			return;
		}
	}
}

static bool memory_in_window(struct test *t)
{
	for (unsigned k = 0; k < t->fx.nmem; k++) {
		uint64_t at = value(t, t->fx.mem[k].addr, NULL) - (uint64_t)(uintptr_t)window();

		if (at >= WINDOW || at + t->fx.mem[k].size > WINDOW)
			return false;
	}
	return true;
}

static void run_case(struct test *t, const struct code *c)
{
	struct machine *in = &t->world.in;
	unsigned long before = t->mismatches;
	int sig;

	random_state(in, &t->rng);
	if (!prepare(in, &c->insn, &t->rng)) {
		t->skipped++;
		return;
	}
	memcpy(t->world.before, area->memory, sizeof(t->world.before));
	eval_reset(&t->eval);
	if (!memory_in_window(t)) {
		t->skipped++;
		return;
	}
	area->data.in = *in;
	sig = run_native();
	if (sig) {
		if (sig == SIGILL)
			t->unsupported[c->insn.mn] = true;
		t->faults++;
		return;
	}
	t->cases++;
	t->ran[c->insn.mn]++;
	if (c->insn.flow == INSN_COND) {
		uint64_t got = value(t, t->state.cond, NULL);

		if (got != area->data.taken)
			report(t, c, "condition", got, area->data.taken);
	}
	if (!undefined_result(&c->insn, in)) {
		compare_registers(t, c);
		compare_memory(t, c);
	}
	compare_flags(t, c);
	if (t->mismatches == before)
		unit_passed++;
	else
		unit_failed++;
}

/* Makes a branch go over the first jump of the stub, five bytes. */
static bool set_target(struct test *t, struct code *c)
{
	static const uint8_t five[4] = {5};
	bool near = c->n >= 6 && c->b[c->n - 6] == 0x0f && (c->b[c->n - 5] & 0xf0) == 0x80;

	memcpy(c->b + c->n - (near ? 4 : 1), five, near ? 4 : 1);
	return decode(t->decoder, c) && c->insn.op[0].imm == 5;
}

static void run_form(struct test *t, const struct form *f)
{
	uint8_t *end = area->code + INSN_END;
	struct code c;

	encode(&c, f, &t->rng);
	if (!decode(t->decoder, &c))
		return;
	if (!set_displacement(&c, f, &t->rng) || !decode(t->decoder, &c))
		return;
	if (c.insn.flow == INSN_COND && !set_target(t, &c))
		return;
	memset(end - INSN_MAX_LEN, 0x90, INSN_MAX_LEN);
	memcpy(end - c.n, c.b, c.n);
	expr_pool_reset(t->pool);
	state_reset(&t->state, t->pool, STATE_STRICT);
	t->state.rip = expr_const(t->pool, 64, (uint64_t)(uintptr_t)end);
	t->state.fx = &t->fx;
	x86_step(&t->state, &c.insn);
	t->state.fx = NULL;
	if (t->fx.overflow || !t->fx.known)
		return;
	for (unsigned k = 0; k < STATES; k++)
		run_case(t, &c);
}

/*
 * Legacy forms that no compiler emits and that capstone 4.0.2 does not understand: useless 66
 * before f2 and f3, 66 or REX.W where they change an implied width, prefixes in a wrong order.
 */
static bool misdecoded(const struct form *f)
{
	unsigned op = f->opcode;

	if (f->prefix == 5 ||
		(f->prefix == 4 && (f->map != 1 || (op != 0xb8 && op != 0xbc && op != 0xbd))))
		return true;
	if (f->map)
		return false;
	if ((op & 0xe7) == 0x26 || (op & 0xf0) == 0x40 || (op & 0xfc) == 0x64 || op == 0xf0 ||
		(op & 0xfe) == 0xf2)
		return true; /* another prefix */
	if (op == 0x63)
		return !f->w; /* movsxd of 32 bits */
	if (f->prefix > 1 && (op & 0xfe) == 0xe0)
		return true; /* f2 and f3 decide the condition of loope and loopne, says the
				processor */
	if (f->prefix == 3 && (op & 0xfc) == 0xa4)
		return true; /* repne movs: it does not say that there is a prefix */
	if (f->prefix == 3 && op >= 0xaa && op <= 0xad)
		return true;
	return f->prefix == 1 &&
	       (op == 0x68 || op == 0x6a || op == 0x8f || (op & 0xf0) == 0x50 ||
		       (op & 0xfe) == 0x9c || (op & 0xfe) == 0xc8 || (op == 0xff && f->reg == 6));
}

/* All forms that the decoder takes for instructions with a meaning, in random order. */
static struct form *all_forms(struct test *t, size_t *count)
{
	struct form *forms = NULL;
	size_t n = 0, cap = 0;
	struct code c;

	for (uint32_t k = 0; k < 1u << 21; k++) {
		struct form f = {.opcode = k & 255,
			.reg = k >> 8 & 7,
			.mem = k >> 11 & 1,
			.w = k >> 12 & 1,
			.l = k >> 13 & 1,
			.vex = k >> 14 & 1,
			.map = k >> 15 & 3,
			.prefix = k >> 17 & 7};
		bool good = false;

		if (!f.vex && misdecoded(&f))
			continue;
		if (f.prefix >= 6 || (f.vex ? f.prefix >= 4 || !f.map || !has_avx : f.l))
			continue;
		for (unsigned i = 0; i < 4 && !good; i++) {
			encode(&c, &f, &t->rng);
			good = decode(t->decoder, &c);
		}
		if (!good)
			continue;
		forms = mem_grow(forms, &cap, n + 1, sizeof(*forms));
		forms[n++] = f;
	}
	for (size_t i = n; i > 1; i--) { /* shuffle */
		size_t k = rng_below(&t->rng, i);
		struct form f = forms[i - 1];

		forms[i - 1] = forms[k];
		forms[k] = f;
	}
	*count = n;
	return forms;
}

static void summary(const struct test *t, size_t forms)
{
	static const char *const name[] = {"",
#define NAME(id, text) text,
		X86_MN(NAME)
#undef NAME
	};
	unsigned ran = 0;

	for (unsigned m = 1; m < X86_MN_COUNT; m++) {
		ran += t->ran[m] != 0;
		if (!t->ran[m] && t->unsupported[m])
			printf("skipped: %s: this processor has none of the forms tried\n",
				name[m]);
	}
	printf("%lu cases, %zu forms of %u mnemonics; %lu faulted, %lu could not be placed\n",
		t->cases, forms, ran, t->faults, t->skipped);
}

int main(int argc, char **argv)
{
	unsigned long cases = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	struct test t = {.rng = rng_new(argc > 2 ? strtoul(argv[2], NULL, 10) : 1, 0)};
	struct form *forms;
	size_t n;

	has_avx = __builtin_cpu_supports("avx2");
	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (area == MAP_FAILED) {
		printf("skipped: no executable memory here\n");
		return 0;
	}
	t.decoder = insn_open(ARCH_X86_64);
	t.pool = expr_pool_new(0);
	t.eval.ctx = &t.world;
	t.eval.input = input;
	t.eval.load = load;
	make_stub();
	catch_faults();
	forms = all_forms(&t, &n);
	while (t.cases < cases)
		for (size_t i = 0; i < n && t.cases < cases; i++)
			run_form(&t, &forms[i]);
	summary(&t, n);
	mem_free(forms);
	eval_free(&t.eval);
	state_free(&t.state);
	expr_pool_free(t.pool);
	insn_close(t.decoder);
	return unit_done();
}

#else

int main(void)
{
	printf("skipped: not an x86-64 processor\n");
	return 0;
}

#endif
