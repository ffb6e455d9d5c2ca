/*
 * disasm.c: the part of scripts/bench/disasm that has to be fast; it compiles and runs this.
 *
 *	disasm time FILE
 *
 * times bb's analysis of a file (functions, instructions, graph, references; no records, no
 * compression) and capstone with detail on the same bytes. Prints instructions, CPU seconds of bb
 * and of capstone.
 *
 *	objdump -d -w --no-show-raw-insn FILE | disasm compare STREAM
 *
 * compares what bb-disasm wrote with objdump's text: within bb's functions, where instructions
 * start, and where direct branches go: to a block by an edge, to another function by a reference or
 * by its name. Prints how many are the same and how many are not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "code/body.h"
#include "stream/stream.h"

#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_all(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n;

	while (f && (n = fread(buf_reserve(b, 1 << 20), 1, 1 << 20, f)) > 0)
		b->n += n;
	if (!f || ferror(f) || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* From the bytes of the file to the last body, a new decoder each time. */
static double analyse(const struct buf *file, size_t *insns)
{
	double start = now();
	struct err e;
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct image *im = image_new(file->p, file->n, 0, &(struct survey_crew){&d, NULL}, &e);
	struct body b = {0};

	if (!im || !d) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	*insns = 0;
	for (size_t i = 0; i < im->functions.n; i++) {
		if (body_build(&b, d, im, &im->functions.f[i]) == 0)
			*insns += b.ninsns;
	}
	body_free(&b);
	insn_close(d);
	image_free(im);
	return now() - start;
}

static double capstone(const struct image *im)
{
	double start = now();
	cs_insn *in;
	csh h;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &h) != CS_ERR_OK)
		exit(1);
	cs_option(h, CS_OPT_DETAIL, CS_OPT_ON);
	in = cs_malloc(h);
	for (size_t i = 0; i < im->functions.n; i++) {
		const struct func *f = &im->functions.f[i];
		size_t n, left = (size_t)(f->end - f->addr);
		const uint8_t *p = elf_bytes(im->elf, f->addr, &n);
		uint64_t addr = f->addr;

		while (left) {
			if (cs_disasm_iter(h, &p, &left, &addr, in))
				continue;
			p++, left--, addr++;
		}
	}
	cs_free(in, 1);
	cs_close(&h);
	return now() - start;
}

static int time_both(const char *path)
{
	struct buf file = {0};
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct image *im;
	size_t insns;
	struct err e;
	double bb, cs;

	read_all(&file, path);
	im = image_new(file.p, file.n, 0, &(struct survey_crew){&d, NULL}, &e);
	if (!im) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	bb = analyse(&file, &insns);
	cs = capstone(im);
	printf("%zu %.4f %.4f\n", insns, bb, cs);
	image_free(im);
	insn_close(d);
	buf_free(&file);
	return 0;
}

/* ---- answers ---- */

struct line { /* of objdump */
	uint64_t addr;
	uint64_t target; /* of a direct branch, */
	bool branch, call;
	char name[200]; /* and what objdump calls it: as in <memcpy@plt> */
};

struct counts {
	unsigned long same, only_bb, only_objdump, branches, wrong;
};

/* Whether the text is a direct branch; fills in where it goes. */
static bool parse_branch(const char *text, struct line *l)
{
	const char *op = text;
	char *end;

	while (!strncmp(op, "bnd ", 4) || !strncmp(op, "notrack ", 8))
		op = strchr(op, ' ') + 1;
	l->call = !strncmp(op, "call", 4);
	if (!l->call && *op != 'j' && strncmp(op, "loop", 4))
		return false;
	op += strcspn(op, " \n");
	op += strspn(op, " ");
	l->target = strtoull(op, &end, 16);
	if (end == op || *op == '*')
		return false;
	l->name[0] = 0;
	if (!strncmp(end, " <", 2))
		snprintf(l->name, sizeof(l->name), "%.*s", (int)strcspn(end + 2, "@>"), end + 2);
	return true;
}

/* The next instruction: "  addr:\ttext". Whether there is one. */
static bool next_line(struct line *l)
{
	static char *text;
	static size_t cap;

	while (getline(&text, &cap, stdin) > 0) {
		char *end;

		if (text[0] != ' ')
			continue;
		l->addr = strtoull(text, &end, 16);
		if (end[0] != ':' || end[1] != '\t')
			continue;
		l->branch = parse_branch(end + 2, l);
		return true;
	}
	return false;
}

/* Whether the record says that instruction i of block b goes to the target. */
static bool goes_to(
	const struct function *f, const uint64_t *at, uint32_t b, uint32_t i, const struct line *l)
{
	uint64_t end = f->addr + f->code.n;

	if (!l->call && l->target >= f->addr && l->target < end) {
		struct function_walk w = function_edges(f->exits, f->jumps);
		struct function_edge e;

		while (function_next(&w, &e) && e.from <= b) {
			if (e.from == b && at[f->blocks.p[e.to]] == l->target)
				return true;
		}
	}
	for (size_t k = 0; k < f->refs.insn.n && f->refs.insn.p[k] <= i; k++) {
		const char *name = refs_name(&f->refs, k);

		if (f->refs.insn.p[k] != i)
			continue;
		if (f->refs.kind.p[k] == REF_CALL && f->refs.target.p[k] == l->target)
			return true;
		if (f->refs.kind.p[k] == REF_IMPORT && name && !strcmp(name, l->name))
			return true;
	}
	return false;
}

/* Reads objdump's lines up to the end of the function and compares them; *l is the next one. */
static bool compare_function(const struct function *f, struct line *l, bool more, struct counts *c)
{
	static uint64_t *at;
	static size_t cap;
	uint64_t end = f->addr + f->code.n;
	uint32_t i = 0, b = 0;

	at = mem_grow(at, &cap, f->len.n + 1, sizeof(*at));
	at[0] = f->addr;
	for (size_t k = 0; k < f->len.n; k++)
		at[k + 1] = at[k] + f->len.p[k];
	while (more && l->addr < f->addr)
		more = next_line(l);
	for (; more && l->addr < end; more = next_line(l)) {
		while (i < f->len.n && at[i] < l->addr)
			i++, c->only_bb++;
		if (at[i] != l->addr) {
			c->only_objdump++;
			continue;
		}
		c->same++;
		while (b + 1 < f->blocks.n && f->blocks.p[b + 1] <= i)
			b++;
		if (l->branch) {
			c->branches++;
			c->wrong += !goes_to(f, at, b, i, l);
		}
		i++;
	}
	c->only_bb += f->len.n - i;
	return more;
}

static int compare(char *path)
{
	static const struct kind *const kinds[] = {&function_kind, NULL};
	struct stream_reader *r = stream_open(&path, 1, &function_kind, kinds);
	struct counts c = {0};
	struct function f;
	struct line l;
	bool more = next_line(&l);
	int got;

	while ((got = stream_read(r, &f)) > 0)
		more = compare_function(&f, &l, more, &c);
	if (got < 0)
		fprintf(stderr, "%s\n", stream_error(r));
	stream_close(r);
	printf("%lu %lu %lu %lu %lu\n", c.same, c.only_bb, c.only_objdump, c.branches, c.wrong);
	return got < 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "time"))
		return time_both(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "compare"))
		return compare(argv[2]);
	return 2;
}
