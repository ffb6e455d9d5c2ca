/*
 * x86.c: one instruction on a state: finds the mnemonic's handler and gives it the operands.
 *
 * What has no handler is executed as an uninterpreted function of all it reads (x86_ops_unknown),
 * with the operands' access rights and the implicit registers the decoder knows.
 */
#include "sem/x86.h"

#include "sem/x86_ops.h"

unsigned x86_ops_width(const struct step *x, unsigned k)
{
	const struct insn_op *o = &x->i->op[k];

	if (o->kind == INSN_OP_MEM && x->i->bcast)
		return 8u * o->size * x->i->bcast;
	return 8u * (o->kind == INSN_OP_IMM || o->kind == INSN_OP_REL ? x->i->op[0].size : o->size);
}

bool x86_ops_is_mem(const struct step *x, unsigned k)
{
	return k < x->i->nops && x->i->op[k].kind == INSN_OP_MEM;
}

bool x86_ops_is_imm(const struct step *x, unsigned k)
{
	return k < x->i->nops && x->i->op[k].kind == INSN_OP_IMM;
}

bool x86_ops_same(const struct step *x, unsigned k, unsigned l)
{
	const struct insn_op *a = &x->i->op[k], *b = &x->i->op[l];

	return a->kind == INSN_OP_REG && b->kind == INSN_OP_REG && a->reg.id == b->reg.id &&
	       a->reg.lo == b->reg.lo && a->reg.size == b->reg.size;
}

const struct expr *x86_ops_const(struct step *x, unsigned width, uint64_t v)
{
	return expr_const(x->p, width, v);
}

const struct expr *x86_ops_reg(struct step *x, enum x86_reg r, unsigned size)
{
	return state_get(x->s, (struct insn_reg){(uint8_t)r, 0, (uint8_t)size});
}

void x86_ops_set_reg(struct step *x, enum x86_reg r, const struct expr *v)
{
	if (r <= X86_R15 && v->width == 32)
		v = expr_zext(x->p, v, 8 * x->word);
	state_set(x->s, (struct insn_reg){(uint8_t)r, 0, (uint8_t)(v->width / 8)}, v);
}

/* 32-bit code: what may be the memory operand that a reference is about. */
static bool may_be_referred(const struct insn_op *o)
{
	return o->kind == INSN_OP_MEM && o->mem.base != X86_RSP && o->mem.addr_size == 4 &&
	       o->mem.seg != X86_FS && o->mem.seg != X86_GS;
}

/*
 * 32-bit code: whether the reference says where base + displacement of memory operand k is, as in
 * code that can be moved, whose base is the address of the GOT. It may as well be about an
 * immediate, or say what the displacement says.
 */
static bool is_referred(const struct step *x, const struct insn_op *o)
{
	const struct expr *at = x->s->address;

	if (!at || !may_be_referred(o))
		return false;
	for (unsigned k = 0; k < x->i->nops; k++)
		if (x->i->op[k].kind == INSN_OP_IMM && (uint32_t)x->i->op[k].imm == at->val)
			return false;
	return o->mem.base == X86_NOREG || (uint32_t)o->mem.disp != at->val;
}

const struct expr *x86_ops_addr(struct step *x, unsigned k)
{
	const struct insn_op *o = &x->i->op[k];
	unsigned size = MIN(o->mem.addr_size ? o->mem.addr_size : x->word, x->word);
	const struct expr *a = NULL, *e;
	bool referred;

	if (x->addr[k])
		return x->addr[k];
	referred = x->word == 4 && is_referred(x, o);
	if (referred)
		a = x->s->address;
	else if (o->mem.base != X86_NOREG)
		a = x86_ops_reg(x, o->mem.base, size);
	if (o->mem.index != X86_NOREG) {
		e = x86_ops_reg(x, o->mem.index, size);
		if (o->mem.scale != 1)
			e = expr_mul(x->p, expr_const(x->p, size * 8, o->mem.scale), e);
		a = a ? expr_add(x->p, a, e) : e;
	}
	if ((o->mem.disp && !referred) || !a) {
		e = expr_const(x->p, size * 8, (uint64_t)o->mem.disp);
		a = a ? expr_add(x->p, e, a) : e;
	}
	a = expr_zext(x->p, a, 8 * x->word);
	if ((o->mem.seg == X86_FS || o->mem.seg == X86_GS) && x->i->mn != X86_LEA)
		a = expr_add(x->p, a, x86_ops_reg(x, o->mem.seg, x->word));
	x->addr[k] = a;
	return a;
}

/* `width` bits of memory operand k: a broadcast one is an element, again and again. */
static const struct expr *load(struct step *x, unsigned k, unsigned width)
{
	unsigned size = x->i->bcast ? x->i->op[k].size : width / 8;
	const struct expr *v = state_load(x->s, x86_ops_addr(x, k), size), *lane[64];

	if (v->width >= width)
		return v;
	for (unsigned i = 0; i < width / v->width; i++)
		lane[i] = v;
	return expr_concatn(x->p, lane, width / v->width);
}

const struct expr *x86_ops_get(struct step *x, unsigned k)
{
	const struct insn_op *o = &x->i->op[k];

	switch (o->kind) {
	case INSN_OP_REG: return state_get(x->s, o->reg);
	case INSN_OP_MEM: return load(x, k, MAX(x86_ops_width(x, k), 8));
	default: return expr_const(x->p, MAX(MIN(x86_ops_width(x, k), 64), 8), (uint64_t)o->imm);
	}
}

const struct expr *x86_ops_low(struct step *x, unsigned k, unsigned width)
{
	const struct insn_op *o = &x->i->op[k];
	struct insn_reg r = o->reg;

	switch (o->kind) {
	case INSN_OP_REG: r.size = (uint8_t)MIN(r.size, width / 8); return state_get(x->s, r);
	case INSN_OP_MEM: return load(x, k, width);
	default: return expr_const(x->p, width, (uint64_t)o->imm);
	}
}

void x86_ops_put(struct step *x, unsigned k, const struct expr *v)
{
	const struct insn_op *o = &x->i->op[k];

	if (o->kind == INSN_OP_MEM) {
		state_save(x->s, x86_ops_addr(x, k), v);
	} else if (o->kind == INSN_OP_REG) {
		if (o->reg.lo)
			state_set(x->s, o->reg, v);
		else
			x86_ops_set_reg(x, o->reg.id, v);
	}
}

void x86_ops_push(struct step *x, const struct expr *v)
{
	const struct expr *sp = x86_ops_reg(x, X86_RSP, x->word);

	sp = expr_sub(x->p, sp, x86_ops_const(x, sp->width, v->width / 8u));
	x86_ops_set_reg(x, X86_RSP, sp);
	x->s->on_stack = true;
	state_save(x->s, sp, v);
	x->s->on_stack = false;
}

const struct expr *x86_ops_pop(struct step *x, unsigned size)
{
	const struct expr *sp = x86_ops_reg(x, X86_RSP, x->word), *v;

	x->s->on_stack = true;
	v = state_load(x->s, sp, size);
	x->s->on_stack = false;
	x86_ops_set_reg(x, X86_RSP, expr_add(x->p, sp, x86_ops_const(x, sp->width, size)));
	return v;
}

/* ---- unknown instructions ---- */

/* The decoder says eight bytes of some registers that have four. */
static struct insn_reg there(const struct step *x, struct insn_reg r)
{
	if (r.id != X86_FLAGS && x->s->cpu->size[r.id])
		r.size = MIN(r.size, x->s->cpu->size[r.id]);
	return r;
}

static unsigned unknown_args(struct step *x, const struct expr **arg, unsigned max)
{
	const struct insn *i = x->i;
	unsigned n = 0;

	for (unsigned k = 0; k < i->nops && n < max; k++) {
		const struct insn_op *o = &i->op[k];

		if (o->kind == INSN_OP_MEM && (o->size == 0 || o->size > EXPR_MAX_WIDTH / 8)) {
			arg[n++] = x86_ops_addr(x, k); /* fxsave, xsave: a region */
			if (x->s->fx)
				x->s->fx->overflow = true;
		} else if (o->kind == INSN_OP_IMM || o->access & INSN_READ)
			arg[n++] = x86_ops_get(x, k);
		else if (o->kind == INSN_OP_MEM) /* where it writes is an input as well */
			(void)x86_ops_addr(x, k);
	}
	for (unsigned k = 0; k < i->nreads && n + X86_FLAG_COUNT <= max; k++) {
		if (i->reads[k].id != X86_FLAGS)
			arg[n++] = state_get(x->s, there(x, i->reads[k]));
		else
			for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
				arg[n++] = state_flag(x->s, f);
	}
	return n;
}

/* Instructions that write more memory than the decoder can say. */
static bool writes_region(unsigned mn)
{
	switch (mn) {
	case X86_FXSAVE:
	case X86_FXSAVE64:
	case X86_XSAVE:
	case X86_XSAVE64:
	case X86_XSAVEC:
	case X86_XSAVEC64:
	case X86_XSAVEOPT:
	case X86_XSAVEOPT64:
	case X86_XSAVES:
	case X86_XSAVES64:
	case X86_FNSAVE:
	case X86_FNSTENV: return true;
	default: return false;
	}
}

void x86_ops_unknown(struct step *x)
{
	const struct insn *i = x->i;
	const struct expr *arg[1 + INSN_MAX_OPS + INSN_MAX_IMPLICIT + 2 * X86_FLAG_COUNT];
	unsigned n = unknown_args(x, arg, COUNT_OF(arg) - 1), out = 0;

	if (i->rounding > INSN_ROUND_NEAREST)
		arg[n++] = x86_ops_const(x, 8, i->rounding);

	x->known = false;
	if (x->s->fx && writes_region(i->mn))
		x->s->fx->overflow = true;
	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *o = &i->op[k];
		unsigned size = o->kind == INSN_OP_REG ? o->reg.size : o->size;

		if (o->access & INSN_WRITE && size && size <= EXPR_MAX_WIDTH / 8)
			x86_ops_put(x, k, expr_fn(x->p, i->mnemonic, out++, size * 8, arg, n));
	}
	for (unsigned k = 0; k < i->nwrites; k++) {
		struct insn_reg r = there(x, i->writes[k]);

		if (r.id != X86_FLAGS && r.size)
			x86_ops_set_reg(
				x, r.id, expr_fn(x->p, i->mnemonic, out++, r.size * 8u, arg, n));
		else if (r.id == X86_FLAGS)
			for (unsigned f = 0; f < X86_DF; f++)
				flags_put(x->s, f, expr_fn(x->p, i->mnemonic, 100 + f, 1, arg, n));
	}
}

/* ---- the interface ---- */

/* Floating point rounds to nearest here: other roundings, where one is named, are not known. */
static bool is_plain(const struct insn *i)
{
	return i->rounding <= INSN_ROUND_NEAREST;
}

bool x86_known(const struct insn *i)
{
	return x86_table_get(i->mn)->fn && is_plain(i);
}

int x86_step(struct state *s, const struct insn *i)
{
	const struct x86_op *op = x86_table_get(i->mn);
	struct step x = {.s = s, .p = s->pool, .i = i, .arg = op->arg, .word = s->cpu->word};

	state_begin(s);
	x.known = op->fn && is_plain(i);
	if (x.known)
		op->fn(&x);
	else
		x86_ops_unknown(&x);
	if (s->fx)
		s->fx->known = x.known;
	return x.known;
}

void x86_effects(struct state *s, struct expr_pool *p, const struct insn *i, struct x86_effects *fx)
{
	state_reset(s, p, 0);
	s->fx = fx;
	x86_step(s, i);
	s->fx = NULL;
}

/* ---- the processor ---- */

static struct insn_op callee(const struct insn *i)
{
	return i->op[0];
}

/* Of the memory operand relative to rip. */
static enum processor_use use(const struct insn *i, int64_t *distance)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.base == X86_RIP) {
			*distance = i->op[k].mem.disp;
			return i->flow == INSN_FALL && i->mn != X86_LEA ? PROCESSOR_MEMORY
									: PROCESSOR_ADDRESS;
		}
	return PROCESSOR_NONE;
}

/* Of the memory operand that the reference, if there is one, may be about. */
static enum processor_use use_32(const struct insn *i, int64_t *distance)
{
	*distance = 0;
	for (unsigned k = 0; k < i->nops; k++)
		if (may_be_referred(&i->op[k]))
			return i->flow == INSN_FALL && i->mn != X86_LEA ? PROCESSOR_MEMORY
									: PROCESSOR_ADDRESS;
	return PROCESSOR_NONE;
}

static const char *flag_name(unsigned f)
{
	static const char *const name[X86_FLAG_COUNT] = {"cf", "pf", "af", "zf", "sf", "of", "df"};

	return name[f];
}

const struct processor x86_processor = {
	.input = 0,
	.word = 8,
	.pc = X86_RIP,
	.sp = X86_RSP,
	.fp = X86_RBP,
	.vec = X86_V0,
	.nvec = 32,
	/* A segment register stands for the segment's base. */
	.size = {PROCESSOR_SIXTEEN(X86_RAX, 8), [X86_RIP] = 8, PROCESSOR_FOUR(X86_ES, 8),
		PROCESSOR_TWO(X86_FS, 8), PROCESSOR_SIXTEEN(X86_V0, 64),
		PROCESSOR_SIXTEEN(X86_V0 + 16, 64), PROCESSOR_EIGHT(X86_ST0, 10),
		PROCESSOR_EIGHT(X86_MM0, 8), PROCESSOR_EIGHT(X86_K0, 8),
		PROCESSOR_SIXTEEN(X86_CR0, 8), PROCESSOR_SIXTEEN(X86_DR0, 8),
		PROCESSOR_FOUR(X86_BND0, 16), PROCESSOR_FOUR(X86_FPSW, 4)},
	/* System V ABI, section 3.2. */
	.kept = {PROCESSOR_BIT(X86_RBX) | PROCESSOR_BIT(X86_RBP) | PROCESSOR_BIT(X86_RSP) |
		 PROCESSOR_BIT(X86_R12) | PROCESSOR_BIT(X86_R13) | PROCESSOR_BIT(X86_R14) |
		 PROCESSOR_BIT(X86_R15)},
	.hidden = {PROCESSOR_BIT(X86_RIP) | PROCESSOR_BIT(X86_FLAGS),
		PROCESSOR_BIT(X86_FPSW) | PROCESSOR_BIT(X86_MXCSR)},
	.frame = {PROCESSOR_BIT(X86_RSP)},
	.nargs = 6,
	.arg = {X86_RDI, X86_RSI, X86_RDX, X86_RCX, X86_R8, X86_R9},
	.nvec_args = 8,
	.vec_count = X86_RAX,
	.implicit = true,
	.step = x86_step,
	.known = x86_known,
	.callee = callee,
	.use = use,
	.reg_name = insn_reg_name,
	.flag_name = flag_name,
};

/* 32-bit code: the same instructions, of the registers that there are. */
const struct processor x86_32_processor = {
	.input = 2 * PROCESSOR_INPUTS,
	.word = 4,
	.pc = X86_RIP,
	.sp = X86_RSP,
	.fp = X86_RBP,
	.vec = X86_V0,
	.nvec = 8,
	.size = {PROCESSOR_EIGHT(X86_RAX, 4), [X86_RIP] = 4, PROCESSOR_FOUR(X86_ES, 4),
		PROCESSOR_TWO(X86_FS, 4), PROCESSOR_EIGHT(X86_V0, 64), PROCESSOR_EIGHT(X86_ST0, 10),
		PROCESSOR_EIGHT(X86_MM0, 8), PROCESSOR_EIGHT(X86_K0, 8),
		PROCESSOR_EIGHT(X86_CR0, 4), PROCESSOR_EIGHT(X86_DR0, 4),
		PROCESSOR_FOUR(X86_BND0, 16), PROCESSOR_FOUR(X86_FPSW, 4)},
	/* System V ABI of the Intel386, section 2.2: arguments are on the stack. */
	.kept = {PROCESSOR_BIT(X86_RBX) | PROCESSOR_BIT(X86_RBP) | PROCESSOR_BIT(X86_RSP) |
		 PROCESSOR_BIT(X86_RSI) | PROCESSOR_BIT(X86_RDI)},
	.hidden = {PROCESSOR_BIT(X86_RIP) | PROCESSOR_BIT(X86_FLAGS),
		PROCESSOR_BIT(X86_FPSW) | PROCESSOR_BIT(X86_MXCSR)},
	.frame = {PROCESSOR_BIT(X86_RSP) | PROCESSOR_BIT(X86_RBP)},
	.vec_count = PROCESSOR_NOREG,
	.implicit = true,
	.step = x86_step,
	.known = x86_known,
	.callee = callee,
	.use = use_32,
	.reg_name = insn_reg_name,
	.flag_name = flag_name,
};
