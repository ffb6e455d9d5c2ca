/*
 * defuse.c: see defuse.h.
 *
 * One idea: the step already says what an instruction reads and writes, with memory by its
 * symbolic address, so def-use here is bookkeeping: who wrote each part last (an edge for every
 * read), and whether the last operation on each variable was a write (an output).
 */
#include "sem/defuse.h"

#include <string.h>

#include "base/mem.h"
#include "sem/x86.h"

enum { NONE = 0xffff }; /* no instruction */

/* The last operation on a variable; the writes come last. */
enum last {
	LAST_NOTHING,
	LAST_READ,
	LAST_WRITE,
	LAST_NAMED, /* a write by an instruction that names the register */
};

/* A register: who wrote its parts last. */
struct reg {
	uint16_t def[DEFUSE_PARTS];
	uint8_t last; /* enum last */
};

/* A memory location that was written: `size` bytes at base + offset. */
struct place {
	const struct expr *addr, *base;
	int64_t offset;
	uint32_t size;   /* 0: overwritten as a whole */
	uint16_t writer; /* instruction */
	bool read;       /* the last operation on it was a read */
};

struct defuse {
	const struct processor *cpu;
	struct expr_pool *pool;
	struct state state;
	unsigned options; /* of the state */
	struct x86_effects fx;
	size_t n;            /* instructions so far */
	unsigned unused;     /* bits of 64 that an address does not have */
	uint64_t touched[2]; /* bit set of the registers that `reg` knows */
	struct reg reg[PROCESSOR_REGS];
	uint16_t flag[X86_FLAG_COUNT]; /* who wrote each flag last */
	/* That instruction may have left the flag alone (a shift by 0): who wrote it before, or
	 * NONE */
	uint16_t flag_before[X86_FLAG_COUNT][DEFUSE_MAX];
	struct place *place; /* in the order of the writes */
	size_t nplaces, capplaces;
	uint16_t barrier; /* the last instruction that may have touched everything */
	/* Edges: instruction i depends on dep[start[i]] up to dep[start[i + 1]], all before i. */
	uint32_t start[DEFUSE_MAX + 1];
	uint16_t *dep;
	size_t ndeps, capdeps;
	/* How the stretch ended: the last output, or none yet. */
	bool ended;
	struct defuse_output end;
	struct defuse_call call;
	struct defuse_output *out;
	size_t capout;
};

/* Where the parts of a register begin; the last one goes to the end. */
static const uint8_t general_parts[DEFUSE_PARTS] = {0, 1, 2, 4, 8};
static const uint8_t vector_parts[DEFUSE_PARTS] = {0, 4, 8, 16, 32};

struct defuse *defuse_new(void)
{
	struct defuse *d = mem_zalloc(1, sizeof(*d));

	d->cpu = &x86_processor;
	d->pool = expr_pool_new(0);
	return d;
}

void defuse_free(struct defuse *d)
{
	if (!d)
		return;
	state_free(&d->state);
	expr_pool_free(d->pool);
	mem_free(d->place);
	mem_free(d->dep);
	mem_free(d->out);
	mem_free(d);
}

struct expr_pool *defuse_pool(struct defuse *d)
{
	return d->pool;
}

void defuse_blind(struct defuse *d)
{
	d->options = STATE_BLIND;
}

void defuse_use(struct defuse *d, const struct processor *cpu)
{
	d->cpu = d->state.cpu = cpu;
	d->unused = 64 - 8 * cpu->word;
}

void defuse_start(struct defuse *d)
{
	expr_pool_reset(d->pool);
	state_reset(&d->state, d->pool, d->options);
	d->n = 0;
	d->touched[0] = d->touched[1] = 0;
	memset(d->flag, 0xff, sizeof(d->flag));
	d->nplaces = d->ndeps = 0;
	d->barrier = NONE;
	d->start[0] = 0;
	d->ended = false;
}

/* ---- edges ---- */

/* The instruction being stepped depends on instruction `on`. */
static void depend(struct defuse *d, uint16_t on)
{
	if (on == NONE || on == d->n || (d->ndeps > d->start[d->n] && d->dep[d->ndeps - 1] == on))
		return;
	d->dep = mem_grow(d->dep, &d->capdeps, d->ndeps + 1, sizeof(*d->dep));
	d->dep[d->ndeps++] = on;
}

static struct reg *touch(struct defuse *d, unsigned id)
{
	struct reg *r = &d->reg[id];
	uint64_t bit = UINT64_C(1) << id % 64;

	if (!(d->touched[id / 64] & bit)) {
		d->touched[id / 64] |= bit;
		memset(r->def, 0xff, sizeof(r->def));
		r->last = LAST_NOTHING;
	}
	return r;
}

static const uint8_t *parts_of(const struct defuse *d, unsigned id)
{
	return id - d->cpu->vec < d->cpu->nvec ? vector_parts : general_parts;
}

static void read_reg(struct defuse *d, struct insn_reg part)
{
	struct reg *r = touch(d, part.id);
	const uint8_t *begin = parts_of(d, part.id);

	for (unsigned i = 0; i < DEFUSE_PARTS && begin[i] < part.lo + part.size; i++)
		if (i + 1 == DEFUSE_PARTS || begin[i + 1] > part.lo)
			depend(d, r->def[i]);
	r->last = LAST_READ;
}

/* A part that is not written as a whole keeps some of its old value: that is a read of it, too. */
static void write_reg(struct defuse *d, struct insn_reg part, enum last how)
{
	struct reg *r = touch(d, part.id);
	const uint8_t *begin = parts_of(d, part.id);
	unsigned end = part.lo + part.size;

	for (unsigned i = 0; i < DEFUSE_PARTS && begin[i] < end; i++) {
		bool last = i + 1 == DEFUSE_PARTS;

		if (!last && begin[i + 1] <= part.lo)
			continue;
		if (begin[i] < part.lo || (!last && begin[i + 1] > end))
			depend(d, r->def[i]);
		r->def[i] = (uint16_t)d->n;
	}
	r->last = (uint8_t)how;
}

/* How far offset a is above b: offsets wrap as addresses do. */
static uint64_t above(const struct defuse *d, int64_t a, int64_t b)
{
	return ((uint64_t)a - (uint64_t)b) << d->unused >> d->unused;
}

static bool overlap(const struct defuse *d, const struct place *p, const struct expr *base,
	int64_t offset, uint32_t size)
{
	return p->size && p->base == base &&
	       (above(d, offset, p->offset) < p->size || above(d, p->offset, offset) < size);
}

/* Is all of [offset, offset + size) within the place? */
static bool within(const struct defuse *d, const struct place *p, int64_t offset, uint32_t size)
{
	uint64_t from = above(d, offset, p->offset);

	return from < p->size && size <= p->size - from;
}

static void read_mem(struct defuse *d, const struct expr *base, int64_t offset, uint32_t size)
{
	bool covered = false;

	for (size_t i = d->nplaces; i--;) {
		struct place *p = &d->place[i];

		if (!overlap(d, p, base, offset, size))
			continue;
		p->read = true;
		if (!covered)
			depend(d, p->writer);
		covered = covered || within(d, p, offset, size);
	}
}

static void write_mem(struct defuse *d, const struct effects_mem *m)
{
	struct place new = {m->addr, m->base, m->offset, m->size, (uint16_t)d->n, false};

	for (size_t i = 0; i < d->nplaces; i++) {
		struct place *p = &d->place[i];

		if (p->base == m->base && within(d, &new, p->offset, p->size))
			p->size = 0;
	}
	d->place = mem_grow(d->place, &d->capplaces, d->nplaces + 1, sizeof(*d->place));
	d->place[d->nplaces++] = new;
}

/* ---- one instruction ---- */

static bool names(const struct defuse *d, const struct insn *i, struct insn_reg part)
{
	unsigned reg = part.id;

	if (!d->cpu->implicit)
		return part.lo == 0; /* an upper lane alone is no argument */
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.id == reg &&
			i->op[k].access & INSN_WRITE)
			return true;
	return false;
}

static void read_flag(struct defuse *d, unsigned f)
{
	for (uint16_t i = d->flag[f]; i != NONE; i = d->flag_before[f][i])
		depend(d, i);
}

static void write_flag(struct defuse *d, unsigned f, bool maybe)
{
	d->flag_before[f][d->n] = maybe ? d->flag[f] : NONE;
	d->flag[f] = (uint16_t)d->n;
}

static void step_effects(struct defuse *d, const struct insn *insn)
{
	const struct x86_effects *fx = &d->fx;

	for (unsigned i = 0; i < fx->nread; i++)
		read_reg(d, fx->read[i]);
	for (unsigned left = fx->flags_read; left; left &= left - 1)
		read_flag(d, (unsigned)__builtin_ctz(left));
	for (unsigned i = 0; i < fx->nmem; i++)
		if (!fx->mem[i].write)
			read_mem(d, fx->mem[i].base, fx->mem[i].offset, fx->mem[i].size);

	for (unsigned i = 0; i < fx->nmem; i++)
		if (fx->mem[i].write)
			write_mem(d, &fx->mem[i]);
	for (unsigned i = 0; i < fx->nwrite; i++)
		write_reg(d, fx->write[i], names(d, insn, fx->write[i]) ? LAST_NAMED : LAST_WRITE);
	for (unsigned left = fx->flags_written; left; left &= left - 1) {
		unsigned f = (unsigned)__builtin_ctz(left);

		write_flag(d, f, fx->flags_kept >> f & 1);
	}
}

static void end_with(struct defuse *d, enum defuse_kind kind, const struct expr *value)
{
	if (value)
		d->end = (struct defuse_output){.kind = kind, .value = value};
	d->ended = value != NULL;
}

/* ---- calls ---- */

static void add_arg(struct defuse *d, unsigned reg, unsigned bits)
{
	struct defuse_call *c = &d->call;

	read_reg(d, (struct insn_reg){(uint8_t)reg, 0, (uint8_t)(bits / 8)});
	c->arg[c->nargs++] = expr_extract(d->pool, state_peek(&d->state, reg), 0, bits);
}

static enum last last_of(const struct defuse *d, unsigned reg)
{
	return d->touched[reg / 64] >> reg % 64 & 1 ? d->reg[reg].last : LAST_NOTHING;
}

/* Slots that were written, from where rsp points to upwards: here rsp itself is an input. */
static void stack_args(struct defuse *d)
{
	const struct expr *base;
	int64_t offset;

	read_reg(d, (struct insn_reg){d->cpu->sp, 0, d->cpu->word});
	expr_split(d->pool, state_peek(&d->state, d->cpu->sp), &base, &offset);
	for (unsigned k = 0, at = 0; k < DEFUSE_STACK_ARGS; k++) {
		const struct place *p = NULL;
		size_t i = d->nplaces;

		while (i-- && !p)
			if (d->place[i].base == base && d->place[i].size &&
				above(d, d->place[i].offset, offset) == at)
				p = &d->place[i];
		if (!p || p->read || p->size > 8)
			break;
		at += MAX(p->size, d->cpu->word);
		d->call.arg[d->call.nargs++] = state_load(&d->state, p->addr, p->size);
		read_mem(d, p->base, p->offset, p->size);
	}
}

/* Number of vector registers used by the arguments of a variadic function: al. */
static bool counts_vectors(struct defuse *d)
{
	const struct expr *n;

	if (d->cpu->vec_count == PROCESSOR_NOREG || last_of(d, d->cpu->vec_count) != LAST_NAMED)
		return false;
	n = state_peek(&d->state, d->cpu->vec_count);
	return n->op == EXPR_CONST && n->val <= DEFUSE_VEC_ARGS;
}

static const struct expr *target_address(
	struct defuse *d, const struct insn_op *op, const struct expr *rip)
{
	unsigned bits = 8 * d->cpu->word;
	const struct expr *a = expr_const(d->pool, bits, (uint64_t)op->mem.disp);
	const uint8_t id[] = {op->mem.base, op->mem.index, op->mem.seg};

	for (unsigned i = 0; i < COUNT_OF(id); i++) {
		const struct expr *x;

		if (id[i] == PROCESSOR_NOREG)
			continue;
		if (id[i] == d->cpu->pc && rip) {
			x = rip;
		} else {
			x = state_peek(&d->state, id[i]);
			read_reg(d, (struct insn_reg){id[i], 0, d->cpu->word});
		}
		x = expr_zext(d->pool, x, bits);
		if (i == 1)
			x = expr_mul(d->pool, x, expr_const(d->pool, bits, op->mem.scale));
		a = expr_add(d->pool, a, x);
	}
	return a;
}

static void call_target(struct defuse *d, const struct insn_op *op, const struct expr *rip)
{
	if (op->kind == INSN_OP_REG) {
		d->call.target = state_peek(&d->state, op->reg.id);
		read_reg(d, op->reg);
	} else if (op->kind == INSN_OP_MEM) {
		const struct expr *addr = target_address(d, op, rip), *base;
		int64_t offset;

		d->call.target = state_load(&d->state, addr, d->cpu->word);
		expr_split(d->pool, addr, &base, &offset);
		read_mem(d, base, offset, d->cpu->word);
	}
}

static void step_call(struct defuse *d, const struct insn *insn, const struct expr *rip)
{
	const struct processor *cpu = d->cpu;
	unsigned n = cpu->nargs, v = cpu->nvec_args;
	struct insn_op callee = cpu->callee(insn);

	d->call = (struct defuse_call){0};
	call_target(d, &callee, rip);
	while (n && last_of(d, cpu->arg[n - 1]) != LAST_NAMED)
		n--;
	while (v && last_of(d, cpu->vec + v - 1) != LAST_NAMED)
		v--;
	for (unsigned i = 0; i < n; i++)
		add_arg(d, cpu->arg[i], 8u * cpu->word);
	for (unsigned i = 0; i < v; i++)
		add_arg(d, cpu->vec + i, 64);
	if (n == cpu->nargs)
		stack_args(d);
	if (counts_vectors(d))
		read_reg(d, (struct insn_reg){cpu->vec_count, 0, 1});
	d->end = (struct defuse_output){.kind = DEFUSE_CALL};
	d->ended = true;
}

void defuse_refer(struct defuse *d, const struct expr *addr)
{
	d->state.address = addr;
}

void defuse_hold(struct defuse *d, const struct expr *addr, const struct expr *value)
{
	d->state.slot_addr = addr;
	d->state.slot = value;
}

bool defuse_step(struct defuse *d, const struct insn *i, const struct expr *rip, bool is_call)
{
	bool goes_on = i->flow == INSN_FALL || i->flow == INSN_TRAP;

	d->ended = false;
	if (is_call || i->flow == INSN_CALL) {
		d->state.fx = NULL;
		step_call(d, i, rip);
		goes_on = false;
	} else {
		d->state.fx = &d->fx;
		d->state.rip = rip;
		d->cpu->step(&d->state, i);
		d->state.fx = NULL;
		depend(d, d->barrier);
		if (d->fx.overflow) {
			for (size_t k = 0; k < d->n; k++)
				depend(d, (uint16_t)k);
			d->barrier = (uint16_t)d->n;
		}
		step_effects(d, i);
		if (i->flow == INSN_COND)
			end_with(d, DEFUSE_COND, d->state.cond);
		else if (i->flow == INSN_JUMP)
			end_with(d, DEFUSE_JUMP, d->state.target);
	}
	d->state.slot = d->state.address = NULL;
	d->n++;
	d->start[d->n] = (uint32_t)d->ndeps;
	return goes_on && d->n < DEFUSE_MAX;
}

/* ---- outputs ---- */

static bool has(const uint64_t *set, unsigned reg)
{
	return set[reg / 64] >> reg % 64 & 1;
}

static bool is_output(struct defuse *d, unsigned reg, const struct expr *value)
{
	const struct processor *cpu = d->cpu;
	const struct expr *base;
	int64_t offset;

	if (has(cpu->hidden, reg))
		return false;
	if (d->ended && d->end.kind == DEFUSE_CALL && !has(cpu->kept, reg))
		return false;
	if (has(cpu->frame, reg)) {
		expr_split(d->pool, value, &base, &offset);
		return !base || base->op != EXPR_INPUT ||
		       (base->lo != cpu->input + cpu->sp && base->lo != cpu->input + cpu->fp);
	}
	if (cpu->is_half && cpu->is_half(value))
		return false;
	return value->op != EXPR_INPUT || value->lo != cpu->input + reg;
}

size_t defuse_outputs(struct defuse *d, const struct defuse_output **out)
{
	size_t n = 0;

	d->out = mem_grow(d->out, &d->capout, PROCESSOR_REGS + d->nplaces + 1, sizeof(*d->out));
	for (unsigned w = 0; w < 2; w++)
		for (uint64_t left = d->touched[w]; left; left &= left - 1) {
			unsigned reg = 64 * w + (unsigned)__builtin_ctzll(left);
			const struct expr *value;

			if (d->reg[reg].last < LAST_WRITE)
				continue;
			value = state_peek(&d->state, reg);
			if (is_output(d, reg, value))
				d->out[n++] = (struct defuse_output){.kind = DEFUSE_REG,
					.reg = d->cpu->input + reg,
					.value = value};
		}
	for (size_t i = 0; i < d->nplaces; i++) {
		const struct place *p = &d->place[i];

		if (!p->size || p->read || p->size > EXPR_MAX_WIDTH / 8)
			continue;
		d->out[n++] = (struct defuse_output){.kind = DEFUSE_MEM,
			.addr = p->addr,
			.value = state_load(&d->state, p->addr, p->size),
			.place = (uint32_t)i};
	}
	if (d->ended)
		d->out[n++] = d->end;
	*out = d->out;
	return n;
}

const struct defuse_call *defuse_call(const struct defuse *d)
{
	return &d->call;
}

static void mark(uint64_t *set, uint16_t i)
{
	if (i != NONE)
		set[i / 64] |= UINT64_C(1) << i % 64;
}

void defuse_seeds(const struct defuse *d, const struct defuse_output *out, uint64_t *set)
{
	if (out->kind == DEFUSE_REG) {
		for (unsigned i = 0; i < DEFUSE_PARTS; i++)
			mark(set, d->reg[out->reg - d->cpu->input].def[i]);
	} else if (out->kind == DEFUSE_MEM) {
		const struct place *p = &d->place[out->place];

		/* Its own bytes, and those that later writes replaced. */
		for (size_t i = out->place; i < d->nplaces; i++)
			if (overlap(d, &d->place[i], p->base, p->offset, p->size))
				mark(set, d->place[i].writer);
	} else {
		mark(set, (uint16_t)(d->n - 1));
	}
}

/* Edges point backwards, so one pass from the end finds everything. */
void defuse_close(const struct defuse *d, uint64_t *set)
{
	for (size_t w = (d->n + 63) / 64; w--;) {
		uint64_t done = 0;

		for (uint64_t left; (left = set[w] & ~done);) {
			size_t i = 64 * w + 63 - (size_t)__builtin_clzll(left);

			done |= UINT64_C(1) << i % 64;
			for (size_t k = d->start[i]; k < d->start[i + 1]; k++)
				mark(set, d->dep[k]);
		}
	}
}
