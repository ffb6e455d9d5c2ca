/* nn_open.c: the CUDA backend from its shared object; see nn_open.h. */
#include "nn/nn_open.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

/* DIR/bin/program is running: DIR/lib/bb/nn_cuda.so. */
static int find_library(struct buf *b, struct err *e)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *end;

	if (n < 0)
		return err_set(e, "cannot tell where the program is");
	self[n] = '\0';
	for (int i = 0; i < 2; i++) {
		end = strrchr(self, '/');
		if (end)
			*end = '\0';
	}
	buf_printf(b, "%s/lib/bb/nn_cuda.so", self);
	return 0;
}

struct nn *nn_open_cuda(const struct nn_request *q, struct err *e)
{
	struct nn *(*open)(const struct nn_request *, struct err *);
	struct nn *nn = NULL;
	struct buf path = {0};
	void *library;

	if (find_library(&path, e) < 0)
		return NULL;
	if (access(buf_text(&path), F_OK) < 0) {
		(void)err_set(e, "this bb was built without it (no %s)", buf_text(&path));
		buf_free(&path);
		return NULL;
	}
	library = dlopen(buf_text(&path), RTLD_NOW | RTLD_LOCAL);
	buf_free(&path);
	if (!library) {
		(void)err_set(e, "%s", dlerror());
		return NULL;
	}
	*(void **)&open = dlsym(library, "nn_cuda_open");
	if (open) /* it stays whatever comes of it: CUDA's threads may run in it */
		nn = open(q, e);
	else
		(void)err_set(e, "%s", dlerror());
	return nn;
}

int nn_open_device(const char *device, const struct nn_request *q, struct nn **nn, struct err *said)
{
	bool is_auto = strcmp(device, "auto") == 0;
	struct err e;

	*nn = NULL;
	said->text[0] = '\0';
	if (!is_auto && strcmp(device, "cuda") != 0)
		return 0;
	*nn = nn_open_cuda(q, &e);
	if (!*nn && !is_auto)
		return err_set(said, "--device cuda: %s", e.text);
	if (!*nn)
		(void)err_set(said, "device: cpu (no cuda: %s)", e.text);
	else if (is_auto)
		(void)err_set(said, "device: %s", (*nn)->about);
	return 0;
}
