/*
 * nn_cpu_vec.c: loops over rows; see nn_cpu_vec.h.
 *
 * One idea: every loop is written over vectors of sixteen floats, which the compiler maps to
 * whatever the processor has (target_clones: AVX-512, FMA, or plain SSE). Functions of vectors
 * take pointers because a vector argument's calling convention differs between the clones.
 *
 * erf is a rational function fitted here (error 4e-7, mostly rounding); exp is the usual reduction
 * to [-ln2/2, ln2/2] and a polynomial of degree 6 (relative error 1e-7).
 */
#include "nn/nn_cpu_vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "nn/nn.h"

#ifndef __clang__
#pragma GCC optimize("O3,fp-contract=fast")
#else
#pragma STDC FP_CONTRACT ON
#endif

/* clang 14 makes clones that call each other wrongly; it gets the plain form. */
#if defined(__x86_64__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define WIDE
#endif
#define INLINE static inline __attribute__((always_inline))

enum { L = 16 }; /* lanes */

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef float v16u __attribute__((vector_size(64), aligned(4), may_alias));

/* Sixteen floats at any address. */
#define AT(p)           (*(v16u *)(p))
#define CAT(p)          (*(const v16u *)(p))
#define SPLAT(x)        ((v16){0} + (x))
#define SELECT(m, a, b) ((v16)(((i16)(a) & (m)) | ((i16)(b) & ~(m))))

/* The last, partial vector of a row: the missing lanes are `fill`. */
INLINE void load_part(v16 *v, const float *p, size_t n, float fill)
{
	*v = SPLAT(fill);
	for (size_t i = 0; i < n; i++)
		(*v)[i] = p[i];
}

INLINE void store_part(const v16 *v, float *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (*v)[i];
}

/* The vector v at p[i..] of a row of n: whole, or the partial one at the end. */
#define LOAD(v, p, i, n)                                        \
	do {                                                    \
		if ((i) + L <= (n))                             \
			v = CAT((p) + (i));                     \
		else                                            \
			load_part(&v, (p) + (i), (n) - (i), 0); \
	} while (0)
#define STORE(v, p, i, n)                                     \
	do {                                                  \
		if ((i) + L <= (n))                           \
			AT((p) + (i)) = v;                    \
		else                                          \
			store_part(&v, (p) + (i), (n) - (i)); \
	} while (0)

INLINE float sum16(const v16 *v)
{
	float t[8];

	for (int i = 0; i < 8; i++)
		t[i] = (*v)[i] + (*v)[i + 8];
	return ((t[0] + t[4]) + (t[2] + t[6])) + ((t[1] + t[5]) + (t[3] + t[7]));
}

INLINE float max16(const v16 *v)
{
	float m = (*v)[0];

	for (int i = 1; i < L; i++)
		m = (*v)[i] > m ? (*v)[i] : m;
	return m;
}

/* x = exp(x), with x kept within the range of normal numbers. */
INLINE void exp16(v16 *x)
{
	const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
	v16 t, n, r, p;

	*x = SELECT(*x > -87.0f, *x, SPLAT(-87.0f));
	*x = SELECT(*x < 88.0f, *x, SPLAT(88.0f));
	t = *x * 1.44269504f + magic;
	n = t - magic;
	r = *x - n * 0.693145752f;
	r = r - n * 1.42860677e-6f;
	p = r * (1.0f / 720) + 1.0f / 120;
	p = p * r + 1.0f / 24;
	p = p * r + 1.0f / 6;
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	*x = (v16)((i16)p + ((i16)t << 23));
}

/* x = erf(x). */
INLINE void erf16(v16 *x)
{
	v16 z, s, p, q;

	z = SELECT(*x > -3.925f, *x, SPLAT(-3.925f));
	z = SELECT(z < 3.925f, z, SPLAT(3.925f));
	s = z * z;
	p = s * 2.04602112e-6f + 0.000284843162f;
	p = p * s + 0.00377255201f;
	p = p * s + 0.0527693014f;
	p = p * s + 0.190593862f;
	p = p * s + 1.12837915f;
	q = s * 3.80476903e-5f + 0.00116385748f;
	q = q * s + 0.0149832015f;
	q = q * s + 0.114182756f;
	q = q * s + 0.502242143f;
	q = q * s + 1.0f;
	*x = z * p / q;
}

/* y = gelu(u) and, if dy is not NULL, dy *= gelu'(u) = Phi(u) + u phi(u). */
INLINE void gelu16(const v16 *u, v16 *y, v16 *dy)
{
	v16 phi = *u * 0.707106781f, e;

	erf16(&phi);
	phi = phi * 0.5f + 0.5f;
	if (dy) {
		e = *u * *u * -0.5f;
		exp16(&e);
		*dy *= phi + *u * e * 0.398942280f;
	}
	*y = *u * phi;
}

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
			v = (v + c) * -2.0f;
			exp16(&v);
			v = 2.0f / (v + 1.0f) - 1.0f; /* tanh x = 2/(1 + exp(-2x)) - 1 */
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
		if (i + L > n)
			for (size_t j = n - i; j < L; j++)
				v[j] = 0;
		STORE(v, s, i, n);
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

WIDE void nn_cpu_vec_colsum(size_t rows, size_t n, size_t ld, const float *x, float *y)
{
	for (size_t i = 0; i < n; i += L) {
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
