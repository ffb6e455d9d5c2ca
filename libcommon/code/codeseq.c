/* codeseq.c: see codeseq.h. */
#include "code/codeseq.h"

#include <string.h>

#include "code/risc.h"

static const char bad[] = "(bad)";

size_t codeseq_decode(
	struct insn_decoder *d, const uint8_t *code, const uint8_t *len, size_t n, struct insn *out)
{
	size_t nbad = 0, bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += len[i];
	insn_decode_all(d, code, bytes, len, n, out);
	for (size_t i = 0; i < n; i++) {
		if (out[i].len == len[i])
			continue;
		out[i] = (struct insn){.mnemonic = bad,
			.mn = X86_NONE,
			.len = len[i],
			.flow = INSN_STOP,
			.cc = X86_CC_NONE,
			.pred = 255};
		nbad++;
	}
	return nbad;
}

bool codeseq_is_bad(const struct insn *i)
{
	return i->mnemonic == bad;
}

bool codeseq_is_data(enum arch a, size_t len)
{
	const struct risc_ops *ops = risc_ops(a);

	return ops && len < ops->align;
}

/* Bytes of an instruction without the displacement, if it is a direct branch without prefix. */
static size_t bytes_that_count(const uint8_t *p, size_t n)
{
	bool rel32 = n == 5 && (*p == 0xe8 || *p == 0xe9);
	bool rel8 = n == 2 && (*p == 0xeb || (*p & 0xf0) == 0x70);
	bool jcc32 = n == 6 && *p == 0x0f && (p[1] & 0xf0) == 0x80;

	return rel32 || rel8 ? 1 : jcc32 ? 2 : n;
}

/* The lengths, ended by a 0, and the bytes that count. */
void codeseq_key(struct buf *b, const uint8_t *code, const uint8_t *len, size_t n)
{
	size_t total = 0;
	uint8_t *to;

	for (size_t i = 0; i < n; i++)
		total += len[i];
	to = buf_reserve(b, n + 1 + total);
	memcpy(to, len, n);
	to[n] = 0;
	to += n + 1;
	for (size_t i = 0; i < n; i++) {
		size_t k = bytes_that_count(code, len[i]);

		memcpy(to, code, k);
		to += k;
		code += len[i];
	}
	b->n = (size_t)(to - b->p);
}
