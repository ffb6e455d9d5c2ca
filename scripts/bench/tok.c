/*
 * tok.c: times bb's WordPiece on a text, one sequence a line; scripts/bench/tok compiles and runs
 * it. Prints CPU seconds of the fastest of `rounds` passes over the whole file, and writes the
 *token numbers of a pass as 32-bit integers, 0 (the number of [PAD]) behind each line.
 *
 *	tok VOCAB TEXT IDS ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "text/wordpiece.h"

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

int main(int argc, char **argv)
{
	static const uint32_t pad = WORDPIECE_PAD;
	struct buf text = {0}, all = {0};
	struct wordpiece_ids ids = {0};
	struct wordpiece *w;
	double best = 1e9;
	struct err e;
	FILE *out;

	if (argc != 5)
		return 2;
	w = wordpiece_open(argv[1], &e);
	if (!w) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	read_all(&text, argv[2]);
	for (int round = atoi(argv[4]); round > 0; round--) {
		struct wordpiece_memo memo = {0};
		const char *p = (char *)text.p, *end = p + text.n, *nl;
		double start = now();

		buf_reset(&all);
		for (; p < end; p = nl + 1) {
			nl = memchr(p, '\n', (size_t)(end - p));
			if (!nl)
				break;
			ids.n = 0;
			wordpiece_encode(w, &memo, p, (size_t)(nl - p), &ids);
			buf_put(&all, ids.p, ids.n * sizeof(*ids.p));
			buf_put(&all, &pad, sizeof(pad));
		}
		best = now() - start < best ? now() - start : best;
		wordpiece_memo_free(&memo);
	}
	printf("%.6f\n", best);
	out = fopen(argv[3], "w");
	if (!out || fwrite(all.p, 1, all.n, out) != all.n || fclose(out)) {
		perror(argv[3]);
		return 1;
	}
	mem_free(ids.p);
	buf_free(&all);
	buf_free(&text);
	wordpiece_free(w);
	return 0;
}
