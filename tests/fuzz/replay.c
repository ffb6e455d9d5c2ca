/*
 * replay.c: the main of a fuzz target without libFuzzer: runs it on every file of the folders named
 * and, N times each, on what random changes make of them: flipped bits, lost, doubled and foreign
 * bytes. The same every time.
 *
 *	TARGET [-n N] FOLDER...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct buf *files;
static size_t nfiles, cap;

static void read_file(const char *path)
{
	struct buf b = {0};
	char part[4096];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_put(&b, part, n);
	fclose(f);
	files = mem_grow(files, &cap, nfiles + 1, sizeof(*files));
	files[nfiles++] = b;
}

static void read_folder(const char *folder)
{
	struct dirent **e;
	int n = scandir(folder, &e, NULL, alphasort);

	if (n < 0) {
		perror(folder);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		struct buf path = {0};

		buf_printf(&path, "%s/%s", folder, e[i]->d_name);
		if (e[i]->d_name[0] != '.')
			read_file(buf_text(&path));
		buf_free(&path);
		free(e[i]);
	}
	free(e);
}

/* One random change. */
static void change(struct buf *b, struct rng *r)
{
	const struct buf *other = &files[rng_below(r, nfiles)];
	size_t at = rng_below(r, b->n + 1), n = rng_below(r, 9), from = rng_below(r, other->n + 1);

	n = MIN(n, b->n - at);
	switch (rng_below(r, 6)) {
	case 0:
		if (at < b->n)
			b->p[at] ^= (uint8_t)(1 << rng_below(r, 8));
		break;
	case 1:
		if (at < b->n)
			b->p[at] = (uint8_t)rng_u32(r);
		break;
	case 2: /* lost */
		if (n)
			memmove(b->p + at, b->p + at + n, b->n - at - n);
		b->n -= n;
		break;
	case 3: /* doubled */
		if (n) {
			buf_reserve(b, n);
			memmove(b->p + at + n, b->p + at, b->n - at);
			b->n += n;
		}
		break;
	case 4: b->n = at; break;
	case 5: /* the end of another */
		b->n = at;
		buf_put(b, other->p + from, other->n - from);
		break;
	}
}

int main(int argc, char **argv)
{
	unsigned long runs = 300;
	struct buf b = {0};
	int at = 1;

	if (argc > 2 && !strcmp(argv[1], "-n")) {
		runs = strtoul(argv[2], NULL, 10);
		at = 3;
	}
	for (; at < argc; at++)
		read_folder(argv[at]);
	if (!nfiles) {
		fprintf(stderr, "no files: %s [-n N] FOLDER...\n", argv[0]);
		return 1;
	}
	for (size_t i = 0; i < nfiles; i++) {
		struct rng r = rng_new(41, i);

		for (unsigned long k = 0; k <= runs; k++) {
			uint8_t *copy;

			buf_reset(&b);
			buf_put(&b, files[i].p, files[i].n);
			for (uint64_t c = k ? 1 + rng_below(&r, 4) : 0; c; c--)
				change(&b, &r);
			copy = mem_alloc(b.n, 1); /* so that a read past its end is seen */
			if (b.n)
				memcpy(copy, b.p, b.n);
			LLVMFuzzerTestOneInput(copy, b.n);
			mem_free(copy);
		}
	}
	printf("%zu files, %lu changes of each\n", nfiles, runs);
	for (size_t i = 0; i < nfiles; i++)
		buf_free(&files[i]);
	mem_free(files);
	buf_free(&b);
	return 0;
}
