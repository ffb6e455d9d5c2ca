/*
 * bb-disasm: ELF files to functions.
 *
 * A job is some small files, or a range of the functions of one large file; jobs are cut by sizes
 * alone, so the output is the same at any number of threads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/par.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "code/body.h"
#include "code/isa.h"
#include "code/names.h"
#include "formats/function.h"
#include "files.h"
#include "labels.h"
#include "sources.h"

enum {
	JOB_FILES = 32,       /* most files in one job */
	JOB_BYTES = 1 << 20,  /* files larger than this are split; smaller ones gathered up to it */
	JOB_CODE = 208 << 10, /* bytes of code in a job of a split file: mostly one frame */
};

struct options {
	struct files_options files;
	const char *list; /* file with names of files */
};

struct job {
	struct file *file[JOB_FILES];
	size_t nfiles;
	size_t first, end; /* functions of file[0] if it is split; else 0, 0 */
	bool last;         /* of its file */
	struct stream_pack pack;
	uint64_t functions;
	uint64_t done; /* bytes of input when the job was read */
};

struct worker {
	struct insn_decoder *decoder;
	struct body body;
	struct sources source;
};

struct run {
	struct prog *p;
	const struct options *o;
	struct files in;
	struct output *out;
	struct progress *progress;
	struct worker *worker;
	struct survey_crew crew;       /* for files that are split */
	struct insn_decoder **decoder; /* of the crew */
	struct file *waiting;          /* opened, but too large for the job before */
	struct file *split;            /* file being cut into jobs, and the next function of it */
	size_t at;
	uint64_t bytes, files, bad, nothing, functions;
};

/* ---- read: cut the input into jobs ---- */

/* The next file in *out: 1, 0, -1. */
static int next_file(struct run *run, struct file **out)
{
	struct err e;
	int got;

	if (run->waiting) {
		*out = run->waiting;
		run->waiting = NULL;
		return 1;
	}
	got = files_next(&run->in, out, &e);
	if (got < 0)
		prog_error(run->p, "%s", e.text);
	return got;
}

/* The next functions of the file being split, about JOB_CODE bytes. */
static void cut(struct run *run, struct job *j)
{
	const struct functions *fs = &run->split->image->functions;
	uint64_t code = 0;

	j->file[0] = run->split;
	j->nfiles = 1;
	j->first = run->at;
	while (run->at < fs->n && code < JOB_CODE) {
		code += fs->f[run->at].end - fs->f[run->at].addr;
		run->at++;
	}
	j->end = run->at;
	j->last = run->at == fs->n;
	if (j->last)
		run->split = NULL; /* its own count of 1 goes to this job */
	else
		files_use(j->file[0]);
}

static int read_job(void *ctx, void *vjob)
{
	struct run *run = ctx;
	struct job *j = vjob;
	uint64_t bytes = 0;

	j->nfiles = j->first = j->end = 0;
	j->last = true;
	while (!run->split && j->nfiles < JOB_FILES && bytes < JOB_BYTES) {
		struct file *f;
		int got = next_file(run, &f);
		uint64_t size;

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		size = files_size(f);
		if (size > JOB_BYTES && j->nfiles) {
			run->waiting = f;
			break;
		}
		run->files++;
		run->bytes += size;
		bytes += size;
		j->file[j->nfiles++] = f;
		if (size <= JOB_BYTES)
			continue;
		files_load(f, &run->o->files, &run->crew);
		if (!f->image)
			break;
		run->split = f;
		run->at = 0;
	}
	if (run->split)
		cut(run, j);
	j->done = run->bytes;
	return j->nfiles > 0;
}

/* ---- work: functions to records ---- */

/* What debugging information says of the function goes into its record. */
static void add_source(
	struct function *rec, const struct file *f, const struct func *u, struct worker *w)
{
	const struct debug_unit *unit =
		sources_make(&w->source, &rec->source, &f->debug, u, &w->body, &w->body.arena);

	if (unit)
		rec->labels = f->unit_labels[unit - f->debug.units];
	if (!rec->name[0] && !f->image->ignore_symbols)
		rec->name = rec->source.name;
}

static void emit(struct job *j, struct file *f, const struct func *u, struct worker *w)
{
	struct body *b = &w->body;
	struct function rec;

	if (body_build(b, w->decoder, f->image, u) < 0) {
		__atomic_add_fetch(&f->too_large, 1, __ATOMIC_RELAXED);
		return;
	}
	rec = (struct function){
		.bin = {f->image->digest, HASH_BYTES},
		.file = f->name,
		.labels = f->labels,
		.arch = arch_name(isa_at(f->image->elf, u->addr)),
		.addr = u->addr,
		.name = names_utf8(&b->arena, u->name),
		.code = {(uint8_t *)b->code, b->ncode},
		.len = {b->len, b->ninsns},
		.blocks = {b->cfg.blocks, b->cfg.nblocks},
		.exits = {b->cfg.exits, b->cfg.nblocks},
		.jumps = {b->cfg.jumps, b->cfg.njumps},
		.refs = {{b->ref_insn, b->nrefs}, {b->ref_kind, b->nrefs},
			{b->ref_target, b->nrefs}, {b->ref_name, b->nrefs}, {b->names, b->nnames}},
		.thunk = b->thunk,
		.part = u->from & FUNC_PART ? (u->owner ? u->owner : u->addr) : 0,
	};
	if (f->debug.bytes.n)
		add_source(&rec, f, u, w);
	if (stream_pack_record(&j->pack, &function_kind, &rec) < 0)
		__atomic_add_fetch(&f->too_large, 1, __ATOMIC_RELAXED);
	else
		j->functions++;
}

/* All files of the job. Whether none of them was cut short meanwhile. */
static bool emit_all(struct run *run, struct job *j, struct worker *w)
{
	const struct survey_crew crew = {&w->decoder, NULL};

	j->functions = 0;
	for (size_t k = 0; k < j->nfiles; k++) {
		struct file *f = j->file[k];
		bool split = j->end > 0;

		if (files_cut(f))
			continue;
		files_load(f, &run->o->files, &crew);
		if (!f->image)
			continue;
		for (size_t i = j->first; i < (split ? j->end : f->image->functions.n); i++)
			emit(j, f, &f->image->functions.f[i], w);
		if (files_cut(f))
			return false;
	}
	return true;
}

static void work_job(void *ctx, void *vjob, unsigned worker)
{
	struct run *run = ctx;
	struct job *j = vjob;

	while (!emit_all(run, j, &run->worker[worker]))
		stream_pack_reset(&j->pack);
	stream_pack_finish(&j->pack);
}

/* ---- write ---- */

/* Says what was wrong with the file. 0, or -1 when that ends the run. */
static int complain(struct run *run, struct file *f)
{
	void (*say)(const struct prog *, const char *, ...) =
		run->p->strict ? prog_error : prog_warn;

	if (files_cut(f)) {
		f->bad = true;
		err_set(&f->why, "was cut short while it was read");
	}
	if (f->bad)
		say(run->p, "%s: %s", f->path, f->why.text);
	else if (f->nothing)
		prog_note(run->p, "%s: %s", f->path, f->why.text);
	else if (f->unlabelled)
		say(run->p, "%s: does not fit the path template '%s'", f->path,
			run->o->files.template);
	if (f->bad_debug)
		say(run->p, "%s: debugging information: %s", f->path, f->why.text);
	else if (run->o->files.dwarf && f->image && !f->debug.nunits)
		prog_warn(run->p, "%s: has no debugging information", f->path);
	if (f->too_large)
		say(run->p, "%s: %llu functions over the size limit left out", f->path,
			(unsigned long long)f->too_large);
	run->bad += f->bad;
	run->nothing += f->nothing;
	return run->p->strict && (f->bad || f->bad_debug || f->unlabelled || f->too_large) ? -1 : 0;
}

static int write_job(void *ctx, void *vjob)
{
	struct run *run = ctx;
	struct job *j = vjob;
	int r = 0;

	if (stream_put(output_stream(run->out), &j->pack) < 0) {
		output_failed(run->out);
		r = -1;
	}
	run->functions += j->functions;
	progress_tick(run->progress, run->functions, j->done, 0);
	for (size_t k = 0; k < j->nfiles; k++) {
		if (j->last && r == 0)
			r = complain(run, j->file[k]);
		files_release(j->file[k]);
	}
	j->nfiles = 0;
	return r;
}

static void free_job(void *vjob)
{
	struct job *j = vjob;

	for (size_t k = 0; k < j->nfiles; k++) /* read, never written: the run failed */
		files_release(j->file[k]);
	stream_pack_free(&j->pack);
}

/* ---- main ---- */

static void check_options(struct prog *p, const struct options *o)
{
	struct err e;

	for (size_t i = 0; i < o->files.labels.n; i++) {
		if (labels_check_pair(o->files.labels.p[i], &e) < 0)
			prog_usage(p, "%s", e.text);
	}
	if (o->files.template && labels_check_template(o->files.template, &e) < 0)
		prog_usage(p, "%s", e.text);
	if (o->list && p->nargs)
		prog_usage(p, "both operands and --files-from");
}

static int finish(struct run *run, int status)
{
	if (status == EXIT_OK && run->files && run->bad + run->nothing == run->files) {
		prog_error(run->p, run->nothing ? "no input file has functions"
						: "no input file could be read");
		status = EXIT_FAILED;
	}
	if (status == EXIT_OK && stream_end(output_stream(run->out), run->bad, NULL, 0) < 0)
		status = output_failed(run->out);
	return status;
}

static int run_all(struct run *run)
{
	static const struct par_flow flow = {
		sizeof(struct job), read_job, work_job, write_job, free_job};
	struct prog *p = run->p;
	int status = EXIT_OK;

	run->progress = progress_new(p, "functions");
	run->worker = mem_zalloc(p->threads, sizeof(*run->worker));
	run->decoder = mem_alloc(p->threads, sizeof(*run->decoder));
	for (uint64_t i = 0; i < p->threads; i++) {
		run->worker[i].decoder = insn_open(ARCH_X86_64);
		run->decoder[i] = insn_open(ARCH_X86_64);
	}
	run->crew = (struct survey_crew){run->decoder, par_new((unsigned)p->threads)};
	if (stream_begin(output_stream(run->out), &function_kind, NULL, output_step(run->out)) < 0)
		status = output_failed(run->out);
	else if (par_flow(&flow, run, (unsigned)p->threads) < 0)
		status = EXIT_FAILED;
	status = finish(run, status);
	for (uint64_t i = 0; i < p->threads; i++) {
		insn_close(run->worker[i].decoder);
		insn_close(run->decoder[i]);
		body_free(&run->worker[i].body);
		sources_free(&run->worker[i].source);
	}
	par_free(run->crew.par);
	mem_free(run->decoder);
	mem_free(run->worker);
	progress_free(run->progress, run->bad);
	if (run->split)
		files_release(run->split);
	if (run->waiting)
		files_release(run->waiting);
	return status;
}

int main(int argc, char **argv)
{
	struct options o = {.files.debug_dir = "/usr/lib/debug"};
	const struct opt opts[] = {
		{'l', "label", OPT_LIST, OPT_CONTENT, &o.files.labels, "KEY=VALUE",
			"label all functions so; may be given again", 0, 0},
		{0, "label-path", OPT_TEXT, OPT_CONTENT, &o.files.template, "TEMPLATE",
			"take labels from paths, as '{project}/{compiler}-{opt}/{file}'", 0, 0},
		{0, "files-from", OPT_TEXT, 0, &o.list, "FILE",
			"read names of files from FILE, or from stdin if it is -", 0, 0},
		{0, "ignore-symbols", OPT_FLAG, OPT_CONTENT, &o.files.ignore_symbols, NULL,
			"treat files as if they were stripped", 0, 0},
		{'g', "dwarf", OPT_FLAG, OPT_CONTENT, &o.files.dwarf, NULL,
			"add source lines, inlined functions and compilers from DWARF", 0, 0},
		{0, "debug-dir", OPT_TEXT, 0, &o.files.debug_dir, "DIR",
			"where -g finds debug files (default /usr/lib/debug)", 0, 0},
	};
	struct prog p = {
		.name = "bb-disasm",
		.operands = "[FILE...]",
		.brief = "take ELF files apart into functions",
		.detail = "Finds the functions of x86-64, i386, AArch64, ARM and MIPS "
			  "executables, shared objects, relocatable "
			  "files and archives of these, decodes them, recovers their control-flow "
			  "graphs and resolves the "
			  "names of what they call. Writes one record for each function.",
		.example = "bb-disasm -l project=zlib libz.so.1 | bb-cat -c\n"
			   "find build -name '*.o' | bb-disasm --files-from - "
			   "--label-path '{compiler}-{opt}/{file}' -o all.bb",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	struct run run = {.p = &p, .o = &o};
	struct inputs in;
	struct err e;
	int status;

	prog_start(&p, argc, argv);
	check_options(&p, &o);
	if (o.files.dwarf)
		prog_content(&p, "debug-dir=%s", o.files.debug_dir);
	if (!o.list)
		inputs_open(&in, p.args, p.nargs);
	else if (inputs_open_list(&in, o.list, &e) < 0)
		prog_fail(&p, "%s", e.text);
	files_open(&run.in, &in, &o.files);
	run.out = output_open(&p);
	inputs_guard();
	sandbox_enter(&p);
	status = run_all(&run);
	files_close(&run.in);
	return output_close(run.out, status);
}
