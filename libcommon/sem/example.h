/*
 * example.h: an expression at work: small numbers for its inputs, and what it then is (BinBert
 * section 6.2.4).
 *
 * The inputs of an expression are the registers on entry and the memory on entry that it computes
 * with; each gets a random number from 0 to a limit, a flag 0 or 1. What only makes up an address
 * is no input: such registers and loads get far, distinct addresses. So an example is a state of a
 * machine, and its value is what the code computes in that state.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include "base/rng.h"
#include "sem/expr.h"

enum { EXAMPLE_INPUTS = 16 }; /* most inputs an example is made for */

struct example_input {
	const struct expr *e; /* INPUT or LOAD */
	uint64_t value;
};

struct example;

/* One for each thread. */
struct example *example_new(void);
void example_free(struct example *x);
/*
 * Draws numbers up to `most` for the inputs of e, which is at most 64 bits wide. Returns the number
 * of inputs, with *input (good until the next call) in a fixed order and *value what e is then; or
 * -1 when there is no such example: e has inputs that are no numbers (vectors, results of unknown
 * functions), too many of them, or two of the loads met at one place.
 */
int example_draw(struct example *x, const struct expr *e, uint64_t most, struct rng *r,
	const struct example_input **input, uint64_t *value);

#endif
