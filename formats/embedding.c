/* embedding.c: see embedding.h. */
#include "formats/embedding.h"

#include "formats/field_table.h"

static const struct field table[] = {
	F(struct embedding, unit, FIELD_TEXT, REQ, "strand, block or function"),
	F_SUB(struct embedding, origin, FIELD_RECORD, REQ, &origin_fields, "where it comes from"),
	F(struct embedding, labels, FIELD_LABELS, OPT, "labels given by the user"),
	F(struct embedding, group, FIELD_TEXT, OPT, "equal for units that are alike"),
	F(struct embedding, insns, FIELD_U64, REQ, "instructions that went into it"),
	F(struct embedding, vec, FIELD_F32S, REQ, "the vector, not normalised"),
};
static const struct fields fields = FIELDS("embedding", struct embedding, table);

static int check(const void *rec, struct err *e)
{
	return ((const struct embedding *)rec)->vec.n ? 0 : err_set(e, "empty vector");
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	static const char *const units[] = {"strand", "block", "function"};
	struct embedding *m = rec;
	size_t n = 8;

	*m = (struct embedding){.unit = units[rng_below(r, 3)],
		.labels = origin_sample_labels(a, r),
		.group = origin_sample_word(a, r),
		.insns = rng_below(r, 100)};
	origin_sample(&m->origin, a, r);
	m->vec = (struct f32s){arena_get(a, n, sizeof(float)), n};
	for (size_t i = 0; i < n; i++)
		m->vec.p[i] = rng_normal(r);
}

const struct kind embedding_kind = {
	"embedding", 1, &fields, "a sequence as a vector", check, sample, "bb-embed"};
