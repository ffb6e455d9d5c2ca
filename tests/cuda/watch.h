/*
 * watch.h: what the threads of an emulated device do to its memory; see watch.c.
 *
 * device.c says where in a launch the device is, runtime.c what memory there is; the accesses
 * themselves are reported by the compiler, where the kernels are built for it (Makefile, O/watch).
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Memory of the device comes and goes. */
void watch_alloc(const void *p, size_t bytes);
void watch_free(const void *p);
/* A copy, a product or the like is about to touch so many bytes: stops unless all of them are
 * there. */
void watch_range(const void *p, size_t bytes, const char *what);

/* A launch begins, with these arguments; a block, with this shared memory. */
void watch_launch(const void *args, size_t size);
void watch_block(const void *shared, size_t bytes);
/* Thread i goes on, with a stack of its own; none does. */
void watch_thread(unsigned i, const void *stack, size_t size);
void watch_nobody(void);
/* All threads of the block, of a warp of 32, were together: what each did is seen by all of them.
 */
void watch_met(void);
void watch_warp_met(unsigned warp);
/* A thread reads or writes, where the compiler does not say so. */
void watch_access(const void *p, size_t bytes, bool write);

/* device.c: prints where the device is, and why it stops. */
_Noreturn void device_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
