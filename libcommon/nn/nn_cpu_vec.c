/*
 * nn_cpu_vec.c: loops over rows; see nn_cpu_vec.h.
 *
 * One idea: every loop is written over vectors of sixteen floats, see nn_cpu_lanes.h.
 */
#include "nn/nn_cpu_vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/nn.h"
#include "nn/nn_cpu_lanes.h"

WIDE void nn_cpu_vec_bias(size_t rows, size_t n, const float *b, float *y)
{
	for (size_t r = 0; r < rows; r++, y += n) {
		for (size_t i = 0; i < n; i += L) {
			v16 v, c;

			LOAD(v, y, i, n);
			LOAD(c, b, i, n);
			v += c;
			STORE(v, y, i, n);
		}
	}
}

WIDE void nn_cpu_vec_bias_gelu(size_t rows, size_t n, const float *b, float *u, float *y)
{
	for (size_t r = 0; r < rows; r++, u += n, y += n) {
		for (size_t i = 0; i < n; i += L) {
			v16 v, c;

			LOAD(v, u, i, n);
			LOAD(c, b, i, n);
			v += c;
			STORE(v, u, i, n);
			gelu16(&v, &c, NULL);
			STORE(c, y, i, n);
		}
	}
}

WIDE void nn_cpu_vec_bias_tanh(size_t rows, size_t n, const float *b, float *y)
{
	for (size_t r = 0; r < rows; r++, y += n) {
		for (size_t i = 0; i < n; i += L) {
			v16 v, c;

			LOAD(v, y, i, n);
			LOAD(c, b, i, n);
			v += c;
			tanh16(&v);
			STORE(v, y, i, n);
		}
	}
}

WIDE void nn_cpu_vec_gelu_back(size_t n, float *u, float *dy)
{
	for (size_t i = 0; i < n; i += L) {
		v16 v, d, y;

		LOAD(v, u, i, n);
		LOAD(d, dy, i, n);
		gelu16(&v, &y, &d);
		STORE(y, u, i, n);
		STORE(d, dy, i, n);
	}
}

WIDE void nn_cpu_vec_gelu_grad(size_t n, const float *u, float *dy)
{
	for (size_t i = 0; i < n; i += L) {
		v16 v, d, y;

		LOAD(v, u, i, n);
		LOAD(d, dy, i, n);
		gelu16(&v, &y, &d);
		STORE(d, dy, i, n);
	}
}

WIDE void nn_cpu_vec_tanh_grad(size_t n, const float *y, float *dy)
{
	for (size_t i = 0; i < n; i += L) {
		v16 v, d;

		LOAD(v, y, i, n);
		LOAD(d, dy, i, n);
		d *= 1.0f - v * v;
		STORE(d, dy, i, n);
	}
}

WIDE void nn_cpu_vec_norm(size_t rows, size_t n, const float *bias, const float *r, const float *g,
	const float *b, float eps, float *y, float *z, float *xhat, float *rstd)
{
	for (size_t row = 0; row < rows; row++, y += n, z += n) {
		v16 acc = {0};
		float mean, rs;

		for (size_t i = 0; i < n; i += L) {
			v16 v, t;

			LOAD(v, y, i, n);
			if (bias) {
				LOAD(t, bias, i, n);
				v += t;
			}
			if (r) {
				LOAD(t, r, i, n);
				v += t;
			}
			STORE(v, y, i, n);
			acc += v;
		}
		mean = sum16(&acc) / (float)n;
		acc = (v16){0};
		for (size_t i = 0; i < n; i += L) {
			v16 v;

			if (i + L <= n)
				v = CAT(y + i);
			else
				load_part(&v, y + i, n - i, mean);
			v -= mean;
			acc += v * v;
		}
		rs = 1.0f / sqrtf(sum16(&acc) / (float)n + eps);
		for (size_t i = 0; i < n; i += L) {
			v16 v, t;

			LOAD(v, y, i, n);
			v = (v - mean) * rs;
			if (xhat)
				STORE(v, xhat, i, n);
			LOAD(t, g, i, n);
			v *= t;
			LOAD(t, b, i, n);
			v += t;
			STORE(v, z, i, n);
		}
		if (xhat) {
			rstd[row] = rs;
			xhat += n;
		}
		if (r)
			r += n;
	}
}

/* With d = g dz: ds = rstd (d - mean(d) - xhat mean(d xhat)). */
WIDE void nn_cpu_vec_norm_back(size_t rows, size_t n, const float *g, const float *dz,
	const float *xhat, const float *rstd, float *ds, float *dg, float *db)
{
	for (size_t row = 0; row < rows; row++, dz += n, ds += n, xhat += n) {
		v16 sum = {0}, dot = {0};
		float m1, m2;

		for (size_t i = 0; i < n; i += L) {
			v16 d, x, t;

			LOAD(d, dz, i, n);
			LOAD(x, xhat, i, n);
			LOAD(t, dg, i, n);
			t += d * x;
			STORE(t, dg, i, n);
			LOAD(t, db, i, n);
			t += d;
			STORE(t, db, i, n);
			LOAD(t, g, i, n);
			d *= t;
			sum += d;
			dot += d * x;
		}
		m1 = sum16(&sum) / (float)n;
		m2 = sum16(&dot) / (float)n;
		for (size_t i = 0; i < n; i += L) {
			v16 d, x, t;

			LOAD(d, dz, i, n);
			LOAD(x, xhat, i, n);
			LOAD(t, g, i, n);
			d = (d * t - m1 - x * m2) * rstd[row];
			STORE(d, ds, i, n);
		}
	}
}

/* The gate at t[i] and z[i] of a row of d, before its sigmoid or tanh. */
#define GATE(v, t, z, i, d)          \
	do {                         \
		v16 gate;            \
                                     \
		LOAD(v, t, i, d);    \
		LOAD(gate, z, i, d); \
		v += gate;           \
	} while (0)

WIDE void nn_cpu_vec_cell(
	size_t d, const float *t, const float *z, const float *c0, float *gates, float *c, float *y)
{
	for (size_t k = 0; k < d; k += L) {
		v16 i, f, g, o, v = {0};

		GATE(i, t, z, k, d);
		GATE(f, t + d, z + d, k, d);
		GATE(g, t + 2 * d, z + 2 * d, k, d);
		GATE(o, t + 3 * d, z + 3 * d, k, d);
		sigmoid16(&i);
		sigmoid16(&f);
		tanh16(&g);
		sigmoid16(&o);
		if (gates) {
			STORE(i, gates, k, d);
			STORE(f, gates + d, k, d);
			STORE(g, gates + 2 * d, k, d);
			STORE(o, gates + 3 * d, k, d);
		}
		if (c0)
			LOAD(v, c0, k, d);
		v = f * v + i * g;
		STORE(v, c, k, d);
		tanh16(&v);
		v *= o;
		STORE(v, y, k, d);
	}
}

WIDE void nn_cpu_vec_cell_back(size_t d, const float *gates, const float *c0, const float *c,
	const float *dy, float *dc, float *dz)
{
	for (size_t k = 0; k < d; k += L) {
		v16 i, f, g, o, before = {0}, v, e, de;

		LOAD(i, gates, k, d);
		LOAD(f, gates + d, k, d);
		LOAD(g, gates + 2 * d, k, d);
		LOAD(o, gates + 3 * d, k, d);
		if (c0)
			LOAD(before, c0, k, d);
		LOAD(v, c, k, d);
		tanh16(&v);
		LOAD(e, dy, k, d);
		LOAD(de, dc, k, d);
		de += e * o * (1.0f - v * v);
		e *= v * o * (1.0f - o);
		STORE(e, dz + 3 * d, k, d);
		e = de * i * (1.0f - g * g);
		STORE(e, dz + 2 * d, k, d);
		e = de * before * f * (1.0f - f);
		STORE(e, dz + d, k, d);
		e = de * g * i * (1.0f - i);
		STORE(e, dz, k, d);
		de *= f;
		STORE(de, dc, k, d);
	}
}

/* Columns beyond n, up to the next whole vector (ld is a multiple of L), take part as -infinity. */
INLINE void pad_row(float *s, size_t n, size_t ld)
{
	for (size_t i = n; i < ld; i++)
		s[i] = -FLT_MAX / 4;
}

WIDE void nn_cpu_vec_softmax(
	size_t rows, size_t n, size_t ld, float scale, float *s, float *lse, size_t lse_step)
{
	for (size_t row = 0; row < rows; row++, s += ld) {
		v16 top, sum = {0};
		float m, total, inv;

		pad_row(s, n, ld);
		top = CAT(s);
		for (size_t i = L; i < n; i += L)
			top = SELECT(CAT(s + i) > top, CAT(s + i), top);
		m = max16(&top) * scale;
		for (size_t i = 0; i < n; i += L) {
			v16 v = CAT(s + i) * scale - m;

			exp16(&v);
			AT(s + i) = v;
		}
		for (size_t i = n; i < ld; i++)
			s[i] = 0;
		for (size_t i = 0; i < n; i += L)
			sum += CAT(s + i);
		total = sum16(&sum);
		inv = 1.0f / total;
		for (size_t i = 0; i < n; i += L)
			AT(s + i) *= inv;
		if (lse)
			lse[row * lse_step] = m + logf(total);
	}
}

WIDE void nn_cpu_vec_probs(
	size_t rows, size_t n, size_t ld, float scale, float *s, const float *lse, size_t lse_step)
{
	for (size_t row = 0; row < rows; row++, s += ld) {
		float m = lse[row * lse_step];

		pad_row(s, n, ld);
		for (size_t i = 0; i < n; i += L) {
			v16 v = CAT(s + i) * scale - m;

			exp16(&v);
			AT(s + i) = v;
		}
		for (size_t i = n; i < ld; i++)
			s[i] = 0;
	}
}

WIDE void nn_cpu_vec_softmax_back(size_t rows, size_t n, size_t ld, float scale, const float *p,
	const float *delta, float *dp)
{
	for (size_t row = 0; row < rows; row++, p += ld, dp += ld) {
		float d = delta[row];

		for (size_t i = 0; i < n; i++)
			dp[i] = p[i] * (dp[i] - d) * scale;
	}
}

WIDE void nn_cpu_vec_scale(size_t n, float a, float *x)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= a;
}

WIDE float nn_cpu_vec_xent(
	size_t n, const float *b, uint32_t want, float scale, float *s, uint32_t *best)
{
	v16 top = SPLAT(-FLT_MAX), sum = {0};
	float m, target, total;
	size_t at = 0;

	for (size_t i = 0; i < n; i += L) {
		v16 v, t;

		if (i + L <= n)
			v = CAT(s + i);
		else
			load_part(&v, s + i, n - i, -FLT_MAX);
		LOAD(t, b, i, n);
		v += t;
		STORE(v, s, i, n);
		top = SELECT(v > top, v, top);
	}
	m = max16(&top);
	while (at + 1 < n && s[at] != m)
		at++;
	*best = (uint32_t)at;
	target = s[want];
	for (size_t i = 0; i < n; i += L) {
		v16 v;

		if (i + L <= n)
			v = CAT(s + i) - m;
		else
			load_part(&v, s + i, n - i, -FLT_MAX);
		if (i + L > n)
			v -= m;
		exp16(&v);
		STORE(v, s, i, n);
		if (i + L > n)
			LOAD(v, s, i, n); /* what is not there counts as 0 */
		sum += v;
	}
	total = sum16(&sum);
	if (scale != 0) {
		nn_cpu_vec_scale(n, scale / total, s);
		s[want] -= scale;
	}
	return m + logf(total) - target;
}

WIDE float nn_cpu_vec_dot(size_t n, const float *x, const float *y)
{
	v16 acc = {0};

	for (size_t i = 0; i < n; i += L) {
		v16 a, b;

		LOAD(a, x, i, n);
		LOAD(b, y, i, n);
		acc += a * b;
	}
	return sum16(&acc);
}

WIDE void nn_cpu_vec_axpy(size_t n, float a, const float *x, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += a * x[i];
}

WIDE void nn_cpu_vec_sum3(size_t n, const float *a, const float *b, const float *c, float *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = a[i] + b[i] + c[i];
}

/* Eight vectors of columns at a time, so that rows are read in long pieces. */
WIDE void nn_cpu_vec_colsum(size_t rows, size_t n, size_t ld, const float *x, float *y)
{
	enum { M = 8 };
	size_t i = 0;

	for (; i + M * L <= n; i += M * L) {
		v16 acc[M];

		for (size_t j = 0; j < M; j++)
			acc[j] = CAT(y + i + j * L);
		for (size_t r = 0; r < rows; r++)
			for (size_t j = 0; j < M; j++)
				acc[j] += CAT(x + r * ld + i + j * L);
		for (size_t j = 0; j < M; j++)
			AT(y + i + j * L) = acc[j];
	}
	for (; i < n; i += L) {
		v16 acc, v;

		LOAD(acc, y, i, n);
		for (size_t r = 0; r < rows; r++) {
			LOAD(v, x + r * ld, i, n);
			acc += v;
		}
		STORE(acc, y, i, n);
	}
}

WIDE void nn_cpu_vec_adamw(size_t n, const struct nn_adamw *o, float c1, float c2, float *p,
	const float *g, float *m, float *v)
{
	float keep = 1.0f - o->lr * o->decay, rate = o->lr / c1, inv = 1.0f / sqrtf(c2);
	float b1 = o->beta1, b2 = o->beta2, eps = o->eps, scale = o->scale;

	for (size_t i = 0; i < n; i++) {
		float d = g[i] * scale;

		m[i] = b1 * m[i] + (1.0f - b1) * d;
		v[i] = b2 * v[i] + (1.0f - b2) * d * d;
		p[i] = p[i] * keep - rate * m[i] / (sqrtf(v[i]) * inv + eps);
	}
}
