/*
 * bb-tok.c: sequences to tokens: code and expressions as normalised text (BinBert sections 3.2 and
 * 3.3), or code as words with values (Trex section IV), cut into the numbers of a WordPiece
 * vocabulary.
 *
 * One idea: text exists for one instruction at a time; the decoder remembers encodings and the
 * tokeniser words, so most of the work is looking things up.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/sequence.h"
#include "formats/tokens.h"
#include "text/normalise.h"
#include "text/traced.h"
#include "text/wordpiece.h"

struct options {
	const char *model;
	uint64_t length;    /* of an input of the model, special tokens included */
	uint64_t max_insns; /* 0: all */
	const char *text;
	struct normalise_opts normal;
	bool traced, values;     /* text with values, and to be printed with them */
	struct wordpiece *vocab; /* NULL when text is wanted */
	uint64_t bad;            /* instructions left out, of all threads */
};

/* Special tokens beside the code, [CLS] and [SEP], and one more [SEP] behind an expression. */
enum { AROUND_CODE = 2, AROUND_PAIR = 3 };

struct worker {
	struct options *o;
	struct insn_decoder *dec;
	struct normalise_text code;
	struct traced_text traced; /* in its place */
	struct wordpiece_memo memo;
	struct wordpiece_ids ids, eids;
	uint32_t *starts, *elens, *vat;
	uint64_t *values;
	uint8_t *marks;
	size_t starts_cap, elens_cap, marks_cap, vat_cap, values_cap;
	uint64_t bad; /* instructions left out because they do not decode */
};

static void *worker_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->dec = insn_open(ARCH_X86_64);
	return w;
}

static void worker_free(void *worker)
{
	struct worker *w = worker;

	w->o->bad += w->bad; /* the threads are at rest again */
	insn_close(w->dec);
	normalise_text_free(&w->code);
	traced_text_free(&w->traced);
	wordpiece_memo_free(&w->memo);
	mem_free(w->ids.p);
	mem_free(w->eids.p);
	mem_free(w->starts);
	mem_free(w->elens);
	mem_free(w->marks);
	mem_free(w->vat);
	mem_free(w->values);
	mem_free(w);
}

/* A unit is known by what it computes alone: it comes from bb-join. */
static bool is_computed(const struct sequence *s)
{
	return !s->code.n && s->exprs.n;
}

/* Why the vocabulary is not for such records, or NULL. */
static const char *mismatch(const struct wordpiece *vocab, const struct sequence *s)
{
	if (wordpiece_reads(vocab) == WORDPIECE_COMPUTED && s->code.n)
		return "code, and this vocabulary is of what code computes: "
		       "bb-strands | bb-sym | bb-join --shape";
	if (wordpiece_reads(vocab) == WORDPIECE_TRACED && is_computed(s))
		return "joined expressions, and this vocabulary is of micro-traces: "
		       "leave bb-join out";
	if (wordpiece_reads(vocab) == WORDPIECE_CODE && is_computed(s))
		return "joined expressions, and this vocabulary is of code: "
		       "leave bb-join out, or bb-strands -u function";
	return NULL;
}

/* The same for words with values, into w->traced. */
static int trace(struct worker *w, const struct sequence *s, struct err *why)
{
	struct traced_text *t = &w->traced;
	bool is_whole;

	traced_code(t, w->dec, &s->code, &s->len, &s->refs, w->o->max_insns);
	is_whole = !w->o->max_insns || t->n < w->o->max_insns;
	w->bad += t->bad;
	if (s->run && (is_whole ? s->values.n != t->regs : s->values.n < t->regs))
		return err_set(why, "its trace has %zu values, its text %zu registers", s->values.n,
			t->regs);
	if (!t->n && t->bad)
		return err_set(why, "none of the bytes are instructions");
	return t->n > 0;
}

/*
 * Normalises the code of the sequence, or the expressions in its place, into w->code: 1, 0 when
 * there is no text, or -1 and why when the record is bad. A block of padding is not bad, it just
 * has no tokens and so no record.
 */
static int normalise(struct worker *w, const struct sequence *s, struct err *why)
{
	if (is_computed(s)) {
		normalise_exprs(&w->code, &s->exprs, w->o->max_insns, &w->o->normal);
		return 1;
	}
	if (insn_use(w->dec, arch_find(s->arch)) < 0)
		return err_set(why, "an unknown architecture");
	if (w->o->traced)
		return trace(w, s, why);
	normalise_code(
		&w->code, w->dec, &s->code, &s->len, &s->refs, w->o->max_insns, &w->o->normal);
	w->bad += w->code.bad;
	if (!w->code.n && w->code.bad)
		return err_set(why, "none of the bytes are instructions");
	return w->code.n > 0;
}

/* Tokenises w->code into t; what is over the limit is cut and counted. */
static void tokenise_code(struct worker *w, struct tokens *t)
{
	size_t limit = w->o->length - AROUND_CODE, from = 0;

	w->ids.n = 0;
	w->starts = mem_grow(w->starts, &w->starts_cap, w->code.n, sizeof(*w->starts));
	t->starts = (struct u32s){w->starts, 0};
	for (size_t i = 0; i < w->code.n; i++) {
		if (w->ids.n < limit)
			w->starts[t->starts.n++] = (uint32_t)w->ids.n;
		wordpiece_encode(w->o->vocab, &w->memo, (char *)w->code.text.p + from,
			w->code.end[i] - from, &w->ids);
		from = w->code.end[i];
	}
	t->ids = (struct u32s){w->ids.p, MIN(w->ids.n, limit)};
	t->cut = w->ids.n - t->ids.n;
}

/* The next token has this value, if it is not beyond the limit. */
static void put_value(struct worker *w, uint64_t value, size_t limit, struct tokens *t)
{
	size_t n = t->vat.n;

	if (w->ids.n >= limit)
		return;
	w->vat = mem_grow(w->vat, &w->vat_cap, n + 1, sizeof(*w->vat));
	w->values = mem_grow(w->values, &w->values_cap, n + 1, sizeof(*w->values));
	w->vat[n] = (uint32_t)w->ids.n;
	w->values[n] = value;
	t->vat.n = t->values.n = n + 1;
}

/*
 * The same for w->traced. A value is its word's first token's; words without are tokenised together
 * up to the next one with a value. Registers have one in a record that was traced.
 */
static void tokenise_traced(struct worker *w, const struct sequence *s, struct tokens *t)
{
	const struct traced_text *code = &w->traced;
	const char *text = (char *)code->text.p;
	size_t limit = w->o->length - AROUND_CODE, from = 0, k = 0, reg = 0;

	w->ids.n = 0;
	w->starts = mem_grow(w->starts, &w->starts_cap, code->n, sizeof(*w->starts));
	t->starts = (struct u32s){w->starts, 0};
	for (size_t i = 0; i < code->n; i++) {
		if (w->ids.n < limit)
			w->starts[t->starts.n++] = (uint32_t)w->ids.n;
		for (; k < code->end[i]; k++) {
			const struct traced_word *word = &code->words.p[k];

			if (word->kind == TRACED_CODE || (word->kind == TRACED_REG && !s->run))
				continue;
			wordpiece_encode(
				w->o->vocab, &w->memo, text + from, word->from - from, &w->ids);
			from = word->from;
			put_value(w, word->kind == TRACED_REG ? s->values.p[reg++] : word->value,
				limit, t);
		}
		wordpiece_encode(w->o->vocab, &w->memo, text + from,
			code->words.p[k - 1].from + code->words.p[k - 1].len - from, &w->ids);
		from = code->words.p[k - 1].from + code->words.p[k - 1].len;
	}
	t->arch = s->arch;
	t->vat.p = w->vat;
	t->values.p = w->values;
	t->ids = (struct u32s){w->ids.p, MIN(w->ids.n, limit)};
	t->cut = w->ids.n - t->ids.n;
}

/* The marks of the instructions that have tokens. */
static void carry_marks(struct worker *w, const struct u8s *marks, struct tokens *t)
{
	const uint32_t *insn = w->o->traced ? w->traced.insn : w->code.insn;

	if (!marks->n)
		return;
	w->marks = mem_grow(w->marks, &w->marks_cap, t->starts.n, sizeof(*w->marks));
	for (size_t i = 0; i < t->starts.n; i++)
		w->marks[i] = marks->p[insn[i]];
	t->marks = (struct u8s){w->marks, t->starts.n};
}

/* Tokenises the expressions into t, each cut to what fits beside no code at all. */
static void tokenise_exprs(struct worker *w, const struct texts *exprs, struct tokens *t)
{
	size_t limit = w->o->length - AROUND_PAIR;
	struct buf *expr = &w->code.expr;

	w->eids.n = 0;
	w->elens = mem_grow(w->elens, &w->elens_cap, exprs->n, sizeof(*w->elens));
	for (size_t i = 0; i < exprs->n; i++) {
		size_t from = w->eids.n;

		buf_reset(expr);
		normalise_expr(expr, exprs->p[i], &w->o->normal);
		wordpiece_encode(w->o->vocab, &w->memo, (char *)expr->p, expr->n, &w->eids);
		w->eids.n = MIN(w->eids.n, from + limit);
		w->elens[i] = (uint32_t)(w->eids.n - from);
	}
	t->eids = (struct u32s){w->eids.p, w->eids.n};
	t->elens = (struct u32s){w->elens, exprs->n};
}

static void tokenise(void *worker, UNUSED const struct kind *k, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	const struct sequence *s = rec;
	struct err why;
	const char *wrong = mismatch(w->o->vocab, s);
	int r = wrong ? 0 : normalise(w, s, &why);
	struct tokens t = {.unit = s->unit,
		.origin = s->origin,
		.labels = s->labels,
		.group = s->group,
		.vocab = wordpiece_hash(w->o->vocab),
		.arch = ""};

	if (wrong)
		filter_skip_alike(out, "%s: %s", s->origin.file, wrong);
	if (r < 0)
		filter_skip(out, "%s: %s at %#llx: %s", s->origin.file, s->unit,
			(unsigned long long)s->origin.addr, why.text);
	if (r <= 0)
		return;
	if (w->o->traced)
		tokenise_traced(w, s, &t);
	else
		tokenise_code(w, &t);
	carry_marks(w, &s->marks, &t);
	if (is_computed(s))
		t.insns = s->insns;
	else
		tokenise_exprs(w, &s->exprs, &t);
	filter_emit(out, &t);
}

/* ---- text ---- */

/* Words of a trace, with their values as hexadecimal numbers if these are wanted. */
static void put_traced(struct worker *w, const struct sequence *s, struct buf *line)
{
	const struct traced_text *t = &w->traced;
	size_t k = 0, reg = 0;

	for (size_t i = 0; i < t->n; i++) {
		buf_puts(line, i ? "  " : "");
		for (size_t first = k; k < t->end[i]; k++) {
			const struct traced_word *word = &t->words.p[k];

			buf_puts(line, k > first ? " " : "");
			buf_put(line, t->text.p + word->from, word->len);
			if (!w->o->values)
				continue;
			if (word->kind == TRACED_NUM)
				buf_printf(line, "=%" PRIx64, word->value);
			if (word->kind == TRACED_REG && s->run)
				buf_printf(line, "=%" PRIx64, s->values.p[reg++]);
		}
	}
}

static void put_code(struct worker *w, struct buf *line)
{
	size_t from = 0;

	for (size_t i = 0; i < w->code.n; i++) {
		if (i)
			buf_puts(line, w->o->normal.style == NORMALISE_PAPER ? "; " : "  ");
		buf_put(line, w->code.text.p + from, w->code.end[i] - from);
		from = w->code.end[i];
	}
}

/*
 * One line a sequence: the code, then each expression behind a tab. Instructions are two blanks
 * apart, which to a tokeniser are one; as the paper prints them, by semicolons.
 */
static void put_line(struct worker *w, const struct sequence *s, struct buf *line)
{
	if (w->o->traced && !is_computed(s))
		put_traced(w, s, line);
	else
		put_code(w, line);
	for (size_t i = 0; i < s->exprs.n && !is_computed(s); i++) {
		buf_putc(line, '\t');
		normalise_expr(line, s->exprs.p[i], &w->o->normal);
	}
	buf_putc(line, '\n');
}

static int print_text(struct prog *p, struct options *o)
{
	struct worker *w = worker_new(o);
	struct stream_reader *in;
	struct buf line = {0};
	struct sequence s;
	int got;

	if (p->output && !freopen(p->output, "w", stdout))
		prog_fail(p, "%s: cannot create: %s", p->output, strerror(errno));
	in = filter_open(p, &sequence_kind);
	sandbox_enter(p);
	while ((got = stream_read(in, &s)) > 0) {
		struct err why;
		int r = normalise(w, &s, &why);

		if (r < 0)
			prog_warn(p, "%s: %s at %#llx: %s", s.origin.file, s.unit,
				(unsigned long long)s.origin.addr, why.text);
		if (r < 0 && p->strict)
			break;
		if (r <= 0)
			continue;
		buf_reset(&line);
		put_line(w, &s, &line);
		if (fwrite(line.p, 1, line.n, stdout) != line.n)
			break; /* prog_end says why */
	}
	if (got < 0)
		prog_error(p, "%s", stream_error(in));
	buf_free(&line);
	stream_close(in);
	worker_free(w);
	return prog_end(p, got ? EXIT_FAILED : EXIT_OK);
}

/* The vocabulary is known by its hash in the provenance, not by where it lay. */
static void record_vocab(struct prog *p, const struct wordpiece *vocab)
{
	struct opt_list *c = &p->content;
	struct buf b = {0};

	buf_printf(&b, "vocab=%016llx", (unsigned long long)wordpiece_hash(vocab));
	c->p = mem_grow(c->p, &c->cap, c->n + 1, sizeof(*c->p));
	c->p[c->n++] = buf_text(&b); /* kept to the end of the process */
}

int main(int argc, char **argv)
{
	struct options o = {.length = 512, .normal = {.threshold = NORMALISE_THRESHOLD}};
	const struct opt opts[] = {
		{'m', "model", OPT_TEXT, 0, &o.model, "VOCAB",
			"vocab.txt, a folder that holds it, or a model of bb: functions", 0, 0},
		{'L', "length", OPT_UINT, OPT_CONTENT, &o.length, "N",
			"longest input of the model, special tokens included (512)", 8, 1 << 20},
		{0, "max-insns", OPT_UINT, OPT_CONTENT, &o.max_insns, "N",
			"only the first N instructions of each sequence", 1, UINT32_MAX},
		{0, "text", OPT_TEXT, 0, &o.text, "STYLE",
			"print text instead: 'words' as it is tokenised, 'paper', 'traced' or "
			"'values'",
			0, 0},
	};
	struct prog p = {
		.name = "bb-tok",
		.operands = "[FILE...]",
		.brief = "turn sequences into tokens",
		.detail = "Code and expressions are normalised: numbers above 5000 and addresses "
			  "become IMM, jump\n"
			  "targets MEM, own functions func. Then they are cut into the tokens of a "
			  "vocabulary that\n"
			  "bb-vocab made. With one of micro-traces (bb-trace) registers and "
			  "numbers are tokens\n"
			  "with values.",
		.example = "  bb-disasm *.elf | bb-strands | bb-sym | bb-tok -m vocab.txt > "
			   "tokens.bb\n"
			   "  bb-disasm a.elf | bb-strands -u function | bb-tok --text words | "
			   "less -S",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	struct err e;
	int status;

	prog_start(&p, argc, argv);
	if (o.text) {
		if (o.model)
			prog_usage(&p, "--text needs no vocabulary");
		if (strcmp(o.text, "words") && strcmp(o.text, "paper") &&
			strcmp(o.text, "traced") && strcmp(o.text, "values"))
			prog_usage(
				&p, "--text: '%s' is not words, paper, traced or values", o.text);
		if (!strcmp(o.text, "paper"))
			o.normal.style = NORMALISE_PAPER;
		o.values = !strcmp(o.text, "values");
		o.traced = o.values || !strcmp(o.text, "traced");
		return print_text(&p, &o);
	}
	if (!o.model)
		prog_usage(&p, "a vocabulary is needed: -m VOCAB");
	o.vocab = wordpiece_open(prog_model(o.model), &e);
	if (!o.vocab)
		prog_fail(&p, "%s", e.text);
	o.traced = wordpiece_reads(o.vocab) == WORDPIECE_TRACED;
	record_vocab(&p, o.vocab);
	status = filter_map(&p,
		&(struct filter){.in = &sequence_kind,
			.out = &tokens_kind,
			.worker_new = worker_new,
			.worker_free = worker_free,
			.work = tokenise},
		&o);
	if (o.bad)
		prog_note(&p, "%llu bytes or instructions that do not decode were left out",
			(unsigned long long)o.bad);
	wordpiece_free(o.vocab);
	return status;
}
