/*
 * functions.h: where the functions of a file start and end, and what they are called.
 *
 * From symbols where there are any, then from unwind ranges and entry points, then from the code
 * that is left. Functions never overlap: one that starts inside another cuts it short. Stubs of
 * the procedure linkage table and padding are not functions.
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "code/gaps.h"

enum { /* func.from: how it was found */
	FUNC_SYMBOL = 1,
	FUNC_FRAME = 2,
	FUNC_ROOT = 4,
	FUNC_GAP = 8,   /* by looking at the code itself */
	FUNC_PART = 16, /* a part split off another function, as gcc's .cold */
};

struct func {
	uint64_t addr, end;  /* the byte after the last */
	const char *name;    /* linkage name as in the file, "" if unknown; owned by the elf */
	uint64_t owner;      /* parts: address of the function they belong to, 0 if unknown */
	uint32_t from;       /* FUNC_SYMBOL ... */
	bool no_return;      /* no call of it comes back */
	const uint8_t *scan; /* its instructions, as in scan.h; owned by the functions */
	uint32_t ninsns;     /* 0 when it is longer than FUNC_MAX */
	uint32_t ncallees;
	const uint32_t
		*callee; /* where its direct branches (scan.h) out of it and its calls go, in order:
			  * index of a function, or FUNC_NOBODY; owned by the functions */
};

struct functions {
	struct func *f; /* ascending by address */
	size_t n;
	uint32_t *start; /* addresses of all less that of the first, if they are near enough */
	uint32_t *page;  /* for every 2^shift bytes from f[0] on: the first function at or after */
	size_t npages;
	unsigned shift;
	uint64_t *data; /* addresses of data that code puts together from pages, ascending */
	size_t ndata;
	struct gaps_range *gap; /* code that is no function's, until functions_fill; ascending */
	size_t ngaps;
	void **memory; /* of func.scan and func.callee */
	size_t nmemory;
};

enum { FUNC_NOBODY = 0xffffffff };
enum { FUNC_MAX = 8 << 20 };           /* bytes of code; what is longer is no function */
enum { FUNCTIONS_IGNORE_SYMBOLS = 1 }; /* as if .symtab were not there */

/*
 * Finds the functions that the file tells of; some ends may not be known, which then are their
 * starts. Free with functions_free.
 */
void functions_find(struct functions *fs, const struct elf *f, unsigned flags);
/* Whether the address is in a gap. */
bool functions_in_gap(const struct functions *fs, uint64_t addr);
/*
 * Finds the functions in the gaps, the addresses that are called among them, and all ends. Those of
 * functions that held code stay where they are, or become less. The result, to be freed with
 * mem_free, is the index of each function that was there before, or FUNC_NOBODY.
 */
uint32_t *functions_fill(struct functions *fs, const struct elf *f, struct insn_decoder *d,
	const struct gaps_addresses *called) MUST_CHECK;
void functions_free(struct functions *fs);
/* The function that holds the address, or NULL; functions_index: its index, or FUNC_NOBODY. */
const struct func *functions_at(const struct functions *fs, uint64_t addr);
uint32_t functions_index(const struct functions *fs, uint64_t addr);
/* Whether function i starts at the address. */
bool functions_starts(const struct functions *fs, size_t i, uint64_t addr);

#endif
