/*
 * sem_dump.c: what bb says code does in a random state, as text, for tests/peers/semantics.py.
 *
 *	sem_dump SEED < CODE
 *
 * A line of CODE is instructions in hexadecimal, run one after another. The answer is one line,
 * "no WHY" or blank-separated groups:
 *
 *	in NAME VALUE       a register or flag before; all of them
 *	out NAME VALUE      one that was written
 *	open NAME           one that was written with something undefined
 *	read ADDR N         memory that was read
 *	write ADDR BYTES    memory that was written
 *
 * Memory holds fill(ADDR) before. Numbers are hexadecimal. Addresses are within WINDOW, or the
 * answer is no.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "sem/eval.h"
#include "sem/x86.h"

enum { CODE = 1024, INSNS = 64, TRIES = 12, VECTORS = 16, VECTOR_WORDS = 4 };
#define WINDOW     UINT64_C(0x20000000) /* 1 MiB from here */
#define WINDOW_END UINT64_C(0x20100000)
#define PC         UINT64_C(0x10000000) /* where the code is */

static struct expr_pool *pool;
static struct state state;
static struct eval eval;
static uint64_t gpr[16], vec[VECTORS][VECTOR_WORDS], flags;
static bool *open_node;
static size_t nopen;

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	(void)ctx;
	memset(out, 0, (width + 63) / 64 * sizeof(*out));
	if (reg < 16)
		out[0] = gpr[reg];
	else if (reg >= X86_V0 && reg < X86_V0 + VECTORS)
		memcpy(out, vec[reg - X86_V0], sizeof(vec[0]));
	else if (reg >= STATE_FLAG_INPUT)
		out[0] = flags >> (reg - STATE_FLAG_INPUT) & 1;
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	(void)ctx;
	for (unsigned i = 0; i < n; i++)
		out[i] = (uint8_t)((uint32_t)(addr + i) * 0x9e3779b1u >> 24);
}

static void random_state(struct rng *r)
{
	static const uint64_t corners[] = {0, 1, 2, 7, 31, 63, UINT64_MAX, INT64_MAX,
		UINT64_C(1) << 63, 0x80000000, 0x7fffffff, 0xffffffff, 0x80, 0xff, 0x8000};

	for (unsigned i = 0; i < 16; i++)
		switch (rng_below(r, i == X86_RSP || i == X86_RBP ? 1 : 4)) {
		case 0: gpr[i] = WINDOW + 0x40000 + rng_below(r, 0x8000) * 16; break;
		case 1: gpr[i] = corners[rng_below(r, COUNT_OF(corners))]; break;
		case 2: gpr[i] = rng_below(r, 256); break;
		default: gpr[i] = rng_u64(r); break;
		}
	for (unsigned i = 0; i < VECTORS; i++)
		for (unsigned k = 0; k < VECTOR_WORDS; k++)
			vec[i][k] = k < 2 ? rng_u64(r) : 0;
	flags = rng_below(r, 1u << X86_DF); /* the direction flag is clear */
}

static bool is_open(const struct expr *e)
{
	return open_node[e->id];
}

/* Nodes that depend on something undefined: functions. */
static void mark_open(void)
{
	uint32_t n = expr_pool_count(pool);

	if (n > nopen) {
		nopen = 2 * n;
		open_node = realloc(open_node, nopen * sizeof(*open_node));
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct expr *e = expr_pool_node(pool, i);

		open_node[i] = e->op == EXPR_FN;
		for (unsigned k = 0; k < e->nargs; k++)
			open_node[i] |= open_node[e->arg[k]->id];
	}
}

static void put_words(const char *what, const char *name, const uint64_t *w, unsigned n)
{
	printf("%s %s ", what, name);
	while (n > 1 && !w[n - 1])
		n--;
	printf("%" PRIx64, w[n - 1]);
	while (--n)
		printf("%016" PRIx64, w[n - 1]);
	putchar(' ');
}

static void put_value(const char *name, const struct expr *e)
{
	uint64_t w[EXPR_WORDS];

	if (e->op == EXPR_TRUNC || is_open(e) || eval_expr(&eval, e, w) < 0)
		printf("open %s ", name);
	else
		put_words("out", name, w, (e->width + 63) / 64);
}

/* Makes rdx:rax an extension of rax for a division; false when the quotient will not fit. */
static bool divides(const struct insn *i)
{
	const struct insn_op *o = &i->op[0];
	unsigned bits = o->size * 8u;
	uint64_t top = UINT64_C(1) << (bits - 1), ones = 2 * top - 1, divisor = 1, high;
	bool is_signed = i->mn == X86_IDIV;

	if (i->mn != X86_DIV && i->mn != X86_IDIV)
		return true;
	high = is_signed && gpr[X86_RAX] & top ? ones : 0;
	if (bits == 8)
		gpr[X86_RAX] = (gpr[X86_RAX] & ~UINT64_C(0xff00)) | high << 8;
	else
		gpr[X86_RDX] = high;
	if (o->kind == INSN_OP_REG)
		divisor = gpr[o->reg.id] >> o->reg.lo * 8 & ones;
	return divisor && divisor != ones; /* of memory: fill is neither but by chance */
}

/* Runs the code symbolically; the accesses to memory in *mem. NULL, or why not. */
static const char *step_all(
	const struct insn *insn, size_t n, struct effects_mem *mem, size_t *nmem, unsigned *written)
{
	uint64_t pc = PC;

	expr_pool_reset(pool);
	state_reset(&state, pool, STATE_STRICT);
	*nmem = 0;
	*written = 0;
	for (size_t i = 0; i < n; i++) {
		struct x86_effects fx;

		memset(&fx, 0, sizeof(fx));
		state.fx = &fx;
		pc += insn[i].len;
		state.rip = expr_const(pool, 64, pc);
		for (unsigned k = 0; k < insn[i].nops; k++)
			if (insn[i].op[k].kind == INSN_OP_MEM &&
				(insn[i].op[k].mem.base == X86_RIP ||
					(insn[i].op[k].mem.seg != X86_NOREG &&
						insn[i].op[k].mem.seg >= X86_FS)))
				return "rip or segment";
		if (insn[i].flow != INSN_FALL)
			return "flow";
		if (insn[i].mnemonic[0] == 'f')
			return "x87";
		if (!x86_step(&state, &insn[i]))
			return "unknown";
		if (fx.overflow || expr_pool_full(pool))
			return "large";
		*written |= fx.flags_written;
		memcpy(mem + *nmem, fx.mem, fx.nmem * sizeof(*mem));
		*nmem += fx.nmem;
	}
	state.fx = NULL;
	return NULL;
}

static bool in_window(const struct effects_mem *mem, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at;

		if (eval_expr(&eval, mem[i].addr, &at) < 0 || at < WINDOW ||
			at > WINDOW_END - mem[i].size)
			return false;
	}
	return true;
}

static void put_memory(const struct effects_mem *mem, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct expr *now;
		uint64_t at, w[EXPR_WORDS];

		if (eval_expr(&eval, mem[i].addr, &at) < 0)
			continue;
		if (!mem[i].write) {
			printf("read %" PRIx64 " %" PRIx32 " ", at, mem[i].size);
			continue;
		}
		/* what is there in the end */
		now = state_load(&state, mem[i].addr, mem[i].size);
		mark_open();
		if (now->op == EXPR_TRUNC || is_open(now) || eval_expr(&eval, now, w) < 0)
			continue;
		printf("write %" PRIx64 " ", at);
		for (uint32_t k = 0; k < mem[i].size; k++)
			printf("%02x", (unsigned)(w[k / 8] >> k % 8 * 8 & 0xff));
		putchar(' ');
	}
}

static void put_answer(const struct effects_mem *mem, size_t nmem, unsigned written)
{
	char name[16];

	for (unsigned i = 0; i < 16; i++)
		put_words("in", x86_input_name(i), &gpr[i], 1);
	for (unsigned i = 0; i < VECTORS; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		put_words("in", name, vec[i], VECTOR_WORDS);
	}
	for (unsigned f = 0; f < X86_DF; f++)
		put_words("in", state_flag_name(f), &(uint64_t){flags >> f & 1}, 1);
	for (unsigned f = 0; f < X86_DF; f++)
		if (written >> f & 1)
			state_flag(&state, f);
	put_memory(mem, nmem);
	mark_open();
	for (unsigned i = 0; i < 16; i++)
		if (state.written[i])
			put_value(x86_input_name(i), state.reg[i]);
	for (unsigned i = 0; i < VECTORS; i++)
		if (state.written[X86_V0 + i]) {
			const struct expr *e = expr_extract(pool, state.reg[X86_V0 + i], 0, 256);

			mark_open();
			snprintf(name, sizeof(name), "v%u", i);
			put_value(name, e);
		}
	for (unsigned f = 0; f < X86_DF; f++)
		if (written >> f & 1) {
			const struct expr *e = state_flag(&state, f);

			mark_open();
			put_value(state_flag_name(f), e);
		}
}

static const char *answer(struct insn_decoder *d, const char *hex, struct rng *r)
{
	struct insn insn[INSNS];
	struct effects_mem mem[INSNS * EFFECTS_MEMS];
	uint8_t code[CODE];
	size_t n = strspn(hex, "0123456789abcdef") / 2, k = 0, nmem;
	const char *why = NULL;
	unsigned written;

	if (n > CODE)
		return "long";
	for (size_t i = 0; i < n; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

		code[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	for (size_t at = 0; at < n; at += insn[k++].len)
		if (k == INSNS || !insn_decode(d, code + at, n - at, &insn[k]))
			return "does not decode";
	for (unsigned tries = 0; tries < TRIES && !why; tries++) {
		random_state(r);
		if (!divides(&insn[0]))
			continue;
		eval_reset(&eval);
		why = step_all(insn, k, mem, &nmem, &written);
		if (!why && in_window(mem, nmem)) {
			put_answer(mem, nmem, written);
			return NULL;
		}
	}
	return why ? why : "outside the window";
}

int main(int argc, char **argv)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct rng r = rng_new(argc > 1 ? strtoul(argv[1], NULL, 10) : 1, 0);
	char line[2 * CODE + 4];

	pool = expr_pool_new(0);
	eval.input = input;
	eval.load = load;
	while (fgets(line, sizeof(line), stdin)) {
		const char *why = answer(d, line, &r);

		if (why)
			printf("no %s", why);
		putchar('\n');
		fflush(stdout);
	}
	return 0;
}
