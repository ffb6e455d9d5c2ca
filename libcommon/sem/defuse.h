/*
 * defuse.h: what the instructions of a stretch of code define and use, found by executing it
 * symbolically: the ground under strands (sem/slice.h) and under representative sets
 * (sem/symex.h), so that the two agree.
 *
 * A stretch is straight code of at most DEFUSE_MAX instructions in which a call, if there is one,
 * is the last: a call ends a stretch as it ends a basic block in the graphs of the paper. What
 * follows a call starts anew, with rax for what the call returned.
 *
 * Reaching definitions are kept for the parts of registers that have names of their own, for each
 * flag, and for the bytes of memory known by base + offset (state.h); different bases are taken
 * for different objects, as there.
 *
 * Outputs (BinBert section 3.2): a variable whose last operation in the stretch is a write. A
 * variable is a register as a whole or a memory location; one operation on any part of it is an
 * operation on it. Besides, the condition of the branch that ends the stretch, the target of an
 * indirect jump, and the call. No outputs are: flags, rip, the FPU and SSE control registers; rsp
 * when it is a constant away from what rsp or rbp was (push, pop, sub rsp, leave: bookkeeping of
 * the frame); a register that holds what it held on entry; and with a call, the registers a callee
 * may overwrite.
 *
 * Inputs of a call (System V ABI): rdi, rsi, rdx, rcx, r8, r9 and xmm0 to xmm7 as far as the last
 * operation on them was a write by an instruction that names them (div and rep stos leave values
 * behind that are no arguments), up to the last of them (one before it that the stretch does not
 * write is handed through); al when it holds a constant up to 8, as before a variadic function;
 * stack arguments, slots from [rsp] upwards that the stretch wrote, when r9 is an argument (in
 * 32-bit code always: there all arguments are on the stack, and what a function saves before its
 * first call looks like them); the target of an indirect call. In a strand, which lacks what only
 * reads a register, the second one of a load of a pair may look like an argument. A tail call is a
 * jump that the caller says is a call.
 */
#ifndef DEFUSE_H
#define DEFUSE_H

#include "sem/x86.h"

enum {
	DEFUSE_MAX = 1024, /* instructions of a stretch */
	DEFUSE_PARTS = 5,  /* parts of a register that are tracked */
	DEFUSE_INT_ARGS = PROCESSOR_INT_ARGS,
	DEFUSE_VEC_ARGS = PROCESSOR_VEC_ARGS,
	DEFUSE_STACK_ARGS = 16, /* more are not looked at */
	DEFUSE_ARGS = DEFUSE_INT_ARGS + DEFUSE_VEC_ARGS + DEFUSE_STACK_ARGS,
};

enum defuse_kind { DEFUSE_REG, DEFUSE_MEM, DEFUSE_COND, DEFUSE_JUMP, DEFUSE_CALL };

struct defuse_output {
	enum defuse_kind kind;
	unsigned reg;             /* REG: its number as an input (sem/processor.h) */
	const struct expr *addr;  /* MEM: of the location */
	const struct expr *value; /* REG, MEM: what it holds; COND: 1 bit; JUMP: the target */
	uint32_t place;           /* MEM: private, for defuse_seeds */
};

/* The call at the end of the stretch. */
struct defuse_call {
	const struct expr *target; /* of an indirect call, else NULL */
	const struct expr *arg[DEFUSE_ARGS];
	size_t nargs;
};

struct defuse;

/* One for each thread. */
struct defuse *defuse_new(void);
void defuse_free(struct defuse *d);
struct expr_pool *defuse_pool(struct defuse *d);
/* From now on nobody asks for the value of a DEFUSE_COND (it is 1): faster. */
void defuse_blind(struct defuse *d);
/* From now on the code is of this processor; x86-64 before the first call. */
void defuse_use(struct defuse *d, const struct processor *cpu);
/* Begins a stretch. The expressions of the one before are dead. */
void defuse_start(struct defuse *d);
/*
 * The next instruction. rip is the address of the one after it (NULL: input rip); is_call says
 * that it calls a function, whatever the mnemonic (a tail call by jmp). Returns true when more
 * instructions may follow in this stretch.
 */
bool defuse_step(
	struct defuse *d, const struct insn *i, const struct expr *rip, bool is_call) MUST_CHECK;
/* For the next step: the address that a reference of the instruction says, a constant. */
void defuse_refer(struct defuse *d, const struct expr *addr);
/* For the next step: the memory at addr, both constants, holds value, and always has. */
void defuse_hold(struct defuse *d, const struct expr *addr, const struct expr *value);

/*
 * The outputs of the stretch so far: registers by number, memory in order of the writes, then the
 * condition, jump or call. Returned until the next step.
 */
size_t defuse_outputs(struct defuse *d, const struct defuse_output **out);
/* The call when there is a DEFUSE_CALL. */
const struct defuse_call *defuse_call(const struct defuse *d);
/*
 * Marks in set (bit i for instruction i; DEFUSE_MAX bits, cleared by the caller) the instructions
 * that wrote the output, or the branch or call itself.
 */
void defuse_seeds(const struct defuse *d, const struct defuse_output *out, uint64_t *set);
/* Adds to the set what its members depend on, and so on. */
void defuse_close(const struct defuse *d, uint64_t *set);

#endif
