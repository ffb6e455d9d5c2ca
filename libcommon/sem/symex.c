/*
 * symex.c: see symex.h. The execution itself is sem/defuse.c; here its outputs become text and
 * hashes, and references become addresses and names.
 */
#include "sem/symex.h"

#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "sem/defuse.h"
#include "sem/print.h"
#include "sem/x86.h"

enum { MANY = 4096 };

#define NAMES (UINT64_C(1) << 46) /* from here on: addresses that are made from names, */
#define SLOTS (UINT64_C(1) << 45) /* and those of GOT slots */

struct symex {
	const struct processor *cpu;
	struct defuse *du;
	struct buf text;          /* terminated expressions, one after another */
	struct symex_output *out; /* text: an offset until the end of the run */
	size_t *at;               /* where each text begins */
	size_t n, capout, capat, dropped;
	struct map64 seen; /* hashes of this run's outputs */
	symex_form *form;  /* NULL: values as they are */
	void *form_ctx;
};

/* What the references say of one instruction. */
struct reach {
	bool is_call;     /* a jump or call to a function */
	const char *name; /* of the function, or NULL */
	bool has_addr;    /* addr is the address of its memory operand, */
	bool is_slot;     /* or what this operand, a GOT slot, holds */
	uint64_t addr;
};

struct symex *symex_new(void)
{
	struct symex *x = mem_zalloc(1, sizeof(*x));

	x->cpu = &x86_processor;
	x->du = defuse_new();
	return x;
}

void symex_free(struct symex *x)
{
	if (!x)
		return;
	defuse_free(x->du);
	buf_free(&x->text);
	mem_free(x->out);
	mem_free(x->at);
	map64_free(&x->seen);
	mem_free(x);
}

void symex_use(struct symex *x, const struct processor *cpu)
{
	x->cpu = cpu;
	defuse_use(x->du, cpu);
}

struct expr_pool *symex_pool(struct symex *x)
{
	return defuse_pool(x->du);
}

void symex_set_form(struct symex *x, symex_form *f, void *ctx)
{
	x->form = f;
	x->form_ctx = ctx;
}

static const struct expr *form(struct symex *x, const struct expr *e)
{
	return x->form ? x->form(x->form_ctx, defuse_pool(x->du), e) : e;
}

/* Stands for an address nobody knows yet: large, and the same for the same name. */
static uint64_t address_of_name(const char *name)
{
	return NAMES | (hash_64(name, strlen(name)) & (NAMES - 1));
}

/* Reads the references of instruction i, the next of which is *r; leaves *r behind them. */
static struct reach reach_of(const struct refs *refs, size_t *r, size_t i)
{
	struct reach reach = {0};

	while (*r < refs->insn.n && refs->insn.p[*r] < i)
		++*r;
	for (; *r < refs->insn.n && refs->insn.p[*r] == i; ++*r) {
		const char *name = refs_name(refs, *r);
		enum ref_kind kind = refs->kind.p[*r];

		if (kind == REF_CALL)
			reach.is_call = true;
		if (kind == REF_CALL || kind == REF_JUMP)
			continue; /* the address is not shown */
		if (kind == REF_IMPORT) {
			reach.is_call = true;
			reach.name = name;
		}
		/* What loads the address of an imported function finds it in the GOT. */
		if (reach.has_addr || (!refs->target.p[*r] && !name))
			continue; /* of two, the memory operand's comes before the immediate's */
		reach.has_addr = true;
		reach.is_slot = kind == REF_SLOT || kind == REF_IMPORT;
		reach.addr = refs->target.p[*r] ? refs->target.p[*r] : address_of_name(name);
	}
	return reach;
}

/*
 * The value of rip that makes the address what the reference says. Without a reference it is as if
 * the instructions followed each other: `next` is the offset of the one after this.
 */
static const struct expr *rip_of(
	struct symex *x, const struct insn *insn, const struct reach *reach, uint64_t next)
{
	struct expr_pool *p = defuse_pool(x->du);
	unsigned bits = 8 * x->cpu->word;
	enum processor_use use;
	int64_t distance = 0;
	uint64_t addr;

	use = x->cpu->use(insn, &distance);
	if (use == PROCESSOR_NONE)
		return NULL;
	if (!reach->has_addr)
		return expr_add(p, expr_input(p, x->cpu->input + x->cpu->pc, bits),
			expr_const(p, bits, next));
	addr = reach->addr;
	if (reach->is_slot && use == PROCESSOR_MEMORY) {
		addr = SLOTS | (hash_mix(addr) & (SLOTS - 1)); /* nobody knows where it is */
		defuse_hold(x->du, expr_const(p, bits, addr), expr_const(p, bits, reach->addr));
	}
	defuse_refer(x->du, expr_const(p, bits, addr));
	return expr_const(p, bits, addr - (uint64_t)distance);
}

static uint64_t combine(uint64_t h, uint64_t x)
{
	return hash_mix(hash_mix(h) + x);
}

/* ---- one output as text and hash ---- */

static bool fits(const struct expr *e)
{
	return e->op != EXPR_TRUNC && e->size <= SYMEX_NODES;
}

static bool call_fits(const struct defuse_call *c)
{
	uint64_t size = 0;

	for (size_t i = 0; i < c->nargs; i++) {
		if (!fits(c->arg[i]))
			return false;
		size += c->arg[i]->size;
	}
	return size <= SYMEX_NODES && (!c->target || fits(c->target));
}

static bool output_fits(const struct symex *x, const struct defuse_output *o)
{
	if (x->text.n > SYMEX_TEXT)
		return false;
	if (o->kind == DEFUSE_CALL)
		return call_fits(defuse_call(x->du));
	return fits(o->value) && (o->kind != DEFUSE_MEM || fits(o->addr));
}

/* Bits of a register that are shown: of a vector register those that are not cleared for sure. */
static unsigned shown_bits(unsigned reg, const struct expr *value)
{
	unsigned used = value->width;

	if (value->op == EXPR_CONST) {
		while (used > 64 && !expr_words(value)[used / 64 - 1])
			used -= 64;
	} else if (value->op == EXPR_CONCAT) {
		const struct expr *top = value->arg[0];

		/* Cleared above, or as it was: `movaps` leaves the bits above 127 alone. */
		if (expr_is_const(top, 0) ||
			(top->op == EXPR_EXTRACT && top->arg[0]->op == EXPR_INPUT &&
				top->arg[0]->lo == reg && top->lo + top->width == value->width))
			used -= top->width;
	}
	return used <= 128 ? 128 : used <= 256 ? 256 : 512;
}

static uint64_t put_register(struct symex *x, const struct defuse_output *o)
{
	struct expr_pool *p = defuse_pool(x->du);
	const struct expr *value = o->value;

	if (value->width == 512)
		value = expr_extract(p, value, 0, shown_bits(o->reg, value));
	value = form(x, value);
	print_register(&x->text, o->reg, value->width);
	buf_puts(&x->text, "= ");
	print_value(&x->text, p, value);
	return combine(o->reg, value->hash);
}

static uint64_t put_call(struct symex *x, const char *name)
{
	const struct defuse_call *c = defuse_call(x->du);
	const struct expr *target = c->target ? form(x, c->target) : NULL, *arg[DEFUSE_ARGS];
	uint64_t h;

	if (!name && !target)
		name = "func";
	h = name ? hash_64(name, strlen(name)) : target->hash;
	for (size_t i = 0; i < c->nargs; i++) {
		arg[i] = form(x, c->arg[i]);
		h = combine(h, arg[i]->hash);
	}
	print_call(&x->text, defuse_pool(x->du), name, target, arg, c->nargs);
	return h;
}

static void put_output(struct symex *x, const struct defuse_output *o, const char *callee)
{
	struct expr_pool *p = defuse_pool(x->du);
	const struct expr *addr, *value;
	size_t at = x->text.n;
	uint64_t h = 0;
	bool made;

	switch (o->kind) {
	case DEFUSE_REG: h = put_register(x, o); break;
	case DEFUSE_MEM:
		addr = form(x, o->addr);
		value = form(x, o->value);
		print_memory(&x->text, p, addr);
		buf_puts(&x->text, "= ");
		print_value(&x->text, p, value);
		h = combine(addr->hash, value->hash);
		break;
	case DEFUSE_COND:
		value = form(x, o->value);
		print_cond(&x->text, p, value);
		h = value->hash;
		break;
	case DEFUSE_JUMP:
		value = form(x, o->value);
		buf_puts(&x->text, "rip = ");
		print_value(&x->text, p, value);
		h = value->hash;
		break;
	case DEFUSE_CALL: h = put_call(x, callee); break;
	}
	h = combine(o->kind, h);
	x->text.p[x->text.n - 1] = '\0'; /* instead of the blank behind the last token */
	map64_put(&x->seen, h, &made);
	if (!made) { /* a set: stretches may have equal outputs */
		x->text.n = at;
		return;
	}
	x->out = mem_grow(x->out, &x->capout, x->n + 1, sizeof(*x->out));
	x->at = mem_grow(x->at, &x->capat, x->n + 1, sizeof(*x->at));
	x->out[x->n] =
		(struct symex_output){.hash = h, .kind = o->kind, .reg = o->reg, .value = o->value};
	x->at[x->n++] = at;
}

size_t symex_run(struct symex *x, const struct insn *insn, size_t n, const struct refs *refs,
	const struct symex_output **out, size_t *dropped)
{
	size_t r = 0;
	uint64_t next = 0;
	bool starts = true;

	buf_reset(&x->text);
	if (x->seen.nslots > MANY)
		map64_free(&x->seen); /* a large table costs more to clear than to make again */
	map64_reset(&x->seen);
	x->n = x->dropped = 0;
	for (size_t i = 0; i < n; i++) {
		struct reach reach = reach_of(refs, &r, i);
		const struct defuse_output *o;
		size_t nout;

		if (starts) {
			defuse_start(x->du);
			for (size_t k = 0; k < x->n; k++)
				x->out[k].value = NULL;
		}
		next += insn[i].len;
		starts = !defuse_step(x->du, &insn[i], rip_of(x, &insn[i], &reach, next),
			reach.is_call && insn[i].flow == INSN_JUMP);
		if (!starts && i + 1 < n)
			continue;
		nout = defuse_outputs(x->du, &o);
		for (size_t k = 0; k < nout; k++)
			if (output_fits(x, &o[k]))
				put_output(x, &o[k], reach.name);
			else
				x->dropped++;
	}
	for (size_t i = 0; i < x->n; i++)
		x->out[i].text = (const char *)x->text.p + x->at[i];
	*out = x->out;
	if (dropped)
		*dropped = x->dropped;
	return x->n;
}
