/*
 * emulated.h: what the tests of meanings against Unicorn share.
 */
#ifndef EMULATED_H
#define EMULATED_H

#include <unicorn/unicorn.h>

#include "tests/unit.h"

/* What Unicorn does not give back is not our leak. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libunicorn";
}

static inline void check_uc(uc_err e)
{
	CHECK(e == UC_ERR_OK);
	if (e != UC_ERR_OK)
		fprintf(stderr, "%s\n", uc_strerror(e));
}

static inline bool is_nan(uint64_t v, unsigned bits)
{
	return bits == 64 ? (v << 1) > UINT64_C(0xffe0000000000000)
			  : ((uint32_t)v << 1) > 0xff000000u;
}

/* The same, or, as numbers of 64 or of 32 bits, NaN at the same places. */
static inline bool same_floats(uint64_t a, uint64_t b)
{
	if (a == b || (is_nan(a, 64) && is_nan(b, 64)))
		return true;
	for (unsigned i = 0; i < 64; i += 32) {
		uint32_t x = (uint32_t)(a >> i), y = (uint32_t)(b >> i);

		if (x != y && !(is_nan(x, 32) && is_nan(y, 32)))
			return false;
	}
	return true;
}

#endif
