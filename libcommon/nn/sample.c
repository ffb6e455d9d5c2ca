/* sample.c: see sample.h. */
#include "nn/sample.h"

#include <string.h>

#include "base/mem.h"
#include "formats/sequence.h"

static const struct {
	const char *name;
	enum model_head head;
} tasks[SAMPLE_TASKS] = {
	{"classify", MODEL_SEQUENCES}, {"execute", MODEL_SEQUENCES}, {"recover", MODEL_TOKENS}};

const char *sample_name(enum sample_task task)
{
	return tasks[task].name;
}

enum sample_task sample_find(const char *name)
{
	unsigned i = 0;

	while (i < SAMPLE_TASKS && strcmp(tasks[i].name, name) != 0)
		i++;
	return (enum sample_task)i;
}

enum model_head sample_head(enum sample_task task)
{
	return tasks[task].head;
}

void sample_free(struct sample *s)
{
	mem_free(s->code);
	mem_free(s->expr);
	mem_free(s->row);
	mem_free(s->want);
	mem_free(s->room);
	*s = (struct sample){0};
}

static uint32_t *copy(const uint32_t *p, size_t n)
{
	uint32_t *q = mem_alloc(n, sizeof(*q));

	if (n)
		memcpy(q, p, n * sizeof(*q));
	return q;
}

/* The parts of the question with [SEP] between them. */
static void make_question(struct sample *s, const struct tokens *t)
{
	const uint32_t *from = t->eids.p;

	s->has_expr = true;
	s->expr = mem_alloc(t->eids.n + t->elens.n, sizeof(*s->expr));
	for (size_t i = 0; i < t->elens.n; i++) {
		if (i)
			s->expr[s->nexpr++] = MODEL_SEP;
		for (size_t k = 0; k < t->elens.p[i]; k++)
			s->expr[s->nexpr++] = *from++;
	}
}

/* Puts a [MASK] before and behind the marked instruction. -1 when none is marked. */
static int mark(struct sample *s, const struct tokens *t)
{
	size_t asked = 0, from, to, n = 0;

	while (asked < t->marks.n && t->marks.p[asked] != MARK_ASKED)
		asked++;
	if (asked == t->marks.n)
		return -1;
	from = t->starts.p[asked];
	to = asked + 1 < t->starts.n ? t->starts.p[asked + 1] : t->ids.n;
	s->code = mem_alloc(t->ids.n + 2, sizeof(*s->code));
	for (size_t i = 0; i <= t->ids.n; i++) {
		if (i == from || i == to)
			s->code[n++] = MODEL_MASK;
		if (i < t->ids.n)
			s->code[n++] = t->ids.p[i];
	}
	s->ncode = n;
	s->needs = to + 2;
	s->row = mem_alloc(t->starts.n, sizeof(*s->row));
	s->want = mem_alloc(t->starts.n, 1);
	for (size_t i = 0; i < t->starts.n; i++) {
		if (i == asked)
			continue;
		s->row[s->nrows] = t->starts.p[i] + (i > asked ? 2 : 0);
		s->want[s->nrows++] = t->marks.p[i] == MARK_IN;
	}
	return s->nrows ? 0 : -1;
}

struct pack_traced sample_traced(const struct tokens *t, int arch)
{
	return (struct pack_traced){.ids = t->ids.p,
		.starts = t->starts.p,
		.vat = t->vat.p,
		.values = t->values.p,
		.n = (uint32_t)t->ids.n,
		.nstarts = (uint32_t)t->starts.n,
		.nvalues = (uint32_t)t->vat.n,
		.arch = (uint32_t)arch};
}

int sample_make(struct sample *s, enum sample_task task, const struct tokens *t, int arch)
{
	*s = (struct sample){0};
	if (arch != SAMPLE_CODE) {
		s->traced = sample_traced(t, arch);
		if (task != SAMPLE_CLASSIFY || !t->ids.n)
			return -1;
		s->room = mem_alloc(pack_words(&s->traced), sizeof(uint32_t));
		pack_store(&s->traced, s->room);
		s->ncode = s->traced.n;
		return 0;
	}
	if (!t->ids.n || (task == SAMPLE_EXECUTE && !t->elens.n))
		return -1;
	if (task == SAMPLE_RECOVER) {
		if (mark(s, t) == 0)
			return 0;
		sample_free(s);
		return -1;
	}
	s->code = copy(t->ids.p, t->ids.n);
	s->ncode = t->ids.n;
	if (task == SAMPLE_EXECUTE)
		make_question(s, t);
	return 0;
}

size_t sample_size(const struct sample *s, size_t max_len)
{
	return pack_size(max_len, s->ncode, s->has_expr, s->nexpr);
}

bool sample_is_cut(const struct sample *s, size_t max_len)
{
	return pack_is_cut(max_len, s->ncode, s->has_expr, s->nexpr);
}

void sample_pack(const struct sample *s, struct pack *p, const struct model_config *c,
	uint32_t *row, uint32_t *want, size_t *n)
{
	size_t first = p->tokens + 1; /* behind [CLS] */
	size_t had;

	if (model_is_trex(c)) {
		pack_add_traced(p, c->max_len, c->max_op, &s->traced);
		return;
	}
	had = pack_add(p, c->max_len, s->code, s->ncode, s->has_expr ? s->expr : NULL, s->nexpr);
	if (had < s->needs)
		return; /* the marked instruction was cut off: nothing can be said */
	for (size_t i = 0; i < s->nrows && s->row[i] < had; i++) {
		if (row)
			row[*n] = (uint32_t)(first + s->row[i]);
		if (want)
			want[*n] = s->want[i];
		++*n;
	}
}
