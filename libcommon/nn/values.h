/*
 * values.h: the vectors of values in a micro-trace (Trex, arXiv 2012.08680, section IV): a
 * bi-directional LSTM over the eight bytes of each.
 *
 * What PyTorch's nn.LSTM(NN_BYTES, d, bidirectional=True) computes from one-hot bytes, its last
 * states in both directions: the first reads a value from the most significant byte on, the second
 * from the least. A product with a one-hot vector is a row of a table, so with PyTorch's names
 * (those of the second direction end in _reverse) table = weight_ih_l0 transposed, u.w =
 * weight_hh_l0, u.b = bias_hh_l0, and bias_ih_l0 is 0.
 */
#ifndef VALUES_H
#define VALUES_H

#include "nn/nn.h"

enum { VALUES_STEPS = 8 }; /* symbols of a value */

/* One direction: parameters, floats of the device. */
struct values_param {
	const float *table; /* [NN_BYTES,4d] */
	struct nn_dense u;  /* [4d,d] and [4d], prepared */
};

/* Its gradients, added to. */
struct values_grad {
	float *table;
	struct nn_dense_grad u;
};

/* The activations of the LSTM on one device; grows to the largest number of values. */
struct values;

/* nn must outlive it. */
struct values *values_new(struct nn *nn, size_t d);
void values_free(struct values *v);

/*
 * out[0] and out[1], activations [n,d] for nn_embed.value, owned by v and good until its next use,
 * from bytes[n,8] (host), as in struct nn_batch. With keep the pass can be followed by values_back
 * with the same n and bytes.
 */
void values_forward(struct values *v, const struct values_param p[2], size_t n,
	const uint16_t *bytes, bool keep, const float *out[2]);

/* Room for the gradients of out after a pass with keep, for nn_embed_grad.value: owned by v. */
void values_room(struct values *v, float *dout[2]);

/* Adds to g what follows from dout, which is overwritten. */
void values_back(struct values *v, const struct values_param p[2], const struct values_grad g[2],
	size_t n, const uint16_t *bytes, float *const dout[2]);

#endif
