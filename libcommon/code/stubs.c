/* stubs.c: see stubs.h; psABIs of x86-64, section 5.2, and i386, and what linkers make of them. */
#include "code/stubs.h"

#include <string.h>

#include "code/risc_code.h"

enum {
	STEP = 4,
	STUB = 16,
	RUNS_MAX = 8
}; /* bytes; where stubs may start, and how long they are */

bool stubs_section(const struct elf_section *s)
{
	return !strncmp(s->name, ".plt", 4) || !strcmp(s->name, ".iplt") ||
	       !strcmp(s->name, ".MIPS.stubs");
}

bool stubs_section_at(const struct elf *f, uint64_t addr)
{
	const struct elf_section *s = elf_section_at(f, addr);

	return s && (stubs_section(s) || !s->name[0]);
}

uint64_t stubs_slot(const struct elf *f, uint64_t addr)
{
	static const uint8_t endbr[3] = {0xf3, 0x0f, 0x1e}; /* and fa or fb */
	bool is64 = f->word == 8;
	uint64_t base;
	size_t n, k = 0;
	const uint8_t *p = elf_bytes(f, addr, &n);

	if (risc_ops(f->arch))
		return stubs_section_at(f, addr) ? risc_code_stub(f, addr) : 0;
	if (n >= 4 && !memcmp(p, endbr, 3))
		k = 4;
	if (k < n && p[k] == 0xf2) /* bnd */
		k++;
	if (n < k + 6 || p[k] != 0xff)
		return 0;
	if (p[k + 1] == 0x25) /* jmp [rip + x], jmp [x] */
		base = is64 ? addr + k + 6 : 0;
	else if (!is64 && p[k + 1] == 0xa3) /* jmp [ebx + x] */
		base = f->got;
	else
		return 0;
	return (base + (uint64_t)(int64_t)(int32_t)(p[k + 2] | p[k + 3] << 8 | p[k + 4] << 16 |
						    (uint32_t)p[k + 5] << 24)) &
	       f->mask;
}

const char *stubs_import(const struct elf *f, uint64_t slot)
{
	const struct elf_reloc *r = elf_reloc_at(f, slot);

	if (!r || r->kind != ELF_R_ADDR || r->sym == ELF_NONE || f->symbols[r->sym].defined)
		return NULL;
	return f->symbols[r->sym].name;
}

void stubs_find(struct elf *f)
{
	struct elf_section runs[RUNS_MAX];
	size_t n = 0;

	if (!f->room)
		return;
	for (size_t i = 0; i < f->nsections; i++) {
		const struct elf_section *s = &f->sections[i];
		uint64_t start = (s->addr + 15) & ~UINT64_C(15), end = s->addr + s->size;

		for (uint64_t at = start; s->exec && s->data && !s->name[0] && at < end;
			at += STEP) {
			uint64_t slot = stubs_slot(f, at);
			struct elf_section *last = n ? &runs[n - 1] : NULL;
			const struct elf_reloc *r;

			if (!slot || !(r = elf_reloc_at(f, slot)) || r->sym == ELF_NONE)
				continue;
			if (last && at - last->addr <= last->size)
				last->size = MIN(at + STUB, end) - last->addr;
			else if (n < RUNS_MAX)
				runs[n++] = (struct elf_section){
					.addr = at, .size = MIN((uint64_t)STUB, end - at)};
		}
	}
	while (n--)
		elf_segments_carve(f, runs[n].addr, runs[n].size, ".plt", true);
	for (size_t i = 0; i < f->nsymbols; i++) {
		struct elf_symbol *s = &f->symbols[i];

		if (s->defined) /* the sections have other numbers now */
			s->section = (uint32_t)(elf_section_at(f, s->addr) - f->sections);
	}
}
