/*
 * insn.h: one decoded instruction, and the decoder.
 *
 * A decoder turns bytes into struct insn: our own numbers for mnemonics and registers, operands as
 * data, nothing that depends on the address. The same encoding gives the same struct, so a memo
 * inside the decoder answers most calls.
 *
 * A decoder is used by one thread at a time; make one per worker (insn_open only on one thread).
 */
#ifndef INSN_H
#define INSN_H

#include "base/buf.h"
#include "code/arch.h"
#include "code/x86_mnemonics.h"

enum { INSN_MAX_LEN = 15, INSN_MAX_OPS = 5, INSN_MAX_IMPLICIT = 12, INSN_HOLE = 1 };

/*
 * x86 registers: the whole register. A part of it is (id, lo, size): `size` bytes from byte `lo`,
 * so al is (X86_RAX, 0, 1), ah (X86_RAX, 1, 1), eax (X86_RAX, 0, 4) and xmm0 (X86_V0, 0, 16).
 */
enum x86_reg {
	X86_RAX,
	X86_RCX,
	X86_RDX,
	X86_RBX,
	X86_RSP,
	X86_RBP,
	X86_RSI,
	X86_RDI,
	X86_R8,
	X86_R9,
	X86_R10,
	X86_R11,
	X86_R12,
	X86_R13,
	X86_R14,
	X86_R15,
	X86_RIP,
	X86_FLAGS,
	X86_ES,
	X86_CS,
	X86_SS,
	X86_DS,
	X86_FS,
	X86_GS,
	X86_V0 = 32,  /* zmm0 to zmm31, with ymm and xmm as parts */
	X86_ST0 = 64, /* st(0) to st(7) */
	X86_MM0 = 72,
	X86_K0 = 80,
	X86_CR0 = 88,   /* to cr15 */
	X86_DR0 = 104,  /* to dr15 */
	X86_BND0 = 120, /* to bnd3 */
	X86_FPSW = 124, /* x87 status and control */
	X86_MXCSR = 125,
	X86_REG_COUNT = 128,
	X86_NOREG = 255,
};

struct insn_reg {
	uint8_t id;   /* enum x86_reg */
	uint8_t lo;   /* first byte of the part */
	uint8_t size; /* bytes */
};

enum { INSN_READ = 1, INSN_WRITE = 2 };

enum insn_op_kind {
	INSN_OP_NONE,
	INSN_OP_REG,
	INSN_OP_IMM,  /* sign-extended to 64 bits if the CPU extends it, else as encoded: or eax, -1
		       * is  0xffffffff, mov al, 0xff is 0xff; its low bits in the operand's width
		       * count */
	INSN_OP_REL,  /* branch target: address of the next instruction + imm */
	INSN_OP_ADDR, /* address of this instruction + imm */
	INSN_OP_PAGE, /* the same, but of the 4 KiB page it is in */
	INSN_OP_WORD, /* the same, but of the 4 bytes it is in */
	INSN_OP_REL_WORD, /* branch target: as INSN_OP_WORD */
	INSN_OP_MEM,
};

struct insn_op {
	uint8_t kind;   /* enum insn_op_kind */
	uint8_t size;   /* bytes read or written (lea: of the destination) */
	uint8_t access; /* INSN_READ | INSN_WRITE, capstone's gaps mended */
	union {
		struct insn_reg reg;
		int64_t imm;
		struct {
			uint8_t base, index; /* enum x86_reg or X86_NOREG; base may be X86_RIP */
			uint8_t scale;       /* 1, 2, 4, 8 */
			uint8_t seg;         /* segment override or X86_NOREG; only X86_FS and
					      * X86_GS change the address */
			uint8_t addr_size;   /* 8, or 4 with an address-size prefix */
			uint8_t index_size; /* bytes of the index register: a vector's in gathers */
			int64_t disp;
		} mem;
	};
};

enum insn_flow {
	INSN_FALL, /* goes on with the next instruction */
	INSN_JUMP, /* always jumps */
	INSN_COND, /* jumps or goes on */
	INSN_CALL,
	INSN_RET,
	INSN_STOP, /* never goes on: hlt, ud2 */
	INSN_TRAP, /* int3, int n, syscall: goes on */
};

enum { /* insn.prefix */
	INSN_REP = 1,
	INSN_REPNE = 2,
	INSN_LOCK = 4,
	INSN_NOTRACK = 8,
	INSN_BND = 16,
};

/* x86 condition codes in encoding order, so that cc ^ 1 is the opposite: jcc, setcc, cmovcc. */
enum x86_cc {
	X86_CC_O,
	X86_CC_NO,
	X86_CC_B,
	X86_CC_AE,
	X86_CC_E,
	X86_CC_NE,
	X86_CC_BE,
	X86_CC_A,
	X86_CC_S,
	X86_CC_NS,
	X86_CC_P,
	X86_CC_NP,
	X86_CC_L,
	X86_CC_GE,
	X86_CC_LE,
	X86_CC_G,
	X86_CC_NONE,
};

/* What AVX-512 instructions between registers say of rounding; from NEAREST on in encoding order.
 */
enum insn_rounding {
	INSN_ROUND_MXCSR, /* nothing */
	INSN_SAE,         /* no exceptions; rounding, if any, as MXCSR says */
	INSN_ROUND_NEAREST,
	INSN_ROUND_DOWN,
	INSN_ROUND_UP,
	INSN_ROUND_ZERO,
};

struct insn {
	const char *mnemonic; /* without prefixes; lives as long as the decoder */
	uint16_t mn;          /* enum x86_mn */
	uint8_t len;          /* bytes */
	uint8_t flow;         /* enum insn_flow */
	uint8_t prefix;       /* INSN_REP ... */
	uint8_t cc;           /* enum x86_cc of jcc, setcc, cmovcc, else X86_CC_NONE */
	uint8_t pred;         /* predicate of cmpps and the like (imm8 in the mnemonic), else 255 */
	uint8_t nops;
	uint8_t nreads, nwrites; /* implicit registers (flags among them), for instructions that */
	struct insn_reg reads[INSN_MAX_IMPLICIT]; /* have no semantics of our own */
	struct insn_reg writes[INSN_MAX_IMPLICIT];
	uint32_t word; /* instructions of fixed size: their bytes as a little-endian number, else 0
			*/
	struct insn_op op[INSN_MAX_OPS]; /* Intel order: destination first */
	/*
	 * Instructions of fixed size (not x86): the operands as text, with an INSN_HOLE for each
	 * number, which is in op; registers and the rest are not in op, and mn is X86_NONE.
	 */
	const char *text; /* NULL for x86; as `mnemonic` */
	/* AVX-512, else all 0: */
	uint8_t mask;     /* k1 to k7, the write mask; 0: none */
	uint8_t zeroing;  /* lanes that the mask leaves out become 0, else they keep their value */
	uint8_t lane;     /* bytes of a lane of the mask */
	uint8_t bcast;    /* not 0: the memory operand is one element, taken that many times */
	uint8_t rounding; /* enum insn_rounding */
	/* Thumb: 0, or of an it block: its condition in the upper 4 bits, and 1. */
	uint8_t it;
};

struct insn_decoder;
/* A decoder for the architecture, or NULL when there is none for it. */
struct insn_decoder *insn_open(enum arch a);
/*
 * From now on the decoder is for this architecture; what it knows of others it keeps. 0, or -1
 * when there is none for it. May be called on any thread.
 */
int insn_use(struct insn_decoder *d, enum arch a) MUST_CHECK;
/* Which one it is for now. */
enum arch insn_used(const struct insn_decoder *d);
void insn_close(struct insn_decoder *d);
/* Decodes the instruction at p, n bytes available: 1, or 0 when these bytes are none. */
int insn_decode(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out) MUST_CHECK;
/*
 * The same for n instructions that lie one after another, instruction i of len[i] bytes: faster.
 * out[i].len is 0 when its bytes are none. `there` bytes may be read, theirs or more.
 */
void insn_decode_all(struct insn_decoder *d, const uint8_t *code, size_t there, const uint8_t *len,
	size_t n, struct insn *out);
/* The same without the memo: slow, for tests. */
int insn_decode_plain(
	struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out) MUST_CHECK;

/* What a walk over code needs of an instruction, ten times as fast as all of it. */
enum {                    /* insn_brief.has */
	INSN_HAS_REL = 1, /* op[0] is INSN_OP_REL: imm */
	INSN_HAS_IMM = 2, /* an INSN_OP_IMM encoded in 4 bytes or more: imm */
	INSN_HAS_RIP = 4, /* a memory operand relative to rip, without index: disp */
	INSN_HAS_ABS =
		8, /* a memory operand without a base, or with a displacement of 4 bytes: disp */
	INSN_HAS_INDEX = 16, /* its memory operand has an index */
	INSN_HAS_REG = 32,   /* op[0] is a register */
	INSN_HAS_BASE = 64,  /* 32-bit x86: a memory operand with a base, base, and disp */
};

struct insn_brief {
	int64_t imm, disp;
	uint16_t mn;
	uint8_t len, flow, has;
	uint8_t reg, base; /* op[0] if it is a register; of the memory operand */
};

/* The same answer as insn_decode, in brief; for x86 only. */
int insn_look(
	struct insn_decoder *d, const uint8_t *p, size_t n, struct insn_brief *out) MUST_CHECK;

/* "eax" for (X86_RAX, 0, 4); "?" for a part that has no name. Static text. */
const char *insn_reg_name(struct insn_reg r);
/*
 * What stands behind the destination (" {k1} {z}"), a memory operand ("{1to8}") and all operands
 * (", {rn-sae}") of AVX-512 instructions; "" if nothing. Static text.
 */
const char *insn_mask_text(const struct insn *i);
const char *insn_broadcast_text(const struct insn *i);
const char *insn_rounding_text(const struct insn *i);
/* Intel syntax as capstone prints it, for people; addr is the instruction's address. */
void insn_print(struct buf *b, const struct insn *i, uint64_t addr);

#endif
