/*
 * model_pass.h: what model.c, model_pass.c and model_trex.c share: the memory of the passes, and
 * the parts of a model as nn.h takes them.
 */
#ifndef MODEL_PASS_H
#define MODEL_PASS_H

#include "nn/model.h"

/* Activations of one layer. Without a backward pass all layers share the first one's. */
struct kept_layer {
	float *qkv; /* [T,3h] */
	float *o;   /* [T,h] attention output */
	float *lse; /* [T,heads] */
	float *z1;  /* [T,h] after the first normalisation */
	float *u;   /* [T,f] */
	struct nn_kept n1, n2;
};

struct model_acts {
	bool keep;                 /* the layers have their own buffers */
	size_t rows, seqs, masked; /* what there is room for */
	float **x; /* [layers+1] of [T,h]: hidden states; x[l] is the input of layer l */
	struct kept_layer *layer;
	struct nn_kept n0;        /* of the embeddings */
	float *d, *e, *dqkv;      /* [T,h] [T,h] [T,3h] gradients */
	float *hm, *um, *zm, *dm; /* [M,h] head: masked rows, before GELU, transformed, gradient */
	struct nn_kept nm;
	float *hs, *ps, *ds, *es; /* [S,h] [CLS] rows, what the pooler makes, and their gradients */
	float *vec;               /* [S,h] floats: vectors of sequences, or their gradients */
	float *os;                /* [S,h] Trex: what the projection makes of hs and ps */
	float *vm;                /* [M,h] Trex: gradients of all bytes */
	float *loss;              /* host [max(M,S)] */
	uint32_t *best, *sbest;   /* host [M], [S] */
	uint32_t *bbest;          /* host [8,M] Trex */
	float *share;             /* host [T], with model_weigh */
	uint32_t *times;          /* host [vocab], with model_weigh; all 0 between uses */
	float **all;              /* every device buffer above, to be freed */
	size_t nall;
};

static inline struct nn_dense model_dense(
	const struct model *m, size_t w, size_t b, size_t n, size_t k)
{
	const struct model_product *p = m->product;

	while (p->w != w)
		p++;
	return (struct nn_dense){
		.w = m->param + w, .wt = m->wt + p->wt, .b = m->param + b, .n = n, .k = k};
}

static inline struct nn_dense_grad model_dense_grad(const struct model *m, size_t w, size_t b)
{
	return (struct nn_dense_grad){m->grad + w, m->grad + b};
}

static inline struct nn_norm model_norm(const struct model *m, size_t g, size_t b)
{
	return (struct nn_norm){m->param + g, m->param + b, m->config.norm_eps};
}

static inline struct nn_norm_grad model_norm_grad(const struct model *m, size_t g, size_t b)
{
	return (struct nn_norm_grad){m->grad + g, m->grad + b};
}

/* Room for activations, empty: it grows with the batches. */
struct model_acts *model_pass_new(void);
/* Frees the rounded weights. */
void model_pass_unround(struct model *m);
/* Frees m->acts with all that is in it. */
void model_pass_free(struct model *m);

/*
 * Trex (model_trex.c). The values of the batch as vectors, for e. After a pass with keep, around
 * the embedding layer's backward pass: places for g, and the LSTM's gradients from it.
 */
void model_trex_embed(struct model *m, const struct nn_batch *b, bool keep, struct nn_embed *e);
void model_trex_embed_grad(struct model *m, struct nn_embed_grad *g);
void model_trex_embed_back(
	struct model *m, const struct nn_batch *b, const struct nn_embed_grad *g);
/* The head of bytes; if train, the gradient of the hidden states is added to m->acts->d. */
void model_trex_values(
	struct model *m, const struct model_targets *t, bool train, struct model_losses *out);
/* vec[n,h] on the host through the projection, and its gradient back through it, in place. */
void model_trex_project(struct model *m, size_t n, float *vec);
void model_trex_project_back(struct model *m, size_t n, float *dvec);

#endif
