/*
 * quiz.h: what the kinds of questions of bb-quiz share.
 *
 * Each kind turns sequences into sequences that hold a question; its answer is a label, or the
 * marks. Random choices depend on the seed and on the code asked about, so a record's questions do
 * not depend on the records around it.
 */
#ifndef QUIZ_H
#define QUIZ_H

#include "base/rng.h"
#include "cli/filter.h"
#include "code/insn.h"
#include "formats/sequence.h"

struct options {
	const char *kind_text;
	uint64_t seed;
	uint64_t each;    /* execute, recover: questions for each record */
	uint64_t strands; /* recover: disjoint strands a block must have */
	uint64_t sets;    /* opcode, operand: how many */
};

/* Decodes the sequence into *insn (grown): 0, or -1 when an instruction is none. */
int quiz_decode(struct insn_decoder *d, const struct sequence *s, struct insn **insn, size_t *cap);
/* The generator of a record's choices. */
struct rng quiz_rng(const struct options *o, const struct sequence *s);
/* The labels with one more; the array is from the arena. */
struct labels quiz_label(
	struct arena *a, const struct labels *l, const char *key, const char *value);

/* "execute": for filter_map; the context is struct options. */
void *execute_new(void *ctx);
void execute_free(void *worker);
void execute(void *worker, const struct kind *kind, void *rec, struct filter_out *out);

/* "recover", likewise. */
void *recover_new(void *ctx);
void recover_free(void *worker);
void recover(void *worker, const struct kind *kind, void *rec, struct filter_out *out);

/* "opcode" and "operand": reads everything, then draws sets. Returns the exit status. */
int outlier(struct prog *p, const struct options *o, bool by_operand);

#endif
