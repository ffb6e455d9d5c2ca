/* code.c: see code.h. */
#include "formats/code.h"

enum { LEN_MAX = 15 }; /* of an x86 instruction; all other architectures stay below */

int code_check(const struct u8s *code, const struct u8s *len, struct err *e)
{
	size_t sum = 0;

	for (size_t i = 0; i < len->n; i++) {
		if (!len->p[i] || len->p[i] > LEN_MAX)
			return err_set(e, "instruction %zu has a length of %u bytes", i, len->p[i]);
		sum += len->p[i];
	}
	if (sum != code->n)
		return err_set(e, "lengths add up to %zu bytes, code has %zu", sum, code->n);
	return 0;
}

int code_check_arch(const char *arch, struct err *e)
{
	return *arch ? 0 : err_set(e, "no architecture");
}

void code_sample(struct u8s *code, struct u8s *len, struct arena *a, struct rng *r)
{
	size_t n = 1 + rng_below(r, 40);

	*len = (struct u8s){arena_get(a, n, 1), n};
	code->n = 0;
	for (size_t i = 0; i < n; i++)
		code->n += len->p[i] = (uint8_t)(1 + rng_below(r, LEN_MAX));
	code->p = arena_get(a, code->n, 1);
	for (size_t i = 0; i < code->n; i++)
		code->p[i] = (uint8_t)rng_u32(r);
}

struct u64s code_sample_values(size_t n, struct arena *a, struct rng *r)
{
	struct u64s v = {arena_get(a, n, sizeof(*v.p)), n};

	for (size_t i = 0; i < n; i++) {
		v.p[i] = rng_u64(r) >> rng_below(r, 64);
		if (rng_below(r, 4) == 0)
			v.p[i] = -v.p[i];
	}
	return v;
}
