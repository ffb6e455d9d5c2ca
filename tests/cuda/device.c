/*
 * device.c: runs kernels on the host; see device.h.
 *
 * One idea: a thread of a block is a coroutine with a small stack of its own. The blocks run one
 * after another. Within a block the warps take turns, and the lanes of a warp; a thread runs until
 * it waits at a barrier or ends. What CUDA leaves undefined is an error here: threads of a block at
 * different barriers, or at one while others have ended; shared memory beyond what was asked for.
 */
#include "tests/cuda/device.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#define SAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SAN 1
#endif
#endif
#ifdef SAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { THREADS = 1024, STACK = 64 << 10, SHARED_MAX = 99 << 10 };

enum state { READY, AT_WARP, AT_BLOCK, ENDED };

static struct {
	jmp_buf at[THREADS]; /* where each thread stopped */
	enum state state[THREADS];
	char *stack[THREADS];
	uint32_t slot[THREADS]; /* of shuffles */
	jmp_buf scheduler;
	void *scheduler_fake; /* AddressSanitizer's */
	const void *scheduler_stack;
	size_t scheduler_size;
	unsigned now;
	void (*thread)(const void *args);
	const void *args;
	uint64_t turn; /* decides the order of threads */
} d;

struct device_index device_thread, device_block, device_block_size;
float *device_shared;

static _Noreturn void die(const char *why)
{
	fprintf(stderr, "device: block %u,%u, thread %u: %s\n", device_block.x, device_block.y,
		device_thread.x, why);
	abort();
}

/* Before and after leaving one stack for another, AddressSanitizer wants to know. */
static void leave(void **fake, const void *stack, size_t size)
{
#ifdef SAN
	__sanitizer_start_switch_fiber(fake, stack, size);
#else
	(void)fake, (void)stack, (void)size;
#endif
}

static void arrive(void *fake, const void **stack, size_t *size)
{
#ifdef SAN
	__sanitizer_finish_switch_fiber(fake, stack, size);
#else
	(void)fake, (void)stack, (void)size;
#endif
}

/* A thread slot's whole life: one thread after another; it never returns. */
static void live(void)
{
	void *fake = NULL;
	unsigned i = d.now;

	arrive(NULL, &d.scheduler_stack, &d.scheduler_size);
	for (;;) {
		d.thread(d.args);
		d.state[i] = ENDED;
		leave(&fake, d.scheduler_stack, d.scheduler_size);
		if (_setjmp(d.at[i]) == 0)
			_longjmp(d.scheduler, 1);
		arrive(fake, &d.scheduler_stack, &d.scheduler_size);
	}
}

static void start(unsigned i)
{
	static ucontext_t c; /* not in this frame, which is never left */

	getcontext(&c);
	c.uc_stack.ss_sp = d.stack[i];
	c.uc_stack.ss_size = STACK;
	c.uc_link = NULL;
	makecontext(&c, live, 0);
	setcontext(&c);
}

/* Runs thread i until it waits or ends. */
static void resume(unsigned i)
{
	bool is_new = !d.stack[i];

	d.now = i;
	device_thread.x = i;
	if (is_new)
		d.stack[i] = malloc(STACK);
	leave(&d.scheduler_fake, d.stack[i], STACK);
	if (_setjmp(d.scheduler) == 0) {
		if (is_new)
			start(i);
		_longjmp(d.at[i], 1);
	}
	arrive(d.scheduler_fake, NULL, NULL);
}

static void wait(enum state s)
{
	unsigned i = d.now;
	void *fake = NULL;

	d.state[i] = s;
	leave(&fake, d.scheduler_stack, d.scheduler_size);
	if (_setjmp(d.at[i]) == 0)
		_longjmp(d.scheduler, 1);
	arrive(fake, &d.scheduler_stack, &d.scheduler_size);
}

void device_wait_block(void)
{
	wait(AT_BLOCK);
}

void device_wait_warp(void)
{
	wait(AT_WARP);
}

uint32_t device_shuffle(uint32_t v, unsigned lane)
{
	unsigned warp = device_thread.x / 32 * 32;
	uint32_t r;

	d.slot[device_thread.x] = v;
	wait(AT_WARP);
	r = d.slot[warp + lane];
	wait(AT_WARP);
	return r;
}

/* ---- tensor cores, by the layouts of the PTX manual ---- */

static struct {
	uint32_t a[4], b[2];
} factor[THREADS];

static const uint16_t *row_of[THREADS];

static float half_of(uint32_t pair, unsigned second)
{
	return __uint_as_float(second ? pair & 0xffff0000u : pair << 16);
}

/*
 * Of a[16,16] a lane holds the rows g = lane/4 and g + 8, the columns 2t and 2t + 1, t = lane%4,
 * and those 8 further: words (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8). Of b[16,8] the
 * rows 2t, 2t + 1 and those 8 further of column g.
 */
void device_multiply(float sum[4], const uint32_t a[4], const uint32_t b[2])
{
	unsigned lane = device_thread.x % 32, warp = device_thread.x - lane;

	memcpy(factor[device_thread.x].a, a, sizeof(factor->a));
	memcpy(factor[device_thread.x].b, b, sizeof(factor->b));
	wait(AT_WARP);
	for (unsigned i = 0; i < 4; i++) {
		unsigned row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;

		for (unsigned k = 0; k < 16; k++) {
			unsigned la = warp + row % 8 * 4 + k % 8 / 2,
				 lb = warp + col * 4 + k % 8 / 2;

			sum[i] += half_of(factor[la].a[row / 8 + k / 8 * 2], k % 2) *
				  half_of(factor[lb].b[k / 8], k % 2);
		}
	}
	wait(AT_WARP);
}

void device_load_matrices(uint32_t to[4], const uint16_t *row, int turned)
{
	unsigned lane = device_thread.x % 32, warp = device_thread.x - lane;

	device_aligned(row);
	row_of[device_thread.x] = row;
	wait(AT_WARP);
	for (unsigned m = 0; m < 4; m++) {
		const uint16_t *const *r = row_of + warp + m * 8;
		unsigned i = lane / 4, k = lane % 4 * 2;

		to[m] = turned ? (uint32_t)r[k][i] | (uint32_t)r[k + 1][i] << 16
			       : (uint32_t)r[i][k] | (uint32_t)r[i][k + 1] << 16;
	}
	wait(AT_WARP);
}

void device_aligned(const void *p)
{
	if ((uintptr_t)p % 16)
		die("an access of 16 bytes that is not aligned");
}

/* Runs a warp until all of its threads are at a barrier of the block or have ended. */
static enum state run_warp(unsigned from, unsigned to)
{
	for (;;) {
		enum state s;

		for (unsigned k = 0; k < to - from; k++) {
			unsigned i = from + (unsigned)((k + d.turn) % (to - from));

			if (d.turn & 1)
				i = from + to - 1 - i;
			if (d.state[i] == READY)
				resume(i);
		}
		s = d.state[from];
		for (unsigned i = from + 1; i < to; i++)
			if (d.state[i] != s)
				die("the threads of a warp wait for different things");
		if (s != AT_WARP)
			return s;
		for (unsigned i = from; i < to; i++)
			d.state[i] = READY;
	}
}

static void run_block(unsigned threads)
{
	unsigned warps = (threads + 31) / 32;
	enum state all = READY;

	while (all != ENDED) {
		memset(d.state, 0, threads * sizeof(*d.state)); /* READY */
		for (unsigned k = 0; k < warps; k++) {
			unsigned w = (unsigned)((k + d.turn) % warps), end = w * 32 + 32;
			enum state s = run_warp(w * 32, end < threads ? end : threads);

			if (k && s != all)
				die("some threads of a block ended and some wait for them");
			all = s;
		}
	}
}

struct launch {
	void (*thread)(const void *args);
	size_t x, y, threads, bytes;
	max_align_t args[]; /* of the kernel */
};

static void run_launch(const void *p)
{
	const struct launch *l = p;
	size_t bytes = l->bytes;

	d.thread = l->thread;
	d.args = l->args;
	device_block_size.x = (unsigned)l->threads;
	device_shared = bytes ? malloc(bytes) : NULL;
	for (size_t j = 0; j < l->y; j++) {
		for (size_t i = 0; i < l->x; i++) {
			device_block = (struct device_index){(unsigned)i, (unsigned)j};
			d.turn = d.turn * 6364136223846793005u + 1442695040888963407u;
			d.turn ^= d.turn >> 33;
			if (bytes)
				memset(device_shared, 0xff, bytes); /* NaN */
			run_block((unsigned)l->threads);
		}
	}
	free(device_shared);
}

void device_launch(void (*thread)(const void *args), const void *args, size_t size, size_t x,
	size_t y, size_t threads, size_t bytes)
{
	struct launch *l = malloc(sizeof(*l) + size);

	if (!x || !y || !threads || threads > THREADS || threads % 32 || bytes > SHARED_MAX ||
		x > 0x7fffffff || y > 65535 || size > 4096)
		die("a grid that no device would take");
	*l = (struct launch){thread, x, y, threads, bytes};
	memcpy(l->args, args, size);
	device_later(run_launch, l, sizeof(*l) + size);
	free(l);
}
