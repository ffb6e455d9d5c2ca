/*
 * prove.h: are two expressions equal for all inputs? The only home of z3.
 *
 * Registers, memory on entry and uninterpreted functions are free; operators mean what eval.h says
 * (vector and floating-point operations, pdep and pext are uninterpreted as well, so that
 * "different" can be too pessimistic for them, "equal" never is wrong). Effort is bounded by z3's
 * resource count, never by time, so answers are the same on every machine.
 */
#ifndef PROVE_H
#define PROVE_H

#include "sem/expr.h"

enum prove_answer { PROVE_EQUAL, PROVE_DIFFERENT, PROVE_UNKNOWN };

struct prove;
/* One for each thread; effort is z3's rlimit for each question, 0 for a default. */
struct prove *prove_new(unsigned effort);
void prove_free(struct prove *v);
/* a and b have one width, and may be of different pools. */
enum prove_answer prove_equal(struct prove *v, const struct expr *a, const struct expr *b);

#endif
