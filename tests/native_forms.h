/*
 * native_forms.h: the encodings of x86-64 form by form, for tests/unit/native.c: opcode map,
 * prefix, opcode, ModRM extension, VEX and EVEX fields, register or memory; the rest is random. The
 * decoder says which are instructions.
 */
#ifndef NATIVE_FORMS_H
#define NATIVE_FORMS_H

#include "base/mem.h"
#include "base/rng.h"
#include "sem/x86.h"
#include "tests/native_machine.h"

enum { LEGACY, VEX, EVEX };
enum { OLD_FORMS = 1 << 20, EVEX_FORMS = 1 << 17 };

/*
 * A form: everything of an encoding but registers, addressing mode and immediates; of EVEX, the
 * mask and ModRM.reg as well, and b says broadcast or rounding.
 */
struct form {
	uint8_t coding, map, prefix, w, l, b, opcode, reg, mem;
};

static const uint8_t prefixes[6][2] = {{0}, {0x66}, {0xf3}, {0xf2}, {0x66, 0xf3}, {0x66, 0xf2}};

struct code {
	uint8_t b[32];
	unsigned n;
	struct insn insn;
};

/* ModRM and what belongs to it; then bytes for an immediate. */
static void operands(struct code *c, const struct form *f, struct rng *r)
{
	static const uint8_t corner[] = {0, 1, 2, 0x7f, 0x80, 0xff, 31, 32, 63, 64};
	unsigned mod = f->mem ? pick(r, 3) : 3, rm = pick(r, 8), imm = rng_u32(r);

	c->b[c->n++] = (uint8_t)(mod << 6 | (f->coding == EVEX ? pick(r, 8) : f->reg) << 3 | rm);
	if (mod != 3 && rm == 4)
		c->b[c->n++] = (uint8_t)rng_u32(r);
	if (pick(r, 2))
		imm = corner[pick(r, COUNT_OF(corner))];
	for (unsigned i = 0; i < 12; i++)
		c->b[c->n + i] = (uint8_t)rng_u32(r);
	memcpy(c->b + c->n + (mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0), &imm, 4);
	c->n += 12;
}

static void encode_evex(struct code *c, const struct form *f, struct rng *r)
{
	unsigned v = pick(r, 2) ? 31 : pick(r, 32), mask = pick(r, 3) ? pick(r, 8) : 0;

	c->b[c->n++] = 0x62;
	c->b[c->n++] = (uint8_t)(pick(r, 16) << 4 | f->map);
	c->b[c->n++] = (uint8_t)(f->w << 7 | (v & 15) << 3 | 4 | f->prefix);
	c->b[c->n++] =
		(uint8_t)((mask && pick(r, 2)) << 7 | f->l << 5 | f->b << 4 | (v >> 4) << 3 | mask);
}

static void encode(struct code *c, const struct form *f, struct rng *r)
{
	unsigned rexb = pick(r, 8);

	c->n = 0;
	/* Not for loop and jrcxz; with REX.W capstone 4.0.2 takes 67 for 66. */
	if (f->mem && !f->w && !pick(r, 16) && (f->map || (f->opcode & 0xfc) != 0xe0))
		c->b[c->n++] = 0x67;
	if (f->coding == EVEX) {
		encode_evex(c, f, r);
	} else if (f->coding == VEX) {
		static const uint8_t pp[] = {0, 1, 2, 3, 0, 0};

		c->b[c->n++] = 0xc4;
		c->b[c->n++] = (uint8_t)(rexb << 5 | (f->map & 3));
		c->b[c->n++] = (uint8_t)(f->w << 7 | pick(r, 16) << 3 | f->l << 2 | pp[f->prefix]);
	} else {
		for (unsigned i = 0; i < 2; i++)
			if (prefixes[f->prefix][i])
				c->b[c->n++] = prefixes[f->prefix][i];
		if (f->w || pick(r, 2))
			c->b[c->n++] = (uint8_t)(0x40 | f->w << 3 | rexb);
		if (f->map)
			c->b[c->n++] = 0x0f;
		if (f->map >= 2)
			c->b[c->n++] = f->map == 2 ? 0x38 : 0x3a;
	}
	c->b[c->n++] = f->opcode;
	operands(c, f, r);
}

/* What cannot be run here, though it has a meaning. */
static bool excluded(const struct insn *i)
{
	switch (i->mn) {
	case X86_HLT:
	case X86_UD2:
	case X86_INT3:
	case X86_STMXCSR: /* has the exceptions of all instructions before */
	case X86_LDMXCSR:
	case X86_VSTMXCSR:
	case X86_VLDMXCSR:
	case X86_POPF: /* would set the trap and alignment flags */
	case X86_POPFQ: return true;
	default: break;
	}
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.id == X86_ST0 + 7)
			return true; /* is empty */
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.seg != X86_NOREG &&
			i->op[k].mem.seg >= X86_FS)
			return true;
	return i->flow != INSN_FALL && i->flow != INSN_COND;
}

static int decode(struct insn_decoder *d, struct code *c)
{
	if (!insn_decode(d, c->b, MIN(c->n, 15u), &c->insn) || !x86_known(&c->insn) ||
		excluded(&c->insn))
		return 0;
	c->n = c->insn.len;
	return 1;
}

/*
 * Legacy forms that no compiler emits and that capstone 4.0.2 does not understand: useless 66
 * before f2 and f3, 66 or REX.W where they change an implied width, prefixes in a wrong order.
 */
static bool misdecoded(const struct form *f)
{
	unsigned op = f->opcode;

	if (f->prefix == 5 ||
		(f->prefix == 4 && (f->map != 1 || (op != 0xb8 && op != 0xbc && op != 0xbd))))
		return true;
	if (f->map)
		return false;
	if ((op & 0xe7) == 0x26 || (op & 0xf0) == 0x40 || (op & 0xfc) == 0x64 || op == 0xf0 ||
		(op & 0xfe) == 0xf2)
		return true; /* another prefix */
	if (f->prefix > 1 && (op & 0xfe) == 0xe0)
		return true; /* f2 and f3 decide the condition of loope and loopne, says the
				processor */
	if (f->prefix == 2 && op == 0x90)
		return true; /* with REX.B: xchg for some processors, pause for others */
	if (f->prefix == 3 && (op & 0xfc) == 0xa4)
		return true; /* repne movs: it does not say that there is a prefix */
	if (f->prefix == 3 && op >= 0xaa && op <= 0xad)
		return true;
	return f->prefix == 1 &&
	       (op == 0x68 || op == 0x6a || op == 0x8f || (op & 0xf0) == 0x50 ||
		       (op & 0xfe) == 0x9c || (op & 0xfe) == 0xc8 || (op == 0xff && f->reg == 6));
}

/* The form number k of LEGACY and VEX; false if there is none. */
static bool old_form(uint32_t k, struct form *f)
{
	*f = (struct form){.opcode = k & 255,
		.reg = k >> 8 & 7,
		.mem = k >> 11 & 1,
		.w = k >> 12 & 1,
		.l = k >> 13 & 1,
		.coding = k >> 14 & 1,
		.map = k >> 15 & 3,
		.prefix = k >> 17 & 7};
	if (f->prefix >= 6)
		return false;
	return f->coding ? f->prefix < 4 && f->map && has_avx : !f->l && !misdecoded(f);
}

static bool evex_form(uint32_t k, struct form *f)
{
	*f = (struct form){.opcode = k & 255,
		.mem = k >> 8 & 1,
		.w = k >> 9 & 1,
		.l = k >> 10 & 3,
		.b = k >> 12 & 1,
		.prefix = k >> 13 & 3,
		.map = k >> 15 & 3,
		.coding = EVEX};
	return f->map && has_avx512;
}

/* All forms that the decoder takes for instructions with a meaning, in random order. */
static struct form *all_forms(struct insn_decoder *d, struct rng *r, size_t *count)
{
	struct form *forms = NULL;
	size_t n = 0, cap = 0;
	struct code c;

	for (uint32_t k = 0; k < OLD_FORMS + EVEX_FORMS; k++) {
		bool good = false, old = k < OLD_FORMS;
		struct form f;

		if (!(old ? old_form(k, &f) : evex_form(k - OLD_FORMS, &f)))
			continue;
		for (unsigned i = 0; i < (f.coding == LEGACY ? 4 : 32) && !good; i++) {
			encode(&c, &f, r);
			good = decode(d, &c);
		}
		if (!good)
			continue;
		forms = mem_grow(forms, &cap, n + 1, sizeof(*forms));
		forms[n++] = f;
	}
	for (size_t i = n; i > 1; i--) { /* shuffle */
		size_t k = rng_below(r, i);
		struct form f = forms[i - 1];

		forms[i - 1] = forms[k];
		forms[k] = f;
	}
	*count = n;
	return forms;
}

#endif
