/*
 * bb-diff: what changed between two builds, function by function, and which of the two another
 * program has.
 *
 * Functions are sets of expressions, as bb-join makes them: what they compute. All of both builds
 * is held in memory, each different expression once.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "changes.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/kinds.h"
#include "stream/walk.h"
#include "which.h"

enum { LINES = 5 };
static const double PAIR_SCORE = 0.1, WHICH_SCORE = 0.3; /* if --min-score is not given */

struct options {
	struct opt_list from, in;
	uint64_t lines, min_insns;
	double min_score;
	bool all, json, shared;
};

struct diff {
	struct prog *p;
	const struct options *o;
	struct book book;
	struct fns old, new, in;
};

/* Reads all records of the files (none: the operands). 0 or -1. */
static int read_all(struct diff *s, const struct opt_list *files, struct fns *to)
{
	struct stream_reader *in =
		files ? stream_open((char *const *)files->p, files->n, &sequence_kind, kinds_all)
		      : filter_open(s->p, &sequence_kind);
	struct progress *progress = progress_new(s->p, "functions");
	struct walk *w = walk_new(in);
	const struct kind *kind;
	uint64_t done, total;
	int got = 1, r = 0;

	while (r == 0 && (got = walk_next(w)) > 0) {
		const struct sequence *rec = walk_record(w, &kind);

		if (walk_type(w) == STREAM_HEADER &&
			!stream_step_option(walk_header(w), "bb-join", "shape")) {
			prog_error(s->p,
				"%s: joined without --shape, so expressions depend on registers",
				walk_file(w));
			r = -1;
		}
		if (walk_type(w) != STREAM_RECORDS)
			continue;
		if (strcmp(rec->unit, "function") != 0) {
			prog_error(s->p,
				"%s: holds a %s, need functions: bb-join makes them of strands",
				walk_file(w), rec->unit);
			r = -1;
		} else if (sequence_insns(rec) >= s->o->min_insns) {
			book_add(&s->book, to, rec);
		}
		stream_position(in, &done, &total);
		progress_tick(progress, to->n, done, total);
	}
	if (got < 0)
		prog_error(s->p, "%s", walk_error(w));
	walk_free(w);
	stream_close(in);
	progress_free(progress, 0);
	return r < 0 || got < 0 ? -1 : 0;
}

static void compare(struct diff *s)
{
	struct fns *both[] = {&s->old, &s->new}, *in[] = {&s->in};
	struct show show = {.book = &s->book,
		.json = s->o->json,
		.shared = s->o->shared,
		.lines = s->o->json ? UINT64_MAX : LINES};
	struct pairs p;

	if (s->o->lines)
		show.lines = s->o->lines;
	if (s->o->in.n)
		book_weigh(&s->book, in, 1, both, 2);
	else
		book_weigh(&s->book, both, 2, NULL, 0);
	p = pair_find(&s->book, &s->old, &s->new,
		isnan(s->o->min_score) || s->o->in.n ? PAIR_SCORE : s->o->min_score);
	if (s->o->in.n)
		which_show(&show, &s->old, &s->new, &p, &s->in,
			isnan(s->o->min_score) ? WHICH_SCORE : s->o->min_score);
	else
		changes_show(&show, &s->old, &s->new, &p, s->o->all);
	if (show.out.n)
		fwrite(show.out.p, 1, show.out.n, stdout); /* prog_end says whether it worked */
	buf_free(&show.out);
	pair_free(&p);
}

static void check_stdin(const struct prog *p, const struct options *o)
{
	size_t uses = !p->nargs;

	for (size_t i = 0; i < o->from.n; i++)
		uses += !strcmp(o->from.p[i], "-");
	for (size_t i = 0; i < o->in.n; i++)
		uses += !strcmp(o->in.p[i], "-");
	for (size_t i = 0; i < p->nargs; i++)
		uses += !strcmp(p->args[i], "-");
	if (uses > 1)
		prog_usage(p, "stdin can be read once");
	if (o->min_score < 0 || o->min_score > 1)
		prog_usage(p, "--min-score: from 0 to 1");
	if (o->shared && o->in.n)
		prog_usage(p, "--shared is of the report without --in");
	if (!o->from.n)
		prog_usage(p, "the old build is needed: --from FILE");
}

int main(int argc, char **argv)
{
	struct options o = {.min_score = NAN};
	const struct opt opts[] = {
		{'f', "from", OPT_LIST, 0, &o.from, "FILE", "the old build; may be given again", 0,
			0},
		{'i', "in", OPT_LIST, 0, &o.in, "FILE",
			"look for what changed in FILE: is it old or new there? may be given again",
			0, 0},
		{'n', "lines", OPT_UINT, 0, &o.lines, "N",
			"expressions shown of each function and side (default 5; -j: all)", 1,
			UINT32_MAX},
		{'a', "all", OPT_FLAG, 0, &o.all, NULL, "list also what is the same", 0, 0},
		{'s', "shared", OPT_FLAG, 0, &o.shared, NULL,
			"show also what both have: why they are taken for one", 0, 0},
		{'j', "json", OPT_FLAG, 0, &o.json, NULL, "print JSON, one function a line", 0, 0},
		{0, "min-insns", OPT_UINT, 0, &o.min_insns, "N",
			"leave out functions of fewer instructions", 0, 0},
		{0, "min-score", OPT_REAL, 0, &o.min_score, "X",
			"how alike two functions are at least to be taken for one (default 0.1; "
			"with --in 0.3)",
			0, 0},
	};
	struct prog p = {
		.name = "bb-diff",
		.operands = "[NEW...]",
		.brief = "say which functions changed between two builds, and how",
		.detail = "Reads sequence records of bb-join --shape: functions as what they "
			  "compute. Prints those\n"
			  "that changed, with the expressions that went and came, those that are "
			  "gone and those\n"
			  "that are new. With --in it says whether other programs have the old "
			  "function or the new.",
		.example =
			"  shapes() { bb-disasm \"$@\" | bb-strands | bb-sym | bb-join --shape; }\n"
			"  shapes prog-1.0 > old.bb\n"
			"  shapes prog-1.1 | bb-diff --from old.bb\n"
			"  shapes fixed.o > new.bb; shapes firmware.so | bb-diff --from old.bb "
			"--in - new.bb",
		.opts = opts,
		.nopts = COUNT_OF(opts),
		.no_output = true,
	};
	struct diff s = {.p = &p, .o = &o};
	int r;

	prog_start(&p, argc, argv);
	check_stdin(&p, &o);
	sandbox_enter(&p);
	r = read_all(&s, &o.from, &s.old);
	if (r == 0 && o.in.n)
		r = read_all(&s, &o.in, &s.in);
	if (r == 0)
		r = read_all(&s, NULL, &s.new);
	if (r == 0)
		compare(&s);
	book_forget(&s.old);
	book_forget(&s.new);
	book_forget(&s.in);
	book_free(&s.book);
	return prog_end(&p, r < 0 ? EXIT_FAILED : EXIT_OK);
}
