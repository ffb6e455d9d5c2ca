/* varies.c: see varies.h. */
#include "varies.h"

#include <string.h>

#include "base/mem.h"

static struct varies_label *find(struct varies *v, const char *key)
{
	struct map_entry *entry = map_get(&v->keys, key, strlen(key));

	if (entry)
		return &v->label[entry->value];
	if (v->n == VARIES_KEYS)
		return NULL;
	entry = map_put(&v->keys, key, strlen(key), NULL);
	entry->value = v->n;
	v->label = mem_grow(v->label, &v->cap, v->n + 1, sizeof(*v->label));
	v->label[v->n] = (struct varies_label){.key = entry->key};
	return &v->label[v->n++];
}

static void remember(struct map *values, bool *more, const char *value)
{
	size_t n = strlen(value);

	if (values->count < VARIES_VALUES)
		map_put(values, value, n, NULL);
	else
		*more |= !map_get(values, value, n);
}

static const char *value_of(const struct labels *l, const char *key)
{
	const char *value = field_label(l, key);

	return value ? value : "";
}

/* One query and one answer: the labels of `from`, looked up in both. */
static void compare(struct varies *v, const struct labels *from, const struct labels *query,
	const struct labels *hit)
{
	for (size_t i = 0; i < from->n; i++) {
		struct varies_label *label = find(v, from->p[i].key);
		const char *q = value_of(query, from->p[i].key);
		const char *h = value_of(hit, from->p[i].key);

		if (!label)
			continue;
		remember(&label->queries, &label->more_queries, q);
		remember(&label->hits, &label->more_hits, h);
		label->differs |= strcmp(q, h) != 0;
	}
}

void varies_add(struct varies *v, const struct match *m)
{
	const struct hit *hit = m->hits.p;

	for (size_t i = 0; i < m->hits.n; i++) {
		compare(v, &m->labels, &m->labels, &hit[i].labels);
		compare(v, &hit[i].labels, &m->labels, &hit[i].labels);
	}
}

void varies_free(struct varies *v)
{
	for (size_t i = 0; i < v->n; i++) {
		map_free(&v->label[i].queries);
		map_free(&v->label[i].hits);
	}
	mem_free(v->label);
	map_free(&v->keys);
	*v = (struct varies){0};
}

static void values_text(const struct map *values, bool more, struct buf *b)
{
	for (size_t i = 0; i < values->count; i++)
		buf_printf(b, "%s%s", i ? " " : "",
			values->e[i].n ? (const char *)values->e[i].key : "(none)");
	buf_puts(b, more ? " ..." : "");
}

void varies_text(const struct varies *v, struct buf *b)
{
	size_t same = 0, different = 0;

	for (size_t i = 0; i < v->n; i++) {
		const struct varies_label *l = &v->label[i];

		if (!l->differs)
			continue;
		buf_printf(b, "%s%s (", different++ ? ", " : "varies: ", l->key);
		values_text(&l->queries, l->more_queries, b);
		buf_puts(b, " against ");
		values_text(&l->hits, l->more_hits, b);
		buf_putc(b, ')');
	}
	if (different)
		buf_putc(b, '\n');
	for (size_t i = 0; i < v->n; i++)
		if (!v->label[i].differs)
			buf_printf(b, "%s%s",
				same++ ? ", " : "the same in query and answers: ", v->label[i].key);
	if (same)
		buf_putc(b, '\n');
}

static void values_json(const struct map *values, struct buf *b)
{
	buf_putc(b, '[');
	for (size_t i = 0; i < values->count; i++) {
		buf_puts(b, i ? "," : "");
		field_json_text(b, values->e[i].key);
	}
	buf_putc(b, ']');
}

void varies_json(const struct varies *v, struct buf *b)
{
	buf_putc(b, '{');
	for (size_t i = 0; i < v->n; i++) {
		const struct varies_label *l = &v->label[i];

		buf_puts(b, i ? "," : "");
		field_json_text(b, l->key);
		buf_printf(b, ":{\"varies\":%s,\"queries\":", l->differs ? "true" : "false");
		values_json(&l->queries, b);
		buf_puts(b, ",\"hits\":");
		values_json(&l->hits, b);
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
}
