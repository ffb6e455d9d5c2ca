/*
 * scan.h: where instructions begin, and which of them a walk over code has to look at.
 *
 * One byte for each instruction: its length, and what it may do. Three of four are SCAN_PLAIN;
 * who walks over code steps over those without a look. The answers are those of insn_look, but
 * that operands in FS and GS, which are no addresses of the file, may be taken for some.
 */
#ifndef SCAN_H
#define SCAN_H

#include "code/insn.h"

enum {
	SCAN_LEN = 15,        /* mask of the length */
	SCAN_WHAT = 0xf0,     /* mask of: */
	SCAN_PLAIN = 0 << 4,  /* goes on, and has nothing in it that may be an address */
	SCAN_NUMBER = 1 << 4, /* goes on; has an immediate or a displacement of 4 bytes or more */
	SCAN_PLACE = 2 << 4, /* goes on; has an operand relative to its own address, or to a base */
	SCAN_OTHER = 3 << 4, /* anything: see insn_look */
	SCAN_JUMP = 4 << 4,  /* a direct branch without prefixes: see scan_branch */
	SCAN_COND = 5 << 4,
	SCAN_CALL = 6 << 4,
	SCAN_NONE = 7 << 4, /* a byte that starts no instruction */
};

/* A range of code, as a function. */
struct scan_range {
	const uint8_t *p;
	size_t n;     /* bytes of it, */
	size_t there; /* and bytes that may be read */
	uint8_t *out; /* room for n */
	size_t count; /* set: instructions */
};

/*
 * Finds the instructions of each range, from its first byte on. What does not decode, or goes over
 * the end, is SCAN_NONE byte by byte.
 */
void scan_ranges(struct insn_decoder *d, struct scan_range *r, size_t n);

/* Bytes that must be there behind the n at scan, and those written to len. */
enum { SCAN_SPARE = 8 };

/* The length of each of n instructions. */
void scan_lengths(const uint8_t *scan, size_t n, uint8_t *len);

struct scan_hit {
	uint32_t insn, offset; /* of the instruction, in instructions and bytes */
};

enum { SCAN_HITS = 1024 };

/* The instructions that have to be looked at, some at a time. */
struct scan_walk {
	const uint8_t *scan; /* to be set, with the number of instructions, and the rest 0 */
	size_t n;
	size_t next; /* instruction, */
	uint32_t at; /* and its offset */
	size_t nhits;
	struct scan_hit hit[SCAN_HITS + 2]; /* the last two are for who fills it */
};

/*
 * Finds the next instructions whose byte is `least` (SCAN_NUMBER or more) or more; there may be
 * none among those it passes over. False at the end.
 */
bool scan_find(struct scan_walk *w, unsigned least);

static inline bool scan_is_branch(unsigned what)
{
	return what >= SCAN_JUMP && what < SCAN_NONE;
}

/* The flow of a direct branch. */
static inline enum insn_flow scan_flow(unsigned what)
{
	return what >> 4 == SCAN_CALL >> 4   ? INSN_CALL
	       : what >> 4 == SCAN_COND >> 4 ? INSN_COND
					     : INSN_JUMP;
}

/* Where a direct branch of len bytes goes, from its own end on. */
static inline int64_t scan_branch(const uint8_t *p, unsigned len)
{
	unsigned is_short = len == 2; /* without a branch: one of two is */
	const uint8_t *low = is_short ? p : p + len - 4, *high = p + len - 2;
	uint16_t l = (uint16_t)(low[0] | low[1] << 8), h = (uint16_t)(high[0] | high[1] << 8);

	return (int32_t)(l | (uint32_t)h << 16) >> 24 * is_short;
}

/*
 * Most of what a walk looks at in x86-64 code has few forms. False for the others: see insn_look.
 * A SCAN_PLACE at p: the displacement, and whether it is a lea.
 */
static inline bool scan_place(const uint8_t *p, int64_t *disp, bool *lea)
{
	p += *p == 0x66 || (*p & 0xfe) == 0xf2;
	p += (*p & 0xf0) == 0x40;
	*lea = *p == 0x8d;
	if (*p == 0x0f && (*++p & 0xfd) == 0x38) /* two more maps */
		return false;
	if ((p[1] & 0xc7) != 5 || *p == 0x62 || *p == 0x8f || (*p & 0xfe) == 0xc4)
		return false;
	*disp = (int32_t)(p[2] | p[3] << 8 | p[4] << 16 | (uint32_t)p[5] << 24);
	return true;
}

/* A SCAN_OTHER of len bytes at p: INSN_RET, INSN_CALL if not relative to rip, else INSN_FALL. */
static inline enum insn_flow scan_other(const uint8_t *p, unsigned len)
{
	if (len == 1)
		return *p == 0xc3 ? INSN_RET : INSN_FALL;
	p += *p == 0x41;
	return *p == 0xff && (p[1] & 0x38) == 0x10 && (p[1] & 0xc7) != 5 ? INSN_CALL : INSN_FALL;
}

#endif
