/* demangle.c: any text as a linkage name. */
#include <string.h>

#include "base/mem.h"
#include "code/demangle.h"
#include "code/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = {0};
	char *name = mem_alloc(n + 1, 1);
	const char *text;

	if (n)
		memcpy(name, data, n);
	name[n] = 0;
	text = demangle_name(&a, name);
	/* what was UTF-8 stays so */
	if ((text != name && strlen(text) >= DEMANGLE_MAX) ||
		(names_is_utf8(name) && !names_is_utf8(text)))
		__builtin_trap();
	arena_free(&a);
	mem_free(name);
	return 0;
}
