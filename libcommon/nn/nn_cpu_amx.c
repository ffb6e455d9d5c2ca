/*
 * nn_cpu_amx.c: see nn_cpu_amx.h. Intel 64 and IA-32 Software Developer's Manual, volume 1, chapter
 * 18: Programming with Intel AMX.
 *
 * One idea: of eight tile registers four hold 32 by 32 sums, two 32 rows and two 32 columns of the
 * factors, 32 deep. A tile has 16 rows of 16 pairs of numbers, pairs along the depth: a row of a
 * left tile is one row of the factor, a row of a right tile has a pair of each column, so a right
 * tile is the transpose of a left one. Which numbers make a pair is ours to choose, as the order of
 * sums is: those 16 apart, which need no shuffling.
 *
 * A panel is, for each 32 of the depth, the tiles h0 h1 m0 m1 l0 l1 of its upper and lower 16.
 */
#include "nn/nn_cpu_amx.h"

#include "nn/nn_cpu.h"
#include "nn/nn_cpu_matmul.h"

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

#define AMX    __attribute__((target("avx512f,amx-tile,amx-bf16,amx-int8")))
#define INLINE static inline __attribute__((always_inline))

enum {
	SIDE = NN_CPU_AMX_SIDE,
	HALF = 16,           /* rows of a tile, or pairs in one */
	TILE = HALF * SIDE,  /* its numbers */
	STEP = 2 * TILE * 3, /* numbers of a panel for 32 of the depth */
	ROW = SIDE * 2,      /* bytes of a row of a tile */
};

bool nn_cpu_amx_has(void)
{
	return nn_cpu_matmul_has_amx();
}

/* Sixteen pairs of numbers as their parts h, m, l: each pair is a number of a and one of b. */
AMX INLINE void split(__m512 a, __m512 b, __m512i part[3])
{
	const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32((int)0xffff0000);

	for (int i = 0; i < 3; i++) {
		__m512i p = _mm512_add_epi32(_mm512_castps_si512(a), half);
		__m512i q = _mm512_add_epi32(_mm512_castps_si512(b), half);

		q = _mm512_and_si512(q, upper);
		part[i] = _mm512_or_si512(_mm512_srli_epi32(p, 16), q);
		p = _mm512_and_si512(p, upper);
		a = _mm512_sub_ps(a, _mm512_castsi512_ps(p));
		b = _mm512_sub_ps(b, _mm512_castsi512_ps(q));
	}
}

/* The n first of sixteen numbers; n may be beyond 16 or below 0. */
AMX INLINE __m512 load(const float *x, ptrdiff_t n)
{
	if (n >= HALF)
		return _mm512_loadu_ps(x);
	return _mm512_maskz_loadu_ps(n > 0 ? (__mmask16)((1u << n) - 1) : 0, x);
}

/* Transposes 16 by 16 numbers: blocks of 1, 2, 4 and 8 change places. */
AMX INLINE void transpose(__m512 x[HALF])
{
	__m512i a[HALF], b[HALF];

	for (int i = 0; i < HALF; i += 2) {
		__m512i p = _mm512_castps_si512(x[i]), q = _mm512_castps_si512(x[i + 1]);

		b[i] = _mm512_unpacklo_epi32(p, q);
		b[i + 1] = _mm512_unpackhi_epi32(p, q);
	}
	for (int i = 0; i < HALF; i += 4)
		for (int j = 0; j < 2; j++) {
			a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
			a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
		}
	for (int i = 0; i < HALF; i += 8)
		for (int j = 0; j < 4; j++) {
			b[i + j] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0x88);
			b[i + j + 4] = _mm512_shuffle_i32x4(a[i + j], a[i + j + 4], 0xdd);
		}
	for (int j = 0; j < 8; j++) {
		x[j] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(b[j], b[j + 8], 0x88));
		x[j + 8] = _mm512_castsi512_ps(_mm512_shuffle_i32x4(b[j], b[j + 8], 0xdd));
	}
}

/*
 * x[16,16], of which there are n rows and k columns. What the next step will want lies SIDE further
 * in each row: sixteen streams at once are more than a processor sees coming.
 */
AMX INLINE void load_square(const float *x, size_t ld, ptrdiff_t n, ptrdiff_t k, __m512 to[HALF])
{
	for (ptrdiff_t r = 0; r < HALF; r++) {
		to[r] = load(x + (size_t)r * ld, r < n ? k : 0);
		_mm_prefetch((const char *)(x + (size_t)r * ld + SIDE), _MM_HINT_T0);
	}
}

/*
 * The three tiles, 2 TILE apart, of 16 of a factor's panel: numbers 0 to 15 of the depth and those
 * from 16 on.
 */
AMX INLINE void tiles_of(__m512 low[HALF], __m512 high[HALF], bool across, uint16_t *to)
{
	if (across) {
		transpose(low);
		transpose(high);
	}
	for (int r = 0; r < HALF; r++, to += SIDE) {
		__m512i part[3];

		split(low[r], high[r], part);
		for (int i = 0; i < 3; i++)
			_mm512_storeu_si512(to + i * 2 * TILE, part[i]);
	}
}

AMX INLINE void step_of(
	const struct nn_cpu_amx_factor *f, size_t panel, size_t step, bool right, uint16_t *to)
{
	size_t k0 = step * SIDE;
	ptrdiff_t k = (ptrdiff_t)(f->k - k0);

	for (size_t half = 0; half < 2; half++) {
		size_t n0 = panel * SIDE + half * HALF;
		ptrdiff_t n = (ptrdiff_t)f->n - (ptrdiff_t)n0;
		const float *x = f->x + (f->deep ? k0 * f->ld + n0 : n0 * f->ld + k0);
		__m512 low[HALF], high[HALF];

		if (f->deep) {
			load_square(x, f->ld, k, n, low);
			load_square(x + HALF * f->ld, f->ld, k - HALF, n, high);
		} else {
			load_square(x, f->ld, n, k, low);
			load_square(x + HALF, f->ld, n, k - HALF, high);
		}
		tiles_of(low, high, f->deep != right, to + step * STEP + half * TILE);
	}
}

AMX void nn_cpu_amx_left(const struct nn_cpu_amx_factor *f, size_t panel, size_t step, uint16_t *to)
{
	step_of(f, panel, step, false, to);
}

AMX void nn_cpu_amx_right(
	const struct nn_cpu_amx_factor *f, size_t panel, size_t step, uint16_t *to)
{
	step_of(f, panel, step, true, to);
}

/* The layout of ldtilecfg: eight tiles of 16 rows of 64 bytes. */
struct config {
	uint8_t palette, start, reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
};

static const struct config eight = {.palette = 1,
	.bytes = {ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW},
	.rows = {HALF, HALF, HALF, HALF, HALF, HALF, HALF, HALF}};

enum { H, M, L };

/* The tiles of a part: 4 and 5 of the left panel, 6 and 7 of the right one. */
#define LOAD4(part) _tile_loadd(4, a + (part)*2 * TILE, ROW)
#define LOAD5(part) _tile_loadd(5, a + (part)*2 * TILE + TILE, ROW)
#define LOAD6(part) _tile_loadd(6, b + (part)*2 * TILE, ROW)
#define LOAD7(part) _tile_loadd(7, b + (part)*2 * TILE + TILE, ROW)

/* One product of parts; then the left tiles, or the right ones, become another part. */
#define THEN_LEFT(part)                  \
	do {                             \
		_tile_dpbf16ps(0, 4, 6); \
		_tile_dpbf16ps(1, 4, 7); \
		LOAD4(part);             \
		_tile_dpbf16ps(2, 5, 6); \
		_tile_dpbf16ps(3, 5, 7); \
		LOAD5(part);             \
	} while (0)
#define THEN_RIGHT(part)                 \
	do {                             \
		_tile_dpbf16ps(0, 4, 6); \
		_tile_dpbf16ps(2, 5, 6); \
		LOAD6(part);             \
		_tile_dpbf16ps(1, 4, 7); \
		_tile_dpbf16ps(3, 5, 7); \
		LOAD7(part);             \
	} while (0)

/* Adds the product of a panel and a panel to the four tiles of sums. */
AMX INLINE void add_panels(size_t steps, const uint16_t *a, const uint16_t *b)
{
	for (size_t i = 0; i < steps; i++, a += STEP, b += STEP) {
		LOAD4(L);
		LOAD6(H);
		LOAD7(H);
		LOAD5(L);
		THEN_LEFT(H);
		THEN_RIGHT(L);
		THEN_RIGHT(M);
		THEN_LEFT(M);
		THEN_RIGHT(H);
		_tile_dpbf16ps(0, 4, 6);
		_tile_dpbf16ps(1, 4, 7);
		_tile_dpbf16ps(2, 5, 6);
		_tile_dpbf16ps(3, 5, 7);
	}
}

AMX INLINE void load_sums(const float *y, size_t ld)
{
	_tile_loadd(0, y, ld * sizeof(*y));
	_tile_loadd(1, y + HALF, ld * sizeof(*y));
	_tile_loadd(2, y + HALF * ld, ld * sizeof(*y));
	_tile_loadd(3, y + HALF * ld + HALF, ld * sizeof(*y));
}

AMX INLINE void store_sums(float *y, size_t ld)
{
	_tile_stored(0, y, ld * sizeof(*y));
	_tile_stored(1, y + HALF, ld * sizeof(*y));
	_tile_stored(2, y + HALF * ld, ld * sizeof(*y));
	_tile_stored(3, y + HALF * ld + HALF, ld * sizeof(*y));
}

AMX INLINE void zero_sums(void)
{
	_tile_zero(0);
	_tile_zero(1);
	_tile_zero(2);
	_tile_zero(3);
}

/* A block at an edge, of which y has a part: y[rows,n]. */
AMX INLINE void put_part(size_t rows, size_t n, bool add, float *y, size_t ld)
{
	float part[SIDE * SIDE];

	store_sums(part, SIDE);
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < n; i++)
			y[r * ld + i] = part[r * SIDE + i] + (add ? y[r * ld + i] : 0);
}

AMX INLINE void block(size_t rows, size_t n, size_t steps, const uint16_t *a, const uint16_t *b,
	bool add, float *y, size_t ld)
{
	bool whole = rows >= SIDE && n >= SIDE;

	if (whole && add)
		load_sums(y, ld);
	else
		zero_sums();
	add_panels(steps, a, b);
	if (whole)
		store_sums(y, ld);
	else
		put_part(MIN(rows, (size_t)SIDE), MIN(n, (size_t)SIDE), add, y, ld);
}

AMX void nn_cpu_amx_multiply(size_t m, size_t n, size_t k, struct nn_cpu_amx_panels left,
	struct nn_cpu_amx_panels right, bool add, float *y, size_t ld)
{
	size_t steps = nn_cpu_amx_count(k);

	_tile_loadconfig(&eight);
	for (size_t j = 0; j < n; j += SIDE)
		for (size_t i = 0; i < m; i += SIDE)
			block(m - i, n - j, steps, left.p + i / SIDE * left.apart,
				right.p + j / SIDE * right.apart, add, y + i * ld + j, ld);
	_tile_release();
}

/*
 * Bytes: a tile row of the left factor is 64 of the depth as they are; one of the right factor has
 * four of each of 16 columns, so in fours it is a transpose again.
 */
AMX void nn_cpu_amx_right_bytes(const int8_t *w, size_t n, size_t k, size_t panel, int8_t *to)
{
	for (size_t k0 = 0; k0 < k; k0 += ROW) {
		for (size_t half = 0; half < 2; half++, to += HALF * ROW) {
			size_t n0 = panel * SIDE + half * HALF, left = MIN(k - k0, (size_t)ROW);
			int8_t rows[HALF][ROW] = {0};
			__m512 x[HALF];

			for (size_t r = 0; r < HALF && n0 + r < n; r++)
				memcpy(rows[r], w + (n0 + r) * k + k0, left);
			for (int r = 0; r < HALF; r++)
				x[r] = _mm512_loadu_ps(rows[r]);
			transpose(x);
			for (int r = 0; r < HALF; r++)
				_mm512_storeu_ps(to + r * ROW, x[r]);
		}
	}
}

AMX INLINE void block_bytes(size_t steps, const uint8_t *a, size_t lda, const int8_t *b)
{
	zero_sums();
	for (size_t i = 0; i < steps; i++, a += ROW, b += 2 * HALF * ROW) {
		_tile_loadd(4, a, lda);
		_tile_loadd(6, b, ROW);
		_tile_dpbusd(0, 4, 6);
		_tile_loadd(7, b + HALF * ROW, ROW);
		_tile_dpbusd(1, 4, 7);
		_tile_loadd(5, a + HALF * lda, lda);
		_tile_dpbusd(2, 5, 6);
		_tile_dpbusd(3, 5, 7);
	}
}

AMX void nn_cpu_amx_multiply_bytes(size_t m, size_t n, size_t k, const uint8_t *x, size_t ldx,
	const int8_t *right, int32_t *y, size_t ldy)
{
	_tile_loadconfig(&eight);
	for (size_t j = 0; j < n; j += SIDE, right += nn_cpu_amx_byte_panel(k)) {
		for (size_t i = 0; i < m; i += SIDE) {
			block_bytes((k + ROW - 1) / ROW, x + i * ldx, ldx, right);
			store_sums((float *)(y + i * ldy + j), ldy);
		}
	}
	_tile_release();
}

#else

bool nn_cpu_amx_has(void)
{
	return false;
}

void nn_cpu_amx_left(const struct nn_cpu_amx_factor *f UNUSED, size_t panel UNUSED,
	size_t step UNUSED, uint16_t *to UNUSED)
{
	nn_cpu_give_up();
}

void nn_cpu_amx_right(const struct nn_cpu_amx_factor *f UNUSED, size_t panel UNUSED,
	size_t step UNUSED, uint16_t *to UNUSED)
{
	nn_cpu_give_up();
}

void nn_cpu_amx_multiply(size_t m UNUSED, size_t n UNUSED, size_t k UNUSED,
	struct nn_cpu_amx_panels left UNUSED, struct nn_cpu_amx_panels right UNUSED,
	bool add UNUSED, float *y UNUSED, size_t ld UNUSED)
{
	nn_cpu_give_up();
}

void nn_cpu_amx_right_bytes(const int8_t *w UNUSED, size_t n UNUSED, size_t k UNUSED,
	size_t panel UNUSED, int8_t *to UNUSED)
{
	nn_cpu_give_up();
}

void nn_cpu_amx_multiply_bytes(size_t m UNUSED, size_t n UNUSED, size_t k UNUSED,
	const uint8_t *x UNUSED, size_t ldx UNUSED, const int8_t *right UNUSED, int32_t *y UNUSED,
	size_t ldy UNUSED)
{
	nn_cpu_give_up();
}

#endif
