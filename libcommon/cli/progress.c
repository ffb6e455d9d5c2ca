/*
 * progress.c: one line on stderr that says how far, how fast and how long still.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/filter.h"

struct progress {
	const struct prog *p;
	const char *unit;
	bool live; /* a terminal: the line is redrawn */
	bool drawn;
	double start, last;
	uint64_t count;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct progress *progress_new(const struct prog *p, const char *unit)
{
	struct progress *g = mem_zalloc(1, sizeof(*g));

	g->p = p;
	g->unit = unit;
	g->live = !p->quiet && isatty(STDERR_FILENO);
	g->start = g->last = now();
	return g;
}

void progress_tick(struct progress *g, uint64_t count, uint64_t done, uint64_t total)
{
	double t, spent;

	g->count = count;
	if (!g->live)
		return;
	t = now();
	if (t - g->last < 0.2)
		return;
	g->last = t;
	spent = t - g->start;
	fprintf(stderr, "\r\033[K%s: %llu %s, %.0f/s", g->p->name, (unsigned long long)count,
		g->unit, (double)count / spent);
	if (total && done && done <= total)
		fprintf(stderr, ", %.0f%%, %.0f s left", 100.0 * (double)done / (double)total,
			spent * (double)(total - done) / (double)done);
	fflush(stderr);
	g->drawn = true;
}

void progress_free(struct progress *g, uint64_t skipped)
{
	double spent = now() - g->start;

	if (g->drawn)
		fprintf(stderr, "\r\033[K");
	if (g->drawn || g->p->verbose || (skipped && !g->p->quiet))
		fprintf(stderr, "%s: %llu %s in %.1f s (%.0f/s), %llu skipped\n", g->p->name,
			(unsigned long long)g->count, g->unit, spent,
			(double)g->count / (spent > 0 ? spent : 1), (unsigned long long)skipped);
	mem_free(g);
}
