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
	struct u32s efrom;  /* edges: source block, */
	struct u32s eto;    /* target block, */
	struct u8s ekind;   /* enum edge_kind; ordered by source, then as found */
	struct refs refs;
	const char *thunk; /* name it only jumps to, empty if it is no thunk */
	uint64_t part;     /* address of the function it was split from (as gcc's .cold), its own if
			    * that is not known; 0 if it is no part */
	struct source source; /* what debugging information says; empty unless it was asked for */
};

extern const struct kind function_kind;

#endif
