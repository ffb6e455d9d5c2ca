/*
 * arch.c: the same questions to the same source, compiled by clang and linked by lld for each
 * architecture bb knows: functions with and without symbols, what calls and loads reach, the graph
 * of a switch, text.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "code/body.h"
#include "code/codeseq.h"
#include "tests/input.h"
#include "tests/unit.h"

static char folder[] = "/tmp/bb-arch-XXXXXX";

static const char source[] =
	"extern int puts(const char *), printf(const char *, ...);\n"
	"extern void abort(void) __attribute__((noreturn));\n"
	"extern int elsewhere;\n"
	"__attribute__((visibility(\"hidden\"))) int counter = 3;\n"
	"__attribute__((noinline)) static int local(int x) { counter += x; return counter + 1; }\n"
	"int visible(int x) { return x > 2 ? local(x) * 3 : local(x + 1) + 2; }\n"
	"void *pointer(void) { return (void *)local; }\n"
	"int hello(const char *s) { if (!s) abort(); puts(s); return elsewhere; }\n"
	"int tail(const char *s) { return puts(s); }\n"
	"int choose(int x, int y) { switch (x) { case 0: return local(1); case 1: puts(\"a\"); "
	"break;\n"
	"case 2: return 7; case 3: return printf(\"%d\", y); case 4: abort(); case 5: return x * "
	"y;\n"
	"case 6: return local(y) * 5; case 7: y = local(y + 3); break; }\n"
	"return y; }\n"
	"int loop(int *p, int n) { int s = 0; for (int i = 0; i < n; i++) s += p[i] * local(i);\n"
	"return s; }\n";

static struct input compile(const char *target, const char *options)
{
	struct buf b = {0};
	struct input in;
	FILE *f;

	buf_printf(&b, "%s/x.c", folder);
	f = fopen(buf_text(&b), "w");
	CHECK(f && fputs(source, f) >= 0 && fclose(f) == 0);
	buf_reset(&b);
	buf_printf(&b, "clang-14 --target=%s -nostdlib -ffreestanding %s %s -o %s/x %s/x.c", target,
		strstr(options, "-c") ? "" : "-fuse-ld=lld -Wl,--entry=0", options, folder, folder);
	CHECK(system(buf_text(&b)) == 0);
	buf_reset(&b);
	buf_printf(&b, "%s/x", folder);
	in = load(buf_text(&b));
	buf_free(&b);
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

static bool refers(const struct body *b, enum ref_kind kind, const char *name)
{
	for (size_t i = 0; i < b->nrefs; i++) {
		const char *n = b->ref_name[i] ? b->names[b->ref_name[i] - 1] : "";

		if (b->ref_kind[i] == kind && !strcmp(n, name))
			return true;
	}
	return false;
}

/* Position-independent code may find it in a slot. */
static bool refers_data(const struct body *b, enum ref_kind kind, const char *name)
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
	CHECK(sum == b->ncode);
	return true;
}

static struct function_walk walk(const struct body *b)
{
	return function_edges((struct u32s){b->cfg.exits, b->cfg.nblocks},
		(struct i32s){b->cfg.jumps, b->cfg.njumps});
}

static size_t edges(const struct body *b, enum edge_kind kind)
{
	struct function_walk w = walk(b);
	struct function_edge e;
	size_t n = 0;

	while (function_next(&w, &e))
		n += e.kind == kind;
	return n;
}

/* All of it can be printed. */
static void prints(struct insn_decoder *d, const struct body *b)
{
	struct buf text = {0};
	size_t bad = 0, n = 0;

	for (size_t i = 0, at = 0; i < b->ninsns; at += b->len[i++]) {
		struct insn insn;

		if (codeseq_is_data(insn_used(d), b->len[i]))
			continue;
		n++;
		if (insn_decode(d, b->code + at, b->len[i], &insn) == 1)
			insn_print(&text, &insn, 0x1000 + at);
		else
			bad++;
	}
	CHECK(n && text.n > 4 * n);
	CHECK(bad == 0);
	buf_free(&text);
}

static void questions(struct insn_decoder *d, const struct image *im, bool optimised)
{
	struct body b = {0};

	if (build(&b, d, im, "hello")) {
		CHECK(refers(&b, REF_IMPORT, "puts"));
		CHECK(refers(&b, REF_IMPORT, "abort"));
		/* nobody says that it is a variable */
		CHECK(!optimised ||
			refers_data(&b, im->elf->object ? REF_DATA : REF_IMPORT, "elsewhere"));
		CHECK(b.cfg.nblocks >= 3);
		prints(d, &b);
	}
	if (build(&b, d, im, "visible")) {
		CHECK(refers(&b, REF_CALL, "local"));
		CHECK(edges(&b, EDGE_JUMP) >= 1);
	}
	if (build(&b, d, im, "local"))
		CHECK(refers_data(&b, REF_DATA, "counter"));
	if (build(&b, d, im, "pointer"))
		CHECK(refers_data(&b, REF_CODE, "local"));
	if (build(&b, d, im, "choose")) {
		CHECK(edges(&b, EDGE_TABLE) >= 7);
		CHECK(refers(&b, REF_IMPORT, "printf"));
		prints(d, &b);
	}
	if (build(&b, d, im, "loop")) {
		struct function_walk w = walk(&b);
		struct function_edge e;
		bool back = false;

		while (function_next(&w, &e))
			back = back || (e.kind == EDGE_JUMP && e.to <= e.from);
		CHECK(back);
	}
	if (optimised && build(&b, d, im, "tail"))
		CHECK(refers(&b, REF_IMPORT, "puts"));
	body_free(&b);
}

/* Functions found without symbols are the same. */
static void stripped(const struct image *im, const struct image *bare)
{
	size_t lost = 0, more = 0;

	for (size_t i = 0; i < im->functions.n; i++) {
		const struct func *f = &im->functions.f[i];
		const struct func *g = functions_at(&bare->functions, f->addr);

		lost += !g || g->addr != f->addr;
	}
	for (size_t i = 0; i < bare->functions.n; i++) {
		const struct func *g = &bare->functions.f[i];
		const struct func *f = functions_at(&im->functions, g->addr);

		more += !f || f->addr != g->addr;
	}
	CHECK(lost == 0);
	CHECK(more == 0);
}

static void ask(const char *target, const char *options, enum arch arch)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct input in = compile(target, options);
	unsigned long before = unit_failed;
	struct err e;
	struct image *im = image_new(in.p, in.n, 0, &(struct survey_crew){&d, NULL}, &e), *bare;

	CHECK(im != NULL);
	if (im) {
		CHECK(im->elf->arch == arch);
		questions(d, im, !strstr(options, "-O0"));
		bare = image_new(
			in.p, in.n, IMAGE_IGNORE_SYMBOLS, &(struct survey_crew){&d, NULL}, &e);
		CHECK(bare != NULL);
		if (bare && !im->elf->object)
			stripped(im, bare);
		image_free(bare);
		image_free(im);
	}
	if (unit_failed > before)
		fprintf(stderr, "  these with --target=%s %s\n", target, options);
	insn_close(d);
	mem_free(in.p);
}

int main(void)
{
	static const struct {
		const char *target;
		enum arch arch;
		bool no_pic;      /* also asked of code that is not position-independent */
		bool unoptimised; /* also at -O0, with the GOT's address not only on the stack */
		bool no_link;     /* lld does not know it */
	} rows[] = {
		{"x86_64-linux-gnu", ARCH_X86_64, true, true, false},
		{"i386-linux-gnu", ARCH_I386, true, true, false},
		{"aarch64-linux-gnu", ARCH_AARCH64, true, true, false},
		{"arm-linux-gnueabihf -march=armv7-a -mthumb", ARCH_ARM, true, true, false},
		{"arm-linux-gnueabihf -march=armv7-a -marm", ARCH_ARM, true, true, false},
		{"armeb-linux-gnueabihf -march=armv7-a -mthumb", ARCH_ARMEB, true, false, true},
		{"armeb-linux-gnueabihf -march=armv7-a -marm", ARCH_ARMEB, true, false, true},
		{"mips-linux-gnu", ARCH_MIPS, false, false, false},
		{"mipsel-linux-gnu", ARCH_MIPSEL, false, false, false},
	};
	struct buf command = {0};

	CHECK(mkdtemp(folder) != NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!rows[i].no_link)
			ask(rows[i].target, "-O2 -fPIC -shared", rows[i].arch);
		if (rows[i].unoptimised)
			ask(rows[i].target, "-O0 -fPIC -shared", rows[i].arch);
		ask(rows[i].target, "-O1 -fPIC -c", rows[i].arch);
		if (rows[i].no_pic)
			ask(rows[i].target, "-O2 -fno-pic -c", rows[i].arch);
	}
	buf_printf(&command, "rm -r %s", folder);
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	return unit_done();
}
