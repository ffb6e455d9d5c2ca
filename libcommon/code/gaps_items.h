/*
 * gaps_items.h: the code of a gap as a list of instructions, with what finding boundaries needs of
 * each; private to gaps*.c.
 */
#ifndef GAPS_ITEMS_H
#define GAPS_ITEMS_H

#include "code/cfg.h"
#include "code/gaps.h"
#include "code/insn.h"

enum {                 /* item.what */
	PADDING = 1,   /* nop, int3, zeros */
	BAD = 2,       /* no instruction */
	START = 4,     /* of a function */
	PROLOGUE = 8,  /* as functions begin */
	EPILOGUE = 16, /* as functions end, never as they begin */
	INDIRECT = 32, /* jump to a register or through memory */
	LEAVES = 64,   /* jump to code outside the range */
	SURE = 256,    /* a start by a call or from outside */
	RARE = 512,    /* what compilers do not make: a sign of data */
	MAYBE = 1024,  /* executed under a condition */
	KNOWN = 2048,  /* a start by a seed */
	JOINED = 4096, /* target of a conditional jump from whatever function */
	TARGET = 128,  /* of a jump within its function */
};

struct item {            /* an instruction, or a byte that is none */
	uint32_t target; /* item jumped to or called, or CFG_NOWHERE */
	uint8_t len, flow;
	uint16_t what;
};

struct edge {
	uint32_t from, to;
};

struct gap {
	const struct elf *f;
	const struct gaps_addresses *dead; /* functions elsewhere that do not return */
	struct gaps_range range;
	struct item *item;
	uint32_t *offset; /* of each item */
	size_t n, cap, cap_offset;
	uint32_t *inside;  /* how many jumps lead over the place before each item, */
	uint32_t *ahead;   /* and how many lead over it, or to it, from before */
	bool *returns;     /* by item that starts a function */
	bool *pointed;     /* by item: its address is taken */
	uint64_t *pointer; /* addresses in the range that are taken, in any order */
	size_t npointers, cap_pointers;
	struct edge *edge; /* jumps through tables */
	size_t nedges, cap_edges;
};

/*
 * Reads the instructions of g->range into g, with the targets of branches and tables; seeds are
 * known to be functions, pointers are addresses that data hold: both within the range.
 */
void gaps_items_read(struct gap *g, struct insn_decoder *d, const struct gaps_addresses *seeds,
	const struct gaps_addresses *pointers);
void gaps_items_free(struct gap *g);

/*
 * For the two readers: a new item, good until the next one, its target an offset until all are
 * there; a jump through a table; an address that is taken; whether a function elsewhere does not
 * return.
 */
struct item *gaps_items_add(
	struct gap *g, uint32_t offset, uint8_t len, uint8_t flow, uint16_t what);
void gaps_items_link(struct gap *g, uint32_t from, uint32_t to);
void gaps_items_point(struct gap *g, uint64_t addr);
bool gaps_items_is_dead(const struct gap *g, uint64_t addr);
/* gaps_x86.c: decodes the range; never over a seed, so that data before one does no harm. */
void gaps_x86_read(struct gap *g, struct insn_decoder *d, const struct gaps_addresses *seeds);
/* gaps_risc.c: the same of instructions of fixed size, and their tables. */
void gaps_risc_read(struct gap *g);

#endif
