/*
 * demangle.c: see demangle.h. Itanium C++ ABI, section 5.1; Rust RFC 2603; D ABI, name mangling.
 *
 * Names may refer back to parts of themselves, so what they stand for can be exponentially longer.
 * libiberty bounds the depth of its recursion, not the length of its output: C++ and Rust come in
 * pieces, and the first one that is too much ends it; for D the length is estimated before.
 */
#include "code/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "code/names.h"

enum {
	NAME_MAX_BYTES = 8 << 10,
	D_WORK =
		8 << 10, /* most characters of a D name when all it refers back to is written out */
};

struct sink {
	struct buf b;
	jmp_buf full;
};

static void put(const char *text, size_t n, void *opaque)
{
	struct sink *s = opaque;

	if (s->b.n + n >= DEMANGLE_MAX)
		longjmp(s->full, 1);
	buf_put(&s->b, text, n);
}

/* Fills s->b. Whether that went well. */
static bool cxx_or_rust(struct sink *s, const char *name)
{
	if (setjmp(s->full))
		return false;
	/* old names of Rust are names of C++ as well */
	if (rust_demangle_callback(name, DMGL_PARAMS | DMGL_ANSI, put, s))
		return true;
	buf_reset(&s->b);
	return name[1] == 'Z' && cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, put, s);
}

/* Whether a reference of a D name at `at`, `back` characters long, goes to a name: it begins with
 * its length. All else that can be referred to is a type. */
static bool is_d_name(const char *name, size_t at, size_t back)
{
	return name[at - back] >= '0' && name[at - back] <= '9';
}

/*
 * Whether a D name stays short when every Q, which may refer back to a type, is replaced by all
 * between the place it refers to and itself: at least what the demangler goes through. The distance
 * is a number of base 26, A to Z, whose last digit is in lower case.
 */
static bool d_is_short(const char *name, size_t n)
{
	uint32_t sum[NAME_MAX_BYTES + 1]; /* of characters before */

	sum[0] = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t w = 1;

		if (name[i] == 'Q') {
			size_t back = 0, k = i + 1;

			while (k < n && name[k] >= 'A' && name[k] <= 'Z' && back <= i)
				back = 26 * back + (size_t)(name[k++] - 'A');
			if (k < n && name[k] >= 'a' && name[k] <= 'z')
				back = 26 * back + (size_t)(name[k] - 'a');
			if (back <= i && !is_d_name(name, i, back))
				w += sum[i] - sum[i - back];
		}
		if (w > D_WORK || sum[i] + w > D_WORK)
			return false;
		sum[i + 1] = sum[i] + w;
	}
	return true;
}

static bool d(struct sink *s, const char *name, size_t n)
{
	char *text = d_is_short(name, n) ? dlang_demangle(name, DMGL_PARAMS | DMGL_ANSI) : NULL;

	if (!text)
		return false;
	buf_puts(&s->b, text);
	free(text);
	return s->b.n < DEMANGLE_MAX;
}

const char *demangle_name(struct arena *a, const char *name)
{
	struct sink s = {.b = {0}};
	const char *text = name;
	size_t n;
	bool good;

	if (name[0] != '_')
		return name;
	n = strlen(name);
	if (n >= NAME_MAX_BYTES)
		return name;
	if (name[1] == 'D')
		good = d(&s, name, n);
	else
		good = (name[1] == 'Z' || name[1] == 'R') && cxx_or_rust(&s, name);
	if (good && s.b.n)
		text = arena_str(a, s.b.p, s.b.n);
	if (text != name && !names_is_utf8(text) && names_is_utf8(name))
		text = name; /* Rust's names can stand for characters that do not exist */
	buf_free(&s.b);
	return text;
}
