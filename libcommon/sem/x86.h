/*
 * x86.h: the meaning of x86 instructions, in 64-bit and in 32-bit code.
 *
 * Each mnemonic's meaning is written once, as a handler that reads operands, builds expressions and
 * writes operands of a symbolic state; symbolic execution, def-use sets and (through sem/eval.h)
 * concrete execution all come from that one text. An instruction without a handler is an explicit
 * unknown: each of its written operands becomes an uninterpreted function, named by the mnemonic,
 * of everything it reads. Nothing fails and nothing is guessed.
 *
 * Faults are not modelled: the meaning is that of an execution that does not fault.
 */
#ifndef X86_H
#define X86_H

#include "code/insn.h"
#include "sem/state.h"

/*
 * Executes one instruction on s. For branches and calls see s->cond, s->target and s->call. With
 * s->fx set, what the instruction touches is noted there (the struct is cleared first); addresses
 * in it are in terms of the state before the instruction.
 *
 * A `rep` string instruction is one step of its loop, as in the paper's Table 1: the string
 * operation itself and rcx = -1 add rcx.
 *
 * A call is the effect seen by the code after it: s->call is FN(callee, arguments), where the
 * arguments are the values of rdi, rsi, rdx, rcx, r8, r9 up to the last one written in this state
 * (System V ABI; in 32-bit code there are none in registers); rax, rdx, xmm0 and xmm1 hold its
 * outputs 0 to 3, the other caller-saved registers and the flags further outputs, and memory may
 * have changed as state.h says.
 *
 * Returns 1 when the instruction has semantics, 0 when its results are unknowns.
 */
int x86_step(struct state *s, const struct insn *i);

/* True when the instruction has semantics of its own. */
bool x86_known(const struct insn *i);

/*
 * Def-use of one instruction on its own, as if it were the first: registers, flags, and memory
 * operands by address over the inputs. s is scratch (it is reset over pool p).
 */
void x86_effects(
	struct state *s, struct expr_pool *p, const struct insn *i, struct x86_effects *fx);

extern const struct processor x86_processor;
/* 32-bit code; the registers are parts of the same, by the same numbers. */
extern const struct processor x86_32_processor;

#endif
