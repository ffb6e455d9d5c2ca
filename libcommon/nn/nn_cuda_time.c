/*
 * nn_cuda_time.c: how long the device works at what; see struct nn_times in nn_open.h.
 *
 * One idea: an event is put into the stream where one kind of work ends and another begins, and the
 * times between them are read when the host waits for the device anyway.
 */
#include "nn/nn_cuda.h"

#include "base/mem.h"

struct nn_cuda_mark {
	cudaEvent_t event;
	enum nn_time now; /* what is done after it */
};

static struct nn_cuda_mark *next_mark(struct nn_cuda *c)
{
	struct nn_cuda_mark *m;

	if (c->marks == c->made_marks) {
		c->mark = mem_grow(c->mark, &c->cap_marks, c->marks + 1, sizeof(*c->mark));
		nn_cuda_check(c, cudaEventCreate(&c->mark[c->made_marks].event));
		c->made_marks++;
	}
	m = &c->mark[c->marks++];
	return m;
}

void nn_cuda_mark(struct nn_cuda *c, enum nn_time now)
{
	struct nn_cuda_mark *m;

	if (!c->q.times || (c->marks && c->mark[c->marks - 1].now == now))
		return;
	m = next_mark(c);
	m->now = now;
	nn_cuda_check(c, cudaEventRecord(m->event, c->stream));
}

void nn_cuda_times(struct nn_cuda *c)
{
	for (size_t i = 0; i + 1 < c->marks; i++) {
		struct nn_cuda_mark *m = &c->mark[i];
		float ms;

		nn_cuda_check(c, cudaEventElapsedTime(&ms, m->event, m[1].event));
		c->q.times->seconds[m->now] += 1e-3 * (double)ms;
		c->q.times->count[m->now]++;
	}
	c->marks = 0;
}

void nn_cuda_time_free(struct nn_cuda *c)
{
	for (size_t i = 0; i < c->made_marks; i++)
		cudaEventDestroy(c->mark[i].event);
	mem_free(c->mark);
}
