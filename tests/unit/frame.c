/*
 * frame.c: frames come back whole and bounded however the file is read; every cut and every flipped
 * bit is an error or without effect; what the container forbids is refused.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "stream/frame.h"
#include "tests/unit.h"

enum { MAX_RAW = 1 << 20 };

/* A file of the bytes, to be read from its start. */
static int file_of(const void *p, size_t n)
{
	int fd = memfd_create("frame", MFD_CLOEXEC);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

/* Reads all frames of the bytes: their number, or -1; contents one after another in out. */
static int read_all(const void *p, size_t n, struct buf *out, struct err *e)
{
	struct buf packed = {0}, raw = {0};
	void *scratch = NULL;
	struct frame_file f;
	int count = 0, got, fd = file_of(p, n);
	size_t size;

	frame_open(&f, fd);
	buf_reset(out);
	while ((got = frame_read(&f, MAX_RAW, &packed, &size, e)) > 0) {
		if (frame_unpack(&scratch, &packed, size, &raw, e) < 0) {
			got = -1;
			break;
		}
		buf_put(out, raw.p, raw.n);
		count++;
	}
	CHECK(got < 0 || f.done == n);
	frame_close(&f);
	close(fd);
	frame_unpack_free(scratch);
	buf_free(&packed);
	buf_free(&raw);
	return got < 0 ? -1 : count;
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	struct rng r = rng_new(31, seed);

	/* Half of it random, half repeated. */
	for (size_t i = 0; i < n; i++)
		p[i] = i % 128 < 64 ? (uint8_t)rng_u32(&r) : (uint8_t)(i / 128);
}

static void test_sizes(void)
{
	static const size_t size[] = {0, 1, 2, 23, 255, 256, 257, 1000, 65535, 65536, 65791, 65792,
		131072, 131073, 500000, MAX_RAW};
	uint8_t *raw = mem_alloc(MAX_RAW, 1);
	struct buf all = {0}, want = {0}, out = {0};
	void *scratch = NULL;
	struct err e;

	for (size_t i = 0; i < COUNT_OF(size); i++) {
		fill(raw, size[i], (unsigned)i);
		frame_pack(&scratch, raw, size[i], &all);
		buf_put(&want, raw, size[i]);
	}
	CHECK(read_all(all.p, all.n, &out, &e) == COUNT_OF(size));
	CHECK(out.n == want.n && !memcmp(out.p, want.p, want.n));
	buf_reset(&all);
	fill(raw, MAX_RAW, 1);
	raw = mem_realloc(raw, MAX_RAW + 1, 1);
	frame_pack(&scratch, raw, MAX_RAW + 1, &all);
	CHECK(read_all(all.p, all.n, &out, &e) == -1 && strstr(e.text, "limit"));
	CHECK(read_all("", 0, &out, &e) == 0);
	frame_pack_free(scratch);
	mem_free(raw);
	buf_free(&all);
	buf_free(&want);
	buf_free(&out);
}

/* A pipe that gives a few bytes at a time. */
struct feed {
	const struct buf *b;
	int fd;
};

static void *feed(void *arg)
{
	struct feed *f = arg;
	struct rng r = rng_new(32, 0);

	for (size_t at = 0; at < f->b->n;) {
		size_t n = 1 + rng_below(&r, 50);

		n = MIN(n, f->b->n - at);
		if (write(f->fd, f->b->p + at, n) != (ssize_t)n)
			abort();
		at += n;
	}
	close(f->fd);
	return NULL;
}

static void test_pipe(void)
{
	struct buf all = {0}, packed = {0}, raw = {0};
	void *pack = NULL, *unpack = NULL;
	struct frame_file f;
	uint8_t data[3000];
	pthread_t tid;
	struct feed arg;
	struct err e;
	unsigned good = 0;
	int fd[2], got;
	size_t size;

	for (unsigned i = 0; i < 40; i++) {
		fill(data, i * 70, i);
		frame_pack(&pack, data, i * 70, &all);
	}
	if (pipe(fd) < 0)
		abort();
	arg = (struct feed){&all, fd[1]};
	pthread_create(&tid, NULL, feed, &arg);
	frame_open(&f, fd[0]);
	for (unsigned i = 0; (got = frame_read(&f, MAX_RAW, &packed, &size, &e)) > 0; i++) {
		fill(data, i * 70, i);
		good += frame_unpack(&unpack, &packed, size, &raw, &e) == 0 && raw.n == i * 70 &&
			(!raw.n || !memcmp(raw.p, data, raw.n));
	}
	CHECK(got == 0);
	CHECK(good == 40);
	pthread_join(tid, NULL);
	frame_close(&f);
	close(fd[0]);
	frame_pack_free(pack);
	frame_unpack_free(unpack);
	buf_free(&all);
	buf_free(&packed);
	buf_free(&raw);
}

static void test_damage(void)
{
	struct buf all = {0}, out = {0};
	uint8_t data[300], *want;
	unsigned silent = 0, cut = 0;
	void *scratch = NULL;
	size_t half, n;
	struct err e;

	fill(data, sizeof(data), 5);
	frame_pack(&scratch, data, sizeof(data), &all);
	half = all.n;
	memset(data, 'x', 100);
	frame_pack(&scratch, data, sizeof(data), &all);
	CHECK(read_all(all.p, all.n, &out, &e) == 2);
	n = out.n;
	want = memcpy(mem_alloc(n, 1), out.p, n);
	for (size_t i = 1; i < all.n; i++)
		cut += i != half && read_all(all.p, i, &out, &e) != -1;
	CHECK(cut == 0);
	for (size_t bit = 0; bit < 8 * all.n; bit++) {
		all.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* The frames end with a 32-bit checksum of what they hold. */
		if (read_all(all.p, all.n, &out, &e) != -1)
			silent += out.n != n || memcmp(out.p, want, n);
		all.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(silent == 0);
	mem_free(want);
	frame_pack_free(scratch);
	buf_free(&all);
	buf_free(&out);
}

/* Frames of stock zstd that the container forbids. */
static void test_forbidden(void)
{
	static const struct {
		int checksum, size;
		bool good;
	} t[] = {{1, 1, true}, {0, 1, false}, {1, 0, false}, {0, 0, false}};
	static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'h', 'i'};
	static const uint8_t text[] = "plain text, not a frame";
	ZSTD_CCtx *c = ZSTD_createCCtx();
	struct buf out = {0};
	uint8_t data[1000], packed[2000];
	struct err e;

	fill(data, sizeof(data), 6);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		size_t n;

		ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, t[i].checksum);
		ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, t[i].size);
		n = ZSTD_compress2(c, packed, sizeof(packed), data, sizeof(data));
		CHECK(!ZSTD_isError(n));
		CHECK(read_all(packed, n, &out, &e) == (t[i].good ? 1 : -1));
		if (t[i].good) {
			CHECK(out.n == sizeof(data) && !memcmp(out.p, data, out.n));
			packed[n] = 'x'; /* something after it */
			CHECK(read_all(packed, n + 1, &out, &e) == -1);
			packed[4] |= 1; /* asks for a dictionary */
			CHECK(read_all(packed, n, &out, &e) == -1);
		}
	}
	CHECK(read_all(skippable, sizeof(skippable), &out, &e) == -1);
	CHECK(read_all(text, sizeof(text), &out, &e) == -1 && strstr(e.text, "not a bb stream"));
	CHECK(read_all("\x7f"
		       "ELF\2\1\1",
		      7, &out, &e) == -1 &&
		strstr(e.text, "bb-disasm"));
	/* Any level and other compressors' choices are fine. */
	for (int level = -5; level <= 19; level += 3) {
		size_t n;

		ZSTD_CCtx_reset(c, ZSTD_reset_session_and_parameters);
		ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
		ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
		n = ZSTD_compress2(c, packed, sizeof(packed), data, sizeof(data));
		CHECK(read_all(packed, n, &out, &e) == 1 && out.n == sizeof(data) &&
			!memcmp(out.p, data, out.n));
	}
	ZSTD_freeCCtx(c);
	buf_free(&out);
}

/* A frame that promises little and would give much, or the other way round. */
static void test_wrong_size(void)
{
	struct buf all = {0}, out = {0};
	void *scratch = NULL;
	uint8_t data[100];
	struct err e;

	fill(data, sizeof(data), 7);
	frame_pack(&scratch, data, sizeof(data), &all);
	CHECK(all.p[5] == sizeof(data)); /* one byte of content size */
	for (unsigned size = 0; size < 256; size++) {
		all.p[5] = (uint8_t)size;
		CHECK(read_all(all.p, all.n, &out, &e) == (size == sizeof(data) ? 1 : -1));
	}
	frame_pack_free(scratch);
	buf_free(&all);
	buf_free(&out);
}

int main(void)
{
	test_sizes();
	test_pipe();
	test_damage();
	test_forbidden();
	test_wrong_size();
	return unit_done();
}
