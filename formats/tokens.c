/* tokens.c: see tokens.h. */
#include "formats/tokens.h"

#include "formats/code.h"
#include "formats/field_table.h"
#include "formats/sequence.h"

static const struct field table[] = {
	F(struct tokens, unit, FIELD_TEXT, REQ, "strand, block or function"),
	F_SUB(struct tokens, origin, FIELD_RECORD, REQ, &origin_fields, "where it comes from"),
	F(struct tokens, labels, FIELD_LABELS, OPT, "labels given by the user"),
	F(struct tokens, group, FIELD_TEXT, OPT, "equal for units that are alike"),
	F(struct tokens, vocab, FIELD_ADDR, REQ, "hash of the vocabulary"),
	F(struct tokens, cut, FIELD_U64, OPT, "code tokens dropped by the length limit"),
	F(struct tokens, ids, FIELD_U32S, REQ, "tokens of the code"),
	F(struct tokens, starts, FIELD_U32S, REQ, "first token of each instruction"),
	F(struct tokens, marks, FIELD_U8S, OPT,
		"of each of starts: 0 out of the strand, 1 in it, 2 its last"),
	F(struct tokens, eids, FIELD_U32S, OPT, "tokens of all expressions"),
	F(struct tokens, elens, FIELD_U32S, OPT, "tokens of each expression"),
	F(struct tokens, insns, FIELD_U64, OPT, "instructions, when starts are of expressions"),
	F(struct tokens, arch, FIELD_TEXT, OPT, "architecture, of traced text"),
	F(struct tokens, vat, FIELD_U32S, OPT, "index of each token that has a value"),
	F(struct tokens, values, FIELD_ADDRS, OPT, "their values"),
};
static const struct fields fields = FIELDS("tokens", struct tokens, table);

static int check(const void *rec, struct err *e)
{
	const struct tokens *t = rec;
	size_t sum = 0;

	for (size_t i = 0; i < t->starts.n; i++)
		if (t->starts.p[i] >= t->ids.n || (i && t->starts.p[i] <= t->starts.p[i - 1]))
			return err_set(e, "instruction start %zu out of range or order", i);
	if (t->marks.n && t->marks.n != t->starts.n)
		return err_set(e, "marks and starts have different lengths");
	for (size_t i = 0; i < t->marks.n; i++)
		if (t->marks.p[i] > MARK_ASKED)
			return err_set(e, "mark %zu is not 0, 1 or 2", i);
	for (size_t i = 0; i < t->elens.n; i++)
		sum += t->elens.p[i];
	if (sum != t->eids.n)
		return err_set(e, "elens do not add up to eids");
	if (t->vat.n != t->values.n)
		return err_set(e, "vat and values have different lengths");
	for (size_t i = 0; i < t->vat.n; i++)
		if (t->vat.p[i] >= t->ids.n || (i && t->vat.p[i] <= t->vat.p[i - 1]))
			return err_set(e, "value %zu is of a token out of range or order", i);
	if (t->vat.n && !*t->arch)
		return err_set(e, "values, but no architecture");
	return 0;
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	static const char *const units[] = {"strand", "block", "function"};
	struct tokens *t = rec;
	size_t n = rng_below(r, 30), starts = rng_below(r, 8), exprs = rng_below(r, 4);
	size_t nvalues = 0;

	*t = (struct tokens){.unit = units[rng_below(r, 3)],
		.labels = origin_sample_labels(a, r),
		.group = origin_sample_word(a, r),
		.vocab = rng_u64(r),
		.cut = rng_below(r, 3),
		.insns = rng_below(r, 3),
		.arch = rng_below(r, 2) ? "mipsel" : ""};
	origin_sample(&t->origin, a, r);
	starts = MIN(starts, n);
	t->ids = (struct u32s){arena_get(a, n, 4), n};
	for (size_t i = 0; i < n; i++)
		t->ids.p[i] = rng_u32(r) >> rng_below(r, 32);
	t->starts = (struct u32s){arena_get(a, starts, 4), starts};
	for (size_t i = 0; i < starts; i++)
		t->starts.p[i] = (uint32_t)(i * n / starts);
	if (rng_below(r, 2)) {
		t->marks = (struct u8s){arena_get(a, starts, 1), starts};
		for (size_t i = 0; i < starts; i++)
			t->marks.p[i] = (uint8_t)rng_below(r, MARK_ASKED + 1);
	}
	t->elens = (struct u32s){arena_get(a, exprs, 4), exprs};
	for (size_t i = 0; i < exprs; i++)
		t->eids.n += t->elens.p[i] = (uint32_t)rng_below(r, 9);
	t->eids.p = arena_get(a, t->eids.n, 4);
	for (size_t i = 0; i < t->eids.n; i++)
		t->eids.p[i] = rng_u32(r) >> rng_below(r, 32);
	t->vat.p = arena_get(a, n, 4);
	for (size_t i = 0; i < n && *t->arch; i++)
		if (rng_below(r, 3) == 0)
			t->vat.p[nvalues++] = (uint32_t)i;
	t->vat.n = nvalues;
	t->values = code_sample_values(nvalues, a, r);
}

const struct kind tokens_kind = {
	"tokens", 1, &fields, "a sequence as vocabulary numbers", check, sample, "bb-tok"};
