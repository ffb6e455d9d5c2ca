/*
 * insn.c: the decoder against capstone's own text on the code of programs of this machine, and the
 * memo against the plain path on the same code, on random bytes and on random displacements.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/rng.h"
#include "code/insn.h"
#include "code/x86_fields.h"
#include "tests/unit.h"

#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg

static bool same_regs(const struct insn_reg *a, const struct insn_reg *b, unsigned n)
{
	return !memcmp(a, b, n * sizeof(*a));
}

static bool same_op(const struct insn_op *a, const struct insn_op *b)
{
	if (a->kind != b->kind || a->size != b->size || a->access != b->access)
		return false;
	switch (a->kind) {
	case INSN_OP_REG: return same_regs(&a->reg, &b->reg, 1);
	case INSN_OP_IMM:
	case INSN_OP_REL: return a->imm == b->imm;
	case INSN_OP_MEM:
		return a->mem.base == b->mem.base && a->mem.index == b->mem.index &&
		       a->mem.scale == b->mem.scale && a->mem.seg == b->mem.seg &&
		       a->mem.addr_size == b->mem.addr_size && a->mem.disp == b->mem.disp;
	default: return true;
	}
}

static bool same(const struct insn *a, const struct insn *b)
{
	if (a->mnemonic != b->mnemonic || a->mn != b->mn || a->len != b->len ||
		a->flow != b->flow || a->prefix != b->prefix || a->cc != b->cc ||
		a->pred != b->pred || a->nops != b->nops || a->mask != b->mask ||
		a->zeroing != b->zeroing || a->lane != b->lane || a->bcast != b->bcast ||
		a->rounding != b->rounding || a->nreads != b->nreads || a->nwrites != b->nwrites)
		return false;
	for (unsigned k = 0; k < a->nops; k++) {
		if (!same_op(&a->op[k], &b->op[k]))
			return false;
	}
	return same_regs(a->reads, b->reads, a->nreads) &&
	       same_regs(a->writes, b->writes, a->nwrites);
}

/* Whether the brief answer says the same as the full one. */
static bool same_in_brief(const struct insn *a, const struct insn_brief *b)
{
	if (a->mn != b->mn || a->len != b->len || a->flow != b->flow)
		return false;
	if ((a->nops && a->op[0].kind == INSN_OP_REG) != !!(b->has & INSN_HAS_REG))
		return false;
	for (unsigned k = 0; k < a->nops; k++) {
		const struct insn_op *o = &a->op[k];
		bool plain = o->kind == INSN_OP_MEM && o->mem.seg != X86_FS && o->mem.seg != X86_GS;

		if (o->kind == INSN_OP_REL && (!(b->has & INSN_HAS_REL) || b->imm != o->imm))
			return false;
		if (o->kind == INSN_OP_IMM && (b->has & INSN_HAS_IMM) && b->imm != o->imm)
			return false;
		if (plain && (o->mem.base == X86_RIP) != !!(b->has & INSN_HAS_RIP))
			return false;
		if (plain && (b->has & (INSN_HAS_RIP | INSN_HAS_ABS)) && b->disp != o->mem.disp)
			return false;
	}
	return true;
}

/* Whether all paths agree on the bytes; the memo's answer in *out and the return value. */
static bool agree(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out, int *r)
{
	struct insn plain;
	int q = insn_decode_plain(d, p, n, &plain);

	struct insn_brief brief;
	int s = insn_look(d, p, n, &brief);

	*r = insn_decode(d, p, n, out);
	if (q == *r && s == q && (!q || (same(&plain, out) && same_in_brief(&plain, &brief))))
		return true;
	fprintf(stderr, "memo and plain path differ (%d %d %d):", q, *r, s);
	for (size_t k = 0; k < n && k < 15; k++)
		fprintf(stderr, " %02x", p[k]);
	fprintf(stderr, "\n");
	return false;
}

struct corpus {
	unsigned long total;  /* instructions */
	unsigned long avx512; /* of these, with AVX-512 notation, not compared */
	unsigned long opaque; /* unknown to capstone, known by their encoding */
	unsigned long text;   /* text differs from capstone's */
	unsigned long memo;   /* memo and plain path differ */
};

static void section(struct corpus *c, struct insn_decoder *d, csh h, cs_insn *in, const uint8_t *p,
	size_t n, uint64_t addr)
{
	struct buf b = {0};

	while (n) {
		const uint8_t *q = p;
		size_t left = n;
		uint64_t at = addr;
		bool ok = cs_disasm_iter(h, &q, &left, &at, in);
		struct insn i;
		int r;
		char text[256];

		c->memo += !agree(d, p, n, &i, &r);
		if (!ok) { /* capstone does not know it */
			unsigned len = r ? i.len : 1;

			c->opaque += (unsigned)r;
			p += len, n -= len, addr += len;
			continue;
		}
		if (!r) {
			c->text++;
			break;
		}
		c->total++;
		buf_reset(&b);
		insn_print(&b, &i, addr);
		snprintf(text, sizeof(text), "%s%s%s", in->mnemonic, *in->op_str ? " " : "",
			in->op_str);
		if (i.lane || strchr(text, '{')) { /* tests/check/avx512.py has these */
			c->avx512++;
		} else if (strcmp(text, buf_text(&b))) {
			fprintf(stderr, "capstone: %s, insn_print: %s\n", text, buf_text(&b));
			c->text++;
		}
		p = q, n = left, addr = at;
	}
	buf_free(&b);
}

static void file(struct corpus *c, struct insn_decoder *d, csh h, const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	const uint8_t *m;
	const Elf64_Ehdr *e;
	const Elf64_Shdr *s;
	cs_insn *in;

	if (fd < 0)
		return;
	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*e)) {
		close(fd);
		return;
	}
	m = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	CHECK(m != MAP_FAILED);
	e = (const Elf64_Ehdr *)m;
	s = (const Elf64_Shdr *)(m + e->e_shoff);
	in = cs_malloc(h);
	for (unsigned k = 0; k < e->e_shnum; k++) {
		if (s[k].sh_type == SHT_PROGBITS && (s[k].sh_flags & SHF_EXECINSTR))
			section(c, d, h, in, m + s[k].sh_offset, s[k].sh_size, s[k].sh_addr);
	}
	cs_free(in, 1);
	munmap((void *)m, (size_t)st.st_size);
}

static void programs(struct insn_decoder *d)
{
	static const char *const paths[] = {"/usr/bin/ld.bfd", "/usr/bin/objdump", "/bin/bash",
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
		"/usr/lib/x86_64-linux-gnu/libzstd.so.1"};
	struct corpus c = {0};
	csh h;

	CHECK(cs_open(CS_ARCH_X86, CS_MODE_64, &h) == CS_ERR_OK);
	for (size_t k = 0; k < COUNT_OF(paths); k++)
		file(&c, d, h, paths[k]);
	cs_close(&h);
	printf("%lu instructions, %lu with AVX-512 notation, %lu opaque, %lu texts differ, %lu "
	       "decodes "
	       "differ\n",
		c.total, c.avx512, c.opaque, c.text, c.memo);
	CHECK(c.total > 100000);
	CHECK(c.memo == 0);
	CHECK(c.text * 100000 <= c.total); /* data between functions decodes to oddities */
	CHECK(c.avx512 * 50 < c.total);
	CHECK(c.opaque * 100 < c.total);
}

/*
 * Every ModRM of every opcode in the first two maps: where some are instructions and some are not,
 * the memo must not take one for another.
 */
static void opcodes(struct insn_decoder *d)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3, 0x40, 0x48, 0x45, 0x4f};
	unsigned long differ = 0;

	for (unsigned n = 0; n < 8 * 512 * 256; n++) {
		uint8_t p[16] = {0};
		struct insn i;
		size_t k = 0;
		int ok;

		if (n >> 17)
			p[k++] = prefixes[n >> 17];
		if (n >> 16 & 1)
			p[k++] = 0x0f;
		p[k++] = (uint8_t)(n >> 8);
		p[k++] = (uint8_t)n;
		for (unsigned m = 0; m < 5; m++) /* SIB, displacement, immediate */
			p[k + m] = (uint8_t)(hash_mix(n) >> 8 * m);
		differ += !agree(d, p, sizeof(p), &i, &ok);
	}
	CHECK(differ == 0);
}

/* The layout of instructions, by the quick way that 16 bytes allow and by the whole one. */
static void layouts(int (*get)(struct x86_fields *f, const uint8_t *p, size_t n))
{
	static const char *const before[] = {
		"", "\x66", "\xf2", "\xf3", "\x48", "\x0f", "\x66\x0f", "\xf2\x0f", "\xf3\x0f"};
	struct rng g = rng_new(7, 0);

	for (size_t k = 0; k < COUNT_OF(before) * 256 * 64; k++) {
		size_t n = strlen(before[k / 64 / 256]);
		struct x86_fields quick, whole;
		uint8_t p[16];

		for (unsigned i = 0; i < sizeof(p); i++)
			p[i] = (uint8_t)rng_u32(&g);
		memcpy(p, before[k / 64 / 256], n);
		p[n] = (uint8_t)(k / 64);
		if (get(&whole, p, 15) == 0)
			CHECK(get(&quick, p, 16) == 0 && !memcmp(&quick, &whole, sizeof(quick)));
	}
}

/* Random bytes, each tried again with other bytes in the places where numbers stand. */
static void random_bytes(struct insn_decoder *d)
{
	static const uint8_t starts[] = {0x0f, 0x48, 0x66, 0xf2, 0xf3, 0xc4, 0xc5, 0x62, 0x67, 0x41,
		0x64, 0xf0, 0x83, 0x81, 0xc7, 0xe8, 0xff};
	struct rng r = rng_new(1, 0);
	unsigned long differ = 0, valid = 0;

	for (unsigned n = 0; n < 300000; n++) {
		uint8_t p[16];
		struct insn i;
		int ok;

		for (unsigned k = 0; k < 16; k += 4)
			memcpy(p + k, &(uint32_t){rng_u32(&r)}, 4);
		if (n & 1)
			p[0] = starts[rng_below(&r, sizeof(starts))];
		if ((n & 3) == 3)
			p[1] = starts[rng_below(&r, sizeof(starts))];
		differ += !agree(d, p, 16, &i, &ok);
		if (!ok)
			continue;
		valid++;
		for (unsigned k = 1; k <= 4; k++)
			p[i.len - 1 - rng_below(&r, i.len)] = (uint8_t)rng_u32(&r);
		differ += !agree(d, p, i.len, &i, &ok);
		differ += !agree(d, p, rng_below(&r, 16), &i, &ok);
	}
	printf("%lu of 300000 random strings are instructions\n", valid);
	CHECK(valid > 50000);
	CHECK(differ == 0);
}

static void decode(struct insn_decoder *d, struct insn *i, const char *hex)
{
	uint8_t p[16];
	size_t n = 0;

	for (; hex[2 * n]; n++)
		p[n] = (uint8_t)strtoul((char[]){hex[2 * n], hex[2 * n + 1], 0}, NULL, 16);
	CHECK(insn_decode(d, p, n, i) == 1);
	CHECK(i->len == n);
}

static bool in(const struct insn_reg *r, unsigned n, uint8_t id)
{
	while (n--) {
		if (r[n].id == id)
			return true;
	}
	return false;
}

/* The struct itself, and the gaps of capstone that are mended. */
static void meanings(struct insn_decoder *d)
{
	struct insn i;

	decode(d, &i, "740e"); /* je +14 */
	CHECK(i.mn == X86_JE && i.flow == INSN_COND && i.cc == X86_CC_E);
	CHECK(i.op[0].kind == INSN_OP_REL && i.op[0].imm == 14);
	decode(d, &i, "0f84f0ffffff");
	CHECK(i.op[0].kind == INSN_OP_REL && i.op[0].imm == -16 && i.cc == X86_CC_E);
	decode(d, &i, "e8fbffffff"); /* call */
	CHECK(i.flow == INSN_CALL && i.op[0].imm == -5);
	decode(d, &i, "ff2500000000"); /* jmp [rip] */
	CHECK(i.flow == INSN_JUMP && i.op[0].kind == INSN_OP_MEM && i.op[0].mem.base == X86_RIP);
	decode(d, &i, "3effe0"); /* notrack jmp rax */
	CHECK(i.flow == INSN_JUMP && (i.prefix & INSN_NOTRACK));
	decode(d, &i, "f3c3");
	CHECK(i.flow == INSN_RET);
	decode(d, &i, "0f0b");
	CHECK(i.flow == INSN_STOP);
	decode(d, &i, "f348ab"); /* rep stosq */
	CHECK(i.mn == X86_STOSQ && (i.prefix & INSN_REP));
	decode(d, &i, "88e0"); /* mov al, ah */
	CHECK(i.op[0].reg.id == X86_RAX && i.op[0].reg.lo == 0 && i.op[0].reg.size == 1);
	CHECK(i.op[1].reg.id == X86_RAX && i.op[1].reg.lo == 1 && i.op[1].reg.size == 1);
	decode(d, &i, "c5fd6f4510"); /* vmovdqa ymm0, [rbp + 16] */
	CHECK(i.op[0].reg.id == X86_V0 && i.op[0].reg.size == 32);
	CHECK(i.op[1].mem.base == X86_RBP && i.op[1].mem.disp == 16);
	CHECK(i.op[1].access == INSN_READ);
	decode(d, &i, "c5fa7f00"); /* vmovdqu [rax], xmm0 */
	CHECK(i.op[0].access == INSN_WRITE && i.op[1].access == INSN_READ);
	decode(d, &i, "85c0"); /* test eax, eax */
	CHECK(i.op[0].access == INSN_READ && i.op[1].access == INSN_READ);
	decode(d, &i, "f00fb10f"); /* lock cmpxchg [rdi], ecx */
	CHECK((i.prefix & INSN_LOCK) && i.op[0].access == (INSN_READ | INSN_WRITE));
	CHECK(in(i.writes, i.nwrites, X86_RAX) && in(i.writes, i.nwrites, X86_FLAGS));
	decode(d, &i, "0fc108"); /* xadd [rax], ecx */
	CHECK(i.op[1].access == (INSN_READ | INSN_WRITE) && in(i.writes, i.nwrites, X86_FLAGS));
	decode(d, &i, "d1d0"); /* rcl eax, 1 */
	CHECK(in(i.reads, i.nreads, X86_FLAGS));
	decode(d, &i, "d7"); /* xlatb */
	CHECK(in(i.writes, i.nwrites, X86_RAX));
	decode(d, &i, "0f05"); /* syscall */
	CHECK(in(i.writes, i.nwrites, X86_RCX) && in(i.writes, i.nwrites, X86_R11));
	decode(d, &i, "0fc2c101"); /* cmpltps */
	CHECK(i.pred == 1);
	decode(d, &i, "c5f0c2c20d"); /* vcmpgeps */
	CHECK(i.pred == 13);
	decode(d, &i, "660f70c0ff"); /* pshufd */
	CHECK(i.op[2].imm == 0xff && i.pred == 255);
	decode(d, &i, "83c8ff"); /* or eax, -1 */
	CHECK((uint32_t)i.op[1].imm == 0xffffffff);
	decode(d, &i, "f3480f1ec8"); /* rdsspq rax */
	CHECK(!strcmp(i.mnemonic, "rdsspq") && i.nops == 1 && i.op[0].reg.id == X86_RAX);
	decode(d, &i, "62f3e54825460302"); /* vpternlogq zmm0, zmm3, [rsi + 3 * 64], 2 */
	CHECK(i.nops == 4 && i.op[0].reg.id == X86_V0 &&
		i.op[0].access == (INSN_READ | INSN_WRITE));
	CHECK(i.op[1].reg.id == X86_V0 + 3 && i.op[2].mem.disp == 192 && i.op[3].imm == 2);
	decode(d, &i, "62b26d4850c1"); /* vpdpbusd zmm0, zmm2, zmm17 */
	CHECK(i.mn == X86_VPDPBUSD && i.op[2].reg.id == X86_V0 + 17);
	decode(d, &i, "62f17c5d584001"); /* vaddps zmm0 {k5}, zmm0, [rax + 4]{1to16} */
	CHECK(i.mn == X86_VADDPS && i.mask == 5 && !i.zeroing && i.lane == 4 && i.bcast == 16);
	CHECK(i.op[2].size == 4 && i.op[2].mem.disp == 4 && in(i.reads, i.nreads, X86_K0 + 5));
	decode(d, &i, "62f17c9958c1"); /* vaddps zmm0 {k1} {z}, zmm0, zmm1, {rn-sae} */
	CHECK(i.zeroing && i.rounding == INSN_ROUND_NEAREST && i.op[0].reg.size == 64);
	decode(d, &i, "c5f845c1"); /* korw with L = 0 is none */
	CHECK(i.mn == X86_NONE);
	decode(d, &i, "0f94c0"); /* sete al */
	CHECK(i.cc == X86_CC_E && in(i.reads, i.nreads, X86_FLAGS));
}

static void names(void)
{
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_RAX, 0, 4}), "eax"));
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_RBX, 1, 1}), "bh"));
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_R9, 0, 2}), "r9w"));
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_RSP, 0, 1}), "spl"));
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_V0 + 17, 0, 64}), "zmm17"));
	CHECK(!strcmp(insn_reg_name((struct insn_reg){X86_RAX, 2, 2}), "?"));
	CHECK(arch_find("x86-64") == ARCH_X86_64);
	CHECK(arch_find("vax") == ARCH_NONE);
	CHECK(!strcmp(arch_name(ARCH_X86_64), "x86-64"));
}

/* Rows of bytes, most cut where instructions end: decoded together as one by one without memo. */
static void rows(struct insn_decoder *d)
{
	enum { ROWS = 3000, MOST = 40 };
	struct rng r = rng_new(17, 0);
	unsigned long wrong = 0, good = 0;

	for (unsigned row = 0; row < ROWS; row++) {
		uint8_t code[MOST * INSN_MAX_LEN], len[MOST];
		struct insn together[MOST], alone;
		size_t n = rng_below(&r, MOST + 1), at = 0;

		for (size_t i = 0; i < sizeof(code); i++)
			code[i] = rng_below(&r, 4) ? (uint8_t)rng_u32(&r) : 0x48;
		for (size_t i = 0; i < n; at += len[i++]) {
			bool cut = rng_below(&r, 8) == 0;

			len[i] = (uint8_t)(1 + rng_below(&r, INSN_MAX_LEN));
			if (!cut && insn_decode_plain(d, code + at, INSN_MAX_LEN, &alone))
				len[i] = alone.len;
		}
		insn_decode_all(d, code, row % 2 ? sizeof(code) : at, len, n, together);
		at = 0;
		for (size_t i = 0; i < n; at += len[i++]) {
			int known = insn_decode_plain(d, code + at, len[i], &alone);

			good += (unsigned long)known;
			wrong += known ? !same(&alone, &together[i]) : together[i].len != 0;
		}
	}
	CHECK(wrong == 0);
	CHECK(good > ROWS);
}

int main(void)
{
	struct insn_decoder *d = insn_open(ARCH_X86_64);

	CHECK(d != NULL);
	CHECK(insn_open(ARCH_NONE) == NULL);
	names();
	meanings(d);
	programs(d);
	opcodes(d);
	random_bytes(d);
	layouts(x86_fields_get);
	layouts(x86_fields_get32);
	rows(d);
	insn_close(d);
	return unit_done();
}
