/* pack.c: sequences packed end to end; see pack.h. */
#include "nn/pack.h"

#include <string.h>

#include "base/mem.h"
#include "nn/model.h"

void pack_reset(struct pack *p)
{
	p->tokens = p->seqs = p->longest = p->nvalues = 0;
	map64_reset(&p->seen);
}

/* How many tokens of each part there is room for. */
static void room(size_t max_len, bool expr, size_t *n, size_t *m)
{
	size_t left = max_len - (expr ? 3 : 2), most;

	if (!expr) {
		*m = 0;
	} else {
		most = MAX(left - MIN(left, *n), left / 2);
		*m = MIN(*m, most);
	}
	*n = MIN(*n, left - *m);
}

size_t pack_size(size_t max_len, size_t n, bool expr, size_t m)
{
	room(max_len, expr, &n, &m);
	return n + m + (expr ? 3 : 2);
}

bool pack_is_cut(size_t max_len, size_t n, bool expr, size_t m)
{
	return n + (expr ? m + 3 : 2) > max_len;
}

/* Makes room for that many tokens, and for one more sequence, which begins here. */
static void begin(struct pack *p, size_t tokens)
{
	if (p->tokens + tokens > p->cap) {
		p->ids = mem_grow(p->ids, &p->cap, p->tokens + tokens, sizeof(*p->ids));
		p->pos = mem_realloc(p->pos, p->cap, sizeof(*p->pos));
		p->types = mem_realloc(p->types, p->cap, sizeof(*p->types));
	}
	p->cu = mem_grow(p->cu, &p->cap_seqs, p->seqs + 2, sizeof(*p->cu));
	p->cu[p->seqs] = (uint32_t)p->tokens;
}

static void end(struct pack *p)
{
	p->longest = MAX(p->longest, p->tokens - p->cu[p->seqs]);
	p->cu[++p->seqs] = (uint32_t)p->tokens;
}

static void put(struct pack *p, uint32_t id, uint8_t type)
{
	p->ids[p->tokens] = id;
	p->pos[p->tokens] = (uint32_t)(p->tokens - p->cu[p->seqs]);
	p->types[p->tokens++] = type;
}

size_t pack_add(struct pack *p, size_t max_len, const uint32_t *code, size_t n,
	const uint32_t *expr, size_t m)
{
	size_t had = n + m;

	room(max_len, expr != NULL, &n, &m);
	p->cut += had - n - m;
	begin(p, n + m + 3);
	put(p, MODEL_CLS, 0);
	for (size_t i = 0; i < n; i++)
		put(p, code[i], 0);
	put(p, MODEL_SEP, 0);
	for (size_t i = 0; i < m; i++)
		put(p, expr[i], 1);
	if (expr)
		put(p, MODEL_SEP, 1);
	end(p);
	return n;
}

/* ---- traced text ---- */

static uint32_t add_value(struct pack *p)
{
	p->bytes = mem_grow(p->bytes, &p->cap_values, p->nvalues + 1, 8 * sizeof(*p->bytes));
	return (uint32_t)p->nvalues++;
}

uint32_t pack_value(struct pack *p, uint64_t value)
{
	bool made;
	uint64_t *at = map64_put(&p->seen, value, &made);
	uint16_t *b;

	if (!made)
		return (uint32_t)*at;
	*at = add_value(p);
	b = p->bytes + 8 * *at;
	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(value >> (56 - 8 * i));
	return (uint32_t)*at;
}

static void put_traced(
	struct pack *p, uint32_t id, uint32_t pos, uint32_t op, uint32_t value, uint32_t arch)
{
	p->ids[p->tokens] = id;
	p->pos[p->tokens] = pos;
	p->op[p->tokens] = op;
	p->value[p->tokens] = value;
	p->types[p->tokens++] = (uint8_t)arch;
}

void pack_trim(struct pack_traced *t, size_t max_len)
{
	t->n = (uint32_t)MIN((size_t)t->n, max_len - 2);
	while (t->nstarts && t->starts[t->nstarts - 1] >= t->n)
		t->nstarts--;
	while (t->nvalues && t->vat[t->nvalues - 1] >= t->n)
		t->nvalues--;
}

/* The values every batch has, before the first sequence. */
static void put_symbols(struct pack *p)
{
	static const uint16_t symbol[PACK_VALUES] = {NN_BYTE_NONE, NN_BYTE_MASK};

	for (int i = 0; i < PACK_VALUES; i++) {
		uint32_t at = add_value(p);

		for (int k = 0; k < 8; k++)
			p->bytes[8 * at + (size_t)k] = symbol[i];
	}
}

size_t pack_add_traced(
	struct pack *p, size_t max_len, size_t max_op, const struct pack_traced *from)
{
	struct pack_traced t = *from;
	size_t cap = p->cap;
	uint32_t insn = 0, value = 0, first = 0;

	pack_trim(&t, max_len);
	p->cut += from->n - t.n;
	begin(p, (size_t)t.n + 2);
	if (p->cap != cap) {
		p->op = mem_realloc(p->op, p->cap, sizeof(*p->op));
		p->value = mem_realloc(p->value, p->cap, sizeof(*p->value));
	}
	if (!p->nvalues)
		put_symbols(p);
	put_traced(p, MODEL_CLS, 0, 0, PACK_NO_VALUE, t.arch);
	for (uint32_t i = 0; i < t.n; i++) {
		uint32_t v = PACK_NO_VALUE;

		if (insn < t.nstarts && t.starts[insn] == i) {
			first = i;
			insn++;
		}
		if (value < t.nvalues && t.vat[value] == i)
			v = pack_value(p, t.values[value++]);
		put_traced(p, t.ids[i], insn, MIN(i - first, (uint32_t)max_op - 1), v, t.arch);
	}
	put_traced(p, MODEL_SEP, insn + 1, 0, PACK_NO_VALUE, t.arch);
	end(p);
	return t.n;
}

size_t pack_words(const struct pack_traced *t)
{
	return 3 * (size_t)t->nvalues + t->n + t->nstarts;
}

void pack_store(struct pack_traced *t, uint32_t *to)
{
	uint64_t *values = (uint64_t *)(void *)to;
	uint32_t *ids = to + 2 * (size_t)t->nvalues, *starts = ids + t->n;
	uint32_t *vat = starts + t->nstarts;

	if (t->nvalues) {
		memcpy(values, t->values, t->nvalues * sizeof(*values));
		memcpy(vat, t->vat, t->nvalues * sizeof(*vat));
	}
	if (t->n)
		memcpy(ids, t->ids, t->n * sizeof(*ids));
	if (t->nstarts)
		memcpy(starts, t->starts, t->nstarts * sizeof(*starts));
	t->values = values;
	t->ids = ids;
	t->starts = starts;
	t->vat = vat;
}

const struct nn_batch *pack_batch(struct pack *p)
{
	p->batch = (struct nn_batch){.tokens = p->tokens,
		.seqs = p->seqs,
		.longest = p->longest,
		.cu = p->cu,
		.ids = p->ids,
		.pos = p->pos,
		.types = p->types};
	if (p->nvalues) {
		p->batch.op = p->op;
		p->batch.value = p->value;
		p->batch.nvalues = p->nvalues;
		p->batch.bytes = p->bytes;
	}
	return &p->batch;
}

void pack_free(struct pack *p)
{
	mem_free(p->cu);
	mem_free(p->ids);
	mem_free(p->pos);
	mem_free(p->types);
	mem_free(p->op);
	mem_free(p->value);
	mem_free(p->bytes);
	map64_free(&p->seen);
	*p = (struct pack){0};
}
