/* arch.c: the table of architectures; see arch.h. Relocations are those of the psABIs. */
#include "code/arch.h"

#include <elf.h>
#include <string.h>

#include "code/elf.h"

static const struct arch_reloc x86_64_relocs[] = {
	{R_X86_64_NONE, ELF_R_NONE, 0, ADDEND_PLACE},
	{R_X86_64_64, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_X86_64_PC32, ELF_R_REL, 4, ADDEND_PLACE},
	{R_X86_64_PLT32, ELF_R_REL, 4, ADDEND_PLACE},
	{R_X86_64_GLOB_DAT, ELF_R_ADDR, 8, ADDEND_NONE},
	{R_X86_64_JUMP_SLOT, ELF_R_ADDR, 8, ADDEND_NONE},
	{R_X86_64_RELATIVE, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_X86_64_GOTPCREL, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_X86_64_32, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_X86_64_32S, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_X86_64_PC64, ELF_R_REL, 8, ADDEND_PLACE},
	{R_X86_64_IRELATIVE, ELF_R_IFUNC, 8, ADDEND_PLACE},
	{R_X86_64_GOTPCRELX, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_X86_64_REX_GOTPCRELX, ELF_R_GOT, 4, ADDEND_PLACE},
};

static const struct arch_reloc i386_relocs[] = {
	{R_386_NONE, ELF_R_NONE, 0, ADDEND_PLACE},
	{R_386_32, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_386_PC32, ELF_R_REL, 4, ADDEND_PLACE},
	{R_386_PLT32, ELF_R_REL, 4, ADDEND_PLACE},
	{R_386_GLOB_DAT, ELF_R_ADDR, 4, ADDEND_NONE},
	{R_386_JMP_SLOT, ELF_R_ADDR, 4, ADDEND_NONE},
	{R_386_RELATIVE, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_386_GOT32, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_386_GOT32X, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_386_GOTOFF, ELF_R_BASE, 4, ADDEND_PLACE},
	{R_386_IRELATIVE, ELF_R_IFUNC, 4, ADDEND_PLACE},
};

static const struct arch_reloc aarch64_relocs[] = {
	{R_AARCH64_NONE, ELF_R_NONE, 0, ADDEND_PLACE},
	{R_AARCH64_ABS64, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_AARCH64_ABS32, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_PREL64, ELF_R_REL, 8, ADDEND_PLACE},
	{R_AARCH64_PREL32, ELF_R_REL, 4, ADDEND_PLACE},
	{R_AARCH64_JUMP26, ELF_R_REL, 4, ADDEND_PLACE},
	{R_AARCH64_CALL26, ELF_R_REL, 4, ADDEND_PLACE},
	{R_AARCH64_CONDBR19, ELF_R_REL, 4, ADDEND_PLACE},
	{R_AARCH64_TSTBR14, ELF_R_REL, 4, ADDEND_PLACE},
	{R_AARCH64_LD_PREL_LO19, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_ADR_PREL_LO21, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_ADR_PREL_PG_HI21, ELF_R_PAGE, 4, ADDEND_PLACE},
	{R_AARCH64_ADR_PREL_PG_HI21_NC, ELF_R_PAGE, 4, ADDEND_PLACE},
	{R_AARCH64_ADD_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_LDST8_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_LDST16_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_LDST32_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_LDST64_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_LDST128_ABS_LO12_NC, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_AARCH64_ADR_GOT_PAGE, ELF_R_PAGE, 4, ADDEND_PLACE},
	{R_AARCH64_LD64_GOT_LO12_NC, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_AARCH64_LD64_GOTPAGE_LO15, ELF_R_GOT, 4, ADDEND_PLACE},
	{R_AARCH64_GLOB_DAT, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_AARCH64_JUMP_SLOT, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_AARCH64_RELATIVE, ELF_R_ADDR, 8, ADDEND_PLACE},
	{R_AARCH64_IRELATIVE, ELF_R_IFUNC, 8, ADDEND_PLACE},
};

static const struct arch_reloc mips_relocs[] = {
	{R_MIPS_NONE, ELF_R_NONE, 0, ADDEND_NONE},
	{R_MIPS_32, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_MIPS_REL32, ELF_R_ADDR, 4, ADDEND_PLACE},
	{R_MIPS_26, ELF_R_REL, 4, ADDEND_JUMP},
	{R_MIPS_HI16, ELF_R_PAGE, 4, ADDEND_NONE},
	{R_MIPS_LO16, ELF_R_ADDR, 4, ADDEND_LOW16},
	{R_MIPS_GOT16, ELF_R_GOT, 4, ADDEND_NONE},
	{R_MIPS_CALL16, ELF_R_GOT, 4, ADDEND_NONE},
	{R_MIPS_GPREL16, ELF_R_BASE, 4, ADDEND_LOW16},
	{R_MIPS_GPREL32, ELF_R_BASE, 4, ADDEND_PLACE},
	{R_MIPS_JALR, ELF_R_REL, 4, ADDEND_NONE},
	{R_MIPS_GLOB_DAT, ELF_R_ADDR, 4, ADDEND_NONE},
	{R_MIPS_JUMP_SLOT, ELF_R_ADDR, 4, ADDEND_NONE},
};

#define RELOCS(t) .relocs = t, .nrelocs = COUNT_OF(t)

static const struct arch_info archs[ARCH_COUNT] = {
	[ARCH_X86_64] = {.name = "x86-64",
		.machine = EM_X86_64,
		.is64 = true,
		.word = 8,
		.entry_cfa = 8,
		RELOCS(x86_64_relocs)},
	[ARCH_I386] =
		{.name = "i386", .machine = EM_386, .word = 4, .entry_cfa = 4, RELOCS(i386_relocs)},
	[ARCH_AARCH64] = {.name = "aarch64",
		.machine = EM_AARCH64,
		.is64 = true,
		.word = 8,
		RELOCS(aarch64_relocs)},
	[ARCH_MIPS] = {.name = "mips",
		.machine = EM_MIPS,
		.is_big = true,
		.word = 4,
		.got_bias = 0x7ff0,
		RELOCS(mips_relocs)},
	[ARCH_MIPSEL] = {.name = "mipsel",
		.machine = EM_MIPS,
		.word = 4,
		.got_bias = 0x7ff0,
		RELOCS(mips_relocs)},
};

const struct arch_info *arch_info(enum arch a)
{
	return &archs[a];
}

const char *arch_name(enum arch a)
{
	return a < ARCH_COUNT ? archs[a].name : NULL;
}

enum arch arch_find(const char *name)
{
	for (unsigned a = ARCH_NONE + 1; a < ARCH_COUNT; a++) {
		if (!strcmp(archs[a].name, name))
			return a;
	}
	return ARCH_NONE;
}

enum arch arch_of_elf(uint16_t machine, bool is64, bool is_big)
{
	for (unsigned a = ARCH_NONE + 1; a < ARCH_COUNT; a++) {
		if (archs[a].machine == machine && archs[a].is64 == is64 &&
			archs[a].is_big == is_big)
			return a;
	}
	return ARCH_NONE;
}
