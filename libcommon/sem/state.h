/*
 * state.h: a symbolic machine state: what registers, flags and memory hold as expressions over
 * what they held on entry.
 *
 * Reading something that was not written gives an input: INPUT for a register (always the whole
 * one: al is EXTRACT of rax), LOAD for memory. Registers keep one expression each; which bytes were
 * read before they were written and which were written is kept for each byte (writing eax writes
 * all eight bytes of rax). Flags are kept as the operation that set them, so that a condition can
 * be shown as a comparison of the operands.
 *
 * Memory and aliases. An address is split into base + constant offset. Within one base, bytes are
 * exact: the same, overlapping or disjoint. Two different bases may alias, and the state says what
 * to do then: by default they are taken for different objects, as the paper does (a variable is
 * known by its address); with STATE_STRICT a load that a store of another base may have changed
 * becomes LOAD(address, memory) of the chain of STOREs, which is exact for every aliasing. A call
 * may change any memory whose base is not rsp on entry (a frame's own slots): see state_call.
 */
#ifndef STATE_H
#define STATE_H

#include "base/arena.h"
#include "code/insn.h"
#include "sem/expr.h"
#include "sem/processor.h"

/*
 * The flags, as bit numbers of masks. Processors whose flags have other names keep them here: N is
 * S, V is O.
 */
enum x86_flag { X86_CF, X86_PF, X86_AF, X86_ZF, X86_SF, X86_OF, X86_DF, X86_FLAG_COUNT };
enum {
	FLAG_C = 1 << X86_CF,
	FLAG_P = 1 << X86_PF,
	FLAG_A = 1 << X86_AF,
	FLAG_Z = 1 << X86_ZF,
	FLAG_S = 1 << X86_SF,
	FLAG_O = 1 << X86_OF,
	FLAG_D = 1 << X86_DF,
	FLAG_ALL6 = FLAG_C | FLAG_P | FLAG_A | FLAG_Z | FLAG_S | FLAG_O,
	/* As an input, flag f is the 1-bit register STATE_FLAG_INPUT + f of its processor. */
	STATE_FLAG_INPUT = PROCESSOR_REGS,
};

/*
 * Conditions besides enum x86_cc, where C after a subtraction says that nothing was borrowed: a
 * carry and not zero, and the opposite. As there, cc ^ 1 is the opposite.
 */
enum { STATE_CC_LS = X86_CC_NONE + 2, STATE_CC_HI };

enum {                    /* options of state_reset */
	STATE_STRICT = 1, /* loads are exact whatever aliases */
	STATE_BLIND = 2,  /* nobody looks at the condition of a branch: it is just 1 */
};

/* A memory location that was written: `size` bytes at base + offset hold val. */
struct state_store {
	const struct expr *addr; /* base + offset */
	const struct expr *base; /* NULL for a constant address */
	int64_t offset;
	const struct expr *val;
	uint32_t size; /* bytes */
	uint32_t live; /* how many of the bytes were not overwritten by later stores */
	uint32_t seq;  /* number of the last store here, counted from 1 */
};

/*
 * What one instruction touched; filled while it is stepped. Reads are dependencies of meaning:
 * `xor eax, eax` reads nothing. A register part may be listed twice.
 */
enum { EFFECTS_REGS = 40, EFFECTS_MEMS = 12 };
struct effects_mem {
	const struct expr *addr; /* in the terms of the state before the instruction */
	const struct expr *base; /* addr = base + offset, base NULL for a constant address */
	int64_t offset;
	uint32_t size; /* bytes */
	bool write;
	bool stack; /* by push, pop, call, ret, leave, enter */
};
struct x86_effects {
	struct insn_reg read[EFFECTS_REGS], write[EFFECTS_REGS]; /* flags are not among them */
	struct effects_mem mem[EFFECTS_MEMS];                    /* in the order of the accesses */
	/* Registers that only form the address of memory operand accesses are in `read` as well. */
	uint8_t nread, nwrite, nmem;
	uint8_t flags_read, flags_written; /* masks of FLAG_ */
	uint8_t flags_undefined;           /* of flags_written: left undefined by the manual */
	uint8_t flags_kept; /* of flags_written: kept in some cases (shl eax, cl with cl = 0) */
	bool known;         /* the instruction has semantics; else its results are FN nodes */
	bool overflow;      /* more than fits here was touched: take it to touch everything */
};

struct flags;      /* the operation that set a flag: sem/flags.h */
struct state_line; /* 16 bytes of memory of one base */

struct state {
	const struct processor *cpu; /* whose state it is; kept by state_reset */
	struct expr_pool *pool;
	unsigned options;
	struct flags *flag[X86_FLAG_COUNT]; /* NULL: as on entry */
	uint8_t flags_read, flags_written;  /* masks, as read and written above */
	struct state_store *store; /* in order of the first write to (base, offset, size) */
	size_t nstores, capstores;
	const struct expr *mem; /* the memory under the stores; NULL: as on entry */

	/* Of the instruction stepped last: */
	const struct expr
		*cond; /* conditional branch, cmov, setcc: the condition (1 bit), or NULL */
	const struct expr *target; /* indirect jump or call: where to, or NULL */
	const struct expr *call;   /* call: FN node named by `callee` with the arguments, or NULL */

	/* Set by the caller before a step, kept until changed: */
	const struct expr *rip; /* address of the next instruction; NULL: input pc */
	/* Address that a reference of the instruction says, where it takes two to make one; or NULL
	 */
	const struct expr *address;
	const char *callee; /* name of the function a call reaches; NULL: "func" */
	/* NULL, or what the memory at slot_addr is known to hold: a constant; no read of memory */
	const struct expr *slot, *slot_addr;

	struct x86_effects *fx; /* where to note what is touched, or NULL */

	/* Private to state.c and flags.c. */
	bool on_stack;            /* memory accesses now are the stack's */
	uint8_t unused;           /* bits of 64 that an address does not have */
	struct state_line **line; /* hash table of lines; nslots is a power of two */
	size_t nlines, nslots;
	const struct expr *chain;     /* STATE_STRICT: the memory with all stores */
	const struct expr *last_base; /* base of the newest store, */
	uint32_t seq, other_seq;      /* its number, and that of the newest of another base */
	uint32_t call_seq;            /* number of the newest store before the last call */
	struct arena arena;           /* lines and flags */
	uint64_t touched[PROCESSOR_REGS / 64]; /* registers that are not as below on entry */

	/* Last, as state_reset does not go through all of them: */
	const struct expr *reg[PROCESSOR_REGS]; /* NULL: not yet read or written */
	uint64_t read[PROCESSOR_REGS];          /* bytes that were read before they were written */
	uint64_t written[PROCESSOR_REGS];       /* bytes that were written */
};

/*
 * Zero-initialise a struct state once; state_reset prepares it for a new run over pool p. Its
 * processor is x86-64, unless `cpu` was set to another one.
 */
void state_reset(struct state *s, struct expr_pool *p, unsigned options);
void state_free(struct state *s);

/* A step begins: nothing is touched yet, and no branch taken. */
void state_begin(struct state *s);
/* The value of a part of a register, size * 8 bits. */
const struct expr *state_get(struct state *s, struct insn_reg r);
/* Writes a part; the rest of the register stays (zero extension is the caller's matter). */
void state_set(struct state *s, struct insn_reg r, const struct expr *val);
/* Value of register r now, or its input, without counting as a read; for outputs. */
const struct expr *state_peek(struct state *s, unsigned r);

/* size bytes at addr, as size * 8 bits. */
const struct expr *state_load(struct state *s, const struct expr *addr, unsigned size);
void state_save(struct state *s, const struct expr *addr, const struct expr *val);
/*
 * Memory after a call: mem (an expression of width 0) is what it may have become. What was stored
 * at constant offsets from rsp on entry stays known, unless the state is strict.
 */
void state_call(struct state *s, const struct expr *mem);

/*
 * The flag as a 1-bit value, and the condition cc as one: a comparison of the operands when one
 * comparing instruction set all the flags it looks at.
 */
const struct expr *state_flag(struct state *s, enum x86_flag f);
const struct expr *state_cond(struct state *s, unsigned cc);
/* The same of a branch; with STATE_BLIND its flags are read, but the condition is 1. */
const struct expr *state_branch(struct state *s, unsigned cc);
/* The flag without counting as a read. */
const struct expr *state_peek_flag(struct state *s, enum x86_flag f);

#endif
