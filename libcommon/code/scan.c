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

enum {
	LANES = 5,   /* ranges side by side */
	LONG = 4096, /* bytes of a range */
};

/* Prefixes that leave most lengths as they are. */
static const uint8_t is_legacy[256] = {[0x64] = 1, [0x65] = 1, [0x66] = 1, [0xf2] = 1, [0xf3] = 1};

/* clang-format off */
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

#define X2(...) __VA_ARGS__, __VA_ARGS__
#define X3(...) X2(__VA_ARGS__), __VA_ARGS__
#define X4(...) X2(X2(__VA_ARGS__))
#define X6(...) X3(X2(__VA_ARGS__))
#define X8(...) X4(X2(__VA_ARGS__))
#define X32(...) X8(X4(__VA_ARGS__))
#define WHAT(imm) ((imm) >= 4 ? SCAN_NUMBER : SCAN_PLAIN)
/* The eight entries of one mod and reg, for an immediate of `imm` bytes: by mod, then by rm. */
#define MOD0(imm, f)                                                                              \
	X4((2 + (imm)) | WHAT(imm) | (f)), 0, (6 + (imm)) | SCAN_PLACE | (f),                     \
	X2((2 + (imm)) | WHAT(imm) | (f))
#define MOD1(imm, f)                                                                              \
	X4((3 + (imm)) | WHAT(imm) | (f)), (4 + (imm)) | WHAT(imm) | (f),                         \
	X3((3 + (imm)) | WHAT(imm) | (f))
#define MOD2(imm, f)                                                                              \
	X4((6 + (imm)) | SCAN_NUMBER | (f)), (7 + (imm)) | SCAN_NUMBER | (f),                     \
	X3((6 + (imm)) | SCAN_NUMBER | (f))
#define MOD3(imm, f) X8((2 + (imm)) | WHAT(imm) | (f))
#define UNKNOWN X8(0)
/* Of each mod, the eight reg: all alike; the first alone; the first two with an immediate. */
#define ALL(mod, imm)   X8(mod(imm, 0))
#define FIRST(mod, imm) mod(imm, 0), X6(UNKNOWN), UNKNOWN
#define TWO(mod, imm)   X2(mod(imm, 0)), X6(mod(0, 0))
#define NOT_TWO(mod, imm) X2(UNKNOWN), X6(mod(0, 0))
/* inc, dec, call, jmp, push; and without call and jmp */
#define GROUP5(mod, imm)                                                                          \
	X2(mod(0, 0)), mod(0, SCAN_OTHER), UNKNOWN, mod(0, SCAN_OTHER), UNKNOWN, mod(0, 0), UNKNOWN
#define NOT_GOING(mod, imm) X2(mod(0, 0)), X4(UNKNOWN), mod(0, 0), UNKNOWN
#define MODRM(by, imm) {by(MOD0, imm), by(MOD1, imm), by(MOD2, imm), by(MOD3, imm)}
#define MEMORY {ALL(MOD0, 0), ALL(MOD1, 0), ALL(MOD2, 0), X8(UNKNOWN)}
#define ANY(x) {X32(X8(x))}
/* The rows of a kind: without a prefix, with REX, with a legacy prefix and without or with REX. */
#define ROWS(kind, bare, rex, legacy)                                                             \
	[4 * kind] = bare, [4 * kind + 1] = rex, [4 * kind + 2] = legacy, [4 * kind + 3] = legacy

/*
 * The byte of scan.h, less the prefixes, for an instruction of the kind, by its ModRM or whatever
 * is behind an opcode without one; 0: not known.
 */
static const uint8_t table[4 * KINDS][256] = { /* A is not known at all */
	ROWS(N, ANY(1 | SCAN_PLAIN), ANY(1 | SCAN_PLAIN), ANY(1 | SCAN_PLAIN)), /* opcode alone */
	ROWS(B, ANY(2 | SCAN_PLAIN), ANY(2 | SCAN_PLAIN), ANY(2 | SCAN_PLAIN)), /* 1 byte behind it */
	ROWS(Z, ANY(5 | SCAN_NUMBER), ANY(5 | SCAN_NUMBER), ANY(0)), /* 4 bytes, 2 with prefix 66 */
	ROWS(V, ANY(5 | SCAN_NUMBER), ANY(0), ANY(0)),               /* 8 with REX.W */
	ROWS(T, ANY(1 | SCAN_OTHER), ANY(0), ANY(0)),                /* does not go on */
	ROWS(J, ANY(2 | SCAN_JUMP), ANY(0), ANY(0)),                 /* 1 byte */
	ROWS(C, ANY(2 | SCAN_COND), ANY(0), ANY(0)),
	ROWS(JZ, ANY(5 | SCAN_JUMP), ANY(0), ANY(0)), /* 4 bytes */
	ROWS(CZ, ANY(5 | SCAN_COND), ANY(0), ANY(0)),
	ROWS(K, ANY(5 | SCAN_CALL), ANY(0), ANY(0)),
	ROWS(M, MODRM(ALL, 0), MODRM(ALL, 0), MODRM(ALL, 0)),  /* ModRM */
	ROWS(MB, MODRM(ALL, 1), MODRM(ALL, 1), MODRM(ALL, 1)), /* and 1 byte */
	ROWS(MZ, MODRM(ALL, 4), MODRM(ALL, 4), ANY(0)),
	ROWS(L, MEMORY, MEMORY, MEMORY), /* memory only */
	ROWS(FB, MODRM(FIRST, 1), MODRM(FIRST, 1), MODRM(FIRST, 1)),
	ROWS(FZ, MODRM(FIRST, 4), MODRM(FIRST, 4), ANY(0)),
	ROWS(GB, MODRM(TWO, 1), MODRM(TWO, 1), MODRM(TWO, 1)),
	ROWS(GZ, MODRM(TWO, 4), MODRM(TWO, 4), MODRM(NOT_TWO, 4)),
	ROWS(G5, MODRM(GROUP5, 0), MODRM(GROUP5, 0), MODRM(NOT_GOING, 0)),
};
#undef X2
#undef X3
#undef X4
#undef X6
#undef X8
#undef X32
#undef WHAT
#undef MOD0
#undef MOD1
#undef MOD2
#undef MOD3
#undef UNKNOWN
#undef ALL
#undef FIRST
#undef TWO
#undef NOT_TWO
#undef GROUP5
#undef NOT_GOING
#undef MODRM
#undef MEMORY
#undef ANY
#undef ROWS
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

/* An instruction, and where its byte goes. */
struct place {
	const uint8_t *p;
	uint8_t *out;
};

/* A range on its way. */
struct lane {
	struct place at;
	const uint8_t *end;
	const uint8_t *last; /* where 16 bytes are last, or earlier */
	struct scan_range *r;
};

/* The rest of a range: near the end of what may be read, or over its own end. */
static void finish(struct insn_decoder *d, struct lane *l)
{
	const uint8_t *limit = l->r->p + l->r->there;
	struct place at = l->at;

	if (at.p > l->end) {
		at.p -= *--at.out & SCAN_LEN;
		*at.out++ = 1 | SCAN_NONE;
		at.p++;
	}
	while (at.p < l->end) {
		unsigned w = ask(d, at.p, (size_t)(limit - at.p));

		if ((w & SCAN_LEN) > (size_t)(l->end - at.p))
			w = 1 | SCAN_NONE;
		*at.out++ = (uint8_t)w;
		at.p += w & SCAN_LEN;
	}
	l->r->count = (size_t)(at.out - l->r->out);
}

/*
 * What the table leaves open of an instruction of a kind, with prefixes as of its row: its byte but
 * for these, or 0. x: opcode, ModRM and SIB; first: the byte before.
 */
static unsigned closer(unsigned row, uint64_t x, unsigned first)
{
	unsigned modrm = x >> 8 & 0xff, w = table[row][modrm & 0xf8];

	if (row == 4 * V + 1)
		return table[4 * V][0] + (first >> 1 & 4);
	if (!w || (modrm & 0xc7) != 4)
		return 0;
	return (x >> 16 & 7) == 5 ? (w | SCAN_NUMBER) + 5
				  : w + 1; /* no base: a displacement of 4 */
}

static inline __attribute__((always_inline)) uint64_t load(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

/* The instruction at a place of a lane, where 16 bytes are. */
static inline __attribute__((always_inline)) void step(
	struct insn_decoder *d, const struct lane *l, struct place *at)
{
	uint64_t x = load(at->p);
	unsigned legacy = is_legacy[x & 0xff], first, rex, map, prefixes, row, w;

	x >>= 8 * legacy;
	first = x & 0xff;
	rex = (first & 0xf0) == 0x40;
	x >>= 8 * rex;
	map = (x & 0xff) == 0x0f;
	x >>= 8 * map;
	row = kind_of[map][x & 0xff] * 4u + (legacy * 2 + rex);
	w = table[row][x >> 8 & 0xff];
	prefixes = legacy + rex + map;
	if (__builtin_expect(!w, 0)) {
		w = closer(row, x, first);
		if (!w)
			w = ask(d, at->p, (size_t)(l->r->p + l->r->there - at->p)) - prefixes;
	}
	w += prefixes;
	*at->out++ = (uint8_t)w;
	at->p += w & SCAN_LEN;
}

/* Ranges that are to come: the long ones first, so that none of them is alone at the end. */
struct queue {
	struct scan_range *first, *next, *end;
	bool is_short;
};

/* Starts with the next range. Whether there is one. */
static bool start(struct lane *l, struct queue *q)
{
	struct scan_range *r;

	do {
		while (q->next == q->end) {
			if (q->is_short)
				return false;
			q->is_short = true;
			q->next = q->first;
		}
		r = q->next++;
	} while ((r->n < LONG) != q->is_short || !r->n);
	*l = (struct lane){.at = {r->p, r->out}, .end = r->p + r->n, .r = r};
	l->last = r->there < 16 ? r->p : r->p + MIN(r->n, r->there - 15);
	return true;
}

/* Until one of the lanes is near its end. */
static void run(struct insn_decoder *d, struct lane l[LANES])
{
	struct place a = l[0].at, b = l[1].at, c = l[2].at, e = l[3].at, f = l[4].at;

	while (a.p < l[0].last && b.p < l[1].last && c.p < l[2].last && e.p < l[3].last &&
		f.p < l[4].last) {
		step(d, &l[0], &a);
		step(d, &l[1], &b);
		step(d, &l[2], &c);
		step(d, &l[3], &e);
		step(d, &l[4], &f);
	}
	l[0].at = a;
	l[1].at = b;
	l[2].at = c;
	l[3].at = e;
	l[4].at = f;
}

static void scan_x86_64(struct insn_decoder *d, struct queue *q)
{
	struct lane l[LANES];
	unsigned used = 0;

	while (used < LANES && start(&l[used], q))
		used++;
	while (used == LANES) {
		run(d, l);
		for (unsigned k = 0; k < used; k++) {
			if (l[k].at.p < l[k].last)
				continue;
			finish(d, &l[k]);
			if (!start(&l[k], q))
				l[k--] = l[--used];
		}
	}
	for (unsigned k = 0; k < used; k++) {
		while (l[k].at.p < l[k].last)
			step(d, &l[k], &l[k].at);
		finish(d, &l[k]);
	}
}

void scan_ranges(struct insn_decoder *d, struct scan_range *r, size_t n)
{
	struct queue q = {r, r, r + n, false};
	struct lane l;

	for (size_t k = 0; k < n; k++)
		r[k].count = 0;
	if (insn_used(d) == ARCH_X86_64)
		scan_x86_64(d, &q);
	while (start(&l, &q))
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
