/* changes.c: see changes.h. */
#include "changes.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

enum status { SAME, CHANGED, GONE, NEW, STATUSES };

static const char *const status_name[STATUSES] = {"same", "changed", "gone", "new"};

static enum status status_of(const struct fn *x, const struct fn *y)
{
	if (!x || !y)
		return x ? GONE : NEW;
	return x->insns == y->insns && x->n == y->n &&
			       (!x->n || !memcmp(x->id, y->id, x->n * sizeof(*x->id)))
		       ? SAME
		       : CHANGED;
}

static void json(struct show *s, enum status status, const struct fn *x, const struct fn *y,
	double score, uint32_t *id)
{
	buf_printf(&s->out, "{\"status\":\"%s\"", status_name[status]);
	if (x) {
		buf_puts(&s->out, ",\"old\":");
		show_origin(s, &x->origin);
		buf_printf(&s->out, ",\"old_insns\":%" PRIu64, x->insns);
	}
	if (y) {
		buf_puts(&s->out, ",\"new\":");
		show_origin(s, &y->origin);
		buf_printf(&s->out, ",\"new_insns\":%" PRIu64, y->insns);
	}
	if (status == CHANGED) {
		buf_printf(&s->out, ",\"score\":%.6f,\"removed\":", score);
		show_exprs(s, "-", id, show_missing(x, y, id), s->book->weight);
		buf_puts(&s->out, ",\"added\":");
		show_exprs(s, "+", id, show_missing(y, x, id), s->book->weight);
	}
	if (x && y && s->shared) {
		buf_puts(&s->out, ",\"shared\":");
		show_exprs(s, "=", id, show_shared(x, y, id), s->book->weight);
	}
	buf_puts(&s->out, "}\n");
}

static void text(struct show *s, enum status status, const struct fn *x, const struct fn *y,
	double score, uint32_t *id)
{
	buf_printf(&s->out, "%-8s", status_name[status]);
	if (status == CHANGED)
		buf_printf(&s->out, " %6.4f ", score);
	else
		buf_puts(&s->out, "        ");
	show_origin(s, &(x ? x : y)->origin);
	if (x && y) {
		buf_puts(&s->out, " -> ");
		show_origin(s, &y->origin);
	}
	buf_printf(&s->out, ", %" PRIu64, (x ? x : y)->insns);
	if (x && y && x->insns != y->insns)
		buf_printf(&s->out, " -> %" PRIu64, y->insns);
	buf_puts(&s->out, " instructions\n");
	if (status == CHANGED) {
		show_exprs(s, "-", id, show_missing(x, y, id), s->book->weight);
		show_exprs(s, "+", id, show_missing(y, x, id), s->book->weight);
	}
	if (x && y && s->shared)
		show_exprs(s, "=", id, show_shared(x, y, id), s->book->weight);
}

void changes_show(struct show *s, const struct fns *old, const struct fns *new,
	const struct pairs *p, bool all)
{
	size_t n[STATUSES] = {0}, most = 0;
	uint32_t *id;

	for (size_t i = 0; i < old->n; i++)
		most = MAX(most, old->fn[i].n);
	for (size_t i = 0; i < new->n; i++)
		most = MAX(most, new->fn[i].n);
	id = mem_alloc(most, sizeof(*id));
	for (size_t i = 0; i < old->n + new->n; i++) {
		const struct fn *x = i < old->n ? &old->fn[i] : NULL, *y = NULL;
		enum status status;

		if (x && p->of_old[i] != PAIR_NONE)
			y = &new->fn[p->of_old[i]];
		if (!x && p->of_new[i - old->n] != PAIR_NONE)
			continue;
		if (!x)
			y = &new->fn[i - old->n];
		status = status_of(x, y);
		n[status]++;
		if (status != SAME || all)
			(s->json ? json : text)(s, status, x, y, x ? p->score[i] : 0, id);
	}
	mem_free(id);
	buf_printf(&s->out,
		s->json ? "{\"same\":%zu,\"changed\":%zu,\"gone\":%zu,\"new\":%zu}\n"
			: "%zu same, %zu changed, %zu gone, %zu new\n",
		n[SAME], n[CHANGED], n[GONE], n[NEW]);
}
