/*
 * safetensors.c: any bytes as a model folder: up to the first 0 byte its config.json, behind it its
 * model.safetensors. What is accepted must be finite, and be the same when written and read again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "nn/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FLOATS_MAX = 1 << 22 };

static char folder[] = "/tmp/bb-fuzz-XXXXXX";
static struct nn *nn;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static const char *in(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void remove_folder(void)
{
	unlink(in("config.json"));
	unlink(in("model.safetensors"));
	rmdir(folder);
}

static void put(const char *name, const uint8_t *p, size_t n)
{
	FILE *f = fopen(in(name), "wb");

	must(f && fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

static float *values(const struct model *m)
{
	float *v = mem_alloc(m->nparam, sizeof(*v));

	m->nn->op->get(m->nn, v, m->param, m->nparam);
	return v;
}

/* An accepted config is the same when it was written and read. */
static void check_again(struct model *m)
{
	struct model *again;
	float *v = values(m), *w;
	struct err e;

	for (size_t i = 0; i < m->nparam; i++)
		must(isfinite(v[i]));
	must(checkpoint_save(folder, m, false, &e) == 0);
	again = checkpoint_load(folder, nn, 1, NULL, &e);
	must(again && memcmp(&again->config, &m->config, sizeof(m->config)) == 0);
	w = values(again);
	must(memcmp(v, w, m->nparam * sizeof(*v)) == 0);
	for (uint32_t i = 0; m->class && i < m->config.classes; i++)
		must(strcmp(m->class[i], again -> class[i]) == 0);
	mem_free(v);
	mem_free(w);
	model_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = memchr(data, 0, n);
	size_t config = end ? (size_t)(end - data) : n;
	struct err e = {""};
	struct model *m;

	if (!nn) {
		nn = nn_cpu_open(1);
		must(mkdtemp(folder) != NULL);
		atexit(remove_folder);
	}
	put("config.json", data, config);
	put("model.safetensors", end ? end + 1 : data, end ? n - config - 1 : 0);
	m = checkpoint_load(folder, nn, 1, NULL, &e);
	if (!m) {
		must(e.text[0]);
		return 0;
	}
	if (m->nparam < FLOATS_MAX)
		check_again(m);
	model_free(m);
	return 0;
}
