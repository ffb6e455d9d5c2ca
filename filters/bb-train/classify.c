/*
 * classify.c: fine-tuning of a classifier: classify, execute and recover (nn/sample.h; BinBert,
 * arXiv 2208.06692, sections 6.2.2 to 6.2.4).
 *
 * A sample is a record as the task shows it, with the class of the sequence or, for recover, of
 * each of its instructions but the marked one. The loss is the mean cross entropy over the batch's
 * classes; the score is the accuracy over the validation samples.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "filters/bb-train/pairs.h"
#include "filters/bb-train/tune.h"
#include "nn/sample.h"

enum {
	MICRO = 8192,     /* tokens that the CPU takes together */
	VALID_MAX = 10000 /* validation samples */
};

struct unit {
	struct sample s;
	uint32_t class; /* of the sequence */
};

struct units {
	struct unit *u;
	size_t n, cap;
};

/* One pass through the model. */
struct micro {
	struct pack pack;
	uint32_t *row, *want; /* rows: recover alone */
	size_t n, cap;
};

struct task {
	struct tune tune;
	enum sample_task what;
	struct units train, valid;
	uint32_t *order;   /* of the training units in this epoch */
	struct map values; /* classify: value of the label to its number, in order of appearance */
	uint64_t skipped;
	struct micro *micro;
	size_t nmicro, cap_micro;
};

/* The number of the record's class; for recover it has none. -1: it says none. */
static int64_t class_of(struct task *t, const struct tokens *k)
{
	const struct options *o = t->tune.r->o;
	const char *value =
		field_label(&k->labels, t->what == SAMPLE_EXECUTE ? "answer" : o->label);
	struct map_entry *e;
	bool made;
	char *end;
	long v;

	if (!value || !*value)
		return -1;
	if (t->what == SAMPLE_EXECUTE) {
		v = strtol(value, &end, 10);
		return *value >= '0' && *value <= '9' && !*end && v < SAMPLE_ANSWERS ? v : -1;
	}
	e = map_put(&t->values, value, strlen(value), &made);
	if (made)
		e->value = t->values.count - 1;
	return (int64_t)e->value;
}

static int add(struct task *t, const struct tokens *k)
{
	const struct options *o = t->tune.r->o;
	bool valid = pairs_is_valid(k, o->valid, o->split);
	struct units *to = valid ? &t->valid : &t->train;
	int64_t class = t->what == SAMPLE_RECOVER ? 0 : class_of(t, k);
	struct sample s;

	if (class < 0 || (valid && to->n >= VALID_MAX))
		return class < 0 ? -1 : 0;
	if (sample_make(&s, t->what, k, run_arch(t->tune.r, k)) < 0)
		return -1;
	to->u = mem_grow(to->u, &to->cap, to->n + 1, sizeof(*to->u));
	to->u[to->n++] = (struct unit){s, (uint32_t) class};
	return 0;
}

static int by_text(const void *a, const void *b)
{
	const struct map_entry *x = *(struct map_entry *const *)a,
			       *y = *(struct map_entry *const *)b;

	return strcmp(x->key, y->key);
}

/* Numbers the values in the order of their text, whatever the order of the records. */
static const char **sort_classes(struct task *t)
{
	size_t n = t->values.count;
	struct map_entry **e = mem_alloc(n, sizeof(struct map_entry *));
	const char **name = mem_alloc(n, sizeof(*name));
	uint32_t *number = mem_alloc(n, sizeof(*number));

	for (size_t i = 0; i < n; i++)
		e[i] = &t->values.e[i];
	qsort(e, n, sizeof(struct map_entry *), by_text);
	for (size_t i = 0; i < n; i++) {
		number[e[i]->value] = (uint32_t)i;
		name[i] = e[i]->key;
	}
	for (size_t i = 0; i < t->train.n; i++)
		t->train.u[i].class = number[t->train.u[i].class];
	for (size_t i = 0; i < t->valid.n; i++)
		t->valid.u[i].class = number[t->valid.u[i].class];
	mem_free(e);
	mem_free(number);
	return name;
}

static void read_all(struct task *t)
{
	struct run *r = t->tune.r;
	struct stream_reader *in = filter_open(r->p, &tokens_kind);
	uint32_t words = (uint32_t)wordpiece_count(r->words);
	uint64_t vocab = wordpiece_hash(r->words);
	uint8_t digest[HASH_BYTES];
	struct tokens k;
	int got;

	while ((got = stream_read(in, &k)) == 1)
		if (!pairs_fits(r->p, &k, vocab, words) || add(t, &k) < 0)
			t->skipped++;
	if (got < 0)
		prog_fail(r->p, "%s", stream_error(in));
	stream_digest(in, digest);
	run_input(r, digest);
	stream_close(in);
	if (t->skipped)
		prog_warn(r->p, "%llu records skipped (no question of the task, or unknown tokens)",
			(unsigned long long)t->skipped);
	if (!t->train.n)
		prog_fail(r->p, "no record to train on");
}

/* Opens the model with as many classes as there are, and names them. */
static void open_model(struct task *t)
{
	struct run *r = t->tune.r;
	const char **name, *label = t->what == SAMPLE_CLASSIFY ? r->o->label : NULL;
	char number[SAMPLE_ANSWERS][8];
	uint32_t n = t->what == SAMPLE_EXECUTE ? SAMPLE_ANSWERS : 2;

	if (t->what == SAMPLE_CLASSIFY) {
		n = (uint32_t)MIN(t->values.count, (size_t)MODEL_CLASSES_MAX + 1);
		if (n < 2 || n > MODEL_CLASSES_MAX)
			prog_fail(r->p, "label %s has %zu values: need 2 to %d", label,
				t->values.count, MODEL_CLASSES_MAX);
		name = sort_classes(t);
	} else {
		name = mem_alloc(n, sizeof(*name));
		for (uint32_t i = 0; i < n; i++) {
			snprintf(number[i], sizeof(number[i]), "%u", i);
			name[i] = number[i];
		}
	}
	if (t->what == SAMPLE_EXECUTE)
		label = "answer";
	run_model(r, sample_head(t->what), n);
	model_name(r->m, sample_name(t->what), label, name);
	mem_free(name);
}

static void shuffle(struct tune *tune, uint64_t epoch)
{
	struct task *t = (struct task *)tune;

	for (size_t i = 0; i < t->train.n; i++)
		t->order[i] = (uint32_t)i;
	tune_shuffle(t->order, t->train.n, tune->r->o->seed, epoch);
}

static size_t size(const struct task *t, const struct unit *u)
{
	return sample_size(&u->s, t->tune.r->m->config.max_len);
}

static struct micro *micro_new(struct task *t)
{
	struct micro *m;

	if (t->nmicro == t->cap_micro) {
		size_t had = t->cap_micro;

		t->micro = mem_grow(t->micro, &t->cap_micro, had + 1, sizeof(*t->micro));
		memset(t->micro + had, 0, (t->cap_micro - had) * sizeof(*t->micro));
	}
	m = &t->micro[t->nmicro++];
	pack_reset(&m->pack);
	m->n = 0;
	return m;
}

/* Adds the unit to the last micro-batch, or to a new one when that is full. */
static void put(struct task *t, const struct unit *u)
{
	struct micro *m = t->nmicro ? &t->micro[t->nmicro - 1] : NULL;
	size_t need, most = run_together(t->tune.r, MICRO);

	if (!m || (m->pack.tokens && m->pack.tokens + size(t, u) > most))
		m = micro_new(t);
	need = m->n + MAX(u->s.nrows, (size_t)1);
	if (need > m->cap) {
		m->row = mem_grow(m->row, &m->cap, need, sizeof(*m->row));
		m->want = mem_realloc(m->want, m->cap, sizeof(*m->want));
	}
	sample_pack(&u->s, &m->pack, &t->tune.r->m->config, m->row, m->want, &m->n);
	if (t->what != SAMPLE_RECOVER)
		m->want[m->n++] = u->class;
}

static int gather(struct tune *tune, struct place *at)
{
	struct task *t = (struct task *)tune;
	size_t tokens = 0;

	t->nmicro = 0;
	while (at->draws < t->train.n) {
		const struct unit *u = &t->train.u[t->order[at->draws]];

		if (tokens && tokens + size(t, u) > tune->r->o->batch_tokens)
			break;
		at->draws++;
		tokens += size(t, u);
		put(t, u);
	}
	at->tokens += tokens;
	return tokens > 0;
}

/* Runs what was gathered: the sum of losses, how many classes there were and were right. */
static int run(struct task *t, bool train, double *loss, uint64_t *n, uint64_t *right)
{
	struct model *m = t->tune.r->m;

	*n = *right = 0;
	*loss = 0;
	for (size_t i = 0; i < t->nmicro; i++)
		*n += t->micro[i].n;
	for (size_t i = 0; i < t->nmicro; i++) {
		struct micro *u = &t->micro[i];
		struct model_classes c = {.n = u->n, .want = u->want};
		const uint32_t *best;

		c.row = t->what == SAMPLE_RECOVER ? u->row : NULL;
		c.scale = 1.0f / (float)MAX(*n, (uint64_t)1);
		*loss += model_classify(m, pack_batch(&u->pack), &c, train, &best);
		if (run_stopping())
			return -1;
		for (size_t k = 0; k < u->n; k++)
			*right += best[k] == u->want[k];
	}
	*loss /= (double)MAX(*n, (uint64_t)1);
	return 0;
}

static int compute(struct tune *tune, double *loss, struct buf *fields)
{
	struct task *t = (struct task *)tune;
	uint64_t n, right;

	model_zero_grad(tune->r->m);
	if (run(t, true, loss, &n, &right) < 0)
		return -1;
	buf_printf(fields, "\"loss\":%.6g,\"classes\":%llu,\"right\":%llu", *loss,
		(unsigned long long)n, (unsigned long long)right);
	return 0;
}

static int validate(struct tune *tune, double *score)
{
	struct task *t = (struct task *)tune;
	struct run *r = tune->r;
	uint64_t n, right;
	struct buf b = {0};
	double loss;

	*score = NAN;
	t->nmicro = 0;
	for (size_t i = 0; i < t->valid.n; i++)
		put(t, &t->valid.u[i]);
	if (run(t, false, &loss, &n, &right) < 0)
		return -1;
	if (!n)
		return 0;
	*score = (double)right / (double)n;
	buf_printf(&b, "\"step\":%llu,\"valid\":true,\"loss\":%.6g,\"classes\":%llu,\"acc\":%.6g",
		(unsigned long long)r->at.step, loss, (unsigned long long)n, *score);
	run_log(r, buf_text(&b));
	buf_free(&b);
	prog_note(r->p, "step %llu: validation loss %.4f, accuracy %.4f over %llu",
		(unsigned long long)r->at.step, loss, *score, (unsigned long long)n);
	return 0;
}

static uint64_t count_cut(const struct task *t, const struct units *s)
{
	uint64_t cut = 0;

	for (size_t i = 0; i < s->n; i++)
		cut += sample_is_cut(&s->u[i].s, t->tune.r->m->config.max_len);
	return cut;
}

static void plan(struct task *t)
{
	uint64_t tokens = 0, longest = 0;

	for (size_t i = 0; i < t->train.n; i++) {
		uint64_t n = size(t, &t->train.u[i]);

		tokens += n;
		longest = MAX(longest, n);
	}
	run_plan(t->tune.r, tokens, longest);
	run_cut(t->tune.r, count_cut(t, &t->train) + count_cut(t, &t->valid));
}

static void free_units(struct units *s)
{
	for (size_t i = 0; i < s->n; i++)
		sample_free(&s->u[i].s);
	mem_free(s->u);
}

static void free_all(struct task *t)
{
	for (size_t i = 0; i < t->cap_micro; i++) {
		pack_free(&t->micro[i].pack);
		mem_free(t->micro[i].row);
		mem_free(t->micro[i].want);
	}
	mem_free(t->micro);
	mem_free(t->order);
	map_free(&t->values);
	free_units(&t->train);
	free_units(&t->valid);
}

enum run_next classify(struct run *r)
{
	struct task t = {.tune = {.r = r,
				 .shuffle = shuffle,
				 .gather = gather,
				 .compute = compute,
				 .validate = validate},
		.what = sample_find(r->o->task)};
	enum run_next next = RUN_DONE;

	read_all(&t);
	open_model(&t);
	if (!r->done) {
		t.order = mem_alloc(t.train.n, sizeof(*t.order));
		plan(&t);
		prog_note(r->p, "%zu samples, %u classes; %zu for validation", t.train.n,
			r->m->config.classes, t.valid.n);
		next = tune(&t.tune);
	}
	free_all(&t);
	return next;
}
