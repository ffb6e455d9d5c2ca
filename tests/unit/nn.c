/*
 * nn.c: the CPU backend and the encoder on it: exact functions, packing, threads, optimiser.
 */
#include "tests/unit.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "nn/loss.h"
#include "nn/nn_cpu_bytes.h"
#include "nn/nn_cpu_vec.h"
#include "nn/optim.h"

static void functions(void)
{
	enum { N = 20001 };
	float *u = mem_alloc(N, sizeof(*u)), *y = mem_alloc(N, sizeof(*y));
	float *d = mem_alloc(N, sizeof(*d)), *zero = mem_zalloc(N, sizeof(*zero));
	double eg = 0, ed = 0, et = 0;

	for (int i = 0; i < N; i++) {
		u[i] = (float)(i - N / 2) * 1e-3f;
		d[i] = 1;
	}
	nn_cpu_vec_bias_gelu(1, N, zero, u, y);
	nn_cpu_vec_gelu_grad(N, u, d);
	for (int i = 0; i < N; i++) {
		double x = u[i], phi = 0.5 * (1 + erf(x / sqrt(2)));

		eg = fmax(eg, fabs(y[i] - x * phi) / fmax(1, fabs(x)));
		ed = fmax(ed, fabs(d[i] - phi - x * exp(-x * x / 2) / sqrt(2 * M_PI)));
	}
	nn_cpu_vec_bias_tanh(1, N, zero, u);
	for (int i = 0; i < N; i++)
		et = fmax(et, fabs(u[i] - tanh((float)(i - N / 2) * 1e-3f)));
	printf("gelu %.2g, its derivative %.2g, tanh %.2g\n", eg, ed, et);
	CHECK(eg < 5e-7);
	CHECK(ed < 1e-6);
	CHECK(et < 5e-7);
	mem_free(u);
	mem_free(y);
	mem_free(d);
	mem_free(zero);
}

/* From sums to the bytes of their GELU: within half a byte and what gelu may be off. */
static void bytes(void)
{
	enum { N = 20001 };
	float *one = mem_alloc(N, sizeof(*one)), *none = mem_zalloc(N, sizeof(*none));
	float *buf = mem_alloc(N, sizeof(*buf));
	int32_t *sum = mem_alloc(N, sizeof(*sum));
	uint8_t *q = mem_alloc(N, 1);
	double off = 0, rounded = 0;

	for (int reach = 1; reach <= 1000; reach *= 10) {
		struct nn_cpu_bytes_row row = {1, 0};
		struct nn_cpu_bytes_col col = {one, none};

		for (int i = 0; i < N; i++) {
			one[i] = 1e-6f * (float)reach;
			sum[i] = (i - N / 2);
		}
		nn_cpu_bytes_gelu(1, N, 255, sum, N, &row, &col, none, buf, q, N);
		for (int i = 0; i < N; i++) {
			double x = (double)one[i] * sum[i], y = x * 0.5 * (1 + erf(x / sqrt(2)));

			off = fmax(off, fabs(buf[i] - y) / fmax(1, fabs(x) / 4));
			rounded = fmax(
				rounded, fabs(row.scale * (q[i] - row.zero) - buf[i]) / row.scale);
		}
	}
	printf("gelu for bytes %.2g, rounding %.3f of a byte\n", off, rounded);
	CHECK(off < 2e-4);
	CHECK(rounded < 0.51);
	mem_free(one);
	mem_free(none);
	mem_free(buf);
	mem_free(sum);
	mem_free(q);
}

/* Softmax, its logarithm and cross entropy of one row against double precision. */
static void rows(void)
{
	enum { N = 37, LD = 48 };
	float s[LD], q[LD], b[N] = {0}, lse, loss;
	double sum = 0, worst = 0;
	struct rng r = rng_new(2, 0);
	uint32_t best;

	for (int i = 0; i < N; i++) {
		s[i] = q[i] = 4 * rng_normal(&r);
		sum += exp(0.5 * (double)s[i]);
	}
	nn_cpu_vec_softmax(1, N, LD, 0.5f, q, &lse, 1);
	for (int i = 0; i < N; i++)
		worst = fmax(worst, fabs(q[i] - exp(0.5 * (double)s[i]) / sum));
	CHECK(worst < 1e-6);
	CHECK(fabs(lse - log(sum)) < 1e-5);
	CHECK(q[N] == 0 && q[LD - 1] == 0);
	memcpy(q, s, sizeof(s));
	nn_cpu_vec_probs(1, N, LD, 0.5f, q, &lse, 1);
	CHECK(fabs(q[3] - exp(0.5 * (double)s[3]) / sum) < 1e-5);
	sum = 0;
	for (int i = 0; i < N; i++)
		sum += exp((double)s[i]);
	memcpy(q, s, sizeof(s));
	loss = nn_cpu_vec_xent(N, b, 5, 2, q, &best);
	CHECK(fabs(loss - (log(sum) - s[5])) < 1e-5);
	CHECK(fabs(q[5] - 2 * (exp((double)s[5]) / sum - 1)) < 1e-5);
	for (int i = 0; i < N; i++)
		CHECK(s[i] <= s[best]);
}

enum { MAXT = 3000 };

struct data {
	uint32_t cu[65], ids[MAXT], pos[MAXT], row[MAXT], want[MAXT], label[64];
	uint8_t types[MAXT];
	struct nn_batch b;
	struct model_targets t;
};

/* Sequences of the given lengths with tokens that depend on the sequence's name alone. */
static void fill(
	struct data *d, size_t n, const unsigned *name, const unsigned *len, uint32_t vocab)
{
	memset(d, 0, sizeof(*d));
	for (size_t s = 0; s < n; s++) {
		struct rng r = rng_new(11, name[s]);
		uint32_t at = d->cu[s];

		for (uint32_t i = 0; i < len[s]; i++) {
			d->ids[at + i] = (uint32_t)rng_below(&r, vocab);
			d->pos[at + i] = i;
			d->types[at + i] = i > len[s] / 2;
			if (i % 3 == 1) {
				d->row[d->t.masked] = at + i;
				d->want[d->t.masked++] = (uint32_t)rng_below(&r, vocab);
			}
		}
		d->label[s] = name[s] & 1;
		d->cu[s + 1] = at + len[s];
	}
	d->b = (struct nn_batch){.tokens = d->cu[n],
		.seqs = n,
		.cu = d->cu,
		.ids = d->ids,
		.pos = d->pos,
		.types = d->types};
	d->t = (struct model_targets){.masked = d->t.masked,
		.row = d->row,
		.want = d->want,
		.label = d->label,
		.elm_scale = 1.0f / (float)d->t.masked,
		.ssm_scale = 1.0f / (float)n};
}

static const unsigned name[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const unsigned len[12] = {3, 64, 17, 1, 130, 2, 33, 127, 31, 512, 16, 65};

/* A sequence's vector has the same bits alone and among any others. */
static void packing(uint32_t h, uint32_t heads, uint32_t f, bool round)
{
	struct model_config c = {
		500, h, 2, heads, f, 512, 2, 1e-12f, 0.05f, MODEL_PRETRAINING, 0, 0, 0};
	struct nn *nn = nn_cpu_open(2);
	struct model *m = model_new(nn, &c);
	struct data *d = mem_alloc(1, sizeof(*d));
	float *all = mem_alloc(12 * h, sizeof(*all)), *one = mem_alloc(h, sizeof(*one));

	model_init(m, 5);
	model_update(m);
	CHECK(!round || model_round(m) == 0);
	fill(d, 12, name, len, 500);
	model_embed(m, &d->b, 2, false, all);
	for (size_t i = 0; i < 12; i++) {
		fill(d, 1, name + i, len + i, 500);
		model_embed(m, &d->b, 2, false, one);
		CHECK(memcmp(one, all + i * h, h * sizeof(*one)) == 0);
	}
	mem_free(all);
	mem_free(one);
	mem_free(d);
	model_free(m);
	nn->op->close(nn);
}

/* Rounded to 8 bits the vectors change, but little: the mean cosine. */
static void rounding(uint32_t h, uint32_t heads, uint32_t f)
{
	struct model_config c = {
		500, h, 2, heads, f, 512, 2, 1e-12f, 0.1f, MODEL_PRETRAINING, 0, 0, 0};
	struct nn *nn = nn_cpu_open(2);
	struct model *m = model_new(nn, &c);
	struct data *d = mem_alloc(1, sizeof(*d));
	float *x = mem_alloc(12 * h, sizeof(*x)), *y = mem_alloc(12 * h, sizeof(*y));
	double sum = 0;

	model_init(m, 5);
	for (size_t i = m->nmatrix; i < m->nparam; i++)
		m->param[i] += 0.3f * sinf((float)i);
	model_update(m);
	fill(d, 12, name, len, 500);
	model_embed(m, &d->b, 2, false, x);
	CHECK(model_round(m) == 0);
	model_embed(m, &d->b, 2, false, y);
	for (size_t i = 0; i < 12; i++)
		sum += loss_cosine(h, x + i * h, y + i * h);
	printf("8 bits, %u wide: cosine %.6f\n", h, sum / 12);
	CHECK(sum / 12 > 0.995 && sum / 12 < 0.99999999);
	mem_free(x);
	mem_free(y);
	mem_free(d);
	model_free(m);
	nn->op->close(nn);
}

/* Three steps of training with that many threads; returns the parameters. */
static float *train(unsigned threads, size_t *n, double *first, double *last)
{
	struct model_config c = {
		300, 48, 2, 4, 100, 512, 2, 1e-12f, 0.05f, MODEL_PRETRAINING, 0, 0, 0};
	struct nn *nn = nn_cpu_open(threads);
	struct model *m = model_new(nn, &c);
	struct optim o = optim_new(m, 1e-3f);
	struct data *d = mem_alloc(1, sizeof(*d));
	float *p;

	model_init(m, 5);
	model_update(m);
	fill(d, 12, name, len, 300);
	for (int i = 0; i < 8; i++) {
		struct model_losses l;

		model_zero_grad(m);
		model_pretrain(m, &d->b, &d->t, true, &l);
		*last = l.elm * (double)d->t.elm_scale + l.ssm * (double)d->t.ssm_scale;
		if (i == 0)
			*first = *last;
		CHECK(isfinite(optim_step(&o, m)));
	}
	*n = m->nparam;
	p = mem_alloc(*n, sizeof(*p));
	memcpy(p, m->param, *n * sizeof(*p));
	optim_free(&o, m);
	model_free(m);
	nn->op->close(nn);
	mem_free(d);
	return p;
}

static void threads(void)
{
	size_t n;
	double first, last;
	float *p = train(1, &n, &first, &last);

	printf("loss %.4f, after 7 steps %.4f\n", first, last);
	CHECK(last < first - 0.1);
	for (unsigned t = 2; t <= 3; t++) {
		float *q = train(t, &n, &first, &last);

		CHECK(memcmp(p, q, n * sizeof(*p)) == 0);
		mem_free(q);
	}
	mem_free(p);
}

/* The operations that are easy to state, against their definition. */
static void products(void)
{
	static const size_t sizes[][3] = {{1, 1, 1}, {31, 33, 17}, {65, 127, 513}, {64, 2, 100}};
	struct nn *nn = nn_cpu_open(2);

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		size_t t = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
		float *x = nn->op->alloc(nn, nn_rows(t) * k), *w = nn->op->alloc(nn, n * k);
		float *wt = nn->op->alloc(nn, nn->op->prepared(nn, n, k)),
		      *b = nn->op->alloc(nn, n);
		float *y = nn->op->alloc(nn, nn_rows(t) * n);
		struct nn_dense d = {.w = w, .wt = wt, .b = b, .n = n, .k = k};
		struct rng r = rng_new(8, i);
		double worst = 0;

		for (size_t j = 0; j < t * k; j++)
			x[j] = rng_normal(&r);
		for (size_t j = 0; j < n * k; j++)
			w[j] = rng_normal(&r);
		for (size_t j = 0; j < n; j++)
			b[j] = rng_normal(&r);
		nn->op->prepare(nn, w, wt, n, k);
		nn->op->dense(nn, t, &d, NN_LINEAR, x, NULL, y);
		for (size_t a = 0; a < t; a++) {
			for (size_t o = 0; o < n; o++) {
				double s = b[o];

				for (size_t j = 0; j < k; j++)
					s += (double)x[a * k + j] * w[o * k + j];
				worst = fmax(worst, fabs(s - y[a * n + o]));
			}
		}
		CHECK(worst < 1e-5 * sqrt((double)k) + 1e-6);
		nn->op->free(nn, x);
		nn->op->free(nn, w);
		nn->op->free(nn, wt);
		nn->op->free(nn, b);
		nn->op->free(nn, y);
	}
	nn->op->close(nn);
}

static void losses(void)
{
	const float a[4] = {1, 2, 3, 4}, b[4] = {-4, 3, -2, 1},
		    s[5] = {0.1f, 0.9f, 0.5f, 0.5f, 0.2f};
	const uint8_t yes[5] = {0, 1, 1, 0, 0};
	float da[4] = {0}, db[4] = {0};

	CHECK(fabs(loss_cosine(4, a, a) - 1) < 1e-12);
	CHECK(fabs(loss_cosine(4, a, b)) < 1e-12);
	CHECK(fabs(loss_cosine_mse(4, a, b, 1, 1, da, db) - 1) < 1e-12);
	CHECK(fabs(loss_auc(5, s, yes) - 5.5 / 6) < 1e-12);
}

static void rates(void)
{
	struct optim o = {.lr = 1, .warmup = 9, .total = 109};

	CHECK(fabsf(optim_rate(&o) - 0.1f) < 1e-6f);
	o.step = 9;
	CHECK(optim_rate(&o) == 1);
	o.step = 59;
	CHECK(fabsf(optim_rate(&o) - 0.5f) < 1e-6f);
	o.step = 109;
	CHECK(optim_rate(&o) == 0);
}

int main(void)
{
	functions();
	bytes();
	rows();
	products();
	for (int round = 0; round < 2; round++) {
		packing(384, 6, 1536, round);
		packing(100, 5, 52, round);
		packing(128, 2, 512, round);
	}
	rounding(384, 6, 1536);
	rounding(100, 5, 52);
	threads();
	losses();
	rates();
	return unit_done();
}
