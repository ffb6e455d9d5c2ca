/*
 * trace.c: any bytes as code of any processor, run in a straight line. A run is the same when it
 * is done again, with other code in between, and on a machine that has run nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "code/codeseq.h"
#include "code/regs.h"
#include "emu/machine.h"

enum { LONGEST = 4 << 10, ASKED = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void run(struct machine *m, const struct machine_code *c, uint64_t *values)
{
	check(machine_load(m, c) == 0);
	machine_run(m, 1, 1, values);
}

/* The first byte says which processor; each instruction asks for some registers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct machine *used[ARCH_COUNT];
	enum arch a = (enum arch)(1 + (n ? data[0] % (ARCH_COUNT - 1) : 0));
	struct insn_decoder *d = insn_open(a);
	struct machine_code c = {.bytes = data + (n > 0)};
	struct machine *fresh = machine_open(a);
	uint64_t *one, *two;
	struct insn *insn;
	uint32_t *first;
	uint8_t *len, *reg;

	n = MIN(n - (n > 0), (size_t)LONGEST);
	insn = mem_alloc(n + 1, sizeof(*insn));
	len = mem_alloc(n + 1, 1);
	reg = mem_alloc(n + 1, ASKED);
	first = mem_zalloc(n + 1, sizeof(*first));
	one = mem_zalloc(n + 1, ASKED * sizeof(*one));
	two = mem_zalloc(n + 1, ASKED * sizeof(*two));
	for (size_t at = 0; at < n; at += len[c.n++]) {
		struct insn i;

		len[c.n] = insn_decode(d, c.bytes + at, n - at, &i) ? i.len : 1;
	}
	codeseq_decode(d, c.bytes, len, c.n, insn);
	for (size_t i = 0; i < c.n; i++) {
		for (size_t k = 0; k < ASKED; k++)
			reg[i * ASKED + k] = (uint8_t)((i * ASKED + k) % (size_t)regs_count(a));
		first[i + 1] = (uint32_t)((i + 1) * ASKED);
	}
	c.insn = insn;
	c.reg = reg;
	c.first = first;
	if (!used[a])
		used[a] = machine_open(a);
	check(fresh && used[a]);
	run(used[a], &c, one);
	machine_run(used[a], 1, 2, two);
	machine_run(used[a], 1, 1, two);
	check(!memcmp(one, two, c.n * ASKED * sizeof(*one)));
	run(fresh, &c, two);
	check(!memcmp(one, two, c.n * ASKED * sizeof(*one)));
	machine_close(fresh);
	mem_free(insn);
	mem_free(len);
	mem_free(reg);
	mem_free(first);
	mem_free(one);
	mem_free(two);
	insn_close(d);
	return 0;
}
