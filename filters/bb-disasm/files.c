/* files.c: see files.h. */
#include "files.h"

#include <string.h>

#include "base/mem.h"
#include "cli/child.h"
#include "code/debug_dwarf.h"
#include "code/names.h"
#include "labels.h"

struct blob {
	struct inputs_bytes bytes;
	struct map defines; /* of an archive: the names that its members define */
	int users;          /* atomic */
};

static void blob_release(struct blob *b)
{
	if (b && !__atomic_sub_fetch(&b->users, 1, __ATOMIC_ACQ_REL)) {
		inputs_free(&b->bytes);
		map_free(&b->defines);
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
	f->member = member != NULL;
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
	debug_free(&f->debug);
	blob_release(f->blob);
	blob_release(f->archive);
	mem_free(f->path);
	arena_free(&f->arena);
	mem_free(f);
}

bool files_cut(const struct file *f)
{
	return f->blob && inputs_cut(&f->blob->bytes);
}

uint64_t files_size(const struct file *f)
{
	return f->bad ? 0 : f->blob ? f->n : inputs_size(f->path);
}

static void take_bytes(struct file *f, const struct inputs_bytes *b)
{
	f->blob = mem_alloc(1, sizeof(*f->blob));
	*f->blob = (struct blob){.bytes = *b, .users = 1};
	f->p = b->p;
	f->n = b->n;
}

static int file_read(struct file *f)
{
	struct inputs_bytes b;

	if (f->blob)
		return 0;
	f->bad = inputs_read(f->path, &b, &f->why) < 0;
	if (f->bad)
		return -1;
	take_bytes(f, &b);
	return 0;
}

/* ---- debugging information ---- */

struct debug_job {
	const struct elf *elf;
	const char *path, *folder;
};

static int read_debug(void *ctx, struct buf *out, struct err *e)
{
	const struct debug_job *j = ctx;

	return debug_dwarf_read(j->elf, j->path, j->folder, out, e);
}

/* Reads it in a process of its own: it may be hostile, and libdw is not ours. */
static void load_debug(struct file *f, const struct files_options *o)
{
	struct debug_job j = {f->image->elf, f->path, o->debug_dir};
	struct child_limits limits = {
		.memory = (UINT64_C(4) << 30) + 16 * (uint64_t)f->n,
		.output = (UINT64_C(1) << 30) + 16 * (uint64_t)f->n,
		.seconds = 30 + f->n / (1 << 20),
	};
	struct buf bytes = {0};

	if (child_run(read_debug, &j, &limits, &bytes, &f->why) < 0) {
		f->bad_debug = true;
		buf_free(&bytes);
	} else if (debug_open(&f->debug, &bytes) < 0) {
		f->bad_debug = true;
		err_set(&f->why, "its reader gave a damaged answer");
	}
	f->unit_labels = arena_get(&f->arena, f->debug.nunits, sizeof(*f->unit_labels));
	for (size_t i = 0; i < f->debug.nunits; i++)
		labels_of_producer(&f->unit_labels[i], &f->labels,
			f->debug.text + f->debug.units[i].producer, &f->arena);
}

void files_load(struct file *f, const struct files_options *o, const struct survey_crew *crew)
{
	if (f->bad || f->nothing || f->image || file_read(f) < 0)
		return;
	f->image =
		image_new(f->p, f->n, o->ignore_symbols ? IMAGE_IGNORE_SYMBOLS : 0, crew, &f->why);
	f->bad = !f->image;
	if (f->image && !f->image->functions.n) {
		image_free(f->image);
		f->image = NULL;
		f->nothing = f->member;
		f->bad = !f->member;
		err_set(&f->why, "has no functions");
	}
	if (f->image && f->member)
		f->image->linked = &f->archive->defines;
	if (f->image && o->dwarf)
		load_debug(f, o);
}

/* ---- archives ---- */

static void close_archive(struct files *fs)
{
	if (!fs->archive)
		return;
	blob_release(fs->archive);
	mem_free(fs->archive_path);
	map_reset(&fs->outside);
	fs->archive = NULL;
}

/* The file turns out to be an archive: its members follow instead of it. */
static void open_archive(struct files *fs, struct file *f)
{
	fs->archive = f->blob;
	f->blob = NULL;
	fs->archive_path = mem_strdup(f->path);
	arena_reset(&fs->names);
	fs->members = archive_open(fs->archive->bytes.p, fs->archive->bytes.n, &fs->names);
	archive_defines(fs->archive->bytes.p, fs->archive->bytes.n, &fs->archive->defines);
	files_release(f);
}

/*
 * Reads a member that is a file of its own. Each is read once, as an archive of a few bytes could
 * name a large one a million times.
 */
static int read_outside(struct files *fs, struct file *f, const struct archive_member *m)
{
	struct inputs_bytes b;
	bool made;

	if (m->nested)
		return err_set(&f->why, "is within another archive: name that one");
	if (m->cut)
		return err_set(&f->why, "its path is too long");
	if (!strcmp(fs->archive_path, "-"))
		return err_set(&f->why, "is not within the archive, whose folder is not known");
	map_put(&fs->outside, m->name, strlen(m->name), &made);
	if (!made)
		return err_set(&f->why, "is named again by the archive");
	if (inputs_read_below(fs->archive_path, m->name, m->n, &b, &f->why) < 0)
		return -1;
	take_bytes(f, &b);
	return 0;
}

static void use_member(struct files *fs, struct file *f, const struct archive_member *m)
{
	__atomic_add_fetch(&fs->archive->users, 1, __ATOMIC_RELAXED);
	f->archive = fs->archive;
	if (!m->p) {
		f->bad = read_outside(fs, f, m) < 0;
		return;
	}
	__atomic_add_fetch(&fs->archive->users, 1, __ATOMIC_RELAXED);
	f->blob = fs->archive;
	f->p = m->p;
	f->n = m->n;
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
		use_member(fs, *out, &m);
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
	map_free(&fs->outside);
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
