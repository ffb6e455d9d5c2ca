/*
 * disasm.c: times bb's analysis of a file (functions, instructions, graph, references; no records,
 * no compression) against capstone with detail on the same bytes; scripts/bench/disasm compiles
 * and runs it. Prints instructions, CPU seconds of bb and of capstone, each the fastest of ROUNDS.
 *
 *	disasm FILE ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "code/body.h"

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

int main(int argc, char **argv)
{
	double bb = 1e9, cs = 1e9;
	struct buf file = {0};
	struct insn_decoder *d;
	struct image *im;
	size_t insns = 0;
	struct err e;

	if (argc != 3)
		return 2;
	read_all(&file, argv[1]);
	d = insn_open(ARCH_X86_64);
	im = image_new(file.p, file.n, 0, &(struct survey_crew){&d, NULL}, &e);
	if (!im) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (int round = atoi(argv[2]); round > 0; round--) {
		double a = analyse(&file, &insns), b = capstone(im);

		bb = MIN(bb, a);
		cs = MIN(cs, b);
	}
	printf("%zu %.4f %.4f\n", insns, bb, cs);
	image_free(im);
	insn_close(d);
	buf_free(&file);
	return 0;
}
