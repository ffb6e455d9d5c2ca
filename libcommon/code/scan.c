/*
 * scan.c: see scan.h.
 *
 * Where an instruction begins is known when the length of the one before is: a chain of loads, so
 * that most of the processor waits. So some ranges are scanned side by side. Opcodes that are valid
 * and go on, whatever prefix, ModRM and SIB are with them, are listed here; insn_look is asked for
 * all others, and for all of other processors than x86-64.
 */
#include "code/scan.h"

#include <string.h>

#include "code/x86_fields.h"
#include "code/x86_quick.h"

enum { LANES = 4 }; /* ranges side by side */

/* By opcode. */
enum {
	ASK = 0,    /* see insn_look */
	PLAIN = 1,  /* valid, goes on */
	MEMORY = 2, /* the same, if it has a memory operand */
	FIRST = 3,  /* the same, if reg of ModRM is 0 */
	BRANCH = 4, /* direct branch, if there are no prefixes */
};

/* clang-format off */
#define A ASK
#define P PLAIN
#define M MEMORY
#define F FIRST
#define B BRANCH
static const uint8_t trust_one[256] = {
	P,P,P,P,P,P,A,A, P,P,P,P,P,P,A,A, /* 00 */
	P,P,P,P,P,P,A,A, P,P,P,P,P,P,A,A,
	P,P,P,P,P,P,A,A, P,P,P,P,P,P,A,A,
	P,P,P,P,P,P,A,A, P,P,P,P,P,P,A,A,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 40 */
	P,P,P,P,P,P,P,P, P,P,P,P,P,P,P,P,
	A,A,A,P,A,A,A,A, P,P,P,P,A,A,A,A,
	B,B,B,B,B,B,B,B, B,B,B,B,B,B,B,B,
	P,P,A,P,P,P,P,P, P,P,P,P,A,M,A,A, /* 80 */
	P,P,P,P,P,P,P,P, P,P,A,A,P,P,P,P,
	A,A,A,A,P,P,P,P, P,P,P,P,P,P,P,P,
	P,P,P,P,P,P,P,P, P,P,P,P,P,P,P,P,
	P,P,A,A,A,A,F,F, A,P,A,A,A,A,A,A, /* c0 */
	P,P,P,P,A,A,A,A, A,A,A,A,A,A,A,A,
	A,A,A,A,A,A,A,A, B,B,A,B,A,A,A,A,
	A,A,A,A,A,P,P,P, P,P,A,A,P,P,A,A,
};
static const uint8_t trust_two[256] = {
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 00 */
	P,P,P,A,P,P,P,A, A,A,A,A,A,A,P,P,
	A,A,A,A,A,A,A,A, P,P,P,A,P,P,P,P,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A,
	P,P,P,P,P,P,P,P, P,P,P,P,P,P,P,P, /* 40 */
	A,P,P,P,P,P,P,P, P,P,P,P,P,P,P,P,
	P,P,P,P,P,P,P,P, P,P,P,P,A,A,P,P,
	P,A,A,A,P,P,P,A, A,A,A,A,A,A,P,P,
	B,B,B,B,B,B,B,B, B,B,B,B,B,B,B,B, /* 80 */
	P,P,P,P,P,P,P,P, P,P,P,P,P,P,P,P,
	A,A,A,P,P,P,A,A, A,A,A,P,P,P,A,P,
	P,P,A,P,A,A,P,P, A,A,A,P,P,P,P,P,
	P,P,A,A,P,A,P,A, P,P,P,P,P,P,P,P, /* c0 */
	A,P,P,P,P,P,A,A, P,P,P,P,P,P,P,P,
	P,P,P,P,P,P,A,A, P,P,P,P,P,P,P,P,
	A,P,P,P,P,P,P,A, P,P,P,P,P,P,P,A,
};
#undef A
#undef P
#undef M
#undef F
#undef B
/* clang-format on */

/* The byte for the instruction at p, where 16 bytes are, or 0: insn_look is to be asked. */
static inline __attribute__((always_inline)) unsigned glance(const uint8_t *p)
{
	const struct x86_quick q = x86_quick_get(p, false);
	unsigned trust = q.map ? trust_two[q.opcode] : trust_one[q.opcode];
	unsigned len = q.head + q.disp + q.imm;
	unsigned place = q.has & ((q.modrm & 0xc7) == 5), wide = (q.imm >= 4) | (q.disp >= 4);

	if (trust == PLAIN || (trust == MEMORY && q.modrm < 0xc0) ||
		(trust == FIRST && !(q.modrm & 0x38)))
		return len | (place ? (unsigned)SCAN_PLACE : wide * SCAN_NUMBER);
	return trust == BRANCH && q.bare ? len | SCAN_BRANCH : 0;
}

/* What insn_look says of the n bytes at p. */
static unsigned ask(struct insn_decoder *d, const uint8_t *p, size_t n)
{
	struct insn_brief i;

	if (!insn_look(d, p, n, &i))
		return 1 | SCAN_NONE;
	if (i.flow != INSN_FALL || (i.has & INSN_HAS_REL))
		return i.len | SCAN_OTHER;
	if (insn_used(d) != ARCH_X86_64) /* any of its operands may be a part of an address */
		return i.len | (i.has ? SCAN_PLACE : SCAN_PLAIN);
	if (i.has & INSN_HAS_RIP)
		return i.len | SCAN_PLACE;
	return i.len | (i.has & (INSN_HAS_IMM | INSN_HAS_ABS) ? SCAN_NUMBER : SCAN_PLAIN);
}

/* A range on its way. */
struct lane {
	const uint8_t *p, *end;
	const uint8_t *last; /* where 16 bytes are last, or earlier */
	uint8_t *out;
	struct scan_range *r;
};

/* The rest of a range: near the end of what may be read, or over its own end. */
static void finish(struct insn_decoder *d, struct lane *l)
{
	const uint8_t *limit = l->r->p + l->r->there;

	if (l->p > l->end) {
		l->p -= *--l->out & SCAN_LEN;
		*l->out++ = 1 | SCAN_NONE;
		l->p++;
	}
	while (l->p < l->end) {
		unsigned w = ask(d, l->p, (size_t)(limit - l->p));

		if ((w & SCAN_LEN) > (size_t)(l->end - l->p))
			w = 1 | SCAN_NONE;
		*l->out++ = (uint8_t)w;
		l->p += w & SCAN_LEN;
	}
	l->r->count = (size_t)(l->out - l->r->out);
}

static inline __attribute__((always_inline)) void step(struct insn_decoder *d, struct lane *l)
{
	unsigned w = glance(l->p);

	if (!w)
		w = ask(d, l->p, (size_t)(l->r->p + l->r->there - l->p));
	*l->out++ = (uint8_t)w;
	l->p += w & SCAN_LEN;
}

/* Starts with the next range. Whether there is one. */
static bool start(struct lane *l, struct scan_range **r, const struct scan_range *end)
{
	struct scan_range *q;

	do {
		if (*r == end)
			return false;
		q = (*r)++;
		q->count = 0;
	} while (!q->n);
	*l = (struct lane){.p = q->p, .end = q->p + q->n, .out = q->out, .r = q};
	l->last = q->there < 16 ? l->p : q->p + MIN(q->n, q->there - 15);
	return true;
}

static void scan_x86_64(struct insn_decoder *d, struct scan_range *r, size_t n)
{
	struct lane l[LANES];
	const struct scan_range *end = r + n;
	unsigned used = 0;

	while (used < LANES && start(&l[used], &r, end))
		used++;
	while (used == LANES) {
		while (l[0].p < l[0].last && l[1].p < l[1].last && l[2].p < l[2].last &&
			l[3].p < l[3].last) {
			step(d, &l[0]);
			step(d, &l[1]);
			step(d, &l[2]);
			step(d, &l[3]);
		}
		for (unsigned k = 0; k < used; k++) {
			if (l[k].p < l[k].last)
				continue;
			finish(d, &l[k]);
			if (!start(&l[k], &r, end))
				l[k--] = l[--used];
		}
	}
	for (unsigned k = 0; k < used; k++) {
		while (l[k].p < l[k].last)
			step(d, &l[k]);
		finish(d, &l[k]);
	}
}

void scan_ranges(struct insn_decoder *d, struct scan_range *r, size_t n)
{
	struct lane l;

	if (insn_used(d) == ARCH_X86_64) {
		scan_x86_64(d, r, n);
		return;
	}
	for (const struct scan_range *end = r + n; start(&l, &r, end);)
		finish(d, &l);
}
