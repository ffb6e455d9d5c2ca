/*
 * normalise.h: machine code and symbolic expressions as the text a model reads; BinBert sections
 * 3.2 and 3.3.
 *
 * Code is Intel syntax with decimal numbers. What depends on where things lie in memory, and what
 * has too many values to learn from, is taken out:
 *
 * - A number whose absolute value is above the threshold is IMM; so is every address: an operand
 *   relative to rip, and an immediate or displacement that refers to code or data.
 * - A jump goes to MEM. A call goes to func, or to the function's name if it is imported,
 *   through the PLT or the GOT, because imported names survive stripping. A jump that leaves the
 *   function (tail call) is written like the call it is: `jmp func`, `jmp exit`.
 * - Indirect calls and jumps stay as they are.
 * - Instructions that compute nothing have no text: nop in all forms, endbr64, endbr32. So have
 *   the prefixes bnd, notrack, and rep before anything but a string instruction. Alignment and
 *   control-flow marks depend on the compiler's options, not on what the code means.
 *
 * Other architectures have the syntax of their assemblers, without #; where an instruction refers
 * to code or data, all its numbers are IMM.
 *
 * Expressions are in the language of bb-sequence(5). Numbers above the threshold are IMM, floating
 * point numbers keep two decimals, and a part of a general register has the name of the whole.
 */
#ifndef NORMALISE_H
#define NORMALISE_H

#include "base/buf.h"
#include "code/insn.h"
#include "formats/refs.h"

enum {
	NORMALISE_THRESHOLD = 5000, /* the paper's */
	NORMALISE_WORD_MAX = 100,   /* of characters; a longer word is [UNK] */
	NORMALISE_NAME_MAX = 101,   /* bytes of a name that are kept */
};

/*
 * Where the blanks are. Tokens never cross a blank, so this decides how long a sequence gets.
 * Words: size, base and displacement of a memory operand are words, mov eax, dword [rbp -168], so
 * that an offset is the same token whatever register it is from: compilers choose registers
 * freely, but not the layout of a struct. (Whole operands as words make sequences a sixth shorter,
 * but of the functions of an O0 build plain token sets then found 56 instead of 60 of 100 in an
 * O3 build.) In expressions registers and numbers are words of their own, *( rbp add 8 ), so that
 * both languages share their tokens; brackets in a row are one.
 * Paper: mov eax, dword ptr [rbp - 168] and *(rbp add 8), for people.
 */
enum normalise_style { NORMALISE_WORDS, NORMALISE_PAPER };

struct normalise_opts {
	uint64_t threshold; /* NORMALISE_THRESHOLD */
	enum normalise_style style;
};

/* What an instruction refers to, as far as its text depends on it. */
struct normalise_ref {
	const char *import; /* name of the imported function it reaches, or NULL */
	bool func;          /* calls or jumps to another function of this file */
	bool data;          /* an operand is an address in this file: */
	uint64_t addr;      /* this one */
};

/*
 * The reference of instruction `insn`. *at, 0 at first, walks along the references: ask for the
 * instructions of a record in ascending order.
 */
struct normalise_ref normalise_ref(const struct refs *r, size_t *at, size_t insn);

/* Appends the text of the instruction; nothing for those without. No blank at the end. */
void normalise_insn(struct buf *b, const struct insn *i, const struct normalise_ref *ref,
	const struct normalise_opts *o);

/* Appends the expression, normalised. No blank at the end. */
void normalise_expr(struct buf *b, const char *expr, const struct normalise_opts *o);

/* The text of the code of one record. Zero-initialise. */
struct normalise_text {
	struct buf text; /* of all instructions, one after another, nothing between them */
	size_t *end;     /* end of each instruction's text; n of them */
	uint32_t *insn;  /* which instruction of the record it is */
	size_t n, cap;
	size_t bad;      /* instructions that do not decode, or not to as many bytes as len says */
	struct buf expr; /* scratch */
};

/*
 * Puts the text of the first max_insns instructions (0: of all) that have some into t, which is
 * emptied first. What does not decode has no text: data between code is part of real functions.
 */
void normalise_code(struct normalise_text *t, struct insn_decoder *d, const struct u8s *code,
	const struct u8s *len, const struct refs *refs, size_t max_insns,
	const struct normalise_opts *o);

/*
 * The same of a unit that has no code but expressions, as bb-join writes: the first max (0: all)
 * stand where instructions do. Without blanks an expression is one word (of NORMALISE_WORD_MAX
 * characters; what is left is the next), so a vocabulary learnt from such units has tokens for
 * whole values that programs compute often, and sequences are a fifth as long. Paper style keeps
 * the blanks, for people.
 */
void normalise_exprs(struct normalise_text *t, const struct texts *exprs, size_t max,
	const struct normalise_opts *o);
void normalise_text_free(struct normalise_text *t);

#endif
