/*
 * outlier.c: sets of five instructions of which one is of another class (BinBert, arXiv 2208.06692,
 * sections 4.1.1, 6.1.1 and 9.1).
 *
 * All different instructions of the input are collected, different being what their normalised
 * text is; then each set draws two classes and, among their instructions, four and one. A set is
 * five records of unit `instruction` with one group; label `class` is the class, and `odd` is 1 for
 * the outlier, else 0. Instructions outside the paper's classes are left out.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/sandbox.h"
#include "quiz.h"
#include "text/normalise.h"

enum {
	SET = 5,
	COLLECT_MAX = 1 << 20, /* different instructions kept; the rest is not looked at */
	CLASSES = 11,
	SEED_SETS = 0x73657473,
};

/* Table 4, in Intel's mnemonics. The groups with conditions are found by their prefix. */
enum opcode_class {
	MOVE,
	UNARY,
	BINARY,
	SHIFT,
	SPECIAL,
	COMPARE,
	SETCC,
	JUMP,
	CMOV,
	CALL,
	FLOAT,
	OPCODES
};
static const char *const opcode_name[] = {"move", "unary", "binary", "shift", "special", "compare",
	"set", "jump", "cmov", "call", "float"};
static const struct {
	const char *mnemonics;
	enum opcode_class class;
} opcode_table[] = {
	{"mov push pop cwde cdqe cqo cdq", MOVE},
	{"inc dec neg not", UNARY},
	{"add sub imul xor or and lea", BINARY},
	{"sal sar shr shl", SHIFT},
	{"mul idiv div", SPECIAL},
	{"cmp test", COMPARE},
	{"jmp", JUMP},
	{"call leave ret", CALL},
	{"fabs fadd faddp fchs fdiv fdivp fdivr fdivrp fiadd fidivr fimul fisub fisubr fmul fmulp "
	 "fprem fprem1 frndint fscale fsqrt fsub fsubp fsubr fsubrp fxtract",
		FLOAT},
};

/* Table 5. */
enum operand_class {
	NONE,
	CNST,
	REG,
	REF,
	REG_REG,
	REG_CNST,
	REG_REF,
	REF_REG,
	REF_CNST,
	TRI,
	OPERANDS
};
static const char *const operand_name[] = {"none", "cnst", "reg", "ref", "reg-reg", "reg-cnst",
	"reg-ref", "ref-reg", "ref-cnst", "tri"};

/* Whether the word is one of the list's. */
static bool is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
	return false;
}

/* The class, or -1. One operand makes imul a special operation, as imulq in the paper. */
static int opcode_class(const struct insn *i)
{
	if (i->cc != X86_CC_NONE && i->flow == INSN_COND)
		return JUMP;
	if (i->cc != X86_CC_NONE && !strncmp(i->mnemonic, "set", 3))
		return SETCC;
	if (i->cc != X86_CC_NONE && !strncmp(i->mnemonic, "cmov", 4))
		return CMOV;
	if (i->mn == X86_IMUL && i->nops == 1)
		return SPECIAL;
	for (size_t k = 0; k < COUNT_OF(opcode_table); k++)
		if (is_listed(opcode_table[k].mnemonics, i->mnemonic))
			return (int)opcode_table[k].class;
	return -1;
}

static int operand_class(const struct insn *i)
{
	static const int two[3][3] = {
		/* constant, register, memory second */
		{-1, -1, -1},
		{REG_CNST, REG_REG, REG_REF},
		{REF_CNST, REF_REG, -1},
	};
	unsigned type[2] = {0};

	if (i->nops > 2)
		return TRI;
	for (unsigned k = 0; k < i->nops; k++)
		type[k] = i->op[k].kind == INSN_OP_REG ? 1 : i->op[k].kind == INSN_OP_MEM ? 2 : 0;
	if (i->nops == 2)
		return two[type[0]][type[1]];
	return i->nops ? CNST + (int)type[0] : NONE;
}

struct outlier {
	struct prog *p;
	const struct options *o;
	bool by_operand;
	struct insn_decoder *dec;
	struct map64 seen; /* hashes of texts */
	struct arena arena;
	struct items { /* one instruction each; what they point to is in the arena */
		struct sequence *p;
		size_t n, cap;
	} class[CLASSES];
	struct buf text;
	uint64_t skipped;
};

static const char *keep_text(struct arena *a, const char *s)
{
	return arena_str(a, s, strlen(s));
}

/* The references of instruction k, as those of a record of one instruction. */
static struct refs keep_refs(struct arena *a, const struct refs *r, size_t k)
{
	struct refs out = {0};
	size_t from = 0, n = 0, names = 0;

	while (from < r->insn.n && r->insn.p[from] < k)
		from++;
	while (from + n < r->insn.n && r->insn.p[from + n] == k)
		n++;
	out.insn = (struct u32s){arena_zget(a, n, sizeof(uint32_t)), n};
	out.kind = (struct u8s){arena_get(a, n, 1), n};
	out.target = (struct u64s){arena_get(a, n, sizeof(uint64_t)), n};
	out.name = (struct u32s){arena_zget(a, n, sizeof(uint32_t)), n};
	out.names.p = arena_get(a, n, sizeof(char *));
	for (size_t i = 0; i < n; i++) {
		const char *name = refs_name(r, from + i);

		out.kind.p[i] = r->kind.p[from + i];
		out.target.p[i] = r->target.p[from + i];
		if (!name)
			continue;
		out.names.p[names++] = keep_text(a, name);
		out.name.p[i] = (uint32_t)names;
	}
	out.names.n = names;
	return out;
}

static void keep(struct outlier *x, const struct sequence *s, size_t k, const uint8_t *code,
	struct items *to)
{
	struct arena *a = &x->arena;
	struct sequence *q;

	to->p = mem_grow(to->p, &to->cap, to->n + 1, sizeof(*to->p));
	q = &to->p[to->n++];
	*q = (struct sequence){.unit = "instruction", .origin = s->origin};
	q->origin.bin.p = (uint8_t *)arena_str(a, s->origin.bin.p, s->origin.bin.n);
	q->origin.file = keep_text(a, s->origin.file);
	q->origin.name = keep_text(a, s->origin.name);
	q->arch = keep_text(a, s->arch);
	q->code = (struct u8s){(uint8_t *)arena_str(a, code, s->len.p[k]), s->len.p[k]};
	q->len = (struct u8s){(uint8_t *)arena_str(a, &s->len.p[k], 1), 1};
	q->refs = keep_refs(a, &s->refs, k);
}

static void collect(struct outlier *x, const struct sequence *s)
{
	static const struct normalise_opts normal = {.threshold = NORMALISE_THRESHOLD};
	const uint8_t *code = s->code.p;
	size_t at = 0;

	for (size_t k = 0; k < s->len.n; code += s->len.p[k++]) {
		struct normalise_ref ref = normalise_ref(&s->refs, &at, k);
		struct insn i;
		bool made;
		int class;

		if (!insn_decode(x->dec, code, s->len.p[k], &i) || i.len != s->len.p[k])
			continue; /* as bb-tok: it has no text */
		class = x->by_operand ? operand_class(&i) : opcode_class(&i);
		if (class < 0 || x->seen.count >= COLLECT_MAX)
			continue;
		buf_reset(&x->text);
		normalise_insn(&x->text, &i, &ref, &normal);
		if (!x->text.n)
			continue;
		(void)map64_put(&x->seen, hash_64(x->text.p, x->text.n), &made);
		if (made)
			keep(x, s, k, code, &x->class[class]);
	}
}

/* Reads all of the input. 0 or -1. */
static int read_all(struct outlier *x, struct stream_reader *in)
{
	struct sequence s;
	int got;

	while ((got = stream_read(in, &s)) == 1) {
		if (arch_find(s.arch) == ARCH_X86_64)
			collect(x, &s);
		else
			x->skipped++;
	}
	if (got < 0)
		prog_error(x->p, "%s", stream_error(in));
	return got;
}

/* A random class with at least `least` instructions, not `but`; -1 when there is none. */
static int draw_class(const struct outlier *x, size_t least, int but, struct rng *r)
{
	int can[CLASSES], n = 0;

	for (int c = 0; c < CLASSES; c++)
		if (c != but && x->class[c].n >= least)
			can[n++] = c;
	return n ? can[rng_below(r, (uint64_t)n)] : -1;
}

static int write_one(
	struct outlier *x, struct stream_writer *w, uint64_t set, bool odd, int class, size_t item)
{
	struct sequence s = x->class[class].p[item];
	struct label l[2] = {{"class", x->by_operand ? operand_name[class] : opcode_name[class]},
		{"odd", odd ? "1" : "0"}};
	char group[32];

	snprintf(group, sizeof(group), "set %llu", (unsigned long long)set);
	s.group = group;
	s.labels = (struct labels){l, 2};
	return stream_write(w, &sequence_kind, &s);
}

/* Writes one set. 0, or -1 when the output fails. The classes were seen to be there. */
static int write_set(struct outlier *x, struct stream_writer *w, uint64_t set)
{
	struct rng r = rng_new(x->o->seed ^ (uint64_t)SEED_SETS << 32, set);
	int most = draw_class(x, SET - 1, -1, &r), other = draw_class(x, 1, most, &r);
	size_t pick[SET - 1], place = rng_below(&r, SET), n = 0;

	while (n < SET - 1) { /* four different ones */
		size_t i = rng_below(&r, x->class[most].n), k = 0;

		while (k < n && pick[k] != i)
			k++;
		if (k == n)
			pick[n++] = i;
	}
	for (size_t i = 0; i < SET; i++) {
		int failed = i == place ? write_one(x, w, set, true, other,
						  rng_below(&r, x->class[other].n))
					: write_one(x, w, set, false, most, pick[i - (i > place)]);

		if (failed)
			return -1;
	}
	return 0;
}

static int run(struct outlier *x, struct stream_reader *in, struct output *out)
{
	struct stream_writer *w = output_stream(out);
	uint8_t digest[HASH_BYTES];
	struct rng r = rng_new(0, 0);
	uint64_t sets = x->o->sets;
	int first;

	if (read_all(x, in) < 0)
		return EXIT_FAILED;
	first = draw_class(x, SET - 1, -1, &r);
	for (int c = 0; c < CLASSES && first >= 0; c++) /* another one for each that may be drawn */
		if (x->class[c].n >= SET - 1 && draw_class(x, 1, c, &r) < 0)
			first = -1;
	if (first < 0) {
		if (stream_count(in))
			prog_warn(x->p, "too few different instructions for a set");
		sets = 0;
	}
	stream_digest(in, digest);
	if (stream_begin(w, &sequence_kind, stream_header(in), output_step(out)) < 0)
		return output_failed(out);
	for (uint64_t i = 0; i < sets; i++)
		if (write_set(x, w, i) < 0)
			return output_failed(out);
	if (stream_end(w, x->skipped, digest, 1) < 0)
		return output_failed(out);
	return EXIT_OK;
}

int outlier(struct prog *p, const struct options *o, bool by_operand)
{
	struct outlier x = {.p = p, .o = o, .by_operand = by_operand};
	struct output *out = output_open(p);
	struct stream_reader *in = filter_open(p, &sequence_kind);
	int status;

	sandbox_enter(p);
	x.dec = insn_open(ARCH_X86_64);
	status = run(&x, in, out);
	stream_close(in);
	status = output_close(out, status);
	insn_close(x.dec);
	map64_free(&x.seen);
	arena_free(&x.arena);
	buf_free(&x.text);
	for (size_t i = 0; i < CLASSES; i++)
		mem_free(x.class[i].p);
	return status;
}
