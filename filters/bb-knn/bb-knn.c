/*
 * bb-knn: the nearest neighbours of each query among a corpus, or among the queries themselves.
 *
 * The corpus is read whole. Queries are read in batches, each batch is searched by all threads,
 * and its matches are written in order. Every member of the queries becomes one of the matches;
 * without -c the input is one corpus and its matches are one member.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "formats/embedding.h"
#include "formats/kinds.h"
#include "formats/match.h"
#include "formats/sequence.h"
#include "formats/tokens.h"
#include "pool.h"
#include "stream/walk.h"

enum {
	BATCH = 1024,          /* most queries searched at a time */
	BATCH_ITEMS = 1 << 20, /* most hits, or candidates of pools, in memory at a time */
	K_MAX = 100000,
	POOL_MAX = 1 << 24,
};

struct options {
	struct opt_list corpus, where, query_where;
	const char *measure;
	uint64_t k, pool, seed, min_insns;
};

struct knn {
	struct prog *p;
	const struct options *o;
	const struct kind *kind; /* of corpus and queries; NULL before the first header */
	struct items corpus, queries;
	char *made;         /* how the first member that says so was made; see how_made */
	bool is_self;       /* the queries are the corpus */
	struct pool *pools; /* NULL: all of the corpus */
	struct par *par;
	struct output *out;
	struct progress *progress;

	/* The current batch; [batch] or a multiple of it. */
	size_t batch, k; /* queries; hits of each, which a small corpus may limit */
	struct ann_query *query;
	struct topk_hit *hit; /* [batch, k] */
	uint32_t *drawn;      /* [batch, pool] */
	struct relation *to;  /* [batch] */
	struct hit *hits;     /* [k] of the match being written */
	const struct items *now;
	size_t from; /* its queries are item[from ..] of now */

	struct buf inputs; /* digests of the members of the corpus, or one over all of them */
	uint64_t done;     /* queries */
	uint64_t left_out; /* of the member: queries without a positive to draw */
	uint64_t all_left_out, small_pools, filtered;
};

/* ---- what is read ---- */

/* Whether the labels hold `rule`, which is KEY=VALUE; without that key, file and name will do. */
static bool has_label(const struct labels *l, const struct origin *o, const char *rule)
{
	if (!strncmp(rule, "name=", 5) && !field_label(l, "name"))
		return !strcmp(rule + 5, o->name);
	if (!strncmp(rule, "file=", 5) && !field_label(l, "file"))
		return !strcmp(rule + 5, o->file);
	for (size_t i = 0; i < l->n; i++) {
		size_t n = strlen(l->p[i].key);

		if (!strncmp(rule, l->p[i].key, n) && rule[n] == '=' &&
			!strcmp(rule + n + 1, l->p[i].value))
			return true;
	}
	return false;
}

static bool is_wanted(struct knn *s, const struct view *v, const struct opt_list *where)
{
	bool is = v->insns >= s->o->min_insns;

	for (size_t i = 0; i < where->n && is; i++)
		is = has_label(v->labels, v->origin, where->p[i]);
	s->filtered += !is;
	return is;
}

/* Whether records of the kind can be compared by the measure; none is named: by their first. */
static bool is_measure(const struct kind *k, const char *name)
{
	if (k == &embedding_kind)
		return !name || !strcmp(name, "cosine");
	return !name || !strcmp(name, "jaccard") || !strcmp(name, "idf");
}

/* What records must have in common to be compared, as their header tells; NULL if it does not. */
static const char *how_made(const struct stream_header *h, const struct kind *k)
{
	const char *option;

	if (k == &tokens_kind) /* the records tell */
		return NULL;
	option = k == &embedding_kind ? stream_step_option(h, "bb-embed", "model=")
				      : stream_step_option(h, "bb-join", "shape");
	if (option && !*option)
		return NULL;
	return option ? option : k == &embedding_kind ? NULL : "no shape";
}

/* Vectors must be of one model, and expressions of one form. 0 or -1. */
static int take_made(struct knn *s, const struct walk *w, const struct kind *k)
{
	const char *made = how_made(walk_header(w), k);

	if (made && s->made && strcmp(made, s->made) != 0) {
		prog_error(s->p, "%s: made by %s with %s, the others with %s", walk_file(w),
			k == &embedding_kind ? "bb-embed" : "bb-join", made, s->made);
		return -1;
	}
	if (made && !s->made)
		s->made = mem_strdup(made);
	return 0;
}

/* A member begins: all must be of one kind, which decides how they can be compared. 0 or -1. */
static int take_kind(struct knn *s, const struct walk *w, const struct kind *k)
{
	if (k != &embedding_kind && k != &tokens_kind && k != &sequence_kind) {
		prog_error(s->p,
			"%s: holds records of kind '%s', need 'embedding' of bb-embed, 'tokens' or "
			"'sequence'",
			walk_file(w), k->name);
		return -1;
	}
	if (s->kind && s->kind != k) {
		prog_error(s->p, "%s: holds records of kind '%s', the others are of kind '%s'",
			walk_file(w), k->name, s->kind->name);
		return -1;
	}
	if (!is_measure(k, s->o->measure)) {
		prog_error(s->p, "%s: records of kind '%s' are compared by %s, not by %s",
			walk_file(w), k->name, k == &embedding_kind ? "cosine" : "jaccard or idf",
			s->o->measure);
		return -1;
	}
	s->kind = k;
	s->corpus.index.measure = s->queries.index.measure =
		k == &embedding_kind ? ANN_COSINE : ANN_JACCARD;
	s->queries.index.set.like = &s->corpus.index.set;
	return take_made(s, w, k);
}

static int bad_record(const struct knn *s, const struct walk *w, const char *why)
{
	prog_error(
		s->p, "%s: record %llu: %s", walk_file(w), (unsigned long long)walk_number(w), why);
	return -1;
}

static int begin_member(struct knn *s, const struct stream_header *from)
{
	return stream_begin(output_stream(s->out), &match_kind, from, output_step(s->out)) < 0
		       ? (output_failed(s->out), -1)
		       : 0;
}

/* Reads all of the corpus; without -c this is the input, and the output begins with it. */
static int read_corpus(struct knn *s, struct stream_reader *in)
{
	const struct opt_list *where = s->is_self ? &s->o->query_where : &s->o->where;
	struct walk *w = walk_new(in);
	bool begun = !s->is_self;
	const struct kind *k;
	struct err e;
	int got;

	while ((got = walk_next(w)) > 0) {
		const void *rec = walk_record(w, &k);
		struct view v;

		if (walk_type(w) == STREAM_HEADER) {
			if (take_kind(s, w, k) < 0 ||
				(!begun && begin_member(s, walk_header(w)) < 0))
				break;
			begun = true;
		}
		if (walk_type(w) == STREAM_TRAILER)
			buf_put(&s->inputs, walk_trailer(w)->digest.p, HASH_BYTES);
		if (walk_type(w) != STREAM_RECORDS)
			continue;
		v = items_view(k, rec);
		if (!is_wanted(s, &v, where))
			continue;
		if (items_add(&s->corpus, k, rec, &e) < 0) {
			bad_record(s, w, e.text);
			break;
		}
	}
	if (got < 0)
		prog_error(s->p, "%s", walk_error(w));
	if (s->inputs.n > (STREAM_INPUTS_MAX - 1) * HASH_BYTES) { /* one is for the queries */
		buf_reset(&s->inputs);
		stream_digest(in, buf_reserve(&s->inputs, HASH_BYTES));
		s->inputs.n = HASH_BYTES;
	}
	walk_free(w);
	return got ? -1 : 0;
}

/* ---- a batch ---- */

static int write_match(struct knn *s, const struct item *q, const struct ann_query *query,
	const struct relation *to)
{
	struct hit *hits = s->hits;
	struct match m = {.unit = q->unit,
		.origin = q->origin,
		.labels = *q->labels,
		.group = q->group,
		.pool = query->which ? query->nwhich : to->pool,
		.relevant = query->which ? 1 : to->relevant,
		.hits = {hits, query->best.n}};

	for (size_t i = 0; i < query->best.n; i++) {
		const struct item *item = &s->corpus.item[query->best.hit[i].item];
		float score = query->best.hit[i].score;

		/* Rounding may carry a cosine past 1. */
		hits[i] = (struct hit){
			item->origin, *item->labels, item->group, MAX(-1.0f, MIN(score, 1.0f))};
	}
	return stream_write(output_stream(s->out), &match_kind, &m) < 0
		       ? (output_failed(s->out), -1)
		       : 0;
}

/* Query i of the batch: whom it is compared with. */
static void prepare_query(void *ctx, size_t i, unsigned worker)
{
	struct knn *s = ctx;
	const struct item *q = &s->now->item[s->from + i];
	uint32_t *drawn = s->pools ? s->drawn + i * s->o->pool : NULL;

	s->to[i] = items_relate(&s->corpus, q);
	s->query[i] = (struct ann_query){
		.which = drawn, .self = s->to[i].owner, .best = {s->hit + i * s->k, s->k, 0}};
	if (drawn)
		s->query[i].nwhich = pool_draw(s->pools, worker, s->o->seed, q, s->o->pool, drawn);
}

/* Searches for queries from .. from+n-1 of the set and writes their matches. 0 or -1. */
static int search(struct knn *s, const struct items *queries, size_t from, size_t n)
{
	int r = 0;

	s->now = queries;
	s->from = from;
	par_for(s->par, n, prepare_query, s);
	ann_search(s->par, &queries->index, from, n, &s->corpus.index, s->corpus.owner, s->query);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (s->pools && !s->query[i].nwhich) {
			s->left_out++;
			continue;
		}
		s->small_pools += s->pools && s->query[i].nwhich < s->o->pool;
		r = write_match(s, &queries->item[from + i], &s->query[i], &s->to[i]);
	}
	s->done += n;
	return r;
}

/* Once the corpus is there: the memory of a batch. */
static void prepare(struct knn *s)
{
	size_t each;

	if (s->kind != &embedding_kind && s->o->measure && !strcmp(s->o->measure, "idf"))
		jaccard_weigh(&s->corpus.index.set);
	if (s->kind == &sequence_kind && !s->corpus.index.set.nid)
		prog_warn(s->p, "no record of the corpus has expressions: bb-sym makes them");
	s->k = MAX(MIN(s->o->k, s->corpus.n), (size_t)1);
	each = MAX(s->k, (size_t)s->o->pool);
	s->batch = MAX(MIN((size_t)BATCH, BATCH_ITEMS / each), (size_t)1);
	s->query = mem_alloc(s->batch, sizeof(*s->query));
	s->to = mem_alloc(s->batch, sizeof(*s->to));
	s->hit = mem_alloc(s->batch * s->k, sizeof(*s->hit));
	s->hits = mem_alloc(s->k, sizeof(*s->hits));
	s->par = par_new((unsigned)s->p->threads);
	if (s->o->pool) {
		s->pools = pool_new(&s->corpus, par_threads(s->par));
		s->drawn = mem_alloc(s->batch * s->o->pool, sizeof(*s->drawn));
	}
	s->progress = progress_new(s->p, "queries");
}

/* Ends a member made from the corpus and, if not NULL, from the queries with that trailer. */
static int end_member(struct knn *s, const struct stream_trailer *queries)
{
	uint64_t left_out = s->left_out;
	struct buf from = {0};
	int r;

	s->all_left_out += left_out;
	s->left_out = 0;
	if (queries)
		buf_put(&from, queries->digest.p, HASH_BYTES);
	buf_put(&from, s->inputs.p, s->inputs.n);
	r = stream_end(output_stream(s->out), left_out, from.p, from.n / HASH_BYTES);
	buf_free(&from);
	return r < 0 ? (output_failed(s->out), -1) : 0;
}

/* ---- the two ways of use ---- */

/* Everything among everything. */
static int search_self(struct knn *s)
{
	struct stream_reader *in = filter_open(s->p, NULL);
	int r = read_corpus(s, in);

	stream_close(in);
	if (r < 0)
		return -1;
	prepare(s);
	for (size_t i = 0; i < s->corpus.n && r == 0; i += s->batch) {
		r = search(s, &s->corpus, i, MIN(s->corpus.n - i, s->batch));
		progress_tick(s->progress, s->done, s->done, s->corpus.n);
	}
	return r < 0 ? -1 : end_member(s, NULL);
}

static int flush(struct knn *s)
{
	int r = search(s, &s->queries, 0, s->queries.n);

	items_reset(&s->queries);
	return r;
}

/* One header, record or trailer of the queries. */
static int take_query(struct knn *s, const struct walk *w)
{
	const struct kind *k;
	const void *rec = walk_record(w, &k);
	struct view v;
	struct err e;

	switch (walk_type(w)) {
	case STREAM_HEADER:
		return take_kind(s, w, k) < 0 || begin_member(s, walk_header(w)) < 0 ? -1 : 0;
	case STREAM_TRAILER: return flush(s) < 0 ? -1 : end_member(s, walk_trailer(w));
	case STREAM_RECORDS: break;
	}
	v = items_view(k, rec);
	if (!is_wanted(s, &v, &s->o->query_where))
		return 0;
	if (items_add(&s->queries, k, rec, &e) < 0)
		return bad_record(s, w, e.text);
	if (k == &embedding_kind && s->corpus.n &&
		s->queries.index.cosine.dim != s->corpus.index.cosine.dim) {
		err_set(&e, "a vector of %zu numbers, those of the corpus have %zu",
			s->queries.index.cosine.dim, s->corpus.index.cosine.dim);
		return bad_record(s, w, e.text);
	}
	if (k == &tokens_kind && s->corpus.n && s->queries.vocab != s->corpus.vocab) {
		err_set(&e, "tokens of vocabulary %016llx, those of the corpus are of %016llx",
			(unsigned long long)s->queries.vocab, (unsigned long long)s->corpus.vocab);
		return bad_record(s, w, e.text);
	}
	return s->queries.n == s->batch ? flush(s) : 0;
}

/* Queries in a corpus. */
static int search_corpus(struct knn *s)
{
	struct stream_reader *in =
		stream_open((char *const *)s->o->corpus.p, s->o->corpus.n, NULL, kinds_all);
	uint64_t done, total;
	struct walk *w;
	int r = read_corpus(s, in), got = 0;

	stream_close(in);
	if (r < 0)
		return -1;
	prepare(s);
	prog_note(s->p, "corpus: %zu records in %zu groups", s->corpus.n, s->corpus.groups.count);
	in = filter_open(s->p, NULL);
	w = walk_new(in);
	while (r == 0 && (got = walk_next(w)) > 0) {
		r = take_query(s, w);
		stream_position(in, &done, &total);
		progress_tick(s->progress, s->done, done, total);
	}
	if (got < 0)
		prog_error(s->p, "%s", walk_error(w));
	walk_free(w);
	stream_close(in);
	return r < 0 || got < 0 ? -1 : 0;
}

static int run(struct prog *p, const struct options *o)
{
	struct knn s = {.p = p, .o = o, .is_self = !o->corpus.n, .out = output_open(p)};
	int r;

	sandbox_enter(p);
	r = s.is_self ? search_self(&s) : search_corpus(&s);
	if (r == 0 && s.filtered)
		prog_note(p, "%llu records left out by --min-insns, --where, --query-where",
			(unsigned long long)s.filtered);
	if (r == 0 && s.all_left_out)
		prog_warn(p,
			"%llu of %llu queries have no other record of their group to draw: "
			"left out",
			(unsigned long long)s.all_left_out, (unsigned long long)s.done);
	if (r == 0 && s.small_pools)
		prog_warn(p, "%llu pools are smaller than %llu: the corpus has no more",
			(unsigned long long)s.small_pools, (unsigned long long)o->pool);
	if (s.progress)
		progress_free(s.progress, 0);
	if (s.par)
		par_free(s.par);
	pool_free(s.pools);
	mem_free(s.query);
	mem_free(s.to);
	mem_free(s.hit);
	mem_free(s.hits);
	mem_free(s.drawn);
	items_free(&s.queries);
	items_free(&s.corpus);
	buf_free(&s.inputs);
	mem_free(s.made);
	return output_close(s.out, r < 0 ? EXIT_FAILED : EXIT_OK);
}

/* ---- the command line ---- */

static void check_where(const struct prog *p, const char *option, const struct opt_list *where)
{
	for (size_t i = 0; i < where->n; i++)
		if (!strchr(where->p[i], '=') || *where->p[i] == '=')
			prog_usage(p, "--%s: '%s' is not KEY=VALUE", option, where->p[i]);
}

static void check_stdin(const struct prog *p, const struct opt_list *corpus)
{
	size_t uses = corpus->n && !p->nargs;

	for (size_t i = 0; i < corpus->n; i++)
		uses += !strcmp(corpus->p[i], "-");
	for (size_t i = 0; i < p->nargs; i++)
		uses += !strcmp(p->args[i], "-");
	if (uses > 1)
		prog_usage(p, "stdin can be read once: as corpus or as queries");
}

int main(int argc, char **argv)
{
	struct options o = {.k = 10, .seed = 1};
	const struct opt opts[] = {
		{'c', "corpus", OPT_LIST, 0, &o.corpus, "FILE",
			"search in FILE; may be given again (default: among the queries)", 0, 0},
		{'k', "neighbours", OPT_UINT, OPT_CONTENT, &o.k, "N",
			"neighbours of each query (default 10)", 1, K_MAX},
		{'p', "pool", OPT_UINT, OPT_CONTENT, &o.pool, "N",
			"compare each query with 1 record of its group and N-1 of others, drawn", 2,
			POOL_MAX},
		{'s', "seed", OPT_UINT, OPT_CONTENT, &o.seed, "N",
			"what --pool draws depends on it (default 1)", 0, 0},
		{'m', "measure", OPT_TEXT, OPT_CONTENT, &o.measure, "NAME",
			"cosine (of embedding); jaccard or idf (of tokens, of sequence)", 0, 0},
		{0, "min-insns", OPT_UINT, OPT_CONTENT, &o.min_insns, "N",
			"leave out records of fewer instructions, on both sides", 0, 0},
		{0, "where", OPT_LIST, OPT_CONTENT, &o.where, "KEY=VALUE",
			"only corpus records with this label, or name or file; may be given again",
			0, 0},
		{0, "query-where", OPT_LIST, OPT_CONTENT, &o.query_where, "KEY=VALUE",
			"only queries with this label, or name or file; may be given again", 0, 0},
	};
	struct prog p = {
		.name = "bb-knn",
		.operands = "[QUERIES...]",
		.brief = "find the nearest neighbours of embeddings",
		.detail = "Reads embedding, or tokens or sequence as sets, writes match: for each "
			  "query the k most\n"
			  "similar records of the corpus, best first. A function is never matched "
			  "with itself.",
		.example = "  bb-knn -c firmware.emb --query-where name=inflate zlib.emb | bb-cat "
			   "-t\n"
			   "  bb-knn --query-where opt=O0 --where opt=O3 -c all.emb --pool 100 "
			   "all.emb | bb-eval",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};

	prog_start(&p, argc, argv);
	if (o.measure && strcmp(o.measure, "cosine") && strcmp(o.measure, "jaccard") &&
		strcmp(o.measure, "idf"))
		prog_usage(&p, "--measure: '%s' is not cosine, jaccard or idf", o.measure);
	check_where(&p, "where", &o.where);
	check_where(&p, "query-where", &o.query_where);
	if (o.where.n && !o.corpus.n)
		prog_usage(&p, "--where needs a corpus (-c); --query-where chooses queries");
	check_stdin(&p, &o.corpus);
	return run(&p, &o);
}
