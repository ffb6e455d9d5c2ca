/* checkpoint.c: model folders; see checkpoint.h. */
#include "nn/checkpoint.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "nn/safetensors.h"

static const struct config_field {
	const char *key;
	size_t at; /* uint32_t in struct model_config */
} config_fields[] = {
	{"vocab_size", offsetof(struct model_config, vocab)},
	{"hidden_size", offsetof(struct model_config, hidden)},
	{"num_hidden_layers", offsetof(struct model_config, layers)},
	{"num_attention_heads", offsetof(struct model_config, heads)},
	{"intermediate_size", offsetof(struct model_config, intermediate)},
	{"max_position_embeddings", offsetof(struct model_config, max_len)},
	{"type_vocab_size", offsetof(struct model_config, types)},
};

/* Settings of a BertConfig that this encoder has in one form only. */
static const struct {
	const char *key, *value;
} config_texts[] = {
	{"hidden_act", "gelu"},
	{"position_embedding_type", "absolute"},
};

/* By model_is_trex. */
static const char *const types[] = {"bert", "trex"};
static const char *const prefixes[] = {"Bert", "Trex"};
/* By enum model_head, behind the prefix. */
static const char *const architectures[MODEL_HEADS] = {
	"ForPreTraining", "Model", "ForSequenceClassification", "ForTokenClassification"};

/* The head and its classes: as many as id2label has names, or transformers' default of two. */
static int parse_head(const char *path, json_t *j, struct model_config *c, struct err *e)
{
	const char *name =
		json_string_value(json_array_get(json_object_get(j, "architectures"), 0));
	json_t *labels = json_object_get(j, "id2label");
	size_t n = labels ? json_object_size(labels) : 2;
	const char *prefix = prefixes[model_is_trex(c)];

	c->head = MODEL_PRETRAINING;
	for (unsigned i = 0; i < MODEL_HEADS; i++)
		if (name && strncmp(name, prefix, strlen(prefix)) == 0 &&
			strcmp(name + strlen(prefix), architectures[i]) == 0)
			c->head = (enum model_head)i;
	if (c->head != MODEL_BARE)
		c->projection = 0;
	c->classes = 0;
	if (c->head == MODEL_PRETRAINING || c->head == MODEL_BARE)
		return 0;
	if (n < 2 || n > MODEL_CLASSES_MAX)
		return err_set(e, "%s: id2label has %zu classes: must be 2 to %d", path, n,
			MODEL_CLASSES_MAX);
	c->classes = (uint32_t)n;
	return 0;
}

/* A natural number, if the key is there. */
static int parse_number(
	const char *path, const json_t *j, const char *key, uint32_t *dst, struct err *e)
{
	const json_t *v = json_object_get(j, key);

	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
		return err_set(e, "%s: %s is not a natural number", path, key);
	*dst = (uint32_t)json_integer_value(v);
	return 0;
}

/* Which of the two it is, and what only a Trex has. */
static int parse_type(const char *path, const json_t *j, struct model_config *c, struct err *e)
{
	const json_t *type = json_object_get(j, "model_type"), *v;
	const char *name = type ? json_string_value(type) : types[model_is_trex(c)];

	if (!name || (strcmp(name, types[0]) != 0 && strcmp(name, types[1]) != 0))
		return err_set(e, "%s: model_type must be \"bert\" or \"trex\"", path);
	if (strcmp(name, types[0]) == 0) {
		c->max_op = c->projection = 0;
		return 0;
	}
	if (!c->max_op)
		c->max_op = MODEL_MAX_OP;
	if (parse_number(path, j, "max_operand_positions", &c->max_op, e) < 0)
		return -1;
	if (!c->max_op)
		return err_set(e, "%s: max_operand_positions is 0", path);
	v = json_object_get(j, "projection");
	if (v && !json_is_boolean(v))
		return err_set(e, "%s: projection is not true or false", path);
	if (v)
		c->projection = json_is_true(v);
	return 0;
}

static int parse_config(const char *path, json_t *j, struct model_config *c, struct err *e)
{
	json_t *v;

	for (size_t i = 0; i < COUNT_OF(config_fields); i++)
		if (parse_number(path, j, config_fields[i].key,
			    (uint32_t *)((char *)c + config_fields[i].at), e) < 0)
			return -1;
	if (parse_type(path, j, c, e) < 0)
		return -1;
	for (size_t i = 0; i < COUNT_OF(config_texts); i++) {
		v = json_object_get(j, config_texts[i].key);
		if (v && (!json_is_string(v) ||
				 strcmp(json_string_value(v), config_texts[i].value) != 0))
			return err_set(e, "%s: %s must be \"%s\"", path, config_texts[i].key,
				config_texts[i].value);
	}
	v = json_object_get(j, "layer_norm_eps");
	if (v)
		c->norm_eps = (float)json_number_value(v);
	v = json_object_get(j, "initializer_range");
	if (v)
		c->init_range = (float)json_number_value(v);
	return parse_head(path, j, c, e);
}

/* The object in a JSON file, or NULL. */
static json_t *read_object(const char *path, struct err *e)
{
	json_error_t je;
	FILE *f = fopen(path, "re");
	json_t *j;

	if (!f) {
		(void)err_set(e, "%s: %s", path, strerror(errno));
		return NULL;
	}
	j = json_loadf(f, JSON_REJECT_DUPLICATES, &je);
	fclose(f);
	if (!j)
		(void)err_set(e, "%s:%d: %s", path, je.line, je.text);
	else if (!json_is_object(j))
		(void)err_set(e, "%s: not a JSON object", path);
	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

int checkpoint_read_config(const char *path, struct model_config *c, struct err *e)
{
	json_t *j = read_object(path, e);
	int r = j ? parse_config(path, j, c, e) : -1;

	json_decref(j);
	return r;
}

/* What the classifier is for, as print_config wrote it; class names may be transformers'. */
static int read_names(const char *path, struct model *m, struct err *e)
{
	json_t *j = read_object(path, e), *own = json_object_get(j, "bb");
	json_t *labels = json_object_get(j, "id2label");
	uint32_t n = m->config.classes;
	const char **names = mem_zalloc(n, sizeof(*names));
	char key[16];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%u", i);
		names[i] = json_string_value(json_object_get(labels, key));
		if (!names[i])
			names[i] = i ? "1" : "0"; /* transformers leaves its default of two out */
	}
	if (j)
		model_name(m, json_string_value(json_object_get(own, "task")),
			json_string_value(json_object_get(own, "label")), names);
	mem_free(names);
	json_decref(j);
	return j ? 0 : -1;
}

/* The weights of tokens in pooling, as print_own wrote them, if any. */
static int read_rarity(const char *path, struct model *m, struct err *e)
{
	json_t *j = read_object(path, e),
	       *list = json_object_get(json_object_get(j, "bb"), "rarity");
	size_t n = m->config.vocab;
	float *rarity = NULL;
	int r = j ? 0 : -1;

	if (list && json_array_size(list) != n) {
		r = err_set(e, "%s: rarity: %zu numbers, the vocabulary has %zu tokens", path,
			json_array_size(list), n);
	} else if (list) {
		rarity = mem_alloc(n, sizeof(*rarity));
		for (size_t i = 0; i < n && r == 0; i++) {
			rarity[i] = (float)json_number_value(json_array_get(list, i));
			if (!(rarity[i] >= 1e-6f && rarity[i] <= 1))
				r = err_set(
					e, "%s: rarity: number %zu is not from 1e-6 to 1", path, i);
		}
	}
	if (r == 0)
		model_weigh(m, rarity);
	mem_free(rarity);
	json_decref(j);
	return r;
}

/* folder/name in b. */
static const char *in_folder(struct buf *b, const char *folder, const char *name)
{
	buf_reset(b);
	buf_printf(b, "%s/%s", folder, name);
	return buf_text(b);
}

static int make_folder(const char *folder, struct err *e)
{
	struct stat st;

	if (mkdir(folder, 0777) == 0 ||
		(errno == EEXIST && stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return err_set(e, "%s: cannot make the folder: %s", folder,
		errno == EEXIST ? "there is a file of that name" : strerror(errno));
}

/* The text as a JSON string; what is no UTF-8, which no record holds, as an empty one. */
static void put_json(struct buf *b, const char *text)
{
	json_t *j = json_string(text);
	char *quoted = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;

	buf_puts(b, quoted ? quoted : "\"\"");
	free(quoted);
	json_decref(j);
}

/* id2label and label2id of a classifier. */
static void print_names(struct buf *b, const struct model *m)
{
	char number[16];

	if (!m->config.classes)
		return;
	if (m->config.head == MODEL_SEQUENCES)
		buf_puts(b, "  \"problem_type\": \"single_label_classification\",\n");
	buf_puts(b, "  \"id2label\": {");
	for (uint32_t i = 0; i < m->config.classes; i++) {
		buf_printf(b, "%s\n    \"%u\": ", i ? "," : "", i);
		put_json(b, m->class ? m->class[i] : "");
	}
	buf_puts(b, "\n  },\n  \"label2id\": {");
	for (uint32_t i = 0; i < m->config.classes; i++) {
		snprintf(number, sizeof(number), "%u", i);
		buf_puts(b, i ? ",\n    " : "\n    ");
		put_json(b, m->class ? m->class[i] : number);
		buf_printf(b, ": %s", number);
	}
	buf_puts(b, "\n  },\n");
}

/* What transformers has no words for: what a classifier says, how vectors are pooled. */
static void print_own(struct buf *b, const struct model *m)
{
	if (m->config.classes) {
		buf_puts(b, "  \"bb\": {\"task\": ");
		put_json(b, m->task ? m->task : "");
		if (m->label) {
			buf_puts(b, ", \"label\": ");
			put_json(b, m->label);
		}
		buf_puts(b, "},\n");
	} else if (m->rarity) {
		buf_puts(b, "  \"bb\": {\"rarity\": [");
		for (uint32_t i = 0; i < m->config.vocab; i++)
			buf_printf(b, "%s%.9g", i ? ", " : "", (double)m->rarity[i]);
		buf_puts(b, "]},\n");
	}
}

static void print_config(struct buf *b, const struct model *m)
{
	const struct model_config *c = &m->config;

	bool is_trex = model_is_trex(c);

	buf_printf(b, "{\n  \"architectures\": [\"%s%s\"],\n", prefixes[is_trex],
		architectures[c->head]);
	for (size_t i = 0; i < COUNT_OF(config_fields); i++)
		buf_printf(b, "  \"%s\": %u,\n", config_fields[i].key,
			*(const uint32_t *)((const char *)c + config_fields[i].at));
	if (is_trex)
		buf_printf(b, "  \"max_operand_positions\": %u,\n  \"projection\": %s,\n",
			c->max_op, c->projection ? "true" : "false");
	buf_printf(b, "  \"model_type\": \"%s\",\n", types[is_trex]);
	for (size_t i = 0; i < COUNT_OF(config_texts); i++)
		buf_printf(b, "  \"%s\": \"%s\",\n", config_texts[i].key, config_texts[i].value);
	print_names(b, m);
	print_own(b, m);
	buf_printf(b, "  \"layer_norm_eps\": %.9g,\n  \"initializer_range\": %.9g,\n",
		(double)c->norm_eps, (double)c->init_range);
	buf_puts(b, "  \"hidden_dropout_prob\": 0.0,\n  \"attention_probs_dropout_prob\": 0.0,\n");
	buf_printf(b,
		"  \"pad_token_id\": %d,\n  \"tie_word_embeddings\": true,\n"
		"  \"torch_dtype\": \"float32\"\n}\n",
		MODEL_PAD);
}

/* For files of what is on the model's device. */
static void get(void *ctx, float *dst, const float *src, size_t n)
{
	struct nn *nn = ctx;

	nn->op->get(nn, dst, src, n);
}

/* to[k,n] of from[n,k], both on the host. */
static void transpose(size_t n, size_t k, const float *from, float *to)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < k; j++)
			to[j * n + i] = from[i * k + j];
}

/* What files hold of a turned tensor, as new device memory. */
static float *turn(const struct model *m, const float *array, const struct model_tensor *s)
{
	float *host = mem_alloc(s->n, sizeof(*host)), *turned = mem_alloc(s->n, sizeof(*turned));
	float *device = m->nn->op->alloc(m->nn, s->n);

	m->nn->op->get(m->nn, host, array + s->at, s->n);
	transpose(s->shape[1], s->shape[0], host, turned);
	m->nn->op->put(m->nn, device, turned, s->n);
	mem_free(host);
	mem_free(turned);
	return device;
}

/*
 * The entries of one flat device array, each tensor's name after prefix (owned by names); to be
 * given to forget_tensors.
 */
static void list_tensors(const struct model *m, const float *array, const char *prefix,
	struct safetensors_entry *t, struct arena *names)
{
	for (size_t i = 0; i < m->ntensors; i++) {
		const struct model_tensor *s = &m->tensor[i];
		size_t np = strlen(prefix), ns = strlen(s->name);
		char *name = arena_get(names, np + ns + 1, 1);

		memcpy(name, prefix, np);
		memcpy(name + np, s->name, ns + 1);
		t[i] = (struct safetensors_entry){.name = name, .rank = s->rank, .n = s->n};
		t[i].shape[0] = s->shape[0];
		t[i].shape[1] = s->shape[1];
		t[i].data = s->turned ? turn(m, array, s) : array + s->at;
	}
}

static void forget_tensors(const struct model *m, struct safetensors_entry *t)
{
	for (size_t i = 0; i < m->ntensors; i++)
		if (m->tensor[i].turned)
			m->nn->op->free(m->nn, (float *)t[i].data);
}

int checkpoint_save(const char *folder, const struct model *m, bool bf16, struct err *e)
{
	static const struct safetensors_text meta[] = {{"format", "pt"}};
	struct safetensors_entry *t = mem_alloc(m->ntensors, sizeof(*t));
	const struct safetensors_file f = {t, m->ntensors, meta, COUNT_OF(meta), get, m->nn};
	struct arena names = {0};
	struct buf path = {0}, text = {0};
	int r;

	list_tensors(m, m->param, "", t, &names);
	for (size_t i = 0; i < m->ntensors; i++)
		t[i].bf16 = bf16 && t[i].rank == 2;
	print_config(&text, m);
	r = make_folder(folder, e);
	if (r == 0)
		r = safetensors_write_text(
			in_folder(&path, folder, "config.json"), text.p, text.n, e);
	if (r == 0)
		r = safetensors_write(in_folder(&path, folder, "model.safetensors"), &f, e);
	forget_tensors(m, t);
	buf_free(&path);
	buf_free(&text);
	arena_free(&names);
	mem_free(t);
	return r;
}

/*
 * The entry under the name, under the name without "bert." (a bare BertModel), or with the names
 * that the first BERT files gave to gain and offset.
 */
static const struct safetensors_entry *find(const struct safetensors *s, const char *name)
{
	static const struct {
		const char *now, *then;
	} old[] = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
	const char *bare = strncmp(name, "bert.", 5) == 0 ? name + 5 : name;
	const struct safetensors_entry *t = safetensors_find(s, name);
	char alias[128];

	if (!t)
		t = safetensors_find(s, bare);
	for (size_t i = 0; i < COUNT_OF(old) && !t; i++) {
		const char *at = strstr(name, old[i].now);

		if (!at)
			continue;
		snprintf(alias, sizeof(alias), "%.*s%s", (int)(at - name), name, old[i].then);
		t = safetensors_find(s, alias);
		if (!t && bare != name)
			t = safetensors_find(s, alias + 5);
	}
	return t;
}

/* Reads one tensor into place in dst, the flat device array. 1, 0 if it is not there, -1. */
static int load_tensor(struct safetensors *s, const char *path, const struct model *m,
	const struct model_tensor *t, const char *name, float *dst, struct err *e)
{
	const struct safetensors_entry *f = find(s, name);
	float *host, *turned = NULL;
	int r;

	if (!f)
		return 0;
	if (f->rank != t->rank || f->shape[0] != t->shape[0] ||
		(t->rank == 2 && f->shape[1] != t->shape[1]))
		return err_set(e, "%s: %s is [%zu,%zu], but config.json asks for [%zu,%zu]", path,
			f->name, f->shape[0], f->shape[1], t->shape[0], t->shape[1]);
	host = mem_alloc(t->n, sizeof(*host));
	r = safetensors_read(s, f, host, e);
	for (size_t i = 0; i < t->n && r == 0; i++)
		if (!isfinite(host[i]))
			r = err_set(e, "%s: %s has a value that is not finite", path, f->name);
	if (t->turned) {
		turned = mem_alloc(t->n, sizeof(*turned));
		transpose(t->shape[0], t->shape[1], host, turned);
	}
	if (r == 0)
		m->nn->op->put(m->nn, dst + t->at, turned ? turned : host, t->n);
	mem_free(turned);
	mem_free(host);
	return r == 0 ? 1 : -1;
}

/* Whether a tensor may be missing: a head, which is then fresh. */
static bool is_head(const char *name)
{
	return strncmp(name, "cls.", 4) == 0 || strncmp(name, "classifier.", 11) == 0 ||
	       strncmp(name, "projection.", 11) == 0 || strncmp(name + 4, ".pooler.", 8) == 0;
}

static int load_tensors(struct safetensors *s, const char *path, struct model *m, uint64_t seed,
	bool own_head, size_t *fresh, struct err *e)
{
	for (size_t i = 0; i < m->ntensors; i++) {
		const char *name = m->tensor[i].name;
		int r = 0;

		if (own_head || strncmp(name, "classifier.", 11) != 0)
			r = load_tensor(s, path, m, &m->tensor[i], name, m->param, e);
		if (r < 0)
			return -1;
		if (r == 1)
			continue;
		if (!is_head(name))
			return err_set(e, "%s: no tensor %s", path, name);
		model_init_tensor(m, i, seed);
		++*fresh;
	}
	return 0;
}

/* The file must hold what the config says before the model takes memory by it. */
static int check_size(const struct safetensors *s, const char *path, const struct model_config *c,
	bool own_head, struct err *e)
{
	const char *word = model_is_trex(c) ? "trex.embeddings.word_embeddings.weight"
					    : "bert.embeddings.word_embeddings.weight";
	bool classifies = c->head == MODEL_SEQUENCES || c->head == MODEL_TOKENS;

	if (!find(s, word))
		return err_set(e, "%s: no tensor %s", path, word);
	if (safetensors_floats(s) < model_config_floats(c))
		return err_set(e, "%s: %llu numbers, but config.json asks for %llu", path,
			(unsigned long long)safetensors_floats(s),
			(unsigned long long)model_config_floats(c));
	if (own_head && classifies && !find(s, "classifier.weight"))
		return err_set(e, "%s: no tensor classifier.weight", path);
	if (own_head && c->projection && !find(s, "projection.0.weight"))
		return err_set(e, "%s: no tensor projection.0.weight", path);
	return 0;
}

static struct model *load(const char *folder, struct nn *nn, const struct model_config *head,
	uint64_t seed, size_t *fresh, struct err *e)
{
	struct model_config c = {.types = 2, .norm_eps = 1e-12f, .init_range = 0.02f};
	struct safetensors *s = NULL;
	struct model *m = NULL;
	struct buf config = {0}, path = {0};
	struct err why;

	*fresh = 0;
	if (checkpoint_read_config(in_folder(&config, folder, "config.json"), &c, e) == 0) {
		if (head) {
			c.head = head->head;
			c.classes = head->classes;
			c.projection = model_is_trex(&c) && c.head == MODEL_BARE;
		}
		if (model_config_check(&c, &why) < 0)
			(void)err_set(e, "%.120s: %.120s", buf_text(&config), why.text);
		else
			s = safetensors_open(in_folder(&path, folder, "model.safetensors"), e);
	}
	if (s && check_size(s, buf_text(&path), &c, !head, e) == 0) {
		m = model_new(nn, &c);
		if (load_tensors(s, buf_text(&path), m, seed, !head, fresh, e) < 0 ||
			(!head && c.classes && read_names(buf_text(&config), m, e) < 0) ||
			(c.head == MODEL_BARE && read_rarity(buf_text(&config), m, e) < 0)) {
			model_free(m);
			m = NULL;
		} else {
			model_update(m);
		}
	}
	safetensors_close(s);
	buf_free(&config);
	buf_free(&path);
	return m;
}

struct model *checkpoint_load(
	const char *folder, struct nn *nn, uint64_t seed, size_t *fresh, struct err *e)
{
	size_t none;

	return load(folder, nn, NULL, seed, fresh ? fresh : &none, e);
}

struct model *checkpoint_load_as(const char *folder, struct nn *nn, enum model_head head,
	uint32_t classes, uint64_t seed, struct err *e)
{
	const struct model_config c = {.head = head, .classes = classes};
	size_t none;

	return load(folder, nn, &c, seed, &none, e);
}

static const char *const parts[] = {"model.", "exp_avg.", "exp_avg_sq."};

int checkpoint_save_state(const char *folder, const struct model *m, const struct optim *o,
	const char *state, struct err *e)
{
	struct safetensors_entry *t = mem_alloc(3 * m->ntensors, sizeof(*t));
	const float *src[] = {m->param, o->m, o->v};
	char step[32];
	const struct safetensors_text meta[] = {
		{"format", "pt"}, {"step", step}, {"trainer_state", state}};
	const struct safetensors_file f = {t, 3 * m->ntensors, meta, COUNT_OF(meta), get, m->nn};
	struct arena names = {0};
	struct buf path = {0};
	int r = make_folder(folder, e);

	snprintf(step, sizeof(step), "%llu", (unsigned long long)o->step);
	for (int i = 0; i < 3; i++)
		list_tensors(m, src[i], parts[i], t + (size_t)i * m->ntensors, &names);
	/* The optimizer's file is what a training goes on from, so it comes last: a save that was
	 * cut off anywhere is made again. */
	if (r == 0)
		r = safetensors_write_text(
			in_folder(&path, folder, "trainer_state.json"), state, strlen(state), e);
	if (r == 0)
		r = safetensors_write(in_folder(&path, folder, "optimizer.safetensors"), &f, e);
	for (int i = 0; i < 3; i++)
		forget_tensors(m, t + (size_t)i * m->ntensors);
	buf_free(&path);
	arena_free(&names);
	mem_free(t);
	return r;
}

/* Opens the state in the folder: 1, 0 when there is none, -1. */
static int open_state(const char *folder, struct safetensors **s, struct err *e)
{
	struct buf path = {0};
	const char *file = in_folder(&path, folder, "optimizer.safetensors");
	int r = 1;

	*s = NULL;
	if (access(file, F_OK) < 0 && errno == ENOENT) {
		r = 0;
	} else {
		*s = safetensors_open(file, e);
		if (!*s)
			r = -1;
		else if (!safetensors_meta(*s, "trainer_state") || !safetensors_meta(*s, "step"))
			r = err_set(e, "%s: not a state of bb-train", file);
	}
	if (r < 0) {
		safetensors_close(*s);
		*s = NULL;
	}
	buf_free(&path);
	return r;
}

int checkpoint_read_state(const char *folder, char **state, struct err *e)
{
	struct safetensors *s;
	int r = open_state(folder, &s, e);

	if (r != 1)
		return r;
	*state = mem_strdup(safetensors_meta(s, "trainer_state"));
	safetensors_close(s);
	return 1;
}

int checkpoint_load_state(const char *folder, struct model *m, struct optim *o, struct err *e)
{
	float *dst[] = {m->param, o->m, o->v};
	struct buf path = {0};
	const char *file = in_folder(&path, folder, "optimizer.safetensors");
	struct safetensors *s;
	int r = open_state(folder, &s, e);

	if (r == 0)
		r = err_set(e, "%s: not there", file);
	for (size_t i = 0; i < 3 * m->ntensors && r == 1; i++) {
		const struct model_tensor *t = &m->tensor[i % m->ntensors];
		char name[128];

		snprintf(name, sizeof(name), "%s%s", parts[i / m->ntensors], t->name);
		r = load_tensor(s, file, m, t, name, dst[i / m->ntensors], e);
		if (r == 0)
			r = err_set(e, "%s: no tensor %s", file, name);
	}
	if (r == 1) {
		o->step = strtoull(safetensors_meta(s, "step"), NULL, 10);
		model_update(m);
	}
	safetensors_close(s);
	buf_free(&path);
	return r == 1 ? 0 : -1;
}
