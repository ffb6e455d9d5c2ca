/*
 * slice.c: strands: the cases of tests/golden/strands.txt, and properties over the code of
 * programs of this machine: a strand is closed under def-use (by a second, naive way to tell what
 * depends on what), executing it alone gives its output the value that the whole block gives, every
 * output is in some strand, and no strand is part of another.
 */
#include "sem/slice.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "sem/defuse.h"
#include "sem/eval.h"
#include "tests/golden.h"

enum { LONGEST = 200, PER_PROGRAM = 20000, ROUNDS = 2 };

struct block {
	struct insn insn[LONGEST];
	struct x86_effects fx[LONGEST];
	uint64_t next[LONGEST]; /* offset of the instruction behind */
	size_t n;
};

struct ctx {
	const struct processor *cpu;
	const char *file; /* of the cases */
	struct insn_decoder *dec;
	struct slice *slice;
	struct defuse *whole, *part; /* the block, and a strand of it */
	struct state state;
	struct expr_pool *pool;
	struct eval eval[2];
	uint64_t seed;
	unsigned long insns, blocks, strands, values;
	unsigned long open, lost, nested, different; /* violations */
};

static void use(struct ctx *c, enum arch a)
{
	c->cpu = c->state.cpu = processor_get(a);
	CHECK(insn_use(c->dec, a) == 0);
	slice_use(c->slice, c->cpu);
	defuse_use(c->whole, c->cpu);
	defuse_use(c->part, c->cpu);
}

/* ---- golden ---- */

static void golden_case(void *ctx, const struct golden *g)
{
	struct ctx *c = ctx;
	struct slice *s = c->slice;
	size_t n = slice_block(s, g->insn, g->n, false);

	for (size_t i = 0; i < n || i < g->nwant; i++) {
		const char *want = i < g->nwant ? g->want[i] : "(nothing)";
		struct buf got = {0};

		if (i < n) {
			size_t count;
			const uint32_t *index = slice_strand(s, i, &count);

			for (size_t k = 0; k < count; k++)
				buf_printf(&got, "%s%u", k ? " " : "", index[k]);
		}
		if (strcmp(buf_text(&got), want))
			fprintf(stderr, "%s:%u: %s, wanted %s\n", c->file, g->line, buf_text(&got),
				want);
		CHECK(!strcmp(buf_text(&got), want));
		buf_free(&got);
	}
}

/* ---- closed under def-use, the naive way ---- */

static bool in_strand(const uint32_t *index, size_t n, size_t i)
{
	for (size_t k = 0; k < n; k++)
		if (index[k] == i)
			return true;
	return false;
}

static bool writes_byte(const struct x86_effects *fx, uint8_t reg, unsigned byte)
{
	for (unsigned w = 0; w < fx->nwrite; w++)
		if (fx->write[w].id == reg && byte >= fx->write[w].lo &&
			byte < fx->write[w].lo + (unsigned)fx->write[w].size)
			return true;
	return false;
}

/* Is the last writer of everything that instruction i reads in the strand? Calls are apart. */
static bool is_closed(
	const struct block *b, size_t start, const uint32_t *index, size_t n, size_t i)
{
	const struct x86_effects *fx = &b->fx[i];

	if (b->insn[i].flow == INSN_CALL)
		return true;
	for (unsigned r = 0; r < fx->nread; r++)
		for (unsigned byte = fx->read[r].lo;
			byte < fx->read[r].lo + (unsigned)fx->read[r].size; byte++)
			for (size_t k = i; k-- > start;)
				if (writes_byte(&b->fx[k], fx->read[r].id, byte)) {
					if (!in_strand(index, n, k))
						return false;
					break;
				}
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		for (size_t k = i; fx->flags_read >> f & 1 && k-- > start;)
			if (b->fx[k].flags_written >> f & 1) {
				if (!in_strand(index, n, k))
					return false;
				if (!(b->fx[k].flags_kept >> f & 1))
					break; /* else it may be the flag of before */
			}
	return true;
}

/* ---- the same value alone ---- */

static void input(void *ctx, unsigned reg, unsigned width, uint64_t *out)
{
	struct ctx *c = ctx;
	struct rng r = rng_new(c->seed, reg);

	for (unsigned i = 0; i < (width + 63) / 64; i++)
		out[i] = rng_u64(&r);
	if (width % 64)
		out[width / 64] &= (UINT64_C(1) << width % 64) - 1;
}

static void load(void *ctx, uint64_t addr, unsigned n, uint8_t *out)
{
	struct ctx *c = ctx;

	for (unsigned i = 0; i < n; i++) {
		struct rng r = rng_new(c->seed ^ 0x6d656d, addr + i);

		out[i] = (uint8_t)rng_u32(&r);
	}
}

static bool equal_values(struct ctx *c, const struct expr *a, const struct expr *b)
{
	uint64_t x[EXPR_WORDS] = {0}, y[EXPR_WORDS] = {0};

	if (a->width != b->width)
		return false;
	if (eval_expr(&c->eval[0], a, x) < 0 || eval_expr(&c->eval[1], b, y) < 0)
		return a->op == b->op; /* truncated in both */
	c->values++;
	return !memcmp(x, y, sizeof(x));
}

static bool same_output(struct ctx *c, const struct defuse_output *a, const struct defuse_output *b)
{
	if (a->kind == DEFUSE_CALL) {
		const struct defuse_call *x = defuse_call(c->whole), *y = defuse_call(c->part);

		/* Of a pair that was loaded one may be read in the block, but not in the strand. */
		if (x->nargs > y->nargs || (x->nargs < y->nargs && c->cpu->implicit) ||
			!x->target != !y->target ||
			(x->target && !equal_values(c, x->target, y->target)))
			return false;
		for (size_t i = 0; i < x->nargs; i++)
			if (!equal_values(c, x->arg[i], y->arg[i]))
				return false;
		return true;
	}
	return equal_values(c, a->value, b->value);
}

static const struct defuse_output *find_output(
	const struct defuse_output *want, const struct defuse_output *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in[i].kind == want->kind && in[i].reg == want->reg &&
			(want->kind != DEFUSE_MEM ||
				(in[i].addr->hash == want->addr->hash &&
					in[i].value->width == want->value->width)))
			return &in[i];
	return NULL;
}

static void step(struct ctx *c, struct defuse *d, const struct block *b, size_t i)
{
	struct expr_pool *p = defuse_pool(d);
	const struct expr *rip =
		expr_add(p, expr_input(p, c->cpu->input + c->cpu->pc, 8 * c->cpu->word),
			expr_const(p, 8 * c->cpu->word, b->next[i]));
	bool goes_on = defuse_step(d, &b->insn[i], rip, false);

	(void)goes_on;
}

/* Of the outputs of the stretch, those the strand computes: `done` is ticked off. */
static void check_values(struct ctx *c, const struct block *b, size_t start, const uint32_t *index,
	size_t n, const struct defuse_output *out, size_t nout, bool *done)
{
	const struct defuse_output *alone;
	size_t nalone;

	defuse_start(c->part);
	for (size_t k = 0; k < n; k++)
		step(c, c->part, b, index[k]);
	nalone = defuse_outputs(c->part, &alone);
	for (unsigned round = 0; round < ROUNDS; round++) {
		c->seed++;
		eval_reset(&c->eval[0]);
		eval_reset(&c->eval[1]);
		for (size_t i = 0; i < nout; i++) {
			uint64_t seeds[DEFUSE_MAX / 64] = {0};
			const struct defuse_output *o;
			bool mine = true;

			defuse_seeds(c->whole, &out[i], seeds);
			for (size_t k = 0; k < DEFUSE_MAX; k++)
				if (seeds[k / 64] >> k % 64 & 1)
					mine = mine && in_strand(index, n, start + k);
			if (!mine)
				continue;
			done[i] = true;
			o = find_output(&out[i], alone, nalone);
			if (!o || !same_output(c, &out[i], o)) {
				struct buf text = {0};

				c->different++;
				for (size_t k = start; k < b->n; k++) {
					buf_puts(&text, in_strand(index, n, k) ? "* " : "  ");
					insn_print(&text, &b->insn[k], 0);
					buf_putc(&text, '\n');
				}
				fprintf(stderr, "output %zu (kind %d) differs%s:\n%s", i,
					(int)out[i].kind, o ? "" : ": is none", buf_text(&text));
				buf_free(&text);
			}
		}
	}
}

static bool is_part(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
	for (size_t i = 0; i < na; i++)
		if (!in_strand(b, nb, a[i]))
			return false;
	return true;
}

/* The stretch of instructions start to end - 1, and the strands that lie in it. */
static void check_stretch(struct ctx *c, const struct block *b, size_t start, size_t end, size_t n)
{
	const struct defuse_output *out;
	size_t nout;
	bool *done;

	defuse_start(c->whole);
	for (size_t i = start; i < end; i++)
		step(c, c->whole, b, i);
	nout = defuse_outputs(c->whole, &out);
	done = mem_zalloc(nout, sizeof(*done));
	for (size_t s = 0; s < n; s++) {
		size_t count, other;
		const uint32_t *index = slice_strand(c->slice, s, &count);

		if (index[0] < start || index[0] >= end)
			continue;
		c->strands++;
		for (size_t k = 0; k < count; k++)
			c->open += !is_closed(b, start, index, count, index[k]);
		for (size_t t = 0; t < n; t++) {
			const uint32_t *o = slice_strand(c->slice, t, &other);

			c->nested += t != s && is_part(index, count, o, other);
		}
		check_values(c, b, start, index, count, out, nout, done);
	}
	for (size_t i = 0; i < nout; i++)
		c->lost += !done[i];
	mem_free(done);
}

/* Def-use of one instruction on its own. */
static void effects(struct ctx *c, const struct insn *i, struct x86_effects *fx)
{
	state_reset(&c->state, c->pool, 0);
	c->state.fx = fx;
	c->cpu->step(&c->state, i);
	c->state.fx = NULL;
}

static void check_block(struct ctx *c, struct block *b)
{
	size_t n = slice_block(c->slice, b->insn, b->n, false), start = 0;

	for (size_t i = 0; i < b->n; i++)
		effects(c, &b->insn[i], &b->fx[i]);
	for (size_t i = 0; i < b->n; i++)
		if (b->insn[i].flow == INSN_CALL || i + 1 == b->n) {
			check_stretch(c, b, start, i + 1, n);
			start = i + 1;
		}
	c->blocks++;
	c->insns += b->n;
}

/* Linear sweep; blocks end where control may leave, but for calls. */
static void check_code(struct ctx *c, const uint8_t *p, size_t n)
{
	struct block *b = mem_zalloc(1, sizeof(*b));
	unsigned long stop = c->insns + PER_PROGRAM;

	for (size_t at = 0; at < n && c->insns < stop;) {
		struct insn *i = &b->insn[b->n];
		bool ends = true;

		if (insn_decode(c->dec, p + at, n - at, i)) {
			at += i->len;
			b->next[b->n] = (b->n ? b->next[b->n - 1] : 0) + i->len;
			b->n++;
			ends = b->n == LONGEST || (i->flow != INSN_FALL && i->flow != INSN_CALL &&
							  i->flow != INSN_TRAP);
		} else {
			at++;
		}
		if (ends && b->n) {
			check_block(c, b);
			b->n = 0;
		}
	}
	mem_free(b);
}

static void check_sections(struct ctx *c, const uint8_t *p, const Elf64_Ehdr *e)
{
	const Elf64_Shdr *s = (const Elf64_Shdr *)(p + e->e_shoff);

	for (unsigned i = 0; i < e->e_shnum; i++)
		if (s[i].sh_type == SHT_PROGBITS && s[i].sh_flags & SHF_EXECINSTR)
			check_code(c, p + s[i].sh_offset, s[i].sh_size);
}

static void check_program(struct ctx *c, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	const uint8_t *p;
	const Elf64_Ehdr *e;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	e = (const Elf64_Ehdr *)p;
	use(c, e->e_machine == EM_AARCH64 ? ARCH_AARCH64 : ARCH_X86_64);
	if ((size_t)st.st_size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG))
		fprintf(stderr, "%s: not an ELF file\n", path);
	else
		check_sections(c, p, e);
	munmap((void *)p, (size_t)st.st_size);
}

/* Code nobody writes: rare instructions, odd prefixes, partial registers. */
static void check_random(struct ctx *c)
{
	enum { BYTES = 1 << 15 };
	uint8_t *p = mem_alloc(BYTES, 1);
	struct rng r = rng_new(3, 4);

	for (size_t i = 0; i < BYTES; i++)
		p[i] = (uint8_t)rng_u32(&r);
	check_code(c, p, BYTES);
	mem_free(p);
}

int main(int argc, char **argv)
{
	static const char *const programs[] = {"/bin/ls", "/bin/bash", "/usr/bin/openssl",
		"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libm.so.6",
		"/usr/bin/perl"};
	struct ctx c = {.dec = insn_open(ARCH_X86_64),
		.slice = slice_new(),
		.whole = defuse_new(),
		.part = defuse_new(),
		.pool = expr_pool_new(0)};

	c.eval[0] = c.eval[1] = (struct eval){.ctx = &c, .input = input, .load = load};
	use(&c, ARCH_X86_64);
	c.file = "strands.txt";
	golden_run("tests/golden/strands.txt", ':', c.dec, golden_case, &c);
	use(&c, ARCH_AARCH64);
	c.file = "a64-strands.txt";
	golden_run("tests/golden/a64-strands.txt", ':', c.dec, golden_case, &c);
	use(&c, ARCH_I386);
	c.file = "i386-strands.txt";
	golden_run("tests/golden/i386-strands.txt", ':', c.dec, golden_case, &c);
	if (argc > 1)
		for (int i = 1; i < argc; i++)
			check_program(&c, argv[i]);
	else
		for (size_t i = 0; i < COUNT_OF(programs); i++)
			check_program(&c, programs[i]);
	use(&c, ARCH_X86_64);
	check_random(&c);
	use(&c, ARCH_AARCH64);
	check_random(&c);
	use(&c, ARCH_I386);
	check_random(&c);
	use(&c, ARCH_THUMB);
	check_random(&c);
	printf("%lu instructions, %lu blocks, %lu strands, %lu values\n", c.insns, c.blocks,
		c.strands, c.values);
	CHECK(c.strands > 1000);
	CHECK(c.open == 0);
	CHECK(c.lost == 0);
	CHECK(c.nested == 0);
	CHECK(c.different == 0);
	eval_free(&c.eval[0]);
	eval_free(&c.eval[1]);
	state_free(&c.state);
	expr_pool_free(c.pool);
	defuse_free(c.whole);
	defuse_free(c.part);
	slice_free(c.slice);
	insn_close(c.dec);
	return unit_done();
}
