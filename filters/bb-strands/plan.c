/* plan.c: see plan.h. Which indices make a strand is sem/slice.c (BinBert section 3.2). */
#include "plan.h"

#include "base/cache.h"
#include "base/mem.h"
#include "code/codeseq.h"
#include "sem/slice.h"

enum {
	MEMO_BITS = 15,   /* blocks that are remembered */
	MEMO_INSNS = 100, /* longer ones hardly repeat */
};

/* A block on its way. */
struct item {
	size_t key, nkey; /* in plan.key; none when nkey is 0 */
	uint64_t hash;    /* of the key */
	size_t strands;   /* in plan.strands */
	bool found;
};

struct plan {
	struct insn_decoder *dec;
	struct slice *slice;
	struct cache *memo; /* strands by code of the block */
	struct item item[PLAN_BLOCKS];
	struct buf key;       /* of all blocks */
	struct buf strands;   /* of all blocks: uint32_t, as plan_block.strands */
	struct buf code, len; /* of the blocks that were not found */
	struct insn *insn;    /* the same, decoded */
	size_t capinsns;
};

struct plan *plan_new(void)
{
	struct plan *p = mem_zalloc(1, sizeof(*p));

	p->dec = insn_open(ARCH_X86_64);
	p->slice = slice_new();
	p->memo = cache_new(MEMO_BITS);
	return p;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	insn_close(p->dec);
	slice_free(p->slice);
	cache_free(p->memo);
	buf_free(&p->key);
	buf_free(&p->strands);
	buf_free(&p->code);
	buf_free(&p->len);
	mem_free(p->insn);
	mem_free(p);
}

int plan_use(struct plan *p, enum arch a)
{
	if (a == insn_used(p->dec))
		return 0;
	if (!processor_get(a) || insn_use(p->dec, a) < 0)
		return -1;
	slice_use(p->slice, processor_get(a));
	return 0;
}

static void make_key(struct plan *p, const struct function *f, const uint32_t *at,
	const struct plan_block *b, struct item *item)
{
	item->key = p->key.n;
	if (b->n <= MEMO_INSNS) {
		buf_putc(&p->key, insn_used(p->dec) << 1 | b->calls_last);
		codeseq_key(&p->key, f->code.p + at[b->first], f->len.p + b->first, b->n);
	}
	item->nkey = p->key.n - item->key;
	if (item->nkey)
		item->hash = cache_hash(p->memo, p->key.p + item->key, item->nkey);
}

/* Takes the block's strands from the memory, or its code to those that have to be cut. */
static void recall(struct plan *p, const struct function *f, const uint32_t *at,
	const struct plan_block *b, struct item *item)
{
	const void *known = NULL;
	size_t n;

	if (item->nkey)
		known = cache_get(p->memo, item->hash, p->key.p + item->key, item->nkey, &n);
	item->found = known != NULL;
	item->strands = p->strands.n;
	if (known) {
		buf_put(&p->strands, known, n);
		return;
	}
	buf_put(&p->code, f->code.p + at[b->first], at[b->first + b->n] - at[b->first]);
	buf_put(&p->len, f->len.p + b->first, b->n);
}

static void put_u32(struct buf *b, size_t v)
{
	uint32_t u = (uint32_t)v;

	buf_put(b, &u, sizeof(u));
}

/* Cuts the block, whose instructions these are. */
static void cut(
	struct plan *p, const struct plan_block *b, struct item *item, const struct insn *insn)
{
	bool tail_call = b->calls_last && insn[b->n - 1].flow == INSN_JUMP;
	size_t strands = slice_block(p->slice, insn, b->n, tail_call);

	item->strands = p->strands.n;
	put_u32(&p->strands, strands);
	for (size_t k = 0; k < strands; k++) {
		size_t n;
		const uint32_t *index = slice_strand(p->slice, k, &n);

		put_u32(&p->strands, n);
		buf_put(&p->strands, index, n * sizeof(*index));
	}
	if (item->nkey)
		cache_put(p->memo, item->hash, p->key.p + item->key, item->nkey,
			p->strands.p + item->strands, p->strands.n - item->strands);
}

void plan_blocks(struct plan *p, const struct function *f, const uint32_t *at,
	struct plan_block *block, size_t n)
{
	const struct insn *insn;

	buf_reset(&p->key);
	buf_reset(&p->strands);
	buf_reset(&p->code);
	buf_reset(&p->len);
	for (size_t i = 0; i < n; i++)
		make_key(p, f, at, &block[i], &p->item[i]);
	for (size_t i = 0; i < n; i++)
		if (p->item[i].nkey)
			cache_fetch(p->memo, p->item[i].hash);
	for (size_t i = 0; i < n; i++)
		recall(p, f, at, &block[i], &p->item[i]);
	p->insn = mem_grow(p->insn, &p->capinsns, p->len.n, sizeof(*p->insn));
	codeseq_decode(p->dec, p->code.p, p->len.p, p->len.n, p->insn);
	insn = p->insn;
	for (size_t i = 0; i < n; i++) {
		if (p->item[i].found)
			continue;
		cut(p, &block[i], &p->item[i], insn);
		insn += block[i].n;
	}
	for (size_t i = 0; i < n; i++)
		block[i].strands = (const uint32_t *)(p->strands.p + p->item[i].strands);
}
