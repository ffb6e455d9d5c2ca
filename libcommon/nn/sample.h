/*
 * sample.h: how a task shows a record of tokens to the model, in training and in prediction.
 *
 *	classify   [CLS] code [SEP]
 *	execute    [CLS] code [SEP] assignments [SEP] register [SEP], the question with token type 1
 *	recover    [CLS] code [SEP] with a [MASK] before and behind the marked instruction; what is
 *	           classified are the first tokens of all other instructions
 *
 * (BinBert, arXiv 2208.06692, sections 6.2.2 to 6.2.4.) A Trex sees [CLS] traced text [SEP].
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "formats/tokens.h"
#include "nn/model.h"
#include "nn/pack.h"

enum sample_task { SAMPLE_CLASSIFY, SAMPLE_EXECUTE, SAMPLE_RECOVER, SAMPLE_TASKS };

enum { SAMPLE_ANSWERS = 201 }; /* classes of execute: 0 to 200 */

/* "classify"; the task of that name or SAMPLE_TASKS; the head it needs. */
const char *sample_name(enum sample_task task);
enum sample_task sample_find(const char *name);
enum model_head sample_head(enum sample_task task);

enum { SAMPLE_CODE = -1 }; /* of a BERT, where a Trex has the number of an architecture */

struct sample {
	struct pack_traced traced; /* of a Trex: instead of what follows */
	void *room;                /* owned: what it points to */
	uint32_t *code, *expr; /* owned; expr: the question, its parts with [SEP] between them */
	size_t ncode, nexpr;
	bool has_expr;
	uint32_t *row; /* recover: owned; indices into code of the tokens that are classified */
	uint8_t *want; /* [nrows] owned; 1: in the strand */
	size_t nrows;
	size_t needs; /* tokens of the code that must be there for the sample to make sense */
};

/*
 * Makes s what the task shows of the record, to a BERT (arch is SAMPLE_CODE) or to a Trex, which
 * knows the record's architecture by that number. 0, or -1: the record holds no question of the
 * task; to a Trex only SAMPLE_CLASSIFY is one.
 */
int sample_make(
	struct sample *s, enum sample_task task, const struct tokens *t, int arch) MUST_CHECK;
void sample_free(struct sample *s);
/* The record as pack.h takes it: a view. */
struct pack_traced sample_traced(const struct tokens *t, int arch);

/* Tokens it takes in a model of max_len positions. */
size_t sample_size(const struct sample *s, size_t max_len);
/* Whether that is less than all of it. */
bool sample_is_cut(const struct sample *s, size_t max_len);
/*
 * Adds it to the pack, for a model of this config. Rows of the batch that are to be classified are
 * appended to row[*n] and want[*n] (both may be NULL), which have room for s->nrows more: those
 * that were not cut off.
 */
void sample_pack(const struct sample *s, struct pack *p, const struct model_config *c,
	uint32_t *row, uint32_t *want, size_t *n);

#endif
