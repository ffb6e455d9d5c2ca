/*
 * par.h: threads. Results never depend on how many there are.
 *
 * par_for splits independent work over a pool; par_flow reads jobs in order, works on them in
 * parallel and writes them in order.
 */
#ifndef PAR_H
#define PAR_H

#include "base/base.h"

enum { PAR_MAX = 256 }; /* most threads anyone may ask for */

/* The number of processors this process may use, at least 1. */
unsigned par_cpus(void);

struct par;
/* A pool of n threads (the caller is one of them); 0 means par_cpus(). */
struct par *par_new(unsigned n);
void par_free(struct par *p);
unsigned par_threads(const struct par *p);
/*
 * Calls fn(ctx, i, worker) once for each i < n, in any order, and returns when all are done.
 * worker < par_threads(p) names the calling thread. Not to be called from within fn.
 */
void par_for(struct par *p, size_t n, void (*fn)(void *ctx, size_t i, unsigned worker), void *ctx);

struct par_flow {
	size_t job_size; /* bytes of one job, zeroed before its first use, then reused as it is */
	/* Fills the job: 1 a job, 0 no more, -1 failed. One thread at a time, in order. */
	int (*read)(void *ctx, void *job);
	/* Works on the job; many at a time. worker < threads names the calling thread. */
	void (*work)(void *ctx, void *job, unsigned worker);
	/* Takes the result: 0 or -1. One thread at a time, in the order of the reads. */
	int (*write)(void *ctx, void *job);
	/* Frees what the job holds, once for each job at the end; may be NULL. */
	void (*free)(void *job);
};

/*
 * Runs the flow to its end. Returns 0, or -1 as soon as a read or a write fails (jobs read before
 * a failed read are still worked on and written). With threads 1 everything runs in the caller.
 */
int par_flow(const struct par_flow *f, void *ctx, unsigned threads) MUST_CHECK;

#endif
