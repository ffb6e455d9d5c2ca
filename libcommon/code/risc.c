/* risc.c: the table of risc.h. */
#include "code/risc.h"

static const struct risc_ops rows[ARCH_COUNT] = {
	/* s0 to s7, gp, sp, fp; gp is the same in all of a file */
	[ARCH_MIPS] = {4, 0x70ff0000, 28, 25, risc_mips_read},
	[ARCH_MIPSEL] = {4, 0x70ff0000, 28, 25, risc_mips_read_little},
	/* r4 to r11 */
	[ARCH_ARM] = {4, 0x0ff0, RISC_NOREG, RISC_NOREG, risc_arm_read},
	[ARCH_THUMB] = {2, 0x0ff0, RISC_NOREG, RISC_NOREG, risc_thumb_read},
	[ARCH_ARMEB] = {4, 0x0ff0, RISC_NOREG, RISC_NOREG, risc_arm_read_big},
	[ARCH_THUMBEB] = {2, 0x0ff0, RISC_NOREG, RISC_NOREG, risc_thumb_read_big},
	[ARCH_AARCH64] = {4, 0x3ff80000, RISC_NOREG, RISC_NOREG, risc_aarch64_read},
};

const struct risc_ops *risc_ops(enum arch a)
{
	return a < ARCH_COUNT && rows[a].read ? &rows[a] : NULL;
}
