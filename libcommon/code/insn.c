/*
 * insn.c: decoding with a memo.
 *
 * Of a system's instructions only some 4% differ in more than displacement and immediate. So the
 * memo is keyed by the bytes before these two (prefixes, opcode, ModRM, SIB), capstone decodes a
 * key once, and every other time the numbers are patched in from the bytes. Where an immediate is
 * part of the meaning (compare predicates, register numbers in imm8, AVX-512's scaled
 * displacements) the key is the whole encoding. insn_decode_plain asks capstone each time and is
 * the oracle of the tests.
 */
#include "code/insn.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "code/insn_avx512.h"
#include "code/insn_capstone.h"
#include "code/insn_opaque.h"
#include "code/insn_risc.h"
#include "code/insn_simple.h"
#include "code/x86_fields.h"

enum {
	MEMO_FIRST = 1024,    /* slots at the start, */
	MEMO_MAX = 1 << 16,   /* and at most: then the memo starts afresh */
	GLANCE_MAX = 1 << 18, /* the same for the memo of insn_look, whose entries are small */
	NO_OP = 255,
	AHEAD = 16, /* instructions insn_decode_all looks at together */
	CACHE_LINE = 64,
	ENTER_IMM = 3, /* bytes: two numbers */
	HAS_DISP = INSN_HAS_RIP | INSN_HAS_ABS | INSN_HAS_BASE,
};

/* How the immediate's bytes become the operand's value. */
enum extend { EXT_ZERO, EXT_SIGN, EXT_SIGN32, EXT_SIGN16, EXT_COUNT };

struct memo {
	uint64_t key[2];
	uint8_t valid;   /* the bytes are an instruction */
	uint8_t disp_op; /* operand whose displacement is patched, or NO_OP */
	uint8_t imm_op;  /* operand whose immediate is patched, or NO_OP */
	uint8_t extend;  /* enum extend */
	struct insn insn;
};

/* The memo of insn_look, of encodings with a key of at most 7 bytes. */
struct glance {
	uint64_t key; /* the bytes, and their number in the highest; 0: unused */
	uint16_t mn;
	uint8_t valid, flow, has, extend, reg, base;
};

struct insn_decoder {
	enum arch arch;
	bool is32;
	struct insn_decoder *now;               /* the one in use, itself or one of the others */
	struct insn_decoder *other[ARCH_COUNT]; /* of the first: made when they are asked for */
	struct insn_risc *risc; /* of an architecture that is not x86: all the rest is unused */
	struct insn_capstone *cs;
	struct map opaque; /* names of instructions that capstone does not know */
	struct memo *memo; /* in the order they were met, so that the common ones lie together */
	size_t count, cap;
	/* Open addressing: high half of the key's hash, then 1 + number of its memo; 0: none. */
	uint64_t *slot;
	size_t slots;
	struct glance *glance; /* open addressing */
	size_t gslots, gcount;
};

struct insn_decoder *insn_open(enum arch a)
{
	struct insn_decoder *d;
	bool risc = risc_ops(a);
	struct insn_capstone *cs = a != ARCH_NONE && !risc ? insn_capstone_open(a) : NULL;
	struct insn_risc *text = risc ? insn_risc_open(a) : NULL;

	if (!cs && !text)
		return NULL;
	d = mem_zalloc(1, sizeof(*d));
	d->arch = a;
	d->now = d;
	d->risc = text;
	if (text)
		return d;
	d->is32 = !arch_info(a)->is64;
	d->cs = cs;
	d->slots = MEMO_FIRST;
	d->slot = mem_zalloc(d->slots, sizeof(*d->slot));
	d->gslots = MEMO_FIRST;
	d->glance = mem_zalloc(d->gslots, sizeof(*d->glance));
	return d;
}

int insn_use(struct insn_decoder *d, enum arch a)
{
	if (d->now->arch == a)
		return 0;
	if (a == ARCH_NONE)
		return -1;
	if (d->arch != a && !d->other[a])
		d->other[a] = insn_open(a);
	if (d->arch != a && !d->other[a])
		return -1;
	d->now = d->arch == a ? d : d->other[a];
	return 0;
}

enum arch insn_used(const struct insn_decoder *d)
{
	return d->now->arch;
}

void insn_close(struct insn_decoder *d)
{
	if (!d)
		return;
	for (unsigned a = 0; a < ARCH_COUNT; a++)
		insn_close(d->other[a]);
	insn_risc_close(d->risc);
	insn_capstone_close(d->cs);
	map_free(&d->opaque);
	mem_free(d->memo);
	mem_free(d->slot);
	mem_free(d->glance);
	mem_free(d);
}

/* Without the memo. f is the layout, NULL if it could not be found. */
static int decode(struct insn_decoder *d, const uint8_t *p, size_t n, const struct x86_fields *f,
	struct insn *out)
{
	if (f && insn_avx512_decode(p, f, out))
		return 1;
	if (!(f && insn_avx512_owns(f)) && insn_capstone_decode(d->cs, p, n, f, out))
		return 1;
	return f ? insn_opaque_decode(&d->opaque, p, f, out) : 0;
}

/* The same for the memo, which asks capstone for less. */
static int decode_new(struct insn_decoder *d, const uint8_t *p, size_t n,
	const struct x86_fields *f, struct insn *out)
{
	return insn_simple_decode(p, f, out) || decode(d, p, n, f, out);
}

static int fields(const struct insn_decoder *d, struct x86_fields *f, const uint8_t *p, size_t n)
{
	return d->is32 ? x86_fields_get32(f, p, n) : x86_fields_get(f, p, n);
}

int insn_decode_plain(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out)
{
	struct x86_fields f;

	d = d->now;
	if (d->risc)
		return insn_risc_decode(d->risc, p, n, out);
	return decode(d, p, n, fields(d, &f, p, n) ? NULL : &f, out);
}

static uint64_t get_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	if (n == 4)
		return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static int64_t sign_extend(uint64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(v << shift) >> shift;
}

static int64_t extended(uint64_t v, unsigned bytes, enum extend e)
{
	int64_t s = sign_extend(v, bytes);

	switch (e) {
	case EXT_SIGN: return s;
	case EXT_SIGN32: return (uint32_t)s;
	case EXT_SIGN16: return (uint16_t)s;
	default: return (int64_t)v;
	}
}

/* Whether displacement and immediate can be left out of the key. */
static bool is_maskable(const struct x86_fields *f)
{
	if (f->coding == X86_EVEX || f->map >= X86_MAP_0F3A || f->imm_len == 3)
		return false;
	if (f->prefix & X86_P67)
		return false;
	if (f->map == X86_MAP_0F && (f->opcode == 0xc2 || f->opcode == 0x78))
		return false; /* compare predicates, extrq */
	return true;
}

/* The layout as x86_fields_quick gives it. */
static uint32_t pack(const struct x86_fields *f)
{
	return f->len | (uint32_t)f->head << 8 | (uint32_t)f->disp_len << 16 |
	       (uint32_t)f->imm_len << 24;
}

/* The first `head` bytes, and their number in the last byte; n are there. */
static void make_key(uint64_t key[2], const uint8_t *p, size_t n, unsigned head)
{
	uint8_t k[16] = {0};

	if (n < 16) {
		memcpy(k, p, head);
		k[15] = (uint8_t)head;
		memcpy(key, k, 16);
		return;
	}
	memcpy(key, p, 16);
	if (head < 8) {
		key[0] &= (UINT64_C(1) << 8 * head) - 1;
		key[1] = 0;
	} else {
		key[1] &= (UINT64_C(1) << 8 * (head - 8)) - 1;
	}
	key[1] |= (uint64_t)head << 56;
}

static uint64_t hash_of(const uint64_t key[2])
{
	return hash_mix(key[0] ^ hash_mix(key[1]));
}

/* The slot of the key: it holds the number of its memo, or 0. */
static uint64_t *slot_of(const struct insn_decoder *d, const uint64_t key[2])
{
	uint64_t hash = hash_of(key);
	size_t s = hash & (d->slots - 1);

	for (; d->slot[s]; s = (s + 1) & (d->slots - 1))
		if (d->slot[s] >> 32 == hash >> 32 &&
			!memcmp(d->memo[(uint32_t)d->slot[s] - 1].key, key, 16))
			break;
	return &d->slot[s];
}

static struct memo *find(const struct insn_decoder *d, const uint64_t key[2])
{
	uint32_t n = (uint32_t)*slot_of(d, key);

	return n ? &d->memo[n - 1] : NULL;
}

static void enter(struct insn_decoder *d, size_t n)
{
	const uint64_t *key = d->memo[n].key;

	*slot_of(d, key) = (hash_of(key) >> 32 << 32) | (n + 1);
}

static const struct memo *add(struct insn_decoder *d, const struct memo *m)
{
	if (4 * (d->count + 1) > 3 * d->slots) {
		if (d->slots == MEMO_MAX)
			d->count = 0;
		else
			d->slots *= 2;
		mem_free(d->slot);
		d->slot = mem_zalloc(d->slots, sizeof(*d->slot));
		for (size_t i = 0; i < d->count; i++)
			enter(d, i);
	}
	d->memo = mem_grow(d->memo, &d->cap, d->count + 1, sizeof(*d->memo));
	d->memo[d->count] = *m;
	enter(d, d->count);
	return &d->memo[d->count++];
}

/*
 * Finds which operands hold displacement and immediate. The immediate's sign extension shows only
 * in a negative one, so capstone is asked again with all its bits set. 0, or -1 when the encoding
 * does not fit the scheme.
 */
static int find_patches(
	struct insn_decoder *d, struct memo *m, const uint8_t *p, const struct x86_fields *f)
{
	uint8_t probe[INSN_MAX_LEN];
	struct insn i;
	unsigned at = f->head;

	m->disp_op = m->imm_op = NO_OP;
	if (!m->valid)
		return 0;
	if (m->insn.len != f->len)
		return -1;
	memcpy(probe, p, f->len);
	memset(probe + at, 0xff, f->disp_len + f->imm_len);
	if (!decode_new(d, probe, f->len, f, &i) || i.nops != m->insn.nops)
		return -1;
	for (unsigned k = 0; k < i.nops; k++) {
		uint8_t kind = i.op[k].kind;

		if (kind != m->insn.op[k].kind)
			return -1;
		if (kind == INSN_OP_MEM && f->disp_len) {
			if (m->disp_op != NO_OP || i.op[k].mem.disp != -1)
				return -1;
			m->disp_op = (uint8_t)k;
		}
		if ((kind == INSN_OP_IMM || kind == INSN_OP_REL) && f->imm_len) {
			uint64_t ones = get_le(probe + at + f->disp_len, f->imm_len);
			unsigned e = 0;

			while (e < EXT_COUNT && extended(ones, f->imm_len, e) != i.op[k].imm)
				e++;
			if (m->imm_op != NO_OP || e == EXT_COUNT)
				return -1;
			m->imm_op = (uint8_t)k;
			m->extend = (uint8_t)e;
		}
	}
	return f->disp_len && m->disp_op == NO_OP ? -1 : f->imm_len && m->imm_op == NO_OP ? -1 : 0;
}

/* `layout` as x86_fields_quick gives it. */
static void patch(struct insn *out, const struct memo *m, const uint8_t *p, uint32_t layout)
{
	unsigned disp = layout >> 16 & 255, imm = layout >> 24;
	const uint8_t *q = p + (layout >> 8 & 255);

	if (m->disp_op != NO_OP)
		out->op[m->disp_op].mem.disp = sign_extend(get_le(q, disp), disp);
	if (m->imm_op != NO_OP)
		out->op[m->imm_op].imm = extended(get_le(q + disp, imm), imm, m->extend);
}

/* An instruction on its way through the memo. */
struct wanted {
	const uint8_t *p;
	size_t n;        /* its bytes are not more than these */
	uint32_t layout; /* as x86_fields_quick gives it; 0: unknown, and so is the key */
	uint64_t key[2];
};

/* `there` bytes can be read, n or more. */
static void lay_out(
	const struct insn_decoder *d, struct wanted *w, const uint8_t *p, size_t n, size_t there)
{
	struct x86_fields f;

	w->p = p;
	w->n = n;
	w->layout = 0;
	if (there >= 16)
		w->layout = d->is32 ? x86_fields_quick32(p) : x86_fields_quick(p);
	if (w->layout && (w->layout & 255) <= n && w->layout >> 24 != ENTER_IMM) {
		make_key(w->key, p, there, w->layout >> 8 & 255);
		return;
	}
	w->layout = fields(d, &f, p, n) ? 0 : pack(&f);
	if (w->layout)
		make_key(w->key, p, n, is_maskable(&f) ? f.head : f.len);
}

/* What the memo does not know: into *out, and into the memo if it can be remembered. */
static int learn(struct insn_decoder *d, const struct wanted *w, struct insn *out)
{
	struct memo fresh = {.key = {w->key[0], w->key[1]}, .disp_op = NO_OP, .imm_op = NO_OP};
	struct x86_fields f;

	if (fields(d, &f, w->p, w->n))
		return decode(d, w->p, w->n, NULL, out);
	fresh.valid = (uint8_t)decode_new(d, w->p, w->n, &f, &fresh.insn);
	*out = fresh.insn;
	if (is_maskable(&f) ? find_patches(d, &fresh, w->p, &f)
			    : fresh.valid && fresh.insn.len != f.len)
		return 1;
	add(d, &fresh);
	return fresh.valid;
}

static int decode_wanted(struct insn_decoder *d, const struct wanted *w, struct insn *out)
{
	const struct memo *m = w->layout ? find(d, w->key) : NULL;

	if (!m)
		return learn(d, w, out);
	if (!m->valid)
		return 0;
	*out = m->insn;
	patch(out, m, w->p, w->layout);
	return 1;
}

int insn_decode(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out)
{
	struct wanted w;

	d = d->now;
	if (d->risc)
		return insn_risc_decode(d->risc, p, n, out);
	lay_out(d, &w, p, n, n);
	return decode_wanted(d, &w, out);
}

static void fetch_slot(const struct insn_decoder *d, const struct wanted *w)
{
	if (w->layout)
		__builtin_prefetch(&d->slot[hash_of(w->key) & (d->slots - 1)]);
}

/* The memo that is most likely the one. */
static void fetch_memo(const struct insn_decoder *d, const struct wanted *w)
{
	uint64_t slot = w->layout ? d->slot[hash_of(w->key) & (d->slots - 1)] : 0;

	if (!slot)
		return;
	for (size_t k = 0; k < sizeof(struct memo); k += CACHE_LINE)
		__builtin_prefetch((const char *)&d->memo[(uint32_t)slot - 1] + k);
}

/*
 * The same for n instructions, AHEAD of them at most, of code that goes on until `end`. The memo
 * is larger than what the processor holds near, so all that will be needed is asked for ahead.
 */
static void decode_some(struct insn_decoder *d, const uint8_t *code, const uint8_t *end,
	const uint8_t *len, size_t n, struct insn *out)
{
	struct wanted w[AHEAD];

	for (size_t i = 0; i < n; code += len[i++]) {
		lay_out(d, &w[i], code, len[i], (size_t)(end - code));
		fetch_slot(d, &w[i]);
	}
	for (size_t i = 0; i < n; i++)
		fetch_memo(d, &w[i]);
	for (size_t i = 0; i < n; i++)
		if (!decode_wanted(d, &w[i], &out[i]))
			out[i].len = 0;
}

void insn_decode_all(struct insn_decoder *d, const uint8_t *code, size_t there, const uint8_t *len,
	size_t n, struct insn *out)
{
	const uint8_t *end = code + there;

	for (size_t i = 0, some = 1; i < n; i += some) {
		if (d->now->risc) {
			if (!insn_decode(d, code, len[i], &out[i]))
				out[i].len = 0;
		} else {
			some = MIN(n - i, (size_t)AHEAD);
			decode_some(d->now, code, end, len + i, some, out + i);
		}
		for (size_t k = i; k < i + some; k++)
			code += len[k];
	}
}

/* ---- in brief ---- */

static size_t glance_slot(const struct insn_decoder *d, uint64_t key)
{
	size_t s = (key * 0x9e3779b97f4a7c15u >> 32) & (d->gslots - 1);

	while (d->glance[s].key && d->glance[s].key != key)
		s = (s + 1) & (d->gslots - 1);
	return s;
}

static void make_glance_room(struct insn_decoder *d)
{
	struct glance *old = d->glance;
	size_t n = d->gslots;

	if (2 * (d->gcount + 1) <= d->gslots)
		return;
	if (n == GLANCE_MAX) {
		memset(old, 0, n * sizeof(*old));
		d->gcount = 0;
		return;
	}
	d->gslots *= 2;
	d->glance = mem_zalloc(d->gslots, sizeof(*d->glance));
	for (size_t i = 0; i < n; i++) {
		if (old[i].key)
			d->glance[glance_slot(d, old[i].key)] = old[i];
	}
	mem_free(old);
}

/* Which operands the caller will want to see. */
static uint8_t what_it_has(const struct insn *i, const struct x86_fields *f, bool is32)
{
	uint8_t has = i->nops && i->op[0].kind == INSN_OP_REG ? INSN_HAS_REG : 0;

	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *o = &i->op[k];

		if (o->kind == INSN_OP_REL && k == 0)
			has |= INSN_HAS_REL;
		else if (o->kind == INSN_OP_IMM && f->imm_len >= 4)
			has |= INSN_HAS_IMM;
		if (o->kind != INSN_OP_MEM || o->mem.seg == X86_FS || o->mem.seg == X86_GS)
			continue;
		if (o->mem.index != X86_NOREG)
			has |= INSN_HAS_INDEX;
		if (is32 && f->disp_len && o->mem.base < X86_RIP)
			has |= INSN_HAS_BASE;
		if (o->mem.base == X86_RIP)
			has |= INSN_HAS_RIP;
		else if (f->disp_len >= 4 && !(f->prefix & X86_P67))
			has |= INSN_HAS_ABS;
	}
	return has;
}

static void brief_of(
	const struct insn *i, const struct x86_fields *f, bool is32, struct insn_brief *out)
{
	*out = (struct insn_brief){.mn = i->mn,
		.len = i->len,
		.flow = i->flow,
		.has = what_it_has(i, f, is32),
		.reg = i->op[0].reg.id};
	for (unsigned k = 0; k < i->nops; k++) {
		const struct insn_op *o = &i->op[k];

		if (o->kind == INSN_OP_REL || (o->kind == INSN_OP_IMM && (out->has & INSN_HAS_IMM)))
			out->imm = o->imm;
		else if (o->kind == INSN_OP_MEM && (out->has & HAS_DISP))
			out->disp = o->mem.disp, out->base = o->mem.base;
	}
}

/* Without the memo of brief answers. */
static int look_closely(struct insn_decoder *d, const uint8_t *p, size_t n,
	const struct x86_fields *f, struct insn_brief *out)
{
	static const struct x86_fields unknown;
	struct insn i;

	if (!insn_decode(d, p, n, &i))
		return 0;
	brief_of(&i, f ? f : &unknown, d->is32, out);
	return 1;
}

/* A new entry of the memo: 1, 0 (no instruction), or -1 when there can be none for the key. */
static int new_glance(struct insn_decoder *d, const uint8_t *p, size_t n,
	const struct x86_fields *f, struct glance *g)
{
	bool maskable = is_maskable(f);
	const struct memo *m;
	struct insn_brief b;
	uint64_t key[2];

	if (look_closely(d, p, n, f, &b)) {
		make_key(key, p, n, maskable ? f->head : f->len);
		m = find(d, key);
		if (b.len != f->len || !m)
			return -1; /* the memo of insn_decode did not take it either */
		g->valid = 1;
		g->mn = b.mn;
		g->flow = b.flow;
		g->has = maskable ? b.has : b.has & (uint8_t)~INSN_HAS_IMM;
		g->extend = m->extend;
		g->reg = b.reg;
		g->base = b.base;
	}
	make_glance_room(d);
	d->glance[glance_slot(d, g->key)] = *g;
	d->gcount++;
	return g->valid;
}

static int64_t signed_number(const uint8_t *p, unsigned n)
{
	return n == 1 ? (int8_t)*p : n == 4 ? (int32_t)get_le(p, 4) : sign_extend(get_le(p, n), n);
}

/* From the memo's entry, the bytes, and their layout as x86_fields_quick gives it. */
static int recall(const struct glance *g, const uint8_t *p, uint32_t w, struct insn_brief *out)
{
	unsigned disp = w >> 16 & 255, imm = w >> 24;

	if (!g->valid)
		return 0;
	out->mn = g->mn;
	out->len = w & 255;
	out->flow = g->flow;
	out->has = g->has;
	out->reg = g->reg;
	out->base = g->base;
	p += w >> 8 & 255;
	if (g->has & HAS_DISP)
		out->disp = signed_number(p, disp);
	if (g->has & INSN_HAS_REL)
		out->imm = signed_number(p + disp, imm);
	else if (g->has & INSN_HAS_IMM)
		out->imm = extended(get_le(p + disp, imm), imm, g->extend);
	return 1;
}

/* The first `head` bytes, of 7 at most, as a key. */
static uint64_t glance_key(const uint8_t *p, unsigned head)
{
	uint64_t key;

	memcpy(&key, p, 8);
	return (key & ((UINT64_C(1) << 8 * head) - 1)) | (uint64_t)head << 56;
}

/* An instruction that is not in the memo, or cannot be. */
static int look_slowly(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn_brief *out)
{
	struct glance fresh = {0}, *g;
	struct x86_fields f;
	unsigned head;

	if (fields(d, &f, p, n))
		return look_closely(d, p, n, NULL, out);
	head = is_maskable(&f) ? f.head : f.len;
	if (n < 16 || head > 7)
		return look_closely(d, p, n, &f, out);
	fresh.key = glance_key(p, head);
	g = &d->glance[glance_slot(d, fresh.key)];
	if (g->key)
		return recall(g, p, pack(&f), out);
	if (new_glance(d, p, n, &f, &fresh) < 0)
		return look_closely(d, p, n, &f, out);
	return recall(&fresh, p, pack(&f), out);
}

int insn_look(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn_brief *out)
{
	const struct glance *g;
	uint32_t layout = 0;

	d = d->now;
	if (d->risc)
		return 0;
	if (n >= 16)
		layout = d->is32 ? x86_fields_quick32(p) : x86_fields_quick(p);
	if (!layout)
		return look_slowly(d, p, n, out);
	g = &d->glance[glance_slot(d, glance_key(p, layout >> 8 & 255))];
	return g->key ? recall(g, p, layout, out) : look_slowly(d, p, n, out);
}
