/*
 * tables.h: targets of jumps through tables, as gcc and clang make them of switch statements.
 */
#ifndef TABLES_H
#define TABLES_H

#include "code/cfg.h"
#include "code/image.h"

/* Where an instruction goes. */
struct tables_flow {
	uint32_t target; /* instruction jumped to, or CFG_NOWHERE */
	uint8_t flow;    /* enum insn_flow; a call that does not return is INSN_STOP */
};

/* A function as far as it is known before its graph. */
struct tables_code {
	const struct image *im;
	uint64_t addr; /* of the function */
	const uint8_t *code;
	size_t ncode;
	const uint8_t *len; /* of each instruction */
	const struct tables_flow *flow;
	size_t ninsns;
	const uint32_t *index_at; /* instruction that starts at each byte, or CFG_NOWHERE */
};

/* An indirect jump. */
struct tables_jump {
	uint32_t insn, offset;
};

/* A register, or a variable, that is set to an address somewhere in the function. */
struct tables_holder {
	uint64_t addr;
	uint32_t insn; /* that does it */
	uint32_t what; /* enum x86_reg, or a number of the variable */
};

/* Zero-initialise, use again and again, free with tables_free. */
struct tables {
	struct cfg_table *t; /* ascending by jump; those whose table was found */
	size_t n;
	uint32_t *targets; /* of all tables: offsets; each one's ascend, without repetition */
	size_t ntargets;
	uint64_t *cuts; /* addresses where something starts: no table goes over one */
	size_t ncuts;
	/* working memory */
	struct tables_jump *source;   /* for each instruction, a branch to it */
	struct tables_holder *holder; /* registers that are set to an address */
	size_t nholders;
	uint32_t *seen; /* of each instruction: the last table that led there, by */
	uint32_t round; /* the number of tables read */
	size_t cap_t, cap_targets, cap_cuts, cap_source, cap_holder, cap_seen;
};

/*
 * Finds the tables of the jumps (ascending). cuts are addresses the function uses otherwise, in
 * any order.
 */
void tables_find(struct tables *t, struct insn_decoder *d, const struct tables_code *c,
	const struct tables_jump *jumps, size_t njumps, const uint64_t *cuts, size_t ncuts);
void tables_free(struct tables *t);

#endif
