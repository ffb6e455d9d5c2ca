/*
 * state.c: registers and memory of a symbolic state; see state.h.
 *
 * Memory is kept in lines of 16 bytes of one base, found by hashing; a line says for each byte
 * which entry of the list of stores wrote it last. So a load costs the same however long the list.
 */
#include "sem/state.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sem/x86.h"

enum { LINE = 16, FIRST_SLOTS = 64 };

struct state_line {
	const struct expr *base;
	int64_t number;       /* offset / LINE, rounded down */
	uint32_t store[LINE]; /* 1 + index of the store that wrote the byte last; 0: none */
};

static void forget_registers(struct state *s)
{
	for (unsigned w = 0; w < COUNT_OF(s->touched); w++)
		for (uint64_t left = s->touched[w]; left; left &= left - 1) {
			unsigned r = 64 * w + (unsigned)__builtin_ctzll(left);

			s->reg[r] = NULL;
			s->read[r] = s->written[r] = 0;
		}
}

void state_reset(struct state *s, struct expr_pool *p, unsigned options)
{
	struct state_store *store = s->store;
	struct state_line **line = s->line;
	size_t nslots = s->nslots, capstores = s->capstores;
	struct arena arena = s->arena;
	const struct processor *cpu = s->cpu;

	if (!line) {
		nslots = FIRST_SLOTS;
		line = mem_zalloc(nslots, sizeof(*line));
	} else if (s->nlines) {
		memset(line, 0, nslots * sizeof(*line));
	}
	arena_reset(&arena);
	forget_registers(s);
	memset(s, 0, offsetof(struct state, reg));
	s->cpu = cpu ? cpu : &x86_processor;
	s->unused = 64 - 8 * s->cpu->word;
	s->pool = p;
	s->options = options;
	s->store = store;
	s->capstores = capstores;
	s->line = line;
	s->nslots = nslots;
	s->arena = arena;
}

void state_free(struct state *s)
{
	arena_free(&s->arena);
	mem_free(s->store);
	mem_free(s->line);
	*s = (struct state){0};
}

void state_begin(struct state *s)
{
	struct x86_effects *fx = s->fx;

	s->cond = s->target = s->call = NULL;
	if (!fx)
		return;
	fx->nread = fx->nwrite = fx->nmem = 0; /* what the lists held may stay */
	fx->flags_read = fx->flags_written = fx->flags_undefined = fx->flags_kept = 0;
	fx->known = fx->overflow = false;
}

/* ---- registers ---- */

/* The bytes of a part as a mask. */
static uint64_t bytes_of(struct insn_reg r)
{
	return r.size ? UINT64_MAX >> (64 - r.size) << r.lo : 0;
}

static bool is_part(const struct state *s, struct insn_reg r)
{
	return r.id < PROCESSOR_REGS && r.size && r.lo + r.size <= s->cpu->size[r.id];
}

static void touch(struct state *s, unsigned r)
{
	s->touched[r / 64] |= UINT64_C(1) << r % 64;
}

const struct expr *state_peek(struct state *s, unsigned r)
{
	if (r == s->cpu->pc && s->rip)
		return s->rip;
	if (!s->reg[r]) {
		touch(s, r);
		s->reg[r] = expr_input(s->pool, s->cpu->input + r, s->cpu->size[r] * 8u);
	}
	return s->reg[r];
}

static void note(struct x86_effects *fx, struct insn_reg r, bool write)
{
	struct insn_reg *list = write ? fx->write : fx->read;
	uint8_t *n = write ? &fx->nwrite : &fx->nread;

	if (*n == EFFECTS_REGS)
		fx->overflow = true;
	else
		list[(*n)++] = r;
}

const struct expr *state_get(struct state *s, struct insn_reg r)
{
	if (!is_part(s, r)) /* the flags as a register, or a part no register has */
		return expr_fn(s->pool, "unknown", r.id, r.size ? r.size * 8u : 8, NULL, 0);
	if (s->fx && r.id != s->cpu->pc)
		note(s->fx, r, false);
	touch(s, r.id);
	s->read[r.id] |= bytes_of(r) & ~s->written[r.id];
	return expr_extract(s->pool, state_peek(s, r.id), r.lo * 8u, r.size * 8u);
}

void state_set(struct state *s, struct insn_reg r, const struct expr *val)
{
	const struct expr *old, *piece[3];
	unsigned n = 0, total, lo = r.lo * 8u, hi = lo + val->width;

	if (!is_part(s, r) || r.id == s->cpu->pc)
		return;
	if (s->fx)
		note(s->fx, r, true);
	touch(s, r.id);
	s->written[r.id] |= bytes_of(r);
	total = s->cpu->size[r.id] * 8u;
	if (val->width == total) {
		s->reg[r.id] = val;
		return;
	}
	old = state_peek(s, r.id);
	if (hi < total)
		piece[n++] = expr_extract(s->pool, old, hi, total - hi);
	piece[n++] = val;
	if (lo)
		piece[n++] = expr_extract(s->pool, old, 0, lo);
	s->reg[r.id] = expr_concatn(s->pool, piece, n);
}

/* ---- memory ---- */

/* The line with that number of the base: its place in the table, maybe empty. */
static size_t find(const struct state *s, const struct expr *base, int64_t number)
{
	uint64_t h = hash_mix((base ? base->hash : 0) + (uint64_t)number * 0x9e3779b97f4a7c15u);
	size_t i = h & (s->nslots - 1);

	while (s->line[i] && (s->line[i]->base != base || s->line[i]->number != number))
		i = (i + 1) & (s->nslots - 1);
	return i;
}

static struct state_line *make_line(struct state *s, const struct expr *base, int64_t number)
{
	size_t i = find(s, base, number);

	if (s->line[i])
		return s->line[i];
	if (2 * ++s->nlines > s->nslots) {
		struct state_line **old = s->line;
		size_t n = s->nslots;

		s->nslots *= 2;
		s->line = mem_zalloc(s->nslots, sizeof(*s->line));
		for (size_t k = 0; k < n; k++)
			if (old[k])
				s->line[find(s, old[k]->base, old[k]->number)] = old[k];
		mem_free(old);
		i = find(s, base, number);
	}
	s->line[i] = arena_zget(&s->arena, 1, sizeof(**s->line));
	s->line[i]->base = base;
	s->line[i]->number = number;
	return s->line[i];
}

/* 1 + index of the store that wrote the byte at base + at last, or 0. */
static uint32_t writer(const struct state *s, const struct expr *base, int64_t at)
{
	const struct state_line *l = s->line[find(s, base, at >> 4)];

	return l ? l->store[at & (LINE - 1)] : 0;
}

/* Addresses wrap; as offsets they are signed. */
static int64_t plus(const struct state *s, int64_t a, uint64_t b)
{
	return (int64_t)(((uint64_t)a + b) << s->unused) >> s->unused;
}

static bool is_frame(const struct state *s, const struct expr *base)
{
	return base && base->op == EXPR_INPUT && base->lo == s->cpu->input + s->cpu->sp;
}

/* Number of the newest store that may have changed memory of this base behind its back. */
static uint32_t newest_other(const struct state *s, const struct expr *base)
{
	if (!(s->options & STATE_STRICT))
		return 0;
	return base == s->last_base ? s->other_seq : s->seq;
}

/*
 * The store that says what the byte at base + at holds: 1 + its index, or 0 when the memory below
 * does. False (STATE_STRICT): another base may have changed it.
 */
static bool resolve(const struct state *s, const struct expr *base, int64_t at, uint32_t *store)
{
	uint32_t k = writer(s, base, at), since = s->call_seq;
	bool strict = s->options & STATE_STRICT;

	if (k && (s->store[k - 1].seq > s->call_seq || (!strict && is_frame(s, base))))
		since = s->store[k - 1].seq;
	else
		k = 0;
	*store = k;
	return newest_other(s, base) <= since;
}

static void note_mem(struct state *s, const struct expr *addr, const struct expr *base,
	int64_t offset, uint32_t size, bool write)
{
	struct x86_effects *fx = s->fx;

	if (!fx)
		return;
	if (fx->nmem == EFFECTS_MEMS)
		fx->overflow = true;
	else
		fx->mem[fx->nmem++] =
			(struct effects_mem){addr, base, offset, size, write, s->on_stack};
}

const struct expr *state_load(struct state *s, const struct expr *addr, unsigned size)
{
	const struct expr *base, *mem, *piece[EXPR_MAX_WIDTH / 8];
	uint32_t from[EXPR_MAX_WIDTH / 8];
	unsigned n = 0, end;
	int64_t offset;

	if (s->slot && addr == s->slot_addr && size * 8 == s->slot->width)
		return s->slot;
	expr_split(s->pool, addr, &base, &offset);
	note_mem(s, addr, base, offset, size, false);
	if (base && base->op == EXPR_TRUNC) /* the pool is full: the value is missing as well */
		return expr_load(s->pool, NULL, base, size * 8);
	mem = is_frame(s, base) && !(s->options & STATE_STRICT) ? NULL : s->mem;
	if (!s->nstores)
		return expr_load(s->pool, mem, addr, size * 8);
	for (unsigned i = 0; i < size; i++)
		if (!resolve(s, base, plus(s, offset, i), &from[i]))
			return expr_load(s->pool, s->chain, addr, size * 8);
	for (unsigned hi = size; hi > 0; hi = end) {
		uint32_t k = from[hi - 1];
		unsigned bits;

		for (end = hi - 1; end > 0 && from[end - 1] == k; end--)
			;
		bits = (hi - end) * 8;
		if (k) {
			const struct state_store *t = &s->store[k - 1];
			int64_t lo = plus(s, offset, end - (uint64_t)t->offset);

			piece[n++] = expr_extract(s->pool, t->val, (unsigned)lo * 8, bits);
		} else {
			piece[n++] = expr_load(s->pool, mem,
				expr_add(s->pool, addr, expr_const(s->pool, addr->width, end)),
				bits);
		}
	}
	return n == 1 ? piece[0] : expr_concatn(s->pool, piece, n);
}

/* The store that covers exactly these bytes and is whole, or NULL. */
static struct state_store *same_place(
	struct state *s, const struct expr *base, int64_t offset, uint32_t size)
{
	uint32_t k = writer(s, base, offset);
	struct state_store *t = k ? &s->store[k - 1] : NULL;

	return t && t->offset == offset && t->size == size && t->live == size ? t : NULL;
}

static void count_store(struct state *s, const struct expr *base)
{
	if (base != s->last_base || !s->seq) {
		s->other_seq = s->seq;
		s->last_base = base;
	}
	s->seq++;
}

void state_save(struct state *s, const struct expr *addr, const struct expr *val)
{
	const struct expr *base;
	uint32_t size = val->width / 8u;
	struct state_store *t;
	int64_t offset;

	expr_split(s->pool, addr, &base, &offset);
	note_mem(s, addr, base, offset, size, true);
	count_store(s, base);
	if (s->options & STATE_STRICT)
		s->chain = expr_store(s->pool, s->chain, addr, val);
	t = same_place(s, base, offset, size);
	if (t) {
		t->val = val;
		t->seq = s->seq;
		return;
	}
	s->store = mem_grow(s->store, &s->capstores, s->nstores + 1, sizeof(*s->store));
	s->store[s->nstores++] = (struct state_store){addr, base, offset, val, size, size, s->seq};
	for (uint32_t i = 0; i < size; i++) {
		int64_t at = plus(s, offset, i);
		uint32_t *byte = &make_line(s, base, at >> 4)->store[at & (LINE - 1)];

		if (*byte)
			s->store[*byte - 1].live--;
		*byte = (uint32_t)s->nstores;
	}
}

void state_call(struct state *s, const struct expr *mem)
{
	s->mem = s->chain = mem;
	s->call_seq = s->seq;
}
