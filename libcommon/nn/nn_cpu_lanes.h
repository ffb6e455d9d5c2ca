/*
 * nn_cpu_lanes.h: vectors of sixteen floats, which the compiler maps to whatever the processor has
 * (target_clones: AVX-512, FMA, or plain SSE), and the elementary functions over them.
 *
 * To be included last: it also sets how the including file is compiled. Functions of vectors take
 * pointers because a vector argument's calling convention differs between the clones.
 *
 * erf is a rational function fitted here (error 4e-7, mostly rounding); exp is the usual reduction
 * to [-ln2/2, ln2/2] and a polynomial of degree 6 (relative error 1e-7).
 */
#ifndef NN_CPU_LANES_H
#define NN_CPU_LANES_H

#include <stddef.h>
#include <stdint.h>

#ifndef __clang__
#pragma GCC optimize("O3,fp-contract=fast")
#else
#pragma STDC FP_CONTRACT ON
#endif

/* clang 14 gives the chosen clone another name (f.ifunc), so that other files do not find it. */
#if defined(__x86_64__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "fma", "default")))
#else
#define WIDE
#endif
#define INLINE static inline __attribute__((always_inline))

enum { L = 16 }; /* lanes */

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef float v16u __attribute__((vector_size(64), aligned(4), may_alias));

/* Sixteen floats at any address. */
#define AT(p)           (*(v16u *)(p))
#define CAT(p)          (*(const v16u *)(p))
#define SPLAT(x)        ((v16){0} + (x))
#define SELECT(m, a, b) ((v16)(((i16)(a) & (m)) | ((i16)(b) & ~(m))))

#define SELECT8(m, a, b) ((v8)(((i8)(a) & (m)) | ((i8)(b) & ~(m))))
#define SELECT4(m, a, b) ((v4)(((i4)(a) & (m)) | ((i4)(b) & ~(m))))

/*
 * The last, partial vector of a row: the missing lanes are `fill`. By way of an array, as lanes
 * that are not constants would keep the vector itself in memory wherever it is used.
 */
INLINE void load_part(v16 *v, const float *p, size_t n, float fill)
{
	float part[L];

	for (size_t i = 0; i < L; i++)
		part[i] = i < n ? p[i] : fill;
	*v = CAT(part);
}

INLINE void store_part(const v16 *v, float *p, size_t n)
{
	float part[L];

	AT(part) = *v;
	for (size_t i = 0; i < n; i++)
		p[i] = part[i];
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

/* The lower and upper half of a vector, and again. */
#define HALVES(type, v, half) \
	union {               \
		type whole;   \
		half part[2]; \
	} half##s = {.whole = (v)}

INLINE float sum16(const v16 *v)
{
	HALVES(v16, *v, v8);
	HALVES(v8, v8s.part[0] + v8s.part[1], v4);
	v4 t = v4s.part[0] + v4s.part[1];

	return (t[0] + t[2]) + (t[1] + t[3]);
}

INLINE float max16(const v16 *v)
{
	HALVES(v16, *v, v8);
	HALVES(v8, SELECT8(v8s.part[0] > v8s.part[1], v8s.part[0], v8s.part[1]), v4);
	v4 t = SELECT4(v4s.part[0] > v4s.part[1], v4s.part[0], v4s.part[1]);
	float a = t[0] > t[1] ? t[0] : t[1], b = t[2] > t[3] ? t[2] : t[3];

	return a > b ? a : b;
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

/* x = tanh(x) = 2/(1 + exp(-2x)) - 1. */
INLINE void tanh16(v16 *x)
{
	*x *= -2.0f;
	exp16(x);
	*x = 2.0f / (*x + 1.0f) - 1.0f;
}

/* x = 1/(1 + exp(-x)). */
INLINE void sigmoid16(v16 *x)
{
	*x = -*x;
	exp16(x);
	*x = 1.0f / (*x + 1.0f);
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

/*
 * v = gelu(v) within 2e-4 (5e-5 of it beyond 4), for numbers that become bytes: Phi is 1/2 plus v
 * times a polynomial in its square, fitted here on [-4, 4].
 */
INLINE void gelu16_near(v16 *v)
{
	v16 z, s, p;

	z = SELECT(*v > -4.0f, *v, SPLAT(-4.0f));
	z = SELECT(z < 4.0f, z, SPLAT(4.0f));
	s = z * z;
	p = s * 2.278135348e-8f - 1.598597484e-6f;
	p = p * s + 4.795541367e-5f;
	p = p * s - 8.140143369e-4f;
	p = p * s + 8.772382123e-3f;
	p = p * s - 6.457309529e-2f;
	p = p * s + 3.978833365e-1f;
	*v *= p * z + 0.5f;
}

#endif
