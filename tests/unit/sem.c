/*
 * sem.c: symbolic states and what instructions do to them: parts of registers, memory and aliases,
 * conditions, def-use, calls, unknown instructions, and bytes that mean harm. That values are right
 * is for native.c to say.
 */
#include <string.h>

#include "base/rng.h"
#include "sem/a64.h"
#include "sem/x86.h"
#include "tests/unit.h"

struct test {
	struct insn_decoder *decoder;
	struct expr_pool *p;
	struct state s;
	struct x86_effects fx;
};

/* Executes the instructions written as hexadecimal bytes; returns how many were known. */
static unsigned step(struct test *t, const char *hex)
{
	uint8_t b[64];
	size_t n = 0, at = 0;
	unsigned known = 0, v;
	struct insn i;

	for (; sscanf(hex, "%2x", &v) == 1; hex += hex[2] ? 3 : 2)
		b[n++] = (uint8_t)v;
	t->s.fx = &t->fx;
	while (at < n && insn_decode(t->decoder, b + at, n - at, &i)) {
		known += (unsigned)x86_step(&t->s, &i);
		at += i.len;
	}
	t->s.fx = NULL;
	CHECK(at == n);
	return known;
}

static unsigned run(struct test *t, unsigned options, const char *hex)
{
	expr_pool_reset(t->p);
	state_reset(&t->s, t->p, options);
	return step(t, hex);
}

static const struct expr *in(struct test *t, enum x86_reg r)
{
	return expr_input(t->p, r, 64);
}

static const struct expr *low(struct test *t, enum x86_reg r, unsigned width)
{
	return expr_extract(t->p, in(t, r), 0, width);
}

static const struct expr *now(struct test *t, enum x86_reg r)
{
	return state_peek(&t->s, r);
}

static const struct expr *at(struct test *t, const struct expr *base, int64_t offset)
{
	return expr_add(t->p, base, expr_const(t->p, 64, (uint64_t)offset));
}

static const struct expr *num(struct test *t, unsigned width, uint64_t v)
{
	return expr_const(t->p, width, v);
}

static void test_registers(struct test *t)
{
	run(t, 0, "89 f8"); /* mov eax, edi */
	CHECK(now(t, X86_RAX) == expr_zext(t->p, low(t, X86_RDI, 32), 64));
	CHECK(t->s.written[X86_RAX] == 0xff && t->s.read[X86_RDI] == 0x0f);
	run(t, 0, "88 c8 88 d4"); /* mov al, cl; mov ah, dl */
	CHECK(now(t, X86_RAX) ==
		expr_concat(t->p, expr_extract(t->p, in(t, X86_RAX), 16, 48),
			expr_concat(t->p, low(t, X86_RDX, 8), low(t, X86_RCX, 8))));
	CHECK(t->s.written[X86_RAX] == 3 && t->s.read[X86_RAX] == 0);
	step(t, "89 c3"); /* mov ebx, eax: bytes 2 and 3 are inputs */
	CHECK(t->s.read[X86_RAX] == 0x0c);
	run(t, 0, "48 8d 44 88 05 f3 aa"); /* lea rax, [rax + rcx*4 + 5]; rep stosb */
	CHECK(now(t, X86_RCX) == at(t, in(t, X86_RCX), -1));
	CHECK(now(t, X86_RDI) == at(t, in(t, X86_RDI), 1));
	CHECK(t->s.nstores == 1 && t->s.store[0].base == in(t, X86_RDI));
	CHECK(t->s.store[0].val == expr_extract(t->p, now(t, X86_RAX), 0, 8));
}

static void test_memory(struct test *t)
{
	/* mov [rsp-8], rdi; mov [rsp-16], rsi; mov rax, [rsp-8]; mov ecx, [rsp-12] */
	run(t, 0, "48 89 7c 24 f8 48 89 74 24 f0 48 8b 44 24 f8 8b 4c 24 f4");
	CHECK(now(t, X86_RAX) == in(t, X86_RDI));
	CHECK(now(t, X86_RCX) == expr_zext(t->p, expr_extract(t->p, in(t, X86_RSI), 32, 32), 64));
	/* mov [rdi], al; mov rcx, [rdi-1]: one byte of eight is known */
	run(t, 0, "88 07 48 8b 4f ff");
	CHECK(now(t, X86_RCX)->op == EXPR_CONCAT && now(t, X86_RCX)->nargs == 3);
	CHECK(expr_extract(t->p, now(t, X86_RCX), 8, 8) == low(t, X86_RAX, 8));
	/* mov [rdi], rax; mov [rdi], rcx; mov [rdi+4], edx: one location twice, half of it again */
	run(t, 0, "48 89 07 48 89 0f 89 57 04");
	CHECK(t->s.nstores == 2 && t->s.store[0].live == 4 && t->s.store[1].live == 4);
	CHECK(t->s.store[0].val == in(t, X86_RCX));
	/* mov [rdi], rax; mov rcx, [rsi]: other objects, or maybe not */
	run(t, 0, "48 89 07 48 8b 0e");
	CHECK(now(t, X86_RCX) == expr_load(t->p, NULL, in(t, X86_RSI), 64));
	run(t, STATE_STRICT, "48 89 07 48 8b 0e");
	CHECK(now(t, X86_RCX)->op == EXPR_LOAD && now(t, X86_RCX)->nargs == 2);
	step(t, "48 8b 17"); /* mov rdx, [rdi]: nothing came between */
	CHECK(now(t, X86_RDX) == in(t, X86_RAX));
	/* push rbx; pop rbp */
	run(t, 0, "53 5d");
	CHECK(now(t, X86_RBP) == in(t, X86_RBX) && now(t, X86_RSP) == in(t, X86_RSP));
	CHECK(t->fx.nmem == 1 && t->fx.mem[0].stack && !t->fx.mem[0].write);
}

static void test_call(struct test *t)
{
	/* mov [rsp+8], rax; mov [rbx], rax; mov edi, 1; mov esi, 2; call; two loads */
	run(t, 0, "48 89 44 24 08 48 89 03 bf 01 00 00 00 be 02 00 00 00 e8 00 00 00 00");
	CHECK(t->s.call && t->s.call->op == EXPR_FN && t->s.call->nargs == 2);
	CHECK(!strcmp(t->s.call->name, "func") && expr_is_const(t->s.call->arg[0], 1));
	CHECK(now(t, X86_RAX) == t->s.call && now(t, X86_RBX) == in(t, X86_RBX));
	CHECK(now(t, X86_RCX)->op == EXPR_FN);
	step(t, "48 8b 54 24 08 48 8b 0b"); /* mov rdx, [rsp+8]; mov rcx, [rbx] */
	CHECK(now(t, X86_RDX) == in(t, X86_RAX));
	CHECK(now(t, X86_RCX)->op == EXPR_LOAD && now(t, X86_RCX)->nargs == 2);
	run(t, 0, "ff d0"); /* call rax */
	CHECK(t->s.target == in(t, X86_RAX) && t->s.call->nargs == 1);
}

/* After the instruction, setcc of each condition is this comparison of eax and ecx. */
static void test_conditions(struct test *t)
{
	const struct expr *a, *b, *zero;

	run(t, 0, "39 c8"); /* cmp eax, ecx */
	a = low(t, X86_RAX, 32);
	b = low(t, X86_RCX, 32);
	zero = num(t, 32, 0);
	CHECK(state_cond(&t->s, X86_CC_B) == expr_ult(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_AE) == expr_ule(t->p, b, a));
	CHECK(state_cond(&t->s, X86_CC_E) == expr_eq(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_NE) == expr_ne(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_BE) == expr_ule(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_A) == expr_ult(t->p, b, a));
	CHECK(state_cond(&t->s, X86_CC_L) == expr_slt(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_GE) == expr_sle(t->p, b, a));
	CHECK(state_cond(&t->s, X86_CC_LE) == expr_sle(t->p, a, b));
	CHECK(state_cond(&t->s, X86_CC_G) == expr_slt(t->p, b, a));
	run(t, 0, "85 c0"); /* test eax, eax */
	a = low(t, X86_RAX, 32);
	zero = num(t, 32, 0);
	CHECK(state_cond(&t->s, X86_CC_E) == expr_eq(t->p, a, zero));
	CHECK(state_cond(&t->s, X86_CC_S) == expr_slt(t->p, a, zero));
	CHECK(state_cond(&t->s, X86_CC_LE) == expr_sle(t->p, a, zero));
	CHECK(state_cond(&t->s, X86_CC_G) == expr_slt(t->p, zero, a));
	CHECK(state_cond(&t->s, X86_CC_B) == num(t, 1, 0));
	run(t, 0, "ff c8"); /* dec eax: carry is as before */
	CHECK(state_cond(&t->s, X86_CC_NE) == expr_ne(t->p, low(t, X86_RAX, 32), num(t, 32, 1)));
	CHECK(state_cond(&t->s, X86_CC_B) == expr_input(t->p, STATE_FLAG_INPUT + X86_CF, 1));
	run(t, 0, "48 83 e8 07 7c 00"); /* sub rax, 7; jl */
	CHECK(t->s.cond == expr_slt(t->p, in(t, X86_RAX), num(t, 64, 7)));
	run(t, 0, "a8 02 75 00"); /* test al, 2; jne */
	CHECK(t->s.cond == expr_extract(t->p, in(t, X86_RAX), 1, 1));
	run(t, 0, "66 0f 2e c1 77 00"); /* ucomisd xmm0, xmm1; ja: xmm1 < xmm0 */
	CHECK(t->s.cond->op == EXPR_SIMD && !strcmp(expr_simd_name(t->s.cond), "ltsd"));
	CHECK(t->s.cond->arg[0]->arg[0]->lo == X86_V0 + 1);
}

static bool reads(const struct test *t, unsigned id, unsigned lo, unsigned size)
{
	for (unsigned i = 0; i < t->fx.nread; i++)
		if (t->fx.read[i].id == id && t->fx.read[i].lo == lo && t->fx.read[i].size == size)
			return true;
	return false;
}

static void test_effects(struct test *t)
{
	run(t, 0, "31 c0"); /* xor eax, eax */
	CHECK(t->fx.nread == 0 && t->fx.nwrite == 1 && t->fx.write[0].size == 8);
	CHECK(t->fx.flags_written == FLAG_ALL6 && t->fx.flags_undefined == FLAG_A);
	run(t, 0, "66 0f ef c0"); /* pxor xmm0, xmm0 */
	CHECK(t->fx.nread == 0 && t->fx.nwrite == 1);
	run(t, 0, "19 c0"); /* sbb eax, eax */
	CHECK(t->fx.nread == 0 && t->fx.flags_read == FLAG_C);
	run(t, 0, "00 e1"); /* add cl, ah */
	CHECK(reads(t, X86_RAX, 1, 1) && reads(t, X86_RCX, 0, 1) && t->fx.nread == 2);
	CHECK(t->fx.nwrite == 1 && t->fx.write[0].size == 1 && t->fx.flags_read == 0);
	run(t, 0, "d3 e0"); /* shl eax, cl */
	CHECK(reads(t, X86_RCX, 0, 1) && t->fx.flags_kept == FLAG_ALL6 && t->fx.flags_read == 0);
	run(t, 0, "c1 e0 03"); /* shl eax, 3 */
	CHECK(t->fx.flags_kept == 0 && t->fx.flags_undefined == (FLAG_A | FLAG_O));
	run(t, 0, "0f 4c c1"); /* cmovl eax, ecx */
	CHECK(t->fx.flags_read == (FLAG_S | FLAG_O) && reads(t, X86_RAX, 0, 4));
	run(t, 0, "48 8d 44 8b 10"); /* lea rax, [rbx + rcx*4 + 16] */
	CHECK(t->fx.nmem == 0 && reads(t, X86_RBX, 0, 8) && reads(t, X86_RCX, 0, 8));
	run(t, 0, "01 44 8b 10"); /* add [rbx + rcx*4 + 16], eax */
	CHECK(t->fx.nmem == 2 && !t->fx.mem[0].write && t->fx.mem[1].write);
	CHECK(t->fx.mem[0].offset == 16 && t->fx.mem[0].size == 4 && t->fx.known);
	run(t, 0, "ff 75 f8"); /* push [rbp - 8] */
	CHECK(t->fx.nmem == 2 && !t->fx.mem[0].stack && t->fx.mem[1].stack && t->fx.mem[1].write);
	CHECK(t->fx.mem[1].offset == -8 && t->fx.mem[1].base == in(t, X86_RSP));
	x86_effects(&t->s, t->p, &(struct insn){.mn = X86_CDQ}, &t->fx);
	CHECK(t->fx.nread == 1 && t->fx.nwrite == 1 && t->fx.write[0].id == X86_RDX);
}

static const struct expr *wide(struct test *t, unsigned n, unsigned width)
{
	return expr_extract(t->p, expr_input(t->p, X86_V0 + n, 512), 0, width);
}

/* Masks and what they make an instruction read; 512 bits; sixteen more registers. */
static void test_avx512(struct test *t)
{
	const struct expr *e;

	CHECK(run(t, 0, "62 f1 6d 49 fe cb") == 1); /* vpaddd zmm1 {k1}, zmm2, zmm3 */
	e = now(t, X86_V0 + 1);
	CHECK(e->op == EXPR_SIMD && !strcmp(expr_simd_name(e), "selectd"));
	CHECK(e->arg[0]->width == 16 && e->arg[2] == wide(t, 1, 512));
	CHECK(reads(t, X86_K0 + 1, 0, 2) && reads(t, X86_V0 + 1, 0, 64));
	run(t, 0, "62 f1 6d c9 fe cb"); /* vpaddd zmm1 {k1} {z}, zmm2, zmm3 */
	CHECK(reads(t, X86_K0 + 1, 0, 2) && !reads(t, X86_V0 + 1, 0, 64));
	run(t, 0, "62 f3 7d 48 25 c0 ff"); /* vpternlogd zmm0, zmm0, zmm0, 0xff */
	CHECK(expr_is_ones(now(t, X86_V0)) && t->fx.nread == 0);
	run(t, 0, "62 f3 75 48 25 c2 96"); /* vpternlogd zmm0, zmm1, zmm2, 0x96 */
	e = expr_xor(t->p, wide(t, 0, 512), wide(t, 1, 512));
	CHECK(now(t, X86_V0) == expr_xor(t->p, e, wide(t, 2, 512)));
	run(t, 0, "62 f3 75 48 25 c2 cc"); /* a copy of zmm1 */
	CHECK(now(t, X86_V0) == wide(t, 1, 512) && t->fx.nread == 1);
	run(t, 0, "c5 f4 46 c9"); /* kxnorw k1, k1, k1 */
	CHECK(expr_is_const(now(t, X86_K0 + 1), 0xffff) && t->fx.nread == 0);
	step(t, "62 f1 7e 49 6f c1"); /* vmovdqu32 zmm0 {k1}, zmm1 */
	CHECK(now(t, X86_V0) == wide(t, 1, 512));
	run(t, 0, "62 f1 7e 4a 7f 0f"); /* vmovdqu32 [rdi] {k2}, zmm1 */
	CHECK(t->fx.nmem == 2 && !t->fx.mem[0].write && t->fx.mem[1].write);
	CHECK(t->fx.mem[1].size == 64);
	run(t, 0, "62 e1 6d 30 fe 4f 01"); /* vpaddd ymm17, ymm18, [rdi + 4]{1to8} */
	CHECK(t->fx.nmem == 1 && t->fx.mem[0].offset == 4 && t->fx.mem[0].size == 4);
	CHECK(expr_is_const(expr_extract(t->p, now(t, X86_V0 + 17), 256, 256), 0));
	run(t, 0, "62 f1 75 28 76 d9"); /* vpcmpeqd k3, ymm1, ymm1 */
	CHECK(expr_is_const(now(t, X86_K0 + 3), 0xff));
	CHECK(run(t, 0, "62 f1 74 78 58 c2") == 0); /* vaddps zmm0, zmm1, zmm2, {rz-sae} */
}

static void test_unknown(struct test *t)
{
	CHECK(run(t, 0, "0f a2") == 0); /* cpuid */
	CHECK(!t->fx.known && now(t, X86_RBX)->op == EXPR_CONCAT);
	CHECK(reads(t, X86_RAX, 0, 4));
	CHECK(run(t, 0, "0f 53 c1") == 0); /* rcpps xmm0, xmm1: the processor approximates */
	CHECK(expr_extract(t->p, now(t, X86_V0), 0, 128)->op == EXPR_FN);
	CHECK(expr_extract(t->p, now(t, X86_V0), 128, 128)->op == EXPR_EXTRACT);
	CHECK(run(t, 0, "0f ae 00") == 0 && t->fx.overflow); /* fxsave: 512 bytes */
	CHECK(!strcmp(processor_input_name(X86_RSP), "rsp"));
	CHECK(!strcmp(processor_input_name(STATE_FLAG_INPUT + X86_ZF), "zf"));
	CHECK(!strcmp(processor_input_name(PROCESSOR_INPUTS + A64_SP), "sp"));
	CHECK(!strcmp(processor_input_name(PROCESSOR_INPUTS + STATE_FLAG_INPUT + X86_SF), "n"));
	CHECK(*processor_input_name(PROCESSOR_INPUTS + STATE_FLAG_INPUT + X86_PF) == '?');
	CHECK(*processor_input_name(processor_inputs()) == '?' && x86_processor.size[X86_V0] == 64);
}

/* Random bytes as code, with a small pool: no crash, bounded memory. Values of full pools are cut.
 */
static void test_hostile(struct test *t)
{
	struct rng r = rng_new(5, 0);
	struct expr_pool *small = expr_pool_new(3000);
	uint8_t b[4096];

	for (unsigned k = 0; k < 100; k++) {
		struct insn i;

		expr_pool_reset(small);
		state_reset(&t->s, small, k % 2 ? STATE_STRICT : 0);
		t->s.fx = k % 3 ? &t->fx : NULL;
		for (size_t j = 0; j < sizeof(b); j++)
			b[j] = (uint8_t)rng_u32(&r);
		for (size_t j = 0; j < sizeof(b); j++)
			if (insn_decode(t->decoder, b + j, sizeof(b) - j, &i)) {
				x86_step(&t->s, &i);
				j += i.len - 1u;
			}
		for (unsigned f = 0; f < X86_FLAG_COUNT; f++)
			CHECK(state_peek_flag(&t->s, f)->width == 1);
		for (unsigned c = 0; c < X86_CC_NONE; c++)
			CHECK(state_cond(&t->s, c)->width == 1);
		for (unsigned q = 0; q < X86_REG_COUNT; q++)
			if (x86_processor.size[q])
				CHECK(state_peek(&t->s, q)->width == x86_processor.size[q] * 8);
		CHECK(expr_pool_count(small) < 20000);
	}
	t->s.fx = NULL;
	expr_pool_free(small);
}

int main(void)
{
	struct test t = {.decoder = insn_open(ARCH_X86_64), .p = expr_pool_new(0)};

	test_registers(&t);
	test_memory(&t);
	test_call(&t);
	test_conditions(&t);
	test_effects(&t);
	test_avx512(&t);
	test_unknown(&t);
	test_hostile(&t);
	state_free(&t.s);
	expr_pool_free(t.p);
	insn_close(t.decoder);
	return unit_done();
}
