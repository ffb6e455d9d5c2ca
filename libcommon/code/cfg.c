/*
 * cfg.c: leaders, then blocks, then edges; see cfg.h. Only what ends a block is looked at; the rest
 * of the code is walked over by its lengths.
 */
#include "code/cfg.h"

#include <string.h>

#include "base/mem.h"
#include "code/insn.h"

static bool goes_on(uint8_t flow)
{
	return flow == INSN_FALL || flow == INSN_COND || flow == INSN_CALL || flow == INSN_TRAP;
}

static void mark(struct cfg *c, uint32_t offset)
{
	c->mark[offset / 64] |= UINT64_C(1) << offset % 64;
}

static void mark_leaders(struct cfg *c, const struct cfg_code *code)
{
	size_t words = code->ncode / 64 + 1;

	c->mark = mem_grow(c->mark, &c->cap_mark, words, sizeof(*c->mark));
	memset(c->mark, 0, words * sizeof(*c->mark));
	mark(c, 0);
	for (size_t i = 0; i < code->nends; i++) {
		mark(c, code->end[i].next);
		if (code->end[i].target != CFG_NOWHERE)
			mark(c, code->end[i].target);
	}
	for (size_t t = 0; t < code->ntables; t++) {
		for (uint32_t k = 0; k < code->table[t].n; k++)
			mark(c, code->table[t].targets[k]);
	}
}

static void number_blocks(struct cfg *c, const struct cfg_code *code)
{
	uint32_t at = 0, n = 0;

	c->blocks = mem_grow(c->blocks, &c->cap_blocks, code->ninsns + 1, sizeof(*c->blocks));
	c->offset = mem_grow(c->offset, &c->cap_offset, code->ninsns + 1, sizeof(*c->offset));
	for (size_t i = 0; i < code->ninsns; i++) { /* written always, kept if marked: no branch */
		c->blocks[n] = (uint32_t)i;
		c->offset[n] = at;
		n += c->mark[at / 64] >> at % 64 & 1;
		at += code->len[i];
	}
	c->nblocks = n;
	if (code->ncode > c->cap_block_at) { /* cleared once: what is in it need not make sense */
		mem_free(c->block_at);
		c->cap_block_at = 2 * code->ncode;
		c->block_at = mem_zalloc(c->cap_block_at, sizeof(*c->block_at));
	}
	for (uint32_t b = 0; b < n; b++)
		c->block_at[c->offset[b]] = b;
}

/* Adds a jump of block b to the offset, if a block starts there. How many that are: 1 or 0. */
static uint32_t jump(struct cfg *c, size_t b, uint32_t offset)
{
	uint32_t to = c->block_at[offset];

	if (to >= c->nblocks || c->offset[to] != offset)
		return 0;
	c->jumps[c->njumps++] = (int32_t)to - (int32_t)b;
	return 1;
}

void cfg_build(struct cfg *c, const struct cfg_code *code)
{
	size_t t = 0, e = 0, most;

	mark_leaders(c, code);
	number_blocks(c, code);
	most = c->nblocks;
	for (size_t k = 0; k < code->ntables; k++)
		most += code->table[k].n;
	c->exits = mem_grow(c->exits, &c->cap_exits, c->nblocks, sizeof(*c->exits));
	c->jumps = mem_grow(c->jumps, &c->cap_jumps, most, sizeof(*c->jumps));
	c->njumps = 0;
	for (size_t b = 0; b < c->nblocks; b++) {
		size_t next = b + 1 < c->nblocks ? c->blocks[b + 1] : code->ninsns;
		const struct cfg_end *end = NULL;
		uint32_t n = 0, table = 0;

		if (e < code->nends && code->end[e].insn == next - 1)
			end = &code->end[e++];
		c->exits[b] = (!end || goes_on(end->flow)) && next < code->ninsns ? EXIT_NEXT : 0;
		if (!end)
			continue;
		if (end->target != CFG_NOWHERE)
			n = jump(c, b, end->target);
		for (; t < code->ntables && code->table[t].insn == end->insn; t++) {
			for (uint32_t k = 0; k < code->table[t].n; k++)
				table += jump(c, b, code->table[t].targets[k]);
		}
		c->exits[b] |= (n + table) << EXIT_SHIFT | (table ? EXIT_TABLE : 0);
	}
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
