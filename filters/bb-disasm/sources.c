/* sources.c: see sources.h. */
#include "sources.h"

#include "base/mem.h"
#include "code/names.h"

/* The number of a text of the debug in a list of texts: 0 for the empty one, else from 1 on. */
static uint32_t number(struct map64 *index, const char ***list, size_t *n, size_t *cap,
	const struct debug *d, uint32_t text, struct arena *a)
{
	uint64_t *v;
	bool made;

	if (!text)
		return 0;
	v = map64_put(index, text, &made);
	if (made) {
		*list = mem_grow(*list, cap, *n + 1, sizeof(**list));
		(*list)[(*n)++] = names_utf8(a, d->text + text);
		*v = *n;
	}
	return (uint32_t)*v;
}

static uint32_t inline_number(
	struct sources *m, const struct debug *d, uint32_t text, struct arena *a)
{
	return number(&m->inline_index, &m->inlined, &m->ninlined, &m->cap_inlined, d, text, a);
}

/*
 * Ranges of inlined functions nest: on the way through the blocks those that have begun are on a
 * stack, from which those that have ended are taken.
 */
struct nest {
	const struct debug *d;
	size_t next; /* range */
	size_t depth;
};

/* What the address is in, the innermost; 0: the function itself. A place of text. */
static uint32_t nest_at(struct sources *m, struct nest *n, uint64_t addr)
{
	const struct debug *d = n->d;

	for (; n->next < d->ninlines && d->inlines[n->next].addr <= addr; n->next++) {
		m->stack = mem_grow(m->stack, &m->cap_stack, n->depth + 1, sizeof(*m->stack));
		m->stack[n->depth++] = &d->inlines[n->next];
	}
	while (n->depth && m->stack[n->depth - 1]->end <= addr)
		n->depth--;
	return n->depth ? m->stack[n->depth - 1]->name : 0;
}

static void add_blocks(struct sources *m, const struct debug *d, const struct func *f,
	const struct body *b, struct arena *a)
{
	struct nest nest = {d, debug_inline_from(d, f->addr), 0};
	size_t nb = b->cfg.nblocks, insn = 0;
	uint64_t at = f->addr;

	m->bfile = mem_grow(m->bfile, &m->cap_bfile, nb, sizeof(*m->bfile));
	m->bline = mem_grow(m->bline, &m->cap_bline, nb, sizeof(*m->bline));
	m->binline = mem_grow(m->binline, &m->cap_binline, nb, sizeof(*m->binline));
	for (size_t i = nest.next; i < d->ninlines && d->inlines[i].addr < f->end; i++)
		inline_number(m, d, d->inlines[i].name, a);
	for (size_t i = 0; i < nb; i++) {
		size_t last = i + 1 < nb ? b->cfg.blocks[i + 1] : b->ninsns;
		const struct debug_row *row;
		uint64_t start = at;

		while (insn < last)
			at += b->len[insn++];
		row = debug_row_at(d, start, at);
		m->bline[i] = row ? row->line : 0;
		m->bfile[i] = row ? number(&m->file_index, &m->files, &m->nfiles, &m->cap_files, d,
					    row->file, a)
				  : 0;
		m->binline[i] = inline_number(m, d, nest_at(m, &nest, start), a);
	}
}

const struct debug_unit *sources_make(struct sources *m, struct source *s, const struct debug *d,
	const struct func *f, const struct body *b, struct arena *a)
{
	const struct debug_function *df = debug_function_at(d, f->addr);
	const struct debug_unit *u = df ? &d->units[df->unit] : NULL;
	size_t nb = b->cfg.nblocks;

	*s = (struct source){.name = "", .file = "", .unit = "", .language = "", .producer = ""};
	m->nfiles = m->ninlined = 0;
	map64_reset(&m->file_index);
	map64_reset(&m->inline_index);
	add_blocks(m, d, f, b, a);
	s->files = (struct texts){m->files, m->nfiles};
	s->bfile = (struct u32s){m->bfile, m->nfiles ? nb : 0};
	s->bline = (struct u32s){m->bline, m->nfiles ? nb : 0};
	s->binline = (struct u32s){m->binline, m->ninlined ? nb : 0};
	s->inlined = (struct texts){m->inlined, m->ninlined};
	if (!u)
		return NULL; /* lines alone, as of assembly code */
	s->name = names_utf8(a, d->text + df->name);
	s->file = names_utf8(a, d->text + df->file);
	s->line = df->line;
	s->unit = names_utf8(a, d->text + u->name);
	s->language = names_utf8(a, d->text + u->language);
	s->producer = names_utf8(a, d->text + u->producer);
	return u;
}

void sources_free(struct sources *m)
{
	mem_free(m->files);
	mem_free(m->inlined);
	mem_free(m->bfile);
	mem_free(m->bline);
	mem_free(m->binline);
	map64_free(&m->file_index);
	map64_free(&m->inline_index);
	mem_free(m->stack);
	*m = (struct sources){0};
}
