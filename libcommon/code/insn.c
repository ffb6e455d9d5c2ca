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
#include "code/insn_capstone.h"
#include "code/insn_opaque.h"
#include "code/x86_fields.h"

enum {
	MEMO_FIRST = 1024,  /* slots at the start, */
	MEMO_MAX = 1 << 16, /* and at most: then the memo starts afresh */
	NO_OP = 255,
};

/* How the immediate's bytes become the operand's value. */
enum extend { EXT_ZERO, EXT_SIGN, EXT_SIGN32, EXT_SIGN16, EXT_COUNT };

struct memo {
	uint64_t key[2];
	uint8_t used;
	uint8_t valid;   /* the bytes are an instruction */
	uint8_t disp_op; /* operand whose displacement is patched, or NO_OP */
	uint8_t imm_op;  /* operand whose immediate is patched, or NO_OP */
	uint8_t extend;  /* enum extend */
	struct insn insn;
};

struct insn_decoder {
	struct insn_capstone *cs;
	struct map opaque; /* names of instructions that capstone does not know */
	struct memo *memo; /* open addressing */
	size_t slots, count;
};

const char *insn_arch_name(enum arch a)
{
	return a == ARCH_X86_64 ? "x86-64" : NULL;
}

enum arch insn_arch_find(const char *name)
{
	return !strcmp(name, "x86-64") ? ARCH_X86_64 : ARCH_NONE;
}

struct insn_decoder *insn_open(enum arch a)
{
	struct insn_decoder *d;
	struct insn_capstone *cs = a == ARCH_X86_64 ? insn_capstone_open() : NULL;

	if (!cs)
		return NULL;
	d = mem_zalloc(1, sizeof(*d));
	d->cs = cs;
	d->slots = MEMO_FIRST;
	d->memo = mem_zalloc(d->slots, sizeof(*d->memo));
	return d;
}

void insn_close(struct insn_decoder *d)
{
	if (!d)
		return;
	insn_capstone_close(d->cs);
	map_free(&d->opaque);
	mem_free(d->memo);
	mem_free(d);
}

/* Without the memo. f is the layout, NULL if it could not be found. */
static int decode(struct insn_decoder *d, const uint8_t *p, size_t n, const struct x86_fields *f,
	struct insn *out)
{
	if (insn_capstone_decode(d->cs, p, n, f, out))
		return 1;
	return f ? insn_opaque_decode(&d->opaque, p, f, out) : 0;
}

int insn_decode_plain(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out)
{
	struct x86_fields f;

	return decode(d, p, n, x86_fields_get(&f, p, n) ? NULL : &f, out);
}

static uint64_t get_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

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

static void make_key(uint64_t key[2], const uint8_t *p, const struct x86_fields *f, bool maskable)
{
	uint8_t k[16] = {0};
	size_t n = maskable ? f->head : f->len;

	memcpy(k, p, n);
	k[15] = (uint8_t)n;
	memcpy(key, k, 16);
}

static size_t slot_of(const struct insn_decoder *d, const uint64_t key[2])
{
	size_t s = hash_mix(key[0] ^ hash_mix(key[1])) & (d->slots - 1);

	while (d->memo[s].used && memcmp(d->memo[s].key, key, 16))
		s = (s + 1) & (d->slots - 1);
	return s;
}

static void make_room(struct insn_decoder *d)
{
	struct insn_decoder old = *d;

	if (4 * (d->count + 1) <= 3 * d->slots)
		return;
	if (d->slots == MEMO_MAX) {
		for (size_t i = 0; i < d->slots; i++)
			d->memo[i].used = 0;
		d->count = 0;
		return;
	}
	d->slots *= 2;
	d->memo = mem_zalloc(d->slots, sizeof(*d->memo));
	for (size_t i = 0; i < old.slots; i++) {
		if (old.memo[i].used)
			d->memo[slot_of(d, old.memo[i].key)] = old.memo[i];
	}
	mem_free(old.memo);
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
	if (!decode(d, probe, f->len, f, &i) || i.nops != m->insn.nops)
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

static void patch(
	struct insn *out, const struct memo *m, const uint8_t *p, const struct x86_fields *f)
{
	const uint8_t *q = p + f->head;

	if (m->disp_op != NO_OP)
		out->op[m->disp_op].mem.disp = sign_extend(get_le(q, f->disp_len), f->disp_len);
	if (m->imm_op != NO_OP)
		out->op[m->imm_op].imm =
			extended(get_le(q + f->disp_len, f->imm_len), f->imm_len, m->extend);
}

int insn_decode(struct insn_decoder *d, const uint8_t *p, size_t n, struct insn *out)
{
	struct x86_fields f;
	uint64_t key[2];
	bool maskable;
	struct memo *m;

	if (x86_fields_get(&f, p, n))
		return decode(d, p, n, NULL, out);
	maskable = is_maskable(&f);
	make_key(key, p, &f, maskable);
	m = &d->memo[slot_of(d, key)];
	if (!m->used) {
		struct memo fresh = {
			.key = {key[0], key[1]}, .used = 1, .disp_op = NO_OP, .imm_op = NO_OP};

		fresh.valid = (uint8_t)decode(d, p, n, &f, &fresh.insn);
		if (maskable ? find_patches(d, &fresh, p, &f)
			     : fresh.valid && fresh.insn.len != f.len) {
			*out = fresh.insn;
			return 1;
		}
		make_room(d);
		m = &d->memo[slot_of(d, key)];
		*m = fresh;
		d->count++;
	}
	if (!m->valid)
		return 0;
	*out = m->insn;
	patch(out, m, p, &f);
	return 1;
}
