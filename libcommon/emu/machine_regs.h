/*
 * machine_regs.h: the registers of code/regs.h as Unicorn numbers them.
 */
#ifndef MACHINE_REGS_H
#define MACHINE_REGS_H

#include "code/regs.h"

enum { MACHINE_BANKS = REGS_MMX + 1, MACHINE_BANK = 32 };

/* Unicorn's number of register `index` of a bank, or 0 where it has none. */
int machine_regs_id(enum arch a, enum regs_bank bank, unsigned index);

#endif
