/*
 * rules.h: what the text of code says and leaves out, whatever its style: shared by normalise.c and
 * traced.c.
 */
#ifndef RULES_H
#define RULES_H

#include "text/normalise.h"

/* Instructions that compute nothing, hints and padding. */
bool rules_has_no_text(const struct insn *i);
/* It may reach a function of another name. */
bool rules_is_branch(const struct insn *i);
/* String instructions: rep means something. movsd and cmpsd are SSE instructions as well. */
bool rules_is_string(const struct insn *i);
/*
 * The operand that a reference to code or data is about, or nops. An operand relative to rip is
 * one anyway; else it is the one with this value; else, in files not yet linked, the one that the
 * linker has to fill in, which is 0.
 */
unsigned rules_address_operand(const struct insn *i, const struct normalise_ref *ref);
/*
 * The immediate. Numbers of two bytes and more are signed, so that -1 is -1 at every width; single
 * bytes, which are often characters, masks and shuffles, are not.
 */
int64_t rules_signed_value(const struct insn_op *op);
/* "dword" for 4 bytes of memory; NULL for what has no name. */
const char *rules_size_name(unsigned size);
/* Characters that are words of their own in expressions, and so in no name. */
bool rules_is_mark(char c);
/*
 * Writes at most NORMALISE_NAME_MAX characters of a name and returns the end. Linkage names have no
 * blanks or commas, but a hostile file may.
 */
char *rules_put_name(char *p, const char *name);

#endif
