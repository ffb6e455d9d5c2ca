/* topk.c: a bounded binary heap; see topk.h. */
#include "ann/topk.h"

/* Moves `hit` down from the empty place i of a heap of n; the worst hit ends up on top. */
static void sift_down(struct topk_hit *h, size_t n, size_t i, struct topk_hit hit)
{
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && topk_before(h[child], h[child + 1]))
			child++;
		if (!topk_before(hit, h[child]))
			break;
		h[i] = h[child];
		i = child;
	}
	h[i] = hit;
}

void topk_put(struct topk *t, struct topk_hit hit)
{
	struct topk_hit *h = t->hit;
	size_t i;

	if (t->n == t->k) {
		if (topk_before(hit, h[0]))
			sift_down(h, t->n, 0, hit);
		return;
	}
	for (i = t->n++; i && topk_before(h[(i - 1) / 2], hit); i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = hit;
}

void topk_sort(struct topk *t)
{
	for (size_t n = t->n; n > 1; n--) {
		struct topk_hit last = t->hit[n - 1];

		t->hit[n - 1] = t->hit[0];
		sift_down(t->hit, n - 1, 0, last);
	}
}
