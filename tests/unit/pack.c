/* pack.c: batches of code, of code with an expression, and of traced text. */
#include "tests/unit.h"

#include <string.h>

#include "base/mem.h"
#include "nn/model.h"
#include "nn/pack.h"

static bool is(const uint32_t *got, const uint32_t *want, size_t n)
{
	return memcmp(got, want, n * sizeof(*got)) == 0;
}

static void pairs(void)
{
	static const uint32_t code[] = {7, 8, 9}, expr[] = {10, 11};
	struct pack p = {0};
	const struct nn_batch *b;

	CHECK(pack_add(&p, 64, code, 3, NULL, 0) == 3);
	CHECK(pack_add(&p, 64, code, 2, expr, 2) == 2);
	b = pack_batch(&p);
	CHECK(b->tokens == 12 && b->seqs == 2 && b->longest == 7 && b->cu[2] == 12);
	CHECK(is(b->ids, (uint32_t[]){2, 7, 8, 9, 3, 2, 7, 8, 3, 10, 11, 3}, 12));
	CHECK(is(b->pos, (uint32_t[]){0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6}, 12));
	CHECK(memcmp(b->types, (uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, 12) == 0);
	CHECK(!b->op && !b->value && !b->bytes && b->nvalues == 0);
	pack_reset(&p);
	CHECK(pack_add(&p, 4, code, 3, NULL, 0) == 2 && p.cut == 1 && p.tokens == 4);
	pack_free(&p);
}

/* Two instructions, of three tokens and of two; the register and both numbers have values. */
static const uint32_t ids[] = {20, 21, 22, 23, 24}, starts[] = {0, 3}, vat[] = {1, 2, 4};
static const uint64_t values[] = {0x0102030405060708, 5, 5};
static const struct pack_traced text = {ids, starts, vat, values, 5, 2, 3, 4};

static void traced(void)
{
	struct pack p = {0};
	const struct nn_batch *b;

	CHECK(pack_add_traced(&p, 64, 2, &text) == 5);
	b = pack_batch(&p);
	CHECK(b->tokens == 7 && b->seqs == 1);
	CHECK(is(b->ids, (uint32_t[]){2, 20, 21, 22, 23, 24, 3}, 7));
	CHECK(is(b->pos, (uint32_t[]){0, 1, 1, 1, 2, 2, 3}, 7));
	CHECK(is(b->op, (uint32_t[]){0, 0, 1, 1, 0, 1, 0}, 7)); /* the third is beyond the last */
	CHECK(memcmp(b->types, (uint8_t[]){4, 4, 4, 4, 4, 4, 4}, 7) == 0);
	CHECK(is(b->value, (uint32_t[]){0, 0, 2, 3, 0, 3, 0}, 7)); /* equal values are one */
	CHECK(b->nvalues == 4);
	for (unsigned i = 0; i < 8; i++) {
		CHECK(b->bytes[8 * PACK_NO_VALUE + i] == NN_BYTE_NONE);
		CHECK(b->bytes[8 * PACK_HIDDEN + i] == NN_BYTE_MASK);
		CHECK(b->bytes[16 + i] == i + 1);
		CHECK(b->bytes[24 + i] == (i == 7 ? 5 : 0));
	}
	/* a second sequence shares them; 0 and what looks like a symbol are values */
	CHECK(pack_value(&p, 5) == 3 && pack_value(&p, 0) == 4 &&
		pack_value(&p, NN_BYTE_MASK) == 5);
	CHECK(p.bytes[40 + 6] == 1 && p.bytes[40 + 7] == 1);
	CHECK(pack_add_traced(&p, 64, 2, &text) == 5 && p.nvalues == 6 && p.value[9] == 2);
	CHECK(p.cut == 0);
	/* the next batch begins anew */
	pack_reset(&p);
	CHECK(pack_add_traced(&p, 5, 64, &text) == 3 && p.cut == 2 && p.nvalues == 4);
	b = pack_batch(&p);
	CHECK(is(b->ids, (uint32_t[]){2, 20, 21, 22, 3}, 5));
	CHECK(is(b->pos, (uint32_t[]){0, 1, 1, 1, 2}, 5));
	CHECK(is(b->op, (uint32_t[]){0, 0, 1, 2, 0}, 5));
	pack_free(&p);
}

/* Records that hold little: no token, no instruction, a first token that begins none, no value. */
static void odd(void)
{
	static const uint32_t late[] = {2};
	struct pack_traced t = {.arch = 1};
	struct pack p = {0};

	CHECK(pack_add_traced(&p, 8, 64, &t) == 0 && p.tokens == 2);
	CHECK(is(p.pos, (uint32_t[]){0, 1}, 2) && p.types[0] == 1);
	t = text;
	t.starts = late;
	t.nstarts = 1;
	t.nvalues = 0;
	pack_reset(&p);
	CHECK(pack_add_traced(&p, 8, 64, &t) == 5);
	CHECK(is(p.pos, (uint32_t[]){0, 0, 0, 1, 1, 1, 2}, 7));
	CHECK(is(p.op, (uint32_t[]){0, 0, 1, 0, 1, 2, 0}, 7));
	CHECK(p.nvalues == PACK_VALUES);
	pack_free(&p);
}

/* As many instructions as a model takes tokens: no position is beyond its table. */
static void longest(void)
{
	enum { MAX_LEN = 16, N = 40 };
	uint32_t many[N], at[N];
	struct pack_traced t = {.ids = many, .starts = at, .n = N, .nstarts = N};
	struct pack p = {0};

	for (uint32_t i = 0; i < N; i++) {
		many[i] = 9;
		at[i] = i;
	}
	CHECK(pack_add_traced(&p, MAX_LEN, 1, &t) == MAX_LEN - 2 && p.tokens == MAX_LEN);
	for (size_t i = 0; i < p.tokens; i++)
		CHECK(p.pos[i] == i && p.op[i] == 0);
	pack_free(&p);
}

static void store(void)
{
	struct pack_traced t = text;
	uint32_t *room;

	pack_trim(&t, 6);
	CHECK(t.n == 4 && t.nstarts == 2 && t.nvalues == 2);
	pack_trim(&t, 5);
	CHECK(t.n == 3 && t.nstarts == 1 && t.nvalues == 2);
	CHECK(pack_words(&t) == 2 * 2 + 3 + 1 + 2);
	room = mem_alloc(pack_words(&t), sizeof(*room));
	pack_store(&t, room);
	CHECK(is(t.ids, ids, 3) && is(t.starts, starts, 1) && is(t.vat, vat, 2));
	CHECK(t.values[0] == values[0] && t.values[1] == 5 && t.arch == 4);
	CHECK(t.vat + t.nvalues == room + pack_words(&t));
	mem_free(room);
}

int main(void)
{
	pairs();
	traced();
	odd();
	longest();
	store();
	return unit_done();
}
