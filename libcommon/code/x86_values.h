/*
 * x86_values.h: what is known of the registers of x86 code, instruction by instruction, as far as a
 * jump through a table needs it; private to x86_values.c and tables.c. (For processors with
 * instructions of fixed size: risc_values.h.)
 */
#ifndef X86_VALUES_H
#define X86_VALUES_H

#include "code/image.h"

/* A value in a register, as far as it can be told. */
enum value_kind { UNKNOWN, CONSTANT, SCALED, ENTRY, TARGET };

struct value {
	uint8_t kind;    /* enum value_kind */
	uint8_t scale;   /* SCALED: factor; ENTRY, TARGET: bytes of an entry */
	uint32_t holder; /* UNKNOWN: the variable it was loaded from, or 0; ENTRY, TARGET: the */
			 /* register or variable that holds the table's address, if base is 0 */
	uint64_t base; /* CONSTANT: itself; SCALED: added; ENTRY, TARGET: the table's address, or 0
			*/
	uint64_t add;  /* TARGET: what entries are relative to; 0: the table itself */
	uint64_t origin; /* where the index comes from: equal numbers are equal values */
};

struct x86_state {
	const struct image *im; /* whose code it is */
	struct value reg[16];
	uint64_t next;            /* unused origin */
	uint64_t compared, limit; /* the last compare: origin and constant */
	unsigned word;            /* bytes of an address */
	uint64_t got;             /* position-independent 32-bit code: the address it keeps in a */
				  /* register, mostly ebx; a register not known is taken for it */
	bool comparing;           /* a compare of an index with a constant was the last one */
	uint64_t bounded, bound;  /* origin known to be less than bound */
	uint64_t kept_at; /* a variable, by what its place is hashed to, and what was put there last
			   */
	struct value kept;
};

/* Whether the operand is a general register, from its lowest byte on. */
bool x86_values_is_gpr(const struct insn_op *o);
/* What the relocation in an instruction of an object file stands for; 0 if there is none. */
uint64_t x86_values_relocated(const struct image *im, const struct insn *i, uint64_t addr);
/* The address of a memory operand that is one by itself, or 0. */
uint64_t x86_values_fixed_address(
	const struct image *im, const struct insn *i, const struct insn_op *o, uint64_t addr);
/* A number for the place [base + displacement], which is no register's. */
uint32_t x86_values_variable(const struct insn_op *o);

/* From now on nothing is known of any register. */
void x86_values_forget(struct x86_state *s);
/* Runs one instruction at addr; `taken`: it is a branch, and it is taken. */
void x86_values_step(struct x86_state *s, const struct insn *i, uint64_t addr, bool taken);
/* What the instruction at addr loads from its operand o in memory. */
struct value x86_values_load(
	struct x86_state *s, const struct insn *i, const struct insn_op *o, uint64_t addr);

#endif
