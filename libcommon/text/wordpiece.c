/*
 * wordpiece.c: longest-match tokenisation in linear time; see wordpiece.h.
 *
 * One idea: LinMaxMatch (Song et al., "Fast WordPiece Tokenization", EMNLP 2021), which is
 * Aho-Corasick for greedy longest match. Tokens are the paths of two tries, one for the start of a
 * word and one for "##" continuations. Where the next byte has no edge, the failure link of node
 * v says which tokens the bytes so far must become (its pops) and which node stands for the rest:
 * nothing is read twice. Bytes will do for UTF-8, since no character starts inside another. On top
 * of it a memo of whole words, because code has few words and repeats them.
 */
#include "text/wordpiece.h"

#include <jansson.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "stream/cbor.h"

const char *const wordpiece_special[WORDPIECE_SPECIALS] = {
	"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

const char *const wordpiece_reads_name[WORDPIECE_READS] = {NULL, "code", "computed", "traced"};

enum { START = 0, CONT = 1 }; /* the roots: at the start of a word, behind a token */
enum { POPS_MAX = 1 << 24 };  /* entries of all pops; only a vocabulary made to hurt gets there */
enum { MEMO_WORDS = 1 << 16 };
static const uint32_t NONE = UINT32_MAX;
_Static_assert(2 * WORDPIECE_FILE_MAX < 1 << 24, "an edge has 24 bits for the number of a node");

struct node {
	uint32_t token; /* the token that ends here, or NONE */
	uint32_t fail;  /* node of what is left once the pops are taken away, or NONE: stuck */
	uint32_t pops;  /* place in wordpiece.pops, */
	uint32_t npops; /* and number: tokens that the bytes to here begin with */
};

struct wordpiece {
	struct map tokens; /* text -> number, in order */
	uint64_t hash;
	struct node *node;
	size_t nnodes, node_cap;
	uint64_t *edge; /* open addressing: node << 40 | byte << 32 | child, or 0 */
	size_t nslots;  /* a power of two */
	struct wordpiece_ids pops;
	enum wordpiece_reads reads;
};

static uint32_t child(const struct wordpiece *w, uint32_t u, uint8_t c)
{
	uint64_t key = (uint64_t)u << 8 | c;
	size_t i = hash_mix(key) & (w->nslots - 1);

	for (; w->edge[i]; i = (i + 1) & (w->nslots - 1))
		if (w->edge[i] >> 32 == key)
			return (uint32_t)w->edge[i];
	return NONE;
}

static void ids_put(struct wordpiece_ids *out, const uint32_t *p, size_t n)
{
	if (out->n + n > out->cap)
		out->p = mem_grow(out->p, &out->cap, out->n + n, sizeof(*out->p));
	for (size_t i = 0; i < n; i++)
		out->p[out->n + i] = p[i];
	out->n += n;
}

static void take_pops(const struct wordpiece *w, uint32_t u, struct wordpiece_ids *out)
{
	ids_put(out, w->pops.p + w->node[u].pops, w->node[u].npops);
}

/* ---- building ---- */

/* What the tries need while they are made: one entry for each node. */
struct birth {
	uint32_t parent;
	uint16_t depth;
	uint8_t byte;
};

static void add_path(struct wordpiece *w, struct birth *birth, uint32_t root, const char *s,
	size_t n, uint32_t token)
{
	uint32_t u = root;

	for (size_t k = 0; k < n; k++) {
		uint8_t c = (uint8_t)s[k];
		uint64_t key = (uint64_t)u << 8 | c;
		uint32_t v = child(w, u, c);
		size_t i = hash_mix(key) & (w->nslots - 1);

		if (v == NONE) {
			v = (uint32_t)w->nnodes++;
			w->node[v] = (struct node){.token = NONE, .fail = NONE};
			birth[v] = (struct birth){u, (uint16_t)(k + 1), c};
			while (w->edge[i])
				i = (i + 1) & (w->nslots - 1);
			w->edge[i] = key << 32 | v;
		}
		u = v;
	}
	w->node[u].token = token;
}

/* Failure link and pops of v; those of all nodes less deep are there. */
static void link_node(struct wordpiece *w, uint32_t v, const struct birth *birth)
{
	struct node *node = &w->node[v];
	uint32_t u = birth->parent, z;

	node->pops = (uint32_t)w->pops.n;
	if (node->token != NONE) { /* the longest token so far is all of it */
		ids_put(&w->pops, &node->token, 1);
		node->npops = 1;
		node->fail = CONT;
		return;
	}
	/* As with the parent's bytes, if what is left of them can go on with our byte. */
	for (z = w->node[u].fail; z != NONE && child(w, z, birth->byte) == NONE;)
		z = w->node[z].fail;
	if (z == NONE)
		return;
	node->fail = child(w, z, birth->byte);
	for (uint32_t y = u; y != z; y = w->node[y].fail) {
		/* Room first: what is put is in the array that would move. */
		w->pops.p = mem_grow(
			w->pops.p, &w->pops.cap, w->pops.n + w->node[y].npops, sizeof(*w->pops.p));
		take_pops(w, y, &w->pops);
	}
	node->npops = (uint32_t)w->pops.n - node->pops;
}

static int build(struct wordpiece *w, struct err *e)
{
	size_t bytes = 2, nslots = 64, at = 0;
	uint32_t first[WORDPIECE_TOKEN_MAX + 2] = {0}, *order;
	struct birth *birth;

	for (size_t i = 0; i < w->tokens.count; i++)
		bytes += 2 * w->tokens.e[i].n;
	while (nslots < 2 * bytes)
		nslots *= 2;
	w->nslots = nslots;
	w->edge = mem_zalloc(nslots, sizeof(*w->edge));
	w->node = mem_alloc(bytes, sizeof(*w->node));
	birth = mem_zalloc(bytes, sizeof(*birth));
	w->node[START] = w->node[CONT] = (struct node){.token = NONE, .fail = NONE};
	w->nnodes = 2;
	for (size_t i = 0; i < w->tokens.count; i++) {
		const char *s = w->tokens.e[i].key;
		size_t n = w->tokens.e[i].n;

		add_path(w, birth, START, s, n, (uint32_t)i);
		if (n > 2 && !memcmp(s, "##", 2))
			add_path(w, birth, CONT, s + 2, n - 2, (uint32_t)i);
	}

	/* By depth, the shallow first: a failure link always leads to a node less deep. */
	order = mem_alloc(w->nnodes, sizeof(*order));
	for (size_t v = 0; v < w->nnodes; v++)
		first[birth[v].depth + 1]++;
	for (size_t d = 1; d < COUNT_OF(first); d++)
		first[d] += first[d - 1];
	for (size_t v = 0; v < w->nnodes; v++)
		order[first[birth[v].depth]++] = (uint32_t)v;
	for (at = 2; at < w->nnodes && w->pops.n < POPS_MAX; at++)
		link_node(w, order[at], &birth[order[at]]);
	mem_free(order);
	mem_free(birth);
	return at < w->nnodes ? err_set(e, "too many ways to cut the tokens into others") : 0;
}

/* Adds the token of line `line`. */
static int add_token(struct wordpiece *w, const char *s, size_t n, size_t line, struct err *e)
{
	bool made;

	if (n > 0 && s[n - 1] == '\r')
		n--;
	if (line <= WORDPIECE_SPECIALS) {
		const char *special = wordpiece_special[line - 1];

		if (n != strlen(special) || memcmp(s, special, n))
			return err_set(e, "line %zu: not %s", line, special);
	}
	if (n == 0)
		return err_set(e, "line %zu: empty", line);
	if (n > WORDPIECE_TOKEN_MAX)
		return err_set(e, "line %zu: longer than %d bytes", line, WORDPIECE_TOKEN_MAX);
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] <= ' ' || s[i] == 0x7f)
			return err_set(e, "line %zu: blank or control character", line);
	if (!cbor_is_text((const uint8_t *)s, n))
		return err_set(e, "line %zu: not UTF-8", line);
	if (line > WORDPIECE_COUNT_MAX)
		return err_set(e, "more than %d tokens", WORDPIECE_COUNT_MAX);
	map_put(&w->tokens, s, n, &made)->value = line - 1;
	if (!made)
		return err_set(e, "line %zu: the token was there before", line);
	return 0;
}

static int parse(struct wordpiece *w, const char *text, size_t n, struct err *e)
{
	struct buf plain = {0};
	size_t line = 0;

	if (n > WORDPIECE_FILE_MAX)
		return err_set(e, "larger than %d bytes", WORDPIECE_FILE_MAX);
	for (const char *p = text, *end = text + n; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;

		if (add_token(w, p, (size_t)(stop - p), ++line, e) < 0)
			return -1;
		p = nl ? nl + 1 : end;
	}
	if (line < WORDPIECE_SPECIALS)
		return err_set(e, "line %zu: not %s", line + 1, wordpiece_special[line]);
	wordpiece_txt(&plain, w);
	w->hash = hash_64(plain.p, plain.n);
	buf_free(&plain);
	return build(w, e);
}

struct wordpiece *wordpiece_parse(const char *text, size_t n, struct err *e)
{
	struct wordpiece *w = mem_zalloc(1, sizeof(*w));

	if (parse(w, text, n, e) == 0)
		return w;
	wordpiece_free(w);
	return NULL;
}

/* Reads a whole file, but never much more than a vocabulary may have. */
static int read_file(const char *path, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	do {
		got = read(fd, buf_reserve(b, 1 << 16), 1 << 16);
		b->n += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && b->n <= WORDPIECE_FILE_MAX) || (got < 0 && errno == EINTR));
	close(fd);
	return got < 0 ? -1 : 0;
}

/* What the folder's tokenizer_config.json says of it; nothing, if it is not there. 0 or -1. */
static int read_reads(const char *folder, enum wordpiece_reads *reads, struct err *e)
{
	struct buf name = {0}, text = {0};
	json_error_t why;
	const char *says;
	json_t *j = NULL;
	int r = 0;

	buf_printf(&name, "%s/tokenizer_config.json", folder);
	if (read_file(buf_text(&name), &text) < 0)
		r = errno == ENOENT ? 0 : err_set(e, "%s: %s", (char *)name.p, strerror(errno));
	else if (!(j = json_loadb((char *)text.p, text.n, 0, &why)))
		r = err_set(e, "%s: line %d: %s", (char *)name.p, why.line, why.text);
	says = json_string_value(json_object_get(j, "bb_reads"));
	for (unsigned k = WORDPIECE_ANY + 1; says && k < WORDPIECE_READS; k++)
		if (!strcmp(says, wordpiece_reads_name[k]))
			*reads = k;
	json_decref(j);
	buf_free(&name);
	buf_free(&text);
	return r;
}

struct wordpiece *wordpiece_open(const char *path, struct err *e)
{
	struct buf name = {0}, text = {0};
	struct wordpiece *w = NULL;
	struct err why = {0};
	struct stat st;
	bool is_folder;

	buf_puts(&name, path);
	is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (is_folder)
		buf_puts(&name, "/vocab.txt");
	if (read_file(buf_text(&name), &text) < 0)
		err_set(e, "%s: %s", (char *)name.p, strerror(errno));
	else if (!(w = wordpiece_parse((char *)text.p, text.n, &why)))
		err_set(e, "%s: %s", (char *)name.p, why.text);
	if (w && is_folder && read_reads(path, &w->reads, e) < 0) {
		wordpiece_free(w);
		w = NULL;
	}
	buf_free(&name);
	buf_free(&text);
	return w;
}

void wordpiece_free(struct wordpiece *w)
{
	if (!w)
		return;
	map_free(&w->tokens);
	mem_free(w->node);
	mem_free(w->edge);
	mem_free(w->pops.p);
	mem_free(w);
}

enum wordpiece_reads wordpiece_reads(const struct wordpiece *w)
{
	return w->reads;
}

void wordpiece_set_reads(struct wordpiece *w, enum wordpiece_reads reads)
{
	w->reads = reads;
}

size_t wordpiece_count(const struct wordpiece *w)
{
	return w->tokens.count;
}

const char *wordpiece_token(const struct wordpiece *w, size_t id)
{
	return id < w->tokens.count ? w->tokens.e[id].key : NULL;
}

int64_t wordpiece_find(const struct wordpiece *w, const char *token)
{
	const struct map_entry *e = map_get(&w->tokens, token, strlen(token));

	return e ? (int64_t)e->value : -1;
}

uint64_t wordpiece_hash(const struct wordpiece *w)
{
	return w->hash;
}

/* ---- matching ---- */

static size_t characters(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((uint8_t)s[i] & 0xc0) != 0x80;
	return count;
}

/* Appends the tokens of the word, or returns false when it gets stuck. */
static bool match(const struct wordpiece *w, const char *word, size_t n, struct wordpiece_ids *out)
{
	uint32_t u = START, v;

	for (size_t i = 0; i < n; i++) {
		while ((v = child(w, u, (uint8_t)word[i])) == NONE) {
			if (w->node[u].fail == NONE)
				return false;
			take_pops(w, u, out);
			u = w->node[u].fail;
		}
		u = v;
	}
	while (u != CONT) {
		if (w->node[u].fail == NONE)
			return false;
		take_pops(w, u, out);
		u = w->node[u].fail;
	}
	return true;
}

void wordpiece_word(
	const struct wordpiece *w, const char *word, size_t n, struct wordpiece_ids *out)
{
	static const uint32_t unk = WORDPIECE_UNK;
	size_t before = out->n;

	if ((n <= WORDPIECE_WORD_MAX || characters(word, n) <= WORDPIECE_WORD_MAX) &&
		match(w, word, n, out))
		return;
	out->n = before;
	ids_put(out, &unk, 1);
}

/*
 * Bytes of the white space character at p, or 0 when there is none: Unicode's White_Space, which
 * is what WhitespaceSplit cuts at.
 */
static size_t white(const char *text, const char *end)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n = (size_t)(end - text);

	if (*p < 0x80)
		return *p == ' ' || (*p >= '\t' && *p <= '\r');
	if (n >= 2 && *p == 0xc2)
		return p[1] == 0x85 || p[1] == 0xa0 ? 2 : 0;
	if (n < 3)
		return 0;
	switch (*p << 8 | p[1]) {
	case 0xe19a: return p[2] == 0x80 ? 3 : 0; /* U+1680 */
	case 0xe280:                              /* U+2000 to U+200A, U+2028, U+2029, U+202F */
		return p[2] <= 0x8a || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf ? 3 : 0;
	case 0xe281: return p[2] == 0x9f ? 3 : 0; /* U+205F */
	case 0xe380: return p[2] == 0x80 ? 3 : 0; /* U+3000 */
	}
	return 0;
}

/* The tokens of a word from the map, where they are put the first time. */
static const uint32_t *look_up(const struct wordpiece *w, struct wordpiece_memo *m,
	const char *word, size_t n, size_t *nids)
{
	struct map_entry *e;
	bool made;

	if (m->words.count >= MEMO_WORDS) {
		map_reset(&m->words);
		m->ids.n = 0;
	}
	e = map_put(&m->words, word, n, &made);
	if (made) {
		size_t at = m->ids.n;

		wordpiece_word(w, word, n, &m->ids);
		e->value = (uint64_t)at << 16 | (m->ids.n - at);
	}
	*nids = e->value & 0xffff;
	return m->ids.p + (e->value >> 16);
}

static uint64_t load(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

/* Numbers that, with its size, tell a word of 1 to 16 bytes from all others. */
static struct wordpiece_slot word_key(const char *p, size_t n)
{
	struct wordpiece_slot key = {.size = (uint8_t)n};

	if (n >= 8) {
		key.first = load(p, 8);
		key.last = load(p + n - 8, 8);
	} else if (n >= 4) {
		key.first = load(p, 4);
		key.last = load(p + n - 4, 4);
	} else {
		key.first = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 |
			    (uint8_t)p[n - 1];
	}
	return key;
}

/* Puts the tokens of a word of at most 16 bytes at `to`, where there is room; their number. */
static size_t encode_short(const struct wordpiece *w, struct wordpiece_memo *m, const char *word,
	size_t n, uint32_t *to)
{
	struct wordpiece_slot key = word_key(word, n), *s;
	uint64_t hash = (key.first ^ key.last * 31 ^ n) * 0x9e3779b97f4a7c15u;
	const uint32_t *ids;
	size_t nids;

	s = &m->slot[hash >> (64 - WORDPIECE_SLOT_BITS)];
	if (s->first == key.first && s->last == key.last && s->size == n) {
		for (size_t i = 0; i < WORDPIECE_SLOT_IDS; i++) /* all: no branch */
			to[i] = s->ids[i];
		return s->nids;
	}
	ids = look_up(w, m, word, n, &nids);
	memcpy(to, ids, nids * sizeof(*to));
	if (nids <= WORDPIECE_SLOT_IDS) {
		*s = key;
		s->nids = (uint8_t)nids;
		memcpy(s->ids, ids, nids * sizeof(*ids));
	}
	return nids;
}

void wordpiece_encode(const struct wordpiece *w, struct wordpiece_memo *m, const char *text,
	size_t n, struct wordpiece_ids *out)
{
	const char *p = text, *end = text + n, *word;
	size_t skip;

	if (!m->slot)
		m->slot = mem_zalloc((size_t)1 << WORDPIECE_SLOT_BITS, sizeof(*m->slot));
	/* No token is of less than a byte, and a cached word may write over its end. */
	out->p = mem_grow(out->p, &out->cap, out->n + n + WORDPIECE_SLOT_IDS, sizeof(*out->p));
	while (p < end) {
		if ((skip = white(p, end))) {
			p += skip;
			continue;
		}
		for (word = p; p < end && ((*p > ' ' && *p <= '~') || !white(p, end));)
			p++;
		if (p - word <= 16) {
			out->n += encode_short(w, m, word, (size_t)(p - word), out->p + out->n);
		} else if (p - word <= WORDPIECE_TOKEN_MAX) {
			const uint32_t *ids = look_up(w, m, word, (size_t)(p - word), &skip);

			ids_put(out, ids, skip);
		} else { /* more than 100 characters: not worth remembering */
			wordpiece_word(w, word, (size_t)(p - word), out);
		}
	}
}

void wordpiece_memo_free(struct wordpiece_memo *m)
{
	mem_free(m->slot);
	map_free(&m->words);
	mem_free(m->ids.p);
	*m = (struct wordpiece_memo){0};
}
