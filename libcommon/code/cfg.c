/*
 * cfg.c: leaders, then blocks, then edges; see cfg.h. Only what ends a block is looked at; the rest
 * of the code is walked over by its lengths.
 */
#include "code/cfg.h"

#include <string.h>

#include "base/mem.h"
#include "code/insn.h"

/* Bits of flows: what follows may come next. */
enum { GOES_ON = 1 << INSN_FALL | 1 << INSN_COND | 1 << INSN_CALL | 1 << INSN_TRAP };

/*
 * A byte for each byte: bits would be faster to clear, but slower to set one after another. (Here
 * and below what the loops use is in variables of their own: bytes that are written could be
 * anything.)
 */
static void mark_leaders(struct cfg *c, const struct cfg_code *code)
{
	const struct cfg_end *end = code->end, *last = end + code->nends;
	uint8_t *mark = c->mark = mem_grow(c->mark, &c->cap_mark, code->ncode + 1, 1);

	memset(mark, 0, code->ncode + 1);
	mark[0] = 1;
	for (; end < last; end++) {
		mark[end->next] = 1;
		mark[end->target != CFG_NOWHERE ? end->target : 0] = 1;
	}
	for (size_t t = 0; t < code->ntables; t++) {
		for (uint32_t k = 0; k < code->table[t].n; k++)
			mark[code->table[t].targets[k]] = 1;
	}
}

static void number_blocks(struct cfg *c, const struct cfg_code *code)
{
	const uint8_t *mark = c->mark, *len = code->len;
	uint32_t *blocks, *offset, *block_at, *exits;
	size_t at = 0, n = 0;

	blocks = c->blocks =
		mem_grow(c->blocks, &c->cap_blocks, code->ninsns + 1, sizeof(*c->blocks));
	offset = c->offset =
		mem_grow(c->offset, &c->cap_offset, code->ninsns + 1, sizeof(*c->offset));
	for (size_t i = 0; i < code->ninsns; i++) { /* written always, kept if marked: no branch */
		blocks[n] = (uint32_t)i;
		offset[n] = (uint32_t)at;
		n += mark[at];
		at += len[i];
	}
	c->nblocks = n;
	if (code->ncode >= c->cap_block_at) { /* cleared once: what is in it need not make sense */
		mem_free(c->block_at);
		c->cap_block_at = 2 * code->ncode + 1;
		c->block_at = mem_zalloc(c->cap_block_at, sizeof(*c->block_at));
	}
	block_at = c->block_at;
	exits = c->exits = mem_grow(c->exits, &c->cap_exits, n, sizeof(*c->exits));
	for (size_t b = 0; b < n; b++) {
		block_at[offset[b]] = (uint32_t)b;
		exits[b] = EXIT_NEXT;
	}
	exits[n - 1] = 0;
	block_at[code->ncode] = (uint32_t)n;
}

/*
 * Writes a jump of block b to the offset: kept, and 1, if a block starts there, else 0. There is no
 * branch.
 */
static inline uint32_t jump(const struct cfg *c, uint32_t b, uint32_t offset, int32_t *to)
{
	uint32_t k = c->block_at[offset != CFG_NOWHERE ? offset : 0];

	k = k < c->nblocks ? k : 0;
	*to = (int32_t)k - (int32_t)b;
	return c->offset[k] == offset;
}

/* How control leaves the blocks that do not run into the next one. */
static void leave_blocks(struct cfg *c, const struct cfg_code *code)
{
	const struct cfg here = *c;
	uint32_t with_table = code->ntables ? code->table[0].insn : CFG_NOWHERE;
	int32_t *to = here.jumps;
	size_t t = 0;

	for (size_t i = 0; i < code->nends; i++) {
		const struct cfg_end *end = &code->end[i];
		uint32_t b = here.block_at[end->next] - 1, n = jump(&here, b, end->target, to);

		to += n;
		here.exits[b] = (GOES_ON >> end->flow & EXIT_NEXT) | n << EXIT_SHIFT;
		while (end->insn == with_table) {
			const struct cfg_table *table = &code->table[t++];

			for (uint32_t k = n = 0; k < table->n; k++)
				n += jump(&here, b, table->targets[k], to + n);
			to += n;
			here.exits[b] = (here.exits[b] + (n << EXIT_SHIFT)) | (n ? EXIT_TABLE : 0);
			with_table = t < code->ntables ? code->table[t].insn : CFG_NOWHERE;
		}
	}
	c->njumps = (size_t)(to - here.jumps);
	here.exits[c->nblocks - 1] &= ~(uint32_t)EXIT_NEXT;
}

void cfg_build(struct cfg *c, const struct cfg_code *code)
{
	size_t most = code->nends + 1;

	mark_leaders(c, code);
	number_blocks(c, code);
	for (size_t k = 0; k < code->ntables; k++)
		most += code->table[k].n;
	c->jumps = mem_grow(c->jumps, &c->cap_jumps, most, sizeof(*c->jumps));
	leave_blocks(c, code);
}

void cfg_free(struct cfg *c)
{
	mem_free(c->blocks);
	mem_free(c->exits);
	mem_free(c->jumps);
	mem_free(c->mark);
	mem_free(c->offset);
	mem_free(c->block_at);
	*c = (struct cfg){0};
}
