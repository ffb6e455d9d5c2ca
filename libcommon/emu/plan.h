/*
 * plan.h: what a straight run does with an instruction: Trex (arXiv 2012.08680, section IV)
 * executes a function from the first to the last instruction, whatever the code says.
 *
 * So an instruction that goes elsewhere is not executed, nor is one that asks an operating system
 * for something, changes how the processor works, or whose result depends on the clock or chance.
 * Registers and memory are then what they were before it.
 */
#ifndef PLAN_H
#define PLAN_H

#include "code/insn.h"

enum plan_kind {
	PLAN_RUN,
	PLAN_SKIP, /* a no-op of the same length stands in its place */
	PLAN_HOLE, /* no instruction, or one no no-op fits: the run goes on behind it */
};

struct plan {
	uint8_t kind;          /* enum plan_kind */
	bool repeats;          /* x86 string instruction that is repeated as often as rcx says */
	bool gives_conditions; /* Thumb's it */
	/* MIPS: */
	bool is_access; /* of memory at what the general register `base` holds plus `offset` */
	bool is_load;   /* into the general register `to` */
	uint8_t align;  /* the address must be a multiple of 2 to this power */
	uint8_t base, to;
	int16_t offset;
};

/* What is done with the instruction, whose bytes are at p. */
struct plan plan_insn(enum arch a, const struct insn *i, const uint8_t *p);
/*
 * Writes a no-op of n bytes, on ARM in little-endian order. 0, or -1 if there is none of that
 * length.
 */
int plan_nop(enum arch a, uint8_t *p, size_t n);

#endif
