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
#include "below.h"
#include "code/archive.h"

enum {
	MAP_LEAST = 1 << 20, /* smaller files are copied */
	MAPPED_MAX = 64,     /* at the same time */
};

/* What is mapped: the handler of SIGBUS has no other way to know. All are atomic. */
static struct mapping {
	uint8_t *p; /* NULL: unused; written last */
	size_t n;
	bool used, cut;
} mapping[MAPPED_MAX];

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
	return n == sizeof(magic) && archive_is((const uint8_t *)magic, sizeof(magic));
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

/* Notes what is mapped: 1 + its place, or 0 when there is none left. */
static int note_mapping(uint8_t *p, size_t n)
{
	for (int i = 0; i < MAPPED_MAX; i++) {
		struct mapping *m = &mapping[i];

		if (__atomic_exchange_n(&m->used, true, __ATOMIC_ACQ_REL))
			continue;
		m->n = n;
		__atomic_store_n(&m->cut, false, __ATOMIC_RELAXED);
		__atomic_store_n(&m->p, p, __ATOMIC_RELEASE);
		return i + 1;
	}
	return 0;
}

/* Maps a large file instead of copying it: half of the time to read it. Whether it could. */
static bool map_file(int fd, struct inputs_bytes *b)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < MAP_LEAST)
		return false;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return false;
	*b = (struct inputs_bytes){p, (size_t)st.st_size, note_mapping(p, (size_t)st.st_size)};
	if (!b->mapped)
		munmap(p, b->n);
	return b->mapped;
}

int inputs_read(const char *path, struct inputs_bytes *b, struct err *e)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return err_set(e, "cannot open: %s", strerror(errno));
	b->mapped = 0;
	if (is_stdin || !map_file(fd, b))
		r = read_all(fd, (size_t)inputs_size(path), &b->p, &b->n, e);
	if (!is_stdin)
		close(fd);
	return r;
}

int inputs_read_below(
	const char *beside, const char *name, uint64_t n, struct inputs_bytes *b, struct err *e)
{
	struct stat st;
	int fd = below_open(beside, name, e), r = 0;

	if (fd < 0)
		return -1;
	b->mapped = 0;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != n)
		r = err_set(e, "is not the file that was archived: its size is another");
	else if (!map_file(fd, b))
		r = read_all(fd, (size_t)st.st_size, &b->p, &b->n, e);
	close(fd);
	return r;
}

void inputs_free(struct inputs_bytes *b)
{
	struct mapping *m;

	if (!b->mapped) {
		mem_free(b->p);
		return;
	}
	m = &mapping[b->mapped - 1];
	__atomic_store_n(&m->p, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&m->used, false, __ATOMIC_RELEASE);
	munmap(b->p, b->n);
}

bool inputs_cut(const struct inputs_bytes *b)
{
	return b->mapped && __atomic_load_n(&mapping[b->mapped - 1].cut, __ATOMIC_ACQUIRE);
}

/* Puts zeros in the place of the rest of the mapped file. */
static void cut_short(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int error = errno;

	(void)context;
	for (int i = 0; i < MAPPED_MAX; i++) {
		struct mapping *m = &mapping[i];
		uint8_t *p = __atomic_load_n(&m->p, __ATOMIC_ACQUIRE);
		size_t page = (size_t)sysconf(_SC_PAGESIZE), from;

		if (!p || at < (uintptr_t)p || at - (uintptr_t)p >= m->n)
			continue;
		from = (at - (uintptr_t)p) / page * page;
		__atomic_store_n(&m->cut, true, __ATOMIC_SEQ_CST);
		if (mmap(p + from, m->n - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			    -1, 0) == MAP_FAILED)
			break;
		errno = error;
		return;
	}
	signal(sig, SIG_DFL); /* it comes again */
}

void inputs_guard(void)
{
	struct sigaction a = {.sa_sigaction = cut_short, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &a, NULL);
}
