/* which.c: see which.h. */
#include "which.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "near.h"

static const double CLEAR = 0.7;    /* twice as likely, or half */
static const double NEARER = 0.002; /* a build of the one side than any of the other */
static const double TELLING = 0.3;  /* share of the builds, in that of one side more */

/* The builds of one function. */
struct group {
	uint32_t *fn[2]; /* old, new */
	size_t n[2], cap[2];
	const char *name;
};

struct which {
	struct show *s;
	const struct fns *side[2];
	const struct fns *in;
	struct near *near;
	double least;
	struct group *group;
	size_t groups, cap;

	/* Of the group at hand. */
	uint32_t *count[2]; /* [expressions] how many builds of the side have it; else 0 */
	uint32_t *expr;     /* [nexpr] those that some build has */
	size_t nexpr, expr_cap;

	struct map programs; /* binary id -> its number */
	uint32_t *program;   /* [in->n] */
	uint32_t *best;      /* [programs] function most alike, or PAIR_NONE */
	double *score;       /* [programs] of it */
};

static void put(struct group *g, int side, size_t i)
{
	g->fn[side] = mem_grow(g->fn[side], &g->cap[side], g->n[side] + 1, sizeof(uint32_t));
	g->fn[side][g->n[side]++] = (uint32_t)i;
}

static struct group *new_group(struct which *w, const char *name)
{
	w->group = mem_grow(w->group, &w->cap, w->groups + 1, sizeof(*w->group));
	w->group[w->groups] = (struct group){.name = name};
	return &w->group[w->groups++];
}

/* All functions of one name; of those without, the pairs. */
static void make_groups(struct which *w, const struct pairs *p)
{
	struct map names = {0};

	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < w->side[side]->n; i++) {
			const char *name = w->side[side]->fn[i].origin.name;
			struct map_entry *e;
			bool made;

			if (!*name)
				continue;
			e = map_put(&names, name, strlen(name), &made);
			if (made)
				e->value = (size_t)(new_group(w, name) - w->group);
			put(&w->group[e->value], side, i);
		}
	for (size_t i = 0; i < w->side[0]->n; i++) {
		uint32_t y = p->of_old[i];

		if (y == PAIR_NONE || *w->side[0]->fn[i].origin.name ||
			*w->side[1]->fn[y].origin.name)
			continue;
		new_group(w, "");
		put(&w->group[w->groups - 1], 0, i);
		put(&w->group[w->groups - 1], 1, y);
	}
	map_free(&names);
}

/* Counts in how many builds of the group each expression is. */
static void count_exprs(struct which *w, const struct group *g)
{
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < g->n[side]; i++) {
			const struct fn *f = &w->side[side]->fn[g->fn[side][i]];

			w->expr =
				mem_grow(w->expr, &w->expr_cap, w->nexpr + f->n, sizeof(*w->expr));
			for (size_t k = 0; k < f->n; k++) {
				if (!w->count[0][f->id[k]] && !w->count[1][f->id[k]])
					w->expr[w->nexpr++] = f->id[k];
				w->count[side][f->id[k]]++;
			}
		}
}

static void forget_exprs(struct which *w)
{
	for (size_t i = 0; i < w->nexpr; i++)
		w->count[0][w->expr[i]] = w->count[1][w->expr[i]] = 0;
	w->nexpr = 0;
}

/* log P(it is there, or not | new) / P(the same | old), with half a build added to every count. */
static double tells(const struct which *w, const struct group *g, uint32_t expr, bool is_there)
{
	double p[2];

	for (int side = 0; side < 2; side++) {
		double n = (double)g->n[side], has = w->count[side][expr];

		p[side] = ((is_there ? has : n - has) + 0.5) / (n + 1);
	}
	return log(p[1] / p[0]);
}

/* Whether builds of one side have the expression more often than those of the other. */
static bool is_peculiar(const struct which *w, const struct group *g, uint32_t expr)
{
	return (uint64_t)w->count[0][expr] * g->n[1] != (uint64_t)w->count[1][expr] * g->n[0];
}

/* How many are peculiar to a side; 0 if none is so in enough builds to be more than chance. */
static size_t count_peculiar(const struct which *w, const struct group *g)
{
	bool is_telling = false;
	size_t n = 0;

	for (size_t i = 0; i < w->nexpr; i++) {
		double old = (double)w->count[0][w->expr[i]] / (double)g->n[0];
		double new = (double)w->count[1][w->expr[i]] / (double)g->n[1];

		n += is_peculiar(w, g, w->expr[i]);
		is_telling |= fabs(new - old) >= TELLING;
	}
	return is_telling ? n : 0;
}

/* The function of each program that is most like one of the builds. */
static void find_best(struct which *w, const struct group *g)
{
	for (size_t i = 0; i < w->programs.count; i++)
		w->best[i] = PAIR_NONE;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < g->n[side]; i++) {
			const struct fn *f = &w->side[side]->fn[g->fn[side][i]];
			const struct near_hit *hit;
			size_t n;

			hit = near_find(w->near, f, NULL, w->least, w->in->n, &n);
			for (size_t k = 0; k < n; k++) {
				uint32_t at = w->program[hit[k].fn];

				if (w->best[at] != PAIR_NONE && w->score[at] >= hit[k].score)
					continue;
				w->best[at] = (uint32_t)hit[k].fn;
				w->score[at] = hit[k].score;
			}
		}
}

/* What speaks for which side in a function. */
struct evidence {
	double nearest[2]; /* score of the side's build that is most alike */
	double odds;       /* log of how much likelier it is new than old */
	uint32_t *id[2];   /* [n] expressions it has that the side has more often */
	size_t n[2];
};

static bool has(const struct fn *f, uint32_t expr)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->id[mid] < expr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->n && f->id[low] == expr;
}

/* rank[] is set for the expressions of e. Free e->id[]. */
static void weigh_evidence(const struct which *w, const struct group *g, const struct fn *f,
	struct evidence *e, double *rank)
{
	*e = (struct evidence){
		.id = {mem_alloc(f->n, sizeof(uint32_t)), mem_alloc(f->n, sizeof(uint32_t))}};
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < g->n[side]; i++) {
			const struct fn *build = &w->side[side]->fn[g->fn[side][i]];
			double score = book_score(w->s->book, f, build);

			e->nearest[side] = MAX(e->nearest[side], score);
		}
	for (size_t i = 0; i < w->nexpr; i++) {
		uint32_t expr = w->expr[i];
		bool is_there = has(f, expr);
		double d;

		if (!is_peculiar(w, g, expr))
			continue;
		d = tells(w, g, expr, is_there);
		e->odds += d;
		if (is_there) {
			e->id[d > 0][e->n[d > 0]++] = expr;
			rank[expr] = fabs(d);
		}
	}
}

static const char *verdict(const struct evidence *e)
{
	if (e->odds >= CLEAR && e->nearest[1] >= e->nearest[0] + NEARER)
		return "new";
	if (e->odds <= -CLEAR && e->nearest[0] >= e->nearest[1] + NEARER)
		return "old";
	return "unclear";
}

static void show_program(struct which *w, const struct group *g, const struct fn *f, double *rank)
{
	struct show *s = w->s;
	struct evidence e;

	weigh_evidence(w, g, f, &e, rank);
	if (s->json) {
		buf_printf(&s->out,
			"{\"verdict\":\"%s\",\"odds\":%.6f,\"old\":%.6f,\"new\":%.6f,\"in\":",
			verdict(&e), e.odds, e.nearest[0], e.nearest[1]);
		show_origin(s, &f->origin);
		buf_puts(&s->out, ",\"old_exprs\":");
		show_exprs(s, "-", e.id[0], e.n[0], rank);
		buf_puts(&s->out, ",\"new_exprs\":");
		show_exprs(s, "+", e.id[1], e.n[1], rank);
		buf_putc(&s->out, '}');
	} else {
		buf_printf(&s->out, "  %-8s ", verdict(&e));
		show_origin(s, &f->origin);
		buf_printf(&s->out, ": odds %+.1f, like old %.4f, new %.4f\n", e.odds, e.nearest[0],
			e.nearest[1]);
		show_exprs(s, "-", e.id[0], e.n[0], rank);
		show_exprs(s, "+", e.id[1], e.n[1], rank);
	}
	mem_free(e.id[0]);
	mem_free(e.id[1]);
}

static void show_group(struct which *w, const struct group *g, size_t peculiar, double *rank)
{
	const struct origin *o = &w->side[0]->fn[g->fn[0][0]].origin;
	struct show *s = w->s;
	size_t shown = 0;

	if (s->json)
		buf_puts(&s->out, "{\"function\":");
	show_origin(s, o);
	buf_printf(&s->out,
		s->json ? ",\"old_builds\":%zu,\"new_builds\":%zu,\"peculiar\":%zu,\"found\":["
			: ": %zu old, %zu new, %zu expressions peculiar to a side\n",
		g->n[0], g->n[1], peculiar);
	for (size_t i = 0; i < w->programs.count; i++) {
		if (w->best[i] == PAIR_NONE)
			continue;
		if (s->json && shown++)
			buf_putc(&s->out, ',');
		show_program(w, g, &w->in->fn[w->best[i]], rank);
	}
	if (s->json)
		buf_puts(&s->out, "],\"not_there\":[");
	shown = 0;
	for (size_t i = 0, seen = 0; i < w->in->n && seen < w->programs.count; i++) {
		const char *file = w->in->fn[i].origin.file;

		if (w->program[i] != seen)
			continue;
		seen++;
		if (w->best[w->program[i]] != PAIR_NONE)
			continue;
		if (s->json) {
			buf_puts(&s->out, shown++ ? "," : "");
			field_json_text(&s->out, file);
		} else {
			buf_printf(&s->out, "  not there %s\n", file);
		}
	}
	if (s->json)
		buf_puts(&s->out, "]}\n");
}

static void number_programs(struct which *w)
{
	w->program = mem_alloc(w->in->n, sizeof(*w->program));
	for (size_t i = 0; i < w->in->n; i++) {
		const struct u8s *bin = &w->in->fn[i].origin.bin;
		bool made;
		struct map_entry *e = map_put(&w->programs, bin->p, bin->n, &made);

		if (made)
			e->value = w->programs.count - 1;
		w->program[i] = (uint32_t)e->value;
	}
	w->best = mem_alloc(w->programs.count, sizeof(*w->best));
	w->score = mem_alloc(w->programs.count, sizeof(*w->score));
}

void which_show(struct show *s, const struct fns *old, const struct fns *new, const struct pairs *p,
	const struct fns *in, double least)
{
	size_t exprs = s->book->number.count;
	struct which w = {.s = s, .side = {old, new}, .in = in, .least = least};
	double *rank = mem_zalloc(exprs, sizeof(*rank));
	size_t both = 0, told = 0;

	w.near = near_new(s->book, in);
	w.count[0] = mem_zalloc(exprs, sizeof(uint32_t));
	w.count[1] = mem_zalloc(exprs, sizeof(uint32_t));
	number_programs(&w);
	make_groups(&w, p);
	for (size_t i = 0; i < w.groups; i++) {
		const struct group *g = &w.group[i];

		if (g->n[0] && g->n[1]) {
			both++;
			size_t peculiar;

			count_exprs(&w, g);
			peculiar = count_peculiar(&w, g);
			if (peculiar) {
				told++;
				find_best(&w, g);
				show_group(&w, g, peculiar, rank);
			}
			forget_exprs(&w);
		}
		mem_free(g->fn[0]);
		mem_free(g->fn[1]);
	}
	buf_printf(&s->out,
		s->json ? "{\"functions\":%zu,\"changed\":%zu}\n"
			: "%zu functions in old and new builds, %zu changed\n",
		both, told);
	near_free(w.near);
	map_free(&w.programs);
	mem_free(w.group);
	mem_free(w.count[0]);
	mem_free(w.count[1]);
	mem_free(w.expr);
	mem_free(w.program);
	mem_free(w.best);
	mem_free(w.score);
	mem_free(rank);
}
