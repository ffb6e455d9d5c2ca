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

/* What the record says about the flags; C, Z ... as the manual defines them for the operation. */
enum flags_kind {
	FLAGS_VALUE,   /* a is the flag */
	FLAGS_UNKNOWN, /* undefined: a function called `name` of a and b (NULL: none) */
	FLAGS_LOGIC,   /* of r; C and O are 0 */
	FLAGS_ADD,     /* r = a + b */
	FLAGS_ADC,     /* r = a + b + carry in */
	FLAGS_SUB,     /* r = a - b; r may be NULL: made when needed */
	FLAGS_SBB,     /* r = a - b - borrow in */
	FLAGS_MUL,     /* a * b as unsigned numbers; C and O only */
	FLAGS_IMUL,    /* a * b as signed numbers; C and O only */
	FLAGS_SHL,     /* r = a shifted by b > 0, and so on; O is defined for b = 1 only */
	FLAGS_SHR,
	FLAGS_SAR,
	FLAGS_SHLD,
	FLAGS_SHRD,
	FLAGS_ROL, /* r = a rotated by b > 0; C and O only */
	FLAGS_ROR,
	FLAGS_FLOAT, /* ucomis: a against b, numbers of 32 or 64 bits */
	/* AArch64: */
	FLAGS_SUBC, /* r = a - b as SUB, but C is the opposite: nothing was borrowed */
	FLAGS_FCMP, /* fcmp: a against b: C and V if unordered, else as SUBC */
};

struct flags {
	enum flags_kind kind;
	const char *name; /* UNKNOWN: the instruction; shifts: the same, for an undefined O */
	const struct expr *a, *b, *r;
	const struct expr *keep; /* if 1, flags are as before; NULL: never */
	struct flags **old; /* how they were before, X86_FLAG_COUNT of them, when keep is set */
	const struct expr *bit[X86_FLAG_COUNT]; /* made when read; NULL before */
};

/* The flags of mask are now those of the operation. */
void flags_set(struct state *s, unsigned mask, enum flags_kind kind, const struct expr *a,
	const struct expr *b, const struct expr *r);
/* The same for kinds that leave some undefined: name is the instruction's. */
void flags_set_named(struct state *s, unsigned mask, enum flags_kind kind, const char *name,
	const struct expr *a, const struct expr *b, const struct expr *r);
/* Flag f is now the 1-bit value v. */
void flags_put(struct state *s, enum x86_flag f, const struct expr *v);
/* Flags the manual leaves undefined: unknowns named by the instruction, of its operands. */
void flags_undefined(struct state *s, unsigned mask, const char *name, const struct expr *a,
	const struct expr *b);
/*
 * The flags of mask, all set by the record made last, are the bits of `value` in order of their
 * numbers (1 << X86_CF ...) unless `holds` (1 bit) is true.
 */
void flags_unless(struct state *s, unsigned mask, const struct expr *holds, unsigned value);
/*
 * The flags of mask, set since `before` was copied from s->flag, are as they were before if keep
 * (1 bit) is true. Every record they have is of this instruction.
 */
void flags_keep(struct state *s, unsigned mask, const struct expr *keep,
	struct flags *const before[X86_FLAG_COUNT]);

#endif
