/*
 * bb-quiz.c: makes questions about code whose answers follow from its meaning: the data sets of
 * BinBert's tasks (arXiv 2208.06692, sections 6.1.1, 6.2.3, 6.2.4).
 */
#include <string.h>

#include "quiz.h"

static const char *const kinds[] = {"execute", "recover", "opcode", "operand"};
enum { EXECUTE, RECOVER, OPCODE, OPERAND, KINDS };

int main(int argc, char **argv)
{
	struct options o = {.each = 1, .strands = 5, .sets = 50000};
	const struct opt opts[] = {
		{'k', "kind", OPT_TEXT, OPT_CONTENT, &o.kind_text, "KIND",
			"execute, recover, opcode or operand", 0, 0},
		{'s', "seed", OPT_UINT, OPT_CONTENT, &o.seed, "N",
			"seed of all random choices (default: 0)", 0, 0},
		{0, "each", OPT_UINT, OPT_CONTENT, &o.each, "N",
			"execute, recover: questions for each record (default: 1)", 1, 1000},
		{0, "strands", OPT_UINT, OPT_CONTENT, &o.strands, "N",
			"recover: disjoint strands a block must have (default: 5)", 1, 1000},
		{0, "sets", OPT_UINT, OPT_CONTENT, &o.sets, "N",
			"opcode, operand: sets of five instructions (default: 50000)", 1,
			100000000},
	};
	struct prog p = {
		.name = "bb-quiz",
		.operands = "[FILE...]",
		.brief = "make questions about code, with their answers",
		.detail = "execute  (strands) what does an output hold, given the inputs' values?\n"
			  "recover  (blocks) which instructions are in the marked one's strand?\n"
			  "opcode   which of five instructions has another kind of opcode?\n"
			  "operand  which of five instructions has other operands?",
		.example = "  bb-strands f.bb | bb-uniq | bb-quiz -k execute | bb-tok -m model |\n"
			   "      bb-train --task execute --init model -o calculator\n"
			   "  bb-strands -u block f.bb | bb-quiz -k recover | bb-cat -t | less",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	struct filter f = {.in = &sequence_kind, .out = &sequence_kind};
	unsigned kind = 0;

	prog_start(&p, argc, argv);
	if (!o.kind_text)
		prog_usage(&p, "-k KIND is needed: execute, recover, opcode or operand");
	while (kind < KINDS && strcmp(o.kind_text, kinds[kind]) != 0)
		kind++;
	switch (kind) {
	case EXECUTE:
		f.worker_new = execute_new;
		f.worker_free = execute_free;
		f.work = execute;
		return filter_map(&p, &f, &o);
	case RECOVER:
		f.worker_new = recover_new;
		f.worker_free = recover_free;
		f.work = recover;
		return filter_map(&p, &f, &o);
	case OPCODE:
	case OPERAND: return outlier(&p, &o, kind == OPERAND);
	default: prog_usage(&p, "-k: '%s' is not execute, recover, opcode or operand", o.kind_text);
	}
}
