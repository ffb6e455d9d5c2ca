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
	F(struct function, len, FIELD_U8S, REQ, "bytes of each instruction"),
	F(struct function, blocks, FIELD_U32S, REQ, "first instruction of each basic block"),
	F(struct function, efrom, FIELD_U32S, OPT, "edges: source block"),
	F(struct function, eto, FIELD_U32S, OPT, "edges: target block"),
	F(struct function, ekind, FIELD_U8S, OPT, "edges: 1 fall through, 2 jump, 3 jump table"),
	F_SUB(struct function, refs, FIELD_RECORD, OPT, &refs_fields, "what instructions refer to"),
	F(struct function, thunk, FIELD_TEXT, OPT, "name it only jumps to"),
	F(struct function, part, FIELD_ADDR, OPT, "address of the function it was split from"),
	F_SUB(struct function, source, FIELD_RECORD, OPT, &source_fields,
		"what debugging information says"),
};
static const struct fields fields = FIELDS("function", struct function, table);

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
	if (f->eto.n != f->efrom.n || f->ekind.n != f->efrom.n)
		return err_set(e, "edges: columns of different lengths");
	for (size_t i = 0; i < f->efrom.n; i++)
		if (f->efrom.p[i] >= f->blocks.n || f->eto.p[i] >= f->blocks.n ||
			f->ekind.p[i] < EDGE_FALL || f->ekind.p[i] > EDGE_TABLE)
			return err_set(e, "edge %zu out of range", i);
	if (source_check(&f->source, f->blocks.n, e) < 0)
		return -1;
	return refs_check(&f->refs, f->len.n, e);
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	struct function *f = rec;
	struct origin o;
	size_t n, edges;

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
	edges = rng_below(r, 2 * n);
	f->efrom = (struct u32s){arena_get(a, edges, 4), edges};
	f->eto = (struct u32s){arena_get(a, edges, 4), edges};
	f->ekind = (struct u8s){arena_get(a, edges, 1), edges};
	for (size_t i = 0; i < edges; i++) {
		f->efrom.p[i] = (uint32_t)(i * n / edges);
		f->eto.p[i] = (uint32_t)rng_below(r, n);
		f->ekind.p[i] = (uint8_t)(1 + rng_below(r, EDGE_TABLE));
	}
	refs_sample(&f->refs, f->len.n, a, r);
	source_sample(&f->source, f->blocks.n, a, r);
}

const struct kind function_kind = {"function", 1, &fields,
	"a function of an ELF file: code, control-flow graph, references", check, sample};
