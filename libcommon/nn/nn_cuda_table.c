/*
 * nn_cuda_table.c: rows of tables, added up and back: the embedding layer, and the step of an LSTM
 * whose input is a symbol; see nn_cuda.h.
 *
 * One idea: what many rows add to one row of a table is summed by lists, which the host makes by a
 * counting sort: a chunk of a list is a block's, and the chunks are added in their order. So no
 * float is added by two at once, and equal input gives equal bits.
 */
#include "nn/nn_cuda.h"

#include "base/buf.h"
#include "base/mem.h"

/* ---- lists ---- */

/*
 * Counts the parts that the lists of rows will be cut into; count[i]: items of row i. all: rows
 * without items have a list, too.
 */
static struct kernels_lists lists_size(const uint32_t *count, size_t rows, bool all)
{
	struct kernels_lists l = {0};

	for (size_t i = 0; i < rows; i++) {
		l.lists += all || count[i];
		l.chunks += (count[i] + KERNELS_CHUNK - 1) / KERNELS_CHUNK;
	}
	return l;
}

/*
 * The items 0 to n of each row that index names, in their order (a counting sort), as lists on the
 * device; see kernels.h. rows: all of them have a list; 0: those with items.
 */
static struct kernels_lists lists_make(
	struct nn_cuda *c, enum nn_cuda_uploads u, size_t n, const uint32_t *index, size_t rows)
{
	bool whole = rows > 0;
	uint32_t *count, *all, *row, *first, *start, *order, at = 0;
	struct kernels_lists l;
	const uint32_t *there;
	size_t size, list = 0, chunk = 0;

	for (size_t i = 0; i < n; i++)
		rows = MAX(rows, (size_t)index[i] + 1);
	count = mem_zalloc(rows, sizeof(*count));
	for (size_t i = 0; i < n; i++)
		count[index[i]]++;
	l = lists_size(count, rows, whole);
	size = l.lists + (l.lists + 1) + (l.chunks + 1) + n;
	all = mem_alloc(size, sizeof(*all));
	row = all;
	first = row + l.lists;
	start = first + l.lists + 1;
	order = start + l.chunks + 1;
	for (uint32_t r = 0; r < rows; r++) {
		uint32_t end = at + count[r];

		if (!whole && !count[r])
			continue;
		row[list] = r;
		first[list++] = (uint32_t)chunk;
		for (uint32_t i = at; i < end; i += KERNELS_CHUNK)
			start[chunk++] = i;
		count[r] = at; /* from here on: where the next item goes */
		at = end;
	}
	first[list] = (uint32_t)chunk;
	start[chunk] = at;
	for (size_t i = 0; i < n; i++)
		order[count[index[i]]++] = (uint32_t)i;
	there = nn_cuda_upload(c, u, all, size * sizeof(*all), NULL);
	l.row = there;
	l.first = there + (first - all);
	l.start = there + (start - all);
	l.order = there + (order - all);
	mem_free(count);
	mem_free(all);
	return l;
}

/* table[index[i]] += x[i] for i < n; rows of h. u: where the lists go. */
static void add_rows(struct nn_cuda *c, enum nn_cuda_uploads u, size_t n, size_t h,
	const uint32_t *index, const float *x, float *table)
{
	struct kernels_lists l = lists_make(c, u, n, index, 0);
	float *part = nn_cuda_floats(c, SPACE_PART, l.chunks * h);

	kernels_sum_lists(nn_cuda_on(c, NN_TIME_SUM), l, h, nn_cuda_act(c, x), part, table);
}

/* half[.][v] = the halves of the sum of x[i] over the i with index[i] = v; for v < rows. */
static void sum_halves(struct nn_cuda *c, size_t n, size_t h, const uint32_t *index, size_t rows,
	const float *x, float *const half[2])
{
	struct kernels_lists l = lists_make(c, UP_VECTORS, n, index, rows);
	const struct kernels_act to[2] = {nn_cuda_act(c, half[0]), nn_cuda_act(c, half[1])};
	float *part = nn_cuda_floats(c, SPACE_PART, l.chunks * h);

	kernels_sum_halves(nn_cuda_on(c, NN_TIME_SUM), l, h, nn_cuda_act(c, x), part, to);
}

/* ---- the embedding layer ---- */

static const uint32_t *upload_index(
	struct nn_cuda *c, enum nn_cuda_uploads u, const uint32_t *index, size_t n)
{
	return nn_cuda_upload(c, u, index, n * sizeof(*index), NULL);
}

void nn_cuda_embed(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e, float *x,
	const struct nn_kept *kept)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	struct kernels_norm k = nn_cuda_norm(c, b->tokens, e->h, &e->norm, x, kept);
	struct kernels_embed j = {
		.word = e->word, .position = e->pos, .type = e->type, .operand = e->op};
	size_t t = b->tokens;

	if (!t)
		return;
	j.ids = upload_index(c, UP_IDS, b->ids, t);
	j.pos = upload_index(c, UP_POS, b->pos, t);
	j.types = nn_cuda_upload(c, UP_TYPES, b->types, t, NULL);
	if (e->op)
		j.op = upload_index(c, UP_OPS, b->op, t);
	if (e->value[0]) {
		j.value = upload_index(c, UP_VALUES, b->value, t);
		for (int i = 0; i < 2; i++)
			j.vector[i] = nn_cuda_act(c, e->value[i]);
	}
	kernels_embed(nn_cuda_on(c, NN_TIME_NORM), k, j);
	nn_cuda_launched(c);
}

void nn_cuda_embed_back(struct nn *nn, const struct nn_batch *b, const struct nn_embed *e,
	const struct nn_embed_grad *g, float *dx, const struct nn_kept *kept)
{
	struct nn_cuda *c = nn_cuda_of(nn);
	size_t t = b->tokens;
	uint32_t *types;

	if (!t)
		return;
	nn_cuda_norm_back(nn, t, e->h, &e->norm, &g->norm, dx, kept, dx);
	types = mem_alloc(t, sizeof(*types));
	for (size_t i = 0; i < t; i++)
		types[i] = b->types[i];
	add_rows(c, UP_WORDS, t, e->h, b->ids, dx, g->word);
	add_rows(c, UP_POSITIONS, t, e->h, b->pos, dx, g->pos);
	add_rows(c, UP_TOKEN_TYPES, t, e->h, types, dx, g->type);
	if (g->op)
		add_rows(c, UP_OPERANDS, t, e->h, b->op, dx, g->op);
	if (g->value[0])
		sum_halves(c, t, e->h, b->value, b->nvalues, dx, g->value);
	mem_free(types);
	nn_cuda_launched(c);
}

/* ---- an LSTM ---- */

/*
 * The slot that holds these symbols, or will: 0 to NN_CUDA_STEPS. A slot of its own for each of the
 * steps, in both directions and on the way back the same ones: else each step would wait until the
 * device has fetched the symbols of the one before.
 */
static unsigned slot_of(struct nn_cuda *c, const uint16_t *in, size_t bytes)
{
	for (unsigned i = 0; i < NN_CUDA_STEPS; i++)
		if (nn_cuda_is_there(c, UP_SYMBOLS + i, in, bytes))
			return i;
	return c->steps++ % NN_CUDA_STEPS;
}

void nn_cuda_cell(struct nn *nn, size_t rows, size_t d, const uint16_t *in, const float *table,
	const float *z, const float *c0, float *gates, float *c, float *y)
{
	struct nn_cuda *cuda = nn_cuda_of(nn);
	struct kernels_cell j = {.rows = rows, .d = d, .table = table, .c0 = c0, .c = c};
	size_t bytes = rows * sizeof(*in);

	if (!rows)
		return;
	j.in = nn_cuda_upload(cuda, UP_SYMBOLS + slot_of(cuda, in, bytes), in, bytes, NULL);
	j.z = nn_cuda_act(cuda, z);
	j.gates = nn_cuda_act(cuda, gates);
	j.y = nn_cuda_act(cuda, y);
	kernels_cell(nn_cuda_on(cuda, NN_TIME_CELL), j);
	nn_cuda_launched(cuda);
}

void nn_cuda_cell_back(struct nn *nn, size_t rows, size_t d, const uint16_t *in, const float *gates,
	const float *c0, const float *c, const float *dy, float *dc, float *dz, float *dtable)
{
	struct nn_cuda *cuda = nn_cuda_of(nn);
	struct kernels_cell j = {.rows = rows, .d = d, .c0 = c0, .c = (float *)c, .dc = dc};
	size_t bytes = rows * sizeof(*in);
	uint32_t *index;
	unsigned slot;

	if (!rows)
		return;
	slot = slot_of(cuda, in, bytes);
	j.in = nn_cuda_upload(cuda, UP_SYMBOLS + slot, in, bytes, NULL);
	j.z = nn_cuda_act(cuda, dz);
	j.gates = nn_cuda_act(cuda, gates);
	j.y = nn_cuda_act(cuda, dy);
	kernels_cell_back(nn_cuda_on(cuda, NN_TIME_CELL), j);
	index = mem_alloc(rows, sizeof(*index));
	for (size_t i = 0; i < rows; i++)
		index[i] = in[i];
	add_rows(cuda, UP_SYMBOL_LISTS + slot, rows, 4 * d, index, dz, dtable);
	mem_free(index);
	nn_cuda_launched(cuda);
}
