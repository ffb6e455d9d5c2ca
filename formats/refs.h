/*
 * refs.h: what instructions refer to, resolved by bb-disasm, so that code can be read without the
 * rest of its file: columns of equal length, one entry for each reference, ordered by instruction.
 */
#ifndef REFS_H
#define REFS_H

#include "stream/field.h"

enum ref_kind {
	REF_CALL = 1,   /* direct call (or tail call) to code of this file or archive */
	REF_IMPORT = 2, /* call, jump or load that reaches a function of another file, by name */
	REF_JUMP = 3,   /* jump within the function to where its bytes, unrelocated, do not say */
	REF_DATA = 4,   /* memory operand or immediate that is an address in this file */
	REF_CODE = 5,   /* the same, of code (a function pointer) */
	REF_SLOT = 6,   /* memory operand that holds such an address: a GOT slot */
};

struct refs {
	struct u32s insn;   /* index of the instruction in the record; ascending */
	struct u8s kind;    /* enum ref_kind */
	struct u64s target; /* absolute address; 0 when only the name is known */
	struct u32s name;   /* 0: no name, else 1 + index into names */
	struct texts names; /* linkage names without symbol versions */
};

extern const struct fields refs_fields;

/* Checks the columns against each other and against a record of ninsn instructions. 0 or -1. */
int refs_check(const struct refs *r, size_t ninsn, struct err *e);
/* The name of reference i, or NULL. */
const char *refs_name(const struct refs *r, size_t i);
void refs_sample(struct refs *r, size_t ninsn, struct arena *a, struct rng *rng);

#endif
