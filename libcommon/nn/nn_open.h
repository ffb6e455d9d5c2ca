/*
 * nn_open.h: the CUDA backend, which a program opens while it runs.
 *
 * It is a shared object, ../lib/bb/nn_cuda.so beside the program's folder, that is looked for only
 * when it is asked for: where it, the CUDA libraries or a device are missing, the same program runs
 * on the CPU.
 */
#ifndef NN_OPEN_H
#define NN_OPEN_H

#include "nn/nn.h"

struct nn_request {
	bool fp32; /* products of fp32 numbers instead of bf16 ones */
	/*
	 * Called with the reason when the device cannot go on, in the middle of an operation; must
	 * not return. memory: it has too little, and a smaller batch would need less.
	 */
	void (*fail)(void *ctx, bool memory, const char *why);
	void *ctx;
};

/*
 * What --device asks for, "cpu", "cuda" or "auto" (cuda if there is one): 0, *nn, NULL for the CPU,
 * and in `said` what was chosen where that was not asked for, or nothing. -1 and the reason if it
 * is not to be had.
 */
int nn_open_device(const char *device, const struct nn_request *q, struct nn **nn,
	struct err *said) MUST_CHECK;

/*
 * Opens the first CUDA device, to be closed with nn->op->close. NULL and the reason if there is
 * none, or its driver, its libraries or the shared object are not there.
 */
struct nn *nn_open_cuda(const struct nn_request *q, struct err *e);

/* What the shared object does for it: the one symbol it shows. */
struct nn *nn_cuda_open(const struct nn_request *q, struct err *e);

#endif
