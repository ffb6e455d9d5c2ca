/*
 * archive.c: see archive.h. A member is a header of 60 bytes of text and its content, padded to an
 * even length; the walk only goes forward, so it ends. In a thin archive only the tables of symbols
 * and of names have content.
 */
#include "code/archive.h"

#include <ar.h>
#include <endian.h>
#include <string.h>

#include "base/buf.h"

enum { NAME_MOST = 255 }; /* longer names are cut: many members may share one */

static const char thin_magic[] = "!<thin>\n";

static bool is_thin(const uint8_t *p, size_t n)
{
	return n >= SARMAG && !memcmp(p, thin_magic, SARMAG);
}

bool archive_is(const uint8_t *p, size_t n)
{
	return n >= SARMAG && (!memcmp(p, ARMAG, SARMAG) || is_thin(p, n));
}

struct archive archive_open(const uint8_t *p, size_t n, struct arena *a)
{
	return (struct archive){.p = p, .n = n, .thin = is_thin(p, n), .at = SARMAG, .arena = a};
}

/* A decimal number of a header field, or -1. */
static int64_t number(const char *s, size_t n)
{
	int64_t v = 0;
	size_t i = 0;

	for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
		v = 10 * v + (s[i] - '0');
	if (!i)
		return -1;
	for (; i < n; i++) {
		if (s[i] != ' ')
			return -1;
	}
	return v;
}

static bool is_called(const struct ar_hdr *h, const char *name)
{
	size_t n = strlen(name);

	return !memcmp(h->ar_name, name, n) && (n == sizeof(h->ar_name) || h->ar_name[n] == ' ');
}

/* The name of the member: short, in GNU's table, or before BSD's content. */
static const char *name_of(struct archive *a, const struct ar_hdr *h, struct archive_member *m)
{
	const char *s = h->ar_name;
	size_t n = sizeof(h->ar_name);
	const char *colon = a->thin ? memchr(s, ':', n) : NULL;
	int64_t at;

	m->nested = s[0] == '/' && colon; /* and its place in that archive */
	if (m->nested)
		n = (size_t)(colon - s);
	if (s[0] == '/' && (at = number(s + 1, n - 1)) >= 0 && (size_t)at < a->nnames) {
		s = a->names + at;
		n = a->nnames - (size_t)at;
		n = MIN(n, (size_t)NAME_MOST + 2);
		for (size_t i = 0; i < n; i++) {
			if (s[i] == '\n' || !s[i])
				n = i;
		}
		n -= n && s[n - 1] == '/';
	} else if (!a->thin && !strncmp(s, "#1/", 3) && (at = number(s + 3, n - 3)) >= 0 &&
		   (size_t)at <= m->n) {
		s = (const char *)m->p;
		n = strnlen(s, (size_t)at);
		m->p += at;
		m->n -= (size_t)at;
	} else {
		while (n && s[n - 1] == ' ')
			n--;
		n -= n && s[n - 1] == '/';
	}
	m->cut = n > NAME_MOST;
	return arena_str(a->arena, s, MIN(n, (size_t)NAME_MOST));
}

int archive_next(struct archive *a, struct archive_member *m, struct err *e)
{
	while (a->at < a->n) {
		const struct ar_hdr *h = (const struct ar_hdr *)(a->p + a->at);
		size_t left = a->n - a->at;
		int64_t size;
		bool inside;

		if (left == 1 && a->p[a->at] == '\n')
			return 0; /* the padding of the last one */
		if (left < sizeof(*h) || memcmp(h->ar_fmag, ARFMAG, 2))
			return err_set(
				e, "is cut short or damaged: no member at offset %zu", a->at);
		size = number(h->ar_size, sizeof(h->ar_size));
		inside = !a->thin || is_called(h, "/") || is_called(h, "//") ||
			 is_called(h, "/SYM64/");
		if (size < 0 || (inside && (uint64_t)size > left - sizeof(*h)))
			return err_set(e,
				"is cut short: the member at offset %zu ends after the end", a->at);
		m->p = inside ? a->p + a->at + sizeof(*h) : NULL;
		m->n = (size_t)size;
		a->at += sizeof(*h) + (inside ? m->n + (m->n & 1) : 0);
		if (is_called(h, "//")) {
			a->names = (const char *)m->p;
			a->nnames = m->n;
			continue;
		}
		if (is_called(h, "/") || is_called(h, "/SYM64/"))
			continue; /* symbols */
		m->name = name_of(a, h, m);
		if (!strncmp(m->name, "__.SYMDEF", 9))
			continue;
		return 1;
	}
	return 0;
}

/* The big-endian number of `width` bytes, 4 or 8, at p. */
static uint64_t index_number(const uint8_t *p, size_t width)
{
	uint32_t v4;
	uint64_t v8;

	if (width == 4) {
		memcpy(&v4, p, 4);
		return be32toh(v4);
	}
	memcpy(&v8, p, 8);
	return be64toh(v8);
}

/* The index is the first member: how many, the place of each one's member, the names. */
void archive_defines(const uint8_t *p, size_t n, struct map *names)
{
	const struct ar_hdr *h = (const struct ar_hdr *)(p + SARMAG);
	const uint8_t *at, *nul;
	size_t width = 4;
	uint64_t count, left;
	int64_t size;

	if (!archive_is(p, n) || n - SARMAG < sizeof(*h))
		return;
	if (is_called(h, "/SYM64/"))
		width = 8;
	else if (!is_called(h, "/"))
		return;
	size = number(h->ar_size, sizeof(h->ar_size));
	left = n - SARMAG - sizeof(*h);
	if (size < (int64_t)width || (uint64_t)size > left)
		return;
	at = (const uint8_t *)(h + 1);
	left = (uint64_t)size - width;
	count = index_number(at, width);
	if (count > left / width)
		return;
	at += width * (1 + count);
	left -= width * count;
	for (; count && (nul = memchr(at, 0, left)); count--) {
		map_put(names, at, (size_t)(nul - at), NULL);
		left -= (size_t)(nul + 1 - at);
		at = nul + 1;
	}
}
