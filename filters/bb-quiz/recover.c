/*
 * recover.c: strand recovery (BinBert, arXiv 2208.06692, section 6.2.3): which instructions of a
 * basic block are in the strand that ends with the marked one?
 *
 * Asked about are blocks with enough strands that share no instruction with any other (the paper:
 * five), and of those a strand of two or more instructions, so that there is something to find.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "quiz.h"
#include "sem/slice.h"

struct worker {
	const struct options *o;
	struct insn_decoder *dec;
	struct slice *slice;
	struct insn *insn;
	uint8_t *marks;
	uint32_t *times; /* strands each instruction is in */
	size_t *which;   /* strands to be asked about */
	size_t cap, cap_marks, cap_times, cap_which;
};

void *recover_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->dec = insn_open(ARCH_X86_64);
	w->slice = slice_new();
	return w;
}

void recover_free(void *worker)
{
	struct worker *w = worker;

	insn_close(w->dec);
	slice_free(w->slice);
	mem_free(w->insn);
	mem_free(w->marks);
	mem_free(w->times);
	mem_free(w->which);
	mem_free(w);
}

/* Whether the last instruction is a jump to a function, by the references. */
static bool ends_in_tail_call(const struct worker *w, const struct sequence *s)
{
	const struct refs *r = &s->refs;
	size_t last = s->len.n - 1;

	if (w->insn[last].flow != INSN_JUMP)
		return false;
	for (size_t i = r->insn.n; i-- > 0 && r->insn.p[i] == last;)
		if (r->kind.p[i] == REF_CALL || r->kind.p[i] == REF_IMPORT)
			return true;
	return false;
}

/* Fills w->which; returns the number of strands that are disjoint from all others. */
static size_t find_disjoint(struct worker *w, size_t n, size_t strands, size_t *askable)
{
	size_t disjoint = 0;

	w->times = mem_grow(w->times, &w->cap_times, n, sizeof(*w->times));
	w->which = mem_grow(w->which, &w->cap_which, strands, sizeof(*w->which));
	memset(w->times, 0, n * sizeof(*w->times));
	*askable = 0;
	for (size_t k = 0; k < strands; k++) {
		size_t count;
		const uint32_t *index = slice_strand(w->slice, k, &count);

		for (size_t i = 0; i < count; i++)
			w->times[index[i]]++;
	}
	for (size_t k = 0; k < strands; k++) {
		size_t count, i = 0;
		const uint32_t *index = slice_strand(w->slice, k, &count);

		while (i < count && w->times[index[i]] == 1)
			i++;
		if (i < count)
			continue;
		disjoint++;
		if (count > 1)
			w->which[(*askable)++] = k;
	}
	return disjoint;
}

static void emit(struct worker *w, const struct sequence *s, size_t strand, struct filter_out *out)
{
	struct sequence q = *s;
	size_t count;
	const uint32_t *index = slice_strand(w->slice, strand, &count);

	w->marks = mem_grow(w->marks, &w->cap_marks, s->len.n, sizeof(*w->marks));
	memset(w->marks, MARK_OUT, s->len.n);
	for (size_t i = 0; i < count; i++)
		w->marks[index[i]] = MARK_IN;
	w->marks[index[count - 1]] = MARK_ASKED;
	q.marks = (struct u8s){w->marks, s->len.n};
	q.exprs.n = q.hashes.n = 0;
	filter_emit(out, &q);
}

void recover(void *worker, const struct kind *kind UNUSED, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	const struct sequence *s = rec;
	struct rng r = quiz_rng(w->o, s);
	size_t strands, askable;

	if (strcmp(s->unit, "block") != 0) {
		filter_skip(out, "%s: 0x%" PRIx64 ": a %s, not a block", s->origin.file,
			s->origin.addr, s->unit);
		return;
	}
	if (quiz_decode(w->dec, s, &w->insn, &w->cap) < 0) {
		filter_skip(out, "%s: 0x%" PRIx64 ": a block that does not decode", s->origin.file,
			s->origin.addr);
		return;
	}
	if (!s->len.n)
		return;
	strands = slice_block(w->slice, w->insn, s->len.n, ends_in_tail_call(w, s));
	if (find_disjoint(w, s->len.n, strands, &askable) < w->o->strands)
		return;
	for (uint64_t k = 0; k < w->o->each && askable; k++) { /* each strand once */
		size_t i = rng_below(&r, askable);

		emit(w, s, w->which[i], out);
		w->which[i] = w->which[--askable];
	}
}
