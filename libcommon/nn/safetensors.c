/*
 * safetensors.c: reading and writing; see safetensors.h.
 * Format: https://huggingface.co/docs/safetensors (header at most 100 MB, no overlaps, no holes).
 */
#include "nn/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

enum { HEADER_MAX = 100 << 20, READ_STEP = 1 << 16, WRITE_STEP = 1 << 18, FLUSH_STEP = 8 << 20 };

static int write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, MIN(n, (size_t)1 << 30));

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

/* So that the rename itself survives a loss of power. */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf b = {0};
	int fd;

	buf_put(&b, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
	fd = open(buf_text(&b), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_free(&b);
	if (fd >= 0) {
		(void)!fsync(fd);
		close(fd);
	}
}

/* Runs body(fd) on a file beside path, then puts it in path's place. */
static int replace(const char *path, int (*body)(int fd, void *arg), void *arg, struct err *e)
{
	struct buf tmp = {0};
	int fd, saved = 0;

	buf_printf(&tmp, "%s.tmp", path);
	fd = open(buf_text(&tmp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || body(fd, arg) < 0 || fsync(fd) < 0)
		saved = errno;
	if (fd >= 0 && close(fd) < 0 && !saved)
		saved = errno;
	if (!saved && rename(buf_text(&tmp), path) < 0)
		saved = errno;
	if (saved && fd >= 0)
		unlink(buf_text(&tmp));
	buf_free(&tmp);
	if (saved)
		return err_set(e, "%s: cannot write: %s", path, strerror(saved));
	sync_folder(path);
	return 0;
}

/* The upper half of a finite binary32, rounded to nearest, ties to even. */
static uint16_t narrow(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, 4);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static size_t width_of(const struct safetensors_entry *t)
{
	return t->bf16 ? sizeof(uint16_t) : sizeof(float);
}

/* A file being written. Its header has been made. */
struct job {
	struct buf head;
	const struct safetensors_file *f;
	float *room;       /* [WRITE_STEP] */
	uint16_t *half;    /* [WRITE_STEP] */
	off_t at, flushed; /* bytes written, and asked to be on their way to the disk */
};

/*
 * The disk writes while we go on, and what it has written leaves the page cache: the state of a
 * large model takes the time of the disk, not first that of as many fresh pages.
 */
static int flush(int fd, struct job *j)
{
	off_t before = MAX(j->flushed - FLUSH_STEP, (off_t)0);

	if (j->at - j->flushed < FLUSH_STEP)
		return 0;
	(void)!sync_file_range(fd, j->flushed, j->at - j->flushed, SYNC_FILE_RANGE_WRITE);
	if (j->flushed > before) {
		if (sync_file_range(fd, before, j->flushed - before,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) < 0 &&
			(errno == EIO || errno == ENOSPC || errno == EDQUOT))
			return -1;
		(void)!posix_fadvise(fd, before, j->flushed - before, POSIX_FADV_DONTNEED);
	}
	j->flushed = j->at;
	return 0;
}

static int put(int fd, struct job *j, const void *p, size_t n)
{
	if (write_all(fd, p, n) < 0)
		return -1;
	j->at += (off_t)n;
	return flush(fd, j);
}

static int write_tensor(int fd, struct job *j, const struct safetensors_entry *t)
{
	for (size_t i = 0; i < t->n;) {
		size_t n = MIN(t->n - i, (size_t)WRITE_STEP);
		const float *from = t->data + i;

		if (j->f->get) {
			j->f->get(j->f->ctx, j->room, from, n);
			from = j->room;
		}
		for (size_t k = 0; k < n && t->bf16; k++)
			j->half[k] = narrow(from[k]);
		if (put(fd, j, t->bf16 ? (const void *)j->half : from, n * width_of(t)) < 0)
			return -1;
		i += n;
	}
	return 0;
}

static int write_job(int fd, void *arg)
{
	struct job *j = arg;

	if (put(fd, j, j->head.p, j->head.n) < 0)
		return -1;
	for (size_t i = 0; i < j->f->n; i++)
		if (write_tensor(fd, j, &j->f->t[i]) < 0)
			return -1;
	return 0;
}

static void put_json(struct buf *b, const char *s)
{
	json_t *t = json_string(s);
	char *text = t ? json_dumps(t, JSON_ENCODE_ANY) : NULL;

	buf_puts(b, text ? text : "\"\"");
	free(text);
	json_decref(t);
}

int safetensors_write(const char *path, const struct safetensors_file *f, struct err *e)
{
	struct job j = {.f = f};
	struct buf *b = &j.head;
	uint64_t at = 0, len;
	int r;

	buf_put(b, "\0\0\0\0\0\0\0", 8);
	buf_puts(b, "{\"__metadata__\":{");
	for (size_t i = 0; i < f->nmeta; i++) {
		buf_puts(b, i ? "," : "");
		put_json(b, f->meta[i].key);
		buf_putc(b, ':');
		put_json(b, f->meta[i].value);
	}
	buf_putc(b, '}');
	for (size_t i = 0; i < f->n; i++) {
		const struct safetensors_entry *t = &f->t[i];

		buf_putc(b, ',');
		put_json(b, t->name);
		buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", t->bf16 ? "BF16" : "F32");
		for (unsigned k = 0; k < t->rank; k++)
			buf_printf(b, "%s%zu", k ? "," : "", t->shape[k]);
		buf_printf(b, "],\"data_offsets\":[%llu,", (unsigned long long)at);
		at += t->n * width_of(t);
		buf_printf(b, "%llu]}", (unsigned long long)at);
	}
	buf_putc(b, '}');
	while (b->n % 8) /* so that the data are aligned */
		buf_putc(b, ' ');
	len = b->n - 8;
	memcpy(b->p, &len, 8);
	j.room = mem_alloc(WRITE_STEP, sizeof(*j.room));
	j.half = mem_alloc(WRITE_STEP, sizeof(*j.half));
	r = replace(path, write_job, &j, e);
	mem_free(j.room);
	mem_free(j.half);
	buf_free(b);
	return r;
}

static int write_text(int fd, void *arg)
{
	const struct buf *b = arg;

	return write_all(fd, b->p, b->n);
}

int safetensors_write_text(const char *path, const void *p, size_t n, struct err *e)
{
	struct buf b = {0};
	int r;

	buf_put(&b, p, n);
	r = replace(path, write_text, &b, e);
	buf_free(&b);
	return r;
}

struct place {
	struct safetensors_entry entry;
	uint64_t begin, end; /* in the data */
	unsigned width;      /* bytes of a value: 4, or 2 */
	bool half;           /* F16, not BF16 */
};

struct safetensors {
	FILE *f;
	char *path;
	uint64_t data; /* where the data begin in the file */
	json_t *header;
	struct place *t;
	size_t n;
	struct map names; /* to index into t */
};

static int bad(const struct safetensors *s, const char *name, const char *why, struct err *e)
{
	return err_set(e, "%s: tensor %.80s: %s", s->path, name, why);
}

static int read_place(struct safetensors *s, const char *name, json_t *v, uint64_t size,
	struct place *p, struct err *e)
{
	json_t *shape = json_object_get(v, "shape"), *at = json_object_get(v, "data_offsets");
	const char *type = json_string_value(json_object_get(v, "dtype"));
	json_int_t from, to;
	uint64_t n = 1;

	if (!json_is_array(shape) || !json_is_array(at) || json_array_size(at) != 2 || !type)
		return bad(s, name, "no dtype, shape or data_offsets", e);
	if (json_array_size(shape) > SAFETENSORS_RANK)
		return bad(s, name, "too many dimensions", e);
	if (!json_is_integer(json_array_get(at, 0)) || !json_is_integer(json_array_get(at, 1)))
		return bad(s, name, "data_offsets are not integers", e);
	from = json_integer_value(json_array_get(at, 0));
	to = json_integer_value(json_array_get(at, 1));
	if (from < 0 || to < from || (uint64_t)to > size)
		return bad(s, name, "data_offsets are outside the file", e);
	p->begin = (uint64_t)from;
	p->end = (uint64_t)to;
	p->entry.rank = (unsigned)json_array_size(shape);
	for (unsigned i = 0; i < p->entry.rank; i++) {
		json_t *d = json_array_get(shape, i);
		json_int_t k = json_integer_value(d);

		if (!json_is_integer(d) || k < 0)
			return bad(s, name, "the shape is not of natural numbers", e);
		if (__builtin_mul_overflow(n, (uint64_t)k, &n) || n > UINT64_MAX / 16)
			return bad(s, name, "the shape is too large", e);
		p->entry.shape[i] = (size_t)k;
	}
	p->entry.name = name;
	p->entry.n = n;
	p->half = strcmp(type, "F16") == 0;
	p->width = strcmp(type, "F32") == 0 ? 4 : p->half || strcmp(type, "BF16") == 0 ? 2 : 0;
	if (p->width && n * p->width != p->end - p->begin)
		return bad(s, name, "shape and data_offsets disagree", e);
	return 0;
}

static int by_begin(const void *a, const void *b)
{
	const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

static int check_overlaps(const struct safetensors *s, struct err *e)
{
	struct place **order = mem_alloc(s->n, sizeof(*order));
	uint64_t end = 0;
	int r = 0;

	for (size_t i = 0; i < s->n; i++)
		order[i] = &s->t[i];
	qsort(order, s->n, sizeof(*order), by_begin);
	for (size_t i = 0; i < s->n && r == 0; i++) {
		if (order[i]->begin < end)
			r = bad(s, order[i]->entry.name, "overlaps another tensor", e);
		end = MAX(end, order[i]->end);
	}
	mem_free(order);
	return r;
}

static int read_header(struct safetensors *s, struct err *e)
{
	json_error_t je;
	struct stat st;
	uint64_t len;
	const char *name;
	json_t *v;
	char *text;

	if (fstat(fileno(s->f), &st) < 0)
		return err_set(e, "%s: %s", s->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, "%s: not a regular file", s->path);
	if (st.st_size < 10 || fread(&len, 1, 8, s->f) != 8)
		return err_set(e, "%s: too short for a safetensors file", s->path);
	if (len > HEADER_MAX || len > (uint64_t)st.st_size - 8)
		return err_set(
			e, "%s: the header claims %llu bytes", s->path, (unsigned long long)len);
	text = mem_alloc(len + 1, 1);
	if (fread(text, 1, len, s->f) != len) {
		mem_free(text);
		return err_set(e, "%s: cannot read the header", s->path);
	}
	s->header = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	mem_free(text);
	if (!json_is_object(s->header))
		return err_set(e, "%s: header: %s", s->path, s->header ? "not an object" : je.text);
	s->data = len + 8;
	s->t = mem_zalloc(json_object_size(s->header), sizeof(*s->t));
	json_object_foreach(s->header, name, v)
	{
		if (strcmp(name, "__metadata__") == 0)
			continue;
		if (read_place(s, name, v, (uint64_t)st.st_size - s->data, &s->t[s->n], e) < 0)
			return -1;
		map_put(&s->names, name, strlen(name), NULL)->value = s->n++;
	}
	return check_overlaps(s, e);
}

struct safetensors *safetensors_open(const char *path, struct err *e)
{
	struct safetensors *s = mem_zalloc(1, sizeof(*s));

	s->path = mem_strdup(path);
	s->f = fopen(path, "rbe");
	if (!s->f)
		(void)err_set(e, "%s: %s", path, strerror(errno));
	if (s->f && read_header(s, e) == 0)
		return s;
	safetensors_close(s);
	return NULL;
}

void safetensors_close(struct safetensors *s)
{
	if (!s)
		return;
	if (s->f)
		fclose(s->f);
	json_decref(s->header);
	map_free(&s->names);
	mem_free(s->t);
	mem_free(s->path);
	mem_free(s);
}

const struct safetensors_entry *safetensors_find(const struct safetensors *s, const char *name)
{
	const struct map_entry *m = map_get(&s->names, name, strlen(name));

	return m ? &s->t[m->value].entry : NULL;
}

uint64_t safetensors_floats(const struct safetensors *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->t[i].width)
			sum += s->t[i].entry.n;
	return sum;
}

/* IEEE 754 binary16 and bfloat16 to binary32. */
static float widen(uint16_t v, bool half)
{
	uint32_t sign = (uint32_t)(v & 0x8000) << 16, exp = v >> 10 & 31, frac = v & 1023;
	uint32_t bits = (uint32_t)v << 16;
	float f;

	if (half && exp == 0)
		return (v & 0x8000 ? -1.0f : 1.0f) * (float)frac * 0x1p-24f;
	if (half)
		bits = sign | (exp == 31 ? 255 : exp + 112) << 23 | frac << 13;
	memcpy(&f, &bits, 4);
	return f;
}

int safetensors_read(
	struct safetensors *s, const struct safetensors_entry *t, float *out, struct err *e)
{
	const struct place *p =
		(const struct place *)((const char *)t - offsetof(struct place, entry));
	uint16_t half[READ_STEP / 2];

	if (!p->width)
		return bad(s, t->name, "dtype is not F32, F16 or BF16", e);
	if (fseeko(s->f, (off_t)(s->data + p->begin), SEEK_SET) < 0)
		return err_set(e, "%s: %s", s->path, strerror(errno));
	if (p->width == 4)
		return fread(out, 4, t->n, s->f) == t->n ? 0 : bad(s, t->name, "cannot read", e);
	for (size_t i = 0; i < t->n;) {
		size_t n = MIN(t->n - i, COUNT_OF(half));

		if (fread(half, 2, n, s->f) != n)
			return bad(s, t->name, "cannot read", e);
		for (size_t k = 0; k < n; k++)
			out[i++] = widen(half[k], p->half);
	}
	return 0;
}

const char *safetensors_meta(const struct safetensors *s, const char *key)
{
	return json_string_value(json_object_get(json_object_get(s->header, "__metadata__"), key));
}
