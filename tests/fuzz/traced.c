/*
 * traced.c: any bytes as code of any processor, or as the operands of an instruction, as words with
 * values. The first byte chooses. Words fill the text, one blank behind each; registers are what
 * they are called; instructions with words are those that normalise.c gives a text.
 */
#include "text/traced.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LONGEST = 64 << 10, TEXT = 160 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_words(const struct buf *text, const struct traced_words *words, enum arch a)
{
	size_t end = 0;

	for (size_t i = 0; i < words->n; i++) {
		const struct traced_word *w = &words->p[i];
		const char *s = (const char *)text->p + w->from;

		must(w->from == end && w->len > 0 && s[w->len] == ' ' && !memchr(s, ' ', w->len));
		must(w->kind != TRACED_REG || regs_find(a, s, w->len) == w->reg);
		must(w->kind != TRACED_NUM || (w->len == 3 && !memcmp(s, "num", 3)));
		must(w->kind == TRACED_NUM || !w->value);
		end += w->len + 1;
	}
	must(end == text->n);
}

/* Code, and what one of its instructions refers to. */
static void check_code(const uint8_t *data, size_t n, enum arch a, uint8_t choice)
{
	static const uint8_t kinds[] = {REF_CALL, REF_IMPORT, REF_DATA, REF_SLOT};
	static const struct normalise_opts opts = {NORMALISE_THRESHOLD, NORMALISE_WORDS};
	static struct insn_decoder *d; /* kept: to open one takes longer than the rest */
	struct traced_text t = {0};
	struct normalise_text plain = {0};
	uint8_t *len = mem_alloc(n + 1, 1), kind = kinds[choice % COUNT_OF(kinds)];
	const char *name = "a name, [rip]";
	uint32_t insn = choice / 8, one = 1;
	uint64_t target = choice * 16u;
	struct refs refs = {{&insn, 1}, {&kind, 1}, {&target, 1}, {&one, 1}, {&name, 1}};
	struct u8s code = {(uint8_t *)data, n}, lens = {len, 0};

	d = d ? d : insn_open(ARCH_X86_64);
	must(insn_use(d, a) == 0);
	for (size_t at = 0; at < n; at += len[lens.n++]) {
		struct insn i;

		len[lens.n] = insn_decode(d, data + at, n - at, &i) ? i.len : 1;
	}
	for (size_t max = 0; max < 4; max++) {
		traced_code(&t, d, &code, &lens, &refs, max);
		normalise_code(&plain, d, &code, &lens, &refs, max, &opts);
		check_words(&t.text, &t.words, a);
		must(t.n == plain.n && t.bad == plain.bad &&
			t.words.n == (t.n ? t.end[t.n - 1] : 0));
		for (size_t i = 0; i < t.n; i++)
			must(t.insn[i] == plain.insn[i] && t.end[i] > (i ? t.end[i - 1] : 0));
	}
	traced_text_free(&t);
	normalise_text_free(&plain);
	mem_free(len);
}

/* Operands as a disassembler might print them. */
static void check_operands(const uint8_t *data, size_t n, enum arch a, uint8_t choice)
{
	static const char *const mnemonics[] = {"lui", "ldr.w", "movt", "b", "addiu", ".w"};
	char text[TEXT];
	struct insn i = {.mnemonic = mnemonics[choice % COUNT_OF(mnemonics)],
		.text = text,
		.len = 4,
		.flow = choice & 64 ? INSN_CALL : INSN_FALL};
	struct normalise_ref ref = {.data = choice & 128};
	struct traced_words words = {0};
	struct buf b = {0};
	size_t size = MIN(n, sizeof(text) - 1);

	memcpy(text, data, size);
	text[size] = '\0';
	for (char *s = text; *s; s++) {
		if (*s == INSN_HOLE && i.nops < INSN_MAX_OPS)
			i.op[i.nops++] =
				(struct insn_op){.kind = choice & 32 ? INSN_OP_REL : INSN_OP_IMM,
					.imm = text[0] << 24};
		else if ((uint8_t)*s < ' ' || (uint8_t)*s > '~')
			*s = ',';
	}
	traced_insn(&b, &words, &i, &ref, a);
	check_words(&b, &words, a);
	mem_free(words.p);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum arch a;

	if (n < 2)
		return 0;
	n = MIN(n, (size_t)LONGEST);
	a = ARCH_NONE + 1 + (enum arch)(data[0] % (ARCH_COUNT - 1));
	if (data[0] & 128 && a != ARCH_X86_64 && a != ARCH_I386)
		check_operands(data + 2, n - 2, a, data[1]);
	else
		check_code(data + 2, n - 2, a, data[1]);
	return 0;
}
