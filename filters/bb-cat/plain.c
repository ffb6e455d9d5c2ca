/* plain.c: see plain.h. */
#include "plain.h"

#include "code/demangle.h"
#include "formats/embedding.h"
#include "formats/function.h"
#include "formats/match.h"
#include "formats/prediction.h"
#include "formats/sequence.h"
#include "formats/tokens.h"

static void one(const char **name, struct arena *a)
{
	*name = demangle_name(a, *name);
}

static void all(struct texts *t, struct arena *a)
{
	for (size_t i = 0; i < t->n; i++)
		one(&t->p[i], a);
}

void plain_names(const struct kind *k, void *rec, struct arena *a)
{
	if (k == &function_kind) {
		struct function *f = rec;

		one(&f->name, a);
		one(&f->thunk, a);
		one(&f->source.name, a);
		all(&f->source.inlined, a);
		all(&f->refs.names, a);
	} else if (k == &sequence_kind) {
		struct sequence *s = rec;

		one(&s->origin.name, a);
		all(&s->refs.names, a);
	} else if (k == &tokens_kind) {
		one(&((struct tokens *)rec)->origin.name, a);
	} else if (k == &embedding_kind) {
		one(&((struct embedding *)rec)->origin.name, a);
	} else if (k == &prediction_kind) {
		one(&((struct prediction *)rec)->origin.name, a);
	} else if (k == &match_kind) {
		struct match *m = rec;
		struct hit *h = m->hits.p;

		one(&m->origin.name, a);
		for (size_t i = 0; i < m->hits.n; i++)
			one(&h[i].origin.name, a);
	}
}
