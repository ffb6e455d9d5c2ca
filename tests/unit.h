/*
 * unit.h: the whole of the unit test framework: CHECK counts, unit_done prints and returns.
 * A test program is a main that calls CHECK and ends with `return unit_done();`.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>

static unsigned long unit_passed, unit_failed;

#define CHECK(cond) \
	do { \
		if (cond) { \
			unit_passed++; \
		} else { \
			unit_failed++; \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
		} \
	} while (0)

/* Prints the closing line; the exit status of the test program. A test without checks fails. */
static inline int
unit_done(void)
{
	printf("%lu passed, %lu failed\n", unit_passed, unit_failed);
	return unit_failed || !unit_passed;
}

#endif
