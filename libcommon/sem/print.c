/*
 * print.c: expressions as text (BinBert section 3.3 and Table 1).
 *
 * One idea: binary operators are words between their operands, everything else looks like a
 * function, and an operand that is itself a binary operation stands in parentheses. Two habits of
 * the paper's table are kept: in an address the constant comes last (`rbp add -168`), elsewhere
 * first; and a field of fewer than 8 bits that is compared is shown as the byte it would be in a
 * machine, `0 Concat x [1:1]`.
 */
#include "sem/print.h"

#include <inttypes.h>
#include <string.h>

#include "code/insn.h"
#include "sem/simd.h"
#include "sem/processor.h"

enum place {
	PLACE_TOP,     /* no parentheses needed */
	PLACE_OPERAND, /* of a binary operator */
	PLACE_ADDRESS, /* within * ( ) */
};

struct out {
	struct buf *b;
	struct expr_pool *p;
};

static void put(const struct out *o, const struct expr *e, enum place place);

static void token(struct buf *b, const char *s)
{
	buf_puts(b, s);
	buf_putc(b, ' ');
}

/* A name as one token: a linkage name has no blanks, but a hostile file may say otherwise. */
static void name(struct buf *b, const char *s)
{
	size_t start = b->n;

	buf_puts(b, s);
	for (size_t i = start; i < b->n; i++)
		if (b->p[i] <= ' ' || b->p[i] == 127)
			b->p[i] = '_';
	buf_putc(b, ' ');
}

/* The constant of n 64-bit words as a decimal number: divided by 10^19 again and again. */
static void wide_number(struct buf *b, const uint64_t *words, unsigned width)
{
	enum { DIGITS = 19, TEXT = EXPR_MAX_WIDTH / 3 + DIGITS };
	const uint64_t chunk = 10000000000000000000u;
	uint64_t w[EXPR_WORDS];
	unsigned n = (width + 63) / 64, top = (width - 1) % 64;
	bool minus = words[n - 1] >> top & 1;
	char text[TEXT + 2];
	size_t at = sizeof(text) - 1;

	memcpy(w, words, n * sizeof(*w));
	if (minus) { /* -x = ~x + 1 */
		bool carry = true;

		for (unsigned i = 0; i < n; i++) {
			w[i] = ~w[i] + carry;
			carry = carry && !w[i];
		}
		if (top < 63)
			w[n - 1] &= (UINT64_C(2) << top) - 1;
	}
	text[at] = '\0';
	while (n) {
		uint64_t rest = 0;

		for (unsigned i = n; i--;) {
			unsigned __int128 x = (unsigned __int128)rest << 64 | w[i];

			w[i] = (uint64_t)(x / chunk);
			rest = (uint64_t)(x % chunk);
		}
		while (n && !w[n - 1])
			n--;
		for (unsigned i = 0; i < DIGITS && (n || rest || i == 0); i++) {
			text[--at] = (char)('0' + rest % 10);
			rest /= 10;
		}
	}
	if (minus)
		text[--at] = '-';
	token(b, text + at);
}

/* Fields of fewer than 8 bits are parts of bytes and have no sign. */
static void number(struct buf *b, const struct expr *e, bool is_unsigned)
{
	unsigned shift = 64 - e->width;

	if (e->width > 64) {
		wide_number(b, expr_words(e), e->width);
		return;
	}
	if (is_unsigned || e->width < 8 || !(e->val >> (e->width - 1) & 1)) {
		buf_putu(b, e->val);
	} else {
		buf_putc(b, '-');
		buf_putu(b, -(uint64_t)((int64_t)(e->val << shift) >> shift));
	}
	buf_putc(b, ' ');
}

static bool is_compare(const struct expr *e)
{
	return e->op >= EXPR_EQ && e->op <= EXPR_SLE;
}

static bool is_infix(const struct expr *e)
{
	switch (e->op) {
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_XOR:
	case EXPR_ADD:
	case EXPR_MUL:
	case EXPR_UDIV:
	case EXPR_UREM:
	case EXPR_SDIV:
	case EXPR_SREM:
	case EXPR_SHL:
	case EXPR_LSHR:
	case EXPR_ASHR:
	case EXPR_ROL:
	case EXPR_ROR:
	case EXPR_CONCAT: return true;
	default: return is_compare(e);
	}
}

static void list(const struct out *o, const struct expr *const *args, size_t n)
{
	token(o->b, "(");
	for (size_t i = 0; i < n; i++) {
		if (i)
			token(o->b, ",");
		put(o, args[i], PLACE_TOP);
	}
	token(o->b, ")");
}

static void infix(const struct out *o, const struct expr *e, enum place place)
{
	const char *word = expr_op_name(e->op);
	/* The constant of a sum is arg[0]; in an address it is printed last. */
	unsigned first = place == PLACE_ADDRESS && e->op == EXPR_ADD && e->arg[0]->op == EXPR_CONST;

	for (unsigned i = first; i < e->nargs; i++) {
		if (i > first)
			token(o->b, word);
		put(o, e->arg[i], PLACE_OPERAND);
	}
	if (first) {
		token(o->b, word);
		put(o, e->arg[0], PLACE_OPERAND);
	}
}

void print_register(struct buf *b, unsigned reg, unsigned bits)
{
	const struct processor *c = processor_of(reg);
	unsigned r = reg - c->input;
	struct insn_reg part = {(uint8_t)r, 0, (uint8_t)(bits / 8)};

	token(b, r - c->vec < c->nvec ? c->reg_name(part) : processor_input_name(reg));
}

/* A part of a register that has a name of its own (al, eax, xmm0), else its bits: rsi [1:0]. */
static void field(const struct out *o, const struct expr *e)
{
	const struct expr *of = e->arg[0];
	unsigned hi = e->lo + e->width - 1u;

	if (of->op == EXPR_INPUT && of->lo % PROCESSOR_INPUTS < PROCESSOR_REGS) {
		const struct processor *c = processor_of(of->lo);
		struct insn_reg part = {(uint8_t)(of->lo - c->input), (uint8_t)(e->lo / 8),
			(uint8_t)(e->width / 8)};

		if (e->lo % 8 == 0 && e->width % 8 == 0 && *c->reg_name(part) != '?') {
			token(o->b, c->reg_name(part));
			return;
		}
		print_register(o->b, of->lo, hi < 128 ? 128 : hi < 256 ? 256 : 512);
	} else {
		put(o, of, PLACE_OPERAND);
	}
	buf_printf(o->b, "[%u:%u] ", hi, e->lo);
}

static void compare_operand(const struct out *o, const struct expr *e, bool is_unsigned)
{
	if (e->op == EXPR_CONST) {
		number(o->b, e, is_unsigned);
		return;
	}
	if (e->op == EXPR_EXTRACT && e->width < 8) {
		token(o->b, "0");
		token(o->b, expr_op_name(EXPR_CONCAT));
	}
	put(o, e, is_compare(e) ? PLACE_OPERAND : PLACE_TOP);
}

void print_cond(struct buf *b, struct expr_pool *p, const struct expr *e)
{
	struct out o = {b, p};
	struct expr_cond c = expr_cond(p, e);
	bool is_unsigned = c.rel >= EXPR_REL_ULT && c.rel <= EXPR_REL_UGE;

	compare_operand(&o, c.a, is_unsigned);
	token(b, expr_rel_name(c.rel));
	compare_operand(&o, c.b, is_unsigned);
}

static void function(const struct out *o, const struct expr *e)
{
	if (e->op == EXPR_FN && e->lo) { /* an output that is not the first */
		name(o->b, e->name);
		o->b->n--;
		buf_printf(o->b, ".%u ", e->lo);
	} else if (e->op == EXPR_FN) {
		name(o->b, e->name);
	} else if (e->op == EXPR_SIMD) {
		token(o->b, simd_name(e->lo));
	} else {
		token(o->b, expr_op_name(e->op));
	}
	list(o, e->arg, e->nargs);
}

static void put(const struct out *o, const struct expr *e, enum place place)
{
	bool group = place == PLACE_OPERAND && is_infix(e);

	if (group)
		token(o->b, "(");
	if (is_compare(e))
		print_cond(o->b, o->p, e);
	else if (is_infix(e))
		infix(o, e, place);
	else if (e->op == EXPR_CONST)
		number(o->b, e, false);
	else if (e->op == EXPR_INPUT)
		print_register(o->b, e->lo, e->width);
	else if (e->op == EXPR_EXTRACT)
		field(o, e);
	else if (e->op == EXPR_LOAD && e->nargs == 1)
		print_memory(o->b, o->p, e->arg[0]);
	else if (e->op == EXPR_TRUNC)
		token(o->b, "?");
	else
		function(o, e);
	if (group)
		token(o->b, ")");
}

void print_value(struct buf *b, struct expr_pool *p, const struct expr *e)
{
	put(&(struct out){b, p}, e, PLACE_TOP);
}

void print_memory(struct buf *b, struct expr_pool *p, const struct expr *addr)
{
	token(b, "*");
	token(b, "(");
	put(&(struct out){b, p}, addr, PLACE_ADDRESS);
	token(b, ")");
}

void print_call(struct buf *b, struct expr_pool *p, const char *callee, const struct expr *target,
	const struct expr *const *args, size_t n)
{
	struct out o = {b, p};

	if (callee)
		name(b, callee);
	else
		put(&o, target, PLACE_OPERAND);
	list(&o, args, n);
}
