/*
 * gaps.h: functions in code that neither symbols nor unwind tables account for.
 *
 * The code of a gap is decoded from end to end. Targets of calls are functions. So is what follows
 * an instruction that never goes on, if no jump crosses over from there to the code before it.
 */
#ifndef GAPS_H
#define GAPS_H

#include "code/elf.h"

struct gaps_range {
	uint64_t addr, end; /* code of one section, no known function in it */
};

struct gaps_found {
	struct gaps_range *r; /* functions */
	size_t n, cap;
};

struct gaps_addresses {
	uint64_t *p; /* ascending */
	size_t n, cap;
};

/*
 * Finds the functions in the range. seeds are known to be functions; pointers are addresses that
 * relocated data hold; functions at the addresses in `dead` do not return, and those that are found
 * not to are added to `never`, in any order. The results are added to out, seeds included. What
 * looks like data is left out.
 */
void gaps_find(struct gaps_found *out, const struct elf *f, struct insn_decoder *d,
	struct gaps_range range, const struct gaps_addresses *seeds,
	const struct gaps_addresses *pointers, const struct gaps_addresses *dead,
	struct gaps_addresses *never);
/* The addresses of a list that are in the range. */
struct gaps_addresses gaps_within(const struct gaps_addresses *a, struct gaps_range range);
/* Sorts the addresses. */
void gaps_sort(struct gaps_addresses *a);

#endif
