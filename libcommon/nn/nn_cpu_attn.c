/*
 * nn_cpu_attn.c: self-attention over packed sequences; see `attend` in nn.h.
 *
 * One idea: a task is one head of one sequence, so a product never sees another sequence's tokens
 * and nothing is masked. The probabilities are not kept: the backward pass computes them again
 * from q, k and the logarithm of the denominator (FlashAttention, arXiv 2205.14135).
 *
 * Shapes: n tokens, d = h/heads; q, k, v and their gradients are [n,d] inside rows of 3h; scores
 * are [n,n] in rows of ld, n rounded up to whole vectors.
 */
#include "nn/nn_cpu.h"

#include <math.h>
#include <string.h>

#include "nn/nn_cpu_short.h"
#include "nn/nn_cpu_vec.h"

struct job {
	struct nn_cpu *cpu;
	const struct nn_batch *b;
	size_t heads, h, d;
	float scale; /* 1/sqrt(d) */
	const float *qkv, *dout;
	float *o, *lse, *dqkv;
};

static size_t vectors(size_t n)
{
	return (n + 15) / 16 * 16;
}

static void forward(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t s = i / j->heads, head = i % j->heads, h3 = 3 * j->h;
	size_t t = j->b->cu[s], n = j->b->cu[s + 1] - t, ld = vectors(n);
	const float *q = j->qkv + t * h3 + head * j->d;
	bool is_short = n <= NN_CPU_SHORT_N && j->d % NN_CPU_SHORT_D == 0;
	float *p = nn_cpu_scratch(&j->cpu->own[worker], (n + (is_short ? j->d : 0)) * ld);
	float *o = j->o + t * j->h + head * j->d;

	if (is_short)
		nn_cpu_short_scores(n, j->d, h3, ld, q, q + j->h, p + n * ld, p);
	else
		nn_cpu_gemm('N', 'T', n, n, j->d, q, h3, q + j->h, h3, 0, p, ld);
	nn_cpu_vec_softmax(
		n, n, ld, j->scale, p, j->lse ? j->lse + t * j->heads + head : NULL, j->heads);
	if (is_short)
		nn_cpu_short_values(n, j->d, h3, ld, j->h, p, q + 2 * j->h, o);
	else
		nn_cpu_gemm('N', 'N', n, j->d, n, p, ld, q + 2 * j->h, h3, 0, o, j->h);
}

/*
 * dV = P^T dO; dP = dO V^T; dS = P (dP - rowsum(dO O)) / sqrt(d); dQ = dS K; dK = dS^T Q.
 */
static void backward(void *ctx, size_t i, unsigned worker)
{
	const struct job *j = ctx;
	size_t s = i / j->heads, head = i % j->heads, h = j->h, h3 = 3 * h;
	size_t t = j->b->cu[s], n = j->b->cu[s + 1] - t, ld = vectors(n), d = j->d;
	const float *q = j->qkv + t * h3 + head * d, *dout = j->dout + t * h + head * d;
	const float *o = j->o + t * h + head * d;
	float *dq = j->dqkv + t * h3 + head * d;
	float *p = nn_cpu_scratch(&j->cpu->own[worker], 2 * n * ld + n), *dp = p + n * ld;
	float *delta = dp + n * ld;

	for (size_t r = 0; r < n; r++)
		delta[r] = nn_cpu_vec_dot(d, dout + r * h, o + r * h);
	nn_cpu_gemm('N', 'T', n, n, d, q, h3, q + h, h3, 0, p, ld);
	nn_cpu_vec_probs(n, n, ld, j->scale, p, j->lse + t * j->heads + head, j->heads);
	nn_cpu_gemm('T', 'N', n, d, n, p, ld, dout, h, 0, dq + 2 * h, h3);
	nn_cpu_gemm('N', 'T', n, n, d, dout, h, q + 2 * h, h3, 0, dp, ld);
	nn_cpu_vec_softmax_back(n, n, ld, j->scale, p, delta, dp);
	nn_cpu_gemm('N', 'N', n, d, n, dp, ld, q + h, h3, 0, dq, h3);
	nn_cpu_gemm('T', 'N', n, d, n, dp, ld, q, h3, 0, dq + h, h3);
}

/* Rows beyond the last token are stored but mean nothing: keep them finite. */
static void clear_tail(size_t rows, size_t n, float *x)
{
	memset(x + rows * n, 0, (nn_rows(rows) - rows) * n * sizeof(*x));
}

void nn_cpu_attn(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h, const float *qkv,
	float *o, float *lse)
{
	struct job j = {.cpu = (struct nn_cpu *)nn, .b = b, .heads = heads, .h = h, .d = h / heads};

	j.scale = 1.0f / sqrtf((float)j.d);
	j.qkv = qkv;
	j.o = o;
	j.lse = lse;
	clear_tail(b->tokens, h, o);
	nn_cpu_for(j.cpu, b->seqs * heads, forward, &j);
}

void nn_cpu_attn_back(struct nn *nn, const struct nn_batch *b, size_t heads, size_t h,
	const float *qkv, const float *o, const float *lse, const float *dout, float *dqkv)
{
	struct job j = {.cpu = (struct nn_cpu *)nn, .b = b, .heads = heads, .h = h, .d = h / heads};

	j.scale = 1.0f / sqrtf((float)j.d);
	j.qkv = qkv;
	j.o = (float *)o;
	j.lse = (float *)lse;
	j.dout = dout;
	j.dqkv = dqkv;
	clear_tail(b->tokens, 3 * h, dqkv);
	nn_cpu_for(j.cpu, b->seqs * heads, backward, &j);
}
