/*
 * bb-embed.c: sequences to vectors: the mean of the encoder's hidden states.
 *
 * One idea: batches are cut from a window of records sorted by length, so that the threads have
 * equal work, but records leave in the order they came, and a vector does not depend on what shared
 * its batch (see nn.h). BinBert, arXiv 2208.06692, sections 6.1.2 and 6.2.1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "formats/embedding.h"
#include "formats/tokens.h"
#include "nn/checkpoint.h"
#include "nn/pack.h"
#include "text/wordpiece.h"

struct options {
	const char *model;
	int64_t layer;
	uint64_t batch_tokens;
};

/* A record that waits for its vector; texts and arrays are in the window's arena. */
struct waiting {
	struct embedding e;
	uint32_t *ids;
	size_t n;
};

enum { WINDOW = 16 }; /* batches in a window */

struct window {
	struct waiting *w; /* in the order of the input */
	size_t n, cap, tokens;
	uint32_t *order; /* indices by length */
	struct arena arena;
};

struct run {
	struct prog *p;
	const struct options *o;
	struct nn *nn;
	struct model *m;
	unsigned layer;
	uint64_t vocab; /* hash of the model's vocabulary, or 0 if the folder has none */
	struct window win;
	struct pack pack;
	float *vec;
	size_t vec_cap;
	struct output *out;
	struct progress *progress;
	uint64_t records, skipped;
};

static void load(struct run *r)
{
	const char *folder = r->o->model;
	struct wordpiece *w;
	struct err e;
	struct buf path = {0};

	r->nn = nn_cpu_open((unsigned)r->p->threads);
	r->m = checkpoint_load(folder, r->nn, 0, NULL, &e);
	if (!r->m)
		prog_fail(r->p, "%s", e.text);
	buf_printf(&path, "%s/model.safetensors", folder);
	if (prog_content_file(r->p, "model", buf_text(&path)) < 0)
		prog_fail(r->p, "%s: %s", (char *)path.p, strerror(errno));
	buf_reset(&path);
	if (model_layer(r->m, (long)r->o->layer, &r->layer) < 0)
		prog_usage(r->p, "--layer %lld: the model has %u layers", (long long)r->o->layer,
			r->m->config.layers);
	buf_printf(&path, "%s/vocab.txt", folder);
	w = wordpiece_open(buf_text(&path), &e);
	if (!w)
		prog_fail(r->p, "%s", e.text);
	if (wordpiece_count(w) != r->m->config.vocab)
		prog_fail(r->p, "%s: %zu tokens, but the model has %u", buf_text(&path),
			wordpiece_count(w), r->m->config.vocab);
	r->vocab = wordpiece_hash(w);
	wordpiece_free(w);
	buf_free(&path);
}

static struct labels copy_labels(struct arena *a, const struct labels *l)
{
	struct labels c = {arena_get(a, l->n, sizeof(*c.p)), l->n};

	for (size_t i = 0; i < l->n; i++) {
		c.p[i].key = arena_str(a, l->p[i].key, strlen(l->p[i].key));
		c.p[i].value = arena_str(a, l->p[i].value, strlen(l->p[i].value));
	}
	return c;
}

static const char *copy_text(struct arena *a, const char *s)
{
	return s ? arena_str(a, s, strlen(s)) : NULL;
}

/* Keeps what the output needs of the record. 0, or -1 if the model cannot take it. */
static int add(struct run *r, const struct tokens *t)
{
	struct window *win = &r->win;
	struct arena *a = &win->arena;
	struct waiting *w;

	for (size_t i = 0; i < t->ids.n; i++) {
		if (t->ids.p[i] < r->m->config.vocab)
			continue;
		r->skipped++;
		prog_warn(r->p, "%s: %s: token %u is not in the vocabulary", t->origin.file,
			t->origin.name, t->ids.p[i]);
		return r->p->strict ? -1 : 0;
	}
	win->w = mem_grow(win->w, &win->cap, win->n + 1, sizeof(*win->w));
	w = &win->w[win->n++];
	*w = (struct waiting){.n = t->ids.n};
	w->e.unit = copy_text(a, t->unit);
	w->e.origin = t->origin;
	w->e.origin.bin.p = (uint8_t *)arena_str(a, t->origin.bin.p, t->origin.bin.n);
	w->e.origin.file = copy_text(a, t->origin.file);
	w->e.origin.name = copy_text(a, t->origin.name);
	w->e.labels = copy_labels(a, &t->labels);
	w->e.group = copy_text(a, t->group);
	w->e.insns = t->starts.n;
	w->n = MIN(t->ids.n, (size_t)r->m->config.max_len);
	w->ids = arena_get(a, w->n, sizeof(*w->ids));
	if (w->n)
		memcpy(w->ids, t->ids.p, w->n * sizeof(*w->ids));
	win->tokens += pack_size(r->m->config.max_len, w->n, false, 0);
	return 0;
}

static int by_length(const void *a, const void *b, void *ctx)
{
	const struct window *win = ctx;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	size_t x = win->w[i].n, y = win->w[k].n;

	return x != y ? (x < y ? 1 : -1) : (i > k) - (i < k);
}

/* Runs the batch of order[from..to) and puts the vectors where they belong. */
static void embed(struct run *r, size_t from, size_t to)
{
	struct window *win = &r->win;
	size_t h = r->m->config.hidden;

	r->vec = mem_grow(r->vec, &r->vec_cap, (to - from) * h, sizeof(*r->vec));
	model_embed(r->m, pack_batch(&r->pack), r->layer, false, r->vec);
	for (size_t i = from; i < to; i++) {
		struct waiting *w = &win->w[win->order[i]];

		w->e.vec = (struct f32s){arena_get(&win->arena, h, sizeof(float)), h};
		memcpy(w->e.vec.p, r->vec + (i - from) * h, h * sizeof(float));
	}
	pack_reset(&r->pack);
}

/* Embeds and writes all records of the window. 0 or -1. */
static int flush(struct run *r)
{
	struct window *win = &r->win;
	size_t from = 0, max_len = r->m->config.max_len;

	win->order = mem_realloc(win->order, win->n, sizeof(*win->order));
	for (size_t i = 0; i < win->n; i++)
		win->order[i] = (uint32_t)i;
	qsort_r(win->order, win->n, sizeof(*win->order), by_length, win);
	for (size_t i = 0; i < win->n; i++) {
		const struct waiting *w = &win->w[win->order[i]];

		if (i > from &&
			r->pack.tokens + pack_size(max_len, w->n, false, 0) > r->o->batch_tokens) {
			embed(r, from, i);
			from = i;
		}
		pack_add(&r->pack, max_len, w->ids, w->n, NULL, 0);
	}
	if (win->n > from)
		embed(r, from, win->n);
	for (size_t i = 0; i < win->n; i++)
		if (stream_write(output_stream(r->out), &embedding_kind, &win->w[i].e) < 0)
			return -1;
	r->records += win->n;
	win->n = win->tokens = 0;
	arena_reset(&win->arena);
	return 0;
}

static int check_vocab(const struct run *r, const struct tokens *t)
{
	if (t->vocab == r->vocab)
		return 0;
	prog_error(r->p, "%s: %s: tokens of another vocabulary than that of %s", t->origin.file,
		t->origin.name, r->o->model);
	return -1;
}

static int embed_all(struct run *r, struct stream_reader *in)
{
	struct stream_writer *w = output_stream(r->out);
	uint8_t digest[HASH_BYTES];
	uint64_t done, total;
	struct tokens t;
	bool begun = false;
	int got;

	while ((got = stream_read(in, &t)) == 1) {
		if (!begun && stream_begin(w, &embedding_kind, stream_header(in),
				      output_step(r->out)) < 0)
			return output_failed(r->out);
		begun = true;
		if (check_vocab(r, &t) < 0 || add(r, &t) < 0)
			return EXIT_FAILED;
		if (r->win.tokens >= WINDOW * r->o->batch_tokens && flush(r) < 0)
			return output_failed(r->out);
		stream_position(in, &done, &total);
		progress_tick(r->progress, r->records, done, total);
	}
	if (got < 0) {
		prog_error(r->p, "%s", stream_error(in));
		return EXIT_FAILED;
	}
	stream_digest(in, digest);
	if ((!begun &&
		    stream_begin(w, &embedding_kind, stream_header(in), output_step(r->out)) < 0) ||
		flush(r) < 0 || stream_end(w, r->skipped, digest, 1) < 0)
		return output_failed(r->out);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options o = {.layer = -1, .batch_tokens = 8192};
	const struct opt opts[] = {
		{'m', "model", OPT_TEXT, 0, &o.model, "DIR",
			"model folder of bb-train (or a BERT of transformers)", 0, 0},
		{'l', "layer", OPT_INT, OPT_CONTENT, &o.layer, "N",
			"layer whose states are averaged; -1 the last, -2 the one before", 0, 0},
		{0, "batch-tokens", OPT_UINT, 0, &o.batch_tokens, "N",
			"tokens computed together (default 8192)", 1, 1 << 22},
	};
	struct prog p = {.name = "bb-embed",
		.operands = "[FILE...]",
		.brief = "turn sequences into vectors",
		.detail =
			"Reads records of kind tokens, runs the encoder on [CLS] code [SEP], and\n"
			"writes the mean of the hidden states of all tokens as kind embedding.",
		.example = "  bb-tok -m model f.seq | bb-embed -m model > f.emb",
		.opts = opts,
		.nopts = COUNT_OF(opts)};
	struct run r = {.p = &p, .o = &o};
	struct stream_reader *in;
	int status;

	prog_start(&p, argc, argv);
	if (!o.model)
		prog_usage(&p, "-m DIR is needed");
	load(&r);
	r.out = output_open(&p);
	r.progress = progress_new(&p, "sequences");
	in = filter_open(&p, &tokens_kind);
	status = embed_all(&r, in);
	progress_free(r.progress, r.skipped);
	if (r.pack.cut && !p.quiet && status == EXIT_OK)
		prog_note(&p, "%llu tokens beyond the model's length were cut",
			(unsigned long long)r.pack.cut);
	stream_close(in);
	status = output_close(r.out, status);
	pack_free(&r.pack);
	arena_free(&r.win.arena);
	mem_free(r.win.w);
	mem_free(r.win.order);
	mem_free(r.vec);
	model_free(r.m);
	r.nn->op->close(r.nn);
	return status;
}
