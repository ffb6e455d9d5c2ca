/*
 * body.h: one function taken apart: instructions, graph, references: the columns of a function
 * record. A body is built again and again in the same memory, one for each thread.
 */
#ifndef BODY_H
#define BODY_H

#include "code/cfg.h"
#include "code/image.h"
#include "code/risc_code.h"
#include "code/scan.h"
#include "code/tables.h"

struct body_name {
	uint32_t round;  /* the last function that has the name, */
	uint32_t number; /* and 1 + its index there */
};

struct body {
	const uint8_t *code;
	size_t ncode; /* bytes */
	uint8_t *len; /* of each instruction; 1 for a byte that is none */
	size_t ninsns;
	struct cfg cfg;
	uint32_t *ref_insn; /* references, as in formats/refs.h; ascending */
	uint8_t *ref_kind;
	uint64_t *ref_target;
	uint32_t *ref_name; /* 0, or 1 + index into names */
	size_t nrefs;
	const char **names; /* owned by the image */
	size_t nnames;
	const char *thunk; /* what it only jumps to, or "" */
	/* working memory */
	struct scan_walk walk;
	struct cfg_end *end; /* instructions that end blocks */
	size_t nends;
	struct tables_jump *jumps; /* indirect ones */
	size_t njumps;
	uint8_t *starts; /* of each byte: whether an instruction starts there */
	struct tables tables;
	struct risc_code risc;
	struct body_name *known; /* for each name of the image */
	uint32_t round;          /* counts the functions */
	struct arena arena;
	size_t cap_len, cap_ends, cap_starts, cap_known, cap_refs, cap_names, cap_jumps;
};

/* Takes a function of the image apart. 0, or -1 when it is longer than FUNC_MAX. */
int body_build(struct body *b, struct insn_decoder *d, const struct image *im,
	const struct func *f) MUST_CHECK;
void body_free(struct body *b);

#endif
