/*
 * given.h: what some registers and places of memory hold on entry, and what expressions then are.
 *
 * Numbers are put in for inputs and the rewriter does the rest: what depends on given things alone
 * becomes a constant, what is not given stays a symbol. A load is known when its address is, and
 * all its bytes are given; memory that a call may have changed is never known.
 */
#ifndef GIVEN_H
#define GIVEN_H

#include "sem/expr.h"

struct given;

/*
 * Reads `rdi=5,*4096=-1,zf=1`: registers and flags by their whole names, and eight bytes of memory
 * at an address, a later entry replacing earlier ones; numbers are decimal or 0x hexadecimal.
 * NULL: wrong, and *at is where in the text.
 */
struct given *given_new(const char *text, const char **at);
void given_free(struct given *g);
/* e, of pool p, with what is given; a node of the same pool. g is not changed: for any thread. */
const struct expr *given_value(const struct given *g, struct expr_pool *p, const struct expr *e);

#endif
