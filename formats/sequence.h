/*
 * sequence.h: a unit of code to be compared: a strand, a block or a function. man 5 bb-sequence.
 *
 * The instructions of a strand (BinBert section 3.2) keep their order but need not be contiguous;
 * `pos` says where each stands in its block. After bb-sym, exprs is the representative set of
 * section 3.3, one symbolic expression for each output, and hashes their canonical hashes.
 *
 * After bb-trace, values is a micro-trace (Trex, arXiv 2012.08680, section IV): before each
 * instruction the value of each register that its traced text (text/traced.h) names, in the order
 * of the text, all instructions one after another. How many there have to be is known only to who
 * makes that text, and checked there.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "formats/origin.h"
#include "formats/refs.h"

/* The question which instructions belong to the strand that ends with the asked one. */
enum mark { MARK_OUT, MARK_IN, MARK_ASKED };

struct sequence {
	const char *unit; /* "strand", "block" or "function" */
	struct origin origin;
	struct labels labels;
	const char *group; /* ground-truth identity, equal for units that are alike; may be empty */
	const char *arch;  /* "x86-64", "i386" ... */
	struct u8s code;   /* the instructions' bytes, one after another */
	struct u8s len;    /* bytes of each instruction; they add up to code.n */
	struct u32s pos;   /* strands: index of each instruction in its block; else empty */
	struct u8s marks;  /* bb-quiz recover: enum mark of each instruction; else empty */
	struct refs refs;  /* references, by index into this record's instructions */
	struct texts exprs; /* symbolic expressions, in order of the outputs; empty before bb-sym */
	struct u64s hashes; /* canonical hash of each expression */
	uint64_t insns;     /* bb-join: instructions of the parts, whose code is not kept; else 0 */
	uint64_t run;       /* bb-trace: which of the runs this is, from 1; else 0 */
	struct u64s values; /* of that run: see above */
};

/* How many instructions it is of. */
static inline uint64_t sequence_insns(const struct sequence *s)
{
	return s->len.n ? s->len.n : s->insns;
}

extern const struct kind sequence_kind;

#endif
