/*
 * elm.c: ELM and SSM, or MLM on code alone (BinBert, arXiv 2208.06692, section 3.4).
 *
 * A sample is [CLS] code [SEP] expression [SEP]; for half of the samples the expression is another
 * record's (SSM label 0). --mask of its code and expression tokens are to be guessed: of these 80%
 * become [MASK], 10% a random token, 10% stay. The loss is the mean over the batch's masked tokens
 * plus the mean over its samples.
 */
#include "base/mem.h"
#include "filters/bb-train/pretrain.h"

static void mask(const struct pretrain *t, struct micro *u, struct rng *g)
{
	const struct options *o = t->r->o;
	uint32_t vocab = t->r->m->config.vocab;
	size_t s = u->pack.seqs - 1;

	for (uint32_t i = u->pack.cu[s]; i < u->pack.cu[s + 1]; i++) {
		uint32_t id = u->pack.ids[i];
		double how;

		if (id == MODEL_CLS || id == MODEL_SEP || (double)rng_f32(g) >= o->mask)
			continue;
		pretrain_want(u, i, id);
		how = (double)rng_f32(g);
		if (how < 0.8)
			u->pack.ids[i] = MODEL_MASK;
		else if (how < 0.9)
			u->pack.ids[i] = MODEL_SPECIALS +
					 (uint32_t)rng_below(g, MAX(vocab - MODEL_SPECIALS, 1u));
		if (u->pack.ids[i] >= vocab) /* a vocabulary of special tokens alone */
			u->pack.ids[i] = MODEL_MASK;
	}
}

/* g decides whether it is a negative one and what is masked. */
static void add(struct pretrain *t, struct micro *u, const struct pair *p, struct rng g)
{
	bool other = (rng_u32(&g) & 1) && p->other;

	u->label = mem_grow(u->label, &u->cap_labels, u->pack.seqs + 1, sizeof(*u->label));
	u->label[u->pack.seqs] = !other;
	pack_add(&u->pack, t->r->m->config.max_len, p->code, p->ncode,
		t->task->code_only ? NULL
		: other            ? p->other
				   : p->expr,
		other ? p->nother : p->nexpr);
	mask(t, u, &g);
}

/* Which expression it gets is not decided yet. */
static size_t size(const struct pretrain *t, const struct pair *p)
{
	return pack_size(t->r->m->config.max_len, p->ncode, !t->task->code_only,
		p->other ? MAX(p->nexpr, p->nother) : p->nexpr);
}

static void compute(struct pretrain *t, struct micro *u, uint64_t masked, uint64_t samples,
	bool train, struct score *sum)
{
	struct model_targets want = {.masked = u->masked,
		.row = u->row,
		.want = u->want,
		.label = t->task->code_only ? NULL : u->label};
	struct model_losses l;

	want.elm_scale = 1.0f / (float)MAX(masked, (uint64_t)1);
	want.ssm_scale = 1.0f / (float)samples;
	model_pretrain(t->r->m, pack_batch(&u->pack), &want, train, &l);
	if (run_stopping())
		return;
	sum->elm += l.elm;
	sum->ssm += l.ssm;
	for (size_t k = 0; k < u->masked; k++) {
		unsigned part = u->pack.types[u->row[k]];

		sum->masked[part]++;
		sum->hit[part] += l.best[k] == u->want[k];
	}
	for (size_t k = 0; k < u->pack.seqs && !t->task->code_only; k++)
		sum->ssm_hit += l.ssm_best[k] == u->label[k];
}

static double print_elm(struct buf *b, const struct score *s, bool code_only, bool rates)
{
	double elm = pretrain_ratio(s->elm, s->masked[0] + s->masked[1]);
	double ssm = code_only ? 0 : pretrain_ratio(s->ssm, s->samples);

	buf_printf(b, "\"loss\":%.6g,\"elm\":%.6g", elm + ssm, elm);
	if (!code_only)
		buf_printf(b, ",\"ssm\":%.6g", ssm);
	if (!rates)
		return elm + ssm;
	buf_printf(b, ",\"samples\":%llu,\"acc_code\":%.6g", (unsigned long long)s->samples,
		pretrain_ratio((double)s->hit[0], s->masked[0]));
	if (!code_only)
		buf_printf(b, ",\"acc_expr\":%.6g,\"acc_ssm\":%.6g",
			pretrain_ratio((double)s->hit[1], s->masked[1]),
			pretrain_ratio((double)s->ssm_hit, s->samples));
	return elm + ssm;
}

static double print(struct buf *b, const struct score *s, bool rates)
{
	return print_elm(b, s, false, rates);
}

static double print_mlm(struct buf *b, const struct score *s, bool rates)
{
	return print_elm(b, s, true, rates);
}

static void say(struct buf *b, const struct score *s)
{
	buf_printf(b, "masked code %.3f, expressions %.3f, SSM %.3f",
		pretrain_ratio((double)s->hit[0], s->masked[0]),
		pretrain_ratio((double)s->hit[1], s->masked[1]),
		pretrain_ratio((double)s->ssm_hit, s->samples));
}

const struct pretrain_task elm_task = {false, size, add, compute, print, say};
const struct pretrain_task elm_task_mlm = {true, size, add, compute, print_mlm, say};
