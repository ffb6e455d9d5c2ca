/*
 * text.c: records as text for people: what one looks for first comes first; code is disassembled,
 * matches are a ranked list.
 */
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "code/insn.h"
#include "formats/embedding.h"
#include "formats/function.h"
#include "formats/match.h"
#include "formats/prediction.h"
#include "formats/sequence.h"
#include "formats/tokens.h"

struct text {
	struct insn_decoder *decoder[ARCH_COUNT];
};

struct text *text_new(void)
{
	return mem_zalloc(1, sizeof(struct text));
}

void text_free(struct text *t)
{
	for (size_t i = 0; i < ARCH_COUNT; i++)
		if (t->decoder[i])
			insn_close(t->decoder[i]);
	mem_free(t);
}

static void print_labels(struct buf *b, const struct labels *l)
{
	for (size_t i = 0; i < l->n; i++)
		buf_printf(b, "%s%s=%s", i ? "," : " [", l->p[i].key, l->p[i].value);
	if (l->n)
		buf_putc(b, ']');
}

static void print_origin(struct buf *b, const struct origin *o, const struct labels *l)
{
	if (*o->name)
		buf_printf(b, "%s ", o->name);
	buf_printf(b, "%s:0x%" PRIx64, o->file, o->fn);
	if (o->addr != o->fn)
		buf_printf(b, "+0x%" PRIx64, o->addr - o->fn);
	print_labels(b, l);
}

/* One instruction a line, with what it refers to behind it. */
static void print_insn(struct text *t, struct buf *b, const char *arch, const uint8_t *p,
	size_t len, uint64_t addr)
{
	enum arch a = arch_find(arch);
	struct insn insn;

	if (a != ARCH_NONE && !t->decoder[a])
		t->decoder[a] = insn_open(a);
	if (a != ARCH_NONE && t->decoder[a] && insn_decode(t->decoder[a], p, len, &insn)) {
		insn_print(b, &insn, addr);
		return;
	}
	buf_puts(b, codeseq_is_data(a, len) ? ".byte" : "(bad)");
	for (size_t i = 0; i < len; i++)
		buf_printf(b, " %02x", p[i]);
}

static void print_refs(struct buf *b, const struct refs *r, size_t *next, size_t insn)
{
	for (; *next < r->insn.n && r->insn.p[*next] <= insn; ++*next) {
		const char *name = refs_name(r, *next);

		if (r->kind.p[*next] == REF_JUMP)
			continue; /* the operand says it */
		buf_puts(b, "  ;");
		if (r->target.p[*next])
			buf_printf(b, " 0x%" PRIx64, r->target.p[*next]);
		if (name)
			buf_printf(b, " %s", name);
	}
}

/* Where the block comes from: file:line, and the function inlined there. */
static void print_source(struct buf *b, const struct source *s, size_t block)
{
	uint32_t file = s->bfile.n ? s->bfile.p[block] : 0;
	uint32_t name = s->binline.n ? s->binline.p[block] : 0;

	if (file)
		buf_printf(b, "  ; %s:%u", s->files.p[file - 1], s->bline.p[block]);
	if (name)
		buf_printf(b, "%s inlined %s", file ? "" : "  ;", s->inlined.p[name - 1]);
}

static void print_function(struct text *t, struct buf *b, const struct function *f)
{
	struct origin o = {f->bin, f->file, f->addr, f->name, f->addr};
	size_t at = 0, block = 0, ref = 0, n;
	struct function_walk w = function_edges(f->exits, f->jumps);
	struct function_edge e;
	bool more = function_next(&w, &e);

	print_origin(b, &o, &f->labels);
	buf_printf(b, ": %s, %zu instructions, %zu blocks, %zu bytes", f->arch, f->len.n,
		f->blocks.n, f->code.n);
	if (*f->thunk)
		buf_printf(b, ", thunk of %s", f->thunk);
	if (*f->source.name)
		buf_printf(
			b, "; %s at %s:%" PRIu64, f->source.name, f->source.file, f->source.line);
	buf_putc(b, '\n');
	for (size_t i = 0; i < f->len.n; i++) {
		if (block < f->blocks.n && f->blocks.p[block] == i) {
			buf_printf(b, "  block %zu", block);
			for (n = 0; more && e.from == block; more = function_next(&w, &e))
				buf_printf(b, "%s %u", n++ ? "," : " ->", e.to);
			print_source(b, &f->source, block);
			buf_putc(b, '\n');
			block++;
		}
		buf_printf(b, "    %8" PRIx64 "  ", f->addr + at);
		print_insn(t, b, f->arch, f->code.p + at, f->len.p[i], f->addr + at);
		print_refs(b, &f->refs, &ref, i);
		buf_putc(b, '\n');
		at += f->len.p[i];
	}
}

static void print_sequence(struct text *t, struct buf *b, const struct sequence *s)
{
	static const char *const marked[] = {"    ", "  + ", "  > "}; /* by enum mark */
	size_t at = 0, ref = 0;

	buf_printf(b, "%s ", s->unit);
	print_origin(b, &s->origin, &s->labels);
	if (*s->group)
		buf_printf(b, " group %s", s->group);
	if (s->run)
		buf_printf(b, " run %" PRIu64 ", %zu values", s->run, s->values.n);
	buf_putc(b, '\n');
	for (size_t i = 0; i < s->len.n; i++) {
		buf_puts(b, s->marks.n ? marked[s->marks.p[i]] : "    ");
		print_insn(t, b, s->arch, s->code.p + at, s->len.p[i], 0);
		print_refs(b, &s->refs, &ref, i);
		buf_putc(b, '\n');
		at += s->len.p[i];
	}
	for (size_t i = 0; i < s->exprs.n; i++)
		buf_printf(b, "  = %s\n", s->exprs.p[i]);
}

static void print_tokens(struct buf *b, const struct tokens *t)
{
	buf_printf(b, "%s ", t->unit);
	print_origin(b, &t->origin, &t->labels);
	buf_printf(b, ": %zu instructions, %zu tokens, %zu expressions", t->starts.n, t->ids.n,
		t->elens.n);
	if (t->vat.n)
		buf_printf(b, ", %zu values", t->vat.n);
	buf_puts(b, "\n   ");
	for (size_t i = 0; i < t->ids.n; i++)
		buf_printf(b, " %u", t->ids.p[i]);
	buf_putc(b, '\n');
}

static void print_embedding(struct buf *b, const struct embedding *e)
{
	double sum = 0;

	for (size_t i = 0; i < e->vec.n; i++)
		sum += (double)e->vec.p[i] * (double)e->vec.p[i];
	buf_printf(b, "%s ", e->unit);
	print_origin(b, &e->origin, &e->labels);
	buf_printf(b,
		": %llu instructions, %zu dimensions, norm %.4f:", (unsigned long long)e->insns,
		e->vec.n, sqrt(sum));
	for (size_t i = 0; i < e->vec.n && i < 4; i++)
		buf_printf(b, " %.4f", (double)e->vec.p[i]);
	buf_puts(b, e->vec.n > 4 ? " ...\n" : "\n");
}

static void print_match(struct buf *b, const struct match *m)
{
	const struct hit *h = m->hits.p;

	print_origin(b, &m->origin, &m->labels);
	buf_printf(b, ": nearest of %llu\n", (unsigned long long)m->pool);
	for (size_t i = 0; i < m->hits.n; i++) {
		bool same = *m->group && !strcmp(m->group, h[i].group);

		buf_printf(b, "  %2zu  %7.4f %c ", i + 1, (double)h[i].score, same ? '*' : ' ');
		print_origin(b, &h[i].origin, &h[i].labels);
		buf_putc(b, '\n');
	}
}

static void print_prediction(struct buf *b, const struct prediction *p)
{
	size_t best = 0;

	for (size_t i = 1; i < p->scores.n; i++)
		if (p->scores.p[i] > p->scores.p[best])
			best = i;
	buf_printf(b, "%s ", p->unit);
	print_origin(b, &p->origin, &p->labels);
	buf_printf(b, ": %s is %s (%.3f)", p->task, p->classes.p[best], (double)p->scores.p[best]);
	if (*p->truth)
		buf_printf(b, ", truly %s", p->truth);
	buf_putc(b, '\n');
}

void text_record(struct text *t, struct buf *b, const struct kind *k, const void *rec)
{
	if (k == &function_kind) {
		print_function(t, b, rec);
	} else if (k == &sequence_kind) {
		print_sequence(t, b, rec);
	} else if (k == &tokens_kind) {
		print_tokens(b, rec);
	} else if (k == &embedding_kind) {
		print_embedding(b, rec);
	} else if (k == &match_kind) {
		print_match(b, rec);
	} else if (k == &prediction_kind) {
		print_prediction(b, rec);
	} else { /* a kind nobody has described yet */
		field_json(b, k->fields, rec);
		buf_putc(b, '\n');
	}
}
