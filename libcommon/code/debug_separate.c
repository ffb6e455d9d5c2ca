/* debug_separate.c: see debug_separate.h. The checksum is CRC-32 (ISO 3309), over the whole file.
 */
#include "code/debug_separate.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static bool same_build(Elf *e, Elf *other)
{
	const void *a, *b;
	ssize_t n = dwelf_elf_gnu_build_id(e, &a);

	return n > 0 && dwelf_elf_gnu_build_id(other, &b) == n && !memcmp(a, b, (size_t)n);
}

static uint32_t checksum(const char *p, size_t n)
{
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (unsigned bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < n; i++)
		crc = table[(crc ^ (uint8_t)p[i]) & 255] ^ crc >> 8;
	return ~crc;
}

/* Whether the whole file has the checksum. */
static bool sums_to(Elf *e, GElf_Word crc)
{
	size_t n;
	const char *p = elf_rawfile(e, &n);

	return p && checksum(p, n) == crc;
}

/* Opens the path: it must be of the same build, or if crc is not NULL, sum to it. */
static Elf *try_path(Elf *e, const char *path, const GElf_Word *crc, bool (*fits)(Elf *), int *fd)
{
	Elf *other;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return NULL;
	other = elf_begin(*fd, ELF_C_READ_MMAP, NULL);
	if (other && (crc ? sums_to(other, *crc) : same_build(e, other)) && fits(other))
		return other;
	elf_end(other);
	close(*fd);
	return NULL;
}

/* folder/.build-id/ab/cdef.debug */
static Elf *by_build_id(Elf *e, const char *folder, bool (*fits)(Elf *), int *fd)
{
	const void *id = NULL;
	ssize_t n = dwelf_elf_gnu_build_id(e, &id);
	const uint8_t *p = id;
	struct buf path = {0};
	Elf *other;

	if (n < 2 || n > 64)
		return NULL;
	buf_printf(&path, "%s/.build-id/%02x/", folder, p[0]);
	for (ssize_t i = 1; i < n; i++)
		buf_printf(&path, "%02x", p[i]);
	buf_puts(&path, ".debug");
	other = try_path(e, buf_text(&path), NULL, fits, fd);
	buf_free(&path);
	return other;
}

static Elf *by_link(Elf *e, const char *path, const char *folder, bool (*fits)(Elf *), int *fd)
{
	GElf_Word crc;
	const char *link = dwelf_elf_gnu_debuglink(e, &crc);
	char *real = link && *link && !strchr(link, '/') ? realpath(path, NULL) : NULL;
	const char *where[] = {"", "", folder}, *below[] = {"", "/.debug", ""};
	Elf *other = NULL;

	if (!real)
		return NULL;
	*strrchr(real, '/') = 0;
	for (size_t i = 0; i < COUNT_OF(where) && !other; i++) {
		struct buf b = {0};

		buf_printf(&b, "%s%s%s/%s", where[i], real, below[i], link);
		other = try_path(e, buf_text(&b), &crc, fits, fd);
		buf_free(&b);
	}
	free(real);
	return other;
}

Elf *debug_separate_open(Elf *e, const char *path, const char *folder, bool (*fits)(Elf *), int *fd)
{
	Elf *other = e ? by_build_id(e, folder, fits, fd) : NULL;

	return other || !e ? other : by_link(e, path, folder, fits, fd);
}
