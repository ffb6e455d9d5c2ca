/*
 * elf.c: tables, functions and references of files that the compiler makes here, of this program
 * itself, and what is said of files that are none.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "code/body.h"
#include "tests/input.h"
#include "tests/unit.h"

static char folder[] = "/tmp/bb-elf-XXXXXX";

static const char source[] =
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"int counter = 3;\n"
	"static int table[4] = {1, 2, 3, 4};\n"
	"__attribute__((noinline)) int local(int x) { counter += x; return table[x & 3] + 1; }\n"
	"int visible(int x) { return x > 2 ? local(x) * 3 : local(x + 1) + 2; }\n"
	"void *pointer(void) { return (void *)local; }\n"
	"void hello(const char *s) { if (!s) abort(); puts(s); fputs(s, stderr); }\n"
	"int tail(const char *s) { return puts(s); }\n"
	"int main(int argc, char **argv) { hello(argv[0]); return visible(argc); }\n";

/* Compiles the source with the options; empty when that fails. */
static struct input compile(const char *options)
{
	struct buf command = {0}, path = {0};
	const char *cc = getenv("CC");
	FILE *f;
	struct input in = {0};

	buf_printf(&path, "%s/x.c", folder);
	f = fopen(buf_text(&path), "w");
	CHECK(f && fputs(source, f) >= 0 && fclose(f) == 0);
	buf_printf(&command, "%s %s -o %s/x %s/x.c", cc ? cc : "cc", options, folder, folder);
	CHECK(system(buf_text(&command)) == 0);
	buf_reset(&path);
	buf_printf(&path, "%s/x", folder);
	in = load(buf_text(&path));
	buf_free(&path);
	buf_free(&command);
	return in;
}

static const struct func *find(const struct image *im, const char *name)
{
	for (size_t i = 0; i < im->functions.n; i++) {
		if (!strcmp(im->functions.f[i].name, name))
			return &im->functions.f[i];
	}
	return NULL;
}

/* Whether the function has a reference of the kind with the name. */
static bool refers(struct body *b, enum ref_kind kind, const char *name)
{
	for (size_t i = 0; i < b->nrefs; i++) {
		const char *n = b->ref_name[i] ? b->names[b->ref_name[i] - 1] : "";

		if (b->ref_kind[i] == kind && !strcmp(n, name))
			return true;
	}
	return false;
}

/* Position-independent code may find it in a slot. */
static bool refers_data(struct body *b, enum ref_kind kind, const char *name)
{
	return refers(b, kind, name) || refers(b, REF_SLOT, name);
}

static bool build(struct body *b, struct insn_decoder *d, const struct image *im, const char *name)
{
	const struct func *f = find(im, name);
	size_t sum = 0;

	CHECK(f != NULL);
	if (!f || body_build(b, d, im, f) < 0)
		return false;
	for (size_t i = 0; i < b->ninsns; i++)
		sum += b->len[i];
	CHECK(sum == b->ncode && b->ncode == f->end - f->addr);
	return true;
}

static void functions_do_not_overlap(const struct image *im)
{
	bool ok = true;

	for (size_t i = 0; i + 1 < im->functions.n; i++)
		ok = ok && im->functions.f[i].end <= im->functions.f[i + 1].addr &&
		     im->functions.f[i].addr < im->functions.f[i].end;
	CHECK(ok);
}

/* The same questions to the same source, however it was compiled. */
static void compiled(const char *options)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct input in = compile(options);
	struct body b = {0};
	struct err e;
	struct image *im = image_new(in.p, in.n, 0, &(struct survey_crew){&d, NULL}, &e);
	bool object = strstr(options, "-c ") != NULL;

	CHECK(im != NULL);
	if (!im) {
		fprintf(stderr, "%s: %s\n", options, e.text);
		return;
	}
	CHECK(im->elf->object == object);
	functions_do_not_overlap(im);
	CHECK(find(im, "puts") == NULL); /* a stub is no function */
	if (build(&b, d, im, "hello")) {
		CHECK(refers(&b, REF_IMPORT, "puts"));
		CHECK(refers(&b, REF_IMPORT, "fputs"));
		CHECK(refers_data(&b, REF_DATA, "stderr"));
		CHECK(refers(&b, REF_SLOT, "stderr") == (strstr(options, "-fPIC") != NULL));
		CHECK(!b.thunk[0]);
		CHECK(b.cfg.nblocks >= 3);
		/* gcc moves the unlikely part away */
		if (!find(im, "hello.cold") || build(&b, d, im, "hello.cold"))
			CHECK(refers(&b, REF_IMPORT, "abort"));
	}
	if (build(&b, d, im, "visible"))
		CHECK(refers(&b, REF_CALL, "local"));
	if (build(&b, d, im, "local"))
		CHECK(refers_data(&b, REF_DATA, "counter"));
	if (build(&b, d, im, "pointer"))
		CHECK(refers_data(&b, REF_CODE, "local"));
	if (strstr(options, "-O2") && build(&b, d, im, "tail"))
		CHECK(!strcmp(b.thunk, "puts"));
	if (strstr(options, "-O0") && build(&b, d, im, "tail"))
		CHECK(!b.thunk[0]);
	body_free(&b);
	image_free(im);
	mem_free(in.p);
	insn_close(d);
}

/* Without symbols the same functions are found, by unwind ranges. */
static void stripped(void)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct input in = compile("-O1 -fno-pie -no-pie");
	struct err e;
	struct image *im = image_new(in.p, in.n, 0, &(struct survey_crew){&d, NULL}, &e);
	struct image *bare =
		image_new(in.p, in.n, IMAGE_IGNORE_SYMBOLS, &(struct survey_crew){&d, NULL}, &e);

	CHECK(im && bare);
	for (size_t i = 0; im && bare && i < im->functions.n; i++) {
		const struct func *f = &im->functions.f[i];
		const struct func *g = functions_at(&bare->functions, f->addr);

		if (f->from & FUNC_FRAME) {
			CHECK(g && g->addr == f->addr && g->end == f->end && !g->name[0]);
		}
	}
	image_free(im);
	image_free(bare);
	insn_close(d);
	mem_free(in.p);
}

static void this_program(void)
{
	struct input in = load("/proc/self/exe");
	struct err e;
	struct elf *f = elf_new(in.p, in.n, &e);
	size_t n;
	uint64_t v;

	CHECK(f != NULL);
	CHECK(f->nsections > 5 && f->nsymbols > 10 && f->nframes > 5);
	CHECK(elf_section_at(f, f->entry) && elf_section_at(f, f->entry)->exec);
	CHECK(elf_bytes(f, f->entry, &n) != NULL && n > 0);
	CHECK(elf_bytes(f, UINT64_MAX, &n) == NULL && n == 0);
	CHECK(elf_section_at(f, UINT64_MAX - 1) == NULL);
	CHECK(elf_pointer(f, UINT64_MAX - 3, &v) < 0);
	for (size_t i = 0; i + 1 < f->nrelocs; i++) {
		if (f->relocs[i].addr > f->relocs[i + 1].addr)
			CHECK(!"relocations in order");
	}
	CHECK(f->nrelocs && elf_reloc_at(f, f->relocs[0].addr) == &f->relocs[0]);
	elf_free(f);
	mem_free(in.p);
}

/* The file with one change must be refused with words that hold `want`. */
static void refused(struct input in, const char *want)
{
	struct err e = {{0}};
	struct elf *f = elf_new(in.p, in.n, &e);

	CHECK(f == NULL);
	if (!strstr(e.text, want))
		fprintf(stderr, "got '%s', wanted '%s'\n", e.text, want);
	CHECK(strstr(e.text, want) != NULL);
	elf_free(f);
}

/* Whether the file is fine but has no functions. */
static bool has_nothing(struct input in)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct err e;
	struct image *im = image_new(in.p, in.n, 0, &(struct survey_crew){&d, NULL}, &e);
	bool nothing = im && !im->functions.n;

	image_free(im);
	insn_close(d);
	return nothing;
}

static void refusals(void)
{
	struct input in = compile("-c -O1 -fPIC");
	Elf64_Ehdr *h = (Elf64_Ehdr *)in.p, good = *h;
	uint8_t text[] = "#!/bin/sh\n", zstd[] = "\x28\xb5\x2f\xfd and more";

	refused((struct input){text, 0}, "empty");
	refused((struct input){text, sizeof(text)}, "not an ELF file");
	refused((struct input){zstd, sizeof(zstd)}, "bb stream");
	refused((struct input){in.p, 4}, "cut short");
	refused((struct input){in.p, 60}, "cut short");
	refused((struct input){in.p, in.n / 2}, "cut short");
	refused((struct input){in.p, in.n - 1}, "cut short");
	h->e_machine = EM_PPC64;
	refused(in, "PowerPC64");
	h->e_machine = 0xfeed;
	refused(in, "65261");
	*h = good;
	h->e_ident[EI_DATA] = ELFDATA2MSB;
	refused(in, "machine");
	h->e_ident[EI_DATA] = 7;
	refused(in, "damaged");
	*h = good;
	h->e_type = ET_CORE;
	refused(in, "core dump");
	h->e_type = 99;
	refused(in, "type 99");
	*h = good;
	h->e_shoff = UINT64_MAX - 5;
	refused(in, "cut short");
	h->e_shoff = good.e_shoff;
	h->e_shnum = 0xfff0;
	refused(in, "cut short");
	*h = good;
	for (size_t i = 0; i < good.e_shnum; i++)
		((Elf64_Shdr *)(in.p + good.e_shoff))[i].sh_flags &= ~(uint64_t)SHF_EXECINSTR;
	CHECK(has_nothing(in));
	mem_free(in.p);
}

int main(void)
{
	struct buf command = {0};

	CHECK(mkdtemp(folder) != NULL);
	refusals();
	this_program();
	compiled("-c -O0 -fno-pie ");
	compiled("-c -O2 -fPIC ");
	compiled("-c -O2 -fPIC -fno-plt ");
	compiled("-c -O1 -fno-pie -ffunction-sections -fdata-sections ");
	compiled("-O0 -fno-pie -no-pie");
	compiled("-O2 -fno-pie -no-pie -fcf-protection=full");
	compiled("-O2 -fPIE -pie -Wl,-z,now");
	compiled("-O2 -fPIE -pie -fno-plt");
	compiled("-O1 -fPIC -shared");
	compiled("-O2 -fPIC -shared -fno-plt -Wl,-z,lazy");
	stripped();
	buf_printf(&command, "rm -r %s", folder);
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	return unit_done();
}
