/*
 * function.h: a function of an ELF file: bytes, instructions, control-flow graph, references.
 * man 5 bb-function.
 *
 * Instructions are numbered from 0 in code order, blocks likewise. Block i is the instructions
 * blocks[i] to blocks[i+1]-1 (the last one goes to the end). Code is one contiguous range: the
 * address of an instruction is addr plus the lengths before it.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include "formats/refs.h"
#include "formats/source.h"

enum {                  /* function.exits: how control leaves a block */
	EXIT_NEXT = 1,  /* it may go on to the next block */
	EXIT_TABLE = 2, /* its targets are those of a jump table */
	EXIT_SHIFT = 2, /* from this bit on: number of its targets in function.jumps */
};

enum edge_kind {
	EDGE_FALL = 1,  /* to the next block */
	EDGE_JUMP = 2,  /* jump, or conditional jump taken */
	EDGE_TABLE = 3, /* indirect jump through a jump table */
};

struct function {
	struct u8s bin;       /* XXH3-128 of the file, 16 bytes */
	const char *file;     /* base name */
	struct labels labels; /* project, compiler, opt, ... as given by the user */
	const char *arch;     /* "x86-64", "i386" ... */
	uint64_t addr;
	const char *name;   /* linkage name, empty if there is none */
	struct u8s code;    /* machine code */
	struct u8s len;     /* bytes of each instruction; they add up to code.n */
	struct u32s blocks; /* first instruction of each block; ascending, the first is 0 */
	struct u32s exits;  /* of each block: EXIT_NEXT and the like */
	struct i32s jumps;  /* targets of all blocks in order: number of the target less that of
			     * the block that jumps there */
	struct refs refs;
	const char *thunk; /* name it only jumps to, empty if it is no thunk */
	uint64_t part;     /* address of the function it was split from (as gcc's .cold), its own if
			    * that is not known; 0 if it is no part */
	struct source source; /* what debugging information says; empty unless it was asked for */
};

extern const struct kind function_kind;

/* The edges of a graph, one after another, ordered by source. */
struct function_walk {
	struct u32s exits;
	struct i32s jumps;
	uint32_t block, done; /* block the next edge leaves, and how many before left it */
	size_t jump;          /* next one */
};

struct function_edge {
	uint32_t from, to; /* blocks */
	enum edge_kind kind;
};

/* Starts: function_edges(f->exits, f->jumps). The graph must be valid. */
struct function_walk function_edges(struct u32s exits, struct i32s jumps);
/* The next edge: true, or false when there is none. */
bool function_next(struct function_walk *w, struct function_edge *e);

#endif
