/*
 * slice.h: strands: the def-use slices of a basic block (BinBert section 3.2).
 *
 * For each output of the block (sem/defuse.h says what that is) the strand is the output's last
 * writers and, backwards, everything in the block their values depend on; for a branch it is the
 * branch with everything its condition depends on; for a call, the call with everything that
 * prepares its inputs. Instructions keep their order. Then:
 *
 * - A block is cut behind each call, and every DEFUSE_MAX instructions: a strand never reaches
 *   across such a cut.
 * - A strand that is part of another one is left out: the longer one computes its output, too.
 *   So no strand appears twice, and pop rbx; pop rbp; pop r12 is one strand, not three.
 * - Instructions on which no output depends are in no strand: nop, endbr64, padding, ret, direct
 *   jumps, a compare that nobody asks, a temporary that a call destroys.
 * - A call's strand does not reach for what moves rsp, though a call pushes its return address,
 *   unless the call may have stack arguments.
 *
 * Instruction addresses do not matter: equal bytes give equal strands.
 */
#ifndef SLICE_H
#define SLICE_H

#include "sem/processor.h"

struct slice;

/* One for each thread. */
struct slice *slice_new(void);
void slice_free(struct slice *s);
/* From now on the code is of this processor; x86-64 before the first call. */
void slice_use(struct slice *s, const struct processor *cpu);
/*
 * Cuts the n instructions of a block into strands; tail_call says that the last one is a jump
 * that calls a function. Returns the number of strands, in the order of their last instructions.
 */
size_t slice_block(struct slice *s, const struct insn *insn, size_t n, bool tail_call);
/* Strand k: the indices of its *n instructions, ascending. Good until the next slice_block. */
const uint32_t *slice_strand(const struct slice *s, size_t k, size_t *n);

#endif
