/*
 * scan.c: every opcode of the first two maps, with prefixes, ModRM and SIB, alone and side by side
 * with others, must be what insn_look says of it; code that ends within an instruction.
 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "code/scan.h"
#include "tests/unit.h"

/* What scan.h promises of the n bytes at p, of which `there` may be read. */
static unsigned expected(struct insn_decoder *d, const uint8_t *p, size_t n, size_t there)
{
	struct insn_brief i;

	if (!insn_look(d, p, there, &i) || i.len > n)
		return 1 | SCAN_NONE;
	if (i.flow != INSN_FALL || (i.has & INSN_HAS_REL))
		return i.len | SCAN_OTHER;
	if (i.has & INSN_HAS_RIP)
		return i.len | SCAN_PLACE;
	return i.len | (i.has & (INSN_HAS_IMM | INSN_HAS_ABS) ? SCAN_NUMBER : SCAN_PLAIN);
}

static bool is_branch(struct insn_decoder *d, const uint8_t *p, size_t there, unsigned got)
{
	struct insn_brief i;

	return scan_is_branch(got) && insn_look(d, p, there, &i) && i.len == (got & SCAN_LEN) &&
	       i.flow == scan_flow(got) && (i.has & INSN_HAS_REL) && i.imm == scan_branch(p, i.len);
}

/* An operand in FS or GS may be taken for an address. */
static bool is_segment(const uint8_t *p, unsigned got, unsigned want)
{
	return (*p & 0xfe) == 0x64 && (got & SCAN_LEN) == (want & SCAN_LEN) && got > want &&
	       got < SCAN_OTHER;
}

/* Whether the answers without insn_look are its. */
static bool is_known(struct insn_decoder *d, const uint8_t *p, size_t there, unsigned what)
{
	enum insn_flow flow;
	struct insn_brief i;
	int64_t disp;
	bool lea;

	if ((what & SCAN_WHAT) == SCAN_PLACE && scan_place(p, &disp, &lea))
		return insn_look(d, p, there, &i) && (i.has & INSN_HAS_RIP) && i.disp == disp &&
		       lea == (i.mn == X86_LEA);
	if ((what & SCAN_WHAT) != SCAN_OTHER)
		return true;
	flow = scan_other(p, what & SCAN_LEN);
	return flow == INSN_FALL ||
	       (insn_look(d, p, there, &i) && i.flow == flow && !(i.has & INSN_HAS_RIP));
}

/* Compares the scan of a range, instruction by instruction. */
static bool agrees(struct insn_decoder *d, const struct scan_range *r)
{
	size_t at = 0;

	for (size_t k = 0; k < r->count; k++) {
		const uint8_t *p = r->p + at;
		unsigned got = r->out[k], want = expected(d, p, r->n - at, r->there - at);

		if ((got != want && !is_branch(d, p, r->there - at, got) &&
			    !is_segment(p, got, want)) ||
			!is_known(d, p, r->there - at, got)) {
			fprintf(stderr, "scan says %02x, insn_look %02x:", got, want);
			for (size_t i = 0; i < 15 && at + i < r->there; i++)
				fprintf(stderr, " %02x", p[i]);
			fprintf(stderr, "\n");
			return false;
		}
		at += got & SCAN_LEN;
	}
	return at == r->n;
}

static void opcodes(struct insn_decoder *d)
{
	static const uint8_t prefixes[] = {0, 0x64, 0x66, 0xf2, 0xf3};
	static const uint8_t rexes[] = {0, 0x41, 0x48, 0x4e};
	uint8_t code[32], out[32];
	unsigned long wrong = 0, all = 0;

	for (unsigned prefix = 0; prefix < COUNT_OF(prefixes); prefix++)
		for (unsigned rex = 0; rex < 4; rex++)
			for (unsigned op = 0; op < 512; op++)
				for (unsigned m = 0; m < 256; m++) {
					struct scan_range r = {code, 15, sizeof(code), out, 0};
					size_t n = 0;

					memset(code, 0x90, sizeof(code));
					if (prefix)
						code[n++] = prefixes[prefix];
					if (rex)
						code[n++] = rexes[rex];
					if (op > 255)
						code[n++] = 0x0f;
					code[n++] = (uint8_t)op;
					code[n++] = (uint8_t)m;
					code[n++] = (uint8_t)(op * 7 + m * 37); /* SIB or other */
					code[n] = 0x85;
					scan_ranges(d, &r, 1);
					wrong += !agrees(d, &r);
					all++;
				}
	printf("%lu encodings\n", all);
	CHECK(wrong == 0 && all > 2000000);
}

/* Ranges of all lengths in one buffer, of code as it is and of anything. */
static void ranges(struct insn_decoder *d)
{
	static const uint8_t common[] = {0x48, 0x89, 0xe5, 0xc3, 0x0f, 0x1f, 0x44, 0, 0, 0x8d, 0xe8,
		0x74, 0x83, 0xff, 0x05, 0xc7};
	static uint8_t code[20000], out[20000];
	struct scan_range r[40];

	scan_ranges(d, r, 0);
	for (uint64_t seed = 0; seed < 1500; seed++) {
		struct rng g = rng_new(seed, 0);
		size_t n = 0, at = 0;

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = rng_below(&g, 3) ? common[rng_below(&g, sizeof(common))]
						   : (uint8_t)rng_u64(&g);
		while (n < 1 + seed % COUNT_OF(r) && at < sizeof(code)) {
			size_t most = rng_below(&g, 10) ? 60 : 6000, left = sizeof(code) - at;
			size_t len = rng_below(&g, MIN(left, most) + 1);

			r[n++] =
				(struct scan_range){code + at, len, sizeof(code) - at, out + at, 9};
			at += len;
		}
		scan_ranges(d, r, n);
		for (size_t k = 0; k < n; k++) {
			if (agrees(d, &r[k]))
				continue;
			fprintf(stderr, "seed %lu, range %zu of %zu\n", (unsigned long)seed, k, n);
			CHECK(!"a range");
			return;
		}
	}
	CHECK(true);
}

int main(void)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);

	opcodes(d);
	ranges(d);
	insn_close(d);
	return unit_done();
}
