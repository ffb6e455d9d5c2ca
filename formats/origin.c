/* origin.c: see origin.h. */
#include "formats/origin.h"

#include "base/hash.h"
#include "formats/field_table.h"

static const struct field table[] = {
	F_SIZED(struct origin, bin, HASH_BYTES, REQ, "XXH3-128 of the file"),
	F(struct origin, file, FIELD_TEXT, REQ, "base name of the file"),
	F(struct origin, fn, FIELD_ADDR, OPT, "address of the function"),
	F(struct origin, name, FIELD_TEXT, OPT, "linkage name of the function"),
	F(struct origin, addr, FIELD_ADDR, OPT, "address of the unit"),
};
const struct fields origin_fields = FIELDS("origin", struct origin, table);

const char *origin_sample_word(struct arena *a, struct rng *r)
{
	/* Letters of one to four bytes, to try the text checks. */
	static const char *const letters[] = {
		"a", "b", "_", "7", ".", "\"", "\\", "\n", "é", "λ", "漢", "😀"};
	struct buf b = {0};
	const char *s;

	for (uint64_t n = rng_below(r, 9); n; n--)
		buf_puts(&b, letters[rng_below(r, COUNT_OF(letters))]);
	s = arena_str(a, b.p, b.n);
	buf_free(&b);
	return s;
}

struct labels origin_sample_labels(struct arena *a, struct rng *r)
{
	static const char *const keys[] = {"compiler", "opt", "project"};
	struct labels l = {arena_get(a, COUNT_OF(keys), sizeof(*l.p)), 0};

	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (rng_below(r, 2))
			l.p[l.n++] = (struct label){keys[i], origin_sample_word(a, r)};
	return l;
}

void origin_sample(struct origin *o, struct arena *a, struct rng *r)
{
	o->bin = (struct u8s){arena_get(a, HASH_BYTES, 1), HASH_BYTES};
	for (size_t i = 0; i < HASH_BYTES; i++)
		o->bin.p[i] = (uint8_t)rng_u32(r);
	o->file = origin_sample_word(a, r);
	o->fn = rng_u64(r) >> rng_below(r, 64);
	o->name = origin_sample_word(a, r);
	o->addr = rng_u64(r) >> rng_below(r, 64);
}
