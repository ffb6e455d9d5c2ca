/* image.c: see image.h. */
#include "code/image.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "code/isa.h"
#include "code/names.h"
#include "code/risc_code.h"
#include "code/stubs.h"

enum {
	LOAD_APART = 1 << 20, /* bytes of a file that more than one thread is worth for */
	VENEER_MAX = 16,      /* bytes */
	STUB = 8,             /* bytes; all linkers align stubs to that */
	STUBS_MAX = 1 << 22,  /* bytes of them all */
};

static bool is_executable(const struct image *im, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(im->elf, addr);

	return s && s->exec;
}

/* A call of code in this file; i is the function it is in, or FUNC_NOBODY. */
static struct image_ref call_in(const struct image *im, uint32_t i, uint64_t target)
{
	if (i != (uint32_t)FUNC_NOBODY && im->function[i].target == target)
		return im->function[i];
	return (struct image_ref){.kind = REF_CALL, .target = target};
}

static struct image_ref call_ref(const struct image *im, uint64_t target)
{
	return call_in(im, functions_index(&im->functions, target), target);
}

/* The name of the function that starts at addr, or 0. */
static uint32_t function_name(const struct image *im, uint64_t addr)
{
	return call_ref(im, addr).name;
}

/* Object files do not say what symbols of other files are; loaded ones without a branch are taken
 * for variables. */
static bool is_function(const struct image *im, const struct elf_symbol *s)
{
	return s->type == ELF_FUNC || s->type == ELF_IFUNC ||
	       (s->type == ELF_NOTYPE && !im->elf->object);
}

/*
 * Whether the name is one of the files this will be linked with: a call of it will not show it.
 * That of the others of its archive makes its code what it will be in a program.
 */
static bool is_linked(const struct image *im, const char *name)
{
	return im->linked && map_get(im->linked, name, strlen(name));
}

/* What a GOT slot that is no branch's holds: the address that r, made for its use, names. */
static struct image_ref held(struct image_ref r, bool branch)
{
	if (!branch && (r.kind == REF_DATA || r.kind == REF_CODE))
		r.kind = REF_SLOT;
	return r;
}

/* tables_find's image of what functions are still looked for in has no names. */
static uint32_t symbol_name(const struct image *im, const struct elf_symbol *s)
{
	return im->symbol_name ? im->symbol_name[s - im->elf->symbols] : 0;
}

/* A symbol as what a branch, or a load from its GOT slot, reaches. */
static struct image_ref symbol_ref(
	const struct image *im, const struct elf_symbol *s, uint64_t addend, bool branch)
{
	struct image_ref r = {.name = symbol_name(im, s)};

	if (!s->defined) {
		if (branch && is_linked(im, s->name))
			r.kind = REF_CALL;
		else
			r.kind = branch || is_function(im, s) ? REF_IMPORT : REF_DATA;
		r.no_return = branch && names_no_return(s->name);
		return r;
	}
	r.target = (s->addr + addend) & im->elf->mask;
	if (branch)
		r.no_return = call_ref(im, r.target).no_return || names_no_return(s->name);
	r.kind = branch ? REF_CALL : is_executable(im, r.target) ? REF_CODE : REF_DATA;
	if (im->ignore_symbols && !s->dynamic)
		r.name = function_name(im, r.target);
	else if (addend || !s->name[0] || s->type == ELF_OTHER)
		r.name = image_address(im, r.target).name;
	return r;
}

/* What the relocation of a GOT slot puts there; kind 0 if it is none of ours. */
static struct image_ref slot_ref(const struct image *im, uint64_t slot, bool branch)
{
	const struct elf *f = im->elf;
	const struct elf_reloc *r = elf_reloc_at(f, slot);
	struct image_ref none = {.kind = 0};

	if (!r || r->size != f->word)
		return none;
	if (r->kind == ELF_R_IFUNC)
		return call_ref(im, isa_code(f, (uint64_t)r->addend & f->mask));
	if (r->kind != ELF_R_ADDR)
		return none;
	if (r->sym != ELF_NONE)
		return held(
			symbol_ref(im, &f->symbols[r->sym], (uint64_t)r->addend, branch), branch);
	none = image_address(im, (uint64_t)r->addend & f->mask);
	return branch && none.kind == REF_CODE ? call_ref(im, none.target) : held(none, branch);
}

/* Whether linkers put code before stubs that are of the other instruction set. */
static bool has_veneers(const struct image *im)
{
	return arch_info(im->elf->arch)->other != ARCH_NONE;
}

struct image_ref image_code(const struct image *im, uint64_t target)
{
	struct image_ref r, slot;
	const struct func *u;
	uint64_t stub;
	uint32_t i;

	target = isa_code(im->elf, target);
	i = functions_index(&im->functions, target);
	u = i != (uint32_t)FUNC_NOBODY ? &im->functions.f[i] : NULL;
	r = call_in(im, i, target);
	if (u && (!has_veneers(im) || u->addr != target || u->end - target > VENEER_MAX))
		return r;
	stub = u ? risc_code_stub(im->elf, target) : stubs_slot(im->elf, target);
	slot = stub ? slot_ref(im, stub, true) : (struct image_ref){.kind = 0};
	return slot.kind || !is_executable(im, target) ? slot : r;
}

struct image_ref image_callee(const struct image *im, uint32_t i, uint64_t target)
{
	uint64_t k = (target - im->stubs) / STUB;

	if (i != (uint32_t)FUNC_NOBODY)
		return call_in(im, i, target);
	if (k < im->nstubs && target % STUB == 0 && im->stub[k].kind && !im->linked)
		return im->stub[k];
	return image_code(im, target);
}

/* The address in section s, which may be NULL; object: the map's answer for it. */
static struct image_ref address_in(
	const struct image *im, const struct elf_section *s, uint64_t addr, const uint64_t *object)
{
	struct image_ref r = {.kind = 0};

	if (!s)
		return r;
	r.target = addr;
	r.kind = s->exec ? REF_CODE : REF_DATA;
	if (object)
		r.name = im->symbol_name[*object - 1];
	else if (s->exec)
		r.name = function_name(im, addr);
	return r;
}

struct image_ref image_address(const struct image *im, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(im->elf, addr);

	if (s && s->exec)
		addr = isa_code(im->elf, addr);
	return address_in(im, s, addr, s ? map64_get(&im->objects, addr) : NULL);
}

struct image_ref image_slot(const struct image *im, uint64_t slot, bool branch)
{
	const struct elf_section *s = elf_section_at(im->elf, slot);
	const uint64_t *object = s ? map64_get(&im->objects, slot) : NULL;
	struct image_ref r = {.kind = 0};

	/* variables of type pointer have relocations as well; GOT slots are in no symbol */
	if (s && !object && (branch || !s->name[0] || !strncmp(s->name, ".got", 4)))
		r = slot_ref(im, slot, branch);
	if (r.kind)
		return r;
	return s && s->exec ? image_address(im, slot) : address_in(im, s, slot, object);
}

struct image_ref image_reloc(
	const struct image *im, const struct elf_reloc *r, unsigned end, bool branch)
{
	struct image_ref none = {.kind = 0};
	uint64_t addend = (uint64_t)r->addend;

	if (r->sym == ELF_NONE)
		return none;
	if (r->kind == ELF_R_REL)
		addend += risc_ops(im->elf->arch) ? 0 : end;
	else if (r->kind == ELF_R_GOT)
		addend = 0;
	else if (r->kind != ELF_R_ADDR && r->kind != ELF_R_BASE)
		return none;
	return r->kind == ELF_R_GOT
		       ? held(symbol_ref(im, &im->elf->symbols[r->sym], addend, branch), branch)
		       : symbol_ref(im, &im->elf->symbols[r->sym], addend, branch);
}

/* ---- making one ---- */

static void name_functions(struct image *im)
{
	const struct functions *fs = &im->functions;

	im->function = mem_alloc(fs->n, sizeof(*im->function));
	for (size_t i = 0; i < fs->n; i++)
		im->function[i] = (struct image_ref){.kind = REF_CALL,
			.target = fs->f[i].addr,
			.name = name_index_put(&im->names, fs->f[i].name),
			.no_return = fs->f[i].no_return};
}

/* Most symbols are the functions' own. */
static void name_symbols(struct image *im)
{
	const struct elf *f = im->elf;

	im->symbol_name = mem_alloc(f->nsymbols, sizeof(*im->symbol_name));
	for (size_t k = 0; k < f->nsymbols; k++) {
		const struct elf_symbol *s = &f->symbols[k];
		uint32_t i = s->type == ELF_FUNC ? functions_index(&im->functions, s->addr)
						 : (uint32_t)FUNC_NOBODY;

		if (i != (uint32_t)FUNC_NOBODY && im->functions.f[i].name == s->name)
			im->symbol_name[k] = im->function[i].name;
		else
			im->symbol_name[k] = name_index_put(&im->names, s->name);
	}
}

/* Names of variables, for addresses that are exactly theirs. */
static void index_objects(struct image *im)
{
	const struct elf *f = im->elf;

	for (size_t i = 0; i < f->nsymbols; i++) {
		const struct elf_symbol *s = &f->symbols[i];
		uint64_t *v;
		bool made;

		if (!s->defined || s->type != ELF_OBJECT || !s->name[0])
			continue;
		if (im->ignore_symbols && !s->dynamic)
			continue;
		v = map64_put(&im->objects, s->addr, &made);
		if (made || strcmp(s->name, f->symbols[*v - 1].name) < 0)
			*v = i + 1;
	}
}

/* What calls of the stubs of a loaded file reach. */
static void index_stubs(struct image *im)
{
	const struct elf *f = im->elf;
	uint64_t end = 0;

	if (f->object || risc_ops(f->arch))
		return;
	im->stubs = UINT64_MAX;
	for (size_t k = 0; k < f->nsections; k++) {
		const struct elf_section *s = &f->sections[k];

		if (!s->exec || !stubs_section(s))
			continue;
		im->stubs = MIN(im->stubs, s->addr & ~(uint64_t)(STUB - 1));
		end = s->addr + s->size;
	}
	if (end <= im->stubs || end - im->stubs > STUBS_MAX)
		return;
	im->stub = mem_zalloc((end - im->stubs) / STUB, sizeof(*im->stub));
	for (uint64_t k = 0; k < (end - im->stubs) / STUB; k++) {
		uint64_t at = im->stubs + STUB * k;

		if (stubs_slot(f, at) &&
			functions_index(&im->functions, at) == (uint32_t)FUNC_NOBODY)
			im->stub[k] = image_code(im, at);
	}
	im->nstubs = (end - im->stubs) / STUB;
}

/* Reads the file, and makes its digest: two things that take about as long. */
struct load {
	const uint8_t *p;
	size_t n;
	struct elf *elf;
	uint8_t digest[HASH_BYTES];
	struct err *e;
};

static void load(void *ctx, size_t i, unsigned worker)
{
	struct load *l = ctx;

	(void)worker;
	if (i == 0) {
		l->elf = elf_new(l->p, l->n, l->e);
		if (l->elf)
			stubs_find(l->elf);
	} else {
		hash_128(l->p, l->n, l->digest);
	}
}

static void load_all(struct load *l, struct par *par)
{
	if (par && l->n >= LOAD_APART) {
		par_for(par, 2, load, l);
		return;
	}
	load(l, 0, 0);
	if (l->elf)
		load(l, 1, 0);
}

struct image *image_new(
	const uint8_t *p, size_t n, unsigned flags, const struct survey_crew *crew, struct err *e)
{
	struct load l = {.p = p, .n = n, .e = e};
	struct elf *f;
	struct image *im;

	load_all(&l, crew->par);
	f = l.elf;
	if (!f)
		return NULL;
	for (unsigned i = 0; i < (crew->par ? par_threads(crew->par) : 1); i++) {
		if (insn_use(crew->d[i], f->arch) == 0)
			continue;
		elf_free(f);
		err_set(e, "cannot be decoded: no memory");
		return NULL;
	}
	im = mem_zalloc(1, sizeof(*im));
	im->elf = f;
	memcpy(im->digest, l.digest, HASH_BYTES);
	im->ignore_symbols = flags & IMAGE_IGNORE_SYMBOLS;
	isa_find(f, im->ignore_symbols);
	functions_find(&im->functions, f, flags);
	survey_functions(&im->functions, f, crew);
	name_functions(im);
	name_symbols(im);
	index_objects(im);
	index_stubs(im);
	return im;
}

void image_free(struct image *im)
{
	if (!im)
		return;
	functions_free(&im->functions);
	name_index_free(&im->names);
	mem_free(im->function);
	mem_free(im->symbol_name);
	mem_free(im->stub);
	map64_free(&im->objects);
	elf_free(im->elf);
	mem_free(im);
}
