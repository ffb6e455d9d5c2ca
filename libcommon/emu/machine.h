/*
 * machine.h: code executed in a straight line from a random state, on a processor that is emulated:
 * under-constrained execution as in Trex (arXiv 2012.08680, section IV).
 *
 * The registers begin with random values and memory holds random bytes (emu/memory.h), but for the
 * stack pointer, which is the same always. Each instruction is executed once, in the order of the
 * record, as emu/plan.h says, and before each of them the registers asked for are noted. An
 * instruction that faults has no effect; the run goes on behind it.
 *
 *  - The code lies where its size says, up to the end of a page, whatever its address in the file
 *    was, so equal code has equal traces. What it stores into its own page faults, and what it
 *    loads from there is the code.
 *  - A repeated string instruction of x86 is repeated MACHINE_REPEATS times at most.
 *  - A MIPS processor cannot access words at odd addresses, and random pointers are odd: such an
 *    access is made at the next lower address that suits. The upper half of its addresses, which
 *    belongs to the system, is the lower half once more.
 *  - x86: vectors of 32 bytes and more, and the encodings that came with them, are skipped.
 *
 * What a run notes is a pure function of code, seed and step. Nothing of the code is executed by
 * the processor we run on: it is translated, and what the translation can reach is the memory of
 * this machine. Bounded: MACHINE_INSNS instructions of a record are executed and MACHINE_FAULTS of
 * them may fault; behind that the registers keep what they hold.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "code/insn.h"

enum {
	MACHINE_REPEATS = 16,
	MACHINE_INSNS = 1 << 16,
	MACHINE_FAULTS = 1000,
};

/* Code to be run. All arrays are the caller's and stay until other code is loaded. */
struct machine_code {
	const uint8_t *bytes; /* of all instructions, one after another */
	const struct insn
		*insn; /* decoded by codeseq_decode: their lengths are those of the record */
	size_t n;
	uint64_t addr; /* of the first one in its file; only whether it is odd halves matters */
	const uint8_t *reg;    /* numbers of the registers asked for, code/regs.h, */
	const uint32_t *first; /* of instruction i from first[i] to first[i + 1]; [n + 1] */
};

/* What became of instructions, of all runs so far. */
struct machine_counts {
	uint64_t insns; /* asked to be run; those below are among them */
	uint64_t skipped, faulted, holes;
	uint64_t beyond; /* not reached: see the bounds above */
};

struct machine;

/* A machine for the architecture, for one thread; NULL when there is none for it. */
struct machine *machine_open(enum arch a);
void machine_close(struct machine *m);
/* Takes the code. 0, or -1 when the emulator could not be started anew. */
int machine_load(struct machine *m, const struct machine_code *c) MUST_CHECK;
/* Runs it from the state (seed, step) and writes the first[n] values. May be called again. */
void machine_run(struct machine *m, uint64_t seed, uint64_t step, uint64_t *values);
const struct machine_counts *machine_counts(const struct machine *m);

#endif
