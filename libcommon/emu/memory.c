/* memory.c: see memory.h. A hash table of lines, open addressing; a stamp says of which run. */
#include "emu/memory.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

enum { SLOTS = 256 }; /* at first: functions touch some tens of lines */

struct line {
	uint64_t number; /* address / MEMORY_LINE */
	uint64_t stamp;
	uint8_t byte[MEMORY_LINE];
};

struct memory {
	uint64_t seed, step;
	uint64_t stamp; /* of the run; lines with another one are free */
	struct line *line;
	size_t nslots, used; /* nslots is a power of two */
	struct line last;    /* what was read where there is no room */
};

struct memory *memory_new(void)
{
	struct memory *m = mem_zalloc(1, sizeof(*m));

	m->nslots = SLOTS;
	m->line = mem_zalloc(m->nslots, sizeof(*m->line));
	m->stamp = 1;
	return m;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	mem_free(m->line);
	mem_free(m);
}

void memory_reset(struct memory *m, uint64_t seed, uint64_t step)
{
	m->seed = seed;
	m->step = step;
	m->stamp++;
	m->used = 0;
}

/* The line's place: where it is, or where it would be. */
static struct line *place(struct memory *m, uint64_t number)
{
	size_t i = hash_mix(number) & (m->nslots - 1);

	while (m->line[i].stamp == m->stamp && m->line[i].number != number)
		i = (i + 1) & (m->nslots - 1);
	return &m->line[i];
}

static void grow(struct memory *m)
{
	struct line *old = m->line;
	size_t n = m->nslots;

	m->nslots *= 4;
	m->line = mem_zalloc(m->nslots, sizeof(*m->line));
	for (size_t i = 0; i < n; i++)
		if (old[i].stamp == m->stamp)
			*place(m, old[i].number) = old[i];
	mem_free(old);
}

/* The line, filled when it is touched for the first time. */
static struct line *line_at(struct memory *m, uint64_t number)
{
	struct line *l = place(m, number);
	uint32_t fill[4];

	if (l->stamp == m->stamp)
		return l;
	if (m->used == MEMORY_LINES) {
		l = &m->last;
	} else if (4 * (m->used + 1) > 3 * m->nslots) {
		grow(m);
		l = place(m, number);
	}
	m->used += l != &m->last;
	rng_at(m->seed, m->step, number, fill);
	l->number = number;
	l->stamp = m->stamp;
	for (size_t i = 0; i < MEMORY_LINE; i++)
		l->byte[i] = (uint8_t)(fill[i / 4] >> (8 * (i % 4)));
	return l;
}

void memory_read(struct memory *m, uint64_t addr, uint8_t *out, size_t n)
{
	while (n) {
		size_t at = addr % MEMORY_LINE, part = MIN(n, MEMORY_LINE - at);

		memcpy(out, line_at(m, addr / MEMORY_LINE)->byte + at, part);
		addr += part;
		out += part;
		n -= part;
	}
}

void memory_write(struct memory *m, uint64_t addr, const uint8_t *p, size_t n)
{
	while (n) {
		size_t at = addr % MEMORY_LINE, part = MIN(n, MEMORY_LINE - at);

		memcpy(line_at(m, addr / MEMORY_LINE)->byte + at, p, part);
		addr += part;
		p += part;
		n -= part;
	}
}
