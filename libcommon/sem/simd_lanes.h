/*
 * simd_lanes.h: what the functions of simd.c and simd_float.c are made of. Private to them.
 */
#ifndef SIMD_LANES_H
#define SIMD_LANES_H

#include "sem/simd.h"

/* One lane of up to three arguments, zero-extended; bits is the lane's width. */
typedef uint64_t lane_fn(uint64_t a, uint64_t b, uint64_t c, unsigned bits);

/* 128 bits, or less, of each argument. */
struct whole {
	unsigned op, bits, width; /* enum simd_op, bits of a lane, width of the whole result */
	const struct eval_arg *arg;
	unsigned nargs, at; /* the first bit of this part in arguments as wide as the result */
};
typedef void whole_fn(const struct whole *w, uint64_t *out);

static inline uint64_t ones(unsigned bits)
{
	return UINT64_MAX >> (64 - bits);
}

static inline int64_t sign_extend(uint64_t v, unsigned bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

static inline uint64_t get(const uint64_t *w, unsigned lo, unsigned bits)
{
	return w[lo / 64] >> lo % 64 & ones(bits);
}

static inline void put(uint64_t *w, unsigned lo, unsigned bits, uint64_t v)
{
	w[lo / 64] = (w[lo / 64] & ~(ones(bits) << lo % 64)) | (v & ones(bits)) << lo % 64;
}

#define LANE_FN(name)                \
	static uint64_t lane_##name( \
		uint64_t a UNUSED, uint64_t b UNUSED, uint64_t c UNUSED, unsigned bits UNUSED)

struct simd_row {
	const char *name;
	unsigned bits;
	lane_fn *lane; /* or */
	whole_fn *whole;
};

#define SIMD_LANE(op, name, bits, fn)  [SIMD_##op] = {name, bits, lane_##fn, NULL},
#define SIMD_WHOLE(op, name, bits, fn) [SIMD_##op] = {name, bits, NULL, fn},

/* Those of SIMD_FLOAT_OPS, by enum simd_op; the names of others are NULL. */
extern const struct simd_row simd_float_ops[SIMD_COUNT];

#endif
