/*
 * flags.h: flags as the operation that set them.
 *
 * Most flags are never looked at, and those that are want to be shown as what was compared, not as
 * bits of the result. So an instruction leaves a record of its operands, and a flag's expression
 * is made when it is read.
 */
#ifndef FLAGS_H
#define FLAGS_H

#include "sem/state.h"

/* What r says about the flags; C, Z ... as the manual defines them for the operation. */
enum flags_kind {
	FLAGS_VALUE, /* a is the flag */
	FLAGS_LOGIC, /* of r; C and O are 0 */
	FLAGS_ADD,   /* r = a + b */
	FLAGS_ADC,   /* r = a + b + carry in */
	FLAGS_SUB,   /* r = a - b */
	FLAGS_SBB,   /* r = a - b - borrow in */
	FLAGS_FLOAT, /* ucomis: a against b, numbers of 32 or 64 bits */
};

struct flags {
	enum flags_kind kind;
	const struct expr *a, *b, *r;
	const struct expr *bit[X86_FLAG_COUNT]; /* made when read; NULL before */
};

/* The flags of mask are now those of the operation. */
void flags_set(struct state *s, unsigned mask, enum flags_kind kind, const struct expr *a,
	const struct expr *b, const struct expr *r);
/* Flag f is now the 1-bit value v. */
void flags_put(struct state *s, enum x86_flag f, const struct expr *v);
/* Flags of mask are kept if `keep` (1 bit) is true, else what new_flags says they are. */
void flags_keep(struct state *s, unsigned mask, const struct expr *keep,
	struct flags *const before[X86_FLAG_COUNT]);
/* Flags the manual leaves undefined: unknowns named by the instruction, of its operands. */
void flags_undefined(struct state *s, unsigned mask, const char *name,
	const struct expr *const *args, unsigned n);

#endif
