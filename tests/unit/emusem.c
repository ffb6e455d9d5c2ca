/*
 * emusem.c: micro-traces of real programs against the meanings of sem/: what the emulator says a
 * register holds before each instruction is what the symbolic state says, evaluated on the same
 * registers and memory. Two texts that share nothing but the decoder.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "code/regs.h"
#include "emu/machine.h"
#include "emu/memory.h"
#include "sem/eval.h"
#include "sem/x86.h"
#include "tests/unit.h"

enum {
	STRETCH = 48,      /* instructions that are run together */
	PER_PROGRAM = 250, /* stretches */
	REGS = 32,         /* rax to r15, xmm0 to xmm15 */
	SEED = 5,
	STEP = 1,
	FIRST_BYTES = 2,
};

struct test {
	struct insn_decoder *dec;
	struct machine *machine;
	struct memory *memory; /* as on entry: never written */
	struct expr_pool *pool;
	struct state s;
	struct x86_effects fx;
	struct eval eval;
	uint64_t end; /* address behind all code */
	uint8_t code[STRETCH * 15];
	size_t size;
	uint64_t values[(STRETCH + 1) * REGS];
	unsigned long compared, skipped, stretches, mismatches;
};

/* The code: one instruction that sets all flags, so that those on entry do not matter. */
static const uint8_t sets_flags[FIRST_BYTES] = {0x01, 0xf7}; /* add edi, esi */

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	const struct test *t = ctx;

	memset(out, 0, (width + 63) / 64 * sizeof(*out));
	if (reg < 16)
		out[0] = t->values[reg];
	else if (reg >= X86_V0 && reg < X86_V0 + 16)
		out[0] = t->values[16 + reg - X86_V0];
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	struct test *t = ctx;

	memory_read(t->memory, addr, out, n);
	for (unsigned i = 0; i < n; i++)
		if (addr + i - (t->end - t->size) < t->size)
			out[i] = t->code[addr + i - (t->end - t->size)];
}

/* Where the emulator is silent or sem/ shows something else, on purpose. */
static bool is_left_out(const struct insn *i, const uint8_t *p)
{
	bool vex = p[0] == 0xc4 || p[0] == 0xc5 || p[0] == 0x62;

	if ((p[0] & 0xf0) == 0x40 && (p[1] == 0x66 || p[1] == 0x67 || (p[1] & 0xf0) == 0x40))
		return true; /* a REX that is not the last prefix counts in Unicorn 2.0.1 */
	if (codeseq_is_bad(i) || i->mask || !x86_known(i))
		return true;
	if (i->prefix & (INSN_REP | INSN_REPNE))
		return true; /* one step of the loop there, the loop here */
	if (i->mnemonic[0] == 'f')
		return true; /* x87: what its registers hold is not asked */
	if (i->mn == X86_ENTER)
		return true; /* unknown there when it is nested */
	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *op = &i->op[k];

		if (op->kind == INSN_OP_REG &&
			(op->reg.id >= X86_ST0 || (op->reg.id > X86_FLAGS && op->reg.id < X86_V0) ||
				(op->reg.id >= X86_V0 && vex)))
			return true;
		if (op->kind == INSN_OP_MEM && (op->mem.seg == X86_FS || op->mem.seg == X86_GS))
			return true;
		if (op->kind == INSN_OP_MEM && op->size > 16)
			return true;
	}
	return false;
}

/* The upper halves of vectors on entry are not known here. */
static bool depends_on_upper(const struct test *t)
{
	for (unsigned r = 0; r < 16; r++)
		if (t->s.read[X86_V0 + r] >> 8)
			return true;
	return false;
}

/*
 * Faults, which sem/ does not know: a division that changes nothing, and an access to the last page
 * of all addresses, which is not there.
 */
static bool may_fault(struct test *t, const struct insn *i, size_t k)
{
	const uint64_t *v = &t->values[k * REGS];
	uint64_t addr;

	if ((i->mn == X86_DIV || i->mn == X86_IDIV) && v[REGS + X86_RAX] == v[X86_RAX] &&
		v[REGS + X86_RDX] == v[X86_RDX])
		return true;
	for (unsigned m = 0; m < t->fx.nmem; m++)
		if (eval_expr(&t->eval, t->fx.mem[m].addr, &addr) == 0 && addr + 8192 < 8192 + 64)
			return true;
	return false;
}

static void report(const struct insn *i, unsigned id, uint64_t got, uint64_t want)
{
	struct buf b = {0};

	insn_print(&b, i, 0);
	fprintf(stderr, "behind %.*s: register %u is 0x%llx, must be 0x%llx\n", (int)b.n,
		(const char *)b.p, id, (unsigned long long)got, (unsigned long long)want);
	buf_free(&b);
}

static void compare(struct test *t, const struct insn *i, size_t k)
{
	for (unsigned r = 0; r < REGS; r++) {
		unsigned id = r < 16 ? r : X86_V0 + r - 16;
		uint64_t v[EXPR_WORDS], got = t->values[k * REGS + r];

		if (eval_expr(&t->eval, state_peek(&t->s, id), v) < 0)
			continue;
		t->compared++;
		if (v[0] != got && t->mismatches++ < 10)
			report(i, id, got, v[0]);
	}
}

/* The number of the register in code/regs.h. */
static uint8_t number(unsigned r)
{
	struct insn_reg whole = {(uint8_t)(r < 16 ? r : X86_V0 + r - 16), 0, r < 16 ? 8 : 16};

	return (uint8_t)regs_x86(whole);
}

/* Runs instructions of a program in a straight line, and steps through them beside it. */
static void check_stretch(struct test *t, const struct insn *insn, const uint8_t *len, size_t n)
{
	static uint8_t reg[(STRETCH + 1) * REGS];
	static uint32_t first[STRETCH + 2];
	struct machine_code c = {t->code, insn, n, 0, reg, first};
	const struct expr *rip;
	uint64_t at = t->end - t->size;
	uint8_t undefined = 0;

	for (size_t i = 0; i < n; i++) {
		first[i + 1] = (uint32_t)((i + 1) * REGS);
		for (unsigned r = 0; r < REGS; r++)
			reg[i * REGS + r] = number(r);
	}
	CHECK(machine_load(t->machine, &c) == 0);
	machine_run(t->machine, SEED, STEP, t->values);
	memory_reset(t->memory, SEED, STEP);
	expr_pool_reset(t->pool);
	state_reset(&t->s, t->pool, STATE_STRICT);
	eval_reset(&t->eval);
	t->s.fx = &t->fx;
	t->stretches++;
	for (size_t i = 0; i + 1 < n; i++) {
		at += len[i];
		if (insn[i].flow != INSN_FALL)
			continue;
		rip = expr_const(t->pool, 64, at);
		t->s.rip = rip;
		x86_step(&t->s, &insn[i]);
		if ((t->fx.flags_read & undefined) || depends_on_upper(t) ||
			may_fault(t, &insn[i], i)) {
			t->skipped++;
			break;
		}
		undefined |= t->fx.flags_undefined;
		undefined &= (uint8_t) ~(t->fx.flags_written & ~t->fx.flags_undefined);
		undefined |= t->fx.flags_kept & undefined;
		compare(t, &insn[i], i + 1);
	}
	t->s.fx = NULL;
}

static void check_code(struct test *t, const uint8_t *p, size_t size)
{
	size_t step = size / PER_PROGRAM;

	for (size_t from = 0; from + STRETCH * 15 < size; from += MAX(step, STRETCH * 4)) {
		struct insn insn[STRETCH];
		uint8_t len[STRETCH];
		size_t n = 1, at = from;

		memcpy(t->code, sets_flags, FIRST_BYTES);
		CHECK(insn_decode(t->dec, sets_flags, FIRST_BYTES, &insn[0]));
		len[0] = FIRST_BYTES;
		t->size = FIRST_BYTES;
		while (n < STRETCH && insn_decode(t->dec, p + at, size - at, &insn[n]) &&
			!is_left_out(&insn[n], p + at)) {
			memcpy(t->code + t->size, p + at, insn[n].len);
			t->size += insn[n].len;
			at += insn[n].len;
			len[n] = insn[n].len;
			n++;
		}
		if (n > 2)
			check_stretch(t, insn, len, n);
	}
}

static void check_program(struct test *t, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	const uint8_t *p;
	const Elf64_Ehdr *e;
	const Elf64_Shdr *s;

	if (fd < 0)
		return;
	CHECK(fstat(fd, &st) == 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	CHECK(p != MAP_FAILED);
	e = (const Elf64_Ehdr *)p;
	s = (const Elf64_Shdr *)(p + e->e_shoff);
	for (unsigned i = 0; e->e_machine == EM_X86_64 && i < e->e_shnum; i++)
		if (s[i].sh_type == SHT_PROGBITS && (s[i].sh_flags & SHF_EXECINSTR) &&
			s[i].sh_size > STRETCH * 15)
			check_code(t, p + s[i].sh_offset, s[i].sh_size);
	munmap((void *)(uintptr_t)p, (size_t)st.st_size);
}

/* Where code ends: lea rax, [rip]; nop. */
static uint64_t find_end(struct test *t)
{
	static const uint8_t code[] = {0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x90}, len[] = {7, 1};
	static const uint8_t rax[] = {0};
	static const uint32_t first[] = {0, 0, 1};
	struct insn insn[2];
	struct machine_code c = {code, insn, 2, 0, rax, first};
	uint64_t v = 0;

	codeseq_decode(t->dec, code, len, 2, insn);
	CHECK(machine_load(t->machine, &c) == 0);
	machine_run(t->machine, SEED, STEP, &v);
	return v + 1;
}

int main(void)
{
	static const char *const programs[] = {"/bin/ls", "/bin/bash", "/bin/tar", "/usr/bin/perl",
		"/usr/bin/openssl", "/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/x86_64-linux-gnu/libm.so.6", "/lib/x86_64-linux-gnu/libcrypto.so.3"};
	struct test t = {.dec = insn_open(ARCH_X86_64),
		.machine = machine_open(ARCH_X86_64),
		.memory = memory_new(),
		.pool = expr_pool_new(1 << 20)};

	t.eval.ctx = &t;
	t.eval.input = input;
	t.eval.load = load;
	CHECK(t.machine != NULL);
	t.end = find_end(&t);
	for (size_t i = 0; i < COUNT_OF(programs); i++)
		check_program(&t, programs[i]);
	CHECK(t.mismatches == 0);
	CHECK(t.stretches > 500 && t.compared > 100000);
	printf("%lu stretches, %lu values compared, %lu cut short, %lu wrong\n", t.stretches,
		t.compared, t.skipped, t.mismatches);
	eval_free(&t.eval);
	state_free(&t.s);
	expr_pool_free(t.pool);
	memory_free(t.memory);
	machine_close(t.machine);
	insn_close(t.dec);
	return unit_done();
}
