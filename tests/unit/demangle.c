/*
 * demangle.c: names of the three languages, names that are none, and short ones that stand for
 * texts of any length.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "code/demangle.h"
#include "tests/unit.h"

static struct arena arena;

static bool is(const char *name, const char *want)
{
	const char *got = demangle_name(&arena, name);

	if (strcmp(got, want))
		fprintf(stderr, "%s: %s, not %s\n", name, got, want);
	return !strcmp(got, want);
}

static void names(void)
{
	CHECK(is("_ZN4list4pushEi", "list::push(int)"));
	CHECK(is("_ZNSt6vectorIiSaIiEE9push_backEOi",
		"std::vector<int, std::allocator<int> >::push_back(int&&)"));
	CHECK(is("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"));
	CHECK(is("_ZN4list4pushEi.cold", "list::push(int) [clone .cold]"));
	CHECK(is(
		"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"));
	CHECK(is("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
		 "3bar17h930b740aa94f1d3aE",
		"<Test + 'static as foo::Bar<Test>>::bar"));
	CHECK(is("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"));
	CHECK(is("_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>"));
	CHECK(is("_D4test3fooFiZv", "test.foo(int)"));
	CHECK(is("_D4test3fooFAyaQdZv", "test.foo(immutable(char)[], immutable(char)[])"));
	CHECK(is("_D8demangle3fooQeFiZv", "demangle.foo.foo(int)"));
	CHECK(is("_Dmain", "D main"));
}

static void others(void)
{
	static const char *const same[] = {"", "_", "__", "_Z", "_R", "_D", "main", "_start", "_ZN",
		"_ZN4list", "_RNv", "_D4test", "_DYNAMIC", "_Znot", "_Restrict", "__Z3foov",
		"list::push(int)", "_D4testQzZv", "_D4testQZZZZZZZZZZZZZZZZZZZZZa", "_R\xff",
		"_RNqC1su30_____4hkcfkaekaecea4fqI__2h915y", /* a character above U+10FFFF */
		"_Z3f\xc3\xa9"};

	for (size_t i = 0; i < COUNT_OF(same); i++)
		CHECK(demangle_name(&arena, same[i]) == same[i] || i == COUNT_OF(same) - 1);
}

/* Ends soon, and is not longer than it may be. */
static void bounded(struct buf *b, const char *what)
{
	const char *name = buf_text(b);
	clock_t start = clock();
	const char *got = demangle_name(&arena, name);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;

	if (seconds > 1)
		fprintf(stderr, "%s: %.1f s\n", what, seconds);
	CHECK(seconds <= 1 && (got == name || strlen(got) < DEMANGLE_MAX));
	buf_reset(b);
	arena_reset(&arena);
}

/* A number of base 36 or 62 as names write it: _ is 0, 0_ is 1. */
static void put_based(struct buf *b, size_t n, unsigned base)
{
	static const char lower[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char upper[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char text[16];
	size_t at = sizeof(text);

	if (n--) {
		do
			text[--at] = (base == 36 ? upper : lower)[n % base];
		while (n /= base);
	}
	buf_put(b, text + at, sizeof(text) - at);
	buf_putc(b, '_');
}

/* A distance back as D writes it. */
static void put_back(struct buf *b, size_t n)
{
	buf_putc(b, 'Q');
	if (n >= 26)
		buf_putc(b, 'A' + (int)(n / 26));
	buf_putc(b, 'a' + (int)(n % 26));
}

/* Types of two types, n times; each refers twice to the one before, so they double. */
static void doubling(struct buf *b, char language, size_t n)
{
	size_t at, here;

	buf_reset(b);
	buf_puts(b, language == 'C' ? "_Z1f1a4pairIS_S_E" : language == 'R' ? "_RIC1a" : "_D1aF");
	at = b->n;
	if (language != 'C')
		buf_puts(b, language == 'R' ? "TuuE" : "Hii");
	for (size_t i = 0; i < n; i++, at = here) {
		here = b->n;
		buf_puts(b, language == 'C' ? "S0_I" : language == 'R' ? "T" : "H");
		for (int k = 0; k < 2; k++) {
			if (language == 'D') {
				put_back(b, b->n - at);
				continue;
			}
			buf_putc(b, language == 'C' ? 'S' : 'B');
			put_based(b, language == 'C' ? i + 2 : at - 2, language == 'C' ? 36 : 62);
		}
		if (language != 'D')
			buf_putc(b, 'E');
	}
	buf_puts(b, language == 'C' ? "" : language == 'R' ? "E" : "Zv");
}

static void hostile(void)
{
	static const char *const repeat[][2] = {{"_Z1f", "P"}, {"_Z1f", "PFv"}, {"_Z1fI", "J"},
		{"_ZN", "1a"}, {"_Z1fIXtl", "tl"}, {"_RNv", "Nv"}, {"_RIC1a", "R"}, {"_RIC1a", "T"},
		{"_D1a", "P"}, {"_D1aF", "A"}, {"_D1a", "__T1a"}, {"_D1aF", "Qb"},
		{"_D1aFAiQb", "Hdd"}, {"_Z", "Z1fvE"}, {"_ZN12_$LT$", "$LT$"}, {"_R", "B_"}};
	struct buf b = {0};

	for (const char *l = "CRD"; *l; l++) {
		size_t longest = 0;

		for (size_t n = 0; n < 60; n++) {
			const char *got;

			doubling(&b, *l, n);
			got = demangle_name(&arena, buf_text(&b));
			if (strcmp(got, buf_text(&b)))
				longest = strlen(got);
			CHECK(n > 5 || longest > (size_t)10 << n);
			bounded(&b, "doubling");
		}
		CHECK(longest > 500);
	}
	for (unsigned n = 1; n < 8000; n *= 3) {
		for (size_t k = 0; k < COUNT_OF(repeat); k++) {
			buf_puts(&b, repeat[k][0]);
			for (unsigned i = 0; i < n && b.n < 8000; i++)
				buf_puts(&b, repeat[k][1]);
			bounded(&b, repeat[k][1]);
		}
	}
	buf_free(&b);
}

int main(void)
{
	names();
	others();
	hostile();
	arena_free(&arena);
	return unit_done();
}
