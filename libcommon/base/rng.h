/*
 * rng.h: counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
 *
 * A number is a pure function of (seed, step, index): there is no generator state to save, so a
 * resumed run continues exactly and threads do not matter. struct rng walks along the index for
 * code that wants one number after another.
 */
#ifndef RNG_H
#define RNG_H

#include "base/base.h"

/* Four independent 32-bit numbers for (seed, step, index). */
void rng_at(uint64_t seed, uint64_t step, uint64_t index, uint32_t out[4]);

struct rng {
	uint64_t seed, step, index;
	uint32_t buf[4];
	unsigned left; /* unused numbers in buf */
};

/* Starts at index 0 of (seed, step). */
struct rng rng_new(uint64_t seed, uint64_t step);
uint32_t rng_u32(struct rng *r);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n), n > 0, without bias. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1), 24 bits. */
float rng_f32(struct rng *r);
/* Normal with mean 0 and variance 1 (Box-Muller). */
float rng_normal(struct rng *r);

#endif
