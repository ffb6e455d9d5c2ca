/*
 * scan.c: see scan.h.
 *
 * Where an instruction begins is known when the length of the one before is: a chain of loads, so
 * that most of the processor waits. So some ranges are scanned side by side, and the opcode and
 * then its ModRM are looked up in small tables without a branch. Opcodes that are valid and go on,
 * whatever prefix, ModRM and SIB are with them, are listed there; insn_look is asked for all
 * others, and for all of other processors than x86-64.
 */
#include "code/scan.h"

#include <string.h>

enum { LANES = 4 }; /* ranges side by side */

/*
 * An entry: the byte of scan.h, for an instruction without prefixes; from bit 8 on, whether it may
 * be something else without a prefix, with REX, with a legacy prefix; then what else is to be seen.
 */
enum {
	BARE = 1 << 8,
	REX = 1 << 9,
	LEGACY = 3 << 10, /* without or with REX */
	ASK = BARE | REX | LEGACY,
	SIB = 1 << 12,  /* base 5 means a displacement of 4 */
	WIDE = 1 << 13, /* an immediate of 8 instead of 4 if there is REX.W */
};

static const uint8_t is_legacy[256] = {[0x64] = 1, [0x65] = 1, [0x66] = 1, [0xf2] = 1, [0xf3] = 1};

/* clang-format off */
#define X2(...) __VA_ARGS__, __VA_ARGS__
#define X3(...) X2(__VA_ARGS__), __VA_ARGS__
#define X4(...) X2(X2(__VA_ARGS__))
#define X6(...) X3(X2(__VA_ARGS__))
#define X7(...) X6(__VA_ARGS__), __VA_ARGS__
#define X8(...) X4(X2(__VA_ARGS__))
#define X32(...) X8(X4(__VA_ARGS__))
/* The eight entries of one mod and reg, for an immediate of `imm` bytes: by mod, then by rm. */
#define WHAT(imm) ((imm) >= 4 ? SCAN_NUMBER : SCAN_PLAIN)
#define MOD0(imm, f)                                                                              \
	X4((2 + (imm)) | WHAT(imm) | (f)),                                                        \
	(3 + (imm)) | WHAT(imm) | ((f) & BARE ? (f) : (f) | ASK | SIB),                           \
	(6 + (imm)) | SCAN_PLACE | (f), X2((2 + (imm)) | WHAT(imm) | (f))
#define MOD1(imm, f)                                                                              \
	X4((3 + (imm)) | WHAT(imm) | (f)), (4 + (imm)) | WHAT(imm) | (f),                         \
	X3((3 + (imm)) | WHAT(imm) | (f))
#define MOD2(imm, f)                                                                              \
	X4((6 + (imm)) | SCAN_NUMBER | (f)), (7 + (imm)) | SCAN_NUMBER | (f),                     \
	X3((6 + (imm)) | SCAN_NUMBER | (f))
#define MOD3(imm, f) X8((2 + (imm)) | WHAT(imm) | (f))
/* Of each mod, the eight reg: all alike; the first alone; the first two with an immediate. */
#define ALL(mod, imm, f)   X8(mod(imm, f))
#define FIRST(mod, imm, f) mod(imm, f), X7(mod(imm, ASK))
#define TWO(mod, imm, f)   X2(mod(imm, f)), X6(mod(0, 0))
/* inc, dec, call, jmp, push */
#define GROUP5(mod, imm, f)                                                                       \
	X2(mod(0, 0)), mod(0, SCAN_OTHER | LEGACY), mod(0, ASK), mod(0, SCAN_OTHER | LEGACY),     \
	mod(0, ASK), mod(0, 0), mod(0, ASK)
#define MODRM(by, imm, f)                                                                         \
	{by(MOD0, imm, f), by(MOD1, imm, f), by(MOD2, imm, f), by(MOD3, imm, f)}

/* Kinds of opcodes. */
enum { A, N, B, Z, V, T, J, C, JZ, CZ, K, M, MB, MZ, L, FB, FZ, GB, GZ, G5, KINDS };

static const uint8_t kind_of[2][256] = {{ /* one byte */
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A, /* 00 */
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	M,M,M,M,B,Z,A,A, M,M,M,M,B,Z,A,A,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 40 */
	N,N,N,N,N,N,N,N, N,N,N,N,N,N,N,N,
	A,A,A,M,A,A,A,A, Z,MZ,B,MB,A,A,A,A,
	C,C,C,C,C,C,C,C, C,C,C,C,C,C,C,C,
	MB,MZ,A,MB,M,M,M,M, M,M,M,M,A,L,A,A, /* 80 */
	N,N,N,N,N,N,N,N, N,N,A,A,N,N,N,N,
	A,A,A,A,N,N,N,N, B,Z,N,N,N,N,N,N,
	B,B,B,B,B,B,B,B, V,V,V,V,V,V,V,V,
	MB,MB,A,T,A,A,FB,FZ, A,N,A,A,T,A,A,A, /* c0 */
	M,M,M,M,A,A,A,A, A,A,A,A,A,A,A,A,
	A,A,A,A,A,A,A,A, K,JZ,A,J,A,A,A,A,
	A,A,A,A,A,N,GB,GZ, N,N,A,A,N,N,A,G5,
}, { /* 0F */
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A, /* 00 */
	M,M,M,A,M,M,M,A, A,A,A,A,A,A,M,M,
	A,A,A,A,A,A,A,A, M,M,M,A,M,M,M,M,
	A,A,A,A,A,A,A,A, A,A,A,A,A,A,A,A,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M, /* 40 */
	A,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,M,M, M,M,M,M,A,A,M,M,
	MB,A,A,A,M,M,M,A, A,A,A,A,A,A,M,M,
	CZ,CZ,CZ,CZ,CZ,CZ,CZ,CZ, CZ,CZ,CZ,CZ,CZ,CZ,CZ,CZ, /* 80 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	A,A,A,M,MB,M,A,A, A,A,A,M,MB,M,A,M,
	M,M,A,M,A,A,M,M, A,A,A,M,M,M,M,M,
	M,M,A,A,MB,A,MB,A, N,N,N,N,N,N,N,N, /* c0 */
	A,M,M,M,M,M,A,A, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,A,A, M,M,M,M,M,M,M,M,
	A,M,M,M,M,M,M,A, M,M,M,M,M,M,M,A,
}};

/* An instruction of the kind, by its ModRM, or the byte behind an opcode that has none. */
static const uint16_t table[KINDS][256] = {
	[A] = {X32(X8(ASK))},                                   /* see insn_look */
	[N] = {X32(X8(1 | SCAN_PLAIN))},                        /* nothing behind the opcode */
	[B] = {X32(X8(2 | SCAN_PLAIN))},                        /* 1 byte */
	[Z] = {X32(X8(5 | SCAN_NUMBER | LEGACY))},              /* 4 bytes, 2 with prefix 66 */
	[V] = {X32(X8(5 | SCAN_NUMBER | LEGACY | REX | WIDE))}, /* 8 with REX.W */
	[T] = {X32(X8(1 | SCAN_OTHER | LEGACY | REX))},         /* does not go on */
	[J] = {X32(X8(2 | SCAN_JUMP | LEGACY | REX))},          /* 1 byte */
	[C] = {X32(X8(2 | SCAN_COND | LEGACY | REX))},
	[JZ] = {X32(X8(5 | SCAN_JUMP | LEGACY | REX))}, /* 4 bytes */
	[CZ] = {X32(X8(5 | SCAN_COND | LEGACY | REX))},
	[K] = {X32(X8(5 | SCAN_CALL | LEGACY | REX))},
	[M] = MODRM(ALL, 0, 0),                                 /* ModRM */
	[MB] = MODRM(ALL, 1, 0),                                /* and 1 byte */
	[MZ] = MODRM(ALL, 4, LEGACY),
	[L] = {X8(MOD0(0, 0)), X8(MOD1(0, 0)), X8(MOD2(0, 0)), X8(MOD3(0, ASK))}, /* memory only */
	[FB] = MODRM(FIRST, 1, 0),
	[FZ] = MODRM(FIRST, 4, LEGACY),
	[GB] = MODRM(TWO, 1, 0),
	[GZ] = MODRM(TWO, 4, LEGACY),
	[G5] = MODRM(GROUP5, 0, 0),
};
#undef X2
#undef X3
#undef X4
#undef X6
#undef X7
#undef X8
#undef X32
#undef WHAT
#undef MOD0
#undef MOD1
#undef MOD2
#undef MOD3
#undef ALL
#undef FIRST
#undef TWO
#undef GROUP5
#undef MODRM
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
 * What the entry e leaves open: the byte of the instruction but for its prefixes, or 0. x: opcode,
 * ModRM and SIB; first: the byte before, if there is no legacy prefix.
 */
static unsigned closer(unsigned e, uint64_t x, bool legacy, unsigned first)
{
	if ((e & WIDE) && !legacy)
		return (e & 0xff) + (first >> 1 & 4);
	if (!(e & SIB) || (legacy && (e & SCAN_WHAT) != SCAN_PLAIN))
		return 0;
	return (x >> 16 & 7) == 5 ? ((e & 0xff) | SCAN_NUMBER) + 4 : e & 0xff;
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
	unsigned legacy = is_legacy[x & 0xff], rex, map, first, e, w;

	x >>= 8 * legacy;
	first = x & 0xff;
	rex = (first & 0xf0) == 0x40;
	x >>= 8 * rex;
	map = (x & 0xff) == 0x0f;
	x >>= 8 * map;
	e = table[kind_of[map][x & 0xff]][x >> 8 & 0xff];
	w = e & 0xff;
	if (__builtin_expect(e >> (8 + rex + 2 * legacy) & 1, 0)) {
		w = closer(e, x, legacy, first);
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

/* The lowest instruction of those found among eight; one that is anything if there is none. */
static inline struct scan_hit lowest(uint64_t found, uint64_t before, size_t i, uint32_t at)
{
	unsigned k = (unsigned)__builtin_ctzll(found | UINT64_C(1) << 63) & ~7u;

	return (struct scan_hit){(uint32_t)i + k / 8, at + (uint32_t)(before >> k & 0xff)};
}

/*
 * Eight instructions at a time. Adding raises the highest bit of the bytes that are looked for;
 * multiplications add up the lengths before each, and how many are found. Two are written always:
 * more are rare, and whether there is one or none cannot be foretold.
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
		size_t n;

		if (end - i < 8)
			w &= (UINT64_C(1) << 8 * (end - i)) - 1;
		before = (w & ones * SCAN_LEN) * ones << 8;
		found = (w + raise) & high;
		n = (found >> 7) * ones >> 56;
		h[0] = lowest(found, before, i, at);
		found &= found - 1;
		h[1] = lowest(found, before, i, at);
		for (size_t k = 2; k < n; k++) {
			found &= found - 1;
			h[k] = lowest(found, before, i, at);
		}
		h += n;
		at += (uint32_t)((before >> 56) + (w >> 56 & SCAN_LEN));
	}
	s->nhits = (size_t)(h - s->hit);
	s->at = at;
	end = s->next;
	s->next = i;
	return end < s->n;
}
