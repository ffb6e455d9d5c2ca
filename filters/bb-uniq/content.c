/*
 * content.c: see content.h. man 1 bb-uniq says the same in words.
 *
 * Every piece is put with its length before it, so two different records never give one key.
 */
#include "content.h"

#include <stdlib.h>
#include <string.h>

#include "formats/embedding.h"
#include "formats/function.h"
#include "formats/sequence.h"
#include "formats/tokens.h"

static const char *const names[] = {"content", "code", "exprs", "record"};

int content_find(const char *name, enum content_by *by)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		*by = (enum content_by)i;
		if (!strcmp(names[i], name))
			return 0;
	}
	return -1;
}

bool content_has(const struct kind *k, enum content_by by)
{
	switch (by) {
	case CONTENT_ALL:
	case CONTENT_RECORD: break;
	case CONTENT_CODE: return k == &function_kind || k == &sequence_kind || k == &tokens_kind;
	case CONTENT_EXPRS: return k == &sequence_kind || k == &tokens_kind;
	}
	return true;
}

static void put(struct buf *key, const void *p, size_t n)
{
	uint64_t length = n;

	buf_put(key, &length, sizeof(length));
	buf_put(key, p, n);
}

static void put_text(struct buf *key, const char *s)
{
	put(key, s, strlen(s));
}

/*
 * Machine code as far as its place does not matter: addresses in references are left out, as the
 * same code elsewhere refers to other ones; a name is what it is wherever it stands.
 */
static void put_code(struct buf *key, const char *arch, const struct u8s *code,
	const struct u8s *len, const struct refs *refs)
{
	put_text(key, arch);
	put(key, code->p, code->n);
	put(key, len->p, len->n);
	put(key, refs->insn.p, refs->insn.n * sizeof(*refs->insn.p));
	put(key, refs->kind.p, refs->kind.n);
	for (size_t i = 0; i < refs->insn.n; i++)
		put_text(key, refs_name(refs, i) ? refs_name(refs, i) : "");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The representative set: neither the order of the expressions nor repetition matters. */
static void put_hashes(struct buf *key, const struct u64s *hashes)
{
	uint64_t *h = hashes->p;
	size_t n = 0;

	if (hashes->n)
		qsort(h, hashes->n, sizeof(*h), by_value);
	for (size_t i = 0; i < hashes->n; i++)
		if (i == 0 || h[i] != h[i - 1])
			h[n++] = h[i];
	put(key, h, n * sizeof(*h));
}

static bool put_sequence(struct buf *key, const struct sequence *s, enum content_by by)
{
	if (by == CONTENT_EXPRS && !s->hashes.n)
		return false;
	put_text(key, s->unit);
	if (by != CONTENT_EXPRS)
		put_code(key, s->arch, &s->code, &s->len, &s->refs);
	if (by == CONTENT_ALL) {
		put(key, s->marks.p, s->marks.n);
		put(key, s->values.p, s->values.n * sizeof(*s->values.p));
	}
	if (by != CONTENT_CODE)
		put_hashes(key, &s->hashes);
	return true;
}

static bool put_tokens(struct buf *key, const struct tokens *t, enum content_by by)
{
	if (by == CONTENT_EXPRS && !t->elens.n)
		return false;
	put_text(key, t->unit);
	put(key, &t->vocab, sizeof(t->vocab));
	if (by != CONTENT_EXPRS) {
		put_text(key, t->arch);
		put(key, t->ids.p, t->ids.n * sizeof(*t->ids.p));
	}
	if (by == CONTENT_ALL) {
		put(key, t->marks.p, t->marks.n);
		put(key, t->vat.p, t->vat.n * sizeof(*t->vat.p));
		put(key, t->values.p, t->values.n * sizeof(*t->values.p));
	}
	if (by != CONTENT_CODE) {
		put(key, t->eids.p, t->eids.n * sizeof(*t->eids.p));
		put(key, t->elens.p, t->elens.n * sizeof(*t->elens.p));
	}
	return true;
}

bool content_digest(const struct kind *k, const void *rec, const uint8_t *raw, size_t n,
	enum content_by by, struct buf *key, uint8_t digest[HASH_BYTES])
{
	const struct embedding *m = rec;
	const struct function *f = rec;
	bool has = true;

	buf_reset(key);
	put_text(key, k->name);
	if (by == CONTENT_RECORD)
		put(key, raw, n);
	else if (k == &function_kind)
		put_code(key, f->arch, &f->code, &f->len, &f->refs);
	else if (k == &sequence_kind)
		has = put_sequence(key, rec, by);
	else if (k == &tokens_kind)
		has = put_tokens(key, rec, by);
	else if (k == &embedding_kind) {
		put_text(key, m->unit);
		put(key, m->vec.p, m->vec.n * sizeof(*m->vec.p));
	} else {
		put(key, raw, n);
	}
	hash_128(key->p, key->n, digest);
	return has;
}
