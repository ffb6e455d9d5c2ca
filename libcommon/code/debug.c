/* debug.c: see debug.h. */
#include "code/debug.h"

#include <string.h>

#include "base/sort.h"

/* Takes n items of `size` bytes at *at. 0, or -1 when there are fewer. */
static int take(const struct buf *b, size_t *at, uint64_t n, size_t size, const void **out)
{
	if (n > (b->n - *at) / size)
		return -1;
	*out = b->p + *at;
	*at += (size_t)n * size;
	return 0;
}

/* Whether all texts and units that are referred to are there. */
static bool in_range(const struct debug *d, size_t text)
{
	for (size_t i = 0; i < d->nunits; i++) {
		const struct debug_unit *u = &d->units[i];

		if (u->name >= text || u->language >= text || u->producer >= text)
			return false;
	}
	for (size_t i = 0; i < d->nfunctions; i++) {
		const struct debug_function *f = &d->functions[i];

		if (f->name >= text || f->file >= text || f->unit >= d->nunits || f->end < f->addr)
			return false;
	}
	for (size_t i = 0; i < d->nrows; i++) {
		if (d->rows[i].file >= text)
			return false;
	}
	for (size_t i = 0; i < d->ninlines; i++) {
		if (d->inlines[i].name >= text || d->inlines[i].end < d->inlines[i].addr)
			return false;
	}
	return true;
}

int debug_open(struct debug *d, struct buf *bytes)
{
	const struct debug_head *h = (const struct debug_head *)bytes->p;
	const void *functions, *rows, *inlines, *units, *text;
	size_t at = sizeof(*h);

	*d = (struct debug){.bytes = *bytes};
	*bytes = (struct buf){0};
	if (d->bytes.n < sizeof(*h) ||
		take(&d->bytes, &at, h->functions, sizeof(*d->functions), &functions) < 0 ||
		take(&d->bytes, &at, h->rows, sizeof(*d->rows), &rows) < 0 ||
		take(&d->bytes, &at, h->inlines, sizeof(*d->inlines), &inlines) < 0 ||
		take(&d->bytes, &at, h->units, sizeof(*d->units), &units) < 0 ||
		take(&d->bytes, &at, h->text, 1, &text) < 0 || at != d->bytes.n || !h->text)
		goto bad;
	d->functions = functions, d->nfunctions = (size_t)h->functions;
	d->rows = rows, d->nrows = (size_t)h->rows;
	d->inlines = inlines, d->ninlines = (size_t)h->inlines;
	d->units = units, d->nunits = (size_t)h->units;
	d->text = text;
	if (d->text[0] || d->text[h->text - 1] || !in_range(d, (size_t)h->text))
		goto bad;
	return 0;
bad:
	debug_free(d);
	return -1;
}

void debug_free(struct debug *d)
{
	buf_free(&d->bytes);
	*d = (struct debug){0};
}

const struct debug_function *debug_function_at(const struct debug *d, uint64_t addr)
{
	size_t i = sort_first(d->functions, d->nfunctions, sizeof(*d->functions), 0, addr);

	if (i < d->nfunctions && d->functions[i].addr == addr)
		return &d->functions[i];
	return i && addr < d->functions[i - 1].end ? &d->functions[i - 1] : NULL;
}

const struct debug_row *debug_row_at(const struct debug *d, uint64_t addr, uint64_t end)
{
	size_t i = sort_first(d->rows, d->nrows, sizeof(*d->rows), 0, addr);

	while (i < d->nrows && d->rows[i].addr == addr)
		i++;
	if (i && d->rows[i - 1].line)
		return &d->rows[i - 1];
	while (i < d->nrows && d->rows[i].addr < end && !d->rows[i].line)
		i++;
	return i < d->nrows && d->rows[i].addr < end ? &d->rows[i] : NULL;
}

size_t debug_inline_from(const struct debug *d, uint64_t addr)
{
	return sort_first(d->inlines, d->ninlines, sizeof(*d->inlines), 0, addr);
}
