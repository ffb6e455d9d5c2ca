/*
 * image.h: a file ready to be taken apart: its tables, its functions, and what addresses mean.
 *
 * After image_new nothing changes, so any number of threads may use an image.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include "code/name_index.h"
#include "code/survey.h"
#include "formats/refs.h"

/* What an instruction refers to; kind 0: nothing. */
struct image_ref {
	uint64_t target; /* 0 when only the name is known */
	uint32_t name;   /* number in image.names; 0 if there is none */
	uint8_t kind;    /* enum ref_kind */
	bool no_return;  /* a call of it does not come back */
};

struct image {
	struct elf *elf;
	uint8_t digest[HASH_BYTES]; /* XXH3-128 of the file */
	struct functions functions;
	bool ignore_symbols;
	struct name_index names;    /* of functions and symbols */
	struct image_ref *function; /* a call of each function */
	uint32_t *symbol_name;      /* number of each symbol's name */
	struct image_ref *stub;     /* x86: a call of each STUB bytes of what stubs are in, */
	uint64_t stubs, nstubs;     /* from the address `stubs` on; kind 0: not known */
	struct map64 objects;       /* address to 1 + index of the symbol of a variable */
	const struct map *linked; /* names other files define that it will be linked with, or NULL;
				   * set by who knows them */
};

enum { IMAGE_IGNORE_SYMBOLS = FUNCTIONS_IGNORE_SYMBOLS };

/*
 * The image of the n bytes at p, which must stay; the crew is needed now only. It may have no
 * functions. NULL with the reason in e.
 */
struct image *image_new(
	const uint8_t *p, size_t n, unsigned flags, const struct survey_crew *crew, struct err *e);
void image_free(struct image *im);

/* What a direct call or jump to the address reaches: through stubs, by name. */
struct image_ref image_code(const struct image *im, uint64_t target);
/* The same for a target known to be in function i (functions_index), of x86. */
struct image_ref image_callee(const struct image *im, uint32_t i, uint64_t target);
/* What is reached through a pointer at the address: a GOT slot, or a variable. */
struct image_ref image_slot(const struct image *im, uint64_t slot, bool branch);
/* What an address used as a value or as the place of a variable is. */
struct image_ref image_address(const struct image *im, uint64_t addr);
/* What a relocation of an object file means for a branch or for another operand; `end` is the
 * number of bytes from the relocation to the end of the instruction. */
struct image_ref image_reloc(
	const struct image *im, const struct elf_reloc *r, unsigned end, bool branch);

#endif
