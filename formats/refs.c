/* refs.c: see refs.h. */
#include "formats/refs.h"

#include "formats/field_table.h"
#include "formats/origin.h"

static const struct field table[] = {
	F(struct refs, insn, FIELD_STEPS, OPT, "index of the instruction, ascending"),
	F(struct refs, kind, FIELD_HALVES, OPT, "1 call, 2 import, 3 jump, 4 data, 5 code, 6 slot"),
	F(struct refs, target, FIELD_ADDRS, OPT, "absolute address, 0 if only the name is known"),
	F(struct refs, name, FIELD_NUMBERS, OPT, "0 for none, else 1 + index into names"),
	F(struct refs, names, FIELD_TEXTS, OPT, "linkage names"),
};
const struct fields refs_fields = FIELDS("refs", struct refs, table);

int refs_check(const struct refs *r, size_t ninsn, struct err *e)
{
	size_t n = r->insn.n;

	if (r->kind.n != n || r->target.n != n || r->name.n != n)
		return err_set(e, "refs: columns of different lengths");
	for (size_t i = 0; i < n; i++) {
		if (r->insn.p[i] >= ninsn || (i && r->insn.p[i] < r->insn.p[i - 1]))
			return err_set(
				e, "refs: instruction %u out of range or order", r->insn.p[i]);
		if (r->kind.p[i] < REF_CALL || r->kind.p[i] > REF_SLOT)
			return err_set(e, "refs: unknown kind %u", r->kind.p[i]);
		if (r->name.p[i] > r->names.n)
			return err_set(e, "refs: name %u out of range", r->name.p[i]);
	}
	return 0;
}

const char *refs_name(const struct refs *r, size_t i)
{
	return r->name.p[i] ? r->names.p[r->name.p[i] - 1] : NULL;
}

void refs_sample(struct refs *r, size_t ninsn, struct arena *a, struct rng *rng)
{
	size_t n = ninsn ? rng_below(rng, 5) : 0, names = rng_below(rng, 3);

	r->insn = (struct u32s){arena_get(a, n, 4), n};
	r->kind = (struct u8s){arena_get(a, n, 1), n};
	r->target = (struct u64s){arena_get(a, n, 8), n};
	r->name = (struct u32s){arena_get(a, n, 4), n};
	r->names = (struct texts){arena_get(a, names, sizeof(char *)), names};
	for (size_t i = 0; i < names; i++)
		r->names.p[i] = origin_sample_word(a, rng);
	for (size_t i = 0; i < n; i++) {
		r->insn.p[i] = (uint32_t)(i * ninsn / n);
		r->kind.p[i] = (uint8_t)(1 + rng_below(rng, REF_SLOT));
		r->target.p[i] = rng_u64(rng) >> rng_below(rng, 64);
		r->name.p[i] = (uint32_t)rng_below(rng, names + 1);
	}
}
