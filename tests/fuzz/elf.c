/*
 * elf.c: any bytes as an ELF file, or as an archive of them: read, searched for functions, each
 * taken apart. What comes out must be a valid record.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "code/archive.h"
#include "code/body.h"
#include "code/isa.h"
#include "formats/function.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void take_apart(const uint8_t *p, size_t n, unsigned flags, const struct map *linked,
	struct insn_decoder *d)
{
	static struct body b;
	struct err e;
	struct image *im = image_new(p, n, flags, &(struct survey_crew){&d, NULL}, &e);

	if (im)
		im->linked = linked;
	for (size_t i = 0; im && i < im->functions.n; i++) {
		const struct func *u = &im->functions.f[i];
		struct function f;

		if (body_build(&b, d, im, u) < 0)
			continue;
		f = (struct function){.bin = {im->digest, HASH_BYTES},
			.file = "",
			.arch = arch_name(isa_at(im->elf, u->addr)),
			.name = "",
			.thunk = b.thunk,
			.code = {(uint8_t *)b.code, b.ncode},
			.len = {b.len, b.ninsns},
			.blocks = {b.cfg.blocks, b.cfg.nblocks},
			.exits = {b.cfg.exits, b.cfg.nblocks},
			.jumps = {b.cfg.jumps, b.cfg.njumps},
			.refs = {{b.ref_insn, b.nrefs}, {b.ref_kind, b.nrefs},
				{b.ref_target, b.nrefs}, {b.ref_name, b.nrefs},
				{b.names, b.nnames}}};
		if (function_kind.check(&f, &e) < 0 || (i && u->addr < u[-1].end))
			abort();
	}
	image_free(im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct insn_decoder *d;
	struct arena names = {0};
	struct map linked = {0};
	struct archive a = archive_open(data, n, &names);
	struct archive_member m;
	struct err e;

	if (!d)
		d = insn_open(ARCH_X86_64);
	if (archive_is(data, n)) {
		archive_defines(data, n, &linked);
		while (archive_next(&a, &m, &e) > 0) {
			if (m.p) /* not of a thin archive */
				take_apart(m.p, m.n, 0, &linked, d);
		}
	} else {
		take_apart(data, n, 0, NULL, d);
		take_apart(data, n, IMAGE_IGNORE_SYMBOLS, NULL, d);
	}
	map_free(&linked);
	arena_free(&names);
	return 0;
}
