/*
 * symex.c: the representative sets of tests/golden/symex.txt, the rows of the paper's Table 1 among
 * them, of a64-symex.txt and i386-symex.txt; hashes; bounds.
 */
#include "sem/symex.h"

#include "base/mem.h"
#include "base/rng.h"
#include "sem/print.h"
#include "tests/golden.h"

struct cases {
	struct symex *x;
	const char *file;
};

static void golden_case(void *ctx, const struct golden *g)
{
	const struct cases *c = ctx;
	const struct symex_output *out;
	size_t n = symex_run(c->x, g->insn, g->n, &g->refs, &out, NULL);

	for (size_t i = 0; i < n || i < g->nwant; i++) {
		const char *got = i < n ? out[i].text : "(nothing)";
		const char *want = i < g->nwant ? g->want[i] : "(nothing)";

		if (strcmp(got, want))
			fprintf(stderr, "%s:%u: %s\n\twanted %s\n", c->file, g->line, got, want);
		CHECK(!strcmp(got, want));
	}
}

/* Constants of every width as decimal numbers, signed but for fields of bytes. */
static void numbers(void)
{
	static const struct {
		unsigned width;
		uint64_t words[EXPR_WORDS];
		const char *text;
	} wanted[] = {
		{1, {1}, "1 "},
		{3, {5}, "5 "},
		{8, {128}, "-128 "},
		{32, {0xffffffff}, "-1 "},
		{32, {4202500}, "4202500 "},
		{64, {0x8000000000000000u}, "-9223372036854775808 "},
		{64, {0x7fffffffffffffffu}, "9223372036854775807 "},
		{65, {0xfffffffffffffffbu, 0x1u}, "-5 "},
		{100, {0, 0x800000000u}, "-633825300114114700748351602688 "},
		{128, {0xffffffffffffffffu, 0xffffffffffffffffu}, "-1 "},
		{128, {0, 0x1000000000u}, "1267650600228229401496703205376 "},
		{128, {0, 0x8000000000000000u}, "-170141183460469231731687303715884105728 "},
		{128, {10000000000000000000u}, "10000000000000000000 "},
		{512, {0xffffffffu}, "4294967295 "},
		{192, {0xb9f5610000000000u, 0x6329f1c35ca4bfabu, 0x1du},
			"10000000000000000000000000000000000000000 "},
	};
	struct expr_pool *p = expr_pool_new(0);
	struct buf b = {0};

	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		buf_reset(&b);
		print_value(&b, p, expr_wide(p, wanted[i].width, wanted[i].words));
		if (strcmp(buf_text(&b), wanted[i].text))
			fprintf(stderr, "%s, wanted %s\n", buf_text(&b), wanted[i].text);
		CHECK(!strcmp(buf_text(&b), wanted[i].text));
	}
	buf_free(&b);
	expr_pool_free(p);
}

/* The hash of the only output of code given in hexadecimal. */
static uint64_t hash_of(struct symex *x, struct insn_decoder *d, const char *hex)
{
	struct insn insn[32];
	uint8_t p[sizeof(insn) / sizeof(*insn) * INSN_MAX_LEN];
	const struct symex_output *out;
	const struct refs none = {0};
	size_t n = 0, k = 0, at = 0;

	for (; hex[2 * n]; n++) {
		char two[3] = {hex[2 * n], hex[2 * n + 1], 0};

		p[n] = (uint8_t)strtoul(two, NULL, 16);
	}
	for (; at < n; at += insn[k++].len)
		if (!insn_decode(d, p + at, n - at, &insn[k]))
			break;
	CHECK(at == n);
	CHECK(symex_run(x, insn, k, &none, &out, NULL) == 1);
	return out[0].hash;
}

/* Equal meaning, equal hash; different width or register, different hash. */
static void hashes(struct symex *x, struct insn_decoder *d)
{
	/* lea eax, [rdi + rsi]; add edi, esi + mov eax, edi */
	CHECK(hash_of(x, d, "8d0437") == hash_of(x, d, "01f789f8"));
	/* mov eax, 0; xor eax, eax */
	CHECK(hash_of(x, d, "b800000000") == hash_of(x, d, "31c0"));
	/* shl rax, 3; lea rax, [rax * 8] */
	CHECK(hash_of(x, d, "48c1e003") == hash_of(x, d, "488d04c500000000"));
	/* mov eax, [rdi]; mov rax, [rdi]; mov ecx, [rdi] */
	CHECK(hash_of(x, d, "8b07") != hash_of(x, d, "488b07"));
	CHECK(hash_of(x, d, "8b07") != hash_of(x, d, "8b0f"));
	/* mov [rdi], eax; mov [rdi], ax; mov [rdi + 1], eax */
	CHECK(hash_of(x, d, "8907") != hash_of(x, d, "668907"));
	CHECK(hash_of(x, d, "8907") != hash_of(x, d, "894701"));
	/* test eax, eax with je and jne; cmp eax, 0 with je */
	CHECK(hash_of(x, d, "85c07400") != hash_of(x, d, "85c07500"));
	CHECK(hash_of(x, d, "85c07400") == hash_of(x, d, "83f8007400"));
}

/* imul rax, rax again and again, and x = x * x + y: the tree doubles with every step. */
static void explosion(struct symex *x, struct insn_decoder *d)
{
	static const uint8_t step[] = {0x48, 0x0f, 0xaf, 0xc0, 0x48, 0x31, 0xf8};
	enum { STEPS = 400 };
	struct insn *insn = mem_alloc(2 * STEPS, sizeof(*insn));
	const struct symex_output *out;
	const struct refs none = {0};
	size_t dropped;

	for (size_t i = 0; i < STEPS; i++) {
		CHECK(insn_decode(d, step, 4, &insn[2 * i]));
		CHECK(insn_decode(d, step + 4, 3, &insn[2 * i + 1]));
	}
	CHECK(symex_run(x, insn, 2 * STEPS, &none, &out, &dropped) == 0);
	CHECK(dropped == 1);
	CHECK(symex_run(x, insn, 8, &none, &out, &dropped) == 1);
	CHECK(dropped == 0);
	mem_free(insn);
}

/* Any bytes that decode: bounded text, no crash, the same answer twice. */
static void random_code(struct symex *x, struct insn_decoder *d, const struct processor *cpu)
{
	enum { RUNS = 3000, LONGEST = 60 };
	struct symex *y = symex_new();
	struct rng r = rng_new(1, 2);
	unsigned long bad = 0;

	if (cpu)
		symex_use(y, cpu);
	for (unsigned run = 0; run < RUNS; run++) {
		struct insn insn[LONGEST];
		const struct symex_output *a, *b;
		const struct refs none = {0};
		size_t n = 1 + rng_below(&r, LONGEST), k = 0, na, da, db;

		while (k < n) {
			uint8_t p[INSN_MAX_LEN];

			for (size_t i = 0; i < sizeof(p); i++)
				p[i] = (uint8_t)rng_u32(&r);
			k += (size_t)insn_decode(d, p, sizeof(p), &insn[k]);
		}
		na = symex_run(x, insn, n, &none, &a, &da);
		if (na != symex_run(y, insn, n, &none, &b, &db) || da != db)
			na = 0, bad++;
		for (size_t i = 0; i < na; i++)
			if (a[i].hash != b[i].hash || strcmp(a[i].text, b[i].text) ||
				strlen(a[i].text) > 64 * SYMEX_NODES)
				bad++;
	}
	CHECK(!bad);
	symex_free(y);
}

int main(void)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);
	struct symex *x = symex_new();

	golden_run("tests/golden/symex.txt", '=', d, golden_case, &(struct cases){x, "symex.txt"});
	numbers();
	hashes(x, d);
	explosion(x, d);
	random_code(x, d, NULL);
	symex_use(x, processor_get(ARCH_AARCH64));
	CHECK(insn_use(d, ARCH_AARCH64) == 0);
	golden_run("tests/golden/a64-symex.txt", '=', d, golden_case,
		&(struct cases){x, "a64-symex.txt"});
	random_code(x, d, processor_get(ARCH_AARCH64));
	symex_use(x, processor_get(ARCH_I386));
	CHECK(insn_use(d, ARCH_I386) == 0);
	golden_run("tests/golden/i386-symex.txt", '=', d, golden_case,
		&(struct cases){x, "i386-symex.txt"});
	random_code(x, d, processor_get(ARCH_I386));
	symex_use(x, processor_get(ARCH_THUMB));
	CHECK(insn_use(d, ARCH_THUMB) == 0);
	random_code(x, d, processor_get(ARCH_THUMB));
	symex_free(x);
	insn_close(d);
	return unit_done();
}
