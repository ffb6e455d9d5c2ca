/* pack.c: sequences packed end to end; see pack.h. */
#include "nn/pack.h"

#include "base/mem.h"
#include "nn/model.h"

void pack_reset(struct pack *p)
{
	p->tokens = p->seqs = p->longest = 0;
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

static void put(struct pack *p, uint32_t id, uint8_t type)
{
	p->ids[p->tokens] = id;
	p->pos[p->tokens] = (uint32_t)(p->tokens - p->cu[p->seqs]);
	p->types[p->tokens++] = type;
}

size_t pack_add(struct pack *p, size_t max_len, const uint32_t *code, size_t n,
	const uint32_t *expr, size_t m)
{
	size_t had = n + m, need;

	room(max_len, expr != NULL, &n, &m);
	p->cut += had - n - m;
	need = p->tokens + n + m + 3;
	if (need > p->cap) {
		p->ids = mem_grow(p->ids, &p->cap, need, sizeof(*p->ids));
		p->pos = mem_realloc(p->pos, p->cap, sizeof(*p->pos));
		p->types = mem_realloc(p->types, p->cap, sizeof(*p->types));
	}
	p->cu = mem_grow(p->cu, &p->cap_seqs, p->seqs + 2, sizeof(*p->cu));
	p->cu[p->seqs] = (uint32_t)p->tokens;
	put(p, MODEL_CLS, 0);
	for (size_t i = 0; i < n; i++)
		put(p, code[i], 0);
	put(p, MODEL_SEP, 0);
	for (size_t i = 0; i < m; i++)
		put(p, expr[i], 1);
	if (expr)
		put(p, MODEL_SEP, 1);
	p->longest = MAX(p->longest, p->tokens - p->cu[p->seqs]);
	p->cu[++p->seqs] = (uint32_t)p->tokens;
	return n;
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
	return &p->batch;
}

void pack_free(struct pack *p)
{
	mem_free(p->cu);
	mem_free(p->ids);
	mem_free(p->pos);
	mem_free(p->types);
	*p = (struct pack){0};
}
