/*
 * record.c: any bytes as a CBOR record; the first one chooses the kind. What is accepted must
 * encode, decode to the same bytes, and go through JSON and back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "formats/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf first = {0}, again = {0}, json = {0};
	struct arena a = {0};
	const struct kind *k;
	size_t kinds = 0;
	struct err e;
	void *rec;

	while (kinds_all[kinds])
		kinds++;
	if (!n)
		return 0;
	k = kinds_all[data[0] % kinds];
	rec = mem_alloc(1, k->fields->size);
	if (field_decode(k->fields, data + 1, n - 1, rec, &a, &e) >= 0 && k->check(rec, &e) == 0) {
		field_encode(&first, k->fields, rec);
		field_json(&json, k->fields, rec);
		if (field_decode(k->fields, first.p, first.n, rec, &a, &e) != (ptrdiff_t)first.n ||
			k->check(rec, &e) < 0)
			abort();
		field_encode(&again, k->fields, rec);
		if (first.n != again.n || memcmp(first.p, again.p, first.n))
			abort();
		if (field_from_json(k->fields, (char *)json.p, json.n, rec, &a, &e) < 0)
			abort();
		buf_reset(&again);
		field_encode(&again, k->fields, rec);
		if (first.n != again.n || memcmp(first.p, again.p, first.n))
			abort();
	}
	mem_free(rec);
	buf_free(&first);
	buf_free(&again);
	buf_free(&json);
	arena_free(&a);
	return 0;
}
