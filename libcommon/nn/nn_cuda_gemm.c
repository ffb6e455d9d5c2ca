/*
 * nn_cuda_gemm.c: matrix products by cuBLASLt; see nn_cuda.h.
 *
 * One idea: how a product is done (its algorithm) is chosen once for the sizes of the matrices and
 * a round number of rows, not for the rows at hand, and if it can be without sums split over blocks
 * where the rows are results. So a row has the same bits in any batch, and equal shapes have equal
 * bits.
 *
 * cuBLASLt stores by columns: its view of our [m,n] is the transposed [n,m]. So we ask for
 * c^T = op(b)^T op(a)^T: b is its first factor, and a matrix that we do not transpose it does not
 * either.
 */
#include "nn/nn_cuda.h"

#include "base/mem.h"

enum {
	PLAN_ROWS = 16384,     /* what a batch is taken for: enough for the largest tiles */
	WORKSPACE = 32u << 20, /* bytes, as NVIDIA recommends for Hopper */
	ALIGN_MAX = 256
};

static void check(struct nn_cuda *c, cublasStatus_t s)
{
	if (s != CUBLAS_STATUS_SUCCESS)
		nn_cuda_fail(c, false, "cuBLASLt: error %d in a matrix product", (int)s);
}

/* One product, as cuBLASLt wants it described. */
struct product {
	cublasLtMatmulDesc_t op;
	cublasLtMatrixLayout_t a, b, c; /* its a is our b */
};

static void describe(struct nn_cuda *c, const struct nn_cuda_plan *p, struct product *x)
{
	cudaDataType_t type = c->q.fp32 ? CUDA_R_32F : CUDA_R_16BF;
	cublasOperation_t first = p->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
	cublasOperation_t second = p->ta ? CUBLAS_OP_T : CUBLAS_OP_N;

	check(c, cublasLtMatmulDescCreate(&x->op, CUBLAS_COMPUTE_32F, CUDA_R_32F));
	check(c, cublasLtMatmulDescSetAttribute(
			 x->op, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)));
	check(c, cublasLtMatmulDescSetAttribute(
			 x->op, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)));
	check(c, cublasLtMatrixLayoutCreate(&x->a, type, p->tb ? p->k : p->n, p->tb ? p->n : p->k,
			 (int64_t)(p->tb ? p->k : p->n)));
	check(c, cublasLtMatrixLayoutCreate(
			 &x->b, type, p->ta ? p->m : p->k, p->ta ? p->k : p->m, (int64_t)p->lda));
	check(c, cublasLtMatrixLayoutCreate(
			 &x->c, p->floats ? CUDA_R_32F : type, p->n, p->m, (int64_t)p->ldto));
}

static void forget(struct product *x)
{
	cublasLtMatrixLayoutDestroy(x->a);
	cublasLtMatrixLayoutDestroy(x->b);
	cublasLtMatrixLayoutDestroy(x->c);
	cublasLtMatmulDescDestroy(x->op);
}

static void prefer(struct nn_cuda *c, cublasLtMatmulPreference_t pref,
	cublasLtMatmulPreferenceAttributes_t what, const void *value, size_t size)
{
	check(c, cublasLtMatmulPreferenceSetAttribute(pref, what, value, size));
}

/*
 * The best algorithm for the sizes of p by cuBLASLt's own estimate; plain if it has none. whole: of
 * those that do not split sums over blocks.
 */
static void choose_of(struct nn_cuda *c, struct nn_cuda_plan *p, bool whole)
{
	cublasLtMatmulHeuristicResult_t best;
	cublasLtMatmulPreference_t pref;
	uint64_t workspace = WORKSPACE;
	uint32_t align = p->align, none = CUBLASLT_REDUCTION_SCHEME_NONE;
	struct product x;
	cublasStatus_t s;
	int found = 0;

	describe(c, p, &x);
	check(c, cublasLtMatmulPreferenceCreate(&pref));
	prefer(c, pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof(workspace));
	prefer(c, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &align, sizeof(align));
	prefer(c, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &align, sizeof(align));
	prefer(c, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &align, sizeof(align));
	prefer(c, pref, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &align, sizeof(align));
	if (whole)
		prefer(c, pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &none, sizeof(none));
	s = cublasLtMatmulAlgoGetHeuristic(c->lt, x.op, x.a, x.b, x.c, x.c, pref, 1, &best, &found);
	if (s != CUBLAS_STATUS_NOT_SUPPORTED && s != CUBLAS_STATUS_INVALID_VALUE)
		check(c, s);
	p->plain = s != CUBLAS_STATUS_SUCCESS || !found;
	if (!p->plain)
		p->algo = best.algo;
	cublasLtMatmulPreferenceDestroy(pref);
	forget(&x);
}

/*
 * Where the rows are results, sums are rather not split; if that cannot be had they are, always in
 * the same way.
 */
static void choose(struct nn_cuda *c, struct nn_cuda_plan *p)
{
	choose_of(c, p, !p->ta);
	if (p->plain && !p->ta)
		choose_of(c, p, false);
}

/* The largest power of two, up to ALIGN_MAX, that divides the address. */
static unsigned alignment(const void *p)
{
	uintptr_t a = (uintptr_t)p | ALIGN_MAX;

	return (unsigned)(a & -a);
}

/* The plan of exactly these sizes. */
static const struct nn_cuda_plan *find(struct nn_cuda *c, struct nn_cuda_plan want)
{
	for (size_t i = 0; i < c->plans; i++) {
		const struct nn_cuda_plan *p = &c->plan[i];

		if (p->ta == want.ta && p->tb == want.tb && p->floats == want.floats &&
			p->m == want.m && p->n == want.n && p->k == want.k && p->lda == want.lda &&
			p->ldto == want.ldto && p->align == want.align)
			return p;
	}
	choose(c, &want);
	c->plan = mem_grow(c->plan, &c->cap_plans, c->plans + 1, sizeof(*c->plan));
	c->plan[c->plans] = want;
	return &c->plan[c->plans++];
}

static size_t rounded(size_t rows)
{
	return (rows + PLAN_ROWS - 1) / PLAN_ROWS * PLAN_ROWS;
}

/* The plan for a round number of rows of the batch. */
static const struct nn_cuda_plan *plan(struct nn_cuda *c, struct nn_cuda_plan want)
{
	if (want.ta)
		want.k = rounded(want.k);
	else
		want.m = PLAN_ROWS;
	return find(c, want);
}

static void plain(struct nn_cuda *c, const struct nn_cuda_gemm *g)
{
	int half = !c->q.fp32, to = half && !g->floats;

	if (c->q.times)
		c->q.times->plain++;
	kernels_product(c->stream, (struct kernels_product){g->ta, g->tb, g->m, g->n, g->k, g->lda,
					   g->ldto, {(void *)g->a, half}, {(void *)g->b, half},
					   {(void *)g->more, to}, {g->to, to}});
}

static cublasStatus_t multiply(struct nn_cuda *c, const struct nn_cuda_gemm *g,
	const struct product *x, const struct nn_cuda_plan *p)
{
	void *workspace = nn_cuda_scratch(c, SPACE_GEMM, WORKSPACE);
	const float one = 1, beta = g->more != NULL;

	return cublasLtMatmul(c->lt, x->op, &one, g->b, x->a, g->a, x->b, &beta,
		g->more ? g->more : g->to, x->c, g->to, x->c, &p->algo, workspace, WORKSPACE,
		c->stream);
}

void nn_cuda_gemm(struct nn_cuda *c, struct nn_cuda_gemm g)
{
	struct nn_cuda_plan want = {.ta = g.ta, .tb = g.tb, .m = g.m, .n = g.n, .k = g.k};
	const struct nn_cuda_plan *p;
	cublasStatus_t s;
	struct product x;

	if (!g.lda)
		g.lda = g.ta ? g.m : g.k;
	if (!g.ldto)
		g.ldto = g.n;
	want.lda = g.lda;
	want.ldto = g.ldto;
	want.floats = g.floats || c->q.fp32;
	want.align = MIN(alignment(g.a), alignment(g.b));
	want.align = MIN(want.align, MIN(alignment(g.more ? g.more : g.to), alignment(g.to)));
	p = plan(c, want);
	nn_cuda_mark(c, g.ta ? NN_TIME_WGRAD : NN_TIME_PRODUCT);
	describe(c, &want, &x);
	s = p->plain ? CUBLAS_STATUS_NOT_SUPPORTED : multiply(c, &g, &x, p);
	if (s == CUBLAS_STATUS_NOT_SUPPORTED || s == CUBLAS_STATUS_INVALID_VALUE) {
		p = find(c, want); /* the algorithm does not take these rows: one that does */
		s = p->plain ? CUBLAS_STATUS_NOT_SUPPORTED : multiply(c, &g, &x, p);
	}
	forget(&x);
	if (s == CUBLAS_STATUS_NOT_SUPPORTED)
		plain(c, &g);
	else
		check(c, s);
}
