/*
 * par.c: a pool for par_for, a ring of jobs for par_flow; see par.h.
 */
#include "base/par.h"

#include <pthread.h>
#include <sched.h>

#include "base/mem.h"

unsigned par_cpus(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > PAR_MAX ? PAR_MAX : (unsigned)n;
}

struct par {
	unsigned n;
	pthread_t *tid; /* n - 1 helpers */
	pthread_mutex_t lock;
	pthread_cond_t start, done;
	uint64_t round;   /* counts calls of par_for */
	unsigned running; /* helpers still in this round */
	bool quit;
	void (*fn)(void *, size_t, unsigned);
	void *ctx;
	size_t count;
	size_t next; /* atomic: first i not yet taken */
};

struct helper_arg {
	struct par *p;
	unsigned worker;
};

static void take(struct par *p, unsigned worker)
{
	size_t i;

	while ((i = __atomic_fetch_add(&p->next, 1, __ATOMIC_RELAXED)) < p->count)
		p->fn(p->ctx, i, worker);
}

static void *helper(void *varg)
{
	struct helper_arg arg = *(struct helper_arg *)varg;
	struct par *p = arg.p;
	uint64_t seen = 0;

	mem_free(varg);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->round == seen && !p->quit)
			pthread_cond_wait(&p->start, &p->lock);
		if (p->quit)
			break;
		seen = p->round;
		pthread_mutex_unlock(&p->lock);
		take(p, arg.worker);
		pthread_mutex_lock(&p->lock);
		if (--p->running == 0)
			pthread_cond_signal(&p->done);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct par *par_new(unsigned n)
{
	struct par *p = mem_zalloc(1, sizeof(*p));
	unsigned want = n ? MIN(n, (unsigned)PAR_MAX) : par_cpus();

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->start, NULL);
	pthread_cond_init(&p->done, NULL);
	p->tid = mem_alloc(want, sizeof(*p->tid));
	for (p->n = 1; p->n < want; p->n++) {
		struct helper_arg *arg = mem_alloc(1, sizeof(*arg));

		*arg = (struct helper_arg){p, p->n};
		if (pthread_create(&p->tid[p->n - 1], NULL, helper, arg) != 0) {
			mem_free(arg); /* fewer threads do the same work */
			break;
		}
	}
	return p;
}

void par_free(struct par *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->start);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i + 1 < p->n; i++)
		pthread_join(p->tid[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->start);
	pthread_cond_destroy(&p->done);
	mem_free(p->tid);
	mem_free(p);
}

unsigned par_threads(const struct par *p)
{
	return p->n;
}

void par_for(struct par *p, size_t n, void (*fn)(void *, size_t, unsigned), void *ctx)
{
	if (p->n == 1 || n <= 1) {
		for (size_t i = 0; i < n; i++)
			fn(ctx, i, 0);
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->fn = fn;
	p->ctx = ctx;
	p->count = n;
	p->next = 0;
	p->running = p->n - 1;
	p->round++;
	pthread_cond_broadcast(&p->start);
	pthread_mutex_unlock(&p->lock);
	take(p, 0);
	pthread_mutex_lock(&p->lock);
	while (p->running)
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

/* One ring; job i sits in slot i % nslots. Every thread reads, works and writes as it can. */
struct flow {
	const struct par_flow *f;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t change;
	char *jobs;
	bool *worked; /* by slot: ready to be written */
	size_t nslots;
	uint64_t nread, nwritten;
	bool reading, writing; /* a thread is in f->read, f->write */
	bool eof, read_failed, write_failed;
};

struct flow_arg {
	struct flow *w;
	unsigned worker;
};

/* Reads and works on the next job; called and returns with the lock held. */
static void flow_take(struct flow *w, unsigned worker)
{
	const struct par_flow *f = w->f;
	size_t slot = w->nread % w->nslots;
	void *job = w->jobs + slot * f->job_size;
	int r;

	w->reading = true;
	pthread_mutex_unlock(&w->lock);
	r = f->read(w->ctx, job);
	pthread_mutex_lock(&w->lock);
	w->reading = false;
	w->eof = r != 1;
	w->read_failed = r < 0;
	w->nread += r == 1;
	pthread_cond_broadcast(&w->change);
	if (r != 1)
		return;
	pthread_mutex_unlock(&w->lock);
	f->work(w->ctx, job, worker);
	pthread_mutex_lock(&w->lock);
	w->worked[slot] = true;
	pthread_cond_broadcast(&w->change);
}

/* Writes the oldest job; called and returns with the lock held. */
static void flow_give(struct flow *w)
{
	size_t slot = w->nwritten % w->nslots;
	int r;

	w->writing = true;
	pthread_mutex_unlock(&w->lock);
	r = w->f->write(w->ctx, w->jobs + slot * w->f->job_size);
	pthread_mutex_lock(&w->lock);
	w->writing = false;
	w->worked[slot] = false;
	w->nwritten++;
	w->write_failed |= r < 0;
	pthread_cond_broadcast(&w->change);
}

static void flow_run(struct flow *w, unsigned worker)
{
	pthread_mutex_lock(&w->lock);
	while (!w->write_failed && !(w->eof && w->nwritten == w->nread)) {
		if (!w->writing && w->nwritten < w->nread && w->worked[w->nwritten % w->nslots])
			flow_give(w);
		else if (!w->reading && !w->eof && w->nread - w->nwritten < w->nslots)
			flow_take(w, worker);
		else
			pthread_cond_wait(&w->change, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
}

static void *flow_helper(void *varg)
{
	struct flow_arg *arg = varg;

	flow_run(arg->w, arg->worker);
	return NULL;
}

int par_flow(const struct par_flow *f, void *ctx, unsigned threads)
{
	unsigned n = MAX(1u, MIN(threads, (unsigned)PAR_MAX)), made = 0;
	struct flow w = {.f = f, .ctx = ctx, .nslots = n == 1 ? 1 : 2 * n + 2};
	struct flow_arg *arg = mem_alloc(n, sizeof(*arg));
	pthread_t *tid = mem_alloc(n, sizeof(*tid));

	w.jobs = mem_zalloc(w.nslots, f->job_size);
	w.worked = mem_zalloc(w.nslots, sizeof(*w.worked));
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.change, NULL);
	for (; made + 1 < n; made++) {
		arg[made] = (struct flow_arg){&w, made + 1};
		if (pthread_create(&tid[made], NULL, flow_helper, &arg[made]) != 0)
			break; /* fewer threads do the same work */
	}
	flow_run(&w, 0);
	for (unsigned i = 0; i < made; i++)
		pthread_join(tid[i], NULL);
	if (f->free)
		for (size_t i = 0; i < w.nslots; i++)
			f->free(w.jobs + i * f->job_size);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.change);
	mem_free(w.jobs);
	mem_free(w.worked);
	mem_free(arg);
	mem_free(tid);
	return w.read_failed || w.write_failed ? -1 : 0;
}
