/*
 * output.c: where a filter's stream goes: stdout, or a file that is there only when complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/filter.h"

struct output {
	struct prog *p;
	int fd;
	char *beside; /* the file being written, NULL for stdout or for what is no regular file */
	struct stream_writer *w;
	struct provenance step;
};

/* A device or a pipe is written directly; a regular file beside its name. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* The unfinished file: removed however the process ends, short of SIGKILL. */
static char *part;

static void remove_part(void)
{
	if (part)
		unlink(part);
}

static void on_signal(int sig)
{
	remove_part();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void guard_part(char *path)
{
	static const int sigs[] = {SIGHUP, SIGINT, SIGTERM};

	part = path;
	atexit(remove_part);
	for (size_t i = 0; i < COUNT_OF(sigs); i++)
		if (signal(sigs[i], on_signal) == SIG_IGN)
			signal(sigs[i], SIG_IGN); /* as under nohup */
}

struct output *output_open(struct prog *p)
{
	struct output *o = mem_zalloc(1, sizeof(*o));

	o->p = p;
	o->fd = STDOUT_FILENO;
	if (p->output && is_special(p->output)) {
		o->fd = open(p->output, O_WRONLY | O_CLOEXEC);
		if (o->fd < 0)
			prog_fail(p, "%s: cannot open: %s", p->output, strerror(errno));
	} else if (p->output) {
		struct buf b = {0};

		buf_printf(&b, "%s.%ld.part", p->output, (long)getpid());
		o->beside = buf_text(&b);
		o->fd = open(o->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (o->fd < 0)
			prog_fail(p, "%s: cannot create: %s", o->beside, strerror(errno));
		guard_part(o->beside);
	}
	if (isatty(o->fd))
		prog_usage(
			p, "a stream is binary and stdout is a terminal: pipe it, or use -o FILE");
	o->w = stream_create(o->fd);
	return o;
}

struct stream_writer *output_stream(struct output *o)
{
	return o->w;
}

const struct provenance *output_step(struct output *o)
{
	struct prog *p = o->p;

	/* Now, not at the start: what a model is becomes known after the output is open. */
	o->step = (struct provenance){p->name, BB_VERSION, {p->content.p, p->content.n}};
	return &o->step;
}

int output_failed(struct output *o)
{
	prog_error(o->p, "%s: cannot write: %s", o->p->output ? o->p->output : "stdout",
		stream_write_error(o->w));
	return EXIT_FAILED;
}

int output_close(struct output *o, int status)
{
	struct prog *p = o->p;
	const char *name = p->output ? p->output : "stdout";

	/* A file system may hold back its errors until now. */
	if (status == EXIT_OK && o->beside && fsync(o->fd) < 0) {
		prog_error(p, "%s: cannot write: %s", name, strerror(errno));
		status = EXIT_FAILED;
	}
	if (close(o->fd) < 0 && status == EXIT_OK) {
		prog_error(p, "%s: cannot write: %s", name, strerror(errno));
		status = EXIT_FAILED;
	}
	if (o->beside && status == EXIT_OK && rename(o->beside, p->output) < 0) {
		prog_error(p, "%s: cannot rename to %s: %s", o->beside, p->output, strerror(errno));
		status = EXIT_FAILED;
	}
	if (o->beside && status != EXIT_OK)
		unlink(o->beside);
	part = NULL;
	mem_free(o->beside);
	stream_free(o->w);
	mem_free(o);
	return status;
}
