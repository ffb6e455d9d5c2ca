/* shape.c: see shape.h. */
#include "text/shape.h"

#include <string.h>

struct word {
	const char *p; /* NULL: there is none */
	size_t n;
};

static struct word word_at(const char *p)
{
	p += strspn(p, " ");
	return (struct word){*p ? p : NULL, strcspn(p, " ")};
}

static struct word after(struct word w)
{
	return w.p ? word_at(w.p + w.n) : w;
}

static bool is(struct word w, const char *text)
{
	return w.p && strlen(text) == w.n && !memcmp(w.p, text, w.n);
}

static bool is_number(struct word w)
{
	return w.p && strspn(w.p + (*w.p == '-'), "0123456789") >= w.n - (*w.p == '-') &&
	       w.n > (size_t)(*w.p == '-');
}

static bool is_large(struct word w)
{
	unsigned long v = 0;

	for (size_t i = *w.p == '-'; i < w.n && v <= SHAPE_NUMBER_MAX; i++)
		v = 10 * v + (unsigned long)(w.p[i] - '0');
	return v > SHAPE_NUMBER_MAX;
}

/* Stack and frame pointers of all processors. */
static bool is_frame(struct word w)
{
	return is(w, "rbp") || is(w, "rsp") || is(w, "ebp") || is(w, "esp") || is(w, "sp") ||
	       is(w, "x29") || is(w, "r7");
}

/* `* ( rbp )` or `* ( rsp add 8 )` from its `*` to its `)`, or no word. */
static struct word slot_at(struct word w)
{
	struct word open = after(w), base = after(open), close = after(base);

	if (is(close, "add") && is_number(after(close)))
		close = after(after(close));
	if (!is(w, "*") || !is(open, "(") || !is_frame(base) || !is(close, ")"))
		return (struct word){NULL, 0};
	return (struct word){w.p, (size_t)(close.p - w.p) + 1};
}

static bool is_name(struct word w)
{
	return w.p && !strchr("(),=*[", *w.p) && !is_number(w);
}

/* Where the expression begins behind the register or slot it is assigned to. */
static struct word behind_place(struct word w)
{
	struct word slot = slot_at(w), place = slot.p ? slot : w, equals = after(place);

	return (slot.p || is_name(w)) && is(equals, "=") ? after(equals) : w;
}

/*
 * `x0 [7:0]`, `x0 [15:0]`: the low part of a register that has no name of its own, as al has. The
 * word with the part, or as it is.
 */
static struct word with_part(struct word w)
{
	struct word part = after(w);

	if (*w.p == 'x' && w.n <= 3 && (is(part, "[7:0]") || is(part, "[15:0]")))
		w.n = (size_t)(part.p - w.p) + part.n;
	return w;
}

struct values {
	struct word of[SHAPE_VALUES];
	size_t n;
};

static void put_value(struct buf *b, struct values *v, struct word w)
{
	size_t i = 0;

	while (i < v->n && (v->of[i].n != w.n || memcmp(v->of[i].p, w.p, w.n) != 0))
		i++;
	if (i == SHAPE_VALUES) {
		buf_put(b, w.p, w.n);
		return;
	}
	if (i == v->n)
		v->of[v->n++] = w;
	buf_printf(b, "v%zu", i);
}

void shape_expr(struct buf *b, const char *expr)
{
	struct values values = {.n = 0};
	bool ended = false; /* the last word ends a value: a name after it is an operator */
	bool first = true;

	for (struct word w = behind_place(word_at(expr)), slot; w.p; w = after(w)) {
		if (!first)
			buf_putc(b, ' ');
		first = false;
		slot = slot_at(w);
		if (slot.p) {
			put_value(b, &values, slot);
			w = slot;
			ended = true;
		} else if (is_number(w)) {
			buf_put(b, is_large(w) ? "IMM" : w.p, is_large(w) ? 3 : w.n);
			ended = true;
		} else if (!is_name(w)) {
			buf_put(b, w.p, w.n);
			ended = *w.p == ')' || *w.p == '[';
		} else if (ended || is(after(w), "(")) { /* an operator, or a function */
			buf_put(b, w.p, w.n);
			ended = false;
		} else {
			w = with_part(w);
			put_value(b, &values, w);
			ended = true;
		}
	}
}
