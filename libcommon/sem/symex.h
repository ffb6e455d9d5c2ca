/*
 * symex.h: the representative set of a strand or block: one symbolic expression for each output
 * (BinBert section 3.3), as text and as a canonical hash.
 *
 *	register   rcx = -1 add ( 0 Concat rsi [1:0] )
 *	memory     * ( rdi ) = al
 *	branch     0 Concat * ( * ( rbp add -168 ) add 24 ) [1:1] ne 0
 *	call       fprintf ( * ( rbp ) , 4202500 )
 *	jump       rip = * ( 4214784 add ( 8 mul rax ) )
 *
 * What the outputs are and which arguments a call has is said in sem/defuse.h; the grammar is in
 * man 5 bb-sequence. Code is cut behind each call, so that a block with calls has the outputs of
 * its stretches one after another, each over what held at the stretch's start. Calls print the
 * name of an imported function, `func` for code of the same file, or the target's expression.
 * Rip-relative operands get their address from the references; a reference with a name only (in
 * an object file) gets a number above 2^46 made from its name.
 *
 * The hash of an output is made from its kind, its register or address, and the canonical hash of
 * its value: widths count, so equal hashes mean more than equal texts. Equal hashes of different
 * meanings are an accident of 2^-64.
 *
 * Bounded: the pool of expressions, the nodes of one expression as a tree (SYMEX_NODES) and the
 * text of one run (SYMEX_TEXT). What does not fit is dropped and counted.
 */
#ifndef SYMEX_H
#define SYMEX_H

#include "code/insn.h"
#include "formats/refs.h"
#include "sem/defuse.h"

enum { SYMEX_NODES = 1000, SYMEX_TEXT = 4 << 20 };

struct symex_output {
	const char *text; /* one expression, terminated */
	uint64_t hash;
	enum defuse_kind kind;
	unsigned reg;             /* DEFUSE_REG: as in struct defuse_output */
	const struct expr *value; /* as in struct defuse_output; NULL before the last stretch */
};

struct symex;

/* One for each thread. */
struct symex *symex_new(void);
void symex_free(struct symex *x);
/* From now on the code is of this processor; x86-64 before the first call. */
void symex_use(struct symex *x, const struct processor *cpu);
/* The pool of the outputs' values. */
struct expr_pool *symex_pool(struct symex *x);
/*
 * What outputs show as text and hash is what f returns for a value or address: an expression of
 * pool p that is equal to e. NULL: e itself. The field `value` of the outputs stays e.
 */
typedef const struct expr *symex_form(void *ctx, struct expr_pool *p, const struct expr *e);
void symex_set_form(struct symex *x, symex_form *f, void *ctx);
/*
 * Runs n instructions; refs counts them from 0. Returns the number of outputs; *dropped, if not
 * NULL, is how many were left out. The outputs are good until the next run.
 */
size_t symex_run(struct symex *x, const struct insn *insn, size_t n, const struct refs *refs,
	const struct symex_output **out, size_t *dropped);

#endif
