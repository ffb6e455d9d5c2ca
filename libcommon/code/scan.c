/*
 * scan.c: see scan.h.
 *
 * Where an instruction begins is known when the length of the one before is: a chain of loads, so
 * that most of the processor waits. So some ranges are scanned side by side, and opcode, mod and rm
 * of an instruction are looked up in one table without a branch. Opcodes that are valid and go on,
 * whatever prefix, ModRM and SIB are with them, are listed there; insn_look is asked for all
 * others, and for all of other processors than x86-64.
 */
#include "code/scan.h"

#include <string.h>

enum { LANES = 4 }; /* ranges side by side */

/*
 * An entry: the byte of scan.h, for an instruction without prefixes; from bit 8 on, whether it may
 * be something else without a prefix, with REX, with 66, F2 or F3; then what the first may be, if
 * it is known well enough.
 */
enum {
	BARE = 1 << 8,
	REX = 1 << 9,
	LEGACY = 3 << 10, /* without or with REX */
	ASK = BARE | REX | LEGACY,
	SIB_ALONE = 1 << 12, /* base 5 means a displacement of 4 */
	FIRST = 1 << 13,     /* valid if reg is 0 */
	GROUP = 1 << 14,     /* with an immediate of 1 or 4 if reg is 0 or 1 */
	WIDE = 1 << 15,      /* with one of 8 instead of 4 if there is REX.W */
};

static const uint8_t is_legacy[256] = {[0x66] = 1, [0xf2] = 1, [0xf3] = 1};

/* clang-format off */
/* A row: by mod, then rm. */
#define R4(x)  x, x, x, x
#define R8(x)  R4(x), R4(x)
#define R32(x) R8(x), R8(x), R8(x), R8(x)
#define WHAT(imm) ((imm) >= 4 ? SCAN_NUMBER : SCAN_PLAIN)
#define MEM(imm, f)                                                                              \
	R4((2 + (imm)) | WHAT(imm) | (f)), (3 + (imm)) | WHAT(imm) | (f) | ASK | SIB_ALONE,          \
	(6 + (imm)) | SCAN_PLACE | (f), (2 + (imm)) | WHAT(imm) | (f), (2 + (imm)) | WHAT(imm) | (f), \
	R4((3 + (imm)) | WHAT(imm) | (f)), (4 + (imm)) | WHAT(imm) | (f),                            \
	(3 + (imm)) | WHAT(imm) | (f), (3 + (imm)) | WHAT(imm) | (f), (3 + (imm)) | WHAT(imm) | (f),  \
	R4((6 + (imm)) | SCAN_NUMBER | (f)), (7 + (imm)) | SCAN_NUMBER | (f),                        \
	(6 + (imm)) | SCAN_NUMBER | (f), (6 + (imm)) | SCAN_NUMBER | (f), (6 + (imm)) | SCAN_NUMBER | (f)
#define ANY(imm, f) { MEM(imm, f), R8((2 + (imm)) | WHAT(imm) | (f)) }
#define A  { R32(ASK) }                                  /* see insn_look */
#define N  { R32(1 | SCAN_PLAIN) }                       /* nothing behind the opcode */
#define B  { R32(2 | SCAN_PLAIN) }                       /* 1 byte */
#define Z  { R32(5 | SCAN_NUMBER | LEGACY) }             /* 4 bytes, 2 with prefix 66 */
#define V  { R32(5 | SCAN_NUMBER | LEGACY | REX | WIDE) } /* 8 with REX.W */
#define T  { R32(1 | SCAN_OTHER | LEGACY | REX) }        /* does not go on */
#define J  { R32(2 | SCAN_BRANCH | LEGACY | REX) }       /* branch, 1 byte */
#define JZ { R32(5 | SCAN_BRANCH | LEGACY | REX) }       /* branch, 4 bytes */
#define M  ANY(0, 0)                                     /* ModRM */
#define MB ANY(1, 0)                                     /* and 1 byte */
#define MZ ANY(4, LEGACY)
#define L  { MEM(0, 0), R8(ASK) }                        /* memory only */
#define FB ANY(1, ASK | FIRST)
#define FZ ANY(4, ASK | FIRST)
#define G  ANY(0, ASK | GROUP)
static const uint16_t table[2][256][32] = {{ /* one byte */
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A, /* 00 */
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 40 */
	N,N,N,N,N,N,N,N, N,N,N,N,N,N,N,N,
	A,A,A,M,A,A,A,A, Z,MZ,B,MB,A,A,A,A,
	J,J,J,J,J,J,J,J, J,J,J,J,J,J,J,J,
	MB,MZ,A,MB,M,M,M,M, M,M,M,M,A,L,A,A, /* 80 */
	N,N,N,N,N,N,N,N, N,N,A,A,N,N,N,N,
	A,A,A,A,N,N,N,N, B,Z,N,N,N,N,N,N,
	B,B,B,B,B,B,B,B, V,V,V,V,V,V,V,V,
	MB,MB,A,T,A,A,FB,FZ, A,N,A,A,T,A,A,A, /* c0 */
	M,M,M,M,A,A,A,A, A,A,A,A,A,A,A,A,
	A,A,A,A,A,A,A,A, JZ,JZ,A,J,A,A,A,A,
	A,A,A,A,A,N,G,G, N,N,A,A,N,N,A,A,
}, { /* 0F */
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 00 */
	M,M,M,A,M,M,M,A, A,A,A,A,A,A,M,M,
	A,A,A,A,A,A,A,A, M,M,M,A,M,M,M,M,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M, /* 40 */
	A,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,M,M, M,M,M,M,A,A,M,M,
	MB,A,A,A,M,M,M,A, A,A,A,A,A,A,M,M,
	JZ,JZ,JZ,JZ,JZ,JZ,JZ,JZ, JZ,JZ,JZ,JZ,JZ,JZ,JZ,JZ, /* 80 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	A,A,A,M,MB,M,A,A, A,A,A,M,MB,M,A,M,
	M,M,A,M,A,A,M,M, A,A,A,M,M,M,M,M,
	M,M,A,A,MB,A,MB,A, N,N,N,N,N,N,N,N, /* c0 */
	A,M,M,M,M,M,A,A, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,A,A, M,M,M,M,M,M,M,M,
	A,M,M,M,M,M,M,A, M,M,M,M,M,M,M,A,
}};
#undef R4
#undef R8
#undef R32
#undef WHAT
#undef MEM
#undef ANY
#undef A
#undef N
#undef B
#undef Z
#undef V
#undef T
#undef J
#undef JZ
#undef M
#undef MB
#undef MZ
#undef L
#undef FB
#undef FZ
#undef G
/* clang-format on */

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

/*
 * What the entry e leaves open, for an instruction without 66, F2 and F3: its byte but for the
 * prefixes, or 0. x: opcode, ModRM and SIB; first: the byte before, if there is one.
 */
static unsigned closer(unsigned e, uint64_t x, unsigned first)
{
	unsigned reg = x >> 11 & 7, imm = (x & 1) ? 4 : 1;
	bool place = (e & SCAN_WHAT) == SCAN_PLACE;

	if (e & WIDE)
		return (e & 0xff) + (first >> 1 & 4);
	if (!(e & (SIB_ALONE | FIRST | GROUP)) || ((e & FIRST) && reg))
		return 0;
	if ((e & SIB_ALONE) && (x >> 16 & 7) == 5)
		e = ((e & SCAN_LEN) + 4) | SCAN_NUMBER | (e & GROUP);
	if ((e & GROUP) && reg < 2)
		e = ((e & SCAN_LEN) + imm) | (place || imm == 1 ? e & SCAN_WHAT : SCAN_NUMBER);
	return e & 0xff;
}

static inline __attribute__((always_inline)) uint64_t load(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

/* The instruction at *p, where 16 bytes are. */
static inline __attribute__((always_inline)) void step(
	struct insn_decoder *d, const struct lane *l, const uint8_t **p, uint8_t **out)
{
	uint64_t x = load(*p);
	unsigned legacy = is_legacy[x & 0xff], rex, map, modrm, e, w;

	x >>= 8 * legacy;
	rex = (x & 0xf0) == 0x40;
	x >>= 8 * rex;
	map = (x & 0xff) == 0x0f;
	x >>= 8 * map;
	modrm = (unsigned)(x >> 8 & 0xff);
	e = table[map][x & 0xff][(modrm >> 3 & 0x18) | (modrm & 7)];
	w = e & 0xff;
	if (__builtin_expect(e >> (8 + rex + 2 * legacy) & 1, 0)) {
		w = legacy ? 0 : closer(e, x, **p);
		if (!w)
			w = ask(d, *p, (size_t)(l->r->p + l->r->there - *p)) - legacy - rex - map;
	}
	w += legacy + rex + map;
	*(*out)++ = (uint8_t)w;
	*p += w & SCAN_LEN;
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

/* Until one of the lanes is near its end. */
static void run(struct insn_decoder *d, struct lane l[LANES])
{
	const uint8_t *p0 = l[0].p, *p1 = l[1].p, *p2 = l[2].p, *p3 = l[3].p;
	uint8_t *to0 = l[0].out, *to1 = l[1].out, *to2 = l[2].out, *to3 = l[3].out;

	while (p0 < l[0].last && p1 < l[1].last && p2 < l[2].last && p3 < l[3].last) {
		step(d, &l[0], &p0, &to0);
		step(d, &l[1], &p1, &to1);
		step(d, &l[2], &p2, &to2);
		step(d, &l[3], &p3, &to3);
	}
	l[0].p = p0;
	l[0].out = to0;
	l[1].p = p1;
	l[1].out = to1;
	l[2].p = p2;
	l[2].out = to2;
	l[3].p = p3;
	l[3].out = to3;
}

static void scan_x86_64(struct insn_decoder *d, struct scan_range *r, size_t n)
{
	struct lane l[LANES];
	const struct scan_range *end = r + n;
	unsigned used = 0;

	while (used < LANES && start(&l[used], &r, end))
		used++;
	while (used == LANES) {
		run(d, l);
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
			step(d, &l[k], &l[k].p, &l[k].out);
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

void scan_lengths(const uint8_t *scan, size_t n, uint8_t *len)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t w;

		memcpy(&w, scan + i, 8);
		w &= UINT64_C(0x0f0f0f0f0f0f0f0f);
		memcpy(len + i, &w, 8);
	}
}

/*
 * Eight instructions at a time. Adding raises the highest bit of the bytes that are looked for; a
 * multiplication adds up the lengths before each.
 */
bool scan_find(struct scan_walk *s, unsigned least)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	const uint64_t raise = ones * (0x80 - least);
	struct scan_hit *h = s->hit;
	size_t i = s->next, end = MIN(s->n, i + SCAN_HITS);
	uint32_t at = s->at;

	for (; i < end; i += 8) {
		uint64_t w = load(s->scan + i), found, before;

		if (end - i < 8)
			w &= (UINT64_C(1) << 8 * (end - i)) - 1;
		before = (w & ones * SCAN_LEN) * ones << 8;
		for (found = (w + raise) & high; found; found &= found - 1) {
			unsigned k = (unsigned)__builtin_ctzll(found) & ~7u;

			*h++ = (struct scan_hit){
				(uint32_t)i + k / 8, at + (uint32_t)(before >> k & 0xff)};
		}
		at += (uint32_t)((before >> 56) + (w >> 56 & SCAN_LEN));
	}
	s->nhits = (size_t)(h - s->hit);
	s->at = at;
	end = s->next;
	s->next = i;
	return end < s->n;
}
