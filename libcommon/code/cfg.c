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

/* A byte for each byte: bits would be faster to clear, but slower to set one after another. */
static void mark_leaders(struct cfg *c, const struct cfg_code *code)
{
	c->mark = mem_grow(c->mark, &c->cap_mark, code->ncode + 1, 1);
	memset(c->mark, 0, code->ncode + 1);
	c->mark[0] = 1;
	for (size_t i = 0; i < code->nends; i++) {
		uint32_t target = code->end[i].target;

		c->mark[code->end[i].next] = 1;
		c->mark[target != CFG_NOWHERE ? target : 0] = 1;
	}
	for (size_t t = 0; t < code->ntables; t++) {
		for (uint32_t k = 0; k < code->table[t].n; k++)
			c->mark[code->table[t].targets[k]] = 1;
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
		n += c->mark[at];
		at += code->len[i];
	}
	c->nblocks = n;
	if (code->ncode >= c->cap_block_at) { /* cleared once: what is in it need not make sense */
		mem_free(c->block_at);
		c->cap_block_at = 2 * code->ncode + 1;
		c->block_at = mem_zalloc(c->cap_block_at, sizeof(*c->block_at));
	}
	for (uint32_t b = 0; b < n; b++)
		c->block_at[c->offset[b]] = b;
	c->block_at[code->ncode] = n;
}

/* Adds a jump of block b to the offset, if a block starts there. How many that are: 1 or 0. */
static inline uint32_t jump(struct cfg *c, uint32_t b, uint32_t offset)
{
	uint32_t to = c->block_at[offset != CFG_NOWHERE ? offset : 0];

	to = to < c->nblocks ? to : 0;
	c->jumps[c->njumps] = (int32_t)to - (int32_t)b; /* kept if it is one: no branch */
	to = c->offset[to] == offset;
	c->njumps += to;
	return to;
}

/* How control leaves the blocks that do not run into the next one. */
static void leave_blocks(struct cfg *c, const struct cfg_code *code)
{
	size_t t = 0;

	c->njumps = 0;
	for (size_t i = 0; i < code->nends; i++) {
		const struct cfg_end *end = &code->end[i];
		uint32_t next = c->block_at[end->next], n = jump(c, next - 1, end->target),
			 table = 0;

		for (; t < code->ntables && code->table[t].insn == end->insn; t++) {
			for (uint32_t k = 0; k < code->table[t].n; k++)
				table += jump(c, next - 1, code->table[t].targets[k]);
		}
		c->exits[next - 1] = (next < c->nblocks ? GOES_ON >> end->flow & EXIT_NEXT : 0) |
				     (n + table) << EXIT_SHIFT | (table ? EXIT_TABLE : 0);
	}
}

void cfg_build(struct cfg *c, const struct cfg_code *code)
{
	size_t most = code->nends + 1;

	mark_leaders(c, code);
	number_blocks(c, code);
	for (size_t k = 0; k < code->ntables; k++)
		most += code->table[k].n;
	c->exits = mem_grow(c->exits, &c->cap_exits, c->nblocks, sizeof(*c->exits));
	c->jumps = mem_grow(c->jumps, &c->cap_jumps, most, sizeof(*c->jumps));
	for (size_t b = 0; b + 1 < c->nblocks; b++)
		c->exits[b] = EXIT_NEXT;
	c->exits[c->nblocks - 1] = 0;
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
