/* pairs.c: see pairs.h. */
#include "filters/bb-train/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "filters/bb-train/run.h"
#include "nn/sample.h"

enum { VALID_MAX = 4096, TRIES = 8, SEED_DRAW = 0x64726177 };

struct item {
	uint64_t number, record; /* in the order of the input */
	/*
	 * Owned: code, then expression. Of traced text: a struct pack_traced and what it points to,
	 * and nexpr is how much that is besides the code.
	 */
	uint32_t *tok;
	uint32_t ncode, nexpr;
};

struct items {
	struct item *p;
	size_t n, cap;
};

struct pairs {
	struct pairs_options o;
	struct stream_reader *in;
	struct items buf, valid;
	size_t live;    /* the first so many are still to be drawn in this epoch */
	size_t bytes;   /* held by buf */
	bool eof;       /* of the input, in this pass */
	bool whole;     /* the buffer holds the whole input */
	bool drawn;     /* in this pass something was taken out */
	bool had_valid; /* a pass through the input has filled valid */
	uint64_t pass_items, pass_records;      /* so far in this pass */
	uint64_t tokens, longest, skipped, cut; /* of the first pass */
	uint64_t epoch, draw;
	uint8_t digest[HASH_BYTES]; /* of the input, once had_valid */
	struct item gone;           /* taken out by the last draw */
};

static size_t item_bytes(const struct item *it)
{
	return sizeof(*it) + 32 + ((size_t)it->ncode + it->nexpr) * sizeof(uint32_t);
}

static void add_item(struct items *to, const struct item *it)
{
	to->p = mem_grow(to->p, &to->cap, to->n + 1, sizeof(*to->p));
	to->p[to->n++] = *it;
}

bool pairs_is_valid(const struct tokens *t, double share, const char *split)
{
	const char *key = strcmp(split, "group") ? field_label(&t->labels, split) : t->group;
	struct buf b = {0};
	uint64_t h;

	if (share <= 0)
		return false;
	if (key && *key) {
		buf_puts(&b, key);
	} else { /* all units of a function on the same side */
		buf_put(&b, t->origin.bin.p, t->origin.bin.n);
		buf_put(&b, &t->origin.fn, sizeof(t->origin.fn));
	}
	h = hash_64(b.p, b.n);
	buf_free(&b);
	return (double)(h >> 11) * 0x1p-53 < share;
}

bool pairs_fits(struct prog *p, const struct tokens *t, uint64_t vocab, uint32_t ntokens)
{
	uint32_t top = 0;

	if (t->vocab != vocab)
		prog_fail(p, "%s: %s: tokens of another vocabulary than the model's",
			t->origin.file, t->origin.name);
	for (size_t i = 0; i < t->ids.n; i++)
		top = MAX(top, t->ids.p[i]);
	for (size_t i = 0; i < t->eids.n; i++)
		top = MAX(top, t->eids.p[i]);
	if (top < ntokens)
		return true;
	prog_warn(p, "%s: %s: token %u is not in the vocabulary", t->origin.file, t->origin.name,
		top);
	if (p->strict)
		exit(EXIT_FAILED);
	return false;
}

/* The tokens of the item as far as the model sees them, when they are traced text. */
static void copy_traced(const struct pairs *s, struct item *it, const struct tokens *t)
{
	struct pack_traced view = sample_traced(t, run_arch(s->o.traced, t));
	size_t head = sizeof(view) / sizeof(*it->tok), words;

	pack_trim(&view, s->o.max_len);
	words = head + pack_words(&view);
	it->tok = mem_alloc(words, sizeof(*it->tok));
	it->ncode = view.n;
	it->nexpr = (uint32_t)(words - view.n);
	pack_store(&view, it->tok + head);
	memcpy(it->tok, &view, sizeof(view));
}

/* The tokens of the item: of code and the expression. */
static void copy(struct item *it, const struct tokens *t, const uint32_t *e)
{
	it->tok = mem_alloc((size_t)it->ncode + it->nexpr, sizeof(*it->tok));
	if (it->ncode)
		memcpy(it->tok, t->ids.p, it->ncode * sizeof(*it->tok));
	if (it->nexpr)
		memcpy(it->tok + it->ncode, e, it->nexpr * sizeof(*it->tok));
}

static void add_record(struct pairs *s, const struct tokens *t)
{
	bool valid = pairs_is_valid(t, s->o.valid, s->o.split), first = !s->had_valid;
	size_t n = s->o.code_only ? 1 : t->elens.n;
	const uint32_t *e = t->eids.p;

	for (size_t i = 0; i < n; i++) {
		struct item it = {.number = s->pass_items++, .record = s->pass_records};

		it.ncode = (uint32_t)t->ids.n;
		it.nexpr = s->o.code_only ? 0 : t->elens.p[i];
		if (valid && (!first || s->valid.n >= VALID_MAX)) {
			e += it.nexpr;
			continue;
		}
		s->cut += first && pack_is_cut(s->o.max_len, it.ncode, !s->o.code_only, it.nexpr);
		if (s->o.traced)
			copy_traced(s, &it, t);
		else
			copy(&it, t, e);
		if (first && !valid) {
			uint64_t size = s->o.traced ? (uint64_t)it.ncode + 2
						    : (uint64_t)it.ncode + it.nexpr + 3;

			s->tokens += size;
			s->longest = MAX(s->longest, size);
		}
		if (!s->o.code_only)
			e += it.nexpr;
		add_item(valid ? &s->valid : &s->buf, &it);
		if (!valid)
			s->bytes += item_bytes(&it);
	}
	s->pass_records++;
}

/* Reads one record. 1, or 0 at the end. */
static int read_record(struct pairs *s)
{
	struct tokens t;
	int got = stream_read(s->in, &t);

	if (got < 0)
		prog_fail(s->o.p, "%s", stream_error(s->in));
	if (got == 0) {
		s->eof = true;
		s->had_valid = true;
		stream_digest(s->in, s->digest);
		return 0;
	}
	if (!pairs_fits(s->o.p, &t, s->o.vocab, s->o.tokens) || !t.ids.n ||
		(!s->o.code_only && !t.elens.n))
		s->skipped += !s->had_valid;
	else
		add_record(s, &t);
	return 1;
}

static void fill(struct pairs *s)
{
	size_t had = s->buf.n;

	while (!s->eof && s->bytes < s->o.bytes)
		(void)read_record(s);
	s->live += s->buf.n - had;
}

static void clear(struct items *v)
{
	for (size_t i = 0; i < v->n; i++)
		mem_free(v->p[i].tok);
	v->n = 0;
}

static void restart(struct pairs *s)
{
	stream_close(s->in);
	s->in = filter_open(s->o.p, &tokens_kind);
	clear(&s->buf);
	s->live = s->bytes = 0;
	s->eof = s->drawn = false;
	s->pass_items = s->pass_records = 0;
	fill(s);
}

static bool rereadable(const struct pairs *s)
{
	for (size_t i = 0; i < s->o.p->nargs; i++)
		if (strcmp(s->o.p->args[i], "-") == 0)
			return false;
	return s->o.p->nargs > 0;
}

struct pairs *pairs_open(const struct pairs_options *o)
{
	struct pairs *s = mem_zalloc(1, sizeof(*s));

	s->o = *o;
	s->in = filter_open(o->p, &tokens_kind);
	fill(s);
	s->whole = s->eof;
	return s;
}

void pairs_free(struct pairs *s)
{
	if (!s)
		return;
	clear(&s->buf);
	clear(&s->valid);
	mem_free(s->buf.p);
	mem_free(s->valid.p);
	mem_free(s->gone.tok);
	stream_close(s->in);
	mem_free(s);
}

/* Reads on to the end without keeping anything but validation pairs. */
static void count_rest(struct pairs *s)
{
	while (read_record(s)) {
		for (; s->buf.n > s->live; s->buf.n--) {
			s->bytes -= item_bytes(&s->buf.p[s->buf.n - 1]);
			mem_free(s->buf.p[s->buf.n - 1].tok);
		}
	}
}

uint64_t pairs_tokens(struct pairs *s)
{
	if (s->whole)
		return s->tokens;
	if (!rereadable(s))
		return 0;
	count_rest(s);
	restart(s);
	return s->tokens;
}

bool pairs_whole(const struct pairs *s)
{
	return s->whole;
}

uint64_t pairs_longest(const struct pairs *s)
{
	return s->longest;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct item *)a)->number, y = ((const struct item *)b)->number;

	return (x > y) - (x < y);
}

int pairs_epoch(struct pairs *s, uint64_t epoch)
{
	s->epoch = epoch;
	s->draw = 0;
	if (s->whole) {
		qsort(s->buf.p, s->buf.n, sizeof(*s->buf.p), by_number);
		s->live = s->buf.n;
	} else if (s->drawn || epoch > 0) {
		if (!rereadable(s))
			return -1;
		restart(s);
	}
	return 0;
}

static void show(const struct pairs *s, const struct item *it, struct pair *out)
{
	*out = (struct pair){.code = it->tok, .ncode = it->ncode};
	out->expr = it->tok + it->ncode;
	out->nexpr = it->nexpr;
	if (s->o.traced)
		memcpy(&out->traced, it->tok, sizeof(out->traced));
}

/* An expression of another record that reads differently; NULL in `other` if none was met. */
static void find_other(const struct items *v, size_t mine, struct rng *r, struct pair *out)
{
	const struct item *a = &v->p[mine];

	for (int i = 0; i < TRIES; i++) {
		const struct item *b = &v->p[rng_below(r, v->n)];

		if (b->record == a->record ||
			(b->nexpr == a->nexpr && memcmp(a->tok + a->ncode, b->tok + b->ncode,
							 a->nexpr * sizeof(*a->tok)) == 0))
			continue;
		out->other = b->tok + b->ncode;
		out->nother = b->nexpr;
		return;
	}
}

int pairs_next(struct pairs *s, struct pair *out)
{
	struct rng r = rng_new(s->o.seed ^ (uint64_t)SEED_DRAW << 32, s->epoch << 40 | s->draw);
	struct item it;
	size_t at;

	mem_free(s->gone.tok);
	s->gone.tok = NULL;
	if (!s->live && !s->whole)
		fill(s);
	if (!s->live)
		return 0;
	s->draw++;
	at = rng_below(&r, s->live);
	show(s, &s->buf.p[at], out);
	if (!s->o.code_only)
		find_other(&s->buf, at, &r, out);
	it = s->buf.p[at];
	s->buf.p[at] = s->buf.p[--s->live];
	s->buf.p[s->live] = it;
	if (s->whole)
		return 1;
	/* Streaming: what was drawn leaves. Refilling moves items, not the tokens shown in out. */
	s->drawn = true;
	s->gone = it;
	s->bytes -= item_bytes(&it);
	s->buf.n--;
	fill(s);
	return 1;
}

size_t pairs_valid_count(const struct pairs *s)
{
	return s->valid.n;
}

void pairs_valid(const struct pairs *s, size_t i, struct pair *out)
{
	struct rng r = rng_new(SEED_DRAW, i);

	show(s, &s->valid.p[i], out);
	if (!s->o.code_only)
		find_other(&s->valid, i, &r, out);
}

bool pairs_digest(const struct pairs *s, uint8_t digest[HASH_BYTES])
{
	memcpy(digest, s->digest, HASH_BYTES);
	return s->had_valid;
}

uint64_t pairs_cut(const struct pairs *s)
{
	return s->cut;
}

uint64_t pairs_skipped(const struct pairs *s)
{
	return s->skipped;
}
