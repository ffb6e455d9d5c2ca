/*
 * watch.c: finds what a device would do without a word: threads that touch one address with nothing
 * to order them, addresses beyond a buffer, memory of the host, shared memory that nothing wrote.
 *
 * One idea: the kernels are compiled with -fsanitize=thread, whose calls before each access come
 * here instead of to its own library. Each two bytes of shared and of device memory have a cell
 * that says who wrote and who read them last, and when. Two accesses of which one writes are
 * ordered if one thread does both, if all threads of the block met between them (__syncthreads), or
 * if all lanes of their one warp did (__syncwarp; shuffles and tensor-core instructions order
 * nothing). Blocks of one launch are never ordered. So a race is found whatever order the threads
 * ran in.
 *
 * Time is the number of meetings of a block so far, counted on from block to block and launch to
 * launch, and within it the number of meetings of the thread's warp.
 */
#include "tests/cuda/watch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda/device.h"

enum { GRAIN = 2, WARPS = 32, ALLOCS = 4096, CELLS = 228 << 10 };

enum { TICKS = 1 << 20, MANY_THREADS = 1 << 20, MANY_WARPS = 1 << 21, THREAD_AT = 22 };

struct cell {
	uint32_t wrote, writer; /* when, and who: thread, ticks of its warp */
	uint32_t read, reader;  /* the latest reads likewise; of several threads the last ticks */
	uint32_t others;        /* the launch in which other blocks read it too */
};

struct memory {
	const char *p;
	size_t bytes;
	struct cell *cell;
	const char *name;
	bool is_shared;
};

static struct {
	bool running;
	uint32_t launch, block, now; /* when the launch and the block began */
	uint32_t ticks[WARPS];
	unsigned thread;
	const char *stack, *args;
	size_t stack_size, args_size;
	struct memory shared, fixed; /* dynamic, static */
	struct memory at[ALLOCS];    /* by address */
	size_t n;
	struct memory *last;
} w;

/* Where the linker has put the kernels' static shared memory, if it is watched. */
extern const char __start_device_shared[] __attribute__((weak, visibility("hidden")));
extern const char __stop_device_shared[] __attribute__((weak, visibility("hidden")));

/* ---- memory ---- */

/* The number of allocations that begin at or below p. */
static size_t below(const char *p)
{
	size_t from = 0, to = w.n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (w.at[mid].p <= p)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

void watch_alloc(const void *p, size_t bytes)
{
	size_t i = below(p);

	if (w.n == ALLOCS)
		device_die("more than %d allocations", ALLOCS);
	memmove(w.at + i + 1, w.at + i, (w.n++ - i) * sizeof(*w.at));
	w.at[i] = (struct memory){p, bytes, NULL, "device memory", false};
	w.last = NULL;
}

void watch_free(const void *p)
{
	size_t i = below(p);

	if (!i || w.at[i - 1].p != p)
		device_die("memory is freed that was not allocated");
	free(w.at[i - 1].cell);
	memmove(w.at + i - 1, w.at + i, (w.n-- - i) * sizeof(*w.at));
	w.last = NULL;
}

static bool within(const struct memory *m, const char *p)
{
	return (size_t)(p - m->p) < m->bytes;
}

static struct memory *find(const char *p)
{
	size_t i;

	if (w.last && within(w.last, p))
		return w.last;
	i = below(p);
	return i && within(&w.at[i - 1], p) ? w.last = &w.at[i - 1] : NULL;
}

/* What the end of an access is measured against. */
static void fit(const struct memory *m, const char *p, size_t bytes, const char *what)
{
	if (bytes > m->bytes - (size_t)(p - m->p))
		device_die("%s: bytes %zu to %zu of %s of %zu bytes", what, (size_t)(p - m->p),
			(size_t)(p - m->p) + bytes, m->name, m->bytes);
}

/* Of an address that is nowhere: how far it is from what lies below it. */
static _Noreturn void nowhere(const char *p, const char *what)
{
	size_t i = below(p);

	if (w.shared.bytes && p >= w.shared.p && p < w.shared.p + w.shared.bytes + 4096)
		device_die("%s: byte %zu of shared memory of %zu bytes", what,
			(size_t)(p - w.shared.p), w.shared.bytes);
	if (i && p < w.at[i - 1].p + w.at[i - 1].bytes + 65536)
		device_die("%s: byte %zu of device memory of %zu bytes", what,
			(size_t)(p - w.at[i - 1].p), w.at[i - 1].bytes);
	device_die("%s: memory that is not the device's", what);
}

void watch_range(const void *p, size_t bytes, const char *what)
{
	const struct memory *m = find(p);

	if (!bytes)
		return;
	if (!m)
		nowhere(p, what);
	fit(m, p, bytes, what);
}

/* ---- time ---- */

static void tick(void)
{
	if (++w.now == UINT32_MAX)
		device_die("too many barriers to be watched");
}

void watch_launch(const void *args, size_t size)
{
	tick();
	w.launch = w.now;
	w.args = args;
	w.args_size = size;
}

static struct cell *cells(size_t bytes)
{
	return calloc(bytes / GRAIN + 1, sizeof(struct cell));
}

void watch_block(const void *shared, size_t bytes)
{
	tick();
	w.block = w.now;
	memset(w.ticks, 0, sizeof(w.ticks));
	if (!w.shared.cell)
		w.shared.cell = cells(CELLS);
	w.shared = (struct memory){shared, bytes, w.shared.cell, "shared memory", true};
	if (!w.fixed.p && __start_device_shared) {
		w.fixed.p = __start_device_shared;
		w.fixed.bytes = (size_t)(__stop_device_shared - __start_device_shared);
		w.fixed.name = "shared memory";
		w.fixed.is_shared = true;
		w.fixed.cell = cells(w.fixed.bytes);
	}
}

void watch_thread(unsigned i, const void *stack, size_t size)
{
	w.running = true;
	w.thread = i;
	w.stack = stack;
	w.stack_size = size;
}

void watch_nobody(void)
{
	w.running = false;
}

void watch_met(void)
{
	tick();
}

void watch_warp_met(unsigned warp)
{
	if (++w.ticks[warp] == TICKS)
		device_die("too many meetings of a warp to be watched");
}

/* ---- accesses ---- */

/* This thread now. */
static uint32_t me(void)
{
	return w.thread << THREAD_AT | w.ticks[w.thread / 32];
}

static _Noreturn void race(const struct memory *m, const char *p, const char *what, unsigned thread)
{
	device_die("%s byte %zu of %s, as thread %u did with no barrier between", what,
		(size_t)(p - m->p), m->name, thread);
}

static _Noreturn void blocks_race(const struct memory *m, const char *p, const char *what)
{
	device_die("%s byte %zu of %s of %zu bytes, as another block of the launch did", what,
		(size_t)(p - m->p), m->name, m->bytes);
}

/* The last write is by this thread or before it. */
static void after_write(
	const struct memory *m, const struct cell *c, const char *p, const char *what)
{
	uint32_t by = c->writer >> THREAD_AT;

	if (c->wrote < w.launch || (m->is_shared && c->wrote < w.block))
		return;
	if (c->wrote < w.block)
		blocks_race(m, p, what);
	if (c->wrote == w.now && by != w.thread &&
		(by / 32 != w.thread / 32 || c->writer % TICKS == w.ticks[w.thread / 32]))
		race(m, p, what, by);
}

static void reads(const struct memory *m, struct cell *c, const char *p)
{
	uint32_t by = c->reader >> THREAD_AT, now = w.ticks[w.thread / 32];

	if (m->is_shared && c->wrote < w.block)
		device_die(
			"reads byte %zu of shared memory, which nothing wrote", (size_t)(p - m->p));
	after_write(m, c, p, "reads");
	if (c->read == w.now) {
		if (by / 32 != w.thread / 32)
			c->reader |= MANY_WARPS;
		else if (c->reader % TICKS != now)
			c->reader = me() | (c->reader & MANY_WARPS);
		else if (by != w.thread)
			c->reader |= MANY_THREADS;
		return;
	}
	if (c->read >= w.launch && c->read < w.block)
		c->others = w.launch;
	c->read = w.now;
	c->reader = me();
}

static void writes(const struct memory *m, struct cell *c, const char *p)
{
	uint32_t by = c->reader >> THREAD_AT;

	after_write(m, c, p, "writes");
	if (!m->is_shared && (c->others == w.launch || (c->read >= w.launch && c->read < w.block)))
		blocks_race(m, p, "writes");
	if (c->read == w.now && ((c->reader & MANY_WARPS) || by / 32 != w.thread / 32 ||
					(c->reader % TICKS == w.ticks[w.thread / 32] &&
						(by != w.thread || (c->reader & MANY_THREADS)))))
		race(m, p, "writes", by);
	c->wrote = w.now;
	c->writer = me();
}

static void touch(const void *address, size_t bytes, size_t align, bool write)
{
	const char *p = address, *what = write ? "writes" : "reads";
	struct memory *m = NULL;

	if (!w.running || (size_t)(p - w.stack) < w.stack_size ||
		(size_t)(p - (const char *)&device_now) < sizeof(device_now) ||
		(!write && (size_t)(p - w.args) < w.args_size))
		return;
	if (within(&w.shared, p))
		m = &w.shared;
	else if (within(&w.fixed, p))
		m = &w.fixed;
	else if (!(m = find(p)))
		nowhere(p, what);
	if ((uintptr_t)p % align)
		device_die("%s %zu bytes at once that are not aligned", what, bytes);
	fit(m, p, bytes, what);
	if (!m->cell)
		m->cell = cells(m->bytes);
	for (size_t i = (size_t)(p - m->p) / GRAIN; i * GRAIN < (size_t)(p - m->p) + bytes; i++) {
		if (write)
			writes(m, &m->cell[i], m->p + i * GRAIN);
		else
			reads(m, &m->cell[i], m->p + i * GRAIN);
	}
}

void watch_access(const void *p, size_t bytes, bool write)
{
	touch(p, bytes, 1, write);
}

/* ---- what -fsanitize=thread calls ---- */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(const void *p, size_t bytes);
void __tsan_write_range(const void *p, size_t bytes);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(const void *p, size_t bytes)
{
	watch_access(p, bytes, false);
}

void __tsan_write_range(const void *p, size_t bytes)
{
	watch_access(p, bytes, true);
}

/* Those that are called unaligned are several accesses that the compiler has joined. */
#define ACCESS(bytes)                                      \
	void __tsan_read##bytes(const void *p);            \
	void __tsan_write##bytes(const void *p);           \
	void __tsan_unaligned_read##bytes(const void *p);  \
	void __tsan_unaligned_write##bytes(const void *p); \
	void __tsan_read##bytes(const void *p)             \
	{                                                  \
		touch(p, bytes, bytes, false);             \
	}                                                  \
	void __tsan_write##bytes(const void *p)            \
	{                                                  \
		touch(p, bytes, bytes, true);              \
	}                                                  \
	void __tsan_unaligned_read##bytes(const void *p)   \
	{                                                  \
		touch(p, bytes, 1, false);                 \
	}                                                  \
	void __tsan_unaligned_write##bytes(const void *p)  \
	{                                                  \
		touch(p, bytes, 1, true);                  \
	}

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
