/*
 * expression.c: any text as an expression. The normalised text is one line, no blank at its ends,
 * and normalising it again changes nothing (but for the blanks that people read, which depend on
 * what is a name, and IMM looks like one).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/normalise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (int style = NORMALISE_WORDS; style <= NORMALISE_PAPER; style++) {
		const struct normalise_opts o = {NORMALISE_THRESHOLD, (enum normalise_style)style};
		struct buf text = {0}, once = {0}, again = {0};

		buf_put(&text, data, n);
		normalise_expr(&once, buf_text(&text), &o);
		normalise_expr(&again, buf_text(&once), &o);
		if (style == NORMALISE_WORDS &&
			(once.n != again.n || (once.n && memcmp(once.p, again.p, once.n))))
			abort();
		for (size_t i = 0; i < once.n; i++)
			if (once.p[i] < ' ' || (once.p[i] == ' ' && (!i || i + 1 == once.n ||
									    once.p[i + 1] == ' ')))
				abort();
		buf_free(&text);
		buf_free(&once);
		buf_free(&again);
	}
	return 0;
}
