/*
 * native.c: the meaning of instructions (sem/x86) against the processor this runs on.
 *
 * Instructions are generated form by form (tests/native_forms.h), alone and in short sequences.
 * Each is executed symbolically once and natively on several random and corner states: registers,
 * flags, memory and vector registers must be what the expressions evaluate to. Flags the manual
 * leaves undefined are masked by a table of this file; in sequences, what depends on an undefined
 * flag is not compared. Usage: native [CASES [SEED]].
 */
#include <stdlib.h>

#include "base/mem.h"
#include "sem/eval.h"
#include "sem/x86.h"
#include "tests/unit.h"

#ifdef __x86_64__

#include "tests/native_forms.h"

enum {
	STATES = 8,   /* for each encoding */
	SEQUENCE = 5, /* instructions at most */
	ACCESSES = SEQUENCE * EFFECTS_MEMS,
};

/* What is run: n instructions, one after another. */
struct program {
	struct code code[SEQUENCE];
	unsigned n;
};

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

/*
 * Operands without a base get their address by the displacement, which follows ModRM and SIB; the
 * instruction ends at `end`. False when that cannot be.
 */
static bool set_displacement(struct code *c, const uint8_t *end, struct rng *r)
{
	for (unsigned k = 0; k < c->insn.nops; k++) {
		const struct insn_op *o = &c->insn.op[k];
		int32_t old = (int32_t)o->mem.disp, to = (int32_t)target(r);

		if (o->kind != INSN_OP_MEM || (o->mem.base != X86_NOREG && o->mem.base != X86_RIP))
			continue;
		if (o->mem.index != X86_NOREG)
			return false; /* the index would have to be small */
		if (o->mem.base == X86_RIP)
			to -= (int32_t)(intptr_t)end;
		for (unsigned at = c->n - 4; at > 1; at--)
			if (!memcmp(c->b + at, &old, 4)) {
				memcpy(c->b + at, &to, 4);
				return true;
			}
		return false;
	}
	return true;
}

/* ---- comparison ---- */

/* Flags that are undefined after i with that input, from the manual. */
static unsigned undefined_flags(const struct insn *i, const struct machine *in)
{
	const struct insn_op *last = &i->op[i->nops ? i->nops - 1 : 0];
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
		memcpy(out, w->in.vec[reg - X86_V0], 8 * vector_words());
	else if (reg >= X86_K0 && reg < X86_K0 + MASKS)
		out[0] = w->in.mask[reg - X86_K0];
	else if (reg >= X86_ST0 && reg < X86_ST0 + 8)
		memcpy(out, w->in.fx + 32 + 16 * (reg - X86_ST0), 10);
	else if (reg == X86_FPSW)
		out[0] = 0x037f0000;
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
	struct eval eval;
	struct world world;
	struct rng rng;
	struct effects_mem mem[ACCESSES]; /* of all instructions of the program */
	unsigned nmem;
	bool *unknown; /* by node: depends on an undefined flag */
	size_t nunknown;
	unsigned long cases, sequences, skipped, faults, mismatches;
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
	struct test *t, const struct program *p, const char *what, uint64_t got, uint64_t want)
{
	struct buf b = {0};

	if (t->mismatches++ > 1000 || t->reported[p->code[p->n - 1].insn.mn]++ > 2)
		return;
	for (unsigned k = 0; k < p->n; k++) {
		for (unsigned i = 0; i < p->code[k].n; i++)
			buf_printf(&b, "%02x ", p->code[k].b[i]);
		insn_print(&b, &p->code[k].insn, 0);
		buf_puts(&b, "; ");
	}
	fprintf(stderr, "%s%s is %llx, the processor says %llx\n", buf_text(&b), what,
		(unsigned long long)got, (unsigned long long)want);
	buf_free(&b);
}

/* Marks the nodes that depend on an undefined flag: FN nodes, here. */
static void mark_unknown(struct test *t)
{
	uint32_t n = expr_pool_count(t->pool);

	t->unknown = mem_grow(t->unknown, &t->nunknown, n, sizeof(*t->unknown));
	for (uint32_t i = 0; i < n; i++) {
		const struct expr *e = expr_pool_node(t->pool, i);

		t->unknown[i] = e->op == EXPR_FN;
		for (unsigned k = 0; k < e->nargs; k++)
			t->unknown[i] |= t->unknown[e->arg[k]->id];
	}
}

static bool is_unknown(const struct test *t, const struct expr *e)
{
	return t->unknown[e->id];
}

static bool is_x87(const struct insn *i)
{
	return i->mnemonic[0] == 'f';
}

/* Is e nothing that can be compared? An instruction alone has no unknowns but in x87 arithmetic. */
static bool open_value(const struct test *t, const struct program *p, const struct expr *e)
{
	return (p->n > 1 || is_x87(&p->code[0].insn)) && is_unknown(t, e);
}

static void compare_registers(struct test *t, const struct program *p)
{
	const struct machine *out = &area->data.out;
	uint64_t v[EXPR_WORDS];

	for (unsigned r = 0; r < 16; r++) {
		const struct expr *e = t->state.written[r] ? t->state.reg[r] : NULL;
		uint64_t got = e ? value(t, e, NULL) : t->world.in.gpr[r];

		if (got != out->gpr[r] && !(e && open_value(t, p, e)))
			report(t, p, insn_reg_name((struct insn_reg){(uint8_t)r, 0, 8}), got,
				out->gpr[r]);
	}
	for (unsigned r = 0; r < VECTORS; r++) {
		const struct expr *e =
			t->state.written[X86_V0 + r] ? t->state.reg[X86_V0 + r] : NULL;
		unsigned n = vector_words();

		memcpy(v, t->world.in.vec[r], sizeof(t->world.in.vec[r]));
		if (e)
			value(t, e, v);
		for (unsigned k = 0; k < n; k++)
			if (v[k] != out->vec[r][k] && !(e && open_value(t, p, e)))
				report(t, p,
					insn_reg_name(
						(struct insn_reg){(uint8_t)(X86_V0 + r), 0, 16}),
					v[k], out->vec[r][k]);
	}
}

static void compare_masks(struct test *t, const struct program *p)
{
	for (unsigned r = 0; has_avx512 && r < MASKS; r++) {
		const struct expr *e =
			t->state.written[X86_K0 + r] ? t->state.reg[X86_K0 + r] : NULL;
		uint64_t got = e ? value(t, e, NULL) : t->world.in.mask[r];

		if (got != area->data.out.mask[r] && !(e && open_value(t, p, e)))
			report(t, p, insn_reg_name((struct insn_reg){(uint8_t)(X86_K0 + r), 0, 8}),
				got, area->data.out.mask[r]);
	}
}

static void compare_stack(struct test *t, const struct program *p)
{
	uint64_t got[EXPR_WORDS], want[2];

	for (unsigned r = 0; r < 8; r++) {
		const struct expr *e = t->state.reg[X86_ST0 + r];

		if (!t->state.written[X86_ST0 + r] || is_unknown(t, e))
			continue;
		value(t, e, got);
		memcpy(want, area->data.out.fx + 32 + 16 * r, sizeof(want));
		if (got[0] != want[0] || got[1] != (want[1] & 0xffff))
			report(t, p,
				insn_reg_name((struct insn_reg){(uint8_t)(X86_ST0 + r), 0, 10}),
				got[0], want[0]);
	}
}

static void compare_flags(struct test *t, const struct program *p)
{
	unsigned undefined = p->n == 1 ? undefined_flags(&p->code[0].insn, &t->world.in) : 0;

	for (unsigned f = 0; f < X86_FLAG_COUNT; f++) {
		uint64_t want = area->data.out.flags >> flag_place[f] & 1, got;
		const struct expr *e = state_peek_flag(&t->state, f);

		if (undefined >> f & 1 || open_value(t, p, e))
			continue;
		got = value(t, e, NULL) & 1;
		if (got != want)
			report(t, p, x86_processor.flag_name(f), got, want);
	}
}

static void compare_memory(struct test *t, const struct program *p)
{
	static uint8_t want[2 * PAGE];
	uint64_t v[EXPR_WORDS];

	memcpy(want, t->world.before, sizeof(want));
	for (uint32_t seq = 1; seq <= t->state.seq; seq++)
		for (size_t k = 0; k < t->state.nstores; k++) {
			const struct state_store *s = &t->state.store[k];

			if (s->seq != seq)
				continue;
			if (is_unknown(t, s->val))
				return;
			value(t, s->val, v);
			memcpy(want + (value(t, s->addr, NULL) - (uint64_t)(uintptr_t)area->memory),
				v, s->size);
		}
	for (size_t i = 0; i < WINDOW; i++) {
		size_t at = (size_t)(window() - area->memory) + i;

		if (want[at] != area->memory[at]) {
			report(t, p, "memory", want[at], area->memory[at]);
			return;
		}
	}
}

static bool memory_in_window(struct test *t)
{
	for (unsigned k = 0; k < t->nmem; k++) {
		uint64_t at = value(t, t->mem[k].addr, NULL) - (uint64_t)(uintptr_t)window();

		if (at >= WINDOW || at + t->mem[k].size > WINDOW)
			return false;
	}
	return true;
}

/* ---- running ---- */

/* Makes the state one in which the program can run, as far as that can be said beforehand. */
static bool prepare_all(struct test *t, const struct program *p)
{
	random_state(&t->world.in, &t->rng);
	for (unsigned k = p->n; k-- > 0;)
		if (!prepare(&t->world.in, &p->code[k].insn, &t->rng))
			return false;
	memcpy(t->world.before, area->memory, sizeof(t->world.before));
	eval_reset(&t->eval);
	return memory_in_window(t);
}

static void run_case(struct test *t, const struct program *p)
{
	const struct insn *last = &p->code[p->n - 1].insn;
	unsigned long before = t->mismatches;
	int sig;

	if (!prepare_all(t, p)) {
		t->skipped++;
		return;
	}
	area->data.in = t->world.in;
	sig = run_native();
	if (sig) {
		if (sig == SIGILL && p->n == 1)
			t->unsupported[last->mn] = true;
		t->faults++;
		return;
	}
	t->cases++;
	t->sequences += p->n > 1;
	for (unsigned k = 0; k < p->n; k++)
		t->ran[p->code[k].insn.mn]++;
	if (last->flow == INSN_COND && !is_unknown(t, t->state.cond)) {
		uint64_t got = value(t, t->state.cond, NULL);

		if (got != area->data.taken)
			report(t, p, "condition", got, area->data.taken);
	}
	if (p->n > 1 || !undefined_result(last, &t->world.in)) {
		compare_registers(t, p);
		compare_masks(t, p);
		compare_memory(t, p);
		compare_stack(t, p);
	}
	compare_flags(t, p);
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

/* Not for sequences: a result that the processor leaves open without saying so by an unknown. */
static bool stands_alone(const struct insn *i, bool last)
{
	if (i->flow != INSN_FALL && !last)
		return true;
	if (i->prefix & (INSN_REP | INSN_REPNE) || i->mn == X86_STD)
		return true;
	if (is_x87(i)) /* registers become empty */
		return true;
	switch (i->mn) {
	case X86_SHL:
	case X86_SAL:
	case X86_SHR:
	case X86_SHLD:
	case X86_SHRD: return i->op[0].size < 4;
	default: return false;
	}
}

/* An instruction of that form that ends at `end`; false when chance did not make one. */
static bool make_code(struct test *t, struct code *c, const struct form *f, const uint8_t *end,
	bool alone, bool last)
{
	encode(c, f, &t->rng);
	if (!decode(t->decoder, c) || !set_displacement(c, end, &t->rng) || !decode(t->decoder, c))
		return false;
	if (!alone && stands_alone(&c->insn, last))
		return false;
	return c->insn.flow != INSN_COND || set_target(t, c);
}

/* Executes the program symbolically; false when it touches more than can be checked. */
static bool step_all(struct test *t, const struct program *p, const uint8_t *start)
{
	struct x86_effects fx;

	expr_pool_reset(t->pool);
	state_reset(&t->state, t->pool, STATE_STRICT);
	t->nmem = 0;
	for (unsigned k = 0; k < p->n; k++) {
		start += p->code[k].n;
		t->state.rip = expr_const(t->pool, 64, (uint64_t)(uintptr_t)start);
		t->state.fx = &fx;
		x86_step(&t->state, &p->code[k].insn);
		t->state.fx = NULL;
		if (fx.overflow || !fx.known)
			return false;
		memcpy(t->mem + t->nmem, fx.mem, fx.nmem * sizeof(fx.mem[0]));
		t->nmem += fx.nmem;
	}
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		(void)state_peek_flag(&t->state, f); /* so that their nodes are there */
	mark_unknown(t);
	for (unsigned k = 0; k < t->nmem; k++)
		if (is_unknown(t, t->mem[k].addr))
			return false;
	return true;
}

/* A program of n instructions, the last of form f, the others of any. */
static void run_form(
	struct test *t, const struct form *f, unsigned n, const struct form *all, size_t count)
{
	uint8_t *at = area->code + INSN_END;
	struct program p = {.n = n};

	memset(at - SEQUENCE * INSN_MAX_LEN, 0x90, SEQUENCE * INSN_MAX_LEN);
	for (unsigned k = n; k-- > 0;) {
		struct code *c = &p.code[k];
		unsigned tries = 0;

		while (!make_code(t, c, f, at, n == 1, k + 1 == n)) {
			if (++tries > 20)
				return;
			f = n == 1 ? f : &all[rng_below(&t->rng, count)];
		}
		at -= c->n;
		memcpy(at, c->b, c->n);
		f = &all[rng_below(&t->rng, count)];
	}
	if (step_all(t, &p, at))
		for (unsigned k = 0; k < STATES; k++)
			run_case(t, &p);
}

static void summary(const struct test *t, size_t forms)
{
	unsigned ran = 0;

	for (unsigned m = 1; m < X86_MN_COUNT; m++) {
		bool known = x86_known(&(struct insn){.mn = (uint16_t)m});

		ran += t->ran[m] != 0;
		if (!t->ran[m] && t->unsupported[m])
			printf("skipped: %s: this processor has none of the forms tried\n",
				x86_mnemonics_text(m));
		else if (!t->ran[m] && known)
			printf("not run: %s\n", x86_mnemonics_text(m));
	}
	printf("%lu cases (%lu of sequences), %zu forms of %u mnemonics; %lu faulted, %lu could "
	       "not be placed\n",
		t->cases, t->sequences, forms, ran, t->faults, t->skipped);
}

int main(int argc, char **argv)
{
	unsigned long cases = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	struct test t = {.rng = rng_new(argc > 2 ? strtoul(argv[2], NULL, 10) : 1, 0)};
	struct form *forms;
	size_t n;

	has_avx = __builtin_cpu_supports("avx2");
	has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
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
	forms = all_forms(t.decoder, &t.rng, &n);
	while (t.cases < cases)
		for (size_t i = 0; i < n && t.cases < cases; i++) {
			run_form(&t, &forms[i], 1, forms, n);
			if (i % 2 == 0)
				run_form(&t, &forms[i], 2 + pick(&t.rng, SEQUENCE - 1), forms, n);
		}
	summary(&t, n);
	mem_free(forms);
	mem_free(t.unknown);
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
