/*
 * frame.h: zstd frames (RFC 8878), read whole from a file, packed and unpacked. The only home of
 * zstd.
 *
 * A frame must state its content size and carry a checksum, must not ask for a dictionary, and
 * must not be skippable; with these rules every frame is bounded before anything is allocated.
 */
#ifndef FRAME_H
#define FRAME_H

#include "base/buf.h"

/* Bytes of a file, read ahead. */
struct frame_file {
	int fd;
	uint8_t *buf; /* cap bytes; at..end are unread */
	size_t at, end, cap;
	uint64_t done; /* bytes given out */
};

void frame_open(struct frame_file *f, int fd);
/* Frees the buffer; the fd stays the caller's. */
void frame_close(struct frame_file *f);
/*
 * Reads one whole frame into packed (reset first) and gives its content size, at most max: 1,
 * 0 at the end of the file, or -1.
 */
int frame_read(struct frame_file *f, size_t max, struct buf *packed, size_t *raw,
	struct err *e) MUST_CHECK;

/* Unpacks a frame of known size; *scratch starts as NULL, freed with frame_unpack_free. */
int frame_unpack(void **scratch, const struct buf *packed, size_t raw, struct buf *out,
	struct err *e) MUST_CHECK;
void frame_unpack_free(void *scratch);

/* Appends the n bytes as one frame; *scratch starts as NULL, freed with frame_pack_free. */
void frame_pack(void **scratch, const void *p, size_t n, struct buf *out);
void frame_pack_free(void *scratch);

#endif
