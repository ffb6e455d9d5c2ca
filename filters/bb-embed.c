/*
 * bb-embed.c: sequences to vectors, the mean of the encoder's hidden states; or, with --predict, to
 * what a fine-tuned classifier says of them.
 *
 * One idea: batches are cut from a window of records sorted by length, so that the threads have
 * equal work, but records leave in the order they came, and a result does not depend on what shared
 * its batch (see nn.h). BinBert, arXiv 2208.06692, sections 6.1 and 6.2.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "cli/sandbox.h"
#include "code/arch.h"
#include "formats/embedding.h"
#include "formats/prediction.h"
#include "nn/checkpoint.h"
#include "nn/nn_open.h"
#include "nn/sample.h"
#include "text/wordpiece.h"

struct options {
	const char *model;
	int64_t layer;
	const char *device;
	uint64_t batch_tokens;
	bool predict, code_only, int8, fp32;
};

/* A record that waits for its results; texts and arrays are in the window's arena. */
struct waiting {
	struct embedding e; /* what is known of the record */
	const char *truth;  /* predict: of the sequence */
	struct sample s;
	size_t size;    /* tokens it takes */
	float *out;     /* the vector, or answers times the scores of the classes */
	uint32_t *want; /* recover: the truth of each answer */
	size_t answers;
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
	enum sample_task what;
	uint64_t vocab; /* hash of the model's vocabulary */
	struct window win;
	struct pack pack;
	uint32_t *row, *want; /* recover: of the batch */
	float *out;           /* results of the batch */
	size_t cap_row, cap_out;
	struct output *output;
	struct progress *progress;
	uint64_t records, skipped;
};

static void load_vocab(struct run *r)
{
	struct buf path = {0};
	struct wordpiece *w;
	struct err e;

	buf_printf(&path, "%s/vocab.txt", r->o->model);
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

/* What the classifier is for; a folder of transformers does not say and is taken for classify. */
static void find_task(struct run *r)
{
	const struct model *m = r->m;

	if (!m->config.classes)
		prog_fail(r->p,
			"%s: has no classifier: bb-train --task classify, execute or recover makes "
			"one",
			r->o->model);
	if (m->task && *m->task)
		r->what = sample_find(m->task);
	if (r->what == SAMPLE_TASKS || sample_head(r->what) != m->config.head)
		prog_fail(r->p, "%s: config.json does not say what the classifier is for",
			r->o->model);
}

static void device_failed(void *ctx, bool memory, const char *why)
{
	const struct run *r = ctx;

	prog_fail(r->p, "device: %s%s", why, memory ? "; a lower --batch-tokens needs less" : "");
}

/* Before the sandbox: the driver needs more rights to begin than to go on. */
static void open_device(struct run *r)
{
	struct nn_request q = {.fp32 = r->o->fp32, .fail = device_failed, .ctx = r};
	struct err said;

	if (nn_open_device(r->o->device, &q, &r->nn, &said) < 0)
		prog_fail(r->p, "%s", said.text);
	if (*said.text)
		prog_warn(r->p, "%s", said.text);
	r->p->gpu = r->nn != NULL;
	if (r->nn) /* its vectors are not the CPU's to the bit */
		prog_content(r->p, "device=cuda%s", r->o->fp32 ? ",fp32" : "");
}

static void load(struct run *r)
{
	struct buf path = {0};
	struct err e;

	if (!r->nn)
		r->nn = nn_cpu_open((unsigned)r->p->threads);
	r->m = checkpoint_load(r->o->model, r->nn, 0, NULL, &e);
	if (!r->m)
		prog_fail(r->p, "%s", e.text);
	buf_printf(&path, "%s/model.safetensors", r->o->model);
	if (prog_content_file(r->p, "model", buf_text(&path)) < 0)
		prog_fail(r->p, "%s: %s", buf_text(&path), strerror(errno));
	buf_free(&path);
	if (r->m->config.max_len < 8 || (r->m->config.types < 2 && !model_is_trex(&r->m->config)))
		prog_fail(
			r->p, "%s: the model must take 8 positions and 2 token types", r->o->model);
	if (model_layer(r->m, (long)r->o->layer, &r->layer) < 0)
		prog_usage(r->p, "--layer %lld: the model has %u layers", (long long)r->o->layer,
			r->m->config.layers);
	load_vocab(r);
	if (r->o->predict)
		find_task(r);
	if (r->o->int8 && model_round(r->m) < 0)
		prog_fail(r->p, "--int8: the device has no products of 8 bits");
}

/* ---- records into the window ---- */

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

/* Skips the record: 0, or -1 with --strict. */
static int skip(struct run *r, const struct tokens *t, const char *why)
{
	r->skipped++;
	prog_warn(r->p, "%s: %s: %s", t->origin.file, t->origin.name, why);
	return r->p->strict ? -1 : 0;
}

static bool fits(const struct run *r, const struct u32s *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->p[i] >= r->m->config.vocab)
			return false;
	return true;
}

/* Keeps what the output needs of the record. 0, or -1 if the model cannot take it. */
static int add(struct run *r, const struct tokens *t)
{
	struct window *win = &r->win;
	struct arena *a = &win->arena;
	struct waiting w = {.truth = ""};
	const char *label = r->m->label;
	int arch = model_is_trex(&r->m->config) ? (int)arch_find(t->arch) : SAMPLE_CODE;

	if (arch >= (int)r->m->config.types)
		arch = ARCH_NONE;
	if (!fits(r, &t->ids) || (r->what == SAMPLE_EXECUTE && !fits(r, &t->eids)))
		return skip(r, t, "a token that is not in the vocabulary");
	if (sample_make(&w.s, r->what, t, arch) < 0 && (r->o->predict || t->ids.n))
		return skip(r, t, "holds no question of the model's task");
	if (r->o->predict && label && field_label(&t->labels, label))
		w.truth = copy_text(a, field_label(&t->labels, label));
	w.size = sample_size(&w.s, r->m->config.max_len);
	w.e = (struct embedding){.origin = t->origin, .insns = tokens_insns(t)};
	w.e.unit = copy_text(a, t->unit);
	w.e.origin.bin.p = (uint8_t *)arena_str(a, t->origin.bin.p, t->origin.bin.n);
	w.e.origin.file = copy_text(a, t->origin.file);
	w.e.origin.name = copy_text(a, t->origin.name);
	w.e.labels = copy_labels(a, &t->labels);
	w.e.group = copy_text(a, t->group);
	win->w = mem_grow(win->w, &win->cap, win->n + 1, sizeof(*win->w));
	win->w[win->n++] = w;
	win->tokens += w.size;
	return 0;
}

/* ---- a batch through the model ---- */

static int by_length(const void *a, const void *b, void *ctx)
{
	const struct window *win = ctx;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	size_t x = win->w[i].size, y = win->w[k].size;

	return x != y ? (x < y ? 1 : -1) : (i > k) - (i < k);
}

/* Packs order[from..to); how many answers each record gets is known then. Returns their sum. */
static size_t pack(struct run *r, size_t from, size_t to)
{
	size_t answers = 0, n = 0;

	pack_reset(&r->pack);
	for (size_t i = from; i < to; i++) {
		struct waiting *w = &r->win.w[r->win.order[i]];
		size_t had = n, need = n + w->s.nrows;

		if (need > r->cap_row) {
			r->row = mem_grow(r->row, &r->cap_row, need, sizeof(*r->row));
			r->want = mem_realloc(r->want, r->cap_row, sizeof(*r->want));
		}
		sample_pack(&w->s, &r->pack, &r->m->config, r->row, r->want, &n);
		w->answers = r->what == SAMPLE_RECOVER ? n - had : 1;
		w->want = arena_get(&r->win.arena, n - had, sizeof(*w->want));
		if (n > had)
			memcpy(w->want, r->want + had, (n - had) * sizeof(*w->want));
		answers += w->answers;
	}
	return answers;
}

/* Runs the batch of order[from..to) and puts the results where they belong. */
static void compute(struct run *r, size_t from, size_t to)
{
	const struct nn_batch *b;
	size_t answers = pack(r, from, to);
	size_t width = r->o->predict ? r->m->config.classes : r->m->config.hidden;
	const float *out;

	r->out = mem_grow(r->out, &r->cap_out, answers * width, sizeof(*r->out));
	b = pack_batch(&r->pack);
	if (r->o->predict)
		model_predict(r->m, b, answers, r->row, r->out);
	else if (r->o->code_only)
		model_embed_inner(r->m, b, r->layer, r->out);
	else
		model_embed(r->m, b, r->layer, false, r->out);
	out = r->out;
	for (size_t i = from; i < to; i++) {
		struct waiting *w = &r->win.w[r->win.order[i]];

		w->out = arena_get(&r->win.arena, w->answers * width, sizeof(*w->out));
		if (w->answers)
			memcpy(w->out, out, w->answers * width * sizeof(*w->out));
		out += w->answers * width;
	}
}

/* ---- results out of the window ---- */

static int write_predictions(struct run *r, const struct waiting *w)
{
	size_t n = r->m->config.classes;
	struct prediction p = {.unit = w->e.unit,
		.origin = w->e.origin,
		.labels = w->e.labels,
		.group = w->e.group,
		.task = sample_name(r->what),
		.truth = w->truth,
		.classes = {(const char **)r->m->class, n}};

	if (r->what == SAMPLE_CLASSIFY && r->m->label)
		p.task = r->m->label;
	for (size_t i = 0; i < w->answers; i++) {
		p.scores = (struct f32s){w->out + i * n, n};
		if (r->what == SAMPLE_RECOVER)
			p.truth = r->m->class[w->want[i]];
		if (stream_write(output_stream(r->output), &prediction_kind, &p) < 0)
			return -1;
	}
	return 0;
}

static int write_vector(struct run *r, struct waiting *w)
{
	w->e.vec = (struct f32s){w->out, r->m->config.hidden};
	return stream_write(output_stream(r->output), &embedding_kind, &w->e);
}

/* Runs and writes all records of the window. 0 or -1. */
static int flush(struct run *r)
{
	struct window *win = &r->win;
	size_t from = 0, tokens = 0;
	int failed = 0;

	win->order = mem_realloc(win->order, win->n, sizeof(*win->order));
	for (size_t i = 0; i < win->n; i++)
		win->order[i] = (uint32_t)i;
	qsort_r(win->order, win->n, sizeof(*win->order), by_length, win);
	for (size_t i = 0; i < win->n; i++) {
		size_t size = win->w[win->order[i]].size;

		if (i > from && tokens + size > r->o->batch_tokens) {
			compute(r, from, i);
			from = i;
			tokens = 0;
		}
		tokens += size;
	}
	if (win->n > from)
		compute(r, from, win->n);
	for (size_t i = 0; i < win->n; i++) {
		struct waiting *w = &win->w[i];

		if (!failed)
			failed = r->o->predict ? write_predictions(r, w) : write_vector(r, w);
		sample_free(&w->s);
	}
	r->records += win->n;
	win->n = win->tokens = 0;
	arena_reset(&win->arena);
	return failed;
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
	const struct kind *kind = r->o->predict ? &prediction_kind : &embedding_kind;
	struct stream_writer *w = output_stream(r->output);
	uint8_t digest[HASH_BYTES];
	uint64_t done, total;
	struct tokens t;
	bool begun = false;
	int got;

	while ((got = stream_read(in, &t)) == 1) {
		if (!begun && stream_begin(w, kind, stream_header(in), output_step(r->output)) < 0)
			return output_failed(r->output);
		begun = true;
		if (check_vocab(r, &t) < 0 || add(r, &t) < 0)
			return EXIT_FAILED;
		if (r->win.tokens >= WINDOW * r->o->batch_tokens && flush(r) < 0)
			return output_failed(r->output);
		stream_position(in, &done, &total);
		progress_tick(r->progress, r->records, done, total);
	}
	if (got < 0) {
		prog_error(r->p, "%s", stream_error(in));
		return EXIT_FAILED;
	}
	stream_digest(in, digest);
	if ((!begun && stream_begin(w, kind, stream_header(in), output_step(r->output)) < 0) ||
		flush(r) < 0 || stream_end(w, r->skipped, digest, 1) < 0)
		return output_failed(r->output);
	return EXIT_OK;
}

static void free_all(struct run *r)
{
	pack_free(&r->pack);
	for (size_t i = 0; i < r->win.n; i++) /* after a failure */
		sample_free(&r->win.w[i].s);
	arena_free(&r->win.arena);
	mem_free(r->win.w);
	mem_free(r->win.order);
	mem_free(r->row);
	mem_free(r->want);
	mem_free(r->out);
	model_free(r->m);
	r->nn->op->close(r->nn);
}

int main(int argc, char **argv)
{
	struct options o = {.device = "cpu", .layer = -1, .batch_tokens = 8192};
	const struct opt opts[] = {
		{'m', "model", OPT_TEXT, 0, &o.model, "DIR",
			"folder of bb-train or transformers, or the model of bb: functions", 0, 0},
		{'l', "layer", OPT_INT, OPT_CONTENT, &o.layer, "N",
			"layer whose states are averaged; -1 the last, -2 the one before", 0, 0},
		{0, "code-only", OPT_FLAG, OPT_CONTENT, &o.code_only, NULL,
			"leave [CLS] and [SEP] out of the mean", 0, 0},
		{0, "predict", OPT_FLAG, OPT_CONTENT, &o.predict, NULL,
			"write what the model's classifier says, as kind prediction", 0, 0},
		{0, "int8", OPT_FLAG, OPT_CONTENT, &o.int8, NULL,
			"compute with weights and activations of 8 bits: faster, less exact", 0, 0},
		{0, "batch-tokens", OPT_UINT, 0, &o.batch_tokens, "N",
			"tokens computed together (default 8192)", 1, 1 << 22},
		{0, "device", OPT_TEXT, 0, &o.device, "NAME",
			"cpu (default), cuda, or auto: cuda if there is one", 0, 0},
		{0, "fp32", OPT_FLAG, 0, &o.fp32, NULL,
			"on cuda: multiply fp32 numbers instead of bf16 ones", 0, 0},
	};
	struct prog p = {.name = "bb-embed",
		.operands = "[FILE...]",
		.brief = "turn sequences into vectors, or into predictions",
		.detail =
			"Reads records of kind tokens, runs the encoder on [CLS] code [SEP], and\n"
			"writes the mean of the hidden states of all tokens as kind embedding.",
		.example = "  bb-tok -m model f.seq | bb-embed -m model > f.emb\n"
			   "  bb-tok -m tuned f.seq | bb-embed -m tuned --predict | bb-eval",
		.opts = opts,
		.nopts = COUNT_OF(opts)};
	struct run r = {.p = &p, .o = &o};
	struct stream_reader *in;
	int status;

	prog_start(&p, argc, argv);
	if (!o.model)
		prog_usage(&p, "-m DIR is needed");
	o.model = prog_model(o.model);
	if (o.predict && (o.code_only || o.layer != -1))
		prog_usage(&p, "--layer and --code-only are about vectors, not about --predict");
	if (strcmp(o.device, "cpu") != 0 && strcmp(o.device, "cuda") != 0 &&
		strcmp(o.device, "auto") != 0)
		prog_usage(&p, "--device: '%s' is not cpu, cuda or auto", o.device);
	r.output = output_open(&p);
	in = filter_open(&p, &tokens_kind);
	open_device(&r);
	sandbox_enter(&p);
	load(&r);
	r.progress = progress_new(&p, "sequences");
	status = embed_all(&r, in);
	progress_free(r.progress, r.skipped);
	if (r.pack.cut && !p.quiet && status == EXIT_OK)
		prog_note(&p, "%llu tokens beyond the model's length were cut",
			(unsigned long long)r.pack.cut);
	stream_close(in);
	status = output_close(r.output, status);
	free_all(&r);
	return status;
}
