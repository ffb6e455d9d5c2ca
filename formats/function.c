/* function.c: see function.h. */
#include "formats/function.h"

#include "base/hash.h"
#include "formats/code.h"
#include "formats/field_table.h"
#include "formats/origin.h"

static const struct field table[] = {
	F_SIZED(struct function, bin, HASH_BYTES, REQ, "XXH3-128 of the file"),
	F(struct function, file, FIELD_TEXT, REQ, "base name of the file"),
	F(struct function, labels, FIELD_LABELS, OPT, "labels given by the user"),
	F(struct function, arch, FIELD_TEXT, REQ, "architecture, as x86-64"),
	F(struct function, addr, FIELD_ADDR, REQ, "address of the first instruction"),
	F(struct function, name, FIELD_TEXT, OPT, "linkage name"),
	F(struct function, code, FIELD_BYTES, REQ, "machine code"),
	F(struct function, len, FIELD_HALVES, REQ, "bytes of each instruction"),
	F(struct function, blocks, FIELD_STEPS, REQ, "first instruction of each basic block"),
	F(struct function, exits, FIELD_NUMBERS, REQ,
		"of each block: 1 goes on to the next one, 2 by a jump table, 4 times its targets"),
	F(struct function, jumps, FIELD_SIGNED, OPT, "targets of all blocks, less the block"),
	F_SUB(struct function, refs, FIELD_RECORD, OPT, &refs_fields, "what instructions refer to"),
	F(struct function, thunk, FIELD_TEXT, OPT, "name it only jumps to"),
	F(struct function, part, FIELD_ADDR, OPT, "address of the function it was split from"),
	F_SUB(struct function, source, FIELD_RECORD, OPT, &source_fields,
		"what debugging information says"),
};
static const struct fields fields = FIELDS("function", struct function, table);

struct function_walk function_edges(struct u32s exits, struct i32s jumps)
{
	return (struct function_walk){.exits = exits, .jumps = jumps};
}

bool function_next(struct function_walk *w, struct function_edge *e)
{
	for (; w->block < w->exits.n; w->block++, w->done = 0) {
		uint32_t exit = w->exits.p[w->block], next = exit & EXIT_NEXT;

		if (w->done >= next + (exit >> EXIT_SHIFT))
			continue;
		e->from = w->block;
		if (w->done++ < next) {
			e->to = w->block + 1;
			e->kind = EDGE_FALL;
		} else {
			e->to = w->block + (uint32_t)w->jumps.p[w->jump++];
			e->kind = exit & EXIT_TABLE ? EDGE_TABLE : EDGE_JUMP;
		}
		return true;
	}
	return false;
}

static int check_edges(const struct function *f, struct err *e)
{
	size_t n = f->blocks.n, jump = 0;

	if (f->exits.n != n)
		return err_set(e, "exits: %zu of %zu blocks", f->exits.n, n);
	for (size_t b = 0; b < n; b++) {
		uint32_t exit = f->exits.p[b], targets = exit >> EXIT_SHIFT;

		if (((exit & EXIT_NEXT) && b + 1 == n) || ((exit & EXIT_TABLE) && !targets) ||
			targets > f->jumps.n - jump)
			return err_set(e, "exits of block %zu out of range", b);
		for (; targets; targets--, jump++) {
			int64_t to = (int64_t)b + f->jumps.p[jump];

			if (to < 0 || to >= (int64_t)n)
				return err_set(e, "jump %zu out of range", jump);
		}
	}
	return jump == f->jumps.n ? 0 : err_set(e, "jumps of no block");
}

static int check(const void *rec, struct err *e)
{
	const struct function *f = rec;

	if (code_check(&f->code, &f->len, e) < 0 || code_check_arch(f->arch, e) < 0)
		return -1;
	if (!f->blocks.n || f->blocks.p[0] != 0)
		return err_set(e, "the first block does not start at instruction 0");
	for (size_t i = 0; i < f->blocks.n; i++)
		if (f->blocks.p[i] >= f->len.n || (i && f->blocks.p[i] <= f->blocks.p[i - 1]))
			return err_set(e, "block %zu out of range or order", i);
	if (check_edges(f, e) < 0)
		return -1;
	if (source_check(&f->source, f->blocks.n, e) < 0)
		return -1;
	return refs_check(&f->refs, f->len.n, e);
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	struct function *f = rec;
	struct origin o;
	size_t n;

	origin_sample(&o, a, r);
	*f = (struct function){.bin = o.bin,
		.file = o.file,
		.labels = origin_sample_labels(a, r),
		.arch = "x86-64",
		.addr = o.fn,
		.name = o.name,
		.thunk = origin_sample_word(a, r),
		.part = rng_below(r, 2) ? rng_u64(r) : 0};
	code_sample(&f->code, &f->len, a, r);
	n = 1 + rng_below(r, MIN(f->len.n, (size_t)6));
	f->blocks = (struct u32s){arena_get(a, n, 4), n};
	for (size_t i = 0; i < n; i++)
		f->blocks.p[i] = (uint32_t)(i * f->len.n / n);
	f->exits = (struct u32s){arena_get(a, n, 4), n};
	f->jumps = (struct i32s){arena_get(a, 3 * n, 4), 0};
	for (size_t i = 0; i < n; i++) {
		uint32_t targets = (uint32_t)rng_below(r, 4);

		f->exits.p[i] = targets << EXIT_SHIFT | (targets > 1 ? EXIT_TABLE : 0) |
				(i + 1 < n ? (uint32_t)rng_below(r, 2) * EXIT_NEXT : 0);
		for (; targets; targets--)
			f->jumps.p[f->jumps.n++] = (int32_t)rng_below(r, n) - (int32_t)i;
	}
	refs_sample(&f->refs, f->len.n, a, r);
	source_sample(&f->source, f->blocks.n, a, r);
}

const struct kind function_kind = {"function", 3, &fields,
	"a function of an ELF file: code, control-flow graph, references", check, sample,
	"bb-disasm"};
