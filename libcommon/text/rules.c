/* rules.c: see rules.h. */
#include "text/rules.h"

#include <string.h>

bool rules_is_branch(const struct insn *i)
{
	return i->flow == INSN_CALL || i->flow == INSN_JUMP || i->flow == INSN_COND;
}

bool rules_is_string(const struct insn *i)
{
	switch (i->mn) {
	case X86_MOVSB:
	case X86_MOVSW:
	case X86_MOVSQ:
	case X86_CMPSB:
	case X86_CMPSW:
	case X86_CMPSQ:
	case X86_STOSB:
	case X86_STOSW:
	case X86_STOSD:
	case X86_STOSQ:
	case X86_LODSB:
	case X86_LODSW:
	case X86_LODSD:
	case X86_LODSQ:
	case X86_SCASB:
	case X86_SCASW:
	case X86_SCASD:
	case X86_SCASQ:
	case X86_INSB:
	case X86_INSW:
	case X86_INSD:
	case X86_OUTSB:
	case X86_OUTSW:
	case X86_OUTSD: return true;
	case X86_MOVSD:
	case X86_CMPSD: return i->op[0].kind == INSN_OP_MEM && i->op[1].kind == INSN_OP_MEM;
	default: return false;
	}
}

static bool computes_nothing(const struct insn *i)
{
	switch (i->mn) {
	case X86_NOP:
	case X86_ENDBR32:
	case X86_ENDBR64: return true;
	case X86_XCHG: /* xchg ax, ax: two bytes of padding */
		return i->op[0].kind == INSN_OP_REG && i->op[1].kind == INSN_OP_REG &&
		       i->op[0].reg.id == X86_RAX && i->op[1].reg.id == X86_RAX &&
		       i->op[0].reg.lo == i->op[1].reg.lo && i->op[0].reg.size == 2;
	default: return false;
	}
}

/* Instructions of fixed size: hints and padding. */
static bool is_idle(const struct insn *i)
{
	static const char *const names[] = {"nop", "hint", "bti", "nop.w", "ssnop", "ehb"};

	for (size_t k = 0; k < COUNT_OF(names); k++) {
		if (!strcmp(i->mnemonic, names[k]))
			return true;
	}
	return false;
}

bool rules_has_no_text(const struct insn *i)
{
	return i->text ? is_idle(i) : computes_nothing(i);
}

unsigned rules_address_operand(const struct insn *i, const struct normalise_ref *ref)
{
	unsigned zero = i->nops;

	if (!ref->data)
		return i->nops;
	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *op = &i->op[k];
		int64_t v = op->kind == INSN_OP_IMM ? op->imm : op->mem.disp;

		if (op->kind != INSN_OP_IMM && op->kind != INSN_OP_MEM)
			continue;
		if ((op->kind == INSN_OP_MEM && op->mem.base == X86_RIP) ||
			(uint64_t)v == ref->addr)
			return k;
		if (v == 0 && (zero == i->nops || op->kind == INSN_OP_IMM))
			zero = k;
	}
	return zero;
}

int64_t rules_signed_value(const struct insn_op *op)
{
	switch (op->size) {
	case 1: return (uint8_t)op->imm;
	case 2: return (int16_t)op->imm;
	case 4: return (int32_t)op->imm;
	default: return op->imm;
	}
}

const char *rules_size_name(unsigned size)
{
	switch (size) {
	case 1: return "byte";
	case 2: return "word";
	case 4: return "dword";
	case 6: return "fword";
	case 8: return "qword";
	case 10: return "tbyte";
	case 16: return "xmmword";
	case 32: return "ymmword";
	case 64: return "zmmword";
	default: return NULL; /* a state area: fxsave and the like */
	}
}

bool rules_is_mark(char c)
{
	static const bool marks[256] = {['*'] = true,
		['('] = true,
		[')'] = true,
		['['] = true,
		[']'] = true,
		[','] = true,
		[':'] = true,
		['='] = true};

	return marks[(uint8_t)c];
}

char *rules_put_name(char *p, const char *name)
{
	for (size_t n = 0; n < NORMALISE_NAME_MAX && name[n]; n++)
		*p++ = name[n] <= ' ' || name[n] > '~' || rules_is_mark(name[n]) ? '_' : name[n];
	return p;
}
