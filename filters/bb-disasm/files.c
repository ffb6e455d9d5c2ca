/* files.c: see files.h. */
#include "files.h"

#include <string.h>

#include "base/mem.h"
#include "code/names.h"
#include "labels.h"

struct blob {
	uint8_t *p;
	size_t n;
	int users; /* atomic */
};

static void blob_release(struct blob *b)
{
	if (b && !__atomic_sub_fetch(&b->users, 1, __ATOMIC_ACQ_REL)) {
		mem_free(b->p);
		mem_free(b);
	}
}

/* member is NULL, or the name in the archive `path`. Labels go by the path alone. */
static struct file *file_new(const struct files_options *o, const char *path, const char *member)
{
	struct file *f = mem_zalloc(1, sizeof(*f));
	const char *slash = strrchr(path, '/');
	size_t base = slash && slash[1] ? (size_t)(slash + 1 - path) : 0;
	struct buf b = {0};

	buf_puts(&b, path);
	if (member)
		buf_printf(&b, "(%s)", member);
	f->path = mem_strdup(buf_text(&b));
	f->name = names_utf8(&f->arena, arena_str(&f->arena, f->path + base, b.n - base));
	f->unlabelled =
		labels_of(&f->labels, o->template, path, o->labels.p, o->labels.n, &f->arena) < 0;
	f->users = 1;
	buf_free(&b);
	return f;
}

void files_use(struct file *f)
{
	__atomic_add_fetch(&f->users, 1, __ATOMIC_RELAXED);
}

void files_release(struct file *f)
{
	if (__atomic_sub_fetch(&f->users, 1, __ATOMIC_ACQ_REL))
		return;
	image_free(f->image);
	blob_release(f->blob);
	mem_free(f->path);
	arena_free(&f->arena);
	mem_free(f);
}

uint64_t files_size(const struct file *f)
{
	return f->bad ? 0 : f->blob ? f->n : inputs_size(f->path);
}

static int file_read(struct file *f)
{
	uint8_t *p;

	if (f->blob)
		return 0;
	f->bad = inputs_read(f->path, &p, &f->n, &f->why) < 0;
	if (f->bad)
		return -1;
	f->blob = mem_alloc(1, sizeof(*f->blob));
	*f->blob = (struct blob){p, f->n, 1};
	f->p = p;
	return 0;
}

void files_load(struct file *f, const struct files_options *o, struct insn_decoder *d)
{
	if (f->bad || f->image || file_read(f) < 0)
		return;
	f->image = image_new(f->p, f->n, o->ignore_symbols ? IMAGE_IGNORE_SYMBOLS : 0, d, &f->why);
	f->bad = !f->image;
}

/* ---- archives ---- */

static void close_archive(struct files *fs)
{
	if (!fs->archive)
		return;
	blob_release(fs->archive);
	mem_free(fs->archive_path);
	fs->archive = NULL;
}

/* The file turns out to be an archive: its members follow instead of it. */
static void open_archive(struct files *fs, struct file *f)
{
	fs->archive = f->blob;
	f->blob = NULL;
	fs->archive_path = mem_strdup(f->path);
	arena_reset(&fs->names);
	fs->members = archive_open(fs->archive->p, fs->archive->n, &fs->names);
	files_release(f);
}

/* The next member of the open archive: 1, or 0 at its end. */
static int next_member(struct files *fs, struct file **out)
{
	struct archive_member m;
	struct err e;
	int got = archive_next(&fs->members, &m, &e);

	if (got == 0) {
		close_archive(fs);
		return 0;
	}
	*out = file_new(fs->o, fs->archive_path, got > 0 ? m.name : NULL);
	if (got > 0) {
		__atomic_add_fetch(&fs->archive->users, 1, __ATOMIC_RELAXED);
		(*out)->blob = fs->archive;
		(*out)->p = m.p;
		(*out)->n = m.n;
	} else { /* damaged from here on: one bad file, the last */
		(*out)->bad = true;
		(*out)->why = e;
		fs->members.at = fs->members.n;
	}
	return 1;
}

/* ---- all of them ---- */

void files_open(struct files *fs, const struct inputs *in, const struct files_options *o)
{
	*fs = (struct files){.in = *in, .o = o};
}

void files_close(struct files *fs)
{
	close_archive(fs);
	arena_free(&fs->names);
	inputs_close(&fs->in);
}

int files_next(struct files *fs, struct file **out, struct err *e)
{
	const char *path;
	int got;

	for (;;) {
		if (fs->archive && next_member(fs, out))
			return 1;
		got = inputs_next(&fs->in, &path, e);
		if (got <= 0)
			return got;
		*out = file_new(fs->o, path, NULL);
		if (!inputs_may_be_archive(path) || file_read(*out) < 0 ||
			!archive_is((*out)->p, (*out)->n))
			return 1;
		open_archive(fs, *out);
	}
}
