/*
 * a64.c: one AArch64 instruction on a state: the table of classes (Arm ARM, C4: the encoding
 * index), registers, and what the rest of the suite asks of the processor.
 */
#include "sem/a64.h"

#include "sem/a64_ops.h"

/* ---- registers ---- */

const struct expr *a64_get_sp(struct a64 *x, unsigned r, bool wide)
{
	return state_get(x->s, (struct insn_reg){(uint8_t)r, 0, wide ? 8 : 4});
}

const struct expr *a64_get(struct a64 *x, unsigned r, bool wide)
{
	return r == 31 ? a64_const(x, wide ? 64 : 32, 0) : a64_get_sp(x, r, wide);
}

void a64_put_sp(struct a64 *x, unsigned r, const struct expr *v)
{
	state_set(x->s, (struct insn_reg){(uint8_t)r, 0, 8}, expr_zext(x->p, v, 64));
}

void a64_put(struct a64 *x, unsigned r, const struct expr *v)
{
	if (r != 31)
		a64_put_sp(x, r, v);
}

const struct expr *a64_get_lane(struct a64 *x, unsigned r, unsigned lane, unsigned bits)
{
	return state_get(x->s, (struct insn_reg){(uint8_t)(A64_V0 + r), (uint8_t)(lane * bits / 8),
				       (uint8_t)(bits / 8)});
}

void a64_put_lane(struct a64 *x, unsigned r, unsigned lane, const struct expr *v)
{
	state_set(x->s,
		(struct insn_reg){(uint8_t)(A64_V0 + r), (uint8_t)(lane * v->width / 8),
			(uint8_t)(v->width / 8)},
		v);
}

const struct expr *a64_get_vec(struct a64 *x, unsigned r, unsigned size)
{
	return a64_get_lane(x, r, 0, size * 8);
}

void a64_put_vec(struct a64 *x, unsigned r, const struct expr *v)
{
	a64_put_lane(x, r, 0, expr_zext(x->p, v, 128));
}

/* ---- flags ---- */

unsigned a64_cc(unsigned c)
{
	static const uint8_t of[16] = {X86_CC_E, X86_CC_NE, X86_CC_B, X86_CC_AE, X86_CC_S,
		X86_CC_NS, X86_CC_O, X86_CC_NO, STATE_CC_HI, STATE_CC_LS, X86_CC_GE, X86_CC_L,
		X86_CC_G, X86_CC_LE, X86_CC_NONE, X86_CC_NONE};

	return of[c]; /* hs is the carry itself, which x86 calls b */
}

unsigned a64_nzcv(unsigned bits)
{
	return (bits & 8 ? FLAG_S : 0) | (bits & 4 ? FLAG_Z : 0) | (bits & 2 ? FLAG_C : 0) |
	       (bits & 1 ? FLAG_O : 0);
}

void a64_compare(struct a64 *x, const struct expr *a, const struct expr *b)
{
	flags_set(x->s, A64_NZCV, FLAGS_SUBC, a, b, NULL);
}

/* ---- the table ---- */

/* clang-format off */
static const struct a64_class immediates[] = {
	{0x1f000000, 0x10000000, a64_int_adr},
	{0x1f800000, 0x11000000, a64_int_add_imm},
	{0x1f800000, 0x12000000, a64_int_logic_imm},
	{0x1f800000, 0x12800000, a64_int_move_wide},
	{0x1f800000, 0x13000000, a64_int_bitfield},
	{0x1f800000, 0x13800000, a64_int_extract},
	{0, 0, NULL},
};
static const struct a64_class branches[] = {
	{0x7c000000, 0x14000000, a64_flow_jump},
	{0xff000010, 0x54000000, a64_flow_cond},
	{0x7e000000, 0x34000000, a64_flow_compare_zero},
	{0x7e000000, 0x36000000, a64_flow_test_bit},
	{0xfe000000, 0xd6000000, a64_flow_register},
	{0xfffff01f, 0xd503201f, a64_flow_nop}, /* hints: nop, bti, paciasp */
	{0xfffff000, 0xd5033000, a64_flow_nop}, /* barriers */
	{0xffe00000, 0xd4200000, a64_flow_nop}, /* brk */
	{0xffdfffe0, 0xd51b4200, a64_flow_flags},
	{0xffe0001f, 0xd4000001, a64_flow_system_call},
	{0, 0, NULL},
};
static const struct a64_class memory[] = {
	{0x3b000000, 0x18000000, a64_mem_literal},
	{0x3a000000, 0x28000000, a64_mem_pair},
	{0x3b200000, 0x38000000, a64_mem_one},    /* an offset of nine bits, before or after */
	{0x3b200c00, 0x38200800, a64_mem_one},    /* an index */
	{0x3b000000, 0x39000000, a64_mem_one},    /* an offset of twelve bits */
	{0x3f000000, 0x08000000, a64_mem_ordered},
	{0xbfbf0000, 0x0c000000, a64_mem_vectors},
	{0xbfa00000, 0x0c800000, a64_mem_vectors},
	{0xbf9f0000, 0x0d000000, a64_mem_lane},
	{0xbf800000, 0x0d800000, a64_mem_lane},
	{0, 0, NULL},
};
static const struct a64_class registers[] = {
	{0x1f000000, 0x0a000000, a64_int_logic},
	{0x1f200000, 0x0b000000, a64_int_add},
	{0x1fe00000, 0x0b200000, a64_int_add_extended},
	{0x1fe0fc00, 0x1a000000, a64_int_add_carry},
	{0x3fe00410, 0x3a400000, a64_int_cond_compare},
	{0x3fe00800, 0x1a800000, a64_int_cond_select},
	{0x7fe0f800, 0x1ac00800, a64_int_two}, /* udiv, sdiv */
	{0x7fe0f000, 0x1ac02000, a64_int_two}, /* shifts */
	{0x7fffe000, 0x5ac00000, a64_int_one},
	{0x7fe00000, 0x1b000000, a64_int_three}, /* madd, msub */
	{0xff600000, 0x9b200000, a64_int_three}, /* smaddl, umaddl ... */
	{0xff608000, 0x9b400000, a64_int_three}, /* smulh, umulh */
	{0, 0, NULL},
};
static const struct a64_class vectors[] = {
	{0x7fa0fc00, 0x1e200000, a64_float_integer},
	{0xfffefc00, 0x9eae0000, a64_float_upper},
	{0xffa07c00, 0x1e204000, a64_float_one},
	{0xffa0fc07, 0x1e202000, a64_float_compare},
	{0xffa01fe0, 0x1e201000, a64_float_imm},
	{0xffa00c00, 0x1e200400, a64_float_cond_compare},
	{0xffa00c00, 0x1e200800, a64_float_two},
	{0xffa00c00, 0x1e200c00, a64_float_select},
	{0xff800000, 0x1f000000, a64_float_three},
	{0x9ff80400, 0x0f000400, a64_vec_imm},
	{0x9fe08400, 0x0e000400, a64_vec_copy},
	{0xffe0fc00, 0x5e000400, a64_vec_scalar}, /* mov d0, v1.d[1] */
	{0x9f20fc00, 0x0e201c00, a64_vec_logic},
	{0x9f200400, 0x0e200400, a64_vec_lanes},
	{0xbfe08400, 0x2e000000, a64_vec_extract},
	{0x9f800400, 0x0f000400, a64_lanes_shift},
	{0xbf208c00, 0x0e000800, a64_lanes_permute},
	{0xbf3ffc00, 0x0e200800, a64_lanes_reverse}, /* rev64 */
	{0xbf3ffc00, 0x2e200800, a64_lanes_reverse}, /* rev32 */
	{0xbf3ffc00, 0x0e201800, a64_lanes_reverse}, /* rev16 */
	{0xbffffc00, 0x2e205800, a64_lanes_not},
	{0x9fbffc00, 0x0e21d800, a64_lanes_from_int},
	{0xdfbffc00, 0x5e21d800, a64_lanes_from_int},
	{0, 0, NULL},
};
/* By bits 28 to 25. */
static const struct a64_class *const groups[16] = {
	[4] = memory, [5] = registers, [6] = memory, [7] = vectors, [8] = immediates,
	[9] = immediates, [10] = branches, [11] = branches, [12] = memory, [13] = registers,
	[14] = memory, [15] = vectors,
};
/* clang-format on */

const struct a64_class *a64_class(uint32_t w)
{
	const struct a64_class *c = groups[w >> 25 & 15];

	while (c && c->fn && (w & c->mask) != c->value)
		c++;
	return c && c->fn ? c : NULL;
}

/* ---- one instruction ---- */

int a64_step(struct state *s, const struct insn *i)
{
	const struct a64_class *c = a64_class(i->word);
	struct a64 x = {.s = s, .p = s->pool, .i = i, .w = i->word, .known = true};

	state_begin(s);
	if (!i->text) /* these bytes are no instruction */
		x.known = false;
	else if (c)
		c->fn(&x);
	else
		a64_text_unknown(&x);
	if (s->fx)
		s->fx->known = x.known;
	return x.known;
}

/* Some forms of a class have no meaning: a step tells. */
bool a64_known(const struct insn *i)
{
	struct expr_pool *p;
	struct state s = {.cpu = &a64_processor};
	bool known;

	if (!a64_class(i->word))
		return false;
	p = expr_pool_new(1024);
	state_reset(&s, p, 0);
	known = a64_step(&s, i);
	state_free(&s);
	expr_pool_free(p);
	return known;
}

/* ---- the processor ---- */

/* blr x3, and br x16 where it is a call. */
static struct insn_op callee(const struct insn *i)
{
	struct insn_op o = {.kind = INSN_OP_REL, .size = 8, .access = INSN_READ};

	if ((i->word & 0xfe000000) == 0xd6000000) {
		o.kind = INSN_OP_REG;
		o.reg = (struct insn_reg){(uint8_t)(i->word >> 5 & 31), 0, 8};
	}
	return o;
}

/* adr, adrp; add of the rest of an address; loads and stores with an offset or of a literal. */
static enum processor_use use(const struct insn *i, int64_t *distance)
{
	uint32_t w = i->word;

	*distance = 0;
	if ((w & 0x1f000000) == 0x10000000 || (w & 0x7fc00000) == 0x11000000)
		return PROCESSOR_ADDRESS;
	if ((w & 0x3b000000) == 0x39000000 || (w & 0x3b000000) == 0x18000000)
		return PROCESSOR_MEMORY;
	return PROCESSOR_NONE;
}

/* v without a constant that is added to it. */
static const struct expr *without_constant(const struct expr *v, uint64_t multiple_of)
{
	bool has = v->op == EXPR_ADD && v->nargs == 2 && v->arg[0]->op == EXPR_CONST &&
		   v->arg[0]->val % multiple_of == 0;

	return has ? v->arg[1] : v;
}

/* v * 4096, or NULL. */
static const struct expr *pages(const struct expr *v)
{
	if (v->op == EXPR_CONCAT && v->nargs == 2 && v->arg[1]->width == 12 &&
		expr_is_const(v->arg[1], 0))
		return v->arg[0];
	if (v->op != EXPR_MUL || v->nargs != 2 || !expr_is_const(v->arg[0], 4096))
		return NULL;
	v = v->arg[1];
	return v->op == EXPR_CONCAT && v->nargs == 2 ? v->arg[1] : NULL;
}

/* The page of pc, or pages away from it: what adrp makes. */
static bool is_half(const struct expr *v)
{
	v = pages(without_constant(v, 4096));
	if (!v || v->op != EXPR_EXTRACT || v->lo != 12)
		return false;
	v = without_constant(v->arg[0], 1);
	return v->op == EXPR_INPUT && v->lo == a64_processor.input + A64_PC;
}

#define TEN(l, t) \
	l t "0", l t "1", l t "2", l t "3", l t "4", l t "5", l t "6", l t "7", l t "8", l t "9"
#define THIRTY(l) TEN(l, ""), TEN(l, "1"), TEN(l, "2"), l "30"

/*
 * Vector registers are called by their 128 bits alone, so that parts of them look as parts of
 * x86's do.
 */
static const char *reg_name(struct insn_reg r)
{
	static const char *const name[3][32] = {
		{THIRTY("x"), "sp"}, {THIRTY("w"), "wsp"}, {THIRTY("q"), "q31"}};

	if (r.lo)
		return "?";
	if (r.id < A64_V0 && (r.size == 8 || r.size == 4))
		return name[r.size == 4][r.id];
	if (r.id >= A64_V0 && r.id < A64_V0 + 32 && r.size >= 16)
		return name[2][r.id - A64_V0];
	return r.id == A64_PC && r.size == 8 ? "pc" : "?";
}

const struct processor a64_processor = {
	.input = PROCESSOR_INPUTS,
	.word = 8,
	.pc = A64_PC,
	.sp = A64_SP,
	.fp = 29,
	.vec = A64_V0,
	.nvec = 32,
	.size = {PROCESSOR_EIGHT(0, 8), PROCESSOR_EIGHT(8, 8), PROCESSOR_EIGHT(16, 8),
		PROCESSOR_EIGHT(24, 8), PROCESSOR_EIGHT(A64_V0, 16),
		PROCESSOR_EIGHT(A64_V0 + 8, 16), PROCESSOR_EIGHT(A64_V0 + 16, 16),
		PROCESSOR_EIGHT(A64_V0 + 24, 16), [A64_PC] = 8},
	/* Procedure Call Standard for the Arm 64-bit Architecture, section 6.1. */
	.kept = {UINT64_C(0x7ff) << 19 | PROCESSOR_BIT(A64_SP) | UINT64_C(0xff) << (A64_V0 + 8)},
	.hidden = {0, 1},
	.frame = {PROCESSOR_BIT(A64_SP) | PROCESSOR_BIT(29)},
	.nargs = 8,
	.arg = {0, 1, 2, 3, 4, 5, 6, 7},
	.nvec_args = 8,
	.vec_count = PROCESSOR_NOREG,
	.implicit = false,
	.step = a64_step,
	.known = a64_known,
	.callee = callee,
	.use = use,
	.is_half = is_half,
	.reg_name = reg_name,
	.flag_name = processor_nzcv_name,
};
