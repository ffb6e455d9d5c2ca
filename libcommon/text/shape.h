/*
 * shape.h: a symbolic expression without the places its values are in.
 *
 * Two compilers, or two levels, compute the same from other registers and stack slots, and put it
 * elsewhere: `* ( rbp add -24 ) = 1 add * ( rbp add -24 )` and `rbx = 1 add rbx`. The shape of both
 * is `1 add v0`:
 *
 * - a register or stack slot that is assigned to is left out;
 * - registers and stack slots that are read are v0, v1, ... in order of appearance;
 * - a number whose absolute value is over 5000, and so an address, is IMM.
 *
 * Expressions are those of bb-sym, in the language of bb-sequence(5): words between blanks.
 */
#ifndef SHAPE_H
#define SHAPE_H

#include "base/buf.h"

enum { SHAPE_NUMBER_MAX = 5000, SHAPE_VALUES = 64 }; /* further values keep their names */

/* Appends the shape of the expression. */
void shape_expr(struct buf *b, const char *expr);

#endif
