/*
 * debug_dwarf.c: see debug_dwarf.h; DWARF 5, sections 3.1 (units), 3.3 (functions, inlined ones)
 * and 6.2 (lines).
 *
 * Whatever a file says, no entry is looked at more often than the file has bytes.
 */
#include "code/debug_dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "code/debug.h"
#include "code/debug_separate.h"

enum { DEPTH_MAX = 200 }; /* of nested entries */

struct row {
	struct debug_row r;
	uint32_t order; /* as it came; ends come first */
	bool end;
};

struct collector {
	const struct elf *elf;
	uint64_t budget; /* entries that may still be looked at */
	bool has_files;  /* the unit has a table of files; libdw ends the process if it is asked */
	const char *primary; /* what file 0 is there; NULL before DWARF 5, where 0 is no file */
	struct debug_function *functions;
	struct row *rows;
	struct debug_inline *inlines;
	struct debug_unit *units;
	size_t nfunctions, nrows, ninlines, nunits;
	size_t cap_functions, cap_rows, cap_inlines, cap_units;
	struct map texts; /* text to its place in text */
	struct buf text;
	const char *last; /* the last text looked up, as a pointer of libdw, and its place */
	uint32_t last_at;
};

static uint32_t text_of(struct collector *c, const char *s)
{
	struct map_entry *e;
	bool made;

	if (!s || !*s)
		return 0;
	if (s == c->last)
		return c->last_at;
	e = map_put(&c->texts, s, strlen(s), &made);
	if (made) {
		if (c->text.n + e->n >= UINT32_MAX)
			return 0;
		e->value = c->text.n;
		buf_put(&c->text, s, e->n + 1);
	}
	c->last = s;
	c->last_at = (uint32_t)e->value;
	return c->last_at;
}

static bool is_code(const struct collector *c, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(c->elf, addr);

	return addr && s && s->exec;
}

/* ---- lines ---- */

static void add_row(struct collector *c, Dwarf_Line *line)
{
	struct row r = {.order = (uint32_t)c->nrows};
	Dwarf_Addr addr;
	int number = 0;

	if (dwarf_lineaddr(line, &addr) < 0 || dwarf_lineendsequence(line, &r.end) < 0)
		return;
	if (!is_code(c, r.end ? addr - 1 : addr))
		return; /* of code that the linker left out */
	r.r.addr = addr;
	if (!r.end && dwarf_lineno(line, &number) == 0 && number > 0) {
		r.r.line = (uint32_t)number;
		r.r.file = text_of(c, dwarf_linesrc(line, NULL, NULL));
	}
	c->rows = mem_grow(c->rows, &c->cap_rows, c->nrows + 1, sizeof(*c->rows));
	c->rows[c->nrows++] = r;
}

static void add_rows(struct collector *c, Dwarf_Die *unit)
{
	Dwarf_Lines *lines;
	size_t n;

	if (dwarf_getsrclines(unit, &lines, &n) < 0)
		return;
	for (size_t i = 0; i < n && c->nrows < UINT32_MAX; i++)
		add_row(c, dwarf_onesrcline(lines, i));
}

/* An end is of a sequence before the address, so it comes before what starts there. */
static int rows_by_address(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->r.addr != y->r.addr)
		return x->r.addr < y->r.addr ? -1 : 1;
	if (x->end != y->end)
		return x->end ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Of rows of one address only the last one counts; a row that changes nothing is not needed. */
static void settle_rows(struct collector *c)
{
	size_t n = 0;

	if (c->nrows)
		qsort(c->rows, c->nrows, sizeof(*c->rows), rows_by_address);
	for (size_t i = 0; i < c->nrows; i++) {
		const struct debug_row *r = &c->rows[i].r;

		if (i + 1 < c->nrows && c->rows[i + 1].r.addr == r->addr)
			continue;
		if (n && c->rows[n - 1].r.line == r->line && c->rows[n - 1].r.file == r->file)
			continue;
		c->rows[n++] = c->rows[i];
	}
	c->nrows = n;
}

/* ---- functions ---- */

static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &a) ||
		dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &a))
		return dwarf_formstring(&a);
	return dwarf_diename(die);
}

static void add_function(struct collector *c, struct debug_function f)
{
	c->functions =
		mem_grow(c->functions, &c->cap_functions, c->nfunctions + 1, sizeof(*c->functions));
	c->functions[c->nfunctions++] = f;
}

static void add_inline(struct collector *c, struct debug_inline i)
{
	c->inlines = mem_grow(c->inlines, &c->cap_inlines, c->ninlines + 1, sizeof(*c->inlines));
	c->inlines[c->ninlines++] = i;
}

/* The file an entry is declared in, or NULL. libdw takes file 0 for none in every version of DWARF.
 */
static const char *decl_file(const struct collector *c, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Word file;

	if (!c->has_files || !dwarf_attr_integrate(die, DW_AT_decl_file, &a) ||
		dwarf_formudata(&a, &file) < 0)
		return NULL;
	return file ? dwarf_decl_file(die) : c->primary;
}

/* A function, or one that was inlined at this depth (0: it was not), with all its ranges. */
static void add_ranges(struct collector *c, Dwarf_Die *die, uint32_t unit, unsigned depth)
{
	struct debug_function f = {.unit = unit};
	Dwarf_Addr base = 0, start, end;
	ptrdiff_t at = 0;
	bool any = false;
	int line;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0 && c->budget) {
		c->budget--;
		if (end <= start || !is_code(c, start))
			continue;
		if (!any && !depth) {
			f.file = text_of(c, decl_file(c, die));
			f.line = dwarf_decl_line(die, &line) == 0 && line > 0 ? (uint32_t)line : 0;
		}
		if (!any)
			f.name = text_of(c, linkage_name(die));
		any = true;
		f.addr = start;
		f.end = end;
		if (depth)
			add_inline(c, (struct debug_inline){start, end, f.name, depth});
		else
			add_function(c, f);
	}
}

/* Whether code can be below an entry. */
static bool may_hold_code(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_variant_part:
	case DW_TAG_interface_type: return true;
	default: return false;
	}
}

/* All entries below `die`; depth counts what is nested, inlined what is inlined there. */
static void walk(
	struct collector *c, Dwarf_Die *die, uint32_t unit, unsigned depth, unsigned inlined)
{
	Dwarf_Die child;

	if (depth >= DEPTH_MAX || dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);
		unsigned in = tag == DW_TAG_subprogram ? 0 : inlined;

		if (!c->budget)
			return;
		c->budget--;
		if (!may_hold_code(tag))
			continue;
		if (tag == DW_TAG_inlined_subroutine)
			in++;
		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine)
			add_ranges(c, &child, unit, in);
		walk(c, &child, unit, depth + 1, in);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static int functions_by_address(const void *a, const void *b)
{
	const struct debug_function *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static int inlines_by_address(const void *a, const void *b)
{
	const struct debug_inline *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* ---- units ---- */

static const char *language(int number)
{
	switch (number) {
	case DW_LANG_C89: return "C89";
	case DW_LANG_C: return "C";
	case DW_LANG_C99: return "C99";
	case DW_LANG_C11: return "C11";
	case DW_LANG_C_plus_plus: return "C++";
	case DW_LANG_C_plus_plus_03: return "C++03";
	case DW_LANG_C_plus_plus_11: return "C++11";
	case DW_LANG_C_plus_plus_14: return "C++14";
	case DW_LANG_ObjC: return "Objective-C";
	case DW_LANG_ObjC_plus_plus: return "Objective-C++";
	case DW_LANG_Ada83:
	case DW_LANG_Ada95: return "Ada";
	case DW_LANG_Fortran77:
	case DW_LANG_Fortran90:
	case DW_LANG_Fortran95:
	case DW_LANG_Fortran03:
	case DW_LANG_Fortran08: return "Fortran";
	case DW_LANG_D: return "D";
	case DW_LANG_Go: return "Go";
	case DW_LANG_Rust: return "Rust";
	case DW_LANG_Swift: return "Swift";
	case DW_LANG_Haskell: return "Haskell";
	case DW_LANG_OCaml: return "OCaml";
	case DW_LANG_Pascal83: return "Pascal";
	case DW_LANG_Modula2: return "Modula-2";
	case DW_LANG_OpenCL: return "OpenCL";
	case DW_LANG_Mips_Assembler: return "assembler";
	default: return "";
	}
}

static void add_unit(struct collector *c, Dwarf_Die *die)
{
	struct debug_unit u = {
		.name = text_of(c, dwarf_diename(die)),
		.language = text_of(c, language(dwarf_srclang(die))),
	};
	Dwarf_Attribute a;

	if (dwarf_attr(die, DW_AT_producer, &a))
		u.producer = text_of(c, dwarf_formstring(&a));
	c->units = mem_grow(c->units, &c->cap_units, c->nunits + 1, sizeof(*c->units));
	c->units[c->nunits++] = u;
}

static void add_units(struct collector *c, Dwarf *dw)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	Dwarf_Files *files;
	size_t nfiles;
	Dwarf_Half version;
	uint8_t type;

	while (dwarf_get_units(dw, cu, &cu, &version, &type, &die, &split) == 0 && c->budget) {
		c->budget--;
		if (dwarf_tag(&die) != DW_TAG_compile_unit &&
			dwarf_tag(&die) != DW_TAG_skeleton_unit)
			continue;
		add_rows(c, &die);
		if (type == DW_UT_skeleton && dwarf_tag(&split) == DW_TAG_compile_unit)
			die = split;
		add_unit(c, &die);
		c->has_files = dwarf_getsrcfiles(&die, &files, &nfiles) == 0;
		c->primary = c->has_files && version >= 5 && nfiles
				     ? dwarf_filesrc(files, 0, NULL, NULL)
				     : NULL;
		walk(c, &die, (uint32_t)c->nunits - 1, 0, 0);
	}
}

/* ---- relocatable files ---- */

/* Bytes of an address or offset that a relocation of this type puts somewhere; 0: another kind. */
static unsigned absolute(unsigned machine, unsigned type)
{
	static const struct {
		uint16_t machine, type, size;
	} known[] = {
		{EM_X86_64, R_X86_64_64, 8},
		{EM_X86_64, R_X86_64_32, 4},
		{EM_386, R_386_32, 4},
		{EM_AARCH64, R_AARCH64_ABS64, 8},
		{EM_AARCH64, R_AARCH64_ABS32, 4},
		{EM_ARM, R_ARM_ABS32, 4},
		{EM_MIPS, R_MIPS_32, 4},
	};

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (known[i].machine == machine && known[i].type == type)
			return known[i].size;
	}
	return 0;
}

static uint64_t get_number(const uint8_t *p, unsigned size, bool big)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << 8 * (big ? size - 1 - i : i);
	return v;
}

static void put_number(uint8_t *p, unsigned size, bool big, uint64_t v)
{
	for (unsigned i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> 8 * (big ? size - 1 - i : i));
}

/* Applies one table of relocations to a section of debugging information. */
static void relocate(struct collector *c, Elf *e, Elf_Scn *table, const GElf_Shdr *h)
{
	Elf_Scn *to = elf_getscn(e, h->sh_info);
	Elf_Data *bytes, *relocs = elf_getdata(table, NULL);
	GElf_Shdr th;
	GElf_Ehdr eh;
	size_t n;

	if (!to || !gelf_getshdr(to, &th) || (th.sh_flags & SHF_ALLOC) || !gelf_getehdr(e, &eh))
		return;
	if ((th.sh_flags & SHF_COMPRESSED) && elf_compress(to, 0, 0) < 0)
		return;
	bytes = elf_getdata(to, NULL);
	if (!bytes || !bytes->d_buf || !relocs || !h->sh_entsize)
		return;
	n = relocs->d_size / h->sh_entsize;
	for (size_t i = 0; i < n; i++) {
		bool big = eh.e_ident[EI_DATA] == ELFDATA2MSB;
		GElf_Rela r = {0};
		GElf_Rel rel;
		unsigned size;
		uint8_t *p;

		if (h->sh_type == SHT_RELA ? !gelf_getrela(relocs, (int)i, &r)
					   : !gelf_getrel(relocs, (int)i, &rel))
			return;
		if (h->sh_type == SHT_REL)
			r = (GElf_Rela){rel.r_offset, rel.r_info, 0};
		size = absolute(eh.e_machine, (unsigned)GELF_R_TYPE(r.r_info));
		if (!size || bytes->d_size < size || r.r_offset > bytes->d_size - size ||
			GELF_R_SYM(r.r_info) >= c->elf->nsymbols)
			continue;
		p = (uint8_t *)bytes->d_buf + r.r_offset;
		if (h->sh_type == SHT_REL)
			r.r_addend = (GElf_Sxword)get_number(p, size, big);
		put_number(p, size, big,
			c->elf->symbols[GELF_R_SYM(r.r_info)].addr + (uint64_t)r.r_addend);
	}
}

static void relocate_all(struct collector *c, Elf *e)
{
	Elf_Scn *s = NULL;
	GElf_Shdr h;

	while ((s = elf_nextscn(e, s))) {
		if (gelf_getshdr(s, &h) && (h.sh_type == SHT_RELA || h.sh_type == SHT_REL))
			relocate(c, e, s, &h);
	}
}

/* ---- files ---- */

/* Bytes of debugging information when it is unpacked; 0 when there is none. */
static uint64_t information(Elf *e)
{
	Elf_Scn *s = NULL;
	GElf_Shdr h;
	size_t names;
	uint64_t n = 0;

	if (!e || elf_getshdrstrndx(e, &names) < 0)
		return 0;
	while ((s = elf_nextscn(e, s))) {
		const char *name = gelf_getshdr(s, &h) ? elf_strptr(e, names, h.sh_name) : NULL;
		GElf_Chdr packed;

		if (!name || h.sh_type == SHT_NOBITS || strncmp(name, ".debug_", 7))
			continue;
		if ((h.sh_flags & SHF_COMPRESSED) && gelf_getchdr(s, &packed))
			h.sh_size = packed.ch_size;
		n += h.sh_size;
	}
	return n;
}

static bool has_information(Elf *e)
{
	return information(e) > 0;
}

static void collect(struct collector *c, Elf *e, Dwarf *dw)
{
	c->budget = information(e);
	add_units(c, dw);
	settle_rows(c);
	if (c->nfunctions)
		qsort(c->functions, c->nfunctions, sizeof(*c->functions), functions_by_address);
	if (c->ninlines)
		qsort(c->inlines, c->ninlines, sizeof(*c->inlines), inlines_by_address);
}

static void put_all(const struct collector *c, struct buf *out)
{
	struct debug_head h = {c->nfunctions, c->nrows, c->ninlines, c->nunits, c->text.n};

	buf_put(out, &h, sizeof(h));
	if (c->nfunctions)
		buf_put(out, c->functions, c->nfunctions * sizeof(*c->functions));
	for (size_t i = 0; i < c->nrows; i++)
		buf_put(out, &c->rows[i].r, sizeof(c->rows[i].r));
	if (c->ninlines)
		buf_put(out, c->inlines, c->ninlines * sizeof(*c->inlines));
	if (c->nunits)
		buf_put(out, c->units, c->nunits * sizeof(*c->units));
	buf_put(out, c->text.p, c->text.n);
}

int debug_dwarf_read(
	const struct elf *f, const char *path, const char *folder, struct buf *out, struct err *e)
{
	struct collector c = {.elf = f};
	uint8_t *copy = f->object ? mem_alloc(f->n, 1) : NULL; /* relocations change it */
	Elf *own, *other = NULL, *use;
	Dwarf *dw = NULL;
	int fd = -1, r = 0;

	elf_version(EV_CURRENT);
	if (copy)
		memcpy(copy, f->p, f->n);
	use = own = elf_memory((char *)(copy ? copy : f->p), f->n);
	if (!information(own) && folder && !f->object) {
		use = other = debug_separate_open(own, path, folder, has_information, &fd);
	}
	buf_putc(&c.text, 0);
	if (information(use)) {
		if (f->object)
			relocate_all(&c, own);
		dw = dwarf_begin_elf(use, DWARF_C_READ, NULL);
		if (dw)
			collect(&c, use, dw);
		if (!c.nunits)
			r = err_set(e, "has damaged debugging information");
	}
	if (r == 0)
		put_all(&c, out);
	dwarf_end(dw);
	elf_end(own);
	if (other) {
		elf_end(other);
		close(fd);
	}
	mem_free(copy);
	mem_free(c.functions);
	mem_free(c.rows);
	mem_free(c.inlines);
	mem_free(c.units);
	map_free(&c.texts);
	buf_free(&c.text);
	return r;
}
