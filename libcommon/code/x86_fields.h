/*
 * x86_fields.h: the layout of an x86 instruction, of 64-bit or 32-bit mode: how long it is and
 * where its displacement and immediate lie, found from prefixes, opcode map and ModRM alone.
 *
 * It says nothing about whether the bytes are a valid instruction. insn.c uses it to see that two
 * encodings differ in displacement and immediate only; what they mean comes from capstone.
 */
#ifndef X86_FIELDS_H
#define X86_FIELDS_H

#include "base/base.h"

enum x86_map {     /* opcode map, by the escape bytes that select it */
	X86_MAP_1, /* one byte */
	X86_MAP_0F,
	X86_MAP_0F38,
	X86_MAP_0F3A,
	X86_MAP_5 = 5, /* EVEX only: half-precision floating point */
	X86_MAP_6,
	X86_MAP_3DNOW, /* 0F 0F: the opcode is the last byte */
	X86_MAP_XOP,   /* 8F with map 8 or more */
};

enum x86_coding { X86_LEGACY, X86_VEX, X86_EVEX, X86_XOP };

enum { /* x86_fields.prefix */
	X86_P66 = 1,
	X86_P67 = 2,
	X86_PF2 = 4,
	X86_PF3 = 8,
	X86_PLOCK = 16,
	X86_PSEG = 32,
};

struct x86_fields {
	uint8_t len;      /* bytes in all, at most 15 */
	uint8_t head;     /* bytes before displacement and immediate */
	uint8_t disp_len; /* 0, 1, 4 or 8; the displacement starts at head */
	uint8_t imm_len;  /* 0, 1, 2, 3 (enter), 4 or 8; the immediate ends the instruction */
	uint8_t coding;   /* enum x86_coding */
	uint8_t map;      /* enum x86_map */
	uint8_t opcode;
	uint8_t prefix; /* X86_P66 ... */
	uint8_t seg;    /* the last segment prefix byte, or 0 */
	uint8_t rex;    /* W, R, X, B in bits 3 to 0, also from VEX and EVEX */
	uint8_t vex[3]; /* payload bytes of VEX (1 or 2) and EVEX (3) */
	uint8_t pp;     /* mandatory prefix: 0 none, 1 66, 2 F3, 3 F2 */
	uint8_t vvvv;   /* second source of VEX and EVEX, as it is (not inverted), 4 bits */
	uint8_t vlen;   /* vector length of VEX and EVEX: 16 << vlen bytes */
	uint8_t has_modrm;
	uint8_t is32; /* of 32-bit mode */
	uint8_t modrm;
};

/* Fills f from the n bytes at p: 0, or -1 when they end too early or are more than 15. */
int x86_fields_get(struct x86_fields *f, const uint8_t *p, size_t n) MUST_CHECK;
int x86_fields_get32(struct x86_fields *f, const uint8_t *p, size_t n) MUST_CHECK; /* 32-bit mode */
/*
 * The same for most instructions, faster: len | head << 8 | disp_len << 16 | imm_len << 24, or 0
 * for one that needs the whole function. 16 bytes must be there. Displacement and immediate of
 * these are nothing but numbers: they do not change what the instruction is.
 */
uint32_t x86_fields_quick(const uint8_t *p);
uint32_t x86_fields_quick32(const uint8_t *p); /* 32-bit mode */

#endif
