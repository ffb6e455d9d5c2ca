/*
 * pairs.h: code and expression pairs from a stream of tokens, shuffled in bounded memory.
 *
 * Each expression of a record makes a pair with the record's code (without expressions: one item,
 * the code alone, or its traced text). Pairs wait in a buffer; each draw takes a random one. What
 * fits the buffer whole stays there for the next epochs; a larger input is read again each epoch. A
 * draw is a function of seed, epoch and its number, so an interrupted training is resumed by
 * drawing again.
 */
#ifndef PAIRS_H
#define PAIRS_H

#include "base/hash.h"
#include "cli/filter.h"
#include "formats/tokens.h"
#include "nn/pack.h"

struct run;

struct pairs_options {
	struct prog *p;
	uint64_t vocab;  /* hash that the records must have */
	uint32_t tokens; /* size of the vocabulary: ids are below */
	bool code_only;  /* expressions are ignored (mlm, trex) */
	/* trex: whose records are traced text; else NULL */
	const struct run *traced;
	size_t max_len; /* tokens that the model takes */
	uint64_t seed;
	size_t bytes;      /* size of the buffer */
	double valid;      /* share kept for validation, */
	const char *split; /* of what: "group", or the values of this label */
};

struct pair {
	const uint32_t *code, *expr, *other; /* other: an expression of another record, or NULL */
	size_t ncode, nexpr, nother;
	struct pack_traced traced; /* trex: instead of them all but ncode */
};

struct pairs;
/* Reads until the buffer is full. Exits on bad input. */
struct pairs *pairs_open(const struct pairs_options *o);
void pairs_free(struct pairs *s);
/* Starts an epoch; the first is 0. 0, or -1 if the input cannot be read again. */
int pairs_epoch(struct pairs *s, uint64_t epoch) MUST_CHECK;
/* The next pair of the epoch: 1, or 0 at its end. Good until the next call. */
int pairs_next(struct pairs *s, struct pair *out);
/* Tokens of all training pairs, reading the input through if need be; 0 if that cannot be. */
uint64_t pairs_tokens(struct pairs *s);
/* Whether the buffer holds the whole input. */
bool pairs_whole(const struct pairs *s);
/* Tokens of the longest pair seen. */
uint64_t pairs_longest(const struct pairs *s);
/* Validation pairs, in the order of the input, i < pairs_valid_count. */
size_t pairs_valid_count(const struct pairs *s);
void pairs_valid(const struct pairs *s, size_t i, struct pair *out);
uint64_t pairs_skipped(const struct pairs *s);
/* Pairs longer than max_len, in the first reading of the input. */
uint64_t pairs_cut(const struct pairs *s);

/* Digest of the whole input: false until it was read to its end once. */
bool pairs_digest(const struct pairs *s, uint8_t digest[HASH_BYTES]);

/*
 * Whether the record is for validation: records of one group are on one side or, when split is the
 * name of a label, those of one value; those without, by function.
 */
bool pairs_is_valid(const struct tokens *t, double share, const char *split);
/* Whether the record fits the vocabulary; prints why not. Exits if it is of another vocabulary. */
bool pairs_fits(struct prog *p, const struct tokens *t, uint64_t vocab, uint32_t ntokens);

#endif
