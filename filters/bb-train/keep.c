/*
 * keep.c: with --keep N, the models of the last N checkpoints and of the best one stay, as folders
 * checkpoint-STEP in the model folder that every program takes for a model.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "filters/bb-train/run.h"

static const char prefix[] = "checkpoint-";

/* The step of a folder's name; 0: it is none of ours. */
static uint64_t step_of(const char *name)
{
	size_t n = sizeof(prefix) - 1;
	char *end;
	uint64_t step;

	if (strncmp(name, prefix, n) != 0 || name[n] < '1' || name[n] > '9')
		return 0;
	errno = 0;
	step = strtoull(name + n, &end, 10);
	return *end || errno ? 0 : step;
}

static const char *folder_of(const struct run *r, struct buf *b, uint64_t step)
{
	buf_reset(b);
	buf_printf(b, "%s/%s%llu", r->o->folder, prefix, (unsigned long long)step);
	return buf_text(b);
}

/* Removes the folder with what bb-train put there; with anything else in it, it stays. */
static void remove_folder(const struct run *r, uint64_t step)
{
	static const char *const files[] = {"config.json", "model.safetensors", "vocab.txt",
		"tokenizer.json", "tokenizer_config.json"};
	struct buf folder = {0}, path = {0};

	folder_of(r, &folder, step);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		buf_reset(&path);
		buf_printf(&path, "%s/%s", buf_text(&folder), files[i]);
		(void)unlink(buf_text(&path));
	}
	(void)rmdir(buf_text(&folder));
	buf_free(&folder);
	buf_free(&path);
}

static int descending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* All that are not among the last --keep, nor the best. */
static void remove_old(const struct run *r)
{
	uint64_t *step = NULL;
	size_t n = 0, cap = 0;
	struct dirent *d;
	DIR *dir = opendir(r->o->folder);

	while (dir && (d = readdir(dir))) {
		uint64_t s = step_of(d->d_name);

		if (!s)
			continue;
		step = mem_grow(step, &cap, n + 1, sizeof(*step));
		step[n++] = s;
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(step, n, sizeof(*step), descending);
	for (size_t i = r->o->keep; i < n; i++)
		if (step[i] != r->best_step)
			remove_folder(r, step[i]);
	mem_free(step);
}

void keep_checkpoint(struct run *r)
{
	struct buf b = {0};
	struct err e;

	if (!r->o->keep || !r->at.step)
		return;
	folder_of(r, &b, r->at.step);
	if (checkpoint_save(buf_text(&b), r->m, run_bf16(r), &e) < 0 ||
		wordpiece_save(r->words, buf_text(&b), &e) < 0)
		prog_fail(r->p, "%s", e.text);
	buf_free(&b);
	remove_old(r);
}
