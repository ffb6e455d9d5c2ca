/*
 * x86_x87.c: the x87 floating-point stack.
 *
 * X86_ST0 + i of the state is st(i), counted from the top of the stack, so that a push or pop
 * moves all eight. Numbers are 80 bits wide; what is computed with them is an uninterpreted
 * function named by the mnemonic, while moves, exchanges and changes of sign are exact. X86_FPSW
 * holds the status word (bytes 0, 1) and the control word (bytes 2, 3); of the status word only
 * what comparisons set is known.
 */
#include "sem/x86_ops.h"

enum { ST = 8, WIDTH = 80, STATUS = 0, CONTROL = 2 };

static const struct expr *get(struct step *x, unsigned i)
{
	return state_get(x->s, (struct insn_reg){(uint8_t)(X86_ST0 + i), 0, WIDTH / 8});
}

static void put(struct step *x, unsigned i, const struct expr *v)
{
	state_set(x->s, (struct insn_reg){(uint8_t)(X86_ST0 + i), 0, WIDTH / 8}, v);
}

static void push(struct step *x, const struct expr *v)
{
	for (unsigned i = ST - 1; i > 0; i--)
		put(x, i, get(x, i - 1));
	put(x, 0, v);
}

/* The register that was on top is the last one now; it counts as empty, but keeps its value. */
static void pop(struct step *x)
{
	const struct expr *top = get(x, 0);

	for (unsigned i = 0; i + 1 < ST; i++)
		put(x, i, get(x, i + 1));
	put(x, ST - 1, top);
}

static const struct expr *fn(struct step *x, const char *name, unsigned out, unsigned width,
	const struct expr *a, const struct expr *b)
{
	const struct expr *args[2] = {a, b};

	return expr_fn(x->p, name, out, width, args, b ? 2 : a ? 1 : 0);
}

/* The name without the p of the popping forms. */
static const char *base_name(unsigned op)
{
	static const char *const names[] = {"fadd", "fmul", "fsub", "fdiv"};

	return names[op];
}

static unsigned st_of(const struct insn_op *o)
{
	return (unsigned)(o->reg.id - X86_ST0) % ST;
}

/* Operand k as an 80-bit number; `integer`: memory holds an integer. */
static const struct expr *number(struct step *x, unsigned k, bool integer)
{
	const struct insn_op *o = &x->i->op[k];
	const struct expr *v;

	if (o->kind == INSN_OP_REG)
		return get(x, st_of(o));
	v = state_load(x->s, x86_ops_addr(x, k), o->size);
	return o->size == 10 ? v : fn(x, integer ? "fild" : "fld", 0, WIDTH, v, NULL);
}

void x86_x87_load(struct step *x)
{
	push(x, number(x, 0, x->arg));
}

void x86_x87_constant(struct step *x)
{
	push(x, fn(x, x->i->mnemonic, 0, WIDTH, NULL, NULL));
}

/* fst, fist, fisttp; arg: 1: pop, 2: an integer. */
void x86_x87_store(struct step *x)
{
	const struct insn_op *o = &x->i->op[0];
	const struct expr *v = get(x, 0);

	if (o->kind == INSN_OP_REG) {
		put(x, st_of(o), v);
	} else {
		/* the popping forms compute the same */
		const char *name = x->i->mn == X86_FISTTP ? "fisttp" : x->arg & 2 ? "fist" : "fst";

		if (o->size != 10 || x->arg & 2)
			v = fn(x, name, 0, o->size * 8u, v, NULL);
		state_save(x->s, x86_ops_addr(x, 0), v);
	}
	if (x->arg & 1)
		pop(x);
}

void x86_x87_exchange(struct step *x)
{
	unsigned i = x->i->nops ? st_of(&x->i->op[x->i->nops - 1]) : 1;
	const struct expr *a = get(x, 0), *b = get(x, i);

	put(x, i, a);
	put(x, 0, b);
}

/*
 * arg: operation (see base_name), + 4: reversed, + 8: pop, + 16: with an integer. With one register
 * the result goes to st(0), or to that register when the instruction pops.
 */
void x86_x87_arith(struct step *x)
{
	const struct insn *i = x->i;
	bool to_first = i->nops == 2 || x->arg & 8;
	unsigned to = 0;
	const struct expr *a, *b, *r;

	if (i->nops == 0) {
		to = 1; /* faddp: st(1) */
		a = get(x, 1);
		b = get(x, 0);
	} else if (to_first && i->op[0].kind == INSN_OP_REG) {
		to = st_of(&i->op[0]);
		a = get(x, to);
		b = i->nops == 2 ? number(x, 1, false) : get(x, 0);
	} else {
		a = get(x, 0);
		b = number(x, 0, x->arg & 16);
	}
	r = x->arg & 4 ? fn(x, base_name(x->arg & 3), 0, WIDTH, b, a)
		       : fn(x, base_name(x->arg & 3), 0, WIDTH, a, b);
	put(x, to, r);
	if (x->arg & 8)
		pop(x);
}

/* fchs, fabs: the sign is the top bit. arg: 1: fabs. */
void x86_x87_sign(struct step *x)
{
	const struct expr *a = get(x, 0), *sign = expr_extract(x->p, a, WIDTH - 1, 1);

	sign = x->arg ? x86_ops_const(x, 1, 0) : expr_not(x->p, sign);
	put(x, 0, expr_concat(x->p, sign, expr_extract(x->p, a, 0, WIDTH - 1)));
}

/* fsqrt, fsin ... of st(0); arg: number of results, pushed but for the first. */
void x86_x87_unary(struct step *x)
{
	const struct expr *a = get(x, 0);

	put(x, 0, fn(x, x->i->mnemonic, 0, WIDTH, a, NULL));
	if (x->arg == 2)
		push(x, fn(x, x->i->mnemonic, 1, WIDTH, a, NULL));
}

/* fscale, fprem of st(0) and st(1); arg: 1: to st(1), and pop (fyl2x, fpatan). */
void x86_x87_binary(struct step *x)
{
	const struct expr *r = fn(x, x->i->mnemonic, 0, WIDTH, get(x, 0), get(x, 1));

	put(x, x->arg, r);
	if (x->arg)
		pop(x);
}

/* Comparisons with st(0); arg: pops, + 4: to the flags, + 8: with an integer, + 16: with zero. */
void x86_x87_compare(struct step *x)
{
	unsigned last = x->i->nops ? x->i->nops - 1u : 0;
	const struct expr *a = get(x, 0), *b;

	if (x->arg & 16)
		b = NULL;
	else
		b = x->i->nops ? number(x, last, x->arg & 8) : get(x, 1);
	if (x->arg & 4) {
		flags_set(x->s, FLAG_ALL6, FLAGS_VALUE, x86_ops_const(x, 1, 0), NULL, NULL);
		flags_put(x->s, X86_CF, fn(x, "fcom", X86_CF, 1, a, b));
		flags_put(x->s, X86_PF, fn(x, "fcom", X86_PF, 1, a, b));
		flags_put(x->s, X86_ZF, fn(x, "fcom", X86_ZF, 1, a, b));
	} else {
		state_set(x->s, (struct insn_reg){X86_FPSW, STATUS, 2},
			fn(x, "fcom", X86_FLAG_COUNT, 16, a, b));
	}
	for (unsigned i = 0; i < (x->arg & 3); i++)
		pop(x);
}

/* arg: enum x86_cc */
void x86_x87_cmov(struct step *x)
{
	const struct expr *c = state_cond(x->s, x->arg), *a = get(x, 0);
	const struct expr *b = get(x, st_of(&x->i->op[x->i->nops - 1]));

	put(x, 0, expr_ite(x->p, c, b, a));
}

/* fnstcw, fldcw, fnstsw; arg: 0 store control, 1 load control, 2 store status. */
void x86_x87_control(struct step *x)
{
	struct insn_reg r = {X86_FPSW, x->arg == 2 ? STATUS : CONTROL, 2};
	const struct insn_op *o = &x->i->op[0];

	if (x->arg == 1)
		state_set(x->s, r, x86_ops_low(x, 0, 16));
	else if (o->kind == INSN_OP_REG)
		x86_ops_set_reg(x, X86_RAX, state_get(x->s, r));
	else
		state_save(x->s, x86_ops_addr(x, 0), state_get(x->s, r));
}
