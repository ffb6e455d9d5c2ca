/*
 * isa.h: which instruction set the code at an address is in, and what among the code is data.
 *
 * Files for ARM hold code of two instruction sets, and constants between it. The file's mapping
 * symbols ($a, $t, $d, and $x of AArch64) say where which begins (ELF for the Arm Architecture,
 * section 5.5.5). Where they are stripped, ARM's are made again: from the addresses of functions,
 * whose lowest bit says Thumb, from calls, and from the constants that instructions load.
 */
#ifndef ISA_H
#define ISA_H

#include "code/elf.h"

/* Fills f->marks; once, before the other functions are asked. */
void isa_find(struct elf *f, bool ignore_symbols);
/* The architecture of the instruction at addr, which is in a section of code; ARCH_NONE: data. */
enum arch isa_at(const struct elf *f, uint64_t addr);
/* Index of the first mark behind addr. */
size_t isa_after(const struct elf *f, uint64_t addr);
/* The architecture of the stub for calls at *addr; a first part that changes it is skipped. */
enum arch isa_of_stub(const struct elf *f, uint64_t *addr);
/* Where a pointer to code points: on ARM its lowest bit is no part of the address. */
uint64_t isa_code(const struct elf *f, uint64_t pointer);

#endif
