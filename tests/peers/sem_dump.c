/*
 * sem_dump.c: what bb says code does in a random state, as text, for tests/peers/semantics.py.
 *
 *	sem_dump [-v] SEED < CODE
 *
 * A line of CODE is instructions in hexadecimal, run one after another; of several the last is left
 * out when it is a branch (what decides it is in the flags). The answer is one line,
 * "no WHY" or blank-separated groups:
 *
 *	code BYTES          what was run: as given, but what is relative to rip lies in WINDOW
 *	in NAME VALUE       a register or flag before; all of them
 *	out NAME VALUE      one that was written
 *	open NAME           one that was written with something undefined
 *	read ADDR N         memory that was read
 *	write ADDR BYTES    memory that was written
 *
 * With -v the answer to a single instruction goes on with what VEX says (sem_vex.h), "vex none" or
 *
 *	vex NAME VALUE      a register or flag after; all of them
 *	vexmem ADDR BYTES   memory after, where it was written; and where it was not but has changed
 *
 * Memory holds fill(ADDR) before. Numbers are hexadecimal. Addresses are within WINDOW, or the
 * answer is no.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/rng.h"
#include "code/x86_fields.h"
#include "sem/eval.h"
#include "sem/x86.h"
#include "tests/peers/sem_vex.h"

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
static bool with_vex;
static uint8_t *window; /* with VEX: the memory, at its address; and as it is before */
static uint8_t *before;

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	(void)ctx;
	memset(out, 0, (width + 63) / 64 * sizeof(*out));
	if (reg < 16)
		out[0] = gpr[reg];
	else if (reg >= X86_V0 && reg < X86_V0 + VECTORS)
		memcpy(out, vec[reg - X86_V0], sizeof(vec[0]));
	else if (reg == X86_MXCSR)
		out[0] = 0x1f80; /* as the peers start */
	else if (reg >= STATE_FLAG_INPUT)
		out[0] = flags >> (reg - STATE_FLAG_INPUT) & 1;
}

static uint8_t fill(uint64_t addr)
{
	return (uint8_t)((uint32_t)addr * 0x9e3779b1u >> 24);
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	(void)ctx;
	for (unsigned i = 0; i < n; i++)
		out[i] = fill(addr + i);
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
			vec[i][k] = k < 2 || with_vex ? rng_u64(r) : 0;
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

static void put_flags(const char *what, uint64_t mask)
{
	for (unsigned f = 0; f < X86_DF; f++)
		put_words(what, state_flag_name(f), &(uint64_t){mask >> f & 1}, 1);
}

static void put_bytes(const char *what, uint64_t at, const uint8_t *b, size_t n)
{
	printf("%s %" PRIx64 " ", what, at);
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
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
				insn[i].op[k].mem.seg != X86_NOREG &&
				insn[i].op[k].mem.seg >= X86_FS)
				return "segment";
		if (insn[i].flow != INSN_FALL)
			return "flow";
		if (insn[i].mnemonic[0] == 'f')
			return "x87";
		if (insn[i].lane) /* neither Unicorn nor VEX knows it */
			return "avx512";
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
		put_bytes("write", at, (const uint8_t *)w, mem[i].size);
	}
}

/* ---- VEX ---- */

static const uint8_t flag_place[X86_DF] = {0, 2, 4, 6, 7, 11};

/* Memory after VEX ran: where bb says it was written, then where else it is not as before. */
static void put_vex_memory(const struct effects_mem *mem, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at;

		if (!mem[i].write || eval_expr(&eval, mem[i].addr, &at) < 0)
			continue;
		put_bytes("vexmem", at, window + (at - WINDOW), mem[i].size);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t at;

		if (mem[i].write && !eval_expr(&eval, mem[i].addr, &at))
			memcpy(window + (at - WINDOW), before + (at - WINDOW), mem[i].size);
	}
	for (size_t at = 0; memcmp(window, before, WINDOW_END - WINDOW); at++)
		if (window[at] != before[at]) {
			put_bytes("vexmem", WINDOW + at, window + at, 1);
			window[at] = before[at];
		}
}

static void put_vex(
	const uint8_t *code, const struct insn *i, const struct effects_mem *mem, size_t nmem)
{
	struct sem_vex_state s;
	char name[16];
	uint64_t after = 0;

	memcpy(s.gpr, gpr, sizeof(s.gpr));
	memcpy(s.vec, vec, sizeof(s.vec));
	s.flags = 0;
	for (unsigned f = 0; f < X86_DF; f++)
		s.flags |= (flags >> f & 1) << flag_place[f];
	if (sem_vex_run(code, i->len, PC, &s)) {
		memcpy(window, before, WINDOW_END - WINDOW);
		printf("vex none ");
		return;
	}
	for (unsigned r = 0; r < 16; r++)
		put_words("vex", processor_input_name(r), &s.gpr[r], 1);
	for (unsigned r = 0; r < VECTORS; r++) {
		snprintf(name, sizeof(name), "v%u", r);
		put_words("vex", name, s.vec[r], VECTOR_WORDS);
	}
	for (unsigned f = 0; f < X86_DF; f++)
		after |= (s.flags >> flag_place[f] & 1) << f;
	put_flags("vex", after);
	put_vex_memory(mem, nmem);
}

static void open_vex(void)
{
	size_t n = WINDOW_END - WINDOW;

	window = mmap((void *)(uintptr_t)WINDOW, n, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	before = malloc(n);
	if (window == MAP_FAILED || sem_vex_open()) {
		fprintf(stderr, "sem_dump: VEX cannot run here\n");
		exit(1);
	}
	for (size_t i = 0; i < n; i++)
		window[i] = before[i] = fill(WINDOW + i);
}

static void put_answer(const struct effects_mem *mem, size_t nmem, unsigned written)
{
	char name[16];

	for (unsigned i = 0; i < 16; i++)
		put_words("in", processor_input_name(i), &gpr[i], 1);
	for (unsigned i = 0; i < VECTORS; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		put_words("in", name, vec[i], VECTOR_WORDS);
	}
	put_flags("in", flags);
	for (unsigned f = 0; f < X86_DF; f++)
		if (written >> f & 1)
			state_flag(&state, f);
	put_memory(mem, nmem);
	mark_open();
	for (unsigned i = 0; i < 16; i++)
		if (state.written[i])
			put_value(processor_input_name(i), state.reg[i]);
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

/* Moves what instructions address relative to rip into the window. */
static void set_displacements(uint8_t *code, const struct insn *insn, size_t n, struct rng *r)
{
	uint64_t at = 0;

	for (size_t i = 0; i < n; at += insn[i++].len) {
		uint64_t to = WINDOW + 0x40000 + rng_below(r, 0x8000) * 16;
		uint32_t disp = (uint32_t)(to - PC - at - insn[i].len);
		struct x86_fields f;

		for (unsigned k = 0; k < insn[i].nops; k++)
			if (insn[i].op[k].kind == INSN_OP_MEM &&
				insn[i].op[k].mem.base == X86_RIP &&
				!x86_fields_get(&f, code + at, insn[i].len) && f.disp_len == 4)
				memcpy(code + at + f.head, &disp, 4);
	}
}

/* Decodes all n bytes: the number of instructions, 0 if they are none or too many. */
static size_t decode(struct insn_decoder *d, const uint8_t *code, size_t n, struct insn *insn)
{
	size_t k = 0;

	for (size_t at = 0; at < n; at += insn[k++].len)
		if (k == INSNS || !insn_decode(d, code + at, n - at, &insn[k]))
			return 0;
	return k;
}

static const char *answer(struct insn_decoder *d, const char *hex, struct rng *r)
{
	struct insn insn[INSNS];
	struct effects_mem mem[INSNS * EFFECTS_MEMS];
	uint8_t code[CODE];
	size_t n = strspn(hex, "0123456789abcdef") / 2, k, nmem;
	const char *why = NULL;
	bool one_step = false; /* the meaning of rep is a step that is taken */
	unsigned written;

	if (n > CODE)
		return "long";
	for (size_t i = 0; i < n; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

		code[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	k = decode(d, code, n, insn);
	set_displacements(code, insn, k, r);
	if (!k || !decode(d, code, n, insn))
		return "does not decode";
	if (k > 1 && insn[k - 1].flow == INSN_COND)
		n -= insn[--k].len;
	for (size_t i = 0; i < k; i++)
		if (insn[i].prefix & (INSN_REP | INSN_REPNE))
			one_step = true;
	for (unsigned tries = 0; tries < TRIES && !why; tries++) {
		random_state(r);
		if (one_step)
			gpr[X86_RCX] = 1;
		if (!divides(&insn[0]))
			continue;
		eval_reset(&eval);
		why = step_all(insn, k, mem, &nmem, &written);
		if (!why && in_window(mem, nmem)) {
			printf("code ");
			for (size_t i = 0; i < n; i++)
				printf("%02x", code[i]);
			putchar(' ');
			put_answer(mem, nmem, written);
			if (with_vex && k == 1)
				put_vex(code, &insn[0], mem, nmem);
			return NULL;
		}
	}
	return why ? why : "outside the window";
}

int main(int argc, char **argv)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct rng r = rng_new(argc > 1 ? strtoul(argv[argc - 1], NULL, 10) : 1, 0);
	char line[2 * CODE + 4];

	with_vex = argc > 2 && !strcmp(argv[1], "-v");
	if (with_vex)
		open_vex();
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
