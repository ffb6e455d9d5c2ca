/*
 * survey.c: see survey.h.
 *
 * One walk over all code finds its instructions, notes how each function can be left and which
 * functions are entered how. It is cut into pieces of some functions, for any number of threads.
 * Where it leads to code that is no function's, functions are looked for, and walked over as well.
 *
 * A function without a way out does not return: when the last instruction is a call, the compiler
 * knew. A part has no entry of its own: nobody calls it; its function jumps to it under a
 * condition, or it jumps back into the middle of its function, or its unwind table starts in the
 * middle of things.
 */
#include "code/survey.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "code/isa.h"
#include "code/names.h"
#include "code/risc_code.h"
#include "code/scan.h"
#include "code/stubs.h"

enum { PIECE = 256 << 10 /* bytes of code */, NEAR = 16 /* instructions */ };

static const uint32_t nobody = FUNC_NOBODY;

struct jump { /* from one function to another */
	uint32_t from, to;
	bool conditional, inside; /* inside: not to the first instruction */
};

struct leap { /* from a function to code that is none's */
	uint64_t target;
	uint32_t from;
	uint32_t callee; /* of the piece that the answer belongs to, or nobody */
	uint8_t flow;
};

/* Some functions, and what was found out about them. */
struct piece {
	size_t first, end;
	uint8_t *scan;
	uint32_t *callee;
	struct jump *j;
	struct leap *leap;
	uint64_t *data; /* addresses */
	size_t n, cap, nleaps, cap_leaps, ncallees, ndata, cap_data;
};

/* Memory of a thread. */
struct scratch {
	struct scan_range *range;
	uint8_t *bytes;
	struct scan_walk walk;
	uint32_t *callee; /* of the functions of the piece so far */
	size_t ncallees;
	struct risc_code code;
	size_t cap_range, cap_bytes, cap_callee;
};

struct survey {
	const struct elf *f;
	struct functions *fs;
	const struct survey_crew *crew;
	bool *leaves; /* by function: has a return, or some way out that is not understood */
	bool *called; /* atomic */
	struct piece *piece;
	size_t npieces, cap, done; /* done: pieces walked over */
	struct scratch *scratch;   /* one for each thread */
	struct jump *j;            /* of all pieces, in their order */
	size_t n;
};

static bool is_dead_import(const struct survey *s, uint64_t slot)
{
	const char *name = slot ? stubs_import(s->f, slot) : NULL;

	return name && names_no_return(name);
}

/* A jump of function k out of itself, to the function with the index `to`. */
static void jump_to(struct survey *s, struct piece *p, uint32_t k, uint32_t to, uint64_t target,
	bool conditional)
{
	if (to == nobody) {
		s->leaves[k] = s->leaves[k] || !is_dead_import(s, stubs_slot(s->f, target));
		return;
	}
	p->j = mem_grow(p->j, &p->cap, p->n + 1, sizeof(*p->j));
	p->j[p->n++] = (struct jump){k, to, conditional, target != s->fs->f[to].addr};
}

static void call_to(struct survey *s, uint32_t to, uint64_t target)
{
	if (to != nobody && functions_starts(s->fs, to, target))
		__atomic_store_n(&s->called[to], true, __ATOMIC_RELAXED);
}

/* A branch of function k out of itself, or a call; `callee` is where the answer is wanted. */
static uint32_t branch_to(struct survey *s, struct piece *p, uint32_t k, uint64_t target,
	enum insn_flow flow, uint32_t callee)
{
	uint32_t to = functions_index(s->fs, target);

	if (to == nobody && functions_in_gap(s->fs, target)) {
		p->leap = mem_grow(p->leap, &p->cap_leaps, p->nleaps + 1, sizeof(*p->leap));
		p->leap[p->nleaps++] = (struct leap){target, k, callee, flow};
	} else if (flow == INSN_CALL) {
		call_to(s, to, target);
	} else {
		jump_to(s, p, k, to, target, flow == INSN_COND);
	}
	return to;
}

/* The GOT slot that an indirect jump goes through: relative to rip or the GOT, absolute; or 0. */
static uint64_t slot_of(const struct elf *f, const struct insn_brief *i, uint64_t next)
{
	if (i->has & INSN_HAS_RIP)
		return next + (uint64_t)i->disp;
	if (f->word == 8 || (i->has & INSN_HAS_INDEX))
		return 0;
	if (i->has & INSN_HAS_BASE)
		return i->base == X86_RBX ? (f->got + (uint64_t)i->disp) & f->mask : 0;
	return i->has & INSN_HAS_ABS ? (uint64_t)i->disp & f->mask : 0;
}

/* An instruction of function k; `next` is the address after it. */
static void look(
	struct survey *s, struct piece *p, uint32_t k, const struct insn_brief *i, uint64_t next)
{
	const struct func *u = &s->fs->f[k];
	uint64_t target = (next + (uint64_t)i->imm) & s->f->mask;

	switch (i->flow) {
	case INSN_CALL:
		if (i->has & INSN_HAS_REL)
			branch_to(s, p, k, target, i->flow, nobody);
		break;
	case INSN_COND:
	case INSN_JUMP:
		if (!(i->has & INSN_HAS_REL)) {
			s->leaves[k] = s->leaves[k] || !is_dead_import(s, slot_of(s->f, i, next));
		} else if (target < u->addr || target >= u->end) {
			branch_to(s, p, k, target, i->flow, nobody);
		}
		break;
	case INSN_RET: s->leaves[k] = true; break;
	default: break;
	}
}

/* A function on its way. */
struct visit {
	struct survey *s;
	struct piece *p;
	struct scratch *m;
	struct insn_decoder *d;
	uint32_t k;
	const struct func *u;
	const uint8_t *code;
	size_t left; /* bytes from code on that may be read */
};

/* A direct branch. */
static void branch(struct visit *v, size_t offset, unsigned what)
{
	const struct func *u = v->u;
	unsigned len = what & SCAN_LEN;
	uint64_t target = u->addr + offset + len + (uint64_t)scan_branch(v->code + offset, len);
	size_t k = v->m->ncallees;

	if (what < SCAN_CALL && target - u->addr < u->end - u->addr)
		return;
	v->m->callee[k] = branch_to(v->s, v->p, v->k, target, scan_flow(what), (uint32_t)k);
	v->m->ncallees++;
}

/* An instruction that scan.c found; its flow. */
static uint8_t visit(struct visit *v, const struct scan_hit *h)
{
	unsigned what = v->u->scan[h->insn];
	struct insn_brief i;

	if (scan_is_branch(what)) {
		branch(v, h->offset, what);
		return (uint8_t)scan_flow(what);
	}
	if (what < SCAN_NONE && v->s->f->arch == ARCH_X86_64) { /* few are anything else */
		enum insn_flow flow = scan_other(v->code + h->offset, what & SCAN_LEN);

		v->s->leaves[v->k] = v->s->leaves[v->k] || flow == INSN_RET;
		if (flow != INSN_FALL)
			return (uint8_t)flow;
	}
	if (what >= SCAN_NONE) {
		v->s->leaves[v->k] = true; /* not understood */
	} else if (insn_look(v->d, v->code + h->offset, v->left - h->offset, &i)) {
		look(v->s, v->p, v->k, &i, v->u->addr + h->offset + (what & SCAN_LEN));
		return i.flow;
	}
	return INSN_FALL;
}

/* The instructions of function k. */
static void walk(
	struct survey *s, struct piece *p, uint32_t k, struct scratch *m, struct insn_decoder *d)
{
	struct func *u = &s->fs->f[k];
	struct visit v = {s, p, m, d, k, u, NULL, 0};
	struct scan_walk *w = &m->walk;
	size_t end = 0, before = m->ncallees; /* end: behind the last one looked at */
	uint8_t last = INSN_FALL;

	v.code = elf_bytes(s->f, u->addr, &v.left);
	w->scan = u->scan;
	w->n = u->ninsns;
	w->next = w->at = 0;
	while (scan_find(w, SCAN_OTHER)) {
		m->callee = mem_grow(
			m->callee, &m->cap_callee, m->ncallees + w->nhits, sizeof(*m->callee));
		for (size_t i = 0; i < w->nhits; i++) {
			last = visit(&v, &w->hit[i]);
			end = w->hit[i].insn + 1;
		}
	}
	u->ncallees = (uint32_t)(m->ncallees - before);
	if (end < u->ninsns || last == INSN_FALL || last == INSN_TRAP || last == INSN_COND)
		s->leaves[k] = true; /* runs into what follows */
}

/* All functions of a piece. */
static void walk_all(struct survey *s, struct piece *p, struct scratch *m, struct insn_decoder *d)
{
	const uint32_t *callee;

	m->ncallees = 0;
	for (size_t k = p->first; k < p->end; k++)
		walk(s, p, (uint32_t)k, m, d);
	p->ncallees = m->ncallees;
	callee = p->callee = mem_alloc(m->ncallees, sizeof(*p->callee));
	if (m->ncallees)
		memcpy(p->callee, m->callee, m->ncallees * sizeof(*p->callee));
	for (size_t k = p->first; k < p->end; callee += s->fs->f[k++].ncallees)
		s->fs->f[k].callee = callee;
}

/* Finds the instructions of the functions of a piece. */
static void scan(struct survey *s, struct piece *p, struct scratch *m, struct insn_decoder *d)
{
	size_t bytes = 0, n = p->end - p->first, insns = 0;
	struct func *u = &s->fs->f[p->first];
	uint8_t *to;

	m->range = mem_grow(m->range, &m->cap_range, n, sizeof(*m->range));
	for (size_t k = 0; k < n; k++) {
		struct scan_range *r = &m->range[k];

		*r = (struct scan_range){.n = (size_t)(u[k].end - u[k].addr)};
		r->p = elf_bytes(s->f, u[k].addr, &r->there);
		if (r->n > r->there || r->n > FUNC_MAX)
			r->n = 0;
		bytes += r->n;
	}
	m->bytes = mem_grow(m->bytes, &m->cap_bytes, bytes, 1);
	to = m->bytes;
	for (size_t k = 0; k < n; to += m->range[k++].n)
		m->range[k].out = to;
	scan_ranges(d, m->range, n);
	for (size_t k = 0; k < n; k++)
		insns += m->range[k].count;
	p->scan = to = mem_alloc(insns + SCAN_SPARE, 1);
	for (size_t k = 0; k < n; to += m->range[k++].count) {
		memcpy(to, m->range[k].out, m->range[k].count);
		u[k].scan = to;
		u[k].ninsns = (uint32_t)m->range[k].count;
	}
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Addresses of data that an instruction with the page and another with the rest put together. */
static void find_data(struct survey *s, struct piece *p, const struct risc_code *c)
{
	for (size_t j = 0; j < c->n; j++) {
		uint8_t rd = c->insn[j].rd;

		for (size_t k = j + 1; c->insn[j].op == RISC_PAGE && k < MIN(c->n, j + NEAR); k++) {
			const struct risc *i = &c->insn[k];
			uint64_t at = risc_code_addr(c, k), v;
			const struct elf_reloc *r;

			if (i->rd != rd && i->ra != rd)
				continue;
			if (i->op != RISC_ADD || i->ra != rd)
				break;
			r = s->f->object ? elf_reloc_at(s->f, at) : NULL;
			v = (risc_code_addr(c, j) & ~UINT64_C(0xfff)) +
			    (uint64_t)(c->insn[j].imm + i->imm);
			if (s->f->object)
				v = r && r->kind == ELF_R_ADDR ? elf_reloc_value(s->f, r) : 0;
			p->data = mem_grow(p->data, &p->cap_data, p->ndata + 1, sizeof(*p->data));
			p->data[p->ndata++] = v;
			break;
		}
	}
}

/* The same for instructions of fixed size. */
static void risc_walk(struct survey *s, struct piece *p, uint32_t k, struct risc_code *c)
{
	struct func *u = &s->fs->f[k];
	size_t n;
	const uint8_t *code = elf_bytes(s->f, u->addr, &n);
	uint8_t last = INSN_FALL;

	if (u->end - u->addr > MIN(n, (size_t)FUNC_MAX))
		return;
	risc_code_read(c, s->f, isa_at(s->f, u->addr), u->addr, code, (size_t)(u->end - u->addr));
	u->ninsns = (uint32_t)c->n;
	find_data(s, p, c);
	for (size_t j = 0; j < c->n && !s->f->object; j++) {
		const struct risc *i = &c->insn[j];
		uint64_t target = (risc_code_addr(c, j) + (uint64_t)i->imm) & s->f->mask;
		bool direct = i->what & RISC_DIRECT, jump = i->flow == INSN_JUMP;

		last = c->flow[j].flow;
		if (i->flow == INSN_CALL && direct) {
			branch_to(s, p, k, target, i->flow, nobody);
		} else if ((jump || i->flow == INSN_COND) && direct) {
			if (target < u->addr || target >= u->end)
				branch_to(s, p, k, target, i->flow, nobody);
		} else if (jump || i->flow == INSN_RET || i->flow == INSN_COND) {
			s->leaves[k] = true;
		}
	}
	if (last == INSN_FALL || last == INSN_COND || last == INSN_TRAP)
		s->leaves[k] = true; /* runs into what follows */
}

/* In object files the bytes of branches say nothing: nothing is concluded from them. */
static void work(void *ctx, size_t i, unsigned worker)
{
	struct survey *s = ctx;
	struct piece *p = &s->piece[s->done + i];
	struct insn_decoder *d = s->crew->d[worker];

	if (risc_ops(s->f->arch)) {
		for (size_t k = p->first; k < p->end; k++)
			risc_walk(s, p, (uint32_t)k, &s->scratch[worker].code);
		return;
	}
	scan(s, p, &s->scratch[worker], d);
	if (!s->f->object)
		walk_all(s, p, &s->scratch[worker], d);
}

/* Whether the function's code is known, but not yet what is in it. */
static bool is_due(const struct func *u)
{
	return !u->ninsns && u->end > u->addr;
}

/* Cuts the functions that are due into pieces. */
static void cut(struct survey *s)
{
	const struct functions *fs = s->fs;
	size_t k = 0;

	while (k < fs->n) {
		uint64_t code = 0;
		struct piece p = {.first = k};

		for (; k < fs->n && is_due(&fs->f[k]) && code < PIECE; k++)
			code += fs->f[k].end - fs->f[k].addr;
		p.end = k;
		if (!code) {
			k++;
			continue;
		}
		s->piece = mem_grow(s->piece, &s->cap, s->npieces + 1, sizeof(*s->piece));
		s->piece[s->npieces++] = p;
	}
}

/* Walks over the functions that are due. */
static void walk_due(struct survey *s)
{
	cut(s);
	if (s->crew->par)
		par_for(s->crew->par, s->npieces - s->done, work, s);
	for (size_t i = 0; !s->crew->par && i < s->npieces - s->done; i++)
		work(s, i, 0);
	s->done = s->npieces;
}

/* ---- functions that were not known ---- */

/* Jumps to what turned out to be nothing leave. */
static void move_jumps(struct survey *s, struct piece *p, const uint32_t *now)
{
	size_t n = 0;

	for (size_t k = 0; k < p->n; k++) {
		struct jump j = p->j[k];

		j.from = now[j.from];
		j.to = now[j.to];
		if (j.to == nobody)
			s->leaves[j.from] = true;
		else
			p->j[n++] = j;
	}
	p->n = n;
}

/* Moves what is known of each function to its new index, or leaves it out. */
static void move(struct survey *s, const uint32_t *now, size_t n)
{
	bool *leaves = mem_zalloc(s->fs->n, sizeof(*leaves));
	bool *called = mem_zalloc(s->fs->n, sizeof(*called));

	for (size_t k = 0; k < n; k++) {
		if (now[k] != nobody) {
			leaves[now[k]] = s->leaves[k];
			called[now[k]] = s->called[k];
		}
	}
	mem_free(s->leaves);
	mem_free(s->called);
	s->leaves = leaves;
	s->called = called;
	for (size_t i = 0; i < s->npieces; i++) {
		struct piece *p = &s->piece[i];

		for (size_t k = 0; k < p->ncallees; k++)
			p->callee[k] = p->callee[k] != nobody ? now[p->callee[k]] : nobody;
		move_jumps(s, p, now);
		for (size_t k = 0; k < p->nleaps; k++)
			p->leap[k].from = now[p->leap[k].from];
	}
}

/* Where branches to code that was no function's lead now. */
static void land(struct survey *s)
{
	for (size_t i = 0; i < s->done; i++) {
		struct piece *p = &s->piece[i];

		for (size_t k = 0; k < p->nleaps; k++) {
			const struct leap *l = &p->leap[k];
			uint32_t to = branch_to(s, p, l->from, l->target, l->flow, nobody);

			if (l->callee != nobody)
				p->callee[l->callee] = to;
		}
		mem_free(p->leap);
		p->leap = NULL;
	}
}

/* Looks for functions in the gaps, and walks over them. */
static void fill(struct survey *s, struct insn_decoder *d)
{
	struct gaps_addresses called = {0};
	size_t n = s->fs->n;
	uint32_t *now;

	for (size_t i = 0; i < s->npieces; i++) {
		for (size_t k = 0; k < s->piece[i].nleaps; k++) {
			const struct leap *l = &s->piece[i].leap[k];

			if (l->flow != INSN_CALL)
				continue;
			called.p = mem_grow(called.p, &called.cap, called.n + 1, sizeof(*called.p));
			called.p[called.n++] = l->target;
		}
	}
	now = functions_fill(s->fs, s->f, d, &called);
	move(s, now, n);
	land(s);
	walk_due(s);
	mem_free(called.p);
	mem_free(now);
}

/* ---- all of it ---- */

/* The addresses of all pieces. */
static void gather_data(struct survey *s)
{
	struct functions *fs = s->fs;
	size_t n = 0;

	for (size_t i = 0; i < s->npieces; i++)
		n += s->piece[i].ndata;
	if (!n)
		return;
	fs->data = mem_alloc(n, sizeof(*fs->data));
	for (size_t i = 0; i < s->npieces; i++) {
		struct piece *p = &s->piece[i];

		if (p->ndata)
			memcpy(fs->data + fs->ndata, p->data, p->ndata * sizeof(*p->data));
		fs->ndata += p->ndata;
		mem_free(p->data);
	}
	sort_items(fs->data, n, sizeof(*fs->data), 0, by_number);
}

/* Puts together what the pieces have. */
static void gather(struct survey *s)
{
	struct functions *fs = s->fs;

	fs->memory = mem_alloc(2 * s->npieces, sizeof(*fs->memory));
	fs->nmemory = 2 * s->npieces;
	for (size_t i = 0; i < s->npieces; i++) {
		fs->memory[2 * i] = s->piece[i].scan;
		fs->memory[2 * i + 1] = s->piece[i].callee;
		s->n += s->piece[i].n;
	}
	gather_data(s);
	s->j = mem_alloc(s->n, sizeof(*s->j));
	s->n = 0;
	for (size_t i = 0; i < s->npieces; i++) {
		const struct piece *p = &s->piece[i];

		if (p->n)
			memcpy(s->j + s->n, p->j, p->n * sizeof(*p->j));
		s->n += p->n;
		mem_free(p->j);
	}
	mem_free(s->piece);
}

/* What can be left makes those leave that jump there. */
static void find_no_return(struct survey *s)
{
	size_t nf = s->fs->n, head = 0, tail = 0;
	uint32_t *first = mem_zalloc(nf + 2, sizeof(*first)); /* of each target's jumps, in `by` */
	uint32_t *by = mem_alloc(s->n, sizeof(*by)), *queue = mem_alloc(nf, sizeof(*queue));

	for (size_t k = 0; k < s->n; k++) {
		first[s->j[k].to + 2]++;
		if (s->j[k].inside)
			s->leaves[s->j[k].from] = true;
	}
	for (size_t k = 2; k < nf + 2; k++)
		first[k] += first[k - 1];
	for (size_t k = 0; k < s->n; k++)
		by[first[s->j[k].to + 1]++] = s->j[k].from;
	for (size_t k = 0; k < nf; k++) {
		if (s->leaves[k])
			queue[tail++] = (uint32_t)k;
	}
	while (head < tail) {
		uint32_t to = queue[head++];

		for (uint32_t k = first[to]; k < first[to + 1]; k++) {
			if (!s->leaves[by[k]]) {
				s->leaves[by[k]] = true;
				queue[tail++] = by[k];
			}
		}
	}
	for (size_t k = 0; k < nf; k++)
		s->fs->f[k].no_return = s->fs->f[k].no_return || !s->leaves[k];
	mem_free(first);
	mem_free(by);
	mem_free(queue);
}

/* Whether a function may be a part at all, as far as its origin says. */
static bool may_be_part(const struct survey *s, uint32_t k)
{
	const struct func *u = &s->fs->f[k];

	if (u->from & FUNC_SYMBOL)
		return u->from & FUNC_PART; /* its name says so */
	return (u->from & FUNC_FRAME) && !(u->from & FUNC_ROOT) && !s->called[k];
}

static void find_parts(struct survey *s)
{
	for (size_t k = 0; k < s->fs->n; k++) {
		if (!may_be_part(s, (uint32_t)k))
			s->fs->f[k].from &= ~(uint32_t)FUNC_PART;
	}
	for (size_t k = 0; k < s->n; k++) {
		const struct jump *j = &s->j[k];
		struct func *from = &s->fs->f[j->from], *to = &s->fs->f[j->to];

		if ((j->conditional || (to->from & FUNC_PART)) && may_be_part(s, j->to) &&
			!to->owner) {
			to->from |= FUNC_PART;
			to->owner = from->addr;
		}
		if (j->inside && may_be_part(s, j->from) && !from->owner &&
			to->owner != from->addr) {
			from->from |= FUNC_PART;
			from->owner = to->addr;
		}
	}
}

void survey_functions(struct functions *fs, const struct elf *f, const struct survey_crew *crew)
{
	struct survey s = {.f = f, .fs = fs, .crew = crew};
	unsigned threads = crew->par ? par_threads(crew->par) : 1;

	for (size_t k = 0; k < fs->n; k++)
		fs->f[k].no_return = names_no_return(fs->f[k].name);
	s.leaves = mem_zalloc(fs->n, sizeof(*s.leaves));
	s.called = mem_zalloc(fs->n, sizeof(*s.called));
	s.scratch = mem_zalloc(threads, sizeof(*s.scratch));
	walk_due(&s);
	fill(&s, crew->d[0]);
	gather(&s);
	if (!f->object && fs->n < nobody - 2) {
		find_no_return(&s);
		find_parts(&s);
	}
	for (unsigned i = 0; i < threads; i++) {
		mem_free(s.scratch[i].range);
		mem_free(s.scratch[i].bytes);
		mem_free(s.scratch[i].callee);
		risc_code_free(&s.scratch[i].code);
	}
	mem_free(s.scratch);
	mem_free(s.leaves);
	mem_free(s.called);
	mem_free(s.j);
}
