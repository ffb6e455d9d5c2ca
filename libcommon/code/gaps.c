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
#include "code/cfg.h"
#include "code/isa.h"
#include "code/names.h"
#include "code/risc_code.h"
#include "code/stubs.h"
#include "code/tables.h"

enum { ROUNDS = 12 };

enum {                 /* item.what */
	PADDING = 1,   /* nop, int3, zeros */
	BAD = 2,       /* no instruction */
	START = 4,     /* of a function */
	PROLOGUE = 8,  /* as functions begin */
	EPILOGUE = 16, /* as functions end, never as they begin */
	INDIRECT = 32, /* jump to a register or through memory */
	LEAVES = 64,   /* jump to code outside the range */
	SURE = 256,    /* a start by a call or from outside */
	RARE = 512,    /* what compilers do not make: a sign of data */
	MAYBE = 1024,  /* executed under a condition */
	KNOWN = 2048,  /* a start by a seed */
	JOINED = 4096, /* target of a conditional jump from whatever function */
	TARGET = 128,  /* of a jump within its function */
};

struct item {            /* an instruction, or a byte that is none */
	uint32_t target; /* item jumped to or called, or CFG_NOWHERE */
	uint8_t len, flow;
	uint16_t what;
};

struct edge {
	uint32_t from, to;
};

struct gap {
	const struct elf *f;
	const struct gaps_addresses *dead; /* functions elsewhere that do not return */
	struct gaps_range range;
	struct item *item;
	uint32_t *offset; /* of each item */
	size_t n, cap, cap_offset;
	uint32_t *inside;  /* how many jumps lead over the place before each item, */
	uint32_t *ahead;   /* and how many lead over it, or to it, from before */
	bool *returns;     /* by item that starts a function */
	bool *pointed;     /* by item: its address is taken */
	uint64_t *pointer; /* addresses in the range that are taken, in any order */
	size_t npointers, cap_pointers;
	struct edge *edge; /* jumps through tables */
	size_t nedges, cap_edges;
};

/* ---- decoding ---- */

static bool is_padding(const struct insn *i, const uint8_t *p)
{
	if (i->mn == X86_NOP || i->mn == X86_INT3)
		return true;
	if (i->mn == X86_LEA && i->op[1].mem.base == i->op[0].reg.id && i->op[0].size == 4 &&
		i->op[1].mem.index == X86_NOREG && !i->op[1].mem.disp)
		return true; /* in 32-bit code */
	return i->len == 2 && p[0] == 0 && p[1] == 0;
}

static bool is_epilogue(const struct insn *i)
{
	if (i->mn == X86_LEAVE || i->mn == X86_POP)
		return true;
	return i->mn == X86_ADD && i->op[0].kind == INSN_OP_REG && i->op[0].reg.id == X86_RSP;
}

/* Instructions of system code and of old times: in a gap rather bytes of data. */
static bool is_rare(const struct insn *i, uint8_t word)
{
	switch (i->mn) {
	case X86_IN:
	case X86_INSB:
	case X86_INSD:
	case X86_OUT:
	case X86_OUTSB:
	case X86_OUTSD:
	case X86_CLI:
	case X86_STI:
	case X86_HLT:
	case X86_IRETD:
	case X86_IRETQ:
	case X86_RETF:
	case X86_RETFQ:
	case X86_LCALL:
	case X86_LJMP:
	case X86_ENTER:
	case X86_XLATB:
	case X86_LOOP:
	case X86_LOOPE:
	case X86_LOOPNE:
	case X86_JRCXZ:
	case X86_CMC:
	case X86_STC:
	case X86_CLC:
	case X86_LAHF:
	case X86_SAHF:
	case X86_WAIT:
	case X86_LFS:
	case X86_LGS:
	case X86_LSS:
	case X86_INT:
	case X86_INT1:
	case X86_POPF:
	case X86_POPFQ:
	case X86_CMPSD:
	case X86_FBLD:
	case X86_FBSTP:
	case X86_FICOMP:
	case X86_FISUBR:
	case X86_FIDIVR: return true;
	case X86_NONE: return i->mnemonic[0] == 'o'; /* op.*: opaque.c's guess */
	default:
		for (unsigned k = 0; k < i->nops; k++) {
			if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.addr_size < word)
				return true;
			if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.id >= X86_ES &&
				i->op[k].reg.id <= X86_GS)
				return true;
		}
		return i->prefix && i->flow != INSN_FALL &&
		       !(i->prefix & (INSN_BND | INSN_NOTRACK));
	}
}

static size_t first_from(const struct gaps_addresses *a, uint64_t addr)
{
	return sort_first(a->p, a->n, sizeof(*a->p), 0, addr);
}

static bool is_dead(const struct gap *g, uint64_t addr)
{
	size_t i = first_from(g->dead, addr);

	return i < g->dead->n && g->dead->p[i] == addr;
}

/* Whether a call or jump goes to an imported function that does not return. */
static bool is_dead_end(const struct gap *g, const struct insn *i, uint64_t next)
{
	const struct insn_op *o = &i->op[0];
	uint64_t slot = 0;
	const char *name;

	if (o->kind == INSN_OP_REL)
		slot = stubs_slot(g->f, (next + (uint64_t)o->imm) & g->f->mask);
	else if (o->kind == INSN_OP_MEM && o->mem.base == X86_RIP)
		slot = next + (uint64_t)o->mem.disp;
	else if (o->kind == INSN_OP_MEM && g->f->word == 4) /* relative to the GOT, or absolute */
		slot = ((o->mem.base != X86_NOREG ? g->f->got : 0) + (uint64_t)o->mem.disp) &
		       g->f->mask;
	name = slot ? stubs_import(g->f, slot) : NULL;
	return name && names_no_return(name);
}

static struct item *add(struct gap *g, uint32_t offset, uint8_t len, uint8_t flow, uint16_t what)
{
	g->item = mem_grow(g->item, &g->cap, g->n + 1, sizeof(*g->item));
	g->offset = mem_grow(g->offset, &g->cap_offset, g->n + 1, sizeof(*g->offset));
	g->offset[g->n] = offset;
	g->item[g->n] = (struct item){CFG_NOWHERE, len, flow, what};
	return &g->item[g->n++];
}

static void branch(struct gap *g, struct item *t, const struct insn *i, uint64_t next)
{
	uint64_t target = (next + (uint64_t)i->op[0].imm) & g->f->mask;

	if (i->flow == INSN_CALL && is_dead_end(g, i, next))
		t->flow = INSN_STOP;
	if (i->op[0].kind != INSN_OP_REL) {
		t->what |= i->flow == INSN_JUMP ? INDIRECT : 0;
		return;
	}
	/* in object files the bytes say nothing about targets in other sections */
	if (g->f->object && elf_reloc_from(g->f, next - i->len) != elf_reloc_from(g->f, next))
		t->what |= LEAVES;
	else if (target >= g->range.addr && target < g->range.end)
		t->target = (uint32_t)(target - g->range.addr); /* an offset for now */
	else
		t->what |= LEAVES;
	if (i->flow == INSN_CALL && (t->what & LEAVES) && is_dead(g, target))
		t->flow = INSN_STOP;
	if (i->flow == INSN_CALL && i->op[0].imm == 0)
		t->target = CFG_NOWHERE; /* how old code learns where it is */
}

static void add_pointer(struct gap *g, uint64_t addr)
{
	addr = isa_code(g->f, addr);
	if (addr < g->range.addr || addr >= g->range.end)
		return;
	g->pointer = mem_grow(g->pointer, &g->cap_pointers, g->npointers + 1, sizeof(*g->pointer));
	g->pointer[g->npointers++] = addr;
}

/* Code whose address an instruction takes. */
static void note_address(struct gap *g, const struct insn *i, uint64_t next)
{
	const struct insn_op *o = &i->op[1];

	if (i->mn == X86_LEA && o->mem.base == X86_RIP)
		add_pointer(g, next + (uint64_t)o->mem.disp);
	else if (i->mn == X86_LEA && g->f->word == 4 && g->f->movable)
		add_pointer(g, (g->f->got + (uint64_t)o->mem.disp) & g->f->mask);
	else if (i->mn == X86_MOV && o->kind == INSN_OP_IMM && !g->f->movable)
		add_pointer(g, (uint64_t)o->imm & g->f->mask);
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

/* Decodes the range; never over a seed, so that data before one does no harm. */
static void decode(struct gap *g, struct insn_decoder *d, const uint64_t *seeds, size_t nseeds)
{
	uint64_t at = g->range.addr;
	size_t left, s = 0;
	const uint8_t *p = elf_bytes(g->f, at, &left);

	while (at < g->range.end) {
		uint64_t limit = g->range.end;
		uint32_t offset = (uint32_t)(at - g->range.addr);
		struct item *t;
		struct insn i;

		while (s < nseeds && seeds[s] <= at)
			s++;
		if (s < nseeds)
			limit = MIN(limit, seeds[s]);
		if (insn_decode(d, p, (size_t)(limit - at), &i)) {
			t = add(g, offset, i.len, i.flow, 0);
			if (is_padding(&i, p))
				t->what = PADDING;
			else if (is_epilogue(&i))
				t->what = EPILOGUE;
			else if (is_rare(&i, g->f->word))
				t->what = RARE;
			if (i.flow == INSN_CALL || i.flow == INSN_JUMP || i.flow == INSN_COND)
				branch(g, t, &i, at + i.len);
			note_address(g, &i, at + i.len);
		} else {
			t = add(g, offset, 1, INSN_STOP, *p ? BAD : PADDING);
		}
		at += t->len;
		p += t->len;
	}
}

/* ---- instructions of fixed size ---- */

static uint16_t risc_what(const struct risc *i)
{
	uint16_t what = 0;

	if (i->what & RISC_PADDING)
		what = PADDING;
	else if (i->what & RISC_EPILOGUE)
		what = EPILOGUE;
	else if (i->what & RISC_ODD || i->len == 1)
		what = BAD;
	if ((i->flow == INSN_JUMP || i->flow == INSN_COND) && !(i->what & RISC_DIRECT))
		what |= INDIRECT;
	if (i->what & RISC_MAYBE)
		what |= MAYBE;
	if (i->what & RISC_PROLOGUE)
		what |= PROLOGUE;
	return what;
}

/* Branch k of the code, which takes effect at item t. */
static void risc_branch(struct gap *g, const struct risc_code *c, size_t k, struct item *t)
{
	const struct risc *i = &c->insn[k];
	uint64_t target = (risc_code_addr(c, k) + (uint64_t)i->imm) & g->f->mask, slot;
	const char *name;

	if (!(i->what & RISC_DIRECT))
		return;
	if (g->f->object && elf_reloc_at(g->f, risc_code_addr(c, k)))
		t->what |= LEAVES;
	else if (target >= g->range.addr && target < g->range.end)
		t->target = (uint32_t)(target - g->range.addr); /* an offset for now */
	else
		t->what |= LEAVES;
	slot = i->flow == INSN_CALL && (t->what & LEAVES) ? stubs_slot(g->f, target) : 0;
	name = slot ? stubs_import(g->f, slot) : NULL;
	if (i->flow == INSN_CALL && !(t->what & MAYBE) &&
		((name && names_no_return(name)) || is_dead(g, target)))
		t->flow = INSN_STOP;
}

/* An address the code uses: a pointer, or where an indirect call goes. */
static void risc_use(struct gap *g, const struct risc_code *c, const struct risc_use *u)
{
	size_t at =
		(c->insn[u->insn].what & RISC_SLOT) && u->insn + 1 < c->n ? u->insn + 1 : u->insn;
	struct item *t = &g->item[at];
	const char *name;

	if (u->kind == RISC_USE_START) {
		uint32_t start = risc_code_at(c, u->addr);

		if (start != CFG_NOWHERE)
			g->item[start].what |= START | SURE;
	} else if (u->kind == RISC_USE_ADDRESS) {
		add_pointer(g, u->addr);
	} else if (u->kind == RISC_USE_BRANCH) {
		t->what &= (uint16_t)~INDIRECT;
		if (u->addr >= g->range.addr && u->addr < g->range.end)
			t->target = (uint32_t)(u->addr - g->range.addr);
		else
			t->what |= LEAVES;
		if (t->flow == INSN_CALL && (t->what & LEAVES) && is_dead(g, u->addr))
			t->flow = INSN_STOP;
	} else if (u->kind == RISC_USE_BRANCH_SLOT) {
		name = stubs_import(g->f, u->addr);
		if (name && names_no_return(name) && !(t->what & MAYBE))
			t->flow = INSN_STOP;
	}
}

static void risc_decode(struct gap *g)
{
	struct risc_code c = {0};
	size_t n;
	const uint8_t *p = elf_bytes(g->f, g->range.addr, &n);

	risc_code_read(
		&c, g->f, ARCH_NONE, g->range.addr, p, (size_t)(g->range.end - g->range.addr));
	risc_code_follow(&c, g->f);
	for (size_t k = 0; k < c.n; k++)
		add(g, c.offset[k], c.insn[k].len, c.flow[k].flow, risc_what(&c.insn[k]));
	for (size_t k = 0; k < c.n; k++) {
		size_t at = (c.insn[k].what & RISC_SLOT) && k + 1 < c.n ? k + 1 : k;

		if (at != k) {
			g->item[at].what &= (uint16_t)~PADDING;
			g->item[at].what |= g->item[k].what & INDIRECT;
		}
		risc_branch(g, &c, k, &g->item[at]);
		if (at != k)
			g->item[k].what &= (uint16_t) ~(INDIRECT | LEAVES);
	}
	for (size_t u = 0; u < c.nuses; u++)
		risc_use(g, &c, &c.use[u]);
	for (size_t t = 0; t < c.ntables; t++) {
		g->item[c.table[t].insn].what &= (uint16_t)~INDIRECT;
		for (uint32_t m = 0; m < c.table[t].n; m++) {
			g->edge = mem_grow(g->edge, &g->cap_edges, g->nedges + 1, sizeof(*g->edge));
			g->edge[g->nedges++] = (struct edge){
				c.table[t].insn, risc_code_at(&c, c.addr + c.table[t].targets[m])};
		}
	}
	risc_code_free(&c);
}

/* The item at the offset, or CFG_NOWHERE. */
static uint32_t item_at(const struct gap *g, uint32_t offset)
{
	size_t i = sort_first_u32(g->offset, g->n, offset);

	return i < g->n && g->offset[i] == offset ? (uint32_t)i : CFG_NOWHERE;
}

/* From offsets to items; marks targets of calls, seeds, and addresses that are taken. */
static void number(struct gap *g, const uint64_t *seeds, size_t nseeds)
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
	for (size_t s = 0; s < nseeds; s++) {
		uint32_t i = item_at(g, (uint32_t)(seeds[s] - g->range.addr));

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
		for (uint32_t m = 0; m < t->n; m++) {
			g->edge = mem_grow(g->edge, &g->cap_edges, g->nedges + 1, sizeof(*g->edge));
			g->edge[g->nedges++] = (struct edge){(uint32_t)first + t->insn,
				item_at(g, g->offset[first] + t->targets[m])};
		}
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
	for (size_t i = 0; i < near.n; i++)
		add_pointer(&g, near.p[i]);
	if (risc_ops(f->arch))
		risc_decode(&g);
	else
		decode(&g, d, s.p, s.n);
	g.pointed = mem_zalloc(g.n, sizeof(*g.pointed));
	number(&g, s.p, s.n);
	if (!risc_ops(f->arch))
		find_tables(&g, d);
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
	mem_free(g.item);
	mem_free(g.offset);
	mem_free(g.inside);
	mem_free(g.ahead);
	mem_free(g.returns);
	mem_free(g.edge);
	mem_free(g.pointed);
	mem_free(g.pointer);
	mem_free(starts);
}
