/* cfg.c: leaders, then blocks, then edges; see cfg.h. */
#include "code/cfg.h"

#include <string.h>

#include "base/mem.h"
#include "code/insn.h"

static bool ends_block(uint8_t flow)
{
	return flow == INSN_JUMP || flow == INSN_COND || flow == INSN_CALL || flow == INSN_RET ||
	       flow == INSN_STOP;
}

static bool goes_on(uint8_t flow)
{
	return flow == INSN_FALL || flow == INSN_COND || flow == INSN_CALL || flow == INSN_TRAP;
}

/* block_of[i] becomes 1 where a block starts. */
static void mark_leaders(struct cfg *c, const struct cfg_insn *insns, size_t n,
	const struct cfg_table *tables, size_t ntables)
{
	memset(c->block_of, 0, n * sizeof(*c->block_of));
	c->block_of[0] = 1;
	for (size_t i = 0; i < n; i++) {
		if (insns[i].target != CFG_NOWHERE)
			c->block_of[insns[i].target] = 1;
		if (ends_block(insns[i].flow) && i + 1 < n)
			c->block_of[i + 1] = 1;
	}
	for (size_t t = 0; t < ntables; t++) {
		for (uint32_t k = 0; k < tables[t].n; k++)
			c->block_of[tables[t].targets[k]] = 1;
	}
}

static void number_blocks(struct cfg *c, size_t n)
{
	c->nblocks = 0;
	for (size_t i = 0; i < n; i++) {
		if (c->block_of[i]) {
			if (c->nblocks == c->cap_blocks)
				c->blocks = mem_grow(c->blocks, &c->cap_blocks, c->nblocks + 1,
					sizeof(*c->blocks));
			c->blocks[c->nblocks++] = (uint32_t)i;
		}
		c->block_of[i] = (uint32_t)(c->nblocks - 1);
	}
}

static void edge(struct cfg *c, size_t from, uint32_t to, enum edge_kind kind)
{
	if (c->nedges == c->cap_edges) {
		size_t cap = c->cap_edges ? 2 * c->cap_edges : 64;

		c->from = mem_realloc(c->from, cap, sizeof(*c->from));
		c->to = mem_realloc(c->to, cap, sizeof(*c->to));
		c->kind = mem_realloc(c->kind, cap, sizeof(*c->kind));
		c->cap_edges = cap;
	}
	c->from[c->nedges] = (uint32_t)from;
	c->to[c->nedges] = to;
	c->kind[c->nedges++] = (uint8_t)kind;
}

void cfg_build(struct cfg *c, const struct cfg_insn *insns, size_t n,
	const struct cfg_table *tables, size_t ntables)
{
	size_t t = 0;

	c->block_of = mem_grow(c->block_of, &c->cap_block_of, n, sizeof(*c->block_of));
	mark_leaders(c, insns, n, tables, ntables);
	number_blocks(c, n);
	c->nedges = 0;
	for (size_t b = 0; b < c->nblocks; b++) {
		size_t next = b + 1 < c->nblocks ? c->blocks[b + 1] : n, last = next - 1;

		if (goes_on(insns[last].flow) && next < n)
			edge(c, b, (uint32_t)(b + 1), EDGE_FALL);
		if (insns[last].target != CFG_NOWHERE)
			edge(c, b, c->block_of[insns[last].target], EDGE_JUMP);
		for (; t < ntables && tables[t].insn <= last; t++) {
			for (uint32_t k = 0; k < tables[t].n; k++)
				edge(c, b, c->block_of[tables[t].targets[k]], EDGE_TABLE);
		}
	}
}

void cfg_free(struct cfg *c)
{
	mem_free(c->blocks);
	mem_free(c->from);
	mem_free(c->to);
	mem_free(c->kind);
	mem_free(c->block_of);
	*c = (struct cfg){0};
}
