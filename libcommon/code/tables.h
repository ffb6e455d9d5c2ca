/*
 * tables.h: targets of jumps through tables, as gcc and clang make them of switch statements.
 */
#ifndef TABLES_H
#define TABLES_H

#include "code/cfg.h"
#include "code/image.h"

/* A function as far as it is known before its graph. */
struct tables_code {
	const struct image *im;
	uint64_t addr; /* of the function */
	const uint8_t *code;
	size_t ncode;
	const uint8_t *len; /* of each instruction */
	size_t ninsns;
	const struct cfg_end *end; /* as in struct cfg_code */
	size_t nends;
	const uint8_t *starts; /* of each byte: whether an instruction starts there */
};

/* An indirect jump. */
struct tables_jump {
	uint32_t insn, offset;
	uint32_t end; /* how many of the function's ends are before it */
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
	/* working memory */
	uint32_t *source; /* for each byte: the first end that jumps there, if that one does */
	struct tables_holder *holder; /* registers that are set to an address */
	size_t nholders;
	uint32_t *seen; /* for each byte: the last table that led there, by */
	uint32_t round; /* the number of tables read */
	uint32_t *sorting;
	size_t cap_t, cap_targets, cap_cuts, cap_source, cap_holder, cap_seen, cap_sorting;
};

/*
 * Finds the tables of the jumps (ascending). cuts are addresses the function uses otherwise, in
 * any order.
 */
void tables_find(struct tables *t, struct insn_decoder *d, const struct tables_code *c,
	const struct tables_jump *jumps, size_t njumps, const uint64_t *cuts, size_t ncuts);
void tables_free(struct tables *t);

#endif
