/*
 * wordpiece.h: words to vocabulary numbers, as BERT does it (Schuster & Nakajima 2012, Devlin et
 * al. 2018), and as the `tokenizers` library of Hugging Face does it with a WordPiece model behind
 * a WhitespaceSplit pre-tokenizer: text is cut at white space; a word becomes the longest token
 * that starts it, then the longest token "##..." that goes on, and so forth; if that gets stuck,
 * or the word has more than 100 characters, the whole word is [UNK].
 *
 * A vocabulary is the text file vocab.txt: one token a line, its number the line's, from 0. The
 * first five are [PAD] [UNK] [CLS] [SEP] [MASK]. It is untrusted input: wordpiece_parse checks it.
 * It does not change once made, so threads share it; each thread has a memo of its own.
 */
#ifndef WORDPIECE_H
#define WORDPIECE_H

#include "base/buf.h"
#include "base/map.h"

enum { /* the special tokens' numbers */
	WORDPIECE_PAD,
	WORDPIECE_UNK,
	WORDPIECE_CLS,
	WORDPIECE_SEP,
	WORDPIECE_MASK,
	WORDPIECE_SPECIALS,
};
enum {
	WORDPIECE_WORD_MAX = 100,      /* characters of a word; a longer one is [UNK] */
	WORDPIECE_TOKEN_MAX = 400,     /* bytes of a token: 100 characters of UTF-8 */
	WORDPIECE_COUNT_MAX = 1 << 20, /* tokens of a vocabulary */
	WORDPIECE_FILE_MAX = 4 << 20,  /* bytes of vocab.txt */
};

/* "[PAD]" ... "[MASK]". */
extern const char *const wordpiece_special[WORDPIECE_SPECIALS];

struct wordpiece;

/*
 * What the vocabulary was learned from, so that it is not used for another: code (normalise.h),
 * expressions in its place (bb-join), or code as words with values (traced.h). A folder's
 * tokenizer_config.json says it.
 */
enum wordpiece_reads {
	WORDPIECE_ANY,
	WORDPIECE_CODE,
	WORDPIECE_COMPUTED,
	WORDPIECE_TRACED,
	WORDPIECE_READS,
};
/* "code", as tokenizer_config.json has it; NULL for any. */
extern const char *const wordpiece_reads_name[WORDPIECE_READS];

/* Makes a vocabulary of the n bytes of a vocab.txt: NULL and e ("line 7: why") if it is bad. */
struct wordpiece *wordpiece_parse(const char *text, size_t n, struct err *e);
/* The same from a file, or from vocab.txt in a folder: NULL and e ("path: line 7: why"). */
struct wordpiece *wordpiece_open(const char *path, struct err *e);
void wordpiece_free(struct wordpiece *w);

enum wordpiece_reads wordpiece_reads(const struct wordpiece *w);
void wordpiece_set_reads(struct wordpiece *w, enum wordpiece_reads reads);
/* The number of tokens. */
size_t wordpiece_count(const struct wordpiece *w);
/* The text of a token, or NULL when there is no such number. */
const char *wordpiece_token(const struct wordpiece *w, size_t id);
/* The number of a token, or -1. */
int64_t wordpiece_find(const struct wordpiece *w, const char *token);
/* Identifies the vocabulary: equal for equal files, whatever their line ends. */
uint64_t wordpiece_hash(const struct wordpiece *w);

/* Token numbers, appended to. Zero-initialise; free p with mem_free. */
struct wordpiece_ids {
	uint32_t *p;
	size_t n, cap;
};

/* Appends the tokens of one word of n bytes: the plain path. */
void wordpiece_word(
	const struct wordpiece *w, const char *word, size_t n, struct wordpiece_ids *out);

enum { WORDPIECE_SLOT_BITS = 13, WORDPIECE_SLOT_IDS = 3 };

/*
 * Words seen before and their tokens, in two layers: a small cache of short words, where a newer
 * word takes the place of an older one, and a map. Zero-initialise; for one vocabulary and one
 * thread.
 */
struct wordpiece_memo {
	struct wordpiece_slot {
		uint64_t first, last; /* the word's bytes: word_key */
		uint8_t size, nids;   /* bytes of the word, 0: free; tokens */
		uint32_t ids[WORDPIECE_SLOT_IDS];
	} * slot;                 /* 2^WORDPIECE_SLOT_BITS of them, or NULL */
	struct map words;         /* word -> place in ids << 16 | number of tokens */
	struct wordpiece_ids ids; /* tokens of all words of the map */
};

/* Appends the tokens of a text of n bytes of UTF-8. Special tokens are not put in. */
void wordpiece_encode(const struct wordpiece *w, struct wordpiece_memo *m, const char *text,
	size_t n, struct wordpiece_ids *out);
void wordpiece_memo_free(struct wordpiece_memo *m);

/* Appends the vocabulary as vocab.txt, as tokenizer.json, as tokenizer_config.json. */
void wordpiece_txt(struct buf *b, const struct wordpiece *w);
void wordpiece_json(struct buf *b, const struct wordpiece *w);
void wordpiece_config(struct buf *b, const struct wordpiece *w);
/* Writes vocab.txt under that name; beside, then renamed. */
int wordpiece_save_txt(const struct wordpiece *w, const char *path, struct err *e) MUST_CHECK;
/* Writes all three files into the folder, which must exist; each beside, then renamed. */
int wordpiece_save(const struct wordpiece *w, const char *dir, struct err *e) MUST_CHECK;

#endif
