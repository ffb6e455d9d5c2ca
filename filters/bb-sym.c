/*
 * bb-sym.c: adds to each strand or block its representative set: one symbolic expression for each
 * output (BinBert section 3.3).
 *
 * One idea: the result is a function of code and references alone, and code repeats, so each
 * worker remembers the results of what it saw. What is remembered is bounded and never changes a
 * result, only the time it takes.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cache.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/filter.h"
#include "code/codeseq.h"
#include "formats/sequence.h"
#include "sem/given.h"
#include "sem/merge.h"
#include "sem/symex.h"

enum {
	MEMO_BITS = 13, /* results a worker remembers: about what the processor's own cache holds */
	MEMO_CODE = 512,  /* bytes; longer code hardly repeats */
	EFFORT = 1000000, /* z3's rlimit: some tenths of a second at most */
};

struct options {
	bool coverage;
	bool no_memo;
	bool prove;
	uint64_t effort; /* of z3 for each question */
	const char *eval;
	struct given *given; /* what eval says, or NULL */
	struct merge_counts counts;
	atomic_uint_fast64_t dropped; /* expressions too large, of all workers */
};

struct result {
	const char **text;
	uint64_t *hash;
	size_t n, dropped;
};

struct worker {
	struct options *o;
	struct insn_decoder *dec;
	const struct processor *cpu; /* of the code at hand */
	struct symex *symex;
	struct merge *merge; /* --prove, else NULL */
	struct insn *insn;   /* of the sequence at hand */
	size_t capinsns;
	struct cache *memo; /* results by code and references */
	struct buf key, value;
	uint64_t hash_of_key;
	const char **text; /* the result at hand as columns */
	uint64_t *hash;
	size_t captext, caphash;
};

static const struct expr *proved_form(void *merge, struct expr_pool *p, const struct expr *e)
{
	return merge_value(merge, p, e);
}

static const struct expr *given_form(void *given, struct expr_pool *p, const struct expr *e)
{
	return given_value(given, p, e);
}

static void *worker_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->dec = insn_open(ARCH_X86_64);
	w->cpu = processor_get(ARCH_X86_64);
	w->symex = symex_new();
	w->memo = cache_new(MEMO_BITS);
	if (w->o->prove) {
		w->merge = merge_new((unsigned)w->o->effort);
		symex_set_form(w->symex, proved_form, w->merge);
	}
	if (w->o->given)
		symex_set_form(w->symex, given_form, w->o->given);
	return w;
}

static void worker_free(void *worker)
{
	struct worker *w = worker;

	if (w->merge)
		w->o->counts = *merge_counts(w->merge);
	insn_close(w->dec);
	symex_free(w->symex);
	merge_free(w->merge);
	cache_free(w->memo);
	buf_free(&w->key);
	buf_free(&w->value);
	mem_free(w->insn);
	mem_free(w->text);
	mem_free(w->hash);
	mem_free(w);
}

/* The code is of the sequence's processor. -1: nobody knows what that one does. */
static int use_processor(struct worker *w, const struct sequence *s)
{
	enum arch a = arch_find(s->arch);

	if (a == insn_used(w->dec))
		return 0;
	if (!processor_get(a) || insn_use(w->dec, a) < 0)
		return -1;
	w->cpu = processor_get(a);
	symex_use(w->symex, w->cpu);
	return 0;
}

/* ---- the plain path ---- */

/* Decodes the sequence into w->insn; returns the number of instructions that are none. */
static size_t decode(struct worker *w, const struct sequence *s)
{
	w->insn = mem_grow(w->insn, &w->capinsns, s->len.n, sizeof(*w->insn));
	return codeseq_decode(w->dec, s->code.p, s->len.p, s->len.n, w->insn);
}

static void make_room(struct worker *w, size_t n)
{
	w->text = mem_grow(w->text, &w->captext, n, sizeof(*w->text));
	w->hash = mem_grow(w->hash, &w->caphash, n, sizeof(*w->hash));
}

static struct result run(struct worker *w, const struct sequence *s)
{
	const struct symex_output *out;
	struct result r;

	r.n = symex_run(w->symex, w->insn, s->len.n, &s->refs, &out, &r.dropped);
	make_room(w, r.n);
	for (size_t i = 0; i < r.n; i++) {
		w->text[i] = out[i].text;
		w->hash[i] = out[i].hash;
	}
	r.text = w->text;
	r.hash = w->hash;
	return r;
}

/* ---- the memo ---- */

/* All that the result depends on, as bytes. */
static void make_key(struct worker *w, const struct sequence *s)
{
	const struct refs *r = &s->refs;
	struct buf *b = &w->key;

	buf_reset(b);
	buf_putc(b, insn_used(w->dec));
	codeseq_key(b, s->code.p, s->len.p, s->len.n);
	for (size_t i = 0; i < r->insn.n; i++) {
		const char *name = refs_name(r, i);

		if (r->kind.p[i] == REF_JUMP)
			continue;
		buf_put(b, &r->insn.p[i], sizeof(r->insn.p[i]));
		buf_putc(b, r->kind.p[i]);
		if (r->kind.p[i] == REF_CALL)
			continue; /* is func, whatever the address */
		buf_put(b, &r->target.p[i], sizeof(r->target.p[i]));
		if (name)
			buf_puts(b, name);
		buf_putc(b, '\0');
	}
}

/* As bytes: number, dropped, hashes, texts with their ends. */
static void keep(struct worker *w, const struct result *r)
{
	uint64_t head[2] = {r->n, r->dropped};

	buf_reset(&w->value);
	buf_put(&w->value, head, sizeof(head));
	buf_put(&w->value, r->hash, r->n * sizeof(*r->hash));
	for (size_t i = 0; i < r->n && w->value.n <= CACHE_ENTRY; i++)
		buf_put(&w->value, r->text[i], strlen(r->text[i]) + 1);
	cache_put(w->memo, w->hash_of_key, w->key.p, w->key.n, w->value.p, w->value.n);
}

static struct result recall(struct worker *w, const uint64_t *value)
{
	struct result r = {.n = value[0], .dropped = value[1]};
	const char *text;

	make_room(w, r.n);
	memcpy(w->hash, value + 2, r.n * sizeof(*w->hash));
	text = (const char *)(value + 2 + r.n);
	for (size_t i = 0; i < r.n; i++) {
		w->text[i] = text;
		text += strlen(text) + 1;
	}
	r.text = w->text;
	r.hash = w->hash;
	return r;
}

/*
 * The result by memory or by work: 0, or -1 for a strand with bytes that do not decode. In a block
 * such bytes, data among the code, end what is executed together.
 */
static int find(struct worker *w, const struct sequence *s, struct result *out)
{
	bool use_memo = !w->o->no_memo && s->code.n <= MEMO_CODE;

	if (use_memo) {
		const void *value;
		size_t n;

		make_key(w, s);
		w->hash_of_key = cache_hash(w->memo, w->key.p, w->key.n);
		value = cache_get(w->memo, w->hash_of_key, w->key.p, w->key.n, &n);
		if (value) {
			*out = recall(w, value);
			return 0;
		}
	}
	if (decode(w, s) && !strcmp(s->unit, "strand"))
		return -1;
	*out = run(w, s);
	if (use_memo)
		keep(w, out);
	return 0;
}

static void work(void *worker, const struct kind *kind, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	struct sequence *s = rec;
	struct result r;

	(void)kind;
	if (!strcmp(s->unit, "function")) {
		filter_pass(out); /* a function is no straight line: it has no representative set */
		return;
	}
	if (use_processor(w, s) < 0) {
		filter_skip_alike(out, "%s: no semantics for its architecture", s->origin.file);
		return;
	}
	if (find(w, s, &r) < 0) {
		filter_skip(out, "%s: 0x%" PRIx64 ": a strand with bytes that do not decode",
			s->origin.file, s->origin.addr);
		return;
	}
	if (r.dropped)
		atomic_fetch_add(&w->o->dropped, r.dropped);
	s->exprs = (struct texts){r.text, r.n};
	s->hashes = (struct u64s){r.hash, r.n};
	filter_emit(out, s);
}

/* ---- coverage ---- */

/* By count, then by name. */
static int by_count(const void *va, const void *vb)
{
	const struct map_entry *a = va, *b = vb;

	if (a->value != b->value)
		return a->value < b->value ? 1 : -1;
	return strcmp(a->key, b->key);
}

struct tally {
	struct map unknown; /* number by mnemonic */
	uint64_t insns, without, bad;
};

static void count(struct tally *t, const struct processor *cpu, const struct insn *i)
{
	if (codeseq_is_bad(i)) {
		t->bad++;
		return;
	}
	t->insns++;
	if (!cpu->known(i)) {
		t->without++;
		map_put(&t->unknown, i->mnemonic, strlen(i->mnemonic), NULL)->value++;
	}
}

static void print_tally(struct tally *t)
{
	double share = t->insns ? 100.0 * (double)(t->insns - t->without) / (double)t->insns : 100;

	if (t->unknown.count)
		qsort(t->unknown.e, t->unknown.count, sizeof(*t->unknown.e), by_count);
	for (size_t i = 0; i < t->unknown.count; i++)
		printf("%-16s %" PRIu64 "\n", (const char *)t->unknown.e[i].key,
			t->unknown.e[i].value);
	printf("instructions %" PRIu64 "  without semantics %" PRIu64
	       "  covered %.4f%%  not decoded %" PRIu64 "\n",
		t->insns, t->without, share, t->bad);
}

static int coverage(struct prog *p, struct options *o)
{
	struct stream_reader *in = filter_open(p, &sequence_kind);
	struct worker *w = worker_new(o);
	struct tally t = {0};
	struct sequence s;
	int got;

	while ((got = stream_read(in, &s)) > 0) {
		if (use_processor(w, &s) < 0)
			continue;
		decode(w, &s);
		for (size_t i = 0; i < s.len.n; i++)
			count(&t, w->cpu, &w->insn[i]);
	}
	if (got < 0)
		prog_fail(p, "%s", stream_error(in));
	print_tally(&t);
	stream_close(in);
	map_free(&t.unknown);
	worker_free(w);
	return prog_end(p, EXIT_OK);
}

static void read_eval(struct prog *p, struct options *o)
{
	const char *at;

	if (!o->eval)
		return;
	if (o->prove || o->coverage)
		prog_usage(p, "--eval goes with neither --prove nor --coverage");
	o->given = given_new(o->eval, &at);
	if (!o->given)
		prog_usage(p, "--eval: %s: not REGISTER=NUMBER or *ADDRESS=NUMBER",
			*at ? at : "nothing at the end");
}

int main(int argc, char **argv)
{
	struct options o = {.effort = EFFORT};
	const struct opt opts[] = {
		{0, "coverage", OPT_FLAG, 0, &o.coverage, NULL,
			"print which mnemonics have no semantics, and how often they occur", 0, 0},
		{0, "no-memo", OPT_FLAG, 0, &o.no_memo, NULL,
			"compute every sequence anew; the output is the same", 0, 0},
		{0, "eval", OPT_TEXT, OPT_CONTENT, &o.eval, "LIST",
			"what registers and memory hold, as rdi=5,*4096=7", 0, 0},
		{0, "prove", OPT_FLAG, OPT_CONTENT, &o.prove, NULL,
			"one form for all expressions that z3 proves equal (one thread)", 0, 0},
		{0, "rlimit", OPT_UINT, OPT_CONTENT, &o.effort, "N",
			"how hard z3 tries for each question of --prove (default: 1000000)", 1,
			UINT32_MAX},
	};
	struct prog p = {
		.name = "bb-sym",
		.operands = "[FILE...]",
		.brief = "add symbolic expressions to strands and blocks",
		.detail = "Each output of a strand becomes one expression over its inputs, with a "
			  "canonical hash.",
		.example = "bb-disasm /bin/ls | bb-strands | bb-sym | bb-cat -t | less\n"
			   "bb-disasm /bin/ls | bb-strands -u block | bb-sym --coverage",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	int status;

	prog_start(&p, argc, argv);
	read_eval(&p, &o);
	if (o.coverage) {
		if (p.output)
			prog_usage(&p, "--coverage prints to stdout: no -o");
		return coverage(&p, &o);
	}
	if (o.prove)
		p.threads = 1; /* what a form is depends on the values before it */
	status = filter_map(&p,
		&(struct filter){.in = &sequence_kind,
			.out = &sequence_kind,
			.worker_new = worker_new,
			.worker_free = worker_free,
			.work = work},
		&o);
	given_free(o.given);
	if (o.dropped)
		prog_warn(&p, "%" PRIuFAST64 " expressions of more than %d nodes left out",
			(uint_fast64_t)o.dropped, SYMEX_NODES);
	if (o.prove)
		prog_note(&p,
			"%" PRIu64 " values, %" PRIu64
			" proved equal to others; z3 besides: %" PRIu64 " times different, %" PRIu64
			" times beyond its limit",
			o.counts.values, o.counts.merged, o.counts.different, o.counts.unknown);
	return status;
}
