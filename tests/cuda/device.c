/*
 * device.c: runs kernels on the host; see device.h.
 *
 * One idea: a thread of a block is a coroutine with a small stack of its own. The blocks run one
 * after another, in any order. Within a block the warps take turns, and the lanes of a warp; a
 * thread runs until it waits at a barrier or ends. What CUDA leaves undefined is an error here:
 * threads of a block at different barriers, or at one while others have ended; lanes of a warp that
 * wait for others which do not come; an instruction of the whole warp that lanes meet at different
 * places.
 */
#include "tests/cuda/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "tests/cuda/watch.h"

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

enum { COPIES = 128, THREADS = 1024, STACK = 64 << 10, SHARED_MAX = 99 << 10 };

enum state { READY, AT_WARP, AT_BLOCK, ENDED };

/* What a thread waits for, and where in the kernel: for what all of a warp must meet there. */
struct wish {
	enum kind { BARRIER, SYNC, SHUFFLE, MULTIPLY, LOAD } kind;
	uint32_t lanes;
	const void *place;
};

static struct {
	jmp_buf at[THREADS]; /* where each thread stopped */
	enum state state[THREADS];
	struct wish wish[THREADS];
	char *stack[THREADS];
	uint32_t slot[THREADS]; /* of shuffles */
	jmp_buf scheduler;
	void *scheduler_fake; /* AddressSanitizer's */
	const void *scheduler_stack;
	size_t scheduler_size;
	unsigned now;
	const char *name;
	void (*thread)(const void *args);
	const void *args;
	uint64_t turn; /* decides the order of threads and blocks */
} d;

struct device device_now;

_Noreturn void device_die(const char *fmt, ...)
{
	va_list ap;

	if (d.name)
		fprintf(stderr, "device: %s, block %u,%u, thread %u: ", d.name, device_now.block.x,
			device_now.block.y, device_now.thread.x);
	else
		fprintf(stderr, "device: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
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

/*
 * Copies that a thread has begun: they come when it waits for them and no sooner, and until then
 * there is nothing of use where they go.
 */
static struct {
	struct copy {
		void *to;
		const void *from;
	} copy[COPIES];
	unsigned n;
} begun[THREADS];

/* A thread slot's whole life: one thread after another; it never returns. */
static void live(void)
{
	void *fake = NULL;
	unsigned i = d.now;

	arrive(NULL, &d.scheduler_stack, &d.scheduler_size);
	for (;;) {
		d.thread(d.args);
		if (begun[i].n)
			device_die("it ends before its copies have come");
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
	device_now.thread.x = i;
	if (is_new)
		d.stack[i] = malloc(STACK);
	watch_thread(i, d.stack[i], STACK);
	leave(&d.scheduler_fake, d.stack[i], STACK);
	if (_setjmp(d.scheduler) == 0) {
		if (is_new)
			start(i);
		_longjmp(d.at[i], 1);
	}
	arrive(d.scheduler_fake, NULL, NULL);
	watch_nobody();
}

static void wait(enum state s, enum kind kind, uint32_t lanes, const void *place)
{
	unsigned i = d.now;
	void *fake = NULL;

	if (!(lanes >> i % 32 & 1))
		device_die("a lane waits for lanes that it is not one of");
	d.state[i] = s;
	d.wish[i] = (struct wish){kind, lanes, place};
	leave(&fake, d.scheduler_stack, d.scheduler_size);
	if (_setjmp(d.at[i]) == 0)
		_longjmp(d.scheduler, 1);
	arrive(fake, &d.scheduler_stack, &d.scheduler_size);
}

/* Where the function was called that this is in. */
#define PLACE __builtin_return_address(0)
#define ALL   0xffffffffu

void device_wait_block(void)
{
	wait(AT_BLOCK, BARRIER, ALL, PLACE);
}

void device_wait_warp(uint32_t lanes)
{
	wait(AT_WARP, SYNC, lanes, NULL);
}

uint32_t device_shuffle(uint32_t lanes, uint32_t v, unsigned lane)
{
	unsigned warp = device_now.thread.x / 32 * 32;
	uint32_t r;

	d.slot[device_now.thread.x] = v;
	wait(AT_WARP, SHUFFLE, lanes, NULL);
	if (!(lanes >> lane & 1))
		device_die("a lane asks lane %u, which it does not wait for", lane);
	r = d.slot[warp + lane];
	wait(AT_WARP, SHUFFLE, lanes, NULL);
	return r;
}

/* ---- tensor cores, by the layouts of the PTX manual ---- */

static struct {
	uint32_t a[4], b[2];
} factor[THREADS];

static const uint16_t *row_of[THREADS];

static void aligned(const void *p)
{
	if ((uintptr_t)p % 16)
		device_die("an access of 16 bytes that is not aligned");
}

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
	unsigned lane = device_now.thread.x % 32, warp = device_now.thread.x - lane;

	memcpy(factor[device_now.thread.x].a, a, sizeof(factor->a));
	memcpy(factor[device_now.thread.x].b, b, sizeof(factor->b));
	wait(AT_WARP, MULTIPLY, ALL, PLACE);
	for (unsigned i = 0; i < 4; i++) {
		unsigned row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;

		for (unsigned k = 0; k < 16; k++) {
			unsigned la = warp + row % 8 * 4 + k % 8 / 2,
				 lb = warp + col * 4 + k % 8 / 2;

			sum[i] += half_of(factor[la].a[row / 8 + k / 8 * 2], k % 2) *
				  half_of(factor[lb].b[k / 8], k % 2);
		}
	}
	wait(AT_WARP, MULTIPLY, ALL, PLACE);
}

void device_load_matrices(uint32_t to[4], const uint16_t *row, int turned)
{
	unsigned lane = device_now.thread.x % 32, warp = device_now.thread.x - lane;

	aligned(row);
	watch_access(row, 16, false);
	row_of[device_now.thread.x] = row;
	wait(AT_WARP, LOAD, ALL, PLACE);
	for (unsigned m = 0; m < 4; m++) {
		const uint16_t *const *r = row_of + warp + m * 8;
		unsigned i = lane / 4, k = lane % 4 * 2;

		to[m] = turned ? (uint32_t)r[k][i] | (uint32_t)r[k + 1][i] << 16
			       : (uint32_t)r[i][k] | (uint32_t)r[i][k + 1] << 16;
	}
	wait(AT_WARP, LOAD, ALL, PLACE);
}

void load_16(const void *p, uint32_t w[4])
{
	aligned(p);
	watch_access(p, 16, false);
	memcpy(w, p, 16);
}

void store_16(void *p, const uint32_t w[4])
{
	aligned(p);
	watch_access(p, 16, true);
	memcpy(p, w, 16);
}

void copy_16(void *shared, const void *p)
{
	unsigned i = device_now.thread.x;

	aligned(shared);
	aligned(p);
	if (begun[i].n == COPIES)
		device_die("more than %d copies at once", COPIES);
	watch_access(p, 16, false);
	watch_access(shared, 16, true);
	memset(shared, 0xff, 16);
	begun[i].copy[begun[i].n++] = (struct copy){shared, p};
}

void copies_done(void)
{
	unsigned i = device_now.thread.x;

	while (begun[i].n) {
		struct copy *c = &begun[i].copy[--begun[i].n];

		watch_access(c->from, 16, false);
		watch_access(c->to, 16, true);
		memcpy(c->to, c->from, 16);
	}
}

/* ---- warps and blocks ---- */

/* Thread j has come where thread i waits for it. */
static bool joins(unsigned i, unsigned j)
{
	const struct wish *x = &d.wish[i], *y = &d.wish[j];

	return d.state[j] == d.state[i] && y->kind == x->kind && y->lanes == x->lanes &&
	       y->place == x->place;
}

/* All that thread i waits for have come. */
static bool complete(unsigned i)
{
	unsigned from = i / 32 * 32;

	for (unsigned j = from; j < from + 32; j++)
		if ((d.wish[i].lanes >> j % 32 & 1) && !joins(i, j))
			return false;
	return true;
}

/* Lets those lanes go on whose like have come; false if there are none. */
static bool release(unsigned from)
{
	bool any = false;

	for (unsigned i = from; i < from + 32; i++) {
		if (d.state[i] != AT_WARP || !complete(i))
			continue;
		if (d.wish[i].kind == SYNC && d.wish[i].lanes == ALL)
			watch_warp_met(from / 32);
		for (unsigned j = 31; j < 32; j--)
			if (d.wish[i].lanes >> j & 1)
				d.state[from + j] = READY;
		any = true;
	}
	return any;
}

static _Noreturn void stuck(unsigned i)
{
	static const char *const what[] = {"__syncthreads", "__syncwarp", "a shuffle",
		"a tensor-core product", "a load of matrices"};
	unsigned j = i / 32 * 32;

	while (!(d.wish[i].lanes >> j % 32 & 1) || joins(i, j))
		j++;
	device_now.thread.x = i;
	if (d.state[j] == ENDED)
		device_die("%s waits for thread %u, which has ended", what[d.wish[i].kind], j);
	if (d.state[j] == d.state[i] && d.wish[j].kind == d.wish[i].kind)
		device_die(
			"%s waits for thread %u, which is at another one", what[d.wish[i].kind], j);
	device_die("%s waits for thread %u, which is at %s", what[d.wish[i].kind], j,
		what[d.wish[j].kind]);
}

/* Runs a warp until all of its threads are at a barrier of the block or have ended. */
static enum state run_warp(unsigned from)
{
	do {
		for (unsigned k = 0; k < 32; k++) {
			unsigned i = from + (unsigned)((k + d.turn) % 32);

			if (d.turn & 32)
				i = from + from + 31 - i;
			if (d.state[i] == READY)
				resume(i);
		}
	} while (release(from));
	for (unsigned i = from; i < from + 32; i++)
		if (d.state[i] == AT_WARP || (d.state[i] == AT_BLOCK && !complete(i)))
			stuck(i);
	return d.state[from];
}

static void run_block(unsigned threads)
{
	unsigned warps = threads / 32;
	enum state all = READY;

	while (all != ENDED) {
		memset(d.state, 0, threads * sizeof(*d.state)); /* READY */
		for (unsigned k = 0; k < warps; k++) {
			unsigned i = (unsigned)((k + d.turn) % warps) * 32;
			enum state s = run_warp(i);

			if (k && s != all)
				device_die("some threads of a block ended and some wait for them");
			all = s;
		}
		watch_met();
	}
}

/* A number with no factor in common with n, for an order of 0 to n. */
static size_t stride(size_t n)
{
	size_t s = (size_t)(d.turn >> 7) % n | 1, a = s, b = n;

	while (b) {
		size_t r = a % b;

		a = b;
		b = r;
	}
	return a == 1 ? s : 1;
}

static void next_turn(void)
{
	d.turn = d.turn * 6364136223846793005u + 1442695040888963407u;
	d.turn ^= d.turn >> 33;
}

struct launch {
	const char *name;
	void (*thread)(const void *args);
	size_t x, y, threads, bytes, size;
	max_align_t args[]; /* of the kernel */
};

static void run_launch(const void *p)
{
	enum { PAD = 16 }; /* shared memory is a multiple of 16, and no more */
	const struct launch *l = p;
	size_t blocks = l->x * l->y, step, at;
	char *shared = aligned_alloc(128, (l->bytes + PAD + 127) / 128 * 128);

	next_turn();
	d.name = l->name;
	d.thread = l->thread;
	d.args = l->args;
	device_now.block_size.x = (unsigned)l->threads;
	device_now.shared = (float *)(shared + PAD);
	watch_launch(l->args, l->size);
	step = stride(blocks);
	at = (size_t)d.turn % blocks;
	for (size_t i = 0; i < blocks; i++, at = (at + step) % blocks) {
		device_now.block =
			(struct device_index){(unsigned)(at % l->x), (unsigned)(at / l->x)};
		next_turn();
		memset(device_now.shared, 0xff, l->bytes); /* NaN */
		watch_block(device_now.shared, l->bytes);
		run_block((unsigned)l->threads);
	}
	free(shared);
	d.name = NULL;
}

void device_launch(const char *name, void (*thread)(const void *args), size_t most,
	const void *args, size_t size, size_t x, size_t y, size_t threads, size_t bytes)
{
	static bool ordered;
	const char *order = getenv("BB_ORDER");
	struct launch *l = malloc(sizeof(*l) + size);

	if (!ordered && order)
		d.turn = strtoull(order, NULL, 0);
	ordered = true;
	if (!x || !y || !threads || threads > most || threads > THREADS || threads % 32 ||
		bytes > SHARED_MAX || x > 0x7fffffff || y > 65535 || size > 4096)
		device_die("%s: no device takes a grid of %zu by %zu blocks of %zu threads with "
			   "%zu bytes of shared memory and %zu of arguments",
			name, x, y, threads, bytes, size);
	*l = (struct launch){name, thread, x, y, threads, bytes, size};
	memcpy(l->args, args, size);
	device_later(run_launch, l, sizeof(*l) + size);
	free(l);
}
