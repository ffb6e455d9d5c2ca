/* normalise.c: golden text of instructions and expressions, the paper's Table 1 among it. */
#include "text/normalise.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit.h"

static const struct normalise_opts words = {NORMALISE_THRESHOLD, NORMALISE_WORDS};
static const struct normalise_opts paper = {NORMALISE_THRESHOLD, NORMALISE_PAPER};
static struct insn_decoder *decoder;

/* The bytes of "8b 45 f8" into out; their number. */
static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	char *end;

	for (const char *p = hex; *p; p = *end ? end + 1 : end)
		out[n++] = (uint8_t)strtoul(p, &end, 16);
	return n;
}

static bool text_is(
	const char *hex, struct normalise_ref ref, const struct normalise_opts *o, const char *want)
{
	uint8_t code[INSN_MAX_LEN + 1];
	struct buf b = {0};
	struct insn insn;
	bool same = false;

	if (insn_decode(decoder, code, from_hex(hex, code), &insn) == 1) {
		normalise_insn(&b, &insn, &ref, o);
		same = !strcmp(buf_text(&b), want);
	}
	if (!same)
		fprintf(stderr, "%s: \"%s\" is not \"%s\"\n", hex, b.p ? (char *)b.p : "", want);
	buf_free(&b);
	return same;
}

/* BinBert, Table 1: the assembly side of its three rows. */
static void test_table_1(void)
{
	static const struct {
		const char *hex, *import, *text;
	} rows[] = {
		{"89 f1", NULL, "mov ecx, esi"},
		{"83 e1 03", NULL, "and ecx, 3"},
		{"f3 aa", NULL, "rep stosb byte ptr [rdi], al"},
		{"48 8b 85 58 ff ff ff", NULL, "mov rax, qword ptr [rbp - 168]"},
		{"8b 40 18", NULL, "mov eax, dword ptr [rax + 24]"},
		{"a8 02", NULL, "test al, 2"},
		{"75 62", NULL, "jne MEM"},
		{"be 10 20 40 00", NULL, "mov esi, IMM"},
		{"48 8b 7d 00", NULL, "mov rdi, qword ptr [rbp]"},
		{"e8 e3 03 00 00", "fprintf", "call fprintf"},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK(text_is(rows[i].hex, (struct normalise_ref){.import = rows[i].import}, &paper,
			rows[i].text));
}

static void test_words(void)
{
	static const struct {
		const char *hex, *text;
	} rows[] = {
		{"48 8b 85 58 ff ff ff", "mov rax, qword [rbp -168]"},
		{"8b 44 88 f8", "mov eax, dword [rax +rcx*4 -8]"},
		{"8b 04 cd 40 40 40 00", "mov eax, dword [rcx*8 +IMM]"},
		{"8b 04 11", "mov eax, dword [rcx +rdx]"},
		{"8d 44 3f 01", "lea eax, [rdi +rdi +1]"},
		{"67 8b 47 04", "mov eax, dword [edi +4]"},
		{"8b 3c 25 00 00 00 00", "mov edi, dword [0]"},
		{"64 48 8b 04 25 28 00 00 00", "mov rax, qword fs:[40]"},
		{"64 8b 04 25 fc ff ff ff", "mov eax, dword fs:[-4]"},
		{"48 8d 3d 10 00 00 00", "lea rdi, [rip +IMM]"},
		{"a0 88 77 66 55 44 33 22 11", "movabs al, byte [IMM]"},
		/* the threshold, from both sides and with both signs */
		{"c7 80 90 e8 ff ff 89 13 00 00", "mov dword [rax -IMM], IMM"},
		{"c7 80 88 13 00 00 88 13 00 00", "mov dword [rax +5000], 5000"},
		{"c7 80 77 ec ff ff 78 ec ff ff", "mov dword [rax -IMM], -5000"},
		{"48 b8 88 77 66 55 44 33 22 11", "movabs rax, IMM"},
		/* numbers are signed from two bytes up */
		{"b8 ff ff ff ff", "mov eax, -1"}, {"48 c7 c0 ff ff ff ff", "mov rax, -1"},
		{"66 83 f8 ff", "cmp ax, -1"}, {"66 b8 f0 ff", "mov ax, -16"},
		{"3c ff", "cmp al, 255"}, {"83 f8 c8", "cmp eax, -56"},
		{"48 83 c4 80", "add rsp, -128"}, {"6a ff", "push -1"},
		{"6b c1 fd", "imul eax, ecx, -3"}, {"66 0f 70 c1 e4", "pshufd xmm0, xmm1, 228"},
		{"c2 08 00", "ret 8"}, {"c8 10 00 00", "enter 16, 0"},
		/* flow without references */
		{"e8 e3 03 00 00", "call func"}, {"e9 27 01 00 00", "jmp MEM"},
		{"e2 08", "loop MEM"}, {"c7 f8 5e 00 00 00", "xbegin MEM"}, {"ff d0", "call rax"},
		{"ff 50 18", "call qword [rax +24]"},
		{"ff 15 00 2f 00 00", "call qword [rip +IMM]"},
		{"ff 25 00 2f 00 00", "jmp qword [rip +IMM]"},
		/* prefixes */
		{"3e ff e0", "jmp rax"}, {"f2 ff e0", "jmp rax"}, {"f3 c3", "ret"},
		{"f0 0f b1 37", "lock cmpxchg dword [rdi], esi"},
		{"f2 ae", "repne scasb al, byte [rdi]"},
		{"f3 48 a5", "rep movsq qword [rdi], qword [rsi]"},
		{"a5", "movsd dword [rdi], dword [rsi]"},
		{"f2 0f 10 05 64 00 00 00", "movsd xmm0, qword [rip +IMM]"},
		/* vectors and the x87 stack */
		{"0f c2 c1 01", "cmpltps xmm0, xmm1"},
		{"0f 10 44 24 10", "movups xmm0, xmmword [rsp +16]"},
		{"c5 f4 58 07", "vaddps ymm0, ymm1, ymmword [rdi]"},
		{"db 2c 24", "fld tbyte [rsp]"},
		/* what computes nothing */
		{"f3 0f 1e fa", ""}, {"90", ""}, {"2e 66 0f 1f 84 00 00 00 00 00", ""},
		{"66 90", ""}, {"87 c0", "xchg eax, eax"}, /* clears the upper half */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK(text_is(rows[i].hex, (struct normalise_ref){0}, &words, rows[i].text));
}

static void test_references(void)
{
	const struct normalise_ref import = {.import = "puts"}, func = {.func = true};
	const struct normalise_ref data = {.data = true, .addr = 16};

	CHECK(text_is("ff 15 00 2f 00 00", import, &words, "call puts"));
	CHECK(text_is("ff 25 00 2f 00 00", import, &words, "jmp puts"));
	CHECK(text_is("e9 27 01 00 00", import, &words, "jmp puts"));
	CHECK(text_is("75 62", import, &words, "jne puts"));
	CHECK(text_is("48 8b 05 00 2f 00 00", import, &words, "mov rax, qword [rip +IMM]"));
	CHECK(text_is("e9 27 01 00 00", func, &words, "jmp func"));
	CHECK(text_is("e8 27 01 00 00", func, &words, "call func"));
	CHECK(text_is("ff d0", func, &words, "call rax"));
	/* an address is IMM however small; its operand is found by value, or by being empty */
	CHECK(text_is("bf 10 00 00 00", data, &words, "mov edi, IMM"));
	CHECK(text_is("bf 11 00 00 00", data, &words, "mov edi, 17"));
	CHECK(text_is("bf 00 00 00 00", data, &words, "mov edi, IMM"));
	CHECK(text_is("8b 04 8d 10 00 00 00", data, &words, "mov eax, dword [rcx*4 +IMM]"));
	CHECK(text_is("8b 80 00 00 00 00", data, &words, "mov eax, dword [rax +IMM]"));
	CHECK(text_is("c7 05 00 00 00 00 10 00 00 00", data, &words, "mov dword [rip +IMM], 16"));
	CHECK(text_is("c7 45 f8 00 00 00 00", data, &words, "mov dword [rbp -8], IMM"));
	/* names are one word, and not longer than a word may be */
	CHECK(text_is("e8 00 00 00 00", (struct normalise_ref){.import = "a b[\n\xff]*,~$.@"},
		&words, "call a_b______~$.@"));
	{
		char name[300], want[300];

		memset(name, 'x', sizeof(name));
		name[sizeof(name) - 1] = '\0';
		snprintf(want, sizeof(want), "call %.*s", NORMALISE_NAME_MAX, name);
		CHECK(text_is(
			"e8 00 00 00 00", (struct normalise_ref){.import = name}, &words, want));
	}
}

static void test_threshold(void)
{
	const struct normalise_opts none = {0, NORMALISE_WORDS};
	const struct normalise_opts all = {UINT64_MAX, NORMALISE_WORDS};

	CHECK(text_is("83 e1 03", (struct normalise_ref){0}, &none, "and ecx, IMM"));
	CHECK(text_is("83 e1 00", (struct normalise_ref){0}, &none, "and ecx, 0"));
	CHECK(text_is("48 b8 00 00 00 00 00 00 00 80", (struct normalise_ref){0}, &all,
		"movabs rax, -9223372036854775808"));
}

/* A whole record: references are found by instruction, text ends where it should. */
static void test_code(void)
{
	uint8_t bytes[32];
	size_t n = from_hex("f3 0f 1e fa e8 00 00 00 00 75 02 ff d0", bytes);
	uint8_t len[] = {4, 5, 2, 2}, kind[] = {REF_IMPORT, REF_JUMP};
	uint32_t insn[] = {1, 2}, name[] = {1, 0};
	uint64_t target[] = {0, 0x1000};
	const char *names[] = {"exit"};
	struct u8s code = {bytes, n}, lens = {len, COUNT_OF(len)};
	struct refs refs = {{insn, 2}, {kind, 2}, {target, 2}, {name, 2}, {names, 1}};
	struct normalise_text t = {0};

	normalise_code(&t, decoder, &code, &lens, &refs, 0, &words);
	CHECK(!strcmp(buf_text(&t.text), "call exitjne MEMcall rax"));
	CHECK(t.n == 3 && t.end[0] == 9 && t.end[1] == 16 && t.end[2] == 24 && !t.bad);
	/* the limit counts instructions that have text */
	normalise_code(&t, decoder, &code, &lens, &refs, 2, &words);
	CHECK(!strcmp(buf_text(&t.text), "call exitjne MEM") && t.n == 2);
	/* lengths that are not the instructions': no text, but the others have theirs */
	len[2] = 3;
	len[3] = 1;
	normalise_code(&t, decoder, &code, &lens, &refs, 0, &words);
	CHECK(!strcmp(buf_text(&t.text), "call exit") && t.n == 1 && t.bad == 2);
	len[2] = 200;
	normalise_code(&t, decoder, &code, &lens, &refs, 0, &words);
	CHECK(!strcmp(buf_text(&t.text), "call exit") && t.n == 1);
	normalise_text_free(&t);
}

static bool expr_is(const char *expr, const struct normalise_opts *o, const char *want)
{
	struct buf b = {0};
	bool same;

	normalise_expr(&b, expr, o);
	same = !strcmp(buf_text(&b), want);
	if (!same)
		fprintf(stderr, "%s: \"%s\" is not \"%s\"\n", expr, (char *)b.p, want);
	buf_free(&b);
	return same;
}

static void test_expressions(void)
{
	/* Table 1, as bb-sym writes it and as the paper prints it */
	CHECK(expr_is("rcx = -1 add ( 0 Concat rsi [1:0] ) ", &words,
		"rcx = -1 add ( 0 Concat rsi [1:0] )"));
	CHECK(expr_is("rcx = -1 add ( 0 Concat rsi [1:0] ) ", &paper,
		"rcx = -1 add (0 Concat rsi[1:0])"));
	CHECK(expr_is("* ( rdi ) = al ", &paper, "*(rdi) = rax"));
	CHECK(expr_is("0 Concat * ( * ( rbp add -168 ) add 24 ) [1:1] ne 0 ", &paper,
		"0 Concat *(*(rbp add -168) add 24)[1:1] ne 0"));
	CHECK(expr_is("0 Concat *(*(rbp add -168) add 24)[1:1] ne 0", &words,
		"0 Concat *(*( rbp add -168 ) add 24 ) [1:1] ne 0"));
	CHECK(expr_is("fprintf ( * ( rbp ) , 4202500 ) ", &paper, "fprintf(*(rbp), IMM)"));
	CHECK(expr_is("fprintf(*(rbp),4202500)", &words, "fprintf (*( rbp ) , IMM )"));
	/* the threshold */
	CHECK(expr_is("rax = 5000 add -5000", &words, "rax = 5000 add -5000"));
	CHECK(expr_is("rax = 5001 add -5001", &words, "rax = IMM add IMM"));
	CHECK(expr_is(
		"99999999999999999999999999 mul -18446744073709551616", &words, "IMM mul IMM"));
	CHECK(expr_is(
		"1.23456 add -0.5 add 6000.5 add 7.1", &words, "1.23 add -0.5 add IMM add 7.1"));
	/* registers have their whole name, functions and operators keep theirs */
	CHECK(expr_is(
		"al add ( ah add ( ax add eax ) )", &words, "rax add ( rax add ( rax add rax ))"));
	CHECK(expr_is("sil = bpl add ( r8d add ( r15b add ( r10w add edi ) ) )", &words,
		"rsi = rbp add ( r8 add ( r15 add ( r10 add rdi )))"));
	CHECK(expr_is("rax = dx ( cl )", &words, "rax = dx ( rcx )"));
	CHECK(expr_is("xmm0 = zf add r16d add ebl", &words, "xmm0 = zf add r16d add ebl"));
	CHECK(expr_is("", &words, ""));
	CHECK(expr_is("  \t ", &words, ""));
	CHECK(expr_is("-", &words, "-"));
	CHECK(expr_is("[", &words, "["));
	CHECK(expr_is("1-2 --3 1e5 0x10", &words, "1-2 --3 1e5 0x10"));
}

/* Expressions in the place of code: a word each, or more where it is too long. */
static void test_exprs(void)
{
	char longest[3 * NORMALISE_WORD_MAX + 1];
	const char *e[] = {"* ( v0 add 8 ) = v1 ", longest, "", "0 Concat eax [7:0] ne 5001"};
	struct texts exprs = {e, COUNT_OF(e)};
	struct normalise_text t = {0};
	size_t blank;

	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest + NORMALISE_WORD_MAX - 1, "\xc3\xa9", 2); /* not cut within */
	longest[2 * NORMALISE_WORD_MAX] = '\0';
	normalise_exprs(&t, &exprs, 0, &words);
	CHECK(t.n == 4 && !t.bad && t.insn[3] == 3 && t.end[0] == strlen("*(v0add8)=v1"));
	CHECK(!memcmp(t.text.p, "*(v0add8)=v1", t.end[0]));
	blank = strcspn(buf_text(&t.text) + t.end[0], " ");
	CHECK(blank == NORMALISE_WORD_MAX + 1 && t.end[1] - t.end[0] == 2 * NORMALISE_WORD_MAX + 1);
	CHECK(t.end[2] == t.end[1] &&
		!strcmp(buf_text(&t.text) + t.end[2], "0Concatrax[7:0]neIMM"));
	normalise_exprs(&t, &exprs, 1, &paper);
	CHECK(t.n == 1 && !strcmp(buf_text(&t.text), "*(v0 add 8) = v1"));
	normalise_text_free(&t);
}

/* Random bytes and random expressions: nothing is written past what was reserved (run with SAN=1).
 */
static void test_random(void)
{
	static const char alphabet[] = "rax ()*[]:,=-.0123456789eabd\t\xc3\xa9";
	struct rng r = rng_new(1, 0);
	struct buf b = {0};
	size_t done = 0;

	for (int k = 0; k < 200000; k++) {
		uint8_t code[INSN_MAX_LEN];
		struct normalise_ref ref = {.import = rng_below(&r, 4) ? NULL : "memcpy",
			.func = rng_below(&r, 4) == 0,
			.data = rng_below(&r, 4) == 0};
		struct insn insn;

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = (uint8_t)rng_u32(&r);
		if (rng_below(&r, 2)) /* EVEX and VEX have the longest texts */
			code[0] = rng_below(&r, 2) ? 0x62 : 0xc5;
		if (insn_decode(decoder, code, sizeof(code), &insn) != 1)
			continue;
		done++;
		buf_free(&b); /* so that each text is at the end of its memory */
		normalise_insn(&b, &insn, &ref, rng_below(&r, 2) ? &words : &paper);
		CHECK(!b.n || (b.n <= b.cap && b.p[b.n - 1] != ' '));
	}
	CHECK(done > 10000);
	for (int k = 0; k < 100000; k++) {
		char expr[40];
		size_t n = rng_below(&r, sizeof(expr));

		for (size_t i = 0; i < n; i++)
			expr[i] = alphabet[rng_below(&r, sizeof(alphabet) - 1)];
		expr[n] = '\0';
		buf_reset(&b);
		normalise_expr(&b, expr, rng_below(&r, 2) ? &words : &paper);
	}
	buf_free(&b);
}

int main(void)
{
	decoder = insn_open(ARCH_X86_64);
	test_table_1();
	test_words();
	test_references();
	test_threshold();
	test_code();
	test_expressions();
	test_exprs();
	test_random();
	insn_close(decoder);
	return unit_done();
}
