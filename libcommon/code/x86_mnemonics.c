/*
 * x86_mnemonics.c: see x86_mnemonics.h.
 */
#include "code/x86_mnemonics.h"

#include <stddef.h>

const char *x86_mnemonics_text(unsigned mn)
{
#define TEXT(name, text) text,
	static const char *const texts[X86_MN_COUNT] = {NULL, X86_MN(TEXT)};
#undef TEXT
	return mn < X86_MN_COUNT ? texts[mn] : NULL;
}
