/* nn_cpu_bytes.c: numbers to bytes and back; see nn_cpu_bytes.h. */
#include "nn/nn_cpu_bytes.h"

#include "nn/nn_cpu_lanes.h"

typedef int32_t i16u __attribute__((vector_size(64), aligned(4), may_alias));

typedef uint8_t b16u __attribute__((vector_size(16), aligned(1), may_alias));

/* Lowest and highest value of a row, and 0 with them. */
struct range {
	v16 low, high;
};

INLINE void widen(struct range *g, const v16 *v)
{
	g->low = SELECT(*v < g->low, *v, g->low);
	g->high = SELECT(*v > g->high, *v, g->high);
}

/*
 * The bytes of one row whose range is known. x / scale + zero lies between 1 and top - 1 but for
 * rounding, so adding a half and cutting off the fraction stays between 0 and top.
 */
INLINE void put_row(size_t n, unsigned top, const struct range *g, const float *x, uint8_t *q,
	struct nn_cpu_bytes_row *row)
{
	v16 minus = -g->low;
	float low = max16(&minus), width = max16(&g->high) + low;
	float scale = width > 0 ? width / (float)(top - 2) : 1;
	float inv = 1 / scale, zero = (float)(int)(low * inv + 1.5f), add = zero + 0.5f;

	for (size_t i = 0; i < n; i += L) {
		v16 v;

		LOAD(v, x, i, n);
		v = v * inv + add;
		if (i + L <= n) {
			*(b16u *)(q + i) =
				__builtin_convertvector(__builtin_convertvector(v, i16), b16u);
		} else {
			float part[L];

			AT(part) = v;
			for (size_t j = 0; j < n - i; j++)
				q[i + j] = (uint8_t)(int32_t)part[j];
		}
	}
	row->scale = scale;
	row->zero = zero;
}

WIDE void nn_cpu_bytes_put(size_t rows, size_t n, unsigned top, const float *x, uint8_t *q,
	size_t ld, struct nn_cpu_bytes_row *row)
{
	for (size_t r = 0; r < rows; r++, x += n, q += ld) {
		struct range g = {{0}, {0}};

		for (size_t i = 0; i < n; i += L) {
			v16 v;

			LOAD(v, x, i, n);
			widen(&g, &v);
		}
		put_row(n, top, &g, x, q, &row[r]);
	}
}

/* The numbers at sum[i..i+16). */
INLINE void get16(v16 *v, const int32_t *sum, size_t i, size_t n,
	const struct nn_cpu_bytes_row *row, const struct nn_cpu_bytes_col *col)
{
	v16 scale, total;

	if (i + L <= n) {
		*v = __builtin_convertvector(*(const i16u *)(sum + i), v16);
	} else {
		float part[L] = {0};

		for (size_t k = 0; k < n - i; k++)
			part[k] = (float)sum[i + k];
		*v = CAT(part);
	}
	LOAD(scale, col->scale, i, n);
	LOAD(total, col->sum, i, n);
	*v = (*v - total * row->zero) * (scale * row->scale);
}

WIDE void nn_cpu_bytes_get(size_t rows, size_t n, const int32_t *sum, size_t ld,
	const struct nn_cpu_bytes_row *row, const struct nn_cpu_bytes_col *col, const float *bias,
	float *y)
{
	for (size_t r = 0; r < rows; r++, sum += ld, y += n) {
		for (size_t i = 0; i < n; i += L) {
			v16 v, b;

			get16(&v, sum, i, n, &row[r], col);
			if (bias) {
				LOAD(b, bias, i, n);
				v += b;
			}
			STORE(v, y, i, n);
		}
	}
}

WIDE void nn_cpu_bytes_gelu(size_t rows, size_t n, unsigned top, const int32_t *sum, size_t ld,
	struct nn_cpu_bytes_row *row, const struct nn_cpu_bytes_col *col, const float *bias,
	float *buf, uint8_t *q, size_t ldq)
{
	for (size_t r = 0; r < rows; r++, sum += ld, q += ldq) {
		struct range g = {{0}, {0}};

		for (size_t i = 0; i < n; i += L) {
			v16 v, b;

			get16(&v, sum, i, n, &row[r], col);
			LOAD(b, bias, i, n);
			v += b;
			gelu16_near(&v);
			STORE(v, buf, i, n);
			if (i + L > n)
				LOAD(v, buf, i, n); /* what is not there counts as 0 */
			widen(&g, &v);
		}
		put_row(n, top, &g, buf, q, &row[r]);
	}
}
