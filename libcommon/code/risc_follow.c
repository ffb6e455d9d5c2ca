/*
 * risc_follow.c: the pass over the code that follows registers.
 *
 * It goes once through the instructions in the order of addresses. At a branch ahead to a place
 * that nothing falls into, the state is kept for that place; elsewhere the state is that of the
 * instruction before, whatever else leads there: compilers set registers before loops and branches.
 */
#include <string.h>

#include "base/mem.h"
#include "code/risc_values.h"

enum {
	STATES_MAX = 4096,   /* kept at the same time */
	ENTRIES_MAX = 65536, /* of all tables of a range beside 4 for each instruction */
};

#define CALLED UINT32_MAX /* a snapshot: none, a function starts here */

/* Keeps the state for instruction `to`, if nothing but branches lead there. */
static void keep(struct follow *w, size_t k, uint32_t to)
{
	struct risc_code *c = w->c;
	uint8_t before;

	if (to == CFG_NOWHERE || to <= k + 1 || c->snapshot[to] || c->nstates >= STATES_MAX)
		return;
	before = c->flow[to - 1].flow;
	if (c->insn[to - 1].op == RISC_DATA)
		before = INSN_STOP;
	if (before != INSN_JUMP && before != INSN_RET && before != INSN_STOP && before != INSN_CALL)
		return;
	c->state = mem_grow(c->state, &c->cap_state, c->nstates + 1, sizeof(*c->state));
	c->state[c->nstates++] = w->s;
	c->snapshot[to] = (uint32_t)c->nstates;
}

/* What a conditional branch that is taken says of an index. */
static void when_taken(struct risc_state *s, const struct risc *i, const struct value *v)
{
	if (i->cond == RISC_LS && s->compared)
		risc_values_bound(s, s->compared, s->limit + 1);
	else if (i->cond == RISC_LO && s->compared)
		risc_values_bound(s, s->compared, s->limit);
	else if (i->cond == RISC_NONZERO && v->kind == LESS)
		risc_values_bound(s, v->origin, v->base);
}

/* What a conditional branch says of an index, when it is taken and when not. */
static void conditional(struct follow *w, size_t k, const struct risc *i, const struct value *v)
{
	struct risc_state before = w->s;

	when_taken(&w->s, i, v);
	keep(w, k, w->c->flow[k].target);
	w->s = before;
	if (i->cond == RISC_HI && before.compared)
		risc_values_bound(&w->s, before.compared, before.limit + 1);
	else if (i->cond == RISC_HS && before.compared)
		risc_values_bound(&w->s, before.compared, before.limit);
	else if (i->cond == RISC_ZERO && v->kind == LESS)
		risc_values_bound(&w->s, v->origin, v->base);
}

static void after_call(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		if (!(w->ops->preserved >> r & 1))
			set(w, r, unknown(&w->s));
	}
	w->s.compared = w->s.bounded = 0;
}

/* Where an indirect branch goes, if that is an address. */
static void note_branch(struct follow *w, size_t k, const struct value *v)
{
	const struct risc *i = &w->c->insn[k];

	if ((i->what & RISC_DIRECT) || i->flow == INSN_RET || i->flow == INSN_STOP)
		return;
	if (v->kind == CONSTANT && v->is_address)
		risc_values_use(w, k, RISC_USE_BRANCH, v->base);
	else if (v->kind == SLOT)
		risc_values_use(w, k, RISC_USE_BRANCH_SLOT, v->base);
}

/* Branch k takes effect at instruction `at`; v is where an indirect one goes. */
static void branch(struct follow *w, size_t k, size_t at, const struct value *v)
{
	const struct risc *i = &w->c->insn[k];
	size_t tables = w->c->ntables;

	if (!(i->what & RISC_DIRECT) && (i->flow == INSN_JUMP || i->flow == INSN_COND)) {
		struct risc_state before = w->s;

		if (i->flow == INSN_COND)
			when_taken(&w->s, i, v);
		risc_tables_find(w, at, v);
		w->s = before;
	}
	if (w->c->ntables > tables) {
		const struct cfg_table *t = &w->c->table[tables];

		for (uint32_t m = 0; m < t->n; m++)
			keep(w, at, w->c->targets[w->c->ntargets - t->n + m]);
	}
	if (i->flow == INSN_COND)
		conditional(w, at, i, v);
	else if (i->flow == INSN_JUMP)
		keep(w, at, w->c->flow[at].target);
	else if (i->flow == INSN_CALL)
		after_call(w);
	else if (i->flow == INSN_RET || i->flow == INSN_STOP)
		risc_values_forget(w);
}

/* Where a call leads a function starts: nothing is known of registers. */
static void find_called(struct risc_code *c, const struct elf *f)
{
	for (size_t k = 0; k < c->n && !f->object; k++) {
		const struct risc *i = &c->insn[k];
		uint64_t to = (risc_code_addr(c, k) + (uint64_t)i->imm) & f->mask;
		uint32_t at;

		if (i->flow != INSN_CALL || !(i->what & RISC_DIRECT))
			continue;
		at = risc_code_at(c, to);
		if (at != CFG_NOWHERE)
			c->snapshot[at] = CALLED;
	}
}

static void find_joins(struct risc_code *c)
{
	for (size_t k = 0; k < c->n; k++) {
		if (c->flow[k].target != CFG_NOWHERE)
			c->flow[c->flow[k].target].join = true;
	}
}

/* Where paths meet, numbers differ by the path; addresses hardly do. */
static void forget_numbers(struct follow *w)
{
	for (uint8_t r = 0; r < RISC_REGS; r++) {
		const struct value *v = &w->s.reg[r];

		if (v->kind == CONSTANT && !v->is_address &&
			(v->base < NO_ADDRESS || (uint32_t)-v->base < NO_ADDRESS))
			w->s.reg[r] = unknown(&w->s);
	}
}

void risc_code_follow(struct risc_code *c, const struct elf *f)
{
	struct follow w = {.c = c,
		.f = f,
		.ops = risc_ops(c->arch),
		.entries = 4 * c->n + ENTRIES_MAX,
		.steps = 64 * c->n};

	c->nuses = c->ntables = c->ntargets = c->nstates = c->nlater = c->nholders = 0;
	c->snapshot = mem_grow(c->snapshot, &c->cap_snapshot, c->n, sizeof(*c->snapshot));
	memset(c->snapshot, 0, c->n * sizeof(*c->snapshot));
	find_called(c, f);
	find_joins(c);
	risc_values_start(&w);
	for (size_t k = 0; k < c->n; k++) {
		const struct risc *i = &c->insn[k];
		bool slot = (i->what & RISC_SLOT) && k + 1 < c->n;
		struct value v;

		if (c->snapshot[k] == CALLED) {
			risc_values_forget(&w);
			w.got_in = 0;
		} else if (c->snapshot[k])
			w.s = c->state[c->snapshot[k] - 1];
		else if (k && c->flow[k - 1].flow == INSN_JUMP)
			risc_values_doubt(&w, c->flow[k].join);
		if (c->flow[k].join)
			forget_numbers(&w);
		if (!is_branch(i)) {
			risc_values_step(&w, k);
			continue;
		}
		v = get(&w, i->ra);
		if (i->op != RISC_OTHER) { /* a load to the program counter, or a sum */
			struct risc_state s = w.s;

			risc_values_step(&w, k);
			v = get(&w, i->rd);
			w.s = s;
		}
		note_branch(&w, k, &v);
		if (slot)
			risc_values_step(&w, k + 1);
		branch(&w, k, k + slot, &v);
		k += slot;
	}
	risc_tables_finish(&w);
}
