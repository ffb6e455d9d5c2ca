/*
 * bb-vocab.c: learns a WordPiece vocabulary from sequences, over both languages: code and symbolic
 * expressions (BinBert section 3.2), or of micro-traces (Trex). The words are those that bb-tok
 * will see.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/sequence.h"
#include "text/normalise.h"
#include "text/traced.h"
#include "text/vocab.h"
#include "text/wordpiece.h"

struct options {
	uint64_t size, min_count, max_words;
	const char *output; /* a folder, or a .txt file; NULL: stdout */
};

struct texts_of {
	struct normalise_text plain;
	struct traced_text traced;
};

/* Counts the words of all instructions' texts. */
static void add_texts(struct vocab *v, const struct normalise_text *t)
{
	size_t from = 0;

	for (size_t i = 0; i < t->n; from = t->end[i++])
		vocab_add(v, (char *)t->text.p + from, t->end[i] - from);
}

/*
 * Counts the words of one record. Without code it is a unit known by what it computes, and its
 * expressions are its text.
 */
static void add_record(
	struct vocab *v, const struct sequence *s, struct insn_decoder *dec, struct texts_of *text)
{
	static const struct normalise_opts opts = {NORMALISE_THRESHOLD, NORMALISE_WORDS};
	struct buf *expr = &text->plain.expr;

	if (!s->code.n) {
		normalise_exprs(&text->plain, &s->exprs, 0, &opts);
		add_texts(v, &text->plain);
		return;
	}
	if (s->run) {
		traced_code(&text->traced, dec, &s->code, &s->len, &s->refs, 0);
		vocab_add(v, (char *)text->traced.text.p, text->traced.text.n);
	} else {
		normalise_code(&text->plain, dec, &s->code, &s->len, &s->refs, 0, &opts);
		add_texts(v, &text->plain);
	}
	for (size_t i = 0; i < s->exprs.n; i++) {
		buf_reset(expr);
		normalise_expr(expr, s->exprs.p[i], &opts);
		vocab_add(v, (char *)expr->p, expr->n);
	}
}

/* What a vocabulary of such records reads. */
static enum wordpiece_reads reads_of(const struct sequence *s)
{
	if (!s->code.n)
		return s->exprs.n ? WORDPIECE_COMPUTED : WORDPIECE_ANY;
	return s->run ? WORDPIECE_TRACED : WORDPIECE_CODE;
}

/*
 * The same of records with `seen` (bits) among them; -1 when one vocabulary cannot be of all: the
 * words of code are not those of a trace.
 */
static int reads_of_all(unsigned seen)
{
	seen &= ~(1u << WORDPIECE_ANY);
	if (seen == 1u << WORDPIECE_CODE)
		return WORDPIECE_CODE;
	if (seen == 1u << WORDPIECE_COMPUTED)
		return WORDPIECE_COMPUTED;
	if (seen == 1u << WORDPIECE_TRACED)
		return WORDPIECE_TRACED;
	return seen & 1u << WORDPIECE_TRACED ? -1 : WORDPIECE_ANY;
}

/* Counts the words of all records, and says what they are: the number skipped, or -1. */
static int64_t count(
	struct prog *p, struct stream_reader *in, struct vocab *v, enum wordpiece_reads *reads)
{
	struct progress *progress = progress_new(p, "records");
	struct insn_decoder *dec = insn_open(ARCH_X86_64);
	struct texts_of text = {0};
	int all = WORDPIECE_ANY;
	unsigned seen = 0;
	uint64_t done, total, records = 0;
	struct sequence s;
	int64_t skipped = 0;
	int got;

	while ((got = stream_read(in, &s)) > 0) {
		stream_position(in, &done, &total);
		progress_tick(progress, ++records, done, total);
		if (insn_use(dec, arch_find(s.arch)) < 0) {
			prog_warn(p, "%s: %s at %#llx: an unknown architecture", s.origin.file,
				s.unit, (unsigned long long)s.origin.addr);
			skipped++;
			if (p->strict)
				break;
			continue;
		}
		seen |= 1u << reads_of(&s);
		if ((all = reads_of_all(seen)) < 0)
			break;
		add_record(v, &s, dec, &text);
	}
	*reads = (enum wordpiece_reads)all;
	if (got < 0)
		prog_error(p, "%s", stream_error(in));
	if (all < 0)
		prog_error(p,
			"%s: %s at %#llx: records with and without a trace: a vocabulary is of "
			"one kind",
			s.origin.file, s.unit, (unsigned long long)s.origin.addr);
	progress_free(progress, (uint64_t)skipped);
	insn_close(dec);
	normalise_text_free(&text.plain);
	traced_text_free(&text.traced);
	return got < 0 || all < 0 || (skipped && p->strict) ? -1 : skipped;
}

static bool is_text_file(const char *path)
{
	size_t n = strlen(path);

	return n > 4 && !strcmp(path + n - 4, ".txt");
}

/* The folder may be there already; anything else of that name is left alone. */
static void make_folder(struct prog *p, const char *path)
{
	struct stat st;

	if (mkdir(path, 0777) == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return;
	prog_fail(p, "%s: cannot create: %s", path, strerror(errno));
}

static void save(struct prog *p, const char *to, const struct buf *txt, enum wordpiece_reads reads)
{
	struct wordpiece *w;
	struct err e;

	if (reads == WORDPIECE_TRACED && (!to || is_text_file(to)))
		prog_fail(p, "of traces: that has to stand beside vocab.txt: -o DIR");
	if (!to) {
		fwrite(txt->p, 1, txt->n, stdout); /* prog_end says whether it worked */
		return;
	}
	w = wordpiece_parse((char *)txt->p, txt->n, &e);
	if (w)
		wordpiece_set_reads(w, reads);
	if (!w || (is_text_file(to) ? wordpiece_save_txt : wordpiece_save)(w, to, &e) < 0)
		prog_fail(p, "%s", e.text);
	wordpiece_free(w);
}

int main(int argc, char **argv)
{
	struct options o = {.size = 4096, .min_count = 2, .max_words = VOCAB_WORDS_MAX};
	const struct opt opts[] = {
		{'n', "size", OPT_UINT, 0, &o.size, "N", "tokens of the vocabulary (4096)",
			VOCAB_SIZE_MIN, WORDPIECE_COUNT_MAX},
		{'o', "output", OPT_TEXT, 0, &o.output, "DIR",
			"write vocab.txt and tokenizer.json there (or FILE.txt alone)", 0, 0},
		{0, "min-count", OPT_UINT, 0, &o.min_count, "N",
			"make no token of what is rarer than this (2)", 1, UINT64_MAX},
		{0, "max-words", OPT_UINT, 0, &o.max_words, "N",
			"distinct words kept in memory, the frequent ones (1048576)", 1024,
			1 << 30},
	};
	struct prog p = {
		.name = "bb-vocab",
		.operands = "[FILE...]",
		.brief = "learn a WordPiece vocabulary from sequences",
		.detail = "The most frequent pairs of neighbours become tokens until there are "
			  "enough, over code and\n"
			  "expressions together. Without -o, vocab.txt goes to stdout.",
		.example =
			"  bb-disasm *.elf | bb-strands | bb-sym | bb-uniq | bb-vocab -n 4096 -o "
			"vocab/",
		.opts = opts,
		.nopts = COUNT_OF(opts),
		.no_output = true,
	};
	struct vocab v = {0};
	struct buf txt = {0};
	struct stream_reader *in;
	enum wordpiece_reads reads;
	int64_t skipped;
	size_t n;

	prog_start(&p, argc, argv);
	if (o.output && !is_text_file(o.output))
		make_folder(&p, o.output);
	p.output = o.output; /* for the sandbox: where writing stays allowed */
	v.max_words = o.max_words;
	in = filter_open(&p, &sequence_kind);
	sandbox_enter(&p);
	skipped = count(&p, in, &v, &reads);
	stream_close(in);
	if (skipped >= 0) {
		n = vocab_learn(&v, o.size, o.min_count, &txt);
		save(&p, o.output, &txt, reads);
		prog_note(&p, "%zu tokens from %zu distinct words of %llu (%llu forgotten)", n,
			v.words.count, (unsigned long long)v.total,
			(unsigned long long)v.forgotten);
	}
	vocab_free(&v);
	buf_free(&txt);
	return prog_end(&p, skipped < 0 ? EXIT_FAILED : EXIT_OK);
}
