/*
 * wordpiece.c: the matcher against a plain longest-match loop, the learner against a plain
 * recount of all pairs, and what the vocabulary reader must refuse.
 */
#include "text/wordpiece.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit.h"
#include "text/vocab.h"

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

static struct wordpiece *make(const char *text)
{
	struct err e;
	struct wordpiece *w = wordpiece_parse(text, strlen(text), &e);

	if (!w)
		fprintf(stderr, "%s\n", e.text);
	return w;
}

/* The tokens of the text as "un ##aff ##able". */
static bool gives(const struct wordpiece *w, const char *text, const char *want)
{
	struct wordpiece_memo memo = {0};
	struct wordpiece_ids ids = {0};
	struct buf b = {0};
	bool same;

	wordpiece_encode(w, &memo, text, strlen(text), &ids);
	for (size_t i = 0; i < ids.n; i++) {
		buf_puts(&b, i ? " " : "");
		buf_puts(&b, wordpiece_token(w, ids.p[i]));
	}
	same = !strcmp(buf_text(&b), want);
	if (!same)
		fprintf(stderr, "%s: \"%s\" is not \"%s\"\n", text, (char *)b.p, want);
	buf_free(&b);
	wordpiece_memo_free(&memo);
	mem_free(ids.p);
	return same;
}

static void test_known(void)
{
	struct wordpiece *w =
		make(SPECIALS "un\n##aff\n##able\n##a\n##ffa\nunafford\n#\n##b\n###\na\n"
			      "##\xc3\xa9\n\xc3\xa9\n");
	char word[301];

	CHECK(wordpiece_count(w) == 17);
	CHECK(wordpiece_find(w, "##able") == 7 && wordpiece_find(w, "able") == -1);
	CHECK(!strcmp(wordpiece_token(w, 7), "##able") && !wordpiece_token(w, 17));
	CHECK(gives(w, "unaffable", "un ##aff ##able"));
	CHECK(gives(w, "unaffableun", "[UNK]"));
	CHECK(gives(w, "unaffa", "un ##aff ##a"));
	CHECK(gives(w, "unaffordable unaffor", "unafford ##able [UNK]"));
	CHECK(gives(w, " \t\n un\r\v\f a  ", "un a"));
	CHECK(gives(w, "", ""));
	CHECK(gives(w, "   ", ""));
	/* '#' is a character like others; the text of a token may come as a word */
	CHECK(gives(w, "##aff", "##aff"));
	CHECK(gives(w, "##affb", "##aff ##b"));
	CHECK(gives(w, "##", "# ###"));
	CHECK(gives(w, "#b", "# ##b"));
	CHECK(gives(w, "[UNK]", "[UNK]"));
	/* UTF-8: white space of Unicode, characters that are not cut */
	CHECK(gives(w,
		"a\xc2\xa0un\xe2\x80\x83"
		"a\xe3\x80\x80"
		"a\xe2\x80\xa8"
		"a",
		"a un a a a"));
	CHECK(gives(w, "a\xc3\xa9 \xc3\xa9", "a ##\xc3\xa9 \xc3\xa9"));
	CHECK(gives(w, "a\xc3\xa8", "[UNK]"));
	/* 100 characters are the limit, not bytes */
	memset(word, 'a', 101);
	word[101] = '\0';
	CHECK(gives(w, word, "[UNK]"));
	for (size_t i = 0; i < 100; i++)
		memcpy(word + 2 * i, "\xc3\xa9", 2);
	word[200] = '\0';
	{
		struct wordpiece_ids ids = {0};

		wordpiece_word(w,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			100, &ids);
		CHECK(ids.n == 100 && ids.p[0] == 14 && ids.p[99] == 8);
		ids.n = 0;
		wordpiece_word(w, word, 200, &ids);
		CHECK(ids.n == 100 && ids.p[0] == 16 && ids.p[99] == 15);
		memcpy(word + 200, "a", 2);
		wordpiece_word(w, word, 201, &ids);
		CHECK(ids.n == 101 && ids.p[100] == WORDPIECE_UNK);
		mem_free(ids.p);
	}
	wordpiece_free(w);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "line 1: not [PAD]"},
		{"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "line 5: not [MASK]"},
		{"[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n", "line 1: not [PAD]"},
		{"a\n" SPECIALS, "line 1: not [PAD]"},
		{SPECIALS "a\n\nb\n", "line 7: empty"},
		{SPECIALS "\n", "line 6: empty"},
		{SPECIALS "a\nb\na\n", "line 8: the token was there before"},
		{SPECIALS "[PAD]\n", "line 6: the token was there before"},
		{SPECIALS "a b\n", "line 6: blank or control character"},
		{SPECIALS "a\tb\n", "line 6: blank or control character"},
		{SPECIALS "a\r\n\rb\n", "line 7: blank or control character"},
		{SPECIALS "\x7f\n", "line 6: blank or control character"},
		{SPECIALS "\xff\n", "line 6: not UTF-8"},
		{SPECIALS "\xc0\x80\n", "line 6: not UTF-8"},
		{SPECIALS "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\n", "line 6: not UTF-8"},
		{SPECIALS "\xed\xa0\x80\n", "line 6: not UTF-8"},
	};
	struct buf b = {0};
	struct err e;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK(!wordpiece_parse(rows[i].text, strlen(rows[i].text), &e));
		CHECK(!strcmp(e.text, rows[i].why));
	}
	CHECK(!wordpiece_parse(SPECIALS "a\0b\n", sizeof(SPECIALS "a\0b\n") - 1, &e));
	CHECK(!strcmp(e.text, "line 6: blank or control character"));

	buf_puts(&b, SPECIALS);
	memset(buf_reserve(&b, WORDPIECE_TOKEN_MAX + 1), 'a', WORDPIECE_TOKEN_MAX + 1);
	b.n += WORDPIECE_TOKEN_MAX + 1;
	CHECK(!wordpiece_parse((char *)b.p, b.n, &e));
	CHECK(!strcmp(e.text, "line 6: longer than 400 bytes"));
	b.n--;
	wordpiece_free(make(buf_text(&b)));

	buf_reset(&b);
	buf_puts(&b, SPECIALS);
	while (b.n <= WORDPIECE_FILE_MAX)
		buf_printf(&b, "%zu\n", b.n);
	CHECK(!wordpiece_parse((char *)b.p, b.n, &e));
	CHECK(!strcmp(e.text, "larger than 4194304 bytes"));
	buf_free(&b);

	CHECK(!wordpiece_open("/nonexistent/vocab.txt", &e));
	CHECK(!strcmp(e.text, "/nonexistent/vocab.txt: No such file or directory"));
	CHECK(!wordpiece_open("/", &e));
	CHECK(!strcmp(e.text, "//vocab.txt: No such file or directory"));
	CHECK(!wordpiece_open("/dev/zero", &e)); /* endless */
	CHECK(!strcmp(e.text, "/dev/zero: larger than 4194304 bytes"));
}

/* Made to cost as much as possible: every suffix has long chains of failures. */
static void test_hostile(void)
{
	struct buf b = {0};
	struct err e;
	struct wordpiece *w;

	buf_puts(&b, SPECIALS "##a\n");
	for (int k = 0; b.n < WORDPIECE_FILE_MAX - 500; k++) {
		memset(buf_reserve(&b, 400), 'a', 400);
		b.n += 390;
		buf_printf(&b, "%08x\n", (unsigned)k);
	}
	w = wordpiece_parse((char *)b.p, b.n, &e);
	CHECK(w || !strcmp(e.text, "too many ways to cut the tokens into others"));
	wordpiece_free(w);
	buf_free(&b);
}

static void test_hash(void)
{
	struct wordpiece *a = make(SPECIALS "a\nb\n"), *b = make(SPECIALS "a\nb");
	struct wordpiece *c = make("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\nb\r\n");
	struct wordpiece *d = make(SPECIALS "b\na\n"), *ab = make(SPECIALS "ab\n");

	CHECK(wordpiece_hash(a) == wordpiece_hash(b) && wordpiece_hash(a) == wordpiece_hash(c));
	CHECK(wordpiece_hash(a) != wordpiece_hash(d) && wordpiece_hash(a) != wordpiece_hash(ab));
	wordpiece_free(a);
	wordpiece_free(b);
	wordpiece_free(c);
	wordpiece_free(d);
	wordpiece_free(ab);
}

/* ---- against a plain loop ---- */

/* The definition: the longest token, again and again. */
static void slow_word(const struct wordpiece *w, const char *word, struct wordpiece_ids *out)
{
	size_t n = strlen(word), from = 0, before = out->n;
	char piece[64];

	out->p = mem_grow(out->p, &out->cap, out->n + n + 1, sizeof(*out->p));
	while (from < n) {
		size_t to = n;
		int64_t id = -1;

		for (; to > from && id < 0; to--) {
			snprintf(piece, sizeof(piece), "%s%.*s", from ? "##" : "", (int)(to - from),
				word + from);
			id = wordpiece_find(w, piece);
		}
		if (id < 0) {
			out->n = before;
			out->p[out->n++] = WORDPIECE_UNK;
			return;
		}
		out->p[out->n++] = (uint32_t)id;
		from = to + 1;
	}
}

static void random_word(char *word, size_t max, unsigned letters, struct rng *r)
{
	size_t n = 1 + rng_below(r, max);

	for (size_t i = 0; i < n; i++)
		word[i] = "abc#d"[rng_below(r, letters)];
	word[n] = '\0';
}

static void test_random(void)
{
	struct rng r = rng_new(7, 0);
	struct wordpiece_ids fast = {0}, slow = {0};
	size_t known = 0;

	for (int k = 0; k < 3000; k++) {
		unsigned letters = 1 + (unsigned)rng_below(&r, 5);
		struct wordpiece_memo memo = {0};
		struct buf b = {0}, text = {0};
		struct map seen = {0};
		struct wordpiece *w;
		char word[32];

		buf_puts(&b, SPECIALS);
		for (int i = (int)rng_below(&r, 40); i >= 0; i--) {
			bool made;

			memcpy(word, "##", 2);
			random_word(word + 2, 1 + rng_below(&r, 7), letters, &r);
			if (rng_below(&r, 4) == 0)
				memmove(word, word + 2, strlen(word + 2) + 1);
			map_put(&seen, word, strlen(word), &made);
			if (made)
				buf_printf(&b, "%s\n", word);
		}
		w = make(buf_text(&b));
		fast.n = slow.n = 0;
		for (int i = 0; i < 100; i++) {
			random_word(word, 12, letters, &r);
			buf_printf(&text, "%s ", word);
			slow_word(w, word, &slow);
			wordpiece_word(w, word, strlen(word), &fast);
		}
		CHECK(fast.n == slow.n && !memcmp(fast.p, slow.p, 4 * fast.n));
		fast.n = 0;
		wordpiece_encode(w, &memo, (char *)text.p, text.n, &fast);
		CHECK(fast.n == slow.n && !memcmp(fast.p, slow.p, 4 * fast.n));
		for (size_t i = 0; i < fast.n; i++)
			known += fast.p[i] != WORDPIECE_UNK;
		wordpiece_memo_free(&memo);
		wordpiece_free(w);
		map_free(&seen);
		buf_free(&b);
		buf_free(&text);
	}
	CHECK(known > 100000); /* the test is about something */
	mem_free(fast.p);
	mem_free(slow.p);
}

/* More words than the memo holds. */
static void test_memo(void)
{
	struct wordpiece *w =
		make(SPECIALS "a\n0\n##0\n##1\n##2\n##3\n##4\n##5\n##6\n##7\n##8\n##9\n");
	struct wordpiece_memo memo = {0};
	struct wordpiece_ids ids = {0};
	size_t wrong = 0;

	for (unsigned k = 0; k < 300000; k++) {
		char word[16];
		size_t n = (size_t)snprintf(word, sizeof(word), "a%u", k * 7919u % 100003);

		ids.n = 0;
		wordpiece_encode(w, &memo, word, n, &ids);
		wrong += ids.n != n || ids.p[n - 1] != 7u + (unsigned)(word[n - 1] - '0');
	}
	CHECK(!wrong);
	CHECK(memo.words.count <= 1 << 16);
	wordpiece_memo_free(&memo);
	wordpiece_free(w);
	mem_free(ids.p);
}

/* ---- learning ---- */

static uint32_t token_number(struct map *tokens, const char *text, size_t n)
{
	bool made;
	struct map_entry *e = map_put(tokens, text, n, &made);

	if (made)
		e->value = tokens->count - 1;
	return (uint32_t)e->value;
}

/* The same method by counting all pairs anew for each token. */
static void slow_learn(const struct vocab *v, size_t size, uint64_t min_count, struct buf *out)
{
	struct map tokens = {0};
	size_t n = v->words.count;
	uint32_t(*sym)[16] = mem_zalloc(n, sizeof(*sym));
	size_t *len = mem_zalloc(n, sizeof(*len));
	char text[8];

	for (size_t i = 0; i < WORDPIECE_SPECIALS; i++)
		token_number(&tokens, wordpiece_special[i], strlen(wordpiece_special[i]));
	for (int k = 0; k < 2; k++)
		for (int c = '!'; c <= '~'; c++)
			token_number(&tokens, text,
				(size_t)snprintf(text, sizeof(text), "%s%c", k ? "##" : "", c));
	for (size_t i = 0; i < n; i++)
		for (const char *p = v->words.e[i].key; *p; p++) {
			int m = snprintf(text, sizeof(text), "%s%c", len[i] ? "##" : "", *p);

			sym[i][len[i]++] = token_number(&tokens, text, (size_t)m);
		}
	while (tokens.count < size) {
		struct map pairs = {0};
		uint32_t best[2] = {0}, c;
		uint64_t count = 0;
		struct buf b = {0};

		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k + 1 < len[i]; k++)
				map_put(&pairs, &sym[i][k], 8, NULL)->value += v->words.e[i].value;
		for (size_t i = 0; i < pairs.count; i++) {
			uint32_t p[2];

			memcpy(p, pairs.e[i].key, 8);
			if (pairs.e[i].value > count ||
				(pairs.e[i].value == count &&
					(p[0] < best[0] || (p[0] == best[0] && p[1] < best[1])))) {
				count = pairs.e[i].value;
				memcpy(best, p, 8);
			}
		}
		map_free(&pairs);
		if (!count || count < min_count)
			break;
		buf_puts(&b, tokens.e[best[0]].key);
		buf_puts(&b, (const char *)tokens.e[best[1]].key + 2);
		c = token_number(&tokens, (char *)b.p, b.n);
		buf_free(&b);
		for (size_t i = 0; i < n; i++) {
			size_t to = 0;

			for (size_t k = 0; k < len[i]; k++) {
				if (k + 1 < len[i] && !memcmp(&sym[i][k], best, 8)) {
					sym[i][to++] = c;
					k++;
				} else {
					sym[i][to++] = sym[i][k];
				}
			}
			len[i] = to;
		}
	}
	for (size_t i = 0; i < tokens.count; i++)
		buf_printf(out, "%s\n", (const char *)tokens.e[i].key);
	map_free(&tokens);
	mem_free(sym);
	mem_free(len);
}

static void test_learn(void)
{
	struct rng r = rng_new(3, 0);
	struct buf fast = {0}, slow = {0};

	for (int k = 0; k < 150; k++) {
		struct vocab v = {0};
		unsigned letters = 1 + (unsigned)rng_below(&r, 5);
		uint64_t min_count = rng_below(&r, 4);
		struct err e;
		struct wordpiece *w;
		char word[32];
		size_t n;

		for (int i = (int)rng_below(&r, 400); i >= 0; i--) {
			random_word(word, 14, letters, &r);
			vocab_add(&v, word, strlen(word));
		}
		buf_reset(&fast);
		buf_reset(&slow);
		n = vocab_learn(&v, 300, min_count, &fast);
		slow_learn(&v, 300, min_count, &slow);
		CHECK(fast.n == slow.n && !memcmp(fast.p, slow.p, fast.n));
		w = wordpiece_parse((char *)fast.p, fast.n, &e);
		CHECK(w && wordpiece_count(w) == n && n <= 300);
		wordpiece_free(w);
		vocab_free(&v);
	}
	buf_free(&fast);
	buf_free(&slow);
}

static void test_count(void)
{
	static const char text[] = " mov rax,  rax, \xc3\xa9 a\x7f mov\n\tmov ";
	struct vocab v = {0};
	char word[16], big[200];

	vocab_add(&v, text, sizeof(text) - 1);
	CHECK(v.words.count == 2 && v.total == 5);
	CHECK(map_get(&v.words, "mov", 3)->value == 3 && map_get(&v.words, "rax,", 4)->value == 2);
	memset(big, 'x', sizeof(big));
	vocab_add(&v, big, sizeof(big));
	CHECK(v.words.count == 2);
	vocab_add(&v, big, 100);
	CHECK(v.words.count == 3);
	vocab_free(&v);

	/* bounded: frequent words survive, and what is kept and dropped adds up */
	v.max_words = 1000;
	for (int i = 0; i < 100000; i++) {
		uint64_t sum = 0;

		vocab_add(&v, word, (size_t)snprintf(word, sizeof(word), "w%d", i));
		vocab_add(&v, "often", 5);
		if (i % 10000)
			continue;
		for (size_t k = 0; k < v.words.count; k++)
			sum += v.words.e[k].value;
		CHECK(v.words.count <= 1000 && sum + v.forgotten == v.total);
	}
	CHECK(map_get(&v.words, "often", 5)->value == 100000);
	vocab_free(&v);
}

/* ---- files ---- */

static void test_save(void)
{
	static const char text[] = SPECIALS "a\n##\"\\\nb\n\xc3\xa9\n";
	char dir[] = "/tmp/wordpieceXXXXXX", path[64];
	struct wordpiece *w = make(text), *again;
	json_t *root, *vocab;
	struct err e;

	CHECK(mkdtemp(dir) != NULL);
	for (int reads = WORDPIECE_READS - 1; reads >= WORDPIECE_ANY; reads--) {
		wordpiece_set_reads(w, (enum wordpiece_reads)reads);
		CHECK(wordpiece_save(w, dir, &e) == 0);
		again = wordpiece_open(dir, &e);
		CHECK(again && wordpiece_hash(again) == wordpiece_hash(w));
		CHECK(again && wordpiece_reads(again) == (enum wordpiece_reads)reads);
		wordpiece_free(again);
	}
	snprintf(path, sizeof(path), "%s/tokenizer.json", dir);
	root = json_load_file(path, 0, NULL);
	vocab = json_object_get(json_object_get(root, "model"), "vocab");
	CHECK(json_object_size(vocab) == wordpiece_count(w));
	for (size_t i = 0; i < wordpiece_count(w); i++)
		CHECK(json_integer_value(json_object_get(vocab, wordpiece_token(w, i))) == (int)i);
	json_decref(root);
	unlink(path);
	snprintf(path, sizeof(path), "%s/tokenizer_config.json", dir);
	root = json_load_file(path, 0, NULL);
	CHECK(json_is_object(root));
	json_decref(root);
	CHECK(truncate(path, 20) == 0);
	CHECK(!wordpiece_open(dir, &e) && strstr(e.text, "tokenizer_config.json: line 2"));
	unlink(path);
	again = wordpiece_open(dir, &e);
	CHECK(again && wordpiece_reads(again) == WORDPIECE_ANY);
	wordpiece_free(again);
	snprintf(path, sizeof(path), "%s/vocab.txt", dir);
	unlink(path);
	CHECK(rmdir(dir) == 0); /* nothing else was left there */
	CHECK(wordpiece_save(w, dir, &e) == -1);
	CHECK(strstr(e.text, "vocab.txt: cannot write: No such file or directory"));
	wordpiece_free(w);
}

int main(void)
{
	test_known();
	test_refused();
	test_hostile();
	test_hash();
	test_random();
	test_memo();
	test_learn();
	test_count();
	test_save();
	return unit_done();
}
