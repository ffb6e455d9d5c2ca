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

/* What a device spends its time on. */
enum nn_time {
	NN_TIME_WAIT,        /* for the host, and what stands nowhere below */
	NN_TIME_PRODUCT,     /* products that results and gradients of activations are made of */
	NN_TIME_WGRAD,       /* products that gradients of weights are made of */
	NN_TIME_ATTEND,      /* attention, forward */
	NN_TIME_ATTEND_BACK, /* and backward */
	NN_TIME_CELL,        /* steps of an LSTM, both ways, without their products */
	NN_TIME_NORM,        /* normalisation, both ways, and the embedding layer's sums */
	NN_TIME_ELEMENT,     /* activation functions, biases, conversions */
	NN_TIME_SUM,         /* sums over rows: gradients of biases, gains and tables */
	NN_TIME_ROWS,        /* gather, scatter, pool */
	NN_TIME_LOSS,        /* softmax and cross entropy */
	NN_TIME_OPTIM,       /* AdamW, the norm of the gradient, weights made ready */
	NN_TIME_COPY,        /* to and from the host, zeroes */
	NN_TIMES
};

/* Added to whenever the host waits for a result. */
struct nn_times {
	double seconds[NN_TIMES];
	uint64_t count[NN_TIMES]; /* stretches of time */
	uint64_t plain;           /* products that cuBLASLt did not take: slow ones */
};

struct nn_request {
	bool fp32; /* products of fp32 numbers instead of bf16 ones */
	/*
	 * Called with the reason when the device cannot go on, in the middle of an operation; must
	 * not return. memory: it has too little, and a smaller batch would need less.
	 */
	void (*fail)(void *ctx, bool memory, const char *why);
	void *ctx;
	/* NULL, or where to count the device's time by what it does: costs some. Yours. */
	struct nn_times *times;
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
