/*
 * x86_string.c: string instructions: one element.
 *
 * With a rep prefix this is one step of the loop, as in the paper's Table 1: rcx = -1 add rcx,
 * rdi = 1 add rdi, *(rdi) = al. The ABI says that DF is clear on entry of a function, so the
 * direction is upwards unless the code itself has set the flag.
 */
#include "sem/x86_ops.h"

/* Bytes of rsi and rdi that are the address. */
static unsigned pointer_size(const struct step *x)
{
	for (unsigned k = 0; k < x->i->nops; k++)
		if (x86_ops_is_mem(x, k) && x->i->op[k].mem.addr_size)
			return MIN(x->i->op[k].mem.addr_size, x->word);
	return x->word;
}

/* Moves pointer r by one element. */
static void advance(struct step *x, enum x86_reg r)
{
	unsigned size = pointer_size(x);
	const struct expr *a = x86_ops_reg(x, r, size);
	const struct expr *up = x86_ops_const(x, size * 8, x->arg);

	if (x->s->flag[X86_DF])
		up = expr_ite(x->p, state_flag(x->s, X86_DF), expr_neg(x->p, up), up);
	x86_ops_set_reg(x, r, expr_add(x->p, a, up));
}

static void count(struct step *x)
{
	const struct expr *n;

	if (!(x->i->prefix & (INSN_REP | INSN_REPNE)))
		return;
	n = x86_ops_reg(x, X86_RCX, pointer_size(x));
	x86_ops_set_reg(x, X86_RCX, expr_sub(x->p, n, x86_ops_const(x, n->width, 1)));
}

/* The address of the element at rsi, with the segment the instruction may name, or at rdi. */
static const struct expr *element(struct step *x, enum x86_reg r)
{
	for (unsigned k = 0; k < x->i->nops; k++)
		if (x86_ops_is_mem(x, k) && x->i->op[k].mem.base == r)
			return x86_ops_addr(x, k);
	return x86_ops_reg(x, r, x->word);
}

void x86_string_movs(struct step *x)
{
	const struct expr *v = state_load(x->s, element(x, X86_RSI), x->arg);

	state_save(x->s, element(x, X86_RDI), v);
	advance(x, X86_RSI);
	advance(x, X86_RDI);
	count(x);
}

void x86_string_stos(struct step *x)
{
	state_save(x->s, element(x, X86_RDI), x86_ops_reg(x, X86_RAX, x->arg));
	advance(x, X86_RDI);
	count(x);
}

void x86_string_lods(struct step *x)
{
	x86_ops_set_reg(x, X86_RAX, state_load(x->s, element(x, X86_RSI), x->arg));
	advance(x, X86_RSI);
	count(x);
}

void x86_string_scas(struct step *x)
{
	const struct expr *a = x86_ops_reg(x, X86_RAX, x->arg);
	const struct expr *b = state_load(x->s, element(x, X86_RDI), x->arg);

	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, a, b, NULL);
	advance(x, X86_RDI);
	count(x);
}

void x86_string_cmps(struct step *x)
{
	const struct expr *a = state_load(x->s, element(x, X86_RSI), x->arg);
	const struct expr *b = state_load(x->s, element(x, X86_RDI), x->arg);

	flags_set(x->s, FLAG_ALL6, FLAGS_SUB, a, b, NULL);
	advance(x, X86_RSI);
	advance(x, X86_RDI);
	count(x);
}

void x86_string_xlat(struct step *x)
{
	const struct expr *a = expr_zext(x->p, x86_ops_reg(x, X86_RAX, 1), 8 * x->word);

	a = expr_add(x->p, a, x86_ops_reg(x, X86_RBX, x->word));
	x86_ops_set_reg(x, X86_RAX, state_load(x->s, a, 1));
}
