/* machine_regs.c: see machine_regs.h. */
#include "emu/machine_regs.h"

#include <unicorn/unicorn.h>

#include "base/base.h"

static const int x86_general[] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
	UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,
	UC_X86_REG_R9, UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13,
	UC_X86_REG_R14, UC_X86_REG_R15};
static const int i386_general[] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_EBX,
	UC_X86_REG_ESP, UC_X86_REG_EBP, UC_X86_REG_ESI, UC_X86_REG_EDI};

/* Rows of registers that follow each other. */
struct row {
	int first;
	unsigned n;
};

static int in_row(struct row r, unsigned index)
{
	return index < r.n ? r.first + (int)index : 0;
}

static int x86_id(bool is64, enum regs_bank bank, unsigned index)
{
	switch (bank) {
	case REGS_GENERAL:
		if (is64)
			return index < COUNT_OF(x86_general) ? x86_general[index] : 0;
		return index < COUNT_OF(i386_general) ? i386_general[index] : 0;
	case REGS_VECTOR: return in_row((struct row){UC_X86_REG_XMM0, is64 ? 16 : 8}, index);
	case REGS_X87: return in_row((struct row){UC_X86_REG_ST0, 8}, index);
	case REGS_MMX: return in_row((struct row){UC_X86_REG_MM0, 8}, index);
	default: return 0;
	}
}

static int aarch64_id(enum regs_bank bank, unsigned index)
{
	if (bank == REGS_VECTOR)
		return in_row((struct row){UC_ARM64_REG_Q0, 32}, index);
	if (bank != REGS_GENERAL)
		return 0;
	switch (index) {
	case 29: return UC_ARM64_REG_X29;
	case 30: return UC_ARM64_REG_X30;
	case 31: return UC_ARM64_REG_SP;
	default: return in_row((struct row){UC_ARM64_REG_X0, 29}, index);
	}
}

static int arm_id(enum regs_bank bank, unsigned index)
{
	if (bank == REGS_VECTOR)
		return in_row((struct row){UC_ARM_REG_D0, 32}, index);
	if (bank != REGS_GENERAL)
		return 0;
	switch (index) {
	case 13: return UC_ARM_REG_SP;
	case 14: return UC_ARM_REG_LR;
	default: return in_row((struct row){UC_ARM_REG_R0, 13}, index);
	}
}

int machine_regs_id(enum arch a, enum regs_bank bank, unsigned index)
{
	switch (a) {
	case ARCH_X86_64:
	case ARCH_I386: return x86_id(a == ARCH_X86_64, bank, index);
	case ARCH_AARCH64: return aarch64_id(bank, index);
	case ARCH_ARM:
	case ARCH_ARMEB:
	case ARCH_THUMB:
	case ARCH_THUMBEB: return arm_id(bank, index);
	case ARCH_MIPS:
	case ARCH_MIPSEL: /* Unicorn 2.0 shows no floating-point registers: see machine.c */
		return bank == REGS_GENERAL && index
			       ? in_row((struct row){UC_MIPS_REG_0, 32}, index)
			       : 0;
	default: return 0;
	}
}
