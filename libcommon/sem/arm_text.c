/*
 * arm_text.c: instructions without a meaning of their own, by their text: the first operand is
 * written, unless the instruction only reads it, and becomes an uninterpreted function of all the
 * others; memory it names is touched in a way nobody knows. The function's name is the mnemonic's.
 */
#include <string.h>

#include "sem/arm_ops.h"

enum { REGS = 12 };

struct text {
	struct insn_reg word[REGS];
	bool is_lane[REGS]; /* d0[1]: the rest of it stays */
	size_t n;
	size_t dest;      /* how many of them, from the first on, are written */
	size_t base, end; /* those of the address */
	bool memory;
	bool moves; /* the base */
};

static bool begins(const char *mn, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(mn, list[i], strlen(list[i])))
			return true;
	return false;
}

/* What accumulates, inserts, or keeps some bits of what was there. */
static bool accumulates(const char *mn)
{
	static const char *const begin[] = {"aes", "cdp", "sha", "smlal", "smlsl", "umaal", "umlal",
		"vaba", "vacc", "vbic.i", "vbif", "vbit", "vbsl", "vcmla", "vcvtb.f16", "vcvtt.f16",
		"vdot", "vfma", "vfms", "vfnm", "vmla", "vmls", "vnml", "vorr.i", "vpadal",
		"vqdmlal", "vqdmlsl", "vqrdml", "vrsra", "vsdot", "vsli", "vsmmla", "vsra", "vsri",
		"vswp", "vtbx", "vtrn", "vudot", "vummla", "vusdot", "vusmmla", "vuzp", "vzip"};

	return begins(mn, begin, COUNT_OF(begin));
}

/* What writes no register that it names. */
static bool only_reads(const char *mn)
{
	static const char *const begin[] = {"cdp", "hvc", "mcr", "msr", "pld", "pli", "smc", "stc",
		"stl", "stm", "str", "vcmp", "vmsr", "vst"};

	return begins(mn, begin, COUNT_OF(begin)) && strncmp(mn, "strex", 5) &&
	       strncmp(mn, "stlex", 5);
}

/* What writes its first two operands. */
static bool writes_two(const char *mn)
{
	static const char *const begin[] = {"ldaexd", "ldrexd", "mrrc", "smlal", "smlsl", "umaal",
		"vswp", "vtrn", "vuzp", "vzip"};

	return begins(mn, begin, COUNT_OF(begin));
}

/* What reads or writes more than it names: a coprocessor, the flags of lanes, a mode. */
static bool hides(const char *mn)
{
	static const char *const begin[] = {"cdp", "cps", "eret", "hvc", "ldc", "mcr", "mrc",
		"mrrc", "mrs", "msr", "rfe", "sadd", "sasx", "sel", "setend", "smc", "srs", "ssax",
		"ssub", "stc", "uadd", "uasx", "usax", "usub", "vlldm", "vlstm", "vmrs", "vmsr",
		"vscclrm"};

	return begins(mn, begin, COUNT_OF(begin));
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The number behind a letter, below `limit`, or -1. */
static int number(const char *s, size_t n, int limit)
{
	int v = 0;

	if (n < 1 || n > 2)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = 10 * v + s[i] - '0';
	}
	return v < limit ? v : -1;
}

static void add(struct text *t, struct insn_reg r)
{
	if (t->n < REGS)
		t->word[t->n++] = r;
}

/* The register, or two, whose name the n characters are: whether they are one. */
static bool add_register(struct text *t, const char *s, size_t n)
{
	static const char *const name[] = {"sb", "sl", "fp", "ip", "sp", "lr", "pc"};
	int r;

	for (unsigned k = 0; n == 2 && k < COUNT_OF(name); k++)
		if (!memcmp(s, name[k], 2)) {
			add(t, (struct insn_reg){(uint8_t)(9 + k), 0, 4});
			return true;
		}
	r = number(s + 1, n - 1, s[0] == 'r' || s[0] == 'q' ? 16 : 32);
	if (r < 0)
		return false;
	switch (s[0]) {
	case 'r': add(t, (struct insn_reg){(uint8_t)r, 0, 4}); return true;
	case 's': add(t, arm_vfp((unsigned)r, 4)); return true;
	case 'd': add(t, arm_vfp((unsigned)r, 8)); return true;
	case 'q':
		add(t, arm_vfp(2 * (unsigned)r, 8));
		add(t, arm_vfp(2 * (unsigned)r + 1, 8));
		return true;
	default: return false;
	}
}

static void parse(struct text *t, const struct insn *i)
{
	unsigned operands = writes_two(i->mnemonic) ? 2 : 1, commas = 0;
	bool braces = false;

	for (const char *s = i->text; *s;) {
		size_t n = 0, had = t->n;

		while (is_word(s[n]))
			n++;
		if (n && add_register(t, s, n)) {
			if (commas < operands)
				t->dest = t->n;
			if (s[n] == '[' && had < t->n)
				t->is_lane[had] = true;
		}
		if (n) {
			s += n;
			continue;
		}
		braces = *s == '{' || (braces && *s != '}');
		if (*s == '[' && (s == i->text || !is_word(s[-1]))) {
			t->memory = true;
			t->base = t->n;
		}
		/* [r0]!, or more behind it */
		if (*s == ']' && t->memory && s[1])
			t->moves = true;
		commas += *s == ',' && !braces;
		s++;
	}
}

static bool keeps(const struct text *t, const struct insn *i, size_t k)
{
	return t->is_lane[k] || accumulates(i->mnemonic);
}

void arm_text_unknown(struct arm *x)
{
	const struct expr *arg[REGS + INSN_MAX_OPS + 1];
	const char *mn = x->i->mnemonic;
	struct text t = {.n = 0};
	unsigned n = 0;

	x->known = false;
	parse(&t, x->i);
	if (only_reads(mn))
		t.dest = 0;
	for (size_t k = 0; k < t.n; k++)
		if (k >= t.dest || keeps(&t, x->i, k))
			arg[n++] = expr_zext(x->p, state_get(x->s, t.word[k]), 64);
	for (unsigned k = 0; k < x->i->nops; k++)
		arg[n++] = expr_const(x->p, 64, (uint64_t)x->i->op[k].imm);
	if ((t.memory || hides(mn)) && x->s->fx)
		x->s->fx->overflow = true;
	if (t.moves && t.base < t.n) {
		t.word[t.dest] = t.word[t.base];
		t.dest++;
	}
	if (!strncmp(mn, "vcmp", 4)) {
		t.word[0] = (struct insn_reg){ARM_FPSCR, 0, 4};
		t.dest = 1;
	}
	for (size_t k = 0; k < t.dest; k++) {
		struct insn_reg r = t.word[k];

		if (r.id != ARM_PC)
			arm_set(x, r, expr_fn(x->p, mn, (unsigned)k, r.size * 8u, arg, n));
	}
}
