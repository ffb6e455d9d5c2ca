/*
 * nn.h: the arithmetic of the encoder: one table of operations, one implementation per device.
 *
 * A batch is T tokens of S sequences, packed end to end; cu[s] is where sequence s begins and
 * cu[S] = T. There is no padding: a matrix of activations has T rows. Only the storage is rounded
 * up: a buffer has nn_rows(T) rows, and those beyond T hold finite values that nobody reads.
 *
 * `float *` in the table is memory of the device. What is got from alloc are floats, which only
 * put, get and the operations look at (address arithmetic is allowed): parameters, their gradients,
 * rstd, lse, v and dv of pool, and the cells c of an LSTM. All other matrices with a row for a
 * token, a sequence, a masked token or a value are activations, got from room: a device may hold
 * them with fewer bits, so only give, take, clear and the operations look at them, and addresses
 * within are its own affair. Arrays of integers and struct pointers are the host's. All matrices
 * are row-major. Weights are as in PyTorch: W[n,k] maps k inputs to n outputs, y = x W^T + b.
 *
 * Results do not depend on the number of threads, and a row of a forward result does not depend
 * on the other sequences of the batch.
 */
#ifndef NN_H
#define NN_H

#include <signal.h>

#include "base/base.h"

enum { NN_ROWS = 64 }; /* rows of activations are stored in multiples of this */

static inline size_t nn_rows(size_t n)
{
	return (n + NN_ROWS - 1) / NN_ROWS * NN_ROWS;
}

enum nn_act { NN_LINEAR, NN_GELU, NN_TANH };

struct nn_batch {
	size_t tokens;        /* T */
	size_t seqs;          /* S */
	size_t longest;       /* tokens of the longest sequence */
	const uint32_t *cu;   /* [S+1] first token of each sequence, then T */
	const uint32_t *ids;  /* [T] token ids */
	const uint32_t *pos;  /* [T] position within the sequence */
	const uint8_t *types; /* [T] token types */
	const float *share;   /* [T] part of each token in its sequence's vector; NULL: all equal */
	/* What only Trex's embedding layer looks at; NULL and 0 where there is no such table. */
	const uint32_t *op;    /* [T] place of the token within its instruction */
	const uint32_t *value; /* [T] which of the V distinct values the token has */
	size_t nvalues;        /* V */
	const uint16_t *bytes; /* [V,8] symbols of each value, most significant byte first */
};

/* The symbols of a value: its bytes, or eight times one of the others. */
enum {
	NN_BYTE_NONE = 256, /* the token has no value */
	NN_BYTE_MASK = 257, /* the value is hidden */
	NN_BYTES = 258
};

struct nn_int8; /* weights rounded to 8 bits, as the device wants them */

/* A linear layer: weight, its device form, bias. */
struct nn_dense {
	const float *w;  /* [n,k] */
	const float *wt; /* what prepare made of w */
	const float *b;  /* [n] */
	size_t n, k;
	const struct nn_int8 *int8; /* rounded weights to be used in its place, or NULL */
};

/* Its gradient, added to. */
struct nn_dense_grad {
	float *w; /* [n,k] */
	float *b; /* [n] */
};

/* Layer normalisation: gain, offset, and the constant under the root. */
struct nn_norm {
	const float *g, *b; /* [n] */
	float eps;
};

struct nn_norm_grad {
	float *g, *b; /* [n], added to */
};

/* The lookup tables of the embedding layer and its normalisation. */
struct nn_embed {
	const float *word, *pos, *type; /* [vocab,h] [max_len,h] [types,h] */
	struct nn_norm norm;
	size_t h;
	const float *op;       /* [max_op,h] or NULL */
	const float *value[2]; /* activations [V,h/2]: the halves of each value's vector; or NULL */
};

/* All added to, but value, which is overwritten; op and value may be NULL. */
struct nn_embed_grad {
	float *word, *pos, *type;
	struct nn_norm_grad norm;
	float *op;
	float *value[2]; /* activations [V,h/2]: the sums over the tokens that have the value */
};

/* What a normalisation keeps for its backward pass; both NULL when there will be none. */
struct nn_kept {
	float *xhat; /* [T,n] normalised rows before gain and offset: activations */
	float *rstd; /* [T] reciprocal standard deviations: floats */
};

/* One AdamW update (decoupled weight decay, Loshchilov and Hutter). */
struct nn_adamw {
	float lr; /* learning rate of this step */
	float beta1, beta2, eps;
	float decay;   /* weight decay; 0 for biases and normalisations */
	float scale;   /* gradients are multiplied by this first (clipping) */
	uint64_t step; /* 1 for the first */
};

struct nn; /* a device opened by one of the backends */

struct nn_backend {
	const char *name;

	/* Device memory of n floats, zeroed; never NULL. */
	float *(*alloc)(struct nn *nn, size_t n);
	void (*free)(struct nn *nn, float *p);
	void (*put)(struct nn *nn, float *dst, const float *host, size_t n);
	void (*get)(struct nn *nn, float *host, const float *src, size_t n);
	void (*zero)(struct nn *nn, float *p, size_t n);

	/* The same for activations, whose numbers are rounded to what the device holds. */
	float *(*room)(struct nn *nn, size_t n);
	void (*give)(struct nn *nn, float *dst, const float *host, size_t n);
	void (*take)(struct nn *nn, float *host, const float *src, size_t n);
	void (*clear)(struct nn *nn, float *p, size_t n);

	/* Floats that prepare makes of w[n,k]. */
	size_t (*prepared)(struct nn *nn, size_t n, size_t k);
	/* Makes wt from w[n,k]; to be called after each change of w. */
	void (*prepare)(struct nn *nn, const float *w, float *wt, size_t n, size_t k);

	/*
	 * The weights w[n,k] rounded to 8 bits, each output with its own scale, for forward passes
	 * that keep nothing. Both are NULL in the table of a device that has no such products.
	 */
	struct nn_int8 *(*int8_new)(struct nn *nn, const float *w, size_t n, size_t k);
	void (*int8_free)(struct nn *nn, struct nn_int8 *q);

	/* x[T,h] = norm(word[id] + pos[p] + type[t] + op[o] + (value[0][v], value[1][v])). */
	void (*embed)(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e, float *x,
		const struct nn_kept *kept);
	/* Gradients of the tables for which g has a place (of e only the norm is looked at);
	 * dx[T,h] is overwritten. */
	void (*embed_back)(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
		const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept);

	/* y[T,n] = act(x[T,k] W^T + b). u[T,n] gets the value before act if not NULL. */
	void (*dense)(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
		const float *x, float *u, float *y);
	/*
	 * From dy[T,n]: dx[T,k] = (NULL: not wanted) and the gradients of W and b.
	 * u: before act (GELU), y: after act (TANH), else NULL. With an act dy is overwritten.
	 */
	void (*dense_back)(struct nn *nn, size_t rows, const struct nn_dense *d,
		const struct nn_dense_grad *g, enum nn_act act, const float *x, const float *u,
		const float *y, float *dy, float *dx);

	/* z[T,n] = norm(act(x[T,k] W^T + b) + r[T,n]); r may be NULL; u as in dense. */
	void (*dense_norm)(struct nn *nn, size_t rows, const struct nn_dense *d, enum nn_act act,
		const struct nn_norm *norm, const float *x, const float *r, float *u, float *z,
		const struct nn_kept *kept);
	/* ds[T,n] from dz[T,n]: the gradient before the normalisation. ds may be dz. */
	void (*norm_back)(struct nn *nn, size_t rows, size_t n, const struct nn_norm *norm,
		const struct nn_norm_grad *g, const float *dz, const struct nn_kept *kept,
		float *ds);

	/*
	 * Self-attention of each sequence, each of `heads` heads of width d = h/heads:
	 * o = softmax(q k^T / sqrt(d)) v, from qkv[T,3h], to o[T,h].
	 * lse[T,heads] gets the logarithm of the softmax's denominator if not NULL.
	 */
	void (*attend)(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
		const float *qkv, float *o, float *lse);
	/* dqkv[T,3h] from do[T,h]. */
	void (*attend_back)(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
		const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv);

	/*
	 * The feed-forward half of a layer: z[T,h] = norm(gelu(x W1^T + b1) W2^T + b2 + x).
	 * u[T,f] gets x W1^T + b1 if not NULL.
	 */
	void (*ffn)(struct nn *nn, size_t rows, const struct nn_dense *up,
		const struct nn_dense *down, const struct nn_norm *norm, const float *x, float *u,
		float *z, const struct nn_kept *kept);
	/*
	 * From ds[T,h], the gradient before the normalisation: the gradients of the two layers,
	 * and dx[T,h] = ds + what comes through them. u[T,f] is overwritten.
	 */
	void (*ffn_back)(struct nn *nn, size_t rows, const struct nn_dense *up,
		const struct nn_dense *down, const struct nn_dense_grad *gup,
		const struct nn_dense_grad *gdown, const float *x, float *u, const float *ds,
		float *dx);

	/*
	 * A step of an LSTM of d cells whose input is one of NN_BYTES symbols, gates in PyTorch's
	 * order i f g o. With z[n,4d] = U y_before + b, by dense, and a = table[in] + z:
	 * i, f, o = sigmoid(a), g = tanh(a), c = f c0 + i g, y = o tanh(c).
	 * Host: in[n]. Floats: table[NN_BYTES,4d], c0[n,d] (NULL: zeros), c[n,d], which may be c0.
	 * Activations: z[n,4d], y[n,d], and gates[n,4d], which gets i f g o if not NULL and may
	 * be z. Like activations c0, c and dc have nn_rows(n) rows.
	 */
	void (*cell)(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *table,
		const float *z, const float *c0, float *gates, float *c, float *y);
	/*
	 * From dy[n,d] and dc[n,d], what reaches c from the step after it (floats, overwritten by
	 * the gradient of c0): dz[n,4d], and dtable[NN_BYTES,4d] is added to. dz may be gates.
	 */
	void (*cell_back)(struct nn *nn, size_t n, size_t d, const uint16_t *in, const float *gates,
		const float *c0, const float *c, const float *dy, float *dc, float *dz,
		float *dtable);

	/* y[i] = x[row[i]] for i < n; rows of h. */
	void (*gather)(
		struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *x, float *y);
	/* x[row[i]] += y[i]; the rows are distinct. */
	void (*scatter)(
		struct nn *nn, size_t n, size_t h, const uint32_t *row, const float *y, float *x);

	/* v[S,h]: the sum of share times row of each sequence, with no share the mean of the rows.
	 */
	void (*pool)(struct nn *nn, const struct nn_batch *b, size_t h, const float *x, float *v);
	/* dx[T,h] = dv of the row's sequence times share, or by its length. */
	void (*pool_back)(
		struct nn *nn, const struct nn_batch *b, size_t h, const float *dv, float *dx);

	/*
	 * Softmax and cross entropy over the n outputs of d at m rows x[m,k] with the classes
	 * want[m]. Host results: loss[m], best[m] (the most probable class). With dx not NULL:
	 * dx[m,k] = gradient times scale, and the gradients of W and b.
	 */
	void (*classify)(struct nn *nn, size_t m, const struct nn_dense *d,
		const struct nn_dense_grad *g, const uint32_t *want, float scale, const float *x,
		float *dx, float *loss, uint32_t *best);

	/* y += x, n numbers of activations. */
	void (*add)(struct nn *nn, size_t n, const float *x, float *y);
	/* The sum of squares of n floats. */
	double (*sumsq)(struct nn *nn, size_t n, const float *x);
	/* One step of AdamW over n parameters with gradients g and moments m and v. */
	void (*adamw)(struct nn *nn, size_t n, const struct nn_adamw *o, float *p, const float *g,
		float *m, float *v);

	void (*close)(struct nn *nn);
};

struct nn {
	const struct nn_backend *op; /* first member of every backend's own struct */
	char about[96];              /* what it is, for messages */
	/* Tokens of a pass whose activations stay in the caches; 0: more are better. */
	size_t group;
	/* Passes may end early, with no result, when not 0; adamw, prepare and copies do not. */
	const volatile sig_atomic_t *stop;
};

/*
 * The CPU, with `threads` threads (0: one per processor). Close with nn->op->close. Products are in
 * fp32: by AMX where it is, see nn_cpu_amx.h, else by the ordinary instructions.
 */
struct nn *nn_cpu_open(unsigned threads);
/*
 * The same, but the factors of the products of dense layers are rounded to bf16 and summed in fp32.
 * NULL and the reason where the processor cannot multiply them.
 */
struct nn *nn_cpu_open_bf16(unsigned threads, struct err *e);

#endif
