/*
 * cfg.h: basic blocks and edges of one function.
 *
 * A block ends at a jump, a return, an instruction that stops, and, as in angr, whose blocks
 * BinBert's strands were cut from, at a call. The code after a call that returns is a block of its
 * own, reached by EDGE_FALL.
 */
#ifndef CFG_H
#define CFG_H

#include "base/base.h"
#include "formats/function.h"

enum { CFG_NOWHERE = 0xffffffff };

struct cfg_insn {
	uint32_t target; /* instruction jumped to, or CFG_NOWHERE */
	uint8_t flow;    /* enum insn_flow; a call that does not return is INSN_STOP */
};

/* Targets of an indirect jump. */
struct cfg_table {
	uint32_t insn; /* the jump; tables are ascending by it */
	uint32_t n;
	const uint32_t *targets; /* instructions, ascending */
};

/* Zero-initialise, use again and again, free with cfg_free. */
struct cfg {
	uint32_t *blocks; /* first instruction of each block */
	size_t nblocks;
	uint32_t *from, *to; /* edges, ordered by source */
	uint8_t *kind;       /* enum edge_kind */
	size_t nedges;
	size_t cap_blocks, cap_edges, cap_block_of;
	uint32_t *block_of; /* of each instruction */
};

/* The graph of n > 0 instructions. */
void cfg_build(struct cfg *c, const struct cfg_insn *insns, size_t n,
	const struct cfg_table *tables, size_t ntables);
void cfg_free(struct cfg *c);

#endif
