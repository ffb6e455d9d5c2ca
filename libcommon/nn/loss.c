/* loss.c: siamese losses; see loss.h. Sums are in double, in a fixed order. */
#include "nn/loss.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static double dot(size_t h, const float *a, const float *b)
{
	double s = 0;

	for (size_t i = 0; i < h; i++)
		s += (double)a[i] * b[i];
	return s;
}

double loss_cosine(size_t h, const float *a, const float *b)
{
	double n = sqrt(dot(h, a, a) * dot(h, b, b));

	return n > 0 ? dot(h, a, b) / n : 0;
}

/* Two vectors: the squares of their lengths, the product of the lengths, the cosine. */
struct angle {
	double aa, bb, ab, cos;
};

/* False if one of them is zero. */
static bool measure(struct angle *v, size_t h, const float *a, const float *b)
{
	v->aa = dot(h, a, a);
	v->bb = dot(h, b, b);
	v->ab = sqrt(v->aa * v->bb);
	v->cos = v->ab > 0 ? dot(h, a, b) / v->ab : 0;
	return v->ab > 0;
}

/* Adds g d cos: d cos/da = b/(|a||b|) - cos a/|a|^2 */
static void turn(size_t h, const struct angle *v, double g, const float *a, const float *b,
	float *da, float *db)
{
	for (size_t i = 0; i < h; i++) {
		da[i] += (float)(g * (b[i] / v->ab - v->cos * a[i] / v->aa));
		db[i] += (float)(g * (a[i] / v->ab - v->cos * b[i] / v->bb));
	}
}

double loss_cosine_mse(
	size_t h, const float *a, const float *b, double want, double scale, float *da, float *db)
{
	struct angle v;

	if (!measure(&v, h, a, b))
		return scale * want * want;
	turn(h, &v, 2 * scale * (v.cos - want), a, b, da, db);
	return scale * (v.cos - want) * (v.cos - want);
}

double loss_cosine_margin(size_t h, const float *a, const float *b, bool alike, double margin,
	double scale, float *da, float *db)
{
	struct angle v;

	if (!measure(&v, h, a, b))
		return alike ? scale : 0;
	if (!alike && v.cos <= margin)
		return 0;
	turn(h, &v, alike ? -scale : scale, a, b, da, db);
	return scale * (alike ? 1 - v.cos : v.cos - margin);
}

/*
 * With y the unit vectors and p[i,j] the softmax over j != i of y_i.y_j / temperature, the gradient
 * of row i by its scores is (p[i,j] - q[i,j]) / count, q uniform over the others of i's group.
 */
double loss_infonce(
	size_t n, size_t h, const float *x, const uint32_t *group, double temperature, float *dx)
{
	float *y = mem_alloc(n * h, sizeof(*y));
	double *p = mem_zalloc(n * n, sizeof(*p)), *size = mem_alloc(n, sizeof(*size));
	double *dy = mem_zalloc(h, sizeof(*dy)), loss = 0;
	size_t *same = mem_zalloc(n, sizeof(*same)), count = 0;

	for (size_t i = 0; i < n; i++) {
		size[i] = sqrt(dot(h, x + i * h, x + i * h)) + 1e-30;
		for (size_t k = 0; k < h; k++)
			y[i * h + k] = (float)(x[i * h + k] / size[i]);
		for (size_t j = 0; j < n; j++)
			same[i] += j != i && group[j] == group[i];
		count += same[i] > 0;
	}
	for (size_t i = 0; i < n; i++) {
		double top = -INFINITY, sum = 0;

		if (!same[i])
			continue;
		for (size_t j = 0; j < n; j++) {
			p[i * n + j] =
				j == i ? -INFINITY : dot(h, y + i * h, y + j * h) / temperature;
			top = MAX(top, p[i * n + j]);
		}
		for (size_t j = 0; j < n; j++)
			sum += exp(p[i * n + j] - top);
		for (size_t j = 0; j < n; j++) {
			double q = j != i && group[j] == group[i] ? 1.0 / (double)same[i] : 0;
			double logp = p[i * n + j] - top - log(sum);

			if (q > 0)
				loss -= q * logp;
			p[i * n + j] = (exp(logp) - q) / (double)count;
		}
	}
	for (size_t i = 0; i < n; i++) {
		double along = 0;

		for (size_t k = 0; k < h; k++)
			dy[k] = 0;
		for (size_t j = 0; j < n; j++) {
			double g = (p[i * n + j] + p[j * n + i]) / temperature;

			for (size_t k = 0; k < h && g != 0; k++)
				dy[k] += g * y[j * h + k];
		}
		for (size_t k = 0; k < h; k++)
			along += dy[k] * y[i * h + k];
		for (size_t k = 0; k < h; k++)
			dx[i * h + k] += (float)((dy[k] - along * y[i * h + k]) / size[i]);
	}
	mem_free(y);
	mem_free(p);
	mem_free(size);
	mem_free(dy);
	mem_free(same);
	return count ? loss / (double)count : 0;
}

struct scored {
	float score;
	uint8_t yes;
};

static int by_score(const void *a, const void *b)
{
	float x = ((const struct scored *)a)->score, y = ((const struct scored *)b)->score;

	return (x > y) - (x < y);
}

double loss_auc(size_t n, const float *score, const uint8_t *yes)
{
	struct scored *s = mem_alloc(n, sizeof(*s));
	double wins = 0, pos = 0, neg = 0;

	for (size_t i = 0; i < n; i++)
		s[i] = (struct scored){score[i], yes[i]};
	qsort(s, n, sizeof(*s), by_score);
	for (size_t i = 0, j; i < n; i = j) {
		double p = 0, q = 0;

		for (j = i; j < n && s[j].score == s[i].score; j++) {
			p += s[j].yes;
			q += !s[j].yes;
		}
		wins += p * (neg + q / 2);
		pos += p;
		neg += q;
	}
	mem_free(s);
	return pos > 0 && neg > 0 ? wins / (pos * neg) : 0.5;
}
