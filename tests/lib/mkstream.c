/*
 * mkstream.c: streams of random valid records, for tests.
 *
 *	mkstream KIND N [SEED [MEMBERS]]
 *
 * writes MEMBERS (1) members of N records each to stdout, the same for the same arguments.
 * mkstream -k lists the kinds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "formats/kinds.h"
#include "stream/stream.h"

static int member(struct stream_writer *w, const struct kind *k, unsigned long n, uint64_t seed)
{
	const char *option = "sample";
	const struct provenance step = {"mkstream", BB_VERSION, {&option, 1}};
	void *rec = mem_alloc(1, k->fields->size);
	struct arena a = {0};
	int r = stream_begin(w, k, NULL, &step);

	for (unsigned long i = 0; i < n && r == 0; i++) {
		struct rng rng = rng_new(seed, i);

		arena_reset(&a);
		k->sample(rec, &a, &rng);
		r = stream_write(w, k, rec);
	}
	mem_free(rec);
	arena_free(&a);
	return r < 0 ? -1 : stream_end(w, 0, NULL, 0);
}

int main(int argc, char **argv)
{
	struct stream_writer *w;
	const struct kind *k;
	unsigned long n, members;
	uint64_t seed;

	if (argc == 2 && !strcmp(argv[1], "-k")) {
		for (size_t i = 0; kinds_all[i]; i++)
			puts(kinds_all[i]->name);
		return 0;
	}
	if (argc < 3 || argc > 5 || !(k = kinds_find(argv[1]))) {
		fprintf(stderr, "usage: mkstream KIND N [SEED [MEMBERS]]\n");
		return 2;
	}
	n = strtoul(argv[2], NULL, 10);
	seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	members = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
	w = stream_create(STDOUT_FILENO);
	for (unsigned long i = 0; i < members; i++) {
		if (member(w, k, n, seed + i) < 0) {
			fprintf(stderr, "mkstream: %s\n", stream_write_error(w));
			return 1;
		}
	}
	stream_free(w);
	return 0;
}
