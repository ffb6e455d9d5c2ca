/*
 * gaps.c: see gaps.h.
 *
 * A place between two instructions is the boundary of two functions if the code before it does not
 * go on and no jump within one function leads over it. Which jumps stay within a function depends
 * on the boundaries, and which calls return on what the functions do, so this goes a few rounds.
 */
#include "code/gaps.h"

#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/gaps_items.h"
#include "code/risc.h"

enum { ROUNDS = 12 };

/* ---- lists of addresses ---- */

static size_t first_from(const struct gaps_addresses *a, uint64_t addr)
{
	return sort_first(a->p, a->n, sizeof(*a->p), 0, addr);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void gaps_sort(struct gaps_addresses *a)
{
	sort_items(a->p, a->n, sizeof(*a->p), 0, by_number);
}

struct gaps_addresses gaps_within(const struct gaps_addresses *a, struct gaps_range range)
{
	size_t first = first_from(a, range.addr), end = first_from(a, range.end);

	return (struct gaps_addresses){.p = a->n ? a->p + first : NULL, .n = end - first};
}

/* ---- boundaries ---- */

/* starts[i] becomes the number of starts up to and with item i. */
static void count_starts(const struct gap *g, uint32_t *starts)
{
	uint32_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		n += (g->item[i].what & START) != 0;
		starts[i] = n;
	}
}

/* A jump that stays within a function: marks its target and, if it is conditional, counts it. */
static void count_jump(
	struct gap *g, const uint32_t *starts, size_t from, size_t to, bool conditional)
{
	if (starts[from] != starts[to])
		return;
	g->item[to].what |= TARGET;
	if (from < to) {
		g->ahead[from + 1]++;
		g->ahead[to + 1]--;
	}
	if (!conditional)
		return;
	g->inside[MIN(from, to) + 1]++;
	g->inside[MAX(from, to) + 1]--;
}

static void count_jumps(struct gap *g, const uint32_t *starts)
{
	uint32_t sum = 0, ahead = 0;

	memset(g->inside, 0, (g->n + 1) * sizeof(*g->inside));
	memset(g->ahead, 0, (g->n + 1) * sizeof(*g->ahead));
	for (size_t i = 0; i < g->n; i++)
		g->item[i].what &= (uint16_t)~TARGET;
	for (size_t i = 0; i < g->n; i++) {
		const struct item *t = &g->item[i];

		if (t->target != CFG_NOWHERE && (t->flow == INSN_JUMP || t->flow == INSN_COND))
			count_jump(g, starts, i, t->target, t->flow == INSN_COND);
	}
	for (size_t k = 0; k < g->nedges; k++)
		count_jump(g, starts, g->edge[k].from, g->edge[k].to, true);
	for (size_t i = 0; i < g->n; i++) {
		sum += g->inside[i];
		g->inside[i] = sum;
		ahead += g->ahead[i];
		g->ahead[i] = ahead;
	}
}

static bool goes_on(const struct gap *g, size_t i)
{
	const struct item *t = &g->item[i];

	switch (t->flow) {
	case INSN_JUMP:
	case INSN_RET:
	case INSN_STOP: return false;
	case INSN_CALL:
		return t->target == CFG_NOWHERE || (t->what & MAYBE) || g->returns[t->target];
	default: return true;
	}
}

/* Whether the return address is saved soon after item i. */
static bool begins(const struct gap *g, size_t i)
{
	for (size_t k = i; k < g->n && k < i + 4; k++) {
		if (g->item[k].what & PROLOGUE)
			return true;
		if (g->item[k].flow != INSN_FALL && g->item[k].flow != INSN_COND)
			return false;
	}
	return false;
}

/* Whether item i, a nop, and a return behind it are a function of its own: gcc's without anything
 * in it. Functions after a nop for alignment are aligned. */
static bool is_empty(const struct gap *g, size_t i, uint64_t at)
{
	return g->f->arch == ARCH_AARCH64 && at % 8 == 0 && i + 1 < g->n &&
	       g->item[i + 1].flow == INSN_RET;
}

/*
 * Items that start functions by what is around them: nothing goes on to them, and nothing jumps to
 * them. Conditional jumps over them speak against it, as they may be in a table that was not found,
 * unless all come from behind and there is no such table, or it looks like a start: then no way
 * leads there from the start before.
 * Whether there are new ones.
 */
static bool find_starts(struct gap *g)
{
	bool found = false, dead = true, padded = false, after_call = false, table = false;
	bool aligned = arch_info(g->f->arch)->other == ARCH_NONE; /* compilers align functions */
	uint64_t at = g->range.addr;

	for (size_t i = 0; i < g->n; at += g->item[i].len, i++) {
		struct item *t = &g->item[i];

		if ((t->what & (PADDING | TARGET)) == PADDING && !(dead && is_empty(g, i, at))) {
			padded = true;
			continue;
		}
		/* nobody jumps there, and it is padded or its address is taken: the call before
		 * does not return */
		if (!(t->what & (START | BAD | EPILOGUE | TARGET | JOINED)) &&
			t->flow != INSN_STOP &&
			(!g->inside[i] || (!g->ahead[i] && (!table || begins(g, i)))) &&
			(dead || (after_call &&
					 ((padded && aligned && at % 16 == 0) || g->pointed[i])))) {
			t->what |= START;
			found = true;
		}
		table = (t->what & INDIRECT) || (table && !(t->what & START));
		dead = !goes_on(g, i);
		after_call = t->flow == INSN_CALL;
		padded = false;
	}
	return found;
}

/* Whether item i is a way out of its function, which starts at `start`, back to the caller. */
static bool is_way_out(const struct gap *g, size_t i, size_t start)
{
	const struct item *t = &g->item[i];

	switch (t->flow) {
	case INSN_RET: return true;
	case INSN_STOP:
	case INSN_CALL: return false;
	case INSN_JUMP:
	case INSN_COND:
		if (t->what & (INDIRECT | LEAVES))
			return true;
		if (t->target != CFG_NOWHERE && t->target != start &&
			(g->item[t->target].what & START))
			return g->returns[t->target];
		break;
	default: break;
	}
	/* runs into the next function */
	return i + 1 < g->n && (g->item[i + 1].what & START) && !(t->what & (PADDING | BAD)) &&
	       goes_on(g, i);
}

/* Which functions return. Whether more are known not to. */
static bool find_returns(struct gap *g)
{
	size_t start = 0;
	bool changed = false, returns = false;

	for (size_t i = 0; i <= g->n; i++) {
		if (i == g->n || (g->item[i].what & START)) {
			if (i && !returns && g->returns[start]) {
				g->returns[start] = false;
				changed = true;
			}
			start = i;
			returns = false;
		}
		if (i < g->n)
			returns = returns || is_way_out(g, i, start);
	}
	return changed;
}

/* Where the direct jump at the address leads, or 0: there is none. */
static uint64_t jump_at(const struct elf *f, uint64_t addr)
{
	size_t n;
	const uint8_t *p = elf_bytes(f, addr, &n);
	struct risc i;

	if (!p)
		return 0;
	risc_ops(f->arch)->read(p, n, addr, &i);
	return i.flow == INSN_JUMP && (i.what & RISC_DIRECT) ? (addr + (uint64_t)i.imm) & f->mask
							     : 0;
}

static bool same(const struct elf *f, uint64_t a, uint64_t b)
{
	size_t n, m;
	const uint8_t *p = elf_bytes(f, a, &n), *q = elf_bytes(f, b, &m);

	return p && q && n >= 4 && m >= 4 && !memcmp(p, q, 4);
}

/*
 * What linkers put between functions where a pair of instructions would harm some processors
 * (AArch64's errata 835769 and 843419): a jump leads to one instruction of it, and a jump back from
 * there; or the instruction was left where it was, and another one changed. No function; and
 * neither is the jump around all of them.
 */
static void skip_veneers(struct gap *g)
{
	size_t next = 0; /* to the last of them */

	for (size_t i = 2; i + 1 < g->n; i++) {
		struct item *t = &g->item[i];
		uint64_t addr = g->range.addr + g->offset[i], back;
		bool first = (t[-1].what & PADDING) && t[-2].flow == INSN_JUMP;

		if (t->flow != INSN_FALL || t[1].flow != INSN_JUMP || !(first || i == next))
			continue;
		back = jump_at(g->f, addr + t->len);
		if (!back || (jump_at(g->f, back - 4) != addr && !same(g->f, back - 4, addr)))
			continue;
		if (first)
			t[-2].what |= PADDING;
		t[0].what |= PADDING;
		t[1].what |= PADDING;
		next = i + 2;
	}
}

/*
 * Whether the jump leads to what is behind it and behind padding, when registers are restored.
 * (What i386 code adds to the stack pointer is rather for a call's arguments.)
 */
static bool calls_next(const struct gap *g, size_t i)
{
	uint32_t k = (uint32_t)i + 1;

	if (!i || !(g->item[i - 1].what & EPILOGUE) || g->f->arch == ARCH_I386)
		return false;
	while (k < g->item[i].target && (g->item[k].what & PADDING))
		k++;
	return k == g->item[i].target;
}

/*
 * A jump to before its function or behind the next one calls what is there; so does one to the next
 * instruction when registers are restored.
 */
static bool find_tail_calls(struct gap *g, const uint32_t *starts)
{
	bool found = false;

	for (size_t i = 0; i < g->n; i++) {
		const struct item *t = &g->item[i];
		uint32_t k = t->target;

		if (t->flow != INSN_JUMP || k == CFG_NOWHERE || g->inside[k])
			continue;
		if (starts[i] == starts[k] && !calls_next(g, i))
			continue;
		if (g->item[k].what & (START | BAD | PADDING | EPILOGUE))
			continue;
		if (k && goes_on(g, k - 1) && !(g->item[k - 1].what & PADDING))
			continue;
		g->item[k].what |= START;
		found = true;
	}
	return found;
}

/* Whether one of the items first to end-1 jumps under a condition to between the two others. */
static bool jumps_into(const struct gap *g, size_t first, size_t end, size_t low, size_t high)
{
	for (size_t i = first; i < end; i++) {
		const struct item *t = &g->item[i];

		if (t->flow == INSN_COND && t->target > low && t->target < high)
			return true;
	}
	return false;
}

/*
 * Routines in assembly that have one more entry, which others call: code that goes on to it, and
 * jumps over it, is one function with it.
 */
static void drop_entries(struct gap *g)
{
	size_t start = 0, end;

	for (size_t i = 0; i < g->n; i = end) {
		bool falls = i && !(g->item[i - 1].what & (PADDING | BAD)) && goes_on(g, i - 1) &&
			     g->item[i - 1].flow != INSN_CALL;

		for (end = i + 1; end < g->n && !(g->item[end].what & START); end++)
			;
		if (falls && !(g->item[i].what & KNOWN) && jumps_into(g, start, i, i, end))
			g->item[i].what &= (uint16_t) ~(START | SURE);
		else
			start = i;
	}
}

/* ---- results ---- */

/* Whether there is so much that is no code among the items that all of it may be data. */
static bool is_data(const struct gap *g)
{
	size_t odd = 0;

	for (size_t i = 0; i < g->n; i++)
		odd += (g->item[i].what & (BAD | RARE)) != 0;
	return odd * 100 > g->n;
}

/* The last item of items first to end-1 that is no padding. */
static size_t last_of(const struct gap *g, size_t first, size_t end)
{
	while (end > first + 1 && (g->item[end - 1].what & PADDING))
		end--;
	return end - 1;
}

/* Whether the items first to last look like a function though nothing calls them. */
static bool looks_good(const struct gap *g, size_t first, size_t last)
{
	for (size_t i = first; i <= last; i++) {
		if (g->item[i].what & (BAD | RARE))
			return false;
	}
	return !goes_on(g, last) || g->item[last].flow == INSN_CALL;
}

static void put_results(const struct gap *g, struct gaps_found *out, struct gaps_addresses *never)
{
	bool data = is_data(g);

	for (size_t i = 0, end; i < g->n; i = end) {
		size_t last;

		for (end = i + 1; end < g->n && !(g->item[end].what & START); end++)
			;
		if (!(g->item[i].what & START))
			continue;
		last = last_of(g, i, end);
		if (!(g->item[i].what & SURE) && (data || !looks_good(g, i, last)))
			continue;
		out->r = mem_grow(out->r, &out->cap, out->n + 1, sizeof(*out->r));
		out->r[out->n++] = (struct gaps_range){g->range.addr + g->offset[i],
			g->range.addr + g->offset[last] + g->item[last].len};
		if (!g->returns[i]) {
			never->p = mem_grow(never->p, &never->cap, never->n + 1, sizeof(*never->p));
			never->p[never->n++] = g->range.addr + g->offset[i];
		}
	}
}

void gaps_find(struct gaps_found *out, const struct elf *f, struct insn_decoder *d,
	struct gaps_range range, const struct gaps_addresses *all_seeds,
	const struct gaps_addresses *pointers, const struct gaps_addresses *dead,
	struct gaps_addresses *never)
{
	struct gap g = {.f = f, .range = range, .dead = dead};
	struct gaps_addresses s, near;
	uint32_t *starts;

	if (range.end - range.addr >= CFG_NOWHERE)
		return;
	s = gaps_within(all_seeds, range);
	near = gaps_within(pointers, range);
	gaps_items_read(&g, d, &s, &near);
	if (f->arch == ARCH_AARCH64)
		skip_veneers(&g);
	g.inside = mem_alloc(g.n + 1, sizeof(*g.inside));
	g.ahead = mem_alloc(g.n + 1, sizeof(*g.ahead));
	starts = mem_alloc(g.n + 1, sizeof(*starts));
	g.returns = mem_alloc(g.n, sizeof(*g.returns));
	memset(g.returns, 1, g.n);
	for (unsigned round = 0, more = 1; more && round < ROUNDS; round++) {
		count_starts(&g, starts);
		count_jumps(&g, starts);
		more = find_tail_calls(&g, starts);
		more |= find_starts(&g);
		more |= find_returns(&g);
	}
	if (risc_ops(f->arch))
		drop_entries(&g);
	put_results(&g, out, never);
	gaps_items_free(&g);
	mem_free(g.inside);
	mem_free(g.ahead);
	mem_free(g.returns);
	mem_free(starts);
}
