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

enum { RISC_REGS = 32, RISC_HERE = 254, RISC_NOREG = 255 };

enum risc_op {
	RISC_OTHER, /* rd becomes something that is not followed */
	RISC_SET,   /* rd = imm */
	RISC_PC,    /* rd = address of the instruction + imm */
	RISC_PAGE,  /* rd = address of the instruction's page of 4 KiB + imm */
	RISC_ADD,   /* rd = ra + imm */
	RISC_TOP,   /* rd = the lower half of rd, imm above it */
	RISC_SHIFT, /* rd = rb << shift */
	RISC_MASK,  /* rd = some bits of ra: at most imm */
	RISC_SUM,   /* rd = ra + rb, extended from size, << shift; ra may be RISC_HERE, */
	/* the address of the instruction + imm */
	RISC_LOAD,     /* rd = size bytes at ra + imm */
	RISC_LOAD_SUM, /* rd = size bytes at ra + (rb << shift); ra may be RISC_HERE */
	RISC_LITERAL,  /* rd = size bytes at address of the instruction + imm */
	RISC_STORE,    /* rb to ra + imm */
	RISC_COMPARE,  /* ra with imm; rd, if any, becomes something else */
	RISC_LESS,     /* rd = ra < imm, unsigned */
	RISC_TABLE,    /* rd = ra + what is in a table of entries of size bytes at ra (or */
	/* RISC_HERE), indexed by rb, << shift */
	RISC_DATA, /* no instruction: constants between code */
	RISC_IF,   /* conditions (imm: Thumb's it) of the instructions behind it */
};

/* Conditions of branches that bound an index. */
enum risc_cond { RISC_ANY, RISC_HI, RISC_HS, RISC_LS, RISC_LO, RISC_ZERO, RISC_NONZERO };

enum {                       /* risc.what */
	RISC_DIRECT = 1,     /* a branch to address of the instruction + imm */
	RISC_SLOT = 2,       /* takes effect after the next instruction */
	RISC_SIGNED = 4,     /* loads, and rb of RISC_SUM: sign-extended */
	RISC_PADDING = 8,    /* as between functions */
	RISC_EPILOGUE = 16,  /* as functions end, never as they begin */
	RISC_ODD = 32,       /* no instruction, or one that compilers do not make: a sign of data */
	RISC_SWITCH = 64,    /* a direct branch or call that changes between ARM and Thumb */
	RISC_MAYBE = 128,    /* executed under a condition, of which `cond` says something */
	RISC_PROLOGUE = 256, /* saves the return address: near the start of a function (ARM) */
};

struct risc {
	int64_t imm;
	uint32_t writes; /* registers written beside rd, a bit each */
	uint8_t len;     /* bytes: 2 or 4; 1: no instruction */
	uint8_t flow; /* enum insn_flow; indirect branches go to what ra is, or if there is an op,
			 rd */
	uint8_t op;   /* enum risc_op */
	uint8_t rd, ra, rb; /* or RISC_NOREG */
	uint8_t size, shift;
	uint8_t cond;  /* enum risc_cond */
	uint16_t what; /* RISC_DIRECT ... */
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

/* risc_arm.c */
/*
 * Thumb's conditions, from the instruction before: 0, or that of the next instruction in the upper
 * 4 bits, and how it goes on. Applied to i; returns those for the next.
 */
uint8_t risc_arm_it(uint8_t it, struct risc *i);
void risc_arm_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
void risc_arm_read_big(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
/* risc_thumb.c */
void risc_thumb_read(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);
void risc_thumb_read_big(const uint8_t *p, size_t n, uint64_t addr, struct risc *out);

#endif
