/*
 * vocabulary.c: any bytes as a vocab.txt. What is accepted must tokenise, in both ways alike, its
 * own text, and print as JSON that a JSON reader takes.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stream/cbor.h"
#include "text/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void tokenise(const struct wordpiece *w, const char *text, size_t n)
{
	struct wordpiece_memo memo = {0};
	struct wordpiece_ids twice = {0}, plain = {0};

	wordpiece_encode(w, &memo, text, n, &twice); /* fills the memo */
	twice.n = 0;
	wordpiece_encode(w, &memo, text, n, &twice);
	for (size_t i = 0; i < wordpiece_count(w); i++) {
		const char *token = wordpiece_token(w, i);

		plain.n = 0;
		wordpiece_word(w, token, strlen(token), &plain);
		must(plain.n == 1 && (plain.p[0] == i || plain.p[0] == WORDPIECE_UNK));
	}
	plain.n = 0;
	for (size_t i = 0, from; i < n; i++) {
		for (from = i; i < n && text[i] != '\n'; i++)
			;
		if (i > from && text[i - 1] == '\r')
			i--;
		if (i > from)
			wordpiece_word(w, text + from, i - from, &plain);
	}
	for (size_t i = 0; i < twice.n; i++)
		must(twice.p[i] < wordpiece_count(w));
	/* White space of Unicode is no blank to the vocabulary, but is one to the tokeniser. */
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)text[i] >= 0x80)
			twice.n = plain.n = 0;
	must(twice.n == plain.n && (!plain.n || !memcmp(twice.p, plain.p, 4 * plain.n)));
	wordpiece_memo_free(&memo);
	mem_free(twice.p);
	mem_free(plain.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf json = {0};
	struct wordpiece *w;
	struct err e;
	json_t *root;

	w = wordpiece_parse((const char *)data, n, &e);
	if (!w) {
		must(e.text[0] && cbor_is_text((const uint8_t *)e.text, strlen(e.text)));
		return 0;
	}
	tokenise(w, (const char *)data, n);
	wordpiece_json(&json, w);
	root = json_loadb((const char *)json.p, json.n, 0, NULL);
	must(json_object_size(json_object_get(json_object_get(root, "model"), "vocab")) ==
		wordpiece_count(w));
	json_decref(root);
	buf_free(&json);
	wordpiece_free(w);
	return 0;
}
