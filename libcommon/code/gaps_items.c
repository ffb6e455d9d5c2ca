/*
 * gaps_items.c: see gaps_items.h. Instructions are read one after another; where branches and
 * tables lead is then a matter of looking offsets up.
 */
#include "code/gaps_items.h"

#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/isa.h"
#include "code/risc.h"
#include "code/tables.h"

/* ---- for the readers ---- */

struct item *gaps_items_add(
	struct gap *g, uint32_t offset, uint8_t len, uint8_t flow, uint16_t what)
{
	g->item = mem_grow(g->item, &g->cap, g->n + 1, sizeof(*g->item));
	g->offset = mem_grow(g->offset, &g->cap_offset, g->n + 1, sizeof(*g->offset));
	g->offset[g->n] = offset;
	g->item[g->n] = (struct item){CFG_NOWHERE, len, flow, what};
	return &g->item[g->n++];
}

void gaps_items_link(struct gap *g, uint32_t from, uint32_t to)
{
	g->edge = mem_grow(g->edge, &g->cap_edges, g->nedges + 1, sizeof(*g->edge));
	g->edge[g->nedges++] = (struct edge){from, to};
}

void gaps_items_point(struct gap *g, uint64_t addr)
{
	addr = isa_code(g->f, addr);
	if (addr < g->range.addr || addr >= g->range.end)
		return;
	g->pointer = mem_grow(g->pointer, &g->cap_pointers, g->npointers + 1, sizeof(*g->pointer));
	g->pointer[g->npointers++] = addr;
}

bool gaps_items_is_dead(const struct gap *g, uint64_t addr)
{
	size_t i = sort_first(g->dead->p, g->dead->n, sizeof(*g->dead->p), 0, addr);

	return i < g->dead->n && g->dead->p[i] == addr;
}

/* ---- numbers of items ---- */

/* The item at the offset, or CFG_NOWHERE. */
static uint32_t item_at(const struct gap *g, uint32_t offset)
{
	size_t i = sort_first_u32(g->offset, g->n, offset);

	return i < g->n && g->offset[i] == offset ? (uint32_t)i : CFG_NOWHERE;
}

/* From offsets to items; marks targets of calls, seeds, and addresses that are taken. */
static void number(struct gap *g, const struct gaps_addresses *seeds)
{
	for (size_t i = 0; i < g->n; i++) {
		struct item *t = &g->item[i];

		if (t->target != CFG_NOWHERE)
			t->target = item_at(g, t->target);
		if (t->target != CFG_NOWHERE && t->flow == INSN_COND && risc_ops(g->f->arch))
			g->item[t->target].what |= JOINED;
		if (t->target != CFG_NOWHERE && t->flow == INSN_CALL &&
			!(g->item[t->target].what & (BAD | PADDING)))
			g->item[t->target].what |= START | SURE;
	}
	for (size_t s = 0; s < seeds->n; s++) {
		uint32_t i = item_at(g, (uint32_t)(seeds->p[s] - g->range.addr));

		if (i != CFG_NOWHERE) {
			g->item[i].what |= START | SURE | KNOWN;
			g->item[i].what &= (uint16_t)~PADDING;
		}
	}
	for (size_t k = 0; k < g->npointers; k++) {
		uint32_t i = item_at(g, (uint32_t)(g->pointer[k] - g->range.addr));

		if (i != CFG_NOWHERE)
			g->pointed[i] = true;
	}
}

/* ---- jumps through tables ---- */

/* What tables_find wants to know of the items first to end-1, which may be one function. */
struct span {
	struct cfg_end *ends;
	uint8_t *len, *starts;
	struct tables_jump *jumps;
	size_t cap_ends, cap_len, cap_starts, cap_jumps, njumps;
	struct tables tables;
};

static void tables_of(struct gap *g, struct insn_decoder *d, struct span *s, size_t first,
	size_t end, uint64_t addr)
{
	const struct image im = {.elf = (struct elf *)g->f};
	struct tables_code c = {.im = &im, .addr = addr, .ninsns = end - first};
	size_t n;

	for (size_t i = first; i < end; i++)
		c.ncode += g->item[i].len;
	c.code = elf_bytes(g->f, addr, &n);
	s->ends = mem_grow(s->ends, &s->cap_ends, c.ninsns, sizeof(*s->ends));
	s->len = mem_grow(s->len, &s->cap_len, c.ninsns, 1);
	s->starts = mem_grow(s->starts, &s->cap_starts, c.ncode, 1);
	memset(s->starts, 0, c.ncode);
	s->njumps = 0;
	for (size_t i = first, at = 0; i < end; at += g->item[i].len, i++) {
		const struct item *t = &g->item[i];
		bool near = t->target != CFG_NOWHERE && t->target >= first && t->target < end;

		s->len[i - first] = t->len;
		s->starts[at] = 1;
		if (t->what & INDIRECT) {
			s->jumps =
				mem_grow(s->jumps, &s->cap_jumps, s->njumps + 1, sizeof(*s->jumps));
			s->jumps[s->njumps++] = (struct tables_jump){
				(uint32_t)(i - first), (uint32_t)at, (uint32_t)c.nends};
		}
		if (t->flow == INSN_FALL || t->flow == INSN_TRAP)
			continue;
		s->ends[c.nends++] = (struct cfg_end){(uint32_t)(i - first), (uint32_t)at + t->len,
			near ? g->offset[t->target] - g->offset[first] : CFG_NOWHERE, t->flow};
	}
	c.end = s->ends;
	c.len = s->len;
	c.starts = s->starts;
	tables_find(&s->tables, d, &c, s->jumps, s->njumps, NULL, 0);
	for (size_t k = 0; k < s->tables.n; k++) {
		const struct cfg_table *t = &s->tables.t[k];

		g->item[first + t->insn].what &= (uint16_t)~INDIRECT;
		for (uint32_t m = 0; m < t->n; m++)
			gaps_items_link(g, (uint32_t)first + t->insn,
				item_at(g, g->offset[first] + t->targets[m]));
	}
}

/* Between the starts that are sure. */
static void find_tables(struct gap *g, struct insn_decoder *d)
{
	struct span s = {0};
	uint64_t at = g->range.addr;

	for (size_t i = 0, end; i < g->n; i = end) {
		uint64_t addr = at;
		bool any = false;

		for (end = i; end < g->n && (end == i || !(g->item[end].what & START)); end++) {
			any = any || (g->item[end].what & INDIRECT);
			at += g->item[end].len;
		}
		if (any)
			tables_of(g, d, &s, i, end, addr);
	}
	mem_free(s.ends);
	mem_free(s.len);
	mem_free(s.starts);
	mem_free(s.jumps);
	tables_free(&s.tables);
}

/* ---- all of it ---- */

void gaps_items_read(struct gap *g, struct insn_decoder *d, const struct gaps_addresses *seeds,
	const struct gaps_addresses *pointers)
{
	bool risc = risc_ops(g->f->arch);

	for (size_t i = 0; i < pointers->n; i++)
		gaps_items_point(g, pointers->p[i]);
	if (risc)
		gaps_risc_read(g);
	else
		gaps_x86_read(g, d, seeds);
	g->pointed = mem_zalloc(g->n, sizeof(*g->pointed));
	number(g, seeds);
	if (!risc)
		find_tables(g, d);
}

void gaps_items_free(struct gap *g)
{
	mem_free(g->item);
	mem_free(g->offset);
	mem_free(g->edge);
	mem_free(g->pointed);
	mem_free(g->pointer);
}
