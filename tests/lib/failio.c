/*
 * failio.c: preloaded into a program, makes one of its calls to the system fail.
 *
 *	FAILIO=call:n[:errno] LD_PRELOAD=failio program ...
 *
 * makes the n-th call of that name (open, read, write, fsync, close, rename, mkdir, ftruncate)
 * fail with the errno (number; EIO without); "write:n:short" writes half of it instead and
 * "read:n:short" reads one byte, which is no error. "call:n:kill" ends the process there as a
 * crash of the machine would. Calls on fd 2 and of the loader do not count. With FAILIO=count the
 * counts are written to fd 2 at the end.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, FSYNC, CLOSE, RENAME, MKDIR, FTRUNCATE, CALLS };
enum { SHORT = -1, KILL = -2 };

static const char *const names[CALLS] = {
	"open", "read", "write", "fsync", "close", "rename", "mkdir", "ftruncate"};
static unsigned long count[CALLS];
static int which = -1, how;
static unsigned long when;
static int counting;

__attribute__((constructor)) static void start(void)
{
	const char *s = getenv("FAILIO");
	char name[16];
	char what[16] = "";

	if (!s)
		return;
	counting = !strcmp(s, "count");
	if (sscanf(s, "%15[a-z]:%lu:%15s", name, &when, what) < 2)
		return;
	for (int i = 0; i < CALLS; i++)
		if (!strcmp(names[i], name))
			which = i;
	how = !*what                   ? EIO
	      : !strcmp(what, "short") ? SHORT
	      : !strcmp(what, "kill")  ? KILL
				       : atoi(what);
}

__attribute__((destructor)) static void end(void)
{
	for (int i = 0; counting && i < CALLS; i++)
		dprintf(2, "failio %s %lu\n", names[i], count[i]);
}

/* 0 to go on, else what to do: an errno, or SHORT. */
static int now(enum call call)
{
	unsigned long n = __atomic_add_fetch(&count[call], 1, __ATOMIC_RELAXED);

	if ((int)call != which || n != when)
		return 0;
	if (how == KILL)
		raise(SIGKILL);
	return how;
}

#define REAL(type, name, ...)             \
	static type (*real)(__VA_ARGS__); \
	if (!real)                        \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

#define FAIL_OR_GO(call)              \
	do {                          \
		int err_ = now(call); \
		if (err_ > 0) {       \
			errno = err_; \
			return -1;    \
		}                     \
	} while (0)

ssize_t read(int fd, void *p, size_t n)
{
	REAL(ssize_t, read, int, void *, size_t);
	int e = now(READ);

	if (e > 0) {
		errno = e;
		return -1;
	}
	return real(fd, p, e == SHORT && n > 1 ? 1 : n);
}

ssize_t write(int fd, const void *p, size_t n)
{
	REAL(ssize_t, write, int, const void *, size_t);
	int e = fd == 2 ? 0 : now(WRITE);

	if (e > 0) {
		errno = e;
		return -1;
	}
	return real(fd, p, e == SHORT && n > 1 ? n / 2 : n);
}

static int open_any(int (*real)(const char *, int, ...), const char *path, int flags, va_list ap)
{
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;

	FAIL_OR_GO(OPEN);
	return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	REAL(int, open, const char *, int, ...);
	va_list ap;
	int r;

	va_start(ap, flags);
	r = open_any(real, path, flags, ap);
	va_end(ap);
	return r;
}

int open64(const char *path, int flags, ...)
{
	REAL(int, open64, const char *, int, ...);
	va_list ap;
	int r;

	va_start(ap, flags);
	r = open_any(real, path, flags, ap);
	va_end(ap);
	return r;
}

int fsync(int fd)
{
	REAL(int, fsync, int);

	FAIL_OR_GO(FSYNC);
	return real(fd);
}

/* A failed close closes. */
int close(int fd)
{
	REAL(int, close, int);
	int e = now(CLOSE), r = real(fd);

	if (e > 0) {
		errno = e;
		return -1;
	}
	return r;
}

int rename(const char *from, const char *to)
{
	REAL(int, rename, const char *, const char *);

	FAIL_OR_GO(RENAME);
	return real(from, to);
}

int mkdir(const char *path, mode_t mode)
{
	REAL(int, mkdir, const char *, mode_t);

	FAIL_OR_GO(MKDIR);
	return real(path, mode);
}

int ftruncate(int fd, off_t n)
{
	REAL(int, ftruncate, int, off_t);

	FAIL_OR_GO(FTRUNCATE);
	return real(fd, n);
}
