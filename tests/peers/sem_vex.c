/*
 * sem_vex.c: see sem_vex.h. Needs Debian's package valgrind for libvex and its headers.
 *
 * VEX's code expects the guest state in rbp. It leaves with the address of the next instruction
 * stored, by a call of chain or a jump to xindir, or to xassisted when something is left to do for
 * whoever runs the guest (a system call, a trap, bytes that are no instruction), which counts as
 * not known here.
 */
#include "tests/peers/sem_vex.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <valgrind/libvex.h>
#include <valgrind/libvex_guest_amd64.h>

enum { HOST_CODE = 1 << 16, PAD = 64, STACK = 1 << 16 };

static uint8_t *host;    /* what VEX made */
static sigjmp_buf fault; /* VEX gave up, or its code faulted */

/* Runs code on the guest state at gst: 1 when it came to its end, 0 when it asks for help. */
uint64_t sem_vex_enter(void *gst, const void *code);
extern char sem_vex_xindir[], sem_vex_xassisted[], sem_vex_chain[];
__asm__(".text\n"
	".globl sem_vex_enter\n"
	"sem_vex_enter:\n"
	"	pushq %rbx\n	pushq %rbp\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	"
	"pushq %r15\n"
	"	subq $24, %rsp\n"
	"	stmxcsr (%rsp)\n"
	"	movq %rdi, %rbp\n"
	"	jmp *%rsi\n"
	".globl sem_vex_xassisted, sem_vex_chain, sem_vex_xindir\n"
	"sem_vex_xassisted:\n"
	"	xorl %eax, %eax\n"
	"	jmp 1f\n"
	"sem_vex_chain:\n" /* is called, so that whoever runs the guest may replace the call */
	"	addq $8, %rsp\n"
	"sem_vex_xindir:\n"
	"	movl $1, %eax\n"
	"1:	ldmxcsr (%rsp)\n"
	"	cld\n"
	"	addq $24, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbp\n	"
	"popq %rbx\n"
	"	ret\n");

static __attribute__((noreturn)) void give_up(void)
{
	siglongjmp(fault, 1);
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static void no_log(const HChar *text, SizeT n)
{
	(void)text;
	(void)n;
}

static UInt no_check(void *ctx, VexRegisterUpdates *px, const VexGuestExtents *e)
{
	(void)ctx;
	(void)px;
	(void)e;
	return 0;
}

static Bool no_chase(void *ctx, Addr at)
{
	(void)ctx;
	(void)at;
	return False;
}

static unsigned capabilities(void)
{
	return VEX_HWCAPS_AMD64_SSE3 | VEX_HWCAPS_AMD64_SSSE3 | VEX_HWCAPS_AMD64_CX16 |
	       VEX_HWCAPS_AMD64_LZCNT | VEX_HWCAPS_AMD64_AVX | VEX_HWCAPS_AMD64_BMI |
	       VEX_HWCAPS_AMD64_AVX2 | VEX_HWCAPS_AMD64_RDTSCP;
}

int sem_vex_open(void)
{
	static uint8_t stack[STACK];
	struct sigaction on = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
	VexControl control;

	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi"))
		return -1;
	host = mmap(NULL, HOST_CODE, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED)
		return -1;
	sigaltstack(&alternative, NULL);
	sigaction(SIGSEGV, &on, NULL);
	sigaction(SIGBUS, &on, NULL);
	sigaction(SIGFPE, &on, NULL);
	sigaction(SIGILL, &on, NULL);
	LibVEX_default_VexControl(&control);
	control.guest_max_insns = 1;
	control.guest_chase = False;
	control.iropt_unroll_thresh = 0;
	LibVEX_Init(give_up, no_log, 0, &control);
	return 0;
}

/* 0, or -1 when VEX does not know the instruction. */
static int translate(const uint8_t *code, uint64_t pc)
{
	VexTranslateArgs a;
	VexGuestExtents extents;
	Int used = 0;

	memset(&a, 0, sizeof(a));
	a.arch_guest = a.arch_host = VexArchAMD64;
	LibVEX_default_VexArchInfo(&a.archinfo_guest);
	a.archinfo_guest.endness = VexEndnessLE;
	a.archinfo_guest.hwcaps = capabilities();
	a.archinfo_host = a.archinfo_guest;
	LibVEX_default_VexAbiInfo(&a.abiinfo_both);
	a.abiinfo_both.guest_stack_redzone_size = 128;
	a.guest_bytes = code;
	a.guest_bytes_addr = pc;
	a.chase_into_ok = no_chase;
	a.guest_extents = &extents;
	a.host_bytes = host;
	a.host_bytes_size = HOST_CODE;
	a.host_bytes_used = &used;
	a.needs_self_check = no_check;
	a.disp_cp_chain_me_to_slowEP = a.disp_cp_chain_me_to_fastEP = sem_vex_chain;
	a.disp_cp_xindir = sem_vex_xindir;
	a.disp_cp_xassisted = sem_vex_xassisted;
	return LibVEX_Translate(&a).status == VexTransOK ? 0 : -1;
}

static void put_state(VexGuestAMD64State *g, const struct sem_vex_state *s, uint64_t pc)
{
	LibVEX_GuestAMD64_initialise(g);
	g->host_EvC_FAILADDR = (ULong)(uintptr_t)sem_vex_xassisted;
	g->host_EvC_COUNTER = 1000;
	memcpy(&g->guest_RAX, s->gpr, sizeof(s->gpr));
	for (unsigned i = 0; i < 16; i++)
		memcpy((uint8_t *)&g->guest_YMM0 + i * sizeof(g->guest_YMM0), s->vec[i], 32);
	g->guest_CC_OP = 0; /* the flags as they are */
	g->guest_CC_DEP1 = s->flags & 0x8d5;
	g->guest_CC_DEP2 = g->guest_CC_NDEP = 0;
	g->guest_RIP = pc;
}

static void get_state(const VexGuestAMD64State *g, struct sem_vex_state *s)
{
	memcpy(s->gpr, &g->guest_RAX, sizeof(s->gpr));
	for (unsigned i = 0; i < 16; i++)
		memcpy(s->vec[i], (const uint8_t *)&g->guest_YMM0 + i * sizeof(g->guest_YMM0), 32);
	s->flags = LibVEX_GuestAMD64_get_rflags(g);
}

int sem_vex_run(const uint8_t *code, size_t n, uint64_t pc, struct sem_vex_state *s)
{
	static VexGuestAMD64State g;
	static uint8_t padded[PAD];

	if (n > 15)
		return -1;
	memset(padded, 0x90, sizeof(padded)); /* it reads past the end */
	memcpy(padded, code, n);
	if (sigsetjmp(fault, 1))
		return -1;
	if (translate(padded, pc))
		return -1;
	put_state(&g, s, pc);
	if (!sem_vex_enter(&g, host) || g.guest_RIP != pc + n)
		return -1;
	get_state(&g, s);
	return 0;
}
