/* quiz.c: see quiz.h. */
#include "quiz.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

int quiz_decode(struct insn_decoder *d, const struct sequence *s, struct insn **insn, size_t *cap)
{
	const uint8_t *p = s->code.p;

	if (arch_find(s->arch) != ARCH_X86_64)
		return -1;
	*insn = mem_grow(*insn, cap, s->len.n, sizeof(**insn));
	for (size_t i = 0; i < s->len.n; i++) {
		if (!insn_decode(d, p, s->len.p[i], &(*insn)[i]) || (*insn)[i].len != s->len.p[i])
			return -1;
		p += s->len.p[i];
	}
	return 0;
}

struct rng quiz_rng(const struct options *o, const struct sequence *s)
{
	return rng_new(o->seed, hash_64(s->code.p, s->code.n));
}

struct labels quiz_label(
	struct arena *a, const struct labels *l, const char *key, const char *value)
{
	struct labels out = {arena_get(a, l->n + 1, sizeof(*out.p)), 0};
	size_t i = 0;

	for (; i < l->n && strcmp(l->p[i].key, key) < 0; i++)
		out.p[out.n++] = l->p[i];
	out.p[out.n++] =
		(struct label){arena_str(a, key, strlen(key)), arena_str(a, value, strlen(value))};
	if (i < l->n && strcmp(l->p[i].key, key) == 0)
		i++;
	for (; i < l->n; i++)
		out.p[out.n++] = l->p[i];
	return out;
}
