/*
 * wordpiece_save.c: a vocabulary as the files that other programs read: vocab.txt (BERT),
 * tokenizer.json and tokenizer_config.json (Hugging Face `tokenizers` 0.x and `transformers`).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stream/field.h"
#include "text/wordpiece.h"

void wordpiece_txt(struct buf *b, const struct wordpiece *w)
{
	for (size_t i = 0; i < wordpiece_count(w); i++) {
		buf_puts(b, wordpiece_token(w, i));
		buf_putc(b, '\n');
	}
}

/* Appends JSON that is written here with ' for ", to be readable. */
static void put_json(struct buf *b, const char *s)
{
	for (; *s; s++)
		buf_putc(b, *s == '\'' ? '"' : *s);
}

void wordpiece_json(struct buf *b, const struct wordpiece *w)
{
	put_json(b, "{\n"
		    "  'version': '1.0',\n"
		    "  'truncation': null,\n"
		    "  'padding': null,\n"
		    "  'added_tokens': [\n");
	for (size_t i = 0; i < WORDPIECE_SPECIALS; i++) {
		buf_printf(b, "    {\"id\": %zu, \"content\": \"%s\"", i, wordpiece_special[i]);
		put_json(b, ", 'single_word': false, 'lstrip': false, 'rstrip': false, "
			    "'normalized': false, 'special': true}");
		buf_puts(b, i + 1 < WORDPIECE_SPECIALS ? ",\n" : "\n");
	}
	put_json(b, "  ],\n"
		    "  'normalizer': null,\n"
		    "  'pre_tokenizer': {'type': 'WhitespaceSplit'},\n"
		    "  'post_processor': {\n"
		    "    'type': 'TemplateProcessing',\n"
		    "    'single': [\n"
		    "      {'SpecialToken': {'id': '[CLS]', 'type_id': 0}},\n"
		    "      {'Sequence': {'id': 'A', 'type_id': 0}},\n"
		    "      {'SpecialToken': {'id': '[SEP]', 'type_id': 0}}\n"
		    "    ],\n"
		    "    'pair': [\n"
		    "      {'SpecialToken': {'id': '[CLS]', 'type_id': 0}},\n"
		    "      {'Sequence': {'id': 'A', 'type_id': 0}},\n"
		    "      {'SpecialToken': {'id': '[SEP]', 'type_id': 0}},\n"
		    "      {'Sequence': {'id': 'B', 'type_id': 1}},\n"
		    "      {'SpecialToken': {'id': '[SEP]', 'type_id': 1}}\n"
		    "    ],\n"
		    "    'special_tokens': {\n"
		    "      '[CLS]': {'id': '[CLS]', 'ids': [2], 'tokens': ['[CLS]']},\n"
		    "      '[SEP]': {'id': '[SEP]', 'ids': [3], 'tokens': ['[SEP]']}\n"
		    "    }\n"
		    "  },\n"
		    "  'decoder': {'type': 'WordPiece', 'prefix': '##', 'cleanup': false},\n"
		    "  'model': {\n"
		    "    'type': 'WordPiece',\n"
		    "    'unk_token': '[UNK]',\n"
		    "    'continuing_subword_prefix': '##',\n");
	buf_printf(b, "    \"max_input_chars_per_word\": %d,\n", WORDPIECE_WORD_MAX);
	put_json(b, "    'vocab': {\n");
	for (size_t i = 0; i < wordpiece_count(w); i++) {
		buf_puts(b, "      ");
		field_json_text(b, wordpiece_token(w, i));
		buf_printf(b, ": %zu%s\n", i, i + 1 < wordpiece_count(w) ? "," : "");
	}
	buf_puts(b, "    }\n  }\n}\n");
}

void wordpiece_config(struct buf *b, const struct wordpiece *w)
{
	const char *reads = wordpiece_reads_name[wordpiece_reads(w)];

	/* Without it AutoTokenizer goes by config.json, and BERT's own splitting cuts operands. */
	put_json(b, "{\n"
		    "  'tokenizer_class': 'PreTrainedTokenizerFast',\n"
		    "  'pad_token': '[PAD]',\n"
		    "  'unk_token': '[UNK]',\n"
		    "  'cls_token': '[CLS]',\n"
		    "  'sep_token': '[SEP]',\n"
		    "  'mask_token': '[MASK]',\n"
		    "  'clean_up_tokenization_spaces': false");
	if (reads)
		buf_printf(b, ",\n  \"bb_reads\": \"%s\"", reads);
	put_json(b, "\n}\n");
}

static int write_all(int fd, const struct buf *b)
{
	for (size_t at = 0; at < b->n;) {
		ssize_t n = write(fd, b->p + at, b->n - at);

		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Creates the file and fills it; errno says why not. */
static int write_file(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), why;

	if (fd < 0)
		return -1;
	if (write_all(fd, b) < 0 || fsync(fd) < 0) {
		why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return close(fd);
}

/* Writes the file beside its name and renames it, so that it is there whole or not at all. */
static int save_file(const char *path, const struct buf *b, struct err *e)
{
	struct buf beside = {0};
	int r = 0;

	buf_printf(&beside, "%s.%ld.part", path, (long)getpid());
	if (write_file(buf_text(&beside), b) < 0 || rename((char *)beside.p, path) < 0) {
		r = err_set(e, "%s: cannot write: %s", path, strerror(errno));
		unlink((char *)beside.p);
	}
	buf_free(&beside);
	return r;
}

int wordpiece_save_txt(const struct wordpiece *w, const char *path, struct err *e)
{
	struct buf b = {0};
	int r;

	wordpiece_txt(&b, w);
	r = save_file(path, &b, e);
	buf_free(&b);
	return r;
}

int wordpiece_save(const struct wordpiece *w, const char *dir, struct err *e)
{
	static const char *const names[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json"};
	struct buf b = {0}, path = {0};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(names) && r == 0; i++) {
		buf_reset(&b);
		buf_reset(&path);
		buf_printf(&path, "%s/%s", dir, names[i]);
		if (i == 0)
			wordpiece_txt(&b, w);
		else if (i == 1)
			wordpiece_json(&b, w);
		else
			wordpiece_config(&b, w);
		r = save_file(buf_text(&path), &b, e);
	}
	buf_free(&b);
	buf_free(&path);
	return r;
}
