/*
 * normalise.c: instructions and expressions as text; see normalise.h.
 *
 * One idea: text is printed from the operands of struct insn, never by editing a disassembler's
 * text, straight into memory that was reserved for the longest possible instruction.
 */
#include "text/normalise.h"

#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "text/rules.h"

/* The text between the parts of a memory operand. */
struct style {
	const char *before_bracket; /* between size and [ */
	const char *before_segment; /* between size and fs: */
	const char *plus, *minus;
};
static const struct style styles[] = {
	[NORMALISE_WORDS] = {" ", " ", " +", " -"},
	[NORMALISE_PAPER] = {" ptr ", " ptr ", " + ", " - "},
};

enum { OPERAND_MAX = 96 }; /* longest: size, segment, two registers, scale, displacement */

static char *put(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

static char *put_decimal(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*p++ = digits[--n];
	return p;
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

/* ---- code ---- */

struct normalise_ref normalise_ref(const struct refs *r, size_t *at, size_t insn)
{
	struct normalise_ref ref = {0};

	for (; *at < r->insn.n && r->insn.p[*at] <= insn; ++*at) {
		const char *name = refs_name(r, *at);

		if (r->insn.p[*at] < insn)
			continue;
		switch (r->kind.p[*at]) {
		case REF_CALL: ref.func = true; break;
		case REF_IMPORT: ref.import = name && *name ? name : ref.import; break;
		case REF_DATA:
		case REF_CODE:
		case REF_SLOT:
			ref.data = true;
			ref.addr = r->target.p[*at];
			break;
		}
	}
	return ref;
}

static char *put_immediate(char *p, int64_t v, bool is_addr, const struct normalise_opts *o)
{
	if (is_addr || magnitude(v) > o->threshold)
		return put(p, "IMM");
	if (v < 0)
		*p++ = '-';
	return put_decimal(p, magnitude(v));
}

static char *put_memory(char *p, const struct insn_op *op, bool is_lea, bool is_addr,
	const struct normalise_opts *o)
{
	const struct style *s = &styles[o->style];
	const char *size = is_lea ? NULL : rules_size_name(op->size);
	bool has_seg = op->mem.seg == X86_FS || op->mem.seg == X86_GS;
	bool has_base = op->mem.base != X86_NOREG, has_index = op->mem.index != X86_NOREG;
	uint64_t disp = magnitude(op->mem.disp);

	if (size)
		p = put(put(p, size), has_seg ? s->before_segment : s->before_bracket);
	if (has_seg)
		p = put(p, op->mem.seg == X86_FS ? "fs:" : "gs:");
	*p++ = '[';
	if (has_base)
		p = put(p, insn_reg_name((struct insn_reg){op->mem.base, 0, op->mem.addr_size}));
	if (has_index) {
		if (has_base)
			p = put(p, s->plus);
		p = put(p, insn_reg_name((struct insn_reg){op->mem.index, 0, op->mem.index_size}));
		if (op->mem.scale > 1) {
			*p++ = '*';
			p = put_decimal(p, op->mem.scale);
		}
	}
	if (op->mem.base == X86_RIP || is_addr) {
		if (has_base || has_index)
			p = put(p, s->plus);
		p = put(p, "IMM");
	} else if (disp || !(has_base || has_index)) {
		if (has_base || has_index)
			p = put(p, op->mem.disp < 0 ? s->minus : s->plus);
		else if (op->mem.disp < 0 && disp <= o->threshold)
			*p++ = '-';
		p = disp > o->threshold ? put(p, "IMM") : put_decimal(p, disp);
	}
	*p++ = ']';
	return p;
}

/* What AVX-512 writes behind operand k. */
static char *put_avx512(char *p, const struct insn *i, unsigned k)
{
	if (k == 0)
		p = put(p, insn_mask_text(i));
	if (i->op[k].kind == INSN_OP_MEM)
		p = put(p, insn_broadcast_text(i));
	return k + 1 == i->nops ? put(p, insn_rounding_text(i)) : p;
}

static char *put_operands(char *p, const struct insn *i, const struct normalise_ref *ref,
	const struct normalise_opts *o)
{
	unsigned addr = rules_address_operand(i, ref);

	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *op = &i->op[k];

		p = put(p, k ? ", " : " ");
		switch (op->kind) {
		case INSN_OP_REG: p = put(p, insn_reg_name(op->reg)); break;
		case INSN_OP_IMM: p = put_immediate(p, rules_signed_value(op), k == addr, o); break;
		case INSN_OP_MEM: p = put_memory(p, op, i->mn == X86_LEA, k == addr, o); break;
		case INSN_OP_REL:
			p = put(p, i->flow == INSN_CALL || ref->func ? "func" : "MEM");
			break;
		}
		if (i->lane)
			p = put_avx512(p, i, k);
	}
	return p;
}

/* The text of operands with numbers in its holes; those that make an address have no value. */
static char *put_text(char *p, const struct insn *i, const struct normalise_ref *ref,
	const struct normalise_opts *o)
{
	bool is_addr = ref->data || strstr(i->text, "[pc") || !strcmp(i->mnemonic, "lui");
	const struct insn_op *op = i->op;

	*p++ = ' ';
	for (const char *t = i->text; *t; t++) {
		if (*t == '#')
			continue;
		if (*t != INSN_HOLE) {
			*p++ = *t;
			continue;
		}
		if (op->kind == INSN_OP_REL || op->kind == INSN_OP_REL_WORD)
			p = put(p, i->flow == INSN_CALL || ref->func ? "func" : "MEM");
		else
			p = put_immediate(p, op->imm, is_addr || op->kind != INSN_OP_IMM, o);
		op++;
	}
	return p;
}

static void normalise_risc(struct buf *b, const struct insn *i, const struct normalise_ref *ref,
	const struct normalise_opts *o)
{
	char *start, *p;

	if (rules_has_no_text(i))
		return;
	p = start = buf_reserve(b, strlen(i->mnemonic) + strlen(i->text) + NORMALISE_NAME_MAX +
					   INSN_MAX_OPS * OPERAND_MAX);
	p = put(p, i->mnemonic);
	if (ref->import && rules_is_branch(i)) {
		*p++ = ' ';
		p = rules_put_name(p, ref->import);
	} else if (i->text[0]) {
		p = put_text(p, i, ref, o);
	}
	b->n += (size_t)(p - start);
}

void normalise_insn(struct buf *b, const struct insn *i, const struct normalise_ref *ref,
	const struct normalise_opts *o)
{
	size_t room = sizeof("lock repne ") + strlen(i->mnemonic) + NORMALISE_NAME_MAX +
		      (size_t)i->nops * OPERAND_MAX;
	char *start, *p;

	if (i->text) {
		normalise_risc(b, i, ref, o);
		return;
	}
	if (rules_has_no_text(i))
		return;
	p = start = buf_reserve(b, room);
	if (i->prefix & INSN_LOCK)
		p = put(p, "lock ");
	if (i->prefix & (INSN_REP | INSN_REPNE) && rules_is_string(i))
		p = put(p, i->prefix & INSN_REP ? "rep " : "repne ");
	p = put(p, i->mnemonic);
	if (ref->import && rules_is_branch(i)) {
		*p++ = ' ';
		p = rules_put_name(p, ref->import);
	} else {
		p = put_operands(p, i, ref, o);
	}
	b->n += (size_t)(p - start);
}

/* What was appended is the text of instruction insn. */
static void end_text(struct normalise_text *t, size_t insn)
{
	if (t->n == t->cap) {
		t->end = mem_grow(t->end, &t->cap, t->n + 1, sizeof(*t->end));
		t->insn = mem_realloc(t->insn, t->cap, sizeof(*t->insn));
	}
	t->insn[t->n] = (uint32_t)insn;
	t->end[t->n++] = t->text.n;
}

void normalise_code(struct normalise_text *t, struct insn_decoder *d, const struct u8s *code,
	const struct u8s *len, const struct refs *refs, size_t max_insns,
	const struct normalise_opts *o)
{
	const uint8_t *p = code->p;
	size_t left = code->n, ref_at = 0;

	buf_reset(&t->text);
	t->n = t->bad = 0;
	for (size_t i = 0; i < len->n && len->p[i] <= left && (!max_insns || t->n < max_insns);
		i++) {
		size_t before = t->text.n, n = len->p[i];
		struct insn insn;

		if (insn_decode(d, p, n, &insn) == 1 && insn.len == n) {
			struct normalise_ref ref = normalise_ref(refs, &ref_at, i);

			normalise_insn(&t->text, &insn, &ref, o);
		} else if (!codeseq_is_data(insn_used(d), n)) {
			t->bad++;
		}
		if (t->text.n > before)
			end_text(t, i);
		p += n;
		left -= n;
	}
}

void normalise_text_free(struct normalise_text *t)
{
	buf_free(&t->text);
	buf_free(&t->expr);
	mem_free(t->end);
	mem_free(t->insn);
	*t = (struct normalise_text){0};
}

/* ---- expressions ---- */

static bool is_blank(char c)
{
	return (uint8_t)c <= ' ';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One word of an expression; bytes in the text. */
struct word {
	const char *p;
	size_t n;
	enum { WORD_END, WORD_MARK, WORD_NUMBER, WORD_NAME } kind;
};

static struct word next_word(const char *p)
{
	struct word w;
	bool has_digits_only = true;

	while (*p && is_blank(*p))
		p++;
	w = (struct word){p, 0, WORD_END};
	if (!*p)
		return w;
	if (rules_is_mark(*p)) {
		w.n = 1;
		w.kind = WORD_MARK;
		return w;
	}
	for (; p[w.n] && !is_blank(p[w.n]) && !rules_is_mark(p[w.n]); w.n++)
		has_digits_only &= is_digit(p[w.n]) || (w.n > 0 && p[w.n] == '.') ||
				   (w.n == 0 && *p == '-' && is_digit(p[1]));
	w.kind = has_digits_only ? WORD_NUMBER : WORD_NAME;
	return w;
}

/* The 64-bit name of a part of a general register, or NULL when the text is none. */
static const char *whole_register(const char *s, size_t n)
{
	static const char *const letter[] = {"rax", "rbx", "rcx", "rdx"};
	static const char *const pointer[] = {"rsp", "rbp", "rsi", "rdi"};
	static const char *const number[] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

	if (n < 2 || n > 4)
		return NULL;
	if (s[0] == 'r' && is_digit(s[1]) && strchr("dwb", s[n - 1])) {
		for (size_t i = 0; i < COUNT_OF(number); i++)
			if (strlen(number[i]) == n - 1 && !memcmp(number[i], s, n - 1))
				return number[i];
		return NULL;
	}
	if (s[0] == 'e' && n == 3 && strchr("xpi", s[2])) { /* eax, esp, esi */
		s++;
		n--;
	}
	for (size_t i = 0; i < COUNT_OF(pointer); i++)
		if (!memcmp(s, pointer[i] + 1, 2) && (n == 2 || (n == 3 && s[2] == 'l')))
			return pointer[i];
	if (n == 2 && s[0] >= 'a' && s[0] <= 'd' && strchr("xlh", s[1]))
		return letter[s[0] - 'a'];
	return NULL;
}

static void put_number(struct buf *b, const struct word *w, const struct normalise_opts *o)
{
	size_t i = w->p[0] == '-', decimals = 0;
	uint64_t v = 0;

	for (; i < w->n && is_digit(w->p[i]); i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(w->p[i] - '0'), &v))
			v = UINT64_MAX / 10 * 10; /* stays as large as this */
	if (v > o->threshold) {
		buf_puts(b, "IMM");
		return;
	}
	if (i < w->n)
		decimals = MIN(w->n - i, (size_t)3); /* the point and two digits */
	buf_put(b, w->p, i + decimals);
}

/* Whether a blank stands between two words. */
static bool is_apart(
	const struct word *a, const struct word *b, bool a_is_value, enum normalise_style style)
{
	char x = a->kind == WORD_MARK ? a->p[0] : 0, y = b->kind == WORD_MARK ? b->p[0] : 0;
	bool x_opens = x == '(' || x == '*', y_opens = y == '(' || y == '*';

	/* rsi [1:0]: the field is one word, and so are brackets in a row */
	if (x == '[' || x == ':' || y == ':' || y == ']' || (x_opens && y_opens) ||
		(x == ')' && y == ')'))
		return false;
	if (style == NORMALISE_WORDS)
		return true;
	/* *(rbp add -168)[1:0], f(a, b), but: 0 Concat ( ... ) */
	return !(x_opens || y == ')' || y == ',' || y == '[' ||
		 (y == '(' && a->kind == WORD_NAME && a_is_value));
}

void normalise_expr(struct buf *b, const char *expr, const struct normalise_opts *o)
{
	struct word last = {0}, w = next_word(expr);
	bool value = false; /* the last word ends a value: a name after it is an operator */

	while (w.kind != WORD_END) {
		struct word next = next_word(w.p + w.n);
		bool calls = next.kind == WORD_MARK && next.p[0] == '(';
		const char *whole = NULL;

		if (last.p && is_apart(&last, &w, value, o->style))
			buf_putc(b, ' ');
		if (w.kind == WORD_NAME && !(calls && !value))
			whole = whole_register(w.p, w.n);
		if (w.kind == WORD_NUMBER)
			put_number(b, &w, o);
		else if (whole)
			buf_puts(b, whole);
		else
			buf_put(b, w.p, w.n);
		value = w.kind == WORD_MARK ? w.p[0] == ')' || w.p[0] == ']' : !value;
		last = w;
		w = next;
	}
}

/* Appends the expression as a word, without its blanks, or as several where it is too long. */
static void put_word(struct buf *b, const struct buf *expr)
{
	size_t n = 0;

	for (size_t i = 0; i < expr->n; i++) {
		uint8_t c = expr->p[i];

		if (c == ' ')
			continue;
		if (n >= NORMALISE_WORD_MAX && (c & 0xc0) != 0x80) { /* not within a character */
			buf_putc(b, ' ');
			n = 0;
		}
		buf_putc(b, c);
		n++;
	}
}

void normalise_exprs(struct normalise_text *t, const struct texts *exprs, size_t max,
	const struct normalise_opts *o)
{
	size_t n = max ? MIN(exprs->n, max) : exprs->n;

	buf_reset(&t->text);
	t->n = t->bad = 0;
	for (size_t i = 0; i < n; i++) {
		buf_reset(&t->expr);
		normalise_expr(&t->expr, exprs->p[i], o);
		if (o->style == NORMALISE_PAPER)
			buf_put(&t->text, t->expr.p, t->expr.n);
		else
			put_word(&t->text, &t->expr);
		end_text(t, i);
	}
}
