/*
 * bb-strands.c: functions to sequences: strands, basic blocks, or whole functions.
 *
 * One idea: a unit is a list of instruction indices of the function; bytes, lengths and references
 * are carried over by that list. Which indices make a strand is plan.c.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "plan.h"
#include "cli/filter.h"
#include "code/codeseq.h"
#include "formats/function.h"
#include "formats/sequence.h"

enum unit { UNIT_STRAND, UNIT_BLOCK, UNIT_FUNCTION, UNIT_COUNT };
static const char *const unit_name[UNIT_COUNT] = {"strand", "block", "function"};

struct options {
	const char *unit_text;
	enum unit unit;
	const char *group; /* template, or NULL for the default of the unit */
	uint64_t min_insns, max_insns;
	bool thunks;
};

struct worker {
	const struct options *o;
	struct plan *plan;
	struct plan_block block[PLAN_BLOCKS]; /* the batch, */
	size_t nblocks, ninsns;               /* how many, of how many instructions */
	uint32_t *at; /* where each instruction begins; one more for the end */
	size_t capat;
	struct sequence unit;       /* the record under construction, */
	struct field_shared shared; /* what all of a function begin with, */
	/* and what it points to */
	struct buf code, group;
	uint8_t *len;
	uint32_t *rinsn, *rname;
	uint8_t *rkind;
	uint64_t *rtarget;
	const char **rnames;
	size_t caplen, caprefs[5];
};

static void *worker_new(void *ctx)
{
	struct worker *w = mem_zalloc(1, sizeof(*w));

	w->o = ctx;
	w->plan = plan_new();
	return w;
}

static void worker_free(void *worker)
{
	struct worker *w = worker;

	plan_free(w->plan);
	field_shared_free(&w->shared);
	buf_free(&w->code);
	buf_free(&w->group);
	mem_free(w->at);
	mem_free(w->len);
	mem_free(w->rinsn);
	mem_free(w->rkind);
	mem_free(w->rtarget);
	mem_free(w->rname);
	mem_free(w->rnames);
	mem_free(w);
}

/* ---- the group ---- */

/* The name a function has, or had in its source: debugging information says it when symbols do not.
 */
static const char *name_of(const struct function *f)
{
	return *f->name ? f->name : f->source.name;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* name@file of the function, without its folder: copies of a file are one source. 0, or -1. */
static int put_source(struct buf *b, const struct source *s)
{
	if (!*s->name || !*s->file)
		return -1;
	buf_printf(b, "%s@%s", s->name, base_name(s->file));
	return 0;
}

/* file:line of the block. 0, or -1 when it is not known. */
static int put_line(struct buf *b, const struct source *s, size_t block)
{
	if (!s->bfile.n || !s->bfile.p[block] || !s->bline.p[block])
		return -1;
	buf_printf(
		b, "%s:%" PRIu32, base_name(s->files.p[s->bfile.p[block] - 1]), s->bline.p[block]);
	return 0;
}

/* The unit a group is asked for. */
struct whose {
	const struct function *f;
	size_t block; /* it is, or begins with */
	uint64_t addr;
};

/*
 * The text of {key} in a template; the labels come last, so that a label cannot hide a field. 0, or
 * -1 when the truth that was asked for is not known.
 */
static int put_field(struct buf *b, const struct whose *u, const char *key, size_t n)
{
	const struct function *f = u->f;
	char text[64];

	if (n >= sizeof(text))
		return 0; /* no label of that name was allowed on the command line */
	memcpy(text, key, n);
	text[n] = '\0';
	if (!strcmp(text, "source"))
		return put_source(b, &f->source);
	if (!strcmp(text, "line"))
		return put_line(b, &f->source, u->block);
	if (!strcmp(text, "name"))
		buf_puts(b, name_of(f));
	else if (!strcmp(text, "file"))
		buf_puts(b, f->file);
	else if (!strcmp(text, "fn"))
		buf_printf(b, "0x%" PRIx64, f->addr);
	else if (!strcmp(text, "addr"))
		buf_printf(b, "0x%" PRIx64, u->addr);
	else if (field_label(&f->labels, text))
		buf_puts(b, field_label(&f->labels, text));
	return 0;
}

static const char *group_of(struct worker *w, const struct whose *u)
{
	const char *t = w->o->group, *project = field_label(&u->f->labels, "project");

	buf_reset(&w->group);
	if (!t) {
		if (w->o->unit != UNIT_FUNCTION || !*name_of(u->f))
			return "";
		t = project ? "{project}:{name}" : "{name}";
	}
	for (; *t; t++) {
		const char *end = *t == '{' ? strchr(t, '}') : NULL;

		if (!end) {
			buf_putc(&w->group, *t);
			continue;
		}
		if (put_field(&w->group, u, t + 1, (size_t)(end - t - 1)) < 0)
			return "";
		t = end;
	}
	return buf_text(&w->group);
}

/* ---- one unit as a record ---- */

/* Instruction k of the unit: a list, or the n instructions from `first` on. */
struct pick {
	const uint32_t *index; /* relative to first; NULL: all */
	size_t first, n;
	size_t block; /* that holds the first */
};

static size_t picked(const struct pick *p, size_t k)
{
	return p->first + (p->index ? p->index[k] : k);
}

static void carry_code(
	struct worker *w, const struct function *f, const struct pick *p, struct sequence *s)
{
	if (!p->index) {
		s->code = (struct u8s){
			f->code.p + w->at[p->first], w->at[p->first + p->n] - w->at[p->first]};
		s->len = (struct u8s){f->len.p + p->first, p->n};
		return;
	}
	buf_reset(&w->code);
	w->len = mem_grow(w->len, &w->caplen, p->n, sizeof(*w->len));
	for (size_t k = 0; k < p->n; k++) {
		size_t i = picked(p, k);

		buf_put(&w->code, f->code.p + w->at[i], f->len.p[i]);
		w->len[k] = f->len.p[i];
	}
	s->code = (struct u8s){w->code.p, w->code.n};
	s->len = (struct u8s){w->len, p->n};
	s->pos = (struct u32s){(uint32_t *)p->index, p->n};
}

static void carry_refs(
	struct worker *w, const struct refs *r, size_t from, const struct pick *p, struct refs *out)
{
	size_t n = 0, names = 0, k = 0;

	for (size_t i = from; i < r->insn.n; i++) {
		while (k < p->n && picked(p, k) < r->insn.p[i])
			k++;
		if (k == p->n)
			break;
		if (picked(p, k) != r->insn.p[i])
			continue;
		w->rinsn = mem_grow(w->rinsn, &w->caprefs[0], n + 1, sizeof(*w->rinsn));
		w->rkind = mem_grow(w->rkind, &w->caprefs[1], n + 1, sizeof(*w->rkind));
		w->rtarget = mem_grow(w->rtarget, &w->caprefs[2], n + 1, sizeof(*w->rtarget));
		w->rname = mem_grow(w->rname, &w->caprefs[3], n + 1, sizeof(*w->rname));
		w->rnames = mem_grow(w->rnames, &w->caprefs[4], n + 1, sizeof(*w->rnames));
		w->rinsn[n] = (uint32_t)k;
		w->rkind[n] = r->kind.p[i];
		w->rtarget[n] = r->target.p[i];
		w->rname[n] = 0;
		if (r->name.p[i]) {
			w->rnames[names++] = refs_name(r, i);
			w->rname[n] = (uint32_t)names;
		}
		n++;
	}
	out->insn = (struct u32s){w->rinsn, n};
	out->kind = (struct u8s){w->rkind, n};
	out->target = (struct u64s){w->rtarget, n};
	out->name = (struct u32s){w->rname, n};
	out->names = (struct texts){w->rnames, names};
}

/* What all units of the function have in common. */
static void begin_units(struct worker *w, const struct function *f)
{
	w->unit = (struct sequence){
		.unit = unit_name[w->o->unit],
		.origin = {.bin = f->bin, .file = f->file, .fn = f->addr, .name = f->name},
		.labels = f->labels,
		.arch = f->arch,
	};
	field_share(
		&w->shared, sequence_kind.fields, &w->unit, offsetof(struct sequence, origin.addr));
}

/* from: the first reference that can belong to the unit. */
static void emit(struct worker *w, const struct function *f, const struct pick *p, size_t from,
	struct filter_out *out)
{
	struct sequence *s = &w->unit;

	if (p->n < w->o->min_insns)
		return;
	s->origin.addr = f->addr + w->at[p->first];
	s->group = group_of(w, &(struct whose){f, p->block, s->origin.addr});
	carry_code(w, f, p, s);
	carry_refs(w, &f->refs, from, p, &s->refs);
	filter_emit_shared(out, &w->shared, s);
}

/* ---- the strands of blocks ---- */

/* Does a reference say that the instruction reaches a function? `from`: the first to look at. */
static bool reaches_function(const struct refs *r, size_t from, size_t insn)
{
	for (size_t i = from; i < r->insn.n && r->insn.p[i] <= insn; i++)
		if (r->insn.p[i] == insn &&
			(r->kind.p[i] == REF_CALL || r->kind.p[i] == REF_IMPORT))
			return true;
	return false;
}

/* Of the blocks that were gathered. */
static void emit_strands(struct worker *w, const struct function *f, struct filter_out *out)
{
	plan_blocks(w->plan, f, w->at, w->block, w->nblocks);
	for (size_t i = 0; i < w->nblocks; i++) {
		const struct plan_block *b = &w->block[i];
		struct pick p = {.first = b->first, .block = b->number};
		const uint32_t *at = b->strands;

		for (uint32_t left = *at++; left; left--) {
			p.n = *at++;
			p.index = at;
			at += p.n;
			emit(w, f, &p, b->ref, out);
		}
	}
	w->nblocks = w->ninsns = 0;
}

static void gather(struct worker *w, const struct function *f, const struct plan_block *b,
	struct filter_out *out)
{
	if (w->ninsns + b->n > PLAN_INSNS || w->nblocks == PLAN_BLOCKS)
		emit_strands(w, f, out);
	w->block[w->nblocks++] = *b;
	w->ninsns += b->n;
}

/* ---- a function ---- */

static size_t block_end(const struct function *f, size_t b)
{
	return b + 1 < f->blocks.n ? f->blocks.p[b + 1] : f->len.n;
}

static void cut_blocks(struct worker *w, const struct function *f, struct filter_out *out)
{
	struct plan_block b = {.ref = 0};

	for (; b.number < f->blocks.n; b.number++) {
		b.first = f->blocks.p[b.number];
		b.n = block_end(f, b.number) - b.first;
		while (b.ref < f->refs.insn.n && f->refs.insn.p[b.ref] < b.first)
			b.ref++;
		if (codeseq_is_data(arch_find(f->arch), f->len.p[b.first]))
			continue;
		if (w->o->unit == UNIT_STRAND) {
			b.calls_last = reaches_function(&f->refs, b.ref, b.first + b.n - 1);
			gather(w, f, &b, out);
		} else {
			struct pick all = {NULL, b.first, b.n, b.number};

			emit(w, f, &all, b.ref, out);
		}
	}
	emit_strands(w, f, out);
}

static void find_starts(struct worker *w, const struct function *f)
{
	uint32_t at = 0;

	w->at = mem_grow(w->at, &w->capat, f->len.n + 1, sizeof(*w->at));
	for (size_t i = 0; i < f->len.n; i++) {
		w->at[i] = at;
		at += f->len.p[i];
	}
	w->at[f->len.n] = at;
}

static void work(void *worker, const struct kind *kind, void *rec, struct filter_out *out)
{
	struct worker *w = worker;
	const struct function *f = rec;
	struct pick all = {NULL, 0, f->len.n, 0};

	(void)kind;
	if (*f->thunk && !w->o->thunks)
		return;
	find_starts(w, f);
	begin_units(w, f);
	if (w->o->unit == UNIT_FUNCTION) {
		if (w->o->max_insns)
			all.n = MIN(all.n, w->o->max_insns);
		emit(w, f, &all, 0, out);
	} else if (w->o->unit == UNIT_STRAND && plan_use(w->plan, arch_find(f->arch)) < 0) {
		filter_skip_alike(out, "%s: no semantics for its architecture", f->file);
	} else {
		cut_blocks(w, f, out);
	}
}

static void check_options(struct prog *p, struct options *o)
{
	while (o->unit < UNIT_COUNT && strcmp(o->unit_text, unit_name[o->unit]))
		o->unit++;
	if (o->unit == UNIT_COUNT)
		prog_usage(p, "%s: no such unit: strand, block or function", o->unit_text);
	if (o->max_insns && o->unit != UNIT_FUNCTION)
		prog_usage(p, "--max-insns goes with -u function");
	for (const char *t = o->group; t && (t = strchr(t, '{')); t++) {
		size_t n = strcspn(t + 1, "{}");

		if (t[1 + n] != '}' || !n || n > 63)
			prog_usage(p, "--group %s: a field is {name}", o->group);
	}
}

int main(int argc, char **argv)
{
	struct options o = {.unit_text = "strand", .min_insns = 1};
	const struct opt opts[] = {
		{'u', "unit", OPT_TEXT, OPT_CONTENT, &o.unit_text, "UNIT",
			"strand, block or function (default: strand)", 0, 0},
		{0, "group", OPT_TEXT, OPT_CONTENT, &o.group, "TEMPLATE",
			"ground truth, as {project}:{name}, the default for functions", 0, 0},
		{0, "min-insns", OPT_UINT, OPT_CONTENT, &o.min_insns, "N",
			"leave out units of fewer instructions (default: 1)", 1, UINT32_MAX},
		{0, "max-insns", OPT_UINT, OPT_CONTENT, &o.max_insns, "N",
			"functions: only the first N instructions", 1, UINT32_MAX},
		{0, "thunks", OPT_FLAG, OPT_CONTENT, &o.thunks, NULL,
			"also functions that only jump to an imported one", 0, 0},
	};
	struct prog p = {
		.name = "bb-strands",
		.operands = "[FILE...]",
		.brief = "cut functions into strands, basic blocks or whole functions",
		.detail = "A strand is a def-use slice of a basic block: all that computes one of "
			  "its outputs.",
		.example = "bb-disasm /bin/ls | bb-strands | bb-cat -t | less\n"
			   "bb-disasm *.o | bb-strands -u function --max-insns 150 -o fns.bb",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};

	prog_start(&p, argc, argv);
	check_options(&p, &o);
	return filter_map(&p,
		&(struct filter){.in = &function_kind,
			.out = &sequence_kind,
			.worker_new = worker_new,
			.worker_free = worker_free,
			.work = work},
		&o);
}
