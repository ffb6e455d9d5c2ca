/* regs.c: names of registers, each by its number and its parts, and all that capstone prints. */
#include "code/regs.h"

#include <string.h>

#include "tests/unit.h"

/* capstone has an x86_reg of its own */
#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg

static int find(enum arch a, const char *name)
{
	return regs_find(a, name, strlen(name));
}

static void test_tables(void)
{
	CHECK(regs_count(ARCH_NONE) == 0 && !regs_info(ARCH_NONE, 0) && find(ARCH_NONE, "rax") < 0);
	for (enum arch a = ARCH_NONE + 1; a < ARCH_COUNT; a++) {
		int n = regs_count(a);

		CHECK(n > 0 && n <= REGS_MAX && !regs_info(a, n) && !regs_info(a, -1));
		for (int i = 0; i < n; i++) {
			const struct reg_info *r = regs_info(a, i);

			CHECK(find(a, r->name) == i);
			CHECK(r->bytes > 0 && r->lo + r->bytes <= 64);
			for (int k = 0; k < i; k++) {
				const struct reg_info *o = regs_info(a, k);

				CHECK(strcmp(r->name, o->name) != 0);
				/* v0 and q0 are the same */
				CHECK(r->bank != o->bank || r->index != o->index ||
					r->lo != o->lo || r->bytes != o->bytes ||
					(a == ARCH_AARCH64 && r->name[0] == 'q' &&
						o->name[0] == 'v'));
			}
		}
	}
}

static bool is(
	enum arch a, const char *name, unsigned bank, unsigned index, unsigned lo, unsigned bytes)
{
	const struct reg_info *r = regs_info(a, find(a, name));

	return r && r->bank == bank && r->index == index && r->lo == lo && r->bytes == bytes;
}

static void test_parts(void)
{
	CHECK(is(ARCH_X86_64, "rax", REGS_GENERAL, 0, 0, 8));
	CHECK(is(ARCH_X86_64, "ah", REGS_GENERAL, 0, 1, 1));
	CHECK(is(ARCH_X86_64, "sil", REGS_GENERAL, 6, 0, 1));
	CHECK(is(ARCH_X86_64, "r15d", REGS_GENERAL, 15, 0, 4));
	CHECK(is(ARCH_I386, "esp", REGS_GENERAL, 4, 0, 4));
	CHECK(is(ARCH_X86_64, "zmm31", REGS_VECTOR, 31, 0, 64));
	CHECK(is(ARCH_X86_64, "st(3)", REGS_X87, 3, 0, 10));
	CHECK(is(ARCH_AARCH64, "x29", REGS_GENERAL, 29, 0, 8));
	CHECK(is(ARCH_AARCH64, "wsp", REGS_GENERAL, 31, 0, 4));
	CHECK(is(ARCH_AARCH64, "h7", REGS_VECTOR, 7, 0, 2));
	CHECK(is(ARCH_ARM, "fp", REGS_GENERAL, 11, 0, 4) &&
		find(ARCH_ARM, "r11") == find(ARCH_ARM, "fp"));
	CHECK(is(ARCH_THUMB, "lr", REGS_GENERAL, 14, 0, 4));
	CHECK(is(ARCH_ARM, "s5", REGS_VECTOR, 2, 4, 4) &&
		is(ARCH_ARM, "q3", REGS_VECTOR, 6, 0, 16));
	CHECK(is(ARCH_MIPS, "$t9", REGS_GENERAL, 25, 0, 4) &&
		is(ARCH_MIPSEL, "$f31", REGS_VECTOR, 31, 0, 4));
	CHECK(find(ARCH_MIPS, "$s8") == find(ARCH_MIPS, "$fp"));
}

static void test_nothing(void)
{
	static const struct {
		enum arch a;
		const char *name;
	} none[] = {
		{ARCH_X86_64, ""},
		{ARCH_X86_64, "r"},
		{ARCH_X86_64, "r7"},
		{ARCH_X86_64, "r16"},
		{ARCH_X86_64, "r08"},
		{ARCH_X86_64, "rip"},
		{ARCH_X86_64, "xmm32"},
		{ARCH_X86_64, "xmm"},
		{ARCH_X86_64, "st(8)"},
		{ARCH_X86_64, "raxx"},
		{ARCH_X86_64, "fs"},
		{ARCH_AARCH64, "xzr"},
		{ARCH_AARCH64, "wzr"},
		{ARCH_AARCH64, "x31"},
		{ARCH_AARCH64, "v32"},
		{ARCH_AARCH64, "pc"},
		{ARCH_ARM, "pc"},
		{ARCH_ARM, "r15"},
		{ARCH_ARM, "q16"},
		{ARCH_ARM, "c1"},
		{ARCH_MIPS, "$zero"},
		{ARCH_MIPS, "$0"},
		{ARCH_MIPS, "$12"},
		{ARCH_MIPS, "a0"},
		{ARCH_MIPS, "$fcc0"},
		{ARCH_MIPS, "$f32"},
		{ARCH_MIPS, "$f100"},
	};

	for (size_t i = 0; i < COUNT_OF(none); i++)
		CHECK(find(none[i].a, none[i].name) == -1);
}

/* A decoded register has the number its name has. */
static void test_x86(void)
{
	for (unsigned id = 0; id < X86_REG_COUNT; id++)
		for (unsigned lo = 0; lo < 3; lo++)
			for (unsigned size = 1; size <= 64; size++) {
				struct insn_reg r = {(uint8_t)id, (uint8_t)lo, (uint8_t)size};
				const char *name = insn_reg_name(r);

				if (strcmp(name, "?") != 0 || id < X86_ST0)
					CHECK(regs_x86(r) == find(ARCH_X86_64, name));
			}
}

/* Whether the name is one of a list of names between blanks. */
static bool is_among(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)); p += n)
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* Every name capstone has for a register is known here, but for those of control. */
static void test_capstone(cs_arch arch, enum arch a, const char *before, const char *control)
{
	unsigned known = 0;
	char name[32];
	csh h;

	CHECK(cs_open(arch, 0, &h) == CS_ERR_OK);
	for (unsigned i = 1; i < 400 && cs_reg_name(h, i); i++) {
		bool is_control = is_among(control, cs_reg_name(h, i));

		snprintf(name, sizeof(name), "%s%s", before, cs_reg_name(h, i));
		if ((find(a, name) >= 0) == is_control)
			fprintf(stderr, "%s: %s\n", arch_name(a), name);
		CHECK((find(a, name) >= 0) != is_control);
		known += find(a, name) >= 0;
	}
	CHECK(known > 60);
	cs_close(&h);
}

int main(void)
{
	test_tables();
	test_parts();
	test_nothing();
	test_x86();
	test_capstone(CS_ARCH_ARM64, ARCH_AARCH64, "", "nzcv wzr xzr");
	test_capstone(CS_ARCH_ARM, ARCH_ARM, "",
		"pc apsr apsr_nzcv cpsr fpexc fpinst fpscr fpscr_nzcv fpsid itstate mvfr0 mvfr1 "
		"mvfr2 fpinst2 spsr");
	/* DSP and MSA are no part of MIPS32 */
	test_capstone(CS_ARCH_MIPS, ARCH_MIPS, "$",
		"pc zero hi lo ac0 ac1 ac2 ac3 cc0 cc1 cc2 cc3 cc4 cc5 cc6 cc7 fcc0 fcc1 fcc2 fcc3 "
		"fcc4 fcc5 fcc6 fcc7 p0 p1 p2 mpl0 mpl1 mpl2 dspccond dspcarry dspefi dspoutflag "
		"dspoutflag16_19 dspoutflag20 dspoutflag21 dspoutflag22 dspoutflag23 dsppos "
		"dspscount w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19 "
		"w20 w21 w22 w23 w24 w25 w26 w27 w28 w29 w30 w31");
	return unit_done();
}
