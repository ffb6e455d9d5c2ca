/* show.c: see show.h. */
#include "show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void show_origin(struct show *s, const struct origin *o)
{
	if (s->json) {
		field_json(&s->out, &origin_fields, o);
		return;
	}
	if (*o->name)
		buf_printf(&s->out, "%s ", o->name);
	buf_printf(&s->out, "%s:0x%" PRIx64, o->file, o->fn);
}

/* The expressions of x that y has, or has not. */
static size_t choose(const struct fn *x, const struct fn *y, bool has, uint32_t *id)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < x->n; i++) {
		while (k < y->n && y->id[k] < x->id[i])
			k++;
		if ((k < y->n && y->id[k] == x->id[i]) == has)
			id[n++] = x->id[i];
	}
	return n;
}

size_t show_missing(const struct fn *x, const struct fn *y, uint32_t *id)
{
	return choose(x, y, false, id);
}

size_t show_shared(const struct fn *x, const struct fn *y, uint32_t *id)
{
	return choose(x, y, true, id);
}

struct ranked {
	double rank;
	const char *text;
	uint32_t id;
};

static int largest_first(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->rank != b->rank)
		return a->rank < b->rank ? 1 : -1;
	return strcmp(a->text, b->text);
}

void show_exprs(struct show *s, const char *mark, uint32_t *id, size_t n, const double *rank)
{
	struct ranked *r = mem_alloc(n, sizeof(*r));

	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){rank[id[i]], s->book->text[id[i]], id[i]};
	if (n)
		qsort(r, n, sizeof(*r), largest_first);
	if (s->json)
		buf_putc(&s->out, '[');
	for (size_t i = 0; i < n && i < s->lines; i++) {
		if (s->json) {
			buf_puts(&s->out, i ? "," : "");
			field_json_text(&s->out, r[i].text);
		} else {
			buf_printf(&s->out, "    %s %s\n", mark, r[i].text);
		}
	}
	if (s->json)
		buf_putc(&s->out, ']');
	else if (n > s->lines)
		buf_printf(&s->out, "    %s ... %zu more\n", mark, n - (size_t)s->lines);
	mem_free(r);
}
