/* checkpoint.c: model folders: round trip, resumption, and files that lie. */
#include "tests/unit.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/checkpoint.h"
#include "nn/safetensors.h"

static char folder[] = "/tmp/bb-checkpoint-XXXXXX";

static const char *in(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static struct model_config config = {
	50, 24, 2, 2, 40, 32, 2, 1e-12f, 0.05f, MODEL_PRETRAINING, 0, 0, 0};

static void round_trip(struct nn *nn)
{
	struct model *m = model_new(nn, &config), *q;
	struct optim o = optim_new(m, 1), p;
	char *state = NULL;
	struct err e = {""};
	size_t fresh = 9;

	model_init(m, 1);
	model_update(m);
	CHECK(checkpoint_read_state(folder, &state, &e) == 0);
	CHECK(checkpoint_load_state(folder, m, &o, &e) < 0);
	CHECK(checkpoint_save(folder, m, false, &e) == 0);
	q = checkpoint_load(folder, nn, 0, &fresh, &e);
	CHECK(q != NULL && fresh == 0);
	CHECK(q && q->nparam == m->nparam &&
		memcmp(q->param, m->param, m->nparam * sizeof(float)) == 0);
	CHECK(q && memcmp(&q->config, &m->config, sizeof(config)) == 0);
	model_zero_grad(m);
	for (size_t i = 0; i < m->nparam; i++)
		m->grad[i] = (float)i;
	optim_step(&o, m);
	CHECK(checkpoint_save_state(folder, m, &o, "{\"epoch\": 3}", &e) == 0);
	if (q) {
		p = optim_new(q, 1);
		CHECK(checkpoint_read_state(folder, &state, &e) == 1);
		CHECK(checkpoint_load_state(folder, q, &p, &e) == 0);
		CHECK(state && strcmp(state, "{\"epoch\": 3}") == 0 && p.step == 1);
		CHECK(memcmp(q->param, m->param, m->nparam * sizeof(float)) == 0);
		CHECK(memcmp(p.m, o.m, m->nparam * sizeof(float)) == 0);
		CHECK(memcmp(p.v, o.v, m->nparam * sizeof(float)) == 0);
		optim_free(&p, q);
	}
	mem_free(state);
	optim_free(&o, m);
	model_free(q);
	model_free(m);
}

/* Weights of tokens are kept to the bit; a list that does not fit the vocabulary is refused. */
static void rarities(struct nn *nn)
{
	struct model_config c = config;
	struct model *m, *q;
	float rarity[50];
	struct err e = {""};

	c.head = MODEL_BARE;
	m = model_new(nn, &c);
	model_init(m, 1);
	model_update(m);
	for (unsigned i = 0; i < 50; i++)
		rarity[i] = 1 / (1 + 0.3f * (float)i);
	model_weigh(m, rarity);
	CHECK(checkpoint_save(folder, m, false, &e) == 0);
	q = checkpoint_load(folder, nn, 0, NULL, &e);
	CHECK(q && q->rarity && memcmp(q->rarity, rarity, sizeof(rarity)) == 0);
	model_free(q);
	model_weigh(m, NULL);
	CHECK(m->rarity == NULL);
	model_free(m);
	for (int i = 0; i < 2; i++) { /* out of range; one number less */
		json_t *j = json_load_file(in("config.json"), 0, NULL);
		json_t *list = json_object_get(json_object_get(j, "bb"), "rarity");

		CHECK(json_array_size(list) == 50u);
		CHECK((i ? json_array_remove(list, 0)
			 : json_array_set_new(list, 7, json_real(1.5))) == 0);
		CHECK(json_dump_file(j, in("config.json"), 0) == 0);
		CHECK(checkpoint_load(folder, nn, 0, NULL, &e) == NULL && strstr(e.text, "rarity"));
		json_decref(j);
	}
}

/* A safetensors file with that header; the length field says `claim`, or the truth if 0. */
static int opens(const char *header, size_t data, uint64_t claim, struct err *e)
{
	struct buf b = {0};
	uint64_t n = claim ? claim : strlen(header);
	struct safetensors *s;

	buf_put(&b, &n, 8);
	buf_puts(&b, header);
	memset(buf_reserve(&b, data), 0, data);
	b.n += data;
	CHECK(safetensors_write_text(in("x.safetensors"), b.p, b.n, e) == 0);
	buf_free(&b);
	s = safetensors_open(in("x.safetensors"), e);
	safetensors_close(s);
	return s ? 0 : -1;
}

#define T(shape, from, to) \
	"{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to "]}"

static void hostile(void)
{
	struct err e = {""};

	CHECK(opens("{\"a\":" T("2", 0, 8) "}", 8, 0, &e) == 0);
	CHECK(opens("{\"a\":" T("2", 0, 8) ",\"b\":" T("1,3", 8, 20) "}", 20, 0, &e) == 0);
	CHECK(opens("{}", 0, 0, &e) == 0);
	CHECK(opens("{\"a\":" T("2", 0, 8) "}", 7, 0, &e) < 0 && strstr(e.text, "outside"));
	CHECK(opens("{\"a\":" T("3", 0, 8) "}", 8, 0, &e) < 0 && strstr(e.text, "disagree"));
	CHECK(opens("{\"a\":" T("2", 8, 0) "}", 8, 0, &e) < 0);
	CHECK(opens("{\"a\":" T("2", -8, 0) "}", 8, 0, &e) < 0);
	CHECK(opens("{\"a\":" T("-2", 0, 8) "}", 8, 0, &e) < 0);
	CHECK(opens("{\"a\":" T("4294967296,4294967296,4", 0, 8) "}", 8, 0, &e) < 0 &&
		strstr(e.text, "too large"));
	CHECK(opens("{\"a\":" T("4611686018427387905,4", 0, 4) "}", 8, 0, &e) < 0);
	CHECK(opens("{\"a\":" T("1,1,1,1,1,1,1,1,1,1", 0, 4) "}", 8, 0, &e) < 0);
	CHECK(opens("{\"a\":" T("2", 0, 8) ",\"b\":" T("2", 4, 12) "}", 16, 0, &e) < 0 &&
		strstr(e.text, "overlap"));
	CHECK(opens("{\"a\":" T("2", 0, 8) ",\"a\":" T("2", 8, 16) "}", 16, 0, &e) < 0);
	CHECK(opens("{\"a\":3}", 8, 0, &e) < 0);
	CHECK(opens("[]", 8, 0, &e) < 0);
	CHECK(opens("{\"a\"", 8, 0, &e) < 0);
	CHECK(opens("{}", 8, UINT64_MAX, &e) < 0 && strstr(e.text, "claims"));
	CHECK(opens("{}", 8, 1 << 30, &e) < 0);
	CHECK(safetensors_open(in("none.safetensors"), &e) == NULL);
	CHECK(safetensors_open(folder, &e) == NULL);
}

/* Every truncation of a real file, and a config that says something else, is an error. */
static void damaged(struct nn *nn)
{
	struct err e = {""};
	struct model_config c = config;
	struct model *m;
	struct stat st;

	CHECK(stat(in("model.safetensors"), &st) == 0);
	for (off_t n = st.st_size - 1; n >= 0; n -= 997) {
		CHECK(truncate(in("model.safetensors"), n) == 0);
		m = checkpoint_load(folder, nn, 0, NULL, &e);
		CHECK(m == NULL);
		model_free(m);
	}
	c.hidden = 48;
	m = model_new(nn, &c);
	CHECK(checkpoint_save(folder, m, false, &e) == 0);
	model_free(m);
	CHECK(safetensors_write_text(in("config.json"), "{\"hidden_size\": 24}", 19, &e) == 0);
	CHECK(checkpoint_load(folder, nn, 0, NULL, &e) == NULL);
	m = model_new(nn, &config);
	CHECK(checkpoint_save("/dev/null/x", m, false, &e) < 0);
	model_free(m);
}

/* Every head is written and read; a folder is opened under another one. */
static void heads(struct nn *nn)
{
	static const char *const names[] = {"gcc", "cl\"ang", "icc"};
	struct model_config c = config;
	struct err e = {""};
	struct model *m, *q;
	size_t fresh;

	for (int head = 0; head < MODEL_HEADS; head++) {
		c.head = (enum model_head)head;
		c.classes = head >= MODEL_SEQUENCES ? 3 : 0;
		m = model_new(nn, &c);
		model_init(m, 4);
		if (c.classes)
			model_name(m, "classify", "compiler", names);
		CHECK(checkpoint_save(folder, m, false, &e) == 0);
		q = checkpoint_load(folder, nn, 0, &fresh, &e);
		CHECK(q && fresh == 0 && q->nparam == m->nparam &&
			memcmp(q->param, m->param, m->nparam * sizeof(float)) == 0);
		CHECK(q && memcmp(&q->config, &c, sizeof(c)) == 0);
		if (q && c.classes) {
			CHECK(strcmp(q->task, "classify") == 0 &&
				strcmp(q->label, "compiler") == 0);
			for (int i = 0; i < 3; i++)
				CHECK(strcmp(q->class[i], names[i]) == 0);
		}
		model_free(q);
		q = checkpoint_load_as(folder, nn, MODEL_TOKENS, 2, 7, &e);
		CHECK(q && q->config.head == MODEL_TOKENS && q->config.classes == 2);
		CHECK(q && memcmp(q->param, m->param, m->layer[0].down_w * sizeof(float)) == 0);
		model_free(q);
		model_free(m);
	}
}

static struct model_config trex = {
	50, 24, 2, 2, 40, 32, 5, 1e-12f, 0.05f, MODEL_PRETRAINING, 0, 7, 0};

/* A Trex under every head; its table of bytes is stored as PyTorch's weight_ih, the transpose. */
static void trexes(struct nn *nn)
{
	struct model_config c = trex;
	struct err e = {""};
	struct model *m, *q;
	struct safetensors *s;
	size_t d = c.hidden / 2, fresh;
	float *file = mem_alloc(4 * d * NN_BYTES, sizeof(*file));

	for (int head = 0; head < MODEL_HEADS; head++) {
		const float *table;

		c.head = (enum model_head)head;
		c.classes = head >= MODEL_SEQUENCES ? 3 : 0;
		c.projection = head == MODEL_BARE;
		CHECK(model_config_check(&c, &e) == 0);
		m = model_new(nn, &c);
		model_init(m, 4);
		CHECK(checkpoint_save(folder, m, false, &e) == 0);
		q = checkpoint_load(folder, nn, 0, &fresh, &e);
		CHECK(q && fresh == 0 && q->nparam == m->nparam &&
			memcmp(q->param, m->param, m->nparam * sizeof(float)) == 0);
		CHECK(q && memcmp(&q->config, &c, sizeof(c)) == 0);
		model_free(q);
		s = safetensors_open(in("model.safetensors"), &e);
		for (int way = 0; s && way < 2; way++) {
			const struct safetensors_entry *t = safetensors_find(
				s, way ? "trex.embeddings.value.weight_ih_l0_reverse"
				       : "trex.embeddings.value.weight_ih_l0");

			CHECK(t && t->shape[0] == 4 * d && t->shape[1] == NN_BYTES);
			CHECK(t && safetensors_read(s, t, file, &e) == 0);
			table = m->param + m->trex.lstm[way].table;
			for (size_t i = 0; i < 4 * d; i++)
				for (size_t k = 0; k < NN_BYTES; k += 43)
					CHECK(file[i * NN_BYTES + k] == table[k * 4 * d + i]);
		}
		CHECK(s && !safetensors_find(s, "cls.seq_relationship.weight"));
		CHECK(s && !safetensors_find(s, "trex.pooler.dense.weight") ==
				   (head != MODEL_SEQUENCES));
		safetensors_close(s);
		/* the projection is fresh, or the one that was there */
		q = checkpoint_load_as(folder, nn, MODEL_BARE, 0, 7, &e);
		CHECK(q && q->config.projection == 1);
		CHECK(q && memcmp(q->param, m->param, m->layer[0].qkv_w * sizeof(float)) == 0);
		for (int i = 0; q && head == MODEL_BARE && i < 2; i++)
			CHECK(memcmp(q->param + q->trex.projection_w[i],
				      m->param + m->trex.projection_w[i],
				      24 * 24 * sizeof(float)) == 0);
		model_free(q);
		model_free(m);
	}
	mem_free(file);
}

/* What config.json may say: each lie is refused, and named. */
static void lies(struct nn *nn)
{
	static const struct {
		const char *key, *value, *why;
	} lie[] = {
		{"max_operand_positions", "0", "max_operand_positions"},
		{"max_operand_positions", "-1", "max_operand_positions"},
		{"max_operand_positions", "4294967295", "max_operand_positions"},
		{"max_operand_positions", "65537", "max_operand_positions"},
		{"max_operand_positions", "6", "[7,24]"},
		{"max_operand_positions", "\"7\"", "max_operand_positions"},
		{"projection", "1", "projection"},
		{"projection", "true", "projection"},
		{"model_type", "\"bert\"", "bert"},
		{"model_type", "\"roberta\"", "model_type"},
		{"model_type", "null", "model_type"},
		{"type_vocab_size", "4", "[5,24]"},
		{"type_vocab_size", "257", "type_vocab_size"},
		{"hidden_size", "1048576", "hidden_size"},
		{"hidden_size", "22", ""},
		{"hidden_size", "16384", "numbers"},
		{"num_hidden_layers", "256", "numbers"},
	};
	struct model_config c = trex;
	struct err e;
	struct model *m;

	c.head = MODEL_BARE;
	m = model_new(nn, &c);
	model_init(m, 4);
	for (size_t i = 0; i < COUNT_OF(lie); i++) {
		json_t *j;

		CHECK(checkpoint_save(folder, m, false, &e) == 0);
		j = json_load_file(in("config.json"), 0, NULL);
		CHECK(json_object_set_new(
			      j, lie[i].key, json_loads(lie[i].value, JSON_DECODE_ANY, NULL)) == 0);
		CHECK(json_dump_file(j, in("config.json"), 0) == 0);
		json_decref(j);
		e.text[0] = '\0';
		CHECK(checkpoint_load(folder, nn, 0, NULL, &e) == NULL);
		CHECK(e.text[0] && strstr(e.text, lie[i].why));
	}
	model_free(m);
	c.hidden = 9;
	c.heads = 3;
	CHECK(model_config_check(&c, &e) < 0 && strstr(e.text, "odd"));
	c = config;
	c.projection = 1;
	CHECK(model_config_check(&c, &e) < 0 && strstr(e.text, "projection"));
}

/* Half precision as transformers may write it. */
static void halves(void)
{
	static const char head[] =
		"{\"a\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[0,10]},"
		"\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[10,14]}}";
	static const uint16_t v[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x3f80, 0xc049};
	struct buf b = {0};
	uint64_t n = sizeof(head) - 1;
	struct err e = {""};
	struct safetensors *s;
	float a[5] = {0}, c[2] = {0};

	buf_put(&b, &n, 8);
	buf_puts(&b, head);
	buf_put(&b, v, sizeof(v));
	CHECK(safetensors_write_text(in("x.safetensors"), b.p, b.n, &e) == 0);
	buf_free(&b);
	s = safetensors_open(in("x.safetensors"), &e);
	CHECK(s != NULL);
	if (!s)
		return;
	CHECK(safetensors_read(s, safetensors_find(s, "a"), a, &e) == 0);
	CHECK(safetensors_read(s, safetensors_find(s, "b"), c, &e) == 0);
	CHECK(a[0] == 1 && a[1] == -2 && a[2] == 0x1p-24f && a[3] == 65504);
	CHECK(a[4] > 0.333f && a[4] < 0.3334f && c[0] == 1 && c[1] == -3.140625f);
	safetensors_close(s);
}

/* Matrices saved as BF16 come back rounded to 8 bits, to even, and once rounded they stay. */
static void bf16(struct nn *nn)
{
	struct model *m = model_new(nn, &config), *q, *again;
	struct safetensors *s;
	struct err e = {""};
	struct stat st, half;
	float *w = m->param;

	model_init(m, 3);
	w[0] = 1 + 0x1p-8f; /* ties go to even */
	w[1] = 1 + 0x3p-8f;
	w[2] = -(1 + 0x1p-8f + 0x1p-20f);
	w[m->nmatrix] = 1 + 0x1p-20f; /* a vector is not rounded */
	CHECK(checkpoint_save(folder, m, false, &e) == 0);
	CHECK(stat(in("model.safetensors"), &st) == 0);
	CHECK(checkpoint_save(folder, m, true, &e) == 0);
	CHECK(stat(in("model.safetensors"), &half) == 0);
	CHECK(llabs((long long)(st.st_size - half.st_size) - (long long)(2 * m->nmatrix)) < 256);
	s = safetensors_open(in("model.safetensors"), &e);
	CHECK(s && safetensors_floats(s) == m->nparam);
	safetensors_close(s);
	q = checkpoint_load(folder, nn, 0, NULL, &e);
	CHECK(q != NULL);
	if (q) {
		CHECK(q->param[0] == 1 && q->param[1] == 1 + 0x1p-6f);
		CHECK(q->param[2] == -(1 + 0x1p-7f));
		for (size_t i = 0; i < m->nmatrix; i++)
			CHECK(fabsf(q->param[i] - w[i]) <= fabsf(w[i]) * 0x1p-8f);
		for (size_t i = m->nmatrix; i < m->nparam; i++)
			CHECK(q->param[i] == w[i]);
		CHECK(checkpoint_save(folder, q, true, &e) == 0);
		again = checkpoint_load(folder, nn, 0, NULL, &e);
		CHECK(again && memcmp(again->param, q->param, q->nparam * sizeof(float)) == 0);
		model_free(again);
	}
	model_free(q);
	model_free(m);
}

int main(void)
{
	struct nn *nn = nn_cpu_open(1);
	char cmd[300];

	CHECK(mkdtemp(folder) != NULL);
	round_trip(nn);
	rarities(nn);
	heads(nn);
	trexes(nn);
	lies(nn);
	hostile();
	halves();
	bf16(nn);
	damaged(nn);
	nn->op->close(nn);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	CHECK(system(cmd) == 0);
	return unit_done();
}
