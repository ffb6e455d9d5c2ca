/* source.c: see source.h. */
#include "formats/source.h"

#include "formats/field_table.h"
#include "formats/origin.h"

static const struct field table[] = {
	F(struct source, name, FIELD_TEXT, OPT, "linkage name"),
	F(struct source, file, FIELD_TEXT, OPT, "file that declares the function"),
	F(struct source, line, FIELD_U64, OPT, "line of the declaration"),
	F(struct source, unit, FIELD_TEXT, OPT, "file that was compiled"),
	F(struct source, language, FIELD_TEXT, OPT, "C11 and the like"),
	F(struct source, producer, FIELD_TEXT, OPT, "DW_AT_producer: compiler and its options"),
	F(struct source, files, FIELD_TEXTS, OPT, "files of the lines"),
	F(struct source, bfile, FIELD_U32S, OPT, "of each block: 0, or 1 + index into files"),
	F(struct source, bline, FIELD_U32S, OPT, "of each block: line, 0 if it is not known"),
	F(struct source, binline, FIELD_U32S, OPT, "of each block: 0, or 1 + index into inlined"),
	F(struct source, inlined, FIELD_TEXTS, OPT, "linkage names of functions inlined"),
};
const struct fields source_fields = FIELDS("source", struct source, table);

/* A column of a value for each block below the limit, or none. */
static int check_column(const struct u32s *c, size_t nblocks, size_t limit, struct err *e)
{
	if (c->n && c->n != nblocks)
		return err_set(e, "source: column of %zu values for %zu blocks", c->n, nblocks);
	for (size_t i = 0; i < c->n; i++) {
		if (c->p[i] > limit)
			return err_set(e, "source: %u in a column is out of range", c->p[i]);
	}
	return 0;
}

int source_check(const struct source *s, size_t nblocks, struct err *e)
{
	if (check_column(&s->bfile, nblocks, s->files.n, e) < 0 ||
		check_column(&s->bline, nblocks, UINT32_MAX, e) < 0 ||
		check_column(&s->binline, nblocks, s->inlined.n, e) < 0)
		return -1;
	if (s->bfile.n != s->bline.n)
		return err_set(e, "source: files and lines of blocks differ in number");
	return 0;
}

static struct texts words(struct arena *a, struct rng *rng)
{
	struct texts t = {NULL, rng_below(rng, 3)};

	t.p = arena_get(a, t.n, sizeof(*t.p));
	for (size_t i = 0; i < t.n; i++)
		t.p[i] = origin_sample_word(a, rng);
	return t;
}

static struct u32s column(size_t n, size_t limit, struct arena *a, struct rng *rng)
{
	struct u32s c = {arena_get(a, n, sizeof(*c.p)), n};

	for (size_t i = 0; i < n; i++)
		c.p[i] = (uint32_t)rng_below(rng, limit + 1);
	return c;
}

void source_sample(struct source *s, size_t nblocks, struct arena *a, struct rng *rng)
{
	*s = (struct source){.name = "", .file = "", .unit = "", .language = "", .producer = ""};
	if (rng_below(rng, 2))
		return; /* as most records are */
	s->name = origin_sample_word(a, rng);
	s->file = origin_sample_word(a, rng);
	s->line = rng_below(rng, 5000);
	s->unit = origin_sample_word(a, rng);
	s->language = origin_sample_word(a, rng);
	s->producer = origin_sample_word(a, rng);
	s->files = words(a, rng);
	s->inlined = words(a, rng);
	s->bfile = column(nblocks, s->files.n, a, rng);
	s->bline = column(nblocks, 5000, a, rng);
	s->binline = column(nblocks, s->inlined.n, a, rng);
}
