/*
 * producer.c: see producer.h. What compilers write:
 *
 *	GNU C11 12.2.0 -mtune=generic -march=x86-64 -g -O2
 *	Debian clang version 14.0.6
 *	clang LLVM (rustc version 1.63.0)
 *	LDC 1.30.0 (LLVM 14.0.6)
 *	Go cmd/compile go1.19.8
 */
#include "code/producer.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* name-12, or name-1.63 where the first number alone does not tell versions apart. */
static void put(struct buf *b, const char *name, const char *version, bool minor)
{
	size_t n = strspn(version, "0123456789");

	if (!n || n > 9)
		return;
	if (minor && version[n] == '.' && is_digit(version[n + 1]))
		n += 1 + strspn(version + n + 1, "0123456789");
	buf_printf(b, "%s-", name);
	buf_put(b, version, MIN(n, (size_t)20));
}

/* The first word that is a number, from s on; "" if there is none before the options. */
static const char *version_in(const char *s)
{
	for (; *s && *s != '-'; s++) {
		s += strspn(s, " ");
		if (is_digit(*s))
			return s;
		s += strcspn(s, " ");
		if (!*s)
			break;
	}
	return "";
}

void producer_compiler(struct buf *b, const char *text)
{
	static const struct {
		const char *mark, *name;
		bool minor;
	} known[] = {
		/* those that name the compiler they are built upon come first */
		{"(rustc version ", "rustc", true},
		{"go1.", "go", true},
		{"LDC ", "ldc", true},
		{"Swift version ", "swift", true},
		{"clang version ", "clang", false},
		{"Intel(R) oneAPI DPC++/C++ Compiler ", "icx", false},
		{"flang version ", "flang", false},
	};

	if (!strncmp(text, "GNU ", 4) && strncmp(text, "GNU AS ", 7)) {
		put(b, "gcc", version_in(text + 4), false);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		const char *at = strstr(text, known[i].mark);

		if (!at)
			continue;
		at += strcmp(known[i].name, "go") ? strlen(known[i].mark) : 2;
		put(b, known[i].name, at, known[i].minor);
		return;
	}
}

/* The level of one word, or NULL. */
static const char *level_of(const char *word, size_t n)
{
	static const char *const known[] = {"O0", "O1", "O2", "O3", "Os", "Oz", "Og", "Ofast"};

	if (n == 2 && !memcmp(word, "-O", 2))
		return "O1";
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (n == strlen(known[i]) + 1 && word[0] == '-' &&
			!memcmp(word + 1, known[i], n - 1))
			return known[i];
	}
	return NULL;
}

/* The last option counts. gcc writes all of them, so none means that there is no optimisation. */
void producer_level(struct buf *b, const char *text)
{
	bool all = !strncmp(text, "GNU ", 4) && strncmp(text, "GNU AS ", 7);
	const char *level = all ? "O0" : "";

	while (*text) {
		size_t n = strcspn(text, " ");
		const char *l = level_of(text, n);

		level = l ? l : level;
		text += n + strspn(text + n, " ");
	}
	buf_puts(b, level);
}
