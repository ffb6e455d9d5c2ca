/*
 * pack.h: sequences packed end to end into a batch.
 *
 * A sequence is [CLS] code [SEP] with token type 0 or, with an expression, [CLS] code [SEP]
 * expression [SEP], the last part with type 1 (BinBert, Figure 3). What is longer than the model
 * takes is cut: the expression to what the code leaves or half of the room, then the code.
 *
 * For a Trex a sequence is [CLS] traced text [SEP] (arXiv 2012.08680, section IV): the position of
 * a token is the number of its instruction, from 1, [CLS] has 0 and [SEP] the next one; its type is
 * the architecture; its place in the instruction counts from 0; and it has a value or none.
 */
#ifndef PACK_H
#define PACK_H

#include "base/map.h"
#include "nn/nn.h"

/* Zero-initialise. batch is up to date after pack_batch. */
struct pack {
	uint32_t *cu, *ids, *pos; /* owned; see struct nn_batch */
	uint8_t *types;
	size_t tokens, seqs, longest;
	size_t cap, cap_seqs;
	uint64_t cut; /* tokens left out since pack_free or the start */
	/* Trex, owned: */
	uint32_t *op, *value;
	uint16_t *bytes;
	size_t nvalues, cap_values;
	struct map64 seen; /* value to its number */
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

/* Values every batch has. */
enum { PACK_NO_VALUE, PACK_HIDDEN, PACK_VALUES };

/* A sequence of traced text; see bb-tokens(5). */
struct pack_traced {
	const uint32_t *ids;    /* [n] */
	const uint32_t *starts; /* [nstarts] index of each instruction's first token, ascending */
	const uint32_t *vat;    /* [nvalues] index of each token that has a value, ascending */
	const uint64_t *values; /* [nvalues] */
	uint32_t n, nstarts, nvalues;
	uint32_t arch; /* its row of the table */
};

/* Cuts off what a model of max_len would not see. */
void pack_trim(struct pack_traced *t, size_t max_len);
/* As pack_add; places in an instruction beyond max_op are the last of them. */
size_t pack_add_traced(struct pack *p, size_t max_len, size_t max_op, const struct pack_traced *t);
/* The number of a value in this batch. */
uint32_t pack_value(struct pack *p, uint64_t value);

/* How much memory pack_store needs for the arrays of t, in uint32_t. */
size_t pack_words(const struct pack_traced *t);
/* Copies them to `to`, as aligned as an uint64_t, and makes t point there. */
void pack_store(struct pack_traced *t, uint32_t *to);

const struct nn_batch *pack_batch(struct pack *p);
void pack_free(struct pack *p);

#endif
