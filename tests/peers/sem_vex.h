/*
 * sem_vex.h: runs an instruction as Valgrind's VEX understands it, for sem_dump.c.
 *
 * VEX translates the instruction to its intermediate language and from there to code of this
 * processor, as Valgrind does; that code is run on a guest state of its own and on the memory of
 * this process.
 */
#ifndef SEM_VEX_H
#define SEM_VEX_H

#include <stddef.h>
#include <stdint.h>

struct sem_vex_state {
	uint64_t gpr[16];
	uint64_t vec[16][4]; /* ymm0 to ymm15 */
	uint64_t flags;      /* as in RFLAGS */
};

/* Once, first. 0, or -1 when this processor cannot run what VEX makes. */
int sem_vex_open(void);
/*
 * Runs the instruction of n bytes that lies at address pc on s. 0, or -1 when VEX does not know it
 * or it ends in anything but the next instruction. Memory that VEX reads or writes has to be there.
 */
int sem_vex_run(const uint8_t *code, size_t n, uint64_t pc, struct sem_vex_state *s);

#endif
