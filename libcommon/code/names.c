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

const char *names_utf8(struct arena *a, const char *name)
{
	const unsigned char *p = (const unsigned char *)name;
	size_t bad = 0;
	char *copy, *q;

	for (unsigned n; *p; p += n ? n : 1) {
		n = *p < 0x80 ? 1 : utf8_length(p);
		bad += !n;
	}
	if (!bad)
		return name;
	copy = q = arena_get(a, (size_t)(p - (const unsigned char *)name) + 3 * bad + 1, 1);
	for (p = (const unsigned char *)name; *p;) {
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

	if (bsearch(name, known, sizeof(known) / sizeof(known[0]), sizeof(known[0]), compare))
		return true;
	if (!strncmp(name, "_ZSt", 4)) { /* std::__throw_bad_alloc and the like */
		const char *p = name + 4;

		p += strspn(p, "0123456789");
		return !strncmp(p, "__throw_", 8);
	}
	if (!strncmp(name, "_ZN4core9panicking", 18) || !strncmp(name, "_ZN3std9panicking", 17))
		return strstr(name, "panic_") || strstr(name, "5panic") ||
		       strstr(name, "assert_failed");
	return false;
}
