/*
 * insn_capstone.c: the only file that knows capstone. Its numbers for registers and instructions
 * change between versions, so everything is turned into ours here, and where capstone 4.0.2 is
 * wrong about what an instruction reads and writes (found by running instructions on the CPU), it
 * is mended here, in `mend`.
 */
#include "code/insn_capstone.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* capstone has an x86_reg of its own */
#define x86_reg capstone_x86_reg
#include <capstone/capstone.h>
#undef x86_reg

struct insn_capstone {
	csh handle;
	cs_insn *in;
	struct map mnemonics; /* text to 1 + enum x86_mn; 0 for text that has no number */
	bool is32;
};

/* clang-format off */
#define GPR(R, id) \
	[X86_REG_R##R##X] = {id, 0, 8}, [X86_REG_E##R##X] = {id, 0, 4}, [X86_REG_##R##X] = {id, 0, 2}, \
	[X86_REG_##R##H] = {id, 1, 1}, [X86_REG_##R##L] = {id, 0, 1}
#define PTR(R, id) \
	[X86_REG_R##R] = {id, 0, 8}, [X86_REG_E##R] = {id, 0, 4}, [X86_REG_##R] = {id, 0, 2}, \
	[X86_REG_##R##L] = {id, 0, 1}
#define NUM(R, id) \
	[X86_REG_##R] = {id, 0, 8}, [X86_REG_##R##D] = {id, 0, 4}, [X86_REG_##R##W] = {id, 0, 2}, \
	[X86_REG_##R##B] = {id, 0, 1}

/* Names in capstone's order of its register families, which are contiguous where a loop is used. */
static const struct insn_reg registers[X86_REG_ENDING] = {
	GPR(A, X86_RAX), GPR(B, X86_RBX), GPR(C, X86_RCX), GPR(D, X86_RDX),
	PTR(SP, X86_RSP), PTR(BP, X86_RBP), PTR(SI, X86_RSI), PTR(DI, X86_RDI),
	NUM(R8, X86_R8), NUM(R9, X86_R9), NUM(R10, X86_R10), NUM(R11, X86_R11),
	NUM(R12, X86_R12), NUM(R13, X86_R13), NUM(R14, X86_R14), NUM(R15, X86_R15),
	[X86_REG_RIP] = {X86_RIP, 0, 8}, [X86_REG_EIP] = {X86_RIP, 0, 4}, [X86_REG_IP] = {X86_RIP, 0, 2},
	[X86_REG_EFLAGS] = {X86_FLAGS, 0, 8}, [X86_REG_FPSW] = {X86_FPSW, 0, 2},
	[X86_REG_ES] = {X86_ES, 0, 2}, [X86_REG_CS] = {X86_CS, 0, 2}, [X86_REG_SS] = {X86_SS, 0, 2},
	[X86_REG_DS] = {X86_DS, 0, 2}, [X86_REG_FS] = {X86_FS, 0, 2}, [X86_REG_GS] = {X86_GS, 0, 2},
};
/* clang-format on */

static struct insn_reg reg_of(unsigned r)
{
	static const struct {
		unsigned first, n;
		struct insn_reg reg;
	} runs[] = {
		{X86_REG_XMM0, 32, {X86_V0, 0, 16}},
		{X86_REG_YMM0, 32, {X86_V0, 0, 32}},
		{X86_REG_ZMM0, 32, {X86_V0, 0, 64}},
		{X86_REG_ST0, 8, {X86_ST0, 0, 10}},
		{X86_REG_FP0, 8, {X86_ST0, 0, 10}},
		{X86_REG_MM0, 8, {X86_MM0, 0, 8}},
		{X86_REG_K0, 8, {X86_K0, 0, 8}},
		{X86_REG_CR0, 16, {X86_CR0, 0, 8}},
		{X86_REG_DR0, 16, {X86_DR0, 0, 8}},
	};

	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		if (r >= runs[i].first && r < runs[i].first + runs[i].n) {
			struct insn_reg g = runs[i].reg;

			g.id = (uint8_t)(g.id + (r - runs[i].first));
			return g;
		}
	}
	if (r < X86_REG_ENDING && registers[r].size)
		return registers[r];
	return (struct insn_reg){X86_NOREG, 0, 0};
}

static void reads(struct insn *i, uint8_t id, uint8_t size)
{
	for (unsigned k = 0; k < i->nreads; k++) {
		if (i->reads[k].id == id) {
			i->reads[k].size = MAX(i->reads[k].size, size);
			return;
		}
	}
	if (i->nreads < INSN_MAX_IMPLICIT)
		i->reads[i->nreads++] = (struct insn_reg){id, 0, size};
}

static void writes(struct insn *i, uint8_t id, uint8_t size)
{
	for (unsigned k = 0; k < i->nwrites; k++) {
		if (i->writes[k].id == id) {
			i->writes[k].size = MAX(i->writes[k].size, size);
			return;
		}
	}
	if (i->nwrites < INSN_MAX_IMPLICIT)
		i->writes[i->nwrites++] = (struct insn_reg){id, 0, size};
}

/* Capstone names esp and edi where the 64-bit register is used. */
static uint8_t implicit_size(const struct insn_capstone *c, struct insn_reg r)
{
	return !c->is32 && (r.id == X86_RSP || r.id == X86_RSI || r.id == X86_RDI) ? 8 : r.size;
}

static void implicit(const struct insn_capstone *c, struct insn *o)
{
	const cs_detail *d = c->in->detail;

	for (unsigned k = 0; k < d->regs_read_count; k++) {
		struct insn_reg r = reg_of(d->regs_read[k]);

		if (r.id != X86_NOREG && r.id != X86_RIP)
			reads(o, r.id, implicit_size(c, r));
	}
	for (unsigned k = 0; k < d->regs_write_count; k++) {
		struct insn_reg r = reg_of(d->regs_write[k]);

		if (r.id != X86_NOREG && r.id != X86_RIP)
			writes(o, r.id, implicit_size(c, r));
	}
}

static bool in_one_byte_map(const struct x86_fields *f)
{
	return f->map == X86_MAP_1 && f->coding == X86_LEGACY;
}

static bool in_0f_map(const struct x86_fields *f)
{
	return f->map == X86_MAP_0F && f->coding == X86_LEGACY;
}

static enum insn_flow flow_of(const struct insn *i, const struct x86_fields *f)
{
	switch (i->mn) {
	case X86_CALL:
	case X86_LCALL: return INSN_CALL;
	case X86_JMP:
	case X86_LJMP: return INSN_JUMP;
	case X86_RET:
	case X86_RETF:
	case X86_RETFQ:
	case X86_IRET:
	case X86_IRETD:
	case X86_IRETQ:
	case X86_SYSRET:
	case X86_SYSEXIT: return INSN_RET;
	case X86_HLT:
	case X86_UD0:
	case X86_UD2:
	case X86_UD2B: return INSN_STOP;
	case X86_INT:
	case X86_INT1:
	case X86_INT3:
	case X86_SYSCALL:
	case X86_SYSENTER: return INSN_TRAP;
	case X86_XBEGIN: return INSN_COND;
	default: break;
	}
	if (in_one_byte_map(f) && ((f->opcode >> 4) == 7 || (f->opcode & 0xfc) == 0xe0))
		return INSN_COND; /* jcc, loop, jrcxz */
	if (in_0f_map(f) && (f->opcode >> 4) == 8)
		return INSN_COND;
	return INSN_FALL;
}

static uint8_t condition(const struct x86_fields *f)
{
	unsigned row = f->opcode >> 4;

	if (in_one_byte_map(f) && row == 7)
		return f->opcode & 15;
	if (in_0f_map(f) && (row == 4 || row == 8 || row == 9))
		return f->opcode & 15;
	return X86_CC_NONE;
}

/* Capstone writes the prefixes into the mnemonic: takes them off into i->prefix. */
static const char *strip_prefixes(struct insn *i, const char *m)
{
	static const struct {
		const char *word;
		uint8_t bits;
	} words[] = {
		{"rep ", INSN_REP},
		{"repe ", INSN_REP},
		{"repz ", INSN_REP},
		{"repne ", INSN_REPNE},
		{"repnz ", INSN_REPNE},
		{"lock ", INSN_LOCK},
		{"bnd ", INSN_BND},
		{"notrack ", INSN_NOTRACK},
		{"xacquire ", INSN_REPNE},
		{"xrelease ", INSN_REP},
	};

	for (size_t k = 0; k < COUNT_OF(words); k++) {
		size_t n = strlen(words[k].word);

		if (!strncmp(m, words[k].word, n)) {
			i->prefix |= words[k].bits;
			m += n;
			k = (size_t)-1; /* from the start again */
		}
	}
	return m;
}

static void operand(struct insn_op *o, const cs_x86_op *c, const cs_x86 *x)
{
	struct insn_reg base = reg_of(c->mem.base), index = reg_of(c->mem.index);

	*o = (struct insn_op){.size = c->size, .access = c->access & (INSN_READ | INSN_WRITE)};
	switch (c->type) {
	case X86_OP_REG:
		o->kind = INSN_OP_REG;
		o->reg = reg_of(c->reg);
		break;
	case X86_OP_IMM:
		o->kind = INSN_OP_IMM;
		o->access = INSN_READ;
		o->imm = c->imm;
		break;
	case X86_OP_MEM:
		o->kind = INSN_OP_MEM;
		o->mem.base = c->mem.base ? base.id : X86_NOREG;
		o->mem.index = c->mem.index ? index.id : X86_NOREG;
		o->mem.scale = (uint8_t)c->mem.scale;
		o->mem.seg = c->mem.segment ? reg_of(c->mem.segment).id : X86_NOREG;
		o->mem.addr_size = x->addr_size;
		o->mem.index_size = index.id >= X86_V0 && c->mem.index ? index.size : x->addr_size;
		o->mem.disp = c->mem.disp;
		break;
	default: break;
	}
}

static void operands(struct insn_capstone *c, struct insn *o)
{
	const cs_x86 *x = &c->in->detail->x86;

	for (unsigned k = 0; k < x->op_count && o->nops < INSN_MAX_OPS; k++)
		operand(&o->op[o->nops++], &x->operands[k], x);
}

/*
 * Branch targets relative to the next instruction, so that nothing depends on the address. From the
 * bytes: capstone cuts the target to 16 bits where there is an operand-size prefix.
 */
static void relative(struct insn *o, const struct x86_fields *f, const uint8_t *p)
{
	bool branch = o->flow == INSN_JUMP || o->flow == INSN_COND || o->flow == INSN_CALL;
	const uint8_t *q = p + f->len - f->imm_len;
	struct insn_op *r = &o->op[0];

	if (!branch || o->nops != 1 || r->kind != INSN_OP_IMM)
		return;
	r->kind = INSN_OP_REL;
	switch (f->imm_len) {
	case 1: r->imm = (int8_t)q[0]; break;
	case 2: r->imm = (int16_t)(q[0] | q[1] << 8); break;
	case 4: r->imm = (int32_t)(q[0] | q[1] << 8 | q[2] << 16 | (uint32_t)q[3] << 24); break;
	default: r->imm -= o->len; break;
	}
}

/* SSE and AVX stores, by their opcode in the 0F map: capstone takes most for loads. */
static bool is_vector_store(const struct x86_fields *f)
{
	if (f->map != X86_MAP_0F)
		return false;
	switch (f->opcode) {
	case 0x11:
	case 0x13:
	case 0x17:
	case 0x29:
	case 0x2b:
	case 0x7f:
	case 0xd6:
	case 0xe7: return true;
	case 0x7e: return f->pp != 2;              /* movd, movq; with F3 a load */
	case 0xc3: return f->coding == X86_LEGACY; /* movnti */
	default: return false;
	}
}

static void mend_x87(struct insn *o)
{
	/* one chain through the stack: names like st(1) are relative to its top */
	reads(o, X86_FPSW, 2);
	writes(o, X86_FPSW, 2);
	reads(o, X86_ST0, 10);
	writes(o, X86_ST0, 10);
}

static void set_access(struct insn *o, unsigned k, uint8_t access)
{
	if (k < o->nops)
		o->op[k].access = access;
}

/* What capstone 4.0.2 says wrongly or not at all of reads and writes. */
static void mend(struct insn *o, const struct x86_fields *f)
{
	const uint8_t rw = INSN_READ | INSN_WRITE;

	switch (o->mn) {
	case X86_CMPXCHG:
		set_access(o, 0, rw);
		if (o->nops == 2) {
			reads(o, X86_RAX, o->op[1].size);
			writes(o, X86_RAX, o->op[1].size);
		}
		writes(o, X86_FLAGS, 8);
		break;
	case X86_CMPXCHG8B:
	case X86_CMPXCHG16B:
		set_access(o, 0, rw);
		writes(o, X86_FLAGS, 8);
		break;
	case X86_XADD:
		set_access(o, 0, rw);
		set_access(o, 1, rw);
		writes(o, X86_FLAGS, 8);
		break;
	case X86_LAR:
	case X86_LSL:
	case X86_VERR:
	case X86_VERW: writes(o, X86_FLAGS, 8); break;
	case X86_TEST:
		set_access(o, 0, INSN_READ);
		set_access(o, 1, INSN_READ);
		break;
	case X86_ADC:
	case X86_SBB:
	case X86_RCL:
	case X86_RCR:
	case X86_CMC:
	case X86_LAHF:
	case X86_SALC: reads(o, X86_FLAGS, 8); break;
	case X86_XLATB:
		reads(o, X86_RAX, 1);
		reads(o, X86_RBX, 8);
		writes(o, X86_RAX, 1);
		break;
	case X86_SYSCALL:
		reads(o, X86_RAX, 8);
		writes(o, X86_RAX, 8);
		writes(o, X86_RCX, 8);
		writes(o, X86_R11, 8);
		break;
	case X86_PUSH: set_access(o, 0, INSN_READ); break;
	case X86_POP: set_access(o, 0, INSN_WRITE); break;
	case X86_ENTER:
		reads(o, X86_RSP, 8);
		reads(o, X86_RBP, 8);
		writes(o, X86_RSP, 8);
		writes(o, X86_RBP, 8);
		break;
	case X86_LEA: set_access(o, 1, 0); break;
	case X86_MOVSXD: /* without REX.W a plain move of 32 or 16 bits, says the processor */
		if (in_one_byte_map(f) && !(f->rex & 8) && o->nops == 2) {
			uint8_t size = f->prefix & X86_P66 ? 2 : 4;

			o->op[0].size = o->op[0].reg.size = size;
			o->op[1].size = size;
			if (o->op[1].kind == INSN_OP_REG)
				o->op[1].reg.size = size;
		}
		break;
	case X86_NOP: /* its operand is not touched */
		set_access(o, 0, 0);
		set_access(o, 1, 0);
		break;
	case X86_FSTP:
	case X86_FSTPNCE:
		if (o->nops == 3) { /* undocumented forms: st(0) comes twice, the target between */
			o->op[0] = o->op[1];
			o->op[1] = o->op[2];
			o->op[2] = (struct insn_op){0};
			o->nops = 2;
			set_access(o, 0, INSN_WRITE);
		}
		break;
	case X86_INSB:
	case X86_INSW:
	case X86_INSD: set_access(o, 0, INSN_WRITE); break;
	default: break;
	}
	if (o->cc != X86_CC_NONE)
		reads(o, X86_FLAGS, 8);
	if (in_one_byte_map(f) && f->opcode >= 0xd8 && f->opcode <= 0xdf)
		mend_x87(o);
	if (is_vector_store(f) && o->nops >= 2 && o->op[0].kind == INSN_OP_MEM)
		set_access(o, 0, INSN_WRITE);
	for (unsigned k = 0; k < o->nops; k++) {
		struct insn_op *p = &o->op[k];

		/* AVX-512 and system instructions: destination first */
		if (!p->access && o->mn != X86_LEA && o->mn != X86_NOP)
			p->access = k == 0 && o->nops > 1 ? INSN_WRITE : INSN_READ;
		if (p->kind == INSN_OP_REG && p->reg.id >= X86_K0 && p->reg.id < X86_K0 + 8)
			p->size = 8;
	}
}

static uint8_t predicate(const struct insn *o, const struct x86_fields *f, const uint8_t *p)
{
	bool compare = f->map == X86_MAP_0F && f->opcode == 0xc2 && f->imm_len == 1;

	return compare && o->nops < 4 && o->op[o->nops - 1].kind != INSN_OP_IMM
		       ? p[f->len - 1] & (f->coding == X86_LEGACY ? 7 : 31)
		       : 255;
}

/* The number and the lasting text of a mnemonic. */
static void mnemonic(struct insn_capstone *c, struct insn *o, const char *text)
{
	bool made;
	struct map_entry *e = map_put(&c->mnemonics, text, strlen(text), &made);
	const char *base = cs_insn_name(c->handle, c->in->id);

	if (!e->value && base) {
		/* cmpeqps and the like: the family's number */
		const struct map_entry *b = map_get(&c->mnemonics, base, strlen(base));

		o->mn = b ? (uint16_t)b->value : X86_NONE;
	} else {
		o->mn = (uint16_t)e->value;
	}
	o->mnemonic = e->value ? x86_mnemonics_text(o->mn) : e->key;
}

int insn_capstone_decode(struct insn_capstone *c, const uint8_t *p, size_t n,
	const struct x86_fields *f, struct insn *out)
{
	static const struct x86_fields unknown;
	const uint8_t *code = p;
	uint64_t addr = 0;
	size_t left = MIN(n, INSN_MAX_LEN);

	if (!cs_disasm_iter(c->handle, &code, &left, &addr, c->in))
		return 0;
	if (!f || f->len != c->in->size)
		f = &unknown;
	memset(out, 0, sizeof(*out));
	out->len = (uint8_t)c->in->size;
	mnemonic(c, out, strip_prefixes(out, c->in->mnemonic));
	out->flow = flow_of(out, f);
	out->cc = condition(f);
	implicit(c, out);
	operands(c, out);
	if (f->seg == 0x3e && (out->flow == INSN_JUMP || out->flow == INSN_CALL) && f->has_modrm)
		out->prefix |= INSN_NOTRACK;
	relative(out, f, p);
	mend(out, f);
	out->pred = predicate(out, f, p);
	return 1;
}

/*
 * capstone 4 sorts its table of implied registers (the eax of `and eax, imm32`) in place when it
 * is first asked for one, without a lock: a second thread then loses operands. Done here once,
 * where there is only one thread yet.
 */
static void warm_up(const struct insn_capstone *c)
{
	static const uint8_t and_eax[] = {0x25, 1, 0, 0, 0};
	const uint8_t *code = and_eax;
	size_t left = sizeof(and_eax);
	uint64_t addr = 0;

	(void)cs_disasm_iter(c->handle, &code, &left, &addr, c->in);
}

struct insn_capstone *insn_capstone_open(enum arch a)
{
	struct insn_capstone *c = mem_zalloc(1, sizeof(*c));

	c->is32 = !arch_info(a)->is64;
	if (cs_open(CS_ARCH_X86, c->is32 ? CS_MODE_32 : CS_MODE_64, &c->handle) != CS_ERR_OK) {
		mem_free(c);
		return NULL;
	}
	cs_option(c->handle, CS_OPT_DETAIL, CS_OPT_ON);
	c->in = cs_malloc(c->handle);
	warm_up(c);
	for (unsigned k = 1; k < X86_MN_COUNT; k++) {
		const char *text = x86_mnemonics_text(k);

		map_put(&c->mnemonics, text, strlen(text), NULL)->value = k;
	}
	return c;
}

void insn_capstone_close(struct insn_capstone *c)
{
	if (!c)
		return;
	cs_free(c->in, 1);
	cs_close(&c->handle);
	map_free(&c->mnemonics);
	mem_free(c);
}
