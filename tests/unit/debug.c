/*
 * debug.c: tables of debugging information: what is asked of them, damaged bytes; what producers
 * call themselves; work in a process of its own.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/child.h"
#include "code/debug.h"
#include "code/producer.h"
#include "tests/unit.h"

static const char text[] = "\0f\0g\0x.c\0gcc";
enum { F = 1, G = 3, FILE_X = 5, GCC = 9 };

/* Two functions, the second one with g inlined twice, one in the other. */
static struct buf tables(void)
{
	static const struct debug_function functions[] = {
		{0x100, 0x120, F, FILE_X, 3, 0}, {0x120, 0x180, G, FILE_X, 9, 0}};
	static const struct debug_row rows[] = {{0x100, FILE_X, 4}, {0x110, 0, 0},
		{0x118, FILE_X, 6}, {0x120, FILE_X, 10}, {0x180, 0, 0}};
	static const struct debug_inline inlines[] = {{0x130, 0x150, F, 1}, {0x130, 0x140, G, 2}};
	static const struct debug_unit units[] = {{FILE_X, 0, GCC}};
	struct debug_head h = {2, 5, 2, 1, sizeof(text)};
	struct buf b = {0};

	buf_put(&b, &h, sizeof(h));
	buf_put(&b, functions, sizeof(functions));
	buf_put(&b, rows, sizeof(rows));
	buf_put(&b, inlines, sizeof(inlines));
	buf_put(&b, units, sizeof(units));
	buf_put(&b, text, sizeof(text));
	return b;
}

static void questions(void)
{
	struct buf b = tables();
	struct debug d;

	CHECK(debug_open(&d, &b) == 0 && !b.p);
	CHECK(!debug_function_at(&d, 0xff) && !debug_function_at(&d, 0x180));
	CHECK(debug_function_at(&d, 0x100)->name == F && debug_function_at(&d, 0x11f)->name == F);
	CHECK(debug_function_at(&d, 0x120)->name == G);
	CHECK(!debug_row_at(&d, 0xf0, 0x100) && debug_row_at(&d, 0xf0, 0x101)->line == 4);
	CHECK(debug_row_at(&d, 0x10f, 0x110)->line == 4);
	CHECK(!debug_row_at(&d, 0x110, 0x118)); /* nothing is known of it */
	CHECK(debug_row_at(&d, 0x110, 0x119)->line == 6);
	CHECK(debug_row_at(&d, 0x17f, 0x180)->line == 10 && !debug_row_at(&d, 0x180, 0x190));
	CHECK(debug_inline_from(&d, 0x130) == 0 && debug_inline_from(&d, 0x131) == 2);
	debug_free(&d);
}

/* Cut and changed bytes are refused, or asking them does no harm. */
static void damage(void)
{
	struct rng r = rng_new(3, 0);
	size_t n = tables().n, opened = 0;

	for (unsigned i = 0; i < 20000; i++) {
		struct buf b = tables();
		struct debug d;

		if (i < n) {
			b.n = i;
			CHECK(debug_open(&d, &b) < 0 && !d.bytes.p);
			continue;
		}
		b.p[rng_below(&r, n)] = (uint8_t)rng_u32(&r);
		b.p[rng_below(&r, n)] ^= (uint8_t)(1 << rng_below(&r, 8));
		if (debug_open(&d, &b) < 0)
			continue;
		opened++;
		for (uint64_t a = 0xf0; a < 0x190; a += 5) {
			const struct debug_function *f = debug_function_at(&d, a);
			const struct debug_row *row = debug_row_at(&d, a, a + 7);

			if (f && (strlen(d.text + f->name) > 20 || strlen(d.text + f->file) > 20 ||
					 strlen(d.text + d.units[f->unit].producer) > 20))
				CHECK(!"text");
			if (row && strlen(d.text + row->file) > 20)
				CHECK(!"text");
			if (debug_inline_from(&d, a) > d.ninlines)
				CHECK(!"index");
		}
		debug_free(&d);
	}
	CHECK(opened > 1000);
}

static bool says(const char *producer, const char *compiler, const char *level)
{
	struct buf c = {0}, l = {0};
	bool ok;

	producer_compiler(&c, producer);
	producer_level(&l, producer);
	ok = !strcmp(buf_text(&c), compiler) && !strcmp(buf_text(&l), level);
	if (!ok)
		fprintf(stderr, "%s: %s, %s\n", producer, buf_text(&c), buf_text(&l));
	buf_free(&c);
	buf_free(&l);
	return ok;
}

static void producers(void)
{
	CHECK(says("GNU C17 12.2.0 -mtune=generic -march=x86-64 -g -O2", "gcc-12", "O2"));
	CHECK(says("GNU C17 12.2.0 -g -O3 -O1 -fno-plt", "gcc-12", "O1"));
	CHECK(says("GNU C++14 9.4.0 -g -O", "gcc-9", "O1"));
	CHECK(says("GNU C11 10.2.1 20210110 -mtune=generic", "gcc-10", "O0"));
	CHECK(says("GNU GIMPLE 12.2.0 -Ofast -fltrans", "gcc-12", "Ofast"));
	CHECK(says("GNU C 4.8.5 20150623 (Red Hat 4.8.5-44) -Os -m64", "gcc-4", "Os"));
	CHECK(says("GNU AS 2.40", "", ""));
	CHECK(says("Debian clang version 14.0.6", "clang-14", ""));
	CHECK(says("clang version 16.0.0 (https://x/y) /usr/bin/clang -O2 -g", "clang-16", "O2"));
	CHECK(says("clang LLVM (rustc version 1.63.0)", "rustc-1.63", ""));
	CHECK(says("clang version 14.0.6 (rustc version 1.65.0 (897e37553 2022-11-02))",
		"rustc-1.65", ""));
	CHECK(says("LDC 1.30.0 (LLVM 14.0.6)", "ldc-1.30", ""));
	CHECK(says("Go cmd/compile go1.19.8; regabi", "go-1.19", ""));
	CHECK(says("", "", ""));
	CHECK(says("GNU", "", ""));
	CHECK(says("GNU C", "", "O0"));
	CHECK(says("clang version ", "", ""));
	CHECK(says("GNU C 99999999999999999999.1", "", "O0"));
}

/* ---- processes ---- */

static const struct child_limits limits = {.memory = 256 << 20, .output = 1 << 20, .seconds = 1};

static int answer(void *ctx, struct buf *out, struct err *e)
{
	(void)e;
	buf_puts(out, ctx);
	return 0;
}

static int refuse(void *ctx, struct buf *out, struct err *e)
{
	buf_puts(out, "not this");
	return err_set(e, "%s", (const char *)ctx);
}

static int crash(void *ctx, struct buf *out, struct err *e)
{
	(void)out;
	(void)e;
	abort();
	return ctx != NULL;
}

static int hang(void *ctx, struct buf *out, struct err *e)
{
	for (volatile unsigned i = 0;; i++)
		;
	(void)out;
	(void)e;
	return ctx != NULL;
}

static int leave(void *ctx, struct buf *out, struct err *e)
{
	buf_puts(out, ctx);
	(void)e;
	exit(0);
}

static int flood(void *ctx, struct buf *out, struct err *e)
{
	(void)ctx;
	(void)e;
	buf_reserve(out, 2 << 20);
	out->n = 2 << 20;
	return 0;
}

static int swell(void *ctx, struct buf *out, struct err *e)
{
	(void)out;
	if (mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED)
		return err_set(e, "%s", (const char *)ctx);
	return 0;
}

static void children(void)
{
	struct buf out = {0};
	struct err e = {""};

	buf_puts(&out, "kept, ");
	CHECK(child_run(answer, "heard", &limits, &out, &e) == 0);
	CHECK(!strcmp(buf_text(&out), "kept, heard"));
	buf_reset(&out);
	CHECK(child_run(answer, "", &limits, &out, &e) == 0 && out.n == 0);
	CHECK(child_run(refuse, "the reason", &limits, &out, &e) < 0 &&
		!strcmp(e.text, "the reason"));
	CHECK(child_run(crash, NULL, &limits, &out, &e) < 0 && strstr(e.text, "signal 6"));
	CHECK(child_run(hang, NULL, &limits, &out, &e) < 0 && strstr(e.text, "1 second"));
	CHECK(child_run(leave, "x", &limits, &out, &e) < 0 && strstr(e.text, "failed"));
	CHECK(child_run(flood, NULL, &limits, &out, &e) < 0 && strstr(e.text, "failed"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHECK(child_run(swell, "no memory", &limits, &out, &e) < 0 && !strcmp(e.text, "no memory"));
#else
	(void)swell;
#endif
	CHECK(out.n == 0);
	buf_free(&out);
}

int main(void)
{
	questions();
	damage();
	producers();
	children();
	return unit_done();
}
