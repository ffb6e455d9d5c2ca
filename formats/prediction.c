/* prediction.c: see prediction.h. */
#include "formats/prediction.h"

#include "formats/field_table.h"

static const struct field table[] = {
	F(struct prediction, unit, FIELD_TEXT, REQ, "strand, block or function"),
	F_SUB(struct prediction, origin, FIELD_RECORD, REQ, &origin_fields, "where it comes from"),
	F(struct prediction, labels, FIELD_LABELS, OPT, "labels given by the user"),
	F(struct prediction, group, FIELD_TEXT, OPT, "equal for units that are alike"),
	F(struct prediction, task, FIELD_TEXT, REQ, "what is predicted"),
	F(struct prediction, truth, FIELD_TEXT, OPT, "the right class"),
	F(struct prediction, classes, FIELD_TEXTS, REQ, "names of the classes"),
	F(struct prediction, scores, FIELD_F32S, REQ, "probability of each class"),
};
static const struct fields fields = FIELDS("prediction", struct prediction, table);

static int check(const void *rec, struct err *e)
{
	const struct prediction *p = rec;

	if (!p->classes.n || p->classes.n != p->scores.n)
		return err_set(e, "classes and scores have different lengths, or there are none");
	return 0;
}

static void sample(void *rec, struct arena *a, struct rng *r)
{
	struct prediction *p = rec;
	size_t n = 1 + rng_below(r, 4);

	*p = (struct prediction){.unit = "block",
		.labels = origin_sample_labels(a, r),
		.group = origin_sample_word(a, r),
		.task = "opt",
		.truth = origin_sample_word(a, r)};
	origin_sample(&p->origin, a, r);
	p->classes = (struct texts){arena_get(a, n, sizeof(char *)), n};
	p->scores = (struct f32s){arena_get(a, n, sizeof(float)), n};
	for (size_t i = 0; i < n; i++) {
		p->classes.p[i] = origin_sample_word(a, r);
		p->scores.p[i] = rng_f32(r);
	}
}

const struct kind prediction_kind = {"prediction", 1, &fields,
	"what a fine-tuned head says of a sequence", check, sample, "bb-embed --predict"};
