/*
 * names.c: see names.h. Functions that do not return: those of the C and C++ run-time libraries
 * and of Rust's, by the names compilers and libraries give them on Linux.
 */
#include "code/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p (RFC 3629), or 0 if there is none. */
static unsigned utf8_length(const unsigned char *p)
{
	unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] > 0xf4)
		return 0;
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_ascii(const char *p, size_t n)
{
	uint64_t all = 0, part = 0;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&part, p, 8);
		all |= part;
	}
	for (; n; p++, n--)
		all |= (uint8_t)*p;
	return !(all & 0x8080808080808080);
}

/* How many bytes are of no character. */
static size_t count_bad(const char *name)
{
	size_t bad = 0;

	for (const unsigned char *p = (const unsigned char *)name; *p;) {
		unsigned n = utf8_length(p);

		bad += !n;
		p += n ? n : 1;
	}
	return bad;
}

bool names_is_utf8(const char *name)
{
	return !count_bad(name);
}

const char *names_utf8(struct arena *a, const char *name)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t bad, all = strnlen(name, NAMES_MAX + 1);
	char *copy, *q;

	if (all > NAMES_MAX) {
		all = NAMES_MAX - 3;
		while (all && (p[all] & 0xc0) == 0x80) /* not within a character */
			all--;
		copy = arena_get(a, all + 4, 1);
		memcpy(copy, name, all);
		memcpy(copy + all, "...", 4);
		return names_utf8(a, copy);
	}
	if (is_ascii(name, all))
		return name;
	bad = count_bad(name);
	if (!bad)
		return name;
	copy = q = arena_get(a, all + 3 * bad + 1, 1);
	while (*p) {
		unsigned n = utf8_length(p);

		if (n) {
			memcpy(q, p, n);
			q += n, p += n;
		} else {
			q += sprintf(q, "\\x%02x", *p++);
		}
	}
	*q = 0;
	return copy;
}

static int compare(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

/* Mangled paths up to and with the last component, less the hash (legacy mangling). */
static bool rust_no_return(const char *name)
{
	static const char *const known[] = {
		"_ZN3std10sys_common9backtrace26__rust_end_short_backtrace",
		"_ZN3std7process4exit",
		"_ZN3std7process5abort",
		"_ZN3std9panicking11begin_panic",
		"_ZN3std9panicking20rust_panic_with_hook",
		"_ZN3std9panicking19begin_panic_handler",
		"_ZN4core4cell22panic_already_borrowed",
		"_ZN4core4cell30panic_already_mutably_borrowed",
		"_ZN4core3str16slice_error_fail",
		"_ZN4core5slice5index",
		"_ZN4core5slice6index",
		"_ZN4core6option13expect_failed",
		"_ZN4core6option13unwrap_failed",
		"_ZN4core6result13unwrap_failed",
		"_ZN4core9panicking11panic_const",
		"_ZN4core9panicking13assert_failed",
		"_ZN4core9panicking14panic_nounwind",
		"_ZN4core9panicking18panic_bounds_check",
		"_ZN4core9panicking19assert_failed_inner",
		"_ZN4core9panicking5panic",
		"_ZN4core9panicking9panic_fmt",
		"_ZN4core9panicking9panic_str",
		"_ZN5alloc5alloc18handle_alloc_error",
		"_ZN5alloc7raw_vec12handle_error",
		"_ZN5alloc7raw_vec17capacity_overflow",
	};

	if (strncmp(name, "_ZN", 3) ||
		(strncmp(name + 3, "3std", 4) && strncmp(name + 3, "4core", 5) &&
			strncmp(name + 3, "5alloc", 6)))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i]);

		if (strncmp(name, known[i], n))
			continue;
		if (!strncmp(known[i] + 8, "5slice", 6))
			return strstr(name + n, "_fail");
		return true;
	}
	return false;
}

bool names_no_return(const char *name)
{
	static const char *const known[] = {
		/* sorted */
		"_Exit",
		"_Unwind_Resume",
		"_ZSt10unexpectedv",
		"_ZSt9terminatev",
		"__assert",
		"__assert_fail",
		"__assert_perror_fail",
		"__chk_fail",
		"__clang_call_terminate",
		"__cxa_bad_cast",
		"__cxa_bad_typeid",
		"__cxa_call_terminate",
		"__cxa_call_unexpected",
		"__cxa_deleted_virtual",
		"__cxa_pure_virtual",
		"__cxa_rethrow",
		"__cxa_throw",
		"__cxa_throw_bad_array_length",
		"__cxa_throw_bad_array_new_length",
		"__fortify_fail",
		"__libc_fatal",
		"__libc_start_call_main",
		"__libc_start_main",
		"__longjmp_chk",
		"__stack_chk_fail",
		"__stack_chk_fail_local",
		"__stack_smash_handler",
		"_exit",
		"_longjmp",
		"abort",
		"err",
		"errx",
		"exit",
		"g_assertion_message",
		"g_assertion_message_cmpnum",
		"g_assertion_message_expr",
		"longjmp",
		"pthread_exit",
		"quick_exit",
		"rust_begin_unwind",
		"rust_panic",
		"siglongjmp",
		"thrd_exit",
		"verr",
		"verrx",
		"xalloc_die",
	};

	if (name[0] == '_' && name[1] == 'Z' && strncmp(name, "_ZSt", 4)) /* most of C++ */
		return rust_no_return(name);
	if (bsearch(name, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]), compare))
		return true;
	if (!strncmp(name, "_ZSt", 4)) { /* std::__throw_bad_alloc and the like */
		const char *p = name + 4;

		p += strspn(p, "0123456789");
		return !strncmp(p, "__throw_", 8);
	}
	return rust_no_return(name);
}
