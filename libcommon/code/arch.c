/* arch.c: the table of architectures; see arch.h. Relocations are those of the psABIs. */
#include "code/arch.h"

#include <elf.h>
#include <string.h>

#include "code/elf.h"

static const struct arch_reloc x86_64_relocs[] = {
	{R_X86_64_NONE, ELF_R_NONE, 0, false},
	{R_X86_64_64, ELF_R_ADDR, 8, false},
	{R_X86_64_PC32, ELF_R_REL, 4, false},
	{R_X86_64_PLT32, ELF_R_REL, 4, false},
	{R_X86_64_GLOB_DAT, ELF_R_ADDR, 8, true},
	{R_X86_64_JUMP_SLOT, ELF_R_ADDR, 8, true},
	{R_X86_64_RELATIVE, ELF_R_ADDR, 8, false},
	{R_X86_64_GOTPCREL, ELF_R_GOT, 4, false},
	{R_X86_64_32, ELF_R_ADDR, 4, false},
	{R_X86_64_32S, ELF_R_ADDR, 4, false},
	{R_X86_64_PC64, ELF_R_REL, 8, false},
	{R_X86_64_IRELATIVE, ELF_R_IFUNC, 8, false},
	{R_X86_64_GOTPCRELX, ELF_R_GOT, 4, false},
	{R_X86_64_REX_GOTPCRELX, ELF_R_GOT, 4, false},
};

static const struct arch_reloc i386_relocs[] = {
	{R_386_NONE, ELF_R_NONE, 0, false},
	{R_386_32, ELF_R_ADDR, 4, false},
	{R_386_PC32, ELF_R_REL, 4, false},
	{R_386_PLT32, ELF_R_REL, 4, false},
	{R_386_GLOB_DAT, ELF_R_ADDR, 4, true},
	{R_386_JMP_SLOT, ELF_R_ADDR, 4, true},
	{R_386_RELATIVE, ELF_R_ADDR, 4, false},
	{R_386_GOT32, ELF_R_GOT, 4, false},
	{R_386_GOT32X, ELF_R_GOT, 4, false},
	{R_386_GOTOFF, ELF_R_BASE, 4, false},
	{R_386_IRELATIVE, ELF_R_IFUNC, 4, false},
};

#define RELOCS(t) .relocs = t, .nrelocs = COUNT_OF(t)

static const struct arch_info archs[ARCH_COUNT] = {
	[ARCH_X86_64] = {.name = "x86-64",
		.family = ARCH_X86,
		.machine = EM_X86_64,
		.is64 = true,
		.word = 8,
		.entry_cfa = 8,
		RELOCS(x86_64_relocs)},
	[ARCH_I386] = {.name = "i386",
		.family = ARCH_X86,
		.machine = EM_386,
		.word = 4,
		.entry_cfa = 4,
		RELOCS(i386_relocs)},
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
