/*
 * json.c: any text as the JSON of a record; the first byte chooses the kind. What is accepted must
 * encode and decode to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "formats/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf first = {0}, again = {0};
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
	if (field_from_json(k->fields, (const char *)data + 1, n - 1, rec, &a, &e) == 0 &&
		k->check(rec, &e) == 0) {
		field_encode(&first, k->fields, rec);
		if (field_decode(k->fields, first.p, first.n, rec, &a, &e) != (ptrdiff_t)first.n)
			abort();
		field_encode(&again, k->fields, rec);
		if (first.n != again.n || memcmp(first.p, again.p, first.n))
			abort();
	}
	mem_free(rec);
	buf_free(&first);
	buf_free(&again);
	arena_free(&a);
	return 0;
}
