/* par.c: every item once, jobs written in the order they were read, failures end the flow. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "tests/unit.h"

enum { ITEMS = 1000 };

struct touch {
	unsigned count[ITEMS];
	unsigned threads;
	bool bad_worker;
};

static void touch(void *ctx, size_t i, unsigned worker)
{
	struct touch *t = ctx;

	__atomic_fetch_add(&t->count[i], 1, __ATOMIC_RELAXED);
	if (worker >= t->threads)
		t->bad_worker = true;
}

static void test_for(unsigned threads)
{
	struct par *p = par_new(threads);
	bool once = true;

	CHECK(par_threads(p) == threads);
	for (size_t round = 0; round < 300; round++) {
		struct touch t = {.threads = threads};
		size_t n = round < 5 ? round : round * 7 % (ITEMS + 1);

		par_for(p, n, touch, &t);
		for (size_t i = 0; i < ITEMS; i++)
			once &= t.count[i] == (i < n);
		once &= !t.bad_worker;
	}
	CHECK(once);
	par_free(p);
}

/* A flow of `jobs` numbers: work squares them after a random nap, write looks at the order. */
struct line {
	uint64_t jobs, fail_read, fail_write; /* fail at this job; UINT64_MAX: never */
	uint64_t nread, nwritten;
	unsigned threads;
	int inside_read, inside_write;
	bool bad_read, bad_write;
};

struct job {
	uint64_t i, square;
	char *held; /* freed by `release` */
};

static int released;

static int read_job(void *ctx, void *job)
{
	struct line *l = ctx;
	struct job *j = job;

	l->bad_read |= __atomic_fetch_add(&l->inside_read, 1, __ATOMIC_SEQ_CST) != 0;
	if (!j->held)
		j->held = mem_strdup("held");
	j->i = l->nread;
	__atomic_fetch_sub(&l->inside_read, 1, __ATOMIC_SEQ_CST);
	if (l->nread == l->fail_read)
		return -1;
	return l->nread < l->jobs ? (l->nread++, 1) : 0;
}

static void work_job(void *ctx, void *job, unsigned worker)
{
	struct line *l = ctx;
	struct job *j = job;
	struct rng r = rng_new(5, j->i);

	if (worker >= l->threads)
		j->i = UINT64_MAX; /* seen by write */
	if (rng_below(&r, 4) == 0)
		usleep((useconds_t)rng_below(&r, 300));
	j->square = j->i * j->i;
}

static int write_job(void *ctx, void *job)
{
	struct line *l = ctx;
	const struct job *j = job;

	l->bad_write |= __atomic_fetch_add(&l->inside_write, 1, __ATOMIC_SEQ_CST) != 0;
	l->bad_write |= j->i != l->nwritten || j->square != j->i * j->i || strcmp(j->held, "held");
	__atomic_fetch_sub(&l->inside_write, 1, __ATOMIC_SEQ_CST);
	if (l->nwritten == l->fail_write)
		return -1;
	l->nwritten++;
	return 0;
}

static void release(void *job)
{
	struct job *j = job;

	released++;
	mem_free(j->held);
}

static void test_flow(unsigned threads, uint64_t jobs, uint64_t fail_read, uint64_t fail_write)
{
	static const struct par_flow flow = {
		sizeof(struct job), read_job, work_job, write_job, release};
	struct line l = {.jobs = jobs,
		.fail_read = fail_read,
		.fail_write = fail_write,
		.threads = MAX(threads, 1u)};
	int r;

	released = 0;
	r = par_flow(&flow, &l, threads);
	CHECK(!l.bad_read && !l.bad_write);
	CHECK(released > 0);
	if (fail_write < MIN(jobs, fail_read)) {
		CHECK(r == -1 && l.nwritten == fail_write);
	} else if (fail_read <= jobs) {
		CHECK(r == -1 && l.nread == fail_read && l.nwritten == fail_read);
	} else {
		CHECK(r == 0 && l.nwritten == jobs);
	}
}

int main(void)
{
	static const unsigned threads[] = {1, 2, 3, 8};

	CHECK(par_cpus() >= 1);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		unsigned n = threads[i];

		test_for(n);
		test_flow(n, 0, UINT64_MAX, UINT64_MAX);
		test_flow(n, 1, UINT64_MAX, UINT64_MAX);
		test_flow(n, 500, UINT64_MAX, UINT64_MAX);
		for (uint64_t k = 0; k < 30; k += 7) {
			test_flow(n, 100, k, UINT64_MAX);
			test_flow(n, 100, UINT64_MAX, k);
			test_flow(n, 100, 20, k);
		}
	}
	test_flow(0, 10, UINT64_MAX, UINT64_MAX);
	return unit_done();
}
