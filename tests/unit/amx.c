/*
 * amx.c: products of fp32 numbers by tiles of bf16: as exact as fp32, whatever the sizes, the forms
 * of the factors and the pieces that the depth is cut into.
 */
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/nn_cpu.h"
#include "nn/nn_cpu_amx.h"
#include "nn/nn_cpu_split.h"

enum { NMAX = 100, KMAX = 1536 };

static float x[NMAX * KMAX], w[NMAX * KMAX], y[NMAX * NMAX], z[NMAX * NMAX];

/* Numbers around 1 or, if wild, of magnitudes from 1e-6 to 1e6 beside each other. */
static void fill(float *p, size_t n, bool wild, uint64_t seed)
{
	struct rng r = rng_new(seed, wild);

	for (size_t i = 0; i < n; i++)
		p[i] = rng_normal(&r) * (wild ? expf(3 * rng_normal(&r)) : 1);
}

/* All panels of a factor that is p[n,k] or, if deep, p[k,n]. */
static struct nn_cpu_amx_panels panels(const float *p, size_t n, size_t k, bool deep, bool right)
{
	struct nn_cpu_amx_factor f = {p, n, k, deep ? n : k, deep};
	size_t panel = nn_cpu_amx_panel(k);
	uint16_t *to = mem_aligned(nn_cpu_amx_count(n) * panel, sizeof(*to));

	for (size_t i = 0; i < nn_cpu_amx_count(n); i++)
		for (size_t step = 0; step < nn_cpu_amx_count(k); step++)
			(right ? nn_cpu_amx_right : nn_cpu_amx_left)(&f, i, step, to + i * panel);
	return (struct nn_cpu_amx_panels){to, panel};
}

/* y[m,n] = x[m,k] w[n,k]^T; deep: as x[k,m], and w[k,n]. */
static void multiply(size_t m, size_t n, size_t k, bool deep_x, bool deep_w)
{
	struct nn_cpu_amx_panels l = panels(x, m, k, deep_x, false),
				 r = panels(w, n, k, deep_w, true);

	nn_cpu_amx_multiply(m, n, k, l, r, false, y, n);
	mem_free((void *)l.p);
	mem_free((void *)r.p);
}

static double at(const float *p, size_t i, size_t k, size_t n, size_t depth, bool deep)
{
	return deep ? p[k * n + i] : p[i * depth + k];
}

/* Root mean square of (p - x w) over |x| |w|, the norms of the row and of the column. */
static double error(const float *p, size_t m, size_t n, size_t k, bool deep_x, bool deep_w)
{
	double sum = 0;

	for (size_t i = 0; i < m; i++) {
		for (size_t j = 0; j < n; j++) {
			double dot = 0, xx = 0, ww = 0;

			for (size_t d = 0; d < k; d++) {
				double a = at(x, i, d, m, k, deep_x), b = at(w, j, d, n, k, deep_w);

				dot += a * b;
				xx += a * a;
				ww += b * b;
			}
			sum += (p[i * n + j] - dot) * (p[i * n + j] - dot) / (xx * ww);
		}
	}
	return sqrt(sum / (double)(m * n));
}

/* Against double precision and against oneDNN in fp32, in units of a dot of random directions. */
static void exactness(void)
{
	static const size_t depth[] = {384, 768, 1536};

	for (int wild = 0; wild < 2; wild++) {
		for (size_t i = 0; i < COUNT_OF(depth); i++) {
			size_t k = depth[i];
			double ours, plain, unit = 1 / sqrt((double)k);

			fill(x, 64 * k, wild, 1);
			fill(w, 96 * k, wild, 2);
			multiply(64, 96, k, false, true);
			ours = error(y, 64, 96, k, false, true) / unit;
			nn_cpu_gemm('N', 'N', 64, 96, k, x, k, w, 96, 0, z, 96);
			plain = error(z, 64, 96, k, false, true) / unit;
			printf("%s, depth %zu: error %.2g, of fp32 %.2g\n",
				wild ? "magnitudes of all sizes" : "normal", k, ours, plain);
			CHECK(ours < 1.5 * plain && ours < 4e-7);
		}
	}
}

static void shapes(void)
{
	static const size_t size[][3] = {
		{1, 1, 1}, {32, 32, 32}, {33, 31, 65}, {16, 48, 15}, {95, 3, 100}, {2, 97, 384}};

	for (size_t i = 0; i < COUNT_OF(size); i++) {
		size_t m = size[i][0], n = size[i][1], k = size[i][2];

		for (int form = 0; form < 4; form++) {
			fill(x, m * k, false, i);
			fill(w, n * k, false, i + 10);
			multiply(m, n, k, form & 1, form & 2);
			CHECK(error(y, m, n, k, form & 1, form & 2) < 2e-7);
		}
	}
}

/* A row alone, and the depth in pieces: the same bits. Added twice: twice as much. */
static void pieces(void)
{
	enum { M = 70, N = 96, K = 200 };
	struct nn_cpu_amx_panels l, r, part;

	fill(x, M * K, true, 3);
	fill(w, N * K, true, 4);
	multiply(M, N, K, false, false);
	memcpy(z, y, sizeof(z));
	l = panels(x, M, K, false, false);
	r = panels(w, N, K, false, true);
	for (size_t k0 = 0; k0 < K; k0 += 64) {
		struct nn_cpu_amx_panels from = {l.p + nn_cpu_amx_panel(k0), l.apart},
					 by = {r.p + nn_cpu_amx_panel(k0), r.apart};

		nn_cpu_amx_multiply(64, N, MIN((size_t)64, K - k0), from, by, k0 > 0, y, N);
	}
	CHECK(memcmp(y, z, 64 * N * sizeof(*y)) == 0);
	part = panels(x + 69 * K, 1, K, false, false);
	nn_cpu_amx_multiply(1, N, K, part, r, false, y, N);
	CHECK(memcmp(y, z + 69 * N, N * sizeof(*y)) == 0);
	memcpy(y, z, sizeof(y));
	nn_cpu_amx_multiply(M, N, K, l, r, true, y, N);
	for (size_t i = 0; i < M * N; i++)
		CHECK(fabsf(y[i] - 2 * z[i]) <= 1e-5f * fabsf(z[i]) + 1e-3f);
	mem_free((void *)l.p);
	mem_free((void *)r.p);
	mem_free((void *)part.p);
}

/* Products of bytes are exact, and what lies beyond the depth does not matter. */
static void bytes(void)
{
	static const size_t size[][3] = {{32, 1, 1}, {64, 33, 63}, {64, 96, 384}, {96, 50, 130}};

	for (size_t s = 0; s < COUNT_OF(size); s++) {
		size_t m = size[s][0], n = size[s][1], k = size[s][2], ldx = nn_rows(k),
		       ldy = nn_rows(n), panel = nn_cpu_amx_byte_panel(k);
		uint8_t *a = mem_alloc(m * ldx, 1);
		int8_t *b = mem_alloc(n * k, 1), *to = mem_aligned(nn_cpu_amx_count(n) * panel, 1);
		int32_t *c = mem_alloc(m * ldy, sizeof(*c));
		struct rng r = rng_new(9, s);
		size_t wrong = 0;

		for (size_t i = 0; i < m * ldx; i++)
			a[i] = (uint8_t)rng_below(&r, 256);
		for (size_t i = 0; i < n * k; i++)
			b[i] = (int8_t)((int)rng_below(&r, 255) - 127);
		for (size_t i = 0; i < nn_cpu_amx_count(n); i++)
			nn_cpu_amx_right_bytes(b, n, k, i, to + i * panel);
		nn_cpu_amx_multiply_bytes(m, n, k, a, ldx, to, c, ldy);
		for (size_t i = 0; i < m; i++) {
			for (size_t j = 0; j < n; j++) {
				int32_t sum = 0;

				for (size_t d = 0; d < k; d++)
					sum += a[i * ldx + d] * b[j * k + d];
				wrong += sum != c[i * ldy + j];
			}
		}
		CHECK(wrong == 0);
		mem_free(a);
		mem_free(b);
		mem_free(to);
		mem_free(c);
	}
}

/* What is not a number, or has no end, does not turn into one. */
static void specials(void)
{
	const float odd[] = {INFINITY, -INFINITY, NAN};

	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		fill(x, 32 * 32, false, 5);
		fill(w, 32 * 32, false, 6);
		x[3 * 32 + 7] = odd[i];
		multiply(32, 32, 32, false, false);
		for (size_t j = 0; j < 32; j++)
			CHECK(!isfinite(y[3 * 32 + j]) && isfinite(y[4 * 32 + j]));
	}
}

int main(void)
{
	struct nn_cpu_split *s = nn_cpu_split_new();

	CHECK(nn_cpu_amx_has() == (s != NULL));
	nn_cpu_split_free(s);
	if (!nn_cpu_amx_has()) {
		printf("this processor has no AMX\n");
		return unit_done();
	}
	exactness();
	shapes();
	pieces();
	specials();
	bytes();
	return unit_done();
}
