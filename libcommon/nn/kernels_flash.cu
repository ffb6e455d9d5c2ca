/*
 * kernels_flash.cu: self-attention over packed sequences of bf16 numbers on tensor cores; see
 * kernels.h. What kernels_attn.cu does for fp32 numbers.
 *
 * One idea: a warp has 16 rows of one head of one sequence and goes through all rows of that
 * sequence 32 at a time (FlashAttention, arXiv 2205.14135). Sequences of code are short, so a warp
 * works alone, with shared memory of its own and no barrier of the block; where they are long, the
 * four warps of a block have 64 rows that follow one another and fetch the others together, the
 * next 32 while they work on those that are there. A warp computes the same either way, so a row's
 * bits do not depend on the batch. Nothing is added by two: the backward pass is the same walk
 * twice, with queries as own rows (dQ), then keys (dK, dV).
 *
 * Products are mma.m16n8k16 of bf16 numbers with fp32 sums: scores [16,32] = own [16,D] others^T,
 * result [16,D] += weights [16,32] others. A lane has of a 16x8 tile of sums the rows g and g + 8,
 * columns 2t and 2t + 1, where g = lane/4 and t = lane%4; two such tiles are, rounded, the left
 * factor of the next product. Shapes: d = h/heads, D is d rounded up to 32, 64 or 128 with zeros;
 * others [32,D] lie in rows of D + 8, so that eight rows meet different banks.
 */
#include "nn/kernels.h"

#include <float.h>

#include "nn/kernels_lang.h"

enum {
	WARPS = KERNELS_ATTN_WARPS,
	OWN = KERNELS_ATTN_ROWS,
	OTHERS = 32,
	STEPS = KERNELS_ATTN_WIDTH / 16,
	FETCHED = 4 /* pieces of 16 bytes that a thread asks for before it waits */
};

struct flash_args {
	struct kernels_attn j;
	size_t d;
	float scale; /* 1/sqrt(d) */
};

/* Where a warp works. */
struct spot {
	size_t seq; /* first token of the sequence */
	size_t n;   /* its tokens; 0: there is nothing for this warp */
	size_t row; /* its own first row in the sequence; may be beyond n */
	size_t head;
	uint16_t *others; /* shared memory: stages */
	int g, t;
};

DEVICE size_t pitch(int wide)
{
	return (size_t)wide + 8;
}

/*
 * A stage of shared memory: two matrices of others, [OTHERS,D], then lse and delta of them,
 * [2,OTHERS] floats. A warp alone has one, warps together have two. In 16-bit numbers:
 */
#define MATRIX(wide) ((size_t)OTHERS * ((size_t)(wide) + 8))
#define STAGE(wide)  (2 * MATRIX(wide) + 2 * OTHERS * sizeof(float) / sizeof(uint16_t))

/* `together`: 1 or WARPS warps have the same others. */
DEVICE struct spot find(const struct kernels_attn *j, float *shared, int together, int wide)
{
	size_t warp = threadIdx.x / 32;
	size_t tile = together == 1 ? (size_t)blockIdx.x * WARPS + warp : blockIdx.x;
	struct spot p;

	p.others = (uint16_t *)shared + (together == 1 ? warp * STAGE(wide) : 0);
	p.head = blockIdx.y;
	p.g = (int)LANE / 4;
	p.t = (int)LANE % 4;
	p.seq = p.n = p.row = 0;
	if (tile < j->tiles) {
		p.seq = j->cu[j->tile[2 * tile]];
		p.n = j->cu[j->tile[2 * tile] + 1] - p.seq;
		p.row = j->tile[2 * tile + 1] + (together == 1 ? 0 : warp * OWN);
	}
	return p;
}

DEVICE void meet(int together)
{
	if (together == 1)
		__syncwarp(ALL_LANES);
	else
		__syncthreads();
}

/* to[r,i] = x[first + r, i] for r < rows, 0 beyond the sequence and beyond d; FETCHED at once. */
DEVICE void fetch(const struct spot *p, int together, int wide, size_t first, int rows, size_t d,
	struct kernels_act x, size_t at, size_t ld, uint16_t *to)
{
	int per = wide / 8, all = rows * per, step = 32 * together;

	for (int i = together == 1 ? (int)LANE : (int)threadIdx.x; i < all; i += FETCHED * step) {
		uint32_t w[FETCHED][4];

		UNROLL
		for (int k = 0; k < FETCHED; k++) {
			int chunk = i + k * step;
			size_t row = first + (size_t)(chunk / per), c = (size_t)(chunk % per) * 8;

			UNROLL
			for (int z = 0; z < 4; z++)
				w[k][z] = 0;
			if (chunk < all && row < p->n)
				act_words8(x, at + row * ld + c, at + row * ld + d, w[k]);
		}
		UNROLL
		for (int k = 0; k < FETCHED; k++) {
			int chunk = i + k * step;

			if (chunk < all)
				store_16(to + (size_t)(chunk / per) * pitch(wide) +
						 (size_t)(chunk % per) * 8,
					w[k]);
		}
	}
}

/* The same, but what can be copied 16 bytes at once is there only after copies_done. */
DEVICE void send(const struct spot *p, int together, int wide, size_t first, int rows, size_t d,
	struct kernels_act x, size_t at, size_t ld, uint16_t *to)
{
	int per = wide / 8, all = rows * per, step = 32 * together;
	bool even = ((uintptr_t)x.p & 15) == 0 && at % 8 == 0 && ld % 8 == 0;

	UNROLL
	for (int i = (int)threadIdx.x; i < all; i += step) {
		size_t row = first + (size_t)(i / per), c = (size_t)(i % per) * 8;
		uint16_t *there = to + (size_t)(i / per) * pitch(wide) + c;
		uint32_t w[4] = {0, 0, 0, 0};

		if (row < p->n && c + 8 <= d && even) {
			copy_16(there, (const uint16_t *)x.p + at + row * ld + c);
			continue;
		}
		if (row < p->n)
			act_words8(x, at + row * ld + c, at + row * ld + d, w);
		store_16(there, w);
	}
}

/* 16 own rows as the left factors of STEPS products. */
struct own {
	uint32_t a[STEPS][4];
};

/* The own rows of x; by all that work together. */
DEVICE void take_own(const struct spot *p, int together, int wide, size_t d, struct kernels_act x,
	size_t at, size_t ld, struct own *o)
{
	size_t warp = together == 1 ? 0 : threadIdx.x / 32;
	size_t row = warp * OWN + LANE % 16, column = LANE / 16 * 8;

	meet(together);
	fetch(p, together, wide, p->row - warp * OWN, OWN * together, d, x, at, ld, p->others);
	meet(together);
	UNROLL
	for (int j = 0; j < wide / 16; j++)
		load_matrices(o->a[j], p->others + row * pitch(wide) + column + 16 * (size_t)j);
}

/* Sums of 16 rows by 32 others. */
struct scores {
	float v[OTHERS / 8][4];
};

/* s[2] = own others^T for 16 others. */
DEVICE void multiply_half(int wide, const struct own *o, const uint16_t *others, float s[2][4])
{
	const uint16_t *x = others + (LANE / 16 * 8 + LANE % 8) * pitch(wide) + LANE / 8 % 2 * 8;

	UNROLL
	for (int k = 0; k < 4; k++)
		s[0][k] = s[1][k] = 0;
	UNROLL
	for (int j = 0; j < wide / 16; j++) {
		uint32_t b[4];

		load_matrices(b, x + 16 * (size_t)j);
		multiply_16x8x16(s[0], o->a[j], b);
		multiply_16x8x16(s[1], o->a[j], b + 2);
	}
}

/* s = own others^T; `more`: beyond the first 16 others, else the rest of s is 0. */
DEVICE void multiply(
	int wide, bool more, const struct own *o, const uint16_t *others, struct scores *s)
{
	multiply_half(wide, o, others, s->v);
	UNROLL
	for (int k = 0; k < 4; k++)
		s->v[2][k] = s->v[3][k] = 0;
	if (more)
		multiply_half(wide, o, others + 16 * pitch(wide), s->v + 2);
}

/* Sums of 16 rows by D columns. */
struct sums {
	float v[KERNELS_ATTN_WIDTH / 8][4];
};

DEVICE void clear(int wide, struct sums *a)
{
	UNROLL
	for (int i = 0; i < wide / 8; i++) {
		UNROLL
		for (int k = 0; k < 4; k++)
			a->v[i][k] = 0;
	}
}

/* a += w[2] others, for 16 others. */
DEVICE void accumulate_half(int wide, const float w[2][4], const uint16_t *others, struct sums *a)
{
	const uint16_t *x = others + (LANE / 8 % 2 * 8 + LANE % 8) * pitch(wide) + LANE / 16 * 8;
	uint32_t left[4] = {pair_bf16(w[0][0], w[0][1]), pair_bf16(w[0][2], w[0][3]),
		pair_bf16(w[1][0], w[1][1]), pair_bf16(w[1][2], w[1][3])};

	UNROLL
	for (int j = 0; j < wide / 16; j++) {
		uint32_t b[4];

		load_matrices_turned(b, x + 16 * (size_t)j);
		multiply_16x8x16(a->v[2 * j], left, b);
		multiply_16x8x16(a->v[2 * j + 1], left, b + 2);
	}
}

/* a += w others. */
DEVICE void accumulate(
	int wide, bool more, const struct scores *w, const uint16_t *others, struct sums *a)
{
	accumulate_half(wide, w->v, others, a);
	if (more)
		accumulate_half(wide, w->v + 2, others + 16 * pitch(wide), a);
}

/* y[own rows] = a times[row g, row g + 8]. */
DEVICE void store(const struct spot *p, int wide, size_t d, const struct sums *a,
	const float times[2], struct kernels_act y, size_t at, size_t ld)
{
	UNROLL
	for (int k = 0; k < 2; k++) {
		size_t row = p->row + (size_t)(p->g + 8 * k);

		UNROLL
		for (int i = 0; i < wide / 8; i++) {
			size_t c = (size_t)(8 * i + 2 * p->t);

			if (row < p->n && c < d)
				act_put2(y, at + row * ld + c, at + row * ld + d,
					a->v[i][2 * k] * times[k], a->v[i][2 * k + 1] * times[k]);
		}
	}
}

/* Sum and maximum over the four lanes that have a row. */
DEVICE float quad_sum(float v)
{
	v += __shfl_xor_sync(ALL_LANES, v, 1);
	return v + __shfl_xor_sync(ALL_LANES, v, 2);
}

DEVICE float quad_max(float v)
{
	v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 1));
	return fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 2));
}

/* The softmax over the keys so far: of rows g and g + 8 the largest score, and this lane's sum. */
struct softmax {
	float top[2], sum[2];
};

/* The column of element k of tile i of the scores. */
DEVICE size_t column(const struct spot *p, int i, int k)
{
	return (size_t)(8 * i + 2 * p->t + (k & 1));
}

/* Scores become exp(score - top); what was summed before is scaled. n: keys of this step. */
DEVICE void weigh(const struct spot *p, int wide, size_t n, float scale, struct scores *s,
	struct softmax *f, struct sums *o)
{
	UNROLL
	for (int r = 0; r < 2; r++) {
		float top = -FLT_MAX, fade;

		UNROLL
		for (int i = 0; i < OTHERS / 8; i++) {
			UNROLL
			for (int k = 2 * r; k < 2 * r + 2; k++) {
				s->v[i][k] = column(p, i, k) < n ? s->v[i][k] * scale : -FLT_MAX;
				top = fmaxf(top, s->v[i][k]);
			}
		}
		top = fmaxf(f->top[r], quad_max(top));
		fade = expf(f->top[r] - top);
		f->top[r] = top;
		f->sum[r] *= fade;
		UNROLL
		for (int i = 0; i < OTHERS / 8; i++) {
			UNROLL
			for (int k = 2 * r; k < 2 * r + 2; k++) {
				float e = column(p, i, k) < n ? expf(s->v[i][k] - top) : 0;

				s->v[i][k] = e;
				f->sum[r] += e;
			}
		}
		UNROLL
		for (int i = 0; i < wide / 8; i++) {
			o->v[i][2 * r] *= fade;
			o->v[i][2 * r + 1] *= fade;
		}
	}
}

/* Two matrices whose rows the own ones meet: where they begin, and how far their rows are apart. */
struct others {
	struct kernels_act x[2];
	size_t at[2], ld[2];
	bool edge; /* lse and delta too */
};

/* lse and delta of the others from j on. */
DEVICE void fetch_edge(
	const struct flash_args *a, const struct spot *p, int together, size_t j, float *edge)
{
	size_t i = together == 1 ? LANE : threadIdx.x;
	size_t at = (p->seq + j + i) * a->j.heads + p->head;

	if (i < OTHERS) {
		edge[i] = j + i < p->n ? a->j.lse[at] : 0;
		edge[OTHERS + i] = j + i < p->n ? a->j.delta[at] : 0;
	}
}

/* Fetches the others from j on into a stage, or begins to, if warps are together. */
DEVICE void begin(const struct flash_args *a, const struct spot *p, int together, int wide,
	const struct others *o, size_t j, uint16_t *stage)
{
	int rows = p->n - j > 16 ? 32 : 16;

	UNROLL
	for (int i = 0; i < 2; i++) {
		uint16_t *to = stage + (size_t)i * MATRIX(wide);

		if (together == 1)
			fetch(p, together, wide, j, rows, a->d, o->x[i], o->at[i], o->ld[i], to);
		else
			send(p, together, wide, j, rows, a->d, o->x[i], o->at[i], o->ld[i], to);
	}
	if (o->edge)
		fetch_edge(a, p, together, j, (float *)(stage + 2 * MATRIX(wide)));
}

/* Before the walk: shared memory is free for the first others. */
DEVICE void begin_first(const struct flash_args *a, const struct spot *p, int together, int wide,
	const struct others *o)
{
	meet(together);
	if (together != 1)
		begin(a, p, together, wide, o, 0, p->others);
}

/* The stage with the others from j on, which are there; the next are on their way. */
DEVICE const uint16_t *next_others(const struct flash_args *a, const struct spot *p, int together,
	int wide, const struct others *o, size_t j)
{
	uint16_t *now = p->others, *other = p->others;

	if (together == 1) {
		if (j)
			meet(together);
		begin(a, p, together, wide, o, j, now);
		meet(together);
		return now;
	}
	if (j / OTHERS % 2)
		now += STAGE(wide);
	else
		other += STAGE(wide);
	copies_done();
	meet(together); /* all have theirs, and none still reads the other stage */
	if (j + OTHERS < p->n)
		begin(a, p, together, wide, o, j + OTHERS, other);
	return now;
}

DEVICE void forward(const struct flash_args *a, int together, int wide)
{
	SHARED(shared);
	struct spot p = find(&a->j, shared, together, wide);
	size_t h = a->j.h, ld = 3 * h, q = p.seq * ld + p.head * a->d;
	struct others kv = {{a->j.qkv, a->j.qkv}, {q + h, q + 2 * h}, {ld, ld}, false};
	struct softmax f = {{-FLT_MAX, -FLT_MAX}, {0, 0}};
	float times[2];
	struct own own;
	struct sums o;

	if (!p.n)
		return; /* the whole group: a warp that works alone */
	clear(wide, &o);
	take_own(&p, together, wide, a->d, a->j.qkv, q, ld, &own);
	begin_first(a, &p, together, wide, &kv);
	NO_UNROLL
	for (size_t j = 0; j < p.n; j += OTHERS) {
		const uint16_t *x = next_others(a, &p, together, wide, &kv, j);
		size_t n = MIN(p.n - j, (size_t)OTHERS);
		struct scores s;

		multiply(wide, n > 16, &own, x, &s);
		weigh(&p, wide, n, a->scale, &s, &f, &o);
		accumulate(wide, n > 16, &s, x + MATRIX(wide), &o);
	}
	UNROLL
	for (int r = 0; r < 2; r++) {
		size_t row = p.row + (size_t)(p.g + 8 * r);
		float sum = quad_sum(f.sum[r]);

		if (a->j.lse && p.t == 0 && row < p.n)
			a->j.lse[(p.seq + row) * a->j.heads + p.head] = f.top[r] + logf(sum);
		times[r] = 1.0f / sum;
	}
	store(&p, wide, a->d, &o, times, a->j.o, p.seq * h + p.head * a->d, h);
}

/*
 * P = exp(scale q.k - lse) in s, and dS = P (dO.v - delta) scale in t, which hold the products; 0
 * for others beyond n. Of 16 others, those from `first` on. edge: NULL, or the others are queries,
 * and lse and delta are theirs.
 */
DEVICE void slopes(const struct spot *p, const float *edge, size_t first, size_t n, float scale,
	const float lse[2], const float delta[2], float s[2][4], float t[2][4])
{
	UNROLL
	for (int i = 0; i < 2; i++) {
		UNROLL
		for (int k = 0; k < 4; k++) {
			size_t c = first + column(p, i, k);
			float l = edge ? edge[c] : lse[k / 2];
			float d = edge ? edge[OTHERS + c] : delta[k / 2];
			float e = c < n ? expf(s[i][k] * scale - l) : 0;

			t[i][k] = c < n ? e * (t[i][k] - d) * scale : 0;
			s[i][k] = e;
		}
	}
}

/*
 * Own rows are queries: dQ = dS k. Own rows are keys: dK = dS^T q and dV = P^T dO. `keys` is known
 * when this is compiled.
 */
DEVICE void backward(const struct flash_args *a, int together, int wide, bool keys)
{
	SHARED(shared);
	struct spot p = find(&a->j, shared, together, wide);
	size_t h = a->j.h, ld = 3 * h, q = p.seq * ld + p.head * a->d, k = q + h, v = k + h;
	size_t at = p.seq * h + p.head * a->d; /* in dO */
	struct others kv = {{a->j.qkv, a->j.qkv}, {k, v}, {ld, ld}, false};
	struct others qdo = {{a->j.qkv, a->j.dout}, {q, at}, {ld, h}, true};
	const struct others *others = keys ? &qdo : &kv;
	float lse[2] = {0, 0}, delta[2] = {0, 0};
	const float one[2] = {1, 1};
	struct own own1, own2; /* q and dO, or k and v */
	struct sums sum1, sum2;

	if (!p.n)
		return;
	clear(wide, &sum1);
	clear(wide, &sum2);
	take_own(&p, together, wide, a->d, a->j.qkv, keys ? k : q, ld, &own1);
	if (keys)
		take_own(&p, together, wide, a->d, a->j.qkv, v, ld, &own2);
	else
		take_own(&p, together, wide, a->d, a->j.dout, at, h, &own2);
	UNROLL
	for (int r = 0; r < 2; r++) {
		size_t row = p.row + (size_t)(p.g + 8 * r);

		if (!keys && row < p.n) {
			lse[r] = a->j.lse[(p.seq + row) * a->j.heads + p.head];
			delta[r] = a->j.delta[(p.seq + row) * a->j.heads + p.head];
		}
	}
	begin_first(a, &p, together, wide, others);
	NO_UNROLL
	for (size_t j = 0; j < p.n; j += OTHERS) {
		const uint16_t *x = next_others(a, &p, together, wide, others, j);
		const float *edge = keys ? (const float *)(x + 2 * MATRIX(wide)) : NULL;
		size_t n = MIN(p.n - j, (size_t)OTHERS);

		UNROLL
		for (size_t i = 0; i < OTHERS; i += 16, x += 16 * pitch(wide)) {
			float s[2][4], t[2][4];

			if (i >= n)
				continue;
			multiply_half(wide, &own1, x, s);
			multiply_half(wide, &own2, x + MATRIX(wide), t);
			slopes(&p, edge, i, n, a->scale, lse, delta, s, t);
			accumulate_half(wide, t, x, &sum1);
			if (keys)
				accumulate_half(wide, s, x + MATRIX(wide), &sum2);
		}
	}
	store(&p, wide, a->d, &sum1, one, a->j.dqkv, keys ? k : q, ld);
	if (keys)
		store(&p, wide, a->d, &sum2, one, a->j.dqkv, v, ld);
}

DEVICE void backward_queries(const struct flash_args *a, int together, int wide)
{
	backward(a, together, wide, false);
}

DEVICE void backward_keys(const struct flash_args *a, int together, int wide)
{
	backward(a, together, wide, true);
}

/*
 * Each pass for heads of up to 32, 64 and 128 numbers, for warps alone and together; `blocks` at
 * once on a multiprocessor is what their registers allow without being spilled.
 */
#define PASS(pass, wide, blocks)                                         \
	KERNEL(pass##_##wide##_alone, flash_args, WARPS * 32, blocks)    \
	{                                                                \
		pass(&a, 1, wide);                                       \
	}                                                                \
	KERNEL(pass##_##wide##_together, flash_args, WARPS * 32, blocks) \
	{                                                                \
		pass(&a, WARPS, wide);                                   \
	}

PASS(forward, 32, 5)
PASS(forward, 64, 4)
PASS(forward, 128, 3)
PASS(backward_queries, 32, 4)
PASS(backward_queries, 64, 4)
PASS(backward_queries, 128, 2)
PASS(backward_keys, 32, 4)
PASS(backward_keys, 64, 3)
PASS(backward_keys, 128, 2)

#define START(pass, wide)                                                                          \
	do {                                                                                       \
		size_t stages = j->together ? 2 : WARPS;                                           \
		size_t bytes = stages * STAGE(wide) * sizeof(uint16_t);                            \
                                                                                                   \
		if (j->together)                                                                   \
			LAUNCH(pass##_##wide##_together, j->tiles, j->heads, WARPS * 32, bytes, s, \
				a);                                                                \
		else                                                                               \
			LAUNCH(pass##_##wide##_alone, BLOCKS(j->tiles, WARPS), j->heads,           \
				WARPS * 32, bytes, s, a);                                          \
	} while (0)
#define START_ANY(pass)                   \
	do {                              \
		if (a.d <= 32)            \
			START(pass, 32);  \
		else if (a.d <= 64)       \
			START(pass, 64);  \
		else                      \
			START(pass, 128); \
	} while (0)

static struct flash_args args(const struct kernels_attn *j)
{
	struct flash_args a = {*j, j->h / j->heads, 0};

	a.scale = 1.0f / sqrtf((float)a.d);
	return a;
}

void kernels_flash(struct CUstream_st *s, const struct kernels_attn *j)
{
	struct flash_args a = args(j);

	START_ANY(forward);
}

void kernels_flash_back(struct CUstream_st *s, const struct kernels_attn *j)
{
	struct flash_args a = args(j);

	START_ANY(backward_queries);
	START_ANY(backward_keys);
}
