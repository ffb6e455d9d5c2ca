/*
 * processor.h: what symbolic execution needs to know of a processor: a row of data for each, with
 * the function that gives its instructions their meaning. State, def-use, slices and representative
 * sets ask the row and never name a processor.
 *
 * Registers are numbers below PROCESSOR_REGS. As inputs of expressions the registers of different
 * processors are different: input = the row's `input` + register, and flag f is `input` +
 * STATE_FLAG_INPUT + f. So an expression says by itself whose registers it is about, and equal
 * hashes say that it is the same ones.
 *
 * Flags are kept in the slots of enum x86_flag whose meaning they share (state.h): AArch64's N is
 * the sign, V the overflow, and C the carry, which after a subtraction is the opposite of x86's.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include "code/insn.h"

enum {
	PROCESSOR_REGS = X86_REG_COUNT, /* numbers of registers are below */
	PROCESSOR_INPUTS = 256,         /* numbers of inputs of one processor */
	PROCESSOR_INT_ARGS = 8,         /* most registers for arguments */
	PROCESSOR_VEC_ARGS = 8,
	PROCESSOR_NOREG = X86_NOREG,
};

/* What an instruction does with the address that its reference (formats/refs.h) says. */
enum processor_use {
	PROCESSOR_NONE,
	PROCESSOR_ADDRESS, /* computes it, or jumps there: lea */
	PROCESSOR_MEMORY,  /* loads or stores what is there */
};

struct state;
struct expr;

struct processor {
	uint16_t input;    /* number of register 0 as an input: a multiple of PROCESSOR_INPUTS */
	uint8_t word;      /* bytes of an address, of pc, and of an argument on the stack: 4, 8 */
	uint8_t pc;        /* program counter: reading it is no dependency */
	uint8_t sp, fp;    /* stack pointer, frame pointer */
	uint8_t vec, nvec; /* the first vector register, and how many there are */
	uint8_t size[PROCESSOR_REGS]; /* bytes of the whole register; 0: it is no value */
	uint64_t kept[2];             /* bit sets of registers: what a callee leaves as it was, */
	uint64_t hidden[2];           /* what is never an output, */
	uint64_t frame[2]; /* and what is none while it is a constant away from sp or fp */
	/* The procedure call standard: */
	uint8_t nargs;                   /* registers for integer arguments */
	uint8_t arg[PROCESSOR_INT_ARGS]; /* in their order, */
	uint8_t nvec_args;               /* and for vectors: vec and the next */
	uint8_t vec_count; /* holds the number of vector arguments, or PROCESSOR_NOREG */
	/* Instructions write registers they do not name: such a write is no argument. */
	bool implicit;

	/* One instruction on a state: 1, or 0 when its results are unknowns; see sem/x86.h. */
	int (*step)(struct state *s, const struct insn *i);
	/* Whether the instruction has semantics of its own. */
	bool (*known)(const struct insn *i);
	/* The operand that says where a call, or a jump that is one, goes. */
	struct insn_op (*callee)(const struct insn *i);
	/* What it does with an address its reference says; *distance: from pc to that address. */
	enum processor_use (*use)(const struct insn *i, int64_t *distance);
	/* Half of an address, which another instruction makes whole: no output. NULL: never. */
	bool (*is_half)(const struct expr *value);
	/* Names: of a part of a register, "?" if it has none, and of a flag. Static text. */
	const char *(*reg_name)(struct insn_reg r);
	const char *(*flag_name)(unsigned flag);
};

/* For rows: register r and those behind it; its bit in one of the words of a set. */
#define PROCESSOR_TWO(r, n)     [r] = (n), [(r) + 1] = (n)
#define PROCESSOR_FOUR(r, n)    PROCESSOR_TWO(r, n), PROCESSOR_TWO((r) + 2, n)
#define PROCESSOR_EIGHT(r, n)   PROCESSOR_FOUR(r, n), PROCESSOR_FOUR((r) + 4, n)
#define PROCESSOR_SIXTEEN(r, n) PROCESSOR_EIGHT(r, n), PROCESSOR_EIGHT((r) + 8, n)
#define PROCESSOR_BIT(r)        (UINT64_C(1) << (r) % 64)

/* "n", "z", "c", "v": flag_name of Arm's processors. */
const char *processor_nzcv_name(unsigned f);

/* The row; NULL for a processor without semantics. */
const struct processor *processor_get(enum arch a);
/* The row whose input this is; x86-64's for a number that is none. */
const struct processor *processor_of(unsigned input);
/* "rax", "xmm0", "zf": the whole register, or flag, that is input n; "?": none. Static text. */
const char *processor_input_name(unsigned n);
/* Numbers of inputs are below. */
unsigned processor_inputs(void);

#endif
