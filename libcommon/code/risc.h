/*
 * risc.h: what the analysis of code needs to know of an instruction of a processor with
 * instructions of fixed size: read from its bits alone, a few nanoseconds each.
 *
 * One row of struct risc_ops for each such architecture. What an instruction is called and how it
 * is printed comes from insn.h.
 */
#ifndef RISC_H
#define RISC_H

#include "code/insn.h"

enum { RISC_REGS = 32, RISC_NOREG = 255 };

enum risc_op {
	RISC_OTHER,    /* rd becomes something that is not followed */
	RISC_SET,      /* rd = imm */
	RISC_PC,       /* rd = address of the instruction + imm */
	RISC_PAGE,     /* rd = address of the instruction's page of 4 KiB + imm */
	RISC_ADD,      /* rd = ra + imm */
	RISC_TOP,      /* rd = the lower half of rd, imm above it */
	RISC_SHIFT,    /* rd = rb << shift */
	RISC_SUM,      /* rd = ra + rb, extended from size, << shift */
	RISC_SUM_PC,   /* rd = address of the instruction + imm + rb << shift */
	RISC_LOAD,     /* rd = size bytes at ra + imm */
	RISC_LOAD_SUM, /* rd = size bytes at ra + (rb << shift) */
	RISC_LITERAL,  /* rd = size bytes at address of the instruction + imm */
	RISC_STORE,    /* rb to ra + imm */
	RISC_COMPARE,  /* ra with imm; rd, if any, becomes something else */
	RISC_LESS,     /* rd = ra < imm, unsigned */
	RISC_TABLE, /* jumps by a table of entries of size bytes, indexed by rb, that is at ra, or
		     */
		    /* behind the instruction if there is no ra; in units of 2 bytes */
};

/* Conditions of branches that bound an index. */
enum risc_cond { RISC_ANY, RISC_HI, RISC_HS, RISC_LS, RISC_LO, RISC_ZERO, RISC_NONZERO };

enum {                      /* risc.what */
	RISC_DIRECT = 1,    /* a branch to address of the instruction + imm */
	RISC_SLOT = 2,      /* takes effect after the next instruction */
	RISC_SIGNED = 4,    /* loads, and rb of RISC_SUM: sign-extended */
	RISC_PADDING = 8,   /* as between functions */
	RISC_EPILOGUE = 16, /* as functions end, never as they begin */
	RISC_ODD = 32,      /* no instruction, or one that compilers do not make: a sign of data */
	RISC_SWITCH = 64,   /* a direct branch or call that changes between ARM and Thumb */
	RISC_MAYBE = 128,   /* executed under the condition `cond` (no branch by that alone) */
};

struct risc {
	int64_t imm;
	uint32_t writes; /* registers written beside rd, a bit each */
	uint8_t len;     /* bytes: 2 or 4; 1: data */
	uint8_t flow;    /* enum insn_flow; indirect branches go to what ra, or for loads rd, is */
	uint8_t op;      /* enum risc_op */
	uint8_t rd, ra, rb; /* or RISC_NOREG */
	uint8_t size, shift;
	uint8_t cond; /* enum risc_cond */
	uint8_t what; /* RISC_DIRECT ... */
};

struct risc_ops {
	uint8_t align;      /* of instructions */
	uint32_t preserved; /* registers that calls leave alone */
	uint8_t fixed;      /* register that always holds elf.got, or RISC_NOREG */
	uint8_t called;     /* register that functions find their own address in, or RISC_NOREG */
	/* Reads the instruction at p, which is at address addr; n > 0 bytes are there. */
	void (*read)(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
};

/* The row of an architecture, or NULL: it is of another kind. */
const struct risc_ops *risc_ops(enum arch a);

/* risc_mips.c */
void risc_mips_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
void risc_mips_read_little(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
/* risc_aarch64.c */
void risc_aarch64_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);

#endif
