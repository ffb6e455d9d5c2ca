/*
 * x86_fields.c: see x86_fields.h. One letter for each opcode says what follows it (Intel SDM volume
 * 2, appendix A). The tables are those of 64-bit mode; where 32-bit mode differs, `is32` says so.
 */
#include "code/x86_fields.h"

#include "code/x86_quick.h"

/*
 * '.' nothing        b 1 byte          w 2 bytes         e 3 bytes (enter)
 * z 2 or 4 by operand size             v 2, 4 or 8 by operand size
 * o an address (8 bytes, 4 with 67)    M ModRM           B ModRM, 1 byte      Z ModRM, z
 * a a far address (6 bytes, 4 with 66; 32-bit mode only)
 * 3 ModRM, 1 byte if reg < 2           4 ModRM, z if reg < 2                  R ModRM, mod ignored
 * ? a prefix, or an escape to another map
 */
static const char one_byte[257] = "MMMMbz..MMMMbz.?" /* 00: alu */
				  "MMMMbz..MMMMbz.."
				  "MMMMbz?.MMMMbz?."
				  "MMMMbz?.MMMMbz?."
				  "????????????????"  /* 40: REX */
				  "................"  /* 50: push, pop */
				  "..?M????zZbB...."  /* 60 */
				  "bbbbbbbbbbbbbbbb"  /* 70: jcc */
				  "BZBBMMMMMMMMMMMM"  /* 80 */
				  "................"  /* 90 */
				  "oooo....bz......"  /* a0: mov by address, string, test */
				  "bbbbbbbbvvvvvvvv"  /* b0: mov */
				  "BBw.??BZe.w..b.."  /* c0 */
				  "MMMM....MMMMMMMM"  /* d0: shifts, x87 */
				  "bbbbbbbbzz.b...."  /* e0 */
				  "?.??..34......MM"; /* f0 */

static const char two_byte[257] = "MMMM.........M.." /* 00 */
				  "MMMMMMMMMMMMMMMM"
				  "RRRRRRRRMMMMMMMM" /* 20: mov to and from cr, dr */
				  "................" /* 30: wrmsr, rdtsc ... */
				  "MMMMMMMMMMMMMMMM" /* 40: cmov */
				  "MMMMMMMMMMMMMMMM"
				  "MMMMMMMMMMMMMMMM"
				  "BBBBMMM.MMMMMMMM" /* 70 */
				  "zzzzzzzzzzzzzzzz" /* 80: jcc */
				  "MMMMMMMMMMMMMMMM" /* 90: setcc */
				  "...MBMMM...MBMMM" /* a0 */
				  "MMMMMMMMMMBMMMMM" /* b0 */
				  "MMBMBBBM........" /* c0 */
				  "MMMMMMMMMMMMMMMM"
				  "MMMMMMMMMMMMMMMM"
				  "MMMMMMMMMMMMMMMM"; /* f0 */

struct reader {
	const uint8_t *p;
	size_t n, at;
	bool is32;
};

static int next(struct reader *r)
{
	return r->at < r->n ? r->p[r->at++] : -1;
}

/* Legacy prefixes, in any order; the byte after them, or -1. */
static int prefixes(struct x86_fields *f, struct reader *r)
{
	for (;;) {
		int c = next(r);

		switch (c) {
		case 0x66: f->prefix |= X86_P66; break;
		case 0x67: f->prefix |= X86_P67; break;
		case 0xf2: f->prefix |= X86_PF2; break;
		case 0xf3: f->prefix |= X86_PF3; break;
		case 0xf0: f->prefix |= X86_PLOCK; break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			f->prefix |= X86_PSEG;
			f->seg = (uint8_t)c;
			break;
		default: return c;
		}
	}
}

/* The payload of VEX, XOP or EVEX that starts with byte c; then the opcode. 0 or -1. */
static int vector_prefix(struct x86_fields *f, struct reader *r, int c)
{
	size_t n = c == 0xc5 ? 1 : c == 0x62 ? 3 : 2;
	unsigned map = 1, low;
	int op;

	if (r->n - r->at < n + 1)
		return -1;
	for (size_t i = 0; i < n; i++)
		f->vex[i] = r->p[r->at + i];
	r->at += n;
	op = next(r);
	f->opcode = (uint8_t)op;
	/* R, X and B are stored inverted */
	f->rex = (uint8_t)((~f->vex[0] >> 5) & (c == 0xc5 ? 4 : 7));
	if (c == 0xc5) {
		f->coding = X86_VEX;
	} else {
		f->rex |= (uint8_t)(f->vex[1] >> 4 & 8);
		map = f->vex[0] & (c == 0x62 ? 7 : 31);
		f->coding = c == 0x62 ? X86_EVEX : c == 0x8f ? X86_XOP : X86_VEX;
	}
	low = f->vex[c == 0xc5 ? 0 : 1]; /* vvvv L pp, in both kinds of VEX */
	f->pp = low & 3;
	f->vvvv = ~low >> 3 & 15;
	f->vlen = c == 0x62 ? f->vex[2] >> 5 & 3 : low >> 2 & 1;
	f->map = c == 0x8f ? X86_MAP_XOP : (uint8_t)map;
	if (c == 0x8f)
		f->imm_len = map == 8 ? 1 : map == 10 ? 4 : 0;
	else if (map < 1 || (map > 3 && (c != 0x62 || map == 4 || map > 6)))
		return -1;
	return 0;
}

/* In 32-bit mode les, lds and bound have these bytes, with a ModRM that is no register. */
static bool is_vector_prefix(const struct reader *r, int c)
{
	if (c == 0x8f)
		return r->at < r->n && (r->p[r->at] & 31) >= 8;
	if (c != 0xc4 && c != 0xc5 && c != 0x62)
		return false;
	return !r->is32 || (r->at < r->n && r->p[r->at] >= 0xc0);
}

/* The letter of an opcode in the first map. */
static char letter(const struct reader *r, int c)
{
	if (r->is32 && c >= 0x40 && c <= 0x4f)
		return '.'; /* inc, dec */
	if (r->is32 && (c == 0x62 || c == 0xc4 || c == 0xc5))
		return 'M'; /* bound, les, lds */
	if (r->is32 && (c == 0x9a || c == 0xea))
		return 'a';
	return one_byte[c];
}

/* REX, escapes and opcode; what follows by the letters above, or 0 when the bytes end. */
static char opcode(struct x86_fields *f, struct reader *r)
{
	int c = prefixes(f, r);

	while (!r->is32 && c >= 0x40 && c <= 0x4f) {
		size_t at = r->at;
		int rex = c & 15;

		c = prefixes(f, r); /* only a REX right before the opcode counts */
		f->rex = r->at == at + 1 ? (uint8_t)rex : 0;
	}
	if (c < 0)
		return 0;
	if (is_vector_prefix(r, c)) {
		if (vector_prefix(f, r, c))
			return 0;
		if (f->map == X86_MAP_0F3A)
			return 'B';
		if (f->map != X86_MAP_0F || f->coding == X86_XOP)
			return 'M';
		return f->opcode == 0x77 ? '.' : two_byte[f->opcode] == 'B' ? 'B' : 'M';
	}
	if (c != 0x0f) {
		f->opcode = (uint8_t)c;
		return letter(r, c);
	}
	c = next(r);
	f->map = X86_MAP_0F;
	if (c == 0x38 || c == 0x3a) {
		f->map = c == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
		c = next(r);
	}
	if (c < 0)
		return 0;
	f->opcode = (uint8_t)c;
	if (f->map == X86_MAP_0F && c == 0x0f) {
		f->map = X86_MAP_3DNOW;
		return 'B';
	}
	return f->map == X86_MAP_0F38 ? 'M' : f->map == X86_MAP_0F3A ? 'B' : two_byte[c];
}

/* ModRM, SIB and the size of the displacement. 0 or -1. */
static int modrm16(struct x86_fields *f, unsigned mod, unsigned rm)
{
	f->disp_len = mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
	return 0;
}

static int modrm(struct x86_fields *f, struct reader *r, bool registers_only)
{
	int m = next(r), sib;
	unsigned mod, rm;

	if (m < 0)
		return -1;
	f->has_modrm = 1;
	f->modrm = (uint8_t)m;
	mod = (unsigned)m >> 6;
	rm = m & 7;
	if (mod == 3 || registers_only)
		return 0;
	if (r->is32 && (f->prefix & X86_P67))
		return modrm16(f, mod, rm);
	if (rm == 4) {
		sib = next(r);
		if (sib < 0)
			return -1;
		if (mod == 0 && (sib & 7) == 5)
			f->disp_len = 4;
	} else if (rm == 5 && mod == 0) {
		f->disp_len = 4; /* rip */
	}
	if (mod)
		f->disp_len = mod == 1 ? 1 : 4;
	return 0;
}

/* Sizes of what follows opcode and ModRM. */
static void sizes(struct x86_fields *f, char what, bool is32)
{
	unsigned z = (f->prefix & X86_P66) && !(f->rex & 8) ? 2 : 4;

	switch (what) {
	case 'b':
	case 'B': f->imm_len = 1; break;
	case 'w': f->imm_len = 2; break;
	case 'e': f->imm_len = 3; break;
	case 'z':
	case 'Z': f->imm_len = (uint8_t)z; break;
	case 'v': f->imm_len = f->rex & 8 ? 8 : (uint8_t)z; break;
	case 'o': f->disp_len = (uint8_t)((is32 ? 4 : 8) >> !!(f->prefix & X86_P67)); break;
	case 'a': f->imm_len = (uint8_t)(z + 2); break;
	case '3': f->imm_len = (f->modrm >> 3 & 7) < 2; break;
	case '4': f->imm_len = (f->modrm >> 3 & 7) < 2 ? (uint8_t)z : 0; break;
	default: break;
	}
}

static bool has_modrm(char what)
{
	return what >= '3' && what <= 'Z' && what != '?';
}

static inline uint32_t quick(const uint8_t *p, bool is32)
{
	struct x86_quick q = x86_quick_get(p, is32);

	if (q.slow)
		return 0;
	return (q.head + q.disp + q.imm) | q.head << 8 | q.disp << 16 | q.imm << 24;
}

uint32_t x86_fields_quick(const uint8_t *p)
{
	return quick(p, false);
}

uint32_t x86_fields_quick32(const uint8_t *p)
{
	return quick(p, true);
}

/* The struct from the packed form. */
static void unpack(struct x86_fields *f, const uint8_t *p, uint32_t w, bool is32)
{
	const uint8_t *q = p;

	f->len = w & 255;
	f->head = w >> 8 & 255;
	f->disp_len = w >> 16 & 255;
	f->imm_len = w >> 24 & 255;
	if (*q == 0x66)
		f->prefix = X86_P66, f->pp = 1, q++;
	else if (*q == 0xf3)
		f->prefix = X86_PF3, f->pp = 2, q++;
	else if (*q == 0xf2)
		f->prefix = X86_PF2, f->pp = 3, q++;
	if (!is32 && (*q & 0xf0) == 0x40)
		f->rex = *q++ & 15;
	f->map = *q == 0x0f ? X86_MAP_0F : X86_MAP_1;
	q += f->map == X86_MAP_0F;
	f->opcode = *q;
	f->has_modrm = ((f->map == X86_MAP_0F ? quick_two : quick_one)[*q] & MODRM) != 0;
	if (f->has_modrm)
		f->modrm = q[1];
}

static inline int get(struct x86_fields *f, const uint8_t *p, size_t n, bool is32)
{
	struct reader r = {p, MIN(n, 15), 0, is32};
	uint32_t w;
	char what;

	*f = (struct x86_fields){.is32 = is32};
	w = n >= 16 ? quick(p, is32) : 0;
	if (w) {
		unpack(f, p, w, is32);
		return 0;
	}
	what = opcode(f, &r);
	if (!what)
		return -1;
	if (f->coding == X86_LEGACY)
		f->pp = f->prefix & X86_PF2   ? 3
			: f->prefix & X86_PF3 ? 2
			: f->prefix & X86_P66 ? 1
					      : 0;
	if (has_modrm(what) && modrm(f, &r, what == 'R'))
		return -1;
	sizes(f, what, is32);
	f->head = (uint8_t)r.at;
	if (r.at + f->disp_len + f->imm_len > r.n)
		return -1;
	f->len = (uint8_t)(r.at + f->disp_len + f->imm_len);
	return 0;
}

int x86_fields_get(struct x86_fields *f, const uint8_t *p, size_t n)
{
	return get(f, p, n, false);
}

int x86_fields_get32(struct x86_fields *f, const uint8_t *p, size_t n)
{
	return get(f, p, n, true);
}
