/*
 * traced.c: see traced.h.
 *
 * One idea: words are written one after another into memory reserved for the longest instruction,
 * each noted as it is written; what a later word makes needless is taken back.
 */
#include "text/traced.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "text/rules.h"

enum {
	WORDS_MAX = 16, /* of an x86 operand: size, segment, brackets, registers, scale, masks */
	WORD_ROOM = 16, /* bytes of any of them with its blank */
};

/* An instruction being written. */
struct line {
	char *text; /* start of the whole text, */
	char *p;    /* and where the next word goes */
	struct traced_word *first, *w;
	enum arch arch;
};

static struct traced_word *put(struct line *l, const char *s, size_t n)
{
	memcpy(l->p, s, n);
	l->p[n] = ' ';
	*l->w = (struct traced_word){(uint32_t)(l->p - l->text), (uint32_t)n, TRACED_CODE, 0, 0};
	l->p += n + 1;
	return l->w++;
}

static void put_text(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void put_number(struct line *l, int64_t v)
{
	struct traced_word *w = put(l, "num", 3);

	w->kind = TRACED_NUM;
	w->value = (uint64_t)v;
}

/* A register, when `reg` is a number of one. */
static void put_register(struct line *l, const char *s, size_t n, int reg)
{
	struct traced_word *w = put(l, s, n);

	if (reg < 0)
		return;
	w->kind = TRACED_REG;
	w->reg = (uint8_t)reg;
}

static void put_name(struct line *l, const char *name)
{
	char text[NORMALISE_NAME_MAX];

	put(l, text, (size_t)(rules_put_name(text, name) - text));
}

static bool ends_in(const struct line *l, char c)
{
	return l->w > l->first && l->w[-1].len == 1 && l->p[-2] == c;
}

/* The bracket that was closed last is closed by what follows, or by the end. */
static void leave_open(struct line *l)
{
	if (!ends_in(l, ']') && !ends_in(l, ')'))
		return;
	l->w--;
	l->p -= 2;
}

/* ---- x86 ---- */

static void put_x86(struct line *l, struct insn_reg r)
{
	const char *name = insn_reg_name(r);

	put_register(l, name, strlen(name), regs_x86(r));
}

/* Whether a register beside the memory operand says its size. */
static bool is_told(const struct insn *i, unsigned size)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_REG && i->op[k].reg.size == size)
			return true;
	return false;
}

static void put_memory(struct line *l, const struct insn *i, const struct insn_op *op, bool is_addr)
{
	static const char *const scale[] = {[2] = "*2", [4] = "*4", [8] = "*8"};
	const char *size = i->mn == X86_LEA ? NULL : rules_size_name(op->size);
	bool has_seg = op->mem.seg == X86_FS || op->mem.seg == X86_GS;
	bool has_base = op->mem.base != X86_NOREG && op->mem.base != X86_RIP;
	bool has_index = op->mem.index != X86_NOREG;

	if (size && !is_told(i, op->size))
		put_text(l, size);
	if (has_seg)
		put_text(l, op->mem.seg == X86_FS ? "fs:" : "gs:");
	put(l, "[", 1);
	if (has_base)
		put_x86(l, (struct insn_reg){op->mem.base, 0, op->mem.addr_size});
	if (has_index) {
		put_x86(l, (struct insn_reg){op->mem.index, 0, op->mem.index_size});
		if (op->mem.scale > 1)
			put_text(l, scale[op->mem.scale & 15]);
	}
	/* What else says where something lies: no base to be far from, or too far from it. */
	is_addr |= op->mem.base == X86_RIP || (!has_base && !has_index && !has_seg) ||
		   op->mem.disp > NORMALISE_THRESHOLD || op->mem.disp < -NORMALISE_THRESHOLD;
	if (is_addr)
		put(l, "IMM", 3);
	else if (op->mem.disp || !(has_base || has_index))
		put_number(l, op->mem.disp);
	put(l, "]", 1);
}

/* Words in braces, as " {k1} {z}", without these. */
static void put_braces(struct line *l, const char *s)
{
	for (size_t n; *(s += strspn(s, " {},")); s += n) {
		n = strcspn(s, " {},");
		put_register(l, s, n, regs_find(l->arch, s, n));
	}
}

static void put_operand(struct line *l, const struct insn *i, const struct normalise_ref *ref,
	const struct insn_op *op, bool is_addr)
{
	switch (op->kind) {
	case INSN_OP_REG: put_x86(l, op->reg); break;
	case INSN_OP_IMM:
		if (is_addr)
			put(l, "IMM", 3);
		else
			put_number(l, rules_signed_value(op));
		break;
	case INSN_OP_MEM: put_memory(l, i, op, is_addr); break;
	case INSN_OP_REL: put_text(l, i->flow == INSN_CALL || ref->func ? "func" : "MEM"); break;
	}
}

/* The operand that is an address; i386 has some that count from a register: [ebx - 0x28]. */
static unsigned address_operand(const struct insn *i, const struct normalise_ref *ref)
{
	unsigned addr = rules_address_operand(i, ref);

	for (unsigned k = 0; ref->data && addr == i->nops && k < i->nops; k++)
		if (i->op[k].kind == INSN_OP_MEM && i->op[k].mem.disp)
			return k;
	return addr;
}

static void put_operands(struct line *l, const struct insn *i, const struct normalise_ref *ref)
{
	unsigned addr = address_operand(i, ref);

	for (unsigned k = 0; k < i->nops; k++) {
		put_operand(l, i, ref, &i->op[k], k == addr);
		if (i->lane && k == 0)
			put_braces(l, insn_mask_text(i));
		if (i->lane && i->op[k].kind == INSN_OP_MEM)
			put_braces(l, insn_broadcast_text(i));
	}
	if (i->lane)
		put_braces(l, insn_rounding_text(i));
}

static void x86(struct line *l, const struct insn *i, const struct normalise_ref *ref)
{
	if (i->prefix & INSN_LOCK)
		put_text(l, "lock");
	if (i->prefix & (INSN_REP | INSN_REPNE) && rules_is_string(i))
		put_text(l, i->prefix & INSN_REP ? "rep" : "repne");
	put_text(l, i->mnemonic);
	if (ref->import && rules_is_branch(i))
		put_name(l, ref->import);
	else
		put_operands(l, i, ref);
}

/* ---- instructions of fixed size ---- */

/* How wide a number is that stands beside the registers so far. */
static bool is_of_4_bytes(const struct line *l)
{
	for (const struct traced_word *w = l->first; w < l->w; w++)
		if (w->kind == TRACED_REG)
			return regs_info(l->arch, w->reg)->bytes == 4;
	return arch_info(l->arch)->word == 4;
}

static void put_value(struct line *l, int64_t v)
{
	if (v > INT32_MAX && v <= UINT32_MAX && is_of_4_bytes(l))
		v = (int32_t)(uint32_t)v;
	put_number(l, v);
}

/* Numbers that capstone writes without a mark, and fractions. */
static bool put_digits(struct line *l, const char *s, size_t n)
{
	char text[32], *end;
	int64_t bits;
	double v;

	if (n >= sizeof(text) || strcspn(s, "0123456789") > (size_t)(*s == '-'))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	bits = strtoll(text, &end, 0);
	if (end == text + n) {
		put_value(l, bits);
		return true;
	}
	v = strtod(text, &end);
	if (end != text + n)
		return false;
	memcpy(&bits, &v, sizeof(bits));
	put_number(l, bits);
	return true;
}

/*
 * A word: a register, with or without its lanes, v0.4s or d0[1], a number, or something else.
 * Returns how many characters it took.
 */
static size_t put_word(struct line *l, const char *s)
{
	size_t n = strcspn(s, " ,#{}[]()!\1"), dot, lanes = n;
	int reg;

	if (*s == '-' && n > 1 && (s[1] < '0' || s[1] > '9')) { /* the register is taken away */
		put(l, s, 1);
		return 1;
	}
	if (put_digits(l, s, n))
		return n;
	for (dot = 0; dot < n && s[dot] != '.';)
		dot++;
	reg = regs_find(l->arch, s, dot);
	if (reg < 0) {
		put(l, s, n);
		return n;
	}
	if (s[n] == '[' && s[n + strcspn(s + n, " ,]\1")] == ']')
		lanes = n + strcspn(s + n, "]") + 1;
	put_register(l, s, dot, reg);
	if (lanes > dot)
		put(l, s + dot, lanes - dot);
	return lanes;
}

/*
 * Whether its numbers, or those in its registers, say where something lies: MIPS counts from $gp,
 * and computes it, in whatever register, from where the function is, $t9.
 */
static bool has_address(const struct insn *i, const struct normalise_ref *ref)
{
	size_t n = strlen(i->text);

	return ref->data || strstr(i->text, "[pc") || strstr(i->text, "($gp)") ||
	       (!strncmp(i->text, "$gp,", 4) && !strchr(i->text, '(')) ||
	       (n > 5 && !strcmp(i->text + n - 5, ", $t9") && !strcmp(i->mnemonic, "addu"));
}

/* The operands as text, with numbers in its holes. */
static void put_fixed(struct line *l, const struct insn *i, const struct normalise_ref *ref)
{
	bool is_addr = i->nops && has_address(i, ref), is_upper = !strcmp(i->mnemonic, "lui");
	const struct insn_op *op = i->op;

	for (const char *s = i->text; *s;) {
		switch (*s) {
		case ' ':
		case ',':
		case '#':
		case '{':
		case '}': s++; break;
		case '!': leave_open(l); /* fall through */
		case '[':
		case ']':
		case '(':
		case ')': put(l, s++, 1); break;
		case INSN_HOLE:
			if (op->kind == INSN_OP_REL || op->kind == INSN_OP_REL_WORD)
				put_text(l, i->flow == INSN_CALL || ref->func ? "func" : "MEM");
			else if (is_addr || op->kind != INSN_OP_IMM)
				put(l, "IMM", 3);
			else
				put_value(l, is_upper ? op->imm << 16 : op->imm);
			op++;
			s++;
			break;
		default: s += put_word(l, s);
		}
	}
}

static void fixed(struct line *l, const struct insn *i, const struct normalise_ref *ref)
{
	size_t n = strlen(i->mnemonic);
	bool is_arm = arch_info(l->arch)->other != ARCH_NONE;

	put(l, i->mnemonic, is_arm && n > 2 && !strcmp(i->mnemonic + n - 2, ".w") ? n - 2 : n);
	if (ref->import && rules_is_branch(i))
		put_name(l, ref->import);
	else
		put_fixed(l, i, ref);
}

/* ---- */

void traced_insn(struct buf *text, struct traced_words *w, const struct insn *i,
	const struct normalise_ref *ref, enum arch a)
{
	size_t operands = i->text ? strlen(i->text) : (size_t)(i->nops * WORDS_MAX);
	struct line l = {.arch = a};
	char *start;

	if (rules_has_no_text(i))
		return;
	/* Each character of a text may be a word, with a blank; each hole is one of 4 letters. */
	start = buf_reserve(
		text, strlen(i->mnemonic) + NORMALISE_NAME_MAX + WORD_ROOM * (operands + 4));
	w->p = mem_grow(w->p, &w->cap, w->n + operands + 4, sizeof(*w->p));
	l.text = (char *)text->p;
	l.p = start;
	l.first = l.w = w->p + w->n;
	(i->text ? fixed : x86)(&l, i, ref);
	leave_open(&l);
	text->n += (size_t)(l.p - start);
	w->n += (size_t)(l.w - l.first);
}

/* ---- numbers in two instructions ---- */

/*
 * An address that is put together in a register, lui and addiu or movw and movt, shows only where
 * it is used, or completed. Until then its parts are numbers; the words that hold them by general
 * register. Only processors of 32 bits do that: adrp of AArch64 says that it is of an address.
 */
struct parts {
	uint32_t word[2];
	unsigned n;
};
enum { PARTS = 32 };

/* The general register of a word, or -1. */
static int general(const struct traced_word *w, enum arch a)
{
	const struct reg_info *r = w->kind == TRACED_REG ? regs_info(a, w->reg) : NULL;

	return r && r->bank == REGS_GENERAL ? r->index : -1;
}

/* It was an address: IMM, as long as `num`. */
static void take_back(struct traced_text *t, struct parts *p)
{
	for (unsigned k = 0; k < p->n; k++) {
		struct traced_word *w = &t->words.p[p->word[k]];

		memcpy(t->text.p + w->from, "IMM", 3);
		w->kind = TRACED_CODE;
		w->value = 0;
	}
	p->n = 0;
}

/* The instruction continues the number in a register with one of its own. */
static bool continues(const char *mnemonic)
{
	return !strncmp(mnemonic, "movt", 4) || !strcmp(mnemonic, "addiu") ||
	       !strcmp(mnemonic, "ori");
}

/* Follows the numbers through the words of one instruction, from `from` on. */
static void follow(struct traced_text *t, struct parts parts[PARTS], size_t from,
	const struct insn *i, bool is_addr, enum arch a)
{
	const struct traced_word *w = t->words.p;
	size_t n = t->words.n;
	int to = n > from + 1 ? general(&w[from + 1], a) : -1;
	int by = n > from + 2 ? general(&w[from + 2], a) : -1;
	bool ends_in_number = w[n - 1].kind == TRACED_NUM;
	struct parts now = {.n = 0};

	for (size_t k = from + 1; is_addr && k < n; k++)
		if (general(&w[k], a) >= 0)
			take_back(t, &parts[general(&w[k], a)]);
	if (to < 0)
		return;
	if (ends_in_number && (!strcmp(i->mnemonic, "lui") || !strncmp(i->mnemonic, "movw", 4))) {
		now = (struct parts){{(uint32_t)n - 1}, 1};
	} else if (ends_in_number && continues(i->mnemonic) && parts[by < 0 ? to : by].n == 1) {
		now = parts[by < 0 ? to : by];
		now.word[now.n++] = (uint32_t)n - 1;
	}
	parts[to] = now;
}

/* ---- a record ---- */

/* The words from `from` on are those of instruction insn. */
static void end_insn(struct traced_text *t, size_t from, size_t insn)
{
	if (t->n == t->cap) {
		t->end = mem_grow(t->end, &t->cap, t->n + 1, sizeof(*t->end));
		t->insn = mem_realloc(t->insn, t->cap, sizeof(*t->insn));
	}
	t->insn[t->n] = (uint32_t)insn;
	t->end[t->n++] = t->words.n;
	for (; from < t->words.n; from++)
		t->regs += t->words.p[from].kind == TRACED_REG;
}

/*
 * What i386 adds to where it is, which a function that returns its return address told it, to get
 * where its data are: call, add ebx, 241896.
 */
static bool is_distance(const struct insn *i)
{
	return i->mn == X86_ADD && i->op[0].kind == INSN_OP_REG && i->op[1].kind == INSN_OP_IMM &&
	       (i->op[1].imm > NORMALISE_THRESHOLD || i->op[1].imm < -NORMALISE_THRESHOLD);
}

void traced_code(struct traced_text *t, struct insn_decoder *d, const struct u8s *code,
	const struct u8s *len, const struct refs *refs, size_t max_insns)
{
	const uint8_t *p = code->p;
	size_t left = code->n, ref_at = 0;
	enum arch a = insn_used(d);
	struct parts parts[PARTS] = {0};
	bool is_called = false;

	buf_reset(&t->text);
	t->words.n = t->n = t->regs = t->bad = 0;
	for (size_t i = 0; i < len->n && len->p[i] <= left && (!max_insns || t->n < max_insns);
		i++) {
		size_t from = t->words.n, n = len->p[i];
		struct insn insn;

		if (insn_decode(d, p, n, &insn) == 1 && insn.len == n) {
			struct normalise_ref ref = normalise_ref(refs, &ref_at, i);

			if (is_called && is_distance(&insn)) {
				ref.data = true;
				ref.addr = (uint64_t)insn.op[1].imm;
			}
			is_called = a == ARCH_I386 && insn.flow == INSN_CALL && ref.func;
			traced_insn(&t->text, &t->words, &insn, &ref, a);
			if (insn.text && arch_info(a)->word == 4 && t->words.n > from)
				follow(t, parts, from, &insn, has_address(&insn, &ref), a);
		} else if (!codeseq_is_data(a, n)) {
			t->bad++;
		}
		if (t->words.n > from)
			end_insn(t, from, i);
		p += n;
		left -= n;
	}
}

void traced_text_free(struct traced_text *t)
{
	buf_free(&t->text);
	mem_free(t->words.p);
	mem_free(t->end);
	mem_free(t->insn);
	*t = (struct traced_text){0};
}
