/*
 * pack.h: sequences packed end to end into a batch.
 *
 * A sequence is [CLS] code [SEP] with token type 0 or, with an expression, [CLS] code [SEP]
 * expression [SEP], the last part with type 1 (BinBert, Figure 3). What is longer than the model
 * takes is cut: the expression to what the code leaves or half of the room, then the code.
 */
#ifndef PACK_H
#define PACK_H

#include "nn/nn.h"

/* Zero-initialise. batch is up to date after pack_batch. */
struct pack {
	uint32_t *cu, *ids, *pos; /* owned; see struct nn_batch */
	uint8_t *types;
	size_t tokens, seqs, longest;
	size_t cap, cap_seqs;
	uint64_t cut; /* tokens left out since pack_free or the start */
	struct nn_batch batch;
};

void pack_reset(struct pack *p);
/*
 * Adds a sequence of n code tokens and, if expr is not NULL, m of an expression; returns how many
 * of the code tokens are in. max_len >= 8.
 */
size_t pack_add(struct pack *p, size_t max_len, const uint32_t *code, size_t n,
	const uint32_t *expr, size_t m);
/* The tokens pack_add would add. */
size_t pack_size(size_t max_len, size_t n, bool expr, size_t m);
/* Whether they are fewer than the sequence has. */
bool pack_is_cut(size_t max_len, size_t n, bool expr, size_t m);
const struct nn_batch *pack_batch(struct pack *p);
void pack_free(struct pack *p);

#endif
