/*
 * bb-trace.c: runs code from random states and adds to each record what the registers that its
 * traced text names held before each instruction: the micro-traces of Trex (arXiv 2012.08680,
 * section IV).
 *
 * One idea: code and seed alone decide a trace. The state is drawn by the seed and a digest of the
 * code, so equal code has equal traces, wherever it comes from and however many threads there are.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cli/filter.h"
#include "code/codeseq.h"
#include "emu/machine.h"
#include "formats/sequence.h"
#include "text/traced.h"

/* What became of instructions of one architecture, of all workers. */
struct tally {
	atomic_uint_fast64_t records, insns, skipped, faulted, holes, beyond;
};

struct options {
	uint64_t runs, seed;
	struct tally tally[ARCH_COUNT];
};

struct worker {
	struct options *o;
	struct insn_decoder *dec;
	struct machine *machine[ARCH_COUNT]; /* opened when they are needed */
	struct traced_text text;
	struct insn *insn; /* of the record at hand */
	uint8_t *reg;      /* registers asked for, */
	uint32_t *first;   /* of instruction i from first[i] on */
	uint64_t *values;
	size_t capinsn, capreg, capfirst, capvalues;
};

static void *worker_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->dec = insn_open(ARCH_X86_64);
	return w;
}

static void add(struct tally *t, const struct machine_counts *c)
{
	atomic_fetch_add(&t->insns, c->insns);
	atomic_fetch_add(&t->skipped, c->skipped);
	atomic_fetch_add(&t->faulted, c->faulted);
	atomic_fetch_add(&t->holes, c->holes);
	atomic_fetch_add(&t->beyond, c->beyond);
}

static void worker_free(void *worker)
{
	struct worker *w = worker;

	for (int a = 0; a < ARCH_COUNT; a++) {
		if (w->machine[a])
			add(&w->o->tally[a], machine_counts(w->machine[a]));
		machine_close(w->machine[a]);
	}
	insn_close(w->dec);
	traced_text_free(&w->text);
	mem_free(w->insn);
	mem_free(w->reg);
	mem_free(w->first);
	mem_free(w->values);
	mem_free(w);
}

/* Which registers each instruction of the record names, in the order of its text. */
static void ask(struct worker *w, const struct sequence *s)
{
	const struct traced_text *t = &w->text;
	size_t n = s->len.n, k = 0, word = 0;

	w->reg = mem_grow(w->reg, &w->capreg, t->regs + 1, sizeof(*w->reg));
	w->first = mem_grow(w->first, &w->capfirst, n + 1, sizeof(*w->first));
	for (size_t i = 0, at = 0; i < n; i++) {
		w->first[i] = (uint32_t)k;
		if (at == t->n || t->insn[at] != i)
			continue;
		for (; word < t->end[at]; word++)
			if (t->words.p[word].kind == TRACED_REG)
				w->reg[k++] = t->words.p[word].reg;
		at++;
	}
	w->first[n] = (uint32_t)k;
}

/* The state a record begins with is drawn by its architecture and code. */
static uint64_t digest(const struct options *o, const struct sequence *s)
{
	uint64_t part[4] = {o->seed, hash_64(s->arch, strlen(s->arch)),
		hash_64(s->code.p, s->code.n), hash_64(s->len.p, s->len.n)};

	return hash_64(part, sizeof(part));
}

static int load(struct worker *w, enum arch a, const struct sequence *s)
{
	struct machine_code c = {.bytes = s->code.p, .n = s->len.n, .addr = s->origin.addr};

	traced_code(&w->text, w->dec, &s->code, &s->len, &s->refs, 0);
	w->insn = mem_grow(w->insn, &w->capinsn, s->len.n, sizeof(*w->insn));
	codeseq_decode(w->dec, s->code.p, s->len.p, s->len.n, w->insn);
	ask(w, s);
	c.insn = w->insn;
	c.reg = w->reg;
	c.first = w->first;
	if (!w->machine[a])
		w->machine[a] = machine_open(a);
	if (!w->machine[a])
		return -1;
	return machine_load(w->machine[a], &c);
}

static void work(void *worker, const struct kind *kind, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	struct sequence *s = rec;
	enum arch a = arch_find(s->arch);
	uint64_t seed;

	(void)kind;
	if (!s->len.n) {
		filter_skip_alike(out, "%s: no code", s->origin.file);
		return;
	}
	if (a == ARCH_NONE || insn_use(w->dec, a) < 0) {
		filter_skip_alike(out, "%s: no emulator for its architecture", s->origin.file);
		return;
	}
	if (load(w, a, s) < 0) {
		filter_skip(out, "%s: the emulator did not start", s->origin.file);
		return;
	}
	w->values = mem_grow(w->values, &w->capvalues, w->text.regs, sizeof(*w->values));
	s->values = (struct u64s){w->values, w->text.regs};
	seed = digest(w->o, s);
	for (s->run = 1; s->run <= w->o->runs; s->run++) {
		machine_run(w->machine[a], seed, s->run, w->values);
		filter_emit(out, s);
	}
	atomic_fetch_add(&w->o->tally[a].records, 1);
}

static double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

static void say(const struct prog *p, const struct options *o)
{
	for (int a = 0; a < ARCH_COUNT; a++) {
		const struct tally *t = &o->tally[a];
		uint64_t insns = t->insns, off = t->skipped + t->faulted + t->holes + t->beyond;

		if (t->records)
			prog_note(p,
				"%s: records %" PRIu64 "  instructions %" PRIu64
				"  executed %.2f%%  skipped %.2f%%  faulted %.3f%%  not decoded "
				"%.3f%%  beyond bounds %.3f%%",
				arch_name(a), (uint64_t)t->records, insns,
				percent(insns - off, insns), percent(t->skipped, insns),
				percent(t->faulted, insns), percent(t->holes, insns),
				percent(t->beyond, insns));
	}
}

int main(int argc, char **argv)
{
	static struct options o = {.runs = 1};
	const struct opt opts[] = {
		{'n', "runs", OPT_UINT, OPT_CONTENT, &o.runs, "N",
			"runs of each record, a record each (default: 1)", 1, 1000},
		{'s', "seed", OPT_UINT, OPT_CONTENT, &o.seed, "N",
			"draws the states that runs begin with (default: 0)", 0, 0},
	};
	struct prog p = {
		.name = "bb-trace",
		.operands = "[FILE...]",
		.brief = "add micro-traces: what registers hold before each instruction",
		.detail =
			"Code of each processor is emulated in a straight line from random states.",
		.example =
			"bb-disasm /bin/ls | bb-strands -u function | bb-trace -n 3 | bb-cat -c\n"
			"bb-disasm firmware | bb-strands -u function | bb-trace | bb-tok --text "
			"traced",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	int status;

	prog_start(&p, argc, argv);
	status = filter_map(&p,
		&(struct filter){.in = &sequence_kind,
			.out = &sequence_kind,
			.worker_new = worker_new,
			.worker_free = worker_free,
			.work = work},
		&o);
	say(&p, &o);
	return status;
}
