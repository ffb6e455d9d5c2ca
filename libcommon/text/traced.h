/*
 * traced.h: machine code as the text of a micro-trace: Trex (arXiv 2012.08680, section IV), whose
 * input is words, and for some of them a value of 8 bytes.
 *
 * The words of an instruction are its mnemonic and what its operands consist of, a blank between
 * them. A register is a word, and so is every number, which is `num`: what it is says its value.
 * The rules of normalise.h hold for what depends on where things lie, so an address is IMM and has
 * no value, targets of jumps are MEM, calls go to func or an imported name, and what computes
 * nothing has no text; but no number is too large, unless it is a displacement. MIPS and ARM put
 * addresses together by two instructions: the numbers of both are IMM, once it shows.
 *
 * Sequences are short, so what says nothing is left out:
 *
 *	commas, #, braces, and the sign of a number, which its value has
 *	the bracket that closes a memory operand, where the instruction ends, or only ! follows
 *	the size of a memory operand, where a register of the same size stands beside it
 *	rip: what is relative to it is an address, IMM, whatever the register is
 *	.w of Thumb, which tells encodings of the same instruction apart
 *
 *	mov rax, qword [rbp -168]	mov rax [ rbp num		value -168
 *	mov dword [rax +rcx*4 +8], 1	mov dword [ rax rcx *4 num ] num
 *	stp x29, x30, [sp, #-16]!	stp x29 x30 [ sp num !
 *	ldrb.w r0, [r1, -r2]		ldrb r0 [ r1 - r2
 *	add v0.4s, v1.4s, v2.4s		add v0 .4s v1 .4s v2 .4s
 *	lw $t9, 16($gp)			lw $t9 num ( $gp
 *
 * Values: of a register, what it held before the instruction; it comes from the trace. Of a number,
 * the number, sign-extended to 64 bits from the width it has, but one of a single byte; of lui
 * what it sets, the number times 65536; of a fraction the bits of a double. bb-trace and bb-tok
 *agree on which words have values because both ask here.
 */
#ifndef TRACED_H
#define TRACED_H

#include "code/regs.h"
#include "text/normalise.h"

enum traced_kind {
	TRACED_CODE, /* no value */
	TRACED_REG,  /* its value is in the trace */
	TRACED_NUM,  /* `num` */
};

struct traced_word {
	uint32_t from, len; /* in the text */
	uint8_t kind;       /* enum traced_kind */
	uint8_t reg;        /* of a register: its number, regs.h */
	uint64_t value;     /* of a number */
};

/* Zero-initialise; free p with mem_free. */
struct traced_words {
	struct traced_word *p;
	size_t n, cap;
};

/*
 * Appends the words of the instruction to w, and their text, with a blank behind each, to the text.
 * Those of instructions without text are none.
 */
void traced_insn(struct buf *text, struct traced_words *w, const struct insn *i,
	const struct normalise_ref *ref, enum arch a);

/* The words of the code of one record. Zero-initialise. */
struct traced_text {
	struct buf text; /* all words, a blank behind each */
	struct traced_words words;
	size_t *end;    /* words up to the end of each instruction that has some; n of them */
	uint32_t *insn; /* which instruction of the record it is */
	size_t n, cap;
	size_t regs; /* words that are registers: so many values has a trace of these instructions
		      */
	size_t bad;  /* instructions that do not decode, or not to as many bytes as len says */
};

/* As normalise_code: of the first max_insns instructions (0: of all) that have text. */
void traced_code(struct traced_text *t, struct insn_decoder *d, const struct u8s *code,
	const struct u8s *len, const struct refs *refs, size_t max_insns);
void traced_text_free(struct traced_text *t);

#endif
