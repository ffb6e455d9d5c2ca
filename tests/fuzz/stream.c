/*
 * stream.c: any bytes as a stream. Records that are read must encode; after an error nothing more
 * is asked. (Most changes end at a checksum: record.c is for what is inside.)
 */
#include "stream/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "formats/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int fd = memfd_create("stream", MFD_CLOEXEC), got;
	void *rec = mem_alloc(1, kinds_largest());
	struct stream_reader *r;
	struct buf b = {0};
	char path[40], *paths[1] = {path};

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	r = stream_open(paths, 1, NULL, kinds_all);
	while ((got = stream_read(r, rec)) > 0) {
		const uint8_t *p;
		size_t size;

		stream_raw(r, &p, &size);
		buf_reset(&b);
		field_encode(&b, stream_kind(r)->fields, rec);
		if (b.n > size + 1024) /* encoding is never much longer than what was read */
			abort();
	}
	if (got < 0 && !*stream_error(r))
		abort();
	stream_close(r);
	close(fd);
	mem_free(rec);
	buf_free(&b);
	return 0;
}
