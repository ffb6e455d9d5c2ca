/* processor.c: the table of processors; see processor.h. */
#include "sem/processor.h"

#include "sem/a64.h"
#include "sem/arm.h"
#include "sem/state.h"
#include "sem/x86.h"

/* By their `input`. */
static const struct processor *const rows[] = {
	&x86_processor, &a64_processor, &x86_32_processor, [4] = &arm_processor};

const char *processor_nzcv_name(unsigned f)
{
	static const char *const name[X86_FLAG_COUNT] = {
		[X86_CF] = "c", [X86_ZF] = "z", [X86_SF] = "n", [X86_OF] = "v"};

	return name[f] ? name[f] : "?";
}

const struct processor *processor_get(enum arch a)
{
	switch (a) {
	case ARCH_X86_64: return &x86_processor;
	case ARCH_I386: return &x86_32_processor;
	case ARCH_AARCH64: return &a64_processor;
	case ARCH_THUMB: return &arm_processor;
	default: return NULL;
	}
}

const struct processor *processor_of(unsigned input)
{
	unsigned row = input / PROCESSOR_INPUTS;

	return rows[row < COUNT_OF(rows) && rows[row] ? row : 0];
}

const char *processor_input_name(unsigned n)
{
	const struct processor *c = processor_of(n);
	unsigned r = n - c->input;

	if (r >= STATE_FLAG_INPUT)
		return r < STATE_FLAG_INPUT + X86_FLAG_COUNT ? c->flag_name(r - STATE_FLAG_INPUT)
							     : "?";
	return c->reg_name((struct insn_reg){(uint8_t)r, 0, c->size[r]});
}

unsigned processor_inputs(void)
{
	return COUNT_OF(rows) * PROCESSOR_INPUTS;
}
