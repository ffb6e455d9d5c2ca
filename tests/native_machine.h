/*
 * native_machine.h: a processor state to run generated instructions on, for tests/unit/native.c.
 *
 * One area of memory below 2^31 holds a page of code (the stub that loads the state, the
 * instructions, the stub that stores it), the states, and memory for operands. Faults come back as
 * the number of their signal. Only instructions that the test itself made are ever put there.
 */
#ifndef NATIVE_MACHINE_H
#define NATIVE_MACHINE_H

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rng.h"

enum {
	PAGE = 4096,
	WINDOW = 1024,   /* bytes of memory that are compared, in the middle of two pages */
	INSN_END = 2048, /* where in the code page the instruction ends */
	VECTORS = 32,    /* 16 without AVX-512 */
	VECTOR_WORDS = 8,
	MASKS = 8, /* none without AVX-512 */
};

/* What the stub loads and stores. */
struct machine {
	uint8_t fx[512]; /* fxsave image: the x87 stack from byte 32 on, 16 bytes for each register
			  */
	uint64_t gpr[16];
	uint64_t flags, unused;
	uint64_t vec[VECTORS][VECTOR_WORDS];
	uint64_t mask[MASKS];
};

/* The second page of the area: addressed from the code page by rip. */
struct data {
	struct machine in, out;
	uint64_t stack, taken;
};

static struct area {
	uint8_t code[PAGE];
	struct data data;
	uint8_t pad[PAGE - sizeof(struct data) % PAGE];
	uint8_t memory[2 * PAGE];
} * area;

static bool has_avx, has_avx512;
static sigjmp_buf fault_env;
static volatile sig_atomic_t running; /* is it the instruction that faults? */

static uint8_t *window(void)
{
	return area->memory + PAGE - WINDOW / 2;
}

/* ---- the stub ---- */

struct emitter {
	uint8_t *p;
};

static void bytes(struct emitter *e, const char *hex)
{
	for (unsigned v; sscanf(hex, "%2x", &v) == 1; hex += hex[2] ? 3 : 2)
		*e->p++ = (uint8_t)v;
}

/* The 32-bit distance from behind the field (and n more bytes) to the address. */
static void rel(struct emitter *e, const void *to, int n)
{
	int32_t d = (int32_t)((const uint8_t *)to - (e->p + 4 + n));

	memcpy(e->p, &d, 4);
	e->p += 4;
}

/* mov between register r and memory: opcode 8b loads, 89 stores. */
static void move(struct emitter *e, unsigned opcode, unsigned r, const void *at)
{
	*e->p++ = (uint8_t)(0x48 | (r >> 3) << 2);
	*e->p++ = (uint8_t)opcode;
	*e->p++ = (uint8_t)(5 | (r & 7) << 3);
	rel(e, at, 0);
}

/* A move between vector register r, as wide as it is, and memory: opcode 6f loads, 7f stores. */
static void move_vec(struct emitter *e, unsigned opcode, unsigned r, const void *at)
{
	if (has_avx512) { /* vmovdqu64 */
		*e->p++ = 0x62;
		*e->p++ = (uint8_t)(0x61 | (~r & 8) << 4 | (~r & 16));
		bytes(e, "fe 48");
	} else if (has_avx) { /* vmovdqu */
		*e->p++ = 0xc5;
		*e->p++ = (uint8_t)((r < 8 ? 0x80 : 0) | 0x7e); /* 256 bits, prefix f3 */
	} else {                                                /* movdqu */
		*e->p++ = 0xf3;
		*e->p++ = (uint8_t)(0x40 | (r >> 3) << 2);
		*e->p++ = 0x0f;
	}
	*e->p++ = (uint8_t)opcode;
	*e->p++ = (uint8_t)(5 | (r & 7) << 3);
	rel(e, at, 0);
}

/* kmovq between mask register r and memory: opcode 90 loads, 91 stores. */
static void move_mask(struct emitter *e, unsigned opcode, unsigned r, const void *at)
{
	bytes(e, "c4 e1 f8");
	*e->p++ = (uint8_t)opcode;
	*e->p++ = (uint8_t)(5 | r << 3);
	rel(e, at, 0);
}

/* Words of a vector register that can be seen. */
static unsigned vector_words(void)
{
	return has_avx512 ? 8 : has_avx ? 4 : 2;
}

static void jump(struct emitter *e, const void *to)
{
	*e->p++ = 0xe9;
	rel(e, to, 0);
}

/* Everything but the instruction, which ends at INSN_END. */
static void make_stub(void)
{
	struct emitter e = {area->code};
	struct data *d = &area->data;
	uint8_t *taken, *done;

	bytes(&e, "53 55 41 54 41 55 41 56 41 57"); /* push rbx, rbp, r12 to r15 */
	move(&e, 0x89, 4, &d->stack);
	bytes(&e, "48 0f ae 0d"); /* fxrstor64 */
	rel(&e, d->in.fx, 0);
	for (unsigned i = 0; i < VECTORS; i++)
		move_vec(&e, 0x6f, i, d->in.vec[i]);
	for (unsigned i = 0; has_avx512 && i < MASKS; i++)
		move_mask(&e, 0x90, i, &d->in.mask[i]);
	bytes(&e, "ff 35"); /* push [flags] */
	rel(&e, &d->in.flags, 0);
	bytes(&e, "9d"); /* popfq */
	for (unsigned i = 0; i < 16; i++)
		move(&e, 0x8b, i, &d->in.gpr[i]);
	memset(e.p, 0x90, (size_t)(area->code + INSN_END - e.p));

	e.p = area->code + INSN_END + 10;
	taken = e.p;
	bytes(&e, "48 c7 05"); /* mov qword [taken], 1 */
	rel(&e, &d->taken, 4);
	bytes(&e, "01 00 00 00");
	done = e.p;
	for (unsigned i = 0; i < 16; i++)
		move(&e, 0x89, i, &d->out.gpr[i]);
	move(&e, 0x8b, 4, &d->stack);
	bytes(&e, "9c 8f 05"); /* pushfq; pop [flags] */
	rel(&e, &d->out.flags, 0);
	bytes(&e, "fc"); /* cld */
	for (unsigned i = 0; i < VECTORS; i++)
		move_vec(&e, 0x7f, i, d->out.vec[i]);
	for (unsigned i = 0; has_avx512 && i < MASKS; i++)
		move_mask(&e, 0x91, i, &d->out.mask[i]);
	bytes(&e, "48 0f ae 05"); /* fxsave64 */
	rel(&e, d->out.fx, 0);
	if (has_avx)
		bytes(&e, "c5 f8 77"); /* vzeroupper */
	bytes(&e, "41 5f 41 5e 41 5d 41 5c 5d 5b c3");
	/* A branch has a displacement of 5: it skips the first of these jumps. */
	e.p = area->code + INSN_END;
	jump(&e, done);
	jump(&e, taken);
}

static void on_fault(int sig)
{
	if (!running) {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	siglongjmp(fault_env, sig);
}

/* Runs the instruction in place: 0, or the signal it raised. */
static int run_native(void)
{
	int sig = sigsetjmp(fault_env, 0);

	if (!sig) {
		running = 1;
		area->data.taken = 0;
		((void (*)(void))(void *)area->code)();
	} else {
		__asm__ volatile("cld");
	}
	running = 0;
	return sig;
}

static void catch_faults(void)
{
	static uint8_t stack[64 << 10];
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
	const int sigs[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP};

	sigaltstack(&alt, NULL);
	for (size_t i = 0; i < COUNT_OF(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
}

/* ---- states ---- */

static unsigned pick(struct rng *r, unsigned n)
{
	return (unsigned)rng_below(r, n);
}

static uint64_t corner(struct rng *r)
{
	static const uint64_t v[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xffffffffffffffff, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
		0x7ff8000000000000, 0xfff0000000000001, 0x3f8000003f800000, 0x7f800000ff800000,
		0x7fc000017f800001, 0x41f0000000000000, 0xc1e0000000000000, 0x43e0000000000000,
		0x4f000000cf000000, 0x0000000100000001, 0x4059000042c80000};

	switch (pick(r, 6)) {
	case 0: return v[pick(r, COUNT_OF(v))];
	case 1: return v[pick(r, COUNT_OF(v))] + pick(r, 5) - 2;
	case 2: return rng_u64(r) >> pick(r, 64);
	case 3: return pick(r, 70);
	default: return rng_u64(r);
	}
}

/* Another state: new registers, and new values here and there in vectors, stack and memory. */
static void random_state(struct machine *m, struct rng *r)
{
	for (unsigned i = 0; i < 16; i++)
		m->gpr[i] = i && !pick(r, 8) ? m->gpr[pick(r, i)] : corner(r);
	m->flags = 2 | (rng_u32(r) & 0x8d5);
	for (unsigned i = 0; i < VECTORS * VECTOR_WORDS / 4; i++) {
		unsigned k = pick(r, VECTOR_WORDS), to = pick(r, VECTORS);

		m->vec[to][k] = pick(r, 4) ? corner(r) : m->vec[pick(r, VECTORS)][k];
	}
	for (unsigned i = 0; i < MASKS; i++)
		m->mask[i] = pick(r, 4) ? rng_u64(r) : corner(r);
	memcpy(m->fx, (const uint8_t[]){0x7f, 3, 0, 0, 0x7f}, 5); /* masked; st(7) is empty */
	memcpy(m->fx + 24, (const uint8_t[]){0x80, 0x1f}, 2);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t v[2] = {corner(r), rng_u32(r) & 0xffff};

		memcpy(m->fx + 32 + 16 * pick(r, 8), v, 10);
	}
	for (unsigned i = 0; i < WINDOW / 8 / 8; i++) {
		uint64_t v = corner(r);

		memcpy(window() + 8 * pick(r, WINDOW / 8), &v, 8);
	}
}

#endif
