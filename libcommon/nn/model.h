/*
 * model.h: the BERT encoder (Devlin et al., arXiv 1810.04805) with BinBert's heads for pre-training
 * and for classification (arXiv 2208.06692, sections 3.4 and 6.2), or the same encoder on Trex's
 * embedding layer with its heads (arXiv 2012.08680, section IV).
 *
 * Trex's tokens come with a value, their place in the instruction, the instruction's place and the
 * architecture; what BERT calls positions and token types are the last two. Its heads guess tokens
 * and bytes of values, and a projection, two layers, makes the vectors that are compared.
 *
 * All parameters are one flat array with a table of named tensors, and so are gradients and
 * optimiser moments: what works on all of them is one loop. Names and shapes are those of Hugging
 * Face's classes; the decoder is tied to the word embeddings. Post-layer normalisation, GELU (erf),
 * learned positions and token types, no dropout.
 *
 * The uses: model_pretrain and model_classify (losses and their gradients), model_predict
 * (probabilities), model_embed with model_embed_back (one vector per sequence), model_hidden (raw
 * hidden states, for tests and tools).
 */
#ifndef MODEL_H
#define MODEL_H

#include "nn/nn.h"

/* What the special tokens are in every vocabulary of the suite. */
enum { MODEL_PAD, MODEL_UNK, MODEL_CLS, MODEL_SEP, MODEL_MASK, MODEL_SPECIALS };

/* What stands on the encoder, in transformers' names. */
enum model_head {
	/* BertForPreTraining: pooler, masked tokens, two classes for SSM; Trex: masked tokens,
	   bytes */
	MODEL_PRETRAINING,
	MODEL_BARE,      /* BertModel: pooler; Trex: perhaps the projection */
	MODEL_SEQUENCES, /* BertForSequenceClassification: pooler, classes of a sequence */
	MODEL_TOKENS,    /* BertForTokenClassification: classes of a token; no pooler */
	MODEL_HEADS,
};

struct model_config {
	uint32_t vocab;  /* tokens */
	uint32_t hidden; /* h, a multiple of heads */
	uint32_t layers; /* 0: vectors of tokens and positions are all there is */
	uint32_t heads;
	uint32_t intermediate; /* f */
	uint32_t max_len;      /* positions; no sequence has more tokens */
	uint32_t types;        /* token types; Trex: architectures, by enum arch */
	float norm_eps;
	float init_range; /* standard deviation of fresh weights */
	enum model_head head;
	uint32_t classes; /* of MODEL_SEQUENCES and MODEL_TOKENS, else 0 */
	uint32_t max_op; /* Trex: places in an instruction, what is beyond gets the last; BERT: 0 */
	uint32_t projection; /* Trex, MODEL_BARE: 1 if vectors go through the projection; else 0 */
};

enum {
	MODEL_CLASSES_MAX = 1 << 16,
	MODEL_MAX_OP = 64, /* of a new Trex */
	MODEL_VALUE_BYTES = 8,
};

/* Whether it is a Trex. */
static inline bool model_is_trex(const struct model_config *c)
{
	return c->max_op > 0;
}

/* How many classes the head that looks at [CLS] or at tokens has: of SSM two. */
static inline uint32_t model_classes_of(const struct model_config *c)
{
	return c->head == MODEL_PRETRAINING && !model_is_trex(c) ? 2 : c->classes;
}

/* The config by its name: tiny (2 layers of 128), small (4 of 256), base (12 of 768, the paper's).
 */
int model_config_named(struct model_config *c, const char *name) MUST_CHECK;
/* 0 if a model of this config can be built, else -1 and the reason. */
int model_config_check(const struct model_config *c, struct err *e) MUST_CHECK;
/* Floats of the encoder without any head. */
uint64_t model_config_floats(const struct model_config *c);

struct model_tensor {
	char name[88]; /* as in BertForPreTraining's state_dict */
	size_t at, n;  /* place and size in the flat array, in floats */
	size_t shape[2];
	unsigned rank; /* 1 or 2 */
	bool turned;   /* files hold its transpose, of this shape */
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
	/* Trex: */
	size_t values;                           /* N masked tokens that have a value */
	const uint32_t *value;                   /* [N] which */
	const uint32_t *byte[MODEL_VALUE_BYTES]; /* [N] each: its bytes, most significant first */
	float value_scale;                       /* weight of one byte in the loss */
};

/* Results of a pre-training pass; the arrays are the model's, good until its next use. */
struct model_losses {
	double elm, ssm;          /* sums over masked tokens and over sequences, not scaled */
	const float *loss;        /* [M] */
	const uint32_t *best;     /* [M] most probable token */
	const uint32_t *ssm_best; /* [S] */
	double value;             /* Trex: the sum over all bytes, not scaled */
	const uint32_t *byte_best[MODEL_VALUE_BYTES]; /* [N] each */
};

/* What a classifier is to say. */
struct model_classes {
	size_t n;             /* MODEL_SEQUENCES: all of the batch; MODEL_TOKENS: any tokens */
	const uint32_t *row;  /* MODEL_TOKENS: [n] which tokens; else NULL */
	const uint32_t *want; /* [n] the right classes */
	float scale;          /* weight of one in the loss */
};

/* A matrix that products are made with. */
struct model_product {
	size_t w, n, k; /* where it begins in param, its sizes */
	size_t wt;      /* where its prepared form begins */
};

/* Offsets of what only a Trex has. */
struct model_trex {
	size_t op; /* places in an instruction */
	struct {
		size_t table, u_w, u_b;
	} lstm[2];                               /* of bytes, both directions: values.h */
	size_t tr_w, tr_b, tr_norm_g, tr_norm_b; /* MODEL_PRETRAINING: before the bytes */
	size_t byte_w[MODEL_VALUE_BYTES], byte_b[MODEL_VALUE_BYTES];
	size_t projection_w[2], projection_b[2]; /* MODEL_BARE */
	struct values *values;                   /* owned */
	const float *vector[2];                  /* what it made of the batch's values, */
	bool held;                               /* which the next pass may use */
};

struct model {
	struct model_config config;
	char *task;    /* what the classifier was trained for, or NULL */
	char *label;   /* and which label of the records it says, or NULL */
	char **class;  /* [classes] their names, or NULL; owned, as the two */
	float *rarity; /* [vocab] see model_weigh; or NULL; owned */
	struct nn *nn;
	struct model_tensor *tensor; /* owned */
	size_t ntensors;
	size_t nparam;  /* floats in all */
	size_t nmatrix; /* the first so many belong to matrices; biases and norms follow */
	float *param;   /* device memory, owned, as are the next two */
	float *wt;      /* prepared matrices */
	float *grad;    /* NULL until the model is trained */
	struct model_layer *layer;
	struct model_product *product; /* owned; by w, ascending */
	size_t nproducts;
	struct model_int8 *int8;                        /* [layers] or NULL; owned */
	size_t word, pos, type, norm_g, norm_b;         /* embeddings */
	size_t pooler_w, pooler_b;                      /* all but MODEL_TOKENS */
	size_t tr_w, tr_b, tr_norm_g, tr_norm_b, dec_b; /* MODEL_PRETRAINING */
	size_t cls_w, cls_b;                            /* the classifier, or SSM's */
	struct model_trex trex;
	struct model_acts *acts;
};

/* A model with all parameters zero. The config was checked. nn must outlive it. */
struct model *model_new(struct nn *nn, const struct model_config *c);
void model_free(struct model *m);
/* Fresh parameters: normal weights, zero biases, unit gains. Call model_update afterwards. */
void model_init(struct model *m, uint64_t seed);
/* Fresh values for one tensor. */
void model_init_tensor(struct model *m, size_t tensor, uint64_t seed);
/* Says what the classifier is for; the texts are copied, names is [classes]. */
void model_name(struct model *m, const char *task, const char *label, const char *const *names);
/*
 * From here on the vector of a sequence is a weighted mean: each distinct token counts once, by
 * rarity[id] (copied, [vocab], positive), however often it occurs. NULL: the plain mean.
 */
void model_weigh(struct model *m, const float *rarity);
const struct model_tensor *model_find(const struct model *m, const char *name);
/* To be called after every change of the parameters. */
void model_update(struct model *m);

/*
 * From now on the products of the layers are made with weights rounded to 8 bits, and activations
 * rounded row by row; there is no training after it. -1 if the device has no such products.
 */
int model_round(struct model *m) MUST_CHECK;

void model_zero_grad(struct model *m);

/*
 * Losses of a batch; if train, the gradient of elm_scale elm + ssm_scale ssm + value_scale value is
 * added to grad.
 */
void model_pretrain(struct model *m, const struct nn_batch *b, const struct model_targets *t,
	bool train, struct model_losses *out);

/*
 * The sum of the losses of a classifier; if train, the gradient of scale times it is added to
 * grad. best[n] is the model's, good until its next use.
 */
double model_classify(struct model *m, const struct nn_batch *b, const struct model_classes *c,
	bool train, const uint32_t **best);
/* p[n,classes]: the probabilities of the classes of the sequences, or of the tokens row[n]. */
void model_predict(
	struct model *m, const struct nn_batch *b, size_t n, const uint32_t *row, float *p);

/*
 * vec[S,h]: the mean of all hidden states of each sequence after `layer` layers (0: embeddings),
 * weighted if model_weigh was called, through the projection if the model has one.
 * With keep the pass can be followed by model_embed_back with the same batch.
 */
void model_embed(struct model *m, const struct nn_batch *b, unsigned layer, bool keep, float *vec);
/* The same without the first and the last token of each, [CLS] and [SEP]; 0 when none is left. */
void model_embed_inner(struct model *m, const struct nn_batch *b, unsigned layer, float *vec);
/* Adds to grad what follows from dvec[S,h], the gradient of the vectors. */
void model_embed_back(struct model *m, const struct nn_batch *b, unsigned layer, const float *dvec);

/* x[T,h]: the hidden states after `layer` layers. */
void model_hidden(struct model *m, const struct nn_batch *b, unsigned layer, float *x);

/* The layer a user means: -1 the last, -2 the one before, n >= 0 as it is; -1 if there is none. */
int model_layer(const struct model *m, long layer, unsigned *out) MUST_CHECK;

#endif
