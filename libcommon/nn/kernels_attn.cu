/*
 * kernels_attn.cu: self-attention over packed sequences of any length, in fp32; see kernels.h. Of
 * bf16 numbers kernels_flash.cu does it.
 *
 * One idea: a block has 16 rows of one head of one sequence and goes through all other rows of that
 * sequence 32 at a time, so nothing is padded and no score leaves the chip (FlashAttention, arXiv
 * 2205.14135). A warp has four of the rows; in the products with the other rows a lane is one of
 * the 32, in the sums over them a lane is a column, 32 columns apart. The backward pass is the same
 * walk twice, once with queries as rows (dQ), once with keys (dK, dV): nothing is added by two.
 *
 * Shapes: d = h/heads; q, k, v are [n,d] in rows of 3h; own rows are stored transposed, [d,4] for
 * each warp; other rows [32,d] in rows of d+1, so that the lanes meet 32 different banks.
 */
#include "nn/kernels.h"

#include <float.h>

#include "nn/kernels_lang.h"

enum { OWN = 4, WARPS = KERNELS_ATTN_ROWS / OWN, OTHERS = 32, COLUMNS = KERNELS_ATTN_WIDTH / 32 };

struct attn_args {
	struct kernels_attn j;
	size_t d;
	float scale; /* 1/sqrt(d) */
	int keys;    /* backward: own rows are keys */
};

/* Where a block works. */
struct place {
	size_t seq; /* first token of the sequence */
	size_t n;   /* its tokens */
	size_t row,
		own; /* first row of this warp in the sequence, and how many there are, 0 to 4 */
	size_t head;
	size_t warp;
};

DEVICE struct place find(const struct kernels_attn *j)
{
	const uint32_t *t = j->tile + 2 * (size_t)blockIdx.x;
	struct place p;

	p.seq = j->cu[t[0]];
	p.n = j->cu[t[0] + 1] - p.seq;
	p.warp = threadIdx.x / 32;
	p.row = t[1] + p.warp * OWN;
	p.own = p.row < p.n ? MIN(p.n - p.row, (size_t)OWN) : 0;
	p.head = blockIdx.y;
	return p;
}

/* x begins at the number `at`, rows are ld apart. to[i,r] = x[r,i] for the own rows of the warp; 0
 * for rows that are not there. */
DEVICE void load_own(
	const struct place *p, size_t d, struct kernels_act x, size_t at, size_t ld, float *to)
{
	for (size_t r = 0; r < OWN; r++)
		for (size_t i = LANE; i < d; i += 32)
			to[i * OWN + r] = r < p->own ? act_get(x, at + (p->row + r) * ld + i) : 0;
}

/* to[r,i] = x[first + r, i], by the whole block. */
DEVICE void load_others(const struct place *p, size_t first, size_t d, struct kernels_act x,
	size_t at, size_t ld, float *to)
{
	for (size_t r = p->warp; r < OTHERS; r += WARPS)
		for (size_t i = LANE; i < d; i += 32)
			to[r * (d + 1) + i] =
				first + r < p->n ? act_get(x, at + (first + r) * ld + i) : 0;
}

/* s[r] = own row r times the other row of this lane. */
DEVICE void products(size_t d, const float *own, const float *others, float s[OWN])
{
	for (int r = 0; r < OWN; r++)
		s[r] = 0;
	others += LANE * (d + 1);
	for (size_t i = 0; i < d; i++) {
		float x = others[i];

		UNROLL
		for (int r = 0; r < OWN; r++)
			s[r] += own[i * OWN + r] * x;
	}
}

/* The columns lane, lane + 32, ... of the own rows. `columns`, known at compile time, are in use.
 */
struct sums {
	float v[OWN][COLUMNS];
};

DEVICE void clear(struct sums *s)
{
	UNROLL
	for (int r = 0; r < OWN; r++) {
		UNROLL
		for (int c = 0; c < COLUMNS; c++)
			s->v[r][c] = 0;
	}
}

/* s[r] += the sum over the first n other rows k of w[k,r] x[k]. */
DEVICE void accumulate(
	struct sums *s, int columns, size_t n, size_t d, const float *w, const float *x)
{
	for (size_t k = 0; k < n; k++) {
		UNROLL
		for (int c = 0; c < columns; c++) {
			size_t i = LANE + 32 * (size_t)c;
			float v = i < d ? x[k * (d + 1) + i] : 0;

			UNROLL
			for (int r = 0; r < OWN; r++)
				s->v[r][c] += w[k * OWN + r] * v;
		}
	}
}

/* y[r] = s[r] times[r] for the own rows; rows of y are ld apart. */
DEVICE void store(const struct place *p, const struct sums *s, int columns, size_t d,
	const float times[OWN], struct kernels_act y, size_t at, size_t ld)
{
	UNROLL
	for (int r = 0; r < OWN; r++) {
		UNROLL
		for (int c = 0; c < columns; c++) {
			size_t i = LANE + 32 * (size_t)c;

			if ((size_t)r < p->own && i < d)
				act_put(y, at + (p->row + (size_t)r) * ld + i,
					s->v[r][c] * times[r]);
		}
	}
}

/* Floats of shared memory: own rows, weights, other rows. */
static inline size_t forward_shared(size_t d)
{
	return WARPS * OWN * d + WARPS * OWN * OTHERS + 2 * OTHERS * (d + 1);
}

static inline size_t backward_shared(size_t d)
{
	return forward_shared(d) + WARPS * OWN * d + WARPS * OWN * OTHERS;
}

/*
 * The softmax over the keys seen so far: their largest score, the sum of exp(score - top), and
 * the sum of exp(score - top) v. When a larger score turns up the sums are scaled by
 * exp(old top - new).
 */
struct softmax {
	float top[OWN], sum[OWN];
	struct sums o;
};

/* Takes the next n keys k and their values v; w[k,r]: shared memory of the warp. */
DEVICE void step(const struct attn_args *a, int columns, size_t n, const float *own, const float *k,
	const float *v, float *w, struct softmax *f)
{
	float s[OWN];

	products(a->d, own, k, s);
	UNROLL
	for (int r = 0; r < OWN; r++) {
		float x = LANE < n ? s[r] * a->scale : -FLT_MAX;
		float top = fmaxf(f->top[r], warp_max(x)), fade = expf(f->top[r] - top);
		float e = LANE < n ? expf(x - top) : 0;

		f->sum[r] = f->sum[r] * fade + warp_sum(e);
		f->top[r] = top;
		w[LANE * OWN + r] = e;
		UNROLL
		for (int c = 0; c < columns; c++)
			f->o.v[r][c] *= fade;
	}
	__syncwarp(ALL_LANES);
	accumulate(&f->o, columns, n, a->d, w, v);
}

DEVICE void forward(const struct attn_args *a, int columns)
{
	SHARED(shared);
	struct place p = find(&a->j);
	size_t d = a->d, h = a->j.h, ld = 3 * h;
	size_t q = p.seq * ld + p.head * d; /* where it begins in qkv */
	float *own = shared + p.warp * OWN * d;
	float *w = shared + WARPS * OWN * d + p.warp * OWN * OTHERS;
	float *k = shared + WARPS * OWN * (d + OTHERS), *v = k + OTHERS * (d + 1);
	struct softmax f;

	clear(&f.o);
	for (int r = 0; r < OWN; r++) {
		f.top[r] = -FLT_MAX;
		f.sum[r] = 0;
	}
	load_own(&p, d, a->j.qkv, q, ld, own);
	for (size_t j = 0; j < p.n; j += OTHERS) {
		size_t n = MIN(p.n - j, (size_t)OTHERS);

		load_others(&p, j, d, a->j.qkv, q + h, ld, k);
		load_others(&p, j, d, a->j.qkv, q + 2 * h, ld, v);
		__syncthreads();
		if (p.own) /* the same for the whole warp */
			step(a, columns, n, own, k, v, w, &f);
		__syncthreads();
	}
	for (int r = 0; r < OWN; r++) {
		if (a->j.lse && LANE == 0 && (size_t)r < p.own)
			a->j.lse[(p.seq + p.row + (size_t)r) * a->j.heads + p.head] =
				f.top[r] + logf(f.sum[r]);
		f.sum[r] = 1.0f / f.sum[r];
	}
	store(&p, &f.o, columns, d, f.sum, a->j.o, p.seq * h + p.head * d, h);
}

KERNEL(forward_32, attn_args, WARPS * 32, 8)
{
	forward(&a, 1);
}

KERNEL(forward_64, attn_args, WARPS * 32, 8)
{
	forward(&a, 2);
}

KERNEL(forward_128, attn_args, WARPS * 32, 6)
{
	forward(&a, 4);
}

/* delta[t,head] = the sum of dO O over the head: one warp each. */
KERNEL(dout_o, attn_args, 256, 8)
{
	size_t i = WARP, at = i / a.j.heads * a.j.h + i % a.j.heads * a.d;
	float sum = 0;

	if (i >= a.j.tokens * a.j.heads)
		return;
	for (size_t c = LANE; c < a.d; c += 32)
		sum += act_get(a.j.dout, at + c) * act_get(a.j.o, at + c);
	sum = warp_sum(sum);
	if (LANE == 0)
		a.j.delta[i] = sum;
}

/* Shared memory of the backward pass, in the order of use below. */
struct workplace {
	float *own1, *own2;     /* q or k; dO or v */
	float *other1, *other2; /* k or q; v or dO */
	float *ds, *e;          /* [OTHERS,OWN] of the warp: dS, P */
};

DEVICE struct workplace share(float *shared, size_t warp, size_t d)
{
	struct workplace w;

	w.own1 = shared + warp * OWN * d;
	w.own2 = w.own1 + WARPS * OWN * d;
	w.ds = shared + 2 * WARPS * OWN * d + warp * OWN * OTHERS;
	w.e = w.ds + WARPS * OWN * OTHERS;
	w.other1 = shared + 2 * WARPS * OWN * (d + OTHERS);
	w.other2 = w.other1 + OTHERS * (d + 1);
	return w;
}

/*
 * P = exp(scale q.k - lse) and dS = P (dO.v - delta) scale of the own rows and the n other ones
 * from j on.
 */
DEVICE void weigh(
	const struct attn_args *a, const struct place *p, size_t j, size_t n, struct workplace w)
{
	const float *lse = a->j.lse + p->seq * a->j.heads + p->head;
	const float *delta = a->j.delta + p->seq * a->j.heads + p->head;
	float s[OWN], t[OWN];

	products(a->d, w.own1, w.other1, s);
	products(a->d, w.own2, w.other2, t);
	UNROLL
	for (int r = 0; r < OWN; r++) {
		size_t query = (a->keys ? j + LANE : p->row + (size_t)r) * a->j.heads;
		float e = 0, ds = 0;

		if (LANE < n && (size_t)r < p->own) {
			e = expf(s[r] * a->scale - lse[query]);
			ds = e * (t[r] - delta[query]) * a->scale;
		}
		w.e[LANE * OWN + r] = e;
		w.ds[LANE * OWN + r] = ds;
	}
	__syncwarp(ALL_LANES);
}

/*
 * Own rows are queries: dQ = the sum over keys of dS k. Own rows are keys: dK = the sum over
 * queries of dS q, and dV that of P dO.
 */
DEVICE void backward(const struct attn_args *a, int columns)
{
	SHARED(shared);
	struct place p = find(&a->j);
	size_t d = a->d, h = a->j.h, ld = 3 * h, at = p.seq * ld + p.head * d;
	size_t k = at + h, v = k + h, dout = p.seq * h + p.head * d;
	struct workplace w = share(shared, p.warp, d);
	float one[OWN] = {1, 1, 1, 1};
	struct sums sum1, sum2;

	clear(&sum1);
	clear(&sum2);
	load_own(&p, d, a->j.qkv, a->keys ? k : at, ld, w.own1);
	load_own(&p, d, a->keys ? a->j.qkv : a->j.dout, a->keys ? v : dout, a->keys ? ld : h,
		w.own2);
	for (size_t j = 0; j < p.n; j += OTHERS) {
		size_t n = MIN(p.n - j, (size_t)OTHERS);

		load_others(&p, j, d, a->j.qkv, a->keys ? at : k, ld, w.other1);
		load_others(&p, j, d, a->keys ? a->j.dout : a->j.qkv, a->keys ? dout : v,
			a->keys ? h : ld, w.other2);
		__syncthreads();
		if (p.own) { /* the same for the whole warp */
			weigh(a, &p, j, n, w);
			accumulate(&sum1, columns, n, d, w.ds, w.other1);
			if (a->keys)
				accumulate(&sum2, columns, n, d, w.e, w.other2);
		}
		__syncthreads();
	}
	store(&p, &sum1, columns, d, one, a->j.dqkv, a->keys ? k : at, ld);
	if (a->keys)
		store(&p, &sum2, columns, d, one, a->j.dqkv, v, ld);
}

KERNEL(backward_32, attn_args, WARPS * 32, 8)
{
	backward(&a, 1);
}

KERNEL(backward_64, attn_args, WARPS * 32, 8)
{
	backward(&a, 2);
}

KERNEL(backward_128, attn_args, WARPS * 32, 6)
{
	backward(&a, 4);
}

static struct attn_args args(const struct kernels_attn *j)
{
	struct attn_args a = {*j, j->h / j->heads, 0, 0};

	a.scale = 1.0f / sqrtf((float)a.d);
	return a;
}

void kernels_attn(struct CUstream_st *s, struct kernels_attn j)
{
	struct attn_args a = args(&j);
	size_t bytes = forward_shared(a.d) * sizeof(float);

	if (j.qkv.half)
		kernels_flash(s, &j);
	else if (a.d <= 32)
		LAUNCH(forward_32, j.tiles, j.heads, WARPS * 32, bytes, s, a);
	else if (a.d <= 64)
		LAUNCH(forward_64, j.tiles, j.heads, WARPS * 32, bytes, s, a);
	else
		LAUNCH(forward_128, j.tiles, j.heads, WARPS * 32, bytes, s, a);
}

void kernels_attn_back(struct CUstream_st *s, struct kernels_attn j)
{
	struct attn_args a = args(&j);
	size_t bytes = backward_shared(a.d) * sizeof(float);

	LAUNCH(dout_o, BLOCKS(j.tokens * j.heads, 8), 1, 256, 0, s, a);
	if (j.qkv.half) {
		kernels_flash_back(s, &j);
		return;
	}
	for (a.keys = 0; a.keys < 2; a.keys++) {
		if (a.d <= 32)
			LAUNCH(backward_32, j.tiles, j.heads, WARPS * 32, bytes, s, a);
		else if (a.d <= 64)
			LAUNCH(backward_64, j.tiles, j.heads, WARPS * 32, bytes, s, a);
		else
			LAUNCH(backward_128, j.tiles, j.heads, WARPS * 32, bytes, s, a);
	}
}
