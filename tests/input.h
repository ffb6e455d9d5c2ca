/* input.h: a whole file in memory, empty when it cannot be read. Included by test programs. */
#ifndef INPUT_H
#define INPUT_H

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"

struct input {
	uint8_t *p; /* owned */
	size_t n;
};

static inline struct input load(const char *path)
{
	struct input in = {0};
	int fd = open(path, O_RDONLY);
	size_t cap = 0;
	ssize_t got;

	do {
		in.p = mem_grow(in.p, &cap, in.n + (1 << 16), 1);
		got = read(fd, in.p + in.n, cap - in.n);
		in.n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	close(fd);
	return in;
}

#endif
