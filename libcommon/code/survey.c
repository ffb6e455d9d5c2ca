/*
 * survey.c: see survey.h.
 *
 * One quick walk over all code, by the layout of instructions alone, notes how each function can
 * be left and which functions are entered how.
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
#include "code/names.h"
#include "code/stubs.h"
#include "code/x86_fields.h"

enum { NOBODY = 0xffffffff };

struct jump { /* from one function to another */
	uint32_t from, to;
	bool conditional, inside; /* inside: not to the first instruction */
};

struct survey {
	const struct elf *f;
	struct functions *fs;
	bool *leaves; /* by function: has a return, or some way out that is not understood */
	bool *called;
	struct jump *j;
	size_t n, cap;
	size_t nlen, cap_len;
	bool is32;
};

static int32_t get_i32(const uint8_t *p)
{
	return (int32_t)(p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24);
}

static uint32_t function_at(const struct survey *s, uint64_t addr)
{
	const struct func *u = functions_at(s->fs, addr);

	return u ? (uint32_t)(u - s->fs->f) : NOBODY;
}

static bool is_dead_import(const struct survey *s, uint64_t slot)
{
	const char *name = slot ? stubs_import(s->f, slot) : NULL;

	return name && names_no_return(name);
}

/* A jump of function k out of itself. */
static void jump_out(struct survey *s, uint32_t k, uint64_t target, bool conditional)
{
	uint32_t to = function_at(s, target);

	if (to == NOBODY) {
		s->leaves[k] = s->leaves[k] || !is_dead_import(s, stubs_slot(s->f, target));
		return;
	}
	s->j = mem_grow(s->j, &s->cap, s->n + 1, sizeof(*s->j));
	s->j[s->n++] = (struct jump){k, to, conditional, target != s->fs->f[to].addr};
}

/* The GOT slot that an indirect jump goes through: relative to rip or the GOT, absolute; or 0. */
static uint64_t slot_of(
	const struct survey *s, const uint8_t *p, const struct x86_fields *x, uint64_t next)
{
	uint64_t base = s->is32 ? 0 : next;

	if (s->is32 && (x->modrm & 0xc7) == 0x83) /* [ebx + x] */
		base = s->f->got;
	else if ((x->modrm & 0xc7) != 5)
		return 0;
	return (base + (uint64_t)(int64_t)get_i32(p + x->head)) & s->f->mask;
}

/* An instruction of function k; `next` is the address after it. Whether it goes on. */
static bool look(
	struct survey *s, uint32_t k, const uint8_t *p, const struct x86_fields *x, uint64_t next)
{
	const struct func *u = &s->fs->f[k];
	bool one = x->map == X86_MAP_1 && x->coding == X86_LEGACY;
	bool two = x->map == X86_MAP_0F && x->coding == X86_LEGACY;
	bool relative =
		(one && (x->opcode >> 4 == 7 || (x->opcode & 0xfc) == 0xe0 || x->opcode == 0xe8 ||
				x->opcode == 0xe9 || x->opcode == 0xeb)) ||
		(two && x->opcode >> 4 == 8);

	if (relative) {
		uint64_t target = next;

		if (x->imm_len == 1) /* (16 bits are of old times) */
			target += (uint64_t)(int64_t)(int8_t)p[x->len - 1];
		else if (x->imm_len == 4)
			target += (uint64_t)(int64_t)get_i32(p + x->len - 4);
		target &= s->f->mask;
		if (one && x->opcode == 0xe8) {
			uint32_t to = function_at(s, target);

			if (to != NOBODY && s->fs->f[to].addr == target)
				s->called[to] = true;
			return true;
		}
		if (target < u->addr || target >= u->end)
			jump_out(s, k, target, two || x->opcode < 0xe8);
		return two || x->opcode < 0xe8;
	}
	if (two)
		return x->opcode != 0x0b; /* ud2 */
	if (!one)
		return true;
	if (x->opcode == 0xff && (x->modrm >> 3 & 7) == 4) { /* jmp */
		s->leaves[k] = s->leaves[k] || !is_dead_import(s, slot_of(s, p, x, next));
		return false;
	}
	switch (x->opcode) {
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcf: s->leaves[k] = true; return false;
	case 0xf4: return false; /* hlt */
	default: return true;
	}
}

/*
 * Whether the byte an instruction starts with, behind prefixes, is one that matters here. Most do
 * not.
 */
static bool is_of_interest(const uint8_t *p, bool is32)
{
	if (is32 && (*p & 0xf0) == 0x40)
		return false; /* inc, dec */
	while (*p == 0x66 || *p == 0xf2 || *p == 0xf3 || *p == 0x2e || *p == 0x3e ||
		(!is32 && (*p & 0xf0) == 0x40))
		p++; /* the caller saw the end of the instruction: this ends before */
	if (*p == 0x0f)
		return p[1] >> 4 == 8 || p[1] == 0x0b;
	return *p >> 4 == 7 || (*p >= 0xc2 && *p <= 0xcf) || *p >= 0xe0;
}

static void walk(struct survey *s, uint32_t k)
{
	struct func *u = &s->fs->f[k];
	size_t n, at = 0, size = (size_t)(u->end - u->addr);
	const uint8_t *p = elf_bytes(s->f, u->addr, &n);
	bool goes_on = true, call = false, is32 = s->is32;

	u->first = s->nlen;
	while (at < size) {
		uint32_t w =
			n - at >= 16 ? (is32 ? x86_fields_quick32 : x86_fields_quick)(p + at) : 0;
		const uint8_t *q = p + at;
		struct x86_fields x;

		if (s->nlen == s->cap_len)
			s->fs->len = mem_grow(s->fs->len, &s->cap_len, s->nlen + 1, 1);
		goes_on = true;
		call = false;
		if (w && !is_of_interest(q, is32)) {
			at += w & 255;
		} else if ((is32 ? x86_fields_get32 : x86_fields_get)(&x, q, size - at) < 0) {
			break;
		} else {
			at += x.len;
			goes_on = look(s, k, q, &x, u->addr + at);
			call = x.map == X86_MAP_1 && x.coding == X86_LEGACY &&
			       (x.opcode == 0xe8 || (x.opcode == 0xff && (x.modrm >> 3 & 7) == 2));
		}
		s->fs->len[s->nlen++] = (uint8_t)(at - (size_t)(q - p));
	}
	u->ninsns = s->nlen - u->first;
	/* not understood, or runs into what follows */
	if (at != size || (goes_on && !call))
		s->leaves[k] = true;
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

/* In object files the bytes of branches say nothing: nothing is concluded from them. */
void survey_functions(struct functions *fs, const struct elf *f)
{
	struct survey s = {.f = f, .fs = fs, .is32 = f->word == 4};

	for (size_t k = 0; k < fs->n; k++)
		fs->f[k].no_return = names_no_return(fs->f[k].name);
	if (f->object || fs->n >= NOBODY - 2)
		return;
	s.leaves = mem_zalloc(fs->n, sizeof(*s.leaves));
	s.called = mem_zalloc(fs->n, sizeof(*s.called));
	for (size_t k = 0; k < fs->n; k++)
		walk(&s, (uint32_t)k);
	find_no_return(&s);
	find_parts(&s);
	mem_free(s.leaves);
	mem_free(s.called);
	mem_free(s.j);
}
