/* risc.c: the table of risc.h. */
#include "code/risc.h"

static const struct risc_ops rows[ARCH_COUNT] = {
	/* s0 to s7, gp, sp, fp; gp is the same in all of a file */
	[ARCH_MIPS] = {4, 0x70ff0000, 28, 25, risc_mips_read},
	[ARCH_MIPSEL] = {4, 0x70ff0000, 28, 25, risc_mips_read_little},
	[ARCH_AARCH64] = {4, 0x3ff80000, RISC_NOREG, RISC_NOREG, risc_aarch64_read},
};

const struct risc_ops *risc_ops(enum arch a)
{
	return a < ARCH_COUNT && rows[a].read ? &rows[a] : NULL;
}
