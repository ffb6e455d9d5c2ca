/* inputs.c: see inputs.h. */
#include "inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MAP_LEAST = 1 << 20 }; /* smaller files are copied */

void inputs_open(struct inputs *in, char *const *paths, size_t n)
{
	static char *const only_stdin[] = {"-"};

	*in = (struct inputs){.paths = n ? paths : only_stdin, .n = n ? n : 1};
}

int inputs_open_list(struct inputs *in, const char *path, struct err *e)
{
	*in = (struct inputs){.list = strcmp(path, "-") ? fopen(path, "re") : stdin};
	return in->list ? 0 : err_set(e, "%s: cannot open: %s", path, strerror(errno));
}

int inputs_next(struct inputs *in, const char **path, struct err *e)
{
	ssize_t n;

	if (!in->list) {
		if (in->next == in->n)
			return 0;
		*path = in->paths[in->next++];
		return 1;
	}
	do {
		errno = 0;
		n = getline(&in->line, &in->cap, in->list);
		if (n < 0)
			return feof(in->list) && !ferror(in->list)
				       ? 0
				       : err_set(e, "list of files: cannot read: %s",
						 strerror(errno));
		if (n && in->line[n - 1] == '\n')
			in->line[--n] = 0;
	} while (n == 0);
	*path = in->line;
	return 1;
}

void inputs_close(struct inputs *in)
{
	if (in->list && in->list != stdin)
		fclose(in->list);
	free(in->line);
}

uint64_t inputs_size(const char *path)
{
	struct stat st;

	return strcmp(path, "-") && !stat(path, &st) && S_ISREG(st.st_mode) ? (uint64_t)st.st_size
									    : 0;
}

bool inputs_may_be_archive(const char *path)
{
	char magic[8];
	ssize_t n;
	int fd;

	if (!inputs_size(path))
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, magic, sizeof(magic));
	close(fd);
	return n == sizeof(magic) && !memcmp(magic, "!<arch>\n", sizeof(magic));
}

/* Reads until the end; `expect` bytes are probably there. */
static int read_all(int fd, size_t expect, uint8_t **out, size_t *size, struct err *e)
{
	size_t cap = expect + 1, n = 0;
	uint8_t *p = mem_alloc(cap, 1);

	for (;;) {
		ssize_t got;

		if (n == cap)
			p = mem_grow(p, &cap, n + 65536, 1);
		got = read(fd, p + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			mem_free(p);
			return err_set(e, "cannot read: %s", strerror(errno));
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*out = p;
	*size = n;
	return 0;
}

/* Maps a large file instead of copying it: half of the time to read it. Whether it could. */
static bool map_file(int fd, struct inputs_bytes *b)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < MAP_LEAST)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*b = (struct inputs_bytes){p, (size_t)st.st_size, true};
	return true;
}

int inputs_read(const char *path, struct inputs_bytes *b, struct err *e)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return err_set(e, "cannot open: %s", strerror(errno));
	b->mapped = false;
	if (is_stdin || !map_file(fd, b))
		r = read_all(fd, (size_t)inputs_size(path), &b->p, &b->n, e);
	if (!is_stdin)
		close(fd);
	return r;
}

void inputs_free(struct inputs_bytes *b)
{
	if (b->mapped)
		munmap(b->p, b->n);
	else
		mem_free(b->p);
}

static void cut_short(int sig)
{
	static const char text[] = "bb-disasm: a file was cut short while it was read\n";
	ssize_t r = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)sig;
	_exit(r == 0 ? 1 : 1);
}

void inputs_guard(void)
{
	struct sigaction a = {.sa_handler = cut_short};

	sigaction(SIGBUS, &a, NULL);
}
