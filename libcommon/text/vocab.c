/*
 * vocab.c: a vocabulary by merging the most frequent pair; see vocab.h.
 *
 * One idea: the count of every pair is always exact, kept up to date only where a merge touches a
 * word, while the queue of pairs is not: an entry that comes out with an old count goes back in
 * with the new one. So a merge costs what it changes (Sennrich et al., ACL 2016, for the method).
 */
#include "text/vocab.h"

#include <string.h>

#include "base/mem.h"
#include "text/wordpiece.h"

enum { FIRST_CHAR = '!', LAST_CHAR = '~' };

/* ---- counting ---- */

/* Forgets the rarest words until no more than half of `max` are left. */
static void forget(struct vocab *v, size_t max)
{
	struct map kept = {0};

	for (uint64_t floor = 1; v->words.count > max / 2; floor *= 2) {
		for (size_t i = 0; i < v->words.count; i++) {
			const struct map_entry *e = &v->words.e[i];

			if (e->value > floor)
				map_put(&kept, e->key, e->n, NULL)->value = e->value;
			else
				v->forgotten += e->value;
		}
		map_free(&v->words);
		v->words = kept;
		kept = (struct map){0};
	}
}

void vocab_add(struct vocab *v, const char *text, size_t n)
{
	size_t max = v->max_words ? v->max_words : VOCAB_WORDS_MAX;

	for (size_t i = 0, from; i < n; i++) {
		bool plain = true;

		for (from = i; i < n && (uint8_t)text[i] > ' '; i++)
			plain &= text[i] >= FIRST_CHAR && text[i] <= LAST_CHAR;
		if (i == from || !plain || i - from > WORDPIECE_WORD_MAX)
			continue;
		map_put(&v->words, text + from, i - from, NULL)->value++;
		v->total++;
		if (v->words.count > max)
			forget(v, max);
	}
}

void vocab_free(struct vocab *v)
{
	map_free(&v->words);
	*v = (struct vocab){0};
}

/* ---- learning ---- */

struct word {
	uint32_t *sym; /* its tokens at present */
	uint32_t n;
	uint64_t count;
};

struct pair {
	uint32_t a, b;
	uint64_t count;  /* how often b follows a in the corpus at present */
	uint32_t *words; /* words it is or was in */
	size_t nwords, cap;
	bool grew; /* in this merge: has to go into the queue */
};

/* An entry of the queue; count may be out of date. */
struct bid {
	uint64_t count;
	uint32_t a, b;
	uint32_t pair;
};

struct learner {
	struct map tokens; /* text -> number, in order */
	struct arena arena;
	struct word *word;
	size_t nwords;
	struct map64 index; /* a << 32 | b -> pair */
	struct pair *pair;
	size_t npairs, pair_cap;
	struct bid *heap;
	size_t nheap, heap_cap;
	uint32_t *grew; /* pairs that grew in this merge */
	size_t ngrew, grew_cap;
};

static uint32_t token_number(struct learner *l, const char *text, size_t n)
{
	bool made;
	struct map_entry *e = map_put(&l->tokens, text, n, &made);

	if (made)
		e->value = l->tokens.count - 1;
	return (uint32_t)e->value;
}

static bool better(const struct bid *x, const struct bid *y)
{
	if (x->count != y->count)
		return x->count > y->count;
	return x->a != y->a ? x->a < y->a : x->b < y->b;
}

static void heap_push(struct learner *l, uint32_t pair)
{
	const struct pair *p = &l->pair[pair];
	struct bid bid = {p->count, p->a, p->b, pair};
	size_t i = l->nheap++;

	l->heap = mem_grow(l->heap, &l->heap_cap, l->nheap, sizeof(*l->heap));
	for (; i > 0 && better(&bid, &l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = bid;
}

static struct bid heap_pop(struct learner *l)
{
	struct bid top = l->heap[0], last = l->heap[--l->nheap];
	size_t i = 0, k;

	while ((k = 2 * i + 1) < l->nheap) {
		if (k + 1 < l->nheap && better(&l->heap[k + 1], &l->heap[k]))
			k++;
		if (!better(&l->heap[k], &last))
			break;
		l->heap[i] = l->heap[k];
		i = k;
	}
	l->heap[i] = last;
	return top;
}

static struct pair *find_pair(struct learner *l, uint32_t a, uint32_t b)
{
	bool made;
	uint64_t *at = map64_put(&l->index, (uint64_t)a << 32 | b, &made);

	if (made) {
		*at = l->npairs++;
		l->pair = mem_grow(l->pair, &l->pair_cap, l->npairs, sizeof(*l->pair));
		l->pair[*at] = (struct pair){.a = a, .b = b};
	}
	return &l->pair[*at];
}

/* There is one (a, b) more in the word. */
static void more(struct learner *l, uint32_t a, uint32_t b, uint32_t word)
{
	struct pair *p = find_pair(l, a, b);

	p->count += l->word[word].count;
	if (p->nwords == 0 || p->words[p->nwords - 1] != word) {
		p->words = mem_grow(p->words, &p->cap, p->nwords + 1, sizeof(*p->words));
		p->words[p->nwords++] = word;
	}
	if (!p->grew) {
		p->grew = true;
		l->grew = mem_grow(l->grew, &l->grew_cap, l->ngrew + 1, sizeof(*l->grew));
		l->grew[l->ngrew++] = (uint32_t)(p - l->pair);
	}
}

static void less(struct learner *l, uint32_t a, uint32_t b, uint32_t word)
{
	find_pair(l, a, b)->count -= l->word[word].count;
}

static void queue_grown(struct learner *l)
{
	for (size_t i = 0; i < l->ngrew; i++) {
		l->pair[l->grew[i]].grew = false;
		heap_push(l, l->grew[i]);
	}
	l->ngrew = 0;
}

/* Every a followed by b in the word becomes c. */
static void merge_in_word(struct learner *l, uint32_t word, uint32_t a, uint32_t b, uint32_t c)
{
	struct word *w = &l->word[word];
	uint32_t n = 0;

	/* sym[0..n) is done, sym[i..] is to come; at each step the two together are the word. */
	for (uint32_t i = 0; i < w->n; i++) {
		if (w->sym[i] != a || i + 1 == w->n || w->sym[i + 1] != b) {
			w->sym[n++] = w->sym[i];
			continue;
		}
		less(l, a, b, word);
		if (n > 0) {
			less(l, w->sym[n - 1], a, word);
			more(l, w->sym[n - 1], c, word);
		}
		if (i + 2 < w->n) {
			less(l, b, w->sym[i + 2], word);
			more(l, c, w->sym[i + 2], word);
		}
		w->sym[n++] = c;
		i++;
	}
	w->n = n;
}

/* Makes the token of the pair and puts it into all words. */
static void merge(struct learner *l, uint32_t pair)
{
	struct pair p = l->pair[pair];
	struct buf text = {0};
	uint32_t c;

	buf_puts(&text, l->tokens.e[p.a].key);
	buf_puts(&text, (const char *)l->tokens.e[p.b].key + 2); /* without its "##" */
	c = token_number(l, (char *)text.p, text.n);
	buf_free(&text);
	/* The pair's list of words is ours now: no merge makes this pair again. */
	l->pair[pair].words = NULL;
	l->pair[pair].nwords = l->pair[pair].cap = 0;
	for (size_t i = 0; i < p.nwords; i++)
		merge_in_word(l, p.words[i], p.a, p.b, c);
	mem_free(p.words);
	queue_grown(l);
}

static void start(struct learner *l, const struct vocab *v)
{
	char text[3] = "##";

	for (size_t i = 0; i < WORDPIECE_SPECIALS; i++)
		token_number(l, wordpiece_special[i], strlen(wordpiece_special[i]));
	for (int c = FIRST_CHAR; c <= LAST_CHAR; c++)
		token_number(l, (text[2] = (char)c, &text[2]), 1);
	for (int c = FIRST_CHAR; c <= LAST_CHAR; c++)
		token_number(l, (text[2] = (char)c, text), 3);

	l->nwords = v->words.count;
	l->word = mem_alloc(l->nwords, sizeof(*l->word));
	for (uint32_t i = 0; i < l->nwords; i++) {
		const struct map_entry *e = &v->words.e[i];
		const uint8_t *key = e->key;
		struct word *w = &l->word[i];

		*w = (struct word){arena_get(&l->arena, e->n, 4), (uint32_t)e->n, e->value};
		for (size_t k = 0; k < e->n; k++)
			w->sym[k] = (uint32_t)(WORDPIECE_SPECIALS + key[k] - FIRST_CHAR) +
				    (k > 0 ? LAST_CHAR - FIRST_CHAR + 1 : 0);
		for (size_t k = 0; k + 1 < e->n; k++)
			more(l, w->sym[k], w->sym[k + 1], i);
	}
	queue_grown(l);
}

size_t vocab_learn(const struct vocab *v, size_t size, uint64_t min_count, struct buf *out)
{
	struct learner l = {0};
	size_t n;

	start(&l, v);
	while (l.tokens.count < size && l.nheap > 0) {
		struct bid top = heap_pop(&l);
		uint64_t count = l.pair[top.pair].count;

		if (count == 0 || count < min_count)
			continue;
		if (count != top.count)
			heap_push(&l, top.pair);
		else
			merge(&l, top.pair);
	}
	n = l.tokens.count;
	for (size_t i = 0; i < n; i++) {
		buf_put(out, l.tokens.e[i].key, l.tokens.e[i].n);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < l.npairs; i++)
		mem_free(l.pair[i].words);
	mem_free(l.pair);
	mem_free(l.word);
	mem_free(l.heap);
	mem_free(l.grew);
	map64_free(&l.index);
	map_free(&l.tokens);
	arena_free(&l.arena);
	return n;
}
