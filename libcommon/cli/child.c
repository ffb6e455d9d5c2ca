/*
 * child.c: see child.h. The output travels in a file without a name (memfd_create(2)): nobody waits
 * at the other end of a pipe that some other child still holds open.
 *
 * A child forked from a process with threads may use the heap: the C library takes care of that.
 */
#include "cli/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* whose shadow memory is beyond any limit */
#else
enum { SANITIZED = 0 };
#endif

static void limit(int resource, uint64_t n)
{
	struct rlimit r;

	if (getrlimit(resource, &r) < 0)
		return;
	r.rlim_cur = MIN((rlim_t)n, r.rlim_max);
	setrlimit(resource, &r);
}

/* Bytes of address space the process has now. */
static uint64_t memory_now(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int write_all(int fd, const void *p, size_t n)
{
	for (const char *at = p; n;) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

/* What the parent has not written yet is not the child's to write. */
static void leave(void)
{
	_exit(1);
}

/* In the child: the first byte says whether what follows is the output or the reason. */
static int be_child(int (*work)(void *, struct buf *, struct err *), void *ctx,
	const struct child_limits *limits, int fd)
{
	struct buf b = {0};
	struct err why = {"failed"};

	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, limits->seconds);
	limit(RLIMIT_FSIZE, limits->output + 1);
	if (!SANITIZED)
		limit(RLIMIT_AS, memory_now() + limits->memory);
	signal(SIGXFSZ, SIG_IGN); /* write says so */
	atexit(leave);
	if (!SANITIZED)
		close(STDERR_FILENO); /* the parent says what happened */
	alarm((unsigned)(10 * limits->seconds));
	if (work(ctx, &b, &why) < 0)
		return write_all(fd, "e", 1) || write_all(fd, why.text, strlen(why.text));
	return write_all(fd, "o", 1) || write_all(fd, b.p, b.n);
}

/* Reads what the child wrote. */
static int take(int fd, struct buf *out, struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END), at = 1;
	char kind = 0;

	if (size < 1 || pread(fd, &kind, 1, 0) != 1)
		return err_set(e, "its reader gave no answer");
	if (kind != 'o') {
		size = MIN(size - 1, (off_t)sizeof(e->text) - 1);
		size = pread(fd, e->text, (size_t)size, 1);
		e->text[MAX(size, 0)] = 0;
		return -1;
	}
	buf_reserve(out, (size_t)size);
	while (at < size) {
		ssize_t got = pread(fd, out->p + out->n, (size_t)(size - at), at);

		if (got <= 0)
			return err_set(e, "its reader gave half an answer");
		out->n += (size_t)got;
		at += got;
	}
	return 0;
}

/* Why the child ended, in words; 0 if it ended well. */
static int ended(int status, const struct child_limits *l, struct err *e)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return err_set(e, "took more than %llu seconds of processor time",
			(unsigned long long)l->seconds);
	if (WIFSIGNALED(status))
		return err_set(e, "its reader ended by signal %d (%s)", WTERMSIG(status),
			sigdescr_np(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return err_set(e, "its reader failed: memory or output beyond the limit");
	return 0;
}

int child_run(int (*work)(void *ctx, struct buf *out, struct err *e), void *ctx,
	const struct child_limits *limits, struct buf *out, struct err *e)
{
	int fd = memfd_create("bb", MFD_CLOEXEC), status, r;
	pid_t pid;

	if (fd < 0)
		return err_set(e, "cannot make a file in memory: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		_exit(be_child(work, ctx, limits, fd) ? 1 : 0);
	if (pid < 0) {
		r = err_set(e, "cannot start a process: %s", strerror(errno));
	} else {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		r = ended(status, limits, e) < 0 ? -1 : take(fd, out, e);
	}
	close(fd);
	return r;
}
