/* traced.c: golden text of instructions as words with values, of each processor. */
#include "text/traced.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tests/unit.h"

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

/* The words [from, to), a register as %rax, a number with its value. */
static void show(struct buf *b, const struct traced_text *t, size_t from, size_t to, enum arch a)
{
	for (size_t i = from; i < to; i++) {
		const struct traced_word *w = &t->words.p[i];
		const char *text = (char *)t->text.p + w->from;

		buf_printf(b, "%s%s%.*s", i > from ? " " : "", w->kind == TRACED_REG ? "%" : "",
			(int)w->len, text);
		if (w->kind == TRACED_NUM)
			buf_printf(b, "=%" PRId64, (int64_t)w->value);
		if (w->kind == TRACED_REG)
			CHECK(regs_find(a, text, w->len) == w->reg);
		CHECK(text[w->len] == ' ' && !memchr(text, ' ', w->len));
	}
}

/* What the first instruction of a row refers to, or the second. */
enum refers { NONE, IMPORT, CALL, DATA, DATA_1 };

/* A row: instructions with " / " between them, their bytes likewise. */
struct row {
	const char *hex, *text;
	enum refers refers;
};

static struct refs refs_of(enum refers refers)
{
	static uint32_t at[] = {0, 1}, nameless[] = {0}, named[] = {1};
	static uint8_t kind[] = {REF_IMPORT, REF_CALL, REF_DATA};
	static uint64_t target[] = {0x404040};
	static const char *names[] = {"str len"};

	if (refers == NONE)
		return (struct refs){0};
	return (struct refs){{at + (refers == DATA_1), 1},
		{kind + (refers == IMPORT        ? 0
				: refers == CALL ? 1
						 : 2),
			1},
		{target, 1}, {refers == IMPORT ? named : nameless, 1}, {names, refers == IMPORT}};
}

static void check_rows(enum arch a, const struct row *rows, size_t n)
{
	struct traced_text t = {0};
	struct buf got = {0};

	CHECK(insn_use(decoder, a) == 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t code[128], len[16];
		struct u8s codes = {code, 0}, lens = {len, 0};
		struct refs refs = refs_of(rows[i].refers);
		size_t from = 0;

		for (const char *p = rows[i].hex; p;) {
			char part[64];
			const char *end = strstr(p, " / ");

			snprintf(part, sizeof(part), "%.*s", (int)(end ? end - p : 63), p);
			len[lens.n] = (uint8_t)from_hex(part, code + codes.n);
			codes.n += len[lens.n++];
			p = end ? end + 3 : NULL;
		}
		traced_code(&t, decoder, &codes, &lens, &refs, 0);
		buf_reset(&got);
		for (size_t k = 0; k < t.n; from = t.end[k++]) {
			buf_puts(&got, k ? " / " : "");
			show(&got, &t, from, t.end[k], a);
		}
		if (strcmp(buf_text(&got), rows[i].text))
			fprintf(stderr, "%s %s: \"%s\" is not \"%s\"\n", arch_name(a), rows[i].hex,
				(char *)got.p, rows[i].text);
		CHECK(!strcmp(buf_text(&got), rows[i].text) && t.bad == 0);
	}
	traced_text_free(&t);
	buf_free(&got);
}
#define CHECK_ROWS(a, rows) check_rows(a, rows, COUNT_OF(rows))

static void test_x86(void)
{
	static const struct row rows[] = {
		{"48 8b 85 58 ff ff ff", "mov %rax [ %rbp num=-168", NONE},
		{"c7 44 88 08 01 00 00 00", "mov dword [ %rax %rcx *4 num=8 ] num=1", NONE},
		{"66 89 04 11", "mov [ %rcx %rdx ] %ax", NONE},
		{"0f b7 04 11", "movzx %eax word [ %rcx %rdx", NONE},
		{"d3 20", "shl dword [ %rax ] %cl", NONE},
		{"8d 44 3f 01", "lea %eax [ %rdi %rdi num=1", NONE},
		{"48 8d 05 10 00 00 00", "lea %rax [ IMM", NONE},
		{"8b 04 cd 40 40 40 00", "mov %eax [ %rcx *8 IMM", NONE},
		{"64 48 8b 04 25 28 00 00 00", "mov %rax fs: [ num=40", NONE},
		{"8b 3c 25 40 40 40 00", "mov %edi [ IMM", NONE},
		{"be 40 40 40 00", "mov %esi IMM", DATA},
		{"be 40 40 40 00", "mov %esi num=4210752", NONE},
		{"83 c8 ff", "or %eax num=-1", NONE},
		{"b0 ff", "mov %al num=255", NONE},
		{"88 e0", "mov %al %ah", NONE},
		{"48 b8 ef cd ab 89 67 45 23 81", "movabs %rax num=-9141386507638288913", NONE},
		{"f3 aa", "rep stosb [ %rdi ] %al", NONE},
		{"f0 0f b1 0b", "lock cmpxchg [ %rbx ] %ecx", NONE},
		{"e8 e3 03 00 00", "call func", CALL},
		{"e8 e3 03 00 00", "call str_len", IMPORT},
		{"eb 02", "jmp MEM", NONE},
		{"ff d0", "call %rax", NONE},
		{"ff 25 40 40 40 00", "jmp str_len", IMPORT},
		{"90 / f3 0f 1e fa / c3", "ret", NONE},
		{"f3 0f 10 05 10 00 00 00", "movss %xmm0 dword [ IMM", NONE},
		{"0f 28 01", "movaps %xmm0 [ %rcx", NONE},
		{"c4 e2 7d 18 44 88 fc", "vbroadcastss %ymm0 dword [ %rax %rcx *4 num=-4", NONE},
		{"62 f1 6c c9 58 cb", "vaddps %zmm1 %k1 z %zmm2 %zmm3", NONE},
		{"62 f1 6c 59 58 08", "vaddps %zmm1 %k1 %zmm2 dword [ %rax ] 1to16", NONE},
		{"d8 c3", "fadd %st(3)", NONE},
		{"8e e0", "mov fs %eax", NONE},
		{"8b 83 10 27 00 00", "mov %eax [ %rbx IMM", NONE},
	};
	static const struct row i386[] = {
		{"8b 44 24 04", "mov %eax [ %esp num=4", NONE},
		{"a1 40 40 40 00", "mov %eax [ IMM", NONE},
		{"8d 83 d8 ff ff ff", "lea %eax [ %ebx IMM", DATA},
		{"8d 83 d8 ff ff ff", "lea %eax [ %ebx num=-40", NONE},
		/* after a call it may be what leads to the global offset table */
		{"e8 00 00 00 00 / 81 c3 eb af 03 00", "call func / add %ebx IMM", CALL},
		{"90 / 81 c3 eb af 03 00", "add %ebx num=241643", NONE},
	};

	CHECK_ROWS(ARCH_X86_64, rows);
	CHECK_ROWS(ARCH_I386, i386);
}

static void test_aarch64(void)
{
	static const struct row rows[] = {
		{"fd 7b bf a9", "stp %x29 %x30 [ %sp num=-16 !", NONE},
		{"fd 7b c1 a8", "ldp %x29 %x30 [ %sp ] num=16", NONE},
		{"20 00 40 f9", "ldr %x0 [ %x1", NONE},
		{"20 08 40 b9", "ldr %w0 [ %x1 num=8", NONE},
		{"20 78 62 f8", "ldr %x0 [ %x1 %x2 lsl num=3", NONE},
		{"20 d8 62 b8", "ldr %w0 [ %x1 %w2 sxtw num=2", NONE},
		{"20 08 40 f9", "ldr %x0 [ %x1 IMM", DATA},
		{"00 00 00 b0", "adrp %x0 IMM", NONE},
		{"1f 00 00 f9", "str xzr [ %x0", NONE},
		{"e0 03 1f 2a", "mov %w0 wzr", NONE},
		{"00 00 80 12", "movn %w0 num=0", NONE},
		{"20 78 1e 12", "and %w0 %w1 num=-3", NONE},
		{"20 84 a2 4e", "add %v0 .4s %v1 .4s %v2 .4s", NONE},
		{"00 3c 08 4e", "mov %x0 %v0 .d[0]", NONE},
		{"20 a0 00 4c", "st1 %v0 .16b %v1 .16b [ %x1", NONE},
		{"00 10 6e 1e", "fmov %d0 num=4607182418800017408", NONE},
		{"01 00 00 94", "bl str_len", IMPORT},
		{"01 00 00 94", "bl func", NONE},
		{"40 00 00 54", "b.eq MEM", NONE},
		{"00 02 3f d6", "blr %x16", NONE},
		{"40 10 42 7a", "ccmp %w2 %w2 num=0 ne", NONE},
		{"1f 20 03 d5 / c0 03 5f d6", "ret", NONE},
	};

	CHECK_ROWS(ARCH_AARCH64, rows);
}

static void test_arm(void)
{
	static const struct row arm[] = {
		{"f0 4f 2d e9", "push %r4 %r5 %r6 %r7 %r8 %sb %sl %fp %lr", NONE},
		{"10 80 bd e8", "pop %r4 pc", NONE},
		{"04 00 a1 e8", "stm %r1 ! %r2", NONE},
		{"02 00 11 e7", "ldr %r0 [ %r1 - %r2", NONE},
		{"04 20 91 e4", "ldr %r2 [ %r1 ] num=4", NONE},
		{"04 20 b1 e5", "ldr %r2 [ %r1 num=4 !", NONE},
		{"08 00 9f e5", "ldr %r0 [ pc IMM", NONE},
		{"02 31 81 e0", "add %r3 %r1 %r2 lsl num=2", NONE},
		{"00 00 e0 e3", "mvn %r0 num=0", NONE},
		{"02 01 a0 e3", "mov %r0 num=-2147483648", NONE},
		{"10 0f 11 ee", "mrc p15 num=0 %r0 c1 c0 num=0", NONE},
		{"00 0b b7 ee", "vmov.f64 %d0 num=4607182418800017408", NONE},
		{"90 0b 30 ee", "vmov.32 %r0 %d16 [1]", NONE},
		{"44 08 46 f2", "vadd.i8 %q8 %q3 %q2", NONE},
		{"10 fa f1 ee", "vmrs apsr_nzcv fpscr", NONE},
		{"fe ff ff eb", "bl func", NONE},
		{"00 f0 20 e3 / 1e ff 2f e1", "bx %lr", NONE},
		/* movw and movt make a number, or an address */
		{"40 00 04 e3 / 40 00 40 e3", "movw %r0 num=16448 / movt %r0 num=64", NONE},
		{"40 00 04 e3 / 40 00 40 e3", "movw %r0 IMM / movt %r0 IMM", DATA_1},
	};
	static const struct row thumb[] = {
		{"11 f8 02 00", "ldrb %r0 [ %r1 %r2", NONE},
		{"08 bf / 01 20", "it eq / moveq %r0 num=1", NONE},
		{"00 bf / 70 47", "bx %lr", NONE},
		{"df e8 00 f0", "tbb [ pc %r0", NONE},
		{"01 b1", "cbz %r1 MEM", NONE},
	};

	CHECK_ROWS(ARCH_ARM, arm);
	CHECK_ROWS(ARCH_THUMB, thumb);
}

static void test_mips(void)
{
	static const struct row rows[] = {
		{"8f a4 00 10", "lw %$a0 num=16 ( %$sp", NONE},
		{"8c 82 00 00", "lw %$v0 ( %$a0", NONE},
		{"8f 99 80 10", "lw %$t9 IMM ( %$gp", NONE},
		{"af bc 00 10", "sw %$gp num=16 ( %$sp", NONE},
		{"24 02 ff ff", "addiu %$v0 $zero num=-1", NONE},
		{"34 42 ff ff", "ori %$v0 %$v0 num=65535", NONE},
		{"00 80 10 25", "move %$v0 %$a0", NONE},
		{"03 20 f8 09", "jalr %$t9", NONE},
		{"03 e0 00 08 / 00 00 00 00", "jr %$ra", NONE},
		{"46 20 00 04", "sqrt.d %$f0 %$f0", NONE},
		{"45 01 00 04", "bc1t MEM", NONE},
		{"00 00 10 12", "mflo %$v0", NONE},
		{"0c 00 00 00", "jal str_len", IMPORT},
		/* a number, an address, and what makes $gp */
		{"3c 02 ed b8 / 34 42 83 20", "lui %$v0 num=-306708480 / ori %$v0 %$v0 num=33568",
			NONE},
		{"3c 02 00 40 / 24 42 40 40", "lui %$v0 IMM / addiu %$v0 %$v0 IMM", DATA_1},
		{"3c 02 00 40 / ac 44 40 40", "lui %$v0 IMM / sw %$a0 IMM ( %$v0", DATA_1},
		{"3c 1c 00 05 / 27 9c 80 10 / 03 99 e0 21",
			"lui %$gp IMM / addiu %$gp %$gp IMM / addu %$gp %$gp %$t9", NONE},
		{"3c 02 00 05 / 24 42 80 10 / 00 59 e0 21",
			"lui %$v0 IMM / addiu %$v0 %$v0 IMM / addu %$gp %$v0 %$t9", NONE},
		{"3c 02 00 05 / 24 42 80 10 / 00 59 80 21",
			"lui %$v0 IMM / addiu %$v0 %$v0 IMM / addu %$s0 %$v0 %$t9", NONE},
	};

	CHECK_ROWS(ARCH_MIPS, rows);
}

/*
 * Any bytes: words fill the text, registers are registers, as many as counted; and what normalise.c
 * gives a text has words.
 */
static void test_random(void)
{
	static const struct normalise_opts plain = {NORMALISE_THRESHOLD, NORMALISE_WORDS};
	struct rng r = rng_new(7, 0);
	struct traced_text t = {0};
	struct normalise_text text = {0};
	uint8_t code[4096], len[4096];
	struct refs none = {0};

	for (int round = 0; round < 400; round++) {
		enum arch a = ARCH_NONE + 1 + (enum arch)rng_below(&r, ARCH_COUNT - 1);
		struct u8s codes = {code, 0}, lens = {len, 0};
		size_t regs = 0, end = 0;

		CHECK(insn_use(decoder, a) == 0);
		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = (uint8_t)rng_u32(&r);
		while (codes.n + INSN_MAX_LEN <= sizeof(code)) {
			struct insn insn;
			size_t n = insn_decode(decoder, code + codes.n, INSN_MAX_LEN, &insn)
					   ? insn.len
				   : arch_info(a)->is64 || a == ARCH_I386 ? 1
									  : 2;

			len[lens.n++] = (uint8_t)n;
			codes.n += n;
		}
		traced_code(&t, decoder, &codes, &lens, &none, 0);
		normalise_code(&text, decoder, &codes, &lens, &none, 0, &plain);
		CHECK(t.n == text.n && t.bad == text.bad);
		CHECK(!t.n || !memcmp(t.insn, text.insn, t.n * sizeof(*t.insn)));
		CHECK(!t.n || t.end[t.n - 1] == t.words.n);
		for (size_t i = 0; i < t.words.n; i++) {
			const struct traced_word *w = &t.words.p[i];

			CHECK(w->from == end && w->len && t.text.p[w->from + w->len] == ' ');
			CHECK(!memchr(t.text.p + w->from, ' ', w->len));
			end += w->len + 1;
			regs += w->kind == TRACED_REG;
			if (w->kind == TRACED_REG)
				CHECK(regs_find(a, (char *)t.text.p + w->from, w->len) == w->reg);
		}
		CHECK(end == t.text.n && regs == t.regs);
	}
	traced_text_free(&t);
	normalise_text_free(&text);
}

int main(void)
{
	decoder = insn_open(ARCH_X86_64);
	test_x86();
	test_aarch64();
	test_arm();
	test_mips();
	test_random();
	insn_close(decoder);
	return unit_done();
}
