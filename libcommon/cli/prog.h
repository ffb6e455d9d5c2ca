/*
 * prog.h: what every program does alike: options, help, messages, exit status.
 *
 * Only the main files of filters include cli/. These functions may print and exit.
 *
 * Exit status: 0 output complete; 1 failed; 2 wrong usage; 75 stopped early after a checkpoint.
 */
#ifndef PROG_H
#define PROG_H

#include "base/buf.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 75 };

enum opt_type {
	OPT_FLAG, /* bool: set to true */
	OPT_UINT, /* uint64_t in [min, max] */
	OPT_INT,  /* int64_t in [min, max], these read as signed */
	OPT_REAL, /* double, finite */
	OPT_TEXT, /* const char * */
	OPT_LIST, /* struct opt_list: may be given again and again */
};

struct opt_list {
	const char **p;
	size_t n, cap;
};

enum { OPT_CONTENT = 1 }; /* changes the output's bytes: goes into the provenance */

struct opt {
	char c;           /* short name, or 0 */
	const char *name; /* long name */
	enum opt_type type;
	unsigned flags;
	void *dst;         /* where the value goes; what is there before is the default */
	const char *arg;   /* what -h calls the argument; NULL for a flag */
	const char *help;  /* one line, in lower case, no full stop */
	uint64_t min, max; /* OPT_UINT, OPT_INT; both 0: any */
};

struct prog {
	/* given by the program */
	const char *name;       /* "bb-strands" */
	const char *operands;   /* "[FILE...]", as in the synopsis; NULL: takes none */
	const char *brief;      /* one line: what it does */
	const char *detail;     /* a paragraph for -h; may be NULL */
	const char *example;    /* a worked example, one command a line */
	const struct opt *opts; /* own options; the common ones are added */
	size_t nopts;
	bool no_output; /* has no -o of the common kind (prints text, or names a folder itself) */
	/* filled by prog_start */
	uint64_t threads;
	bool verbose, quiet, strict;
	const char *output; /* -o, or NULL for stdout */
	char **args;        /* operands */
	size_t nargs;
	bool gpu;                /* set by the program before sandbox_enter: it has opened a GPU */
	struct opt_list content; /* OPT_CONTENT options given or not default, for the provenance */
};

/*
 * Reads the command line. -h and -V print and exit 0; wrong usage prints to stderr and exits 2.
 * The common options are -h/--help, -V/--version, -v/--verbose, -q/--quiet, -t/--threads,
 * --strict and -o/--output.
 */
void prog_start(struct prog *p, int argc, char **argv);
/*
 * Adds "name=digest" of a file to the options in the provenance: what it holds, not where it lies.
 * 0, or -1 with the reason in errno.
 */
int prog_content_file(struct prog *p, const char *name, const char *path) MUST_CHECK;
/* Adds any text to the options in the provenance. */
void prog_content(struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/*
 * The folder of a model or vocabulary: `name` if that is there or has a slash, else the model of
 * that name that came with bb, below share/bb/models of where the program is installed, or below
 * models of the tree it was built in. What is nowhere is returned as it is. Kept to the end of the
 * process.
 */
const char *prog_model(const char *name);
/* "bb-x: ..." on stderr. prog_warn is silenced by -q, prog_note needs -v. */
void prog_warn(const struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void prog_note(const struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An error message that nothing silences; the caller decides how to go on. */
void prog_error(const struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, and exits 1. */
_Noreturn void prog_fail(const struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same with the short usage, and exits 2. */
_Noreturn void prog_usage(const struct prog *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Flushes stdout and checks that everything was written; returns status, or 1. */
int prog_end(struct prog *p, int status);

#endif
