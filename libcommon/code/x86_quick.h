/*
 * x86_quick.h: the layout of most x86 instructions without a branch. Private to x86_fields.c and
 * scan.c.
 *
 * One prefix (66, F2, F3) and REX, the first two opcode maps. Tables instead of branches, which
 * would be guessed wrongly all the time.
 */
#ifndef X86_QUICK_H
#define X86_QUICK_H

#include "base/base.h"

/*
 * By opcode: MODRM, a size of the immediate in SIZE (4 becomes 8 where REX.W and WIDE are set),
 * GROUP if only reg < 2 has an immediate, SLOW for everything else.
 */
enum { SIZE = 7, WIDE = 8, MODRM = 16, GROUP = 32, SLOW = 64, PREFIX = SLOW | 1 };

/* clang-format off */
#define N 0        /* nothing */
#define B 1        /* 1 byte */
#define Z 4        /* 4 bytes */
#define V (Z|WIDE) /* 4 or 8 */
#define M MODRM
#define MB (M|B)
#define MZ (M|Z)
#define GB (M|B|GROUP)
#define GZ (M|Z|GROUP)
#define S SLOW
#define P PREFIX
static const uint8_t quick_one[256] = {
	M,M,M,M,B,Z,N,N, M,M,M,M,B,Z,N,S, /* 00 */
	M,M,M,M,B,Z,N,N, M,M,M,M,B,Z,N,N,
	M,M,M,M,B,Z,S,N, M,M,M,M,B,Z,S,N,
	M,M,M,M,B,Z,S,N, M,M,M,M,B,Z,S,N,
	S,S,S,S,S,S,S,S, S,S,S,S,S,S,S,S, /* 40 */
	N,N,N,N,N,N,N,N, N,N,N,N,N,N,N,N,
	N,N,S,M,S,S,P,S, Z,MZ,B,MB,N,N,N,N,
	B,B,B,B,B,B,B,B, B,B,B,B,B,B,B,B,
	MB,MZ,MB,MB,M,M,M,M, M,M,M,M,M,M,M,S, /* 80 */
	N,N,N,N,N,N,N,N, N,N,N,N,N,N,N,N,
	S,S,S,S,N,N,N,N, B,Z,N,N,N,N,N,N,
	B,B,B,B,B,B,B,B, V,V,V,V,V,V,V,V,
	MB,MB,2,N,S,S,MB,MZ, 3,N,2,N,N,B,N,N, /* c0 */
	M,M,M,M,N,N,N,N, M,M,M,M,M,M,M,M,
	B,B,B,B,B,B,B,B, Z,Z,N,B,N,N,N,N,
	S,N,P,P,N,N,GB,GZ, N,N,N,N,N,N,M,M,
};
static const uint8_t quick_two[256] = {
	M,M,M,M,N,N,N,N, N,N,N,N,N,M,N,S, /* 00 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	S,S,S,S,S,S,S,S, M,M,M,M,M,M,M,M,
	N,N,N,N,N,N,N,N, S,N,S,N,N,N,N,N,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M, /* 40 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	MB,MB,MB,MB,M,M,M,N, S,M,M,M,M,M,M,M,
	Z,Z,Z,Z,Z,Z,Z,Z, Z,Z,Z,Z,Z,Z,Z,Z, /* 80 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	N,N,N,M,MB,M,M,M, N,N,N,M,MB,M,M,M,
	M,M,M,M,M,M,M,M, M,M,MB,M,M,M,M,M,
	M,M,S,M,MB,MB,MB,M, N,N,N,N,N,N,N,N, /* c0 */
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
	M,M,M,M,M,M,M,M, M,M,M,M,M,M,M,M,
};
#undef N
#undef B
#undef Z
#undef V
#undef M
#undef MB
#undef MZ
#undef GB
#undef GZ
#undef S
#undef P
/* clang-format on */

/* By the upper two and lower three bits of ModRM: bytes of displacement, and SIB. */
enum { SIB = 8, SIB_ALONE = 16 }; /* SIB_ALONE: base 5 means a displacement of 4 */
static const uint8_t quick_modrm[32] = {0, 0, 0, 0, SIB | SIB_ALONE, 4, 0, 0, 1, 1, 1, 1, SIB | 1,
	1, 1, 1, 4, 4, 4, 4, SIB | 4, 4, 4, 4};

struct x86_quick {
	unsigned slow; /* none of these: the rest is undefined */
	unsigned map;  /* 0: one byte, 1: 0F */
	unsigned opcode;
	unsigned modrm;     /* the byte behind the opcode, */
	unsigned has;       /* and whether it is one */
	unsigned bare;      /* neither prefix nor REX */
	unsigned head;      /* bytes before displacement and immediate */
	unsigned disp, imm; /* bytes of these */
};

/* 16 bytes must be there. is32: of 32-bit mode. */
static inline __attribute__((always_inline)) struct x86_quick x86_quick_get(
	const uint8_t *p, bool is32)
{
	unsigned prefix = quick_one[p[0]] == PREFIX, wide = 4, at, rex, what, m, t, has, sib, disp,
		 imm;
	struct x86_quick q;

	if (prefix) {
		wide = p[0] == 0x66 ? 2 : 4;
		p++;
	}
	at = !is32 && (p[0] & 0xf0) == 0x40;
	q.bare = !(prefix | at);
	rex = (0 - at) & p[0] & 15;
	what = quick_one[p[at]];
	if (is32 && what == SLOW && (p[0] & 0xf0) == 0x40)
		what = 0; /* inc, dec */
	if (is32 && (p[0] == 0x9a || p[0] == 0xea))
		what = SLOW;
	q.map = p[at] == 0x0f;
	if (q.map)
		what = quick_two[p[++at]];
	q.opcode = p[at];
	q.slow = what & SLOW;
	has = what / MODRM & 1;
	m = p[at + 1];
	t = quick_modrm[(m >> 6) << 3 | (m & 7)];
	sib = t / SIB & has;
	disp = (t & SIZE) + ((t / SIB_ALONE & ((p[at + 2] & 7) == 5)) << 2);
	disp &= 0 - has;
	imm = what & SIZE;
	if (imm == 4)
		imm = rex & 8 ? 4 + (what / WIDE & 1) * 4 : wide;
	imm &= 0 - !((what & GROUP) && (m & 0x30));
	q.modrm = m;
	q.has = has;
	q.head = at + 1 + has + sib + prefix;
	q.disp = disp;
	q.imm = imm;
	return q;
}

#endif
