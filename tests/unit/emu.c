/*
 * emu.c: straight runs of hand-made code on every processor, with known results; nothing of a run
 * is left for the next; the bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "code/regs.h"
#include "emu/machine.h"
#include "emu/memory.h"
#include "tests/unit.h"

enum { MOST = 64, ASKED = 8, BYTES = 512 };

/* Decoded code, of which every instruction asks for the same registers. */
struct code {
	uint8_t bytes[BYTES], len[MOST];
	struct insn insn[MOST + 1];
	uint8_t reg[(MOST + 1) * ASKED];
	uint32_t first[MOST + 2];
	unsigned asked;
	struct machine_code c;
};

/* Hexadecimal bytes, those of an instruction together; names of registers. */
static void make(struct code *k, enum arch a, const char *hex, const char *names)
{
	struct insn_decoder *d = insn_open(a);
	uint8_t asked[ASKED];
	size_t n = 0, size = 0;

	memset(k, 0, sizeof(*k));
	while (*hex) {
		unsigned byte;

		if (*hex == ' ') {
			hex++;
			continue;
		}
		while (sscanf(hex, "%2x", &byte) == 1 && *hex != ' ') {
			k->bytes[size + k->len[n]++] = (uint8_t)byte;
			hex += 2;
		}
		size += k->len[n++];
	}
	while (*names) {
		size_t len = strcspn(names, " ");
		int r = regs_find(a, names, len);

		CHECK(r >= 0);
		asked[k->asked++] = (uint8_t)r;
		names += len + (names[len] == ' ');
	}
	codeseq_decode(d, k->bytes, k->len, n, k->insn);
	for (size_t i = 0; i < n; i++) {
		memcpy(k->reg + i * k->asked, asked, k->asked);
		k->first[i + 1] = (uint32_t)((i + 1) * k->asked);
	}
	k->c = (struct machine_code){k->bytes, k->insn, n, 0x1000, k->reg, k->first};
	/* The decoder's texts go with it; nobody looks at them but for those that are bad. */
	for (size_t i = 0; i < n; i++)
		if (!codeseq_is_bad(&k->insn[i]))
			k->insn[i].mnemonic = "x";
	insn_close(d);
}

static void run(struct machine *m, struct code *k, uint64_t seed, uint64_t *values)
{
	CHECK(machine_load(m, &k->c) == 0);
	machine_run(m, seed, 1, values);
}

/* What the registers hold before the last instruction. */
struct known {
	enum arch a;
	const char *hex, *names;
	uint64_t want[ASKED];
};
static const struct known known[] = {
	/* mov eax, -2; mov ecx, 7; imul rax, rcx; sub cl, 9 */
	{ARCH_X86_64, "b8feffffff b907000000 480fafc1 80e909 90", "rax rcx cl ch ecx",
		{0x6fffffff2, 0xfe, 0xfe, 0, 0xfe}},
	/* push 5; call +0; jmp +0; pop rax; ret; xor edx, edx; jne; div edx; inc edx */
	{ARCH_X86_64, "6a05 e800000000 eb00 58 c3 31d2 7500 f7f2 ffc2 90", "rax edx rsp",
		{5, 1, 0x7fff00000000}},
	/* mov eax, 3; movd xmm1, eax; paddd xmm1, xmm1; movss [rsp-8], xmm1; mov ecx, [rsp-8] */
	{ARCH_X86_64, "b803000000 660f6ec8 660ffec9 f30f114c24f8 8b4c24f8 90", "xmm1 ecx", {6, 6}},
	/* mov ecx, 5; sub rsp, 64; mov rdi, rsp; mov al, 7; rep stosb; mov edx, [rsp+1];
	 * syscall; rdtsc; cpuid's neighbours untouched: hlt */
	{ARCH_X86_64, "b905000000 4883ec40 4889e7 b007 f3aa 8b542401 0f05 f4 90", "rcx edx",
		{0, 0x07070707}},
	/* vpxor ymm0, ymm0, ymm0: skipped; shlx eax, edx, ecx */
	{ARCH_X86_64, "ba03000000 b904000000 c4e271f7c2 c5fdefc0 90", "eax", {0x30}},
	{ARCH_I386, "b8feffffff 6a07 59 0fafc1 8945fc e800000000 c3 90", "eax ecx esp",
		{0xfffffff2, 7, 0x7fff0000}},
	/* mov w0, #5; sub w1, w0, #7; stp x0, x1, [sp, #-16]!; bl; ldr x2, [sp, #8]; ret */
	{ARCH_AARCH64, "a0008052 011c0051 e007bfa9 00000094 e20740f9 c0035fd6 1f2003d5",
		"x0 x1 w1 x2 sp", {5, 0xfffffffe, 0xfffffffe, 0xfffffffe, 0x7ffefffffff0}},
	/* fmov d0, #1.0; fadd d1, d0, d0; fmov x0, d1; svc; mrs x1, cntvct_el0: skipped */
	{ARCH_AARCH64, "00106e1e 0128601e 2000669e 010000d4 010080d2 41e03bd5 1f2003d5", "d1 x0 x1",
		{0x4000000000000000, 0x4000000000000000, 0}},
	/* mov r0, #5; sub r1, r0, #7; push {r0, r1}; bl; ldr r2, [sp, #4]; pop {r4, pc}; bx lr */
	{ARCH_ARM, "0500a0e3 071040e2 03002de9 000000eb 04209de5 1080bde8 1eff2fe1 00f020e3",
		"r0 r1 r2 sp", {5, 0xfffffffe, 0xfffffffe, 0x7ffefff8}},
	/* vmov.f64 d0, #1.0; vadd.f64 d1, d0, d0; vmov r0, r1, d1; vmov.f32 s5, #1.0 */
	{ARCH_ARM, "000bb7ee 001b30ee 110b51ec 002af7ee 00f020e3", "d1 r0 r1 s5",
		{0x4000000000000000, 0, 0x40000000, 0x3f800000}},
	/* movs r0, #5; cmp r0, #5; ite eq; moveq r1, #1; movne r1, #2; push {r0, r1}; bx lr;
	 * ldr r2, [sp, #4]; mov.w r3, #256 */
	{ARCH_THUMB, "0520 0528 0cbf 0121 0221 03b4 7047 019a 4ff48073 00bf", "r0 r1 r2 r3 sp",
		{5, 1, 1, 256, 0x7ffefff8}},
	/* A fault in the middle of an it block: cmp r0, r0; itte ne; undefined; movne r1, #2;
	 * moveq r1, #3, so that r1 is 3 whatever the fault did. */
	{ARCH_THUMB, "0021 8042 1bbf 00de 0221 0321 00bf", "r1", {3}},
	/* li $t0, 5; addiu $t1, $t0, -7; sw $t1, -8($sp); jal; lw $t2, -8($sp); jr $ra;
	 * lb $t3, -8($sp): the most significant byte first */
	{ARCH_MIPS,
		"24080005 2509fff9 24090102 afa9fff8 0c000000 8faafff8 03e00008 83abfff9 00000000",
		"$t0 $t1 $t2 $t3 $sp", {5, 0x102, 0x102, 0, 0x7fff0000}},
	{ARCH_MIPSEL,
		"05000824 f9ff0925 02010924 f8ffa9af 0000000c f8ffaa8f 0800e003 f9ffab83 00000000",
		"$t0 $t1 $t2 $t3 $sp", {5, 0x102, 0x102, 1, 0x7fff0000}},
	/* An odd pointer: addiu $t0, $sp, -5; li $t1, 3; sw $t1, 0($t0); lw $t2, -8($sp);
	 * lw $t0, 0($t0) */
	{ARCH_MIPSEL, "fbffa827 03000924 000009ad f8ffaa8f 0000088d 00000000", "$t0 $t1 $t2",
		{3, 3, 3}},
	/* li $t0, 1; mtc1 $t0, $f3; add.s $f4, ...: cvt.s.w $f4, $f3; mfc1 $t1, $f4 */
	{ARCH_MIPSEL, "01000824 00188844 20198046 00200944 00000000", "$f3 $f4 $t1",
		{1, 0x3f800000, 0x3f800000}},
	{ARCH_MIPS, "24080001 44881800 46801920 44092000 00000000", "$f3 $f4 $t1",
		{1, 0x3f800000, 0x3f800000}},
	/* The same as ARM and Thumb, big-endian: str r0, [sp, #-4]!; ldrb r1, [sp, #3] */
	{ARCH_ARMEB, "e3a00005 e52d0004 e5dd1003 e5dd2000 e320f000", "r0 r1 r2 sp",
		{5, 5, 0, 0x7ffefffc}},
	{ARCH_THUMBEB, "2005 b401 f89d1003 2805 bf0c 2201 2202 bf00", "r0 r1 r2 sp",
		{5, 5, 1, 0x7ffefffc}},
};

static void test_known(void)
{
	uint64_t values[MOST * ASKED];

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		struct machine *m = machine_open(known[i].a);
		struct code k;

		CHECK(m != NULL);
		if (!m)
			continue;
		make(&k, known[i].a, known[i].hex, known[i].names);
		run(m, &k, 42, values);
		for (unsigned r = 0; r < k.asked; r++) {
			uint64_t got = values[k.first[k.c.n - 1] + r];

			if (got != known[i].want[r])
				fprintf(stderr, "case %zu, register %u: 0x%llx\n", i, r,
					(unsigned long long)got);
			CHECK(got == known[i].want[r]);
		}
		machine_close(m);
	}
}

/* Equal code and state, equal values; another seed or run, others. What ran before does not matter.
 */
static void test_state(enum arch a, const char *hex, const char *other, const char *names)
{
	struct machine *used = machine_open(a), *fresh = machine_open(a);
	uint64_t v[3][MOST * ASKED];
	struct code k, o;
	size_t n;

	make(&k, a, hex, names);
	make(&o, a, other, names);
	n = k.first[k.c.n];
	CHECK(n > 0);
	run(used, &o, 7, v[0]);
	machine_run(used, 7, 2, v[0]);
	run(used, &k, 9, v[0]);
	run(fresh, &k, 9, v[1]);
	CHECK(!memcmp(v[0], v[1], n * sizeof(uint64_t)));
	machine_run(used, 9, 2, v[1]);
	machine_run(used, 10, 1, v[2]);
	CHECK(memcmp(v[0], v[1], n * sizeof(uint64_t)) && memcmp(v[0], v[2], n * sizeof(uint64_t)));
	machine_run(used, 9, 1, v[1]);
	CHECK(!memcmp(v[0], v[1], n * sizeof(uint64_t)));
	machine_close(used);
	machine_close(fresh);
}

static void test_states(void)
{
	/* mov eax, [rdi]; add [rdi], ecx; mov edx, [rdi]; nop after: writes to memory, flags, x87,
	 * mxcsr, direction flag */
	test_state(ARCH_X86_64, "8b07 010f 8b17 660f6fc1 0f94c3 90",
		"fd 8907 d9e8 d9c0 0fae10 f20f58c1 90", "rax rdx rcx bl xmm0 st(0)");
	test_state(ARCH_AARCH64, "000040b9 010000b9 1f2003d5",
		"000000f9 20fc619e e003008b 1f2003d5", "x0 x1 x2 d0");
	test_state(ARCH_MIPS, "8c820000 ac850004 8c860004 00000000",
		"ac820000 44820800 00850018 00000000", "$v0 $a2 $f1 $a1");
	test_state(ARCH_THUMB, "0868 4860 4a68 00bf", "0860 08bf 0121 00bf", "r0 r1 r2 d3");
}

/* Code that faults again and again, or is long, or lies in any of the areas: an end is reached. */
static void test_bounds(void)
{
	enum { N = MACHINE_INSNS + 1000 };
	static const size_t sizes[] = {1, 1000, 2047, 2048, 5000, 40000, N};
	uint8_t *bytes = mem_alloc(N, 2), *len = mem_alloc(N, 1);
	struct insn *insn = mem_alloc(N, sizeof(*insn));
	uint32_t *first = mem_zalloc(N + 1, sizeof(*first));
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct machine *m = machine_open(ARCH_X86_64);
	struct machine_counts before;

	for (size_t k = 0; k < COUNT_OF(sizes); k++) {
		size_t n = sizes[k];
		struct machine_code c = {bytes, insn, n, 0, (const uint8_t[]){0}, first};
		uint64_t rax;

		for (size_t i = 0; i < n; i++) { /* inc eax */
			bytes[2 * i] = 0xff;
			bytes[2 * i + 1] = 0xc0;
			len[i] = 2;
		}
		CHECK(codeseq_decode(d, bytes, len, n, insn) == 0);
		memset(first, 0, n * sizeof(*first));
		first[n] = 1; /* the last one asks for rax */
		before = *machine_counts(m);
		CHECK(machine_load(m, &c) == 0);
		machine_run(m, 3, 1, &rax);
		CHECK(machine_counts(m)->insns - before.insns == n);
		CHECK(machine_counts(m)->faulted == before.faulted);
		CHECK(machine_counts(m)->beyond - before.beyond ==
			(n > MACHINE_INSNS ? n - MACHINE_INSNS : 0));
	}
	for (size_t i = 0; i < N; i++) /* xor ecx, ecx; div cl again and again */
		memcpy(bytes + 2 * i, i ? "\xf6\xf1" : "\x31\xc9", 2);
	CHECK(codeseq_decode(d, bytes, len, N, insn) == 0);
	memset(first, 0, (N + 1) * sizeof(*first));
	before = *machine_counts(m);
	CHECK(machine_load(m, &(struct machine_code){bytes, insn, N, 0, NULL, first}) == 0);
	machine_run(m, 3, 1, NULL);
	CHECK(machine_counts(m)->faulted - before.faulted == MACHINE_FAULTS);
	CHECK(machine_counts(m)->beyond - before.beyond >= N - MACHINE_INSNS);
	machine_close(m);
	insn_close(d);
	mem_free(bytes);
	mem_free(len);
	mem_free(insn);
	mem_free(first);
}

static void test_memory(void)
{
	struct memory *m = memory_new(), *o = memory_new();
	uint8_t a[40], b[40], c[40];

	memory_reset(m, 1, 2);
	memory_reset(o, 1, 2);
	memory_read(m, 1003, a, sizeof(a));
	for (unsigned i = sizeof(b); i-- > 0;)
		memory_read(o, 1003 + i, b + i, 1);
	CHECK(!memcmp(a, b, sizeof(a)));
	memory_write(m, 1010, (const uint8_t *)"0123456789abcdefghij", 20);
	memory_read(m, 1003, c, sizeof(c));
	CHECK(!memcmp(c, a, 7) && !memcmp(c + 7, "0123456789abcdefghij", 20) &&
		!memcmp(c + 27, a + 27, 13));
	memory_write(m, UINT64_MAX - 1, (const uint8_t *)"wrap", 4);
	memory_read(m, 0, c, 2);
	CHECK(!memcmp(c, "ap", 2));
	/* Far more lines than it keeps: no end of memory, and the first ones are still there. */
	for (uint64_t i = 0; i < 2 * MEMORY_LINES; i++)
		memory_write(m, 1 << 20 | i * MEMORY_LINE, (const uint8_t *)"x", 1);
	memory_read(m, 1010, c, 20);
	CHECK(!memcmp(c, "0123456789abcdefghij", 20));
	memory_reset(m, 1, 2);
	memory_read(m, 1003, b, sizeof(b));
	CHECK(!memcmp(a, b, sizeof(a)));
	memory_reset(m, 1, 3);
	memory_read(m, 1003, b, sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	memory_free(m);
	memory_free(o);
}

int main(void)
{
	test_known();
	test_states();
	test_bounds();
	test_memory();
	return unit_done();
}
