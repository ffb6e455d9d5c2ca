/*
 * child.h: work that may crash, hang or eat all memory, in a process of its own.
 *
 * For libraries that were not made for hostile input. The child is a copy of the calling process:
 * it sees all memory, but what it changes is lost; only the bytes it hands over come back.
 */
#ifndef CHILD_H
#define CHILD_H

#include "base/buf.h"

struct child_limits {
	uint64_t memory;  /* bytes, beyond what the process has now */
	uint64_t output;  /* bytes it may hand over */
	uint64_t seconds; /* of processor time; it may take ten times as long to wait for things */
};

/*
 * Runs work(ctx, out, e) in a child and appends what it put into `out` to the caller's. 0, or -1
 * with the reason in e: the one that work gave, or how the child came to its end.
 */
int child_run(int (*work)(void *ctx, struct buf *out, struct err *e), void *ctx,
	const struct child_limits *limits, struct buf *out, struct err *e) MUST_CHECK;

#endif
