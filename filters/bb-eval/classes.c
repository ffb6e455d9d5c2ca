/* classes.c: see classes.h; the measures are in ann/metrics.h. */
#include "classes.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct part {
	const char *task;
	const char *value; /* of the label; NULL: all records of the task */
	struct metrics_classes m;
};

struct classes {
	const char *by;
	struct map keys;   /* "task" or "task 0 value" -> index into part */
	struct part *part; /* sorted by classes_text and classes_json */
	size_t n, cap;
	struct buf key; /* scratch */
};

struct classes *classes_new(const char *by)
{
	struct classes *c = mem_zalloc(1, sizeof(*c));

	c->by = by;
	return c;
}

void classes_free(struct classes *c)
{
	for (size_t i = 0; i < c->n; i++)
		metrics_classes_free(&c->part[i].m);
	mem_free(c->part);
	map_free(&c->keys);
	buf_free(&c->key);
	mem_free(c);
}

/* Adds the record to the part of its task, and of the value if there is one. */
static int add(struct classes *c, const char *value, const struct prediction *p, struct err *e)
{
	struct map_entry *entry;
	bool made;

	buf_reset(&c->key);
	buf_puts(&c->key, p->task);
	if (value)
		buf_put(&c->key, "", 1);
	if (value)
		buf_puts(&c->key, value);
	entry = map_put(&c->keys, c->key.p, c->key.n, &made);
	if (made && c->n == CLASSES_PARTS)
		return err_set(e, "more than %d tasks or values of '%.100s'", CLASSES_PARTS,
			c->by ? c->by : "");
	if (made) {
		const char *task = entry->key;

		entry->value = c->n;
		c->part = mem_grow(c->part, &c->cap, c->n + 1, sizeof(*c->part));
		c->part[c->n++] = (struct part){
			.task = task, .value = value ? task + strlen(task) + 1 : NULL};
	}
	return metrics_classes_add(
		&c->part[entry->value].m, p->truth, p->classes.p, p->scores.p, p->scores.n, e);
}

int classes_add(struct classes *c, const struct prediction *p, struct err *e)
{
	const char *value = c->by ? field_label(&p->labels, c->by) : NULL;

	if (add(c, NULL, p, e) < 0)
		return -1;
	return c->by ? add(c, value ? value : "", p, e) : 0;
}

/* ---- printing ---- */

/* By task; then all its records, before the parts by value. */
static int by_name(const void *a, const void *b)
{
	const struct part *x = *(struct part *const *)a, *y = *(struct part *const *)b;
	int task = strcmp(x->task, y->task);

	if (task || !x->value || !y->value)
		return task ? task : (x->value != NULL) - (y->value != NULL);
	return strcmp(x->value, y->value);
}

static struct part **sorted(const struct classes *c)
{
	struct part **p = mem_alloc(c->n, sizeof(struct part *));

	for (size_t i = 0; i < c->n; i++)
		p[i] = &c->part[i];
	if (c->n)
		qsort(p, c->n, sizeof(struct part *), by_name);
	return p;
}

/* "0.1234", or "-" for what is undefined. */
static void number(struct buf *b, double v)
{
	if (isnan(v))
		buf_puts(b, "        -");
	else
		buf_printf(b, "  %7.4f", v);
}

static void table(const struct metrics_classes *m, struct buf *b)
{
	struct metrics_f1 f = metrics_macro_f1(m);

	buf_printf(b, "%" PRIu64 " records", m->records);
	if (m->unknown)
		buf_printf(b, " (%" PRIu64 " more without a known truth)", m->unknown);
	if (!m->records) {
		buf_putc(b, '\n');
		return;
	}
	buf_printf(b, ", accuracy %.4f\n", (double)m->right / (double)m->records);
	buf_puts(b, "  precision   recall       f1      auc   records  class\n  ");
	number(b, f.precision);
	number(b, f.recall);
	number(b, f.f1);
	number(b, metrics_macro_auc(m));
	buf_printf(b, "  %8" PRIu64 "  (mean of the classes)\n", m->records);
	for (size_t i = 0; i < m->n; i++) {
		f = metrics_class_f1(&m->c[i]);
		buf_puts(b, "  ");
		number(b, f.precision);
		number(b, f.recall);
		number(b, f.f1);
		number(b, metrics_class_auc(m, i));
		buf_printf(b, "  %8" PRIu64 "  %s\n", m->c[i].truth, m->c[i].name);
	}
}

void classes_text(const struct classes *c, struct buf *b)
{
	struct part **p = sorted(c);

	if (!c->n)
		buf_puts(b, "0 records\n");
	for (size_t i = 0; i < c->n; i++) {
		buf_printf(b, "%s%s", i ? "\n" : "", p[i]->task);
		if (p[i]->value)
			buf_printf(b, ", %s=%s", c->by, *p[i]->value ? p[i]->value : "(none)");
		buf_puts(b, ": ");
		table(&p[i]->m, b);
	}
	mem_free(p);
}

static void member(struct buf *b, const char *name, double v)
{
	if (isnan(v))
		buf_printf(b, ",\"%s\":null", name);
	else
		buf_printf(b, ",\"%s\":%.10g", name, v);
}

static void f1_json(struct buf *b, struct metrics_f1 f, double auc)
{
	member(b, "precision", f.precision);
	member(b, "recall", f.recall);
	member(b, "f1", f.f1);
	member(b, "auc", auc);
}

/* "confusion":{"truth":{"predicted":count}}, without the zeros. */
static void confusion_json(const struct metrics_classes *m, struct buf *b)
{
	bool any_truth = false;

	buf_puts(b, ",\"confusion\":{");
	for (size_t i = 0; i < m->n; i++) {
		bool any = false;

		if (!m->c[i].truth)
			continue;
		buf_puts(b, any_truth ? "," : "");
		field_json_text(b, m->c[i].name);
		buf_puts(b, ":{");
		for (size_t k = 0; k < m->n; k++) {
			uint64_t count = metrics_confusion(m, i, k);

			if (!count)
				continue;
			buf_puts(b, any ? "," : "");
			field_json_text(b, m->c[k].name);
			buf_printf(b, ":%" PRIu64, count);
			any = true;
		}
		buf_putc(b, '}');
		any_truth = true;
	}
	buf_putc(b, '}');
}

/* The members of an object, without its braces. */
static void members(const struct metrics_classes *m, struct buf *b)
{
	buf_printf(b, "\"records\":%" PRIu64 ",\"unknown\":%" PRIu64 ",\"classes\":%zu", m->records,
		m->unknown, m->n);
	member(b, "accuracy", m->records ? (double)m->right / (double)m->records : NAN);
	f1_json(b, metrics_macro_f1(m), metrics_macro_auc(m));
	buf_puts(b, ",\"class\":{");
	for (size_t i = 0; i < m->n; i++) {
		buf_puts(b, i ? "," : "");
		field_json_text(b, m->c[i].name);
		buf_printf(b, ":{\"records\":%" PRIu64, m->c[i].truth);
		f1_json(b, metrics_class_f1(&m->c[i]), metrics_class_auc(m, i));
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
	confusion_json(m, b);
}

void classes_json(const struct classes *c, struct buf *b)
{
	struct part **p = sorted(c);

	for (size_t i = 0; i < c->n; i++) {
		bool is_new = !p[i]->value, is_last = i + 1 == c->n || !p[i + 1]->value;

		if (is_new) {
			buf_puts(b, "{\"task\":");
			field_json_text(b, p[i]->task);
			buf_putc(b, ',');
		} else {
			field_json_text(b, p[i]->value);
			buf_puts(b, ":{");
		}
		members(&p[i]->m, b);
		if (is_new && c->by) {
			buf_puts(b, ",\"by\":{");
			field_json_text(b, c->by);
			buf_puts(b, ":{");
		} else if (!is_new) {
			buf_puts(b, is_last ? "}" : "},");
		}
		if (is_last)
			buf_puts(b, c->by ? "}}}\n" : "}\n");
	}
	mem_free(p);
}
