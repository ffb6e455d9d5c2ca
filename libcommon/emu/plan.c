/*
 * plan.c: see plan.h. RISC instructions are told by their bits, x86's by their opcode: what must
 * not be executed is a small part of the encoding space, and the same whatever the assembler's
 * name for it is.
 */
#include "emu/plan.h"

#include <string.h>

#include "code/codeseq.h"

/* ---- x86: Intel SDM volume 2, appendix A ---- */

static bool is_prefix(uint8_t b, bool is64)
{
	switch (b) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64:
	case 0x65:
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3: return true;
	default: return is64 && b >= 0x40 && b < 0x50;
	}
}

/* One-byte opcodes: flags that trap, ports, interrupts, halt. Jumps and calls are told by flow. */
static bool x86_one(uint8_t op)
{
	switch (op) {
	case 0x6c: /* ins, outs */
	case 0x6d:
	case 0x6e:
	case 0x6f:
	case 0x9d: /* popf: may set the trap flag */
	case 0xcc: /* int3, int, into, iret */
	case 0xcd:
	case 0xce:
	case 0xcf:
	case 0xe4: /* in, out */
	case 0xe5:
	case 0xe6:
	case 0xe7:
	case 0xec:
	case 0xed:
	case 0xee:
	case 0xef:
	case 0xf1: /* int1 */
	case 0xf4: /* hlt */
	case 0xfa: /* cli, sti */
	case 0xfb: return true;
	default: return false;
	}
}

/*
 * Opcodes behind 0f: what system software uses, clocks, and random numbers; and pcmpestri and
 * pcmpestrm, for which Unicorn 2.0.1 reads its own memory at a random place.
 */
static bool x86_two(uint8_t op, uint8_t modrm)
{
	unsigned reg = modrm >> 3 & 7;

	switch (op) {
	case 0x00: /* segments, descriptor tables, virtual machines */
	case 0x01:
	case 0x02:
	case 0x03:
	case 0x05: /* syscall, clts, sysret, invd, wbinvd */
	case 0x06:
	case 0x07:
	case 0x08:
	case 0x09:
	case 0x0b: /* ud2 */
	case 0x20: /* control and debug registers */
	case 0x21:
	case 0x22:
	case 0x23:
	case 0x24:
	case 0x26:
	case 0x30: /* wrmsr, rdtsc, rdmsr, rdpmc, sysenter, sysexit, getsec */
	case 0x31:
	case 0x32:
	case 0x33:
	case 0x34:
	case 0x35:
	case 0x37:
	case 0x78: /* vmread, vmwrite */
	case 0x79:
	case 0xaa: /* rsm */
	case 0xb9: /* ud1 */
	case 0xff: return true;
	case 0x3a: return modrm == 0x60 || modrm == 0x61; /* the third byte of the opcode */
	case 0xa2: return false;                          /* cpuid: the same for everyone */
	case 0xae: /* state areas, fs and gs bases, flushes; fences and mxcsr are run */
		return reg != 2 && reg != 3 && !(modrm >= 0xe8);
	case 0xc7: /* virtual machines, rdrand, rdseed; not cmpxchg8b */ return reg != 1;
	default: return false;
	}
}

/* Vectors of 32 and 64 bytes and their three-operand forms: the emulator has none. */
static bool x86_is_vex_vector(const struct insn *i)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.id >= X86_V0 &&
			i->op[k].reg.id < X86_CR0)
			return true;
	return i->nops == 0; /* vzeroupper */
}

static bool x86_is_string(uint8_t op)
{
	return (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf);
}

static void x86_plan(struct plan *plan, bool is64, const struct insn *i, const uint8_t *p)
{
	size_t at = 0;
	uint8_t op, next;

	while (at + 1 < i->len && is_prefix(p[at], is64))
		at++;
	op = p[at];
	next = at + 1 < i->len ? p[at + 1] : 0;
	if (op == 0x0f) {
		if (x86_two(next, at + 2 < i->len ? p[at + 2] : 0))
			plan->kind = PLAN_SKIP;
	} else if ((op == 0xc4 || op == 0xc5 || op == 0x62) && (is64 || next >= 0xc0)) {
		if (op == 0x62 || x86_is_vex_vector(i))
			plan->kind = PLAN_SKIP;
	} else if (op == 0x8f && (next & 0x38)) {
		plan->kind = PLAN_SKIP; /* XOP */
	} else if (x86_one(op)) {
		plan->kind = PLAN_SKIP;
	}
	plan->repeats = x86_is_string(op) && (i->prefix & (INSN_REP | INSN_REPNE));
}

/* ---- words of RISC code ---- */

/* The byte order of code; data may have another one. */
static bool big_code(enum arch a)
{
	return a == ARCH_MIPS || a == ARCH_ARMEB || a == ARCH_THUMBEB;
}

static uint32_t word(enum arch a, const uint8_t *p)
{
	return big_code(a) ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | p[2] << 8 | p[3]
			   : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | p[1] << 8 | p[0];
}

static uint32_t half(enum arch a, const uint8_t *p)
{
	return big_code(a) ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

/*
 * AArch64: system instructions (Arm ARM C4.1.3), except hints that do nothing, barriers, and the
 * registers of threads and of floating point.
 */
static bool aarch64_skips(uint32_t w)
{
	uint32_t reg = w >> 5 & 0x7fff; /* op0 op1 CRn CRm op2 */

	if (w >> 24 == 0xd4)
		return true; /* svc, hvc, smc, brk, hlt */
	if (w >> 22 != 0x354)
		return false;
	if ((w >> 12 & 0x3ff) == 0x032)
		return (w >> 5 & 0x7f) >= 1 && (w >> 5 & 0x7f) <= 5; /* yield, wfe, wfi, sev */
	if ((w >> 12 & 0x3ff) == 0x033)
		return false; /* barriers */
	/* nzcv, fpcr, fpsr, tpidr_el0 */
	return !((w >> 20 & 3) == 1 &&
		 (reg == 0x5a10 || reg == 0x5a20 || reg == 0x5a21 || reg == 0x5e82));
}

/*
 * ARM and Thumb share the encodings of coprocessors in their lower 28 bits. 14 and 15 are debugger
 * and system; the register that holds the thread's pointer is what programs read.
 */
static bool coprocessor_skips(uint32_t w)
{
	unsigned coproc = w >> 8 & 15;

	if ((w >> 25 & 7) == 6 || ((w >> 24 & 15) == 14)) {
		if (coproc < 14)
			return false;
		return (w & 0x0fff0fff) != 0x0e1d0f70; /* mrc p15, 0, rX, c13, c0, 3 */
	}
	return false;
}

/*
 * Instructions that write the program counter and are no jumps to a decoder, as they are not
 * predictable: with it as a destination or a base that is written back; and registers of other
 * modes.
 */
static bool arm_strays(uint32_t w)
{
	bool base = (w >> 16 & 15) == 15, writes_back = !(w & 1 << 24) || (w & 1 << 21);

	switch (w >> 25 & 7) {
	case 0: /* the extra loads and stores are here too */
		return (w >> 12 & 15) == 15 || ((w & 0x90) == 0x90 && base && writes_back);
	case 1: return (w >> 12 & 15) == 15;
	case 2:
	case 3: return (w & 1 << 20 && (w >> 12 & 15) == 15) || (base && writes_back);
	case 4: return (w & 1 << 20 && w & 1 << 15) || (base && w & 1 << 21) || w & 1 << 22;
	case 6: return base && (w & 1 << 21); /* of coprocessors, vectors among them */
	default: return false;
	}
}

static bool arm_skips(uint32_t w)
{
	if (w >> 28 == 15) { /* cps, setend, rfe, srs; preloads, barriers and SIMD are run */
		uint32_t op = w >> 20 & 0xff;

		return op == 0x10 || (w >> 25 & 7) == 4 || coprocessor_skips(w);
	}
	if ((w >> 24 & 15) == 15)
		return true;                /* svc */
	if ((w & 0x0fb0f000) == 0x0320f000) /* hints, msr of an immediate: of flags only */
		return w & 0x004f0000 ? (w & 0x00430000) != 0 : (w & 0xff) != 0;
	if ((w & 0x0f900000) == 0x01000000) { /* miscellaneous */
		if ((w & 0xf0) == 0x70 || (w & 0x006000f0) == 0x00600060)
			return true; /* bkpt, hvc, smc, eret */
		if ((w & 0xf0) == 0) /* mrs and msr: of flags only, banked registers not */
			return (w & 0x00400000) || (w & 0x200) ||
			       ((w & 0x00200000) && (w & 0x00030000));
	}
	if ((w & 0x0ff000f0) == 0x07f000f0)
		return true; /* udf */
	return arm_strays(w) || coprocessor_skips(w);
}

static bool thumb_skips(const uint8_t *p, size_t n, enum arch a)
{
	uint32_t h = half(a, p), w;

	if (n == 2)
		return h >> 8 == 0xde || h >> 8 == 0xdf || h >> 8 == 0xbe || /* udf, svc, bkpt */
		       (h & 0xffe0) == 0xb660 || (h & 0xfff0) == 0xb650 ||   /* cps, setend */
		       ((h & 0xff0f) == 0xbf00 && h != 0xbf00) || (h & 0xffc0) == 0xba80;
	w = h << 16 | half(a, p + 2);
	if ((w & 0xf800d000) == 0xf0008000) { /* branches and miscellaneous control */
		switch (w >> 20 & 0x7f) {
		case 0x38:
		case 0x39: /* msr: of flags only */
			return (w & 0x00100000) || (w & 0x300) || (w & 0x20);
		case 0x3a: return (w & 0x7ff) != 0;   /* hints, cps */
		case 0x3b: return (w & 0xc0) != 0x40; /* barriers are run */
		case 0x3e:
		case 0x3f: return (w & 0x00100000) || (w & 0x20); /* mrs */
		default: return (w & 0x03800000) == 0x03800000;   /* hvc, smc, udf, eret */
		}
	}
	if ((w & 0xfe400000) == 0xe8000000 && ((w >> 23 & 3) == 0 || (w >> 23 & 3) == 3))
		return true; /* srs, rfe */
	return (w >> 28 == 14 || w >> 28 == 15) && coprocessor_skips(w & 0x0fffffff);
}

/* ---- MIPS32 release 2 ---- */

/* Loads and stores, by opcode; the exponent of the size that the address must be aligned to. */
enum { MIPS_LOAD = 16, MIPS_STORE = 32 };
static const uint8_t mips_accesses[64] = {
	[0x20] = MIPS_LOAD,     /* lb */
	[0x21] = MIPS_LOAD | 1, /* lh */
	[0x22] = MIPS_LOAD,     /* lwl */
	[0x23] = MIPS_LOAD | 2, /* lw */
	[0x24] = MIPS_LOAD,     /* lbu */
	[0x25] = MIPS_LOAD | 1, /* lhu */
	[0x26] = MIPS_LOAD,     /* lwr */
	[0x28] = MIPS_STORE,
	[0x29] = MIPS_STORE | 1,
	[0x2a] = MIPS_STORE, /* swl */
	[0x2b] = MIPS_STORE | 2,
	[0x2e] = MIPS_STORE,     /* swr */
	[0x30] = MIPS_LOAD | 2,  /* ll */
	[0x31] = MIPS_STORE | 2, /* lwc1: no general register is loaded */
	[0x35] = MIPS_STORE | 3,
	[0x38] = MIPS_LOAD | 2, /* sc: writes its register */
	[0x39] = MIPS_STORE | 2,
	[0x3d] = MIPS_STORE | 3,
};

static void mips_plan(struct plan *plan, uint32_t w)
{
	unsigned op = w >> 26, function = w & 63;

	if (op == 0x10 || op == 0x12 || op == 0x2f || op == 0x33 || /* cop0, cop2, cache, pref */
		op == 0x32 || op == 0x36 || op == 0x3a || op == 0x3e || /* lwc2 and the like */
		(op == 0 && (function == 0x0c || function == 0x0d || function == 0x0e)))
		plan->kind = PLAN_SKIP;
	if (op == 0x1f && function == 0x3b && (w >> 11 & 31) != 29)
		plan->kind = PLAN_SKIP; /* rdhwr of clocks */
	if (op == 0x01 && (w >> 16 & 31) == 0x1f)
		plan->kind = PLAN_SKIP; /* synci */
	plan->is_access = mips_accesses[op];
	plan->is_load = mips_accesses[op] & MIPS_LOAD;
	plan->align = mips_accesses[op] & 3;
	plan->base = w >> 21 & 31;
	plan->to = w >> 16 & 31;
	plan->offset = (int16_t)w;
}

/* ---- all of them ---- */

int plan_nop(enum arch a, uint8_t *p, size_t n)
{
	static const uint8_t aarch64[] = {0x1f, 0x20, 0x03, 0xd5}, arm[] = {0x00, 0xf0, 0x20, 0xe3},
			     thumb[] = {0x00, 0xbf}, wide[] = {0xaf, 0xf3, 0x00, 0x80};
	static const uint8_t zero[4];
	const uint8_t *from = NULL;

	if (!n)
		return -1;
	switch (a) {
	case ARCH_X86_64:
	case ARCH_I386:
		memset(p, 0x66, n - 1);
		p[n - 1] = 0x90;
		return 0;
	case ARCH_AARCH64: from = n == 4 ? aarch64 : NULL; break;
	case ARCH_MIPS:
	case ARCH_MIPSEL: from = n == 4 ? zero : NULL; break;
	case ARCH_ARM:
	case ARCH_ARMEB: from = n == 4 ? arm : NULL; break;
	case ARCH_THUMB:
	case ARCH_THUMBEB: from = n == 2 ? thumb : n == 4 ? wide : NULL; break;
	default: break;
	}
	if (!from)
		return -1;
	memcpy(p, from, n);
	return 0;
}

struct plan plan_insn(enum arch a, const struct insn *i, const uint8_t *p)
{
	struct plan plan = {.kind = i->flow == INSN_FALL ? PLAN_RUN : PLAN_SKIP};
	uint8_t nop[INSN_MAX_LEN];

	if (codeseq_is_bad(i) || plan_nop(a, nop, i->len) < 0) {
		plan.kind = PLAN_HOLE;
		return plan;
	}
	switch (a) {
	case ARCH_X86_64:
	case ARCH_I386: x86_plan(&plan, a == ARCH_X86_64, i, p); break;
	case ARCH_AARCH64:
		if (aarch64_skips(word(a, p)))
			plan.kind = PLAN_SKIP;
		break;
	case ARCH_MIPS:
	case ARCH_MIPSEL: mips_plan(&plan, word(a, p)); break;
	case ARCH_ARM:
	case ARCH_ARMEB:
		if (arm_skips(word(a, p)))
			plan.kind = PLAN_SKIP;
		break;
	case ARCH_THUMB:
	case ARCH_THUMBEB:
		if (thumb_skips(p, i->len, a))
			plan.kind = PLAN_SKIP;
		plan.gives_conditions = i->len == 2 && half(a, p) >> 8 == 0xbf && (half(a, p) & 15);
		break;
	default: plan.kind = PLAN_HOLE; break;
	}
	return plan;
}
