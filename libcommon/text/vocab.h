/*
 * vocab.h: learns a WordPiece vocabulary from text, as the WordPieceTrainer of Hugging Face
 * `tokenizers` does: words start as single characters, "##" before all but the first; the most
 * frequent pair of neighbours becomes a new token, again and again, until there are enough. Ties
 * go to the pair of the smaller token numbers, so equal input gives equal vocabularies.
 *
 * Only words of printable ASCII of up to WORDPIECE_WORD_MAX characters count; all printable ASCII
 * characters are in every vocabulary, alone and with "##", so no such word is ever [UNK].
 */
#ifndef VOCAB_H
#define VOCAB_H

#include "base/buf.h"
#include "base/map.h"

enum {
	VOCAB_SIZE_MIN = 256,      /* smallest useful vocabulary: special tokens and characters */
	VOCAB_WORDS_MAX = 1 << 20, /* distinct words kept when max_words is 0 */
};

/*
 * The words of a corpus and how often each came. Zero-initialise. When there are more than
 * max_words different ones, the rarest are forgotten (and counted anew if they come again), which
 * bounds the memory to about 100 bytes for each.
 */
struct vocab {
	struct map words;   /* word -> count */
	size_t max_words;   /* 0: VOCAB_WORDS_MAX */
	uint64_t total;     /* words seen */
	uint64_t forgotten; /* sum of the counts that were dropped */
};

/* Counts the words of a text, which are cut at bytes up to ' '. */
void vocab_add(struct vocab *v, const char *text, size_t n);
void vocab_free(struct vocab *v);
/*
 * Appends a vocabulary of at most `size` tokens as vocab.txt, the special tokens first. No token
 * is made of a pair seen fewer than min_count times. Returns the number of tokens.
 */
size_t vocab_learn(const struct vocab *v, size_t size, uint64_t min_count, struct buf *out);

#endif
