/* sequence.c: see sequence.h. */
#include "formats/sequence.h"

#include "formats/code.h"
#include "formats/field_table.h"

static const struct field table[] = {
	F(struct sequence, unit, FIELD_TEXT, REQ, "strand, block or function"),
	F_SUB(struct sequence, origin, FIELD_RECORD, REQ, &origin_fields, "where it comes from"),
	F(struct sequence, labels, FIELD_LABELS, OPT, "labels given by the user"),
	F(struct sequence, group, FIELD_TEXT, OPT, "equal for units that are alike"),
	F(struct sequence, arch, FIELD_TEXT, REQ, "architecture, as x86-64"),
	F(struct sequence, code, FIELD_BYTES, REQ, "machine code of the instructions"),
	F(struct sequence, len, FIELD_HALVES, REQ, "bytes of each instruction"),
	F(struct sequence, pos, FIELD_U32S, OPT, "strands: index of each instruction in its block"),
	F(struct sequence, marks, FIELD_U8S, OPT,
		"of each instruction: 0 out of the strand, 1 in it, 2 its last"),
	F_SUB(struct sequence, refs, FIELD_RECORD, OPT, &refs_fields, "what instructions refer to"),
	F(struct sequence, exprs, FIELD_TEXTS, OPT, "symbolic expressions of the outputs"),
	F(struct sequence, hashes, FIELD_ADDRS, OPT, "canonical hash of each expression"),
	F(struct sequence, insns, FIELD_U64, OPT, "instructions it is of, when there is no code"),
	F(struct sequence, run, FIELD_U64, OPT, "which run of the code was traced, from 1"),
	F(struct sequence, values, FIELD_ADDRS, OPT,
		"micro-trace: values of the registers each instruction names"),
};
static const struct fields fields = FIELDS("sequence", struct sequence, table);

static int check(const void *rec, struct err *e)
{
	const struct sequence *s = rec;

	if (code_check(&s->code, &s->len, e) < 0 || code_check_arch(s->arch, e) < 0)
		return -1;
	if (s->pos.n && s->pos.n != s->len.n)
		return err_set(e, "pos and len have different lengths");
	for (size_t i = 1; i < s->pos.n; i++)
		if (s->pos.p[i] <= s->pos.p[i - 1])
			return err_set(e, "pos is not ascending");
	if (s->marks.n && s->marks.n != s->len.n)
		return err_set(e, "marks and len have different lengths");
	for (size_t i = 0; i < s->marks.n; i++)
		if (s->marks.p[i] > MARK_ASKED)
			return err_set(e, "mark %zu is not 0, 1 or 2", i);
	if (s->hashes.n != s->exprs.n)
		return err_set(e, "exprs and hashes have different lengths");
	if (s->values.n && !s->run)
		return err_set(e, "values, but of no run");
	if (s->run && !s->len.n)
		return err_set(e, "a run, but no code");
	return refs_check(&s->refs, s->len.n, e);
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	static const char *const units[] = {"strand", "block", "function"};
	struct sequence *s = rec;
	size_t n = rng_below(r, 4);

	*s = (struct sequence){.unit = units[rng_below(r, 3)],
		.labels = origin_sample_labels(a, r),
		.group = origin_sample_word(a, r),
		.arch = "x86-64"};
	origin_sample(&s->origin, a, r);
	code_sample(&s->code, &s->len, a, r);
	if (rng_below(r, 2)) {
		s->pos = (struct u32s){arena_get(a, s->len.n, 4), s->len.n};
		for (size_t i = 0; i < s->len.n; i++)
			s->pos.p[i] = (uint32_t)(i + (i ? s->pos.p[i - 1] : 0));
	}
	if (rng_below(r, 2)) {
		s->marks = (struct u8s){arena_get(a, s->len.n, 1), s->len.n};
		for (size_t i = 0; i < s->len.n; i++)
			s->marks.p[i] = (uint8_t)rng_below(r, MARK_ASKED + 1);
	}
	s->insns = s->len.n ? 0 : rng_below(r, 100);
	s->run = s->len.n ? rng_below(r, 3) : 0;
	if (s->run)
		s->values = code_sample_values(rng_below(r, 20), a, r);
	refs_sample(&s->refs, s->len.n, a, r);
	s->exprs = (struct texts){arena_get(a, n, sizeof(char *)), n};
	s->hashes = (struct u64s){arena_get(a, n, 8), n};
	for (size_t i = 0; i < n; i++) {
		s->exprs.p[i] = origin_sample_word(a, r);
		s->hashes.p[i] = rng_u64(r);
	}
}

const struct kind sequence_kind = {"sequence", 2, &fields,
	"a strand, block or function as code, with its symbolic expressions", check, sample,
	"bb-strands"};
