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

/* An instruction that ends a block. */
struct cfg_end {
	uint32_t insn;
	uint32_t next;   /* offset of the byte behind it */
	uint32_t target; /* offset it jumps to, or CFG_NOWHERE */
	uint8_t flow;    /* enum insn_flow; a call that does not return is INSN_STOP */
};

/* Targets of an indirect jump. */
struct cfg_table {
	uint32_t insn; /* the jump; tables are ascending by it */
	uint32_t n;
	const uint32_t *targets; /* offsets of instructions, ascending */
};

/* The code of a function. */
struct cfg_code {
	const uint8_t *len; /* of each instruction */
	size_t ninsns, ncode;
	const struct cfg_end *end; /* ascending */
	size_t nends;
	const struct cfg_table *table;
	size_t ntables;
};

/* Zero-initialise, use again and again, free with cfg_free. */
struct cfg {
	uint32_t *blocks; /* first instruction of each block */
	size_t nblocks;
	uint32_t *exits; /* of each block, and */
	int32_t *jumps;  /* targets, as in formats/function.h */
	size_t njumps;
	/* working memory */
	uint8_t *mark;      /* 1: a block starts at this byte, if an instruction does */
	uint32_t *offset;   /* of each block */
	uint32_t *block_at; /* of each byte where one starts; others are anything */
	size_t cap_blocks, cap_exits, cap_jumps, cap_mark, cap_offset, cap_block_at;
};

/* The graph of the code, ninsns > 0. Jumps into the middle of an instruction lead nowhere. */
void cfg_build(struct cfg *c, const struct cfg_code *code);
void cfg_free(struct cfg *c);

#endif
