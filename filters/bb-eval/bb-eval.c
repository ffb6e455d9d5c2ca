/*
 * bb-eval: how good the matches of a search, or the predictions of a classifier, are.
 *
 * One pass over the stream; nothing is printed before its end was reached and found undamaged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "classes.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/kinds.h"
#include "ranking.h"
#include "stream/walk.h"

struct options {
	const char *k, *by;
	bool json;
};

struct eval {
	const struct kind *kind; /* NULL before the first header */
	struct ranking *ranking;
	struct classes *classes;
};

/* "1,5,10" to ascending numbers; exits on what is not. */
static size_t parse_ks(const struct prog *p, const char *text, uint32_t k[METRICS_K_MAX])
{
	size_t n = 0;

	for (const char *at = text;; at++) {
		char *end;
		unsigned long v = strtoul(at, &end, 10);

		if (*at < '0' || *at > '9' || v < 1 || v > 1000000000 || (*end && *end != ','))
			prog_usage(p, "-k: '%s' is not a list like 1,5,10", text);
		if (n && v <= k[n - 1])
			prog_usage(p, "-k: '%s' is not ascending", text);
		if (n == METRICS_K_MAX)
			prog_usage(p, "-k: more than %d numbers", METRICS_K_MAX);
		k[n++] = (uint32_t)v;
		if (!*end)
			return n;
		at = end;
	}
}

/* Whether all members can be evaluated together. 0 or -1. */
static int take_kind(struct eval *s, const struct prog *p, const char *file, const struct kind *k)
{
	if (k != &match_kind && k != &prediction_kind) {
		prog_error(p,
			"%s: holds records of kind '%s', need 'match' of bb-knn or 'prediction'",
			file, k->name);
		return -1;
	}
	if (s->kind && s->kind != k) {
		prog_error(p, "%s: holds records of kind '%s', the others are of kind '%s'", file,
			k->name, s->kind->name);
		return -1;
	}
	s->kind = k;
	return 0;
}

static int read_all(struct eval *s, struct prog *p)
{
	struct stream_reader *in = filter_open(p, NULL);
	struct progress *progress = progress_new(p, "records");
	struct walk *w = walk_new(in);
	uint64_t done, total;
	const struct kind *k;
	int got, r = 0;

	while (r == 0 && (got = walk_next(w)) > 0) {
		const void *rec = walk_record(w, &k);
		struct err e;

		if (walk_type(w) == STREAM_HEADER)
			r = take_kind(s, p, walk_file(w), k);
		if (walk_type(w) != STREAM_RECORDS)
			continue;
		r = k == &match_kind ? ranking_add(s->ranking, rec, &e)
				     : classes_add(s->classes, rec, &e);
		if (r < 0)
			prog_error(p, "%s: record %llu: %s", walk_file(w),
				(unsigned long long)walk_number(w), e.text);
		stream_position(in, &done, &total);
		progress_tick(progress, stream_count(in), done, total);
	}
	if (r == 0 && got < 0) {
		prog_error(p, "%s", walk_error(w));
		r = -1;
	}
	walk_free(w);
	stream_close(in);
	progress_free(progress, 0);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	const struct opt opts[] = {
		{'k', "ranks", OPT_TEXT, 0, &o.k, "LIST",
			"numbers of answers to look at (default: of 1,5,10,25 those there are)", 0,
			0},
		{'b', "by", OPT_TEXT, 0, &o.by, "LABEL",
			"also a table for each value of this label of the query", 0, 0},
		{'j', "json", OPT_FLAG, 0, &o.json, NULL, "print JSON", 0, 0},
	};
	struct prog p = {
		.name = "bb-eval",
		.operands = "[FILE...]",
		.brief = "evaluate matches and predictions",
		.detail =
			"Prints precision, recall, nDCG, hits, MRR and AUC of match records, with "
			"the size of\n"
			"the pool and the number of queries; accuracy, F1 and AUC of prediction "
			"records.",
		.example = "  bb-knn -c O3.emb --pool 100 O0.emb | bb-eval\n"
			   "  bb-eval -j -k 1,10 matches.bb | jq '.\"hit@1\"'",
		.opts = opts,
		.nopts = COUNT_OF(opts),
		.no_output = true,
	};
	uint32_t k[METRICS_K_MAX];
	struct eval s = {0};
	struct buf b = {0};
	size_t nk;
	int r;

	prog_start(&p, argc, argv);
	nk = parse_ks(&p, o.k ? o.k : "1,5,10,25", k);
	sandbox_enter(&p);
	s.ranking = ranking_new(k, nk, !o.k, o.by);
	s.classes = classes_new(o.by);
	r = read_all(&s, &p);
	if (r == 0 && s.kind == &match_kind)
		(o.json ? ranking_json : ranking_text)(s.ranking, &b);
	else if (r == 0)
		(o.json ? classes_json : classes_text)(s.classes, &b);
	if (b.n)
		fwrite(b.p, 1, b.n, stdout); /* prog_end says whether it worked */
	buf_free(&b);
	ranking_free(s.ranking);
	classes_free(s.classes);
	return prog_end(&p, r < 0 ? EXIT_FAILED : EXIT_OK);
}
