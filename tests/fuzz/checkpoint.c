/*
 * checkpoint.c: any bytes as the optimizer.safetensors of a training that is to go on. A state that
 * is accepted must be there whole, and a refused one must say why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "nn/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/bb-fuzz-XXXXXX";
static char path[64];
static struct nn *nn;
static struct model *m;
static struct optim o;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void remove_folder(void)
{
	unlink(path);
	rmdir(folder);
}

static void start(void)
{
	static const struct model_config c = {.vocab = 6,
		.hidden = 2,
		.layers = 1,
		.heads = 1,
		.intermediate = 2,
		.max_len = 8,
		.types = 2,
		.norm_eps = 1e-12f,
		.init_range = 0.02f,
		.head = MODEL_BARE};

	nn = nn_cpu_open(1);
	m = model_new(nn, &c);
	o = optim_new(m, 1);
	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/optimizer.safetensors", folder);
	atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = {""};
	char *state = NULL;
	FILE *f;
	int got;

	if (!nn)
		start();
	f = fopen(path, "wb");
	must(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
	got = checkpoint_read_state(folder, &state, &e);
	must(got == 1 || (got == -1 && e.text[0]));
	if (got == 1) {
		must(state != NULL);
		mem_free(state);
		e.text[0] = '\0';
		must(checkpoint_load_state(folder, m, &o, &e) == 0 || e.text[0]);
	}
	return 0;
}
