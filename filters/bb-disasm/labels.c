/* labels.c: see labels.h. */
#include "labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "code/names.h"
#include "code/producer.h"

enum { VARIABLES_MAX = 32 };

struct capture {
	const char *key, *value;
	size_t nkey, nvalue;
};

struct match {
	struct capture c[VARIABLES_MAX];
	size_t n;
};

int labels_check_pair(const char *pair, struct err *e)
{
	const char *eq = strchr(pair, '=');

	if (!eq || eq == pair)
		return err_set(e, "label '%s': not of the form key=value", pair);
	return 0;
}

int labels_check_template(const char *template, struct err *e)
{
	size_t n = 0;

	for (const char *p = template; *p; p++) {
		const char *end;

		if (*p == '}')
			return err_set(e, "path template '%s': '}' without '{'", template);
		if (*p != '{')
			continue;
		end = p + 1 + strcspn(p + 1, "}/{");
		if (*end != '}' || end == p + 1)
			return err_set(
				e, "path template '%s': '{' without a name and '}'", template);
		if (end[1] == '{')
			return err_set(
				e, "path template '%s': nothing between two names", template);
		if (++n > VARIABLES_MAX)
			return err_set(e, "path template '%s': more than %d names", template,
				VARIABLES_MAX);
		p = end;
	}
	return n ? 0 : err_set(e, "path template '%s': names no label", template);
}

/* Matches template [t, tend) against text [s, send), both within one component. */
static bool fits(struct match *m, const char *t, const char *tend, const char *s, const char *send)
{
	while (t < tend && *t != '{') {
		if (s == send || *s++ != *t++)
			return false;
	}
	if (t == tend)
		return s == send;
	t++;
	for (const char *close = memchr(t, '}', (size_t)(tend - t)), *stop = send; stop > s;
		stop--) {
		size_t n = m->n;

		m->c[m->n++] = (struct capture){t, s, (size_t)(close - t), (size_t)(stop - s)};
		if (fits(m, close + 1, tend, stop, send))
			return true;
		m->n = n;
	}
	return false;
}

/* Start of the last component of [s, send). */
static const char *last_component(const char *s, const char *send)
{
	while (send > s && send[-1] != '/')
		send--;
	return send;
}

static bool match_path(struct match *m, const char *template, const char *path)
{
	const char *tend = template + strlen(template), *send = path + strlen(path);

	for (;;) {
		const char *t = last_component(template, tend), *s = last_component(path, send);

		if (!fits(m, t, tend, s, send))
			return false;
		if (t == template)
			return true;
		for (tend = t; tend > template && tend[-1] == '/';)
			tend--;
		if (tend == template)
			return true; /* a leading slash */
		for (send = s; send > path && send[-1] == '/';)
			send--;
		if (send == path)
			return false;
	}
}

/* Sets a label, replacing one of the same key. */
static void put(struct labels *l, const char *key, const char *value)
{
	size_t i = 0;

	while (i < l->n && strcmp(l->p[i].key, key) < 0)
		i++;
	if (i == l->n || strcmp(l->p[i].key, key)) {
		memmove(&l->p[i + 1], &l->p[i], (l->n - i) * sizeof(*l->p));
		l->n++;
	}
	l->p[i] = (struct label){key, value};
}

int labels_of(struct labels *out, const char *template, const char *path, const char *const *pairs,
	size_t n, struct arena *a)
{
	struct match m = {.n = 0};
	bool ok = !template || match_path(&m, template, path);

	if (!ok)
		m.n = 0;
	*out = (struct labels){arena_get(a, m.n + n, sizeof(*out->p)), 0};
	for (size_t i = 0; i < m.n; i++) {
		const char *key = arena_str(a, m.c[i].key, m.c[i].nkey);

		if (strcmp(key, "file"))
			put(out, names_utf8(a, key),
				names_utf8(a, arena_str(a, m.c[i].value, m.c[i].nvalue)));
	}
	for (size_t i = 0; i < n; i++) {
		const char *eq = strchr(pairs[i], '=');

		put(out, names_utf8(a, arena_str(a, pairs[i], (size_t)(eq - pairs[i]))),
			names_utf8(a, eq + 1));
	}
	return ok ? 0 : -1;
}

/* The label of a text that was put together in b, unless it is empty or there already. */
static void put_new(struct labels *l, const char *key, struct buf *b, struct arena *a)
{
	if (b->n && !field_label(l, key))
		put(l, key, arena_str(a, b->p, b->n));
	buf_reset(b);
}

void labels_of_producer(
	struct labels *out, const struct labels *l, const char *producer, struct arena *a)
{
	struct buf b = {0};

	*out = (struct labels){arena_get(a, l->n + 2, sizeof(*out->p)), l->n};
	if (l->n)
		memcpy(out->p, l->p, l->n * sizeof(*l->p));
	producer_compiler(&b, producer);
	put_new(out, "compiler", &b, a);
	producer_level(&b, producer);
	put_new(out, "opt", &b, a);
	buf_free(&b);
}
