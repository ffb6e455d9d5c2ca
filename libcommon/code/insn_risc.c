/*
 * insn_risc.c: see insn_risc.h. Capstone's text is kept with holes where the numbers are, so that
 * each reader writes them as it likes; where branches go comes from the bits, not from the text.
 */
#include "code/insn_risc.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"

/* capstone has an x86_reg of its own */
#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg

enum { SLOTS = 1 << 14 }; /* of the memo; a later instruction takes the place of another */

struct known {
	uint32_t word;
	uint8_t n;  /* bytes of the instruction; 0: unused */
	uint8_t it; /* Thumb: 0, or a condition it is executed under, and more */
	bool valid;
	struct insn insn;
};

struct insn_risc {
	const struct risc_ops *ops;
	enum arch arch;
	csh handle;
	cs_insn *in;
	const uint8_t *next; /* Thumb: where conditions, */
	uint8_t it;          /* these, of the instruction before hold: risc_arm_it */
	char before;         /* what stands before a number: '#', or 0 for nothing */
	struct map texts;
	struct known *memo;
};

static const struct {
	cs_arch arch;
	int mode;
	char before;
} dialects[ARCH_COUNT] = {
	[ARCH_AARCH64] = {CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, '#'},
	[ARCH_ARM] = {CS_ARCH_ARM, CS_MODE_ARM + (int)CS_MODE_V8, '#'},
	[ARCH_THUMB] = {CS_ARCH_ARM, CS_MODE_THUMB + (int)CS_MODE_V8, '#'},
	[ARCH_ARMEB] = {CS_ARCH_ARM, CS_MODE_ARM + (int)CS_MODE_V8 + (int)CS_MODE_BIG_ENDIAN, '#'},
	[ARCH_THUMBEB] = {CS_ARCH_ARM, CS_MODE_THUMB + (int)CS_MODE_V8 + (int)CS_MODE_BIG_ENDIAN,
		'#'},
	[ARCH_MIPS] = {CS_ARCH_MIPS, CS_MODE_MIPS32 + (int)CS_MODE_BIG_ENDIAN, 0},
	[ARCH_MIPSEL] = {CS_ARCH_MIPS, CS_MODE_MIPS32, 0},
};

struct insn_risc *insn_risc_open(enum arch a)
{
	struct insn_risc *r = mem_zalloc(1, sizeof(*r));

	if (cs_open(dialects[a].arch, dialects[a].mode, &r->handle) != CS_ERR_OK) {
		mem_free(r);
		return NULL;
	}
	cs_option(r->handle, CS_OPT_DETAIL, CS_OPT_OFF);
	r->in = cs_malloc(r->handle);
	r->ops = risc_ops(a);
	r->arch = a;
	r->before = dialects[a].before;
	r->memo = mem_zalloc(SLOTS, sizeof(*r->memo));
	return r;
}

void insn_risc_close(struct insn_risc *r)
{
	if (!r)
		return;
	cs_free(r->in, 1);
	cs_close(&r->handle);
	map_free(&r->texts);
	mem_free(r->memo);
	mem_free(r);
}

static const char *lasting(struct insn_risc *r, const char *text)
{
	return map_put(&r->texts, text, strlen(text), NULL)->key;
}

/* Whether a number starts at s[at]. */
static bool is_number(const struct insn_risc *r, const char *s, size_t at)
{
	size_t digit = at + (s[at] == '-');
	char before = at ? s[at - 1] : ' ';

	if (s[digit] < '0' || s[digit] > '9')
		return false;
	return r->before ? before == r->before : before == ' ' || before == ',' || before == '(';
}

/* Takes the numbers out of capstone's operands. */
static void holes(struct insn_risc *r, struct insn *out, const char *s)
{
	char text[sizeof(r->in->op_str)];
	size_t n = 0;

	for (size_t at = 0; s[at] && n + 1 < sizeof(text);) {
		char *end;
		int64_t v;

		if (!is_number(r, s, at) || out->nops == INSN_MAX_OPS) {
			text[n++] = s[at++];
			continue;
		}
		v = s[at] == '-' ? -(int64_t)strtoull(s + at + 1, &end, 0)
				 : (int64_t)strtoull(s + at, &end, 0);
		if (*end == '.' || *end == 'e') { /* a fraction stays text */
			text[n++] = s[at++];
			continue;
		}
		text[n++] = INSN_HOLE;
		out->op[out->nops++] = (struct insn_op){
			.kind = INSN_OP_IMM, .size = 8, .access = INSN_READ, .imm = v};
		at = (size_t)(end - s);
	}
	text[n] = 0;
	out->text = lasting(r, text);
}

/* The last number is an address: where a branch goes, or what is relative to the instruction. */
static void address(const struct insn_risc *r, struct insn *out, const struct risc *i)
{
	struct insn_op *o = &out->op[out->nops - 1];
	bool thumb = r->ops->align == 2, arm = arch_info(r->arch)->other != ARCH_NONE;

	if (thumb && (i->what & RISC_SWITCH)) {
		o->kind = INSN_OP_REL_WORD;
		o->imm = i->imm;
	} else if (i->what & RISC_DIRECT) {
		o->kind = INSN_OP_REL;
		o->imm = i->imm - out->len;
	} else if (i->op == RISC_PAGE) {
		o->kind = INSN_OP_PAGE;
		o->imm = i->imm;
	} else if (arm && strncmp(out->mnemonic, "adr", 3)) {
		return; /* add r0, pc, 8: it says what it is relative to */
	} else if (i->op == RISC_PC || i->op == RISC_LITERAL) {
		o->kind = thumb ? INSN_OP_WORD : INSN_OP_ADDR;
		o->imm = i->imm;
	}
}

/*
 * Thumb's "it": capstone would take what it is asked next for the instruction behind it, so it is
 * never told.
 */
static int condition(struct insn_risc *r, const struct risc *i, struct insn *out)
{
	static const char *const conditions[] = {"eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc",
		"hi", "ls", "ge", "lt", "gt", "le", "al"};
	unsigned first = (unsigned)i->imm >> 4, mask = i->imm & 15;
	char name[8] = "it";
	size_t n = 2;

	if (first >= COUNT_OF(conditions))
		return 0;
	for (; mask & 7; mask <<= 1)
		name[n++] = (mask >> 3 & 1) == (first & 1) ? 't' : 'e';
	name[n] = 0;
	out->mnemonic = lasting(r, name);
	out->text = conditions[first];
	return 1;
}

/* Makes capstone decode the halfword bfXX: whether it can. */
static bool feed(struct insn_risc *r, uint8_t low, bool big)
{
	uint8_t code[2] = {big ? 0xbf : low, big ? low : 0xbf};
	const uint8_t *p = code;
	uint64_t addr = 0;
	size_t n = 2;

	return cs_disasm_iter(r->handle, &p, &n, &addr, r->in);
}

/* An instruction under a condition: capstone is told an "it" before it, for it alone. */
static bool tell(struct insn_risc *r, uint8_t it, bool big)
{
	return feed(r, (uint8_t)((it & 0xf0) | 8), big);
}

/* It did not take the instruction: the condition is spent on a nop. */
static void forget(struct insn_risc *r, bool big)
{
	r->in->size = feed(r, 0, big) ? r->in->size : 0;
}

static int decode(
	struct insn_risc *r, const uint8_t *p, uint8_t it, const struct risc *i, struct insn *out)
{
	bool big = r->arch == ARCH_THUMBEB;
	const uint8_t *code = p;
	size_t left = i->len;
	uint64_t addr = 0;

	*out = (struct insn){
		.len = i->len, .flow = i->flow, .cc = X86_CC_NONE, .pred = 255, .it = it};
	for (size_t k = i->len; k--;)
		out->word = out->word << 8 | p[k];
	if (i->op == RISC_IF)
		return condition(r, i, out);
	if (it && !tell(r, it, big))
		return 0;
	if (!cs_disasm_iter(r->handle, &code, &left, &addr, r->in) || r->in->size != i->len) {
		if (it)
			forget(r, big);
		return 0;
	}
	out->mnemonic = lasting(r, r->in->mnemonic);
	holes(r, out, r->in->op_str);
	if (out->nops && !strchr(out->text, '['))
		address(r, out, i);
	return 1;
}

int insn_risc_decode(struct insn_risc *r, const uint8_t *p, size_t n, struct insn *out)
{
	uint8_t it = r->it && p == r->next ? r->it : 0;
	uint32_t word = 0;
	struct known *k;
	struct risc i;

	if (!n)
		return 0;
	r->ops->read(p, n, 0, &i);
	r->it = 0;
	if (i.len < r->ops->align || i.len > n)
		return 0;
	if (it || i.op == RISC_IF) {
		r->it = risc_arm_it(it, &i);
		r->next = p + i.len;
	}
	it = it ? (it & 0xf0) | 1 : 0;
	memcpy(&word, p, i.len);
	k = &r->memo[hash_mix(word ^ (uint64_t)it << 32) % SLOTS];
	if (k->word != word || k->n != i.len || k->it != it) {
		k->word = word;
		k->n = i.len;
		k->it = it;
		k->valid = decode(r, p, it, &i, &k->insn);
	}
	if (k->valid)
		*out = k->insn;
	return k->valid;
}
