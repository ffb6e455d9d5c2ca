/* frame.c: zstd frames; see frame.h. */
#include "stream/frame.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/mem.h"

enum { READ_AHEAD = 1 << 20, LEVEL = 1 };

void frame_open(struct frame_file *f, int fd)
{
	*f = (struct frame_file){.fd = fd, .cap = READ_AHEAD, .buf = mem_alloc(READ_AHEAD, 1)};
}

void frame_close(struct frame_file *f)
{
	mem_free(f->buf);
	f->buf = NULL;
}

/* Refills the empty buffer: bytes there now, 0 at the end of the file, -1. */
static ptrdiff_t fill(struct frame_file *f, struct err *e)
{
	ssize_t n;

	do
		n = read(f->fd, f->buf, f->cap);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, "%s", strerror(errno));
	f->at = 0;
	f->end = (size_t)n;
	return n;
}

/* Moves n bytes of the file to packed: the number that was there, or -1. */
static ptrdiff_t move(struct frame_file *f, size_t n, struct buf *packed, struct err *e)
{
	size_t left = n;

	while (left) {
		size_t take;

		if (f->at == f->end) {
			ptrdiff_t r = fill(f, e);

			if (r < 0)
				return -1;
			if (r == 0)
				break;
		}
		take = MIN(left, f->end - f->at);
		buf_put(packed, f->buf + f->at, take);
		f->at += take;
		f->done += take;
		left -= take;
	}
	return (ptrdiff_t)(n - left);
}

static int need(struct frame_file *f, size_t n, struct buf *packed, struct err *e)
{
	ptrdiff_t r = move(f, n, packed, e);

	if (r < 0)
		return -1;
	return (size_t)r < n ? err_set(e, "cut short inside a frame") : 0;
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

int frame_read(struct frame_file *f, size_t max, struct buf *packed, size_t *raw, struct err *e)
{
	static const unsigned content_bytes[4] = {0, 2, 4, 8};
	size_t limit = ZSTD_compressBound(max) + 64, at;
	unsigned desc, single, content;
	uint64_t size;
	ptrdiff_t r;

	buf_reset(packed);
	r = move(f, 5, packed, e);
	if (r <= 0)
		return (int)r;
	if (r >= 4 && !memcmp(packed->p,
			      "\x7f"
			      "ELF",
			      4))
		return err_set(e, "an ELF file, not a bb stream: bb-disasm makes one of it");
	if (r >= 4 && get_le(packed->p, 4) != ZSTD_MAGICNUMBER)
		return err_set(e, "not a bb stream (no zstd frame)");
	if (r < 5)
		return err_set(e, "cut short inside a frame");
	/* Section 3.1.1.1: frame header descriptor. */
	desc = packed->p[4];
	single = desc >> 5 & 1;
	content = content_bytes[desc >> 6];
	if (content == 0 && single)
		content = 1;
	if (!content || !(desc & 4) || (desc & 3) || (desc & 8))
		return err_set(e, "not a bb stream (frame without size or checksum)");
	if (need(f, !single + content, packed, e) < 0)
		return -1;
	size = get_le(packed->p + 5 + !single, content) + (content == 2 ? 256 : 0);
	if (size > max)
		return err_set(
			e, "a frame of %llu bytes is over the limit", (unsigned long long)size);
	/* Blocks: a 3-byte header each, the last one flagged. */
	for (unsigned last = 0; !last;) {
		unsigned head, type;

		at = packed->n;
		if (need(f, 3, packed, e) < 0)
			return -1;
		head = (unsigned)get_le(packed->p + at, 3);
		last = head & 1;
		type = head >> 1 & 3;
		if (type == 3)
			return err_set(e, "damaged frame");
		if (need(f, type == 1 ? 1 : head >> 3, packed, e) < 0)
			return -1;
		if (packed->n > limit)
			return err_set(e, "damaged frame");
	}
	*raw = (size_t)size;
	return need(f, 4, packed, e) < 0 ? -1 : 1;
}

int frame_unpack(
	void **scratch, const struct buf *packed, size_t raw, struct buf *out, struct err *e)
{
	size_t n;

	if (!*scratch && !(*scratch = ZSTD_createDCtx()))
		return err_set(e, "out of memory");
	buf_reset(out);
	n = ZSTD_decompressDCtx(*scratch, buf_reserve(out, raw), raw, packed->p, packed->n);
	if (ZSTD_isError(n) || n != raw)
		return err_set(e, "damaged frame (%s)",
			ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong size");
	out->n = raw;
	return 0;
}

void frame_unpack_free(void *scratch)
{
	ZSTD_freeDCtx(scratch);
}

void frame_pack(void **scratch, const void *p, size_t n, struct buf *out)
{
	size_t bound = ZSTD_compressBound(n), r;

	if (!*scratch) {
		*scratch = ZSTD_createCCtx();
		if (!*scratch)
			mem_alloc(SIZE_MAX, 1); /* out of memory: ends the process */
		ZSTD_CCtx_setParameter(*scratch, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(*scratch, ZSTD_c_checksumFlag, 1);
	}
	r = ZSTD_compress2(*scratch, buf_reserve(out, bound), bound, p, n);
	if (ZSTD_isError(r))
		mem_alloc(SIZE_MAX, 1); /* with enough room only memory can be missing */
	out->n += r;
}

void frame_pack_free(void *scratch)
{
	ZSTD_freeCCtx(scratch);
}
