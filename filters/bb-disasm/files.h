/*
 * files.h: the files to take apart, one after another: those that are named, and the members of
 * those that are archives.
 */
#ifndef FILES_H
#define FILES_H

#include "cli/prog.h"
#include "code/archive.h"
#include "code/debug.h"
#include "code/image.h"
#include "inputs.h"

struct files_options {
	struct opt_list labels; /* key=value */
	const char *template;   /* of paths, or NULL */
	bool ignore_symbols;
	bool dwarf;            /* read debugging information, */
	const char *debug_dir; /* also of other files: below this folder */
};

struct blob;

/* An input file, or a member of an archive. */
struct file {
	char *path;       /* for messages */
	const char *name; /* base name as valid UTF-8, or libx.a(member.o) */
	struct labels labels;
	bool unlabelled;     /* the path does not fit the template */
	struct image *image; /* NULL: not looked at yet, or bad */
	bool member;         /* of an archive */
	bool bad;
	bool nothing; /* a member without functions, of which an archive may have many: not bad */
	struct err why;
	struct debug debug;         /* empty if there is none */
	struct labels *unit_labels; /* of each unit of it: labels, compiler and level */
	bool bad_debug;             /* why says the reason */
	uint64_t too_large;         /* functions left out; atomic */
	/* private */
	struct blob *blob; /* the bytes, shared by the members of an archive; NULL: not read yet */
	struct blob *archive; /* that it is a member of, or NULL */
	const uint8_t *p;
	size_t n;
	struct arena arena;
	int users; /* atomic */
};

struct files {
	struct inputs in;
	const struct files_options *o;
	struct blob *archive; /* whose members are next, or NULL */
	struct archive members;
	char *archive_path;
	struct map outside; /* members of a thin archive that were read */
	struct arena names;
};

/* `in` was opened by the caller; files_close closes it. */
void files_open(struct files *fs, const struct inputs *in, const struct files_options *o);
void files_close(struct files *fs);
/* The next file, not looked at yet, with one user: 1, 0 at the end, -1 with the reason. */
int files_next(struct files *fs, struct file **out, struct err *e) MUST_CHECK;

/* Bytes of the file, for planning; 0 if it is not known. */
uint64_t files_size(const struct file *f);
/* Reads it, unless that was done, and makes its image; or sets bad. */
void files_load(struct file *f, const struct files_options *o, const struct survey_crew *crew);
/* Whether the file was cut short after it was opened: what comes of it now is worth nothing. */
bool files_cut(const struct file *f);
void files_use(struct file *f);
/* The last user frees it. */
void files_release(struct file *f);

#endif
