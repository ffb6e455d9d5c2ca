/*
 * checkpoint.h: a model as a folder, as Hugging Face's transformers reads and writes it.
 *
 * config.json and model.safetensors are the model for its users. optimizer.safetensors is the whole
 * state of a training that goes on: parameters, moments and the trainer's own state in the
 * metadata, so that one rename commits a checkpoint and a kill at any moment leaves either the old
 * or the new one. trainer_state.json is a readable copy of that last part. Files are replaced,
 * never changed in place.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "nn/optim.h"

/*
 * Reads a BertConfig in JSON, or that of a Trex, which is one with "model_type": "trex",
 * max_operand_positions and projection. 0 or -1. Fields that are missing keep what *c holds. The
 * head follows from `architectures`; of classes that it does not know it takes MODEL_PRETRAINING.
 */
int checkpoint_read_config(const char *path, struct model_config *c, struct err *e) MUST_CHECK;

/*
 * Writes config.json and model.safetensors into the folder, which is made if need be; with bf16 the
 * matrices as BF16. 0 or -1.
 */
int checkpoint_save(const char *folder, const struct model *m, bool bf16, struct err *e) MUST_CHECK;
/*
 * The model in the folder, ready for use, or NULL. Heads that the file lacks are fresh, from seed;
 * *fresh (may be NULL) counts their tensors. A missing encoder tensor is an error.
 */
struct model *checkpoint_load(
	const char *folder, struct nn *nn, uint64_t seed, size_t *fresh, struct err *e);
/*
 * The same under another head; a classifier is always fresh. A Trex as MODEL_BARE gets a projection
 * if it has none.
 */
struct model *checkpoint_load_as(const char *folder, struct nn *nn, enum model_head head,
	uint32_t classes, uint64_t seed, struct err *e);

/* Commits the state of a training; `state` is a JSON object of the trainer's own. 0 or -1. */
int checkpoint_save_state(const char *folder, const struct model *m, const struct optim *o,
	const char *state, struct err *e) MUST_CHECK;
/* Its JSON object alone: 1 with *state (free with mem_free), 0 if the folder has none, -1. */
int checkpoint_read_state(const char *folder, char **state, struct err *e) MUST_CHECK;
/* Restores it into a model of the same config. 0 or -1. */
int checkpoint_load_state(
	const char *folder, struct model *m, struct optim *o, struct err *e) MUST_CHECK;

#endif
