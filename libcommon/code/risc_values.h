/*
 * risc_values.h: what is known of registers, instruction by instruction; private to risc_code.c,
 * risc_follow.c, risc_values.c and risc_tables.c.
 */
#ifndef RISC_VALUES_H
#define RISC_VALUES_H

#include "code/risc_code.h"

enum { NO_ADDRESS = 65536 /* numbers below are none */ };

/* A value in a register, as far as it can be told. */
enum value_kind { UNKNOWN, CONSTANT, SCALED, ENTRY, TARGET, SLOT, LESS };

struct value {
	uint8_t kind;    /* enum value_kind */
	uint8_t shift;   /* SCALED: of the index; TARGET: of the entry */
	uint8_t size;    /* ENTRY, TARGET: bytes of an entry */
	bool is_signed;  /* the same */
	bool is_address; /* CONSTANT: not just a number */
	bool stale;      /* nothing is known to lead from where it was set to here */
	bool by_itself;  /* TARGET: entries are relative to the table, which is in the holder */
	uint32_t origin; /* where an index comes from: equal numbers are equal values */
	uint32_t self;   /* SCALED, ENTRY, stale CONSTANT: the same of the value itself */
	uint32_t holder; /* UNKNOWN: the variable it was loaded from; SCALED, ENTRY, TARGET: what */
			 /* holds the address that base is added to; 0: nothing */
	uint64_t base;   /* CONSTANT: itself; SCALED: added; ENTRY, TARGET: the table; SLOT: its */
			 /* address; LESS: the limit */
	uint64_t add;    /* TARGET: what entries are relative to */
};

struct risc_state {
	struct value reg[RISC_REGS];
	struct value fixed; /* what the code itself puts into the fixed register */
	uint32_t next;      /* unused origin */
	uint32_t compared;  /* the last compare: origin and constant */
	uint32_t bounded;   /* origin known to be less than bound; 0: none */
	uint64_t limit, bound;
	bool masked;      /* no compare: the bound is more than there may be */
	uint32_t kept_at; /* the variable that an entry was put into last, 0: none, */
	struct value kept;
};

struct follow {
	struct risc_code *c;
	const struct elf *f;
	const struct risc_ops *ops;
	struct risc_state s;
	size_t entries;  /* of tables that may still be read, */
	size_t steps;    /* and addresses tried: hostile code has no end of jumps */
	bool stale;      /* what the instruction reads is */
	uint32_t got_in; /* the variable that the GOT's address was put into, or 0 */
};

static inline bool is_branch(const struct risc *i)
{
	return i->flow != INSN_FALL && i->flow != INSN_TRAP;
}

static inline struct value unknown(struct risc_state *s)
{
	return (struct value){.kind = UNKNOWN, .origin = s->next++};
}

static inline struct value get(struct follow *w, uint8_t r)
{
	if (r == w->ops->fixed && w->s.fixed.kind == CONSTANT && !w->s.fixed.is_address)
		return w->s.fixed; /* not complete yet */
	return r < RISC_REGS ? w->s.reg[r] : (struct value){.kind = UNKNOWN, .origin = 1};
}

static inline void set(struct follow *w, uint8_t r, struct value v)
{
	if (r < RISC_REGS && r == w->ops->fixed)
		w->s.fixed = v;
	else if (r < RISC_REGS)
		w->s.reg[r] = v;
}

/* As a function starts: nothing is known but the fixed register. */
void risc_values_start(struct follow *w);
/* Nothing is known any more but the fixed register. */
void risc_values_forget(struct follow *w);
/*
 * No way to here is known, or but one `back` from below: registers may hold what they did before
 * the jump above, as all code behind one table has the same addresses in the same registers, and
 * as loops do what was set before them; or something else.
 */
void risc_values_doubt(struct follow *w, bool back);
/* What instruction k does to registers, as if it were no branch. */
void risc_values_step(struct follow *w, size_t k);
/* What has this origin is less than n. */
void risc_values_bound(struct risc_state *s, uint32_t origin, uint64_t n);
/* Instruction k uses the address. */
void risc_values_use(struct follow *w, size_t k, enum risc_use_kind kind, uint64_t addr);

/* risc_tables.c */
/* An indirect jump to v; it takes effect at instruction k. Adds to the tables, at once or later. */
void risc_tables_find(struct follow *w, size_t k, const struct value *v);
/* After the pass, when all addresses in use are known: reads the others, and puts all in order. */
void risc_tables_finish(struct follow *w);

#endif
