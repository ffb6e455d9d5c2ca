/*
 * model.h: the BERT encoder (Devlin et al., arXiv 1810.04805) with BinBert's pre-training heads
 * (arXiv 2208.06692, section 3.4).
 *
 * All parameters are one flat array with a table of named tensors, and so are gradients and
 * optimiser moments: what works on all of them is one loop. Names and shapes are those of Hugging
 * Face's BertForPreTraining; the decoder is tied to the word embeddings. Post-layer normalisation,
 * GELU (erf), learned positions and token types, no dropout.
 *
 * The three uses: model_pretrain (losses and their gradients), model_embed with model_embed_back
 * (one vector per sequence), model_hidden (raw hidden states, for tests and tools).
 */
#ifndef MODEL_H
#define MODEL_H

#include "nn/nn.h"

/* What the special tokens are in every vocabulary of the suite. */
enum { MODEL_PAD, MODEL_UNK, MODEL_CLS, MODEL_SEP, MODEL_MASK, MODEL_SPECIALS };

struct model_config {
	uint32_t vocab;  /* tokens */
	uint32_t hidden; /* h, a multiple of heads */
	uint32_t layers, heads;
	uint32_t intermediate; /* f */
	uint32_t max_len;      /* positions */
	uint32_t types;        /* token types */
	float norm_eps;
	float init_range; /* standard deviation of fresh weights */
};

/* The config by its name: tiny (2 layers of 128), small (4 of 256), base (12 of 768, the paper's).
 */
int model_config_named(struct model_config *c, const char *name) MUST_CHECK;
/* 0 if a model of this config can be built, else -1 and the reason. */
int model_config_check(const struct model_config *c, struct err *e) MUST_CHECK;

struct model_tensor {
	char name[88]; /* as in BertForPreTraining's state_dict */
	size_t at, n;  /* place and size in the flat array, in floats */
	size_t shape[2];
	unsigned rank; /* 1 or 2 */
};

/* Offsets of one layer's tensors in the flat array. */
struct model_layer {
	size_t qkv_w, qkv_b; /* query, key and value: [3h,h] and [3h] */
	size_t out_w, out_b, norm1_g, norm1_b;
	size_t up_w, up_b, down_w, down_b, norm2_g, norm2_b;
};

/* What a pre-training batch has besides its tokens. */
struct model_targets {
	size_t masked;         /* M */
	const uint32_t *row;   /* [M] which token was masked */
	const uint32_t *want;  /* [M] what it was */
	const uint32_t *label; /* [S] 1: code and expression belong together; NULL: no SSM loss */
	float elm_scale;       /* weight of one masked token in the loss */
	float ssm_scale;       /* weight of one sequence in the loss */
};

/* Results of a pre-training pass; the arrays are the model's, good until its next use. */
struct model_losses {
	double elm, ssm;          /* sums over masked tokens and over sequences, not scaled */
	const float *loss;        /* [M] */
	const uint32_t *best;     /* [M] most probable token */
	const uint32_t *ssm_best; /* [S] */
};

struct model {
	struct model_config config;
	struct nn *nn;
	struct model_tensor *tensor; /* owned */
	size_t ntensors;
	size_t nparam;  /* floats in all */
	size_t nmatrix; /* the first so many belong to matrices; biases and norms follow */
	float *param;   /* device memory, owned, as are the next two */
	float *wt;      /* prepared matrices, same offsets */
	float *grad;    /* NULL until the model is trained */
	struct model_layer *layer;
	size_t word, pos, type, norm_g, norm_b; /* embeddings */
	size_t pooler_w, pooler_b, tr_w, tr_b, tr_norm_g, tr_norm_b, dec_b, ssm_w, ssm_b;
	struct model_acts *acts;
};

/* A model with all parameters zero. The config was checked. nn must outlive it. */
struct model *model_new(struct nn *nn, const struct model_config *c);
void model_free(struct model *m);
/* Fresh parameters: normal weights, zero biases, unit gains. Call model_update afterwards. */
void model_init(struct model *m, uint64_t seed);
/* Fresh values for one tensor. */
void model_init_tensor(struct model *m, size_t tensor, uint64_t seed);
const struct model_tensor *model_find(const struct model *m, const char *name);
/* To be called after every change of the parameters. */
void model_update(struct model *m);

void model_zero_grad(struct model *m);

/* Losses of a batch; if train, the gradient of elm_scale elm + ssm_scale ssm is added to grad. */
void model_pretrain(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	bool train, struct model_losses *out);

/*
 * vec[S,h]: the mean of all hidden states of each sequence after `layer` layers (0: embeddings).
 * With keep the pass can be followed by model_embed_back with the same batch.
 */
void model_embed(struct model *m, const struct nn_batch *b, unsigned layer, bool keep, float *vec);
/* Adds to grad what follows from dvec[S,h], the gradient of the vectors. */
void model_embed_back(struct model *m, const struct nn_batch *b, unsigned layer, const float *dvec);

/* x[T,h]: the hidden states after `layer` layers. */
void model_hidden(struct model *m, const struct nn_batch *b, unsigned layer, float *x);

/* The layer a user means: -1 the last, -2 the one before, n >= 0 as it is; -1 if there is none. */
int model_layer(const struct model *m, long layer, unsigned *out) MUST_CHECK;

#endif
