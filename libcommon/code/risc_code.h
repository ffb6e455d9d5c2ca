/*
 * risc_code.h: a range of code of a processor with instructions of fixed size: its instructions,
 * the addresses they use, and the targets of its jumps through tables.
 *
 * Registers are followed through the code on abstract values: addresses that two instructions put
 * together, slots of the GOT that are loaded, entries of tables that are added to a base.
 */
#ifndef RISC_CODE_H
#define RISC_CODE_H

#include "code/cfg.h"
#include "code/elf.h"
#include "code/risc.h"

enum risc_use_kind {
	RISC_USE_ADDRESS,     /* the address as a value, or the place of a variable */
	RISC_USE_SLOT,        /* what is stored there is loaded */
	RISC_USE_BRANCH,      /* a call or jump to the address, in a register */
	RISC_USE_BRANCH_SLOT, /* to what is stored there */
	RISC_USE_START,       /* a function starts there: it computes the GOT from that */
};

struct risc_use {
	uint64_t addr;
	uint32_t insn;
	uint8_t kind; /* enum risc_use_kind */
	bool stale;   /* it comes from what code that does not lead there left in a register */
};

struct risc_flow {
	uint32_t target; /* instruction jumped to, or CFG_NOWHERE */
	uint8_t flow;    /* enum insn_flow */
	bool join;       /* a branch leads to this instruction */
};

/* An address that is put into a register, or from there into a variable. */
struct risc_holder {
	uint64_t addr;
	uint32_t key; /* of the register or variable */
	uint32_t insn;
};

struct risc_state;
struct risc_table;

/* Zero-initialise, use again and again, free with risc_code_free. */
struct risc_code {
	uint64_t addr;
	enum arch arch;
	const uint64_t *data; /* set by the caller, or NULL: addresses where no table goes over, */
	size_t ndata;         /* ascending */
	struct risc *insn;
	uint32_t *offset;       /* bytes from addr to each instruction */
	struct risc_flow *flow; /* with delay slots: the branch is where it takes effect */
	size_t n;
	struct risc_use *use; /* ascending by instruction */
	size_t nuses;
	struct cfg_table *table; /* ascending by instruction (where the jump takes effect) */
	size_t ntables;
	/* working memory */
	uint32_t *targets;
	size_t ntargets;
	uint32_t *snapshot; /* of each instruction: 1 + state, or 0 */
	struct risc_state *state;
	size_t nstates;
	struct risc_table *later; /* tables without a known length */
	size_t nlater, cap_later;
	uint64_t *cuts;             /* addresses in use: no table goes over one */
	struct risc_holder *holder; /* ascending by instruction */
	size_t nholders;
	size_t ncuts, cap_cuts, cap_holder;
	size_t cap_insn, cap_offset, cap_flow, cap_use, cap_table, cap_targets, cap_snapshot,
		cap_state;
};

/*
 * Reads the n bytes at p, which are at address addr of the file. Branches inside are resolved. With
 * ARCH_NONE each instruction is read as what it is; else what is not of that architecture is data.
 */
void risc_code_read(struct risc_code *c, const struct elf *f, enum arch a, uint64_t addr,
	const uint8_t *p, size_t n);
/* Follows the registers through what was read: fills use and table. */
void risc_code_follow(struct risc_code *c, const struct elf *f);
void risc_code_free(struct risc_code *c);
/* The instruction that starts at the address, or CFG_NOWHERE. */
uint32_t risc_code_at(const struct risc_code *c, uint64_t addr);
/* The address instruction i is at. */
static inline uint64_t risc_code_addr(const struct risc_code *c, size_t i)
{
	return c->addr + c->offset[i];
}

/* Address of the GOT slot that the stub at addr jumps through; 0 if there is no stub. */
uint64_t risc_code_stub(const struct elf *f, uint64_t addr);

#endif
