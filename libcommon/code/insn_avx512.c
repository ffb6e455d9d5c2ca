/*
 * insn_avx512.c: instructions with an EVEX prefix, from a table of one row for each (Intel SDM
 * volume 2, section 2.7 and the instructions' pages). The rules of the prefix are here once: five
 * bits of register numbers, the write mask, vector length or rounding, broadcast, and displacements
 * of 8 bits that count memory operands.
 */
#include "code/insn_avx512.h"

#include "code/insn_avx512_table.h"
#include "code/insn_operand.h"

/* Mandatory prefixes as in x86_fields.pp, and W where it does not matter. */
enum { NP, P66, PF3, PF2 };
enum { WIG = 2 };

/* Which field is which operand, the destination first: R ModRM.reg, M ModRM.rm, V vvvv. */
enum form { RM, MR, RVM, VM, MVR };

/*
 * Bytes of the memory operand, by which 8-bit displacements count as well: the whole vector (FV:
 * or one element for all, HV: the same of half), a part of it, elements, a shift count; DUP: of
 * vmovddup; TCE: the vector, but displacements count elements.
 */
enum tuple { FV, HV, FVM, HVM, QVM, OVM, T1, T2, T4, T8, M128, DUP, TCE };

enum {             /* row.flags */
	LIG = 1,   /* one element in 128 bits; the vector length does not matter */
	L0 = 2,    /* 128 bits only */
	L1 = 4,    /* 256 bits only */
	L2 = 8,    /* 512 bits only */
	L12 = 16,  /* not 128 bits */
	HALF = 32, /* ModRM.reg is half as wide */
	MEM = 64,  /* ModRM.rm is memory, */
	REG = 128, /* or is not */
	NOMASK = 256,
	NOBC = 512,    /* no broadcast */
	RC = 1024,     /* registers only: rounding can be given, */
	SAE = 2048,    /* or exceptions suppressed */
	RMW = 4096,    /* reads the destination, too */
	READS = 8192,  /* writes no operand */
	K_REG = 16384, /* ModRM.reg is a mask register, */
	K_RM = 32768,  /* ModRM.rm is, and vvvv */
	G_REG = 65536, /* a general register */
	G_RM = 131072,
	VSIB = 262144,    /* the index is a vector */
	DIGIT_SHIFT = 20, /* 1 + the value that ModRM.reg must have */
};
#define DIGIT(n) (((n) + 1) << DIGIT_SHIFT)

struct row {
	uint8_t coding, opcode, map, pp, w;
	uint8_t form, tuple;
	uint8_t elem, lane; /* bytes of an element in memory, and of a lane of the mask */
	uint16_t mn;
	uint32_t flags;
};

static const struct row rows[] = {
#define EV(op, map, pp, w, name, form, tuple, elem, lane, flags) \
	{X86_EVEX, op, map, pp, w, form, tuple, elem, lane, X86_##name, flags},
#define VX(op, map, pp, w, name, form, tuple, elem, lane, flags) \
	{X86_VEX, op, map, pp, w, form, tuple, elem, lane, X86_##name, flags},
	INSN_AVX512(EV, VX)
#undef EV
#undef VX
};

/* What the prefix says. */
struct evex {
	unsigned length; /* 0: 16 bytes, 1: 32, 2: 64 */
	unsigned mask;
	bool zeroing, b, v16; /* b: broadcast or rounding; v16: bit 4 of vvvv or of the index */
	bool direct;          /* ModRM.rm is a register */
};

static struct evex prefix_of(const struct x86_fields *f)
{
	struct evex e = {.length = f->vlen, .direct = f->modrm >> 6 == 3};

	if (f->coding == X86_EVEX) {
		e.mask = f->vex[2] & 7;
		e.zeroing = f->vex[2] & 0x80;
		e.b = f->vex[2] & 0x10;
		e.v16 = !(f->vex[2] & 8);
	}
	return e;
}

static bool is_vector_form(const struct row *r)
{
	return r->form == RVM || r->form == VM || r->form == MVR;
}

static bool writes_memory(const struct row *r, const struct evex *e)
{
	return !e->direct && (r->form == MR || r->form == MVR);
}

/* Whether the mask is one the row may have. */
static bool mask_fits(const struct row *r, const struct evex *e)
{
	if (r->flags & VSIB)
		return e->mask && !e->zeroing;
	if (r->flags & NOMASK && e->mask)
		return false;
	return !e->zeroing || (e->mask && !writes_memory(r, e) && !(r->flags & K_REG));
}

/* Whether b and the length are. */
static bool length_fits(const struct row *r, const struct evex *e)
{
	unsigned length = e->length;

	if (e->b && e->direct) {
		if (!(r->flags & (RC | SAE)))
			return false;
		length = r->flags & LIG ? 0 : 2;
	} else if (e->b && ((r->tuple != FV && r->tuple != HV) || r->flags & NOBC)) {
		return false;
	}
	if (r->flags & LIG)
		return length < 3;
	return length < 3 && !(r->flags & L0 && length) && !(r->flags & L1 && length != 1) &&
	       !(r->flags & L2 && length != 2) && !(r->flags & L12 && !length);
}

static bool fits(const struct row *r, const struct x86_fields *f, const struct evex *e)
{
	unsigned digit = r->flags >> DIGIT_SHIFT, reg = f->modrm >> 3 & 7, w = f->rex >> 3;

	if (f->is32 && r->flags & (G_REG | G_RM) && r->elem >= 4)
		w = 0; /* general registers have 32 bits */
	if (r->coding != f->coding || r->pp != f->pp || (r->w != WIG && r->w != w))
		return false;
	if ((digit && digit != reg + 1) || (r->flags & (e->direct ? MEM : REG)))
		return false;
	if (!is_vector_form(r) && (f->vvvv || (e->v16 && !(r->flags & VSIB))))
		return false;
	if (f->is32 && e->v16)
		return false;
	if (r->flags & K_REG && (f->rex & 4 || (f->coding == X86_EVEX && !(f->vex[0] & 0x10))))
		return false;
	if (r->flags & K_RM && (f->vvvv > 7 || (e->direct && f->rex & 1)))
		return false;
	if (r->flags & G_REG && f->coding == X86_EVEX && !(f->vex[0] & 0x10))
		return false;
	if (r->flags & VSIB && (e->direct || (f->modrm & 7) != 4))
		return false;
	return mask_fits(r, e) && length_fits(r, e);
}

/* The first row of f's opcode; `*n` are of it, 0 at least. */
static const struct row *rows_of(const struct x86_fields *f, size_t *n)
{
	unsigned key = f->map * 256u + f->opcode;
	size_t lo = 0, hi = COUNT_OF(rows);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (rows[mid].map * 256u + rows[mid].opcode < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (hi = lo; hi < COUNT_OF(rows) && rows[hi].map * 256u + rows[hi].opcode == key;)
		hi++;
	*n = hi - lo;
	return rows + lo;
}

static const struct row *find(const struct x86_fields *f, const struct evex *e)
{
	size_t n;
	const struct row *r = rows_of(f, &n);

	for (; n; n--, r++)
		if (fits(r, f, e))
			return r;
	return NULL;
}

bool insn_avx512_owns(const struct x86_fields *f)
{
	size_t n = 0;
	const struct row *r = f->coding == X86_VEX ? rows_of(f, &n) : NULL;

	for (; n; n--, r++)
		if (r->coding == X86_VEX)
			return true;
	return f->coding == X86_EVEX;
}

/* Bytes of the memory operand, broadcast aside. */
static unsigned memory_size(const struct row *r, unsigned vector)
{
	switch (r->tuple) {
	case HV:
	case HVM: return vector / 2;
	case QVM: return vector / 4;
	case OVM: return vector / 8;
	case T1: return r->elem;
	case T2: return 2u * r->elem;
	case T4: return 4u * r->elem;
	case T8: return 8u * r->elem;
	case M128: return 16;
	case DUP: return vector == 16 ? 8 : vector;
	default: return vector;
	}
}

static void add_reg(struct insn *o, const struct row *r, const struct x86_fields *f,
	unsigned vector, unsigned access)
{
	unsigned n = (f->modrm >> 3 & 7) | (f->rex & 4) << 1;

	if (f->coding == X86_EVEX)
		n |= ~(unsigned)f->vex[0] & 0x10;
	if (r->flags & K_REG)
		insn_operand_reg(o, X86_K0 + (n & 7), 8, access);
	else if (r->flags & G_REG)
		insn_operand_reg(o, n, r->w == 1 ? 8 : 4, access);
	else
		insn_operand_reg(
			o, X86_V0 + n, r->flags & HALF ? MAX(vector / 2, 16u) : vector, access);
}

static void add_second(struct insn *o, const struct row *r, const struct x86_fields *f,
	const struct evex *e, unsigned vector, unsigned access)
{
	if (r->flags & K_RM)
		insn_operand_reg(o, X86_K0 + f->vvvv, 8, access);
	else
		insn_operand_reg(o, X86_V0 + (f->is32 ? f->vvvv & 7 : f->vvvv + 16u * e->v16),
			vector, access);
}

/* Gathers and scatters: index registers are as wide as needed for one index for each element. */
static void vector_index(struct insn_op *m, const struct row *r, const struct x86_fields *f,
	const struct evex *e, const uint8_t *p, unsigned vector)
{
	unsigned sib = p[f->head - 1];

	m->mem.index = (uint8_t)(X86_V0 + ((sib >> 3 & 7) | (f->rex & 2) << 2) + 16u * e->v16);
	m->mem.scale = (uint8_t)(1 << (sib >> 6));
	m->mem.index_size =
		(uint8_t)(!(r->opcode & 1) && r->elem == 8 ? MAX(vector / 2, 16u) : vector);
}

static void add_rm(struct insn *o, const struct row *r, const struct x86_fields *f,
	const struct evex *e, const uint8_t *p, unsigned vector, unsigned access)
{
	unsigned size = memory_size(r, vector), n = (f->modrm & 7) | (f->rex & 1) << 3;

	if (!e->direct) {
		bool bcast = e->b && (r->tuple == FV || r->tuple == HV);

		if (bcast) {
			o->bcast = (uint8_t)(size / r->elem);
			size = r->elem;
		}
		insn_operand_mem(o, p, f, size,
			f->coding == X86_VEX ? 1
			: r->tuple == TCE    ? r->elem
					     : size,
			access);
		if (r->flags & VSIB)
			vector_index(&o->op[o->nops - 1], r, f, e, p, vector);
	} else if (r->flags & G_RM) {
		insn_operand_reg(o, n, r->elem == 8 ? 8 : 4, access);
	} else if (r->flags & K_RM) {
		insn_operand_reg(o, X86_K0 + (n & 7), 8, access);
	} else {
		if (f->coding == X86_EVEX)
			n |= (f->rex & 2) << 3;
		insn_operand_reg(o, X86_V0 + n, MAX(size, 16u), access);
	}
}

static void operands(struct insn *o, const struct row *r, const struct x86_fields *f,
	const struct evex *e, const uint8_t *p, unsigned vector)
{
	bool merges = e->mask && !e->zeroing && !(r->flags & K_REG);
	unsigned to = r->flags & READS           ? INSN_READ
		      : r->flags & RMW || merges ? INSN_READ | INSN_WRITE
						 : INSN_WRITE;

	switch (r->form) {
	case RM:
		add_reg(o, r, f, vector, to);
		add_rm(o, r, f, e, p, vector, INSN_READ);
		break;
	case MR:
		add_rm(o, r, f, e, p, vector, to);
		add_reg(o, r, f, vector, INSN_READ);
		break;
	case RVM:
		add_reg(o, r, f, vector, to);
		add_second(o, r, f, e, vector, INSN_READ);
		add_rm(o, r, f, e, p, vector, INSN_READ);
		break;
	case VM:
		add_second(o, r, f, e, vector, to);
		add_rm(o, r, f, e, p, vector, INSN_READ);
		break;
	default:
		add_rm(o, r, f, e, p, vector, to);
		add_second(o, r, f, e, vector, INSN_READ);
		add_reg(o, r, f, vector, INSN_READ);
	}
	if (f->imm_len == 1)
		insn_operand_imm8(o, p, f);
}

/* Registers above 7 are not there in 32-bit mode. */
static struct x86_fields narrowed(const struct x86_fields *f)
{
	struct x86_fields n = *f;

	if (f->is32) {
		n.rex &= 8;
		n.vex[0] |= 0x10;
	}
	return n;
}

int insn_avx512_decode(const uint8_t *p, const struct x86_fields *full, struct insn *out)
{
	struct x86_fields f = narrowed(full);
	struct evex e = prefix_of(&f);
	const struct row *r;
	unsigned vector;

	if (f.coding == X86_EVEX ? f.vex[0] & 8 || !(f.vex[1] & 4) : f.coding != X86_VEX)
		return 0;
	if (f.prefix & ~(X86_P67 | X86_PSEG) || (f.is32 && f.prefix & X86_P67))
		return 0;
	r = find(&f, &e);
	if (!r)
		return 0;
	insn_operand_start(out, &f);
	out->mn = r->mn;
	out->mnemonic = x86_mnemonics_text(r->mn);
	out->mask = (uint8_t)e.mask;
	out->zeroing = e.zeroing;
	out->lane = r->lane;
	if (e.b && e.direct) {
		out->rounding = (uint8_t)(r->flags & RC ? INSN_ROUND_NEAREST + e.length : INSN_SAE);
		e.length = 2;
	}
	vector = r->flags & LIG ? 16 : 16u << e.length;
	operands(out, r, &f, &e, p, vector);
	if (e.mask) {
		struct insn_reg k = {(uint8_t)(X86_K0 + e.mask), 0, 8};

		out->reads[out->nreads++] = k;
		if (r->flags & VSIB)
			out->writes[out->nwrites++] = k;
	}
	return 1;
}
