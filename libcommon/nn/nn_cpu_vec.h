/*
 * nn_cpu_vec.h: loops over rows for nn_cpu.c, sixteen numbers at a time.
 *
 * A tile is `rows` rows of n floats, one after another; loops run over the tile while it is in the
 * cache of the core that has just multiplied it. Everything here is a pure function of its
 * arguments, row by row, so a row's result does not depend on its neighbours.
 */
#ifndef NN_CPU_VEC_H
#define NN_CPU_VEC_H

#include "base/base.h"

/* y += b on each row. */
void nn_cpu_vec_bias(size_t rows, size_t n, const float *b, float *y);
/* u += b on each row, then y = gelu(u) = u/2 (1 + erf(u/sqrt 2)). y may be u. */
void nn_cpu_vec_bias_gelu(size_t rows, size_t n, const float *b, float *u, float *y);
void nn_cpu_vec_bias_tanh(size_t rows, size_t n, const float *b, float *y);
/* dy *= gelu'(u); then u = gelu(u). n numbers. */
void nn_cpu_vec_gelu_back(size_t n, float *u, float *dy);
/* dy *= gelu'(u). */
void nn_cpu_vec_gelu_grad(size_t n, const float *u, float *dy);
/* dy *= 1 - y^2. */
void nn_cpu_vec_tanh_grad(size_t n, const float *y, float *dy);

/*
 * z = (s - mean) / sqrt(var + eps) g + b for s = y + bias + r, row by row; bias and r may be NULL.
 * y is overwritten. xhat[rows,n] and rstd[rows] are written if not NULL. z may be y.
 */
void nn_cpu_vec_norm(size_t rows, size_t n, const float *bias, const float *r, const float *g,
	const float *b, float eps, float *y, float *z, float *xhat, float *rstd);
/* The backward pass; dg[n] and db[n] are added to. ds may be dz. */
void nn_cpu_vec_norm_back(size_t rows, size_t n, const float *g, const float *dz, const float *xhat,
	const float *rstd, float *ds, float *dg, float *db);

/*
 * One row of cell and of cell_back of nn.h: t[4d] is the row of the table. c0 and gates may be
 * NULL, c may be c0, gates may be z, dz may be gates.
 */
void nn_cpu_vec_cell(size_t d, const float *t, const float *z, const float *c0, float *gates,
	float *c, float *y);
void nn_cpu_vec_cell_back(size_t d, const float *gates, const float *c0, const float *c,
	const float *dy, float *dc, float *dz);

/*
 * Row by row, over n columns at a distance of ld: s = softmax(scale s); the columns [n, ld) become
 * 0. lse[i * lse_step] = log sum exp (scale s) of row i if not NULL.
 */
void nn_cpu_vec_softmax(
	size_t rows, size_t n, size_t ld, float scale, float *s, float *lse, size_t lse_step);
/* s = exp(scale s - lse). */
void nn_cpu_vec_probs(
	size_t rows, size_t n, size_t ld, float scale, float *s, const float *lse, size_t lse_step);
/* dp = p (dp - delta[i]) scale, row i. */
void nn_cpu_vec_softmax_back(size_t rows, size_t n, size_t ld, float scale, const float *p,
	const float *delta, float *dp);

/*
 * Cross entropy of one row of n logits (b[n] is added first) with class `want`: returns the loss
 * and sets *best to the largest. If scale is not 0 the logits become scale (softmax - onehot).
 */
float nn_cpu_vec_xent(
	size_t n, const float *b, uint32_t want, float scale, float *s, uint32_t *best);

float nn_cpu_vec_dot(size_t n, const float *x, const float *y);
/* y += a x. */
void nn_cpu_vec_axpy(size_t n, float a, const float *x, float *y);
/* y = a + b + c. */
void nn_cpu_vec_sum3(size_t n, const float *a, const float *b, const float *c, float *y);
/* y[j] += sum over i of x[i,j]; rows of x are ld apart. */
void nn_cpu_vec_colsum(size_t rows, size_t n, size_t ld, const float *x, float *y);
/* x *= a. */
void nn_cpu_vec_scale(size_t n, float a, float *x);

/* p, m, v by one step of AdamW; c1 = 1 - beta1^t, c2 = 1 - beta2^t. */
struct nn_adamw;
void nn_cpu_vec_adamw(size_t n, const struct nn_adamw *o, float c1, float c2, float *p,
	const float *g, float *m, float *v);

#endif
