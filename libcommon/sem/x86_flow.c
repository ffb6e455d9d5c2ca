/*
 * x86_flow.c: branches, calls and returns, instructions about flags, and those that do nothing a
 * program can see.
 */
#include "sem/x86_ops.h"

void x86_flow_nop(struct step *x)
{
	(void)x;
}

/* ---- branches ---- */

void x86_flow_jmp(struct step *x)
{
	if (x->i->op[0].kind != INSN_OP_REL)
		x->s->target = x86_ops_get(x, 0);
}

void x86_flow_jcc(struct step *x)
{
	x->s->cond = state_branch(x->s, x->i->cc);
}

void x86_flow_jcxz(struct step *x)
{
	const struct expr *n = x86_ops_reg(x, X86_RCX, x->arg);

	x->s->cond = expr_eq(x->p, n, x86_ops_const(x, n->width, 0));
}

void x86_flow_loop(struct step *x)
{
	const struct expr *n = x86_ops_reg(x, X86_RCX, x->word), *c;

	n = expr_sub(x->p, n, x86_ops_const(x, n->width, 1));
	x86_ops_set_reg(x, X86_RCX, n);
	c = expr_ne(x->p, n, x86_ops_const(x, n->width, 0));
	if (x->arg)
		c = expr_and(x->p, c, state_cond(x->s, x->arg == 1 ? X86_CC_E : X86_CC_NE));
	x->s->cond = c;
}

/* ---- calls: System V ABI of x86-64, section 3.2, and of i386, section 2.2 ---- */

/* The argument registers up to the last one that was written since entry. */
static unsigned arguments(struct step *x, const struct expr **arg)
{
	const struct processor *cpu = x->s->cpu;
	unsigned n = cpu->nargs;

	while (n && !x->s->written[cpu->arg[n - 1]])
		n--;
	for (unsigned i = 0; i < n; i++)
		arg[i] = x86_ops_reg(x, cpu->arg[i], x->word);
	return n;
}

/* Results and what else a callee may leave in general registers, these in the order of outputs. */
static unsigned general_outputs(struct step *x, unsigned out, const uint8_t *reg, unsigned nregs,
	const struct expr *const *arg, unsigned n)
{
	const char *name = x->s->callee ? x->s->callee : "func";

	for (unsigned i = 0; i < nregs; i++)
		if (x->s->cpu->size[reg[i]] && !(x->s->cpu->kept[0] >> reg[i] & 1))
			x86_ops_set_reg(x, reg[i], expr_fn(x->p, name, out++, 8 * x->word, arg, n));
	return out;
}

void x86_flow_call(struct step *x)
{
	static const uint8_t results[] = {X86_RAX, X86_RDX};
	static const uint8_t clobbered[] = {
		X86_RCX, X86_RSI, X86_RDI, X86_R8, X86_R9, X86_R10, X86_R11};
	const char *name = x->s->callee ? x->s->callee : "func";
	const struct expr *arg[8], *e;
	unsigned n = 0, out = 0, vectors = MIN(x->s->cpu->nvec, 16);

	if (x->i->op[0].kind != INSN_OP_REL) {
		x->s->target = x86_ops_get(x, 0);
		arg[n++] = x->s->target;
	}
	n += arguments(x, arg + n);
	x->s->call = expr_fn(x->p, name, 0, 8 * x->word, arg, n);
	out = general_outputs(x, out, results, COUNT_OF(results), arg, n);
	for (unsigned i = 0; i < vectors; i++) {
		e = expr_fn(x->p, name, out++, EXPR_MAX_WIDTH, arg, n);
		state_set(x->s, (struct insn_reg){(uint8_t)(X86_V0 + i), 0, EXPR_MAX_WIDTH / 8}, e);
	}
	out = general_outputs(x, out, clobbered, COUNT_OF(clobbered), arg, n);
	for (unsigned f = 0; f < X86_DF; f++)
		flags_put(x->s, f, expr_fn(x->p, name, 100 + f, 1, arg, n));
	if (x->s->chain || x->s->mem) /* what memory becomes depends on what it was */
		arg[n++] = x->s->chain ? x->s->chain : x->s->mem;
	state_call(x->s, expr_fn(x->p, name, out, 0, arg, n));
}

void x86_flow_ret(struct step *x)
{
	const struct expr *sp;

	x->s->target = x86_ops_pop(x, x->word);
	if (x->i->nops) {
		sp = x86_ops_reg(x, X86_RSP, x->word);
		sp = expr_add(
			x->p, sp, x86_ops_const(x, sp->width, (uint64_t)x->i->op[0].imm & 0xffff));
		x86_ops_set_reg(x, X86_RSP, sp);
	}
}

/* ---- flags ---- */

void x86_flow_flag(struct step *x)
{
	flags_put(x->s, x->arg / 2, x86_ops_const(x, 1, x->arg & 1));
}

void x86_flow_cmc(struct step *x)
{
	flags_put(x->s, X86_CF, expr_not(x->p, state_flag(x->s, X86_CF)));
}

/* The flags where they stand in the flags register; bit 1 is always 1. */
static const uint8_t place[X86_FLAG_COUNT] = {0, 2, 4, 6, 7, 11, 10};

/* The flags register as a value of `width` bits, as a program that is not traced sees it. */
static const struct expr *flags_word(struct step *x, unsigned width)
{
	const struct expr *bit[64];

	for (unsigned i = 0; i < width; i++) /* the highest first; 9: interrupts are enabled */
		bit[width - 1 - i] = x86_ops_const(x, 1, i == 1 || i == 9);
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		if (place[f] < width)
			bit[width - 1 - place[f]] = state_flag(x->s, f);
	return expr_concatn(x->p, bit, width);
}

static void set_flags_word(struct step *x, const struct expr *v, unsigned mask)
{
	for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
		if (mask >> f & 1)
			flags_put(x->s, f, expr_extract(x->p, v, place[f], 1));
}

void x86_flow_lahf(struct step *x)
{
	state_set(x->s, (struct insn_reg){X86_RAX, 1, 1}, flags_word(x, 8));
}

void x86_flow_sahf(struct step *x)
{
	set_flags_word(x, state_get(x->s, (struct insn_reg){X86_RAX, 1, 1}), FLAG_ALL6 & ~FLAG_O);
}

void x86_flow_pushf(struct step *x)
{
	x86_ops_push(x, flags_word(x, x->arg * 8));
}

void x86_flow_popf(struct step *x)
{
	set_flags_word(x, x86_ops_pop(x, x->arg), FLAG_ALL6 | FLAG_D);
}
