/*
 * trex.c: masked tokens and their values in micro-traces (Trex, arXiv 2012.08680, section IV).
 *
 * A sample is [CLS] traced text [SEP]. --mask of its tokens are to be guessed, and the 8 bytes of
 * the value of those that have one: half of them become [MASK] with the hidden value, half a random
 * token with a random value. The loss is the sum over the tokens plus ALPHA times that over the
 * bytes, by the number of tokens.
 */
#include "base/mem.h"
#include "filters/bb-train/pretrain.h"

static const float ALPHA = 0.125f;

/* Notes that the value of token `row` has to be guessed. */
static void want_value(struct micro *u, uint32_t row)
{
	const uint16_t *byte = u->pack.bytes + (size_t)MODEL_VALUE_BYTES * u->pack.value[row];

	if (u->values == u->cap_values) {
		u->value = mem_grow(u->value, &u->cap_values, u->values + 1, sizeof(*u->value));
		for (int k = 0; k < MODEL_VALUE_BYTES; k++)
			u->byte[k] = mem_realloc(u->byte[k], u->cap_values, sizeof(*u->byte[k]));
	}
	for (int k = 0; k < MODEL_VALUE_BYTES; k++)
		u->byte[k][u->values] = byte[k];
	u->value[u->values++] = row;
}

static void mask(const struct pretrain *t, struct micro *u, struct rng *g)
{
	uint32_t vocab = t->r->m->config.vocab;
	struct pack *p = &u->pack;

	for (uint32_t i = p->cu[p->seqs - 1] + 1; i + 1 < p->cu[p->seqs]; i++) {
		bool has_value = p->value[i] != PACK_NO_VALUE;

		if ((double)rng_f32(g) >= t->r->o->mask)
			continue;
		pretrain_want(u, i, p->ids[i]);
		if (has_value)
			want_value(u, i);
		if ((rng_u32(g) & 1) || vocab == MODEL_SPECIALS) {
			p->ids[i] = MODEL_MASK;
			p->value[i] = PACK_HIDDEN;
			continue;
		}
		p->ids[i] = MODEL_SPECIALS + (uint32_t)rng_below(g, vocab - MODEL_SPECIALS);
		if (has_value)
			p->value[i] = pack_value(p, rng_u64(g));
	}
}

static void add(struct pretrain *t, struct micro *u, const struct pair *p, struct rng g)
{
	const struct model_config *c = &t->r->m->config;

	pack_add_traced(&u->pack, c->max_len, c->max_op, &p->traced);
	mask(t, u, &g);
}

static size_t size(const struct pretrain *t, const struct pair *p)
{
	return pack_size(t->r->m->config.max_len, p->traced.n, false, 0);
}

static void compute(struct pretrain *t, struct micro *u, uint64_t masked, uint64_t samples,
	bool train, struct score *sum)
{
	struct model_targets want = {.masked = u->masked,
		.row = u->row,
		.want = u->want,
		.values = u->values,
		.value = u->value};
	struct model_losses l;

	(void)samples;
	for (int k = 0; k < MODEL_VALUE_BYTES; k++)
		want.byte[k] = u->byte[k];
	want.elm_scale = 1.0f / (float)MAX(masked, (uint64_t)1);
	want.value_scale = ALPHA * want.elm_scale;
	model_pretrain(t->r->m, pack_batch(&u->pack), &want, train, &l);
	if (run_stopping())
		return;
	sum->elm += l.elm;
	sum->value += l.value;
	sum->masked[0] += u->masked;
	sum->values += u->values;
	for (size_t i = 0; i < u->masked; i++)
		sum->hit[0] += l.best[i] == u->want[i];
	for (size_t i = 0; i < u->values; i++) {
		unsigned hits = 0;

		for (int k = 0; k < MODEL_VALUE_BYTES; k++) {
			bool hit = l.byte_best[k][i] == u->byte[k][i];

			sum->byte_hit[k] += hit;
			hits += hit;
		}
		sum->value_hit += hits == MODEL_VALUE_BYTES;
	}
}

static double byte_rate(const struct score *s)
{
	uint64_t hits = 0;

	for (int k = 0; k < MODEL_VALUE_BYTES; k++)
		hits += s->byte_hit[k];
	return pretrain_ratio((double)hits, MODEL_VALUE_BYTES * s->values);
}

static double print(struct buf *b, const struct score *s, bool rates)
{
	double loss = pretrain_ratio(s->elm + (double)ALPHA * s->value, s->masked[0]);

	buf_printf(b, "\"loss\":%.6g,\"code\":%.6g,\"value\":%.6g", loss,
		pretrain_ratio(s->elm, s->masked[0]),
		pretrain_ratio(s->value, MODEL_VALUE_BYTES * s->values));
	if (!rates)
		return loss;
	buf_printf(b, ",\"samples\":%llu,\"acc_code\":%.6g,\"acc_value\":%.6g,\"acc_bytes\":[",
		(unsigned long long)s->samples, pretrain_ratio((double)s->hit[0], s->masked[0]),
		pretrain_ratio((double)s->value_hit, s->values));
	for (int k = 0; k < MODEL_VALUE_BYTES; k++)
		buf_printf(b, "%s%.6g", k ? "," : "",
			pretrain_ratio((double)s->byte_hit[k], s->values));
	buf_puts(b, "]");
	return loss;
}

static void say(struct buf *b, const struct score *s)
{
	buf_printf(b, "masked code %.3f, bytes %.3f, values %.3f",
		pretrain_ratio((double)s->hit[0], s->masked[0]), byte_rate(s),
		pretrain_ratio((double)s->value_hit, s->values));
}

const struct pretrain_task trex_task = {true, size, add, compute, print, say};
