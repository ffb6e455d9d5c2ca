/*
 * a64_text.c: instructions without a meaning of their own, by their text: the first operand is
 * written, unless the instruction only reads it, and becomes an uninterpreted function of all the
 * others; memory it names is touched in a way nobody knows. The function's name has all of the text
 * that is no register and no number: `addv.8b`, `fcvtzs.w`.
 */
#include <string.h>

#include "sem/a64_ops.h"

enum { REGS = 8, NAME = 96 };

/* A register of the text. */
struct word {
	struct insn_reg reg;
	bool is_lane; /* v0.s[1]: the rest of it stays */
};

struct text {
	struct word word[REGS];
	size_t n;
	size_t dest;     /* how many of them, from the first on, are written */
	bool reads_dest; /* these are read as well */
	bool memory;
	char name[NAME];
	size_t nname;
};

static void put_name(struct text *t, const char *s, size_t n)
{
	n = MIN(n, NAME - 1 - t->nname);
	memcpy(t->name + t->nname, s, n);
	t->nname += n;
	t->name[t->nname] = '\0';
}

/* What accumulates, inserts, or keeps some bits of what was there. */
static bool accumulates(const char *mn)
{
	static const char *const begin[] = {"aes", "bcax", "bif", "bit", "bsl", "cas", "fcadd",
		"fcmla", "fmla", "fmls", "ins", "mla", "mls", "movk", "saba", "sadalp", "sdot",
		"sha", "sli", "smlal", "smlsl", "smmla", "sqdmlal", "sqdmlsl", "sqrdmlah",
		"sqrdmlsh", "sri", "srsra", "ssra", "sudot", "suqadd", "tbx", "uaba", "uadalp",
		"udot", "umlal", "umlsl", "ummla", "ursra", "usdot", "usmmla", "usqadd", "usra"};
	/* These narrow into the upper half. */
	static const char *const upper[] = {"addhn2", "fcvtn2", "fcvtxn2", "raddhn2", "rshrn2",
		"rsubhn2", "shrn2", "sqrshrn2", "sqrshrun2", "sqshrn2", "sqshrun2", "sqxtn2",
		"sqxtun2", "subhn2", "uqrshrn2", "uqshrn2", "uqxtn2", "xtn2"};

	for (size_t i = 0; i < COUNT_OF(begin); i++)
		if (!strncmp(mn, begin[i], strlen(begin[i])))
			return true;
	for (size_t i = 0; i < COUNT_OF(upper); i++)
		if (!strcmp(mn, upper[i]))
			return true;
	return false;
}

/* What writes no register: stores, system registers, compares, exceptions. */
static bool only_reads(const char *mn)
{
	static const char *const begin[] = {"st", "msr", "fcmp", "fccmp", "sys", "dc", "ic", "at",
		"tlbi", "hvc", "smc", "svc", "hlt", "dcps", "prf"};

	if (!strcmp(mn, "stxp") || !strcmp(mn, "stlxp"))
		return false; /* whether it went well */
	for (size_t i = 0; i < COUNT_OF(begin); i++)
		if (!strncmp(mn, begin[i], strlen(begin[i])))
			return true;
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The register whose name the n characters are: whether they are one. */
static bool find_register(const char *s, size_t n, struct insn_reg *r)
{
	static const char kind[] = "xwvqdshb";
	static const uint8_t size[] = {8, 4, 16, 16, 8, 4, 2, 1};
	const char *k = memchr(kind, s[0], sizeof(kind) - 1);
	unsigned number = 0;

	if (n == 2 && !memcmp(s, "sp", 2)) {
		*r = (struct insn_reg){A64_SP, 0, 8};
		return true;
	}
	if (n == 3 && !memcmp(s, "wsp", 3)) {
		*r = (struct insn_reg){A64_SP, 0, 4};
		return true;
	}
	if (!k || n < 2 || n > 3)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		number = 10 * number + (unsigned)(s[i] - '0');
	}
	if (number > 31)
		return false;
	*r = (struct insn_reg){
		(uint8_t)(k - kind < 2 ? number : A64_V0 + number), 0, size[k - kind]};
	return true;
}

static void parse(struct text *t, const struct insn *i)
{
	const char *s = i->text;
	bool first = true, braces = false; /* within the first operand; within { } */

	put_name(t, i->mnemonic, strlen(i->mnemonic));
	while (*s) {
		struct insn_reg r;
		size_t n = 0;

		while (is_word(s[n]))
			n++;
		if (n && find_register(s, n, &r)) {
			if (t->n < REGS)
				t->word[t->n++] = (struct word){r, false};
			t->dest = first ? t->n : t->dest;
			/* A lane, or a vector of lanes: .8b */
			if (s[n] != '.' && r.id >= A64_V0)
				put_name(t, (const char[]){'.', *s}, 2);
			s += n;
			continue;
		}
		if (n) { /* a kind of lanes, a system register, a lane's number */
			put_name(t, ".", 1);
			put_name(t, s, n);
			s += n;
			continue;
		}
		braces = *s == '{' || (braces && *s != '}');
		if (*s == '[' && s > i->text && t->n && (is_word(s[-1]) || s[-1] == '}'))
			t->word[t->n - 1].is_lane = true;
		else if (*s == '[')
			t->memory = true;
		first = first && (*s != ',' || braces);
		s++;
	}
}

void a64_text_unknown(struct a64 *x)
{
	const struct expr *arg[REGS + INSN_MAX_OPS];
	struct text t = {.n = 0};
	unsigned n = 0;

	x->known = false;
	parse(&t, x->i);
	if (only_reads(x->i->mnemonic))
		t.dest = 0;
	t.reads_dest = accumulates(x->i->mnemonic);
	for (size_t k = 0; k < t.n; k++)
		if (k >= t.dest || t.reads_dest || t.word[k].is_lane)
			arg[n++] = state_get(x->s, t.word[k].reg);
	for (unsigned k = 0; k < x->i->nops; k++)
		arg[n++] = a64_const(x, 64, (uint64_t)x->i->op[k].imm);
	if (t.memory && x->s->fx)
		x->s->fx->overflow = true;
	for (size_t k = 0; k < t.dest; k++) {
		struct insn_reg r = t.word[k].reg;
		const struct expr *v;

		v = expr_fn(x->p, t.name, (unsigned)k, r.size * 8u, arg, n);
		if (r.id < A64_V0)
			a64_put_sp(x, r.id, v);
		else
			a64_put_vec(x, r.id - A64_V0, v);
	}
}
