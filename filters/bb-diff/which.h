/*
 * which.h: which side of a change other programs are on: is it the old function that is in there,
 * or the new one?
 *
 * The builds of a function say how likely each of its expressions is on either side; what a
 * program's function has of them, and what it lacks, gives the logarithm of how much likelier it is
 * on the one side than on the other, as if expressions were independent. The verdict needs that,
 * and that the build it is most like is on the same side. Compilers differ as much as versions do,
 * so the same compilers should have made both sides; the more there are the better.
 */
#ifndef WHICH_H
#define WHICH_H

#include "pair.h"
#include "show.h"

/*
 * For each function that changed and each program of `in`, the function that is most alike, if it
 * scores at least `least`, and the side it is on.
 */
void which_show(struct show *s, const struct fns *old, const struct fns *new, const struct pairs *p,
	const struct fns *in, double least);

#endif
