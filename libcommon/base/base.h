/*
 * base.h: what every file may assume.
 *
 * Conventions of the whole tree: functions return 0 or -1 (iterators 1, 0, -1) and are checked;
 * sizes are in bytes and counts in items unless a comment says otherwise.
 */
#ifndef BASE_H
#define BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BB_VERSION "0.1.0"

/* The caller must look at the result. */
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED                 __attribute__((unused))
#define COUNT_OF(a)            (sizeof(a) / sizeof((a)[0]))

/* These look at an argument twice: no calls in them. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The text of the last error of an object: always terminated, cut when too long. */
struct err {
	char text[1024];
};

#endif
