/*
 * golden.h: cases of code written as text (tests/golden): instructions as hexadecimal bytes, what
 * is expected of them as lines that begin with a mark. Included by test programs.
 *
 *	89 f1	mov ecx, esi
 *	e8 00 00 00 00	call .+5 ;import fprintf
 *	= what is expected
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <stdlib.h>
#include <string.h>

#include "code/insn.h"
#include "formats/refs.h"
#include "tests/unit.h"

enum { GOLDEN_INSNS = 64, GOLDEN_LINES = 64, GOLDEN_TEXT = 512 };

struct golden {
	unsigned line; /* of the file, for messages */
	struct insn insn[GOLDEN_INSNS];
	uint8_t code[GOLDEN_INSNS * INSN_MAX_LEN], len[GOLDEN_INSNS];
	size_t n, ncode;
	struct refs refs;
	uint32_t rinsn[GOLDEN_INSNS], rname[GOLDEN_INSNS];
	uint8_t rkind[GOLDEN_INSNS];
	uint64_t rtarget[GOLDEN_INSNS];
	const char *rnames[GOLDEN_INSNS];
	char names[GOLDEN_INSNS][64];
	char want[GOLDEN_LINES][GOLDEN_TEXT]; /* expected lines, without mark and blank */
	size_t nwant;
};

static inline void golden_ref(struct golden *g, const char *text)
{
	size_t k = g->refs.insn.n++;

	g->refs.kind.n = g->refs.target.n = g->refs.name.n = k + 1;
	g->rinsn[k] = (uint32_t)g->n;
	g->rtarget[k] = 4096;
	if (!strncmp(text, "import ", 7)) {
		g->rkind[k] = REF_IMPORT;
		snprintf(g->names[k], sizeof(g->names[k]), "%s", text + 7);
		g->rnames[g->refs.names.n++] = g->names[k];
		g->rname[k] = (uint32_t)g->refs.names.n;
	} else if (!strncmp(text, "data ", 5)) {
		g->rkind[k] = REF_DATA;
		g->rtarget[k] = strtoull(text + 5, NULL, 0);
	} else if (!strncmp(text, "slot ", 5)) {
		g->rkind[k] = REF_SLOT;
		g->rtarget[k] = strtoull(text + 5, NULL, 0);
	} else {
		CHECK(!strcmp(text, "call"));
		g->rkind[k] = REF_CALL;
	}
}

static inline void golden_insn(struct golden *g, struct insn_decoder *d, const char *text)
{
	const char *ref = strchr(text, ';'), *end = strchr(text, '\t');
	uint8_t *p = g->code + g->ncode;
	size_t n = 0;

	CHECK(g->n < GOLDEN_INSNS && end);
	while (text < end && n < INSN_MAX_LEN) {
		p[n++] = (uint8_t)strtoul(text, (char **)&text, 16);
		text += strspn(text, " ");
	}
	CHECK(insn_decode(d, p, n, &g->insn[g->n]) && g->insn[g->n].len == n);
	if (ref)
		golden_ref(g, ref + 1);
	g->len[g->n++] = (uint8_t)n;
	g->ncode += n;
}

/* Reads the file and calls fn for each case. */
static inline void golden_run(const char *path, char mark, struct insn_decoder *d,
	void (*fn)(void *ctx, const struct golden *g), void *ctx)
{
	FILE *f = fopen(path, "r");
	struct golden *g = calloc(1, sizeof(*g));
	char text[GOLDEN_TEXT];
	unsigned line = 0;
	bool more = f != NULL;

	CHECK(f != NULL);
	while (more) {
		more = fgets(text, sizeof(text), f) != NULL;
		line++;
		text[strcspn(text, "\n")] = '\0';
		if (!more || !*text || *text == '#') {
			if (g->n)
				fn(ctx, g);
			memset(g, 0, sizeof(*g));
			g->refs = (struct refs){.insn.p = g->rinsn,
				.kind.p = g->rkind,
				.target.p = g->rtarget,
				.name.p = g->rname,
				.names.p = g->rnames};
			g->line = line + 1;
		} else if (*text == mark) {
			CHECK(g->nwant < GOLDEN_LINES);
			strcpy(g->want[g->nwant++], text + 2);
		} else {
			golden_insn(g, d, text);
		}
	}
	if (f)
		fclose(f);
	free(g);
}

#endif
