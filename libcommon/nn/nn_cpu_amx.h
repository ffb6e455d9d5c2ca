/*
 * nn_cpu_amx.h: products of fp32 numbers by a processor that multiplies tiles of bf16 (AMX).
 *
 * A number of 24 bits is the sum of three bf16 of 8 bits each, exactly: x = h + m + l. Of the nine
 * products of two such sums the six largest are added up in fp32,
 *
 *	x w = hh' + (hm' + mh') + (hl' + mm' + lh')
 *
 * and what is left out is at most 2^-23 of x w, 2^-26 as a rule: less than the rounding of sums in
 * fp32. Root mean square errors of a dot product of normal numbers against double precision, in
 * units of its own root mean square (tests/unit/amx.c): 1.6e-7, 2.2e-7, 3.2e-7 for depths of 384,
 * 768, 1536; oneDNN in fp32 3.6e-7; with two bf16 and three products 4.5e-6. Numbers below 2^-126
 * count as 0, and parts of numbers that fall below it too.
 *
 * A factor of depth k is stored in panels of 32 of its rows (of the left one) or columns (of the
 * right one), in the order that the tiles are read in. Everything here runs in the calling thread.
 */
#ifndef NN_CPU_AMX_H
#define NN_CPU_AMX_H

#include "base/base.h"

enum { NN_CPU_AMX_SIDE = 32 };

/* Whether there is AMX, the system lets us use it, and oneDNN was not told to leave it alone. */
bool nn_cpu_amx_has(void);

/* Panels of n rows or columns. */
static inline size_t nn_cpu_amx_count(size_t n)
{
	return (n + NN_CPU_AMX_SIDE - 1) / NN_CPU_AMX_SIDE;
}

/* bf16 numbers in a panel of depth k: three for each of its numbers. */
static inline size_t nn_cpu_amx_panel(size_t k)
{
	return nn_cpu_amx_count(k) * NN_CPU_AMX_SIDE * NN_CPU_AMX_SIDE * 3;
}

/* A matrix to be a factor. */
struct nn_cpu_amx_factor {
	const float *x;
	size_t n, k; /* rows of the left, columns of the right factor; and its depth */
	size_t ld;   /* from row to row of x */
	bool deep;   /* x is [k,n]; else [n,k] */
};

/*
 * Step `step` of panel `panel` of a left or of a right factor, 32 of the depth, to where it belongs
 * in a panel that begins at `to`; what is not in the matrix becomes 0.
 */
void nn_cpu_amx_left(const struct nn_cpu_amx_factor *f, size_t panel, size_t step, uint16_t *to);
void nn_cpu_amx_right(const struct nn_cpu_amx_factor *f, size_t panel, size_t step, uint16_t *to);

/* Panels of a factor, or of a part of its depth. */
struct nn_cpu_amx_panels {
	const uint16_t *p;
	size_t apart; /* from one panel to the next; nn_cpu_amx_panel of the whole depth */
};

/*
 * y[m,n] = or, with add, += left right over the depth k. Rows of y are ld apart. An element has the
 * same bits whatever is around it, and when the depth is cut into pieces that are added, but for
 * the last all multiples of 32, in their order.
 */
void nn_cpu_amx_multiply(size_t m, size_t n, size_t k, struct nn_cpu_amx_panels left,
	struct nn_cpu_amx_panels right, bool add, float *y, size_t ld);

/* Products of bytes, exact: panels are of signed bytes, 64 of the depth at a step. */
static inline size_t nn_cpu_amx_byte_panel(size_t k)
{
	return (k + 63) / 64 * 64 * NN_CPU_AMX_SIDE;
}

/* Panel number `panel` of the right factor w[n,k]. */
void nn_cpu_amx_right_bytes(const int8_t *w, size_t n, size_t k, size_t panel, int8_t *to);

/*
 * y[m,n] = x[m,k] right, m a multiple of 32. Rows of x are ldx apart, which is k or more in whole
 * 64 (what is beyond k does not matter), those of y ldy, which is n or more in whole 32.
 */
void nn_cpu_amx_multiply_bytes(size_t m, size_t n, size_t k, const uint8_t *x, size_t ldx,
	const int8_t *right, int32_t *y, size_t ldy);

#endif
