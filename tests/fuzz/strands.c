/*
 * strands.c: any bytes as a basic block, of each processor that has semantics, through strands and
 * symbolic execution. Strands are ascending lists of instructions of the block, none twice;
 * expressions are tokens with one blank between them; doing it again gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "sem/slice.h"
#include "sem/symex.h"

enum { LONGEST = 64 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_strands(struct slice *s, const struct insn *insn, size_t n)
{
	size_t strands = slice_block(s, insn, n, n % 2);

	for (size_t k = 0; k < strands; k++) {
		size_t count;
		const uint32_t *index = slice_strand(s, k, &count);

		check(count > 0 && index[count - 1] < n);
		for (size_t i = 1; i < count; i++)
			check(index[i] > index[i - 1]);
	}
}

static void check_text(const char *s)
{
	size_t n = strlen(s);

	check(n > 0 && s[0] != ' ' && s[n - 1] != ' ' && !strstr(s, "  "));
	for (size_t i = 0; i < n; i++)
		check((uint8_t)s[i] >= ' ');
}

static void check_block(enum arch arch, const uint8_t *data, size_t n)
{
	struct insn_decoder *d = insn_open(arch);
	struct insn *insn;
	struct slice *slice = slice_new();
	struct symex *x = symex_new(), *y = symex_new();
	const struct symex_output *a, *b;
	const struct refs none = {0};
	uint8_t *len;
	size_t count = 0, na, nb, da, db;

	n = MIN(n, (size_t)LONGEST);
	insn = mem_alloc(n + 1, sizeof(*insn));
	len = mem_alloc(n + 1, 1);
	for (size_t at = 0; at < n; at += len[count++]) {
		struct insn i;

		len[count] = insn_decode(d, data + at, n - at, &i) ? i.len : 1;
	}
	codeseq_decode(d, data, len, count, insn);
	slice_use(slice, processor_get(arch));
	symex_use(x, processor_get(arch));
	symex_use(y, processor_get(arch));
	check_strands(slice, insn, count);
	na = symex_run(x, insn, count, &none, &a, &da);
	nb = symex_run(y, insn, count, &none, &b, &db);
	check(na == nb && da == db);
	for (size_t i = 0; i < na; i++) {
		check_text(a[i].text);
		check(a[i].hash == b[i].hash && !strcmp(a[i].text, b[i].text));
	}
	symex_free(x);
	symex_free(y);
	slice_free(slice);
	mem_free(insn);
	mem_free(len);
	insn_close(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check_block(ARCH_X86_64, data, n);
	check_block(ARCH_AARCH64, data, n);
	check_block(ARCH_I386, data, n);
	check_block(ARCH_THUMB, data, n);
	return 0;
}
